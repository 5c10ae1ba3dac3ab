//! A socket's end of one connection.

use std::sync::Arc;

use zmtp::Peer;
use zpipe::{Counter, Reader, Writer};

use crate::{connection::Connection, endpoint::Endpoint};

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
}

/// The application side's handle on an engine.
#[derive(Clone, Debug)]
pub struct Driver {
    pub(crate) connection: Arc<Connection>,
}

impl Driver {
    /// Writes what the outbound pipe holds to the peer, as far as the peer takes it, on this thread.
    /// If another thread is driving the engine, that one does it.
    pub fn write(&self) {
        self.connection.drive_write();
    }

    /// Reads what the peer has sent into the inbound pipe, on this thread, likewise.
    pub fn read(&self) {
        self.connection.drive_read();
    }

    /// Sets how long the connection may live on after its link is dropped in order to send what is
    /// queued: `None` is for ever. Call it just before the link is dropped.
    pub fn linger(&self, linger: Option<std::time::Duration>) {
        self.connection.close(linger);
    }
}
