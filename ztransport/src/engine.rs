//! The engine: what moves bytes between one connection and its two pipes.
//!
//! It is a passive object. It owns a stream, a handshake or a frame scanner, and two pipe ends; it
//! never blocks, never sleeps, and does not know which thread calls it. Events come in as bits, see
//! [`events`]; what the I/O thread has to know goes out as [`Outcome`]s.
//!
//! ```text
//!            drive(events)              ┌────────┐ read   ┌─────────────────┐ commit  ┌────────┐
//!  I/O thread ────────┐                 │        │───────▶│ rope of inbound │────────▶│        │
//!                     ├──▶ Owned<Engine>│ stream │        └─────────────────┘         │ socket │
//!  application ───────┘                 │        │◀───────┌─────────────────┐◀────────│        │
//!                                       └────────┘ writev │ rope of outbound│ append  └────────┘
//!                                                         └─────────────────┘
//! ```

use std::{
    io::{self, ErrorKind, IoSlice},
    os::fd::AsFd,
    sync::Arc,
    time::Duration,
};

use zmtp::{Command, Handshake, Peer};
use zpipe::{
    ByteReader, Counter, FrameLimits, Limits, Reader, Readiness, Scan, Writer, byte_pipe, pipe,
};

use crate::{
    connection::Connection,
    event::{CloseReason, Event, Letter},
    link::{Driver, Link, next_id},
    net::{PeerAddress, Stream},
    options::Options,
};

/// The events an engine handles.
pub(crate) mod events {
    /// The stream may be readable, or the inbound pipe has room again.
    pub(crate) const READ: u32 = 1;
    /// The stream may be writable, or the outbound pipe has messages.
    pub(crate) const WRITE: u32 = 2;
    /// A new stream lies in the connection's slot.
    pub(crate) const ATTACH: u32 = 4;
    /// The handshake had its time.
    pub(crate) const HANDSHAKE_TIMEOUT: u32 = 8;
    /// The socket let go of the link: send what is queued, then close.
    pub(crate) const CLOSE: u32 = 16;
    /// Close now, whatever is queued.
    pub(crate) const DESTROY: u32 = 32;
    /// The application found the outbound pipe full, and drives the engine itself.
    pub(crate) const FULL: u32 = 64;
    /// Time to see whether an application that drove the engine still does.
    pub(crate) const TICK: u32 = 128;
    /// The application will not read itself any more.
    pub(crate) const UNLEASE: u32 = 256;
    /// The application is about to wait for input itself.
    pub(crate) const LEASE: u32 = 2048;
    /// The application is back from waiting for input. An event, so that it is not lost when another
    /// thread has the engine at that moment.
    pub(crate) const RESUME: u32 = 512;
    /// The peer will send nothing more. This is reported once, maybe together with data that came
    /// before, so every read from now on goes on to the end.
    pub(crate) const HANGUP: u32 = 1024;
}

/// Each event is a bit of its own.
const _: () = {
    use events::*;
    let all = [
        READ,
        WRITE,
        ATTACH,
        HANDSHAKE_TIMEOUT,
        CLOSE,
        DESTROY,
        FULL,
        TICK,
        UNLEASE,
        RESUME,
        HANGUP,
        LEASE,
    ];
    let (mut at, mut seen) = (0, 0);
    while at < all.len() {
        assert!(all[at].is_power_of_two() && seen & all[at] == 0);
        seen |= all[at];
        at += 1;
    }
};

/// Bytes for one `read` into the rope.
const READ_SIZE: usize = 64 * 1024;
/// Bytes for one `read` into the rope when bodies come that are read into buffers of their own: just
/// enough for the header between two of them and small frames beside it, because what is read here of
/// a large body has to be copied.
const READ_SIZE_BETWEEN_BODIES: usize = 512;
/// Bytes and slices for one `writev`. More bytes would have left the cache before the kernel copies
/// them.
const WRITE_SIZE: usize = 256 * 1024;
const WRITE_SLICES: usize = 64;
/// Bytes after which an engine lets others have their turn.
const BUDGET: usize = 1 << 20;
/// How long what an application leaves in an outbound pipe may stay there while it streams.
const OUTPUT_TICK: Duration = Duration::from_micros(200);
/// Ticks in a row without a full pipe after which a stream is over.
const QUIET_TICKS: u32 = 4;
/// How long an application that reads itself may stay away before the I/O thread reads again, at
/// first, and while the application is blocked in a call.
const LEASE_TICK: Duration = Duration::from_millis(10);
const LEASE_TICK_MAX: Duration = Duration::from_millis(100);
/// Bytes of one `read` during the handshake, which lie on the stack.
const HANDSHAKE_READ: usize = 1024;

