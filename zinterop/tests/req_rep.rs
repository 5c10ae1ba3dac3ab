//! REQ and REP: each reply finds its request, and neither side gets out of step.

use std::thread;
use std::time::Duration;

use zinterop::sys::{opt, socket_type};
use zinterop::zmq::{self, PollItem};
use zinterop::{
    AnySocket, Failure, Flag, Frames, Options, PATIENCE, Pattern, Transport, Trial, eventually,
    four_ways,
};

const SOON: Duration = Duration::from_millis(10);
const SHORT: Duration = Duration::from_millis(100);

/// A client (first part) connected to a bound server (second part).
fn pair(trial: &Trial) -> (AnySocket, AnySocket) {
    let rep = trial.second(Pattern::Rep);
    let req = trial.first(Pattern::Req);
    req.connect(&rep.bind(&trial.endpoint()));
    (req, rep)
}

#[test]
fn requests_and_replies_alternate() {
    four_ways(&Transport::ALL, |trial| {
        let (req, rep) = pair(trial);
        for number in 0..500 {
            req.send(Frames::numbered(number, 30));
            assert_eq!(rep.recv().number(), number);
            rep.send(Frames::numbered(number + 1000, 300));
            assert_eq!(req.recv().number(), number + 1000);
        }
    });
}

#[test]
fn the_server_may_connect_to_the_client() {
    four_ways(&Transport::ALL, |trial| {
        let req = trial.first(Pattern::Req);
        let rep = trial.second(Pattern::Rep);
        rep.connect(&req.bind(&trial.endpoint()));
        req.send("question");
        assert_eq!(rep.recv(), "question");
        rep.send("answer");
        assert_eq!(req.recv(), "answer");
    });
}

#[test]
fn a_client_may_connect_before_anybody_binds() {
    four_ways(&Transport::ALL, |trial| {
        let endpoint = trial.fixed_endpoint();
        let req = trial.first_with(Pattern::Req, &Options::new().reconnect_interval(Some(SOON)));
        req.connect(&endpoint);
        req.send("early");
        let rep = trial.second(Pattern::Rep);
        rep.bind(&endpoint);
        assert_eq!(rep.recv(), "early");
        rep.send("in time");
        assert_eq!(req.recv(), "in time");
    });
}

#[test]
fn a_call_out_of_turn_is_refused_and_changes_nothing() {
    four_ways(&Transport::ALL, |trial| {
        let (req, rep) = pair(trial);
        assert_eq!(req.try_recv(), Err(Failure::WrongState));
        assert_eq!(rep.try_send("unasked"), Err(Failure::WrongState));
        for _ in 0..3 {
            req.send("question");
            assert_eq!(req.try_send("again"), Err(Failure::WrongState));
            assert_eq!(req.send_for("again", SOON), Err(Failure::WrongState));
            assert_eq!(rep.recv(), "question");
            assert_eq!(rep.try_recv(), Err(Failure::WrongState));
            assert_eq!(rep.recv_for(SOON), Err(Failure::WrongState));
            rep.send("answer");
            assert_eq!(rep.try_send("again"), Err(Failure::WrongState));
            assert_eq!(req.recv(), "answer");
            assert_eq!(req.try_recv(), Err(Failure::WrongState));
        }
        assert_eq!(rep.try_recv(), Err(Failure::WouldBlock));
    });
}

#[test]
fn waiting_in_vain_does_not_change_the_state() {
    four_ways(&Transport::ALL, |trial| {
        let (req, rep) = pair(trial);
        assert_eq!(rep.recv_for(SOON), Err(Failure::WouldBlock));
        req.send("question");
        assert_eq!(req.recv_for(SOON), Err(Failure::WouldBlock));
        assert_eq!(req.try_recv(), Err(Failure::WouldBlock));
        assert_eq!(rep.recv(), "question");
        rep.send("answer");
        assert_eq!(req.recv(), "answer");
    });
}

#[test]
fn messages_of_many_frames_go_both_ways() {
    four_ways(&Transport::ALL, |trial| {
        let (req, rep) = pair(trial);
        // Empty frames at the front look like the envelope's delimiter, and are not.
        for message in [["", "a", ""], ["a", "", "b"], ["", "", ""]] {
            req.send(message);
            assert_eq!(rep.recv(), message);
            rep.send(message);
            assert_eq!(req.recv(), message);
        }
        let large = Frames(vec![vec![1; 100_000], Vec::new(), vec![2; 300_000]]);
        req.send(large.clone());
        assert_eq!(rep.recv(), large);
        rep.send(large.clone());
        assert_eq!(req.recv(), large);
        req.send("");
        assert_eq!(rep.recv(), "");
        rep.send("");
        assert_eq!(req.recv(), "");
    });
}

