//! XPUB and XSUB: subscriptions as messages.

use zsocket::{Context, Error, Message, Pub, Socket, Sub, XPub, XSub};

use crate::support::{PATIENCE, Place, Raw, WIRES, eventually, everywhere, spawn};

fn receive(socket: &Socket<XPub>) -> Vec<u8> {
    let message = socket.recv_timeout(PATIENCE).unwrap();
    assert_eq!(message.len(), 1);
    message[0].to_vec()
}

fn has_nothing(socket: &Socket<XPub>) {
    assert!(matches!(socket.try_recv(), Err(Error::WouldBlock(_))));
}

fn has_no_message(socket: &Socket<Sub>) {
    assert!(matches!(socket.try_recv(), Err(Error::WouldBlock(_))));
}

fn xpub(context: &Context, endpoint: &str) -> (Socket<XPub>, zsocket::Endpoint) {
    let publisher = context.socket::<XPub>().unwrap();
    let endpoint = publisher.bind(endpoint).unwrap();
    (publisher, endpoint)
}

fn subscriber(context: &Context, endpoint: &zsocket::Endpoint) -> Socket<Sub> {
    let subscriber = context.socket::<Sub>().unwrap();
    subscriber.connect(endpoint).unwrap();
    subscriber
}

#[test]
fn the_first_subscription_and_the_last_cancellation_of_a_topic_are_received() {
    for endpoint in everywhere() {
        let context = Context::new();
        let (publisher, endpoint) = xpub(&context, endpoint);
        let first = subscriber(&context, &endpoint);
        first.subscribe("a").unwrap();
        assert_eq!(receive(&publisher), b"\x01a");
        let second = subscriber(&context, &endpoint);
        second.subscribe("a").unwrap();
        publisher.wait_subscribed("a", 2, PATIENCE).unwrap();
        first.unsubscribe("a").unwrap();
        eventually("one is left", || {
            publisher.subscriber_count("a").unwrap() == 1
        });
        has_nothing(&publisher);
        // A connection that ends takes its subscriptions back.
        drop(second);
        assert_eq!(receive(&publisher), b"\x00a");
        has_nothing(&publisher);
    }
}

#[test]
fn a_verbose_one_receives_each_subscription_and_a_verboser_one_each_cancellation_too() {
    for (verboser, endpoint) in everywhere().map(|at| [(false, at), (true, at)]).concat() {
        let context = Context::new();
        let (publisher, endpoint) = xpub(&context, endpoint);
        if verboser {
            publisher.set_verboser(true).unwrap();
        } else {
            publisher.set_verbose(true).unwrap();
        }
        let subscribers = [(); 3].map(|()| {
            let subscriber = subscriber(&context, &endpoint);
            subscriber.subscribe("a").unwrap();
            assert_eq!(receive(&publisher), b"\x01a");
            subscriber
        });
        // Again by the same: for whoever has something for a newcomer.
        subscribers[0].subscribe("a").unwrap();
        assert_eq!(receive(&publisher), b"\x01a");
        subscribers[1].unsubscribe("a").unwrap();
        let cancellations = if verboser {
            assert_eq!(receive(&publisher), b"\x00a");
            2
        } else {
            1
        };
        drop(subscribers);
        for _ in 0..cancellations {
            assert_eq!(receive(&publisher), b"\x00a");
        }
        has_nothing(&publisher);
    }
}

#[test]
fn an_xpub_that_never_receives_serves_all_who_come() {
    for wire in WIRES {
        let context = Context::new();
        let (publisher, endpoint) = xpub(&context, wire.anywhere());
        publisher.set_recv_hwm(10).unwrap();
        let subscriber = subscriber(&context, &endpoint);
        for n in 0..5000 {
            subscriber.subscribe(format!("{n} ")).unwrap();
        }
        publisher.wait_subscribed("4999 ", 1, PATIENCE).unwrap();
        publisher.send("4999 ").unwrap();
        assert_eq!(subscriber.recv_timeout(PATIENCE).unwrap()[0], "4999 ");
    }
}

