//! The two ends of a pipe.

use std::io::IoSlice;

use bytes::Bytes;
use loom::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};
use zmtp::header::Flags;
use zpipe::{ByteReader, Limits, Reader, ReadySet, Writer, byte_pipe, pipe};

use crate::model;

pub(crate) const UNLIMITED: Limits = Limits {
    messages: 0,
    bytes: 0,
};

/// Three words, so that each body covers at least two of a chunk's shadow cells.
pub(crate) fn body(n: u8) -> [u8; 24] {
    [n; 24]
}

pub(crate) fn send(writer: &mut Writer, n: u8) {
    writer.append(Flags::NONE, &body(n));
    writer.commit();
}

/// Reads what is there and expects `next`, `next + 1`, ...
pub(crate) fn read(reader: &mut Reader, next: &mut u8) {
    while let Some(frame) = reader.next_frame() {
        assert_eq!(frame.body.as_slice(), body(*next));
        *next += 1;
        reader.release();
    }
}

#[test]
fn messages_cross_from_chunk_to_chunk() {
    model(|| {
        let (mut writer, mut reader) = pipe(UNLIMITED, None, None);
        let thread = thread::spawn(move || {
            for n in 0..3 {
                send(&mut writer, n);
            }
        });
        let mut next = 0;
        read(&mut reader, &mut next);
        read(&mut reader, &mut next);
        thread.join().unwrap();
        read(&mut reader, &mut next);
        assert_eq!(next, 3);
        assert!(reader.is_closed());
    });
}

/// One fence serves the readers of two pipes: whichever of them is about to become idle, it is woken.
#[test]
fn commits_to_two_pipes_are_published_together() {
    model(|| {
        let mut sets = [ReadySet::new(), ReadySet::new()];
        let notifiers = [sets[0].notifier(1), sets[1].notifier(1)];
        let [(mut first, mut one), (mut second, mut two)] =
            notifiers.map(|notifier| pipe(UNLIMITED, None, Some(notifier)));
        let thread = thread::spawn(move || {
            for writer in [&mut first, &mut second] {
                writer.append(Flags::NONE, &body(0));
                writer.commit_unseen();
            }
            zpipe::publish_commits();
            for writer in [&mut first, &mut second] {
                if writer.takes_idle_reader() {
                    writer.wake_reader();
                }
            }
            (first, second)
        });
        for (reader, set) in [&mut one, &mut two].into_iter().zip(&mut sets) {
            let mut next = 0;
            while next == 0 {
                read(reader, &mut next);
                if next == 0 && reader.set_idle() {
                    // For ever if the wake-up is lost, which loom reports.
                    set.wait(None);
                    set.drain(|_, _| {});
                }
            }
        }
        drop(thread.join().unwrap());
    });
}

#[test]
fn a_chunk_that_was_read_is_written_again() {
    model(|| {
        let (mut writer, mut reader) = pipe(UNLIMITED, None, None);
        let mut next = 0;
        // Leaves the first chunk as spare.
        send(&mut writer, 0);
        send(&mut writer, 1);
        read(&mut reader, &mut next);
        assert_eq!(next, 2);
        let thread = thread::spawn(move || {
            for n in 2..5 {
                send(&mut writer, n);
            }
            writer
        });
        read(&mut reader, &mut next);
        let writer = thread.join().unwrap();
        read(&mut reader, &mut next);
        assert_eq!((next, writer.pending()), (5, 0));
    });
}

#[test]
fn spliced_bodies_are_handed_over_or_dropped() {
    model(|| {
        let handle = Bytes::from(vec![7; 32]);
        let (mut writer, mut reader) = pipe(UNLIMITED, None, None);
        let theirs = handle.clone();
        let thread = thread::spawn(move || {
            writer.append_spliced(Flags::MORE, theirs.clone());
            writer.append(Flags::NONE, &body(1));
            writer.commit();
            writer.append_spliced(Flags::NONE, theirs);
            writer.commit();
        });
        let mut frames = 0;
        while let Some(frame) = reader.next_frame() {
            match frames {
                0 | 2 => assert_eq!(frame.body.as_slice(), &handle[..]),
                _ => assert_eq!(frame.body.as_slice(), body(1)),
            }
            frames += 1;
        }
        drop(reader);
        thread.join().unwrap();
        assert!(handle.is_unique());
        assert!(matches!(frames, 0 | 2 | 3), "no part of a message");
    });
}

