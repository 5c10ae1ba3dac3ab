//! Peers of one library on both sides of a proxy of the other.

use std::thread;
use std::time::Duration;

use zinterop::sys::{opt, socket_type};
use zinterop::zmq;
use zproxy::{Ended, Proxy};
use zsocket::{
    Context, Dealer, Endpoint, Message, Pair, Pub, Pull, Push, Rep, Req, Router, Socket,
};
use zsocket::{Sub, TypedPattern, XPub, XSub};

const PATIENCE: Duration = Duration::from_secs(30);
const TRANSPORTS: [&str; 2] = ["tcp://127.0.0.1:*", "ipc://*"];

fn bound<P: TypedPattern>(context: &Context, endpoint: &str) -> (Socket<P>, String) {
    let socket = context.socket::<P>().unwrap();
    let endpoint: Endpoint = socket.bind(endpoint).unwrap();
    (socket, endpoint.to_string())
}

fn connected<P: TypedPattern>(context: &Context, endpoint: &str) -> Socket<P> {
    let socket = context.socket::<P>().unwrap();
    socket.connect(endpoint).unwrap();
    socket
}

fn theirs(context: &zmq::Context, kind: i32, endpoint: &str) -> zmq::Socket {
    let socket = context.socket(kind).unwrap();
    socket.set_int(opt::LINGER, 0).unwrap();
    socket.connect(endpoint).unwrap();
    socket
}

/// Messages of several frames, small and large.
fn bodies() -> Vec<Vec<Vec<u8>>> {
    let body = |n: usize| vec![n as u8; n * n * 31];
    (0..40)
        .map(|n| vec![body(n), Vec::new(), body(40 - n), vec![7]])
        .collect()
}

fn ours(message: &[Vec<u8>]) -> Message {
    let mut ours = Message::new();
    for frame in message {
        ours.push_back(&frame[..]);
    }
    ours
}

#[test]
fn requests_of_libzmq_go_through_our_broker() {
    for transport in TRANSPORTS {
        let context = Context::new();
        let (frontend, front) = bound::<Router>(&context, transport);
        let (backend, back) = bound::<Dealer>(&context, transport);
        let proxy = Proxy::new(frontend, backend).spawn().unwrap();
        let foreign = zmq::Context::new();
        let client = theirs(&foreign, socket_type::REQ, &front);
        let worker = theirs(&foreign, socket_type::REP, &back);
        for body in bodies() {
            client.send(&body).unwrap();
            assert_eq!(worker.recv_timeout(PATIENCE).unwrap(), body);
            worker.send(&[b"answer"]).unwrap();
            assert_eq!(client.recv_timeout(PATIENCE).unwrap(), [b"answer"]);
        }
        proxy.handle().terminate();
        assert_eq!(proxy.join().unwrap(), Ended::ByHandle);
    }
}

#[test]
fn tasks_and_updates_of_libzmq_go_through_our_proxies() {
    for transport in TRANSPORTS {
        let context = Context::new();
        let foreign = zmq::Context::new();
        let (frontend, front) = bound::<Pull>(&context, transport);
        let (backend, back) = bound::<Push>(&context, transport);
        let streamer = Proxy::new(frontend, backend).spawn().unwrap();
        let ventilator = theirs(&foreign, socket_type::PUSH, &front);
        let worker = theirs(&foreign, socket_type::PULL, &back);
        for body in bodies() {
            ventilator.send(&body).unwrap();
            assert_eq!(worker.recv_timeout(PATIENCE).unwrap(), body);
        }

        let (frontend, front) = bound::<XSub>(&context, transport);
        let (backend, back) = bound::<XPub>(&context, transport);
        let forwarder = Proxy::new(frontend, backend).spawn().unwrap();
        let publisher = theirs(&foreign, socket_type::XPUB, &front);
        let subscriber = theirs(&foreign, socket_type::SUB, &back);
        subscriber.set_bytes(opt::SUBSCRIBE, b"a").unwrap();
        assert_eq!(publisher.recv_timeout(PATIENCE).unwrap(), [b"\x01a"]);
        for _ in 0..50 {
            publisher.send(&[&b"b"[..], b"unwanted"]).unwrap();
            publisher.send(&[&b"a"[..], b"wanted"]).unwrap();
            let update = subscriber.recv_timeout(PATIENCE).unwrap();
            assert_eq!(update, [&b"a"[..], b"wanted"]);
        }
        subscriber.set_bytes(opt::UNSUBSCRIBE, b"a").unwrap();
        assert_eq!(publisher.recv_timeout(PATIENCE).unwrap(), [b"\x00a"]);
        for proxy in [streamer, forwarder] {
            proxy.handle().terminate();
            proxy.join().unwrap();
        }
    }
}

