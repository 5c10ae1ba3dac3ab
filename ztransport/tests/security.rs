//! Security mechanisms and ZAP through the whole engine: two ends by hand, on streams of the system.

mod common;

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use common::{PATIENCE, SOON, Side, connect, curve, curve_keys, message, options, plain_client};
use zmtp::{
    Connection, Error, Event as Protocol, HandshakeConfig, MechanismConfig, Message, SocketType,
    curve::ClientConfig, plain, zap,
};
use ztransport::{CloseReason, Event, Letter, Options, net::PeerAddress};

const WIRES: [&str; 2] = ["tcp://127.0.0.1:*", "ipc://*"];

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

fn plain_server() -> MechanismConfig {
    MechanismConfig::PlainServer(plain::ServerConfig::new())
}

fn refusal(question: &ztransport::Question, status: zap::Status) -> zap::Answer {
    zap::Answer::Reply(zap::Reply::refusal(question.request(), status, "no"))
}

fn failure(side: &Side) -> CloseReason {
    let event = side.wait_event("a failed handshake", |event| {
        matches!(event, Event::HandshakeFailed { .. })
    });
    match event {
        Event::HandshakeFailed { reason, .. } => reason,
        _ => unreachable!("waited for"),
    }
}

#[test]
fn who_is_refused_comes_again_and_may_be_let_in_then() {
    use zap::Status::{AuthenticationFailure, InternalError, TemporaryError};
    for wire in WIRES {
        for status in [TemporaryError, AuthenticationFailure, InternalError] {
            let mut server = Side::new(options(plain_server()));
            let endpoint = server.bind(wire);
            let mut client = Side::new(options(plain_client("admin")));
            client.connect(&endpoint);
            client.send("queued".into());
            let question = server.question();
            let answer = refusal(&question, status);
            question.answer(answer);
            let reason = CloseReason::Protocol(Error::AuthenticationFailed { status });
            assert_eq!(failure(&server), reason);
            // One that may come back later is not told why.
            let told = failure(&client);
            if status == TemporaryError {
                assert_eq!(told, CloseReason::PeerClosed);
            } else {
                let reason = status.as_str().into();
                assert_eq!(told, CloseReason::Protocol(Error::Refused { reason }));
            }
            assert_eq!(server.handle.counters().closed_protocol.value(), 1);
            let question = server.question();
            let reply = zap::Reply::success(question.request(), "");
            question.answer(zap::Answer::Reply(reply));
            server.await_link();
            assert!(server.recv() == "queued");
            let counters = server.handle.counters();
            assert_eq!(
                (counters.established.value(), counters.open.value()),
                (1, 1)
            );
        }
    }
}

#[test]
fn without_a_handler_plain_lets_nobody_in() {
    for wire in WIRES {
        for socket_is_closed in [false, true] {
            let mut server = Side::new(options(plain_server()));
            let endpoint = server.bind(wire);
            if socket_is_closed {
                server.close_mailbox();
            }
            let client = Side::new(options(plain_client("admin")));
            client.connect_only(&endpoint);
            if !socket_is_closed {
                drop(server.question());
            }
            assert_eq!(failure(&server), CloseReason::Protocol(Error::NoZapHandler));
            assert_eq!(failure(&client), CloseReason::PeerClosed);
            assert_eq!(server.handle.counters().established.value(), 0);
        }
    }
}

