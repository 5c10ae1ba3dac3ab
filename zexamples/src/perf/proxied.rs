//! What goes through a proxy: a stream of messages, and the requests of many clients.
//!
//! ```text
//!   PUB connect ──▶ XSUB bind ═ proxy ═ XPUB bind ──▶ SUB connect           throughput
//!   n × REQ connect ──▶ ROUTER bind ═ proxy ═ DEALER bind ──▶ REP connect   round_trips
//! ```
//!
//! Each socket has a thread of its own, but the clients share one each 25. Publishers wait for who has no room, so that what is
//! measured is what arrives. All is in one process. Clients and workers have a context, and so I/O threads, of their own, but over
//! inproc, whose names are known in one context only.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

#[cfg(feature = "libzmq")]
use zinterop::sys::{opt, socket_type};
#[cfg(feature = "libzmq")]
use zinterop::zmq;
use zproxy::Proxy;
use zsocket::{Context, Dealer, Message, Rep, Req, Router, Sub, XPub, XSub};

use super::{Library, Load, Throughput, time_arrivals};
use crate::Result;

/// How long the parts may take to find each other.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends messages from a publisher through a forwarder to a subscriber, and measures at the latter. The forwarder binds to the
/// two endpoints.
///
/// # Errors
/// If a call fails, or a message of another size arrives.
///
/// # Panics
/// If one of its threads does, which is a defect.
pub fn throughput(load: Load, lib: Library, endpoints: [&str; 2]) -> Result<Throughput> {
    match lib {
        Library::Ours => our_stream(load, endpoints),
        #[cfg(feature = "libzmq")]
        Library::Libzmq => their_stream(load, endpoints),
    }
}

fn our_stream(load: Load, [front, back]: [&str; 2]) -> Result<Throughput> {
    let context = Context::new();
    let frontend = context.socket::<XSub>()?;
    let front = frontend.bind(front)?;
    let backend = context.socket::<XPub>()?;
    backend.set_no_drop(true)?;
    let back = backend.bind(back)?;
    let proxy = Proxy::new(frontend, backend).spawn()?;
    let publisher = context.socket::<XPub>()?;
    publisher.set_no_drop(true)?;
    publisher.connect(&front)?;
    let subscriber = context.socket::<Sub>()?;
    subscriber.subscribe("")?;
    subscriber.connect(&back)?;
    // Its subscription has come through.
    publisher.recv_timeout(PATIENCE)?;
    let sender = thread::spawn(move || -> Result<()> {
        let body = vec![0; load.size];
        for _ in 0..load.count {
            publisher.send(&body[..])?;
        }
        Ok(())
    });
    let mut message = Message::new();
    let measured = time_arrivals(load, || {
        subscriber.recv_into(&mut message)?;
        load.check(message.len(), message[0].len())
    });
    sender.join().expect("the publisher does not panic")?;
    proxy.handle().terminate();
    proxy.join()?;
    measured
}

#[cfg(feature = "libzmq")]
fn their_stream(load: Load, [front, back]: [&str; 2]) -> Result<Throughput> {
    let context = zmq::Context::new();
    let frontend = context.socket(socket_type::XSUB)?;
    let front = frontend.bind(front)?;
    let backend = context.socket(socket_type::XPUB)?;
    backend.set_int(opt::XPUB_NODROP, 1)?;
    let back = backend.bind(back)?;
    // Its end is that of the context.
    let proxy = thread::spawn(move || {
        let _ = zmq::proxy(&frontend, &backend, None);
    });
    let publisher = context.socket(socket_type::XPUB)?;
    publisher.set_int(opt::XPUB_NODROP, 1)?;
    publisher.connect(&front)?;
    let subscriber = context.socket(socket_type::SUB)?;
    subscriber.set_bytes(opt::SUBSCRIBE, b"")?;
    subscriber.connect(&back)?;
    publisher.recv_timeout(PATIENCE)?;
    let sender = thread::spawn(move || -> Result<()> {
        let body = vec![0; load.size];
        for _ in 0..load.count {
            publisher.send_buf(&body, 0)?;
        }
        Ok(())
    });
    let mut message = zmq::Msg::new();
    let measured = time_arrivals(load, || {
        subscriber.recv_msg(&mut message, 0)?;
        load.check(1, message.len())
    });
    sender.join().expect("the publisher does not panic")?;
    drop(subscriber);
    context.shutdown();
    proxy.join().expect("the proxy does not panic");
    measured
}

