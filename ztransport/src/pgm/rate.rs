//! How fast new data may go out.

use std::time::{Duration, Instant};

/// How far ahead of a rate a sender may be: in time, and in bytes, of which the buffers of receivers must have room for some. (libzmq
/// sends what a second is worth, with rates below 12 Mbit/s.) With high rates it is at least as long as it takes to wake a thread.
const MOST: Duration = Duration::from_secs(1);
const MOST_BYTES: usize = 64 * 1024;
const LEAST: Duration = Duration::from_millis(1);

/// A token bucket, as the time at which all that was sent will have had its share of the line.
#[derive(Debug)]
pub(crate) struct Rate {
    /// Bytes per second.
    limit: u64,
    /// How far ahead of the line the sender may be.
    burst: Duration,
    /// What is waited for besides.
    pause: Duration,
    free_at: Instant,
}

impl Rate {
    /// So many kilobits per second, for packets of at most this size. The first of them may go out at once.
    pub(crate) fn new(kilobits: u32, max_tpdu: usize, now: Instant) -> Self {
        let limit = (u64::from(kilobits) * 125).max(1);
        let mut rate = Self {
            limit,
            burst: MOST,
            pause: Duration::ZERO,
            free_at: now,
        };
        let most = rate.time_of(MOST_BYTES).clamp(LEAST, MOST);
        // A packet must fit whatever the rate is.
        rate.burst = most.max(rate.time_of(max_tpdu));
        rate.pause = (most / 8).min(LEAST);
        rate
    }

    /// Takes what so many bytes cost, or says when they may go out.
    pub(crate) fn admit(&mut self, now: Instant, bytes: usize) -> Result<(), Instant> {
        let done = self.free_at.max(now) + self.time_of(bytes);
        match done.checked_duration_since(now + self.burst) {
            None | Some(Duration::ZERO) => {
                self.free_at = done;
                Ok(())
            }
            // Not for one packet alone, if many go out in a millisecond.
            Some(wait) => Err(now + wait + self.pause),
        }
    }

    fn time_of(&self, bytes: usize) -> Duration {
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(self.limit);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that go out in so many seconds.
    fn sent(kilobits: u32, seconds: u64) -> u64 {
        let start = Instant::now();
        let mut rate = Rate::new(kilobits, 1500, start);
        let (mut now, mut sent) = (start, 0);
        while now < start + Duration::from_secs(seconds) {
            match rate.admit(now, 1480) {
                Ok(()) => sent += 1480,
                Err(at) => {
                    assert!(at > now, "or it would never end");
                    now = at;
                }
            }
        }
        sent
    }

    #[test]
    fn the_rate_is_kept() {
        for kilobits in [100, 1000, 13_000, 100_000] {
            let per_second = u64::from(kilobits) * 125;
            let first = per_second.max(2 * 1480);
            let (one, eleven) = (sent(kilobits, 1), sent(kilobits, 11));
            let steady = (eleven - one) / 10;
            assert!(
                steady.abs_diff(per_second) <= per_second / 50,
                "{kilobits}: {steady}"
            );
            assert!(one <= 2 * first, "{kilobits}: {one} at once");
        }
    }

    #[test]
    fn a_packet_goes_out_however_low_the_rate_is() {
        let now = Instant::now();
        let mut rate = Rate::new(1, 60_000, now);
        assert_eq!(rate.admit(now, 60_000), Ok(()));
        let at = rate.admit(now, 60_000).unwrap_err();
        assert!(at - now >= Duration::from_secs(480));
        assert!(at - now < Duration::from_secs(481));
        assert_eq!(rate.admit(at, 60_000), Ok(()));
    }
}
