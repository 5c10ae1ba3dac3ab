//! What the transports refuse.

use std::{fmt, io};

use crate::{endpoint::EndpointError, net::BindError, scheduling::SchedulingError};

/// Why a socket could not bind or connect.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The endpoint is malformed, or not one to do this with. libzmq: `EINVAL`,
    /// `EPROTONOSUPPORT`.
    Endpoint(EndpointError),
    /// Binding failed. libzmq: `EADDRINUSE`, `EADDRNOTAVAIL`, `ENODEV`, `EACCES`, `EMFILE`, …
    Bind(BindError),
    /// The socket that is bound to the inproc name is of a type that cannot talk to this one. libzmq connects them, and
    /// nothing arrives.
    Incompatible {
        /// The type of the socket that connects.
        ours: zmtp::SocketType,
        /// The type of the one that is bound.
        peer: zmtp::SocketType,
    },
    /// The context has no I/O threads, so only inproc works. libzmq: `EMTHREAD`.
    NoIoThread,
    /// None of the I/O threads that the socket may be served by is there. libzmq: `EMTHREAD`.
    NoSuchIoThread {
        /// Which it may be served by: [`Options::affinity`](crate::Options::affinity).
        affinity: u64,
        /// How many there are.
        io_threads: usize,
    },
    /// The operating system does not run I/O threads as it was asked to.
    Scheduling(SchedulingError),
    /// The I/O thread has ended because of a defect of this library. Make a new context, and report what
    /// the thread has printed.
    IoThreadLost,
    /// Each I/O thread is led by a foreign event loop already.
    Led,
    /// The operating system refused something that has nothing to do with an endpoint.
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(error) => error.fmt(f),
            Self::Bind(error) => error.fmt(f),
            Self::IoThreadLost => f.write_str(
                "an I/O thread ended because of a defect: make a new context, and report what the thread printed",
            ),
            Self::Led => f.write_str("each I/O thread is led already: drop a leader, or make another context"),
            Self::Io(error) => error.fmt(f),
            Self::Scheduling(error) => error.fmt(f),
            Self::NoSuchIoThread {
                affinity,
                io_threads,
            } => write!(
                f,
                "none of the {io_threads} I/O threads is in the affinity mask {affinity:#x}: set one of its lowest \
                 {io_threads} bits, or 0 for all"
            ),
            Self::Incompatible { ours, peer } => {
                zmtp::Error::IncompatibleSocketType { ours: *ours, peer: *peer }.fmt(f)
            }
            Self::NoIoThread => f.write_str(
                "the context has no I/O threads: give it at least one, or use inproc endpoints",
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Endpoint(error) => Some(error),
            Self::Bind(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::Scheduling(error) => Some(error),
            Self::Incompatible { .. }
            | Self::NoIoThread
            | Self::NoSuchIoThread { .. }
            | Self::IoThreadLost
            | Self::Led => None,
        }
    }
}

impl From<EndpointError> for Error {
    fn from(error: EndpointError) -> Self {
        Self::Endpoint(error)
    }
}

impl From<BindError> for Error {
    fn from(error: BindError) -> Self {
        Self::Bind(error)
    }
}
