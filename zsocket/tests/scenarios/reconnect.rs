//! Connections that break, and are made again.

use std::{io::Read, time::Duration};

use zsocket::{CloseReason, Context, Error, Event, Message, Pull, Push, Req};

use crate::support::{
    A_WHILE, HUGE, PATIENCE, Raw, RawListener, SMALL_BUFFER, WIRES, eventually, wait_for,
};

const SOON: Duration = Duration::from_millis(5);

#[test]
fn a_listener_that_comes_back_gets_what_was_queued_meanwhile() {
    for wire in WIRES {
        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        push.set_reconnect_interval(Some(SOON)).unwrap();
        let monitor = push.monitor();
        let first = context.socket::<Pull>().unwrap();
        let endpoint = first.bind(wire.anywhere()).unwrap();
        // The directory of a wildcard path goes with its listener.
        let kept = match endpoint.to_string().split_once("ipc://") {
            Some((_, path)) => std::path::Path::new(path).parent().map(ToOwned::to_owned),
            None => None,
        };
        push.connect(&endpoint).unwrap();
        push.send("one").unwrap();
        assert_eq!(first.recv_timeout(PATIENCE).unwrap()[0], "one");
        first.close();
        wait_for(&monitor, "the loss", |event| {
            matches!(event, Event::Disconnected { .. })
        });
        if let Some(directory) = kept {
            std::fs::create_dir_all(directory).unwrap();
        }
        for at in 0..10u8 {
            push.send([at]).unwrap();
        }
        let second = context.socket::<Pull>().unwrap();
        second.bind(&endpoint).unwrap();
        for at in 0..10u8 {
            assert_eq!(second.recv_timeout(PATIENCE).unwrap()[0], [at]);
        }
        wait_for(&monitor, "the new handshake", |event| {
            matches!(event, Event::HandshakeSucceeded { .. })
        });
        assert_eq!(push.peers(), 1);
        assert_eq!(push.stats().connections.established, 2);
        assert_eq!(push.stats().dropped.peer_lost, 0);
    }
}

#[test]
fn a_message_that_was_half_sent_is_sent_again_once() {
    let parts: Vec<Vec<u8>> = (0..3u8).map(|n| vec![n; HUGE]).collect();
    for wire in WIRES {
        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        push.set_max_refusals(0).unwrap();
        push.set_reconnect_interval(Some(SOON)).unwrap();
        push.set_send_buffer(Some(SMALL_BUFFER)).unwrap();
        let listener = RawListener::anywhere(wire);
        push.connect(listener.endpoint()).unwrap();
        let mut raw = listener.accept_as("PULL");
        push.send("first").unwrap();
        push.send(Message::from_iter(parts.clone())).unwrap();
        push.send("last").unwrap();
        assert_eq!(raw.read_message(), [b"first".to_vec()]);
        // Breaks within the first, the second and the third part.
        for read in [1000, HUGE + 5, 2 * HUGE + 100_000] {
            let mut some = vec![0; read];
            raw.read_exact(&mut some).unwrap();
            drop(raw);
            raw = listener.accept_as("PULL");
        }
        assert!(raw.read_message() == parts);
        assert_eq!(raw.read_message(), [b"last".to_vec()]);
        push.close();
        let mut rest = Vec::new();
        raw.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"");
    }
}

#[test]
fn half_of_a_message_that_was_received_is_forgotten() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        pull.set_reconnect_interval(Some(SOON)).unwrap();
        let monitor = pull.monitor();
        let listener = RawListener::anywhere(wire);
        pull.connect(listener.endpoint()).unwrap();
        let whole = crate::support::message(&[b"part", &[b'x'; 20_000], b"last part"]);
        for cut in [1, 7, 500, 20_010, whole.len() - 1] {
            let mut raw = listener.accept_as("PUSH");
            raw.send(&[b"whole"]);
            std::io::Write::write_all(&mut raw, &whole[..cut]).unwrap();
            drop(raw);
            let event = wait_for(&monitor, "the loss", |event| {
                matches!(event, Event::Disconnected { .. })
            });
            let Event::Disconnected { reason, .. } = event else {
                unreachable!("waited for")
            };
            assert_eq!(reason, CloseReason::PeerClosed);
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "whole");
            assert!(pull.try_recv().is_err());
        }
        let mut raw = listener.accept_as("PUSH");
        std::io::Write::write_all(&mut raw, &whole).unwrap();
        let message = pull.recv_timeout(PATIENCE).unwrap();
        assert_eq!((message.len(), message[1].len()), (3, 20_000));
        assert_eq!(message[2], "last part");
    }
}

