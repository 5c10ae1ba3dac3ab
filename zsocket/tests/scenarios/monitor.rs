//! Who watches a socket, and who does not look at what there is to see; and what is counted for either.

use zsocket::{Context, Event, Monitor, Pull, Push};

use crate::support::{PATIENCE, Raw, WIRES, eventually, wait_for};

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

#[test]
fn each_connection_is_counted_by_who_has_ended_it() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let connections = || pull.stats().connections;
        let [first, mut second, mut third] = [(); 3].map(|()| Raw::connect_as(&endpoint, "PUSH"));
        eventually("all of them are there", || connections().open == 3);
        first.finish();
        drop(first);
        eventually("one is gone", || connections().closed_peer == 1);
        pull.unbind(&endpoint).unwrap();
        second.expect_close();
        third.expect_close();
        eventually("two are closed", || connections().closed_local == 2);
        let ended = connections();
        assert_eq!((ended.open, ended.established), (0, 3));
        assert_eq!((ended.closed_peer, ended.closed_io), (1, 0));
    }
}
