//! ØMQ over WebSocket against connections recorded from libzmq, and between two ends of our own.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rand_core::{TryCryptoRng, TryRng};
use zmtp::zap::{Answer, Policy, Refusal, Reply};
use zmtp::zws::{Connection, Gate, Protocol, Rejection, Role, Target, UpgradeError, Violation};
use zmtp::{
    Blame, Command, ConnectionConfig, Error, Event, HandshakeConfig, HeartbeatConfig, Limits,
    MechanismConfig, Message, Random, SocketType, Version, curve, plain,
};

mod recording;

use recording::{Recording, Side};

/// The header of a client's frame whose mask changes nothing.
const NO_MASK: [u8; 4] = [0; 4];

fn config(socket_type: SocketType) -> HandshakeConfig {
    HandshakeConfig::new(socket_type)
}

fn connect(config: impl Into<ConnectionConfig>) -> Connection {
    let target = Target::new("example.com", "/").unwrap();
    Connection::connect(config, &target, Instant::now()).unwrap()
}

fn accept(config: impl Into<ConnectionConfig>) -> Connection {
    Connection::accept(config, Instant::now())
}

fn transmit(end: &mut Connection) -> Vec<u8> {
    let mut sent = Vec::new();
    while let Some(bytes) = end.poll_transmit() {
        sent.extend_from_slice(&bytes);
    }
    sent
}

fn events(end: &mut Connection) -> Vec<Event> {
    std::iter::from_fn(|| end.poll_event()).collect()
}

/// What an end made of its input: events, bytes, and how it ended.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    events: Vec<Event>,
    sent: Vec<u8>,
    error: Option<Error>,
}

fn feed(end: &mut Connection, stream: &[u8], chunk: usize) -> Outcome {
    let mut outcome = Outcome {
        sent: transmit(end),
        ..Outcome::default()
    };
    let mut pieces = stream.chunks(chunk);
    let mut rest: &[u8] = &[];
    loop {
        if rest.is_empty() {
            match pieces.next() {
                Some(piece) => rest = piece,
                None => break,
            }
        }
        let used = end.handle_input(rest, Instant::now());
        let result = used.map(|used| rest = &rest[used..]);
        outcome.events.extend(events(end));
        outcome.sent.extend(transmit(end));
        if let Err(error) = result {
            outcome.error = Some(error);
            break;
        }
    }
    outcome
}

/// Carries bytes both ways until there are none, in pieces of `chunk` bytes.
fn talk(ends: [&mut Connection; 2], chunk: usize) -> [Option<Error>; 2] {
    let [one, other] = ends;
    let mut errors = [None, None];
    loop {
        let there = transmit(one);
        let back = transmit(other);
        if there.is_empty() && back.is_empty() {
            return errors;
        }
        for (end, bytes, error) in [(&mut *other, there, 1), (&mut *one, back, 0)] {
            for piece in bytes.chunks(chunk) {
                if let Err(cause) = end.handle_input(piece, Instant::now()) {
                    errors[error].get_or_insert(cause);
                }
            }
        }
    }
}

/// Two ends behind the handshake, whose `Connected` has been taken.
fn open(client: HandshakeConfig, server: HandshakeConfig) -> (Connection, Connection) {
    let (mut client, mut server) = (connect(client), accept(server));
    assert_eq!(talk([&mut client, &mut server], usize::MAX), [None, None]);
    for end in [&mut client, &mut server] {
        let events = events(end);
        assert!(matches!(events[..], [Event::Connected(_)]), "{events:?}");
    }
    (client, server)
}

/// A frame from a client, short and with a mask that changes nothing.
fn client_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let head = [0x80 | opcode, 0x80 | payload.len() as u8];
    [&head[..], &NO_MASK, payload].concat()
}

/// Bytes that are said in order.
struct Script(VecDeque<u8>);

impl TryRng for Script {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        // More is drawn than is used.
        out.fill_with(|| self.0.pop_front().unwrap_or_default());
        Ok(())
    }
}

impl TryCryptoRng for Script {}

/// The client of a recording, with the key and the masks of the recording.
fn recorded_client(name: &str, config: HandshakeConfig) -> Connection {
    let recording = Recording::load(name);
    let labelled = |label| {
        let said = recording.items_of(Side::Connector);
        said.filter(move |item| item.label == label)
            .flat_map(|item| item.bytes.clone())
    };
    let request: Vec<_> = labelled("http-handshake").collect();
    let request = zmtp::zws::Request::decode(&request, &Limits::default()).unwrap();
    let mut script = request.key.to_vec();
    script.extend(labelled("ws-mask-key"));
    Connection::connect_with_random(
        config,
        &Target::new(request.host, request.path).unwrap(),
        Random::from_rng(Script(script.into())),
        Random::system(),
        Instant::now(),
    )
    .unwrap()
}

