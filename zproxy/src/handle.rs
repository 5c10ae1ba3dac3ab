//! Steering a proxy from other threads.

use std::{fmt, sync::Arc, thread};

use zpipe::Guarded;
use zpoll::PollWaker;

use crate::{Ended, Error, ProxyStatistics};

/// Steers a [`Proxy`](crate::Proxy), from any thread, before it runs and while it does, whatever its sockets are blocked by. None of
/// the methods waits for the proxy.
///
/// # Examples
///
/// See [`Proxy::spawn`](crate::Proxy::spawn).
#[derive(Clone)]
pub struct ProxyHandle(Arc<Guarded<Shared>>);

/// What a proxy and its handles share: the latest state, so nothing queues up.
#[derive(Default)]
struct Shared {
    /// It is to be paused.
    pause: bool,
    /// It is.
    paused: bool,
    terminated: bool,
    ended: bool,
    statistics: ProxyStatistics,
    /// Of the poller that it waits with, while it runs.
    waker: Option<PollWaker>,
}

/// What the proxy is to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orders {
    Forward,
    Pause,
    Terminate,
}

impl ProxyHandle {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Guarded::new(Shared::default())))
    }

    /// Has the proxy forward nothing more until it is [resumed](Self::resume). What comes in waits, and when pipes are full their
    /// peers do. A few messages that it is at may still go out, until it [is paused](Self::is_paused).
    pub fn pause(&self) {
        self.order(|shared| shared.pause = true);
    }

    /// Has the proxy go on.
    pub fn resume(&self) {
        self.order(|shared| shared.pause = false);
    }

    /// Ends the proxy. What it has received it has also sent; what waits in its sockets stays there, for a next proxy if the
    /// sockets are only lent.
    pub fn terminate(&self) {
        self.order(|shared| shared.terminated = true);
    }

    /// What was forwarded until the proxy last looked for orders, which it does before it waits and after each
    /// [budget](crate::Proxy::budget).
    #[must_use]
    pub fn statistics(&self) -> ProxyStatistics {
        self.0.lock().statistics
    }

    /// Whether the proxy runs and is paused, by a handle or by its control socket: from then on it forwards nothing until it is
    /// resumed.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.0.lock().paused
    }

    /// Whether the proxy has run and ended, for whatever reason.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.lock().ended
    }

    fn order(&self, change: impl FnOnce(&mut Shared)) {
        let waker = {
            let mut shared = self.0.lock();
            change(&mut shared);
            shared.waker.clone()
        };
        // That may be a system call.
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    // ---- For the proxy ----

    /// The proxy runs from now on, until what this returns is dropped.
    pub(crate) fn begin(&self, waker: PollWaker) -> Running<'_> {
        self.0.lock().waker = Some(waker);
        Running(self)
    }

    /// Tells what was done, and hears what is to be done.
    pub(crate) fn report(&self, statistics: &ProxyStatistics) -> Orders {
        let mut shared = self.0.lock();
        shared.statistics = *statistics;
        shared.paused = shared.pause;
        if shared.terminated {
            Orders::Terminate
        } else if shared.paused {
            Orders::Pause
        } else {
            Orders::Forward
        }
    }

    /// The control socket pauses or resumes.
    pub(crate) fn set_paused(&self, paused: bool) {
        self.0.lock().pause = paused;
    }
}

/// Ends with the proxy, also if that panics.
pub(crate) struct Running<'a>(&'a ProxyHandle);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut shared = self.0.0.lock();
        shared.ended = true;
        shared.paused = false;
        shared.waker = None;
    }
}

impl fmt::Debug for ProxyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyHandle")
            .field("paused", &self.is_paused())
            .field("ended", &self.has_ended())
            .finish_non_exhaustive()
    }
}

/// A proxy that runs on a thread of its own. Dropping this lets it run on.
#[derive(Debug)]
pub struct ProxyThread {
    pub(crate) handle: ProxyHandle,
    pub(crate) thread: thread::JoinHandle<Result<Ended, Error>>,
}

impl ProxyThread {
    /// Steers it.
    #[must_use]
    pub fn handle(&self) -> &ProxyHandle {
        &self.handle
    }

    /// Whether it has ended, so that [`join`](Self::join) returns at once.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until the proxy has ended, and says why.
    ///
    /// # Errors
    ///
    /// As [`Proxy::run`](crate::Proxy::run); [`Error::Panicked`].
    pub fn join(self) -> Result<Ended, Error> {
        self.thread.join().unwrap_or(Err(Error::Panicked))
    }
}
