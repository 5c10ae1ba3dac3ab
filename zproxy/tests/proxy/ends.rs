//! How a proxy ends that nobody has told to.

use std::thread;

use zproxy::{Ended, Error, Proxy, Role, proxy};
use zsocket::{
    Bytes, Context, Dealer, Message, Pair, Pub, Pull, Push, Rep, Req, Router, Socket, SocketType,
};

use crate::support::{PATIENCE, bound, connected, eventually, is_silent, limit, to_backend};

#[test]
fn the_end_of_either_context_ends_the_proxy() {
    for paused in [false, true] {
        for (ends, role) in [
            (0, Role::Frontend),
            (1, Role::Backend),
            (2, Role::Capture),
            (3, Role::Control),
        ] {
            if paused && role == Role::Capture {
                // It has nothing to do with a capture then.
                continue;
            }
            let contexts = [(); 4].map(|()| Context::new());
            // Without peers: nothing could be forwarded anyway.
            let frontend = contexts[0].socket::<Router>().unwrap();
            let backend = contexts[1].socket::<Dealer>().unwrap();
            let capture = contexts[2].socket::<Pub>().unwrap();
            let control = contexts[3].socket::<Pair>().unwrap();
            if role == Role::Capture {
                frontend.bind("inproc://front").unwrap();
                backend.bind("inproc://back").unwrap();
            }
            let client = contexts[0].socket::<Dealer>().unwrap();
            let worker = contexts[1].socket::<Dealer>().unwrap();
            let proxy = Proxy::new(frontend, backend)
                .capture(capture)
                .control(control);
            let handle = proxy.handle();
            if paused {
                handle.pause();
            }
            let proxy = proxy.spawn().unwrap();
            contexts[ends].shutdown();
            if role == Role::Capture {
                // It is looked at when there is something to capture.
                client.connect("inproc://front").unwrap();
                worker.connect("inproc://back").unwrap();
                let _ = client.send("message");
            }
            assert_eq!(proxy.join().unwrap(), Ended::ContextShutDown(role));
            eventually("the handle knows", || handle.has_ended());
            drop((client, worker));
            for context in contexts {
                context.term().unwrap();
            }
        }
    }
}

#[test]
fn a_socket_that_is_waited_for_elsewhere_is_an_error_that_names_it() {
    let context = Context::new();
    let (frontend, _) = bound::<Pull>(&context, "inproc://front");
    let (backend, _) = bound::<Push>(&context, "inproc://back");
    let mut other = zpoll::Poller::new();
    other.add(&backend, 0, zpoll::Interest::SEND).unwrap();
    let error = proxy(&frontend, &backend, None).unwrap_err();
    let role = Role::Backend;
    assert!(
        matches!(error, Error::Watch { role: r, .. } if r == role),
        "{error}"
    );
    assert!(error.to_string().contains("backend"), "{error}");
    // The other one is free again.
    drop(other);
    let proxy = Proxy::new(&frontend, &backend);
    proxy.handle().terminate();
    proxy.run().unwrap();
}

#[test]
fn a_capture_that_is_one_of_the_two_is_an_error() {
    let context = Context::new();
    let (frontend, _) = bound::<Pair>(&context, "inproc://front");
    let (backend, _) = bound::<Pair>(&context, "inproc://back");
    let capture: &Socket<Pair> = &frontend;
    let error = proxy(&frontend, &backend, Some(capture)).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Socket {
                role: Role::Capture,
                error: zsocket::Error::NotSupported
            }
        ),
        "{error}"
    );
}

/// A body of a peer whose owner shuts a context down when it is dropped.
struct ShutsDown(Context, Vec<u8>);

impl AsRef<[u8]> for ShutsDown {
    fn as_ref(&self) -> &[u8] {
        &self.1
    }
}

impl Drop for ShutsDown {
    fn drop(&mut self) {
        self.0.shutdown();
    }
}

#[test]
fn the_last_round_counts() {
    let (context, outside) = (Context::new(), Context::new());
    let (frontend, _) = bound::<Dealer>(&context, "inproc://front");
    let (backend, _) = bound::<Router>(&outside, "inproc://back");
    let client = context.socket::<Dealer>().unwrap();
    client.connect("inproc://front").unwrap();
    let owner = ShutsDown(outside, vec![7; 100_000]);
    let body = Bytes::from_owner(owner);
    // For nobody, so that it is dropped in the midst of a round.
    let message = [Bytes::from_static(b"nobody"), body];
    client.send(Message::from(message)).unwrap();
    let proxy = Proxy::new(frontend, backend);
    let handle = proxy.handle();
    assert_eq!(proxy.run().unwrap(), Ended::ContextShutDown(Role::Backend));
    assert_eq!(handle.statistics().to_backend.received.messages, 1);
    drop(client);
}

