//! Facts of the wire that belong to no single part.

use std::time::Instant;

use zmtp::greeting::{Greeting, MechanismName};
use zmtp::{
    Command, Connection, Error, Event, HandshakeConfig, Limits, MechanismConfig, Metadata, Random,
    SocketType, Version, curve, header, plain, zap,
};

/// The length of a greeting.
const GREETING: usize = 64;

/// Where in a greeting the as-server byte is.
const AS_SERVER: usize = 32;

fn transmit(connection: &mut Connection) -> Vec<u8> {
    let mut sent = Vec::new();
    while let Some(bytes) = connection.poll_transmit() {
        sent.extend_from_slice(&bytes);
    }
    sent
}

fn events(connection: &mut Connection) -> Vec<Event> {
    std::iter::from_fn(|| connection.poll_event()).collect()
}

fn greeting(version: Version, mechanism: MechanismName) -> [u8; GREETING] {
    let greeting = Greeting {
        version,
        mechanism,
        as_server: false,
    };
    greeting.encode(0)
}

fn key_pair() -> curve::KeyPair {
    curve::KeyPair::generate(&mut Random::system()).unwrap()
}

/// Both ends of a CURVE connection behind the handshake, the server with these limits.
fn curve_ends(limits: Limits) -> [Connection; 2] {
    let keys = key_pair();
    let client = curve::ClientConfig::new(*keys.public(), key_pair());
    let server = curve::ServerConfig::new(keys).allow_any_client();
    let config = || HandshakeConfig::new(SocketType::Pair);
    let now = Instant::now();
    let mut ends = [
        config().with_mechanism(MechanismConfig::CurveClient(client)),
        config()
            .with_mechanism(MechanismConfig::CurveServer(server))
            .with_limits(limits),
    ]
    .map(|config| Connection::new(config, now));
    for _ in 0..5 {
        let [client, server] = &mut ends;
        server.handle_input(&transmit(client), now).unwrap();
        client.handle_input(&transmit(server), now).unwrap();
    }
    for end in &mut ends {
        assert!(matches!(events(end)[..], [Event::Connected(_)]));
    }
    ends
}

// spec: WIRE-2.3/encrypted-size: under CURVE the frame limit counts the encrypted body, which has 33 bytes more
#[test]
fn the_frame_limit_counts_what_is_encrypted() {
    let limits = Limits::default().with_max_frame_size(Some(400));
    let [mut client, mut server] = curve_ends(limits);
    client.send(vec![1; 367]).unwrap();
    client.send(vec![2; 368]).unwrap();
    let result = server
        .handle_input(&transmit(&mut client), Instant::now())
        .map(drop);
    let (size, limit) = (401, 400);
    assert_eq!(result, Err(Error::FrameTooLarge { size, limit }));
    assert_eq!(events(&mut server), [Event::Message(vec![1; 367].into())]);
}

// spec: WIRE-4.3/outer-flags: what the flags of the frame around a MESSAGE say does not matter
#[test]
fn flags_outside_the_box_mean_nothing() {
    let [mut client, mut server] = curve_ends(Limits::default());
    for outer in [0x00, 0x01, 0x04, 0x05, 0xF8] {
        client.send("text").unwrap();
        let mut frame = transmit(&mut client);
        assert_eq!(frame[0], 0);
        frame[0] = outer;
        server.handle_input(&frame, Instant::now()).unwrap();
        assert_eq!(events(&mut server), [Event::Message("text".into())]);
    }
}

// spec: WIRE-1.3/as-server-ignored: whatever the peer's as-server byte is, the roles are those of the configuration
#[test]
fn the_peers_as_server_byte_is_ignored() {
    let server = curve::ServerConfig::new(key_pair()).allow_any_client();
    let client = curve::ClientConfig::new(*server.keys().public(), key_pair());
    for mechanism in [
        MechanismConfig::Null,
        MechanismConfig::PlainClient(plain::ClientConfig::new("user", "password").unwrap()),
        MechanismConfig::PlainServer(plain::ServerConfig::new()),
        MechanismConfig::CurveClient(client),
        MechanismConfig::CurveServer(server),
    ] {
        let name = mechanism.name();
        let begins = matches!(
            mechanism,
            MechanismConfig::Null
                | MechanismConfig::PlainClient(_)
                | MechanismConfig::CurveClient(_)
        );
        for byte in [0, 1, 0xFF] {
            let config = HandshakeConfig::new(SocketType::Pair).with_mechanism(mechanism.clone());
            let mut connection = Connection::new(config, Instant::now());
            let mut theirs = greeting(Version::V3_1, name);
            theirs[AS_SERVER] = byte;
            connection.handle_input(&theirs, Instant::now()).unwrap();
            let sent = transmit(&mut connection);
            assert_eq!(sent.len() > GREETING, begins, "{name:?}");
        }
    }
}

