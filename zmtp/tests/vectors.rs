//! Replays connections recorded from libzmq: what we make of its bytes, said again by us, has to be
//! its bytes.

use std::fs;
use std::path::Path;
use std::time::Instant;

use zmtp::{
    Command, Connection, Error, Event, Handshake, HandshakeConfig, Message, Metadata, SocketType,
    Version,
};

/// Length of the greeting, after which the first command stands.
const GREETING: usize = 64;

/// Both directions of a recorded connection.
struct Recording {
    connector: Vec<u8>,
    listener: Vec<u8>,
}

fn load(name: &str) -> Recording {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let mut recording = Recording {
        connector: Vec::new(),
        listener: Vec::new(),
    };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.split(' ').collect();
        let [side, _tag, _label, hex] = fields[..] else {
            panic!("{name}: {line}")
        };
        let bytes = (0..hex.len()).step_by(2).map(|at| {
            u8::from_str_radix(&hex[at..at + 2], 16).unwrap_or_else(|_| panic!("{name}: {line}"))
        });
        match side {
            "C" => recording.connector.extend(bytes),
            "S" => recording.listener.extend(bytes),
            _ => panic!("{name}: {line}"),
        }
    }
    recording
}

/// The configuration of the end that sent `stream`, read from its READY.
fn config_of(stream: &[u8]) -> HandshakeConfig {
    let (header, len) = zmtp::header::decode(&stream[GREETING..]).unwrap().unwrap();
    let body = &stream[GREETING + len..][..header.size as usize];
    let Ok(Command::Ready { metadata }) = Command::decode(body) else {
        panic!("{body:?}")
    };
    let metadata = Metadata::decode(metadata, 16).unwrap();
    let socket_type = SocketType::from_name(metadata.get("Socket-Type").unwrap()).unwrap();
    let identity = metadata.get("Identity").unwrap_or_default().to_vec();
    let mut config = HandshakeConfig::new(socket_type)
        .with_identity(identity)
        .unwrap();
    for (name, value) in metadata.iter().filter(|(name, _)| name.starts_with(b"X-")) {
        config = config
            .with_property(str::from_utf8(name).unwrap(), value.to_vec())
            .unwrap();
    }
    config
}

/// Feeds `stream` to a connection in chunks and returns all that comes out of it.
fn feed(
    connection: &mut Connection,
    stream: &[u8],
    chunk: usize,
) -> (Vec<Event>, Vec<u8>, Result<(), Error>) {
    let now = Instant::now();
    let (mut events, mut sent) = (Vec::new(), Vec::new());
    let mut result = Ok(());
    let mut drain = |connection: &mut Connection| {
        events.extend(std::iter::from_fn(|| connection.poll_event()));
        while let Some(bytes) = connection.poll_transmit() {
            sent.extend_from_slice(&bytes);
        }
    };
    drain(connection);
    for chunk in stream.chunks(chunk) {
        result = connection.handle_input(chunk, now);
        drain(connection);
        if result.is_err() {
            break;
        }
    }
    (events, sent, result)
}

/// What an end said after the handshake, heard by an end that plays its counterpart.
fn heard(stream: &[u8], listener: HandshakeConfig, chunk: usize) -> Vec<Event> {
    let mut connection = Connection::new(listener, Instant::now());
    let (mut events, _, result) = feed(&mut connection, stream, chunk);
    result.unwrap();
    let connected = events.remove(0);
    assert!(matches!(connected, Event::Connected(_)), "{connected:?}");
    events
}

