//! inproc: names within one context, behind which two sockets share pipes directly.
//!
//! There is no engine, no thread and no copy on the way: what one socket commits, the other reads.
//! Each direction holds as many messages as the writer's send mark and the reader's receive mark
//! together, or any number if either is unlimited. Connecting before somebody binds is allowed; until
//! then only the connecting socket's own mark counts, and the other ends wait here.
//!
//! Letters are posted and pipes are dropped under the lock of the names, so that who binds, connects and
//! leaves has one order. The tasks that this wakes may bind and connect themselves: hence the scopes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use zmtp::{Peer, Version};
use zpipe::{
    Guarded, Limits, Notifier, Reader, Readiness, Sender, Ticket, Writer, deferred::Scope, pipe,
};

use crate::{
    endpoint::{Endpoint, InprocName},
    event::{self, Letter, SocketHandle},
    link::{Link, next_id},
    options::Options,
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
    /// Takes out whoever waits for a name.
    fn take_waiting(&mut self, name: &InprocName) -> BTreeMap<u64, Pending> {
        let waiting = self.waiting.remove(name).unwrap_or_default();
        for link in waiting.keys() {
            self.awaited.remove(link);
        }
        waiting
    }
}

#[derive(Debug)]
struct Binding {
    options: Arc<Options>,
    handle: SocketHandle,
}

/// The far ends of a connection that nobody has bound yet.
#[derive(Debug)]
struct Pending {
    options: Arc<Options>,
    writer: Writer,
    reader: Reader,
    far: Arc<Guarded<FarState>>,
    /// Tells the connecting socket who has bound.
    connector: Notifier,
}

/// The binder's end of a connection, as the connecting end knows it. When the connecting end goes before
/// the binder has looked, and has left nothing to receive, it takes that end back: it must not lie in the
/// mailbox of a socket that nobody calls.
#[derive(Debug, Default)]
pub(crate) struct Far {
    state: Arc<Guarded<FarState>>,
}

impl Far {
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
    fn announce(this: &Guarded<Self>, binding: &Binding, ticket: Ticket) {
        let letters = binding.handle.letters();
        let wants_rest = binding.options.wants_rest;
        let mut state = this.lock();
        if matches!(*state, Self::Gone) {
            // Only now, so nobody has taken the letter back.
            drop(state);
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
        let binding = Binding { options, handle };
        for pending in names.take_waiting(name).into_values() {
            let connector = pending.connector.clone();
            deliver(&binding, name, pending);
            connector.notify(Readiness::MAIL);
        }
        names.name_of.insert(key, name.clone());
        names.bound.insert(name.clone(), binding);
        true
    }

    pub(crate) fn connect(
        &self,
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
        let (mut writer, far_reader) = pipe(own, Some(notifier.clone()), None);
        writer.set_splice_min(SPLICE_MIN);
        let (mut far_writer, reader) = pipe(Limits::default(), None, Some(notifier));
        far_writer.set_splice_min(SPLICE_MIN);
        let far = Far::default();
        let pending = Pending {
            options: Arc::clone(options),
            writer: far_writer,
            reader: far_reader,
            far: Arc::clone(&far.state),
            connector,
        };
        let _scope = Scope::open();
        let mut names = self.names.lock();
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
            writer,
            reader,
            driver: None,
            endpoint: Endpoint::Inproc(name.clone()),
            outgoing: true,
            since: peer.is_some().then(Instant::now),
            peer,
            losses: None,
            far: Some(far),
        }
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

/// Gives the binder its end of a connection.
fn deliver(binding: &Binding, name: &InprocName, connector: Pending) {
    let Pending {
        options: connector,
        mut writer,
        mut reader,
        far,
        ..
    } = connector;
    writer.set_limits(both(binding.options.send_hwm, connector.recv_hwm));
    reader.set_limits(both(connector.send_hwm, binding.options.recv_hwm));
    let link = Link {
        id: next_id(),
        writer,
        reader,
        driver: None,
        endpoint: Endpoint::Inproc(name.clone()),
        outgoing: false,
        peer: Some(introduce(&connector)),
        since: Some(Instant::now()),
        losses: None,
        far: None,
    };
    // A binder that is just closing drops the link, which the connector sees as a closed peer.
    if let Ok(ticket) = binding.handle.post(Letter::Attach(Box::new(link))) {
        FarState::announce(&far, binding, ticket);
    }
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
