//! What has no room waits, costs nothing, and holds nothing else up.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    sync::mpsc,
    thread,
    time::Duration,
};

use zproxy::{Ended, Proxy};
use zsocket::{Context, Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Stream, Sub, XPub, XSub};

use crate::support::{
    A_WHILE, PATIENCE, TRANSPORTS, anywhere, bound, connected, eventually, fill, is_silent, limit,
    to_backend,
};

/// Runs a proxy on a thread, and says which.
fn run<T: Send + 'static>(
    proxy: impl FnOnce() -> T + Send + 'static,
) -> (rustix::thread::Pid, thread::JoinHandle<T>) {
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        tell.send(rustix::thread::gettid()).unwrap();
        proxy()
    });
    (told.recv().unwrap(), thread)
}

/// Processor time that a thread of this process uses in half a second, in ticks of the system, of which there are 50 then.
fn ticks_used(thread: rustix::thread::Pid) -> u64 {
    let path = format!("/proc/self/task/{}/stat", thread.as_raw_nonzero());
    let ticks = || -> u64 {
        let stat = fs::read_to_string(&path).unwrap();
        // Behind the name, which may contain anything: the state is the third field, the times are the 14th and 15th.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let fields: Vec<_> = fields.split_whitespace().collect();
        let number = |field: usize| fields[field - 3].parse::<u64>().unwrap();
        number(14) + number(15)
    };
    let before = ticks();
    thread::sleep(Duration::from_millis(500));
    ticks() - before
}

#[test]
fn one_direction_that_is_full_leaves_the_other_going() {
    for transport in TRANSPORTS {
        let context = Context::new();
        let (frontend, front) = bound::<Pair>(&context, &anywhere(transport, "front"));
        let (backend, back) = bound::<Pair>(&context, &anywhere(transport, "back"));
        let (one, other) = (context.socket::<Pair>(), context.socket::<Pair>());
        let (one, other) = (one.unwrap(), other.unwrap());
        for socket in [&frontend, &backend, &one, &other] {
            limit(socket, 2);
        }
        one.connect(&front).unwrap();
        other.connect(&back).unwrap();
        let proxy = Proxy::new(frontend, backend).spawn().unwrap();
        // Nobody reads these.
        let body = vec![7; 256 << 10];
        let sent = fill(&one, &body);
        assert!(sent > 3);
        for round in 0..500_u32 {
            other.send(&round.to_be_bytes()[..]).unwrap();
            assert_eq!(
                one.recv_timeout(PATIENCE).unwrap()[0],
                round.to_be_bytes()[..]
            );
        }
        // Nothing is lost.
        for _ in 0..sent {
            assert_eq!(other.recv_timeout(PATIENCE).unwrap()[0], body[..]);
        }
        assert!(is_silent(&other));
        proxy.handle().terminate();
        proxy.join().unwrap();
    }
}

#[test]
fn a_backend_without_peers_makes_the_senders_wait() {
    for transport in TRANSPORTS {
        let context = Context::new();
        let (frontend, front) = bound::<Pull>(&context, &anywhere(transport, "front"));
        let backend = context.socket::<Push>().unwrap();
        let push = context.socket::<Push>().unwrap();
        limit(&frontend, 1);
        limit(&push, 1);
        push.connect(&front).unwrap();
        let later = backend.bind(anywhere(transport, "back")).unwrap();
        let proxy = Proxy::new(frontend, backend).spawn().unwrap();
        // Not one is taken in by the proxy.
        let body = vec![7; 1 << 20];
        let sent = fill(&push, &body);
        assert!(sent > 0);
        assert_eq!(proxy.handle().statistics().to_backend, Default::default());
        let pull = connected::<Pull>(&context, &later);
        for _ in 0..sent {
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], body[..]);
        }
        proxy.handle().terminate();
        proxy.join().unwrap();
    }
}

#[test]
fn a_proxy_that_waits_uses_no_processor() {
    // What is for one full peer waits while others have room: the hardest case.
    let context = Context::new();
    let (frontend, front) = bound::<Dealer>(&context, "inproc://front");
    let (backend, back) = bound::<Stream>(&context, "tcp://127.0.0.1:*");
    limit(&backend, 2);
    let worker = context.socket::<Dealer>().unwrap();
    limit(&worker, 2);
    limit(&frontend, 2);
    worker.connect(&front).unwrap();
    let address = back.to_string();
    let address = address.trim_start_matches("tcp://");
    let mut full = TcpStream::connect(address).unwrap();
    let mut idle = TcpStream::connect(address).unwrap();
    let proxy = Proxy::new(frontend, backend);
    let handle = proxy.handle();
    let (proxy, thread) = run(move || proxy.run().unwrap());
    // Their notices, then what tells them apart.
    let peers = [(); 2].map(|()| worker.recv_timeout(PATIENCE).unwrap());
    full.write_all(b"full").unwrap();
    let id = worker.recv_timeout(PATIENCE).unwrap()[0].clone();
    let other = peers.iter().find(|peer| peer[0] != id).unwrap()[0].clone();
    let body = vec![7_u8; 1 << 20];
    let mut sent = 0;
    while worker.send_timeout([&id[..], &body], 10 * A_WHILE).is_ok() {
        sent += 1;
    }
    assert!(sent > 4);
    // One that looks again and again uses a good part of all there are, on a machine with much else to do as well.
    assert!(ticks_used(proxy) <= 2);
    // The other direction goes on.
    idle.write_all(b"idle").unwrap();
    let message = worker.recv_timeout(PATIENCE).unwrap();
    assert_eq!((&message[0], &message[1][..]), (&other, &b"idle"[..]));
    // The same while it is paused, and input waits.
    handle.pause();
    eventually("it is paused", || handle.is_paused());
    idle.write_all(b"more").unwrap();
    assert!(is_silent(&worker));
    assert!(ticks_used(proxy) <= 2);
    handle.resume();
    // All that was sent arrives once it is read.
    let reader = thread::spawn(move || {
        let mut read = 0;
        let mut buffer = vec![0; 1 << 20];
        while read < sent << 20 {
            read += full.read(&mut buffer).unwrap();
        }
        (full, read)
    });
    assert_eq!(worker.recv_timeout(PATIENCE).unwrap()[1], "more");
    assert_eq!(reader.join().unwrap().1, sent << 20);
    handle.terminate();
    assert_eq!(thread.join().unwrap(), Ended::ByHandle);
}

