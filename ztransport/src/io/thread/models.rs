//! The real I/O thread, connection and engine against an application, in every order.
//!
//! The model takes the I/O thread's turns itself, a few while the application does something and the others
//! after that. Loom does not see what system calls order, so a turn never waits. What is left in a slot and
//! signalled to nobody shows as something that never arrives.

use std::{
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    sync::Arc,
};

use loom::thread;
use zmtp::{Handshake, HandshakeConfig, Message, SocketType, zap};

use super::*;
use crate::{
    connection::Connection,
    engine::{Engine, Pipes, make_pipes},
    event::SocketHandle,
    ids::next_id,
    inputs::InputPoll,
    link::{Driver, Link},
    net::Stream,
    options::Options,
    parts::{Parts, Slots},
};

/// Runs `f` in every order, with at most `LOOM_MAX_PREEMPTIONS` (3) preemptions.
fn model(f: fn()) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.max_branches = 20_000;
    builder.check(move || spawn(f).join().unwrap());
}

/// Starts a thread with room for an engine's calls on its stack, which loom's usual ones lack.
fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    const STACK_WORDS: usize = 1 << 16;
    let builder = thread::Builder::new().stack_size(STACK_WORDS);
    builder.spawn(f).unwrap()
}

struct World {
    thread: IoThread,
    turn: Turn,
    remote: Remote,
    /// Of the socket.
    ready: ReadySet,
    mailbox: Mailbox<Letter>,
    handle: SocketHandle,
}

impl World {
    fn new() -> Self {
        let nobody = Resolver::new(|_| Err(ErrorKind::NotFound.into()));
        let (thread, remote) = IoThread::new(Arc::default(), nobody).unwrap();
        let ready = ReadySet::new();
        let (letters, mailbox) = zpipe::mailbox(ready.notifier(0));
        let handle = SocketHandle::new(letters, ready.notifier(0));
        Self {
            turn: Turn::new(&thread.poll),
            thread,
            remote,
            ready,
            mailbox,
            handle,
        }
    }

    fn parts(&self, options: Options, outgoing: bool) -> Parts {
        let id = next_id();
        Parts {
            id,
            handle: self.handle.clone(),
            options: Arc::new(options),
            endpoint: "ipc:///nowhere".parse().unwrap(),
            outgoing,
            io: self.remote.io.sibling(id),
            registry: self.remote.registry.clone(),
            slots: Slots::default(),
        }
    }

    /// A connection that the socket has a link of, and that has no stream yet.
    fn connecting(&mut self, options: Options) -> Link {
        let parts = self.parts(options, true);
        let id = parts.id;
        let (pipes, ends) = make_pipes(&parts, Some(self.handle.notifier(id)));
        let connection = self.serve(parts, Some(pipes));
        Link::new(&connection, id, ends, None)
    }

    fn serve(&mut self, parts: Parts, pipes: Option<Pipes>) -> Arc<Connection> {
        let commands = self.remote.commands.clone();
        let connection =
            Connection::new(parts, commands, |parts| Engine::new(&parts.options, pipes));
        let session = Session::outgoing(Arc::clone(&connection), self.remote.take_place());
        self.thread.live.add(&connection);
        self.thread.sessions.insert(connection.id, session);
        connection
    }

    /// The operating system has connected.
    fn run(&mut self, key: u64, stream: Stream) {
        let registry = &self.thread.registry;
        let action = self
            .thread
            .sessions
            .get_mut(&key)
            .unwrap()
            .run(stream, registry);
        self.thread.act(key, action);
        self.thread.take_outcomes(key);
    }

    /// One turn of the I/O thread, for which something has happened or nothing.
    fn turn(&mut self) {
        self.thread.wait(&mut self.turn, Some(Instant::now()));
        self.thread.work(&mut self.turn, || true);
    }

    /// Turns until nothing happens any more, and the ticks that were asked for.
    fn settle(&mut self) {
        for _ in 0..12 {
            self.turn();
            self.tick();
        }
    }

    /// Time for the ticks goes by, and not for what takes longer.
    fn tick(&mut self) {
        self.thread.fire(timers::now() + Duration::from_millis(5));
    }

    /// The link in the mailbox.
    fn accepted(&mut self) -> Link {
        let Some(Letter::Attach(mut link)) = self.mailbox.take().pop_front() else {
            panic!("no link");
        };
        link.signal_to(&self.handle);
        *link
    }
}

/// The other end of a stream, which says all of its handshake at once.
struct Peer(UnixStream);

impl Peer {
    fn new(socket_type: SocketType) -> (Stream, Self) {
        let (stream, mut peer) = Stream::pair().unwrap();
        // What it says does not depend on what it hears, so anybody of a fitting type will do for that.
        let other = match socket_type {
            SocketType::Push => SocketType::Pull,
            _ => SocketType::Push,
        };
        let mut own = Handshake::new(HandshakeConfig::new(socket_type));
        let mut other = Handshake::new(HandshakeConfig::new(other));
        while !(own.is_complete() && own.transmit().is_empty()) {
            let said = own.transmit().to_vec();
            own.advance_transmit(said.len());
            peer.write_all(&said).unwrap();
            let mut heard = 0;
            while heard < said.len() {
                heard += other.handle_input(&said[heard..]).unwrap();
            }
            let said = other.transmit().to_vec();
            other.advance_transmit(said.len());
            let mut heard = 0;
            while heard < said.len() {
                heard += own.handle_input(&said[heard..]).unwrap();
            }
        }
        (stream, Self(peer))
    }

