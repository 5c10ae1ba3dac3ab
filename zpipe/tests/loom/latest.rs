//! Slots: what was put last is read, whole, and whoever waits for it is woken.

use bytes::Bytes;
use loom::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};
use zmtp::Message;
use zpipe::{Keep, LatestReader, LatestWriter, ReadySet, latest};

use crate::model;

const KEEPS: [Keep; 2] = [Keep::Last, Keep::LastPerTopic(1)];

/// A message of two frames that belong together.
fn update(topic: u8, value: u8) -> Message {
    Message::from([vec![topic], vec![value]])
}

fn put(writer: &mut LatestWriter, topic: u8, value: u8) {
    writer.put(&mut update(topic, value));
}

/// Takes a message of this topic, if there is one.
fn take(reader: &mut LatestReader, topic: u8) -> Option<u8> {
    let mut message = Message::new();
    reader.take(&mut message).then(|| {
        assert_eq!(message.len(), 2);
        assert_eq!(message[0].as_slice(), [topic]);
        message[1][0]
    })
}

/// Waits for a signal if there is nothing, and takes what there is then.
fn next(reader: &mut LatestReader, set: &mut ReadySet, topic: u8) -> Option<u8> {
    loop {
        if let Some(value) = take(reader, topic) {
            return Some(value);
        }
        if reader.is_closed() {
            return None;
        }
        if reader.set_idle() {
            assert!(set.wait(None));
            set.drain(|_, _| ());
        }
    }
}

/// The reader, who sleeps in between, sees values that ascend up to the last one, and that the writer is gone.
fn the_last_value_is_never_missed(keep: Keep) {
    let mut set = ReadySet::new();
    let (mut writer, mut reader) = latest(keep, None, Some(set.notifier(0)));
    let thread = thread::spawn(move || {
        put(&mut writer, 0, 1);
        put(&mut writer, 0, 2);
        assert!(writer.replaced() <= 1);
    });
    let mut seen = Vec::new();
    while let Some(value) = next(&mut reader, &mut set, 0) {
        seen.push(value);
    }
    assert!(seen == [1, 2] || seen == [2], "{seen:?}");
    thread.join().unwrap();
}

#[test]
fn the_last_value_is_never_missed_of_one_slot() {
    model(|| the_last_value_is_never_missed(Keep::Last));
}

#[test]
fn the_last_value_is_never_missed_of_a_topic() {
    model(|| the_last_value_is_never_missed(Keep::LastPerTopic(1)));
}

#[test]
fn the_last_value_comes_although_the_writer_stays() {
    for keep in KEEPS {
        model(move || {
            let mut set = ReadySet::new();
            let (mut writer, mut reader) = latest(keep, None, Some(set.notifier(0)));
            let thread = thread::spawn(move || {
                put(&mut writer, 0, 1);
                put(&mut writer, 0, 2);
                writer
            });
            while next(&mut reader, &mut set, 0) != Some(2) {}
            let writer = thread.join().unwrap();
            assert_eq!(writer.pending(), 0);
        });
    }
}

#[test]
fn each_topic_has_its_last_value() {
    model(|| {
        let mut set = ReadySet::new();
        let (mut writer, mut reader) = latest(Keep::LastPerTopic(2), None, Some(set.notifier(0)));
        let thread = thread::spawn(move || {
            for (topic, value) in [(1, 1), (2, 1), (1, 2)] {
                put(&mut writer, topic, value);
            }
        });
        let (mut last, mut message) = ([0; 3], Message::new());
        loop {
            if reader.take(&mut message) {
                let (topic, value) = (message[0][0], message[1][0]);
                assert!(value > last[usize::from(topic)]);
                last[usize::from(topic)] = value;
            } else if reader.is_closed() {
                break;
            } else if reader.set_idle() {
                assert!(set.wait(None));
                set.drain(|_, _| ());
            }
        }
        assert_eq!(last, [0, 2, 1]);
        thread.join().unwrap();
    });
}

#[test]
fn every_body_is_dropped_once() {
    for keep in KEEPS {
        model(move || {
            let body = Bytes::from(vec![7; 64]);
            let (mut writer, mut reader) = latest(keep, None, None);
            let theirs = body.clone();
            let thread = thread::spawn(move || {
                for _ in 0..2 {
                    writer.put(&mut Message::from(theirs.clone()));
                }
            });
            let mut message = Message::new();
            reader.take(&mut message);
            drop(reader);
            thread.join().unwrap();
            drop(message);
            assert!(body.is_unique());
        });
    }
}

#[test]
fn a_reader_that_goes_signals_the_writer() {
    model(|| {
        let mut set = ReadySet::new();
        let (writer, reader) = latest(Keep::Last, Some(set.notifier(0)), None);
        let noted = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&noted);
        let thread = thread::spawn(move || {
            theirs.store(1, Ordering::Relaxed);
            drop(reader);
        });
        if writer.is_closed() {
            // What the reader has written down before it went can be read now.
            assert_eq!(noted.load(Ordering::Relaxed), 1);
        }
        assert!(set.wait(None));
        assert!(writer.is_closed());
        thread.join().unwrap();
    });
}

#[test]
fn notifiers_that_come_late() {
    model(|| {
        let mut set = ReadySet::new();
        let (mut writer, mut reader) = latest(Keep::Last, None, None);
        let thread = thread::spawn(move || put(&mut writer, 0, 1));
        // Whoever takes this wish away finds nobody to signal.
        let _ = reader.set_idle();
        reader.set_notifier(set.notifier(0));
        assert_eq!(next(&mut reader, &mut set, 0), Some(1));
        assert_eq!(next(&mut reader, &mut set, 0), None);
        thread.join().unwrap();
    });
    model(|| {
        let mut set = ReadySet::new();
        let (mut writer, reader) = latest(Keep::Last, None, None);
        let thread = thread::spawn(move || drop(reader));
        writer.set_notifier(set.notifier(0));
        while !writer.is_closed() {
            assert!(set.wait(None));
            set.drain(|_, _| ());
        }
        thread.join().unwrap();
    });
}

#[test]
fn a_reader_that_gets_its_notifier_while_the_writer_goes() {
    model(|| {
        let mut set = ReadySet::new();
        let (writer, mut reader) = latest(Keep::Last, None, None);
        let thread = thread::spawn(move || drop(writer));
        reader.set_notifier(set.notifier(0));
        if !reader.is_closed() {
            assert!(set.wait(None));
        }
        assert!(reader.is_closed());
        thread.join().unwrap();
    });
}

#[test]
fn what_a_writer_has_left_is_known_when_it_is_gone() {
    model(|| {
        let (mut writer, reader) = latest(Keep::Last, None, None);
        let thread = thread::spawn(move || put(&mut writer, 0, 1));
        if let Some(bytes) = reader.left_bytes() {
            assert!(bytes >= 4, "{bytes}");
        }
        thread.join().unwrap();
    });
}
