//! Peers of ZMTP 1.0 and 2.0, with which libraries of another decade greet.

use std::{
    io::{ErrorKind, Read, Write},
    time::Duration,
};

use zsocket::{CloseReason, Context, Error, Event, Message, Pull, Push, Rep, Req, Socket, Version};

use crate::{
    old::{DIALECTS, Dialect, Old},
    support::{
        COMMAND, HUGE, PATIENCE, Raw, RawListener, SMALL_BUFFER, Server, WIRES, Wire, eventually,
        frame, ping, spawn, wait_for,
    },
};

const SOON: Duration = Duration::from_millis(5);

/// Messages around every length at which a header changes, and some of several frames.
fn messages() -> Vec<Vec<Vec<u8>>> {
    let body = |size: usize| -> Vec<u8> { (0..size).map(|at| (at % 251) as u8).collect() };
    let sizes = [0, 1, 253, 254, 255, 256, 257, 64 << 10, 1 << 20];
    let mut messages: Vec<Vec<Vec<u8>>> = sizes.map(|size| vec![body(size)]).into();
    messages.push(vec![body(0), body(0)]);
    messages.push(vec![body(254), body(0), body(70_000), body(255)]);
    messages.push(sizes.map(body).into());
    messages
}

fn slices(frames: &[Vec<u8>]) -> Vec<&[u8]> {
    frames.iter().map(Vec::as_slice).collect()
}

fn assert_received(received: &Message, frames: &[Vec<u8>]) {
    assert_eq!(received.len(), frames.len());
    for (received, sent) in received.iter().zip(frames) {
        assert!(received == &sent[..], "{} bytes", sent.len());
    }
}

fn every_kind(mut run: impl FnMut(Wire, Dialect)) {
    for wire in WIRES {
        for dialect in DIALECTS {
            run(wire, dialect);
        }
    }
}

#[test]
fn what_they_send_arrives() {
    every_kind(|wire, dialect| {
        let server = Server::new(wire);
        let mut old = Old::connect(&server.endpoint, dialect, "PUSH");
        let sender = spawn(move || {
            for message in messages() {
                old.send(&slices(&message));
            }
        });
        for message in messages() {
            assert_received(&server.pull.recv_timeout(PATIENCE).unwrap(), &message);
        }
        sender.join();
        // The greeting and the first message in one piece, and then the end.
        let greeting = dialect.greeting("PUSH");
        let mut hasty = Raw::connect(&server.endpoint);
        hasty
            .write_all(&[greeting, dialect.message(&[b"hasty"])].concat())
            .unwrap();
        hasty.finish();
        assert_eq!(server.pull.recv_timeout(PATIENCE).unwrap()[0], "hasty");
        eventually("both are gone", || {
            server.pull.stats().connections.closed_peer == 2
        });
        server.goes_on();
    });
}

#[test]
fn what_they_send_one_byte_at_a_time_arrives() {
    every_kind(|wire, dialect| {
        let server = Server::new(wire);
        let traffic = [
            dialect.greeting("PUSH"),
            dialect.message(&[b"one"]),
            dialect.message(&[b"two", b"", &[b'x'; 300]]),
        ];
        let mut slow = Raw::connect(&server.endpoint);
        for byte in traffic.concat() {
            slow.write_all(&[byte]).unwrap();
            // Gives the other end a chance to see them one by one.
            std::thread::yield_now();
        }
        assert_eq!(server.pull.recv_timeout(PATIENCE).unwrap()[0], "one");
        let two = server.pull.recv_timeout(PATIENCE).unwrap();
        assert_eq!((two.len(), two[2].len()), (3, 300));
        server.goes_on();
    });
}

