//! inproc: names within one context, behind which two sockets share pipes directly.
//!
//! There is no engine, no thread and no copy on the way: what one socket commits, the other reads.
//! Each direction holds as many messages as the writer's send mark and the reader's receive mark
//! together, or any number if either is unlimited. Connecting before somebody binds is allowed; until
//! then only the connecting socket's own mark counts, and the other ends wait here.
//!
//! A direction conflates if its writer wants that for what it sends or its reader for what it receives, whoever has bound and
//! whoever came first; the options of the reader go before. It is counted by the one who wants it.
//!
//! Letters are posted and pipes are dropped under the lock of the names, so that who binds, connects and
//! leaves has one order. The tasks that this wakes may bind and connect themselves: hence the scopes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use zmtp::{Peer, SocketType, Version};
use zpipe::{
    Counter, Guarded, Keep, Limits, Notifier, Readiness, Sender, Ticket, deferred::Scope, latest,
    pipe,
};

use crate::{
    conflate::{Inlet, Outlet, Receiving, Sending},
    endpoint::{Endpoint, InprocName},
    error::Error,
    event::{self, CloseReason, ConnectionInfo, Event, Letter, SocketHandle},
    ids::next_id,
    link::Link,
    net::PeerAddress,
    options::Options,
    sys::NO_DESCRIPTOR,
};

/// Larger bodies are handed over, not copied: the reader may be on another core, and what it does not
/// look at need not travel there. Measured.
const SPLICE_MIN: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct Inproc {
    names: Guarded<Names>,
}

#[derive(Debug, Default)]
struct Names {
    bound: HashMap<InprocName, Binding>,
    /// The name of each binding.
    name_of: HashMap<u64, InprocName>,
    /// Connections without a binder, by the number of their link: so the oldest comes first.
    waiting: HashMap<InprocName, BTreeMap<u64, Pending>>,
    /// What each of them waits for.
    awaited: HashMap<u64, InprocName>,
}

impl Names {
    /// Takes out whoever waits for a name and may talk to a socket of this type. Others wait on, for another socket may come.
    fn take_waiting(&mut self, name: &InprocName, binder: SocketType) -> BTreeMap<u64, Pending> {
        let waiting = self.waiting.remove(name).unwrap_or_default();
        let (fit, rest): (BTreeMap<_, _>, BTreeMap<_, _>) = (waiting.into_iter())
            .partition(|(_, pending)| pending.options.socket_type.accepts(binder));
        for link in fit.keys() {
            self.awaited.remove(link);
        }
        if !rest.is_empty() {
            self.waiting.insert(name.clone(), rest);
        }
        fit
    }

    /// Those who wait on, with the numbers of their links and their types.
    fn waiting(&self, name: &InprocName) -> Vec<(u64, SocketHandle, SocketType)> {
        let waiting = self.waiting.get(name).into_iter().flatten();
        let who = |(id, pending): (&u64, &Pending)| {
            (*id, pending.handle.clone(), pending.options.socket_type)
        };
        waiting.map(who).collect()
    }
}

#[derive(Debug)]
struct Binding {
    /// The number of the binding.
    key: u64,
    options: Arc<Options>,
    handle: SocketHandle,
}

/// The far ends of a connection that nobody has bound yet.
#[derive(Debug)]
struct Pending {
    options: Arc<Options>,
    /// Of the socket that connects, which is told if somebody has bound who does not fit.
    handle: SocketHandle,
    sending: Sending,
    receiving: Receiving,
    far: Arc<Guarded<FarState>>,
    ends: Arc<Ends>,
    /// Tells the connecting socket who has bound.
    connector: Notifier,
}

/// The binder's end of a connection, as the connecting end knows it. When the connecting end goes before
/// the binder has looked, and has left nothing to receive, it takes that end back: it must not lie in the
/// mailbox of a socket that nobody calls.
#[derive(Debug, Default)]
pub(crate) struct Far {
    state: Arc<Guarded<FarState>>,
    ends: Arc<Ends>,
}

/// What the connecting end needs beside its ropes, since whoever has bound wants to conflate.
#[derive(Debug, Default)]
struct Ends {
    /// Not 0 before the connecting end can find its rope marked idle by the outlet in here.
    made: Counter,
    /// Locked while they are made, so whoever has seen that they are finds them.
    both: Guarded<Both>,
}

impl Ends {
    /// Drops what nobody has taken, and what is being dropped by another thread is gone when this returns.
    fn clear(&self) {
        let _scope = Scope::open();
        *self.both.lock() = (None, None);
    }
}

