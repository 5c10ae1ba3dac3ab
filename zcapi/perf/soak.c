/* The call patterns of several languages at once, for as long as it is told, with everything counted.
 *
 *     soak SECONDS
 *
 * - a C program: threads that block in calls, and a context that is terminated while they do,
 * - a binding with a garbage collector: polls with timeouts, messages that are not copied, sockets that are closed late,
 * - an event loop: descriptors and ZMQ_EVENTS, and never a call that blocks,
 * - a pool of threads: sockets that go from one to another behind a lock, and a proxy,
 * - a program that forks: children with contexts of their own.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf (stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__,   \
                     #condition, zmq_strerror (zmq_errno ()));                 \
            abort ();                                                          \
        }                                                                      \
    } while (0)

static time_t end_at;
static long rounds[5], lent, freed;

static int goes_on (void)
{
    return time (NULL) < end_at;
}

static void *make (void *context, int type)
{
    void *socket = zmq_socket (context, type);
    CHECK (socket);
    int linger = 0;
    CHECK (zmq_setsockopt (socket, ZMQ_LINGER, &linger, sizeof linger) == 0);
    return socket;
}

static void endpoint_of (void *socket, char *endpoint, size_t size)
{
    CHECK (zmq_bind (socket, "tcp://127.0.0.1:*") == 0);
    CHECK (zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
}

static int events_of (void *socket)
{
    int events;
    size_t size = sizeof events;
    CHECK (zmq_getsockopt (socket, ZMQ_EVENTS, &events, &size) == 0);
    return events;
}

/* ---- C ---- */

static void *blocks (void *pull)
{
    char byte;
    CHECK (zmq_recv (pull, &byte, 1, 0) == -1 && zmq_errno () == ETERM);
    CHECK (zmq_close (pull) == 0);
    return NULL;
}

static void *c_program (void *unused)
{
    while (goes_on ()) {
        void *context = zmq_ctx_new ();
        pthread_t threads[8];
        for (int i = 0; i < 8; i++)
            pthread_create (&threads[i], NULL, blocks, make (context, ZMQ_PULL));
        usleep (rand () % 20000);
        CHECK (zmq_ctx_term (context) == 0);
        for (int i = 0; i < 8; i++)
            pthread_join (threads[i], NULL);
        rounds[0]++;
    }
    return unused;
}

/* ---- A garbage collector ---- */

static void give_back (void *data, void *unused)
{
    (void) unused;
    free (data);
    __atomic_add_fetch (&freed, 1, __ATOMIC_SEQ_CST);
}

static void *collected (void *unused)
{
    void *context = zmq_ctx_new (), *garbage[16] = {0};
    while (goes_on ()) {
        char endpoint[64];
        void *pull = make (context, ZMQ_PULL), *push = make (context, ZMQ_PUSH);
        endpoint_of (pull, endpoint, sizeof endpoint);
        CHECK (zmq_connect (push, endpoint) == 0);
        for (int i = 0; i < 50; i++) {
            size_t size = 1 + rand () % 200000;
            zmq_msg_t message;
            CHECK (zmq_msg_init_data (&message, malloc (size), size, give_back, NULL) == 0);
            lent++;
            memset (zmq_msg_data (&message), i, size);
            CHECK (zmq_msg_send (&message, push, 0) == (int) size);
            zmq_pollitem_t items[] = {{pull, 0, ZMQ_POLLIN, 0}, {push, 0, 0, 0}};
            int found;
            while ((found = zmq_poll (items, 1 + i % 2, 100)) == 0)
                ;
            CHECK (found == 1);
            CHECK (zmq_msg_init (&message) == 0);
            CHECK (zmq_msg_recv (&message, pull, ZMQ_DONTWAIT) == (int) size);
            CHECK (((char *) zmq_msg_data (&message))[size - 1] == (char) i);
            CHECK (zmq_msg_close (&message) == 0);
        }
        /* Two at a time are found to be garbage, much later. */
        int at = rounds[1] % 8 * 2;
        for (int i = 0; i < 2; i++)
            if (garbage[at + i])
                CHECK (zmq_close (garbage[at + i]) == 0);
        garbage[at] = pull;
        garbage[at + 1] = push;
        rounds[1]++;
    }
    for (int i = 0; i < 16; i++)
        if (garbage[i])
            CHECK (zmq_close (garbage[i]) == 0);
    CHECK (zmq_ctx_term (context) == 0);
    return unused;
}

/* ---- An event loop ---- */

static void *event_loop (void *unused)
{
    while (goes_on ()) {
        void *context = zmq_ctx_new ();
        void *sockets[2] = {make (context, ZMQ_DEALER), make (context, ZMQ_ROUTER)};
        char endpoint[64];
        endpoint_of (sockets[1], endpoint, sizeof endpoint);
        CHECK (zmq_connect (sockets[0], endpoint) == 0);
        struct pollfd polled[2];
        for (int i = 0; i < 2; i++) {
            size_t size = sizeof polled[i].fd;
            CHECK (zmq_getsockopt (sockets[i], ZMQ_FD, &polled[i].fd, &size) == 0);
            polled[i].events = POLLIN;
        }
        int sent = 0, back = 0;
        while (back < 200) {
            if (sent < 200 && sent - back < 20 && events_of (sockets[0]) & ZMQ_POLLOUT) {
                CHECK (zmq_send (sockets[0], &sent, sizeof sent, ZMQ_DONTWAIT) == sizeof sent);
                sent++;
            }
            while (events_of (sockets[1]) & ZMQ_POLLIN) {
                int more = ZMQ_SNDMORE;
                while (more) {
                    zmq_msg_t part;
                    CHECK (zmq_msg_init (&part) == 0);
                    CHECK (zmq_msg_recv (&part, sockets[1], ZMQ_DONTWAIT) >= 0);
                    more = zmq_msg_more (&part) ? ZMQ_SNDMORE : 0;
                    CHECK (zmq_msg_send (&part, sockets[1], more | ZMQ_DONTWAIT) >= 0);
                    CHECK (zmq_msg_close (&part) == 0);
                }
            }
            while (events_of (sockets[0]) & ZMQ_POLLIN) {
                int number;
                CHECK (zmq_recv (sockets[0], &number, sizeof number, ZMQ_DONTWAIT) == sizeof number);
                CHECK (number == back++);
            }
            if (back < 200 && (sent == 200 || sent - back >= 20 || !(events_of (sockets[0]) & ZMQ_POLLOUT)))
                CHECK (poll (polled, 2, 20000) > 0);
        }
        for (int i = 0; i < 2; i++)
            CHECK (zmq_close (sockets[i]) == 0);
        CHECK (zmq_ctx_term (context) == 0);
        rounds[2]++;
    }
    return unused;
}

