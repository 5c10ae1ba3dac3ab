//! Sockets that nobody calls: what becomes of their connections leaves nothing behind.

use std::{io::Write, time::Duration};

use zsocket::{Context, Endpoint, Pub, Pull, Push, Socket, Sub};

use crate::{
    COMMAND, alone, descriptors, memory,
    support::{PATIENCE, Raw, RawListener, WIRES, Wire, eventually, frame},
};

/// What may remain of any number of connections.
const REMAINDER: u64 = 1 << 20;
const FEW: usize = 500;
const MANY: usize = 3000;

/// Memory is the same after many more of these.
fn check(mut connections: impl FnMut(usize)) {
    // Free memory that was given back and is used again is no growth.
    let memory = || {
        zpipe::trim_heap(0);
        memory()
    };
    connections(FEW);
    let before = memory();
    connections(MANY);
    let after = memory();
    assert!(after < before + REMAINDER, "from {before} to {after} bytes");
}

fn breaks_again_and_again(immediate: bool) {
    let _alone = alone();
    let context = Context::new();
    let push = context.build_socket::<Push>().immediate(immediate);
    let push = push
        .reconnect_interval(Some(Duration::from_millis(1)))
        .handshake_interval(None)
        .build()
        .unwrap();
    let listener = RawListener::anywhere(Wire::Ipc);
    push.connect(listener.endpoint()).unwrap();
    check(|count| {
        for _ in 0..count {
            drop(listener.accept_as("PULL"));
        }
    });
}

#[test]
fn a_connection_that_breaks_and_keeps_its_link() {
    breaks_again_and_again(false);
}

#[test]
fn a_connection_that_breaks_and_gets_a_new_link() {
    breaks_again_and_again(true);
}

#[test]
fn peers_that_come_and_go() {
    let _alone = alone();
    let context = Context::new();
    let pull = context.build_socket::<Pull>().handshake_interval(None);
    let pull = pull.build().unwrap();
    let endpoint = pull.bind(Wire::Ipc.anywhere()).unwrap();
    let before = descriptors();
    check(|count| {
        for _ in 0..count {
            drop(Raw::connect_as(&endpoint, "PUSH"));
        }
        eventually("they are gone", || descriptors() == before);
    });
}

#[test]
fn inproc_peers_that_come_and_go() {
    let _alone = alone();
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    pull.bind("inproc://uncalled").unwrap();
    check(|count| {
        for _ in 0..count {
            let push = context.socket::<Push>().unwrap();
            push.connect("inproc://uncalled").unwrap();
        }
    });
}

#[test]
fn inproc_peers_that_waited_for_a_binder() {
    const AT_A_TIME: usize = 100;
    let _alone = alone();
    let context = Context::new();
    let mut uncalled = Vec::new();
    check(|count| {
        for _ in 0..count / AT_A_TIME {
            let name = format!("inproc://uncalled/{}", uncalled.len());
            let push = context.socket::<Push>().unwrap();
            for _ in 0..AT_A_TIME {
                push.connect(&name).unwrap();
            }
            let pull = context.socket::<Pull>().unwrap();
            pull.bind(&name).unwrap();
            uncalled.push(pull);
        }
    });
}

/// What somebody said before he went is there for a socket that is called late.
#[test]
fn messages_of_inproc_peers_that_are_gone_are_received() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    pull.bind("inproc://late").unwrap();
    for at in 0..10 {
        let push = context.socket::<Push>().unwrap();
        push.connect("inproc://late").unwrap();
        if at % 2 == 0 {
            push.send("still here").unwrap();
        }
    }
    for _ in 0..5 {
        assert_eq!(pull.try_recv().unwrap()[0], "still here");
    }
    assert!(pull.try_recv().is_err());
    assert_eq!(pull.peers(), 0);
}

