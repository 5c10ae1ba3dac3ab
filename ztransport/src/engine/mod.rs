//! The engine: what moves bytes between one connection and its two pipes.
//!
//! It is a passive object. It owns a stream, a handshake or a frame scanner, and two pipe ends; it
//! neither blocks nor sleeps, and whatever thread calls it, it works the same, except that the I/O thread does
//! not read what an application waits for itself. Events come in as bits, see [`events`]; what the I/O
//! thread has to know goes out as [`Outcome`]s.
//!
//! ```text
//!            drive(events)              ┌────────┐ read   ┌─────────────────┐ commit  ┌────────┐
//!  I/O thread ────────┐                 │        │───────▶│ rope of inbound │────────▶│        │
//!                     ├──▶ Owned<Engine>│ stream │        └─────────────────┘         │ socket │
//!  application ───────┘                 │        │◀───────┌─────────────────┐◀────────│        │
//!                                       └────────┘ writev │ rope of outbound│ append  └────────┘
//!                                                         └─────────────────┘
//! ```

mod arrival;
mod attention;
mod heartbeat;
mod input;
mod notices;
mod output;
mod raw;
mod refusal;
mod translator;
mod unwanted;
mod watch;

use std::{
    io::{self, ErrorKind, IoSlice},
    sync::Arc,
    time::Duration,
};

use zmtp::{Handshake, Version};
use zpipe::{
    ByteReader, FrameLimits, Ingest, Limits, Notifier, Readiness, Ticket, byte_pipe, deferred,
    ingest_pipe,
};

use self::{
    arrival::Arrival,
    attention::Attention,
    heartbeat::Pulse,
    raw::Raw,
    refusal::{Refusals, Refused},
    translator::Translator,
    unwanted::Sink,
    watch::Watch,
};
use crate::{
    conflate::{self, Inlet, Outlet, Receiving, Sending},
    connection::{Connection, Incoming, Parts},
    departed::Left,
    event::{CloseReason, Event},
    link::Losses,
    net::{PeerAddress, Stream},
    options::Options,
    subscriptions::Follower,
    timers::Purpose,
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
    /// The socket's poll for input lies in the connection's slot.
    pub(crate) const JOIN: u32 = 256;
    /// The peer will send nothing more. This is reported once, maybe together with data that came
    /// before, so every read from now on goes on to the end.
    pub(crate) const HANGUP: u32 = 1024;
    /// The answer of a ZAP handler lies in the connection's slot.
    pub(crate) const ZAP: u32 = 4096;
    /// What the I/O thread did for this connection panicked.
    pub(crate) const CONDEMN: u32 = 8192;
    /// Panic.
    #[cfg(test)]
    pub(crate) const TEST_PANIC: u32 = 1 << 29;
    /// Time to see whether the peer's system has everything.
    pub(crate) const ACKNOWLEDGED: u32 = 16384;
    /// Time to see whether a message is still arriving.
    pub(crate) const ARRIVAL: u32 = 32768;
    /// Time for a heartbeat, or for having heard of the peer.
    pub(crate) const HEARTBEAT: u32 = 65536;
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
        JOIN,
        HANGUP,
        ZAP,
        CONDEMN,
        ACKNOWLEDGED,
        ARRIVAL,
        HEARTBEAT,
    ];
    let (mut at, mut seen) = (0, 0);
    while at < all.len() {
        assert!(all[at].is_power_of_two() && seen & all[at] == 0);
        seen |= all[at];
        at += 1;
    }
};

/// Answers to PING that may wait for the stream, in bytes.
const MAX_CONTROL: usize = 64 * 1024;
/// Bytes after which an engine lets others have their turn.
const BUDGET: usize = 1 << 20;
/// How long it takes until the peer's system is asked again whether it has everything: twice as long
/// each time.
const ASK_MIN: Duration = Duration::from_micros(500);
const ASK_MAX: Duration = Duration::from_millis(20);
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
    /// Set a timer.
    Timer(Duration, Purpose),
}

