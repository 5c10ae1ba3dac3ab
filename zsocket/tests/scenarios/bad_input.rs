//! Peers that are no peers, or bad ones: each costs its own connection only.

use std::{io::Write, time::Duration};

use zsocket::{CloseReason, Context, Error, Event, InvalidOption, Message, Req};

use crate::support::{
    A_WHILE, COMMAND, MORE, PATIENCE, Raw, Server, WIRES, eventually, frame, greeting, header,
    message, ping, ready, wait_for,
};

/// The reason why a handshake failed.
fn handshake_failure(server: &Server) -> CloseReason {
    let event = server.wait_for("a failed handshake", |event| {
        matches!(event, Event::HandshakeFailed { .. })
    });
    match event {
        Event::HandshakeFailed { reason, .. } => reason,
        _ => unreachable!("waited for"),
    }
}

/// The reason why an established connection ended.
fn disconnection(server: &Server) -> CloseReason {
    let event = server.wait_for("a disconnection", |event| {
        matches!(event, Event::Disconnected { .. })
    });
    match event {
        Event::Disconnected { reason, .. } => reason,
        _ => unreachable!("waited for"),
    }
}

/// Only the peer that behaves is connected.
fn assert_one_open(server: &Server) {
    eventually("strangers are gone", || {
        server.pull.stats().connections.open == 1
    });
}

#[test]
fn an_http_request() {
    for wire in WIRES {
        let server = Server::new(wire);
        let mut stranger = Raw::connect(&server.endpoint);
        stranger
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: browser\r\n\r\n")
            .unwrap();
        stranger.expect_close();
        let reason = handshake_failure(&server);
        assert!(matches!(reason, CloseReason::Protocol(_)), "{reason}");
        assert_eq!(server.pull.stats().connections.protocol, 1);
        server.goes_on();
    }
}

#[test]
fn random_bytes() {
    for wire in WIRES {
        let server = Server::new(wire);
        let mut random = fastrand::Rng::with_seed(7);
        for strangers in 1..=60u64 {
            let mut stranger = Raw::connect(&server.endpoint);
            let mut bytes = vec![0; random.usize(1..3000)];
            random.fill(&mut bytes);
            // What happens to be the identity of a peer of ZMTP 1.0 would be one.
            if let Some(flags) = bytes.get_mut(1) {
                *flags |= 1;
            }
            // In each third, deeper into the protocol.
            let prefix: &[u8] = match strangers % 3 {
                0 => &[0xFF],
                1 => &greeting(),
                _ => &[],
            };
            // It may be thrown out while it still speaks.
            let _ = stranger.write_all(&[prefix, &bytes].concat());
            stranger.finish();
            stranger.expect_close();
            handshake_failure(&server);
        }
        assert_eq!(server.pull.stats().connections.established, 1);
        server.goes_on();
    }
}

#[test]
fn random_bytes_as_traffic() {
    for wire in WIRES {
        let server = Server::with(wire, |pull| pull.max_frame_size(Some(10_000)));
        let mut random = fastrand::Rng::with_seed(8);
        for _ in 0..60 {
            let mut stranger = Raw::connect_as(&server.endpoint, "PUSH");
            let mut bytes = vec![0; random.usize(1..3000)];
            random.fill(&mut bytes);
            // An odd command flag keeps accidental messages out of the way of `serves`.
            bytes[0] |= 0x80 | COMMAND;
            let _ = stranger.write_all(&bytes);
            stranger.finish();
            stranger.expect_close();
            disconnection(&server);
        }
        assert_one_open(&server);
        // Some of it may have been messages by accident.
        while server.pull.try_recv().is_ok() {}
        server.goes_on();
    }
}

#[test]
fn connections_that_say_nothing_or_half_of_it() {
    for wire in WIRES {
        let interval = Duration::from_millis(300);
        let server = Server::with(wire, |pull| pull.handshake_interval(Some(interval)));
        let greeting = greeting();
        let half_ready = [&greeting[..], &ready("PUSH")[..10]].concat();
        let speeches: [&[u8]; 5] = [b"", b"\xFF", &greeting[..11], &greeting[..63], &half_ready];
        let mut strangers: Vec<_> = speeches
            .iter()
            .map(|speech| {
                let mut stranger = Raw::connect(&server.endpoint);
                stranger.write_all(speech).unwrap();
                stranger
            })
            .collect();
        server.serves("while they hang on");
        for stranger in &mut strangers {
            stranger.expect_close();
            assert_eq!(handshake_failure(&server), CloseReason::HandshakeTimeout);
        }
        assert_eq!(server.pull.stats().connections.handshake_timeout, 5);
        // A handshake that is over is not timed.
        let mut slow = Raw::connect_as(&server.endpoint, "PUSH");
        assert!(
            server
                .monitor
                .recv_timeout(interval * 2)
                .is_some_and(|e| { matches!(e, Event::Accepted { .. }) })
        );
        slow.send(&[b"still here"]);
        let message = server.pull.recv_timeout(PATIENCE).unwrap();
        assert_eq!(message[0], "still here");
        server.goes_on();
    }
}

