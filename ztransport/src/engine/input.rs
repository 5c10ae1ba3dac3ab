//! The way in: from the stream to the handshake, and from the stream to the socket.

use zeroize::Zeroizing;
use zmtp::{Command, Encoder, Message, Peer, Version};
use zpipe::{Readiness, Scan};

use super::{
    BUDGET, Engine, HANDSHAKE_READ, MAX_CONTROL, Phase, make_pipes, no_block,
    translator::Translator,
};
use crate::{
    event::{Change, CloseReason, Event, StandingPeer},
    ids::next_id,
    parts::{Host, Parts},
    poll::TELLS_END,
    signals::{Caller, Outcome},
};

/// Bytes for one `read` into the rope.
const READ_SIZE: usize = 64 * 1024;
/// Bytes for one `read` into the rope when bodies come that are read into buffers of their own: just
/// enough for the header between two of them and small frames beside it, because what is read here of
/// a large body has to be copied.
const READ_SIZE_BETWEEN_BODIES: usize = 512;

impl Engine {
    pub(super) fn on_readable(
        &mut self,
        connection: &Parts,
        host: &dyn Host,
        by: Caller,
    ) -> Result<(), CloseReason> {
        if matches!(self.phase, Phase::Handshake(_)) {
            self.read_handshake(connection, host)?;
        }
        match self.phase {
            Phase::Traffic => self.read_traffic(connection, by),
            Phase::Draining => self.discard(connection),
            Phase::Down | Phase::Handshake(_) => Ok(()),
        }
    }

    fn read_handshake(&mut self, connection: &Parts, host: &dyn Host) -> Result<(), CloseReason> {
        let (Phase::Handshake(handshake), Some(stream)) = (&mut self.phase, &self.stream) else {
            return Ok(());
        };
        // There may be a password in it.
        let mut buffer = Zeroizing::new([0; HANDSHAKE_READ]);
        while !handshake.is_complete() {
            // What follows is for nobody to read before the ZAP handler has spoken.
            if handshake.is_waiting() && !self.early.is_empty() {
                return self.flush_handshake();
            }
            let Some(read) = no_block(stream.read(&mut buffer[..]))? else {
                // What the input made us say goes out at once: nobody else will ask for it.
                return self.flush_handshake();
            };
            if read == 0 {
                return Err(CloseReason::PeerClosed);
            }
            let input = &buffer[..read];
            let used = match handshake.handle_input(input) {
                Ok(used) => used,
                Err(error) => return Err(self.refuse(error)),
            };
            if let Some(request) = handshake.poll_zap() {
                host.ask(request, self.attempt);
            }
            if handshake.is_complete() {
                return self.establish(connection, host, &input[used..]);
            }
            self.early.extend_from_slice(&input[used..]);
        }
        Ok(())
    }

    /// The answer to what the handshake asked a ZAP handler.
    pub(super) fn on_zap_answer(
        &mut self,
        connection: &Parts,
        host: &dyn Host,
    ) -> Result<(), CloseReason> {
        // One about an earlier stream says nothing about this one, whose peer may be another.
        let Some(answer) = connection.take_zap_answer(self.attempt) else {
            return Ok(());
        };
        let Phase::Handshake(handshake) = &mut self.phase else {
            return Ok(());
        };
        match handshake.handle_zap(answer) {
            Err(error) => Err(self.refuse(error)),
            Ok(()) if handshake.is_complete() => {
                let early = std::mem::take(&mut self.early);
                self.establish(connection, host, &early)
            }
            Ok(()) => self.flush_handshake(),
        }
    }

    /// The handshake failed. What it has to say about that goes out if the stream takes it at once.
    fn refuse(&mut self, error: zmtp::Error) -> CloseReason {
        let speaks = |phase: &Phase| matches!(phase, Phase::Handshake(handshake) if !handshake.transmit().is_empty());
        let has_words = speaks(&self.phase);
        let sent = self.flush_handshake().is_ok() && !speaks(&self.phase);
        self.has_last_word = has_words && sent;
        CloseReason::Protocol(error)
    }

