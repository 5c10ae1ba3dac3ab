//! Mechanisms on sockets, and who judges peers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use zsocket::{
    AccessList, Authentication, CloseReason, Context, Credentials, Dealer, Endpoint, Event,
    InvalidOption, KeyPair, Metadata, Monitor, OptionId, PublicKey, Pull, Push, Rep, Req, Router,
    Security, Socket, Stream, Value, curve_keypair,
};

use crate::support::{
    COMMAND, PATIENCE, Raw, WIRES, Wire, eventually, frame, greeting, loopback, spawn, wait_for,
};

const USER: &str = "alice";
const PASSWORD: &str = "hunter2";

fn plain_client(password: &str) -> Security {
    Security::plain_client(USER, password).unwrap()
}

/// A context that knows one user and one key.
fn server_context(keys: &KeyPair) -> Context {
    let context = Context::new();
    let access = AccessList::new();
    access.set_password(USER, PASSWORD);
    access.allow_key(*keys.public(), USER);
    context.set_authenticator(access);
    context
}

fn pull(context: &Context, security: Security) -> (Socket<Pull>, Endpoint, Monitor) {
    let pull = context
        .build_socket::<Pull>()
        .security(security)
        .build()
        .unwrap();
    let monitor = pull.monitor();
    let endpoint = pull.bind(loopback()).unwrap();
    (pull, endpoint, monitor)
}

/// What it has queued for a server that does not let it in is nobody's business at the end.
fn push(context: &Context, security: Security, endpoint: &Endpoint) -> (Socket<Push>, Monitor) {
    let push = context
        .build_socket::<Push>()
        .security(security)
        .linger(Some(Duration::ZERO))
        .build()
        .unwrap();
    let monitor = push.monitor();
    push.connect(endpoint).unwrap();
    (push, monitor)
}

/// Waits until a handshake has failed, and says why.
fn failure(monitor: &Monitor) -> CloseReason {
    let event = wait_for(monitor, "a handshake that fails", |event| {
        matches!(event, Event::HandshakeFailed { .. })
    });
    match event {
        Event::HandshakeFailed { reason, .. } => reason,
        _ => unreachable!("just looked"),
    }
}

#[test]
fn each_mechanism_carries_messages_whoever_binds_and_tells_who_the_peer_is() {
    let (client_keys, server_keys) = (curve_keypair().unwrap(), curve_keypair().unwrap());
    let contexts = [server_context(&client_keys), Context::new()];
    let curve_client = || Security::curve_client(*server_keys.public(), client_keys.clone());
    let cases = [
        (Security::null(), Security::null(), ""),
        (
            Security::null().with_zap_domain("global"),
            Security::null(),
            "",
        ),
        (Security::plain_server(), plain_client(PASSWORD), USER),
        (
            Security::curve_server(server_keys.clone()),
            curve_client(),
            USER,
        ),
    ];
    for (server_security, client_security, user) in cases {
        for wire in WIRES {
            for server_binds in [true, false] {
                let server = contexts[0].socket::<Rep>().unwrap();
                server.set_security(server_security.clone()).unwrap();
                let client = contexts[1].socket::<Req>().unwrap();
                client.set_security(client_security.clone()).unwrap();
                if server_binds {
                    client
                        .connect(server.bind(wire.anywhere()).unwrap())
                        .unwrap();
                } else {
                    server
                        .connect(client.bind(wire.anywhere()).unwrap())
                        .unwrap();
                }
                client.send(["a question", &"x".repeat(100_000)]).unwrap();
                let (question, peer) = server.recv_from_timeout(PATIENCE).unwrap();
                assert_eq!((question.len(), question[1].len()), (2, 100_000));
                assert_eq!(server.peer_info(peer).unwrap().user_id, user);
                server.send("an answer").unwrap();
                assert_eq!(client.recv_timeout(PATIENCE).unwrap()[0], "an answer");
            }
        }
    }
}

