//! The socket.

use std::cell::Cell;
use std::ffi::{CString, c_int, c_void};
use std::time::Duration;

use super::{Context, Error, Monitor, Msg};
use crate::sys::{self, opt};

/// A libzmq socket.
///
/// It may move to another thread but not be shared by two. Dropping it closes it, which never
/// blocks; what it still has to send lingers in the context.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use zinterop::sys::socket_type::{PULL, PUSH};
/// use zinterop::zmq::Context;
///
/// # fn main() -> Result<(), zinterop::zmq::Error> {
/// let context = Context::new();
/// let pull = context.socket(PULL)?;
/// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
/// let push = context.socket(PUSH)?;
/// push.connect(&endpoint)?;
/// push.send(&["two", "frames"])?;
/// assert_eq!(pull.recv_timeout(Duration::from_secs(10))?, [b"two".as_slice(), b"frames"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Socket {
    raw: *mut c_void,
    /// SNDTIMEO and RCVTIMEO in ms, as last set: a test that waits with the same timeout again
    /// and again should not pay for an option call each time.
    send_timeout: Cell<c_int>,
    recv_timeout: Cell<c_int>,
    // Kept to the end: the context must not be terminated before the socket is closed.
    context: Context,
}

// SAFETY: libzmq allows a socket to migrate between threads with a full fence, which any safe
// way to move a value in Rust has. It is not Sync because of the raw pointer, as it should be.
unsafe impl Send for Socket {}

impl Socket {
    /// Takes over a socket that `zmq_socket` has just made in `context`.
    pub(crate) fn from_raw(raw: *mut c_void, context: Context) -> Self {
        Self {
            raw,
            send_timeout: Cell::new(-1),
            recv_timeout: Cell::new(-1),
            context,
        }
    }

    pub(crate) fn raw(&self) -> *mut c_void {
        self.raw
    }

    /// The context that this socket belongs to.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    // ---- endpoints

    /// Binds and returns the endpoint with wildcards resolved (`LAST_ENDPOINT`).
    ///
    /// # Errors
    /// [`Error::AddressInUse`], [`Error::InvalidArgument`], or what the system says.
    pub fn bind(&self, endpoint: &str) -> Result<String, Error> {
        let text = c_string(endpoint)?;
        // SAFETY: a live socket and a NUL-terminated string.
        Error::check(unsafe { sys::zmq_bind(self.raw, text.as_ptr()) })?;
        self.last_endpoint()
    }

    /// Connects, now or whenever a peer is there.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a malformed endpoint; an absent peer is no error.
    pub fn connect(&self, endpoint: &str) -> Result<(), Error> {
        let text = c_string(endpoint)?;
        // SAFETY: a live socket and a NUL-terminated string.
        Error::check(unsafe { sys::zmq_connect(self.raw, text.as_ptr()) })?;
        Ok(())
    }

    /// Stops accepting on an endpoint and closes what it has accepted.
    ///
    /// # Errors
    /// [`Error::NoSuchEndpoint`] if the socket is not bound to it.
    pub fn unbind(&self, endpoint: &str) -> Result<(), Error> {
        let text = c_string(endpoint)?;
        // SAFETY: a live socket and a NUL-terminated string.
        Error::check(unsafe { sys::zmq_unbind(self.raw, text.as_ptr()) })?;
        Ok(())
    }

    /// Gives up a connection; what was queued for it lingers.
    ///
    /// # Errors
    /// [`Error::NoSuchEndpoint`] if the socket is not connected to it.
    pub fn disconnect(&self, endpoint: &str) -> Result<(), Error> {
        let text = c_string(endpoint)?;
        // SAFETY: a live socket and a NUL-terminated string.
        Error::check(unsafe { sys::zmq_disconnect(self.raw, text.as_ptr()) })?;
        Ok(())
    }

