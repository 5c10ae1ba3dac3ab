//! PUB and SUB: who gets what, when a subscription counts, and what becomes of it when a connection ends.

use std::{
    io::Write,
    task::{Context as Task, Waker},
    time::Duration,
};

use zsocket::{
    Context, Dynamic, Error, Event, InvalidOption, Message, Pub, Socket, SocketType, Sub,
};

use crate::support::{
    A_WHILE, COMMAND, PATIENCE, Place, Raw, RawListener, WIRES, eventually, everywhere, frame,
    greeting, ready, wait_for,
};

/// A publisher, and a subscriber to these topics that it has heard of.
fn pair(context: &Context, endpoint: &str, topics: &[&str]) -> (Socket<Pub>, Socket<Sub>) {
    let publisher = context.socket::<Pub>().unwrap();
    let endpoint = publisher.bind(endpoint).unwrap();
    let subscriber = context.socket::<Sub>().unwrap();
    subscriber.connect(&endpoint).unwrap();
    subscribe(&publisher, &subscriber, topics);
    (publisher, subscriber)
}

fn subscribe(publisher: &Socket<Pub>, subscriber: &Socket<Sub>, topics: &[&str]) {
    for topic in topics {
        subscriber.subscribe(topic).unwrap();
    }
    for topic in topics {
        publisher.wait_subscribed(topic, 1, PATIENCE).unwrap();
    }
}

fn receive(socket: &Socket<Sub>) -> String {
    let message = socket.recv_timeout(PATIENCE).unwrap();
    String::from_utf8(message[0].to_vec()).unwrap()
}

fn has_nothing(socket: &Socket<Sub>) {
    assert!(matches!(socket.try_recv(), Err(Error::WouldBlock(_))));
}

#[test]
fn what_begins_with_a_topic_comes_and_nothing_else() {
    for endpoint in everywhere() {
        let context = Context::new();
        let (publisher, subscriber) = pair(&context, endpoint, &["a", "bc"]);
        for body in ["b", "a", "bcd", "c", "", "abc", "bc"] {
            publisher.send(body).unwrap();
        }
        for expected in ["a", "bcd", "abc", "bc"] {
            assert_eq!(receive(&subscriber), expected, "{endpoint}");
        }
        assert_eq!(publisher.stats().dropped.no_subscriber, 3);
        // The first frame decides for the whole message.
        publisher.send(["x", "a"]).unwrap();
        publisher.send(["a", "x", ""]).unwrap();
        let message = subscriber.recv_timeout(PATIENCE).unwrap();
        assert_eq!(message, Message::from(["a", "x", ""]));
    }
}

#[test]
fn each_of_many_subscribers_gets_each_message_once() {
    const SUBSCRIBERS: usize = 20;
    for endpoint in everywhere() {
        let context = Context::new();
        let publisher = context.socket::<Pub>().unwrap();
        let endpoint = publisher.bind(endpoint).unwrap();
        let subscribers: Vec<_> = (0..SUBSCRIBERS)
            .map(|n| {
                let subscriber = context.socket::<Sub>().unwrap();
                // Two topics that match the same messages.
                subscriber.subscribe("").unwrap();
                subscriber.subscribe("m").unwrap();
                subscriber.subscribe(format!("m{n} ")).unwrap();
                subscriber.connect(&endpoint).unwrap();
                subscriber
            })
            .collect();
        for n in 0..SUBSCRIBERS {
            publisher
                .wait_subscribed(format!("m{n} "), SUBSCRIBERS, PATIENCE)
                .unwrap();
        }
        let large = vec![7; 100_000];
        for n in 0..200_u32 {
            let body = [b"m", &n.to_be_bytes()[..]].concat();
            match n % 3 {
                0 => publisher.send(body).unwrap(),
                1 => publisher.send([&body, &b"second"[..]]).unwrap(),
                _ => publisher.send([&body, &large]).unwrap(),
            }
        }
        for subscriber in &subscribers {
            for n in 0..200_u32 {
                let message = subscriber.recv_timeout(PATIENCE).unwrap();
                assert_eq!(message[0], [b"m", &n.to_be_bytes()[..]].concat());
                match n % 3 {
                    0 => assert_eq!(message.len(), 1),
                    1 => assert_eq!(message[1], "second"),
                    _ => assert_eq!(message[1], large),
                }
            }
            has_nothing(subscriber);
        }
    }
}

