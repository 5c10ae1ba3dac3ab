/* Workers in threads behind a broker, a relay of threads that signal each other, and a socket that goes from one to another. */
#include "check.h"

static void *context;

static void work (void *arg)
{
    (void) arg;
    void *replier = make (context, ZMQ_REP);
    CHECK (zmq_connect (replier, "inproc://workers") == 0);
    char buffer[16];
    int size;
    while ((size = zmq_recv (replier, buffer, sizeof buffer, 0)) >= 0)
        CHECK (zmq_send (replier, buffer, size, 0) == size);
    CHECK (zmq_errno () == ETERM);
    zmq_close (replier);
}

static void serve (void *arg)
{
    void **sockets = arg;
    CHECK (zmq_proxy (sockets[0], sockets[1], NULL) == -1);
    zmq_close (sockets[0]);
    zmq_close (sockets[1]);
}

static void step_one (void *arg)
{
    (void) arg;
    void *to = make (context, ZMQ_PAIR);
    CHECK (zmq_connect (to, "inproc://step2") == 0);
    say (to, "READY", 0);
    zmq_close (to);
}

static void step_two (void *arg)
{
    (void) arg;
    void *from = make (context, ZMQ_PAIR);
    CHECK (zmq_bind (from, "inproc://step2") == 0);
    void *thread = zmq_threadstart (step_one, NULL);
    hear (from, "READY");
    zmq_close (from);
    void *to = make (context, ZMQ_PAIR);
    CHECK (zmq_connect (to, "inproc://step3") == 0);
    say (to, "READY", 0);
    zmq_threadclose (thread);
    zmq_close (to);
}

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static void *shared;

static void take_turns (void *arg)
{
    (void) arg;
    for (int i = 0; i < 500; i++) {
        pthread_mutex_lock (&turn);
        say (shared, "turn", 0);
        pthread_mutex_unlock (&turn);
    }
}

int main (void)
{
    begin ();
    context = zmq_ctx_new ();
    char endpoint[64];
    void *sockets[] = {make (context, ZMQ_ROUTER), make (context, ZMQ_DEALER)};
    bind_somewhere (sockets[0], endpoint, sizeof endpoint);
    CHECK (zmq_bind (sockets[1], "inproc://workers") == 0);
    void *threads[5];
    for (int i = 0; i < 4; i++)
        threads[i] = zmq_threadstart (work, NULL);
    threads[4] = zmq_threadstart (serve, sockets);
    void *client = make (context, ZMQ_REQ);
    CHECK (zmq_connect (client, endpoint) == 0);
    for (int i = 0; i < 100; i++) {
        char text[16];
        snprintf (text, sizeof text, "%d", i);
        say (client, text, 0);
        hear (client, text);
    }
    zmq_close (client);

    void *last = make (context, ZMQ_PAIR);
    CHECK (zmq_bind (last, "inproc://step3") == 0);
    void *thread = zmq_threadstart (step_two, NULL);
    hear (last, "READY");
    zmq_threadclose (thread);
    zmq_close (last);

    /* The lock is the fence. */
    void *pull = make (context, ZMQ_PULL);
    bind_somewhere (pull, endpoint, sizeof endpoint);
    shared = make (context, ZMQ_PUSH);
    CHECK (zmq_connect (shared, endpoint) == 0);
    void *users[3];
    for (int i = 0; i < 3; i++)
        users[i] = zmq_threadstart (take_turns, NULL);
    for (int i = 0; i < 1500; i++)
        hear (pull, "turn");
    for (int i = 0; i < 3; i++)
        zmq_threadclose (users[i]);
    zmq_close (shared);
    zmq_close (pull);

    CHECK (zmq_ctx_shutdown (context) == 0);
    for (int i = 0; i < 5; i++)
        zmq_threadclose (threads[i]);
    end (context);
    return 0;
}
