//! `zmq_poller`: a list of things to wait for that is kept.

use std::{
    ffi::{c_int, c_long, c_short, c_void},
    ptr,
    sync::Arc,
};

use zpipe::Guarded;

use super::{Item, POLLERR, POLLIN, POLLOUT, POLLPRI};
use crate::{entry::entries, errno::Errno, handles::Handles, socket::slots::take};

static POLLERS: Handles<Guarded<Vec<Entry>>> = Handles::new();

/// What was registered. The pointers are only compared, and given back.
#[derive(Clone, Copy)]
struct Entry {
    socket: *mut c_void,
    descriptor: c_int,
    user_data: *mut c_void,
    events: c_short,
}

// SAFETY: its pointers are numbers here.
unsafe impl Send for Entry {}

/// What was found, as C programs have it.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types, reason = "its name in C")]
pub struct zmq_poller_event_t {
    socket: *mut c_void,
    fd: c_int,
    user_data: *mut c_void,
    events: c_short,
}

const NOTHING: zmq_poller_event_t = zmq_poller_event_t {
    socket: ptr::null_mut(),
    fd: -1,
    user_data: ptr::null_mut(),
    events: 0,
};

type Poller = Arc<Guarded<Vec<Entry>>>;

/// Keeps everybody out of the table, for a fork.
pub(crate) fn hold() -> impl std::any::Any {
    POLLERS.hold()
}

fn find(handle: *mut c_void) -> Result<Poller, Errno> {
    POLLERS.get(handle).ok_or(Errno::FAULT)
}

const fn check(events: c_short) -> Result<(), Errno> {
    if events & !(POLLIN | POLLOUT | POLLERR | POLLPRI) == 0 {
        Ok(())
    } else {
        Err(Errno::INVAL)
    }
}

impl Entry {
    fn is(&self, socket: *mut c_void, descriptor: c_int) -> bool {
        if self.socket.is_null() {
            socket.is_null() && self.descriptor == descriptor
        } else {
            ptr::eq(self.socket, socket)
        }
    }
}

fn add(
    poller: *mut c_void,
    socket: *mut c_void,
    descriptor: c_int,
    user_data: *mut c_void,
    events: c_short,
) -> Result<c_int, Errno> {
    let poller = find(poller)?;
    check(events)?;
    let mut entries = poller.lock();
    if entries.iter().any(|entry| entry.is(socket, descriptor)) {
        return Err(Errno::INVAL);
    }
    entries.push(Entry {
        socket,
        descriptor,
        user_data,
        events,
    });
    Ok(0)
}

fn modify(
    poller: *mut c_void,
    socket: *mut c_void,
    descriptor: c_int,
    events: c_short,
) -> Result<c_int, Errno> {
    let poller = find(poller)?;
    check(events)?;
    let mut entries = poller.lock();
    let entry = entries
        .iter_mut()
        .find(|entry| entry.is(socket, descriptor));
    entry.ok_or(Errno::INVAL)?.events = events;
    Ok(0)
}

fn remove(poller: *mut c_void, socket: *mut c_void, descriptor: c_int) -> Result<c_int, Errno> {
    let poller = find(poller)?;
    let mut entries = poller.lock();
    let at = entries
        .iter()
        .position(|entry| entry.is(socket, descriptor));
    entries.remove(at.ok_or(Errno::INVAL)?);
    Ok(0)
}

