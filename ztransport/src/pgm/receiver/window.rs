//! What has come from one source, and what is missing.
//!
//! ```text
//!   delivered │ missing  here  here  missing  here │ not heard of
//!             ▲                                  ▲
//!           commit                             lead
//! ```

use std::{collections::VecDeque, time::Instant};

use super::Event;
use crate::pgm::Sequence;

/// Missing packets that are asked for at a time, so that what comes does not overrun the socket's buffer.
const ACTIVE: usize = 256;

/// What is done about a missing packet, and until when it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Others that were missing before it come first. There is no timer for it.
    Dormant,
    /// It is asked for at this time, if nobody else does before.
    BackOff(Instant),
    /// It was asked for, and not confirmed.
    WaitNcf(Instant),
    /// It was asked for and confirmed.
    WaitData(Instant),
}

impl State {
    pub(super) fn at(self) -> Option<Instant> {
        match self {
            Self::Dormant => None,
            Self::BackOff(at) | Self::WaitNcf(at) | Self::WaitData(at) => Some(at),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Missing {
    pub(super) state: State,
    /// How often nobody has confirmed, and how often nothing came.
    pub(super) ncf_tries: u32,
    pub(super) data_tries: u32,
}

#[derive(Debug)]
enum Slot {
    Missing(Missing),
    Here(Vec<u8>),
    /// It will not come any more.
    Lost,
}

/// What became of a packet that came.
#[derive(Debug)]
pub(super) enum Filled {
    /// It was here already, or given up.
    Duplicate,
    /// It was missing.
    Filled(Missing),
}

#[derive(Debug)]
pub(super) struct ReceiveWindow {
    /// The next one to be delivered.
    commit: Sequence,
    slots: VecDeque<Slot>,
    /// The oldest one that the source still has.
    trail: Sequence,
    /// Before this place nothing is dormant.
    awake: Sequence,
    /// Missing packets that are not dormant.
    active: usize,
    #[cfg(test)]
    begun: Sequence,
}

impl ReceiveWindow {
    pub(super) fn new(first: Sequence) -> Self {
        Self {
            commit: first,
            slots: VecDeque::new(),
            trail: first,
            awake: first,
            active: 0,
            #[cfg(test)]
            begun: first,
        }
    }

    #[cfg(test)]
    pub(super) fn begun(&self) -> Sequence {
        self.begun
    }

    pub(super) fn commit(&self) -> Sequence {
        self.commit
    }

    /// The one behind the latest that is known of.
    pub(super) fn end(&self) -> Sequence {
        self.commit.plus(self.slots.len() as u32)
    }

    pub(super) fn is_whole(&self) -> bool {
        self.slots.is_empty()
    }

    fn at(&self, sequence: Sequence) -> Option<usize> {
        let at = usize::try_from(sequence.since(self.commit)).ok()?;
        (at < self.slots.len()).then_some(at)
    }

    pub(super) fn missing(&self, sequence: Sequence) -> Option<Missing> {
        match self.slots.get(self.at(sequence)?)? {
            Slot::Missing(missing) => Some(*missing),
            _ => None,
        }
    }

    /// Changes what is done about a missing packet.
    pub(super) fn set(&mut self, sequence: Sequence, new: Missing) {
        if let Some(at) = self.at(sequence)
            && let Slot::Missing(missing) = &mut self.slots[at]
        {
            self.active -= usize::from(missing.state != State::Dormant);
            self.active += usize::from(new.state != State::Dormant);
            *missing = new;
        }
    }

    /// The next one in order has come while nothing was missing.
    pub(super) fn pass(&mut self) {
        debug_assert!(self.slots.is_empty());
        self.commit = self.commit.next();
        self.awake = self.commit;
    }

    /// Everything before `end` exists: what was not known of is missing.
    pub(super) fn extend_to(&mut self, end: Sequence) {
        while self.end().is_before(end) {
            self.slots.push_back(Slot::Missing(Missing {
                state: State::Dormant,
                ncf_tries: 0,
                data_tries: 0,
            }));
        }
    }

    pub(super) fn fill(&mut self, sequence: Sequence, payload: Vec<u8>) -> Filled {
        let Some(at) = self.at(sequence) else {
            return Filled::Duplicate;
        };
        let slot = &mut self.slots[at];
        let Slot::Missing(missing) = *slot else {
            return Filled::Duplicate;
        };
        self.active -= usize::from(missing.state != State::Dormant);
        *slot = Slot::Here(payload);
        Filled::Filled(missing)
    }

    /// Nobody waits for it any more.
    pub(super) fn give_up(&mut self, sequence: Sequence) {
        if let Some(at) = self.at(sequence)
            && let Slot::Missing(missing) = self.slots[at]
        {
            self.active -= usize::from(missing.state != State::Dormant);
            self.slots[at] = Slot::Lost;
        }
    }

    /// The source does not have what is before this any more. `true` if that is news.
    pub(super) fn set_trail(&mut self, trail: Sequence) -> bool {
        let is_news = self.trail.is_before(trail);
        if is_news {
            self.trail = trail;
        }
        is_news && self.commit.is_before(trail)
    }

    /// Gives up all that is missing before `first`, and everything in front of it is delivered. `forget` is told what was waited
    /// for.
    pub(super) fn give_up_before(
        &mut self,
        first: Sequence,
        ready: &mut VecDeque<Event>,
        mut forget: impl FnMut(Sequence, Missing),
    ) {
        while self.commit.is_before(first)
            && let Some(slot) = self.slots.pop_front()
        {
            match slot {
                Slot::Missing(missing) => {
                    self.active -= usize::from(missing.state != State::Dormant);
                    forget(self.commit, missing);
                    lose(ready, 1);
                }
                Slot::Here(payload) => ready.push_back(Event::Data(payload)),
                Slot::Lost => lose(ready, 1),
            }
            self.commit = self.commit.next();
        }
        if let Ok(skipped @ 1..) = u32::try_from(first.since(self.commit)) {
            lose(ready, u64::from(skipped));
            self.commit = first;
        }
        self.advance(ready);
    }

    /// Delivers what is in order.
    pub(super) fn advance(&mut self, ready: &mut VecDeque<Event>) {
        while let Some(slot) = self.slots.pop_front() {
            match slot {
                Slot::Missing(_) => {
                    self.slots.push_front(slot);
                    break;
                }
                Slot::Here(payload) => ready.push_back(Event::Data(payload)),
                Slot::Lost => lose(ready, 1),
            }
            self.commit = self.commit.next();
        }
        if self.awake.is_before(self.commit) {
            self.awake = self.commit;
        }
        if self.slots.is_empty() && self.slots.capacity() > 4 * ACTIVE {
            self.slots = VecDeque::new();
        }
    }

    /// Wakes missing packets in their order, many at a time, so that they are asked for together. Calls `wake` for each.
    pub(super) fn wake(&mut self, until: Instant, mut wake: impl FnMut(Sequence)) {
        if self.active > ACTIVE / 2 {
            return;
        }
        while self.active < ACTIVE && self.awake.is_before(self.end()) {
            let at = self.awake.since(self.commit).unsigned_abs() as usize;
            if let Slot::Missing(missing) = &mut self.slots[at]
                && missing.state == State::Dormant
            {
                missing.state = State::BackOff(until);
                self.active += 1;
                wake(self.awake);
            }
            self.awake = self.awake.next();
        }
    }
}

/// What is lost one after the other is told at once.
fn lose(ready: &mut VecDeque<Event>, count: u64) {
    if let Some(Event::Lost(before)) = ready.back_mut() {
        *before += count;
    } else {
        ready.push_back(Event::Lost(count));
    }
}
