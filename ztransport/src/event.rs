//! What connections report: to the socket that owns them, to its monitor, and to its counters.

mod close_reason;
mod counters;
mod handle;

use std::time::Duration;

use zmtp::Peer;

pub(crate) use self::handle::retract;
pub use self::{
    close_reason::CloseReason,
    counters::Counters,
    handle::{Letter, SocketHandle},
};
use crate::{endpoint::Endpoint, net::PeerAddress};

/// Something a monitor wants to know. Events of one connection come in the order in which they
/// happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The socket listens at an endpoint.
    Listening {
        /// The endpoint, resolved.
        endpoint: Endpoint,
    },
    /// A listener accepted a connection; the handshake begins.
    Accepted {
        /// Where the socket listens.
        endpoint: Endpoint,
        /// Who connected.
        peer: PeerAddress,
    },
    /// Accepting is paused because no descriptor or memory is left, and goes on after a while.
    AcceptPaused {
        /// Where the socket listens.
        endpoint: Endpoint,
        /// What the operating system said.
        reason: String,
    },
    /// A listener is closed.
    ListenerClosed {
        /// Where it listened.
        endpoint: Endpoint,
    },
    /// The operating system connected; the handshake begins.
    Connected {
        /// The endpoint connected to.
        endpoint: Endpoint,
        /// The other end.
        peer: PeerAddress,
    },
    /// An attempt to connect failed.
    ConnectFailed {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why.
        reason: String,
    },
    /// The next attempt to connect is due after a while.
    ConnectRetried {
        /// The endpoint.
        endpoint: Endpoint,
        /// How long that is.
        delay: Duration,
    },
    /// The handshake is complete: messages flow.
    HandshakeSucceeded {
        /// Where the connection belongs: the endpoint bound or connected to.
        endpoint: Endpoint,
        /// The other end.
        address: PeerAddress,
        /// What it said about itself.
        peer: Peer,
    },
    /// A connection ended during its handshake.
    HandshakeFailed {
        /// Where the connection belongs.
        endpoint: Endpoint,
        /// The other end.
        address: PeerAddress,
        /// Why.
        reason: CloseReason,
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
    },
}
