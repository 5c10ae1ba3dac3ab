//! How a connection ends: for now, for good, or by a defect.

use zpipe::deferred;

use super::{ASK_MIN, Engine, Phase, refusal::Refused};
use crate::{
    departed::Left,
    event::{Change, CloseReason, ConnectionInfo, Event},
    net::{PeerAddress, Stream},
    parts::Parts,
    signals::Outcome,
    sys::{self, NO_DESCRIPTOR},
};

impl Engine {
    /// Lets go of the stream. The pipes of a connection that is to be made again stay as they are,
    /// except that parts of messages are taken back.
    pub(super) fn fail(&mut self, connection: &Parts, reason: CloseReason) {
        let info = self.info(connection);
        let phase = std::mem::replace(&mut self.phase, Phase::Down);
        let stream = self.stream.take();
        let has_last_word = std::mem::take(&mut self.has_last_word);
        self.early = Vec::new();
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
        if connection.keeps_pipes() && !reason.is_final() || goes_on {
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
        // The next address is another peer.
        let is_final = reason.is_final() && !goes_on;
        // Whoever hears of it finds the pipes gone.
        self.emit_end(connection, established, reason, info);
        if let Some(Refused { size, connections }) = refused {
            connection.handle.emit(|| Event::MessageRefused {
                endpoint: connection.endpoint.clone(),
                address: self.address.clone(),
                size,
                connections,
            });
        }
        if has_last_word && !connection.outgoing {
            return self.see_off(connection, stream);
        }
        drop(stream);
        connection.report(if is_final {
            Outcome::Finished
        } else {
            Outcome::Failed { established }
        });
    }

    /// A peer that came was refused and told why. If the stream were closed now, what it still sends would make the system
    /// reset the connection, and maybe take that from it.
    fn see_off(&mut self, connection: &Parts, stream: Option<Stream>) {
        if let Some(stream) = &stream {
            // Fails only if the peer is gone already, which reading will tell.
            let _ = stream.shutdown_write();
        }
        self.stream = stream;
        self.phase = Phase::Draining;
        connection.report(Outcome::Flushed);
        if let Err(reason) = self.discard(connection) {
            self.fail(connection, reason);
        }
    }

    /// Lets go of the pipes, if there are any. A socket whose application does not call does not have to
    /// keep a link that is of no use.
    fn abandon_pipes(&mut self, connection: &Parts, lost: &zpipe::Counter) {
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

    /// What the event of a connection's end says of it. Asked before its stream is closed; what takes a system call only if
    /// somebody watches.
    pub(super) fn info(&self, connection: &Parts) -> ConnectionInfo {
        if connection.handle.is_watched() {
            return self.watched_info(connection);
        }
        ConnectionInfo {
            id: self.peer_id,
            outgoing: connection.outgoing,
            local: PeerAddress::Unknown,
            descriptor: self.stream.as_ref().map_or(NO_DESCRIPTOR, sys::raw),
        }
    }

    /// What events say of the connection.
    pub(super) fn watched_info(&self, connection: &Parts) -> ConnectionInfo {
        let (id, outgoing) = (self.peer_id, connection.outgoing);
        match &self.stream {
            Some(stream) => stream.info(id, outgoing),
            None => ConnectionInfo {
                id,
                outgoing,
                local: PeerAddress::Unknown,
                descriptor: NO_DESCRIPTOR,
            },
        }
    }

    pub(super) fn emit_end(
        &self,
        connection: &Parts,
        established: bool,
        reason: CloseReason,
        info: ConnectionInfo,
    ) {
        let (endpoint, outgoing) = (&connection.endpoint, connection.outgoing);
        let handle = &connection.handle;
        handle.note_end(endpoint, outgoing, &self.address, established, &reason);
        let change = if established {
            Change::Ended(info.id)
        } else {
            Change::None
        };
        connection.handle.emit_change(change, || {
            let (endpoint, address) = (connection.endpoint.clone(), self.address.clone());
            if established {
                Event::Disconnected {
                    endpoint,
                    address,
                    reason,
                    connection: info,
                }
            } else {
                Event::HandshakeFailed {
                    endpoint,
                    address,
                    reason,
                    connection: info,
                }
            }
        });
    }

    /// After the socket let go: a connection that is down and has nothing to send is finished.
    pub(super) fn finish_if_unused(&mut self, connection: &Parts) {
        if matches!(self.phase, Phase::Traffic | Phase::Draining) {
            return;
        }
        let unused = self.pipes.as_ref().is_none_or(|pipes| pipes.pending() == 0);
        if unused {
            self.destroy(connection, false);
        }
    }

    /// After a panic, which is a defect of this library. Nobody knows what is whole of the connection, so
    /// it is given up, as one that ended for a reason of its own.
    pub(crate) fn condemn(&mut self, connection: &Parts) {
        if std::mem::replace(&mut self.condemned, true) {
            return;
        }
        let info = self.info(connection);
        let phase = std::mem::replace(&mut self.phase, Phase::Down);
        let established = matches!(phase, Phase::Traffic);
        if established {
            connection.handle.counters().open.sub(1);
        }
        self.stream = None;
        self.multicast = None;
        self.follower = None;
        self.watch.reset(connection.id);
        self.early = Vec::new();
        drop(connection.take_incoming());
        // A connection that drains has ended already.
        let ends = !matches!(phase, Phase::Draining);
        if ends {
            connection.handle.counters().closed(&CloseReason::Panicked);
        }
        // What is half-changed may panic again.
        let (pipes, translator) = (self.pipes.take(), self.translator.take());
        deferred::catch(move || {
            drop((translator, phase));
            if let Some(pipes) = pipes {
                pipes.abandon(&connection.handle.counters().lost_to_peer);
            }
        });
        if ends {
            self.emit_end(connection, established, CloseReason::Panicked, info);
        }
        connection.report(Outcome::Finished);
    }

    pub(super) fn destroy(&mut self, connection: &Parts, gives_up: bool) {
        if matches!(self.phase, Phase::Traffic) {
            connection.handle.counters().open.sub(1);
            self.notify_ended(connection, false);
        }
        let info = self.info(connection);
        let phase = std::mem::replace(&mut self.phase, Phase::Down);
        self.stream = None;
        self.multicast = None;
        self.watch.reset(connection.id);
        self.early = Vec::new();
        drop(connection.take_incoming());
        self.translator = None;
        self.sink = None;
        self.follower = None;
        let counters = connection.handle.counters();
        let lost = if gives_up {
            &counters.lost_to_peer
        } else {
            &counters.lost_to_linger
        };
        self.abandon_pipes(connection, lost);
        if !matches!(phase, Phase::Down | Phase::Draining) {
            connection.handle.counters().closed(&CloseReason::Local);
            let established = matches!(phase, Phase::Traffic);
            self.emit_end(connection, established, CloseReason::Local, info);
        }
        connection.report(Outcome::Finished);
    }
}
