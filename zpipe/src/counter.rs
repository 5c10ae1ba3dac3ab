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