#[test]
fn requests_that_nobody_receives_slow_the_peer_down() {
    for wire in WIRES {
        let context = Context::new();
        let (publisher, endpoint) = xpub(&context, wire.anywhere());
        publisher.set_verbose(true).unwrap();
        publisher.set_recv_hwm(10).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "SUB");
        for n in 0..1000_u32 {
            raw.send(&[&[b"\x01", &n.to_be_bytes()[..]].concat()]);
        }
        eventually("some are there", || {
            publisher.published_topics().unwrap() == 10
        });
        for n in 0..1000_u32 {
            assert!(publisher.published_topics().unwrap() <= n as usize + 10);
            assert_eq!(
                receive(&publisher),
                [b"\x01", &n.to_be_bytes()[..]].concat()
            );
        }
        has_nothing(&publisher);
    }
}

#[test]
fn messages_that_nobody_receives_hold_up_only_their_sender() {
    for wire in WIRES {
        let context = Context::new();
        let (publisher, endpoint) = xpub(&context, wire.anywhere());
        publisher.set_recv_hwm(10).unwrap();
        let mut flood = Raw::connect_as(&endpoint, "XSUB");
        for n in 0..100_u32 {
            flood.send(&[&[b"user", &n.to_be_bytes()[..]].concat()]);
        }
        flood.send(&[b"\x01late"]);
        let subscriber = subscriber(&context, &endpoint);
        subscriber.subscribe("a").unwrap();
        publisher.wait_subscribed("a", 1, PATIENCE).unwrap();
        publisher.send("a").unwrap();
        assert_eq!(subscriber.recv_timeout(PATIENCE).unwrap()[0], "a");
        assert_eq!(publisher.published_topics().unwrap(), 1);
        let mut next = 0_u32;
        while next < 100 {
            let received = receive(&publisher);
            if received != b"\x01a" {
                assert_eq!(received, [b"user", &next.to_be_bytes()[..]].concat());
                next += 1;
            }
        }
        assert_eq!(receive(&publisher), b"\x01late");
        assert_eq!(publisher.stats().dropped.unexpected, 0);
    }
}

#[test]
fn what_peers_have_left_that_are_gone_is_received_when_there_is_room() {
    for wire in WIRES {
        let context = Context::new();
        let (publisher, endpoint) = xpub(&context, wire.anywhere());
        publisher.set_recv_hwm(2).unwrap();
        for n in 0..50_u8 {
            let mut raw = Raw::connect_as(&endpoint, "XSUB");
            raw.send(&[&[b'u', n]]);
            raw.send(&[&[1, n]]);
            publisher.published_topics().unwrap();
        }
        eventually("all are gone", || {
            publisher.published_topics().unwrap();
            publisher.stats().connections.open == 0
        });
        let mut received: Vec<Vec<u8>> = Vec::new();
        while received.iter().filter(|body| body[0] == b'u').count() < 50 {
            received.push(receive(&publisher));
        }
        let subscriber = subscriber(&context, &endpoint);
        subscriber.subscribe("late").unwrap();
        eventually("a subscription is received", || {
            publisher
                .try_recv()
                .is_ok_and(|message| message[0] == "\x01late")
        });
        assert_eq!(publisher.peers(), 1);
        assert_eq!(publisher.stats().dropped.departed, 0);
    }
}

