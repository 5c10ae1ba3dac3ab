//! What keeps a message from being sent or received: an error type for each kind of call, with
//! exactly the causes that the call can have. Errors of sending hand back what was not sent.

use std::{error::Error, fmt};

use zmtp::Message;

/// The channel is closed, because the receiver is gone or [`close`](super::Sender::close) was called: the
/// message was not sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T = Message>(
    /// What was not sent, as it was.
    pub T,
);

/// Why a message was not sent by a call that does not wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T = Message> {
    /// The channel holds as many messages or bytes as its limits allow.
    Full(T),
    /// The receiver is gone, or the sender was closed.
    Closed(T),
}

/// Why a message was not sent by a call that waits for some time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendTimeoutError<T = Message> {
    /// The time was up before there was room.
    TimedOut(T),
    /// The receiver is gone, or the sender was closed.
    Closed(T),
}

/// The sender is gone or closed, and every message has been received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError;

/// Why no message was received by a call that does not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// The channel holds no message.
    Empty,
    /// The sender is gone or closed, and every message has been received.
    Closed,
}

/// Why no message was received by a call that waits for some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// The time was up before there was a message.
    TimedOut,
    /// The sender is gone or closed, and every message has been received.
    Closed,
}

const CLOSED: &str = "the channel is closed";
const CLOSED_AND_EMPTY: &str = "the channel is closed and there is no message left";

impl<T> SendError<T> {
    /// What was not sent, as it was.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> TrySendError<T> {
    /// What was not sent, as it was.
    #[must_use]
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(it) | Self::Closed(it) => it,
        }
    }

    /// Whether there was no room, so that another try may succeed.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// Whether the receiver is gone, or the sender was closed.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

impl<T> SendTimeoutError<T> {
    /// What was not sent, as it was.
    #[must_use]
    pub fn into_inner(self) -> T {
        match self {
            Self::TimedOut(it) | Self::Closed(it) => it,
        }
    }

    /// Whether the time was up, so that another try may succeed.
    #[must_use]
    pub const fn is_timed_out(&self) -> bool {
        matches!(self, Self::TimedOut(_))
    }

    /// Whether the receiver is gone, or the sender was closed.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

impl<T> From<SendError<T>> for TrySendError<T> {
    fn from(SendError(it): SendError<T>) -> Self {
        Self::Closed(it)
    }
}

impl<T> From<SendError<T>> for SendTimeoutError<T> {
    fn from(SendError(it): SendError<T>) -> Self {
        Self::Closed(it)
    }
}

impl From<RecvError> for TryRecvError {
    fn from(RecvError: RecvError) -> Self {
        Self::Closed
    }
}

impl From<RecvError> for RecvTimeoutError {
    fn from(RecvError: RecvError) -> Self {
        Self::Closed
    }
}

// Without what was not sent, which may be large and secret.
impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SendError").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Full(_) => "Full",
            Self::Closed(_) => "Closed",
        };
        f.debug_tuple(name).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::TimedOut(_) => "TimedOut",
            Self::Closed(_) => "Closed",
        };
        f.debug_tuple(name).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CLOSED)
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the channel is full",
            Self::Closed(_) => CLOSED,
        })
    }
}

impl<T> fmt::Display for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut(_) => "the channel stayed full for as long as the call may wait",
            Self::Closed(_) => CLOSED,
        })
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CLOSED_AND_EMPTY)
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the channel is empty",
            Self::Closed => CLOSED_AND_EMPTY,
        })
    }
}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "the channel stayed empty for as long as the call may wait",
            Self::Closed => CLOSED_AND_EMPTY,
        })
    }
}

impl<T> Error for SendError<T> {}
impl<T> Error for TrySendError<T> {}
impl<T> Error for SendTimeoutError<T> {}
impl Error for RecvError {}
impl Error for TryRecvError {}
impl Error for RecvTimeoutError {}