/// What was said about security and would have no effect, or was not said, fails the handshake before
/// it says anything, and can be asked for before.
#[test]
fn a_policy_has_its_effect_or_is_an_error() {
    let keys = key_pair();
    let client = curve::ClientConfig::new(*keys.public(), key_pair());
    let server = curve::ServerConfig::new(keys);
    let credentials = plain::ClientConfig::new("user", "password").unwrap();
    let with = |mechanism: &MechanismConfig, domain: Option<&'static str>| {
        let config = HandshakeConfig::new(SocketType::Pair).with_mechanism(mechanism.clone());
        match domain {
            Some(domain) => config.with_zap(zap::Policy::new(domain)),
            None => config,
        }
    };
    let (unused, missing) = (Err(Error::UnusedZapPolicy), Err(Error::NoZapPolicy));
    let anybody = server.clone().allow_any_client();
    let cases = [
        // Without a policy, with one without a domain, with one.
        (MechanismConfig::Null, [Ok(()), unused.clone(), Ok(())]),
        (
            MechanismConfig::PlainClient(credentials),
            [Ok(()), unused.clone(), unused.clone()],
        ),
        (
            MechanismConfig::PlainServer(plain::ServerConfig::new()),
            [Ok(()), Ok(()), Ok(())],
        ),
        (
            MechanismConfig::CurveClient(client),
            [Ok(()), unused.clone(), unused],
        ),
        (
            MechanismConfig::CurveServer(server),
            [missing, Ok(()), Ok(())],
        ),
        (
            MechanismConfig::CurveServer(anybody),
            [Ok(()), Ok(()), Ok(())],
        ),
    ];
    let now = Instant::now();
    for (mechanism, expected) in cases {
        for (domain, expected) in [None, Some(""), Some("lan")].into_iter().zip(expected) {
            let config = with(&mechanism, domain);
            assert_eq!(config.check(), expected, "{config:?}");
            let mut connection = Connection::new(config, now);
            let said = transmit(&mut connection);
            assert_eq!(said.is_empty(), expected.is_err());
            assert_eq!(connection.handle_input(b"\xFF", now).map(drop), expected);
            assert_eq!(connection.error().is_some(), expected.is_err());
        }
    }
}

/// Two connections that ask at the same time have different questions, and the answer to one admits
/// nobody on the other.
// spec: RFC27/own-request-id: the answer to another connection's question admits nobody
#[test]
fn an_answer_is_for_one_connection() {
    let now = Instant::now();
    let mut asking = [(); 2].map(|()| {
        let config = HandshakeConfig::new(SocketType::Pair).with_zap(zap::Policy::new("lan"));
        let mut connection = Connection::new(config, now);
        let theirs = greeting(Version::V3_1, MechanismName::NULL);
        connection.handle_input(&theirs, now).unwrap();
        let Some(Event::Authenticate(request)) = connection.poll_event() else {
            panic!("no question")
        };
        (connection, request)
    });
    assert_ne!(asking[0].1.request_id, asking[1].1.request_id);
    let reply = zap::Reply::success(&asking[1].1, "somebody else");
    let (connection, request) = &mut asking[0];
    assert_eq!(reply.check(request), Err(zap::ReplyError::RequestId));
    let error = connection.handle_zap(zap::Answer::Reply(reply), now);
    let cause = zap::ReplyError::RequestId;
    assert_eq!(error, Err(Error::InvalidZapReply { cause }));
}

