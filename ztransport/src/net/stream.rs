//! A connected (or connecting) stream socket, and how to get one.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};

use socket2::Socket;

use crate::event::ConnectionInfo;
use crate::poll::{Interest, REARMS, Source, Watched};
use crate::sys;

use super::{ConnectError, PeerAddress, ResolvedAddress, SocketTuning, ipc, tcp};

/// A non-blocking tcp or Unix domain stream socket.
///
/// All methods take `&self`: a socket may be read by one thread while another writes to it.
/// Operations that cannot make progress return [`io::ErrorKind::WouldBlock`].
#[derive(Debug)]
pub struct Stream {
    socket: Watched,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Tcp,
    Ipc,
}

/// The most slices that one `sendmsg` or `readv` takes (`IOV_MAX`).
const MAX_SLICES: usize = 1024;

impl Stream {
    pub(super) fn new(socket: Socket, kind: Kind) -> Self {
        Self {
            socket: Watched::new(socket),
            kind,
        }
    }

    /// One end of a pair of Unix domain streams; the other is for a scripted peer.
    #[cfg(all(test, loom))]
    pub(crate) fn pair() -> io::Result<(Self, std::os::unix::net::UnixStream)> {
        let (own, peer) = std::os::unix::net::UnixStream::pair()?;
        own.set_nonblocking(true)?;
        peer.set_nonblocking(true)?;
        Ok((Self::new(own.into(), Kind::Ipc), peer))
    }

    /// Reads into `buffer`. 0 means that the peer has shut down its side (or that the buffer is
    /// empty).
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing has arrived; other errors are final for the connection.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = sys::read(&self.socket, buffer);
        self.note_input(&read);
        read
    }

    /// Reads into several buffers in order with one system call. Buffers beyond the first 1024
    /// are not used.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub fn read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let used = buffers.len().min(MAX_SLICES);
        let buffers = &mut buffers[..used];
        let read = sys::read_vectored(&self.socket, buffers);
        self.note_input(&read);
        read
    }

    /// Reads at most `max` bytes into the spare capacity of `buffer` and extends its length by
    /// what has arrived. Never allocates; returns `Ok(0)` without a system call if `max` is 0 or
    /// there is no spare capacity, otherwise 0 means that the peer has shut down its side.
    ///
    /// The spare capacity is not initialised first, unless it exceeds `max`: reserve exactly what
    /// may be read ([`Vec::reserve_exact`]) and nothing is written twice.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read); the buffer is then as it was.
    pub fn read_into_spare(&self, buffer: &mut Vec<u8>, max: usize) -> io::Result<usize> {
        let length = buffer.len();
        let spare = buffer.capacity() - length;
        if spare == 0 || max == 0 {
            return Ok(0);
        }
        if spare <= max {
            let read = sys::read_to_spare(&self.socket, buffer);
            self.note_input(&read);
            return read;
        }
        // A limit below the capacity cannot be told to the kernel without an initialised slice.
        buffer.resize(length + max, 0);
        let result = self.read(&mut buffer[length..]);
        buffer.truncate(length + result.as_ref().map_or(0, |read| *read));
        result
    }

    /// Reads into memory that need not be initialised and returns the part that now is. An empty
    /// slice means that the peer has shut down its side (or that the buffer is empty).
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub fn read_uninit<'b>(&self, buffer: &'b mut [MaybeUninit<u8>]) -> io::Result<&'b mut [u8]> {
        let read = sys::read_uninit(&self.socket, buffer);
        self.note_input(&read);
        read
    }

    /// Writes one buffer; may take only a part of it.
    ///
    /// # Errors
    ///
    /// As for [`write_vectored`](Self::write_vectored).
    pub fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        let written = sys::write(&self.socket, buffer);
        self.note_output(&written);
        written
    }

    /// Writes several buffers in order with one system call and returns how many bytes were
    /// taken. Buffers beyond the first 1024 are left for the next call.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the send buffer is full; other errors (`BrokenPipe`, `ConnectionReset`)
    /// are final for the connection. A signal is never raised.
    pub fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let buffers = &buffers[..buffers.len().min(MAX_SLICES)];
        let written = sys::write_vectored(&self.socket, buffers);
        self.note_output(&written);
        written
    }

    /// Some polls report the next input only if they are told that there is none.
    #[inline(always)]
    fn note_input<T>(&self, read: &io::Result<T>) {
        if REARMS && matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            self.socket.would_block(Interest::INPUT);
        }
    }

    /// It took less than it was given.
    #[inline(always)]
    pub(crate) fn note_full(&self) {
        self.socket.would_block(Interest::OUTPUT);
    }

    /// Likewise, that there is room.
    #[inline(always)]
    fn note_output<T>(&self, written: &io::Result<T>) {
        if REARMS && matches!(written, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            self.socket.would_block(Interest::OUTPUT);
        }
    }

    /// Takes the error that is pending on the socket (`SO_ERROR`), if there is one.
    ///
    /// # Errors
    ///
    /// If the socket cannot be asked.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }

    /// Tells the peer that nothing more will be written. What was written still arrives.
    ///
    /// # Errors
    ///
    /// `NotConnected` if the connection is gone.
    pub fn shutdown_write(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)
    }

    /// How many of the bytes written the peer's system has not acknowledged. 0 where there is nothing to
    /// wait for: what was written to an ipc stream is with the peer already, and some systems do not tell.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        match self.kind {
            Kind::Tcp => sys::unacknowledged(&self.socket),
            Kind::Ipc => 0,
        }
    }

    /// The other end.
    #[must_use]
    pub fn peer(&self) -> PeerAddress {
        let credentials = match self.kind {
            Kind::Tcp => None,
            Kind::Ipc => ipc::peer_credentials(&self.socket),
        };
        PeerAddress::from_system(self.socket.peer_addr(), credentials)
    }

    /// This end.
    #[must_use]
    pub fn local(&self) -> PeerAddress {
        PeerAddress::from_system(self.socket.local_addr(), None)
    }

    /// What events say of the connection.
    pub(crate) fn info(&self, id: u64, outgoing: bool) -> ConnectionInfo {
        ConnectionInfo {
            id,
            outgoing,
            local: self.local(),
            descriptor: sys::raw(self),
        }
    }

    fn is_self_connected(&self) -> bool {
        if self.kind != Kind::Tcp {
            return false;
        }
        match (self.socket.local_addr(), self.socket.peer_addr()) {
            (Ok(local), Ok(peer)) => local.as_socket() == peer.as_socket(),
            _ => false,
        }
    }

    fn connected(&self) -> Result<ConnectState, ConnectError> {
        if self.is_self_connected() {
            return Err(ConnectError::Refused);
        }
        Ok(ConnectState::Done)
    }
}

