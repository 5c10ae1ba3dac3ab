//! The permissions of files that are made for sockets.

use std::{fs, io, path::Path};

use rustix::{fs::FileType, io::Errno};
use socket2::Socket;

/// Before a socket is bound: its file never has more permissions than these, not even for a moment.
///
/// That works on Linux, where the file has the permissions of the socket, less the umask. Elsewhere it does not matter:
/// nobody can connect before `listen`, and by then [`settle`] has seen to it.
pub(super) fn restrict(socket: &Socket, mode: u32) {
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::fs::fchmod(socket, rustix::fs::Mode::from_raw_mode(mode));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (socket, mode);
}

/// Gives exactly these permissions to a file that this process has just made, whatever the umask is.
#[cfg(target_os = "linux")]
pub(super) fn settle(path: &Path, expected: FileType, mode: u32) -> io::Result<()> {
    use std::os::{fd::AsRawFd, unix::fs::PermissionsExt};

    use rustix::fs::{Mode, OFlags};
    // A handle, so that what is looked at is what is changed.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::open(path, flags, Mode::empty())?;
    let found = rustix::fs::fstat(&handle)?;
    let is_ours = found.st_uid == rustix::process::geteuid().as_raw();
    if FileType::from_raw_mode(found.st_mode) != expected || !is_ours {
        // Somebody who may write to the directory has put something else there.
        return Err(Errno::PERM.into());
    }
    if found.st_mode & 0o777 == mode {
        return Ok(());
    }
    let by_handle = format!("/proc/self/fd/{}", handle.as_raw_fd());
    fs::set_permissions(by_handle, fs::Permissions::from_mode(mode))
}

/// Likewise. There are no handles of files that cannot be opened: who may write to the directory can put another file of
/// this user's there in between, to which these permissions are given then.
#[cfg(not(target_os = "linux"))]
pub(super) fn settle(path: &Path, expected: FileType, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

    use rustix::fs::{AtFlags, CWD, Mode, RawMode, chmodat};
    let found = fs::symlink_metadata(path)?;
    let is_expected = match expected {
        FileType::Directory => found.is_dir(),
        _ => found.file_type().is_socket(),
    };
    if !is_expected || found.uid() != rustix::process::geteuid().as_raw() {
        return Err(Errno::PERM.into());
    }
    if found.permissions().mode() & 0o777 == mode {
        return Ok(());
    }
    let mode = RawMode::try_from(mode).map_err(|_| Errno::INVAL)?;
    chmodat(
        CWD,
        path,
        Mode::from_raw_mode(mode),
        AtFlags::SYMLINK_NOFOLLOW,
    )?;
    Ok(())
}
