/* What the programs have in common. Each of them stops at the first thing that is not as it should be, and after a minute, or so many seconds
 * as CHECK_SECONDS says. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            int failed_with = zmq_errno ();                                    \
            fprintf (stderr, "%s:%d: not so: %s (errno %d: %s)\n", __FILE__,   \
                     __LINE__, #condition, failed_with,                        \
                     zmq_strerror (failed_with));                              \
            exit (1);                                                          \
        }                                                                      \
    } while (0)

/* The call has to fail with this. */
#define FAILS(call, with)                                                      \
    do {                                                                       \
        errno = 0;                                                             \
        CHECK ((call) == -1);                                                  \
        CHECK (zmq_errno () == (with));                                        \
    } while (0)

static inline void begin (void)
{
    setvbuf (stdout, NULL, _IONBF, 0);
    const char *seconds = getenv ("CHECK_SECONDS");
    alarm (seconds ? atoi (seconds) : 60);
}

static inline void *make (void *context, int type)
{
    void *socket = zmq_socket (context, type);
    CHECK (socket != NULL);
    int linger = 0;
    CHECK (zmq_setsockopt (socket, ZMQ_LINGER, &linger, sizeof linger) == 0);
    return socket;
}

static inline void say (void *socket, const char *text, int flags)
{
    CHECK (zmq_send (socket, text, strlen (text), flags)
           == (int) strlen (text));
}

static inline void hear (void *socket, const char *text)
{
    char buffer[256];
    int size = zmq_recv (socket, buffer, sizeof buffer, 0);
    CHECK (size == (int) strlen (text));
    CHECK (memcmp (buffer, text, size) == 0);
}

static inline int has_more (void *socket)
{
    int more = -1;
    size_t size = sizeof more;
    CHECK (zmq_getsockopt (socket, ZMQ_RCVMORE, &more, &size) == 0);
    return more;
}

static inline int events_of (void *socket)
{
    int events = -1;
    size_t size = sizeof events;
    CHECK (zmq_getsockopt (socket, ZMQ_EVENTS, &events, &size) == 0);
    return events;
}

/* Binds to a port that is free, and says where. */
static inline void bind_somewhere (void *socket, char *endpoint, size_t size)
{
    CHECK (zmq_bind (socket, "tcp://127.0.0.1:*") == 0);
    CHECK (zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
}

/* Waits until the socket can do this. */
static inline void await (void *socket, short events)
{
    zmq_pollitem_t item = {socket, 0, events, 0};
    CHECK (zmq_poll (&item, 1, 30000) == 1);
    CHECK (item.revents == events);
}

static inline void end (void *context)
{
    CHECK (zmq_ctx_term (context) == 0);
    puts ("ok");
}

#endif