#[test]
fn a_topic_counts_until_it_was_cancelled_as_often_as_it_was_subscribed_to() {
    for endpoint in everywhere() {
        let context = Context::new();
        let (publisher, subscriber) = pair(&context, endpoint, &["a", "a"]);
        subscriber.unsubscribe("a").unwrap();
        subscriber.subscribe("end").unwrap();
        publisher.wait_subscribed("end", 1, PATIENCE).unwrap();
        publisher.send("a1").unwrap();
        assert_eq!(receive(&subscriber), "a1");
        subscriber.unsubscribe("a").unwrap();
        subscriber.unsubscribe("a").unwrap();
        subscriber.unsubscribe("never").unwrap();
        eventually("the cancellation", || {
            publisher.subscriber_count("a").unwrap() == 0
        });
        publisher.send("a2").unwrap();
        publisher.send("end").unwrap();
        assert_eq!(receive(&subscriber), "end");
        assert_eq!(subscriber.subscribed_topics().unwrap(), 1);
        assert_eq!(publisher.published_topics().unwrap(), 1);
    }
}

#[test]
fn what_has_come_before_a_topic_was_cancelled_is_not_received_after_that() {
    for endpoint in everywhere() {
        let context = Context::new();
        let (publisher, subscriber) = pair(&context, endpoint, &["a", "b"]);
        publisher.send("a").unwrap();
        publisher.send("b1").unwrap();
        assert_eq!(receive(&subscriber), "a");
        publisher.send("a").unwrap();
        publisher.send("b2").unwrap();
        subscriber.unsubscribe("a").unwrap();
        assert_eq!(receive(&subscriber), "b1");
        assert_eq!(receive(&subscriber), "b2");
        assert_eq!(subscriber.stats().dropped.not_subscribed, 1);
    }
}

#[test]
fn whoever_connects_or_binds_first() {
    for place in Place::all() {
        let context = Context::new();
        // The subscriber binds; and what it wants is known before there is a peer.
        let subscriber = context.socket::<Sub>().unwrap();
        subscriber.subscribe("a").unwrap();
        let publisher = context.socket::<Pub>().unwrap();
        if place.endpoint.starts_with("inproc") {
            publisher.connect(place.endpoint.as_str()).unwrap();
            subscriber.bind(place.endpoint.as_str()).unwrap();
            // Over inproc the binder takes its end in with a call.
            has_nothing(&subscriber);
        } else {
            let endpoint = subscriber.bind(place.endpoint.as_str()).unwrap();
            publisher.connect(&endpoint).unwrap();
        }
        publisher.wait_subscribed("a", 1, PATIENCE).unwrap();
        publisher.send("a").unwrap();
        assert_eq!(receive(&subscriber), "a", "{}", place.endpoint);
    }
}

/// libzmq loses all but the first thousand of these without a word.
#[test]
fn any_number_of_subscriptions_arrives() {
    const TOPICS: u32 = 20_000;
    for endpoint in everywhere() {
        let context = Context::new();
        let publisher = context.socket::<Pub>().unwrap();
        let endpoint = publisher.bind(endpoint).unwrap();
        let subscriber = context.socket::<Sub>().unwrap();
        let topic = |n: u32| format!("topic {n} ");
        for n in 0..TOPICS {
            subscriber.subscribe(topic(n)).unwrap();
        }
        subscriber.connect(&endpoint).unwrap();
        eventually("all of them", || {
            // Over inproc the subscriber goes on when there is room, which it notices in a call.
            has_nothing(&subscriber);
            publisher.published_topics().unwrap() == TOPICS as usize
        });
        for n in [0, 999, 1000, TOPICS - 1] {
            publisher.send(topic(n)).unwrap();
            assert_eq!(receive(&subscriber), topic(n));
        }
    }
}

