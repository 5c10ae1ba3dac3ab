//! A value behind a lock, for control state. Data travels in pipes.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::PoisonError,
    time::Instant,
};

use crate::sync::{Condvar, Mutex, MutexGuard};

/// A value that several threads look at and change one after the other, and may wait for.
///
/// A thread that panics while it has the value leaves it to the others as it is. So change the value only in
/// steps that leave it whole, and let no foreign code run meanwhile: open a
/// [`Scope`](crate::deferred::Scope) before.
///
/// # Examples
///
/// ```
/// let left = zpipe::Guarded::new(2);
/// std::thread::scope(|scope| {
///     for _ in 0..2 {
///         scope.spawn(|| {
///             *left.lock() -= 1;
///             left.notify_all();
///         });
///     }
///     left.wait_until(None, |left| (*left == 0).then_some(()));
/// });
/// assert_eq!(*left.lock(), 0);
/// ```
pub struct Guarded<T> {
    value: Mutex<T>,
    changed: Condvar,
}

/// The value, for as long as this lives.
#[must_use]
pub struct Guard<'a, T>(MutexGuard<'a, T>);

impl<T> Guarded<T> {
    /// Puts a value behind a lock.
    pub fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            changed: Condvar::new(),
        }
    }

    /// Waits until no other thread has the value.
    pub fn lock(&self) -> Guard<'_, T> {
        Guard(self.value.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        (self.value.into_inner()).unwrap_or_else(PoisonError::into_inner)
    }

    /// Has one of the threads that wait look at the value.
    pub fn notify_one(&self) {
        self.changed.notify_one();
    }

    /// Has all threads that wait look at the value.
    pub fn notify_all(&self) {
        self.changed.notify_all();
    }

    /// Lets go of the value, whose guard this has to be, until somebody notifies this thread, or for no reason; at most until the
    /// deadline. Says whether it came back before.
    ///
    /// # Examples
    ///
    /// ```
    /// let guarded = zpipe::Guarded::new(());
    /// let (_guard, in_time) = guarded.wait(guarded.lock(), Some(std::time::Instant::now()));
    /// assert!(!in_time);
    /// ```
    pub fn wait<'a>(
        &'a self,
        guard: Guard<'a, T>,
        deadline: Option<Instant>,
    ) -> (Guard<'a, T>, bool) {
        let Some(deadline) = deadline else {
            let waited = self.changed.wait(guard.0);
            return (Guard(waited.unwrap_or_else(PoisonError::into_inner)), true);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        // Loom has no clock. Others may do anything before this thread comes here, so there it is enough to
        // say that every deadline has passed.
        if left.is_zero() || cfg!(loom) {
            return (guard, false);
        }
        let waited = self.changed.wait_timeout(guard.0, left);
        let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        (Guard(guard), !timeout.timed_out())
    }

    /// Waits until `ready` finds something, which is asked now and whenever somebody notifies; `None` when
    /// the deadline has passed before.
    pub fn wait_until<R>(
        &self,
        deadline: Option<Instant>,
        mut ready: impl FnMut(&mut T) -> Option<R>,
    ) -> Option<R> {
        let mut guard = self.lock();
        loop {
            let found = ready(&mut guard);
            if found.is_some() {
                return found;
            }
            let in_time;
            (guard, in_time) = self.wait(guard, deadline);
            if !in_time {
                return ready(&mut guard);
            }
        }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Default> Default for Guarded<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// Does not show the value, for which it would have to wait.
impl<T> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_panic_leaves_the_value_to_the_others() {
        let guarded = Guarded::new(1);
        let change = AssertUnwindSafe(|| {
            *guarded.lock() = 2;
            let _guard = guarded.lock();
            panic!("on purpose");
        });
        catch_unwind(change).unwrap_err();
        assert_eq!(*guarded.lock(), 2);
        guarded.notify_one();
        assert_eq!(guarded.wait_until(None, |value| Some(*value)), Some(2));
        assert_eq!(guarded.into_inner(), 2);
    }

    #[test]
    fn what_comes_at_the_deadline_is_found() {
        let guarded = Guarded::new(0);
        let ready = |value: &mut i32| {
            *value += 1;
            (*value == 2).then_some(*value)
        };
        let now = Some(Instant::now());
        assert_eq!(guarded.wait_until(now, ready), Some(2));
        assert_eq!(guarded.wait_until(now, ready), None);
    }

    #[test]
    fn whoever_waits_hears_of_a_change() {
        let turn = Guarded::new(0);
        std::thread::scope(|scope| {
            for own in 0..3 {
                let turn = &turn;
                scope.spawn(move || {
                    turn.wait_until(None, |turn| (*turn == own).then(|| *turn += 1));
                    turn.notify_all();
                });
            }
        });
        assert_eq!(*turn.lock(), 3);
    }
}
