/* A foreign event loop: the descriptor of a socket says when to look, and misses nothing if one looks after each call. */
#include "check.h"
#include <poll.h>

#define MESSAGES 2000

static void *send_all (void *socket)
{
    for (int i = 0; i < MESSAGES; i++) {
        say (socket, "part", ZMQ_SNDMORE);
        say (socket, "rest", 0);
        if (i % 50 == 0)
            usleep (500);
    }
    return NULL;
}

int main (void)
{
    begin ();
    void *context = zmq_ctx_new ();
    char endpoint[64];
    void *pull = make (context, ZMQ_PULL), *push = make (context, ZMQ_PUSH);
    bind_somewhere (pull, endpoint, sizeof endpoint);
    int descriptor, again;
    size_t size = sizeof descriptor;
    CHECK (zmq_getsockopt (pull, ZMQ_FD, &descriptor, &size) == 0);
    CHECK (zmq_getsockopt (pull, ZMQ_FD, &again, &size) == 0 && again == descriptor);
    CHECK (zmq_connect (push, endpoint) == 0);
    pthread_t sender;
    pthread_create (&sender, NULL, send_all, push);
    int messages = 0;
    while (messages < MESSAGES) {
        while (events_of (pull) & ZMQ_POLLIN) {
            hear (pull, "part");
            hear (pull, "rest");
            messages++;
        }
        if (messages == MESSAGES)
            break;
        struct pollfd polled = {descriptor, POLLIN, 0};
        CHECK (poll (&polled, 1, 30000) == 1);
    }
    pthread_join (sender, NULL);
    CHECK (!(events_of (pull) & ZMQ_POLLIN));
    /* In between it can be polled with others. */
    say (push, "part", 0);
    await (pull, ZMQ_POLLIN);
    hear (pull, "part");
    zmq_close (pull);
    zmq_close (push);
    end (context);
    return 0;
}