/// What the I/O thread learns from an engine.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The handshake is complete.
    Established,
    /// The stream is gone. `established` tells whether its handshake had been completed.
    Failed { established: bool },
    /// Everything is sent, and the peer has been told that nothing more will come.
    Flushed,
    /// Nothing is left to do for this connection.
    Finished,
    /// An application thread drives this connection; send [`events::TICK`] after this time.
    Tick(Duration),
}

pub(crate) struct Engine {
    stream: Option<Arc<Stream>>,
    address: PeerAddress,
    phase: Phase,
    /// Absent before the handshake of a connection that gets its pipes only then, and after the end.
    pipes: Option<Pipes>,
    /// Encoded frames that do not come from the pipe: the end of the handshake, PONG.
    control: Vec<u8>,
    control_sent: usize,
    /// The inbound pipe is full; scanned again when it has drained.
    paused: bool,
    /// The peer will send nothing more: see [`events::HANGUP`].
    hung_up: bool,
    /// A large body was read last, so more are likely.
    between_bodies: bool,
    /// Bytes have come in since the last [`Engine::take_progress`].
    progress: bool,
    limits: FrameLimits,
    attention: Attention,
    /// Kept for its allocation, always empty.
    slices: Vec<IoSlice<'static>>,
}

/// How far the application drives this engine, so that the I/O thread need not.
///
/// *Output.* While an application streams, filling the pipe again and again and writing it out itself
/// each time, the pipe is not marked idle when it is empty: so no commit wakes the I/O thread.
/// Instead the I/O thread looks in every [`OUTPUT_TICK`], and ends this when the stream dries up.
///
/// *Input.* An application that blocks in `recv` waits for the stream itself, and the I/O thread is
/// not told of input. It looks in from time to time, and takes over again when the application has
/// stayed away.
#[derive(Default)]
struct Attention {
    /// The application streams.
    output: bool,
    /// Full pipes since the last tick.
    full: u32,
    quiet: u32,
    /// The application has the input side.
    input: bool,
    /// It is blocked, waiting for input.
    blocked: bool,
    /// It has read since the last tick.
    used: bool,
    lease_tick: Duration,
    /// A tick is due.
    ticking: bool,
}

pub(crate) struct Pipes {
    pub(crate) inbound: Writer,
    pub(crate) outbound: ByteReader,
    /// Shared with the socket: see [`Link::unclaimed`].
    pub(crate) abandoned: Arc<Counter>,
}

impl Pipes {
    /// Lets go of the pipes, and counts what will not be sent any more.
    fn abandon(self, lost: &Counter) {
        let pending = self.outbound.pending();
        lost.add(pending);
        // Before the socket can see that the pipes are gone.
        self.abandoned.add(pending);
    }
}

enum Phase {
    /// No stream.
    Down,
    Handshake(Box<Handshake>),
    Traffic,
    /// Our side is shut down; what the peer still sends is thrown away until it closes too.
    Draining,
}

/// Makes the pipes between a socket and an engine: the engine's ends and the socket's ends.
pub(crate) fn make_pipes(connection: &Connection, link: u64) -> (Pipes, Writer, Reader) {
    let socket = connection.handle.notifier(link);
    let io = connection.io.clone();
    let limits = |messages: u32| Limits {
        messages: u64::from(messages),
        bytes: 0,
    };
    let options = &connection.options;
    let (writer, outbound) = byte_pipe(
        limits(options.send_hwm),
        Some(socket.clone()),
        Some(io.clone()),
    );
    let (inbound, reader) = pipe(limits(options.recv_hwm), Some(io), Some(socket));
    let pipes = Pipes {
        inbound,
        outbound,
        abandoned: Arc::default(),
    };
    (pipes, writer, reader)
}

