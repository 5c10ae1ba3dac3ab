//! Numbers a socket keeps about itself.

use std::{fmt, time::Duration};

use ztransport::Counters;

/// A snapshot of a socket's counters, since it was made unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketStats {
    /// Whole messages that `send` accepted.
    pub messages_sent: u64,
    /// Whole messages that `recv` returned.
    pub messages_received: u64,
    /// Bytes that `send` has put into the pipes of peers, headers of frames included. What is published counts once for
    /// each subscriber that gets it.
    pub bytes_sent: u64,
    /// Bytes that `recv` has taken out of the pipes of peers, headers of frames included, also those of messages that were
    /// dropped then.
    pub bytes_received: u64,
    /// Messages that wait now to be taken by the operating system or, over inproc, by the peers.
    pub queued_out: u64,
    /// The most messages that were found waiting for one peer, whenever it was looked at: when statistics are taken, and
    /// when there seems to be no room. A peer that was found full has it at its high-water mark.
    pub most_queued_out: u64,
    /// Messages that wait now to be received.
    pub queued_in: u64,
    /// How long peers were full: for each of them the time from when a sender found it so, until a call took in that there
    /// is room again.
    pub muted: Duration,
    /// How often a peer was found full.
    pub mutes: u64,
    /// Messages that were dropped, by reason.
    pub dropped: Dropped,
    /// Connections of stream transports, by what became of them.
    pub connections: Connections,
    /// Packets of multicast endpoints.
    pub multicast: Multicast,
    /// Events that the monitor missed because it was full.
    pub monitor_lagged: u64,
    /// Panics of foreign code that the socket caught: in wakers of tasks, and in the `Drop` of bodies.
    pub foreign_panics: u64,
}

/// What happened to the packets of multicast endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Multicast {
    /// A publisher's packets of data, each counted once.
    pub packets_sent: u64,
    /// Packets that the operating system has refused to send, for example since the interface is down, or they are larger than it
    /// takes: see [`set_multicast_packet_size`](crate::Socket::set_multicast_packet_size).
    pub refused: u64,
    /// Packets that it has sent again.
    pub repairs_sent: u64,
    /// Times that subscribers have asked it for packets.
    pub naks_received: u64,
    /// Packets that it was asked for when it did not keep them any more.
    pub asked_too_late: u64,
    /// Packets of data that a subscriber has received, each once.
    pub packets_received: u64,
    /// Those of them that had to be sent again.
    pub repairs_received: u64,
    /// Packets that came once more.
    pub duplicates: u64,
    /// Times that it has asked for packets.
    pub naks_sent: u64,
    /// Packets that are lost for good, and the messages with them that they have a part of.
    pub lost: u64,
    /// Packets that were not kept because the application receives too slowly, and that are asked for again.
    pub overrun: u64,
    /// Packets of publishers that were too many.
    pub strangers: u64,
    /// Packets that were none, or had no messages in them.
    pub malformed: u64,
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
    /// Received, and not read when the socket [disconnected](crate::Socket::disconnect) from the peer.
    pub unread: u64,
    /// Given up because the peer refuses them: see
    /// [`Socket::set_max_refusals`](crate::Socket::set_max_refusals).
    pub refused: u64,
    /// Still queued when the time to linger was over.
    pub linger: u64,
    /// Published, and nobody had subscribed to it.
    pub no_subscriber: u64,
    /// Received by a SUB that has not subscribed to it, or not any more.
    pub not_subscribed: u64,
    /// Replaced by a later message before it was sent or received: see
    /// [`Socket::set_conflate`](crate::Socket::set_conflate). Over inproc the socket counts that asked for it.
    pub conflated: u64,
    /// The last message of its topic, and more topics came than are kept: see
    /// [`Socket::set_conflate_by_topic`](crate::Socket::set_conflate_by_topic).
    pub crowded_out: u64,
    /// Received, but not a message of the pattern: a request or reply without delimiter, a reply
    /// nobody waits for, or anything for a socket that only sends.
    pub unexpected: u64,
    /// Accepted by the sink of an [`AsyncSocket`](crate::AsyncSocket) or [`AsyncSender`](crate::AsyncSender) that was not flushed
    /// before it ended, and there was no room.
    pub unflushed: u64,
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
    /// Ended because the peer was silent for longer than [heartbeats](crate::Socket::set_heartbeat_interval), or what it had
    /// said itself, allow.
    pub silent: u64,
    /// Ended because a frame or message was larger than the limit, or had too many frames.
    pub oversize: u64,
    /// Ended because the peer broke the protocol or does not fit to this socket.
    pub protocol: u64,
    /// Ended because one end has refused the other: as an authenticator or ZAP handler has said, or for want of one. See
    /// [`Security`](crate::Security).
    pub unauthenticated: u64,
    /// Given up after a panic, which is a defect of this library.
    pub panicked: u64,
    /// Attempts to connect that failed.
    pub connect_failed: u64,
    /// Times that accepting paused for lack of descriptors.
    pub accept_paused: u64,
    /// Connections that were closed because they came from where nobody is
    /// [admitted](crate::Socket::set_accept_filter).
    pub accept_refused: u64,
    /// Connections that were lost before they could be served.
    pub accept_failed: u64,
    /// Endpoints that were given up for good, as [`reconnect_interval`](crate::Socket::set_reconnect_interval) or
    /// [`reconnect_stop`](crate::Socket::set_reconnect_stop) says.
    pub connect_stopped: u64,
    /// Closed as soon as they were accepted, because there were as many as there may be: see
    /// [`Socket::set_max_pending_handshakes`](crate::Socket::set_max_pending_handshakes).
    pub admission_refused: u64,
}

