//! Requests and replies: the lock step, the envelope, and partners that go away.

use std::time::Duration;

use zsocket::{
    Context, Dealer, Dynamic, Error, Event, Message, Pull, Push, Rep, Req, Socket, SocketType,
};

use crate::support::{
    A_WHILE, HUGE, PATIENCE, Raw, RawListener, SMALL_BUFFER, WIRES, eventually, everywhere, spawn,
    wait_for,
};

#[test]
fn the_wrong_call_is_an_error_and_changes_nothing() {
    for anywhere in everywhere() {
        let context = Context::new();
        let rep = context.socket::<Rep>().unwrap();
        let req = context.socket::<Req>().unwrap();
        req.connect(rep.bind(anywhere).unwrap()).unwrap();

        assert!(matches!(req.recv(), Err(Error::WrongState(_))));
        assert!(matches!(req.try_recv(), Err(Error::WrongState(_))));
        let refused = rep.send("no request yet").unwrap_err();
        assert!(matches!(refused.error, Error::WrongState(_)));
        assert_eq!(refused.message, Message::from("no request yet"));

        req.send("request").unwrap();
        let refused = req.send(["one", "two"]).unwrap_err();
        assert!(matches!(refused.error, Error::WrongState(_)));
        assert_eq!(refused.message, Message::from(["one", "two"]));

        assert_eq!(rep.recv_timeout(PATIENCE).unwrap()[0], "request");
        assert!(matches!(rep.recv(), Err(Error::WrongState(_))));
        assert!(matches!(
            rep.recv_timeout(PATIENCE),
            Err(Error::WrongState(_))
        ));
        rep.send("reply").unwrap();
        let refused = rep.send("twice").unwrap_err();
        assert!(matches!(refused.error, Error::WrongState(_)));

        assert_eq!(req.recv_timeout(PATIENCE).unwrap()[0], "reply");
        assert!(matches!(req.recv(), Err(Error::WrongState(_))));
    }
}

#[test]
fn a_request_that_finds_nobody_comes_back_whole() {
    let context = Context::new();
    let req = context.socket::<Req>().unwrap();
    for refused in [
        req.try_send(["a", "b"]).unwrap_err(),
        req.send_timeout(["a", "b"], A_WHILE).unwrap_err(),
    ] {
        assert!(matches!(refused.error, Error::WouldBlock(_)));
        assert_eq!(refused.message, Message::from(["a", "b"]));
    }
    assert!(matches!(req.try_recv(), Err(Error::WrongState(_))));
}

#[test]
fn a_req_asks_its_peers_in_turn() {
    for anywhere in everywhere() {
        let context = Context::new();
        let req = context.socket::<Req>().unwrap();
        let reps: Vec<_> = (0..3)
            .map(|at| {
                let rep = context.socket::<Rep>().unwrap();
                let name = anywhere.replace("anywhere", &format!("turn-{at}"));
                req.connect(rep.bind(name.as_str()).unwrap()).unwrap();
                rep
            })
            .collect();
        for at in 0..9usize {
            req.send(at.to_string()).unwrap();
            let rep = &reps[at % 3];
            assert_eq!(
                rep.recv_timeout(PATIENCE).unwrap()[0],
                at.to_string().as_str()
            );
            rep.send(format!("reply {at}")).unwrap();
            let reply = req.recv_timeout(PATIENCE).unwrap();
            assert_eq!(reply[0], format!("reply {at}").as_str());
        }
    }
}

