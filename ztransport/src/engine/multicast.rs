//! An engine without a stream and without a handshake: what it sends goes to a group, and what it receives comes from all who
//! send there. What is done about loss is in [`pgm`](crate::pgm); here packets get to sockets, messages to pipes, and the time
//! to both.
//!
//! ```text
//!   rope of outbound ──▶ Packer ──▶ Source ──▶ sockets ──▶ group      (PUB, XPUB)
//!   rope of inbound ◀── Unpacker ◀── Receiver ◀── sockets ◀── group   (SUB, XSUB)
//! ```

use std::{
    collections::HashMap,
    io::{self, ErrorKind, IoSlice},
    time::{Duration, Instant},
};

use rustix::io::Errno;
use zmtp::{Limits, Peer, Random, Version};
use zpipe::Readiness;

use super::{
    Engine, Phase, Pipes,
    output::{WRITE_SLICES, recycle},
};
use crate::{
    endpoint::{Endpoint, MulticastEndpoint},
    event::{Event, MulticastCounters},
    net::{BindError, MulticastSockets, PeerAddress},
    options::Options,
    parts::{Host, Parts},
    pgm::{
        Delivery, Identity, Packer, Packet, Receiver, ReceiverCounts, Source, SourceCounts, To,
        Tsi, Unpacker,
    },
    signals::{Due, Events, Outcome},
};

/// Packets read or written until others have their turn.
const BUDGET: usize = 512;
/// The largest packet that there is, so that none is cut off, whatever the sender has for its limit.
const BUFFER: usize = 65_536;
/// How long a source that has sent everything is there for receivers that miss the last of it: since the last one has asked, and
/// in all. libzmq is not.
const AFTERTIME: Duration = Duration::from_millis(300);
const MAX_AFTERTIME: Duration = Duration::from_secs(3);
/// How long the system has to make room when it has no buffers.
const NO_BUFFERS: Duration = Duration::from_millis(1);

/// What an engine has instead of a stream.
pub(crate) struct Multicast {
    sockets: MulticastSockets,
    role: Role,
    buffer: Vec<u8>,
    /// When the I/O thread comes back to this engine, if it was told to.
    timer: Option<Instant>,
    /// The system takes no more packets, and tells when it does.
    blocked: bool,
    /// Packets that were none, and those that the system has refused.
    malformed: u64,
    refused: u64,
    /// The inbound pipe is full.
    paused: bool,
}

enum Role {
    Sender(Box<Sender>),
    Receiver(Box<Listener>),
}

struct Sender {
    source: Source,
    packer: Packer,
    capacity: usize,
    /// When the next new packet may go out.
    free_at: Option<Instant>,
    ending: Option<Ending>,
    counted: SourceCounts,
}

/// Everything is sent.
struct Ending {
    since: Instant,
    /// When somebody last asked for something, and how often that has been by then.
    asked_at: Instant,
    naks: u64,
}

struct Listener {
    receiver: Receiver,
    /// Of each source.
    unpackers: HashMap<Tsi, Unpacker>,
    limits: Limits,
    counted: ReceiverCounts,
}

/// What there is to do after a turn.
#[derive(PartialEq, Eq)]
enum Turn {
    /// It waits for input, time or the pipes.
    Over,
    /// Others have their turn first.
    Later,
    /// There is nothing left to do at all.
    Finished,
}

impl Multicast {
    /// Opens the sockets of an endpoint, for a socket of this type.
    pub(crate) fn open(at: &MulticastEndpoint, options: &Options) -> Result<Self, BindError> {
        use zmtp::SocketType::{Pub, Sub, XPub, XSub};
        let endpoint = || Endpoint::Multicast(at.clone());
        let sends = match options.socket_type {
            Pub | XPub => true,
            Sub | XSub => false,
            other => return Err(BindError::NotPublishing(endpoint(), other)),
        };
        let tuning = &options.tuning.multicast;
        let settings = tuning.settings(at);
        let Some(capacity) = settings.max_tsdu() else {
            return Err(BindError::PacketSize(endpoint(), tuning.max_tpdu));
        };
        let sockets = MulticastSockets::open(at, sends, &options.tuning)?;
        let role = if sends {
            let who = Identity {
                tsi: draw_tsi(at.port()).map_err(|error| BindError::Io(endpoint(), error))?,
                session_port: at.port(),
                nla: sockets.nla(),
                group: sockets.send_group(),
            };
            Role::Sender(Box::new(Sender {
                source: Source::new(who, &settings, Instant::now()),
                packer: Packer::new(capacity),
                capacity,
                free_at: None,
                ending: None,
                counted: SourceCounts::default(),
            }))
        } else {
            let random = fastrand::Rng::new();
            Role::Receiver(Box::new(Listener {
                receiver: Receiver::new(at.port(), settings.window(), random),
                unpackers: HashMap::new(),
                limits: options.limits(),
                counted: ReceiverCounts::default(),
            }))
        };
        Ok(Self {
            sockets,
            role,
            buffer: vec![0; BUFFER],
            timer: None,
            blocked: false,
            malformed: 0,
            refused: 0,
            paused: false,
        })
    }