impl Dropped {
    /// All of them, whatever the reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.reasons().iter().map(|(_, count)| count).sum()
    }

    /// Each reason in words, with its count.
    fn reasons(&self) -> [(&'static str, u64); 13] {
        let Self {
            no_peer,
            hwm,
            peer_lost,
            departed,
            unread,
            refused,
            linger,
            no_subscriber,
            not_subscribed,
            conflated,
            crowded_out,
            unexpected,
            unflushed,
        } = *self;
        [
            ("for a peer that is not there", no_peer),
            ("for a peer that was full", hwm),
            ("queued for a peer that was lost", peer_lost),
            ("of peers that are gone, too many", departed),
            ("not read when the socket disconnected", unread),
            ("refused by the peer", refused),
            ("still queued after lingering", linger),
            ("nobody had subscribed to", no_subscriber),
            ("received and not subscribed to", not_subscribed),
            ("replaced by a later one", conflated),
            ("of topics that were too many", crowded_out),
            ("received and none of the pattern", unexpected),
            ("accepted by a sink and not flushed", unflushed),
        ]
    }
}

/// Each count that is not zero, in words.
fn write_counts(f: &mut fmt::Formatter<'_>, counts: &[(&str, u64)]) -> fmt::Result {
    let mut counts = counts.iter().filter(|(_, count)| *count > 0).peekable();
    if counts.peek().is_none() {
        return f.write_str("none");
    }
    let mut comma = "";
    for (what, count) in counts {
        write!(f, "{comma}{count} {what}")?;
        comma = ", ";
    }
    Ok(())
}

impl fmt::Display for Dropped {
    /// `2 for a peer that was full, 1 refused by the peer`, or `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_counts(f, &self.reasons())
    }
}

