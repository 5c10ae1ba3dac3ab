//! A set of I/O threads and the inproc names that belong to one context.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use zpipe::{Guarded, Notifier, Process, deferred};

use crate::{
    admission::Admission,
    authentication::{Authority, AuthoritySlot},
    closing::{Closing, Fate},
    connection::Connection,
    endpoint::{Endpoint, MulticastEndpoint},
    engine::{Engine, Multicast, make_pipes},
    error::Error,
    event::{Event, SocketHandle, errno},
    ids::next_id,
    inproc::Inproc,
    io::{
        Alarm, Command, Holding, IoThread, Leader, ListenerEntry, Live, Question, Remote, Resolver,
        Seat, expect_large_messages, is_io_thread,
    },
    link::Link,
    net::{BindError, Listener},
    options::Options,
    parts::{Parts, Slots},
    poll::{Interest, NESTS, Outside},
    scheduling::IoThreads,
    sys::OwnedDescriptor,
};

/// How long closing a listener waits for its I/O thread to say that the port is free.
const UNBIND_PATIENCE: Duration = Duration::from_secs(5);

/// The I/O side of a context: its threads, its connections, its inproc names.
///
/// Dropping it closes everything at once and joins the threads. To send what is queued first, wait
/// with [`wait_idle`](Self::wait_idle). An I/O thread that drops one, because a waker or the `Drop` of a
/// message body does, must not wait: then the threads go on until their connections are gone, and
/// nobody joins them.
#[derive(Debug)]
pub struct Reactor {
    threads: Vec<Thread>,
    inproc: Arc<Inproc>,
    authority: Arc<AuthoritySlot>,
    live: Arc<Live>,
    process: Process,
    /// Which thread each listener is on, for unbinding.
    listeners: Guarded<HashMap<u64, usize>>,
}

#[derive(Debug)]
struct Thread {
    remote: Remote,
    poll: Outside,
    /// The latest foreign event loop that leads.
    seat: Guarded<Option<Arc<Seat>>>,
    join: Option<JoinHandle<()>>,
}

/// What binding gives.
#[derive(Debug)]
pub struct Bound {
    /// Identifies the binding for [`Reactor::unbind`].
    pub id: u64,
    /// The endpoint with wildcards resolved.
    pub endpoint: Endpoint,
}

impl Reactor {
    /// The most I/O threads that a reactor may have.
    pub const MAX_IO_THREADS: usize = 1024;

    /// Starts the given number of I/O threads. With none, only inproc works.
    ///
    /// # Errors
    ///
    /// The operating system's error when a thread or its descriptors cannot be made; those that have
    /// been made are gone by then. `InvalidInput` for more than
    /// [`MAX_IO_THREADS`](Self::MAX_IO_THREADS).
    pub fn new(io_threads: usize) -> io::Result<Self> {
        Self::with_resolver(io_threads, &Resolver::new(Question::look_up))
    }

    /// Starts I/O threads that have other names than usual, or that the operating system runs in a way of their own. Waits until
    /// each of them has been given what is asked for.
    ///
    /// # Errors
    ///
    /// [`Error::Scheduling`], and what [`new`](Self::new) says as [`Error::Io`]. The threads that have been made are gone by then.
    pub fn with(threads: &IoThreads) -> Result<Self, Error> {
        Self::start(threads, &Resolver::new(Question::look_up))
    }

    pub(crate) fn with_resolver(io_threads: usize, resolver: &Resolver) -> io::Result<Self> {
        Self::start(&IoThreads::new(io_threads), resolver).map_err(|error| match error {
            Error::Io(error) => error,
            other => io::Error::other(other),
        })
    }

