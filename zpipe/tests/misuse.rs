//! What a caller can do wrong, and what becomes of it: a panic that is documented, and a pipe that is
//! as it was before the call.

#![cfg(not(loom))]

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
};

use bytes::Bytes;
use zmtp::header::Flags;
use zpipe::{
    FrameLimits, Limits, Readiness, ReadySet, SPLICE_MIN, Scan, byte_pipe, ingest_pipe, pipe,
};

const UNLIMITED: Limits = Limits {
    messages: 0,
    bytes: 0,
};

/// Runs `f`, which panics, and returns what it says.
fn panics(f: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&str>().unwrap()).to_owned(),
    }
}

#[test]
fn a_commit_that_is_no_message() {
    let (mut writer, mut reader) = pipe(UNLIMITED, None, None);
    let unfinished = "commit without the last frame of a message";
    assert_eq!(panics(|| writer.commit()), unfinished);
    writer.append(Flags::MORE, b"a");
    assert_eq!(panics(|| writer.commit()), unfinished);
    writer.append(Flags::COMMAND, b"b");
    assert_eq!(panics(|| writer.commit()), unfinished);
    writer.append_spliced(Flags::MORE, Bytes::from_static(b"c"));
    assert_eq!(panics(|| writer.commit()), unfinished);
    assert_eq!((writer.written(), reader.is_readable()), (0, false));
    // What was appended is still there, and can be finished.
    writer.append(Flags::NONE, b"d");
    writer.commit();
    for body in [b"a", b"c", b"d"] {
        assert_eq!(reader.next_frame().unwrap().body.as_slice(), body);
    }
    reader.release();

    let several = "commit of more than one message";
    for flags in [Flags::NONE, Flags::MORE, Flags::COMMAND] {
        writer.append(Flags::NONE, b"one");
        // Any number of them: no counter comes round.
        for _ in 0..if cfg!(miri) { 300 } else { 600 } {
            writer.append(flags, b"more");
        }
        assert_eq!(panics(|| writer.commit()), several);
        assert_eq!(panics(|| writer.write_message(&mut "x".into())), several);
        writer.rollback();
    }
    assert_eq!((writer.written(), writer.pending()), (1, 0));
    writer.append(Flags::NONE, b"next");
    writer.commit();
    assert_eq!(reader.next_frame().unwrap().body.as_slice(), b"next");
}

#[test]
fn a_message_pushed_into_one_that_is_being_received() {
    let (mut ingest, mut reader) = ingest_pipe(UNLIMITED, None, None);
    let rules = FrameLimits::default();
    let mut wire = b"\x02\0\0\0\0\0\0\x27\x10".to_vec();
    wire.resize(9 + 10_000, b'x');
    // Only a header, a part of a large body, all of it, but not scanned, and a frame with MORE.
    for split in [1, 9, 500, wire.len()] {
        ingest.fill_from(&wire[..split.min(600)]);
        ingest.scan(&rules);
        ingest.fill_from(&wire[split.min(600)..split]);
        assert!(ingest.is_mid_message());
        let text = panics(|| _ = ingest.push_message(&mut "pushed".into()));
        assert_eq!(text, "a message is being received");
        ingest.fill_from(&wire[split..]);
        assert_eq!(ingest.scan(&rules).messages, 1);
        let frame = reader.next_frame().unwrap();
        assert_eq!(frame.body.as_slice(), &wire[9..]);
        assert!(reader.next_frame().is_none());
    }
    ingest.fill_from(b"\x01\x01a");
    ingest.scan(&rules);
    panics(|| _ = ingest.push_message(&mut "pushed".into()));
    ingest.fill_from(b"\x00\x01b");
    assert_eq!(ingest.scan(&rules).messages, 1);
    assert!(!ingest.push_message(&mut "pushed".into()));
    for body in ["a", "b", "pushed"] {
        let frame = reader.next_frame().unwrap();
        assert_eq!(frame.body.as_slice(), body.as_bytes());
    }
}

#[test]
fn messages_are_pushed_between_large_bodies() {
    let (mut ingest, mut reader) = ingest_pipe(UNLIMITED, None, None);
    let rules = FrameLimits::default();
    let body = vec![7; SPLICE_MIN + 1];
    let mut wire = b"\x02\0\0\0\0\0\0\x20\x01".to_vec();
    wire.extend_from_slice(&body);
    for _ in 0..if cfg!(miri) { 10 } else { 300 } {
        for part in wire.chunks(5000) {
            ingest.fill_from(part);
            ingest.scan(&rules);
        }
        let _ = ingest.push_message(&mut body.clone().into());
        let _ = ingest.push_message(&mut "small".into());
        for expected in [&body[..], &body, b"small"] {
            assert_eq!(reader.next_frame().unwrap().body.as_slice(), expected);
        }
        reader.release();
    }
    assert_eq!(ingest.pending(), 0);
}