    /// Its sockets, for whoever registers them.
    pub(crate) fn sockets(&self) -> &MulticastSockets {
        &self.sockets
    }

    /// Reads what has come. Whether that was all.
    fn read(&mut self, pipes: &mut Pipes, connection: &Parts, now: Instant) -> bool {
        for _ in 0..BUDGET {
            let Some(received) = self.sockets.receive(&mut self.buffer) else {
                return true;
            };
            let Ok(packet) = Packet::decode(&self.buffer[received.bytes]) else {
                self.malformed += 1;
                continue;
            };
            match &mut self.role {
                Role::Sender(sender) => sender.source.handle(&packet, now),
                Role::Receiver(listener) => {
                    listener
                        .receiver
                        .handle(&packet, received.from, received.to, now);
                    if !self.paused {
                        self.paused = !listener.deliver(pipes, connection);
                    }
                }
            }
        }
        false
    }

    /// Counts what has happened since the last time.
    fn count(&mut self, counters: &MulticastCounters) {
        let add = |counter: &zpipe::Counter, count: u64| {
            if count > 0 {
                counter.add(count);
            }
        };
        add(&counters.malformed, std::mem::take(&mut self.malformed));
        add(&counters.refused, std::mem::take(&mut self.refused));
        match &mut self.role {
            Role::Sender(sender) => {
                let (new, old) = (sender.source.counts(), sender.counted);
                add(&counters.packets_sent, new.sent - old.sent);
                add(&counters.repairs_sent, new.repaired - old.repaired);
                add(&counters.naks_received, new.naks - old.naks);
                add(&counters.asked_too_late, new.too_late - old.too_late);
                sender.counted = new;
            }
            Role::Receiver(listener) => {
                let (new, old) = (listener.receiver.counts(), listener.counted);
                add(&counters.packets_received, new.received - old.received);
                add(&counters.repairs_received, new.repaired - old.repaired);
                add(&counters.duplicates, new.duplicates - old.duplicates);
                add(&counters.naks_sent, new.naks - old.naks);
                add(&counters.lost, new.lost - old.lost);
                add(&counters.overrun, new.overrun - old.overrun);
                add(&counters.strangers, new.strangers - old.strangers);
                listener.counted = new;
            }
        }
    }
}

/// A session is told from all others by this alone, also from those of forked processes. The port must not be that of the
/// endpoint, by which packets to sources are told from packets of sources.
fn draw_tsi(session_port: u16) -> io::Result<Tsi> {
    let (mut gsi, mut port) = ([0; 6], [0; 2]);
    let mut random = Random::system();
    random.fill(&mut gsi).map_err(io::Error::other)?;
    random.fill(&mut port).map_err(io::Error::other)?;
    let mut port = u16::from_be_bytes(port).max(1);
    if port == session_port {
        port = if port == 1 { 2 } else { port - 1 };
    }
    Ok(Tsi { gsi, port })
}

impl Listener {
    /// Brings the socket what is in order. `false` if the pipe is full.
    fn deliver(&mut self, pipes: &mut Pipes, connection: &Parts) -> bool {
        let mut wake = false;
        let is_unread = pipes.is_unread();
        let taken = loop {
            if !is_unread
                && !pipes.inbound.has_room()
                && !pipes.makes_room()
                && pipes.inbound.block()
            {
                break false;
            }
            let Some(delivery) = self.receiver.next_delivery() else {
                break true;
            };
            match delivery {
                Delivery::Joined(session, address) => {
                    self.unpackers.insert(session, Unpacker::new(&self.limits));
                    connection.handle.emit(|| Event::MulticastJoined {
                        endpoint: connection.endpoint.clone(),
                        session,
                        address,
                    });
                }
                Delivery::Data(session, data) => {
                    if let Some(unpacker) = self.unpackers.get_mut(&session) {
                        let inbound = &mut pipes.inbound;
                        let fine = unpacker.push(&data, |mut message| {
                            if !is_unread {
                                wake |= inbound.push_message(&mut message);
                            }
                        });
                        if !fine {
                            connection.handle.counters().multicast.malformed.add(1);
                        }
                    }
                    self.receiver.recycle(data);
                }
                Delivery::Lost(session, packets) => {
                    if let Some(unpacker) = self.unpackers.get_mut(&session) {
                        unpacker.interrupt();
                    }
                    connection.handle.emit(|| Event::MulticastLost {
                        endpoint: connection.endpoint.clone(),
                        session,
                        packets,
                    });
                }
                Delivery::Gone(session) => {
                    self.unpackers.remove(&session);
                    connection.handle.emit(|| Event::MulticastLeft {
                        endpoint: connection.endpoint.clone(),
                        session,
                    });
                }
            }
        };
        if wake {
            pipes.wake_socket();
        }
        taken
    }

