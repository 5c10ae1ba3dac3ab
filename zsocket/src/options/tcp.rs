//! What the operating system is asked for.

use std::time::Duration;

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

        /// Whether binding an ipc path takes it over from a socket that listens there, which then hears of nobody new, as
        /// libzmq always does. Otherwise that is [`Error::AddressInUse`](crate::Error::AddressInUse). A path on which nobody
        /// listens any more is bound either way. Default false. For later endpoints. Not for abstract names.
        IPC_TAKEOVER = ipc_takeover / set_ipc_takeover / ipc_takeover: bool,
        when LaterEndpoints,
        at |options| options.transport.tuning.ipc_takeover;

        /// Whether `*` means IPv6 and IPv4 in later endpoints, and whether names resolve to both. Default false.
        /// `ZMQ_IPV6`.
        IPV6 = ipv6 / set_ipv6 / ipv6: bool,
        zmq "ZMQ_IPV6" 42,
        when LaterEndpoints,
        at |options| options.transport.tuning.ipv6;

        /// Whether the system probes a peer over tcp that is silent, so that a dead one is noticed; `None`, the default,
        /// leaves that to the system, and then the next three options do not matter. They do not when it is off, either. For
        /// later endpoints. `ZMQ_TCP_KEEPALIVE`.
        TCP_KEEPALIVE = tcp_keepalive / set_tcp_keepalive / tcp_keepalive: Option<bool>,
        zmq "ZMQ_TCP_KEEPALIVE" 34 none -1,
        when LaterEndpoints,
        at |options| options.transport.tuning.tcp.keep_alive;

        /// After how many probes without answer a peer over tcp is given up; `None`, the default, leaves that to the system.
        /// Linux takes up to 127: what the system does not take is an error of `bind`
        /// ([`BindError::Option`](crate::BindError::Option)), and of connecting an event. For later endpoints.
        /// `ZMQ_TCP_KEEPALIVE_CNT`.
        TCP_KEEPALIVE_COUNT = tcp_keepalive_count / set_tcp_keepalive_count / tcp_keepalive_count: Option<u32>,
        zmq "ZMQ_TCP_KEEPALIVE_CNT" 35 none -1,
        when LaterEndpoints,
        at |options| options.transport.tuning.tcp.keep_alive_count,
        check |value| (*value != Some(0)) => "none or at least 1";

        /// After how many seconds of silence a peer over tcp is probed first; `None`, the default, leaves that to the
        /// system. Linux takes up to 32,767. For later endpoints. `ZMQ_TCP_KEEPALIVE_IDLE`.
        TCP_KEEPALIVE_IDLE = tcp_keepalive_idle / set_tcp_keepalive_idle / tcp_keepalive_idle: Option<u32>,
        zmq "ZMQ_TCP_KEEPALIVE_IDLE" 36 none -1,
        when LaterEndpoints,
        at |options| options.transport.tuning.tcp.keep_alive_idle,
        check |value| (*value != Some(0)) => "none or at least 1 second";

        /// How many seconds lie between two probes of a silent peer over tcp; `None`, the default, leaves that to the
        /// system. Linux takes up to 32,767. For later endpoints. `ZMQ_TCP_KEEPALIVE_INTVL`.
        TCP_KEEPALIVE_INTERVAL = tcp_keepalive_interval
            / set_tcp_keepalive_interval
            / tcp_keepalive_interval: Option<u32>,
        zmq "ZMQ_TCP_KEEPALIVE_INTVL" 37 none -1,
        when LaterEndpoints,
        at |options| options.transport.tuning.tcp.keep_alive_interval,
        check |value| (*value != Some(0)) => "none or at least 1 second";

        /// How long data over tcp may wait for an acknowledgement before the connection is given up
        /// (`TCP_USER_TIMEOUT`); `None`, the default, leaves that to the system. For later endpoints. `ZMQ_TCP_MAXRT`.
        TCP_USER_TIMEOUT = tcp_user_timeout / set_tcp_user_timeout / tcp_user_timeout: Option<Duration>,
        zmq "ZMQ_TCP_MAXRT" 80 none 0,
        when LaterEndpoints,
        at |options| options.transport.tuning.tcp.user_timeout,
        check |value| value.is_none_or(|v| v >= Duration::from_millis(1) && v.as_millis() <= 0x7FFF_FFFF)
            => "none or 1 ms to 2,147,483,647 ms";

        /// The type of service of packets over tcp (`IP_TOS`, `IPV6_TCLASS`): six bits of DSCP and two of ECN, which tcp
        /// keeps for itself. 0, the default, leaves it to the system. For later endpoints. `ZMQ_TOS`.
        TOS = tos / set_tos / tos: u8,
        zmq "ZMQ_TOS" 57,
        when LaterEndpoints,
        at |options| options.transport.tuning.tcp.type_of_service;

        /// The priority of packets over tcp in the queues of this machine (`SO_PRIORITY`). 0, the default, leaves it to the
        /// system, which may derive one from the type of service. More than 6 needs a privilege. For later endpoints.
        /// `ZMQ_PRIORITY`.
        PRIORITY = priority / set_priority / priority: u32,
        zmq "ZMQ_PRIORITY" 112,
        when LaterEndpoints,
        at |options| options.transport.tuning.tcp.priority,
        check |value| i32::try_from(*value).is_ok() => "0 to 2,147,483,647";

        /// The network interface that later tcp endpoints are bound to (`SO_BINDTODEVICE`): what comes in elsewhere is not
        /// for them, and what they send goes out there, whatever the routes say. `None`, the default, is any. Linux only.
        /// An interface that is not there is an error of `bind` ([`BindError::Option`](crate::BindError::Option)), and of
        /// connecting an event, after which it is tried again. `ZMQ_BINDTODEVICE`.
        BIND_TO_DEVICE = bind_to_device / set_bind_to_device / bind_to_device: Option<String>,
        zmq "ZMQ_BINDTODEVICE" 92,
        when LaterEndpoints,
        at |options| options.transport.tuning.tcp.device,
        store |device| device.filter(|name| !name.is_empty()),
        check |value| value.as_ref().is_none_or(|name| name.len() < 16 && !name.contains(['/', '\0', ' ']))
            => "none or the name of an interface, of at most 15 bytes";

        /// For how many microseconds the system polls the network card before it waits for input of later tcp endpoints
        /// (`SO_BUSY_POLL`). 0, the default, leaves it to the system. More than the system has by default needs a
        /// privilege. Linux only. `ZMQ_BUSY_POLL`.
        BUSY_POLL = busy_poll / set_busy_poll / busy_poll: u32,
        zmq "ZMQ_BUSY_POLL" 113,
        when LaterEndpoints,
        at |options| options.transport.tuning.tcp.busy_poll,
        check |value| i32::try_from(*value).is_ok() => "0 to 2,147,483,647 microseconds";

        /// Whether later tcp endpoints may use several paths at a time (MPTCP, RFC 8684). With a peer that does not speak
        /// it, it is plain tcp. A system without it is an error of `bind`
        /// ([`BindError::Option`](crate::BindError::Option)), and of connecting an event. Default false. libzmq has no such
        /// option.
        MULTIPATH_TCP = multipath_tcp / set_multipath_tcp / multipath_tcp: bool,
        when LaterEndpoints,
        at |options| options.transport.tuning.tcp.multipath;
    }
}
