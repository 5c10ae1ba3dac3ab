//! The commands of CURVE, taken apart as far as that is possible without a key.

use core::fmt;

use super::{
    COOKIE_LEN, HELLO, HELLO_LEN, INITIATE, INITIATE_LEN, PADDING, READY, READY_LEN, VERSION,
    WELCOME, WELCOME_LEN, field, malformed,
};
use crate::command::{self, CommandName};
use crate::curve::{MESSAGE, PublicKey, Session};
use crate::mechanism::unexpected;
use crate::{Error, Frame};

/// A command of CURVE, borrowing from the body it was decoded from.
///
/// A [`Handshake`](crate::Handshake) needs nobody to look at these. They are for those who look on, such
/// as an analyser, and tell all that can be told without a key: what stands in the clear, and how long the
/// boxes are. `Debug` shows the client's transient public key, which is one of these, as Z85, and bytes in
/// hexadecimal. No secret key and no text of a box is in a command.
///
/// # Examples
///
/// ```
/// use zmtp::curve::{ClientConfig, Command, KeyPair};
/// use zmtp::{Handshake, HandshakeConfig, MechanismConfig, Random, SocketType};
///
/// let pair = || KeyPair::generate(&mut Random::system());
/// let client = MechanismConfig::CurveClient(ClientConfig::new(*pair()?.public(), pair()?));
/// let mut client =
///     Handshake::new(HandshakeConfig::new(SocketType::Push).with_mechanism(client));
/// # let greeting = zmtp::Greeting {
/// #     version: zmtp::Version::V3_1,
/// #     mechanism: zmtp::greeting::MechanismName::CURVE,
/// #     as_server: true,
/// # };
/// # client.advance_transmit(client.transmit().len());
/// # client.handle_input(&greeting.encode(0))?;
/// // Behind the greeting a client says HELLO; two bytes are the header of the frame.
/// let said = client.transmit();
/// let hello = &said[said.len() - 200..];
/// let Command::Hello { number, sealed, .. } = Command::decode(hello)? else { unreachable!() };
/// assert_eq!((number, sealed.len()), (1, 80));
/// # Ok::<(), zmtp::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command<'a> {
    /// From the client: that it is there, and knows the server's key.
    Hello {
        /// The client's transient public key, C'.
        client: PublicKey,
        /// The short nonce, which numbers the commands of the client.
        number: u64,
        /// 64 zeros in a box from c' to S.
        sealed: &'a [u8; 80],
    },
    /// From the server.
    Welcome {
        /// The random part of the long nonce.
        nonce: &'a [u8; 16],
        /// The server's transient public key and the cookie, in a box from s to C'.
        sealed: &'a [u8; 144],
    },
    /// From the client: who it is, and what it says about itself.
    Initiate {
        /// What the server gave it in WELCOME.
        cookie: &'a [u8; COOKIE_LEN],
        /// The short nonce.
        number: u64,
        /// The client's public key, the vouch and the metadata, in a box from c' to S'.
        sealed: &'a [u8],
    },
    /// From the server, the last command of the handshake.
    Ready {
        /// The short nonce.
        number: u64,
        /// The metadata, in a box from s' to C'.
        sealed: &'a [u8],
    },
    /// From either end, after the handshake: a frame.
    Message {
        /// The short nonce.
        number: u64,
        /// A byte of flags and the body, in a box: 17 bytes more than the body.
        sealed: &'a [u8],
    },
    /// From the server: the client is refused.
    Error {
        /// The status code, or another reason of at most 255 bytes.
        reason: &'a [u8],
    },
}

