//! The commands of PLAIN, taken apart.

use alloc::vec::Vec;
use core::fmt;

use super::{ClientConfig, ERROR, HELLO, INITIATE, MISSPELT_ERROR, READY, WELCOME, push_command};
use crate::command::CommandName;
use crate::mechanism::unexpected;
use crate::{Error, Frame};

/// A command of the PLAIN handshake, borrowing from the body it was decoded from.
///
/// A [`Handshake`](crate::Handshake) needs nobody to look at these. They are for those who look on, such
/// as an analyser: `Debug` shows what is text as text and the rest in hexadecimal, and of the password its
/// length. There is no comparison, which could tell a password by the time that it takes.
///
/// # Examples
///
/// ```
/// use zmtp::plain::Command;
///
/// let body = b"\x05HELLO\x05admin\x06secret";
/// let Command::Hello { username, password } = Command::decode(body)? else { unreachable!() };
/// assert_eq!((username, password), (&b"admin"[..], &b"secret"[..]));
///
/// let shown = format!("{:?}", Command::decode(body)?);
/// assert!(shown.contains("admin") && !shown.contains("secret"));
/// # Ok::<(), zmtp::Error>(())
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Command<'a> {
    /// From the client: who it is.
    Hello {
        /// The user name, at most 255 bytes.
        username: &'a [u8],
        /// The password in the clear, at most 255 bytes.
        password: &'a [u8],
    },
    /// From the server: the credentials are accepted.
    Welcome,
    /// From the client: what it says about itself.
    Initiate {
        /// The properties as they travel; see [`Metadata::decode`](crate::Metadata::decode).
        metadata: &'a [u8],
    },
    /// From the server: what it says about itself, the last command.
    Ready {
        /// The properties as they travel; see [`Metadata::decode`](crate::Metadata::decode).
        metadata: &'a [u8],
    },
    /// From the server: the client is refused.
    Error {
        /// The status code, or another reason of at most 255 bytes.
        reason: &'a [u8],
    },
}

impl<'a> Command<'a> {
    /// Reads the body of a command frame. Both spellings of ERROR are understood, and bytes behind its
    /// reason are ignored.
    ///
    /// # Errors
    ///
    /// [`Error::UnexpectedCommand`] when it is no command of PLAIN, [`Error::MalformedCommand`] when its
    /// data is not laid out as the name demands.
    pub fn decode(body: &'a [u8]) -> Result<Self, Error> {
        let malformed = |command| Error::MalformedCommand { command };
        for prefix in [ERROR, MISSPELT_ERROR] {
            if let Some(data) = body.strip_prefix(prefix) {
                let (reason, _) = take_field(data).ok_or_else(|| malformed(CommandName::Error))?;
                return Ok(Self::Error { reason });
            }
        }
        if let Some(data) = body.strip_prefix(HELLO) {
            return read_hello(data).ok_or_else(|| malformed(CommandName::Hello));
        }
        if let Some(data) = body.strip_prefix(WELCOME) {
            return match data {
                [] => Ok(Self::Welcome),
                _ => Err(malformed(CommandName::Welcome)),
            };
        }
        if let Some(metadata) = body.strip_prefix(INITIATE) {
            return Ok(Self::Initiate { metadata });
        }
        let metadata = body.strip_prefix(READY).ok_or_else(|| unexpected(body))?;
        Ok(Self::Ready { metadata })
    }

    /// Appends the command as a whole frame, header included.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLocalCredentials`] when the user name, the password or the reason is longer than
    /// 255 bytes, which have no place behind a length of one byte. Nothing is appended then.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let len = |field: &[u8]| {
            let is_short = field.len() <= ClientConfig::MAX_LEN;
            let len = is_short.then_some([field.len() as u8]);
            len.ok_or(Error::InvalidLocalCredentials)
        };
        match *self {
            Self::Hello { username, password } => {
                let (username_len, password_len) = (len(username)?, len(password)?);
                push_command(
                    &[HELLO, &username_len, username, &password_len, password],
                    out,
                );
            }
            Self::Welcome => push_command(&[WELCOME], out),
            Self::Initiate { metadata } => push_command(&[INITIATE, metadata], out),
            Self::Ready { metadata } => push_command(&[READY, metadata], out),
            Self::Error { reason } => push_command(&[ERROR, &len(reason)?, reason], out),
        }
        Ok(())
    }

    /// Which command this is.
    #[must_use]
    pub const fn name(&self) -> CommandName {
        match self {
            Self::Hello { .. } => CommandName::Hello,
            Self::Welcome => CommandName::Welcome,
            Self::Initiate { .. } => CommandName::Initiate,
            Self::Ready { .. } => CommandName::Ready,
            Self::Error { .. } => CommandName::Error,
        }
    }
}

impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| Frame::copy_from_slice(bytes);
        match self {
            Self::Hello { username, password } => f
                .debug_struct("Hello")
                .field("username", &text(username))
                .field("password", &format_args!("({} bytes)", password.len()))
                .finish(),
            Self::Welcome => f.write_str("Welcome"),
            Self::Initiate { metadata } => f
                .debug_struct("Initiate")
                .field("metadata", &text(metadata))
                .finish(),
            Self::Ready { metadata } => f
                .debug_struct("Ready")
                .field("metadata", &text(metadata))
                .finish(),
            Self::Error { reason } => f
                .debug_struct("Error")
                .field("reason", &text(reason))
                .finish(),
        }
    }
}

/// Two fields, and nothing behind them.
fn read_hello(data: &[u8]) -> Option<Command<'_>> {
    let (username, rest) = take_field(data)?;
    let (password, rest) = take_field(rest)?;
    rest.is_empty()
        .then_some(Command::Hello { username, password })
}

/// Splits off a length byte and as many bytes.
fn take_field(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = data.split_first()?;
    rest.split_at_checked(usize::from(*len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header;

    #[test]
    fn what_is_encoded_is_decoded() {
        let longest = [b'x'; 255];
        let commands = [
            Command::Hello {
                username: b"admin",
                password: b"",
            },
            Command::Hello {
                username: &longest,
                password: &longest,
            },
            Command::Welcome,
            Command::Initiate { metadata: b"abc" },
            Command::Ready { metadata: b"" },
            Command::Error { reason: b"400" },
        ];
        for command in commands {
            let mut wire = Vec::new();
            command.encode(&mut wire).unwrap();
            let (header, len) = header::decode(&wire).unwrap().unwrap();
            assert!(header.flags.is_command());
            assert_eq!(header.size as usize, wire.len() - len);
            let decoded = Command::decode(&wire[len..]).unwrap();
            assert_eq!(decoded.name(), command.name());
            let mut again = Vec::new();
            decoded.encode(&mut again).unwrap();
            assert_eq!(again, wire, "{command:?}");
        }
    }

    #[test]
    fn what_has_no_room_is_refused_and_not_cut() {
        let long = [b'x'; 256];
        let commands = [
            Command::Hello {
                username: &long,
                password: b"",
            },
            Command::Hello {
                username: b"",
                password: &long,
            },
            Command::Error { reason: &long },
        ];
        for command in commands {
            let mut wire = Vec::new();
            let error = command.encode(&mut wire).unwrap_err();
            assert_eq!(error, Error::InvalidLocalCredentials);
            assert!(wire.is_empty());
        }
    }

    #[test]
    fn what_is_no_command_of_plain_is_an_error() {
        for body in [&b""[..], b"\x04PING\0\0", b"\x05hello\0\0", b"\x05HELL"] {
            let error = Command::decode(body).unwrap_err();
            assert!(matches!(error, Error::UnexpectedCommand { .. }), "{error}");
        }
        for body in [
            &b"\x05HELLO"[..],
            b"\x05HELLO\x01a\x01bX",
            b"\x07WELCOME\0",
            b"\x5eRROR\x01",
        ] {
            let error = Command::decode(body).unwrap_err();
            assert!(matches!(error, Error::MalformedCommand { .. }), "{error}");
        }
        let misspelt = Command::decode(b"\x5eRROR\x03400, and more").unwrap();
        assert!(matches!(misspelt, Command::Error { reason: b"400" }));
    }

    #[test]
    fn debug_shows_text_and_hex_and_no_password() {
        let hello = format!(
            "{:?}",
            Command::decode(b"\x05HELLO\x05admin\x06secret").unwrap()
        );
        assert!(
            hello.contains("\"admin\"") && hello.contains("6 bytes"),
            "{hello}"
        );
        assert!(
            !hello.contains("secret") && !hello.contains("736563"),
            "{hello}"
        );
        assert!(!hello.contains("115, 101, 99"), "{hello}");
        let initiate = format!(
            "{:?}",
            Command::Initiate {
                metadata: b"\xfe\xff"
            }
        );
        assert!(initiate.contains("0xfeff"), "{initiate}");
    }
}
