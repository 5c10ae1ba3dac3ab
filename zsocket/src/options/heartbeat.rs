//! Whether a silent peer is alive.

use std::time::Duration;

use super::ALL_TYPES;
use super::macros::{common, given, zmq};

/// The longest time to live that a PING can carry: 65,535 tenths of a second.
const MAX_TTL: Duration = Duration::from_millis(6_553_500);

common! {
    /// Heartbeats.
    HEARTBEAT for Pattern ALL_TYPES {
        /// How often each peer is sent a PING, whatever else travels, so that one which is gone without a word, or
        /// frozen, is noticed: anything that comes from it counts as an answer. Not for peers of ZMTP 1.0 and 2.0,
        /// which know no PING, nor for those of a STREAM. `None`, the default, for never; a PING of a peer is
        /// answered all the same. For later endpoints. `ZMQ_HEARTBEAT_IVL`.
        HEARTBEAT_INTERVAL = heartbeat_interval / set_heartbeat_interval / heartbeat_interval: Option<Duration>,
        zmq "ZMQ_HEARTBEAT_IVL" 75 none 0,
        when LaterEndpoints,
        at |options| options.transport.heartbeat_interval,
        check |value| value.is_none_or(|v| !v.is_zero()) => "none or more than zero";

        /// How long nothing may come from a peer after a PING until its connection is closed
        /// ([`CloseReason::HeartbeatTimeout`](crate::CloseReason::HeartbeatTimeout)), and made again if this end made
        /// it. While this end does not read, because the receive mark is reached, silence is none of the peer's. But
        /// a peer that does not read for that reason does not answer either, unless it has heartbeats of its own:
        /// have both ends send them. `None`, the default, is as long as the
        /// [interval](crate::Socket::set_heartbeat_interval); zero is for ever. For later endpoints.
        /// `ZMQ_HEARTBEAT_TIMEOUT`.
        HEARTBEAT_TIMEOUT = heartbeat_timeout / set_heartbeat_timeout / heartbeat_timeout: Option<Duration>,
        zmq "ZMQ_HEARTBEAT_TIMEOUT" 77 none -1,
        when LaterEndpoints,
        at |options| options.transport.heartbeat_timeout;

        /// What each PING tells the peer: how long it may hear nothing from this end until it gives the connection
        /// up, in tenths of a second, rounded up. A peer is told 65.5 seconds at most, because libzmq wraps around
        /// beyond. `None`, the default, for ever. For later endpoints. `ZMQ_HEARTBEAT_TTL`.
        HEARTBEAT_TTL = heartbeat_ttl / set_heartbeat_ttl / heartbeat_ttl: Option<Duration>,
        zmq "ZMQ_HEARTBEAT_TTL" 76 none 0,
        when LaterEndpoints,
        at |options| options.transport.heartbeat_ttl,
        check |value| value.is_none_or(|v| !v.is_zero() && v <= MAX_TTL)
            => "none, or more than zero and at most 6553500ms";
    }
}
