//! Who is at the other end.

use std::{fmt, time::Duration};

use bytes::Bytes;
use zmtp::{Metadata, SocketType, Version};
use ztransport::{Endpoint, net::PeerAddress};

/// Identifies a peer of a socket. No other peer of any socket of this process ever has the same one.
///
/// A peer that this socket has connected to keeps its id when the connection is made again, whoever answers there then:
/// the id stands for the endpoint and what is queued for it. (Not with [`immediate`](crate::Socket::set_immediate), where
/// each connection is a peer of its own.) A peer that came in gets another id when it comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub(crate) u64);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer {}", self.0)
    }
}

/// What a socket knows about a peer, at the time of the question.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PeerInfo {
    /// Identifies the peer.
    pub id: PeerId,
    /// The endpoint that this socket has bound, if the peer came in there, or has connected to.
    pub endpoint: Endpoint,
    /// Whether this socket has connected to the peer.
    pub outgoing: bool,
    /// Where the peer is; `None` while there is no connection, and over inproc. Over ipc it
    /// [tells](PeerAddress::credentials) the process, user and group at the other end.
    pub address: Option<PeerAddress>,
    /// For how long the connection has stood, since its handshake; `None` while there is none. Over inproc: since this
    /// socket has heard of the peer.
    pub connected: Option<Duration>,
    /// The peer's socket type, if it has said so.
    pub socket_type: Option<SocketType>,
    /// The version of ZMTP that is spoken with the peer; `None` if there has been no connection yet.
    pub version: Option<Version>,
    /// On a ROUTER the routing id by which messages go to this peer; on others what the peer calls itself. Empty if it
    /// has no name.
    pub routing_id: Bytes,
    /// The user id that a ZAP handler gave the peer; empty without one.
    pub user_id: Bytes,
    /// What the peer has announced, its type and routing id included. That is its own claim and proves nothing. Over inproc
    /// only what [`set_metadata`](crate::Socket::set_metadata) says.
    pub properties: Metadata,
    /// The properties that a ZAP handler gave the peer.
    pub trusted: Metadata,
}

/// A snapshot of the traffic with one peer, since its link was made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PeerStats {
    /// Identifies the peer.
    pub id: PeerId,
    /// The endpoint that this socket has bound, if the peer came in there, or has connected to.
    pub endpoint: Endpoint,
    /// Whether this socket has connected to the peer.
    pub outgoing: bool,
    /// Messages that were put into the peer's pipe. Over inproc subscriptions count, too.
    pub messages_sent: u64,
    /// Their bytes, headers of frames included.
    pub bytes_sent: u64,
    /// Messages that were taken out of the peer's pipe, also those that were dropped then.
    pub messages_received: u64,
    /// Their bytes, headers of frames included.
    pub bytes_received: u64,
    /// Messages that wait now to be taken by the operating system or, over inproc, by the peer.
    pub queued_out: u64,
    /// The most that were found waiting: see [`SocketStats::most_queued_out`](crate::SocketStats::most_queued_out).
    pub most_queued_out: u64,
    /// How many may wait; 0 for any number.
    pub send_mark: u64,
    /// Messages that wait now to be received.
    pub queued_in: u64,
    /// How many may wait; 0 for any number.
    pub recv_mark: u64,
    /// Messages for this peer that were dropped because it was full.
    pub dropped_hwm: u64,
    /// How long the peer was full: from when a sender found it so, until a call took in that there is room again.
    pub muted: Duration,
    /// How often it was found full.
    pub mutes: u64,
    /// Whether it is full now, as far as a sender has found.
    pub is_muted: bool,
}

impl fmt::Display for PeerStats {
    /// One line, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.outgoing { "to" } else { "accepted at" };
        let mark = |mark: u64| match mark {
            0 => "any".to_owned(),
            mark => mark.to_string(),
        };
        write!(
            f,
            "{} {direction} {}: sent {} messages, {} bytes; received {} messages, {} bytes; queued {} of {} to send \
             (at most {}), {} of {} to receive; full {} times, {:.3?} together",
            self.id,
            self.endpoint,
            self.messages_sent,
            self.bytes_sent,
            self.messages_received,
            self.bytes_received,
            self.queued_out,
            mark(self.send_mark),
            self.most_queued_out,
            self.queued_in,
            mark(self.recv_mark),
            self.mutes,
            self.muted,
        )?;
        if self.is_muted {
            f.write_str(", and now")?;
        }
        if self.dropped_hwm > 0 {
            write!(f, "; {} dropped for that", self.dropped_hwm)?;
        }
        Ok(())
    }
}

impl PeerInfo {
    /// Whether there is a connection whose handshake is complete.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.connected.is_some()
    }
}

impl fmt::Display for PeerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.outgoing { "to" } else { "accepted at" };
        match self.socket_type {
            Some(socket_type) => f.write_str(socket_type.name())?,
            None => f.write_str("unknown peer")?,
        }
        if !self.routing_id.is_empty() {
            write!(f, " \"{}\"", self.routing_id.escape_ascii())?;
        }
        write!(f, " {direction} {}", self.endpoint)?;
        if let Some(address) = &self.address {
            write!(f, " from {address}")?;
        }
        match self.connected {
            Some(time) => write!(f, ", connected for {time:.1?}"),
            None => f.write_str(", not connected"),
        }
    }
}
