//! Two connections wired together, with latency and time that passes only when told to.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use zmtp::{
    Blame, Command, Connection, ConnectionConfig, Error, Event, HandshakeConfig, HeartbeatConfig,
    Limits, Message, Metadata, SocketType, zap,
};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// One end, and the bytes on their way to it.
struct End {
    connection: Connection,
    inbound: VecDeque<(Instant, Bytes)>,
    events: Vec<Event>,
    error: Option<Error>,
}

impl End {
    fn new(config: ConnectionConfig, now: Instant) -> Self {
        Self {
            connection: Connection::new(config, now),
            inbound: VecDeque::new(),
            events: Vec::new(),
            error: None,
        }
    }

    fn messages(&self) -> Vec<&Message> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Message(message) => Some(message),
                _ => None,
            })
            .collect()
    }

    /// Does all that is due at `now` and returns what it wants to send.
    fn drive(&mut self, now: Instant) -> Vec<Bytes> {
        while self.inbound.front().is_some_and(|(at, _)| *at <= now) && self.error.is_none() {
            let (_, bytes) = self.inbound.pop_front().unwrap();
            self.error = self.connection.handle_input(&bytes, now).err();
        }
        if self.error.is_none() && self.connection.poll_timeout().is_some_and(|at| at <= now) {
            self.error = self.connection.handle_timeout(now).err();
        }
        self.events
            .extend(std::iter::from_fn(|| self.connection.poll_event()));
        std::iter::from_fn(|| self.connection.poll_transmit()).collect()
    }

    fn next_wakeup(&self) -> Option<Instant> {
        if self.error.is_some() {
            return None;
        }
        let arrival = self.inbound.front().map(|(at, _)| *at);
        arrival
            .into_iter()
            .chain(self.connection.poll_timeout())
            .min()
    }
}

struct Pair {
    a: End,
    b: End,
    now: Instant,
    latency: Duration,
    /// Whether what `b` sends is lost, as if it had died without a word.
    b_is_mute: bool,
}

impl Pair {
    fn new(a: impl Into<ConnectionConfig>, b: impl Into<ConnectionConfig>) -> Self {
        let now = Instant::now();
        Self {
            a: End::new(a.into(), now),
            b: End::new(b.into(), now),
            now,
            latency: 10 * MS,
            b_is_mute: false,
        }
    }

    /// Lets this much time pass, jumping from one event to the next.
    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let arrival = self.now + self.latency;
            let sent = self.a.drive(self.now);
            self.b
                .inbound
                .extend(sent.into_iter().map(|bytes| (arrival, bytes)));
            let sent = self.b.drive(self.now);
            if !self.b_is_mute {
                self.a
                    .inbound
                    .extend(sent.into_iter().map(|bytes| (arrival, bytes)));
            }
            let wakeups = self.a.next_wakeup().into_iter().chain(self.b.next_wakeup());
            match wakeups.min() {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => break,
            }
        }
        self.now = end;
    }
}

fn config(socket_type: SocketType) -> HandshakeConfig {
    HandshakeConfig::new(socket_type)
}

fn dealers(a: HeartbeatConfig, b: HeartbeatConfig) -> Pair {
    let with =
        |heartbeat| ConnectionConfig::new(config(SocketType::Dealer)).with_heartbeat(heartbeat);
    Pair::new(with(a), with(b))
}

// spec: WIRE-0/wait-for-ready: nothing is sent before the peer's READY
#[test]
fn messages_sent_before_the_handshake_arrive_in_order_after_it() {
    let mut pair = Pair::new(config(SocketType::Push), config(SocketType::Pull));
    let big = vec![9; 100_000];
    pair.a.connection.send("first").unwrap();
    pair.a.connection.send(["second", "", "third"]).unwrap();
    pair.a.connection.send(big.clone()).unwrap();
    pair.run(SECOND);
    pair.a.connection.send("late").unwrap();
    pair.run(SECOND);
    assert_eq!(
        pair.a.connection.peer().unwrap().socket_type,
        Some(SocketType::Pull)
    );
    assert!(matches!(pair.b.events[0], Event::Connected(_)));
    let expected = [
        "first".into(),
        ["second", "", "third"].into(),
        big.into(),
        "late".into(),
    ];
    assert_eq!(
        pair.b.messages(),
        expected.iter().collect::<Vec<&Message>>()
    );
    assert_eq!(pair.a.messages(), Vec::<&Message>::new());
}

