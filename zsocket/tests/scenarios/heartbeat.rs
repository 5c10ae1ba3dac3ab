//! Peers that fall silent, and those that only have nothing to say.

use std::{io::Write, time::Duration};

use zsocket::{CloseReason, Context, Event, Monitor, Pull, Push};

use crate::{
    old::Dialect,
    support::{
        COMMAND, PATIENCE, Raw, RawListener, WIRES, frame, greeting, message, ready, spawn,
        wait_for,
    },
};

const SOON: Duration = Duration::from_millis(5);

fn reason_of_the_end(monitor: &Monitor) -> CloseReason {
    let event = wait_for(monitor, "the end", |event| {
        matches!(event, Event::Disconnected { .. })
    });
    match event {
        Event::Disconnected { reason, .. } => reason,
        _ => unreachable!("waited for"),
    }
}

/// The next PING, with what it says of the time to live, in tenths of a second.
fn read_ping(raw: &mut Raw) -> u16 {
    let (flags, body) = raw.read_frame();
    assert_eq!((flags, body.len()), (COMMAND, 7), "{}", body.escape_ascii());
    let ttl = body.strip_prefix(b"\x04PING").expect("a PING");
    u16::from_be_bytes([ttl[0], ttl[1]])
}

fn pong() -> Vec<u8> {
    frame(COMMAND, b"\x04PONG")
}

#[test]
fn a_frozen_peer_is_noticed_by_who_receives() {
    for wire in WIRES {
        for is_blocked in [false, true] {
            let context = Context::new();
            let builder = context.build_socket::<Pull>();
            let builder = builder.heartbeat_interval(Some(SOON));
            let pull = builder.build().unwrap();
            let monitor = pull.monitor();
            let endpoint = pull.bind(wire.anywhere()).unwrap();
            let mut raw = Raw::connect_as(&endpoint, "PUSH");
            // Also while the application waits for input itself.
            let (blocked, away) = if is_blocked {
                (Some(spawn(move || pull.recv_timeout(PATIENCE))), None)
            } else {
                (None, Some(pull))
            };
            assert_eq!(read_ping(&mut raw), 0);
            raw.expect_close();
            let reason = reason_of_the_end(&monitor);
            assert_eq!(reason, CloseReason::HeartbeatTimeout);
            // All in one, before this one counts as silent.
            let all = [&greeting()[..], &ready("PUSH"), &message(&[b"here"])].concat();
            Raw::connect(&endpoint).write_all(&all).unwrap();
            let received = match (blocked, away) {
                (Some(blocked), _) => blocked.join(),
                (_, Some(pull)) => pull.recv_timeout(PATIENCE),
                _ => unreachable!("it is one of these"),
            };
            assert_eq!(received.unwrap()[0], "here");
        }
    }
}

#[test]
fn a_frozen_peer_is_noticed_by_who_sends_and_another_connection_is_made() {
    for wire in WIRES {
        let context = Context::new();
        let builder = context.build_socket::<Push>();
        let builder = builder.heartbeat_interval(Some(SOON));
        let builder = builder.heartbeat_timeout(Some(2 * SOON));
        let push = builder.reconnect_interval(Some(SOON)).build().unwrap();
        let monitor = push.monitor();
        let listener = RawListener::anywhere(wire);
        push.connect(listener.endpoint()).unwrap();
        let mut first = listener.accept_as("PULL");
        read_ping(&mut first);
        let reason = reason_of_the_end(&monitor);
        assert_eq!(reason, CloseReason::HeartbeatTimeout);
        let mut second = listener.accept_as("PULL");
        read_ping(&mut second);
        assert!(push.stats().connections.established >= 2);
    }
}

#[test]
fn a_peer_that_answers_stays_while_the_receiver_is_blocked_or_away() {
    for wire in WIRES {
        let context = Context::new();
        let builder = context.build_socket::<Pull>();
        let builder = builder.heartbeat_interval(Some(Duration::from_millis(1)));
        let pull = builder.heartbeat_timeout(Some(PATIENCE)).build().unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "PUSH");
        let answers = |raw: &mut Raw| {
            for _ in 0..50 {
                read_ping(raw);
                raw.write_all(&pong()).unwrap();
            }
        };
        answers(&mut raw);
        let receiver = spawn(move || {
            let received = pull.recv_timeout(PATIENCE).unwrap();
            (pull, received)
        });
        answers(&mut raw);
        raw.send(&[b"done"]);
        let (pull, received) = receiver.join();
        assert_eq!(received[0], "done");
        answers(&mut raw);
        assert_eq!(pull.stats().connections.open, 1);
    }
}

