//! A connection and a peer that sends anything: no bytes in no pieces make it panic, and the pieces make no difference.

use std::time::{Duration, Instant};

use zmtp::zws::{self, Target};
use zmtp::{
    Connection, ConnectionConfig, Error, Event, HandshakeConfig, HeartbeatConfig, Limits,
    SocketType, Version,
};

use crate::endpoint::Endpoint;
use crate::security::{Security, answer};

/// What stands in front of the bytes of the peer.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The type of this end.
    pub socket_type: SocketType,
    /// How the input is cut into pieces.
    pub pattern: u8,
    /// Which limits are small; 0 for the defaults.
    pub limits: u8,
    /// What this end does besides: bit 0 sends messages, bit 1 subscriptions, bit 2 heartbeats. Bits 3 and 4 choose the
    /// oldest version that it accepts, bit 5 asks for the upgrade to WebSocket instead of granting it.
    pub doings: u8,
    /// What this end does for its security.
    pub security: Security,
    /// What ZAP answers; 0 lets everybody in.
    pub zap: u8,
    /// After how many bytes it answers.
    pub answer_at: u16,
}

/// The length of an encoded [`Setup`].
pub const SETUP_LEN: usize = 8;

/// Asks for the upgrade.
pub const CONNECTS: u8 = 1 << 5;

impl Setup {
    /// The setup of a seed.
    #[must_use]
    pub fn new(socket_type: SocketType) -> Self {
        Self {
            socket_type,
            pattern: 3,
            limits: 0,
            doings: 7,
            security: Security::Null,
            zap: 0,
            answer_at: 0,
        }
    }

    /// The bytes in front of a seed.
    #[must_use]
    pub fn encode(&self) -> [u8; SETUP_LEN] {
        let index = SocketType::ALL
            .iter()
            .position(|known| *known == self.socket_type)
            .unwrap_or_default();
        let [low, high] = self.answer_at.to_le_bytes();
        let security = self.security.to_byte();
        let (pattern, limits, doings, zap) = (self.pattern, self.limits, self.doings, self.zap);
        [
            index as u8,
            pattern,
            limits,
            doings,
            security,
            zap,
            low,
            high,
        ]
    }

    fn decode([index, pattern, limits, doings, security, zap, low, high]: [u8; SETUP_LEN]) -> Self {
        Self {
            socket_type: SocketType::ALL[usize::from(index) % SocketType::ALL.len()],
            pattern,
            limits,
            doings,
            security: Security::from_byte(security),
            zap,
            answer_at: u16::from_le_bytes([low, high]),
        }
    }

    fn config(&self) -> ConnectionConfig {
        let oldest = match self.doings >> 3 & 3 {
            0 => Version::V1_0,
            1 => Version::V2_0,
            2 => Version::V3_0,
            _ => Version::V3_1,
        };
        let config = HandshakeConfig::new(self.socket_type)
            .with_identity("me")
            .expect("a valid identity")
            .with_oldest_version(oldest)
            .with_limits(crate::limits(self.limits));
        let config = ConnectionConfig::new(self.security.configure(config));
        if self.doings & 4 == 0 {
            return config;
        }
        let beat = HeartbeatConfig::every(Duration::from_secs(1)).with_ttl(Duration::from_secs(3));
        config.with_heartbeat(beat)
    }

    /// An end over a stream.
    #[must_use]
    pub fn stream(&self, now: Instant) -> Box<dyn Endpoint> {
        let random = self.security.random();
        Box::new(Connection::with_random(self.config(), random, now))
    }

    /// An end over WebSocket.
    ///
    /// # Panics
    ///
    /// Never: there is randomness.
    #[must_use]
    pub fn websocket(&self, now: Instant) -> Box<dyn Endpoint> {
        let random = self.security.random();
        if self.doings & CONNECTS == 0 {
            let config = self.config();
            return Box::new(zws::Connection::accept_with_random(config, random, now));
        }
        let target = Target::new("example.com", "/").expect("valid");
        let masks = crate::random(3);
        let connection =
            zws::Connection::connect_with_random(self.config(), &target, masks, random, now);
        Box::new(connection.expect("there is randomness"))
    }
}

/// An encoded [`Setup`], then what the peer sends over a stream.
///
/// # Panics
///
/// If a property does not hold.
pub fn check(data: &[u8]) {
    check_with(data, |setup, now| setup.stream(now), |_| true);
}

/// An encoded [`Setup`], then what the peer sends over what is to become a WebSocket.
///
/// # Panics
///
/// If a property does not hold.
pub fn check_websocket(data: &[u8]) {
    // Pings of WebSocket do not depend on version and socket type.
    check_with(data, |setup, now| setup.websocket(now), |_| false);
}