type Both = (Option<Box<Outlet>>, Option<Box<Inlet>>);

impl Far {
    /// Whether there may be [ends](Self::take_ends).
    #[inline]
    pub(crate) fn has_ends(&self) -> bool {
        self.ends.made.value() > 0
    }

    /// What the connecting end needs, once, if whoever has bound wants to conflate.
    pub(crate) fn take_ends(&self) -> Both {
        if !self.has_ends() {
            return (None, None);
        }
        std::mem::take(&mut *self.ends.both.lock())
    }

    /// Who has bound, if that is news.
    pub(crate) fn take_peer(&self) -> Option<Peer> {
        match &mut *self.state.lock() {
            FarState::Announced { peer, .. } => peer.take(),
            FarState::Waiting | FarState::Gone => None,
        }
    }

    /// What the binder wants to receive when the connecting end goes.
    pub(crate) fn goodbye(&self) -> Option<Bytes> {
        match &*self.state.lock() {
            FarState::Announced { goodbye, .. } => goodbye.clone(),
            FarState::Waiting | FarState::Gone => None,
        }
    }
}

#[derive(Debug, Default)]
enum FarState {
    /// Nobody has bound yet.
    #[default]
    Waiting,
    /// This letter was put into the binder's mailbox.
    Announced {
        letters: Sender<Letter>,
        ticket: Ticket,
        /// Whether the binder wants what the connecting end has left.
        wants_rest: bool,
        /// What it wants to receive when the connecting end goes.
        goodbye: Option<Bytes>,
        /// Who that is, until the connecting end has taken it.
        peer: Option<Peer>,
    },
    /// The connecting end is gone.
    Gone,
}

impl FarState {
    /// The binder has been told by a letter.
    fn announce(this: &Guarded<Self>, ends: &Ends, binding: &Binding, ticket: Ticket) {
        let letters = binding.handle.letters();
        let wants_rest = binding.options.wants_rest;
        let mut state = this.lock();
        if matches!(*state, Self::Gone) {
            // Only now, so nobody has taken the letter back.
            drop(state);
            ends.clear();
            event::retract(&letters, ticket, wants_rest);
        } else {
            *state = Self::Announced {
                letters,
                ticket,
                wants_rest,
                goodbye: binding.options.notices.disconnect.clone(),
                peer: Some(introduce(&binding.options)),
            };
        }
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut *self.state.lock(), FarState::Gone);
        // As the pipes, before the letter is asked whether it is of use.
        self.ends.clear();
        if let FarState::Announced {
            letters,
            ticket,
            wants_rest,
            ..
        } = state
        {
            event::retract(&letters, ticket, wants_rest);
        }
    }
}

impl Inproc {
    /// Binds a name and takes up whoever waits for it. `false` when the name is taken.
    pub(crate) fn bind(
        &self,
        key: u64,
        name: &InprocName,
        options: &Arc<Options>,
        handle: &SocketHandle,
    ) -> bool {
        let _scope = Scope::open();
        let mut names = self.names.lock();
        if names.bound.contains_key(name) {
            return false;
        }
        let (options, handle) = (Arc::clone(options), handle.clone());
        let binding = Binding {
            key,
            options,
            handle,
        };
        for pending in names
            .take_waiting(name, binding.options.socket_type)
            .into_values()
        {
            let connector = pending.connector.clone();
            deliver(&binding, name, pending);
            connector.notify(Readiness::MAIL);
        }
        let others = names.waiting(name);
        let socket_type = binding.options.socket_type;
        names.name_of.insert(key, name.clone());
        names.bound.insert(name.clone(), binding);
        drop(names);
        for (id, handle, ours) in others {
            tell_refused(&handle, id, name, ours, socket_type);
        }
        true
    }

    /// The number of the binding of a name, and the type of the socket that has bound it.
    pub(crate) fn binding(&self, name: &InprocName) -> Option<(u64, SocketType)> {
        let names = self.names.lock();
        let binding = names.bound.get(name)?;
        Some((binding.key, binding.options.socket_type))
    }

    /// Connects if somebody has bound the name: then with the number of that binding.
    pub(crate) fn connect_bound(
        &self,
        id: u64,
        name: &InprocName,
        options: &Arc<Options>,
        handle: &SocketHandle,
    ) -> Option<(u64, Link)> {
        let _scope = Scope::open();
        let mut names = self.names.lock();
        let key = names.bound.get(name)?.key;
        Some((key, connect_in(&mut names, id, name, options, handle)))
    }

