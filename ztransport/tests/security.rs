//! Security mechanisms and ZAP through the whole engine: who is let in, and who is not.

#[allow(dead_code, reason = "shared with the other tests")]
mod common;

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use common::{
    PATIENCE, Side, WIRES, curve, curve_keys, failure, options, plain_client, plain_server,
    refusal,
    scripted::{Scripted, tcp},
};
use zmtp::{Error, MechanismConfig, curve::ClientConfig, zap};
use ztransport::{CloseReason, Event, Letter};

#[test]
fn who_is_to_come_again_does_and_may_be_let_in_then() {
    let status = zap::Status::TemporaryError;
    for wire in WIRES {
        let mut server = Side::new(options(plain_server()));
        let endpoint = server.bind(wire);
        let mut client = Side::new(options(plain_client("admin")));
        client.connect(&endpoint);
        client.send("queued".into());
        let question = server.question();
        let answer = refusal(&question, status);
        question.answer(answer);
        let reason = CloseReason::Protocol(Error::AuthenticationFailed { status });
        assert_eq!(failure(&server), reason);
        // It is not told why.
        assert_eq!(failure(&client), CloseReason::PeerClosed);
        assert_eq!(server.handle.counters().closed_refused.value(), 1);
        let question = server.question();
        let reply = zap::Reply::success(question.request(), "");
        question.answer(zap::Answer::Reply(reply));
        server.await_link();
        assert!(server.recv() == "queued");
        let counters = server.handle.counters();
        assert_eq!(
            (counters.established.value(), counters.open.value()),
            (1, 1)
        );
    }
}

#[test]
fn who_is_refused_is_told_and_does_not_come_again() {
    use zap::Status::{AuthenticationFailure, InternalError};
    for wire in WIRES {
        for status in [AuthenticationFailure, InternalError] {
            let mut server = Side::new(options(plain_server()));
            let endpoint = server.bind(wire);
            let mut client = Side::new(options(plain_client("admin")));
            client.connect(&endpoint);
            client.send("queued".into());
            let question = server.question();
            let answer = refusal(&question, status);
            question.answer(answer);
            let reason = CloseReason::Protocol(Error::AuthenticationFailed { status });
            assert_eq!(failure(&server), reason);
            let reason = status.as_str().into();
            assert_eq!(
                failure(&client),
                CloseReason::Protocol(Error::Refused { reason })
            );
            // Both connections are over: nothing is left that could come again.
            let deadline = Some(Instant::now() + PATIENCE);
            assert!(client.reactor.wait_idle(deadline) && server.reactor.wait_idle(deadline));
            assert!(client.link().writer.is_closed());
            assert_eq!(client.handle.counters().lost_to_peer.value(), 1);
            for side in [&server, &client] {
                assert_eq!(side.handle.counters().closed_refused.value(), 1);
            }
            assert!(!server.has_question());
        }
    }
}

#[test]
fn without_a_handler_plain_lets_nobody_in() {
    for wire in WIRES {
        for nobody_ever in [false, true] {
            let mut server = Side::new(options(plain_server()));
            let endpoint = server.bind(wire);
            if nobody_ever {
                server.reactor.set_authority(None);
            }
            let client = Side::new(options(plain_client("admin")));
            client.connect_only(&endpoint);
            if !nobody_ever {
                server.question().answer(zap::Answer::NoHandler);
            }
            assert_eq!(failure(&server), CloseReason::Protocol(Error::NoZapHandler));
            assert_eq!(failure(&client), CloseReason::PeerClosed);
            assert_eq!(server.handle.counters().established.value(), 0);
        }
    }
}

#[test]
fn who_drops_a_question_lets_nobody_in() {
    let mut config = options(MechanismConfig::Null);
    // Without anybody to ask it would come in.
    config.zap = Some(zap::Policy::new("global"));
    let mut server = Side::new(config);
    let endpoint = server.bind(WIRES[0]);
    let client = Side::new(options(MechanismConfig::Null));
    client.connect_only(&endpoint);
    drop(server.question());
    assert_eq!(failure(&server).status(), Some(500));
    assert_eq!(server.handle.counters().established.value(), 0);
}

