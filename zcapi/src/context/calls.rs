//! The functions on contexts.

use std::{
    ffi::{c_int, c_void},
    ptr,
};

use super::{CONTEXTS, Context, find};
use crate::{entry::entries, errno::Errno};

/// Ends a context and waits for that.
fn term(handle: *mut c_void) -> Result<c_int, Errno> {
    let context = find(handle)?;
    if context.process.is_forked() {
        // It is the parent's; here it is only forgotten.
        std::mem::forget(CONTEXTS.remove(handle));
        std::mem::forget(context);
        return Ok(0);
    }
    context.shut_down();
    context.wait_ended()?;
    CONTEXTS.remove(handle);
    Ok(0)
}

fn with_threads(io_threads: c_int) -> Result<*mut c_void, Errno> {
    let context = Context::new();
    context.set(1, io_threads)?;
    Ok(CONTEXTS.insert(context))
}

entries! {
    /// Makes a context. It has no threads until its first socket is made.
    fn zmq_ctx_new() -> *mut c_void, or ptr::null_mut(); {
        Ok(CONTEXTS.insert(Context::new()))
    }

    /// Ends a context: waits until its sockets are closed and what they had queued is sent or their time to linger is over.
    fn zmq_ctx_term(context: *mut c_void) -> c_int, or -1; {
        term(context)
    }

    /// The same by an earlier name.
    fn zmq_ctx_destroy(context: *mut c_void) -> c_int, or -1; {
        term(context)
    }

    /// The same by the first name.
    fn zmq_term(context: *mut c_void) -> c_int, or -1; {
        term(context)
    }

    /// Makes every call on the context's sockets fail, and waits for nothing.
    fn zmq_ctx_shutdown(context: *mut c_void) -> c_int, or -1; {
        find(context)?.shut_down();
        Ok(0)
    }

    /// Makes a context with so many I/O threads.
    fn zmq_init(io_threads: c_int) -> *mut c_void, or ptr::null_mut(); {
        with_threads(io_threads)
    }

    /// Sets an option.
    fn zmq_ctx_set(context: *mut c_void, option: c_int, optval: c_int) -> c_int, or -1; {
        find(context)?.set(option, optval)?;
        Ok(0)
    }

    /// Reads an option.
    fn zmq_ctx_get(context: *mut c_void, option: c_int) -> c_int, or -1; {
        find(context)?.settings.lock().get(option)
    }

    /// Sets an option by bytes.
    fn zmq_ctx_set_ext(
        context: *mut c_void,
        option: c_int,
        optval: *const c_void,
        optvallen: usize,
    ) -> c_int, or -1; {
        let context = find(context)?;
        // SAFETY: the program's buffer of this size.
        let value = unsafe { crate::slice(optval, optvallen) }?;
        context.settings.lock().set_bytes(option, value)?;
        Ok(0)
    }

    /// Reads an option into a buffer.
    fn zmq_ctx_get_ext(
        context: *mut c_void,
        option: c_int,
        optval: *mut c_void,
        optvallen: *mut usize,
    ) -> c_int, or -1; {
        let context = find(context)?;
        if optval.is_null() || optvallen.is_null() {
            return Err(Errno::INVAL);
        }
        // SAFETY: the program's buffer, and its size.
        unsafe { context.settings.lock().get_bytes(option, optval, *optvallen) }?;
        Ok(0)
    }
}
