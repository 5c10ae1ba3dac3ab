//! Waiting for several sockets at once.

use std::ffi::{c_int, c_long};
use std::marker::PhantomData;
use std::time::Duration;

use super::socket::millis;
use super::{Error, Socket};
use crate::sys;

/// A socket to wait for, and after [`poll`] what happened to it.
#[derive(Debug)]
#[repr(transparent)]
pub struct PollItem<'s> {
    raw: sys::zmq_pollitem_t,
    socket: PhantomData<&'s Socket>,
}

impl<'s> PollItem<'s> {
    /// Waits until `socket` can be read from.
    #[must_use]
    pub fn readable(socket: &'s Socket) -> Self {
        Self::new(socket, sys::POLLIN)
    }

    /// Waits until `socket` can be written to.
    #[must_use]
    pub fn writable(socket: &'s Socket) -> Self {
        Self::new(socket, sys::POLLOUT)
    }

    fn new(socket: &'s Socket, events: i16) -> Self {
        let raw = sys::zmq_pollitem_t {
            socket: socket.raw(),
            fd: 0,
            events,
            revents: 0,
        };
        Self {
            raw,
            socket: PhantomData,
        }
    }

    /// Whether the last [`poll`] found what this item waits for.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.raw.revents & self.raw.events != 0
    }
}

/// Waits until at least one item is ready, for at most `timeout`; `None` is for ever. Returns
/// how many are.
///
/// # Errors
/// [`Error::Terminated`] after the context's shutdown.
///
/// # Panics
/// With more than `i32::MAX` items.
pub fn poll(items: &mut [PollItem<'_>], timeout: Option<Duration>) -> Result<usize, Error> {
    let count = c_int::try_from(items.len()).expect("a poll set of countable size");
    let timeout: c_long = timeout.map_or(-1, |timeout| c_long::from(millis(timeout)));
    loop {
        // SAFETY: PollItem is transparent, so this is an array of `count` C items, and each
        // names a socket that is alive because it is borrowed.
        let result = unsafe { sys::zmq_poll(items.as_mut_ptr().cast(), count, timeout) };
        match Error::check(result) {
            Err(Error::Interrupted) => {}
            Err(error) => return Err(error),
            Ok(ready) => return Ok(ready.unsigned_abs() as usize),
        }
    }
}