impl Engine {
    pub(crate) fn new(options: &Options, pipes: Option<Pipes>) -> Self {
        Self {
            stream: None,
            address: PeerAddress::Unknown,
            phase: Phase::Down,
            pipes,
            control: Vec::new(),
            control_sent: 0,
            paused: false,
            hung_up: false,
            between_bodies: false,
            progress: false,
            limits: options.frame_limits(),
            attention: Attention::default(),
            slices: Vec::new(),
        }
    }

    /// Handles a set of [`events`] on a thread of this kind.
    pub(crate) fn handle(&mut self, connection: &Arc<Connection>, pending: u32, by: Caller) {
        if pending & events::DESTROY != 0 {
            return self.destroy(connection);
        }
        let mut result = Ok(());
        let mut pending = pending;
        if pending & events::LEASE != 0 {
            self.begin_lease(connection);
        }
        if pending & events::RESUME != 0 {
            self.attention.blocked = false;
            self.attention.used = true;
        }
        if pending & events::ATTACH != 0 && self.attach(connection) {
            pending |= events::READ | events::WRITE;
        }
        self.hung_up |= pending & events::HANGUP != 0;
        if pending & events::HANDSHAKE_TIMEOUT != 0 && matches!(self.phase, Phase::Handshake(_)) {
            result = Err(CloseReason::HandshakeTimeout);
        }
        if result.is_ok() && pending & events::READ != 0 {
            result = self.on_readable(connection, by);
        }
        if pending & events::FULL != 0 && matches!(self.phase, Phase::Traffic) {
            self.attention.output = true;
            self.attention.full += 1;
            self.tick(connection, OUTPUT_TICK);
            pending |= events::WRITE;
        }
        if pending & (events::UNLEASE | events::CLOSE) != 0 {
            self.end_lease(connection);
        }
        if pending & events::TICK != 0 {
            self.on_tick(connection);
            pending |= events::WRITE;
        }
        if result.is_ok() && pending & (events::WRITE | events::CLOSE) != 0 {
            result = self.on_writable(connection);
        }
        if let Err(reason) = result {
            self.fail(connection, reason);
        }
        if pending & events::CLOSE != 0 {
            self.finish_if_unused(connection);
        }
    }

    fn attach(&mut self, connection: &Connection) -> bool {
        let Some(stream) = connection.take_incoming() else {
            return false;
        };
        self.address = stream.peer();
        self.stream = Some(Arc::new(stream));
        self.phase = Phase::Handshake(Box::new(Handshake::new(connection.options.handshake())));
        true
    }

    // ---- Attention of the application ----

    /// Gives the input side to an application thread that waits for the stream.
    fn begin_lease(&mut self, connection: &Connection) {
        let (Phase::Traffic, Some(stream)) = (&self.phase, &self.stream) else {
            return;
        };
        if !self.attention.input {
            let watched = connection
                .registry
                .watch_input(stream.as_fd(), connection.id, false);
            if watched.is_err() {
                return; // Then the I/O thread reads too, which does no harm.
            }
            self.attention.input = true;
            self.attention.lease_tick = LEASE_TICK;
            self.tick(connection, LEASE_TICK);
        }
        self.attention.blocked = true;
        self.attention.used = true;
    }

    fn end_lease(&mut self, connection: &Connection) {
        if std::mem::take(&mut self.attention.input)
            && let Some(stream) = &self.stream
        {
            // Arming again reports what is there already. It fails only if the descriptor was never
            // registered, and then the connection is about to be given up.
            let _ = connection
                .registry
                .watch_input(stream.as_fd(), connection.id, true);
        }
        self.attention.blocked = false;
    }

    /// Asks for a tick, unless one is due already.
    fn tick(&mut self, connection: &Connection, after: Duration) {
        if !std::mem::replace(&mut self.attention.ticking, true) {
            connection.report(Outcome::Tick(after));
        }
    }

