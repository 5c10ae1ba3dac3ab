//! Numbers of errors: those of the system, those of libzmq, and which of them stands for what.

use std::{ffi::c_int, io};

use zsocket::Error;

/// The number of an error, as a C program reads it in `errno`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) c_int);

const HAUSNUMERO: c_int = 156_384_712;

impl Errno {
    pub(crate) const AGAIN: Self = Self(libc::EAGAIN);
    pub(crate) const BUSY: Self = Self(libc::EBUSY);
    pub(crate) const FAULT: Self = Self(libc::EFAULT);
    pub(crate) const HOSTUNREACH: Self = Self(libc::EHOSTUNREACH);
    pub(crate) const INTR: Self = Self(libc::EINTR);
    pub(crate) const INVAL: Self = Self(libc::EINVAL);
    pub(crate) const IO: Self = Self(libc::EIO);
    pub(crate) const MFILE: Self = Self(libc::EMFILE);
    pub(crate) const NOMEM: Self = Self(libc::ENOMEM);
    pub(crate) const NOTSOCK: Self = Self(libc::ENOTSOCK);
    pub(crate) const NOTSUP: Self = Self(libc::ENOTSUP);
    pub(crate) const PROTONOSUPPORT: Self = Self(libc::EPROTONOSUPPORT);
    /// The call is not allowed in the socket's present state.
    pub(crate) const FSM: Self = Self(HAUSNUMERO + 51);
    /// The socket's type does not work over this transport.
    pub(crate) const NOCOMPATPROTO: Self = Self(HAUSNUMERO + 52);
    /// The context is being terminated.
    pub(crate) const TERM: Self = Self(HAUSNUMERO + 53);
    /// No I/O thread can take the task.
    pub(crate) const MTHREAD: Self = Self(HAUSNUMERO + 54);

    /// What the system has said last in this thread.
    pub(crate) fn last() -> Self {
        Self(
            io::Error::last_os_error()
                .raw_os_error()
                .unwrap_or(libc::EIO),
        )
    }

    /// Lets the C program read it.
    pub(crate) fn set(self) {
        // SAFETY: the place is that of this thread, valid as long as it runs.
        unsafe { *place() = self.0 };
    }

    /// Its text, if it is one that the C library does not know, or that libzmq calls otherwise.
    pub(crate) const fn text(self) -> Option<&'static std::ffi::CStr> {
        Some(match self {
            Self::FSM => c"Operation cannot be accomplished in current state",
            Self::NOCOMPATPROTO => c"The protocol is not compatible with the socket type",
            Self::TERM => c"Context was terminated",
            Self::MTHREAD => c"No thread available",
            Self::HOSTUNREACH => c"Host unreachable",
            _ => return None,
        })
    }
}

/// Where this thread's `errno` is.
pub(crate) fn place() -> *mut c_int {
    #[cfg(any(target_os = "linux", target_os = "emscripten"))]
    // SAFETY: has no preconditions.
    unsafe {
        libc::__errno_location()
    }
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    // SAFETY: has no preconditions.
    unsafe {
        libc::__error()
    }
    #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
    // SAFETY: has no preconditions.
    unsafe {
        libc::__errno()
    }
}

impl From<Error> for Errno {
    fn from(error: Error) -> Self {
        Self(error.errno())
    }
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        match (error.raw_os_error(), error.kind()) {
            (Some(number), _) => Self(number),
            (None, io::ErrorKind::Interrupted) => Self::INTR,
            (None, _) => Self::IO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_header() {
        assert_eq!(Errno::FSM.0, 156_384_763);
        assert_eq!(Errno::NOCOMPATPROTO.0, 156_384_764);
        assert_eq!(Errno::TERM.0, 156_384_765);
        assert_eq!(Errno::MTHREAD.0, 156_384_766);
    }

    #[test]
    fn what_is_set_is_what_the_thread_reads() {
        Errno::TERM.set();
        // SAFETY: as in `set`.
        assert_eq!(unsafe { *place() }, Errno::TERM.0);
        Errno::AGAIN.set();
        assert_eq!(Errno::last(), Errno::AGAIN);
    }
}
