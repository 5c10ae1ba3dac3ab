//! The cost per frame of what runs once per message on a connection: encoding, decoding, and hopping
//! from header to header, for each framing.
//!
//! Criterion tells the time for [`FRAMES`] frames, and how many there are in a second.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use zmtp::curve::{ClientConfig, KeyPair, ServerConfig};
use zmtp::header::{self, Flags};
use zmtp::{
    Decoder, Encoder, Established, Frame, Handshake, HandshakeConfig, Limits, MechanismConfig,
    Message, Random, Scanner, SocketType, Version, encode_message, v1,
};

const SIZES: [usize; 3] = [16, 64, 256];
const FRAMES: usize = 1000;

const VERSIONS: [(&str, Version); 2] = [("1.0", Version::V1_0), ("3.1", Version::V3_1)];

fn wire(encoder: &mut Encoder, size: usize) -> Vec<u8> {
    let body = vec![7; size];
    let mut wire = Vec::new();
    for _ in 0..FRAMES {
        encoder.encode_frame(Flags::NONE, &body, &mut wire);
    }
    wire
}

/// Client and server behind a handshake of CURVE.
fn curve() -> [Established; 2] {
    let keys = || KeyPair::generate(&mut Random::system()).expect("randomness");
    let (client, server) = (keys(), keys());
    let client = MechanismConfig::CurveClient(ClientConfig::new(*server.public(), client));
    let server = MechanismConfig::CurveServer(ServerConfig::new(server).allow_any_client());
    let mut ends = [client, server].map(|mechanism| {
        Handshake::new(HandshakeConfig::new(SocketType::Pair).with_mechanism(mechanism))
    });
    while !ends.iter().all(Handshake::is_complete) {
        for from in [0, 1] {
            let bytes = ends[from].transmit().to_vec();
            ends[from].advance_transmit(bytes.len());
            ends[1 - from].handle_input(&bytes).expect("sound");
        }
    }
    ends.map(|end| end.finish().expect("complete"))
}

fn decode_all(decoder: &mut Decoder, wire: &[u8]) -> usize {
    let mut rest = black_box(wire);
    let mut messages = 0;
    while let Ok((used, Some(item))) = decoder.decode(rest) {
        black_box(&item);
        rest = &rest[used..];
        messages += 1;
    }
    messages
}

/// The size of the body and the length of the header.
type Hop = fn(&[u8]) -> Option<(u64, usize)>;

/// From header to header, without a look at the bodies.
fn hop_all(wire: &[u8], decode: Hop) -> usize {
    let mut rest = black_box(wire);
    let mut frames = 0;
    while let Some((size, len)) = decode(rest) {
        rest = &rest[len + size as usize..];
        frames += 1;
    }
    frames
}

fn hop_1_0(input: &[u8]) -> Option<(u64, usize)> {
    let (header, len) = v1::decode(input).ok()??;
    Some((header.size, len))
}

fn hop_2_0(input: &[u8]) -> Option<(u64, usize)> {
    let (header, len) = header::decode(input).ok()??;
    Some((header.size, len))
}

