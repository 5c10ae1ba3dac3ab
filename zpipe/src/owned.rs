//! A value that any thread may drive, but only one at a time, and nobody ever waits for it.

use crate::sync::{AtomicU32, Ordering, UnsafeCell, or_mutant};

/// A lock that is only ever *tried*, and loses no event until a drive panics.
///
/// [`drive`](Self::drive) takes the value if it is free. If another thread has it, the events are
/// left with that thread, which handles them before it lets go, or is told that some are
/// [left](Driven::Left) for the next one. So the caller never blocks, and an event posted at the very
/// moment when the owner leaves is handled by one of the two.
///
/// State word: bit 31 is set while somebody owns the value, bit 30 once a drive has panicked; bits 0 to
/// 29 are events not yet handled.
///
/// # Examples
///
/// ```
/// let counter = zpipe::Owned::new(0);
/// assert!(counter.drive(1, |count, events| *count += events));
/// assert_eq!(counter.into_inner(), 1);
/// ```
pub struct Owned<T> {
    state: AtomicU32,
    value: UnsafeCell<T>,
}

const HELD: u32 = 1 << 31;
const POISONED: u32 = 1 << 30;

/// What became of the events given to [`Owned::drive_for`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driven {
    /// They are handled, and so are those that came meanwhile.
    All,
    /// Another thread has the value, and handles them, or is told that they are [`Left`](Self::Left); or
    /// the value is [poisoned](Owned::is_poisoned).
    Elsewhere,
    /// They are handled, but some that came meanwhile are not, and nobody has the value. They wait for
    /// the next call that finds it free: the caller sees to it that there is one.
    Left,
}

// SAFETY: the value is only touched by the thread that set `HELD`, one at a time, so sharing the
// container means sending the value.
unsafe impl<T: Send> Sync for Owned<T> {}
// SAFETY: sends the value along.
unsafe impl<T: Send> Send for Owned<T> {}

impl<T> Owned<T> {
    /// Wraps a value that nobody owns yet.
    pub fn new(value: T) -> Self {
        Self {
            state: AtomicU32::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// Posts `events` (bits 0 to 29) and, if the value is free, owns it and calls `handle` with the
    /// events posted so far, again and again until none are left. Returns `false` when another
    /// thread owns it, which then handles these events; so does a call from within `handle`.
    ///
    /// If `handle` panics the value is poisoned: see [`is_poisoned`](Self::is_poisoned).
    #[inline]
    pub fn drive(&self, events: u32, handle: impl FnMut(&mut T, u32)) -> bool {
        self.drive_for(u32::MAX, events, handle) != Driven::Elsewhere
    }

    /// Like [`drive`](Self::drive), but calls `handle` at most `rounds` times, and at least once: other
    /// threads that post events again and again cannot hold this one for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// use zpipe::{Driven, Owned};
    ///
    /// let owned = Owned::new(0);
    /// // An event that comes each time one is handled.
    /// let post = |count: &mut i32, _| {
    ///     *count += 1;
    ///     owned.drive(1, |_, _| {});
    /// };
    /// assert_eq!(owned.drive_for(3, 1, post), Driven::Left);
    /// assert_eq!(owned.drive_for(1, 0, |count, events| assert_eq!((*count, events), (3, 1))), Driven::All);
    /// ```
    #[inline]
    #[must_use = "`Left` obliges the caller to have the rest driven"]
    pub fn drive_for(
        &self,
        rounds: u32,
        events: u32,
        mut handle: impl FnMut(&mut T, u32),
    ) -> Driven {
        debug_assert_eq!(events & (HELD | POISONED), 0);
        let mut pending = events;
        if self
            .state
            .compare_exchange(0, HELD, Ordering::AcqRel, Ordering::Relaxed)
            .is_err()
        {
            if self.state.fetch_or(HELD | events, Ordering::AcqRel) & HELD != 0 {
                return Driven::Elsewhere;
            }
            pending = or_mutant!(self.state.swap(HELD, Ordering::AcqRel), events) & !HELD;
        }
        let poison = Poison(&self.state);
        let mut round = 1;
        loop {
            // SAFETY: `HELD` was clear and this thread set it, so it is alone with the value until
            // it clears it below.
            self.value
                .with_mut(|value| handle(unsafe { &mut *value }, pending));
            if self
                .state
                .compare_exchange(HELD, 0, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
            {
                std::mem::forget(poison);
                return Driven::All;
            }
            if round >= rounds {
                // The events stay, and with them whoever comes next owns the value.
                std::mem::forget(poison);
                self.state.fetch_and(!HELD, Ordering::AcqRel);
                return Driven::Left;
            }
            round += 1;
            // Taken before they are handled: the same event posted meanwhile counts anew.
            pending = self.state.swap(HELD, Ordering::AcqRel) & !HELD;
        }
    }

    /// Whether a drive has panicked. The value may be half-changed then, so nobody gets it any more:
    /// `drive` returns `false`, and its events are lost.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.state.load(Ordering::Acquire) & POISONED != 0
    }

    /// Unwraps the value, in whatever state it is.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

/// Dropped only when a drive panics. `HELD` stays.
struct Poison<'a>(&'a AtomicU32);

impl Drop for Poison<'_> {
    fn drop(&mut self) {
        self.0.fetch_or(POISONED, Ordering::Release);
    }
}

impl<T> std::fmt::Debug for Owned<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state.load(Ordering::Relaxed);
        f.debug_struct("Owned")
            .field("held", &(state & HELD != 0))
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn events_posted_by_the_owner_itself_are_handled_before_it_lets_go() {
        let owned = Owned::new(Vec::new());
        let drove = owned.drive(1, |seen, events| {
            seen.push(events);
            if seen.len() == 1 {
                assert!(!owned.drive(4, |_, _| unreachable!("held")));
                assert!(!owned.drive(1, |_, _| unreachable!("held")));
            }
        });
        assert!(drove);
        assert_eq!(owned.into_inner(), [1, 5]);
    }

