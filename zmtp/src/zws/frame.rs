//! One WebSocket frame: its header, and the mask over its payload.
//!
//! ```text
//!  byte 0          byte 1            0, 2 or 8 bytes   0 or 4 bytes
//! ┌───┬───┬──────┬──────┬──────────┬─────────────────┬──────────┬─────────┐
//! │FIN│RSV│opcode│ MASK │ length 7 │ longer length   │ mask key │ payload │
//! └───┴───┴──────┴──────┴──────────┴─────────────────┴──────────┴─────────┘
//! ```
//!
//! Section followed: RFC 6455, 5.2 "Base Framing Protocol" and 5.3 "Client-to-Server Masking".

use super::Violation;

/// The longest header, in bytes.
pub const MAX_HEADER_LEN: usize = 14;

/// The longest payload of a PING, PONG or CLOSE, in bytes.
pub const MAX_CONTROL_LEN: usize = 125;

const FIN: u8 = 0x80;
const RSV: u8 = 0x70;
const MASK: u8 = 0x80;
/// The 7-bit length that announces two more bytes, the longest of its kind plus one.
const LEN_16: u8 = 126;
/// The 7-bit length that announces eight more bytes.
const LEN_64: u8 = 127;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// The continuation of a message in fragments.
    Continuation,
    /// Text, which ØMQ does not use.
    Text,
    /// Binary data: a ZMTP frame.
    Binary,
    /// The end of the connection.
    Close,
    /// A heartbeat that asks for a [`Pong`](Self::Pong).
    Ping,
    /// The answer to a [`Ping`](Self::Ping).
    Pong,
}

impl Opcode {
    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    /// Whether frames of this kind talk about the connection and carry no data.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.bits() & 0x8 != 0
    }
}

/// The header of a WebSocket frame.
///
/// # Examples
///
/// ```
/// use zmtp::zws::{FrameHeader, Opcode};
///
/// let header = FrameHeader { fin: true, opcode: Opcode::Binary, mask: None, len: 300 };
/// let mut wire = Vec::new();
/// header.encode(&mut wire);
/// assert_eq!(wire, [0x82, 126, 0x01, 0x2C]);
/// assert_eq!(FrameHeader::decode(&wire)?, Some((header, 4)));
/// assert_eq!(FrameHeader::decode(&wire[..3])?, None);
/// # Ok::<(), zmtp::zws::Violation>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether the frame ends its message.
    pub fin: bool,
    /// What the frame is for.
    pub opcode: Opcode,
    /// The key that the payload is masked with, if it is.
    pub mask: Option<[u8; 4]>,
    /// The length of the payload in bytes.
    pub len: u64,
}

impl FrameHeader {
    /// Appends the header as it travels, with the shortest form of the length.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mask = if self.mask.is_some() { MASK } else { 0 };
        out.push(if self.fin { FIN } else { 0 } | self.opcode.bits());
        match self.len {
            len @ 0..126 => out.push(mask | len as u8),
            len @ 126..=0xFFFF => {
                out.push(mask | LEN_16);
                out.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                out.push(mask | LEN_64);
                out.extend_from_slice(&len.to_be_bytes());
            }
        }
        if let Some(key) = self.mask {
            out.extend_from_slice(&key);
        }
    }

    /// Reads the header at the beginning of `input`, and returns it with its length in bytes.
    ///
    /// `None` means that more input is needed. The longer forms of the length are accepted for
    /// short payloads.
    ///
    /// # Errors
    ///
    /// A [`Violation`], as soon as the bytes that amount to it are there: reserved bits, an unknown
    /// opcode, a control frame that is fragmented or too long, or a length of 2^63 and more.
    pub fn decode(input: &[u8]) -> Result<Option<(Self, usize)>, Violation> {
        let Some(&first) = input.first() else {
            return Ok(None);
        };
        if first & RSV != 0 {
            return Err(Violation::ReservedBits);
        }
        let opcode = first & 0x0F;
        let opcode = Opcode::from_bits(opcode).ok_or(Violation::UnknownOpcode { opcode })?;
        let fin = first & FIN != 0;
        if opcode.is_control() && !fin {
            return Err(Violation::Fragmented);
        }
        let Some(&second) = input.get(1) else {
            return Ok(None);
        };
        let (len, mut at) = match second & !MASK {
            LEN_16.. if opcode.is_control() => return Err(Violation::ControlTooLong),
            LEN_16 => match input.get(2..4).and_then(|len| len.try_into().ok()) {
                Some(len) => (u64::from(u16::from_be_bytes(len)), 4),
                None => return Ok(None),
            },
            LEN_64 => match input.get(2..10).and_then(|len| len.try_into().ok()) {
                Some(len) => (u64::from_be_bytes(len), 10),
                None => return Ok(None),
            },
            len => (u64::from(len), 2),
        };
        if len > i64::MAX as u64 {
            return Err(Violation::LengthOutOfRange);
        }
        let mut mask = None;
        if second & MASK != 0 {
            let Some(key) = input.get(at..at + 4).and_then(|key| key.try_into().ok()) else {
                return Ok(None);
            };
            mask = Some(key);
            at += 4;
        }
        let header = Self {
            fin,
            opcode,
            mask,
            len,
        };
        Ok(Some((header, at)))
    }
}