    /// Sends what is asked of sources. What the system does not take is asked for again later.
    fn ask(&mut self, sockets: &mut MulticastSockets) {
        while let Some((to, packet)) = self.receiver.poll() {
            let _ = match to {
                To::Groups => sockets.send_to_groups(&packet),
                To::Source(address, attempt) => sockets.ask(address, attempt, &packet),
            };
        }
    }
}

/// What became of a packet that was to be sent.
enum Sent {
    Taken,
    /// The system tells when it takes more.
    Blocked,
    /// It does not tell.
    NoBuffers,
    /// It never takes this one: the interface is down, for example. Whoever misses the packet asks for it.
    Refused,
}

fn sent(result: io::Result<()>) -> Sent {
    match result {
        Ok(()) => Sent::Taken,
        Err(error) if error.kind() == ErrorKind::WouldBlock => Sent::Blocked,
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOBUFS) => Sent::NoBuffers,
        Err(_) => Sent::Refused,
    }
}

impl Sender {
    /// Sends what is due. Says why it stopped, if the system takes no more.
    fn send(
        &mut self,
        sockets: &MulticastSockets,
        budget: &mut usize,
        refused: &mut u64,
        now: Instant,
    ) -> Option<Sent> {
        while *budget > 0
            && let Some(packet) = self.source.poll(now)
        {
            match sent(sockets.send(packet)) {
                Sent::Taken => self.source.sent(now),
                Sent::Refused => {
                    self.source.sent(now);
                    *refused += 1;
                }
                other => return Some(other),
            }
            *budget -= 1;
        }
        None
    }

    /// What the last of it costs in time, and whether that is over.
    fn has_ended(&mut self, now: Instant) -> bool {
        let naks = self.source.counts().naks;
        let Some(ending) = &mut self.ending else {
            return false;
        };
        if naks > ending.naks {
            (ending.naks, ending.asked_at) = (naks, now);
        }
        self.source.is_idle()
            && (now >= ending.asked_at + AFTERTIME || now >= ending.since + MAX_AFTERTIME)
    }

    /// When there is something to do at the latest.
    fn due_at(&self) -> Instant {
        let mut due = self.source.due_at();
        if let Some(at) = self.free_at {
            due = due.min(at);
        }
        if let Some(ending) = &self.ending {
            due = due.min(ending.asked_at + AFTERTIME);
        }
        due
    }
}

impl Engine {
    pub(crate) fn multicast(options: &Options, pipes: Pipes, multicast: Multicast) -> Self {
        Self {
            multicast: Some(Box::new(multicast)),
            ..Self::new(options, Some(pipes))
        }
    }

    /// What [`Engine::handle`] does without a stream.
    pub(super) fn handle_multicast(
        &mut self,
        connection: &Parts,
        host: &dyn Host,
        pending: Events,
    ) {
        let Some(mut multicast) = self.multicast.take() else {
            return;
        };
        if pending.contains(Events::ATTACH) && !self.begin_multicast(connection, host) {
            return self.destroy(connection, false);
        }
        if pending.contains(Events::JOIN) {
            // The I/O thread reads, whoever waits.
            drop(connection.take_inputs());
        }
        if pending.contains(Events::HEARTBEAT) {
            multicast.timer = None;
        }
        let turn = self.turn_multicast(&mut multicast, connection, pending);
        multicast.count(&connection.handle.counters().multicast);
        if turn == Turn::Finished {
            if let Some(pipes) = &self.pipes {
                pipes.losses.set_acknowledged();
            }
            return self.destroy(connection, false);
        }
        if turn == Turn::Later {
            connection
                .io
                .notify(Readiness::READABLE | Readiness::WRITABLE);
        }
        let due = match &multicast.role {
            Role::Sender(sender) => Some(sender.due_at()),
            Role::Receiver(listener) => listener.receiver.due_at(),
        };
        if let Some(due) = due
            && multicast.timer.is_none_or(|timer| due < timer)
        {
            multicast.timer = Some(due);
            let delay = due.saturating_duration_since(Instant::now());
            connection.report(Outcome::Timer(delay, Due::Heartbeat));
        }
        self.multicast = Some(multicast);
    }

