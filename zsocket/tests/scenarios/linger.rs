//! What becomes of queued messages when their socket or context ends.

use std::{
    io::Write,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use zsocket::{Context, Endpoint, Event, Pull, Push, SocketType};

use crate::support::{
    A_WHILE, COMMAND, HUGE, PATIENCE, Raw, RawListener, SMALL_BUFFER, WIRES, Wire, loopback, ping,
    spawn, wait_for,
};

/// An endpoint where nobody listens now, though somebody may later.
fn nobody(wire: Wire) -> Endpoint {
    let listener = RawListener::anywhere(wire);
    let endpoint = listener.endpoint();
    drop(listener);
    if let (Wire::Ipc, Some((_, path))) = (wire, endpoint.to_string().split_once("://")) {
        std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
    }
    endpoint
}

#[test]
fn everything_arrives_from_a_socket_that_is_closed_at_once() {
    for wire in WIRES {
        let (here, there) = (Context::new(), Context::new());
        let pull = there.socket::<Pull>().unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        for round in 0..20u32 {
            let push = here.socket::<Push>().unwrap();
            push.connect(&endpoint).unwrap();
            for at in 0..500u32 {
                push.send([round.to_be_bytes(), at.to_be_bytes()].concat())
                    .unwrap();
            }
            push.close();
            for at in 0..500u32 {
                let message = pull.recv_timeout(PATIENCE).unwrap();
                let expected = [round.to_be_bytes(), at.to_be_bytes()].concat();
                assert_eq!(message[0], expected);
            }
        }
        here.term_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn a_context_that_is_dropped_sends_everything_first() {
    for wire in WIRES {
        let there = Context::new();
        let pull = there.socket::<Pull>().unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let dropper = spawn(move || {
            let here = Context::new();
            let push = here.build_socket::<Push>().send_hwm(0).build().unwrap();
            push.connect(&endpoint).unwrap();
            for at in 0..200u32 {
                push.send(vec![at as u8; 10_000]).unwrap();
            }
        });
        for at in 0..200u32 {
            let message = pull.recv_timeout(PATIENCE).unwrap();
            assert_eq!((message[0][0], message[0].len()), (at as u8, 10_000));
        }
        dropper.join();
    }
}

/// A panic must be able to end the thread, whatever is queued.
#[test]
fn a_context_that_a_panic_drops_waits_for_nobody() {
    for wire in WIRES {
        let endpoint = nobody(wire);
        let (ended, end) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            // Dropped after the context.
            let _ended = ended;
            let context = Context::new();
            let push = context.socket::<Push>().unwrap();
            push.connect(&endpoint).unwrap();
            push.send("for nobody").unwrap();
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        let ended = end.recv_timeout(PATIENCE);
        assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected));
        assert!(thread.join().is_err());
    }
}

#[test]
fn a_peer_that_never_comes_holds_the_context_for_as_long_as_linger_says() {
    for wire in WIRES {
        let endpoint = nobody(wire);
        // None: it is held until somebody comes.
        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        push.connect(&endpoint).unwrap();
        for at in 0..3u8 {
            push.send([at]).unwrap();
        }
        push.close();
        let report = context.term_timeout(A_WHILE).unwrap_err();
        assert_eq!(report.sockets, []);
        assert_eq!(report.connections.len(), 1);
        assert_eq!(report.connections[0].endpoint, endpoint);
        assert!(report.connections[0].outgoing);
        assert_eq!(report.connections[0].messages, Some(3));
        let text = report.to_string();
        assert!(
            text.contains(&endpoint.to_string()) && text.contains("3 messages"),
            "{text}"
        );
        let listener = RawListener::again(&endpoint);
        let mut raw = listener.accept_as("PULL");
        for at in 0..3u8 {
            assert_eq!(raw.read_message(), [vec![at]]);
        }
        raw.expect_close();
        drop(raw);
        context.term_timeout(PATIENCE).unwrap();
        drop(listener);

        // A time: that long.
        let linger = Duration::from_millis(80);
        let context = Context::new();
        let push = context
            .build_socket::<Push>()
            .linger(Some(linger))
            .build()
            .unwrap();
        push.connect(&endpoint).unwrap();
        push.send("lost").unwrap();
        let begin = Instant::now();
        push.close();
        context.term_timeout(PATIENCE).unwrap();
        assert!(begin.elapsed() >= linger);

        // No time, set late.
        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        push.connect(&endpoint).unwrap();
        push.send("lost").unwrap();
        push.set_linger(Some(Duration::ZERO)).unwrap();
        push.close();
        context.term_timeout(PATIENCE).unwrap();

        // Nothing queued: nothing to wait for.
        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        push.connect(&endpoint).unwrap();
        push.close();
        context.term_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn a_peer_that_does_not_read_holds_the_context_for_as_long_as_linger_says() {
    for wire in WIRES {
        for linger in [Some(Duration::ZERO), Some(Duration::from_millis(80)), None] {
            let listener = RawListener::anywhere(wire);
            let context = Context::new();
            let push = context
                .build_socket::<Push>()
                .linger(linger)
                .build()
                .unwrap();
            push.set_send_buffer(Some(SMALL_BUFFER)).unwrap();
            push.connect(listener.endpoint()).unwrap();
            let mut raw = listener.accept_as("PULL");
            for at in 0..3u8 {
                push.send(vec![at; HUGE]).unwrap();
            }
            let begin = Instant::now();
            push.close();
            match linger {
                Some(linger) => {
                    context.term_timeout(PATIENCE).unwrap();
                    assert!(begin.elapsed() >= linger);
                    raw.expect_close();
                }
                None => {
                    let report = context.term_timeout(A_WHILE).unwrap_err();
                    assert_eq!(report.connections.len(), 1);
                    assert_eq!(report.connections[0].messages, Some(3));
                    for at in 0..3u8 {
                        assert_eq!(raw.read_message(), [vec![at; HUGE]]);
                    }
                    raw.expect_close();
                    drop(raw);
                    context.term_timeout(PATIENCE).unwrap();
                }
            }
        }
    }
}

#[test]
fn a_peer_that_goes_away_while_its_messages_linger() {
    for wire in WIRES {
        // The side that connected tries again.
        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        push.set_send_buffer(Some(SMALL_BUFFER)).unwrap();
        push.set_reconnect_interval(Some(Duration::from_millis(5)))
            .unwrap();
        let listener = RawListener::anywhere(wire);
        push.connect(listener.endpoint()).unwrap();
        let raw = listener.accept_as("PULL");
        push.send(vec![1; HUGE]).unwrap();
        push.close();
        drop(raw);
        let mut raw = listener.accept_as("PULL");
        assert_eq!(raw.read_message(), [vec![1; HUGE]]);
        raw.expect_close();
        drop(raw);
        context.term_timeout(PATIENCE).unwrap();

        // For the side that accepted there is nobody to send to any more.
        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        push.set_send_buffer(Some(SMALL_BUFFER)).unwrap();
        let endpoint = push.bind(wire.anywhere()).unwrap();
        let raw = Raw::connect_as(&endpoint, "PULL");
        push.send_timeout(vec![1; HUGE], PATIENCE).unwrap();
        push.close();
        drop(raw);
        context.term_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn strangers_in_the_middle_of_a_handshake_hold_nothing() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context
            .build_socket::<Pull>()
            .handshake_interval(None)
            .build()
            .unwrap();
        let monitor = pull.monitor();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let mut half_open = Raw::connect(&endpoint);
        wait_for(&monitor, "the stranger", |event| {
            matches!(event, Event::Accepted { .. })
        });
        pull.close();
        half_open.expect_close();
        context.term_timeout(PATIENCE).unwrap();

        // The same for a server that says nothing.
        let context = Context::new();
        let listener = RawListener::anywhere(wire);
        let pull = context
            .build_socket::<Pull>()
            .handshake_interval(None)
            .build()
            .unwrap();
        pull.connect(listener.endpoint()).unwrap();
        let mut half_open = listener.accept();
        pull.close();
        half_open.expect_close();
        context.term_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn a_message_queued_during_the_handshake_is_sent_after_it() {
    for wire in WIRES {
        let context = Context::new();
        let listener = RawListener::anywhere(wire);
        let push = context.socket::<Push>().unwrap();
        push.connect(listener.endpoint()).unwrap();
        let mut raw = listener.accept();
        push.send("early").unwrap();
        push.close();
        raw.shake_hands("PULL");
        assert_eq!(raw.read_message(), [b"early".to_vec()]);
        raw.expect_close();
        drop(raw);
        context.term_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn open_sockets_are_reported() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let push = context.socket::<Push>().unwrap();
    let endpoint = pull.bind(loopback()).unwrap();
    push.connect(&endpoint).unwrap();
    push.send("x").unwrap();
    pull.recv_timeout(PATIENCE).unwrap();
    let report = context.term_timeout(Duration::ZERO).unwrap_err();
    let mut types = report.sockets.clone();
    types.sort_unstable_by_key(|socket_type| socket_type.name());
    assert_eq!(types, [SocketType::Pull, SocketType::Push]);
    assert_eq!(report.connections.len(), 2);
    assert!(report.to_string().contains("2 open sockets"), "{report}");
    drop(push);
    let report = context.term_timeout(Duration::ZERO).unwrap_err();
    assert_eq!(report.sockets, [SocketType::Pull]);
    let closer = spawn(move || drop(pull));
    context.term().unwrap();
    closer.join();
}

#[test]
fn what_was_given_up_is_counted() {
    for wire in WIRES {
        let context = Context::new();
        let push = context
            .build_socket::<Push>()
            .linger(Some(Duration::ZERO))
            .build()
            .unwrap();
        push.connect(nobody(wire)).unwrap();
        for _ in 0..7 {
            push.send("lost").unwrap();
        }
        let endpoint = push.last_endpoint().unwrap();
        push.disconnect(&endpoint).unwrap();
        crate::support::eventually("the loss is counted", || push.stats().dropped.linger == 7);
    }
}

/// How long a peer does nothing but send PING.
const SLOW: Duration = Duration::from_millis(500);

/// Sends PING for a while, and says how often.
fn ping_for_a_while(raw: &mut Raw) -> usize {
    let begin = Instant::now();
    let mut pings = 0;
    while begin.elapsed() < SLOW {
        // One whose other end is gone learns it when it reads.
        pings += usize::from(raw.write_all(&ping(b"slow")).is_ok());
        thread::sleep(A_WHILE);
    }
    pings
}

/// Reads a message of this size, and says how many answers to PING came before it.
fn read_past_pongs(raw: &mut Raw, size: usize) -> usize {
    let mut pongs = 0;
    loop {
        let (flags, body) = raw.read_frame();
        if flags != COMMAND {
            assert!(flags == 0 && body == vec![7; size]);
            return pongs;
        }
        assert_eq!(body, b"\x04PONGslow");
        pongs += 1;
    }
}

#[test]
fn everything_reaches_a_slow_reader_that_sends_pings() {
    // As much as our system takes at once, and the peer's does not.
    const SIZE: usize = 1 << 20;
    let context = Context::new();
    let push = context.socket::<Push>().unwrap();
    let listener = RawListener::anywhere(Wire::Tcp);
    push.connect(listener.endpoint()).unwrap();
    let mut raw = listener.accept_as("PULL");
    push.send(vec![7; SIZE]).unwrap();
    push.close();
    let pings = ping_for_a_while(&mut raw);
    // The peer's system does not have it all.
    assert!(context.term_timeout(A_WHILE).is_err());
    let mut pongs = read_past_pongs(&mut raw, SIZE);
    while pongs < pings {
        assert_eq!(raw.read_frame(), (COMMAND, b"\x04PONGslow".to_vec()));
        pongs += 1;
    }
    raw.expect_close();
    drop(raw);
    context.term_timeout(PATIENCE).unwrap();
}

#[test]
fn everything_reaches_a_slow_reader_over_ipc() {
    const SIZE: usize = 60_000;
    let context = Context::new();
    let push = context.socket::<Push>().unwrap();
    let listener = RawListener::anywhere(Wire::Ipc);
    push.connect(listener.endpoint()).unwrap();
    let mut raw = listener.accept_as("PULL");
    push.send(vec![7; SIZE]).unwrap();
    push.close();
    ping_for_a_while(&mut raw);
    read_past_pongs(&mut raw, SIZE);
    context.term_timeout(PATIENCE).unwrap();
}

#[test]
fn lingering_ends_in_time_though_the_peer_has_not_got_everything() {
    let linger = Duration::from_millis(80);
    let context = Context::new();
    let push = context
        .build_socket::<Push>()
        .linger(Some(linger))
        .build()
        .unwrap();
    let listener = RawListener::anywhere(Wire::Tcp);
    push.connect(listener.endpoint()).unwrap();
    let raw = listener.accept_as("PULL");
    push.send(vec![7; 1 << 20]).unwrap();
    let begin = Instant::now();
    push.close();
    context.term_timeout(PATIENCE).unwrap();
    assert!(begin.elapsed() >= linger);
    drop(raw);
}

#[test]
fn a_closed_socket_answers_pings_in_the_middle_of_what_it_was_sent() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.socket::<zsocket::Rep>().unwrap();
        let monitor = pull.monitor();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "DEALER");
        raw.send(&[b"", b"request"]);
        pull.recv_timeout(PATIENCE).unwrap();
        pull.set_send_buffer(Some(SMALL_BUFFER)).unwrap();
        // It does not fit into the system, so the connection lingers.
        pull.send(vec![7; HUGE]).unwrap();
        // The first half of a large body, and of what follows another's.
        raw.write_all(&crate::support::header(0, 100_000)).unwrap();
        raw.write_all(&[0; 50_000]).unwrap();
        pull.close();
        raw.write_all(&[0; 50_000]).unwrap();
        raw.write_all(&ping(b"after")).unwrap();
        assert!(raw.read_message() == [vec![], vec![7; HUGE]]);
        assert_eq!(raw.read_frame(), (COMMAND, b"\x04PONGafter".to_vec()));
        drop(monitor);
        drop(raw);
        context.term_timeout(PATIENCE).unwrap();
    }
}
