//! Requests that cannot get stuck: many in flight on one socket, each with a deadline.
//!
//! What is decided lies in `exchange`, without socket and clock; here calls drive it, and `asynchronous` has the
//! same as futures. Whichever call waits takes in the replies to all requests.

mod asynchronous;
mod builder;
mod exchange;

use std::{
    cell::{Cell, RefCell},
    fmt,
    time::{Duration, Instant},
};

use zmtp::Message;
use zpipe::deferred;
use ztransport::{Endpoint, IntoEndpoint};

pub use self::builder::RequesterBuilder;
use self::{
    asynchronous::Clock,
    exchange::{Exchange, Outcome, Retries},
};
use crate::{
    Context, Dealer, Error, IntoMessage, Monitor, SendError, Socket, SocketStats,
    core::{Core, Then},
    error::Refusal,
    pattern,
    socket::Step,
};

/// Sends requests, any number of them at a time, and finds the reply to each.
///
/// A REQ socket has one request at a time, and waits for its reply whatever becomes of the server. A `Requester` is
/// a DEALER that numbers its requests. Each has a deadline, after which it is over; it may be sent again before that
/// ([`retries`](RequesterBuilder::retries)). Replies may come in any order. One that comes late, twice, or
/// unasked is dropped and counted ([`RequesterStats`]).
///
/// Its servers are plain REP sockets, ROUTER sockets that keep the envelope, which is everything up to and including
/// the first empty frame, and [`Responder`](crate::Responder)s; of several, each gets a request in turn.
///
/// There are three ways to a reply, and they can be mixed:
///
/// - [`request`](Self::request) waits for it;
/// - [`send`](Self::send) returns a [`Ticket`], with which [`wait`](Self::wait) waits for it later, and
///   [`recv`](Self::recv) for whichever comes next;
/// - [`request_async`](Self::request_async) is a future.
///
/// A requester has no thread. Its calls do the work, each of them for all requests: while no call is made and
/// no future is polled, nothing is sent again, and replies wait in the pipes. Like a [`Socket`] it can be moved to
/// another thread, and not shared:
///
/// ```compile_fail
/// let requester = zsocket::Requester::new(&zsocket::Context::new()).unwrap();
/// std::thread::scope(|scope| { scope.spawn(|| requester.stats()); });
/// ```
///
/// # Requests that nobody can take
///
/// A requester that [`new`](Self::new) or [`RequesterBuilder::build`] has made sends to established connections only
/// ([`immediate`](crate::SocketBuilder::immediate)). A request for which there is none, or none with room, waits in the
/// requester, and is dropped at its deadline: a server that comes late is not given what nobody waits for any more. What
/// was sent on a connection that breaks is lost, and only sent again if there are retries.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use zsocket::{Context, Rep, Requester};
///
/// let context = Context::new();
/// let server = context.socket::<Rep>()?;
/// let endpoint = server.bind("tcp://127.0.0.1:*")?;
/// std::thread::spawn(move || -> Result<(), zsocket::Error> {
///     loop {
///         let request = server.recv()?;
///         server.send(request)?;
///     }
/// });
///
/// let requester = Requester::new(&context)?;
/// requester.connect(&endpoint)?;
/// let reply = requester.request("echo", Duration::from_secs(10))?;
/// assert_eq!(reply[0], "echo");
/// # Ok::<(), zsocket::Error>(())
/// ```
pub struct Requester {
    socket: Socket<Dealer>,
    exchange: RefCell<Exchange>,
    max_in_flight: usize,
    retries: Cell<Retries>,
    /// For futures, which cannot watch a clock.
    clock: RefCell<Clock>,
    /// Futures that wait.
    futures: Cell<usize>,
}

