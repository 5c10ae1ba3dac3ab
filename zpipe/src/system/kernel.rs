//! Questions to the kernel that neither std nor rustix puts.

use std::{
    ffi::{c_int, c_void},
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// Whether the numbers below are those of this system. Linux has some of its own on other architectures.
const LINUX: bool = cfg!(all(
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
));
const APPLE: bool = cfg!(target_vendor = "apple");

/// How many of the bytes written to a TCP socket its peer's system has not acknowledged. They would be
/// lost if the connection broke, or if it were closed while there is unread input.
///
/// # Platform
///
/// Linux and the systems of Apple can tell. On Windows the function is not there.
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
pub fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<usize> {
    use rustix::ioctl::{Getter, Opcode, ioctl};
    /// `SIOCOUTQ`, which is `TIOCOUTQ`.
    const SIOCOUTQ: Opcode = 0x5411;
    /// What is in the send buffer, be it on its way already.
    const SO_NWRITE: c_int = 0x1024;
    let bytes = if LINUX {
        // SAFETY: on these systems the kernel knows the opcode as a question about a queue, which changes
        // nothing and writes an `int` as its answer, whatever the descriptor is of.
        unsafe { ioctl(socket, Getter::<SIOCOUTQ, i32>::new()) }?
    } else if APPLE {
        let mut bytes = [0u32];
        socket_option(socket, SO_NWRITE, &mut bytes).0?;
        bytes[0].cast_signed()
    } else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// The further groups that the process at the other end of a Unix domain stream had when it connected, beside the
/// one that its credentials name. What became of the process since does not matter, nor who has its number now.
///
/// # Platform
///
/// Linux can tell. On Windows the function is not there.
///
/// # Errors
///
/// The operating system's, for a descriptor that is no such stream; [`Unsupported`](io::ErrorKind::Unsupported)
/// on systems that cannot tell.
///
/// # Examples
///
/// ```
/// use std::os::{fd::AsFd, unix::net::UnixStream};
///
/// # if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
/// let (stream, _peer) = UnixStream::pair()?;
/// zpipe::peer_groups(stream.as_fd())?;
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    const SO_PEERGROUPS: c_int = 59;
    /// A process has no more (`NGROUPS_MAX`).
    const MAX_GROUPS: usize = 65_536;
    if !LINUX || cfg!(miri) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let mut groups: Vec<u32> = vec![0; 32];
    loop {
        let (done, found) = socket_option(socket, SO_PEERGROUPS, &mut groups);
        let Err(error) = done else {
            groups.truncate(found);
            return Ok(groups);
        };
        // The kernel has said how many there are. They were fixed when the connection was made.
        if error.raw_os_error() != Some(rustix::io::Errno::RANGE.raw_os_error())
            || found <= groups.len()
            || found > MAX_GROUPS
        {
            return Err(error);
        }
        groups.resize(found, 0);
    }
}

/// Asks for an option of the level of sockets whose value is numbers of 32 bits; also says how many it has.
fn socket_option(
    socket: BorrowedFd<'_>,
    name: c_int,
    value: &mut [u32],
) -> (io::Result<()>, usize) {
    const SOL_SOCKET: c_int = if LINUX { 1 } else { 0xffff };
    // `socklen_t` is a 32-bit number on all these systems.
    unsafe extern "C" {
        fn getsockopt(
            socket: c_int,
            level: c_int,
            name: c_int,
            value: *mut c_void,
            len: *mut u32,
        ) -> c_int;
    }
    let mut len = u32::try_from(size_of_val(value)).unwrap_or(u32::MAX);
    // SAFETY: this is how the C library declares the call; the descriptor is open for as long as it is
    // borrowed, `value` points to `len` bytes that may be written, and `len` outlives the call. Whatever
    // is written there is a number.
    let done = unsafe {
        getsockopt(
            socket.as_raw_fd(),
            SOL_SOCKET,
            name,
            value.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    let done = if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    };
    (done, usize::try_from(len).unwrap_or(0) / size_of::<u32>())
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
        fs,
        io::Write,
        net::{TcpListener, TcpStream},
        os::{fd::AsFd, unix::net::UnixStream},
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

    /// What the kernel says of this process elsewhere.
    fn own_groups() -> Vec<u32> {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("Groups:"));
        let groups = line.unwrap().split_whitespace().skip(1);
        groups.map(|group| group.parse().unwrap()).collect()
    }

    #[test]
    fn a_process_that_talks_to_itself_is_told_its_own_groups() {
        let (stream, _peer) = UnixStream::pair().unwrap();
        let mut groups = peer_groups(stream.as_fd()).unwrap();
        let mut expected = own_groups();
        groups.sort_unstable();
        expected.sort_unstable();
        assert_eq!(groups, expected);
    }

    #[test]
    fn other_descriptors_are_an_error() {
        let file = fs::File::open("/dev/null").unwrap();
        assert!(peer_groups(file.as_fd()).is_err());
        assert!(unacknowledged(file.as_fd()).is_err());
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(peer_groups(socket.as_fd()).is_err());
    }
}
