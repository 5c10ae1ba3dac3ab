//! The socket: typed by its pattern, blocking by default.

use std::{
    cell::RefCell,
    future::poll_fn,
    marker::PhantomData,
    task::{Context as TaskContext, Poll},
    time::{Duration, Instant},
};

use zmtp::{Message, SocketType};
use zpipe::deferred;
use ztransport::{Endpoint, IntoEndpoint};

use crate::{
    Context, Error, IntoMessage, Monitor, SendError, SocketStats,
    core::{Core, Then},
    endpoints::Use,
    error::Refusal,
    monitor,
    options::SocketOptions,
    tasks::Place,
};

/// How often a task looks for what it waits for while signals of something else keep coming.
const LOOKS: u32 = 16;

mod sealed {
    pub trait Sealed {}
}

/// A messaging pattern: the type parameter of [`Socket`].
pub trait Pattern: sealed::Sealed + 'static {}

/// A pattern that is known at compile time.
pub trait TypedPattern: Pattern {
    /// Its socket type.
    const TYPE: SocketType;
}

/// Patterns that send.
pub trait CanSend: Pattern {}

/// Patterns that receive.
pub trait CanReceive: Pattern {}

macro_rules! patterns {
    ($($(#[$doc:meta])* $name:ident: $($ability:ident)*;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}
        impl sealed::Sealed for $name {}
        impl Pattern for $name {}
        impl TypedPattern for $name {
            const TYPE: SocketType = SocketType::$name;
        }
        $(impl $ability for $name {})*
    )*};
}

patterns! {
    /// Sends each message to one of its PULL peers in turn; waits while none has room.
    Push: CanSend;
    /// Receives from its PUSH peers, one message of each in turn.
    Pull: CanReceive;
    /// Sends a request to one of its REP or ROUTER peers in turn, then receives the reply.
    Req: CanSend CanReceive;
    /// Receives a request from one of its REQ or DEALER peers in turn, then sends the reply to it.
    Rep: CanSend CanReceive;
}

/// A socket whose type is chosen at run time; sending or receiving where the type cannot is
/// [`Error::NotSupported`].
#[derive(Debug)]
pub enum Dynamic {}
impl sealed::Sealed for Dynamic {}
impl Pattern for Dynamic {}
impl CanSend for Dynamic {}
impl CanReceive for Dynamic {}

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
pub struct Socket<P> {
    core: RefCell<Core>,
    pattern: PhantomData<fn() -> P>,
}

impl<P: Pattern> Socket<P> {
    pub(crate) fn from_core(core: Core) -> Self {
        Self {
            core: RefCell::new(core),
            pattern: PhantomData,
        }
    }

    /// For all calls but those that move messages. No foreign code runs while a call has the core, so
    /// borrowing it never fails.
    pub(crate) fn with_core<R>(&self, f: impl FnOnce(&mut Core) -> R) -> R {
        self.lend_core(|core| {
            core.deferral.begin();
            f(core)
        })
    }

    /// Lends the core to a call. What the call has deferred runs when the core is back, also if the call
    /// panics; most have deferred nothing.
    #[inline]
    fn lend_core<R>(&self, f: impl FnOnce(&mut Core) -> R) -> R {
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

    /// Connects to an endpoint, now and again whenever the connection is lost. Returns at once: that
    /// nobody listens there is no error, messages wait for somebody to come. A relative ipc path stays
    /// the one that it is now if the current directory changes.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidEndpoint`], [`Error::NoIoThread`], [`Error::IoThreadLost`], [`Error::Terminated`].
    pub fn connect(&self, endpoint: impl IntoEndpoint) -> Result<(), Error> {
        let endpoint = endpoint.into_endpoint()?;
        self.with_core(|core| core.connect(endpoint))
    }

    /// Stops listening at an endpoint that [`bind`](Self::bind) returned, or that was given to it, and
    /// closes the connections that came in there, dropping what is queued for them. What they sent before can still be
    /// received. The port or path is free when this returns. Over inproc only the name is freed: the pipes
    /// of those who connected stay.
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
    /// dropped.
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

    /// The socket's counters.
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

    /// Reports what happens to the socket's connections from now on. A second monitor replaces the
    /// first.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        Monitor::new(self.with_core(|core| core.handle.monitor(monitor::CAPACITY)))
    }

    /// Closes the socket, as dropping it does. Ports and names it had bound are free at once. What is
    /// queued is sent in the background for as long as [`set_linger`](Self::set_linger) says;
    /// [`Context::term`] waits for that.
    pub fn close(self) {}
}

/// Runs what a call has deferred, now that the core is back.
#[inline(never)]
fn run_deferred(cell: &RefCell<Core>) {
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
struct RunDeferred<'a>(&'a RefCell<Core>);

impl Drop for RunDeferred<'_> {
    fn drop(&mut self) {
        if self.0.try_borrow_mut().is_ok() {
            run_deferred(self.0);
        }
    }
}

