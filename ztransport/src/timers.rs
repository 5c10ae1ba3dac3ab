//! Timers of one I/O thread: a heap of deadlines. Cancelling is the owner's business: a timer that
//! fires carries the generation it was set with, and an owner that has moved on ignores it.

use std::{cmp::Reverse, collections::BinaryHeap, time::Instant};

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// Time to connect again.
    Reconnect,
    /// An attempt to connect had its time.
    ConnectTimeout,
    /// A handshake had its time.
    HandshakeTimeout,
    /// A closed connection had its time to send what is queued.
    Linger,
    /// Time to see whether an application still drives its engine.
    Tick,
    /// A listener may try to accept again.
    Accept,
}

/// A timer that fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timer {
    pub(crate) key: u64,
    pub(crate) purpose: Purpose,
    pub(crate) generation: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Timer)>>,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Instant, timer: Timer) {
        self.heap.push(Reverse((at, timer)));
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes one that is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, timer))| timer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn fire_in_order_and_not_early() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let timer = |key| Timer {
            key,
            purpose: Purpose::Linger,
            generation: 0,
        };
        let mut timers = Timers::default();
        for key in [30, 10, 20] {
            timers.set(at(key), timer(key));
        }
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.pop(at(9)), None);
        assert_eq!(timers.pop(at(20)), Some(timer(10)));
        assert_eq!(timers.pop(at(20)), Some(timer(20)));
        assert_eq!(timers.pop(at(20)), None);
    }
}
