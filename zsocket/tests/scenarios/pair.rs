//! PAIR has one peer, and says so to whoever else comes.

use std::time::Duration;

use zsocket::{Context, Error, Event, Pair};

use crate::support::{PATIENCE, Raw, RawListener, WIRES, eventually, everywhere, spawn, wait_for};

#[test]
fn a_second_peer_is_sent_away_and_reported() {
    for wire in WIRES {
        let context = Context::new();
        let pair = context.socket::<Pair>().unwrap();
        let monitor = pair.monitor();
        let endpoint = pair.bind(wire.anywhere()).unwrap();
        let mut peer = Raw::connect_as(&endpoint, "PAIR");
        peer.send(&[b"the peer"]);
        assert_eq!(pair.recv_timeout(PATIENCE).unwrap()[0], "the peer");
        let mut second = Raw::connect_as(&endpoint, "PAIR");
        second.send(&[b"nobody wants this"]);
        // It is taken in with the next call.
        eventually("a peer is refused", || {
            assert!(matches!(pair.try_recv(), Err(Error::WouldBlock(_))));
            pair.stats().connections.refused == 1
        });
        second.expect_close();
        let refused =
            |event: &Event| matches!(event, Event::PeerRefused { endpoint: at } if *at == endpoint);
        wait_for(&monitor, "the refusal", refused);
        assert_eq!(pair.peers(), 1);
        // The peer has noticed nothing.
        pair.send("reply").unwrap();
        assert_eq!(peer.read_message(), [b"reply"]);
    }
}

#[test]
fn the_next_peer_comes_when_all_of_the_last_one_is_received() {
    for wire in WIRES {
        let context = Context::new();
        let pair = context.socket::<Pair>().unwrap();
        let monitor = pair.monitor();
        let endpoint = pair.bind(wire.anywhere()).unwrap();
        let mut first = Raw::connect_as(&endpoint, "PAIR");
        first.send(&[b"1"]);
        first.send(&[b"2"]);
        assert_eq!(pair.recv_timeout(PATIENCE).unwrap()[0], "1");
        drop(first);
        wait_for(&monitor, "the end of the first", |event| {
            matches!(event, Event::Disconnected { .. })
        });
        assert_eq!(pair.recv_timeout(PATIENCE).unwrap()[0], "2");
        assert!(
            matches!(pair.try_send("to nobody"), Err(error) if matches!(error.error, Error::WouldBlock(_)))
        );
        let mut second = Raw::connect_as(&endpoint, "PAIR");
        second.send(&[b"3"]);
        assert_eq!(pair.recv_timeout(PATIENCE).unwrap()[0], "3");
        pair.send("welcome").unwrap();
        assert_eq!(second.read_message(), [b"welcome"]);
    }
}

#[test]
fn a_pair_cannot_connect_twice_until_it_disconnects() {
    for anywhere in everywhere() {
        let context = Context::new();
        let others = [(); 2].map(|()| context.socket::<Pair>().unwrap());
        let endpoints = [0, 1].map(|at| {
            let name = anywhere.replace("anywhere", &format!("other-{at}"));
            others[at].bind(name.as_str()).unwrap()
        });
        let pair = context.socket::<Pair>().unwrap();
        pair.connect(&endpoints[0]).unwrap();
        assert!(matches!(pair.connect(&endpoints[1]), Err(Error::HasPeer)));
        assert_eq!(pair.peers(), 1);
        pair.send("to the first").unwrap();
        assert_eq!(others[0].recv_timeout(PATIENCE).unwrap()[0], "to the first");
        pair.disconnect(&endpoints[0]).unwrap();
        pair.connect(&endpoints[1]).unwrap();
        pair.send("to the second").unwrap();
        assert_eq!(
            others[1].recv_timeout(PATIENCE).unwrap()[0],
            "to the second"
        );
    }
}

