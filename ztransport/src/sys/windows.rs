//! Windows.

pub use std::os::windows::io::OwnedSocket as OwnedDescriptor;
use std::{
    io::{self, IoSlice, IoSliceMut, Read},
    mem::MaybeUninit,
    os::windows::io::{AsRawSocket, AsSocket, BorrowedSocket, RawSocket},
    path::Path,
};

use rustix::{
    buffer::spare_capacity,
    net::{RecvFlags, SendFlags},
};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::{
    net::{Listener, Stream},
    poll::Source,
};

/// Stands for no descriptor.
pub const NO_DESCRIPTOR: RawSocket = RawSocket::MAX;

/// Numbers of errors that Winsock does not have, as other calls of the system have them, or its C library.
pub(crate) mod code {
    use rustix::io::Errno;

    /// An attempt to connect is under way.
    pub(crate) const CONNECTING: Errno = Errno::WOULDBLOCK;
    /// `ERROR_FILE_NOT_FOUND`
    pub(crate) const NOENT: Errno = Errno::from_raw_os_error(2);
    /// `ERROR_ACCESS_DENIED`
    pub(crate) const PERM: Errno = Errno::from_raw_os_error(5);
    /// `ERROR_TOO_MANY_OPEN_FILES`
    pub(crate) const NFILE: Errno = Errno::from_raw_os_error(4);
    /// `ERROR_NOT_ENOUGH_MEMORY`
    pub(crate) const NOMEM: Errno = Errno::from_raw_os_error(8);
    pub(crate) const NODEV: Errno = Errno::from_raw_os_error(19);
    pub(crate) const PROTO: Errno = Errno::from_raw_os_error(134);
    pub(crate) const PIPE: Errno = Errno::from_raw_os_error(32);
    pub(crate) const IO: Errno = Errno::from_raw_os_error(29);
    pub(crate) const FAULT: Errno = Errno::from_raw_os_error(14);
    /// `WSAEOPNOTSUPP`
    pub(crate) const OPNOTSUPP: Errno = Errno::from_raw_os_error(10_045);

    /// The machine is not on the network, for which only Linux has a number.
    pub(crate) fn is_no_network(errno: Errno) -> bool {
        errno == Errno::NETUNREACH
    }
}

pub(crate) fn raw(source: &impl AsSocket) -> RawSocket {
    source.as_socket().as_raw_socket()
}

/// As libzmq's events have it, in 32 bits.
pub(crate) fn number_of(descriptor: RawSocket) -> u64 {
    descriptor & u64::from(u32::MAX)
}

pub(crate) fn read(socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
    let mut socket = socket;
    socket.read(buffer)
}

pub(crate) fn read_vectored(socket: &Socket, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let mut socket = socket;
    socket.read_vectored(buffers)
}

pub(crate) fn read_uninit<'b>(
    socket: &Socket,
    buffer: &'b mut [MaybeUninit<u8>],
) -> io::Result<&'b mut [u8]> {
    let ((filled, _), _) = rustix::net::recv(socket, buffer, RecvFlags::empty())?;
    Ok(filled)
}

/// Into the spare capacity, and extends the length by what has come.
pub(crate) fn read_to_spare(socket: &Socket, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let (read, _) = rustix::net::recv(socket, spare_capacity(buffer), RecvFlags::empty())?;
    Ok(read)
}

pub(crate) fn write(socket: &Socket, buffer: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(socket, buffer, SendFlags::empty())?)
}

pub(crate) fn write_vectored(socket: &Socket, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
    socket.send_vectored(buffers)
}

/// Accepts a connection, which does not block and is not inherited by programs that are started.
pub(crate) fn accept(listener: &Socket) -> io::Result<(Socket, SockAddr)> {
    let (socket, address) = listener.accept()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

/// A stream socket that does not block and is not inherited by programs that are started.
pub(crate) fn stream_socket(domain: Domain, protocol: Option<Protocol>) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM, protocol)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Makes one that was made elsewhere such a socket, but for what its maker has decided about programs that are started.
pub(crate) fn settle(socket: &Socket) -> io::Result<()> {
    socket.set_nonblocking(true)
}

/// Whether somebody listens with it.
pub(crate) fn is_listening(socket: &Socket) -> io::Result<bool> {
    Ok(rustix::net::sockopt::socket_acceptconn(socket)?)
}

/// There are no such addresses.
pub(crate) fn abstract_name(_: &SockAddr) -> Option<&[u8]> {
    None
}

/// Likewise.
pub(crate) fn path_name(_: &SockAddr) -> Option<&Path> {
    None
}

/// `socket2` cannot set `IPV6_TCLASS` here, and the system ignores it without a policy of its own.
pub(crate) fn set_traffic_class(_: &Socket, _: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The system does not tell.
pub(crate) fn unacknowledged(_: &Socket) -> usize {
    0
}

impl AsSocket for Stream {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.watched().as_socket()
    }
}

impl AsRawSocket for Stream {
    fn as_raw_socket(&self) -> RawSocket {
        self.watched().as_raw_socket()
    }
}

impl AsSocket for Listener {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.watched().as_socket()
    }
}

impl AsRawSocket for Listener {
    fn as_raw_socket(&self) -> RawSocket {
        self.watched().as_raw_socket()
    }
}
