//! Which sockets of a context are open: what its shutdown tells, and what its end waits for.

use std::{collections::BTreeMap, time::Instant};

use zmtp::SocketType;
use zpipe::{Guarded, Notifier, Readiness, deferred::Scope};

use crate::Error;

/// The open sockets of a context.
#[derive(Debug)]
pub(crate) struct Registry {
    max_sockets: usize,
    sockets: Guarded<Sockets>,
}

#[derive(Debug, Default)]
struct Sockets {
    open: BTreeMap<u64, OpenSocket>,
    next_id: u64,
    shut_down: bool,
}

#[derive(Debug)]
struct OpenSocket {
    socket_type: SocketType,
    /// Of its mailbox.
    notifier: Notifier,
}

impl Registry {
    pub(crate) fn new(max_sockets: usize) -> Self {
        Self {
            max_sockets,
            sockets: Guarded::default(),
        }
    }

    /// A socket opens. From now on it is told of a shutdown.
    pub(crate) fn open(&self, socket_type: SocketType, notifier: Notifier) -> Result<u64, Error> {
        let mut sockets = self.sockets.lock();
        if sockets.shut_down {
            return Err(Error::Terminated);
        }
        if sockets.open.len() >= self.max_sockets {
            return Err(Error::TooManySockets {
                limit: self.max_sockets,
            });
        }
        sockets.next_id += 1;
        let id = sockets.next_id;
        let socket = OpenSocket {
            socket_type,
            notifier,
        };
        sockets.open.insert(id, socket);
        Ok(id)
    }

    pub(crate) fn close(&self, id: u64) {
        let closed = self.sockets.lock().open.remove(&id);
        self.sockets.notify_all();
        // Outside the lock.
        drop(closed);
    }

    /// Tells all open sockets, and lets no more open.
    pub(crate) fn shut_down(&self) {
        // A task that is woken may open or close a socket, for which it needs the lock.
        let _scope = Scope::open();
        let mut sockets = self.sockets.lock();
        sockets.shut_down = true;
        for socket in sockets.open.values() {
            socket.notifier.notify(Readiness::MAIL);
        }
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.sockets.lock().shut_down
    }

    /// Waits until no socket is open; `false` when the deadline has passed before.
    pub(crate) fn wait_empty(&self, deadline: Option<Instant>) -> bool {
        let empty = |sockets: &mut Sockets| sockets.open.is_empty().then_some(());
        self.sockets.wait_until(deadline, empty).is_some()
    }

    /// The types of the sockets that are open.
    pub(crate) fn types(&self) -> Vec<SocketType> {
        let sockets = self.sockets.lock();
        let mut types: Vec<_> = sockets.open.values().map(|s| s.socket_type).collect();
        types.sort_unstable_by_key(|socket_type| socket_type.number());
        types
    }
}

/// Shutdown against sockets that open, wait and close.
#[cfg(all(test, loom))]
mod models {
    use std::sync::Arc;

    use loom::thread;
    use zpipe::ReadySet;

    use super::*;

    /// What a socket does: it opens, blocks in a call until it is told that the context is shut down, and
    /// closes.
    fn use_socket(registry: &Registry) {
        let mut ready = ReadySet::new();
        let Ok(id) = registry.open(SocketType::Pull, ready.notifier(0)) else {
            return;
        };
        let mut told = false;
        while !(told && registry.is_shut_down()) {
            ready.wait(None);
            ready.drain(|_, what| told |= what.contains(Readiness::MAIL));
        }
        registry.close(id);
    }

    /// Otherwise it would be blocked for ever, and with it whoever waits for the end, as loom would tell.
    #[test]
    fn a_socket_is_refused_or_hears_of_the_shutdown() {
        loom::model(|| {
            let registry = Arc::new(Registry::new(2));
            let users = [(); 2].map(|()| {
                let registry = Arc::clone(&registry);
                thread::spawn(move || use_socket(&registry))
            });
            registry.shut_down();
            assert!(registry.wait_empty(None));
            users.into_iter().for_each(|user| user.join().unwrap());
            let late = registry.open(SocketType::Pull, ReadySet::new().notifier(0));
            assert!(matches!(late, Err(Error::Terminated)));
        });
    }

    #[test]
    fn a_socket_may_close_while_all_are_told() {
        loom::model(|| {
            let registry = Arc::new(Registry::new(2));
            let ready = ReadySet::new();
            let first = registry.open(SocketType::Push, ready.notifier(0)).unwrap();
            let user = {
                let registry = Arc::clone(&registry);
                thread::spawn(move || {
                    drop(ready);
                    registry.close(first);
                })
            };
            registry.shut_down();
            assert!(registry.wait_empty(None));
            user.join().unwrap();
        });
    }
}
