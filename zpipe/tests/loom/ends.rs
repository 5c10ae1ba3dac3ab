//! How the ends of a pipe begin, wait, change their minds and go: closing, rewinding, notifiers that are
//! set late, and waits that are taken back.

use bytes::Bytes;
use loom::thread;
use zmtp::header::Flags;
use zpipe::{Limits, ReadySet, byte_pipe, pipe};

use crate::{
    model,
    pipe::{UNLIMITED, body, read, read_until, send, take, three_messages_as_bytes},
};

const ONE: Limits = Limits {
    messages: 1,
    bytes: 0,
};

#[test]
fn a_writer_that_goes_wakes_the_idle_byte_reader() {
    model(|| {
        let mut set = ReadySet::new();
        let (mut writer, mut reader) = byte_pipe(UNLIMITED, None, Some(set.notifier(0)));
        let thread = thread::spawn(move || {
            send(&mut writer, 0);
            writer.append(Flags::MORE, &body(9));
        });
        let mut wire = Vec::new();
        while !reader.is_closed() {
            take(&mut reader, &mut wire, usize::MAX);
            if reader.set_idle() {
                assert!(set.wait(None));
                set.drain(|_, _| ());
            }
        }
        assert_eq!(wire.len(), 26, "closed only after the last message");
        thread.join().unwrap();
    });
}

#[test]
fn a_byte_reader_that_goes_in_the_middle_of_a_message() {
    model(|| {
        let handle = Bytes::from(vec![7; 32]);
        let (mut writer, mut reader) = byte_pipe(UNLIMITED, None, None);
        let theirs = handle.clone();
        send(&mut writer, 0);
        let thread = thread::spawn(move || {
            writer.append_spliced(Flags::MORE, theirs.clone());
            writer.append_spliced(Flags::NONE, theirs);
            writer.commit();
            send(&mut writer, 1);
        });
        // Past the first message and, if it is there, into the second one.
        take(&mut reader, &mut Vec::new(), 26 + 40);
        drop(reader);
        thread.join().unwrap();
        assert!(handle.is_unique());
    });
}

#[test]
fn a_message_that_was_taken_in_part_is_taken_again() {
    model(|| {
        three_messages_as_bytes(|reader, wire| {
            // Whole messages stay taken, the part of one comes back.
            wire.truncate(26 * reader.messages_read() as usize);
            reader.rewind();
            assert!(!reader.is_mid_message());
        });
    });
}

#[test]
fn a_writer_whose_reader_is_gone_does_not_wait() {
    model(|| {
        let mut room = ReadySet::new();
        let (mut writer, reader) = pipe(ONE, Some(room.notifier(0)), None);
        send(&mut writer, 0);
        let thread = thread::spawn(move || drop(reader));
        // The signal of the end comes once, and may have come before this end asked for one.
        while writer.block() {
            assert!(room.wait(None));
            room.drain(|_, _| ());
        }
        assert!(writer.is_closed());
        thread.join().unwrap();
    });
}

#[test]
fn a_reader_that_gets_its_notifier_late() {
    model(|| {
        let mut set = ReadySet::new();
        let (mut writer, mut reader) = pipe(UNLIMITED, None, None);
        let thread = thread::spawn(move || {
            send(&mut writer, 0);
            send(&mut writer, 1);
            writer
        });
        // Whoever takes this wish away finds nobody to signal.
        let _ = reader.set_idle();
        reader.set_notifier(set.notifier(0));
        read_until(&mut reader, &mut set, 2);
        drop(thread.join().unwrap());
    });
}

#[test]
fn a_writer_that_gets_its_notifier_late() {
    model(|| {
        let mut room = ReadySet::new();
        let (mut writer, mut reader) = pipe(ONE, None, None);
        send(&mut writer, 0);
        let thread = thread::spawn(move || {
            let _ = writer.block();
            writer.set_notifier(room.notifier(0));
            while !writer.has_room() {
                if writer.block() {
                    assert!(room.wait(None));
                    room.drain(|_, _| ());
                }
            }
            (writer, room)
        });
        read(&mut reader, &mut 0);
        drop(thread.join().unwrap());
    });
}

#[test]
fn a_reader_that_is_busy_again_loses_nothing() {
    model(|| {
        let mut set = ReadySet::new();
        let (mut writer, mut reader) = pipe(UNLIMITED, None, Some(set.notifier(0)));
        let thread = thread::spawn(move || {
            send(&mut writer, 0);
            send(&mut writer, 1);
            writer
        });
        if reader.set_idle() {
            reader.set_busy();
        }
        read_until(&mut reader, &mut set, 2);
        drop(thread.join().unwrap());
    });
}

#[test]
fn a_reader_that_gets_its_notifier_late_and_looks_once() {
    model(|| {
        let mut set = ReadySet::new();
        let (mut writer, mut reader) = pipe(UNLIMITED, None, None);
        let thread = thread::spawn(move || {
            send(&mut writer, 0);
            writer
        });
        // The writer may take the wish away before it has somebody to signal. Then this look finds the message.
        if reader.set_idle() {
            reader.set_notifier(set.notifier(0));
            if !reader.is_readable() {
                assert!(set.wait(None));
            }
        }
        assert!(reader.is_readable());
        drop(thread.join().unwrap());
    });
}

#[test]
fn a_writer_that_gets_its_notifier_late_and_looks_once() {
    model(|| {
        let mut room = ReadySet::new();
        let (mut writer, mut reader) = pipe(ONE, None, None);
        send(&mut writer, 0);
        let thread = thread::spawn(move || {
            if writer.block() {
                writer.set_notifier(room.notifier(0));
                if !writer.has_room() {
                    assert!(room.wait(None));
                }
            }
            assert!(writer.has_room());
            (writer, room)
        });
        read(&mut reader, &mut 0);
        drop(thread.join().unwrap());
    });
}

#[test]
fn an_end_that_gets_its_notifier_while_the_other_one_goes() {
    model(|| {
        let (mut ready, mut room) = (ReadySet::new(), ReadySet::new());
        let (mut kept_writer, gone_reader) = pipe(UNLIMITED, None, None);
        let (gone_writer, mut kept_reader) = pipe(UNLIMITED, None, None);
        let thread = thread::spawn(move || {
            drop(gone_reader);
            drop(gone_writer);
        });
        kept_reader.set_notifier(ready.notifier(0));
        if !kept_reader.is_closed() {
            assert!(ready.wait(None));
        }
        assert!(kept_reader.is_closed());
        kept_writer.set_notifier(room.notifier(0));
        if !kept_writer.is_closed() {
            assert!(room.wait(None));
        }
        assert!(kept_writer.is_closed());
        thread.join().unwrap();
    });
}

#[test]
fn a_wake_up_that_nobody_owes_beside_a_reader_that_goes() {
    model(|| {
        let handle = Bytes::from(vec![7; 32]);
        let (mut writer, mut reader) = pipe(UNLIMITED, None, None);
        writer.append_spliced(Flags::NONE, handle.clone());
        writer.commit();
        let thread = thread::spawn(move || {
            drop(reader.next_frame());
            drop(reader);
        });
        // Throws away what the reader has left, if it sees that the reader is gone.
        writer.wake_reader();
        thread.join().unwrap();
        writer.wake_reader();
        assert!(handle.is_unique());
    });
}