#[test]
#[cfg_attr(miri, ignore = "too many splices")]
fn more_splices_than_an_entry_can_number() {
    const COUNT: usize = 20_000;
    let (mut writer, mut reader) = pipe(UNLIMITED, None, None);
    let handle = Bytes::from(vec![7; 10]);
    // A burst has made the chunks large.
    for _ in 0..COUNT {
        writer.append(Flags::NONE, &[1; 100]);
        writer.commit();
    }
    for _ in 1..COUNT {
        writer.append_spliced(Flags::MORE, handle.clone());
    }
    writer.append_spliced(Flags::NONE, handle.clone());
    writer.commit();
    let mut frames = 0;
    while let Some(frame) = reader.next_frame() {
        frames += usize::from(frame.body.as_slice() == &handle[..]);
    }
    assert_eq!(frames, COUNT);
    drop((writer, reader));
    assert!(handle.is_unique());
}

#[test]
fn reading_a_body_that_is_not_wanted() {
    let (mut ingest, _reader) = ingest_pipe(UNLIMITED, None, None);
    let mut fill = || {
        _ = ingest.fill_body(|_| Err(()));
    };
    assert_eq!(panics(&mut fill), "a large body is wanted");
    assert_eq!(panics(&mut fill), "a large body is wanted");
}

#[test]
fn a_rope_where_a_body_is_wanted() {
    let (mut ingest, mut reader) = ingest_pipe(UNLIMITED, None, None);
    ingest.fill_from(b"\x02\0\0\0\0\0\0\x20\x00");
    ingest.scan(&FrameLimits::default());
    assert!(ingest.wants_body());
    panics(|| _ = ingest.fill_rope(100, |_| Ok::<_, ()>(1)));
    ingest.fill_from(&[7; 8192]);
    assert_eq!(ingest.scan(&FrameLimits::default()).messages, 1);
    assert_eq!(reader.next_frame().unwrap().body.as_slice(), [7; 8192]);
}

#[test]
fn a_body_that_cannot_be_read() {
    let (mut ingest, mut reader) = ingest_pipe(UNLIMITED, None, None);
    let body: Vec<u8> = (0..SPLICE_MIN).map(|at| at as u8).collect();
    ingest.fill_from(b"\x02\0\0\0\0\0\0\x20\x00");
    ingest.scan(&FrameLimits::default());
    for half in body.chunks(SPLICE_MIN / 2) {
        assert_eq!(ingest.fill_body(|_| Err("no")), Err("no"));
        assert!(ingest.wants_body() && ingest.is_mid_message());
        let text = panics(|| {
            _ = ingest.fill_body(|room| {
                room[1].write(0);
                // SAFETY: it has been written.
                Ok::<_, ()>(unsafe { &mut *(std::ptr::from_mut(&mut room[1..2]) as *mut [u8]) })
            });
        });
        assert_eq!(text, "not what was lent");
        assert!(ingest.wants_body() && ingest.is_mid_message());
        ingest.fill_from(half);
    }
    assert_eq!(ingest.scan(&FrameLimits::default()).messages, 1);
    assert_eq!(reader.next_frame().unwrap().body.as_slice(), body);
}

#[test]
fn more_than_there_was_room_for() {
    let (mut ingest, mut reader) = ingest_pipe(UNLIMITED, None, None);
    panics(|| _ = ingest.fill_rope(100, |room| Ok::<_, ()>(room.len() + 1)));
    ingest.fill_from(b"\x00\x01a");
    assert_eq!(ingest.scan(&FrameLimits::default()).messages, 1);
    assert_eq!(reader.next_frame().unwrap().body.as_slice(), b"a");
}

#[test]
#[cfg_attr(miri, ignore = "too many bytes")]
fn input_that_nobody_scans() {
    let (mut ingest, mut reader) = ingest_pipe(UNLIMITED, None, None);
    let wire = b"\x00\x06a body".repeat(1 << 17);
    for _ in 0..8 {
        ingest.fill_from(&wire); // 8 MiB in all.
    }
    let more = Cell::new(0);
    let text = panics(|| {
        loop {
            ingest.fill_from(&wire);
            more.set(more.get() + (1 << 17));
        }
    });
    assert_eq!(text, "too much input lies here unscanned");
    // What lies there is still there. Of the last call it is only a part.
    let (more, found) = (more.get(), ingest.scan(&FrameLimits::default()).messages);
    assert!((8 << 17) + more <= found && found < (9 << 17) + more);
    for _ in 0..found {
        assert_eq!(reader.next_frame().unwrap().body.as_slice(), b"a body");
    }
}

