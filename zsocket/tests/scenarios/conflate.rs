//! Only the latest message waits.

use std::time::Duration;

use zsocket::{
    Context, Dealer, Dynamic, Error, Event, InvalidOption, Message, Pub, Pull, Push, Router,
    Socket, SocketType, Sub,
};

use crate::{
    futures::block_on,
    old::{DIALECTS, Old},
    support::{
        PATIENCE, RawListener, SMALL_BUFFER, WIRES, eventually, everywhere, spawn, wait_for,
    },
};

/// What a burst is for the operating system and every queue: more than they hold.
const BURST: u32 = 20_000;

fn number(message: &Message) -> u32 {
    message[0].as_str().unwrap().parse().unwrap()
}

/// Receives until the last of a burst comes; the numbers ascend.
fn read_up_to<P: zsocket::CanReceive>(socket: &Socket<P>, last: u32) -> u64 {
    let (mut before, mut read) = (None, 0);
    loop {
        let message = socket.recv_timeout(PATIENCE).unwrap();
        let now = number(&message);
        assert!(before < Some(now));
        (before, read) = (Some(now), read + 1);
        if now == last {
            return read;
        }
    }
}

#[test]
fn an_unread_pull_holds_nobody_up_and_has_the_last() {
    for endpoint in everywhere() {
        let context = Context::new();
        let pull: Socket<Pull> = context.build_socket().conflate(true).build().unwrap();
        let push = context.socket::<Push>().unwrap();
        push.connect(pull.bind(endpoint).unwrap()).unwrap();
        for value in 0..BURST {
            push.send_timeout(value.to_string(), PATIENCE).unwrap();
        }
        eventually("all but the last are replaced", || {
            pull.stats().dropped.conflated == u64::from(BURST) - 1
        });
        assert_eq!(number(&pull.recv_timeout(PATIENCE).unwrap()), BURST - 1);
        assert!(matches!(pull.try_recv(), Err(Error::WouldBlock(_))));
        // And it goes on.
        push.send("7").unwrap();
        assert_eq!(number(&pull.recv_timeout(PATIENCE).unwrap()), 7);
    }
}

#[test]
fn every_message_is_received_or_counted_while_both_are_busy() {
    for endpoint in everywhere() {
        let context = Context::new();
        let pull: Socket<Pull> = context.build_socket().conflate(true).build().unwrap();
        let push: Socket<Push> = context.build_socket().conflate(true).build().unwrap();
        push.connect(pull.bind(endpoint).unwrap()).unwrap();
        let sender = spawn(move || {
            for value in 0..BURST {
                push.send_timeout(value.to_string(), PATIENCE).unwrap();
            }
            push
        });
        let read = read_up_to(&pull, BURST - 1);
        let push = sender.join();
        let replaced = push.stats().dropped.conflated + pull.stats().dropped.conflated;
        assert_eq!(read + replaced, u64::from(BURST), "{endpoint}");
    }
}

#[test]
fn a_push_that_conflates_sends_the_last_to_a_peer_that_was_stuck() {
    for wire in WIRES {
        let context = Context::new();
        let listener = RawListener::anywhere(wire);
        let push: Socket<Push> = context.build_socket().conflate(true).build().unwrap();
        push.set_send_buffer(Some(SMALL_BUFFER)).unwrap();
        push.connect(listener.endpoint()).unwrap();
        let mut peer = listener.accept_as("PULL");
        // More than the system takes, and more than the mark.
        let filler = "x".repeat(1000);
        for value in 0..BURST {
            let message = Message::from([value.to_string(), filler.clone()]);
            push.send_timeout(message, PATIENCE).unwrap();
        }
        let mut before = None;
        loop {
            let message = peer.read_message();
            assert_eq!((message.len(), message[1].len()), (2, filler.len()));
            let now: u32 = String::from_utf8(message[0].clone())
                .unwrap()
                .parse()
                .unwrap();
            assert!(before < Some(now));
            before = Some(now);
            if now == BURST - 1 {
                break;
            }
        }
        assert!(push.stats().dropped.conflated > u64::from(BURST) / 2);
    }
}

#[test]
fn the_last_is_sent_before_a_closed_socket_is_gone() {
    for wire in WIRES {
        let context = Context::new();
        let listener = RawListener::anywhere(wire);
        let push: Socket<Push> = context.build_socket().conflate(true).build().unwrap();
        push.connect(listener.endpoint()).unwrap();
        for value in ["1", "2", "3"] {
            push.send(value).unwrap();
        }
        // Nothing could be sent so far.
        drop(push);
        let mut peer = listener.accept_as("PULL");
        assert_eq!(peer.read_message(), [b"3"]);
        drop(peer);
        context.term().unwrap();
    }
}