#[test]
fn only_the_one_who_was_asked_may_reply() {
    for wire in WIRES {
        let context = Context::new();
        let req = context.socket::<Req>().unwrap();
        let listeners = [RawListener::anywhere(wire), RawListener::anywhere(wire)];
        let mut raws = listeners.each_ref().map(|listener| {
            req.connect(listener.endpoint()).unwrap();
            listener.accept_as("REP")
        });
        req.send("question").unwrap();
        raws[1].send(&[b"", b"not asked"]);
        assert_eq!(raws[0].read_message(), [b"".to_vec(), b"question".to_vec()]);
        assert!(matches!(
            req.recv_timeout(A_WHILE),
            Err(Error::WouldBlock(_))
        ));
        raws[0].send(&[b"", b"asked"]);
        assert_eq!(req.recv_timeout(PATIENCE).unwrap()[0], "asked");
        // The second one's answer is none to the question that it gets now.
        req.send("second question").unwrap();
        raws[1].read_message();
        raws[1].send(&[b"", b"right"]);
        assert_eq!(req.recv_timeout(PATIENCE).unwrap()[0], "right");
        assert_eq!(req.stats().dropped.unexpected, 1);
    }
}

#[test]
fn what_is_no_reply_is_counted_and_waited_past() {
    for wire in WIRES {
        let context = Context::new();
        let req = context.socket::<Req>().unwrap();
        let endpoint = req.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "REP");
        req.send_timeout("question", PATIENCE).unwrap();
        assert_eq!(raw.read_message().len(), 2);
        raw.send(&[b"no delimiter"]);
        raw.send(&[b"still", b"none"]);
        raw.send(&[b""]);
        raw.send(&[b"", b"", b"reply"]);
        let reply = req.recv_timeout(PATIENCE).unwrap();
        assert_eq!(reply, Message::from(["", "reply"]));
        assert_eq!(req.stats().dropped.unexpected, 3);
    }
}

#[test]
fn what_is_no_request_is_counted_and_waited_past() {
    for wire in WIRES {
        let context = Context::new();
        let rep = context.socket::<Rep>().unwrap();
        let endpoint = rep.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "DEALER");
        raw.send(&[b"no delimiter"]);
        raw.send(&[b"still", b"none"]);
        raw.send(&[b""]);
        raw.send(&[b"only an envelope", b""]);
        raw.send(&[
            b"outer",
            b"inner",
            b"",
            b"request",
            b"",
            b"with an empty part",
        ]);
        let request = rep.recv_timeout(PATIENCE).unwrap();
        assert_eq!(
            request,
            Message::from(["request", "", "with an empty part"])
        );
        assert_eq!(rep.stats().dropped.unexpected, 4);
        rep.send(["reply", "of two"]).unwrap();
        let reply = raw.read_message();
        let expected: [&[u8]; 5] = [b"outer", b"inner", b"", b"reply", b"of two"];
        assert_eq!(reply, expected.map(<[u8]>::to_vec));
    }
}

#[test]
fn a_reply_to_somebody_who_is_gone_is_counted() {
    for wire in WIRES {
        let context = Context::new();
        let rep = context.socket::<Rep>().unwrap();
        let monitor = rep.monitor();
        let endpoint = rep.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "REQ");
        raw.send(&[b"", b"question"]);
        assert_eq!(rep.recv_timeout(PATIENCE).unwrap()[0], "question");
        drop(raw);
        wait_for(&monitor, "the loss", |event| {
            matches!(event, Event::Disconnected { .. })
        });
        // The pipe goes right after the event.
        rep.send("answer").unwrap();
        eventually("the loss is counted", || {
            let dropped = rep.stats().dropped;
            dropped.no_peer + dropped.peer_lost == 1
        });
        // It serves the next one.
        let mut raw = Raw::connect_as(&endpoint, "REQ");
        raw.send(&[b"", b"next"]);
        assert_eq!(rep.recv_timeout(PATIENCE).unwrap()[0], "next");
        rep.send("answer").unwrap();
        assert_eq!(raw.read_message(), [b"".to_vec(), b"answer".to_vec()]);
    }
}

