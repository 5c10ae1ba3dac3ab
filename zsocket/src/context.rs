//! The context: I/O threads, inproc names, and the sockets that share them.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use zmtp::SocketType;
use zpipe::{Process, ReadySet};
use ztransport::{Authority, IoThreads, Reactor, RealTime, SocketHandle};

use crate::{
    AsyncSocket, Authenticator, Blocked, Dynamic, Error, InvalidOption, Leader, Pattern, Socket,
    SocketBuilder, TermReport, TypedPattern,
    authenticator::Asked,
    core::{Core, MAIL_TOKEN},
    options::SocketOptions,
    registry::Registry,
    trace,
};

/// Owns the I/O threads and everything that sockets share. Cheap to clone; clones are the same
/// context.
///
/// When the last clone and the last socket are gone, the context waits until queued messages are sent
/// or their linger time is over, as [`term`](Self::term) does; not while the thread is panicking, and not
/// on an I/O thread, where a waker or the `Drop` of a body may drop it: then the same happens in the
/// background.
///
/// # Examples
///
/// ```
/// use zsocket::{Context, Pull, Push};
///
/// let context = Context::new();
/// let pull = context.socket::<Pull>()?;
/// let push = context.socket::<Push>()?;
/// pull.bind("inproc://example")?;
/// push.connect("inproc://example")?;
/// push.send("hello")?;
/// assert_eq!(pull.recv()?[0], "hello");
/// # Ok::<(), zsocket::Error>(())
/// ```
#[derive(Clone)]
pub struct Context {
    shared: Arc<Shared>,
}

/// What sockets know of their context.
pub(crate) struct Shared {
    pub(crate) reactor: Reactor,
    pub(crate) sockets: Registry,
    process: Process,
}

/// Sets up a [`Context`].
#[derive(Clone, Debug)]
pub struct ContextBuilder {
    io_threads: usize,
    max_sockets: usize,
    name_prefix: Option<String>,
    real_time: Option<RealTime>,
    nice: Option<i32>,
    cpus: Vec<usize>,
}

impl ContextBuilder {
    /// How many threads move data: at most 1024. Default 1; with 0, only inproc works. `ZMQ_IO_THREADS`.
    #[must_use]
    pub const fn io_threads(mut self, threads: usize) -> Self {
        self.io_threads = threads;
        self
    }

    /// How many sockets may be open at a time. Default 1023. `ZMQ_MAX_SOCKETS`.
    #[must_use]
    pub const fn max_sockets(mut self, sockets: usize) -> Self {
        self.max_sockets = sockets;
        self
    }

