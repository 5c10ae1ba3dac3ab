//! The system's numbers of errors, which libzmq reports with some events.

use std::io;

use rustix::io::Errno;

use crate::{
    net::{AcceptError, BindError, ConnectError},
    sys::code,
};

/// The number of an error; 0 if the system did not give one.
pub(crate) fn of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}

/// Why an endpoint could not be bound.
pub(crate) fn of_bind(error: &BindError) -> i32 {
    match error {
        BindError::AddressInUse(_) | BindError::NotASocket(_) => Errno::ADDRINUSE.raw_os_error(),
        BindError::AddressNotAvailable(_) => Errno::ADDRNOTAVAIL.raw_os_error(),
        BindError::PermissionDenied(_) => Errno::ACCESS.raw_os_error(),
        BindError::NeedsRawSockets(_) => code::PERM.raw_os_error(),
        // What libzmq says of an interface that it does not find.
        BindError::UnknownHost(..) => code::NODEV.raw_os_error(),
        BindError::OutOfDescriptors(_, error) | BindError::Io(_, error) => of(error),
        _ => Errno::INVAL.raw_os_error(),
    }
}

/// Why nothing was accepted.
pub(crate) fn of_accept(error: &AcceptError) -> i32 {
    match error {
        AcceptError::Transient(error)
        | AcceptError::OutOfDescriptors(error)
        | AcceptError::Fatal(error) => of(error),
        AcceptError::WouldBlock => Errno::AGAIN.raw_os_error(),
        AcceptError::Refused(_) => Errno::ACCESS.raw_os_error(),
    }
}

/// Why nothing was connected to.
pub(crate) fn of_connect(error: &ConnectError) -> i32 {
    match error {
        ConnectError::Refused | ConnectError::NotASocket => Errno::CONNREFUSED.raw_os_error(),
        ConnectError::Busy => Errno::AGAIN.raw_os_error(),
        ConnectError::TimedOut => Errno::TIMEDOUT.raw_os_error(),
        ConnectError::Unreachable(error)
        | ConnectError::OutOfDescriptors(error)
        | ConnectError::Source(error)
        | ConnectError::Io(error) => of(error),
        ConnectError::Option(error) => of(error.cause()),
        // Nobody but the proxy knows.
        ConnectError::Proxy(error) if error.is_refused() => Errno::CONNREFUSED.raw_os_error(),
        ConnectError::Proxy(_) => code::PROTO.raw_os_error(),
    }
}