#[test]
fn a_message_taken_back_is_never_seen() {
    model(|| {
        let handle = Bytes::from(vec![7; 32]);
        let (mut writer, mut reader) = pipe(UNLIMITED, None, None);
        let theirs = handle.clone();
        let thread = thread::spawn(move || {
            send(&mut writer, 0);
            writer.append_spliced(Flags::MORE, theirs);
            writer.append(Flags::MORE, &body(9));
            writer.append(Flags::MORE, &body(9));
            writer.rollback();
            send(&mut writer, 1);
        });
        let mut next = 0;
        read(&mut reader, &mut next);
        thread.join().unwrap();
        read(&mut reader, &mut next);
        assert_eq!(next, 2);
        assert!(handle.is_unique());
    });
}

/// Takes what is there, at most `max` bytes of it.
pub(crate) fn take(reader: &mut ByteReader, wire: &mut Vec<u8>, max: usize) {
    let mut slices: Vec<IoSlice<'_>> = Vec::new();
    let total = reader.gather(&mut slices, 8, max);
    slices
        .iter()
        .for_each(|slice| wire.extend_from_slice(slice));
    drop(slices);
    reader.advance(total);
}

/// Three messages, one of them with a splice, are taken as bytes; `between` is called when a part of them is.
pub(crate) fn three_messages_as_bytes(between: impl FnOnce(&mut ByteReader, &mut Vec<u8>)) {
    let handle = Bytes::from(vec![7; 32]);
    let (mut writer, mut reader) = byte_pipe(UNLIMITED, None, None);
    let theirs = handle.clone();
    let thread = thread::spawn(move || {
        send(&mut writer, 0);
        writer.append_spliced(Flags::MORE, theirs);
        writer.append(Flags::NONE, &body(1));
        writer.commit();
        send(&mut writer, 2);
        writer
    });
    let mut wire = Vec::new();
    take(&mut reader, &mut wire, 40);
    between(&mut reader, &mut wire);
    take(&mut reader, &mut wire, usize::MAX);
    let writer = thread.join().unwrap();
    take(&mut reader, &mut wire, usize::MAX);
    let expected = [
        &b"\x00\x18"[..],
        &body(0),
        b"\x01\x20",
        &handle,
        b"\x00\x18",
        &body(1),
        b"\x00\x18",
        &body(2),
    ];
    assert_eq!(wire, expected.concat());
    assert_eq!((writer.pending(), reader.messages_read()), (0, 3));
    assert!(handle.is_unique());
}

#[test]
fn bytes_cross_from_chunk_to_chunk() {
    model(|| three_messages_as_bytes(|_, _| ()));
}

#[test]
fn pending_is_never_more_than_was_committed() {
    model(|| {
        let (mut writer, mut reader) = byte_pipe(UNLIMITED, None, None);
        let thread = thread::spawn(move || {
            for n in 0..3 {
                send(&mut writer, n);
            }
        });
        let first = reader.pending();
        take(&mut reader, &mut Vec::new(), 30);
        let then = reader.pending();
        thread.join().unwrap();
        assert!(first <= then + reader.messages_read());
        assert_eq!(reader.pending() + reader.messages_read(), 3);
    });
}

/// Reads with idle/wake until `end` has come.
pub(crate) fn read_until(reader: &mut Reader, set: &mut ReadySet, end: u8) -> u32 {
    let (mut next, mut waits) = (0, 0);
    loop {
        read(reader, &mut next);
        if next == end {
            return waits;
        }
        if reader.set_idle() {
            waits += 1;
            assert!(set.wait(None));
            set.drain(|_, _| ());
        }
    }
}

