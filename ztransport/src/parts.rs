//! What the two sides of a connection share: what never changes about it, and the slots through which others
//! leave things for whoever drives the engine, and the engine for others.
//!
//! This lies below the engine, which knows a connection as its [`Parts`], and whoever drives it as its [`Host`].

use std::sync::Arc;

use zmtp::{Peer, zap};
use zpipe::{Guarded, Notifier, Readiness, Ticket};

use crate::{
    conflate::{Receiving, Sending},
    endpoint::Endpoint,
    event::SocketHandle,
    inputs::Inputs,
    losses::{Losses, News},
    net::Stream,
    options::Options,
    poll::Registry,
    signals::Outcome,
};

/// See the module documentation.
pub(crate) struct Parts {
    /// The link's id, the key of its stream in the I/O thread's poll, and the token of `io`.
    pub(crate) id: u64,
    pub(crate) handle: SocketHandle,
    pub(crate) options: Arc<Options>,
    pub(crate) endpoint: Endpoint,
    /// Whether this end connects, and connects again.
    pub(crate) outgoing: bool,
    /// Tells the I/O thread to look at this connection: at its pipes, or at its outcomes.
    pub(crate) io: Notifier,
    pub(crate) registry: Registry,
    pub(crate) slots: Slots,
}

/// A stream for an engine.
pub(crate) struct Incoming {
    pub(crate) stream: Stream,
    /// Whether another address is tried at once if the handshake on this stream fails.
    pub(crate) more_addresses: bool,
}

/// Who watches the input of a stream.
pub(crate) enum WatchedBy {
    /// The poll of a socket or of a poller, which is told the token with it.
    Inputs(Arc<Inputs>, u64),
    IoThread,
}

/// Each is locked for an event of a connection's life, never for a message.
#[derive(Default)]
pub(crate) struct Slots {
    incoming: Guarded<Option<Incoming>>,
    /// Where input is to be reported, on its way to the engine.
    inputs: Guarded<Option<WatchedBy>>,
    outcomes: Guarded<Vec<Outcome>>,
    /// For the socket, which may not look for a long time.
    news: Guarded<News>,
    /// With the number of the stream that it is about.
    zap_answer: Guarded<Option<(u64, zap::Answer)>>,
}

/// What an engine asks of whoever drives it, and what only somebody above it can make.
pub(crate) trait Host {
    /// Gives the socket the link of a connection whose handshake is complete. `None` if the socket is closed.
    fn introduce(&self, link: u64, ends: Ends, peer: Peer) -> Option<Ticket>;

    /// Has somebody asked whether this peer may come in. The answer comes by [`Events::ZAP`](crate::signals::Events::ZAP).
    fn ask(&self, request: zap::Request, attempt: u64);
}

/// The socket's ends of a connection's pipes.
pub(crate) struct Ends {
    pub(crate) sending: Sending,
    pub(crate) receiving: Receiving,
    pub(crate) losses: Arc<Losses>,
}

impl Parts {
    pub(crate) fn put_incoming(&self, incoming: Incoming) {
        *self.slots.incoming.lock() = Some(incoming);
    }

    pub(crate) fn put_inputs(&self, to: WatchedBy) {
        *self.slots.inputs.lock() = Some(to);
    }

    /// One that comes late does not take the place of one that is waited for.
    pub(crate) fn put_zap_answer(&self, attempt: u64, answer: zap::Answer) {
        let mut slot = self.slots.zap_answer.lock();
        if slot.as_ref().is_none_or(|(other, _)| *other < attempt) {
            *slot = Some((attempt, answer));
        }
    }

    pub(crate) fn take_inputs(&self) -> Option<WatchedBy> {
        self.slots.inputs.lock().take()
    }

    pub(crate) fn take_incoming(&self) -> Option<Incoming> {
        self.slots.incoming.lock().take()
    }

    /// The engine has completed a handshake.
    pub(crate) fn note_established(&self, peer: Peer) {
        let old = self.slots.news.lock().peer.replace(peer);
        // Outside the lock: its metadata may have owners of their own.
        drop(old);
    }

    /// The connection broke after the operating system had taken this many messages.
    pub(crate) fn note_interrupted(&self, taken: u64) {
        let news = News {
            taken: Some(taken),
            peer: None,
        };
        let old = std::mem::replace(&mut *self.slots.news.lock(), news);
        drop(old);
    }

    pub(crate) fn take_news(&self) -> News {
        std::mem::take(&mut *self.slots.news.lock())
    }

    /// The answer about this stream.
    pub(crate) fn take_zap_answer(&self, attempt: u64) -> Option<zap::Answer> {
        let answer = self.slots.zap_answer.lock().take();
        answer.and_then(|(about, answer)| (about == attempt).then_some(answer))
    }

    pub(crate) fn report(&self, outcome: Outcome) {
        self.slots.outcomes.lock().push(outcome);
        self.io.notify(Readiness::MAIL);
    }

    pub(crate) fn take_outcomes(&self) -> Vec<Outcome> {
        std::mem::take(&mut *self.slots.outcomes.lock())
    }

    /// Whether the pipes outlive a stream.
    pub(crate) fn keeps_pipes(&self) -> bool {
        self.outgoing && !self.options.immediate && self.options.reconnect_interval.is_some()
    }
}
