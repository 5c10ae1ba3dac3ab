//! Linux, by what only Linux has.

pub use std::os::fd::{
    AsFd as AsDescriptor, BorrowedFd as BorrowedDescriptor, RawFd as RawDescriptor,
};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::AtomicU32,
};

use rustix::{
    event::{EventfdFlags, eventfd},
    mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous},
};

/// A descriptor that is readable from [`signal`](Self::signal) to [`clear`](Self::clear), for `poll` and the like.
///
/// # Platform
///
/// An event descriptor on Linux, a pipe on other Unix systems. On Windows there is none: [`new`](Self::new) says
/// [`Unsupported`](io::ErrorKind::Unsupported).
///
/// # Examples
///
/// ```
/// let signal = zpipe::Signal::new()?;
/// signal.signal();
/// signal.clear();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Signal(OwnedFd);

impl Signal {
    /// One that is not readable yet.
    ///
    /// # Errors
    ///
    /// The operating system's when no descriptor can be made.
    pub fn new() -> io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Self(eventfd(0, flags)?))
    }

    /// Makes it readable. Whoever is told of changes only is told once more if it was readable already.
    pub fn signal(&self) {
        // Fails only when the counter is at its limit, and then the descriptor is readable anyway.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    /// Makes it not readable.
    pub fn clear(&self) {
        // Does not block: an error only says that it was clear already.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Signal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A word that is 0 in every child. `None` where the kernel cannot do that (before 4.14).
pub(super) fn changed_by_fork() -> Option<&'static AtomicU32> {
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