pub(crate) struct Engine {
    stream: Option<Stream>,
    address: PeerAddress,
    /// Counts streams, so that answers of a ZAP handler reach the one they are about.
    attempt: u64,
    /// See [`Incoming::more_addresses`].
    more_addresses: bool,
    /// The letter to a ZAP handler that has not answered.
    question: Option<Ticket>,
    /// The letter that brought the socket its link.
    introduction: Option<Ticket>,
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
    /// Why nothing can be written any more. What the peer sent before is read to its end first.
    broken: Option<CloseReason>,
    /// For traffic that nobody wants.
    sink: Option<Box<Sink>>,
    arrival: Arrival,
    /// A timer is set for asking whether the peer's system has everything, and how long it waits.
    asking: bool,
    ask_after: Duration,
    /// A large body was read last, so more are likely.
    between_bodies: bool,
    /// Bytes have come in since the last [`Engine::take_progress`].
    progress: bool,
    /// Bytes have come in since the heartbeats looked.
    heard: bool,
    pulse: Option<Box<Pulse>>,
    limits: FrameLimits,
    /// For traffic that is not what lies in the ropes.
    translator: Option<Box<Translator>>,
    /// For streams without frames.
    raw: Option<Box<Raw>>,
    attention: Attention,
    /// What the peer, a publisher, has been asked for on this connection, and how that is said to it.
    follower: Option<Follower>,
    version: Version,
    /// What the peer refuses, from connection to connection.
    refusals: Refusals,
    /// Something panicked: nothing happens here any more.
    condemned: bool,
    watch: Watch,
    /// Kept for its allocation, always empty.
    slices: Vec<IoSlice<'static>>,
}

pub(crate) struct Pipes {
    pub(crate) inbound: Ingest,
    pub(crate) outbound: ByteReader,
    /// If only the latest message waits for the socket, or for the peer: see `conflate.rs`.
    pub(crate) outlet: Option<Box<Outlet>>,
    pub(crate) inlet: Option<Box<Inlet>>,
    /// Shared with the socket.
    pub(crate) losses: Arc<Losses>,
    /// Tells the socket of news, if it has had the link from the beginning.
    pub(crate) socket: Option<Notifier>,
}

impl Pipes {
    /// The connection has news for the socket.
    fn announce_news(&self) {
        if let Some(socket) = &self.socket {
            socket.notify(Readiness::MAIL);
        }
    }

    /// The socket was idle.
    fn wake_socket(&mut self) {
        match &mut self.outlet {
            None => self.inbound.wake_reader(),
            Some(outlet) => {
                if outlet.pass_on() {
                    outlet.wake_reader();
                }
            }
        }
    }

    /// The inbound pipe was found full. Whether there is room now, because only the latest message waits.
    fn makes_room(&mut self) -> bool {
        if self.outlet.is_some() {
            self.wake_socket();
        }
        self.outlet.is_some()
    }

    /// Whether nobody reads the inbound pipe any more.
    fn is_unread(&self) -> bool {
        self.inbound.is_closed()
            || self
                .outlet
                .as_ref()
                .is_some_and(|outlet| outlet.is_closed())
    }

    /// Everything in the outbound pipe has been sent. Whether there is more, because only the latest message waits.
    fn fetch(&mut self) -> bool {
        self.inlet.as_mut().is_some_and(|inlet| inlet.fetch())
    }

    /// The outbound pipe was found empty. `false` if there is something after all.
    fn set_idle(&mut self) -> bool {
        match &mut self.inlet {
            None => self.outbound.set_idle(),
            Some(inlet) => inlet.set_idle(),
        }
    }

    /// Messages that wait to be sent.
    fn pending(&self) -> u64 {
        self.outbound.pending() + self.inlet.as_ref().map_or(0, |inlet| inlet.pending())
    }

