//! What became of messages that went from one socket to another.

use std::fmt;

use crate::Error;

/// How much [`Socket::forward_to`](crate::Socket::forward_to) moves at most in one call. It stops behind the message that uses the
/// budget up, so at least one message fits.
///
/// # Examples
///
/// ```
/// let budget = zsocket::Budget { messages: 16, ..Default::default() };
/// assert_eq!(budget.bytes, 1 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Messages. Default: 1,000.
    pub messages: u64,
    /// Bytes of their bodies. Default: 1 MiB.
    pub bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            messages: 1_000,
            bytes: 1 << 20,
        }
    }
}

/// Messages, and the bytes of the bodies of their frames; routing ids that a ROUTER or STREAM has put in front are frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Traffic {
    /// Whole messages.
    pub messages: u64,
    /// Bytes of all their frames.
    pub bytes: u64,
}

impl Traffic {
    pub(crate) fn count(&mut self, bytes: u64) {
        self.messages += 1;
        self.bytes += bytes;
    }
}

impl std::ops::AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}

/// What one call of [`Socket::forward_to`](crate::Socket::forward_to) has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Forwarded {
    /// What was taken from the source.
    pub received: Traffic,
    /// What the destination has accepted. The difference to what was received is what names a peer that is not there, or
    /// nothing that the destination can send: it was dropped and counted.
    pub sent: Traffic,
    /// What the capture has a copy of.
    pub captured: Traffic,
    /// Messages that the capture had no room for.
    pub capture_dropped: u64,
    /// Why it was over.
    pub end: ForwardEnd,
}

impl Forwarded {
    pub(crate) fn nothing(end: ForwardEnd) -> Self {
        Self {
            received: Traffic::default(),
            sent: Traffic::default(),
            captured: Traffic::default(),
            capture_dropped: 0,
            end,
        }
    }
}

/// Why [`Socket::forward_to`](crate::Socket::forward_to) has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardEnd {
    /// The source has no more messages now.
    Empty,
    /// The destination has no room now, or its pattern does not send now. The next message stays where it is.
    Full,
    /// The [`Budget`] is used up: there may be more.
    Budget,
}

/// Why forwarding is not possible.
#[derive(Debug)]
pub struct ForwardError {
    /// Which socket has failed.
    pub at: ForwardSide,
    /// What it says.
    pub error: Error,
}

/// One of the sockets that take part in [`Socket::forward_to`](crate::Socket::forward_to).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardSide {
    /// Where messages come from.
    Source,
    /// Where they go.
    Destination,
    /// Where copies of them go.
    Capture,
}

impl fmt::Display for ForwardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.at {
            ForwardSide::Source => "the source of messages to forward has failed",
            ForwardSide::Destination => "the destination of forwarded messages has failed",
            ForwardSide::Capture => "the capture of forwarded messages has failed",
        })
    }
}

impl std::error::Error for ForwardError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