#[test]
fn an_idle_reader_is_woken() {
    model(|| {
        let mut set = ReadySet::new();
        let (mut writer, mut reader) = pipe(UNLIMITED, None, Some(set.notifier(0)));
        let thread = thread::spawn(move || {
            send(&mut writer, 0);
            send(&mut writer, 1);
            writer
        });
        let waits = read_until(&mut reader, &mut set, 2);
        assert!(waits <= 2);
        drop(thread.join().unwrap());
    });
}

#[test]
fn an_idle_byte_reader_is_woken() {
    model(|| {
        let mut set = ReadySet::new();
        let (mut writer, mut reader) = byte_pipe(UNLIMITED, None, Some(set.notifier(0)));
        let thread = thread::spawn(move || {
            send(&mut writer, 0);
            send(&mut writer, 1);
            writer
        });
        let mut wire = Vec::new();
        while wire.len() < 2 * 26 {
            take(&mut reader, &mut wire, usize::MAX);
            if wire.len() < 2 * 26 && reader.set_idle() {
                assert!(set.wait(None));
                set.drain(|_, _| ());
            }
        }
        drop(thread.join().unwrap());
    });
}

#[test]
fn a_quiet_commit_owes_the_wake_up() {
    model(|| {
        let mut set = ReadySet::new();
        let (mut writer, mut reader) = pipe(UNLIMITED, None, Some(set.notifier(0)));
        let thread = thread::spawn(move || {
            writer.append(Flags::NONE, &body(0));
            if writer.commit_quietly() {
                writer.wake_reader();
            }
            writer
        });
        read_until(&mut reader, &mut set, 1);
        drop(thread.join().unwrap());
    });
}

/// Sends with block/resume.
fn send_all(writer: &mut Writer, set: &mut ReadySet, count: u8, mark: u64) {
    for n in 0..count {
        while !writer.has_room() {
            if writer.block() {
                assert!(set.wait(None));
                set.drain(|_, _| ());
            }
        }
        send(writer, n);
        assert!(writer.pending() <= mark, "beyond the high-water mark");
    }
}

#[test]
fn a_blocked_writer_is_resumed() {
    model(|| {
        let (mut ready, mut room) = (ReadySet::new(), ReadySet::new());
        let limits = Limits {
            messages: 1,
            bytes: 0,
        };
        let (mut writer, mut reader) =
            pipe(limits, Some(room.notifier(0)), Some(ready.notifier(0)));
        let thread = thread::spawn(move || {
            send_all(&mut writer, &mut room, 2, 1);
            (writer, room)
        });
        read_until(&mut reader, &mut ready, 2);
        drop(thread.join().unwrap());
    });
}

/// Whoever is told that the other end has come this far sees what it did before.
fn what_led_to_it_is_seen(told: fn(&mut Writer) -> bool) {
    model(move || {
        let limits = Limits {
            messages: 1,
            bytes: 0,
        };
        let (mut writer, mut reader) = pipe(limits, None, None);
        send(&mut writer, 0);
        let done = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&done);
        let thread = thread::spawn(move || {
            theirs.store(true, Ordering::Relaxed);
            assert!(reader.next_frame().is_some());
            reader.release();
        });
        let told = told(&mut writer);
        assert!(!told || done.load(Ordering::Relaxed));
        thread.join().unwrap();
    });
}

#[test]
fn what_led_to_a_release_is_seen_by_who_counts() {
    what_led_to_it_is_seen(|writer| writer.pending() == 0);
}

#[test]
fn what_led_to_a_release_is_seen_by_who_has_room() {
    what_led_to_it_is_seen(Writer::has_room);
}

#[test]
fn what_led_to_a_release_is_seen_by_who_does_not_wait() {
    what_led_to_it_is_seen(|writer| !writer.block());
}

#[test]
fn what_an_end_did_before_it_went_is_seen() {
    what_led_to_it_is_seen(|writer| writer.is_closed());
    model(|| {
        let (writer, mut reader) = pipe(UNLIMITED, None, None);
        let done = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&done);
        let thread = thread::spawn(move || {
            theirs.store(true, Ordering::Relaxed);
            drop(writer);
        });
        assert!(!reader.is_closed() || done.load(Ordering::Relaxed));
        thread.join().unwrap();
    });
}

