//! Z85: binary data as printable text, four bytes in five characters. Keys of CURVE are written
//! this way.
//!
//! Section followed: RFC 32. The text uses no quotes and no backslash, so it can stand in source
//! code and configuration files.
//!
//! # Examples
//!
//! ```
//! use zmtp::z85;
//!
//! let text = z85::encode(&[0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B])?;
//! assert_eq!(text, "HelloWorld");
//! assert_eq!(z85::decode("HelloWorld")?[..4], [0x86, 0x4F, 0xD2, 0x6F]);
//! # Ok::<(), z85::Error>(())
//! ```

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

const ALPHABET: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// The value of each character, or 85.
const VALUES: [u8; 256] = {
    let mut values = [85; 256];
    let mut at = 0;
    while at < ALPHABET.len() {
        values[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    values
};

/// Why data cannot be written, or text cannot be read, as Z85.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// The data to encode is not a whole number of groups of four bytes.
    DataLength {
        /// Its length in bytes.
        len: usize,
    },
    /// The text is not a whole number of groups of five characters, or not as long as the key that
    /// it should be.
    TextLength {
        /// Its length in bytes.
        len: usize,
    },
    /// The text contains a character that is not in the alphabet.
    Character {
        /// Where it stands, in bytes from the start.
        position: usize,
    },
    /// Five characters stand for more than fits in four bytes.
    Overflow {
        /// Where they begin, in bytes from the start.
        position: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DataLength { len } => {
                write!(f, "Z85 encodes multiples of 4 bytes, not {len}")
            }
            Self::TextLength { len } => {
                write!(
                    f,
                    "Z85 text of {len} characters is not what was expected: 40 for a key, \
                     otherwise a multiple of 5"
                )
            }
            Self::Character { position } => {
                write!(f, "character {position} is not in the alphabet of Z85")
            }
            Self::Overflow { position } => {
                write!(
                    f,
                    "the Z85 group at character {position} exceeds four bytes"
                )
            }
        }
    }
}

impl core::error::Error for Error {}

/// Writes data as text.
///
/// # Errors
///
/// [`Error::DataLength`] when its length is not a multiple of 4.
pub fn encode(data: &[u8]) -> Result<String, Error> {
    let (groups, []) = data.as_chunks::<4>() else {
        return Err(Error::DataLength { len: data.len() });
    };
    let mut text = String::with_capacity(groups.len() * 5);
    for group in groups {
        let value = u32::from_be_bytes(*group);
        for divisor in [85 * 85 * 85 * 85, 85 * 85 * 85, 85 * 85, 85, 1] {
            text.push(char::from(ALPHABET[(value / divisor % 85) as usize]));
        }
    }
    Ok(text)
}

/// Reads text.
///
/// # Errors
///
/// [`Error::TextLength`] when its length is not a multiple of 5, [`Error::Character`] and
/// [`Error::Overflow`] when it contains what [`encode`] never writes.
pub fn decode(text: &str) -> Result<Vec<u8>, Error> {
    let mut data = vec![0; text.len() / 5 * 4];
    decode_into(text, &mut data)?;
    Ok(data)
}

/// Reads text of exactly the length that fills `out`.
pub(crate) fn decode_into(text: &str, out: &mut [u8]) -> Result<(), Error> {
    let (groups, rest) = text.as_bytes().as_chunks::<5>();
    let (slots, _) = out.as_chunks_mut::<4>();
    if !rest.is_empty() || groups.len() != slots.len() {
        return Err(Error::TextLength { len: text.len() });
    }
    for (number, (group, slot)) in groups.iter().zip(slots).enumerate() {
        let mut value = 0_u64;
        for (at, &character) in group.iter().enumerate() {
            let digit = VALUES[usize::from(character)];
            if digit == 85 {
                let position = number * 5 + at;
                return Err(Error::Character { position });
            }
            value = value * 85 + u64::from(digit);
        }
        let Ok(value) = u32::try_from(value) else {
            let position = number * 5;
            return Err(Error::Overflow { position });
        };
        *slot = value.to_be_bytes();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // spec: RFC32/test-case: 86 4F D2 6F B5 59 F7 5B is HelloWorld
    #[test]
    fn the_example_of_the_rfc() {
        let data = [0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B];
        assert_eq!(encode(&data).unwrap(), "HelloWorld");
        assert_eq!(decode("HelloWorld").unwrap(), data);
        assert_eq!(encode(&[]).unwrap(), "");
        assert_eq!(encode(&[0xFF; 4]).unwrap(), "%nSc0");
        assert_eq!(decode("%nSc0").unwrap(), [0xFF; 4]);
        assert_eq!(encode(&[0; 4]).unwrap(), "00000");
    }

    // spec: RFC32/length: The binary frame is a multiple of 4 bytes, the string of 5 characters
    #[test]
    fn only_whole_groups() {
        for len in [1, 2, 3, 5, 33] {
            assert_eq!(encode(&vec![0; len]), Err(Error::DataLength { len }));
        }
        for len in [1, 4, 6, 39, 41] {
            assert_eq!(decode(&"0".repeat(len)), Err(Error::TextLength { len }));
        }
        let mut key = [0; 32];
        let short = decode_into(&"0".repeat(35), &mut key);
        assert_eq!(short, Err(Error::TextLength { len: 35 }));
    }

    // spec: RFC32/alphabet: Only the 85 characters of the alphabet are valid
    #[test]
    fn only_the_alphabet() {
        for bad in [
            ' ', '"', '\'', '\\', '`', ',', ';', '_', '|', '~', '\0', '\x7F',
        ] {
            let text = format!("0000000{bad}00");
            assert_eq!(
                decode(&text),
                Err(Error::Character { position: 7 }),
                "{bad:?}"
            );
        }
        assert_eq!(decode("000é"), Err(Error::Character { position: 3 }));
    }

    #[test]
    fn only_what_fits_in_four_bytes() {
        assert_eq!(decode("%nSc1"), Err(Error::Overflow { position: 0 }));
        assert_eq!(decode("00000#####"), Err(Error::Overflow { position: 5 }));
    }

    proptest! {
        #[test]
        fn encoding_then_decoding_is_identity(groups in prop::collection::vec(any::<[u8; 4]>(), 0..40)) {
            let data = groups.concat();
            let text = encode(&data).unwrap();
            prop_assert_eq!(text.len(), groups.len() * 5);
            prop_assert_eq!(decode(&text).unwrap(), data);
        }

        #[test]
        fn what_decodes_encodes_to_the_same_text(text in "[0-9a-zA-Z.:+=^!/*?&<>()\\[\\]{}@%$# ~é-]{0,60}") {
            if let Ok(data) = decode(&text) {
                prop_assert_eq!(encode(&data).unwrap(), text);
            }
        }
    }
}