#[test]
fn a_subscriber_that_makes_no_call_subscribes_again_after_a_reconnection() {
    for place in Place::wires() {
        let context = Context::new();
        let subscriber = context.socket::<Sub>().unwrap();
        subscriber
            .set_reconnect_interval(Some(Duration::from_millis(5)))
            .unwrap();
        let publisher = context.socket::<Pub>().unwrap();
        let endpoint = publisher.bind(place.endpoint.as_str()).unwrap();
        subscriber.connect(&endpoint).unwrap();
        subscriber.subscribe("a").unwrap();
        subscriber.subscribe("b").unwrap();
        publisher.wait_subscribed("b", 1, PATIENCE).unwrap();
        subscriber.unsubscribe("b").unwrap();
        eventually("the cancellation", || {
            publisher.subscriber_count("b").unwrap() == 0
        });
        for round in 0..3 {
            publisher.unbind(&endpoint).unwrap();
            eventually("the end", || publisher.subscriber_count("a").unwrap() == 0);
            publisher.bind(&endpoint).unwrap();
            publisher.wait_subscribed("a", 1, PATIENCE).unwrap();
            // Not inverted, not doubled.
            assert_eq!(publisher.subscriber_count("b").unwrap(), 0);
            assert_eq!(publisher.published_topics().unwrap(), 1);
            publisher.send(format!("a{round}")).unwrap();
        }
        for round in 0..3 {
            assert_eq!(receive(&subscriber), format!("a{round}"));
        }
        has_nothing(&subscriber);
    }
}

#[test]
fn a_publisher_that_connects_forgets_what_the_last_connection_asked_for() {
    for wire in WIRES {
        let context = Context::new();
        let publisher = context.socket::<Pub>().unwrap();
        publisher
            .set_reconnect_interval(Some(Duration::from_millis(5)))
            .unwrap();
        let listener = RawListener::anywhere(wire);
        publisher.connect(listener.endpoint()).unwrap();
        let mut first = listener.accept_as("SUB");
        first.send(&[b"\x01a"]);
        first.send(&[b"\x01b"]);
        publisher.wait_subscribed("b", 1, PATIENCE).unwrap();
        drop(first);
        let mut second = listener.accept_as("SUB");
        second.send(&[b"\x01b"]);
        second.send(&[b"\x01c"]);
        publisher.wait_subscribed("c", 1, PATIENCE).unwrap();
        assert_eq!(publisher.subscriber_count("a").unwrap(), 0);
        assert_eq!(publisher.published_topics().unwrap(), 2);
        publisher.send("c").unwrap();
        assert_eq!(second.read_message(), [b"c"]);
        // The next one says nothing at all.
        drop(second);
        let _third = listener.accept_as("SUB");
        eventually("nothing is subscribed to", || {
            publisher.published_topics().unwrap() == 0
        });
    }
}

#[test]
fn a_topic_that_no_publisher_takes_is_refused() {
    let context = Context::new();
    let (publisher, subscriber) = pair(&context, "tcp://127.0.0.1:*", &[]);
    let longest = vec![b'x'; (1 << 20) - 10];
    subscriber.subscribe(&longest).unwrap();
    publisher.wait_subscribed(&longest, 1, PATIENCE).unwrap();
    let too_long = [&longest[..], b"x"].concat();
    let refused = subscriber.subscribe(too_long).unwrap_err();
    assert!(matches!(refused, Error::TopicTooLong { limit } if limit == longest.len()));
    assert_eq!(publisher.stats().connections.established, 1);
}

