//! A socket that listens.

use std::{
    io,
    net::Shutdown,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
};

use rustix::net::SocketFlags;
use socket2::Socket;
use zpipe::Process;

use super::stream::Kind;
use super::{AcceptError, BindError, PeerAddress, SocketTuning, Stream, ipc, tcp};
use crate::endpoint::Endpoint;

/// A non-blocking listening socket.
///
/// Dropping it closes it. A path in the file system that it made is removed, unless somebody else
/// has put another file there in the meantime.
#[derive(Debug)]
pub struct Listener {
    // Before `socket`: the file has to be compared while its socket is still open, or its inode
    // number could belong to somebody else already.
    file: Option<ipc::SocketFile>,
    socket: Socket,
    tuning: SocketTuning,
    process: Process,
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
            Endpoint::Inproc(_) => return Err(BindError::NotAStream(endpoint.clone())),
        };
        let listener = Self {
            file,
            socket,
            tuning: tuning.clone(),
            process: Process::current(),
        };
        Ok((listener, resolved))
    }

    /// Accepts one connection. Never blocks.
    ///
    /// # Errors
    ///
    /// [`AcceptError`] says whether to wait, to try again, to pause or to give up.
    pub fn accept(&self) -> Result<Accepted, AcceptError> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (socket, address) = self
            .socket
            .accept4(flags.bits().cast_signed())
            .map_err(AcceptError::from_io)?;
        // Failing here is the fate of this connection, not of the listener.
        let stream = if address.is_unix() {
            self.tuning.apply(&socket).map_err(AcceptError::Transient)?;
            Stream::new(socket, Kind::Ipc)
        } else {
            // Buffer sizes are inherited from the listener.
            socket
                .set_tcp_nodelay(true)
                .map_err(AcceptError::Transient)?;
            Stream::new(socket, Kind::Tcp)
        };
        let peer = match address.as_socket() {
            Some(address) => PeerAddress::Tcp(address),
            None => stream.peer(),
        };
        Ok(Accepted { stream, peer })
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

impl Drop for Listener {
    fn drop(&mut self) {
        // A child that was forked meanwhile has a copy of the descriptor, which must not hold the port; nor
        // must the child end what its parent goes on using.
        if !self.process.is_forked() {
            // There is nobody to be told; the descriptor is closed in any case.
            let _ = self.socket.shutdown(Shutdown::Both);
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
