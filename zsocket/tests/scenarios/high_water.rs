//! High-water marks are exact, and who waits at one goes on in time.

use std::time::{Duration, Instant};

use zsocket::{Context, Error, Message, Pull, Push, Socket};

use crate::support::{
    A_WHILE, HUGE, PATIENCE, RawListener, SMALL_BUFFER, WIRES, Wire, eventually, spawn,
};

fn number(message: &Message) -> usize {
    let bytes: [u8; 8] = message[0][..8].try_into().unwrap();
    usize::from_be_bytes(bytes)
}

fn numbered(number: usize, size: usize) -> Vec<u8> {
    let mut body = vec![0; size.max(8)];
    body[..8].copy_from_slice(&number.to_be_bytes());
    body
}

/// Sends without waiting until nothing more is taken.
fn fill(push: &Socket<Push>, size: usize) -> usize {
    for sent in 0.. {
        match push.try_send(numbered(sent, size)) {
            Ok(()) => assert!(sent < 1_000_000, "no mark holds it"),
            Err(refused) => {
                assert!(matches!(refused.error, Error::WouldBlock(_)));
                assert_eq!(number(&refused.message), sent);
                return sent;
            }
        }
    }
    unreachable!("endless")
}

fn drain(pull: &Socket<Pull>, expected: std::ops::Range<usize>) {
    for at in expected {
        let message = pull.recv_timeout(PATIENCE).unwrap();
        assert_eq!(number(&message), at);
    }
}

#[test]
fn inproc_holds_both_marks_together() {
    for (send, recv, expected) in [
        (1, 1, 2),
        (2, 3, 5),
        (10, 1, 11),
        (1, 10, 11),
        (1000, 1000, 2000),
    ] {
        let context = Context::new();
        let pull = context
            .build_socket::<Pull>()
            .recv_hwm(recv)
            .build()
            .unwrap();
        let push = context
            .build_socket::<Push>()
            .send_hwm(send)
            .build()
            .unwrap();
        pull.bind("inproc://exact").unwrap();
        push.connect("inproc://exact").unwrap();
        assert_eq!(fill(&push, 8), expected);
        drain(&pull, 0..expected);
        assert!(matches!(pull.try_recv(), Err(Error::WouldBlock(_))));
        assert_eq!(fill(&push, 8), expected);
        // Each one taken makes room for one.
        drain(&pull, 0..1);
        push.try_send(numbered(expected, 8)).unwrap();
        assert!(push.try_send(numbered(expected + 1, 8)).is_err());
        drain(&pull, 1..expected + 1);
    }
}

#[test]
fn inproc_from_the_bound_side_is_the_same() {
    let context = Context::new();
    let push = context.build_socket::<Push>().send_hwm(2).build().unwrap();
    let pull = context.build_socket::<Pull>().recv_hwm(3).build().unwrap();
    push.bind("inproc://exact").unwrap();
    assert_eq!(fill(&push, 8), 0);
    pull.connect("inproc://exact").unwrap();
    assert_eq!(fill(&push, 8), 5);
    drain(&pull, 0..5);
}

#[test]
fn inproc_is_unlimited_if_either_mark_is() {
    for (send, recv) in [(0, 1), (1, 0), (0, 0)] {
        let context = Context::new();
        let pull = context
            .build_socket::<Pull>()
            .recv_hwm(recv)
            .build()
            .unwrap();
        let push = context
            .build_socket::<Push>()
            .send_hwm(send)
            .build()
            .unwrap();
        pull.bind("inproc://unlimited").unwrap();
        push.connect("inproc://unlimited").unwrap();
        for at in 0..100_000 {
            push.try_send(numbered(at, 8)).unwrap();
        }
        drain(&pull, 0..100_000);
    }
}

#[test]
fn inproc_before_somebody_binds_has_the_own_mark() {
    for hwm in [1, 2, 10] {
        let context = Context::new();
        let push = context
            .build_socket::<Push>()
            .send_hwm(hwm)
            .build()
            .unwrap();
        push.connect("inproc://later").unwrap();
        let hwm = hwm as usize;
        assert_eq!(fill(&push, 8), hwm);
        let pull = context.build_socket::<Pull>().recv_hwm(5).build().unwrap();
        pull.bind("inproc://later").unwrap();
        for at in hwm..hwm + 5 {
            push.try_send(numbered(at, 8)).unwrap();
        }
        assert!(push.try_send(numbered(0, 8)).is_err());
        drain(&pull, 0..hwm + 5);
    }
}