    /// What the socket has not received.
    fn left(&self) -> Left {
        match &self.outlet {
            None => Left::in_link(self.inbound.pending(), self.inbound.pending_bytes()),
            Some(outlet) => Left::in_link(outlet.pending(), outlet.pending_bytes()),
        }
    }

    /// Lets go of the pipes, and counts what will not be sent any more.
    fn abandon(self, lost: &zpipe::Counter) {
        self.losses.clear_standing();
        let pending = self.pending();
        lost.add(pending);
        // Before the socket can see that the pipes are gone.
        self.losses.abandoned.add(pending);
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

/// Makes the pipes between a socket and an engine: the engine's ends and the socket's ends. Those of a
/// link that comes by letter signal the socket from when it has taken the letter out.
pub(crate) fn make_pipes(
    connection: &Parts,
    socket: Option<Notifier>,
) -> (Pipes, Sending, Receiving) {
    let io = connection.io.clone();
    let limits = |messages: u32| Limits {
        messages: u64::from(messages),
        bytes: 0,
    };
    let options = &connection.options;
    let owner = &connection.handle;
    let (sending, outbound, inlet) = match options.latest_out {
        Some(keep) => conflate::outbound(keep, owner, socket.clone(), io.clone()),
        None => {
            let limits = limits(options.send_hwm);
            let (writer, outbound) = byte_pipe(limits, socket.clone(), Some(io.clone()));
            let outlet = None;
            (Sending { writer, outlet }, outbound, None)
        }
    };
    let (inbound, outlet, receiving) = match options.latest_in {
        Some(keep) => conflate::inbound(keep, owner, socket.clone(), io),
        None => {
            let limits = limits(options.recv_hwm);
            let (inbound, reader) = ingest_pipe(limits, Some(io), socket.clone());
            let inlet = None;
            (inbound, None, Receiving { reader, inlet })
        }
    };
    let pipes = Pipes {
        inbound,
        outbound,
        outlet,
        inlet,
        losses: Arc::default(),
        socket,
    };
    (pipes, sending, receiving)
}

impl Engine {
    pub(crate) fn new(options: &Options, pipes: Option<Pipes>) -> Self {
        Self {
            stream: None,
            address: PeerAddress::Unknown,
            attempt: 0,
            more_addresses: false,
            question: None,
            introduction: None,
            phase: Phase::Down,
            pipes,
            control: Vec::new(),
            control_sent: 0,
            paused: false,
            hung_up: false,
            broken: None,
            sink: None,
            arrival: Arrival::default(),
            asking: false,
            ask_after: ASK_MIN,
            between_bodies: false,
            progress: false,
            heard: false,
            pulse: None,
            limits: options.frame_limits(),
            translator: None,
            raw: None,
            attention: Attention::default(),
            follower: None,
            version: Version::V3_1,
            refusals: Refusals::default(),
            condemned: false,
            watch: Watch::default(),
            slices: Vec::new(),
        }
    }

    /// Handles a set of [`events`] on a thread of this kind.
    pub(crate) fn handle(&mut self, connection: &Arc<Connection>, pending: u32, by: Caller) {
        #[cfg(test)]
        assert_eq!(pending & events::TEST_PANIC, 0, "on purpose");
        if pending & events::CONDEMN != 0 {
            return self.condemn(connection);
        }
        if self.condemned {
            return;
        }
        if pending & events::DESTROY != 0 {
            return self.destroy(connection);
        }
        let mut result = Ok(());
        let mut pending = pending;
        let was_broken = self.broken.is_some();
        if pending & events::JOIN != 0 {
            self.join(connection);
        }
        if pending & events::ATTACH != 0 && self.attach(connection) {
            pending |= events::READ | events::WRITE;
            if connection.options.raw {
                result = self.establish_raw(connection);
            }
        }
        self.hung_up |= pending & events::HANGUP != 0;
        if pending & events::HANDSHAKE_TIMEOUT != 0 && matches!(self.phase, Phase::Handshake(_)) {
            result = Err(CloseReason::HandshakeTimeout);
        }
        if result.is_ok() && pending & events::ZAP != 0 {
            result = self.on_zap_answer(connection);
            // What followed on its heels is traffic.
            pending |= events::READ;
        }
        if result.is_ok() && pending & events::READ != 0 {
            result = self.on_readable(connection, by);
        }
        if pending & events::ACKNOWLEDGED != 0 {
            self.asking = false;
            pending |= events::WRITE;
        }
        if pending & events::FULL != 0 && matches!(self.phase, Phase::Traffic) {
            self.on_full(connection);
            pending |= events::WRITE;
        }
        if pending & events::CLOSE != 0 {
            self.leave_inputs(connection);
        }
        if pending & events::TICK != 0 {
            self.on_tick(connection);
            pending |= events::WRITE;
        }
        if result.is_ok() && pending & events::HEARTBEAT != 0 {
            result = self.on_heartbeat(connection);
            pending |= events::WRITE;
        }
        if result.is_ok() && pending & (events::WRITE | events::CLOSE) != 0 {
            result = self.on_writable(connection);
        }
        if result.is_ok()
            && let Some(reason) = &self.broken
        {
            if pending & events::FULL != 0 && connection.keeps_pipes() {
                // A sender waits for room: it needs the next connection more than the rest of this.
                result = Err(reason.clone());
            } else if !was_broken {
                result = self.on_readable(connection, Caller::Application);
            }
        }
        if pending & events::ARRIVAL != 0 {
            self.arrival.on_timer();
        }
        if result.is_ok() && pending & (events::READ | events::ARRIVAL) != 0 {
            result = self.watch_arrival(connection);
        }
        if let Err(reason) = result {
            // What made writing fail is why the connection ended, whatever reading came upon after.
            let reason = self.broken.take().unwrap_or(reason);
            self.fail(connection, reason);
        }
        if pending & events::CLOSE != 0 {
            self.finish_if_unused(connection);
        }
    }

    fn attach(&mut self, connection: &Connection) -> bool {
        let Some(Incoming {
            stream,
            more_addresses,
        }) = connection.take_incoming()
        else {
            return false;
        };
        self.more_addresses = more_addresses;
        self.address = stream.peer();
        self.stream = Some(stream);
        self.attempt += 1;
        self.phase = Phase::Handshake(Box::new(Handshake::new(
            connection.options.handshake(&self.address),
        )));
        true
    }

    // ---- The end ----

    /// Lets go of the stream. The pipes of a connection that is to be made again stay as they are,
    /// except that parts of messages are taken back.
    fn fail(&mut self, connection: &Connection, reason: CloseReason) {
        let phase = std::mem::replace(&mut self.phase, Phase::Down);
        self.stream = None;
        self.watch.reset(connection.id);
        self.attention.reset();
        self.control.clear();
        self.control_sent = 0;
        self.paused = false;
        self.hung_up = false;
        self.broken = None;
        self.sink = None;
        self.follower = None;
        self.arrival.pause();
        self.stop_heartbeats();
        self.ask_after = ASK_MIN;
        self.take_back_question(connection);
        if matches!(phase, Phase::Draining) {
            self.translator = None;
            self.pipes = None;
            return connection.report(Outcome::Finished);
        }
        let established = matches!(phase, Phase::Traffic);
        if established {
            connection.handle.counters().open.sub(1);
        }
        connection.handle.counters().closed(&reason);
        if let Some(pipes) = &self.pipes
            && established
        {
            // Before the socket can see that the connection is gone.
            pipes.losses.set_reason(reason.clone());
            pipes.losses.clear_standing();
        }
        if established {
            self.notify_ended(connection, true);
        }
        if let Some(raw) = &mut self.raw {
            raw.reset();
        }
        let mut refused = None;
        let goes_on = self.more_addresses && !established;
        if connection.keeps_pipes() || goes_on {
            refused = self.rewind(connection, &reason);
            if let Some(pipes) = &mut self.pipes {
                pipes.inbound.rollback();
                if established {
                    connection.note_interrupted(pipes.outbound.messages_read());
                    pipes.announce_news();
                }
            }
        } else {
            self.abandon_pipes(connection, &connection.handle.counters().lost_to_peer);
            // Whoever reads the next link says so when it comes.
            self.forget_inputs(connection);
        }
        self.translator = None;
        // Whoever hears of it finds the pipes gone.
        self.emit_end(connection, established, reason);
        if let Some(Refused { size, connections }) = refused {
            connection.handle.emit(|| Event::MessageRefused {
                endpoint: connection.endpoint.clone(),
                address: self.address.clone(),
                size,
                connections,
            });
        }
        connection.report(Outcome::Failed { established });
    }

    /// Lets go of the pipes, if there are any. A socket whose application does not call does not have to
    /// keep a link that is of no use.
    fn abandon_pipes(&mut self, connection: &Connection, lost: &zpipe::Counter) {
        let mut left = Left::default();
        if let Some(pipes) = self.pipes.take() {
            left = pipes.left();
            pipes.abandon(lost);
        }
        if let Some(introduction) = self.introduction.take() {
            let wants_rest = connection.options.wants_rest;
            connection.handle.retract(introduction, wants_rest);
            let limits = connection.options.departed;
            connection.handle.depart(introduction, left, limits);
        }
    }

    /// A question that nobody has read yet is of no use any more.
    fn take_back_question(&mut self, connection: &Connection) {
        if let Some(question) = self.question.take() {
            connection.handle.retract(question, true);
        }
    }

    fn emit_end(&self, connection: &Connection, established: bool, reason: CloseReason) {
        let (endpoint, outgoing) = (&connection.endpoint, connection.outgoing);
        let handle = &connection.handle;
        handle.note_end(endpoint, outgoing, &self.address, established, &reason);
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
        let unused = self.pipes.as_ref().is_none_or(|pipes| pipes.pending() == 0);
        if unused {
            self.destroy(connection);
        }
    }

    /// After a panic, which is a defect of this library. Nobody knows what is whole of the connection, so
    /// it is given up, as one that ended for a reason of its own.
    pub(crate) fn condemn(&mut self, connection: &Connection) {
        if std::mem::replace(&mut self.condemned, true) {
            return;
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Down);
        let established = matches!(phase, Phase::Traffic);
        if established {
            connection.handle.counters().open.sub(1);
        }
        self.stream = None;
        self.follower = None;
        self.watch.reset(connection.id);
        drop(connection.take_incoming());
        self.take_back_question(connection);
        connection.handle.counters().closed(&CloseReason::Panicked);
        // What is half-changed may panic again.
        let (pipes, translator) = (self.pipes.take(), self.translator.take());
        deferred::catch(move || {
            drop((translator, phase));
            if let Some(pipes) = pipes {
                pipes.abandon(&connection.handle.counters().lost_to_peer);
            }
        });
        self.emit_end(connection, established, CloseReason::Panicked);
        connection.report(Outcome::Finished);
    }

    fn destroy(&mut self, connection: &Connection) {
        if matches!(self.phase, Phase::Traffic) {
            connection.handle.counters().open.sub(1);
            self.notify_ended(connection, false);
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Down);
        self.stream = None;
        self.watch.reset(connection.id);
        drop(connection.take_incoming());
        self.translator = None;
        self.sink = None;
        self.follower = None;
        self.take_back_question(connection);
        self.abandon_pipes(connection, &connection.handle.counters().lost_to_linger);
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
        self.pipes.as_ref().map_or(0, Pipes::pending)
    }
}

/// On which kind of thread an engine is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    IoThread,
    Application,
}

/// `None` for "not now".
fn no_block<T>(result: io::Result<T>) -> Result<Option<T>, CloseReason> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(CloseReason::Io(error.kind())),
    }
}
