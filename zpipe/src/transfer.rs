//! Messages that go from one pipe to another as they lie there.

use zmtp::header::{self, Flags};

use crate::{Reader, Writer, encoded};

/// What [`transfer`] has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "the reader of the other pipe may have to be woken"]
pub struct Transferred {
    /// Whole messages.
    pub messages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Means the same as the result of [`Writer::commit_quietly`]: `true` obliges the caller to wake the reader of the other
    /// pipe.
    pub is_reader_idle: bool,
}

/// Moves whole messages from one pipe to another: in one copy, with one commit for all, and without taking them apart. That is
/// what makes a forwarder fast: of each message only the headers are looked at.
///
/// Moves at most `most` messages, none behind the one with which their bodies have `most_bytes`, and no more than there is room
/// for. Each has to be wanted: `is_wanted` is told its first frame,
/// and whether that is the only one. It stops at the first message that is not, at one which does not lie in one piece of
/// memory: its body is large, or it goes on in another chunk; and at one whose peer has not framed it as this crate does: with
/// reserved flags, or the long form for a short body. So it may move nothing although the pipe is readable; then
/// [read](Reader::read_message) the next message. Of a writer with an open message it moves nothing.
///
/// What was moved still has to be [released](Reader::release).
///
/// # Examples
///
/// ```
/// use zmtp::Message;
/// use zpipe::{Limits, pipe, transfer};
///
/// let (mut first, mut from) = pipe(Limits::default(), None, None);
/// let (mut to, mut last) = pipe(Limits::default(), None, None);
/// for word in ["here", "or", "there"] {
///     first.write_message(&mut Message::from(word));
/// }
/// let moved = transfer(&mut from, &mut to, 10, u64::MAX, |first, _| first != b"there");
/// assert_eq!((moved.messages, moved.bytes), (2, 6));
/// from.release();
/// assert_eq!(last.next_frame().unwrap().body.as_slice(), b"here");
/// assert_eq!(from.next_frame().unwrap().body.as_slice(), b"there");
/// ```
pub fn transfer(
    from: &mut Reader,
    to: &mut Writer,
    most: u64,
    most_bytes: u64,
    is_wanted: impl FnMut(&[u8], bool) -> bool,
) -> Transferred {
    if to.is_mid_message() {
        return Transferred::default();
    }
    let rope = &mut to.rope;
    let most = Most {
        messages: most.min(rope.room()),
        bytes: rope.byte_room(),
        bodies: most_bytes,
    };
    let run = from.run(most, is_wanted);
    if run.messages == 0 {
        return Transferred::default();
    }
    let (messages, bytes) = (run.messages, run.bodies);
    rope.append_encoded(run.frames);
    let len = run.frames.len() as u64;
    rope.commit_at(rope.off, rope.splices, messages, len);
    let done = Transferred {
        messages,
        bytes,
        is_reader_idle: rope.reader_was_idle(),
    };
    from.pass(messages, len);
    done
}

/// How much a [`Run`] may have. The message that reaches a number of bytes is its last.
#[derive(Clone, Copy)]
pub(crate) struct Most {
    messages: u64,
    /// As framed.
    bytes: u64,
    /// Of bodies alone.
    bodies: u64,
}

/// Whole messages in a row.
pub(crate) struct Run<'a> {
    pub(crate) frames: &'a [u8],
    pub(crate) messages: u64,
    /// Bytes of the bodies alone.
    pub(crate) bodies: u64,
}

impl<'a> Run<'a> {
    /// The messages at the beginning of `bytes`, up to the first that is not wanted or not whole.
    #[inline]
    pub(crate) fn find(
        bytes: &'a [u8],
        most: Most,
        mut is_wanted: impl FnMut(&[u8], bool) -> bool,
    ) -> Self {
        let bytes = &bytes[..bytes.len().min(encoded::MAX)];
        let (mut at, mut messages, mut bodies) = (0, 0, 0);
        while messages < most.messages
            && (at as u64) < most.bytes
            && bodies < most.bodies
            && let Some(message) = Whole::first_of(&bytes[at..])
            && is_wanted(message.first, message.is_single)
        {
            at += message.len;
            messages += 1;
            bodies += message.bodies;
        }
        Self {
            frames: &bytes[..at],
            messages,
            bodies,
        }
    }
}

/// One message.
struct Whole<'a> {
    first: &'a [u8],
    is_single: bool,
    len: usize,
    bodies: u64,
}

