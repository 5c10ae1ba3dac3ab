//! Frame headers of ZMTP 2.0 to 3.1: one byte of flags, then the size of the body in one byte or in
//! eight.
//!
//! ```text
//!  short   ┌───────┬──────┬── ─ ─        long   ┌───────┬───────────────────┬── ─ ─
//!          │ flags │ size │ body                │ flags │ size, big-endian  │ body
//!          └───────┴──────┴── ─ ─               └───────┴───────────────────┴── ─ ─
//!              1       1    0..=255                 1             8           any size
//! ```
//!
//! These functions run once per frame on both sides of every connection, so they are small, branch
//! once on the common path, and are inlined. Sections followed: RFC 23 and RFC 37, "Framing".

use core::fmt;

use crate::Error;

/// The longest header, in bytes.
pub const MAX_LEN: usize = 9;

/// The longest body, in bytes, that a short header can announce.
pub const MAX_SHORT_SIZE: u64 = 255;

/// The longest body, in bytes, that the protocol allows: 2^63 - 1.
pub const MAX_SIZE: u64 = i64::MAX as u64;

/// The flags of a frame: any of [`MORE`](Self::MORE), [`LONG`](Self::LONG),
/// [`COMMAND`](Self::COMMAND).
///
/// The five reserved bits are never sent, and dropped when a header is decoded.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(u8);

impl Flags {
    /// No flag: the last frame of a message.
    pub const NONE: Self = Self(0);
    /// Another frame of the same message follows.
    pub const MORE: Self = Self(0x01);
    /// The size takes eight bytes.
    pub const LONG: Self = Self(0x02);
    /// The body is a command, not part of a message.
    pub const COMMAND: Self = Self(0x04);

    const ALL: u8 = 0x07;

    /// The flags of a byte as it travels; reserved bits are dropped.
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL)
    }

    /// The byte as it travels.
    #[inline]
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all flags of `other` are set.
    #[inline]
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags and those of `other`.
    #[inline]
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These flags except those of `other`.
    #[inline]
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether another frame of the same message follows.
    #[inline]
    #[must_use]
    pub const fn is_more(self) -> bool {
        self.contains(Self::MORE)
    }

    /// Whether the size takes eight bytes.
    #[inline]
    #[must_use]
    pub const fn is_long(self) -> bool {
        self.contains(Self::LONG)
    }

    /// Whether the frame is a command.
    #[inline]
    #[must_use]
    pub const fn is_command(self) -> bool {
        self.contains(Self::COMMAND)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::MORE, "MORE"),
            (Self::LONG, "LONG"),
            (Self::COMMAND, "COMMAND"),
        ];
        let mut separator = "";
        for (flag, name) in names {
            if self.contains(flag) {
                write!(f, "{separator}{name}")?;
                separator = "|";
            }
        }
        if separator.is_empty() {
            f.write_str("NONE")
        } else {
            Ok(())
        }
    }
}

/// A decoded frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The flags, reserved bits dropped.
    pub flags: Flags,
    /// The length of the body in bytes, at most [`MAX_SIZE`].
    pub size: u64,
}

/// The length of the header, in bytes, that [`encode`] writes for a body of `size` bytes.
#[inline]
#[must_use]
pub const fn encoded_len(size: u64) -> usize {
    if size <= MAX_SHORT_SIZE { 2 } else { MAX_LEN }
}

/// Writes the header of a frame and returns its length in bytes: the short form whenever the size
/// fits.
///
/// `LONG` in `flags` is ignored: the size decides.
///
/// # Examples
///
/// ```
/// use zmtp::header::{self, Flags};
///
/// let mut buf = [0; header::MAX_LEN];
/// let len = header::encode(Flags::MORE, 5, &mut buf);
/// assert_eq!(buf[..len], [0x01, 5]);
///
/// let len = header::encode(Flags::NONE, 256, &mut buf);
/// assert_eq!(buf[..len], [0x02, 0, 0, 0, 0, 0, 0, 1, 0]);
/// ```
#[inline]
pub const fn encode(flags: Flags, size: u64, out: &mut [u8; MAX_LEN]) -> usize {
    let flags = flags.without(Flags::LONG);
    if size <= MAX_SHORT_SIZE {
        out[0] = flags.bits();
        out[1] = size as u8;
        2
    } else {
        let [s0, s1, s2, s3, s4, s5, s6, s7] = size.to_be_bytes();
        *out = [
            flags.with(Flags::LONG).bits(),
            s0,
            s1,
            s2,
            s3,
            s4,
            s5,
            s6,
            s7,
        ];
        MAX_LEN
    }
}

