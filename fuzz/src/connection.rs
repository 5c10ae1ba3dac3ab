//! A connection and a peer that sends anything: no bytes in no pieces make it panic, and the pieces make no difference.

use std::time::{Duration, Instant};

use zmtp::{
    Connection, ConnectionConfig, Error, Event, HandshakeConfig, HeartbeatConfig, Limits,
    SocketType,
};

/// What stands in front of the bytes of the peer.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The type of this end.
    pub socket_type: SocketType,
    /// How the input is cut into pieces.
    pub pattern: u8,
    /// Which limits are small; 0 for the defaults.
    pub limits: u8,
    /// What this end does besides: bit 0 sends messages, bit 1 subscriptions, bit 2 heartbeats.
    pub doings: u8,
}

/// The length of an encoded [`Setup`].
pub const SETUP_LEN: usize = 4;

impl Setup {
    /// The setup of a seed.
    #[must_use]
    pub fn new(socket_type: SocketType) -> Self {
        Self {
            socket_type,
            pattern: 3,
            limits: 0,
            doings: 7,
        }
    }

    /// The bytes in front of a seed.
    #[must_use]
    pub fn encode(&self) -> [u8; SETUP_LEN] {
        let index = SocketType::ALL
            .iter()
            .position(|known| *known == self.socket_type)
            .unwrap_or_default();
        [index as u8, self.pattern, self.limits, self.doings]
    }

    fn decode([index, pattern, limits, doings]: [u8; SETUP_LEN]) -> Self {
        Self {
            socket_type: SocketType::ALL[usize::from(index) % SocketType::ALL.len()],
            pattern,
            limits,
            doings,
        }
    }
}

/// An encoded [`Setup`], then what the peer sends.
///
/// # Panics
///
/// If a property does not hold.
pub fn check(data: &[u8]) {
    let Some((setup, wire)) = data.split_first_chunk::<SETUP_LEN>() else {
        return;
    };
    let setup = Setup::decode(*setup);
    let whole = run(setup, wire, 0);
    for event in &whole.events {
        assert_within(event, &crate::limits(setup.limits));
    }
    let split = run(setup, wire, setup.pattern);
    assert_eq!(whole, split, "the pieces make a difference");
    assert!(
        !matches!(whole.error, Some(Error::Closed)),
        "closed without a cause"
    );
}

fn assert_within(event: &Event, limits: &Limits) {
    match event {
        Event::Connected(peer) => {
            let size = b"\x05READY".len() + peer.properties.encoded_len();
            assert!(size as u64 <= limits.max_handshake_command_size);
            assert!(peer.properties.len() <= limits.max_properties);
        }
        Event::Message(message) => crate::assert_message_within(message, limits),
        Event::Command(body) => crate::assert_command_within(body.len(), limits),
        Event::Ping { context, .. } | Event::Pong { context } => assert!(context.len() <= 16),
        other => panic!("unknown event {other:?}"),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    events: Vec<Event>,
    sent: Vec<u8>,
    error: Option<Error>,
    unsent: usize,
}

fn run(setup: Setup, wire: &[u8], pattern: u8) -> Outcome {
    let start = Instant::now();
    let (messages, subscriptions, heartbeats) = (
        setup.doings & 1 != 0,
        setup.doings & 2 != 0,
        setup.doings & 4 != 0,
    );
    let mut config = ConnectionConfig::new(
        HandshakeConfig::new(setup.socket_type)
            .with_identity("me")
            .expect("a valid identity")
            .with_limits(crate::limits(setup.limits)),
    );
    if heartbeats {
        let beat = HeartbeatConfig::every(Duration::from_secs(1)).with_ttl(Duration::from_secs(3));
        config = config.with_heartbeat(beat);
    }
    let mut connection = Connection::new(config, start);
    if messages {
        connection.send(["early", "message"]).expect("still open");
    }
    if subscriptions {
        connection.subscribe("topic").expect("still open");
        connection.cancel("topic").expect("still open");
    }

    let mut events = Vec::new();
    let mut error = None;
    for piece in crate::pieces(wire, pattern) {
        match connection.handle_input(piece, start) {
            Ok(()) => assert!(error.is_none(), "alive again"),
            Err(cause) if error.is_none() => error = Some(cause),
            Err(cause) => assert_eq!(cause, Error::Closed),
        }
        events.extend(std::iter::from_fn(|| connection.poll_event()));
    }
    assert_eq!(connection.error(), error.as_ref());
    if error.is_some() {
        assert!(connection.poll_timeout().is_none());
        assert!(connection.send("late").is_err());
    } else if heartbeats && let Some(peer) = connection.peer() {
        let takes_ping = peer.version.has_commands() && peer.socket_type != Some(SocketType::Dish);
        assert_eq!(connection.poll_timeout().is_some(), takes_ping);
    }
    let sent: Vec<u8> = std::iter::from_fn(|| connection.poll_transmit())
        .flatten()
        .collect();
    if error.is_some() && !sent.is_empty() {
        // Nothing is left to say but why, to a peer of the wrong type.
        let told = b"\x05ERROR\x13Invalid socket type";
        assert!(sent.ends_with(told), "more than ERROR after an error");
    }
    check_clock(&mut connection, start);
    Outcome {
        events,
        sent,
        error,
        unsent: connection.take_unsent().len(),
    }
}

/// Whatever timer is set, acting on it sets the next one later, until the connection has ended.
fn check_clock(connection: &mut Connection, mut now: Instant) {
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