    fn start(threads: &IoThreads, resolver: &Resolver) -> Result<Self, Error> {
        let io_threads = threads.count;
        if io_threads > Self::MAX_IO_THREADS {
            let text = format!("more than {} I/O threads", Self::MAX_IO_THREADS);
            let error = io::Error::new(io::ErrorKind::InvalidInput, text);
            return Err(Error::Io(error));
        }
        if io_threads > 0 {
            expect_large_messages();
        }
        let live = Arc::new(Live::default());
        let (mut states, mut remotes) = (Vec::new(), Vec::new());
        for _ in 0..io_threads {
            let (state, remote) =
                IoThread::new(Arc::clone(&live), resolver.clone()).map_err(Error::Io)?;
            states.push(state);
            remotes.push(remote);
        }
        let all: Arc<[Remote]> = remotes.into();
        // Dropped on failure, which ends the threads that have been started.
        let mut reactor = Self {
            threads: Vec::new(),
            inproc: Arc::default(),
            authority: Arc::default(),
            live,
            process: Process::current(),
            listeners: Guarded::default(),
        };
        for (index, mut state) in states.into_iter().enumerate() {
            state.join(&all, index);
            if index == 0 {
                state.staff(&reactor.authority, &reactor.inproc);
            }
            let poll = state.outside();
            let special = threads.are_special().then(|| threads.clone());
            let (said, hears) = mpsc::channel();
            let join = std::thread::Builder::new()
                .name(threads.name(index))
                .spawn(move || {
                    // Whatever becomes of it, the thread runs, and ends when it is told to.
                    let applied = special.map_or(Ok(()), |special| special.apply());
                    // Whoever makes the reactor waits for this if it matters.
                    let _ = said.send(applied);
                    state.run();
                })
                .map_err(Error::Io)?;
            reactor.threads.push(Thread {
                remote: all[index].clone(),
                poll,
                seat: Guarded::default(),
                join: Some(join),
            });
            if threads.are_special() {
                let applied = hears.recv().map_err(|_| Error::IoThreadLost)?;
                applied.map_err(Error::Scheduling)?;
            }
        }
        Ok(reactor)
    }

    /// Binds a socket to an endpoint. A relative ipc path is made absolute first. Connections that come
    /// in are shared out among the I/O threads, and arrive at the socket as
    /// [`Letter::Attach`](crate::Letter::Attach) once their handshake is complete.
    ///
    /// # Errors
    ///
    /// [`Error::Bind`] by cause, [`Error::NoIoThread`] without threads for a stream transport,
    /// [`Error::IoThreadLost`].
    pub fn bind(
        &self,
        endpoint: &Endpoint,
        options: &Arc<Options>,
        handle: &SocketHandle,
    ) -> Result<Bound, Error> {
        let key = next_id();
        if let Endpoint::Inproc(name) = endpoint {
            if !self.inproc.bind(key, name, options, handle) {
                return Err(Error::Bind(BindError::AddressInUse(endpoint.clone())));
            }
            return Ok(Bound {
                id: key,
                endpoint: endpoint.clone(),
            });
        }
        // Without a thread nothing is bound, not even for a moment.
        self.least_loaded(options)?;
        let bound = Listener::bind(endpoint, &options.tuning).map_err(Error::from);
        let bound = bound
            .and_then(|(listener, resolved)| self.listen(key, listener, resolved, options, handle));
        bound.inspect_err(|error| {
            if let Error::Bind(error) = error {
                handle.emit(|| Event::BindFailed {
                    endpoint: endpoint.clone(),
                    reason: error.to_string(),
                    errno: errno::of_bind(error),
                });
            }
        })
    }

    /// Has a socket listen with a descriptor that does already: see [`Listener::adopt`]. Otherwise like
    /// [`bind`](Self::bind).
    ///
    /// # Errors
    ///
    /// [`Error::Bind`] if it is no listening stream socket, [`Error::NoIoThread`], [`Error::IoThreadLost`]. The descriptor
    /// is closed then.
    pub fn adopt(
        &self,
        descriptor: OwnedDescriptor,
        options: &Arc<Options>,
        handle: &SocketHandle,
    ) -> Result<Bound, Error> {
        let (listener, endpoint) = Listener::adopt(descriptor, &options.tuning)?;
        self.listen(next_id(), listener, endpoint, options, handle)
    }

