//! A server that answers in any order and from any thread.
//!
//! What is decided lies in `desk`, without sockets and threads. Answers of other threads are posted, and sent by the
//! thread that has the socket.

mod builder;
mod desk;
mod request;
mod serve;

use std::{
    cell::RefCell,
    collections::VecDeque,
    fmt,
    future::poll_fn,
    sync::Arc,
    time::{Duration, Instant},
};

use zmtp::Message;
use zpipe::{Mailbox, Process, deferred};
use ztransport::{Endpoint, IntoEndpoint};

pub use self::{builder::ResponderBuilder, request::Request, serve::Stopped};
use self::{
    desk::{Desk, Settled},
    request::Post,
};
use crate::{
    Context, Error, IntoMessage, Monitor, Router, SendError, Socket, SocketStats,
    core::{Core, Then},
    error::Refusal,
    pattern,
    socket::{self, Step},
    tasks::Place,
};

/// Receives requests, any number of them at a time, and answers each when it likes.
///
/// A REP socket has one request at a time, and answers it before it receives the next one. A `Responder` is a ROUTER
/// that keeps the envelopes: [`recv`](Self::recv) returns a [`Request`], which is answered in any order, from any
/// thread, while others are at work. How many may be is [bounded](ResponderBuilder::max_at_work). Where one after
/// the other will do, [`serve`](Self::serve) calls a closure for each.
///
/// Its clients are plain REQ sockets, whether they correlate or not, [`Requester`](crate::Requester)s, and
/// DEALER sockets that put an empty frame before their requests. As with REP, all frames up to the first empty one are the envelope, and go
/// back with the answer. What has no empty frame, or nothing behind it, is no request: it is dropped and counted
/// ([`malformed`](ResponderStats::malformed)), and its sender gets no answer. A DEALER that sends bare messages, or a
/// peer that [probes](Socket::set_probe_router), does that.
///
/// A responder has no thread. Answers that other threads give wake it when it waits for requests; when it does not,
/// they are sent in its next call. Like a [`Socket`] it can be moved to another thread, and not shared:
///
/// ```compile_fail
/// let responder = zsocket::Responder::new(&zsocket::Context::new()).unwrap();
/// std::thread::scope(|scope| { scope.spawn(|| responder.stats()); });
/// ```
///
/// Dropping it sends the answers that were given until then, and closes the socket; what is answered later comes back
/// with [`Error::ResponderClosed`].
///
/// # Examples
///
/// ```
/// use zsocket::{Context, Req, Responder};
///
/// let context = Context::new();
/// let responder = Responder::new(&context)?;
/// let endpoint = responder.bind("tcp://127.0.0.1:*")?;
/// let clients = [context.socket::<Req>()?, context.socket::<Req>()?];
/// for (number, client) in clients.iter().enumerate() {
///     client.connect(&endpoint)?;
///     client.send(&[number as u8])?;
/// }
///
/// let requests = [responder.recv()?, responder.recv()?];
/// for mut request in requests.into_iter().rev() {
///     let body = request.take_body();
///     responder.answer(request, body)?;
/// }
/// for (number, client) in clients.iter().enumerate() {
///     assert_eq!(client.recv()?[0], [number as u8]);
/// }
/// # Ok::<(), zsocket::Error>(())
/// ```
pub struct Responder {
    socket: Socket<Router>,
    desk: RefCell<Desk>,
    post: Post,
    inbox: RefCell<Inbox>,
    process: Process,
}

/// What was answered and is not yet sent.
struct Inbox {
    /// Only ever taken out when the responder goes.
    mailbox: Option<Mailbox<Settled>>,
    /// Taken out of the mailbox.
    settled: VecDeque<Settled>,
}

/// What a [`Responder`] has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponderStats {
    /// Requests at work now: received, and neither answered nor dropped as far as the responder has heard.
    pub at_work: usize,
    /// Requests received.
    pub received: u64,
    /// Requests answered. That the answer was dropped because its client was gone, or does not read, is counted by the
    /// socket: see [`Dropped`](crate::Dropped).
    pub answered: u64,
    /// Requests dropped unanswered, those during whose service [`serve`](Responder::serve) caught a panic included.
    pub abandoned: u64,
    /// Messages dropped because they are no requests: they lack the empty frame that ends the envelope, or a body.
    pub malformed: u64,
    /// Panics that [`serve`](Responder::serve) caught.
    pub panics: u64,
}

/// Answers that are sent, and messages that are taken in, between two looks at the clock. Few, for one may
/// take long to send.
const BATCH: u32 = 16;

impl Responder {
    /// A responder with the default settings, see [`builder`](Self::builder).
    ///
    /// # Errors
    ///
    /// As for [`Context::socket`].
    pub fn new(context: &Context) -> Result<Self, Error> {
        Self::builder().build(context)
    }

