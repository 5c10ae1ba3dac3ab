/* The life of messages: sizes, sharing, moving, and memory that the program gets back once. */
#include "check.h"

static int freed;

static void give_back (void *data, void *hint)
{
    __atomic_add_fetch ((int *) hint, 1, __ATOMIC_SEQ_CST);
    free (data);
}

static void *lend (size_t size)
{
    void *data = malloc (size);
    CHECK (data != NULL);
    memset (data, 'x', size);
    return data;
}

static void await_freed (int count)
{
    while (__atomic_load_n (&freed, __ATOMIC_SEQ_CST) < count)
        usleep (1000);
    usleep (10000);
    CHECK (__atomic_load_n (&freed, __ATOMIC_SEQ_CST) == count);
}

int main (void)
{
    begin ();
    zmq_msg_t a, b;
    CHECK (sizeof (zmq_msg_t) == 64);
    CHECK (zmq_msg_init (&a) == 0 && zmq_msg_size (&a) == 0);
    CHECK (zmq_msg_close (&a) == 0);
    FAILS (zmq_msg_close (&a), EFAULT);
    size_t sizes[] = {0, 1, 29, 30, 33, 34, 40, 41, 64, 255, 256, 1024, 8192, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = sizes[i];
        CHECK (zmq_msg_init_size (&a, size) == 0);
        memset (zmq_msg_data (&a), (int) i, size);
        CHECK (zmq_msg_init (&b) == 0);
        CHECK (zmq_msg_copy (&b, &a) == 0);
        CHECK (zmq_msg_size (&b) == size);
        CHECK (memcmp (zmq_msg_data (&a), zmq_msg_data (&b), size) == 0);
        CHECK (size < 64 || zmq_msg_get (&b, ZMQ_SHARED) == 1);
        CHECK (zmq_msg_close (&a) == 0);
        CHECK (zmq_msg_init (&a) == 0);
        CHECK (zmq_msg_move (&a, &b) == 0);
        CHECK (zmq_msg_size (&a) == size && zmq_msg_size (&b) == 0);
        if (size)
            CHECK (((char *) zmq_msg_data (&a))[size - 1] == (char) i);
        CHECK (zmq_msg_close (&a) == 0 && zmq_msg_close (&b) == 0);
    }
    CHECK (zmq_msg_init_size (&a, (size_t) -1 / 2) == -1 && zmq_errno () == ENOMEM);
    CHECK (zmq_msg_init (&a) == 0);
    FAILS (zmq_msg_get (&a, 77), EINVAL);
    FAILS (zmq_msg_set (&a, ZMQ_MORE, 1), EINVAL);
    CHECK (zmq_msg_gets (&a, "Peer-Address") == NULL && zmq_errno () == EINVAL);
    CHECK (zmq_msg_close (&a) == 0);

    int lent = 0;
    CHECK (zmq_msg_init_data (&a, lend (100), 100, give_back, &freed) == 0);
    CHECK (zmq_msg_close (&a) == 0);
    await_freed (++lent);
    /* A copy keeps it. */
    CHECK (zmq_msg_init_data (&a, lend (100), 100, give_back, &freed) == 0);
    CHECK (zmq_msg_init (&b) == 0 && zmq_msg_copy (&b, &a) == 0);
    CHECK (zmq_msg_close (&a) == 0);
    await_freed (lent);
    CHECK (zmq_msg_close (&b) == 0);
    await_freed (++lent);

    void *context = zmq_ctx_new ();
    char endpoint[64];
    void *pull = make (context, ZMQ_PULL), *push = make (context, ZMQ_PUSH);
    void *nobody = make (context, ZMQ_PUSH);
    bind_somewhere (pull, endpoint, sizeof endpoint);
    CHECK (zmq_bind (pull, "inproc://here") == 0);
    CHECK (zmq_connect (push, endpoint) == 0);
    void *near = make (context, ZMQ_PUSH);
    CHECK (zmq_connect (near, "inproc://here") == 0);
    static char constant[100000];
    memset (constant, 'c', sizeof constant);
    size_t large[] = {10, 1000, 100000, 3000000};
    for (size_t i = 0; i < 4; i++) {
        for (int over = 0; over < 2; over++) {
            void *to = over ? near : push;
            CHECK (zmq_msg_init_data (&a, lend (large[i]), large[i], give_back, &freed) == 0);
            /* What is not sent stays the program's. */
            FAILS (zmq_msg_send (&a, nobody, ZMQ_DONTWAIT), EAGAIN);
            CHECK (zmq_msg_size (&a) == large[i]);
            CHECK (zmq_msg_send (&a, to, 0) == (int) large[i]);
            CHECK (zmq_msg_size (&a) == 0 && zmq_msg_close (&a) == 0);
            CHECK (zmq_msg_init (&b) == 0);
            CHECK (zmq_msg_recv (&b, pull, 0) == (int) large[i]);
            CHECK (((char *) zmq_msg_data (&b))[large[i] - 1] == 'x');
            const char *address = zmq_msg_gets (&b, "Peer-Address");
            CHECK (over ? address == NULL : strcmp (address, "127.0.0.1") == 0);
            if (!over)
                CHECK (strcmp (zmq_msg_gets (&b, "Socket-Type"), "PUSH") == 0);
            CHECK (zmq_msg_close (&b) == 0);
            await_freed (++lent);
        }
    }
    CHECK (zmq_send_const (push, constant, sizeof constant, 0) == (int) sizeof constant);
    CHECK (zmq_send_const (push, constant, 3, 0) == 3);
    CHECK (zmq_msg_init (&b) == 0);
    CHECK (zmq_msg_recv (&b, pull, 0) == (int) sizeof constant);
    CHECK (zmq_msg_recv (&b, pull, 0) == 3);
    CHECK (zmq_msg_init_data (&a, constant, 50, NULL, NULL) == 0);
    CHECK (zmq_msg_get (&a, ZMQ_SHARED) == 1);
    CHECK (zmq_msg_send (&a, push, 0) == 50);
    CHECK (zmq_msg_recv (&b, pull, 0) == 50);
    CHECK (zmq_msg_close (&a) == 0 && zmq_msg_close (&b) == 0);
    /* What is never received is given back, too. */
    CHECK (zmq_msg_init_data (&a, lend (100000), 100000, give_back, &freed) == 0);
    CHECK (zmq_msg_send (&a, near, 0) == 100000);
    zmq_close (push);
    zmq_close (near);
    zmq_close (nobody);
    zmq_close (pull);
    CHECK (zmq_ctx_term (context) == 0);
    await_freed (++lent);
    puts ("ok");
    return 0;
}