#[test]
fn a_sender_blocked_before_somebody_binds_goes_on_then() {
    let context = Context::new();
    let push = context.build_socket::<Push>().send_hwm(1).build().unwrap();
    push.connect("inproc://later").unwrap();
    push.send("first").unwrap();
    let sender = spawn(move || {
        push.send("second").unwrap();
        push
    });
    let pull = context.socket::<Pull>().unwrap();
    pull.bind("inproc://later").unwrap();
    let _push = sender.join();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "first");
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "second");
}

#[test]
fn connecting_to_nobody_queues_up_to_the_mark() {
    for anywhere in ["tcp://127.0.0.1:1", "ipc:///nonexistent/socket"] {
        for hwm in [1, 2, 10, 1000] {
            let context = Context::new();
            let push = context
                .build_socket::<Push>()
                .send_hwm(hwm)
                .linger(Some(Duration::ZERO))
                .build()
                .unwrap();
            push.connect(anywhere).unwrap();
            assert_eq!(fill(&push, 8), hwm as usize);
        }
    }
}

/// Whether a sender waits or not, and whatever it has done before, it finds each place as soon as there is
/// one, in whichever pipe that is.
#[test]
fn every_free_place_is_found() {
    const MARK: u32 = 10;
    let context = Context::new();
    let push = context.build_socket::<Push>().send_hwm(MARK);
    let push = push.build().unwrap();
    let pulls: Vec<_> = (0..3)
        .map(|at| {
            let pull = context.build_socket::<Pull>().recv_hwm(MARK);
            let pull = pull.build().unwrap();
            let endpoint = format!("inproc://places/{at}");
            pull.bind(&endpoint).unwrap();
            push.connect(&endpoint).unwrap();
            pull
        })
        .collect();
    for at in 0..pulls.len() * 2 * MARK as usize {
        push.send(numbered(at, 8)).unwrap();
    }
    // Each way of sending finds the pipes full, and then one place in one of them, far above the half
    // at which a pipe calls for more.
    let ways: [fn(&Socket<Push>) -> bool; 3] = [
        |push| push.try_send(numbered(0, 8)).is_ok(),
        |push| push.send_timeout(numbered(0, 8), Duration::ZERO).is_ok(),
        |push| push.send_timeout(numbered(0, 8), A_WHILE).is_ok(),
    ];
    for (at, first) in ways.iter().enumerate() {
        for second in &ways {
            for pull in &pulls {
                assert!(!first(&push), "full, way {at}");
                pull.try_recv().unwrap();
                assert!(second(&push), "one place, after way {at}");
                assert!(!second(&push), "full again, after way {at}");
            }
        }
    }
    // All of it at once.
    for pull in &pulls {
        while pull.try_recv().is_ok() {}
    }
    assert_eq!(fill(&push, 8), pulls.len() * 2 * MARK as usize);
}

#[test]
fn a_peer_that_does_not_read_holds_nothing_beyond_the_mark() {
    for wire in WIRES {
        for hwm in [1, 2, 10] {
            let context = Context::new();
            let push = context
                .build_socket::<Push>()
                .send_hwm(hwm)
                .build()
                .unwrap();
            push.set_send_buffer(Some(SMALL_BUFFER)).unwrap();
            let listener = RawListener::anywhere(wire);
            push.connect(listener.endpoint()).unwrap();
            let mut raw = listener.accept_as("PULL");
            // No message is ever taken whole by the system, so all of them count.
            let hwm = hwm as usize;
            for at in 0..hwm {
                push.send_timeout(numbered(at, HUGE), PATIENCE).unwrap();
            }
            let refused = push.send_timeout(numbered(hwm, HUGE), A_WHILE).unwrap_err();
            assert!(matches!(refused.error, Error::WouldBlock(_)));
            assert_eq!(number(&refused.message), hwm);
            for at in 0..hwm {
                let frames = raw.read_message();
                assert_eq!(frames[0], numbered(at, HUGE));
            }
            push.send_timeout(refused.message, PATIENCE).unwrap();
            assert_eq!(raw.read_message()[0], numbered(hwm, HUGE));
        }
    }
}

