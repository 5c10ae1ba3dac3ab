//! The ways in which binding, accepting and connecting fail, sorted by what to do about them.

use std::error::Error;
use std::fmt;
use std::io;

use rustix::io::Errno;

use super::{OptionError, PeerAddress};
use crate::{
    endpoint::{Endpoint, EndpointError},
    socks::SocksError,
    sys::code,
};

/// Why [`Listener::bind`](super::Listener::bind) failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum BindError {
    /// The endpoint cannot be bound whatever the state of the system is.
    InvalidEndpoint(EndpointError),
    /// The endpoint is not one of a stream transport: inproc is bound in its registry.
    NotAStream(Endpoint),
    /// Somebody else listens there.
    AddressInUse(Endpoint),
    /// The ipc path exists and is not a socket, so it is left alone.
    NotASocket(Endpoint),
    /// No interface of this machine has the address.
    AddressNotAvailable(Endpoint),
    /// Ports below 1024, or a directory that may not be written to.
    PermissionDenied(Endpoint),
    /// The host is neither an interface nor a name that resolves.
    UnknownHost(Endpoint, io::Error),
    /// pgm takes raw sockets, which this process may not open: it needs `CAP_NET_RAW`. epgm needs no privileges.
    NeedsRawSockets(Endpoint),
    /// Multicast is for publishers and subscribers alone.
    NotPublishing(Endpoint, zmtp::SocketType),
    /// The largest packet is too small for any data, or larger than packets can be:
    /// [`MulticastTuning::max_tpdu`](super::MulticastTuning::max_tpdu).
    PacketSize(Endpoint, u32),
    /// The system refuses an option of the socket.
    Option(Endpoint, OptionError),
    /// The descriptor to be adopted is no listening tcp or Unix domain stream socket.
    NotAListener(io::Error),
    /// The process or the system is out of file descriptors or memory for them.
    OutOfDescriptors(Endpoint, io::Error),
    /// Another failure of the operating system, such as a missing directory.
    Io(Endpoint, io::Error),
}

impl BindError {
    pub(crate) fn from_io(endpoint: &Endpoint, error: io::Error) -> Self {
        let endpoint = endpoint.clone();
        match Errno::from_io_error(&error) {
            Some(Errno::ADDRINUSE) => Self::AddressInUse(endpoint),
            Some(Errno::ADDRNOTAVAIL) => Self::AddressNotAvailable(endpoint),
            Some(Errno::ACCESS | code::PERM) => Self::PermissionDenied(endpoint),
            Some(errno) if is_exhaustion(errno) => Self::OutOfDescriptors(endpoint, error),
            _ => Self::Io(endpoint, error),
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidEndpoint(error) => error.fmt(f),
            Self::NotAStream(at) => {
                write!(
                    f,
                    "cannot listen on {} with a stream socket",
                    at.as_written()
                )
            }
            Self::AddressInUse(at) => write!(f, "cannot bind {}: address in use", at.as_written()),
            Self::NotASocket(at) => write!(
                f,
                "cannot bind {}: the path exists and is not a socket; choose another path or remove it",
                at.as_written()
            ),
            Self::AddressNotAvailable(at) => {
                let at = at.as_written();
                write!(f, "cannot bind {at}: no interface here has this address")
            }
            Self::PermissionDenied(at) => {
                write!(f, "cannot bind {}: permission denied", at.as_written())
            }
            Self::UnknownHost(at, _) => {
                let at = at.as_written();
                write!(
                    f,
                    "cannot bind {at}: no such interface, and no address for the name"
                )
            }
            Self::NeedsRawSockets(at) => write!(
                f,
                "cannot use {}: it takes raw sockets, and this process may not open them; give it CAP_NET_RAW, or use \
                 epgm on all sides",
                at.as_written()
            ),
            Self::NotPublishing(at, socket_type) => write!(
                f,
                "cannot use {} with a {}: multicast is for PUB, XPUB, SUB and XSUB",
                at.as_written(),
                socket_type.name()
            ),
            Self::PacketSize(at, size) => write!(
                f,
                "cannot use {}: packets of {size} bytes are too small for their headers, or too large for the network",
                at.as_written()
            ),
            Self::Option(at, error) => write!(f, "cannot bind {}: {error}", at.as_written()),
            Self::NotAListener(error) => write!(
                f,
                "the descriptor is not that of a tcp or Unix domain stream socket that listens: {error}"
            ),
            Self::OutOfDescriptors(at, _) => {
                write!(f, "cannot bind {}: out of descriptors", at.as_written())
            }
            Self::Io(at, error) => write!(f, "cannot bind {}: {error}", at.as_written()),
        }
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::InvalidEndpoint(error) => Some(error),
            Self::Option(_, error) => Some(error),
            Self::NotAListener(error)
            | Self::UnknownHost(_, error)
            | Self::OutOfDescriptors(_, error)
            | Self::Io(_, error) => Some(error),
            _ => None,
        }
    }
}

