//! Why something is not waited for.

use std::{fmt, io};

/// Why a socket or descriptor was not added to a [`Poller`](crate::Poller).
#[derive(Debug)]
#[non_exhaustive]
pub enum AddError {
    /// Something has this key already. Take another one, or remove what has it.
    KeyInUse(usize),
    /// The socket cannot be waited for, because a poller does already, this one or another, or since it belongs to the parent of this forked process.
    Socket(zsocket::Error),
    /// The operating system refuses: the descriptor is a plain file for example (`EPERM`), or is here already under another
    /// key (`EEXIST`), or there are no descriptors left (`EMFILE`).
    System(io::Error),
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyInUse(key) => write!(f, "the key {key} is in use: take another one"),
            Self::Socket(_) => f.write_str("the socket cannot be waited for"),
            Self::System(_) => f.write_str("the descriptor cannot be waited for"),
        }
    }
}

impl std::error::Error for AddError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::KeyInUse(_) => None,
            Self::Socket(error) => Some(error),
            Self::System(error) => Some(error),
        }
    }
}

impl From<zsocket::Error> for AddError {
    fn from(error: zsocket::Error) -> Self {
        Self::Socket(error)
    }
}

impl From<io::Error> for AddError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}
