//! The life of one connection as the I/O thread sees it: connect, run, wait, connect again.
//!
//! ```text
//!            ┌─────────── wait ◀──────────────────────────┐
//!            ▼                                            │ failed
//!  resolve ──▶ connecting ──▶ running (the engine's turn) ─┴──▶ removed
//!                                ▲
//!   accepted ────────────────────┘
//! ```

mod attempts;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use self::attempts::{Negotiation, Round};
use super::{
    command::{Command, Place},
    resolver::{Question, Resolved, Resolver},
    timers::{Purpose, Timer},
};
use crate::{
    admission::Admitted,
    connection::Connection,
    endpoint::Endpoint,
    event::{Event, errno},
    net::{ConnectError, ResolvedAddress, Stream},
    poll::{Interest, Ready, Registry},
    race::interleave,
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
    /// The addresses of the endpoint. All are tried, until there is a peer that a handshake succeeds with, before the session
    /// waits. Nothing for one that is established, or was accepted.
    round: Option<Box<Round>>,
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
    /// Attempts are under way: those of the round, never none.
    Connecting,
    /// Connected to a proxy.
    Negotiating(Box<Negotiation>),
    Running,
}

/// What a session wants its thread to do.
pub(crate) enum Action {
    None,
    /// Call [`Session::on_timer`] after this time.
    Timer(Duration, Purpose),
    /// Forget the timer that was set for this.
    Unset(Purpose),
    /// The same for two of them.
    Timers([Option<(Duration, Purpose)>; 2]),
    /// Call [`Session::attempt`].
    Attempt,
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
            round: None,
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
        if matches!(self.connection.endpoint, Endpoint::Multicast(_)) {
            // There is nobody to connect to, and the engine has its sockets.
            self.enter(State::Running);
            self.connection
                .drive(Events::ATTACH | Events::READ | Events::WRITE);
            return Action::None;
        }
        let target = self.target();
        let has_source = matches!(&target, Endpoint::Tcp(tcp) if tcp.source().is_some());
        match ResolvedAddress::from_literal(&target) {
            Some(address) if !has_source => {
                self.round = Some(Box::new(Round::new(vec![address])));
                Action::Attempt
            }
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
        let Endpoint::Tcp(endpoint) = self.target() else {
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
                let addresses = interleave(addresses).into_iter();
                let addresses = addresses.map(ResolvedAddress::Tcp).collect();
                self.round = Some(Box::new(Round::new(addresses)));
                self.attempt(registry)
            }
            Err(error) => {
                self.round = None;
                self.look_up_failed(&ConnectError::Io(error))
            }
        }
    }

    /// Hands a stream that was accepted to the engine.
    pub(crate) fn run(&mut self, stream: Stream, registry: &Registry) -> Action {
        if let Err(error) = registry.add(&stream, self.connection.id, Interest::BOTH) {
            let handle = &self.connection.handle;
            handle.counters().accept_failed.add(1);
            handle.emit(|| Event::AcceptFailed {
                endpoint: self.connection.endpoint.clone(),
                reason: error.to_string(),
                errno: errno::of(&error),
            });
            return Action::Remove;
        }
        self.start(stream)
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
            State::Connecting if ready.writable => self.look_at_attempts(ready),
            State::Connecting => Action::None,
            State::Negotiating(_) => self.negotiate(),
            State::Waiting | State::Resolving => Action::None,
        }
    }

    pub(crate) fn on_outcome(&mut self, outcome: Outcome) -> Action {
        match outcome {
            Outcome::Established => {
                self.failures = 0;
                self.round = None;
                self.admitted.iter_mut().for_each(Admitted::shook_hands);
                self.generation += 1; // The handshake timer is of no interest any more.
                Action::Unset(Purpose::HandshakeTimeout)
            }
            Outcome::Failed { established, .. } if self.connection.outgoing => {
                if established {
                    self.failures = 0;
                } else {
                    self.round.get_or_insert_default().handshake_failed();
                }
                self.enter(State::Waiting);
                // Something else answered at this address; or nothing is left of the round.
                Action::Attempt
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
            Purpose::ConnectTimeout if current => self.connect_timed_out(),
            Purpose::NextAddress if current => Action::Attempt,
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
