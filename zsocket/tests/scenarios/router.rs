//! What a ROUTER's options change, and what it says to whom.

use std::time::Duration;

use zsocket::{
    Context, Dealer, Error, Event, InvalidOption, Message, Pull, Router, Socket, SocketType,
};

use crate::support::{A_WHILE, PATIENCE, WIRES, eventually, everywhere, invalid, spawn, wait_for};

fn dealer(context: &Context, name: &'static str) -> Socket<Dealer> {
    let builder = context.build_socket::<Dealer>();
    builder.routing_id(name.into()).build().unwrap()
}

/// The first frame as text, and the last.
fn ends(message: &Message) -> (String, String) {
    let text = |at: usize| String::from_utf8(message[at].to_vec()).unwrap();
    (text(0), text(message.len() - 1))
}

#[test]
fn mandatory_tells_that_there_is_no_such_peer() {
    for anywhere in everywhere() {
        let context = Context::new();
        let router = context.socket::<Router>().unwrap();
        let endpoint = router.bind(anywhere).unwrap();
        router.send(["nobody", "dropped"]).unwrap();
        assert_eq!(router.stats().dropped.no_peer, 1);
        router.set_mandatory(true).unwrap();
        let refused = router.send(["nobody", "refused"]).unwrap_err();
        assert!(matches!(refused.error, Error::Unroutable));
        assert_eq!(refused.message, Message::from(["nobody", "refused"]));
        let dealer = dealer(&context, "somebody");
        dealer.connect(&endpoint).unwrap();
        dealer.send("hello").unwrap();
        assert_eq!(ends(&router.recv_timeout(PATIENCE).unwrap()).0, "somebody");
        router.send(["somebody", "welcome"]).unwrap();
        assert_eq!(dealer.recv_timeout(PATIENCE).unwrap()[0], "welcome");
        drop(dealer);
        eventually("it is gone", || router.peers() == 0);
        assert!(matches!(
            router.send(["somebody", "?"]).unwrap_err().error,
            Error::Unroutable
        ));
    }
}

#[test]
fn mandatory_waits_for_a_peer_that_is_full() {
    let context = Context::new();
    let router = context
        .build_socket::<Router>()
        .send_hwm(2)
        .build()
        .unwrap();
    router.set_mandatory(true).unwrap();
    router.bind("inproc://router").unwrap();
    let slow = context
        .build_socket::<Dealer>()
        .recv_hwm(2)
        .routing_id("slow".into())
        .build()
        .unwrap();
    let quick = dealer(&context, "quick");
    for dealer in [&slow, &quick] {
        dealer.connect("inproc://router").unwrap();
        dealer.send("hello").unwrap();
        router.recv_timeout(PATIENCE).unwrap();
    }
    let to = |name: &'static str, number: u32| Message::from([name.to_owned(), number.to_string()]);
    for number in 0..4 {
        router.send(to("slow", number)).unwrap();
    }
    assert!(matches!(
        router.try_send(to("slow", 4)).unwrap_err().error,
        Error::WouldBlock(_)
    ));
    let late = router.send_timeout(to("slow", 4), A_WHILE).unwrap_err();
    assert!(matches!(late.error, Error::WouldBlock(_)));
    assert_eq!(late.message, to("slow", 4));
    // It costs the others nothing.
    router.send(to("quick", 0)).unwrap();
    assert_eq!(quick.recv_timeout(PATIENCE).unwrap()[0], "0");
    let sender = spawn(move || {
        for number in 4..100 {
            router.send(to("slow", number)).unwrap();
        }
        router
    });
    for number in 0..100 {
        assert_eq!(slow.recv_timeout(PATIENCE).unwrap()[0], *number.to_string());
    }
    let router = sender.join();
    // One that goes while it is waited for.
    for number in 0..4 {
        router.send(to("slow", number)).unwrap();
    }
    let sender = spawn(move || router.send(to("slow", 4)).unwrap_err().error);
    drop(slow);
    assert!(matches!(sender.join(), Error::Unroutable));
}

