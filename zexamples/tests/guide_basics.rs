//! The guide's programs of weather, several sockets, brokers, signals and threads, run as a user runs them, and with libzmq
//! in the place of one of them.

mod support;

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use zinterop::sys::{opt, socket_type};
use zinterop::zmq;

use support::{ANYWHERE, PATIENCE, output, start};

/// How often a loop looks whether it is over.
const GLANCE: Duration = Duration::from_millis(10);

const WUSERVER: &str = env!("CARGO_BIN_EXE_wuserver");
const WUCLIENT: &str = env!("CARGO_BIN_EXE_wuclient");
const MSREADER: &str = env!("CARGO_BIN_EXE_msreader");
const MSPOLLER: &str = env!("CARGO_BIN_EXE_mspoller");
const RRCLIENT: &str = env!("CARGO_BIN_EXE_rrclient");
const RRWORKER: &str = env!("CARGO_BIN_EXE_rrworker");
const TASKVENT: &str = env!("CARGO_BIN_EXE_taskvent");
const TASKWORK2: &str = env!("CARGO_BIN_EXE_taskwork2");
const TASKSINK2: &str = env!("CARGO_BIN_EXE_tasksink2");
const INTERRUPT: &str = env!("CARGO_BIN_EXE_interrupt");
const MTSERVER: &str = env!("CARGO_BIN_EXE_mtserver");
const HWCLIENT: &str = env!("CARGO_BIN_EXE_hwclient");

/// A socket of libzmq that is bound, and where.
fn bound(context: &zmq::Context, kind: i32) -> (zmq::Socket, String) {
    let socket = context.socket(kind).unwrap();
    let endpoint = socket.bind(ANYWHERE).unwrap();
    (socket, endpoint)
}

/// A socket of libzmq that is connected.
fn connected(context: &zmq::Context, kind: i32, endpoint: &str) -> zmq::Socket {
    let socket = context.socket(kind).unwrap();
    socket.connect(endpoint).unwrap();
    socket
}

fn text(frame: &[u8]) -> &str {
    std::str::from_utf8(frame).unwrap()
}

// ---- Weather ----

#[test]
fn the_weather_of_one_place_is_published_and_averaged() {
    let server = start(WUSERVER, &[ANYWHERE]);
    let endpoint = server.answer("Publishing on").unwrap();
    let lines = output(WUCLIENT, &[&endpoint, "10001", "2"]);
    let [first, average] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(first, "Collecting updates from weather server…");
    let average = average
        .strip_prefix("Average temperature for zipcode '10001' was ")
        .and_then(|rest| rest.strip_suffix('F'))
        .unwrap();
    assert!((-80..135).contains(&average.parse::<i32>().unwrap()));

    // A subscriber of libzmq.
    let context = zmq::Context::new();
    let subscriber = connected(&context, socket_type::SUB, &endpoint);
    subscriber.set_bytes(opt::SUBSCRIBE, b"1000").unwrap();
    let update = subscriber.recv_timeout(PATIENCE).unwrap();
    let fields: Vec<_> = text(&update[0]).split(' ').collect();
    assert_eq!(fields.len(), 3, "{fields:?}");
    assert!(fields[0].len() == 5 && fields[0].starts_with("1000"));
    assert!((-80..135).contains(&fields[1].parse().unwrap()));
    assert!((10..60).contains(&fields[2].parse().unwrap()));
}

#[test]
fn the_weather_client_averages_what_a_server_of_libzmq_publishes() {
    let context = zmq::Context::new();
    let (publisher, endpoint) = bound(&context, socket_type::XPUB);
    let client = start(WUCLIENT, &[&endpoint, "94107", "3"]);
    assert_eq!(publisher.recv_timeout(PATIENCE).unwrap(), [b"\x0194107 "]);
    for update in [
        "94107 10 20",
        "941071 1000 20",
        "94107 -20 20",
        "94107 40 20",
    ] {
        publisher.send(&[update]).unwrap();
    }
    let lines = client.finish().unwrap();
    assert_eq!(lines[1], "Average temperature for zipcode '94107' was 10F");
}

