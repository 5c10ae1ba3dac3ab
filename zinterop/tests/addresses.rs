//! Endpoints as text: what both libraries take, what they refuse, and what they tell of it. After libzmq's own tests
//! `test_connect_resolve`, `test_bind_src_address`, `test_last_endpoint`, `test_unbind_wildcard`, `test_term_endpoint`,
//! `test_abstract_ipc` and `test_ipc_wildcard`.

use std::net::TcpListener;
use std::time::Duration;

use zinterop::{Failure, Options, Pattern, Side, Transport, eventually, four_ways};

const SOON: Duration = Duration::from_millis(10);

#[test]
fn what_can_be_connected_to() {
    four_ways(&[Transport::Tcp], |trial| {
        let socket = trial.first_with(Pattern::Pub, &Options::new().linger(Some(Duration::ZERO)));
        for good in [
            "tcp://localhost:1234",
            "tcp://[::1]:1234",
            // Nobody asks who that is before the call is back.
            "tcp://foo123xyz.invalid:1234",
            // From where it is connected.
            "tcp://127.0.0.1:0;localhost:1234",
            "tcp://localhost:5555;localhost:1235",
            "tcp://lo:5555;localhost:1235",
        ] {
            assert_eq!(socket.try_connect(good), Ok(()), "{good}");
        }
        for bad in [
            "tcp://in val id:1234",
            "tcp://",
            "tcp://localhost:invalid",
            "tcp://localhost:",
            "tcp://localhost",
            "tcp://*:1234",
            "tcp://127.0.0.1:*",
            "invalid://localhost:1234",
            "localhost:1234",
            "ipc://*",
            "ipc://@",
            "inproc://",
        ] {
            // libzmq takes this one for a path whose name is a star.
            if bad == "ipc://*" && trial.pairing().first == Side::Libzmq {
                continue;
            }
            assert!(socket.try_connect(bad).is_err(), "{bad}");
        }
    });
}

#[test]
fn a_wildcard_is_resolved_and_unbound_by_what_it_was_resolved_to() {
    four_ways(&[Transport::Tcp], |trial| {
        for wildcard in ["tcp://*:*", "tcp://127.0.0.1:*", "tcp://0.0.0.0:*"] {
            let socket = trial.first(Pattern::Rep);
            let resolved = socket.bind(wildcard);
            let (host, port) = resolved
                .trim_start_matches("tcp://")
                .rsplit_once(':')
                .expect("a port");
            let expected = if wildcard.contains("127") {
                "127.0.0.1"
            } else {
                "0.0.0.0"
            };
            assert_eq!(host, expected);
            assert_ne!(port, "0");
            socket.unbind(&resolved);
            assert_eq!(socket.try_unbind(&resolved), Err(Failure::NoSuchEndpoint));
            // The port is free, in libzmq soon.
            eventually("the port is free", || {
                TcpListener::bind((host, port.parse().expect("a port"))).is_ok()
            });
        }
        // By the wildcard itself only here: libzmq has forgotten it.
        let socket = trial.first(Pattern::Rep);
        socket.bind("tcp://127.0.0.1:*");
        let by_wildcard = socket.try_unbind("tcp://127.0.0.1:*");
        match trial.pairing().first {
            Side::Ours => assert_eq!(by_wildcard, Ok(())),
            Side::Libzmq => assert_eq!(by_wildcard, Err(Failure::NoSuchEndpoint)),
        }
    });
}

#[test]
fn after_unbinding_and_disconnecting_nothing_can_be_sent() {
    four_ways(&Transport::WIRED, |trial| {
        for unbinds in [true, false] {
            let push = trial.first(Pattern::Push);
            let pull = trial.second(Pattern::Pull);
            let (sending, receiving) = if unbinds {
                (&push, &pull)
            } else {
                (&pull, &push)
            };
            let endpoint = sending.bind(&trial.endpoint());
            receiving.connect(&endpoint);
            push.send("ABC");
            assert_eq!(pull.recv(), "ABC");
            if unbinds {
                push.unbind(&endpoint);
            } else {
                push.disconnect(&endpoint);
            }
            // libzmq does so in the background.
            eventually("nobody is there", || {
                push.try_send("DEF") == Err(Failure::WouldBlock)
            });
        }
    });
}

#[test]
fn an_abstract_name_is_known_by_its_at() {
    if !cfg!(target_os = "linux") {
        return;
    }
    four_ways(&[Transport::Ipc], |trial| {
        // The path is nobody else's, so the name made of it is not either.
        let path = trial.fixed_endpoint().replacen("ipc://", "", 1);
        let name = format!("ipc://@{path}");
        let rep = trial.second(Pattern::Rep);
        assert_eq!(rep.bind(&name), name);
        let req = trial.first(Pattern::Req);
        req.connect(&name);
        req.send("question");
        assert_eq!(rep.recv(), "question");
        rep.send("answer");
        assert_eq!(req.recv(), "answer");
        assert!(trial.second(Pattern::Rep).try_bind("ipc://@").is_err());
    });
}

#[test]
fn a_wildcard_path_is_a_path_of_its_own() {
    four_ways(&[Transport::Ipc], |trial| {
        let pulls = [trial.second(Pattern::Pull), trial.second(Pattern::Pull)];
        let endpoints = pulls.each_ref().map(|pull| pull.bind("ipc://*"));
        assert_ne!(endpoints[0], endpoints[1]);
        // libzmq may give a relative one.
        for (number, (pull, endpoint)) in pulls.iter().zip(&endpoints).enumerate() {
            assert!(endpoint.starts_with("ipc://"), "{endpoint}");
            let push = trial.first(Pattern::Push);
            push.connect(endpoint);
            push.send(number.to_string().as_str());
            assert_eq!(pull.recv(), number.to_string().as_str());
        }
    });
}

#[test]
fn a_path_can_be_bound_again_and_serves_who_has_connected_earlier() {
    four_ways(&[Transport::Ipc], |trial| {
        let endpoint = trial.fixed_endpoint();
        let options = Options::new().reconnect_interval(Some(SOON));
        let pull = trial.first_with(Pattern::Pull, &options);
        pull.connect(&endpoint);
        for round in ["one", "two"] {
            let push = trial.second(Pattern::Push);
            push.bind_when_free(&endpoint);
            push.send(round);
            assert_eq!(pull.recv(), round);
            push.close();
        }
    });
}
