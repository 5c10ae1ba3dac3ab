//! Malformed and unusual input to sockets of ours over tcp: the column of sockets in `docs/MALFORMED.md`.
//!
//! REQ and REP are those of zsocket. The other types are connections of ztransport, which is what a
//! pattern stands on: threads, engine, pipes. With `UPDATE_DOCS=1` the test writes the document.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::{Column, Input, Reaction, Report, Setting, connection};
use zinterop::PATIENCE;
use zmtp::{MechanismConfig, Message, SocketType, plain, zap};
use zpipe::{Mailbox, ReadySet};
use zsocket::{Context, Monitor, Rep, Req};
use ztransport::{
    Authority, CloseReason, Event, EventReceiver, Letter, Link, Options, Question, Reactor,
    SocketHandle,
};

/// ZAP that lets everybody in.
struct Everybody;

impl Authority for Everybody {
    fn ask(&self, question: Question) {
        let reply = zap::Reply::success(question.request(), "");
        question.answer(zap::Answer::Reply(reply));
    }
}

#[path = "../../zmtp/tests/malformed/shared/mod.rs"]
mod shared;

// spec: WIRE-8/socket-reactions: over tcp each malformed or unusual input has the effect that docs/MALFORMED.md names
#[test]
fn every_input_has_the_reaction_that_is_documented() {
    let reactor = Reactor::new(1).unwrap();
    reactor.set_authority(Some(Arc::new(Everybody)));
    let context = Context::new();
    let mut report = Report::load();
    for input in &Input::load_all("malformed.txt") {
        let expected = connection::react(input);
        let reaction = match input.socket_type {
            SocketType::Req => req(&context, input, &expected),
            SocketType::Rep => rep(&context, input, &expected),
            _ => End::bind(&reactor, input).react(input, &expected),
        };
        report.set(input, Column::Socket, reaction);
    }
    report.finish(Column::Socket);
}

/// A socket without a pattern.
struct End {
    letters: Mailbox<Letter>,
    events: EventReceiver,
    link: Option<Link>,
    address: String,
    // Its notifiers have to lead somewhere.
    _ready: ReadySet,
}

impl End {
    fn bind(reactor: &Reactor, input: &Input) -> Self {
        let mut options = Options::new(input.socket_type);
        match input.setting {
            Setting::Default => {}
            Setting::PlainServer => {
                options.mechanism = MechanismConfig::PlainServer(plain::ServerConfig::new());
            }
            Setting::ZapDomain => options.zap = Some(zap::Policy::new("d")),
            Setting::MaxFrameSize(size) => options.max_frame_size = Some(size),
        }
        let ready = ReadySet::new();
        let (sender, letters) = zpipe::mailbox(ready.notifier(0));
        let handle = SocketHandle::new(sender, ready.notifier(0));
        let (_, events) = handle.monitor(ztransport::EventKinds::ALL, 64);
        let endpoint = "tcp://127.0.0.1:*".parse().unwrap();
        let bound = reactor
            .bind(&endpoint, &Arc::new(options), &handle)
            .unwrap();
        Self {
            letters,
            events,
            link: None,
            address: bound.endpoint.to_string(),
            _ready: ready,
        }
    }

    fn react(mut self, input: &Input, expected: &Reaction) -> Reaction {
        let mut peer = Peer::connect(&self.address, input);
        let mut reaction = Reaction {
            reply: peer.try_on(input, expected, || self.open_letters()),
            ..Reaction::default()
        };
        let next = || self.events.recv_timeout(PATIENCE);
        note_end(&mut reaction, next);
        self.open_letters();
        if let Some(link) = &mut self.link {
            let mut message = Message::new();
            if link.reader.read_message(&mut message) {
                let mut frames = connection::frames(&message);
                if input.socket_type == SocketType::Router {
                    let peer = link.peer.as_ref().unwrap();
                    frames.insert(0, peer.identity.to_vec());
                }
                reaction.delivered = Some(frames);
            }
            assert!(!link.reader.read_message(&mut message), "{}", input.key());
        }
        reaction
    }

