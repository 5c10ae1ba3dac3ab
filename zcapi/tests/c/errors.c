/* What goes wrong is told by the right number. */
#include "check.h"

int main (void)
{
    begin ();
    char byte;
    FAILS (zmq_close (NULL), ENOTSOCK);
    FAILS (zmq_send (NULL, "x", 1, 0), ENOTSOCK);
    FAILS (zmq_ctx_term (NULL), EFAULT);
    FAILS (zmq_ctx_set (NULL, ZMQ_IO_THREADS, 1), EFAULT);
    CHECK (zmq_socket (NULL, ZMQ_PULL) == NULL && zmq_errno () == EFAULT);

    void *context = zmq_ctx_new ();
    FAILS (zmq_ctx_set (context, ZMQ_IO_THREADS, -1), EINVAL);
    FAILS (zmq_ctx_get (context, 1000), EINVAL);
    CHECK (zmq_ctx_get (context, ZMQ_IO_THREADS) == 1);
    CHECK (zmq_ctx_get (context, ZMQ_MAX_SOCKETS) == 1023);
    CHECK (zmq_ctx_get (context, ZMQ_MSG_T_SIZE) == 64);
    CHECK (zmq_ctx_set (context, ZMQ_MAX_SOCKETS, 5) == 0);
    CHECK (zmq_socket (context, 999) == NULL && zmq_errno () == EINVAL);

    void *req = make (context, ZMQ_REQ), *rep = make (context, ZMQ_REP);
    CHECK (zmq_bind (rep, "inproc://rep") == 0);
    CHECK (zmq_connect (req, "inproc://rep") == 0);
    FAILS (zmq_recv (req, &byte, 1, 0), EFSM);
    FAILS (zmq_send (rep, "x", 1, 0), EFSM);
    say (req, "question", 0);
    FAILS (zmq_send (req, "x", 1, ZMQ_SNDMORE), EFSM);
    hear (rep, "question");
    FAILS (zmq_recv (rep, &byte, 1, 0), EFSM);
    say (rep, "answer", 0);
    hear (req, "answer");

    void *push = make (context, ZMQ_PUSH), *pull = make (context, ZMQ_PULL);
    FAILS (zmq_recv (push, &byte, 1, 0), ENOTSUP);
    FAILS (zmq_send (pull, "x", 1, 0), ENOTSUP);
    FAILS (zmq_send (push, "x", 1, ZMQ_DONTWAIT), EAGAIN);
    FAILS (zmq_send (push, "x", 1, ZMQ_DONTWAIT | ZMQ_SNDMORE), EAGAIN);
    int timeout = 20;
    CHECK (zmq_setsockopt (push, ZMQ_SNDTIMEO, &timeout, sizeof timeout) == 0);
    CHECK (zmq_setsockopt (pull, ZMQ_RCVTIMEO, &timeout, sizeof timeout) == 0);
    FAILS (zmq_send (push, "x", 1, 0), EAGAIN);
    FAILS (zmq_recv (pull, &byte, 1, 0), EAGAIN);

    FAILS (zmq_bind (pull, "nonsense"), EINVAL);
    FAILS (zmq_bind (pull, "pigeon://roof"), EPROTONOSUPPORT);
    FAILS (zmq_bind (pull, "tcp://127.0.0.1"), EINVAL);
    FAILS (zmq_connect (push, "tcp://*:5555"), EINVAL);
    FAILS (zmq_connect (push, "tcp://127.0.0.1:port"), EINVAL);
    FAILS (zmq_bind (pull, "ipc:///no/such/directory/socket"), ENOENT);
    FAILS (zmq_bind (pull, "tcp://192.0.2.1:5555"), EADDRNOTAVAIL);
    char endpoint[64];
    bind_somewhere (pull, endpoint, sizeof endpoint);
    FAILS (zmq_bind (rep, endpoint), EADDRINUSE);
    FAILS (zmq_bind (rep, "inproc://rep"), EADDRINUSE);
    FAILS (zmq_disconnect (push, endpoint), ENOENT);
    CHECK (zmq_unbind (pull, endpoint) == 0);
    FAILS (zmq_unbind (pull, endpoint), ENOENT);

    void *router = make (context, ZMQ_ROUTER);
    CHECK (zmq_socket (context, ZMQ_PULL) == NULL && zmq_errno () == EMFILE);
    /* Without a word, unless that is asked for. */
    say (router, "nobody", ZMQ_SNDMORE);
    say (router, "x", 0);
    say (router, "an id alone", 0);
    int on = 1;
    CHECK (zmq_setsockopt (router, ZMQ_ROUTER_MANDATORY, &on, sizeof on) == 0);
    FAILS (zmq_send (router, "nobody", 6, ZMQ_SNDMORE), EHOSTUNREACH);
    FAILS (zmq_send (router, "nobody", 6, ZMQ_SNDMORE | ZMQ_DONTWAIT), EHOSTUNREACH);

    int value;
    size_t size = sizeof value;
    FAILS (zmq_setsockopt (pull, 9999, &on, sizeof on), EINVAL);
    FAILS (zmq_getsockopt (pull, 9999, &value, &size), EINVAL);
    FAILS (zmq_setsockopt (pull, ZMQ_LINGER, &on, 3), EINVAL);
    FAILS (zmq_setsockopt (pull, ZMQ_EVENTS, &on, sizeof on), EINVAL);
    FAILS (zmq_setsockopt (pull, ZMQ_SUBSCRIBE, "", 0), EINVAL);
    value = -2;
    FAILS (zmq_setsockopt (pull, ZMQ_LINGER, &value, sizeof value), EINVAL);
    value = 2;
    FAILS (zmq_setsockopt (pull, ZMQ_IMMEDIATE, &value, sizeof value), EINVAL);

    CHECK (zmq_close (router) == 0);
    CHECK (zmq_close (req) == 0);
    CHECK (zmq_close (rep) == 0);
    CHECK (zmq_close (push) == 0);
    CHECK (zmq_close (pull) == 0);
    FAILS (zmq_proxy (NULL, NULL, NULL), EFAULT);
    CHECK (strcmp (zmq_strerror (ETERM), "Context was terminated") == 0);
    CHECK (strcmp (zmq_strerror (EINVAL), "Invalid argument") == 0);
    CHECK (zmq_has ("ipc") == 1 && zmq_has ("tcp") == 0 && zmq_has ("?") == 0);
    end (context);
    return 0;
}