impl From<EndpointError> for BindError {
    fn from(error: EndpointError) -> Self {
        Self::InvalidEndpoint(error)
    }
}

/// Why [`Listener::accept`](super::Listener::accept) returned no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum AcceptError {
    /// Nobody is waiting. Wait until the listener is readable.
    WouldBlock,
    /// This one connection failed, or died while it waited (`ECONNABORTED`, `EPERM` of a
    /// firewall, errors of the network it came over). Accept again at once.
    Transient(io::Error),
    /// The [`AcceptFilter`](super::AcceptFilter) does not admit whoever came, and the connection is closed. Accept again
    /// at once.
    Refused(PeerAddress),
    /// No descriptor or memory is left (`EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`). The connection
    /// is still waiting, so accepting again at once would spin: pause.
    OutOfDescriptors(io::Error),
    /// The listener itself is broken and will not recover.
    Fatal(io::Error),
}

impl AcceptError {
    pub(super) fn from_io(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(errno) if errno == Errno::AGAIN || errno == Errno::WOULDBLOCK => Self::WouldBlock,
            Some(errno) if is_exhaustion(errno) => Self::OutOfDescriptors(error),
            // accept(2): "errors already pending on the new socket".
            Some(
                Errno::CONNABORTED
                | Errno::CONNRESET
                | Errno::INTR
                | code::PERM
                | code::PROTO
                | Errno::NOPROTOOPT
                | code::OPNOTSUPP
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::TIMEDOUT,
            ) => Self::Transient(error),
            Some(errno) if code::is_no_network(errno) => Self::Transient(error),
            _ => Self::Fatal(error),
        }
    }
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => f.write_str("no connection is waiting"),
            Self::Transient(error) => {
                write!(f, "a connection failed before it was accepted: {error}")
            }
            Self::Refused(peer) => write!(f, "{peer} is not admitted"),
            Self::OutOfDescriptors(error) => write!(f, "cannot accept for now: {error}"),
            Self::Fatal(error) => write!(f, "cannot accept any more: {error}"),
        }
    }
}

impl Error for AcceptError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::WouldBlock | Self::Refused(_) => None,
            Self::Transient(error) | Self::OutOfDescriptors(error) | Self::Fatal(error) => {
                Some(error)
            }
        }
    }
}

/// Why an attempt to connect failed. All of it may pass, so a caller that reconnects treats the
/// variants alike; they tell a monitor what is going on.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody listens there (`ECONNREFUSED`; for ipc also a path that does not exist), or the
    /// connection would have been to itself.
    Refused,
    /// The ipc path is not a socket but a file of another kind.
    NotASocket,
    /// The ipc listener has its backlog full.
    Busy,
    /// No answer in the time of the system.
    TimedOut,
    /// There is no route to the address.
    Unreachable(io::Error),
    /// The process or the system is out of file descriptors, ports or memory for them.
    OutOfDescriptors(io::Error),
    /// The source address could not be bound.
    Source(io::Error),
    /// The system refuses an option of the socket.
    Option(OptionError),
    /// The proxy did not connect.
    Proxy(SocksError),
    /// Another failure of the operating system.
    Io(io::Error),
}