// spec: RFC45/vectors: both ends of recorded connections, byte for byte, with injected key and masks
// spec: RFC6455/4.1-request: a client asks with GET of HTTP/1.1, Host, Upgrade, Connection, a random key, version 13 and its protocols
#[test]
fn both_ends_of_the_request_reply_recording_are_reproduced() {
    let name = "ws-null-router-dealer.hex";
    let recording = Recording::load(name);
    for chunk in [1, 7, usize::MAX] {
        let config = config(SocketType::Dealer).with_identity("me").unwrap();
        let mut dealer = recorded_client(name, config);
        dealer.send(["hi", "there"]).unwrap();
        let outcome = feed(&mut dealer, &recording.bytes(Side::Listener), chunk);
        assert_eq!(outcome.error, None);
        assert_eq!(outcome.sent, recording.bytes(Side::Connector));
        assert_eq!(outcome.events[1..], [Event::Message("yo".into())]);

        let mut router = accept(self::config(SocketType::Router));
        router.send("yo").unwrap();
        let outcome = feed(&mut router, &recording.bytes(Side::Connector), chunk);
        assert_eq!(outcome.error, None);
        assert_eq!(outcome.sent, recording.bytes(Side::Listener));
        let expected = Event::Message(["hi", "there"].into());
        assert_eq!(outcome.events[1..], [expected]);
        assert_eq!(router.peer().unwrap().identity, "me");
    }
}

// spec: RFC45/subscriptions: subscriptions are messages that begin with 01 or 00
#[test]
fn both_ends_of_the_publish_subscribe_recording_are_reproduced() {
    let name = "ws-null-pub-sub.hex";
    let recording = Recording::load(name);
    for chunk in [1, 7, usize::MAX] {
        let mut sub = recorded_client(name, config(SocketType::Sub));
        sub.subscribe("top").unwrap();
        sub.send_command(Command::Cancel { topic: b"top" }).unwrap();
        let outcome = feed(&mut sub, &recording.bytes(Side::Listener), chunk);
        assert_eq!(outcome.error, None);
        assert_eq!(outcome.sent, recording.bytes(Side::Connector));
        assert_eq!(outcome.events[1..], [Event::Message("topic".into())]);

        let mut publisher = accept(config(SocketType::Pub));
        publisher.send("topic").unwrap();
        let outcome = feed(&mut publisher, &recording.bytes(Side::Connector), chunk);
        assert_eq!(outcome.error, None);
        assert_eq!(outcome.sent, recording.bytes(Side::Listener));
        let expected = ["\x01top", "\x00top"].map(|body| Event::Message(body.into()));
        assert_eq!(outcome.events[1..], expected);
        let version = publisher.peer().unwrap().version;
        assert!(!version.has_subscription_commands());
    }
}

#[test]
fn messages_of_every_size_arrive_at_both_ends() {
    let messages = || {
        [
            0, 1, 124, 125, 126, 127, 254, 255, 256, 65_534, 65_535, 65_536, 200_000,
        ]
        .map(|len| Message::from([vec![len as u8; len], b"end".to_vec()]))
    };
    for chunk in [1, 1000, usize::MAX] {
        let (mut one, mut other) = open(config(SocketType::Pair), config(SocketType::Pair));
        for message in messages() {
            one.send(message.clone()).unwrap();
            other.send(message).unwrap();
        }
        assert_eq!(talk([&mut one, &mut other], chunk), [None, None]);
        let expected = messages().map(Event::Message);
        assert_eq!(events(&mut one), expected);
        assert_eq!(events(&mut other), expected);
    }
}

fn plain_ends() -> (Connection, Connection) {
    let credentials = plain::ClientConfig::new("admin", "secret").unwrap();
    let client = MechanismConfig::PlainClient(credentials);
    let server = MechanismConfig::PlainServer(plain::ServerConfig::new());
    let client = connect(config(SocketType::Dealer).with_mechanism(client));
    let server = accept(
        config(SocketType::Router)
            .with_mechanism(server)
            .with_zap(Policy::new("global")),
    );
    (client, server)
}

// spec: RFC45/plain: ZWS2.0/PLAIN runs the PLAIN handshake in command frames
#[test]
fn plain_asks_the_handler_and_goes_on() {
    let (mut client, mut server) = plain_ends();
    client.send("after all this").unwrap();
    assert_eq!(talk([&mut client, &mut server], 1), [None, None]);
    let [Event::Authenticate(request)] = &events(&mut server)[..] else {
        panic!("the handler is not asked")
    };
    let answer = Answer::Reply(Reply::success(request, "joe"));
    server.handle_zap(answer, Instant::now()).unwrap();
    assert_eq!(talk([&mut client, &mut server], 1), [None, None]);
    assert_eq!(client.protocol(), Some(Protocol::Plain));
    assert_eq!(server.peer().unwrap().user_id, "joe");
    let events = events(&mut server);
    assert_eq!(events[1..], [Event::Message("after all this".into())]);
}

