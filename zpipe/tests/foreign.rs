//! Bodies whose owner looks at the pipe and panics when it is dropped: each is dropped exactly once and
//! after the pipe's own state is in order, the call returns, and the pipe goes on.

#![cfg(not(loom))]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use zmtp::{Message, header::Flags};
use zpipe::{Limits, ReadySet, Writer, byte_pipe, pipe};

const UNLIMITED: Limits = Limits {
    messages: 0,
    bytes: 0,
};

struct Owner {
    dropped: Arc<AtomicUsize>,
    look: Arc<dyn Fn() + Send + Sync>,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        b"a body"
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        (self.look)();
        // Only if that was well.
        self.dropped.fetch_add(1, Ordering::Relaxed);
        // Unwinds without a message, which takes Miri seconds.
        std::panic::resume_unwind(Box::new("on purpose"));
    }
}

/// Makes bodies, and counts how many were dropped.
struct Bodies {
    dropped: Arc<AtomicUsize>,
    look: Arc<dyn Fn() + Send + Sync>,
}

impl Bodies {
    fn new() -> Self {
        Self::that_look(|| ())
    }

    fn that_look(look: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            dropped: Arc::default(),
            look: Arc::new(look),
        }
    }

    fn body(&self) -> Bytes {
        Bytes::from_owner(Owner {
            dropped: Arc::clone(&self.dropped),
            look: Arc::clone(&self.look),
        })
    }

    fn dropped(&self) -> usize {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[test]
fn taking_a_message_back() {
    let bodies = Bodies::new();
    let (mut writer, mut reader) = pipe(UNLIMITED, None, None);
    // One chunk, and then several.
    for frames in [3, 100] {
        for _ in 0..frames {
            writer.append_spliced(Flags::MORE, bodies.body());
        }
        let before = bodies.dropped();
        writer.rollback();
        assert_eq!(bodies.dropped() - before, frames);
        assert!(!writer.is_mid_message());
        writer.append(Flags::NONE, b"next");
        writer.commit();
        assert_eq!(reader.next_frame().unwrap().body.as_slice(), b"next");
    }
    drop((writer, reader));
    assert_eq!(bodies.dropped(), 103);
}

#[test]
fn a_writer_that_goes_in_a_message() {
    let (mut writer, reader) = pipe(UNLIMITED, None, None);
    let reader = Arc::new(Mutex::new(reader));
    let theirs = Arc::clone(&reader);
    let bodies = Bodies::that_look(move || assert!(theirs.lock().unwrap().is_closed()));
    assert!(reader.lock().unwrap().set_idle());
    writer.append_spliced(Flags::MORE, bodies.body());
    writer.append_spliced(Flags::MORE, bodies.body());
    drop(writer);
    assert_eq!(bodies.dropped(), 2);
    drop(reader);
    assert_eq!(bodies.dropped(), 2);
}

#[test]
fn bytes_that_are_sent() {
    // With a gather just before, without one, and message by message.
    for way in 0..3 {
        let room = ReadySet::new();
        let limits = Limits {
            messages: 80,
            bytes: 0,
        };
        let (writer, mut reader) = byte_pipe(limits, Some(room.notifier(0)), None);
        let writer = Arc::new(Mutex::new(writer));
        let theirs = Arc::clone(&writer);
        let most = if way == 2 { 79 } else { 0 };
        let bodies = Bodies::that_look(move || {
            let writer: &mut Writer = &mut theirs.lock().unwrap();
            assert!(writer.pending() <= most, "released before it is dropped");
            assert!(writer.has_room());
        });
        for _ in 0..80 {
            let mut writer = writer.lock().unwrap();
            writer.append_spliced(Flags::NONE, bodies.body());
            writer.commit();
        }
        assert!(writer.lock().unwrap().block());
        let message = 2 + b"a body".len();
        match way {
            0 => {
                let mut slices = Vec::new();
                let total = reader.gather(&mut slices, 1000, usize::MAX);
                assert_eq!(total, 80 * message);
                drop(slices);
                reader.advance(total);
            }
            1 => reader.advance(80 * message),
            _ => (0..80).for_each(|_| reader.advance(message)),
        }
        assert_eq!(bodies.dropped(), 80);
        assert_eq!((reader.messages_read(), reader.pending()), (80, 0));
        assert!(!reader.is_mid_message() && !reader.is_readable());
        assert!(!room.is_empty(), "the writer was told of the room");
        let mut writer = writer.lock().unwrap();
        writer.append(Flags::NONE, b"next");
        writer.commit();
        let mut slices = Vec::new();
        assert_eq!(reader.gather(&mut slices, 10, 1000), 6);
        assert_eq!(&*slices[0], b"\x00\x04next");
    }
}

#[test]
fn a_pipe_that_is_dropped_full() {
    for reader_first in [false, true] {
        let bodies = Bodies::new();
        let (mut writer, reader) = pipe(UNLIMITED, None, None);
        for _ in 0..100 {
            writer.append_spliced(Flags::NONE, bodies.body());
            writer.commit();
        }
        if reader_first {
            drop(reader);
            drop(writer);
        } else {
            drop(writer);
            drop(reader);
        }
        assert_eq!(bodies.dropped(), 100);
    }
}

#[test]
fn messages_for_a_reader_that_is_gone() {
    let bodies = Bodies::new();
    let (mut writer, reader) = pipe(UNLIMITED, None, None);
    for _ in 0..100 {
        writer.append_spliced(Flags::NONE, bodies.body());
        writer.commit();
    }
    drop(reader);
    for number in 101..200 {
        writer.append_spliced(Flags::NONE, bodies.body());
        writer.commit();
        assert_eq!(bodies.dropped(), number);
        assert_eq!(writer.pending(), number as u64);
    }
    drop(writer);
    assert_eq!(bodies.dropped(), 199);
}

#[test]
fn a_message_in_the_place_of_another() {
    let bodies = Bodies::new();
    let (mut writer, mut reader) = pipe(UNLIMITED, None, None);
    for next in ["first", "second"] {
        writer.append_spliced(Flags::MORE, Bytes::from_static(b"1"));
        writer.append(Flags::MORE, b"2");
        writer.append(Flags::NONE, next.as_bytes());
        writer.commit();
    }
    // In the place of frames that come, and behind them.
    let mut message: Message = (0..5).map(|_| bodies.body()).collect();
    for next in ["first", "second"] {
        assert!(reader.read_message(&mut message));
        assert_eq!(bodies.dropped(), 5);
        assert_eq!(message.len(), 3);
        assert_eq!(message[2], next);
    }
    assert_eq!(writer.pending(), 0);
}
