//! PUB, SUB, XPUB and XSUB: who gets what, with libzmq on either side.

use std::sync::atomic::{AtomicU32, Ordering};

use zinterop::{
    AnySocket, Failure, Flag, Frames, Options, Pattern, Transport, Trial, eventually, four_ways,
};

/// Topics by which these scenarios find out that all that was subscribed to before has arrived.
const PROBE: &str = "probe ";

/// A bound publisher (first part), and where.
fn publisher(trial: &Trial, options: &Options) -> (AnySocket, String) {
    let publisher = trial.first_with(Pattern::Pub, options);
    let endpoint = publisher.bind(&trial.endpoint());
    (publisher, endpoint)
}

/// A subscriber (second part) to these topics.
fn subscriber(trial: &Trial, endpoint: &str, topics: &[&str]) -> AnySocket {
    let subscriber = trial.second(Pattern::Sub);
    for topic in topics {
        subscriber.subscribe(topic);
    }
    subscriber.connect(endpoint);
    subscriber
}

/// Waits until the publisher knows all that the subscriber has subscribed to by now: it publishes until a message to a
/// topic that comes last arrives.
fn settle(publisher: &AnySocket, subscriber: &AnySocket) {
    // Another one each time: the end of the last subscription may still be under way.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let probe = format!("{PROBE}{} ", NEXT.fetch_add(1, Ordering::Relaxed));
    subscriber.subscribe(&probe);
    let mut at = 0;
    eventually("the subscription has arrived", || {
        at += 1;
        publisher.send(format!("{probe}{at}").as_str());
        subscriber.try_recv().is_ok()
    });
    // What came of the others.
    let last = format!("{probe}last");
    publisher.send(last.as_str());
    while subscriber.recv() != last.as_str() {}
    subscriber.unsubscribe(&probe);
}

#[test]
fn a_subscriber_gets_what_begins_with_its_topics() {
    four_ways(&Transport::ALL, |trial| {
        let (publisher, endpoint) = publisher(trial, &Options::new());
        let subscriber = subscriber(trial, &endpoint, &["a", "bc"]);
        settle(&publisher, &subscriber);
        for body in ["b", "a", "bcd", "c", "", "abc", "bc"] {
            publisher.send(body);
        }
        for expected in ["a", "bcd", "abc", "bc"] {
            assert_eq!(subscriber.recv(), expected);
        }
        publisher.send(["x", "a"]);
        publisher.send(["a", "x", ""]);
        assert_eq!(subscriber.recv(), ["a", "x", ""]);
    });
}

#[test]
fn all_who_subscribe_get_it() {
    four_ways(&Transport::ALL, |trial| {
        let (publisher, endpoint) = publisher(trial, &Options::new());
        let subscribers: Vec<_> = (0..5)
            .map(|_| {
                let subscriber = subscriber(trial, &endpoint, &["", "m"]);
                settle(&publisher, &subscriber);
                subscriber
            })
            .collect();
        for number in 0..500 {
            publisher.send(Frames::numbered(number, 100));
        }
        for subscriber in &subscribers {
            let mut next = 0;
            while next < 500 {
                // Others have been looking for their probe.
                let message = subscriber.recv();
                if !message.0[0].starts_with(PROBE.as_bytes()) {
                    assert_eq!(message.number(), next);
                    next += 1;
                }
            }
        }
    });
}

#[test]
fn a_topic_is_cancelled_as_often_as_it_was_subscribed_to() {
    four_ways(&Transport::ALL, |trial| {
        let (publisher, endpoint) = publisher(trial, &Options::new());
        let subscriber = subscriber(trial, &endpoint, &["a", "a", "b"]);
        subscriber.unsubscribe("a");
        settle(&publisher, &subscriber);
        publisher.send("a1");
        assert_eq!(subscriber.recv(), "a1");
        subscriber.unsubscribe("a");
        subscriber.unsubscribe("never");
        settle(&publisher, &subscriber);
        publisher.send("a2");
        publisher.send("b");
        assert_eq!(subscriber.recv(), "b");
    });
}

#[test]
fn the_subscriber_may_bind() {
    four_ways(&Transport::WIRED, |trial| {
        let subscriber = trial.second(Pattern::Sub);
        subscriber.subscribe("a");
        let publishers = [(); 2].map(|()| {
            let publisher = trial.first(Pattern::Pub);
            publisher.connect(&subscriber.bind(&trial.endpoint()));
            settle(&publisher, &subscriber);
            publisher
        });
        for publisher in &publishers {
            publisher.send("b");
            publisher.send("a");
            assert_eq!(subscriber.recv(), "a");
        }
    });
}

