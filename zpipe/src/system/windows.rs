//! Windows: descriptors are those of sockets, processes do not fork, and nothing can be waited for beside a socket.

pub use std::os::windows::io::{
    AsSocket as AsDescriptor, BorrowedSocket as BorrowedDescriptor, RawSocket as RawDescriptor,
};
use std::{
    io,
    os::windows::io::{AsRawSocket, BorrowedSocket},
    sync::atomic::AtomicU32,
};

/// A descriptor that is readable from [`signal`](Self::signal) to [`clear`](Self::clear), for `poll` and the like.
///
/// # Platform
///
/// An event descriptor on Linux, a pipe on other Unix systems. On Windows there is none: [`new`](Self::new) says
/// [`Unsupported`](io::ErrorKind::Unsupported).
#[derive(Debug)]
pub struct Signal(std::convert::Infallible);

impl Signal {
    /// There is none.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](io::ErrorKind::Unsupported).
    pub fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Makes it readable.
    pub fn signal(&self) {
        match self.0 {}
    }

    /// Makes it not readable.
    pub fn clear(&self) {
        match self.0 {}
    }
}

/// Nothing changes it: no process is copied.
pub(super) fn changed_by_fork() -> Option<&'static AtomicU32> {
    None
}

pub(crate) fn raw(source: &impl AsDescriptor) -> RawDescriptor {
    source.as_socket().as_raw_socket()
}

/// # Safety
///
/// The socket stays open for as long as what is returned is there.
pub(crate) unsafe fn borrow<'a>(raw: RawDescriptor) -> BorrowedDescriptor<'a> {
    // SAFETY: the caller's promise; and a socket that was open is not the invalid one.
    unsafe { BorrowedSocket::borrow_raw(raw) }
}
