//! The sending end of a session.
//!
//! ```text
//!   submit(data) ──▶ transmit window ──▶ ODATA ─┐
//!   NAK ──▶ handle ──▶ NCF, then RDATA ─────────┼──▶ poll() ──▶ datagram, sent()
//!   time, SPMR ──▶ SPM ─────────────────────────┘
//! ```

use std::{
    collections::VecDeque,
    net::IpAddr,
    time::{Duration, Instant},
};

use super::{
    Packet, Sequence, Tsi,
    heartbeat::Heartbeat,
    packet::{
        Body,
        encode::{self, Spm, Wanted},
    },
    rate::Rate,
    settings::Settings,
    window::TransmitWindow,
};

/// SPMs at the beginning and at the end.
const AMONG_FRIENDS: u32 = 3;
/// Between two answers to those who ask for an SPM, at least: all of them hear each answer.
const SPM_PAUSE: Duration = Duration::from_millis(5);
/// NCFs that wait, at most. Without one, receivers may ask twice.
const MAX_CONFIRMATIONS: usize = 256;

/// Where a source is, and who it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) tsi: Tsi,
    /// The port of the endpoint.
    pub(crate) session_port: u16,
    /// Where receivers send NAKs.
    pub(crate) nla: IpAddr,
    /// Where data goes.
    pub(crate) group: IpAddr,
}

/// What a source has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SourceCounts {
    pub(crate) sent: u64,
    pub(crate) repaired: u64,
    pub(crate) naks: u64,
    /// Packets that were asked for too late.
    pub(crate) too_late: u64,
}

#[derive(Debug)]
pub(crate) struct Source {
    who: Identity,
    below: usize,
    window: TransmitWindow,
    rate: Rate,
    heartbeat: Heartbeat,
    spm: Sequence,
    /// SPMs that are due now.
    spms: u32,
    /// When an SPM that somebody has asked for may go out, and when the last one did.
    asked: Option<Instant>,
    latest: Instant,
    /// No data comes any more.
    ends: bool,
    confirmations: VecDeque<Vec<Sequence>>,
    repairs: VecDeque<Sequence>,
    /// What is going out, and has not been taken.
    current: Option<Current>,
    scratch: Vec<u8>,
    counts: SourceCounts,
}

#[derive(Clone, Copy, Debug)]
enum Current {
    Scratch,
    Data(Sequence),
    Repair(Sequence),
}

impl Source {
    pub(crate) fn new(who: Identity, settings: &Settings, now: Instant) -> Self {
        Self::beginning_with(Sequence::new(0), who, settings, now)
    }

    /// Numbers packets from here on.
    pub(crate) fn beginning_with(
        first: Sequence,
        who: Identity,
        settings: &Settings,
        now: Instant,
    ) -> Self {
        Self {
            who,
            below: settings.below(),
            window: TransmitWindow::new(first, settings.window()),
            rate: Rate::new(settings.rate, settings.max_tpdu, now),
            heartbeat: Heartbeat::new(now),
            spm: Sequence::new(0),
            spms: AMONG_FRIENDS,
            asked: None,
            latest: now,
            ends: false,
            confirmations: VecDeque::new(),
            repairs: VecDeque::new(),
            current: None,
            scratch: Vec::new(),
            counts: SourceCounts::default(),
        }
    }

    pub(crate) fn counts(&self) -> SourceCounts {
        self.counts
    }

    /// The number of the next packet of data.
    #[cfg(test)]
    pub(crate) fn next(&self) -> Sequence {
        self.window.next()
    }

    /// Takes a packet that came to this end.
    pub(crate) fn handle(&mut self, packet: &Packet<'_>, now: Instant) {
        if packet.tsi != self.who.tsi || packet.session_port != self.who.session_port {
            return;
        }
        match packet.body {
            Body::Nak(repair)
                if repair.source == self.who.nla && repair.group == self.who.group =>
            {
                self.counts.naks += 1;
                let sequences: Vec<Sequence> = packet.repairs().collect();
                for sequence in &sequences {
                    if self.window.queue(*sequence) {
                        self.repairs.push_back(*sequence);
                    } else if sequence.is_before(self.window.trail()) {
                        self.counts.too_late += 1;
                    }
                }
                if self.confirmations.len() < MAX_CONFIRMATIONS {
                    self.confirmations.push_back(sequences);
                }
            }
            Body::Spmr if self.asked.is_none() => {
                self.asked = Some(now.max(self.latest + SPM_PAUSE));
            }
            _ => {}
        }
    }

