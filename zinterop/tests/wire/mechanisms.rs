//! What fits works: every mechanism, each end as server and as client, each end bound.

use std::time::Duration;

use zinterop::PATIENCE;
use zinterop::sys::{opt, socket_type};
use zinterop::zmq::Context;
use zmtp::zap::Status;
use zmtp::{Command, ConnectionConfig, Event, HeartbeatConfig, Message, SocketType};

use crate::support::{Binder, Keys, Link, Mechanism, Server, frames, handler};

/// Calls `trial` for every mechanism, role and direction.
fn all_ways(trial: impl Fn(Mechanism, Server, Binder)) {
    for mechanism in Mechanism::ALL {
        for server in Server::BOTH {
            for binder in Binder::BOTH {
                println!("{mechanism:?}, server {server:?}, bound {binder:?}");
                trial(mechanism, server, binder);
            }
        }
    }
}

/// A context whose handler lets one peer in, in case libzmq asks it.
fn open_context(mechanism: Mechanism, server: Server) -> Context {
    let context = Context::new();
    if (mechanism, server) == (Mechanism::Plain, Server::Libzmq) {
        handler(&context, &[Status::Success]);
    }
    context
}

fn messages() -> Vec<Message> {
    let body = |len: usize| (0..len).map(|at| (at * 7 + len) as u8).collect::<Vec<_>>();
    let mut messages: Vec<_> = [0, 1, 100, 222, 223, 255, 256, 8192, 64 * 1024, 1024 * 1024]
        .into_iter()
        .map(|len| Message::from(body(len)))
        .collect();
    messages.push([body(3), Vec::new(), body(300), body(64 * 1024)].into());
    messages
}

// spec: WIRE-4/interop-messages: messages of any size and number of frames go both ways under NULL, PLAIN and CURVE, in both roles
#[test]
fn messages_go_both_ways() {
    let keys = Keys::new();
    all_ways(|mechanism, server, binder| {
        let context = open_context(mechanism, server);
        let socket = context.socket(socket_type::DEALER).unwrap();
        let config = mechanism.set_up(server, SocketType::Dealer, &socket, &keys);
        let mut peer = Link::new(binder, &socket).peer(config);
        let introduced = peer.connected().unwrap();
        assert_eq!(introduced.socket_type, Some(SocketType::Dealer));
        for message in messages() {
            peer.send(message.clone());
            let echo = socket.recv_timeout(PATIENCE).unwrap();
            assert_eq!(echo, frames(&message));
            socket.send(&echo).unwrap();
            assert_eq!(peer.message(), message);
        }
        // And all at once, which joins and splits them at will.
        for message in messages() {
            peer.send(message);
        }
        for message in messages() {
            assert_eq!(socket.recv_timeout(PATIENCE).unwrap(), frames(&message));
        }
    });
}

// spec: RFC37/interop-identity: libzmq addresses us by our identity, we know libzmq's
#[test]
fn identities_and_properties_are_exchanged() {
    let keys = Keys::new();
    all_ways(|mechanism, server, binder| {
        let context = open_context(mechanism, server);
        let socket = context.socket(socket_type::ROUTER).unwrap();
        socket.set_bytes(opt::ROUTING_ID, b"theirs").unwrap();
        socket.set_bytes(opt::METADATA, b"X-zone:eu").unwrap();
        let config = mechanism
            .set_up(server, SocketType::Dealer, &socket, &keys)
            .with_identity("ours")
            .unwrap();
        let mut peer = Link::new(binder, &socket).peer(config);
        let introduced = peer.connected().unwrap();
        assert_eq!(introduced.identity, "theirs");
        assert_eq!(introduced.properties.get("x-ZONE"), Some(&b"eu"[..]));
        peer.send("hi");
        let heard = socket.recv_timeout(PATIENCE).unwrap();
        assert_eq!(heard, [&b"ours"[..], b"hi"]);
        socket.send(&["ours", "ho"]).unwrap();
        assert_eq!(peer.message(), Message::from("ho"));
    });
}