#[test]
fn wrong_credentials_are_refused_with_an_event_at_both_ends_and_do_not_come_again() {
    let keys = curve_keypair().unwrap();
    let contexts = [server_context(&keys), Context::new()];
    let server_keys = curve_keypair().unwrap();
    let stranger = Security::curve_client(*server_keys.public(), curve_keypair().unwrap());
    for (server, client) in [
        (Security::plain_server(), plain_client("wrong")),
        (Security::curve_server(server_keys), stranger),
    ] {
        let (pull, endpoint, watched) = pull(&contexts[0], server);
        let (push, watching) = push(&contexts[1], client, &endpoint);
        assert_eq!(failure(&watched).status(), Some(400));
        assert_eq!(failure(&watching).status(), Some(400));
        assert_eq!(pull.stats().connections.unauthenticated, 1);
        assert_eq!(push.stats().connections.unauthenticated, 1);
        // Its pipe is gone, as one that nobody will ever read.
        eventually("the endpoint is given up", || push.peers() == 0);
        assert!(push.try_send("x").is_err());
        assert!(pull.try_recv().is_err());
        // With the right ones it can come again.
        if push.security().mechanism_name() == "PLAIN" {
            push.set_security(plain_client(PASSWORD)).unwrap();
            push.connect(&endpoint).unwrap();
            push.send("the right one").unwrap();
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "the right one");
        }
    }
}

#[test]
fn a_null_peer_is_refused_by_whoever_is_and_has_not_begun() {
    let context = Context::new();
    let keys = curve_keypair().unwrap();
    for (security, wire) in [
        (Security::null().with_zap_domain("lan"), Wire::Tcp),
        (Security::null().with_zap_domain("lan"), Wire::Ipc),
    ] {
        context.set_authenticator(|peer: Authentication| {
            assert_eq!((peer.domain(), peer.mechanism()), (&b"lan"[..], "NULL"));
            assert!(
                matches!(peer.address(), "127.0.0.1") || peer.address().starts_with("localhost")
            );
            peer.deny();
        });
        let pull = context
            .build_socket::<Pull>()
            .security(security)
            .build()
            .unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect(&endpoint);
        std::io::Write::write_all(&mut raw, &greeting()).unwrap();
        std::io::Read::read_exact(&mut raw, &mut [0; 64]).unwrap();
        // It is told before the connection ends, although it has sent more than was read.
        let (flags, body) = raw.read_frame();
        assert_eq!((flags, &body[..]), (COMMAND, &b"\x05ERROR\x03400"[..]));
        std::io::Write::write_all(&mut raw, &frame(0, b"all the same")).unwrap();
        raw.expect_close();
        assert_eq!(pull.stats().connections.unauthenticated, 1);
    }
    drop(keys);
}

#[test]
fn a_socket_with_security_never_accepts_another_mechanism() {
    let keys = curve_keypair().unwrap();
    let contexts = [server_context(&keys), Context::new()];
    let server_keys = curve_keypair().unwrap();
    let curve_client = Security::curve_client(*server_keys.public(), keys);
    for (server, clients) in [
        (
            Security::plain_server(),
            [Security::null(), curve_client.clone()],
        ),
        (plain_client(PASSWORD), [Security::null(), curve_client]),
        (
            Security::curve_server(server_keys),
            [Security::null(), plain_client(PASSWORD)],
        ),
    ] {
        let (pull, endpoint, watched) = pull(&contexts[0], server);
        for client in clients {
            let (push, watching) = push(&contexts[1], client, &endpoint);
            let _ = push.try_send("x");
            for monitor in [&watched, &watching] {
                let reason = failure(monitor);
                let expected = zmtp_mismatch(&reason) || reason == CloseReason::PeerClosed;
                assert!(expected, "{reason:?}");
            }
        }
        assert_eq!(pull.stats().connections.established, 0);
        assert!(pull.try_recv().is_err());
    }
}

fn zmtp_mismatch(reason: &CloseReason) -> bool {
    matches!(reason, CloseReason::Protocol(error) if error.protocol_event_code() == Some(0x1100_0002))
}

