//! Two connections under each mechanism: whatever is sent arrives, once and in order, however the
//! bytes between them are cut; and bytes that are changed on the way do no harm.

mod counter;

use std::time::Instant;

use proptest::collection::vec;
use proptest::prelude::*;
use zmtp::curve::{self, KeyPair, SecretKey};
use zmtp::{
    Command, Connection, Error, Event, HandshakeConfig, MechanismConfig, Message, Random,
    SocketType, plain, zap,
};

use counter::Counter;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null,
    NullWithZap,
    Plain,
    Curve,
    CurveWithZap,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Null,
        Self::NullWithZap,
        Self::Plain,
        Self::Curve,
        Self::CurveWithZap,
    ];

    fn is_curve(self) -> bool {
        matches!(self, Self::Curve | Self::CurveWithZap)
    }

    fn asks_zap(self) -> bool {
        !matches!(self, Self::Null | Self::Curve)
    }

    /// The configurations of client and server.
    fn configs(self) -> [HandshakeConfig; 2] {
        let keys = |byte| KeyPair::from_secret(SecretKey::from_bytes([byte; 32]));
        let [client, server] = match self {
            Self::Null | Self::NullWithZap => [MechanismConfig::Null, MechanismConfig::Null],
            Self::Plain => [
                MechanismConfig::PlainClient(plain::ClientConfig::new("me", "secret").unwrap()),
                MechanismConfig::PlainServer(plain::ServerConfig::new()),
            ],
            Self::Curve | Self::CurveWithZap => [
                MechanismConfig::CurveClient(curve::ClientConfig::new(*keys(2).public(), keys(1))),
                MechanismConfig::CurveServer(curve::ServerConfig::new(keys(2)).allow_any_client()),
            ],
        };
        let [client, mut server] = [(client, SocketType::XSub), (server, SocketType::XPub)]
            .map(|(mechanism, kind)| HandshakeConfig::new(kind).with_mechanism(mechanism));
        if self.asks_zap() {
            server = server.with_zap(zap::Policy::new("lan"));
        }
        [client, server]
    }
}

/// What may be sent.
#[derive(Clone, Debug)]
enum Said {
    Message(Message),
    Subscribe(Vec<u8>),
    Ping(Vec<u8>),
}

impl Said {
    fn say(&self, connection: &mut Connection) {
        match self {
            Self::Message(message) => connection.send(message).unwrap(),
            Self::Subscribe(topic) => connection.subscribe(topic.clone()).unwrap(),
            Self::Ping(context) => {
                let ping = Command::Ping { ttl: 0, context };
                connection.send_command(ping).unwrap();
            }
        }
    }

    fn event(&self) -> Event {
        match self {
            Self::Message(message) => Event::Message(message.clone()),
            Self::Subscribe(topic) => {
                Event::Command([&b"\x09SUBSCRIBE"[..], topic].concat().into())
            }
            Self::Ping(context) => Event::Ping {
                ttl: 0,
                context: context.as_slice().into(),
            },
        }
    }
}

fn said() -> impl Strategy<Value = Said> {
    let body = prop_oneof![
        3 => vec(2u8.., 0..80),
        1 => vec(2u8.., 215..260),
        1 => vec(2u8.., 0..20_000),
    ];
    prop_oneof![
        4 => vec(body, 1..4).prop_map(|bodies| Said::Message(bodies.into_iter().collect())),
        1 => vec(any::<u8>(), 0..300).prop_map(Said::Subscribe),
        1 => vec(any::<u8>(), 0..17).prop_map(Said::Ping),
    ]
}

/// Two ends and the bytes between them.
struct Line {
    ends: [Connection; 2],
    /// On the way to the end of the same index.
    wires: [Vec<u8>; 2],
    /// How many bytes have arrived at each end.
    arrived: [usize; 2],
    events: [Vec<Event>; 2],
    errors: [Option<Error>; 2],
    now: Instant,
}

impl Line {
    fn new(kind: Kind) -> Self {
        let now = Instant::now();
        let mut seed = 0;
        let ends = kind.configs().map(|config| {
            seed += 1;
            Connection::with_random(config, Random::from_rng(Counter(seed)), now)
        });
        Self {
            ends,
            wires: [Vec::new(), Vec::new()],
            arrived: [0, 0],
            events: [Vec::new(), Vec::new()],
            errors: [None, None],
            now,
        }
    }

    /// Moves bytes in pieces of the lengths given, in turn, until nobody has anything to say. One
    /// byte may be changed: the one at this position on its way to this end.
    fn run(&mut self, pieces: &[usize], change: Option<(usize, usize, u8)>) {
        let mut pieces = pieces.iter().copied().cycle();
        loop {
            for from in [0, 1] {
                while let Some(bytes) = self.ends[from].poll_transmit() {
                    self.wires[1 - from].extend_from_slice(&bytes);
                }
            }
            if self.wires.iter().all(Vec::is_empty) {
                return;
            }
            for to in [0, 1] {
                let len = pieces.next().unwrap_or(1).min(self.wires[to].len());
                let mut bytes: Vec<u8> = self.wires[to].drain(..len).collect();
                if let Some((end, at, mask)) = change
                    && end == to
                    && let Some(byte) = at
                        .checked_sub(self.arrived[to])
                        .and_then(|at| bytes.get_mut(at))
                {
                    *byte ^= mask;
                }
                self.arrived[to] += len;
                self.arrive(to, &bytes);
            }
        }
    }

