//! Watching what happens to a socket's connections.

mod forwarder;
mod snapshot;

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::{FusedStream, Stream};
use zpipe::Notifier;
use ztransport::{Arrived, Event, EventReceiver, InputPoll};

pub use self::{
    forwarder::{FrameVersion, MonitorForwarder},
    snapshot::MonitorSnapshot,
};
use crate::{Error, Interest, Pollable, socket::Sealed};

/// A stream of [`Event`]s of one socket, made by [`Socket::monitor`](crate::Socket::monitor). A socket may have several.
///
/// Events of one connection come in the order in which they happened. Their last one, after the socket is closed and what it
/// had left behind is sent, is [`Event::MonitorStopped`].
///
/// It is bounded: it holds up to 4,096 events, and takes memory only for those that it holds. One that is not read misses
/// events, and never slows the socket down. How many it has missed it tells in their place, with
/// [`Event::Lagged`]; [`SocketStats::monitor_lagged`](crate::SocketStats::monitor_lagged) counts them, too.
///
/// It is independent of its socket: it may be read by another thread or task, and a `zpoll::Poller` waits for it as for a
/// socket. Of connections over inproc there are no events.
///
/// # Examples
///
/// ```
/// use zsocket::{Context, Event, Pull};
///
/// let context = Context::new();
/// let pull = context.socket::<Pull>()?;
/// let monitor = pull.monitor();
/// let bound = pull.bind("tcp://127.0.0.1:*")?;
/// let Some(Event::Listening { endpoint, .. }) = monitor.recv() else { panic!() };
/// assert_eq!(endpoint, bound);
/// drop(pull);
/// assert!(matches!(monitor.recv(), Some(Event::ListenerClosed { .. })));
/// assert!(matches!(monitor.recv(), Some(Event::MonitorStopped)));
/// assert!(monitor.recv().is_none());
/// # Ok::<(), zsocket::Error>(())
/// ```
#[derive(Debug)]
pub struct Monitor {
    events: EventReceiver,
    /// The stream has ended.
    is_over: bool,
}

/// Events that a monitor holds until they are read.
pub(crate) const CAPACITY: usize = 4096;

impl Monitor {
    pub(crate) fn new(events: EventReceiver) -> Self {
        Self {
            events,
            is_over: false,
        }
    }

    /// Waits for the next event; `None` after the last one. On an I/O thread, which foreign code may find itself on, it does
    /// not wait.
    #[must_use]
    pub fn recv(&self) -> Option<Event> {
        self.events.recv()
    }

    /// Waits for the next event; `None` when the time is over, and after the last one. On an I/O thread it does not wait.
    #[must_use]
    pub fn recv_timeout(&self, timeout: Duration) -> Option<Event> {
        self.events.recv_timeout(timeout)
    }

    /// The next event, if there is one.
    #[must_use]
    pub fn try_recv(&self) -> Option<Event> {
        self.events.try_recv()
    }

    /// Whether the last event was taken: there will never be another.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.events.is_over()
    }

    /// Waits for the next event without blocking the thread, under any executor; `None` after the last one.
    ///
    /// # Cancel safety
    ///
    /// Safe: the future holds no event. One that is dropped before it is ready has taken none, and leaves no waker behind.
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, Event, Pull};
    ///
    /// # smol::block_on(async {
    /// let pull = Context::new().socket::<Pull>()?;
    /// let mut monitor = pull.monitor();
    /// pull.bind("tcp://127.0.0.1:*")?;
    /// assert!(matches!(monitor.recv_async().await, Some(Event::Listening { .. })));
    /// # Ok::<(), zsocket::Error>(())
    /// # })?;
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    pub async fn recv_async(&mut self) -> Option<Event> {
        /// What is cancelled leaves no waker behind.
        struct Waiting<'a>(&'a mut EventReceiver);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.unregister();
            }
        }
        let waiting = Waiting(&mut self.events);
        poll_fn(|context| waiting.0.poll_recv(context)).await
    }

    /// Turns it into a source of the messages that libzmq's monitors send: see [`MonitorForwarder`].
    #[must_use]
    pub fn forward(self, version: FrameVersion) -> MonitorForwarder {
        MonitorForwarder::new(self, version)
    }
}

impl Stream for Monitor {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let next = self.events.poll_recv(context);
        self.is_over |= matches!(next, Poll::Ready(None));
        next
    }
}

impl FusedStream for Monitor {
    fn is_terminated(&self) -> bool {
        self.is_over
    }
}

impl Sealed for Monitor {}

/// For pollers: it can receive, and never send. After the last event it stays ready, so that whoever looks finds out.
impl Pollable for Monitor {
    fn readiness(&self, interest: Interest) -> Interest {
        if interest.contains(Interest::RECV) && self.events.is_ready() {
            return Interest::RECV;
        }
        Interest::NONE
    }

    fn watch(&self, by: Notifier) -> Result<(), Error> {
        if self.events.watch(by) {
            return Ok(());
        }
        Err(Error::Watched)
    }

    fn unwatch(&self) {
        self.events.unwatch();
    }

    /// It has no streams, now or later, that somebody could read.
    fn lead(&self, _: &mut Option<InputPoll>, _: u64) -> bool {
        true
    }

    fn read_stream(&self, _: Arrived) {}
}
