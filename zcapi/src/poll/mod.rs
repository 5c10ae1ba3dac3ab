//! Waiting for many sockets and descriptors.
//!
//! Each socket has a descriptor that tells when something has happened to it ([`State::descriptor`](crate::socket::State)), and the
//! wait is the system's own, for these and the program's descriptors alike: so signal handlers end it, and it takes no more time
//! than the system does. Sockets are looked at before, so that a wait for what is there costs no system call at all.

pub(crate) mod calls;
pub(crate) mod poller;

use std::ffi::{c_int, c_long, c_short, c_void};

use zsocket::Interest;

use crate::{
    errno::Errno,
    socket::slots::{Taken, take},
    wait::{self, Deadline, pollfd},
};

pub(crate) const POLLIN: c_short = 1;
pub(crate) const POLLOUT: c_short = 2;
pub(crate) const POLLERR: c_short = 4;
pub(crate) const POLLPRI: c_short = 8;

/// Something to wait for, and what was found about it.
#[derive(Clone, Copy)]
pub(crate) struct Item {
    /// Null for a descriptor.
    pub(crate) socket: *mut c_void,
    pub(crate) descriptor: c_int,
    pub(crate) events: c_short,
    pub(crate) found: c_short,
}

/// Sockets that are this wait's alone, each once, in the order of their handles.
struct Sockets(Vec<(usize, Taken)>);

impl Sockets {
    fn of(items: &[Item]) -> Result<Self, Errno> {
        let handles = items.iter().filter(|item| !item.socket.is_null());
        let mut handles: Vec<_> = handles.map(|item| item.socket.addr()).collect();
        handles.sort_unstable();
        handles.dedup();
        let taken = handles.into_iter().map(|handle| {
            let pointer = std::ptr::without_provenance::<c_void>(handle);
            Ok((handle, take(pointer)?))
        });
        Ok(Self(taken.collect::<Result<_, Errno>>()?))
    }

    fn get(&mut self, handle: *const c_void) -> Result<&mut Taken, Errno> {
        let found = self
            .0
            .binary_search_by_key(&handle.addr(), |(handle, _)| *handle);
        found
            .map(|at| &mut self.0[at].1)
            .map_err(|_| Errno::NOTSOCK)
    }
}

/// Waits until something is found, the time is over, or a signal handler has run; says how many items have something. With a mask,
/// that is the thread's while it waits.
pub(crate) fn wait(
    items: &mut [Item],
    timeout: c_long,
    mask: Option<&libc::sigset_t>,
) -> Result<usize, Errno> {
    if let [item] = items
        && item.events & (POLLIN | POLLOUT) == POLLIN
        && !item.socket.is_null()
        && timeout != 0
        && mask.is_none()
    {
        // The only one waits as a call that receives does: its own thread reads, without a way through another one.
        item.found = 0;
        if take(item.socket)?.wait_message(Deadline::of_millis(timeout))? {
            item.found = POLLIN;
        }
        return Ok(usize::from(item.found != 0));
    }
    let mut sockets = Sockets::of(items)?;
    let has_descriptors = items.iter().any(|item| item.socket.is_null());
    let deadline = Deadline::of_millis(timeout);
    // Made when something has to be waited for: sockets first, in order, then descriptors.
    let mut polled: Vec<libc::pollfd> = Vec::new();
    let mut has_waited = false;
    loop {
        for (index, (_, socket)) in sockets.0.iter_mut().enumerate() {
            socket.begin_look(polled.get(index).is_some_and(|polled| polled.revents != 0));
        }
        let mut found = look(items, &mut sockets)?;
        // A program that has no socket here may have sent by others.
        ztransport::uncork();
        if has_descriptors && (found > 0 || timeout == 0) {
            found += look_at_descriptors(items)?;
        }
        if found > 0 || timeout == 0 {
            return Ok(found);
        }
        // Sockets that have been signalled for nothing again and again do not make it longer.
        if has_waited && deadline.has_passed() {
            return look_at_descriptors(items);
        }
        has_waited = true;
        if polled.is_empty() {
            polled = descriptors(items, &mut sockets)?;
            if !sockets.0.is_empty() {
                // What has happened before the descriptor was there is told by another look.
                continue;
            }
        }
        if !has_descriptors && sockets.0.len() == 1 && sockets.0[0].1.spin() {
            continue;
        }
        wait::poll(&mut polled, deadline, mask)?;
        let from = sockets.0.len();
        for (item, polled) in
            (items.iter_mut().filter(|item| item.socket.is_null())).zip(&polled[from..])
        {
            item.found = found_of(polled.revents);
            found += usize::from(item.found != 0);
        }
        if found > 0 {
            // Sockets that have something as well.
            for (index, (_, socket)) in sockets.0.iter_mut().enumerate() {
                socket.begin_look(polled[index].revents != 0);
            }
            return Ok(found + look(items, &mut sockets)?);
        }
    }
}