fn check_with(
    data: &[u8],
    start: impl Fn(&Setup, Instant) -> Box<dyn Endpoint>,
    is_stream: impl Fn(&Setup) -> bool,
) {
    let Some((setup, wire)) = data.split_first_chunk::<SETUP_LEN>() else {
        return;
    };
    let setup = Setup::decode(*setup);
    let is_stream = is_stream(&setup);
    let now = Instant::now();
    let run = |pattern| {
        run(
            setup,
            &mut *start(&setup, now),
            is_stream,
            wire,
            pattern,
            now,
        )
    };
    let mut whole = run(0);
    for event in &whole.events {
        assert_within(event, &crate::limits(setup.limits));
    }
    if whole.is_connected() && setup.security.asks_zap() {
        let request = whole.events.iter().find_map(|event| match event {
            Event::Authenticate(request) => Some(request),
            _ => None,
        });
        let request = request.expect("connected without a question");
        let answer = answer(setup.zap, request);
        let lets_in = setup.security.lets_in(&answer, request);
        assert!(lets_in, "let in despite {answer:?}");
    }
    let mut split = run(setup.pattern);
    if whole.error.is_some() {
        // What fails at once neither asks nor says what was on its way.
        for outcome in [&mut whole, &mut split] {
            let is_question = |event: &Event| matches!(event, Event::Authenticate(_));
            outcome.events.retain(|event| !is_question(event));
            outcome.sent.clear();
        }
    }
    assert_eq!(whole, split, "the pieces make a difference");
    assert!(
        !matches!(whole.error, Some(Error::Closed)),
        "closed without a cause"
    );
    assert_memory(&setup, start, wire, now);
}

fn assert_within(event: &Event, limits: &Limits) {
    match event {
        Event::Authenticate(request) => assert_eq!(request.request_id.len(), 16),
        Event::Connected(peer) => {
            assert!(peer.properties.encoded_len() <= limits.max_metadata_size);
            assert!(peer.properties.len() <= limits.max_properties);
        }
        Event::Message(message) => crate::assert_message_within(message, limits),
        Event::Command(body) => crate::assert_command_within(body.len(), limits),
        // Those of WebSocket are longer.
        Event::Ping { context, .. } | Event::Pong { context } => assert!(context.len() <= 125),
        other => panic!("unknown event {other:?}"),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    events: Vec<Event>,
    sent: Vec<u8>,
    error: Option<Error>,
    unsent: usize,
    /// Input that was not consumed.
    held: Vec<u8>,
}

impl Outcome {
    fn is_connected(&self) -> bool {
        let is = |event: &Event| matches!(event, Event::Connected(_));
        self.events.iter().any(is)
    }

    fn feed(&mut self, connection: &mut dyn Endpoint, wire: &[u8], pattern: u8, now: Instant) {
        // First what the handler was waited for.
        let held = std::mem::take(&mut self.held);
        for piece in [&held[..]].into_iter().chain(crate::pieces(wire, pattern)) {
            let mut input = std::mem::take(&mut self.held);
            input.extend_from_slice(piece);
            let mut rest = &input[..];
            loop {
                match connection.handle_input(rest, now) {
                    Ok(used) => {
                        assert!(self.error.is_none(), "alive again");
                        assert!(used > 0 || rest.is_empty() || !connection.wants_input());
                        rest = &rest[used..];
                    }
                    Err(cause) if self.error.is_none() => self.error = Some(cause),
                    Err(cause) => assert_eq!(cause, Error::Closed),
                }
                let old = self.events.len();
                self.events
                    .extend(std::iter::from_fn(|| connection.poll_event()));
                assert!(self.events.len() <= old + 600, "too many events at a time");
                if rest.is_empty() || !connection.wants_input() {
                    break;
                }
            }
            if self.error.is_none() {
                self.held = rest.to_vec();
            }
        }
    }

    fn answer(&mut self, connection: &mut dyn Endpoint, selector: u8, now: Instant) {
        let Some(Event::Authenticate(request)) = self.events.last() else {
            return;
        };
        let result = connection.handle_zap(answer(selector, request), now);
        if self.error.is_none() {
            self.error = result.err();
        } else {
            assert_eq!(result, Err(Error::Closed));
        }
        self.events
            .extend(std::iter::from_fn(|| connection.poll_event()));
    }
}

fn run(
    setup: Setup,
    connection: &mut dyn Endpoint,
    is_stream: bool,
    wire: &[u8],
    pattern: u8,
    start: Instant,
) -> Outcome {
    if setup.doings & 1 != 0 {
        let message = ["early", "message"].into();
        connection.send(message).expect("still open");
    }
    if setup.doings & 2 != 0 {
        connection.subscribe(b"topic").expect("still open");
        connection.cancel(b"topic").expect("still open");
    }

    let mut outcome = Outcome {
        events: Vec::new(),
        sent: Vec::new(),
        error: None,
        unsent: 0,
        held: Vec::new(),
    };
    let (first, second) = wire.split_at(wire.len().min(setup.answer_at.into()));
    outcome.feed(connection, first, pattern, start);
    outcome.answer(connection, setup.zap, start);
    outcome.feed(connection, second, pattern, start);

    assert_eq!(connection.error(), outcome.error.as_ref());
    let beats = |peer: &zmtp::Peer| {
        !is_stream || peer.version.has_commands() && peer.socket_type != Some(SocketType::Dish)
    };
    if outcome.error.is_some() {
        assert!(connection.poll_timeout().is_none());
        assert!(connection.send("late".into()).is_err());
    } else if setup.doings & 4 != 0
        && let Some(peer) = connection.peer()
    {
        assert_eq!(connection.poll_timeout().is_some(), beats(peer));
    }
    outcome.sent = std::iter::from_fn(|| connection.poll_transmit())
        .flatten()
        .collect();
    if is_stream && outcome.error.is_some() && !outcome.sent.is_empty() {
        // Nothing is left to say but why.
        let reasons = [&b"\x13Invalid socket type"[..], b"\x03400", b"\x03500"];
        let mut told = reasons
            .map(|reason| [b"\x05ERROR", reason].concat())
            .into_iter();
        assert!(
            told.any(|told| outcome.sent.ends_with(&told)),
            "more than ERROR after an error"
        );
    }
    check_clock(connection, start);
    outcome.unsent = connection.take_unsent().len();
    outcome
}

/// Whatever timer is set, acting on it sets the next one later, until the connection has ended.
fn check_clock(connection: &mut dyn Endpoint, mut now: Instant) {
    for _ in 0..10 {
        let Some(next) = connection.poll_timeout() else {
            return;
        };
        assert!(next >= now);
        now = next;
        let result = connection.handle_timeout(now);
        assert_eq!(result.is_err(), connection.error().is_some());
        assert!(
            connection.poll_timeout().is_none_or(|next| next > now),
            "a timer that stays due"
        );
    }
}

/// What a connection keeps is bounded by the limits, if the program takes what there is.
fn assert_memory(
    setup: &Setup,
    start: impl Fn(&Setup, Instant) -> Box<dyn Endpoint>,
    wire: &[u8],
    now: Instant,
) {
    const PIECE: usize = 256;
    let limits = crate::limits(setup.limits);
    let most = allocation_counter::measure(|| {
        let mut connection = start(setup, now);
        'input: for mut piece in wire.chunks(PIECE) {
            while !piece.is_empty() {
                match connection.handle_input(piece, now) {
                    Ok(0) | Err(_) => break 'input,
                    Ok(used) => piece = &piece[used..],
                }
                while connection.poll_event().is_some() {}
                while connection.poll_transmit().is_some() {}
            }
        }
    })
    .bytes_max;
    let arrived = wire.len() as u64;
    let message = limits.max_message_size.unwrap_or(u64::MAX).min(arrived);
    let frames = u64::from(limits.max_frames).min(arrived / 2 + 1);
    let handshake = limits.max_handshake_command_size.min(arrived)
        + (limits.max_http_head_size as u64).min(arrived);
    // Beside those: the frame that arrives, and the events of one piece.
    let bound = 2 * message
        + 2 * 64 * frames
        + 4 * handshake
        + 2 * limits.max_frame_size.unwrap_or(u64::MAX).min(arrived)
        + 256 * PIECE as u64;
    assert!(most <= crate::FIXED_MEMORY + bound, "{most} bytes");
}

