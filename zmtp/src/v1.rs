//! Frame headers of ZMTP 1.0: the length in one byte or in nine, then one byte of flags.
//!
//! ```text
//!  short   ┌────────┬───────┬── ─ ─     long   ┌────┬────────────────────┬───────┬── ─ ─
//!          │ length │ flags │ body             │ FF │ length, big-endian │ flags │ body
//!          └────────┴───────┴── ─ ─            └────┴────────────────────┴───────┴── ─ ─
//!            1..254     1    0..=253              1           8              1     any size
//! ```
//!
//! The length counts the byte of flags, so a body of 253 bytes is the longest that a short header
//! announces. The only flag is `MORE`. There are no commands.
//!
//! Sections followed: RFC 13, "Framing".

use crate::Error;
use crate::header::{Flags, FrameHeader, MAX_SIZE};

/// The longest header, in bytes.
pub const MAX_LEN: usize = 10;

/// The longest body, in bytes, that a short header can announce.
pub const MAX_SHORT_SIZE: u64 = 253;

/// What the first byte of a long header is.
const LONG: u8 = 0xFF;

/// Writes the header of a frame with a body of `size` bytes and returns its length in bytes: the
/// short form whenever the size fits.
///
/// Of the flags only `MORE` travels.
///
/// # Examples
///
/// ```
/// use zmtp::{Flags, v1};
///
/// let mut buf = [0; v1::MAX_LEN];
/// let len = v1::encode(Flags::MORE, 5, &mut buf);
/// assert_eq!(buf[..len], [6, 0x01]);
///
/// let len = v1::encode(Flags::NONE, 254, &mut buf);
/// assert_eq!(buf[..len], [0xFF, 0, 0, 0, 0, 0, 0, 0, 255, 0]);
/// ```
#[inline]
pub const fn encode(flags: Flags, size: u64, out: &mut [u8; MAX_LEN]) -> usize {
    let flags = flags.bits() & Flags::MORE.bits();
    // A body in memory is never as long as u64::MAX.
    let length = size.saturating_add(1);
    if size <= MAX_SHORT_SIZE {
        out[0] = length as u8;
        out[1] = flags;
        2
    } else {
        let [l0, l1, l2, l3, l4, l5, l6, l7] = length.to_be_bytes();
        *out = [LONG, l0, l1, l2, l3, l4, l5, l6, l7, flags];
        MAX_LEN
    }
}

/// Reads the header at the start of `input` and returns it with its length in bytes, or `None` when
/// more input is needed.
///
/// All flags but `MORE` are ignored, and the long form is accepted for any size, as libzmq does.
///
/// # Errors
///
/// [`Error::FrameWithoutFlags`] when the length is 0, [`Error::FrameSizeOutOfRange`] when the body
/// would be longer than [`MAX_SIZE`].
///
/// # Examples
///
/// ```
/// use zmtp::{Flags, FrameHeader, v1};
///
/// assert_eq!(v1::decode(&[6])?, None);
/// let header = FrameHeader { flags: Flags::NONE, size: 5 };
/// assert_eq!(v1::decode(b"\x06\x00hello")?, Some((header, 2)));
/// # Ok::<(), zmtp::Error>(())
/// ```
#[inline]
pub fn decode(input: &[u8]) -> Result<Option<(FrameHeader, usize)>, Error> {
    let Some(&first) = input.first() else {
        return Ok(None);
    };
    let (length, flags_at) = if first == LONG {
        let Some(length) = input[1..].first_chunk::<8>() else {
            return Ok(None);
        };
        (u64::from_be_bytes(*length), MAX_LEN - 1)
    } else {
        (u64::from(first), 1)
    };
    let Some(size) = length.checked_sub(1) else {
        return Err(Error::FrameWithoutFlags);
    };
    if size > MAX_SIZE {
        return Err(Error::FrameSizeOutOfRange { size });
    }
    Ok(input.get(flags_at).map(|flags| {
        let flags = Flags::from_bits(flags & Flags::MORE.bits());
        (FrameHeader { flags, size }, flags_at + 1)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: RFC13/frame-length: a length byte, or FF and 8 bytes, that counts the flags byte
    #[test]
    fn encodes_and_decodes_every_form() {
        for size in [0, 1, 252, 253, 254, 255, 256, 65_535, 1 << 32, MAX_SIZE] {
            for flags in [Flags::NONE, Flags::MORE] {
                let mut buf = [0; MAX_LEN];
                let len = encode(flags, size, &mut buf);
                assert_eq!(len, if size > 253 { 10 } else { 2 }, "size {size}");
                let header = FrameHeader { flags, size };
                assert_eq!(decode(&buf[..len]), Ok(Some((header, len))));
                for cut in 0..len {
                    assert_eq!(decode(&buf[..cut]), Ok(None), "cut at {cut}");
                }
            }
        }
    }

    // spec: RFC13/flags: bit 0 is MORE, the other bits are reserved
    #[test]
    fn only_more_counts_among_the_flags() {
        let (header, _) = decode(&[3, 0xFE, 1, 2]).unwrap().unwrap();
        assert_eq!((header.flags, header.size), (Flags::NONE, 2));
        let (header, _) = decode(&[3, 0x7F, 1, 2]).unwrap().unwrap();
        assert_eq!(header.flags, Flags::MORE);
        let mut buf = [0; MAX_LEN];
        encode(Flags::MORE.with(Flags::COMMAND), 1, &mut buf);
        assert_eq!(buf[..2], [2, 1]);
    }

    #[test]
    fn the_long_form_is_accepted_for_short_bodies() {
        let wire = [0xFF, 0, 0, 0, 0, 0, 0, 0, 3, 1, 7, 7];
        let (header, len) = decode(&wire).unwrap().unwrap();
        assert_eq!((header.size, header.flags, len), (2, Flags::MORE, 10));
    }

    // spec: WIRE-2.1/zero-length: a length of 0, in either form, ends the connection
    #[test]
    fn refuses_lengths_that_no_frame_can_have() {
        assert_eq!(decode(&[0]), Err(Error::FrameWithoutFlags));
        assert_eq!(
            decode(&[0xFF, 0, 0, 0, 0, 0, 0, 0, 0]),
            Err(Error::FrameWithoutFlags)
        );
        let size = u64::MAX - 1;
        assert_eq!(decode(&[0xFF; 9]), Err(Error::FrameSizeOutOfRange { size }));
    }
}
