//! Makes seeds of the fuzz targets from recorded streams, from the list of malformed input, and from handshakes of
//! our own.
//!
//! ```console
//! cargo run --manifest-path fuzz/Cargo.toml --example make_seeds -- DIRECTORY
//! ```
//!
//! The streams are those that `zmtp` is tested with (`zmtp/tests/vectors/*.hex`): lines of a direction (`C`
//! for the connecting side, `S` for the other), a tag, a label and bytes in hex. The malformed input is beside them, in
//! `malformed.txt`. The result is the same in each run; equal seeds are written once.
//!
//! What is in `fuzz/seeds` has grown out of these by fuzzing, and was made small by `cargo fuzz cmin`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rand_core::{TryCryptoRng, TryRng};
use zlayers_fuzz::connection::{self, Setup};
use zlayers_fuzz::handshake;
use zlayers_fuzz::security::{Security, answer};
use zmtp::greeting::{GREETING_2_0_LEN, GREETING_LEN};
use zmtp::zap::{Answer, Credentials, Request};
use zmtp::zws::{Protocol, Response, Target};
use zmtp::{Metadata, Random, SocketType, Version, encode_message, header, z85, zws};

/// One direction of a recorded connection, or malformed input with what comes before it.
struct Stream {
    name: String,
    kind: Kind,
    wire: Vec<u8>,
    /// Where the frames begin.
    frames_at: usize,
    /// The socket type of the receiver.
    receiver: SocketType,
    /// What the receiver does for its security.
    security: Security,
    /// Whether the receiver has accepted the connection.
    to_server: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Version(Version),
    WebSocket,
}

type Seeds = BTreeMap<Vec<u8>, String>;

/// Those of each target.
type Targets = BTreeMap<&'static str, Seeds>;

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("the directory to write to is missing"));
    };
    let vectors = root.join("../zmtp/tests/vectors");
    let mut streams = recorded(&vectors)?;
    streams.extend(malformed(&vectors.join("malformed.txt"))?);

    let mut targets = Targets::new();
    for stream in &streams {
        match stream.kind {
            Kind::WebSocket => websocket(stream, &mut targets),
            Kind::Version(version) => zmtp(stream, version, &mut targets),
        }
    }
    handshakes(&mut targets);
    connections(&mut targets);
    zap(&mut targets);
    keys(&mut targets);
    upgrades(&mut targets);
    targets.insert("exchange", noise(&[0, 1, 2, 3]));
    targets.insert("traffic", noise(&[0, 1]));
    for (target, seeds) in &targets {
        write(&directory.join(target), seeds)?;
    }
    Ok(())
}

/// In front of each stands what the target expects there.
fn zmtp(stream: &Stream, version: Version, targets: &mut Targets) {
    let Stream { name, wire, .. } = stream;
    let (greeting, rest) = wire.split_at(stream.frames_at);
    add(targets, "greeting", [&[7], greeting].concat(), name);
    let mut setup = Setup::new(stream.receiver);
    setup.security = stream.security;
    add(
        targets,
        "connection",
        [&setup.encode(), &wire[..]].concat(),
        name,
    );
    if version < Version::V3_0 {
        let odd = u8::from(version == Version::V2_0);
        add(targets, "v1", [&[odd, 5, 0], rest].concat(), name);
        return;
    }
    add(targets, "frame", [&[5, 0, 40], rest].concat(), name);
    for body in bodies_of_commands(rest) {
        add(targets, "command", body.to_vec(), name);
        for command in [&b"\x05READY"[..], b"\x08INITIATE"] {
            if let Some(metadata) = body.strip_prefix(command) {
                add(targets, "metadata", metadata.to_vec(), name);
            }
        }
    }
    let target = if setup.security == Security::Null {
        "null"
    } else {
        "plain"
    };
    let setup = handshake::Setup {
        security: setup.security,
        pattern: 5,
        limits: 0,
        zap: 0,
        answer_at: 30,
    };
    add(targets, target, [&setup.encode(), rest].concat(), name);
}

fn websocket(stream: &Stream, targets: &mut Targets) {
    let Stream { name, wire, .. } = stream;
    let (head, frames) = wire.split_at(stream.frames_at);
    add(targets, "zws_upgrade", [&[0], head].concat(), name);
    let role = u8::from(stream.to_server);
    add(targets, "zws_frame", [&[role, 5], frames].concat(), name);
    if stream.to_server {
        let setup = Setup::new(stream.receiver).encode();
        add(
            targets,
            "zws_connection",
            [&setup, &wire[..]].concat(),
            name,
        );
    }
}

/// What a sound peer says, and what ZAP may answer to it.
fn handshakes(targets: &mut Targets) {
    for security in Security::ALL {
        let (said, asked_at) = handshake::sound_peer(security);
        let target = match security.peer() {
            Security::Null => "null",
            Security::PlainClient | Security::PlainServer => "plain",
            _ => "curve",
        };
        for zap in 0..if security.asks_zap() { 8 } else { 1 } {
            let setup = handshake::Setup {
                security,
                pattern: 5,
                limits: 0,
                zap,
                answer_at: asked_at as u16,
            };
            let name = format!("{security:?}-{zap}");
            add(
                targets,
                target,
                [&setup.encode(), &said[..]].concat(),
                &name,
            );
        }
    }
}