fn hop(c: &mut Criterion) {
    let mut group = c.benchmark_group("hop");
    group.throughput(Throughput::Elements(FRAMES as u64));
    for size in SIZES {
        let wire = wire(&mut Encoder::new(Version::V3_1), size);
        group.bench_function(format!("scanner, {size} B"), |b| {
            let mut scanner = Scanner::new(&Limits::default());
            b.iter(|| assert_eq!(scanner.scan(black_box(&wire)).messages, FRAMES));
        });
    }
    let [mut client, _] = curve();
    let cases: [(_, _, Hop); 3] = [
        ("1.0", &mut Encoder::new(Version::V1_0), hop_1_0),
        ("3.1", &mut Encoder::new(Version::V3_1), hop_2_0),
        ("CURVE", &mut client.encoder, hop_2_0),
    ];
    for (name, encoder, decode) in cases {
        let wire = wire(encoder, 64);
        group.bench_function(format!("{name}, 64 B"), |b| {
            b.iter(|| assert_eq!(hop_all(&wire, decode), FRAMES));
        });
    }
    group.finish();
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Elements(FRAMES as u64));
    let mut bench = |name: &str, size: usize, encoder: &mut Encoder| {
        let body = vec![7; size];
        group.bench_function(format!("{name}, {size} B"), |b| {
            let mut out = Vec::with_capacity(FRAMES * (size + 64));
            b.iter(|| {
                out.clear();
                for _ in 0..FRAMES {
                    encoder.encode_frame(Flags::NONE, black_box(&body), &mut out);
                }
                out.len()
            });
        });
    };
    for size in SIZES {
        for (name, version) in VERSIONS {
            bench(name, size, &mut Encoder::new(version));
        }
    }
    let [mut client, _] = curve();
    bench("CURVE", 64, &mut client.encoder);
    group.finish();
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(FRAMES as u64));
    for size in SIZES {
        for (name, version) in VERSIONS {
            let wire = wire(&mut Encoder::new(version), size);
            group.bench_function(format!("{name}, {size} B"), |b| {
                let mut decoder = Decoder::for_version(version, &Limits::default());
                b.iter(|| assert_eq!(decode_all(&mut decoder, &wire), FRAMES));
            });
        }
    }
    for size in SIZES {
        let wire = wire(&mut Encoder::new(Version::V3_1), size);
        group.bench_function(format!("into one message, {size} B"), |b| {
            let mut decoder = Decoder::new(&Limits::default());
            let mut message = Message::new();
            b.iter(|| {
                let mut rest = black_box(&wire[..]);
                while let Ok((used, Some(_))) = decoder.decode_into(rest, &mut message) {
                    black_box(&message);
                    rest = &rest[used..];
                }
            });
        });
    }
    for size in SIZES {
        let wire = wire(&mut Encoder::new(Version::V3_1), size);
        group.bench_function(format!("borrowed, {size} B"), |b| {
            let mut decoder = Decoder::new(&Limits::default());
            b.iter(|| {
                let mut rest = black_box(&wire[..]);
                while let Ok((used, Some(item))) = decoder.decode_borrowed(rest) {
                    black_box(&item);
                    rest = &rest[used..];
                }
            });
        });
    }
    let [mut client, mut server] = curve();
    group.bench_function("CURVE, 64 B", |b| {
        // What was opened once is not opened again.
        b.iter_batched(
            || wire(&mut client.encoder, 64),
            |wire| assert_eq!(decode_all(&mut server.decoder, &wire), FRAMES),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// One large body: copied out of the input, and shared with it.
fn decode_large(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode large");
    let mut wire = Vec::new();
    encode_message(&Message::from(vec![7; 1 << 20]), &mut wire);
    let wire = Bytes::from(wire);
    group.bench_function("copied, 1 MiB", |b| {
        let mut decoder = Decoder::new(&Limits::default());
        b.iter(|| black_box(decoder.decode(&wire)).is_ok());
    });
    group.bench_function("shared, 1 MiB", |b| {
        let mut decoder = Decoder::new(&Limits::default());
        b.iter(|| black_box(decoder.decode_shared(&mut wire.clone())).is_ok());
    });
    group.finish();
}

/// Without a decoder: what an engine does that has whole messages in a buffer.
fn receive(c: &mut Criterion) {
    let mut group = c.benchmark_group("receive");
    group.throughput(Throughput::Elements(FRAMES as u64));
    for size in SIZES {
        let mut wire = Vec::new();
        for _ in 0..FRAMES {
            encode_message(&Message::from(vec![7; size]), &mut wire);
        }
        group.bench_function(format!("into one frame, {size} B"), |b| {
            let mut frame = Frame::new();
            b.iter(|| {
                let mut rest = black_box(&wire[..]);
                while let Ok(Some((header, len))) = header::decode(rest) {
                    let end = len + header.size as usize;
                    frame.assign(&rest[len..end]);
                    rest = &rest[end..];
                    black_box(&frame);
                }
            });
        });
    }
    for size in SIZES {
        let body = vec![7; size];
        group.bench_function(format!("message from slice, {size} B"), |b| {
            b.iter(|| {
                for _ in 0..FRAMES {
                    black_box(&Message::from(black_box(&body[..])));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, hop, encode, decode, decode_large, receive);
criterion_main!(benches);