/// A connection that has a new link each time it is made again may have several: those that are gone and
/// not read to the end, and the one of today.
#[test]
fn disconnecting_closes_the_link_of_today() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.build_socket::<Pull>().immediate(true);
        let pull = pull.reconnect_interval(Some(SOON)).build().unwrap();
        let listener = RawListener::anywhere(wire);
        pull.connect(listener.endpoint()).unwrap();
        for links in 1..=3 {
            let mut raw = listener.accept_as("PUSH");
            raw.send(&[b"unread"]);
            drop(raw);
            eventually("the link of yesterday", || {
                pull.peers() == links && pull.stats().connections.open == 0
            });
        }
        let mut today = listener.accept_as("PUSH");
        eventually("the link of today", || pull.peers() == 4);
        pull.disconnect(listener.endpoint()).unwrap();
        today.expect_close();
        assert_eq!(pull.peers(), 0);
        assert!(pull.try_recv().is_err());
    }
}

#[test]
fn attempts_are_announced_and_back_off() {
    for wire in WIRES {
        let context = Context::new();
        let push = context
            .build_socket::<Push>()
            .reconnect_interval(Some(Duration::from_millis(2)))
            .reconnect_interval_max(Some(Duration::from_millis(16)))
            .linger(Some(Duration::ZERO))
            .build()
            .unwrap();
        let monitor = push.monitor();
        let listener = RawListener::anywhere(wire);
        let endpoint = listener.endpoint();
        drop(listener);
        push.connect(&endpoint).unwrap();
        for base in [2, 4, 8, 16, 16, 16] {
            wait_for(
                &monitor,
                "a failed attempt",
                |event| matches!(event, Event::ConnectFailed { endpoint: at, .. } if *at == endpoint),
            );
            let event = wait_for(&monitor, "the next attempt", |event| {
                matches!(event, Event::ConnectRetried { .. })
            });
            let Event::ConnectRetried { delay, .. } = event else {
                unreachable!("waited for")
            };
            let base = Duration::from_millis(base);
            assert!(delay >= base / 2 && delay <= base, "{delay:?} for {base:?}");
        }
        assert!(push.stats().connections.connect_failed >= 6);
    }
}

