//! What connections report: to the socket that owns them, to its monitor, and to its counters.

use std::{sync::Arc, time::Duration};

use zmtp::Peer;
use zpipe::{Counter, Guarded, Limits, Notifier, Sender, Ticket};

use crate::{
    departed::{Departed, Left},
    endpoint::Endpoint,
    link::Link,
    monitor::{EventReceiver, EventSender, Sent, event_queue},
    net::{ConnectError, PeerAddress},
    trouble::{Trouble, Troubles, What},
};

/// A letter to a socket.
#[derive(Debug)]
#[non_exhaustive]
pub enum Letter {
    /// A new pipe pair. It signals nothing before [`Link::signal_to`]. A letter whose connection ends
    /// with nothing to receive before the socket has taken it out is taken back.
    Attach(Box<Link>),
    /// An I/O thread ended that served this socket: its connections and listeners there are gone.
    IoThreadLost,
}

/// Something a monitor wants to know. Events of one connection come in the order in which they
/// happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The socket listens at an endpoint.
    Listening {
        /// The endpoint, resolved.
        endpoint: Endpoint,
    },
    /// A listener accepted a connection; the handshake begins.
    Accepted {
        /// Where the socket listens.
        endpoint: Endpoint,
        /// Who connected.
        peer: PeerAddress,
    },
    /// Accepting is paused because no descriptor or memory is left, and goes on after a while.
    AcceptPaused {
        /// Where the socket listens.
        endpoint: Endpoint,
        /// What the operating system said.
        reason: String,
    },
    /// A listener is closed.
    ListenerClosed {
        /// Where it listened.
        endpoint: Endpoint,
    },
    /// The operating system connected; the handshake begins.
    Connected {
        /// The endpoint connected to.
        endpoint: Endpoint,
        /// The other end.
        peer: PeerAddress,
    },
    /// An attempt to connect failed.
    ConnectFailed {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why.
        reason: String,
    },
    /// The next attempt to connect is due after a while.
    ConnectRetried {
        /// The endpoint.
        endpoint: Endpoint,
        /// How long that is.
        delay: Duration,
    },
    /// The handshake is complete: messages flow.
    HandshakeSucceeded {
        /// Where the connection belongs: the endpoint bound or connected to.
        endpoint: Endpoint,
        /// The other end.
        address: PeerAddress,
        /// What it said about itself.
        peer: Peer,
    },
    /// A connection ended during its handshake.
    HandshakeFailed {
        /// Where the connection belongs.
        endpoint: Endpoint,
        /// The other end.
        address: PeerAddress,
        /// Why.
        reason: CloseReason,
    },
    /// A message was given up because the peer refuses it: it ended one connection after the other while
    /// this message was being sent. What was queued behind it is sent on the next one. Follows the
    /// [`Disconnected`](Self::Disconnected) of the last of them.
    MessageRefused {
        /// Where the connection belongs.
        endpoint: Endpoint,
        /// The other end.
        address: PeerAddress,
        /// The size of the message with its frame headers, in bytes.
        size: u64,
        /// How many connections it was tried on.
        connections: u32,
    },
    /// The socket has sent a peer away for which its pattern has no use: a PAIR has one already, for example.
    PeerRefused {
        /// Where the connection belongs.
        endpoint: Endpoint,
    },
    /// An established connection ended.
    Disconnected {
        /// Where the connection belongs.
        endpoint: Endpoint,
        /// The other end.
        address: PeerAddress,
        /// Why.
        reason: CloseReason,
    },
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// This end closed it.
    Local,
    /// The peer closed it.
    PeerClosed,
    /// The operating system broke it.
    Io(std::io::ErrorKind),
    /// The handshake took too long.
    HandshakeTimeout,
    /// A message took too long to arrive.
    MessageTimeout,
    /// Nothing came from the peer in time after a heartbeat.
    HeartbeatTimeout,
    /// The peer was silent for longer than it had said that it would be.
    TtlExpired,
    /// A frame, a command or a message was larger than the limit.
    Oversize {
        /// Its size in bytes, as far as it was announced.
        size: u64,
    },
    /// A message had more frames than the limit.
    TooManyFrames {
        /// The limit.
        limit: u32,
    },
    /// The peer broke the protocol, or does not fit to this socket.
    Protocol(zmtp::Error),
    /// A defect of this library: something panicked while it served the connection. The endpoint is given
    /// up. Please report it.
    Panicked,
}

impl CloseReason {
    /// The status with which the peer was refused, or has refused this end: 300, 400 or 500. `None` if that is not why the
    /// connection ended.
    #[must_use]
    pub fn status(&self) -> Option<u32> {
        match self {
            Self::Protocol(error) => error.auth_event_code(),
            _ => None,
        }
    }

