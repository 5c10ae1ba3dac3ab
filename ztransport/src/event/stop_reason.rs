//! Why an endpoint was given up.

/// Why a socket does not connect to an endpoint any more, though it was not told to let go of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// It connects only once: [`Options::reconnect_interval`](crate::Options::reconnect_interval) is `None`.
    NoInterval,
    /// Nobody listens there: [`ReconnectStop::refused`](crate::ReconnectStop::refused).
    Refused,
    /// The handshake failed: [`ReconnectStop::handshake_failed`](crate::ReconnectStop::handshake_failed).
    HandshakeFailed,
    /// Nobody listens there, and the socket has been told before to let go of an endpoint:
    /// [`ReconnectStop::after_disconnect`](crate::ReconnectStop::after_disconnect).
    AfterDisconnect,
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoInterval => "there is no interval after which to connect again",
            Self::Refused => "nobody listens there",
            Self::HandshakeFailed => "the handshake failed",
            Self::AfterDisconnect => "nobody listens there, and the socket has disconnected before",
        })
    }
}
