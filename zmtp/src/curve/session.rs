//! Traffic under CURVE: MESSAGE commands.

use core::fmt;
use core::ops::Range;

use super::boxes::{BoxKey, StreamKey};
use super::{PublicKey, SecretKey};
use crate::command::CommandName;
use crate::error::printable;
use crate::header::{self, Flags};
use crate::{Command, Error};

/// What every body of a MESSAGE begins with.
pub(crate) const NAME: &[u8; 8] = b"\x07MESSAGE";

/// Where the box begins: name, short nonce.
const BOX: usize = NAME.len() + 8;

/// Where the text begins within a body: name, short nonce, tag, flags.
const TEXT: usize = BOX + 16 + 1;

const FROM_CLIENT: &[u8; 16] = b"CurveZMQMESSAGEC";
const FROM_SERVER: &[u8; 16] = b"CurveZMQMESSAGES";

/// The last nonce that is used: 2^64 - 1 itself never is.
const LAST_NONCE: u64 = u64::MAX - 1;

/// The flags within a box, which are not those of frames.
const INNER_MORE: u8 = 0x01;
const INNER_COMMAND: u8 = 0x02;

/// Which end of a CURVE connection this one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that sent HELLO.
    Client,
    /// The end whose long-term key was known beforehand.
    Server,
}

/// Both directions of the traffic on one connection: seals what is sent, opens what arrives.
///
/// Each frame, be it part of a message or a command, becomes one MESSAGE:
///
/// ```text
/// ┌───────┬──────┬───────────┬─────────────┬─────┬─ ─ ─ ─ ─ ─ ─ ─ ─ ─┐
/// │ flags │ size │ 7 MESSAGE │ short nonce │ tag │ inner flags, text │  the last in a box
/// └───────┴──────┴───────────┴─────────────┴─────┴─ ─ ─ ─ ─ ─ ─ ─ ─ ─┘
///  00, 02  1 or 8      8            8        16          1 + n
/// ```
///
/// The short nonce counts up, and each direction has its own prefix, so no nonce is used twice
/// under one key; before the counter could wrap, sealing fails. What is opened must have a greater
/// nonce than all before: nothing can be repeated, swapped or sent back. Gaps are no error.
///
/// [`Handshake`](crate::Handshake) makes a session of each handshake; to make one by hand is for
/// measurements and for handshakes of one's own.
///
/// # Examples
///
/// ```
/// use zmtp::curve::{KeyPair, Role, Session};
/// use zmtp::{Flags, Random};
///
/// let mut random = Random::system();
/// let (one, other) = (KeyPair::generate(&mut random)?, KeyPair::generate(&mut random)?);
/// let mut client = Session::new(Role::Client, one.secret(), other.public())?;
/// let mut server = Session::new(Role::Server, other.secret(), one.public())?;
///
/// let mut wire = Vec::new();
/// client.seal(Flags::MORE, b"hello", &mut wire)?;
/// let body = &mut wire[2..];
/// let (flags, text) = server.open(body)?;
/// assert_eq!(flags, Flags::MORE);
/// assert_eq!(&body[text], b"hello");
/// # Ok::<(), zmtp::Error>(())
/// ```
#[derive(Debug)]
pub struct Session {
    sealer: Sealer,
    opener: Opener,
}

/// Seals what is sent.
pub(crate) struct Sealer(Box<Direction>);

/// Opens what arrives.
pub(crate) struct Opener(Box<Direction>);

struct Direction {
    key: StreamKey,
    /// The last nonce that was used.
    nonce: u64,
}

impl Session {
    /// How much longer the body of a frame becomes, in bytes.
    pub const OVERHEAD: usize = TEXT;

    /// A session between two transient keys, of which the handshake has used the first nonces.
    ///
    /// Two sessions of the same two keys would use nonces twice, which gives away what they
    /// protect: a pair of transient keys is for one session.
    ///
    /// # Errors
    ///
    /// [`Error::Cryptographic`] when the public key is one of the few that agree with everybody on
    /// the same secret.
    pub fn new(role: Role, own: &SecretKey, peer: &PublicKey) -> Result<Self, Error> {
        let key = BoxKey::agree(own, peer).ok_or(Error::Cryptographic {
            command: CommandName::Message,
        })?;
        Ok(match role {
            Role::Client => Self::from_key(role, &key, 2, 1),
            Role::Server => Self::from_key(role, &key, 1, 2),
        })
    }

