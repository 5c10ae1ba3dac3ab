//! ROUTER: to the peer that the first frame names.

use std::time::Duration;

use zinterop::{
    AnySocket, Failure, Flag, Frames, Options, Pattern, Transport, Trial, eventually, four_ways,
};

const SOON: Duration = Duration::from_millis(10);

/// A bound ROUTER (second part), and where.
fn router(trial: &Trial) -> (AnySocket, String) {
    let router = trial.second(Pattern::Router);
    let endpoint = router.bind(&trial.endpoint());
    (router, endpoint)
}

/// A peer (first part) that calls itself something.
fn peer(trial: &Trial, pattern: Pattern, name: &str, endpoint: &str) -> AnySocket {
    let peer = trial.first_with(pattern, &Options::new().routing_id(name.as_bytes()));
    peer.connect(endpoint);
    peer
}

#[test]
fn each_peer_is_answered_by_its_name_in_any_order() {
    four_ways(&Transport::ALL, |trial| {
        let (router, endpoint) = router(trial);
        let names = ["anna", "bert", "carl"];
        let dealers = names.map(|name| {
            let dealer = peer(trial, Pattern::Dealer, name, &endpoint);
            dealer.send([name, "is here"]);
            dealer
        });
        let mut came = [(); 3].map(|()| router.recv());
        came.sort_unstable_by_key(|message| message != &Frames::from(["anna", "anna", "is here"]));
        assert_eq!(came[0], ["anna", "anna", "is here"]);
        for number in 0..30 {
            let name = names[2 - number % 3];
            router.send([name, "number", &number.to_string()]);
        }
        for (at, dealer) in dealers.iter().enumerate() {
            for round in 0..10 {
                let number = (round * 3 + 2 - at).to_string();
                assert_eq!(dealer.recv(), ["number", number.as_str()]);
            }
        }
    });
}

#[test]
fn a_request_comes_with_the_envelope_of_its_reply() {
    four_ways(&Transport::ALL, |trial| {
        let (router, endpoint) = router(trial);
        let req = peer(trial, Pattern::Req, "client", &endpoint);
        for number in 0..20 {
            let body = number.to_string();
            req.send(body.as_str());
            assert_eq!(router.recv(), ["client", "", body.as_str()]);
            router.send(["client", "", &body, "answered"]);
            assert_eq!(req.recv(), [body.as_str(), "answered"]);
        }
    });
}

#[test]
fn a_broker_of_two_queues() {
    four_ways(&Transport::WIRED, |trial| {
        let frontend = trial.first(Pattern::Router);
        let backend = trial.first(Pattern::Dealer);
        let req = trial.second(Pattern::Req);
        let rep = trial.second(Pattern::Rep);
        req.connect(&frontend.bind(&trial.endpoint()));
        rep.connect(&backend.bind(&trial.endpoint()));
        for number in 0..20 {
            req.send(Frames::numbered(number, 50));
            backend.send(frontend.recv());
            assert_eq!(rep.recv().number(), number);
            rep.send(Frames::numbered(number + 100, 50));
            frontend.send(backend.recv());
            assert_eq!(req.recv().number(), number + 100);
        }
    });
}

#[test]
fn what_is_for_nobody_is_dropped() {
    four_ways(&Transport::ALL, |trial| {
        let (router, endpoint) = router(trial);
        router.send(["nobody", "hears this"]);
        let dealer = peer(trial, Pattern::Dealer, "somebody", &endpoint);
        dealer.send("hello");
        assert_eq!(router.recv(), ["somebody", "hello"]);
        router.send(["nobody", "hears this either"]);
        router.send(["somebody", "hears this"]);
        assert_eq!(dealer.recv(), "hears this");
        assert_eq!(dealer.try_recv(), Err(Failure::WouldBlock));
    });
}