#[test]
fn a_newcomer_with_a_name_that_is_taken_waits_until_it_is_free() {
    for wire in WIRES {
        let context = Context::new();
        let router = context.socket::<Router>().unwrap();
        let monitor = router.monitor();
        let endpoint = router.bind(wire.anywhere()).unwrap();
        let first = dealer(&context, "name");
        first.connect(&endpoint).unwrap();
        first.send("first").unwrap();
        assert_eq!(
            ends(&router.recv_timeout(PATIENCE).unwrap()),
            ("name".into(), "first".into())
        );
        let second = dealer(&context, "name");
        second
            .set_reconnect_interval(Some(Duration::from_millis(1)))
            .unwrap();
        second.connect(&endpoint).unwrap();
        second.send("second").unwrap();
        eventually("the newcomer is refused", || {
            router.stats().connections.refused > 0
        });
        wait_for(&monitor, "the refusal", |event| {
            matches!(event, Event::PeerRefused { .. })
        });
        router.send(["name", "to the first"]).unwrap();
        assert_eq!(first.recv_timeout(PATIENCE).unwrap()[0], "to the first");
        drop(first);
        eventually("the second has the name", || {
            router.send(["name", "to the second"]).unwrap();
            second.recv_timeout(Duration::from_millis(10)).is_ok()
        });
    }
}

#[test]
fn a_name_is_handed_over_to_whoever_comes_last() {
    for wire in WIRES {
        let context = Context::new();
        let router = context.socket::<Router>().unwrap();
        router.set_handover(true).unwrap();
        let endpoint = router.bind(wire.anywhere()).unwrap();
        let old = dealer(&context, "name");
        // It must not come back and take the name again.
        old.set_reconnect_interval(None).unwrap();
        old.connect(&endpoint).unwrap();
        old.send("known").unwrap();
        assert_eq!(
            ends(&router.recv_timeout(PATIENCE).unwrap()),
            ("name".into(), "known".into())
        );
        old.send("unread").unwrap();
        eventually("it has come", || old.stats().connections.open == 1);
        let new = dealer(&context, "name");
        new.connect(&endpoint).unwrap();
        new.send("new").unwrap();
        // What the old one has sent still comes, unless the connection ended before it was read.
        let mut names = Vec::new();
        while names.last().is_none_or(|(_, body)| body != "new") {
            let message = router.recv_timeout(PATIENCE).unwrap();
            let body = String::from_utf8(message[1].to_vec()).unwrap();
            names.push((message[0].to_vec(), body));
        }
        assert_eq!(names.last().unwrap().0, b"name");
        router.send(["name", "to the new one"]).unwrap();
        assert_eq!(new.recv_timeout(PATIENCE).unwrap()[0], "to the new one");
        eventually("the old one is sent away", || {
            old.stats().connections.open == 0
        });
        assert_eq!(router.stats().connections.refused, 1);
    }
}

#[test]
fn a_client_that_starts_again_has_its_name_before_all_it_left_is_read() {
    for anywhere in everywhere() {
        let context = Context::new();
        let router = context.socket::<Router>().unwrap();
        let endpoint = router.bind(anywhere).unwrap();
        let client = |number: u32| {
            let client = dealer(&context, "client");
            client.connect(&endpoint).unwrap();
            client.send(number.to_string()).unwrap();
            client
        };
        let first = client(1);
        assert_eq!(
            ends(&router.recv_timeout(PATIENCE).unwrap()),
            ("client".into(), "1".into())
        );
        first.send("left").unwrap();
        drop(first);
        eventually("it has left", || router.stats().connections.open == 0);
        let second = client(2);
        eventually("it is back", || router.peers() == 2);
        router.send(["client", "welcome back"]).unwrap();
        assert_eq!(second.recv_timeout(PATIENCE).unwrap()[0], "welcome back");
        let came = [(); 2].map(|()| ends(&router.recv_timeout(PATIENCE).unwrap()));
        for body in ["left", "2"] {
            assert!(came.contains(&("client".into(), body.into())), "{came:?}");
        }
        assert_eq!(router.stats().connections.refused, 0);
    }
}