    /// What the names of the I/O threads begin with: `-io-` and a number follow. A thread's name has at most 15 bytes, so this
    /// has up to ten with ten threads or fewer. Default `zlayers`. `ZMQ_THREAD_NAME_PREFIX`.
    #[must_use]
    pub fn thread_name_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.name_prefix = Some(prefix.into());
        self
    }

    /// Has the I/O threads run before all threads that have no such policy, which takes a privilege. Those that look names
    /// up for them have it, too, as they have the nice value and the processors. Default: as all others. `ZMQ_THREAD_SCHED_POLICY` and `ZMQ_THREAD_PRIORITY`.
    ///
    /// # Platform
    ///
    /// Linux. Elsewhere building the context is refused, with a [`SchedulingError`](crate::SchedulingError).
    #[must_use]
    pub const fn thread_real_time(mut self, policy: RealTime) -> Self {
        self.real_time = Some(policy);
        self
    }

    /// The nice value of the I/O threads, from -20, which go first, to 19; less than now takes a privilege. Default: that
    /// of the thread that makes the context.
    ///
    /// # Platform
    ///
    /// Linux. Elsewhere building the context is refused, with a [`SchedulingError`](crate::SchedulingError).
    #[must_use]
    pub const fn thread_nice(mut self, nice: i32) -> Self {
        self.nice = Some(nice);
        self
    }

    /// The processors that the I/O threads may run on, by number. Default: those of the thread that makes the context.
    /// `ZMQ_THREAD_AFFINITY_CPU_ADD`.
    ///
    /// # Platform
    ///
    /// Linux. Elsewhere building the context is refused, with a [`SchedulingError`](crate::SchedulingError).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// // That machine has two processors or more.
    /// let context = zsocket::Context::builder().thread_cpus([1]).build()?;
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    #[must_use]
    pub fn thread_cpus(mut self, cpus: impl IntoIterator<Item = usize>) -> Self {
        self.cpus = cpus.into_iter().collect();
        self
    }

    /// Makes the context and starts its threads. If these are to run in a way of their own, waits until they do.
    ///
    /// # Errors
    ///
    /// [`InvalidOption::Value`](crate::InvalidOption::Value) for too many threads, a name that is too long or has a zero byte, a priority or a nice value
    /// out of range. [`Error::Scheduling`] when the system refuses what the threads are to have. [`Error::Io`] when the system has no threads or
    /// descriptors left; those that have been made are given back by then.
    pub fn build(self) -> Result<Context, Error> {
        if self.io_threads > Reactor::MAX_IO_THREADS {
            return Err(Error::from(InvalidOption::Value {
                option: "io_threads",
                expected: "at most 1024",
            }));
        }
        let max_sockets = self.max_sockets;
        let threads = self.threads()?;
        let shared = Shared {
            reactor: Reactor::with(&threads)?,
            sockets: Registry::new(max_sockets),
            process: Process::current(),
        };
        Ok(Context {
            shared: Arc::new(shared),
        })
    }

    fn threads(self) -> Result<IoThreads, Error> {
        let invalid = |option, expected| Error::from(InvalidOption::Value { option, expected });
        let mut threads = IoThreads::new(self.io_threads);
        if let Some(prefix) = self.name_prefix {
            threads.name_prefix = prefix;
            let longest = threads.name(self.io_threads.saturating_sub(1));
            if longest.len() > MAX_THREAD_NAME || longest.contains('\0') {
                let expected = "a prefix with which the longest name, PREFIX-io-NUMBER, has at most 15 bytes, none of them zero";
                return Err(invalid("thread_name_prefix", expected));
            }
        }
        let priority = self.real_time.map(|policy| match policy {
            RealTime::Fifo { priority } | RealTime::RoundRobin { priority } => priority,
            _ => 1,
        });
        if priority.is_some_and(|priority| !(1..=99).contains(&priority)) {
            return Err(invalid("thread_real_time", "a priority from 1 to 99"));
        }
        if self.nice.is_some_and(|nice| !(-20..=19).contains(&nice)) {
            return Err(invalid("thread_nice", "-20 to 19"));
        }
        threads.real_time = self.real_time;
        threads.nice = self.nice;
        threads.cpus = self.cpus;
        Ok(threads)
    }
}

/// What Linux keeps of a thread's name, in bytes.
const MAX_THREAD_NAME: usize = 15;

impl Context {
    /// A context with one I/O thread.
    ///
    /// # Panics
    ///
    /// If the system has no threads or descriptors left; [`builder`](Self::builder) returns an error
    /// instead.
    #[must_use]
    pub fn new() -> Self {
        Self::builder()
            .build()
            .expect("threads and descriptors for a context")
    }

    /// Sets up a context with other than the default settings.
    #[must_use]
    pub const fn builder() -> ContextBuilder {
        ContextBuilder {
            io_threads: 1,
            max_sockets: 1023,
            name_prefix: None,
            real_time: None,
            nice: None,
            cpus: Vec::new(),
        }
    }

    /// Makes a socket of the type that the type parameter names.
    ///
    /// # Errors
    ///
    /// [`Error::Terminated`] after a shutdown, [`Error::TooManySockets`] at the limit.
    pub fn socket<P: TypedPattern>(&self) -> Result<Socket<P>, Error> {
        self.build_socket().build()
    }

