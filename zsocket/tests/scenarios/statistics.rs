//! What a socket counts about its traffic, all together and peer by peer.

use std::time::Duration;

use zsocket::{Context, Dealer, Error, Pair, PeerStats, Pub, Pull, Push, Router, Socket, Sub};

use crate::support::{A_WHILE, PATIENCE, eventually, everywhere, loopback};

fn only<P: zsocket::Pattern>(socket: &Socket<P>) -> PeerStats {
    let mut all = socket.all_peer_stats();
    assert_eq!(all.len(), 1);
    all.pop().unwrap()
}

#[test]
fn messages_and_bytes_are_counted_for_the_socket_and_each_peer() {
    for anywhere in everywhere() {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let endpoint = pull.bind(anywhere).unwrap();
        let pushes = [(); 2].map(|()| {
            let push = context.socket::<Push>().unwrap();
            push.connect(&endpoint).unwrap();
            push
        });
        // A header of 2 bytes each, and of 9 from 256 bytes on.
        for (push, (messages, size)) in pushes.iter().zip([(3_u64, 10_usize), (5, 20_000)]) {
            let bytes = messages * (size as u64 + if size < 256 { 2 } else { 9 });
            let before = pull.stats();
            let mut from = None;
            for _ in 0..messages {
                push.send(vec![7; size]).unwrap();
                from = Some(pull.recv_from().unwrap().1);
            }
            let (sent, received) = (push.stats(), pull.stats());
            assert_eq!(
                (sent.messages_sent, sent.bytes_sent),
                (messages, bytes),
                "{anywhere}"
            );
            assert_eq!(
                received.messages_received - before.messages_received,
                messages
            );
            assert_eq!(received.bytes_received - before.bytes_received, bytes);
            let peer = only(push);
            assert_eq!((peer.messages_sent, peer.bytes_sent), (messages, bytes));
            assert_eq!((peer.messages_received, peer.bytes_received), (0, 0));
            assert!(peer.outgoing && peer.endpoint == endpoint);
            let peer = pull.peer_stats(from.unwrap()).unwrap();
            assert_eq!(
                (peer.messages_received, peer.bytes_received),
                (messages, bytes)
            );
            assert!(!peer.outgoing && peer.endpoint == endpoint);
        }
        // What those had that are gone still counts.
        let before = pull.stats();
        let peer = pull.peer_list()[0].id;
        drop(pushes);
        eventually("both are gone", || {
            assert!(pull.try_recv().is_err());
            pull.peers() == 0
        });
        assert!(pull.peer_stats(peer).is_none());
        let after = pull.stats();
        assert_eq!(after.bytes_received, before.bytes_received);
        assert_eq!(after.messages_received, 8);
    }
}

#[test]
fn what_waits_is_counted_on_both_sides() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    pull.bind("inproc://queue").unwrap();
    let push = context.socket::<Push>().unwrap();
    push.connect("inproc://queue").unwrap();
    for _ in 0..7 {
        push.send("x").unwrap();
    }
    assert_eq!((push.stats().queued_out, push.stats().queued_in), (7, 0));
    assert_eq!((pull.stats().queued_out, pull.stats().queued_in), (0, 7));
    for _ in 0..3 {
        pull.recv().unwrap();
    }
    assert_eq!(
        (push.stats().queued_out, push.stats().most_queued_out),
        (4, 7)
    );
    let (sender, receiver) = (only(&push), only(&pull));
    assert_eq!(
        (sender.queued_out, sender.most_queued_out, sender.send_mark),
        (4, 7, 2000)
    );
    assert_eq!((receiver.queued_in, receiver.recv_mark), (4, 2000));
}

#[test]
fn over_a_stream_what_the_system_has_taken_does_not_wait() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let push = context.socket::<Push>().unwrap();
    push.connect(pull.bind(loopback()).unwrap()).unwrap();
    push.wait_connected(1, PATIENCE).unwrap();
    for _ in 0..7 {
        push.send("x").unwrap();
    }
    eventually("all of it has come", || pull.stats().queued_in == 7);
    eventually("none of it waits", || push.stats().queued_out == 0);
    pull.recv().unwrap();
    assert_eq!(pull.stats().queued_in, 6);
}