impl<P: CanSend> Socket<P> {
    /// Sends a message, waiting for room as long as [`set_send_timeout`](Self::set_send_timeout)
    /// says. REP never waits: a reply that its requester cannot take is dropped and counted.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`] when the timeout is over, and at once on an I/O thread, which never waits;
    /// [`Error::WrongState`], [`Error::IoThreadLost`], [`Error::Terminated`], [`Error::NotSupported`]; the
    /// message comes back with the error.
    #[expect(clippy::result_large_err, reason = "the message is handed back")]
    pub fn send<M: IntoMessage>(&self, message: M) -> Result<(), SendError> {
        if let Some(body) = message.body()
            && self
                .lend_core(|core| core.try_send_body(body, M::COPIES, Then::Wait))
                .is_ok()
        {
            return Ok(());
        }
        self.send_slowly(message.into_message())
    }

    /// The way of everything that is not a small body, or has to wait.
    #[inline(never)]
    #[expect(clippy::result_large_err, reason = "the message is handed back")]
    fn send_slowly(&self, mut message: Message) -> Result<(), SendError> {
        // The first try does not need the time.
        let mut result = self.lend_core(|core| core.try_send(&mut message, Then::Wait));
        if matches!(result, Err(Refusal::WouldBlock | Refusal::Again)) {
            let timeout = self.lend_core(|core| core.options.send_timeout);
            result = self.send_until(&mut message, deadline(timeout));
        }
        match result {
            Ok(()) => Ok(()),
            Err(refusal) => Err(refused(refusal, message)),
        }
    }

    fn send_until(&self, message: &mut Message, deadline: Option<Instant>) -> Result<(), Refusal> {
        loop {
            let done = self.lend_core(|core| {
                match core.try_send(message, Then::Wait) {
                    // Signals that keep coming are no reason to wait on.
                    Err(Refusal::WouldBlock) if core.wait(deadline) && core.has_time(deadline) => {
                        None
                    }
                    Err(Refusal::Again) if core.has_time(deadline) => None,
                    // There may be room although no pipe has drained to half.
                    Err(Refusal::WouldBlock) => Some(core.try_send(message, Then::Return)),
                    done => Some(done),
                }
            });
            if let Some(done) = done {
                return done;
            }
        }
    }

    /// Sends a message if there is room now.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    #[expect(clippy::result_large_err, reason = "the message is handed back")]
    pub fn try_send<M: IntoMessage>(&self, message: M) -> Result<(), SendError> {
        if let Some(body) = message.body()
            && self
                .lend_core(|core| core.try_send_body(body, M::COPIES, Then::Return))
                .is_ok()
        {
            return Ok(());
        }
        let mut message = message.into_message();
        match self.lend_core(|core| core.try_send(&mut message, Then::Return)) {
            Ok(()) => Ok(()),
            Err(refusal) => Err(refused(refusal, message)),
        }
    }

    /// Sends a message, waiting for room as long as `timeout`.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    #[expect(clippy::result_large_err, reason = "the message is handed back")]
    pub fn send_timeout(
        &self,
        message: impl IntoMessage,
        timeout: Duration,
    ) -> Result<(), SendError> {
        let mut message = message.into_message();
        match self.send_until(&mut message, deadline(Some(timeout))) {
            Ok(()) => Ok(()),
            Err(refusal) => Err(refused(refusal, message)),
        }
    }

