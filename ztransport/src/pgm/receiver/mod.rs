//! The receiving end of all sessions of an endpoint.
//!
//! ```text
//!   packet ──▶ handle ──▶ window of its source ──▶ next_delivery()
//!                                │ missing
//!   time ──▶ handle_timeout ─────┴──▶ NAK, SPMR ──▶ poll()
//! ```
//!
//! A packet that is missing is asked for after a random time, and not at all if somebody else has asked before, which the
//! source's NCF says to all:
//!
//! ```text
//!            nobody confirms, or nothing comes: again, and at last it is lost
//!          ┌────────────────────────────────────────────────┐
//!          ▼               NAK                NCF           │
//!   ── back-off ────────────────▶ wait for NCF ──▶ wait for data ──▶ here
//!          └─────────────────────── NCF ──────────────────▶
//! ```

mod peer;
mod window;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    net::IpAddr,
    time::{Duration, Instant},
};

use self::{
    peer::Peer,
    window::{Filled, Missing, ReceiveWindow, State},
};
use super::{
    Packet, Sequence, Tsi,
    packet::{
        Body, Data, MAX_NAK_LIST,
        encode::{self, Wanted},
    },
};

/// A missing packet is asked for within this time. libzmq takes up to 50 ms; on a local network a fifth of that is still a
/// hundred times as long as it takes the others to hear that somebody has asked.
const BACK_OFF: Duration = Duration::from_millis(10);
/// The same for those that had to wait until others had come: the source is at it, and who else misses them has heard so.
const BACK_OFF_AGAIN: Duration = Duration::from_millis(1);
/// How long an answer is waited for, at first and at most: twice as long after each attempt. The first is short, because libzmq
/// sends the next repair only when something comes.
const WAIT_MIN: Duration = Duration::from_millis(25);
const WAIT_DOUBLINGS: u32 = 3;
/// Attempts of each kind until a packet is given up, as with libzmq.
const TRIES: u32 = 50;
/// A source that is new may be about to send an SPM. After that it is asked for one, and again.
const SPM_PATIENCE: Duration = Duration::from_millis(25);
const SPM_AGAIN: Duration = Duration::from_millis(200);
const SPM_TRIES: u32 = 50;
/// How long a silent source is remembered, and one that has said that it ends.
const EXPIRY: Duration = Duration::from_secs(300);
const EXPIRY_AT_END: Duration = Duration::from_secs(15);
/// Sources that are known at a time. Each of them can have a whole window.
const MAX_PEERS: usize = 1024;
/// Packets that wait to go out.
const MAX_OUTBOX: usize = 1024;
/// What may wait of a source however small its window is.
const MIN_BACKLOG: u32 = 64;
/// Buffers that are kept for the next packets.
const SPARE: usize = 64;

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// To all groups, not beyond the local network.
    Groups,
    /// To the source with this address. Several sources on one machine have the same address and port there, and the system picks
    /// one of them by where a packet comes from. So each attempt goes another way.
    Source(IpAddr, u32),
}

/// What comes of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// It is new; this is its address.
    Joined(Tsi, IpAddr),
    /// Its next data.
    Data(Tsi, Vec<u8>),
    /// So many packets before its next data are lost.
    Lost(Tsi, u64),
    /// It is forgotten.
    Gone(Tsi),
}

/// What waits in a peer.
#[derive(Debug)]
enum Event {
    Joined,
    Data(Vec<u8>),
    Lost(u64),
}

/// What a receiver has seen and done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReceiverCounts {
    /// Packets of data that came in time, and those of them that were sent again.
    pub(crate) received: u64,
    pub(crate) repaired: u64,
    pub(crate) duplicates: u64,
    /// Packets that were asked for, each time.
    pub(crate) asked: u64,
    /// NAKs that were sent.
    pub(crate) naks: u64,
    /// Packets that will not come any more.
    pub(crate) lost: u64,
    /// Packets that came while too much waited to be taken: they are asked for later.
    pub(crate) overrun: u64,
    /// Packets of sources that were too many.
    pub(crate) strangers: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Repair(u32),
    AskSpm,
    Expiry,
}

