//! What libzmq's own tests ask for and the other scenarios do not show. `docs/CONFORMANCE.md` says where the rest of it is.

use std::collections::HashSet;
use std::time::Duration;

use zinterop::{Failure, Flag, Frames, Options, Pattern, Transport, eventually, four_ways};

const SOON: Duration = Duration::from_millis(10);

/// A wait that is meant to end without result.
const SHORT: Duration = Duration::from_millis(100);

/// For a REQ that may go on before its reply has come.
fn relaxed() -> Options {
    Options::new().with(Flag::Relaxed).with(Flag::Correlate)
}

#[test]
fn whoever_has_something_queued_is_received_from_in_turn() {
    const PEERS: u64 = 3;
    const ROUNDS: u64 = 10;
    for pattern in [Pattern::Dealer, Pattern::Router, Pattern::Rep] {
        // Over inproc all is queued before the first read, so the turns can be told exactly.
        four_ways(&[Transport::Inproc], move |trial| {
            let receiver = trial.second(pattern);
            let endpoint = receiver.bind(&trial.endpoint());
            let dealers: Vec<_> = (0..PEERS).map(|_| trial.first(Pattern::Dealer)).collect();
            for (peer, dealer) in (0_u64..).zip(&dealers) {
                dealer.connect(&endpoint);
                for round in 0..ROUNDS {
                    // With the envelope that a REP asks for.
                    let number = (peer * ROUNDS + round).to_string();
                    dealer.send(["", number.as_str()]);
                }
            }
            for round in 0..ROUNDS {
                let mut turn = HashSet::new();
                for _ in 0..PEERS {
                    let request = receiver.recv();
                    let body = request.0.last().expect("no message is without frames");
                    let number = std::str::from_utf8(body).expect("a number");
                    turn.insert(number.parse::<u64>().expect("a number"));
                    if pattern == Pattern::Rep {
                        receiver.send("served");
                    }
                }
                let expected = (0..PEERS).map(|peer| peer * ROUNDS + round).collect();
                assert_eq!(turn, expected, "{pattern:?}, round {round}");
            }
        });
    }
}

#[test]
fn a_relay_passes_subscriptions_up_and_messages_down() {
    // The relay is the first part, the two at its ends are the second.
    four_ways(&Transport::ALL, |trial| {
        let publisher = trial.second(Pattern::XPub);
        let upstream = trial.first(Pattern::XSub);
        upstream.connect(&publisher.bind(&trial.endpoint()));
        let downstream = trial.first(Pattern::XPub);
        let endpoint = downstream.bind(&trial.endpoint());
        let subscriber = trial.second(Pattern::Sub);
        subscriber.subscribe("a");
        subscriber.connect(&endpoint);

        upstream.send(downstream.recv());
        assert_eq!(publisher.recv(), "\u{1}a");
        publisher.send(["b", "not wanted"]);
        publisher.send(["a", "", "wanted"]);
        downstream.send(upstream.recv());
        assert_eq!(subscriber.recv(), ["a", "", "wanted"]);

        subscriber.unsubscribe("a");
        upstream.send(downstream.recv());
        assert_eq!(publisher.recv(), "\0a");
    });
}

#[test]
fn a_relaxed_client_that_goes_on_keeps_the_turns_of_its_servers() {
    four_ways(&Transport::ALL, |trial| {
        let req = trial.first_with(Pattern::Req, &relaxed());
        let servers = [(); 2].map(|()| {
            let rep = trial.second(Pattern::Rep);
            req.connect(&rep.bind(&trial.endpoint()));
            rep
        });
        for round in 0..5 {
            let [given_up, answered] = [2 * round, 2 * round + 1];
            for number in [given_up, answered] {
                req.send(Frames::numbered(number, 20));
            }
            assert_eq!(servers[0].recv().number(), given_up);
            assert_eq!(servers[1].recv().number(), answered);
            // This one waits at the client when that asks the same server the next time.
            servers[0].send("too late");
            servers[1].send(Frames::numbered(answered, 20));
            assert_eq!(req.recv().number(), answered);
        }
    });
}