#[test]
fn connecting_twice_gives_no_duplicates() {
    for wire in WIRES {
        let context = Context::new();
        let publisher = context.socket::<Pub>().unwrap();
        let endpoint = publisher.bind(wire.anywhere()).unwrap();
        let subscriber = context.socket::<Sub>().unwrap();
        for _ in 0..2 {
            subscriber.connect(&endpoint).unwrap();
        }
        subscribe(&publisher, &subscriber, &["a"]);
        // The other way round.
        let place = subscriber.bind(wire.anywhere()).unwrap();
        let second = context.socket::<Pub>().unwrap();
        for _ in 0..2 {
            second.connect(&place).unwrap();
        }
        second.wait_subscribed("a", 1, PATIENCE).unwrap();
        for n in 0..20 {
            publisher.send(format!("a{n}")).unwrap();
            assert_eq!(receive(&subscriber), format!("a{n}"));
            second.send(format!("a{n}")).unwrap();
            assert_eq!(receive(&subscriber), format!("a{n}"));
        }
        has_nothing(&subscriber);
        assert_eq!(publisher.peers() + second.peers(), 2);
    }
}

#[test]
fn a_full_subscriber_loses_messages_and_the_others_do_not() {
    for wire in WIRES {
        let context = Context::new();
        let publisher = context.build_socket::<Pub>().send_hwm(10).build().unwrap();
        publisher.set_send_buffer(Some(4096)).unwrap();
        let endpoint = publisher.bind(wire.anywhere()).unwrap();
        // One that never reads, and one that does.
        let mut stuck = Raw::connect_as(&endpoint, "SUB");
        stuck.send(&[b"\x01"]);
        let reader = context.socket::<Sub>().unwrap();
        reader.connect(&endpoint).unwrap();
        reader.subscribe("").unwrap();
        publisher.wait_subscribed("", 2, PATIENCE).unwrap();
        let body = vec![7; 10_000];
        for n in 0..1000_u32 {
            publisher.send([&n.to_be_bytes()[..], &body]).unwrap();
            let message = reader.recv_timeout(PATIENCE).unwrap();
            assert_eq!(message[0], n.to_be_bytes());
        }
        let stats = publisher.stats();
        assert_eq!(stats.messages_sent, 1000);
        assert!(
            stats.dropped.hwm > 500 && stats.dropped.hwm < 1000,
            "{stats:?}"
        );
    }
}

#[test]
fn with_no_drop_the_slowest_sets_the_pace() {
    for endpoint in everywhere() {
        let context = Context::new();
        let publisher = context.build_socket::<Pub>().send_hwm(10).build().unwrap();
        publisher.set_no_drop(true).unwrap();
        publisher.set_send_buffer(Some(4096)).unwrap();
        let endpoint = publisher.bind(endpoint).unwrap();
        let subscriber = context.build_socket::<Sub>().recv_hwm(10).build().unwrap();
        subscriber.connect(&endpoint).unwrap();
        subscriber.subscribe("").unwrap();
        publisher.wait_subscribed("", 1, PATIENCE).unwrap();
        let body = vec![7; 100_000];
        let mut sent = 0_u32;
        let refused = loop {
            match publisher.try_send([&sent.to_be_bytes()[..], &body]) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused.error, Error::WouldBlock(_)));
        assert_eq!(
            refused.message[0],
            sent.to_be_bytes(),
            "it comes back whole"
        );
        assert_eq!(refused.message[1], body);
        let mut received = 0_u32;
        std::thread::scope(|scope| {
            let publisher = publisher;
            scope.spawn(move || {
                for n in sent..sent + 100 {
                    publisher
                        .send([&n.to_be_bytes()[..], &[7; 100_000]])
                        .unwrap();
                }
                assert_eq!(publisher.stats().dropped.hwm, 0);
            });
            while received < sent + 100 {
                let message = subscriber.recv_timeout(PATIENCE).unwrap();
                assert_eq!(message[0], received.to_be_bytes());
                received += 1;
            }
        });
    }
}

