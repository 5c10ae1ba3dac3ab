//! What the operating system is asked for beyond a plain tcp socket.

use std::{error::Error, fmt, io, time::Duration};

use socket2::Socket;

use crate::sys;

/// Options of the operating system for tcp sockets. What is at its default is left to the system and costs no call.
///
/// They reach a socket that connects before it does so, and a listener before it is bound, with all that it accepts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TcpTuning {
    /// Whether the system probes a peer that is silent (`SO_KEEPALIVE`); `None` leaves that to the system. Unless
    /// it is on, the next three do not matter.
    pub keep_alive: Option<bool>,
    /// After how many probes without answer a peer is given up (`TCP_KEEPCNT`).
    pub keep_alive_count: Option<u32>,
    /// After how many seconds of silence the first probe is sent (`TCP_KEEPIDLE`).
    pub keep_alive_idle: Option<u32>,
    /// How many seconds lie between two probes (`TCP_KEEPINTVL`).
    pub keep_alive_interval: Option<u32>,
    /// The type of service in the headers of packets (`IP_TOS`, and `IPV6_TCLASS` where the socket speaks IPv6); 0 leaves
    /// it to the system.
    pub type_of_service: u8,
    /// The priority of packets in the queues of this machine (`SO_PRIORITY`); 0 leaves it to the system, which may derive
    /// one from the type of service.
    pub priority: u32,
    /// The network interface that everything goes through (`SO_BINDTODEVICE`).
    pub device: Option<String>,
    /// How long data that was sent may wait for an acknowledgement before the connection is given up
    /// (`TCP_USER_TIMEOUT`).
    pub user_timeout: Option<Duration>,
    /// For how many microseconds the system polls the network card before it waits (`SO_BUSY_POLL`); 0 leaves it to the
    /// system.
    pub busy_poll: u32,
    /// Whether the connection may use several paths (MPTCP, RFC 8684). With a peer that does not speak it, it is an
    /// ordinary tcp connection.
    pub multipath: bool,
}

impl TcpTuning {
    /// For a socket that is about to be bound or connected.
    pub(super) fn apply(&self, socket: &Socket, is_ipv6: bool) -> Result<(), OptionError> {
        if let Some(device) = &self.device {
            named("bind_to_device", system::bind_device(socket, device))?;
        }
        self.apply_to_connection(socket, is_ipv6)
    }

    /// For a socket that was accepted: not all of it is handed on by its listener.
    pub(super) fn apply_to_connection(
        &self,
        socket: &Socket,
        is_ipv6: bool,
    ) -> Result<(), OptionError> {
        use rustix::net::sockopt;
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        if let Some(on) = self.keep_alive {
            named("tcp_keepalive", socket.set_keepalive(on))?;
        }
        if self.keep_alive == Some(true) {
            if let Some(count) = self.keep_alive_count {
                let done = sockopt::set_tcp_keepcnt(socket, count);
                named("tcp_keepalive_count", done.map_err(Into::into))?;
            }
            if let Some(idle) = self.keep_alive_idle {
                let done = sockopt::set_tcp_keepidle(socket, seconds(idle));
                named("tcp_keepalive_idle", done.map_err(Into::into))?;
            }
            if let Some(interval) = self.keep_alive_interval {
                let done = sockopt::set_tcp_keepintvl(socket, seconds(interval));
                named("tcp_keepalive_interval", done.map_err(Into::into))?;
            }
        }
        if self.type_of_service != 0 {
            let tos = u32::from(self.type_of_service);
            if is_ipv6 {
                named("tos", sys::set_traffic_class(socket, tos))?;
            }
            // On Linux a socket of both families has both.
            if !is_ipv6 || cfg!(target_os = "linux") {
                named("tos", socket.set_tos_v4(tos))?;
            }
        }
        // After the type of service, which sets a priority of its own.
        if self.priority != 0 {
            named("priority", system::set_priority(socket, self.priority))?;
        }
        if let Some(timeout) = self.user_timeout {
            named(
                "tcp_user_timeout",
                system::set_user_timeout(socket, timeout),
            )?;
        }
        if self.busy_poll != 0 {
            named("busy_poll", system::set_busy_poll(socket, self.busy_poll))?;
        }
        Ok(())
    }
}

fn named(option: &'static str, done: io::Result<()>) -> Result<(), OptionError> {
    done.map_err(|error| OptionError::new(option, error))
}

/// An option that the operating system refused: it has no such option, the value is none for it, or this process may not
/// set it.
#[derive(Debug)]
pub struct OptionError {
    option: &'static str,
    error: io::Error,
}

impl OptionError {
    pub(super) fn new(option: &'static str, error: io::Error) -> Self {
        Self { option, error }
    }

    /// The option, by the name that sockets know it by.
    #[must_use]
    pub fn option(&self) -> &'static str {
        self.option
    }

    /// What the operating system said.
    #[must_use]
    pub fn cause(&self) -> &io::Error {
        &self.error
    }
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { option, error } = self;
        write!(
            f,
            "the system refuses the option {option}: {error}; set another value, or leave it out"
        )
    }
}

impl Error for OptionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::{io, time::Duration};

    use socket2::{Protocol, Socket};

    pub(in super::super) const MULTIPATH: Option<Protocol> = Some(Protocol::MPTCP);

    pub(super) fn bind_device(socket: &Socket, device: &str) -> io::Result<()> {
        socket.bind_device(Some(device.as_bytes()))
    }

    pub(super) fn set_priority(socket: &Socket, priority: u32) -> io::Result<()> {
        socket.set_priority(priority)
    }

    pub(super) fn set_user_timeout(socket: &Socket, timeout: Duration) -> io::Result<()> {
        socket.set_tcp_user_timeout(Some(timeout))
    }

    pub(super) fn set_busy_poll(socket: &Socket, microseconds: u32) -> io::Result<()> {
        socket.set_busy_poll(microseconds)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::{io, time::Duration};

    use socket2::{Protocol, Socket};

    pub(in super::super) const MULTIPATH: Option<Protocol> = None;

    pub(super) fn bind_device(_: &Socket, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn set_priority(_: &Socket, _: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn set_user_timeout(_: &Socket, _: Duration) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn set_busy_poll(_: &Socket, _: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

pub(super) use system::MULTIPATH;