// ---- Several sockets ----

#[test]
fn two_sockets_are_read_in_one_thread() {
    let context = zmq::Context::new();
    for program in [MSREADER, MSPOLLER] {
        let (ventilator, tasks) = bound(&context, socket_type::PUSH);
        let (publisher, weather) = bound(&context, socket_type::XPUB);
        let reader = start(program, &[&tasks, &weather]);
        assert_eq!(publisher.recv_timeout(PATIENCE).unwrap(), [b"\x0110001 "]);
        for number in 0..200 {
            ventilator.send(&[number.to_string()]).unwrap();
            publisher.send(&["20000 no"]).unwrap();
            publisher.send(&[format!("10001 {number}")]).unwrap();
        }
        // Each in its order, whatever the order of the two.
        let mut next = [0, 0];
        while next != [200, 200] {
            let line = reader.line().unwrap();
            let (kind, rest) = line.split_once(' ').unwrap();
            let at = usize::from(kind == "Weather");
            let expected = [next[0].to_string(), format!("10001 {}", next[1])];
            assert_eq!(rest, expected[at]);
            next[at] += 1;
        }
    }
}

#[test]
fn readers_get_tasks_and_the_weather_from_our_programs() {
    for program in [MSREADER, MSPOLLER] {
        let context = zmq::Context::new();
        let (sink, results) = bound(&context, socket_type::PULL);
        let ventilator = start(TASKVENT, &[ANYWHERE, &results, "1", "2"]);
        let tasks = ventilator.answer("Ventilating on").unwrap();
        let server = start(WUSERVER, &[ANYWHERE]);
        let weather = server.answer("Publishing on").unwrap();
        let reader = start(program, &[&tasks, &weather]);
        assert_eq!(sink.recv_timeout(PATIENCE).unwrap(), [b"0"]);
        for _ in 0..100 {
            let workload = reader.answer("Task").unwrap();
            assert!((1..=2).contains(&workload.parse().unwrap()), "{workload}");
        }
        assert!(reader.answer("Weather").unwrap().starts_with("10001 "));
    }
}

// ---- Requests ----

#[test]
fn clients_and_workers_meet_at_a_broker_of_libzmq() {
    let context = zmq::Context::new();
    let (frontend, asks) = bound(&context, socket_type::ROUTER);
    let (backend, serves) = bound(&context, socket_type::DEALER);
    let worker = start(RRWORKER, &[&serves, "0"]);
    let clients = [(); 2].map(|()| start(RRCLIENT, &[&asks]));
    for _ in 0..20 {
        let request = frontend.recv_timeout(PATIENCE).unwrap();
        backend.send(&request).unwrap();
        let reply = backend.recv_timeout(PATIENCE).unwrap();
        frontend.send(&reply).unwrap();
        assert_eq!(worker.answer("Received").unwrap(), "request: [Hello]");
    }
    let expected: Vec<_> = (0..10)
        .map(|number| format!("Received reply {number} [World]"))
        .collect();
    for client in clients {
        assert_eq!(client.finish().unwrap(), expected);
    }
}

#[test]
fn worker_threads_serve_clients_of_either_library() {
    let server = start(MTSERVER, &[ANYWHERE, "3", "1"]);
    let endpoint = server.answer("Listening on").unwrap();
    let clients = [RRCLIENT, HWCLIENT].map(|client| start(client, &[&endpoint]));
    let context = zmq::Context::new();
    let requester = connected(&context, socket_type::REQ, &endpoint);
    for _ in 0..10 {
        requester.send(&[b"Hello"]).unwrap();
        assert_eq!(requester.recv_timeout(PATIENCE).unwrap(), [b"World"]);
    }
    for client in clients {
        let lines = client.finish().unwrap();
        let replies = lines.iter().filter(|line| line.contains("World"));
        assert_eq!(replies.count(), 10, "{lines:?}");
    }
    for _ in 0..30 {
        assert_eq!(server.answer("Received").unwrap(), "request: [Hello]");
    }
}

// ---- Signals ----

