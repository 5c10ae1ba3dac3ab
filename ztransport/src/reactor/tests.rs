//! Panics of this library itself: what they cost, and who hears of it.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
};

use zmtp::SocketType;
use zpipe::{Mailbox, ReadySet, mailbox};

use super::*;
use crate::{
    event::{CloseReason, Event, Letter},
    signals::Events,
};

const DEADLINE: Duration = Duration::from_secs(10);

/// A socket without the layer above.
struct Socket {
    handle: SocketHandle,
    options: Arc<Options>,
    ready: ReadySet,
    mailbox: Mailbox<Letter>,
}

impl Socket {
    fn new(socket_type: SocketType) -> Self {
        let ready = ReadySet::new();
        let (letters, mailbox) = mailbox(ready.notifier(0));
        Self {
            handle: SocketHandle::new(letters, ready.notifier(0)),
            options: Arc::new(Options::new(socket_type)),
            ready,
            mailbox,
        }
    }

    /// Waits for a letter of which this makes something.
    fn await_letter<T>(&mut self, mut wanted: impl FnMut(Letter) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let found = self.mailbox.take().into_iter().find_map(&mut wanted);
            if let Some(found) = found {
                return found;
            }
            assert!(self.ready.wait(Some(deadline)), "no letter");
            self.ready.drain(|_, _| {});
        }
    }

    fn await_link(&mut self) -> Link {
        let mut link = self.await_letter(|letter| match letter {
            Letter::Attach(link) => Some(*link),
            _ => None,
        });
        link.signal_to(&self.handle);
        link
    }

    fn await_lost(&mut self) {
        self.await_letter(|letter| matches!(letter, Letter::IoThreadLost).then_some(()));
    }
}

fn bound(reactor: &Reactor, socket: &Socket) -> Endpoint {
    let anywhere = "tcp://127.0.0.1:*".parse().unwrap();
    let bound = reactor.bind(&anywhere, &socket.options, &socket.handle);
    bound.unwrap().endpoint
}

fn tell(reactor: &Reactor, command: Command) {
    assert!(reactor.threads[0].remote.commands.post(command).is_ok());
}

/// A PUSH by hand, after its handshake.
fn push(endpoint: &Endpoint) -> TcpStream {
    let mut peer = TcpStream::connect(endpoint.to_string().replace("tcp://", "")).unwrap();
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut push = zmtp::Handshake::new(zmtp::HandshakeConfig::new(SocketType::Push));
    let mut buffer = [0; 256];
    while !push.is_complete() {
        peer.write_all(push.transmit()).unwrap();
        push.advance_transmit(push.transmit().len());
        let read = peer.read(&mut buffer).unwrap();
        assert_ne!(read, 0);
        push.handle_input(&buffer[..read]).unwrap();
    }
    peer.write_all(push.transmit()).unwrap();
    peer
}

fn expect_close(mut peer: TcpStream) {
    match peer.read(&mut [0; 16]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("not closed: {other:?}"),
    }
}

#[test]
fn a_panic_costs_the_connection_alone_and_is_reported() {
    // Of the engine, on a thread of the application; and of what the I/O thread does around it.
    for in_engine in [true, false] {
        let reactor = Reactor::new(1).unwrap();
        let mut pull = Socket::new(SocketType::Pull);
        let monitor = pull.handle.monitor(crate::EventKinds::ALL, 100).1;
        let endpoint = bound(&reactor, &pull);
        let peer = push(&endpoint);
        let mut link = pull.await_link();
        let connection = Arc::clone(&link.driver.as_ref().unwrap().connection);
        if in_engine {
            connection.drive(Events::TEST_PANIC);
        } else {
            tell(&reactor, Command::TestPanic(link.id));
        }
        expect_close(peer);
        while !link.writer.is_closed() {
            assert!(pull.ready.wait(Some(Instant::now() + DEADLINE)));
            pull.ready.drain(|_, _| {});
        }
        assert!(link.reader.is_closed());
        let counters = pull.handle.counters();
        assert_eq!(counters.closed_panicked.value(), 1);
        assert_eq!(counters.open.value(), 0);
        // It stays so, and the thread is well.
        connection.drive(Events::READ | Events::WRITE);
        let mut another = push(&endpoint);
        let mut link = pull.await_link();
        another.write_all(b"\x00\x02hi").unwrap();
        while link.reader.set_idle() {
            assert!(pull.ready.wait(Some(Instant::now() + DEADLINE)));
            pull.ready.drain(|_, _| {});
        }
        assert_eq!(link.reader.next_frame().unwrap().body.as_slice(), b"hi");
        let mut events = std::iter::from_fn(|| monitor.try_recv());
        assert!(events.any(|event| matches!(
            event,
            Event::Disconnected {
                reason: CloseReason::Panicked,
                ..
            }
        )));
        drop((link, another));
    }
}

#[test]
fn a_panic_over_a_listener_lets_it_go_on() {
    let reactor = Reactor::new(1).unwrap();
    let mut pull = Socket::new(SocketType::Pull);
    let anywhere = "tcp://127.0.0.1:*".parse().unwrap();
    let bound = reactor
        .bind(&anywhere, &pull.options, &pull.handle)
        .unwrap();
    tell(&reactor, Command::TestPanic(bound.id));
    let _peer = push(&bound.endpoint);
    pull.await_link();
    assert_eq!(pull.handle.counters().accept_paused.value(), 1);
}

#[test]
fn a_thread_that_dies_is_reported_and_nobody_waits_for_it() {
    let reactor = Reactor::new(1).unwrap();
    let mut pull = Socket::new(SocketType::Pull);
    let endpoint = bound(&reactor, &pull);
    let mut push = Socket::new(SocketType::Push);
    let connected = reactor.connect(&endpoint, &push.options, &push.handle);
    let link = connected.unwrap().1.unwrap();
    pull.await_link();
    tell(&reactor, Command::TestDeath);
    pull.await_lost();
    push.await_lost();
    assert!(link.writer.is_closed());
    let again = reactor.connect(&endpoint, &push.options, &push.handle);
    assert!(matches!(again, Err(Error::IoThreadLost)));
    let again = reactor.bind(&endpoint, &pull.options, &pull.handle);
    assert!(matches!(again, Err(Error::IoThreadLost)));
    assert!(reactor.wait_idle(Some(Instant::now() + DEADLINE)));
    assert!(reactor.holding().is_empty());
}

/// What dies is what dispatches, and that goes on.
#[test]
fn a_thread_that_dies_in_a_foreign_loop_is_reported_too() {
    let reactor = Reactor::new(1).unwrap();
    let leader = reactor.lead().unwrap();
    let mut pull = Socket::new(SocketType::Pull);
    let _endpoint = bound(&reactor, &pull);
    tell(&reactor, Command::TestDeath);
    let deadline = Instant::now() + DEADLINE;
    let ended = loop {
        if let Err(ended) = leader.dispatch(64) {
            break ended;
        }
        assert!(Instant::now() < deadline, "not told");
    };
    assert_eq!(ended, crate::Ended::Lost);
    pull.await_lost();
    assert!(matches!(reactor.lead(), Err(Error::Led)));
    drop(leader);
    assert!(matches!(reactor.lead(), Err(Error::IoThreadLost)));
    assert!(reactor.wait_idle(Some(Instant::now() + DEADLINE)));
}
