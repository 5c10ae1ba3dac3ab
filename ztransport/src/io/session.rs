//! The life of one connection as the I/O thread sees it: connect, run, wait, connect again.
//!
//! ```text
//!            ┌─────────── wait ◀──────────────────────────┐
//!            ▼                                            │ failed
//!  resolve ──▶ connecting ──▶ running (the engine's turn) ─┴──▶ removed
//!                                ▲
//!   accepted ────────────────────┘
//! ```

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, RawFd},
    sync::Arc,
    time::Duration,
};

use super::{
    command::{Command, Place},
    resolver::{Question, Resolved, Resolver},
    timers::{Purpose, Timer},
};
use crate::{
    admission::Admitted,
    connection::Connection,
    endpoint::Endpoint,
    event::Event,
    net::{self, ConnectError, ConnectState, ResolvedAddress, Stream},
    parts::Incoming,
    poll::{Interest, Ready, Registry},
    signals::{Events, Outcome},
};

/// How long a connection whose peer's system has everything waits for the peer to close too.
const GRACE: Duration = Duration::from_millis(200);

pub(crate) struct Session {
    pub(crate) connection: Arc<Connection>,
    state: State,
    /// The listener that accepted it.
    listener: Option<u64>,
    /// Tells timers of this state from those of an earlier one.
    generation: u64,
    /// Attempts that failed since the last handshake that succeeded.
    failures: u32,
    /// Addresses of the endpoint that were not tried yet, the next one last. All are tried in turn, until
    /// there is a peer that a handshake succeeds with, before the session waits.
    addresses: Vec<ResolvedAddress>,
    /// The address to connect from.
    source: Option<SocketAddr>,
    /// Whether the socket has let go.
    closing: bool,
    /// Its part in its listener's counters.
    admitted: Option<Admitted>,
    _place: Place,
}

enum State {
    Waiting,
    Resolving,
    Connecting(Stream),
    Running,
}

/// What a session wants its thread to do.
pub(crate) enum Action {
    None,
    /// Call [`Session::on_timer`] after this time.
    Timer(Duration, Purpose),
    /// Call [`Session::open`].
    Open(ResolvedAddress),
    /// Call [`Session::resolve`].
    Resolve,
    /// Forget the session.
    Remove,
}

impl Session {
    pub(crate) fn outgoing(connection: Arc<Connection>, place: Place) -> Self {
        Self::new(connection, None, place)
    }

    pub(crate) fn accepted(
        connection: Arc<Connection>,
        listener: u64,
        admitted: Admitted,
        place: Place,
    ) -> Self {
        Self {
            admitted: Some(admitted),
            ..Self::new(connection, Some(listener), place)
        }
    }

