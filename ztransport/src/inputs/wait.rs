//! How the thread that owns a socket, or several, waits for the input of the streams.

use std::{io, sync::Arc, task::Waker, time::Instant};

use zpipe::{Interrupted, ReadySet};

use super::{EVENTS, Inputs};
use crate::{io::Command, link::Driver, parts::WatchedBy, poll::Ready};

/// A socket's wait for the input of its streams.
///
/// Streams [`join`](Self::join) it one by one. Then the thread that owns the socket may
/// [`wait`](Self::wait) for all of them at once and read them itself, while the I/O thread leaves them to
/// it. Streams that have not joined are read by their I/O threads, which signal the socket's ready list;
/// so [`waker`](Self::waker) has to be registered with that list during the wait: see [`wait_with`](Self::wait_with).
///
/// The I/O thread takes over 10 to 20 ms after the caller's last call, or up to 120 ms after a long wait; or at
/// once with [`give_back`](Self::give_back), which a caller must use before it waits in any other way.
pub struct InputPoll {
    inputs: Arc<Inputs>,
    waker: Waker,
    arrived: Vec<Arrived>,
    leased: bool,
    /// Leases that had ended when this one began.
    lapses: u64,
}

/// A stream that has input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The number of its connection, see [`Driver::connection`].
    pub connection: u64,
    /// What it has joined with, see [`InputPoll::joiner`].
    pub token: u64,
    /// Whether the peer will send nothing more.
    pub hung_up: bool,
}

impl InputPoll {
    /// Makes one for sockets with a connection such as this one, on whose I/O thread it depends.
    ///
    /// # Errors
    ///
    /// The operating system's error when a descriptor cannot be made. Nothing has changed then.
    pub fn new(driver: &Driver) -> io::Result<Self> {
        Self::with_tokens(driver, false)
    }

