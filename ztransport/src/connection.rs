//! A connection as several threads see it: an engine that only one of them drives at a time, and
//! slots through which they pass things to whoever does.

use std::{ops::Deref, sync::Arc, time::Duration};

use zmtp::{Peer, zap};
use zpipe::{
    Driven, Guarded, Notifier, Owned, Readiness, Sender,
    deferred::{self, Scope},
};

use crate::{
    endpoint::Endpoint,
    engine::{Caller, Engine, Outcome, events},
    event::SocketHandle,
    inputs::Inputs,
    io_thread::Command,
    link::News,
    net::Stream,
    options::Options,
    poll::Registry,
};

/// How often a thread that drives an engine handles what other threads leave it meanwhile, before the
/// rest goes to the I/O thread. Each time takes as long as it takes to read or write a megabyte.
const ROUNDS: u32 = 2;

/// What a connection is made of, and what never changes about it.
pub(crate) struct Parts {
    /// The link's id, the key of its stream in the I/O thread's poll, and the token of `io`.
    pub(crate) id: u64,
    pub(crate) handle: SocketHandle,
    pub(crate) options: Arc<Options>,
    pub(crate) endpoint: Endpoint,
    /// Whether this end connects, and connects again.
    pub(crate) outgoing: bool,
    /// Tells the I/O thread to look at this connection: at its pipes, or at its outcomes.
    pub(crate) io: Notifier,
    pub(crate) commands: Sender<Command>,
    pub(crate) registry: Registry,
}

/// A stream for an engine.
pub(crate) struct Incoming {
    pub(crate) stream: Stream,
    /// Whether another address is tried at once if the handshake on this stream fails.
    pub(crate) more_addresses: bool,
}

/// Who watches the input of a stream.
pub(crate) enum WatchedBy {
    /// The poll of a socket or of a poller, which is told the token with it.
    Inputs(Arc<Inputs>, u64),
    IoThread,
}

pub(crate) struct Connection {
    parts: Parts,
    engine: Owned<Engine>,
    incoming: Guarded<Option<Incoming>>,
    /// Where input is to be reported, on its way to the engine.
    inputs: Guarded<Option<WatchedBy>>,
    outcomes: Guarded<Vec<Outcome>>,
    /// For the socket, which may not look for a long time.
    news: Guarded<News>,
    /// With the number of the stream that it is about.
    zap_answer: Guarded<Option<(u64, zap::Answer)>>,
}

impl Deref for Connection {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Connection {
    pub(crate) fn new(parts: Parts, make_engine: impl FnOnce(&Parts) -> Engine) -> Arc<Self> {
        Arc::new(Self {
            engine: Owned::new(make_engine(&parts)),
            parts,
            incoming: Guarded::default(),
            inputs: Guarded::default(),
            outcomes: Guarded::default(),
            news: Guarded::default(),
            zap_answer: Guarded::default(),
        })
    }

    /// Handles events on this I/O thread, or leaves them to the thread that has the engine.
    pub(crate) fn drive(self: &Arc<Self>, pending: u32) {
        self.drive_by(pending, Caller::IoThread);
    }

    fn drive_here(self: &Arc<Self>, pending: u32) {
        self.drive_by(pending, Caller::Application);
    }

    fn drive_by(self: &Arc<Self>, pending: u32, by: Caller) {
        self.drive_with(pending, |engine, pending| engine.handle(self, pending, by));
    }

    /// The one place where an engine is driven. Foreign code that this comes upon runs when the engine is
    /// free again. A panic of the engine itself costs the connection, and not the thread.
    fn drive_with(&self, pending: u32, mut handle: impl FnMut(&mut Engine, u32)) -> bool {
        let scope = Scope::open();
        let driven = self.engine.drive_for(ROUNDS, pending, |engine, pending| {
            if !deferred::catch(|| handle(engine, pending)) {
                engine.condemn(self);
            }
        });
        if driven == Driven::Left {
            // The I/O thread drives it with these, and takes up what is left.
            self.io.notify(Readiness::READABLE | Readiness::WRITABLE);
        }
        let panics = scope.close();
        if panics > 0 {
            self.handle.counters().foreign_panics.add(panics);
        }
        driven != Driven::Elsewhere
    }