#[test]
fn a_peer_that_is_to_try_again_does_and_its_messages_wait() {
    let contexts = [Context::new(), Context::new()];
    let asked = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&asked);
    contexts[0].set_authenticator(move |peer: Authentication| {
        if counter.fetch_add(1, Ordering::Relaxed) < 2 {
            peer.try_again();
        } else {
            peer.accept("");
        }
    });
    let (pull, endpoint, watched) = pull(&contexts[0], Security::plain_server());
    let (push, watching) = push(&contexts[1], plain_client(PASSWORD), &endpoint);
    push.send("patience").unwrap();
    for _ in 0..2 {
        assert_eq!(failure(&watched).status(), Some(300));
        assert_eq!(failure(&watching).status(), None);
    }
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "patience");
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[test]
fn an_answer_may_come_later_from_another_thread_with_metadata() {
    let contexts = [Context::new(), Context::new()];
    let (ask, questions) = mpsc::channel::<Authentication>();
    contexts[0].set_authenticator(move |peer: Authentication| ask.send(peer).unwrap());
    let (pull, endpoint, _) = pull(&contexts[0], Security::plain_server());
    let (first, _) = push(&contexts[1], plain_client("one"), &endpoint);
    let one = questions.recv_timeout(PATIENCE).unwrap();
    // Nobody waits for that one.
    let (second, _) = push(&contexts[1], plain_client("two"), &endpoint);
    let two = questions.recv_timeout(PATIENCE).unwrap();
    assert_eq!(pull.stats().connections.established, 0);
    let shown = format!("{one:?}");
    assert!(shown.contains(USER) && !shown.contains("one"), "{shown}");
    for (peer, password, push) in [(two, "two", &second), (one, "one", &first)] {
        let Credentials::Plain {
            username,
            password: given,
        } = peer.credentials()
        else {
            panic!("{peer:?}");
        };
        assert_eq!(username, USER);
        assert_eq!(given.as_bytes(), password.as_bytes());
        let mut metadata = Metadata::new();
        metadata.push("Role", password.to_owned()).unwrap();
        peer.accept_with(password.to_owned(), metadata);
        push.send("hello").unwrap();
        let (_, from) = pull.recv_from_timeout(PATIENCE).unwrap();
        let info = pull.peer_info(from).unwrap();
        assert_eq!(info.user_id, password);
        assert_eq!(info.trusted.get("Role"), Some(password.as_bytes()));
        assert_eq!(info.properties.get("Role"), None);
    }
}

#[test]
fn an_authenticator_that_panics_or_forgets_refuses_that_peer_and_goes_on() {
    let contexts = [Context::new(), Context::new()];
    contexts[0].set_authenticator(|peer: Authentication| {
        let Credentials::Plain { password, .. } = peer.credentials() else {
            return;
        };
        match password.as_bytes() {
            b"panic" => panic!("on purpose: an authenticator"),
            b"forget" => drop(peer),
            _ => peer.accept(""),
        }
    });
    let (pull, endpoint, watched) = pull(&contexts[0], Security::plain_server());
    for password in ["panic", "forget"] {
        let (_push, watching) = push(&contexts[1], plain_client(password), &endpoint);
        assert_eq!(failure(&watched).status(), Some(500));
        assert_eq!(failure(&watching).status(), Some(500));
    }
    let stats = pull.stats();
    assert_eq!(
        (stats.connections.unauthenticated, stats.foreign_panics),
        (2, 1)
    );
    let (push, _) = push(&contexts[1], plain_client("right"), &endpoint);
    push.send("hello").unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "hello");
}

#[test]
fn a_domain_that_is_enforced_has_a_name() {
    let context = Context::new();
    for server in [
        Security::plain_server(),
        Security::curve_server(curve_keypair().unwrap()),
    ] {
        let pull = context.socket::<Pull>().unwrap();
        pull.set_security(server.with_enforced_domain(true))
            .unwrap();
        let error = pull.bind(loopback()).unwrap_err();
        assert!(error.to_string().contains("zap_enforce_domain"), "{error}");
    }
}

