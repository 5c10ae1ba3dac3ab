//! A socket's end of one connection.

use std::{
    os::fd::BorrowedFd,
    sync::{Arc, Mutex},
    time::Instant,
};

use rustix::event::{PollFd, PollFlags};
use zmtp::Peer;
use zpipe::{Counter, Reader, Writer};

use crate::{connection::Connection, endpoint::Endpoint, event::CloseReason, lock::lock, poll};

/// Hands out link ids. One sequence for the process, so an id never comes back.
static NEXT_ID: Counter = Counter::new();

pub(crate) fn next_id() -> u64 {
    NEXT_ID.add(1) + 1
}

/// A pair of pipes to one peer, and the means to drive what lies behind them.
///
/// The id is the token with which the socket's ready list reports the two pipes: `READABLE` for
/// [`reader`](Self::reader), `WRITABLE` for [`writer`](Self::writer). Dropping a link closes both
/// pipes; what was written is still sent, see [`Driver::linger`].
#[derive(Debug)]
pub struct Link {
    /// Identifies the link; never 0 and never used again in this process.
    pub id: u64,
    /// To the peer.
    pub writer: Writer,
    /// From the peer.
    pub reader: Reader,
    /// Drives the engine; `None` for inproc, where the peer itself is at the other end.
    pub driver: Option<Driver>,
    /// The endpoint bound or connected to.
    pub endpoint: Endpoint,
    /// Whether this socket connected; otherwise it had bound.
    pub outgoing: bool,
    /// What the peer said about itself, if it has said so already; for inproc only the routing id
    /// and type.
    pub peer: Option<Peer>,
    /// `None` for inproc.
    pub(crate) losses: Option<Arc<Losses>>,
}

/// What became of messages that were not delivered, and why: written by the engine, for the socket.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Messages that the engine has counted as lost when it let go of the pipes.
    pub(crate) abandoned: Counter,
    /// The number of the last message that was given up because the peer refuses it.
    refused: Counter,
    /// How the last connection ended. Locked at its end, never for a message.
    reason: Mutex<Option<CloseReason>>,
}

impl Losses {
    pub(crate) fn set_reason(&self, reason: CloseReason) {
        *lock(&self.reason) = Some(reason);
    }

    /// Messages are given up in order, and only by whoever has the engine.
    pub(crate) fn set_refused(&self, number: u64) {
        self.refused.add(number - self.refused.value());
    }
}

impl Link {
    /// Messages in the outbound pipe of a link whose other end is gone, less those that the engine
    /// has counted as lost when it went: nobody but the socket knows of them.
    #[must_use]
    pub fn unclaimed(&self) -> u64 {
        let losses = self.losses.as_ref();
        let counted = losses.map_or(0, |losses| losses.abandoned.value());
        self.writer.pending().saturating_sub(counted)
    }

    /// How the link's last established connection ended, if one did.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.losses
            .as_ref()
            .and_then(|losses| lock(&losses.reason).clone())
    }

    /// Whether the message with this number, as [`Writer::written`] counts them, was the last that was
    /// given up because the peer refuses it.
    #[must_use]
    pub fn is_refused(&self, number: u64) -> bool {
        let losses = self.losses.as_ref();
        losses.is_some_and(|losses| losses.refused.value() == number)
    }
}

/// What ended a [`Driver::wait`]; nothing, when it was the deadline or a signal handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waited {
    /// The peer has sent something, or is gone.
    pub input: bool,
    /// The other descriptor is readable.
    pub signal: bool,
}

/// The application side's handle on an engine.
#[derive(Clone, Debug)]
pub struct Driver {
    pub(crate) connection: Arc<Connection>,
}

impl Driver {
    /// The number of the connection, see [`Reactor::connect`](crate::Reactor::connect). It is the
    /// link's id, except where a connection gets a new link each time it is made again.
    #[must_use]
    pub fn connection(&self) -> u64 {
        self.connection.id
    }

    /// Writes what the outbound pipe holds to the peer, as far as the peer takes it, on this thread.
    /// If another thread is driving the engine, that one does it.
    pub fn write(&self) {
        self.connection.drive_write();
    }

    /// Reads what the peer has sent into the inbound pipe, on this thread, likewise.
    pub fn read(&self) {
        self.connection.drive_read();
    }

    /// Like [`write`](Self::write), for a caller that found the outbound pipe full: while that goes on,
    /// the I/O thread leaves the engine to this thread.
    pub fn write_full(&self) {
        self.connection.drive_full();
    }

    /// Like [`read`](Self::read), for a caller that has waited with [`wait`](Self::wait), or is about
    /// to. Says whether anything came, be it a part of a message.
    pub fn read_on(&self) -> bool {
        self.connection.drive_resumed()
    }