    /// Does what a socket would do with its letters.
    fn open_letters(&mut self) {
        for letter in self.letters.take() {
            match letter {
                Letter::Attach(link) => self.link = Some(*link),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn req(context: &Context, input: &Input, expected: &Reaction) -> Reaction {
    let req = context.socket::<Req>().unwrap();
    let monitor = req.monitor();
    let address = req.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let mut peer = Peer::connect(&address, input);
    req.send("request").unwrap();
    peer.hear(b"\x01\0\0\x07request");
    let mut reaction = Reaction {
        reply: peer.try_on(input, expected, || ()),
        ..Reaction::default()
    };
    note_end(&mut reaction, || end(&monitor));
    reaction.delivered = req.try_recv().ok().map(|reply| connection::frames(&reply));
    assert_eq!(req.stats().dropped.unexpected, 1);
    reaction
}

fn rep(context: &Context, input: &Input, expected: &Reaction) -> Reaction {
    let rep = context.socket::<Rep>().unwrap();
    let monitor = rep.monitor();
    let address = rep.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let mut peer = Peer::connect(&address, input);
    let mut reaction = Reaction {
        reply: peer.try_on(input, expected, || ()),
        ..Reaction::default()
    };
    note_end(&mut reaction, || end(&monitor));
    let request = rep.try_recv().ok();
    reaction.delivered = request.map(|request| connection::frames(&request));
    assert_eq!(rep.stats().dropped.unexpected, 1);
    reaction
}

fn end(monitor: &Monitor) -> Option<Event> {
    monitor.recv_timeout(PATIENCE)
}

/// Takes the events of the one connection, to its end. It is open if the peer ended it.
fn note_end(reaction: &mut Reaction, mut next: impl FnMut() -> Option<Event>) {
    let reason = loop {
        match next().expect("the connection ends in time") {
            Event::HandshakeSucceeded { .. } => reaction.succeed(),
            Event::HandshakeFailed { reason, .. } | Event::Disconnected { reason, .. } => {
                break reason;
            }
            _ => {}
        }
    };
    match reason {
        CloseReason::PeerClosed => reaction.is_open = true,
        CloseReason::Protocol(error) => reaction.fail(&error),
        other => reaction.cause = Some(other.to_string()),
    }
}

/// The other end.
struct Peer(TcpStream);

impl Peer {
    /// Connects, and says and hears all that comes before the input.
    fn connect(endpoint: &str, input: &Input) -> Self {
        let stream = TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut peer = Self(stream);
        peer.0.write_all(&input.prelude()).unwrap();
        peer.hear(&connection::prelude(input));
        peer
    }

    fn hear(&mut self, expected: &[u8]) {
        let mut heard = vec![0; expected.len()];
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
        self.0.read_exact(&mut heard).unwrap();
        assert_eq!(heard, expected);
    }

    /// Sends the input and returns the reply, once the connection is closed. The socket closes it where
    /// the expected reaction says so. Where it is to stay open, this end closes it, when it has got the
    /// reply: the socket then has taken the input, and reports that the peer has closed.
    fn try_on(&mut self, input: &Input, expected: &Reaction, mut work: impl FnMut()) -> Vec<u8> {
        self.0.write_all(&input.bytes).unwrap();
        self.0
            .set_read_timeout(Some(Duration::from_millis(5)))
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        let mut is_closing = false;
        let mut reply = Vec::new();
        let mut buffer = [0; 1024];
        loop {
            if expected.is_open && !is_closing && reply.len() >= expected.reply.len() {
                is_closing = true;
                self.0.shutdown(Shutdown::Write).unwrap();
            }
            work();
            match self.0.read(&mut buffer) {
                Ok(0) => return reply,
                Ok(len) => reply.extend_from_slice(&buffer[..len]),
                // It closed before it had read all.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return reply,
                Err(error) if is_timeout(error.kind()) => {}
                Err(error) => panic!("{error}"),
            }
            assert!(
                Instant::now() < deadline,
                "{}: not closed; said {reply:x?}",
                input.key()
            );
        }
    }
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
