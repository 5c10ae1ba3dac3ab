//! The C interface of libzmq 4.3.5, as far as the wrapper needs it.
//!
//! Written by hand from the manual pages, so that no binding generator (and no libclang) is
//! needed to build the tests. Names and numbers are the C ones without the `zmq_` or `ZMQ_`
//! prefix doing any work: `zmq_send` stays `zmq_send`, `ZMQ_SNDHWM` becomes [`opt::SNDHWM`].
//!
//! All functions may be called from any thread; a socket must not be used by two threads at
//! the same time. Failure is −1 or null, with the cause in [`zmq_errno`].

use std::ffi::{c_char, c_int, c_long, c_short, c_void};

/// A message: an opaque block that libzmq lays out as it likes.
///
/// It must be initialised by one of the `zmq_msg_init` functions before any other use, and
/// closed or sent once. It may be moved in memory: nothing in it points to itself.
#[repr(C)]
#[cfg_attr(target_pointer_width = "64", repr(align(8)))]
#[cfg_attr(target_pointer_width = "32", repr(align(4)))]
#[derive(Debug)]
#[allow(non_camel_case_types)]
pub struct zmq_msg_t {
    opaque: [u8; 64],
}

/// A file descriptor, as the platform's C library calls it.
#[cfg(not(windows))]
pub type RawFd = c_int;
/// A socket handle, as the platform's C library calls it.
#[cfg(windows)]
pub type RawFd = usize;

/// One thing to wait for in [`zmq_poll`].
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct zmq_pollitem_t {
    /// The ØMQ socket, or null to wait for `fd`.
    pub socket: *mut c_void,
    /// The file descriptor, used if `socket` is null.
    pub fd: RawFd,
    /// What to wait for: [`POLLIN`], [`POLLOUT`].
    pub events: c_short,
    /// What happened.
    pub revents: c_short,
}

