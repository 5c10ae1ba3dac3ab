//! Replays connections recorded from libzmq: what we make of its bytes, said again by us, has to be
//! its bytes.

use std::fs;
use std::path::Path;
use std::time::Instant;

use zmtp::{
    Command, Connection, Datagram, Decoder, Encoder, Error, Event, Handshake, HandshakeConfig,
    Item, Limits, Message, SocketType, Version, zap,
};

use crate::recording::{
    CHUNKS, GREETING, Outcome, Recording, Side, config_of, feed, feed_with_zap, heard, names, say,
};

mod recording;

/// Recordings of libzmq on both sides.
const NULL_BOTH_SIDES: [&str; 18] = [
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

fn open(config: HandshakeConfig) -> Connection {
    Connection::new(config, Instant::now())
}

/// Plays one end against the recorded other.
fn replay(recording: &Recording, side: Side) {
    let (own, peer) = (recording.bytes(side), recording.bytes(side.other()));
    for chunk in CHUNKS {
        let said = heard(&own, open(config_of(&peer)), chunk);
        let mut connection = open(config_of(&own));
        say(&mut connection, &said);
        let outcome = feed(&mut connection, &peer, chunk);
        let name = &recording.name;
        outcome
            .result
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(outcome.sent, own, "{name}, {side:?}, chunks of {chunk}");
    }
}

// spec: RFC37/null-handshake: greeting and READY of both ends are those of libzmq, byte for byte
// spec: RFC37/framing: short and long frames, MORE and COMMAND are those of libzmq, byte for byte
// spec: RFC37/heartbeat-bytes: PING with TTL, and PONG, are those of libzmq, byte for byte
// spec: RFC37/as-server-null: under NULL the as-server byte is zero
// spec: RFC48/recorded: JOIN, LEAVE and messages of group and body are those of libzmq, byte for byte
#[test]
fn both_ends_of_every_recording_are_reproduced_byte_for_byte() {
    for name in NULL_BOTH_SIDES {
        let recording = Recording::load(name);
        for side in Side::BOTH {
            replay(&recording, side);
        }
    }
}

/// `README.md` names the test that replays each file, and this makes sure that it does.
#[test]
fn no_recording_is_left_out() {
    let readme = fs::read_to_string(crate_dir().join("tests/vectors/README.md")).unwrap();
    let rows = readme.lines().filter(|line| line.starts_with("| `"));
    let mut covered = Vec::new();
    for row in rows.filter(|row| row.contains("`tests/") || row.contains("`src/")) {
        let mut cells = row.split('`').skip(1).step_by(2);
        let mut cell = || cells.next().unwrap_or_else(|| panic!("{row}"));
        let (file, path, first) = (cell(), cell(), cell());
        let source = fs::read_to_string(crate_dir().join(path)).unwrap();
        for test in [first].into_iter().chain(cells) {
            let head = format!("#[test]\nfn {test}()");
            assert!(source.contains(&head), "{path} has no test {test}");
        }
        let mention = format!("{file}\"");
        assert!(source.contains(&mention), "{path} does not name {file}");
        covered.push(file.to_owned());
    }
    covered.sort();
    let mut files = names(&[""]);
    files.retain(|file| file != "README.md");
    assert_eq!(files, covered);
}

fn crate_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

// spec: WIRE-6.8/datagram: a datagram is a length, a group and a body
#[test]
fn datagrams_are_those_of_libzmq() {
    let recording = Recording::load("udp-radio.hex");
    let expected = [("tv", "hello"), ("", "empty-group"), ("tv", "")];
    assert_eq!(recording.items.len(), expected.len());
    for (item, (group, body)) in recording.items.iter().zip(expected) {
        let (group, body) = (group.as_bytes(), body.as_bytes());
        let datagram = Datagram { group, body };
        assert_eq!(datagram.encode().as_deref(), Some(&item.bytes[..]));
        assert_eq!(Datagram::decode(&item.bytes), Some(datagram));
    }
}

#[test]
fn recorded_messages_are_what_the_applications_sent() {
    let said = |name, side: Side| {
        let recording = Recording::load(name);
        let listener = config_of(&recording.bytes(side.other()));
        heard(&recording.bytes(side), open(listener), 1)
    };
    let expected = [Message::from("job1"), Message::from(["job2", "more"])];
    assert_eq!(
        said("null-pull-push.hex", Side::Connector),
        expected.map(Event::Message)
    );
    let requests = [
        Message::from(["", "Hello"]),
        Message::from(["", "part1", "", "part3"]),
    ];
    assert_eq!(
        said("null-rep-req.hex", Side::Connector),
        requests.map(Event::Message)
    );
    let replies = [Message::from(["", "World"]), Message::from(["", ""])];
    assert_eq!(
        said("null-rep-req.hex", Side::Listener),
        replies.map(Event::Message)
    );
    let ping = Event::Ping {
        ttl: 50,
        context: "".into(),
    };
    assert_eq!(
        said("null-heartbeat.hex", Side::Connector),
        [ping.clone(), ping]
    );
}

// spec: RFC37/metadata: properties reach the peer; names are compared without regard to case
#[test]
fn recorded_metadata_reaches_the_peer() {
    let recording = Recording::load("null-metadata.hex");
    let connector = recording.bytes(Side::Connector);
    let mut handshake = Handshake::new(config_of(&recording.bytes(Side::Listener)));
    let used = handshake.handle_input(&connector).unwrap();
    assert_eq!(&connector[used..], b"\x00\x01m");
    let peer = handshake.finish().unwrap().peer;
    assert_eq!(peer.version, Version::V3_1);
    assert_eq!(peer.socket_type, Some(SocketType::Dealer));
    assert_eq!(peer.identity, "id");
    assert_eq!(peer.properties.get("x-zebra"), Some(&b"1"[..]));
    assert_eq!(peer.properties.len(), 4);
}

// spec: RFC37/error: ERROR ends the connection of the one that receives it
#[test]
fn a_client_that_zap_refuses_learns_the_code() {
    let recording = Recording::load("null-zap-refused.hex");
    let own = recording.bytes(Side::Connector);
    for chunk in CHUNKS {
        let mut connection = open(config_of(&own));
        let outcome = feed(&mut connection, &recording.bytes(Side::Listener), chunk);
        let reason = "400".into();
        assert_eq!(outcome.result, Err(Error::Refused { reason }));
        let code = connection.error().and_then(Error::auth_event_code);
        assert_eq!(code, Some(400));
        assert!(outcome.events.is_empty());
        // When all arrives in one piece the refusal is known before anything but the signature is
        // sent.
        assert!(own.starts_with(&outcome.sent));
        assert!(outcome.sent == own || chunk == usize::MAX);
    }
}

// spec: RFC27/null: with a domain, NULL asks about each peer and tells one that is refused by ERROR
#[test]
fn a_server_refuses_as_zap_says_byte_for_byte() {
    let recording = Recording::load("null-zap-refused.hex");
    let peer = recording.bytes(Side::Connector);
    for chunk in CHUNKS {
        let config = HandshakeConfig::new(SocketType::Router)
            .with_zap(zap::Policy::new("global"))
            .with_peer_address("127.0.0.1");
        let mut connection = open(config);
        let status = zap::Status::AuthenticationFailure;
        let outcome = feed_with_zap(&mut connection, &peer, chunk, |request| {
            zap::Answer::Reply(zap::Reply::decision(request, status, "no"))
        });
        assert_eq!(outcome.sent, recording.bytes(Side::Listener), "{chunk}");
        assert_eq!(outcome.result, Err(Error::AuthenticationFailed { status }));
        let request = zap::Request::new(zap::Credentials::Null)
            .with_domain("global")
            .with_address("127.0.0.1")
            .with_request_id(outcome.requests[0].request_id.clone());
        assert_eq!(outcome.requests, [request]);
    }
}

/// A recording of libzmq and an older peer. Only libzmq's end can be played: we announce 3.1.
struct Old {
    name: &'static str,
    side: Side,
    version: Version,
    socket_type: SocketType,
    identity: &'static str,
    /// What the application does.
    act: fn(&mut Connection) -> Result<(), Error>,
    peer_identity: &'static str,
    peer_type: Option<SocketType>,
    /// What the application receives.
    events: fn() -> Vec<Message>,
}

const OLD: [Old; 8] = [
    Old {
        name: "zmtp10-10pub-vs-sub.hex",
        side: Side::Connector,
        version: Version::V1_0,
        socket_type: SocketType::Sub,
        identity: "",
        act: subscribe_and_cancel,
        peer_identity: "",
        peer_type: None,
        events: || vec!["topic".into()],
    },
    Old {
        name: "zmtp10-pub-vs-10sub.hex",
        side: Side::Listener,
        version: Version::V1_0,
        socket_type: SocketType::Pub,
        identity: "",
        act: |connection| Ok(connection.send("anything")?),
        peer_identity: "",
        peer_type: None,
        events: Vec::new,
    },
    Old {
        name: "zmtp10-router-vs-10dealer.hex",
        side: Side::Listener,
        version: Version::V1_0,
        socket_type: SocketType::Router,
        identity: "new",
        act: |connection| {
            connection.send(["", "yo"])?;
            Ok(connection.send(vec![b'z'; 254])?)
        },
        peer_identity: "old",
        peer_type: None,
        events: || vec![["", "hi"].into()],
    },
    Old {
        name: "zmtp20-20pub-vs-sub.hex",
        side: Side::Connector,
        version: Version::V2_0,
        socket_type: SocketType::Sub,
        identity: "",
        act: subscribe_and_cancel,
        peer_identity: "",
        peer_type: Some(SocketType::Pub),
        events: || vec!["topic".into()],
    },
    Old {
        name: "zmtp20-pub-vs-20sub.hex",
        side: Side::Listener,
        version: Version::V2_0,
        socket_type: SocketType::Pub,
        identity: "",
        act: |connection| Ok(connection.send("topic")?),
        peer_identity: "",
        peer_type: Some(SocketType::Sub),
        events: || vec!["\x01top".into(), "\x00top".into()],
    },
    Old {
        name: "zmtp20-router-vs-20dealer.hex",
        side: Side::Listener,
        version: Version::V2_0,
        socket_type: SocketType::Router,
        identity: "new",
        act: |connection| {
            connection.send(["", "yo"])?;
            Ok(connection.send(vec![b'z'; 256])?)
        },
        peer_identity: "old",
        peer_type: Some(SocketType::Dealer),
        events: || vec![["", "hi"].into()],
    },
    Old {
        name: "zmtp30-30pub-vs-sub.hex",
        side: Side::Connector,
        version: Version::V3_0,
        socket_type: SocketType::Sub,
        identity: "",
        act: subscribe_and_cancel,
        peer_identity: "",
        peer_type: Some(SocketType::Pub),
        events: || vec!["topic".into()],
    },
    Old {
        name: "zmtp30-pub-vs-30sub.hex",
        side: Side::Listener,
        version: Version::V3_0,
        socket_type: SocketType::Pub,
        identity: "",
        act: |connection| Ok(connection.send("topic")?),
        peer_identity: "",
        peer_type: Some(SocketType::Sub),
        events: || vec!["\x01top".into(), "\x00top".into()],
    },
];

fn subscribe_and_cancel(connection: &mut Connection) -> Result<(), Error> {
    connection.subscribe("top")?;
    connection.cancel("top")
}

// spec: RFC13/serving-1.0: a 1.0 peer is served as libzmq serves it, byte for byte
// spec: RFC15/serving-2.0: a 2.0 peer is served as libzmq serves it, byte for byte
// spec: RFC23/serving-3.0: a 3.0 peer is served as libzmq serves it, byte for byte
#[test]
fn older_peers_are_served_as_libzmq_does() {
    for old in &OLD {
        let recording = Recording::load(old.name);
        for chunk in CHUNKS {
            let config = HandshakeConfig::new(old.socket_type)
                .with_identity(old.identity)
                .unwrap();
            let mut connection = open(config);
            (old.act)(&mut connection).unwrap();
            let peer = recording.bytes(old.side.other());
            let Outcome {
                events,
                sent,
                result,
                ..
            } = feed(&mut connection, &peer, chunk);
            let name = old.name;
            assert_eq!(result, Ok(()), "{name}");
            assert_eq!(sent, recording.bytes(old.side), "{name}, {chunk}");
            let [Event::Connected(peer), rest @ ..] = &events[..] else {
                panic!("{name}: {events:?}")
            };
            assert_eq!(peer.version, old.version, "{name}");
            assert_eq!(peer.identity, old.peer_identity, "{name}");
            assert_eq!(peer.socket_type, old.peer_type, "{name}");
            let messages: Vec<_> = (old.events)().into_iter().map(Event::Message).collect();
            assert_eq!(rest, messages, "{name}");
        }
    }
}

/// The subscriptions of a recording, as the labels tell them, and their bytes.
fn subscriptions(recording: &Recording) -> Vec<(bool, Vec<u8>, &[u8])> {
    let items = recording.items_of(Side::Connector).map(|item| {
        let (verb, len) = item.label.split_once('-').unwrap();
        let topic = vec![b'x'; len.parse().unwrap()];
        (verb == "topic", topic, &item.bytes[..])
    });
    items.collect()
}

fn encode(version: Version, subscribe: bool, topic: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    Encoder::new(version).encode_subscription(subscribe, topic, &mut wire);
    wire
}

fn decode(version: Version, wire: &[u8]) -> Vec<Item> {
    let mut decoder = Decoder::for_version(version, &Limits::default());
    let mut items = Vec::new();
    let mut rest = wire;
    while let (used, Some(item)) = decoder.decode(rest).unwrap() {
        rest = &rest[used..];
        items.push(item);
    }
    items
}

// spec: RFC37/subscribe: SUBSCRIBE and CANCEL carry the topic, long from 246 and 249 bytes on
#[test]
fn long_topics_travel_as_libzmq_sends_them() {
    let recording = Recording::load("sub-long-topics-31.hex");
    for (subscribe, topic, wire) in subscriptions(&recording) {
        assert_eq!(encode(Version::V3_1, subscribe, &topic), wire);
        let [Item::Command(body)] = &decode(Version::V3_1, wire)[..] else {
            panic!("{} bytes", topic.len())
        };
        let topic = &topic[..];
        let expected = match subscribe {
            true => Command::Subscribe { topic },
            false => Command::Cancel { topic },
        };
        assert_eq!(Command::decode(body), Ok(expected));
    }
}

// spec: WIRE-3.6/broken-topic-of-255-bytes: libzmq's broken subscription does no harm, and is never sent
#[test]
fn libzmqs_broken_subscription_is_survived_and_not_imitated() {
    let recording = Recording::load("sub-long-topics-30-bug.hex");
    for (subscribe, topic, wire) in subscriptions(&recording) {
        let message = [&[u8::from(subscribe)], &topic[..]].concat();
        let sound = [Item::Message(message.into())];
        let ours = encode(Version::V3_0, subscribe, &topic);
        assert_eq!(decode(Version::V3_0, &ours), sound);
        assert_eq!(ours == wire, topic.len() != 255);
        if topic.len() == 255 {
            // Eight bytes of size behind a short header: empty messages, then "xx…" as headers.
            let heard = decode(Version::V3_0, wire);
            assert_eq!(heard[..3], vec![Item::Message("".into()); 3]);
            assert_ne!(heard, sound);
        } else {
            assert_eq!(decode(Version::V3_0, wire), sound);
        }
    }
}

#[test]
fn error_is_spelt_as_libzmq_spells_it() {
    let recording = Recording::load("null-zap-refused.hex");
    let mut error = Vec::new();
    Command::Error { reason: b"400" }.encode(&mut error);
    assert_eq!(error, recording.bytes(Side::Listener)[GREETING..]);
}