    /// Blocks this thread until the peer has sent something or `ready` is readable, at most until the
    /// deadline, while the I/O thread leaves the input of this connection to this thread. Then
    /// [`read_on`](Self::read_on) brings the input in. `None`, at once, when the connection is not
    /// established.
    ///
    /// The I/O thread takes the input back some 10 ms after the caller's last call, or at once with
    /// [`give_back`](Self::give_back), which a caller must use before it waits in any other way.
    #[must_use]
    pub fn wait(&self, ready: BorrowedFd<'_>, deadline: Option<Instant>) -> Option<Waited> {
        let stream = self.connection.lease()?;
        let mut fds = [
            PollFd::new(&*stream, PollFlags::IN | PollFlags::RDHUP),
            PollFd::from_borrowed_fd(ready, PollFlags::IN),
        ];
        let timeout = deadline
            .map(|deadline| poll::timespec(deadline.saturating_duration_since(Instant::now())));
        // A signal handler may interrupt the wait; the caller then looks and waits again.
        let _ = rustix::event::poll(&mut fds, timeout.as_ref());
        let (input, signal) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
        if !input {
            self.connection.resumed();
        }
        Some(Waited { input, signal })
    }

    /// Leaves the input to the I/O thread again.
    pub fn give_back(&self) {
        self.connection.end_lease();
    }

    /// Sets how long the connection may live on after its link is dropped in order to send what is
    /// queued: `None` is for ever. Call it just before the link is dropped.
    pub fn linger(&self, linger: Option<std::time::Duration>) {
        self.connection.close(linger);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
        os::{fd::AsFd, unix::net::UnixStream},
        time::Duration,
    };

    use zmtp::SocketType;
    use zpipe::{ReadySet, mailbox};

    use super::*;
    use crate::{Letter, Options, Reactor, SocketHandle, engine::events};

    const DEADLINE: Duration = Duration::from_secs(10);

    /// A PULL and a scripted PUSH that is connected to it.
    struct Pair {
        _reactor: Reactor,
        link: Link,
        peer: TcpStream,
    }

    fn pair() -> Pair {
        let reactor = Reactor::new(1).unwrap();
        let mut ready = ReadySet::new();
        let (letters, mut mailbox) = mailbox(ready.notifier(0));
        let handle = SocketHandle::new(letters, ready.notifier(0));
        let endpoint = "tcp://127.0.0.1:*".parse().unwrap();
        let options = Arc::new(Options::new(SocketType::Pull));
        let bound = reactor.bind(&endpoint, &options, &handle).unwrap();
        let address = bound.endpoint.to_string().replace("tcp://", "");
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
            for letter in mailbox.take() {
                if let Letter::Attach(link) = letter {
                    return Pair {
                        _reactor: reactor,
                        link: *link,
                        peer,
                    };
                }
            }
            assert!(ready.wait(Some(deadline)), "no link");
            ready.drain(|_, _| {});
        }
    }

    /// From the first wait on the application has the input side. If the I/O thread had the engine just
    /// then, it arranges that when it lets go.
    fn lease(driver: &Driver, quiet: &UnixStream) {
        let waited = driver.wait(quiet.as_fd(), Some(Instant::now())).unwrap();
        assert!(!waited.input && !waited.signal);
        while driver.connection.pending().is_none() {
            std::thread::yield_now();
        }
    }

    /// A pair whose input the application has, and in which the peer has sent this.
    fn leased_with_input(input: &[u8]) -> Pair {
        let mut pair = pair();
        let driver = pair.link.driver.as_ref().unwrap();
        let (quiet, _other) = UnixStream::pair().unwrap();
        lease(driver, &quiet);
        pair.peer.write_all(input).unwrap();
        let deadline = Some(Instant::now() + DEADLINE);
        assert!(driver.wait(quiet.as_fd(), deadline).unwrap().input);
        pair
    }

    #[test]
    fn the_io_thread_leaves_a_stream_to_the_application_that_waits_for_it() {
        let mut pair = leased_with_input(b"\x00\x02hi");
        let link = &mut pair.link;
        let driver = link.driver.clone().unwrap();
        driver.connection.drive(events::READ);
        assert!(!link.reader.is_readable(), "read by the I/O thread");

        assert!(driver.read_on(), "nothing came");
        assert!(!driver.read_on());
        assert_eq!(link.reader.next_frame().unwrap().body.as_slice(), b"hi");
    }

    #[test]
    fn parts_of_a_message_count_as_progress() {
        let mut pair = leased_with_input(b"\x00\x02h");
        let link = &mut pair.link;
        assert!(link.driver.as_ref().unwrap().read_on());
        assert!(!link.reader.is_readable());
    }
}
