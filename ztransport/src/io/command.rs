//! What others tell an I/O thread, and what they have of it.

use std::{
    io,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use zpipe::{Counter, Notifier};

use super::{resolver::Resolved, thread::Seat};
use crate::{
    admission::{Admission, Admitted},
    authentication::Question,
    connection::Connection,
    cork::Corked,
    endpoint::Endpoint,
    event::SocketHandle,
    inputs::Inputs,
    net::{Listener, Stream},
    options::Options,
    poll::Registry,
    signals::Events,
};

/// A letter to an I/O thread.
pub(crate) enum Command {
    /// Accept connections.
    Listen(ListenerEntry),
    /// Connect, and connect again.
    Connect(Arc<Connection>, Place),
    /// Serve a connection that a listener on another thread has accepted.
    Serve(Handover),
    /// A handshake wants to know something about its peer.
    Ask(Box<Question>),
    /// A name has been looked up.
    Resolved {
        key: u64,
        found: io::Result<Resolved>,
    },
    /// A socket has a poll of its own for input, which is nested in this thread's.
    Watch(Arc<Inputs>),
    /// A foreign event loop wants to lead.
    Lead(Arc<Seat>),
    /// A thread begins to leave messages in outbound pipes.
    Uncork(Arc<Corked>),
    /// The socket let go of a link.
    Close { key: u64, linger: Option<Duration> },
    /// Signal at that time.
    Alarm {
        key: u64,
        at: Instant,
        notifier: Notifier,
    },
    /// Whoever set it does not wait any more.
    ForgetAlarm(u64),
    /// Close a listener and, if asked, all it accepted.
    Unlisten {
        key: u64,
        accepted_too: bool,
        done: Done,
    },
    /// A listener on another thread was closed: the part of those it accepted.
    EndAccepted {
        listener: u64,
        event: Events,
        done: Done,
    },
    /// End the thread; everything is closed.
    Stop,
    /// End the thread once its last connection is gone.
    StopWhenIdle,
    /// Panic where nothing is caught.
    #[cfg(test)]
    TestDeath,
    /// Panic on behalf of this connection or listener.
    #[cfg(test)]
    TestPanic(u64),
}

impl Command {
    /// The connection or listener that it is about; 0 if it is about none.
    pub(super) fn key(&self) -> u64 {
        match self {
            Self::Listen(entry) => entry.key,
            Self::Connect(connection, _) => connection.id,
            Self::Serve(handover) => handover.connection.id,
            Self::EndAccepted { listener, .. } => *listener,
            Self::Resolved { key, .. } | Self::Close { key, .. } | Self::Unlisten { key, .. } => {
                *key
            }
            #[cfg(test)]
            Self::TestPanic(key) => *key,
            _ => 0,
        }
    }
}

/// Nothing is sent: all threads that were asked are done when their clones are dropped, whatever became
/// of them.
pub(crate) type Done = mpsc::Sender<()>;

/// An accepted connection on its way to its thread.
pub(crate) struct Handover {
    pub(super) connection: Arc<Connection>,
    pub(super) stream: Stream,
    pub(super) listener: u64,
    pub(super) admitted: Admitted,
    pub(super) place: Place,
}

/// A listener and whom it serves.
pub(crate) struct ListenerEntry {
    pub(crate) key: u64,
    pub(crate) listener: Listener,
    pub(crate) endpoint: Endpoint,
    pub(crate) handle: SocketHandle,
    pub(crate) options: Arc<Options>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) _place: Place,
}

/// Token of the mailbox in the thread's ready list; links begin at 1.
pub(crate) const MAIL_TOKEN: u64 = 0;

/// What others need to deal with an I/O thread.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) commands: zpipe::Sender<Command>,
    pub(crate) io: Notifier,
    pub(crate) registry: Registry,
    /// Connections and listeners that are there or on their way.
    pub(super) load: Arc<Counter>,
}

/// A part of a thread's load, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Place {
    load: Arc<Counter>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.load.sub(1);
    }
}

/// Load of a thread that has ended, so that nothing is given to it.
pub(super) const ENDED: u64 = 1 << 40;

impl Remote {
    /// Counts something new to this thread's load.
    pub(crate) fn take_place(&self) -> Place {
        self.load.add(1);
        Place {
            load: Arc::clone(&self.load),
        }
    }

    pub(crate) fn load(&self) -> u64 {
        self.load.value()
    }
}
