//! Publishers and subscribers of both kinds.

use std::{
    fmt,
    time::{Duration, Instant},
};

use zinterop::distribution::{Library, Socket as Theirs};
use zsocket::{Context, Pub, Socket, Sub};

use crate::{
    child::{Child, PATIENCE, hear, say},
    run,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Libzmq,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) publisher: Kind,
    pub(crate) subscriber: Kind,
    pub(crate) scheme: &'static str,
    pub(crate) ipv6: bool,
    pub(crate) messages: u32,
    /// Kilobits per second.
    pub(crate) rate: i32,
    /// Some of them have up to a megabyte.
    pub(crate) large: bool,
    /// Which packets iptables, or nft, drops on their way to the subscriber.
    pub(crate) drops: &'static [&'static str],
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.ipv6 { "IPv6" } else { "IPv4" };
        let Self {
            publisher,
            subscriber,
            scheme,
            messages,
            ..
        } = self;
        write!(
            f,
            "{messages} from {publisher:?} to {subscriber:?} over {scheme} and {family}"
        )?;
        if !self.drops.is_empty() {
            write!(f, " with {}", self.drops.join(" "))?;
        }
        Ok(())
    }
}

/// What a publisher sends until the subscriber hears it.
pub(crate) const PROBE: &[u8] = b"probe";
/// Those that it has to hear.
const PROBES: u32 = 20;
const PORT: usize = 5000;
/// `ZMQ_PUB` and `ZMQ_SUB`, and options, as libzmq numbers them.
const ZMQ_PUB: i32 = 1;
const ZMQ_SUB: i32 = 2;
const ZMQ_RATE: i32 = 8;
const ZMQ_RECOVERY_IVL: i32 = 9;
const ZMQ_RCVBUF: i32 = 12;
const ZMQ_SNDHWM: i32 = 23;
const ZMQ_RCVHWM: i32 = 24;
const ZMQ_RCVTIMEO: i32 = 27;

impl Case {
    pub(crate) fn new((publisher, subscriber): (Kind, Kind), messages: u32) -> Self {
        Self {
            publisher,
            subscriber,
            scheme: "epgm",
            ipv6: false,
            messages,
            rate: 10_000,
            large: false,
            drops: &[],
        }
    }

    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.publisher == kind || self.subscriber == kind
    }

    /// Each case has a port and a group of its own, so that nothing of the one before is heard.
    pub(crate) fn endpoint(&self, number: usize, end: u8) -> String {
        let (scheme, port) = (self.scheme, PORT + number);
        let group = number + 1;
        if self.ipv6 {
            format!("{scheme}://[fd00:78::{end}];[ff15::{group}]:{port}")
        } else {
            format!("{scheme}://10.78.0.{end};239.192.1.{group}:{port}")
        }
    }

    /// The subscriber is there, and from now on packets are lost.
    pub(crate) fn hear_probes(&self, subscriber: &mut Subscriber, number: usize) {
        say("connected");
        // By then it has heard where to ask: that libzmq has to know before it misses anything.
        for _ in 0..PROBES {
            assert_eq!(subscriber.receive(), PROBE);
        }
        // What was sent before is behind us by now.
        if !self.drops.is_empty() {
            let port = (PORT + number).to_string();
            let which: &[&str] = if self.scheme == "pgm" {
                &["-p", "113"]
            } else {
                &["-p", "udp", "--dport", &port]
            };
            if let ["nft", which @ ..] = self.drops {
                let rule = format!("udp dport {port} {} drop", which.join(" "));
                let chain = "type filter hook input priority 0;";
                let table =
                    format!("table ip bursts {{\nchain input {{\n{chain}\n{rule}\n}}\n}}\n");
                run(&["nft", &table]).unwrap();
            } else {
                let words = [
                    &["iptables", "-A", "INPUT"],
                    which,
                    self.drops,
                    &["-j", "DROP"],
                ];
                run(&words.concat()).unwrap();
            }
        }
        say("joined");
    }

    pub(crate) fn stop_dropping(&self) {
        match self.drops {
            [] => {}
            ["nft", ..] => run(&["nft", "delete", "table", "ip", "bursts"]).unwrap(),
            _ => run(&["iptables", "-F", "INPUT"]).unwrap(),
        }
    }

    fn body(&self, number: u32) -> Vec<u8> {
        let size = match number {
            _ if !self.large => number as usize * 7919 % 2000,
            n if n % 25_000 == 24_999 => 1_000_000,
            n if n % 1000 == 999 => 20_000,
            n if n % 100 == 50 => 0,
            n => n as usize * 7919 % 200,
        };
        let mut body = number.to_be_bytes().to_vec();
        body.resize(size.max(4), number as u8);
        // The empty one has no number.
        body.truncate(if size == 0 { 0 } else { usize::MAX });
        body
    }
}

pub(crate) enum Publisher {
    Ours(Box<Socket<Pub>>),
    Theirs(Theirs),
}

impl Publisher {
    pub(crate) fn new(case: &Case, endpoint: &str) -> Self {
        match case.publisher {
            Kind::Ours => {
                let context = Context::new();
                let socket = context.socket::<Pub>().unwrap();
                socket.set_multicast_rate(case.rate as u32).unwrap();
                socket.set_send_hwm(0).unwrap();
                socket.connect(endpoint).unwrap();
                Self::Ours(Box::new(socket))
            }
            Kind::Libzmq => {
                let socket = Library::load().unwrap().socket(ZMQ_PUB);
                socket.set(ZMQ_RATE, case.rate);
                socket.set(ZMQ_SNDHWM, 0);
                socket.connect(endpoint);
                Self::Theirs(socket)
            }
        }
    }

