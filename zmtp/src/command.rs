//! Commands: what the two ends say to each other beside messages.
//!
//! The body of a command frame is a length byte, the name, and data whose layout depends on the
//! name:
//!
//! | name | data |
//! |---|---|
//! | `READY` | [metadata](crate::metadata) |
//! | `ERROR` | length byte, reason |
//! | `PING` | time to live in tenths of a second (2 bytes), context (0 to 16 bytes) |
//! | `PONG` | the context of the PING |
//! | `SUBSCRIBE`, `CANCEL` | topic |
//! | `JOIN`, `LEAVE` | group (0 to 255 bytes) |
//!
//! Sections followed: RFC 37, "Commands", "Connection Heartbeating"; RFC 48 for JOIN and LEAVE.

use alloc::vec::Vec;
use core::fmt;

use crate::header::{self, Flags};
use crate::{Error, Frame};

/// The longest context of PING and PONG, in bytes.
pub const MAX_CONTEXT_LEN: usize = 16;

/// The longest group of JOIN and LEAVE, in bytes.
pub const MAX_GROUP_LEN: usize = 255;

/// The largest time to live of a PING, in tenths of a second, that libzmq peers understand.
///
/// They multiply the value by 100 in 16 bits, so 656 would mean 64 ms to them.
pub const MAX_SAFE_TTL: u16 = 655;

/// The names of the commands this crate knows, for [`Error::MalformedCommand`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CommandName {
    /// `READY`.
    Ready,
    /// `ERROR`.
    Error,
    /// `PING`.
    Ping,
    /// `PONG`.
    Pong,
    /// `SUBSCRIBE`.
    Subscribe,
    /// `CANCEL`.
    Cancel,
    /// `JOIN`.
    Join,
    /// `LEAVE`.
    Leave,
    /// `HELLO` of PLAIN and CURVE.
    Hello,
    /// `WELCOME` of PLAIN and CURVE.
    Welcome,
    /// `INITIATE` of PLAIN and CURVE.
    Initiate,
    /// `MESSAGE` of CURVE.
    Message,
    /// Any other name, or none.
    Other,
}

impl CommandName {
    /// Those that [`Command`] takes apart; the mechanisms take the others apart.
    const KNOWN: [Self; 8] = [
        Self::Ready,
        Self::Error,
        Self::Ping,
        Self::Pong,
        Self::Subscribe,
        Self::Cancel,
        Self::Join,
        Self::Leave,
    ];

    /// The name as it travels; empty for [`Other`](Self::Other).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "READY",
            Self::Error => "ERROR",
            Self::Ping => "PING",
            Self::Pong => "PONG",
            Self::Subscribe => "SUBSCRIBE",
            Self::Cancel => "CANCEL",
            Self::Join => "JOIN",
            Self::Leave => "LEAVE",
            Self::Hello => "HELLO",
            Self::Welcome => "WELCOME",
            Self::Initiate => "INITIATE",
            Self::Message => "MESSAGE",
            Self::Other => "",
        }
    }

    fn from_bytes(name: &[u8]) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|known| known.as_str().as_bytes() == name)
            .unwrap_or(Self::Other)
    }
}

impl fmt::Display for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Other {
            "(other)"
        } else {
            self.as_str()
        })
    }
}

/// A command, borrowing from the body it was decoded from.
///
/// # Examples
///
/// ```
/// use zmtp::Command;
///
/// let ping = Command::Ping { ttl: 50, context: b"" };
/// let mut wire = Vec::new();
/// ping.encode(&mut wire);
/// assert_eq!(wire, b"\x04\x07\x04PING\x00\x32");
/// assert_eq!(Command::decode(&wire[2..])?, ping);
/// # Ok::<(), zmtp::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command<'a> {
    /// The last command of a handshake.
    Ready {
        /// The properties as they travel; see [`Metadata::decode`](crate::Metadata::decode).
        metadata: &'a [u8],
    },
    /// The peer refuses the connection.
    Error {
        /// Why, at most 255 bytes.
        reason: &'a [u8],
    },
    /// A heartbeat that asks for a [`Pong`](Self::Pong).
    Ping {
        /// How long the receiver may hear nothing before it takes the sender for dead, in tenths of
        /// a second. 0: for ever.
        ttl: u16,
        /// What the answer has to repeat, at most [`MAX_CONTEXT_LEN`] bytes.
        context: &'a [u8],
    },
    /// The answer to a [`Ping`](Self::Ping).
    Pong {
        /// The context of the PING.
        context: &'a [u8],
    },
    /// Asks a publisher for all messages that begin with a topic.
    Subscribe {
        /// The prefix.
        topic: &'a [u8],
    },
    /// Takes a [`Subscribe`](Self::Subscribe) back.
    Cancel {
        /// The prefix.
        topic: &'a [u8],
    },
    /// Asks a RADIO for all messages of a group.
    Join {
        /// The group, at most [`MAX_GROUP_LEN`] bytes.
        group: &'a [u8],
    },
    /// Takes a [`Join`](Self::Join) back.
    Leave {
        /// The group, at most [`MAX_GROUP_LEN`] bytes.
        group: &'a [u8],
    },
    /// Any other command. After the handshake such commands are ignored.
    Unknown {
        /// The name, at most 255 bytes.
        name: &'a [u8],
        /// What follows the name.
        data: &'a [u8],
    },
}

