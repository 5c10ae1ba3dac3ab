//! PUSH and PULL: every message arrives once, whole, in order, at the peer whose turn it is.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use zinterop::{Failure, Frames, Options, PATIENCE, Pattern, Transport, eventually, four_ways};

/// Soon: for connections that a scenario breaks on purpose.
const SOON: Duration = Duration::from_millis(10);

/// A wait that is meant to end without result.
const SHORT: Duration = Duration::from_millis(100);

#[test]
fn a_message_keeps_its_frames() {
    four_ways(&Transport::ALL, |trial| {
        let pull = trial.second(Pattern::Pull);
        let push = trial.first(Pattern::Push);
        push.connect(&pull.bind(&trial.endpoint()));

        let messages: [Frames; 6] = [
            "single".into(),
            ["two", "frames"].into(),
            "".into(),
            ["", "", ""].into(),
            ["", "empty first"].into(),
            ["empty last", ""].into(),
        ];
        for message in &messages {
            push.send(message.clone());
        }
        let many = Frames(vec![b"frame".to_vec(); 1000]);
        push.send(many.clone());

        for message in messages {
            assert_eq!(pull.recv(), message);
        }
        assert!(pull.recv() == many, "1000 frames");
        assert_eq!(pull.recv_for(SHORT), Err(Failure::WouldBlock));
    });
}

#[test]
fn every_size_arrives_undamaged() {
    // Around each limit that an implementation is likely to have: frames with a one-byte
    // length, inline bodies, libzmq's batches of 8 KiB, socket buffers.
    const SIZES: [usize; 22] = [
        0,
        1,
        2,
        31,
        33,
        34,
        64,
        254,
        255,
        256,
        257,
        1023,
        1024,
        4096,
        8191,
        8192,
        8193,
        64 << 10,
        (64 << 10) + 1,
        1 << 20,
        (1 << 20) + 1,
        4 << 20,
    ];
    four_ways(&Transport::ALL, |trial| {
        let pull = trial.second(Pattern::Pull);
        let push = trial.first(Pattern::Push);
        push.connect(&pull.bind(&trial.endpoint()));

        let body = |size: usize| -> Vec<u8> { (0..size).map(|at| ((at * 7) >> 3) as u8).collect() };
        for size in SIZES {
            push.send(body(size));
            push.send(vec![body(size), body(1), body(size)]);
        }
        for size in SIZES {
            assert!(pull.recv() == Frames::from(body(size)), "{size} bytes");
            let parts = vec![body(size), body(1), body(size)];
            assert!(pull.recv() == Frames(parts), "frames of {size} bytes");
        }
    });
}

#[test]
fn a_stream_stays_in_order() {
    const COUNT: u64 = 20_000;
    four_ways(&Transport::ALL, |trial| {
        let pull = trial.second_with(Pattern::Pull, &Options::new().recv_hwm(50));
        let push = trial.first_with(Pattern::Push, &Options::new().send_hwm(50));
        push.connect(&pull.bind(&trial.endpoint()));

        thread::scope(|scope| {
            let sender = scope.spawn(move || {
                for number in 0..COUNT {
                    push.send(Frames::numbered(
                        number,
                        8 + (number * number % 600) as usize,
                    ));
                }
                // Back to the scenario: closing is another story, told in drain.rs.
                push
            });
            for number in 0..COUNT {
                assert_eq!(pull.recv().number(), number);
            }
            sender.join().expect("all is sent").close();
        });
    });
}

#[test]
fn a_sender_may_connect_before_anybody_binds() {
    four_ways(&Transport::ALL, |trial| {
        let endpoint = trial.fixed_endpoint();
        let push = trial.first_with(
            Pattern::Push,
            &Options::new().reconnect_interval(Some(SOON)),
        );
        push.connect(&endpoint);
        for number in 0..10 {
            push.send(Frames::numbered(number, 100));
        }

        let pull = trial.second(Pattern::Pull);
        assert_eq!(pull.bind(&endpoint), endpoint);
        for number in 0..10 {
            assert_eq!(pull.recv().number(), number);
        }
    });
}