    /// Makes one for the streams of several sockets, which are told apart by tokens.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn shared(driver: &Driver) -> io::Result<Self> {
        Self::with_tokens(driver, true)
    }

    fn with_tokens(driver: &Driver, has_tokens: bool) -> io::Result<Self> {
        let connection = &driver.connection;
        let inputs = Inputs::new(&connection.registry, &connection.io, has_tokens)?;
        let waker = inputs.poll.waker();
        // An I/O thread that is gone has closed everything.
        let _ = connection
            .commands
            .post(Command::Watch(Arc::clone(&inputs)));
        Ok(Self {
            inputs,
            waker,
            arrived: Vec::new(),
            leased: false,
            lapses: 0,
        })
    }

    /// Has the connection's input reported here, now and after each reconnection, until its link is
    /// dropped. Nothing happens to a connection of another I/O thread.
    pub fn join(&self, driver: &Driver) {
        join(&self.inputs, driver, 0);
    }

    /// Lets a socket's streams join with a token.
    #[must_use]
    pub fn joiner(&self, token: u64) -> InputJoiner {
        InputJoiner {
            inputs: Arc::clone(&self.inputs),
            token,
        }
    }

    /// Ends a [`wait`](Self::wait).
    #[must_use]
    pub fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Whether the input is left to this thread, as far as it knows.
    #[inline]
    #[must_use]
    pub fn is_leased(&self) -> bool {
        self.leased && self.inputs.lapses.value() == self.lapses
    }

    /// Tells that this thread looks for input, be it in a stream itself, and thus uses its lease.
    #[inline]
    pub fn touch(&self) {
        self.inputs.looks.add(1);
    }

    /// Takes the lease, or keeps it, until [`end_wait`](Self::end_wait), which has to follow. `false` if the
    /// system refuses; then wait in another way.
    ///
    /// The waker is for those only who have begun a wait: to others its use may be lost.
    #[must_use = "`true` obliges the caller to end the wait"]
    pub fn begin_wait(&mut self) -> bool {
        self.lapses = self.inputs.lapses.value();
        self.leased = self.inputs.begin_wait();
        self.leased
    }

    /// From now on the lease may lapse again.
    pub fn end_wait(&mut self) {
        self.inputs.end_wait();
    }

    /// Looks for input; whether there is some.
    pub fn look(&mut self) -> bool {
        self.touch();
        // Without a wait there is nothing to interrupt.
        let _ = self.poll(Some(Instant::now()), false);
        !self.arrived.is_empty()
    }

    /// Blocks until there is input or the waker is used, at most until the deadline, in a wait that has
    /// [begun](Self::begin_wait). It may also return for no reason.
    pub fn wait(&mut self, deadline: Option<Instant>) {
        // Nobody has asked to be interrupted.
        let _ = self.poll(deadline, false);
    }

    /// Likewise, until a list is signalled as well.
    ///
    /// # Errors
    ///
    /// [`Interrupted`] if it is `interruptible` and a signal handler has run in this thread meanwhile.
    pub fn wait_with(
        &mut self,
        ready: &mut ReadySet,
        deadline: Option<Instant>,
        interruptible: bool,
    ) -> Result<(), Interrupted> {
        if ready.register_direct(&self.waker) {
            return Ok(());
        }
        let waited = self.poll(deadline, interruptible);
        ready.unregister_direct();
        waited
    }

    fn poll(&mut self, deadline: Option<Instant>, interruptible: bool) -> Result<(), Interrupted> {
        let arrived = &mut self.arrived;
        let report = |ready: Ready| {
            arrived.push(Arrived {
                connection: ready.key,
                token: 0,
                hung_up: ready.hung_up,
            });
        };
        let waited = if interruptible {
            self.inputs
                .poll
                .wait_interruptible::<EVENTS>(deadline, report)
        } else {
            self.inputs.poll.wait::<EVENTS>(deadline, report)
        };
        if let Some(tokens) = self.inputs.tokens.as_ref().filter(|_| !arrived.is_empty()) {
            let tokens = tokens.lock();
            // One that is gone is the I/O thread's again.
            arrived.retain_mut(|arrived| match tokens.get(&arrived.connection) {
                Some(token) => {
                    arrived.token = *token;
                    true
                }
                None => false,
            });
        }
        match waited {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(Interrupted),
            Err(_) => {
                // Out of memory for the wait. The caller comes back, and not at full speed.
                std::thread::yield_now();
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// Takes one of the streams that were found to have input.
    pub fn pop(&mut self) -> Option<Arrived> {
        self.arrived.pop()
    }

    /// Leaves the input to the I/O thread again.
    pub fn give_back(&mut self) {
        if std::mem::take(&mut self.leased) {
            self.inputs.give_back();
        }
    }
}

/// Lets the streams of one socket join an [`InputPoll`] that waits for those of several.
#[derive(Clone)]
pub struct InputJoiner {
    inputs: Arc<Inputs>,
    token: u64,
}

impl InputJoiner {
    /// See [`InputPoll::join`]. A connection of another I/O thread is left to that.
    pub fn join(&self, driver: &Driver) {
        if !join(&self.inputs, driver, self.token) {
            self.leave(driver);
        }
    }

    /// Has the connection's input reported to its I/O thread again.
    pub fn leave(&self, driver: &Driver) {
        driver.connection.report_input(WatchedBy::IoThread);
    }

    /// Leaves the input of all to the I/O thread, for a wait for this socket alone.
    pub fn give_back(&self) {
        self.inputs.take_back();
    }
}

impl std::fmt::Debug for InputJoiner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InputJoiner")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// `false` for a connection of another I/O thread.
fn join(inputs: &Arc<Inputs>, driver: &Driver, token: u64) -> bool {
    let is_ours = inputs.io_poll.is_same(&driver.connection.registry);
    if is_ours {
        let to = WatchedBy::Inputs(Arc::clone(inputs), token);
        driver.connection.report_input(to);
    }
    is_ours
}

impl Drop for InputPoll {
    fn drop(&mut self) {
        self.give_back();
        self.inputs.close();
    }
}

impl std::fmt::Debug for InputPoll {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InputPoll")
            .field("leased", &self.leased)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
        time::Duration,
    };

    use zmtp::SocketType;
    use zpipe::{Mailbox, mailbox};

    use super::*;
    use crate::{Endpoint, Letter, Link, Options, Reactor, SocketHandle, signals::Events};

    const DEADLINE: Duration = Duration::from_secs(10);

    /// A PULL that scripted PUSHes can connect to.
    struct Pull {
        _reactor: Reactor,
        ready: ReadySet,
        mailbox: Mailbox<Letter>,
        handle: SocketHandle,
        endpoint: Endpoint,
    }

    fn pull() -> Pull {
        let reactor = Reactor::new(1).unwrap();
        let ready = ReadySet::new();
        let (letters, mailbox) = mailbox(ready.notifier(0));
        let handle = SocketHandle::new(letters, ready.notifier(0));
        let endpoint = "tcp://127.0.0.1:*".parse().unwrap();
        let options = Arc::new(Options::new(SocketType::Pull));
        let bound = reactor.bind(&endpoint, &options, &handle).unwrap();
        Pull {
            _reactor: reactor,
            ready,
            mailbox,
            handle,
            endpoint: bound.endpoint,
        }
    }

    impl Pull {
        fn peer(&mut self) -> (Link, TcpStream) {
            let address = self.endpoint.to_string().replace("tcp://", "");
            let mut peer = TcpStream::connect(address).unwrap();
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
            let deadline = Instant::now() + DEADLINE;
            loop {
                for letter in self.mailbox.take() {
                    if let Letter::Attach(mut link) = letter {
                        link.signal_to(&self.handle);
                        return (*link, peer);
                    }
                }
                assert!(self.ready.wait(Some(deadline)), "no link");
                self.ready.drain(|_, _| {});
            }
        }
    }

    impl Pull {
        /// Waits for what somebody else reads.
        fn await_input(&mut self, link: &mut Link) {
            let deadline = Instant::now() + DEADLINE;
            while link.reader.set_idle() {
                // What is signalled may also be about the link itself.
                assert!(self.ready.wait(Some(deadline)), "no input");
                self.ready.drain(|_, _| {});
            }
            assert!(link.reader.is_readable());
        }
    }

    fn driver(link: &Link) -> &Driver {
        link.driver.as_ref().unwrap()
    }

    /// If the I/O thread has the engine just then, it arranges that when it lets go.
    fn join(input: &InputPoll, link: &Link) {
        input.join(driver(link));
        await_release(link);
    }

    /// Nobody reads any more.
    fn await_release(link: &Link) {
        while driver(link).connection.pending().is_none() {
            std::thread::yield_now();
        }
    }

    /// Takes the lease without waiting for anything.
    fn lease(input: &mut InputPoll) {
        assert!(input.begin_wait());
        input.end_wait();
    }

    /// Waits with the lease.
    fn arrived(input: &mut InputPoll, links: &[&Link]) -> Vec<u64> {
        let deadline = Instant::now() + DEADLINE;
        let mut all = Vec::new();
        while all.len() < links.len() {
            assert!(Instant::now() < deadline, "only {all:?}");
            assert!(input.begin_wait());
            input.wait(Some(deadline));
            input.end_wait();
            while let Some(arrived) = input.pop() {
                all.push(arrived.connection);
            }
        }
        all.sort_unstable();
        all
    }

    /// A socket may be moved to another thread, and so may its wait.
    const _: fn() = || {
        fn is_send<T: Send>() {}
        is_send::<InputPoll>();
    };

    #[test]
    fn one_wait_is_for_all_streams() {
        let mut pull = pull();
        let mut peers: Vec<_> = (0..3).map(|_| pull.peer()).collect();
        let mut input = InputPoll::new(driver(&peers[0].0)).unwrap();
        peers.iter().for_each(|(link, _)| join(&input, link));
        lease(&mut input);
        for (_, peer) in &mut peers {
            peer.write_all(b"\x00\x02hi").unwrap();
        }
        let links: Vec<_> = peers.iter().map(|(link, _)| link).collect();
        let ids: Vec<_> = links.iter().map(|link| driver(link).connection()).collect();
        assert_eq!(arrived(&mut input, &links), ids);
        for (link, _) in &mut peers {
            assert!(driver(link).read_arrived(false), "nothing came");
            assert!(!driver(link).read_arrived(false));
            assert_eq!(link.reader.next_frame().unwrap().body.as_slice(), b"hi");
        }
    }

    #[test]
    fn the_io_thread_leaves_a_stream_to_the_application_that_waits_for_it() {
        let mut pull = pull();
        let (mut link, mut peer) = pull.peer();
        let mut input = InputPoll::new(driver(&link)).unwrap();
        join(&input, &link);
        lease(&mut input);
        peer.write_all(b"\x00\x01h").unwrap();
        arrived(&mut input, &[&link]);
        driver(&link).connection.drive(Events::READ);
        assert!(!link.reader.is_readable(), "read by the I/O thread");
        // Nor is it forgotten.
        arrived(&mut input, &[&link]);
        assert!(driver(&link).read_arrived(false));
        assert!(link.reader.is_readable());
    }

    #[test]
    fn a_wake_up_that_the_io_thread_takes_is_passed_on() {
        let mut pull = pull();
        let (link, _peer) = pull.peer();
        let mut input = InputPoll::new(driver(&link)).unwrap();
        lease(&mut input);
        assert!(input.begin_wait());
        // As if the application had stayed away up to the beginning of this wait.
        for _ in 0..3 {
            input.inputs.on_tick();
        }
        input.waker().wake_by_ref();
        // What the I/O thread does if the poll was reported to it just before the lease began.
        input.inputs.take(|_| {});
        let begin = Instant::now();
        input.wait(Some(begin + DEADLINE));
        assert!(begin.elapsed() < DEADLINE, "slept on");
    }

    #[test]
    fn joining_again_reports_what_is_there() {
        let mut pull = pull();
        let (link, mut peer) = pull.peer();
        let mut input = InputPoll::new(driver(&link)).unwrap();
        join(&input, &link);
        lease(&mut input);
        peer.write_all(b"\x00\x02hi").unwrap();
        // Told, and not read: nobody knew yet whose it is.
        arrived(&mut input, &[&link]);
        join(&input, &link);
        arrived(&mut input, &[&link]);
    }

    #[test]
    fn parts_of_a_message_count_as_progress() {
        let mut pull = pull();
        let (mut link, mut peer) = pull.peer();
        let mut input = InputPoll::new(driver(&link)).unwrap();
        join(&input, &link);
        lease(&mut input);
        peer.write_all(b"\x00\x02h").unwrap();
        arrived(&mut input, &[&link]);
        assert!(driver(&link).read_arrived(false));
        assert!(!link.reader.is_readable());
    }

    #[test]
    fn an_application_that_stays_away_loses_the_lease() {
        let mut pull = pull();
        let (mut link, mut peer) = pull.peer();
        let mut input = InputPoll::new(driver(&link)).unwrap();
        join(&input, &link);
        lease(&mut input);
        peer.write_all(b"\x00\x02hi").unwrap();
        // Whoever reads signals the ready list, and that is not this thread.
        pull.await_input(&mut link);
        assert!(!input.is_leased());
        // Which may look for more, and would read that, too.
        await_release(&link);
        // And can have it back.
        lease(&mut input);
        assert!(input.is_leased());
        peer.write_all(b"\x00\x02hi").unwrap();
        arrived(&mut input, &[&link]);
    }

    #[test]
    fn what_is_there_when_the_lease_is_given_back_is_read() {
        let mut pull = pull();
        let (mut link, mut peer) = pull.peer();
        let mut input = InputPoll::new(driver(&link)).unwrap();
        join(&input, &link);
        lease(&mut input);
        peer.write_all(b"\x00\x02hi").unwrap();
        input.give_back();
        pull.await_input(&mut link);
    }

    /// Has the connection joined with a token, as [`join`] does without.
    fn join_with(joiner: &InputJoiner, link: &Link) {
        joiner.join(driver(link));
        while driver(link).connection.pending().is_none() {
            std::thread::yield_now();
        }
    }

    /// Waits for what this peer sends. A lease that has begun before may have lapsed.
    fn one_arrived(input: &mut InputPoll, peer: &mut TcpStream) -> Arrived {
        assert!(input.begin_wait());
        peer.write_all(b"\x00\x02hi").unwrap();
        let deadline = Instant::now() + DEADLINE;
        while !input.look() {
            assert!(Instant::now() < deadline, "nothing came");
            std::thread::yield_now();
        }
        input.end_wait();
        input.pop().unwrap()
    }

    #[test]
    fn streams_of_several_sockets_are_told_apart_until_they_leave() {
        let (mut first, mut second) = (pull(), pull());
        let ((link, mut peer), (mut other, mut other_peer)) = (first.peer(), second.peer());
        // They have an I/O thread each: the second stream goes on to be read by its own.
        let mut input = InputPoll::shared(driver(&link)).unwrap();
        join_with(&input.joiner(7), &link);
        join_with(&input.joiner(8), &other);
        lease(&mut input);
        other_peer.write_all(b"\x00\x02hi").unwrap();
        second.await_input(&mut other);
        let (mut another, mut another_peer) = first.peer();
        let joiner = input.joiner(9);
        join_with(&joiner, &another);
        for (peer, link, token) in [(&mut peer, &link, 7), (&mut another_peer, &another, 9)] {
            let arrived = one_arrived(&mut input, peer);
            assert_eq!(arrived.connection, driver(link).connection());
            assert_eq!(arrived.token, token);
            assert!(driver(link).read_arrived(false));
        }
        assert!(another.reader.next_frame().is_some());
        another.reader.release();
        // One that leaves is read by the I/O thread, although the rest is leased.
        joiner.leave(driver(&another));
        another_peer.write_all(b"\x00\x02hi").unwrap();
        first.await_input(&mut another);
        let tokens = input.inputs.tokens.as_ref().unwrap();
        assert_eq!(tokens.lock().len(), 1);
        // One socket's wait in another way ends the lease of all.
        lease(&mut input);
        assert!(input.is_leased());
        joiner.give_back();
        assert!(!input.is_leased());
    }

    #[test]
    fn a_stream_that_joins_again_has_the_new_token() {
        let mut pull = pull();
        let (link, mut peer) = pull.peer();
        let mut input = InputPoll::shared(driver(&link)).unwrap();
        join_with(&input.joiner(7), &link);
        join_with(&input.joiner(8), &link);
        assert_eq!(one_arrived(&mut input, &mut peer).token, 8);
    }

    #[test]
    fn what_is_left_in_a_poll_that_is_gone_is_read_by_the_io_thread() {
        let mut pull = pull();
        let (mut link, mut peer) = pull.peer();
        let mut input = InputPoll::shared(driver(&link)).unwrap();
        join_with(&input.joiner(7), &link);
        lease(&mut input);
        drop(input);
        for _ in 0..2 {
            peer.write_all(b"\x00\x02hi").unwrap();
            pull.await_input(&mut link);
            assert!(link.reader.next_frame().is_some());
            link.reader.release();
        }
    }

    #[test]
    fn a_stream_that_is_closed_leaves_no_token() {
        let mut pull = pull();
        let (link, peer) = pull.peer();
        let input = InputPoll::shared(driver(&link)).unwrap();
        join_with(&input.joiner(7), &link);
        let tokens = input.inputs.tokens.as_ref().unwrap();
        assert_eq!(tokens.lock().len(), 1);
        drop(peer);
        let deadline = Instant::now() + DEADLINE;
        while !tokens.lock().is_empty() {
            assert!(Instant::now() < deadline, "kept");
            std::thread::yield_now();
        }
    }

    #[test]
    fn streams_go_back_to_the_io_thread_when_the_socket_goes() {
        let mut pull = pull();
        let (link, mut peer) = pull.peer();
        let mut input = InputPoll::new(driver(&link)).unwrap();
        join(&input, &link);
        lease(&mut input);
        let inputs = Arc::downgrade(&input.inputs);
        drop(input);
        let Link {
            writer,
            reader,
            driver,
            ..
        } = link;
        drop((writer, reader));
        driver.unwrap().linger(None);
        // The end of the stream is seen, and nothing is kept.
        assert_eq!(peer.read(&mut [0; 64]).unwrap(), 0);
        drop(peer);
        let deadline = Instant::now() + DEADLINE;
        while inputs.strong_count() > 0 {
            assert!(Instant::now() < deadline, "kept");
            std::thread::yield_now();
        }
    }
}