#[test]
fn null_asks_when_it_has_a_domain() {
    for wire in WIRES {
        for (enforce, answers, comes_in) in [
            (false, true, true),
            (true, true, true),
            (false, false, true),
            (true, false, false),
        ] {
            let mut config = options(MechanismConfig::Null);
            config.zap = Some(
                zap::Policy::new("global")
                    .with_enforced_domain(enforce)
                    .unwrap(),
            );
            let mut server = Side::new(config);
            let endpoint = server.bind(wire);
            let mut client = Side::new(options(MechanismConfig::Null));
            client.connect(&endpoint);
            let question = server.question();
            assert_eq!(question.request().credentials, zap::Credentials::Null);
            assert_eq!(&question.request().domain[..], b"global");
            if answers {
                let reply = zap::Reply::success(question.request(), "somebody");
                question.answer(zap::Answer::Reply(reply));
            } else {
                question.answer(zap::Answer::NoHandler);
            }
            if comes_in {
                server.await_link();
                let user_id = &server.link().peer.as_ref().unwrap().user_id;
                assert_eq!(&user_id[..], if answers { &b"somebody"[..] } else { b"" });
                client.send("hello".into());
                assert!(server.recv() == "hello");
            } else {
                assert_eq!(failure(&server), CloseReason::Protocol(Error::NoZapHandler));
            }
        }
    }
}

#[test]
fn keys_that_do_not_fit_end_the_handshake() {
    for wire in WIRES {
        let (server, _) = curve();
        // Knows another server.
        let keys = ClientConfig::new(*curve_keys().public(), curve_keys());
        let mut server = Side::new(options(server));
        let endpoint = server.bind(wire);
        let client = Side::new(options(MechanismConfig::CurveClient(keys)));
        client.connect_only(&endpoint);
        let reason = failure(&server);
        assert!(matches!(reason, CloseReason::Protocol(_)), "{reason}");
        failure(&client);
        // It does not give up, and never comes in.
        failure(&server);
        let counters = server.handle.counters();
        assert!(counters.closed_protocol.value() >= 2);
        assert_eq!(counters.established.value(), 0);
        assert!(!server.has_letters());
    }
}

#[test]
fn ends_that_do_not_fit_together_part() {
    let (curve_server, curve_client) = curve();
    let null = MechanismConfig::Null;
    let plain_client = plain_client("admin");
    for wire in WIRES {
        for (bound, connecting) in [
            (&curve_server, &null),
            (&null, &curve_client),
            (&curve_server, &plain_client),
            (&plain_server(), &curve_client),
            // Two clients: each greets first.
            (&curve_client, &curve_client),
            (&plain_client, &plain_client),
        ] {
            let mut server = Side::new(options(bound.clone()));
            let endpoint = server.bind(wire);
            let client = Side::new(options(connecting.clone()));
            client.connect_only(&endpoint);
            failure(&server);
            failure(&client);
            for side in [&server, &client] {
                assert_eq!(side.handle.counters().established.value(), 0);
            }
            let refused = |side: &Side| side.handle.counters().closed_protocol.value();
            assert!(refused(&server) + refused(&client) >= 1);
        }
        // Two servers: each waits for the other.
        for mechanism in [&curve_server, &plain_server()] {
            let mut config = options(mechanism.clone());
            config.handshake_interval = Some(Duration::from_millis(50));
            let mut server = Side::new(config);
            let endpoint = server.bind(wire);
            let client = Side::new(options(mechanism.clone()));
            client.connect_only(&endpoint);
            assert_eq!(failure(&server), CloseReason::HandshakeTimeout);
            assert_eq!(failure(&client), CloseReason::PeerClosed);
            assert!(server.handle.counters().closed_handshake_timeout.value() >= 1);
        }
    }
}

#[test]
fn old_peers_are_refused_where_there_is_security() {
    let (curve_server, _) = curve();
    let mut asking = options(MechanismConfig::Null);
    asking.zap = Some(zap::Policy::new("global"));
    let mut modern = options(MechanismConfig::Null);
    modern.oldest_version = zmtp::Version::V3_0;
    for config in [
        options(curve_server),
        options(plain_server()),
        asking,
        modern,
    ] {
        let mut server = Side::new(config);
        let endpoint = server.bind(WIRES[0]);
        for speech in [&b"\x01\0"[..], b"\xFF\0\0\0\0\0\0\0\x01\x7F\x01\x08\0\0"] {
            let mut stranger = tcp(&endpoint);
            stranger.write_all(speech).unwrap();
            read_to_close(&mut stranger);
            let reason = failure(&server);
            assert!(
                matches!(
                    reason,
                    CloseReason::Protocol(
                        Error::VersionWithoutSecurity { .. } | Error::UnsupportedVersion { .. }
                    )
                ),
                "{reason}"
            );
        }
        assert_eq!(server.handle.counters().established.value(), 0);
        assert!(!server.has_letters());
    }
}

fn read_to_close(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    if let Err(error) = stream.read_to_end(&mut all) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    all
}

