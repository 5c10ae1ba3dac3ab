//! The guide's programs, run as a user runs them, and with libzmq in the place of one of them.

mod support;
#[path = "support/synchronised.rs"]
mod synchronised;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use zinterop::sys::{opt, socket_type};
use zinterop::zmq;

use support::{ANYWHERE, PATIENCE, output, start};
use synchronised::{publisher, ten_receive_all};

const MTRELAY: &str = env!("CARGO_BIN_EXE_mtrelay");
const SYNCPUB: &str = env!("CARGO_BIN_EXE_syncpub");
const SYNCSUB: &str = env!("CARGO_BIN_EXE_syncsub");
const PSENVPUB: &str = env!("CARGO_BIN_EXE_psenvpub");
const PSENVSUB: &str = env!("CARGO_BIN_EXE_psenvsub");
const TASKVENT: &str = env!("CARGO_BIN_EXE_taskvent");
const TASKWORK: &str = env!("CARGO_BIN_EXE_taskwork");
const TASKSINK: &str = env!("CARGO_BIN_EXE_tasksink");
const ZEROCOPY: &str = env!("CARGO_BIN_EXE_zerocopy");
const RRBROKER: &str = env!("CARGO_BIN_EXE_rrbroker");
const MSGQUEUE: &str = env!("CARGO_BIN_EXE_msgqueue");
const WUPROXY: &str = env!("CARGO_BIN_EXE_wuproxy");

#[test]
fn a_signal_goes_through_three_threads() {
    let expected = [
        "Step 1 ready, signaling step 2",
        "Step 2 ready, signaling step 3",
        "Test successful!",
    ];
    assert_eq!(output(MTRELAY, &[]), expected);
}

#[test]
fn a_buffer_of_the_user_is_sent_and_freed() {
    let expected = ["The peer has 1048576 bytes", "The buffer is free again"];
    assert_eq!(output(ZEROCOPY, &[]), expected);
}

#[test]
fn ten_subscribers_receive_a_million_updates_each() {
    // Not so many without optimisation, where that takes minutes.
    let updates = if cfg!(debug_assertions) {
        50_000
    } else {
        1_000_000
    };
    ten_receive_all(SYNCPUB, SYNCSUB, updates);
}

#[test]
fn a_subscriber_of_libzmq_is_synchronised_too() {
    const UPDATES: u64 = 20_000;
    let (publisher, publishes, synchronises) = publisher(SYNCPUB, 1, UPDATES);
    let context = zmq::Context::new();
    let subscriber = context.socket(socket_type::SUB).unwrap();
    subscriber.connect(&publishes).unwrap();
    subscriber.set_bytes(opt::SUBSCRIBE, b"").unwrap();
    let service = context.socket(socket_type::REQ).unwrap();
    service.connect(&synchronises).unwrap();
    service.send(&[b""]).unwrap();
    service.recv_timeout(PATIENCE).unwrap();
    for _ in 0..UPDATES {
        assert_eq!(subscriber.recv_timeout(PATIENCE).unwrap(), [b"Rhubarb"]);
    }
    assert_eq!(subscriber.recv_timeout(PATIENCE).unwrap(), [b"END"]);
    publisher.finish().unwrap();
}

#[test]
fn a_subscriber_synchronises_with_a_publisher_of_libzmq() {
    const UPDATES: u64 = 20_000;
    let context = zmq::Context::new();
    let publisher = context.socket(socket_type::XPUB).unwrap();
    publisher.set_int(opt::SNDHWM, 0).unwrap();
    let publishes = publisher.bind(ANYWHERE).unwrap();
    let service = context.socket(socket_type::REP).unwrap();
    let synchronises = service.bind(ANYWHERE).unwrap();
    let subscriber = start(SYNCSUB, &[&publishes, &synchronises]);
    service.recv_timeout(PATIENCE).unwrap();
    assert_eq!(publisher.recv_timeout(PATIENCE).unwrap(), [[1]]);
    service.send(&[b""]).unwrap();
    for _ in 0..UPDATES {
        publisher.send(&[b"Rhubarb"]).unwrap();
    }
    publisher.send(&[b"END"]).unwrap();
    let expected = format!("Received {UPDATES} updates");
    assert_eq!(subscriber.finish().unwrap(), [expected]);
}

#[test]
fn envelopes_are_read_by_those_whom_they_are_for() {
    const WANTED: &str = "[B] We would like to see this";
    let publisher = start(PSENVPUB, &[ANYWHERE, "1"]);
    let endpoint = publisher.answer("Publishing on").unwrap();
    assert_eq!(output(PSENVSUB, &[&endpoint, "3"]), [WANTED; 3]);

    // libzmq on either side.
    let context = zmq::Context::new();
    let subscriber = context.socket(socket_type::SUB).unwrap();
    subscriber.connect(&endpoint).unwrap();
    subscriber.set_bytes(opt::SUBSCRIBE, b"A").unwrap();
    let message = subscriber.recv_timeout(PATIENCE).unwrap();
    assert_eq!(message, [&b"A"[..], b"We don't want to see this"]);
    drop(publisher);
    let publisher = context.socket(socket_type::XPUB).unwrap();
    let endpoint = publisher.bind(ANYWHERE).unwrap();
    let reader = start(PSENVSUB, &[&endpoint, "1"]);
    assert_eq!(publisher.recv_timeout(PATIENCE).unwrap(), [b"\x01B"]);
    publisher.send(&[&b"A"[..], b"no"]).unwrap();
    publisher
        .send(&[&b"B"[..], b"We would like to see this"])
        .unwrap();
    assert_eq!(reader.finish().unwrap(), [WANTED]);
}