#[test]
fn each_client_gets_its_own_reply() {
    const CLIENTS: usize = 5;
    four_ways(&Transport::ALL, |trial| {
        let rep = trial.second(Pattern::Rep);
        let endpoint = rep.bind(&trial.endpoint());
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let req = trial.first(Pattern::Req);
                req.connect(&endpoint);
                req
            })
            .collect();
        for round in 0..20 {
            for (client, req) in clients.iter().enumerate() {
                req.send(Frames::numbered((round * CLIENTS + client) as u64, 20));
            }
            for _ in &clients {
                let request = rep.recv();
                rep.send(request);
            }
            for (client, req) in clients.iter().enumerate() {
                assert_eq!(req.recv().number(), (round * CLIENTS + client) as u64);
            }
        }
    });
}

#[test]
fn clients_on_threads_of_their_own_are_all_served() {
    const CLIENTS: u64 = 4;
    const COUNT: u64 = 200;
    four_ways(&Transport::ALL, |trial| {
        let rep = trial.second(Pattern::Rep);
        let endpoint = rep.bind(&trial.endpoint());
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let req = trial.first(Pattern::Req);
                req.connect(&endpoint);
                scope.spawn(move || {
                    for number in 0..COUNT {
                        let number = client * COUNT + number;
                        req.send(Frames::numbered(number, 16));
                        assert_eq!(req.recv().number(), number);
                    }
                });
            }
            for _ in 0..CLIENTS * COUNT {
                let request = rep.recv();
                rep.send(request);
            }
        });
    });
}

#[test]
fn one_client_asks_its_servers_in_turn() {
    const SERVERS: usize = 3;
    four_ways(&Transport::ALL, |trial| {
        let req = trial.first(Pattern::Req);
        let servers: Vec<_> = (0..SERVERS)
            .map(|_| {
                let rep = trial.second(Pattern::Rep);
                req.connect(&rep.bind(&trial.endpoint()));
                rep
            })
            .collect();
        let mut order = Vec::new();
        for number in 0..4 * SERVERS as u64 {
            req.send(Frames::numbered(number, 20));
            let mut asked = None;
            eventually("a server is asked", || {
                asked = servers
                    .iter()
                    .position(|rep| rep.recv_for(Duration::from_millis(1)).is_ok());
                asked.is_some()
            });
            let asked = asked.expect("one was asked");
            servers[asked].send(Frames::numbered(number, 20));
            assert_eq!(req.recv().number(), number);
            order.push(asked);
        }
        let (first, rest) = order.split_at(SERVERS);
        assert!(
            (0..SERVERS).all(|server| first.contains(&server)),
            "{order:?}"
        );
        assert!(
            rest.chunks(SERVERS).all(|round| round == first),
            "{order:?}"
        );
    });
}

#[test]
fn a_client_that_vanished_costs_the_server_nothing() {
    four_ways(&Transport::ALL, |trial| {
        let rep = trial.second(Pattern::Rep);
        let endpoint = rep.bind(&trial.endpoint());
        for _ in 0..20 {
            let gone = trial.first(Pattern::Req);
            gone.connect(&endpoint);
            gone.send("I will not wait");
            assert_eq!(rep.recv(), "I will not wait");
            gone.close();
            rep.send("too late, or not");
        }
        let req = trial.first(Pattern::Req);
        req.connect(&endpoint);
        req.send("I will");
        assert_eq!(rep.recv(), "I will");
        rep.send("good");
        assert_eq!(req.recv(), "good");
    });
}

#[test]
fn a_reply_to_a_vanished_client_reaches_nobody_else() {
    four_ways(&Transport::ALL, |trial| {
        let rep = trial.second(Pattern::Rep);
        let endpoint = rep.bind(&trial.endpoint());
        let gone = trial.first(Pattern::Req);
        gone.connect(&endpoint);
        let other = trial.first(Pattern::Req);
        other.connect(&endpoint);

        gone.send("from one who goes");
        assert_eq!(rep.recv(), "from one who goes");
        gone.close();
        other.send("from one who stays");
        rep.send("for one who went");
        assert_eq!(rep.recv(), "from one who stays");
        assert_eq!(other.recv_for(SHORT), Err(Failure::WouldBlock));
        rep.send("for one who stayed");
        assert_eq!(other.recv(), "for one who stayed");
    });
}

