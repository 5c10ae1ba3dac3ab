//! The input of all of a socket's streams in one poll, which either the I/O thread watches or the
//! thread that is blocked in the socket's `recv`.
//!
//! ```text
//!   I/O thread ── epoll_wait ──▶ its poll ─┬─ listeners, handshakes, streams of other sockets
//!                                          └─ a socket's poll ─┬─ stream
//!   application ── epoll_wait ──────────────────▶ (the same) ──┼─ stream
//!                                                              └─ waker of the socket's ready list
//! ```
//!
//! A socket's poll is nested in that of its I/O thread. A thread that blocks in `recv` takes a *lease*:
//! the I/O thread is not told of this poll any more, and the application waits for it, drives whatever
//! engines have input, and needs nobody to wake it. Taking and giving back cost one system call each,
//! however many streams there are. An application that has the lease and stays away loses it after a
//! tick: see [`Lease`].
//!
//! A poller, which waits for several sockets, has one such poll for the streams of all of them, and a stream is in one at most.
//! Each is reported with a *token*, which tells the sockets apart.
//!
//! Both may wait for one poll at the same moment, at the edges of a lease. Each event is reported to one
//! of them, and whoever gets it drives the engine or has it reported to the other again. A wake-up of the
//! application is for the application: the I/O thread passes it on. It is used during waits only, and a
//! lease does not lapse during a wait, so whoever finds no lease has nothing to pass on.

mod lease;
mod wait;

use std::{collections::HashMap, io, sync::Arc, time::Instant};

use zpipe::{Counter, Guarded, Notifier, Readiness};

pub(crate) use self::lease::Duty;
use self::lease::Lease;
pub use self::wait::{Arrived, InputJoiner, InputPoll};
use crate::{
    ids::next_id,
    net::Stream,
    poll::{Interest, NESTS, Poll, Ready, Registry},
    shrink,
};

/// Streams reported in one go. Others have their turn after these.
const EVENTS: usize = 32;

/// What the application, the I/O thread and the engines know of a socket's poll.
pub(crate) struct Inputs {
    /// Of this poll in that of the I/O thread.
    key: u64,
    poll: Poll,
    streams: Registry,
    /// The token of each stream, where they are of several sockets. Not on the way of messages: who waits locks it once for
    /// all streams that are reported.
    tokens: Option<Guarded<HashMap<u64, u64>>>,
    io_poll: Registry,
    /// Has the I/O thread call [`on_signal`](Self::on_signal).
    io: Notifier,
    /// Locked when the application begins and ends a wait, never for a message.
    lease: Guarded<Lease>,
    /// How often the application has looked for input, which is more often than it waits.
    looks: Counter,
    /// How many leases ended because the application stayed away.
    lapses: Counter,
}

impl Inputs {
    /// Makes a poll for a socket's streams, nested in that of the I/O thread with this registry and notifier.
    fn new(io_poll: &Registry, io: &Notifier, has_tokens: bool) -> io::Result<Arc<Self>> {
        if !NESTS {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let (poll, streams) = Poll::new()?;
        let key = next_id();
        let inputs = Arc::new(Self {
            key,
            poll,
            streams,
            tokens: has_tokens.then(Guarded::default),
            io_poll: io_poll.clone(),
            io: io.sibling(key),
            lease: Guarded::default(),
            looks: Counter::new(),
            lapses: Counter::new(),
        });
        inputs.io_poll.nest(&inputs.poll, key, true)?;
        Ok(inputs)
    }

    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    // ---- For engines ----

    /// Reports the stream's input here from now on, beginning with what there is already.
    pub(crate) fn add(&self, stream: &Stream, connection: u64, token: u64) -> io::Result<()> {
        // Before it can be reported.
        if let Some(tokens) = &self.tokens {
            tokens.lock().insert(connection, token);
        }
        let added = self.streams.add(stream, connection, Interest::INPUT);
        if added.is_err() {
            self.forget(connection);
        }
        added
    }

    /// Reports input that an engine has left in the stream once more.
    pub(crate) fn report_again(&self, stream: &Stream, connection: u64) {
        // Fails only if the stream is not here, and then it is about to be given up.
        let _ = self.streams.modify(stream, connection, Interest::INPUT);
    }

    pub(crate) fn remove(&self, stream: &Stream, connection: u64) {
        // As above.
        let _ = self.streams.remove(stream);
        self.forget(connection);
    }

    /// It is reported with another token from now on.
    pub(crate) fn set_token(&self, connection: u64, token: u64) {
        if let Some(tokens) = &self.tokens {
            tokens.lock().insert(connection, token);
        }
    }

    /// Nobody waits for this poll any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.lease.lock().is_closed()
    }

    /// The streams of a poll for several sockets.
    pub(crate) fn joined(&self) -> Vec<u64> {
        let tokens = self.tokens.as_ref();
        tokens.map_or_else(Vec::new, |tokens| tokens.lock().keys().copied().collect())
    }

    /// The stream is closed, and so not reported any more.
    pub(crate) fn forget(&self, connection: u64) {
        if let Some(tokens) = &self.tokens {
            let mut tokens = tokens.lock();
            tokens.remove(&connection);
            shrink::map(&mut tokens);
        }
    }

    /// Whether input is for the application to read.
    pub(crate) fn is_leased(&self) -> bool {
        self.lease.lock().is_held()
    }

    // ---- For the I/O thread ----

    /// Reports what has happened, without waiting.
    pub(crate) fn take(&self, report: impl FnMut(Ready)) {
        // A failure, for lack of memory, is nobody's: the events are still there the next time.
        let woken = self.poll.wait::<EVENTS>(Some(Instant::now()), report);
        if woken.unwrap_or(false) && self.is_leased() {
            // The lease has begun since this poll was reported to the I/O thread, and the wake-up is the
            // application's.
            self.poll.waker().wake();
        }
    }

    /// The application wants something.
    pub(crate) fn on_signal(&self) -> Duty {
        self.lease.lock().on_signal()
    }

    /// Time to see whether the application is still there.
    pub(crate) fn on_tick(&self) -> Duty {
        let mut lease = self.lease.lock();
        let was_held = lease.is_held();
        let duty = lease.on_tick(self.looks.value(), || self.nest(true));
        if was_held && !lease.is_held() {
            self.lapses.add(1);
        }
        duty
    }

    // ---- For the application ----

    /// See [`Lease::begin_wait`]; `false` when that is impossible.
    fn begin_wait(&self) -> bool {
        let begun = self.lease.lock().begin_wait(|| self.nest(false));
        if matches!(begun, Ok(true)) {
            self.io.notify(Readiness::MAIL);
        }
        begun.is_ok()
    }

    fn end_wait(&self) {
        self.lease.lock().end_wait();
        self.looks.add(1);
    }

    fn give_back(&self) {
        self.lease.lock().give_back(|| self.nest(true));
    }

    /// Likewise for one of several sockets that are waited for together: who has the lease is not asked.
    fn take_back(&self) {
        let mut lease = self.lease.lock();
        let was_held = lease.is_held();
        lease.give_back(|| self.nest(true));
        if was_held && !lease.is_held() {
            self.lapses.add(1);
        }
    }

    fn close(&self) {
        self.lease.lock().close();
        self.io.notify(Readiness::MAIL);
    }

    /// Whether the I/O thread's poll has this one.
    fn nest(&self, watch: bool) -> io::Result<()> {
        self.io_poll.nest(&self.poll, self.key, watch)
    }
}