/// A publisher that has not made a call since it was bound: it serves who comes last, and knows of nobody else.
fn serves_the_last(context: &Context, publisher: &Socket<Pub>, endpoint: &Endpoint) {
    let subscriber = context.socket::<Sub>().unwrap();
    subscriber.subscribe("topic").unwrap();
    subscriber.connect(endpoint).unwrap();
    publisher.wait_subscribed("topic", 1, PATIENCE).unwrap();
    eventually("it knows one subscriber", || {
        publisher.subscriber_count("topic 1").unwrap() == 1 && publisher.peers() == 1
    });
    publisher.send("topic 1").unwrap();
    assert_eq!(subscriber.recv_timeout(PATIENCE).unwrap()[0], "topic 1");
    assert_eq!(publisher.published_topics().unwrap(), 1);
}

/// Each of them subscribes to topics of its own, so that remembering any of them would show.
#[test]
fn subscribers_of_a_silent_publisher_that_come_and_go() {
    let _alone = alone();
    for wire in WIRES {
        let context = Context::new();
        let publisher = context.build_socket::<Pub>().handshake_interval(None);
        let publisher = publisher.build().unwrap();
        let endpoint = publisher.bind(wire.anywhere()).unwrap();
        let before = descriptors();
        let mut number = 0;
        check(|count| {
            for _ in 0..count {
                let mut subscriber = Raw::connect_as(&endpoint, "SUB");
                for _ in 0..10 {
                    number += 1;
                    let topic = format!("\x09SUBSCRIBEtopic {number}");
                    subscriber
                        .write_all(&frame(COMMAND, topic.as_bytes()))
                        .unwrap();
                }
                if number % 20 == 0 {
                    let topic = format!("\x06CANCELtopic {number}");
                    subscriber
                        .write_all(&frame(COMMAND, topic.as_bytes()))
                        .unwrap();
                }
            }
            eventually("they are gone", || descriptors() == before);
        });
        serves_the_last(&context, &publisher, &endpoint);
    }
}

#[test]
fn inproc_subscribers_of_a_silent_publisher_that_come_and_go() {
    let _alone = alone();
    let context = Context::new();
    let publisher = context.socket::<Pub>().unwrap();
    let endpoint = publisher.bind("inproc://silent").unwrap();
    let mut number = 0;
    check(|count| {
        for _ in 0..count {
            let subscriber = context.socket::<Sub>().unwrap();
            subscriber.connect("inproc://silent").unwrap();
            for _ in 0..10 {
                number += 1;
                subscriber.subscribe(format!("topic {number}")).unwrap();
            }
        }
    });
    serves_the_last(&context, &publisher, &endpoint);
}

/// What an unread SUB that conflates takes after so many messages is what it took after a few.
fn published(configure: impl Fn(&Socket<Sub>)) {
    const MESSAGES: u64 = 100_000;
    let _alone = alone();
    let context = Context::new();
    let publisher = context.socket::<Pub>().unwrap();
    publisher.set_send_hwm(0).unwrap();
    let endpoint = publisher.bind(Wire::Tcp.anywhere()).unwrap();
    let subscriber = context.socket::<Sub>().unwrap();
    configure(&subscriber);
    subscriber.connect(&endpoint).unwrap();
    subscriber.subscribe("").unwrap();
    publisher.wait_subscribed("", 1, PATIENCE).unwrap();
    let mut sent = 0;
    let mut publish = |messages: u64| {
        // In parts, so that what is on its way takes no memory either.
        for _ in 0..messages / 1000 {
            for number in 0..1000 {
                let topic = format!("topic {}", number % 10);
                publisher.send([topic.as_bytes(), &[b'x'; 1000]]).unwrap();
            }
            sent += 1000;
            // The application does not receive; it may well look at its counters.
            eventually("they have come", || {
                subscriber.stats().dropped.conflated + 10 >= sent
            });
        }
        zpipe::trim_heap(0);
        memory()
    };
    let before = publish(MESSAGES / 20);
    let after = publish(MESSAGES);
    assert!(after < before + REMAINDER, "from {before} to {after} bytes");
}

#[test]
fn a_subscriber_that_conflates() {
    published(|subscriber| subscriber.set_conflate(true).unwrap());
}

#[test]
fn a_subscriber_that_conflates_by_topic() {
    published(|subscriber| subscriber.set_conflate_by_topic(Some(10)).unwrap());
}
