//! A third socket looks on, and stops nothing.

use zproxy::{Ended, Proxy};
use zsocket::{Bytes, Context, Dealer, Message, Pair, Pub, Pull, Push, Rep, Req, Router, Sub};

use crate::support::{
    PATIENCE, TRANSPORTS, anywhere, bound, connected, eventually, is_silent, limit, to_backend,
};

#[test]
fn a_capture_gets_each_message_of_both_directions_whole() {
    for transport in TRANSPORTS {
        let context = Context::new();
        let (frontend, front) = bound::<Router>(&context, &anywhere(transport, "front"));
        let (backend, back) = bound::<Dealer>(&context, &anywhere(transport, "back"));
        let (capture, seen) = bound::<Pub>(&context, &anywhere(transport, "seen"));
        let spy = context.socket::<Sub>().unwrap();
        spy.subscribe("").unwrap();
        spy.connect(&seen).unwrap();
        capture.wait_subscribed("", 1, PATIENCE).unwrap();
        let proxy = Proxy::new(frontend, backend).capture(capture);
        let proxy = proxy.spawn().unwrap();
        let client = connected::<Req>(&context, &front);
        let worker = connected::<Rep>(&context, &back);
        // Small, and too large to be copied.
        for body in [&b"question"[..], &[7; 100_000]] {
            client.send(["head".as_bytes(), body]).unwrap();
            assert_eq!(worker.recv_timeout(PATIENCE).unwrap()[1], body);
            worker.send(body).unwrap();
            assert_eq!(client.recv_timeout(PATIENCE).unwrap()[0], body);
            let asked = spy.recv_timeout(PATIENCE).unwrap();
            let expected: Message = [&asked[0][..], b"", b"head", body].into();
            assert_eq!(asked, expected);
            let answered = spy.recv_timeout(PATIENCE).unwrap();
            assert_eq!(answered, Message::from([&asked[0][..], b"", body]));
        }
        let handle = proxy.handle().clone();
        handle.terminate();
        proxy.join().unwrap();
        let statistics = handle.statistics();
        assert_eq!(statistics.captured.messages, 4);
        assert_eq!(statistics.capture_dropped, 0);
    }
}

#[test]
fn a_capture_that_nobody_reads_stalls_nothing_and_is_counted() {
    const MESSAGES: u64 = 5_000;
    for has_peer in [false, true] {
        let context = Context::new();
        let (frontend, front) = bound::<Pull>(&context, "inproc://front");
        let (backend, back) = bound::<Push>(&context, "inproc://back");
        let capture = context.socket::<Pair>().unwrap();
        limit(&capture, 5);
        let seen = capture.bind("inproc://seen").unwrap();
        let sleeper = context.socket::<Pair>().unwrap();
        limit(&sleeper, 5);
        if has_peer {
            sleeper.connect(&seen).unwrap();
        }
        let proxy = Proxy::new(frontend, backend).capture(capture);
        let proxy = proxy.spawn().unwrap();
        let push = connected::<Push>(&context, &front);
        let pull = connected::<Pull>(&context, &back);
        for n in 0..MESSAGES {
            push.send(&n.to_be_bytes()[..]).unwrap();
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], n.to_be_bytes()[..]);
        }
        let handle = proxy.handle();
        eventually("all is counted", || to_backend(handle) == MESSAGES);
        let statistics = handle.statistics();
        let captured = if has_peer { 10 } else { 0 };
        assert_eq!(statistics.captured.messages, captured);
        assert_eq!(statistics.capture_dropped, MESSAGES - captured);
        handle.terminate();
        assert_eq!(proxy.join().unwrap(), Ended::ByHandle);
        for n in 0..captured {
            assert_eq!(sleeper.recv().unwrap()[0], n.to_be_bytes()[..]);
        }
    }
}

#[test]
fn a_message_that_had_to_wait_is_captured_once() {
    let context = Context::new();
    let (frontend, front) = bound::<Dealer>(&context, "inproc://front");
    let backend = context.socket::<Router>().unwrap();
    backend.set_mandatory(true).unwrap();
    limit(&backend, 1);
    let back = backend.bind("inproc://back").unwrap();
    let worker = context.socket::<Dealer>().unwrap();
    worker
        .set_routing_id(Bytes::from_static(b"worker"))
        .unwrap();
    limit(&worker, 1);
    worker.connect(&back).unwrap();
    let (capture, seen) = bound::<Push>(&context, "inproc://seen");
    let spy = connected::<Pull>(&context, &seen);
    let client = connected::<Dealer>(&context, &front);
    let proxy = Proxy::new(frontend, backend).capture(capture);
    let proxy = proxy.spawn().unwrap();
    let handle = proxy.handle().clone();
    let body = |n: u64| vec![n as u8; if n.is_multiple_of(2) { 9 } else { 50_000 }];
    for n in 0..40 {
        client.send([&b"worker"[..], &body(n)]).unwrap();
    }
    for n in 0..40 {
        // It is full all the time.
        eventually("it is full", || to_backend(&handle) == (n + 2).min(40));
        assert_eq!(worker.recv_timeout(PATIENCE).unwrap()[0], body(n)[..]);
    }
    for n in 0..40 {
        let copy = spy.recv_timeout(PATIENCE).unwrap();
        assert_eq!(copy, Message::from([&b"worker"[..], &body(n)]));
    }
    assert!(is_silent(&spy));
    handle.terminate();
    assert_eq!(proxy.join().unwrap(), Ended::ByHandle);
    assert_eq!(handle.statistics().captured.messages, 40);
    assert_eq!(handle.statistics().capture_dropped, 0);
}
