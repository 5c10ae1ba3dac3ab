//! Which frames a connection uses.

use alloc::vec::Vec;
use core::fmt;

use crate::header::{self, Flags, FrameHeader};
use crate::secret::WipedBuf;
use crate::{Error, Version, v1};

/// The longest header of any framing, in bytes.
pub(crate) const MAX_HEADER_LEN: usize = v1::MAX_LEN;

/// How frames are delimited, and whether there are commands among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// The frames of ZMTP 1.0.
    V1,
    /// The frames of ZMTP 2.0 to 3.1, in a version without commands.
    V2WithoutCommands,
    /// The frames of ZMTP 2.0 to 3.1, commands included.
    V2,
}

impl Framing {
    /// The framing of a version.
    pub(crate) const fn of(version: Version) -> Self {
        match version.major {
            ..=1 => Self::V1,
            2 => Self::V2WithoutCommands,
            _ => Self::V2,
        }
    }

    pub(crate) const fn has_commands(self) -> bool {
        matches!(self, Self::V2)
    }

    /// Reads the header at the start of `input`, with its length in bytes.
    #[inline]
    pub(crate) fn decode(self, input: &[u8]) -> Result<Option<(FrameHeader, usize)>, Error> {
        match self {
            Self::V1 => v1::decode(input),
            Self::V2 | Self::V2WithoutCommands => header::decode(input),
        }
    }

    /// Appends one frame.
    pub(crate) fn encode(self, flags: Flags, body: &[u8], out: &mut Vec<u8>) {
        let mut head = [0; MAX_HEADER_LEN];
        let len = self.encode_header(flags, body.len() as u64, &mut head);
        out.extend_from_slice(&head[..len]);
        out.extend_from_slice(body);
    }

    /// Writes a header and returns its length in bytes.
    #[inline]
    pub(crate) fn encode_header(
        self,
        flags: Flags,
        size: u64,
        out: &mut [u8; MAX_HEADER_LEN],
    ) -> usize {
        match self {
            Self::V1 => v1::encode(flags, size, out),
            Self::V2 | Self::V2WithoutCommands => {
                let mut head = [0; header::MAX_LEN];
                let len = header::encode(flags, size, &mut head);
                out[..header::MAX_LEN].copy_from_slice(&head);
                len
            }
        }
    }
}

/// Collects one frame of a handshake, whose body grows as it arrives, whatever size was announced.
pub(crate) struct FrameBuffer {
    framing: Framing,
    head: [u8; MAX_HEADER_LEN],
    head_len: usize,
    header: Option<FrameHeader>,
    /// May hold a password.
    body: WipedBuf,
}

impl FrameBuffer {
    pub(crate) const fn new(framing: Framing) -> Self {
        Self {
            framing,
            head: [0; MAX_HEADER_LEN],
            head_len: 0,
            header: None,
            body: WipedBuf::new(),
        }
    }

    /// Consumes input up to the end of the frame, and returns how much that was and whether the
    /// frame is complete. `check` judges the header and its byte of flags as soon as they are known; a size that passes has to be
    /// addressable. No more than `up_to` bytes of the body are consumed and stored, all calls
    /// together.
    pub(crate) fn fill(
        &mut self,
        input: &[u8],
        up_to: usize,
        check: impl FnOnce(FrameHeader, u8) -> Result<(), Error>,
    ) -> Result<(usize, bool), Error> {
        let mut used = 0;
        let header = match self.header {
            Some(header) => header,
            None => loop {
                let Some(byte) = input.get(used) else {
                    return Ok((used, false));
                };
                self.head[self.head_len] = *byte;
                self.head_len += 1;
                used += 1;
                if let Some((header, _)) = self.framing.decode(&self.head[..self.head_len])? {
                    check(header, self.flags_byte())?;
                    self.header = Some(header);
                    break header;
                }
            },
        };
        let size = header.size as usize;
        let missing = size.min(up_to).saturating_sub(self.body.len());
        let body = &input[used..];
        let body = &body[..body.len().min(missing)];
        self.body.extend_from_slice(body);
        Ok((used + body.len(), self.body.len() == size))
    }

    /// The flags of a complete header as they came. Those of a long one of ZMTP 1.0 count as none:
    /// the byte is where a greeting has the end of its signature.
    fn flags_byte(&self) -> u8 {
        match (self.framing, self.head_len) {
            (Framing::V1, 2) => self.head[1],
            (Framing::V1, _) => 0,
            (Framing::V2 | Framing::V2WithoutCommands, _) => self.head[0],
        }
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Starts the next frame.
    pub(crate) fn clear(&mut self) {
        self.head_len = 0;
        self.header = None;
        self.body.clear();
    }
}

impl fmt::Debug for FrameBuffer {
    /// Shows how much has arrived and not what, which may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrameBuffer({} bytes)", self.head_len + self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_their_framing() {
        assert_eq!(Framing::of(Version::V1_0), Framing::V1);
        assert_eq!(Framing::of(Version::V2_0), Framing::V2WithoutCommands);
        assert_eq!(Framing::of(Version::V3_0), Framing::V2);
        assert_eq!(Framing::of(Version::V3_1), Framing::V2);
    }

    #[test]
    fn a_frame_is_collected_from_any_pieces() {
        for framing in [Framing::V1, Framing::V2, Framing::V2WithoutCommands] {
            for size in [0, 1, 253, 254, 255, 256] {
                let mut wire = Vec::new();
                framing.encode(Flags::MORE, &vec![7; size], &mut wire);
                for cut in 0..=wire.len() {
                    let mut buffer = FrameBuffer::new(framing);
                    let (first, complete) = buffer
                        .fill(&wire[..cut], usize::MAX, |_, _| Ok(()))
                        .unwrap();
                    assert_eq!((first, complete), (cut, cut == wire.len()));
                    let (second, complete) = buffer
                        .fill(&wire[cut..], usize::MAX, |_, _| Ok(()))
                        .unwrap();
                    assert_eq!((second, complete), (wire.len() - cut, true));
                    assert_eq!(buffer.body(), vec![7; size]);
                }
            }
        }
    }
}