    fn listen(
        &self,
        key: u64,
        listener: Listener,
        resolved: Endpoint,
        options: &Arc<Options>,
        handle: &SocketHandle,
    ) -> Result<Bound, Error> {
        let (index, thread) = self.least_loaded(options)?;
        let registered = thread.remote.registry.add(&listener, key, Interest::INPUT);
        registered.map_err(|error| BindError::from_io(&resolved, error))?;
        self.listeners.lock().insert(key, index);
        let entry = ListenerEntry {
            key,
            listener,
            endpoint: resolved.clone(),
            handle: handle.clone(),
            options: Arc::clone(options),
            admission: Admission::new(options),
            _place: thread.remote.take_place(),
        };
        if thread.remote.commands.post(Command::Listen(entry)).is_err() {
            self.listeners.lock().remove(&key);
            return Err(Error::IoThreadLost);
        }
        Ok(Bound {
            id: key,
            endpoint: resolved,
        })
    }

    /// Connects a socket to an endpoint, now and whenever the connection is lost. A relative ipc path
    /// is made absolute first. Returns the link,
    /// on which messages can be queued at once; `None` with [`Options::immediate`], where links come
    /// as letters. The number identifies the connection for [`Reactor::disconnect`].
    ///
    /// A multicast endpoint has no peer to connect to: its sockets are open when this returns, for a publisher to send or a
    /// subscriber to receive, and it has its link in any case.
    ///
    /// # Errors
    ///
    /// [`Error::Endpoint`] if the endpoint cannot be connected to whatever happens,
    /// [`Error::Bind`] if the sockets of a multicast endpoint cannot be opened,
    /// [`Error::NoIoThread`] without threads for a stream transport,
    /// [`Error::Incompatible`] over inproc,
    /// [`Error::IoThreadLost`].
    pub fn connect(
        &self,
        endpoint: &Endpoint,
        options: &Arc<Options>,
        handle: &SocketHandle,
    ) -> Result<(u64, Option<Link>), Error> {
        endpoint.for_connect()?;
        let endpoint = &endpoint.absolute()?;
        let id = next_id();
        if let Endpoint::Inproc(name) = endpoint {
            return Ok((id, Some(self.inproc.connect(id, name, options, handle)?)));
        }
        let (_, thread) = self.least_loaded(options)?;
        let parts = Parts {
            id,
            handle: handle.clone(),
            options: Arc::clone(options),
            endpoint: endpoint.clone(),
            outgoing: true,
            io: thread.remote.io.sibling(id),
            registry: thread.remote.registry.clone(),
            slots: Slots::default(),
        };
        if let Endpoint::Multicast(at) = endpoint {
            return self.join(at, parts, thread);
        }
        let mut ends = None;
        let connection = Connection::new(parts, thread.remote.commands.clone(), |connection| {
            if connection.options.immediate {
                return Engine::new(&connection.options, None);
            }
            let (pipes, socket) = make_pipes(connection, Some(connection.handle.notifier(id)));
            ends = Some(socket);
            Engine::new(&connection.options, Some(pipes))
        });
        self.live.add(&connection);
        let link = ends.map(|ends| Link::new(&connection, id, ends, None));
        let command = Command::Connect(connection, thread.remote.take_place());
        if thread.remote.commands.post(command).is_err() {
            self.live.remove(id);
            return Err(Error::IoThreadLost);
        }
        Ok((id, link))
    }

