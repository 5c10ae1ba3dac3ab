/* PLAIN and CURVE with a handler of ZAP, and what messages tell of their senders. */
#include "check.h"

static void *context;

static void answer (void *handler, const char *text)
{
    CHECK (zmq_send (handler, text, strlen (text), ZMQ_SNDMORE) >= 0);
}

/* Lets in who knows the password, or has a key that begins with the right byte. */
static void handle (void *arg)
{
    const uint8_t *key = arg;
    void *handler = make (context, ZMQ_REP);
    CHECK (zmq_bind (handler, "inproc://zeromq.zap.01") == 0);
    for (;;) {
        char frames[10][256];
        int sizes[10], count = 0;
        do {
            sizes[count] = zmq_recv (handler, frames[count], 255, 0);
            if (sizes[count] < 0) {
                CHECK (zmq_errno () == ETERM);
                zmq_close (handler);
                return;
            }
            frames[count][sizes[count]] = 0;
            count++;
        } while (has_more (handler));
        CHECK (strcmp (frames[0], "1.0") == 0);
        CHECK (strcmp (frames[2], "global") == 0);
        CHECK (strcmp (frames[3], "127.0.0.1") == 0);
        int ok = 0;
        if (strcmp (frames[5], "PLAIN") == 0)
            ok = count == 8 && strcmp (frames[6], "admin") == 0 && strcmp (frames[7], "secret") == 0;
        else if (strcmp (frames[5], "CURVE") == 0)
            ok = count == 7 && sizes[6] == 32 && memcmp (frames[6], key, 32) == 0;
        answer (handler, "1.0");
        answer (handler, frames[1]);
        answer (handler, ok ? "200" : "400");
        answer (handler, ok ? "OK" : "No");
        answer (handler, ok ? "the user" : "");
        CHECK (zmq_send (handler, "", 0, 0) == 0);
    }
}

static void exchange (void *server, void *client, const char *endpoint)
{
    CHECK (zmq_connect (client, endpoint) == 0);
    say (client, "hello", 0);
    zmq_msg_t message;
    CHECK (zmq_msg_init (&message) == 0);
    CHECK (zmq_msg_recv (&message, server, 0) == 5);
    CHECK (strcmp (zmq_msg_gets (&message, "User-Id"), "the user") == 0);
    CHECK (zmq_msg_gets (&message, "X-Nothing") == NULL);
    CHECK (zmq_msg_close (&message) == 0);
    zmq_close (client);
}

static void refused (void *server, void *client, const char *endpoint)
{
    CHECK (zmq_connect (client, endpoint) == 0);
    say (client, "let me in", 0);
    int timeout = 200;
    CHECK (zmq_setsockopt (server, ZMQ_RCVTIMEO, &timeout, sizeof timeout) == 0);
    char byte;
    FAILS (zmq_recv (server, &byte, 1, 0), EAGAIN);
    timeout = -1;
    CHECK (zmq_setsockopt (server, ZMQ_RCVTIMEO, &timeout, sizeof timeout) == 0);
    zmq_close (client);
}

int main (void)
{
    begin ();
    context = zmq_ctx_new ();
    char public[41], secret[41], server_public[41], server_secret[41], endpoint[64];
    CHECK (zmq_curve_keypair (public, secret) == 0);
    CHECK (zmq_curve_keypair (server_public, server_secret) == 0);
    uint8_t key[32];
    CHECK (zmq_z85_decode (key, public) == key);
    void *handler = zmq_threadstart (handle, key);

    int on = 1;
    void *server = make (context, ZMQ_PULL);
    CHECK (zmq_setsockopt (server, ZMQ_PLAIN_SERVER, &on, sizeof on) == 0);
    CHECK (zmq_setsockopt (server, ZMQ_ZAP_DOMAIN, "global", 6) == 0);
    bind_somewhere (server, endpoint, sizeof endpoint);
    for (int right = 0; right < 2; right++) {
        void *client = make (context, ZMQ_PUSH);
        CHECK (zmq_setsockopt (client, ZMQ_PLAIN_USERNAME, "admin", 5) == 0);
        CHECK (zmq_setsockopt (client, ZMQ_PLAIN_PASSWORD, right ? "secret" : "guess", right ? 6 : 5) == 0);
        (right ? exchange : refused) (server, client, endpoint);
    }
    zmq_close (server);

    server = make (context, ZMQ_PULL);
    CHECK (zmq_setsockopt (server, ZMQ_CURVE_SERVER, &on, sizeof on) == 0);
    CHECK (zmq_setsockopt (server, ZMQ_CURVE_SECRETKEY, server_secret, 41) == 0);
    CHECK (zmq_setsockopt (server, ZMQ_ZAP_DOMAIN, "global", 6) == 0);
    bind_somewhere (server, endpoint, sizeof endpoint);
    for (int right = 0; right < 2; right++) {
        char other_public[41], other_secret[41];
        CHECK (zmq_curve_keypair (other_public, other_secret) == 0);
        void *client = make (context, ZMQ_PUSH);
        CHECK (zmq_setsockopt (client, ZMQ_CURVE_SERVERKEY, server_public, 41) == 0);
        CHECK (zmq_setsockopt (client, ZMQ_CURVE_PUBLICKEY, right ? public : other_public, 41) == 0);
        CHECK (zmq_setsockopt (client, ZMQ_CURVE_SECRETKEY, right ? secret : other_secret, 41) == 0);
        (right ? exchange : refused) (server, client, endpoint);
    }
    zmq_close (server);
    CHECK (zmq_ctx_shutdown (context) == 0);
    zmq_threadclose (handler);
    end (context);
    return 0;
}
