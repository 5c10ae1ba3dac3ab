/* Signals end blocked calls with EINTR, and another thread's zmq_ctx_term ends them with ETERM. */
#include "check.h"

static volatile sig_atomic_t signals;
static pthread_t main_thread;
static void *context;

static void count (int number)
{
    (void) number;
    signals++;
}

static volatile int wanted;

/* Sends signals until the main thread's call has ended: one that comes just before it sleeps is lost. */
static void *signaller (void *arg)
{
    (void) arg;
    while (wanted) {
        usleep (20000);
        pthread_kill (main_thread, SIGUSR1);
    }
    return NULL;
}

static pthread_t soon (void)
{
    pthread_t thread;
    wanted = 1;
    CHECK (pthread_create (&thread, NULL, signaller, NULL) == 0);
    return thread;
}

static void enough (pthread_t thread)
{
    wanted = 0;
    pthread_join (thread, NULL);
    CHECK (signals > 0);
}

static void *terminator (void *arg)
{
    (void) arg;
    usleep (50000);
    CHECK (zmq_ctx_term (context) == 0);
    return NULL;
}

int main (void)
{
    begin ();
    main_thread = pthread_self ();
    struct sigaction action = {.sa_handler = count};
    CHECK (sigaction (SIGUSR1, &action, NULL) == 0);
    context = zmq_ctx_new ();
    char endpoint[64], byte;
    void *pull = make (context, ZMQ_PULL);
    bind_somewhere (pull, endpoint, sizeof endpoint);
    void *push = make (context, ZMQ_PUSH);

    pthread_t thread = soon ();
    FAILS (zmq_recv (pull, &byte, 1, 0), EINTR);
    enough (thread);

    thread = soon ();
    FAILS (zmq_send (push, "x", 1, 0), EINTR);
    enough (thread);

    zmq_pollitem_t item = {pull, 0, ZMQ_POLLIN, 0};
    thread = soon ();
    FAILS (zmq_poll (&item, 1, -1), EINTR);
    enough (thread);

    /* With a peer the thread waits in another way. */
    CHECK (zmq_connect (push, endpoint) == 0);
    say (push, "hello", 0);
    hear (pull, "hello");
    for (int i = 0; i < 3; i++) {
        thread = soon ();
        FAILS (zmq_recv (pull, &byte, 1, 0), EINTR);
        enough (thread);
    }
    say (push, "still there", 0);
    hear (pull, "still there");

    /* The context waits for this socket until the signal comes. */
    void *other = zmq_ctx_new ();
    void *open = make (other, ZMQ_PULL);
    thread = soon ();
    FAILS (zmq_ctx_term (other), EINTR);
    enough (thread);
    CHECK (zmq_close (open) == 0);
    CHECK (zmq_ctx_term (other) == 0);

    pthread_create (&thread, NULL, terminator, NULL);
    FAILS (zmq_recv (pull, &byte, 1, 0), ETERM);
    /* A thread that only sends may hear of it a little later. */
    while (zmq_send (push, "x", 1, 0) == 1)
        ;
    CHECK (zmq_errno () == ETERM);
    FAILS (zmq_poll (&item, 1, 0), ETERM);
    int linger = 0;
    FAILS (zmq_setsockopt (pull, ZMQ_LINGER, &linger, sizeof linger), ETERM);
    FAILS (zmq_bind (pull, "tcp://127.0.0.1:*"), ETERM);
    FAILS (zmq_connect (pull, endpoint), ETERM);
    CHECK (zmq_socket (context, ZMQ_PULL) == NULL && zmq_errno () == ETERM);
    CHECK (zmq_close (pull) == 0);
    CHECK (zmq_close (push) == 0);
    pthread_join (thread, NULL);
    puts ("ok");
    return 0;
}