    /// Sends a message, waiting for room without blocking the thread. It needs no particular
    /// executor, and no timeout applies.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has either sent the message as a whole, which it has if it was ready,
    /// or drops it unsent. To keep the message, poll [`try_send`](Self::try_send) instead.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), except that it never gives up.
    pub async fn send_async(&self, message: impl IntoMessage) -> Result<(), SendError> {
        let mut message = message.into_message();
        let mut place = Place::default();
        let sent = poll_fn(|cx| {
            self.poll_core(cx, &mut place, |core| {
                core.try_send(&mut message, Then::Wait)
            })
        })
        .await;
        match sent {
            Ok(()) => Ok(()),
            Err(refusal) => Err(refused(refusal, message)),
        }
    }
}

impl<P: CanReceive> Socket<P> {
    /// Receives a message, waiting for one as long as [`set_recv_timeout`](Self::set_recv_timeout)
    /// says.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`] when the timeout is over, and at once on an I/O thread, which never waits;
    /// [`Error::WrongState`], [`Error::PeerLost`] (REQ), [`Error::IoThreadLost`], [`Error::Terminated`], [`Error::NotSupported`].
    pub fn recv(&self) -> Result<Message, Error> {
        let mut message = Message::new();
        self.recv_into(&mut message)?;
        Ok(message)
    }

    /// Receives a message if there is one now. Of those that are none of the pattern it drops a few at
    /// most, and says that it would block though there may be more behind them.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn try_recv(&self) -> Result<Message, Error> {
        let mut message = Message::new();
        self.try_recv_into(&mut message)?;
        Ok(message)
    }

    /// Receives a message, waiting for one as long as `timeout`.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Message, Error> {
        let mut message = Message::new();
        let received = self.recv_until(&mut message, deadline(Some(timeout)));
        self.explain(received)?;
        Ok(message)
    }

    /// Like [`recv`](Self::recv), into a message whose buffers are used again: a loop that receives
    /// messages of similar sizes this way does not allocate. After an error the content of `message`
    /// is unspecified.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    #[inline]
    pub fn recv_into(&self, message: &mut Message) -> Result<(), Error> {
        // Before the core is lent: what the message has shared so far is foreign.
        deferred::drop_bodies(message);
        let received = match self.lend_core(|core| core.try_recv(message, Then::Wait)) {
            Err(Refusal::WouldBlock | Refusal::Again) => self.recv_slowly(message),
            done => done,
        };
        self.explain(received)
    }

    /// Waits as long as the option says.
    #[inline(never)]
    fn recv_slowly(&self, message: &mut Message) -> Result<(), Refusal> {
        let timeout = self.lend_core(|core| core.options.recv_timeout);
        self.recv_until(message, deadline(timeout))
    }

    fn recv_until(&self, message: &mut Message, deadline: Option<Instant>) -> Result<(), Refusal> {
        loop {
            let done = self.lend_core(|core| match core.try_recv(message, Then::Wait) {
                // Signals that keep coming are no reason to wait on.
                Err(Refusal::WouldBlock) if core.wait_recv(deadline) && core.has_time(deadline) => {
                    None
                }
                // The last of what was waited for may have come with the deadline.
                Err(Refusal::WouldBlock) => Some(core.try_recv(message, Then::Return)),
                Err(Refusal::Again) if core.has_time(deadline) => None,
                done => Some(done),
            });
            if let Some(done) = done {
                return done;
            }
        }
    }

    /// Like [`try_recv`](Self::try_recv), into a message whose buffers are used again.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    #[inline]
    pub fn try_recv_into(&self, message: &mut Message) -> Result<(), Error> {
        deferred::drop_bodies(message);
        let received = self.lend_core(|core| match core.try_recv(message, Then::Return) {
            Err(Refusal::WouldBlock) if core.look_for_input() => {
                core.try_recv(message, Then::Return)
            }
            done => done,
        });
        self.explain(received)
    }

    /// Receives a message, waiting for one without blocking the thread. It needs no particular
    /// executor, and no timeout applies.
    ///
    /// # Cancel safety
    ///
    /// Safe: the future holds no message. One that is dropped before it is ready has received
    /// nothing.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), except that it never gives up.
    pub async fn recv_async(&self) -> Result<Message, Error> {
        let mut message = Message::new();
        let mut place = Place::default();
        let received = poll_fn(|cx| {
            self.poll_core(cx, &mut place, |core| {
                core.try_recv(&mut message, Then::Return)
            })
        })
        .await;
        self.explain(received)?;
        Ok(message)
    }

    /// Says more about a refusal than the data path knows.
    #[inline]
    fn explain(&self, received: Result<(), Refusal>) -> Result<(), Error> {
        received.map_err(|refusal| self.lend_core(|core| core.error(refusal)))
    }
}