#[test]
fn nobody_to_ask_refuses_plain_and_enforced_domains_only() {
    let contexts = [Context::new(), Context::new()];
    let keys = curve_keypair().unwrap();
    let curve_client = || Security::curve_client(*keys.public(), curve_keypair().unwrap());
    let curve_server = || Security::curve_server(keys.clone());
    let enforced = |security: Security| security.with_zap_domain("lan").with_enforced_domain(true);
    for (server, client, comes_in) in [
        (
            Security::null().with_zap_domain("lan"),
            Security::null(),
            true,
        ),
        (enforced(Security::null()), Security::null(), false),
        (
            Security::null().with_enforced_domain(true),
            Security::null(),
            true,
        ),
        (Security::plain_server(), plain_client(PASSWORD), false),
        (curve_server(), curve_client(), true),
        (curve_server().with_zap_domain("lan"), curve_client(), true),
        (enforced(curve_server()), curve_client(), false),
    ] {
        let (pull, endpoint, watched) = pull(&contexts[0], server.clone());
        let (push, _) = push(&contexts[1], client, &endpoint);
        push.send("hello").unwrap();
        if comes_in {
            assert_eq!(
                pull.recv_timeout(PATIENCE).unwrap()[0],
                "hello",
                "{server:?}"
            );
        } else {
            let reason = failure(&watched);
            let is_for_that = matches!(&reason, CloseReason::Protocol(error)
                if error.to_string().contains("handler"));
            assert!(is_for_that, "{server:?}: {reason}");
            assert!(pull.try_recv().is_err());
        }
    }
}

#[test]
fn a_size_limit_is_not_for_the_handshake() {
    let keys = curve_keypair().unwrap();
    let contexts = [server_context(&keys), Context::new()];
    let server_keys = curve_keypair().unwrap();
    let client = Security::curve_client(*server_keys.public(), keys);
    let pull = contexts[0]
        .build_socket::<Pull>()
        .security(Security::curve_server(server_keys))
        .max_frame_size(Some(64))
        .max_message_size(Some(5))
        .build()
        .unwrap();
    let endpoint = pull.bind(loopback()).unwrap();
    let push = contexts[1]
        .build_socket::<Push>()
        .security(client)
        .max_frame_size(Some(1))
        .max_message_size(Some(1))
        .build()
        .unwrap();
    push.connect(endpoint).unwrap();
    push.send("right").unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "right");
    push.send("larger").unwrap();
    eventually("the limit is for messages", || {
        // It is tried once more on the next connection.
        pull.stats().connections.oversize >= 1
    });
}

#[test]
fn a_mark_of_one_is_enough_for_a_peer_with_a_user_id() {
    let contexts = [server_context(&curve_keypair().unwrap()), Context::new()];
    let pull = contexts[0]
        .build_socket::<Pull>()
        .security(Security::plain_server())
        .recv_hwm(1)
        .build()
        .unwrap();
    let endpoint = pull.bind(loopback()).unwrap();
    let (push, _) = push(&contexts[1], plain_client(PASSWORD), &endpoint);
    for number in 0..10_u8 {
        push.send(vec![number]).unwrap();
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], [number]);
    }
}

#[test]
fn security_is_for_later_endpoints() {
    let contexts = [server_context(&curve_keypair().unwrap()), Context::new()];
    let pull = contexts[0].socket::<Pull>().unwrap();
    let open = pull.bind(loopback()).unwrap();
    pull.set_security(Security::plain_server()).unwrap();
    assert_eq!(pull.security(), Security::plain_server());
    let closed = pull.bind(loopback()).unwrap();
    for (endpoint, security) in [(open, Security::null()), (closed, plain_client(PASSWORD))] {
        let (push, _) = push(&contexts[1], security, &endpoint);
        push.send("hello").unwrap();
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "hello");
    }
}

#[test]
fn another_authenticator_takes_the_place_of_the_first_and_may_be_removed() {
    let contexts = [Context::new(), Context::new()];
    let (_pull, endpoint, watched) = pull(&contexts[0], Security::plain_server());
    for status in [400, 500] {
        contexts[0].set_authenticator(move |peer: Authentication| match status {
            400 => peer.deny(),
            _ => peer.fail(),
        });
        let (_push, _) = push(&contexts[1], plain_client(PASSWORD), &endpoint);
        assert_eq!(failure(&watched).status(), Some(status));
    }
    contexts[0].remove_authenticator();
    let (_push, _) = push(&contexts[1], plain_client(PASSWORD), &endpoint);
    assert_eq!(failure(&watched).status(), None);
}

