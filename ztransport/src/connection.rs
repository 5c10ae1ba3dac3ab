//! A connection as several threads see it: an engine that only one of them drives at a time.

use std::{ops::Deref, sync::Arc, time::Duration};

use zmtp::{Peer, zap};
use zpipe::{
    Driven, Owned, Readiness, Sender, Ticket,
    deferred::{self, Scope},
};

use crate::{
    authentication::{Question, THREAD_ENDED},
    engine::Engine,
    event::Letter,
    io::Command,
    link::Link,
    net::PeerAddress,
    parts::{Ends, Host, Incoming, Parts, WatchedBy},
    signals::{Caller, Events},
};

/// How often a thread that drives an engine handles what other threads leave it meanwhile, before the
/// rest goes to the I/O thread. Each time takes as long as it takes to read or write a megabyte.
const ROUNDS: u32 = 2;

pub(crate) struct Connection {
    parts: Parts,
    engine: Owned<Engine>,
    pub(crate) commands: Sender<Command>,
}

impl Deref for Connection {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Connection {
    pub(crate) fn new(
        parts: Parts,
        commands: Sender<Command>,
        make_engine: impl FnOnce(&Parts) -> Engine,
    ) -> Arc<Self> {
        Arc::new(Self {
            engine: Owned::new(make_engine(&parts)),
            parts,
            commands,
        })
    }

    /// Handles events on this I/O thread, or leaves them to the thread that has the engine.
    pub(crate) fn drive(self: &Arc<Self>, pending: Events) {
        self.drive_by(pending, Caller::IoThread);
    }

    fn drive_here(self: &Arc<Self>, pending: Events) {
        self.drive_by(pending, Caller::Application);
    }

    fn drive_by(self: &Arc<Self>, pending: Events, by: Caller) {
        self.drive_with(pending, |engine, pending| {
            engine.handle(self, self, pending, by);
        });
    }

    /// The one place where an engine is driven. Foreign code that this comes upon runs when the engine is
    /// free again. A panic of the engine itself costs the connection, and not the thread.
    fn drive_with(&self, pending: Events, mut handle: impl FnMut(&mut Engine, Events)) -> bool {
        let scope = Scope::open();
        let driven = self
            .engine
            .drive_for(ROUNDS, pending.bits(), |engine, pending| {
                let pending = Events::from_bits_retain(pending);
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
        self.drive_here(Events::WRITE);
    }

    pub(crate) fn drive_read(self: &Arc<Self>) {
        self.drive_here(Events::READ);
    }

    /// The application found the outbound pipe full. `false` if another thread is at it.
    pub(crate) fn drive_full(self: &Arc<Self>) -> bool {
        self.drive_with(Events::FULL, |engine, pending| {
            engine.handle(self, self, pending, Caller::Application);
        })
    }

    /// Reads on behalf of an application that waits for the stream itself, and says whether anything
    /// came.
    pub(crate) fn drive_arrived(self: &Arc<Self>, hung_up: bool) -> bool {
        let hung_up = if hung_up {
            Events::HANGUP
        } else {
            Events::empty()
        };
        let mut progress = false;
        self.drive_with(Events::READ | hung_up, |engine, pending| {
            engine.handle(self, self, pending, Caller::Application);
            progress |= engine.take_progress();
        });
        progress
    }

    /// Has the input reported somewhere else.
    pub(crate) fn report_input(self: &Arc<Self>, to: WatchedBy) {
        self.put_inputs(to);
        self.drive_here(Events::JOIN);
    }

    /// The poll that the input was reported in may be closed.
    pub(crate) fn on_closed_inputs(self: &Arc<Self>) {
        self.drive(Events::JOIN);
    }

    /// Gives the engine a new stream to begin a handshake on.
    pub(crate) fn attach(self: &Arc<Self>, incoming: Incoming) {
        self.put_incoming(incoming);
        self.drive(Events::ATTACH);
    }

    /// Brings the handshake the answer of a ZAP handler, on whatever thread.
    pub(crate) fn answer_zap(self: &Arc<Self>, attempt: u64, answer: zap::Answer) {
        self.put_zap_answer(attempt, answer);
        self.drive_here(Events::ZAP);
    }

    /// The socket let go of the link.
    pub(crate) fn close(&self, linger: Option<Duration>) {
        // An I/O thread that is gone has closed everything.
        let _ = self.commands.post(Command::Close {
            key: self.id,
            linger,
        });
    }

    /// Messages queued for the peer, and its address if it is there; `None` when another thread is driving the engine right
    /// now.
    pub(crate) fn pending(self: &Arc<Self>) -> Option<(u64, Option<PeerAddress>)> {
        let mut pending = None;
        self.drive_with(Events::empty(), |engine, events| {
            if !events.is_empty() {
                engine.handle(self, self, events, Caller::Application);
            }
            pending = Some((engine.pending(), engine.peer_address()));
        });
        pending
    }
}

impl Host for Arc<Connection> {
    fn introduce(&self, link: u64, ends: Ends, peer: Peer) -> Option<Ticket> {
        let link = Link::new(self, link, ends, Some(peer));
        self.handle.post(Letter::Attach(Box::new(link))).ok()
    }

    fn ask(&self, request: zap::Request, attempt: u64) {
        let question = Question::new(request, self, attempt);
        if let Err(Command::Ask(question)) = self.commands.post(Command::Ask(Box::new(question))) {
            question.put_off(THREAD_ENDED);
        }
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
