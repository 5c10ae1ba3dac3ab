/* Counters, timers, clocks and threads. */
#include "check.h"

static int runs;

static void tick (int id, void *arg)
{
    CHECK (id > 0);
    (*(int *) arg)++;
}

static void mark (void *arg)
{
    *(int *) arg = 42;
}

int main (void)
{
    begin ();
    int major, minor, patch;
    zmq_version (&major, &minor, &patch);
    CHECK (ZMQ_MAKE_VERSION (major, minor, patch) >= ZMQ_MAKE_VERSION (4, 3, 4));

    void *counter = zmq_atomic_counter_new ();
    CHECK (zmq_atomic_counter_value (counter) == 0);
    CHECK (zmq_atomic_counter_inc (counter) == 0);
    CHECK (zmq_atomic_counter_inc (counter) == 1);
    CHECK (zmq_atomic_counter_dec (counter) == 1);
    CHECK (zmq_atomic_counter_dec (counter) == 0);
    zmq_atomic_counter_set (counter, 2);
    CHECK (zmq_atomic_counter_value (counter) == 2);
    zmq_atomic_counter_destroy (&counter);
    CHECK (counter == NULL);

    void *timers = zmq_timers_new ();
    CHECK (zmq_timers_timeout (timers) == -1);
    int id = zmq_timers_add (timers, 300, tick, &runs);
    CHECK (id == 1);
    CHECK (zmq_timers_execute (timers) == 0 && runs == 0);
    long left = zmq_timers_timeout (timers);
    CHECK (left > 0 && left <= 300);
    usleep (350000);
    CHECK (zmq_timers_timeout (timers) == 0);
    CHECK (zmq_timers_execute (timers) == 0 && runs == 1);
    CHECK (zmq_timers_set_interval (timers, id, 100000) == 0);
    CHECK (zmq_timers_timeout (timers) > 50000);
    CHECK (zmq_timers_reset (timers, id) == 0);
    CHECK (zmq_timers_cancel (timers, id) == 0);
    FAILS (zmq_timers_cancel (timers, id), EINVAL);
    FAILS (zmq_timers_reset (timers, 77), EINVAL);
    FAILS (zmq_timers_add (timers, 10, NULL, NULL), EFAULT);
    CHECK (zmq_timers_destroy (&timers) == 0 && timers == NULL);
    FAILS (zmq_timers_destroy (&timers), EFAULT);

    void *watch = zmq_stopwatch_start ();
    usleep (2000);
    CHECK (zmq_stopwatch_intermediate (watch) >= 2000);
    CHECK (zmq_stopwatch_stop (watch) >= 2000);

    int done = 0;
    void *thread = zmq_threadstart (mark, &done);
    CHECK (thread != NULL);
    zmq_threadclose (thread);
    CHECK (done == 42);
    puts ("ok");
    return 0;
}
