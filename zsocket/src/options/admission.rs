//! Whom a socket lets in, and which threads serve it.

use super::ALL_TYPES;
use super::macros::{common, given, zmq};

common! {
    /// Whom it lets in, and which threads serve it.
    ADMISSION for Pattern ALL_TYPES {
        /// How many handshakes may be under way at each endpoint that is bound; more connections are closed as soon as they
        /// are accepted, with [`Event::AdmissionRefused`](crate::Event::AdmissionRefused) and a
        /// [counter](crate::Connections::admission_refused). With PLAIN and CURVE a handshake takes less than 4 KiB
        /// here until the peer has shown what it has. Peers that were closed connect again after their reconnect interval. `None` is without limit.
        /// Default 10,000, so that as many clients may come at once. libzmq has no such limit. For later endpoints.
        MAX_PENDING_HANDSHAKES = max_pending_handshakes / set_max_pending_handshakes / max_pending_handshakes: Option<u32>,
        when LaterEndpoints,
        at |options| options.transport.max_pending_handshakes,
        check |value| (*value != Some(0)) => "none or at least 1";

        /// How many connections there may be at each endpoint that is bound, handshakes included; more are closed, likewise.
        /// `None`, the default, is without limit. libzmq has no such limit. For later endpoints.
        MAX_CONNECTIONS = max_connections / set_max_connections / max_connections: Option<u32>,
        when LaterEndpoints,
        at |options| options.transport.max_connections,
        check |value| (*value != Some(0)) => "none or at least 1";

        /// How many of these may come from one peer address; more are closed, likewise. An IPv4 address counts as one, as does an
        /// IPv6 network of 64 bits, and over ipc a process. `None`, the default, is without limit. libzmq has no such limit.
        /// For later endpoints.
        MAX_CONNECTIONS_PER_PEER = max_connections_per_peer / set_max_connections_per_peer / max_connections_per_peer: Option<u32>,
        when LaterEndpoints,
        at |options| options.transport.max_connections_per_peer,
        check |value| (*value != Some(0)) => "none or at least 1";

        /// Which I/O threads of the context serve the socket: bit i stands for thread i, and 0, the default, for all. Of these
        /// the one with the fewest connections and listeners gets the next one, be it bound, connected or accepted. Binding
        /// and connecting fail with [`Error::NoSuchIoThread`](crate::Error::NoSuchIoThread) if there is none of them. For
        /// later endpoints. `ZMQ_AFFINITY`.
        AFFINITY = affinity / set_affinity / affinity: u64,
        zmq "ZMQ_AFFINITY" 4,
        when LaterEndpoints,
        at |options| options.transport.affinity;
    }
}