    /// Sets up a responder with other than the default settings.
    pub const fn builder() -> ResponderBuilder {
        ResponderBuilder::new()
    }

    fn from_parts(socket: Socket<Router>, desk: Desk) -> Self {
        let caller = socket.with_core(|core| core.caller());
        let (post, mailbox) = zpipe::mailbox(caller);
        Self {
            socket,
            desk: RefCell::new(desk),
            post: Arc::new(post),
            inbox: RefCell::new(Inbox {
                mailbox: Some(mailbox),
                settled: VecDeque::new(),
            }),
            process: Process::current(),
        }
    }

    // ---- Requests ----

    /// Receives a request, waiting for one, or for an answer if [as many as may be](ResponderBuilder::max_at_work) are
    /// at work. Meanwhile it sends what others answer. It waits as long as the socket's
    /// [`recv_timeout`](crate::SocketBuilder::recv_timeout) says, by default for ever.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`] when the time is over, and at once on an I/O thread, which never waits;
    /// [`Error::Terminated`], [`Error::IoThreadLost`].
    pub fn recv(&self) -> Result<Request, Error> {
        self.recv_until(self.socket.deadline_of_recv())
    }

    /// Like [`recv`](Self::recv), but waits no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Request, Error> {
        self.recv_until(Instant::now().checked_add(timeout))
    }

    /// Like [`recv`](Self::recv), but does not wait.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv); [`Error::WouldBlock`] if no request is there, or as many as may be are at work.
    pub fn try_recv(&self) -> Result<Request, Error> {
        let mut message = Message::new();
        let done = self
            .socket
            .drive_once(|core, then| self.look(core, then, &mut message, None));
        Ok(done.unwrap_or(Err(Refusal::WouldBlock))?)
    }

    /// Like [`recv`](Self::recv), without blocking the thread, and without a timeout. While the future waits, answers
    /// of other threads wake its task, which sends them.
    ///
    /// # Cancel safety
    ///
    /// Safe: a future that is dropped before it is ready has received no request.
    ///
    /// # Errors
    ///
    /// [`Error::Terminated`], [`Error::IoThreadLost`].
    pub async fn recv_async(&self) -> Result<Request, Error> {
        let mut place = Place::default();
        let mut message = Message::new();
        poll_fn(|cx| {
            let mut done = None;
            let polled = self.socket.poll_core(cx, &mut place, |core| {
                core.deferral.begin();
                self.look(core, Then::Return, &mut message, None)
                    .for_task(&mut done)
            });
            socket::polled(polled, done)
        })
        .await
        .map_err(Error::from)
    }

    /// Answers a request at once, which the thread that has the responder can. Other threads have
    /// [`Request::answer`]. Never waits: an answer whose client is gone, or does not read, is dropped and counted
    /// ([`Dropped`](crate::Dropped)). A request that another responder has received is answered by that one.
    ///
    /// # Errors
    ///
    /// [`Error::Terminated`], [`Error::IoThreadLost`], [`Error::Forked`]; the answer comes back with the error.
    pub fn answer(&self, mut request: Request, reply: impl IntoMessage) -> Result<(), SendError> {
        let reply = reply.into_message();
        if let Err(error) = self.socket.with_core(Core::process) {
            let error = error.into();
            return Err(SendError {
                error,
                message: reply,
            });
        }
        let Some(envelope) = request.take_envelope_for(&self.post) else {
            return request.answer(reply);
        };
        let settled = Settled::Answered(envelope, reply);
        self.inbox.borrow_mut().settled.push_back(settled);
        let was_full = !self.desk.borrow().has_room();
        // Only a socket that has ended since cannot send.
        let _ = self.flush();
        if was_full {
            // No signal has told futures that there is room for another request.
            self.socket.with_core(Core::wake_tasks);
        }
        Ok(())
    }

    /// Sends the answers that were given so far. Whatever waits for requests does that as well.
    ///
    /// # Errors
    ///
    /// [`Error::Terminated`], [`Error::IoThreadLost`], [`Error::Forked`].
    pub fn flush(&self) -> Result<(), Error> {
        let done = self.socket.drive(|core, _| match self.send_settled(core) {
            Ok(true) => Step::Done(Ok(())),
            Ok(false) => Step::Again,
            Err(refusal) => Step::Done(Err(refusal)),
        });
        // Nothing here waits.
        Ok(done.unwrap_or(Ok(()))?)
    }

    // ---- The socket ----

    /// Listens for clients, as [`Socket::bind`] does.
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

    /// Connects to a client or broker that listens, as [`Socket::connect`] does.
    ///
    /// # Errors
    ///
    /// As for [`Socket::connect`].
    pub fn connect(&self, endpoint: impl IntoEndpoint) -> Result<(), Error> {
        self.socket.connect(endpoint)
    }

    /// Ends all connections to an endpoint, as [`Socket::disconnect`] does.
    ///
    /// # Errors
    ///
    /// As for [`Socket::disconnect`].
    pub fn disconnect(&self, endpoint: impl IntoEndpoint) -> Result<(), Error> {
        self.socket.disconnect(endpoint)
    }

    /// Reports what happens to connections, as [`Socket::monitor`] does.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        self.socket.monitor()
    }

    /// How many clients there are pipes to, as [`Socket::peers`] tells.
    #[must_use]
    pub fn peers(&self) -> usize {
        self.socket.peers()
    }

    /// What was counted so far. Takes nothing in: what other threads have answered counts when it is sent.
    #[must_use]
    pub fn stats(&self) -> ResponderStats {
        self.desk.borrow().stats()
    }

    /// The counters of the socket inside.
    #[must_use]
    pub fn socket_stats(&self) -> SocketStats {
        self.socket.stats()
    }

    // ---- Driving ----

    fn recv_until(&self, until: Option<Instant>) -> Result<Request, Error> {
        let mut message = Message::new();
        let done = self
            .socket
            .drive(|core, then| self.look(core, then, &mut message, until));
        Ok(done.unwrap_or(Err(Refusal::WouldBlock))?)
    }

    /// Sends what was answered, and takes in a request if there is one and there may be one more.
    fn look(
        &self,
        core: &mut Core<pattern::Router>,
        then: Then,
        message: &mut Message,
        until: Option<Instant>,
    ) -> Step<Result<Request, Refusal>> {
        if let Err(refusal) = core.process() {
            return Step::Done(Err(refusal));
        }
        let heard = core.heard();
        match self.send_settled(core) {
            Ok(true) => {}
            Ok(false) if is_over(until) => return Step::Done(Err(Refusal::WouldBlock)),
            Ok(false) => return Step::Again,
            Err(refusal) => return Step::Done(Err(refusal)),
        }
        let mut desk = self.desk.borrow_mut();
        if !desk.has_room() {
            if is_over(until) {
                return Step::Done(Err(Refusal::WouldBlock));
            }
            if core.heard() != heard {
                return Step::Again;
            }
            // For an answer alone: the requests that come wait in their pipes.
            return Step::Signal(until);
        }
        for _ in 0..BATCH {
            match core.try_recv(message, then) {
                Ok(()) => match desk.take_in(std::mem::take(message)) {
                    Ok((envelope, body)) => {
                        let request = Request::new(envelope, body, Arc::clone(&self.post));
                        return Step::Done(Ok(request));
                    }
                    Err(mut malformed) => deferred::drop_bodies(&mut malformed),
                },
                // What was signalled meanwhile may be an answer.
                Err(Refusal::WouldBlock) if core.heard() != heard => return Step::Again,
                Err(Refusal::WouldBlock) if is_over(until) => {
                    return Step::Done(Err(Refusal::WouldBlock));
                }
                Err(Refusal::WouldBlock) => return Step::Input(until),
                Err(Refusal::Again) => break,
                Err(refusal) => return Step::Done(Err(refusal)),
            }
        }
        if is_over(until) {
            return Step::Done(Err(Refusal::WouldBlock));
        }
        Step::Again
    }

    /// Sends some of what was answered; says whether that was all.
    fn send_settled(&self, core: &mut Core<pattern::Router>) -> Result<bool, Refusal> {
        core.process()?;
        let inbox = &mut *self.inbox.borrow_mut();
        if core.take_call() {
            let posted = inbox.mailbox.as_mut().map(Mailbox::take);
            inbox.settled.extend(posted.into_iter().flatten());
        }
        let mut desk = self.desk.borrow_mut();
        for _ in 0..BATCH {
            let Some(settled) = inbox.settled.pop_front() else {
                return Ok(true);
            };
            if let Some(mut message) = desk.settle(settled) {
                // With nothing else to do it is written at once; otherwise more answers may follow it.
                core.state.alone =
                    desk.is_idle() && inbox.settled.is_empty() && !core.may_have_message();
                // A ROUTER that is not `mandatory` sends or drops, and counts that.
                let sent = core.try_send(&mut message, Then::Return);
                deferred::drop_bodies(&mut message);
                sent?;
            }
        }
        Ok(inbox.settled.is_empty())
    }
}

fn is_over(until: Option<Instant>) -> bool {
    until.is_some_and(|until| until <= Instant::now())
}

impl Drop for Responder {
    fn drop(&mut self) {
        let inbox = self.inbox.get_mut();
        let Some(mut mailbox) = inbox.mailbox.take() else {
            return;
        };
        if self.process.is_forked() {
            // Somebody may hold its lock there for ever. What a handle is kept of is never dropped.
            let settled = std::mem::take(&mut inbox.settled);
            return std::mem::forget((mailbox, settled, Arc::clone(&self.post)));
        }
        inbox.settled.extend(mailbox.close());
        // Ended meanwhile, it sends no more.
        let _ = self.flush();
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("socket", &self.socket)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