    fn on_tick(&mut self, connection: &Connection) {
        let attention = &mut self.attention;
        attention.ticking = false;
        if attention.output {
            let full = std::mem::take(&mut attention.full) > 0;
            attention.quiet = if full { 0 } else { attention.quiet + 1 };
            attention.output = attention.quiet < QUIET_TICKS;
        }
        let mut next = attention.output.then_some(OUTPUT_TICK);
        if attention.input {
            if attention.blocked {
                attention.lease_tick = (attention.lease_tick * 2).min(LEASE_TICK_MAX);
            } else if !attention.used {
                self.end_lease(connection);
            }
            let attention = &mut self.attention;
            if std::mem::take(&mut attention.used) && !attention.blocked {
                attention.lease_tick = LEASE_TICK;
            }
            if attention.input && next.is_none() {
                next = Some(attention.lease_tick);
            }
        }
        if let Some(next) = next {
            self.tick(connection, next);
        }
    }

    // ---- Input ----

    fn on_readable(&mut self, connection: &Arc<Connection>, by: Caller) -> Result<(), CloseReason> {
        if matches!(self.phase, Phase::Handshake(_)) {
            self.read_handshake(connection)?;
        }
        match self.phase {
            Phase::Traffic => self.read_traffic(connection, by),
            Phase::Draining => self.discard(connection),
            Phase::Down | Phase::Handshake(_) => Ok(()),
        }
    }

    fn read_handshake(&mut self, connection: &Arc<Connection>) -> Result<(), CloseReason> {
        let (Phase::Handshake(handshake), Some(stream)) = (&mut self.phase, &self.stream) else {
            return Ok(());
        };
        let mut buffer = [0; HANDSHAKE_READ];
        while !handshake.is_complete() {
            let Some(read) = no_block(stream.read(&mut buffer))? else {
                // What the input made us say goes out at once: nobody else will ask for it.
                return self.flush_handshake();
            };
            if read == 0 {
                return Err(CloseReason::PeerClosed);
            }
            let input = &buffer[..read];
            let used = handshake
                .handle_input(input)
                .map_err(CloseReason::Protocol)?;
            if handshake.is_complete() {
                return self.establish(connection, &input[used..]);
            }
        }
        Ok(())
    }

    /// The handshake is complete; `input` is the beginning of the traffic.
    fn establish(&mut self, connection: &Arc<Connection>, input: &[u8]) -> Result<(), CloseReason> {
        let Phase::Handshake(handshake) = std::mem::replace(&mut self.phase, Phase::Traffic) else {
            return Ok(());
        };
        self.control.clear();
        self.control.extend_from_slice(handshake.transmit());
        self.control_sent = 0;
        self.between_bodies = false;
        let Ok(zmtp::Established { peer, .. }) = handshake.finish() else {
            return Ok(());
        };
        connection.set_readable(self.stream.clone());
        connection.handle.counters().established.add(1);
        connection.handle.counters().open.add(1);
        connection.handle.emit(|| Event::HandshakeSucceeded {
            endpoint: connection.endpoint.clone(),
            address: self.address.clone(),
            peer: peer.clone(),
        });
        let announced = self.announce(connection, peer);
        connection.report(Outcome::Established);
        if !announced {
            return Err(CloseReason::Local);
        }
        if let Some(pipes) = &mut self.pipes {
            pipes.inbound.fill_from(input);
        }
        self.scan(connection)?;
        self.on_writable(connection)
    }

    /// Tells the socket about its peer, and gives it the link if it has none yet. `false` when the
    /// socket is closed.
    fn announce(&mut self, connection: &Arc<Connection>, peer: Peer) -> bool {
        if self.pipes.is_some() {
            // The socket may be closed and the connection linger; then nobody wants to know.
            let _ = connection.handle.post(Letter::Established {
                link: connection.id,
                peer: Box::new(peer),
            });
            return true;
        }
        // A connection that is made again gets a new link each time.
        let id = if connection.outgoing {
            next_id()
        } else {
            connection.id
        };
        let (pipes, writer, reader) = make_pipes(connection, id);
        let abandoned = Some(Arc::clone(&pipes.abandoned));
        self.pipes = Some(pipes);
        let link = Link {
            id,
            writer,
            reader,
            driver: Some(Driver {
                connection: Arc::clone(connection),
            }),
            endpoint: connection.endpoint.clone(),
            outgoing: connection.outgoing,
            peer: Some(peer),
            abandoned,
        };
        connection
            .handle
            .post(Letter::Attach(Box::new(link)))
            .is_ok()
    }

