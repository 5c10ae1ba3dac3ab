//! Received messages tell their peer, and peers can be asked about and sent to.

use std::{collections::HashSet, time::Duration};

use zsocket::{
    Bytes, Context, Dealer, Error, InvalidOption, PeerAddress, Pub, Pull, Push, Rep, Req, Router,
    SocketType, Sub, Version, XPub,
};

use crate::{
    futures::block_on,
    support::{PATIENCE, Place, Raw, WIRES, Wire, eventually, everywhere, loopback, spawn},
};

#[test]
fn each_message_tells_its_peer() {
    for anywhere in everywhere() {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let endpoint = pull.bind(anywhere).unwrap();
        let pushes = ["a", "b", "c"].map(|name| {
            let push = context
                .build_socket::<Push>()
                .metadata("X-Name", name)
                .build()
                .unwrap();
            push.connect(&endpoint).unwrap();
            push
        });
        let mut seen = HashSet::new();
        for round in 0..3 {
            for (push, name) in pushes.iter().zip(["a", "b", "c"]) {
                push.send(name).unwrap();
                let (message, peer) = match round {
                    0 => pull.recv_from().unwrap(),
                    1 => pull.recv_from_timeout(PATIENCE).unwrap(),
                    _ => block_on(pull.recv_from_async()).unwrap(),
                };
                assert_eq!(message[0], name);
                let info = pull.peer_info(peer).unwrap();
                assert_eq!(
                    info.properties.get("x-name"),
                    Some(name.as_bytes()),
                    "{anywhere}"
                );
                assert_eq!((info.id, info.outgoing), (peer, false));
                assert_eq!(info.endpoint, endpoint);
                assert_eq!(info.socket_type, Some(SocketType::Push));
                assert_eq!(info.version, Some(Version::V3_1));
                assert!(info.is_connected() && info.connected.unwrap() < PATIENCE);
                assert!(info.user_id.is_empty() && info.trusted.is_empty());
                match (anywhere.split_once(':').unwrap().0, &info.address) {
                    ("tcp", Some(PeerAddress::Tcp(address))) => assert!(address.ip().is_loopback()),
                    ("ipc", Some(address @ PeerAddress::Ipc { .. })) => {
                        let found = address.credentials().unwrap();
                        assert_eq!(found.pid, Some(std::process::id()));
                        assert_eq!(found.uid, rustix::process::geteuid().as_raw());
                        assert_eq!(found.gid, rustix::process::getegid().as_raw());
                    }
                    ("inproc", None) => {}
                    other => panic!("{other:?}"),
                }
                seen.insert(peer);
            }
        }
        assert_eq!(seen.len(), 3, "a peer keeps its id");
        let listed: HashSet<_> = pull.peer_list().iter().map(|info| info.id).collect();
        assert_eq!(listed, seen);
        assert!(matches!(pull.try_recv_from(), Err(Error::WouldBlock(_))));
        assert!(matches!(
            pull.recv_from_timeout(Duration::from_millis(1)),
            Err(Error::WouldBlock(_))
        ));
    }
}

#[test]
fn a_peer_is_known_until_its_last_message_is_received() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "PUSH");
        raw.send(&[b"one"]);
        let (_, peer) = pull.recv_from().unwrap();
        raw.send(&[b"two"]);
        drop(raw);
        eventually("the connection is gone", || {
            !pull.peer_info(peer).unwrap().is_connected()
        });
        let info = pull.peer_info(peer).unwrap();
        assert_eq!(info.address, None);
        let (message, from) = pull.recv_from().unwrap();
        assert_eq!((&message[0][..], from), (&b"two"[..], peer));
        assert!(pull.try_recv_from().is_err());
        assert!(pull.peer_info(peer).is_none());
        // Whoever comes next is somebody else.
        let mut raw = Raw::connect_as(&endpoint, "PUSH");
        raw.send(&[b"three"]);
        assert_ne!(pull.recv_from().unwrap().1, peer);
    }
}

#[test]
fn an_endpoint_keeps_its_id_when_the_connection_is_made_again() {
    for place in Place::wires() {
        let context = Context::new();
        let listen = |endpoint: &str| {
            let pull = context.socket::<Pull>().unwrap();
            (pull.bind(endpoint).unwrap(), pull)
        };
        let (endpoint, pull) = listen(&place.endpoint);
        let push = context.socket::<Push>().unwrap();
        push.set_reconnect_interval(Some(Duration::from_millis(1)))
            .unwrap();
        push.connect(&endpoint).unwrap();
        let before = push.peer_list();
        assert_eq!(before.len(), 1);
        assert!(before[0].outgoing);
        push.wait_connected(1, PATIENCE).unwrap();
        let info = push.peer_info(before[0].id).unwrap();
        assert!(info.is_connected() && info.address.is_some());
        assert_eq!(info.socket_type, Some(SocketType::Pull));
        drop(pull);
        eventually("the connection is gone", || {
            !push.peer_info(info.id).unwrap().is_connected()
        });
        let (_, pull) = listen(&endpoint.to_string());
        push.send("again").unwrap();
        assert_eq!(pull.recv().unwrap()[0], "again");
        eventually("the connection stands again", || {
            push.peer_info(info.id).unwrap().is_connected()
        });
        push.disconnect(&endpoint).unwrap();
        assert!(push.peer_info(info.id).is_none() && push.peer_list().is_empty());
    }
}