/// Two ends that use CURVE.
fn curve_ends(client: SocketType, server: SocketType) -> (HandshakeConfig, HandshakeConfig) {
    let mut random = Random::system();
    let server_keys = curve::KeyPair::generate(&mut random).unwrap();
    let client_keys = curve::KeyPair::generate(&mut random).unwrap();
    let at_client = curve::ClientConfig::new(*server_keys.public(), client_keys);
    let at_server = curve::ServerConfig::new(server_keys).allow_any_client();
    (
        config(client).with_mechanism(MechanismConfig::CurveClient(at_client)),
        config(server).with_mechanism(MechanismConfig::CurveServer(at_server)),
    )
}

// spec: WIRE-7.1/curve: ZWS2.0/CURVE runs CURVE in frames, traffic included
#[test]
fn curve_protects_all_traffic() {
    for chunk in [1, 1000, usize::MAX] {
        let (client, server) = curve_ends(SocketType::Pair, SocketType::Pair);
        let (mut client, mut server) = open(client, server);
        assert_eq!(server.protocol(), Some(Protocol::Curve));
        let message = Message::from([vec![7; 3], vec![8; 70_000], vec![]]);
        client.send(message.clone()).unwrap();
        let bytes = transmit(&mut client);
        assert!(!bytes.windows(16).any(|window| window == [8; 16]));
        for piece in bytes.chunks(chunk) {
            server.handle_input(piece, Instant::now()).unwrap();
        }
        server.send("back").unwrap();
        assert_eq!(talk([&mut client, &mut server], chunk), [None, None]);
        assert_eq!(events(&mut server), [Event::Message(message)]);
        assert_eq!(events(&mut client), [Event::Message("back".into())]);
    }
}

// spec: WIRE-7.2/curve-subscriptions: subscriptions are messages under CURVE too
#[test]
fn subscriptions_under_curve_are_messages() {
    let (client, server) = curve_ends(SocketType::Sub, SocketType::Pub);
    let (mut sub, mut publisher) = open(client, server);
    sub.subscribe("top").unwrap();
    sub.cancel("top").unwrap();
    assert_eq!(talk([&mut sub, &mut publisher], 1), [None, None]);
    let expected = ["\x01top", "\x00top"].map(|body| Event::Message(body.into()));
    assert_eq!(events(&mut publisher), expected);
}

#[test]
fn a_changed_byte_under_curve_ends_the_connection() {
    let (client, server) = curve_ends(SocketType::Pair, SocketType::Pair);
    let (mut client, mut server) = open(client, server);
    server.send("hello").unwrap();
    let mut bytes = transmit(&mut server);
    *bytes.last_mut().unwrap() ^= 1;
    let error = client.handle_input(&bytes, Instant::now()).unwrap_err();
    assert_eq!(error.protocol_event_code(), Some(0x1100_0001));
    assert_eq!(events(&mut client), []);
}

// spec: RFC45/error: a refusal is an ERROR command in a frame
#[test]
fn a_refused_client_learns_why() {
    let (mut client, mut server) = plain_ends();
    talk([&mut client, &mut server], usize::MAX);
    let [Event::Authenticate(request)] = &events(&mut server)[..] else {
        panic!("the handler is not asked")
    };
    let answer = Answer::Reply(Reply::refusal(request, Refusal::AuthenticationFailure, ""));
    let error = server.handle_zap(answer, Instant::now()).unwrap_err();
    assert_eq!(error.auth_event_code(), Some(400));
    let sent = transmit(&mut server);
    assert_eq!(sent, b"\x82\x0b\x02\x05ERROR\x03400");
    let error = client.handle_input(&sent, Instant::now()).unwrap_err();
    assert_eq!(error.auth_event_code(), Some(400));
    let again = server.handle_input(b"x", Instant::now()).map(drop);
    assert_eq!(again, Err(Error::Closed));
}

// spec: RFC45/mechanism-mismatch: without a protocol in common the upgrade is refused
#[test]
fn mechanisms_have_to_fit() {
    let (mut client, _) = plain_ends();
    let mut server = accept(config(SocketType::Router));
    let errors = talk([&mut client, &mut server], usize::MAX);
    let upgrade = |cause| Some(Error::Upgrade { cause });
    let expected = [
        upgrade(UpgradeError::Status { code: 400 }),
        upgrade(UpgradeError::NoProtocol),
    ];
    assert_eq!(errors, expected);
    assert_eq!(server.error().unwrap().blame(), Blame::Incompatible);
    assert_eq!(
        server.error().unwrap().protocol_event_code(),
        Some(0x3000_0000)
    );

    let (mut push, mut pub_) = (
        connect(config(SocketType::Push)),
        accept(config(SocketType::Pub)),
    );
    let [_, error] = talk([&mut push, &mut pub_], usize::MAX);
    assert!(matches!(error, Some(Error::IncompatibleSocketType { .. })));
}

