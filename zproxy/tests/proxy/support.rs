//! Waiting with a deadline, and sockets in short.

use std::{
    thread,
    time::{Duration, Instant},
};

use zproxy::{Proxy, ProxyHandle, ProxyThread};
use zsocket::{Context, Endpoint, Error, Pattern, Socket, TypedPattern};

/// Long enough for a loaded machine; never waited for when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long something that must not happen is watched for.
pub(crate) const A_WHILE: Duration = Duration::from_millis(30);

pub(crate) const TRANSPORTS: [&str; 3] = ["tcp://127.0.0.1:*", "ipc://*", "inproc://"];

/// An endpoint to bind to: of inproc, one of this name.
pub(crate) fn anywhere(transport: &str, name: &str) -> String {
    if transport == "inproc://" {
        format!("{transport}{name}")
    } else {
        transport.to_owned()
    }
}

/// A socket, bound there.
pub(crate) fn bound<P: TypedPattern>(context: &Context, endpoint: &str) -> (Socket<P>, Endpoint) {
    let socket = context.socket::<P>().unwrap();
    let endpoint = socket.bind(endpoint).unwrap();
    (socket, endpoint)
}

/// A socket, connected there.
pub(crate) fn connected<P: TypedPattern>(context: &Context, endpoint: &Endpoint) -> Socket<P> {
    let socket = context.socket::<P>().unwrap();
    socket.connect(endpoint).unwrap();
    socket
}

/// The two sides of a proxy at work, where they are bound, and the proxy.
pub(crate) fn proxy_of<F: TypedPattern, B: TypedPattern>(
    context: &Context,
    transport: &str,
) -> (Endpoint, Endpoint, ProxyThread) {
    let (frontend, front) = bound::<F>(context, &anywhere(transport, "front"));
    let (backend, back) = bound::<B>(context, &anywhere(transport, "back"));
    (front, back, Proxy::new(frontend, backend).spawn().unwrap())
}

/// Looks until it is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_micros(200));
    }
}

/// Sends until there is no room for a while, and says how many went out.
pub(crate) fn fill<P: zsocket::CanSend>(socket: &Socket<P>, body: &[u8]) -> u64 {
    let mut sent = 0;
    while socket.send_timeout(body, 10 * A_WHILE).is_ok() {
        sent += 1;
    }
    sent
}

/// Nothing comes in for a while.
pub(crate) fn is_silent<P: zsocket::CanReceive>(socket: &Socket<P>) -> bool {
    matches!(socket.recv_timeout(A_WHILE), Err(Error::WouldBlock(_)))
}

/// Messages that have gone through to the backend.
pub(crate) fn to_backend(handle: &ProxyHandle) -> u64 {
    handle.statistics().to_backend.sent.messages
}

/// At most so many messages wait on each side of each connection.
pub(crate) fn limit<P: Pattern>(socket: &Socket<P>, messages: u32) {
    socket.set_send_hwm(messages).unwrap();
    socket.set_recv_hwm(messages).unwrap();
}
