//! Names with several addresses, some of which are not what they should be.

use std::{io::Write, net::TcpListener, sync::mpsc, thread, time::Instant};

use zmtp::{Message, SocketType};
use zpipe::ReadySet;

use super::*;
use crate::{Event, Letter, Options, Reactor, SocketHandle};

/// Never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

struct Socket {
    ready: ReadySet,
    mailbox: zpipe::Mailbox<Letter>,
    handle: SocketHandle,
}

impl Socket {
    fn new() -> Self {
        let ready = ReadySet::new();
        let (letters, mailbox) = zpipe::mailbox(ready.notifier(0));
        let handle = SocketHandle::new(letters, ready.notifier(0));
        Self {
            ready,
            mailbox,
            handle,
        }
    }

    /// Waits for a link, and for a message on it.
    fn receive(&mut self) -> Message {
        let deadline = Instant::now() + PATIENCE;
        let mut links = Vec::new();
        let mut message = Message::new();
        loop {
            for letter in self.mailbox.take() {
                if let Letter::Attach(mut link) = letter {
                    link.signal_to(&self.handle);
                    links.push(link);
                }
            }
            for link in &mut links {
                // What comes between a look and the wish for a signal is not signalled.
                if link.reader.read_message(&mut message)
                    || !link.reader.set_idle() && link.reader.read_message(&mut message)
                {
                    return message;
                }
            }
            assert!(self.ready.wait(Some(deadline)), "no message");
            self.ready.drain(|_, _| ());
        }
    }
}

/// Something that is not a peer, and tells when somebody has come.
fn impostor() -> (SocketAddr, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (came, visits) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever has gone does not matter.
            let _ = stream
                .unwrap()
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            if came.send(()).is_err() {
                return;
            }
        }
    });
    (address, visits)
}

fn options(socket_type: SocketType) -> Options {
    let mut options = Options::new(socket_type);
    options.reconnect_interval = Some(Duration::from_millis(1));
    options
}

/// A name server that knows these addresses of every name.
fn resolver(addresses: &[SocketAddr]) -> Resolver {
    let addresses = addresses.to_vec();
    Resolver::new(move |_| {
        Ok(Resolved {
            addresses: addresses.clone(),
            source: None,
        })
    })
}

fn bind(reactor: &Reactor, at: &str, socket: &Socket) -> SocketAddr {
    let endpoint = format!("tcp://{at}").parse().unwrap();
    let options = Arc::new(options(SocketType::Pull));
    let bound = reactor.bind(&endpoint, &options, &socket.handle).unwrap();
    let text = bound.endpoint.to_string();
    text.trim_start_matches("tcp://").parse().unwrap()
}

/// Connects to the name and sends a message as soon as there is a link.
fn push(reactor: &Reactor, options: Options, socket: &mut Socket) {
    let endpoint = "tcp://name.invalid:1".parse().unwrap();
    let options = Arc::new(options);
    let (_, link) = reactor
        .connect(&endpoint, &options, &socket.handle)
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut link = link.map(Box::new);
    while link.is_none() {
        for letter in socket.mailbox.take() {
            if let Letter::Attach(attached) = letter {
                link = Some(attached);
            }
        }
        assert!(
            link.is_some() || socket.ready.wait(Some(deadline)),
            "no link"
        );
        socket.ready.drain(|_, _| ());
    }
    let mut link = link.unwrap();
    link.writer
        .write_message(&mut Message::from("to the right one"));
    link.driver.as_ref().unwrap().linger(None);
}

#[test]
fn the_other_addresses_are_tried_when_something_else_answers() {
    let reactor = Reactor::new(1).unwrap();
    let intervals = [Some(Duration::from_secs(3600)), None];
    for (interval, immediate) in intervals.into_iter().flat_map(|i| [(i, false), (i, true)]) {
        let mut pull = Socket::new();
        let right = bind(&reactor, "127.0.0.1:*", &pull);
        let impostors = [impostor(), impostor()];
        let names = resolver(&[impostors[0].0, impostors[1].0, right]);
        let connecting = Reactor::with_resolver(1, &names).unwrap();
        let mut options = options(SocketType::Push);
        // All of them in one round.
        options.reconnect_interval = interval;
        options.immediate = immediate;
        push(&connecting, options, &mut Socket::new());
        assert_eq!(pull.receive()[0], "to the right one");
        for (_, visits) in &impostors {
            visits.recv_timeout(PATIENCE).unwrap();
            assert!(visits.try_recv().is_err(), "tried twice");
        }
    }
}

/// A listener whose queue is full, so that whoever connects hears nothing, and what it is full of.
struct Silent {
    address: SocketAddr,
    _full: (socket2::Socket, Vec<socket2::Socket>),
}

