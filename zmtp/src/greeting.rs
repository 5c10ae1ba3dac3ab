//! The greeting: the first bytes each end sends, which tell the version and the security mechanism.
//!
//! ```text
//!  0    1         9    10      11      12            32          33        64
//!  ┌────┬─────────┬────┬───────┬───────┬─────────────┬───────────┬─────────┐
//!  │ FF │ padding │ 7F │ major │ minor │ mechanism   │ as-server │ filler  │
//!  └────┴─────────┴────┴───────┴───────┴─────────────┴───────────┴─────────┘
//!  └─── signature ─────┘                └ 20 bytes, ASCII, zero padded
//! ```
//!
//! The greeting of ZMTP 2.0 ends with its twelfth byte: a revision (00 or 01) instead of the major
//! version, then the number of the socket type. ZMTP 1.0 has no greeting.
//!
//! A signature is also a valid beginning of a ZMTP 1.0 connection, which is how versions are told
//! apart: each end sends its signature at once, and the rest only as far as it knows that the other
//! end will understand it. [`GreetingParser`] therefore stops at every point where the next
//! decision falls.
//!
//! Sections followed: RFC 15, "Backwards Interoperability", "Greeting"; RFC 23 and RFC 37, "Greeting",
//! "Version Negotiation".

use core::fmt;

use crate::Version;

/// The length of the signature in bytes.
pub const SIGNATURE_LEN: usize = 10;

/// The length of the greeting of ZMTP 3.x in bytes, signature included.
pub const GREETING_LEN: usize = 64;

/// The length of the greeting of ZMTP 2.0 in bytes, signature included.
pub const GREETING_2_0_LEN: usize = 12;

/// The length of the mechanism field in bytes.
pub const MECHANISM_LEN: usize = 20;

const MAJOR_AT: usize = 10;
const MINOR_AT: usize = 11;
const MECHANISM_AT: usize = 12;
const AS_SERVER_AT: usize = MECHANISM_AT + MECHANISM_LEN;

/// The signature that libzmq sends: its padding holds the length of the identity plus one, because
/// to a ZMTP 1.0 peer these bytes are the header of a long frame that carries the identity.
#[must_use]
pub const fn signature(identity_len: usize) -> [u8; SIGNATURE_LEN] {
    let [p0, p1, p2, p3, p4, p5, p6, p7] = (identity_len as u64).saturating_add(1).to_be_bytes();
    [0xFF, p0, p1, p2, p3, p4, p5, p6, p7, 0x7F]
}

/// The name of a security mechanism as it stands in a greeting: 20 bytes, padded with zeros.
///
/// Two names are equal only if all 20 bytes are, as in libzmq: no other case, no other padding.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MechanismName([u8; MECHANISM_LEN]);

impl MechanismName {
    /// The mechanism without any security.
    pub const NULL: Self = Self::new("NULL");
    /// User name and password in the clear.
    pub const PLAIN: Self = Self::new("PLAIN");
    /// Elliptic-curve security.
    pub const CURVE: Self = Self::new("CURVE");

    /// The field of 20 bytes as it travels.
    #[must_use]
    pub const fn from_bytes(field: [u8; MECHANISM_LEN]) -> Self {
        Self(field)
    }

    /// The field of 20 bytes as it travels.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; MECHANISM_LEN] {
        &self.0
    }

    const fn new(name: &str) -> Self {
        let name = name.as_bytes();
        let mut field = [0; MECHANISM_LEN];
        let mut at = 0;
        while at < name.len() {
            field[at] = name[at];
            at += 1;
        }
        Self(field)
    }
}

impl fmt::Display for MechanismName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self
            .0
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        write!(f, "{}", self.0[..end].escape_ascii())
    }
}

impl fmt::Debug for MechanismName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// The greeting of ZMTP 3.x.
///
/// # Examples
///
/// ```
/// use zmtp::greeting::{self, Greeting, GreetingParser, MechanismName, Progress};
/// use zmtp::Version;
///
/// let greeting = Greeting {
///     version: Version::V3_1,
///     mechanism: MechanismName::NULL,
///     as_server: false,
/// };
/// let wire = greeting.encode(0);
/// assert_eq!(wire.len(), greeting::GREETING_LEN);
///
/// let mut parser = GreetingParser::new();
/// assert_eq!(parser.parse(&wire), (10, Progress::Signature));
/// assert_eq!(parser.parse(&wire[10..]), (1, Progress::Major(3)));
/// assert_eq!(parser.parse(&wire[11..]), (53, Progress::Complete(greeting)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The version announced.
    pub version: Version,
    /// The security mechanism announced.
    pub mechanism: MechanismName,
    /// Whether the sender plays the server in the mechanism. libzmq always sends `false`, so
    /// nothing may depend on it.
    pub as_server: bool,
}