#[test]
fn what_is_left_when_the_peer_is_gone_is_counted_once() {
    for endpoint in everywhere() {
        let context = Context::new();
        let push: Socket<Push> = context.build_socket().conflate(true).build().unwrap();
        let pull = context.socket::<Pull>().unwrap();
        push.bind(endpoint).unwrap();
        pull.connect(push.last_endpoint().unwrap()).unwrap();
        push.send_timeout("arrives", PATIENCE).unwrap();
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "arrives");
        drop(pull);
        eventually("the peer is gone", || push.peers() == 0);
        assert!(matches!(
            push.try_send("nobody").unwrap_err().error,
            Error::WouldBlock(_)
        ));
    }
    // Over inproc, where nothing is on its way, it is known exactly.
    let context = Context::new();
    let push: Socket<Push> = context.build_socket().conflate(true).build().unwrap();
    let pull = context.socket::<Pull>().unwrap();
    pull.bind("inproc://goes").unwrap();
    push.connect("inproc://goes").unwrap();
    push.send("replaced").unwrap();
    push.send("lost").unwrap();
    drop(pull);
    eventually("the peer is gone", || push.peers() == 0);
    let dropped = push.stats().dropped;
    assert_eq!((dropped.conflated, dropped.peer_lost), (1, 1));
}

#[test]
fn what_a_peer_has_left_is_received() {
    for endpoint in everywhere() {
        let context = Context::new();
        let pull: Socket<Pull> = context.build_socket().conflate(true).build().unwrap();
        let endpoint = pull.bind(endpoint).unwrap();
        let push = context.socket::<Push>().unwrap();
        push.connect(&endpoint).unwrap();
        for value in ["1", "2", "3"] {
            push.send(value).unwrap();
        }
        drop(push);
        // Not before all of it has arrived.
        eventually("all but the last are replaced", || {
            pull.stats().dropped.conflated == 2
        });
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "3");
        eventually("the link is gone", || {
            pull.try_recv().is_err() && pull.peers() == 0
        });
    }
}

#[test]
fn a_subscriber_that_conflates_has_the_last_of_each_publisher() {
    for endpoint in everywhere() {
        let context = Context::new();
        let publisher = context.socket::<Pub>().unwrap();
        // So that the publisher drops nothing.
        publisher.set_send_hwm(0).unwrap();
        let endpoint = publisher.bind(endpoint).unwrap();
        let subscriber: Socket<Sub> = context.build_socket().conflate(true).build().unwrap();
        subscriber.connect(&endpoint).unwrap();
        // Subscriptions are not conflated, in neither direction.
        for topic in ["1", "2", "3"] {
            subscriber.subscribe(topic).unwrap();
        }
        for topic in ["1", "2", "3"] {
            publisher.wait_subscribed(topic, 1, PATIENCE).unwrap();
        }
        for value in 10_000..40_000_u32 {
            publisher.send(value.to_string()).unwrap();
        }
        publisher.send("4 nobody has subscribed to it").unwrap();
        eventually("all but the last are replaced", || {
            subscriber.stats().dropped.conflated == 30_000 - 1
        });
        assert_eq!(number(&subscriber.recv_timeout(PATIENCE).unwrap()), 39_999);
        assert_eq!(publisher.stats().dropped.hwm, 0);
    }
}

#[test]
fn a_publisher_that_conflates_drops_nothing_else() {
    for endpoint in everywhere() {
        let context = Context::new();
        let publisher: Socket<Pub> = context.build_socket().conflate(true).build().unwrap();
        publisher.set_send_hwm(1).unwrap();
        let endpoint = publisher.bind(endpoint).unwrap();
        let subscribers: [Socket<Sub>; 3] = std::array::from_fn(|_| {
            let subscriber = context.socket().unwrap();
            subscriber.connect(&endpoint).unwrap();
            for topic in ["1", "2", "3", ""] {
                subscriber.subscribe(topic).unwrap();
            }
            subscriber
        });
        publisher.wait_subscribed("", 3, PATIENCE).unwrap();
        for value in 0..BURST {
            publisher.send(value.to_string()).unwrap();
        }
        for subscriber in &subscribers {
            read_up_to(subscriber, BURST - 1);
        }
        assert_eq!(publisher.stats().dropped.hwm, 0);
    }
}

