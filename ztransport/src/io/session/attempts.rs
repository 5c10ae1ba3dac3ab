//! Connecting: the addresses of an endpoint in their turn, and the proxy in between if there is one.

use std::time::{Duration, Instant};

use super::{Action, Session, State};
use crate::{
    endpoint::Endpoint,
    event::{Event, StopReason},
    io::timers::{self, Purpose},
    net::{self, ConnectError, ConnectState, ResolvedAddress, Stream},
    parts::Incoming,
    poll::{Interest, Ready, Registry},
    race::{Race, STAGGER},
    signals::Events,
    socks::{self, SocksError},
    sys::{self, NO_DESCRIPTOR, RawDescriptor},
};

/// One round over the addresses of an endpoint, until there is a peer that a handshake succeeds with, or none is left.
#[derive(Default)]
pub(super) struct Round {
    race: Race<ResolvedAddress>,
    /// Attempts under way, by their numbers in the race.
    streams: Vec<(u32, Stream)>,
    /// When the attempts that are under way have had their time.
    deadline: Option<Instant>,
    /// An attempt failed because nobody listens there.
    refused: bool,
    /// An attempt failed for another reason.
    failed_otherwise: bool,
    /// An address led to something, and no handshake succeeded with it.
    handshake_failed: bool,
}

impl Round {
    pub(super) fn new(addresses: Vec<ResolvedAddress>) -> Self {
        Self {
            race: Race::new(addresses),
            ..Self::default()
        }
    }

    /// An attempt has succeeded. The others that are under way are given up.
    fn won(&mut self, number: u32) {
        self.race.won(number);
        self.streams.clear();
    }

    /// Whether another address is tried if the one in use turns out to be of no use.
    pub(super) fn has_more(&self) -> bool {
        self.race.has_more()
    }

    pub(super) fn handshake_failed(&mut self) {
        self.handshake_failed = true;
    }

    /// Whether nobody listens at any of the addresses.
    fn was_refused(&self) -> bool {
        self.refused && !self.failed_otherwise && !self.handshake_failed
    }
}

/// What is said to a proxy, over its stream.
pub(super) struct Negotiation {
    stream: Stream,
    client: socks::Client,
    output: Vec<u8>,
    written: usize,
}

impl Negotiation {
    /// Goes on as far as it can, and says whether the peer is connected.
    fn go_on(&mut self) -> Result<bool, SocksError> {
        let broken = |error: std::io::Error| SocksError::Io(error.kind());
        let mut input = [0; 257];
        loop {
            if self.written == self.output.len() {
                self.output = self.client.take_output();
                self.written = 0;
            }
            if self.written < self.output.len() {
                match self.stream.write(&self.output[self.written..]) {
                    Ok(written) => self.written += written,
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                        return Ok(false);
                    }
                    Err(error) => return Err(broken(error)),
                }
                continue;
            }
            if self.client.is_done() {
                return Ok(true);
            }
            // No more than the proxy's answer: what is behind it is the engine's.
            let wanted = self.client.wanted().min(input.len());
            match self.stream.read(&mut input[..wanted]) {
                Ok(0) => return Err(SocksError::Closed),
                Ok(read) => self.client.receive(&input[..read])?,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(broken(error)),
            }
        }
    }
}

impl Session {
    /// The endpoint that this end connects to: a proxy, if there is one.
    pub(super) fn target(&self) -> Endpoint {
        match (&self.connection.endpoint, &self.connection.options.proxy) {
            (Endpoint::Tcp(endpoint), Some(proxy)) => {
                Endpoint::Tcp(proxy.address().with_source_of(endpoint))
            }
            (endpoint, _) => endpoint.clone(),
        }
    }

    /// The negotiation with the proxy, if there is one.
    fn socks_client(&self) -> Option<socks::Client> {
        let Endpoint::Tcp(endpoint) = &self.connection.endpoint else {
            return None;
        };
        socks::Client::new(self.connection.options.proxy.as_ref()?, endpoint)
    }

    /// Begins the next attempt of the round. When there is none left and none under way, the round is over.
    pub(crate) fn attempt(&mut self, registry: &Registry) -> Action {
        loop {
            let round = self.round.get_or_insert_default();
            let Some((number, address)) = round.race.begin() else {
                return match &self.state {
                    State::Connecting => Action::None,
                    _ => self.next_round(),
                };
            };
            let tuning = &self.connection.options.tuning;
            match net::connect_start(address, self.source, tuning) {
                Ok((stream, ConnectState::Done)) => {
                    round.won(number);
                    return self.connected(stream, Some(registry));
                }
                Ok((stream, ConnectState::InProgress)) => {
                    match registry.add(&stream, self.connection.id, Interest::BOTH) {
                        Ok(()) => return self.wait_for(number, stream),
                        Err(error) => {
                            let descriptor = Some(sys::raw(&stream));
                            self.attempt_failed(number, &ConnectError::Io(error), descriptor);
                        }
                    }
                }
                Err(error) => self.attempt_failed(number, &error, Some(NO_DESCRIPTOR)),
            }
        }
    }