    /// The endpoint of the last bind or connect.
    ///
    /// # Errors
    /// [`Error::Terminated`] after the context's shutdown.
    pub fn last_endpoint(&self) -> Result<String, Error> {
        let mut bytes = self.option_bytes(opt::LAST_ENDPOINT)?;
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    // ---- options

    /// Sets an option of C type `int` (most of [`opt`]).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the option, its type or the value is wrong.
    pub fn set_int(&self, option: c_int, value: c_int) -> Result<(), Error> {
        match option {
            opt::SNDTIMEO => self.send_timeout.set(value),
            opt::RCVTIMEO => self.recv_timeout.set(value),
            _ => {}
        }
        self.set_bytes(option, &value.to_ne_bytes())
    }

    /// Sets an option of C type `int64_t` or `uint64_t`: `AFFINITY`, `MAXMSGSIZE`.
    ///
    /// # Errors
    /// As for [`set_int`](Self::set_int).
    pub fn set_i64(&self, option: c_int, value: i64) -> Result<(), Error> {
        self.set_bytes(option, &value.to_ne_bytes())
    }

    /// Sets an option that is a byte string: routing ids, subscriptions, keys, …
    ///
    /// # Errors
    /// As for [`set_int`](Self::set_int).
    pub fn set_bytes(&self, option: c_int, value: &[u8]) -> Result<(), Error> {
        // SAFETY: a live socket, and a buffer of the stated length that libzmq copies from.
        Error::check(unsafe {
            sys::zmq_setsockopt(self.raw, option, value.as_ptr().cast(), value.len())
        })?;
        Ok(())
    }

    /// Reads an option of C type `int`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the option or its type is wrong.
    pub fn option_int(&self, option: c_int) -> Result<c_int, Error> {
        let mut bytes = [0; size_of::<c_int>()];
        self.read_option(option, &mut bytes)?;
        Ok(c_int::from_ne_bytes(bytes))
    }

    /// Reads an option of C type `int64_t` or `uint64_t`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the option or its type is wrong.
    pub fn option_i64(&self, option: c_int) -> Result<i64, Error> {
        let mut bytes = [0; size_of::<i64>()];
        self.read_option(option, &mut bytes)?;
        Ok(i64::from_ne_bytes(bytes))
    }

    /// Reads an option that is a string of at most 1 KiB; texts come with their final NUL.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if the option or its type is wrong.
    pub fn option_bytes(&self, option: c_int) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; 1024];
        let len = self.read_option(option, &mut bytes)?;
        bytes.truncate(len);
        Ok(bytes)
    }

    fn read_option(&self, option: c_int, room: &mut [u8]) -> Result<usize, Error> {
        let mut len = room.len();
        // SAFETY: a live socket, and a buffer of the stated length for libzmq to write to.
        Error::check(unsafe {
            sys::zmq_getsockopt(self.raw, option, room.as_mut_ptr().cast(), &raw mut len)
        })?;
        Ok(len)
    }

    // ---- whole messages

    /// Sends a message of one or more frames, waiting as long as `SNDTIMEO` says.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] at the end of the timeout, [`Error::WrongState`],
    /// [`Error::NotSupported`], [`Error::HostUnreachable`], [`Error::Terminated`].
    /// Whether a message is accepted is decided at its first frame.
    ///
    /// # Panics
    /// If there are no frames.
    pub fn send<F: AsRef<[u8]>>(&self, frames: &[F]) -> Result<(), Error> {
        self.send_frames(frames, 0)
    }

    /// Sends a message if that is possible at once.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    ///
    /// # Panics
    /// If there are no frames.
    pub fn try_send<F: AsRef<[u8]>>(&self, frames: &[F]) -> Result<(), Error> {
        self.send_frames(frames, sys::DONTWAIT)
    }

    /// Sends a message, waiting for at most `timeout` (to the millisecond, rounded up).
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    ///
    /// # Panics
    /// If there are no frames.
    pub fn send_timeout<F: AsRef<[u8]>>(
        &self,
        frames: &[F],
        timeout: Duration,
    ) -> Result<(), Error> {
        let ms = millis(timeout);
        if self.send_timeout.get() != ms {
            self.set_int(opt::SNDTIMEO, ms)?;
        }
        self.send_frames(frames, 0)
    }

    /// Receives a message, waiting as long as `RCVTIMEO` says.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] at the end of the timeout, [`Error::WrongState`],
    /// [`Error::NotSupported`], [`Error::Terminated`].
    pub fn recv(&self) -> Result<Vec<Vec<u8>>, Error> {
        self.recv_frames(0)
    }

    /// Receives a message if there is one.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub fn try_recv(&self) -> Result<Vec<Vec<u8>>, Error> {
        self.recv_frames(sys::DONTWAIT)
    }

    /// Receives a message, waiting for at most `timeout` (to the millisecond, rounded up).
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Vec<Vec<u8>>, Error> {
        let ms = millis(timeout);
        if self.recv_timeout.get() != ms {
            self.set_int(opt::RCVTIMEO, ms)?;
        }
        self.recv_frames(0)
    }

    fn send_frames<F: AsRef<[u8]>>(&self, frames: &[F], flags: c_int) -> Result<(), Error> {
        let (last, front) = frames
            .split_last()
            .expect("a message has at least one frame");
        for frame in front {
            self.send_buf(frame.as_ref(), flags | sys::SNDMORE)?;
        }
        self.send_buf(last.as_ref(), flags)
    }

    fn recv_frames(&self, flags: c_int) -> Result<Vec<Vec<u8>>, Error> {
        let mut msg = Msg::new();
        let mut frames = Vec::new();
        loop {
            self.recv_msg(&mut msg, flags)?;
            frames.push(msg.as_slice().to_vec());
            // A message arrives whole, so from here on nothing waits.
            if !msg.more() {
                return Ok(frames);
            }
        }
    }

    // ---- single frames

    /// Sends one frame, copied from `body`, with the C `flags` of [`sys`]: [`sys::DONTWAIT`],
    /// [`sys::SNDMORE`].
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_buf(&self, body: &[u8], flags: c_int) -> Result<(), Error> {
        retry(|| {
            // SAFETY: a live socket, and a buffer of the stated length that libzmq copies from.
            unsafe { sys::zmq_send(self.raw, body.as_ptr().cast(), body.len(), flags) }
        })?;
        Ok(())
    }

    /// Receives one frame into `room` and returns its full length. What does not fit is lost.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub fn recv_buf(&self, room: &mut [u8], flags: c_int) -> Result<usize, Error> {
        let len = retry(|| {
            // SAFETY: a live socket, and a buffer of the stated length for libzmq to write to.
            unsafe { sys::zmq_recv(self.raw, room.as_mut_ptr().cast(), room.len(), flags) }
        })?;
        Ok(len.unsigned_abs() as usize)
    }

    /// Sends a message object as one frame. It is empty afterwards, unless this fails.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_msg(&self, msg: &mut Msg, flags: c_int) -> Result<(), Error> {
        // SAFETY: a live socket and an initialised message.
        retry(|| unsafe { sys::zmq_msg_send(msg.raw_for_send(), self.raw, flags) })?;
        Ok(())
    }

    /// Receives one frame into a message object, releasing what it held.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub fn recv_msg(&self, msg: &mut Msg, flags: c_int) -> Result<(), Error> {
        // SAFETY: a live socket and an initialised message.
        retry(|| unsafe { sys::zmq_msg_recv(msg.raw_for_recv(), self.raw, flags) })?;
        Ok(())
    }

    // ---- events

    /// Watches this socket's connections; `events` is a mask of [`sys::event`].
    ///
    /// A second monitor replaces the first.
    ///
    /// # Errors
    /// [`Error::Terminated`], or [`Error::Other`] (`EMFILE`) beyond the limit of sockets.
    pub fn monitor(&self, events: u16) -> Result<Monitor<'_>, Error> {
        Monitor::start(self, events)
    }

    /// Likewise, with frames of version 2 (draft): read them with [`Monitor::recv_frames`].
    ///
    /// # Errors
    /// As for [`monitor`](Self::monitor).
    pub fn monitor_v2(&self, events: u64) -> Result<Monitor<'_>, Error> {
        Monitor::start_version(self, events, 2)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: a live socket, which nothing can use any more.
        let result = unsafe { sys::zmq_close(self.raw) };
        debug_assert_eq!(result, 0, "zmq_close only fails on a dead socket");
    }
}

/// Calls again as long as a signal interrupts it. Timeouts start anew then, which is good
/// enough for tests.
fn retry(mut call: impl FnMut() -> c_int) -> Result<c_int, Error> {
    loop {
        match Error::check(call()) {
            Err(Error::Interrupted) => {}
            result => return result,
        }
    }
}

fn c_string(endpoint: &str) -> Result<CString, Error> {
    CString::new(endpoint).map_err(|_| Error::InvalidArgument)
}

/// Whole milliseconds, rounded up: a timeout must not become shorter, nor a short one zero.
pub(crate) fn millis(timeout: Duration) -> c_int {
    c_int::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_rounded_up() {
        assert_eq!(millis(Duration::ZERO), 0);
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::from_micros(1001)), 2);
        assert_eq!(millis(Duration::MAX), c_int::MAX);
    }
}
