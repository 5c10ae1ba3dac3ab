//! Error numbers as causes.

use std::ffi::{CStr, c_int};
use std::{fmt, io};

use crate::sys;

/// Why a call of libzmq failed.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The call would have had to wait, or did so until its timeout (`EAGAIN`).
    WouldBlock,
    /// A signal arrived while the call waited (`EINTR`). The wrapper's waiting calls try again
    /// instead of returning this.
    Interrupted,
    /// The socket's state does not allow the call now (`EFSM`).
    WrongState,
    /// The context is being terminated (`ETERM`).
    Terminated,
    /// The socket's type does not have this operation (`ENOTSUP`).
    NotSupported,
    /// Somebody else is bound to the endpoint (`EADDRINUSE`).
    AddressInUse,
    /// The socket has no such endpoint (`ENOENT`).
    NoSuchEndpoint,
    /// An argument, an option's value or an endpoint is malformed (`EINVAL`).
    InvalidArgument,
    /// The message is addressed to a peer that is not there (`EHOSTUNREACH`).
    HostUnreachable,
    /// Any other error number.
    Other(c_int),
}

impl Error {
    /// The cause of the failure that the calling thread has just seen.
    pub(crate) fn last() -> Self {
        // SAFETY: reads a thread-local number.
        Self::from_errno(unsafe { sys::zmq_errno() })
    }

    /// `Ok` unless `result` is the −1 of a failed call.
    pub(crate) fn check(result: c_int) -> Result<c_int, Self> {
        if result == -1 {
            Err(Self::last())
        } else {
            Ok(result)
        }
    }

    fn from_errno(errno: c_int) -> Self {
        match errno {
            sys::EFSM => Self::WrongState,
            sys::ETERM => Self::Terminated,
            sys::ENOTSUP => Self::NotSupported,
            // The rest are the system's numbers, which std knows for each platform.
            _ => match io::Error::from_raw_os_error(errno).kind() {
                io::ErrorKind::WouldBlock => Self::WouldBlock,
                io::ErrorKind::Interrupted => Self::Interrupted,
                io::ErrorKind::AddrInUse => Self::AddressInUse,
                io::ErrorKind::NotFound => Self::NoSuchEndpoint,
                io::ErrorKind::InvalidInput => Self::InvalidArgument,
                io::ErrorKind::HostUnreachable => Self::HostUnreachable,
                _ => Self::Other(errno),
            },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::WouldBlock => f.write_str("the call would have to wait"),
            Self::Interrupted => f.write_str("interrupted by a signal"),
            Self::WrongState => f.write_str("not allowed in the socket's present state"),
            Self::Terminated => f.write_str("the context is being terminated"),
            Self::NotSupported => f.write_str("not supported by the socket's type"),
            Self::AddressInUse => f.write_str("address in use"),
            Self::NoSuchEndpoint => f.write_str("no such endpoint"),
            Self::InvalidArgument => f.write_str("invalid argument"),
            Self::HostUnreachable => f.write_str("host unreachable"),
            Self::Other(errno) => {
                // SAFETY: zmq_strerror takes any number and returns a NUL-terminated text that
                // stays valid until this thread asks for another one.
                let text = unsafe { CStr::from_ptr(sys::zmq_strerror(errno)) };
                write!(f, "{} (error {errno})", text.to_string_lossy())
            }
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_and_system_numbers_become_causes() {
        assert_eq!(Error::from_errno(sys::EFSM), Error::WrongState);
        assert_eq!(Error::from_errno(sys::ETERM), Error::Terminated);
        assert_eq!(
            Error::from_errno(sys::EMTHREAD),
            Error::Other(sys::EMTHREAD)
        );
    }

    #[test]
    fn other_numbers_print_the_librarys_text() {
        let text = Error::Other(sys::EMTHREAD).to_string();
        assert!(text.contains("thread"), "{text}");
    }
}