// spec: RFC37/socket-type-check: both ends refuse a peer of an incompatible type
#[test]
fn both_ends_refuse_an_incompatible_peer() {
    let mut pair = Pair::new(config(SocketType::Req), config(SocketType::Dealer));
    pair.a.connection.send("lost?").unwrap();
    pair.run(SECOND);
    let refused = |ours, peer| Some(Error::IncompatibleSocketType { ours, peer });
    assert_eq!(pair.a.error, refused(SocketType::Req, SocketType::Dealer));
    assert_eq!(pair.b.error, refused(SocketType::Dealer, SocketType::Req));
    assert_eq!(
        pair.a.error.as_ref().map(Error::blame),
        Some(Blame::Incompatible)
    );
    assert_eq!(pair.a.connection.take_unsent(), [Message::from("lost?")]);
    let rejected = pair.a.connection.send("more").unwrap_err();
    assert_eq!(
        (rejected.error, *rejected.message),
        (Error::Closed, Message::from("more"))
    );
    assert_eq!(
        pair.a.connection.handle_input(b"x", pair.now).map(drop),
        Err(Error::Closed)
    );
    assert_eq!(pair.a.connection.poll_timeout(), None);
}

/// A DEALER, and a ROUTER that asks ZAP.
fn guarded() -> Pair {
    let router = config(SocketType::Router)
        .with_zap(zap::Policy::new("lan"))
        .with_peer_address("10.0.0.7");
    let mut pair = Pair::new(config(SocketType::Dealer), router);
    pair.a.connection.send("early").unwrap();
    pair.run(SECOND);
    pair
}

fn asked(end: &mut End) -> zap::Request {
    let [Event::Authenticate(request)] = &end.events[..] else {
        panic!("{:?}", end.events)
    };
    let request = (**request).clone();
    end.events.clear();
    request
}

// spec: RFC27/status-200: the handshake goes on, and the handler's word is kept apart from the peer's
#[test]
fn a_peer_that_zap_accepts_comes_in() {
    let mut pair = guarded();
    let request = asked(&mut pair.b);
    assert_eq!(&request.address[..], b"10.0.0.7");
    pair.run(10 * SECOND);
    assert_eq!(pair.a.events, []);
    let mut trusted = Metadata::new();
    trusted.push("Role", "boss").unwrap();
    let reply = zap::Reply::success(&request, "alice").with_metadata(trusted.clone());
    let answer = zap::Answer::Reply(reply);
    let now = pair.now;
    pair.b.connection.handle_zap(answer.clone(), now).unwrap();
    pair.run(SECOND);
    let [Event::Connected(peer), Event::Message(message)] = &pair.b.events[..] else {
        panic!("{:?}", pair.b.events)
    };
    assert_eq!(
        (&peer.user_id[..], &peer.trusted),
        (&b"alice"[..], &trusted)
    );
    assert_eq!(*message, Message::from("early"));
    let again = pair.b.connection.handle_zap(answer, pair.now);
    assert_eq!(again, Err(Error::UnexpectedZapAnswer));
    pair.a.connection.send("late").unwrap();
    pair.run(SECOND);
    assert_eq!(pair.b.messages().len(), 2);
}