#[test]
fn they_get_what_is_sent_to_them() {
    every_kind(|wire, dialect| {
        for binds in [true, false] {
            let context = Context::new();
            let push = context.socket::<Push>().unwrap();
            let mut old = if binds {
                let endpoint = push.bind(wire.anywhere()).unwrap();
                Old::connect(&endpoint, dialect, "PULL")
            } else {
                let listener = RawListener::anywhere(wire);
                push.connect(listener.endpoint()).unwrap();
                Old::accept(&listener, dialect, "PULL")
            };
            let receiver = spawn(move || {
                for message in messages() {
                    assert!(old.read_message() == message);
                }
                let mut rest = Vec::new();
                old.raw.read_to_end(&mut rest).unwrap();
                rest
            });
            for message in messages() {
                push.send_timeout(Message::from_iter(message), PATIENCE)
                    .unwrap();
            }
            // What is queued is sent before the end is told.
            push.close();
            assert_eq!(receiver.join(), b"");
            context.term_timeout(PATIENCE).unwrap();
        }
    });
}

#[test]
fn they_ask_and_answer() {
    every_kind(|wire, dialect| {
        let context = Context::new();
        let rep = context.socket::<Rep>().unwrap();
        let endpoint = rep.bind(wire.anywhere()).unwrap();
        let client = spawn(move || {
            let mut old = Old::connect(&endpoint, dialect, "REQ");
            for message in messages() {
                let mut frames = slices(&message);
                frames.insert(0, b"");
                old.send(&frames);
                assert!(slices(&old.read_message()) == frames);
            }
        });
        for message in messages() {
            let request = rep.recv_timeout(PATIENCE).unwrap();
            assert_received(&request, &message);
            rep.send_timeout(request, PATIENCE).unwrap();
        }
        client.join();

        let req = context.socket::<Req>().unwrap();
        let listener = RawListener::anywhere(wire);
        req.connect(listener.endpoint()).unwrap();
        let server = spawn(move || {
            let mut old = Old::accept(&listener, dialect, "REP");
            for message in messages() {
                let request = old.read_message();
                assert!(request[0].is_empty() && request[1..] == message);
                old.send(&slices(&request));
            }
        });
        for message in messages() {
            req.send_timeout(Message::from_iter(message.clone()), PATIENCE)
                .unwrap();
            assert_received(&req.recv_timeout(PATIENCE).unwrap(), &message);
        }
        server.join();
    });
}

/// More than pipe and system hold, so whoever sends it waits for the receiver.
const FLOOD: u32 = 6000;

fn numbered(number: u32) -> Vec<u8> {
    let mut body = vec![number as u8; 200 + number as usize % 400];
    body[..4].copy_from_slice(&number.to_be_bytes());
    body
}

#[test]
fn a_full_pipe_holds_their_messages_up_and_loses_none() {
    every_kind(|wire, dialect| {
        for hwm in [1, 2, 7] {
            let context = Context::new();
            let pull = context
                .build_socket::<Pull>()
                .recv_hwm(hwm)
                .build()
                .unwrap();
            pull.set_recv_buffer(Some(SMALL_BUFFER)).unwrap();
            let endpoint = pull.bind(wire.anywhere()).unwrap();
            let sender = spawn(move || {
                let mut old = Old::connect(&endpoint, dialect, "PUSH");
                for number in 0..FLOOD {
                    let body = numbered(number);
                    if number % 3 == 0 {
                        old.send(&[b"part", &body]);
                    } else {
                        old.send(&[&body]);
                    }
                }
                // Its end lies behind all of this.
            });
            for number in 0..FLOOD {
                let message = pull.recv_timeout(PATIENCE).unwrap();
                let last = message.len() - 1;
                assert_eq!(last, usize::from(number % 3 == 0));
                assert!(message[last] == numbered(number)[..], "{number}");
            }
            sender.join();
            assert!(matches!(pull.try_recv(), Err(Error::WouldBlock(_))));
            eventually("the end is seen", || {
                pull.stats().connections.closed_peer == 1
            });
        }
    });
}

#[test]
fn what_waits_behind_a_full_pipe_arrives_without_their_help() {
    every_kind(|wire, dialect| {
        let context = Context::new();
        let pull = context.build_socket::<Pull>().recv_hwm(2).build().unwrap();
        let monitor = pull.monitor();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect(&endpoint);
        // All of it fits into one read, and no other event follows.
        let mut speech = dialect.greeting("PUSH");
        for number in 0..50u8 {
            speech.extend(dialect.message(&[&[number]]));
        }
        raw.write_all(&speech).unwrap();
        wait_for(&monitor, "the handshake", |event| {
            matches!(event, Event::HandshakeSucceeded { .. })
        });
        for number in 0..50 {
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], [number]);
        }
    });
}