#[test]
fn over_inproc_a_second_one_finds_its_link_closed() {
    let context = Context::new();
    let pair = context.socket::<Pair>().unwrap();
    pair.bind("inproc://pair").unwrap();
    let [first, second] = [(); 2].map(|()| {
        let other = context.socket::<Pair>().unwrap();
        other.connect("inproc://pair").unwrap();
        other
    });
    first.send("first").unwrap();
    assert_eq!(pair.recv_timeout(PATIENCE).unwrap()[0], "first");
    assert_eq!((pair.peers(), pair.stats().connections.refused), (1, 1));
    assert_eq!(second.peers(), 0);
    // It may try again when the first has left.
    drop(first);
    assert!(matches!(pair.try_recv(), Err(Error::WouldBlock(_))));
    second.connect("inproc://pair").unwrap();
    second.send("second").unwrap();
    assert_eq!(pair.recv_timeout(PATIENCE).unwrap()[0], "second");
}

/// Its connection gets a new link each time it is made again, and the old one may have messages.
#[test]
fn a_pair_with_immediate_finds_its_peer_again() {
    for wire in WIRES {
        let listener = RawListener::anywhere(wire);
        let context = Context::new();
        let pair = context.build_socket::<Pair>().immediate(true);
        let pair = pair
            .reconnect_interval(Some(Duration::from_millis(1)))
            .build()
            .unwrap();
        pair.connect(listener.endpoint()).unwrap();
        let mut peer = listener.accept_as("PAIR");
        peer.send(&[b"1"]);
        assert_eq!(pair.recv_timeout(PATIENCE).unwrap()[0], "1");
        for round in 0..3 {
            peer.send(&[b"unread"]);
            drop(peer);
            peer = listener.accept_as("PAIR");
            peer.send(&[b"new"]);
            // Whether the socket has looked meanwhile or not.
            if round == 1 {
                eventually("both are there", || pair.peers() == 2);
            }
            for body in ["unread", "new"] {
                assert_eq!(pair.recv_timeout(PATIENCE).unwrap()[0], body);
            }
            pair.send("welcome back").unwrap();
            assert_eq!(peer.read_message(), [b"welcome back"]);
        }
        assert_eq!(pair.stats().connections.refused, 0);
    }
}

#[test]
fn a_pair_that_disconnects_is_free_again() {
    for wire in WIRES {
        let [listener, other] = [(); 2].map(|()| RawListener::anywhere(wire));
        let context = Context::new();
        let pair = context.build_socket::<Pair>().immediate(true);
        let pair = pair
            .reconnect_interval(Some(Duration::from_millis(1)))
            .build()
            .unwrap();
        pair.connect(listener.endpoint()).unwrap();
        let mut peer = listener.accept_as("PAIR");
        peer.send(&[b"1"]);
        peer.send(&[b"unread"]);
        assert_eq!(pair.recv_timeout(PATIENCE).unwrap()[0], "1");
        drop(peer);
        // The connection has two links now: one with a message, and one that waits for its end.
        let _peer = listener.accept_as("PAIR");
        eventually("both are there", || pair.peers() == 2);
        pair.disconnect(listener.endpoint()).unwrap();
        assert_eq!(pair.peers(), 0);
        pair.connect(other.endpoint()).unwrap();
        let mut peer = other.accept_as("PAIR");
        pair.send("somebody else").unwrap();
        assert_eq!(peer.read_message(), [b"somebody else"]);
    }
}

/// The one comes while the other goes, and nobody calls the bound socket meanwhile.
#[test]
fn over_inproc_pairs_come_and_go_from_threads() {
    let context = Context::new();
    let pair = context.socket::<Pair>().unwrap();
    pair.bind("inproc://churn").unwrap();
    let threads = [0, 1].map(|_| {
        let context = context.clone();
        spawn(move || {
            let mut served = 0;
            while served < 200 {
                let other = context.socket::<Pair>().unwrap();
                other.connect("inproc://churn").unwrap();
                // Refused if the other thread's is there.
                let soon = Duration::from_millis(20);
                let asked = other.send_timeout("ask", soon).is_ok();
                served += u32::from(asked && other.recv_timeout(soon).is_ok());
            }
        })
    });
    while threads.iter().any(|thread| thread.is_running()) {
        if pair.recv_timeout(Duration::from_millis(1)).is_ok() {
            // It may have given up.
            let _ = pair.try_send("answer");
        }
    }
    threads.into_iter().for_each(|thread| thread.join());
}
