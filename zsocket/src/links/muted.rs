//! For how long the pipes of links were full.

use std::time::{Duration, Instant};

use super::Slot;
use crate::peer::PeerStats;

/// Time in which a sender has found a pipe full. The clock is looked at when a pipe is found full and when it goes on,
/// and for no message that goes out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Muted {
    since: Option<Instant>,
    total: Duration,
    times: u64,
}

impl Muted {
    /// The pipe was found full. Whether it was not before.
    pub(super) fn begin(&mut self) -> bool {
        let is_new = !self.is_on();
        if is_new {
            self.since = Some(Instant::now());
            self.times += 1;
        }
        is_new
    }

    /// It has room. Whether it had none before.
    #[inline]
    pub(super) fn end(&mut self) -> bool {
        let since = self.since.take();
        if let Some(since) = since {
            self.total += since.elapsed();
        }
        since.is_some()
    }

    pub(super) fn is_on(&self) -> bool {
        self.since.is_some()
    }

    /// For how long the pipe has been full now, if it is.
    pub(crate) fn now(&self) -> Option<Duration> {
        self.since.map(|since| since.elapsed())
    }

    /// All of it, until now.
    pub(crate) fn total(&self) -> Duration {
        self.total + self.now().unwrap_or_default()
    }

    /// How often it began.
    pub(crate) fn times(&self) -> u64 {
        self.times
    }
}

/// What the pipes of a link, or of many, have seen. They count anyway.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) most_queued: u64,
    pub(crate) muted: Duration,
    pub(crate) mutes: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, slot: &mut Slot) {
        let Slot { link, muted, .. } = slot;
        self.bytes_sent += link.writer.written_bytes();
        self.bytes_received += link.reader.bytes_read();
        self.most_queued = self.most_queued.max(link.writer.most_pending());
        self.muted += muted.total();
        self.mutes += muted.times();
    }
}

impl Slot {
    /// What is known about the traffic with a peer.
    pub(crate) fn stats(&mut self) -> PeerStats {
        let Self {
            link,
            muted,
            dropped,
            ..
        } = self;
        PeerStats {
            id: crate::PeerId(link.id),
            endpoint: link.endpoint.clone(),
            outgoing: link.outgoing,
            messages_sent: link.writer.written(),
            bytes_sent: link.writer.written_bytes(),
            messages_received: link.reader.messages_read(),
            bytes_received: link.reader.bytes_read(),
            queued_out: link.writer.pending(),
            most_queued_out: link.writer.most_pending(),
            send_mark: link.writer.limits().messages,
            queued_in: link.reader.pending(),
            recv_mark: link.reader.limits().messages,
            dropped_hwm: *dropped,
            muted: muted.total(),
            mutes: muted.times(),
            is_muted: muted.now().is_some(),
        }
    }
}