impl<'a> Command<'a> {
    /// Reads the body of a command frame.
    ///
    /// Names are compared exactly. A PING or PONG context of more than [`MAX_CONTEXT_LEN`] bytes is
    /// cut, and bytes after the reason of an ERROR are ignored, as libzmq does.
    ///
    /// # Errors
    ///
    /// [`Error::MalformedCommand`] when the body is empty, the name is longer than the body, or the
    /// data does not have the layout that the name demands.
    pub fn decode(body: &'a [u8]) -> Result<Self, Error> {
        const NAMELESS: Error = Error::MalformedCommand {
            command: CommandName::Other,
        };
        let (&name_len, rest) = body.split_first().ok_or(NAMELESS)?;
        let (name, data) = rest
            .split_at_checked(usize::from(name_len))
            .ok_or(NAMELESS)?;
        let command = CommandName::from_bytes(name);
        let malformed = Error::MalformedCommand { command };
        Ok(match command {
            CommandName::Ready => Self::Ready { metadata: data },
            CommandName::Error => {
                let (&len, rest) = data.split_first().ok_or_else(|| malformed.clone())?;
                Self::Error {
                    reason: rest.get(..usize::from(len)).ok_or(malformed)?,
                }
            }
            CommandName::Ping => {
                let (ttl, context) = data.split_first_chunk().ok_or(malformed)?;
                Self::Ping {
                    ttl: u16::from_be_bytes(*ttl),
                    context: cut(context, MAX_CONTEXT_LEN),
                }
            }
            CommandName::Pong => Self::Pong {
                context: cut(data, MAX_CONTEXT_LEN),
            },
            CommandName::Subscribe => Self::Subscribe { topic: data },
            CommandName::Cancel => Self::Cancel { topic: data },
            CommandName::Join if data.len() <= MAX_GROUP_LEN => Self::Join { group: data },
            CommandName::Leave if data.len() <= MAX_GROUP_LEN => Self::Leave { group: data },
            CommandName::Join | CommandName::Leave => return Err(malformed),
            _ => Self::Unknown { name, data },
        })
    }

    /// Makes sure that the command can travel as it is meant.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLocalGroup`] when the group of a JOIN or LEAVE is longer than
    /// [`MAX_GROUP_LEN`] bytes.
    pub const fn check(&self) -> Result<(), Error> {
        match self {
            Self::Join { group } | Self::Leave { group } if group.len() > MAX_GROUP_LEN => {
                Err(Error::InvalidLocalGroup)
            }
            _ => Ok(()),
        }
    }