fn fill(push: &Socket<Push>, from: u32) -> u32 {
    let mut next = from;
    // A pipe that was just found full may get room by what the system takes meanwhile.
    let mut refusals = 0;
    while refusals < 3 {
        match push.send_timeout(numbered(next), SOON) {
            Ok(()) => (next, refusals) = (next + 1, 0),
            Err(refused) => {
                assert!(matches!(refused.error, Error::WouldBlock(_)));
                refusals += 1;
            }
        }
    }
    next
}

#[test]
fn one_that_does_not_read_fills_the_pipe_and_gets_all_of_it_later() {
    every_kind(|wire, dialect| {
        let context = Context::new();
        let push = context.build_socket::<Push>().send_hwm(5).build().unwrap();
        push.set_send_buffer(Some(SMALL_BUFFER)).unwrap();
        let listener = RawListener::anywhere(wire);
        push.connect(listener.endpoint()).unwrap();
        let mut old = Old::accept(&listener, dialect, "PULL");
        let mut next = 0;
        for _ in 0..2 {
            let filled = fill(&push, next);
            assert!(filled - next >= 5, "{filled}");
            for number in next..filled {
                assert!(old.read_message() == [numbered(number)], "{number}");
            }
            next = filled;
        }
        push.send_timeout("last", PATIENCE).unwrap();
        push.close();
        assert_eq!(old.read_message(), [b"last"]);
        let mut rest = Vec::new();
        old.raw.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"");
    });
}

#[test]
fn a_message_that_was_half_sent_is_sent_again_once() {
    let parts: Vec<Vec<u8>> = (0..2u8).map(|n| vec![n; HUGE]).collect();
    every_kind(|wire, dialect| {
        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        push.set_max_refusals(0).unwrap();
        push.set_reconnect_interval(Some(SOON)).unwrap();
        push.set_send_buffer(Some(SMALL_BUFFER)).unwrap();
        let listener = RawListener::anywhere(wire);
        push.connect(listener.endpoint()).unwrap();
        let mut old = Old::accept(&listener, dialect, "PULL");
        push.send("first").unwrap();
        push.send(Message::from_iter(parts.clone())).unwrap();
        push.send("last").unwrap();
        assert_eq!(old.read_message(), [b"first"]);
        for read in [1000, HUGE + 5] {
            let mut some = vec![0; read];
            old.raw.read_exact(&mut some).unwrap();
            drop(old);
            // The other end may have come back as somebody else.
            old = Old::accept(&listener, DIALECTS[read % DIALECTS.len()], "PULL");
        }
        assert!(old.read_message() == parts);
        assert_eq!(old.read_message(), [b"last"]);
        push.close();
        let mut rest = Vec::new();
        old.raw.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"");
    });
}

#[test]
fn messages_that_went_out_whole_are_not_sent_again() {
    const COUNT: u32 = 200;
    every_kind(|wire, dialect| {
        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        push.set_reconnect_interval(Some(SOON)).unwrap();
        push.set_send_buffer(Some(SMALL_BUFFER)).unwrap();
        let monitor = push.monitor();
        let listener = RawListener::anywhere(wire);
        push.connect(listener.endpoint()).unwrap();
        // Queued before the handshake, so that many of them are on their way at once.
        for number in 0..COUNT {
            let mut body = numbered(number);
            body.resize(1000, 0);
            push.send(body).unwrap();
        }
        let number = |message: Vec<Vec<u8>>| {
            assert_eq!((message.len(), message[0].len()), (1, 1000));
            u32::from_be_bytes(message[0][..4].try_into().unwrap())
        };
        let mut old = Old::accept(&listener, dialect, "PULL");
        for expected in 0..5 {
            assert_eq!(number(old.read_message()), expected);
        }
        drop(old);
        wait_for(&monitor, "the loss", |event| {
            matches!(event, Event::Disconnected { .. })
        });
        push.close();
        // Those that the system had taken are lost; from there on each comes once, in order.
        let mut old = Old::accept(&listener, dialect, "PULL");
        let mut numbers = Vec::new();
        loop {
            match old.try_read_message() {
                Ok(message) => numbers.push(number(message)),
                Err(error) => break assert_eq!(error.kind(), ErrorKind::UnexpectedEof),
            }
        }
        let first = numbers[0];
        assert!(first >= 5, "{first} came again");
        assert!(first < COUNT / 2, "{first} were lost");
        assert!(numbers.into_iter().eq(first..COUNT));
    });
}

