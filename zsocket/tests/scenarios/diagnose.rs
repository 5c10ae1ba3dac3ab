//! Set-ups with something wrong, and that it is named; set-ups with nothing wrong, and that nothing is.

use std::{io::Write, time::Duration};

use zsocket::{
    Bytes, CloseReason, Context, Dealer, Error, Finding, Pair, Pattern, Pub, Pull, Push, Rep, Req,
    Router, Socket, SocketType, Sub, XPub, XSub,
};

use crate::support::{
    A_WHILE, HUGE, MORE, PATIENCE, Place, Raw, RawListener, WIRES, Wire, eventually, everywhere,
    header, loopback, wait_for,
};

/// Waits until a diagnosis has a finding, and has it say what is wrong and what helps.
fn finds<P: Pattern>(
    socket: &Socket<P>,
    what: &str,
    words: &[&str],
    mut is_it: impl FnMut(&Finding) -> bool,
) -> Finding {
    let mut found = None;
    eventually(what, || {
        found = socket.diagnose().into_iter().find(|finding| is_it(finding));
        found.is_some()
    });
    let finding = found.unwrap();
    let text = finding.to_string();
    assert!(text.ends_with(finding.remedy()) && !finding.remedy().is_empty());
    for word in words {
        assert!(text.contains(word), "{word:?} in {text:?}");
    }
    finding
}

fn is_healthy<P: Pattern>(socket: &Socket<P>) {
    let findings = socket.diagnose();
    assert!(
        findings.is_empty(),
        "{}: {findings:?}",
        socket.socket_type().name()
    );
}

// ---- Nothing wrong ----

#[test]
fn healthy_sockets_of_each_type_give_no_finding() {
    for anywhere in everywhere() {
        let context = Context::new();
        let named = |name: &str| anywhere.replace("anywhere", name);

        let (push, pull) = (
            context.socket::<Push>().unwrap(),
            context.socket::<Pull>().unwrap(),
        );
        push.connect(pull.bind(&*named("push")).unwrap()).unwrap();
        push.send("x").unwrap();
        pull.recv().unwrap();
        is_healthy(&push);
        is_healthy(&pull);

        let pairs = [(); 2].map(|()| context.socket::<Pair>().unwrap());
        pairs[0]
            .connect(pairs[1].bind(&*named("pair")).unwrap())
            .unwrap();
        pairs[0].send("x").unwrap();
        pairs[1].recv().unwrap();
        pairs.iter().for_each(is_healthy);

        let (req, rep) = (
            context.socket::<Req>().unwrap(),
            context.socket::<Rep>().unwrap(),
        );
        req.connect(rep.bind(&*named("req")).unwrap()).unwrap();
        for _ in 0..2 {
            req.send("x").unwrap();
            rep.recv().unwrap();
            is_healthy(&req);
            is_healthy(&rep);
            rep.send("y").unwrap();
            req.recv().unwrap();
        }
        is_healthy(&req);
        is_healthy(&rep);

        let dealer = context.socket::<Dealer>().unwrap();
        let router = context.socket::<Router>().unwrap();
        dealer
            .connect(router.bind(&*named("router")).unwrap())
            .unwrap();
        dealer.send("x").unwrap();
        let message = router.recv().unwrap();
        router.send(message).unwrap();
        dealer.recv().unwrap();
        is_healthy(&dealer);
        is_healthy(&router);

        let publisher = context.socket::<Pub>().unwrap();
        let xpub = context.socket::<XPub>().unwrap();
        let sub = context.socket::<Sub>().unwrap();
        let xsub = context.socket::<XSub>().unwrap();
        sub.connect(publisher.bind(&*named("pub")).unwrap())
            .unwrap();
        xsub.connect(xpub.bind(&*named("xpub")).unwrap()).unwrap();
        sub.subscribe("a").unwrap();
        xsub.subscribe("a").unwrap();
        publisher.wait_subscribed("a", 1, PATIENCE).unwrap();
        xpub.wait_subscribed("a", 1, PATIENCE).unwrap();
        // Not everything is for everybody.
        for topic in ["b", "a"] {
            publisher.send(topic).unwrap();
            xpub.send(topic).unwrap();
        }
        sub.recv().unwrap();
        xsub.recv().unwrap();
        is_healthy(&publisher);
        is_healthy(&xpub);
        is_healthy(&sub);
        is_healthy(&xsub);

        let dynamic = context.dynamic(SocketType::Pull).unwrap();
        let push = context.dynamic(SocketType::Push).unwrap();
        push.connect(dynamic.bind(&*named("dynamic")).unwrap())
            .unwrap();
        push.send("x").unwrap();
        dynamic.recv_timeout(PATIENCE).unwrap();
        is_healthy(&dynamic);
        is_healthy(&push);
    }
}