unsafe extern "C" {
    /// The cause of the last failure in this thread.
    pub fn zmq_errno() -> c_int;
    /// The text for an error number; static memory.
    pub fn zmq_strerror(errnum: c_int) -> *const c_char;
    /// The version of the library that runs.
    pub fn zmq_version(major: *mut c_int, minor: *mut c_int, patch: *mut c_int);
    /// 1 if the library was built with the capability (`ipc`, `curve`, `draft`, `WS`, …), else 0.
    pub fn zmq_has(capability: *const c_char) -> c_int;

    /// A new context, or null.
    pub fn zmq_ctx_new() -> *mut c_void;
    /// Sets one of [`ctx_opt`].
    pub fn zmq_ctx_set(context: *mut c_void, option: c_int, optval: c_int) -> c_int;
    /// Reads one of [`ctx_opt`].
    pub fn zmq_ctx_get(context: *mut c_void, option: c_int) -> c_int;
    /// Makes every call on the context's sockets fail with [`ETERM`]; does not block.
    pub fn zmq_ctx_shutdown(context: *mut c_void) -> c_int;
    /// Waits until all sockets are closed and have lingered, then frees the context.
    pub fn zmq_ctx_term(context: *mut c_void) -> c_int;

    /// A new socket of one of [`socket_type`], or null.
    pub fn zmq_socket(context: *mut c_void, kind: c_int) -> *mut c_void;
    /// Closes a socket; its messages linger in the background.
    pub fn zmq_close(socket: *mut c_void) -> c_int;
    /// Sets one of [`opt`].
    pub fn zmq_setsockopt(
        socket: *mut c_void,
        option: c_int,
        optval: *const c_void,
        optvallen: usize,
    ) -> c_int;
    /// Reads one of [`opt`]; `optvallen` is the room on entry, the length used on return.
    pub fn zmq_getsockopt(
        socket: *mut c_void,
        option: c_int,
        optval: *mut c_void,
        optvallen: *mut usize,
    ) -> c_int;
    /// Accepts connections on an endpoint.
    pub fn zmq_bind(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    /// Connects to an endpoint, now or as soon as somebody is there.
    pub fn zmq_connect(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    /// Undoes [`zmq_bind`].
    pub fn zmq_unbind(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    /// Undoes [`zmq_connect`].
    pub fn zmq_disconnect(socket: *mut c_void, endpoint: *const c_char) -> c_int;
    /// Reports the socket's events on an inproc endpoint; null stops it.
    pub fn zmq_socket_monitor(socket: *mut c_void, endpoint: *const c_char, events: c_int)
    -> c_int;
    /// Draft: with frames of this version, over a socket of this type.
    pub fn zmq_socket_monitor_versioned(
        socket: *mut c_void,
        endpoint: *const c_char,
        events: u64,
        version: c_int,
        socket_type: c_int,
    ) -> c_int;

    /// Sends a copy of a buffer as one frame; the number of bytes, or −1.
    pub fn zmq_send(socket: *mut c_void, buf: *const c_void, len: usize, flags: c_int) -> c_int;
    /// Receives one frame into a buffer, cut to its length; the frame's full length, or −1.
    pub fn zmq_recv(socket: *mut c_void, buf: *mut c_void, len: usize, flags: c_int) -> c_int;

    /// An empty message.
    pub fn zmq_msg_init(msg: *mut zmq_msg_t) -> c_int;
    /// A message of `size` uninitialised bytes.
    pub fn zmq_msg_init_size(msg: *mut zmq_msg_t, size: usize) -> c_int;
    /// Sends a message as one frame; on success it is empty afterwards.
    pub fn zmq_msg_send(msg: *mut zmq_msg_t, socket: *mut c_void, flags: c_int) -> c_int;
    /// Receives one frame, replacing what the message held.
    pub fn zmq_msg_recv(msg: *mut zmq_msg_t, socket: *mut c_void, flags: c_int) -> c_int;
    /// Releases a message.
    pub fn zmq_msg_close(msg: *mut zmq_msg_t) -> c_int;
    /// The first byte of the body.
    pub fn zmq_msg_data(msg: *mut zmq_msg_t) -> *mut c_void;
    /// The length of the body.
    pub fn zmq_msg_size(msg: *const zmq_msg_t) -> usize;
    /// 1 if more frames of the same message follow.
    pub fn zmq_msg_more(msg: *const zmq_msg_t) -> c_int;

    /// Waits for events for `timeout` milliseconds, −1 for ever; the number of items with one.
    pub fn zmq_poll(items: *mut zmq_pollitem_t, nitems: c_int, timeout: c_long) -> c_int;

    /// Forwards between two sockets, with copies for a third one, until the context is shut down; then −1.
    pub fn zmq_proxy(frontend: *mut c_void, backend: *mut c_void, capture: *mut c_void) -> c_int;
    /// Likewise, and obeys what comes in on a control socket; 0 when that was to terminate.
    pub fn zmq_proxy_steerable(
        frontend: *mut c_void,
        backend: *mut c_void,
        capture: *mut c_void,
        control: *mut c_void,
    ) -> c_int;

    /// A CURVE key pair as Z85 text, 41 bytes each with the final NUL.
    pub fn zmq_curve_keypair(public: *mut c_char, secret: *mut c_char) -> c_int;
}

/// Do not wait.
pub const DONTWAIT: c_int = 1;
/// More frames of the same message follow.
pub const SNDMORE: c_int = 2;

/// A message can be received.
pub const POLLIN: c_short = 1;
/// A message can be sent.
pub const POLLOUT: c_short = 2;

const HAUSNUMERO: c_int = 156_384_712;
/// The socket's type does not have the operation. The system's number, which std does not map.
pub const ENOTSUP: c_int = if cfg!(any(target_os = "linux", target_os = "android")) {
    95
} else if cfg!(target_vendor = "apple") {
    45
} else if cfg!(windows) {
    129
} else {
    HAUSNUMERO + 1
};
/// The call is not allowed in the socket's present state.
pub const EFSM: c_int = HAUSNUMERO + 51;
/// The socket's type does not work over this transport.
pub const ENOCOMPATPROTO: c_int = HAUSNUMERO + 52;
/// The context is being terminated.
pub const ETERM: c_int = HAUSNUMERO + 53;
/// No I/O thread can take the task.
pub const EMTHREAD: c_int = HAUSNUMERO + 54;

/// Options of a context.
#[allow(missing_docs)]
pub mod ctx_opt {
    use std::ffi::c_int;

    pub const IO_THREADS: c_int = 1;
    pub const MAX_SOCKETS: c_int = 2;
    pub const SOCKET_LIMIT: c_int = 3;
    pub const MAX_MSGSZ: c_int = 5;
    pub const MSG_T_SIZE: c_int = 6;
    pub const THREAD_AFFINITY_CPU_ADD: c_int = 7;
    pub const THREAD_AFFINITY_CPU_REMOVE: c_int = 8;
    pub const ZERO_COPY_RECV: c_int = 10;
    pub const IPV6: c_int = 42;
    pub const BLOCKY: c_int = 70;
}

/// Socket types.
#[allow(missing_docs)]
pub mod socket_type {
    use std::ffi::c_int;

    pub const PAIR: c_int = 0;
    pub const PUB: c_int = 1;
    pub const SUB: c_int = 2;
    pub const REQ: c_int = 3;
    pub const REP: c_int = 4;
    pub const DEALER: c_int = 5;
    pub const ROUTER: c_int = 6;
    pub const PULL: c_int = 7;
    pub const PUSH: c_int = 8;
    pub const XPUB: c_int = 9;
    pub const XSUB: c_int = 10;
    pub const STREAM: c_int = 11;
    pub const SERVER: c_int = 12;
    pub const CLIENT: c_int = 13;
    pub const RADIO: c_int = 14;
    pub const DISH: c_int = 15;
    pub const GATHER: c_int = 16;
    pub const SCATTER: c_int = 17;
    pub const DGRAM: c_int = 18;
    pub const PEER: c_int = 19;
    pub const CHANNEL: c_int = 20;
}

/// Options of a socket.
#[allow(missing_docs)]
pub mod opt {
    use std::ffi::c_int;

    pub const AFFINITY: c_int = 4;
    pub const ROUTING_ID: c_int = 5;
    pub const SUBSCRIBE: c_int = 6;
    pub const UNSUBSCRIBE: c_int = 7;
    pub const RATE: c_int = 8;
    pub const RECOVERY_IVL: c_int = 9;
    pub const SNDBUF: c_int = 11;
    pub const RCVBUF: c_int = 12;
    pub const RCVMORE: c_int = 13;
    pub const FD: c_int = 14;
    pub const EVENTS: c_int = 15;
    pub const TYPE: c_int = 16;
    pub const LINGER: c_int = 17;
    pub const RECONNECT_IVL: c_int = 18;
    pub const BACKLOG: c_int = 19;
    pub const RECONNECT_IVL_MAX: c_int = 21;
    pub const MAXMSGSIZE: c_int = 22;
    pub const SNDHWM: c_int = 23;
    pub const RCVHWM: c_int = 24;
    pub const MULTICAST_HOPS: c_int = 25;
    pub const RCVTIMEO: c_int = 27;
    pub const SNDTIMEO: c_int = 28;
    pub const LAST_ENDPOINT: c_int = 32;
    pub const ROUTER_MANDATORY: c_int = 33;
    pub const TCP_KEEPALIVE: c_int = 34;
    pub const TCP_KEEPALIVE_CNT: c_int = 35;
    pub const TCP_KEEPALIVE_IDLE: c_int = 36;
    pub const TCP_KEEPALIVE_INTVL: c_int = 37;
    pub const IMMEDIATE: c_int = 39;
    pub const XPUB_VERBOSE: c_int = 40;
    pub const ROUTER_RAW: c_int = 41;
    pub const IPV6: c_int = 42;
    pub const MECHANISM: c_int = 43;
    pub const PLAIN_SERVER: c_int = 44;
    pub const PLAIN_USERNAME: c_int = 45;
    pub const PLAIN_PASSWORD: c_int = 46;
    pub const CURVE_SERVER: c_int = 47;
    pub const CURVE_PUBLICKEY: c_int = 48;
    pub const CURVE_SECRETKEY: c_int = 49;
    pub const CURVE_SERVERKEY: c_int = 50;
    pub const PROBE_ROUTER: c_int = 51;
    pub const REQ_CORRELATE: c_int = 52;
    pub const REQ_RELAXED: c_int = 53;
    pub const CONFLATE: c_int = 54;
    pub const ZAP_DOMAIN: c_int = 55;
    pub const ROUTER_HANDOVER: c_int = 56;
    pub const TOS: c_int = 57;
    pub const CONNECT_ROUTING_ID: c_int = 61;
    pub const HANDSHAKE_IVL: c_int = 66;
    pub const SOCKS_PROXY: c_int = 68;
    pub const XPUB_NODROP: c_int = 69;
    pub const XPUB_MANUAL: c_int = 71;
    pub const XPUB_WELCOME_MSG: c_int = 72;
    pub const STREAM_NOTIFY: c_int = 73;
    pub const INVERT_MATCHING: c_int = 74;
    pub const HEARTBEAT_IVL: c_int = 75;
    pub const HEARTBEAT_TTL: c_int = 76;
    pub const HEARTBEAT_TIMEOUT: c_int = 77;
    pub const XPUB_VERBOSER: c_int = 78;
    pub const CONNECT_TIMEOUT: c_int = 79;
    pub const TCP_MAXRT: c_int = 80;
    pub const THREAD_SAFE: c_int = 81;
    pub const MULTICAST_MAXTPDU: c_int = 84;
    pub const USE_FD: c_int = 89;
    pub const BINDTODEVICE: c_int = 92;
    pub const ZAP_ENFORCE_DOMAIN: c_int = 93;
    pub const METADATA: c_int = 95;
    pub const MULTICAST_LOOP: c_int = 96;
    pub const ROUTER_NOTIFY: c_int = 97;
    pub const XPUB_MANUAL_LAST_VALUE: c_int = 98;
    pub const SOCKS_USERNAME: c_int = 99;
    pub const SOCKS_PASSWORD: c_int = 100;
    pub const IN_BATCH_SIZE: c_int = 101;
    pub const OUT_BATCH_SIZE: c_int = 102;
    pub const ONLY_FIRST_SUBSCRIBE: c_int = 108;
    pub const RECONNECT_STOP: c_int = 109;
    pub const HELLO_MSG: c_int = 110;
    pub const DISCONNECT_MSG: c_int = 111;
    pub const PRIORITY: c_int = 112;
    pub const BUSY_POLL: c_int = 113;
    pub const HICCUP_MSG: c_int = 114;
    pub const XSUB_VERBOSE_UNSUBSCRIBE: c_int = 115;
    pub const TOPICS_COUNT: c_int = 116;
}

/// Events of a socket monitor, as bits of a mask.
#[allow(missing_docs)]
pub mod event {
    pub const CONNECTED: u16 = 0x0001;
    pub const CONNECT_DELAYED: u16 = 0x0002;
    pub const CONNECT_RETRIED: u16 = 0x0004;
    pub const LISTENING: u16 = 0x0008;
    pub const BIND_FAILED: u16 = 0x0010;
    pub const ACCEPTED: u16 = 0x0020;
    pub const ACCEPT_FAILED: u16 = 0x0040;
    pub const CLOSED: u16 = 0x0080;
    pub const CLOSE_FAILED: u16 = 0x0100;
    pub const DISCONNECTED: u16 = 0x0200;
    pub const MONITOR_STOPPED: u16 = 0x0400;
    pub const HANDSHAKE_FAILED_NO_DETAIL: u16 = 0x0800;
    pub const HANDSHAKE_SUCCEEDED: u16 = 0x1000;
    pub const HANDSHAKE_FAILED_PROTOCOL: u16 = 0x2000;
    pub const HANDSHAKE_FAILED_AUTH: u16 = 0x4000;
    pub const ALL: u16 = 0xFFFF;
}