/// Says what the sockets can do now.
fn look(items: &mut [Item], sockets: &mut Sockets) -> Result<usize, Errno> {
    let mut found = 0;
    for item in items.iter_mut().filter(|item| !item.socket.is_null()) {
        item.found = 0;
        let socket = sockets.get(item.socket)?;
        let mut wanted = Interest::NONE;
        if item.events & POLLIN != 0 {
            wanted = wanted | Interest::RECV;
        }
        if item.events & POLLOUT != 0 {
            wanted = wanted | Interest::SEND;
        }
        let ready = socket.events(wanted)?;
        if wanted.can_recv() && ready.can_recv() {
            item.found |= POLLIN;
        }
        if wanted.can_send() && ready.can_send() {
            item.found |= POLLOUT;
        }
        found += usize::from(item.found != 0);
    }
    Ok(found)
}

fn look_at_descriptors(items: &mut [Item]) -> Result<usize, Errno> {
    if items.iter().all(|item| !item.socket.is_null()) {
        return Ok(0);
    }
    let own = || items.iter().filter(|item| item.socket.is_null());
    let mut polled: Vec<_> = own()
        .map(|item| pollfd(item.descriptor, asked(item.events)))
        .collect();
    wait::poll(&mut polled, Deadline::of_millis(0), None)?;
    let mut found = 0;
    for (item, polled) in items
        .iter_mut()
        .filter(|item| item.socket.is_null())
        .zip(polled)
    {
        item.found = found_of(polled.revents);
        found += usize::from(item.found != 0);
    }
    Ok(found)
}

fn descriptors(items: &[Item], sockets: &mut Sockets) -> Result<Vec<libc::pollfd>, Errno> {
    let mut polled = Vec::with_capacity(sockets.0.len() + items.len());
    for (_, socket) in &mut sockets.0 {
        polled.push(pollfd(socket.descriptor()?, libc::POLLIN));
    }
    let own = items.iter().filter(|item| item.socket.is_null());
    polled.extend(own.map(|item| pollfd(item.descriptor, asked(item.events))));
    Ok(polled)
}

const fn asked(events: c_short) -> c_short {
    let mut asked = 0;
    if events & POLLIN != 0 {
        asked |= libc::POLLIN;
    }
    if events & POLLOUT != 0 {
        asked |= libc::POLLOUT;
    }
    if events & POLLPRI != 0 {
        asked |= libc::POLLPRI;
    }
    asked
}

/// What else there is than input and room is an error, whatever was asked for.
const fn found_of(revents: c_short) -> c_short {
    let mut found = 0;
    if revents & libc::POLLIN != 0 {
        found |= POLLIN;
    }
    if revents & libc::POLLOUT != 0 {
        found |= POLLOUT;
    }
    if revents & libc::POLLPRI != 0 {
        found |= POLLPRI;
    }
    if revents & !(libc::POLLIN | libc::POLLOUT | libc::POLLPRI) != 0 {
        found |= POLLERR;
    }
    found
}