#[test]
fn workers_stop_when_the_batch_is_complete() {
    let sink = start(TASKSINK2, &[ANYWHERE, ANYWHERE, "3"]);
    let results = sink.answer("Collecting on").unwrap();
    let control = sink.answer("Controlling on").unwrap();
    let ventilator = start(TASKVENT, &[ANYWHERE, &results, "3", "2"]);
    let tasks = ventilator.answer("Ventilating on").unwrap();
    let workers = [(); 2].map(|()| start(TASKWORK2, &[&tasks, &results, &control]));
    // The third worker is one of libzmq.
    let mut worked = work(&tasks, &results, &control);
    for worker in workers {
        let lines = worker.finish().unwrap();
        assert_eq!(lines.len(), 1, "{lines:?}");
        worked += lines[0].matches('.').count();
    }
    assert_eq!(worked, 100);
    assert_eq!(sink.answer("Collected").unwrap(), "100 results");
    assert!(sink.finish().unwrap()[0].starts_with("Total elapsed time: "));
    ventilator.finish().unwrap();
}

/// A worker of libzmq, until the signal; how many tasks it had.
fn work(tasks: &str, results: &str, control: &str) -> usize {
    let context = zmq::Context::new();
    let controller = connected(&context, socket_type::SUB, control);
    controller.set_bytes(opt::SUBSCRIBE, b"").unwrap();
    let receiver = connected(&context, socket_type::PULL, tasks);
    let sender = connected(&context, socket_type::PUSH, results);
    let mut worked = 0;
    loop {
        if let Ok(signal) = controller.try_recv() {
            assert_eq!(signal, [b"KILL"]);
            return worked;
        }
        if receiver.recv_timeout(GLANCE).is_ok() {
            sender.send(&[b""]).unwrap();
            worked += 1;
        }
    }
}

#[test]
fn a_worker_stops_at_a_signal_of_libzmq() {
    let context = zmq::Context::new();
    let (ventilator, tasks) = bound(&context, socket_type::PUSH);
    let (sink, results) = bound(&context, socket_type::PULL);
    let (controller, control) = bound(&context, socket_type::XPUB);
    let worker = start(TASKWORK2, &[&tasks, &results, &control]);
    assert_eq!(controller.recv_timeout(PATIENCE).unwrap(), [[1]]);
    for workload in ["1", "2", "0"] {
        ventilator.send(&[workload]).unwrap();
        assert_eq!(sink.recv_timeout(PATIENCE).unwrap(), [b""]);
    }
    controller.send(&["stop"]).unwrap();
    assert_eq!(worker.finish().unwrap(), ["1.2.0."]);
}

#[test]
fn a_server_ends_cleanly_at_an_interrupt() {
    for mode in ["poll", "block"] {
        for signal in [Signal::INT, Signal::TERM] {
            let server = start(INTERRUPT, &[ANYWHERE, mode]);
            let endpoint = server.answer("Listening on").unwrap();
            assert_eq!(output(HWCLIENT, &[&endpoint]).len(), 21);
            let context = zmq::Context::new();
            let requester = connected(&context, socket_type::REQ, &endpoint);
            requester.send(&[b"Hello"]).unwrap();
            assert_eq!(requester.recv_timeout(PATIENCE).unwrap(), [b"World"]);

            let id = Pid::from_raw(server.id().try_into().unwrap()).unwrap();
            kill_process(id, signal).unwrap();
            let lines = server.finish().unwrap();
            assert_eq!(lines, ["Interrupt received, answered 11 requests"]);
        }
    }
}

#[test]
fn a_server_that_nobody_calls_ends_at_an_interrupt_as_well() {
    for mode in ["poll", "block"] {
        let server = start(INTERRUPT, &[ANYWHERE, mode]);
        server.answer("Listening on").unwrap();
        let id = Pid::from_raw(server.id().try_into().unwrap()).unwrap();
        kill_process(id, Signal::INT).unwrap();
        let lines = server.finish().unwrap();
        assert_eq!(lines, ["Interrupt received, answered 0 requests"]);
    }
}