    fn read_traffic(&mut self, connection: &Connection, by: Caller) -> Result<(), CloseReason> {
        if self
            .pipes
            .as_ref()
            .is_none_or(|pipes| pipes.inbound.is_closed())
        {
            return self.discard(connection);
        }
        if self.paused && !self.scan(connection)? {
            return Ok(());
        }
        if by == Caller::IoThread && self.attention.input && !self.hung_up {
            // What the application asks for while this thread has the engine would be read here, and
            // the next it asks for as well: both threads would be busy with one stream from then on.
            // The application still sees the stream readable, and comes back.
            return Ok(());
        }
        let mut budget = BUDGET;
        loop {
            let (Some(pipes), Some(stream)) = (&mut self.pipes, &self.stream) else {
                return Ok(());
            };
            let body = pipes.inbound.wants_body();
            let filled = if body {
                self.between_bodies = true;
                pipes.inbound.fill_body(|room| stream.read_uninit(room))
            } else {
                let max = if self.between_bodies {
                    READ_SIZE_BETWEEN_BODIES
                } else {
                    READ_SIZE
                };
                pipes.inbound.fill_rope(max, |room| stream.read(room))
            };
            let Some(filled) = no_block(filled)? else {
                self.hung_up = false; // That was about an earlier stream.
                return Ok(());
            };
            if filled.bytes == 0 {
                return Err(CloseReason::PeerClosed);
            }
            self.progress = true;
            if !body || !pipes.inbound.wants_body() {
                let was_full = filled.was_full;
                if !self.scan(connection)? {
                    return Ok(());
                }
                let wants_body = self.pipes.as_ref().is_some_and(|p| p.inbound.wants_body());
                if !body && was_full && !wants_body {
                    self.between_bodies = false;
                }
            }
            if !filled.was_full && !self.hung_up {
                // A short read emptied the socket; the next arrival is a new edge.
                return Ok(());
            }
            budget = budget.saturating_sub(filled.bytes);
            if budget == 0 {
                // Others first; the I/O thread comes back to this one.
                connection.io.notify(Readiness::WRITABLE);
                return Ok(());
            }
        }
    }

    /// Commits what is whole and answers commands. `false` when the inbound pipe is full: the engine
    /// then hears from the pipe when it has drained.
    fn scan(&mut self, connection: &Connection) -> Result<bool, CloseReason> {
        let Some(pipes) = &mut self.pipes else {
            return Ok(false);
        };
        self.paused = false;
        let mut wake = false;
        let result = loop {
            let scanned = pipes.inbound.scan(&self.limits);
            wake |= scanned.reader_was_idle;
            match scanned.stop {
                Scan::NeedInput => break Ok(true),
                Scan::Full => {
                    if pipes.inbound.block() {
                        self.paused = true;
                        break Ok(false);
                    }
                    if pipes.inbound.is_closed() {
                        // Without a reader it never gets room. What comes from now on is discarded.
                        break Ok(false);
                    }
                }
                Scan::Command(body) => match Command::decode(body) {
                    Ok(Command::Ping { context, .. }) => {
                        // A peer that asks faster than it takes answers gets no more of them.
                        if self.control.len() < READ_SIZE {
                            Command::Pong { context }.encode(&mut self.control);
                        }
                    }
                    // Unknown and misplaced commands are ignored after the handshake.
                    Ok(_) => {}
                    Err(error) => break Err(CloseReason::Protocol(error)),
                },
                Scan::TooLarge { size } => break Err(CloseReason::Oversize { size }),
                Scan::TooManyFrames => break Err(CloseReason::Oversize { size: 0 }),
                Scan::Malformed => {
                    let error = zmtp::Error::FrameSizeOutOfRange { size: u64::MAX };
                    break Err(CloseReason::Protocol(error));
                }
            }
        };
        if wake {
            pipes.inbound.wake_reader();
        }
        if !self.control.is_empty() && result.is_ok() {
            self.flush(connection)?;
        }
        result
    }

