//! Two real threads on one pipe, for what neither the model nor loom can show: real reordering, at
//! length. Each message carries its number, so loss, repetition and reordering are found at once.

#![cfg(not(loom))]

use std::{
    io::IoSlice,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use bytes::Bytes;
use zmtp::header::{self, Flags};
use zpipe::{
    ByteReader, FrameLimits, Ingest, Limits, Notifier, Reader, Readiness, ReadySet, SPLICE_MIN,
    Scan, Writer, byte_pipe, ingest_pipe, pipe,
};

/// Miri does a thousandth of it in the same time.
const LESS: u64 = if cfg!(miri) { 1000 } else { 1 };

/// A small deterministic source of numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    fn limits(&mut self) -> Limits {
        Limits {
            messages: match self.below(4) {
                0 => 1,
                1 => 1 + self.below(10),
                2 => 1000,
                _ => 0,
            },
            bytes: match self.below(3) {
                0 => 1 + self.below(100_000),
                _ => 0,
            },
        }
    }
}

/// The body of message `number`: the number, and a filling that follows from it.
fn body(number: u64, out: &mut Vec<u8>) {
    let len = match number % 512 {
        0 => SPLICE_MIN + 100,
        1..8 => 300,
        n => n as usize % 60,
    };
    out.clear();
    out.extend_from_slice(&number.to_le_bytes());
    out.resize(8 + len, number as u8);
}

fn check(number: u64, found: &[u8], scratch: &mut Vec<u8>) {
    body(number, scratch);
    assert!(found == scratch.as_slice(), "not message {number}");
}

/// Appends message `number`: one frame or two, copied or spliced.
fn append(writer: &mut Writer, number: u64, scratch: &mut Vec<u8>) {
    body(number, scratch);
    if number.is_multiple_of(5) {
        writer.append(Flags::MORE, b"an envelope");
    }
    if scratch.len() < SPLICE_MIN {
        writer.append(Flags::NONE, scratch);
    } else {
        writer.append_spliced(Flags::NONE, Bytes::from(scratch.clone()));
    }
}

fn await_room(writer: &mut Writer, set: &mut ReadySet) {
    while !writer.has_room() {
        if writer.block() {
            set.wait(None);
            set.drain(|_, _| ());
        }
    }
}

fn write_all(mut writer: Writer, mut set: ReadySet, count: u64) {
    let mut random = Random(0x5EED);
    let mut scratch = Vec::new();
    for number in 0..count {
        await_room(&mut writer, &mut set);
        if number % 97 == 0 {
            append(&mut writer, 1_000_000_000, &mut scratch);
            writer.append(Flags::MORE, b"taken back");
            writer.rollback();
        }
        append(&mut writer, number, &mut scratch);
        writer.commit();
        if number % if cfg!(miri) { 64 } else { 4096 } == 0 {
            writer.set_limits(random.limits());
        }
    }
}

fn read_all(reader: &mut Reader, set: &mut ReadySet, count: u64) {
    let mut random = Random(0xFEED);
    let mut scratch = Vec::new();
    let mut number = 0;
    while number < count {
        while let Some(frame) = reader.next_frame() {
            if frame.flags.is_more() {
                assert_eq!(frame.body.as_slice(), b"an envelope");
                continue;
            }
            check(number, frame.body.as_slice(), &mut scratch);
            number += 1;
            reader.release();
            if number % if cfg!(miri) { 50 } else { 5000 } == 0 {
                reader.set_limits(random.limits());
            }
        }
        if number < count && reader.set_idle() {
            set.wait(None);
            set.drain(|_, _| ());
        }
    }
    assert!(!reader.is_readable());
}

#[test]
fn a_million_messages_cross() {
    const COUNT: u64 = 1_000_000 / LESS;
    let (room, mut ready) = (ReadySet::new(), ReadySet::new());
    let (writer, mut reader) = pipe(
        Limits::default(),
        Some(room.notifier(0)),
        Some(ready.notifier(0)),
    );
    thread::scope(|scope| {
        scope.spawn(|| write_all(writer, room, COUNT));
        read_all(&mut reader, &mut ready, COUNT);
    });
    assert!(reader.is_closed());
}

