//! What can go wrong on a connection: by cause, and by whose fault it is.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use crate::command::CommandName;
use crate::greeting::MechanismName;
#[cfg(feature = "zap")]
use crate::zap;
#[cfg(feature = "ws")]
use crate::zws;
use crate::{SocketType, Version};

/// Why a connection failed, or a call was refused.
///
/// Everything but the [`Blame::Local`] causes ends the connection. Errors compare equal by cause
/// and details, so tests can name them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The peer speaks a version of ZMTP that is older than the oldest one accepted, or is no ZMTP
    /// peer at all: whatever does not begin with a signature counts as version 1.0.
    UnsupportedVersion {
        /// The version that the first bytes amount to.
        version: Version,
    },
    /// The peer speaks ZMTP 1.0 or 2.0, which have no security mechanisms, and this end demands one,
    /// or asks ZAP.
    VersionWithoutSecurity {
        /// The version that the peer speaks.
        version: Version,
    },
    /// The peer is configured for another security mechanism.
    MechanismMismatch {
        /// The name in the peer's greeting.
        peer: MechanismName,
    },
    /// The peer's socket type may not talk to ours.
    IncompatibleSocketType {
        /// The type of this end.
        ours: SocketType,
        /// The type the peer announced.
        peer: SocketType,
    },
    /// The peer announced a socket type that does not exist.
    UnknownSocketType {
        /// The announced name, cut to a printable length.
        name: Box<str>,
    },
    /// The peer's identity is longer than 255 bytes, or begins with a zero byte, which is reserved.
    InvalidIdentity {
        /// The length of the identity in bytes.
        len: usize,
    },
    /// The peer's metadata ends inside a property.
    MalformedMetadata,
    /// The peer's metadata is longer than the limit.
    MetadataTooLarge {
        /// Its length in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The peer sent more properties than the limit.
    TooManyProperties {
        /// The limit.
        limit: usize,
    },
    /// During the handshake the peer sent a command, or a message, that has no place there.
    UnexpectedCommand {
        /// The name of the command, cut to a printable length; empty if there is none.
        name: Box<str>,
    },
    /// The peer sent a command without waiting for the answer to the one before it.
    PrematureCommand {
        /// The name of the command, cut to a printable length; empty if there is none.
        name: Box<str>,
    },
    /// The body of a command does not have the layout that its name demands.
    MalformedCommand {
        /// The command.
        command: CommandName,
    },
    /// A box of the peer does not open: a wrong key, a cookie that is not ours, or bytes that were
    /// changed on the way.
    Cryptographic {
        /// The command that holds the box.
        command: CommandName,
    },
    /// The peer's vouch is genuine and speaks of other keys than those in use.
    KeyExchange,
    /// The peer used a nonce again, or one that is smaller than the last.
    InvalidSequence,
    /// The peer refused the connection with an ERROR command.
    Refused {
        /// The reason it gave, such as `400`.
        reason: Box<str>,
    },
    /// The handler that was asked about the peer did not let it in.
    #[cfg(feature = "zap")]
    AuthenticationFailed {
        /// What it said.
        status: zap::Status,
    },
    /// The handler that was asked about the peer sent something that is no valid reply.
    #[cfg(feature = "zap")]
    InvalidZapReply {
        /// What is wrong with it.
        cause: zap::ReplyError,
    },
    /// Nobody is there to be asked about the peer, and without that it may not come in.
    NoZapHandler,
    /// The peer announced a frame of more than 2^63 - 1 bytes.
    FrameSizeOutOfRange {
        /// The announced size in bytes.
        size: u64,
    },
    /// The peer announced a ZMTP 1.0 frame of length 0, which has no room for its flags.
    FrameWithoutFlags,
    /// The peer announced a frame that is longer than the limit.
    FrameTooLarge {
        /// The announced size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The frames of one message exceed the limit together.
    MessageTooLarge {
        /// The size up to and including the announced frame, in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The peer sent a message of more frames than the limit.
    TooManyFrames {
        /// The limit.
        limit: u32,
    },
    /// The peer announced a command that is longer than the limit for commands.
    CommandTooLarge {
        /// The announced size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The peer subscribed to a topic, or took back one, that is longer than the limit.
    SubscriptionTooLong {
        /// The length of the topic in bytes.
        len: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The HTTP upgrade to WebSocket failed.
    #[cfg(feature = "ws")]
    Upgrade {
        /// Why.
        cause: zws::UpgradeError,
    },
    /// The peer broke the rules of WebSocket, or of ØMQ over it.
    #[cfg(feature = "ws")]
    WebSocket {
        /// How.
        cause: zws::Violation,
    },
    /// The peer closed a WebSocket in due form.
    ClosedByPeer {
        /// The status code it gave, if it gave one; 1000 is the usual one.
        code: Option<u16>,
    },
    /// The handshake did not complete in time.
    HandshakeTimeout,
    /// The peer did not answer a PING in time.
    HeartbeatTimeout,
    /// The peer stayed silent longer than the time to live of its last PING.
    PeerTtlExpired,
    /// The identity given for this end is longer than 255 bytes or begins with a zero byte.
    InvalidLocalIdentity,
    /// A property given for this end has an invalid or reserved name, or too long a value.
    InvalidLocalProperty,
    /// The user name or the password given for this end is longer than 255 bytes.
    InvalidLocalCredentials,
    /// The host or the path given for a WebSocket is empty, too long, or holds what an HTTP request
    /// cannot.
    InvalidLocalTarget,
    /// The group given for a JOIN or LEAVE is longer than 255 bytes.
    InvalidLocalGroup,
    /// A ZAP policy enforces a domain and has none, so nobody would be asked and everybody let in.
    EmptyZapDomain,
    /// A ZAP policy was given to an end that would never ask: the client of a mechanism, or NULL
    /// without a domain.
    UnusedZapPolicy,
    /// A CURVE server has neither a ZAP policy nor the word that any client may come in.
    NoZapPolicy,
    /// There is no open question to ZAP that this answer could be for.
    UnexpectedZapAnswer,
    /// The server's public key given to a CURVE client is one of the few that make the same secret
    /// with everybody, and nobody's.
    InvalidServerKey,
    /// As many commands were sent over a CURVE connection as there are nonces.
    NonceExhausted,
    /// The operating system gave no random bytes, which keys and nonces are made of.
    RandomUnavailable,
    /// The connection has failed before and takes nothing more.
    Closed,
}

/// Whose doing an [`Error`] is, which decides how to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Blame {
    /// The peer broke the protocol, or does not speak it. Connecting again will not help.
    Protocol,
    /// Both ends are sound and do not fit together: version, mechanism or socket type.
    Incompatible,
    /// The peer refused us.
    Refused,
    /// We refused the peer: its credentials were not accepted, or could not be checked.
    Unauthenticated,
    /// The peer ended the connection as the protocol has it, and without blame.
    Closed,
    /// The peer exceeded one of our limits.
    Limit,
    /// Nothing came in time. Connecting again may help.
    Timeout,
    /// The caller's own doing.
    Local,
}

impl Error {
    /// Whether this is about a command that is ignored once the handshake is over. Commands that are
    /// not understood are; those with a known name have to be right.
    #[must_use]
    pub const fn is_ignorable_command(&self) -> bool {
        matches!(
            self,
            Self::MalformedCommand {
                command: CommandName::Other | CommandName::Error
            }
        )
    }

    /// Whose doing the error is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::UnsupportedVersion { .. }
            | Self::VersionWithoutSecurity { .. }
            | Self::MechanismMismatch { .. }
            | Self::IncompatibleSocketType { .. } => Blame::Incompatible,
            Self::UnknownSocketType { .. }
            | Self::InvalidIdentity { .. }
            | Self::MalformedMetadata
            | Self::UnexpectedCommand { .. }
            | Self::PrematureCommand { .. }
            | Self::MalformedCommand { .. }
            | Self::Cryptographic { .. }
            | Self::KeyExchange
            | Self::InvalidSequence
            | Self::FrameWithoutFlags
            | Self::FrameSizeOutOfRange { .. } => Blame::Protocol,
            #[cfg(feature = "ws")]
            Self::Upgrade { cause } => cause.blame(),
            #[cfg(feature = "ws")]
            Self::WebSocket { cause } => cause.blame(),
            Self::ClosedByPeer { .. } => Blame::Closed,
            Self::Refused { .. } => Blame::Refused,
            #[cfg(feature = "zap")]
            Self::AuthenticationFailed { .. } | Self::InvalidZapReply { .. } => {
                Blame::Unauthenticated
            }
            Self::NoZapHandler => Blame::Unauthenticated,
            Self::MetadataTooLarge { .. }
            | Self::SubscriptionTooLong { .. }
            | Self::TooManyProperties { .. }
            | Self::FrameTooLarge { .. }
            | Self::MessageTooLarge { .. }
            | Self::TooManyFrames { .. }
            | Self::CommandTooLarge { .. } => Blame::Limit,
            Self::HandshakeTimeout | Self::HeartbeatTimeout | Self::PeerTtlExpired => {
                Blame::Timeout
            }
            Self::UnexpectedZapAnswer
            | Self::InvalidLocalIdentity
            | Self::InvalidLocalProperty
            | Self::InvalidServerKey
            | Self::NonceExhausted
            | Self::RandomUnavailable
            | Self::InvalidLocalCredentials
            | Self::InvalidLocalTarget
            | Self::InvalidLocalGroup
            | Self::EmptyZapDomain
            | Self::UnusedZapPolicy
            | Self::NoZapPolicy
            | Self::Closed => Blame::Local,
        }
    }

    /// The value that libzmq reports with `ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL` for this cause, if
    /// it has one.
    ///
    /// Faults in the metadata have the value that libzmq reports for them under PLAIN and CURVE;
    /// under NULL it reports none.
    #[must_use]
    pub const fn protocol_event_code(&self) -> Option<u32> {
        Some(match self {
            Self::PrematureCommand { .. } => 0x1000_0000,
            Self::UnexpectedCommand { .. } => 0x1000_0001,
            Self::MalformedCommand { command } => match command {
                CommandName::Error => 0x1000_0015,
                CommandName::Ready => 0x1000_0016,
                CommandName::Message => 0x1000_0012,
                CommandName::Hello => 0x1000_0013,
                CommandName::Initiate => 0x1000_0014,
                CommandName::Welcome => 0x1000_0017,
                _ => 0x1000_0011,
            },
            Self::MalformedMetadata
            | Self::MetadataTooLarge { .. }
            | Self::TooManyProperties { .. }
            | Self::UnknownSocketType { .. }
            | Self::IncompatibleSocketType { .. }
            | Self::InvalidIdentity { .. } => 0x1000_0018,
            Self::InvalidSequence => 0x1000_0002,
            Self::KeyExchange => 0x1000_0003,
            Self::Cryptographic { .. } => 0x1100_0001,
            Self::MechanismMismatch { .. } => 0x1100_0002,
            #[cfg(feature = "zap")]
            Self::InvalidZapReply { cause } => cause.protocol_event_code(),
            #[cfg(feature = "ws")]
            Self::Upgrade { .. } | Self::WebSocket { .. } => 0x3000_0000,
            _ => return None,
        })
    }

    /// The ZAP status code, 300, 400 or 500, that an ERROR command of the peer carried or this end's
    /// own ZAP handler answered: the value that libzmq reports with `ZMQ_EVENT_HANDSHAKE_FAILED_AUTH`.
    #[must_use]
    pub fn auth_event_code(&self) -> Option<u32> {
        match self {
            Self::Refused { reason } => match &**reason {
                "300" => Some(300),
                "400" => Some(400),
                "500" => Some(500),
                _ => None,
            },
            #[cfg(feature = "zap")]
            Self::AuthenticationFailed { status } => Some(u32::from(status.code())),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedVersion { version } => {
                write!(
                    f,
                    "peer speaks ZMTP {version} or no ZMTP at all, which is not accepted"
                )
            }
            Self::VersionWithoutSecurity { version } => {
                write!(
                    f,
                    "peer speaks ZMTP {version}, which has no security; update it, or accept NULL \
                     without a ZAP domain"
                )
            }
            Self::MechanismMismatch { peer } => {
                write!(f, "peer uses another security mechanism: {peer:?}")
            }
            Self::IncompatibleSocketType { ours, peer } => {
                write!(f, "peer is a {peer} socket, which cannot talk to {ours}")
            }
            Self::UnknownSocketType { name } => {
                write!(f, "peer announced an unknown socket type {name:?}")
            }
            Self::InvalidIdentity { len } => {
                write!(f, "peer announced an invalid identity of {len} bytes")
            }
            Self::MalformedMetadata => f.write_str("peer sent malformed metadata"),
            Self::TooManyProperties { limit } => {
                write!(f, "peer sent more than {limit} properties")
            }
            Self::MetadataTooLarge { size, limit } => {
                write!(
                    f,
                    "peer sent {size} bytes of metadata, the limit is {limit}"
                )
            }
            Self::UnexpectedCommand { name } => {
                write!(f, "peer sent {name:?} where another command was due")
            }
            Self::PrematureCommand { name } => {
                write!(f, "peer sent {name:?} before the command before it was answered")
            }
            Self::MalformedCommand { command } => {
                write!(f, "peer sent a malformed {command} command")
            }
            Self::Cryptographic { command } => {
                write!(
                    f,
                    "a box in the peer's {command} does not open; compare the keys at both ends"
                )
            }
            Self::KeyExchange => f.write_str("peer's vouch is for other keys than those in use"),
            Self::InvalidSequence => f.write_str("peer used a nonce twice or went back"),
            Self::InvalidLocalCredentials => {
                f.write_str("user name or password is longer than 255 bytes")
            }
            Self::InvalidLocalTarget => f.write_str(
                "host or path is empty, too long, or has characters other than visible ASCII",
            ),
            Self::InvalidLocalGroup => f.write_str("group is longer than 255 bytes"),
            Self::EmptyZapDomain => f.write_str(
                "ZAP policy enforces an empty domain, so it would ask nobody: name the domain",
            ),
            Self::UnusedZapPolicy => f.write_str(
                "ZAP policy would never be asked: only servers ask, and NULL only with a domain",
            ),
            Self::NoZapPolicy => f.write_str(
                "CURVE server has no ZAP policy: give it one, or say that any client may come in",
            ),
            Self::UnexpectedZapAnswer => f.write_str("nothing was asked that ZAP could answer"),
            Self::Refused { reason } => write!(f, "peer refused the connection: {reason}"),
            #[cfg(feature = "zap")]
            Self::AuthenticationFailed { status } => {
                write!(f, "peer was refused by the authentication handler: {status}")
            }
            #[cfg(feature = "zap")]
            Self::InvalidZapReply { cause } => {
                write!(f, "peer was refused, the authentication handler is broken: {cause}")
            }
            Self::NoZapHandler => f.write_str(
                "peer was refused, there is no authentication handler: bind one, or do not demand it",
            ),
            Self::FrameSizeOutOfRange { size } => {
                write!(
                    f,
                    "peer announced a frame of {size} bytes, more than the protocol allows"
                )
            }
            Self::FrameWithoutFlags => {
                f.write_str("peer announced a frame of length 0, which ZMTP 1.0 does not know")
            }
            Self::SubscriptionTooLong { len, limit } => {
                write!(f, "peer named a topic of {len} bytes, the limit is {limit}")
            }
            Self::FrameTooLarge { size, limit } => {
                write!(
                    f,
                    "peer announced a frame of {size} bytes, the limit is {limit}"
                )
            }
            Self::MessageTooLarge { size, limit } => {
                write!(
                    f,
                    "peer announced a message of {size} bytes, the limit is {limit}"
                )
            }
            Self::TooManyFrames { limit } => {
                write!(f, "peer sent a message of more than {limit} frames")
            }
            Self::CommandTooLarge { size, limit } => {
                write!(
                    f,
                    "peer announced a command of {size} bytes, the limit is {limit}"
                )
            }
            #[cfg(feature = "ws")]
            Self::Upgrade { cause } => write!(f, "upgrade to WebSocket failed: {cause}"),
            #[cfg(feature = "ws")]
            Self::WebSocket { cause } => write!(f, "peer broke the rules: {cause}"),
            Self::ClosedByPeer { code: Some(code) } => {
                write!(f, "peer closed the connection with status {code}")
            }
            Self::ClosedByPeer { code: None } => f.write_str("peer closed the connection"),
            Self::HandshakeTimeout => f.write_str("handshake did not complete in time"),
            Self::HeartbeatTimeout => f.write_str("peer did not answer a heartbeat in time"),
            Self::PeerTtlExpired => {
                f.write_str("peer was silent longer than the time to live it announced")
            }
            Self::InvalidLocalIdentity => {
                f.write_str("identity is longer than 255 bytes or begins with a zero byte")
            }
            Self::InvalidLocalProperty => {
                f.write_str("property has an invalid or reserved name or too long a value")
            }
            Self::InvalidServerKey => {
                f.write_str("the server's public key is no key; give the one that the server shows")
            }
            Self::NonceExhausted => {
                f.write_str("the connection has used up its nonces; connect again")
            }
            Self::RandomUnavailable => {
                f.write_str("the operating system gave no random bytes; connect again later")
            }
            Self::Closed => f.write_str("connection is closed"),
        }
    }
}

impl core::error::Error for Error {}

/// Text from a peer in a form fit for errors and logs: no more than 64 bytes of it, without control
/// characters, lossy.
pub(crate) fn printable(text: &[u8]) -> Box<str> {
    const SHOWN: usize = 64;
    String::from_utf8_lossy(&text[..text.len().min(SHOWN)])
        .replace(char::is_control, "\u{FFFD}")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_small_on_the_hot_path() {
        assert!(size_of::<Error>() <= 32, "{}", size_of::<Error>());
    }

    // spec: WIRE-B/protocol-events: causes map to libzmq's values of HANDSHAKE_FAILED_PROTOCOL
    // spec: WIRE-B/auth-events: 300, 400 and 500 map to HANDSHAKE_FAILED_AUTH, other reasons to nothing
    #[test]
    #[cfg(feature = "zap")]
    fn event_codes_are_those_of_libzmq() {
        let malformed = |command| Error::MalformedCommand { command };
        let name = || "".into();
        let ours = SocketType::Req;
        let table = [
            (Error::PrematureCommand { name: name() }, 0x1000_0000),
            (Error::UnexpectedCommand { name: name() }, 0x1000_0001),
            (Error::InvalidSequence, 0x1000_0002),
            (Error::KeyExchange, 0x1000_0003),
            (malformed(CommandName::Other), 0x1000_0011),
            (malformed(CommandName::Ping), 0x1000_0011),
            (malformed(CommandName::Message), 0x1000_0012),
            (malformed(CommandName::Hello), 0x1000_0013),
            (malformed(CommandName::Initiate), 0x1000_0014),
            (malformed(CommandName::Error), 0x1000_0015),
            (malformed(CommandName::Ready), 0x1000_0016),
            (malformed(CommandName::Welcome), 0x1000_0017),
            (Error::MalformedMetadata, 0x1000_0018),
            (Error::UnknownSocketType { name: name() }, 0x1000_0018),
            (
                Error::IncompatibleSocketType { ours, peer: ours },
                0x1000_0018,
            ),
            (Error::InvalidIdentity { len: 256 }, 0x1000_0018),
            (
                Error::Cryptographic {
                    command: CommandName::Hello,
                },
                0x1100_0001,
            ),
            (
                Error::MechanismMismatch {
                    peer: MechanismName::NULL,
                },
                0x1100_0002,
            ),
            (
                Error::InvalidZapReply {
                    cause: zap::ReplyError::Version,
                },
                0x2000_0003,
            ),
        ];
        for (error, code) in table {
            assert_eq!(error.protocol_event_code(), Some(code), "{error}");
            assert_eq!(error.auth_event_code(), None, "{error}");
        }
        let version = Version::V1_0;
        for silent in [
            Error::HandshakeTimeout,
            Error::UnsupportedVersion { version },
            Error::VersionWithoutSecurity { version },
            Error::FrameWithoutFlags,
            Error::FrameTooLarge { size: 2, limit: 1 },
            Error::NoZapHandler,
        ] {
            assert_eq!(silent.protocol_event_code(), None, "{silent}");
            assert_eq!(silent.auth_event_code(), None, "{silent}");
        }
        let refused = |reason: &str| Error::Refused {
            reason: reason.into(),
        };
        for (reason, code) in [("300", 300), ("400", 400), ("500", 500)] {
            assert_eq!(refused(reason).auth_event_code(), Some(code));
            assert_eq!(refused(reason).protocol_event_code(), None);
        }
        for reason in ["", "200", "no", "4000"] {
            assert_eq!(refused(reason).auth_event_code(), None, "{reason}");
        }
        let denied = Error::AuthenticationFailed {
            status: zap::Status::AuthenticationFailure,
        };
        assert_eq!(denied.auth_event_code(), Some(400));
    }

    #[test]
    fn text_from_the_peer_is_cut() {
        assert_eq!(printable(&[b'a'; 100]).len(), 64);
        assert_eq!(&*printable(b"ok\xFF"), "ok\u{FFFD}");
    }

    #[test]
    fn text_from_the_peer_cannot_write_lines_of_a_log() {
        let reason = printable(b"no\r\nERROR all is lost \x1B[2J");
        let shown = Error::Refused { reason }.to_string();
        assert!(!shown.contains(char::is_control), "{shown:?}");
    }
}
