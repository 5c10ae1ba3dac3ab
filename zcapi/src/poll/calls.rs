//! `zmq_poll` and `zmq_ppoll`.

use std::ffi::{c_int, c_long, c_short, c_void};

use super::Item;
use crate::{entry::entries, errno::Errno};

/// One thing to wait for, as C programs have it.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "its name in C")]
pub struct zmq_pollitem_t {
    socket: *mut c_void,
    fd: c_int,
    events: c_short,
    revents: c_short,
}

/// Waits for a program's items.
///
/// # Safety
///
/// The list is as long as it says, and the mask null or a set of signals.
unsafe fn poll(
    items: *mut zmq_pollitem_t,
    count: c_int,
    timeout: c_long,
    mask: *const libc::sigset_t,
) -> Result<c_int, Errno> {
    let count = usize::try_from(count).map_err(|_| Errno::INVAL)?;
    if items.is_null() && count > 0 {
        return Err(Errno::FAULT);
    }
    let items = if count == 0 {
        &mut []
    } else {
        // SAFETY: the caller has promised that.
        unsafe { std::slice::from_raw_parts_mut(items, count) }
    };
    let mut all: Vec<Item> = items
        .iter()
        .map(|item| Item {
            socket: item.socket,
            descriptor: item.fd,
            events: item.events,
            found: 0,
        })
        .collect();
    // SAFETY: null or valid, as the caller has promised.
    let mask = unsafe { mask.as_ref() };
    let found = super::wait(&mut all, timeout, mask)?;
    for (item, of) in items.iter_mut().zip(all) {
        item.revents = of.found;
    }
    Ok(c_int::try_from(found).unwrap_or(c_int::MAX))
}

entries! {
    /// Waits until one of several sockets or descriptors can be used.
    fn zmq_poll(items: *mut zmq_pollitem_t, nitems: c_int, timeout: c_long) -> c_int, or -1; {
        // SAFETY: the program's list of this length.
        unsafe { poll(items, nitems, timeout, std::ptr::null()) }
    }

    /// Likewise, with another signal mask while it waits.
    fn zmq_ppoll(
        items: *mut zmq_pollitem_t,
        nitems: c_int,
        timeout: c_long,
        sigmask: *const libc::sigset_t,
    ) -> c_int, or -1; {
        // SAFETY: the program's list of this length, and its mask.
        unsafe { poll(items, nitems, timeout, sigmask) }
    }
}