#[test]
fn a_peer_that_is_connected_to_may_be_given_a_name() {
    for anywhere in everywhere() {
        let context = Context::new();
        let dealers = [0, 1].map(|at| {
            let dealer = dealer(&context, "calls itself something else");
            let name = anywhere.replace("anywhere", &format!("dealer-{at}"));
            let endpoint = dealer.bind(name.as_str()).unwrap();
            (dealer, endpoint)
        });
        let router = context.socket::<Router>().unwrap();
        router.set_mandatory(true).unwrap();
        for (name, (_, endpoint)) in ["left", "right"].iter().zip(&dealers) {
            router.set_connect_routing_id(*name).unwrap();
            router.connect(endpoint).unwrap();
            // At once, before anybody has answered.
            router.send([*name, "for", name]).unwrap();
        }
        for (name, (dealer, _)) in ["left", "right"].iter().zip(&dealers) {
            assert_eq!(ends(&dealer.recv_timeout(PATIENCE).unwrap()).1, *name);
            dealer.send(*name).unwrap();
            let (from, body) = ends(&router.recv_timeout(PATIENCE).unwrap());
            assert_eq!((from.as_str(), body.as_str()), (*name, *name));
        }
        router.set_connect_routing_id("left").unwrap();
        assert!(matches!(
            router.connect("inproc://elsewhere"),
            Err(Error::HasPeer)
        ));
    }
}

#[test]
fn a_name_that_is_given_is_for_the_peer_that_is_connected_to() {
    for wire in WIRES {
        let context = Context::new();
        let router = context.socket::<Router>().unwrap();
        let bound = router.bind(wire.anywhere()).unwrap();
        let trusted = dealer(&context, "whatever");
        let endpoint = trusted.bind(wire.anywhere()).unwrap();
        // Somebody comes while nobody calls the router.
        let stranger = dealer(&context, "stranger");
        stranger.connect(&bound).unwrap();
        stranger.send("hello").unwrap();
        eventually("the stranger is there", || {
            stranger.stats().connections.open == 1
        });
        router.set_connect_routing_id("trusted").unwrap();
        router.connect(&endpoint).unwrap();
        router.send(["trusted", "secret"]).unwrap();
        assert_eq!(trusted.recv_timeout(PATIENCE).unwrap()[0], "secret");
        assert_eq!(
            ends(&router.recv_timeout(PATIENCE).unwrap()),
            ("stranger".into(), "hello".into())
        );
        trusted.send("thanks").unwrap();
        assert_eq!(
            ends(&router.recv_timeout(PATIENCE).unwrap()),
            ("trusted".into(), "thanks".into())
        );
    }
}

/// A peer that is found full by one kind of call and then by the other, and has room in between.
#[test]
fn a_full_peer_is_not_waited_for_in_vain() {
    let context = Context::new();
    let router = context
        .build_socket::<Router>()
        .send_hwm(1)
        .build()
        .unwrap();
    router.set_mandatory(true).unwrap();
    router.bind("inproc://full").unwrap();
    let slow = context
        .build_socket::<Dealer>()
        .recv_hwm(1)
        .routing_id("slow".into())
        .build()
        .unwrap();
    slow.connect("inproc://full").unwrap();
    slow.send("hello").unwrap();
    router.recv_timeout(PATIENCE).unwrap();
    const COUNT: u32 = 20_000;
    let receiver = spawn(move || {
        for number in 0..COUNT {
            assert_eq!(slow.recv_timeout(PATIENCE).unwrap()[0], *number.to_string());
        }
        slow
    });
    for number in 0..COUNT {
        let message = || Message::from(["slow".to_owned(), number.to_string()]);
        if router.try_send(message()).is_err() && router.try_send(message()).is_err() {
            router.send_timeout(message(), PATIENCE).unwrap();
        }
    }
    receiver.join();
}