fn request(protocols: &str) -> Vec<u8> {
    format!(
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: {protocols}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes()
}

/// What a server that has granted a request sends beyond its response.
fn behind_response(sent: &[u8]) -> &[u8] {
    let end = sent.windows(4).position(|window| window == b"\r\n\r\n");
    &sent[end.expect("no response") + 4..]
}

// spec: RFC45/no-mechanism: with ZWS2.0 the first frame each way is the identity
#[test]
fn without_a_mechanism_the_ends_exchange_identities() {
    let mut stream = request("ZWS2.0");
    stream.extend(client_frame(2, b"\0me"));
    stream.extend(client_frame(2, b"\0hello"));
    for chunk in [1, 7, usize::MAX] {
        let config = config(SocketType::Router).with_identity("you").unwrap();
        let mut server = accept(config);
        server.send("welcome").unwrap();
        let outcome = feed(&mut server, &stream, chunk);
        assert_eq!(outcome.error, None);
        assert_eq!(
            behind_response(&outcome.sent),
            b"\x82\x04\0you\x82\x08\0welcome"
        );
        assert_eq!(outcome.events[1..], [Event::Message("hello".into())]);
        let peer = server.peer().unwrap();
        assert_eq!(
            (peer.identity.as_ref(), peer.version),
            (&b"me"[..], Version::V2_0)
        );
    }

    let anonymous = [request("ZWS2.0"), client_frame(2, b"\0")].concat();
    let mut server = accept(config(SocketType::Pull));
    let outcome = feed(&mut server, &anonymous, usize::MAX);
    assert_eq!(behind_response(&outcome.sent), b"\x82\x01\0");
    assert!(matches!(outcome.events[..], [Event::Connected(_)]));
}

// spec: WIRE-7.1/security: nobody comes in without a mechanism where one is demanded, or ZAP has to be asked
#[test]
fn without_a_mechanism_there_is_no_way_around_zap() {
    for config in [
        config(SocketType::Router).with_zap(Policy::new("global")),
        config(SocketType::Router).with_oldest_version(Version::V3_0),
    ] {
        let outcome = feed(&mut accept(config), &request("ZWS2.0"), usize::MAX);
        let cause = UpgradeError::NoProtocol;
        assert_eq!(outcome.error, Some(Error::Upgrade { cause }));
        assert!(outcome.sent.starts_with(b"HTTP/1.1 400 "));
        assert!(outcome.events.is_empty());
    }
}

// spec: RFC6455/5.5.2-ping: a ping is answered by a pong with the same payload
// spec: RFC6455/5.5.3-unsolicited: a pong that nobody has asked for is no fault
#[test]
fn pings_are_echoed() {
    let (_, mut server) = open(config(SocketType::Pair), config(SocketType::Pair));
    for payload in [&b""[..], b"payload"] {
        let outcome = feed(&mut server, &client_frame(9, payload), 1);
        let expected = [&[0x8A, payload.len() as u8], payload].concat();
        assert_eq!(outcome.sent, expected);
        let ping = Event::Ping {
            ttl: 0,
            context: payload.into(),
        };
        assert_eq!(outcome.events, [ping]);
    }
    let outcome = feed(&mut server, &client_frame(0xA, b"x"), 1);
    assert!(outcome.sent.is_empty());
    let context = "x".into();
    assert_eq!(outcome.events, [Event::Pong { context }]);
}

#[test]
fn a_flood_of_pings_is_not_answered_without_end() {
    let (_, mut server) = open(config(SocketType::Pair), config(SocketType::Pair));
    let flood = client_frame(9, b"").repeat(5000);
    let mut rest = &flood[..];
    while !rest.is_empty() {
        let used = server.handle_input(rest, Instant::now()).unwrap();
        assert!(used > 0 && used < 6 * 600, "{used} of {}", rest.len());
        rest = &rest[used..];
        assert_eq!(server.wants_input(), events(&mut server).len() < 256);
    }
    assert_eq!(transmit(&mut server).len(), 2 * 1024);
    let outcome = feed(&mut server, &client_frame(9, b""), 99);
    assert_eq!(outcome.sent.len(), 2);
}

// spec: RFC45/heartbeat: heartbeats are pings of WebSocket
#[test]
fn heartbeats_are_pings_and_a_silent_peer_is_given_up() {
    let second = Duration::from_secs(1);
    let start = Instant::now();
    let heartbeat = HeartbeatConfig::every(5 * second).with_timeout(2 * second);
    let config = ConnectionConfig::new(config(SocketType::Pair)).with_heartbeat(heartbeat);
    let mut server = Connection::accept(config, start);
    let mut client = connect(HandshakeConfig::new(SocketType::Pair));
    // All of the handshake takes place at `start`.
    for _ in 0..4 {
        let bytes = transmit(&mut client);
        server.handle_input(&bytes, start).unwrap();
        let bytes = transmit(&mut server);
        client.handle_input(&bytes, start).unwrap();
    }
    assert_eq!(server.poll_timeout(), Some(start + 5 * second));
    server.handle_timeout(start + 4 * second).unwrap();
    assert!(transmit(&mut server).is_empty());
    server.handle_timeout(start + 5 * second).unwrap();
    let ping = transmit(&mut server);
    assert_eq!(ping, b"\x89\x00");
    assert_eq!(server.poll_timeout(), Some(start + 7 * second));
    client.handle_input(&ping, start).unwrap();
    let pong = transmit(&mut client);
    server.handle_input(&pong, start + 6 * second).unwrap();
    server.handle_timeout(start + 10 * second).unwrap();
    let error = server.handle_timeout(start + 12 * second).unwrap_err();
    assert_eq!(error, Error::HeartbeatTimeout);
    assert_eq!(server.poll_timeout(), None);
}

#[test]
fn the_handshake_timer_covers_the_upgrade() {
    let start = Instant::now();
    let mut server = Connection::accept(config(SocketType::Pair), start);
    let due = start + ConnectionConfig::DEFAULT_HANDSHAKE_TIMEOUT;
    assert_eq!(server.poll_timeout(), Some(due));
    server.handle_input(&request("ZWS2.0/NULL"), start).unwrap();
    assert_eq!(server.poll_timeout(), Some(due));
    assert_eq!(server.handle_timeout(due), Err(Error::HandshakeTimeout));
}

// spec: RFC6455/5.5.1-close: a CLOSE is answered by a CLOSE with the same payload
#[test]
fn a_close_is_echoed_and_ends_the_connection() {
    for (payload, code) in [(&b""[..], None), (b"\x03\xe8bye", Some(1000))] {
        let (_, mut server) = open(config(SocketType::Pair), config(SocketType::Pair));
        server.send("last").unwrap();
        let outcome = feed(&mut server, &client_frame(8, payload), 1);
        let echo = [&[0x88, payload.len() as u8], payload].concat();
        assert_eq!(outcome.sent, [b"\x82\x05\0last", &echo[..]].concat());
        let error = outcome.error.unwrap();
        assert_eq!(error, Error::ClosedByPeer { code });
        assert_eq!(error.blame(), Blame::Closed);
        assert!(server.send("too late").is_err());
        assert_eq!(server.close(), Err(Error::Closed));
    }
}

// spec: RFC6455/5.5.1-after-close: behind its CLOSE an end sends nothing, and it takes what still comes until the other has closed too
#[test]
fn closing_comes_behind_what_was_sent_and_waits_for_the_peer() {
    let (mut client, mut server) = open(config(SocketType::Pair), config(SocketType::Pair));
    client.send("last").unwrap();
    client.close().unwrap();
    assert!(client.send("too late").is_err());
    assert_eq!(client.subscribe("too late"), Err(Error::Closed));
    let bytes = transmit(&mut client);
    server.send("still on its way").unwrap();
    let late = transmit(&mut server);
    let closed = Err(Error::ClosedByPeer { code: Some(1000) });
    assert_eq!(
        server.handle_input(&bytes, Instant::now()).map(drop),
        closed
    );
    assert_eq!(events(&mut server), [Event::Message("last".into())]);
    client.handle_input(&late, Instant::now()).unwrap();
    let expected = Event::Message("still on its way".into());
    assert_eq!(events(&mut client), [expected]);
    // A ping is not answered any more, neither that of the WebSocket nor one of ZMTP.
    client.handle_input(b"\x89\x00", Instant::now()).unwrap();
    assert!(transmit(&mut client).is_empty());
    let ping = b"\x82\x08\x02\x04PING\0\0";
    client.handle_input(ping, Instant::now()).unwrap();
    assert!(matches!(
        events(&mut client)[..],
        [Event::Ping { .. }, Event::Ping { .. }]
    ));
    assert!(transmit(&mut client).is_empty());
    let echo = transmit(&mut server);
    assert_eq!(client.handle_input(&echo, Instant::now()).map(drop), closed);
    assert!(transmit(&mut client).is_empty());
}

// spec: WIRE-7.2/violations: what makes libzmq hang closes the connection, with a reason
// spec: RFC6455/7.1.7-fail: whoever breaks the rules is sent a CLOSE with the code that says how
// spec: RFC6455/7.4.1-unsupported: data of a kind that has no meaning here is answered by CLOSE 1003
// spec: RFC6455/8.1-utf8: text that is no UTF-8 is answered by CLOSE 1007
#[test]
fn violations_are_answered_by_close() {
    let web_socket = |cause| Error::WebSocket { cause };
    let cases = [
        (client_frame(1, b"text"), Violation::Text, 1003),
        (client_frame(0, b"x"), Violation::Fragmented, 1002),
        (
            client_frame(8, b"\x03\xee"),
            Violation::CloseCode { code: 1006 },
            1002,
        ),
        (
            client_frame(8, b"\x03\xe8\xff"),
            Violation::CloseReason,
            1007,
        ),
        (client_frame(2, b""), Violation::Empty, 1002),
        (b"\x82\x02\0x".to_vec(), Violation::Unmasked, 1002),
        (b"\xc2".to_vec(), Violation::ReservedBits, 1002),
    ];
    for (bytes, cause, code) in cases {
        for chunk in [1, usize::MAX] {
            let (_, mut server) = open(config(SocketType::Pair), config(SocketType::Pair));
            let input = [client_frame(2, b"\0before"), bytes.clone()].concat();
            let outcome = feed(&mut server, &input, chunk);
            assert_eq!(outcome.error, Some(web_socket(cause)));
            assert_eq!(outcome.events, [Event::Message("before".into())]);
            let [high, low] = u16::to_be_bytes(code);
            assert_eq!(outcome.sent, [0x88, 2, high, low]);
        }
    }
}

// spec: RFC6455/7.4.1-too-big: a frame beyond a limit is answered by CLOSE 1009
#[test]
fn limits_hold_before_the_payload_arrives() {
    let limits = Limits::default().with_max_frame_size(Some(1000));
    let server = config(SocketType::Pair).with_limits(limits);
    let (_, mut server) = open(config(SocketType::Pair), server);
    let header = [&b"\x82\xff\0\0\0\0\0\0\x03\xea"[..], &NO_MASK, &[0]].concat();
    let outcome = feed(&mut server, &header, 1);
    let expected = Error::FrameTooLarge {
        size: 1001,
        limit: 1000,
    };
    assert_eq!(outcome.error, Some(expected));
    assert_eq!(outcome.sent, b"\x88\x02\x03\xf1");

    let mut server = accept(config(SocketType::Pair));
    let endless = vec![b'x'; 10_000];
    let outcome = feed(&mut server, &endless, 99);
    let cause = UpgradeError::HeadTooLong { limit: 8192 };
    assert_eq!(outcome.error, Some(Error::Upgrade { cause }));
    assert!(outcome.sent.starts_with(b"HTTP/1.1 431 "));
}

// spec: RFC6455/5.4-browser: a large message in fragments arrives, whether of a stranger or of a peer, within limits
#[test]
fn messages_in_fragments_arrive() {
    let limits = Limits::default().with_max_frame_size(Some(100_000));
    let ready = b"\x02\x05READY\x0bSocket-Type\0\0\0\x04PAIR";
    let fragment = |first: u8, len: usize| {
        let mut frame = vec![first, 0xFF];
        frame.extend_from_slice(&(len as u64).to_be_bytes());
        frame.extend_from_slice(&NO_MASK);
        frame.resize(frame.len() + len, 0);
        frame
    };
    let begin = [
        request("ZWS2.0.NULL"),
        [&[0x02, 0x85][..], &NO_MASK, &ready[..5]].concat(),
        client_frame(9, b"in between"),
        client_frame(0, &ready[5..]),
    ]
    .concat();
    let message = [fragment(0x02, 60_001), fragment(0x80, 40_000)].concat();
    let long = [fragment(0x02, 60_001), fragment(0x80, 40_100)].concat();
    for chunk in [1, 1000, usize::MAX] {
        let mut server = accept(config(SocketType::Pair).with_limits(limits));
        let outcome = feed(&mut server, &[&begin[..], &message].concat(), chunk);
        assert_eq!(outcome.error, None);
        assert_eq!(server.protocol(), Some(Protocol::NullToken));
        let expected = Event::Message(vec![0; 100_000].into());
        assert_eq!(outcome.events.last(), Some(&expected));
        let outcome = feed(&mut server, &long, chunk);
        let error = outcome.error.unwrap();
        assert_eq!(error.blame(), Blame::Limit, "{error}");
        assert_eq!(outcome.sent, b"\x88\x02\x03\xf1");
    }
    // A stranger's is kept no longer than a command of the handshake may be.
    let mut server = accept(config(SocketType::Pair).with_limits(limits));
    let input = [request("ZWS2.0/NULL"), fragment(0x02, 20_000)].concat();
    let error = feed(&mut server, &input, usize::MAX).error.unwrap();
    assert_eq!(error.blame(), Blame::Limit, "{error}");
}

/// A request as a browser sends it.
fn request_of_a_page(origin: &str) -> Vec<u8> {
    let request = String::from_utf8(request("ZWS2.0")).unwrap();
    let fields = format!("Host: h\r\nOrigin: {origin}\r\nCookie: session=1\r\n");
    request.replace("Host: h\r\n", &fields).into_bytes()
}

// spec: RFC6455/10.2-origin: a request with an unwelcome origin is refused with 403; our own rule: all are unwelcome that are not allowed
#[test]
fn web_pages_come_in_by_permission_only() {
    let page = "https://example.com";
    let through = |gate, request: &[u8]| {
        let mut server = Connection::accept_through(gate, config(SocketType::Pull), Instant::now());
        let outcome = feed(&mut server, request, 7);
        (outcome.sent, outcome.error)
    };
    let refused = Some(Error::Upgrade {
        cause: UpgradeError::Origin,
    });
    for (gate, origin, comes_in) in [
        (Gate::new(), page, false),
        (Gate::new(), "null", false),
        (Gate::new().allow_origin(page), page, true),
        (
            Gate::new().allow_origin(page),
            "https://example.com.evil.net",
            false,
        ),
        (Gate::new().allow_origin(page), "http://example.com", false),
        (Gate::new().allow_any_origin(), page, true),
    ] {
        let (sent, error) = through(gate, &request_of_a_page(origin));
        assert_eq!(error, if comes_in { None } else { refused.clone() });
        let status = if comes_in {
            "HTTP/1.1 101 "
        } else {
            "HTTP/1.1 403 "
        };
        assert!(sent.starts_with(status.as_bytes()), "{origin}");
    }
    // Programs send none.
    assert_eq!(through(Gate::new(), &request("ZWS2.0")).1, None);
    let outcome = feed(
        &mut accept(config(SocketType::Pull)),
        &request_of_a_page(page),
        1,
    );
    assert_eq!(outcome.error, refused);
}

#[test]
fn the_application_sees_a_request_before_it_is_answered() {
    for (path, rejection) in [("/", None), ("/secret", Some(Rejection::NotFound))] {
        let gate = Gate::new().allow_any_origin().with_check(move |request| {
            assert_eq!(request.field("cookie"), Some(&b"session=1"[..]));
            assert_eq!(request.path, path);
            assert_eq!(request.protocols, [Protocol::Bare]);
            rejection.map_or(Ok(()), Err)
        });
        let mut server = Connection::accept_through(gate, config(SocketType::Pull), Instant::now());
        let request = String::from_utf8(request_of_a_page("null")).unwrap();
        let request = request.replace("GET /", &format!("GET {path}"));
        let outcome = feed(&mut server, request.as_bytes(), usize::MAX);
        let cause = |rejection| Error::Upgrade {
            cause: UpgradeError::Rejected { rejection },
        };
        assert_eq!(outcome.error, rejection.map(cause));
        let status = rejection.map_or(101, Rejection::status);
        assert!(
            outcome
                .sent
                .starts_with(format!("HTTP/1.1 {status} ").as_bytes())
        );
    }
}

#[test]
fn nothing_of_security_is_lost_behind_another_library() {
    let now = Instant::now();
    let upgraded = |config: HandshakeConfig, protocol| {
        Connection::upgraded(config, Role::Server, protocol, now).map(drop)
    };
    let refused = Err(Error::Upgrade {
        cause: UpgradeError::NoProtocol,
    });
    let asking = || config(SocketType::Pull).with_zap(Policy::new("lan"));
    assert_eq!(upgraded(config(SocketType::Pull), Protocol::Bare), Ok(()));
    assert_eq!(upgraded(asking(), Protocol::Bare), refused);
    assert_eq!(upgraded(asking(), Protocol::NullToken), Ok(()));
    assert_eq!(upgraded(config(SocketType::Pull), Protocol::Plain), refused);
    let (_, server) = curve_ends(SocketType::Pair, SocketType::Pair);
    assert_eq!(upgraded(server, Protocol::Null), refused);
}

/// What comes behind READY waits for the handler, also where frames have to be taken out of others.
#[test]
fn what_follows_ready_waits_for_the_handler() {
    let ready = b"\x02\x05READY\x0bSocket-Type\0\0\0\x04PAIR";
    let input = [
        request("ZWS2.0/NULL"),
        client_frame(2, ready),
        client_frame(2, b"\0hello"),
        client_frame(9, b"ping"),
        client_frame(2, b"\0again"),
    ]
    .concat();
    for chunk in [1, 50, usize::MAX] {
        let now = Instant::now();
        let mut server = accept(config(SocketType::Pair).with_zap(Policy::new("lan")));
        let mut rest = &input[..];
        while !rest.is_empty() && server.wants_input() {
            let piece = &rest[..rest.len().min(chunk)];
            let used = server.handle_input(piece, now).unwrap();
            rest = &rest[used..];
        }
        assert!(!server.wants_input());
        let [Event::Authenticate(request)] = &events(&mut server)[..] else {
            panic!("no question")
        };
        let answer = Answer::Reply(Reply::success(request, "joe"));
        server.handle_zap(answer, now).unwrap();
        while !rest.is_empty() {
            let used = server.handle_input(rest, now).unwrap();
            rest = &rest[used..];
        }
        let [
            Event::Connected(_),
            Event::Message(hello),
            Event::Ping { .. },
            Event::Message(again),
        ] = &events(&mut server)[..]
        else {
            panic!("something is missing")
        };
        assert_eq!((hello, again), (&"hello".into(), &"again".into()));
    }
}

// spec: RFC45/lock-step: no message may come before READY
#[test]
fn a_message_before_ready_is_unexpected() {
    let input = [request("ZWS2.0/NULL"), client_frame(2, b"\0hello")].concat();
    let outcome = feed(&mut accept(config(SocketType::Pair)), &input, usize::MAX);
    let error = outcome.error.unwrap();
    assert_eq!(error.protocol_event_code(), Some(0x1000_0001));
}

// spec: WIRE-7.2/handshake-flags: the flags of handshake commands do not matter
#[test]
fn commands_of_the_handshake_may_have_any_flags() {
    for flags in [0, 2, 4] {
        let ready = [&[flags], &b"\x05READY\x0bSocket-Type\0\0\0\x04PAIR"[..]].concat();
        let input = [request("ZWS2.0/NULL"), client_frame(2, &ready)].concat();
        let mut server = accept(config(SocketType::Pair));
        assert_eq!(feed(&mut server, &input, 1).error, None);
        assert!(server.peer().is_some());
    }
}

#[test]
fn a_command_goes_out_as_one() {
    let (mut dish, mut radio) = open(config(SocketType::Dish), config(SocketType::Radio));
    dish.send_command(Command::Join { group: b"g" }).unwrap();
    assert_eq!(talk([&mut dish, &mut radio], 1), [None, None]);
    assert_eq!(events(&mut radio), [Event::Command("\x04JOINg".into())]);
    dish.send_command(Command::Ping {
        ttl: 9,
        context: b"c",
    })
    .unwrap();
    assert_eq!(talk([&mut dish, &mut radio], 1), [None, None]);
    let context = || "c".into();
    let ping = Event::Ping {
        ttl: 0,
        context: context(),
    };
    assert_eq!(events(&mut radio), [ping]);
    let pong = Event::Pong { context: context() };
    assert_eq!(events(&mut dish), [pong]);
}

#[test]
fn messages_that_never_left_come_back() {
    let mut client = connect(config(SocketType::Push));
    client.send("one").unwrap();
    client.send("two").unwrap();
    let bad = b"HTTP/1.1 404 Not Found\r\n\r\n";
    let error = client.handle_input(bad, Instant::now()).unwrap_err();
    let cause = UpgradeError::Status { code: 404 };
    assert_eq!(error, Error::Upgrade { cause });
    assert_eq!(error.blame(), Blame::Refused);
    let unsent = client.take_unsent();
    assert_eq!(unsent, [Message::from("one"), Message::from("two")]);
}

/// What a server made of its input. How much it said before an error depends on the pieces.
fn end_of_server(input: &[u8], chunk: usize) -> (Vec<Event>, Option<Error>) {
    let outcome = feed(&mut accept(config(SocketType::Pair)), input, chunk);
    (outcome.events, outcome.error)
}

/// Bytes that look like WebSocket frames from a client, more or less.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let frame = (
        prop::sample::select(vec![0x82u8, 0x82, 0x82, 0x89, 0x8A, 0x88, 0x81, 0x02]),
        prop::collection::vec(any::<u8>(), 0..130),
        any::<[u8; 4]>(),
    )
        .prop_map(|(first, payload, mask)| {
            let mut frame = vec![first];
            match payload.len() {
                len @ 0..126 => frame.push(0x80 | len as u8),
                len => frame.extend([0xFE, 0, len as u8]),
            }
            frame.extend(mask);
            frame.extend(payload);
            frame
        });
    prop::collection::vec(frame, 0..12).prop_map(|frames| frames.concat())
}

