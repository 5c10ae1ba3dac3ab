//! The guide's programs about what goes wrong, run as a user runs them, and with libzmq beside them.

mod support;
#[path = "support/synchronised.rs"]
mod synchronised;

use std::process::{Command, Stdio};

use zinterop::sys::{opt, socket_type};
use zinterop::zmq;

use support::{ANYWHERE, PATIENCE, output, start};
use synchronised::{publisher, ten_receive_all};

const HWM: &str = env!("CARGO_BIN_EXE_hwm");
const DIAGNOSE: &str = env!("CARGO_BIN_EXE_diagnose");
const SYNCPUB2: &str = env!("CARGO_BIN_EXE_syncpub2");
const SYNCSUB2: &str = env!("CARGO_BIN_EXE_syncsub2");
const LEAKCHECK: &str = env!("CARGO_BIN_EXE_leakcheck");

// ---- High-water marks ----

/// What `hwm` prints.
fn hwm_lines(room: u32) -> [String; 6] {
    let more = room + 3;
    [
        format!("PUSH: {room} sent, the next one comes back: full 1 times, 0 dropped"),
        "PUSH: 1 more sent by a send that waited for room".to_owned(),
        format!("PUB: {more} published, {room} received: 3 dropped"),
        format!("PUB with no_drop: {room} published, the next one comes back: 0 dropped"),
        format!("ROUTER: {more} sent, {room} received: 3 dropped"),
        format!("ROUTER with mandatory: {room} sent, the next one comes back: 0 dropped"),
    ]
}

#[test]
fn high_water_marks_hold_what_they_say() {
    assert_eq!(output(HWM, &[]), hwm_lines(5));
    assert_eq!(output(HWM, &["10", "1"]), hwm_lines(11));
    assert_eq!(output(HWM, &["1", "1"]), hwm_lines(2));
    assert!(start(HWM, &["0"]).finish().is_err());
}

/// A pair of sockets of libzmq over inproc with these marks.
fn theirs(
    context: &zmq::Context,
    [sender, receiver]: [i32; 2],
    marks: [i32; 2],
) -> [zmq::Socket; 2] {
    let sender = context.socket(sender).unwrap();
    sender.set_int(opt::SNDHWM, marks[0]).unwrap();
    sender.bind("inproc://marks").unwrap();
    let receiver = context.socket(receiver).unwrap();
    receiver.set_int(opt::RCVHWM, marks[1]).unwrap();
    [sender, receiver]
}

#[test]
fn high_water_marks_of_libzmq_hold_the_same() {
    for marks in [[3, 2], [10, 1], [1, 1]] {
        let room = marks[0] + marks[1];
        let context = zmq::Context::new();
        let [push, pull] = theirs(&context, [socket_type::PUSH, socket_type::PULL], marks);
        pull.connect("inproc://marks").unwrap();
        let sent = (0..100).take_while(|_| push.try_send(&[b"task"]).is_ok());
        assert_eq!(sent.count(), room as usize);

        let context = zmq::Context::new();
        let kinds = [socket_type::XPUB, socket_type::SUB];
        let [publisher, subscriber] = theirs(&context, kinds, marks);
        subscriber.connect("inproc://marks").unwrap();
        subscriber.set_bytes(opt::SUBSCRIBE, b"").unwrap();
        publisher.recv_timeout(PATIENCE).unwrap();
        for _ in 0..room + 3 {
            publisher.send(&[b"news"]).unwrap();
        }
        let received = (0..100).take_while(|_| subscriber.try_recv().is_ok());
        assert_eq!(received.count(), room as usize);
    }
}

// ---- The problem solver ----

#[test]
fn each_cause_is_found_and_put_right() {
    // Which socket finds what, and what comes after the remedy.
    let expected: [(&str, &[&str], &str); 13] = [
        (
            "Does the subscriber subscribe?",
            &["SUB: the socket has not subscribed to anything: call subscribe"],
            "received \"news\"",
        ),
        (
            "Is it the same topic, byte for byte?",
            &["PUB: none of 1 messages published begins with one of the 1 topics"],
            "received \"News\"",
        ),
        (
            "Has the subscriber joined before the first message?",
            &[
                "PUB: 1 messages were published before the first subscription came: call wait_subscribed",
            ],
            "received \"in time\"",
        ),
        (
            "Does the socket bind or connect at all?",
            &["PULL: the socket is neither bound nor connected: call bind or connect"],
            "received \"task\"",
        ),
        (
            "Is there anybody at the endpoint?",
            &["PUSH: nobody answers at tcp://127.0.0.1:"],
            "received \"waits\"",
        ),
        (
            "Are both ends of inproc in one context?",
            &[
                "PUSH: nobody in this context has bound inproc://tasks, 1 messages wait: bind the name",
            ],
            "received \"waits\"",
        ),
        (
            "Do the socket types go together?",
            &["PULL: "],
            "received \"news\"",
        ),
        (
            "REQ: does recv follow each send?",
            &["REQ: a REQ was asked to send when it was not its turn: receive the reply before"],
            "received \"answer\"",
        ),
        (
            "REP: does send follow each recv?",
            &["REP: a REP was asked to recv when it was not its turn: reply to the last request"],
            "received \"answer\"",
        ),
        (
            "PUSH: are all workers there?",
            &[
                "PUSH: of 2 endpoints 1 have a peer, 2 messages wait for the others: start the missing peers",
            ],
            "received \"task\"",
        ),
        (
            "PUSH: does the first worker get everything?",
            &["PUSH: the shares of 100 tasks are [0, 100]: wait for all workers first"],
            "after wait_connected, of 100 more, they are [50, 150]",
        ),
        (
            "ROUTER: does the id belong to anybody?",
            &[
                "ROUTER: 1 messages were dropped because nobody has their routing id, the last one for \"nobody\"",
            ],
            "with mandatory an error: the peer that the message is for is not connected",
        ),
        (
            "Is somebody slower than the high-water mark allows?",
            &[
                "PUB: 10 messages were dropped because peers were full",
                "SUB: 20 messages of ",
            ],
            "with no_drop the publisher waits",
        ),
    ];
    let lines = output(DIAGNOSE, &[]);
    let mut lines = lines.iter();
    for (question, findings, then) in expected {
        assert_eq!(lines.next().unwrap(), question);
        for finding in findings {
            let line = lines.next().unwrap();
            let found = line.trim_start();
            assert!(found.starts_with(finding), "{finding}: {line}");
        }
        assert_eq!(lines.next().unwrap().trim_start(), format!("then: {then}"));
    }
    assert_eq!(
        lines.next().map(|line| line.trim_start()),
        Some("then: received \"news\"")
    );
    assert_eq!(lines.next(), None);

    let some = output(DIAGNOSE, &["REP"]);
    assert_eq!(some.len(), 3, "{some:?}");
}