#[test]
fn a_batch_of_tasks_is_worked_off_in_parallel() {
    let sink = start(TASKSINK, &[ANYWHERE]);
    let results = sink.answer("Collecting on").unwrap();
    let ventilator = start(TASKVENT, &[ANYWHERE, &results, "3", "2"]);
    let tasks = ventilator.answer("Ventilating on").unwrap();
    let _workers = [(); 2].map(|()| start(TASKWORK, &[&tasks, &results]));
    // The third worker is one of libzmq.
    let is_over = AtomicBool::new(false);
    let (collected, worked) = thread::scope(|scope| {
        let worker = scope.spawn(|| work(&tasks, &results, &is_over));
        let collected = sink.answer("Collected");
        is_over.store(true, Ordering::Relaxed);
        (collected, worker.join().unwrap())
    });
    assert_eq!(collected.unwrap(), "100 results");
    assert!((33..=34).contains(&worked), "{worked} of 100 in turn");
    assert!(ventilator.finish().unwrap()[0].starts_with("Total expected cost: "));
    assert!(sink.finish().unwrap()[0].starts_with("Total elapsed time: "));
}

/// A worker of libzmq, until it is over; how many tasks it had.
fn work(tasks: &str, results: &str, is_over: &AtomicBool) -> u32 {
    let context = zmq::Context::new();
    let receiver = context.socket(socket_type::PULL).unwrap();
    receiver.connect(tasks).unwrap();
    let sender = context.socket(socket_type::PUSH).unwrap();
    sender.connect(results).unwrap();
    let mut worked = 0;
    while !is_over.load(Ordering::Relaxed) {
        if let Ok(task) = receiver.recv_timeout(Duration::from_millis(10)) {
            let workload: u64 = String::from_utf8(task[0].clone()).unwrap().parse().unwrap();
            assert!((1..=2).contains(&workload));
            sender.send(&[b""]).unwrap();
            worked += 1;
        }
    }
    worked
}

#[test]
fn brokers_serve_clients_and_workers_of_libzmq() {
    for program in [RRBROKER, MSGQUEUE] {
        let broker = start(program, &[ANYWHERE, ANYWHERE]);
        let clients = broker.answer("Clients at").unwrap();
        let workers = broker.answer("Workers at").unwrap();
        let context = zmq::Context::new();
        let client = context.socket(socket_type::REQ).unwrap();
        client.connect(&clients).unwrap();
        let worker = context.socket(socket_type::REP).unwrap();
        worker.connect(&workers).unwrap();
        for _ in 0..100 {
            client.send(&[b"Hello"]).unwrap();
            assert_eq!(worker.recv_timeout(PATIENCE).unwrap(), [b"Hello"]);
            worker.send(&[b"World"]).unwrap();
            assert_eq!(client.recv_timeout(PATIENCE).unwrap(), [b"World"]);
        }
    }
}

#[test]
fn a_weather_proxy_takes_updates_from_multicast_to_tcp() {
    // None that the system gives to whoever asks for any.
    let port = 10_000 + std::process::id() % 20_000;
    let inner = format!(
        "epgm://127.0.0.1;239.192.56.{}:{port}",
        1 + std::process::id() % 200
    );
    let proxy = start(WUPROXY, &[&inner, ANYWHERE]);
    let outer = proxy.answer("Subscribers at").unwrap();
    let ours = zsocket::Context::new();
    let publisher = ours.socket::<zsocket::Pub>().unwrap();
    publisher.set_multicast_rate(10_000).unwrap();
    publisher.bind(inner.as_str()).unwrap();
    let context = zmq::Context::new();
    let subscriber = context.socket(socket_type::SUB).unwrap();
    subscriber.connect(&outer).unwrap();
    subscriber.set_bytes(opt::SUBSCRIBE, b"10001").unwrap();
    // Nobody upstream hears that somebody has subscribed.
    let deadline = Instant::now() + PATIENCE;
    loop {
        publisher.send("20002 0 0").unwrap();
        publisher.send("10001 20 60").unwrap();
        match subscriber.recv_timeout(Duration::from_millis(20)) {
            Ok(update) => break assert_eq!(update, [b"10001 20 60"]),
            Err(_) => assert!(Instant::now() < deadline, "no update"),
        }
    }
}

#[test]
fn a_weather_proxy_takes_updates_of_libzmq_to_its_subscribers() {
    let context = zmq::Context::new();
    let publisher = context.socket(socket_type::XPUB).unwrap();
    let inner = publisher.bind(ANYWHERE).unwrap();
    let proxy = start(WUPROXY, &[&inner, ANYWHERE]);
    let outer = proxy.answer("Subscribers at").unwrap();
    let subscriber = context.socket(socket_type::SUB).unwrap();
    subscriber.connect(&outer).unwrap();
    subscriber.set_bytes(opt::SUBSCRIBE, b"10001").unwrap();
    let subscription = publisher.recv_timeout(PATIENCE).unwrap();
    assert_eq!(subscription, [b"\x0110001"]);
    for _ in 0..100 {
        publisher.send(&[b"20002 0 0"]).unwrap();
        publisher.send(&[b"10001 20 60"]).unwrap();
        assert_eq!(subscriber.recv_timeout(PATIENCE).unwrap(), [b"10001 20 60"]);
    }
}
