//! Two connections that talk to each other: whatever is sent arrives, once, in order, however the bytes between them are cut.

use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use zmtp::zws::{self, Target};
use zmtp::{
    Command, Connection, ConnectionConfig, Error, Event, HandshakeConfig, HeartbeatConfig, Message,
    SocketType,
};

use crate::endpoint::Endpoint;
use crate::security::{Security, answer};

/// What happens to a pair of connections.
#[derive(Arbitrary, Debug)]
pub struct Script {
    /// Which kinds of sockets they are.
    pair: u8,
    /// How the second end protects itself.
    security: u8,
    /// Whether they talk over WebSocket, in which the first end is the client.
    over_websocket: bool,
    /// How often each end sends a PING, in milliseconds; 0 for never.
    intervals: [u16; 2],
    steps: Vec<Step>,
}

/// One thing that happens, to one end or the other.
#[derive(Arbitrary, Debug)]
enum Step {
    Send {
        end: bool,
        frames: Vec<u16>,
    },
    Subscribe {
        end: bool,
        topic: Vec<u8>,
    },
    Cancel {
        end: bool,
        topic: Vec<u8>,
    },
    Ping {
        end: bool,
        ttl: u8,
        context: Vec<u8>,
    },
    Unknown {
        end: bool,
        data: Vec<u8>,
    },
    /// An end writes, but so many bytes only stay on the wire.
    Transmit {
        end: bool,
    },
    /// So many bytes arrive at an end.
    Arrive {
        end: bool,
        bytes: u16,
    },
    /// Time passes and both ends act on it.
    Wait {
        milliseconds: u16,
    },
}

/// How much a script may send altogether: the point is in the order of things, not in their size.
const MAX_TOTAL: usize = 1 << 18;

struct End {
    connection: Box<dyn Endpoint>,
    over_websocket: bool,
    /// On the way to this end.
    wire: Vec<u8>,
    received: Vec<Event>,
    /// What the other end has to receive.
    sent: Vec<Event>,
    error: Option<Error>,
    interval: Duration,
    heard_at: Instant,
}

/// Runs the script, then lets everything arrive.
///
/// # Panics
///
/// If a property does not hold.
pub fn check(script: &Script) {
    let mut now = Instant::now();
    let kinds = match script.pair % 4 {
        0 => [SocketType::Push, SocketType::Pull],
        1 => [SocketType::Dealer, SocketType::Router],
        2 => [SocketType::Pair, SocketType::Pair],
        _ => [SocketType::XPub, SocketType::XSub],
    };
    let security = Security::from_byte(script.security);
    let securities = [security.peer(), security];
    let mut ends = [0, 1].map(|at| {
        let interval = Duration::from_millis(u64::from(script.intervals[at]));
        let config = securities[at].configure(HandshakeConfig::new(kinds[at]));
        let config = ConnectionConfig::new(config).with_heartbeat(HeartbeatConfig::every(interval));
        let random = securities[at].random();
        let connection: Box<dyn Endpoint> = match (script.over_websocket, at) {
            (false, _) => Box::new(Connection::with_random(config, random, now)),
            (true, 0) => {
                let target = Target::new("host", "/").expect("valid");
                let masks = crate::random(3);
                let end = zws::Connection::connect_with_random(config, &target, masks, random, now);
                Box::new(end.expect("there is randomness"))
            }
            (true, _) => Box::new(zws::Connection::accept_with_random(config, random, now)),
        };
        End::new(connection, script.over_websocket, interval, now)
    });
    let mut total = 0;
    for step in &script.steps {
        if let Step::Wait { milliseconds } = step {
            now += Duration::from_millis(u64::from(*milliseconds));
            for end in &mut ends {
                end.pass_time(now);
            }
        } else {
            apply(step, &mut ends, now, &mut total);
        }
    }
    settle(&mut ends, now);

    let [left, right] = &ends;
    compare(left, right);
    compare(right, left);
}

impl End {
    fn new(
        connection: Box<dyn Endpoint>,
        over_websocket: bool,
        interval: Duration,
        now: Instant,
    ) -> Self {
        Self {
            connection,
            over_websocket,
            wire: Vec::new(),
            received: Vec::new(),
            sent: Vec::new(),
            error: None,
            interval,
            heard_at: now,
        }
    }

    fn arrive(&mut self, bytes: usize, now: Instant) {
        let bytes: Vec<u8> = self.wire.drain(..bytes.min(self.wire.len())).collect();
        if bytes.is_empty() || self.error.is_some() {
            return;
        }
        let used = match self.connection.handle_input(&bytes, now) {
            Ok(used) => used,
            Err(error) => panic!("failed on what a connection sent: {error}"),
        };
        // The rest comes once more, when the events are taken.
        self.wire.splice(..0, bytes[used..].iter().copied());
        self.heard_at = now;
        while let Some(event) = self.connection.poll_event() {
            if let Event::Authenticate(request) = event {
                let answered = self.connection.handle_zap(answer(0, &request), now);
                answered.expect("everybody is let in");
            } else {
                self.received.push(event);
            }
        }
    }

