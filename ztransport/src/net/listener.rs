//! A socket that listens.

use std::{io, net::Shutdown};

use rustix::io::Errno;
use socket2::{SockAddr, Socket, Type};
use zpipe::Process;

use super::stream::Kind;
use super::{AcceptError, BindError, PeerAddress, SocketTuning, Stream, ipc, tcp};
use crate::endpoint::Endpoint;
use crate::poll::{Interest, Source, Watched};
use crate::sys::{self, OwnedDescriptor};

/// A non-blocking listening socket.
///
/// Dropping it closes it. A path in the file system that it made is removed, unless somebody else
/// has put another file there in the meantime.
#[derive(Debug)]
pub struct Listener {
    // Before `socket`: the file has to be compared while its socket is still open, or its inode
    // number could belong to somebody else already.
    file: Option<ipc::SocketFile>,
    socket: Watched,
    tuning: Box<SocketTuning>,
    process: Process,
    /// Others may listen with the same socket.
    is_shared: bool,
}

/// A connection that was accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub stream: Stream,
    /// Where it comes from.
    pub peer: PeerAddress,
}

impl Listener {
    /// Binds and listens. Returns the listener and the endpoint to connect to it: wildcard ports
    /// and paths are replaced by the ones the system chose, names by addresses, relative paths by
    /// absolute ones. A wildcard host stays the unspecified address (`0.0.0.0` or `[::]`).
    ///
    /// tcp: a host that is not an address is looked for among the network interfaces of this
    /// machine, then in the DNS, which may block. `SO_REUSEADDR` is set, so a port in `TIME_WAIT`
    /// can be bound again.
    ///
    /// ipc: if the path exists, an attempt to connect tells whether somebody listens there. A
    /// socket that nobody listens on is what a crashed process left behind and is replaced;
    /// any other socket is in use. `ipc://*` makes a socket in a new directory under `TMPDIR`, which
    /// goes away with the listener. Whatever the umask is, that directory always has mode 0700, and
    /// the socket's file always has [`SocketTuning::ipc_mode`].
    ///
    /// # Errors
    ///
    /// [`BindError`] by cause.
    pub fn bind(endpoint: &Endpoint, tuning: &SocketTuning) -> Result<(Self, Endpoint), BindError> {
        endpoint.for_bind()?;
        let endpoint = &endpoint.absolute()?;
        let (socket, file, resolved) = match endpoint {
            Endpoint::Tcp(address) => {
                let (socket, resolved) = tcp::bind(endpoint, address, tuning)?;
                (socket, None, resolved)
            }
            Endpoint::Ipc(address) => ipc::bind(endpoint, address, tuning)?,
            Endpoint::Inproc(_) | Endpoint::Multicast(_) => {
                return Err(BindError::NotAStream(endpoint.clone()));
            }
        };
        let listener = Self {
            file,
            socket: Watched::new(socket),
            tuning: Box::new(tuning.clone()),
            process: Process::current(),
            is_shared: false,
        };
        Ok((listener, resolved))
    }

    /// Takes over a socket that listens already: one that the process has been started with, for example, by whoever
    /// watches over it ("socket activation"). Returns the listener and its endpoint.
    ///
    /// The socket stays as it is, except that it does not block, and is not inherited by programs that are started. Of the
    /// tuning only that counts which concerns the connections. Others may have the same socket: dropping the listener
    /// closes this descriptor and leaves theirs alone. A file of the socket is never removed.
    ///
    /// # Platform
    ///
    /// The systems of Apple do not tell whether a socket listens: one that does not is found out when it is to accept. On Windows
    /// whether programs that are started inherit the socket stays as it is.
    ///
    /// # Errors
    ///
    /// [`BindError::NotAListener`], with which the descriptor is closed.
    pub fn adopt(
        descriptor: OwnedDescriptor,
        tuning: &SocketTuning,
    ) -> Result<(Self, Endpoint), BindError> {
        let socket = Socket::from(descriptor);
        let prepare = || {
            let address = socket.local_addr()?;
            let is_stream = socket.r#type()? == Type::STREAM;
            if !is_stream || !sys::is_listening(&socket)? {
                return Err(Errno::INVAL.into());
            }
            let endpoint = endpoint_of(&address).ok_or(Errno::AFNOSUPPORT)?;
            sys::settle(&socket)?;
            Ok(endpoint)
        };
        let endpoint = prepare().map_err(BindError::NotAListener)?;
        let listener = Self {
            file: None,
            socket: Watched::new(socket),
            tuning: Box::new(tuning.clone()),
            process: Process::current(),
            is_shared: true,
        };
        Ok((listener, endpoint))
    }