impl<P: Pattern> Socket<P> {
    /// Tries once, or has the task woken when it is time to try again.
    fn poll_core(
        &self,
        cx: &mut TaskContext<'_>,
        place: &mut Place,
        mut attempt: impl FnMut(&mut Core) -> Result<(), Refusal>,
    ) -> Poll<Result<(), Refusal>> {
        // Made only if it is needed, and not while the core is lent: to clone a waker is foreign code.
        let mut waker = None;
        for _ in 0..LOOKS {
            let polled = self.lend_core(|core| {
                loop {
                    match (attempt(core), waker.take()) {
                        (Err(Refusal::WouldBlock), None) => return None,
                        (Err(Refusal::WouldBlock), Some(waker)) => {
                            if !core.register(waker, place) {
                                return Some(Poll::Pending);
                            }
                        }
                        (done, unused) => {
                            waker = unused;
                            return Some(Poll::Ready(done));
                        }
                    }
                }
            });
            match polled {
                Some(Poll::Ready(Err(Refusal::Again))) => break,
                Some(polled) => return polled,
                None => waker = Some(cx.waker().clone()),
            }
        }
        // There is more to look at, but other tasks have their turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// `None` is for ever, also for a timeout beyond the end of the clock.
fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}

#[cold]
fn refused(refusal: Refusal, message: Message) -> SendError {
    SendError {
        error: refusal.into(),
        message,
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

/// Sets up a socket; made by [`Context::build_socket`].
#[derive(Debug)]
pub struct SocketBuilder<P> {
    context: Context,
    socket_type: SocketType,
    options: Result<SocketOptions, Error>,
    pattern: PhantomData<fn() -> P>,
}

impl<P: Pattern> SocketBuilder<P> {
    pub(crate) fn new(context: Context, socket_type: SocketType) -> Self {
        let options = Ok(SocketOptions::default());
        Self {
            context,
            socket_type,
            options,
            pattern: PhantomData,
        }
    }

    /// The first error stays.
    pub(crate) fn set(&mut self, set: impl FnOnce(&mut SocketOptions) -> Result<(), Error>) {
        if let Ok(options) = &mut self.options
            && let Err(error) = set(options)
        {
            self.options = Err(error);
        }
    }

    /// Makes the socket.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for the first option with an invalid value; as for
    /// [`Context::socket`] otherwise.
    pub fn build(self) -> Result<Socket<P>, Error> {
        self.context.open(self.socket_type, self.options?)
    }
}

#[cfg(test)]
mod tests {
    use rustix::time::{ClockId, clock_gettime};
    use ztransport::Letter;

    use super::*;

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
    fn a_task_that_others_keep_waking_lets_others_have_their_turn() {
        let pull = Context::new().socket::<Pull>().unwrap();
        let mut looks = 0;
        let mut context = TaskContext::from_waker(std::task::Waker::noop());
        let mut place = Place::default();
        let polled = pull.poll_core(&mut context, &mut place, |core| {
            looks += 1;
            assert!(looks < 10 * LOOKS, "looks for ever");
            core.handle.post(Letter::IoThreadLost).unwrap();
            Err(Refusal::WouldBlock)
        });
        assert!(polled.is_pending());
    }

    #[test]
    fn a_wait_in_a_scope_further_out_sleeps() {
        let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
        let pull = Context::new().socket::<Pull>().unwrap();
        let outer = deferred::Scope::open();
        deferred::drop_body(vec![0].into());
        let begin = now();
        let timeout = Duration::from_millis(200);
        assert!(matches!(pull.recv_timeout(timeout), Err(Error::WouldBlock)));
        assert!(now() - begin < timeout / 10, "{:?}", now() - begin);
        outer.close();
    }
}