    pub(crate) fn send(&self, body: &[u8]) {
        match self {
            Self::Ours(socket) => socket.send(body).unwrap(),
            Self::Theirs(socket) => socket.send(body),
        }
    }
}

pub(crate) enum Subscriber {
    Ours(Box<Socket<Sub>>),
    Theirs(Theirs, Vec<u8>),
}

impl Subscriber {
    pub(crate) fn new(case: &Case, endpoint: &str) -> Self {
        match case.subscriber {
            Kind::Ours => {
                let context = Context::new();
                let socket = context.socket::<Sub>().unwrap();
                socket.set_multicast_rate(case.rate as u32).unwrap();
                socket.set_recv_hwm(0).unwrap();
                socket.subscribe("").unwrap();
                socket.connect(endpoint).unwrap();
                Self::Ours(Box::new(socket))
            }
            Kind::Libzmq => {
                let socket = Library::load().unwrap().socket(ZMQ_SUB);
                socket.set(ZMQ_RATE, case.rate);
                // With a window like the publisher's it hands up garbage when that overflows.
                socket.set(ZMQ_RECOVERY_IVL, 30_000);
                socket.set(ZMQ_RCVHWM, 0);
                socket.set(ZMQ_RCVBUF, 4 << 20);
                socket.subscribe_to_all();
                socket.connect(endpoint);
                Self::Theirs(socket, vec![0; 2 << 20])
            }
        }
    }

    fn receive(&mut self) -> Vec<u8> {
        let received = self.receive_within(PATIENCE);
        received.unwrap_or_else(|| match self {
            Self::Ours(socket) => panic!("nothing comes: {:?}", socket.stats().multicast),
            Self::Theirs(..) => panic!("nothing comes"),
        })
    }

    pub(crate) fn receive_within(&mut self, patience: Duration) -> Option<Vec<u8>> {
        match self {
            Self::Ours(socket) => {
                let message = socket.recv_timeout(patience).ok()?;
                Some(message[0].to_vec())
            }
            Self::Theirs(socket, buffer) => {
                socket.set(ZMQ_RCVTIMEO, patience.as_millis() as i32);
                let length = socket.recv(buffer)?;
                Some(buffer[..length].to_vec())
            }
        }
    }
}

/// Publishes until the subscriber hears it: nobody says when one of libzmq is there.
pub(crate) fn join(publisher: &Publisher, there: &mut Child, case: &Case) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        publisher.send(PROBE);
        match there.try_hear(Duration::from_millis(20)) {
            Some(line) => break assert_eq!(line, "joined"),
            None => assert!(Instant::now() < deadline, "{case}: nobody hears"),
        }
    }
}

/// The publisher's part of a case.
pub(crate) fn publish(case: &Case, number: usize, there: &mut Child) {
    let publisher = Publisher::new(case, &case.endpoint(number, 1));
    there.expect("connected");
    join(&publisher, there, case);
    for number in 0..case.messages {
        publisher.send(&case.body(number));
    }
    there.expect("received");
    if let Publisher::Ours(socket) = &publisher
        && !case.drops.is_empty()
    {
        let stats = socket.stats().multicast;
        assert!(stats.repairs_sent > 0, "{case}: {stats:?}");
        assert_eq!(stats.asked_too_late, 0, "{case}: {stats:?}");
    }
}

/// Sets up the network of the other process.
pub(crate) fn set_up() {
    let ip = |words: &str| {
        let words: Vec<_> = ["ip"].into_iter().chain(words.split(' ')).collect();
        run(&words).unwrap();
    };
    say("alone");
    assert_eq!(hear(), "go");
    ip("link set lo up");
    ip("address add 10.78.0.2/24 dev there");
    ip("-6 address add fd00:78::2/64 dev there nodad");
    ip("link set there up");
    say("up");
}

/// What the other process does.
pub(crate) fn play(role: &str, cases: &[Case]) {
    assert_eq!(role, "there");
    set_up();
    for _ in cases {
        let number: usize = hear().parse().unwrap();
        subscribe(&cases[number], number);
    }
}

fn subscribe(case: &Case, number: usize) {
    let mut subscriber = Subscriber::new(case, &case.endpoint(number, 2));
    case.hear_probes(&mut subscriber, number);
    let begin = Instant::now();
    for number in 0..case.messages {
        let expected = case.body(number);
        let body = loop {
            let body = subscriber.receive();
            if body != PROBE {
                break body;
            }
        };
        assert!(
            body == expected,
            "{case}: {number}: {} bytes {:?} instead of {}",
            body.len(),
            &body[..body.len().min(8)],
            expected.len()
        );
    }
    let took = begin.elapsed();
    case.stop_dropping();
    if let Subscriber::Ours(socket) = &subscriber {
        let stats = socket.stats().multicast;
        eprintln!("{case}: {took:?}, {stats:?}");
        assert_eq!(stats.lost, 0, "{case}: {stats:?}");
        if !case.drops.is_empty() {
            assert!(stats.repairs_received > 0, "{case}: {stats:?}");
        }
    } else {
        eprintln!("{case}: {took:?}");
    }
    say("received");
}
