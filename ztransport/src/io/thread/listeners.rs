//! An I/O thread's listeners, and the connections that they accept.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::IoThread;
use crate::{
    connection::Connection,
    engine::Engine,
    event::{Change, Event, errno},
    ids::next_id,
    io::{
        command::{Command, Done, Handover, ListenerEntry},
        session::Session,
        timers::{Purpose, Timer},
    },
    net::{AcceptError, Accepted},
    parts::{Parts, Slots},
    signals::Events,
    sys,
};

/// Connections accepted in one go, before others have their turn.
const ACCEPT_BATCH: usize = 64;
/// How long accepting pauses when descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl IoThread {
    pub(super) fn listen(&mut self, entry: ListenerEntry) {
        let key = entry.key;
        let endpoint = entry.endpoint.clone();
        let descriptor = sys::raw(&entry.listener);
        let listens = Change::Listens(key, endpoint.clone());
        entry.handle.emit_change(listens, || Event::Listening {
            endpoint,
            descriptor,
        });
        self.listeners.insert(key, entry);
        // Whoever has connected meanwhile was announced when nobody here knew the listener.
        self.accept(key);
    }

    pub(super) fn accept(&mut self, key: u64) {
        for _ in 0..ACCEPT_BATCH {
            let Some(entry) = self.listeners.get(&key) else {
                return;
            };
            match entry.listener.accept() {
                Ok(accepted) => self.serve(key, accepted),
                Err(AcceptError::WouldBlock) => return,
                Err(error @ AcceptError::Transient(_)) => {
                    let endpoint = entry.endpoint.clone();
                    entry.handle.counters().accept_failed.add(1);
                    entry.handle.emit(|| Event::AcceptFailed {
                        endpoint,
                        reason: error.to_string(),
                        errno: errno::of_accept(&error),
                    });
                }
                Err(AcceptError::Refused(peer)) => {
                    entry.handle.counters().accept_refused.add(1);
                    entry.handle.emit(|| Event::AcceptRefused {
                        endpoint: entry.endpoint.clone(),
                        peer,
                    });
                }
                Err(error) => return self.pause(key, &error),
            }
        }
        // Edge-triggered: those who still wait will not be announced again.
        let timer = Timer {
            key,
            purpose: Purpose::Accept,
            generation: 0,
        };
        self.timers.set(Instant::now(), timer);
    }

    pub(super) fn pause(&mut self, key: u64, error: &AcceptError) {
        let Some(entry) = self.listeners.get(&key) else {
            return;
        };
        entry.handle.counters().accept_paused.add(1);
        let (endpoint, reason) = (entry.endpoint.clone(), error.to_string());
        entry.handle.emit(|| Event::AcceptPaused {
            endpoint,
            reason,
            errno: errno::of_accept(error),
        });
        let timer = Timer {
            key,
            purpose: Purpose::Accept,
            generation: 0,
        };
        self.timers.set(Instant::now() + ACCEPT_PAUSE, timer);
    }

    pub(super) fn serve(&mut self, listener: u64, accepted: Accepted) {
        let Some(entry) = self.listeners.get(&listener) else {
            return;
        };
        let admitted = match entry.admission.admit(&accepted.peer) {
            Ok(admitted) => admitted,
            Err(limit) => {
                drop(accepted.stream);
                entry.handle.counters().admission_refused.add(1);
                entry.handle.emit(|| Event::AdmissionRefused {
                    endpoint: entry.endpoint.clone(),
                    peer: accepted.peer,
                    limit,
                });
                return;
            }
        };
        let id = next_id();
        entry.handle.emit(|| Event::Accepted {
            endpoint: entry.endpoint.clone(),
            peer: accepted.peer.clone(),
            connection: accepted.stream.info(id, false),
        });
        // Itself, if it is alone.
        let all = self.threads.iter().enumerate();
        let allowed = all.filter(|(index, _)| entry.options.may_be_served_by(*index));
        let Some((index, thread)) = allowed.min_by_key(|(_, thread)| thread.load()) else {
            return;
        };
        let parts = Parts {
            id,
            handle: entry.handle.clone(),
            options: Arc::clone(&entry.options),
            endpoint: entry.endpoint.clone(),
            outgoing: false,
            io: thread.io.sibling(id),
            registry: thread.registry.clone(),
            slots: Slots::default(),
        };
        let connection = Connection::new(parts, thread.commands.clone(), |c| {
            Engine::new(&c.options, None)
        });
        self.live.add(&connection);
        let handover = Handover {
            connection,
            stream: accepted.stream,
            listener,
            admitted,
            place: thread.take_place(),
        };
        if index == self.index {
            return self.begin(handover);
        }
        if let Err(refused) = thread.commands.post(Command::Serve(handover)) {
            // That thread has ended, and with it the connection.
            drop(refused);
            self.live.remove(id);
        }
    }

    /// Begins to serve an accepted connection.
    pub(super) fn begin(&mut self, handover: Handover) {
        let Handover {
            connection,
            stream,
            listener,
            admitted,
            place,
        } = handover;
        let id = connection.id;
        let mut session = Session::accepted(connection, listener, admitted, place);
        let action = session.run(stream, &self.registry);
        self.accepted.entry(listener).or_default().insert(id);
        self.sessions.insert(id, session);
        self.act(id, action);
        self.take_outcomes(id);
    }

    pub(super) fn unlisten(&mut self, key: u64, accepted_too: bool, done: Done) {
        self.timers.remove(key);
        if let Some(entry) = self.listeners.remove(&key) {
            let ListenerEntry {
                listener,
                endpoint,
                handle,
                ..
            } = entry;
            let descriptor = sys::raw(&listener);
            // One that was adopted may stay open elsewhere, and would go on to be reported here.
            let _ = self.registry.remove(&listener);
            let closed = listener.close();
            handle.emit_change(Change::ListensNoMore(key), || Event::ListenerClosed {
                endpoint: endpoint.clone(),
                descriptor,
            });
            if let Err(error) = closed {
                handle.emit(|| Event::CloseFailed {
                    endpoint,
                    reason: error.to_string(),
                    errno: error.raw_os_error().unwrap_or(0),
                });
            }
        }
        let event = if accepted_too {
            Events::DESTROY
        } else {
            // Ends only those that have no pipes yet: the socket has not met them.
            Events::CLOSE
        };
        // Behind those that were handed over: the mailbox keeps the order.
        for (index, thread) in self.threads.iter().enumerate() {
            if index != self.index {
                // One that has ended has no connections.
                let _ = thread.commands.post(Command::EndAccepted {
                    listener: key,
                    event,
                    done: done.clone(),
                });
            }
        }
        self.end_accepted(key, event);
    }

    /// Handles an event for all connections here that a listener accepted.
    pub(super) fn end_accepted(&mut self, listener: u64, event: Events) {
        // Those that live on are on their own now.
        for key in self.accepted.remove(&listener).unwrap_or_default() {
            if let Some(session) = self.sessions.get(&key) {
                session.connection.drive(event);
            }
            self.take_outcomes(key);
        }
    }
}