#[test]
fn an_authenticator_goes_with_the_next_one_and_with_the_context() {
    let context = Context::new();
    let [first, second] = [(); 2].map(|()| Arc::new(()));
    for token in [&first, &second] {
        let token = Arc::clone(token);
        context.set_authenticator(move |peer: Authentication| {
            let _ = &token;
            peer.deny();
        });
    }
    assert_eq!(
        (Arc::strong_count(&first), Arc::strong_count(&second)),
        (1, 2)
    );
    drop(context);
    assert_eq!(Arc::strong_count(&second), 1);
}

#[test]
fn several_io_threads_ask_the_same_authenticator() {
    let keys = curve_keypair().unwrap();
    let access = AccessList::new();
    access.allow_any_key(true);
    let context = Context::builder().io_threads(3).build().unwrap();
    context.set_authenticator(access);
    let (pull, endpoint, _) = pull(&context, Security::curve_server(keys.clone()));
    let clients: Vec<_> = (0..9)
        .map(|_| {
            let own = curve_keypair().unwrap();
            let name = own.public().to_z85();
            let (push, _) = push(
                &context,
                Security::curve_client(*keys.public(), own),
                &endpoint,
            );
            push.send(name.as_str()).unwrap();
            push
        })
        .collect();
    for _ in &clients {
        let (message, peer) = pull.recv_from_timeout(PATIENCE).unwrap();
        assert_eq!(message[0], *pull.peer_info(peer).unwrap().user_id);
    }
}

#[test]
fn the_options_of_libzmq_choose_mechanism_and_part() {
    let socket = Context::new().socket::<Dealer>().unwrap();
    let keys = curve_keypair().unwrap();
    let mechanism = || socket.option("ZMQ_MECHANISM").unwrap().to_string();
    assert_eq!(mechanism(), "NULL");
    for (option, value, expected, is_server) in [
        ("ZMQ_PLAIN_SERVER", Value::from(1), "PLAIN", true),
        ("ZMQ_PLAIN_USERNAME", "admin".into(), "PLAIN", false),
        ("ZMQ_PLAIN_USERNAME", Value::None, "NULL", false),
        ("ZMQ_PLAIN_PASSWORD", "secret".into(), "PLAIN", false),
        ("ZMQ_PLAIN_PASSWORD", Value::None, "NULL", false),
        ("ZMQ_CURVE_SERVER", true.into(), "CURVE", true),
        (
            "ZMQ_CURVE_SERVERKEY",
            keys.public().to_z85().into(),
            "CURVE",
            false,
        ),
        ("ZMQ_CURVE_SERVER", 0.into(), "NULL", false),
        (
            "ZMQ_CURVE_SECRETKEY",
            Value::from(&keys.secret().as_bytes()[..]),
            "CURVE",
            false,
        ),
        ("ZMQ_PLAIN_SERVER", 0.into(), "NULL", false),
        (
            "ZMQ_CURVE_PUBLICKEY",
            (keys.public().to_z85() + "\0").into(),
            "CURVE",
            false,
        ),
    ] {
        socket.set_option(option, value).unwrap();
        assert_eq!(mechanism(), expected, "{option}");
        assert_eq!(socket.security().is_server(), is_server, "{option}");
    }
    // What it has been given by now is whole.
    assert_eq!(
        socket.option(OptionId::CURVE_SERVER_KEY).unwrap(),
        Value::from(&keys.public().as_bytes()[..])
    );
    socket.connect("tcp://127.0.0.1:1").unwrap();
    socket.set_option("ZMQ_ZAP_DOMAIN", "global").unwrap();
    socket.set_option("ZMQ_ZAP_ENFORCE_DOMAIN", 1).unwrap();
    assert_eq!(socket.security().zap_domain(), "global");
    assert!(socket.security().enforces_domain());
    // Secrets stay where they are.
    for option in [OptionId::PLAIN_PASSWORD, OptionId::CURVE_SECRET_KEY] {
        let error = socket.option(option).unwrap_err();
        assert!(
            matches!(error.option(), Some(InvalidOption::Access { .. })),
            "{error}"
        );
    }
    assert!(socket.set_option("ZMQ_MECHANISM", "CURVE").is_err());
    for (option, value) in [
        ("ZMQ_PLAIN_USERNAME", String::new()),
        ("ZMQ_PLAIN_PASSWORD", "x".repeat(256)),
        ("ZMQ_CURVE_SERVERKEY", "short".to_owned()),
        ("ZMQ_CURVE_SECRETKEY", "~".repeat(40)),
        ("ZMQ_CURVE_PUBLICKEY", "x".repeat(42)),
        ("ZMQ_ZAP_DOMAIN", "x".repeat(256)),
    ] {
        let before = socket.security();
        let error = socket.set_option(option, value).unwrap_err();
        assert!(
            matches!(error.option(), Some(InvalidOption::Value { .. })),
            "{option}: {error}"
        );
        assert_eq!(socket.security(), before, "{option}");
    }
}