/// A sender that waits is told when the pipe has drained to half, and may look before.
#[test]
fn with_no_drop_nothing_is_lost_while_a_pipe_drains() {
    let context = Context::new();
    let publisher = context.build_socket::<Pub>().send_hwm(5).build().unwrap();
    publisher.set_no_drop(true).unwrap();
    let endpoint = publisher.bind("inproc://drains").unwrap();
    let subscriber = context.build_socket::<Sub>().recv_hwm(5).build().unwrap();
    subscriber.connect(&endpoint).unwrap();
    subscribe(&publisher, &subscriber, &[""]);
    for n in 0..10 {
        publisher.try_send(n.to_string()).unwrap();
    }
    let mut waits = std::pin::pin!(publisher.send_async("10"));
    let mut task = Task::from_waker(Waker::noop());
    assert!(waits.as_mut().poll(&mut task).is_pending());
    // There is room now, and what wakes the sender is something else.
    assert_eq!(receive(&subscriber), "0");
    subscriber.subscribe("another").unwrap();
    assert!(waits.as_mut().poll(&mut task).is_ready());
    for n in 1..11 {
        assert_eq!(receive(&subscriber), n.to_string());
    }
    assert_eq!(publisher.stats().dropped.hwm, 0);
}

#[test]
fn a_peer_of_another_type_is_refused() {
    for wire in WIRES {
        let context = Context::new();
        let publisher = context.socket::<Pub>().unwrap();
        let monitor = publisher.monitor();
        let endpoint = publisher.bind(wire.anywhere()).unwrap();
        let mut request = Raw::connect(&endpoint);
        request.write_all(&greeting()).unwrap();
        request.write_all(&ready("REQ")).unwrap();
        request.expect_close();
        wait_for(&monitor, "the refusal", |event| {
            matches!(event, Event::HandshakeFailed { .. })
        });
    }
}

#[test]
fn subscriptions_travel_as_the_peer_knows_them() {
    for wire in WIRES {
        let context = Context::new();
        let subscriber = context.socket::<Sub>().unwrap();
        subscriber.subscribe("a").unwrap();
        let endpoint = subscriber.bind(wire.anywhere()).unwrap();
        let mut publisher = Raw::connect_as(&endpoint, "PUB");
        assert_eq!(
            publisher.read_frame(),
            (COMMAND, b"\x09SUBSCRIBEa".to_vec())
        );
        subscriber.subscribe("b").unwrap();
        assert_eq!(
            publisher.read_frame(),
            (COMMAND, b"\x09SUBSCRIBEb".to_vec())
        );
        subscriber.unsubscribe("a").unwrap();
        assert_eq!(publisher.read_frame(), (COMMAND, b"\x06CANCELa".to_vec()));

        // And a publisher takes them in every form.
        let publisher = context.socket::<Pub>().unwrap();
        let endpoint = publisher.bind(wire.anywhere()).unwrap();
        let mut subscriber = Raw::connect_as(&endpoint, "SUB");
        subscriber
            .write_all(&frame(COMMAND, b"\x09SUBSCRIBEnew"))
            .unwrap();
        subscriber.send(&[b"\x01old"]);
        publisher.wait_subscribed("new", 1, PATIENCE).unwrap();
        publisher.wait_subscribed("old", 1, PATIENCE).unwrap();
        subscriber
            .write_all(&frame(COMMAND, b"\x06CANCELold"))
            .unwrap();
        subscriber.send(&[b"\x00new"]);
        eventually("the ends", || publisher.published_topics().unwrap() == 0);
        // One that a publisher has no use for.
        subscriber.send(&[b"hello"]);
        eventually("it is dropped", || {
            publisher.subscriber_count("").unwrap();
            publisher.stats().dropped.unexpected == 1
        });
    }
}

#[test]
fn matching_can_be_inverted_on_both_sides() {
    for endpoint in everywhere() {
        let context = Context::new();
        let publisher = context.socket::<Pub>().unwrap();
        publisher.set_invert_publishing(true).unwrap();
        let endpoint = publisher.bind(endpoint).unwrap();
        let subscriber = context.socket::<Sub>().unwrap();
        subscriber.set_invert_matching(true).unwrap();
        subscriber.subscribe("a").unwrap();
        subscriber.connect(&endpoint).unwrap();
        eventually("the subscription", || {
            publisher.published_topics().unwrap() == 1
        });
        for body in ["ab", "b", "a", "c"] {
            publisher.send(body).unwrap();
        }
        assert_eq!(receive(&subscriber), "b");
        assert_eq!(receive(&subscriber), "c");
        assert_eq!(publisher.subscriber_count("a").unwrap(), 0);
        assert_eq!(publisher.subscriber_count("b").unwrap(), 1);
    }
}

