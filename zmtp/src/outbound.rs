//! Bytes on their way out.

use alloc::collections::VecDeque;
use core::fmt;

use bytes::{Buf, Bytes, BytesMut};

use crate::framing::MAX_HEADER_LEN;
use crate::header::Flags;
use crate::secret::wiped_bytes;
use crate::{Encoder, Frame, Message};

/// Bodies that are longer than this, in bytes, are handed on as they are instead of being copied.
const COPY_MAX: usize = 8 * 1024;

/// Bytes on their way out, in order: short things gathered in one buffer, long bodies as they are.
#[derive(Default)]
pub(crate) struct Outbound {
    ready: VecDeque<Bytes>,
    /// What comes after all of `ready`.
    tail: BytesMut,
    /// Where frames are encrypted, empty in between.
    scratch: Vec<u8>,
}

impl Outbound {
    pub(crate) fn push_message(&mut self, message: Message, encoder: &mut Encoder) {
        let mut left = message.len();
        if left == 0 {
            return self.push_frame(Flags::NONE, Frame::new(), encoder);
        }
        for frame in message {
            left -= 1;
            let flags = if left > 0 { Flags::MORE } else { Flags::NONE };
            self.push_frame(flags, frame, encoder);
        }
    }

    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
    }

    /// Appends what may be a secret, in a piece of its own that is wiped when it has been sent.
    pub(crate) fn push_secret(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.push_shared(wiped_bytes(bytes.to_vec()));
        }
    }

    /// Appends what `encode` makes.
    pub(crate) fn push_encoded(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        let mut scratch = core::mem::take(&mut self.scratch);
        encode(&mut scratch);
        if scratch.len() <= COPY_MAX {
            self.tail.extend_from_slice(&scratch);
            scratch.clear();
            self.scratch = scratch;
        } else {
            self.push_shared(scratch.into());
        }
    }

    /// The next piece to send.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        self.ready
            .pop_front()
            .or_else(|| (!self.tail.is_empty()).then(|| self.tail.split().freeze()))
    }

    /// How many bytes wait.
    pub(crate) fn len(&self) -> usize {
        self.ready.iter().map(Bytes::len).sum::<usize>() + self.tail.len()
    }

    /// Fills `slices` with the pieces that are next, and returns how many there are.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [&'a [u8]]) -> usize {
        let tail = Some(&self.tail[..]).filter(|tail| !tail.is_empty());
        let pieces = self.ready.iter().map(|piece| &piece[..]).chain(tail);
        let mut filled = 0;
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            *slice = piece;
            filled += 1;
        }
        filled
    }

    /// The first bytes are gone.
    ///
    /// # Panics
    ///
    /// When there are not so many.
    pub(crate) fn advance(&mut self, mut len: usize) {
        while let Some(piece) = self.ready.front_mut() {
            if len < piece.len() {
                return piece.advance(len);
            }
            len -= piece.len();
            self.ready.pop_front();
        }
        assert!(
            len <= self.tail.len(),
            "advanced beyond what there is to send"
        );
        self.tail.advance(len);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.tail.is_empty()
    }

    fn push_frame(&mut self, flags: Flags, frame: Frame, encoder: &mut Encoder) {
        let mut head = [0; MAX_HEADER_LEN];
        let Some(len) = encoder.encode_header(flags, frame.len() as u64, &mut head) else {
            return self.push_encoded(|out| encoder.encode_frame(flags, &frame, out));
        };
        self.tail.extend_from_slice(&head[..len]);
        if frame.len() <= COPY_MAX {
            self.tail.extend_from_slice(&frame);
        } else {
            self.push_shared(frame.into_bytes());
        }
    }

    fn push_shared(&mut self, bytes: Bytes) {
        if !self.tail.is_empty() {
            self.ready.push_back(self.tail.split().freeze());
        }
        self.ready.push_back(bytes);
    }
}

impl fmt::Debug for Outbound {
    /// Shows how much there is and not what, which may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbound({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Version;

    #[test]
    fn a_message_without_frames_is_one_empty_frame() {
        let mut out = Outbound::default();
        out.push_message(Message::new(), &mut Encoder::new(Version::V3_1));
        assert_eq!(out.pop().unwrap(), [0u8, 0][..]);
    }

    #[test]
    fn both_ways_give_the_same_bytes_and_long_bodies_are_not_copied() {
        for version in [Version::V1_0, Version::V2_0, Version::V3_1] {
            let mut encoder = Encoder::new(version);
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
                encoder.encode_message(&message, &mut expected);
                out.push_message(message, &mut encoder);
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

    #[test]
    fn what_is_encoded_elsewhere_keeps_its_place() {
        let mut out = Outbound::default();
        out.push_bytes(b"a");
        out.push_encoded(|buf| buf.extend_from_slice(b"b"));
        out.push_encoded(|buf| buf.resize(COPY_MAX + 1, 7));
        out.push_bytes(b"c");
        let pieces: Vec<_> = std::iter::from_fn(|| out.pop()).collect();
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces[0], b"ab"[..]);
        assert_eq!(pieces[1], vec![7; COPY_MAX + 1]);
        assert_eq!(pieces[2], b"c"[..]);
    }
}