// ---- Hello ----

#[test]
fn ten_subscribers_say_hello_and_receive_a_million_updates_each() {
    // Not so many without optimisation, where that takes minutes.
    let updates = if cfg!(debug_assertions) {
        20_000
    } else {
        1_000_000
    };
    ten_receive_all(SYNCPUB2, SYNCSUB2, updates);
}

#[test]
fn a_subscriber_of_libzmq_says_hello_too() {
    const UPDATES: u64 = 20_000;
    let (publisher, publishes, synchronises) = publisher(SYNCPUB2, 1, UPDATES);
    let context = zmq::Context::new();
    let subscriber = context.socket(socket_type::SUB).unwrap();
    subscriber.connect(&publishes).unwrap();
    subscriber.set_bytes(opt::SUBSCRIBE, b"").unwrap();
    assert_eq!(subscriber.recv_timeout(PATIENCE).unwrap(), [b"Hello"]);
    let service = context.socket(socket_type::REQ).unwrap();
    service.connect(&synchronises).unwrap();
    service.send(&[b""]).unwrap();
    service.recv_timeout(PATIENCE).unwrap();
    let mut updates = 0;
    loop {
        match &*subscriber.recv_timeout(PATIENCE).unwrap()[0] {
            b"Hello" => assert_eq!(updates, 0),
            b"END" => break,
            update => {
                assert_eq!(update, b"Rhubarb");
                updates += 1;
            }
        }
    }
    assert_eq!(updates, UPDATES);
    publisher.finish().unwrap();
}

#[test]
fn a_subscriber_says_hello_to_a_publisher_of_libzmq() {
    const UPDATES: u64 = 20_000;
    let context = zmq::Context::new();
    let publisher = context.socket(socket_type::XPUB).unwrap();
    publisher.set_int(opt::SNDHWM, 0).unwrap();
    let publishes = publisher.bind(ANYWHERE).unwrap();
    let service = context.socket(socket_type::REP).unwrap();
    let synchronises = service.bind(ANYWHERE).unwrap();
    let subscriber = start(SYNCSUB2, &[&publishes, &synchronises]);
    assert_eq!(publisher.recv_timeout(PATIENCE).unwrap(), [[1]]);
    publisher.send(&[b"Hello"]).unwrap();
    service.recv_timeout(PATIENCE).unwrap();
    publisher.send(&[b"Hello"]).unwrap(); // for another one
    service.send(&[b""]).unwrap();
    for _ in 0..UPDATES {
        publisher.send(&[b"Rhubarb"]).unwrap();
    }
    publisher.send(&[b"END"]).unwrap();
    let expected = format!("Received {UPDATES} updates");
    assert_eq!(subscriber.finish().unwrap(), [expected]);
}

// ---- Leaks ----

#[test]
fn nothing_is_left_of_sockets_that_are_closed() {
    let lines = output(LEAKCHECK, &["--rounds", "60"]);
    assert_eq!(lines[2..], ["Nothing is left"], "{lines:?}");
    // And it would notice.
    let leaking = start(LEAKCHECK, &["--rounds", "60", "--leak", "200000"]);
    let error = leaking.finish().unwrap_err().to_string();
    assert!(error.contains("exit status: 1"), "{error}");
}

/// What valgrind says of two rounds, and its exit status.
fn valgrind(args: &[&str]) -> Option<(i32, String)> {
    let output = Command::new("valgrind")
        .args([
            "--leak-check=full",
            "--errors-for-leak-kinds=definite,indirect,possible",
            "--error-exitcode=9",
            "--fair-sched=yes",
            LEAKCHECK,
            "--rounds",
            "2",
        ])
        .args(args)
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            Some((output.status.code().unwrap_or(-1), words))
        }
        Err(_) => {
            eprintln!("valgrind is not installed: only the footprint is checked");
            None
        }
    }
}

#[test]
fn valgrind_finds_no_error() {
    let Some((status, words)) = valgrind(&[]) else {
        return;
    };
    assert_eq!(status, 0, "{words}");
    assert!(words.contains("ERROR SUMMARY: 0 errors"), "{words}");
    // And it would have.
    let (status, words) = valgrind(&["--leak", "1000"]).unwrap();
    assert_eq!(status, 9, "{words}");
    assert!(words.contains("definitely lost: "), "{words}");
}
