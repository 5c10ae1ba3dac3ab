//! What has gone through a socket, as far as it is counted anyway.

use super::Core;
use crate::{
    links::Links,
    pattern::State,
    peer::{PeerId, PeerStats},
    stats::SocketStats,
};

impl<S: State> Core<S> {
    pub(crate) fn stats(&mut self) -> SocketStats {
        let mut stats = self.stats.with(self.handle.counters());
        let totals = self.links.totals();
        stats.bytes_sent = totals.bytes_sent;
        stats.bytes_received = totals.bytes_received;
        stats.most_queued_out = totals.most_queued;
        stats.queued_in = u64::from(self.has_found());
        stats.muted = totals.muted;
        stats.mutes = totals.mutes;
        for (_, slot) in self.links.iter_mut() {
            stats.queued_out += slot.link.writer.pending();
            stats.queued_in += slot.link.reader.pending();
        }
        stats
    }

    /// The same of a peer; `None` if it is gone.
    pub(crate) fn peer_stats(&mut self, peer: PeerId) -> Option<PeerStats> {
        let place = self.links.find(peer.0)?;
        self.links.get_mut(place).map(|slot| slot.stats())
    }

    /// The same of all peers.
    pub(crate) fn all_peer_stats(&mut self) -> Vec<PeerStats> {
        self.links
            .iter_mut()
            .map(|(_, slot)| slot.stats())
            .collect()
    }

    /// A message is dropped because a link is full.
    pub(super) fn note_full(&mut self, place: usize) {
        note_full(&mut self.links, &mut self.stats, place);
    }
}

/// The same for who has only a part of the core.
pub(super) fn note_full(links: &mut Links, stats: &mut SocketStats, place: usize) {
    stats.dropped.hwm += 1;
    if let Some(slot) = links.get_mut(place) {
        slot.dropped += 1;
    }
}