    /// The name as it travels.
    #[must_use]
    pub const fn name(&self) -> &'a [u8] {
        match self {
            Self::Unknown { name, .. } => name,
            known => known.command_name().as_str().as_bytes(),
        }
    }

    /// Which of the known commands this is.
    #[must_use]
    pub const fn command_name(&self) -> CommandName {
        match self {
            Self::Ready { .. } => CommandName::Ready,
            Self::Error { .. } => CommandName::Error,
            Self::Ping { .. } => CommandName::Ping,
            Self::Pong { .. } => CommandName::Pong,
            Self::Subscribe { .. } => CommandName::Subscribe,
            Self::Cancel { .. } => CommandName::Cancel,
            Self::Join { .. } => CommandName::Join,
            Self::Leave { .. } => CommandName::Leave,
            Self::Unknown { .. } => CommandName::Other,
        }
    }

    /// Appends the command as a whole frame, header included.
    ///
    /// What exceeds the length that a field may have on the wire is cut off: 255 bytes for the
    /// reason of an ERROR and the name of an unknown command, [`MAX_CONTEXT_LEN`] for a context. A
    /// group is not, since it would be another group then: one that does not pass
    /// [`check`](Self::check) makes a command that the peer refuses.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let size = self.encoded_len();
        let mut head = [0; header::MAX_LEN];
        let head_len = header::encode(Flags::COMMAND, size as u64, &mut head);
        out.reserve(head_len + size);
        out.extend_from_slice(&head[..head_len]);
        self.encode_body(out);
    }

    /// Appends the body of the command's frame, cut like that of [`encode`](Self::encode): what
    /// [`decode`](Self::decode) reads.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        let name = cut(self.name(), 255);
        out.push(name.len() as u8);
        out.extend_from_slice(name);
        match self {
            Self::Error { reason } => out.push(cut(reason, 255).len() as u8),
            Self::Ping { ttl, .. } => out.extend_from_slice(&ttl.to_be_bytes()),
            _ => {}
        }
        out.extend_from_slice(self.data());
    }

    /// The length of the body in bytes.
    fn encoded_len(&self) -> usize {
        let fixed = match self {
            Self::Error { .. } => 1,
            Self::Ping { .. } => 2,
            _ => 0,
        };
        1 + self.name().len().min(255) + fixed + self.data().len()
    }

    /// The part of the body whose length is not fixed.
    fn data(&self) -> &'a [u8] {
        match *self {
            Self::Ready { metadata } => metadata,
            Self::Error { reason } => cut(reason, 255),
            Self::Ping { context, .. } | Self::Pong { context } => cut(context, MAX_CONTEXT_LEN),
            Self::Subscribe { topic } | Self::Cancel { topic } => topic,
            Self::Join { group } | Self::Leave { group } => group,
            Self::Unknown { data, .. } => data,
        }
    }
}

impl fmt::Debug for Command<'_> {
    /// Shows what is text as text and the rest in hexadecimal, and of a HELLO, which may carry a
    /// password, only the length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, field) = match self {
            Self::Ready { .. } => ("Ready", "metadata"),
            Self::Error { .. } => ("Error", "reason"),
            Self::Ping { .. } => ("Ping", "context"),
            Self::Pong { .. } => ("Pong", "context"),
            Self::Subscribe { .. } => ("Subscribe", "topic"),
            Self::Cancel { .. } => ("Cancel", "topic"),
            Self::Join { .. } => ("Join", "group"),
            Self::Leave { .. } => ("Leave", "group"),
            Self::Unknown { .. } => ("Unknown", "data"),
        };
        let mut shown = f.debug_struct(kind);
        match self {
            Self::Ping { ttl, .. } => _ = shown.field("ttl", ttl),
            Self::Unknown { name, .. } => _ = shown.field("name", &Frame::copy_from_slice(name)),
            _ => {}
        }
        let data = self.data();
        match self {
            Self::Unknown { name, .. } if *name == CommandName::Hello.as_str().as_bytes() => {
                shown.field(field, &format_args!("({} bytes)", data.len()))
            }
            _ => shown.field(field, &Frame::copy_from_slice(data)),
        };
        shown.finish()
    }
}

