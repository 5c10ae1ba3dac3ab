//! The engine's ends of the pipes to and from the socket.

use std::sync::Arc;

use zpipe::{ByteReader, Ingest, Limits, Notifier, Readiness, byte_pipe, ingest_pipe};

use crate::{
    conflate::{self, Inlet, Outlet, Receiving, Sending},
    departed::Left,
    losses::Losses,
    parts::{Ends, Parts},
};

pub(crate) struct Pipes {
    pub(crate) inbound: Ingest,
    pub(crate) outbound: ByteReader,
    /// If only the latest message waits for the socket, or for the peer: see `conflate.rs`.
    pub(crate) outlet: Option<Box<Outlet>>,
    pub(crate) inlet: Option<Box<Inlet>>,
    /// Shared with the socket.
    pub(crate) losses: Arc<Losses>,
    /// Tells the socket of news, if it has had the link from the beginning.
    pub(super) socket: Option<Notifier>,
}

impl Pipes {
    /// The connection has news for the socket.
    pub(super) fn announce_news(&self) {
        if let Some(socket) = &self.socket {
            socket.notify(Readiness::MAIL);
        }
    }

    /// The socket was idle.
    pub(super) fn wake_socket(&mut self) {
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
    pub(super) fn makes_room(&mut self) -> bool {
        if self.outlet.is_some() {
            self.wake_socket();
        }
        self.outlet.is_some()
    }

    /// Whether nobody reads the inbound pipe any more.
    pub(super) fn is_unread(&self) -> bool {
        self.inbound.is_closed()
            || self
                .outlet
                .as_ref()
                .is_some_and(|outlet| outlet.is_closed())
    }

    /// Everything in the outbound pipe has been sent. Whether there is more, because only the latest message waits.
    pub(super) fn fetch(&mut self) -> bool {
        self.inlet.as_mut().is_some_and(|inlet| inlet.fetch())
    }

    /// The outbound pipe was found empty. `false` if there is something after all.
    pub(super) fn set_idle(&mut self) -> bool {
        match &mut self.inlet {
            None => self.outbound.set_idle(),
            Some(inlet) => inlet.set_idle(),
        }
    }

    /// Messages that wait to be sent.
    pub(super) fn pending(&self) -> u64 {
        self.outbound.pending() + self.inlet.as_ref().map_or(0, |inlet| inlet.pending())
    }

    /// What the socket has not received.
    pub(super) fn left(&self) -> Left {
        match &self.outlet {
            None => Left::in_link(self.inbound.pending(), self.inbound.pending_bytes()),
            Some(outlet) => Left::in_link(outlet.pending(), outlet.pending_bytes()),
        }
    }

    /// Lets go of the pipes, and counts what will not be sent any more.
    pub(super) fn abandon(self, lost: &zpipe::Counter) {
        self.losses.clear_standing();
        let pending = self.pending();
        lost.add(pending);
        // Before the socket can see that the pipes are gone.
        self.losses.abandoned.add(pending);
    }
}

/// Makes the pipes between a socket and an engine: the engine's ends and the socket's ends. Those of a
/// link that comes by letter signal the socket from when it has taken the letter out.
pub(crate) fn make_pipes(connection: &Parts, socket: Option<Notifier>) -> (Pipes, Ends) {
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
    let ends = Ends {
        sending,
        receiving,
        losses: Arc::clone(&pipes.losses),
    };
    (pipes, ends)
}