    /// An attempt is under way, maybe beside others.
    fn wait_for(&mut self, number: u32, stream: Stream) -> Action {
        let round = self.round.get_or_insert_default();
        round.streams.push((number, stream));
        let timeout = self.connection.options.connect_timeout;
        // With little time for all of them, each has its turn within that.
        let turns = u32::try_from(round.race.len()).map_or(u32::MAX, |len| len.saturating_add(1));
        let stagger = timeout.map_or(STAGGER, |timeout| STAGGER.min(timeout / turns));
        let next = round.has_more().then_some((stagger, Purpose::NextAddress));
        if matches!(self.state, State::Connecting) {
            return Action::Timers([None, next]);
        }
        let endpoint = self.connection.endpoint.clone();
        self.connection
            .handle
            .emit(|| Event::ConnectDelayed { endpoint });
        let now = timers::now();
        if round.deadline.is_none() {
            round.deadline = timeout.and_then(|timeout| now.checked_add(timeout));
        }
        let left = round.deadline.map(|at| at.saturating_duration_since(now));
        self.enter(State::Connecting);
        let limit = left.map(|left| (left, Purpose::ConnectTimeout));
        Action::Timers([limit, next])
    }

    fn attempt_failed(
        &mut self,
        number: u32,
        error: &ConnectError,
        descriptor: Option<RawDescriptor>,
    ) {
        self.round.get_or_insert_default().race.failed(number);
        self.note_failure(error, descriptor);
    }

    /// See [`Event::ConnectFailed`] for the descriptor.
    fn note_failure(&mut self, error: &ConnectError, descriptor: Option<RawDescriptor>) {
        let round = self.round.get_or_insert_default();
        round.refused |= error.is_refused();
        round.failed_otherwise |= !error.is_refused();
        let endpoint = &self.connection.endpoint;
        self.connection
            .handle
            .connect_failed(endpoint, error, descriptor);
    }

    /// Something happened to one of the streams that are being connected.
    pub(super) fn look_at_attempts(&mut self, ready: Ready) -> Action {
        let Some(round) = &mut self.round else {
            return Action::None;
        };
        let streams = &mut round.streams;
        let (mut failures, mut winner) = (Vec::new(), None);
        let mut index = 0;
        while index < streams.len() && winner.is_none() {
            match net::connect_finish(&streams[index].1) {
                Ok(ConnectState::InProgress) => index += 1,
                Ok(ConnectState::Done) => winner = Some(streams.remove(index)),
                Err(error) => {
                    let (number, stream) = streams.remove(index);
                    failures.push((number, error, sys::raw(&stream)));
                }
            }
        }
        if streams.is_empty() && winner.is_none() {
            self.enter(State::Waiting);
        }
        for (number, error, descriptor) in &failures {
            self.attempt_failed(*number, error, Some(*descriptor));
        }
        let Some((number, stream)) = winner else {
            return if failures.is_empty() {
                Action::None
            } else {
                Action::Attempt
            };
        };
        self.round.get_or_insert_default().won(number);
        let action = self.connected(stream, None);
        if ready.hung_up && matches!(self.state, State::Running) {
            // Unless that was about another one.
            let hangup = if failures.is_empty() {
                Events::HANGUP
            } else {
                Events::empty()
            };
            self.connection.drive(Events::READ | hangup);
        }
        action
    }

    /// A stream is connected, to the peer or to a proxy. Without a registry it is registered already.
    fn connected(&mut self, stream: Stream, registry: Option<&Registry>) -> Action {
        if let Some(registry) = registry
            && let Err(error) = registry.add(&stream, self.connection.id, Interest::BOTH)
        {
            self.note_failure(&ConnectError::Io(error), Some(sys::raw(&stream)));
            self.enter(State::Waiting);
            return Action::Attempt;
        }
        let Some(client) = self.socks_client() else {
            return self.reached(stream);
        };
        let negotiation = Negotiation {
            stream,
            client,
            output: Vec::new(),
            written: 0,
        };
        self.enter(State::Negotiating(Box::new(negotiation)));
        let deadline = self.round.as_ref().and_then(|round| round.deadline);
        let left = deadline.map(|at| at.saturating_duration_since(timers::now()));
        // A proxy that says nothing is not waited for longer than a peer is.
        let limit = left.or(self.connection.options.handshake_interval);
        let limit = limit.map(|limit| (limit, Purpose::ConnectTimeout));
        let action = self.negotiate();
        if matches!(self.state, State::Negotiating(_)) {
            return Action::Timers([limit, None]);
        }
        action
    }

