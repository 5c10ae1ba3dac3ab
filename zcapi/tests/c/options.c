/* Options of every form are set, read back, and refused in the right way. */
#include "check.h"

static int get (void *socket, int option)
{
    int value = -77;
    size_t size = sizeof value;
    CHECK (zmq_getsockopt (socket, option, &value, &size) == 0);
    CHECK (size == sizeof value);
    return value;
}

static void set (void *socket, int option, int value)
{
    CHECK (zmq_setsockopt (socket, option, &value, sizeof value) == 0);
    CHECK (get (socket, option) == value);
}

int main (void)
{
    begin ();
    void *context = zmq_ctx_new ();
    void *dealer = make (context, ZMQ_DEALER);
    CHECK (get (dealer, ZMQ_TYPE) == ZMQ_DEALER);
    CHECK (get (dealer, ZMQ_SNDHWM) == 1000 && get (dealer, ZMQ_RCVHWM) == 1000);
    CHECK (get (dealer, ZMQ_RECONNECT_IVL) == 100);
    CHECK (get (dealer, ZMQ_RECONNECT_IVL_MAX) == 0);
    CHECK (get (dealer, ZMQ_RCVTIMEO) == -1 && get (dealer, ZMQ_SNDTIMEO) == -1);
    CHECK (get (dealer, ZMQ_BACKLOG) == 100);
    CHECK (get (dealer, ZMQ_SNDBUF) == -1 && get (dealer, ZMQ_RCVBUF) == -1);
    CHECK (get (dealer, ZMQ_TCP_KEEPALIVE) == -1);
    CHECK (get (dealer, ZMQ_HANDSHAKE_IVL) == 30000);
    CHECK (get (dealer, ZMQ_HEARTBEAT_IVL) == 0);
    CHECK (get (dealer, ZMQ_IPV6) == 0 && get (dealer, ZMQ_IPV4ONLY) == 1);
    CHECK (get (dealer, ZMQ_MECHANISM) == ZMQ_NULL);
    CHECK (get (dealer, ZMQ_TOS) == 0 && get (dealer, ZMQ_IMMEDIATE) == 0);
    CHECK (get (dealer, ZMQ_RATE) == 100 && get (dealer, ZMQ_MULTICAST_HOPS) == 1);
    CHECK (get (dealer, ZMQ_RCVMORE) == 0 && get (dealer, ZMQ_FD) >= 0);
    set (dealer, ZMQ_SNDHWM, 0);
    set (dealer, ZMQ_RCVHWM, 7);
    set (dealer, ZMQ_LINGER, -1);
    set (dealer, ZMQ_LINGER, 250);
    set (dealer, ZMQ_RECONNECT_IVL, -1);
    set (dealer, ZMQ_RECONNECT_IVL_MAX, 5000);
    set (dealer, ZMQ_RCVTIMEO, 0);
    set (dealer, ZMQ_SNDTIMEO, 1000);
    set (dealer, ZMQ_BACKLOG, 5);
    set (dealer, ZMQ_SNDBUF, 65536);
    set (dealer, ZMQ_TCP_KEEPALIVE, 1);
    set (dealer, ZMQ_TCP_KEEPALIVE_IDLE, 60);
    set (dealer, ZMQ_IMMEDIATE, 1);
    set (dealer, ZMQ_IPV6, 1);
    CHECK (get (dealer, ZMQ_IPV4ONLY) == 0);
    set (dealer, ZMQ_TOS, 32);
    set (dealer, ZMQ_HEARTBEAT_IVL, 100);
    set (dealer, ZMQ_HEARTBEAT_TIMEOUT, 500);
    set (dealer, ZMQ_HEARTBEAT_TTL, 300);
    set (dealer, ZMQ_CONNECT_TIMEOUT, 1000);
    set (dealer, ZMQ_CONFLATE, 1);

    int64_t large = 1 << 20, number = 0;
    size_t size = sizeof number;
    CHECK (zmq_getsockopt (dealer, ZMQ_MAXMSGSIZE, &number, &size) == 0 && number == -1);
    CHECK (zmq_setsockopt (dealer, ZMQ_MAXMSGSIZE, &large, sizeof large) == 0);
    CHECK (zmq_getsockopt (dealer, ZMQ_MAXMSGSIZE, &number, &size) == 0 && number == large);
    uint64_t affinity = 1, mask = 77;
    CHECK (zmq_getsockopt (dealer, ZMQ_AFFINITY, &mask, &size) == 0 && mask == 0);
    CHECK (zmq_setsockopt (dealer, ZMQ_AFFINITY, &affinity, sizeof affinity) == 0);
    FAILS (zmq_setsockopt (dealer, ZMQ_MAXMSGSIZE, &large, 4), EINVAL);

    char text[256];
    size = sizeof text;
    CHECK (zmq_getsockopt (dealer, ZMQ_ROUTING_ID, text, &size) == 0 && size == 0);
    CHECK (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "me", 2) == 0);
    size = sizeof text;
    CHECK (zmq_getsockopt (dealer, ZMQ_ROUTING_ID, text, &size) == 0);
    CHECK (size == 2 && memcmp (text, "me", 2) == 0);
    FAILS (zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "", 0), EINVAL);
    size = 1;
    FAILS (zmq_getsockopt (dealer, ZMQ_ROUTING_ID, text, &size), EINVAL);
    size = sizeof text;
    CHECK (zmq_getsockopt (dealer, ZMQ_LAST_ENDPOINT, text, &size) == 0);
    CHECK (size == 1 && *text == 0);
    CHECK (zmq_setsockopt (dealer, ZMQ_SOCKS_PROXY, "127.0.0.1:1080", 14) == 0);
    size = sizeof text;
    CHECK (zmq_getsockopt (dealer, ZMQ_SOCKS_PROXY, text, &size) == 0);
    CHECK (size == 15 && strcmp (text, "127.0.0.1:1080") == 0);
    CHECK (zmq_setsockopt (dealer, ZMQ_SOCKS_PROXY, NULL, 0) == 0);

    CHECK (zmq_setsockopt (dealer, ZMQ_PLAIN_USERNAME, "admin", 5) == 0);
    CHECK (zmq_setsockopt (dealer, ZMQ_PLAIN_PASSWORD, "secret", 6) == 0);
    CHECK (get (dealer, ZMQ_MECHANISM) == ZMQ_PLAIN);
    size = sizeof text;
    CHECK (zmq_getsockopt (dealer, ZMQ_PLAIN_PASSWORD, text, &size) == 0);
    CHECK (size == 7 && strcmp (text, "secret") == 0);
    char public[41], secret[41], derived[41];
    CHECK (zmq_curve_keypair (public, secret) == 0);
    CHECK (strlen (public) == 40 && strlen (secret) == 40);
    CHECK (zmq_curve_public (derived, secret) == 0 && strcmp (public, derived) == 0);
    CHECK (zmq_setsockopt (dealer, ZMQ_CURVE_SECRETKEY, secret, 41) == 0);
    CHECK (zmq_setsockopt (dealer, ZMQ_CURVE_PUBLICKEY, public, 40) == 0);
    CHECK (get (dealer, ZMQ_MECHANISM) == ZMQ_CURVE);
    size = 41;
    CHECK (zmq_getsockopt (dealer, ZMQ_CURVE_SECRETKEY, text, &size) == 0);
    CHECK (strcmp (text, secret) == 0);
    uint8_t raw[32], decoded[32];
    size = 32;
    CHECK (zmq_getsockopt (dealer, ZMQ_CURVE_PUBLICKEY, raw, &size) == 0);
    CHECK (zmq_z85_decode (decoded, public) == decoded && memcmp (raw, decoded, 32) == 0);
    CHECK (zmq_z85_encode (text, raw, 32) == text && strcmp (text, public) == 0);
    CHECK (zmq_z85_encode (text, raw, 31) == NULL && zmq_errno () == EINVAL);
    CHECK (zmq_z85_decode (raw, "1234") == NULL && zmq_errno () == EINVAL);
    FAILS (zmq_setsockopt (dealer, ZMQ_CURVE_SERVERKEY, "short", 5), EINVAL);
    FAILS (zmq_getsockopt (dealer, ZMQ_SUBSCRIBE, text, &size), EINVAL);
    FAILS (zmq_getsockopt (dealer, ZMQ_PROBE_ROUTER, text, &size), EINVAL);
    int on = 1;
    CHECK (zmq_setsockopt (dealer, ZMQ_PROBE_ROUTER, &on, sizeof on) == 0);
    FAILS (zmq_setsockopt (dealer, ZMQ_ROUTER_MANDATORY, &on, sizeof on), EINVAL);
    zmq_close (dealer);

    CHECK (zmq_ctx_set (context, ZMQ_BLOCKY, 0) == 0);
    CHECK (zmq_ctx_set (context, ZMQ_IPV6, 1) == 0);
    void *push = zmq_socket (context, ZMQ_PUSH);
    CHECK (get (push, ZMQ_LINGER) == 0 && get (push, ZMQ_IPV6) == 1);
    zmq_close (push);
    end (context);
    return 0;
}