#[test]
fn a_reply_to_somebody_who_is_gone_is_an_error_if_it_is_mandatory() {
    for wire in WIRES {
        let context = Context::new();
        let builder = context.build_socket::<Rep>().mandatory(true);
        let rep = builder.build().unwrap();
        let endpoint = rep.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "REQ");
        raw.send(&[b"", b"question"]);
        // The connection has ended, or the request was all that is left of it.
        raw.send(&[b"", b"another"]);
        drop(raw);
        for question in ["question", "another"] {
            assert_eq!(rep.recv_timeout(PATIENCE).unwrap()[0], *question);
            eventually("it is gone", || rep.stats().connections.open == 0);
            let refused = rep.send("answer").unwrap_err();
            assert!(matches!(refused.error, Error::Unroutable), "{refused}");
            assert_eq!(refused.message, Message::from("answer"));
        }
        assert_eq!(rep.stats().dropped.no_peer, 0);
        assert!(matches!(rep.try_recv(), Err(Error::WouldBlock(_))));
        // It serves the next one.
        let mut raw = Raw::connect_as(&endpoint, "REQ");
        raw.send(&[b"", b"next"]);
        assert_eq!(rep.recv_timeout(PATIENCE).unwrap()[0], "next");
        assert!(matches!(rep.try_recv(), Err(Error::WrongState(_))));
        rep.send("answer").unwrap();
        assert_eq!(raw.read_message(), [b"".to_vec(), b"answer".to_vec()]);
    }
}

#[test]
fn a_mandatory_reply_waits_for_room() {
    let context = Context::new();
    let builder = context.build_socket::<Rep>().mandatory(true);
    let rep = builder.send_hwm(1).build().unwrap();
    rep.bind("inproc://full").unwrap();
    let builder = context.build_socket::<Dealer>().recv_hwm(1);
    let dealer = builder.build().unwrap();
    dealer.connect("inproc://full").unwrap();
    for number in 0..3u8 {
        dealer.send([&b""[..], &[number]]).unwrap();
    }
    for _ in 0..2 {
        let request = rep.recv_timeout(PATIENCE).unwrap();
        rep.send(request).unwrap();
    }
    let request = rep.recv_timeout(PATIENCE).unwrap();
    let refused = rep.try_send(request).unwrap_err();
    assert!(matches!(refused.error, Error::WouldBlock(_)));
    assert_eq!(dealer.recv_timeout(PATIENCE).unwrap()[1], [0]);
    rep.send(refused.message).unwrap();
    for number in [1, 2] {
        assert_eq!(dealer.recv_timeout(PATIENCE).unwrap()[1], [number]);
    }
    assert_eq!(rep.stats().dropped.hwm, 0);
}

#[test]
fn a_rep_that_probes_is_heard_of_before_it_has_anything_to_say() {
    for endpoint in everywhere() {
        let context = Context::new();
        let rep = context.socket::<Rep>().unwrap();
        rep.set_probe_router(true).unwrap();
        let dealer = context.socket::<Dealer>().unwrap();
        let endpoint = dealer.bind(endpoint).unwrap();
        rep.connect(&endpoint).unwrap();
        let probe = dealer.recv_timeout(PATIENCE).unwrap();
        assert_eq!(probe, Message::from(""));
        dealer.send(["", "question"]).unwrap();
        let question = rep.recv_timeout(PATIENCE).unwrap();
        rep.send(question).unwrap();
        let answer = dealer.recv_timeout(PATIENCE).unwrap();
        assert_eq!(answer, Message::from(["", "question"]));
    }
}

#[test]
fn a_request_of_somebody_who_is_gone_is_still_served() {
    for wire in WIRES {
        let context = Context::new();
        let rep = context.socket::<Rep>().unwrap();
        let monitor = rep.monitor();
        let endpoint = rep.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "REQ");
        raw.send(&[b"", b"question"]);
        drop(raw);
        wait_for(&monitor, "the loss", |event| {
            matches!(event, Event::Disconnected { .. })
        });
        assert_eq!(rep.recv_timeout(PATIENCE).unwrap()[0], "question");
        rep.send("answer").unwrap();
        assert_eq!(rep.stats().dropped.no_peer, 1);
        assert!(matches!(rep.try_recv(), Err(Error::WouldBlock(_))));
        assert_eq!(rep.peers(), 0);
    }
}

