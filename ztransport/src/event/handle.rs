//! A socket as its connections know it, and what they send to it.

use std::sync::Arc;

use zpipe::{Guarded, Limits, Notifier, Sender, Ticket};

use super::{Change, CloseReason, Counters, Event, EventKinds, Snapshot, Standing, errno};
use crate::{
    departed::{Departed, Left},
    endpoint::Endpoint,
    link::Link,
    monitor::{EventReceiver, EventSender, Sent, Wake, event_queue},
    net::{ConnectError, PeerAddress},
    sys::RawDescriptor,
    trace,
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
    watch: Guarded<Watch>,
}

/// Who watches, and what stands: behind one lock, so that whoever begins to watch sees the one exactly as it was when the
/// other began.
#[derive(Debug, Default)]
struct Watch {
    monitors: Vec<EventSender>,
    standing: Standing,
}

impl SocketHandle {
    /// A handle of the socket that reads `letters` and whose ready list `notifier` belongs to.
    #[must_use]
    pub fn new(letters: Sender<Letter>, notifier: Notifier) -> Self {
        let (counters, watch) = (Counters::default(), Guarded::default());
        let departed = Guarded::default();
        Self {
            inner: Arc::new(Inner {
                letters,
                notifier,
                counters,
                departed,
                troubles: Guarded::default(),
                watch,
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

    /// Takes back a letter that the socket has not read and that is of no use any more: a link whose other end is
    /// gone, with nothing to receive that the socket wants.
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

    /// Reports events of these kinds from now on to whoever has the receiver, beside those who have one already. It holds
    /// up to `capacity` events until they are read. Nobody ever waits for it: what does not fit is counted and dropped, and
    /// [`Event::Lagged`] stands in its place. The snapshot tells what stood when the first of these events had not happened.
    #[must_use]
    pub fn monitor(&self, kinds: EventKinds, capacity: usize) -> (Snapshot, EventReceiver) {
        let (sender, receiver) = event_queue(kinds, capacity.max(1));
        let mut watch = self.inner.watch.lock();
        // Those that nobody reads any more do not pile up, though nothing happens.
        watch.monitors.retain(|monitor| !monitor.is_closed());
        watch.monitors.push(sender);
        (watch.standing.snapshot(), receiver)
    }

    /// Whether anybody hears of events.
    pub(crate) fn is_watched(&self) -> bool {
        trace::is_enabled() || !self.inner.watch.lock().monitors.is_empty()
    }

    /// Reports an event.
    pub fn emit(&self, event: impl FnOnce() -> Event) {
        self.emit_change(Change::None, event);
    }

    /// Reports an event that changes what stands.
    pub(crate) fn emit_change(&self, change: Change, event: impl FnOnce() -> Event) {
        let traced = trace::is_enabled();
        let (event, wakes) = {
            let mut watch = self.inner.watch.lock();
            watch.standing.apply(change);
            if watch.monitors.is_empty() && !traced {
                return;
            }
            let event = event();
            let wakes = self.send(&mut watch.monitors, &event);
            (event, wakes)
        };
        if traced {
            // Foreign code, hence outside the lock.
            trace::event(&event);
        }
        // When nothing is locked.
        wakes.into_iter().for_each(Wake::wake);
    }

    /// Notes a change of what stands that has no event of its own.
    pub(crate) fn note(&self, change: Change) {
        self.inner.watch.lock().standing.apply(change);
    }

    fn send(&self, monitors: &mut Vec<EventSender>, event: &Event) -> Vec<Wake> {
        let mut wakes = Vec::new();
        monitors.retain_mut(|monitor| match monitor.send(event) {
            Sent::Quietly => true,
            Sent::Queued(wake) => {
                wakes.push(wake);
                true
            }
            Sent::Dropped => {
                self.inner.counters.monitor_lagged.add(1);
                true
            }
            Sent::Closed => false,
        });
        wakes
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

    /// The socket was told to let go of an endpoint: see [`ReconnectStop::after_disconnect`](crate::ReconnectStop::after_disconnect).
    pub fn note_disconnect(&self) {
        self.counters().disconnects.add(1);
    }

    /// An attempt to connect failed, with this descriptor if it has come to one.
    pub(crate) fn connect_failed(
        &self,
        endpoint: &Endpoint,
        error: &ConnectError,
        descriptor: Option<RawDescriptor>,
    ) {
        self.counters().connect_failed.add(1);
        let reason = error.to_string();
        let what = What::Connect(reason.clone());
        self.inner.troubles.lock().note(endpoint, true, what);
        self.emit(|| Event::ConnectFailed {
            endpoint: endpoint.clone(),
            reason,
            errno: errno::of_connect(error),
            descriptor,
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

    fn handle() -> (SocketHandle, zpipe::Mailbox<Letter>) {
        let set = zpipe::ReadySet::new();
        let (letters, mailbox) = zpipe::mailbox(set.notifier(0));
        (SocketHandle::new(letters, set.notifier(0)), mailbox)
    }

    fn endpoint(name: &str) -> Endpoint {
        Endpoint::parse(&format!("inproc://{name}")).unwrap()
    }

    fn names(receiver: &EventReceiver) -> Vec<String> {
        std::iter::from_fn(|| receiver.try_recv())
            .map(|event| match event {
                Event::ConnectDelayed { endpoint } => endpoint.to_string(),
                Event::Listening { endpoint, .. } => format!("listening {endpoint}"),
                Event::Lagged { missed } => format!("{missed} missed"),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn events_go_to_every_monitor_and_wait_for_none() {
        let (handle, _mailbox) = handle();
        let emit = |name: &str| {
            let endpoint = endpoint(name);
            handle.emit(|| Event::ConnectDelayed { endpoint });
        };
        handle.emit(|| panic!("made in vain: nobody looks"));
        let (_, first) = handle.monitor(EventKinds::ALL, 10);
        emit("a");
        let (_, second) = handle.monitor(EventKinds::ALL, 2);
        for name in ["b", "c", "d", "e"] {
            emit(name);
        }
        assert_eq!(names(&first).len(), 5);
        let seen = names(&second);
        assert_eq!(seen, ["inproc://b", "inproc://c", "2 missed"]);
        assert_eq!(handle.counters().monitor_lagged.value(), 2);
        drop(first);
        emit("f");
        assert_eq!(names(&second), ["inproc://f"]);
        drop(second);
        emit("nobody reads");
        handle.emit(|| panic!("made in vain: nobody looks any more"));
        assert_eq!(handle.counters().monitor_lagged.value(), 2);
    }

    #[test]
    fn monitors_that_nobody_reads_any_more_do_not_pile_up() {
        let (handle, _mailbox) = handle();
        for _ in 0..100 {
            drop(handle.monitor(EventKinds::ALL, 10));
        }
        assert!(handle.inner.watch.lock().monitors.len() <= 1);
    }

    #[test]
    fn a_snapshot_and_the_events_after_it_are_the_whole() {
        let (handle, _mailbox) = handle();
        let listens = |key, name: &str| {
            let (descriptor, endpoint) = (0, endpoint(name));
            handle.emit_change(Change::Listens(key, endpoint.clone()), || {
                Event::Listening {
                    endpoint,
                    descriptor,
                }
            });
        };
        listens(2, "a");
        listens(1, "b");
        listens(3, "c");
        handle.note(Change::ListensNoMore(2));
        let (snapshot, receiver) = handle.monitor(EventKinds::ALL, 10);
        listens(4, "d");
        assert_eq!(snapshot.listening, [endpoint("b"), endpoint("c")]);
        assert_eq!(names(&receiver), ["listening inproc://d"]);
    }
}
