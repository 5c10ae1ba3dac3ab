//! How long things take: sending, receiving, closing, connecting, and shaking hands.

use std::time::Duration;

use zmtp::Version;
use ztransport::ReconnectStop;

use super::ALL_TYPES;
use super::macros::{common, given, zmq};

common! {
    /// How long calls wait, and what becomes of connections.
    TIMES for Pattern ALL_TYPES {
        /// How long a socket that is closed or disconnected goes on sending what is queued; `None`, the
        /// default, is for ever: then a message for a peer that never comes holds up
        /// [`Context::term`](crate::Context::term) and the drop of the last [`Context`](crate::Context) for ever. Over tcp it is sent when the peer's system has acknowledged it all, not
        /// when ours has taken it; until then PING is answered. `ZMQ_LINGER`.
        LINGER = linger / set_linger / linger: Option<Duration>,
        zmq "ZMQ_LINGER" 17 none -1,
        when AtOnce,
        at |options| options.linger;

        /// How long `send` waits; `None`, the default, is for ever. `ZMQ_SNDTIMEO`.
        SEND_TIMEOUT = send_timeout / set_send_timeout / default_send_timeout: Option<Duration>,
        zmq "ZMQ_SNDTIMEO" 28 none -1,
        when AtOnce,
        at |options| options.send_timeout;

        /// How long `recv` waits; `None`, the default, is for ever. `ZMQ_RCVTIMEO`.
        RECV_TIMEOUT = recv_timeout / set_recv_timeout / default_recv_timeout: Option<Duration>,
        zmq "ZMQ_RCVTIMEO" 27 none -1,
        when AtOnce,
        at |options| options.recv_timeout;

        /// How long to wait before connecting again, plus a random part of up to the same length.
        /// Default 100 ms; less than 1 ms counts as 1 ms. `None` gives an endpoint up when its connection is
        /// lost, or when all its addresses have failed. For later endpoints. `ZMQ_RECONNECT_IVL`.
        RECONNECT_INTERVAL = reconnect_interval / set_reconnect_interval / reconnect_interval: Option<Duration>,
        zmq "ZMQ_RECONNECT_IVL" 18 none -1,
        when LaterEndpoints,
        at |options| options.transport.reconnect_interval,
        check |value| value.is_none_or(|v| !v.is_zero()) => "none or more than zero";

        /// With this, the interval doubles after each failure in a row up to here, with jitter. `None`,
        /// the default, keeps it constant. For later endpoints. `ZMQ_RECONNECT_IVL_MAX`.
        RECONNECT_INTERVAL_MAX = reconnect_interval_max
            / set_reconnect_interval_max
            / reconnect_interval_max: Option<Duration>,
        zmq "ZMQ_RECONNECT_IVL_MAX" 21 none 0,
        when LaterEndpoints,
        at |options| options.transport.reconnect_interval_max,
        check |value| value.is_none_or(|v| !v.is_zero()) => "none or more than zero";

        /// When an endpoint is given up for good, although there is an interval after which to connect again: see
        /// [`ReconnectStop`](crate::ReconnectStop). That is told by
        /// [`Event::ConnectStopped`](crate::Event::ConnectStopped), and what is queued for the endpoint is lost and counted
        /// ([`Dropped::peer_lost`](crate::Dropped::peer_lost)); it can be connected to again. As an
        /// integer 1, 2 and 4 stand for the three cases, in their order. Default: never. For later endpoints.
        /// `ZMQ_RECONNECT_STOP`.
        RECONNECT_STOP = reconnect_stop / set_reconnect_stop / reconnect_stop: ReconnectStop,
        zmq "ZMQ_RECONNECT_STOP" 109,
        when LaterEndpoints,
        at |options| options.transport.reconnect_stop;

        /// How long the addresses of an endpoint may be tried, all together, before there is a pause; the negotiation with
        /// a proxy counts too. `None`, the default, leaves that to the operating system. For later endpoints.
        /// `ZMQ_CONNECT_TIMEOUT`.
        CONNECT_TIMEOUT = connect_timeout / set_connect_timeout / connect_timeout: Option<Duration>,
        zmq "ZMQ_CONNECT_TIMEOUT" 79 none 0,
        when LaterEndpoints,
        at |options| options.transport.connect_timeout,
        check |value| value.is_none_or(|v| !v.is_zero()) => "none or more than zero";

        /// How long a handshake may take; `None` is for ever. Default 30 s. For later endpoints.
        /// `ZMQ_HANDSHAKE_IVL`.
        HANDSHAKE_INTERVAL = handshake_interval / set_handshake_interval / handshake_interval: Option<Duration>,
        zmq "ZMQ_HANDSHAKE_IVL" 66 none 0,
        when LaterEndpoints,
        at |options| options.transport.handshake_interval,
        check |value| value.is_none_or(|v| !v.is_zero()) => "none or more than zero";

        /// The oldest version of ZMTP that a peer may speak: 1.0, the default, 2.0, 3.0 or 3.1. A peer of an older
        /// one loses its connection in the handshake. libzmq has no such option. For later endpoints.
        OLDEST_VERSION = oldest_version / set_oldest_version / oldest_version: Version,
        when LaterEndpoints,
        at |options| options.transport.oldest_version,
        check |value| [Version::V1_0, Version::V2_0, Version::V3_0, Version::V3_1].contains(value)
            => "1.0, 2.0, 3.0 or 3.1";
    }
}
