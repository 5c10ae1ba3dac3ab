//! Watching what happens to a socket's connections.

use std::time::Duration;

use ztransport::{Event, EventReceiver};

/// A stream of [`Event`]s of one socket, made by [`Socket::monitor`](crate::Socket::monitor).
///
/// It is bounded. A monitor that is not read misses events, which
/// [`SocketStats::monitor_lagged`](crate::SocketStats::monitor_lagged) counts; it never slows the
/// socket down.
#[derive(Debug)]
pub struct Monitor {
    events: EventReceiver,
}

/// Events that a monitor holds until they are read.
pub(crate) const CAPACITY: usize = 4096;

impl Monitor {
    pub(crate) fn new(events: EventReceiver) -> Self {
        Self { events }
    }

    /// Waits for the next event; `None` when the time is over or the socket is gone.
    #[must_use]
    pub fn recv_timeout(&self, timeout: Duration) -> Option<Event> {
        self.events.recv_timeout(timeout)
    }

    /// The next event, if there is one.
    #[must_use]
    pub fn try_recv(&self) -> Option<Event> {
        self.events.try_recv()
    }
}
