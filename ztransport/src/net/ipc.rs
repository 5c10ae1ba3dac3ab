//! ipc: Unix domain stream sockets in the file system and, on Linux, in the abstract namespace.

mod mode;

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket};
use tempfile::TempDir;

use super::{BindError, ConnectError, ConnectState, ProcessCredentials, SocketTuning};
use crate::endpoint::{Endpoint, IpcEndpoint};
use crate::sys;

/// The file of a listening socket, removed on drop if it is still the same.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    /// A forked child must not remove the file of its parent.
    process: u32,
    /// Dropped, and with it removed, after the file.
    directory: Option<TempDir>,
    is_removed: bool,
}

impl SocketFile {
    /// Takes charge of a file that this process has just made.
    fn made(path: &Path) -> io::Result<Self> {
        let made = fs::symlink_metadata(path)?;
        Ok(Self {
            path: path.to_path_buf(),
            device: made.dev(),
            inode: made.ino(),
            process: std::process::id(),
            directory: None,
            is_removed: false,
        })
    }

    /// Removes it, and the directory that was made for it.
    pub(super) fn remove(mut self) -> io::Result<()> {
        let removed = self.remove_file();
        match self.directory.take() {
            // Its own way of closing hides the number of the system's error.
            Some(directory) if self.process == std::process::id() => {
                let cleared = fs::remove_dir_all(directory.keep());
                removed.and(cleared)
            }
            _ => removed,
        }
    }

    fn remove_file(&mut self) -> io::Result<()> {
        if self.process != std::process::id() || std::mem::replace(&mut self.is_removed, true) {
            return Ok(());
        }
        match fs::symlink_metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == (self.device, self.inode) => {
                fs::remove_file(&self.path)
            }
            // It is gone, or somebody else's.
            _ => Ok(()),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Nobody is left to be told; a stale file is replaced by the next bind.
        let _ = self.remove_file();
    }
}

type Bound = (Socket, Option<SocketFile>, Endpoint);

/// Binds an endpoint whose path, if it has one, is absolute.
pub(super) fn bind(
    endpoint: &Endpoint,
    address: &IpcEndpoint,
    tuning: &SocketTuning,
) -> Result<Bound, BindError> {
    let fail = |error| BindError::from_io(endpoint, error);
    if address.is_wildcard() {
        return bind_wildcard(endpoint, tuning);
    }
    let Some(path) = address.path() else {
        let socket = new_socket().map_err(fail)?;
        let listen = || {
            tuning.apply(&socket)?;
            socket.bind(&system_address(address)?)?;
            socket.listen(tuning.backlog())
        };
        listen().map_err(fail)?;
        return Ok((socket, None, endpoint.clone()));
    };
    let (socket, file) = bind_path(address, path, tuning).map_err(|error| {
        if error.kind() == io::ErrorKind::AddrInUse && is_other_file(path) {
            BindError::NotASocket(endpoint.clone())
        } else {
            fail(error)
        }
    })?;
    Ok((socket, Some(file), endpoint.clone()))
}

/// What only its owner can enter.
const PRIVATE: u32 = 0o700;

fn bind_wildcard(endpoint: &Endpoint, tuning: &SocketTuning) -> Result<Bound, BindError> {
    let fail = |error| BindError::from_io(endpoint, error);
    let directory = tempfile::Builder::new()
        .prefix("zlayers-")
        .permissions(Permissions::from_mode(PRIVATE))
        .tempdir()
        .map_err(fail)?;
    mode::settle(directory.path(), FileType::Directory, PRIVATE).map_err(fail)?;
    let path = directory.path().join("socket");
    let resolved = match path.to_str() {
        Some(path) => Endpoint::parse(&format!("ipc://{path}"))?.absolute()?,
        None => return Err(fail(Errno::ILSEQ.into())),
    };
    let Endpoint::Ipc(address) = &resolved else {
        return Err(BindError::NotAStream(resolved));
    };
    let (socket, mut file) = bind_path(address, &path, tuning).map_err(fail)?;
    file.directory = Some(directory);
    Ok((socket, Some(file), resolved))
}

