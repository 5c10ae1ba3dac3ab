//! The descriptors that are waited for, level-triggered.

#[cfg(all(target_os = "linux", not(zlayers_portable)))]
mod epoll;
#[cfg(any(not(target_os = "linux"), zlayers_portable))]
mod portable;

use zpipe::AsDescriptor;

#[cfg(all(target_os = "linux", not(zlayers_portable)))]
pub(crate) use self::epoll::Descriptors;
#[cfg(any(not(target_os = "linux"), zlayers_portable))]
pub(crate) use self::portable::Descriptors;

/// Reported for the list of the sockets, and not the key of a descriptor.
#[cfg(unix)]
const SOCKETS: u64 = u64::MAX;

/// What is waited for, whatever it is.
pub(crate) struct AnyDescriptor<'a>(Box<dyn AsDescriptor + 'a>);

impl<'a> AnyDescriptor<'a> {
    pub(crate) fn new(descriptor: impl AsDescriptor + 'a) -> Self {
        Self(Box::new(descriptor))
    }
}

#[cfg(unix)]
mod system {
    use std::os::fd::{AsFd, BorrowedFd};

    impl AsFd for super::AnyDescriptor<'_> {
        fn as_fd(&self) -> BorrowedFd<'_> {
            (*self.0).as_fd()
        }
    }

    pub(crate) fn borrow(descriptor: &impl AsFd) -> BorrowedFd<'_> {
        descriptor.as_fd()
    }
}

#[cfg(windows)]
mod system {
    use std::os::windows::io::{AsSocket, BorrowedSocket};

    impl AsSocket for super::AnyDescriptor<'_> {
        fn as_socket(&self) -> BorrowedSocket<'_> {
            (*self.0).as_socket()
        }
    }

    pub(crate) fn borrow(descriptor: &impl AsSocket) -> BorrowedSocket<'_> {
        descriptor.as_socket()
    }
}

pub(crate) use system::borrow;
