//! Waiting with the system's own call, which signal handlers end.

use std::{
    ffi::{c_int, c_long},
    time::{Duration, Instant},
};

use crate::errno::Errno;

/// Until when a program waits: milliseconds, and for ever if they are negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) fn of_millis(millis: c_long) -> Self {
        let Ok(millis) = u64::try_from(millis) else {
            return Self(None);
        };
        // A time beyond the end of the clock is for ever.
        Self(Instant::now().checked_add(Duration::from_millis(millis)))
    }

    /// What the system's call takes, rounded up, and not more than it can count.
    pub(crate) fn left(self) -> Option<Duration> {
        self.0
            .map(|at| at.saturating_duration_since(Instant::now()))
    }

    pub(crate) fn has_passed(self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }
}

/// Waits until a descriptor has something, or a signal handler has run; says how many have. With a mask, that is the thread's
/// meanwhile.
pub(crate) fn poll(
    descriptors: &mut [libc::pollfd],
    deadline: Deadline,
    mask: Option<&libc::sigset_t>,
) -> Result<usize, Errno> {
    let left = deadline.left().map(|left| libc::timespec {
        tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: left.subsec_nanos().into(),
    });
    let left = left.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let mask = mask.map_or(std::ptr::null(), std::ptr::from_ref);
    let count = descriptors.len() as libc::nfds_t;
    // SAFETY: the list is as long as it says, and the other two are null or valid for the call.
    let found = unsafe { libc::ppoll(descriptors.as_mut_ptr(), count, left, mask) };
    usize::try_from(found).map_err(|_| Errno::last())
}

/// Waits until this descriptor can be read.
pub(crate) fn readable(descriptor: c_int) -> Result<(), Errno> {
    let mut polled = [pollfd(descriptor, libc::POLLIN)];
    poll(&mut polled, Deadline(None), None).map(drop)
}

pub(crate) const fn pollfd(fd: c_int, events: i16) -> libc::pollfd {
    libc::pollfd {
        fd,
        events,
        revents: 0,
    }
}