#[test]
fn both_ends_of_a_stream_hold_exactly_their_marks() {
    for wire in WIRES {
        for (send, recv) in [(1, 1), (2, 1), (1, 3), (10, 2)] {
            let context = Context::new();
            let pull = context
                .build_socket::<Pull>()
                .recv_hwm(recv)
                .build()
                .unwrap();
            pull.set_recv_buffer(Some(SMALL_BUFFER)).unwrap();
            let endpoint = pull.bind(wire.anywhere()).unwrap();
            let push = context
                .build_socket::<Push>()
                .send_hwm(send)
                .build()
                .unwrap();
            push.set_send_buffer(Some(SMALL_BUFFER)).unwrap();
            push.connect(&endpoint).unwrap();
            let all = (send + recv) as usize;
            // A sender that waits may go on at half of the mark only, so this one does not wait.
            for at in 0..all {
                eventually("there is room", || {
                    push.try_send(numbered(at, HUGE)).is_ok()
                });
            }
            let refused = push.send_timeout(numbered(all, HUGE), A_WHILE).unwrap_err();
            assert!(matches!(refused.error, Error::WouldBlock(_)));
            drain(&pull, 0..all);
            push.send_timeout(refused.message, PATIENCE).unwrap();
            drain(&pull, all..all + 1);
        }
    }
}

#[test]
fn small_messages_stop_somewhere_too_and_all_arrive() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.build_socket::<Pull>().recv_hwm(1).build().unwrap();
        pull.set_recv_buffer(Some(SMALL_BUFFER)).unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let push = context.build_socket::<Push>().send_hwm(1).build().unwrap();
        push.set_send_buffer(Some(SMALL_BUFFER)).unwrap();
        push.connect(&endpoint).unwrap();
        push.wait_connected(1, PATIENCE).unwrap();
        let mut sent = 0;
        while push.send_timeout(numbered(sent, 1000), A_WHILE).is_ok() {
            sent += 1;
            assert!(sent < 10_000, "no mark holds it");
        }
        assert!(sent >= 2);
        drain(&pull, 0..sent);
        assert!(matches!(
            pull.recv_timeout(A_WHILE),
            Err(Error::WouldBlock(_))
        ));
    }
}

#[test]
fn a_blocked_sender_goes_on_when_there_is_room() {
    for anywhere in crate::support::everywhere() {
        let context = Context::new();
        let pull = context.build_socket::<Pull>().recv_hwm(1).build().unwrap();
        pull.set_recv_buffer(Some(SMALL_BUFFER)).unwrap();
        let endpoint = pull.bind(anywhere).unwrap();
        let push = context.build_socket::<Push>().send_hwm(1).build().unwrap();
        push.set_send_buffer(Some(SMALL_BUFFER)).unwrap();
        push.connect(&endpoint).unwrap();
        let sender = spawn(move || {
            for at in 0..20 {
                push.send(numbered(at, HUGE / 4)).unwrap();
            }
        });
        for at in 0..20 {
            // The sender has had time to run into the mark; nothing depends on whether it has.
            if at % 5 == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
            drain(&pull, at..at + 1);
        }
        sender.join();
    }
}

