//! What sockets are told of their connections by messages.

use std::{
    io::{Read, Write},
    time::Duration,
};

use zsocket::{
    Context, Dealer, Dynamic, Endpoint, Error, InvalidOption, Message, Router, Socket, SocketType,
};

use crate::support::{A_WHILE, PATIENCE, Raw, RawListener, WIRES, frame, invalid};

const SOON: Duration = Duration::from_millis(1);

fn dealer(context: &Context, name: &'static str, endpoint: &Endpoint) -> Socket<Dealer> {
    let builder = context.build_socket::<Dealer>();
    let dealer = builder.routing_id(name.into()).build().unwrap();
    dealer.set_reconnect_interval(Some(SOON)).unwrap();
    dealer.connect(endpoint).unwrap();
    dealer
}

fn notifying(context: &Context, connect: bool, disconnect: bool) -> Socket<Router> {
    let router = context.socket::<Router>().unwrap();
    router.set_reconnect_interval(Some(SOON)).unwrap();
    router.set_router_notify(connect, disconnect).unwrap();
    router
}

fn next(router: &Socket<Router>) -> Message {
    router.recv_timeout(PATIENCE).unwrap()
}

fn is_silent(router: &Socket<Router>) {
    assert!(matches!(
        router.recv_timeout(A_WHILE),
        Err(Error::WouldBlock(_))
    ));
}

#[test]
fn a_router_is_told_of_what_it_asks_for() {
    for wire in WIRES {
        for (connect, disconnect) in [(true, true), (true, false), (false, true), (false, false)] {
            let context = Context::new();
            let router = notifying(&context, connect, disconnect);
            let endpoint = router.bind(wire.anywhere()).unwrap();
            let dealer = dealer(&context, "anna", &endpoint);
            dealer.send("hello").unwrap();
            if connect {
                assert_eq!(next(&router), Message::from(["anna", ""]));
            }
            assert_eq!(next(&router), Message::from(["anna", "hello"]));
            drop(dealer);
            if disconnect {
                assert_eq!(next(&router), Message::from(["anna", ""]));
            }
            is_silent(&router);
        }
    }
}

#[test]
fn nothing_is_told_of_inproc() {
    let context = Context::new();
    let router = notifying(&context, true, true);
    let endpoint = router.bind("inproc://router").unwrap();
    let dealer = dealer(&context, "anna", &endpoint);
    dealer.send("hello").unwrap();
    drop(dealer);
    assert_eq!(next(&router), Message::from(["anna", "hello"]));
    is_silent(&router);
}

#[test]
fn a_handshake_that_fails_is_not_told_of() {
    for wire in WIRES {
        let context = Context::new();
        let router = notifying(&context, true, true);
        let endpoint = router.bind(wire.anywhere()).unwrap();
        let mut stranger = Raw::connect(&endpoint);
        stranger.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        stranger.expect_close();
        let mut wrong = Raw::connect(&endpoint);
        wrong
            .write_all(&crate::support::greeting())
            .and_then(|()| wrong.write_all(&crate::support::ready("PUB")))
            .unwrap();
        wrong.expect_close();
        is_silent(&router);
        assert_eq!(router.peers(), 0);
    }
}

#[test]
fn a_part_of_a_message_is_followed_by_the_end_alone() {
    for wire in WIRES {
        let context = Context::new();
        let router = notifying(&context, false, true);
        let endpoint = router.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "DEALER");
        raw.send(&[b"whole"]);
        raw.write_all(&frame(crate::support::MORE, b"a part"))
            .unwrap();
        raw.write_all(b"\0\x0ahalf").unwrap();
        drop(raw);
        let whole = next(&router);
        assert_eq!(whole[1], "whole");
        let end = next(&router);
        assert_eq!((end.len(), &end[0], end[1].len()), (2, &whole[0], 0));
        is_silent(&router);
    }
}

#[test]
fn a_connecting_router_is_told_each_time() {
    for wire in WIRES {
        let context = Context::new();
        let listener = RawListener::anywhere(wire);
        let router = notifying(&context, true, true);
        router.set_connect_routing_id("server").unwrap();
        router.set_recv_hwm(1).unwrap();
        router.connect(listener.endpoint()).unwrap();
        for _ in 0..10 {
            let mut server = listener.accept_as("DEALER");
            assert_eq!(next(&router), Message::from(["server", ""]), "there");
            server.send(&[b"hello"]);
            assert_eq!(next(&router), Message::from(["server", "hello"]));
            drop(server);
            assert_eq!(next(&router), Message::from(["server", ""]), "gone");
        }
    }
}

#[test]
fn connections_that_nobody_hears_of_do_not_pile_up() {
    const MARK: u32 = 3;
    for wire in WIRES {
        let context = Context::new();
        let listener = RawListener::anywhere(wire);
        let router = notifying(&context, false, true);
        router.set_recv_hwm(MARK).unwrap();
        router.connect(listener.endpoint()).unwrap();
        // The connection that finds the pipe full is not read, so its end is not noticed.
        for _ in 0..MARK + 1 {
            drop(listener.accept_as("DEALER"));
        }
        for _ in 0..MARK + 1 {
            assert_eq!(next(&router)[1], "");
        }
        is_silent(&router);
        assert_eq!(router.stats().connections.established, u64::from(MARK + 1));
    }
}

#[test]
fn a_raw_router_is_a_stream() {
    for wire in WIRES {
        let context = Context::new();
        let router = context.socket::<Router>().unwrap();
        router.set_router_raw(true).unwrap();
        let endpoint = router.bind(wire.anywhere()).unwrap();
        assert!(matches!(
            invalid(router.set_router_raw(false)),
            InvalidOption::TooLate {
                option: "router_raw"
            }
        ));
        assert!(matches!(
            router.bind("inproc://raw"),
            Err(Error::NotSupported)
        ));
        let mut raw = Raw::connect(&endpoint);
        let id = next(&router)[0].clone();
        raw.write_all(b"question").unwrap();
        let question = next(&router);
        assert_eq!((&question[0], &question[1]), (&id, &"question".into()));
        router.send([&id[..], b"answer"]).unwrap();
        router.send(["nobody", "dropped"]).unwrap();
        assert_eq!(router.stats().dropped.no_peer, 1);
        router.send([&id[..], b""]).unwrap();
        let mut answer = String::new();
        raw.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "answer");
        router.set_mandatory(true).unwrap();
        assert!(matches!(
            router.send([&id[..], b"?"]).unwrap_err().error,
            Error::Unroutable
        ));
    }
    let dealer: Socket<Dynamic> = Context::new().dynamic(SocketType::Dealer).unwrap();
    for refused in [
        dealer.set_router_raw(true),
        dealer.set_router_notify(true, true),
    ] {
        assert!(
            matches!(refused, Err(Error::Option(error)) if matches!(*error, InvalidOption::NotOfType { .. }))
        );
    }
}