#[test]
fn frames_beyond_the_limit() {
    const LIMIT: u64 = 1000;
    for wire in WIRES {
        for (flags, size) in [
            (0, LIMIT + 1),
            (MORE, LIMIT + 1),
            (0, 1 << 32),
            (0, 1 << 62),
            (COMMAND, LIMIT + 1),
            (COMMAND, 1 << 62),
        ] {
            let server = Server::with(wire, |pull| pull.max_frame_size(Some(LIMIT)));
            let mut stranger = Raw::connect_as(&server.endpoint, "PUSH");
            stranger.send(&[&[b'a'; LIMIT as usize], &[b'b'; LIMIT as usize]]);
            let most = server.pull.recv_timeout(PATIENCE).unwrap();
            assert_eq!((most.len(), most[1].len()), (2, LIMIT as usize));
            stranger.write_all(&header(flags, size)).unwrap();
            stranger.expect_close();
            assert_eq!(disconnection(&server), CloseReason::Oversize { size });
            let stats = server.pull.stats();
            assert_eq!(stats.connections.oversize, 1, "{size}");
            server.goes_on();
        }
    }
}

#[test]
fn messages_beyond_the_limit() {
    const LIMIT: u64 = 1000;
    for wire in WIRES {
        for (last, excess) in [
            (header(0, 401), 1),
            (header(MORE, 100_000), 99_600),
            // It lies in memory until the message is whole.
            (header(COMMAND, 500), 100),
        ] {
            let server = Server::with(wire, |pull| pull.max_message_size(Some(LIMIT)));
            let mut stranger = Raw::connect_as(&server.endpoint, "PUSH");
            for _ in 0..3 {
                stranger.send(&[&[b'a'; 600], &[b'b'; 400], b""]);
                let most = server.pull.recv_timeout(PATIENCE).unwrap();
                assert_eq!((most.len(), most[1].len()), (3, 400));
                // Between messages it is part of none.
                stranger.write_all(&frame(COMMAND, &[b'x'; 700])).unwrap();
            }
            stranger.write_all(&frame(MORE, &[b'a'; 600])).unwrap();
            stranger.write_all(&last).unwrap();
            stranger.expect_close();
            let size = LIMIT + excess;
            assert_eq!(disconnection(&server), CloseReason::Oversize { size });
            assert_eq!(server.pull.stats().connections.oversize, 1, "{size}");
            server.goes_on();
        }
    }
}

#[test]
fn large_bodies_count_towards_the_limit_of_a_message() {
    const LIMIT: u64 = 100_000;
    for wire in WIRES {
        let server = Server::with(wire, |pull| pull.max_message_size(Some(LIMIT)));
        let mut stranger = Raw::connect_as(&server.endpoint, "PUSH");
        stranger.send(&[&[b'a'; 50_000], &[b'b'; 50_000]]);
        let most = server.pull.recv_timeout(PATIENCE).unwrap();
        assert_eq!((most.len(), most[1].len()), (2, 50_000));
        stranger.write_all(&frame(MORE, &[b'a'; 50_000])).unwrap();
        stranger.write_all(&header(0, 50_001)).unwrap();
        stranger.expect_close();
        let size = LIMIT + 1;
        assert_eq!(disconnection(&server), CloseReason::Oversize { size });
        server.goes_on();
    }
}

#[test]
fn more_frames_than_the_option_says() {
    for wire in WIRES {
        let server = Server::with(wire, |pull| pull.max_frames(3));
        let mut stranger = Raw::connect_as(&server.endpoint, "PUSH");
        stranger.send(&[b"a", b"b", b"c"]);
        assert_eq!(server.pull.recv_timeout(PATIENCE).unwrap().len(), 3);
        stranger.write_all(&frame(MORE, b"a").repeat(4)).unwrap();
        stranger.expect_close();
        let reason = disconnection(&server);
        assert_eq!(reason, CloseReason::TooManyFrames { limit: 3 });
        assert_eq!(server.pull.stats().connections.oversize, 1);
        server.goes_on();
    }
}