    /// When [`poll`](Self::poll) has something at the latest.
    pub(crate) fn due_at(&self) -> Instant {
        let due = self.heartbeat.due_at();
        self.asked.map_or(due, |at| at.min(due))
    }

    /// The next datagram for the group, the same one until it is [`sent`](Self::sent).
    pub(crate) fn poll(&mut self, now: Instant) -> Option<&[u8]> {
        if self.current.is_none() {
            self.current = self.choose(now);
        }
        match self.current? {
            Current::Scratch => Some(&self.scratch),
            Current::Data(sequence) | Current::Repair(sequence) => {
                self.window.packet_mut(sequence).map(|packet| &packet[..])
            }
        }
    }

    fn choose(&mut self, now: Instant) -> Option<Current> {
        if self.asked.is_some_and(|at| at <= now) {
            self.asked = None;
            self.spms = self.spms.max(1);
        }
        if self.heartbeat.fire(now) {
            self.spms = self.spms.max(1);
        }
        if self.spms > 0 {
            self.spms -= 1;
            self.latest = now;
            let spm = Spm {
                sequence: self.spm,
                trail: self.window.trail(),
                lead: self.window.next().previous(),
                nla: self.who.nla,
                last: self.ends,
            };
            self.spm = self.spm.next();
            encode::spm(&mut self.scratch, self.who.tsi, self.who.session_port, &spm);
            return Some(Current::Scratch);
        }
        if let Some(sequences) = self.confirmations.pop_front() {
            let wanted = Wanted {
                sequences: &sequences,
                source: self.who.nla,
                group: self.who.group,
            };
            encode::ncf(
                &mut self.scratch,
                self.who.tsi,
                self.who.session_port,
                &wanted,
            );
            return Some(Current::Scratch);
        }
        let trail = self.window.trail();
        while let Some(sequence) = self.repairs.pop_front() {
            self.window.unqueue(sequence);
            // It may have left the window meanwhile.
            if let Some(packet) = self.window.packet_mut(sequence) {
                encode::repeat(packet, trail);
                self.counts.repaired += 1;
                return Some(Current::Repair(sequence));
            }
        }
        None
    }

    /// The datagram of the last [`poll`](Self::poll) has gone out.
    pub(crate) fn sent(&mut self, now: Instant) {
        match self.current.take() {
            Some(Current::Data(_)) => {
                self.counts.sent += 1;
                self.heartbeat.restart(now);
            }
            Some(Current::Repair(_)) => self.heartbeat.restart(now),
            _ => {}
        }
    }

    /// Whether nothing waits to go out by now.
    pub(crate) fn is_idle(&self) -> bool {
        self.current.is_none()
            && self.spms == 0
            && self.confirmations.is_empty()
            && self.repairs.is_empty()
    }

    /// Makes a packet of data, which [`poll`](Self::poll) brings next; or says when that would keep to the rate. Only when
    /// nothing else is going out.
    pub(crate) fn submit(&mut self, data: &[u8], now: Instant) -> Result<(), Instant> {
        debug_assert!(self.current.is_none());
        let size = super::packet::DATA_HEADER + data.len();
        self.rate.admit(now, size + self.below)?;
        let sequence = self.window.next();
        // As libzmq has it: the trail before this packet takes its place.
        let trail = self.window.trail();
        let mut packet = self.window.buffer();
        encode::data(
            &mut packet,
            self.who.tsi,
            self.who.session_port,
            sequence,
            trail,
            data,
        );
        self.window.push(packet);
        self.current = Some(Current::Data(sequence));
        Ok(())
    }

    /// No data comes any more, which the next SPMs say.
    pub(crate) fn finish(&mut self) {
        if !std::mem::replace(&mut self.ends, true) {
            self.spms = AMONG_FRIENDS;
        }
    }
}
