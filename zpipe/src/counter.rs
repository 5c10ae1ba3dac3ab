//! A number that many threads add to and nobody waits for.

use std::sync::atomic::{AtomicU64, Ordering};

/// An event counter: exact, and without order relative to anything else. For statistics.
///
/// # Examples
///
/// ```
/// let counter = zpipe::Counter::new();
/// counter.add(2);
/// assert_eq!(counter.value(), 2);
/// ```
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// A counter at 0.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds `n` and returns the value before.
    pub fn add(&self, n: u64) -> u64 {
        self.0.fetch_add(n, Ordering::Relaxed)
    }

    /// Subtracts `n`, for gauges.
    pub fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    /// The value now.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    #[test]
    fn nothing_is_lost_between_threads() {
        const THREADS: usize = 4;
        const ADDS: u64 = if cfg!(miri) { 50 } else { 100_000 };
        const ALL: u64 = THREADS as u64 * ADDS;
        let counter = Counter::new();
        let together = Barrier::new(THREADS);
        let add = || {
            together.wait();
            (0..ADDS).map(|_| counter.add(1)).collect::<Vec<_>>()
        };
        let subtract = || {
            together.wait();
            (1..ADDS).for_each(|_| counter.sub(1));
        };
        let mut before = thread::scope(|scope| {
            let threads = [(); THREADS].map(|()| scope.spawn(add));
            threads.map(|thread| thread.join().unwrap()).concat()
        });
        assert_eq!(counter.value(), ALL);
        // Each has found another value.
        before.sort_unstable();
        assert!(before.into_iter().eq(0..ALL));
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(subtract);
            }
        });
        assert_eq!(counter.value(), THREADS as u64);
    }
}
