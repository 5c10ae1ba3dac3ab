//! The socket: typed by its pattern, blocking by default.

mod asynchronous;
mod builder;
mod driven;
mod forward;
mod monitored;
mod options;
mod peers;
mod polled;
mod publishing;
mod readiness;
mod recv;
mod send;
mod stream;
mod turn;

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use zmtp::SocketType;
use ztransport::{Endpoint, IntoEndpoint, OwnedDescriptor};

pub(crate) use self::{
    asynchronous::{Lend, poll_lent},
    driven::{Step, polled},
    polled::Sealed,
    turn::Turn,
};
pub use self::{builder::SocketBuilder, forward::Capture, polled::Pollable, recv::Messages};
use crate::{
    CloseReport, Error, Pattern, SocketStats,
    core::{Core, Use},
    pattern::State,
};

/// A socket of one messaging pattern.
///
/// A socket may be moved to another thread but not shared between threads: give each thread its own.
/// Sharing does not compile:
///
/// ```compile_fail
/// let socket = zsocket::Context::new().socket::<zsocket::Push>().unwrap();
/// std::thread::scope(|scope| { scope.spawn(|| socket.send("no")); });
/// ```
///
/// Nor does the direction that a pattern lacks:
///
/// ```compile_fail
/// zsocket::Context::new().socket::<zsocket::Push>().unwrap().recv();
/// ```
///
/// Dropping a socket closes it: see [`close`](Self::close).
///
/// # Examples
///
/// ```
/// use zsocket::{Context, Rep, Req};
///
/// let context = Context::new();
/// let server = context.socket::<Rep>()?;
/// let endpoint = server.bind("tcp://127.0.0.1:*")?;
/// std::thread::spawn(move || -> Result<(), zsocket::Error> {
///     let request = server.recv()?;
///     server.send(request)?;
///     Ok(())
/// });
/// let client = context.socket::<Req>()?;
/// client.connect(&endpoint)?;
/// client.send("echo")?;
/// assert_eq!(client.recv()?[0], "echo");
/// # Ok::<(), zsocket::Error>(())
/// ```
pub struct Socket<P: Pattern> {
    core: RefCell<Core<P::State>>,
    /// Of the futures that borrow the socket.
    turn: Cell<Turn>,
}

impl<P: Pattern> Socket<P> {
    pub(crate) fn from_core(core: Core<P::State>) -> Self {
        Self {
            core: RefCell::new(core),
            turn: Cell::default(),
        }
    }

    /// For all calls but those that move messages. No foreign code runs while a call has the core, so
    /// borrowing it never fails.
    pub(crate) fn with_core<R>(&self, f: impl FnOnce(&mut Core<P::State>) -> R) -> R {
        self.lend_core(|core| {
            core.deferral.begin();
            f(core)
        })
    }

    /// Lends the core to a call. What the call has deferred runs when the core is back, also if the call
    /// panics; most have deferred nothing.
    #[inline]
    fn lend_core<R>(&self, f: impl FnOnce(&mut Core<P::State>) -> R) -> R {
        self.lend_core_unseen(|core| {
            let result = f(core);
            core.tell_watcher();
            result
        })
    }

    /// Likewise, for a call that whoever watches the socket need not know of.
    #[inline]
    pub(crate) fn lend_core_unseen<R>(&self, f: impl FnOnce(&mut Core<P::State>) -> R) -> R {
        let panics = RunDeferred(&self.core);
        let mut core = self.core.borrow_mut();
        let result = f(&mut core);
        let deferred = core.deferral.is_open();
        drop(core);
        std::mem::forget(panics);
        if deferred {
            run_deferred(&self.core);
        }
        result
    }

    /// Listens at an endpoint and returns it with wildcards, names and relative paths resolved, as a peer
    /// would connect to it. Over ipc the file belongs to this user alone, unless
    /// [`set_ipc_mode`](Self::set_ipc_mode) says more.
    ///
    /// # Errors
    ///
    /// [`Error::AddressInUse`], [`Error::Bind`] with the cause, [`Error::InvalidEndpoint`],
    /// [`Error::NoIoThread`], [`Error::IoThreadLost`], [`Error::Terminated`].
    pub fn bind(&self, endpoint: impl IntoEndpoint) -> Result<Endpoint, Error> {
        let endpoint = endpoint.into_endpoint()?;
        self.with_core(|core| core.bind(&endpoint))
    }

