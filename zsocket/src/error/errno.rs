//! Errors as numbers, for those who come from libzmq or from the operating system.

use std::io;

use ztransport::{EndpointError, endpoint::EndpointErrorKind, net::BindError};

use super::Error;

/// Where libzmq's own numbers begin.
const HAUSNUMERO: i32 = 156_384_712;
const EFSM: i32 = HAUSNUMERO + 51;
/// The transport is not for this type of socket.
const ENOCOMPATPROTO: i32 = HAUSNUMERO + 52;
const ETERM: i32 = HAUSNUMERO + 53;
const EMTHREAD: i32 = HAUSNUMERO + 54;

/// The system's.
#[cfg(unix)]
mod system {
    use rustix::io::Errno;

    pub(super) const EPERM: i32 = Errno::PERM.raw_os_error();
    pub(super) const ENOENT: i32 = Errno::NOENT.raw_os_error();
    pub(super) const EINTR: i32 = Errno::INTR.raw_os_error();
    pub(super) const EIO: i32 = Errno::IO.raw_os_error();
    pub(super) const EAGAIN: i32 = Errno::AGAIN.raw_os_error();
    pub(super) const EACCES: i32 = Errno::ACCESS.raw_os_error();
    pub(super) const EBUSY: i32 = Errno::BUSY.raw_os_error();
    pub(super) const ENODEV: i32 = Errno::NODEV.raw_os_error();
    pub(super) const EINVAL: i32 = Errno::INVAL.raw_os_error();
    pub(super) const EMFILE: i32 = Errno::MFILE.raw_os_error();
    pub(super) const ENAMETOOLONG: i32 = Errno::NAMETOOLONG.raw_os_error();
    pub(super) const ENOTSUP: i32 = Errno::NOTSUP.raw_os_error();
    pub(super) const EPROTONOSUPPORT: i32 = Errno::PROTONOSUPPORT.raw_os_error();
    pub(super) const EADDRINUSE: i32 = Errno::ADDRINUSE.raw_os_error();
    pub(super) const EADDRNOTAVAIL: i32 = Errno::ADDRNOTAVAIL.raw_os_error();
    pub(super) const EISCONN: i32 = Errno::ISCONN.raw_os_error();
    pub(super) const EHOSTUNREACH: i32 = Errno::HOSTUNREACH.raw_os_error();
    pub(super) const ECONNRESET: i32 = Errno::CONNRESET.raw_os_error();
    pub(super) const EMSGSIZE: i32 = Errno::MSGSIZE.raw_os_error();
    pub(super) const ETIMEDOUT: i32 = Errno::TIMEDOUT.raw_os_error();
}

/// Those of the C library's `errno.h`, which are not the numbers of the system's errors.
#[cfg(not(unix))]
mod system {
    pub(super) const EPERM: i32 = 1;
    pub(super) const ENOENT: i32 = 2;
    pub(super) const EINTR: i32 = 4;
    pub(super) const EIO: i32 = 5;
    pub(super) const EAGAIN: i32 = 11;
    pub(super) const EACCES: i32 = 13;
    pub(super) const EBUSY: i32 = 16;
    pub(super) const ENODEV: i32 = 19;
    pub(super) const EINVAL: i32 = 22;
    pub(super) const EMFILE: i32 = 24;
    pub(super) const ENAMETOOLONG: i32 = 38;
    pub(super) const EADDRINUSE: i32 = 100;
    pub(super) const EADDRNOTAVAIL: i32 = 101;
    pub(super) const ECONNRESET: i32 = 108;
    pub(super) const EHOSTUNREACH: i32 = 110;
    pub(super) const EISCONN: i32 = 113;
    pub(super) const EMSGSIZE: i32 = 115;
    pub(super) const ENOTSUP: i32 = 129;
    pub(super) const EPROTONOSUPPORT: i32 = 135;
    pub(super) const ETIMEDOUT: i32 = 138;
}

use system::*;

