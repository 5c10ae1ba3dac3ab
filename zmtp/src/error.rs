//! What can go wrong on a connection, by cause.

use std::fmt;

/// Why a connection failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The peer announced a frame of more than 2^63 - 1 bytes.
    FrameSizeOutOfRange {
        /// The announced size in bytes.
        size: u64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrameSizeOutOfRange { size } => {
                write!(
                    f,
                    "peer announced a frame of {size} bytes, more than the protocol allows"
                )
            }
        }
    }
}

impl std::error::Error for Error {}