/// An end that is the client in its mechanism has nobody to ask about.
#[test]
fn clients_never_ask_zap() {
    let keys = key_pair();
    let for_curve = curve::ClientConfig::new(*keys.public(), key_pair());
    let for_plain = plain::ClientConfig::new("user", "password").unwrap();
    for [client, server] in [
        [
            MechanismConfig::PlainClient(for_plain),
            MechanismConfig::PlainServer(plain::ServerConfig::new()),
        ],
        [
            MechanismConfig::CurveClient(for_curve),
            MechanismConfig::CurveServer(curve::ServerConfig::new(keys).allow_any_client()),
        ],
    ] {
        let now = Instant::now();
        let config = |mechanism| HandshakeConfig::new(SocketType::Pair).with_mechanism(mechanism);
        let server = config(server).with_zap(zap::Policy::new("everywhere"));
        let mut client = Connection::new(config(client), now);
        let mut server = Connection::new(server, now);
        let (mut of_client, mut of_server) = (Vec::new(), Vec::new());
        for _ in 0..8 {
            server.handle_input(&transmit(&mut client), now).unwrap();
            for event in events(&mut server) {
                if let Event::Authenticate(request) = &event {
                    let reply = zap::Reply::success(request, "user");
                    server.handle_zap(zap::Answer::Reply(reply), now).unwrap();
                }
                of_server.push(event);
            }
            client.handle_input(&transmit(&mut server), now).unwrap();
            of_client.extend(events(&mut client));
        }
        assert!(
            matches!(of_server[..], [Event::Authenticate(_), Event::Connected(_)]),
            "{of_server:?}"
        );
        assert!(
            matches!(of_client[..], [Event::Connected(_)]),
            "{of_client:?}"
        );
    }
}

// spec: WIRE-3.2/identity-senders: REQ, DEALER and ROUTER announce an identity, even an empty one; the others do not
// spec: WIRE-3.2/order: Socket-Type comes first, then Identity, then the properties of the application
#[test]
fn three_types_announce_an_identity() {
    for socket_type in SocketType::ALL {
        for identity in ["", "me"] {
            let config = HandshakeConfig::new(socket_type)
                .with_identity(identity)
                .unwrap()
                .with_property("X-app", "1")
                .unwrap();
            let mut connection = Connection::new(config, Instant::now());
            let theirs = greeting(Version::V3_1, MechanismName::NULL);
            connection.handle_input(&theirs, Instant::now()).unwrap();
            let sent = transmit(&mut connection);
            let (header, len) = header::decode(&sent[GREETING..]).unwrap().unwrap();
            assert!(header.flags.is_command());
            let Ok(Command::Ready { metadata }) = Command::decode(&sent[GREETING + len..]) else {
                panic!("{socket_type}")
            };
            let metadata = Metadata::decode(metadata, 9).unwrap();
            let mut expected = vec![("Socket-Type", socket_type.name())];
            if ["REQ", "DEALER", "ROUTER"].contains(&socket_type.name()) {
                expected.push(("Identity", identity));
            }
            expected.push(("X-app", "1"));
            let expected = expected
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
            assert!(metadata.iter().eq(expected), "{metadata:?}");
        }
    }
}

// spec: WIRE-3.5/ping-from-3.0: PING is answered whatever minor version the peer has announced
#[test]
fn a_3_0_peer_gets_its_pong() {
    for version in [Version::V3_0, Version::V3_1] {
        let config = HandshakeConfig::new(SocketType::Pair);
        let mut connection = Connection::new(config, Instant::now());
        let mut input = greeting(version, MechanismName::NULL).to_vec();
        Command::Ready { metadata: b"" }.encode(&mut input);
        let (ttl, context) = (0, b"context".as_slice());
        Command::Ping { ttl, context }.encode(&mut input);
        connection.handle_input(&input, Instant::now()).unwrap();
        let mut pong = Vec::new();
        Command::Pong { context }.encode(&mut pong);
        assert!(transmit(&mut connection).ends_with(&pong));
    }
}

// spec: RFC37/message-atomicity: of a message whose last frame never comes nothing is delivered
#[test]
fn a_message_that_stays_incomplete_is_not_delivered() {
    let config = HandshakeConfig::new(SocketType::Pair);
    let mut connection = Connection::new(config, Instant::now());
    let mut input = greeting(Version::V3_1, MechanismName::NULL).to_vec();
    Command::Ready { metadata: b"" }.encode(&mut input);
    input.extend_from_slice(b"\x00\x03one\x01\x03two\x01\x05three");
    connection.handle_input(&input, Instant::now()).unwrap();
    let [Event::Connected(_), Event::Message(message)] = &events(&mut connection)[..] else {
        panic!("a part was delivered")
    };
    assert_eq!(message[0], "one");
}
