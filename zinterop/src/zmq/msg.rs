//! A single message object, for benchmarks.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::slice;

use super::Error;
use crate::sys;

/// One frame in a `zmq_msg_t`.
///
/// This is what libzmq's own perf tools use: a [`with_size`](Self::with_size) message per send
/// whose body nobody writes, and one message that every receive fills anew. Tests that only
/// want bytes use the slices of [`Socket`](super::Socket) instead.
#[derive(Debug)]
pub struct Msg {
    raw: sys::zmq_msg_t,
    /// False from `with_size` until the body is written: those bytes must not be read.
    initialised: bool,
}

// SAFETY: a message is memory that belongs to whoever holds it; its reference counts are atomic.
unsafe impl Send for Msg {}

impl Msg {
    /// An empty message, to receive into.
    #[must_use]
    pub fn new() -> Self {
        let mut raw = MaybeUninit::<sys::zmq_msg_t>::uninit();
        // SAFETY: zmq_msg_init initialises the block and always succeeds.
        let raw = unsafe {
            sys::zmq_msg_init(raw.as_mut_ptr());
            raw.assume_init()
        };
        Self {
            raw,
            initialised: true,
        }
    }

    /// A message of `size` bytes that are left as they come, which is how the perf tools do it.
    ///
    /// # Errors
    /// [`Error::Other`] (`ENOMEM`) if there is no memory.
    pub fn with_size(size: usize) -> Result<Self, Error> {
        let mut raw = MaybeUninit::<sys::zmq_msg_t>::uninit();
        // SAFETY: the pointer is to a block of the right size and alignment.
        Error::check(unsafe { sys::zmq_msg_init_size(raw.as_mut_ptr(), size) })?;
        // SAFETY: initialised by the successful call.
        let raw = unsafe { raw.assume_init() };
        Ok(Self {
            raw,
            initialised: size == 0,
        })
    }

    /// A message that holds a copy of `body`.
    ///
    /// # Errors
    /// [`Error::Other`] (`ENOMEM`) if there is no memory.
    pub fn copy_from(body: &[u8]) -> Result<Self, Error> {
        let mut msg = Self::with_size(body.len())?;
        // SAFETY: libzmq allocated exactly `body.len()` bytes, which belong to this message
        // alone, so they cannot overlap with `body`.
        unsafe {
            let data = sys::zmq_msg_data(&raw mut msg.raw).cast::<u8>();
            data.copy_from_nonoverlapping(body.as_ptr(), body.len());
        }
        msg.initialised = true;
        Ok(msg)
    }

    /// The length of the body in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        // SAFETY: `raw` is initialised from construction to drop.
        unsafe { sys::zmq_msg_size(&raw const self.raw) }
    }

    /// Whether the body is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether more frames of the same message follow a received one.
    #[must_use]
    pub fn more(&self) -> bool {
        // SAFETY: as for `len`.
        unsafe { sys::zmq_msg_more(&raw const self.raw) == 1 }
    }

    /// The body.
    ///
    /// # Panics
    /// On a message made by [`with_size`](Self::with_size), whose bytes have no value yet.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        assert!(
            self.initialised,
            "the body of this message was never written"
        );
        // SAFETY: zmq_msg_data only reads the message although it takes a mutable pointer; the
        // body has `len` initialised bytes and stays where it is while `self` is borrowed.
        unsafe {
            let data = sys::zmq_msg_data((&raw const self.raw).cast_mut()).cast::<u8>();
            slice::from_raw_parts(data, self.len())
        }
    }

    /// The block for a call that sends it.
    pub(crate) fn raw_for_send(&mut self) -> *mut sys::zmq_msg_t {
        &raw mut self.raw
    }

    /// The block for a call that fills it. After a failed receive it is empty, so either way
    /// all bytes in it are initialised.
    pub(crate) fn raw_for_recv(&mut self) -> *mut sys::zmq_msg_t {
        self.initialised = true;
        &raw mut self.raw
    }
}

impl Default for Msg {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Msg {
    fn drop(&mut self) {
        // SAFETY: `raw` is initialised; a sent message has been left empty, and closing an
        // empty one is right.
        let result: c_int = unsafe { sys::zmq_msg_close(&raw mut self.raw) };
        debug_assert_eq!(result, 0, "closing a message that was closed before");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_body_reads_back_whether_inline_or_allocated() {
        for size in [0, 1, 33, 34, 100_000] {
            let body: Vec<u8> = (0..size).map(|i| i as u8).collect();
            let msg = Msg::copy_from(&body).unwrap();
            assert_eq!(msg.as_slice(), body);
            assert!(!msg.more());
        }
    }

    #[test]
    #[should_panic(expected = "never written")]
    fn unwritten_bytes_cannot_be_read() {
        let _ = Msg::with_size(1).unwrap().as_slice();
    }
}
