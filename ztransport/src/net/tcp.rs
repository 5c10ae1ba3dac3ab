//! tcp: resolving, binding, connecting.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket};

use super::tuning::MULTIPATH;
use super::{BindError, ConnectError, ConnectState, OptionError, SocketTuning, interface};
use crate::endpoint::{Endpoint, TcpEndpoint, TcpHost};
use crate::sys::{self, code};

/// Resolves the host of an endpoint to the addresses to connect to, in the order to try them.
///
/// Blocks while the DNS is asked, if [`TcpEndpoint::needs_dns`]; never otherwise. With `ipv6` the
/// addresses of both families are returned in the order of the system; without it only IPv4
/// addresses, unless the name has none.
///
/// # Errors
///
/// `NotFound` if the name has no address, and what the resolver reports.
pub fn resolve(endpoint: &TcpEndpoint, ipv6: bool) -> io::Result<Vec<SocketAddr>> {
    resolve_host(endpoint.host(), endpoint.port(), ipv6, Names::Dns)
}

/// Resolves the host of an endpoint to the addresses that binding it may have used: a name is that of an interface, or else
/// of the DNS.
///
/// Blocks as [`resolve`] does.
///
/// # Errors
///
/// As for [`resolve`].
pub fn resolve_bound(endpoint: &TcpEndpoint, ipv6: bool) -> io::Result<Vec<SocketAddr>> {
    let (host, port) = (endpoint.host(), endpoint.port());
    resolve_host(host, port, ipv6, Names::InterfaceThenDns)
}

/// Resolves the source part of an endpoint to the address to connect from; `None` if it has none.
///
/// A name is the name of an interface, or else of the DNS. `*` gives an unspecified address, which
/// [`connect_start`](super::connect_start) takes for either family.
///
/// # Errors
///
/// As for [`resolve`].
pub fn resolve_source(endpoint: &TcpEndpoint, ipv6: bool) -> io::Result<Option<SocketAddr>> {
    let Some((host, port)) = endpoint.source() else {
        return Ok(None);
    };
    let addresses = resolve_host(host, port, ipv6, Names::InterfaceThenDns)?;
    Ok(addresses.first().copied())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Dns,
    InterfaceThenDns,
}

/// Never returns an empty list.
fn resolve_host(
    host: &TcpHost,
    port: Option<u16>,
    ipv6: bool,
    names: Names,
) -> io::Result<Vec<SocketAddr>> {
    let port = port.unwrap_or(0);
    match host {
        TcpHost::Any if ipv6 => Ok(vec![(Ipv6Addr::UNSPECIFIED, port).into()]),
        TcpHost::Any => Ok(vec![(Ipv4Addr::UNSPECIFIED, port).into()]),
        TcpHost::V4(v4) => Ok(vec![(*v4, port).into()]),
        TcpHost::V6(v6, None) => Ok(vec![(*v6, port).into()]),
        TcpHost::V6(v6, Some(zone)) => {
            let scope = interface::index(zone)?;
            let address = std::net::SocketAddrV6::new(*v6, port, 0, scope);
            Ok(vec![address.into()])
        }
        TcpHost::ScopedName(name, zone) => {
            let scope = interface::index(zone)?;
            let mut found = look_up(name, port)?;
            for address in &mut found {
                if let SocketAddr::V6(v6) = address {
                    v6.set_scope_id(scope);
                }
            }
            Ok(by_family(found, ipv6))
        }
        TcpHost::Name(name) => {
            if names == Names::InterfaceThenDns {
                let found: Vec<_> = interface::addresses(name)?
                    .into_iter()
                    .map(|mut address| {
                        address.set_port(port);
                        address
                    })
                    .collect();
                if !found.is_empty() {
                    return Ok(by_family(found, ipv6));
                }
            }
            Ok(by_family(look_up(name, port)?, ipv6))
        }
    }
}

