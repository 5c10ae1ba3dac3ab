//! The engine: what moves bytes between one connection and its two pipes.
//!
//! It is a passive object. It owns a stream, a handshake or a frame scanner, and two pipe ends; it
//! neither blocks nor sleeps, and whatever thread calls it, it works the same, except that the I/O thread does
//! not read what an application waits for itself. Events come in as a set, see [`Events`]; what the I/O
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
mod ending;
mod heartbeat;
mod input;
mod multicast;
mod notices;
mod output;
mod pipes;
mod raw;
mod refusal;
mod translator;
mod unwanted;
mod watch;

use std::{
    io::{self, ErrorKind, IoSlice},
    time::Duration,
};

use zmtp::{Handshake, Version};
use zpipe::{FrameLimits, Ticket};

use self::{
    arrival::Arrival, attention::Attention, heartbeat::Pulse, raw::Raw, refusal::Refusals,
    translator::Translator, unwanted::Sink, watch::Watch,
};
pub(crate) use self::{
    multicast::Multicast,
    pipes::{Pipes, make_pipes},
};
use crate::{
    event::CloseReason,
    net::{PeerAddress, Stream},
    options::Options,
    parts::{Host, Incoming, Parts},
    signals::{Caller, Events},
    subscriptions::Follower,
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

pub(crate) struct Engine {
    stream: Option<Stream>,
    address: PeerAddress,
    /// The id of the peer's link.
    peer_id: u64,
    /// Counts streams, so that answers of a ZAP handler reach the one they are about.
    attempt: u64,
    /// See [`Incoming::more_addresses`].
    more_addresses: bool,
    /// Why the handshake failed is on its way to the peer.
    has_last_word: bool,
    /// What the peer has sent behind its handshake while the ZAP handler thinks: one read at most.
    early: Vec<u8>,
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
    /// The peer will send nothing more: see [`Events::HANGUP`].
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
    /// Instead of a stream.
    multicast: Option<Box<Multicast>>,
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

enum Phase {
    /// No stream.
    Down,
    Handshake(Box<Handshake>),
    Traffic,
    /// Our side is shut down; what the peer still sends is thrown away until it closes too.
    Draining,
}

impl Engine {
    pub(crate) fn new(options: &Options, pipes: Option<Pipes>) -> Self {
        Self {
            stream: None,
            address: PeerAddress::Unknown,
            peer_id: 0,
            attempt: 0,
            more_addresses: false,
            has_last_word: false,
            early: Vec::new(),
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
            multicast: None,
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
    pub(crate) fn handle(
        &mut self,
        connection: &Parts,
        host: &dyn Host,
        pending: Events,
        by: Caller,
    ) {
        #[cfg(test)]
        assert!(!pending.contains(Events::TEST_PANIC), "on purpose");
        if pending.contains(Events::CONDEMN) {
            return self.condemn(connection);
        }
        if self.condemned {
            return;
        }
        if pending.contains(Events::DESTROY) {
            return self.destroy(connection, pending.contains(Events::GIVE_UP));
        }
        if self.multicast.is_some() {
            return self.handle_multicast(connection, host, pending);
        }
        let mut result = Ok(());
        let mut pending = pending;
        let was_broken = self.broken.is_some();
        if pending.contains(Events::JOIN) {
            self.join(connection);
        }
        if pending.contains(Events::ATTACH) && self.attach(connection) {
            pending |= Events::READ | Events::WRITE;
            if connection.options.raw {
                result = self.establish_raw(connection, host);
            }
        }
        self.hung_up |= pending.contains(Events::HANGUP);
        if pending.contains(Events::HANDSHAKE_TIMEOUT) && matches!(self.phase, Phase::Handshake(_))
        {
            result = Err(CloseReason::HandshakeTimeout);
        }
        if result.is_ok() && pending.contains(Events::ZAP) {
            result = self.on_zap_answer(connection, host);
            // What followed on its heels is traffic.
            pending |= Events::READ;
        }
        if result.is_ok() && pending.contains(Events::READ) {
            result = self.on_readable(connection, host, by);
        }
        if pending.contains(Events::ACKNOWLEDGED) {
            self.asking = false;
            pending |= Events::WRITE;
        }
        if pending.contains(Events::FULL) && matches!(self.phase, Phase::Traffic) {
            self.on_full(connection);
            pending |= Events::WRITE;
        }
        if pending.contains(Events::CLOSE) {
            self.leave_inputs(connection);
        }
        if pending.contains(Events::TICK) {
            self.on_tick(connection);
            pending |= Events::WRITE;
        }
        if result.is_ok() && pending.contains(Events::HEARTBEAT) {
            result = self.on_heartbeat(connection, host);
            pending |= Events::WRITE;
        }
        if result.is_ok() && pending.intersects(Events::WRITE | Events::CLOSE) {
            result = self.on_writable(connection);
        }
        if result.is_ok()
            && let Some(reason) = &self.broken
        {
            if pending.contains(Events::FULL) && connection.keeps_pipes() {
                // A sender waits for room: it needs the next connection more than the rest of this.
                result = Err(reason.clone());
            } else if !was_broken {
                result = self.on_readable(connection, host, Caller::Application);
            }
        }
        if pending.contains(Events::ARRIVAL) {
            self.arrival.on_timer();
        }
        if result.is_ok() && pending.intersects(Events::READ | Events::ARRIVAL) {
            result = self.watch_arrival(connection);
        }
        if let Err(reason) = result {
            // What made writing fail is why the connection ended, whatever reading came upon after.
            let reason = self.broken.take().unwrap_or(reason);
            self.fail(connection, reason);
        }
        if pending.contains(Events::CLOSE) {
            self.finish_if_unused(connection);
        }
    }

    fn attach(&mut self, connection: &Parts) -> bool {
        let Some(Incoming {
            stream,
            more_addresses,
        }) = connection.take_incoming()
        else {
            return false;
        };
        self.more_addresses = more_addresses;
        self.address = stream.peer();
        self.peer_id = connection.id;
        self.stream = Some(stream);
        self.attempt += 1;
        self.phase = Phase::Handshake(Box::new(Handshake::new(
            connection.options.handshake(&self.address),
        )));
        true
    }

    /// Whether traffic has come in since the last call.
    pub(crate) fn take_progress(&mut self) -> bool {
        std::mem::take(&mut self.progress)
    }

    /// The other end of the connection that there is.
    pub(crate) fn peer_address(&self) -> Option<PeerAddress> {
        self.stream.as_ref().map(|_| self.address.clone())
    }

    /// Messages that are queued for the peer.
    pub(crate) fn pending(&self) -> u64 {
        self.pipes.as_ref().map_or(0, Pipes::pending)
    }
}

/// `None` for "not now".
fn no_block<T>(result: io::Result<T>) -> Result<Option<T>, CloseReason> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(CloseReason::Io(error.kind())),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// What lies above the engine drives it, and is nothing to it but a [`Host`](super::Host).
    #[test]
    fn the_engine_names_nobody_above_it() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine");
        let mut files = 0;
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let uses = code.split("use crate::").skip(1);
            let used: String = uses.map(|rest| rest.split(';').next().unwrap()).collect();
            for above in [
                "authentication",
                "connection",
                "cork",
                "inproc",
                "io::",
                "link",
                "reactor",
            ] {
                assert!(!used.contains(above), "{}: {above}", path.display());
            }
            files += 1;
        }
        assert!(files > 10, "only {files} files");
    }
}
