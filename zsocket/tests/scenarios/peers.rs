//! Several peers: whose turn it is, and what becomes of it when they come and go.

use std::collections::HashMap;

use zsocket::{Context, Error, Pull, Push, Socket};

use crate::support::{PATIENCE, Raw, RawListener, WIRES, eventually, everywhere};

fn text(socket: &Socket<Pull>) -> String {
    let message = socket.recv_timeout(PATIENCE).unwrap();
    String::from_utf8(message[0].to_vec()).unwrap()
}

#[test]
fn a_push_gives_each_peer_its_turn() {
    for anywhere in everywhere() {
        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        let pulls: Vec<_> = (0..3)
            .map(|at| {
                let pull = context.socket::<Pull>().unwrap();
                let name = anywhere.replace("anywhere", &format!("turn-{at}"));
                push.connect(pull.bind(name.as_str()).unwrap()).unwrap();
                pull
            })
            .collect();
        for at in 0..30 {
            push.send(at.to_string()).unwrap();
        }
        for round in 0..10 {
            for (at, pull) in pulls.iter().enumerate() {
                assert_eq!(text(pull), (round * 3 + at).to_string());
            }
        }
    }
}

#[test]
fn those_who_are_full_are_passed_over() {
    let context = Context::new();
    let push = context.build_socket::<Push>().send_hwm(1).build().unwrap();
    let pulls = [1, 4, 1].map(|hwm| {
        let pull = context
            .build_socket::<Pull>()
            .recv_hwm(hwm)
            .build()
            .unwrap();
        let name = format!("inproc://full-{}", push.peers());
        pull.bind(name.as_str()).unwrap();
        push.connect(name.as_str()).unwrap();
        pull
    });
    let mut sent = 0;
    while push.try_send(sent.to_string()).is_ok() {
        sent += 1;
    }
    // The second has room for five, the others for two.
    assert_eq!(sent, 9);
    for (pull, expected) in
        pulls
            .iter()
            .zip([&["0", "3"][..], &["1", "4", "6", "7", "8"], &["2", "5"]])
    {
        for expected in expected {
            assert_eq!(text(pull), *expected);
        }
        assert!(pull.try_recv().is_err());
    }
    // All have room again, and all get their turn again.
    let mut counts = [0; 3];
    for _ in 0..6 {
        push.send("more").unwrap();
    }
    for (pull, count) in pulls.iter().zip(&mut counts) {
        while pull.try_recv().is_ok() {
            *count += 1;
        }
    }
    assert_eq!(counts, [2, 2, 2]);
}

#[test]
fn a_pull_gives_each_peer_its_turn() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    pull.bind("inproc://fair").unwrap();
    let pushes: Vec<_> = (0..4)
        .map(|at| {
            let push = context.socket::<Push>().unwrap();
            push.connect("inproc://fair").unwrap();
            for _ in 0..(at + 1) * 10 {
                push.send(at.to_string()).unwrap();
            }
            push
        })
        .collect();
    let order: Vec<String> = (0..100).map(|_| text(&pull)).collect();
    let mut left: HashMap<String, usize> =
        (0..4).map(|at| (at.to_string(), (at + 1) * 10)).collect();
    let mut at = 0;
    while !left.is_empty() {
        // Everybody who has something left appears once in each turn.
        let turn: std::collections::HashSet<_> =
            order[at..at + left.len()].iter().cloned().collect();
        assert_eq!(turn.len(), left.len(), "from {at}: {order:?}");
        at += left.len();
        left.retain(|_, count| {
            *count -= 1;
            *count > 0
        });
    }
    drop(pushes);
}

