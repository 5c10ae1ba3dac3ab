//! How a proxy ends.

use std::{fmt, io};

use zpoll::AddError;
use zsocket::SocketType;

/// Which socket of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The frontend, or the only socket of an echo.
    Frontend,
    /// The backend.
    Backend,
    /// The capture.
    Capture,
    /// The control socket.
    Control,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Frontend => "frontend",
            Self::Backend => "backend",
            Self::Capture => "capture",
            Self::Control => "control socket",
        })
    }
}

/// Why a proxy has come to its end as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// [`ProxyHandle::terminate`](crate::ProxyHandle::terminate) was called.
    ByHandle,
    /// `TERMINATE` came in on the control socket.
    ByControl,
    /// The context of this socket was shut down. libzmq: `ETERM`.
    ContextShutDown(Role),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByHandle => f.write_str("the proxy was terminated by its handle"),
            Self::ByControl => f.write_str("the proxy was terminated by its control socket"),
            Self::ContextShutDown(role) => write!(f, "the context of the {role} was shut down"),
        }
    }
}

/// Why a proxy has failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Neither type sends what the other receives, as with two PULL sockets. Take other types.
    NothingToForward {
        /// The type of the frontend.
        frontend: SocketType,
        /// The type of the backend.
        backend: SocketType,
    },
    /// A call on this socket has failed.
    Socket {
        /// Which one.
        role: Role,
        /// What it says.
        error: zsocket::Error,
    },
    /// This socket cannot be waited for: another poller does, or it has two roles.
    Watch {
        /// Which one.
        role: Role,
        /// What the poller says.
        error: AddError,
    },
    /// The system cannot wait.
    Wait(io::Error),
    /// The proxy was to run on an I/O thread, which never waits: foreign code finds itself there. Run it on a thread of its own.
    OnIoThread,
    /// The thread of the proxy has panicked, which is a defect of this library.
    Panicked,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingToForward { frontend, backend } => write!(
                f,
                "a proxy of {} and {} has nothing to forward: one has to receive what the other sends",
                frontend.name(),
                backend.name()
            ),
            Self::Socket { role, .. } => write!(f, "the {role} of the proxy has failed"),
            Self::Watch { role, .. } => write!(f, "the {role} of the proxy cannot be waited for"),
            Self::Wait(_) => f.write_str("the system does not wait for the proxy's sockets"),
            Self::OnIoThread => f.write_str(
                "a proxy cannot run on an I/O thread, which never waits: give it a thread of its own",
            ),
            Self::Panicked => f.write_str("the thread of the proxy has panicked"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Socket { error, .. } => Some(error),
            Self::Watch { error, .. } => Some(error),
            Self::Wait(error) => Some(error),
            Self::NothingToForward { .. } | Self::OnIoThread | Self::Panicked => None,
        }
    }
}