#[test]
fn a_client_asks_a_restarted_server() {
    four_ways(&Transport::WIRED, |trial| {
        let req = trial.first_with(Pattern::Req, &Options::new().reconnect_interval(Some(SOON)));
        let rep = trial.second(Pattern::Rep);
        let endpoint = rep.bind(&trial.endpoint());
        req.connect(&endpoint);
        req.send("one");
        assert_eq!(rep.recv(), "one");
        rep.send("1");
        assert_eq!(req.recv(), "1");
        rep.close();

        let rep = trial.second(Pattern::Rep);
        rep.bind_when_free(&endpoint);
        // A request that goes into the dying connection is lost, and a client never repeats
        // one; so a fresh client asks until it is answered.
        drop(req);
        let mut answered = false;
        eventually("the new server answers", || {
            let options = Options::new().linger(Some(Duration::ZERO));
            let req = trial.first_with(Pattern::Req, &options);
            req.connect(&endpoint);
            req.send("two");
            if rep.recv_for(SHORT).is_ok() {
                rep.send("2");
                answered = req.recv_for(SHORT) == Ok("2".into());
            }
            answered
        });
    });
}

/// Passes messages between a ROUTER and a DEALER as a broker does, until told to end by one on
/// a third socket.
fn broker(router: &zmq::Socket, dealer: &zmq::Socket, stop: &zmq::Socket) {
    loop {
        let mut items = [
            PollItem::readable(router),
            PollItem::readable(dealer),
            PollItem::readable(stop),
        ];
        zmq::poll(&mut items, None).expect("poll");
        let [from_router, from_dealer, stopped] = items.map(|item| item.is_ready());
        if from_router {
            dealer.send(&router.recv().expect("recv")).expect("send");
        }
        if from_dealer {
            router.send(&dealer.recv().expect("recv")).expect("send");
        }
        if stopped {
            return;
        }
    }
}

#[test]
fn envelopes_pass_through_brokers() {
    // Two of libzmq's brokers in a row, so a request arrives with two routing ids on it. Only
    // the clients and the server are the pairing's.
    four_ways(&Transport::WIRED, |trial| {
        let context = zmq::Context::new();
        let socket = |kind| context.socket(kind).expect("a socket");
        let rep = trial.second(Pattern::Rep);

        let front = socket(socket_type::ROUTER);
        let front_endpoint = front.bind(&trial.endpoint()).expect("bind");
        let between = socket(socket_type::ROUTER);
        let between_endpoint = between.bind(&trial.endpoint()).expect("bind");
        let front_out = socket(socket_type::DEALER);
        front_out.connect(&between_endpoint).expect("connect");
        let out = socket(socket_type::DEALER);
        rep.connect(&out.bind(&trial.endpoint()).expect("bind"));

        let brokers = [(front, front_out), (between, out)].map(|(router, dealer)| {
            let stop = socket(socket_type::PAIR);
            let stop_here = socket(socket_type::PAIR);
            let name = format!(
                "inproc://stop-{}",
                router.last_endpoint().expect("it is bound")
            );
            stop.bind(&name).expect("bind");
            stop_here.connect(&name).expect("connect");
            (
                thread::spawn(move || broker(&router, &dealer, &stop)),
                stop_here,
            )
        });

        let clients: Vec<_> = (0..3).map(|_| trial.first(Pattern::Req)).collect();
        for client in &clients {
            client.connect(&front_endpoint);
        }
        for round in 0..10_u64 {
            for (client, req) in (0..).zip(&clients) {
                req.send(vec![
                    Vec::new(),
                    (round * 3 + client).to_string().into_bytes(),
                ]);
            }
            for _ in &clients {
                let mut request = rep.recv();
                request.0.push(b"answered".to_vec());
                rep.send(request);
            }
            for (client, req) in (0..).zip(&clients) {
                assert_eq!(
                    req.recv(),
                    ["", &(round * 3 + client).to_string(), "answered"]
                );
            }
        }
        for (thread, stop) in brokers {
            stop.send(&["stop"]).expect("send");
            thread.join().expect("the broker ends well");
        }
    });
}

#[test]
fn the_server_returns_any_envelope_untouched() {
    four_ways(&Transport::WIRED, |trial| {
        let rep = trial.second(Pattern::Rep);
        let context = zmq::Context::new();
        let dealer = context.socket(socket_type::DEALER).expect("a socket");
        dealer
            .connect(&rep.bind(&trial.endpoint()))
            .expect("connect");

        let long = "x".repeat(300);
        for envelope in [vec![], vec!["a"], vec!["hop 2", "hop 1"], vec![&long; 20]] {
            let message = |body: &[&'static str]| -> Vec<String> {
                let delimited = envelope.iter().copied().chain([""]);
                delimited
                    .chain(body.iter().copied())
                    .map(str::to_owned)
                    .collect()
            };
            dealer.send(&message(&["ask", "", "more"])).expect("send");
            assert_eq!(rep.recv(), ["ask", "", "more"]);
            rep.send(["answer", ""]);
            let reply = Frames(dealer.recv_timeout(PATIENCE).expect("a reply"));
            let expected: Vec<Vec<u8>> = message(&["answer", ""])
                .into_iter()
                .map(String::into_bytes)
                .collect();
            assert_eq!(reply, Frames(expected));
        }
        // Without a delimiter it is no request, and is dropped as a whole.
        dealer.send(&["no", "delimiter"]).expect("send");
        dealer.send(&["", "good"]).expect("send");
        assert_eq!(rep.recv(), "good");
        rep.send("bye");
        assert_eq!(
            Frames(dealer.recv_timeout(PATIENCE).expect("a reply")),
            ["", "bye"]
        );
    });
}