#[test]
fn keys_that_are_missing_or_do_not_match_are_an_error_of_connect_and_bind() {
    let socket = Context::new().socket::<Dealer>().unwrap();
    let lacks = |expected: &str| {
        for error in [
            socket.connect("tcp://127.0.0.1:1").unwrap_err(),
            socket.bind(loopback()).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.contains(expected), "{text}");
        }
    };
    let keys = curve_keypair().unwrap();
    socket.set_option("curve_server", true).unwrap();
    lacks("curve_secret_key");
    let secret = Value::from(&keys.secret().as_bytes()[..]);
    socket.set_option("curve_secret_key", secret).unwrap();
    let other = PublicKey::from_bytes([1; 32]).to_z85();
    socket.set_option("curve_public_key", other).unwrap();
    lacks("curve_public_key");
    socket
        .set_option("curve_public_key", keys.public().to_z85())
        .unwrap();
    socket.bind(loopback()).unwrap();
    let domain = "x".repeat(256);
    assert!(
        socket
            .set_security(Security::null().with_zap_domain(domain))
            .is_err()
    );
    assert_eq!(socket.security().mechanism_name(), "CURVE");
}

#[test]
fn what_has_no_handshake_cannot_be_secure() {
    let stream = Context::new().socket::<Stream>().unwrap();
    stream.set_security(Security::plain_server()).unwrap();
    for error in [
        stream.bind(loopback()).unwrap_err(),
        stream.connect("tcp://127.0.0.1:1").unwrap_err(),
    ] {
        assert!(matches!(error, zsocket::Error::NotSupported), "{error}");
    }
}

#[test]
fn two_of_the_same_part_give_up_in_time() {
    let keys = curve_keypair().unwrap();
    let contexts = [server_context(&keys), Context::new()];
    let interval = Some(Duration::from_millis(100));
    for (security, has_timed_out) in [
        (Security::plain_server(), true),
        (Security::curve_server(keys), true),
        (plain_client(PASSWORD), false),
    ] {
        let pull = contexts[0]
            .build_socket::<Pull>()
            .security(security.clone())
            .handshake_interval(interval)
            .build()
            .unwrap();
        let monitor = pull.monitor();
        let endpoint = pull.bind(loopback()).unwrap();
        let (_push, _) = push(&contexts[1], security, &endpoint);
        let reason = failure(&monitor);
        assert_eq!(
            reason == CloseReason::HandshakeTimeout,
            has_timed_out,
            "{reason}"
        );
    }
}

mod handler {
    //! The ZAP handler of the context.

    use super::*;

    const ENDPOINT: &str = "inproc://zeromq.zap.01";