#[test]
fn raising_and_lowering_the_send_mark() {
    let context = Context::new();
    let push = context
        .build_socket::<Push>()
        .send_hwm(2)
        .linger(Some(Duration::ZERO))
        .build()
        .unwrap();
    let listener = RawListener::anywhere(Wire::Tcp);
    let endpoint = listener.endpoint();
    drop(listener);
    push.connect(&endpoint).unwrap();
    assert_eq!(fill(&push, 8), 2);
    push.set_send_hwm(5).unwrap();
    for at in 2..5 {
        push.try_send(numbered(at, 8)).unwrap();
    }
    assert!(push.try_send(numbered(5, 8)).is_err());
    push.set_send_hwm(3).unwrap();
    assert!(push.try_send(numbered(5, 8)).is_err());
    push.set_send_hwm(0).unwrap();
    for at in 5..100 {
        push.try_send(numbered(at, 8)).unwrap();
    }
    push.set_send_hwm(100).unwrap();
    assert!(push.try_send(numbered(100, 8)).is_err());
    let listener = RawListener::again(&endpoint);
    let mut raw = listener.accept_as("PULL");
    for at in 0..100 {
        assert_eq!(raw.read_message()[0], numbered(at, 8));
    }
    push.send_timeout(numbered(100, 8), PATIENCE).unwrap();
    assert_eq!(raw.read_message()[0], numbered(100, 8));
}

#[test]
fn raising_the_receive_mark_lets_more_in() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.build_socket::<Pull>().recv_hwm(1).build().unwrap();
        pull.set_recv_buffer(Some(SMALL_BUFFER)).unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let push = context.build_socket::<Push>().send_hwm(1).build().unwrap();
        push.set_send_buffer(Some(SMALL_BUFFER)).unwrap();
        push.connect(&endpoint).unwrap();
        for at in 0..2 {
            push.send_timeout(numbered(at, HUGE), PATIENCE).unwrap();
        }
        assert!(push.send_timeout(numbered(2, HUGE), A_WHILE).is_err());
        // The connection is there, so this call takes it in.
        assert_eq!(pull.peers(), 1);
        pull.set_recv_hwm(4).unwrap();
        for at in 2..5 {
            push.send_timeout(numbered(at, HUGE), PATIENCE).unwrap();
        }
        assert!(push.send_timeout(numbered(5, HUGE), A_WHILE).is_err());
        drain(&pull, 0..5);
    }
}

#[test]
fn timeouts_take_their_time_and_no_more() {
    let context = Context::new();
    let push = context.socket::<Push>().unwrap();
    let pull = context.socket::<Pull>().unwrap();
    let timeout = Duration::from_millis(40);

    let begin = Instant::now();
    assert!(push.send_timeout("nobody", timeout).is_err());
    assert!(begin.elapsed() >= timeout);
    let begin = Instant::now();
    assert!(matches!(
        pull.recv_timeout(timeout),
        Err(Error::WouldBlock(_))
    ));
    assert!(begin.elapsed() >= timeout);

    push.set_send_timeout(Some(timeout)).unwrap();
    pull.set_recv_timeout(Some(timeout)).unwrap();
    let begin = Instant::now();
    assert!(push.send("nobody").is_err());
    assert!(matches!(pull.recv(), Err(Error::WouldBlock(_))));
    assert!(begin.elapsed() >= 2 * timeout);

    let begin = Instant::now();
    assert!(push.send_timeout("nobody", Duration::ZERO).is_err());
    assert!(pull.recv_timeout(Duration::ZERO).is_err());
    assert!(push.try_send("nobody").is_err());
    assert!(pull.try_recv().is_err());
    push.set_send_timeout(Some(Duration::ZERO)).unwrap();
    assert!(push.send("nobody").is_err());
    assert!(begin.elapsed() < PATIENCE);
    // A timeout beyond the end of the clock is none.
    pull.bind("inproc://timeouts").unwrap();
    push.connect("inproc://timeouts").unwrap();
    push.send_timeout("somebody", Duration::MAX).unwrap();
    assert_eq!(pull.recv_timeout(Duration::MAX).unwrap()[0], "somebody");
}

#[test]
fn a_timeout_also_ends_a_wait_on_a_connected_peer() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let push = context.socket::<Push>().unwrap();
        push.connect(&endpoint).unwrap();
        push.send("hello").unwrap();
        pull.recv_timeout(PATIENCE).unwrap();
        let timeout = Duration::from_millis(40);
        for _ in 0..3 {
            let begin = Instant::now();
            assert!(matches!(
                pull.recv_timeout(timeout),
                Err(Error::WouldBlock(_))
            ));
            let took = begin.elapsed();
            assert!(took >= timeout && took < PATIENCE, "{took:?}");
        }
        push.send("again").unwrap();
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "again");
    }
}