#[test]
fn a_reply_to_somebody_who_does_not_read_never_blocks() {
    for wire in WIRES {
        let context = Context::new();
        let rep = context.build_socket::<Rep>().send_hwm(2).build().unwrap();
        rep.set_send_buffer(Some(SMALL_BUFFER)).unwrap();
        rep.set_linger(Some(Duration::ZERO)).unwrap();
        let endpoint = rep.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "DEALER");
        for _ in 0..5 {
            raw.send(&[b"", b"question"]);
            rep.recv_timeout(PATIENCE).unwrap();
            rep.send(vec![0; HUGE]).unwrap();
        }
        assert_eq!(rep.stats().dropped.hwm, 3);
        assert_eq!(raw.read_message()[1].len(), HUGE);
    }
}

#[test]
fn a_req_that_is_bound_hears_of_a_peer_that_is_lost() {
    for wire in WIRES {
        let context = Context::new();
        let req = context.socket::<Req>().unwrap();
        let endpoint = req.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "REP");
        req.send_timeout("question", PATIENCE).unwrap();
        raw.read_message();
        drop(raw);
        assert!(matches!(
            req.recv_timeout(PATIENCE),
            Err(Error::PeerLost(_))
        ));
        assert!(matches!(req.try_recv(), Err(Error::WrongState(_))));
        let mut raw = Raw::connect_as(&endpoint, "REP");
        req.send_timeout("again", PATIENCE).unwrap();
        assert_eq!(raw.read_message(), [b"".to_vec(), b"again".to_vec()]);
        raw.send(&[b"", b"answer"]);
        // A reply that came before its sender went counts.
        drop(raw);
        assert_eq!(req.recv_timeout(PATIENCE).unwrap()[0], "answer");
    }
}

#[test]
fn inproc_partners_that_close() {
    let context = Context::new();
    let rep = context.socket::<Rep>().unwrap();
    rep.bind("inproc://partner").unwrap();
    let req = context.socket::<Req>().unwrap();
    req.connect("inproc://partner").unwrap();
    req.send("question").unwrap();
    assert_eq!(rep.recv_timeout(PATIENCE).unwrap()[0], "question");
    let waiting = spawn(move || {
        let lost = req.recv();
        (req, lost)
    });
    rep.close();
    let (req, lost) = waiting.join();
    assert!(matches!(lost, Err(Error::PeerLost(_))));
    let rep = context.socket::<Rep>().unwrap();
    rep.bind("inproc://partner").unwrap();
    req.connect("inproc://partner").unwrap();
    req.send("again").unwrap();
    assert_eq!(rep.recv_timeout(PATIENCE).unwrap()[0], "again");
    req.close();
    rep.send("answer").unwrap();
    assert_eq!(rep.stats().dropped.no_peer, 1);
}

#[test]
fn a_disconnected_partner_is_lost() {
    for anywhere in everywhere() {
        let context = Context::new();
        let rep = context.socket::<Rep>().unwrap();
        let endpoint = rep.bind(anywhere).unwrap();
        let req = context.socket::<Req>().unwrap();
        req.connect(&endpoint).unwrap();
        req.send("question").unwrap();
        rep.recv_timeout(PATIENCE).unwrap();
        req.disconnect(&endpoint).unwrap();
        assert!(matches!(
            req.recv_timeout(PATIENCE),
            Err(Error::PeerLost(_))
        ));
        req.connect(&endpoint).unwrap();
        rep.send("too late").unwrap();
        req.send("again").unwrap();
        assert_eq!(rep.recv_timeout(PATIENCE).unwrap()[0], "again");
        rep.send("answer").unwrap();
        assert_eq!(req.recv_timeout(PATIENCE).unwrap()[0], "answer");
    }
}

