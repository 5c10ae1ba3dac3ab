//! The C interface of libzmq 4.3.5 on top of zlayers: every program that is linked with `libzmq.so.5`, and every language that binds
//! to it, runs on zlayers by changing one file.
//!
//! ```text
//!   C, C++, Python, …                     zmq.h
//!        │
//!   entry      one macro makes all functions: errno, and no panic gets out
//!        │
//!   context ── socket ── message          handles, frames one by one, zmq_msg_t
//!        │        │
//!   options, poll, proxy, monitor, security, utility
//!        │
//!   zsocket, zproxy
//! ```
//!
//! # What is different from libzmq
//!
//! `docs/CAPI.md` lists it: options and types that are not there yet answer `EINVAL`, draft functions for them `ENOTSUP`. Nothing is
//! accepted and ignored.
//!
//! # Threads
//!
//! As with libzmq, contexts may be used by all threads at once and a socket by one at a time; it may go from one to another. What
//! libzmq leaves undefined is an error here: a socket that a second thread, or a function that it calls back, uses at the same
//! time refuses that with `EBUSY`, and debug builds say so on standard error. Threads of the library take no signals; a signal that
//! a program's thread handles ends its blocked call with `EINTR`.
//!
//! # Safety
//!
//! The functions may be called with whatever the manual of libzmq allows: pointers to memory of the size that is said, text that
//! ends with a zero, messages that were initialised. Handles of sockets, contexts, pollers and timers need not be valid: one that
//! is none, or was closed, is told as `ENOTSOCK` or `EFAULT`. (One whose address was given out again stands for the new one.)
//!
//! # Panics
//!
//! None reaches the program: a call that would panic, which is a defect of this library, fails with `EIO`.
#![deny(unsafe_op_in_unsafe_fn)]

mod context;
mod entry;
mod errno;
mod fork;
mod handles;
mod library;
mod message;
mod monitor;
mod options;
mod poll;
mod proxy;
mod security;
mod signals;
mod socket;
mod utility;
mod wait;

use std::ffi::c_void;

use self::errno::Errno;
pub use self::{
    context::calls::*,
    library::*,
    message::{calls::*, zmq_free_fn, zmq_msg_t},
    monitor::*,
    options::calls::*,
    poll::{calls::*, poller::*},
    proxy::*,
    security::*,
    socket::calls::*,
    utility::{atomic::*, threads::*, timers::*},
};

/// A program's buffer.
///
/// # Safety
///
/// The pointer is null, or there are so many bytes, which nobody writes meanwhile.
unsafe fn slice<'a>(data: *const c_void, size: usize) -> Result<&'a [u8], Errno> {
    if size == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(Errno::FAULT);
    }
    if isize::try_from(size).is_err() {
        return Err(Errno::INVAL);
    }
    // SAFETY: the caller has promised that.
    Ok(unsafe { std::slice::from_raw_parts(data.cast(), size) })
}
