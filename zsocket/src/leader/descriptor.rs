//! What a foreign event loop waits for.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use super::Leader;

/// It can be nested in any epoll or kqueue: it is one, with others in it, so there are three levels at most. It is for waiting
/// until it is readable, for nothing else.
impl AsFd for Leader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.leader.as_fd()
    }
}

impl AsRawFd for Leader {
    fn as_raw_fd(&self) -> RawFd {
        self.leader.as_raw_fd()
    }
}
