//! Receiving, sending, or both.

use std::{fmt, ops::BitOr};

/// What one wants to do with a socket, or can do: receive, send, or both. See
/// [`Socket::readiness`](crate::Socket::readiness).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Interest(u8);

impl Interest {
    /// Neither.
    pub const NONE: Self = Self(0);
    /// To receive. libzmq: `ZMQ_POLLIN`.
    pub const RECV: Self = Self(1);
    /// To send. libzmq: `ZMQ_POLLOUT`.
    pub const SEND: Self = Self(2);
    /// Both.
    pub const BOTH: Self = Self(3);
    /// To learn that the socket has come to its end: that its context is shut down, so that every call fails. Whoever is
    /// interested in something else is told anyway. It is for those who want nothing else of a socket for a while.
    pub const END: Self = Self(4);

    /// Whether this has all of `other`.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether this is [`NONE`](Self::NONE).
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether this has [`RECV`](Self::RECV).
    #[must_use]
    pub const fn can_recv(self) -> bool {
        self.contains(Self::RECV)
    }

    /// Whether this has [`SEND`](Self::SEND).
    #[must_use]
    pub const fn can_send(self) -> bool {
        self.contains(Self::SEND)
    }
}

impl BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.can_recv(), self.can_send()) {
            (false, false) if self.contains(Self::END) => "END",
            (false, false) => "NONE",
            (true, false) => "RECV",
            (false, true) => "SEND",
            (true, true) => "BOTH",
        })?;
        if !self.is_none() && *self != Self::END && self.contains(Self::END) {
            f.write_str(" | END")?;
        }
        Ok(())
    }
}