impl Greeting {
    /// The whole greeting as it travels, with the signature of [`signature`].
    #[must_use]
    pub fn encode(&self, identity_len: usize) -> [u8; GREETING_LEN] {
        let mut wire = [0; GREETING_LEN];
        wire[..SIGNATURE_LEN].copy_from_slice(&signature(identity_len));
        wire[MAJOR_AT] = self.version.major;
        wire[MINOR_AT] = self.version.minor;
        wire[MECHANISM_AT..AS_SERVER_AT].copy_from_slice(&self.mechanism.0);
        wire[AS_SERVER_AT] = u8::from(self.as_server);
        wire
    }

    /// Reads a whole greeting. Signature, filler and the as-server byte are not validated, as in
    /// libzmq.
    #[must_use]
    pub fn decode(wire: &[u8; GREETING_LEN]) -> Self {
        let mut mechanism = [0; MECHANISM_LEN];
        mechanism.copy_from_slice(&wire[MECHANISM_AT..AS_SERVER_AT]);
        Self {
            version: Version {
                major: wire[MAJOR_AT],
                minor: wire[MINOR_AT],
            },
            mechanism: MechanismName(mechanism),
            as_server: wire[AS_SERVER_AT] != 0,
        }
    }
}

/// What a [`GreetingParser`] found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// All input is consumed and nothing new is known.
    NeedMore,
    /// The peer sends no signature: it speaks ZMTP 1.0, or something else altogether. The bytes
    /// consumed so far, which [`GreetingParser::received`] returns, are the beginning of its first
    /// frame.
    Unversioned,
    /// The signature is complete: the peer sends a version next, and wants to see ours.
    Signature,
    /// The peer announced this major version. From 2 on its greeting has [`GREETING_LEN`] bytes; 0
    /// and 1, which were called revisions then, are those of ZMTP 2.0, whose greeting has
    /// [`GREETING_2_0_LEN`] bytes.
    Major(u8),
    /// The greeting of ZMTP 2.0 is complete. This is its last byte, the number of the peer's socket
    /// type; libzmq does not look at it.
    SocketType(u8),
    /// The greeting of ZMTP 3.x is complete.
    Complete(Greeting),
}

/// Reads a greeting in pieces of any size, stopping where a decision falls.
#[derive(Clone, Debug)]
pub struct GreetingParser {
    buf: [u8; GREETING_LEN],
    len: u8,
}

impl GreetingParser {
    /// Makes a parser that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            buf: [0; GREETING_LEN],
            len: 0,
        }
    }

    /// Consumes input up to the next step, and returns how many bytes that was and what they tell.
    ///
    /// Each step is reported once, in order; call again with the rest of the input for the next.
    /// After [`Progress::Unversioned`], [`Progress::SocketType`] or [`Progress::Complete`] nothing
    /// more is consumed.
    pub fn parse(&mut self, input: &[u8]) -> (usize, Progress) {
        let mut used = 0;
        for &byte in input {
            let at = usize::from(self.len);
            if at == self.whole_len() || self.is_unversioned() {
                break;
            }
            self.buf[at] = byte;
            self.len += 1;
            used += 1;
            if self.is_unversioned() {
                return (used, Progress::Unversioned);
            }
            match at + 1 {
                SIGNATURE_LEN => return (used, Progress::Signature),
                MINOR_AT => return (used, Progress::Major(byte)),
                len if len == self.whole_len() && len == GREETING_2_0_LEN => {
                    return (used, Progress::SocketType(byte));
                }
                GREETING_LEN => return (used, Progress::Complete(Greeting::decode(&self.buf))),
                _ => {}
            }
        }
        (used, Progress::NeedMore)
    }

    /// The bytes consumed so far.
    #[must_use]
    pub fn received(&self) -> &[u8] {
        &self.buf[..usize::from(self.len)]
    }

    /// How long the greeting is, as far as that is known.
    const fn whole_len(&self) -> usize {
        if self.len as usize > MAJOR_AT && self.buf[MAJOR_AT] <= 1 {
            GREETING_2_0_LEN
        } else {
            GREETING_LEN
        }
    }

    /// The first byte and the lowest bit of the tenth tell; nothing else in a signature is looked
    /// at.
    const fn is_unversioned(&self) -> bool {
        (self.len >= 1 && self.buf[0] != 0xFF)
            || (self.len as usize >= SIGNATURE_LEN && self.buf[SIGNATURE_LEN - 1] & 1 == 0)
    }
}

