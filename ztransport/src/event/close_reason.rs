//! Why connections end.

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// This end closed it.
    Local,
    /// The peer closed it.
    PeerClosed,
    /// The operating system broke it.
    Io(std::io::ErrorKind),
    /// The handshake took too long.
    HandshakeTimeout,
    /// A message took too long to arrive.
    MessageTimeout,
    /// Nothing came from the peer in time after a heartbeat.
    HeartbeatTimeout,
    /// The peer was silent for longer than it had said that it would be.
    TtlExpired,
    /// A frame, a command or a message was larger than the limit.
    Oversize {
        /// Its size in bytes, as far as it was announced.
        size: u64,
    },
    /// A message had more frames than the limit.
    TooManyFrames {
        /// The limit.
        limit: u32,
    },
    /// The peer broke the protocol, or does not fit to this socket.
    Protocol(zmtp::Error),
    /// A defect of this library: something panicked while it served the connection. The endpoint is given
    /// up. Please report it.
    Panicked,
}

impl CloseReason {
    /// The status with which the peer was refused, or has refused this end: 300, 400 or 500. `None` if that is not why the
    /// connection ended.
    #[must_use]
    pub fn status(&self) -> Option<u32> {
        match self {
            Self::Protocol(error) => error.auth_event_code(),
            _ => None,
        }
    }

    /// Whether the peer has told this end not to come again.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Protocol(zmtp::Error::Refused { .. }))
            && matches!(self.status(), Some(400 | 500))
    }
}

impl std::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local => f.write_str("closed by this end"),
            Self::PeerClosed => f.write_str("closed by the peer"),
            Self::Io(kind) => write!(f, "broken: {kind}"),
            Self::HandshakeTimeout => f.write_str("the handshake took too long"),
            Self::MessageTimeout => f.write_str("a message took too long to arrive"),
            Self::HeartbeatTimeout => f.write_str("the peer did not answer a heartbeat in time"),
            Self::TtlExpired => f.write_str("the peer was silent for longer than it had said"),
            Self::Oversize { size } => {
                write!(f, "a frame or message of {size} bytes exceeds the limit")
            }
            Self::TooManyFrames { limit } => write!(f, "a message had more than {limit} frames"),
            Self::Protocol(error) => error.fmt(f),
            Self::Panicked => {
                f.write_str("given up after a panic, which is a defect: please report it")
            }
        }
    }
}

impl From<zmtp::Error> for CloseReason {
    /// What exceeds a limit in traffic has reasons of its own, and so has silence.
    fn from(error: zmtp::Error) -> Self {
        match error {
            zmtp::Error::FrameTooLarge { size, .. }
            | zmtp::Error::MessageTooLarge { size, .. }
            | zmtp::Error::CommandTooLarge { size, .. } => Self::Oversize { size },
            zmtp::Error::TooManyFrames { limit } => Self::TooManyFrames { limit },
            zmtp::Error::HeartbeatTimeout => Self::HeartbeatTimeout,
            zmtp::Error::PeerTtlExpired => Self::TtlExpired,
            error => Self::Protocol(error),
        }
    }
}
