//! Hello, disconnect and hiccup messages.

use std::{io::Write, time::Duration};

use zsocket::{
    CanReceive, Context, Dealer, Dynamic, Endpoint, Error, InvalidOption, Message, Router, Socket,
    SocketType,
};

use crate::{
    old::{DIALECTS, Old},
    support::{
        A_WHILE, MORE, PATIENCE, Place, Raw, RawListener, WIRES, everywhere, frame, loopback,
    },
};

const SOON: Duration = Duration::from_millis(1);

fn next<P: CanReceive>(socket: &Socket<P>) -> Message {
    socket.recv_timeout(PATIENCE).unwrap()
}

fn is_silent<P: CanReceive>(socket: &Socket<P>) {
    assert!(matches!(
        socket.recv_timeout(A_WHILE),
        Err(Error::WouldBlock(_))
    ));
}

fn dealer(context: &Context, name: &'static str) -> Socket<Dealer> {
    let builder = context.build_socket::<Dealer>();
    let dealer = builder.routing_id(name.into()).build().unwrap();
    dealer.set_reconnect_interval(Some(SOON)).unwrap();
    dealer
}

/// A ROUTER that wants to hear of peers that go.
fn hearing(context: &Context, anywhere: &str) -> (Socket<Router>, Endpoint) {
    let router = context.socket::<Router>().unwrap();
    let message = "gone".into();
    router.set_disconnect_message(Some(message)).unwrap();
    let endpoint = router.bind(anywhere).unwrap();
    (router, endpoint)
}

#[test]
fn hello_goes_before_what_was_queued_on_each_connection() {
    for wire in WIRES {
        let context = Context::new();
        let listener = RawListener::anywhere(wire);
        let dealer = dealer(&context, "anna");
        dealer.set_hello_message(Some("hello".into())).unwrap();
        dealer.set_probe_router(true).unwrap();
        dealer.connect(listener.endpoint()).unwrap();
        dealer.send("queued").unwrap();
        let mut server = listener.accept_as("ROUTER");
        assert_eq!(server.read_message(), [b"hello"]);
        assert_eq!(server.read_message(), [b""], "the probe, once");
        assert_eq!(server.read_message(), [b"queued"]);
        for _ in 0..5 {
            drop(server);
            server = listener.accept_as("ROUTER");
            assert_eq!(server.read_message(), [b"hello"]);
            dealer.send("more").unwrap();
            assert_eq!(server.read_message(), [b"more"]);
        }
    }
}

#[test]
fn old_peers_are_told_and_told_of_as_well() {
    for wire in WIRES {
        for dialect in DIALECTS {
            let context = Context::new();
            let router = context.socket::<Router>().unwrap();
            router.set_hello_message(Some("hello".into())).unwrap();
            let gone = Some("gone".into());
            router.set_disconnect_message(gone).unwrap();
            router.set_router_notify(true, true).unwrap();
            let endpoint = router.bind(wire.anywhere()).unwrap();
            let mut old = Old::connect(&endpoint, dialect, "DEALER");
            assert_eq!(old.read_message(), [b"hello"]);
            let here = next(&router);
            assert_eq!((here.len(), here[1].len()), (2, 0));
            old.send(&[b"question"]);
            assert_eq!(next(&router)[1], "question");
            router.send([&here[0][..], b"answer"]).unwrap();
            assert_eq!(old.read_message(), [b"answer"]);
            drop(old);
            let end = [next(&router), next(&router)];
            assert_eq!((&end[0], &end[1][0]), (&here, &here[0]));
            assert_eq!(end[1][1], "gone");
        }
    }
}

#[test]
fn both_say_hello_over_inproc_whoever_comes_first() {
    for binds_first in [true, false] {
        let context = Context::new();
        let router = context.socket::<Router>().unwrap();
        router.set_hello_message(Some("server".into())).unwrap();
        let dealer = dealer(&context, "anna");
        dealer.set_hello_message(Some("client".into())).unwrap();
        let endpoint = "inproc://hello";
        if binds_first {
            router.bind(endpoint).unwrap();
        }
        dealer.connect(endpoint).unwrap();
        dealer.send("question").unwrap();
        if !binds_first {
            router.bind(endpoint).unwrap();
        }
        assert_eq!(next(&router), Message::from(["anna", "client"]));
        assert_eq!(next(&router), Message::from(["anna", "question"]));
        router.send(["anna", "answer"]).unwrap();
        assert_eq!(next(&dealer), Message::from("server"));
        assert_eq!(next(&dealer), Message::from("answer"));
    }
}