impl Default for GreetingParser {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREETING: Greeting = Greeting {
        version: Version::V3_1,
        mechanism: MechanismName::CURVE,
        as_server: true,
    };

    fn parse_bytewise(wire: &[u8]) -> (Vec<Progress>, usize) {
        let mut parser = GreetingParser::new();
        let mut steps = Vec::new();
        for byte in wire {
            match parser.parse(std::slice::from_ref(byte)) {
                (1, Progress::NeedMore) => {}
                (1, step) => steps.push(step),
                (used, step) => assert_eq!((used, step), (0, Progress::NeedMore)),
            }
        }
        (steps, parser.received().len())
    }

    // spec: RFC37/greeting-layout: signature, version, mechanism, as-server, filler: 64 bytes
    // spec: RFC23/greeting-layout: signature, version, mechanism, as-server, filler: 64 bytes
    #[test]
    fn has_the_layout_of_libzmq() {
        let wire = GREETING.encode(2);
        assert_eq!(wire[..10], [0xFF, 0, 0, 0, 0, 0, 0, 0, 3, 0x7F]);
        assert_eq!(wire[10..12], [3, 1]);
        assert_eq!(wire[12..18], *b"CURVE\0");
        assert_eq!(wire[32], 1);
        assert!(wire[33..].iter().all(|byte| *byte == 0));
        assert_eq!(Greeting::decode(&wire), GREETING);
    }

    #[test]
    fn reports_each_step_once_and_takes_64_bytes() {
        let mut wire = GREETING.encode(0).to_vec();
        wire.extend_from_slice(b"traffic");
        let (steps, used) = parse_bytewise(&wire);
        let expected = [
            Progress::Signature,
            Progress::Major(3),
            Progress::Complete(GREETING),
        ];
        assert_eq!(steps, expected);
        assert_eq!(used, 64);
    }

    #[test]
    fn tells_unversioned_peers_at_the_first_possible_byte() {
        let (steps, used) = parse_bytewise(b"GET / HTTP/1.1\r\n");
        assert_eq!((&steps[..], used), (&[Progress::Unversioned][..], 1));
        let (steps, used) = parse_bytewise(&[0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7E, 3]);
        assert_eq!((&steps[..], used), (&[Progress::Unversioned][..], 10));
    }

    // spec: RFC15/greeting-layout: signature, revision, socket type
    #[test]
    fn the_greeting_of_2_0_ends_with_the_socket_type() {
        for revision in [0, 1] {
            let mut wire = signature(0).to_vec();
            wire.extend_from_slice(&[revision, 5, 0, 0]);
            let (steps, used) = parse_bytewise(&wire);
            let expected = [
                Progress::Signature,
                Progress::Major(revision),
                Progress::SocketType(5),
            ];
            assert_eq!((&steps[..], used), (&expected[..], GREETING_2_0_LEN));
        }
    }

    // spec: WIRE-1.2/signature: only FF and the lowest bit of the tenth byte make a signature; padding and filler are ignored
    #[test]
    fn any_odd_tenth_byte_and_any_padding_is_a_signature() {
        for last in [0x01, 0x03, 0x7F, 0xFF] {
            let mut wire = GREETING.encode(0);
            wire[1..9].fill(0xAA);
            wire[9] = last;
            wire[33..].fill(0xEE);
            let (steps, _) = parse_bytewise(&wire);
            assert_eq!(steps.last(), Some(&Progress::Complete(GREETING)));
        }
    }

    // spec: RFC37/mechanism-name: the name of a mechanism is padded with zeros to 20 bytes
    #[test]
    fn mechanism_names_compare_exactly_and_print_shortly() {
        assert_eq!(MechanismName::NULL.to_string(), "NULL");
        let mut field = *MechanismName::NULL.as_bytes();
        field[5] = b'x';
        let odd = MechanismName::from_bytes(field);
        assert_ne!(odd, MechanismName::NULL);
        assert_eq!(odd.to_string(), "NULL\\x00x");
    }
}
