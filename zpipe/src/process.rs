//! Telling a forked child from its parent, at the price of a load.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

/// The process in which something was made.
///
/// A forked child has a copy of everything, but none of the other threads, and shares every descriptor
/// with its parent: what it has inherited must not be used. The kernel clears one page in every child,
/// so asking costs a load and no system call. Where the kernel cannot do that (Linux before 4.14), no
/// fork is noticed.
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

/// Used without the page. Never cleared.
static NO_PAGE: AtomicU32 = AtomicU32::new(0);

impl Process {
    /// The process that calls.
    #[must_use]
    pub fn current() -> Self {
        static PAGE: OnceLock<&'static AtomicU32> = OnceLock::new();
        let page = *PAGE.get_or_init(|| wiped_on_fork().unwrap_or(&NO_PAGE));
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

/// A word that is 0 in every child.
fn wiped_on_fork() -> Option<&'static AtomicU32> {
    const LENGTH: usize = 4096;
    // SAFETY: a new mapping at a place of the kernel's choice concerns no other memory.
    let page = unsafe {
        mmap_anonymous(
            std::ptr::null_mut(),
            LENGTH,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE,
        )
    }
    .ok()?;
    // SAFETY: the mapping was made just above, nothing lies in it yet, and it is this long at least.
    unsafe { madvise(page, LENGTH, Advice::LinuxWipeOnFork) }.ok()?;
    // SAFETY: mapped for reading and writing, never unmapped, zeroed, aligned to a page, and used as
    // nothing but this atomic, of which any content is valid.
    Some(unsafe { &*page.cast::<AtomicU32>() })
}