#[test]
fn a_proxy_that_ends_keeps_nothing_back() {
    // A message waits for a peer that is full when the proxy ends.
    let context = Context::new();
    let (mut frontend, front) = bound::<Dealer>(&context, "inproc://front");
    let mut backend = context.socket::<Router>().unwrap();
    backend.set_mandatory(true).unwrap();
    limit(&backend, 2);
    let back = backend.bind("inproc://back").unwrap();
    let worker = context.socket::<Dealer>().unwrap();
    worker
        .set_routing_id(Bytes::from_static(b"worker"))
        .unwrap();
    limit(&worker, 1);
    worker.connect(&back).unwrap();
    let client = connected::<Dealer>(&context, &front);
    for n in 0..24_u32 {
        client
            .send([&b"worker"[..], &n.to_be_bytes(), b"end"])
            .unwrap();
    }
    let mut numbers = 0_u32..;
    let mut is_next = |message: Message| {
        let number = numbers.next().unwrap().to_be_bytes();
        let [.., body, end] = message.frames() else {
            panic!("not whole: {message:?}");
        };
        assert_eq!((&body[..], &end[..]), (&number[..], &b"end"[..]));
    };
    for _ in 0..4 {
        let proxy = thread::spawn(move || {
            let proxy = Proxy::new(&frontend, &backend);
            let handle = proxy.handle();
            let ended = thread::scope(|scope| {
                scope.spawn(|| {
                    // As many as both marks allow.
                    eventually("it is full", || to_backend(&handle) == 3);
                    handle.terminate();
                });
                proxy.run().unwrap()
            });
            assert_eq!(ended, Ended::ByHandle);
            (frontend, backend)
        });
        (frontend, backend) = proxy.join().unwrap();
        for _ in 0..3 {
            is_next(worker.recv_timeout(PATIENCE).unwrap());
        }
        assert!(is_silent(&worker));
        // The one that waited, and those behind it.
        for _ in 0..3 {
            is_next(frontend.recv_timeout(PATIENCE).unwrap());
        }
    }
}

#[test]
fn a_request_that_is_lost_with_its_worker_ends_a_proxy_that_cannot_ask_another() {
    let context = Context::new();
    let (frontend, front) = bound::<Rep>(&context, "tcp://127.0.0.1:*");
    let (backend, back) = bound::<Req>(&context, "tcp://127.0.0.1:*");
    let worker = connected::<Rep>(&context, &back);
    let client = connected::<Req>(&context, &front);
    let proxy = Proxy::new(frontend, backend).spawn().unwrap();
    client.send("question").unwrap();
    assert_eq!(worker.recv_timeout(PATIENCE).unwrap()[0], "question");
    drop(worker);
    let error = proxy.join().unwrap_err();
    assert!(
        matches!(
            error,
            Error::Socket {
                role: Role::Backend,
                error: zsocket::Error::PeerLost(_)
            }
        ),
        "{error:?}"
    );
}

#[test]
fn a_control_socket_that_cannot_receive_is_an_error_that_names_it() {
    let context = Context::new();
    let frontend = context.dynamic(SocketType::Pull).unwrap();
    let backend = context.dynamic(SocketType::Push).unwrap();
    let control = context.dynamic(SocketType::Push).unwrap();
    let error = Proxy::new(&frontend, &backend).control(control).run();
    let error = error.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Socket {
                role: Role::Control,
                error: zsocket::Error::NotSupported
            }
        ),
        "{error:?}"
    );
    // The types count that they were made with.
    let error = Proxy::new(&frontend, &frontend).run();
    frontend.bind("inproc://front").unwrap();
    assert!(
        matches!(error, Err(Error::NothingToForward { .. })),
        "{error:?}"
    );
    let front = "inproc://front".parse().unwrap();
    let push = connected::<Push>(&context, &front);
    backend.bind("inproc://back").unwrap();
    let pull = connected::<Pull>(&context, &"inproc://back".parse().unwrap());
    let proxy = Proxy::new(frontend, backend).spawn().unwrap();
    push.send("task").unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "task");
    proxy.handle().terminate();
    proxy.join().unwrap();
}