    /// Reads and forgets, until there is nothing or the peer closes.
    fn discard(&mut self, connection: &Connection) -> Result<(), CloseReason> {
        let Some(stream) = &self.stream else {
            return Ok(());
        };
        let mut buffer = [0; HANDSHAKE_READ * 8];
        let mut budget = BUDGET;
        while budget > 0 {
            let Some(read) = no_block(stream.read(&mut buffer))? else {
                return Ok(());
            };
            if read == 0 {
                return Err(CloseReason::PeerClosed);
            }
            budget = budget.saturating_sub(read);
        }
        // Others first; the I/O thread comes back to this one.
        connection.io.notify(Readiness::WRITABLE);
        Ok(())
    }

    // ---- Output ----

    fn on_writable(&mut self, connection: &Arc<Connection>) -> Result<(), CloseReason> {
        match self.phase {
            Phase::Handshake(_) => self.flush_handshake(),
            Phase::Traffic => {
                if self.flush(connection)? == Flushed::Closed {
                    self.shut_down(connection);
                }
                Ok(())
            }
            Phase::Down | Phase::Draining => Ok(()),
        }
    }

    fn flush_handshake(&mut self) -> Result<(), CloseReason> {
        let (Phase::Handshake(handshake), Some(stream)) = (&mut self.phase, &self.stream) else {
            return Ok(());
        };
        while !handshake.transmit().is_empty() {
            let Some(written) = no_block(stream.write(handshake.transmit()))? else {
                return Ok(());
            };
            handshake.advance_transmit(written);
        }
        Ok(())
    }

    /// Writes until the pipe is empty or the stream takes no more.
    fn flush(&mut self, connection: &Connection) -> Result<Flushed, CloseReason> {
        let (Some(pipes), Some(stream)) = (&mut self.pipes, &self.stream) else {
            return Ok(Flushed::Idle);
        };
        let outbound = &mut pipes.outbound;
        let mut budget = BUDGET;
        loop {
            // Control frames go between messages, and one that has begun goes on.
            if !self.control.is_empty() && (self.control_sent > 0 || !outbound.is_mid_message()) {
                let Some(written) = no_block(stream.write(&self.control[self.control_sent..]))?
                else {
                    return Ok(Flushed::Blocked);
                };
                self.control_sent += written;
                if self.control_sent == self.control.len() {
                    self.control.clear();
                    self.control_sent = 0;
                }
                continue;
            }
            let mut slices = std::mem::take(&mut self.slices);
            let total = outbound.gather(&mut slices, WRITE_SLICES, WRITE_SIZE);
            if total == 0 {
                self.slices = recycle(slices);
                if outbound.is_closed() {
                    return Ok(Flushed::Closed);
                }
                if self.attention.output || outbound.set_idle() {
                    return Ok(Flushed::Idle);
                }
                continue;
            }
            let written = match &slices[..] {
                [one] => stream.write(one),
                many => stream.write_vectored(many),
            };
            self.slices = recycle(slices);
            let Some(written) = no_block(written)? else {
                return Ok(Flushed::Blocked);
            };
            outbound.advance(written);
            if written < total {
                // The stream is full; when it has room again that is a new edge.
                return Ok(Flushed::Blocked);
            }
            budget = budget.saturating_sub(written);
            if budget == 0 {
                // Others first; the I/O thread comes back to this one.
                connection.io.notify(Readiness::READABLE);
                return Ok(Flushed::Blocked);
            }
        }
    }

    /// Everything is sent and the socket has let go of the link.
    fn shut_down(&mut self, connection: &Connection) {
        self.phase = Phase::Draining;
        if let Some(stream) = &self.stream {
            // Fails only if the peer is gone already, which reading will tell.
            let _ = stream.shutdown_write();
        }
        connection.handle.counters().open.sub(1);
        connection.report(Outcome::Flushed);
        if let Err(reason) = self.discard(connection) {
            self.fail(connection, reason);
        }
    }

    // ---- The end ----