#[test]
fn a_writer_blocked_by_bytes_is_resumed() {
    model(|| {
        let mut room = ReadySet::new();
        let limits = Limits {
            messages: 0,
            bytes: 10,
        };
        let (mut writer, mut reader) = pipe(limits, Some(room.notifier(0)), None);
        send(&mut writer, 0);
        assert!(!writer.has_room());
        let thread = thread::spawn(move || {
            if writer.block() {
                assert!(room.wait(None));
            }
            assert!(writer.has_room());
            (writer, room)
        });
        read(&mut reader, &mut 0);
        drop(thread.join().unwrap());
    });
}

#[test]
fn a_writer_blocked_at_two_is_resumed_at_one() {
    model(|| {
        let mut room = ReadySet::new();
        let limits = Limits {
            messages: 2,
            bytes: 0,
        };
        let (mut writer, mut reader) = pipe(limits, Some(room.notifier(0)), None);
        send(&mut writer, 0);
        send(&mut writer, 1);
        let thread = thread::spawn(move || {
            // The reader stops after one message, with another one left: that must do.
            if !writer.has_room() && writer.block() {
                assert!(room.wait(None));
            }
            assert!(writer.has_room());
            (writer, room)
        });
        assert!(reader.next_frame().is_some());
        reader.release();
        drop(thread.join().unwrap());
    });
}

#[test]
fn a_raised_mark_resumes_the_writer() {
    model(|| {
        let mut room = ReadySet::new();
        let limits = Limits {
            messages: 1,
            bytes: 0,
        };
        let (mut writer, mut reader) = pipe(limits, Some(room.notifier(0)), None);
        send(&mut writer, 0);
        let thread = thread::spawn(move || {
            while !writer.has_room() {
                if writer.block() {
                    assert!(room.wait(None));
                    room.drain(|_, _| ());
                }
            }
            (writer, room)
        });
        reader.set_limits(UNLIMITED);
        drop(thread.join().unwrap());
    });
}

#[test]
fn limits_change_as_one_from_both_ends() {
    model(|| {
        let by_messages = Limits {
            messages: 1,
            bytes: 0,
        };
        let by_bytes = Limits {
            messages: 0,
            bytes: 1,
        };
        let (mut writer, mut reader) = pipe(by_bytes, None, None);
        send(&mut writer, 0);
        let thread = thread::spawn(move || {
            reader.set_limits(by_messages);
            let seen = reader.limits();
            assert!(seen == by_messages || seen == by_bytes);
            reader
        });
        // Under either there is no room. It does not wait if the limits change just now.
        assert!(!writer.has_room());
        let _ = writer.block();
        writer.set_limits(by_bytes);
        assert!(!writer.has_room());
        let seen = writer.limits();
        assert!(seen == by_messages || seen == by_bytes);
        let reader = thread.join().unwrap();
        assert_eq!(writer.limits(), reader.limits());
        assert!(!writer.has_room());
    });
}

#[test]
fn what_is_committed_for_a_reader_that_is_gone_is_dropped() {
    model(|| {
        let handle = Bytes::from(vec![7; 32]);
        let (mut writer, mut reader) = pipe(UNLIMITED, None, None);
        let splice = |writer: &mut Writer| {
            writer.append_spliced(Flags::NONE, handle.clone());
            writer.commit();
        };
        splice(&mut writer);
        let thread = thread::spawn(move || {
            drop(reader.next_frame());
            drop(reader);
        });
        splice(&mut writer);
        send(&mut writer, 0);
        thread.join().unwrap();
        assert!(writer.has_room());
        splice(&mut writer);
        assert!(handle.is_unique(), "at once, and not when the writer goes");
        assert!((3..=4).contains(&writer.pending()));
    });
}

#[test]
fn a_writer_that_goes_wakes_the_idle_reader() {
    model(|| {
        let mut set = ReadySet::new();
        let (mut writer, mut reader) = pipe(UNLIMITED, None, Some(set.notifier(0)));
        let thread = thread::spawn(move || {
            send(&mut writer, 0);
            writer.append(Flags::MORE, &body(9));
        });
        let mut next = 0;
        while !reader.is_closed() {
            read(&mut reader, &mut next);
            if reader.set_idle() {
                assert!(set.wait(None));
                set.drain(|_, _| ());
            }
        }
        assert_eq!(next, 1, "closed only after the last message");
        thread.join().unwrap();
    });
}

