//! What connections report: to the socket that owns them, to its monitor, and to its counters.

mod close_reason;
mod counters;
mod display;
pub(crate) mod errno;
mod handle;
mod kinds;
mod standing;
mod stop_reason;
mod zmq;

use std::{net::IpAddr, time::Duration};

use zmtp::Peer;

pub(crate) use self::handle::retract;
pub(crate) use self::standing::{Change, Standing};
pub use self::{
    close_reason::CloseReason,
    counters::{Counters, MulticastCounters},
    handle::{Letter, SocketHandle},
    kinds::EventKinds,
    standing::{Snapshot, StandingPeer},
    stop_reason::StopReason,
    zmq::ZmqEvent,
};
use crate::{endpoint::Endpoint, net::PeerAddress, pgm::Tsi, sys::RawDescriptor};

/// Something a monitor wants to know. Events of one connection come in the order in which they
/// happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The socket listens at an endpoint.
    Listening {
        /// The endpoint, resolved.
        endpoint: Endpoint,
        /// The number of the listener's descriptor.
        descriptor: RawDescriptor,
    },
    /// An endpoint could not be bound, as the call says, too.
    BindFailed {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why.
        reason: String,
        /// The system's number of the error; 0 if it gave none.
        errno: i32,
    },
    /// A listener accepted a connection; the handshake begins.
    Accepted {
        /// Where the socket listens.
        endpoint: Endpoint,
        /// Who connected.
        peer: PeerAddress,
        /// The connection.
        connection: ConnectionInfo,
    },
    /// A connection was lost before it could be accepted; the listener goes on.
    AcceptFailed {
        /// Where the socket listens.
        endpoint: Endpoint,
        /// Why.
        reason: String,
        /// The system's number of the error; 0 if it gave none.
        errno: i32,
    },
    /// A connection was closed as soon as it was accepted, since there are as many as there may be.
    AdmissionRefused {
        /// Where the socket listens.
        endpoint: Endpoint,
        /// Who connected.
        peer: PeerAddress,
        /// Of what there are too many.
        limit: AdmissionLimit,
    },
    /// Accepting is paused because no descriptor or memory is left, and goes on after a while.
    AcceptPaused {
        /// Where the socket listens.
        endpoint: Endpoint,
        /// What the operating system said.
        reason: String,
        /// The system's number of the error; 0 if it gave none.
        errno: i32,
    },
    /// A listener has closed a connection that came from where nobody is admitted: see
    /// [`AcceptFilter`](crate::net::AcceptFilter).
    AcceptRefused {
        /// Where the socket listens.
        endpoint: Endpoint,
        /// Who connected.
        peer: PeerAddress,
    },
    /// A listener is closed.
    ListenerClosed {
        /// Where it listened.
        endpoint: Endpoint,
        /// The number that its descriptor had.
        descriptor: RawDescriptor,
    },
    /// The file of a listener that is closed could not be removed.
    CloseFailed {
        /// Where it listened.
        endpoint: Endpoint,
        /// Why.
        reason: String,
        /// The system's number of the error; 0 if it gave none.
        errno: i32,
    },
    /// An attempt to connect has begun, and the operating system will say later what became of it.
    ConnectDelayed {
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// The operating system connected; the handshake begins.
    Connected {
        /// The endpoint connected to.
        endpoint: Endpoint,
        /// The other end.
        peer: PeerAddress,
        /// The connection.
        connection: ConnectionInfo,
    },
    /// An attempt to connect failed.
    ConnectFailed {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why.
        reason: String,
        /// The system's number of the error; 0 if it gave none.
        errno: i32,
        /// The number that the attempt's descriptor had, [`NO_DESCRIPTOR`](crate::NO_DESCRIPTOR) (-1) if it failed at once; `None` if there was no attempt, since a
        /// name has no address.
        descriptor: Option<RawDescriptor>,
    },
    /// The next attempt to connect is due after a while.
    ConnectRetried {
        /// The endpoint.
        endpoint: Endpoint,
        /// How long that is.
        delay: Duration,
    },
    /// An endpoint that was connected to is given up for good, and what was queued for it with it.
    ConnectStopped {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why.
        reason: StopReason,
    },
    /// The handshake is complete: messages flow.
    HandshakeSucceeded {
        /// Where the connection belongs: the endpoint bound or connected to.
        endpoint: Endpoint,
        /// The other end.
        address: PeerAddress,
        /// What it said about itself.
        peer: Peer,
        /// The connection.
        connection: ConnectionInfo,
    },
    /// A connection ended during its handshake.
    HandshakeFailed {
        /// Where the connection belongs.
        endpoint: Endpoint,
        /// The other end.
        address: PeerAddress,
        /// Why.
        reason: CloseReason,
        /// The connection.
        connection: ConnectionInfo,
    },
    /// A message was given up because the peer refuses it: it ended one connection after the other while
    /// this message was being sent. What was queued behind it is sent on the next one. Follows the
    /// [`Disconnected`](Self::Disconnected) of the last of them.
    MessageRefused {
        /// Where the connection belongs.
        endpoint: Endpoint,
        /// The other end.
        address: PeerAddress,
        /// The size of the message with its frame headers, in bytes.
        size: u64,
        /// How many connections it was tried on.
        connections: u32,
    },
    /// The socket has sent a peer away for which its pattern has no use: a PAIR has one already, for example.
    PeerRefused {
        /// Where the connection belongs.
        endpoint: Endpoint,
    },
    /// An established connection ended.
    Disconnected {
        /// Where the connection belongs.
        endpoint: Endpoint,
        /// The other end.
        address: PeerAddress,
        /// Why.
        reason: CloseReason,
        /// The connection.
        connection: ConnectionInfo,
    },
    /// What waits in the pipes of a peer, as the socket was asked to report.
    PipeStats {
        /// Where the peer belongs: the endpoint bound or connected to.
        endpoint: Endpoint,
        /// Whether this end has connected.
        outgoing: bool,
        /// Messages that wait to be sent to it.
        queued_out: u64,
        /// Messages that wait to be received from it.
        queued_in: u64,
    },
    /// A publisher that was not heard before sends to a multicast endpoint.
    MulticastJoined {
        /// The endpoint.
        endpoint: Endpoint,
        /// Its session.
        session: Tsi,
        /// Where it is.
        address: IpAddr,
    },
    /// Packets of a publisher are lost for good, and the messages with them that they have a part of.
    MulticastLost {
        /// The endpoint.
        endpoint: Endpoint,
        /// The publisher's session.
        session: Tsi,
        /// How many packets.
        packets: u64,
    },
    /// A publisher has not been heard for so long that it is forgotten.
    MulticastLeft {
        /// The endpoint.
        endpoint: Endpoint,
        /// Its session.
        session: Tsi,
    },
    /// In the place of events that were not kept, because this monitor was full.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// The last event: the socket is closed, and so are the connections that it had left behind to send what was queued.
    MonitorStopped,
}

/// The connection that an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Identifies the peer, as the id of a [`Link`](crate::Link) does: of a connection that came the same from its first
    /// event to its last; of one that this end makes again and again always the same, except with
    /// [`immediate`](crate::Options::immediate), where each one that is established is a peer of its own.
    pub id: u64,
    /// Whether this end has connected.
    pub outgoing: bool,
    /// This end's address.
    pub local: PeerAddress,
    /// The number that the descriptor has, or had: it is for comparing events, and may stand for something else by now.
    pub descriptor: RawDescriptor,
}

/// Of what there are as many as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AdmissionLimit {
    /// Handshakes under way at this listener: [`Options::max_pending_handshakes`](crate::Options::max_pending_handshakes).
    PendingHandshakes,
    /// Connections of this listener: [`Options::max_connections`](crate::Options::max_connections).
    Connections,
    /// Connections of one peer address at this listener:
    /// [`Options::max_connections_per_peer`](crate::Options::max_connections_per_peer).
    ConnectionsPerPeer,
}

impl std::fmt::Display for AdmissionLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::PendingHandshakes => "too many handshakes are under way",
            Self::Connections => "too many connections",
            Self::ConnectionsPerPeer => "too many connections of this peer",
        })
    }
}