#[test]
fn what_is_over_is_found_no_more() {
    let [place, _] = Place::wires();
    let context = Context::new();
    // A port that is free.
    let pull = context.socket::<Pull>().unwrap();
    let endpoint = pull.bind(&*place.endpoint).unwrap();
    drop(pull);
    let push = context.socket::<Push>().unwrap();
    push.connect(&endpoint).unwrap();
    finds(&push, "nobody there", &[], |finding| {
        matches!(finding, Finding::NotConnected { error: Some(_), .. })
    });
    let pull = context.socket::<Pull>().unwrap();
    pull.bind(&endpoint).unwrap();
    push.wait_connected(1, PATIENCE).unwrap();
    is_healthy(&push);
    drop(pull);
    finds(&push, "nobody there again", &[], |finding| {
        matches!(finding, Finding::NotConnected { error: Some(_), .. })
    });
    push.disconnect(&endpoint).unwrap();
    assert!(matches!(push.diagnose()[..], [Finding::Unattached]));
}

// ---- Nobody there ----

#[test]
fn a_socket_that_is_attached_to_nothing() {
    let socket = Context::new().socket::<Pull>().unwrap();
    finds(
        &socket,
        "unattached",
        &["neither bound nor connected", "call bind or connect"],
        |finding| matches!(finding, Finding::Unattached),
    );
    assert_eq!(socket.diagnose().len(), 1);
}

#[test]
fn connecting_in_vain_over_tcp() {
    let listener = RawListener::anywhere(Wire::Tcp);
    let endpoint = listener.endpoint();
    drop(listener);
    let push = Context::new().socket::<Push>().unwrap();
    push.set_linger(Some(Duration::ZERO)).unwrap();
    push.connect(&endpoint).unwrap();
    push.send("waits").unwrap();
    let words = [&endpoint.to_string(), "refused", "1 messages wait"];
    let finding = finds(&push, "refused", &words, |finding| {
        matches!(finding, Finding::NotConnected { error: Some(_), .. })
    });
    let Finding::NotConnected {
        attempts, queued, ..
    } = finding
    else {
        unreachable!()
    };
    assert!(attempts > 0 && queued == 1);
}

#[test]
fn connecting_in_vain_over_ipc() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/nobody", directory.path().display());
    let sub = Context::new().socket::<Sub>().unwrap();
    sub.connect(&*endpoint).unwrap();
    sub.subscribe("").unwrap();
    finds(
        &sub,
        "no such file",
        &["/nobody", "attempts to connect failed"],
        |finding| matches!(finding, Finding::NotConnected { error: Some(_), .. }),
    );
}

#[test]
fn an_inproc_name_that_nobody_has_bound_in_this_context() {
    let (context, other) = (Context::new(), Context::new());
    let pull = other.socket::<Pull>().unwrap();
    pull.bind("inproc://name").unwrap();
    let push = context.socket::<Push>().unwrap();
    push.connect("inproc://name").unwrap();
    push.send("waits").unwrap();
    let words = ["inproc://name", "1 messages wait", "same context"];
    finds(&push, "unbound", &words, |finding| {
        matches!(finding, Finding::InprocUnbound { queued: 1, .. })
    });
}

#[test]
fn a_bound_socket_to_which_nobody_has_come() {
    for anywhere in everywhere() {
        let rep = Context::new().socket::<Rep>().unwrap();
        let endpoint = rep.bind(anywhere).unwrap();
        finds(
            &rep,
            "nobody",
            &[&endpoint.to_string(), "nobody is connected"],
            |finding| matches!(finding, Finding::NobodyCame { .. }),
        );
    }
}

#[test]
fn a_push_with_fewer_pulls_than_endpoints() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let push = context.socket::<Push>().unwrap();
    push.set_linger(Some(Duration::ZERO)).unwrap();
    push.connect(pull.bind("inproc://there").unwrap()).unwrap();
    push.connect("inproc://not-there").unwrap();
    for _ in 0..4 {
        push.send("every second one waits").unwrap();
    }
    let words = [
        "of 2 endpoints 1 have a peer",
        "2 messages wait",
        "immediate",
    ];
    finds(&push, "one is missing", &words, |finding| {
        matches!(
            finding,
            Finding::FewerPeers {
                connected: 1,
                endpoints: 2,
                queued: 2
            }
        )
    });
}

