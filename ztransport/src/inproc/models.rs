//! Sockets that bind, connect and go at the same time, in every order.

use loom::thread;
use zmtp::{Message, SocketType};
use zpipe::{Mailbox, ReadySet};

use super::*;

/// A socket as far as inproc knows it.
struct Socket {
    ready: ReadySet,
    mailbox: Mailbox<Letter>,
    handle: SocketHandle,
    options: Arc<Options>,
}

impl Socket {
    fn new(socket_type: SocketType) -> Self {
        let ready = ReadySet::new();
        let (letters, mailbox) = zpipe::mailbox(ready.notifier(0));
        let handle = SocketHandle::new(letters, ready.notifier(0));
        Self {
            ready,
            mailbox,
            handle,
            options: Arc::new(Options::new(socket_type)),
        }
    }

    fn bind(&self, inproc: &Inproc) -> u64 {
        let key = next_id();
        assert!(inproc.bind(key, &name(), &self.options, &self.handle));
        key
    }

    fn connect(&self, inproc: &Inproc) -> Link {
        inproc
            .connect(next_id(), &name(), &self.options, &self.handle)
            .unwrap()
    }

    /// Waits for a link.
    fn attached(&mut self) -> Link {
        loop {
            if let Some(Letter::Attach(mut link)) = self.mailbox.take().pop_front() {
                link.signal_to(&self.handle);
                return *link;
            }
            self.ready.wait(None);
            self.ready.drain(|_, _| ());
        }
    }

    /// Waits for a message.
    fn receive(&mut self, link: &mut Link) -> Message {
        let mut message = Message::new();
        while !link.reader.read_message(&mut message) {
            assert!(!link.reader.is_closed());
            if link.reader.set_idle() {
                self.ready.wait(None);
                self.ready.drain(|_, _| ());
            }
        }
        message
    }
}

fn name() -> InprocName {
    let Ok(Endpoint::Inproc(name)) = "inproc://name".parse() else {
        panic!("not inproc");
    };
    name
}

impl Inproc {
    /// Whether nobody has a name or waits for one.
    fn is_unused(&self) -> bool {
        let names = self.names.lock();
        let bound = names.bound.is_empty() && names.name_of.is_empty();
        bound && names.waiting.is_empty() && names.awaited.is_empty()
    }
}

#[test]
fn a_message_reaches_whoever_binds_before_or_after() {
    loom::model(|| {
        let inproc = Arc::new(Inproc::default());
        let names = Arc::clone(&inproc);
        let sender = thread::spawn(move || {
            let push = Socket::new(SocketType::Push);
            let mut link = push.connect(&names);
            link.writer.append_message(&mut Message::from("hi"));
            link.writer.commit();
            (push, link)
        });
        let mut pull = Socket::new(SocketType::Pull);
        pull.bind(&inproc);
        let mut link = pull.attached();
        assert_eq!(pull.receive(&mut link)[0], "hi");
        sender.join().unwrap();
    });
}

/// It must not lie in the mailbox of a socket that nobody calls.
#[test]
fn a_connector_that_goes_takes_its_letter_back() {
    a_connector_goes_and_leaves_nothing(|| Socket::new(SocketType::Pull));
}

fn a_connector_goes_and_leaves_nothing(binder: impl Fn() -> Socket + Sync + Send + 'static) {
    loom::model(move || {
        let inproc = Arc::new(Inproc::default());
        let names = Arc::clone(&inproc);
        let connector = thread::spawn(move || {
            let push = Socket::new(SocketType::Push);
            let link = push.connect(&names);
            let id = link.id;
            drop(link);
            names.forget(id);
        });
        let mut pull = binder();
        let key = pull.bind(&inproc);
        connector.join().unwrap();
        assert!(pull.mailbox.take().is_empty());
        inproc.unbind(key);
        assert!(inproc.is_unused());
    });
}

