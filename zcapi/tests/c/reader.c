/* One thread reads from two sockets, once by looking at each and once by zmq_poll, together with a descriptor. */
#include "check.h"

int main (void)
{
    begin ();
    void *context = zmq_ctx_new ();
    char tasks_at[64], weather_at[64];
    void *ventilator = make (context, ZMQ_PUSH);
    bind_somewhere (ventilator, tasks_at, sizeof tasks_at);
    void *weather = make (context, ZMQ_XPUB);
    bind_somewhere (weather, weather_at, sizeof weather_at);

    void *tasks = make (context, ZMQ_PULL);
    CHECK (zmq_connect (tasks, tasks_at) == 0);
    void *updates = make (context, ZMQ_SUB);
    CHECK (zmq_connect (updates, weather_at) == 0);
    CHECK (zmq_setsockopt (updates, ZMQ_SUBSCRIBE, "8000 ", 5) == 0);

    /* Somebody has subscribed. */
    hear (weather, "\1" "8000 ");
    char none[8];
    FAILS (zmq_recv (tasks, none, sizeof none, ZMQ_DONTWAIT), EAGAIN);
    FAILS (zmq_recv (updates, none, sizeof none, ZMQ_DONTWAIT), EAGAIN);

    for (int i = 0; i < 10; i++) {
        say (ventilator, "task", 0);
        say (weather, "1000 cold", 0);
        say (weather, "8000 warm", 0);
    }
    int got_tasks = 0, got_updates = 0;
    while (got_tasks + got_updates < 10) {
        char buffer[32];
        if (zmq_recv (tasks, buffer, sizeof buffer, ZMQ_DONTWAIT) == 4)
            got_tasks++;
        if (zmq_recv (updates, buffer, sizeof buffer, ZMQ_DONTWAIT) == 9)
            got_updates++;
        usleep (1000);
    }

    int ends[2];
    CHECK (pipe (ends) == 0);
    int got_bytes = 0;
    CHECK (write (ends[1], "x", 1) == 1);
    while (got_tasks < 10 || got_updates < 10 || got_bytes < 1) {
        zmq_pollitem_t items[] = {{tasks, 0, ZMQ_POLLIN, 0},
                                  {updates, 0, ZMQ_POLLIN, 0},
                                  {NULL, ends[0], ZMQ_POLLIN, 0}};
        CHECK (zmq_poll (items, 3, 30000) > 0);
        char buffer[32];
        if (items[0].revents & ZMQ_POLLIN) {
            CHECK (zmq_recv (tasks, buffer, sizeof buffer, ZMQ_DONTWAIT) == 4);
            got_tasks++;
        }
        if (items[1].revents & ZMQ_POLLIN) {
            CHECK (zmq_recv (updates, buffer, sizeof buffer, ZMQ_DONTWAIT) == 9);
            CHECK (memcmp (buffer, "8000 warm", 9) == 0);
            got_updates++;
        }
        if (items[2].revents & ZMQ_POLLIN) {
            CHECK (read (ends[0], buffer, 1) == 1);
            got_bytes++;
        }
    }
    zmq_pollitem_t items[] = {{tasks, 0, ZMQ_POLLIN | ZMQ_POLLOUT, 0},
                              {updates, 0, ZMQ_POLLIN, 0},
                              {ventilator, 0, ZMQ_POLLOUT, 0}};
    CHECK (zmq_poll (items, 3, 0) == 1);
    CHECK (items[0].revents == 0 && items[1].revents == 0);
    CHECK (items[2].revents == ZMQ_POLLOUT);
    CHECK (zmq_poll (items, 2, 20) == 0);
    CHECK (zmq_poll (NULL, 0, 1) == 0);

    close (ends[0]);
    close (ends[1]);
    zmq_close (tasks);
    zmq_close (updates);
    zmq_close (ventilator);
    zmq_close (weather);
    end (context);
    return 0;
}
