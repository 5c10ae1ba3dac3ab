//! Frames of a message in a list of buffers.

use std::ffi::c_int;

use super::{State, send::Part};
use crate::errno::Errno;

const SNDMORE: c_int = 2;

impl State {
    /// Sends each buffer as a frame; with `ZMQ_SNDMORE` all of them are one message. Says how long the last one is.
    ///
    /// # Safety
    ///
    /// The list is as long as it says, and so are its buffers.
    pub(super) unsafe fn send_all(
        &mut self,
        buffers: &[libc::iovec],
        flags: c_int,
    ) -> Result<c_int, Errno> {
        let mut size = 0;
        for (left, buffer) in (0..buffers.len()).rev().zip(buffers) {
            // SAFETY: the caller has promised that.
            let body = unsafe { crate::slice(buffer.iov_base, buffer.iov_len) }?;
            let flags = if left == 0 { flags & !SNDMORE } else { flags };
            self.send_part(Part::Lent(body), flags)?;
            size = body.len();
        }
        Ok(super::send::told(size))
    }

    /// Receives frames of one message into buffers that it allocates, as many as there are, and counts them in `count`.
    pub(super) fn recv_all(
        &mut self,
        buffers: &mut [libc::iovec],
        count: &mut usize,
        flags: c_int,
    ) -> Result<c_int, Errno> {
        *count = 0;
        for buffer in buffers {
            let (base, len) = self.recv_part(flags, |body| {
                // SAFETY: has no preconditions.
                let base = unsafe { libc::malloc(body.len().max(1)) };
                if !base.is_null() {
                    // SAFETY: the buffer is new and long enough.
                    unsafe {
                        std::ptr::copy_nonoverlapping(body.as_ptr(), base.cast(), body.len());
                    };
                }
                (base, body.len())
            })?;
            if base.is_null() {
                return Err(Errno::NOMEM);
            }
            (buffer.iov_base, buffer.iov_len) = (base, len);
            *count += 1;
            if !self.received.more {
                break;
            }
        }
        Ok(super::send::told(*count))
    }
}
