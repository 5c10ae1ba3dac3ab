//! The cost per frame of what runs once per message on a connection.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zmtp::header::{self, Flags};
use zmtp::{Decoder, Frame, Limits, Message, Scanner, encode_message};

const SIZES: [usize; 3] = [16, 64, 256];
const FRAMES: usize = 1000;

fn wire(size: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    for _ in 0..FRAMES {
        encode_message(&Message::from(vec![7; size]), &mut wire);
    }
    wire
}

fn hop(c: &mut Criterion) {
    let mut group = c.benchmark_group("hop");
    group.throughput(Throughput::Elements(FRAMES as u64));
    for size in SIZES {
        let wire = wire(size);
        group.bench_function(format!("{size} B"), |b| {
            let mut scanner = Scanner::new(&Limits::default());
            b.iter(|| assert_eq!(scanner.scan(black_box(&wire)).messages, FRAMES));
        });
    }
    group.finish();
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Elements(FRAMES as u64));
    for size in SIZES {
        let body = vec![7; size];
        group.bench_function(format!("{size} B"), |b| {
            let mut out = Vec::with_capacity(FRAMES * (size + header::MAX_LEN));
            b.iter(|| {
                out.clear();
                for _ in 0..FRAMES {
                    zmtp::encode_frame(Flags::NONE, black_box(&body), &mut out);
                }
                out.len()
            });
        });
    }
    group.finish();
}

fn receive(c: &mut Criterion) {
    let mut group = c.benchmark_group("receive");
    group.throughput(Throughput::Elements(FRAMES as u64));
    for size in SIZES {
        let wire = wire(size);
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
        group.bench_function(format!("new messages, {size} B"), |b| {
            let mut decoder = Decoder::new(&Limits::default());
            b.iter(|| {
                let mut rest = black_box(&wire[..]);
                while let Ok((used, Some(item))) = decoder.decode(rest) {
                    black_box(&item);
                    rest = &rest[used..];
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

criterion_group!(benches, hop, encode, receive);
criterion_main!(benches);