fn failure(server: &Server) -> CloseReason {
    let event = server.wait_for("a failed handshake", |event| {
        matches!(event, Event::HandshakeFailed { .. })
    });
    match event {
        Event::HandshakeFailed { reason, .. } => reason,
        _ => unreachable!("waited for"),
    }
}

#[test]
fn clients_of_other_protocols_are_not_taken_for_old_peers() {
    let strangers: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /x HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x04\x01",
        // An identity that goes on.
        b"\x05\x01abcd\x01\x00",
    ];
    for wire in WIRES {
        // Nothing but what they say ends them.
        let server = Server::with(wire, |pull| pull.handshake_interval(None));
        for speech in strangers {
            let mut stranger = Raw::connect(&server.endpoint);
            stranger.write_all(speech).unwrap();
            stranger.expect_close();
            let reason = failure(&server);
            assert!(matches!(reason, CloseReason::Protocol(_)), "{reason}");
        }
        let stats = server.pull.stats().connections;
        assert_eq!((stats.protocol, stats.established), (6, 1));
        server.goes_on();
    }
}

#[test]
fn half_of_an_identity_has_its_time() {
    every_kind(|wire, dialect| {
        let interval = Duration::from_millis(400);
        let server = Server::with(wire, |pull| pull.handshake_interval(Some(interval)));
        let mut speeches = vec![dialect.greeting("PUSH")];
        speeches[0].pop();
        if dialect != (Dialect::One { identity: b"" }) {
            let middle = speeches[0].len() / 2;
            speeches.push(speeches[0][..middle].to_vec());
        }
        let mut strangers = Vec::new();
        for speech in speeches {
            let mut stranger = Raw::connect(&server.endpoint);
            stranger.write_all(&speech).unwrap();
            strangers.push(stranger);
        }
        for mut stranger in strangers {
            stranger.expect_close();
            assert_eq!(failure(&server), CloseReason::HandshakeTimeout);
        }
        // One whose handshake is over may be silent for as long as it likes.
        let mut silent = Old::connect(&server.endpoint, dialect, "PUSH");
        let mut other = Raw::connect(&server.endpoint);
        other.expect_close();
        assert_eq!(failure(&server), CloseReason::HandshakeTimeout);
        silent.send(&[b"still here"]);
        assert_eq!(server.pull.recv_timeout(PATIENCE).unwrap()[0], "still here");
        server.goes_on();
    });
}

#[test]
fn ping_is_not_answered_to_2_0() {
    let dialect = Dialect::Two { identity: b"" };
    for wire in WIRES {
        let context = Context::new();
        let rep = context.socket::<Rep>().unwrap();
        let endpoint = rep.bind(wire.anywhere()).unwrap();
        let mut old = Old::connect(&endpoint, dialect, "REQ");
        for question in ["one", "two"] {
            old.write(&ping(b"context"));
            old.write(&frame(COMMAND, b""));
            old.send(&[b"", question.as_bytes()]);
            let request = rep.recv_timeout(PATIENCE).unwrap();
            assert_eq!(request, Message::from(question));
            rep.send(question).unwrap();
            // Whatever was said to the commands would come before this.
            assert_eq!(old.read_message(), [b"", question.as_bytes()]);
        }
        rep.close();
        let mut rest = Vec::new();
        old.raw.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"");
    }
}

