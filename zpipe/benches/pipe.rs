//! The pipe beside bounded queues: `crossbeam`'s `ArrayQueue` and channel, and `std`'s channel.
//!
//! Every contestant takes a borrowed body in and gives the receiver a body to look at, which is what
//! sending and receiving is. The queues carry [`Frame`], whose short bodies need no allocation.

// Loom's atomics work only inside a model.
#![cfg_attr(loom, allow(dead_code, unused_imports))]

use std::{
    hint::black_box,
    io::{self, IoSlice},
    sync::mpsc,
    thread,
    time::Instant,
};

use criterion::{BenchmarkId, Criterion, Throughput};
use crossbeam::{channel, queue::ArrayQueue};
use zmtp::{
    Frame,
    header::{self, Flags},
};
use zpipe::{FrameLimits, Limits, ReadySet, Scan, byte_pipe, ingest_pipe, pipe};

const SIZES: [usize; 4] = [16, 64, 256, 1024];
/// Messages that are sent before the first is received.
const BATCH: u64 = 100;
const MARK: u64 = 1000;

fn limits() -> Limits {
    Limits {
        messages: MARK,
        bytes: 0,
    }
}

/// What a receiver does with a body.
fn look(body: &[u8]) {
    black_box(body[0]);
}

/// A batch goes in and comes out again, on one thread: the cost without any cache miss or wake-up.
fn one_thread(c: &mut Criterion) {
    let mut group = c.benchmark_group("one thread");
    group.throughput(Throughput::Elements(BATCH));
    for size in SIZES {
        let body = vec![7; size];
        let body = body.as_slice();

        group.bench_function(BenchmarkId::new("zpipe frames", size), |b| {
            let (mut writer, mut reader) = pipe(limits(), None, None);
            b.iter(|| {
                for _ in 0..BATCH {
                    assert!(writer.has_room());
                    writer.append(Flags::NONE, black_box(body));
                    writer.commit();
                }
                while let Some(frame) = reader.next_frame() {
                    look(frame.body.as_slice());
                    reader.release();
                }
            });
        });

        group.bench_function(BenchmarkId::new("zpipe bytes", size), |b| {
            let (mut writer, mut reader) = byte_pipe(limits(), None, None);
            b.iter(|| {
                for _ in 0..BATCH {
                    assert!(writer.has_room());
                    writer.append(Flags::NONE, black_box(body));
                    writer.commit();
                }
                loop {
                    let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(16);
                    let total = reader.gather(&mut slices, 16, 64 * 1024);
                    if total == 0 {
                        break;
                    }
                    slices.iter().for_each(|slice| look(slice));
                    drop(slices);
                    reader.advance(total);
                }
            });
        });

        group.bench_function(BenchmarkId::new("zpipe input", size), |b| {
            let (mut writer, mut reader) = ingest_pipe(limits(), None, None);
            let wire = wire(body);
            let rules = FrameLimits::default();
            b.iter(|| {
                let mut input = black_box(wire.as_slice());
                while !input.is_empty() {
                    let filled =
                        writer.fill_rope(64 * 1024, |room| io::Read::read(&mut input, room));
                    filled.unwrap();
                    assert_eq!(writer.scan(&rules).stop, Scan::NeedInput);
                }
                while let Some(frame) = reader.next_frame() {
                    look(frame.body.as_slice());
                    reader.release();
                }
            });
        });

        group.bench_function(BenchmarkId::new("crossbeam ArrayQueue", size), |b| {
            let queue = ArrayQueue::new(MARK as usize);
            b.iter(|| {
                for _ in 0..BATCH {
                    queue.push(Frame::from(black_box(body))).unwrap();
                }
                while let Some(frame) = queue.pop() {
                    look(&frame);
                }
            });
        });

        group.bench_function(BenchmarkId::new("crossbeam channel", size), |b| {
            let (sender, receiver) = channel::bounded(MARK as usize);
            b.iter(|| {
                for _ in 0..BATCH {
                    sender.try_send(Frame::from(black_box(body))).unwrap();
                }
                while let Ok(frame) = receiver.try_recv() {
                    look(&frame);
                }
            });
        });

        group.bench_function(BenchmarkId::new("std sync_channel", size), |b| {
            let (sender, receiver) = mpsc::sync_channel(MARK as usize);
            b.iter(|| {
                for _ in 0..BATCH {
                    sender.try_send(Frame::from(black_box(body))).unwrap();
                }
                while let Ok(frame) = receiver.try_recv() {
                    look(&frame);
                }
            });
        });
    }
    group.finish();
}

fn wire(body: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for _ in 0..BATCH {
        let mut front = [0; header::MAX_LEN];
        let len = header::encode(Flags::NONE, body.len() as u64, &mut front);
        wire.extend_from_slice(&front[..len]);
        wire.extend_from_slice(body);
    }
    wire
}

/// One thread sends, another receives; both sleep when they have to.
fn two_threads(c: &mut Criterion) {
    let mut group = c.benchmark_group("two threads");
    group.throughput(Throughput::Elements(1));
    for size in SIZES {
        let body = vec![7; size];
        let body = body.as_slice();

        group.bench_function(BenchmarkId::new("zpipe frames", size), |b| {
            b.iter_custom(|count| {
                let (mut room, mut ready) = (ReadySet::new(), ReadySet::new());
                let (mut writer, mut reader) =
                    pipe(limits(), Some(room.notifier(0)), Some(ready.notifier(0)));
                let start = Instant::now();
                thread::scope(|scope| {
                    scope.spawn(move || {
                        for _ in 0..count {
                            while !writer.has_room() {
                                if writer.block() {
                                    room.wait(None);
                                    room.drain(|_, _| ());
                                }
                            }
                            writer.append(Flags::NONE, black_box(body));
                            writer.commit();
                        }
                    });
                    let mut received = 0;
                    while received < count {
                        while let Some(frame) = reader.next_frame() {
                            look(frame.body.as_slice());
                            reader.release();
                            received += 1;
                        }
                        if received < count && reader.set_idle() {
                            ready.wait(None);
                            ready.drain(|_, _| ());
                        }
                    }
                });
                start.elapsed()
            });
        });

        group.bench_function(BenchmarkId::new("crossbeam channel", size), |b| {
            b.iter_custom(|count| {
                let (sender, receiver) = channel::bounded(MARK as usize);
                let start = Instant::now();
                thread::scope(|scope| {
                    scope.spawn(move || {
                        for _ in 0..count {
                            sender.send(Frame::from(black_box(body))).unwrap();
                        }
                    });
                    receiver.iter().for_each(|frame| look(&frame));
                });
                start.elapsed()
            });
        });

        group.bench_function(BenchmarkId::new("std sync_channel", size), |b| {
            b.iter_custom(|count| {
                let (sender, receiver) = mpsc::sync_channel(MARK as usize);
                let start = Instant::now();
                thread::scope(|scope| {
                    scope.spawn(move || {
                        for _ in 0..count {
                            sender.send(Frame::from(black_box(body))).unwrap();
                        }
                    });
                    receiver.iter().for_each(|frame| look(&frame));
                });
                start.elapsed()
            });
        });
    }
    group.finish();
}

fn main() {
    if cfg!(loom) {
        return;
    }
    let mut c = Criterion::default().configure_from_args();
    one_thread(&mut c);
    two_threads(&mut c);
    c.final_summary();
}