    /// The handshake is complete; `input` is the beginning of the traffic.
    fn establish(
        &mut self,
        connection: &Parts,
        host: &dyn Host,
        input: &[u8],
    ) -> Result<(), CloseReason> {
        let Phase::Handshake(handshake) = std::mem::replace(&mut self.phase, Phase::Traffic) else {
            return Ok(());
        };
        self.control.clear();
        self.control_sent = 0;
        self.between_bodies = false;
        let Ok(established) = handshake.finish() else {
            return Ok(());
        };
        let zmtp::Established {
            peer,
            encoder,
            decoder,
            unsent,
            ..
        } = established;
        self.control.extend_from_slice(&unsent);
        self.version = encoder.version();
        self.translator = Translator::if_needed(encoder, decoder, &mut self.control);
        self.say_hello(connection);
        let subscriptions = connection.options.subscriptions.as_ref();
        self.follower = subscriptions.map(|wanted| wanted.follow(Some(connection.io.clone())));
        self.watch_traffic(connection);
        self.begin_heartbeats(connection);
        connection.handle.counters().established.add(1);
        connection.handle.counters().open.add(1);
        let established = self.stands(connection, &peer);
        connection
            .handle
            .emit_change(established, || Event::HandshakeSucceeded {
                endpoint: connection.endpoint.clone(),
                address: self.address.clone(),
                peer: peer.clone(),
                connection: self.watched_info(connection),
            });
        let (endpoint, outgoing) = (&connection.endpoint, connection.outgoing);
        connection.handle.connected(endpoint, outgoing);
        let announced = self.announce(connection, host, peer);
        connection.report(Outcome::Established);
        if !announced {
            return Err(CloseReason::Local);
        }
        self.begin_subscriptions(connection);
        self.notify_established(connection);
        self.begin_traffic(connection, input)
    }

    /// The connection is established with a peer, which has its id from now on.
    pub(super) fn stands(&mut self, connection: &Parts, peer: &Peer) -> Change {
        if self.pipes.is_none() && connection.outgoing {
            // A connection that is made again gets a new link each time.
            self.peer_id = next_id();
        }
        let (endpoint, outgoing) = (&connection.endpoint, connection.outgoing);
        let peer = StandingPeer::new(self.peer_id, endpoint, outgoing, &self.address, peer);
        Change::Established(Box::new(peer))
    }

    /// What goes out before everything else follows the end of the handshake.
    fn say_hello(&mut self, connection: &Parts) {
        let Some(hello) = &connection.options.hello else {
            return;
        };
        let hello = Message::from(&hello[..]);
        match &mut self.translator {
            Some(translator) => translator.say(&hello),
            None => Encoder::new(self.version).encode_message(&hello, &mut self.control),
        }
    }

    /// Tells the socket about its peer, and gives it the link if it has none yet. `false` when the
    /// socket is closed.
    pub(super) fn announce(&mut self, connection: &Parts, host: &dyn Host, peer: Peer) -> bool {
        if let Some(pipes) = &self.pipes {
            pipes.losses.set_begun(pipes.inbound.written());
            pipes.losses.set_standing(self.address.clone());
            connection.note_established(peer);
            pipes.announce_news();
            return true;
        }
        let id = self.peer_id;
        let (pipes, ends) = make_pipes(connection, None);
        pipes.losses.set_standing(self.address.clone());
        self.pipes = Some(pipes);
        self.introduction = host.introduce(id, ends, peer);
        self.introduction.is_some()
    }

    /// A peer of ZMTP 1.0 cannot say what it subscribes to: it wants everything.
    fn begin_subscriptions(&mut self, connection: &Parts) {
        if let Some(pipes) = &mut self.pipes
            && connection.options.is_publisher()
            && self.version == Version::V1_0
            && pipes.inbound.push_message(&mut Message::from(vec![1]))
        {
            pipes.inbound.wake_reader();
        }
    }