#[test]
fn limits_hold_for_them() {
    const LIMIT: usize = 1000;
    every_kind(|wire, dialect| {
        let limit = Some(LIMIT as u64);
        let server = Server::with(wire, |pull| pull.max_frame_size(limit));
        let mut old = Old::connect(&server.endpoint, dialect, "PUSH");
        old.send(&[&[b'a'; LIMIT], &[b'b'; LIMIT]]);
        let most = server.pull.recv_timeout(PATIENCE).unwrap();
        assert_eq!((most.len(), most[1].len()), (2, LIMIT));
        old.write(&dialect.message(&[b"part", &[0; LIMIT + 1]]));
        old.raw.expect_close();
        let event = server.wait_for("a disconnection", |event| {
            matches!(event, Event::Disconnected { .. })
        });
        let Event::Disconnected { reason, .. } = event else {
            unreachable!("waited for")
        };
        let size = LIMIT as u64 + 1;
        assert_eq!(reason, CloseReason::Oversize { size });
        assert_eq!(server.pull.stats().connections.oversize, 1);
        server.goes_on();
    });
}

#[test]
fn limits_of_messages_hold_for_them() {
    every_kind(|wire, dialect| {
        let server = Server::with(wire, |pull| pull.max_message_size(Some(1000)).max_frames(3));
        for (frames, expected) in [
            (
                &[&[b'a'; 600][..], &[b'b'; 401]][..],
                CloseReason::Oversize { size: 1001 },
            ),
            (
                &[&b"a"[..], b"b", b"c", b"d"],
                CloseReason::TooManyFrames { limit: 3 },
            ),
        ] {
            let mut old = Old::connect(&server.endpoint, dialect, "PUSH");
            old.send(&[&[b'a'; 600], &[b'b'; 400], b""]);
            assert_eq!(server.pull.recv_timeout(PATIENCE).unwrap().len(), 3);
            old.write(&dialect.message(frames));
            old.raw.expect_close();
            let event = server.wait_for("a disconnection", |event| {
                matches!(event, Event::Disconnected { .. })
            });
            let Event::Disconnected { reason, .. } = event else {
                unreachable!("waited for")
            };
            assert_eq!(reason, expected);
        }
        assert_eq!(server.pull.stats().connections.oversize, 2);
        server.goes_on();
    });
}

#[test]
fn a_message_that_they_refuse_is_given_up() {
    every_kind(|wire, dialect| {
        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        push.set_reconnect_interval(Some(SOON)).unwrap();
        push.set_send_buffer(Some(SMALL_BUFFER)).unwrap();
        let listener = RawListener::anywhere(wire);
        push.connect(listener.endpoint()).unwrap();
        push.send("small").unwrap();
        push.send(vec![0; HUGE]).unwrap();
        push.send("behind").unwrap();
        let mut old = Old::accept(&listener, dialect, "PULL");
        assert_eq!(old.read_message(), [b"small"]);
        for _ in 0..2 {
            // It has begun by the time the first of it is here.
            old.raw.read_exact(&mut [0; 100]).unwrap();
            drop(old);
            old = Old::accept(&listener, dialect, "PULL");
        }
        assert_eq!(old.read_message(), [b"behind"]);
        assert_eq!(push.stats().dropped.refused, 1);
    });
}

#[test]
fn who_is_older_than_the_oldest_that_is_wanted_is_not_let_in() {
    for wire in WIRES {
        for dialect in DIALECTS {
            let oldest = match dialect {
                Dialect::Two { .. } => Version::V3_0,
                _ => Version::V2_0,
            };
            let context = Context::new();
            let builder = context.build_socket::<Pull>().oldest_version(oldest);
            let pull = builder.build().unwrap();
            let endpoint = pull.bind(wire.anywhere()).unwrap();
            let mut old = Raw::connect(&endpoint);
            old.write_all(&dialect.greeting("PUSH")).unwrap();
            old.expect_close();
            let mut new = Raw::connect_as(&endpoint, "PUSH");
            new.send(&[b"new"]);
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "new");
        }
    }
}