#[test]
fn over_inproc_whoever_binds_later_becomes_known() {
    let context = Context::new();
    let push = context.socket::<Push>().unwrap();
    push.connect("inproc://later").unwrap();
    let id = push.peer_list()[0].id;
    let info = push.peer_info(id).unwrap();
    assert!(!info.is_connected() && info.socket_type.is_none());
    let pull = context
        .build_socket::<Pull>()
        .metadata("X-Who", "me")
        .build()
        .unwrap();
    pull.bind("inproc://later").unwrap();
    let info = push.peer_info(id).unwrap();
    assert!(info.is_connected());
    assert_eq!(info.socket_type, Some(SocketType::Pull));
    assert_eq!(info.properties.get("X-Who"), Some(&b"me"[..]));
}

#[test]
fn a_router_answers_the_peer_and_not_the_name() {
    for anywhere in everywhere() {
        let context = Context::new();
        let router = context.socket::<Router>().unwrap();
        let endpoint = router.bind(anywhere).unwrap();
        let named = context.build_socket::<Dealer>();
        let named = named.routing_id(Bytes::from_static(b"me")).build().unwrap();
        let nameless = context.socket::<Dealer>().unwrap();
        for dealer in [&named, &nameless] {
            dealer.connect(&endpoint).unwrap();
            dealer.send("hello").unwrap();
        }
        for _ in 0..2 {
            let (mut message, peer) = router.recv_from().unwrap();
            let name = message.pop_front().unwrap();
            assert_eq!(router.peer_info(peer).unwrap().routing_id, name[..]);
            router.send_to(peer, message).unwrap();
            router.try_send_to(peer, ["more", "frames"]).unwrap();
            block_on(router.send_to_async(peer, [&name[..], b"third"])).unwrap();
        }
        for dealer in [&named, &nameless] {
            assert_eq!(dealer.recv().unwrap()[0], "hello");
            assert_eq!(
                dealer.recv().unwrap(),
                zsocket::Message::from(["more", "frames"])
            );
            assert_eq!(dealer.recv().unwrap()[1], "third", "no frame is taken off");
        }
        assert_eq!(router.stats().messages_sent, 6);
        let peer = router
            .peer_list()
            .into_iter()
            .find(|info| info.routing_id == "me")
            .unwrap();
        drop(named);
        eventually("it is gone", || router.peer_info(peer.id).is_none());
        let refused = router.send_to(peer.id, ["a", "b"]).unwrap_err();
        assert!(matches!(refused.error, Error::Unroutable));
        assert_eq!(
            refused.message,
            zsocket::Message::from(["a", "b"]),
            "handed back whole"
        );
        assert_eq!(router.stats().dropped.no_peer, 0);
    }
}

#[test]
fn sending_to_a_peer_waits_for_room() {
    let context = Context::new();
    let router = context
        .build_socket::<Router>()
        .send_hwm(5)
        .build()
        .unwrap();
    router.bind("inproc://full").unwrap();
    let dealer = context
        .build_socket::<Dealer>()
        .recv_hwm(5)
        .build()
        .unwrap();
    dealer.connect("inproc://full").unwrap();
    dealer.send("hello").unwrap();
    let (_, peer) = router.recv_from().unwrap();
    for n in 0..10_u8 {
        router.try_send_to(peer, [n]).unwrap();
    }
    let full = router.try_send_to(peer, "more").unwrap_err();
    assert!(matches!(full.error, Error::WouldBlock(_)));
    assert_eq!(full.message[0], "more");
    router
        .set_send_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    let full = router.send_to(peer, "more").unwrap_err();
    assert!(matches!(full.error, Error::WouldBlock(_)));
    router.set_send_timeout(None).unwrap();
    let sender = spawn(move || {
        router.send_to(peer, "more").unwrap();
        router
    });
    for n in 0..10_u8 {
        assert_eq!(dealer.recv().unwrap()[0], [n][..]);
    }
    assert_eq!(dealer.recv_timeout(PATIENCE).unwrap()[0], "more");
    assert_eq!(sender.join().stats().dropped.hwm, 0);
}

