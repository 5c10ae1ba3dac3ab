//! Unix.

pub use std::os::fd::OwnedFd as OwnedDescriptor;
use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    path::Path,
};

use rustix::{
    buffer::spare_capacity,
    io::retry_on_intr,
    net::{SendAncillaryBuffer, SendFlags},
};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::{
    io::Leader,
    net::{Listener, Stream},
    poll::Source,
};

/// Stands for no descriptor.
pub const NO_DESCRIPTOR: RawFd = -1;

/// Numbers of errors.
pub(crate) mod code {
    use rustix::io::Errno;

    /// An attempt to connect is under way.
    pub(crate) const CONNECTING: Errno = Errno::INPROGRESS;
    pub(crate) const NOENT: Errno = Errno::NOENT;
    pub(crate) const PERM: Errno = Errno::PERM;
    pub(crate) const NFILE: Errno = Errno::NFILE;
    pub(crate) const NOMEM: Errno = Errno::NOMEM;
    pub(crate) const NODEV: Errno = Errno::NODEV;
    pub(crate) const PROTO: Errno = Errno::PROTO;
    pub(crate) const PIPE: Errno = Errno::PIPE;
    pub(crate) const IO: Errno = Errno::IO;
    pub(crate) const FAULT: Errno = Errno::FAULT;
    pub(crate) const OPNOTSUPP: Errno = Errno::OPNOTSUPP;

    /// The machine is not on the network, for which only Linux has a number.
    pub(crate) fn is_no_network(errno: Errno) -> bool {
        #[cfg(target_os = "linux")]
        let no_network = errno == Errno::NONET;
        #[cfg(not(target_os = "linux"))]
        let no_network = errno == Errno::NETUNREACH;
        no_network
    }
}

pub(crate) fn raw(source: &impl AsFd) -> RawFd {
    source.as_fd().as_raw_fd()
}

/// As libzmq's events have it.
pub(crate) fn number_of(descriptor: RawFd) -> u64 {
    u64::from(descriptor.cast_unsigned())
}

#[inline]
pub(crate) fn read(socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::io::read(socket, &mut *buffer))?)
}

pub(crate) fn read_vectored(socket: &Socket, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::io::readv(socket, buffers))?)
}

#[inline]
pub(crate) fn read_uninit<'b>(
    socket: &Socket,
    buffer: &'b mut [MaybeUninit<u8>],
) -> io::Result<&'b mut [u8]> {
    // A socket that does not block is not interrupted either, so there is nothing to retry.
    let (filled, _) = rustix::io::read(socket, buffer)?;
    Ok(filled)
}

#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
/// There it is an option of the socket, which `socket2` sets.
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: SendFlags = SendFlags::empty();

/// Into the spare capacity, and extends the length by what has come.
pub(crate) fn read_to_spare(socket: &Socket, buffer: &mut Vec<u8>) -> io::Result<usize> {
    Ok(retry_on_intr(|| {
        rustix::io::read(socket, spare_capacity(buffer))
    })?)
}

#[inline]
pub(crate) fn write(socket: &Socket, buffer: &[u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| {
        rustix::net::send(socket, buffer, NO_SIGNAL)
    })?)
}

#[inline]
pub(crate) fn write_vectored(socket: &Socket, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
    Ok(retry_on_intr(|| {
        let mut control = SendAncillaryBuffer::default();
        rustix::net::sendmsg(socket, buffers, &mut control, NO_SIGNAL)
    })?)
}

/// Accepts a connection, which does not block and is not inherited by programs that are started.
pub(crate) fn accept(listener: &Socket) -> io::Result<(Socket, SockAddr)> {
    #[cfg(target_os = "linux")]
    {
        use rustix::net::SocketFlags;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        listener.accept4(flags.bits().cast_signed())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let (socket, address) = listener.accept()?;
        socket.set_nonblocking(true)?;
        Ok((socket, address))
    }
}

/// A stream socket that does not block and is not inherited by programs that are started.
pub(crate) fn stream_socket(domain: Domain, protocol: Option<Protocol>) -> io::Result<Socket> {
    #[cfg(target_os = "linux")]
    {
        Socket::new(domain, Type::STREAM.nonblocking(), protocol)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let socket = Socket::new(domain, Type::STREAM, protocol)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

/// Makes one that was made elsewhere such a socket.
pub(crate) fn settle(socket: &Socket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    #[cfg(target_vendor = "apple")]
    socket.set_nosigpipe(true)?;
    socket.set_cloexec(true)
}

/// Whether somebody listens with it. The systems of Apple cannot be asked, and tell when it is to accept.
pub(crate) fn is_listening(socket: &Socket) -> io::Result<bool> {
    #[cfg(not(target_vendor = "apple"))]
    {
        Ok(rustix::net::sockopt::socket_acceptconn(socket)?)
    }
    #[cfg(target_vendor = "apple")]
    {
        Ok(socket.peer_addr().is_err())
    }
}

pub(crate) fn abstract_name(address: &SockAddr) -> Option<&[u8]> {
    address.as_abstract_namespace()
}

pub(crate) fn path_name(address: &SockAddr) -> Option<&Path> {
    address.as_pathname()
}

/// `IPV6_TCLASS`
pub(crate) fn set_traffic_class(socket: &Socket, class: u32) -> io::Result<()> {
    socket.set_tclass_v6(class)
}

pub(crate) fn unacknowledged(socket: &Socket) -> usize {
    zpipe::unacknowledged(socket.as_fd()).unwrap_or(0)
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watched().as_fd()
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.watched().as_raw_fd()
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watched().as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.watched().as_raw_fd()
    }
}

/// For waiting until it is readable, for nothing else.
///
/// # Platform
///
/// Unix. On Windows [`Reactor::lead`](crate::Reactor::lead) is refused.
impl AsFd for Leader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.seat().poll().as_fd()
    }
}

impl AsRawFd for Leader {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
