//! Our requester and responder, which libzmq does not have, with the plain sockets of both libraries: each reply finds
//! its request, whatever envelopes the other side makes of it.

use std::thread;
use std::time::Duration;

use zinterop::{Flag, Options, PATIENCE, Pattern, Side, Transport, Trial, four_ways};
use zsocket::{Context, Error, Message, Requester, Responder};

const COUNT: u64 = 100;

/// The part that is always ours is the first, so its other player has nothing to do.
fn with_both(scenario: impl Fn(&Trial) + Send + Sync + 'static) {
    four_ways(&Transport::WIRED, move |trial| {
        if trial.pairing().first == Side::Ours {
            scenario(trial);
        }
    });
}

/// A requester that is connected there.
fn requester(endpoint: &str) -> Requester {
    let requester = Requester::new(&Context::new()).unwrap();
    requester.connect(endpoint).unwrap();
    requester
}

/// Runs a responder that echoes while the clients do what they do.
fn with_responder(trial: &Trial, clients: impl FnOnce(&str)) {
    let context = Context::new();
    let responder = Responder::new(&context).unwrap();
    let endpoint = responder.bind(trial.endpoint().as_str()).unwrap();
    let server = thread::spawn(move || {
        responder.serve(|request| request);
        responder.stats()
    });
    clients(&endpoint.to_string());
    context.shutdown();
    let stats = server.join().unwrap();
    assert_eq!((stats.malformed, stats.abandoned, stats.panics), (0, 0, 0));
}

#[test]
fn a_rep_answers_requests_that_are_all_in_flight() {
    with_both(|trial| {
        let rep = trial.second(Pattern::Rep);
        let requester = requester(&rep.bind(&trial.endpoint()));
        thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..COUNT {
                    let request = rep.recv();
                    rep.send(request);
                }
            });
            let tickets: Vec<_> = (0..COUNT)
                .map(|at| {
                    // Empty frames of the body are not the delimiter.
                    let body = ["".to_owned(), at.to_string(), "".to_owned()];
                    (requester.send(body.clone(), PATIENCE).unwrap(), body)
                })
                .collect();
            for (ticket, body) in tickets.into_iter().rev() {
                assert_eq!(requester.wait(ticket).unwrap(), Message::from(body));
            }
        });
        assert_eq!(requester.stats().answered, COUNT);
        assert_eq!(requester.stats().malformed, 0);
    });
}

#[test]
fn a_router_that_keeps_envelopes_answers_in_any_order() {
    with_both(|trial| {
        let router = trial.second(Pattern::Router);
        let requester = requester(&router.bind(&trial.endpoint()));
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut requests: Vec<_> = (0..COUNT).map(|_| router.recv()).collect();
                // The routing id, the number of the request, the delimiter, the body.
                assert!(requests.iter().all(|request| request.0.len() == 4));
                requests.reverse();
                for request in requests {
                    router.send(request);
                }
            });
            let tickets: Vec<_> = (0..COUNT)
                .map(|at| requester.send(at.to_be_bytes(), PATIENCE).unwrap())
                .collect();
            for (at, ticket) in tickets.into_iter().enumerate() {
                let reply = requester.wait(ticket).unwrap();
                assert_eq!(reply[0], (at as u64).to_be_bytes());
            }
        });
    });
}

#[test]
fn a_request_is_sent_again_to_a_rep_that_comes_back() {
    with_both(|trial| {
        let endpoint = trial.fixed_endpoint();
        let rep = trial.second(Pattern::Rep);
        rep.bind(&endpoint);
        let requester = Requester::builder()
            .retries(u32::MAX, Duration::from_millis(50))
            .build(&Context::new())
            .unwrap();
        requester.connect(endpoint.as_str()).unwrap();
        let ticket = requester.send("important", PATIENCE).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(rep.recv(), "important");
                rep.close();
                let rep = trial.second(Pattern::Rep);
                rep.bind_when_free(&endpoint);
                assert_eq!(rep.recv(), "important");
                rep.send("done");
            });
            assert_eq!(requester.wait(ticket).unwrap()[0], "done");
        });
    });
}

#[test]
fn a_late_reply_is_not_taken_for_another() {
    with_both(|trial| {
        let router = trial.second(Pattern::Router);
        let requester = requester(&router.bind(&trial.endpoint()));
        thread::scope(|scope| {
            scope.spawn(move || {
                let first = router.recv();
                let second = router.recv();
                router.send(first);
                router.send(second);
            });
            // Until there is a connection it is not even sent.
            loop {
                match requester.request("first", Duration::from_millis(50)) {
                    Err(Error::NoReply { attempts: 0 }) => {}
                    Err(Error::NoReply { .. }) => break,
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(requester.request("second", PATIENCE).unwrap()[0], "second");
        });
        assert!(requester.stats().late > 0);
    });
}

#[test]
fn req_sockets_are_served_with_and_without_their_numbers() {
    with_both(|trial| {
        with_responder(trial, |endpoint| {
            thread::scope(|scope| {
                let plain = Options::new();
                let numbered = Options::new().with(Flag::Correlate).with(Flag::Relaxed);
                for options in [&plain, &numbered, &plain, &numbered] {
                    let req = trial.second_with(Pattern::Req, options);
                    req.connect(endpoint);
                    scope.spawn(move || {
                        for at in 0..COUNT {
                            let body = at.to_string();
                            req.send(["", body.as_str(), ""]);
                            assert_eq!(req.recv(), ["", body.as_str(), ""]);
                        }
                    });
                }
            });
        });
    });
}

#[test]
fn a_dealer_gets_its_whole_envelope_back() {
    with_both(|trial| {
        with_responder(trial, |endpoint| {
            let dealer = trial.second(Pattern::Dealer);
            dealer.connect(endpoint);
            for at in 0..COUNT {
                let number = at.to_string();
                dealer.send([number.as_str(), "more", "", "body", "", "x"]);
            }
            for at in 0..COUNT {
                let number = at.to_string();
                assert_eq!(
                    dealer.recv(),
                    [number.as_str(), "more", "", "body", "", "x"]
                );
            }
            dealer.send(["", "short"]);
            assert_eq!(dealer.recv(), ["", "short"]);
        });
    });
}

#[test]
fn a_broker_between_the_two_changes_nothing() {
    with_both(|trial| {
        with_responder(trial, |endpoint| {
            let [front, back] = [Pattern::Router, Pattern::Dealer].map(|part| trial.second(part));
            back.connect(endpoint);
            let requester = requester(&front.bind(&trial.endpoint()));
            thread::scope(|scope| {
                scope.spawn(move || {
                    for _ in 0..COUNT {
                        back.send(front.recv());
                    }
                    for _ in 0..COUNT {
                        front.send(back.recv());
                    }
                });
                let tickets: Vec<_> = (0..COUNT)
                    .map(|at| requester.send(at.to_be_bytes(), PATIENCE).unwrap())
                    .collect();
                for (at, ticket) in tickets.into_iter().enumerate() {
                    let reply = requester.wait(ticket).unwrap();
                    assert_eq!(reply[0], (at as u64).to_be_bytes());
                }
            });
        });
    });
}