// spec: RFC27/refusal-is-told: 300 closes silently, 400 and 500 are told to the peer before the end
#[test]
fn a_peer_that_zap_refuses_is_told_before_the_end() {
    use zap::Status::{AuthenticationFailure, InternalError, TemporaryError};
    for (status, told) in [
        (TemporaryError, None),
        (AuthenticationFailure, Some("400")),
        (InternalError, Some("500")),
    ] {
        let mut pair = guarded();
        let request = asked(&mut pair.b);
        let answer = zap::Answer::Reply(zap::Reply::decision(&request, status, ""));
        let error = Error::AuthenticationFailed { status };
        let refused = pair.b.connection.handle_zap(answer.clone(), pair.now);
        assert_eq!(refused, Err(error.clone()));
        assert_eq!(pair.b.connection.error(), Some(&error));
        assert_eq!(pair.b.connection.poll_timeout(), None);
        pair.b.error = Some(error);
        pair.run(SECOND);
        let reason = told.map(|reason| Error::Refused {
            reason: reason.into(),
        });
        assert_eq!(pair.a.error, reason);
        assert_eq!(pair.a.connection.take_unsent(), [Message::from("early")]);
        let late = pair.b.connection.handle_zap(answer, pair.now);
        assert_eq!(late, Err(Error::Closed));
    }
}

#[test]
fn zap_may_not_take_longer_than_the_handshake() {
    let mut pair = guarded();
    asked(&mut pair.b);
    pair.run(30 * SECOND);
    assert_eq!(pair.b.error, Some(Error::HandshakeTimeout));
    assert_eq!(pair.a.error, Some(Error::HandshakeTimeout));
}

#[test]
fn an_answer_that_nobody_asked_for_does_no_harm() {
    let mut pair = Pair::new(config(SocketType::Pair), config(SocketType::Pair));
    let now = pair.now;
    let answer = || zap::Answer::NoHandler;
    let unexpected = Err(Error::UnexpectedZapAnswer);
    assert_eq!(pair.a.connection.handle_zap(answer(), now), unexpected);
    pair.run(SECOND);
    assert_eq!(pair.a.connection.handle_zap(answer(), now), unexpected);
    pair.a.connection.send("fine").unwrap();
    pair.run(SECOND);
    assert_eq!(pair.b.messages(), [&Message::from("fine")]);
}

// spec: WIRE-1.2/handshake-timer: greeting and mechanism have 30 seconds
#[test]
fn a_silent_peer_ends_the_handshake_after_its_timeout() {
    let mut pair = Pair::new(config(SocketType::Pair), config(SocketType::Pair));
    pair.b_is_mute = true;
    pair.run(29 * SECOND);
    assert_eq!(pair.a.error, None);
    pair.run(2 * SECOND);
    assert_eq!(pair.a.error, Some(Error::HandshakeTimeout));
    // The other end has heard our signature but no READY, because we wait for its own.
    assert_eq!(pair.b.error, Some(Error::HandshakeTimeout));
}

#[test]
fn the_handshake_timeout_can_be_switched_off() {
    let patient = ConnectionConfig::new(config(SocketType::Pair)).with_handshake_timeout(None);
    assert_eq!(
        Connection::new(patient, Instant::now()).poll_timeout(),
        None
    );
}

// spec: RFC37/heartbeat-idle: PING and PONG keep an idle connection alive
#[test]
fn heartbeats_keep_an_idle_connection_alive() {
    let heartbeat = HeartbeatConfig::every(SECOND)
        .with_timeout(SECOND / 2)
        .with_ttl(2 * SECOND);
    let mut pair = dealers(heartbeat, HeartbeatConfig::off());
    pair.run(100 * SECOND);
    assert_eq!((&pair.a.error, &pair.b.error), (&None, &None));
    let pings = pair
        .b
        .events
        .iter()
        .filter(|event| matches!(event, Event::Ping { ttl: 20, .. }));
    let pings = pings.count();
    assert!((98..=100).contains(&pings), "{pings}");
    let pongs = pair
        .a
        .events
        .iter()
        .filter(|event| matches!(event, Event::Pong { .. }))
        .count();
    assert!(pongs.abs_diff(pings) <= 1, "{pongs} and {pings}");
}