#[test]
fn null_asks_when_it_has_a_domain() {
    for wire in WIRES {
        for (enforce, answers, comes_in) in [
            (false, true, true),
            (true, true, true),
            (false, false, true),
            (true, false, false),
        ] {
            let mut config = options(MechanismConfig::Null);
            config.zap = Some(zap::Policy::new("global").with_enforced_domain(enforce));
            let mut server = Side::new(config);
            let endpoint = server.bind(wire);
            let mut client = Side::new(options(MechanismConfig::Null));
            client.connect(&endpoint);
            let question = server.question();
            assert_eq!(question.request().credentials, zap::Credentials::Null);
            assert_eq!(&question.request().domain[..], b"global");
            if answers {
                let reply = zap::Reply::success(question.request(), "somebody");
                question.answer(zap::Answer::Reply(reply));
            } else {
                drop(question);
            }
            if comes_in {
                server.await_link();
                let user_id = &server.link().peer.as_ref().unwrap().user_id;
                assert_eq!(&user_id[..], if answers { &b"somebody"[..] } else { b"" });
                client.send("hello".into());
                assert!(server.recv() == "hello");
            } else {
                assert_eq!(failure(&server), CloseReason::Protocol(Error::NoZapHandler));
            }
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
        let status = zap::Status::AuthenticationFailure;
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
fn keys_that_do_not_fit_end_the_handshake() {
    for wire in WIRES {
        let (server, _) = curve();
        // Knows another server.
        let keys = ClientConfig::new(*curve_keys().public(), curve_keys());
        let mut server = Side::new(options(server));
        let endpoint = server.bind(wire);
        let client = Side::new(options(MechanismConfig::CurveClient(keys)));
        client.connect_only(&endpoint);
        let reason = failure(&server);
        assert!(matches!(reason, CloseReason::Protocol(_)), "{reason}");
        failure(&client);
        // It does not give up, and never comes in.
        failure(&server);
        let counters = server.handle.counters();
        assert!(counters.closed_protocol.value() >= 2);
        assert_eq!(counters.established.value(), 0);
        assert!(!server.has_letters());
    }
}

#[test]
fn ends_that_do_not_fit_together_part() {
    let (curve_server, curve_client) = curve();
    let null = MechanismConfig::Null;
    let plain_client = plain_client("admin");
    for wire in WIRES {
        for (bound, connecting) in [
            (&curve_server, &null),
            (&null, &curve_client),
            (&curve_server, &plain_client),
            (&plain_server(), &curve_client),
            // Two clients: each greets first.
            (&curve_client, &curve_client),
            (&plain_client, &plain_client),
        ] {
            let mut server = Side::new(options(bound.clone()));
            let endpoint = server.bind(wire);
            let client = Side::new(options(connecting.clone()));
            client.connect_only(&endpoint);
            failure(&server);
            failure(&client);
            for side in [&server, &client] {
                assert_eq!(side.handle.counters().established.value(), 0);
            }
            let refused = |side: &Side| side.handle.counters().closed_protocol.value();
            assert!(refused(&server) + refused(&client) >= 1);
        }
        // Two servers: each waits for the other.
        for mechanism in [&curve_server, &plain_server()] {
            let mut config = options(mechanism.clone());
            config.handshake_interval = Some(Duration::from_millis(50));
            let mut server = Side::new(config);
            let endpoint = server.bind(wire);
            let client = Side::new(options(mechanism.clone()));
            client.connect_only(&endpoint);
            assert_eq!(failure(&server), CloseReason::HandshakeTimeout);
            assert_eq!(failure(&client), CloseReason::PeerClosed);
            assert!(server.handle.counters().closed_handshake_timeout.value() >= 1);
        }
    }
}

#[test]
fn old_peers_are_refused_where_there_is_security() {
    let (curve_server, _) = curve();
    let mut asking = options(MechanismConfig::Null);
    asking.zap = Some(zap::Policy::new("global"));
    let mut modern = options(MechanismConfig::Null);
    modern.oldest_version = zmtp::Version::V3_0;
    for config in [
        options(curve_server),
        options(plain_server()),
        asking,
        modern,
    ] {
        let mut server = Side::new(config);
        let endpoint = server.bind(WIRES[0]);
        for speech in [&b"\x01\0"[..], b"\xFF\0\0\0\0\0\0\0\x01\x7F\x01\x08\0\0"] {
            let mut stranger = tcp(&endpoint);
            stranger.write_all(speech).unwrap();
            read_to_close(&mut stranger);
            let reason = failure(&server);
            assert!(
                matches!(
                    reason,
                    CloseReason::Protocol(
                        Error::VersionWithoutSecurity { .. } | Error::UnsupportedVersion { .. }
                    )
                ),
                "{reason}"
            );
        }
        assert_eq!(server.handle.counters().established.value(), 0);
        assert!(!server.has_letters());
    }
}

fn tcp(endpoint: &ztransport::Endpoint) -> TcpStream {
    let stream = TcpStream::connect(endpoint.to_string().replace("tcp://", "")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn read_to_close(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    if let Err(error) = stream.read_to_end(&mut all) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    all
}

/// A scripted end: a protocol machine on a stream of the standard library.
struct Scripted {
    stream: TcpStream,
    machine: Connection,
}

impl Scripted {
    fn new(stream: TcpStream, mechanism: MechanismConfig) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let config = HandshakeConfig::new(SocketType::Dealer).with_mechanism(mechanism);
        let machine = Connection::new(config, Instant::now());
        Self { stream, machine }
    }

    fn transmit(&mut self) {
        while let Some(bytes) = self.machine.poll_transmit() {
            self.stream.write_all(&bytes).unwrap();
        }
    }

    fn step(&mut self) -> Result<(), Error> {
        self.transmit();
        let mut buffer = [0; 4096];
        let read = self.stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "closed");
        let result = self.machine.handle_input(&buffer[..read], Instant::now());
        self.transmit();
        result
    }

    fn event(&mut self, wanted: impl Fn(&Protocol) -> bool) -> Protocol {
        loop {
            match self.machine.poll_event() {
                Some(event) if wanted(&event) => return event,
                Some(_) => {}
                None => self.step().unwrap(),
            }
        }
    }
}

#[test]
fn an_answer_that_comes_late_does_not_let_the_next_peer_in() {
    // A server that connects: one connection with one stream after the other.
    let mut server = Side::new(options(plain_server()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    server.connect_only(&format!("tcp://{address}").parse().unwrap());
    let accept = || Scripted::new(listener.accept().unwrap().0, plain_client("admin"));

    let mut first = accept();
    first.transmit();
    while !server.has_letters() {
        first.step_or_wait();
    }
    let early = server.question();
    drop(first);
    assert_eq!(failure(&server), CloseReason::PeerClosed);

    let mut second = accept();
    second.transmit();
    while !server.has_letters() {
        second.step_or_wait();
    }
    let question = server.question();
    // This was about somebody else.
    let reply = zap::Reply::success(early.request(), "somebody else");
    early.answer(zap::Answer::Reply(reply));
    let status = zap::Status::AuthenticationFailure;
    let answer = refusal(&question, status);
    question.answer(answer);
    let refused = loop {
        if let Err(error) = second.step() {
            break error;
        }
    };
    let reason = "400".into();
    assert_eq!(refused, Error::Refused { reason });
    let reason = CloseReason::Protocol(Error::AuthenticationFailed { status });
    assert_eq!(failure(&server), reason);
    assert_eq!(server.handle.counters().established.value(), 0);
}

impl Scripted {
    /// As [`step`](Self::step), if anything comes within a moment.
    fn step_or_wait(&mut self) {
        self.transmit();
        self.stream.set_read_timeout(Some(SOON)).unwrap();
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => panic!("closed"),
            Ok(read) => {
                let input = &buffer[..read];
                self.machine.handle_input(input, Instant::now()).unwrap();
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        self.transmit();
    }
}

#[test]
fn questions_about_those_who_are_gone_are_taken_back() {
    let mut server = Side::new(options(plain_server()));
    let endpoint = server.bind(WIRES[0]);
    for round in 1..=20 {
        let mut client = Scripted::new(tcp(&endpoint), plain_client("admin"));
        while !server.has_news() {
            client.step_or_wait();
        }
        drop(client);
        assert_eq!(failure(&server), CloseReason::PeerClosed);
        assert!(!server.has_letters(), "round {round}");
    }
    assert_eq!(server.handle.counters().closed_peer.value(), 20);
}

#[test]
fn a_question_that_is_kept_keeps_nothing_alive() {
    let mut server = Side::new(options(plain_server()));
    let kept = Arc::clone(&server.options);
    let endpoint = server.bind(WIRES[0]);
    let client = Side::new(options(plain_client("admin")));
    client.connect_only(&endpoint);
    let question = server.question();
    drop((client, server));
    assert_eq!(Arc::strong_count(&kept), 1);
    // Its answer goes nowhere.
    let reply = zap::Reply::success(question.request(), "");
    question.answer(zap::Answer::Reply(reply));
}

#[test]
fn an_answer_after_the_handshake_had_its_time_goes_nowhere() {
    for wire in WIRES {
        let mut config = options(plain_server());
        config.handshake_interval = Some(Duration::from_millis(50));
        let mut server = Side::new(config);
        let endpoint = server.bind(wire);
        let client = Side::new(options(plain_client("admin")));
        client.connect_only(&endpoint);
        let question = server.question();
        assert_eq!(failure(&server), CloseReason::HandshakeTimeout);
        let reply = zap::Reply::success(question.request(), "");
        question.answer(zap::Answer::Reply(reply));
        // The next one asks anew, and is let in.
        let question = server.question();
        let reply = zap::Reply::success(question.request(), "in time");
        question.answer(zap::Answer::Reply(reply));
        server.await_link();
        let peer = server.link().peer.clone().unwrap();
        assert_eq!(&peer.user_id[..], b"in time");
        assert_eq!(server.handle.counters().established.value(), 1);
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

#[test]
fn letters_come_in_the_order_of_a_handshake() {
    let mut server = Side::new(options(plain_server()));
    let endpoint = server.bind(WIRES[0]);
    let mut client = Side::new(options(plain_client("admin")));
    client.connect(&endpoint);
    let question = server.question();
    assert!(!server.has_letters());
    let reply = zap::Reply::success(question.request(), "");
    question.answer(zap::Answer::Reply(reply));
    let letter = server.letter("a link", |letter| matches!(letter, Letter::Attach(_)));
    assert!(matches!(letter, Letter::Attach(_)));
    client.await_established();
    let kinds = |side: &Side| -> Vec<&'static str> {
        let mut kinds = Vec::new();
        while let Ok(event) = side.events.try_recv() {
            kinds.push(match event {
                Event::Listening { .. } => "listening",
                Event::Accepted { .. } => "accepted",
                Event::Connected { .. } => "connected",
                Event::HandshakeSucceeded { .. } => "succeeded",
                other => panic!("{other:?}"),
            });
        }
        kinds
    };
    assert_eq!(kinds(&server), ["listening", "accepted", "succeeded"]);
    assert_eq!(kinds(&client), ["connected", "succeeded"]);
}
