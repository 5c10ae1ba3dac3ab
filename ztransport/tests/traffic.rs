//! What is translated on its way: messages under CURVE, and what PLAIN lets through, on streams of
//! the system.

#[allow(dead_code, reason = "shared with the other tests")]
mod common;

use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use common::{
    PATIENCE, Side, WIRES, connect, curve, failure, message, options, plain_client, plain_server,
    refusal,
    scripted::{Scripted, tcp},
};
use zmtp::{Error, Event as Protocol, MechanismConfig, Message, zap};
use ztransport::{CloseReason, Event, Options, net::PeerAddress};

/// How the ends move their messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// The I/O threads do all the work.
    IoThreads,
    /// The applications write and read themselves.
    Applications,
}

/// Sends `count` messages from one end to the other through narrow pipes.
fn transfer(from: Side, to: Side, count: u32, by: By) -> (Side, Side) {
    let sender = thread::spawn(move || {
        let mut from = from;
        for number in 0..count {
            match by {
                By::IoThreads => from.send(message(number)),
                By::Applications => from.send_actively(message(number)),
            }
        }
        from
    });
    let mut to = to;
    for number in 0..count {
        let received = match by {
            By::IoThreads => to.recv(),
            By::Applications => to.recv_actively(),
        };
        // `assert_eq` would print megabytes.
        assert!(received == message(number), "message {number}");
    }
    (sender.join().unwrap(), to)
}

fn narrow(mechanism: MechanismConfig, hwm: u32) -> Options {
    let mut options = options(mechanism);
    (options.send_hwm, options.recv_hwm) = (hwm, hwm);
    options
}

#[test]
fn curve_carries_messages_of_all_sizes_in_order() {
    let (server, client) = curve();
    for wire in WIRES {
        for server_binds in [true, false] {
            let (bound, connecting) = if server_binds {
                (server.clone(), client.clone())
            } else {
                (client.clone(), server.clone())
            };
            for (by, hwm) in [
                (By::IoThreads, 2),
                (By::Applications, 3),
                (By::IoThreads, 1000),
            ] {
                let (a, b) = connect(
                    wire,
                    narrow(bound.clone(), hwm),
                    narrow(connecting.clone(), hwm),
                );
                let (a, b) = transfer(a, b, 240, by);
                let (b, a) = transfer(b, a, 240, by);
                for side in [&a, &b] {
                    let counters = side.handle.counters();
                    assert_eq!(counters.established.value(), 1);
                    assert_eq!(counters.open.value(), 1);
                }
                // The last message is on its way when its sender goes.
                let last = message(239);
                let mut b = b;
                b.send(last.clone());
                b.close();
                let mut a = a;
                assert!(a.recv() == last);
                a.wait_event("the end", |event| {
                    matches!(
                        event,
                        Event::Disconnected {
                            reason: CloseReason::PeerClosed,
                            ..
                        }
                    )
                });
                assert_eq!(a.handle.counters().open.value(), 0);
                assert!(b.reactor.wait_idle(Some(Instant::now() + PATIENCE)));
                assert_eq!(b.handle.counters().lost_to_linger.value(), 0);
            }
        }
    }
}

#[test]
fn plain_carries_messages_once_the_handler_agrees() {
    for wire in WIRES {
        for from_a_thread in [false, true] {
            let mut server = Side::new(narrow(plain_server(), 3));
            let endpoint = server.bind(wire);
            let mut client = Side::new(narrow(plain_client("admin"), 3));
            client.connect(&endpoint);
            let question = server.question();
            let zap::Credentials::Plain { username, password } = &question.request().credentials
            else {
                panic!("{:?}", question.request())
            };
            assert_eq!(
                (&username[..], password.as_bytes()),
                (&b"admin"[..], &b"secret"[..])
            );
            assert_eq!(server.handle.counters().established.value(), 0);
            let reply = zap::Reply::success(question.request(), "user 7");
            let answer = move || question.answer(zap::Answer::Reply(reply));
            if from_a_thread {
                thread::spawn(answer).join().unwrap();
            } else {
                answer();
            }
            server.await_link();
            let peer = server.link().peer.clone().unwrap();
            assert_eq!(&peer.user_id[..], b"user 7");
            client.await_established();
            let (client, server) = transfer(client, server, 300, By::IoThreads);
            let (server, client) = transfer(server, client, 300, By::Applications);
            assert_eq!(server.handle.counters().established.value(), 1);
            assert_eq!(client.handle.counters().established.value(), 1);
        }
    }
}