#[test]
fn what_is_for_a_full_peer_is_dropped() {
    four_ways(&[Transport::Inproc], |trial| {
        let router = trial.second_with(Pattern::Router, &Options::new().send_hwm(2));
        let endpoint = router.bind(&trial.endpoint());
        let options = Options::new().routing_id(b"slow").recv_hwm(3);
        let dealer = trial.first_with(Pattern::Dealer, &options);
        dealer.connect(&endpoint);
        dealer.send("hello");
        assert_eq!(router.recv(), ["slow", "hello"]);
        for number in 0..20 {
            router.send(["slow", &number.to_string()]);
        }
        for number in 0..5 {
            assert_eq!(dealer.recv(), number.to_string().as_str());
        }
        assert_eq!(dealer.try_recv(), Err(Failure::WouldBlock));
    });
}

#[test]
fn a_peer_without_a_name_gets_one() {
    four_ways(&Transport::ALL, |trial| {
        let (router, endpoint) = router(trial);
        let dealers = [(); 2].map(|()| {
            let dealer = trial.first(Pattern::Dealer);
            dealer.connect(&endpoint);
            dealer.send("who am I?");
            dealer
        });
        let names = [(); 2].map(|()| {
            let name = router.recv().0.swap_remove(0);
            assert_eq!((name.len(), name[0]), (5, 0));
            name
        });
        assert_ne!(names[0], names[1]);
        for name in &names {
            router.send(Frames::from(vec![name.clone(), b"you".to_vec()]));
        }
        for dealer in &dealers {
            assert_eq!(dealer.recv(), "you");
        }
    });
}

#[test]
fn two_routers_that_know_each_other() {
    four_ways(&Transport::ALL, |trial| {
        let bound = trial.second_with(Pattern::Router, &Options::new().routing_id(b"bound"));
        let endpoint = bound.bind(&trial.endpoint());
        let connected = peer(trial, Pattern::Router, "connected", &endpoint);
        // Until it knows the name it drops what is for that.
        eventually("the name is known", || {
            connected.send(["bound", "hello"]);
            bound.recv_for(SOON) == Ok(Frames::from(["connected", "hello"]))
        });
        bound.send(["connected", "welcome"]);
        assert_eq!(connected.recv(), ["bound", "welcome"]);
    });
}

#[test]
fn a_router_may_connect_before_anybody_binds() {
    four_ways(&Transport::ALL, |trial| {
        let endpoint = trial.fixed_endpoint();
        let options = Options::new().reconnect_interval(Some(SOON));
        let router = trial.first_with(Pattern::Router, &options);
        router.connect(&endpoint);
        let dealer = trial.second_with(Pattern::Dealer, &Options::new().routing_id(b"late"));
        dealer.bind(&endpoint);
        dealer.send("here");
        assert_eq!(router.recv(), ["late", "here"]);
        router.send(["late", "better than never"]);
        assert_eq!(dealer.recv(), "better than never");
    });
}

#[test]
fn mandatory_refuses_what_is_for_nobody() {
    four_ways(&Transport::ALL, |trial| {
        let router = trial.second_with(Pattern::Router, &Options::new().with(Flag::Mandatory));
        let endpoint = router.bind(&trial.endpoint());
        assert_eq!(router.try_send(["nobody", "x"]), Err(Failure::Unroutable));
        let dealer = peer(trial, Pattern::Dealer, "somebody", &endpoint);
        dealer.send("hello");
        assert_eq!(router.recv(), ["somebody", "hello"]);
        router.send(["somebody", "welcome"]);
        assert_eq!(dealer.recv(), "welcome");
        assert_eq!(router.try_send(["nobody", "x"]), Err(Failure::Unroutable));
    });
}

#[test]
fn mandatory_waits_for_whoever_is_full() {
    four_ways(&[Transport::Inproc], |trial| {
        let options = Options::new().with(Flag::Mandatory).send_hwm(2);
        let router = trial.second_with(Pattern::Router, &options);
        let endpoint = router.bind(&trial.endpoint());
        let options = Options::new().routing_id(b"slow").recv_hwm(3);
        let dealer = trial.first_with(Pattern::Dealer, &options);
        dealer.connect(&endpoint);
        dealer.send("hello");
        assert_eq!(router.recv(), ["slow", "hello"]);
        let mut sent = 0;
        while router.try_send(["slow", &sent.to_string()]).is_ok() {
            sent += 1;
        }
        assert_eq!(sent, 5);
        assert_eq!(router.try_send(["slow", "x"]), Err(Failure::WouldBlock));
        for number in 0..sent {
            assert_eq!(dealer.recv(), number.to_string().as_str());
        }
        router.send(["slow", "has room again"]);
        assert_eq!(dealer.recv(), "has room again");
    });
}

