//! Addresses as the sockets have them, after resolution.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use socket2::SockAddr;

use crate::endpoint::{Endpoint, IpcEndpoint};
use crate::sys;

/// An address that can be handed to the operating system as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResolvedAddress {
    /// An IP address and port.
    Tcp(SocketAddr),
    /// A path or an abstract name.
    Ipc(IpcEndpoint),
}

impl ResolvedAddress {
    /// The address of an endpoint that needs no look-up, or `None` if it needs one or is not an
    /// address to connect to over a stream socket (inproc).
    #[must_use]
    pub fn from_literal(endpoint: &Endpoint) -> Option<Self> {
        match endpoint {
            Endpoint::Tcp(tcp) => {
                let ip = tcp.host().literal()?;
                Some(Self::Tcp(SocketAddr::new(ip, tcp.port()?)))
            }
            Endpoint::Ipc(ipc) if !ipc.is_wildcard() => Some(Self::Ipc(ipc.clone())),
            _ => None,
        }
    }
}

impl fmt::Display for ResolvedAddress {
    /// Prints the address as an endpoint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Ipc(ipc) => write!(f, "ipc://{ipc}"),
        }
    }
}

/// One end of a connection, as the operating system reports it.
///
/// `Display` is meant for logs and monitors: `tcp://127.0.0.1:41234`, `ipc:///tmp/socket`,
/// `ipc://@name`, `ipc://` for an unnamed socket. If the process at the other end is known, it is
/// appended in parentheses: `ipc:// (pid 1234)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerAddress {
    /// An IP address and port.
    Tcp(SocketAddr),
    /// A Unix domain socket.
    Ipc {
        /// The path, or `@` and the abstract name; `None` for an unnamed socket, which is what
        /// the connecting side has.
        path: Option<PathBuf>,
        /// The process that called `connect` or `listen`, where the system tells.
        credentials: Option<ProcessCredentials>,
    },
    /// The system no longer knows: the connection is gone.
    Unknown,
}

/// The process at the other end of a Unix domain stream, as the system noted it when the connection was made. The peer
/// cannot claim anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProcessCredentials {
    /// Its number then; `None` if it has none here, for it lives in another PID namespace. It may be gone by now, and its
    /// number given to another one.
    pub pid: Option<u32>,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}

impl PeerAddress {
    pub(super) fn from_system(
        address: io::Result<SockAddr>,
        credentials: Option<ProcessCredentials>,
    ) -> Self {
        let Ok(address) = address else {
            return Self::Unknown;
        };
        if let Some(address) = address.as_socket() {
            return Self::Tcp(address);
        }
        let path = match sys::abstract_name(&address) {
            Some(name) => Some(PathBuf::from(format!("@{}", String::from_utf8_lossy(name)))),
            None => sys::path_name(&address).map(Path::to_path_buf),
        };
        Self::Ipc { path, credentials }
    }
}

impl PeerAddress {
    /// The process at the other end, over ipc and where the system tells.
    #[must_use]
    pub fn credentials(&self) -> Option<ProcessCredentials> {
        match self {
            Self::Ipc { credentials, .. } => *credentials,
            Self::Tcp(_) | Self::Unknown => None,
        }
    }

    /// As a ZAP handler is told: the numeric IP address without a port, or like libzmq
    /// `localhost:<uid>:<gid>:<pid>`.
    pub(crate) fn to_zap(&self) -> String {
        match self {
            Self::Tcp(address) => address.ip().to_string(),
            Self::Ipc {
                credentials: Some(ProcessCredentials { pid, uid, gid }),
                ..
            } => format!("localhost:{uid}:{gid}:{}", pid.unwrap_or(0)),
            Self::Ipc { .. } => "localhost".into(),
            Self::Unknown => String::new(),
        }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Ipc { path, credentials } => {
                f.write_str("ipc://")?;
                if let Some(path) = path {
                    write!(f, "{}", path.display())?;
                }
                match credentials.and_then(|credentials| credentials.pid) {
                    Some(pid) => write!(f, " (pid {pid})"),
                    None => Ok(()),
                }
            }
            Self::Unknown => f.write_str("unknown"),
        }
    }
}