#[test]
fn messages_are_replaced_whole() {
    for endpoint in everywhere() {
        let context = Context::new();
        let pull: Socket<Pull> = context.build_socket().conflate(true).build().unwrap();
        let push = context.socket::<Push>().unwrap();
        push.connect(pull.bind(endpoint).unwrap()).unwrap();
        let sender = spawn(move || {
            for value in 0..2000_usize {
                // Some of them are long, and spliced, or come in pieces.
                let size = if value.is_multiple_of(10) {
                    50_000
                } else {
                    value % 50
                };
                let text = value.to_string();
                let frames = value % 3 + 1;
                let mut message: Message = (0..frames).map(|_| text.clone()).collect();
                message.push_back(vec![b'x'; size]);
                push.send_timeout(message, PATIENCE).unwrap();
            }
            push
        });
        loop {
            let message = pull.recv_timeout(PATIENCE).unwrap();
            let value = number(&message) as usize;
            assert_eq!(message.len(), value % 3 + 2);
            let size = if value.is_multiple_of(10) {
                50_000
            } else {
                value % 50
            };
            assert_eq!(message.last().unwrap().len(), size);
            let (_, texts) = message.frames().split_last().unwrap();
            assert!(
                texts
                    .iter()
                    .all(|text| text.as_slice() == value.to_string().as_bytes())
            );
            if value == 1999 {
                break;
            }
        }
        drop(sender.join());
    }
}

#[test]
fn whoever_waits_is_woken() {
    for endpoint in everywhere() {
        let context = Context::new();
        let pull: Socket<Pull> = context.build_socket().conflate(true).build().unwrap();
        let echo: Socket<Push> = context.build_socket().conflate(true).build().unwrap();
        let (there, back) = (context.socket::<Push>(), context.socket::<Pull>());
        let (there, back) = (there.unwrap(), back.unwrap());
        there.connect(pull.bind(endpoint).unwrap()).unwrap();
        let endpoint = endpoint.replace("anywhere", "else");
        back.connect(echo.bind(endpoint.as_str()).unwrap()).unwrap();
        let other = spawn(move || {
            for _ in 0..300 {
                echo.send(pull.recv_timeout(PATIENCE).unwrap()).unwrap();
            }
            for _ in 0..300 {
                echo.send(block_on(pull.recv_async()).unwrap()).unwrap();
            }
            (pull, echo)
        });
        // Each of them is alone, so none is replaced, and each has to wake the other.
        for value in 0..600_u32 {
            there.send(value.to_string()).unwrap();
            assert_eq!(number(&back.recv_timeout(PATIENCE).unwrap()), value);
        }
        drop(other.join());
    }
}

#[test]
fn a_dealer_conflates_both_ways() {
    for endpoint in everywhere() {
        let context = Context::new();
        let router = context.socket::<Router>().unwrap();
        router.set_send_hwm(0).unwrap();
        router.set_recv_hwm(0).unwrap();
        let dealer: Socket<Dealer> = context.build_socket().conflate(true).build().unwrap();
        dealer.connect(router.bind(endpoint).unwrap()).unwrap();
        dealer.send("hello").unwrap();
        let id = router.recv_timeout(PATIENCE).unwrap()[0].clone();
        for value in 0..1000_u32 {
            let text = value.to_string();
            router.send([id.clone(), text.into()]).unwrap();
        }
        let read = read_up_to(&dealer, 999);
        assert_eq!(read + dealer.stats().dropped.conflated, 1000);
        for value in 0..1000_u32 {
            dealer.send_timeout(value.to_string(), PATIENCE).unwrap();
        }
        while router.recv_timeout(PATIENCE).unwrap()[1] != "999" {}
    }
}

#[test]
fn each_topic_keeps_its_last_message() {
    for endpoint in everywhere() {
        let context = Context::new();
        let pull: Socket<Pull> = (context.build_socket().conflate_by_topic(Some(3)))
            .build()
            .unwrap();
        let push = context.socket::<Push>().unwrap();
        push.connect(pull.bind(endpoint).unwrap()).unwrap();
        let update = |topic: &str, value: &str| Message::from([topic, value, "end"]);
        for value in 0..1000 {
            for topic in ["b", "a", "c"] {
                push.send_timeout(update(topic, &value.to_string()), PATIENCE)
                    .unwrap();
            }
        }
        let dropped = || pull.stats().dropped;
        eventually("they are replaced", || dropped().conflated == 3000 - 3);
        // One more crowds out the oldest.
        push.send(update("d", "new")).unwrap();
        eventually("one is crowded out", || dropped().crowded_out == 1);
        for (topic, value) in [("a", "999"), ("c", "999"), ("d", "new")] {
            let message = pull.recv_timeout(PATIENCE).unwrap();
            assert_eq!(message, update(topic, value));
        }
        assert!(matches!(pull.try_recv(), Err(Error::WouldBlock(_))));
    }
}

