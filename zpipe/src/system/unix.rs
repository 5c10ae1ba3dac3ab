//! Any Unix system, by what all of them have.

pub use std::os::fd::{
    AsFd as AsDescriptor, BorrowedFd as BorrowedDescriptor, RawFd as RawDescriptor,
};
use std::{
    ffi::c_int,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::atomic::{AtomicU32, Ordering},
};

use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::{FdFlags, fcntl_setfd},
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
pub struct Signal {
    reading: OwnedFd,
    writing: OwnedFd,
}

impl Signal {
    /// One that is not readable yet.
    ///
    /// # Errors
    ///
    /// The operating system's when no descriptor can be made.
    pub fn new() -> io::Result<Self> {
        let (reading, writing) = rustix::pipe::pipe()?;
        // Not every system can make a pipe with these. A program that another thread starts in between inherits
        // the pipe, which it does not know of.
        for end in [&reading, &writing] {
            fcntl_setfd(end, FdFlags::CLOEXEC)?;
            fcntl_setfl(end, fcntl_getfl(end)? | OFlags::NONBLOCK)?;
        }
        Ok(Self { reading, writing })
    }

    /// Makes it readable. Whoever is told of changes only is told once more if it was readable already.
    pub fn signal(&self) {
        // Fails only when the pipe is full, and then it is readable anyway.
        let _ = rustix::io::write(&self.writing, &[1]);
    }

    /// Makes it not readable.
    pub fn clear(&self) {
        // Does not block. A pipe that gave less than was asked for is empty.
        let mut room = [0; 256];
        while matches!(rustix::io::read(&self.reading, &mut room), Ok(256)) {}
    }
}

impl AsFd for Signal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reading.as_fd()
    }
}

/// Counted up in every child.
static FORKS: AtomicU32 = AtomicU32::new(1);

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// A word that has another value in every child. `None` if the system does not let this process do that.
pub(super) fn changed_by_fork() -> Option<&'static AtomicU32> {
    type Handler = extern "C" fn();
    unsafe extern "C" {
        fn pthread_atfork(
            prepare: Option<Handler>,
            parent: Option<Handler>,
            child: Option<Handler>,
        ) -> c_int;
    }
    // SAFETY: this is how POSIX declares it. The handler is there for as long as the process is, since this code is not
    // unloaded while it is in use, and does nothing but add to an atomic, which a child may do.
    let registered = unsafe { pthread_atfork(None, None, Some(in_child)) };
    (registered == 0).then_some(&FORKS)
}

pub(crate) fn raw(source: &impl AsDescriptor) -> RawDescriptor {
    source.as_fd().as_raw_fd()
}

/// # Safety
///
/// The descriptor stays open for as long as what is returned is there.
pub(crate) unsafe fn borrow<'a>(raw: RawDescriptor) -> BorrowedDescriptor<'a> {
    // SAFETY: the caller's promise; and a descriptor that was open is not -1.
    unsafe { BorrowedFd::borrow_raw(raw) }
}