/// Changes that come faster than they are told: each publisher hears the last word on each topic.
#[test]
fn a_verbose_xsub_s_last_word_is_what_counts() {
    for endpoint in everywhere() {
        let context = Context::new();
        let publishers = [
            xpub(&context, endpoint),
            xpub(&context, &endpoint.replace("any", "else")),
        ];
        let xsub = context.socket::<XSub>().unwrap();
        xsub.set_verbose_unsubscribe(true).unwrap();
        for (_, endpoint) in &publishers {
            xsub.connect(endpoint).unwrap();
        }
        xsub.wait_connected(2, PATIENCE).unwrap();
        for n in 0..200 {
            for step in ["\x01a", "\x01a", "\0a", "\x01a"] {
                xsub.send(step).unwrap();
            }
            xsub.send(format!("\x01end {n:03}")).unwrap();
            for (publisher, _) in &publishers {
                publisher
                    .wait_subscribed(format!("end {n:03}"), 1, PATIENCE)
                    .unwrap();
                assert_eq!(publisher.subscriber_count("a").unwrap(), 1, "{n}");
            }
        }
    }
}

#[test]
fn messages_of_an_xsub_reach_the_xpub_and_no_pub() {
    for endpoint in everywhere() {
        let context = Context::new();
        let (publisher, endpoint) = xpub(&context, endpoint);
        let xsub = context.socket::<XSub>().unwrap();
        xsub.connect(&endpoint).unwrap();
        xsub.wait_connected(1, PATIENCE).unwrap();
        xsub.send("hello").unwrap();
        xsub.send(["two", "frames"]).unwrap();
        xsub.send("").unwrap();
        assert_eq!(receive(&publisher), b"hello");
        let message = publisher.recv_timeout(PATIENCE).unwrap();
        assert_eq!(message, Message::from(["two", "frames"]));
        assert_eq!(receive(&publisher), b"");
        xsub.send("\x01a").unwrap();
        assert_eq!(receive(&publisher), b"\x01a");
        publisher.send("ab").unwrap();
        assert_eq!(xsub.recv_timeout(PATIENCE).unwrap()[0], "ab");
        // No filter of its own.
        xsub.send("\x00a").unwrap();
        assert_eq!(receive(&publisher), b"\x00a");
    }
}

#[test]
fn only_what_begins_as_a_subscription_is_one_if_that_is_wanted() {
    for wire in WIRES {
        for only_first in [false, true] {
            let context = Context::new();
            let (publisher, endpoint) = xpub(&context, wire.anywhere());
            publisher.set_only_first_subscribe(only_first).unwrap();
            let mut raw = Raw::connect_as(&endpoint, "XSUB");
            raw.send(&[b"user", b"\x01topic"]);
            let message = publisher.recv_timeout(PATIENCE).unwrap();
            if only_first {
                assert_eq!(message, Message::from(["user", "\x01topic"]));
                has_nothing(&publisher);
            } else {
                assert_eq!(message, Message::from("\x01topic"));
                assert_eq!(receive(&publisher), b"user");
            }
        }
    }
}

#[test]
fn subscriptions_among_the_frames_of_an_xsub_count_unless_only_the_first_does() {
    for endpoint in everywhere() {
        for only_first in [false, true] {
            let context = Context::new();
            let (publisher, endpoint) = xpub(&context, endpoint);
            // So that it takes a frame for a user's, wherever it comes from.
            publisher.set_only_first_subscribe(true).unwrap();
            let xsub = context.socket::<XSub>().unwrap();
            xsub.set_only_first_subscribe(only_first).unwrap();
            xsub.connect(&endpoint).unwrap();
            xsub.wait_connected(1, PATIENCE).unwrap();
            // All of it is done and told, the rest is sent.
            xsub.send(["\x01a", "more", "\x01b"]).unwrap();
            let mut received = [&publisher, &publisher, &publisher]
                .map(|publisher| publisher.recv_timeout(PATIENCE).unwrap());
            received.sort_by_key(|message| message[0].to_vec());
            assert_eq!(received, ["\x01a", "\x01b", "more"].map(Message::from));
            assert_eq!(xsub.subscribed_topics().unwrap(), 2);
            // The first one is none.
            xsub.send(["user", "\x01c"]).unwrap();
            let mut received = vec![publisher.recv_timeout(PATIENCE).unwrap()];
            if only_first {
                assert_eq!(received, [Message::from(["user", "\x01c"])]);
            } else {
                received.push(publisher.recv_timeout(PATIENCE).unwrap());
                received.sort_by_key(|message| message[0].to_vec());
                assert_eq!(received, ["\x01c", "user"].map(Message::from));
            }
            has_nothing(&publisher);
            assert_eq!(
                publisher.published_topics().unwrap(),
                xsub.subscribed_topics().unwrap()
            );
            // Nothing but subscriptions: nothing is left to send.
            let sent = xsub.stats();
            xsub.send(["\0a", "\0b"]).unwrap();
            for expected in ["\0a", "\0b"] {
                assert_eq!(receive(&publisher), expected.as_bytes());
            }
            assert_eq!(xsub.stats().dropped.no_peer, sent.dropped.no_peer);
        }
    }
}

