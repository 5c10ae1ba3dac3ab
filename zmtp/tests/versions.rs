//! A connection and a scripted peer of each version of ZMTP.

use std::time::{Duration, Instant};

use zmtp::greeting::{Greeting, MechanismName, signature};
use zmtp::{
    Command, Connection, ConnectionConfig, Decoder, Encoder, Error, Event, Flags, HandshakeConfig,
    HeartbeatConfig, Item, Limits, Message, Peer, SocketType, Version, v1,
};

const SECOND: Duration = Duration::from_secs(1);
const VERSIONS: [Version; 4] = [Version::V1_0, Version::V2_0, Version::V3_0, Version::V3_1];

/// What a peer of a version says before its traffic, and what it has to hear.
fn handshake(version: Version, socket_type: SocketType, identity: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    let frame = |framing: Version, out: &mut Vec<u8>| {
        Encoder::new(framing).encode_frame(Flags::NONE, identity.as_bytes(), out);
    };
    match version {
        Version::V1_0 => frame(version, &mut wire),
        Version::V2_0 => {
            wire.extend_from_slice(&signature(identity.len()));
            wire.extend_from_slice(&[1, socket_type.number()]);
            frame(version, &mut wire);
        }
        _ => {
            let greeting = Greeting {
                version,
                mechanism: MechanismName::NULL,
                as_server: false,
            };
            wire.extend_from_slice(&greeting.encode(identity.len()));
            wire.extend_from_slice(&ready(socket_type, identity));
        }
    }
    wire
}

fn ready(socket_type: SocketType, identity: &str) -> Vec<u8> {
    let mut metadata = zmtp::Metadata::new();
    metadata.push("Socket-Type", socket_type.name()).unwrap();
    if socket_type.sends_identity() {
        metadata.push("Identity", identity.to_owned()).unwrap();
    }
    let (mut properties, mut wire) = (Vec::new(), Vec::new());
    metadata.encode(&mut properties);
    Command::Ready {
        metadata: &properties,
    }
    .encode(&mut wire);
    wire
}

/// A connection whose peer is a script.
struct Line {
    connection: Connection,
    now: Instant,
    version: Version,
    /// What the connection has said since the handshake.
    heard: Decoder,
}

impl Line {
    /// Shakes hands as a peer of the version and of the type and identity given.
    fn new(
        config: impl Into<ConnectionConfig>,
        version: Version,
        socket_type: SocketType,
        identity: &str,
    ) -> Self {
        let now = Instant::now();
        let mut line = Self {
            connection: Connection::new(config, now),
            now,
            version,
            heard: Decoder::for_version(version, &Limits::default()),
        };
        line.input(&handshake(version, socket_type, identity));
        line
    }

    fn input(&mut self, bytes: &[u8]) {
        self.connection.handle_input(bytes, self.now).unwrap();
    }

    fn transmitted(&mut self) -> Vec<u8> {
        let pieces = std::iter::from_fn(|| self.connection.poll_transmit());
        pieces.flatten().collect()
    }

    /// Checks what the connection said in its handshake, and returns who it takes the peer for.
    fn connected(&mut self, socket_type: SocketType, identity: &str) -> Peer {
        let expected = match self.version {
            Version::V1_0 => [&signature(identity.len()), identity.as_bytes()].concat(),
            Version::V2_0 => {
                let mut wire = handshake(self.version, socket_type, identity);
                wire[10] = 3;
                wire
            }
            _ => handshake(Version::V3_1, socket_type, identity),
        };
        assert_eq!(self.transmitted(), expected, "{}", self.version);
        match self.connection.poll_event() {
            Some(Event::Connected(peer)) => peer,
            other => panic!("{other:?}"),
        }
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.connection.poll_event()).collect()
    }

    /// What the connection says, as a peer of the version understands it.
    fn items(&mut self) -> Vec<Item> {
        let wire = self.transmitted();
        let mut rest = &wire[..];
        let mut items = Vec::new();
        while let (used, Some(item)) = self.heard.decode(rest).unwrap() {
            items.push(item);
            rest = &rest[used..];
        }
        items
    }

    fn wait(&mut self, duration: Duration) -> Result<(), Error> {
        self.now += duration;
        self.connection.handle_timeout(self.now)
    }
}

fn router() -> HandshakeConfig {
    HandshakeConfig::new(SocketType::Router)
        .with_identity("new")
        .unwrap()
}