    /// Accepts one connection. Never blocks.
    ///
    /// # Errors
    ///
    /// [`AcceptError`] says whether to wait, to try again, to pause or to give up.
    pub fn accept(&self) -> Result<Accepted, AcceptError> {
        let (socket, address) = sys::accept(&self.socket).map_err(|error| {
            let error = AcceptError::from_io(error);
            if matches!(error, AcceptError::WouldBlock) {
                self.socket.would_block(Interest::INPUT);
            }
            error
        })?;
        let from = match address.as_socket() {
            Some(address) => PeerAddress::Tcp(address),
            None => PeerAddress::from_system(Ok(address), ipc::peer_credentials(&socket)),
        };
        let groups = || ipc::peer_groups(&socket);
        if !self.tuning.accept.admits(&from, groups) {
            return Err(AcceptError::Refused(from));
        }
        // Failing here is the fate of this connection, not of the listener.
        let stream = if let PeerAddress::Ipc { .. } = from {
            self.tuning.apply(&socket).map_err(AcceptError::Transient)?;
            Stream::new(socket, Kind::Ipc)
        } else {
            // Buffer sizes are inherited from the listener, if that is our own.
            if self.is_shared {
                self.tuning.apply(&socket).map_err(AcceptError::Transient)?;
            }
            socket
                .set_tcp_nodelay(true)
                .map_err(AcceptError::Transient)?;
            let is_ipv6 = matches!(from, PeerAddress::Tcp(address) if address.is_ipv6());
            self.tuning
                .tcp
                .apply_to_connection(&socket, is_ipv6)
                .map_err(|error| AcceptError::Transient(io::Error::other(error)))?;
            Stream::new(socket, Kind::Tcp)
        };
        Ok(Accepted { stream, peer: from })
    }

    /// Closes it, as dropping it does, and says whether that went well.
    ///
    /// # Errors
    ///
    /// The operating system's when the file that it made, or the directory around it, is still there and cannot be removed.
    pub fn close(mut self) -> io::Result<()> {
        let file = self.file.take();
        file.map_or(Ok(()), ipc::SocketFile::remove)
    }
}

/// The endpoint to connect to a socket with this address.
fn endpoint_of(address: &SockAddr) -> Option<Endpoint> {
    if let Some(address) = address.as_socket() {
        return Some(address.into());
    }
    let text = match sys::abstract_name(address) {
        Some(name) => format!("ipc://@{}", std::str::from_utf8(name).ok()?),
        None => format!("ipc://{}", sys::path_name(address)?.to_str()?),
    };
    // A relative path is relative to where its maker was, which is the best guess.
    Endpoint::parse(&text).ok()?.absolute().ok()
}

impl Drop for Listener {
    fn drop(&mut self) {
        // A child that was forked meanwhile has a copy of the descriptor, which must not hold the port; nor
        // must the child end what its parent goes on using.
        if !self.process.is_forked() && !self.is_shared {
            // There is nobody to be told; the descriptor is closed in any case.
            let _ = self.socket.shutdown(Shutdown::Both);
        }
    }
}

impl Source for Listener {
    fn watched(&self) -> &Watched {
        &self.socket
    }
}