    /// Connects, or waits for somebody to bind the name.
    ///
    /// # Errors
    ///
    /// [`Error::Incompatible`] if the socket that has bound the name is of a type that does not fit.
    pub(crate) fn connect(
        &self,
        id: u64,
        name: &InprocName,
        options: &Arc<Options>,
        handle: &SocketHandle,
    ) -> Result<Link, Error> {
        let _scope = Scope::open();
        let mut names = self.names.lock();
        if let Some(binding) = names.bound.get(name) {
            let (ours, peer) = (options.socket_type, binding.options.socket_type);
            if !ours.accepts(peer) {
                return Err(Error::Incompatible { ours, peer });
            }
        }
        Ok(connect_in(&mut names, id, name, options, handle))
    }

    /// Frees a name. Connections stay.
    pub(crate) fn unbind(&self, key: u64) {
        let _scope = Scope::open();
        let mut names = self.names.lock();
        if let Some(name) = names.name_of.remove(&key) {
            names.bound.remove(&name);
        }
    }

    /// Drops the far ends of a connection that is still waiting.
    pub(crate) fn forget(&self, link: u64) {
        let _scope = Scope::open();
        let mut names = self.names.lock();
        let names = &mut *names;
        if let Some(name) = names.awaited.remove(&link)
            && let Some(waiting) = names.waiting.get_mut(&name)
        {
            waiting.remove(&link);
            if waiting.is_empty() {
                names.waiting.remove(&name);
            }
        }
    }
}

/// Tells a socket that waits for a name that whoever has bound it is not for it.
fn tell_refused(
    handle: &SocketHandle,
    id: u64,
    name: &InprocName,
    ours: SocketType,
    peer: SocketType,
) {
    let endpoint = Endpoint::Inproc(name.clone());
    let reason = CloseReason::from(zmtp::Error::IncompatibleSocketType { ours, peer });
    handle.counters().closed(&reason);
    handle.note_end(&endpoint, true, &PeerAddress::Unknown, false, &reason);
    handle.emit(|| Event::HandshakeFailed {
        endpoint,
        address: PeerAddress::Unknown,
        reason,
        connection: ConnectionInfo {
            id,
            outgoing: true,
            local: PeerAddress::Unknown,
            descriptor: NO_DESCRIPTOR,
        },
    });
}

/// Makes both ends of a connection, of which the far one goes to whoever has bound the name, or waits here for that.
fn connect_in(
    names: &mut Names,
    id: u64,
    name: &InprocName,
    options: &Arc<Options>,
    handle: &SocketHandle,
) -> Link {
    let notifier = handle.notifier(id);
    let own = Limits {
        messages: u64::from(options.send_hwm),
        bytes: 0,
    };
    let connector = notifier.clone();
    let far = Far::default();
    let binding = names.bound.get(name);
    let theirs = |keep: fn(&Options) -> Option<Keep>| {
        binding.and_then(|binding| Some((keep(&binding.options)?, &binding.handle)))
    };
    let out =
        theirs(|binder| binder.latest_in).or_else(|| options.latest_out.map(|keep| (keep, handle)));
    let (near_sending, far_receiving) = direction(out, own, Some(notifier.clone()), None);
    let back = (options.latest_in.map(|keep| (keep, handle)))
        .or_else(|| theirs(|binder| binder.latest_out));
    let (far_sending, near_receiving) = direction(back, Limits::default(), None, Some(notifier));
    let pending = Pending {
        options: Arc::clone(options),
        handle: handle.clone(),
        sending: far_sending,
        receiving: far_receiving,
        far: Arc::clone(&far.state),
        ends: Arc::clone(&far.ends),
        connector,
    };
    let peer = match names.bound.get(name) {
        Some(binding) => {
            deliver(binding, name, pending);
            // No news, since the link says it.
            far.take_peer()
        }
        None => {
            let waiting = names.waiting.entry(name.clone()).or_default();
            waiting.insert(id, pending);
            names.awaited.insert(id, name.clone());
            None
        }
    };
    Link {
        id,
        writer: near_sending.writer,
        reader: near_receiving.reader,
        driver: None,
        endpoint: Endpoint::Inproc(name.clone()),
        outgoing: true,
        since: peer.is_some().then(Instant::now),
        peer,
        losses: None,
        outlet: near_sending.outlet,
        inlet: near_receiving.inlet,
        far: Some(far),
    }
}

