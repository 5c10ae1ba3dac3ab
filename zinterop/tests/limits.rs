//! The size limit: a frame above it costs its sender the connection, and nobody else anything.

use std::time::Duration;

use zinterop::{
    Failure, Frames, Options, PATIENCE, Pattern, Side, Transport, eventually, four_ways,
};

const LIMIT: u64 = 1000;
const SOON: Duration = Duration::from_millis(10);

#[test]
fn frames_up_to_the_limit_pass() {
    four_ways(&Transport::WIRED, |trial| {
        let pull = trial.second_with(Pattern::Pull, &Options::new().max_frame_size(LIMIT));
        let push = trial.first(Pattern::Push);
        push.connect(&pull.bind(&trial.endpoint()));
        // It counts for each frame, not for the sum.
        let fits = vec![0x5a; LIMIT as usize];
        push.send(fits.clone());
        push.send(vec![fits.clone(), Vec::new(), fits.clone()]);
        assert_eq!(pull.recv(), Frames::from(fits.clone()));
        assert_eq!(pull.recv(), Frames(vec![fits.clone(), Vec::new(), fits]));
    });
}

#[test]
fn a_frame_above_the_limit_costs_the_connection_only() {
    let lossy = Options::new()
        .linger(Some(Duration::ZERO))
        .reconnect_interval(Some(SOON));
    four_ways(&Transport::WIRED, move |trial| {
        let pull = trial.second_with(Pattern::Pull, &Options::new().max_frame_size(LIMIT));
        let endpoint = pull.bind(&trial.endpoint());
        let good = trial.first_with(Pattern::Push, &lossy);
        good.connect(&endpoint);
        let bad = trial.first_with(Pattern::Push, &lossy);
        bad.connect(&endpoint);
        good.send("good before");
        assert_eq!(pull.recv(), "good before");
        bad.send("bad before");
        assert_eq!(pull.recv(), "bad before");

        bad.send(vec![0; LIMIT as usize + 1]);
        // The other connection is not touched: everything arrives, in order, at once.
        for number in 0..100 {
            good.send(Frames::numbered(number, 100));
        }
        for number in 0..100 {
            assert_eq!(pull.recv().number(), number);
        }

        // The offender connects again. Messages behind the oversize one may have gone down with
        // the connection, those after the new handshake have not.
        let mut number = 1000;
        eventually("the offender is served again", || {
            bad.send(Frames::numbered(number, 100));
            number += 1;
            match pull.recv_for(SOON) {
                Ok(message) => message.number() >= 1000,
                Err(failure) => {
                    assert_eq!(failure, Failure::WouldBlock);
                    false
                }
            }
        });
    });
}

#[test]
fn an_oversize_frame_takes_its_whole_message_with_it() {
    let lossy = Options::new()
        .linger(Some(Duration::ZERO))
        .reconnect_interval(Some(SOON));
    four_ways(&Transport::WIRED, move |trial| {
        let pull = trial.second_with(Pattern::Pull, &Options::new().max_frame_size(LIMIT));
        let push = trial.first_with(Pattern::Push, &lossy);
        push.connect(&pull.bind(&trial.endpoint()));
        push.send("before");
        assert_eq!(pull.recv(), "before");

        push.send(vec![b"half".to_vec(), vec![0; 5000]]);
        eventually("the sender is served again", || {
            push.send("after");
            match pull.recv_for(SOON) {
                // Never the first half of the broken message, alone or glued to another one.
                Ok(message) => {
                    assert_eq!(message, "after");
                    true
                }
                Err(failure) => {
                    assert_eq!(failure, Failure::WouldBlock);
                    false
                }
            }
        });
    });
}

#[test]
fn a_reply_above_the_limit_is_not_delivered() {
    let limited = Options::new()
        .max_frame_size(LIMIT)
        .linger(Some(Duration::ZERO));
    four_ways(&Transport::WIRED, move |trial| {
        let rep = trial.second(Pattern::Rep);
        let endpoint = rep.bind(&trial.endpoint());
        let req = trial.first_with(Pattern::Req, &limited);
        req.connect(&endpoint);
        req.send("too much, please");
        assert_eq!(rep.recv(), "too much, please");
        rep.send(vec![0; LIMIT as usize + 1]);
        let (patience, in_vain) = match trial.pairing().first {
            // The connection is closed and the reply with it, which is better known than waited for.
            Side::Ours => (PATIENCE, Failure::PeerLost),
            Side::Libzmq => (Duration::from_millis(200), Failure::WouldBlock),
        };
        assert_eq!(req.recv_for(patience), Err(in_vain));

        // The server is as good as new for another client.
        let other = trial.first(Pattern::Req);
        other.connect(&endpoint);
        other.send("just enough");
        assert_eq!(rep.recv(), "just enough");
        rep.send("here");
        assert_eq!(other.recv(), "here");
    });
}

#[test]
fn what_was_sent_before_and_after_a_refused_message_arrives() {
    // libzmq as the sender loses what was under way, so the first part is ours.
    four_ways(&Transport::WIRED, |trial| {
        if trial.pairing().first == Side::Libzmq {
            return;
        }
        let pull = trial.second_with(Pattern::Pull, &Options::new().max_frame_size(LIMIT));
        let options = Options::new().reconnect_interval(Some(SOON));
        let push = trial.first_with(Pattern::Push, &options);
        push.connect(&pull.bind(&trial.endpoint()));
        push.send("before");
        assert_eq!(pull.recv(), "before");
        // More than the system takes at once.
        push.send(vec![0; 20 << 20]);
        for number in 0..5 {
            push.send(Frames::numbered(number, 100));
        }
        for number in 0..5 {
            assert_eq!(pull.recv().number(), number);
        }
    });
}

#[test]
fn a_refused_request_is_an_error() {
    four_ways(&Transport::WIRED, |trial| {
        if trial.pairing().first == Side::Libzmq {
            return;
        }
        let rep = trial.second_with(Pattern::Rep, &Options::new().max_frame_size(LIMIT));
        let options = Options::new().reconnect_interval(Some(SOON));
        let req = trial.first_with(Pattern::Req, &options);
        req.connect(&rep.bind(&trial.endpoint()));
        req.send(vec![0; 20 << 20]);
        assert_eq!(req.recv_for(PATIENCE), Err(Failure::PeerLost));
        req.send("smaller");
        assert_eq!(rep.recv(), "smaller");
        rep.send("here");
        assert_eq!(req.recv(), "here");
    });
}
