//! Locking of control state, all of which is whole whenever the lock is free.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex whose data cannot be left half-changed: a panic elsewhere does not matter.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
