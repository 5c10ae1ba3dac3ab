//! When a source says unasked how far it has come.

use std::time::{Duration, Instant};

/// Between heartbeats, from when the latest data went out: receivers that have lost the last packet hear of it soon. The
/// same as libzmq's, as they are on the wire.
const INTERVALS: [u64; 8] = [100, 100, 100, 100, 100, 1300, 7000, 16_000];
/// Between two of those that come whatever is sent.
const AMBIENT: Duration = Duration::from_secs(30);
/// While data goes out all the time, libzmq sends no others. A receiver that has missed the one that it has asked for would not
/// know where to ask for what it misses, and libzmq's gives that up at once.
const BETWEEN_DATA: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct Heartbeat {
    ambient: Instant,
    /// The next one after data, and which of the intervals comes then.
    next: Option<(Instant, usize)>,
    /// When the latest went out.
    latest: Instant,
}

impl Heartbeat {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            ambient: now + AMBIENT,
            next: None,
            latest: now,
        }
    }

    /// Data goes out.
    pub(super) fn restart(&mut self, now: Instant) {
        let first = now + Duration::from_millis(INTERVALS[0]);
        self.next = Some((first.min(self.latest + BETWEEN_DATA), 1));
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
        if fires {
            self.latest = now;
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

    #[test]
    fn they_come_between_data_too() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start);
        let mut beats = 0;
        for ms in (0..2000).step_by(20) {
            let now = start + Duration::from_millis(ms);
            beats += u32::from(heartbeat.fire(now));
            heartbeat.restart(now);
        }
        assert_eq!(beats, 7);
    }
}