impl fmt::Display for Connections {
    /// `2 open, 3 established, 1 ended by the peer`, or `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            open,
            refused,
            established,
            closed_local,
            closed_peer,
            closed_io,
            handshake_timeout,
            message_timeout,
            silent,
            oversize,
            protocol,
            unauthenticated,
            panicked,
            connect_failed,
            accept_paused,
            accept_refused,
            accept_failed,
            connect_stopped,
            admission_refused,
        } = *self;
        let counts = [
            ("open", open),
            ("established", established),
            ("ended by this end", closed_local),
            ("ended by the peer", closed_peer),
            ("broken", closed_io),
            ("without handshake in time", handshake_timeout),
            ("without message in time", message_timeout),
            ("silent for too long", silent),
            ("with too large a message", oversize),
            ("that broke the protocol or did not fit", protocol),
            ("refused for lack of the right credentials", unauthenticated),
            ("given up after a panic", panicked),
            ("sent away", refused),
            ("attempts to connect failed", connect_failed),
            ("times no descriptor was left", accept_paused),
            ("not admitted", accept_refused),
            ("lost before they were served", accept_failed),
            ("endpoints given up", connect_stopped),
            ("not let in", admission_refused),
        ];
        write_counts(f, &counts)
    }
}

impl fmt::Display for SocketStats {
    /// A report of several lines, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queued = self.queued_out;
        writeln!(
            f,
            "sent:        {} messages, {} bytes",
            self.messages_sent, self.bytes_sent
        )?;
        writeln!(
            f,
            "received:    {} messages, {} bytes",
            self.messages_received, self.bytes_received
        )?;
        writeln!(
            f,
            "queued:      {queued} to send (at most {} for one peer), {} to receive",
            self.most_queued_out, self.queued_in
        )?;
        writeln!(
            f,
            "peers full:  {} times, {:.3?} together",
            self.mutes, self.muted
        )?;
        writeln!(f, "dropped:     {}", self.dropped)?;
        writeln!(f, "connections: {}", self.connections)?;
        let others = [
            ("events missed by the monitor", self.monitor_lagged),
            ("panics of foreign code", self.foreign_panics),
        ];
        f.write_str("trouble:     ")?;
        write_counts(f, &others)
    }
}

impl SocketStats {
    /// Adds what the connections counted.
    pub(crate) fn with(mut self, counters: &Counters) -> Self {
        self.dropped.peer_lost += counters.lost_to_peer.value();
        self.dropped.unexpected += counters.unwanted.value();
        self.dropped.departed += counters.departed.value();
        self.dropped.refused += counters.refused.value();
        self.dropped.linger += counters.lost_to_linger.value();
        self.dropped.conflated += counters.conflated.value();
        self.dropped.crowded_out += counters.crowded_out.value();
        self.monitor_lagged = counters.monitor_lagged.value();
        self.foreign_panics = counters.foreign_panics.value();
        let multicast = &counters.multicast;
        self.multicast = Multicast {
            packets_sent: multicast.packets_sent.value(),
            refused: multicast.refused.value(),
            repairs_sent: multicast.repairs_sent.value(),
            naks_received: multicast.naks_received.value(),
            asked_too_late: multicast.asked_too_late.value(),
            packets_received: multicast.packets_received.value(),
            repairs_received: multicast.repairs_received.value(),
            duplicates: multicast.duplicates.value(),
            naks_sent: multicast.naks_sent.value(),
            lost: multicast.lost.value(),
            overrun: multicast.overrun.value(),
            strangers: multicast.strangers.value(),
            malformed: multicast.malformed.value(),
        };
        self.connections = Connections {
            open: counters.open.value(),
            refused: self.connections.refused,
            established: counters.established.value(),
            closed_local: counters.closed_local.value(),
            closed_peer: counters.closed_peer.value(),
            closed_io: counters.closed_io.value(),
            handshake_timeout: counters.closed_handshake_timeout.value(),
            message_timeout: counters.closed_message_timeout.value(),
            silent: counters.closed_silent.value(),
            oversize: counters.closed_oversize.value(),
            protocol: counters.closed_protocol.value(),
            unauthenticated: counters.closed_refused.value(),
            panicked: counters.closed_panicked.value(),
            connect_failed: counters.connect_failed.value(),
            accept_paused: counters.accept_paused.value(),
            accept_refused: counters.accept_refused.value(),
            accept_failed: counters.accept_failed.value(),
            connect_stopped: counters.connect_stopped.value(),
            admission_refused: counters.admission_refused.value(),
        };
        self
    }
}