impl<'a> Whole<'a> {
    /// `None` if its last frame is not here.
    #[inline]
    fn first_of(bytes: &'a [u8]) -> Option<Self> {
        let mut first = None;
        let (mut at, mut bodies) = (0, 0);
        loop {
            let (header, header_len) = header::decode(&bytes[at..]).ok()??;
            let is_long = header.size > header::MAX_SHORT_SIZE;
            let framed = if is_long { Flags::LONG } else { Flags::NONE };
            // What others get is as this crate would frame it. Nor is a command part of a message.
            if bytes[at] & !Flags::MORE.bits() != framed.bits() {
                return None;
            }
            let body_at = at + header_len;
            let body = bytes[body_at..].get(..usize::try_from(header.size).ok()?)?;
            at = body_at + body.len();
            bodies += header.size;
            let is_single = first.is_none();
            let first = *first.get_or_insert(body);
            if !header.flags.is_more() {
                return Some(Self {
                    first,
                    is_single,
                    len: at,
                    bodies,
                });
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use bytes::Bytes;
    use zmtp::{Flags, Message};

    use super::*;
    use crate::{Limits, pipe};

    fn limits(messages: u64, bytes: u64) -> Limits {
        Limits { messages, bytes }
    }

    #[test]
    fn what_was_moved_is_what_was_written() {
        let (mut first, mut from) = pipe(Limits::default(), None, None);
        let (mut to, mut last) = pipe(Limits::default(), None, None);
        let message = |i: usize| -> Message {
            let parts = (0..1 + i % 3).map(|part| vec![i as u8; (i * 37 + part) % 400]);
            parts.collect()
        };
        let (mut moved, mut read) = (0, Message::new());
        for round in 0..100 {
            (round * 10..(round + 1) * 10).for_each(|i| first.write_message(&mut message(i)));
            while from.is_readable() {
                let done = transfer(&mut from, &mut to, 7, u64::MAX, |_, _| true);
                if done.messages == 0 {
                    assert!(from.read_message(&mut read));
                    to.write_message(&mut read);
                    moved += 1;
                }
                moved += done.messages as usize;
                from.release();
            }
            assert_eq!(moved, (round + 1) * 10, "released and moved");
            assert_eq!(first.pending(), 0);
        }
        for i in 0..1000 {
            assert!(last.read_message(&mut read));
            assert_eq!(read, message(i));
        }
        assert!(!last.is_readable());
        assert_eq!(last.bytes_read(), to.written_bytes());
    }

    #[test]
    fn it_keeps_the_marks() {
        let (mut first, mut from) = pipe(Limits::default(), None, None);
        (0..10).for_each(|_| first.write_message(&mut Message::from("12345678")));
        let (mut to, mut last) = pipe(limits(3, 0), None, None);
        assert_eq!(
            transfer(&mut from, &mut to, 10, u64::MAX, |_, _| true).messages,
            3
        );
        assert!(!to.has_room());
        assert_eq!(
            transfer(&mut from, &mut to, 10, u64::MAX, |_, _| true).messages,
            0
        );
        assert!(last.read_message(&mut Message::new()));
        assert_eq!(
            transfer(&mut from, &mut to, 10, u64::MAX, |_, _| true).messages,
            1
        );
        // The message that passes the mark of bytes is the last one.
        let (mut to, _last) = pipe(limits(0, 15), None, None);
        assert_eq!(
            transfer(&mut from, &mut to, 10, u64::MAX, |_, _| true).messages,
            2
        );
        assert_eq!(
            transfer(&mut from, &mut to, 10, u64::MAX, |_, _| true).messages,
            0
        );
        assert_eq!(from.messages_read(), 6);
        // So is the one with which there are enough bytes of bodies.
        let (mut to, _last) = pipe(limits(0, 0), None, None);
        assert_eq!(transfer(&mut from, &mut to, 10, 9, |_, _| true).messages, 2);
    }

    #[test]
    fn an_idle_reader_is_to_be_woken() {
        let (mut first, mut from) = pipe(Limits::default(), None, None);
        let (mut to, mut last) = pipe(Limits::default(), None, None);
        first.write_message(&mut Message::from("a"));
        assert!(last.set_idle());
        assert!(transfer(&mut from, &mut to, 1, u64::MAX, |_, _| true).is_reader_idle);
        first.write_message(&mut Message::from("b"));
        assert!(!transfer(&mut from, &mut to, 1, u64::MAX, |_, _| true).is_reader_idle);
    }

    #[test]
    fn what_is_not_in_one_piece_stays() {
        let (mut first, mut from) = pipe(Limits::default(), None, None);
        let (mut to, _last) = pipe(Limits::default(), None, None);
        first.write_message(&mut Message::from("small"));
        first.append(Flags::MORE, b"head");
        first.append_spliced(Flags::NONE, Bytes::from_static(b"large"));
        first.commit();
        first.append_spliced(Flags::NONE, Bytes::new());
        first.commit();
        first.write_message(&mut Message::from("small"));
        assert_eq!(
            transfer(&mut from, &mut to, 9, u64::MAX, |_, _| true).messages,
            1
        );
        assert_eq!(
            transfer(&mut from, &mut to, 9, u64::MAX, |_, _| true).messages,
            0
        );
        let mut message = Message::new();
        assert!(from.read_message(&mut message));
        assert_eq!(message, Message::from(["head", "large"]));
        assert_eq!(
            transfer(&mut from, &mut to, 9, u64::MAX, |_, _| true).messages,
            0
        );
        assert!(from.read_message(&mut message));
        assert_eq!(message, Message::from(""));
        assert_eq!(
            transfer(&mut from, &mut to, 9, u64::MAX, |_, _| true).messages,
            1
        );
    }

    #[test]
    fn what_is_not_framed_as_here_stays() {
        let all = |bytes: &[u8]| {
            let most = Most {
                messages: 9,
                bytes: 99,
                bodies: 99,
            };
            Run::find(bytes, most, |_, _| true).messages
        };
        assert_eq!(all(b"\x00\x01q"), 1);
        assert_eq!(all(b"\x01\x01q\x00\x01q"), 1);
        assert_eq!(all(b"\xf8\x01q"), 0, "reserved flags");
        assert_eq!(all(b"\x01\x01q\x08\x01q"), 0);
        assert_eq!(all(b"\x02\0\0\0\0\0\0\0\x01q"), 0, "the long form");
        assert_eq!(all(b"\x04\x01q"), 0, "a command");
        assert_eq!(all(b"\x00\x02q"), 0, "a part");
    }

    #[test]
    fn a_message_that_was_begun_is_not_mixed_up_with_others() {
        let (mut first, mut from) = pipe(Limits::default(), None, None);
        let (mut to, _last) = pipe(Limits::default(), None, None);
        first.write_message(&mut Message::from("a"));
        to.append(Flags::MORE, b"begun");
        assert_eq!(
            transfer(&mut from, &mut to, 1, u64::MAX, |_, _| true),
            Transferred::default()
        );
    }
}
