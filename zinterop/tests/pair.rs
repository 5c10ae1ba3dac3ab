//! PAIR: two ends, and nobody else.

use std::time::Duration;

use zinterop::{
    AnySocket, Failure, Frames, Options, Pattern, Side, Transport, Trial, eventually, four_ways,
};

const SOON: Duration = Duration::from_millis(10);

/// An end that connects (first part) and one that is bound (second part).
fn pair(trial: &Trial) -> (AnySocket, AnySocket) {
    let bound = trial.second(Pattern::Pair);
    let connected = trial.first(Pattern::Pair);
    connected.connect(&bound.bind(&trial.endpoint()));
    (connected, bound)
}

#[test]
fn messages_go_both_ways_at_once() {
    four_ways(&Transport::ALL, |trial| {
        let (one, other) = pair(trial);
        one.send("the other end is there");
        assert_eq!(other.recv(), "the other end is there");
        for number in 0..200 {
            one.send(Frames::numbered(number, 100));
            other.send(Frames::numbered(number + 1000, 10_000));
        }
        for number in 0..200 {
            assert_eq!(other.recv().number(), number);
            assert_eq!(one.recv().number(), number + 1000);
        }
        one.send(["", "parts", ""]);
        assert_eq!(other.recv(), ["", "parts", ""]);
    });
}

#[test]
fn the_end_without_a_peer_waits() {
    four_ways(&Transport::ALL, |trial| {
        let bound = trial.second(Pattern::Pair);
        let endpoint = bound.bind(&trial.endpoint());
        assert_eq!(bound.try_send("nobody"), Err(Failure::WouldBlock));
        assert_eq!(bound.try_recv(), Err(Failure::WouldBlock));
        let connected = trial.first(Pattern::Pair);
        connected.connect(&endpoint);
        bound.send("somebody");
        assert_eq!(connected.recv(), "somebody");
    });
}

#[test]
fn both_marks_hold_and_then_the_sender_waits() {
    four_ways(&[Transport::Inproc], |trial| {
        let bound = trial.second_with(Pattern::Pair, &Options::new().recv_hwm(3).send_hwm(1));
        let connected = trial.first_with(Pattern::Pair, &Options::new().send_hwm(2).recv_hwm(5));
        connected.connect(&bound.bind(&trial.endpoint()));
        for (from, room) in [(&connected, 5), (&bound, 6)] {
            let mut sent = 0;
            while from.try_send("x").is_ok() {
                sent += 1;
            }
            assert_eq!(sent, room);
        }
    });
}

#[test]
fn a_third_end_waits_until_the_first_has_left() {
    four_ways(&Transport::WIRED, |trial| {
        let (first, bound) = pair(trial);
        first.send("first");
        assert_eq!(bound.recv(), "first");
        let endpoint = bound.bind(&trial.endpoint());
        let hasty = Options::new()
            .reconnect_interval(Some(SOON))
            .immediate(true);
        let third = trial.first_with(Pattern::Pair, &hasty);
        third.connect(&endpoint);
        // What the bound end sends goes to its peer, and nothing comes from the third.
        for number in 0..20 {
            let _ = third.try_send("from the third");
            bound.send(Frames::numbered(number, 10));
            assert_eq!(first.recv().number(), number);
            assert_eq!(bound.try_recv(), Err(Failure::WouldBlock));
        }
        first.close();
        if trial.pairing().second == Side::Libzmq {
            // It leaves the third one's connection open and unserved, so that one never tries again.
            return;
        }
        let mut others = vec![third];
        let mut tries = 0;
        eventually("another end is the peer", || {
            tries += 1;
            if tries % 100 == 0 {
                // libzmq may have given up, at some moment of a handshake that was not completed.
                let next = trial.first_with(Pattern::Pair, &hasty);
                next.connect(&endpoint);
                others.push(next);
            }
            let welcome = |end: &AnySocket| end.recv_for(SOON).is_ok();
            bound.send_for("welcome", SOON).is_ok() && others.iter().any(welcome)
        });
    });
}