#[test]
fn a_peer_that_dies_without_a_word_is_noticed() {
    let heartbeat = HeartbeatConfig::every(SECOND).with_timeout(SECOND / 2);
    let mut pair = dealers(heartbeat, HeartbeatConfig::off());
    pair.run(10 * SECOND);
    assert_eq!(pair.a.error, None);
    pair.b_is_mute = true;
    pair.run(2 * SECOND);
    assert_eq!(pair.a.error, Some(Error::HeartbeatTimeout));
    assert_eq!(
        pair.a.error.as_ref().map(Error::blame),
        Some(Blame::Timeout)
    );
}

#[test]
fn a_peer_that_outlives_its_own_ttl_is_given_up() {
    let heartbeat = HeartbeatConfig::every(SECOND).with_ttl(3 * SECOND);
    let mut pair = dealers(HeartbeatConfig::off(), heartbeat);
    pair.run(10 * SECOND + SECOND / 2);
    pair.b_is_mute = true;
    pair.run(2 * SECOND);
    assert_eq!(pair.a.error, None);
    pair.run(2 * SECOND);
    assert_eq!(pair.a.error, Some(Error::PeerTtlExpired));
}

// spec: RFC37/subscriptions: between peers of 3.1 subscriptions are commands
#[test]
fn subscriptions_travel_as_commands_between_equals() {
    let mut pair = Pair::new(config(SocketType::Sub), config(SocketType::Pub));
    pair.a.connection.subscribe("early").unwrap();
    pair.run(SECOND);
    pair.a.connection.cancel("early").unwrap();
    pair.run(SECOND);
    let [_, Event::Command(first), Event::Command(second)] = &pair.b.events[..] else {
        panic!("{:?}", pair.b.events)
    };
    assert_eq!(
        Command::decode(first),
        Ok(Command::Subscribe { topic: b"early" })
    );
    assert_eq!(
        Command::decode(second),
        Ok(Command::Cancel { topic: b"early" })
    );
}

#[test]
fn unknown_and_nameless_commands_are_shown_and_survived() {
    let mut pair = Pair::new(config(SocketType::Pair), config(SocketType::Pair));
    pair.run(SECOND);
    let strange = b"\x04\x05\x03FOOx\x04\x00\x04\x03\x09SU\x04\x06\x05READY\x04\x06\x05ERROR";
    pair.b.connection.handle_input(strange, pair.now).unwrap();
    pair.a.connection.send("still here").unwrap();
    pair.run(SECOND);
    assert_eq!(pair.b.error, None);
    let commands = pair
        .b
        .events
        .iter()
        .filter(|event| matches!(event, Event::Command(_)));
    assert_eq!(commands.count(), 5);
    assert_eq!(pair.b.messages(), [&Message::from("still here")]);
}

#[test]
fn a_malformed_ping_is_fatal_and_what_came_before_is_not_lost() {
    let mut pair = Pair::new(config(SocketType::Pair), config(SocketType::Pair));
    pair.run(SECOND);
    let error = pair
        .b
        .connection
        .handle_input(b"\x00\x01m\x04\x05\x04PING", pair.now);
    assert!(
        matches!(error, Err(Error::MalformedCommand { .. })),
        "{error:?}"
    );
    assert_eq!(
        pair.b.connection.poll_event(),
        Some(Event::Message("m".into()))
    );
    assert_eq!(pair.b.connection.poll_event(), None);
}

// spec: WIRE-0/pong-flood: a peer that sends PINGs and reads nothing does not make memory grow
#[test]
fn pings_without_end_do_not_pile_up_pongs() {
    let mut pair = Pair::new(config(SocketType::Pair), config(SocketType::Pair));
    pair.run(SECOND);
    let mut ping = Vec::new();
    Command::Ping {
        ttl: 0,
        context: b"0123456789abcdef",
    }
    .encode(&mut ping);
    for _ in 0..10 {
        pair.b
            .connection
            .handle_input(&ping.repeat(1000), pair.now)
            .unwrap();
        while pair.b.connection.poll_event().is_some() {}
    }
    let queued: usize = std::iter::from_fn(|| pair.b.connection.poll_transmit())
        .map(|bytes| bytes.len())
        .sum();
    assert_eq!(queued, 1024 * (2 + 5 + 16));
    pair.b.connection.handle_input(&ping, pair.now).unwrap();
    assert_eq!(pair.b.connection.poll_transmit().unwrap().len(), 23);
}

