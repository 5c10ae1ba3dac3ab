//! What the system still has to deliver of what was written to a stream.
//!
//! No pipe needs it. It is here because the question has to be put to the kernel with `unsafe`, which
//! no other crate contains.

use std::{io, os::fd::BorrowedFd};

/// How many of the bytes written to a TCP socket its peer's system has not acknowledged. They would be
/// lost if the connection broke, or if it were closed while there is unread input.
///
/// # Errors
///
/// The operating system's, for a descriptor that is no socket; [`Unsupported`](io::ErrorKind::Unsupported)
/// on systems that cannot tell.
///
/// # Examples
///
/// ```
/// use std::{io::Write, net::{TcpListener, TcpStream}, os::fd::AsFd};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let mut stream = TcpStream::connect(listener.local_addr()?)?;
/// stream.write_all(b"hello")?;
/// # if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
/// while zpipe::unacknowledged(stream.as_fd())? > 0 {
///     std::thread::yield_now();
/// }
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
#[cfg(all(
    target_os = "linux",
    any(
        target_arch = "x86",
        target_arch = "x86_64",
        target_arch = "arm",
        target_arch = "aarch64",
        target_arch = "riscv64",
        target_arch = "s390x",
        target_arch = "loongarch64"
    )
))]
pub fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<usize> {
    use rustix::ioctl::{Getter, Opcode, ioctl};
    /// `SIOCOUTQ`, which is `TIOCOUTQ`, with the number that it has on the architectures above.
    const SIOCOUTQ: Opcode = 0x5411;
    // SAFETY: on these systems the kernel knows the opcode as a question about a queue, which changes
    // nothing and writes an `int` as its answer, whatever the descriptor is of.
    let bytes = unsafe { ioctl(socket, Getter::<SIOCOUTQ, i32>::new()) }?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// How many of the bytes written to a TCP socket its peer's system has not acknowledged.
///
/// # Errors
///
/// [`Unsupported`](io::ErrorKind::Unsupported): this system cannot tell.
#[cfg(not(all(
    target_os = "linux",
    any(
        target_arch = "x86",
        target_arch = "x86_64",
        target_arch = "arm",
        target_arch = "aarch64",
        target_arch = "riscv64",
        target_arch = "s390x",
        target_arch = "loongarch64"
    )
)))]
pub fn unacknowledged(_socket: BorrowedFd<'_>) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(
    test,
    not(loom),
    not(miri),
    target_os = "linux",
    target_arch = "x86_64"
))]
mod tests {
    use std::{
        io::Write,
        net::{TcpListener, TcpStream},
        os::fd::AsFd,
    };

    use super::*;

    #[test]
    fn tells_what_a_peer_that_does_not_read_leaves_here() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _peer = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut written = 0;
        while let Ok(bytes) = stream.write(&[0; 65_536]) {
            written += bytes;
        }
        let left = unacknowledged(stream.as_fd()).unwrap();
        assert!(left > 0 && left < written, "{left} of {written}");
    }

    #[test]
    fn other_descriptors_are_an_error() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(unacknowledged(file.as_fd()).is_err());
    }
}
