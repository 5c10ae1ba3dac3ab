//! What a peer may send.

use std::time::Duration;

use super::ALL_TYPES;
use super::macros::{common, given, zmq};

common! {
    /// What a peer may send.
    LIMITS for Pattern ALL_TYPES {
        /// Largest frame accepted from a peer, in bytes; a peer that announces a larger one loses its
        /// connection. `None`, the default, is no limit. The handshake has a limit of its own. With CURVE each
        /// frame counts with the 33 bytes that protect it. It says nothing about a message of many frames: see
        /// [`set_max_message_size`](crate::Socket::set_max_message_size). For later endpoints.
        /// `ZMQ_MAXMSGSIZE`.
        MAX_FRAME_SIZE = max_frame_size / set_max_frame_size / max_frame_size: Option<u64>,
        zmq "ZMQ_MAXMSGSIZE" 22 none -1,
        when LaterEndpoints,
        at |options| options.transport.max_frame_size,
        check |value| (*value != Some(0)) => "none or at least 1 byte";

        /// Largest message accepted from a peer, in bytes: the bodies of all its frames together. A peer
        /// that announces more loses its connection, so this bounds what a peer that never completes its
        /// message can make the socket keep: twice this size, for a body's buffer doubles as it grows, and
        /// some 100 bytes for each frame, see [`set_max_frames`](crate::Socket::set_max_frames). `None`, the
        /// default, is no limit. libzmq has no such option. For later endpoints.
        MAX_MESSAGE_SIZE = max_message_size / set_max_message_size / max_message_size: Option<u64>,
        when LaterEndpoints,
        at |options| options.transport.max_message_size,
        check |value| (*value != Some(0)) => "none or at least 1 byte";

        /// Most frames of one message accepted from a peer, commands between them included; a peer that
        /// sends more loses its connection. Default 65,536. libzmq has no such limit. For later endpoints.
        MAX_FRAMES = max_frames / set_max_frames / max_frames: u32,
        when LaterEndpoints,
        at |options| options.transport.max_frames,
        check |value| (*value > 0) => "at least 1";

        /// How long a message may take to arrive, from its first byte to its last; a peer that takes longer
        /// loses its connection. Time during which this end does not read on, because the high-water mark is
        /// reached, does not count. `None`, the default, is for ever: a peer that sends a byte now and then
        /// can keep what it has sent in memory for as long as it likes. libzmq has no such option. For later
        /// endpoints.
        MESSAGE_TIMEOUT = message_timeout / set_message_timeout / message_timeout: Option<Duration>,
        when LaterEndpoints,
        at |options| options.transport.message_timeout,
        check |value| value.is_none_or(|v| !v.is_zero()) => "none or more than zero";
    }
}