    /// Whether the peer has told this end not to come again.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Protocol(zmtp::Error::Refused { .. }))
            && matches!(self.status(), Some(400 | 500))
    }
}

impl std::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local => f.write_str("closed by this end"),
            Self::PeerClosed => f.write_str("closed by the peer"),
            Self::Io(kind) => write!(f, "broken: {kind}"),
            Self::HandshakeTimeout => f.write_str("the handshake took too long"),
            Self::MessageTimeout => f.write_str("a message took too long to arrive"),
            Self::HeartbeatTimeout => f.write_str("the peer did not answer a heartbeat in time"),
            Self::TtlExpired => f.write_str("the peer was silent for longer than it had said"),
            Self::Oversize { size } => {
                write!(f, "a frame or message of {size} bytes exceeds the limit")
            }
            Self::TooManyFrames { limit } => write!(f, "a message had more than {limit} frames"),
            Self::Protocol(error) => error.fmt(f),
            Self::Panicked => {
                f.write_str("given up after a panic, which is a defect: please report it")
            }
        }
    }
}

impl From<zmtp::Error> for CloseReason {
    /// What exceeds a limit in traffic has reasons of its own, and so has silence.
    fn from(error: zmtp::Error) -> Self {
        match error {
            zmtp::Error::FrameTooLarge { size, .. }
            | zmtp::Error::MessageTooLarge { size, .. }
            | zmtp::Error::CommandTooLarge { size, .. } => Self::Oversize { size },
            zmtp::Error::TooManyFrames { limit } => Self::TooManyFrames { limit },
            zmtp::Error::HeartbeatTimeout => Self::HeartbeatTimeout,
            zmtp::Error::PeerTtlExpired => Self::TtlExpired,
            error => Self::Protocol(error),
        }
    }
}

/// Counts of what happened to a socket's connections since it was made.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections established: handshakes completed.
    pub established: Counter,
    /// Connections established now.
    pub open: Counter,
    /// Ended by this end.
    pub closed_local: Counter,
    /// Ended by the peer.
    pub closed_peer: Counter,
    /// Ended by the operating system.
    pub closed_io: Counter,
    /// Ended because the handshake took too long.
    pub closed_handshake_timeout: Counter,
    /// Ended because a message took too long to arrive.
    pub closed_message_timeout: Counter,
    /// Ended because the peer was silent for too long.
    pub closed_silent: Counter,
    /// Ended because something was larger than the limit, or a message had too many frames.
    pub closed_oversize: Counter,
    /// Ended because the peer broke the protocol or does not fit.
    pub closed_protocol: Counter,
    /// Ended because one end has refused the other: as an authority or ZAP handler has said, or the peer's.
    pub closed_refused: Counter,
    /// Given up after a panic of this library.
    pub closed_panicked: Counter,
    /// Attempts to connect that failed.
    pub connect_failed: Counter,
    /// Times that accepting was paused for lack of descriptors.
    pub accept_paused: Counter,
    /// Events that a monitor missed because it was full.
    pub monitor_lagged: Counter,
    /// Panics of foreign code that were caught: in wakers of tasks, and in the `Drop` of bodies.
    pub foreign_panics: Counter,
    /// Messages that were queued for a peer when its connection was given up.
    pub lost_to_peer: Counter,
    /// Messages of peers whose connections were gone before the socket took their links in, and that were
    /// too many.
    pub departed: Counter,
    /// Messages that came for a socket which takes none.
    pub unwanted: Counter,
    /// Messages that were given up because the peer refuses them.
    pub refused: Counter,
    /// Messages that a later one has replaced: see [`Options::latest_out`](crate::Options::latest_out).
    pub conflated: Counter,
    /// Messages that were dropped because too many topics waited.
    pub crowded_out: Counter,
    /// Messages that were still queued when the time to linger was over.
    pub lost_to_linger: Counter,
}

impl Counters {
    pub(crate) fn closed(&self, reason: &CloseReason) {
        let counter = match reason {
            CloseReason::Local => &self.closed_local,
            CloseReason::PeerClosed => &self.closed_peer,
            CloseReason::Io(_) => &self.closed_io,
            CloseReason::HandshakeTimeout => &self.closed_handshake_timeout,
            CloseReason::MessageTimeout => &self.closed_message_timeout,
            CloseReason::HeartbeatTimeout | CloseReason::TtlExpired => &self.closed_silent,
            CloseReason::Oversize { .. } | CloseReason::TooManyFrames { .. } => {
                &self.closed_oversize
            }
            CloseReason::Protocol(error) if error.blame() == zmtp::Blame::Limit => {
                &self.closed_oversize
            }
            CloseReason::Protocol(error)
                if error.blame() == zmtp::Blame::Unauthenticated || reason.status().is_some() =>
            {
                &self.closed_refused
            }
            CloseReason::Protocol(_) => &self.closed_protocol,
            CloseReason::Panicked => &self.closed_panicked,
        };
        counter.add(1);
    }
}

