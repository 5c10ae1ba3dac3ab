//! A writer that is filled from a stream of bytes, beside a reader.

use loom::thread;
use zmtp::header::Flags;
use zpipe::{FrameLimits, Ingest, Limits, Reader, Scan, ingest_pipe};

use crate::model;

const UNLIMITED: Limits = Limits {
    messages: 0,
    bytes: 0,
};

fn frame(flags: Flags, n: u8, len: u8, wire: &mut Vec<u8>) {
    wire.extend_from_slice(&[flags.bits(), len]);
    wire.resize(wire.len() + usize::from(len), n);
}

fn a_large_frame_between_small_ones() -> Vec<u8> {
    let mut wire = Vec::new();
    for (n, len) in [(0, 8), (1, 60), (2, 8)] {
        frame(Flags::NONE, n, len, &mut wire);
    }
    wire
}

/// Puts bytes in and scans until there are no more.
fn feed(writer: &mut Ingest, wire: &[u8], split: usize) {
    for part in wire.chunks(split) {
        writer.fill_from(part);
        loop {
            let scanned = writer.scan(&FrameLimits::default());
            assert!(!scanned.reader_was_idle);
            match scanned.stop {
                Scan::Command(body) => assert!(body.iter().all(|byte| *byte == 0xCC)),
                stop => break assert_eq!(stop, Scan::NeedInput),
            }
        }
    }
}

fn read(reader: &mut Reader, next: &mut u8) {
    while let Some(frame) = reader.next_frame() {
        assert!(frame.body.as_slice().iter().all(|byte| byte == next));
        *next += 1;
        reader.release();
    }
}

#[test]
fn frames_that_end_in_another_chunk() {
    model(|| {
        let (mut writer, mut reader) = ingest_pipe(UNLIMITED, None, None);
        let mut wire = Vec::new();
        for n in 0..4 {
            frame(Flags::NONE, n, 20, &mut wire);
        }
        let thread = thread::spawn(move || feed(&mut writer, &wire, 35));
        let mut next = 0;
        read(&mut reader, &mut next);
        thread.join().unwrap();
        read(&mut reader, &mut next);
        assert_eq!(next, 4);
    });
}

#[test]
fn large_bodies_between_small_ones() {
    model(|| {
        let (mut writer, mut reader) = ingest_pipe(UNLIMITED, None, None);
        let wire = a_large_frame_between_small_ones();
        let thread = thread::spawn(move || feed(&mut writer, &wire, 30));
        let mut next = 0;
        read(&mut reader, &mut next);
        thread.join().unwrap();
        read(&mut reader, &mut next);
        assert_eq!(next, 3);
    });
}

#[test]
fn a_large_body_that_is_read_straight_into_its_own_buffer() {
    model(|| {
        let (mut writer, mut reader) = ingest_pipe(UNLIMITED, None, None);
        let wire = a_large_frame_between_small_ones();
        let thread = thread::spawn(move || {
            let (begin, rest) = wire.split_at(20);
            let (body, end) = rest.split_at(52);
            feed(&mut writer, begin, 20);
            assert!(writer.wants_body());
            for part in body.chunks(30) {
                let filled = writer.fill_body(|room| {
                    let (room, _) = room.split_at_mut(part.len());
                    for (to, from) in room.iter_mut().zip(part) {
                        to.write(*from);
                    }
                    // SAFETY: the loop above has written each of them.
                    Ok::<_, ()>(unsafe { &mut *(std::ptr::from_mut(room) as *mut [u8]) })
                });
                assert_eq!(filled.unwrap().bytes, part.len());
            }
            assert!(!writer.wants_body());
            feed(&mut writer, end, 20);
        });
        let mut next = 0;
        read(&mut reader, &mut next);
        thread.join().unwrap();
        read(&mut reader, &mut next);
        assert_eq!(next, 3);
    });
}

#[test]
fn commands_are_dropped_beside_the_reader() {
    model(|| {
        let (mut writer, mut reader) = ingest_pipe(UNLIMITED, None, None);
        let mut wire = Vec::new();
        frame(Flags::NONE, 0, 18, &mut wire);
        frame(Flags::COMMAND, 0xCC, 14, &mut wire);
        frame(Flags::COMMAND, 0xCC, 14, &mut wire);
        frame(Flags::NONE, 1, 18, &mut wire);
        frame(Flags::COMMAND, 0xCC, 14, &mut wire);
        let thread = thread::spawn(move || feed(&mut writer, &wire, 19));
        let mut next = 0;
        read(&mut reader, &mut next);
        thread.join().unwrap();
        read(&mut reader, &mut next);
        assert_eq!(next, 2);
    });
}

#[test]
fn room_that_the_reader_makes_is_used_at_once() {
    model(|| {
        let limits = Limits {
            messages: 1,
            bytes: 0,
        };
        let (mut writer, mut reader) = ingest_pipe(limits, None, None);
        let mut wire = Vec::new();
        frame(Flags::NONE, 0, 8, &mut wire);
        frame(Flags::NONE, 1, 8, &mut wire);
        let thread = thread::spawn(move || {
            writer.fill_from(&wire);
            let scanned = writer.scan(&FrameLimits::default());
            match scanned.messages {
                1 => assert_eq!(scanned.stop, Scan::Full),
                2 => assert!(matches!(scanned.stop, Scan::Full | Scan::NeedInput)),
                other => panic!("{other} messages"),
            }
            (scanned.messages, writer)
        });
        let mut next = 0;
        read(&mut reader, &mut next);
        let (messages, mut writer) = thread.join().unwrap();
        read(&mut reader, &mut next);
        assert_eq!(u64::from(next), messages);
        let rest = writer.scan(&FrameLimits::default()).messages;
        assert_eq!(messages + rest, 2);
    });
}

#[test]
fn pending_bytes_are_no_more_than_the_pending_messages_have() {
    model(|| {
        let (mut writer, mut reader) = ingest_pipe(UNLIMITED, None, None);
        let mut wire = Vec::new();
        frame(Flags::NONE, 0, 8, &mut wire);
        frame(Flags::NONE, 1, 8, &mut wire);
        feed(&mut writer, &wire, 20);
        let thread = thread::spawn(move || read(&mut reader, &mut 0));
        let messages = writer.pending();
        assert!(writer.pending_bytes() <= messages * 10);
        thread.join().unwrap();
        assert_eq!((writer.pending(), writer.pending_bytes()), (0, 0));
    });
}