    /// Opens the sockets of a multicast endpoint, and has the thread serve them.
    fn join(
        &self,
        at: &MulticastEndpoint,
        parts: Parts,
        thread: &Thread,
    ) -> Result<(u64, Option<Link>), Error> {
        let id = parts.id;
        let multicast = Multicast::open(at, &parts.options).inspect_err(|error| {
            parts.handle.emit(|| Event::BindFailed {
                endpoint: parts.endpoint.clone(),
                reason: error.to_string(),
                errno: errno::of_bind(error),
            });
        })?;
        let sockets = multicast.sockets();
        let registered = sockets
            .inputs()
            .map(|input| (input, Interest::INPUT))
            // Watched only while it is full.
            .chain([(sockets.output(), Interest::NOTHING)])
            .try_for_each(|(socket, interest)| parts.registry.add(socket, id, interest));
        registered.map_err(|error| BindError::from_io(&parts.endpoint, error))?;
        let mut ends = None;
        let connection = Connection::new(parts, thread.remote.commands.clone(), |parts| {
            let (pipes, socket) = make_pipes(parts, Some(parts.handle.notifier(id)));
            ends = Some(socket);
            Engine::multicast(&parts.options, pipes, multicast)
        });
        self.live.add(&connection);
        let link = ends.map(|ends| Link::new(&connection, id, ends, None));
        let command = Command::Connect(connection, thread.remote.take_place());
        if thread.remote.commands.post(command).is_err() {
            self.live.remove(id);
            return Err(Error::IoThreadLost);
        }
        Ok((id, link))
    }

    /// Ends what [`connect`](Self::connect) began, after its link, if it has one, was dropped: what
    /// is queued is sent for as long as `linger` says. Unknown numbers are ignored.
    pub fn disconnect(&self, id: u64, linger: Option<Duration>) {
        if let Some(connection) = self.live.get(id) {
            connection.close(linger);
        }
    }

    /// Closes a listener. When this returns, its port or path is free, except on an I/O thread, which
    /// does not wait for it. With `accepted_too` the
    /// connections it has accepted are closed as well, without lingering; otherwise only those that
    /// have not completed their handshake.
    pub fn unbind(&self, id: u64, accepted_too: bool) {
        let index = self.listeners.lock().remove(&id);
        let Some(thread) = index.and_then(|index| self.threads.get(index)) else {
            self.inproc.unbind(id);
            return;
        };
        let (done, wait) = mpsc::channel();
        self.send(
            thread,
            Command::Unlisten {
                key: id,
                accepted_too,
                done,
            },
        );
        if is_io_thread() {
            return;
        }
        // The I/O threads are done within microseconds; the limit is for one that is stuck.
        let _ = wait.recv_timeout(UNBIND_PATIENCE);
    }

    /// Sets who answers the questions of handshakes from now on, in the place of the ZAP handler; with `None` it is that again:
    /// whoever has bound [`zmtp::zap::ENDPOINT`]. Without either, the socket's [policy](Options::zap) decides.
    pub fn set_authority(&self, authority: Option<Arc<dyn Authority>>) {
        drop(self.authority.set(authority));
    }

    /// Forgets that a socket waits for somebody to bind an inproc name.
    pub fn forget_inproc(&self, link: u64) {
        self.inproc.forget(link);
    }

    /// An I/O thread's clock, which signals through `notifier`; none without threads.
    #[must_use]
    pub fn alarm(&self, notifier: Notifier) -> Option<Alarm> {
        let threads = self.threads.iter();
        let thread = threads.min_by_key(|thread| thread.remote.load())?;
        let commands = thread.remote.commands.clone();
        Some(Alarm::new(next_id(), commands, notifier))
    }