    fn arrive(&mut self, to: usize, mut bytes: &[u8]) {
        while self.errors[to].is_none() && !bytes.is_empty() {
            self.arrive_some(to, &mut bytes);
        }
    }

    fn arrive_some(&mut self, to: usize, bytes: &mut &[u8]) {
        let used = self.ends[to].handle_input(bytes, self.now);
        let mut result = used.map(|used| *bytes = &bytes[used..]);
        while let Some(event) = self.ends[to].poll_event() {
            if let Event::Authenticate(request) = event {
                let reply = zap::Reply::success(&request, "somebody");
                result = self.ends[to].handle_zap(zap::Answer::Reply(reply), self.now);
            } else {
                self.events[to].push(event);
            }
        }
        self.errors[to] = result.err();
    }

    /// What an end has received, without the answers to its own PINGs.
    fn received(&self, end: usize) -> Vec<Event> {
        let is_said = |event: &&Event| !matches!(event, Event::Connected(_) | Event::Pong { .. });
        self.events[end].iter().filter(is_said).cloned().collect()
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    proptest::sample::select(&Kind::ALL[..])
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![1usize..100, 1usize..5000], 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_arrives_under_every_mechanism(
        kind in kind(),
        early in [vec(said(), 0..4), vec(said(), 0..4)],
        late in [vec(said(), 0..4), vec(said(), 0..4)],
        pieces in pieces(),
    ) {
        let mut line = Line::new(kind);
        for parts in [&early, &late] {
            for (end, parts) in line.ends.iter_mut().zip(parts) {
                parts.iter().for_each(|part| part.say(end));
            }
            line.run(&pieces, None);
        }
        prop_assert_eq!(&line.errors, &[None, None]);
        for from in [0, 1] {
            let sent: Vec<_> = early[from].iter().chain(&late[from]).map(Said::event).collect();
            prop_assert_eq!(line.received(1 - from), sent);
        }
        let user_id = &line.ends[1].peer().unwrap().user_id;
        prop_assert_eq!(&user_id[..], if kind.asks_zap() { &b"somebody"[..] } else { b"" });
    }

    #[test]
    fn a_changed_byte_does_no_harm(
        kind in kind(),
        parts in [vec(said(), 0..4), vec(said(), 0..4)],
        pieces in pieces(),
        end in 0usize..2,
        at in prop_oneof![0usize..700, 64usize..20_000],
        mask in 1u8..,
    ) {
        let mut line = Line::new(kind);
        for (end, parts) in line.ends.iter_mut().zip(&parts) {
            parts.iter().for_each(|part| part.say(end));
        }
        line.run(&pieces, Some((end, at, mask)));
        if kind.is_curve() {
            // What is not as it was sent does not arrive.
            for from in [0, 1] {
                let sent: Vec<_> = parts[from].iter().map(Said::event).collect();
                prop_assert!(sent.starts_with(&line.received(1 - from)));
            }
        }
    }
}

// spec: WIRE-4.3/subscriptions-3.0: to a peer of 3.0 subscriptions are messages, under CURVE too
#[test]
fn a_3_0_peer_gets_subscriptions_as_messages_under_every_mechanism() {
    for kind in Kind::ALL {
        let mut line = Line::new(kind);
        line.ends[0].subscribe("topic").unwrap();
        line.ends[0]
            .send_command(Command::Cancel { topic: b"topic" })
            .unwrap();
        // The minor version of the publisher becomes 0 on its way to the subscriber.
        line.run(&[1000], Some((0, 11, 1)));
        assert_eq!(line.errors, [None, None], "{kind:?}");
        let expected = ["\x01topic", "\x00topic"].map(|body| Event::Message(body.into()));
        assert_eq!(line.received(1), expected, "{kind:?}");
    }
}

// spec: WIRE-4.3/subscriptions-3.1: between peers of 3.1 subscriptions are commands, under CURVE too
#[test]
fn every_mechanism_carries_messages_subscriptions_and_heartbeats() {
    let parts = [
        Said::Subscribe(b"topic".to_vec()),
        Said::Message(["\x02a", "", "b"].into()),
        Said::Ping(b"context".to_vec()),
    ];
    for kind in Kind::ALL {
        let mut line = Line::new(kind);
        parts.iter().for_each(|part| part.say(&mut line.ends[0]));
        line.run(&[1], None);
        let expected: Vec<_> = parts.iter().map(Said::event).collect();
        assert_eq!(line.received(1), expected, "{kind:?}");
        let pong = Event::Pong {
            context: "context".into(),
        };
        assert_eq!(line.events[0].last(), Some(&pong), "{kind:?}");
    }
}