    /// A session under an agreed key, after the nonces that the handshake used.
    pub(crate) fn from_key(role: Role, key: &BoxKey, sent: u64, received: u64) -> Self {
        let (ours, theirs) = match role {
            Role::Client => (FROM_CLIENT, FROM_SERVER),
            Role::Server => (FROM_SERVER, FROM_CLIENT),
        };
        Self {
            sealer: Sealer(Direction::new(key, ours, sent)),
            opener: Opener(Direction::new(key, theirs, received)),
        }
    }

    /// The length in bytes of the whole frame that [`seal`](Self::seal) appends for a body of so
    /// many bytes.
    #[must_use]
    pub const fn sealed_len(len: usize) -> usize {
        let body = TEXT + len;
        header::encoded_len(body as u64) + body
    }

    /// Appends a frame in its box, as a whole frame that says nothing of what is in it.
    ///
    /// `MORE` and `COMMAND` in `flags` go into the box.
    ///
    /// # Errors
    ///
    /// [`Error::NonceExhausted`] when 2^64 - 2 commands have been sent. Nothing is appended, and
    /// nothing can be sent on this connection any more.
    pub fn seal(&mut self, flags: Flags, text: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        self.sealer.seal(flags, text, out)
    }

    /// Opens the body of a frame in place, and tells the flags from the box and where in `body` the
    /// text stands.
    ///
    /// The flags of the frame itself have no say.
    ///
    /// # Errors
    ///
    /// [`Error::UnexpectedCommand`] when it is no MESSAGE: nothing may come in the clear;
    /// [`Error::MalformedCommand`] when it is too short to be one; [`Error::InvalidSequence`] when
    /// its nonce is not greater than the last; [`Error::Cryptographic`] when the box does not open.
    /// The connection has to be closed. The session is unchanged.
    pub fn open(&mut self, body: &mut [u8]) -> Result<(Flags, Range<usize>), Error> {
        self.opener.open(body)
    }

    pub(crate) fn into_halves(self) -> (Sealer, Opener) {
        (self.sealer, self.opener)
    }
}

impl Sealer {
    pub(crate) fn seal(
        &mut self,
        flags: Flags,
        text: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let nonce = self.0.next_nonce()?.to_be_bytes();
        let size = TEXT + text.len();
        let mut head = [0; header::MAX_LEN];
        let head_len = header::encode(Flags::NONE, size as u64, &mut head);
        out.reserve(head_len + size);
        out.extend_from_slice(&head[..head_len]);
        out.extend_from_slice(NAME);
        out.extend_from_slice(&nonce);
        let start = out.len();
        out.extend_from_slice(&[0; 16]);
        out.push(inner(flags));
        out.extend_from_slice(text);
        self.0.key.seal(&nonce, &mut out[start..]);
        Ok(())
    }

    /// Whether nothing can be sealed any more.
    pub(crate) const fn is_exhausted(&self) -> bool {
        self.0.nonce >= LAST_NONCE
    }

    /// Seals for callers that ask [`is_exhausted`](Self::is_exhausted) instead of taking an error.
    pub(crate) fn seal_or_stop(&mut self, flags: Flags, text: &[u8], out: &mut Vec<u8>) {
        let _ = self.seal(flags, text, out);
    }
}

impl Opener {
    pub(crate) fn open(&mut self, body: &mut [u8]) -> Result<(Flags, Range<usize>), Error> {
        if !body.starts_with(NAME) {
            return Err(unexpected(body));
        }
        if body.len() < TEXT {
            return Err(Error::MalformedCommand {
                command: CommandName::Message,
            });
        }
        let len = body.len();
        let nonce = *body[NAME.len()..].first_chunk().expect("long enough");
        let number = u64::from_be_bytes(nonce);
        if number <= self.0.nonce {
            return Err(Error::InvalidSequence);
        }
        let opened = self.0.key.open(&nonce, &mut body[BOX..]);
        let Ok([inner, ..]) = opened else {
            return Err(Error::Cryptographic {
                command: CommandName::Message,
            });
        };
        self.0.nonce = number;
        Ok((outer(*inner), TEXT..len))
    }
}