/// Not longer ones: libzmq goes through a topic byte by byte and call within call, and its stack is not endless.
#[test]
fn long_topics_arrive() {
    four_ways(&Transport::ALL, |trial| {
        let (publisher, endpoint) = publisher(trial, &Options::new());
        let topics =
            [244, 245, 246, 247, 254, 255, 256, 1000, 1001].map(|len| "t".repeat(len) + "!");
        let topics = topics.each_ref().map(String::as_str);
        let subscriber = subscriber(trial, &endpoint, &topics);
        settle(&publisher, &subscriber);
        for topic in topics {
            publisher.send(&topic[..topic.len() - 1]);
            publisher.send(topic);
            assert_eq!(subscriber.recv(), topic);
        }
        for topic in topics {
            subscriber.unsubscribe(topic);
        }
        subscriber.subscribe("end");
        settle(&publisher, &subscriber);
        for topic in topics {
            publisher.send(topic);
        }
        publisher.send("end");
        assert_eq!(subscriber.recv(), "end");
    });
}

#[test]
fn connecting_twice_gives_no_duplicates() {
    four_ways(&Transport::WIRED, |trial| {
        let (publisher, endpoint) = publisher(trial, &Options::new());
        let subscriber = subscriber(trial, &endpoint, &["a"]);
        subscriber.connect(&endpoint);
        settle(&publisher, &subscriber);
        for number in 0..10 {
            publisher.send(format!("a{number}").as_str());
        }
        for number in 0..10 {
            assert_eq!(subscriber.recv(), format!("a{number}").as_str());
        }
        assert_eq!(subscriber.try_recv(), Err(Failure::WouldBlock));
    });
}

#[test]
fn a_publisher_without_subscribers_never_waits() {
    four_ways(&Transport::ALL, |trial| {
        for pattern in [Pattern::Pub, Pattern::XPub, Pattern::XSub] {
            let socket = trial.first(pattern);
            socket.send("nobody");
            socket.bind(&trial.endpoint());
            socket.send("nobody");
        }
    });
}

#[test]
fn a_publisher_does_not_receive_and_a_subscriber_does_not_send() {
    four_ways(&Transport::ALL, |trial| {
        let publisher = trial.first(Pattern::Pub);
        assert_eq!(publisher.try_recv(), Err(Failure::NotSupported));
        let subscriber = trial.second(Pattern::Sub);
        assert_eq!(subscriber.try_send("no"), Err(Failure::NotSupported));
    });
}

#[test]
fn without_dropping_a_publisher_waits_for_the_slowest() {
    four_ways(&Transport::ALL, |trial| {
        let options = Options::new()
            .with(Flag::NoDrop)
            .send_hwm(5)
            .socket_buffers(4096);
        let (publisher, endpoint) = publisher(trial, &options);
        let options = Options::new().recv_hwm(5).socket_buffers(4096);
        let subscriber = trial.second_with(Pattern::Sub, &options);
        subscriber.subscribe("");
        subscriber.connect(&endpoint);
        settle(&publisher, &subscriber);
        subscriber.subscribe("");
        let mut sent = 0;
        while publisher.try_send(Frames::numbered(sent, 50_000)).is_ok() {
            sent += 1;
        }
        for number in 0..sent {
            assert_eq!(subscriber.recv().number(), number);
        }
        publisher.send(Frames::numbered(sent, 10));
        assert_eq!(subscriber.recv().number(), sent);
    });
}

#[test]
fn matching_may_be_inverted() {
    four_ways(&Transport::ALL, |trial| {
        let inverted = Options::new().with(Flag::InvertMatching);
        let publisher = trial.first_with(Pattern::XPub, &inverted);
        let endpoint = publisher.bind(&trial.endpoint());
        let subscriber = trial.second_with(Pattern::Sub, &inverted);
        subscriber.subscribe("a");
        subscriber.connect(&endpoint);
        assert_eq!(publisher.recv(), "\u{1}a");
        for body in ["ab", "b", "a", "c"] {
            publisher.send(body);
        }
        assert_eq!(subscriber.recv(), "b");
        assert_eq!(subscriber.recv(), "c");
    });
}

#[test]
fn a_welcome_comes_first() {
    four_ways(&Transport::ALL, |trial| {
        let publisher = trial.first_with(Pattern::XPub, &Options::new().welcome(b"welcome"));
        let endpoint = publisher.bind(&trial.endpoint());
        let subscriber = subscriber(trial, &endpoint, &["w"]);
        assert_eq!(publisher.recv(), "\u{1}w");
        publisher.send("w for all");
        assert_eq!(subscriber.recv(), "welcome");
        assert_eq!(subscriber.recv(), "w for all");
    });
}