#[test]
fn a_peer_that_is_connected_to_waits_until_its_name_is_free() {
    for wire in WIRES {
        let context = Context::new();
        let router = context.socket::<Router>().unwrap();
        let bound = router.bind(wire.anywhere()).unwrap();
        let first = dealer(&context, "name");
        first.connect(&bound).unwrap();
        first.send("first").unwrap();
        router.recv_timeout(PATIENCE).unwrap();
        let second = dealer(&context, "name");
        router
            .connect(second.bind(wire.anywhere()).unwrap())
            .unwrap();
        second.send("second").unwrap();
        router.send(["name", "to the first"]).unwrap();
        assert_eq!(first.recv_timeout(PATIENCE).unwrap()[0], "to the first");
        assert!(matches!(
            router.recv_timeout(A_WHILE),
            Err(Error::WouldBlock(_))
        ));
        drop(first);
        assert_eq!(
            ends(&router.recv_timeout(PATIENCE).unwrap()),
            ("name".into(), "second".into())
        );
        router.send(["name", "to the second"]).unwrap();
        assert_eq!(second.recv_timeout(PATIENCE).unwrap()[0], "to the second");
    }
}

/// A burst fills the pipe to the peer again and again, but the operating system takes it all: so few messages
/// that it has room for each of them in a buffer of its own, though nobody reads meanwhile.
#[test]
fn what_the_system_takes_is_not_dropped() {
    const COUNT: u32 = 200;
    for wire in WIRES {
        let context = Context::new();
        let router = context
            .build_socket::<Router>()
            .send_hwm(20)
            .build()
            .unwrap();
        let dealer = dealer(&context, "name");
        dealer
            .connect(router.bind(wire.anywhere()).unwrap())
            .unwrap();
        dealer.send("hello").unwrap();
        router.recv_timeout(PATIENCE).unwrap();
        for number in 0..COUNT {
            router.send(["name", &number.to_string()]).unwrap();
        }
        for number in 0..COUNT {
            assert_eq!(
                dealer.recv_timeout(PATIENCE).unwrap()[0],
                *number.to_string()
            );
        }
        assert_eq!(router.stats().dropped.hwm, 0);
    }
}

#[test]
fn what_a_router_cannot_do_is_said() {
    let context = Context::new();
    let router = context.socket::<Router>().unwrap();
    let lonely = router.send("no peer named").unwrap_err();
    assert!(matches!(lonely.error, Error::NoRoutingId));
    assert_eq!(lonely.message, Message::from("no peer named"));
    for id in ["", "\0reserved"] {
        let error = router.set_connect_routing_id(id).unwrap_err();
        assert!(
            matches!(error.option(), Some(InvalidOption::Value { .. })),
            "{error}"
        );
    }
    let other = context.dynamic(SocketType::Dealer).unwrap();
    assert!(matches!(
        invalid(other.set_mandatory(true)),
        InvalidOption::NotOfType { .. }
    ));
    context
        .dynamic(SocketType::Router)
        .unwrap()
        .set_mandatory(true)
        .unwrap();
    let _: Socket<Pull> = context.socket().unwrap();
}

#[test]
fn large_bodies_and_many_frames_pass_through() {
    for anywhere in everywhere() {
        let context = Context::new();
        let router = context.socket::<Router>().unwrap();
        let dealer = dealer(&context, "name");
        dealer.connect(router.bind(anywhere).unwrap()).unwrap();
        for size in [0, 1, 70, 71, 600, 10_000, 100_000, 3_000_000] {
            let body = vec![7; size];
            let mut message = Message::from(["one", "two"]);
            message.push_back(body.clone());
            dealer.send(message.clone()).unwrap();
            let mut came = router.recv_timeout(PATIENCE).unwrap();
            assert_eq!((came.len(), &came[0][..]), (4, &b"name"[..]));
            assert!(came[3] == body[..]);
            came[1] = "changed".into();
            router.send(came).unwrap();
            let back = dealer.recv_timeout(PATIENCE).unwrap();
            assert_eq!((back.len(), &back[0][..]), (3, &b"changed"[..]));
            assert!(back[2] == body[..]);
        }
    }
}