/// What a sound peer sends to an end like this, and after how many bytes of it ZAP is asked.
///
/// # Panics
///
/// If the two do not understand each other.
#[must_use]
pub fn sound_peer(setup: &Setup, over_websocket: bool) -> (Vec<u8>, usize) {
    let now = Instant::now();
    let theirs = Setup {
        socket_type: match setup.socket_type {
            SocketType::Sub | SocketType::XSub => SocketType::XPub,
            SocketType::Pub | SocketType::XPub => SocketType::XSub,
            SocketType::Pull => SocketType::Push,
            SocketType::Push => SocketType::Pull,
            SocketType::Pair => SocketType::Pair,
            _ => SocketType::Dealer,
        },
        security: setup.security.peer(),
        doings: setup.doings ^ CONNECTS,
        ..*setup
    };
    let mut ends = if over_websocket {
        [setup.websocket(now), theirs.websocket(now)]
    } else {
        [setup.stream(now), theirs.stream(now)]
    };
    for text in ["a", "", "message"] {
        ends[1].send([text, "part"].into()).expect("open");
    }
    ends[1].subscribe(b"topic").expect("open");
    let mut said = Vec::new();
    let mut asked_at = 0;
    for round in 0..20 {
        for from in [0, 1] {
            while let Some(bytes) = ends[from].poll_transmit() {
                ends[1 - from].handle_input(&bytes, now).expect("sound");
                if from == 1 {
                    said.extend_from_slice(&bytes);
                }
            }
        }
        for (at, end) in ends.iter_mut().enumerate() {
            while let Some(event) = end.poll_event() {
                if let Event::Authenticate(request) = event {
                    if at == 0 {
                        asked_at = said.len();
                    }
                    end.handle_zap(answer(0, &request), now).expect("let in");
                }
            }
        }
        if round == 15 {
            let ping = zmtp::Command::Ping {
                ttl: 5,
                context: b"ctx",
            };
            ends[1].send_command(ping).expect("open");
        }
    }
    assert!(ends.iter().all(|end| end.peer().is_some()), "{setup:?}");
    (said, asked_at)
}