    /// A REP that knows one password, and ends with its context.
    fn rep(context: &Context, status: &'static str) -> crate::support::Task<u32> {
        let rep = context.socket::<Rep>().unwrap();
        rep.bind(ENDPOINT).unwrap();
        spawn(move || {
            let mut asked = 0;
            while let Ok(request) = rep.recv() {
                asked += 1;
                assert_eq!(request[0], "1.0");
                assert_eq!(request[5], "PLAIN");
                let is_right = request[6] == USER && request[7] == PASSWORD;
                let status = if is_right { "200" } else { status };
                let id = request[1].to_vec();
                let metadata = b"\x04Role\0\0\0\x04boss".to_vec();
                let reply = [
                    &b"1.0"[..],
                    &id,
                    status.as_bytes(),
                    b"",
                    USER.as_bytes(),
                    &metadata,
                ];
                rep.send(reply.into_iter().collect::<zsocket::Message>())
                    .unwrap();
            }
            asked
        })
    }

    #[test]
    fn a_rep_judges_without_any_call_of_the_socket_that_asks() {
        let contexts = [Context::new(), Context::new()];
        let handler = rep(&contexts[0], "400");
        let (pull, endpoint, _) = pull(&contexts[0], Security::plain_server());
        let (right, watching) = push(&contexts[1], plain_client(PASSWORD), &endpoint);
        wait_for(&watching, "a peer that comes in", |event| {
            matches!(event, Event::HandshakeSucceeded { .. })
        });
        let (_wrong, watching) = push(&contexts[1], plain_client("wrong"), &endpoint);
        assert_eq!(failure(&watching).status(), Some(400));
        right.send("hello").unwrap();
        let (_, peer) = pull.recv_from_timeout(PATIENCE).unwrap();
        let info = pull.peer_info(peer).unwrap();
        assert_eq!(info.user_id, USER);
        assert_eq!(info.trusted.get("Role"), Some(&b"boss"[..]));
        contexts[0].shutdown();
        assert_eq!(handler.join(), 2);
    }