#[test]
fn the_client_announces_its_routing_id() {
    four_ways(&Transport::WIRED, |trial| {
        let context = zmq::Context::new();
        let router = context.socket(socket_type::ROUTER).expect("a socket");
        let endpoint = router.bind(&trial.endpoint()).expect("bind");
        let req = trial.first_with(Pattern::Req, &Options::new().routing_id(b"client"));
        req.connect(&endpoint);
        for _ in 0..3 {
            req.send("question");
            let request = Frames(router.recv_timeout(PATIENCE).expect("a request"));
            assert_eq!(request, ["client", "", "question"]);
            router.send(&["client", "", "answer"]).expect("send");
            assert_eq!(req.recv(), "answer");
        }
    });
}

#[test]
fn only_the_asked_server_can_answer() {
    four_ways(&Transport::WIRED, |trial| {
        let context = zmq::Context::new();
        let req = trial.first_with(Pattern::Req, &Options::new().routing_id(b"client"));
        let routers = [(); 2].map(|()| {
            let router = context.socket(socket_type::ROUTER).expect("a socket");
            router
                .set_int(opt::ROUTER_MANDATORY, 1)
                .expect("an option of ROUTER");
            req.connect(&router.bind(&trial.endpoint()).expect("bind"));
            router
        });

        req.send("question");
        let mut asked = None;
        eventually("a server is asked", || {
            let hears = |router: &zmq::Socket| router.recv_timeout(SOON).is_ok();
            asked = routers.iter().position(hears);
            asked.is_some()
        });
        let asked = asked.expect("one was asked");
        let (asked, other) = (&routers[asked], &routers[1 - asked]);
        // The other one can speak up as soon as it has shaken hands with the client.
        eventually("the other server knows the client", || {
            other.send(&["client", "", "unasked"]).is_ok()
        });
        assert_eq!(req.recv_for(SHORT), Err(Failure::WouldBlock));
        asked.send(&["client", "", "answer"]).expect("send");
        assert_eq!(req.recv(), "answer");
    });
}

#[test]
fn a_relaxed_client_sends_again_and_only_takes_the_reply_to_that() {
    four_ways(&Transport::ALL, |trial| {
        let rep = trial.second(Pattern::Rep);
        let req = trial.first_with(
            Pattern::Req,
            &Options::new().with(Flag::Relaxed).with(Flag::Correlate),
        );
        req.connect(&rep.bind(&trial.endpoint()));
        for round in 0..10 {
            req.send(Frames::numbered(round, 50));
            assert_eq!(rep.recv().number(), round);
            // The reply is late, so the client goes on.
            req.send(Frames::numbered(round + 100, 50));
            rep.send(Frames::numbered(round, 50));
            assert_eq!(rep.recv().number(), round + 100);
            rep.send(Frames::numbered(round + 100, 50));
            assert_eq!(req.recv().number(), round + 100);
        }
    });
}

#[test]
fn a_correlated_request_shows_its_number_to_a_router() {
    four_ways(&Transport::ALL, |trial| {
        let router = trial.second(Pattern::Router);
        let options = Options::new().with(Flag::Correlate).routing_id(b"client");
        let req = trial.first_with(Pattern::Req, &options);
        req.connect(&router.bind(&trial.endpoint()));
        let mut numbers = Vec::new();
        for _ in 0..3 {
            req.send("question");
            let request = router.recv();
            let [client, number, delimiter, body] = &request.0[..] else {
                panic!("{request:?}");
            };
            assert_eq!(
                (&client[..], &delimiter[..], &body[..]),
                (&b"client"[..], &b""[..], &b"question"[..])
            );
            numbers.push(u32::from_ne_bytes(number[..].try_into().unwrap()));
            // One that has another number, one that has none, and the right one.
            let wrong = (numbers[0] ^ 1 << 31).to_ne_bytes().to_vec();
            let reply = |number: Vec<u8>, body: &str| {
                Frames::from(vec![client.clone(), number, Vec::new(), body.into()])
            };
            router.send(reply(wrong, "wrong"));
            router.send(["client", "", "without"]);
            router.send(reply(number.clone(), "right"));
            assert_eq!(req.recv(), "right");
        }
        assert_eq!(numbers[1], numbers[0].wrapping_add(1));
        assert_eq!(numbers[2], numbers[1].wrapping_add(1));
    });
}