    pub(crate) fn drive_write(self: &Arc<Self>) {
        self.drive_here(events::WRITE);
    }

    pub(crate) fn drive_read(self: &Arc<Self>) {
        self.drive_here(events::READ);
    }

    /// The application found the outbound pipe full. `false` if another thread is at it.
    pub(crate) fn drive_full(self: &Arc<Self>) -> bool {
        self.drive_with(events::FULL, |engine, pending| {
            engine.handle(self, pending, Caller::Application);
        })
    }

    /// Reads on behalf of an application that waits for the stream itself, and says whether anything
    /// came.
    pub(crate) fn drive_arrived(self: &Arc<Self>, hung_up: bool) -> bool {
        let hung_up = if hung_up { events::HANGUP } else { 0 };
        let mut progress = false;
        self.drive_with(events::READ | hung_up, |engine, pending| {
            engine.handle(self, pending, Caller::Application);
            progress |= engine.take_progress();
        });
        progress
    }

    /// Has the input reported somewhere else.
    pub(crate) fn report_input(self: &Arc<Self>, to: WatchedBy) {
        *self.inputs.lock() = Some(to);
        self.drive_here(events::JOIN);
    }

    /// The poll that the input was reported in may be closed.
    pub(crate) fn on_closed_inputs(self: &Arc<Self>) {
        self.drive(events::JOIN);
    }

    pub(crate) fn take_inputs(&self) -> Option<WatchedBy> {
        self.inputs.lock().take()
    }

    /// Gives the engine a new stream to begin a handshake on.
    pub(crate) fn attach(self: &Arc<Self>, incoming: Incoming) {
        *self.incoming.lock() = Some(incoming);
        self.drive(events::ATTACH);
    }

    pub(crate) fn take_incoming(&self) -> Option<Incoming> {
        self.incoming.lock().take()
    }

    /// The engine has completed a handshake.
    pub(crate) fn note_established(&self, peer: Peer) {
        self.news.lock().peer = Some(peer);
    }

    /// The connection broke after the operating system had taken this many messages.
    pub(crate) fn note_interrupted(&self, taken: u64) {
        *self.news.lock() = News {
            taken: Some(taken),
            peer: None,
        };
    }

    pub(crate) fn take_news(&self) -> News {
        std::mem::take(&mut *self.news.lock())
    }

    /// Brings the handshake the answer of a ZAP handler, on whatever thread.
    pub(crate) fn answer_zap(self: &Arc<Self>, attempt: u64, answer: zap::Answer) {
        {
            let mut slot = self.zap_answer.lock();
            // One that comes late does not take the place of one that is waited for.
            if slot.as_ref().is_none_or(|(other, _)| *other < attempt) {
                *slot = Some((attempt, answer));
            }
        }
        self.drive_here(events::ZAP);
    }

    /// The answer about this stream.
    pub(crate) fn take_zap_answer(&self, attempt: u64) -> Option<zap::Answer> {
        let answer = self.zap_answer.lock().take();
        answer.and_then(|(about, answer)| (about == attempt).then_some(answer))
    }

    pub(crate) fn report(&self, outcome: Outcome) {
        self.outcomes.lock().push(outcome);
        self.io.notify(Readiness::MAIL);
    }

    pub(crate) fn take_outcomes(&self) -> Vec<Outcome> {
        std::mem::take(&mut *self.outcomes.lock())
    }

    /// Whether the pipes outlive a stream.
    pub(crate) fn keeps_pipes(&self) -> bool {
        self.outgoing && !self.options.immediate && self.options.reconnect_interval.is_some()
    }

    /// The socket let go of the link.
    pub(crate) fn close(&self, linger: Option<Duration>) {
        // An I/O thread that is gone has closed everything.
        let _ = self.commands.post(Command::Close {
            key: self.id,
            linger,
        });
    }

    /// Messages queued for the peer; `None` when another thread is driving the engine right now.
    pub(crate) fn pending(self: &Arc<Self>) -> Option<u64> {
        let mut pending = None;
        self.drive_with(0, |engine, events| {
            if events != 0 {
                engine.handle(self, events, Caller::Application);
            }
            pending = Some(engine.pending());
        });
        pending
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}
