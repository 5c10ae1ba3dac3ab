//! A socket by hand: what `zsocket` does with links and letters, in the simplest way.

pub(crate) mod scripted;

use std::{
    collections::VecDeque,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use zmtp::{
    MechanismConfig, Message, Random, SocketType,
    curve::{ClientConfig, KeyPair, ServerConfig},
    plain, zap,
};
use zpipe::{Mailbox, ReadySet, mailbox};
use ztransport::{
    Authority, CloseReason, Endpoint, Event, EventKinds, EventReceiver, InputPoll, Letter, Link,
    News, Options, Question, Reactor, SocketHandle,
};

/// Long enough for a loaded machine; never waited for when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const SOON: Duration = Duration::from_millis(2);

pub(crate) fn options(mechanism: MechanismConfig) -> Options {
    let mut options = Options::new(SocketType::Dealer);
    options.mechanism = mechanism;
    options.reconnect_interval = Some(SOON);
    options
}

pub(crate) fn curve_keys() -> KeyPair {
    KeyPair::generate(&mut Random::system()).unwrap()
}

/// A server and a client that knows it.
pub(crate) fn curve() -> (MechanismConfig, MechanismConfig) {
    let server = curve_keys();
    let client = ClientConfig::new(*server.public(), curve_keys());
    (
        MechanismConfig::CurveServer(ServerConfig::new(server).allow_any_client()),
        MechanismConfig::CurveClient(client),
    )
}

pub(crate) fn plain_client(username: &'static str) -> MechanismConfig {
    let config = plain::ClientConfig::new(username, &b"secret"[..]).unwrap();
    MechanismConfig::PlainClient(config)
}

/// A message that can be told from its neighbours: mostly small ones, some of every size up to
/// 1 MiB, some of several frames.
pub(crate) fn message(number: u32) -> Message {
    let size = match number {
        _ if number % 233 == 232 => 1 << 20,
        _ if number % 41 == 40 => 64 << 10,
        _ if number % 7 == 6 => [0, 1, 254, 255, 256, 257, 4063, 8192, 20_000][number as usize % 9],
        _ => number as usize % 60,
    };
    let mut body = vec![number as u8; size];
    let tag = number.to_be_bytes();
    let len = size.min(tag.len());
    body[..len].copy_from_slice(&tag[..len]);
    match number % 5 {
        3 => Message::from([tag.to_vec(), body]),
        4 => Message::from([vec![], body, tag.to_vec(), vec![]]),
        _ => Message::from(body),
    }
}

pub(crate) const WIRES: [&str; 2] = ["tcp://127.0.0.1:*", "ipc://*"];

pub(crate) fn plain_server() -> MechanismConfig {
    MechanismConfig::PlainServer(plain::ServerConfig::new())
}

pub(crate) fn refusal(question: &Question, status: zap::Status) -> zap::Answer {
    zap::Answer::Reply(zap::Reply::decision(question.request(), status, "no"))
}

pub(crate) fn failure(side: &Side) -> CloseReason {
    let event = side.wait_event("a failed handshake", |event| {
        matches!(event, Event::HandshakeFailed { .. })
    });
    match event {
        Event::HandshakeFailed { reason, .. } => reason,
        _ => unreachable!("waited for"),
    }
}

/// One end: a socket with at most one link.
pub(crate) struct Side {
    pub(crate) options: Arc<Options>,
    pub(crate) handle: SocketHandle,
    pub(crate) events: EventReceiver,
    link: Option<Link>,
    letters: VecDeque<Letter>,
    mailbox: Option<Mailbox<Letter>>,
    ready: ReadySet,
    /// For those who read the stream themselves.
    input: Option<InputPoll>,
    questions: mpsc::Receiver<Question>,
    asked: VecDeque<Question>,
    pub(crate) reactor: Reactor,
}

/// Leaves questions for the test.
struct Inbox(mpsc::Sender<Question>);

impl Authority for Inbox {
    fn ask(&self, question: Question) {
        // Nobody wants it any more if the test is over.
        let _ = self.0.send(question);
    }
}

/// Two ends that have shaken hands; the mechanism must need no handler.
pub(crate) fn connect(wire: &str, bound: Options, connecting: Options) -> (Side, Side) {
    let mut bound = Side::new(bound);
    let endpoint = bound.bind(wire);
    let mut connecting = Side::new(connecting);
    connecting.connect(&endpoint);
    connecting.await_established();
    bound.await_link();
    (bound, connecting)
}

impl Side {
    pub(crate) fn new(options: Options) -> Self {
        let ready = ReadySet::new();
        let (letters, mailbox) = mailbox(ready.notifier(0));
        let handle = SocketHandle::new(letters, ready.notifier(0));
        let events = handle.monitor(EventKinds::ALL, 10_000).1;
        let (inbox, questions) = mpsc::channel();
        let reactor = Reactor::new(1).unwrap();
        reactor.set_authority(Some(Arc::new(Inbox(inbox))));
        Self {
            options: Arc::new(options),
            handle,
            events,
            link: None,
            letters: VecDeque::new(),
            mailbox: Some(mailbox),
            input: None,
            ready,
            questions,
            asked: VecDeque::new(),
            reactor,
        }
    }

    pub(crate) fn bind(&mut self, endpoint: &str) -> Endpoint {
        let endpoint = endpoint.parse().unwrap();
        let bound = self.reactor.bind(&endpoint, &self.options, &self.handle);
        bound.unwrap().endpoint
    }

    pub(crate) fn connect(&mut self, endpoint: &Endpoint) {
        let connected = self.reactor.connect(endpoint, &self.options, &self.handle);
        self.link = connected.unwrap().1;
    }

    /// For an end that will not get through, and does not care for its link.
    pub(crate) fn connect_only(&self, endpoint: &Endpoint) {
        let connected = self.reactor.connect(endpoint, &self.options, &self.handle);
        // What is queued on a link that is gone counts for nothing.
        drop(connected.unwrap());
    }

    pub(crate) fn link(&self) -> &Link {
        self.link.as_ref().expect("a link")
    }

    pub(crate) fn letter(&mut self, what: &str, wanted: impl Fn(&Letter) -> bool) -> Letter {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.letters.iter().position(&wanted) {
                return self.letters.remove(at).unwrap();
            }
            self.take_letters();
            if !self.letters.iter().any(&wanted) {
                self.wait(deadline, what);
                self.take_letters();
            }
        }
    }

    fn take_letters(&mut self) {
        if let Some(mailbox) = &mut self.mailbox {
            self.letters.extend(mailbox.take());
        }
    }

    fn wait(&mut self, deadline: Instant, what: &str) {
        assert!(self.ready.wait(Some(deadline)), "waited in vain for {what}");
        self.ready.drain(|_, _| {});
    }

    /// Whether the socket has heard of anything since the last call that waited, without reading it.
    pub(crate) fn has_news(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(crate) fn has_letters(&mut self) -> bool {
        self.take_letters();
        self.ready.drain(|_, _| {});
        !self.letters.is_empty()
    }

    /// Whom the ready list names.
    pub(crate) fn signalled(&mut self) -> Vec<u64> {
        let mut tokens = Vec::new();
        self.ready.drain(|token, _| tokens.push(token));
        tokens
    }

    pub(crate) fn question(&mut self) -> Question {
        let asked = self.asked.pop_front();
        asked.unwrap_or_else(|| self.questions.recv_timeout(PATIENCE).expect("a question"))
    }

    /// Whether a handshake has asked something that was not looked at.
    pub(crate) fn has_question(&mut self) -> bool {
        self.asked.extend(self.questions.try_iter());
        !self.asked.is_empty()
    }

    pub(crate) fn await_link(&mut self) {
        match self.letter("a link", |letter| matches!(letter, Letter::Attach(_))) {
            Letter::Attach(mut link) => {
                link.signal_to(&self.handle);
                self.link = Some(*link);
            }
            _ => unreachable!("waited for"),
        }
    }

    pub(crate) fn await_established(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let driver = self.link().driver.clone().unwrap();
        while driver.take_news().peer.is_none() {
            self.wait(deadline, "a handshake");
        }
    }

    /// Puts news together until they are as wanted.
    pub(crate) fn await_news(&mut self, wanted: impl Fn(&News) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let driver = self.link().driver.clone().unwrap();
        let mut news = News::default();
        while !wanted(&news) {
            self.wait(deadline, "news");
            let before = std::mem::replace(&mut news, driver.take_news());
            news.taken = news.taken.or(before.taken);
        }
    }

    pub(crate) fn wait_event(&self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Some(event) if wanted(&event) => return event,
                Some(_) => {}
                None => panic!("waited in vain for {what}"),
            }
        }
    }

    pub(crate) fn send(&mut self, message: Message) {
        self.send_with(message, |_| {});
    }

    /// As an application that streams: it writes its full pipe out itself.
    pub(crate) fn send_actively(&mut self, message: Message) {
        self.send_with(message, |link| {
            link.driver.as_ref().unwrap().write_full();
        });
    }

    fn send_with(&mut self, mut message: Message, when_full: impl Fn(&Link)) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let link = self.link.as_mut().expect("a link");
            if !link.writer.has_room() {
                when_full(link);
            }
            if link.writer.has_room() {
                return link.writer.write_message(&mut message);
            }
            if link.writer.block() {
                self.wait(deadline, "room");
            }
        }
    }

    pub(crate) fn recv(&mut self) -> Message {
        let deadline = Instant::now() + PATIENCE;
        let mut message = Message::new();
        loop {
            let reader = &mut self.link.as_mut().expect("a link").reader;
            if reader.read_message(&mut message) {
                return message;
            }
            assert!(!reader.is_closed(), "the end instead of a message");
            if reader.set_idle() {
                self.wait(deadline, "a message");
            }
        }
    }

    /// As an application that is blocked in a call: it reads the stream itself.
    pub(crate) fn recv_actively(&mut self) -> Message {
        let deadline = Instant::now() + PATIENCE;
        let mut message = Message::new();
        loop {
            let link = self.link.as_mut().expect("a link");
            if link.reader.read_message(&mut message) {
                return message;
            }
            assert!(!link.reader.is_closed(), "the end instead of a message");
            if !link.reader.set_idle() {
                continue;
            }
            let driver = link.driver.as_ref().unwrap();
            let input = self.input.get_or_insert_with(|| {
                let input = InputPoll::new(driver).unwrap();
                input.join(driver);
                input
            });
            assert!(input.begin_wait());
            if !self.ready.register(input.waker()) {
                input.wait(Some(deadline));
                self.ready.unregister();
            }
            input.end_wait();
            while let Some(arrived) = input.pop() {
                driver.read_arrived(arrived.hung_up);
            }
            self.ready.drain(|_, _| {});
            assert!(Instant::now() < deadline, "no message");
        }
    }

    /// The application closes the socket, and does not mind how long that takes.
    pub(crate) fn close(&mut self) {
        self.close_with(None);
    }

    pub(crate) fn close_with(&mut self, linger: Option<Duration>) {
        let link = self.link.take().expect("a link");
        link.driver.as_ref().unwrap().linger(linger);
        drop(link);
    }
}
