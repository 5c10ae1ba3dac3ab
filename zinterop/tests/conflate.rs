//! Only the latest message waits, with libzmq on either side. Messages of one frame, since libzmq takes others apart; and not
//! over inproc, where libzmq asks only whoever connects.

use std::time::Duration;

use zinterop::{AnySocket, Flag, Options, Pattern, Transport, eventually, four_ways};

const LAST: &str = "last";

fn conflating() -> Options {
    Options::new().with(Flag::Conflate)
}

/// Receives until the last value comes, and says how many came before. libzmq may miss what is written just when it looks
/// until there is something newer: so it is written again.
fn receive_last(sender: &AnySocket, receiver: &AnySocket) -> u32 {
    let (mut received, mut before) = (0, None);
    eventually("the last value arrives", || {
        sender.send(LAST);
        while let Ok(message) = receiver.try_recv() {
            if message == LAST {
                return true;
            }
            let now: u32 = String::from_utf8(message.0[0].clone())
                .unwrap()
                .parse()
                .unwrap();
            assert!(before < Some(now), "{before:?} came before {now}");
            (before, received) = (Some(now), received + 1);
        }
        false
    });
    received
}

#[test]
fn an_unread_pull_holds_no_push_up() {
    // More than both marks and the system's buffers.
    const MESSAGES: u32 = 20_000;
    four_ways(&Transport::WIRED, |trial| {
        let pull = trial.second_with(Pattern::Pull, &conflating().socket_buffers(16 << 10));
        // What is left when the last has come is of no interest, and libzmq does not always read an ipc stream to its end.
        let options = Options::new()
            .socket_buffers(16 << 10)
            .linger(Some(Duration::ZERO));
        let push = trial.first_with(Pattern::Push, &options);
        push.connect(&pull.bind(&trial.endpoint()));
        for number in 0..MESSAGES {
            push.send(number.to_string().as_str());
        }
        // What had not been read by now can only have been replaced, but for what is on its way.
        let received = receive_last(&push, &pull);
        assert!(received < MESSAGES, "{received}");
    });
}

#[test]
fn a_push_that_conflates_keeps_the_last_for_who_comes() {
    four_ways(&Transport::WIRED, |trial| {
        let endpoint = trial.fixed_endpoint();
        let push = trial.first_with(Pattern::Push, &conflating());
        push.connect(&endpoint);
        for number in 0..1000 {
            push.send(number.to_string().as_str());
        }
        let pull = trial.second(Pattern::Pull);
        pull.bind(&endpoint);
        assert_eq!(pull.recv(), "999");
    });
}

#[test]
fn a_publisher_that_conflates_sends_each_subscriber_the_last() {
    four_ways(&Transport::WIRED, |trial| {
        let publisher = trial.first_with(Pattern::Pub, &conflating());
        let endpoint = publisher.bind(&trial.endpoint());
        let subscribers = [(); 2].map(|()| {
            let subscriber = trial.second(Pattern::Sub);
            subscriber.subscribe("");
            subscriber.connect(&endpoint);
            subscriber
        });
        for subscriber in &subscribers {
            eventually("the subscription has arrived", || {
                publisher.send("0");
                subscriber.try_recv().is_ok()
            });
        }
        for subscriber in &subscribers {
            while subscriber.try_recv().is_ok() {}
        }
        for number in 1..5000 {
            publisher.send(number.to_string().as_str());
        }
        for subscriber in &subscribers {
            // Again and again: see `receive_last`.
            eventually("the last value arrives", || {
                publisher.send(LAST);
                std::iter::from_fn(|| subscriber.try_recv().ok()).any(|message| message == LAST)
            });
        }
    });
}

#[test]
fn a_subscriber_that_conflates_gets_the_last() {
    four_ways(&Transport::WIRED, |trial| {
        let publisher = trial.first_with(Pattern::Pub, &Options::new().send_hwm(0));
        let endpoint = publisher.bind(&trial.endpoint());
        let subscriber = trial.second_with(Pattern::Sub, &conflating());
        subscriber.subscribe("");
        subscriber.connect(&endpoint);
        eventually("the subscription has arrived", || {
            publisher.send("0");
            subscriber.try_recv().is_ok()
        });
        while subscriber.try_recv().is_ok() {}
        for number in 1..5000 {
            publisher.send(number.to_string().as_str());
        }
        eventually("the last value arrives", || {
            publisher.send(LAST);
            std::iter::from_fn(|| subscriber.try_recv().ok()).any(|message| message == LAST)
        });
    });
}