/// Says what was heard again. PONGs are left out: a connection sends them by itself.
fn say(connection: &mut Connection, events: &[Event]) {
    for event in events {
        match event {
            Event::Message(message) => connection.send(message).unwrap(),
            Event::Ping { ttl, context } => {
                connection
                    .send_command(Command::Ping { ttl: *ttl, context })
                    .unwrap();
            }
            Event::Pong { .. } => {}
            Event::Command(body) => {
                connection
                    .send_command(Command::decode(body).unwrap())
                    .unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Plays the end that sent `own` against the recorded `peer`.
fn replay(name: &str, own: &[u8], peer: &[u8]) {
    for chunk in [1, 7, usize::MAX] {
        let said = heard(own, config_of(peer), chunk);
        let mut connection = Connection::new(config_of(own), Instant::now());
        say(&mut connection, &said);
        let (_, sent, result) = feed(&mut connection, peer, chunk);
        result.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            sent,
            own,
            "{name}, {:?}, chunks of {chunk}",
            config_of(own).socket_type()
        );
    }
}

const BOTH_SIDES: [&str; 18] = [
    "null-channel-channel.hex",
    "null-dealer-dealer.hex",
    "null-gather-scatter.hex",
    "null-heartbeat.hex",
    "null-metadata.hex",
    "null-pair-pair.hex",
    "null-peer-peer.hex",
    "null-pub-sub.hex",
    "null-pull-push.hex",
    "null-radio-dish.hex",
    "null-rep-dealer.hex",
    "null-rep-req.hex",
    "null-router-dealer.hex",
    "null-router-req-correlate.hex",
    "null-router-router-probe.hex",
    "null-server-client.hex",
    "null-xpub-welcome-sub.hex",
    "null-xpub-xsub.hex",
];

#[test]
fn both_ends_of_every_recording_are_reproduced_byte_for_byte() {
    for name in BOTH_SIDES {
        let recording = load(name);
        replay(name, &recording.connector, &recording.listener);
        replay(name, &recording.listener, &recording.connector);
    }
}

#[test]
fn no_recording_is_left_out() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut found: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("null-") && name != "null-zap-refused.hex")
        .collect();
    found.sort();
    assert_eq!(found, BOTH_SIDES);
}

#[test]
fn recorded_messages_are_what_the_applications_sent() {
    let recording = load("null-pull-push.hex");
    let listener = config_of(&recording.listener);
    assert_eq!(listener.socket_type(), SocketType::Pull);
    let heard = heard(&recording.connector, listener, usize::MAX);
    let expected = [Message::from("job1"), Message::from(["job2", "more"])];
    assert_eq!(heard, expected.map(Event::Message));

    let recording = load("null-rep-req.hex");
    let requests = self::heard(&recording.connector, config_of(&recording.listener), 1);
    let expected = [
        Message::from(["", "Hello"]),
        Message::from(["", "part1", "", "part3"]),
    ];
    assert_eq!(requests, expected.map(Event::Message));
    let replies = self::heard(&recording.listener, config_of(&recording.connector), 1);
    let expected = [Message::from(["", "World"]), Message::from(["", ""])];
    assert_eq!(replies, expected.map(Event::Message));

    let recording = load("null-heartbeat.hex");
    let heard = self::heard(&recording.connector, config_of(&recording.listener), 1);
    let ping = Event::Ping {
        ttl: 50,
        context: "".into(),
    };
    assert_eq!(heard, [ping.clone(), ping]);
}

#[test]
fn recorded_metadata_reaches_the_peer() {
    let recording = load("null-metadata.hex");
    let mut handshake = Handshake::new(config_of(&recording.listener));
    let used = handshake.handle_input(&recording.connector).unwrap();
    assert_eq!(&recording.connector[used..], b"\x00\x01m");
    let peer = handshake.finish().unwrap().peer;
    assert_eq!(peer.version, Version::V3_1);
    assert_eq!(peer.socket_type, Some(SocketType::Dealer));
    assert_eq!(peer.identity, "id");
    assert_eq!(peer.properties.get("x-zebra"), Some(&b"1"[..]));
    assert_eq!(peer.properties.len(), 4);
}

#[test]
fn a_refusal_by_zap_is_told_with_its_code() {
    let recording = load("null-zap-refused.hex");
    for chunk in [1, 7, usize::MAX] {
        let mut connection = Connection::new(config_of(&recording.connector), Instant::now());
        let (events, sent, result) = feed(&mut connection, &recording.listener, chunk);
        assert_eq!(
            result,
            Err(Error::Refused {
                reason: "400".into()
            })
        );
        assert_eq!(
            connection.error().and_then(Error::auth_event_code),
            Some(400)
        );
        assert!(events.is_empty());
        // When all arrives in one piece the refusal is known before anything but the signature is
        // sent.
        assert!(recording.connector.starts_with(&sent));
        assert!(sent == recording.connector || chunk == usize::MAX);
    }
    let mut error = Vec::new();
    Command::Error { reason: b"400" }.encode(&mut error);
    assert_eq!(error, recording.listener[GREETING..]);
}

#[test]
fn a_subscriber_speaks_to_a_3_0_publisher_as_libzmq_does() {
    let recording = load("zmtp30-30pub-vs-sub.hex");
    let mut connection = Connection::new(config_of(&recording.connector), Instant::now());
    connection.subscribe("top").unwrap();
    connection.cancel("top").unwrap();
    let (events, sent, result) = feed(&mut connection, &recording.listener, 1);
    result.unwrap();
    assert_eq!(connection.peer().unwrap().version, Version::V3_0);
    assert_eq!(events[1..], [Event::Message("topic".into())]);
    assert_eq!(sent, recording.connector);
}

#[test]
fn a_publisher_hears_a_3_0_subscriber() {
    let recording = load("zmtp30-pub-vs-30sub.hex");
    let mut connection = Connection::new(config_of(&recording.listener), Instant::now());
    connection.send("topic").unwrap();
    let (events, sent, result) = feed(&mut connection, &recording.connector, 1);
    result.unwrap();
    let expected = ["\x01top", "\x00top"].map(|body| Event::Message(body.into()));
    assert_eq!(events[1..], expected);
    assert_eq!(sent, recording.listener);
}
