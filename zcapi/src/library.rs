//! The functions about the library itself.

use std::ffi::{CStr, c_char, c_int};

use crate::{
    entry::entries,
    errno::{self, Errno},
};

/// The version of libzmq whose interface this is.
const VERSION: [c_int; 3] = [4, 3, 5];

entries! {
    /// What the last call that has failed in this thread says about that.
    fn zmq_errno() -> c_int, or 0; {
        // SAFETY: the place is that of this thread.
        Ok(unsafe { *errno::place() })
    }

    /// The text for a number.
    fn zmq_strerror(errnum: c_int) -> *const c_char, or c"Unknown error".as_ptr(); {
        match Errno(errnum).text() {
            Some(text) => Ok(text.as_ptr()),
            // SAFETY: any number will do.
            None => Ok(unsafe { libc::strerror(errnum) }),
        }
    }

    /// The version of the interface.
    fn zmq_version(major: *mut c_int, minor: *mut c_int, patch: *mut c_int) -> (), or (); {
        for (to, part) in [major, minor, patch].into_iter().zip(VERSION) {
            // SAFETY: the program's variable, or null.
            if let Some(to) = unsafe { to.as_mut() } {
                *to = part;
            }
        }
        Ok(())
    }

    /// Whether the library can do something that not every build of libzmq can.
    fn zmq_has(capability: *const c_char) -> c_int, or 0; {
        if capability.is_null() {
            return Ok(0);
        }
        // SAFETY: the program's text.
        let capability = unsafe { CStr::from_ptr(capability) };
        // The draft functions are there; the draft sockets, which programs mean by "draft", are not.
        let capability = capability.to_bytes();
        let is_there = matches!(capability, b"ipc" | b"curve");
        Ok((is_there || capability == b"pgm" && cfg!(target_os = "linux")).into())
    }
}