#[test]
fn a_reader_that_goes_resumes_the_blocked_writer() {
    model(|| {
        let mut room = ReadySet::new();
        let limits = Limits {
            messages: 1,
            bytes: 0,
        };
        let handle = Bytes::from(vec![7; 32]);
        let (mut writer, reader) = pipe(limits, Some(room.notifier(0)), None);
        writer.append_spliced(Flags::NONE, handle.clone());
        writer.commit();
        let thread = thread::spawn(move || drop(reader));
        while !writer.is_closed() {
            if writer.block() {
                assert!(room.wait(None));
                room.drain(|_, _| ());
            }
        }
        thread.join().unwrap();
        drop(writer);
        assert!(handle.is_unique());
    });
}

/// A drained pipe with a chunk that is worth trimming.
fn large_pipe(set: &ReadySet) -> (Writer, Reader) {
    let (mut writer, mut reader) = pipe(UNLIMITED, None, Some(set.notifier(0)));
    (0..3).for_each(|n| send(&mut writer, n));
    read(&mut reader, &mut 0);
    (writer, reader)
}

#[test]
fn a_trimmed_pipe_goes_on() {
    model(|| {
        let mut set = ReadySet::new();
        let (mut writer, mut reader) = large_pipe(&set);
        let thread = thread::spawn(move || {
            writer.trim();
            send(&mut writer, 0);
            writer.trim();
            send(&mut writer, 1);
            writer
        });
        read_until(&mut reader, &mut set, 2);
        drop(thread.join().unwrap());
    });
}

#[test]
fn a_trimmed_pipe_goes_on_in_bytes() {
    model(|| {
        let mut set = ReadySet::new();
        let (mut writer, mut reader) = byte_pipe(UNLIMITED, None, Some(set.notifier(0)));
        (0..3).for_each(|n| send(&mut writer, n));
        let mut wire = Vec::new();
        take(&mut reader, &mut wire, usize::MAX);
        let thread = thread::spawn(move || {
            writer.trim();
            send(&mut writer, 3);
            writer
        });
        while wire.len() < 4 * 26 {
            if reader.set_idle() {
                assert!(set.wait(None));
                set.drain(|_, _| ());
            }
            take(&mut reader, &mut wire, usize::MAX);
        }
        assert_eq!(reader.messages_read(), 4);
        drop(thread.join().unwrap());
    });
}

#[test]
fn a_pipe_that_is_trimmed_twice() {
    model(|| {
        let (mut writer, mut reader) = pipe(UNLIMITED, None, None);
        // A chunk that is worth trimming, and small enough for the reader to give it back.
        writer.append(Flags::NONE, &[7; 80]);
        writer.commit();
        assert!(reader.next_frame().is_some());
        reader.release();
        let thread = thread::spawn(move || {
            writer.trim();
            writer.trim();
            send(&mut writer, 0);
        });
        let mut next = 0;
        read(&mut reader, &mut next);
        thread.join().unwrap();
        read(&mut reader, &mut next);
        assert_eq!(next, 1);
    });
}

#[test]
fn a_trimmed_pipe_whose_reader_goes() {
    model(|| {
        let set = ReadySet::new();
        let (mut writer, reader) = large_pipe(&set);
        let thread = thread::spawn(move || drop(reader));
        writer.trim();
        thread.join().unwrap();
        drop(writer);
    });
}

#[test]
fn both_ends_go_at_once() {
    model(|| {
        let handle = Bytes::from(vec![7; 32]);
        let (mut writer, mut reader) = pipe(UNLIMITED, None, None);
        send(&mut writer, 0);
        let theirs = handle.clone();
        let thread = thread::spawn(move || {
            writer.append_spliced(Flags::MORE, theirs.clone());
            writer.append_spliced(Flags::NONE, theirs);
            writer.commit();
        });
        assert!(reader.next_frame().is_some());
        drop(reader);
        thread.join().unwrap();
        assert!(handle.is_unique());
    });
}
