//! What pgm and epgm are told.

use std::time::Duration;

use zmtp::SocketType;

use super::macros::{common, given, zmq};

/// Those that can take part in multicast.
const MULTICAST_TYPES: [SocketType; 4] = [
    SocketType::Pub,
    SocketType::Sub,
    SocketType::XPub,
    SocketType::XSub,
];

common! {
    /// Options of multicast, for endpoints of pgm and epgm. They count for publishers and subscribers.
    MULTICAST for Pattern MULTICAST_TYPES {
        /// How fast a publisher sends new data to a multicast endpoint, in kilobits per second with all headers. With
        /// [`set_multicast_recovery`](crate::Socket::set_multicast_recovery) it also says how much a publisher keeps to send
        /// again what was lost, and how much a subscriber keeps while something is missing: give both ends the same. Default
        /// 100. For later endpoints. `ZMQ_RATE`.
        MULTICAST_RATE = multicast_rate / set_multicast_rate / multicast_rate: u32,
        zmq "ZMQ_RATE" 8,
        when LaterEndpoints,
        at |options| options.transport.tuning.multicast.rate,
        check |value| *value > 0 && i32::try_from(*value).is_ok() => "1 to 2,147,483,647 kilobits per second";

        /// For how long what was sent to a multicast endpoint at full rate can be sent again. Default 10 s. For later endpoints.
        /// `ZMQ_RECOVERY_IVL`.
        MULTICAST_RECOVERY = multicast_recovery / set_multicast_recovery / multicast_recovery: Duration,
        zmq "ZMQ_RECOVERY_IVL" 9,
        when LaterEndpoints,
        at |options| options.transport.tuning.multicast.recovery,
        check |value| value.as_millis() <= 0x7FFF_FFFF => "at most 2,147,483,647 ms";

        /// How many networks packets to a multicast endpoint may pass: 1, the default, is the local one alone. For later endpoints.
        /// `ZMQ_MULTICAST_HOPS`.
        MULTICAST_HOPS = multicast_hops / set_multicast_hops / multicast_hops: u8,
        zmq "ZMQ_MULTICAST_HOPS" 25,
        when LaterEndpoints,
        at |options| options.transport.tuning.multicast.hops,
        check |value| (*value > 0) => "1 to 255";

        /// Whether sockets on the same machine receive what is sent to a multicast endpoint over an interface that leads out of it.
        /// Default false, as it is with libzmq, which ignores the option for pgm. For later endpoints. `ZMQ_MULTICAST_LOOP`.
        MULTICAST_LOOPBACK = multicast_loopback / set_multicast_loopback / multicast_loopback: bool,
        zmq "ZMQ_MULTICAST_LOOP" 96,
        when LaterEndpoints,
        at |options| options.transport.tuning.multicast.loopback;

        /// The largest packet that is sent to a multicast endpoint, in bytes with all headers. Receivers of libzmq do not take larger
        /// ones than their own. Default 1500. For later endpoints. `ZMQ_MULTICAST_MAXTPDU`.
        MULTICAST_PACKET_SIZE = multicast_packet_size / set_multicast_packet_size / multicast_packet_size: u32,
        zmq "ZMQ_MULTICAST_MAXTPDU" 84,
        when LaterEndpoints,
        at |options| options.transport.tuning.multicast.max_tpdu,
        check |value| (108..=65_535).contains(value) => "108 to 65,535 bytes";
    }
}