// ---- Handshakes ----

#[test]
fn socket_types_that_do_not_go_together() {
    for wire in WIRES {
        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        let endpoint = push.bind(wire.anywhere()).unwrap();
        let sub = context.socket::<Sub>().unwrap();
        sub.subscribe("").unwrap();
        sub.connect(&endpoint).unwrap();
        let words = ["handshake", "PUSH", "SUB", "socket types that go together"];
        finds(&push, "a SUB came", &words, |finding| {
            matches!(
                finding,
                Finding::HandshakeFailed {
                    outgoing: false,
                    ..
                }
            )
        });
        let finding = finds(&sub, "it is a PUSH", &words[..1], |finding| {
            matches!(finding, Finding::HandshakeFailed { outgoing: true, .. })
        });
        let Finding::HandshakeFailed {
            endpoint: found,
            times,
            ..
        } = finding
        else {
            unreachable!()
        };
        assert!(found == endpoint && times > 0);
    }
}

#[test]
fn another_security_mechanism() {
    let pull = Context::new().socket::<Pull>().unwrap();
    let endpoint = pull.bind(loopback()).unwrap();
    let mut raw = Raw::connect(&endpoint);
    let mut greeting = crate::support::greeting();
    greeting[12..17].copy_from_slice(b"PLAIN");
    raw.write_all(&greeting).unwrap();
    finds(
        &pull,
        "PLAIN",
        &["handshake", "PLAIN", "security"],
        |finding| {
            matches!(
                finding,
                Finding::HandshakeFailed {
                    outgoing: false,
                    ..
                }
            )
        },
    );
}

#[test]
fn somebody_who_says_nothing() {
    let listener = RawListener::anywhere(Wire::Tcp);
    let push = Context::new().socket::<Push>().unwrap();
    push.set_handshake_interval(Some(A_WHILE)).unwrap();
    push.connect(listener.endpoint()).unwrap();
    let words = ["the handshake took too long", "speaks ZMTP"];
    finds(&push, "it took too long", &words, |finding| {
        matches!(
            finding,
            Finding::HandshakeFailed {
                reason: CloseReason::HandshakeTimeout,
                outgoing: true,
                ..
            }
        )
    });
}

#[test]
fn somebody_who_ends_the_handshake() {
    let listener = RawListener::anywhere(Wire::Ipc);
    let push = Context::new().socket::<Push>().unwrap();
    push.connect(listener.endpoint()).unwrap();
    drop(listener.accept());
    let words = ["1 handshakes", "has ended the handshake"];
    finds(&push, "it was ended", &words, |finding| {
        matches!(finding, Finding::HandshakeFailed { outgoing: true, .. })
    });
}

// ---- Subscriptions ----

#[test]
fn a_subscriber_without_subscription() {
    let context = Context::new();
    let publisher = context.socket::<Pub>().unwrap();
    let sub = context.socket::<Sub>().unwrap();
    let xsub = context.socket::<XSub>().unwrap();
    let endpoint = publisher.bind("inproc://pub").unwrap();
    sub.connect(&endpoint).unwrap();
    xsub.connect(&endpoint).unwrap();
    for findings in [sub.diagnose(), xsub.diagnose()] {
        assert!(
            matches!(findings[..], [Finding::NoSubscription]),
            "{findings:?}"
        );
        assert!(findings[0].to_string().contains("call subscribe"));
    }
    sub.subscribe("").unwrap();
    is_healthy(&sub);
}

/// Connected, and nothing is subscribed to.
fn publisher_and_subscriber() -> (Context, Socket<Pub>, Socket<Sub>) {
    let context = Context::new();
    let publisher = context.socket::<Pub>().unwrap();
    let sub = context.socket::<Sub>().unwrap();
    sub.connect(publisher.bind("inproc://pub").unwrap())
        .unwrap();
    (context, publisher, sub)
}

#[test]
fn nobody_has_subscribed() {
    let (_context, publisher, _sub) = publisher_and_subscriber();
    for _ in 0..3 {
        publisher.send("lost").unwrap();
    }
    let words = ["3 messages", "nobody has subscribed", "wait_subscribed"];
    finds(&publisher, "nobody", &words, |finding| {
        matches!(finding, Finding::NobodySubscribed { messages: 3 })
    });
}

