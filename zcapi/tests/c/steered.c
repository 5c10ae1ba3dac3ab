/* A proxy that is steered, and one that keeps copies. */
#include "check.h"

static void run (void *arg)
{
    void **s = arg;
    CHECK (zmq_proxy_steerable (s[0], s[1], s[2], s[3]) == 0);
}

/* What is asked before this was done when it is answered. */
static void ask (void *boss, uint64_t *numbers)
{
    say (boss, "STATISTICS", 0);
    for (int i = 0; i < 8; i++) {
        CHECK (zmq_recv (boss, &numbers[i], 8, 0) == 8);
        CHECK (has_more (boss) == (i < 7));
    }
}

int main (void)
{
    begin ();
    void *context = zmq_ctx_new ();
    void *front = make (context, ZMQ_PULL), *back = make (context, ZMQ_PUSH);
    void *capture = make (context, ZMQ_PUSH), *control = make (context, ZMQ_PAIR);
    CHECK (zmq_bind (front, "inproc://front") == 0);
    CHECK (zmq_bind (back, "inproc://back") == 0);
    CHECK (zmq_bind (capture, "inproc://copies") == 0);
    CHECK (zmq_bind (control, "inproc://control") == 0);
    void *push = make (context, ZMQ_PUSH), *pull = make (context, ZMQ_PULL);
    void *copies = make (context, ZMQ_PULL), *boss = make (context, ZMQ_PAIR);
    CHECK (zmq_connect (push, "inproc://front") == 0);
    CHECK (zmq_connect (pull, "inproc://back") == 0);
    CHECK (zmq_connect (copies, "inproc://copies") == 0);
    CHECK (zmq_connect (boss, "inproc://control") == 0);
    void *sockets[] = {front, back, capture, control};
    void *proxy = zmq_threadstart (run, sockets);
    say (push, "a message", 0);
    hear (pull, "a message");
    hear (copies, "a message");
    uint64_t numbers[8];
    ask (boss, numbers);
    /* The frontend has received a message of nine bytes, and the backend has sent it. */
    CHECK (numbers[0] == 1 && numbers[1] == 9 && numbers[2] == 0 && numbers[3] == 0);
    CHECK (numbers[4] == 0 && numbers[5] == 0 && numbers[6] == 1 && numbers[7] == 9);
    /* (What PAUSE and RESUME do depends on the version of libzmq: 4.3.5 has them the wrong way round.) */
    say (push, "later", 0);
    hear (pull, "later");
    say (boss, "TERMINATE", 0);
    zmq_threadclose (proxy);
    void *all[] = {front, back, capture, control, push, pull, copies, boss};
    for (int i = 0; i < 8; i++)
        CHECK (zmq_close (all[i]) == 0);
    end (context);
    return 0;
}