#[test]
fn an_answer_that_comes_late_does_not_let_the_next_peer_in() {
    // A server that connects: one connection with one stream after the other.
    let mut server = Side::new(options(plain_server()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    server.connect_only(&format!("tcp://{address}").parse().unwrap());
    let accept = || Scripted::new(listener.accept().unwrap().0, plain_client("admin"));

    let mut first = accept();
    first.transmit();
    while !server.has_question() {
        first.step_or_wait();
    }
    let early = server.question();
    drop(first);
    assert_eq!(failure(&server), CloseReason::PeerClosed);

    let mut second = accept();
    second.transmit();
    while !server.has_question() {
        second.step_or_wait();
    }
    let question = server.question();
    // This was about somebody else.
    let reply = zap::Reply::success(early.request(), "somebody else");
    early.answer(zap::Answer::Reply(reply));
    let status = zap::Status::AuthenticationFailure;
    let answer = refusal(&question, status);
    question.answer(answer);
    let refused = loop {
        if let Err(error) = second.step() {
            break error;
        }
    };
    let reason = "400".into();
    assert_eq!(refused, Error::Refused { reason });
    let reason = CloseReason::Protocol(Error::AuthenticationFailed { status });
    assert_eq!(failure(&server), reason);
    assert_eq!(server.handle.counters().established.value(), 0);
}

#[test]
fn answers_about_those_who_are_gone_go_nowhere() {
    let mut server = Side::new(options(plain_server()));
    let endpoint = server.bind(WIRES[0]);
    for _ in 0..20 {
        let mut client = Scripted::new(tcp(&endpoint), plain_client("admin"));
        while !server.has_question() {
            client.step_or_wait();
        }
        drop(client);
        assert_eq!(failure(&server), CloseReason::PeerClosed);
        let question = server.question();
        let reply = zap::Reply::success(question.request(), "too late");
        question.answer(zap::Answer::Reply(reply));
    }
    assert_eq!(server.handle.counters().closed_peer.value(), 20);
    assert_eq!(server.handle.counters().established.value(), 0);
    assert!(!server.has_letters());
}

#[test]
fn a_question_that_is_kept_keeps_nothing_alive() {
    let mut server = Side::new(options(plain_server()));
    let kept = Arc::clone(&server.options);
    let endpoint = server.bind(WIRES[0]);
    let client = Side::new(options(plain_client("admin")));
    client.connect_only(&endpoint);
    let question = server.question();
    drop((client, server));
    assert_eq!(Arc::strong_count(&kept), 1);
    // Its answer goes nowhere.
    let reply = zap::Reply::success(question.request(), "");
    question.answer(zap::Answer::Reply(reply));
}

#[test]
fn an_answer_after_the_handshake_had_its_time_goes_nowhere() {
    for wire in WIRES {
        let mut config = options(plain_server());
        config.handshake_interval = Some(Duration::from_secs(2));
        let mut server = Side::new(config);
        let endpoint = server.bind(wire);
        let mut config = options(plain_client("admin"));
        // Each of them comes once.
        config.reconnect_interval = None;
        let mut first = Side::new(config.clone());
        first.connect(&endpoint);
        let question = server.question();
        assert_eq!(failure(&server), CloseReason::HandshakeTimeout);
        let reply = zap::Reply::success(question.request(), "too late");
        question.answer(zap::Answer::Reply(reply));
        assert_eq!(failure(&first), CloseReason::PeerClosed);
        // The next one asks anew, and is let in.
        let mut second = Side::new(config);
        second.connect(&endpoint);
        let question = server.question();
        let reply = zap::Reply::success(question.request(), "in time");
        question.answer(zap::Answer::Reply(reply));
        server.await_link();
        let peer = server.link().peer.clone().unwrap();
        assert_eq!(&peer.user_id[..], b"in time");
        assert_eq!(server.handle.counters().established.value(), 1);
    }
}

#[test]
fn letters_come_in_the_order_of_a_handshake() {
    let mut server = Side::new(options(plain_server()));
    let endpoint = server.bind(WIRES[0]);
    let mut client = Side::new(options(plain_client("admin")));
    client.connect(&endpoint);
    let question = server.question();
    assert!(!server.has_letters());
    let reply = zap::Reply::success(question.request(), "");
    question.answer(zap::Answer::Reply(reply));
    let letter = server.letter("a link", |letter| matches!(letter, Letter::Attach(_)));
    assert!(matches!(letter, Letter::Attach(_)));
    client.await_established();
    let kinds = |side: &Side| -> Vec<&'static str> {
        let mut kinds = Vec::new();
        while let Some(event) = side.events.try_recv() {
            kinds.push(match event {
                Event::Listening { .. } => "listening",
                Event::Accepted { .. } => "accepted",
                Event::ConnectDelayed { .. } => "delayed",
                Event::Connected { .. } => "connected",
                Event::HandshakeSucceeded { .. } => "succeeded",
                other => panic!("{other:?}"),
            });
        }
        kinds
    };
    assert_eq!(kinds(&server), ["listening", "accepted", "succeeded"]);
    assert_eq!(kinds(&client), ["delayed", "connected", "succeeded"]);
}