#[test]
fn one_who_floods_does_not_silence_the_others() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.build_socket::<Pull>().recv_hwm(10).build().unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let flood = context.socket::<Push>().unwrap();
        flood.set_linger(Some(std::time::Duration::ZERO)).unwrap();
        flood.connect(&endpoint).unwrap();
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stopped = std::sync::Arc::clone(&stop);
        let flooder = crate::support::spawn(move || {
            while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = flood.send_timeout("flood", crate::support::A_WHILE);
            }
        });
        for at in 0..10 {
            let quiet = context.socket::<Push>().unwrap();
            quiet.connect(&endpoint).unwrap();
            quiet.send(at.to_string()).unwrap();
            // Ten of the flood may lie before it, and many more while it connects; all that
            // matters is that it comes.
            while text(&pull) != at.to_string() {}
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        while flooder.is_running() {
            let _ = pull.try_recv();
        }
        flooder.join();
    }
}

#[test]
fn late_joiners_and_early_leavers() {
    for wire in WIRES {
        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        let endpoint = push.bind(wire.anywhere()).unwrap();
        let refused = push.try_send("nobody").unwrap_err();
        assert!(matches!(refused.error, Error::WouldBlock(_)));
        let mut first = Raw::connect_as(&endpoint, "PULL");
        eventually("the first is there", || push.peers() == 1);
        push.send("1").unwrap();
        push.send("2").unwrap();
        assert_eq!(first.read_message(), [b"1".to_vec()]);
        assert_eq!(first.read_message(), [b"2".to_vec()]);
        let mut second = Raw::connect_as(&endpoint, "PULL");
        eventually("the second is there", || push.peers() == 2);
        for at in 0..10u8 {
            push.send([at]).unwrap();
        }
        let mut seen: Vec<u8> = Vec::new();
        for _ in 0..5 {
            seen.push(first.read_message()[0][0]);
            seen.push(second.read_message()[0][0]);
        }
        // In turns.
        let (odd, even): (Vec<u8>, Vec<u8>) = seen.chunks(2).map(|pair| (pair[0], pair[1])).unzip();
        assert!(
            odd.windows(2)
                .chain(even.windows(2))
                .all(|w| w[0] + 2 == w[1]),
            "{seen:?}"
        );
        drop(first);
        eventually("the first is gone", || {
            push.peers() == 1 || push.try_send("x").is_err()
        });
        push.send("for the second").unwrap();
        loop {
            let message = second.read_message();
            if message[0] == b"for the second" {
                break;
            }
            assert_eq!(message[0], b"x");
        }
    }
}

#[test]
fn many_peers_at_a_time() {
    const PEERS: usize = 300;
    for wire in WIRES {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        pull.set_backlog(1024).unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let mut raws: Vec<Raw> = (0..PEERS)
            .map(|_| Raw::connect_as(&endpoint, "PUSH"))
            .collect();
        for round in 0..3u8 {
            for (at, raw) in raws.iter_mut().enumerate() {
                raw.send(&[&at.to_be_bytes(), &[round]]);
            }
        }
        let mut rounds = vec![0u8; PEERS];
        for _ in 0..3 * PEERS {
            let message = pull.recv_timeout(PATIENCE).unwrap();
            let at = usize::from_be_bytes(message[0][..].try_into().unwrap());
            assert_eq!(message[1], [rounds[at]]);
            rounds[at] += 1;
        }
        assert_eq!(pull.peers(), PEERS);
        raws.drain(..PEERS / 2);
        eventually("half of them are gone", || {
            assert!(pull.try_recv().is_err());
            pull.peers() == PEERS - PEERS / 2
        });
        raws[0].send(&[b"still here"]);
        assert_eq!(text(&pull), "still here");
    }
}

#[test]
fn a_message_goes_to_whoever_is_there() {
    for wire in WIRES {
        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        push.set_send_hwm(1).unwrap();
        // One that never comes takes what its pipe holds, and no more.
        let absent = RawListener::anywhere(wire);
        let nowhere = absent.endpoint();
        drop(absent);
        push.connect(&nowhere).unwrap();
        let present = RawListener::anywhere(wire);
        push.connect(present.endpoint()).unwrap();
        let mut raw = present.accept_as("PULL");
        for at in 0..5u8 {
            push.send_timeout([at], PATIENCE).unwrap();
        }
        for at in 1..5u8 {
            assert_eq!(raw.read_message(), [vec![at]]);
        }
        push.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
}