    /// Lets go of the stream. The pipes of a connection that is to be made again stay as they are,
    /// except that parts of messages are taken back.
    fn fail(&mut self, connection: &Connection, reason: CloseReason) {
        let phase = std::mem::replace(&mut self.phase, Phase::Down);
        self.stream = None;
        connection.set_readable(None);
        // A tick that is due still comes.
        let ticking = self.attention.ticking;
        self.attention = Attention {
            ticking,
            ..Attention::default()
        };
        self.control.clear();
        self.control_sent = 0;
        self.paused = false;
        self.hung_up = false;
        if matches!(phase, Phase::Draining) {
            self.pipes = None;
            return connection.report(Outcome::Finished);
        }
        let established = matches!(phase, Phase::Traffic);
        if established {
            connection.handle.counters().open.sub(1);
        }
        connection.handle.counters().closed(&reason);
        if connection.keeps_pipes() {
            if let Some(pipes) = &mut self.pipes {
                pipes.inbound.rollback();
                pipes.outbound.rewind();
                if established {
                    // A socket that is closed does not want to know.
                    let _ = connection.handle.post(Letter::Interrupted {
                        link: connection.id,
                        taken: pipes.outbound.messages_read(),
                    });
                }
            }
        } else if let Some(pipes) = self.pipes.take() {
            pipes.abandon(&connection.handle.counters().lost_to_peer);
            // A socket whose application does not call does not have to keep what is of no use.
            connection.handle.retract(connection.id);
        }
        // Whoever hears of it finds the pipes gone.
        self.emit_end(connection, established, reason);
        connection.report(Outcome::Failed { established });
    }

    fn emit_end(&self, connection: &Connection, established: bool, reason: CloseReason) {
        connection.handle.emit(|| {
            let (endpoint, address) = (connection.endpoint.clone(), self.address.clone());
            if established {
                Event::Disconnected {
                    endpoint,
                    address,
                    reason,
                }
            } else {
                Event::HandshakeFailed {
                    endpoint,
                    address,
                    reason,
                }
            }
        });
    }

    /// After the socket let go: a connection that is down and has nothing to send is finished.
    fn finish_if_unused(&mut self, connection: &Connection) {
        if matches!(self.phase, Phase::Traffic | Phase::Draining) {
            return;
        }
        let unused = self
            .pipes
            .as_ref()
            .is_none_or(|pipes| pipes.outbound.pending() == 0);
        if unused {
            self.destroy(connection);
        }
    }

    fn destroy(&mut self, connection: &Connection) {
        if matches!(self.phase, Phase::Traffic) {
            connection.handle.counters().open.sub(1);
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Down);
        self.stream = None;
        connection.set_readable(None);
        drop(connection.take_incoming());
        if let Some(pipes) = self.pipes.take() {
            pipes.abandon(&connection.handle.counters().lost_to_linger);
        }
        if !matches!(phase, Phase::Down | Phase::Draining) {
            connection.handle.counters().closed(&CloseReason::Local);
            let established = matches!(phase, Phase::Traffic);
            self.emit_end(connection, established, CloseReason::Local);
        }
        connection.report(Outcome::Finished);
    }

    /// Whether traffic has come in since the last call.
    pub(crate) fn take_progress(&mut self) -> bool {
        std::mem::take(&mut self.progress)
    }

    /// Messages that are queued for the peer.
    pub(crate) fn pending(&self) -> u64 {
        self.pipes
            .as_ref()
            .map_or(0, |pipes| pipes.outbound.pending())
    }
}

/// On which kind of thread an engine is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    IoThread,
    Application,
}

#[derive(PartialEq, Eq)]
enum Flushed {
    /// Nothing is left; the pipe will say when there is.
    Idle,
    /// The stream will say when it has room, or the I/O thread comes back.
    Blocked,
    /// Nothing is left and nothing will come.
    Closed,
}

/// `None` for "not now".
fn no_block<T>(result: io::Result<T>) -> Result<Option<T>, CloseReason> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(CloseReason::Io(error.kind())),
    }
}

/// Empties a vector of slices for use with another lifetime; collecting in place keeps the memory.
fn recycle<'a>(mut slices: Vec<IoSlice<'_>>) -> Vec<IoSlice<'a>> {
    slices.clear();
    slices.into_iter().map(|_| IoSlice::new(&[])).collect()
}