#[test]
fn libzmq_steers_our_proxy() {
    let context = Context::new();
    let (frontend, front) = bound::<Pull>(&context, "tcp://127.0.0.1:*");
    let (backend, back) = bound::<Push>(&context, "tcp://127.0.0.1:*");
    let (control, steer) = bound::<Rep>(&context, "tcp://127.0.0.1:*");
    let proxy = Proxy::new(frontend, backend).control(control);
    let proxy = proxy.spawn().unwrap();
    let foreign = zmq::Context::new();
    let steering = theirs(&foreign, socket_type::REQ, &steer);
    let (push, pull) = (
        theirs(&foreign, socket_type::PUSH, &front),
        theirs(&foreign, socket_type::PULL, &back),
    );
    let ask = |command: &str| {
        steering.send(&[command]).unwrap();
        steering.recv_timeout(PATIENCE).unwrap()
    };
    assert_eq!(ask("PAUSE"), [b""]);
    push.send(&[b"task"]).unwrap();
    pull.recv_timeout(Duration::from_millis(50)).unwrap_err();
    assert_eq!(ask("RESUME"), [b""]);
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap(), [b"task"]);
    let number = |frame: &Vec<u8>| u64::from_ne_bytes(frame[..].try_into().unwrap());
    let numbers: Vec<u64> = ask("STATISTICS").iter().map(number).collect();
    assert_eq!(numbers, [1, 4, 0, 0, 0, 0, 1, 4]);
    assert_eq!(ask("TERMINATE"), [b""]);
    assert_eq!(proxy.join().unwrap(), Ended::ByControl);
}

/// A proxy of libzmq, which ends with its context.
fn foreign_proxy(
    foreign: &zmq::Context,
    frontend: i32,
    backend: i32,
    transport: &str,
) -> (String, String, thread::JoinHandle<()>) {
    let sockets = [frontend, backend].map(|kind| {
        let socket = foreign.socket(kind).unwrap();
        socket.set_int(opt::LINGER, 0).unwrap();
        let endpoint = socket.bind(transport).unwrap();
        (socket, endpoint)
    });
    let [(frontend, front), (backend, back)] = sockets;
    let thread = thread::spawn(move || {
        zmq::proxy(&frontend, &backend, None).unwrap_err();
    });
    (front, back, thread)
}

#[test]
fn ours_go_through_proxies_of_libzmq() {
    for transport in TRANSPORTS {
        let foreign = zmq::Context::new();
        let context = Context::new();

        let kinds = (socket_type::ROUTER, socket_type::DEALER);
        let (front, back, broker) = foreign_proxy(&foreign, kinds.0, kinds.1, transport);
        let client = connected::<Req>(&context, &front);
        let worker = connected::<Rep>(&context, &back);
        for body in bodies() {
            client.send(ours(&body)).unwrap();
            assert_eq!(worker.recv_timeout(PATIENCE).unwrap(), ours(&body));
            worker.send("answer").unwrap();
            assert_eq!(client.recv_timeout(PATIENCE).unwrap()[0], "answer");
        }

        let kinds = (socket_type::PULL, socket_type::PUSH);
        let (front, back, streamer) = foreign_proxy(&foreign, kinds.0, kinds.1, transport);
        let ventilator = connected::<Push>(&context, &front);
        let sink = connected::<Pull>(&context, &back);
        for body in bodies() {
            ventilator.send(ours(&body)).unwrap();
            assert_eq!(sink.recv_timeout(PATIENCE).unwrap(), ours(&body));
        }

        let kinds = (socket_type::XSUB, socket_type::XPUB);
        let (front, back, forwarder) = foreign_proxy(&foreign, kinds.0, kinds.1, transport);
        let publisher = connected::<Pub>(&context, &front);
        let subscriber = connected::<Sub>(&context, &back);
        subscriber.subscribe("a").unwrap();
        publisher.wait_subscribed("a", 1, PATIENCE).unwrap();
        publisher.send("b1").unwrap();
        publisher.send("a1").unwrap();
        assert_eq!(subscriber.recv_timeout(PATIENCE).unwrap()[0], "a1");

        foreign.shutdown();
        for proxy in [broker, streamer, forwarder] {
            proxy.join().unwrap();
        }
    }
}

#[test]
fn a_bridge_takes_pairs_of_one_library_to_the_other() {
    let context = Context::new();
    let (frontend, front) = bound::<Pair>(&context, "ipc://*");
    let (backend, back) = bound::<Pair>(&context, "tcp://127.0.0.1:*");
    let proxy = Proxy::new(frontend, backend).spawn().unwrap();
    let foreign = zmq::Context::new();
    let one = theirs(&foreign, socket_type::PAIR, &front);
    let other = connected::<Pair>(&context, &back);
    for body in bodies() {
        one.send(&body).unwrap();
        assert_eq!(other.recv_timeout(PATIENCE).unwrap(), ours(&body));
        other.send(ours(&body)).unwrap();
        assert_eq!(one.recv_timeout(PATIENCE).unwrap(), body);
    }
    proxy.handle().terminate();
    proxy.join().unwrap();
}
