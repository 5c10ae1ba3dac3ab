//! What the transports refuse.

use std::{fmt, io};

use crate::{endpoint::EndpointError, net::BindError};

/// Why a socket could not bind or connect.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The endpoint is malformed, or not one to do this with. libzmq: `EINVAL`,
    /// `EPROTONOSUPPORT`.
    Endpoint(EndpointError),
    /// Binding failed. libzmq: `EADDRINUSE`, `EADDRNOTAVAIL`, `ENODEV`, `EACCES`, `EMFILE`, …
    Bind(BindError),
    /// The context has no I/O threads, so only inproc works. libzmq: `EMTHREAD`.
    NoIoThread,
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
            Self::NoIoThread | Self::IoThreadLost | Self::Led => None,
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