    /// Makes a socket for tasks: [`socket`](Self::socket), and [`into_async`](Socket::into_async).
    ///
    /// # Errors
    ///
    /// As for [`socket`](Self::socket).
    pub fn async_socket<P: TypedPattern>(&self) -> Result<AsyncSocket<P>, Error> {
        Ok(self.socket()?.into_async())
    }

    /// Sets up a socket with other than the default options.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use zsocket::{Context, Push};
    ///
    /// let context = Context::new();
    /// let push = context
    ///     .build_socket::<Push>()
    ///     .send_hwm(10)
    ///     .linger(Some(Duration::from_secs(1)))
    ///     .build()?;
    /// assert_eq!(push.send_hwm(), 10);
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    #[must_use]
    pub fn build_socket<P: TypedPattern>(&self) -> SocketBuilder<P> {
        SocketBuilder::new(self.clone(), P::TYPE)
    }

    /// Makes a socket whose type is chosen at run time.
    ///
    /// # Errors
    ///
    /// As for [`socket`](Self::socket); [`Error::NotSupported`] for a type that this crate does not
    /// implement.
    pub fn dynamic(&self, socket_type: SocketType) -> Result<Socket<Dynamic>, Error> {
        self.build_dynamic(socket_type).build()
    }

    /// Sets up a socket whose type is chosen at run time.
    #[must_use]
    pub fn build_dynamic(&self, socket_type: SocketType) -> SocketBuilder<Dynamic> {
        SocketBuilder::new(self.clone(), socket_type)
    }

    /// Has a foreign event loop lead the poll of one of the context's I/O threads, so that what comes in needs no hop through that
    /// thread: see [`Leader`].
    ///
    /// # Platform
    ///
    /// Unix. On Windows it is [`Error::Io`], with [`Unsupported`](std::io::ErrorKind::Unsupported).
    ///
    /// # Errors
    ///
    /// [`Error::Led`] if each I/O thread has a leader already, [`Error::NoIoThread`] if there is none, [`Error::IoThreadLost`],
    /// [`Error::Forked`], and [`Error::Io`] when no descriptors are left.
    pub fn lead(&self) -> Result<Leader, Error> {
        if self.shared.process.is_forked() {
            return Err(Error::Forked);
        }
        Ok(Leader::new(self.shared.reactor.lead()?))
    }

    /// Sets who judges the peers of all sockets of this context from now on, in the place of a ZAP handler: see
    /// [`Security`](crate::Security) for when that is asked. With a new one the old one is not asked any more, though it may
    /// still answer what it was asked before. The context keeps it, so one that holds a clone of the context keeps both from
    /// ever ending by themselves.
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{AccessList, Context, Pull, Push, Security};
    ///
    /// let context = Context::new();
    /// let access = AccessList::new();
    /// access.set_password("sensor", "secret");
    /// context.set_authenticator(access);
    ///
    /// let pull = context.socket::<Pull>()?;
    /// pull.set_security(Security::plain_server())?;
    /// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
    /// let push = context.socket::<Push>()?;
    /// push.set_security(Security::plain_client("sensor", "secret")?)?;
    /// push.connect(&endpoint)?;
    /// push.send("20.1")?;
    ///
    /// let (_, peer) = pull.recv_from()?;
    /// assert_eq!(pull.peer_info(peer).unwrap().user_id, "sensor");
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    pub fn set_authenticator(&self, authenticator: impl Authenticator) {
        self.set_authority(Some(Arc::new(Asked(authenticator))));
    }

    /// Takes back what [`set_authenticator`](Self::set_authenticator) said: a ZAP handler is asked again, if there is one.
    pub fn remove_authenticator(&self) {
        self.set_authority(None);
    }

    fn set_authority(&self, authority: Option<Arc<dyn Authority>>) {
        if !self.shared.process.is_forked() {
            self.shared.reactor.set_authority(authority);
        }
    }