fn silent() -> Silent {
    use socket2::{Domain, Socket, Type};
    let make = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let listener = make();
    let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
    listener.bind(&anywhere.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    loop {
        let socket = make();
        // Who is let into the queue is so at once. Twice nobody was: it is full, whoever else comes.
        let connected = socket.connect_timeout(&address, Duration::from_millis(100));
        let is_full = connected.is_err();
        waiting.push(socket);
        if is_full {
            break;
        }
        assert!(waiting.len() < 100, "the queue has no end");
    }
    Silent {
        address: address.as_socket().unwrap(),
        _full: (listener, waiting),
    }
}

#[test]
fn an_address_that_does_not_answer_holds_the_next_one_up_for_a_moment_only() {
    let reactor = Reactor::new(1).unwrap();
    let mut pull = Socket::new();
    let right = bind(&reactor, "127.0.0.1:*", &pull);
    let silent = [silent(), silent()];
    let names = resolver(&[silent[0].address, silent[1].address, right]);
    let connecting = Reactor::with_resolver(1, &names).unwrap();
    // One round only, in which the system would wait for minutes.
    let mut options = options(SocketType::Push);
    options.reconnect_interval = Some(Duration::from_secs(3600));
    let begun = Instant::now();
    push(&connecting, options, &mut Socket::new());
    assert_eq!(pull.receive()[0], "to the right one");
    assert!(begun.elapsed() >= 2 * crate::race::STAGGER, "all at once");
}

#[test]
fn with_little_time_for_all_addresses_each_has_its_turn() {
    let reactor = Reactor::new(1).unwrap();
    let mut pull = Socket::new();
    let right = bind(&reactor, "127.0.0.1:*", &pull);
    let silent = [silent(), silent()];
    let names = resolver(&[silent[0].address, silent[1].address, right]);
    let connecting = Reactor::with_resolver(1, &names).unwrap();
    let mut options = options(SocketType::Push);
    // Less than an address has before the next one, with time enough for all.
    options.connect_timeout = Some(crate::race::STAGGER - Duration::from_millis(10));
    push(&connecting, options, &mut Socket::new());
    assert_eq!(pull.receive()[0], "to the right one");
}

#[test]
fn the_time_to_connect_is_that_of_all_addresses_together() {
    let silent = [silent(), silent()];
    let names = resolver(&[silent[0].address, silent[1].address]);
    let connecting = Reactor::with_resolver(1, &names).unwrap();
    let mut options = options(SocketType::Push);
    options.reconnect_interval = Some(Duration::from_secs(3600));
    options.connect_timeout = Some(Duration::from_millis(400));
    let socket = Socket::new();
    let monitor = socket.handle.monitor(crate::EventKinds::ALL, 100).1;
    let endpoint = "tcp://name.invalid:1".parse().unwrap();
    let begun = Instant::now();
    let connected = connecting.connect(&endpoint, &Arc::new(options), &socket.handle);
    let _link = connected.unwrap();
    let mut events = Vec::new();
    while events.len() < 3 {
        assert!(begun.elapsed() < PATIENCE, "{events:?}");
        events.extend(monitor.try_recv());
        thread::yield_now();
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(400), "{took:?}");
    assert!(
        matches!(&events[0], Event::ConnectDelayed { .. }),
        "{events:?}"
    );
    assert!(
        matches!(&events[1], Event::ConnectFailed { reason, .. } if reason.contains("timed out")),
        "{events:?}"
    );
    assert!(
        matches!(events[2], Event::ConnectRetried { .. }),
        "{events:?}"
    );
}

#[test]
fn a_name_is_looked_up_again_before_each_round() {
    let reactor = Reactor::new(1).unwrap();
    let mut pull = Socket::new();
    let right = bind(&reactor, "127.0.0.1:*", &pull);
    let holder = TcpListener::bind("127.0.0.81:0").unwrap();
    let wrong = holder.local_addr().unwrap();
    drop(holder);
    let asked = zpipe::Counter::default();
    let asked = Arc::new(asked);
    let counted = Arc::clone(&asked);
    let names = Resolver::new(move |_| {
        counted.add(1);
        let address = if counted.value() < 4 { wrong } else { right };
        Ok(Resolved {
            addresses: vec![address],
            source: None,
        })
    });
    let connecting = Reactor::with_resolver(1, &names).unwrap();
    push(&connecting, options(SocketType::Push), &mut Socket::new());
    assert_eq!(pull.receive()[0], "to the right one");
    assert_eq!(asked.value(), 4);
}

#[test]
fn all_addresses_are_tried_again_and_again() {
    let reactor = Reactor::new(1).unwrap();
    // No other test uses this address, so none takes the port in between.
    let holder = TcpListener::bind("127.0.0.79:0").unwrap();
    let late = holder.local_addr().unwrap();
    drop(holder);
    let (wrong, visits) = impostor();
    let names = resolver(&[late, wrong]);
    let connecting = Reactor::with_resolver(1, &names).unwrap();
    push(&connecting, options(SocketType::Push), &mut Socket::new());
    for _ in 0..3 {
        visits.recv_timeout(PATIENCE).unwrap();
    }
    let mut pull = Socket::new();
    assert_eq!(bind(&reactor, &late.to_string(), &pull), late);
    assert_eq!(pull.receive()[0], "to the right one");
}
