//! Recordings of connections, and what it takes to play one end of them.
//!
//! The format is described in `vectors/README.md`.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by several test programs, none of which uses all of it"
)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use zmtp::{Command, Connection, Error, Event, HandshakeConfig, Metadata, SocketType, header, zap};

/// Length of the greeting of ZMTP 3.x, after which the first command stands.
pub const GREETING: usize = 64;

/// Where in a greeting the as-server byte is.
const AS_SERVER: usize = 32;

/// The pieces, in bytes, in which a recorded end's bytes are fed to the other.
pub const CHUNKS: [usize; 3] = [1, 7, usize::MAX];

/// Which end of a connection said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The end that connected.
    Connector,
    /// The end that was bound.
    Listener,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::Connector, Self::Listener];

    pub fn other(self) -> Self {
        match self {
            Self::Connector => Self::Listener,
            Self::Listener => Self::Connector,
        }
    }
}

/// Whether bytes are the same in every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// They are.
    Deterministic,
    /// They depend on chance.
    Random,
    /// They are encrypted.
    Encrypted,
}

/// A part of what one end said.
#[derive(Debug)]
pub struct Item {
    pub side: Side,
    pub tag: Tag,
    pub label: String,
    pub bytes: Vec<u8>,
}

/// A recorded connection.
#[derive(Debug)]
pub struct Recording {
    pub name: String,
    pub items: Vec<Item>,
    keys: HashMap<String, Vec<u8>>,
}

impl Recording {
    pub fn load(name: &str) -> Self {
        let path = dir().join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let mut recording = Self {
            name: name.into(),
            items: Vec::new(),
            keys: HashMap::new(),
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["K", key, hex] => {
                    recording.keys.insert(key.into(), from_hex(hex));
                }
                [side, tag, label, hex] => recording.items.push(Item {
                    side: match side {
                        "C" => Side::Connector,
                        "S" => Side::Listener,
                        _ => panic!("{name}: {line}"),
                    },
                    tag: match tag {
                        "D" => Tag::Deterministic,
                        "R" => Tag::Random,
                        "E" => Tag::Encrypted,
                        _ => panic!("{name}: {line}"),
                    },
                    label: label.into(),
                    bytes: from_hex(hex),
                }),
                _ => panic!("{name}: {line}"),
            }
        }
        recording
    }

    /// All that one end said.
    pub fn bytes(&self, side: Side) -> Vec<u8> {
        self.items_of(side)
            .flat_map(|item| item.bytes.iter().copied())
            .collect()
    }

    /// All that one end said, with the as-server byte that this crate sends in its place: libzmq
    /// never sets it.
    pub fn bytes_as_server(&self, side: Side) -> Vec<u8> {
        let mut bytes = self.bytes(side);
        bytes[AS_SERVER] = 1;
        bytes
    }

    pub fn items_of(&self, side: Side) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |item| item.side == side)
    }

    /// A key, nonce or other secret that the recording tells.
    pub fn key(&self, name: &str) -> &[u8] {
        let key = self.keys.get(name);
        key.unwrap_or_else(|| panic!("{} has no key {name}", self.name))
    }
}

/// The names of all recordings that begin with one of the prefixes, sorted.
pub fn names(prefixes: &[&str]) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    names.sort();
    names
}

/// The configuration of the end that sent `stream`, read from its READY in the clear.
pub fn config_of(stream: &[u8]) -> HandshakeConfig {
    let (header, len) = header::decode(&stream[GREETING..]).unwrap().unwrap();
    let body = &stream[GREETING + len..][..header.size as usize];
    let Ok(Command::Ready { metadata }) = Command::decode(body) else {
        panic!("{body:?}")
    };
    config_of_metadata(metadata)
}

/// The configuration of an end that announces these properties.
pub fn config_of_metadata(metadata: &[u8]) -> HandshakeConfig {
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

/// What came out of a connection.
#[derive(Debug)]
pub struct Outcome {
    /// All events but those that ask ZAP.
    pub events: Vec<Event>,
    pub sent: Vec<u8>,
    pub result: Result<(), Error>,
    /// What ZAP was asked.
    pub requests: Vec<zap::Request>,
}

/// Feeds `stream` to a connection in chunks and returns all that comes out of it. ZAP has no
/// handler.
pub fn feed(connection: &mut Connection, stream: &[u8], chunk: usize) -> Outcome {
    feed_with_zap(connection, stream, chunk, |_| zap::Answer::NoHandler)
}

/// Feeds `stream` to a connection in chunks, answers what it asks ZAP, and returns all that comes out
/// of it.
pub fn feed_with_zap(
    connection: &mut Connection,
    stream: &[u8],
    chunk: usize,
    mut answer: impl FnMut(&zap::Request) -> zap::Answer,
) -> Outcome {
    let now = Instant::now();
    let mut outcome = Outcome {
        events: Vec::new(),
        sent: Vec::new(),
        result: Ok(()),
        requests: Vec::new(),
    };
    drain(connection, &mut outcome);
    for mut rest in stream.chunks(chunk) {
        while !rest.is_empty() {
            outcome.result = connection
                .handle_input(rest, now)
                .map(|used| rest = &rest[used..]);
            // Each answer may lead to the next event.
            while let Some(request) = drain(connection, &mut outcome) {
                outcome.result = connection.handle_zap(answer(&request), now);
                outcome.requests.push(request);
            }
            if outcome.result.is_err() {
                return outcome;
            }
        }
    }
    outcome
}

/// Takes all that waits in the connection, and the request to ZAP that is among it.
fn drain(connection: &mut Connection, outcome: &mut Outcome) -> Option<zap::Request> {
    let mut request = None;
    while let Some(event) = connection.poll_event() {
        match event {
            Event::Authenticate(asked) => request = Some(*asked),
            other => outcome.events.push(other),
        }
    }
    while let Some(bytes) = connection.poll_transmit() {
        outcome.sent.extend_from_slice(&bytes);
    }
    request
}

/// What an end said after the handshake, heard by an end that plays its counterpart.
pub fn heard(stream: &[u8], mut listener: Connection, chunk: usize) -> Vec<Event> {
    let mut outcome = feed(&mut listener, stream, chunk);
    outcome.result.unwrap();
    let connected = outcome.events.remove(0);
    assert!(matches!(connected, Event::Connected(_)), "{connected:?}");
    outcome.events
}

/// Says what was heard again. PONGs are left out: a connection sends them by itself.
pub fn say(connection: &mut Connection, events: &[Event]) {
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

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn from_hex(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap_or_else(|_| panic!("{hex}")))
        .collect()
}
