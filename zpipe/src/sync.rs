//! The one place atomics, fences and locks come from, so that loom can replace them.
//!
//! `loom` treats a `SeqCst` access as `AcqRel`, but models `SeqCst` fences in full. Every
//! store-then-load hand-over in this crate therefore goes through [`publish`], which orders an
//! earlier store before a later load on both kinds of build.

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::{Arc, Condvar, Mutex, MutexGuard, atomic::Ordering},
};

#[cfg(not(loom))]
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, atomic::Ordering};

#[cfg(all(loom, not(mutants)))]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, fence};

#[cfg(not(any(loom, mutants)))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, fence};

#[cfg(mutants)]
mod mutants;
#[cfg(mutants)]
pub(crate) use self::mutants::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, fence, is_active,
};

/// The first expression. In a build with `--cfg mutants`, when this place is the one that is mutated, the
/// second one instead: a second look that is not taken, say. See `zpipe/mutants`.
#[cfg(not(mutants))]
macro_rules! or_mutant {
    ($original:expr, $mutant:expr) => {
        $original
    };
}
#[cfg(mutants)]
macro_rules! or_mutant {
    ($original:expr, $mutant:expr) => {
        if crate::sync::is_active(stringify!($mutant)) {
            $mutant
        } else {
            $original
        }
    };
}
pub(crate) use or_mutant;

/// Orders every earlier store of this thread before every later load: the half of Dekker's
/// hand-shake that each side of a hand-over performs between its own store and its look at the
/// other side's flag.
#[inline(always)]
#[cfg_attr(mutants, track_caller)]
pub(crate) fn publish() {
    fence(Ordering::SeqCst);
}

/// Keeps two groups of fields, written by different threads, on different cache lines. 128 bytes,
/// because adjacent-line prefetchers pull lines in pairs.
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> std::ops::Deref for Padded<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(not(loom))]
pub(crate) use self::cell::UnsafeCell;
#[cfg(loom)]
pub(crate) use self::once::OnceLock;

#[cfg(not(loom))]
mod cell {
    /// `std`'s cell with loom's closure interface.
    #[derive(Debug)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        pub(crate) fn into_inner(self) -> T {
            self.0.into_inner()
        }

        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

#[cfg(loom)]
mod once {
    use loom::sync::atomic::{AtomicBool, Ordering};

    /// `std`'s cell behind a flag that loom sees.
    pub(crate) struct OnceLock<T> {
        is_set: AtomicBool,
        value: std::sync::OnceLock<T>,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self {
                is_set: AtomicBool::new(false),
                value: std::sync::OnceLock::new(),
            }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            if self.is_set.load(Ordering::Acquire) {
                self.value.get()
            } else {
                None
            }
        }

        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            let result = self.value.set(value);
            self.is_set.store(true, Ordering::Release);
            result
        }

        pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
            let value = self.value.get_or_init(make);
            self.is_set.store(true, Ordering::Release);
            value
        }
    }
}

/// Has the processor fetch a cache line that is going to be written, without waiting for it. A hint:
/// whatever the address, nothing else happens.
#[inline(always)]
pub(crate) fn prefetch<T>(line: *const T) {
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    // SAFETY: every x86-64 processor has the instruction, and it never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_ET0>(line.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(loom), not(miri))))]
    let _ = line;
}