#[test]
fn the_topic_is_another() {
    let (_context, publisher, sub) = publisher_and_subscriber();
    sub.subscribe("Weather").unwrap();
    publisher.wait_subscribed("Weather", 1, PATIENCE).unwrap();
    publisher.send(["weather", "sunny"]).unwrap();
    let words = ["none of 1 messages", "1 topics", "byte for byte"];
    finds(&publisher, "another topic", &words, |finding| {
        matches!(
            finding,
            Finding::NoTopicMatches {
                messages: 1,
                topics: 1
            }
        )
    });
    publisher.send(["Weather", "sunny"]).unwrap();
    sub.recv().unwrap();
    is_healthy(&publisher);
}

#[test]
fn subscribed_after_publishing_began() {
    let (_context, publisher, sub) = publisher_and_subscriber();
    publisher.send("lost").unwrap();
    publisher.send("lost").unwrap();
    sub.subscribe("").unwrap();
    publisher.send("received").unwrap();
    assert_eq!(sub.recv().unwrap()[0], "received");
    let words = [
        "2 messages",
        "before the first subscription",
        "wait_subscribed",
    ];
    finds(&publisher, "late", &words, |finding| {
        matches!(finding, Finding::SubscribedLate { messages: 2 })
    });
    assert_eq!(publisher.diagnose().len(), 1);
}

// ---- High-water marks ----

#[test]
fn a_peer_that_does_not_receive() {
    let context = Context::new();
    let pull = context.build_socket::<Pull>().recv_hwm(2).build().unwrap();
    let push = context.build_socket::<Push>().send_hwm(2).build().unwrap();
    push.connect(pull.bind("inproc://slow").unwrap()).unwrap();
    while push.try_send("x").is_ok() {}
    let words = [
        "4 messages wait at a mark of 4",
        "inproc://slow",
        "send_hwm",
    ];
    let peer = push.peer_list()[0].id;
    finds(
        &push,
        "it is full",
        &words,
        |finding| matches!(finding, Finding::PeerFull { peer: found, queued: 4, mark: 4, muted: Some(_), .. } if *found == peer),
    );
    let words = ["4 messages of", "wait to be received", "recv_hwm"];
    finds(&pull, "it does not receive", &words, |finding| {
        matches!(
            finding,
            Finding::ReceiverSlow {
                queued: 4,
                mark: 4,
                ..
            }
        )
    });
    while pull.try_recv().is_ok() {}
    is_healthy(&push);
    is_healthy(&pull);
}

#[test]
fn a_receiver_that_is_too_slow_over_a_stream() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.build_socket::<Pull>().recv_hwm(5).build().unwrap();
        let push = context.socket::<Push>().unwrap();
        push.connect(pull.bind(wire.anywhere()).unwrap()).unwrap();
        for _ in 0..100 {
            push.send("x").unwrap();
        }
        finds(
            &pull,
            "it does not receive",
            &["5 messages of", "recv_hwm"],
            |finding| {
                matches!(
                    finding,
                    Finding::ReceiverSlow {
                        queued: 5,
                        mark: 5,
                        ..
                    }
                )
            },
        );
    }
}

#[test]
fn a_subscriber_that_does_not_receive() {
    let context = Context::new();
    let publisher = context.build_socket::<Pub>().send_hwm(2).build().unwrap();
    let sub = context.build_socket::<Sub>().recv_hwm(2).build().unwrap();
    sub.connect(publisher.bind("inproc://slow").unwrap())
        .unwrap();
    sub.subscribe("").unwrap();
    publisher.wait_subscribed("", 1, PATIENCE).unwrap();
    for _ in 0..10 {
        publisher.send("x").unwrap();
    }
    let peer = publisher.peer_list()[0].id;
    let words = ["6 messages were dropped", "inproc://slow", "set_no_drop"];
    finds(
        &publisher,
        "it lost some",
        &words,
        |finding| matches!(finding, Finding::DroppedForFull { messages: 6, worst: Some((found, _)) } if *found == peer),
    );
}

// ---- Routing and turns ----

