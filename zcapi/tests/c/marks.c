/* High-water marks, publishing with envelopes, and nodes that wait for each other. */
#include "check.h"

int main (void)
{
    begin ();
    void *context = zmq_ctx_new ();
    int mark = 10;
    void *push = make (context, ZMQ_PUSH), *pull = make (context, ZMQ_PULL);
    CHECK (zmq_setsockopt (push, ZMQ_SNDHWM, &mark, sizeof mark) == 0);
    CHECK (zmq_setsockopt (pull, ZMQ_RCVHWM, &mark, sizeof mark) == 0);
    CHECK (zmq_bind (pull, "inproc://marks") == 0);
    CHECK (zmq_connect (push, "inproc://marks") == 0);
    int sent = 0;
    while (zmq_send (push, "x", 1, ZMQ_DONTWAIT) == 1)
        sent++;
    CHECK (zmq_errno () == EAGAIN && sent == 20);
    CHECK (!(events_of (push) & ZMQ_POLLOUT));
    for (int i = 0; i < 20; i++)
        hear (pull, "x");
    await (push, ZMQ_POLLOUT);
    /* Half a message takes a place, and the rest has it. */
    say (push, "first", ZMQ_SNDMORE | ZMQ_DONTWAIT);
    say (push, "second", ZMQ_DONTWAIT);
    hear (pull, "first");
    hear (pull, "second");

    /* The publisher waits for three subscribers before it begins. */
    char updates_at[64], ready_at[64];
    void *publisher = make (context, ZMQ_PUB), *ready = make (context, ZMQ_REP);
    bind_somewhere (publisher, updates_at, sizeof updates_at);
    bind_somewhere (ready, ready_at, sizeof ready_at);
    void *subscribers[3];
    for (int i = 0; i < 3; i++) {
        subscribers[i] = make (context, ZMQ_SUB);
        CHECK (zmq_setsockopt (subscribers[i], ZMQ_SUBSCRIBE, "B", 1) == 0);
        CHECK (zmq_setsockopt (subscribers[i], ZMQ_SUBSCRIBE, "hello", 5) == 0);
        CHECK (zmq_connect (subscribers[i], updates_at) == 0);
        /* Says hello until it is heard. */
        zmq_pollitem_t item = {subscribers[i], 0, ZMQ_POLLIN, 0};
        do
            say (publisher, "hello", 0);
        while (zmq_poll (&item, 1, 10) == 0);
        void *request = make (context, ZMQ_REQ);
        CHECK (zmq_connect (request, ready_at) == 0);
        say (request, "", 0);
        hear (ready, "");
        say (ready, "", 0);
        hear (request, "");
        zmq_close (request);
    }
    for (int i = 0; i < 100; i++) {
        say (publisher, "A", ZMQ_SNDMORE);
        say (publisher, "we do not want to see this", 0);
        say (publisher, "B", ZMQ_SNDMORE);
        say (publisher, "we would like to see this", 0);
    }
    for (int i = 0; i < 3; i++) {
        int updates = 0;
        while (updates < 100) {
            char topic[16];
            int size = zmq_recv (subscribers[i], topic, sizeof topic, 0);
            if (size == 5)
                continue;
            CHECK (size == 1 && *topic == 'B' && has_more (subscribers[i]));
            hear (subscribers[i], "we would like to see this");
            updates++;
        }
        zmq_close (subscribers[i]);
    }
    zmq_close (publisher);
    zmq_close (ready);
    zmq_close (push);
    zmq_close (pull);
    end (context);
    return 0;
}