#[test]
fn many_clients_get_their_own_replies() {
    for anywhere in everywhere() {
        let context = Context::new();
        let rep = context.socket::<Rep>().unwrap();
        let endpoint = rep.bind(anywhere).unwrap();
        let server = spawn(move || {
            while let Ok(request) = rep.recv() {
                if rep.send(request).is_err() {
                    return;
                }
            }
        });
        let clients: Vec<_> = (0..8u8)
            .map(|client| {
                let req = context.socket::<Req>().unwrap();
                req.connect(&endpoint).unwrap();
                spawn(move || {
                    for at in 0..200u16 {
                        let question = [vec![client], at.to_be_bytes().to_vec()];
                        req.send(question.clone()).unwrap();
                        let reply = req.recv_timeout(PATIENCE).unwrap();
                        assert_eq!(reply, Message::from(question));
                    }
                })
            })
            .collect();
        for client in clients {
            client.join();
        }
        context.shutdown();
        server.join();
    }
}

#[test]
fn a_socket_whose_type_is_chosen_at_run_time() {
    let context = Context::new();
    let sockets: Vec<Socket<Dynamic>> = [
        SocketType::Push,
        SocketType::Pull,
        SocketType::Req,
        SocketType::Rep,
    ]
    .into_iter()
    .map(|socket_type| {
        let socket = context.dynamic(socket_type).unwrap();
        assert_eq!(socket.socket_type(), socket_type);
        socket
    })
    .collect();
    let [push, pull, req, rep] = &sockets[..] else {
        unreachable!("four")
    };
    assert!(matches!(push.recv(), Err(Error::NotSupported)));
    let refused = pull.send("no").unwrap_err();
    assert!(matches!(refused.error, Error::NotSupported));
    assert_eq!(refused.message[0], "no");
    pull.bind("inproc://push").unwrap();
    push.connect("inproc://push").unwrap();
    rep.bind("inproc://req").unwrap();
    req.connect("inproc://req").unwrap();
    push.send("one way").unwrap();
    assert_eq!(pull.recv().unwrap()[0], "one way");
    req.send("there").unwrap();
    assert_eq!(rep.recv().unwrap()[0], "there");
    rep.send("and back").unwrap();
    assert_eq!(req.recv().unwrap()[0], "and back");
}

#[test]
fn inproc_peers_that_do_not_fit() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    pull.bind("inproc://odd").unwrap();
    for socket_type in [SocketType::Rep, SocketType::Req, SocketType::Pull] {
        let other = context.dynamic(socket_type).unwrap();
        let refused = other.connect("inproc://odd").unwrap_err();
        assert!(
            matches!(refused, Error::Incompatible { ours, peer } if ours == socket_type && peer == SocketType::Pull),
            "{refused}"
        );
        assert_eq!(other.peers(), 0);
    }
    // One that waits for the name is told, and waits for another.
    let req = context.socket::<Req>().unwrap();
    let monitor = req.monitor();
    req.connect("inproc://later").unwrap();
    req.send("who is there?").unwrap();
    pull.bind("inproc://later").unwrap();
    wait_for(&monitor, "that it does not fit", |event| {
        matches!(event, Event::HandshakeFailed { .. })
    });
    assert_eq!(req.stats().connections.protocol, 1);
    assert!(matches!(pull.try_recv(), Err(Error::WouldBlock(_))));
    pull.unbind("inproc://later").unwrap();
    let rep = context.socket::<Rep>().unwrap();
    rep.bind("inproc://later").unwrap();
    assert_eq!(rep.recv_timeout(PATIENCE).unwrap()[0], "who is there?");
    let push = context.socket::<Push>().unwrap();
    push.connect("inproc://odd").unwrap();
    push.send("fits").unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "fits");
}