#[test]
fn a_routing_id_that_nobody_has() {
    let context = Context::new();
    let router = context.socket::<Router>().unwrap();
    let dealer = context.socket::<Dealer>().unwrap();
    dealer
        .connect(router.bind("inproc://router").unwrap())
        .unwrap();
    router.send(["bob", "?"]).unwrap();
    router.send(["alice\n", "?"]).unwrap();
    let words = ["2 messages", "\"alice\\n\"", "set_mandatory"];
    let finding = finds(&router, "nobody", &words, |finding| {
        matches!(finding, Finding::Unroutable { messages: 2, .. })
    });
    let Finding::Unroutable { last, .. } = finding else {
        unreachable!()
    };
    assert_eq!(last, "alice\n");
}

#[test]
fn requests_and_replies_out_of_step() {
    let context = Context::new();
    let (req, rep) = (
        context.socket::<Req>().unwrap(),
        context.socket::<Rep>().unwrap(),
    );
    req.connect(rep.bind("inproc://steps").unwrap()).unwrap();
    let is_misstep = |finding: &Finding| matches!(finding, Finding::OutOfStep { .. });
    assert!(matches!(req.recv().unwrap_err(), Error::WrongState(_)));
    finds(
        &req,
        "no request",
        &["REQ", "recv", "send a request before"],
        is_misstep,
    );
    assert!(matches!(
        rep.send("x").unwrap_err().error,
        Error::WrongState(_)
    ));
    finds(
        &rep,
        "nothing to reply to",
        &["REP", "send", "receive a request before"],
        is_misstep,
    );
    req.send("x").unwrap();
    is_healthy(&req);
    assert!(matches!(
        req.send("x").unwrap_err().error,
        Error::WrongState(_)
    ));
    finds(
        &req,
        "two requests",
        &["REQ", "send", "relaxed"],
        is_misstep,
    );
    rep.recv().unwrap();
    assert!(matches!(rep.recv().unwrap_err(), Error::WrongState(_)));
    finds(&rep, "no reply", &["REP", "recv", "Responder"], is_misstep);
    rep.send("x").unwrap();
    req.recv().unwrap();
    is_healthy(&req);
    is_healthy(&rep);
}

#[test]
fn a_second_peer_of_a_pair() {
    let context = Context::new();
    let pair = context.socket::<Pair>().unwrap();
    let endpoint = pair.bind(loopback()).unwrap();
    let first = context.socket::<Pair>().unwrap();
    first.connect(&endpoint).unwrap();
    pair.wait_connected(1, PATIENCE).unwrap();
    let second = context.socket::<Pair>().unwrap();
    second.connect(&endpoint).unwrap();
    finds(
        &pair,
        "sent away",
        &["peers were sent away", "one peer only"],
        |finding| matches!(finding, Finding::PeersSentAway { .. }),
    );
}

// ---- What peers send ----

#[test]
fn a_message_that_is_too_large() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context
            .build_socket::<Pull>()
            .max_frame_size(Some(1000))
            .build()
            .unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "PUSH");
        raw.write_all(&header(0, 1001)).unwrap();
        raw.expect_close();
        let words = ["1 connections", "1001 bytes", "max_frame_size"];
        finds(&pull, "too large", &words, |finding| {
            matches!(
                finding,
                Finding::BadTraffic {
                    reason: CloseReason::Oversize { size: 1001 },
                    times: 1,
                    ..
                }
            )
        });
    }
}

#[test]
fn a_message_that_the_peer_refuses() {
    let context = Context::new();
    let pull = context
        .build_socket::<Pull>()
        .max_frame_size(Some(1000))
        .build()
        .unwrap();
    let push = context.socket::<Push>().unwrap();
    push.set_reconnect_interval(Some(Duration::from_millis(1)))
        .unwrap();
    push.connect(pull.bind(loopback()).unwrap()).unwrap();
    push.send(vec![0; HUGE]).unwrap();
    finds(
        &push,
        "refused",
        &["1 messages", "the peer refuses", "peer's limits"],
        |finding| matches!(finding, Finding::RefusedByPeer { messages: 1 }),
    );
}

#[test]
fn nonsense() {
    let pull = Context::new().socket::<Pull>().unwrap();
    let endpoint = pull.bind(loopback()).unwrap();
    let mut raw = Raw::connect_as(&endpoint, "PUSH");
    raw.write_all(&[0xff; 16]).unwrap();
    raw.expect_close();
    finds(&pull, "nonsense", &["breaks the protocol"], |finding| {
        matches!(
            finding,
            Finding::BadTraffic {
                reason: CloseReason::Protocol(_),
                ..
            }
        )
    });
}

