//! Timers of one I/O thread. There is at most one of each kind for a connection or listener, and all
//! of them go with it, so they are as few as there are connections.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use crate::signals::Due;

/// The time by which timers are set. For loom's models it stands still: what fires in them must not depend on how fast
/// they run.
pub(crate) fn now() -> Instant {
    #[cfg(loom)]
    {
        static BEGINNING: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *BEGINNING.get_or_init(Instant::now)
    }
    #[cfg(not(loom))]
    Instant::now()
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// Time to connect again.
    Reconnect,
    /// The attempts to connect had their time.
    ConnectTimeout,
    /// Time to try another address beside those that do not answer.
    NextAddress,
    /// A handshake had its time.
    HandshakeTimeout,
    /// A closed connection had its time to send what is queued.
    Linger,
    /// Time to see whether an application still drives its engine.
    Tick,
    /// Time to see whether an application still waits for its input itself.
    Lease,
    /// Time to write what a thread has left in outbound pipes.
    Corked,
    /// Time to see whether the peer's system has all that was sent.
    Acknowledged,
    /// Time to see whether a message is still arriving.
    Arrival,
    /// Time for a heartbeat, or for having heard of the peer.
    Heartbeat,
    /// A listener may try to accept again.
    Accept,
    /// Time that somebody without a thread waits for.
    Alarm,
    /// Time to give back memory after a burst. Of the I/O thread itself.
    Trim,
}

impl From<Due> for Purpose {
    fn from(due: Due) -> Self {
        match due {
            Due::Acknowledged => Self::Acknowledged,
            Due::Arrival => Self::Arrival,
            Due::Heartbeat => Self::Heartbeat,
        }
    }
}

/// A timer takes the place of another one of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// About a state, so the latest counts: what an earlier state waited for is of no interest.
    State,
    /// Likewise.
    NextAddress,
    /// Whatever is due first. Whoever is called looks for itself what is due, and for when to set the
    /// next one.
    Linger,
    Tick,
    Acknowledged,
    Arrival,
    Heartbeat,
    Accept,
    Alarm,
    Trim,
}

/// All of them.
const KINDS: [Kind; 10] = [
    Kind::State,
    Kind::NextAddress,
    Kind::Linger,
    Kind::Tick,
    Kind::Acknowledged,
    Kind::Arrival,
    Kind::Heartbeat,
    Kind::Accept,
    Kind::Alarm,
    Kind::Trim,
];

impl Purpose {
    fn kind(self) -> Kind {
        match self {
            Self::Reconnect | Self::ConnectTimeout | Self::HandshakeTimeout => Kind::State,
            Self::NextAddress => Kind::NextAddress,
            Self::Linger => Kind::Linger,
            Self::Tick | Self::Lease | Self::Corked => Kind::Tick,
            Self::Acknowledged => Kind::Acknowledged,
            Self::Arrival => Kind::Arrival,
            Self::Heartbeat => Kind::Heartbeat,
            Self::Accept => Kind::Accept,
            Self::Alarm => Kind::Alarm,
            Self::Trim => Kind::Trim,
        }
    }
}

/// A timer that fired. If its owner has another generation by now, it is of no interest any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timer {
    pub(crate) key: u64,
    pub(crate) purpose: Purpose,
    pub(crate) generation: u64,
}

/// Trees and not a heap and a map: timers are removed as often as they fire, and the memory of those
/// that were set in a burst is not kept.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Instant, Timer)>,
    set: BTreeMap<(u64, Kind), (Instant, Timer)>,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Instant, timer: Timer) {
        let kind = timer.purpose.kind();
        let slot = self.set.entry((timer.key, kind)).or_insert((at, timer));
        if matches!(kind, Kind::State | Kind::NextAddress) || at < slot.0 {
            self.due.remove(slot);
            *slot = (at, timer);
        }
        self.due.insert(*slot);
    }

    pub(crate) fn is_set(&self, key: u64, purpose: Purpose) -> bool {
        self.set.contains_key(&(key, purpose.kind()))
    }

    /// Forgets what was set for this purpose, or for another one in its place.
    pub(crate) fn unset(&mut self, key: u64, purpose: Purpose) {
        if let Some(timer) = self.set.remove(&(key, purpose.kind())) {
            self.due.remove(&timer);
        }
    }

    /// Forgets the timers of a connection or listener that is gone.
    pub(crate) fn remove(&mut self, key: u64) {
        for kind in KINDS {
            if let Some(timer) = self.set.remove(&(key, kind)) {
                self.due.remove(&timer);
            }
        }
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes one that is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.due.pop_first()?;
        self.set.remove(&(timer.key, timer.purpose.kind()));
        Some(timer)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        assert_eq!(self.due.len(), self.set.len());
        self.due.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn timer(key: u64, purpose: Purpose) -> Timer {
        Timer {
            key,
            purpose,
            generation: 0,
        }
    }

    #[test]
    fn fire_in_order_and_not_early() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let timer = |key| timer(key, Purpose::Linger);
        let mut timers = Timers::default();
        for key in [30, 10, 20] {
            timers.set(at(key), timer(key));
        }
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.pop(at(9)), None);
        assert_eq!(timers.pop(at(20)), Some(timer(10)));
        assert_eq!(timers.pop(at(20)), Some(timer(20)));
        assert_eq!(timers.pop(at(20)), None);
        assert_eq!(timers.len(), 1);
    }

    #[test]
    fn one_that_is_of_no_interest_any_more_is_forgotten() {
        let start = Instant::now();
        let mut timers = Timers::default();
        for key in [1, 2] {
            timers.set(start, timer(key, Purpose::HandshakeTimeout));
            timers.set(start, timer(key, Purpose::Heartbeat));
        }
        timers.unset(1, Purpose::HandshakeTimeout);
        timers.unset(1, Purpose::HandshakeTimeout);
        timers.unset(3, Purpose::HandshakeTimeout);
        assert_eq!(timers.len(), 3);
        assert!(!timers.is_set(1, Purpose::HandshakeTimeout));
        assert!(timers.is_set(1, Purpose::Heartbeat));
    }

    #[test]
    fn one_of_each_kind_and_none_of_what_is_gone() {
        use Purpose::{Accept, ConnectTimeout, HandshakeTimeout, Linger, Reconnect, Tick};
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        for purpose in [Linger, Tick, Accept] {
            for ms in [20, 10, 30, 15] {
                timers.set(at(ms), timer(1, purpose));
            }
            assert!(timers.is_set(1, purpose));
            assert_eq!(timers.len(), 1);
            assert_eq!(timers.pop(at(10)), Some(timer(1, purpose)), "the earliest");
            assert!(!timers.is_set(1, purpose));
        }
        for (ms, purpose) in [
            (10, ConnectTimeout),
            (30, HandshakeTimeout),
            (20, Reconnect),
        ] {
            timers.set(at(ms), timer(1, purpose));
        }
        assert_eq!(timers.pop(at(19)), None, "the latest");
        for purpose in [Linger, Tick] {
            timers.set(at(1), timer(1, purpose));
            timers.set(at(2), timer(2, purpose));
        }
        assert_eq!(timers.len(), 5);
        timers.remove(1);
        assert_eq!(timers.len(), 2);
        assert_eq!(timers.pop(at(100)), Some(timer(2, Linger)));
        assert_eq!(timers.pop(at(100)), Some(timer(2, Tick)));
        assert_eq!(timers.len(), 0);
    }
}