#[test]
fn limits_that_are_none() {
    let context = Context::new();
    let pull = context.socket::<zsocket::Pull>().unwrap();
    for refused in [
        pull.set_max_frame_size(Some(0)),
        pull.set_max_message_size(Some(0)),
        pull.set_max_frames(0),
    ] {
        assert!(
            matches!(refused, Err(Error::Option(error)) if matches!(*error, InvalidOption::Value { .. }))
        );
    }
    assert_eq!(pull.max_frame_size(), None);
    assert_eq!(pull.max_message_size(), None);
    assert_eq!(pull.max_frames(), 65_536);
}

#[test]
fn a_size_that_is_none() {
    for wire in WIRES {
        let server = Server::new(wire);
        for size in [1 << 63, u64::MAX] {
            let mut stranger = Raw::connect_as(&server.endpoint, "PUSH");
            stranger.write_all(&header(0, size)).unwrap();
            stranger.expect_close();
            // Not "some size": the one that came.
            let reason = disconnection(&server);
            assert!(reason.to_string().contains(&size.to_string()), "{reason}");
        }
        server.goes_on();
    }
}

#[test]
fn a_huge_frame_in_the_handshake() {
    for wire in WIRES {
        let server = Server::new(wire);
        let mut stranger = Raw::connect(&server.endpoint);
        stranger.write_all(&greeting()).unwrap();
        stranger.write_all(&header(COMMAND, 1 << 62)).unwrap();
        stranger.expect_close();
        handshake_failure(&server);
        assert_eq!(server.pull.stats().connections.oversize, 1);
        server.goes_on();
    }
}

#[test]
fn parts_of_messages_are_not_delivered() {
    let long = vec![b'x'; 50_000];
    let middle = vec![b'x'; 300];
    let whole: [Vec<u8>; 4] = [
        message(&[b"short"]),
        message(&[&long]),
        message(&[b"first", b"second", &middle]),
        message(&[&long, &long, b"last"]),
    ];
    for wire in WIRES {
        let server = Server::new(wire);
        for bytes in &whole {
            for cut in [1, 2, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1] {
                let mut stranger = Raw::connect_as(&server.endpoint, "PUSH");
                stranger.send(&[b"complete"]);
                stranger.write_all(&bytes[..cut]).unwrap();
                drop(stranger);
                assert_eq!(disconnection(&server), CloseReason::PeerClosed);
                let message = server.pull.recv_timeout(PATIENCE).unwrap();
                assert_eq!(message[0], "complete");
                assert!(matches!(server.pull.try_recv(), Err(Error::WouldBlock(_))));
            }
            // All of it, and the connection ends.
            let mut stranger = Raw::connect_as(&server.endpoint, "PUSH");
            stranger.write_all(bytes).unwrap();
            drop(stranger);
            let received = server.pull.recv_timeout(PATIENCE).unwrap();
            let frames: Vec<&[u8]> = received.iter().map(|frame| &frame[..]).collect();
            assert!(message(&frames) == *bytes);
            assert_eq!(disconnection(&server), CloseReason::PeerClosed);
        }
        assert_one_open(&server);
        server.goes_on();
    }
}