#[test]
fn a_receiver_may_connect_before_anybody_binds() {
    four_ways(&Transport::ALL, |trial| {
        let endpoint = trial.fixed_endpoint();
        let pull = trial.second_with(
            Pattern::Pull,
            &Options::new().reconnect_interval(Some(SOON)),
        );
        pull.connect(&endpoint);
        assert_eq!(pull.recv_for(SOON), Err(Failure::WouldBlock));

        let push = trial.first(Pattern::Push);
        push.bind(&endpoint);
        push.send("at last");
        assert_eq!(pull.recv(), "at last");
    });
}

#[test]
fn connected_receivers_are_served_in_turn() {
    const PEERS: usize = 3;
    const ROUNDS: u64 = 50;
    four_ways(&Transport::ALL, |trial| {
        let push = trial.first(Pattern::Push);
        let pulls: Vec<_> = (0..PEERS)
            .map(|_| {
                let pull = trial.second(Pattern::Pull);
                push.connect(&pull.bind(&trial.endpoint()));
                pull
            })
            .collect();

        for number in 0..ROUNDS * PEERS as u64 {
            push.send(Frames::numbered(number, 20));
        }
        let mut turns = HashSet::new();
        for pull in &pulls {
            let first = pull.recv().number();
            assert!(first < PEERS as u64, "nobody is skipped in the first round");
            turns.insert(first);
            for round in 1..ROUNDS {
                assert_eq!(pull.recv().number(), first + round * PEERS as u64);
            }
        }
        assert_eq!(turns.len(), PEERS);
    });
}

#[test]
fn accepted_receivers_are_served_in_turn() {
    const PEERS: usize = 3;
    const ROUNDS: usize = 50;
    four_ways(&Transport::ALL, |trial| {
        let push = trial.first(Pattern::Push);
        let endpoint = push.bind(&trial.endpoint());
        let pulls: Vec<_> = (0..PEERS).map(|_| trial.second(Pattern::Pull)).collect();
        for pull in &pulls {
            pull.connect(&endpoint);
        }

        // Only once each has had a message do all take part.
        let mut sent = 0;
        let mut received = [0; PEERS];
        eventually("every receiver has a message", || {
            push.send("are you there?");
            sent += 1;
            for (pull, received) in pulls.iter().zip(&mut received) {
                *received += usize::from(pull.recv_for(Duration::from_millis(5)).is_ok());
            }
            !received.contains(&0)
        });
        eventually("all of the first messages are read", || {
            for (pull, received) in pulls.iter().zip(&mut received) {
                *received += usize::from(pull.recv_for(Duration::from_millis(1)).is_ok());
            }
            received.iter().sum::<usize>() == sent
        });

        for number in 0..ROUNDS * PEERS {
            push.send(Frames::numbered(number as u64, 20));
        }
        for pull in &pulls {
            let first = pull.recv().number();
            for round in 1..ROUNDS {
                assert_eq!(pull.recv().number(), first + (round * PEERS) as u64);
            }
        }
    });
}

#[test]
fn nothing_is_lost_between_many_senders() {
    const PEERS: u64 = 4;
    const COUNT: u64 = 500;
    four_ways(&Transport::ALL, |trial| {
        let pull = trial.second_with(Pattern::Pull, &Options::new().recv_hwm(20));
        let endpoint = pull.bind(&trial.endpoint());
        thread::scope(|scope| {
            let start = |peer: u64| {
                let push = trial.first_with(Pattern::Push, &Options::new().send_hwm(20));
                push.connect(&endpoint);
                scope.spawn(move || {
                    for number in 0..COUNT {
                        push.send(Frames::numbered(peer * COUNT + number, 50));
                    }
                    push
                })
            };
            let senders: Vec<_> = (0..PEERS).map(start).collect();
            let mut next = [0; PEERS as usize];
            for _ in 0..PEERS * COUNT {
                let number = pull.recv().number();
                let peer = (number / COUNT) as usize;
                assert_eq!(number % COUNT, next[peer], "order of sender {peer}");
                next[peer] += 1;
            }
            assert_eq!(next, [COUNT; PEERS as usize]);
            for sender in senders {
                sender.join().expect("all is sent").close();
            }
        });
    });
}