#[test]
fn the_last_to_come_takes_a_name_over() {
    four_ways(&Transport::WIRED, |trial| {
        let router = trial.second_with(Pattern::Router, &Options::new().with(Flag::Handover));
        let endpoint = router.bind(&trial.endpoint());
        let once = Options::new().routing_id(b"name").reconnect_interval(None);
        let old = trial.first_with(Pattern::Dealer, &once);
        old.connect(&endpoint);
        old.send("old");
        assert_eq!(router.recv(), ["name", "old"]);
        let new = peer(trial, Pattern::Dealer, "name", &endpoint);
        new.send("new");
        assert_eq!(router.recv(), ["name", "new"]);
        router.send(["name", "to the new one"]);
        assert_eq!(new.recv(), "to the new one");
        assert_eq!(old.try_recv(), Err(Failure::WouldBlock));
    });
}

#[test]
fn a_probe_tells_a_router_who_is_there() {
    for pattern in [Pattern::Dealer, Pattern::Router] {
        four_ways(&Transport::ALL, move |trial| {
            let (router, endpoint) = router(trial);
            let options = Options::new().routing_id(b"prober").with(Flag::ProbeRouter);
            let prober = trial.first_with(pattern, &options);
            prober.connect(&endpoint);
            assert_eq!(router.recv(), ["prober", ""]);
            router.send(["prober", "found"]);
            let found = prober.recv();
            assert_eq!(found.0.last().unwrap(), b"found");
        });
    }
}

#[test]
fn connections_that_come_and_go_are_told_of() {
    four_ways(&Transport::WIRED, |trial| {
        let options = Options::new().with(Flag::RouterNotify);
        let router = trial.second_with(Pattern::Router, &options);
        let endpoint = router.bind(&trial.endpoint());
        for name in ["anna", "bert"] {
            let dealer = peer(trial, Pattern::Dealer, name, &endpoint);
            dealer.send([name, "is here"]);
            assert_eq!(router.recv(), [name, ""]);
            assert_eq!(router.recv(), [name, name, "is here"]);
            router.send([name, "welcome"]);
            assert_eq!(dealer.recv(), "welcome");
            dealer.close();
            assert_eq!(router.recv(), [name, ""]);
        }
    });
}

#[test]
fn a_raw_router_talks_to_a_stream() {
    four_ways(&[Transport::Tcp], |trial| {
        let router = trial.second_with(Pattern::Router, &Options::new().with(Flag::RouterRaw));
        let endpoint = router.bind(&trial.endpoint());
        let once = Options::new().reconnect_interval(None);
        let stream = trial.first_with(Pattern::Stream, &once);
        stream.connect(&endpoint);
        let to_router = stream.recv().0.swap_remove(0);
        let came = router.recv();
        let to_stream = came.0[0].clone();
        assert_eq!((to_stream.len(), came.0[1].len()), (5, 0));
        let message = |to: &Vec<u8>, bytes: &[u8]| Frames::from(vec![to.clone(), bytes.to_vec()]);
        stream.send(message(&to_router, b"hello"));
        assert_eq!(router.recv(), message(&to_stream, b"hello"));
        router.send(message(&to_stream, b"goodbye"));
        router.send(message(&to_stream, b""));
        // libzmq closes at a later call.
        assert_eq!(router.recv_for(SOON), Err(Failure::WouldBlock));
        assert_eq!(stream.recv(), message(&to_router, b"goodbye"));
        assert_eq!(stream.recv(), message(&to_router, b""));
    });
}
