//! What an engine tells the socket of its link: what was lost, and which connection stands.

use std::time::Instant;

use zmtp::Peer;
use zpipe::{Counter, Guarded};

use crate::{event::CloseReason, net::PeerAddress};

/// What became of messages that were not delivered, and why: written by the engine, for the socket.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Messages that the engine has counted as lost when it let go of the pipes.
    pub(crate) abandoned: Counter,
    /// The number of the last message that was given up because the peer refuses it.
    refused: Counter,
    /// The number of the first message that came on the present connection.
    begun: Counter,
    /// 1 when the peer's system has acknowledged everything, after the socket had let go.
    acknowledged: Counter,
    /// How the last connection ended. Locked at its end, never for a message.
    reason: Guarded<Option<CloseReason>>,
    /// The connection that stands now. Locked when it begins and ends, never for a message.
    standing: Guarded<Option<Standing>>,
}

/// A connection whose handshake is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// The other end; `None` over inproc.
    pub address: Option<PeerAddress>,
    /// When the handshake was complete.
    pub since: Instant,
}

impl Losses {
    /// See [`Link::close_reason`](crate::Link::close_reason).
    pub(crate) fn reason(&self) -> Option<CloseReason> {
        self.reason.lock().clone()
    }

    pub(crate) fn standing(&self) -> Option<Standing> {
        self.standing.lock().clone()
    }

    /// The number of the last message that was given up.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.value()
    }

    pub(crate) fn set_reason(&self, reason: CloseReason) {
        *self.reason.lock() = Some(reason);
    }

    /// The number of messages that had come before the present connection.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.value()
    }

    /// Everything has arrived at the peer's system.
    pub(crate) fn set_acknowledged(&self) {
        self.acknowledged.add(1);
    }

    pub(crate) fn is_acknowledged(&self) -> bool {
        self.acknowledged.value() > 0
    }

    /// A connection begins.
    pub(crate) fn set_standing(&self, address: PeerAddress) {
        *self.standing.lock() = Some(Standing {
            address: Some(address),
            since: Instant::now(),
        });
    }

    /// The connection has ended.
    pub(crate) fn clear_standing(&self) {
        *self.standing.lock() = None;
    }

    /// What comes from now on, after this many messages, comes on another connection.
    pub(crate) fn set_begun(&self, messages: u64) {
        self.begun.add(messages - self.begun.value());
    }

    /// Messages are given up in order, and only by whoever has the engine.
    pub(crate) fn set_refused(&self, number: u64) {
        self.refused.add(number - self.refused.value());
    }
}

/// What has become of the connection of a link since the socket last asked: the latest, however often
/// it broke and was made again meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct News {
    /// If the connection broke: how many of the messages written to the link the operating system had
    /// taken when it last did. These may be lost; the others are sent once the connection stands again.
    pub taken: Option<u64>,
    /// If the handshake is complete, for the first time or again, and the connection stands: what the
    /// peer said about itself.
    pub peer: Option<Peer>,
}