/// Masks payload, or takes the mask off again, which is the same.
///
/// `offset` is the place of `data` within the payload.
///
/// # Examples
///
/// ```
/// use zmtp::zws::apply_mask;
///
/// let mut payload = *b"a payload in two pieces";
/// let (head, tail) = payload.split_at_mut(9);
/// apply_mask([1, 2, 3, 4], 0, head);
/// apply_mask([1, 2, 3, 4], 9, tail);
/// apply_mask([1, 2, 3, 4], 0, &mut payload);
/// assert_eq!(payload, *b"a payload in two pieces");
/// ```
pub fn apply_mask(key: [u8; 4], offset: u64, data: &mut [u8]) {
    let mut key = key;
    key.rotate_left((offset % 4) as usize);
    let word = u32::from_ne_bytes(key);
    let word = u64::from(word) << 32 | u64::from(word);
    let mut words = data.chunks_exact_mut(8);
    for chunk in &mut words {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ word).to_ne_bytes());
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(opcode: Opcode, len: u64) -> FrameHeader {
        FrameHeader {
            fin: true,
            opcode,
            mask: None,
            len,
        }
    }

    // spec: RFC6455/5.2-length: the length takes the shortest of three forms
    #[test]
    fn the_length_has_three_forms() {
        let lens = [
            (0, 2),
            (125, 2),
            (126, 4),
            (0xFFFF, 4),
            (0x1_0000, 10),
            (i64::MAX as u64, 10),
        ];
        for (len, expected) in lens {
            for mask in [None, Some([1, 2, 3, 4])] {
                let header = FrameHeader {
                    mask,
                    ..header(Opcode::Binary, len)
                };
                let mut wire = Vec::new();
                header.encode(&mut wire);
                assert_eq!(wire.len(), expected + mask.map_or(0, |key| key.len()));
                for end in 0..wire.len() {
                    assert_eq!(FrameHeader::decode(&wire[..end]), Ok(None));
                }
                wire.push(0);
                let end = wire.len() - 1;
                assert_eq!(FrameHeader::decode(&wire), Ok(Some((header, end))));
            }
        }
        let long = [0x82, 127, 0, 0, 0, 0, 0, 0, 0, 1];
        let expected = Ok(Some((header(Opcode::Binary, 1), 10)));
        assert_eq!(FrameHeader::decode(&long), expected);
    }

    // spec: RFC6455/5.2-rsv: reserved bits and opcodes fail the connection
    // spec: RFC6455/5.5-control: control frames are short and not fragmented
    #[test]
    fn violations_are_seen_at_the_first_byte_that_tells() {
        let decode = |wire: &[u8]| FrameHeader::decode(wire).unwrap_err();
        for bit in [0x10, 0x20, 0x40] {
            assert_eq!(decode(&[0x82 | bit]), Violation::ReservedBits);
        }
        for opcode in [0x3, 0x7, 0xB, 0xF] {
            let expected = Violation::UnknownOpcode { opcode };
            assert_eq!(decode(&[0x80 | opcode]), expected);
        }
        assert_eq!(decode(&[0x09]), Violation::Fragmented);
        assert_eq!(decode(&[0x89, 126]), Violation::ControlTooLong);
        assert_eq!(decode(&[0x88, 0xFF]), Violation::ControlTooLong);
        let huge = [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(decode(&huge), Violation::LengthOutOfRange);
    }

    // spec: RFC6455/5.3-mask: octet i is masked with octet i modulo 4 of the key
    #[test]
    fn masks_like_the_definition_at_every_offset_and_length() {
        let key = [0x37, 0xFA, 0x21, 0x3D];
        let data: Vec<u8> = (0..40).collect();
        for from in 0..9 {
            for to in from..data.len() {
                let mut masked = data[from..to].to_vec();
                apply_mask(key, from as u64, &mut masked);
                let expected: Vec<_> = (from..to).map(|i| data[i] ^ key[i % 4]).collect();
                assert_eq!(masked, expected);
            }
        }
        // The example of RFC 6455, 5.7.
        let mut hello = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        apply_mask(key, 0, &mut hello);
        assert_eq!(&hello, b"Hello");
    }
}