#[test]
fn curve_asks_about_the_key_of_the_client() {
    for wire in WIRES {
        let (server, client) = curve();
        let MechanismConfig::CurveClient(keys) = &client else {
            unreachable!("made so")
        };
        let public = *keys.keys().public();
        let mut config = options(server);
        config.zap = Some(zap::Policy::new(""));
        let mut server = Side::new(config);
        let endpoint = server.bind(wire);
        let mut client = Side::new(options(client));
        client.connect(&endpoint);
        let question = server.question();
        let zap::Credentials::Curve { public_key } = &question.request().credentials else {
            panic!("{:?}", question.request())
        };
        assert_eq!(public_key, public.as_bytes());
        let status = zap::Status::TemporaryError;
        let answer = refusal(&question, status);
        question.answer(answer);
        let reason = CloseReason::Protocol(Error::AuthenticationFailed { status });
        assert_eq!(failure(&server), reason);
        let question = server.question();
        let reply = zap::Reply::success(question.request(), "known");
        question.answer(zap::Answer::Reply(reply));
        server.await_link();
        client.await_established();
        let (client, server) = transfer(client, server, 50, By::IoThreads);
        transfer(server, client, 50, By::IoThreads);
    }
}

#[test]
fn ping_behind_data_that_waits_is_answered() {
    let (server, client) = curve();
    let mut config = options(server);
    config.tuning.send_buffer = Some(16 << 10);
    let mut server = Side::new(config);
    let endpoint = server.bind(WIRES[0]);
    let mut client = Scripted::new(tcp(&endpoint), client);
    client.event(|event| matches!(event, Protocol::Connected(_)));
    server.await_link();
    // More than the system takes while nobody reads.
    let huge = Message::from(vec![7; 8 << 20]);
    server.send(huge.clone());
    // Its beginning has come, so all of it is under way.
    assert_eq!(client.stream.peek(&mut [0]).unwrap(), 1);
    let context = &b"are you there"[..];
    client
        .machine
        .send_command(zmtp::Command::Ping { ttl: 0, context })
        .unwrap();
    client.machine.send("after it").unwrap();
    client.transmit();
    assert!(server.recv() == "after it");
    let arrived = client.event(|event| matches!(event, Protocol::Message(_)));
    assert!(arrived == Protocol::Message(huge));
    let pong = client.event(|event| matches!(event, Protocol::Pong { .. }));
    assert_eq!(
        pong,
        Protocol::Pong {
            context: context.into()
        }
    );
}

#[test]
fn a_peer_that_falls_silent_is_noticed_under_curve() {
    let plain = (MechanismConfig::Null, MechanismConfig::Null);
    for (server, client) in [curve(), plain] {
        let mut config = options(server);
        config.heartbeat_interval = Some(Duration::from_millis(2));
        config.heartbeat_timeout = Some(Duration::from_secs(1));
        let server = &mut Side::new(config);
        let endpoint = server.bind(WIRES[0]);
        let mut client = Scripted::new(tcp(&endpoint), client);
        client.event(|event| matches!(event, Protocol::Connected(_)));
        server.await_link();
        // What comes are PINGs, and the machine answers them.
        for _ in 0..50 {
            client.step().unwrap();
        }
        client.machine.send("alive").unwrap();
        client.transmit();
        assert!(server.recv() == "alive");
        assert_eq!(server.handle.counters().open.value(), 1);
        // From now on nobody does.
        let event = server.wait_event("the end", |event| {
            matches!(event, Event::Disconnected { .. })
        });
        let Event::Disconnected { reason, .. } = event else {
            unreachable!("waited for")
        };
        assert_eq!(reason, CloseReason::HeartbeatTimeout);
    }
}

#[test]
fn a_peer_is_silent_no_longer_than_it_has_said_under_curve() {
    let (server, client) = curve();
    let mut server = Side::new(options(server));
    let endpoint = server.bind(WIRES[0]);
    let mut client = Scripted::new(tcp(&endpoint), client);
    client.event(|event| matches!(event, Protocol::Connected(_)));
    let ping = zmtp::Command::Ping {
        ttl: 1,
        context: b"",
    };
    client.machine.send_command(ping).unwrap();
    client.transmit();
    let event = server.wait_event("the end", |event| {
        matches!(event, Event::Disconnected { .. })
    });
    let Event::Disconnected { reason, .. } = event else {
        unreachable!("waited for")
    };
    assert_eq!(reason, CloseReason::TtlExpired);
    assert_eq!(server.handle.counters().closed_silent.value(), 1);
}