#[test]
fn of_requests_that_wait_for_a_server_the_last_is_answered() {
    const COUNT: u64 = 3;
    four_ways(&Transport::ALL, |trial| {
        let endpoint = trial.fixed_endpoint();
        let options = relaxed().reconnect_interval(Some(SOON));
        let req = trial.first_with(Pattern::Req, &options);
        req.connect(&endpoint);
        for number in 0..COUNT {
            req.send(Frames::numbered(number, 20));
        }
        let rep = trial.second(Pattern::Rep);
        rep.bind(&endpoint);
        for number in 0..COUNT {
            let request = rep.recv();
            assert_eq!(request.number(), number);
            rep.send(request);
        }
        assert_eq!(req.recv().number(), COUNT - 1);
        assert_eq!(req.try_recv(), Err(Failure::WrongState));
    });
}

#[test]
fn a_reply_without_its_envelope_is_waited_past() {
    // On a wire libzmq's REQ hangs up on whoever sends one.
    four_ways(&[Transport::Inproc], |trial| {
        let router = trial.second(Pattern::Router);
        let req = trial.first_with(Pattern::Req, &Options::new().routing_id(b"client"));
        req.connect(&router.bind(&trial.endpoint()));
        req.send("question");
        assert_eq!(router.recv(), ["client", "", "question"]);
        router.send(["client", "no envelope"]);
        router.send(["client", "still", "none"]);
        assert_eq!(req.recv_for(SHORT), Err(Failure::WouldBlock));
        router.send(["client", "", "answer"]);
        assert_eq!(req.recv(), "answer");
    });
}

#[test]
fn without_handover_a_name_stays_with_whoever_has_it() {
    four_ways(&Transport::WIRED, |trial| {
        let router = trial.second(Pattern::Router);
        let endpoint = router.bind(&trial.endpoint());
        let options = Options::new()
            .routing_id(b"name")
            .linger(Some(Duration::ZERO))
            .reconnect_interval(Some(SOON));
        let first = trial.first_with(Pattern::Dealer, &options);
        first.connect(&endpoint);
        first.send("first");
        assert_eq!(router.recv(), ["name", "first"]);

        // libzmq leaves it connected and does not listen, we send it away each time it comes.
        let second = trial.first_with(Pattern::Dealer, &options);
        second.connect(&endpoint);
        second.send("second");
        assert_eq!(router.recv_for(SHORT), Err(Failure::WouldBlock));
        router.send(["name", "to the first"]);
        assert_eq!(first.recv(), "to the first");
        assert_eq!(second.try_recv(), Err(Failure::WouldBlock));
        first.send("still here");
        assert_eq!(router.recv(), ["name", "still here"]);
    });
}

#[test]
fn a_manual_xpub_grants_each_of_many_requests_in_a_row() {
    four_ways(&Transport::ALL, |trial| {
        let publisher = trial.first_with(Pattern::XPub, &Options::new().with(Flag::Manual));
        let endpoint = publisher.bind(&trial.endpoint());
        let subscriber = trial.second(Pattern::XSub);
        subscriber.connect(&endpoint);
        let topics = ["A", "B", "C"];
        for topic in topics {
            subscriber.send(format!("\u{1}{topic}").as_str());
        }
        for topic in topics {
            assert_eq!(publisher.recv(), format!("\u{1}{topic}").as_str());
            publisher.subscribe(&format!("X{topic}"));
        }
        for topic in topics {
            publisher.send(topic);
            publisher.send(format!("X{topic}").as_str());
        }
        for topic in topics {
            assert_eq!(subscriber.recv(), format!("X{topic}").as_str());
        }
        // What is no request passes as it is.
        subscriber.send("hello");
        assert_eq!(publisher.recv(), "hello");
        subscriber.send(["\u{2}hello", "", "again"]);
        assert_eq!(publisher.recv(), ["\u{2}hello", "", "again"]);
    });
}

#[test]
fn a_subscriber_that_disconnects_is_unsubscribed() {
    four_ways(&Transport::ALL, |trial| {
        let publisher = trial.first(Pattern::XPub);
        let endpoint = publisher.bind(&trial.endpoint());
        let subscriber = trial.second(Pattern::Sub);
        subscriber.subscribe("a");
        subscriber.connect(&endpoint);
        assert_eq!(publisher.recv(), "\u{1}a");
        publisher.send("a1");
        assert_eq!(subscriber.recv(), "a1");

        subscriber.disconnect(&endpoint);
        // libzmq's subscriber takes its part in the end when the application looks.
        let mut heard = None;
        eventually("the publisher hears of the end", || {
            assert_eq!(subscriber.try_recv(), Err(Failure::WouldBlock));
            heard = publisher.recv_for(SOON).ok();
            heard.is_some()
        });
        assert_eq!(heard, Some(Frames::from("\0a")));
        publisher.send("a2");
        assert_eq!(subscriber.recv_for(SHORT), Err(Failure::WouldBlock));

        subscriber.connect(&endpoint);
        assert_eq!(publisher.recv(), "\u{1}a");
        publisher.send("a3");
        assert_eq!(subscriber.recv(), "a3");
    });
}

