//! When a source says unasked how far it has come.

use std::time::{Duration, Instant};

/// Between heartbeats, from when the latest data went out: receivers that have lost the last packet hear of it soon. The
/// same as libzmq's, as they are on the wire.
const INTERVALS: [u64; 8] = [100, 100, 100, 100, 100, 1300, 7000, 16_000];
/// Between two of those that come whatever is sent.
const AMBIENT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Heartbeat {
    ambient: Instant,
    /// The next one after data, and which of the intervals comes then.
    next: Option<(Instant, usize)>,
}

impl Heartbeat {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            ambient: now + AMBIENT,
            next: None,
        }
    }

    /// Data goes out.
    pub(super) fn restart(&mut self, now: Instant) {
        self.next = Some((now + Duration::from_millis(INTERVALS[0]), 1));
    }

    pub(super) fn due_at(&self) -> Instant {
        let next = self.next.map(|(at, _)| at);
        next.map_or(self.ambient, |at| at.min(self.ambient))
    }

    /// Whether one is due; then the next one is later.
    pub(super) fn fire(&mut self, now: Instant) -> bool {
        let mut fires = false;
        if let Some((at, step)) = self.next
            && at <= now
        {
            fires = true;
            let interval = INTERVALS.get(step).copied();
            self.next = interval.map(|ms| (now + Duration::from_millis(ms), step + 1));
        }
        if self.ambient <= now {
            fires = true;
            self.ambient = now + AMBIENT;
        }
        fires
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_come_when_those_of_libzmq_do() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start);
        heartbeat.restart(start);
        let mut at = Vec::new();
        for _ in 0..10 {
            let now = heartbeat.due_at();
            assert!(!heartbeat.fire(now - Duration::from_nanos(1)));
            assert!(heartbeat.fire(now));
            at.push((now - start).as_millis());
        }
        assert_eq!(
            at,
            [100, 200, 300, 400, 500, 1800, 8800, 24_800, 30_000, 60_000]
        );
    }
}