    fn new(connection: Arc<Connection>, listener: Option<u64>, place: Place) -> Self {
        Self {
            connection,
            state: State::Waiting,
            listener,
            generation: 0,
            failures: 0,
            addresses: Vec::new(),
            source: None,
            closing: false,
            admitted: None,
            _place: place,
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn listener(&self) -> Option<u64> {
        self.listener
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.generation += 1;
    }

    /// Begins an attempt to connect.
    pub(crate) fn connect(&mut self) -> Action {
        let has_source =
            matches!(&self.connection.endpoint, Endpoint::Tcp(tcp) if tcp.source().is_some());
        match ResolvedAddress::from_literal(&self.connection.endpoint) {
            Some(address) if !has_source => Action::Open(address),
            _ => Action::Resolve,
        }
    }

    /// Looks the endpoint's name up: here if nobody has to be asked, otherwise elsewhere, since nothing
    /// else of this I/O thread should wait for that.
    pub(crate) fn resolve(
        &mut self,
        resolver: &Resolver,
        commands: &zpipe::Sender<Command>,
        registry: &Registry,
    ) -> Action {
        self.enter(State::Resolving);
        let (key, commands) = (self.connection.id, commands.clone());
        let Endpoint::Tcp(endpoint) = self.connection.endpoint.clone() else {
            return Action::None;
        };
        let asks_elsewhere = endpoint.needs_dns();
        let ipv6 = self.connection.options.tuning.ipv6;
        let question = Question { endpoint, ipv6 };
        if !asks_elsewhere {
            return self.on_resolved(question.look_up(), registry);
        }
        resolver.ask(key, question, move |found| {
            // An I/O thread that is gone wants no answer.
            let _ = commands.post(Command::Resolved { key, found });
        });
        Action::None
    }

    pub(crate) fn on_resolved(
        &mut self,
        found: io::Result<Resolved>,
        registry: &Registry,
    ) -> Action {
        if !matches!(self.state, State::Resolving) {
            return Action::None;
        }
        match found {
            Ok(Resolved { addresses, source }) => {
                self.source = source;
                self.addresses = addresses
                    .into_iter()
                    .rev()
                    .map(ResolvedAddress::Tcp)
                    .collect();
                match self.addresses.pop() {
                    Some(first) => self.open(&first, registry),
                    None => self.refused(&ConnectError::Refused, None),
                }
            }
            Err(error) => self.refused(&ConnectError::Io(error), None),
        }
    }

    /// Opens a stream to an address.
    pub(crate) fn open(&mut self, address: &ResolvedAddress, registry: &Registry) -> Action {
        let options = &self.connection.options;
        match net::connect_start(address, self.source, &options.tuning) {
            Ok((stream, ConnectState::Done)) => self.connected(stream, Some(registry)),
            Ok((stream, ConnectState::InProgress)) => {
                if let Err(error) = registry.add(stream.as_fd(), self.connection.id, Interest::BOTH)
                {
                    return self.refused(&ConnectError::Io(error), Some(stream.as_raw_fd()));
                }
                let timeout = options.connect_timeout;
                let endpoint = self.connection.endpoint.clone();
                self.connection
                    .handle
                    .emit(|| Event::ConnectDelayed { endpoint });
                self.enter(State::Connecting(stream));
                timeout.map_or(Action::None, |t| Action::Timer(t, Purpose::ConnectTimeout))
            }
            Err(error) => self.refused(&error, Some(-1)),
        }
    }

    fn connected(&mut self, stream: Stream, registry: Option<&Registry>) -> Action {
        self.connection.handle.emit(|| Event::Connected {
            endpoint: self.connection.endpoint.clone(),
            peer: stream.peer(),
            connection: stream.info(self.connection.id, true),
        });
        match registry {
            Some(registry) => self.run(stream, registry),
            None => self.start(stream),
        }
    }

    /// Hands a stream to the engine.
    pub(crate) fn run(&mut self, stream: Stream, registry: &Registry) -> Action {
        if let Err(error) = registry.add(stream.as_fd(), self.connection.id, Interest::BOTH) {
            return self.refused(&ConnectError::Io(error), Some(stream.as_raw_fd()));
        }
        self.start(stream)
    }

    fn start(&mut self, stream: Stream) -> Action {
        self.enter(State::Running);
        let more_addresses = !self.addresses.is_empty();
        self.connection.attach(Incoming {
            stream,
            more_addresses,
        });
        let interval = self.connection.options.handshake_interval;
        interval.map_or(Action::None, |t| {
            Action::Timer(t, Purpose::HandshakeTimeout)
        })
    }

    /// An attempt failed: the next address, or a pause. See [`Event::ConnectFailed`] for the descriptor.
    fn refused(&mut self, error: &ConnectError, descriptor: Option<RawFd>) -> Action {
        if !self.connection.outgoing {
            return Action::Remove;
        }
        self.enter(State::Waiting);
        self.connection
            .handle
            .connect_failed(&self.connection.endpoint, error, descriptor);
        match self.addresses.pop() {
            Some(next) => Action::Open(next),
            None => self.wait(),
        }
    }

    /// Waits before the next attempt, or gives up if there is to be none.
    fn wait(&mut self) -> Action {
        self.enter(State::Waiting);
        if self.closing {
            // Ends it if there is nothing to send.
            self.connection.drive(Events::CLOSE);
        }
        let Some(delay) = self.connection.options.reconnect_delay(self.failures) else {
            return self.destroy();
        };
        self.failures = self.failures.saturating_add(1);
        let endpoint = self.connection.endpoint.clone();
        self.connection
            .handle
            .emit(|| Event::ConnectRetried { endpoint, delay });
        Action::Timer(delay, Purpose::Reconnect)
    }

    fn destroy(&self) -> Action {
        // If an application thread is driving the engine it does this, and reports `Finished`.
        self.connection.drive(Events::DESTROY);
        Action::None
    }

    pub(crate) fn on_ready(&mut self, ready: Ready) -> Action {
        match &self.state {
            State::Running => {
                let mut pending = Events::empty();
                if ready.readable {
                    pending |= Events::READ;
                }
                if ready.writable {
                    pending |= Events::WRITE;
                }
                if ready.hung_up {
                    pending |= Events::HANGUP;
                }
                self.connection.drive(pending);
                Action::None
            }
            State::Connecting(stream) => {
                if !ready.writable {
                    return Action::None;
                }
                let result = net::connect_finish(stream);
                if let Ok(ConnectState::InProgress) = result {
                    return Action::None;
                }
                let State::Connecting(stream) = std::mem::replace(&mut self.state, State::Waiting)
                else {
                    return Action::None;
                };
                match result {
                    Ok(_) => {
                        let action = self.connected(stream, None);
                        if ready.hung_up {
                            self.connection.drive(Events::READ | Events::HANGUP);
                        }
                        action
                    }
                    Err(error) => {
                        let descriptor = stream.as_raw_fd();
                        drop(stream);
                        self.refused(&error, Some(descriptor))
                    }
                }
            }
            State::Waiting | State::Resolving => Action::None,
        }
    }

    pub(crate) fn on_outcome(&mut self, outcome: Outcome) -> Action {
        match outcome {
            Outcome::Established => {
                self.failures = 0;
                self.addresses.clear();
                self.admitted.iter_mut().for_each(Admitted::shook_hands);
                self.generation += 1; // The handshake timer is of no interest any more.
                Action::None
            }
            Outcome::Failed { established, .. } if self.connection.outgoing => {
                if established {
                    self.failures = 0;
                }
                match self.addresses.pop() {
                    // Something else answered at this one.
                    Some(next) => Action::Open(next),
                    None => self.wait(),
                }
            }
            Outcome::Failed { .. } | Outcome::Finished => Action::Remove,
            Outcome::Flushed => Action::Timer(GRACE, Purpose::Linger),
            Outcome::Tick(after) => Action::Timer(after, Purpose::Tick),
            Outcome::Timer(after, due) => Action::Timer(after, due.into()),
        }
    }

    pub(crate) fn on_timer(&mut self, timer: Timer) -> Action {
        let current = timer.generation == self.generation;
        match timer.purpose {
            Purpose::Reconnect if current => self.connect(),
            Purpose::ConnectTimeout if current => {
                let descriptor = match &self.state {
                    State::Connecting(stream) => Some(stream.as_raw_fd()),
                    _ => None,
                };
                self.refused(&ConnectError::TimedOut, descriptor)
            }
            Purpose::HandshakeTimeout if current => {
                self.connection.drive(Events::HANDSHAKE_TIMEOUT);
                Action::None
            }
            // Whatever state it is in.
            Purpose::Linger => self.destroy(),
            Purpose::Tick => {
                self.connection.drive(Events::TICK);
                Action::None
            }
            Purpose::Acknowledged => {
                self.connection.drive(Events::ACKNOWLEDGED);
                Action::None
            }
            Purpose::Arrival => {
                self.connection.drive(Events::ARRIVAL);
                Action::None
            }
            Purpose::Heartbeat => {
                self.connection.drive(Events::HEARTBEAT);
                Action::None
            }
            _ => Action::None,
        }
    }

    /// The socket let go: send what is queued within the given time, then close.
    pub(crate) fn close(&mut self, linger: Option<Duration>) -> Action {
        self.closing = true;
        match linger {
            Some(Duration::ZERO) => self.destroy(),
            _ => {
                self.connection.drive(Events::CLOSE);
                linger.map_or(Action::None, |time| Action::Timer(time, Purpose::Linger))
            }
        }
    }
}

#[cfg(test)]
mod tests;