#[derive(Debug)]
pub(crate) struct Receiver {
    session_port: u16,
    /// Packets of one source that are known of or wait.
    window: u32,
    peers: HashMap<Tsi, Peer>,
    timers: BTreeSet<(Instant, Tsi, Timer)>,
    /// Peers with something to take.
    ready: VecDeque<Tsi>,
    gone: VecDeque<Tsi>,
    outbox: VecDeque<(To, Vec<u8>)>,
    spare: Vec<Vec<u8>>,
    random: fastrand::Rng,
    counts: ReceiverCounts,
}

impl Receiver {
    pub(crate) fn new(session_port: u16, window: u32, random: fastrand::Rng) -> Self {
        Self {
            session_port,
            window: window.max(1),
            peers: HashMap::new(),
            timers: BTreeSet::new(),
            ready: VecDeque::new(),
            gone: VecDeque::new(),
            outbox: VecDeque::new(),
            spare: Vec::new(),
            random,
            counts: ReceiverCounts::default(),
        }
    }

    pub(crate) fn counts(&self) -> ReceiverCounts {
        self.counts
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        self.timers.first().map(|(at, ..)| *at)
    }

    /// The next packet to be sent.
    pub(crate) fn poll(&mut self) -> Option<(To, Vec<u8>)> {
        self.outbox.pop_front()
    }

    /// What comes next, of each source in its order.
    pub(crate) fn next_delivery(&mut self) -> Option<Delivery> {
        if let Some(tsi) = self.gone.pop_front() {
            return Some(Delivery::Gone(tsi));
        }
        loop {
            let tsi = self.ready.pop_front()?;
            let Some(peer) = self.peers.get_mut(&tsi) else {
                continue;
            };
            let Some(event) = peer.ready.pop_front() else {
                peer.listed = false;
                continue;
            };
            // The next one after the others have had their turn.
            self.ready.push_back(tsi);
            return Some(match event {
                Event::Joined => Delivery::Joined(tsi, peer.address),
                Event::Data(payload) => Delivery::Data(tsi, payload),
                Event::Lost(count) => {
                    self.counts.lost += count;
                    Delivery::Lost(tsi, count)
                }
            });
        }
    }

    /// Gives back the buffer of a delivery.
    pub(crate) fn recycle(&mut self, buffer: Vec<u8>) {
        if self.spare.len() < SPARE {
            self.spare.push(buffer);
        }
    }

    /// Takes a packet, with where it came from and where it went.
    pub(crate) fn handle(&mut self, packet: &Packet<'_>, from: IpAddr, to: IpAddr, now: Instant) {
        if packet.session_port != self.session_port {
            return;
        }
        let tsi = packet.tsi;
        let comes_from_source =
            matches!(packet.body, Body::Spm { .. } | Body::Data(_) | Body::Ncf(_));
        if comes_from_source && !self.meet(tsi, from, to, now) {
            return;
        }
        match packet.body {
            Body::Spm {
                sequence,
                trail,
                lead,
                nla,
            } => self.on_spm(tsi, sequence, (trail, lead), nla, packet.is_last(), to, now),
            Body::Data(data) => self.on_data(tsi, &data, packet.is_fragment(), now),
            Body::Ncf(_) => self.on_ncf(tsi, packet.repairs(), now),
            // Somebody else has asked, and all hear the answer.
            Body::Spmr => {
                if let Some(peer) = self.peers.get(&tsi)
                    && peer.asks_at.is_some()
                {
                    self.ask_spm_at(tsi, now + SPM_AGAIN);
                }
            }
            _ => {}
        }
    }

