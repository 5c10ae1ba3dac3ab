//! Forwarding between sockets.

use std::ptr;

use super::{Error, Socket};
use crate::sys;

/// Forwards between two sockets on this thread, with a copy for a third one, until the context is shut down.
///
/// # Errors
/// [`Error::Terminated`], which is the usual end.
pub fn proxy(frontend: &Socket, backend: &Socket, capture: Option<&Socket>) -> Result<(), Error> {
    proxy_steerable(frontend, backend, capture, None)
}

/// Likewise, and obeys commands. `Ok` when it was terminated by one.
///
/// # Errors
/// [`Error::Terminated`].
pub fn proxy_steerable(
    frontend: &Socket,
    backend: &Socket,
    capture: Option<&Socket>,
    control: Option<&Socket>,
) -> Result<(), Error> {
    let raw = |socket: Option<&Socket>| socket.map_or(ptr::null_mut(), Socket::raw);
    loop {
        // SAFETY: live sockets, borrowed for the call; those that are not there may be null.
        let result = unsafe {
            sys::zmq_proxy_steerable(frontend.raw(), backend.raw(), raw(capture), raw(control))
        };
        match Error::check(result) {
            Err(Error::Interrupted) => {}
            result => return result.map(drop),
        }
    }
}
