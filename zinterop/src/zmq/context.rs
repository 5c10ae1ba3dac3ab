//! The context, and what belongs to the library as a whole.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::Arc;
use std::thread;

use super::{Error, Socket};
use crate::sys;

/// The version of the library: major, minor, patch.
#[must_use]
pub fn version() -> (i32, i32, i32) {
    let (mut major, mut minor, mut patch) = (0, 0, 0);
    // SAFETY: three pointers to live integers.
    unsafe { sys::zmq_version(&raw mut major, &raw mut minor, &raw mut patch) };
    (major, minor, patch)
}

/// Whether the library was built with a capability: `ipc`, `curve`, `draft`, `WS`, …
///
/// # Panics
/// If the name holds a NUL.
#[must_use]
pub fn has(capability: &str) -> bool {
    let name = CString::new(capability).expect("a capability's name holds no NUL");
    // SAFETY: a NUL-terminated string that outlives the call.
    unsafe { sys::zmq_has(name.as_ptr()) == 1 }
}

/// A fresh CURVE key pair, public and secret, as Z85 text of 40 characters each.
///
/// # Errors
/// [`Error::NotSupported`] if the library was built without CURVE.
pub fn curve_keypair() -> Result<(String, String), Error> {
    const LEN: usize = 41;
    let mut public: [c_char; LEN] = [0; LEN];
    let mut secret: [c_char; LEN] = [0; LEN];
    // SAFETY: the two buffers have the 41 bytes that the function writes.
    Error::check(unsafe { sys::zmq_curve_keypair(public.as_mut_ptr(), secret.as_mut_ptr()) })?;
    let text = |key: &[c_char; LEN]| {
        // SAFETY: on success both buffers hold a NUL-terminated text.
        unsafe { CStr::from_ptr(key.as_ptr()) }
            .to_string_lossy()
            .into_owned()
    };
    Ok((text(&public), text(&secret)))
}

/// A libzmq context: I/O threads and the sockets that they serve.
///
/// A handle: clones name the same context, and every [`Socket`] holds one. When the last of
/// them goes, the context is terminated, which **waits** until the messages of closed sockets
/// are delivered or their linger period is over. During a panic it is only shut down, not
/// waited for, so that a failed test says why instead of hanging.
#[derive(Debug, Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    raw: *mut c_void,
}

// SAFETY: libzmq's contexts are documented to be thread-safe.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Context {
    /// A context with libzmq's defaults: one I/O thread, 1023 sockets.
    ///
    /// # Panics
    /// If the process is out of memory or file descriptors.
    #[must_use]
    pub fn new() -> Self {
        // SAFETY: no preconditions.
        let raw = unsafe { sys::zmq_ctx_new() };
        assert!(!raw.is_null(), "zmq_ctx_new: {}", Error::last());
        Self {
            inner: Arc::new(Inner { raw }),
        }
    }

    /// Sets one of [`sys::ctx_opt`]; those about threads must come before the first socket.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown option or a value out of range.
    pub fn set(&self, option: c_int, value: c_int) -> Result<(), Error> {
        // SAFETY: the context lives as long as `inner`.
        Error::check(unsafe { sys::zmq_ctx_set(self.inner.raw, option, value) })?;
        Ok(())
    }

    /// Reads one of [`sys::ctx_opt`].
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown option.
    pub fn get(&self, option: c_int) -> Result<c_int, Error> {
        // SAFETY: the context lives as long as `inner`.
        Error::check(unsafe { sys::zmq_ctx_get(self.inner.raw, option) })
    }

    /// A socket of one of [`sys::socket_type`].
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown type, [`Error::Terminated`] after
    /// [`shutdown`](Self::shutdown), [`Error::Other`] (`EMFILE`) beyond the limit of sockets.
    pub fn socket(&self, kind: c_int) -> Result<Socket, Error> {
        // SAFETY: the context lives as long as `inner`, and the socket holds a clone of it.
        let raw = unsafe { sys::zmq_socket(self.inner.raw, kind) };
        if raw.is_null() {
            Err(Error::last())
        } else {
            Ok(Socket::from_raw(raw, self.clone()))
        }
    }

    /// Makes every call on the context's sockets fail with [`Error::Terminated`], waking those
    /// that wait. Does not block.
    pub fn shutdown(&self) {
        // SAFETY: the context lives as long as `inner`. It cannot fail on a live context.
        unsafe { sys::zmq_ctx_shutdown(self.inner.raw) };
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if thread::panicking() {
            // SAFETY: the context is live; it is leaked, so nothing can use it after a free.
            unsafe { sys::zmq_ctx_shutdown(self.raw) };
            return;
        }
        // SAFETY: nobody else holds this context, and every socket holds a clone, so all are
        // closed. EINTR means that termination goes on and must be called again.
        while unsafe { sys::zmq_ctx_term(self.raw) } == -1 && Error::last() == Error::Interrupted {}
    }
}
