//! How a proxy ends that nobody has told to.

use zproxy::{Ended, Error, Proxy, Role, proxy};
use zsocket::{Context, Dealer, Pair, Pub, Pull, Push, Router, Socket};

use crate::support::{bound, eventually};

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
