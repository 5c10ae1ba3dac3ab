//! Telling a forked child from its parent, at the price of a load.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

use super::own::changed_by_fork;

/// The process in which something was made.
///
/// A forked child has a copy of everything, but none of the other threads, and shares every descriptor
/// with its parent: what it has inherited must not be used. A word changes in every child,
/// so asking costs a load and no system call.
///
/// # Platform
///
/// On Linux the kernel clears a page in every child; before 4.14 it cannot do that, and no fork is noticed. On other Unix
/// systems a handler (`pthread_atfork`) runs in the child, also with `--cfg zlayers_portable`; who calls the kernel's `fork`
/// without the C library is not noticed. On Windows no process is forked.
///
/// # Examples
///
/// ```
/// let here = zpipe::Process::current();
/// assert!(!here.is_forked());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Process {
    page: &'static AtomicU32,
    generation: u32,
}

/// Counts processes from parent to child, since a child inherits it.
static GENERATIONS: AtomicU32 = AtomicU32::new(0);

/// Used without such a word. Never changed.
static NO_PAGE: AtomicU32 = AtomicU32::new(0);

impl Process {
    /// The process that calls.
    #[must_use]
    pub fn current() -> Self {
        static PAGE: OnceLock<&'static AtomicU32> = OnceLock::new();
        let page = *PAGE.get_or_init(|| changed_by_fork().unwrap_or(&NO_PAGE));
        let mut generation = page.load(Ordering::Relaxed);
        if generation == 0 {
            // The first to ask in this process: one that no ancestor has had.
            let new = GENERATIONS.fetch_add(1, Ordering::Relaxed) + 1;
            generation = match page.compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => new,
                Err(other) => other,
            };
        }
        Self { page, generation }
    }

    /// Whether this is a child, forked from that process or from a child of it.
    #[inline]
    #[must_use]
    pub fn is_forked(&self) -> bool {
        self.page.load(Ordering::Relaxed) != self.generation
    }
}
