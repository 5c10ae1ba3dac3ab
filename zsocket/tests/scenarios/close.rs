//! Closing, and being told what became of what was queued.

use std::time::{Duration, Instant};

use zsocket::{Context, Endpoint, Pub, Pull, Push, Router, SocketType, Sub};

use crate::support::{
    A_WHILE, HUGE, PATIENCE, Raw, RawListener, WIRES, Wire, eventually, everywhere, loopback, spawn,
};

#[test]
fn what_arrives_is_reported_as_delivered() {
    for anywhere in everywhere() {
        let (here, there) = (Context::new(), Context::new());
        let pull_context = if anywhere.starts_with("inproc") {
            &here
        } else {
            &there
        };
        let pull = pull_context
            .build_socket::<Pull>()
            .recv_hwm(0)
            .build()
            .unwrap();
        let endpoint = pull.bind(anywhere).unwrap();
        let push = here.build_socket::<Push>().send_hwm(0).build().unwrap();
        push.connect(&endpoint).unwrap();
        for at in 0..100_u8 {
            push.send(vec![at; 10_000]).unwrap();
        }
        let report = push.close_and_wait(PATIENCE);
        assert!(report.is_complete(), "{anywhere}: {report}");
        assert_eq!((report.discarded(), report.endpoints.len()), (0, 1));
        let at = &report.endpoints[0];
        assert_eq!((&at.endpoint, at.outgoing), (&endpoint, true));
        assert_eq!((at.peers, at.acknowledged, at.pending), (1, 1, 0));
        assert_eq!(at.delivered, at.queued);
        let text = report.to_string();
        assert!(text.contains(&format!("to {endpoint}: ")), "{text}");
        for at in 0..100_u8 {
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0][0], at);
        }
    }
}

