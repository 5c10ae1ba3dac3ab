/* Requests and replies by way of a broker, once written out and once by zmq_proxy; and updates by way of a forwarder. */
#include "check.h"

#define REQUESTS 20

static void *context;

static void *worker (void *endpoint)
{
    void *replier = make (context, ZMQ_REP);
    CHECK (zmq_connect (replier, endpoint) == 0);
    char buffer[32];
    int size;
    while ((size = zmq_recv (replier, buffer, sizeof buffer, 0)) >= 0) {
        CHECK (size == 5 && memcmp (buffer, "Hello", 5) == 0);
        say (replier, "World", 0);
    }
    CHECK (zmq_errno () == ETERM);
    CHECK (zmq_close (replier) == 0);
    return NULL;
}

static void request (const char *endpoint)
{
    void *requester = make (context, ZMQ_REQ);
    CHECK (zmq_connect (requester, endpoint) == 0);
    for (int i = 0; i < REQUESTS; i++) {
        say (requester, "Hello", 0);
        hear (requester, "World");
    }
    CHECK (zmq_close (requester) == 0);
}

/* Passes whole messages on. */
static void pass (void *from, void *to)
{
    int more = 1;
    while (more) {
        zmq_msg_t part;
        CHECK (zmq_msg_init (&part) == 0);
        CHECK (zmq_msg_recv (&part, from, 0) >= 0);
        more = zmq_msg_more (&part);
        CHECK (zmq_msg_send (&part, to, more ? ZMQ_SNDMORE : 0) >= 0);
        CHECK (zmq_msg_close (&part) == 0);
    }
}

static void *client (void *endpoint)
{
    request (endpoint);
    return NULL;
}

static void *run_proxy (void *sockets)
{
    void **s = sockets;
    CHECK (zmq_proxy (s[0], s[1], NULL) == -1);
    CHECK (zmq_errno () == ETERM);
    zmq_close (s[0]);
    zmq_close (s[1]);
    return NULL;
}

int main (void)
{
    begin ();
    context = zmq_ctx_new ();
    char front[64], back[64];
    void *frontend = make (context, ZMQ_ROUTER);
    bind_somewhere (frontend, front, sizeof front);
    void *backend = make (context, ZMQ_DEALER);
    bind_somewhere (backend, back, sizeof back);
    pthread_t workers[2], asker;
    for (int i = 0; i < 2; i++)
        pthread_create (&workers[i], NULL, worker, back);
    pthread_create (&asker, NULL, client, front);
    for (int left = 2 * REQUESTS; left > 0;) {
        zmq_pollitem_t items[] = {{frontend, 0, ZMQ_POLLIN, 0},
                                  {backend, 0, ZMQ_POLLIN, 0}};
        CHECK (zmq_poll (items, 2, -1) > 0);
        if (items[0].revents & ZMQ_POLLIN) {
            pass (frontend, backend);
            left--;
        }
        if (items[1].revents & ZMQ_POLLIN) {
            pass (backend, frontend);
            left--;
        }
    }
    pthread_join (asker, NULL);

    void *pair[] = {frontend, backend};
    pthread_t proxy;
    pthread_create (&proxy, NULL, run_proxy, pair);
    request (front);

    /* Subscriptions go one way, updates the other. */
    char publishers[64], subscribers[64];
    void *xsub = make (context, ZMQ_XSUB);
    bind_somewhere (xsub, publishers, sizeof publishers);
    void *xpub = make (context, ZMQ_XPUB);
    bind_somewhere (xpub, subscribers, sizeof subscribers);
    void *forwarder[] = {xsub, xpub};
    pthread_t forward;
    pthread_create (&forward, NULL, run_proxy, forwarder);
    void *publisher = make (context, ZMQ_XPUB);
    CHECK (zmq_connect (publisher, publishers) == 0);
    void *subscriber = make (context, ZMQ_SUB);
    CHECK (zmq_setsockopt (subscriber, ZMQ_SUBSCRIBE, "A", 1) == 0);
    CHECK (zmq_connect (subscriber, subscribers) == 0);
    hear (publisher, "\1A");
    say (publisher, "B", ZMQ_SNDMORE);
    say (publisher, "not for us", 0);
    say (publisher, "A", ZMQ_SNDMORE);
    say (publisher, "for us", 0);
    hear (subscriber, "A");
    hear (subscriber, "for us");
    zmq_close (publisher);
    zmq_close (subscriber);

    CHECK (zmq_ctx_shutdown (context) == 0);
    pthread_join (proxy, NULL);
    pthread_join (forward, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join (workers[i], NULL);
    end (context);
    return 0;
}
