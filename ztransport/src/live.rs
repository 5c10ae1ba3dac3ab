//! Which connections are alive: what the end of a context waits for.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Instant,
};

use crate::{connection::Connection, endpoint::Endpoint, table};

/// A connection that is still alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The endpoint bound or connected to.
    pub endpoint: Endpoint,
    /// Whether this end connected.
    pub outgoing: bool,
    /// Messages queued for the peer; `None` if the connection was busy when it was asked.
    pub messages: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Live {
    connections: Mutex<HashMap<u64, Arc<Connection>>>,
    changed: Condvar,
}

impl Live {
    pub(crate) fn add(&self, connection: &Arc<Connection>) {
        self.lock().insert(connection.id, Arc::clone(connection));
    }

    /// The connection with this number, while it is alive.
    pub(crate) fn get(&self, key: u64) -> Option<Arc<Connection>> {
        self.lock().get(&key).cloned()
    }

    pub(crate) fn remove(&self, key: u64) {
        let removed = table::remove(&mut self.lock(), key);
        if removed.is_some() {
            self.changed.notify_all();
        }
    }

    /// Waits until none is left; `false` when the deadline has passed before.
    pub(crate) fn wait_empty(&self, deadline: Option<Instant>) -> bool {
        let mut connections = self.lock();
        while !connections.is_empty() {
            connections = match deadline {
                None => self
                    .changed
                    .wait(connections)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                        return false;
                    };
                    let waited = self.changed.wait_timeout(connections, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }

    pub(crate) fn holding(&self) -> Vec<Holding> {
        let connections: Vec<_> = self.lock().values().cloned().collect();
        connections
            .iter()
            .map(|connection| Holding {
                endpoint: connection.endpoint.clone(),
                outgoing: connection.outgoing,
                messages: connection.pending(),
            })
            .collect()
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.lock().capacity()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Connection>>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