#[test]
fn a_subscriber_has_the_last_of_each_topic() {
    for endpoint in everywhere() {
        let context = Context::new();
        let publisher = context.socket::<Pub>().unwrap();
        publisher.set_send_hwm(0).unwrap();
        let endpoint = publisher.bind(endpoint).unwrap();
        let subscriber: Socket<Sub> = (context.build_socket().conflate_by_topic(Some(100)))
            .build()
            .unwrap();
        subscriber.connect(&endpoint).unwrap();
        subscriber.subscribe("t").unwrap();
        publisher.wait_subscribed("t", 1, PATIENCE).unwrap();
        for value in 0..50 {
            for topic in 0..100 {
                let message = [format!("t{topic}"), value.to_string()];
                publisher.send(message).unwrap();
            }
        }
        eventually("they are replaced", || {
            subscriber.stats().dropped.conflated == 49 * 100
        });
        for topic in 0..100 {
            let message = subscriber.recv_timeout(PATIENCE).unwrap();
            assert_eq!(message, Message::from([format!("t{topic}"), "49".into()]));
        }
    }
}

#[test]
fn over_inproc_either_side_may_ask_and_come_first() {
    for bind_first in [true, false] {
        for pull_binds in [true, false] {
            for pull_asks in [true, false] {
                let context = Context::new();
                let pull: Socket<Pull> =
                    context.build_socket().conflate(pull_asks).build().unwrap();
                let push: Socket<Push> =
                    context.build_socket().conflate(!pull_asks).build().unwrap();
                let meet = |binds: bool| match binds == pull_binds {
                    true if binds => drop(pull.bind("inproc://meet").unwrap()),
                    true => drop(push.bind("inproc://meet").unwrap()),
                    false if pull_binds => push.connect("inproc://meet").unwrap(),
                    false => pull.connect("inproc://meet").unwrap(),
                };
                let (bind, connect) = (pull_binds, !pull_binds);
                meet(if bind_first { bind } else { connect });
                if !bind_first && !pull_binds {
                    // The reader has looked already.
                    assert!(pull.try_recv().is_err());
                }
                if !bind_first && pull_binds {
                    push.send("waits").unwrap();
                }
                meet(if bind_first { connect } else { bind });
                for value in 0..BURST {
                    push.send_timeout(value.to_string(), PATIENCE).unwrap();
                }
                let what = (bind_first, pull_binds, pull_asks);
                let message = pull.recv_timeout(PATIENCE).unwrap();
                assert_eq!(number(&message), BURST - 1, "{what:?}");
                let waits = u64::from(!bind_first && pull_binds);
                let counts = (pull.stats(), push.stats());
                let counts = (counts.0.dropped.conflated, counts.1.dropped.conflated);
                let all = u64::from(BURST) - 1 + waits;
                assert_eq!(
                    counts,
                    if pull_asks { (all, 0) } else { (0, all) },
                    "{what:?}"
                );
                // Both ends still learn when the other one goes.
                drop(pull);
                eventually("the peer is gone", || push.peers() == 0);
            }
        }
    }
}

#[test]
fn what_was_sent_before_anybody_bound_comes_though_the_sender_is_not_called() {
    let context = Context::new();
    let push = context.socket::<Push>().unwrap();
    push.connect("inproc://later").unwrap();
    for value in ["1", "2", "3"] {
        push.send(value).unwrap();
    }
    let pull: Socket<Pull> = context.build_socket().conflate(true).build().unwrap();
    pull.bind("inproc://later").unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "3");
    drop(push);
    eventually("the link is gone", || pull.peers() == 0);
}

#[test]
fn a_sender_that_was_full_before_the_binder_came_goes_on() {
    let context = Context::new();
    let push: Socket<Push> = context.build_socket().send_hwm(2).build().unwrap();
    push.connect("inproc://full").unwrap();
    push.send("1").unwrap();
    push.send("2").unwrap();
    assert!(push.try_send("3").is_err());
    let sender = spawn(move || {
        for value in 3..1000_u32 {
            push.send_timeout(value.to_string(), PATIENCE).unwrap();
        }
        push
    });
    let pull: Socket<Pull> = context.build_socket().conflate(true).build().unwrap();
    pull.bind("inproc://full").unwrap();
    read_up_to(&pull, 999);
    drop(sender.join());
}