proptest! {
    #[test]
    fn a_server_comes_to_the_same_end_however_its_input_is_cut(
        frames in frames(),
        junk in prop::collection::vec(any::<u8>(), 0..20),
        chunk in 1usize..200,
    ) {
        let ready = b"\x02\x05READY\x0bSocket-Type\0\0\0\x04PAIR";
        let input = [request("ZWS2.0/NULL"), client_frame(2, ready), frames, junk].concat();
        prop_assert_eq!(end_of_server(&input, chunk), end_of_server(&input, 1));
    }

    #[test]
    fn a_server_takes_any_request(
        from in 0usize..200,
        junk in prop::collection::vec(any::<u8>(), 0..20),
        chunk in 1usize..200,
    ) {
        let mut input = request("ZWS2.0/NULL");
        let from = from.min(input.len());
        input.splice(from.., junk.iter().copied().chain(input[from..].to_vec()));
        prop_assert_eq!(end_of_server(&input, chunk), end_of_server(&input, 1));
    }

    #[test]
    fn a_client_takes_any_response(
        from in 0usize..200,
        junk in prop::collection::vec(any::<u8>(), 0..20),
        chunk in 1usize..200,
    ) {
        let name = "ws-null-pub-sub.hex";
        let mut input = Recording::load(name).bytes(Side::Listener);
        let from = from.min(input.len());
        input.splice(from.., junk.iter().copied().chain(input[from..].to_vec()));
        let outcome = |chunk| {
            let mut client = recorded_client(name, config(SocketType::Sub));
            feed(&mut client, &input, chunk)
        };
        let (pieces, bytes) = (outcome(chunk), outcome(1));
        prop_assert_eq!(pieces.events, bytes.events);
        prop_assert_eq!(pieces.error, bytes.error);
    }

    #[test]
    fn messages_round_trip(
        messages in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..5),
            0..6,
        ),
        chunk in 1usize..500,
    ) {
        let messages: Vec<Message> = messages.into_iter().map(|frames| frames.into_iter().collect()).collect();
        let (mut client, mut server) = open(config(SocketType::Pair), config(SocketType::Pair));
        for message in &messages {
            client.send(message).unwrap();
        }
        prop_assert_eq!(talk([&mut client, &mut server], chunk), [None, None]);
        let expected: Vec<_> = messages.into_iter().map(Event::Message).collect();
        prop_assert_eq!(events(&mut server), expected);
    }
}