/// Gives the binder its end of a connection.
fn deliver(binding: &Binding, name: &InprocName, connector: Pending) {
    let Pending {
        options: connector,
        mut sending,
        mut receiving,
        far,
        ends,
        connector: notifier,
        handle: _,
    } = connector;
    if sending.outlet.is_none() {
        let marks = both(binding.options.send_hwm, connector.recv_hwm);
        sending.writer.set_limits(marks);
    }
    if receiving.inlet.is_none() {
        let marks = both(connector.send_hwm, binding.options.recv_hwm);
        receiving.reader.set_limits(marks);
    }
    let (sending, receiving) = conflate(binding, sending, receiving, &ends, &notifier);
    let link = Link {
        id: next_id(),
        writer: sending.writer,
        reader: receiving.reader,
        driver: None,
        endpoint: Endpoint::Inproc(name.clone()),
        outgoing: false,
        peer: Some(introduce(&connector)),
        since: Some(Instant::now()),
        losses: None,
        outlet: sending.outlet,
        inlet: receiving.inlet,
        far: None,
    };
    // A binder that is just closing drops the link, which the connector sees as a closed peer.
    if let Ok(ticket) = binding.handle.post(Letter::Attach(Box::new(link))) {
        FarState::announce(&far, &ends, binding, ticket);
    }
}

/// Makes the ends of one direction. `keep` is what is kept if it conflates, and who wants it.
fn direction(
    keep: Option<(Keep, &SocketHandle)>,
    limits: Limits,
    sender: Option<Notifier>,
    receiver: Option<Notifier>,
) -> (Sending, Receiving) {
    let (mut sending, receiving) = match keep {
        Some((keep, owner)) => {
            let (writer, reader) = latest(keep, sender, receiver);
            let sending = Sending::to(writer, owner);
            (sending, Receiving::from(reader, SPLICE_MIN))
        }
        None => {
            let (writer, reader) = pipe(limits, sender, receiver);
            let (outlet, inlet) = (None, None);
            (Sending { writer, outlet }, Receiving { reader, inlet })
        }
    };
    sending.writer.set_splice_min(SPLICE_MIN);
    (sending, receiving)
}

/// Makes directions conflate that do not yet, because whoever connected did not know that the binder wants it. The ropes that
/// were made then stay with the connecting end: it gets their other ends too, which lie in front of a slot from now on.
fn conflate(
    binding: &Binding,
    mut sending: Sending,
    mut receiving: Receiving,
    ends: &Ends,
    connector: &Notifier,
) -> (Sending, Receiving) {
    let (owner, options) = (&binding.handle, &binding.options);
    let wanted_in = options.latest_in.filter(|_| receiving.inlet.is_none());
    let wanted_out = options.latest_out.filter(|_| sending.outlet.is_none());
    if wanted_in.is_none() && wanted_out.is_none() {
        return (sending, receiving);
    }
    let mut both = ends.both.lock();
    ends.made.add(1);
    // Before its messages are moved on: a connecting end that sends without end comes here at its next call, and waits.
    connector.notify(Readiness::MAIL);
    if let Some(keep) = wanted_in {
        let (writer, reader) = latest(keep, Some(connector.clone()), None);
        let near = std::mem::replace(&mut receiving, Receiving::from(reader, SPLICE_MIN));
        both.0 = Some(Outlet::new(near.reader, writer, owner.clone()));
    }
    if let Some(keep) = wanted_out {
        let (writer, reader) = latest(keep, None, Some(connector.clone()));
        let near = std::mem::replace(&mut sending, Sending::to(writer, owner));
        sending.writer.set_splice_min(SPLICE_MIN);
        let mut inlet = Inlet::new(near.writer, reader);
        // The connecting end may have found its rope empty already; nothing has been put yet.
        let _ = inlet.set_idle();
        both.1 = Some(inlet);
    }
    (sending, receiving)
}

fn both(send: u32, recv: u32) -> Limits {
    let unlimited = send == 0 || recv == 0;
    let messages = if unlimited {
        0
    } else {
        u64::from(send) + u64::from(recv)
    };
    Limits { messages, bytes: 0 }
}

fn introduce(options: &Options) -> Peer {
    let socket_type = Some(options.socket_type);
    let mut peer = Peer::new(Version::V3_1, socket_type, options.routing_id.clone());
    peer.properties = options.properties.clone();
    peer
}

#[cfg(all(test, loom))]
mod models;