    fn read_traffic(&mut self, connection: &Parts, by: Caller) -> Result<(), CloseReason> {
        if self.raw.is_some() {
            return self.read_raw(connection, by);
        }
        if self.translator.is_some() {
            return self.read_translated(connection, by);
        }
        if self.is_unwanted(connection) {
            return self.read_unwanted(connection);
        }
        if self.paused && !self.scan(connection)? {
            return self.stop_reading(connection);
        }
        if self.is_left_to_application(connection, by) {
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
                return self.on_input_empty();
            };
            if filled.bytes == 0 {
                return Err(CloseReason::PeerClosed);
            }
            self.progress = true;
            self.heard = true;
            if !body || !pipes.inbound.wants_body() {
                let was_full = filled.was_full;
                if !self.scan(connection)? {
                    return self.stop_reading(connection);
                }
                let wants_body = self.pipes.as_ref().is_some_and(|p| p.inbound.wants_body());
                if !body && was_full && !wants_body {
                    self.between_bodies = false;
                }
            }
            if !filled.was_full && !self.hung_up && TELLS_END {
                // A short read emptied the socket; the next arrival is a new edge.
                return Ok(());
            }
            budget = budget.saturating_sub(filled.bytes);
            if budget == 0 {
                self.read_later(connection);
                return Ok(());
            }
        }
    }

    /// The inbound pipe took no more. Without a reader it never will: then the end of the stream, of
    /// which the I/O thread may have heard already, is looked for here.
    pub(super) fn stop_reading(&mut self, connection: &Parts) -> Result<(), CloseReason> {
        if self.is_unwanted(connection) {
            return self.read_unwanted(connection);
        }
        Ok(())
    }

    /// Everything that had come is read. If nothing can be written any more, that was all.
    pub(super) fn on_input_empty(&mut self) -> Result<(), CloseReason> {
        self.hung_up = false; // That was about an earlier stream.
        match &self.broken {
            Some(reason) => Err(reason.clone()),
            None => Ok(()),
        }
    }

    /// Commits what is whole and answers commands. `false` when the inbound pipe is full: the engine
    /// then hears from the pipe when it has drained.
    pub(super) fn scan(&mut self, connection: &Parts) -> Result<bool, CloseReason> {
        let Some(pipes) = &mut self.pipes else {
            return Ok(false);
        };
        self.paused = false;
        let mut wake = false;
        let mut ping = None;
        let result = loop {
            let scanned = pipes.inbound.scan(&self.limits);
            wake |= scanned.reader_was_idle;
            match scanned.stop {
                Scan::NeedInput => break Ok(true),
                Scan::Full => {
                    if !pipes.makes_room() && pipes.inbound.block() {
                        self.paused = true;
                        break Ok(false);
                    }
                }
                Scan::Command(body) => match obey(body, &mut self.control) {
                    Ok(ttl) => ping = ping.or(ttl),
                    Err(reason) => break Err(reason),
                },
                Scan::Invalid(error) => break Err(error.into()),
            }
        };
        if wake {
            pipes.wake_socket();
        }
        if let Some(ttl) = ping {
            self.on_ping(connection, ttl);
        }
        if !self.control.is_empty() && result.is_ok() {
            self.flush(connection)?;
        }
        result
    }

    pub(super) fn on_command(
        &mut self,
        connection: &Parts,
        body: &[u8],
    ) -> Result<(), CloseReason> {
        if let Some(ttl) = obey(body, &mut self.control)? {
            self.on_ping(connection, ttl);
        }
        Ok(())
    }

    /// After our side is shut down: reads and forgets, until there is nothing or the peer closes.
    pub(super) fn discard(&mut self, connection: &Parts) -> Result<(), CloseReason> {
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
}

/// Does what a command asks for: the answer goes to `control`. The time to live that a PING gives, if it does.
fn obey(body: &[u8], control: &mut Vec<u8>) -> Result<Option<u16>, CloseReason> {
    match Command::decode(body) {
        Ok(Command::Ping { context, ttl }) => {
            // A peer that asks faster than it takes answers gets no more of them.
            if control.len() < MAX_CONTROL {
                Command::Pong { context }.encode(control);
            }
            Ok((ttl > 0).then_some(ttl))
        }
        // Unknown and misplaced commands are ignored after the handshake.
        Ok(_) => Ok(None),
        Err(error) if error.is_ignorable_command() => Ok(None),
        Err(error) => Err(CloseReason::Protocol(error)),
    }
}
