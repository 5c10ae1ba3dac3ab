//! ipc: Unix domain stream sockets in the file system and in the abstract namespace.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};
use tempfile::TempDir;

use super::{BindError, ConnectError, ConnectState, SocketTuning};
use crate::endpoint::{Endpoint, IpcEndpoint};

/// The file of a listening socket, removed on drop if it is still the same.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    /// A forked child must not remove the file of its parent.
    process: u32,
    /// Dropped, and with it removed, after the file.
    _directory: Option<TempDir>,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            return;
        }
        if let Ok(found) = fs::symlink_metadata(&self.path)
            && (found.dev(), found.ino()) == (self.device, self.inode)
        {
            // Nobody is left to be told; a stale file is replaced by the next bind.
            let _ = fs::remove_file(&self.path);
        }
    }
}

type Bound = (Socket, Option<SocketFile>, Endpoint);

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
        let socket = listen(address, tuning).map_err(fail)?;
        return Ok((socket, None, endpoint.clone()));
    };
    let (socket, file) = bind_path(address, path, tuning).map_err(fail)?;
    Ok((socket, Some(file), endpoint.clone()))
}

fn bind_wildcard(endpoint: &Endpoint, tuning: &SocketTuning) -> Result<Bound, BindError> {
    let fail = |error| BindError::from_io(endpoint, error);
    // Made with mode 0700.
    let directory = TempDir::with_prefix("zlayers-").map_err(fail)?;
    let path = directory.path().join("socket");
    let resolved = match path.to_str() {
        Some(path) => Endpoint::parse(&format!("ipc://{path}"))?,
        None => return Err(fail(Errno::ILSEQ.into())),
    };
    let Endpoint::Ipc(address) = &resolved else {
        return Err(BindError::NotAStream(resolved));
    };
    let (socket, mut file) = bind_path(address, &path, tuning).map_err(fail)?;
    file._directory = Some(directory);
    Ok((socket, Some(file), resolved))
}

fn bind_path(
    address: &IpcEndpoint,
    path: &Path,
    tuning: &SocketTuning,
) -> io::Result<(Socket, SocketFile)> {
    // A later change of the current directory must not make us look elsewhere.
    let path = std::path::absolute(path)?;
    // From here to `listen` a socket file that nobody listens on yet may be ours or a rival's in
    // the middle of the same steps. The lock on the directory tells the two apart.
    let _lock = DirectoryLock::acquire(&path);
    let mut attempts_left = 3;
    let socket = loop {
        match listen(address, tuning) {
            Ok(socket) => break socket,
            Err(error) if Errno::from_io_error(&error) == Some(Errno::ADDRINUSE) => {
                attempts_left -= 1;
                if attempts_left == 0 || !is_stale(address, &path)? {
                    return Err(error);
                }
                match fs::remove_file(&path) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
    };
    let made = fs::symlink_metadata(&path)?;
    let file = SocketFile {
        device: made.dev(),
        inode: made.ino(),
        process: std::process::id(),
        path,
        _directory: None,
    };
    Ok((socket, file))
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

fn listen(address: &IpcEndpoint, tuning: &SocketTuning) -> io::Result<Socket> {
    let socket = new_socket()?;
    tuning.apply(&socket)?;
    socket.bind(&system_address(address)?)?;
    socket.listen(tuning.backlog())?;
    Ok(socket)
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
            _ => Err(ConnectError::from_io(error)),
        },
    }
}

/// The process at the other end.
pub(super) fn peer_pid(socket: &Socket) -> Option<u32> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let credentials = rustix::net::sockopt::socket_peercred(socket).ok()?;
        u32::try_from(credentials.pid.as_raw_nonzero().get()).ok()
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = socket;
        None
    }
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

/// Close-on-exec is set by `socket2`.
fn new_socket() -> io::Result<Socket> {
    Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)
}
