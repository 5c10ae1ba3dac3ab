//! Non-blocking stream sockets of the operating system: tcp and ipc.
//!
//! ```text
//!   Endpoint ──▶ Listener::bind ──▶ accept ─────────────┐
//!                                                       ▼
//!   Endpoint ──▶ resolve ──▶ connect_start … finish ──▶ Stream ──▶ read / write_vectored
//! ```
//!
//! Everything here is a thin, classified view of a system call: no buffers, no threads, no
//! readiness. The caller registers the descriptors with a poller and decides when to try again;
//! the errors say what kind of trouble it is, so that no caller compares error numbers.
//!
//! * All descriptors are close-on-exec and non-blocking.
//! * Writes use `MSG_NOSIGNAL` or its like, so a vanished peer is `EPIPE` and never `SIGPIPE`, whatever the
//!   process has done with that signal.
//! * `TCP_NODELAY` is set on both sides: batching is the business of the layer above.
//! * Only [`resolve`] and [`Listener::bind`] with a host name may block, on DNS. Neither belongs
//!   on an I/O thread; [`TcpEndpoint::needs_dns`](crate::endpoint::TcpEndpoint::needs_dns) tells in advance.

mod address;
mod error;
mod filter;
mod interface;
#[cfg_attr(windows, path = "no_ipc.rs")]
mod ipc;
mod listener;
mod multicast;
mod stream;
mod tcp;
mod tuning;

use std::io;

use socket2::Socket;

pub use address::{PeerAddress, ProcessCredentials, ResolvedAddress};
pub use error::{AcceptError, BindError, ConnectError};
pub use filter::{AcceptFilter, IpNetwork, IpNetworkError};
pub use listener::{Accepted, Listener};
pub(crate) use multicast::MulticastSockets;
pub use multicast::MulticastTuning;
pub use stream::{ConnectState, Stream, connect_finish, connect_start};
pub use tcp::{resolve, resolve_bound, resolve_source};
pub use tuning::{OptionError, TcpTuning};

/// Options of the operating system for sockets that are about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketTuning {
    /// How many connections may wait to be accepted (`listen`). The system caps it.
    pub backlog: u32,
    /// `SO_SNDBUF` in bytes; `None` leaves the choice to the system.
    pub send_buffer: Option<usize>,
    /// `SO_RCVBUF` in bytes; `None` leaves the choice to the system.
    pub recv_buffer: Option<usize>,
    /// Whether `*` means every IPv6 and IPv4 address instead of every IPv4 address, and whether
    /// names resolve to both. Literal IPv6 addresses work either way.
    pub ipv6: bool,
    /// Permissions of the file that a bound ipc path gets, whatever the umask is: whoever may write to
    /// it may connect. Bits beyond `0o777` are ignored.
    pub ipc_mode: u32,
    /// Whether binding an ipc path takes it over from a socket that listens there. Otherwise that is an error.
    pub ipc_takeover: bool,
    /// Options of tcp sockets.
    pub tcp: TcpTuning,
    /// Options of pgm and epgm.
    pub multicast: MulticastTuning,
    /// Whom listeners let in.
    pub accept: AcceptFilter,
}

impl Default for SocketTuning {
    /// The defaults of libzmq: a backlog of 100, buffers as the system has them, IPv4. The file of an
    /// ipc socket is for its owner alone (`0o600`), where libzmq leaves that to the umask.
    fn default() -> Self {
        Self {
            backlog: 100,
            send_buffer: None,
            recv_buffer: None,
            ipv6: false,
            ipc_mode: 0o600,
            ipc_takeover: false,
            tcp: TcpTuning::default(),
            multicast: MulticastTuning::default(),
            accept: AcceptFilter::default(),
        }
    }
}

impl SocketTuning {
    /// Must run before `listen` and `connect`, or the window scale is already settled.
    fn apply(&self, socket: &Socket) -> io::Result<()> {
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.recv_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        Ok(())
    }

    fn backlog(&self) -> i32 {
        i32::try_from(self.backlog).unwrap_or(i32::MAX)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
