//! Counters that threads may share.

use std::{
    ffi::{c_int, c_void},
    ptr,
    sync::atomic::{AtomicI32, Ordering},
};

use crate::{entry::entries, errno::Errno};

/// The counter of a handle.
///
/// # Safety
///
/// The pointer is null, or was returned by `zmq_atomic_counter_new` and not destroyed.
unsafe fn counter<'a>(handle: *mut c_void) -> Result<&'a AtomicI32, Errno> {
    // SAFETY: the caller has promised that.
    unsafe { handle.cast::<AtomicI32>().as_ref() }.ok_or(Errno::FAULT)
}

entries! {
    /// Makes a counter of zero.
    fn zmq_atomic_counter_new() -> *mut c_void, or ptr::null_mut(); {
        Ok(Box::into_raw(Box::new(AtomicI32::new(0))).cast())
    }

    /// Sets it.
    fn zmq_atomic_counter_set(counter_: *mut c_void, value: c_int) -> (), or (); {
        // SAFETY: the program's counter.
        unsafe { counter(counter_) }?.store(value, Ordering::SeqCst);
        Ok(())
    }

    /// Adds one, and says what it was before.
    fn zmq_atomic_counter_inc(counter_: *mut c_void) -> c_int, or 0; {
        // SAFETY: the program's counter.
        Ok(unsafe { counter(counter_) }?.fetch_add(1, Ordering::SeqCst))
    }

    /// Takes one off; 0 if it is zero then, and 1 otherwise.
    fn zmq_atomic_counter_dec(counter_: *mut c_void) -> c_int, or 0; {
        // SAFETY: the program's counter.
        let before = unsafe { counter(counter_) }?.fetch_sub(1, Ordering::SeqCst);
        Ok((before != 1).into())
    }

    /// What it is.
    fn zmq_atomic_counter_value(counter_: *mut c_void) -> c_int, or 0; {
        // SAFETY: the program's counter.
        Ok(unsafe { counter(counter_) }?.load(Ordering::SeqCst))
    }

    /// Frees it, and makes the pointer null.
    fn zmq_atomic_counter_destroy(counter_p: *mut *mut c_void) -> (), or (); {
        // SAFETY: the program's variable.
        let handle = unsafe { counter_p.as_mut() }.ok_or(Errno::FAULT)?;
        let counter = std::mem::replace(handle, ptr::null_mut());
        if !counter.is_null() {
            // SAFETY: it was made above, and is not used again.
            drop(unsafe { Box::from_raw(counter.cast::<AtomicI32>()) });
        }
        Ok(())
    }
}
