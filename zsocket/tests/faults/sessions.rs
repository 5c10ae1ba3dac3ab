//! Connections that last, and those that only seem to.

use std::{
    io::{ErrorKind, Write},
    time::Duration,
};

use zsocket::{CloseReason, Context, Dealer, Event, Monitor, Pull, Router, SocketType};

use crate::support::{
    COMMAND, PATIENCE, Raw, RawListener, WIRES, eventually, frame, greeting, header, ready, spawn,
    wait_for,
};

const SOON: Duration = Duration::from_millis(5);

/// Each type, and what the other end calls itself.
const TYPES: [(SocketType, &str); 11] = [
    (SocketType::Pair, "PAIR"),
    (SocketType::Pub, "SUB"),
    (SocketType::Sub, "PUB"),
    (SocketType::XPub, "XSUB"),
    (SocketType::XSub, "XPUB"),
    (SocketType::Push, "PULL"),
    (SocketType::Pull, "PUSH"),
    (SocketType::Req, "REP"),
    (SocketType::Rep, "REQ"),
    (SocketType::Dealer, "ROUTER"),
    (SocketType::Router, "DEALER"),
];

fn expect_timeout(monitor: &Monitor) {
    let event = wait_for(monitor, "the end", |event| {
        matches!(event, Event::Disconnected { .. })
    });
    let Event::Disconnected { reason, .. } = event else {
        unreachable!("waited for");
    };
    assert_eq!(reason, CloseReason::HeartbeatTimeout);
}

fn expect_ping(raw: &mut Raw) {
    let (flags, body) = raw.read_frame();
    assert_eq!(flags, COMMAND);
    assert!(body.starts_with(b"\x04PING"), "{}", body.escape_ascii());
}

/// Also those that only send, or only receive, and whose application makes no call.
#[test]
fn sockets_of_every_type_notice_a_peer_that_is_gone_without_a_word() {
    for wire in WIRES {
        for (socket_type, peer) in TYPES {
            for binds in [true, false] {
                let context = Context::new();
                let builder = context.build_dynamic(socket_type);
                let builder = builder.heartbeat_interval(Some(SOON));
                let socket = builder.reconnect_interval(Some(SOON)).build().unwrap();
                let monitor = socket.monitor();
                let listener = RawListener::anywhere(wire);
                let mut raw = if binds {
                    let endpoint = socket.bind(wire.anywhere()).unwrap();
                    Raw::connect_as(&endpoint, peer)
                } else {
                    socket.connect(listener.endpoint()).unwrap();
                    listener.accept_as(peer)
                };
                expect_ping(&mut raw);
                expect_timeout(&monitor);
                raw.expect_close();
                assert!(socket.stats().connections.silent >= 1, "{socket_type}");
                if !binds {
                    expect_ping(&mut listener.accept_as(peer));
                }
            }
        }
    }
}

/// The peer answers no PING before its message is complete, since it cannot: the answer would be a part of it.
#[test]
fn any_byte_of_a_large_message_is_life() {
    const TIMEOUT: Duration = Duration::from_millis(400);
    const SIZE: usize = 80;
    for wire in WIRES {
        for is_blocked in [false, true] {
            let context = Context::new();
            let builder = context.build_socket::<Pull>();
            let builder = builder.heartbeat_interval(Some(TIMEOUT / 4));
            let pull = builder.heartbeat_timeout(Some(TIMEOUT)).build().unwrap();
            let endpoint = pull.bind(wire.anywhere()).unwrap();
            let writer = spawn(move || {
                let mut raw = Raw::connect_as(&endpoint, "PUSH");
                raw.write_all(&header(0, SIZE as u64)).unwrap();
                // Three times as long as it may be silent.
                for _ in 0..SIZE {
                    std::thread::sleep(3 * TIMEOUT / SIZE as u32);
                    raw.write_all(b"x").unwrap();
                }
                raw
            });
            if is_blocked {
                assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0].len(), SIZE);
            } else {
                // Nobody calls.
                writer.join();
                assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0].len(), SIZE);
            }
            assert_eq!(pull.stats().connections.silent, 0);
            assert_eq!(pull.stats().connections.established, 1);
        }
    }
}

/// A machine loses power and starts again: the old connection is there still, and nothing will ever come from it.
#[test]
fn a_client_that_starts_again_has_its_name_though_its_dead_connection_is_there() {
    for wire in WIRES {
        for handover in [false, true] {
            let context = Context::new();
            let builder = context.build_socket::<Router>().handover(handover);
            // With hand-over nothing has to be noticed.
            let interval = (!handover).then_some(4 * SOON);
            let router = builder.heartbeat_interval(interval).build().unwrap();
            let endpoint = router.bind(wire.anywhere()).unwrap();
            let named = b"\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\x06client";
            let mut dead = Raw::connect(&endpoint);
            dead.write_all(&greeting()).unwrap();
            dead.write_all(&frame(COMMAND, named)).unwrap();
            dead.hear_handshake();
            dead.send(&[b"before"]);
            assert_eq!(router.recv_timeout(PATIENCE).unwrap()[1], "before");
            // It comes again and again until its name is free.
            let builder = context.build_socket::<Dealer>().routing_id("client".into());
            let again = builder.reconnect_interval(Some(SOON)).build().unwrap();
            again.connect(&endpoint).unwrap();
            eventually("its name is free", || {
                // What it says before is for a connection that is refused.
                again.send("again").unwrap();
                let message = router.recv_timeout(4 * SOON);
                message.is_ok_and(|message| message[0] == "client" && message[1] == "again")
            });
            eventually("it is heard of", || {
                router.send(["client", "welcome"]).unwrap();
                again.recv_timeout(2 * SOON).is_ok()
            });
            dead.expect_close();
        }
    }
}

/// A handshake that trickles in does not last longer than it may, and one that never begins neither.
#[test]
fn bytes_of_a_handshake_do_not_make_it_last_longer() {
    for wire in WIRES {
        let context = Context::new();
        let builder = context.build_socket::<Pull>();
        let builder = builder.handshake_interval(Some(40 * SOON));
        let pull = builder.build().unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect(&endpoint);
        let hello = [&greeting()[..], &ready("PUSH")].concat();
        let mut written = 0;
        for byte in &hello {
            match raw.write_all(&[*byte]) {
                Ok(()) => written += 1,
                Err(error) => {
                    let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
                    assert!(kinds.contains(&error.kind()), "{error}");
                    break;
                }
            }
            std::thread::sleep(SOON);
        }
        assert!(written < hello.len(), "all was said in time");
        eventually("it is given up", || {
            pull.stats().connections.handshake_timeout == 1
        });
        // The next one is served.
        Raw::connect_as(&endpoint, "PUSH").send(&[b"", b"here"]);
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[1], "here");
    }
}
