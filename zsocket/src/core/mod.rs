//! What is behind a socket of any type: its links, its mailbox, and how calls move messages.
//!
//! What happens is decided by the [pattern](crate::pattern) and executed here, on [links](crate::links):
//!
//! - this file takes in what happened meanwhile,
//! - `peers` takes in who comes and goes, `introductions` tells the application about them,
//! - `send`, `fan_out` and `recv` move messages, `wait` waits for what they lack,
//! - `forward` takes messages out for another socket, and gives in those of others,
//! - `polled` tells pollers what can be done without waiting,
//! - `subscriptions` takes in what subscribers ask for, and tells publishers,
//! - `options` sets and reads options,
//! - `endpoints` binds and connects, `statistics` counts, `diagnosis` says what is wrong.
//!
//! Everything runs on the application's thread, inside a call. What happened meanwhile, links that came, went,
//! filled or drained, has been queued in the ready list and is taken in at the beginning of a call; one
//! relaxed load tells that there is nothing.
//!
//! The socket lends the core for a call, and foreign code, wakers and the `Drop` of bodies, may call the
//! socket. So every way that may come upon such code begins the core's [`Deferral`], and the socket
//! ends it when it has the core back.

mod attachments;
mod departed;
mod diagnosis;
mod endpoints;
mod fan_out;
mod forward;
mod introductions;
mod options;
mod outgoing;
mod peers;
mod polled;
mod recv;
mod send;
mod statistics;
mod subscriptions;
mod wait;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use zpipe::{
    Encoded, Mailbox, Notifier, Process, Readiness, ReadySet, Spinner, deferred::Deferral,
};
use ztransport::{Alarm, Endpoint, InputJoiner, InputPoll, Letter, SocketHandle, Subscriptions};

use self::{
    attachments::Attachments,
    departed::Departed,
    diagnosis::Traces,
    endpoints::close_link,
    peers::Standby,
    polled::{Found, Watched},
};
pub(crate) use self::{attachments::Use, forward::Given};
use crate::{
    Blocked, Error, PeerLoss, SocketType, Turn, WrongState,
    context::Shared,
    error::Refusal,
    links::{Links, Slot},
    options::SocketOptions,
    pattern::{At, Route, Source, State},
    stats::SocketStats,
    tasks::Tasks,
};

/// Token of the mailbox; link ids begin at 1.
pub(crate) const MAIL_TOKEN: u64 = 0;
/// Token of those who stand outside and want the thread that has the socket to look at something of theirs.
const CALL_TOKEN: u64 = u64::MAX;

/// See the module documentation.
pub(crate) struct Core<S: State> {
    context: Arc<Shared>,
    id: u64,
    pub(crate) state: S,
    ready: ReadySet,
    mailbox: Mailbox<Letter>,
    pub(crate) handle: SocketHandle,
    links: Links,
    pub(crate) options: SocketOptions,
    pub(crate) attachments: Attachments,
    last_endpoint: Option<Endpoint>,
    /// How this socket waits for input itself, since it blocked in `recv` for the first time.
    input: Option<InputPoll>,
    /// A poller reads this socket's streams along with those of others, instead.
    led_by: Option<InputJoiner>,
    /// How often there was nothing to receive since it has read them.
    looks_in_vain: u8,
    /// For waits that a peer is likely to end at once.
    spinner: Spinner,
    tasks: Arc<Tasks>,
    /// There may be some that wait.
    tasks_wait: bool,
    /// Up to this number what is sent answers what was received.
    answers_until: u64,
    /// What it has last left in a pipe, see [`is_corked`](ztransport::is_corked).
    corked: u64,
    /// Somebody outside has called since [`take_call`](Self::take_call) was asked.
    called: bool,
    heard: u64,
    /// A wait ends when a signal handler has run.
    pub(crate) interruptible: bool,
    /// The last wait has ended so, and nobody was told.
    interrupted: bool,
    /// A look for a message has ended before all was looked through.
    looks_again: bool,
    /// How often a connection was made or lost, or a peer has come.
    acquaintances: u64,
    /// Why every call fails from now on.
    ended: Option<Refusal>,
    /// Links without a peer that have messages.
    departed: Departed,
    /// Links of the socket's own that have to wait until another one is gone.
    standby: Standby,
    /// What its publishers are asked for, if it subscribes.
    subscriptions: Option<Subscriptions>,
    /// Frames that were taken in by the last call which took in any.
    taken_in: usize,
    /// Links that have brought a message which the pattern has no room for yet, in order.
    offered: VecDeque<At>,
    /// The largest message that each multicast endpoint takes, and what they all take.
    group_limits: BTreeMap<u64, u64>,
    message_limit: Option<u64>,
    /// Who gets a message for many, and that message. Kept for their memory.
    recipients: Vec<usize>,
    encoded: Encoded,
    /// Where the socket was made. Nothing of it may be touched in a forked child: others may hold its locks
    /// there for ever, and its descriptors are shared with the parent.
    process: Process,
    /// What [`Refusal::PeerLost`] is about.
    loss: PeerLoss,
    watched: Watched,
    /// Whom the message is for that another socket could not forward for want of room.
    awaited: Option<At>,
    found: Option<Found>,
    stats: SocketStats,
    traces: Traces,
    /// Open if this call has come upon foreign code.
    pub(crate) deferral: Deferral,
}

