//! What the operating system is asked for.

use super::ALL_TYPES;
use super::macros::{common, given, zmq};

common! {
    /// Options of the operating system's sockets.
    TCP for Pattern ALL_TYPES {
        /// How many connections may wait to be accepted at endpoints bound from now on. Default 100. `ZMQ_BACKLOG`.
        BACKLOG = backlog / set_backlog / backlog: u32,
        zmq "ZMQ_BACKLOG" 19,
        when LaterEndpoints,
        at |options| options.transport.tuning.backlog,
        check |value| (*value > 0) => "at least 1";

        /// Size of the operating system's send buffer for later endpoints, in bytes; `None`, the default, leaves it
        /// to the system. `ZMQ_SNDBUF`.
        SEND_BUFFER = send_buffer / set_send_buffer / send_buffer: Option<usize>,
        zmq "ZMQ_SNDBUF" 11 none -1,
        when LaterEndpoints,
        at |options| options.transport.tuning.send_buffer,
        check |value| (*value != Some(0)) => "none or at least 1 byte";

        /// Size of the operating system's receive buffer for later endpoints, in bytes; `None`, the default, leaves
        /// it to the system. `ZMQ_RCVBUF`.
        RECV_BUFFER = recv_buffer / set_recv_buffer / recv_buffer: Option<usize>,
        zmq "ZMQ_RCVBUF" 12 none -1,
        when LaterEndpoints,
        at |options| options.transport.tuning.recv_buffer,
        check |value| (*value != Some(0)) => "none or at least 1 byte";

        /// Permissions of the files of ipc endpoints bound from now on, whatever the umask is: at most `0o777`.
        /// Whoever may write to the file may connect. Default `0o600`: this user alone. (libzmq leaves it to the
        /// umask.)
        IPC_MODE = ipc_mode / set_ipc_mode / ipc_mode: u32,
        when LaterEndpoints,
        at |options| options.transport.tuning.ipc_mode,
        check |value| (*value <= 0o777) => "at most 0o777";

        /// Whether `*` means IPv6 and IPv4 in later endpoints, and whether names resolve to both. Default false.
        /// `ZMQ_IPV6`.
        IPV6 = ipv6 / set_ipv6 / ipv6: bool,
        zmq "ZMQ_IPV6" 42,
        when LaterEndpoints,
        at |options| options.transport.tuning.ipv6;
    }
}