    #[test]
    fn a_drive_that_panics_poisons() {
        let owned = Owned::new(0);
        let drive = std::panic::AssertUnwindSafe(|| {
            owned.drive(1, |value, _| {
                *value = 1;
                panic!("on purpose");
            })
        });
        assert!(!owned.is_poisoned());
        std::panic::catch_unwind(drive).unwrap_err();
        assert!(owned.is_poisoned());
        assert!(!owned.drive(1, |_, _| unreachable!("poisoned")));
        assert_eq!(owned.into_inner(), 1);
    }

    #[test]
    fn what_is_left_waits_for_the_next_one() {
        let owned = Owned::new(Vec::new());
        let left = owned.drive_for(2, 1, |seen, events| {
            seen.push(events);
            assert!(!owned.drive(2, |_, _| unreachable!("held")));
        });
        assert_eq!(left, Driven::Left);
        assert!(owned.drive(4, |seen, events| seen.push(events)));
        assert!(owned.drive(0, |seen, events| seen.push(events)));
        assert_eq!(owned.into_inner(), [1, 2, 6, 0]);
    }

    #[test]
    fn no_event_is_lost_between_threads_that_leave_some() {
        let owned = Owned::new([0u32; 4]);
        let posted = if cfg!(miri) { 50 } else { 10_000 };
        std::thread::scope(|scope| {
            for bit in 0..4u32 {
                let owned = &owned;
                scope.spawn(move || {
                    for _ in 0..posted {
                        let driven = owned.drive_for(1, 1 << bit, |seen, events| {
                            for (bit, count) in seen.iter_mut().enumerate() {
                                *count += events >> bit & 1;
                            }
                        });
                        if driven == Driven::Left {
                            std::thread::yield_now();
                        }
                    }
                });
            }
        });
        assert!(owned.drive(0, |seen, events| {
            for (bit, count) in seen.iter_mut().enumerate() {
                *count += events >> bit & 1;
            }
        }));
        // Each was seen, and none out of nothing.
        let seen = owned.into_inner();
        assert!(
            seen.iter().all(|count| (1..=posted).contains(count)),
            "{seen:?}"
        );
    }

    #[test]
    fn no_event_is_lost_between_threads() {
        const EVENTS: u32 = if cfg!(miri) { 50 } else { 10_000 };
        let owned = Owned::new((0u32, 0u32));
        let posted = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for bit in 0..4 {
                let (owned, posted) = (&owned, &posted);
                scope.spawn(move || {
                    for _ in 0..EVENTS {
                        posted.fetch_add(1, Ordering::Relaxed);
                        owned.drive(1 << bit, |(calls, bits), events| {
                            *calls += 1;
                            *bits |= events;
                        });
                    }
                });
            }
        });
        let (calls, bits) = owned.into_inner();
        assert_eq!(bits, 0b1111);
        assert!(calls >= EVENTS && calls <= posted.into_inner());
    }
}
