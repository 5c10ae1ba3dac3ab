//! Waiting for the end of a context in a way that signals interrupt.

use std::{
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    sync::Arc,
    thread,
};

use crate::{errno::Errno, signals::Blocked, wait};

/// A thread that waits for the end, and a descriptor that is readable when it has come.
pub(super) struct Ending {
    ended: OwnedFd,
}

impl Ending {
    /// Begins to wait.
    pub(super) fn begin(context: zsocket::Context) -> Result<Arc<Self>, Errno> {
        // SAFETY: has no preconditions.
        let event = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if event < 0 {
            return Err(Errno::last());
        }
        // SAFETY: it was just made, and is nobody else's.
        let ended = unsafe { OwnedFd::from_raw_fd(event) };
        let ending = Arc::new(Self { ended });
        let waiting = Arc::clone(&ending);
        let _blocked = Blocked::new();
        let thread = thread::Builder::new().name("zlayers-term".to_owned());
        thread.spawn(move || {
            // Fails only on an I/O thread, and in a forked child, which has no such thread.
            let _ = context.term();
            drop(context);
            waiting.announce();
        })?;
        Ok(ending)
    }

    fn announce(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: the descriptor is open, and the buffer as long as it says.
        unsafe { libc::write(self.ended.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Waits until the end has come, or a signal handler has run. It may be called again, and by several threads.
    pub(super) fn wait(&self) -> Result<(), Errno> {
        wait::readable(self.ended.as_raw_fd())
    }
}