    pub(crate) fn open<P: Pattern>(
        &self,
        socket_type: SocketType,
        state: P::State,
        options: SocketOptions,
    ) -> Result<Socket<P>, Error> {
        let ready = ReadySet::new();
        let notifier = ready.notifier(MAIL_TOKEN);
        let (letters, mailbox) = zpipe::mailbox(notifier.clone());
        let handle = SocketHandle::new(letters, notifier.clone());
        if self.shared.process.is_forked() {
            return Err(Error::Forked);
        }
        let id = self.shared.sockets.open(socket_type, notifier)?;
        let shared = Arc::clone(&self.shared);
        let core = Core::new(shared, id, state, ready, mailbox, handle, options);
        Ok(Socket::from_core(core))
    }

    /// Makes every call on every socket, blocked or to come, return [`Error::Terminated`]. Does not
    /// wait, and can be called again. Sockets still have to be closed.
    pub fn shutdown(&self) {
        if !self.shared.process.is_forked() {
            self.shared.sockets.shut_down();
        }
    }

    /// Waits, for ever if need be, until all sockets are closed and what they had queued is sent or their linger time is over:
    /// by default they linger without end, so a message for a peer that never comes holds the context for ever, as in libzmq. Set
    /// [`linger`](crate::Socket::set_linger), or call [`term_timeout`](Self::term_timeout), which tells what it waits for. With
    /// the feature `tracing` an event tells it after a second.
    ///
    /// All calls of the context's sockets end with [`Error::Terminated`] from now on.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`] if it would have to wait and this is an I/O thread, on which a waker or the
    /// `Drop` of a body has called: those never wait.
    pub fn term(&self) -> Result<(), Error> {
        if self.shared.process.is_forked() {
            return Err(Error::Forked);
        }
        self.shutdown();
        self.shared
            .wait(None)
            .map_err(|_| Error::WouldBlock(Blocked::TimeOut))
    }

    /// Like [`term`](Self::term), but gives up after a while; on an I/O thread at once. It may be called again.
    ///
    /// # Errors
    ///
    /// [`TermReport`] tells what still holds the context.
    pub fn term_timeout(&self, timeout: Duration) -> Result<(), TermReport> {
        if self.shared.process.is_forked() {
            return Err(TermReport {
                sockets: Vec::new(),
                connections: Vec::new(),
            });
        }
        self.shutdown();
        self.shared.wait(Instant::now().checked_add(timeout))
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sockets = self.shared.sockets.types().len();
        f.debug_struct("Context")
            .field("sockets", &sockets)
            .finish_non_exhaustive()
    }
}

/// For how long a context waits without a word.
const A_WHILE: Duration = Duration::from_secs(1);

impl Shared {
    /// Waits until nothing is left, or reports what is.
    fn wait(&self, deadline: Option<Instant>) -> Result<(), TermReport> {
        let deadline = if ztransport::is_io_thread() {
            Some(Instant::now())
        } else {
            deadline
        };
        if self.wait_noisily(deadline) {
            return Ok(());
        }
        Err(self.report())
    }

    /// Waits, and after a while says for what.
    fn wait_noisily(&self, deadline: Option<Instant>) -> bool {
        if trace::WAITS_ARE_HEARD {
            let soon = Instant::now() + A_WHILE;
            if deadline.is_none_or(|deadline| deadline > soon) {
                if self.wait_quietly(Some(soon)) {
                    return true;
                }
                trace::waits(&self.report());
            }
        }
        self.wait_quietly(deadline)
    }

    fn wait_quietly(&self, deadline: Option<Instant>) -> bool {
        self.sockets.wait_empty(deadline) && self.reactor.wait_idle(deadline)
    }

    fn report(&self) -> TermReport {
        TermReport {
            sockets: self.sockets.types(),
            connections: self.reactor.holding(),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.process.is_forked() {
            return;
        }
        // On an I/O thread the reactor does the rest in the background.
        if !std::thread::panicking() && !ztransport::is_io_thread() {
            // All sockets are gone; what they left is sent. With the deadline of none it ends well.
            let _ = self.wait_noisily(None);
        }
    }
}