/// A handle that is a socket's now, whoever uses it.
fn check_socket(socket: *mut c_void) -> Result<(), Errno> {
    match take(socket) {
        Ok(_) | Err(Errno::BUSY) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn check_descriptor(descriptor: c_int) -> Result<(), Errno> {
    if descriptor < 0 {
        return Err(Errno(libc::EBADF));
    }
    Ok(())
}

/// Waits, and fills in what was found, in the order in which it was registered.
fn wait(
    poller: *mut c_void,
    events: &mut [zmq_poller_event_t],
    timeout: c_long,
) -> Result<usize, Errno> {
    let poller = find(poller)?;
    // A copy, so that nobody who changes the poller waits for this.
    let entries = poller.lock().clone();
    events.fill(NOTHING);
    if timeout < 0 && entries.iter().all(|entry| entry.events == 0) {
        // It would be for ever.
        return Err(Errno::FAULT);
    }
    let items = entries.iter().map(|entry| Item {
        socket: entry.socket,
        descriptor: entry.descriptor,
        events: entry.events,
        found: 0,
    });
    let mut items: Vec<_> = items.collect();
    if super::wait(&mut items, timeout, None)? == 0 {
        return Err(Errno::AGAIN);
    }
    let found = entries
        .iter()
        .zip(&items)
        .filter(|(_, item)| item.found != 0);
    let mut count = 0;
    for (event, (entry, item)) in events.iter_mut().zip(found) {
        *event = zmq_poller_event_t {
            socket: entry.socket,
            fd: if entry.socket.is_null() {
                entry.descriptor
            } else {
                -1
            },
            user_data: entry.user_data,
            events: item.found,
        };
        count += 1;
    }
    Ok(count)
}

entries! {
    /// Makes a poller.
    fn zmq_poller_new() -> *mut c_void, or ptr::null_mut(); {
        Ok(POLLERS.insert(Guarded::new(Vec::new())))
    }

    /// Frees a poller, and makes the pointer null.
    fn zmq_poller_destroy(poller_p: *mut *mut c_void) -> c_int, or -1; {
        // SAFETY: the program's variable.
        let poller = unsafe { poller_p.as_mut() }.ok_or(Errno::FAULT)?;
        POLLERS.remove(*poller).ok_or(Errno::FAULT)?;
        *poller = ptr::null_mut();
        Ok(0)
    }

    /// How many sockets and descriptors are registered.
    fn zmq_poller_size(poller: *mut c_void) -> c_int, or -1; {
        let size = find(poller)?.lock().len();
        Ok(c_int::try_from(size).unwrap_or(c_int::MAX))
    }

    /// Registers a socket.
    fn zmq_poller_add(
        poller: *mut c_void,
        socket: *mut c_void,
        user_data: *mut c_void,
        events: c_short,
    ) -> c_int, or -1; {
        find(poller)?;
        check_socket(socket)?;
        add(poller, socket, -1, user_data, events)
    }

    /// Changes what of a socket is waited for.
    fn zmq_poller_modify(poller: *mut c_void, socket: *mut c_void, events: c_short) -> c_int, or -1; {
        find(poller)?;
        check_socket(socket)?;
        modify(poller, socket, -1, events)
    }

    /// Waits for a socket no more.
    fn zmq_poller_remove(poller: *mut c_void, socket: *mut c_void) -> c_int, or -1; {
        find(poller)?;
        check_socket(socket)?;
        remove(poller, socket, -1)
    }

    /// Registers a descriptor.
    fn zmq_poller_add_fd(
        poller: *mut c_void,
        fd: c_int,
        user_data: *mut c_void,
        events: c_short,
    ) -> c_int, or -1; {
        find(poller)?;
        check_descriptor(fd)?;
        add(poller, ptr::null_mut(), fd, user_data, events)
    }

    /// Changes what of a descriptor is waited for.
    fn zmq_poller_modify_fd(poller: *mut c_void, fd: c_int, events: c_short) -> c_int, or -1; {
        find(poller)?;
        check_descriptor(fd)?;
        modify(poller, ptr::null_mut(), fd, events)
    }

    /// Waits for a descriptor no more.
    fn zmq_poller_remove_fd(poller: *mut c_void, fd: c_int) -> c_int, or -1; {
        find(poller)?;
        check_descriptor(fd)?;
        remove(poller, ptr::null_mut(), fd)
    }

    /// Waits for one event.
    fn zmq_poller_wait(
        poller: *mut c_void,
        event: *mut zmq_poller_event_t,
        timeout: c_long,
    ) -> c_int, or -1; {
        find(poller)?;
        // SAFETY: the program's variable.
        let event = unsafe { event.as_mut() }.ok_or(Errno::FAULT)?;
        wait(poller, std::slice::from_mut(event), timeout)?;
        Ok(0)
    }

    /// Waits for any number of events.
    fn zmq_poller_wait_all(
        poller: *mut c_void,
        events: *mut zmq_poller_event_t,
        n_events: c_int,
        timeout: c_long,
    ) -> c_int, or -1; {
        find(poller)?;
        if events.is_null() {
            return Err(Errno::FAULT);
        }
        let count = usize::try_from(n_events).map_err(|_| Errno::INVAL)?;
        // SAFETY: the program's list of this length.
        let events = unsafe { std::slice::from_raw_parts_mut(events, count) };
        let found = wait(poller, events, timeout)?;
        Ok(c_int::try_from(found).unwrap_or(c_int::MAX))
    }

    /// A descriptor is for pollers of thread-safe sockets, which there are not.
    fn zmq_poller_fd(poller: *mut c_void, fd: *mut c_int) -> c_int, or -1; {
        find(poller)?;
        if fd.is_null() {
            return Err(Errno::FAULT);
        }
        Err(Errno::INVAL)
    }
}