/// Names a request of a [`Requester`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// What a [`Requester`] has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequesterStats {
    /// Requests in flight now: begun, and neither taken, with their reply or without one, nor forgotten.
    pub in_flight: usize,
    /// Requests that were given to a server, each time that they were.
    pub sent: u64,
    /// Times that a request was due to be sent again.
    pub retried: u64,
    /// Requests to which a reply came in time.
    pub answered: u64,
    /// Requests to which none came before the deadline.
    pub overdue: u64,
    /// Requests given up before they were over, or whose reply nobody took: by
    /// [`forget`](Requester::forget), by dropping a future, or because their call failed.
    pub forgotten: u64,
    /// Replies dropped because their request was over: they came after the deadline or after it was forgotten, or
    /// are the second to one request, as when it was sent again.
    pub late: u64,
    /// Replies dropped because no such request was ever made, as those to an earlier run of the program.
    pub unknown: u64,
    /// Messages dropped because they are no replies: they lack the number, the empty frame after it, or a body. A
    /// ROUTER server that does not send back the envelope of the request answers so.
    pub malformed: u64,
}

/// Messages that are sent, and that are taken in, between two looks at the clock.
const BATCH: u32 = 64;

impl Requester {
    /// A requester with the default settings, see [`builder`](Self::builder).
    ///
    /// # Errors
    ///
    /// As for [`Context::socket`].
    pub fn new(context: &Context) -> Result<Self, Error> {
        Self::builder().build(context)
    }

    /// Sets up a requester with other than the default settings.
    pub const fn builder() -> RequesterBuilder {
        RequesterBuilder::new()
    }

    pub(crate) fn from_parts(
        socket: Socket<Dealer>,
        max_in_flight: usize,
        retries: Retries,
    ) -> Self {
        let exchange = Exchange::new(fastrand::u64(..), max_in_flight);
        Self {
            socket,
            exchange: RefCell::new(exchange),
            max_in_flight,
            retries: Cell::new(retries),
            clock: RefCell::default(),
            futures: Cell::new(0),
        }
    }

    // ---- Requests ----

    /// Sends a request, waits for the reply and returns it. The request is over after `timeout`, counted from this
    /// call; one that reaches beyond the end of the clock is for ever.
    ///
    /// # Errors
    ///
    /// [`Error::NoReply`] when the time is over, [`Error::TooManyInFlight`], [`Error::Terminated`],
    /// [`Error::IoThreadLost`]; [`Error::WouldBlock`] on an I/O thread, which never waits. Whatever the error, the
    /// request is not in flight any more.
    pub fn request(&self, body: impl IntoMessage, timeout: Duration) -> Result<Message, Error> {
        let id = self.begin(body, timeout, true)?;
        let _ends = Forget(self, id);
        reply(self.wait_for(None, |exchange| exchange.take(id))?)
    }

    /// Sends a request, and returns a ticket for its reply. Never waits: a request for which there is no room yet is
    /// sent by a later call. It is over after `timeout`, counted from this call.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyInFlight`], [`Error::Terminated`], [`Error::IoThreadLost`]; the body comes back with the error.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use zsocket::{Context, Requester, Responder};
    ///
    /// let context = Context::new();
    /// let responder = Responder::new(&context)?;
    /// responder.bind("inproc://service")?;
    /// let requester = Requester::new(&context)?;
    /// requester.connect("inproc://service")?;
    ///
    /// let first = requester.send("first", Duration::from_secs(10))?;
    /// let second = requester.send("second", Duration::from_secs(10))?;
    /// let requests = [responder.recv()?, responder.recv()?];
    /// for request in requests.into_iter().rev() {
    ///     let body = request.body().clone();
    ///     responder.answer(request, body)?;
    /// }
    /// assert_eq!(requester.wait(first)?[0], "first");
    /// assert_eq!(requester.wait(second)?[0], "second");
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    pub fn send(&self, body: impl IntoMessage, timeout: Duration) -> Result<Ticket, SendError> {
        let id = self.begin(body, timeout, false)?;
        let mut message = Message::new();
        let sent = self.socket.drive_once(|core, then| {
            self.look(core, then, &mut message, None, &mut |exchange| {
                exchange.is_sent(id).then_some(())
            })
        });
        self.wake_futures();
        let Some(Err(refusal)) = sent else {
            return Ok(Ticket(id));
        };
        let withdrawn = self.exchange.borrow_mut().withdraw(id);
        match withdrawn {
            Some(message) => Err(SendError {
                error: refusal.into(),
                message,
            }),
            // It went out before the error arose.
            None => Ok(Ticket(id)),
        }
    }