// spec: RFC37/interop-heartbeats: PING is answered, with its context, under NULL, PLAIN and CURVE
#[test]
fn each_end_answers_the_pings_of_the_other() {
    let keys = Keys::new();
    all_ways(|mechanism, server, binder| {
        let context = open_context(mechanism, server);
        let socket = context.socket(socket_type::DEALER).unwrap();
        socket.set_int(opt::HEARTBEAT_IVL, 20).unwrap();
        socket.set_int(opt::HEARTBEAT_TIMEOUT, 20_000).unwrap();
        socket.set_int(opt::HEARTBEAT_TTL, 20_000).unwrap();
        let config = mechanism.set_up(server, SocketType::Dealer, &socket, &keys);
        let beat = HeartbeatConfig::every(Duration::from_millis(20)).with_timeout(PATIENCE);
        let config = ConnectionConfig::new(config).with_heartbeat(beat);
        let mut peer = Link::new(binder, &socket).peer(config);
        peer.connected().unwrap();
        let ping = Command::Ping {
            ttl: 600,
            context: b"anybody there?",
        };
        peer.connection().send_command(ping).unwrap();
        let (mut pings, mut pongs, mut answered) = (0, 0, false);
        peer.run(|event| {
            match event {
                Event::Ping { ttl, context } => {
                    assert_eq!((ttl, &context[..]), (200, &b""[..]));
                    pings += 1;
                }
                Event::Pong { context } if context == *b"anybody there?" => answered = true,
                Event::Pong { context } => {
                    assert!(context.is_empty());
                    pongs += 1;
                }
                other => panic!("{other:?}"),
            }
            (pings > 2 && pongs > 2 && answered).then_some(())
        })
        .unwrap();
        // libzmq has had its PONGs: it still listens.
        peer.send("alive");
        assert_eq!(socket.recv_timeout(PATIENCE).unwrap(), [b"alive"]);
    });
}

// spec: RFC37/interop-subscribe: libzmq takes our SUBSCRIBE and CANCEL under NULL, PLAIN and CURVE
#[test]
fn libzmq_publishes_what_we_subscribe_to() {
    let keys = Keys::new();
    all_ways(|mechanism, server, binder| {
        let context = open_context(mechanism, server);
        let socket = context.socket(socket_type::XPUB).unwrap();
        let config = mechanism.set_up(server, SocketType::Sub, &socket, &keys);
        let mut peer = Link::new(binder, &socket).peer(config);
        peer.connected().unwrap();
        let long = [b'x'; 300];
        for topic in [&b"top"[..], &long] {
            peer.connection().subscribe(topic.to_vec()).unwrap();
        }
        peer.flush().unwrap();
        let subscribed = |topic: &[u8]| [&[1], topic].concat();
        assert_eq!(socket.recv_timeout(PATIENCE).unwrap(), [subscribed(b"top")]);
        assert_eq!(socket.recv_timeout(PATIENCE).unwrap(), [subscribed(&long)]);
        socket.send(&["other"]).unwrap();
        socket.send(&["topic", "body"]).unwrap();
        assert_eq!(peer.message(), Message::from(["topic", "body"]));
        peer.connection().cancel("top").unwrap();
        peer.flush().unwrap();
        assert_eq!(socket.recv_timeout(PATIENCE).unwrap(), [b"\0top"]);
        socket.send(&["topic"]).unwrap();
        socket.send(&[&long]).unwrap();
        assert_eq!(peer.message(), Message::from(long.to_vec()));
    });
}

// spec: RFC37/interop-subscribed: we understand libzmq's SUBSCRIBE and CANCEL under NULL, PLAIN and CURVE
#[test]
fn libzmq_subscribes_to_what_we_publish() {
    let keys = Keys::new();
    all_ways(|mechanism, server, binder| {
        let context = open_context(mechanism, server);
        let socket = context.socket(socket_type::SUB).unwrap();
        socket.set_bytes(opt::SUBSCRIBE, b"top").unwrap();
        let config = mechanism.set_up(server, SocketType::Pub, &socket, &keys);
        let mut peer = Link::new(binder, &socket).peer(config);
        peer.connected().unwrap();
        // libzmq sends subscriptions when its application next uses the socket.
        let mut command = |expected: Command<'_>| {
            let body = loop {
                let _ = socket.try_recv();
                match peer.poll(Duration::from_millis(10)) {
                    Some(Event::Command(body)) => break body,
                    None => {}
                    other => panic!("{other:?}"),
                }
            };
            assert_eq!(Command::decode(&body), Ok(expected));
        };
        command(Command::Subscribe { topic: b"top" });
        socket.set_bytes(opt::SUBSCRIBE, b"more").unwrap();
        command(Command::Subscribe { topic: b"more" });
        socket.set_bytes(opt::UNSUBSCRIBE, b"top").unwrap();
        command(Command::Cancel { topic: b"top" });
        peer.send("more of it");
        assert_eq!(socket.recv_timeout(PATIENCE).unwrap(), [b"more of it"]);
    });
}