#[test]
fn the_time_in_which_a_peer_is_full_is_taken() {
    let context = Context::new();
    let pull = context.build_socket::<Pull>().recv_hwm(5).build().unwrap();
    pull.bind("inproc://full").unwrap();
    let push = context.build_socket::<Push>().send_hwm(5).build().unwrap();
    push.connect("inproc://full").unwrap();
    for _ in 0..10 {
        push.try_send("x").unwrap();
    }
    let before = push.stats();
    assert_eq!(
        (before.mutes, before.muted),
        (0, Duration::ZERO),
        "nobody has found it full"
    );
    assert!(matches!(
        push.try_send("x").unwrap_err().error,
        Error::WouldBlock(_)
    ));
    let stats = only(&push);
    assert!(stats.is_muted && stats.mutes == 1 && stats.most_queued_out == 10);
    assert!(matches!(
        push.send_timeout("x", A_WHILE).unwrap_err().error,
        Error::WouldBlock(_)
    ));
    let stats = push.stats();
    assert!(stats.muted >= A_WHILE, "{:?}", stats.muted);
    assert_eq!(stats.mutes, 1, "still the same time");
    for _ in 0..10 {
        pull.recv().unwrap();
    }
    let over = only(&push);
    assert!(!over.is_muted);
    let (once, twice) = (push.stats(), push.stats());
    assert_eq!(once.muted, twice.muted, "it is over");
    assert_eq!(once.muted, over.muted);
    push.send("x").unwrap();
    assert_eq!(push.stats().mutes, 1);
}

#[test]
fn a_subscriber_that_is_full_is_told_by_name() {
    let context = Context::new();
    let publisher = context.build_socket::<Pub>().send_hwm(5).build().unwrap();
    publisher.bind("inproc://pub").unwrap();
    let subscribers = [5, 1000].map(|hwm| {
        let sub = context.build_socket::<Sub>().recv_hwm(hwm).build().unwrap();
        sub.connect("inproc://pub").unwrap();
        sub.subscribe("").unwrap();
        sub
    });
    publisher.wait_subscribed("", 2, PATIENCE).unwrap();
    for _ in 0..30 {
        publisher.send("x").unwrap();
    }
    let mut peers = publisher.all_peer_stats();
    peers.sort_by_key(|peer| peer.send_mark);
    let [slow, fast] = &peers[..] else {
        panic!("two peers")
    };
    assert_eq!((slow.messages_sent, slow.dropped_hwm), (10, 20));
    assert!(slow.is_muted);
    assert_eq!(
        (fast.messages_sent, fast.dropped_hwm, fast.mutes),
        (30, 0, 0)
    );
    let stats = publisher.stats();
    assert_eq!((stats.dropped.hwm, stats.dropped.total()), (20, 20));
    assert_eq!((stats.messages_sent, stats.bytes_sent), (30, 40 * 3));
    drop(subscribers);
}

#[test]
fn statistics_are_a_report() {
    let context = Context::new();
    let router = context.socket::<Router>().unwrap();
    let endpoint = router.bind(loopback()).unwrap();
    router.send(["nobody", "x"]).unwrap();
    let dealer = context.socket::<Dealer>().unwrap();
    dealer.connect(&endpoint).unwrap();
    dealer.send("four").unwrap();
    router.recv().unwrap();
    let text = router.stats().to_string();
    for line in [
        "sent:        1 messages, 0 bytes",
        "received:    1 messages, 6 bytes",
        "queued:      0 to send (at most 0 for one peer), 0 to receive",
        "peers full:  0 times, 0.000ns together",
        "dropped:     1 for a peer that is not there",
        "connections: 1 open, 1 established",
        "trouble:     none",
    ] {
        assert!(text.lines().any(|own| own == line), "{line:?} in\n{text}");
    }
    let text = only(&router).to_string();
    assert!(
        text.contains(&format!("accepted at {endpoint}: sent 0 messages")),
        "{text}"
    );
    assert!(text.contains("received 1 messages, 6 bytes"), "{text}");
    let pair = context.socket::<Pair>().unwrap();
    assert!(pair.stats().to_string().contains("connections: none"));
}