#[test]
fn two_sockets_keep_each_other_alive() {
    for wire in WIRES {
        let context = Context::new();
        let builder = context.build_socket::<Pull>();
        let builder = builder.heartbeat_interval(Some(Duration::from_millis(1)));
        let pull = builder.heartbeat_timeout(Some(PATIENCE)).build().unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let builder = context.build_socket::<Push>();
        let builder = builder.heartbeat_interval(Some(Duration::from_millis(1)));
        let builder = builder.heartbeat_timeout(Some(PATIENCE));
        let push = builder.heartbeat_ttl(Some(PATIENCE)).build().unwrap();
        push.connect(&endpoint).unwrap();
        // PINGs in both directions, between messages of every size.
        for number in 0..2000_usize {
            let body = vec![number as u8; [1, 300, 10_000, 100_000][number % 4]];
            push.send(&body[..]).unwrap();
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], body[..]);
        }
        assert_eq!(push.stats().connections.established, 1);
        assert_eq!(pull.stats().connections.open, 1);
    }
}

#[test]
fn a_peer_is_told_how_long_silence_may_last_and_held_to_what_it_says_itself() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let monitor = pull.monitor();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let mut silent = Raw::connect_as(&endpoint, "PUSH");
        silent
            .write_all(&frame(COMMAND, b"\x04PING\0\x01"))
            .unwrap();
        assert_eq!(silent.read_frame(), (COMMAND, b"\x04PONG".to_vec()));
        silent.expect_close();
        let reason = reason_of_the_end(&monitor);
        assert_eq!(reason, CloseReason::TtlExpired);
        assert_eq!(pull.stats().connections.silent, 1);

        for (ttl, told) in [
            (Some(1500), 15),
            (Some(1), 1),
            (Some(6_000_000), 655),
            (None, 0),
        ] {
            let builder = context.build_socket::<Pull>();
            let builder = builder.heartbeat_interval(Some(SOON));
            let builder = builder.heartbeat_ttl(ttl.map(Duration::from_millis));
            let pull = builder.build().unwrap();
            let endpoint = pull.bind(wire.anywhere()).unwrap();
            let mut raw = Raw::connect_as(&endpoint, "PUSH");
            assert_eq!(read_ping(&mut raw), told);
        }
    }
}

#[test]
fn a_peer_is_not_blamed_for_silence_while_nobody_reads_it() {
    for wire in WIRES {
        let context = Context::new();
        let builder = context.build_socket::<Pull>().recv_hwm(1);
        let builder = builder.heartbeat_interval(Some(SOON));
        let pull = builder.build().unwrap();
        let monitor = pull.monitor();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect(&endpoint);
        let mut all = [&greeting()[..], &ready("PUSH")].concat();
        for number in 0..5u8 {
            all.extend(message(&[&[number]]));
        }
        raw.write_all(&all).unwrap();
        raw.hear_handshake();
        for _ in 0..20 {
            read_ping(&mut raw);
        }
        assert_eq!(pull.stats().connections.open, 1);
        for number in 0..5u8 {
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], [number]);
        }
        // Now it is read, and has nothing to say.
        let reason = reason_of_the_end(&monitor);
        assert_eq!(reason, CloseReason::HeartbeatTimeout);
    }
}

#[test]
fn a_peer_that_knows_no_ping_is_sent_none() {
    for wire in WIRES {
        for dialect in [
            Dialect::One { identity: b"" },
            Dialect::Two { identity: b"" },
        ] {
            let context = Context::new();
            let builder = context.build_socket::<Pull>();
            let builder = builder.heartbeat_interval(Some(Duration::from_millis(1)));
            let pull = builder.build().unwrap();
            let endpoint = pull.bind(wire.anywhere()).unwrap();
            let mut old = Raw::connect(&endpoint);
            old.write_all(&dialect.greeting("PUSH")).unwrap();
            old.write_all(&dialect.message(&[b"first"])).unwrap();
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "first");
            // What this end says in the handshake, and nothing after it.
            let mut heard = Vec::new();
            old.read_for_a_while(&mut heard);
            assert!(!heard.windows(4).any(|part| part == b"PING"));
            old.write_all(&dialect.message(&[b"second"])).unwrap();
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "second");
        }
    }
}
