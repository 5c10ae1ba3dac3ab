//! Streams as the system has them, tcp or ipc.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

/// A connection.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Ipc(UnixStream),
}

/// A listener.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Ipc(UnixListener),
}

fn unknown(endpoint: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("no streams for {endpoint}"),
    )
}

impl Stream {
    pub(crate) fn connect(endpoint: &str) -> io::Result<Self> {
        match endpoint.split_once("://") {
            Some(("tcp", address)) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                Ok(Self::Tcp(stream))
            }
            Some(("ipc", path)) => UnixStream::connect(path).map(Self::Ipc),
            _ => Err(unknown(endpoint)),
        }
    }

    /// How long a read and a write may take.
    pub(crate) fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        let timeout = Some(timeout);
        match self {
            Self::Tcp(stream) => {
                stream.set_read_timeout(timeout)?;
                stream.set_write_timeout(timeout)
            }
            Self::Ipc(stream) => {
                stream.set_read_timeout(timeout)?;
                stream.set_write_timeout(timeout)
            }
        }
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
            Self::Ipc(stream) => stream.try_clone().map(Self::Ipc),
        }
    }

    /// Tells the peer that nothing more comes.
    pub(crate) fn end(&self) {
        // It fails if the connection is gone, and then the peer knows.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Ipc(stream) => stream.shutdown(Shutdown::Write),
        };
    }

    /// Closes so that the peer gets a reset. ipc does that by itself if there is input that nobody read.
    pub(crate) fn reset(self) -> io::Result<()> {
        if let Self::Tcp(stream) = &self {
            rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?;
        }
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Ipc(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Ipc(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Listener {
    /// Returns the listener and where it is. Its `accept` does not wait.
    pub(crate) fn bind(endpoint: &str) -> io::Result<(Self, String)> {
        match endpoint.split_once("://") {
            Some(("tcp", address)) => {
                let listener = TcpListener::bind(address.replace('*', "0"))?;
                listener.set_nonblocking(true)?;
                let endpoint = format!("tcp://{}", listener.local_addr()?);
                Ok((Self::Tcp(listener), endpoint))
            }
            Some(("ipc", path)) => {
                let listener = UnixListener::bind(path)?;
                listener.set_nonblocking(true)?;
                Ok((Self::Ipc(listener), endpoint.to_owned()))
            }
            _ => Err(unknown(endpoint)),
        }
    }

    pub(crate) fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Self::Ipc(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(false)?;
                Ok(Stream::Ipc(stream))
            }
        }
    }
}

/// Whether a read or write only took too long.
pub(crate) fn timed_out(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}
