//! The roles through libzmq, call by call as its own tools do it.

use std::thread;

use zinterop::sys::{opt, socket_type};
use zinterop::zmq::{Context, Msg, Socket};
use zmtp::curve::SecretKey;

use super::secured::{CLIENT_SECRET, Mechanism, SERVER_SECRET};
use super::{Body, Latency, Load, Sockets, Throughput, time_arrivals, time_round_trips};
use crate::Result;

pub(super) fn local_thr(
    endpoint: &str,
    load: Load,
    sockets: Sockets,
    bound: impl FnOnce(&str) -> Result<()>,
) -> Result<Throughput> {
    let pull = socket(&Context::new(), socket_type::PULL, sockets)?;
    secure_server(&pull, sockets.mechanism)?;
    bound(&pull.bind(endpoint)?)?;
    receive_all(&pull, load)
}

/// The context, and with it the socket's linger, ends with this function.
pub(super) fn remote_thr(
    endpoint: &str,
    load: Load,
    sockets: Sockets,
    body: Body,
    before_close: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let push = socket(&Context::new(), socket_type::PUSH, sockets)?;
    secure_client(&push, sockets.mechanism)?;
    push.connect(endpoint)?;
    send_all(&push, load, body)?;
    before_close()
}

pub(super) fn local_lat(
    endpoint: &str,
    load: Load,
    sockets: Sockets,
    bound: impl FnOnce(&str) -> Result<()>,
    before_close: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let rep = socket(&Context::new(), socket_type::REP, sockets)?;
    secure_server(&rep, sockets.mechanism)?;
    bound(&rep.bind(endpoint)?)?;
    reply_all(&rep, load)?;
    before_close()
}

pub(super) fn remote_lat(endpoint: &str, load: Load, sockets: Sockets) -> Result<Latency> {
    let req = socket(&Context::new(), socket_type::REQ, sockets)?;
    secure_client(&req, sockets.mechanism)?;
    req.connect(endpoint)?;
    request_all(&req, load)
}

pub(super) fn inproc_thr(load: Load, sockets: Sockets, body: Body) -> Result<Throughput> {
    let context = Context::new();
    let pull = socket(&context, socket_type::PULL, sockets)?;
    pull.bind("inproc://thr_test")?;
    let push = socket(&context, socket_type::PUSH, sockets)?;
    push.connect("inproc://thr_test")?;
    let sender = thread::spawn(move || send_all(&push, load, body));
    let throughput = receive_all(&pull, load)?;
    sender.join().map_err(|_| "the sender panicked")??;
    Ok(throughput)
}

pub(super) fn inproc_lat(load: Load, sockets: Sockets) -> Result<Latency> {
    let context = Context::new();
    let req = socket(&context, socket_type::REQ, sockets)?;
    req.bind("inproc://lat_test")?;
    let rep = socket(&context, socket_type::REP, sockets)?;
    rep.connect("inproc://lat_test")?;
    let replier = thread::spawn(move || reply_all(&rep, load));
    let latency = request_all(&req, load)?;
    replier.join().map_err(|_| "the replier panicked")??;
    Ok(latency)
}

fn socket(context: &Context, kind: i32, sockets: Sockets) -> Result<Socket> {
    let socket = context.socket(kind)?;
    let hwm = i32::try_from(sockets.hwm)?;
    socket.set_int(opt::SNDHWM, hwm)?;
    socket.set_int(opt::RCVHWM, hwm)?;
    Ok(socket)
}

/// For sockets that bind.
pub(super) fn secure_server(socket: &Socket, mechanism: Mechanism) -> Result<()> {
    if mechanism == Mechanism::Curve {
        socket.set_int(opt::CURVE_SERVER, 1)?;
        socket.set_bytes(opt::CURVE_SECRETKEY, &SERVER_SECRET)?;
    }
    Ok(())
}

/// For sockets that connect.
pub(super) fn secure_client(socket: &Socket, mechanism: Mechanism) -> Result<()> {
    if mechanism == Mechanism::Curve {
        let public = |secret| SecretKey::from_bytes(secret).public();
        socket.set_bytes(opt::CURVE_SERVERKEY, public(SERVER_SECRET).as_bytes())?;
        socket.set_bytes(opt::CURVE_PUBLICKEY, public(CLIENT_SECRET).as_bytes())?;
        socket.set_bytes(opt::CURVE_SECRETKEY, &CLIENT_SECRET)?;
    }
    Ok(())
}

fn send_all(push: &Socket, load: Load, body: Body) -> Result<()> {
    let bytes = vec![0; load.size];
    for _ in 0..load.count {
        let mut msg = match body {
            Body::Untouched => Msg::with_size(load.size)?,
            Body::Filled => Msg::copy_from(&bytes)?,
        };
        push.send_msg(&mut msg, 0)?;
    }
    Ok(())
}

fn receive_all(pull: &Socket, load: Load) -> Result<Throughput> {
    let mut msg = Msg::new();
    time_arrivals(load, || {
        pull.recv_msg(&mut msg, 0)?;
        load.check(1, msg.len())
    })
}

/// One message object goes back and forth.
fn reply_all(rep: &Socket, load: Load) -> Result<()> {
    let mut msg = Msg::new();
    for _ in 0..load.count {
        rep.recv_msg(&mut msg, 0)?;
        load.check(1, msg.len())?;
        rep.send_msg(&mut msg, 0)?;
    }
    Ok(())
}

fn request_all(req: &Socket, load: Load) -> Result<Latency> {
    let mut msg = Msg::copy_from(&vec![0; load.size])?;
    time_round_trips(load, || {
        req.send_msg(&mut msg, 0)?;
        req.recv_msg(&mut msg, 0)?;
        load.check(1, msg.len())
    })
}