    /// Whether the source is known, from now on if it is new.
    fn meet(&mut self, tsi: Tsi, from: IpAddr, to: IpAddr, now: Instant) -> bool {
        if self.peers.contains_key(&tsi) {
            return true;
        }
        if self.peers.len() >= MAX_PEERS && !self.forget_oldest() {
            self.counts.strangers += 1;
            return false;
        }
        let mut peer = Peer::new(from, to, now + EXPIRY);
        peer.ready.push_back(Event::Joined);
        peer.looks_at = peer.expires;
        self.timers.insert((peer.looks_at, tsi, Timer::Expiry));
        self.peers.insert(tsi, peer);
        self.list(tsi);
        self.ask_spm_at(tsi, now + SPM_PATIENCE);
        true
    }

    /// Makes room for a new source, if there is one that nothing is under way of.
    fn forget_oldest(&mut self) -> bool {
        let settled = self.peers.iter().filter(|(_, peer)| peer.is_settled());
        let oldest = settled.min_by_key(|(_, peer)| peer.expires);
        let Some(tsi) = oldest.map(|(tsi, _)| *tsi) else {
            return false;
        };
        self.forget(tsi);
        true
    }

    fn forget(&mut self, tsi: Tsi) {
        if let Some(peer) = self.peers.remove(&tsi) {
            // Nothing is missing of one that is settled, so it has no other timers.
            self.timers.remove(&(peer.looks_at, tsi, Timer::Expiry));
            if let Some(at) = peer.asks_at {
                self.timers.remove(&(at, tsi, Timer::AskSpm));
            }
            self.gone.push_back(tsi);
        }
    }

    /// There is something to take.
    fn list(&mut self, tsi: Tsi) {
        if let Some(peer) = self.peers.get_mut(&tsi)
            && !peer.ready.is_empty()
            && !std::mem::replace(&mut peer.listed, true)
        {
            self.ready.push_back(tsi);
        }
    }

    // ---- What sources say ----

    #[expect(clippy::too_many_arguments, reason = "what an SPM has")]
    fn on_spm(
        &mut self,
        tsi: Tsi,
        sequence: Sequence,
        (trail, lead): (Sequence, Sequence),
        nla: IpAddr,
        last: bool,
        to: IpAddr,
        now: Instant,
    ) {
        let Some(peer) = self.peers.get_mut(&tsi) else {
            return;
        };
        // An old one that was overtaken, or one that makes no sense.
        if peer.spm.is_some_and(|latest| sequence.is_before(latest)) || lead.next().is_before(trail)
        {
            return;
        }
        peer.spm = Some(sequence);
        peer.nla = Some(nla);
        peer.group = to;
        peer.ends |= last;
        peer.expires = now + if last { EXPIRY_AT_END } else { EXPIRY };
        if last {
            self.timers.remove(&(peer.looks_at, tsi, Timer::Expiry));
            peer.looks_at = peer.expires;
            self.timers.insert((peer.looks_at, tsi, Timer::Expiry));
        }
        if let Some(at) = peer.asks_at.take() {
            self.timers.remove(&(at, tsi, Timer::AskSpm));
        }
        peer.spm_tries = 0;
        let end = lead.next();
        if peer.window.is_none() {
            peer.window = Some(ReceiveWindow::new(end));
            return;
        }
        if peer.ready.len() >= self.backlog() {
            // What is missing could not be kept.
            return;
        }
        self.on_trail(tsi, trail);
        self.extend(tsi, end, now);
        self.list(tsi);
    }