/// Splits a stream of bytes into messages and checks them.
struct Parser {
    wire: Vec<u8>,
    number: u64,
    scratch: Vec<u8>,
}

impl Parser {
    fn feed(&mut self, bytes: &[u8]) {
        self.wire.extend_from_slice(bytes);
        let mut at = 0;
        while let Some((header, len)) = header::decode(&self.wire[at..]).unwrap() {
            let end = at + len + header.size as usize;
            let Some(body) = self.wire.get(at + len..end) else {
                break;
            };
            at = end;
            if header.flags.is_more() {
                assert_eq!(body, b"an envelope");
                continue;
            }
            check(self.number, body, &mut self.scratch);
            self.number += 1;
        }
        self.wire.drain(..at);
    }
}

fn take_all(reader: &mut ByteReader, set: &mut ReadySet, count: u64) {
    let mut random = Random(0xBEAD);
    let mut parser = Parser {
        wire: Vec::new(),
        number: 0,
        scratch: Vec::new(),
    };
    while parser.number < count {
        let max = 1 + random.below(80_000) as usize;
        let mut slices: Vec<IoSlice<'_>> = Vec::new();
        let total = reader.gather(&mut slices, 8, max);
        // As a socket does, take some of it.
        let mut left = match random.below(3) {
            0 => random.below(total as u64 + 1) as usize,
            _ => total,
        };
        let taken = left;
        for slice in &slices {
            let part = left.min(slice.len());
            parser.feed(&slice[..part]);
            left -= part;
        }
        drop(slices);
        reader.advance(taken);
        // A part of a message at the end is still in the parser.
        assert_eq!(reader.messages_read(), parser.number);
        if total == 0 && parser.number < count && reader.set_idle() {
            set.wait(None);
            set.drain(|_, _| ());
        }
    }
}

#[test]
fn a_million_messages_cross_as_bytes() {
    const COUNT: u64 = 1_000_000 / LESS;
    let (room, mut ready) = (ReadySet::new(), ReadySet::new());
    let (writer, mut reader) = byte_pipe(
        Limits::default(),
        Some(room.notifier(0)),
        Some(ready.notifier(0)),
    );
    thread::scope(|scope| {
        scope.spawn(|| write_all(writer, room, COUNT));
        take_all(&mut reader, &mut ready, COUNT);
    });
    assert!(reader.is_closed());
}

/// What a connection does: fills the pipe from a stream and stops reading when it is full.
fn receive_all(mut writer: Ingest, mut set: ReadySet, wire: &[u8]) {
    let mut random = Random(0xD00D);
    let rules = FrameLimits::default();
    let mut input = wire;
    loop {
        let part = input.len().min(1 + random.below(100_000) as usize);
        let mut source = &input[..part];
        let filled = if writer.wants_body() {
            writer.fill_body(|room| {
                let len = room.len().min(source.len());
                for (to, from) in room.iter_mut().zip(source) {
                    to.write(*from);
                }
                let room = std::ptr::from_mut(&mut room[..len]) as *mut [u8];
                // SAFETY: the loop above has written each of them.
                Ok::<_, std::io::Error>(unsafe { &mut *room })
            })
        } else {
            writer.fill_rope(64 * 1024, |room| std::io::Read::read(&mut source, room))
        };
        input = &input[filled.unwrap().bytes..];
        loop {
            let scanned = writer.scan(&rules);
            let was_idle = scanned.reader_was_idle;
            let stop = match scanned.stop {
                Scan::NeedInput => true,
                Scan::Command(body) => {
                    assert_eq!(body, b"\x04PINGxx");
                    false
                }
                Scan::Full => false,
                other => panic!("{other:?}"),
            };
            if was_idle {
                writer.wake_reader();
            }
            if stop {
                break;
            }
            while !writer.has_room() {
                if writer.block() {
                    set.wait(None);
                    set.drain(|_, _| ());
                }
            }
            if writer.is_closed() {
                return;
            }
        }
        if input.is_empty() {
            return;
        }
    }
}