// spec: RFC37/version-negotiation: each end falls back to the older version of the two
#[test]
fn messages_go_both_ways_with_every_version() {
    let messages = [
        Message::from("short"),
        Message::from(["", "", "last"]),
        Message::from([vec![1; 253], vec![2; 254], vec![3; 255], vec![4; 256]]),
        Message::from(vec![5; 100_000]),
        Message::from(""),
    ];
    for version in VERSIONS {
        let mut line = Line::new(router(), version, SocketType::Dealer, "old");
        let peer = line.connected(SocketType::Router, "new");
        assert_eq!((peer.version, &peer.identity[..]), (version, &b"old"[..]));
        let mut wire = Vec::new();
        for message in &messages {
            Encoder::new(version).encode_message(message, &mut wire);
            line.connection.send(message).unwrap();
        }
        line.input(&wire);
        assert_eq!(line.events(), messages.clone().map(Event::Message));
        assert_eq!(line.items(), messages.clone().map(Item::Message));
    }
}

#[test]
fn what_is_sent_early_waits_for_the_version() {
    for version in VERSIONS {
        let now = Instant::now();
        let mut connection = Connection::new(HandshakeConfig::new(SocketType::Sub), now);
        connection.subscribe("a").unwrap();
        connection
            .send_command(Command::Subscribe { topic: b"b" })
            .unwrap();
        connection
            .send_command(Command::Cancel { topic: b"a" })
            .unwrap();
        let mut line = Line {
            connection,
            now,
            version,
            heard: Decoder::for_version(version, &Limits::default()),
        };
        line.input(&handshake(version, SocketType::Pub, ""));
        let sent = line.transmitted();
        let expected: &[u8] = match version {
            Version::V1_0 => b"\x03\0\x01a\x03\0\x01b\x03\0\x00a",
            Version::V3_1 => b"\x04\x0b\x09SUBSCRIBEa\x04\x0b\x09SUBSCRIBEb\x04\x08\x06CANCELa",
            _ => b"\0\x02\x01a\0\x02\x01b\0\x02\x00a",
        };
        assert!(sent.ends_with(expected), "{version}: {sent:?}");
    }
}

// spec: WIRE-1.4/old-handshake-timer: the timer covers the first frame of a peer of 1.0 or 2.0
#[test]
fn the_handshake_timer_covers_the_identity_of_an_old_peer() {
    let timely = |start: &[u8], rest: &[u8]| {
        let now = Instant::now();
        let mut connection = Connection::new(router(), now);
        connection.handle_input(start, now).unwrap();
        connection.handle_timeout(now + 29 * SECOND).unwrap();
        let mut late = Connection::new(router(), now);
        late.handle_input(start, now).unwrap();
        assert_eq!(
            late.handle_timeout(now + 30 * SECOND),
            Err(Error::HandshakeTimeout)
        );
        connection.handle_input(rest, now + 29 * SECOND).unwrap();
        // From then on an old peer may be silent for as long as it likes.
        connection.handle_timeout(now + 3000 * SECOND).unwrap();
        assert_eq!(connection.poll_timeout(), None);
        assert!(connection.peer().is_some());
    };
    for version in [Version::V1_0, Version::V2_0] {
        let wire = handshake(version, SocketType::Dealer, "old");
        for cut in 1..wire.len() {
            timely(&wire[..cut], &wire[cut..]);
        }
    }
    // A client that speaks something else is not waited for without end.
    timely(b"\x47\0unknown", &[b'x'; 63]);
}

// spec: WIRE-1.4/no-zmtp: clients of other protocols are told from peers of 1.0 where that is possible
#[test]
fn what_cannot_be_an_identity_is_no_old_peer() {
    let others: [&[u8]; 8] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        b"HEAD / HTTP/1.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"PUT / HTTP/1.1\r\n\r\n",
        b"SSH-2.0-client\r\n",
        // A ClientHello of TLS.
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ];
    for input in others {
        let now = Instant::now();
        let mut connection = Connection::new(router(), now);
        let version = Version::V1_0;
        let expected = Err(Error::UnsupportedVersion { version });
        assert_eq!(
            connection.handle_input(input, now).map(drop),
            expected,
            "{input:?}"
        );
    }
    // Not even the old versions with a greeting have identities of several frames.
    let mut wire = handshake(Version::V2_0, SocketType::Dealer, "old");
    let flags = wire.len() - 5;
    assert_eq!(&wire[flags..], b"\0\x03old");
    for bit in [1, 4] {
        wire[flags] = bit;
        let now = Instant::now();
        let mut connection = Connection::new(router(), now);
        let version = Version::V2_0;
        let expected = Err(Error::UnsupportedVersion { version });
        assert_eq!(connection.handle_input(&wire, now).map(drop), expected);
    }
}

