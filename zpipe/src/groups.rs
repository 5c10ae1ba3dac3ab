//! The groups of the process at the other end of a Unix domain stream.
//!
//! No pipe needs it. It is here because the question has to be put to the kernel with `unsafe`, which
//! no other crate contains.

use std::{io, os::fd::BorrowedFd};

/// The further groups that the process at the other end of a Unix domain stream had when it connected, beside the
/// one that its credentials name. What became of the process since does not matter, nor who has its number now.
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
    system::peer_groups(socket)
}

#[cfg(all(
    target_os = "linux",
    not(miri),
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
mod system {
    use std::{
        ffi::{c_int, c_void},
        io,
        os::fd::{AsRawFd, BorrowedFd},
    };

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

    /// With the numbers that they have on the architectures above.
    const SOL_SOCKET: c_int = 1;
    const SO_PEERGROUPS: c_int = 59;
    /// A process has no more (`NGROUPS_MAX`).
    const MAX_GROUPS: usize = 65_536;

    pub(super) fn peer_groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
        let mut groups: Vec<u32> = vec![0; 32];
        loop {
            let mut len = u32::try_from(groups.len() * size_of::<u32>()).unwrap_or(u32::MAX);
            // SAFETY: this is how the C library declares the call; the descriptor is open for as long as it is
            // borrowed, `value` points to `len` bytes that may be written, and `len` outlives the call. Whatever
            // is written there is a number.
            let done = unsafe {
                getsockopt(
                    socket.as_raw_fd(),
                    SOL_SOCKET,
                    SO_PEERGROUPS,
                    groups.as_mut_ptr().cast(),
                    &raw mut len,
                )
            };
            let found = usize::try_from(len).unwrap_or(0) / size_of::<u32>();
            if done == 0 {
                groups.truncate(found);
                return Ok(groups);
            }
            let error = io::Error::last_os_error();
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
}

#[cfg(not(all(
    target_os = "linux",
    not(miri),
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
mod system {
    use std::{io, os::fd::BorrowedFd};

    pub(super) fn peer_groups(_socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
        Err(io::ErrorKind::Unsupported.into())
    }
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
        os::{fd::AsFd, unix::net::UnixStream},
    };

    use super::*;

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
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(peer_groups(socket.as_fd()).is_err());
    }
}