    /// Goes on with what is said to the proxy.
    pub(super) fn negotiate(&mut self) -> Action {
        let State::Negotiating(negotiation) = &mut self.state else {
            return Action::None;
        };
        match negotiation.go_on() {
            Ok(false) => Action::None,
            Ok(true) => {
                let State::Negotiating(done) = std::mem::replace(&mut self.state, State::Waiting)
                else {
                    return Action::None;
                };
                let action = self.reached(done.stream);
                // The peer may have said something with the proxy's answer, which is not announced again.
                self.connection.drive(Events::READ);
                action
            }
            Err(error) => {
                let descriptor = Some(sys::raw(&negotiation.stream));
                self.enter(State::Waiting);
                self.note_failure(&ConnectError::Proxy(error), descriptor);
                Action::Attempt
            }
        }
    }

    /// There is a stream to the peer.
    fn reached(&mut self, stream: Stream) -> Action {
        self.connection.handle.emit(|| Event::Connected {
            endpoint: self.connection.endpoint.clone(),
            peer: stream.peer(),
            connection: stream.info(self.connection.id, true),
        });
        self.start(stream)
    }

    /// Hands a stream to the engine.
    pub(super) fn start(&mut self, stream: Stream) -> Action {
        self.enter(State::Running);
        let more_addresses = self.round.as_ref().is_some_and(|round| round.has_more());
        self.connection.attach(Incoming {
            stream,
            more_addresses,
        });
        let interval = self.connection.options.handshake_interval;
        interval.map_or(Action::None, |t| {
            Action::Timer(t, Purpose::HandshakeTimeout)
        })
    }

    /// The endpoint's name has no address for now.
    pub(super) fn look_up_failed(&mut self, error: &ConnectError) -> Action {
        self.note_failure(error, None);
        self.next_round()
    }

    /// All attempts had their time.
    pub(super) fn connect_timed_out(&mut self) -> Action {
        let descriptor = match &self.state {
            State::Connecting => self
                .round
                .as_ref()
                .and_then(|round| round.streams.last())
                .map(|(_, stream)| sys::raw(&stream)),
            State::Negotiating(negotiation) => Some(sys::raw(&negotiation.stream)),
            _ => None,
        };
        let is_silent_proxy = matches!(self.state, State::Negotiating(_));
        let has_time = self.connection.options.connect_timeout.is_none();
        let round = self.round.get_or_insert_default();
        round.streams.clear();
        if is_silent_proxy && has_time && round.has_more() {
            // What has said nothing was no proxy. There may be one at another address.
            self.enter(State::Waiting);
            self.note_failure(&ConnectError::TimedOut, descriptor);
            return Action::Attempt;
        }
        round.race = Race::default();
        self.enter(State::Waiting);
        self.note_failure(&ConnectError::TimedOut, descriptor);
        self.next_round()
    }

    /// No address is left: waits before the next round, or gives up if there is to be none.
    pub(super) fn next_round(&mut self) -> Action {
        if !self.connection.outgoing {
            return Action::Remove;
        }
        self.enter(State::Waiting);
        if self.closing {
            // Ends it if there is nothing to send.
            self.connection.drive(Events::CLOSE);
        }
        let delay = self.connection.options.reconnect_delay(self.failures);
        let reason = self.stop_reason().or(match delay {
            Some(_) => None,
            None => Some(StopReason::NoInterval),
        });
        self.round = None;
        match (delay, reason) {
            (Some(delay), None) => self.wait(delay),
            (_, reason) => self.give_up(reason.unwrap_or(StopReason::NoInterval)),
        }
    }

    /// Why there is to be no other round, if the options say so.
    fn stop_reason(&self) -> Option<StopReason> {
        let stop = self.connection.options.reconnect_stop;
        let round = self.round.as_ref()?;
        let refused = round.was_refused();
        let has_disconnected = || self.connection.handle.counters().disconnects.value() > 0;
        if round.handshake_failed && stop.handshake_failed {
            Some(StopReason::HandshakeFailed)
        } else if refused && stop.refused {
            Some(StopReason::Refused)
        } else if refused && stop.after_disconnect && has_disconnected() {
            Some(StopReason::AfterDisconnect)
        } else {
            None
        }
    }

    fn wait(&mut self, delay: Duration) -> Action {
        self.failures = self.failures.saturating_add(1);
        let endpoint = self.connection.endpoint.clone();
        self.connection
            .handle
            .emit(|| Event::ConnectRetried { endpoint, delay });
        Action::Timer(delay, Purpose::Reconnect)
    }

    fn give_up(&mut self, reason: StopReason) -> Action {
        if !self.closing {
            let endpoint = self.connection.endpoint.clone();
            self.connection.handle.counters().connect_stopped.add(1);
            self.connection
                .handle
                .emit(|| Event::ConnectStopped { endpoint, reason });
        }
        // What a socket has let go of is lost because its time to linger is over.
        let why = if self.closing {
            Events::empty()
        } else {
            Events::GIVE_UP
        };
        self.connection.drive(Events::DESTROY | why);
        Action::None
    }
}
