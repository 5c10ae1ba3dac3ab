/* How fast messages go, by the C interface alone: the same program for every library that has it.
 *
 *     perf push SIZE SECONDS    PUSH to PULL over tcp, two processes: million messages a second
 *     perf msg SIZE SECONDS     the same by zmq_msg_send and zmq_msg_recv
 *     perf ping SIZE SECONDS    REQ and REP over tcp, two processes: microseconds for a round trip
 *     perf poll SIZE SECONDS    the same, with zmq_poll before each receive
 *     perf fan SIZE SECONDS     PUB to eight SUB over tcp in another process, nothing dropped: million messages published a second
 *
 * Prints one number.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define SUBSCRIBERS 8

static size_t size;
static double seconds;
static char *body;

static void must (int holds, const char *what)
{
    if (!holds) {
        fprintf (stderr, "%s: %s\n", what, zmq_strerror (zmq_errno ()));
        exit (1);
    }
}

static double now (void)
{
    struct timespec at;
    clock_gettime (CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static void send_body (void *socket, int by_message)
{
    if (by_message) {
        zmq_msg_t message;
        must (zmq_msg_init_size (&message, size) == 0, "init");
        memcpy (zmq_msg_data (&message), body, size);
        must (zmq_msg_send (&message, socket, 0) == (int) size, "send");
    } else
        must (zmq_send (socket, body, size, 0) == (int) size, "send");
}

static void recv_body (void *socket, int by_message)
{
    if (by_message) {
        zmq_msg_t message;
        zmq_msg_init (&message);
        must (zmq_msg_recv (&message, socket, 0) == (int) size, "recv");
        zmq_msg_close (&message);
    } else
        must (zmq_recv (socket, body, size, 0) == (int) size, "recv");
}

/* The child runs `other`, with the endpoint that the parent has bound. */
static void apart (void (*other) (const char *, int), const char *endpoint, int how)
{
    if (fork () == 0) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        other (endpoint, how);
        _exit (0);
    }
}

static void sender (const char *endpoint, int by_message)
{
    void *context = zmq_ctx_new ();
    void *push = zmq_socket (context, ZMQ_PUSH);
    must (zmq_connect (push, endpoint) == 0, "connect");
    for (;;)
        send_body (push, by_message);
}

static void replier (const char *endpoint, int polls)
{
    void *context = zmq_ctx_new ();
    void *rep = zmq_socket (context, ZMQ_REP);
    must (zmq_connect (rep, endpoint) == 0, "connect");
    for (;;) {
        zmq_pollitem_t item = {rep, 0, ZMQ_POLLIN, 0};
        if (polls)
            must (zmq_poll (&item, 1, -1) == 1, "poll");
        recv_body (rep, 0);
        send_body (rep, 0);
    }
}

static void subscribers (const char *endpoint, int unused)
{
    (void) unused;
    void *context = zmq_ctx_new ();
    void *subs[SUBSCRIBERS];
    for (int i = 0; i < SUBSCRIBERS; i++) {
        subs[i] = zmq_socket (context, ZMQ_SUB);
        must (zmq_setsockopt (subs[i], ZMQ_SUBSCRIBE, "", 0) == 0, "subscribe");
        must (zmq_connect (subs[i], endpoint) == 0, "connect");
    }
    for (;;)
        for (int i = 0; i < SUBSCRIBERS; i++)
            for (int turn = 0; turn < 50; turn++)
                recv_body (subs[i], 0);
}

/* Counts how often `step` can be done, after a while in which it does not count. */
static double rate (void (*step) (void *, int), void *socket, int how, int batch)
{
    double warm = now () + seconds / 4;
    while (now () < warm)
        for (int i = 0; i < batch; i++)
            step (socket, how);
    double begin = now (), end = begin + seconds, at;
    long count = 0;
    do {
        for (int i = 0; i < batch; i++)
            step (socket, how);
        count += batch;
    } while ((at = now ()) < end);
    return count / (at - begin);
}

static void round_trip (void *req, int polls)
{
    send_body (req, 0);
    zmq_pollitem_t item = {req, 0, ZMQ_POLLIN, 0};
    if (polls)
        must (zmq_poll (&item, 1, -1) == 1, "poll");
    recv_body (req, 0);
}

static void publish (void *pub, int unused)
{
    (void) unused;
    send_body (pub, 0);
}

static char endpoint[64];

/* A port that is free, so that the child can be forked before there is a context. */
static void choose_endpoint (void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    int probe = socket (AF_INET, SOCK_STREAM, 0);
    if (probe < 0 || bind (probe, (struct sockaddr *) &address, length) != 0
        || getsockname (probe, (struct sockaddr *) &address, &length) != 0) {
        perror ("no port");
        exit (1);
    }
    close (probe);
    snprintf (endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", ntohs (address.sin_port));
}

int main (int argc, char **argv)
{
    if (argc != 4) {
        fprintf (stderr, "usage: perf push|msg|ping|poll|fan SIZE SECONDS\n");
        return 2;
    }
    const char *mode = argv[1];
    size = strtoul (argv[2], NULL, 10);
    seconds = atof (argv[3]);
    body = malloc (size + 1);
    memset (body, 'x', size);
    choose_endpoint ();
    double result;
    if (strcmp (mode, "push") == 0 || strcmp (mode, "msg") == 0) {
        int by_message = *mode == 'm';
        apart (sender, endpoint, by_message);
        void *context = zmq_ctx_new ();
        void *pull = zmq_socket (context, ZMQ_PULL);
        must (zmq_bind (pull, endpoint) == 0, "bind");
        result = rate (recv_body, pull, by_message, 1000) / 1e6;
    } else if (strcmp (mode, "ping") == 0 || strcmp (mode, "poll") == 0) {
        int polls = mode[1] == 'o';
        apart (replier, endpoint, polls);
        void *context = zmq_ctx_new ();
        void *req = zmq_socket (context, ZMQ_REQ);
        must (zmq_bind (req, endpoint) == 0, "bind");
        result = 1e6 / rate (round_trip, req, polls, 100);
    } else if (strcmp (mode, "fan") == 0) {
        apart (subscribers, endpoint, 0);
        void *context = zmq_ctx_new ();
        void *pub = zmq_socket (context, ZMQ_XPUB);
        int on = 1;
        must (zmq_setsockopt (pub, ZMQ_XPUB_NODROP, &on, sizeof on) == 0, "nodrop");
        must (zmq_setsockopt (pub, ZMQ_XPUB_VERBOSE, &on, sizeof on) == 0, "verbose");
        must (zmq_bind (pub, endpoint) == 0, "bind");
        char subscription;
        for (int i = 0; i < SUBSCRIBERS; i++)
            must (zmq_recv (pub, &subscription, 1, 0) == 1, "subscription");
        result = rate (publish, pub, 0, 1000) / 1e6;
    } else {
        fprintf (stderr, "perf: there is no mode %s\n", mode);
        return 2;
    }
    printf ("%.3f\n", result);
    fflush (stdout);
    /* The child goes with this process, and nobody waits for what is under way. */
    _exit (0);
}