#[test]
fn the_option_is_refused_where_it_makes_no_sense() {
    let context = Context::new();
    let can = |socket_type| {
        let socket = context.dynamic(socket_type).unwrap();
        let one = socket.set_conflate(true).is_ok();
        (one, socket.set_conflate_by_topic(Some(1)).is_ok())
    };
    for socket_type in [SocketType::Pull, SocketType::Sub] {
        assert_eq!(can(socket_type), (true, true));
    }
    for socket_type in [SocketType::Push, SocketType::Pub, SocketType::Dealer] {
        assert_eq!(can(socket_type), (true, false));
    }
    for socket_type in [
        SocketType::Pair,
        SocketType::Req,
        SocketType::Rep,
        SocketType::Router,
        SocketType::XPub,
        SocketType::XSub,
    ] {
        assert_eq!(can(socket_type), (false, false));
        let socket: Socket<Dynamic> = context.dynamic(socket_type).unwrap();
        let refused = socket.set_conflate(true).unwrap_err();
        assert!(matches!(
            refused.option(),
            Some(InvalidOption::NotOfType { .. })
        ));
    }
    let pull = context.socket::<Pull>().unwrap();
    let refused = pull.set_conflate_by_topic(Some(0)).unwrap_err();
    assert!(matches!(
        refused.option(),
        Some(InvalidOption::Value { .. })
    ));
    pull.set_conflate_by_topic(Some(5)).unwrap();
    pull.set_conflate(true).unwrap();
    assert!(pull.conflate() && pull.conflate_by_topic() == Some(5));
}

#[test]
fn later_endpoints_only() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let before = pull.bind("inproc://before").unwrap();
    pull.set_conflate(true).unwrap();
    let push = context.socket::<Push>().unwrap();
    push.connect(before).unwrap();
    for value in ["1", "2"] {
        push.send(value).unwrap();
    }
    for value in ["1", "2"] {
        let message = pull.recv_timeout(Duration::from_secs(1)).unwrap();
        assert_eq!(message[0], value);
    }
}

#[test]
fn peers_of_every_version_get_and_bring_the_last() {
    for wire in WIRES {
        for dialect in DIALECTS {
            let context = Context::new();
            let pull: Socket<Pull> = (context.build_socket().recv_hwm(3).conflate(true))
                .build()
                .unwrap();
            let mut old = Old::connect(&pull.bind(wire.anywhere()).unwrap(), dialect, "PUSH");
            for value in 0..3000_u32 {
                old.send(&[value.to_string().as_bytes(), b"end"]);
            }
            eventually("all but the last are replaced", || {
                pull.stats().dropped.conflated == 2999
            });
            let message = pull.recv_timeout(PATIENCE).unwrap();
            assert_eq!(message, Message::from(["2999", "end"]));

            let push: Socket<Push> = context.build_socket().conflate(true).build().unwrap();
            let listener = RawListener::anywhere(wire);
            push.connect(listener.endpoint()).unwrap();
            for value in ["1", "2", "3"] {
                push.send([value, "end"]).unwrap();
            }
            let mut old = Old::accept(&listener, dialect, "PULL");
            assert_eq!(old.read_message(), [b"3".to_vec(), b"end".to_vec()]);
            push.send("4").unwrap();
            assert_eq!(old.read_message(), [b"4"]);
        }
    }
}

#[test]
fn after_a_reconnection_the_last_is_sent() {
    for wire in WIRES {
        let context = Context::new();
        let listener = RawListener::anywhere(wire);
        let push: Socket<Push> = (context.build_socket().conflate(true))
            .reconnect_interval(Some(Duration::from_millis(1)))
            .build()
            .unwrap();
        let monitor = push.monitor();
        push.connect(listener.endpoint()).unwrap();
        let mut peer = listener.accept_as("PULL");
        push.send("1").unwrap();
        assert_eq!(peer.read_message(), [b"1"]);
        drop(peer);
        wait_for(&monitor, "the end", |event| {
            matches!(event, Event::Disconnected { .. })
        });
        for value in ["2", "3", "4"] {
            push.send(value).unwrap();
        }
        let mut peer = listener.accept_as("PULL");
        // A connection may have been made and broken again in between, and have taken the one before.
        while peer.read_message() != [b"4"] {}
    }
}