    fn on_data(&mut self, tsi: Tsi, data: &Data<'_>, is_fragment: bool, now: Instant) {
        let limit = self.backlog();
        let Some(peer) = self.peers.get_mut(&tsi) else {
            return;
        };
        // Parity is of no use here, and has a numbering of its own.
        if data.parity {
            return;
        }
        if peer.ready.len() >= limit {
            self.counts.overrun += 1;
            return;
        }
        peer.expires = peer
            .expires
            .max(now + if peer.ends { EXPIRY_AT_END } else { EXPIRY });
        let sequence = data.sequence;
        let window = peer
            .window
            .get_or_insert_with(|| ReceiveWindow::new(sequence));
        if sequence.is_before(window.commit()) {
            self.counts.duplicates += 1;
            return;
        }
        let mut payload = self.spare.pop().unwrap_or_default();
        payload.clear();
        // What is only a part of something is of no use, but not missing either: it is taken for malformed later.
        if !is_fragment {
            payload.extend_from_slice(data.payload);
        }
        if window.is_whole() && sequence == window.commit() {
            window.pass();
            peer.ready.push_back(Event::Data(payload));
        } else {
            // A packet that the source does not have any more itself makes no sense.
            if data.trail.is_before(sequence.next()) {
                self.on_trail(tsi, data.trail);
            }
            self.extend(tsi, sequence.next(), now);
            if !self.fill(tsi, sequence, payload) {
                self.counts.duplicates += 1;
                self.list(tsi);
                return;
            }
            self.advance(tsi, now);
        }
        self.counts.received += 1;
        self.counts.repaired += u64::from(data.repair);
        self.list(tsi);
    }

    fn on_ncf(&mut self, tsi: Tsi, sequences: impl Iterator<Item = Sequence>, now: Instant) {
        for sequence in sequences {
            let Some(peer) = self.peers.get(&tsi) else {
                return;
            };
            let Some(window) = &peer.window else { return };
            if peer.ready.len() >= self.backlog() {
                return;
            }
            // Nothing that far ahead was sent.
            if sequence.since(window.end()) >= i32::try_from(self.window).unwrap_or(i32::MAX) {
                continue;
            }
            self.extend(tsi, sequence.next(), now);
            if let Some(missing) = self.missing(tsi, sequence) {
                let state = State::WaitData(now + wait(missing.data_tries));
                self.set(tsi, sequence, Missing { state, ..missing });
            }
        }
        self.list(tsi);
    }

    /// What may wait of a source to be taken.
    fn backlog(&self) -> usize {
        self.window.max(MIN_BACKLOG) as usize
    }

    // ---- What is missing ----

    fn missing(&self, tsi: Tsi, sequence: Sequence) -> Option<Missing> {
        self.peers.get(&tsi)?.window.as_ref()?.missing(sequence)
    }

    fn set(&mut self, tsi: Tsi, sequence: Sequence, new: Missing) {
        let Some(peer) = self.peers.get_mut(&tsi) else {
            return;
        };
        let Some(window) = &mut peer.window else {
            return;
        };
        let Some(old) = window.missing(sequence) else {
            return;
        };
        let timer = Timer::Repair(sequence.number());
        if let Some(at) = old.state.at() {
            self.timers.remove(&(at, tsi, timer));
        }
        if let Some(at) = new.state.at() {
            self.timers.insert((at, tsi, timer));
        }
        window.set(sequence, new);
    }

    fn fill(&mut self, tsi: Tsi, sequence: Sequence, payload: Vec<u8>) -> bool {
        let peer = self.peers.get_mut(&tsi);
        let Some(window) = peer.and_then(|peer| peer.window.as_mut()) else {
            return false;
        };
        match window.fill(sequence, payload) {
            Filled::Duplicate => false,
            Filled::Filled(missing) => {
                if let Some(at) = missing.state.at() {
                    let timer = Timer::Repair(sequence.number());
                    self.timers.remove(&(at, tsi, timer));
                }
                true
            }
        }
    }

    /// The source has told what it can still repair.
    fn on_trail(&mut self, tsi: Tsi, trail: Sequence) {
        let peer = self.peers.get_mut(&tsi);
        let Some(window) = peer.and_then(|peer| peer.window.as_mut()) else {
            return;
        };
        if window.set_trail(trail) {
            self.give_up_before(tsi, trail);
        }
    }