/// Messages that a receiver drops, because they are none of the pattern, before it looks at its deadline
/// again. They may be large, and have many frames.
const DISCARDS_BETWEEN_LOOKS: u32 = 16;

/// What a caller does if there is no message, or no room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Wait for one. A sender waits until a pipe has drained to half.
    Wait,
    /// Something else. A sender then wants to know of any room.
    Return,
}

impl<S: State> Core<S> {
    pub(crate) fn new(
        context: Arc<Shared>,
        id: u64,
        state: S,
        ready: ReadySet,
        mailbox: Mailbox<Letter>,
        handle: SocketHandle,
        options: SocketOptions,
    ) -> Self {
        let spinner = if state.streams() {
            Spinner::for_streams()
        } else {
            Spinner::new()
        };
        let subscriptions = state.subscribes().then(Subscriptions::new);
        Self {
            context,
            id,
            state,
            ready,
            mailbox,
            handle,
            links: Links::default(),
            options,
            attachments: Attachments::default(),
            last_endpoint: None,
            input: None,
            led_by: None,
            looks_in_vain: 0,
            spinner,
            tasks: Arc::new(Tasks::new()),
            tasks_wait: false,
            answers_until: 0,
            corked: u64::MAX,
            called: false,
            heard: 0,
            interruptible: false,
            looks_again: false,
            interrupted: false,
            acquaintances: 0,
            ended: None,
            departed: Departed::default(),
            standby: Standby::default(),
            subscriptions,
            taken_in: 0,
            offered: VecDeque::new(),
            group_limits: BTreeMap::new(),
            message_limit: None,
            recipients: Vec::new(),
            encoded: Encoded::default(),
            process: Process::current(),
            loss: PeerLoss::Gone,
            watched: Watched::default(),
            awaited: None,
            found: None,
            stats: SocketStats::default(),
            traces: Traces::default(),
            deferral: Deferral::default(),
        }
    }

    // ---- Taking in what happened ----

    /// Takes in everything that was signalled since the last call.
    #[inline]
    pub(crate) fn process(&mut self) -> Result<(), Refusal> {
        if self.process.is_forked() {
            return Err(Refusal::Forked);
        }
        if !self.ready.is_empty() {
            self.process_signals();
        }
        if self.state.takes_in() && (self.has_more_to_take_in() || !self.offered.is_empty()) {
            self.take_in();
        }
        match self.ended {
            None => Ok(()),
            Some(refusal) => Err(refusal),
        }
    }

