/* A monitor tells what happens to connections. */
#include "check.h"

static int next_event (void *monitor, char *endpoint, size_t room)
{
    zmq_msg_t head;
    CHECK (zmq_msg_init (&head) == 0);
    CHECK (zmq_msg_recv (&head, monitor, 0) == 6);
    CHECK (zmq_msg_more (&head));
    uint16_t event;
    memcpy (&event, zmq_msg_data (&head), sizeof event);
    CHECK (zmq_msg_close (&head) == 0);
    int size = zmq_recv (monitor, endpoint, room - 1, 0);
    CHECK (size >= 0 && !has_more (monitor));
    endpoint[size] = 0;
    return event;
}

static void expect (void *monitor, int wanted, const char *at)
{
    char endpoint[128];
    int event;
    do
        event = next_event (monitor, endpoint, sizeof endpoint);
    while (event != wanted);
    CHECK (at == NULL || strcmp (endpoint, at) == 0);
}

int main (void)
{
    begin ();
    void *context = zmq_ctx_new ();
    char endpoint[64];
    void *pull = make (context, ZMQ_PULL), *push = make (context, ZMQ_PUSH);
    FAILS (zmq_socket_monitor (pull, "tcp://127.0.0.1:5555", ZMQ_EVENT_ALL), EPROTONOSUPPORT);
    CHECK (zmq_socket_monitor (pull, "inproc://pull", ZMQ_EVENT_ALL) == 0);
    CHECK (zmq_socket_monitor (push, "inproc://push", ZMQ_EVENT_CONNECTED | ZMQ_EVENT_MONITOR_STOPPED) == 0);
    void *at_pull = make (context, ZMQ_PAIR), *at_push = make (context, ZMQ_PAIR);
    CHECK (zmq_connect (at_pull, "inproc://pull") == 0);
    CHECK (zmq_connect (at_push, "inproc://push") == 0);
    bind_somewhere (pull, endpoint, sizeof endpoint);
    expect (at_pull, ZMQ_EVENT_LISTENING, endpoint);
    CHECK (zmq_connect (push, endpoint) == 0);
    say (push, "hello", 0);
    hear (pull, "hello");
    char at[128];
    CHECK (next_event (at_push, at, sizeof at) == ZMQ_EVENT_CONNECTED);
    CHECK (strcmp (at, endpoint) == 0);
    expect (at_pull, ZMQ_EVENT_ACCEPTED, endpoint);
    expect (at_pull, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, endpoint);

    /* Stopped, and begun again at the same place. */
    CHECK (zmq_socket_monitor (push, NULL, 0) == 0);
    CHECK (next_event (at_push, at, sizeof at) == ZMQ_EVENT_MONITOR_STOPPED && *at == 0);
    zmq_close (at_push);
    CHECK (zmq_socket_monitor (push, "inproc://push again", ZMQ_EVENT_ALL) == 0);
    CHECK (zmq_close (push) == 0);
    expect (at_pull, ZMQ_EVENT_DISCONNECTED, endpoint);
    CHECK (zmq_close (pull) == 0);
    zmq_close (at_pull);
    end (context);
    return 0;
}
