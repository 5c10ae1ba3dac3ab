//! What is counted of a socket's connections.

use zpipe::Counter;

use super::CloseReason;

/// Counts of what happened to a socket's connections since it was made.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections established: handshakes completed.
    pub established: Counter,
    /// Connections established now.
    pub open: Counter,
    /// Ended by this end.
    pub closed_local: Counter,
    /// Ended by the peer.
    pub closed_peer: Counter,
    /// Ended by the operating system.
    pub closed_io: Counter,
    /// Ended because the handshake took too long.
    pub closed_handshake_timeout: Counter,
    /// Ended because a message took too long to arrive.
    pub closed_message_timeout: Counter,
    /// Ended because the peer was silent for too long.
    pub closed_silent: Counter,
    /// Ended because something was larger than the limit, or a message had too many frames.
    pub closed_oversize: Counter,
    /// Ended because the peer broke the protocol or does not fit.
    pub closed_protocol: Counter,
    /// Ended because one end has refused the other: as an authority or ZAP handler has said, or the peer's.
    pub closed_refused: Counter,
    /// Given up after a panic of this library.
    pub closed_panicked: Counter,
    /// Attempts to connect that failed.
    pub connect_failed: Counter,
    /// Times that accepting was paused for lack of descriptors.
    pub accept_paused: Counter,
    /// Connections that a listener has closed because they come from where nobody is admitted.
    pub accept_refused: Counter,
    /// Connections that were lost before they could be served.
    pub accept_failed: Counter,
    /// Endpoints that are not connected to any more, as the options say, though the socket was not told to let go of them.
    pub connect_stopped: Counter,
    /// How often the socket was told to let go of an endpoint.
    pub disconnects: Counter,
    /// Connections closed as soon as they were accepted, because there were as many as there may be.
    pub admission_refused: Counter,
    /// Events that a monitor missed because it was full.
    pub monitor_lagged: Counter,
    /// Panics of foreign code that were caught: in wakers of tasks, and in the `Drop` of bodies.
    pub foreign_panics: Counter,
    /// Messages that were queued for a peer when its connection was given up.
    pub lost_to_peer: Counter,
    /// Messages of peers whose connections were gone before the socket took their links in, and that were
    /// too many.
    pub departed: Counter,
    /// Messages that came for a socket which takes none.
    pub unwanted: Counter,
    /// Messages that were given up because the peer refuses them.
    pub refused: Counter,
    /// Messages that a later one has replaced: see [`Options::latest_out`](crate::Options::latest_out).
    pub conflated: Counter,
    /// Messages that were dropped because too many topics waited.
    pub crowded_out: Counter,
    /// Messages that were still queued when the time to linger was over.
    pub lost_to_linger: Counter,
    /// What happened to packets over pgm and epgm.
    pub multicast: MulticastCounters,
}

/// Counts of packets over pgm and epgm. Those of a publisher are those that it has sent and was asked for; the others are those
/// of subscribers.
#[derive(Debug, Default)]
pub struct MulticastCounters {
    /// Packets of data that were sent for the first time.
    pub packets_sent: Counter,
    /// Packets that the system has refused to send, for example since the interface is down or they are larger than it takes.
    pub refused: Counter,
    /// Packets that were sent again.
    pub repairs_sent: Counter,
    /// Times that receivers have asked for packets.
    pub naks_received: Counter,
    /// Packets that were asked for when they were not kept any more.
    pub asked_too_late: Counter,
    /// Packets of data that came, each once.
    pub packets_received: Counter,
    /// Those of them that had been lost at first.
    pub repairs_received: Counter,
    /// Packets of data that came again.
    pub duplicates: Counter,
    /// Times that packets were asked for.
    pub naks_sent: Counter,
    /// Packets of data that will not come any more.
    pub lost: Counter,
    /// Packets of data that were not kept, because the application is too slow: they are asked for again.
    pub overrun: Counter,
    /// Packets of sources that were too many.
    pub strangers: Counter,
    /// Packets that were none, or had no messages in them.
    pub malformed: Counter,
}

impl Counters {
    pub(crate) fn closed(&self, reason: &CloseReason) {
        let counter = match reason {
            CloseReason::Local => &self.closed_local,
            CloseReason::PeerClosed => &self.closed_peer,
            CloseReason::Io(_) => &self.closed_io,
            CloseReason::HandshakeTimeout => &self.closed_handshake_timeout,
            CloseReason::MessageTimeout => &self.closed_message_timeout,
            CloseReason::HeartbeatTimeout | CloseReason::TtlExpired => &self.closed_silent,
            CloseReason::Oversize { .. } | CloseReason::TooManyFrames { .. } => {
                &self.closed_oversize
            }
            CloseReason::Protocol(error) if error.blame() == zmtp::Blame::Limit => {
                &self.closed_oversize
            }
            CloseReason::Protocol(error)
                if error.blame() == zmtp::Blame::Unauthenticated || reason.status().is_some() =>
            {
                &self.closed_refused
            }
            CloseReason::Protocol(_) => &self.closed_protocol,
            CloseReason::Panicked => &self.closed_panicked,
        };
        counter.add(1);
    }
}
