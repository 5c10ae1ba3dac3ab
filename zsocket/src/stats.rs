//! Numbers a socket keeps about itself.

use ztransport::Counters;

/// A snapshot of a socket's counters, since it was made unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketStats {
    /// Whole messages that `send` accepted.
    pub messages_sent: u64,
    /// Whole messages that `recv` returned.
    pub messages_received: u64,
    /// Messages that were dropped, by reason.
    pub dropped: Dropped,
    /// Connections of stream transports, by what became of them.
    pub connections: Connections,
    /// Events that the monitor missed because it was full.
    pub monitor_lagged: u64,
    /// Panics of foreign code that the socket caught: in wakers of tasks, and in the `Drop` of bodies.
    pub foreign_panics: u64,
}

/// Why messages were dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// A reply whose requester is gone, or what a ROUTER was to send to a routing id that nobody has.
    pub no_peer: u64,
    /// A reply to a requester that does not read, or what a ROUTER was to send to such a peer: its pipe is full. What
    /// is published counts once for each subscriber that does not get it.
    pub hwm: u64,
    /// Accepted for a peer that was gone before the message reached the operating system.
    pub peer_lost: u64,
    /// Received from peers whose connections are gone, and too many: see
    /// [`Socket::set_departed_hwm`](crate::Socket::set_departed_hwm) and
    /// [`Socket::set_departed_bytes`](crate::Socket::set_departed_bytes).
    pub departed: u64,
    /// Given up because the peer refuses them: see
    /// [`Socket::set_max_refusals`](crate::Socket::set_max_refusals).
    pub refused: u64,
    /// Still queued when the time to linger was over.
    pub linger: u64,
    /// Published, and nobody had subscribed to it.
    pub no_subscriber: u64,
    /// Received by a SUB that has not subscribed to it, or not any more.
    pub not_subscribed: u64,
    /// Received, but not a message of the pattern: a request or reply without delimiter, a reply
    /// nobody waits for, or anything for a socket that only sends.
    pub unexpected: u64,
}

/// What became of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connections {
    /// Established now.
    pub open: u64,
    /// Peers that were sent away because the pattern has no use for them, as a PAIR that has its peer. Those over
    /// inproc count, too.
    pub refused: u64,
    /// Handshakes completed.
    pub established: u64,
    /// Ended by this end.
    pub closed_local: u64,
    /// Ended by the peer.
    pub closed_peer: u64,
    /// Ended by an error of the operating system, such as a reset.
    pub closed_io: u64,
    /// Ended because the handshake took longer than its limit.
    pub handshake_timeout: u64,
    /// Ended because a message took longer to arrive than its limit.
    pub message_timeout: u64,
    /// Ended because a frame or message was larger than the limit, or had too many frames.
    pub oversize: u64,
    /// Ended because the peer broke the protocol or does not fit to this socket.
    pub protocol: u64,
    /// Given up after a panic, which is a defect of this library.
    pub panicked: u64,
    /// Attempts to connect that failed.
    pub connect_failed: u64,
    /// Times that accepting paused for lack of descriptors.
    pub accept_paused: u64,
}

impl SocketStats {
    /// Adds what the connections counted.
    pub(crate) fn with(mut self, counters: &Counters) -> Self {
        self.dropped.peer_lost += counters.lost_to_peer.value();
        self.dropped.unexpected += counters.unwanted.value();
        self.dropped.departed += counters.departed.value();
        self.dropped.refused += counters.refused.value();
        self.dropped.linger += counters.lost_to_linger.value();
        self.monitor_lagged = counters.monitor_lagged.value();
        self.foreign_panics = counters.foreign_panics.value();
        self.connections = Connections {
            open: counters.open.value(),
            refused: self.connections.refused,
            established: counters.established.value(),
            closed_local: counters.closed_local.value(),
            closed_peer: counters.closed_peer.value(),
            closed_io: counters.closed_io.value(),
            handshake_timeout: counters.closed_handshake_timeout.value(),
            message_timeout: counters.closed_message_timeout.value(),
            oversize: counters.closed_oversize.value(),
            protocol: counters.closed_protocol.value(),
            panicked: counters.closed_panicked.value(),
            connect_failed: counters.connect_failed.value(),
            accept_paused: counters.accept_paused.value(),
        };
        self
    }
}
