//! Makes the seeds of the fuzz targets from recorded streams and from the list of malformed input.
//!
//! ```console
//! cargo run --manifest-path fuzz/Cargo.toml --example make_seeds
//! ```
//!
//! The streams are those that `zmtp` is tested with (`zmtp/tests/vectors/*.hex`): lines of a direction (`C`
//! for the connecting side, `S` for the other), a tag, a label and bytes in hex. The malformed input is in
//! `fuzz/vectors/malformed.txt`. The result is the same in each run; equal seeds are written once.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use zlayers_fuzz::connection::Setup;
use zmtp::greeting::GREETING_LEN;
use zmtp::{SocketType, header};

/// One direction of a recorded connection, or malformed input with what comes before it.
struct Stream {
    name: String,
    wire: Vec<u8>,
    /// Where the frames begin.
    frames_at: usize,
    /// The socket type of the receiver.
    receiver: SocketType,
}

type Seeds = BTreeMap<Vec<u8>, String>;

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut streams = recorded(&root.join("../zmtp/tests/vectors"))?;
    streams.extend(malformed(&root.join("vectors/malformed.txt"))?);

    let mut greetings = Seeds::new();
    let mut frames = Seeds::new();
    let mut commands = Seeds::new();
    let mut connections = Seeds::new();
    for Stream {
        name,
        wire,
        frames_at,
        receiver,
    } in streams
    {
        let (greeting, rest) = wire.split_at(frames_at);
        // In front of each stands what the target expects there.
        add(&mut greetings, [&[7], greeting].concat(), &name);
        add(&mut frames, [&[5, 0, 40], rest].concat(), &name);
        for body in bodies_of_commands(rest) {
            add(&mut commands, body.to_vec(), &name);
        }
        let setup = Setup::new(receiver).encode();
        add(&mut connections, [&setup[..], &wire].concat(), &name);
    }
    write(&root.join("seeds/greeting"), &greetings)?;
    write(&root.join("seeds/frame"), &frames)?;
    write(&root.join("seeds/command"), &commands)?;
    write(&root.join("seeds/connection"), &connections)?;
    write(&root.join("seeds/exchange"), &scripts())
}

/// Any bytes make a script, so these are noise, the same in each run.
fn scripts() -> Seeds {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        (state >> 16) as u8
    };
    let mut seeds = Seeds::new();
    for length in [50, 100, 200, 400, 800] {
        for kind in 0..4 {
            let mut seed: Vec<u8> = (0..length).map(|_| noise()).collect();
            seed[0] = kind;
            add(&mut seeds, seed, &format!("noise-{length}-{kind}"));
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
        let text = fs::read_to_string(&path)?;
        let (connecting, listening) = (direction(&text, "C"), direction(&text, "S"));
        for (side, wire, other) in [
            ("c", &connecting, &listening),
            ("s", &listening, &connecting),
        ] {
            streams.push(Stream {
                name: format!("{stem}-{side}"),
                wire: wire.clone(),
                frames_at: wire.len().min(GREETING_LEN),
                receiver: announced_type(other).unwrap_or(SocketType::Router),
            });
        }
    }
    Ok(streams)
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
    let greeting = zmtp::greeting::Greeting {
        version: zmtp::Version::V3_1,
        mechanism: zmtp::greeting::MechanismName::NULL,
        as_server: false,
    }
    .encode(0);
    let mut ready = Vec::new();
    let mut metadata = zmtp::Metadata::new();
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
            let [name, phase, bytes] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
            let bytes = unhex(bytes);
            let wire = match phase {
                "greeting" => bytes,
                "null-handshake" => [&greeting[..], &bytes].concat(),
                _ => [&greeting[..], &ready, &bytes].concat(),
            };
            Some(Stream {
                name: name.to_owned(),
                frames_at: wire.len().min(GREETING_LEN),
                wire,
                receiver: SocketType::Router,
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
    let metadata = zmtp::Metadata::decode(metadata, 128).ok()?;
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

fn add(seeds: &mut Seeds, seed: Vec<u8>, name: &str) {
    if !seed.is_empty() {
        seeds.entry(seed).or_insert_with(|| name.to_owned());
    }
}

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
