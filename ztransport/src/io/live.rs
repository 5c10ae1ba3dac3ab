//! Which connections are alive: what the end of a context waits for.

use std::{collections::HashMap, sync::Arc, time::Instant};

use zmtp::SocketType;
use zpipe::Guarded;

use crate::{connection::Connection, endpoint::Endpoint, net::PeerAddress, shrink};

/// A connection that is still alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The endpoint bound or connected to.
    pub endpoint: Endpoint,
    /// The type of the socket that had it.
    pub socket_type: SocketType,
    /// The peer's address, if there is a connection now, and nothing was busy with it when it was asked.
    pub peer: Option<PeerAddress>,
    /// Whether this end connected.
    pub outgoing: bool,
    /// Messages queued for the peer; `None` if the connection was busy when it was asked.
    pub messages: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Live {
    connections: Guarded<HashMap<u64, Arc<Connection>>>,
}

impl Live {
    pub(crate) fn add(&self, connection: &Arc<Connection>) {
        self.connections
            .lock()
            .insert(connection.id, Arc::clone(connection));
    }

    /// The connection with this number, while it is alive.
    pub(crate) fn get(&self, key: u64) -> Option<Arc<Connection>> {
        self.connections.lock().get(&key).cloned()
    }

    pub(crate) fn remove(&self, key: u64) {
        let mut connections = self.connections.lock();
        let removed = connections.remove(&key);
        shrink::map(&mut connections);
        drop(connections);
        if removed.is_some() {
            self.connections.notify_all();
        }
    }

    /// Waits until none is left; `false` when the deadline has passed before.
    pub(crate) fn wait_empty(&self, deadline: Option<Instant>) -> bool {
        let empty = |connections: &mut HashMap<_, _>| connections.is_empty().then_some(());
        self.connections.wait_until(deadline, empty).is_some()
    }

    /// Waits until none of these is left; `false` when the deadline has passed before. Each is looked at until it is gone,
    /// and not again.
    pub(crate) fn wait_gone(&self, mut keys: Vec<u64>, deadline: Option<Instant>) -> bool {
        let gone = |connections: &mut HashMap<_, _>| {
            while keys.pop_if(|key| !connections.contains_key(key)).is_some() {}
            keys.is_empty().then_some(())
        };
        self.connections.wait_until(deadline, gone).is_some()
    }

    /// Whether a connection is alive.
    pub(crate) fn has(&self, key: u64) -> bool {
        self.connections.lock().contains_key(&key)
    }

    pub(crate) fn holding(&self) -> Vec<Holding> {
        let connections: Vec<_> = self.connections.lock().values().cloned().collect();
        connections
            .iter()
            .map(|connection| {
                let (messages, peer) = connection.pending().unzip();
                Holding {
                    endpoint: connection.endpoint.clone(),
                    socket_type: connection.options.socket_type,
                    peer: peer.flatten(),
                    outgoing: connection.outgoing,
                    messages,
                }
            })
            .collect()
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.connections.lock().capacity()
    }
}