impl ConnectError {
    /// Whether nobody listens there, also as a proxy says.
    pub(crate) fn is_refused(&self) -> bool {
        match self {
            Self::Refused => true,
            Self::Proxy(error) => error.is_refused(),
            _ => false,
        }
    }

    pub(super) fn from_io(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::CONNREFUSED | code::NOENT) => Self::Refused,
            Some(Errno::TIMEDOUT) => Self::TimedOut,
            Some(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::NETDOWN | Errno::HOSTDOWN) => {
                Self::Unreachable(error)
            }
            // No free ephemeral port.
            Some(Errno::ADDRNOTAVAIL) => Self::OutOfDescriptors(error),
            Some(errno) if is_exhaustion(errno) => Self::OutOfDescriptors(error),
            _ => Self::Io(error),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::NotASocket => f.write_str("the path exists and is not a socket"),
            Self::Busy => f.write_str("the listener has too many connections waiting"),
            Self::TimedOut => f.write_str("connection timed out"),
            Self::Option(error) => write!(f, "cannot connect: {error}"),
            Self::Proxy(error) => error.fmt(f),
            Self::Source(error) => write!(f, "cannot bind the source address: {error}"),
            Self::Unreachable(error) | Self::OutOfDescriptors(error) | Self::Io(error) => {
                write!(f, "cannot connect: {error}")
            }
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused | Self::NotASocket | Self::Busy | Self::TimedOut => None,
            Self::Option(error) => Some(error),
            Self::Proxy(error) => Some(error),
            Self::Unreachable(error)
            | Self::OutOfDescriptors(error)
            | Self::Source(error)
            | Self::Io(error) => Some(error),
        }
    }
}

impl From<OptionError> for ConnectError {
    fn from(error: OptionError) -> Self {
        Self::Option(error)
    }
}

fn is_exhaustion(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::MFILE | code::NFILE | Errno::NOBUFS | code::NOMEM
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(errno: Errno) -> AcceptError {
        AcceptError::from_io(errno.into())
    }

    #[test]
    fn accept_errors_are_classified() {
        assert!(matches!(accept(Errno::AGAIN), AcceptError::WouldBlock));
        for errno in [Errno::CONNABORTED, Errno::INTR, Errno::PERM, Errno::PROTO] {
            assert!(matches!(accept(errno), AcceptError::Transient(_)));
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert!(matches!(accept(errno), AcceptError::OutOfDescriptors(_)));
        }
        for errno in [Errno::BADF, Errno::INVAL, Errno::NOTSOCK] {
            assert!(matches!(accept(errno), AcceptError::Fatal(_)));
        }
    }

    #[test]
    fn bind_and_connect_errors_are_classified() {
        let at = Endpoint::parse("tcp://127.0.0.1:1").unwrap();
        let bind = |errno: Errno| BindError::from_io(&at, errno.into());
        assert!(matches!(bind(Errno::ADDRINUSE), BindError::AddressInUse(_)));
        assert!(matches!(
            bind(Errno::ACCESS),
            BindError::PermissionDenied(_)
        ));
        assert!(matches!(
            bind(Errno::MFILE),
            BindError::OutOfDescriptors(..)
        ));
        assert!(matches!(bind(Errno::NOENT), BindError::Io(..)));
        assert!(
            bind(Errno::ADDRINUSE)
                .to_string()
                .contains("tcp://127.0.0.1:1")
        );

        let connect = |errno: Errno| ConnectError::from_io(errno.into());
        assert!(matches!(connect(Errno::CONNREFUSED), ConnectError::Refused));
        assert!(matches!(connect(Errno::NOENT), ConnectError::Refused));
        assert!(matches!(connect(Errno::TIMEDOUT), ConnectError::TimedOut));
        assert!(matches!(
            connect(Errno::NETUNREACH),
            ConnectError::Unreachable(_)
        ));
        assert!(matches!(
            connect(Errno::MFILE),
            ConnectError::OutOfDescriptors(_)
        ));
        assert!(matches!(connect(Errno::ACCESS), ConnectError::Io(_)));
    }
}