    /// Waits until any request that was [sent](Self::send) is over, and returns its ticket and its reply, or
    /// [`Error::NoReply`]. They come in the order in which the requests end. Those for which other calls and futures
    /// wait are not among them.
    ///
    /// # Errors
    ///
    /// [`Error::NotInFlight`] if there is no such request, [`Error::Terminated`], [`Error::IoThreadLost`];
    /// [`Error::WouldBlock`] on an I/O thread, which never waits.
    pub fn recv(&self) -> Result<(Ticket, Result<Message, Error>), Error> {
        self.wait_for(None, any)?
    }

    /// Like [`recv`](Self::recv), but waits no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), and [`Error::WouldBlock`] when the time is over.
    pub fn recv_timeout(
        &self,
        timeout: Duration,
    ) -> Result<(Ticket, Result<Message, Error>), Error> {
        self.wait_for(Instant::now().checked_add(timeout), any)?
    }

    /// Like [`recv`](Self::recv), but does not wait. A program with a loop of its own calls this now and then, to have
    /// requests sent and sent again.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), and [`Error::WouldBlock`] if no request has ended.
    pub fn try_recv(&self) -> Result<(Ticket, Result<Message, Error>), Error> {
        self.look_for(any)?
    }

    /// Waits until this request is over, and returns its reply.
    ///
    /// # Errors
    ///
    /// [`Error::NoReply`]; [`Error::NotInFlight`] if the reply was taken already, the request was
    /// [forgotten](Self::forget), or another call waits for it. Otherwise as for [`recv`](Self::recv), and the request
    /// stays in flight.
    pub fn wait(&self, ticket: Ticket) -> Result<Message, Error> {
        let _claim = self.claim(ticket)?;
        reply(self.wait_for(None, |exchange| exchange.take(ticket.0))?)
    }

    /// The reply to this request, if the request is over. Does not wait.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Self::wait), and [`Error::WouldBlock`] if the request is still under way.
    pub fn try_wait(&self, ticket: Ticket) -> Result<Message, Error> {
        let _claim = self.claim(ticket)?;
        reply(self.look_for(|exchange| exchange.take(ticket.0))?)
    }

    /// Gives a request up. Its reply, if one comes, is dropped and counted as [late](RequesterStats::late). `false`
    /// if the ticket is for no request in flight.
    pub fn forget(&self, ticket: Ticket) -> bool {
        self.forget_id(ticket.0)
    }

    /// How often later requests are sent again, each time when no reply has come for `after` since they were sent last,
    /// until their deadline. See [`RequesterBuilder::retries`].
    ///
    /// # Errors
    ///
    /// [`InvalidOption::Value`](crate::InvalidOption::Value) if requests are to be sent again without any time in between.
    pub fn set_retries(&self, times: u32, after: Duration) -> Result<(), Error> {
        self.retries.set(builder::check_retries(times, after)?);
        Ok(())
    }

    // ---- The socket ----

    /// Connects to a server, as [`Socket::connect`] does.
    ///
    /// # Errors
    ///
    /// As for [`Socket::connect`].
    pub fn connect(&self, endpoint: impl IntoEndpoint) -> Result<(), Error> {
        self.socket.connect(endpoint)
    }

    /// Ends all connections to an endpoint, as [`Socket::disconnect`] does. Requests that went there are sent again if
    /// there are retries.
    ///
    /// # Errors
    ///
    /// As for [`Socket::disconnect`].
    pub fn disconnect(&self, endpoint: impl IntoEndpoint) -> Result<(), Error> {
        self.socket.disconnect(endpoint)
    }