fn bind_path(
    address: &IpcEndpoint,
    path: &Path,
    tuning: &SocketTuning,
) -> io::Result<(Socket, SocketFile)> {
    // From here to `listen` a socket file that nobody listens on yet may be ours or a rival's in
    // the middle of the same steps. The lock on the directory tells the two apart.
    let _lock = DirectoryLock::acquire(path);
    let mut attempts_left = 3;
    loop {
        match listen(address, path, tuning) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                attempts_left -= 1;
                let is_free = attempts_left > 0
                    && (tuning.ipc_takeover && is_socket(path) || is_stale(address, path)?);
                if !is_free {
                    return Err(error);
                }
                match fs::remove_file(path) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            done => return done,
        }
    }
}

/// Makes the socket's file, and only then lets others connect.
fn listen(
    address: &IpcEndpoint,
    path: &Path,
    tuning: &SocketTuning,
) -> io::Result<(Socket, SocketFile)> {
    let mode = tuning.ipc_mode & 0o777;
    let socket = new_socket()?;
    tuning.apply(&socket)?;
    mode::restrict(&socket, mode);
    socket.bind(&system_address(address)?)?;
    let file = SocketFile::made(path)?;
    mode::settle(path, FileType::Socket, mode)?;
    socket.listen(tuning.backlog())?;
    Ok((socket, file))
}

/// Whether `path` itself is a socket, whoever listens there.
fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

/// Whether `path` exists and is not a socket.
fn is_other_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.file_type().is_socket())
}

/// Whether `path` is a socket that nobody listens on (or is gone by now).
fn is_stale(address: &IpcEndpoint, path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Ok(false),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    }
    let socket = new_socket()?;
    match socket.connect(&system_address(address)?) {
        Ok(()) => Ok(false),
        // Anything else (a full backlog, a datagram socket, no permission) is somebody.
        Err(error) => Ok(matches!(
            Errno::from_io_error(&error),
            Some(Errno::CONNREFUSED | Errno::NOENT)
        )),
    }
}

/// An advisory lock on the directory of a path, held while the path is bound.
struct DirectoryLock {
    _directory: OwnedFd,
}

impl DirectoryLock {
    /// The steps under the lock take microseconds, so a lock that is held for longer is somebody
    /// else's business and is not waited for.
    const PATIENCE: Duration = Duration::from_secs(2);

    /// `None` if the directory cannot be opened or locked: binding is then as safe as the file
    /// system allows without.
    fn acquire(path: &Path) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path.parent()?, flags, Mode::empty()).ok()?;
        let deadline = Instant::now() + Self::PATIENCE;
        loop {
            match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    return Some(Self {
                        _directory: directory,
                    });
                }
                Err(Errno::AGAIN | Errno::INTR) if Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(_) => return None,
            }
        }
    }
}

pub(super) fn connect(
    address: &IpcEndpoint,
    tuning: &SocketTuning,
) -> Result<(Socket, ConnectState), ConnectError> {
    let socket = new_socket().map_err(ConnectError::from_io)?;
    let start = || {
        tuning.apply(&socket)?;
        socket.connect(&system_address(address)?)
    };
    match start() {
        Ok(()) => Ok((socket, ConnectState::Done)),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::INPROGRESS | Errno::INTR) => Ok((socket, ConnectState::InProgress)),
            Some(Errno::AGAIN) => Err(ConnectError::Busy),
            Some(Errno::CONNREFUSED) if address.path().is_some_and(is_other_file) => {
                Err(ConnectError::NotASocket)
            }
            _ => Err(ConnectError::from_io(error)),
        },
    }
}

/// The process at the other end.
pub(super) fn peer_credentials(socket: &Socket) -> Option<ProcessCredentials> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let found = rustix::net::sockopt::socket_peercred(socket).ok()?;
        Some(ProcessCredentials {
            pid: u32::try_from(found.pid.as_raw_pid()).ok(),
            uid: found.uid.as_raw(),
            gid: found.gid.as_raw(),
        })
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = socket;
        None
    }
}

/// Its further groups; none where the system does not tell.
pub(super) fn peer_groups(socket: &Socket) -> Vec<u32> {
    zpipe::peer_groups(socket.as_fd()).unwrap_or_default()
}

fn system_address(address: &IpcEndpoint) -> io::Result<SockAddr> {
    if let Some(path) = address.path() {
        return SockAddr::unix(path);
    }
    match address.abstract_name() {
        // A leading NUL makes it abstract; no terminator is counted.
        Some(name) => SockAddr::unix(format!("\0{name}")),
        None => Err(Errno::INVAL.into()),
    }
}

fn new_socket() -> io::Result<Socket> {
    sys::stream_socket(Domain::UNIX, None)
}
