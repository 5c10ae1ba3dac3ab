//! Spinning before sleeping, as far as it pays.

use std::time::{Duration, Instant};

/// Waits a short while for something that is likely to happen at once, and learns how likely that is.
///
/// Waking a thread takes some ten microseconds; what a peer on another core is just doing takes one.
/// But if the peer needs this very core, each microsecond of spinning is lost. So the budget follows
/// the outcome: it doubles when spinning succeeded, halves when it did not, and is tried in full now
/// and then. After a few microseconds it lets other threads have the core between two looks.
///
/// # Examples
///
/// ```
/// let mut spinner = zpipe::Spinner::new();
/// assert!(spinner.until(|| true));
/// assert!(!spinner.until(|| false), "gives up after microseconds");
/// ```
#[derive(Debug, Clone)]
pub struct Spinner {
    budget: Duration,
    waits: u32,
    first_pause: u32,
}

/// The longest spin: about what putting a thread to sleep and waking it costs both sides on a virtual
/// machine, where it takes an interrupt to another virtual processor.
const MAX: Duration = Duration::from_micros(50);
/// The shortest spin that is not none.
const MIN: Duration = Duration::from_micros(1);
/// How long this thread spins without letting others have the core.
const ALONE: Duration = Duration::from_micros(3);
/// Each so manieth wait has the full budget.
const PROBE_EVERY: u32 = 256;
/// The longest pause between two looks, in turns of the processor's pause instruction: about a
/// microsecond.
const LONGEST_PAUSE: u32 = 64;
/// The first pause of one who waits for a single thing.
const SHORT_PAUSE: u32 = 4;

impl Spinner {
    /// A spinner that expects to succeed, and looks often at first.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            budget: MAX,
            waits: 0,
            first_pause: SHORT_PAUSE,
        }
    }

    /// A spinner that waits for one of many things in a row. Looking takes the cache line away from
    /// the thread that is about to write it; with longer pauses between two looks that thread gets a
    /// batch done, and the one who waits has more when it looks.
    #[must_use]
    pub const fn for_streams() -> Self {
        Self {
            budget: MAX,
            waits: 0,
            first_pause: LONGEST_PAUSE,
        }
    }

    /// Spins until `done` or the budget is spent; says which. Without any budget it does not look at all,
    /// since looking may cost a system call: the caller is about to wait in a way that looks itself.
    pub fn until(&mut self, mut done: impl FnMut() -> bool) -> bool {
        self.waits = self.waits.wrapping_add(1);
        if self.waits.is_multiple_of(PROBE_EVERY) {
            self.budget = MAX;
        }
        if self.budget.is_zero() {
            return false;
        }
        // Loom explores every order anyway, and knows no clock.
        if cfg!(loom) {
            return done();
        }
        let start = Instant::now();
        let mut pause = self.first_pause;
        loop {
            if done() {
                self.budget = (self.budget * 2).clamp(MIN, MAX);
                return true;
            }
            let elapsed = start.elapsed();
            if elapsed >= self.budget {
                self.budget /= 2;
                if self.budget < MIN {
                    self.budget = Duration::ZERO;
                }
                return false;
            }
            if elapsed >= ALONE {
                // Whoever is to end this wait may need this very core.
                std::thread::yield_now();
                continue;
            }
            for _ in 0..pause {
                std::hint::spin_loop();
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

impl Default for Spinner {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "a look takes longer than the budget")]
    fn learns_not_to_spin_and_tries_again() {
        let mut spinner = Spinner::new();
        for _ in 0..10 {
            assert!(!spinner.until(|| false));
        }
        assert_eq!(spinner.budget, Duration::ZERO);
        assert!(!spinner.until(|| unreachable!("it does not look")));
        let mut looks = 0;
        for _ in 0..PROBE_EVERY {
            let before = looks;
            spinner.until(|| {
                looks += 1;
                looks > before + 1
            });
        }
        assert!(
            spinner.budget > Duration::ZERO,
            "a probe that succeeded brings the budget back"
        );
    }
}