// spec: WIRE-2.3/max-frame-size: a frame beyond the limit ends the connection when its header is read
#[test]
fn a_frame_beyond_the_limit_ends_the_connection_at_its_header() {
    let limits = Limits::default().with_max_frame_size(Some(1000));
    let mut pair = Pair::new(
        config(SocketType::Push),
        config(SocketType::Pull).with_limits(limits),
    );
    pair.a.connection.send(vec![1; 1000]).unwrap();
    pair.a.connection.send(vec![2; 1001]).unwrap();
    pair.run(SECOND);
    assert_eq!(
        pair.b.error,
        Some(Error::FrameTooLarge {
            size: 1001,
            limit: 1000
        })
    );
    assert_eq!(pair.b.messages(), [&Message::from(vec![1; 1000])]);
}

/// The smallest messages make events fifty times their size, so not all of them at once.
#[test]
fn small_messages_do_not_fill_the_memory() {
    const LEN: usize = 64 * 1024;
    let now = Instant::now();
    let mut pair = Pair::new(config(SocketType::Pair), config(SocketType::Pair));
    pair.run(SECOND);
    let wire = [0; LEN];
    let mut rest = &wire[..];
    let mut messages = 0;
    let connection = &mut pair.b.connection;
    let memory = allocation_counter::measure(|| {
        while !rest.is_empty() {
            assert!(connection.wants_input());
            let used = connection.handle_input(rest, now).unwrap();
            rest = &rest[used..];
            assert_eq!(connection.wants_input(), used != 2 * 256);
            if !connection.wants_input() {
                assert_eq!(connection.handle_input(rest, now), Ok(0));
            }
            while let Some(event) = connection.poll_event() {
                assert_eq!(event, Event::Message("".into()));
                messages += 1;
            }
        }
    });
    assert_eq!(messages, LEN / 2);
    assert!(memory.bytes_max <= LEN as u64, "{memory:?}");
}

/// All ways to take what is to be written give the same bytes.
#[test]
fn output_can_be_written_from_its_place() {
    let connection = || {
        let mut pair = Pair::new(config(SocketType::Pair), config(SocketType::Pair));
        pair.run(SECOND);
        let mut connection = pair.a.connection;
        for size in [3, 10_000, 0, 8192, 8193, 70_000] {
            connection.send(vec![size as u8; size]).unwrap();
        }
        connection
    };
    let mut expected = Vec::new();
    let mut one = connection();
    while let Some(bytes) = one.poll_transmit() {
        expected.extend_from_slice(&bytes);
    }
    assert!(!one.wants_write() && one.unsent_bytes() == 0);
    for step in [7, 1000, 9000, usize::MAX] {
        let mut other = connection();
        assert_eq!(other.unsent_bytes(), expected.len());
        let mut written = Vec::new();
        while other.wants_write() {
            let mut slices = [&[][..]; 3];
            let filled = other.transmit_slices(&mut slices);
            assert!(filled > 0);
            let pieces = slices[..filled].iter();
            let bytes = pieces.flat_map(|piece| piece.iter().copied());
            let all: Vec<u8> = bytes.take(step).collect();
            let len = all.len();
            written.extend_from_slice(&all[..len]);
            other.advance_transmit(len);
        }
        assert_eq!(written, expected);
        let mut other = connection();
        let mut written = Vec::new();
        let mut buffer = vec![0; step.min(100_000)];
        loop {
            match other.transmit_into(&mut buffer) {
                0 => break,
                len => written.extend_from_slice(&buffer[..len]),
            }
        }
        assert_eq!(written, expected);
    }
}