#[test]
fn a_publisher_drops_what_a_full_subscriber_has_no_room_for() {
    four_ways(&[Transport::Inproc], |trial| {
        let publisher = trial.first_with(Pattern::XPub, &Options::new().send_hwm(4));
        let endpoint = publisher.bind(&trial.endpoint());
        let subscriber = trial.second_with(Pattern::Sub, &Options::new().recv_hwm(6));
        subscriber.subscribe("");
        subscriber.connect(&endpoint);
        assert_eq!(publisher.recv(), "\u{1}");
        for number in 0..30 {
            publisher.send(Frames::numbered(number, 20));
        }
        for number in 0..4 + 6 {
            assert_eq!(subscriber.recv().number(), number);
        }
        assert_eq!(subscriber.try_recv(), Err(Failure::WouldBlock));

        // There is room again, which libzmq's publisher notices at one of its next calls.
        let mut number = 100;
        eventually("the subscriber is served again", || {
            publisher.send(Frames::numbered(number, 20));
            number += 1;
            match subscriber.try_recv() {
                Ok(message) => {
                    assert!(message.number() >= 100, "what was dropped is gone");
                    true
                }
                Err(failure) => {
                    assert_eq!(failure, Failure::WouldBlock);
                    false
                }
            }
        });
    });
}

#[test]
fn an_endpoint_where_nobody_is_has_its_turns_but_with_immediate() {
    for immediate in [false, true] {
        four_ways(&Transport::WIRED, move |trial| {
            let options = Options::new()
                .immediate(immediate)
                .reconnect_interval(Some(SOON))
                .linger(Some(Duration::ZERO));
            let push = trial.first_with(Pattern::Push, &options);
            let pull = trial.second(Pattern::Pull);
            push.connect(&trial.fixed_endpoint());
            push.connect(&pull.bind(&trial.endpoint()));
            for number in 0..10 {
                push.send(Frames::numbered(number, 20));
            }
            for number in 0..10 {
                if immediate || number % 2 == 1 {
                    assert_eq!(pull.recv().number(), number);
                }
            }
            assert_eq!(pull.recv_for(SHORT), Err(Failure::WouldBlock));
        });
    }
}

#[test]
fn one_that_does_not_reconnect_is_back_when_it_connects_again() {
    four_ways(&Transport::WIRED, |trial| {
        let push = trial.second(Pattern::Push);
        let endpoint = push.bind(&trial.endpoint());
        let options = Options::new().reconnect_interval(None);
        let pull = trial.first_with(Pattern::Pull, &options);
        pull.connect(&endpoint);
        push.send("one");
        assert_eq!(pull.recv(), "one");
        push.close();

        let push = trial.second(Pattern::Push);
        push.bind_when_free(&endpoint);
        assert_eq!(pull.recv_for(SHORT), Err(Failure::WouldBlock));
        assert_eq!(push.try_send("nobody is there"), Err(Failure::WouldBlock));
        // Again and again, since libzmq takes a connection back that was made before it has noticed the loss of the last.
        eventually("it is back", || {
            pull.connect(&endpoint);
            push.send_for("two", SHORT).is_ok() && pull.recv_for(SHORT) == Ok("two".into())
        });
    });
}

#[test]
fn two_clients_share_a_source_port_towards_different_servers() {
    four_ways(&[Transport::Tcp], |trial| {
        let address = |endpoint: &str| endpoint.replacen("tcp://", "", 1);
        let source = address(&trial.fixed_endpoint());
        let pairs = [(); 2].map(|()| {
            let rep = trial.second(Pattern::Rep);
            let target = address(&rep.bind(&trial.endpoint()));
            let req = trial.first(Pattern::Req);
            req.connect(&format!("tcp://{source};{target}"));
            (req, rep)
        });
        for (number, (req, rep)) in (0..).zip(&pairs) {
            req.send(Frames::numbered(number, 20));
            let request = rep.recv();
            assert_eq!(request.number(), number);
            rep.send(request);
            assert_eq!(req.recv().number(), number);
        }
    });
}