#[test]
fn limits_hold_under_curve() {
    const LIMIT: u64 = 1000;
    for wire in WIRES {
        let (server, client) = curve();
        let mut config = options(server);
        config.max_frame_size = Some(LIMIT);
        let (mut server, mut client) = connect(wire, config, options(client));
        // The limit is that of what travels, which is 33 bytes longer.
        let most = Message::from([vec![1; 967], vec![2; 967]]);
        client.send(most.clone());
        assert!(server.recv() == most);
        client.send(Message::from([vec![1; 10], vec![2; 1001]]));
        let event = server.wait_event("the end", |event| {
            matches!(event, Event::Disconnected { .. })
        });
        let Event::Disconnected {
            reason, address, ..
        } = event
        else {
            unreachable!("waited for")
        };
        assert!(
            matches!(reason, CloseReason::Oversize { size: 1034 }),
            "{reason}"
        );
        assert_ne!(address, PeerAddress::Unknown);
        assert_eq!(server.handle.counters().closed_oversize.value(), 1);
        assert_eq!(server.handle.counters().closed_protocol.value(), 0);
    }
}

#[test]
fn a_connection_that_breaks_is_made_again_with_new_keys() {
    let (server, client) = curve();
    let mut config = options(client);
    config.tuning.send_buffer = Some(16 << 10);
    config.send_hwm = 0;
    let mut client = Side::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    client.connect(&format!("tcp://{address}").parse().unwrap());
    let number = |event: Protocol| -> u32 {
        let Protocol::Message(message) = event else {
            unreachable!("waited for")
        };
        let number = u32::from_be_bytes(message[0][..4].try_into().unwrap());
        assert!(message == numbered(number));
        number
    };
    const COUNT: u32 = 3000;
    for at in 0..COUNT {
        client.send(numbered(at));
    }
    let mut next = 0;
    for round in 1.. {
        let mut scripted = Scripted::new(listener.accept().unwrap().0, server.clone());
        let first = number(scripted.event(|event| matches!(event, Protocol::Message(_))));
        assert!(first >= next, "{first} comes again, after {next}");
        // The system's buffers were lost, and not more.
        assert!(first - next < 2000, "{first} comes after {next}");
        next = first + 1;
        while next < COUNT && (next < first + 100 || round == 3) {
            let event = scripted.event(|event| matches!(event, Protocol::Message(_)));
            assert_eq!(number(event), next);
            next += 1;
        }
        if next == COUNT {
            break;
        }
    }
    client.wait_event("a connection made again", |event| {
        matches!(event, Event::ConnectRetried { .. })
    });
    assert!(client.handle.counters().established.value() >= 2);
    assert_eq!(client.handle.counters().lost_to_peer.value(), 0);
}

fn numbered(number: u32) -> Message {
    let mut body = vec![number as u8; 1000 + number as usize % 100];
    body[..4].copy_from_slice(&number.to_be_bytes());
    Message::from([body, vec![number as u8; number as usize % 3]])
}

#[test]
fn what_is_queued_is_sent_before_the_end() {
    let (server, client) = curve();
    for wire in WIRES {
        for linger in [None, Some(PATIENCE)] {
            let mut config = options(client.clone());
            config.tuning.send_buffer = Some(16 << 10);
            let (mut a, mut b) = connect(wire, options(server.clone()), config);
            for at in 0..500 {
                b.send(numbered(at));
            }
            b.close_with(linger);
            for at in 0..500 {
                assert!(a.recv() == numbered(at), "{at}");
            }
            let reason = a.wait_event("the end", |event| {
                matches!(event, Event::Disconnected { .. })
            });
            let is_good = |event: &Event| {
                matches!(
                    event,
                    Event::Disconnected {
                        reason: CloseReason::PeerClosed,
                        ..
                    }
                )
            };
            assert!(is_good(&reason), "{reason:?}");
            assert!(b.reactor.wait_idle(Some(Instant::now() + PATIENCE)));
            assert_eq!(b.handle.counters().lost_to_linger.value(), 0);
        }
    }
}