#[test]
fn a_welcome_comes_to_whoever_has_subscribed_to_it() {
    for wire in WIRES {
        let context = Context::new();
        let publisher = context.socket::<Pub>().unwrap();
        publisher
            .set_welcome_message(Some("welcome".into()))
            .unwrap();
        let endpoint = publisher.bind(wire.anywhere()).unwrap();
        let [wants, does_not] = ["w", "x"].map(|topic| {
            let subscriber = context.socket::<Sub>().unwrap();
            subscriber.subscribe(topic).unwrap();
            subscriber.connect(&endpoint).unwrap();
            publisher.wait_subscribed(topic, 1, PATIENCE).unwrap();
            subscriber
        });
        publisher.send("x").unwrap();
        assert_eq!(receive(&wants), "welcome");
        assert_eq!(receive(&does_not), "x");
        has_nothing(&wants);
    }
}

#[test]
fn what_does_not_apply_is_refused() {
    let context = Context::new();
    let dynamic = |socket_type| context.dynamic(socket_type).unwrap();
    let unsupported = |error| assert!(matches!(error, Error::NotSupported), "{error:?}");
    let no_option = |error: Error| {
        assert!(
            matches!(error.option(), Some(InvalidOption::NotOfType { .. })),
            "{error:?}"
        );
    };
    let pull: Socket<Dynamic> = dynamic(SocketType::Pull);
    unsupported(pull.subscribe("a").unwrap_err());
    unsupported(pull.unsubscribe("a").unwrap_err());
    no_option(pull.set_no_drop(true).unwrap_err());
    unsupported(pull.wait_subscribed("a", 1, A_WHILE).unwrap_err());
    let publisher = dynamic(SocketType::Pub);
    unsupported(publisher.subscribe("a").unwrap_err());
    unsupported(publisher.try_recv().unwrap_err());
    no_option(publisher.set_verbose(true).unwrap_err());
    no_option(publisher.set_manual(true).unwrap_err());
    let nobody = publisher.wait_subscribed("a", 1, A_WHILE).unwrap_err();
    assert!(matches!(nobody, Error::WouldBlock(_)), "{nobody:?}");
    let not_manual = publisher.subscribe_last("a").unwrap_err();
    assert!(matches!(not_manual, Error::WrongState(_)), "{not_manual:?}");
    let subscriber = dynamic(SocketType::Sub);
    unsupported(subscriber.send("a").unwrap_err().error);
    no_option(subscriber.set_verbose_unsubscribe(true).unwrap_err());
    unsupported(subscriber.subscriber_count("a").unwrap_err());
}

#[test]
fn waiting_for_connections_ends_when_they_stand() {
    for endpoint in everywhere() {
        let context = Context::new();
        let publisher = context.socket::<Pub>().unwrap();
        let endpoint = publisher.bind(endpoint).unwrap();
        let too_few = publisher.wait_connected(1, A_WHILE).unwrap_err();
        assert!(matches!(too_few, Error::WouldBlock(_)));
        let subscribers = [(); 3].map(|()| {
            let subscriber = context.socket::<Sub>().unwrap();
            subscriber.connect(&endpoint).unwrap();
            subscriber.wait_connected(1, PATIENCE).unwrap();
            subscriber
        });
        publisher.wait_connected(3, PATIENCE).unwrap();
        drop(subscribers);
        eventually("they are gone", || publisher.peers() == 0);
        publisher.wait_connected(0, PATIENCE).unwrap();
        publisher.wait_connected(1, A_WHILE).unwrap_err();
    }
}
