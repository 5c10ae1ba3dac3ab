//! How things stood when a monitor began.

use ztransport::{ConnectionInfo, Endpoint, Snapshot, StandingPeer};

use crate::PeerId;

/// How things stood at the moment from which on a [`Monitor`](crate::Monitor) reports: made by
/// [`Socket::monitor_with_snapshot`](crate::Socket::monitor_with_snapshot). Inproc has no part in it, as it has none in the
/// events.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MonitorSnapshot {
    /// The endpoints at which the socket listens, resolved: for each one [`Event::Listening`](crate::Event::Listening) has
    /// been, and [`Event::ListenerClosed`](crate::Event::ListenerClosed) has not.
    pub listening: Vec<Endpoint>,
    /// The endpoints that the socket has connected to, whether there is a connection now or not.
    pub connecting: Vec<Endpoint>,
    /// The peers whose handshake is complete: for each one
    /// [`Event::HandshakeSucceeded`](crate::Event::HandshakeSucceeded) has been, and
    /// [`Event::Disconnected`](crate::Event::Disconnected) has not.
    pub peers: Vec<StandingPeer>,
}

impl MonitorSnapshot {
    pub(crate) fn new(snapshot: Snapshot, connecting: Vec<Endpoint>) -> Self {
        Self {
            listening: snapshot.listening,
            connecting,
            peers: snapshot.peers,
        }
    }
}

impl From<&StandingPeer> for PeerId {
    fn from(peer: &StandingPeer) -> Self {
        Self(peer.id)
    }
}

impl From<&ConnectionInfo> for PeerId {
    /// Of a connection whose handshake is complete: the peer as messages from it name it.
    fn from(connection: &ConnectionInfo) -> Self {
        Self(connection.id)
    }
}