impl<'a> Command<'a> {
    /// Reads the body of a frame. No box is opened, so nothing tells whether the command is genuine.
    ///
    /// # Errors
    ///
    /// [`Error::UnexpectedCommand`] when it is no command of CURVE; [`Error::MalformedCommand`] when it
    /// has another length than its name demands, or, being a HELLO, another version or no padding.
    pub fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let number = |at| u64::from_be_bytes(*field(body, at));
        if body.starts_with(HELLO) {
            if body.len() != HELLO_LEN
                || *field(body, HELLO.len()) != VERSION
                || *field(body, 8) != [0; PADDING]
            {
                return Err(malformed(CommandName::Hello));
            }
            return Ok(Self::Hello {
                client: PublicKey::from_bytes(*field(body, 80)),
                number: number(112),
                sealed: field(body, 120),
            });
        }
        if body.starts_with(WELCOME) {
            if body.len() != WELCOME_LEN {
                return Err(malformed(CommandName::Welcome));
            }
            return Ok(Self::Welcome {
                nonce: field(body, 8),
                sealed: field(body, 24),
            });
        }
        if body.starts_with(INITIATE) {
            if body.len() < INITIATE_LEN {
                return Err(malformed(CommandName::Initiate));
            }
            return Ok(Self::Initiate {
                cookie: field(body, 9),
                number: number(9 + COOKIE_LEN),
                sealed: &body[17 + COOKIE_LEN..],
            });
        }
        if body.starts_with(READY) {
            if body.len() < READY_LEN {
                return Err(malformed(CommandName::Ready));
            }
            return Ok(Self::Ready {
                number: number(6),
                sealed: &body[14..],
            });
        }
        if body.starts_with(MESSAGE) {
            if body.len() < Session::OVERHEAD {
                return Err(malformed(CommandName::Message));
            }
            return Ok(Self::Message {
                number: number(8),
                sealed: &body[16..],
            });
        }
        match command::Command::decode(body) {
            Ok(command::Command::Error { reason }) => Ok(Self::Error { reason }),
            Err(
                error @ Error::MalformedCommand {
                    command: CommandName::Error,
                },
            ) => Err(error),
            _ => Err(unexpected(body)),
        }
    }

    /// Which command this is.
    #[must_use]
    pub const fn name(&self) -> CommandName {
        match self {
            Self::Hello { .. } => CommandName::Hello,
            Self::Welcome { .. } => CommandName::Welcome,
            Self::Initiate { .. } => CommandName::Initiate,
            Self::Ready { .. } => CommandName::Ready,
            Self::Message { .. } => CommandName::Message,
            Self::Error { .. } => CommandName::Error,
        }
    }
}

impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |bytes: &[u8]| Frame::copy_from_slice(bytes);
        match self {
            Self::Hello {
                client,
                number,
                sealed,
            } => f
                .debug_struct("Hello")
                .field("client", client)
                .field("number", number)
                .field("sealed", &bytes(&sealed[..]))
                .finish(),
            Self::Welcome { nonce, sealed } => f
                .debug_struct("Welcome")
                .field("nonce", &bytes(&nonce[..]))
                .field("sealed", &bytes(&sealed[..]))
                .finish(),
            Self::Initiate {
                cookie,
                number,
                sealed,
            } => f
                .debug_struct("Initiate")
                .field("cookie", &bytes(&cookie[..]))
                .field("number", number)
                .field("sealed", &bytes(sealed))
                .finish(),
            Self::Ready { number, sealed } => f
                .debug_struct("Ready")
                .field("number", number)
                .field("sealed", &bytes(sealed))
                .finish(),
            Self::Message { number, sealed } => f
                .debug_struct("Message")
                .field("number", number)
                .field("sealed", &bytes(sealed))
                .finish(),
            Self::Error { reason } => f
                .debug_struct("Error")
                .field("reason", &bytes(reason))
                .finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::{ClientConfig, KeyPair, ServerConfig};
    use crate::{Flags, Handshake, HandshakeConfig, MechanismConfig, Random, SocketType, header};

    /// What client and server say behind their greetings, each ending with a MESSAGE.
    fn commands(client: &KeyPair, server: &KeyPair) -> [Vec<Vec<u8>>; 2] {
        let at_client = ClientConfig::new(*server.public(), client.clone());
        let at_server = ServerConfig::new(server.clone()).allow_any_client();
        let mut ends = [
            MechanismConfig::CurveClient(at_client),
            MechanismConfig::CurveServer(at_server),
        ]
        .map(|mechanism| {
            Handshake::new(HandshakeConfig::new(SocketType::Pair).with_mechanism(mechanism))
        });
        let mut said = [Vec::new(), Vec::new()];
        while !ends.iter().all(Handshake::is_complete) {
            for from in [0, 1] {
                let bytes = ends[from].transmit().to_vec();
                ends[from].advance_transmit(bytes.len());
                said[from].extend_from_slice(&bytes);
                ends[1 - from].handle_input(&bytes).unwrap();
            }
        }
        for (end, said) in ends.into_iter().zip(&mut said) {
            let mut encoder = end.finish().unwrap().encoder;
            encoder.encode_frame(Flags::NONE, b"nobody sees this", said);
        }
        said.map(|wire| {
            let mut rest = &wire[64..];
            let mut bodies = Vec::new();
            while let Some((header, len)) = header::decode(rest).unwrap() {
                let end = len + header.size as usize;
                bodies.push(rest[len..end].to_vec());
                rest = &rest[end..];
            }
            bodies
        })
    }

    #[test]
    fn all_that_two_ends_say_can_be_told_apart() {
        let pair = || KeyPair::generate(&mut Random::system()).unwrap();
        let (client, server) = (pair(), pair());
        let [by_client, by_server] = commands(&client, &server);
        let decoded = |bodies: &[Vec<u8>]| -> Vec<_> {
            let decode = |body: &Vec<u8>| Command::decode(body).unwrap().name();
            bodies.iter().map(decode).collect()
        };
        let expected = [
            CommandName::Hello,
            CommandName::Initiate,
            CommandName::Message,
        ];
        assert_eq!(decoded(&by_client), expected);
        let expected = [
            CommandName::Welcome,
            CommandName::Ready,
            CommandName::Message,
        ];
        assert_eq!(decoded(&by_server), expected);

        // The commands of an end are numbered.
        let numbers: Vec<_> = by_client
            .iter()
            .map(|body| match Command::decode(body).unwrap() {
                Command::Hello { number, .. }
                | Command::Initiate { number, .. }
                | Command::Message { number, .. } => number,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(numbers, [1, 2, 3]);
        let Ok(Command::Message { sealed, .. }) = Command::decode(&by_server[2]) else {
            panic!("no message")
        };
        assert_eq!(sealed.len(), 17 + "nobody sees this".len());
    }

    #[test]
    fn debug_shows_no_secret_key_and_nothing_of_what_is_sealed() {
        let pair = || KeyPair::generate(&mut Random::system()).unwrap();
        let (client, server) = (pair(), pair());
        let by_both = commands(&client, &server);
        let mut shown = String::new();
        for body in by_both.iter().flatten() {
            shown += &format!("{:?}", Command::decode(body).unwrap());
        }
        for keys in [&client, &server] {
            let secret = keys.secret().as_bytes();
            let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(!shown.contains(&hex[..16]), "{shown}");
            assert!(
                !shown.contains(&crate::z85::encode(secret).unwrap()),
                "{shown}"
            );
            // Who the client is stays between the two, too.
            assert!(!shown.contains(&keys.public().to_string()), "{shown}");
        }
        assert!(!shown.contains("nobody"), "{shown}");
        assert!(shown.contains("PublicKey("), "{shown}");
    }

    #[test]
    fn what_has_not_its_length_is_malformed() {
        let pair = || KeyPair::generate(&mut Random::system()).unwrap();
        let by_both = commands(&pair(), &pair());
        for body in by_both.iter().flatten() {
            let whole = Command::decode(body).unwrap();
            let name = whole.name();
            for len in name.as_str().len() + 1..body.len() {
                match Command::decode(&body[..len]) {
                    Err(error) => assert_eq!(error, malformed(name)),
                    // What is sealed may be of any length from a certain one on.
                    Ok(shorter) => assert!(shorter.name() == name && shorter != whole),
                }
            }
        }
        for body in [&b""[..], b"\x07MESSAG", b"\x04PING\0\0", b"\x05HELL"] {
            let error = Command::decode(body).unwrap_err();
            assert!(matches!(error, Error::UnexpectedCommand { .. }), "{error}");
        }
        let refusal = Command::decode(b"\x05ERROR\x03400").unwrap();
        assert_eq!(refusal, Command::Error { reason: b"400" });
        let cut = Command::decode(b"\x05ERROR\x04400").unwrap_err();
        assert_eq!(cut, malformed(CommandName::Error));
    }
}