#[test]
fn a_peer_that_refuses_again_and_again_is_not_hammered() {
    for wire in WIRES {
        let context = Context::new();
        let req = context
            .build_socket::<Req>()
            .reconnect_interval(Some(Duration::from_millis(2)))
            .reconnect_interval_max(Some(Duration::from_millis(64)))
            .build()
            .unwrap();
        let monitor = req.monitor();
        let listener = RawListener::anywhere(wire);
        req.connect(listener.endpoint()).unwrap();
        for base in [2, 4, 8, 16] {
            let mut raw = listener.accept();
            std::io::Write::write_all(&mut raw, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
            raw.expect_close();
            let event = wait_for(&monitor, "the next attempt", |event| {
                matches!(event, Event::ConnectRetried { .. })
            });
            let Event::ConnectRetried { delay, .. } = event else {
                unreachable!("waited for")
            };
            assert!(delay >= Duration::from_millis(base) / 2, "{delay:?}");
        }
        // A handshake that succeeds forgets the failures.
        drop(listener.accept_as("REP"));
        let event = wait_for(&monitor, "the next attempt", |event| {
            matches!(event, Event::ConnectRetried { .. })
        });
        let Event::ConnectRetried { delay, .. } = event else {
            unreachable!("waited for")
        };
        assert!(delay <= Duration::from_millis(2), "{delay:?}");
    }
}

#[test]
fn an_endpoint_that_is_not_to_be_tried_again_is_given_up() {
    for wire in WIRES {
        let context = Context::new();
        let push = context
            .build_socket::<Push>()
            .reconnect_interval(None)
            .build()
            .unwrap();
        let listener = RawListener::anywhere(wire);
        push.connect(listener.endpoint()).unwrap();
        let raw = listener.accept_as("PULL");
        assert_eq!(push.peers(), 1);
        drop(raw);
        eventually("it is given up", || {
            let _ = push.try_send("x");
            push.peers() == 0
        });
        let endpoint = listener.endpoint();
        drop(listener);
        push.connect(&endpoint).unwrap();
        // It may be given up already.
        let _ = push.try_send("never arrives");
        eventually("it is given up", || {
            let refused = push.try_send("x").is_err();
            refused && push.peers() == 0
        });
        context_ends(context, push);
    }
}

fn context_ends(context: Context, push: zsocket::Socket<Push>) {
    push.close();
    context.term_timeout(PATIENCE).unwrap();
}

#[test]
fn immediate_queues_for_established_connections_only() {
    for wire in WIRES {
        let context = Context::new();
        let push = context
            .build_socket::<Push>()
            .immediate(true)
            .reconnect_interval(Some(SOON))
            .build()
            .unwrap();
        let monitor = push.monitor();
        let listener = RawListener::anywhere(wire);
        push.connect(listener.endpoint()).unwrap();
        assert!(push.try_send("nobody").is_err());
        let raw = listener.accept();
        assert!(push.try_send("not yet").is_err());
        let mut raw = raw;
        raw.shake_hands("PULL");
        push.send_timeout("now", PATIENCE).unwrap();
        assert_eq!(raw.read_message(), [b"now".to_vec()]);
        drop(raw);
        wait_for(&monitor, "the loss", |event| {
            matches!(event, Event::Disconnected { .. })
        });
        eventually("nobody is there again", || {
            push.try_send("lost").is_err() && push.peers() == 0
        });
        let mut raw = listener.accept_as("PULL");
        push.send_timeout("again", PATIENCE).unwrap();
        assert_eq!(raw.read_message(), [b"again".to_vec()]);
        push.close();
        raw.expect_close();
        drop(raw);
        context.term_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn a_connection_that_breaks_again_and_again_loses_only_what_was_under_way() {
    for wire in WIRES {
        let context = Context::new();
        let push = context
            .build_socket::<Push>()
            .reconnect_interval(Some(Duration::from_millis(1)))
            .build()
            .unwrap();
        let listener = RawListener::anywhere(wire);
        push.connect(listener.endpoint()).unwrap();
        let mut last = None;
        for at in 0..100u32 {
            let mut raw: Raw = listener.accept_as("PULL");
            push.send(at.to_be_bytes()).unwrap();
            let message = raw.read_message();
            let number = u32::from_be_bytes(message[0][..].try_into().unwrap());
            assert!(last.is_none_or(|last| number > last), "{last:?} {number}");
            last = Some(number);
        }
    }
}

#[test]
fn a_server_that_never_answers_is_tried_again_after_the_handshake_interval() {
    for wire in WIRES {
        let context = Context::new();
        let push = context
            .build_socket::<Push>()
            .handshake_interval(Some(Duration::from_millis(30)))
            .reconnect_interval(Some(SOON))
            .build()
            .unwrap();
        let monitor = push.monitor();
        let listener = RawListener::anywhere(wire);
        push.connect(listener.endpoint()).unwrap();
        push.send("patient").unwrap();
        let silent = [listener.accept(), listener.accept()];
        for _ in &silent {
            let event = wait_for(&monitor, "a timeout", |event| {
                matches!(event, Event::HandshakeFailed { .. })
            });
            let Event::HandshakeFailed { reason, .. } = event else {
                unreachable!("waited for")
            };
            assert_eq!(reason, CloseReason::HandshakeTimeout);
        }
        assert!(push.stats().connections.handshake_timeout >= 2);
        // One that answers in time; on a busy machine some attempts may be over before.
        eventually("the message", || {
            let mut raw = listener.accept();
            std::io::Write::write_all(&mut raw, &crate::support::greeting()).is_ok()
                && std::io::Write::write_all(&mut raw, &crate::support::ready("PULL")).is_ok()
                && {
                    let mut all = vec![0; 64 + 28 + 9];
                    raw.read_exact(&mut all).is_ok() && all.ends_with(b"\0\x07patient")
                }
        });
    }
}

#[test]
fn a_req_whose_peer_is_lost_may_ask_again() {
    for wire in WIRES {
        let context = Context::new();
        let req = context.socket::<Req>().unwrap();
        req.set_reconnect_interval(Some(SOON)).unwrap();
        let listener = RawListener::anywhere(wire);
        req.connect(listener.endpoint()).unwrap();
        let mut raw = listener.accept_as("REP");
        req.send("question").unwrap();
        assert_eq!(raw.read_message(), [b"".to_vec(), b"question".to_vec()]);
        drop(raw);
        // The request is lost with the connection that carried it.
        assert!(matches!(
            req.recv_timeout(PATIENCE),
            Err(Error::PeerLost(_))
        ));
        let mut raw = listener.accept_as("REP");
        req.send("again").unwrap();
        assert_eq!(raw.read_message(), [b"".to_vec(), b"again".to_vec()]);
        raw.send(&[b"", b"answer"]);
        assert_eq!(req.recv_timeout(PATIENCE).unwrap()[0], "answer");
    }
}

#[test]
fn a_request_that_nobody_took_waits_for_a_peer() {
    for wire in WIRES {
        let context = Context::new();
        let req = context.socket::<Req>().unwrap();
        req.set_reconnect_interval(Some(SOON)).unwrap();
        let listener = RawListener::anywhere(wire);
        let endpoint = listener.endpoint();
        req.connect(&endpoint).unwrap();
        // It goes away during the handshake, before the request could be sent.
        let raw = listener.accept();
        req.send("question").unwrap();
        drop(raw);
        assert!(matches!(
            req.recv_timeout(A_WHILE),
            Err(Error::WouldBlock(_))
        ));
        let mut raw = listener.accept_as("REP");
        assert_eq!(raw.read_message(), [b"".to_vec(), b"question".to_vec()]);
        raw.send(&[b"", b"answer"]);
        assert_eq!(req.recv_timeout(PATIENCE).unwrap()[0], "answer");
    }
}

/// A listener whose queue is full takes no notice of whoever comes, and gives no answer.
fn deaf() -> (
    socket2::Socket,
    std::net::SocketAddr,
    Vec<std::net::TcpStream>,
) {
    use socket2::{Domain, Socket, Type};
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    listener.bind(&any.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, 4 * SOON) {
        waiting.push(stream);
        assert!(waiting.len() < 100, "the queue has no end");
    }
    (listener, address, waiting)
}

#[test]
fn an_attempt_to_connect_takes_no_longer_than_the_option_says() {
    let (listener, address, waiting) = deaf();
    let context = Context::new();
    let builder = context.build_socket::<Push>().connect_timeout(Some(SOON));
    let push = builder.reconnect_interval(Some(SOON)).build().unwrap();
    let monitor = push.monitor();
    push.connect(format!("tcp://{address}").as_str()).unwrap();
    // Again and again.
    for _ in 0..3 {
        wait_for(
            &monitor,
            "the end of an attempt",
            |event| matches!(event, Event::ConnectFailed { reason, .. } if reason == "connection timed out"),
        );
    }
    drop((listener, waiting));
}