    /// Everything that has come.
    fn heard(&mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        let error = self.0.read_to_end(&mut heard).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        heard
    }
}

fn driver(link: &Link) -> &Driver {
    link.driver.as_ref().unwrap()
}

fn send(link: &mut Link, body: &str) {
    link.writer.append_message(&mut Message::from(body));
    link.writer.commit();
}

/// What the application leaves in a connection's slots, its poll for input, while the I/O thread leaves a stream
/// there.
#[test]
fn what_lies_in_a_slot_is_found_by_whoever_has_the_engine() {
    model(|| {
        let mut world = World::new();
        let link = world.connecting(Options::new(SocketType::Pull));
        let (stream, mut peer) = Peer::new(SocketType::Push);
        let application = spawn(move || {
            let input = InputPoll::new(driver(&link)).unwrap();
            // With these it is more than a thread that drives handles before it leaves the rest to others.
            driver(&link).read();
            driver(&link).write();
            input.join(driver(&link));
            (link, input)
        });
        let key = *world.thread.sessions.keys().next().unwrap();
        world.run(key, stream);
        world.turn();
        let (mut link, mut input) = application.join().unwrap();
        world.settle();
        assert_eq!(world.handle.counters().established.value(), 1);
        assert!(input.begin_wait());
        input.look();
        while input.pop().is_some() {}
        // It is the application that hears of input now.
        peer.0.write_all(b"\x00\x02hi").unwrap();
        assert!(input.look(), "the stream has not joined");
        input.end_wait();
        driver(&link).read_arrived(false);
        assert_eq!(link.reader.next_frame().unwrap().body.as_slice(), b"hi");
    });
}

/// An application that fills the pipe again and again drives the engine itself, and the I/O thread looks in at
/// times. When the application stops, nothing is left behind.
#[test]
fn what_an_application_leaves_in_the_pipe_is_sent() {
    model(|| {
        let mut world = World::new();
        let mut link = world.connecting(Options::new(SocketType::Push));
        let (stream, mut peer) = Peer::new(SocketType::Pull);
        world.run(link.id, stream);
        world.settle();
        peer.heard();
        let application = spawn(move || {
            send(&mut link, "1");
            driver(&link).write_full();
            send(&mut link, "2");
            link
        });
        world.turn();
        world.tick();
        let mut link = application.join().unwrap();
        world.turn();
        world.tick();
        send(&mut link, "3");
        world.settle();
        assert_eq!(peer.heard(), b"\x00\x011\x00\x012\x00\x013");
    });
}

/// A ZAP handler answers on a thread of its own.
#[test]
fn an_answer_reaches_the_handshake_that_asked() {
    model(|| {
        let mut world = World::new();
        let mut options = Options::new(SocketType::Pull);
        options.zap = Some(zap::Policy::new("global"));
        let parts = world.parts(options, false);
        let connection = world.serve(parts, None);
        let (stream, _peer) = Peer::new(SocketType::Push);
        world.run(connection.id, stream);
        let handler = world.thread.mailbox.take().into_iter().find_map(|command| {
            let Command::Ask(question) = command else {
                return None;
            };
            Some(spawn(move || {
                let reply = zap::Reply::success(question.request(), "");
                question.answer(Answer::Reply(reply));
            }))
        });
        world.turn();
        handler.expect("somebody is asked").join().unwrap();
        world.settle();
        assert_eq!(world.handle.counters().established.value(), 1);
        drop(world.accepted());
    });
}

/// The connection of a link breaks while the socket looks for news.
#[test]
fn a_socket_hears_that_a_connection_broke() {
    model(|| {
        let mut world = World::new();
        let link = world.connecting(Options::new(SocketType::Push));
        let (stream, peer) = Peer::new(SocketType::Pull);
        world.run(link.id, stream);
        world.settle();
        drop(peer);
        let mut ready = world.ready;
        let application = spawn(move || {
            // The news of the beginning, and maybe already that of the end.
            let mut broke = false;
            while !broke {
                ready.wait(None);
                let mut told = false;
                ready.drain(|_, what| told |= what.contains(Readiness::MAIL));
                broke = told && driver(&link).take_news().taken.is_some();
            }
            (link, ready)
        });
        world.thread.wait(&mut world.turn, Some(Instant::now()));
        world.thread.work(&mut world.turn, || true);
        application.join().unwrap();
    });
}

/// The I/O thread ends while an application begins to wait for input, sends, and lets go.
#[test]
fn an_io_thread_may_go_at_any_time() {
    model(|| {
        let mut world = World::new();
        let mut link = world.connecting(Options::new(SocketType::Push));
        let (stream, _peer) = Peer::new(SocketType::Pull);
        world.run(link.id, stream);
        let application = spawn(move || {
            let input = InputPoll::new(driver(&link)).unwrap();
            input.join(driver(&link));
            send(&mut link, "1");
            driver(&link).write();
            (link, input)
        });
        let live = Arc::clone(&world.thread.live);
        drop(world.thread);
        let (mut link, _input) = application.join().unwrap();
        assert!(link.writer.is_closed() && link.reader.is_closed());
        driver(&link).linger(None);
        assert!(live.wait_empty(Some(Instant::now())));
    });
}
