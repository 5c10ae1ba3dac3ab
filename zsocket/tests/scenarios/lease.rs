//! A receiver that is blocked on its only peer waits for the stream itself. Whatever happens
//! meanwhile, and however it waits the next time, nothing may be missed.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use zsocket::{Context, Error, Pull, Push, Rep, Req, Socket};

use crate::{
    futures::block_on,
    support::{COMMAND, PATIENCE, Raw, RawListener, WIRES, eventually, ping, spawn},
};

/// A PULL that is bound and has received from its only peer while blocked.
fn leased(wire: crate::support::Wire) -> (Context, Socket<Pull>, zsocket::Endpoint, Raw) {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let endpoint = pull.bind(wire.anywhere()).unwrap();
    let mut raw = Raw::connect_as(&endpoint, "PUSH");
    eventually("the peer", || pull.peers() == 1);
    let receiver = spawn(move || {
        assert_eq!(pull.recv().unwrap()[0], "hello");
        pull
    });
    std::thread::sleep(Duration::from_millis(1));
    raw.send(&[b"hello"]);
    (context, receiver.join(), endpoint, raw)
}

#[test]
fn every_mix_of_ways_to_receive() {
    for wire in WIRES {
        let (_context, pull, _, mut raw) = leased(wire);
        let sender = spawn(move || {
            for at in 0..4000u32 {
                raw.send(&[&at.to_be_bytes()]);
                if at % 7 == 0 {
                    std::thread::yield_now();
                }
            }
            raw
        });
        let mut random = fastrand::Rng::with_seed(3);
        let mut next = 0u32;
        let deadline = Instant::now() + PATIENCE;
        while next < 4000 {
            assert!(Instant::now() < deadline, "stuck at {next}");
            let message = match random.u8(..5) {
                0 => pull.recv(),
                1 => pull.try_recv(),
                2 => pull.recv_timeout(Duration::from_micros(random.u64(..300))),
                3 => block_on(pull.recv_async()),
                _ => {
                    let mut message = zsocket::Message::new();
                    pull.recv_into(&mut message).map(|()| message)
                }
            };
            match message {
                Ok(message) => {
                    assert_eq!(message[0], next.to_be_bytes());
                    next += 1;
                }
                Err(error) => assert!(matches!(error, Error::WouldBlock(_)), "{error:?}"),
            }
        }
        sender.join();
    }
}

#[test]
fn polling_after_blocking_sees_what_comes() {
    for wire in WIRES {
        let (_context, pull, _, mut raw) = leased(wire);
        for at in 0..50u8 {
            raw.send(&[&[at]]);
            eventually("the message", || match pull.try_recv() {
                Ok(message) => {
                    assert_eq!(message[0], [at]);
                    true
                }
                Err(_) => false,
            });
            // And blocking in between.
            raw.send(&[b"blocking"]);
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "blocking");
        }
    }
}

#[test]
fn a_peer_that_dies_while_its_receiver_is_blocked() {
    for wire in WIRES {
        let (_context, pull, endpoint, raw) = leased(wire);
        let receiver = spawn(move || {
            let message = pull.recv().unwrap();
            (pull, message)
        });
        drop(raw);
        // The receiver waits on, now for whoever comes.
        let mut next = Raw::connect_as(&endpoint, "PUSH");
        next.send(&[b"from the next"]);
        let (pull, message) = receiver.join();
        assert_eq!(message[0], "from the next");
        // The two streams are read in any order, so the end of the first may come after this message.
        eventually("the dead peer is gone", || pull.peers() == 1);
    }
}

#[test]
fn a_peer_that_dies_in_the_middle_of_a_message() {
    for wire in WIRES {
        let (_context, pull, endpoint, mut raw) = leased(wire);
        let receiver = spawn(move || pull.recv().unwrap());
        raw.write_all(&crate::support::header(0, 100_000)).unwrap();
        raw.write_all(&[1; 50_000]).unwrap();
        drop(raw);
        let mut next = Raw::connect_as(&endpoint, "PUSH");
        next.send(&[b"whole"]);
        assert_eq!(receiver.join()[0], "whole");
    }
}

#[test]
fn a_second_peer_that_joins_while_the_receiver_is_blocked() {
    for wire in WIRES {
        let (_context, pull, endpoint, mut raw) = leased(wire);
        let receiver = spawn(move || {
            let first = pull.recv().unwrap();
            let second = pull.recv().unwrap();
            let third = pull.recv().unwrap();
            (pull, [first, second, third])
        });
        let mut second = Raw::connect_as(&endpoint, "PUSH");
        second.send(&[b"from the second"]);
        // The first one is heard as well, through the other way of waiting.
        std::thread::sleep(Duration::from_millis(1));
        raw.send(&[b"from the first"]);
        raw.send(&[b"from the first"]);
        let (pull, messages) = receiver.join();
        let mut texts = messages.map(|message| message[0].to_vec());
        texts.sort_unstable();
        assert_eq!(
            texts,
            [
                b"from the first".to_vec(),
                b"from the first".to_vec(),
                b"from the second".to_vec()
            ]
        );
        // And back to one.
        drop(second);
        eventually("the second is gone", || {
            assert!(pull.try_recv().is_err());
            pull.peers() == 1
        });
        raw.send(&[b"alone again"]);
        assert_eq!(pull.recv().unwrap()[0], "alone again");
    }
}

