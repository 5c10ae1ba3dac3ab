//! The proxy and its parts.

use std::{fmt, io, thread};

use zsocket::{Budget, CanSend, Capture, Pair, Pattern, Pub, Socket};

use crate::{CanControl, Ended, Error, ProxyHandle, ProxyThread, Side, run::Work};

/// Forwards messages between two sockets on the calling thread, until it comes to its end: what `zmq_proxy` does. A capture
/// gets a copy of each message, of both directions; what it has no room for it does not get. For more than that see
/// [`Proxy`].
///
/// # Errors
///
/// As [`Proxy::run`].
///
/// # Examples
///
/// A broker ends when its context is shut down:
///
/// ```
/// use zproxy::{Ended, proxy};
/// use zsocket::{Context, Dealer, Router};
///
/// let context = Context::new();
/// let frontend = context.socket::<Router>()?;
/// frontend.bind("tcp://127.0.0.1:*")?;
/// let backend = context.socket::<Dealer>()?;
/// backend.bind("tcp://127.0.0.1:*")?;
/// # context.shutdown();
/// let ended = proxy(&frontend, &backend, None)?;
/// assert!(matches!(ended, Ended::ContextShutDown(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn proxy<F: Pattern, B: Pattern>(
    frontend: &Socket<F>,
    backend: &Socket<B>,
    capture: Option<&dyn Capture>,
) -> Result<Ended, Error> {
    let work = Work {
        frontend,
        backend,
        capture,
        control: None::<&Socket<Pair>>,
        budget: Budget::default(),
        interruptible: false,
        handle: &ProxyHandle::new(),
    };
    work.run()
}

/// A proxy that can be steered. See the [crate's documentation](crate).
///
/// The sockets are its own, or borrowed (see [`Side`]). If both are the same one, what it receives it sends back.
pub struct Proxy<F: Side, B: Side, C: Side = Socket<Pub>, K: Side = Socket<Pair>> {
    frontend: F,
    backend: B,
    capture: Option<C>,
    control: Option<K>,
    budget: Budget,
    interruptible: bool,
    handle: ProxyHandle,
}

impl<F: Side, B: Side> Proxy<F, B> {
    /// A proxy between two sockets that are, or will be, bound and connected.
    #[must_use]
    pub fn new(frontend: F, backend: B) -> Self {
        Self {
            frontend,
            backend,
            capture: None,
            control: None,
            budget: Budget::default(),
            interruptible: false,
            handle: ProxyHandle::new(),
        }
    }
}

impl<F: Side, B: Side, C: Side, K: Side> Proxy<F, B, C, K> {
    /// Gives a copy of each message, of both directions, to a third socket: a PUB for many who look on, a PUSH or PAIR for one. It
    /// never stops the proxy: a message that it has no room for it does not get, and that is
    /// [counted](crate::ProxyStatistics::capture_dropped). (With libzmq the proxy waits.)
    #[must_use]
    pub fn capture<C2: Side<Pattern: CanSend>>(self, capture: C2) -> Proxy<F, B, C2, K> {
        Proxy {
            frontend: self.frontend,
            backend: self.backend,
            capture: Some(capture),
            control: self.control,
            budget: self.budget,
            interruptible: self.interruptible,
            handle: self.handle,
        }
    }

    /// Has the proxy obey libzmq's commands, which come in on this socket: `PAUSE`, `RESUME`, `TERMINATE` and `STATISTICS`. That is
    /// answered with eight frames, each a number of 64 bits in the machine's byte order
    /// ([`ProxyStatistics::numbers`](crate::ProxyStatistics::numbers)); a REP answers everything else with an empty message. Any other
    /// message is ignored. Commands are obeyed before messages are forwarded, also while these have no room anywhere.
    #[must_use]
    pub fn control<K2: Side<Pattern: CanControl>>(self, control: K2) -> Proxy<F, B, C, K2> {
        Proxy {
            frontend: self.frontend,
            backend: self.backend,
            capture: self.capture,
            control: Some(control),
            budget: self.budget,
            interruptible: self.interruptible,
            handle: self.handle,
        }
    }

    /// How much is forwarded in one direction before it is the other's turn, and commands are looked at.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Whether the proxy ends when a signal handler has run in its thread while it waited, with [`Error::Wait`] of the kind
    /// [`Interrupted`](io::ErrorKind::Interrupted); it may be run again then. Default false: it goes on. Linux only.
    #[must_use]
    pub fn interruptible(mut self, interruptible: bool) -> Self {
        self.interruptible = interruptible;
        self
    }

    /// Steers the proxy, from any thread.
    #[must_use]
    pub fn handle(&self) -> ProxyHandle {
        self.handle.clone()
    }
}

impl<F: Side, B: Side, C: Side, K: Side> Proxy<F, B, C, K>
where
    C::Pattern: CanSend,
    K::Pattern: CanControl,
{
    /// Forwards on this thread until a command or the end of a context, which the result tells. Sockets that are the proxy's own
    /// are closed then.
    ///
    /// # Errors
    ///
    /// [`Error::NothingToForward`], [`Error::Watch`], [`Error::Socket`], [`Error::Wait`], [`Error::OnIoThread`].
    pub fn run(self) -> Result<Ended, Error> {
        let capture = self.capture.as_ref();
        let work = Work {
            frontend: self.frontend.socket(),
            backend: self.backend.socket(),
            capture: capture.map(|capture| capture.socket() as &dyn Capture),
            control: self.control.as_ref().map(Side::socket),
            budget: self.budget,
            interruptible: self.interruptible,
            handle: &self.handle,
        };
        work.run()
    }

    /// Forwards on a thread of its own.
    ///
    /// # Errors
    ///
    /// The system's, if it has no thread left.
    ///
    /// # Examples
    ///
    /// ```
    /// use zproxy::{Ended, Proxy};
    /// use zsocket::{Context, Dealer, Rep, Req, Router};
    ///
    /// let context = Context::new();
    /// let frontend = context.socket::<Router>()?;
    /// frontend.bind("inproc://clients")?;
    /// let backend = context.socket::<Dealer>()?;
    /// backend.bind("inproc://workers")?;
    /// let broker = Proxy::new(frontend, backend).spawn()?;
    ///
    /// let (client, worker) = (context.socket::<Req>()?, context.socket::<Rep>()?);
    /// client.connect("inproc://clients")?;
    /// worker.connect("inproc://workers")?;
    /// client.send("question")?;
    /// assert_eq!(worker.recv()?[0], "question");
    /// worker.send("answer")?;
    /// assert_eq!(client.recv()?[0], "answer");
    ///
    /// broker.handle().terminate();
    /// assert_eq!(broker.join()?, Ended::ByHandle);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn(self) -> io::Result<ProxyThread>
    where
        F: Send + 'static,
        B: Send + 'static,
        C: Send + 'static,
        K: Send + 'static,
    {
        let handle = self.handle();
        let thread = thread::Builder::new().name("zlayers-proxy".to_owned());
        let thread = thread.spawn(move || self.run())?;
        Ok(ProxyThread { handle, thread })
    }
}

impl<F: Side, B: Side, C: Side, K: Side> fmt::Debug for Proxy<F, B, C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("frontend", self.frontend.socket())
            .field("backend", self.backend.socket())
            .finish_non_exhaustive()
    }
}