impl Direction {
    /// Derives the key at its place, which it never leaves.
    fn new(key: &BoxKey, prefix: &[u8; 16], nonce: u64) -> Box<Self> {
        let mut direction = Box::new(Self {
            key: StreamKey::blank(),
            nonce,
        });
        key.derive(prefix, &mut direction.key);
        direction
    }

    /// The next number, which never wraps.
    fn next_nonce(&mut self) -> Result<u64, Error> {
        if self.nonce >= LAST_NONCE {
            return Err(Error::NonceExhausted);
        }
        self.nonce += 1;
        Ok(self.nonce)
    }
}

impl fmt::Debug for Sealer {
    /// Shows the counter and not the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({})", self.0.nonce)
    }
}

impl fmt::Debug for Opener {
    /// Shows the counter and not the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opener({})", self.0.nonce)
    }
}

fn inner(flags: Flags) -> u8 {
    let mut inner = 0;
    if flags.is_more() {
        inner |= INNER_MORE;
    }
    if flags.is_command() {
        inner |= INNER_COMMAND;
    }
    inner
}

fn outer(inner: u8) -> Flags {
    let mut flags = Flags::NONE;
    if inner & INNER_MORE != 0 {
        flags = flags.with(Flags::MORE);
    }
    if inner & INNER_COMMAND != 0 {
        flags = flags.with(Flags::COMMAND);
    }
    flags
}