#[test]
fn subscriptions_among_frames_are_said_again_on_the_next_connection() {
    for place in Place::wires() {
        let context = Context::new();
        let xsub = context.socket::<XSub>().unwrap();
        let (first, endpoint) = xpub(&context, &place.endpoint);
        xsub.set_reconnect_interval(Some(std::time::Duration::from_millis(5)))
            .unwrap();
        xsub.connect(&endpoint).unwrap();
        xsub.send(["\x01a", "\x01b"]).unwrap();
        first.wait_subscribed("b", 1, PATIENCE).unwrap();
        drop(first);
        let (second, _) = xpub(&context, &endpoint.to_string());
        second.wait_subscribed("a", 1, PATIENCE).unwrap();
        second.wait_subscribed("b", 1, PATIENCE).unwrap();
    }
}

#[test]
fn a_manual_one_decides_who_gets_what() {
    for endpoint in everywhere() {
        let context = Context::new();
        let (publisher, endpoint) = xpub(&context, endpoint);
        publisher.set_manual(true).unwrap();
        assert!(!publisher.subscribe_last("a").unwrap(), "nobody has asked");
        let first = subscriber(&context, &endpoint);
        first.subscribe("A").unwrap();
        first.subscribe("b").unwrap();
        assert_eq!(receive(&publisher), b"\x01A");
        assert!(publisher.subscribe_last("b").unwrap());
        assert_eq!(receive(&publisher), b"\x01b");
        publisher.send("A").unwrap();
        publisher.send("b").unwrap();
        assert_eq!(first.recv_timeout(PATIENCE).unwrap()[0], "b");
        // A cancellation is received, and it is up to the application.
        first.unsubscribe("A").unwrap();
        assert_eq!(receive(&publisher), b"\x00A");
        assert_eq!(publisher.subscriber_count("b").unwrap(), 1);
        assert!(publisher.unsubscribe_last("b").unwrap());
        assert_eq!(publisher.subscriber_count("b").unwrap(), 0);
        // What was asked for ends with the connection.
        drop(first);
        assert_eq!(receive(&publisher), b"\x00b");
        has_nothing(&publisher);
        assert!(!publisher.subscribe_last("b").unwrap(), "it is gone");
    }
}

#[test]
fn the_last_value_goes_to_the_newcomer_alone() {
    for endpoint in everywhere() {
        let context = Context::new();
        let (publisher, endpoint) = xpub(&context, endpoint);
        publisher.set_manual_last_value(true).unwrap();
        let [first, second] = [(); 2].map(|()| {
            let subscriber = subscriber(&context, &endpoint);
            subscriber.subscribe("a").unwrap();
            assert_eq!(receive(&publisher), b"\x01a");
            assert!(publisher.subscribe_last("a").unwrap());
            publisher.send("a last value").unwrap();
            let value = subscriber.recv_timeout(PATIENCE).unwrap();
            assert_eq!(value[0], "a last value");
            subscriber
        });
        publisher.send("a for all").unwrap();
        for subscriber in [first, second] {
            assert_eq!(subscriber.recv_timeout(PATIENCE).unwrap()[0], "a for all");
            assert!(matches!(subscriber.try_recv(), Err(Error::WouldBlock(_))));
        }
    }
}