#[test]
fn queued_senders_are_read_in_turn() {
    const PEERS: u64 = 3;
    const ROUNDS: u64 = 20;
    // Over inproc all is queued before the first read, so the turns can be told exactly.
    four_ways(&[Transport::Inproc], |trial| {
        let pull = trial.second(Pattern::Pull);
        let endpoint = pull.bind(&trial.endpoint());
        let pushes: Vec<_> = (0..PEERS).map(|_| trial.first(Pattern::Push)).collect();
        for (peer, push) in (0..).zip(&pushes) {
            push.connect(&endpoint);
            for round in 0..ROUNDS {
                push.send(Frames::numbered(peer * ROUNDS + round, 20));
            }
        }
        for round in 0..ROUNDS {
            let turn: HashSet<u64> = (0..PEERS).map(|_| pull.recv().number()).collect();
            let expected = (0..PEERS).map(|peer| peer * ROUNDS + round).collect();
            assert_eq!(turn, expected, "round {round}");
        }
    });
}

#[test]
fn a_flooding_sender_starves_nobody() {
    const COUNT: u64 = 100;
    const FLOOD: u64 = u64::MAX;
    four_ways(&Transport::ALL, |trial| {
        let pull = trial.second(Pattern::Pull);
        let endpoint = pull.bind(&trial.endpoint());
        let flooder = trial.first_with(Pattern::Push, &Options::new().linger(Some(Duration::ZERO)));
        flooder.connect(&endpoint);
        let modest = trial.first(Pattern::Push);
        modest.connect(&endpoint);

        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let stop_here = StopOnDrop(&stop);
            let stop = &stop;
            let flood = scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // A full queue is what it wants.
                    let _ = flooder.send_for(Frames::numbered(FLOOD, 100), SOON);
                }
                flooder
            });
            assert_eq!(pull.recv().number(), FLOOD);
            for number in 0..COUNT {
                modest.send(Frames::numbered(number, 100));
            }
            let mut flooded = 0_u64;
            let mut next = 0;
            while next < COUNT {
                match pull.recv().number() {
                    FLOOD => flooded += 1,
                    number => {
                        assert_eq!(number, next);
                        next += 1;
                        flooded = 0;
                    }
                }
                assert!(flooded < 1_000_000, "message {next} waits for its turn");
            }
            // The receiver goes first: libzmq over ipc never lets go of a sender that hung up
            // while the receiver was at its high-water mark.
            pull.close();
            drop(stop_here);
            flood.join().expect("the flood ends").close();
        });
    });
}

/// Ends the flood even if an assertion fails before; the scope would wait for it for ever.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_sender_comes_back_to_a_restarted_receiver() {
    let lossy = Options::new()
        .linger(Some(Duration::ZERO))
        .reconnect_interval(Some(SOON));
    four_ways(&Transport::WIRED, move |trial| {
        let push = trial.first_with(Pattern::Push, &lossy);
        let pull = trial.second(Pattern::Pull);
        let endpoint = pull.bind(&trial.endpoint());
        push.connect(&endpoint);
        push.send("before");
        assert_eq!(pull.recv(), "before");
        pull.close();

        let pull = trial.second(Pattern::Pull);
        pull.bind_when_free(&endpoint);
        // What went into the old connection before its end was noticed is lost, as with any
        // broken connection; so call until there is an answer.
        let mut calls = 0;
        let mut heard = None;
        eventually("the sender has come back", || {
            push.send(Frames::numbered(calls, 8));
            calls += 1;
            heard = pull.recv_for(SOON).ok().map(|message| message.number());
            heard.is_some()
        });
        for number in heard.expect("it was heard") + 1..calls {
            assert_eq!(
                pull.recv().number(),
                number,
                "a call after the first one heard"
            );
        }
        for number in calls..calls + 100 {
            push.send(Frames::numbered(number, 300));
        }
        for number in calls..calls + 100 {
            assert_eq!(pull.recv().number(), number);
        }
    });
}