#[test]
fn a_name_that_is_freed_and_taken_again_loses_nobody() {
    loom::model(|| {
        let inproc = Arc::new(Inproc::default());
        let mut first = Socket::new(SocketType::Pull);
        let key = first.bind(&inproc);
        let names = Arc::clone(&inproc);
        let connector = thread::spawn(move || {
            let push = Socket::new(SocketType::Push);
            let link = push.connect(&names);
            (push, link)
        });
        inproc.unbind(key);
        let mut second = Socket::new(SocketType::Pull);
        let key = second.bind(&inproc);
        let (_push, link) = connector.join().unwrap();
        let attached = first.mailbox.take().len() + second.mailbox.take().len();
        assert_eq!(attached, 1);
        drop(link);
        inproc.unbind(key);
        assert!(inproc.is_unused());
    });
}

/// Of two that bind one name, one gets it, and with it whoever connects.
#[test]
fn two_that_bind_one_name() {
    loom::model(|| {
        let inproc = Arc::new(Inproc::default());
        let names = Arc::clone(&inproc);
        let other = thread::spawn(move || {
            let rep = Socket::new(SocketType::Rep);
            let bound = names.bind(next_id(), &name(), &rep.options, &rep.handle);
            (bound, rep)
        });
        let req = Socket::new(SocketType::Req);
        let link = req.connect(&inproc);
        let mut rep = Socket::new(SocketType::Rep);
        let bound = inproc.bind(next_id(), &name(), &rep.options, &rep.handle);
        let (other_bound, mut other) = other.join().unwrap();
        assert!(bound != other_bound);
        let letters = [rep.mailbox.take().len(), other.mailbox.take().len()];
        assert_eq!(letters, [usize::from(bound), usize::from(other_bound)]);
        drop(link);
    });
}

impl Socket {
    fn conflating(socket_type: SocketType) -> Self {
        let mut socket = Self::new(socket_type);
        let options = Arc::make_mut(&mut socket.options);
        match socket_type {
            SocketType::Pull => options.latest_in = Some(Keep::Last),
            _ => options.latest_out = Some(Keep::Last),
        }
        socket
    }

    /// Waits for this message, and takes no other after it.
    fn receive_last(&mut self, link: &mut Link, last: &str) {
        let mut message = Message::new();
        loop {
            if link.reader.read_message(&mut message) {
                if message[0] == last {
                    return;
                }
            } else if link.set_idle() {
                self.ready.wait(None);
                let mut has_news = false;
                self.ready
                    .drain(|_, what| has_news |= what.contains(Readiness::MAIL));
                if has_news {
                    let _ = link.take_news();
                }
            } else {
                assert!(!link.reader.is_closed());
            }
        }
    }
}

/// Sends as a socket does, whose application does not call again.
fn send(link: &mut Link, message: &str) {
    link.writer.append_message(&mut Message::from(message));
    if link.writer.commit_quietly() && link.pass_on() {
        link.wake_reader();
    }
}

/// Who binds wants the latest, and it comes although the sender is not called again.
#[test]
fn the_latest_reaches_whoever_binds_before_or_after() {
    loom::model(|| {
        let inproc = Arc::new(Inproc::default());
        let names = Arc::clone(&inproc);
        let sender = thread::spawn(move || {
            let push = Socket::new(SocketType::Push);
            let mut link = push.connect(&names);
            send(&mut link, "1");
            send(&mut link, "2");
            (push, link)
        });
        let mut pull = Socket::conflating(SocketType::Pull);
        pull.bind(&inproc);
        let mut link = pull.attached();
        pull.receive_last(&mut link, "2");
        sender.join().unwrap();
    });
}

/// The same the other way round: the receiver connects, and has looked or not.
#[test]
fn the_latest_of_whoever_binds_is_received() {
    loom::model(|| {
        let inproc = Arc::new(Inproc::default());
        let names = Arc::clone(&inproc);
        let sender = thread::spawn(move || {
            let mut push = Socket::conflating(SocketType::Push);
            push.bind(&names);
            let mut link = push.attached();
            send(&mut link, "1");
            send(&mut link, "2");
            (push, link)
        });
        let mut pull = Socket::new(SocketType::Pull);
        let mut link = pull.connect(&inproc);
        pull.receive_last(&mut link, "2");
        sender.join().unwrap();
    });
}

/// As [`a_connector_that_goes_takes_its_letter_back`], and both ends learn of it.
#[test]
fn a_connector_that_goes_before_it_knows_that_the_binder_conflates() {
    a_connector_goes_and_leaves_nothing(|| Socket::conflating(SocketType::Pull));
}