#[test]
fn a_request_without_its_envelope() {
    let context = Context::new();
    let rep = context.socket::<Rep>().unwrap();
    let dealer = context.socket::<Dealer>().unwrap();
    dealer.connect(rep.bind("inproc://rep").unwrap()).unwrap();
    dealer.send("no delimiter").unwrap();
    assert!(rep.try_recv().is_err());
    finds(
        &rep,
        "no request",
        &["1 messages", "none of the pattern", "envelope"],
        |finding| matches!(finding, Finding::NotOfThePattern { messages: 1 }),
    );
}

// ---- Losses ----

#[test]
fn more_is_left_behind_than_is_kept() {
    let context = Context::new();
    let pull = context
        .build_socket::<Pull>()
        .departed_hwm(1)
        .build()
        .unwrap();
    let endpoint = pull.bind(loopback()).unwrap();
    for _ in 0..2 {
        let mut raw = Raw::connect_as(&endpoint, "PUSH");
        raw.send(&[b"a"]);
        raw.send(&[b"b"]);
        drop(raw);
    }
    finds(
        &pull,
        "the oldest are dropped",
        &["2 messages of peers that are gone", "departed_hwm"],
        |finding| matches!(finding, Finding::DepartedLimit { messages: 2 }),
    );
}

#[test]
fn the_time_to_linger_was_too_short() {
    let listener = RawListener::anywhere(Wire::Tcp);
    let push = Context::new().socket::<Push>().unwrap();
    push.connect(listener.endpoint()).unwrap();
    push.send("never sent").unwrap();
    push.set_linger(Some(Duration::ZERO)).unwrap();
    push.disconnect(listener.endpoint()).unwrap();
    finds(&push, "lost", &["1 messages", "linger"], |finding| {
        matches!(finding, Finding::LostToLinger { messages: 1 })
    });
}

#[test]
fn a_peer_goes_with_what_is_queued_for_it() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let push = context.socket::<Push>().unwrap();
    push.connect(pull.bind("inproc://gone").unwrap()).unwrap();
    push.send("lost").unwrap();
    drop(pull);
    finds(
        &push,
        "lost",
        &["1 messages", "peers that have gone"],
        |finding| matches!(finding, Finding::LostWithPeer { messages: 1 }),
    );
}

#[test]
fn a_monitor_that_nobody_reads() {
    let listener = RawListener::anywhere(Wire::Tcp);
    let endpoint = listener.endpoint();
    drop(listener);
    let push = Context::new().socket::<Push>().unwrap();
    push.set_reconnect_interval(Some(Duration::from_millis(1)))
        .unwrap();
    let monitor = push.monitor();
    for _ in 0..40 {
        push.connect(&endpoint).unwrap();
    }
    wait_for(&monitor, "the first event", |_| true);
    finds(
        &push,
        "it lags",
        &["the monitor has missed", "read the monitor"],
        |finding| matches!(finding, Finding::MonitorLagged { .. }),
    );
}

#[test]
fn a_body_that_panics_when_it_is_dropped() {
    struct Bad([u8; 20_000]);
    impl AsRef<[u8]> for Bad {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    let context = Context::new();
    let router = context.socket::<Router>().unwrap();
    let dealer = context.socket::<Dealer>().unwrap();
    dealer
        .connect(router.bind("inproc://bad").unwrap())
        .unwrap();
    let body = zsocket::Frame::from(Bytes::from_owner(Bad([0; 20_000])));
    router.send([zsocket::Frame::from("nobody"), body]).unwrap();
    finds(
        &router,
        "it panicked",
        &["1 times", "standard error"],
        |finding| matches!(finding, Finding::ForeignPanics { panics: 1 }),
    );
}

#[test]
fn a_context_that_is_shut_down() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    pull.bind("inproc://ended").unwrap();
    context.shutdown();
    finds(
        &pull,
        "it is over",
        &["no call works any more"],
        |finding| {
            matches!(
                finding,
                Finding::Ended {
                    error: Error::Terminated
                }
            )
        },
    );
}

#[test]
fn half_a_message_is_no_trouble() {
    let pull = Context::new().socket::<Pull>().unwrap();
    let endpoint = pull.bind(loopback()).unwrap();
    let mut raw = Raw::connect_as(&endpoint, "PUSH");
    raw.write_all(&header(MORE, 10)).unwrap();
    pull.wait_connected(1, PATIENCE).unwrap();
    is_healthy(&pull);
}