fn unexpected(body: &[u8]) -> Error {
    let name =
        Command::decode(body).map_or_else(|_| "".into(), |command| printable(command.name()));
    Error::UnexpectedCommand { name }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::curve::SecretKey;

    fn pair() -> (Session, Session) {
        let (one, other) = (
            SecretKey::from_bytes([1; 32]),
            SecretKey::from_bytes([2; 32]),
        );
        let client = Session::new(Role::Client, &one, &other.public()).unwrap();
        let server = Session::new(Role::Server, &other, &one.public()).unwrap();
        (client, server)
    }

    /// The body of the frame in which a text is sealed.
    fn sealed(session: &mut Session, flags: Flags, text: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        session.seal(flags, text, &mut wire).unwrap();
        assert_eq!(wire.len(), Session::sealed_len(text.len()));
        let (header, len) = header::decode(&wire).unwrap().unwrap();
        assert_eq!(header.flags.without(Flags::LONG), Flags::NONE);
        wire.split_off(len)
    }

    // spec: RFC26/message: each frame is one MESSAGE of 33 bytes more, in a frame without flags
    // spec: WIRE-4.3/inner-flags: 01 is MORE, 02 is COMMAND
    #[test]
    fn flags_travel_in_the_box() {
        let (mut client, mut server) = pair();
        let both = Flags::MORE.with(Flags::COMMAND);
        for flags in [Flags::NONE, Flags::MORE, Flags::COMMAND, both] {
            for len in [0, 1, 222, 223, 5000] {
                let text = vec![7; len];
                let mut body = sealed(&mut client, flags, &text);
                assert_eq!(body.len(), 33 + len);
                let (opened, range) = server.open(&mut body).unwrap();
                assert_eq!((opened, &body[range]), (flags, &text[..]));
            }
        }
        assert_eq!((inner(both), inner(Flags::NONE.with(Flags::LONG))), (3, 0));
        assert_eq!(outer(0xFC), Flags::NONE, "other bits mean nothing");
    }

    // spec: RFC26/nonces: the nonce of a MESSAGE is greater than all before; gaps are no error
    #[test]
    fn nonces_only_rise() {
        let (mut client, mut server) = pair();
        let bodies: Vec<_> = (0..4)
            .map(|_| sealed(&mut client, Flags::NONE, b"x"))
            .collect();
        assert_eq!(bodies[0][8..16], 3_u64.to_be_bytes());
        server.open(&mut bodies[1].clone()).unwrap();
        for old in [0, 1] {
            let error = server.open(&mut bodies[old].clone()).unwrap_err();
            assert_eq!(error, Error::InvalidSequence);
            assert_eq!(error.protocol_event_code(), Some(0x1000_0002));
        }
        server.open(&mut bodies[3].clone()).unwrap();
        assert!(server.open(&mut bodies[2].clone()).is_err());
    }

    /// A forged nonce that is refused does not shut later messages out.
    // spec: RFC26/forged-nonce: a forged MESSAGE does not shut the following ones out
    #[test]
    fn a_forgery_changes_nothing() {
        let (mut client, mut server) = pair();
        let mut body = sealed(&mut client, Flags::NONE, b"x");
        let mut forged = body.clone();
        forged[8..16].fill(0xFF);
        let error = server.open(&mut forged).unwrap_err();
        assert_eq!(error.protocol_event_code(), Some(0x1100_0001));
        assert!(server.open(&mut body).is_ok());
    }

    // spec: RFC26/nonce-limit: no nonce is used twice: the counter stops before it wraps
    #[test]
    fn the_counter_stops() {
        let key = BoxKey::new(&[3; 32]);
        let mut client = Session::from_key(Role::Client, &key, u64::MAX - 2, 0);
        let mut wire = Vec::new();
        client.seal(Flags::NONE, b"last", &mut wire).unwrap();
        assert!(client.sealer.is_exhausted());
        let len = wire.len();
        for _ in 0..2 {
            let error = client.seal(Flags::NONE, b"more", &mut wire);
            assert_eq!(error, Err(Error::NonceExhausted));
        }
        client.sealer.seal_or_stop(Flags::NONE, b"more", &mut wire);
        assert_eq!(wire.len(), len);
    }

    // spec: RFC26/directions: what one end sealed does not open for itself
    #[test]
    fn nothing_can_be_sent_back() {
        let (mut client, mut server) = pair();
        let mut body = sealed(&mut client, Flags::NONE, b"x");
        let error = client.open(&mut body).unwrap_err();
        assert!(matches!(error, Error::Cryptographic { .. }), "{error}");
        let mut body = sealed(&mut server, Flags::NONE, b"x");
        assert!(server.open(&mut body).is_err());
    }

    // spec: RFC26/traffic: after the handshake everything is a MESSAGE
    #[test]
    fn nothing_comes_in_the_clear() {
        let (_, mut server) = pair();
        let code = |server: &mut Session, body: &[u8]| {
            let error = server.open(&mut body.to_vec()).unwrap_err();
            error.protocol_event_code().unwrap()
        };
        for plain in [
            &b"hello"[..],
            b"",
            b"\x04PING\0\0",
            b"\x05ERROR\x03400",
            b"\x07MESSAG",
        ] {
            assert_eq!(code(&mut server, plain), 0x1000_0001);
        }
        for len in [8, 16, 32] {
            let mut short = NAME.to_vec();
            short.resize(len, 0xFF);
            assert_eq!(code(&mut server, &short), 0x1000_0012);
        }
    }

    #[test]
    fn a_key_that_is_none_makes_no_session() {
        let public = PublicKey::from_bytes([0; 32]);
        let session = Session::new(Role::Client, &SecretKey::from_bytes([1; 32]), &public);
        assert!(matches!(session, Err(Error::Cryptographic { .. })));
    }

    proptest! {
        #[test]
        fn sealing_then_opening_is_identity(
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 1..5),
        ) {
            let (mut client, mut server) = pair();
            for text in texts {
                let mut body = sealed(&mut client, Flags::MORE, &text);
                let (flags, range) = server.open(&mut body).unwrap();
                prop_assert_eq!(flags, Flags::MORE);
                prop_assert_eq!(&body[range], &text[..]);
            }
        }

        #[test]
        fn no_change_of_any_byte_goes_unnoticed(
            text in prop::collection::vec(any::<u8>(), 0..200),
            at: prop::sample::Index,
            flip in 1_u8..,
        ) {
            let (mut client, mut server) = pair();
            let mut body = sealed(&mut client, Flags::NONE, &text);
            let at = at.index(body.len());
            body[at] ^= flip;
            prop_assert!(server.open(&mut body).is_err());
            // Neither what is cut off nor what is added.
            let mut body = sealed(&mut client, Flags::NONE, &text);
            body.push(flip);
            prop_assert!(server.open(&mut body).is_err());
            body.truncate(body.len() - 2);
            prop_assert!(server.open(&mut body).is_err());
        }

        #[test]
        fn no_bytes_do_harm(mut body in prop::collection::vec(any::<u8>(), 0..300), named: bool) {
            if named && body.len() >= NAME.len() {
                body[..NAME.len()].copy_from_slice(NAME);
            }
            prop_assert!(pair().1.open(&mut body).is_err());
        }
    }
}