#[test]
fn input_crosses() {
    const COUNT: u64 = 300_000 / LESS;
    let (mut wire, mut scratch) = (Vec::new(), Vec::new());
    let mut frame = |flags: Flags, body: &[u8]| {
        let mut front = [0; header::MAX_LEN];
        let len = header::encode(flags, body.len() as u64, &mut front);
        wire.extend_from_slice(&front[..len]);
        wire.extend_from_slice(body);
    };
    for number in 0..COUNT {
        if number % 5 == 0 {
            frame(Flags::MORE, b"an envelope");
        }
        if number % 50 < 3 {
            frame(Flags::COMMAND, b"\x04PINGxx");
        }
        body(number, &mut scratch);
        frame(Flags::NONE, &scratch);
    }
    for mark in [1, 10, 1000, 0] {
        let (room, mut ready) = (ReadySet::new(), ReadySet::new());
        let limits = Limits {
            messages: mark,
            bytes: 0,
        };
        let (writer, mut reader) =
            ingest_pipe(limits, Some(room.notifier(0)), Some(ready.notifier(0)));
        thread::scope(|scope| {
            scope.spawn(|| receive_all(writer, room, &wire));
            let count = if mark == 1 { COUNT / 10 } else { COUNT };
            let mut number = 0;
            while number < count {
                while let Some(frame) = reader.next_frame() {
                    if frame.flags.is_more() {
                        continue;
                    }
                    check(number, frame.body.as_slice(), &mut scratch);
                    number += 1;
                    reader.release();
                    if number == count {
                        break;
                    }
                }
                if number < count && reader.set_idle() {
                    ready.wait(None);
                    ready.drain(|_, _| ());
                }
            }
            // Ends the writer too, if it has more.
            drop(reader);
        });
    }
}

#[test]
fn ends_that_go_in_the_middle_leave_nothing_behind() {
    let handle = Bytes::from(vec![7; 100]);
    let mut random = Random(0xC10);
    for _ in 0..if cfg!(miri) { 20 } else { 2_000 } {
        let (mut room, mut ready) = (ReadySet::new(), ReadySet::new());
        let limits = Limits {
            messages: 1 + random.below(20),
            bytes: 0,
        };
        let (mut writer, mut reader) =
            pipe(limits, Some(room.notifier(0)), Some(ready.notifier(0)));
        let (writes, reads) = (random.below(50), random.below(50));
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..writes {
                    await_room(&mut writer, &mut room);
                    writer.append_spliced(Flags::MORE, handle.clone());
                    writer.append(Flags::NONE, &handle);
                    writer.commit();
                }
                writer.append_spliced(Flags::MORE, handle.clone());
                drop(writer);
            });
            let mut frames = 0;
            while frames < 2 * reads && !reader.is_closed() {
                if let Some(frame) = reader.next_frame() {
                    assert_eq!(frame.body.as_slice(), &handle[..]);
                    frames += 1;
                    reader.release();
                } else if reader.set_idle() {
                    ready.wait(None);
                    ready.drain(|_, _| ());
                }
            }
            assert!(frames == 2 * reads.min(writes));
            drop(reader);
        });
        assert!(handle.is_unique());
    }
}

#[test]
fn no_signal_of_many_threads_is_lost() {
    const THREADS: u64 = 4;
    const SIGNALS: u64 = 50_000 / LESS;
    let mut set = ReadySet::new();
    let work: Arc<[AtomicU64]> = (0..THREADS).map(|_| AtomicU64::new(0)).collect();
    let signaller = |notifier: Notifier| {
        let work = Arc::clone(&work);
        move || {
            for _ in 0..SIGNALS {
                work[notifier.token() as usize].fetch_add(1, Ordering::Relaxed);
                notifier.notify(Readiness::READABLE);
            }
        }
    };
    let threads: Vec<_> = (0..THREADS)
        .map(|token| thread::spawn(signaller(set.notifier(token))))
        .collect();
    // What was done before the last signal is seen when that signal is.
    let mut seen = [0; THREADS as usize];
    while seen.iter().sum::<u64>() < THREADS * SIGNALS {
        assert!(set.wait(None));
        set.drain(|token, _| seen[token as usize] = work[token as usize].load(Ordering::Relaxed));
    }
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}