    fn give_up_before(&mut self, tsi: Tsi, first: Sequence) {
        let Some(peer) = self.peers.get_mut(&tsi) else {
            return;
        };
        let Some(window) = &mut peer.window else {
            return;
        };
        let timers = &mut self.timers;
        window.give_up_before(first, &mut peer.ready, |sequence, missing| {
            if let Some(at) = missing.state.at() {
                timers.remove(&(at, tsi, Timer::Repair(sequence.number())));
            }
        });
    }

    /// Everything before `end` was sent. What is missing of it is asked for.
    fn extend(&mut self, tsi: Tsi, end: Sequence, now: Instant) {
        let limit = self.window;
        let peer = self.peers.get_mut(&tsi);
        let Some(window) = peer.and_then(|peer| peer.window.as_mut()) else {
            return;
        };
        if !window.end().is_before(end) {
            return;
        }
        // What does not fit is lost: the oldest.
        let first = end.minus(limit);
        if window.commit().is_before(first) {
            self.give_up_before(tsi, first);
        }
        if let Some(window) = self
            .peers
            .get_mut(&tsi)
            .and_then(|peer| peer.window.as_mut())
        {
            window.extend_to(end);
        }
        self.wake(tsi, BACK_OFF, now);
    }

    fn advance(&mut self, tsi: Tsi, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&tsi)
            && let Some(window) = &mut peer.window
        {
            window.advance(&mut peer.ready);
        }
        self.wake(tsi, BACK_OFF_AGAIN, now);
    }

    /// Sets timers for missing packets that have none.
    fn wake(&mut self, tsi: Tsi, within: Duration, now: Instant) {
        let until = self.back_off(within, now);
        let Some(peer) = self.peers.get_mut(&tsi) else {
            return;
        };
        let Some(window) = &mut peer.window else {
            return;
        };
        let timers = &mut self.timers;
        window.wake(until, |sequence| {
            timers.insert((until, tsi, Timer::Repair(sequence.number())));
        });
    }

    fn back_off(&mut self, within: Duration, now: Instant) -> Instant {
        let most = within.as_micros() as u64;
        now + Duration::from_micros(self.random.u64(1..=most))
    }

    // ---- Time ----

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        // Of each source, so that one packet asks for many.
        let mut wanted: Vec<((Tsi, u32), Vec<Sequence>)> = Vec::new();
        while let Some((at, tsi, timer)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.pop_first();
            match timer {
                Timer::Repair(number) => {
                    let sequence = Sequence::new(number);
                    if let Some(attempt) = self.repair(tsi, sequence, now) {
                        let which = (tsi, attempt);
                        match wanted.iter_mut().find(|(of, _)| *of == which) {
                            Some((_, list)) => list.push(sequence),
                            None => wanted.push((which, vec![sequence])),
                        }
                    }
                }
                Timer::AskSpm => self.ask_spm(tsi, now),
                Timer::Expiry => self.expire(tsi, now),
            }
        }
        for ((tsi, attempt), mut list) in wanted {
            list.sort_unstable_by_key(|sequence| sequence.number());
            for some in list.chunks(1 + MAX_NAK_LIST) {
                self.nak(tsi, some, attempt);
            }
        }
    }

    /// Nothing has come of this packet in time. If it is asked for now, how often nobody has confirmed it before.
    fn repair(&mut self, tsi: Tsi, sequence: Sequence, now: Instant) -> Option<u32> {
        let mut missing = self.missing(tsi, sequence)?;
        let knows_where = self.peers.get(&tsi).is_some_and(|peer| peer.nla.is_some());
        let mut asks = false;
        missing.state = match missing.state {
            State::Dormant => return None,
            State::BackOff(_) if knows_where => {
                asks = true;
                State::WaitNcf(now + wait(missing.ncf_tries))
            }
            // Nobody knows yet where to ask.
            State::BackOff(_) => {
                missing.ncf_tries += 1;
                State::BackOff(now + SPM_PATIENCE)
            }
            State::WaitNcf(_) => {
                missing.ncf_tries += 1;
                State::BackOff(self.back_off(BACK_OFF, now))
            }
            State::WaitData(_) => {
                missing.data_tries += 1;
                State::BackOff(self.back_off(BACK_OFF, now))
            }
        };
        if missing.ncf_tries >= TRIES || missing.data_tries >= TRIES {
            if let Some(peer) = self.peers.get_mut(&tsi)
                && let Some(window) = &mut peer.window
            {
                window.give_up(sequence);
            }
            self.advance(tsi, now);
            self.list(tsi);
            return None;
        }
        self.set(tsi, sequence, missing);
        asks.then_some(missing.ncf_tries)
    }

    fn nak(&mut self, tsi: Tsi, sequences: &[Sequence], attempt: u32) {
        let Some(peer) = self.peers.get(&tsi) else {
            return;
        };
        let Some(nla) = peer.nla else { return };
        let wanted = Wanted {
            sequences,
            source: nla,
            group: peer.group,
        };
        let mut packet = Vec::new();
        encode::nak(&mut packet, tsi, self.session_port, &wanted);
        self.counts.naks += 1;
        self.counts.asked += sequences.len() as u64;
        self.send(To::Source(nla, attempt), packet);
    }

    fn send(&mut self, to: To, packet: Vec<u8>) {
        // Of what is left out nobody will have heard, so it is asked for again.
        if self.outbox.len() < MAX_OUTBOX {
            self.outbox.push_back((to, packet));
        }
    }

    fn ask_spm_at(&mut self, tsi: Tsi, at: Instant) {
        if let Some(peer) = self.peers.get_mut(&tsi) {
            if let Some(before) = peer.asks_at.replace(at) {
                self.timers.remove(&(before, tsi, Timer::AskSpm));
            }
            self.timers.insert((at, tsi, Timer::AskSpm));
        }
    }

    fn ask_spm(&mut self, tsi: Tsi, now: Instant) {
        let Some(peer) = self.peers.get_mut(&tsi) else {
            return;
        };
        peer.asks_at = None;
        if peer.spm.is_some() || peer.spm_tries >= SPM_TRIES {
            return;
        }
        let (address, attempt) = (peer.address, peer.spm_tries);
        peer.spm_tries += 1;
        let mut packet = Vec::new();
        encode::spmr(&mut packet, tsi, self.session_port);
        self.send(To::Groups, packet.clone());
        self.send(To::Source(address, attempt), packet);
        self.ask_spm_at(tsi, now + SPM_AGAIN);
    }

    fn expire(&mut self, tsi: Tsi, now: Instant) {
        let Some(peer) = self.peers.get_mut(&tsi) else {
            return;
        };
        if peer.expires <= now && !peer.is_settled() {
            peer.expires = now + EXPIRY_AT_END;
        }
        if peer.expires > now {
            peer.looks_at = peer.expires;
            self.timers.insert((peer.looks_at, tsi, Timer::Expiry));
        } else {
            self.forget(tsi);
        }
    }
}

/// How long an answer is waited for after so many attempts.
fn wait(tries: u32) -> Duration {
    WAIT_MIN * (1 << tries.min(WAIT_DOUBLINGS))
}

#[cfg(test)]
impl Receiver {
    /// Up to where everything of a source was delivered or given up, and where that began.
    pub(super) fn commit(&self, tsi: Tsi) -> Option<Sequence> {
        let window = self.peers.get(&tsi)?.window.as_ref()?;
        Some(window.commit())
    }

    pub(super) fn begun(&self, tsi: Tsi) -> Option<Sequence> {
        let window = self.peers.get(&tsi)?.window.as_ref()?;
        Some(window.begun())
    }
}