fn connections(targets: &mut Targets) {
    for security in Security::ALL {
        for kind in [SocketType::Pair, SocketType::XPub] {
            for doings in [0, 7, 7 | connection::CONNECTS] {
                let mut setup = Setup::new(kind);
                setup.security = security;
                setup.doings = doings;
                let name = format!("{security:?}-{kind:?}-{doings}");
                for (over_websocket, target) in [(false, "connection"), (true, "zws_connection")] {
                    let (said, asked_at) = connection::sound_peer(&setup, over_websocket);
                    setup.answer_at = asked_at as u16;
                    add(
                        targets,
                        target,
                        [&setup.encode(), &said[..]].concat(),
                        &name,
                    );
                }
            }
        }
    }
}

fn zap(targets: &mut Targets) {
    let plain = Credentials::Plain {
        username: "admin".into(),
        password: "secret".into(),
    };
    let curve = Credentials::Curve {
        public_key: [7; 32],
    };
    let other = Credentials::Other {
        mechanism: "GSSAPI".into(),
        frames: vec!["principal".into()],
    };
    for credentials in [Credentials::Null, plain, curve, other] {
        let request = Request::new(credentials)
            .with_domain("lan")
            .with_address("10.0.0.7")
            .with_identity("me");
        let mechanism = String::from_utf8_lossy(request.credentials.mechanism()).into_owned();
        for (form, message) in [
            ("", request.encode()),
            ("-delimited", request.encode_delimited()),
        ] {
            let mut wire = Vec::new();
            encode_message(&message, &mut wire);
            add(targets, "zap", wire, &format!("request-{mechanism}{form}"));
        }
        for selector in 0..8 {
            let Answer::Reply(reply) = answer(selector, &request) else {
                continue;
            };
            let mut wire = Vec::new();
            encode_message(&reply.encode(), &mut wire);
            encode_message(&reply.encode_delimited(), &mut wire);
            add(targets, "zap", wire, &format!("reply-{selector}"));
        }
    }
}

fn keys(targets: &mut Targets) {
    for (name, text) in [
        ("example", "HelloWorld"),
        ("largest", "%nSc0"),
        ("too-large", "%nSc1"),
        ("key", "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"),
    ] {
        add(targets, "z85", text.into(), name);
        if let Ok(data) = z85::decode(text) {
            add(targets, "z85", data, &format!("{name}-data"));
        }
    }
}

fn upgrades(targets: &mut Targets) {
    let request = Target::new("example.com:80", "/path?query").and_then(|target| {
        let offered = [
            Protocol::Null,
            Protocol::Bare,
            Protocol::Plain,
            Protocol::Curve,
        ];
        zws::Request::new(&target, &offered, &mut Random::from_rng(Zero))
    });
    let Ok(request) = request else {
        unreachable!("there are zeros");
    };
    let mut seeds = vec![("request", request.encode())];
    for protocol in [Protocol::Null, Protocol::Plain] {
        seeds.push((
            protocol.as_str(),
            Response::new(&request, protocol).encode(),
        ));
    }
    for (name, head) in seeds {
        for limits in [0, 32 | 128] {
            let name = format!("{}-{limits}", name.replace('/', "-"));
            add(
                targets,
                "zws_upgrade",
                [&[limits], &head[..]].concat(),
                &name,
            );
        }
    }
}

/// Any bytes make a script, so these are noise, the same in each run.
fn noise(kinds: &[u8]) -> Seeds {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        (state >> 16) as u8
    };
    let mut seeds = Seeds::new();
    for length in [50, 100, 200, 400, 800] {
        for kind in kinds {
            let mut seed: Vec<u8> = (0..length).map(|_| noise()).collect();
            seed[0] = *kind;
            seeds.insert(seed, format!("noise-{length}-{kind}"));
        }
    }
    seeds
}

fn recorded(directory: &Path) -> io::Result<Vec<Stream>> {
    let mut paths: Vec<_> = fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "hex"));
    paths.sort();
    let mut streams = Vec::new();
    for path in paths {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if stem.starts_with("udp") {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        let (connecting, listening) = (direction(&text, "C"), direction(&text, "S"));
        for (side, wire, other) in [
            ("c", &connecting, &listening),
            ("s", &listening, &connecting),
        ] {
            let name = format!("{stem}-{side}");
            let kind = kind_of(&stem, wire);
            let frames_at = match kind {
                Kind::WebSocket => {
                    let mut windows = wire.windows(4);
                    windows
                        .position(|it| it == b"\r\n\r\n")
                        .map_or(0, |at| at + 4)
                }
                Kind::Version(Version::V1_0) => 0,
                Kind::Version(Version::V2_0) => wire.len().min(GREETING_2_0_LEN),
                Kind::Version(_) => wire.len().min(GREETING_LEN),
            };
            streams.push(Stream {
                name,
                kind,
                wire: wire.clone(),
                frames_at,
                receiver: announced_type(other).unwrap_or_else(|| receiver_of(&stem, side)),
                security: match (stem.starts_with("plain"), side) {
                    (false, _) => Security::Null,
                    (true, "c") => Security::PlainServer,
                    (true, _) => Security::PlainClient,
                },
                to_server: side == "c",
            });
        }
    }
    Ok(streams)
}