#[test]
fn an_application_that_stays_away_leaves_the_input_to_the_io_thread() {
    for wire in WIRES {
        let (_context, pull, _, mut raw) = leased(wire);
        // Nobody calls `recv`; the answer comes all the same.
        for round in 0..3u8 {
            raw.write_all(&ping(b"anybody?")).unwrap();
            assert_eq!(raw.read_frame(), (COMMAND, b"\x04PONGanybody?".to_vec()));
            raw.send(&[&[round]]);
            assert_eq!(pull.recv().unwrap()[0], [round]);
        }
        // Nor does anybody miss that the peer goes.
        drop(raw);
        eventually("it is gone", || pull.stats().connections.open == 0);
    }
}

#[test]
fn a_blocked_receiver_answers_pings() {
    for wire in WIRES {
        let (_context, pull, _, mut raw) = leased(wire);
        let receiver = spawn(move || pull.recv().unwrap());
        for _ in 0..20 {
            raw.write_all(&ping(b"anybody?")).unwrap();
            assert_eq!(raw.read_frame(), (COMMAND, b"\x04PONGanybody?".to_vec()));
        }
        raw.send(&[b"done"]);
        assert_eq!(receiver.join()[0], "done");
    }
}

#[test]
fn a_message_that_comes_in_pieces_while_the_receiver_is_blocked() {
    for wire in WIRES {
        let (_context, pull, _, mut raw) = leased(wire);
        let receiver = spawn(move || (0..3).map(|_| pull.recv().unwrap()).collect::<Vec<_>>());
        let body = vec![7; 30_000];
        for part in crate::support::message(&[b"small", &body, b"", b"end"]).chunks(1000) {
            raw.write_all(part).unwrap();
            std::thread::yield_now();
        }
        for byte in crate::support::message(&[b"byte", b"by", b"byte"]) {
            raw.write_all(&[byte]).unwrap();
            std::thread::yield_now();
        }
        raw.send(&[b"last"]);
        let messages = receiver.join();
        assert_eq!((messages[0].len(), messages[0][1].len()), (4, 30_000));
        assert_eq!(messages[1].len(), 3);
        assert_eq!(messages[2][0], "last");
    }
}

#[test]
fn more_than_the_high_water_mark_while_the_receiver_is_slow() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.build_socket::<Pull>().recv_hwm(2).build().unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "PUSH");
        eventually("the peer", || pull.peers() == 1);
        let sender = spawn(move || {
            for at in 0..2000u32 {
                raw.send(&[&at.to_be_bytes()]);
            }
            raw
        });
        for at in 0..2000u32 {
            let message = match at % 3 {
                0 => pull.recv(),
                _ => pull.recv_timeout(PATIENCE),
            };
            assert_eq!(message.unwrap()[0], at.to_be_bytes());
            if at % 500 == 0 {
                // Long enough for the I/O thread to take over.
                std::thread::sleep(Duration::from_millis(25));
            }
        }
        sender.join();
    }
}

#[test]
fn a_connecting_receiver_over_reconnections() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        pull.set_reconnect_interval(Some(Duration::from_millis(1)))
            .unwrap();
        let listener = RawListener::anywhere(wire);
        pull.connect(listener.endpoint()).unwrap();
        let receiver = spawn(move || {
            for at in 0..20u8 {
                assert_eq!(pull.recv().unwrap()[0], [at]);
            }
        });
        for at in 0..20u8 {
            let mut raw = listener.accept_as("PUSH");
            raw.send(&[&[at]]);
            raw.finish();
            raw.expect_close();
        }
        receiver.join();
    }
}

#[test]
fn closing_with_the_input_on_loan() {
    for wire in WIRES {
        let (context, pull, _, mut raw) = leased(wire);
        pull.close();
        raw.expect_close();
        drop(raw);
        context.term_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn a_rep_that_waits_and_replies_in_every_way() {
    for wire in WIRES {
        let context = Context::new();
        let rep = context.socket::<Rep>().unwrap();
        let endpoint = rep.bind(wire.anywhere()).unwrap();
        let req = context.socket::<Req>().unwrap();
        req.connect(&endpoint).unwrap();
        let client = spawn(move || {
            let mut random = fastrand::Rng::with_seed(5);
            for at in 0..1500u32 {
                req.send(at.to_be_bytes()).unwrap();
                if random.u8(..) < 10 {
                    // Longer than the loan lasts.
                    std::thread::sleep(Duration::from_millis(12));
                }
                let reply = match random.u8(..3) {
                    0 => req.recv(),
                    1 => block_on(req.recv_async()),
                    _ => loop {
                        match req.try_recv() {
                            Err(Error::WouldBlock(_)) => std::thread::yield_now(),
                            done => break done,
                        }
                    },
                };
                assert_eq!(reply.unwrap()[0], at.to_be_bytes());
            }
        });
        let mut random = fastrand::Rng::with_seed(6);
        for _ in 0..1500 {
            let request = match random.u8(..3) {
                0 => rep.recv(),
                1 => block_on(rep.recv_async()),
                _ => rep.recv_timeout(PATIENCE),
            };
            rep.send(request.unwrap()).unwrap();
        }
        client.join();
    }
}

#[test]
fn a_receiver_and_a_sender_in_one_thread() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let push = context.socket::<Push>().unwrap();
        push.connect(&endpoint).unwrap();
        for at in 0..2000u32 {
            push.send(at.to_be_bytes()).unwrap();
            assert_eq!(pull.recv().unwrap()[0], at.to_be_bytes());
        }
    }
}