/// See [`SocketHandle::retract`].
pub(crate) fn retract(letters: &Sender<Letter>, ticket: Ticket, wants_rest: bool) {
    let letter = letters.retract_if(ticket, |letter| match letter {
        Letter::Attach(link) => !wants_rest || link.is_drained(),
        Letter::IoThreadLost => false,
    });
    // Dropped here, outside the mailbox's lock.
    drop(letter);
}

const UNLIMITED: Limits = Limits {
    messages: 0,
    bytes: 0,
};

/// A socket as its connections know it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SocketHandle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    letters: Sender<Letter>,
    notifier: Notifier,
    counters: Counters,
    /// Locked at the end of a connection, never for a message. The letters may be locked meanwhile.
    departed: Guarded<Departed>,
    /// Locked when a handshake is over or something fails, never for a message.
    troubles: Guarded<Troubles>,
    /// Locked for an event of a connection's life, never for a message.
    monitor: Guarded<Option<EventSender>>,
}

impl SocketHandle {
    /// A handle of the socket that reads `letters` and whose ready list `notifier` belongs to.
    #[must_use]
    pub fn new(letters: Sender<Letter>, notifier: Notifier) -> Self {
        let (counters, monitor) = (Counters::default(), Guarded::default());
        let departed = Guarded::default();
        Self {
            inner: Arc::new(Inner {
                letters,
                notifier,
                counters,
                departed,
                troubles: Guarded::default(),
                monitor,
            }),
        }
    }

    /// A notifier of the socket's ready list for another token.
    #[must_use]
    pub fn notifier(&self, token: u64) -> Notifier {
        self.inner.notifier.sibling(token)
    }

    /// Sends a letter. The ticket is for taking it back.
    ///
    /// # Errors
    ///
    /// Gives it back when the socket is closed.
    pub fn post(&self, letter: Letter) -> Result<Ticket, Letter> {
        self.inner.letters.post(letter)
    }

    /// Takes back a letter that the socket has not read and that is of no use any more: a link whose other end is gone, with nothing to receive that the socket wants.
    pub(crate) fn retract(&self, ticket: Ticket, wants_rest: bool) {
        retract(&self.inner.letters, ticket, wants_rest);
    }

    /// The connection of the link in this letter is gone and has left this. If there is too much in such
    /// letters that the socket has not read, that of the oldest is dropped.
    pub(crate) fn depart(&self, letter: Ticket, left: Left, limits: Limits) {
        if left.messages == 0 || limits == UNLIMITED {
            return;
        }
        let mut excess = Vec::new();
        {
            let mut departed = self.inner.departed.lock();
            // What the socket has read it bounds itself. It says so in `forget_departed` after reading, so
            // under the same lock no letter is left behind in here.
            if !self.inner.letters.is_waiting(letter) {
                return;
            }
            departed.push(letter, left);
            while let Some(oldest) = departed.pop_excess(limits) {
                excess.push(oldest);
            }
        }
        for (ticket, left) in excess {
            // Not if the socket has read it meanwhile.
            if let Some(letter) = self.inner.letters.retract_if(ticket, |_| true) {
                self.inner.counters.departed.add(left.messages);
                // Dropped here, outside the mailbox's lock.
                drop(letter);
            }
        }
    }

    /// The socket has taken letters out of its mailbox, and bounds from now on itself what peers that
    /// are gone have left in these. Not in those that have come meanwhile.
    pub fn forget_departed(&self) {
        let letters = &self.inner.letters;
        self.inner
            .departed
            .lock()
            .retain(|letter| letters.is_waiting(letter));
    }

    /// Where letters are sent. Does not keep the rest of the socket.
    pub(crate) fn letters(&self) -> Sender<Letter> {
        self.inner.letters.clone()
    }

    /// The counters.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    /// Reports events from now on to whoever has the receiver, instead of to the one before. It holds up
    /// to `capacity` events until they are read. Nobody ever waits for it: what does not fit is counted
    /// and dropped.
    #[must_use]
    pub fn monitor(&self, capacity: usize) -> EventReceiver {
        let (sender, receiver) = event_queue(capacity);
        *self.inner.monitor.lock() = Some(sender);
        receiver
    }

    /// Reports an event.
    pub fn emit(&self, event: impl FnOnce() -> Event) {
        let mut monitor = self.inner.monitor.lock();
        let Some(sender) = &mut *monitor else { return };
        match sender.send(event) {
            Sent::Queued => {}
            Sent::Dropped => {
                self.inner.counters.monitor_lagged.add(1);
            }
            Sent::Closed => *monitor = None,
        }
    }