#[test]
fn what_nobody_takes_is_reported_as_dropped() {
    for wire in WIRES {
        let listener = RawListener::anywhere(wire);
        let endpoint = listener.endpoint();
        drop(listener);
        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        push.connect(&endpoint).unwrap();
        for _ in 0..3 {
            push.send("for nobody").unwrap();
        }
        let begin = Instant::now();
        let report = push.close_and_wait(A_WHILE);
        assert!(begin.elapsed() >= A_WHILE, "it has tried for so long");
        assert!(!report.is_complete());
        assert_eq!((report.delivered(), report.discarded()), (0, 3));
        assert_eq!(report.endpoints[0].acknowledged, 0);
        let text = report.to_string();
        assert!(
            text.contains("0 delivered, 3 dropped, 0 of 1 peers"),
            "{text}"
        );
        // Nothing is left that holds the context.
        context.term_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn a_name_that_nobody_has_bound() {
    let context = Context::new();
    let push = context.socket::<Push>().unwrap();
    push.connect("inproc://nobody").unwrap();
    push.send("for nobody").unwrap();
    let report = push.close_and_wait(PATIENCE);
    assert_eq!((report.delivered(), report.discarded()), (0, 1));
}

#[test]
fn a_peer_that_does_not_read_gets_what_its_system_takes() {
    let listener = RawListener::anywhere(Wire::Tcp);
    let context = Context::new();
    let push = context.socket::<Push>().unwrap();
    push.connect(listener.endpoint()).unwrap();
    let raw = listener.accept_as("PULL");
    push.wait_connected(1, PATIENCE).unwrap();
    for _ in 0..3 {
        push.send(vec![0; HUGE]).unwrap();
    }
    let report = push.close_and_wait(A_WHILE);
    assert_eq!(
        report.endpoints[0].queued, 3,
        "none of them fits into the system"
    );
    assert_eq!((report.delivered(), report.discarded()), (0, 3));
    assert!(!report.is_complete());
    drop(raw);
}

#[test]
fn it_waits_for_a_peer_that_comes_late() {
    let listener = RawListener::anywhere(Wire::Tcp);
    let endpoint = listener.endpoint();
    drop(listener);
    let context = Context::new();
    let push = context.socket::<Push>().unwrap();
    push.set_linger(Some(Duration::ZERO)).unwrap();
    push.connect(&endpoint).unwrap();
    push.send("late").unwrap();
    let closing = spawn(move || push.close_and_wait(PATIENCE));
    eventually("the socket is closed", || {
        let ended = context.term_timeout(Duration::ZERO);
        ended.is_err_and(|report| report.sockets.is_empty())
    });
    let listener = RawListener::again(&endpoint);
    let mut raw = listener.accept_as("PULL");
    assert_eq!(raw.read_message(), [b"late"]);
    raw.expect_close();
    drop(raw);
    let report = closing.join();
    assert!(report.is_complete(), "{report}");
    assert_eq!(report.delivered(), 1);
}

#[test]
fn each_endpoint_is_told_apart() {
    let context = Context::new();
    let publisher = context.socket::<Pub>().unwrap();
    let tcp = publisher.bind(loopback()).unwrap();
    let ipc = publisher.bind("ipc://*").unwrap();
    let subscribers = [&tcp, &tcp, &ipc].map(|endpoint| {
        let sub = context.socket::<Sub>().unwrap();
        sub.connect(endpoint).unwrap();
        sub.subscribe("").unwrap();
        sub
    });
    publisher.wait_subscribed("", 3, PATIENCE).unwrap();
    publisher.send("x").unwrap();
    let report = publisher.close_and_wait(PATIENCE);
    assert!(report.is_complete(), "{report}");
    let peers = |endpoint: &Endpoint| {
        let mut all = report.endpoints.iter();
        let at = all.find(|at| at.endpoint == *endpoint).unwrap();
        assert!(!at.outgoing);
        (at.peers, at.acknowledged)
    };
    assert_eq!((peers(&tcp), peers(&ipc)), ((2, 2), (1, 1)));
    for sub in subscribers {
        assert_eq!(sub.recv_timeout(PATIENCE).unwrap()[0], "x");
    }
}

#[test]
fn a_socket_without_peers_closes_at_once() {
    let context = Context::new();
    let router = context.socket::<Router>().unwrap();
    let endpoint = router.bind(loopback()).unwrap();
    let report = router.close_and_wait(PATIENCE);
    assert!(report.is_complete() && report.endpoints.is_empty());
    // The port is free.
    let again = context.socket::<Router>().unwrap();
    again.bind(&endpoint).unwrap();
}

#[test]
fn a_context_that_is_shut_down_can_be_closed_so_too() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let endpoint = pull.bind(loopback()).unwrap();
    let other = Context::new();
    let push = other.socket::<Push>().unwrap();
    push.connect(&endpoint).unwrap();
    push.send("x").unwrap();
    other.shutdown();
    let report = push.close_and_wait(PATIENCE);
    assert!(report.is_complete(), "{report}");
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "x");
    other.term_timeout(PATIENCE).unwrap();
}

#[test]
fn the_end_of_a_context_names_the_sockets_that_are_open() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let push = context.socket::<Push>().unwrap();
    let report = context.term_timeout(A_WHILE).unwrap_err();
    assert_eq!(report.sockets.len(), 2);
    for socket_type in [SocketType::Push, SocketType::Pull] {
        assert!(report.sockets.contains(&socket_type));
        assert!(report.to_string().contains(socket_type.name()), "{report}");
    }
    drop(pull);
    assert_eq!(
        context.term_timeout(A_WHILE).unwrap_err().sockets,
        [SocketType::Push]
    );
    drop(push);
    context.term_timeout(PATIENCE).unwrap();
}

#[test]
fn a_peer_that_goes_while_it_is_sent_to() {
    let listener = RawListener::anywhere(Wire::Ipc);
    let context = Context::new();
    let push = context.socket::<Push>().unwrap();
    push.set_reconnect_interval(None).unwrap();
    push.connect(listener.endpoint()).unwrap();
    let raw: Raw = listener.accept_as("PULL");
    push.wait_connected(1, PATIENCE).unwrap();
    push.send(vec![0; HUGE]).unwrap();
    push.send("behind it").unwrap();
    let closing = spawn(move || push.close_and_wait(PATIENCE));
    eventually("the socket is closed", || {
        context
            .term_timeout(Duration::ZERO)
            .is_err_and(|report| report.sockets.is_empty())
    });
    drop(raw);
    let report = closing.join();
    assert_eq!((report.delivered(), report.discarded()), (0, 2), "{report}");
}