#[test]
fn a_receiver_comes_back_to_a_restarted_sender() {
    four_ways(&Transport::WIRED, |trial| {
        let pull = trial.second_with(
            Pattern::Pull,
            &Options::new().reconnect_interval(Some(SOON)),
        );
        let push = trial.first(Pattern::Push);
        let endpoint = push.bind(&trial.endpoint());
        pull.connect(&endpoint);
        push.send("before");
        assert_eq!(pull.recv(), "before");
        push.close();

        let push = trial.first(Pattern::Push);
        push.bind_when_free(&endpoint);
        // Nobody is connected at first, so the first message waits for the receiver.
        for number in 0..100 {
            push.send(Frames::numbered(number, 300));
        }
        for number in 0..100 {
            assert_eq!(pull.recv().number(), number);
        }
    });
}

#[test]
fn disconnecting_ends_the_flow_and_connecting_resumes_it() {
    four_ways(&Transport::ALL, |trial| {
        let pull = trial.second(Pattern::Pull);
        let endpoint = pull.bind(&trial.endpoint());
        let push = trial.first(Pattern::Push);
        push.connect(&endpoint);
        push.send("one");
        assert_eq!(pull.recv(), "one");

        push.disconnect(&endpoint);
        assert_eq!(push.try_disconnect(&endpoint), Err(Failure::NoSuchEndpoint));
        assert_eq!(
            push.send_for("nobody is there", SHORT),
            Err(Failure::WouldBlock)
        );
        assert_eq!(pull.try_recv(), Err(Failure::WouldBlock));

        push.connect(&endpoint);
        push.send("two");
        assert_eq!(pull.recv(), "two");
    });
}

#[test]
fn unbinding_frees_the_endpoint() {
    four_ways(&Transport::ALL, |trial| {
        let first = trial.first(Pattern::Pull);
        let endpoint = first.bind(&trial.endpoint());
        first.unbind(&endpoint);
        assert_eq!(first.try_unbind(&endpoint), Err(Failure::NoSuchEndpoint));

        let second = trial.second(Pattern::Pull);
        second.bind_when_free(&endpoint);
        let push = trial.first(Pattern::Push);
        push.connect(&endpoint);
        push.send("to the new owner");
        assert_eq!(second.recv(), "to the new owner");
        assert_eq!(first.try_recv(), Err(Failure::WouldBlock));
    });
}

#[test]
fn a_taken_endpoint_is_refused() {
    // Not ipc: libzmq takes a path away from whoever has it.
    four_ways(&[Transport::Tcp, Transport::Inproc], |trial| {
        let owner = trial.first(Pattern::Pull);
        let endpoint = owner.bind(&trial.endpoint());
        let other = trial.second(Pattern::Pull);
        assert_eq!(other.try_bind(&endpoint), Err(Failure::AddressInUse));

        let push = trial.second(Pattern::Push);
        push.connect(&endpoint);
        push.send("still the owner's");
        assert_eq!(owner.recv(), "still the owner's");
    });
}

#[test]
fn high_water_marks_hold_the_sender_back() {
    const SIZE: usize = 64 << 10;
    // 5 + 5 messages in the sockets, and what fits into the kernel and the batches beside it:
    // a few MiB at the very most.
    const BOUND: u64 = 5 + 5 + (16 << 20) / SIZE as u64;
    let options = Options::new()
        .send_hwm(5)
        .recv_hwm(5)
        .socket_buffers(128 << 10);
    four_ways(&Transport::WIRED, move |trial| {
        let pull = trial.second_with(Pattern::Pull, &options);
        let push = trial.first_with(Pattern::Push, &options);
        push.connect(&pull.bind(&trial.endpoint()));

        let mut sent = 0;
        let full = loop {
            match push.send_for(Frames::numbered(sent, SIZE), SHORT) {
                Ok(()) => sent += 1,
                Err(failure) => break failure,
            }
            assert!(sent < BOUND, "accepted {sent} messages that nobody takes");
        };
        assert_eq!(full, Failure::WouldBlock);
        assert!(sent >= 5, "accepted only {sent} messages");
        assert_eq!(push.try_send("full"), Err(Failure::WouldBlock));

        // What was accepted is delivered, what was refused is not, and it goes on.
        for number in 0..sent {
            assert_eq!(pull.recv().number(), number);
        }
        push.send(Frames::numbered(sent, SIZE));
        assert_eq!(pull.recv().number(), sent);
        assert_eq!(pull.recv_for(SHORT), Err(Failure::WouldBlock));
    });
}

