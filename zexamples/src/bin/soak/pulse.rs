//! Whether the machine itself stands still.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Time that was lost for everybody: a thread that does nothing but wake up again and again did not. Nobody
/// is to blame for what is late by that.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    lost_micros: AtomicU64,
}

const BEAT: Duration = Duration::from_millis(10);
/// What is shorter is only a busy machine.
const STANDSTILL: Duration = Duration::from_millis(200);

impl Pulse {
    /// Wakes up again and again.
    pub(crate) fn beat(&self, mut is_over: impl FnMut() -> bool) {
        while !is_over() {
            let start = Instant::now();
            thread::sleep(BEAT);
            self.note(start.elapsed().saturating_sub(BEAT));
        }
    }

    fn note(&self, late: Duration) {
        if late > STANDSTILL {
            let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
            self.lost_micros.fetch_add(micros, Ordering::Relaxed);
        }
    }

    /// The time lost so far.
    pub(crate) fn lost(&self) -> Duration {
        Duration::from_micros(self.lost_micros.load(Ordering::Relaxed))
    }

    /// The time lost so far, also that which ended this very moment.
    pub(crate) fn lost_until_now(&self) -> Duration {
        thread::sleep(10 * BEAT);
        self.lost()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_standstill_counts() {
        let pulse = Pulse::default();
        pulse.note(Duration::from_millis(100));
        assert_eq!(pulse.lost(), Duration::ZERO);
        pulse.note(Duration::from_secs(3));
        pulse.note(Duration::from_secs(2));
        assert_eq!(pulse.lost(), Duration::from_secs(5));
        let mut beats = 3;
        pulse.beat(|| {
            beats -= 1;
            beats == 0
        });
    }
}