/// Asks the DNS, and whatever else the system asks. Never returns an empty list.
fn look_up(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found: Vec<_> = (name, port).to_socket_addrs()?.collect();
    if found.is_empty() {
        let text = format!("{name} has no address");
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    Ok(found)
}

fn by_family(mut addresses: Vec<SocketAddr>, ipv6: bool) -> Vec<SocketAddr> {
    if !ipv6 && addresses.iter().any(SocketAddr::is_ipv4) {
        addresses.retain(SocketAddr::is_ipv4);
    }
    addresses
}

pub(super) fn bind(
    endpoint: &Endpoint,
    address: &TcpEndpoint,
    tuning: &SocketTuning,
) -> Result<(Socket, Endpoint), BindError> {
    let (host, port) = (address.host(), address.port());
    let mut candidates = resolve_bound(address, tuning.ipv6)
        .map_err(|error| BindError::UnknownHost(endpoint.clone(), error))?;
    if *host == TcpHost::Any && tuning.ipv6 {
        // A machine without IPv6 can still serve IPv4.
        candidates.push((Ipv4Addr::UNSPECIFIED, port.unwrap_or(0)).into());
    }
    let mut last = None;
    for candidate in candidates {
        match listen(candidate, tuning) {
            Ok(socket) => {
                let local = socket.local_addr().ok().and_then(|a| a.as_socket());
                return Ok((socket, local.unwrap_or(candidate).into()));
            }
            Err(SocketError::Option(error)) => {
                return Err(BindError::Option(endpoint.clone(), error));
            }
            Err(SocketError::Io(error)) => {
                let wrong_family = Errno::from_io_error(&error) == Some(Errno::AFNOSUPPORT)
                    || error.kind() == io::ErrorKind::AddrNotAvailable;
                last = Some(error);
                if !wrong_family {
                    break;
                }
            }
        }
    }
    let error = last.unwrap_or_else(|| io::ErrorKind::NotFound.into());
    Err(BindError::from_io(endpoint, error))
}

fn listen(address: SocketAddr, tuning: &SocketTuning) -> Result<Socket, SocketError> {
    let socket = new_socket(address, tuning)?;
    if address.is_ipv6() {
        socket.set_only_v6(!tuning.ipv6)?;
    }
    if REUSES {
        socket.set_reuse_address(true)?;
    }
    tuning.apply(&socket)?;
    tuning.tcp.apply(&socket, address.is_ipv6())?;
    socket.bind(&address.into())?;
    socket.listen(tuning.backlog())?;
    Ok(socket)
}

/// Why there is no socket that can be used.
enum SocketError {
    Option(OptionError),
    Io(io::Error),
}

impl From<OptionError> for SocketError {
    fn from(error: OptionError) -> Self {
        Self::Option(error)
    }
}

impl From<SocketError> for ConnectError {
    fn from(error: SocketError) -> Self {
        match error {
            SocketError::Option(error) => error.into(),
            SocketError::Io(error) => Self::from_io(error),
        }
    }
}

impl From<io::Error> for SocketError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub(super) fn connect(
    address: SocketAddr,
    source: Option<SocketAddr>,
    tuning: &SocketTuning,
) -> Result<(Socket, ConnectState), ConnectError> {
    let socket = new_socket(address, tuning)?;
    let prepare = || {
        socket.set_tcp_nodelay(true)?;
        tuning.apply(&socket)
    };
    prepare().map_err(ConnectError::from_io)?;
    tuning.tcp.apply(&socket, address.is_ipv6())?;
    if let Some(mut source) = source {
        if source.ip().is_unspecified() && source.is_ipv4() != address.is_ipv4() {
            source = match address {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, source.port()).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, source.port()).into(),
            };
        }
        socket
            .set_reuse_address(REUSES)
            .and_then(|()| socket.bind(&source.into()))
            .map_err(ConnectError::Source)?;
    }
    match socket.connect(&address.into()) {
        Ok(()) => Ok((socket, ConnectState::Done)),
        Err(error) => match Errno::from_io_error(&error) {
            Some(code::CONNECTING | Errno::INTR) => Ok((socket, ConnectState::InProgress)),
            _ => Err(ConnectError::from_io(error)),
        },
    }
}

/// `SO_REUSEADDR`: that a port can be bound again whose connections are in `TIME_WAIT`. On Windows that is so without, and with it
/// anybody may take a port over.
const REUSES: bool = !cfg!(windows);

fn new_socket(address: SocketAddr, tuning: &SocketTuning) -> Result<Socket, SocketError> {
    let make = |protocol| {
        let domain = Domain::for_address(address);
        sys::stream_socket(domain, Some(protocol))
    };
    if !tuning.tcp.multipath {
        return Ok(make(Protocol::TCP)?);
    }
    let made = MULTIPATH.map(make);
    made.unwrap_or_else(|| Err(io::ErrorKind::Unsupported.into()))
        .map_err(|error| OptionError::new("multipath_tcp", error).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve_text(address: &str, ipv6: bool) -> io::Result<Vec<SocketAddr>> {
        match format!("tcp://{address}").parse() {
            Ok(Endpoint::Tcp(tcp)) => resolve(&tcp, ipv6),
            other => panic!("{other:?}"),
        }
    }

    /// Those cases of libzmq's test of addresses that more than the text decides. Its names and interfaces are stubs; here
    /// they are what every machine has.
    #[test]
    #[cfg(target_os = "linux")]
    fn zones_and_names_are_resolved() {
        let lo = interface::index("lo").unwrap();
        let scope = |found: &SocketAddr| match found {
            SocketAddr::V6(v6) => v6.scope_id(),
            SocketAddr::V4(_) => panic!("not IPv6"),
        };
        for (text, expected) in [
            ("[3000:4:5::1:234%2]:1111", 2),
            ("3000:4:5::1:234%lo:8080", lo),
            ("[3000:4:5::1:234]:8080", 0),
        ] {
            let found = resolve_text(text, true).unwrap();
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(scope(&found[0]), expected, "{text}");
            assert_eq!(resolve_text(text, false).unwrap(), found, "{text}");
        }
        for text in [
            "3000:4:5::1:234%0:1",
            "3000:4:5::1:234%bad0:1",
            "localhost%bad0:1",
        ] {
            let error = resolve_text(text, true).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{text}");
        }
        for text in ["localhost:4444", "[localhost]:4444", "localhost%lo:4444"] {
            let found = resolve_text(text, false).unwrap();
            assert!(
                found.contains(&"127.0.0.1:4444".parse().unwrap()),
                "{text}: {found:?}"
            );
        }
        for found in resolve_text("localhost%lo:1", true).unwrap() {
            assert!(found.is_ipv4() || scope(&found) == lo, "{found}");
        }
        resolve_text("no-such-name.invalid:1", true).unwrap_err();
    }

    #[test]
    fn both_families_or_one_but_never_none() {
        let [v4, other, v6] =
            ["10.0.0.1:1", "10.0.0.2:1", "[::1]:1"].map(|text| text.parse::<SocketAddr>().unwrap());
        for (found, without_ipv6) in [
            (vec![v4], vec![v4]),
            (vec![v6], vec![v6]),
            (vec![v6, v6], vec![v6, v6]),
            (vec![v6, other, v4], vec![other, v4]),
            (vec![v4, v6, other], vec![v4, other]),
        ] {
            assert_eq!(by_family(found.clone(), true), found);
            assert_eq!(by_family(found, false), without_ipv6);
        }
    }
}
