//! The functions on options.

use std::ffi::{c_int, c_void};

use crate::{entry::entries, errno::Errno, socket::slots::take};

entries! {
    /// Sets an option.
    fn zmq_setsockopt(
        s: *mut c_void,
        option: c_int,
        optval: *const c_void,
        optvallen: usize,
    ) -> c_int, or -1; {
        let mut socket = take(s)?;
        let value = if optval.is_null() {
            if optvallen > 0 {
                return Err(Errno::INVAL);
            }
            None
        } else {
            // SAFETY: the program's buffer of this size.
            Some(unsafe { crate::slice(optval, optvallen) }?)
        };
        super::set(&mut socket, option, value)?;
        Ok(0)
    }

    /// Reads an option.
    fn zmq_getsockopt(
        s: *mut c_void,
        option: c_int,
        optval: *mut c_void,
        optvallen: *mut usize,
    ) -> c_int, or -1; {
        let mut socket = take(s)?;
        // SAFETY: the program's number.
        let size = unsafe { optvallen.as_mut() }.ok_or(Errno::FAULT)?;
        if optval.is_null() || isize::try_from(*size).is_err() {
            return Err(Errno::INVAL);
        }
        // SAFETY: the program's buffer of this size, which is bytes whatever they are.
        let to = unsafe { std::slice::from_raw_parts_mut(optval.cast::<u8>(), *size) };
        *size = super::get(&mut socket, option, to)?;
        Ok(0)
    }
}