#[test]
fn a_reset_connection() {
    let server = Server::new(crate::support::Wire::Tcp);
    let mut stranger = Raw::connect_as(&server.endpoint, "PUSH");
    stranger.send(&[b"before"]);
    let message = server.pull.recv_timeout(PATIENCE).unwrap();
    assert_eq!(message[0], "before");
    let Raw::Tcp(stream) = &stranger else {
        unreachable!("tcp");
    };
    socket2::SockRef::from(stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(stranger);
    let reason = disconnection(&server);
    assert!(matches!(reason, CloseReason::Io(_)), "{reason}");
    assert_eq!(server.pull.stats().connections.closed_io, 1);
    server.goes_on();
}

#[test]
fn traffic_before_the_handshake_is_over() {
    for wire in WIRES {
        for early in [ping(b"context"), message(&[b"message"])] {
            let server = Server::new(wire);
            let mut stranger = Raw::connect(&server.endpoint);
            stranger.write_all(&greeting()).unwrap();
            stranger.write_all(&early).unwrap();
            stranger.expect_close();
            let reason = handshake_failure(&server);
            assert!(matches!(reason, CloseReason::Protocol(_)), "{reason}");
            server.goes_on();
        }
    }
}

#[test]
fn a_socket_type_that_does_not_fit() {
    for wire in WIRES {
        let context = Context::new();
        let req = context.socket::<Req>().unwrap();
        let monitor = req.monitor();
        let endpoint = req.bind(wire.anywhere()).unwrap();
        for socket_type in ["PUSH", "REQ", "NONSENSE", ""] {
            let mut stranger = Raw::connect(&endpoint);
            stranger.write_all(&greeting()).unwrap();
            stranger.write_all(&ready(socket_type)).unwrap();
            stranger.expect_close();
            let event = wait_for(&monitor, "a failed handshake", |event| {
                matches!(event, Event::HandshakeFailed { .. })
            });
            let Event::HandshakeFailed { reason, .. } = event else {
                unreachable!("waited for")
            };
            assert!(matches!(reason, CloseReason::Protocol(_)), "{reason}");
            let refused = req.try_send("nobody is here").unwrap_err();
            assert!(matches!(refused.error, Error::WouldBlock(_)));
            assert_eq!(refused.message[0], "nobody is here");
        }
        assert_eq!(req.stats().connections.protocol, 4);
        let mut rep = Raw::connect_as(&endpoint, "REP");
        req.send_timeout("question", PATIENCE).unwrap();
        assert_eq!(rep.read_message(), [b"".to_vec(), b"question".to_vec()]);
        rep.send(&[b"", b"answer"]);
        assert_eq!(req.recv_timeout(PATIENCE).unwrap()[0], "answer");
    }
}

#[test]
fn one_byte_at_a_time() {
    let long = vec![b'y'; 9_000];
    let traffic = [
        message(&[b"one"]),
        ping(b"are you there"),
        message(&[b"two", b"", &[b'x'; 300]]),
        message(&[&long, b"end"]),
    ]
    .concat();
    for wire in WIRES {
        let server = Server::new(wire);
        let mut slow = Raw::connect(&server.endpoint);
        for byte in greeting().iter().chain(&ready("PUSH")).chain(&traffic) {
            slow.write_all(&[*byte]).unwrap();
            // Gives the other end a chance to see them one by one.
            std::thread::yield_now();
        }
        assert_eq!(server.pull.recv_timeout(PATIENCE).unwrap()[0], "one");
        let two = server.pull.recv_timeout(PATIENCE).unwrap();
        assert_eq!((two.len(), two[2].len()), (3, 300));
        let three = server.pull.recv_timeout(PATIENCE).unwrap();
        assert!(three.len() == 2 && three[0] == *long && three[1] == "end");
        server.goes_on();
    }
}

#[test]
fn every_way_to_cut_the_beginning_in_two() {
    let speech = [
        &greeting()[..],
        &ready("PUSH"),
        &message(&[b"hello"]),
        &ping(b"here"),
    ]
    .concat();
    for wire in WIRES {
        let server = Server::new(wire);
        let hello_ends = speech.len() - ping(b"here").len();
        for cut in 1..speech.len() {
            let mut raw = Raw::connect(&server.endpoint);
            raw.write_all(&speech[..cut]).unwrap();
            // What has come is looked at before the rest comes.
            if cut < hello_ends {
                server.serves("in between");
                raw.write_all(&speech[cut..]).unwrap();
            }
            assert_eq!(server.pull.recv_timeout(PATIENCE).unwrap()[0], "hello");
            if cut >= hello_ends {
                raw.write_all(&speech[cut..]).unwrap();
            }
            let mut theirs = [0; 64];
            std::io::Read::read_exact(&mut raw, &mut theirs).unwrap();
            assert_eq!(raw.read_frame().0, COMMAND);
            assert_eq!(raw.read_frame(), (COMMAND, b"\x04PONGhere".to_vec()));
        }
    }
}

#[test]
fn ping_is_answered_with_its_context() {
    for wire in WIRES {
        let server = Server::new(wire);
        let mut raw = Raw::connect_as(&server.endpoint, "PUSH");
        for context in [&b""[..], b"c", b"sixteen bytes !!"] {
            raw.write_all(&ping(context)).unwrap();
            let pong = [b"\x04PONG", context].concat();
            assert_eq!(raw.read_frame(), (COMMAND, pong));
        }
        // One between the frames of a message, and one nobody knows.
        raw.write_all(&frame(MORE, b"first")).unwrap();
        raw.write_all(&ping(b"between")).unwrap();
        raw.write_all(&frame(COMMAND, b"\x07WHATEVER, as it is"))
            .unwrap();
        raw.write_all(&frame(MORE, b"second")).unwrap();
        raw.write_all(&frame(COMMAND, b"\x05OTHER")).unwrap();
        raw.write_all(&frame(0, b"third")).unwrap();
        assert_eq!(raw.read_frame(), (COMMAND, b"\x04PONGbetween".to_vec()));
        let received = server.pull.recv_timeout(PATIENCE).unwrap();
        assert_eq!(received, Message::from(["first", "second", "third"]));
        server.goes_on();
    }
}

#[test]
fn a_malformed_command() {
    for wire in WIRES {
        let server = Server::new(wire);
        for body in [&b"\x04PING"[..], b"\x04PING\0"] {
            let mut stranger = Raw::connect_as(&server.endpoint, "PUSH");
            stranger.write_all(&frame(COMMAND, body)).unwrap();
            stranger.expect_close();
            let reason = disconnection(&server);
            assert!(matches!(reason, CloseReason::Protocol(_)), "{reason}");
        }
        server.goes_on();
    }
}

#[test]
fn a_command_that_is_none_is_ignored() {
    for wire in WIRES {
        let server = Server::new(wire);
        let mut peer = Raw::connect_as(&server.endpoint, "PUSH");
        for body in [&b""[..], b"\xFFtoo short", b"\x05ERROR", b"\x07unknown"] {
            peer.write_all(&frame(COMMAND, body)).unwrap();
        }
        peer.send(&[b"and now?"]);
        let message = server.pull.recv_timeout(PATIENCE).unwrap();
        assert_eq!(message[0], "and now?");
        server.goes_on();
    }
}

#[test]
fn a_flood_of_pings_by_somebody_who_does_not_listen() {
    for wire in WIRES {
        let server = Server::new(wire);
        let mut raw = Raw::connect_as(&server.endpoint, "PUSH");
        let burst = ping(b"0123456789abcdef").repeat(1000);
        for _ in 0..300 {
            raw.write_all(&burst).unwrap();
        }
        raw.send(&[b"and now?"]);
        let message = server.pull.recv_timeout(PATIENCE).unwrap();
        assert_eq!(message[0], "and now?");
        // Nothing but answers comes, and not more of them than there were questions. One that is
        // asked while answers wait may get none, so it is asked again.
        let (usual, last) = (
            frame(COMMAND, b"\x04PONG0123456789abcdef"),
            frame(COMMAND, b"\x04PONGlast"),
        );
        let mut answers = Vec::new();
        eventually("an answer to the last question", || {
            raw.write_all(&ping(b"last")).unwrap();
            raw.read_for_a_while(&mut answers);
            answers.ends_with(&last)
        });
        let mut rest = &answers[..];
        let mut usual_ones = 0;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(&usual[..]) {
                usual_ones += 1;
                rest = after;
            } else {
                rest = rest.strip_prefix(&last[..]).expect("an answer");
            }
        }
        assert!((1..=300_000).contains(&usual_ones), "{usual_ones}");
        server.goes_on();
    }
}