#[test]
fn the_end_of_a_client_is_received_behind_its_messages() {
    for anywhere in everywhere() {
        let context = Context::new();
        let (router, endpoint) = hearing(&context, anywhere);
        for disconnects in [false, true] {
            let dealer = dealer(&context, "anna");
            dealer.connect(&endpoint).unwrap();
            dealer.send("goodbye").unwrap();
            if disconnects {
                dealer.disconnect(&endpoint).unwrap();
            } else {
                dealer.close();
            }
            assert_eq!(next(&router), Message::from(["anna", "goodbye"]));
            assert_eq!(next(&router), Message::from(["anna", "gone"]));
        }
        is_silent(&router);
    }
}

#[test]
fn a_client_over_inproc_that_came_before_the_server_is_heard_of_too() {
    let context = Context::new();
    let dealer = dealer(&context, "anna");
    dealer.connect("inproc://late").unwrap();
    let (router, _) = hearing(&context, "inproc://late");
    drop(dealer);
    assert_eq!(next(&router), Message::from(["anna", "gone"]));
}

#[test]
fn only_a_connection_that_was_established_and_lost_has_a_disconnect_message() {
    for wire in WIRES {
        let context = Context::new();
        let (router, endpoint) = hearing(&context, wire.anywhere());
        let mut stranger = Raw::connect(&endpoint);
        stranger.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        stranger.expect_close();
        // What has come of a message is not received.
        let mut raw = Raw::connect_as(&endpoint, "DEALER");
        raw.write_all(&frame(MORE, b"a part")).unwrap();
        drop(raw);
        assert_eq!(next(&router)[1], "gone");
        // One that this end closes is not lost.
        let mut raw = Raw::connect_as(&endpoint, "DEALER");
        raw.send(&[b"hello"]);
        assert_eq!(next(&router)[1], "hello");
        router.unbind(&endpoint).unwrap();
        raw.expect_close();
        is_silent(&router);
        // Nor is one that it has made an end of a client.
        let listener = RawListener::anywhere(wire);
        router.connect(listener.endpoint()).unwrap();
        let mut raw = listener.accept_as("DEALER");
        raw.send(&[b"hello"]);
        assert_eq!(next(&router)[1], "hello");
        drop((raw, listener));
        is_silent(&router);
    }
}

#[test]
fn a_connection_that_was_made_hiccups_each_time_that_it_is_lost() {
    for place in Place::wires() {
        let context = Context::new();
        let dealer = dealer(&context, "anna");
        dealer.set_hiccup_message(Some("hiccup".into())).unwrap();
        dealer.set_recv_hwm(1).unwrap();
        let server = context.socket::<Router>().unwrap();
        let endpoint = server.bind(&place.endpoint).unwrap();
        server.unbind(&endpoint).unwrap();
        dealer.connect(&endpoint).unwrap();
        for number in 0..5 {
            let server = context.socket::<Router>().unwrap();
            server.bind(&endpoint).unwrap();
            dealer.send(number.to_string()).unwrap();
            assert_eq!(next(&server)[1], *number.to_string());
            server.send(["anna", "answer"]).unwrap();
            server.close();
            assert_eq!(next(&dealer), Message::from("answer"));
            assert_eq!(next(&dealer), Message::from("hiccup"));
        }
        // A client that goes is none of it.
        let own = dealer.bind(loopback()).unwrap();
        drop(Raw::connect_as(&own, "DEALER"));
        is_silent(&dealer);
    }
}

#[test]
fn who_has_no_such_message_says_so() {
    let context = Context::new();
    let body = || Some("x".into());
    let pull: Socket<Dynamic> = context.dynamic(SocketType::Pull).unwrap();
    for refused in [
        pull.set_hello_message(body()),
        pull.set_disconnect_message(body()),
        pull.set_hiccup_message(body()),
    ] {
        assert!(
            matches!(refused, Err(Error::Option(error)) if matches!(*error, InvalidOption::NotOfType { .. }))
        );
    }
    let router: Socket<Dynamic> = context.dynamic(SocketType::Router).unwrap();
    router.set_hello_message(body()).unwrap();
    router.set_disconnect_message(body()).unwrap();
    assert!(router.set_hiccup_message(body()).is_err());
    let dealer: Socket<Dynamic> = context.dynamic(SocketType::Dealer).unwrap();
    dealer.set_hello_message(body()).unwrap();
    dealer.set_hiccup_message(body()).unwrap();
    assert!(dealer.set_disconnect_message(body()).is_err());
}
