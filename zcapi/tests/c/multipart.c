/* Messages of several frames, in every way that there is to send and receive them. */
#include "check.h"
#include <sys/uio.h>

int main (void)
{
    begin ();
    void *context = zmq_ctx_new ();
    void *a = make (context, ZMQ_PAIR), *b = make (context, ZMQ_PAIR);
    CHECK (zmq_bind (a, "inproc://parts") == 0);
    CHECK (zmq_connect (b, "inproc://parts") == 0);

    say (a, "one", ZMQ_SNDMORE);
    say (a, "", ZMQ_SNDMORE);
    /* A message that is not whole is nobody's. */
    char none;
    FAILS (zmq_recv (b, &none, 1, ZMQ_DONTWAIT), EAGAIN);
    say (a, "three", 0);
    hear (b, "one");
    CHECK (has_more (b));
    hear (b, "");
    CHECK (has_more (b));
    zmq_msg_t part;
    CHECK (zmq_msg_init (&part) == 0);
    CHECK (zmq_msg_recv (&part, b, 0) == 5);
    CHECK (!zmq_msg_more (&part) && !has_more (b));
    CHECK (memcmp (zmq_msg_data (&part), "three", 5) == 0);

    /* A relay that knows nothing of what it passes on. */
    for (int i = 0; i < 100; i++)
        say (a, "part", i < 99 ? ZMQ_SNDMORE : 0);
    int more = 1, parts = 0;
    while (more) {
        CHECK (zmq_msg_recv (&part, b, 0) == 4);
        more = zmq_msg_more (&part);
        CHECK (more == zmq_msg_get (&part, ZMQ_MORE));
        CHECK (zmq_msg_send (&part, b, more ? ZMQ_SNDMORE : 0) == 4);
        CHECK (zmq_msg_size (&part) == 0);
        parts++;
    }
    CHECK (parts == 100);
    for (int i = 0; i < 100; i++) {
        hear (a, "part");
        CHECK (has_more (a) == (i < 99));
    }
    CHECK (zmq_msg_close (&part) == 0);

    /* Lists of buffers. */
    struct iovec out[3] = {{"first", 5}, {"", 0}, {"third", 5}};
    CHECK (zmq_sendiov (a, out, 3, ZMQ_SNDMORE) == 5);
    struct iovec in[5];
    size_t count = 5;
    CHECK (zmq_recviov (b, in, &count, 0) == 3 || count == 3);
    CHECK (count == 3 && in[0].iov_len == 5 && in[1].iov_len == 0);
    CHECK (memcmp (in[2].iov_base, "third", 5) == 0);
    for (size_t i = 0; i < count; i++)
        free (in[i].iov_base);

    /* A buffer that is too short gets the beginning, and hears how long it was. */
    say (a, "0123456789", 0);
    char head[5] = "....";
    CHECK (zmq_recv (b, head, 4, 0) == 10);
    CHECK (memcmp (head, "0123", 4) == 0);

    zmq_close (a);
    zmq_close (b);
    end (context);
    return 0;
}
