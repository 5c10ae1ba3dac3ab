//! A message that is encoded once and written to many pipes.

use zmtp::{
    Message,
    header::{self, Flags},
};

/// The frames of one message as they lie in a pipe, in memory that is used again for the next message; see
/// [`Writer::append_encoded`](crate::Writer::append_encoded).
#[derive(Debug)]
pub struct Encoded {
    bytes: Vec<u8>,
}

/// The largest message, in bytes as framed. It has to fit into a chunk; and a larger one takes so long to copy that
/// its headers do not matter.
pub(crate) const MAX: usize = if cfg!(loom) { 128 } else { 16 * 1024 };

impl Default for Encoded {
    /// An empty message.
    fn default() -> Self {
        let mut encoded = Self { bytes: Vec::new() };
        encoded.push(Flags::NONE, &[]);
        encoded
    }
}

impl Encoded {
    /// Encodes another message. `false` if it is larger than 16 KiB: then this is an empty message.
    pub fn set(&mut self, message: &Message) -> bool {
        self.bytes.clear();
        let Some((last, parts)) = message.frames().split_last() else {
            self.push(Flags::NONE, &[]);
            return true;
        };
        let frames = message.frames().iter();
        let size: usize = frames.map(|frame| header::MAX_LEN + frame.len()).sum();
        if size > MAX {
            self.push(Flags::NONE, &[]);
            return false;
        }
        for part in parts {
            self.push(Flags::MORE, part);
        }
        self.push(Flags::NONE, last);
        true
    }

    fn push(&mut self, flags: Flags, body: &[u8]) {
        let mut front = [0; header::MAX_LEN];
        let len = header::encode(flags, body.len() as u64, &mut front);
        self.bytes.extend_from_slice(&front[..len]);
        self.bytes.extend_from_slice(body);
    }

    /// Whole frames, the last of them without `MORE`.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{Limits, pipe};

    #[test]
    fn it_is_the_message_as_its_frames_would_have_been_appended() {
        let long = "long".repeat(1000);
        let mut encoded = Encoded::default();
        for frames in [vec![], vec![""], vec!["a"], vec!["a", "", &long, "z"]] {
            let message: Message = frames.iter().copied().collect();
            assert!(encoded.set(&message));
            let (mut writer, mut reader) = pipe(Limits::default(), None, None);
            for _ in 0..100 {
                writer.append_encoded(&encoded);
                writer.commit();
            }
            let by_frames = {
                let (mut writer, _reader) = pipe(Limits::default(), None, None);
                writer.append_copy(&message);
                writer.commit();
                writer.written_bytes()
            };
            assert_eq!(writer.written_bytes(), 100 * by_frames);
            let mut read = Message::new();
            for _ in 0..100 {
                assert!(reader.read_message(&mut read));
                assert_eq!(read.len(), message.len().max(1));
                assert!(read.iter().zip(&message).all(|(a, b)| a == b));
            }
            assert!(!reader.read_message(&mut read));
        }
    }

    #[test]
    fn a_large_message_is_not_encoded() {
        let mut encoded = Encoded::default();
        assert!(!encoded.set(&Message::from(vec![7; MAX])));
        assert_eq!(encoded.bytes(), [0, 0]);
        assert!(encoded.set(&Message::from("small")));
        assert_eq!(encoded.bytes(), b"\x00\x05small");
    }
}