impl Error {
    /// The number that libzmq sets `errno` to, or would, if it knew the error: one of the system's, or one of its own such as
    /// `EFSM` and `ETERM`.
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, Rep};
    ///
    /// let rep = Context::new().socket::<Rep>()?;
    /// assert_eq!(rep.send("to whom?").unwrap_err().error.errno(), 156_384_763); // EFSM
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    #[must_use]
    pub fn errno(&self) -> i32 {
        match self {
            Self::WouldBlock(_) => EAGAIN,
            Self::Interrupted => EINTR,
            Self::WrongState(_) => EFSM,
            // A forked child has no use for its parent's sockets but to close them.
            Self::Terminated | Self::Forked => ETERM,
            Self::NotSupported => ENOTSUP,
            Self::HasPeer => EISCONN,
            Self::PeerLost(_) => ECONNRESET,
            Self::Unroutable => EHOSTUNREACH,
            Self::AddressInUse(_) => EADDRINUSE,
            Self::Bind(error) => of_bind(error),
            Self::InvalidEndpoint(error) => of_endpoint(error),
            Self::NoSuchEndpoint(_) => ENOENT,
            Self::Option(_)
            | Self::TopicTooLong { .. }
            | Self::NoRoutingId
            | Self::Incompatible { .. } => EINVAL,
            Self::MessageTooLarge => EMSGSIZE,
            Self::TooManySockets { .. } => EMFILE,
            Self::NoIoThread | Self::NoSuchIoThread { .. } => EMTHREAD,
            Self::Scheduling(_) => EPERM,
            Self::Watched | Self::Led | Self::TooManyInFlight { .. } => EBUSY,
            Self::NoReply { .. } => ETIMEDOUT,
            Self::NotInFlight => ENOENT,
            Self::ResponderClosed => ECONNRESET,
            Self::IoThreadLost => EIO,
            Self::Io(error) => of_io(error),
        }
    }

    fn io_kind(&self) -> io::ErrorKind {
        use io::ErrorKind as Kind;
        match self {
            Self::WouldBlock(_) => Kind::WouldBlock,
            Self::Interrupted => Kind::Interrupted,
            Self::NotSupported => Kind::Unsupported,
            Self::HasPeer => Kind::AlreadyExists,
            Self::PeerLost(_) => Kind::ConnectionReset,
            Self::Unroutable => Kind::HostUnreachable,
            Self::AddressInUse(_) => Kind::AddrInUse,
            Self::Bind(error) => match &**error {
                BindError::AddressInUse(_) | BindError::NotASocket(_) => Kind::AddrInUse,
                BindError::AddressNotAvailable(_) => Kind::AddrNotAvailable,
                BindError::PermissionDenied(_) => Kind::PermissionDenied,
                BindError::NotAListener(error)
                | BindError::OutOfDescriptors(_, error)
                | BindError::Io(_, error) => error.kind(),
                _ => Kind::InvalidInput,
            },
            Self::InvalidEndpoint(_)
            | Self::Option(_)
            | Self::TopicTooLong { .. }
            | Self::MessageTooLarge
            | Self::NoRoutingId
            | Self::Incompatible { .. } => Kind::InvalidInput,
            Self::NoSuchEndpoint(_) | Self::NotInFlight => Kind::NotFound,
            Self::NoReply { .. } => Kind::TimedOut,
            Self::ResponderClosed => Kind::BrokenPipe,
            Self::Io(error) => error.kind(),
            _ => Kind::Other,
        }
    }
}

/// The kind says what the program can do about it; the error itself is inside.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            error => Self::new(error.io_kind(), error),
        }
    }
}

fn of_endpoint(error: &EndpointError) -> i32 {
    match error.kind() {
        EndpointErrorKind::UnknownScheme => EPROTONOSUPPORT,
        EndpointErrorKind::PathTooLong | EndpointErrorKind::AbsolutePathTooLong => ENAMETOOLONG,
        EndpointErrorKind::NoCurrentDirectory => ENOENT,
        _ => EINVAL,
    }
}

fn of_bind(error: &BindError) -> i32 {
    match error {
        BindError::InvalidEndpoint(error) => of_endpoint(error),
        BindError::AddressInUse(_) | BindError::NotASocket(_) => EADDRINUSE,
        BindError::AddressNotAvailable(_) => EADDRNOTAVAIL,
        BindError::PermissionDenied(_) => EACCES,
        BindError::NeedsRawSockets(_) => EPERM,
        BindError::NotPublishing(..) => ENOCOMPATPROTO,
        BindError::UnknownHost(..) => ENODEV,
        BindError::NotAListener(error)
        | BindError::OutOfDescriptors(_, error)
        | BindError::Io(_, error) => of_io(error),
        _ => EINVAL,
    }
}

fn of_io(error: &io::Error) -> i32 {
    match (error.raw_os_error(), error.kind()) {
        (Some(number), _) => number,
        (None, io::ErrorKind::Interrupted) => EINTR,
        (None, _) => EIO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Blocked;

    #[test]
    fn numbers_of_libzmq_are_its_own() {
        assert_eq!(
            (EFSM, ETERM, EMTHREAD),
            (156_384_763, 156_384_765, 156_384_766)
        );
        assert_eq!(Error::Terminated.errno(), ETERM);
    }

    #[test]
    fn an_error_of_the_system_keeps_its_number_and_kind() {
        let denied = || io::Error::from_raw_os_error(EACCES);
        assert_eq!(Error::Io(denied()).errno(), EACCES);
        assert_eq!(
            io::Error::from(Error::Io(denied())).raw_os_error(),
            Some(EACCES)
        );
    }

    #[test]
    fn others_are_inside_an_error_of_their_kind() {
        let error = io::Error::from(Error::WouldBlock(Blocked::NoPeer));
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let inside = error
            .into_inner()
            .and_then(|inside| inside.downcast::<Error>().ok());
        assert!(inside.is_some_and(|inside| inside.is_would_block()));
    }
}