    /// What went wrong with the socket's endpoints last, and is not over.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        self.inner.troubles.lock().all()
    }

    /// The socket has let go of an endpoint.
    pub fn forget_troubles(&self, endpoint: &Endpoint, outgoing: bool) {
        self.inner.troubles.lock().forget(endpoint, outgoing);
    }

    /// A handshake has succeeded.
    pub(crate) fn connected(&self, endpoint: &Endpoint, outgoing: bool) {
        if outgoing {
            self.inner.troubles.lock().connected(endpoint);
        }
    }

    /// A connection has ended. That of which nobody is to blame is no trouble.
    pub(crate) fn note_end(
        &self,
        endpoint: &Endpoint,
        outgoing: bool,
        address: &PeerAddress,
        established: bool,
        reason: &CloseReason,
    ) {
        let what = match reason {
            CloseReason::Local => return,
            reason if !established => What::Handshake(address.clone(), reason.clone()),
            CloseReason::PeerClosed | CloseReason::Io(_) => return,
            reason => What::Traffic(address.clone(), reason.clone()),
        };
        self.inner.troubles.lock().note(endpoint, outgoing, what);
    }

    pub(crate) fn connect_failed(&self, endpoint: &Endpoint, error: &ConnectError) {
        self.counters().connect_failed.add(1);
        let reason = error.to_string();
        let what = What::Connect(reason.clone());
        self.inner.troubles.lock().note(endpoint, true, what);
        self.emit(|| Event::ConnectFailed {
            endpoint: endpoint.clone(),
            reason,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_that_comes_while_others_are_read_is_not_forgotten() {
        let set = zpipe::ReadySet::new();
        let (letters, mut mailbox) = zpipe::mailbox(set.notifier(0));
        let handle = SocketHandle::new(letters, set.notifier(0));
        let limits = Limits {
            messages: 10,
            bytes: 0,
        };
        let left = |messages| Left { messages, bytes: 0 };
        let post = || handle.post(Letter::IoThreadLost).unwrap();

        // The socket takes a letter out; another one comes and its connection goes; the socket says so.
        let taken = post();
        handle.depart(taken, left(10), limits);
        assert_eq!(mailbox.take().len(), 1);
        let waits = post();
        handle.depart(waits, left(6), limits);
        handle.forget_departed();

        // One that the socket has read does not count, neither before nor when its connection goes.
        let newer = post();
        handle.depart(newer, left(4), limits);
        handle.depart(taken, left(10), limits);
        assert_eq!(handle.counters().departed.value(), 0);
        // But the one that came in between does.
        let newest = post();
        handle.depart(newest, left(1), limits);
        assert_eq!(handle.counters().departed.value(), 6);
        assert_eq!(mailbox.take().len(), 2);
    }

    #[test]
    fn letters_are_bounded_by_their_bytes_too() {
        let set = zpipe::ReadySet::new();
        let (letters, mut mailbox) = zpipe::mailbox(set.notifier(0));
        let handle = SocketHandle::new(letters, set.notifier(0));
        let limits = Limits {
            messages: 0,
            bytes: 1000,
        };
        for bytes in [600, 400, 300, 5000] {
            let letter = handle.post(Letter::IoThreadLost).unwrap();
            let left = Left { messages: 2, bytes };
            handle.depart(letter, left, limits);
        }
        // The newest is kept whole.
        assert_eq!(handle.counters().departed.value(), 6);
        assert_eq!(mailbox.take().len(), 1);
    }

    #[test]
    fn events_go_to_the_last_monitor_and_wait_for_nobody() {
        let set = zpipe::ReadySet::new();
        let (letters, _mailbox) = zpipe::mailbox(set.notifier(0));
        let handle = SocketHandle::new(letters, set.notifier(0));
        let emit = |name: &str| {
            let endpoint = Endpoint::parse(&format!("inproc://{name}")).unwrap();
            handle.emit(|| Event::Listening { endpoint });
        };
        let names = |receiver: &EventReceiver| {
            std::iter::from_fn(|| receiver.try_recv())
                .map(|event| match event {
                    Event::Listening { endpoint } => endpoint.to_string(),
                    other => panic!("{other:?}"),
                })
                .collect::<Vec<_>>()
        };
        emit("before anybody looks");
        let first = handle.monitor(2);
        emit("a");
        let second = handle.monitor(2);
        for name in ["b", "c", "too much", "and more"] {
            emit(name);
        }
        assert_eq!(names(&first), ["inproc://a"]);
        assert_eq!(names(&second), ["inproc://b", "inproc://c"]);
        assert_eq!(handle.counters().monitor_lagged.value(), 2);
        emit("d");
        assert_eq!(names(&second), ["inproc://d"]);
        drop(second);
        emit("nobody looks any more");
        assert_eq!(handle.counters().monitor_lagged.value(), 2);
    }
}