fn cut(bytes: &[u8], len: usize) -> &[u8] {
    &bytes[..bytes.len().min(len)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn malformed(command: CommandName) -> Result<Command<'static>, Error> {
        Err(Error::MalformedCommand { command })
    }

    // spec: RFC37/command-body: the body of a command is a length, a name and its data
    // spec: RFC37/cancel: CANCEL carries the topic
    #[test]
    fn every_command_round_trips() {
        let topic = [7; 300];
        let commands = [
            Command::Ready { metadata: b"" },
            Command::Error { reason: b"400" },
            Command::Ping {
                ttl: 655,
                context: b"0123456789abcdef",
            },
            Command::Pong { context: b"ctx" },
            Command::Subscribe { topic: b"top" },
            Command::Subscribe { topic: &topic },
            Command::Cancel { topic: b"" },
            Command::Join {
                group: &topic[..255],
            },
            Command::Leave { group: b"tv" },
            Command::Unknown {
                name: b"ping",
                data: b"data",
            },
            Command::Unknown {
                name: b"",
                data: b"",
            },
        ];
        for command in commands {
            let mut wire = Vec::new();
            command.encode(&mut wire);
            let (header, len) = header::decode(&wire).unwrap().unwrap();
            assert!(header.flags.is_command());
            assert_eq!(header.size as usize, wire.len() - len);
            assert_eq!(Command::decode(&wire[len..]), Ok(command));
        }
    }

    #[test]
    fn subscriptions_become_long_where_libzmq_makes_them_long() {
        let long = |command: Command<'_>| {
            let mut wire = Vec::new();
            command.encode(&mut wire);
            Flags::from_bits(wire[0]).is_long()
        };
        let topic = [0; 249];
        assert!(!long(Command::Subscribe {
            topic: &topic[..245]
        }));
        assert!(long(Command::Subscribe {
            topic: &topic[..246]
        }));
        assert!(!long(Command::Cancel {
            topic: &topic[..248]
        }));
        assert!(long(Command::Cancel {
            topic: &topic[..249]
        }));
    }

    // spec: RFC37/command-name: a name fits into its command
    #[test]
    fn bodies_without_a_whole_name_are_malformed() {
        assert_eq!(Command::decode(b""), malformed(CommandName::Other));
        assert_eq!(Command::decode(b"\x05REA"), malformed(CommandName::Other));
    }

    // spec: RFC37/ping-layout: PING has two bytes of TTL
    // spec: RFC37/error-reason: the reason of ERROR stands behind its length
    // spec: RFC48/group-length: the group of JOIN has at most 255 bytes
    #[test]
    fn data_must_have_its_layout() {
        assert_eq!(Command::decode(b"\x04PING"), malformed(CommandName::Ping));
        assert_eq!(
            Command::decode(b"\x04PING\x00"),
            malformed(CommandName::Ping)
        );
        assert_eq!(Command::decode(b"\x05ERROR"), malformed(CommandName::Error));
        assert_eq!(
            Command::decode(b"\x05ERROR\x04400"),
            malformed(CommandName::Error)
        );
        let mut join = b"\x04JOIN".to_vec();
        join.resize(5 + 256, 1);
        assert_eq!(Command::decode(&join), malformed(CommandName::Join));
    }

    #[test]
    fn debug_shows_text_and_never_a_password() {
        let shown = |body: &[u8]| format!("{:?}", Command::decode(body).unwrap());
        assert!(shown(b"\x09SUBSCRIBEweather").contains("weather"));
        assert!(shown(b"\x04PING\0\x01\xfe\xff").contains("0xfeff"));
        let hello = shown(b"\x05HELLO\x05admin\x06secret");
        assert!(
            hello.contains("HELLO") && !hello.contains("secret"),
            "{hello}"
        );
        assert!(!hello.contains("115, 101, 99"), "{hello}");
    }

    /// A group that is cut is another group, which somebody else may have joined.
    #[test]
    fn a_long_group_is_not_cut() {
        let group = [7; MAX_GROUP_LEN + 1];
        for long in [
            Command::Join { group: &group },
            Command::Leave { group: &group },
        ] {
            assert_eq!(long.check(), Err(Error::InvalidLocalGroup));
            let mut body = Vec::new();
            long.encode_body(&mut body);
            assert_eq!(Command::decode(&body), malformed(long.command_name()));
        }
        let group = &group[1..];
        assert_eq!(Command::Join { group }.check(), Ok(()));
    }

    // spec: WIRE-3.5/context: a context of more than 16 bytes is cut
    // spec: WIRE-3.4/trailing-bytes: bytes behind the reason of ERROR are ignored
    #[test]
    fn tolerates_what_libzmq_tolerates() {
        let ping = Command::decode(b"\x04PING\x00\x010123456789abcdefXXX").unwrap();
        assert_eq!(
            ping,
            Command::Ping {
                ttl: 1,
                context: b"0123456789abcdef"
            }
        );
        let error = Command::decode(b"\x05ERROR\x03400trailing").unwrap();
        assert_eq!(error, Command::Error { reason: b"400" });
        let lower = Command::decode(b"\x05ready").unwrap();
        assert_eq!(
            lower,
            Command::Unknown {
                name: b"ready",
                data: b""
            }
        );
    }
}