#[test]
fn a_client_that_has_gone_ends_no_broker() {
    let context = Context::new();
    let (frontend, front) = bound::<Router>(&context, "tcp://127.0.0.1:*");
    frontend.set_mandatory(true).unwrap();
    let (backend, back) = bound::<Dealer>(&context, "tcp://127.0.0.1:*");
    let proxy = Proxy::new(frontend, backend).spawn().unwrap();
    let worker = connected::<Dealer>(&context, &back);
    let client = connected::<Dealer>(&context, &front);
    client.send("question").unwrap();
    let question = worker.recv_timeout(PATIENCE).unwrap();
    drop(client);
    // Until the proxy has heard of that its answers may still be accepted.
    let handle = proxy.handle();
    eventually("an answer is dropped", || {
        worker.send([&question[0][..], b"answer"]).unwrap();
        let answers = handle.statistics().to_frontend;
        answers.received.messages > answers.sent.messages
    });
    let client = connected::<Dealer>(&context, &front);
    client.send("next").unwrap();
    assert_eq!(worker.recv_timeout(PATIENCE).unwrap()[1], "next");
    eventually("both are counted", || to_backend(handle) == 2);
    handle.terminate();
    proxy.join().unwrap();
}

#[test]
fn marks_bound_what_is_on_its_way_to_a_slow_subscriber() {
    let context = Context::new();
    let frontend = context.socket::<XSub>().unwrap();
    let backend = context.socket::<XPub>().unwrap();
    let publisher = context.socket::<XPub>().unwrap();
    let subscriber = context.socket::<Sub>().unwrap();
    backend.set_no_drop(true).unwrap();
    publisher.set_no_drop(true).unwrap();
    for socket in [&backend, &publisher] {
        limit(socket, 10);
    }
    limit(&frontend, 10);
    limit(&subscriber, 10);
    let front = frontend.bind("inproc://front").unwrap();
    let back = backend.bind("inproc://back").unwrap();
    let (control, steer) = bound::<Rep>(&context, "inproc://control");
    publisher.connect(&front).unwrap();
    subscriber.connect(&back).unwrap();
    subscriber.subscribe("").unwrap();
    let steering = connected::<Req>(&context, &steer);
    let proxy = Proxy::new(frontend, backend).control(control);
    let (proxy, thread) = run(move || proxy.run().unwrap());
    assert_eq!(publisher.recv_timeout(PATIENCE).unwrap()[0], "\u{1}");
    // Over inproc a connection holds what both marks allow. One more has found no room for all, and waits to be sent.
    let sent = fill(&publisher, b"update");
    assert!((40..=41).contains(&sent), "{sent}");
    assert!(ticks_used(proxy) <= 2);
    // Commands are obeyed meanwhile.
    for command in ["STATISTICS", "PAUSE", "STATISTICS", "RESUME"] {
        steering.send(command).unwrap();
        steering.recv_timeout(PATIENCE).unwrap();
    }
    for _ in 0..sent {
        assert_eq!(subscriber.recv_timeout(PATIENCE).unwrap()[0], "update");
    }
    assert!(is_silent(&subscriber));
    steering.send("TERMINATE").unwrap();
    assert_eq!(thread.join().unwrap(), Ended::ByControl);
}

#[test]
fn a_capture_for_many_drops_for_those_who_do_not_read() {
    let context = Context::new();
    let (frontend, front) = bound::<Pull>(&context, "inproc://front");
    let (backend, back) = bound::<Push>(&context, "inproc://back");
    let capture = context.socket::<Pub>().unwrap();
    limit(&capture, 2);
    let seen = capture.bind("inproc://seen").unwrap();
    let sleeper = context.socket::<Sub>().unwrap();
    limit(&sleeper, 2);
    sleeper.subscribe("").unwrap();
    sleeper.connect(&seen).unwrap();
    capture.wait_subscribed("", 1, PATIENCE).unwrap();
    let proxy = Proxy::new(frontend, backend).capture(capture);
    let proxy = proxy.spawn().unwrap();
    let push = connected::<Push>(&context, &front);
    let pull = connected::<Pull>(&context, &back);
    for n in 0..500_u32 {
        push.send(&n.to_be_bytes()[..]).unwrap();
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], n.to_be_bytes()[..]);
    }
    for n in 0..4_u32 {
        assert_eq!(
            sleeper.recv_timeout(PATIENCE).unwrap()[0],
            n.to_be_bytes()[..]
        );
    }
    proxy.handle().terminate();
    proxy.join().unwrap();
}