// spec: RFC37/heartbeats: PING is sent at the interval to peers that know it
// spec: WIRE-6.8/dish-and-commands: no PING goes to a DISH
#[test]
fn heartbeats_go_only_to_peers_that_take_them() {
    let with_heartbeat = |socket_type| {
        ConnectionConfig::new(HandshakeConfig::new(socket_type))
            .with_heartbeat(HeartbeatConfig::every(SECOND).with_ttl(1000 * SECOND))
    };
    for version in VERSIONS {
        let mut line = Line::new(
            with_heartbeat(SocketType::Pair),
            version,
            SocketType::Pair,
            "",
        );
        line.connected(SocketType::Pair, "");
        line.wait(SECOND).unwrap();
        let wire = line.transmitted();
        if version >= Version::V3_0 {
            assert_eq!(wire, b"\x04\x07\x04PING\x02\x8f", "TTL of 65.5 s");
            assert_eq!(line.wait(SECOND), Err(Error::HeartbeatTimeout));
        } else {
            assert_eq!(wire, b"");
            assert_eq!(line.wait(1000 * SECOND), Ok(()));
        }
    }
    let radio = with_heartbeat(SocketType::Radio);
    let mut line = Line::new(radio, Version::V3_1, SocketType::Dish, "");
    line.connected(SocketType::Radio, "");
    line.wait(1000 * SECOND).unwrap();
    assert_eq!(line.transmitted(), b"");
}

#[test]
fn commands_do_not_exist_before_3_0() {
    for version in [Version::V1_0, Version::V2_0] {
        let mut line = Line::new(router(), version, SocketType::Dealer, "");
        line.connected(SocketType::Router, "new");
        let ping = Command::Ping {
            ttl: 1,
            context: b"",
        };
        line.connection.send_command(ping).unwrap();
        line.connection
            .send_command(Command::Join { group: b"g" })
            .unwrap();
        assert_eq!(line.transmitted(), b"");
    }
    let mut line = Line::new(router(), Version::V2_0, SocketType::Dealer, "");
    line.connected(SocketType::Router, "new");
    line.input(b"\x01\x01a\x04\x07\x04PING\0\0\0\x01b");
    assert_eq!(line.events(), [Event::Message(["a", "b"].into())]);
    assert_eq!(line.transmitted(), b"");
}

// spec: RFC37/commands-between-frames: a command inside a multipart message is not part of it
// spec: RFC37/ping-context: PONG repeats the context, of which 16 bytes count
// spec: RFC37/unknown-commands: unknown commands are ignored once the handshake is over
#[test]
fn commands_may_stand_between_the_frames_of_a_message() {
    for version in [Version::V3_0, Version::V3_1] {
        let mut line = Line::new(router(), version, SocketType::Dealer, "");
        line.connected(SocketType::Router, "new");
        line.input(b"\x01\x01a\x04\x18\x04PING\0\x050123456789abcdefg\x05\x04\x03ODD");
        line.input(b"\x01\x01b\x04\x05\x04PONG\0\x01c");
        let context = "0123456789abcdef";
        assert_eq!(
            line.events(),
            [
                Event::Ping {
                    ttl: 5,
                    context: context.into()
                },
                Event::Command("\x03ODD".into()),
                Event::Pong { context: "".into() },
                Event::Message(["a", "b", "c"].into()),
            ]
        );
        let pong = format!("\x04PONG{context}");
        assert_eq!(line.items(), [Item::Command(pong.as_str().into())]);
    }
}

// spec: RFC37/ping-ttl: a PING without a time to live is malformed
#[test]
fn malformed_commands_of_known_names_are_fatal() {
    let long_group = [&b"\x04\xFF\x04JOIN"[..], &[1; 250]].concat();
    let mut too_long = b"\x06\0\0\0\0\0\0\x01\x05\x04JOIN".to_vec();
    too_long.resize(9 + 261, 1);
    for (wire, is_fatal) in [
        (&b"\x04\x05\x04PING"[..], true),
        (b"\x04\x06\x04PING\0", true),
        (b"\x04\x07\x04PING\0\0", false),
        (&long_group, false),
        (&too_long, true),
    ] {
        let config = HandshakeConfig::new(SocketType::Radio);
        let mut line = Line::new(config, Version::V3_1, SocketType::Dish, "");
        let result = line.connection.handle_input(wire, line.now).map(drop);
        assert_eq!(result.is_err(), is_fatal, "{wire:?}");
        if let Err(error) = result {
            assert_eq!(error.protocol_event_code(), Some(0x1000_0011));
        }
    }
}