#[test]
fn an_xsub_tells_each_cancellation_if_it_is_verbose() {
    for endpoint in everywhere() {
        let context = Context::new();
        let (publisher, endpoint) = xpub(&context, endpoint);
        publisher.set_verboser(true).unwrap();
        let xsub = context.socket::<XSub>().unwrap();
        xsub.set_verbose_unsubscribe(true).unwrap();
        xsub.connect(&endpoint).unwrap();
        xsub.wait_connected(1, PATIENCE).unwrap();
        for step in ["\x01a", "\x01a", "\x00a", "\x00a", "\x00a"] {
            xsub.send(step).unwrap();
            assert_eq!(receive(&publisher), step.as_bytes());
        }
    }
}

/// A proxy in between: what subscribers want is passed on, and the end of one that dies as well.
#[test]
fn a_dead_subscriber_behind_a_proxy_is_unsubscribed_upstream() {
    for place in Place::all() {
        let context = Context::new();
        let publisher = context.socket::<Pub>().unwrap();
        let upstream = publisher.bind(place.endpoint.as_str()).unwrap();
        let xsub = context.socket::<XSub>().unwrap();
        xsub.connect(&upstream).unwrap();
        let (xpub, downstream) = xpub(&context, "tcp://127.0.0.1:*");
        let mut subscriber = Raw::connect_as(&downstream, "SUB");
        subscriber.send(&[b"\x01a"]);
        xsub.send(receive(&xpub)).unwrap();
        publisher.wait_subscribed("a", 1, PATIENCE).unwrap();
        publisher.send("a").unwrap();
        xpub.send(xsub.recv_timeout(PATIENCE).unwrap()).unwrap();
        assert_eq!(subscriber.read_message(), [b"a"]);
        drop(subscriber);
        xsub.send(receive(&xpub)).unwrap();
        eventually("the end of it", || {
            publisher.published_topics().unwrap() == 0
        });
    }
}

#[test]
fn a_blocked_xpub_hears_of_subscriptions() {
    for wire in WIRES {
        let context = Context::new();
        let (publisher, endpoint) = xpub(&context, wire.anywhere());
        let subscriber = subscriber(&context, &endpoint);
        let receiver = spawn(move || [receive(&publisher), receive(&publisher)]);
        subscriber.subscribe("a").unwrap();
        subscriber.subscribe("b").unwrap();
        assert_eq!(receiver.join(), [b"\x01a", b"\x01b"]);
    }
}

/// They end in parts, and whoever waits for their ends gets all of them without another event.
#[test]
fn a_subscriber_with_very_many_topics_goes_and_each_of_them_ends() {
    const TOPICS: usize = 5000;
    for endpoint in everywhere() {
        let context = Context::new();
        let (publisher, endpoint) = xpub(&context, endpoint);
        let stays = subscriber(&context, &endpoint);
        stays.subscribe("7").unwrap();
        assert_eq!(receive(&publisher), b"\x017");
        let goes = subscriber(&context, &endpoint);
        for n in 0..TOPICS {
            goes.subscribe(n.to_string()).unwrap();
        }
        // All but the one that both want.
        for _ in 1..TOPICS {
            // Over inproc it goes on telling in its own calls.
            has_no_message(&goes);
            assert_eq!(receive(&publisher)[0], 1);
        }
        publisher.wait_subscribed("7", 2, PATIENCE).unwrap();
        drop(goes);
        for _ in 1..TOPICS {
            assert_eq!(receive(&publisher)[0], 0);
        }
        has_nothing(&publisher);
        assert_eq!(publisher.published_topics().unwrap(), 1);
        publisher.send("7 and more").unwrap();
        assert_eq!(stays.recv_timeout(PATIENCE).unwrap()[0], "7 and more");
    }
}