    /// Listens with a socket that listens already, and returns its endpoint: a tcp or Unix domain stream socket that the
    /// process was started with, for example, by whoever watches over it ("socket activation"), so that nobody who
    /// connects is turned away while the process is started again. `ZMQ_USE_FD`.
    ///
    /// The socket is made non-blocking; otherwise it stays as it is, and options that concern listening do not matter.
    /// [`unbind`](Self::unbind), with the endpoint that is returned, and closing close this descriptor. Others that have
    /// the same socket go on listening, and a file of it stays.
    ///
    /// # Platform
    ///
    /// An `OwnedFd`; on Windows an `OwnedSocket`.
    ///
    /// # Errors
    ///
    /// [`Error::Bind`] with [`BindError::NotAListener`](crate::BindError::NotAListener), [`Error::NoIoThread`],
    /// [`Error::NotSupported`] (a STREAM with security), [`Error::IoThreadLost`], [`Error::Terminated`]. The descriptor is
    /// closed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, Pull, Push};
    ///
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let context = Context::new();
    /// let pull = context.socket::<Pull>()?;
    /// let endpoint = pull.bind_descriptor(listener.into())?;
    /// let push = context.socket::<Push>()?;
    /// push.connect(&endpoint)?;
    /// push.send("hello")?;
    /// assert_eq!(pull.recv()?[0], "hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bind_descriptor(&self, descriptor: OwnedDescriptor) -> Result<Endpoint, Error> {
        self.with_core(|core| core.adopt(descriptor))
    }

    /// Connects to an endpoint, now and again whenever the connection is lost. Returns at once: that
    /// nobody listens there is no error, messages wait for somebody to come. A relative ipc path stays
    /// the one that it is now if the current directory changes. A REQ, DEALER, PUB or SUB has one connection to each
    /// tcp or ipc endpoint: connecting a second time changes nothing, as in libzmq. Of a PAIR with
    /// [`immediate`](Self::set_immediate) that has connected twice, one connection waits for the end of the other.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidEndpoint`], [`Error::NoIoThread`], [`Error::IoThreadLost`], [`Error::Terminated`],
    /// [`Error::HasPeer`] (PAIR).
    pub fn connect(&self, endpoint: impl IntoEndpoint) -> Result<(), Error> {
        let endpoint = endpoint.into_endpoint()?;
        self.with_core(|core| core.connect(endpoint))
    }

    /// Stops listening at an endpoint that [`bind`](Self::bind) returned, or that was given to it, or by another name of
    /// its host (which is looked up, and may take as long as that takes), and
    /// closes the connections that came in there, dropping what is queued for them. What they sent before can still be
    /// received. The port or path is free when this returns, except on an I/O thread, which never waits. Over
    /// inproc only the name is freed: the pipes of those who connected stay.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEndpoint`], [`Error::InvalidEndpoint`], [`Error::Terminated`].
    pub fn unbind(&self, endpoint: impl IntoEndpoint) -> Result<(), Error> {
        let endpoint = endpoint.into_endpoint()?;
        self.with_core(|core| core.detach(endpoint, Use::Bound))
    }

    /// Ends all connections to an endpoint that was given to [`connect`](Self::connect). What is
    /// queued for them is sent within the linger time; what they sent and was not received is
    /// dropped, and counted as [`unread`](crate::Dropped::unread).
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEndpoint`], [`Error::InvalidEndpoint`], [`Error::Terminated`].
    pub fn disconnect(&self, endpoint: impl IntoEndpoint) -> Result<(), Error> {
        let endpoint = endpoint.into_endpoint()?;
        self.with_core(|core| core.detach(endpoint, Use::Connected))
    }

    /// The endpoint of the last successful [`bind`](Self::bind), resolved, or
    /// [`connect`](Self::connect).
    #[must_use]
    pub fn last_endpoint(&self) -> Option<Endpoint> {
        self.with_core(|core| core.last_endpoint())
    }

    /// The socket's type.
    #[must_use]
    pub fn socket_type(&self) -> SocketType {
        self.with_core(|core| core.socket_type())
    }

    /// The socket's counters, after taking in what happened meanwhile. Takes time in proportion to the number of peers. Those
    /// of each peer: [`peer_stats`](Self::peer_stats).
    #[must_use]
    pub fn stats(&self) -> SocketStats {
        self.with_core(|core| {
            let _ = core.process(); // A terminated socket still counts.
            core.stats()
        })
    }

    /// How many pipes to peers the socket has, after taking in what happened meanwhile: one for each
    /// connected endpoint, whether established or not, and one for each peer that came in.
    #[must_use]
    pub fn peers(&self) -> usize {
        self.with_core(|core| {
            // A terminated socket still knows its peers.
            let _ = core.process();
            core.peers()
        })
    }

    /// Closes the socket, as dropping it does. Ports and names it had bound are free at once. What is
    /// queued is sent in the background for as long as [`set_linger`](Self::set_linger) says;
    /// [`Context::term`](crate::Context::term) waits for that.
    pub fn close(self) {}

    /// Closes the socket as [`close`](Self::close) does, sends what is queued for as long as `timeout` instead of the time to
    /// linger, waits for that, and says what became of it. It comes back as soon as all connections have ended, which is when
    /// the peers' systems have everything and the peers have closed their ends, too (at most 200 ms later). On an I/O thread
    /// it does not wait, and what is still to be sent counts as pending.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use zsocket::{Context, Pull, Push};
    ///
    /// let context = Context::new();
    /// let pull = context.socket::<Pull>()?;
    /// let push = context.socket::<Push>()?;
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// push.send("hello")?;
    /// let report = push.close_and_wait(Duration::from_secs(10));
    /// assert!(report.is_complete(), "{report}");
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    pub fn close_and_wait(self, timeout: Duration) -> CloseReport {
        let (context, closings) = self.with_core(|core| core.begin_close(timeout));
        drop(self);
        let patience = if ztransport::is_io_thread() {
            Duration::ZERO
        } else {
            timeout.saturating_add(CLOSE_PATIENCE)
        };
        let fates = context
            .reactor
            .wait_closed(&closings, deadline(Some(patience)));
        CloseReport::new(&closings, &fates)
    }
}

/// How long I/O threads may take to end connections whose time is over: more than they ever need.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// Runs what a call has deferred, now that the core is back.
#[inline(never)]
fn run_deferred<S: State>(cell: &RefCell<Core<S>>) {
    // Taken out first: what runs may call the socket.
    let mut deferral = std::mem::take(&mut cell.borrow_mut().deferral);
    let panics = deferral.end();
    if panics > 0
        && let Ok(core) = cell.try_borrow()
    {
        core.handle.counters().foreign_panics.add(panics);
    }
}

/// Dropped only when a call panics, after it gave the core back.
struct RunDeferred<'a, S: State>(&'a RefCell<Core<S>>);

impl<S: State> Drop for RunDeferred<'_, S> {
    fn drop(&mut self) {
        if self.0.try_borrow_mut().is_ok() {
            run_deferred(self.0);
        }
    }
}

impl<P: Pattern> std::fmt::Debug for Socket<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket")
            .field("type", &self.socket_type().name())
            .field("last_endpoint", &self.last_endpoint())
            .finish_non_exhaustive()
    }
}

/// `None` is for ever, also for a timeout beyond the end of the clock.
fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}

#[cfg(test)]
mod tests {
    use rustix::time::{ClockId, clock_gettime};
    use zpipe::deferred;
    use ztransport::Letter;

    use super::*;
    use crate::{Context, Pull, Push};

    #[test]
    fn every_call_tells_that_the_io_thread_is_lost() {
        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        let pull = context.socket::<Pull>().unwrap();
        push.with_core(|core| core.handle.post(Letter::IoThreadLost).unwrap());
        pull.with_core(|core| core.handle.post(Letter::IoThreadLost).unwrap());
        let lost = |error| matches!(error, Error::IoThreadLost);
        // The second time as the first.
        for _ in 0..2 {
            assert!(lost(push.send("x").unwrap_err().error));
            assert!(lost(push.try_send("x").unwrap_err().error));
            assert!(lost(pull.recv().unwrap_err()));
            assert!(lost(pull.try_recv().unwrap_err()));
            assert!(lost(push.connect("tcp://127.0.0.1:1").unwrap_err()));
            assert!(lost(pull.bind("tcp://127.0.0.1:*").unwrap_err()));
        }
        context.shutdown();
        assert!(matches!(pull.recv().unwrap_err(), Error::Terminated));
    }

    #[test]
    fn a_wait_in_a_scope_further_out_sleeps() {
        let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
        let pull = Context::new().socket::<Pull>().unwrap();
        let outer = deferred::Scope::open();
        deferred::drop_body(vec![0].into());
        let begin = now();
        let timeout = Duration::from_millis(200);
        assert!(matches!(
            pull.recv_timeout(timeout),
            Err(Error::WouldBlock(_))
        ));
        assert!(now() - begin < timeout / 10, "{:?}", now() - begin);
        outer.close();
    }
}
