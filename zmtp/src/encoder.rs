//! Puts traffic together: messages in, bytes out.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::header::{self, Flags};
use crate::{Frame, Message};

/// Bodies that are longer than this, in bytes, are handed on as they are instead of being copied.
const COPY_MAX: usize = 8 * 1024;

/// Appends a message to `out` as it travels in ZMTP 2.0 to 3.1. A message without frames becomes
/// one empty frame.
///
/// # Examples
///
/// ```
/// use zmtp::{Message, encode_message};
///
/// let mut wire = Vec::new();
/// encode_message(&Message::from(["a", "bc"]), &mut wire);
/// assert_eq!(wire, b"\x01\x01a\x00\x02bc");
/// ```
pub fn encode_message(message: &Message, out: &mut Vec<u8>) {
    out.reserve(message.byte_len() + message.len() * header::MAX_LEN);
    let Some((last, others)) = message.frames().split_last() else {
        return encode_frame(Flags::NONE, &[], out);
    };
    for frame in others {
        encode_frame(Flags::MORE, frame, out);
    }
    encode_frame(Flags::NONE, last, out);
}

/// Appends one frame to `out` as it travels in ZMTP 2.0 to 3.1.
pub fn encode_frame(flags: Flags, body: &[u8], out: &mut Vec<u8>) {
    let mut head = [0; header::MAX_LEN];
    let len = header::encode(flags, body.len() as u64, &mut head);
    out.extend_from_slice(&head[..len]);
    out.extend_from_slice(body);
}

/// Bytes on their way out, in order: short things gathered in one buffer, long bodies as they are.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    ready: VecDeque<Bytes>,
    /// What comes after all of `ready`.
    tail: BytesMut,
}

impl Outbound {
    pub(crate) fn push_message(&mut self, message: Message) {
        let mut left = message.len();
        if left == 0 {
            return self.push_frame(Flags::NONE, Frame::new());
        }
        for frame in message {
            left -= 1;
            self.push_frame(if left > 0 { Flags::MORE } else { Flags::NONE }, frame);
        }
    }

    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
    }

    /// The next piece to send.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        self.ready
            .pop_front()
            .or_else(|| (!self.tail.is_empty()).then(|| self.tail.split().freeze()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.tail.is_empty()
    }

    fn push_frame(&mut self, flags: Flags, frame: Frame) {
        let mut head = [0; header::MAX_LEN];
        let len = header::encode(flags, frame.len() as u64, &mut head);
        self.tail.extend_from_slice(&head[..len]);
        if frame.len() <= COPY_MAX {
            self.tail.extend_from_slice(&frame);
        } else {
            self.ready.push_back(self.tail.split().freeze());
            self.ready.push_back(frame.into_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_without_frames_is_one_empty_frame() {
        let mut wire = Vec::new();
        encode_message(&Message::new(), &mut wire);
        assert_eq!(wire, [0, 0]);
        let mut out = Outbound::default();
        out.push_message(Message::new());
        assert_eq!(out.pop().unwrap(), [0u8, 0][..]);
    }

    #[test]
    fn both_ways_give_the_same_bytes_and_long_bodies_are_not_copied() {
        let long = vec![5; COPY_MAX + 1];
        let address = long.as_ptr();
        let messages = [
            Message::from(["a", ""]),
            Message::from([vec![1; 256], long, vec![2; COPY_MAX]]),
            Message::from("z"),
        ];
        let mut expected = Vec::new();
        let mut out = Outbound::default();
        for message in messages {
            encode_message(&message, &mut expected);
            out.push_message(message);
        }
        let mut sent = Vec::new();
        let mut shared = false;
        while let Some(piece) = out.pop() {
            shared |= piece.as_ptr() == address;
            sent.extend_from_slice(&piece);
        }
        assert!(out.is_empty());
        assert_eq!(sent, expected);
        assert!(shared);
    }
}
