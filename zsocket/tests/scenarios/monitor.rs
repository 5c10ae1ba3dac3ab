//! Who watches a socket, and who does not look at what there is to see.

use zsocket::{Context, Event, Monitor, Pull, Push};

use crate::support::{PATIENCE, eventually, wait_for};

fn is_listening(event: &Event) -> bool {
    matches!(event, Event::Listening { .. })
}

/// How many events there are now.
fn drain(monitor: &Monitor) -> u64 {
    std::iter::from_fn(|| monitor.try_recv()).map(|_| 1).sum()
}

#[test]
fn a_monitor_that_nobody_reads_misses_events_and_holds_nothing_up() {
    // More than a monitor holds, and two events for each.
    const TIMES: u64 = 3000;
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let push = context.socket::<Push>().unwrap();
    push.connect(pull.bind("ipc://*").unwrap()).unwrap();
    push.send("hello").unwrap();
    pull.recv_timeout(PATIENCE).unwrap();

    let monitor = pull.monitor();
    for at in 0..TIMES {
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
        pull.unbind(endpoint).unwrap();
        // What the socket is for goes on.
        push.send(&at.to_be_bytes()).unwrap();
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], at.to_be_bytes());
    }
    let lagged = || pull.stats().monitor_lagged;
    assert!(lagged() > 0);
    let mut seen = 0;
    eventually("each event is seen or counted", || {
        seen += drain(&monitor);
        seen + lagged() == 2 * TIMES
    });
    // Once it is read again it misses nothing.
    let before = lagged();
    pull.bind("tcp://127.0.0.1:*").unwrap();
    wait_for(&monitor, "a new event", is_listening);
    assert_eq!(lagged(), before);
}

#[test]
fn a_second_monitor_replaces_the_first() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let first = pull.monitor();
    pull.bind("tcp://127.0.0.1:*").unwrap();
    wait_for(&first, "the first event", is_listening);
    let second = pull.monitor();
    pull.bind("tcp://127.0.0.1:*").unwrap();
    wait_for(&second, "the second event", is_listening);
    // Nobody sends to it any more, so it does not wait.
    assert!(first.recv_timeout(PATIENCE).is_none());
    drop(first);
    pull.bind("tcp://127.0.0.1:*").unwrap();
    wait_for(&second, "the third event", is_listening);
    assert_eq!(pull.stats().monitor_lagged, 0);
}