    #[inline(never)]
    fn process_signals(&mut self) {
        self.deferral.begin();
        self.heard += 1;
        let (mut mail, mut called) = (false, false);
        let mut gone = Vec::new();
        let mut named = Vec::new();
        let mut room = Vec::new();
        let mut lost = Vec::new();
        let (ready, links, state) = (&mut self.ready, &mut self.links, &mut self.state);
        ready.drain(|token, what| {
            if token == MAIL_TOKEN {
                mail = true;
            } else if token == CALL_TOKEN {
                called = true;
            } else if let Some(place) = links.find(token) {
                links.on_signal(place, what);
                let Some(Slot { link, follower, .. }) = links.get_mut(place) else {
                    return;
                };
                let slot_follows = follower.is_some();
                if what.contains(Readiness::MAIL) {
                    // The connection broke, or was made, maybe again.
                    let (at, news) = (At { place, id: token }, link.take_news());
                    if let Some(taken) = news.taken {
                        state.on_interrupted(at, taken);
                    }
                    if let Some(peer) = news.peer {
                        named.push((at, peer.identity.clone()));
                        link.set_peer(peer);
                    }
                    if news.taken.is_some() {
                        lost.push(place);
                    }
                }
                link.settle();
                if link.writer.is_closed() {
                    gone.push(place);
                }
                if what.contains(Readiness::WRITABLE) && slot_follows {
                    room.push(place);
                }
            }
        });
        self.called |= called;
        for place in gone {
            self.on_gone(place);
        }
        self.acquaintances += (lost.len() + named.len()) as u64;
        for place in lost {
            self.links.set_connected(place, false);
        }
        for (at, name) in named {
            self.links.set_connected(at.place, true);
            if self.state.takes_in() {
                // What the last connection has asked for ends, also if this one says nothing.
                self.links.may_have_input(at.place);
            }
            self.on_named(at, name);
        }
        for place in room {
            self.tell_place(place);
        }
        if mail {
            let letters = self.mailbox.take();
            // From here on what those in these letters have left is bounded here.
            self.handle.forget_departed();
            for letter in letters {
                self.on_letter(letter);
            }
            if self.context.sockets.is_shut_down() {
                self.ended = Some(Refusal::Terminated);
            }
        }
    }

    fn on_letter(&mut self, letter: Letter) {
        match letter {
            // What is gone does not come back, so that is what every call says, and not only the next.
            Letter::IoThreadLost => self.ended = Some(Refusal::IoThreadLost),
            Letter::Attach(link) => self.attach(*link),
            _ => {}
        }
    }

    /// Ends every wait of this socket when it is signalled, by any thread, and leaves a note for
    /// [`take_call`](Self::take_call).
    pub(crate) fn caller(&self) -> Notifier {
        self.ready.notifier(CALL_TOKEN)
    }

    /// Whether somebody has called who was not heard yet.
    pub(crate) fn take_call(&mut self) -> bool {
        std::mem::take(&mut self.called)
    }

    /// How often signals were taken in. A call that sends, receives and then waits compares: what came for one of these
    /// may have been taken in by the other.
    pub(crate) fn heard(&self) -> u64 {
        self.heard
    }

    /// An I/O thread's clock for the futures of this socket, which calls at the time.
    pub(crate) fn alarm(&self) -> Option<Alarm> {
        self.context.reactor.alarm(self.caller())
    }

    // ---- About the socket ----

    /// Applies changed bounds on what peers that are gone have left.
    pub(crate) fn apply_departed(&mut self) {
        if !self.process.is_forked() {
            self.bound_departed();
        }
    }

    pub(crate) fn socket_type(&self) -> SocketType {
        self.state.socket_type()
    }

    /// A refusal as an error that tells all that is known.
    #[cold]
    pub(crate) fn error(&mut self, refusal: Refusal, sending: bool) -> Error {
        self.note_refusal(refusal, sending);
        match refusal {
            Refusal::WouldBlock if self.take_interrupted() => Error::Interrupted,
            Refusal::WouldBlock if self.connected() == 0 => Error::WouldBlock(Blocked::NoPeer),
            Refusal::WouldBlock if sending => Error::WouldBlock(Blocked::NoRoom),
            Refusal::WouldBlock => Error::WouldBlock(Blocked::NoMessage),
            Refusal::WrongState => Error::WrongState(self.misstep(sending)),
            Refusal::PeerLost => Error::PeerLost(Box::new(std::mem::take(&mut self.loss))),
            refusal => refusal.into(),
        }
    }