    #[test]
    fn a_router_answers_several_in_any_order() {
        const CLIENTS: usize = 5;
        let context = Context::builder().io_threads(2).build().unwrap();
        let router = context.socket::<Router>().unwrap();
        router.bind(ENDPOINT).unwrap();
        let (pull, endpoint, _) = pull(&context, Security::plain_server());
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| push(&context, plain_client(&client.to_string()), &endpoint))
            .collect();
        let mut requests: Vec<_> = (0..CLIENTS)
            .map(|_| router.recv_timeout(PATIENCE).unwrap())
            .collect();
        requests.reverse();
        for request in requests {
            // Routing id, delimiter, version, id, domain, address, identity, mechanism, name, password.
            assert_eq!((request.len(), request[1].len()), (10, 0));
            let (envelope, id, user) = (
                request[0].to_vec(),
                request[3].to_vec(),
                request[9].to_vec(),
            );
            let reply = [&envelope[..], b"", b"1.0", &id, b"200", b"", &user, b""];
            router
                .send(reply.into_iter().collect::<zsocket::Message>())
                .unwrap();
        }
        for (client, (push, _)) in clients.iter().enumerate() {
            push.send(client.to_string()).unwrap();
        }
        for _ in 0..CLIENTS {
            let (message, peer) = pull.recv_from_timeout(PATIENCE).unwrap();
            assert_eq!(message[0], *pull.peer_info(peer).unwrap().user_id);
        }
    }

    #[test]
    fn a_handler_that_goes_lets_nobody_in_and_another_one_may_come() {
        let contexts = [Context::new(), Context::new()];
        let (pull, endpoint, watched) = pull(&contexts[0], Security::plain_server());
        let silent = contexts[0].socket::<Router>().unwrap();
        silent.bind(ENDPOINT).unwrap();
        let (push, _) = push(&contexts[1], plain_client(PASSWORD), &endpoint);
        push.send("hello").unwrap();
        silent.recv_timeout(PATIENCE).unwrap();
        drop(silent);
        assert_eq!(failure(&watched).status(), Some(300));
        let handler = rep(&contexts[0], "400");
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "hello");
        contexts[0].shutdown();
        handler.join();
    }

    #[test]
    fn when_the_handler_has_gone_nobody_comes_in_with_curve_either() {
        let contexts = [Context::new(), Context::new()];
        let keys = curve_keypair().unwrap();
        let client = Security::curve_client(*keys.public(), curve_keypair().unwrap());
        let (pull, endpoint, watched) = pull(&contexts[0], Security::curve_server(keys));
        let handler = contexts[0].socket::<Router>().unwrap();
        handler.bind(ENDPOINT).unwrap();
        let (push, _) = push(&contexts[1], client, &endpoint);
        push.send("hello").unwrap();
        handler.recv_timeout(PATIENCE).unwrap();
        drop(handler);
        // It tries again, and again there is nobody.
        for _ in 0..3 {
            assert_eq!(failure(&watched).status(), Some(300));
        }
        assert!(pull.try_recv().is_err());
    }

    #[test]
    fn a_handler_of_a_type_that_cannot_answer_is_none() {
        let contexts = [Context::new(), Context::new()];
        let other = contexts[0].socket::<Pull>().unwrap();
        other.bind(ENDPOINT).unwrap();
        let (_pull, endpoint, watched) = pull(&contexts[0], Security::plain_server());
        let (_push, _) = push(&contexts[1], plain_client(PASSWORD), &endpoint);
        let reason = failure(&watched);
        assert!(reason.to_string().contains("handler"), "{reason}");
        assert!(other.try_recv().is_err());
    }

    #[test]
    fn replies_that_are_none_refuse_the_peer_with_their_cause() {
        let context = Context::new();
        let dealer = context.socket::<Dealer>().unwrap();
        dealer.bind(ENDPOINT).unwrap();
        let (_pull, endpoint, watched) = pull(&context, Security::plain_server());
        let cases: [(&[&str], u32); 5] = [
            (&["", "1.0", "ID", "200", "", "", "", "more"], 0x2000_0001),
            (&["", "1.0", "nobody's", "200", "", "", ""], 0x2000_0002),
            (&["", "0.9", "ID", "200", "", "", ""], 0x2000_0003),
            (&["", "1.0", "ID", "201", "", "", ""], 0x2000_0004),
            (&["", "1.0", "ID", "200", "", "", "x"], 0x2000_0005),
        ];
        for (frames, code) in cases {
            let (push, _) = push(&context, plain_client(PASSWORD), &endpoint);
            let request = dealer.recv_timeout(PATIENCE).unwrap();
            drop(push);
            let reply = frames.iter().map(|frame| match *frame {
                "ID" => request[2].to_vec(),
                frame => frame.as_bytes().to_vec(),
            });
            dealer.send(reply.collect::<zsocket::Message>()).unwrap();
            let reason = failure(&watched);
            let CloseReason::Protocol(error) = &reason else {
                // The client has gone before.
                assert_eq!(reason, CloseReason::PeerClosed);
                continue;
            };
            assert_eq!(error.protocol_event_code(), Some(code), "{error}");
        }
    }

    #[test]
    fn an_authenticator_goes_before_the_handler() {
        let contexts = [Context::new(), Context::new()];
        let handler = rep(&contexts[0], "400");
        contexts[0].set_authenticator(|peer: Authentication| peer.accept("callback"));
        let (pull, endpoint, _) = pull(&contexts[0], Security::plain_server());
        let (push, _) = push(&contexts[1], plain_client(PASSWORD), &endpoint);
        push.send("hello").unwrap();
        let (_, peer) = pull.recv_from_timeout(PATIENCE).unwrap();
        assert_eq!(pull.peer_info(peer).unwrap().user_id, "callback");
        contexts[0].shutdown();
        assert_eq!(handler.join(), 0);
    }

    #[test]
    fn a_context_ends_although_its_handler_has_not_answered() {
        let contexts = [Context::new(), Context::new()];
        let router = contexts[0].socket::<Router>().unwrap();
        router.bind(ENDPOINT).unwrap();
        let (pull, endpoint, _) = pull(&contexts[0], Security::plain_server());
        let (push, _) = push(&contexts[1], plain_client(PASSWORD), &endpoint);
        router.recv_timeout(PATIENCE).unwrap();
        drop((pull, push, router));
        for context in contexts {
            assert!(context.term_timeout(PATIENCE).is_ok());
        }
    }
}