/// Reads the header at the start of `input` and returns it with its length in bytes, or `None` when
/// more input is needed.
///
/// Reserved flags are ignored, and the long form is accepted for any size, as libzmq does.
///
/// # Errors
///
/// [`Error::FrameSizeOutOfRange`] when the announced size exceeds [`MAX_SIZE`].
///
/// # Examples
///
/// ```
/// use zmtp::header::{self, Flags, FrameHeader};
///
/// assert_eq!(header::decode(&[0x00])?, None);
/// let header = FrameHeader { flags: Flags::NONE, size: 5 };
/// assert_eq!(header::decode(b"\x00\x05hello")?, Some((header, 2)));
/// # Ok::<(), zmtp::Error>(())
/// ```
#[inline]
pub fn decode(input: &[u8]) -> Result<Option<(FrameHeader, usize)>, Error> {
    let [flags, short, ..] = *input else {
        return Ok(None);
    };
    let flags = Flags::from_bits(flags);
    if !flags.is_long() {
        return Ok(Some((
            FrameHeader {
                flags,
                size: u64::from(short),
            },
            2,
        )));
    }
    decode_long(flags, input)
}

#[inline]
fn decode_long(flags: Flags, input: &[u8]) -> Result<Option<(FrameHeader, usize)>, Error> {
    let Some(size) = input[1..].first_chunk::<8>() else {
        return Ok(None);
    };
    let size = u64::from_be_bytes(*size);
    if size > MAX_SIZE {
        return Err(Error::FrameSizeOutOfRange { size });
    }
    Ok(Some((FrameHeader { flags, size }, MAX_LEN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: RFC23/frame-layout: flags, then the size in one byte or, with LONG, in eight, then the body
    // spec: RFC37/frame-layout: flags, then the size in one byte or, with LONG, in eight, then the body
    #[test]
    fn encodes_and_decodes_every_form() {
        for size in [0, 1, 2, 254, 255, 256, 257, 65_535, 1 << 32, MAX_SIZE] {
            for bits in 0..8 {
                let flags = Flags::from_bits(bits);
                let mut buf = [0; MAX_LEN];
                let len = encode(flags, size, &mut buf);
                assert_eq!(len, encoded_len(size));
                let (header, used) = decode(&buf[..len]).unwrap().unwrap();
                assert_eq!(used, len);
                assert_eq!(header.size, size);
                assert_eq!(header.flags.is_long(), size > 255);
                assert_eq!(
                    header.flags.without(Flags::LONG),
                    flags.without(Flags::LONG)
                );
                for cut in 0..len {
                    assert_eq!(decode(&buf[..cut]), Ok(None), "cut at {cut}");
                }
            }
        }
    }

    // spec: WIRE-2.2/reserved-bits: reserved flags are sent as zero and ignored, and any size may be long
    #[test]
    fn ignores_reserved_bits_and_accepts_long_form_for_short_bodies() {
        let (header, len) = decode(&[0xF8, 3, 1, 2, 3]).unwrap().unwrap();
        assert_eq!((header.flags, header.size, len), (Flags::NONE, 3, 2));
        let (header, len) = decode(&[0x03, 0, 0, 0, 0, 0, 0, 0, 7]).unwrap().unwrap();
        assert_eq!(
            (header.flags, header.size, len),
            (Flags::MORE.with(Flags::LONG), 7, 9)
        );
    }

    // spec: RFC37/frame-size: a body has at most 2^63 - 1 bytes
    #[test]
    fn refuses_sizes_beyond_the_protocol() {
        for size in [1 << 63, u64::MAX] {
            let mut input = vec![0x02];
            input.extend_from_slice(&size.to_be_bytes());
            assert_eq!(decode(&input), Err(Error::FrameSizeOutOfRange { size }));
        }
    }

    #[test]
    fn prints_flags_by_name() {
        assert_eq!(format!("{:?}", Flags::NONE), "NONE");
        assert_eq!(
            format!("{:?}", Flags::MORE.with(Flags::COMMAND)),
            "MORE|COMMAND"
        );
    }
}