#[test]
fn a_ttl_that_libzmq_misunderstands_is_not_sent() {
    let mut line = Line::new(router(), Version::V3_1, SocketType::Dealer, "");
    line.connected(SocketType::Router, "new");
    let ping = Command::Ping {
        ttl: 656,
        context: b"x",
    };
    line.connection.send_command(ping).unwrap();
    assert_eq!(line.transmitted(), b"\x04\x08\x04PING\x02\x8fx");
}

// spec: WIRE-0/accept-both-subscriptions: publishers take subscriptions in either form at any time
#[test]
fn subscriptions_are_taken_in_either_form_and_bounded() {
    let limits = Limits::default().with_max_subscription_len(3);
    let subscribe: [&[u8]; 2] = [b"\x04\x0d\x09SUBSCRIBEtop", b"\x04\x0a\x06CANCELtop"];
    let too_long: [&[u8]; 2] = [b"\x04\x0e\x09SUBSCRIBEtopi", b"\x04\x0b\x06CANCELtopi"];
    for socket_type in [SocketType::Pub, SocketType::XPub] {
        for version in VERSIONS {
            let line = || {
                let config = HandshakeConfig::new(socket_type).with_limits(limits);
                let mut line = Line::new(config, version, SocketType::Sub, "");
                line.connected(socket_type, "");
                line
            };
            let wire = |body: &str| {
                let mut wire = Vec::new();
                Encoder::new(version).encode_message(&body.into(), &mut wire);
                wire
            };
            let expected = Err(Error::SubscriptionTooLong { len: 4, limit: 3 });
            for verb in ["\x00", "\x01"] {
                let mut line = line();
                let topic = format!("{verb}top");
                line.input(&wire(&topic));
                assert_eq!(line.events(), [Event::Message(topic.into())]);
                let long = wire(&format!("{verb}topi"));
                assert_eq!(
                    line.connection.handle_input(&long, line.now).map(drop),
                    expected
                );
            }
            // libzmq takes every frame of a message for a subscription that begins like one.
            for frames in [["\x01topi", ""], ["\x01top", "\x00topi"]] {
                let mut line = line();
                let mut long = Vec::new();
                Encoder::new(version).encode_message(&frames.into(), &mut long);
                assert_eq!(
                    line.connection.handle_input(&long, line.now).map(drop),
                    expected
                );
            }
            if version >= Version::V3_0 {
                for (fine, long) in subscribe.into_iter().zip(too_long) {
                    let mut line = line();
                    line.input(fine);
                    assert_eq!(line.events(), [Event::Command(fine[2..].into())]);
                    assert_eq!(
                        line.connection.handle_input(long, line.now).map(drop),
                        expected
                    );
                }
            }
            // Messages to an XPUB that are no subscriptions have no such limit.
            line().input(&wire("\x02long"));
        }
    }
}

#[test]
fn old_peers_have_no_way_around_the_limits() {
    let limits = Limits::default()
        .with_max_frame_size(Some(300))
        .with_max_message_size(Some(500))
        .with_max_frames(3);
    for version in VERSIONS {
        let refuse = |message: Message| {
            let config = router().with_limits(limits);
            let mut line = Line::new(config, version, SocketType::Dealer, "");
            let mut wire = Vec::new();
            Encoder::new(version).encode_message(&message, &mut wire);
            line.connection.handle_input(&wire, line.now).map(drop)
        };
        assert_eq!(refuse(vec![0; 300].into()), Ok(()));
        assert_eq!(
            refuse(vec![0; 301].into()),
            Err(Error::FrameTooLarge {
                size: 301,
                limit: 300
            })
        );
        assert_eq!(
            refuse([vec![0; 300], vec![0; 201]].into()),
            Err(Error::MessageTooLarge {
                size: 501,
                limit: 500
            })
        );
        assert_eq!(refuse(["", "", ""].into()), Ok(()));
        assert_eq!(
            refuse(["", "", "", ""].into()),
            Err(Error::TooManyFrames { limit: 3 })
        );
    }
}

#[test]
fn a_1_0_frame_without_flags_ends_the_connection() {
    let mut line = Line::new(router(), Version::V1_0, SocketType::Dealer, "");
    line.input(&[2, 0, b'm']);
    let zero = line.connection.handle_input(&[0], line.now).map(drop);
    assert_eq!(zero, Err(Error::FrameWithoutFlags));
    let mut line = Line::new(router(), Version::V1_0, SocketType::Dealer, "");
    let mut long = [0; v1::MAX_LEN];
    long[0] = 0xFF;
    let zero = line.connection.handle_input(&long, line.now).map(drop);
    assert_eq!(zero, Err(Error::FrameWithoutFlags));
}