/// Sends requests of so many clients through a broker to one worker, round trips in total. The broker binds to the two endpoints.
///
/// # Errors
/// If a call fails.
///
/// # Panics
/// If one of its threads does, which is a defect.
pub fn round_trips(
    load: Load,
    lib: Library,
    clients: usize,
    endpoints: [&str; 2],
) -> Result<Throughput> {
    match lib {
        Library::Ours => our_round_trips(load, clients, endpoints),
        #[cfg(feature = "libzmq")]
        Library::Libzmq => their_round_trips(load, clients, endpoints),
    }
}

/// Clients that one thread plays.
const PLAYED: usize = 25;

/// Plays clients in threads: `open` makes one, `ask` sends its request, `hear` waits for the reply.
fn play<C>(
    load: Load,
    clients: usize,
    open: impl Fn() -> Result<C> + Sync,
    ask: impl Fn(&C) -> Result<()> + Sync,
    hear: impl Fn(&C) -> Result<()> + Sync,
) -> Result<Throughput> {
    let threads = clients.div_ceil(PLAYED);
    let rounds = (load.count / clients as u64).max(1);
    let gate = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let players: Vec<_> = (0..threads)
            .map(|thread| {
                let played = (clients - thread * PLAYED).min(PLAYED);
                let (gate, open, ask, hear) = (&gate, &open, &ask, &hear);
                scope.spawn(move || -> Result<()> {
                    let all: Result<Vec<C>> = (0..played).map(|_| open()).collect();
                    // One round before the clock starts: all are connected then.
                    let ready = all.and_then(|all| {
                        all.iter().try_for_each(ask)?;
                        all.iter().try_for_each(hear)?;
                        Ok(all)
                    });
                    gate.wait();
                    let all = ready?;
                    for _ in 0..rounds {
                        all.iter().try_for_each(ask)?;
                        all.iter().try_for_each(hear)?;
                    }
                    Ok(())
                })
            })
            .collect();
        gate.wait();
        let begin = Instant::now();
        for player in players {
            player.join().expect("a client does not panic")?;
        }
        let count = rounds * clients as u64;
        Ok(Throughput {
            load: Load { count, ..load },
            elapsed: begin.elapsed(),
        })
    })
}

fn our_round_trips(load: Load, clients: usize, [front, back]: [&str; 2]) -> Result<Throughput> {
    let context = Context::new();
    let outside = if front.starts_with("inproc") {
        context.clone()
    } else {
        Context::new()
    };
    let frontend = context.socket::<Router>()?;
    let front = frontend.bind(front)?;
    let backend = context.socket::<Dealer>()?;
    let back = backend.bind(back)?;
    let proxy = Proxy::new(frontend, backend).spawn()?;
    let worker = outside.socket::<Rep>()?;
    worker.connect(&back)?;
    let worker = thread::spawn(move || {
        let mut message = Message::new();
        while worker.recv_into(&mut message).is_ok() && worker.send(&message[0][..]).is_ok() {}
    });
    let body = vec![0; load.size];
    let measured = play(
        load,
        clients,
        || {
            let client = outside.socket::<Req>()?;
            client.connect(&front)?;
            Ok(client)
        },
        |client| Ok(client.send(&body[..])?),
        |client| {
            let reply = client.recv()?;
            load.check(reply.len(), reply[0].len())
        },
    );
    proxy.handle().terminate();
    proxy.join()?;
    outside.shutdown();
    worker.join().expect("the worker does not panic");
    measured
}

#[cfg(feature = "libzmq")]
fn their_round_trips(load: Load, clients: usize, [front, back]: [&str; 2]) -> Result<Throughput> {
    let context = zmq::Context::new();
    let outside = if front.starts_with("inproc") {
        context.clone()
    } else {
        zmq::Context::new()
    };
    let frontend = context.socket(socket_type::ROUTER)?;
    let front = frontend.bind(front)?;
    let backend = context.socket(socket_type::DEALER)?;
    let back = backend.bind(back)?;
    let proxy = thread::spawn(move || {
        let _ = zmq::proxy(&frontend, &backend, None);
    });
    let worker = outside.socket(socket_type::REP)?;
    worker.connect(&back)?;
    let worker = thread::spawn(move || {
        let mut message = zmq::Msg::new();
        while worker.recv_msg(&mut message, 0).is_ok() && worker.send_msg(&mut message, 0).is_ok() {
        }
    });
    let body = vec![0; load.size];
    let measured = play(
        load,
        clients,
        || {
            let client = outside.socket(socket_type::REQ)?;
            client.connect(&front)?;
            Ok(client)
        },
        |client| Ok(client.send_buf(&body, 0)?),
        |client| {
            let mut reply = zmq::Msg::new();
            client.recv_msg(&mut reply, 0)?;
            load.check(1, reply.len())
        },
    );
    context.shutdown();
    outside.shutdown();
    proxy.join().expect("the proxy does not panic");
    worker.join().expect("the worker does not panic");
    measured
}