#[test]
fn only_a_router_sends_to_a_peer() {
    let context = Context::new();
    let dealer = context.dynamic(SocketType::Dealer).unwrap();
    dealer.bind("inproc://dealer").unwrap();
    let other = context.socket::<Dealer>().unwrap();
    other.connect("inproc://dealer").unwrap();
    let peer = dealer.peer_list()[0].id;
    for result in [
        dealer.send_to(peer, "x"),
        dealer.try_send_to(peer, "x"),
        block_on(dealer.send_to_async(peer, "x")),
    ] {
        assert!(matches!(result.unwrap_err().error, Error::NotSupported));
    }
}

#[test]
fn requests_replies_publications_and_subscriptions_tell_their_peer() {
    let context = Context::new();
    let rep = context.socket::<Rep>().unwrap();
    let req = context.socket::<Req>().unwrap();
    req.connect(rep.bind(loopback()).unwrap()).unwrap();
    req.send("question").unwrap();
    let (_, from) = rep.recv_from().unwrap();
    assert_eq!(rep.peer_list()[0].id, from);
    rep.send("answer").unwrap();
    let (_, from) = req.recv_from().unwrap();
    assert_eq!(req.peer_list()[0].id, from);

    let publisher = context.socket::<Pub>().unwrap();
    let xpub = context.socket::<XPub>().unwrap();
    let sub = context.socket::<Sub>().unwrap();
    sub.connect(publisher.bind("inproc://pub").unwrap())
        .unwrap();
    sub.connect(xpub.bind(loopback()).unwrap()).unwrap();
    sub.subscribe("a").unwrap();
    publisher.wait_subscribed("a", 1, PATIENCE).unwrap();
    publisher.send("abc").unwrap();
    let (_, from) = sub.recv_from().unwrap();
    assert_eq!(
        sub.peer_info(from).unwrap().socket_type,
        Some(SocketType::Pub)
    );
    let (message, from) = xpub.recv_from().unwrap();
    assert_eq!(message[0], "\u{1}a");
    assert_eq!(
        xpub.peer_info(from).unwrap().socket_type,
        Some(SocketType::Sub)
    );
}

#[test]
fn metadata_is_checked_and_replaced() {
    let context = Context::new();
    let push = context.socket::<Push>().unwrap();
    let long = "X-".to_owned() + &"a".repeat(254);
    for name in ["", "X-", "x-small", "Name", "X-sp ace", &long] {
        let refused = push.set_metadata(name, "v").unwrap_err();
        assert!(
            matches!(
                refused.option(),
                Some(InvalidOption::Value {
                    option: "metadata",
                    ..
                })
            ),
            "{name}"
        );
    }
    assert!(push.set_metadata("X-Empty", "").is_err());
    assert!(push.set_metadata("X-Large", [7; 16 << 10]).is_err());
    push.set_metadata("X-One", "1").unwrap();
    push.set_metadata("X-Two", "2").unwrap();
    push.set_metadata("X-ONE", "new").unwrap();
    for n in 0..118 {
        push.set_metadata(&format!("X-{n}"), "v").unwrap();
    }
    assert!(push.set_metadata("X-118", "v").is_err());
    push.set_metadata("X-117", "instead").unwrap();
    let pull = context.socket::<Pull>().unwrap();
    push.connect(pull.bind(Wire::Tcp.anywhere()).unwrap())
        .unwrap();
    push.send("x").unwrap();
    let (_, from) = pull.recv_from().unwrap();
    let properties = pull.peer_info(from).unwrap().properties;
    let values: Vec<_> = properties.get_all("X-One").collect();
    assert_eq!(values, [b"new"]);
    assert_eq!(properties.get("X-117"), Some(&b"instead"[..]));
    assert_eq!(properties.get("Socket-Type"), Some(&b"PUSH"[..]));
}

#[test]
fn a_peer_says_in_words_who_it_is() {
    let context = Context::new();
    let router = context.socket::<Router>().unwrap();
    let endpoint = router.bind(loopback()).unwrap();
    let dealer = context.build_socket::<Dealer>();
    let dealer = dealer
        .routing_id(Bytes::from_static(b"me"))
        .build()
        .unwrap();
    dealer.connect(&endpoint).unwrap();
    router.wait_connected(1, PATIENCE).unwrap();
    dealer.wait_connected(1, PATIENCE).unwrap();
    let text = router.peer_list()[0].to_string();
    assert!(
        text.starts_with(&format!(
            "DEALER \"me\" accepted at {endpoint} from tcp://127.0.0.1:"
        )),
        "{text}"
    );
    assert!(text.contains(", connected for "), "{text}");
    drop(router);
    eventually("it is gone", || !dealer.peer_list()[0].is_connected());
    let text = dealer.peer_list()[0].to_string();
    assert_eq!(text, format!("ROUTER to {endpoint}, not connected"));
}
