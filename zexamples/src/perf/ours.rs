//! The roles through zlayers.

use std::thread;

use zmtp::curve::{KeyPair, SecretKey};
use zsocket::{Bytes, Context, Message, Pattern, Pull, Push, Rep, Req, Security, Socket};

use super::secured::{CLIENT_SECRET, Mechanism, SERVER_SECRET};
use super::{Body, Latency, Load, Sockets, Throughput, time_arrivals, time_round_trips};
use crate::Result;

pub(super) fn local_thr(
    endpoint: &str,
    load: Load,
    sockets: Sockets,
    bound: impl FnOnce(&str) -> Result<()>,
) -> Result<Throughput> {
    let context = Context::new();
    let pull = context.socket::<Pull>()?;
    pull.set_recv_hwm(sockets.hwm)?;
    secure_server(&pull, sockets.mechanism)?;
    bound(&pull.bind(endpoint)?.to_string())?;
    receive_all(&pull, load)
}

pub(super) fn remote_thr(
    endpoint: &str,
    load: Load,
    sockets: Sockets,
    body: Body,
    before_close: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let context = Context::new();
    let push = context.socket::<Push>()?;
    push.set_send_hwm(sockets.hwm)?;
    secure_client(&push, sockets.mechanism)?;
    push.connect(endpoint)?;
    send_all(&push, load, body)?;
    before_close()?;
    push.close();
    Ok(context.term()?)
}

pub(super) fn local_lat(
    endpoint: &str,
    load: Load,
    sockets: Sockets,
    bound: impl FnOnce(&str) -> Result<()>,
    before_close: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let context = Context::new();
    let rep = context.socket::<Rep>()?;
    rep.set_send_hwm(sockets.hwm)?;
    rep.set_recv_hwm(sockets.hwm)?;
    secure_server(&rep, sockets.mechanism)?;
    bound(&rep.bind(endpoint)?.to_string())?;
    reply_all(&rep, load)?;
    before_close()?;
    rep.close();
    Ok(context.term()?)
}

pub(super) fn remote_lat(endpoint: &str, load: Load, sockets: Sockets) -> Result<Latency> {
    let context = Context::new();
    let req = context.socket::<Req>()?;
    req.set_send_hwm(sockets.hwm)?;
    req.set_recv_hwm(sockets.hwm)?;
    secure_client(&req, sockets.mechanism)?;
    req.connect(endpoint)?;
    request_all(&req, load)
}

pub(super) fn inproc_thr(load: Load, sockets: Sockets, body: Body) -> Result<Throughput> {
    let context = Context::new();
    let pull = context.socket::<Pull>()?;
    pull.set_recv_hwm(sockets.hwm)?;
    pull.bind("inproc://thr_test")?;
    let push = context.socket::<Push>()?;
    push.set_send_hwm(sockets.hwm)?;
    push.connect("inproc://thr_test")?;
    let sender = thread::spawn(move || send_all(&push, load, body));
    let throughput = receive_all(&pull, load)?;
    sender.join().map_err(|_| "the sender panicked")??;
    Ok(throughput)
}

pub(super) fn inproc_lat(load: Load, sockets: Sockets) -> Result<Latency> {
    let context = Context::new();
    let req = context.socket::<Req>()?;
    req.set_send_hwm(sockets.hwm)?;
    req.set_recv_hwm(sockets.hwm)?;
    req.bind("inproc://lat_test")?;
    let rep = context.socket::<Rep>()?;
    rep.set_send_hwm(sockets.hwm)?;
    rep.set_recv_hwm(sockets.hwm)?;
    rep.connect("inproc://lat_test")?;
    let replier = thread::spawn(move || reply_all(&rep, load));
    let latency = request_all(&req, load)?;
    replier.join().map_err(|_| "the replier panicked")??;
    Ok(latency)
}

/// For sockets that bind.
pub(super) fn secure_server<P: Pattern>(socket: &Socket<P>, mechanism: Mechanism) -> Result<()> {
    match mechanism {
        Mechanism::Null => Ok(()),
        Mechanism::Curve => Ok(socket.set_security(Security::curve_server(keys(SERVER_SECRET)))?),
    }
}

/// For sockets that connect.
pub(super) fn secure_client<P: Pattern>(socket: &Socket<P>, mechanism: Mechanism) -> Result<()> {
    match mechanism {
        Mechanism::Null => Ok(()),
        Mechanism::Curve => {
            let server = *keys(SERVER_SECRET).public();
            Ok(socket.set_security(Security::curve_client(server, keys(CLIENT_SECRET)))?)
        }
    }
}

fn keys(secret: [u8; 32]) -> KeyPair {
    KeyPair::from_secret(SecretKey::from_bytes(secret))
}

fn send_all(push: &Socket<Push>, load: Load, body: Body) -> Result<()> {
    let bytes = Bytes::from(vec![0; load.size]);
    for _ in 0..load.count {
        match body {
            // Passing a handle on the buffer is to zlayers what a buffer that nobody fills is to
            // libzmq: the body is there, and this thread does not touch it.
            Body::Untouched => push.send(bytes.clone())?,
            _ => push.send(&bytes[..])?,
        }
    }
    Ok(())
}

fn receive_all(pull: &Socket<Pull>, load: Load) -> Result<Throughput> {
    let mut message = Message::new();
    time_arrivals(load, || {
        pull.recv_into(&mut message)?;
        load.check(message.len(), message[0].len())
    })
}

/// As in libzmq's tool, what came in goes out again.
fn reply_all(rep: &Socket<Rep>, load: Load) -> Result<()> {
    for _ in 0..load.count {
        let message = rep.recv()?;
        load.check(message.len(), message[0].len())?;
        rep.send(message)?;
    }
    Ok(())
}

fn request_all(req: &Socket<Req>, load: Load) -> Result<Latency> {
    let mut message = Message::from(vec![0; load.size]);
    time_round_trips(load, || {
        req.send(std::mem::take(&mut message))?;
        message = req.recv()?;
        load.check(message.len(), message[0].len())
    })
}
