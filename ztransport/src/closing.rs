//! A link that is let go of, for whoever asks what becomes of what is queued in it.

use std::sync::Arc;

use crate::{connection::Connection, endpoint::Endpoint, link::Link, losses::Losses};

/// What is known of a link after it was dropped. Made just before that.
#[derive(Debug)]
pub struct Closing {
    /// The endpoint bound or connected to.
    pub endpoint: Endpoint,
    /// Whether this end connected.
    pub outgoing: bool,
    /// Messages that were queued.
    pub queued: u64,
    behind: Behind,
}

#[derive(Debug)]
enum Behind {
    /// Another socket of this process has the messages.
    Peer,
    /// Nobody.
    Nobody,
    /// An engine.
    Engine(Arc<Connection>, Arc<Losses>),
}

/// What has become of the messages of a link by now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fate {
    /// Taken by the operating system or, over inproc, by the peer.
    pub delivered: u64,
    /// Dropped.
    pub discarded: u64,
    /// Neither yet.
    pub pending: u64,
    /// Whether the peer's system has acknowledged all of them, over ipc and inproc: has them.
    pub acknowledged: bool,
}

impl Closing {
    /// Looks at a link that is going to be dropped.
    #[must_use]
    pub fn new(link: &Link) -> Self {
        let behind = match (&link.driver, &link.losses) {
            (Some(driver), Some(losses)) => {
                Behind::Engine(Arc::clone(&driver.connection), Arc::clone(losses))
            }
            _ if link.peer.is_some() && !link.writer.is_closed() => Behind::Peer,
            _ => Behind::Nobody,
        };
        let queued = if link.writer.is_closed() {
            // What the engine had counted by then was lost before.
            link.unclaimed()
        } else {
            link.writer.pending()
        };
        Self {
            endpoint: link.endpoint.clone(),
            outgoing: link.outgoing,
            queued,
            behind,
        }
    }

    /// The number of the connection that has to end before all is decided.
    pub(crate) fn connection(&self) -> Option<u64> {
        match &self.behind {
            Behind::Engine(connection, _) => Some(connection.id),
            Behind::Peer | Behind::Nobody => None,
        }
    }

    /// What has become of the messages, if `is_over` for good.
    pub(crate) fn fate(&self, is_over: bool) -> Fate {
        let queued = self.queued;
        match &self.behind {
            Behind::Peer => Fate {
                delivered: queued,
                acknowledged: true,
                ..Fate::default()
            },
            Behind::Nobody => Fate {
                discarded: queued,
                acknowledged: queued == 0,
                ..Fate::default()
            },
            Behind::Engine(connection, losses) => {
                let discarded = losses.abandoned.value().min(queued);
                let pending = if is_over {
                    0
                } else {
                    // One that is busy has not said.
                    connection
                        .pending()
                        .map_or(queued, |(pending, _)| pending)
                        .min(queued - discarded)
                };
                Fate {
                    delivered: queued - discarded - pending,
                    discarded,
                    pending,
                    acknowledged: queued == 0 || losses.is_acknowledged(),
                }
            }
        }
    }
}