// ---- XPUB and XSUB ----

fn xpub(trial: &Trial, flags: &[Flag]) -> (AnySocket, String) {
    let options = flags
        .iter()
        .fold(Options::new(), |options, flag| options.with(*flag));
    let publisher = trial.first_with(Pattern::XPub, &options);
    let endpoint = publisher.bind(&trial.endpoint());
    (publisher, endpoint)
}

/// Whether the next that comes is this, before `last` is subscribed to.
fn expect(publisher: &AnySocket, expected: &[&str]) {
    for expected in expected {
        assert_eq!(publisher.recv(), *expected);
    }
}

#[test]
fn an_xpub_hears_of_first_subscriptions_and_last_cancellations() {
    four_ways(&Transport::ALL, |trial| {
        let (publisher, endpoint) = xpub(trial, &[]);
        let first = subscriber(trial, &endpoint, &["a"]);
        expect(&publisher, &["\u{1}a"]);
        let second = subscriber(trial, &endpoint, &["a", "b"]);
        expect(&publisher, &["\u{1}b"]);
        first.unsubscribe("a");
        first.subscribe("c");
        expect(&publisher, &["\u{1}c"]);
        second.unsubscribe("a");
        expect(&publisher, &["\0a"]);
        second.close();
        expect(&publisher, &["\0b"]);
        first.subscribe("d");
        expect(&publisher, &["\u{1}d"]);
    });
}

#[test]
fn a_verbose_xpub_hears_of_each_subscription() {
    four_ways(&Transport::ALL, |trial| {
        let (publisher, endpoint) = xpub(trial, &[Flag::Verbose]);
        let first = subscriber(trial, &endpoint, &["a"]);
        expect(&publisher, &["\u{1}a"]);
        let second = subscriber(trial, &endpoint, &["a"]);
        expect(&publisher, &["\u{1}a"]);
        first.unsubscribe("a");
        first.subscribe("b");
        expect(&publisher, &["\u{1}b"]);
        second.unsubscribe("a");
        expect(&publisher, &["\0a"]);
    });
}

#[test]
fn a_verboser_xpub_hears_of_everything() {
    four_ways(&Transport::ALL, |trial| {
        let (publisher, endpoint) = xpub(trial, &[Flag::Verboser]);
        let first = subscriber(trial, &endpoint, &["a"]);
        expect(&publisher, &["\u{1}a"]);
        let second = subscriber(trial, &endpoint, &["a"]);
        expect(&publisher, &["\u{1}a"]);
        first.unsubscribe("a");
        expect(&publisher, &["\0a"]);
        second.close();
        expect(&publisher, &["\0a"]);
    });
}

#[test]
fn an_xsub_subscribes_and_sends_by_messages() {
    four_ways(&Transport::ALL, |trial| {
        let (publisher, endpoint) = xpub(trial, &[]);
        let xsub = trial.second(Pattern::XSub);
        xsub.connect(&endpoint);
        xsub.send("\u{1}a");
        expect(&publisher, &["\u{1}a"]);
        publisher.send("b");
        publisher.send(["ab", "c"]);
        assert_eq!(xsub.recv(), ["ab", "c"]);
        xsub.send("hello");
        xsub.send(["two", "frames"]);
        xsub.send("");
        expect(&publisher, &["hello"]);
        assert_eq!(publisher.recv(), ["two", "frames"]);
        expect(&publisher, &[""]);
        xsub.send("\0a");
        expect(&publisher, &["\0a"]);
    });
}

#[test]
fn a_verbose_xsub_passes_each_cancellation_on() {
    four_ways(&Transport::ALL, |trial| {
        let (publisher, endpoint) = xpub(trial, &[Flag::Verboser]);
        let options = Options::new().with(Flag::VerboseUnsubscribe);
        let xsub = trial.second_with(Pattern::XSub, &options);
        xsub.connect(&endpoint);
        for step in ["\u{1}a", "\u{1}a", "\0a", "\0a", "\0a"] {
            xsub.send(step);
            expect(&publisher, &[step]);
        }
    });
}

