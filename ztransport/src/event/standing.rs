//! What a socket's endpoints and connections are at one moment, kept in step with the events that it reports.

use std::collections::HashMap;

use bytes::Bytes;
use zmtp::{Peer, SocketType, Version};

use crate::{endpoint::Endpoint, net::PeerAddress, shrink};

/// A peer whose connection is established.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StandingPeer {
    /// See [`ConnectionInfo::id`](crate::ConnectionInfo::id).
    pub id: u64,
    /// Where the connection belongs: the endpoint bound or connected to.
    pub endpoint: Endpoint,
    /// Whether this end has connected.
    pub outgoing: bool,
    /// The other end.
    pub address: PeerAddress,
    /// What the peer calls itself; empty if it has no name.
    pub identity: Bytes,
    /// The peer's socket type, if it has said so.
    pub socket_type: Option<SocketType>,
    /// The version of ZMTP that is spoken with it.
    pub version: Version,
}

impl StandingPeer {
    pub(crate) fn new(
        id: u64,
        endpoint: &Endpoint,
        outgoing: bool,
        address: &PeerAddress,
        peer: &Peer,
    ) -> Self {
        Self {
            id,
            endpoint: endpoint.clone(),
            outgoing,
            address: address.clone(),
            identity: peer.identity.clone(),
            socket_type: peer.socket_type,
            version: peer.version,
        }
    }
}

/// Where a socket listens and whom it is connected with, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The endpoints of stream transports at which it listens, resolved.
    pub listening: Vec<Endpoint>,
    /// The peers over stream transports whose handshake is complete.
    pub peers: Vec<StandingPeer>,
}

/// A change of what stands.
pub(crate) enum Change {
    None,
    Listens(u64, Endpoint),
    ListensNoMore(u64),
    Established(Box<StandingPeer>),
    Ended(u64),
}

/// Small while there is nothing: most sockets have few connections, and some have many.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    listening: HashMap<u64, Endpoint>,
    peers: HashMap<u64, Box<StandingPeer>>,
}

impl Standing {
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::None => {}
            Change::Listens(key, endpoint) => {
                self.listening.insert(key, endpoint);
            }
            Change::ListensNoMore(key) => {
                self.listening.remove(&key);
            }
            Change::Established(peer) => {
                self.peers.insert(peer.id, peer);
            }
            Change::Ended(id) => {
                self.peers.remove(&id);
                shrink::map(&mut self.peers);
            }
        }
    }

    /// In the order in which they came.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut listening: Vec<_> = self.listening.iter().collect();
        listening.sort_unstable_by_key(|(key, _)| **key);
        let mut peers: Vec<_> = self.peers.values().map(|peer| (**peer).clone()).collect();
        peers.sort_unstable_by_key(|peer| peer.id);
        Snapshot {
            listening: listening
                .into_iter()
                .map(|(_, endpoint)| endpoint.clone())
                .collect(),
            peers,
        }
    }
}