impl Source for Stream {
    #[inline]
    fn watched(&self) -> &Watched {
        &self.socket
    }
}

/// How far an attempt to connect has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectState {
    /// The stream is connected.
    Done,
    /// Wait until the stream is writable, then call [`connect_finish`].
    InProgress,
}

/// Starts to connect. Never blocks.
///
/// `source` is the local address to connect from (see [`resolve_source`](super::resolve_source));
/// an unspecified IP address takes the family of the destination. It is ignored for ipc.
///
/// # Errors
///
/// [`ConnectError`], if it is known at once that the attempt fails.
pub fn connect_start(
    address: &ResolvedAddress,
    source: Option<SocketAddr>,
    tuning: &SocketTuning,
) -> Result<(Stream, ConnectState), ConnectError> {
    let (stream, state) = match address {
        ResolvedAddress::Tcp(address) => {
            let (socket, state) = tcp::connect(*address, source, tuning)?;
            (Stream::new(socket, Kind::Tcp), state)
        }
        ResolvedAddress::Ipc(ipc) => {
            let (socket, state) = ipc::connect(ipc, tuning)?;
            (Stream::new(socket, Kind::Ipc), state)
        }
    };
    if state == ConnectState::Done {
        stream.connected()?;
    }
    Ok((stream, state))
}

/// Finds out how an attempt to connect has ended, after the stream has become writable.
///
/// Returns [`ConnectState::InProgress`] if it has not ended yet, so a spurious event does no harm.
///
/// A tcp connection to a port of this machine that nobody listens on can, by bad luck in the choice
/// of the local port, connect to itself. That is reported as refused.
///
/// # Errors
///
/// [`ConnectError`], if the attempt has failed.
pub fn connect_finish(stream: &Stream) -> Result<ConnectState, ConnectError> {
    match stream.take_error() {
        Ok(None) => {}
        Ok(Some(error)) | Err(error) => return Err(ConnectError::from_io(error)),
    }
    match stream.socket.peer_addr() {
        Ok(_) => stream.connected(),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            stream.socket.would_block(Interest::OUTPUT);
            Ok(ConnectState::InProgress)
        }
        Err(error) => Err(ConnectError::from_io(error)),
    }
}