    fn pass_time(&mut self, now: Instant) {
        if self.error.is_none()
            && let Err(error) = self.connection.handle_timeout(now)
        {
            let silence = now - self.heard_at;
            match error {
                // As long as the interval, unless another is set.
                Error::HeartbeatTimeout => assert!(silence >= self.interval),
                Error::PeerTtlExpired => assert!(silence >= Duration::from_millis(100)),
                Error::HandshakeTimeout => assert!(self.connection.peer().is_none()),
                other => panic!("{other}"),
            }
            self.error = Some(error);
        }
    }

    /// What the other end gets of a subscription.
    fn subscription(&self, subscribe: bool, topic: &[u8]) -> Event {
        if self.over_websocket {
            Event::Message([&[u8::from(subscribe)], topic].concat().into())
        } else if subscribe {
            Event::Command([b"\x09SUBSCRIBE", topic].concat().into())
        } else {
            Event::Command([b"\x06CANCEL", topic].concat().into())
        }
    }

    fn expect(&mut self, result: Result<(), Error>, event: Event) {
        assert_eq!(result.is_ok(), self.error.is_none());
        if result.is_ok() {
            self.sent.push(event);
        }
    }
}

fn apply(step: &Step, ends: &mut [End; 2], now: Instant, total: &mut usize) {
    match step {
        Step::Wait { .. } => {}
        Step::Transmit { end } => transmit(ends, usize::from(*end)),
        Step::Arrive { end, bytes } => {
            ends[usize::from(*end)].arrive(usize::from(*bytes), now);
        }
        Step::Send { end, frames } => {
            let size = frames.iter().map(|len| usize::from(*len)).sum::<usize>();
            if *total + size > MAX_TOTAL {
                return;
            }
            *total += size;
            let number = ends[usize::from(*end)].sent.len() as u8;
            let mut message: Message = frames
                .iter()
                .map(|len| vec![number; usize::from(*len)])
                .collect();
            if message.is_empty() {
                message.push_back("");
            }
            let end = &mut ends[usize::from(*end)];
            let result = end.connection.send(message.clone());
            end.expect(result, Event::Message(message));
        }
        Step::Subscribe { end, topic } => {
            let end = &mut ends[usize::from(*end)];
            let result = end.connection.subscribe(topic);
            end.expect(result, end.subscription(true, topic));
        }
        Step::Cancel { end, topic } => {
            let end = &mut ends[usize::from(*end)];
            let result = end.connection.cancel(topic);
            end.expect(result, end.subscription(false, topic));
        }
        Step::Unknown { end, data } => {
            let command = Command::Unknown { name: b"ODD", data };
            let body = [b"\x03ODD", &data[..]].concat();
            let end = &mut ends[usize::from(*end)];
            let result = end.connection.send_command(command);
            end.expect(result, Event::Command(body.into()));
        }
        Step::Ping { end, ttl, context } => {
            let end = &mut ends[usize::from(*end)];
            // The pings of WebSocket have no time to live, and none is sent before the handshake is complete.
            let ttl = if end.over_websocket {
                0
            } else {
                u16::from(*ttl)
            };
            let is_sent = !end.over_websocket || end.connection.peer().is_some();
            let context = &context[..context.len().min(16)];
            let result = end.connection.send_command(Command::Ping { ttl, context });
            let context = context.into();
            if is_sent {
                end.expect(result, Event::Ping { ttl, context });
            }
        }
    }
}

fn transmit(ends: &mut [End; 2], from: usize) {
    while let Some(bytes) = ends[from].connection.poll_transmit() {
        assert!(!bytes.is_empty());
        ends[1 - from].wire.extend_from_slice(&bytes);
    }
}

/// Lets everything arrive, until nobody has anything to say.
fn settle(ends: &mut [End; 2], now: Instant) {
    loop {
        for from in [0, 1] {
            transmit(ends, from);
        }
        if ends.iter().all(|end| end.wire.is_empty()) {
            return;
        }
        for end in &mut *ends {
            end.arrive(usize::MAX, now);
        }
    }
}

fn compare(from: &End, to: &End) {
    // Heartbeats of the connections themselves come in between, as do the answers.
    let automatic = |event: &&Event| match event {
        Event::Connected(_) | Event::Pong { .. } => false,
        Event::Ping { context, ttl } => !(context.is_empty() && *ttl == 0),
        _ => true,
    };
    let received: Vec<_> = to.received.iter().filter(automatic).collect();
    let sent: Vec<_> = from.sent.iter().filter(automatic).collect();
    if from.error.is_none() && to.error.is_none() {
        assert_eq!(received, sent);
        assert!(from.connection.peer().is_some() && to.connection.peer().is_some());
    } else {
        assert!(
            sent.starts_with(&received),
            "not a beginning of what was sent"
        );
    }
}