fn kind_of(stem: &str, wire: &[u8]) -> Kind {
    if stem.starts_with("ws-") {
        return Kind::WebSocket;
    }
    Kind::Version(if stem.starts_with("zmtp10") {
        Version::V1_0
    } else if stem.starts_with("zmtp20") {
        Version::V2_0
    } else if wire.get(11) == Some(&0) {
        Version::V3_0
    } else {
        Version::V3_1
    })
}

/// Where no socket type is announced, the name of the recording tells it.
fn receiver_of(stem: &str, side: &str) -> SocketType {
    match (stem.contains("pub"), side) {
        (true, "c") => SocketType::Pub,
        (true, _) => SocketType::Sub,
        _ => SocketType::Router,
    }
}

/// All bytes that one side sent.
fn direction(text: &str, side: &str) -> Vec<u8> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            (fields.next() == Some(side)).then(|| unhex(fields.next_back().unwrap_or_default()))
        })
        .flatten()
        .collect()
}

fn malformed(path: &Path) -> io::Result<Vec<Stream>> {
    let mut ready = Vec::new();
    let mut metadata = Metadata::new();
    metadata
        .push(zmtp::metadata::SOCKET_TYPE, "DEALER")
        .map_err(io::Error::other)?;
    let mut properties = Vec::new();
    metadata.encode(&mut properties);
    let command = zmtp::Command::Ready {
        metadata: &properties,
    };
    command.encode(&mut ready);

    let text = fs::read_to_string(path)?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Ok(lines
        .filter_map(|line| {
            let [name, phase, socket, bytes, ..] = line.split(" | ").collect::<Vec<_>>()[..] else {
                return None;
            };
            let bytes = unhex(bytes);
            let security = if socket.contains("PLAIN") {
                Security::PlainServer
            } else {
                Security::Null
            };
            let greeting = security.peer().greeting();
            let wire = match phase {
                "greeting" => bytes,
                "traffic" => [&greeting[..], &ready, &bytes].concat(),
                _ => [&greeting[..], &bytes].concat(),
            };
            let socket = socket.split('(').next().unwrap_or_default();
            Some(Stream {
                name: name.to_owned(),
                kind: Kind::Version(Version::V3_1),
                security,
                to_server: true,
                frames_at: wire.len().min(GREETING_LEN),
                wire,
                receiver: SocketType::from_name(socket.as_bytes()).unwrap_or(SocketType::Router),
            })
        })
        .collect())
}

fn bodies_of_commands(mut wire: &[u8]) -> Vec<&[u8]> {
    let mut bodies = Vec::new();
    while let Ok(Some((head, len))) = header::decode(wire) {
        let Some(body) = usize::try_from(head.size)
            .ok()
            .and_then(|size| wire[len..].get(..size))
        else {
            break;
        };
        if head.flags.is_command() {
            bodies.push(body);
        }
        wire = &wire[len + body.len()..];
    }
    bodies
}

/// The socket type in the READY of a recorded direction.
fn announced_type(wire: &[u8]) -> Option<SocketType> {
    let body = *bodies_of_commands(wire.get(GREETING_LEN..)?).first()?;
    let zmtp::Command::Ready { metadata } = zmtp::Command::decode(body).ok()? else {
        return None;
    };
    let metadata = Metadata::decode(metadata, 128).ok()?;
    SocketType::from_name(metadata.get(zmtp::metadata::SOCKET_TYPE)?)
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| {
            let value = digit.to_digit(16);
            value.unwrap_or_else(|| panic!("{text:?} is not hex")) as u8
        })
        .collect();
    digits
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn add(targets: &mut Targets, target: &'static str, seed: Vec<u8>, name: &str) {
    if !seed.is_empty() {
        let seeds = targets.entry(target).or_default();
        seeds.entry(seed).or_insert_with(|| name.to_owned());
    }
}

/// Randomness for a key that nobody has to guess.
struct Zero;

impl TryRng for Zero {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.fill(0);
        Ok(())
    }
}

impl TryCryptoRng for Zero {}

fn write(directory: &Path, seeds: &Seeds) -> io::Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory)?;
    let mut by_name: BTreeMap<&str, Vec<&[u8]>> = BTreeMap::new();
    for (seed, name) in seeds {
        by_name.entry(name).or_default().push(seed);
    }
    for (name, seeds) in by_name {
        for (number, seed) in seeds.iter().enumerate() {
            let suffix = if number == 0 {
                String::new()
            } else {
                format!("-{number}")
            };
            fs::write(directory.join(format!("{name}{suffix}")), seed)?;
        }
    }
    Ok(())
}