#[test]
fn high_water_marks_add_up_over_inproc() {
    for (send_hwm, recv_hwm) in [(1, 1), (3, 4), (10, 1)] {
        four_ways(&[Transport::Inproc], move |trial| {
            let pull = trial.second_with(Pattern::Pull, &Options::new().recv_hwm(recv_hwm));
            let push = trial.first_with(Pattern::Push, &Options::new().send_hwm(send_hwm));
            push.connect(&pull.bind(&trial.endpoint()));

            let room = u64::from(send_hwm + recv_hwm);
            for number in 0..room {
                assert_eq!(push.try_send(Frames::numbered(number, 50)), Ok(()));
            }
            assert_eq!(push.try_send("one too many"), Err(Failure::WouldBlock));
            for number in 0..room {
                assert_eq!(pull.recv().number(), number);
            }
            push.send("there is room again");
            assert_eq!(pull.recv(), "there is room again");
        });
    }
}

#[test]
fn no_high_water_mark_means_no_limit_over_inproc() {
    const COUNT: u64 = 50_000;
    four_ways(&[Transport::Inproc], |trial| {
        let pull = trial.second_with(Pattern::Pull, &Options::new().recv_hwm(0));
        let push = trial.first_with(Pattern::Push, &Options::new().send_hwm(5));
        push.connect(&pull.bind(&trial.endpoint()));
        for number in 0..COUNT {
            assert_eq!(push.try_send(Frames::numbered(number, 16)), Ok(()));
        }
        for number in 0..COUNT {
            assert_eq!(pull.recv().number(), number);
        }
    });
}

#[test]
fn a_full_receiver_does_not_hold_up_the_others() {
    let options = Options::new()
        .send_hwm(2)
        .recv_hwm(2)
        .socket_buffers(128 << 10)
        .linger(Some(Duration::ZERO));
    four_ways(&Transport::ALL, move |trial| {
        let push = trial.first_with(Pattern::Push, &options);
        let idle = trial.second_with(Pattern::Pull, &options);
        push.connect(&idle.bind(&trial.endpoint()));
        let busy = trial.second_with(Pattern::Pull, &options);
        push.connect(&busy.bind(&trial.endpoint()));

        // The idle one fills up with every second message until it can take no more; from then
        // on all go to the busy one.
        let mut received = 0;
        eventually("the busy one has most of the messages", || {
            for _ in 0..50 {
                let _ = push.send_for(vec![0; 64 << 10], SOON);
                while busy.try_recv().is_ok() {
                    received += 1;
                }
            }
            received > 500
        });
    });
}

#[test]
fn the_wrong_direction_is_refused() {
    four_ways(&[Transport::Inproc], |trial| {
        assert_eq!(
            trial.first(Pattern::Pull).try_send("x"),
            Err(Failure::NotSupported)
        );
        assert_eq!(
            trial.first(Pattern::Push).try_recv(),
            Err(Failure::NotSupported)
        );
    });
}

#[test]
fn sending_without_a_peer_waits_for_one() {
    four_ways(&Transport::ALL, |trial| {
        let push = trial.first(Pattern::Push);
        assert_eq!(push.try_send("nobody"), Err(Failure::WouldBlock));
        let endpoint = push.bind(&trial.endpoint());
        let sender = thread::spawn(move || push.send("somebody"));
        let pull = trial.second(Pattern::Pull);
        pull.connect(&endpoint);
        assert_eq!(pull.recv_for(PATIENCE).expect("a message"), "somebody");
        sender.join().expect("the sender is served too");
    });
}
