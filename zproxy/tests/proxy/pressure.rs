//! What has no room waits, costs nothing, and holds nothing else up.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use zproxy::{Ended, Proxy};
use zsocket::{Context, Dealer, Pair, Pull, Push, Router, Stream};

use crate::support::{
    A_WHILE, PATIENCE, TRANSPORTS, anywhere, bound, connected, eventually, fill, is_silent, limit,
    to_backend,
};

/// Processor time of the calling thread.
fn processor_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
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
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        let begin = processor_time();
        let ended = proxy.run().unwrap();
        tell.send(processor_time() - begin).unwrap();
        ended
    });
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
    // The other direction goes on.
    idle.write_all(b"idle").unwrap();
    let message = worker.recv_timeout(PATIENCE).unwrap();
    assert_eq!((&message[0], &message[1][..]), (&other, &b"idle"[..]));
    // The same while it is paused, and input waits.
    handle.pause();
    eventually("it is paused", || handle.is_paused());
    idle.write_all(b"more").unwrap();
    assert!(is_silent(&worker));
    thread::sleep(Duration::from_millis(500));
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
    // It has moved some 20 MiB as well, and may have been built without optimisation.
    let used = told.recv().unwrap();
    assert!(used < Duration::from_millis(400), "{used:?}");
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
    assert_eq!(to_backend(handle), 2);
    handle.terminate();
    proxy.join().unwrap();
}