    /// Everything is there from the beginning. `false` if the socket is closed.
    fn begin_multicast(&mut self, connection: &Parts, host: &dyn Host) -> bool {
        self.phase = Phase::Traffic;
        self.peer_id = connection.id;
        self.address = PeerAddress::Unknown;
        let counters = connection.handle.counters();
        counters.established.add(1);
        counters.open.add(1);
        connection
            .handle
            .connected(&connection.endpoint, connection.outgoing);
        let peer = Peer::new(Version::V1_0, None, bytes::Bytes::new());
        let established = self.stands(connection, &peer);
        connection.handle.note(established);
        let announced = self.announce(connection, host, peer);
        connection.report(Outcome::Established);
        announced
    }

    fn turn_multicast(
        &mut self,
        multicast: &mut Multicast,
        connection: &Parts,
        pending: Events,
    ) -> Turn {
        let Some(mut pipes) = self.pipes.take() else {
            return Turn::Finished;
        };
        let now = Instant::now();
        // The pipe may have room again, which is found out in either case.
        if let Role::Receiver(listener) = &mut multicast.role
            && multicast.paused
        {
            multicast.paused = !listener.deliver(&mut pipes, connection);
        }
        let mut turn = Turn::Over;
        if pending.contains(Events::READ) && !multicast.read(&mut pipes, connection, now) {
            turn = Turn::Later;
        }
        match &mut multicast.role {
            Role::Receiver(listener) => {
                listener.receiver.handle_timeout(now);
                if !multicast.paused {
                    // What was given up lets others through.
                    multicast.paused = !listener.deliver(&mut pipes, connection);
                }
                listener.ask(&mut multicast.sockets);
                if pending.contains(Events::CLOSE) || pipes.inbound.is_closed() {
                    turn = Turn::Finished;
                } else if !self.forget_outbound(&mut pipes) {
                    turn = Turn::Later;
                }
            }
            Role::Sender(_) => match self.flush_multicast(multicast, &mut pipes, connection, now) {
                Turn::Over => {}
                other => turn = other,
            },
        }
        self.pipes = Some(pipes);
        turn
    }

    /// A subscriber's messages go nowhere: to publishers nothing can be said. Whether there are no more.
    fn forget_outbound(&mut self, pipes: &mut Pipes) -> bool {
        for _ in 0..BUDGET {
            let mut slices = std::mem::take(&mut self.slices);
            let total = pipes.outbound.gather(&mut slices, WRITE_SLICES, BUFFER);
            self.slices = recycle(slices);
            pipes.outbound.advance(total);
            if total == 0 && !pipes.fetch() && (pipes.outbound.is_closed() || pipes.set_idle()) {
                return true;
            }
        }
        false
    }

    fn flush_multicast(
        &mut self,
        multicast: &mut Multicast,
        pipes: &mut Pipes,
        connection: &Parts,
        now: Instant,
    ) -> Turn {
        let Multicast {
            sockets,
            role: Role::Sender(sender),
            blocked,
            refused,
            ..
        } = multicast
        else {
            return Turn::Over;
        };
        let mut budget = BUDGET;
        loop {
            let stopped = sender.send(sockets, &mut budget, refused, now);
            let blocks = matches!(stopped, Some(Sent::Blocked));
            if blocks != *blocked {
                *blocked = blocks;
                let interest = crate::poll::Interest {
                    input: false,
                    output: blocks,
                };
                // Fails only if it was never registered.
                let _ = connection
                    .registry
                    .modify(sockets.output(), connection.id, interest);
            }
            if let Some(stopped) = stopped {
                if matches!(stopped, Sent::NoBuffers) {
                    sender.free_at = Some(now + NO_BUFFERS);
                }
                return Turn::Over;
            }
            if budget == 0 {
                return Turn::Later;
            }
            if sender.free_at.is_some_and(|at| at > now) {
                return Turn::Over;
            }
            sender.free_at = None;
            if !sender.packer.is_full() {
                let mut slices: Vec<IoSlice<'_>> = std::mem::take(&mut self.slices);
                let total = pipes
                    .outbound
                    .gather(&mut slices, WRITE_SLICES, 2 * sender.capacity);
                let taken = sender.packer.fill(&slices);
                self.slices = recycle(slices);
                pipes.outbound.advance(taken);
                if total == 0 && pipes.fetch() {
                    continue;
                }
            }
            if !sender.packer.is_empty() {
                match sender.source.submit(sender.packer.data(), now) {
                    Ok(()) => sender.packer.clear(),
                    Err(at) => sender.free_at = Some(at),
                }
                continue;
            }
            if pipes.outbound.is_closed() {
                if sender.ending.is_none() {
                    sender.source.finish();
                    let naks = sender.source.counts().naks;
                    sender.ending = Some(Ending {
                        since: now,
                        asked_at: now,
                        naks,
                    });
                    continue;
                }
                let ended = sender.has_ended(now);
                return if ended { Turn::Finished } else { Turn::Over };
            }
            if pipes.set_idle() {
                return Turn::Over;
            }
        }
    }
}