#[test]
fn more_bytes_than_there_are() {
    let body = Bytes::from(vec![7; 100]);
    let (mut writer, mut reader) = byte_pipe(UNLIMITED, None, None);
    writer.append(Flags::MORE, b"envelope");
    writer.append_spliced(Flags::NONE, body.clone());
    writer.commit();
    writer.append_spliced(Flags::NONE, body.clone());
    writer.commit();
    let all = 10 + 102 + 102;
    for taken in [0, 5, 10, 50] {
        reader.rewind();
        reader.advance(taken);
        let text = panics(|| reader.advance(all - taken + 1));
        assert_eq!(text, "no more bytes than were committed");
        // It is as it was, and nothing was dropped.
        let mut slices = Vec::new();
        assert_eq!(reader.gather(&mut slices, 10, 1000), all - taken);
        assert_eq!(&**slices.last().unwrap(), &body[..]);
        drop(slices);
        assert_eq!(reader.messages_read(), 0);
        assert_eq!(reader.is_mid_message(), taken > 0);
    }
    reader.advance(all - 50);
    assert_eq!((reader.messages_read(), writer.pending()), (2, 0));
    drop((writer, reader));
    assert!(body.is_unique());
}

#[test]
fn a_wake_up_that_a_quiet_commit_owed() {
    let mut ready = ReadySet::new();
    let (mut writer, mut reader) = pipe(UNLIMITED, None, Some(ready.notifier(7)));
    assert!(reader.set_idle());
    writer.append(Flags::NONE, b"the last words");
    assert!(writer.commit_quietly());
    assert!(ready.is_empty());
    drop(writer);
    let mut signals = Vec::new();
    ready.drain(|token, what| signals.push((token, what)));
    assert_eq!(signals, [(7, Readiness::READABLE)]);

    let (mut ingest, mut reader) = ingest_pipe(UNLIMITED, None, Some(ready.notifier(8)));
    assert!(reader.set_idle());
    ingest.fill_from(b"\x00\x01a");
    let scanned = ingest.scan(&FrameLimits::default());
    assert!(scanned.reader_was_idle && scanned.stop == Scan::NeedInput);
    drop(ingest);
    let mut signals = Vec::new();
    ready.drain(|token, what| signals.push((token, what)));
    assert_eq!(signals, [(8, Readiness::READABLE)]);
}

#[test]
fn a_mark_lowered_below_what_is_held() {
    const MANY: u64 = if cfg!(miri) { 50 } else { 1000 };
    for (held, mark) in [(5, 1), (5, 2), (5, 3), (1, 1), (MANY, 1), (MANY, MANY - 1)] {
        let room = ReadySet::new();
        let (mut writer, mut reader) = pipe(UNLIMITED, Some(room.notifier(0)), None);
        for _ in 0..held {
            writer.append(Flags::NONE, b"");
            writer.commit();
        }
        writer.set_limits(Limits {
            messages: mark,
            bytes: 0,
        });
        assert!(writer.block());
        while room.is_empty() {
            assert!(reader.next_frame().is_some(), "never signalled");
            reader.release();
        }
        assert!(writer.has_room(), "resumed for nothing: {held} by {mark}");
    }
}

#[test]
fn a_full_pipe_whose_reader_goes() {
    let room = ReadySet::new();
    let one = Limits {
        messages: 1,
        bytes: 1,
    };
    let (mut writer, reader) = pipe(one, Some(room.notifier(0)), None);
    writer.append(Flags::NONE, b"");
    writer.commit();
    assert!(!writer.has_room() && writer.block());
    drop(reader);
    assert!(!room.is_empty());
    assert!(writer.has_room() && !writer.block());
    writer.set_limits(one);
    assert!(writer.has_room() && writer.is_closed());
}

#[test]
fn a_writer_that_does_not_ask_for_room() {
    const MANY: u64 = if cfg!(miri) { 50 } else { 5000 };
    let one = Limits {
        messages: 1,
        bytes: 1,
    };
    let (mut writer, mut reader) = pipe(one, None, None);
    for count in 0..MANY {
        assert_eq!(writer.has_room(), count == 0);
        assert_eq!(writer.pending(), count);
        writer.append(Flags::MORE, &count.to_ne_bytes());
        writer.append_spliced(Flags::NONE, Bytes::from_static(b"end"));
        writer.commit();
    }
    for count in 0..MANY {
        assert_eq!(
            reader.next_frame().unwrap().body.as_slice(),
            count.to_ne_bytes()
        );
        assert_eq!(reader.next_frame().unwrap().body.as_slice(), b"end");
        reader.release();
        assert_eq!(writer.has_room(), count + 1 == MANY);
    }
}

#[test]
fn a_second_notifier() {
    let one = Limits {
        messages: 1,
        bytes: 0,
    };
    for late in [false, true] {
        let mut set = ReadySet::new();
        let first = |token| Some(set.notifier(token)).filter(|_| !late);
        let (mut writer, mut reader) = pipe(one, first(1), first(2));
        for token in [1, 3] {
            writer.set_notifier(set.notifier(token));
            reader.set_notifier(set.notifier(token + 1));
        }
        assert!(reader.set_idle());
        writer.append(Flags::NONE, b"");
        writer.commit();
        assert!(writer.block());
        assert!(reader.next_frame().is_some());
        reader.release();
        let mut tokens = Vec::new();
        set.drain(|token, _| tokens.push(token));
        assert_eq!(tokens, [2, 1]);
    }
}