    /// Listens for servers that connect, as [`Socket::bind`] does.
    ///
    /// # Errors
    ///
    /// As for [`Socket::bind`].
    pub fn bind(&self, endpoint: impl IntoEndpoint) -> Result<Endpoint, Error> {
        self.socket.bind(endpoint)
    }

    /// Stops listening, as [`Socket::unbind`] does.
    ///
    /// # Errors
    ///
    /// As for [`Socket::unbind`].
    pub fn unbind(&self, endpoint: impl IntoEndpoint) -> Result<(), Error> {
        self.socket.unbind(endpoint)
    }

    /// Reports what happens to connections, as [`Socket::monitor`] does.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        self.socket.monitor()
    }

    /// How many servers there are pipes to, as [`Socket::peers`] tells.
    #[must_use]
    pub fn peers(&self) -> usize {
        self.socket.peers()
    }

    /// What was counted so far. Takes nothing in: replies that wait in the pipes are not yet counted.
    #[must_use]
    pub fn stats(&self) -> RequesterStats {
        self.exchange.borrow().stats()
    }

    /// The counters of the socket inside.
    #[must_use]
    pub fn socket_stats(&self) -> SocketStats {
        self.socket.stats()
    }

    // ---- Driving ----

    fn begin(
        &self,
        body: impl IntoMessage,
        timeout: Duration,
        claimed: bool,
    ) -> Result<u64, SendError> {
        let body = body.into_message();
        let deadline = Instant::now().checked_add(timeout);
        let mut exchange = self.exchange.borrow_mut();
        let begun = exchange.begin(body, deadline, self.retries.get(), claimed);
        begun.map_err(|message| SendError {
            error: Error::TooManyInFlight {
                limit: self.max_in_flight,
            },
            message,
        })
    }

    fn wait_for<T>(
        &self,
        until: Option<Instant>,
        mut ready: impl FnMut(&mut Exchange) -> Option<T>,
    ) -> Result<T, Error> {
        let mut message = Message::new();
        let done = self
            .socket
            .drive(|core, then| self.look(core, then, &mut message, until, &mut ready));
        self.wake_futures();
        Ok(done.unwrap_or(Err(Refusal::WouldBlock))?)
    }

    fn look_for<T>(&self, mut ready: impl FnMut(&mut Exchange) -> Option<T>) -> Result<T, Error> {
        let mut message = Message::new();
        let done = self
            .socket
            .drive_once(|core, then| self.look(core, then, &mut message, None, &mut ready));
        self.wake_futures();
        Ok(done.unwrap_or(Err(Refusal::WouldBlock))?)
    }

    /// Does what is due, for all requests, and says how the call goes on that waits until `ready` finds something.
    fn look<T>(
        &self,
        core: &mut Core<pattern::Dealer>,
        then: Then,
        message: &mut Message,
        until: Option<Instant>,
        ready: &mut impl FnMut(&mut Exchange) -> Option<T>,
    ) -> Step<Result<T, Refusal>> {
        let mut exchange = self.exchange.borrow_mut();
        let ended = exchange.ended();
        let step = self.work(core, &mut exchange, then, message, until, ready);
        for message in exchange.spent() {
            deferred::drop_bodies(message);
        }
        exchange.spent().clear();
        if exchange.ended() > ended && self.futures.get() > 0 {
            core.wake_tasks();
        }
        step
    }

    fn work<T>(
        &self,
        core: &mut Core<pattern::Dealer>,
        exchange: &mut Exchange,
        then: Then,
        message: &mut Message,
        until: Option<Instant>,
        ready: &mut impl FnMut(&mut Exchange) -> Option<T>,
    ) -> Step<Result<T, Refusal>> {
        if let Err(refusal) = core.process() {
            // What has come before can still be taken.
            return Step::Done(ready(exchange).ok_or(refusal));
        }
        let heard = core.heard();
        if core.take_call() {
            self.clock.borrow_mut().has_called();
        }
        let now = Instant::now();
        let is_past = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        exchange.on_time(now);
        // Nothing will follow before its reply has come, so it is written at once.
        core.state.alone = exchange.in_flight() == 1;
        // A flood of replies to nobody must not keep a caller whose time is over.
        let again = || {
            let is_over = until.is_some_and(|until| until <= Instant::now());
            if is_over {
                return Step::Done(Err(Refusal::WouldBlock));
            }
            Step::Again
        };
        let mut sends = 0;
        while let Some(outgoing) = exchange.outgoing() {
            match core.try_send(outgoing, Then::Return) {
                Ok(()) if sends == BATCH => {
                    exchange.sent(now);
                    return again();
                }
                Ok(()) => exchange.sent(now),
                Err(Refusal::WouldBlock) => break,
                Err(Refusal::Again) => return again(),
                Err(refusal) => return Step::Done(ready(exchange).ok_or(refusal)),
            }
            sends += 1;
        }
        for _ in 0..BATCH {
            if let Some(found) = ready(exchange) {
                return Step::Done(Ok(found));
            }
            match core.try_recv(message, then) {
                Ok(()) => exchange.on_message(std::mem::take(message)),
                // What was signalled meanwhile may be room for what is to be sent.
                Err(Refusal::WouldBlock) if core.heard() != heard => return again(),
                Err(Refusal::WouldBlock) if is_past(until) => {
                    return Step::Done(Err(Refusal::WouldBlock));
                }
                // More was due than is done in one go.
                Err(Refusal::WouldBlock) if is_past(exchange.next_time()) => return again(),
                Err(Refusal::WouldBlock) => {
                    return Step::Input(exchange.next_time().into_iter().chain(until).min());
                }
                Err(Refusal::Again) => return again(),
                Err(refusal) => return Step::Done(Err(refusal)),
            }
        }
        again()
    }

    /// After a call that is no future: what it has read and left in a pipe signals nobody any more.
    fn wake_futures(&self) {
        if self.futures.get() > 0 {
            self.socket.with_core(Core::wake_tasks);
        }
    }

    /// While it lives, nobody else takes the reply.
    fn claim(&self, ticket: Ticket) -> Result<Claim<'_>, Error> {
        let mut exchange = self.exchange.borrow_mut();
        if !exchange.is_free(ticket.0) {
            return Err(Error::NotInFlight);
        }
        exchange.claim(ticket.0, true);
        Ok(Claim(self, ticket.0))
    }

    fn forget_id(&self, id: u64) -> bool {
        let mut exchange = self.exchange.borrow_mut();
        let forgotten = exchange.forget(id);
        let spent = std::mem::take(exchange.spent());
        drop(exchange);
        for mut message in spent {
            deferred::drop_bodies(&mut message);
        }
        forgotten
    }
}

impl fmt::Debug for Requester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requester")
            .field("socket", &self.socket)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// With the call or future that waits for it a request ends.
struct Forget<'a>(&'a Requester, u64);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.0.forget_id(self.1);
    }
}

/// A call or future waits for a request that outlives it.
struct Claim<'a>(&'a Requester, u64);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // It is over, most often.
        self.0.exchange.borrow_mut().claim(self.1, false);
    }
}

fn reply(outcome: Outcome) -> Result<Message, Error> {
    match outcome {
        Outcome::Reply(message) => Ok(message),
        Outcome::Overdue { attempts } => Err(Error::NoReply { attempts }),
    }
}

/// The next that is over of those for which nobody waits in particular.
#[expect(clippy::type_complexity, reason = "what `recv` returns")]
fn any(exchange: &mut Exchange) -> Option<Result<(Ticket, Result<Message, Error>), Error>> {
    match exchange.take_any() {
        Some((id, outcome)) => Some(Ok((Ticket(id), reply(outcome)))),
        None if exchange.unclaimed() == 0 => Some(Err(Error::NotInFlight)),
        None => None,
    }
}
