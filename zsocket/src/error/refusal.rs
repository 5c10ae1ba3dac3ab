//! Refusals as the data path knows them.

use super::{Blocked, Error, PeerLoss, WrongState};

/// The causes that the data path knows, in one byte: a `Result` with an [`Error`] in it is large, and
/// returning it costs more than a small message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing to receive, or no room to send.
    WouldBlock,
    /// Not this call in this state.
    WrongState,
    /// The context is shut down.
    Terminated,
    /// Not this call on this type.
    NotSupported,
    /// The peer is gone from which something was to come.
    PeerLost,
    /// The message names no peer.
    NoRoutingId,
    /// The peer that the message names is not there.
    Unroutable,
    /// No publisher would take a subscription to so long a topic.
    TopicTooLong,
    /// It is larger than what can be repaired.
    MessageTooLarge,
    /// An I/O thread is gone.
    IoThreadLost,
    /// This is a forked child.
    Forked,
    /// Not a refusal to the caller: there is more to look at, but a look at the clock first.
    Again,
    /// Not a refusal to the caller: the body is too large to be copied, make a message of it.
    TooLargeToCopy,
}

impl From<Refusal> for Error {
    #[cold]
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::WouldBlock => Self::WouldBlock(Blocked::TimeOut),
            Refusal::WrongState => Self::WrongState(WrongState::default()),
            Refusal::Terminated => Self::Terminated,
            Refusal::NotSupported => Self::NotSupported,
            // The core knows better, where it matters.
            Refusal::Forked => Self::Forked,
            Refusal::IoThreadLost => Self::IoThreadLost,
            Refusal::NoRoutingId => Self::NoRoutingId,
            Refusal::Unroutable => Self::Unroutable,
            Refusal::MessageTooLarge => Self::MessageTooLarge,
            Refusal::TopicTooLong => Self::TopicTooLong {
                limit: crate::pattern::MAX_TOPIC,
            },
            Refusal::PeerLost => Self::PeerLost(Box::new(PeerLoss::Gone)),
            // Handled where they arise; as an answer they would mean: try again.
            Refusal::Again | Refusal::TooLargeToCopy => Self::WouldBlock(Blocked::TimeOut),
        }
    }
}