    /// Has a foreign event loop lead the poll of an I/O thread that has none yet, so that there can be as many as there are
    /// threads.
    ///
    /// # Platform
    ///
    /// Unix. On Windows there is nothing that such a loop could wait for, and the error is [`Error::Io`] with
    /// [`Unsupported`](io::ErrorKind::Unsupported).
    ///
    /// # Errors
    ///
    /// [`Error::Led`] if each has one, [`Error::NoIoThread`], [`Error::IoThreadLost`], and [`Error::Io`] when no descriptor can be
    /// made.
    pub fn lead(&self) -> Result<Leader, Error> {
        if self.threads.is_empty() {
            return Err(Error::NoIoThread);
        }
        if !NESTS {
            return Err(Error::Io(io::ErrorKind::Unsupported.into()));
        }
        for thread in &self.threads {
            let mut place = thread.seat.lock();
            if place.as_ref().is_some_and(|seat| !seat.is_given_up()) {
                continue;
            }
            let seat = Seat::new(&thread.remote, thread.poll.clone()).map_err(Error::Io)?;
            let seat = Arc::new(seat);
            let command = Command::Lead(Arc::clone(&seat));
            if thread.remote.commands.post(command).is_err() {
                return Err(Error::IoThreadLost);
            }
            *place = Some(Arc::clone(&seat));
            return Ok(Leader::new(seat));
        }
        Err(Error::Led)
    }

    /// Waits until no connection is left, at most until the deadline. Connections go when both ends
    /// or the lingering time allow it, see [`Driver::linger`](crate::Driver::linger).
    #[must_use]
    pub fn wait_idle(&self, deadline: Option<Instant>) -> bool {
        self.live.wait_empty(deadline)
    }

    /// Waits until the connections of these links are gone, at most until the deadline, and says of each what has become of
    /// its messages by then.
    #[must_use]
    pub fn wait_closed(&self, closings: &[Closing], deadline: Option<Instant>) -> Vec<Fate> {
        let keys = closings.iter().filter_map(Closing::connection).collect();
        let all_gone = self.live.wait_gone(keys, deadline);
        let is_over = |closing: &Closing| {
            all_gone || closing.connection().is_none_or(|key| !self.live.has(key))
        };
        let fates = closings
            .iter()
            .map(|closing| closing.fate(is_over(closing)));
        fates.collect()
    }

    /// Whether a connection is alive, by the number that [`connect`](Self::connect) gave: one that was given up is not.
    #[must_use]
    pub fn has_connection(&self, id: u64) -> bool {
        self.live.has(id)
    }

    /// The connections that are alive.
    #[must_use]
    pub fn holding(&self) -> Vec<Holding> {
        self.live.holding()
    }

    /// Of the threads that these options allow.
    fn least_loaded(&self, options: &Options) -> Result<(usize, &Thread), Error> {
        let all = self.threads.iter().enumerate();
        let allowed = all.filter(|(index, _)| options.may_be_served_by(*index));
        let least = allowed.min_by_key(|(_, thread)| thread.remote.load());
        least.ok_or(match self.threads.len() {
            0 => Error::NoIoThread,
            io_threads => Error::NoSuchIoThread {
                affinity: options.affinity,
                io_threads,
            },
        })
    }

    fn send(&self, thread: &Thread, command: Command) {
        // One that has died has closed everything, so there is nothing to command.
        let _ = thread.remote.commands.post(command);
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        if self.process.is_forked() {
            // The parent's threads do not exist here, and its locks may be held for ever.
            use std::mem::{forget, take};
            forget((take(&mut self.threads), take(&mut self.inproc)));
            forget((take(&mut self.listeners), Arc::clone(&self.live)));
            forget(take(&mut self.authority));
            return;
        }
        if is_io_thread() {
            for thread in &self.threads {
                self.send(thread, Command::StopWhenIdle);
            }
            return;
        }
        for thread in &self.threads {
            // This thread may be the one that ought to dispatch.
            if let Some(seat) = &*thread.seat.lock() {
                seat.give_up();
            }
            self.send(thread, Command::Stop);
        }
        for thread in &mut self.threads {
            if let Some(join) = thread.join.take() {
                // A panic there was reported when it happened.
                let _ = join.join();
            }
        }
        // Foreign code, and not before: without it peers would be judged as if nobody had been asked to.
        let authority = self.authority.set(None);
        deferred::catch(move || drop(authority));
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod placement;