/* ---- A pool of threads ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *shared, *pool_context;
static int turns;

static void *worker (void *unused)
{
    for (;;) {
        pthread_mutex_lock (&lock);
        int done = turns == 0;
        if (!done) {
            int number = turns--;
            char answer[16];
            CHECK (zmq_send (shared, &number, sizeof number, 0) == sizeof number);
            CHECK (zmq_recv (shared, answer, sizeof answer, 0) == sizeof number);
        }
        pthread_mutex_unlock (&lock);
        if (done)
            return unused;
    }
}

static void *replier (void *endpoint)
{
    void *rep = make (pool_context, ZMQ_REP);
    CHECK (zmq_connect (rep, endpoint) == 0);
    int number;
    while (zmq_recv (rep, &number, sizeof number, 0) == sizeof number)
        CHECK (zmq_send (rep, &number, sizeof number, 0) == sizeof number);
    CHECK (zmq_errno () == ETERM && zmq_close (rep) == 0);
    return NULL;
}

static void *broker (void *sockets)
{
    void **s = sockets;
    CHECK (zmq_proxy (s[0], s[1], NULL) == -1 && zmq_errno () == ETERM);
    CHECK (zmq_close (s[0]) == 0 && zmq_close (s[1]) == 0);
    return NULL;
}

static void *pool (void *unused)
{
    while (goes_on ()) {
        pool_context = zmq_ctx_new ();
        char front[64], back[64];
        void *sockets[] = {make (pool_context, ZMQ_ROUTER), make (pool_context, ZMQ_DEALER)};
        endpoint_of (sockets[0], front, sizeof front);
        endpoint_of (sockets[1], back, sizeof back);
        pthread_t proxy, repliers[3], workers[4];
        pthread_create (&proxy, NULL, broker, sockets);
        for (int i = 0; i < 3; i++)
            pthread_create (&repliers[i], NULL, replier, back);
        shared = make (pool_context, ZMQ_REQ);
        CHECK (zmq_connect (shared, front) == 0);
        turns = 200;
        for (int i = 0; i < 4; i++)
            pthread_create (&workers[i], NULL, worker, NULL);
        for (int i = 0; i < 4; i++)
            pthread_join (workers[i], NULL);
        CHECK (zmq_close (shared) == 0);
        CHECK (zmq_ctx_term (pool_context) == 0);
        pthread_join (proxy, NULL);
        for (int i = 0; i < 3; i++)
            pthread_join (repliers[i], NULL);
        rounds[3]++;
    }
    return unused;
}

/* ---- Forks ---- */

static void child (const char *endpoint)
{
    void *context = zmq_ctx_new (), *push = zmq_socket (context, ZMQ_PUSH);
    int pid = getpid ();
    if (!push || zmq_connect (push, endpoint) != 0 || zmq_send (push, &pid, sizeof pid, 0) != sizeof pid)
        _exit (1);
    _exit (zmq_close (push) != 0 || zmq_ctx_term (context) != 0);
}

static void fork_now_and_then (void)
{
    void *context = zmq_ctx_new (), *pull = make (context, ZMQ_PULL);
    char endpoint[64];
    endpoint_of (pull, endpoint, sizeof endpoint);
    while (goes_on ()) {
        int pid = fork (), heard, status;
        CHECK (pid >= 0);
        if (pid == 0)
            child (endpoint);
        CHECK (zmq_recv (pull, &heard, sizeof heard, 0) == sizeof heard && heard == pid);
        CHECK (waitpid (pid, &status, 0) == pid && status == 0);
        rounds[4]++;
        usleep (50000);
    }
    CHECK (zmq_close (pull) == 0 && zmq_ctx_term (context) == 0);
}

int main (int argc, char **argv)
{
    int seconds = argc > 1 ? atoi (argv[1]) : 10;
    end_at = time (NULL) + seconds;
    /* Something hangs. */
    alarm (seconds + 60);
    void *(*all[]) (void *) = {c_program, collected, event_loop, pool};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create (&threads[i], NULL, all[i], NULL);
    fork_now_and_then ();
    for (int i = 0; i < 4; i++)
        pthread_join (threads[i], NULL);
    CHECK (__atomic_load_n (&freed, __ATOMIC_SEQ_CST) == lent);
    printf ("rounds: terminated %ld, collected %ld, looped %ld, pooled %ld, forked %ld; lent %ld\n",
            rounds[0], rounds[1], rounds[2], rounds[3], rounds[4], lent);
    return 0;
}
