//! Threads, and how time goes by.

use std::{
    ffi::{c_int, c_ulong, c_void},
    ptr,
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use crate::{entry::entries, errno::Errno, signals::Blocked};

/// What a thread does.
#[allow(non_camel_case_types, reason = "its name in C")]
pub type zmq_thread_fn = unsafe extern "C" fn(arg: *mut c_void);

/// What the program gives to its thread.
struct Argument(*mut c_void);

// SAFETY: it is for that thread, says the program.
unsafe impl Send for Argument {}

/// The clock of a handle.
///
/// # Safety
///
/// The pointer is null, or was returned by `zmq_stopwatch_start` and not stopped.
unsafe fn elapsed(watch: *mut c_void) -> Result<c_ulong, Errno> {
    // SAFETY: the caller has promised that.
    let start = unsafe { watch.cast::<Instant>().as_ref() }.ok_or(Errno::FAULT)?;
    Ok(c_ulong::try_from(start.elapsed().as_micros()).unwrap_or(c_ulong::MAX))
}

entries! {
    /// Starts a thread, which takes no signals.
    fn zmq_threadstart(func: Option<zmq_thread_fn>, arg: *mut c_void) -> *mut c_void, or ptr::null_mut(); {
        let func = func.ok_or(Errno::FAULT)?;
        let argument = Argument(arg);
        let _blocked = Blocked::new();
        let thread = Builder::new().name("zmq-thread".to_owned()).spawn(move || {
            let Argument(argument) = { argument };
            // SAFETY: the program's function with its argument.
            unsafe { func(argument) };
        })?;
        Ok(Box::into_raw(Box::new(thread)).cast())
    }

    /// Waits until a thread has ended.
    fn zmq_threadclose(thread: *mut c_void) -> (), or (); {
        if thread.is_null() {
            return Err(Errno::FAULT);
        }
        // SAFETY: it was made above, and is not used again.
        let thread = unsafe { Box::from_raw(thread.cast::<JoinHandle<()>>()) };
        // It cannot have panicked: its function is C's.
        let _ = thread.join();
        Ok(())
    }

    /// Sleeps for seconds.
    fn zmq_sleep(seconds: c_int) -> (), or (); {
        if let Ok(seconds) = u64::try_from(seconds) {
            std::thread::sleep(Duration::from_secs(seconds));
        }
        Ok(())
    }

    /// Starts a clock.
    fn zmq_stopwatch_start() -> *mut c_void, or ptr::null_mut(); {
        Ok(Box::into_raw(Box::new(Instant::now())).cast())
    }

    /// Microseconds since it was started.
    fn zmq_stopwatch_intermediate(watch: *mut c_void) -> c_ulong, or 0; {
        // SAFETY: the program's clock.
        unsafe { elapsed(watch) }
    }

    /// Likewise, and frees it.
    fn zmq_stopwatch_stop(watch: *mut c_void) -> c_ulong, or 0; {
        // SAFETY: the program's clock.
        let elapsed = unsafe { elapsed(watch) }?;
        // SAFETY: it was made above, and is not used again.
        drop(unsafe { Box::from_raw(watch.cast::<Instant>()) });
        Ok(elapsed)
    }
}
