//! What became of what was queued when a socket was closed.

use std::{collections::BTreeMap, fmt};

use ztransport::{Closing, Endpoint, Fate};

/// What [`Socket::close_and_wait`](crate::Socket::close_and_wait) has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseReport {
    /// Each endpoint that the socket was bound or connected to and had peers or queues at.
    pub endpoints: Vec<ClosedEndpoint>,
}

/// What became of the messages for one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClosedEndpoint {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Whether the socket had connected to it; otherwise it had bound it.
    pub outgoing: bool,
    /// Peers, there or awaited.
    pub peers: u64,
    /// Messages that were queued when the socket was closed: accepted by `send`, and not yet taken by the operating system.
    pub queued: u64,
    /// Those of them that the operating system has taken since or, over inproc, the peer can receive. A message that the
    /// peer refused counts here.
    pub delivered: u64,
    /// Those of them that were dropped: there was nobody, or not enough time.
    pub discarded: u64,
    /// Those that were neither when the call came back, which happens only if an I/O thread is stuck, or on one.
    pub pending: u64,
    /// Peers whose system has acknowledged all that was ever sent to them (tcp), or has it (ipc, inproc). Of the others some
    /// of what was sent may be lost.
    pub acknowledged: u64,
}

impl CloseReport {
    pub(crate) fn new(closings: &[Closing], fates: &[Fate]) -> Self {
        let mut endpoints = BTreeMap::new();
        for (closing, fate) in closings.iter().zip(fates) {
            let key = (closing.outgoing, closing.endpoint.to_string());
            let closed = endpoints.entry(key).or_insert_with(|| ClosedEndpoint {
                endpoint: closing.endpoint.clone(),
                outgoing: closing.outgoing,
                peers: 0,
                queued: 0,
                delivered: 0,
                discarded: 0,
                pending: 0,
                acknowledged: 0,
            });
            closed.peers += 1;
            closed.queued += closing.queued;
            closed.delivered += fate.delivered;
            closed.discarded += fate.discarded;
            closed.pending += fate.pending;
            closed.acknowledged += u64::from(fate.acknowledged);
        }
        Self {
            endpoints: endpoints.into_values().collect(),
        }
    }

    /// Messages that were queued and then delivered, at all endpoints.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.endpoints.iter().map(|at| at.delivered).sum()
    }

    /// Messages that were queued and then dropped, at all endpoints.
    #[must_use]
    pub fn discarded(&self) -> u64 {
        self.endpoints.iter().map(|at| at.discarded).sum()
    }

    /// Whether nothing was dropped, and the systems of all peers have all that was sent to them.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let mut all = self.endpoints.iter();
        all.all(|at| at.discarded == 0 && at.pending == 0 && at.acknowledged == at.peers)
    }
}

impl fmt::Display for CloseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (delivered, discarded) = (self.delivered(), self.discarded());
        write!(
            f,
            "{delivered} queued messages were delivered and {discarded} dropped"
        )?;
        for at in &self.endpoints {
            let direction = if at.outgoing { "to" } else { "accepted at" };
            write!(
                f,
                "; {direction} {}: {} delivered, {} dropped, {} of {} peers have acknowledged everything",
                at.endpoint, at.delivered, at.discarded, at.acknowledged, at.peers
            )?;
            if at.pending > 0 {
                write!(f, ", {} not decided", at.pending)?;
            }
        }
        Ok(())
    }
}