#[test]
fn too_many_frames() {
    for wire in WIRES {
        let server = Server::new(wire);
        let mut stranger = Raw::connect_as(&server.endpoint, "PUSH");
        let burst = frame(MORE, b"").repeat(1 << 16);
        for _ in 0..17 {
            // The last of it may find nobody.
            if stranger.write_all(&burst).is_err() {
                break;
            }
        }
        stranger.expect_close();
        let reason = disconnection(&server);
        assert_eq!(reason, CloseReason::TooManyFrames { limit: 65_536 });
        assert_eq!(server.pull.stats().connections.oversize, 1);
        server.goes_on();
    }
}

#[test]
fn a_message_for_somebody_who_only_sends() {
    for wire in WIRES {
        let context = Context::new();
        let push = context.socket::<zsocket::Push>().unwrap();
        push.set_recv_hwm(3).unwrap();
        let endpoint = push.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "PULL");
        // A PULL does not send. What it sends all the same goes nowhere and harms nobody.
        for _ in 0..10 {
            raw.send(&[b"unasked"]);
        }
        push.send_timeout("work", PATIENCE).unwrap();
        assert_eq!(raw.read_message(), [b"work".to_vec()]);
        assert!(!push.socket_type().name().is_empty());
        std::thread::sleep(A_WHILE);
        push.send_timeout("more work", PATIENCE).unwrap();
        assert_eq!(raw.read_message(), [b"more work".to_vec()]);
    }
}