#[test]
fn only_a_message_that_begins_with_a_subscription_has_one() {
    four_ways(&Transport::WIRED, |trial| {
        let (publisher, endpoint) = xpub(trial, &[Flag::OnlyFirstSubscribe]);
        let options = Options::new().with(Flag::OnlyFirstSubscribe);
        let xsub = trial.second_with(Pattern::XSub, &options);
        xsub.connect(&endpoint);
        xsub.send("\u{1}a");
        expect(&publisher, &["\u{1}a"]);
        xsub.send(["user", "\u{1}b"]);
        assert_eq!(publisher.recv(), ["user", "\u{1}b"]);
        // It is no subscription for either side.
        publisher.send("b");
        publisher.send("a");
        assert_eq!(xsub.recv(), "a");
    });
}

#[test]
fn a_subscription_among_the_frames_of_a_message_is_one() {
    four_ways(&Transport::WIRED, |trial| {
        let (publisher, endpoint) = xpub(trial, &[]);
        let xsub = trial.second(Pattern::XSub);
        xsub.connect(&endpoint);
        xsub.send(["user", "\u{1}b"]);
        // libzmq's XPUB delivers it behind the rest, as a frame of the same message.
        let mut received = Vec::new();
        while received.len() < 2 {
            received.extend(publisher.recv().0);
        }
        received.sort();
        assert_eq!(received, [&b"\x01b"[..], b"user"]);
        publisher.send("b1");
        assert_eq!(xsub.recv(), "b1");
    });
}

#[test]
fn a_manual_xpub_decides_who_gets_what() {
    four_ways(&Transport::ALL, |trial| {
        let (publisher, endpoint) = xpub(trial, &[Flag::Manual]);
        let subscriber = trial.second(Pattern::XSub);
        subscriber.connect(&endpoint);
        subscriber.send("\u{1}A");
        expect(&publisher, &["\u{1}A"]);
        publisher.subscribe("b");
        publisher.send("A");
        publisher.send("b1");
        assert_eq!(subscriber.recv(), "b1");
        subscriber.send("\0A");
        expect(&publisher, &["\0A"]);
        publisher.send("b2");
        assert_eq!(subscriber.recv(), "b2");
        publisher.unsubscribe("b");
        publisher.subscribe("c");
        publisher.send("b3");
        publisher.send("c");
        assert_eq!(subscriber.recv(), "c");
    });
}

#[test]
fn what_was_asked_of_a_manual_xpub_ends_with_its_peer() {
    four_ways(&Transport::ALL, |trial| {
        let (publisher, endpoint) = xpub(trial, &[Flag::Manual]);
        let first = subscriber(trial, &endpoint, &["A"]);
        expect(&publisher, &["\u{1}A"]);
        publisher.subscribe("XA");
        first.close();
        expect(&publisher, &["\0A"]);
    });
}

#[test]
fn the_last_value_goes_to_the_newcomer_alone() {
    four_ways(&Transport::ALL, |trial| {
        let (publisher, endpoint) = xpub(trial, &[Flag::Manual, Flag::ManualLastValue]);
        let subscribers: Vec<_> = (0..2)
            .map(|_| {
                let subscriber = subscriber(trial, &endpoint, &["a"]);
                expect(&publisher, &["\u{1}a"]);
                publisher.subscribe("a");
                publisher.send("a last value");
                assert_eq!(subscriber.recv(), "a last value");
                subscriber
            })
            .collect();
        publisher.send("a for all");
        for subscriber in &subscribers {
            assert_eq!(subscriber.recv(), "a for all");
        }
    });
}

#[test]
fn a_subscription_is_sent_again_when_the_publisher_comes_back() {
    four_ways(&Transport::WIRED, |trial| {
        let place = trial.fixed_endpoint();
        let mut publisher = trial.first(Pattern::XPub);
        let endpoint = publisher.bind(&place);
        let subscriber = trial.second(Pattern::XSub);
        subscriber.connect(&endpoint);
        subscriber.send("\u{1}a");
        expect(&publisher, &["\u{1}a"]);
        for round in 0..2 {
            publisher.close();
            publisher = trial.first(Pattern::XPub);
            publisher.bind_when_free(&endpoint);
            // libzmq subscribes again when the application looks.
            eventually("the subscription", || {
                assert_eq!(subscriber.try_recv(), Err(Failure::WouldBlock));
                match publisher.try_recv() {
                    Ok(message) => {
                        assert_eq!(message, "\u{1}a");
                        true
                    }
                    Err(failure) => {
                        assert_eq!(failure, Failure::WouldBlock);
                        false
                    }
                }
            });
            let body = format!("a{round}");
            publisher.send(body.as_str());
            assert_eq!(subscriber.recv(), body.as_str());
        }
    });
}
