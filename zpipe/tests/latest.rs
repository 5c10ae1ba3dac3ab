//! Slots, as one thread and as two see them.

#![cfg(not(loom))]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use bytes::Bytes;
use zmtp::Message;
use zpipe::{Keep, LatestReader, Readiness, ReadySet, deferred::Scope, latest};

const KEEPS: [Keep; 2] = [Keep::Last, Keep::LastPerTopic(8)];

fn taken(reader: &mut LatestReader) -> Vec<Message> {
    let mut all = Vec::new();
    let mut message = Message::new();
    while reader.take(&mut message) {
        all.push(message.clone());
    }
    all
}

#[test]
fn a_message_is_replaced_whole() {
    for keep in KEEPS {
        let (mut writer, mut reader) = latest(keep, None, None);
        let long: Message = ["a", "long", "one"].into();
        let short: Message = ["a", "b"].into();
        for message in [&long, &short, &long] {
            writer.put(&mut message.clone());
        }
        assert_eq!(
            (writer.pending(), reader.pending(), writer.replaced()),
            (1, 1, 2)
        );
        assert_eq!(taken(&mut reader), std::slice::from_ref(&long));
        writer.put(&mut short.clone());
        assert_eq!(taken(&mut reader), [short]);
        assert_eq!((writer.pending(), writer.replaced()), (0, 2));
    }
}

#[test]
fn topics_are_bounded() {
    let (mut writer, mut reader) = latest(Keep::LastPerTopic(3), None, None);
    for topic in ["a", "b", "c", "a", "d"] {
        writer.put(&mut topic.into());
    }
    assert_eq!((writer.replaced(), writer.crowded_out()), (1, 1));
    assert_eq!(taken(&mut reader), ["b", "c", "d"].map(Message::from));
    // A message without frames has the empty topic.
    writer.put(&mut Message::new());
    writer.put(&mut "".into());
    assert_eq!(reader.pending(), 1);
}

#[test]
fn only_an_idle_reader_is_signalled_and_once() {
    for keep in KEEPS {
        let mut set = ReadySet::new();
        let (mut writer, mut reader) = latest(keep, None, Some(set.notifier(7)));
        writer.put(&mut "a".into());
        assert!(set.is_empty());
        assert!(!reader.set_idle());
        taken(&mut reader);
        assert!(reader.set_idle());
        assert!(writer.put_quietly(&mut "b".into()));
        assert!(!writer.put_quietly(&mut "c".into()));
        assert!(set.is_empty());
        writer.wake_reader();
        let mut signals = Vec::new();
        set.drain(|token, what| signals.push((token, what)));
        assert_eq!(signals, [(7, Readiness::READABLE)]);
        taken(&mut reader);
        assert!(reader.set_idle());
        reader.set_busy();
        assert!(!writer.put_quietly(&mut "d".into()));
    }
}

#[test]
fn each_end_learns_that_the_other_is_gone() {
    for keep in KEEPS {
        let mut set = ReadySet::new();
        let (mut writer, mut reader) = latest(keep, Some(set.notifier(1)), Some(set.notifier(2)));
        writer.put(&mut "left".into());
        assert_eq!(reader.left_bytes(), None);
        let bytes = writer.pending_bytes();
        assert!(bytes > 4);
        drop(writer);
        set.drain(|token, what| assert_eq!((token, what), (2, Readiness::READABLE)));
        assert!(!reader.is_closed());
        assert_eq!(reader.left_bytes(), Some(bytes));
        assert_eq!(taken(&mut reader), [Message::from("left")]);
        assert!(reader.is_closed() && !reader.set_idle());
        assert_eq!(reader.left_bytes(), Some(0));

        let (mut writer, reader) = latest(keep, Some(set.notifier(1)), None);
        writer.put(&mut "lost".into());
        assert!(!writer.is_closed());
        drop(reader);
        set.drain(|token, what| assert_eq!((token, what), (1, Readiness::WRITABLE)));
        assert!(writer.is_closed());
        assert_eq!(writer.pending(), 1);
    }
}

/// A body that counts how often it is dropped.
struct Counted(Arc<AtomicU32>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        b"counted"
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn bodies_are_dropped_as_foreign_code_when_all_is_done() {
    for keep in KEEPS {
        let dropped = Arc::new(AtomicU32::new(0));
        let count = || dropped.load(Ordering::Relaxed);
        let body = || Message::from(Bytes::from_owner(Counted(Arc::clone(&dropped))));
        let (mut writer, mut reader) = latest(keep, None, None);
        writer.put(&mut body());
        let scope = Scope::open();
        writer.put(&mut body());
        assert_eq!(count(), 0, "in a scope");
        scope.close();
        assert_eq!(count(), 1);
        // What the caller's message held before, too.
        let mut message = Message::new();
        assert!(reader.take(&mut message));
        writer.put(&mut body());
        assert!(reader.take(&mut message));
        assert_eq!(count(), 2);
        drop(message);
        writer.put(&mut body());
        drop((writer, reader));
        assert_eq!(count(), 4);
    }
}

#[test]
fn a_thread_that_waits_gets_the_last_of_each_burst() {
    const BURSTS: u32 = if cfg!(miri) { 20 } else { 2000 };
    const BURST: u32 = if cfg!(miri) { 5 } else { 50 };
    for keep in KEEPS {
        let mut set = ReadySet::new();
        let (mut writer, mut reader) = latest(keep, None, Some(set.notifier(0)));
        let (answers, answered) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            for number in 1..=BURSTS {
                for step in 0..BURST {
                    let value = (number * BURST + step).to_string();
                    writer.put(&mut Message::from(["topic", &value, &value]));
                }
                // The last of the burst arrives although nothing follows.
                let last = number * BURST + BURST - 1;
                while answered.recv().unwrap() != last {}
            }
            writer.replaced()
        });
        let (mut message, mut before, mut read) = (Message::new(), 0, 0);
        while !reader.is_closed() {
            while reader.take(&mut message) {
                assert_eq!(message[1], message[2]);
                let value: u32 = message[1].as_str().unwrap().parse().unwrap();
                assert!(value > before);
                (before, read) = (value, read + 1);
                let _ = answers.send(value);
            }
            if reader.set_idle() {
                set.wait(None);
                set.drain(|_, _| ());
            }
        }
        let replaced = thread.join().unwrap();
        assert_eq!(replaced + read, u64::from(BURSTS * BURST));
    }
}