    /// Which call the socket waits for instead of this one.
    fn misstep(&mut self, sending: bool) -> WrongState {
        let socket_type = self.socket_type();
        let (turn, peer) = match (socket_type, sending) {
            (SocketType::Req, true) => match self.state.source() {
                Ok(Source::Only(at)) => (Turn::ReceiveReply, Some(at)),
                _ => (Turn::ReceiveReply, None),
            },
            (SocketType::Req, false) => (Turn::SendRequest, None),
            (SocketType::Rep, true) => (Turn::ReceiveRequest, None),
            (SocketType::Rep, false) => match self.state.route(None) {
                Ok(Route::One(at, _)) => (Turn::SendReply, Some(at)),
                _ => (Turn::SendReply, None),
            },
            _ => return WrongState::default(),
        };
        let slot = peer.and_then(|at| self.links.at(at));
        WrongState::new(
            socket_type,
            turn,
            slot.map(|slot| slot.link.endpoint.clone()),
        )
    }

    /// Tries once more when a wait has ended. If that succeeds, the signal that may have ended the wait is of no account.
    pub(crate) fn last_attempt<T>(
        &mut self,
        attempt: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let done = attempt(self);
        if done.is_ok() {
            self.interrupted = false;
        }
        done
    }

    /// Whether a signal handler has ended the last wait.
    #[cold]
    pub(crate) fn take_interrupted(&mut self) -> bool {
        std::mem::take(&mut self.interrupted)
    }

    /// Changes whenever what is known about peers may have changed.
    pub(crate) fn acquaintances(&self) -> u64 {
        self.acquaintances
    }

    /// How many peers there are with which the handshake is complete.
    pub(crate) fn connected(&self) -> usize {
        self.links.connected()
    }

    /// How many peers the socket has pipes to.
    pub(crate) fn peers(&self) -> usize {
        self.links.len()
    }
}

impl<S: State> Drop for Core<S> {
    /// Closes the socket: names and ports are free when this returns; what is queued is sent in the
    /// background for as long as the linger option says.
    fn drop(&mut self) {
        if self.process.is_forked() {
            return self.abandon();
        }
        crate::trace::closes(self.socket_type(), &self.stats);
        // With a linger of nothing it would be lost, although a call has taken it.
        self.uncork();
        // Whoever watches finds out when it looks.
        self.look_soon();
        self.drop_found();
        for letter in self.mailbox.take() {
            self.on_letter(letter);
        }
        for (id, used) in self.attachments.take_all() {
            match used {
                Use::Bound => self.context.reactor.unbind(id, false),
                Use::Connected => self.disconnect(id),
            }
        }
        let all: Vec<usize> = self.links.iter_mut().map(|(at, _)| at).collect();
        for at in all {
            if let Some(link) = self.links.remove(at) {
                close_link(link, self.options.linger);
            }
        }
        self.context.sockets.close(self.id);
    }
}

impl<S: State> Core<S> {
    /// Leaves all to the parent, of which this is a copy in a forked child: no drop, no lock, no signal.
    fn abandon(&mut self) {
        use std::mem::{forget, replace, take};
        forget((take(&mut self.links), self.input.take(), self.found.take()));
        forget(self.led_by.take());
        let ready = replace(&mut self.ready, ReadySet::new());
        let (_, mailbox) = zpipe::mailbox(self.ready.notifier(MAIL_TOKEN));
        forget((ready, replace(&mut self.mailbox, mailbox)));
        // Handles that are never dropped keep what they lead to.
        forget((
            Arc::clone(&self.context),
            self.handle.clone(),
            Arc::clone(&self.tasks),
        ));
    }
}
