//! The event stream of a socket.

use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Error, Socket};
use crate::sys::{self, event, socket_type};

/// One event of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorEvent {
    /// Which: one of [`sys::event`].
    pub event: u16,
    /// A file descriptor, an error number, an interval or a code, depending on the event.
    pub value: u32,
    /// The endpoint: our own for events of a bound one, the peer's otherwise.
    pub endpoint: String,
}

/// The events of one socket, from the moment it is made.
///
/// Read it: libzmq's I/O thread blocks when a thousand events lie unread. Dropping it stops the
/// reports before it closes the channel, which is the order that does not block either.
#[derive(Debug)]
pub struct Monitor<'s> {
    monitored: &'s Socket,
    events: Socket,
}

impl<'s> Monitor<'s> {
    pub(crate) fn start(monitored: &'s Socket, mask: u16) -> Result<Self, Error> {
        Self::start_version(monitored, u64::from(mask), 1)
    }

    pub(crate) fn start_version(
        monitored: &'s Socket,
        mask: u64,
        version: i32,
    ) -> Result<Self, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let endpoint = format!("inproc://monitor-{number}");
        let events = monitored.context().socket(socket_type::PAIR)?;
        let text = std::ffi::CString::new(endpoint.as_str()).expect("no NUL in a number");
        // SAFETY: a live socket and a NUL-terminated string.
        Error::check(unsafe {
            sys::zmq_socket_monitor_versioned(
                monitored.raw(),
                text.as_ptr(),
                mask,
                version,
                socket_type::PAIR,
            )
        })?;
        let monitor = Self { monitored, events };
        monitor.events.connect(&endpoint)?;
        Ok(monitor)
    }

    /// The next event, or `None` if none comes within `timeout`.
    ///
    /// # Errors
    /// [`Error::Terminated`] after the context's shutdown.
    ///
    /// # Panics
    /// If libzmq's report does not have the documented form.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<MonitorEvent>, Error> {
        let frames = match self.events.recv_timeout(timeout) {
            Err(Error::WouldBlock) => return Ok(None),
            result => result?,
        };
        let [head, endpoint] = frames.as_slice() else {
            panic!("monitor report {frames:?}")
        };
        let [e0, e1, v0, v1, v2, v3] = *head.as_slice() else {
            panic!("monitor report {head:?}")
        };
        Ok(Some(MonitorEvent {
            event: u16::from_ne_bytes([e0, e1]),
            value: u32::from_ne_bytes([v0, v1, v2, v3]),
            endpoint: String::from_utf8_lossy(endpoint).into_owned(),
        }))
    }

    /// The frames of the next report, whatever its version.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if `timeout` passes without one, [`Error::Terminated`] after the context's shutdown.
    pub fn recv_frames(&self, timeout: Duration) -> Result<Vec<Vec<u8>>, Error> {
        let frames = self.events.recv_timeout(timeout)?;
        Ok(frames.iter().map(|frame| frame.to_vec()).collect())
    }

    /// Waits for an event of the given kind and drops the others.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if `timeout` passes without any event,
    /// [`Error::Terminated`] after the context's shutdown.
    pub fn wait_for(&self, kind: u16, timeout: Duration) -> Result<MonitorEvent, Error> {
        loop {
            let event = self.recv_timeout(timeout)?.ok_or(Error::WouldBlock)?;
            if event.event == kind {
                return Ok(event);
            }
        }
    }

    /// Waits until a peer has shaken hands.
    ///
    /// # Errors
    /// As for [`wait_for`](Self::wait_for).
    pub fn wait_for_handshake(&self, timeout: Duration) -> Result<MonitorEvent, Error> {
        self.wait_for(event::HANDSHAKE_SUCCEEDED, timeout)
    }
}

impl Drop for Monitor<'_> {
    fn drop(&mut self) {
        // SAFETY: a live socket; a null endpoint stops its monitor. Failure means that the
        // context is terminating, which has stopped it already.
        unsafe { sys::zmq_socket_monitor(self.monitored.raw(), ptr::null(), 0) };
    }
}
