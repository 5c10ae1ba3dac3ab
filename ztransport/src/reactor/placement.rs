//! Which I/O thread does what, and how much each has.

use std::{
    io::Read,
    net::{SocketAddr, TcpStream},
};

use zmtp::SocketType;
use zpipe::{Mailbox, ReadySet};

use super::*;
use crate::Letter;

/// Never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::yield_now();
    }
}

fn loads(reactor: &Reactor) -> Vec<u64> {
    let threads = reactor.threads.iter();
    threads.map(|thread| thread.remote.load()).collect()
}

/// A socket that nobody calls.
fn socket() -> (SocketHandle, Mailbox<Letter>) {
    let ready = ReadySet::new();
    let (letters, mailbox) = zpipe::mailbox(ready.notifier(0));
    (SocketHandle::new(letters, ready.notifier(0)), mailbox)
}

fn address(endpoint: &Endpoint) -> SocketAddr {
    let text = endpoint.to_string();
    text.trim_start_matches("tcp://").parse().unwrap()
}

#[test]
fn connections_are_shared_out_and_counted_while_they_are_there() {
    let reactor = Reactor::new(4).unwrap();
    let options = Arc::new(Options::new(SocketType::Pull));
    let (handle, _mailbox) = socket();
    let endpoint = "tcp://127.0.0.1:*".parse().unwrap();
    let bound = reactor.bind(&endpoint, &options, &handle).unwrap();
    assert_eq!(loads(&reactor), [1, 0, 0, 0]);
    for round in 0..3 {
        let peers: Vec<_> = (0..11)
            .map(|_| TcpStream::connect(address(&bound.endpoint)).unwrap())
            .collect();
        eventually("all are accepted", || loads(&reactor) == [3, 3, 3, 3]);
        // Given up by the peers, and by this end: those are done with when the call is back.
        if round < 2 {
            drop(peers);
            eventually("all are gone", || loads(&reactor) == [1, 0, 0, 0]);
            continue;
        }
        reactor.unbind(bound.id, true);
        for mut peer in peers {
            peer.set_nonblocking(true).unwrap();
            let mut greeting = Vec::new();
            // To the end, which is there already; or a reset.
            let end = peer
                .read_to_end(&mut greeting)
                .map_err(|error| error.kind());
            assert_ne!(end, Err(io::ErrorKind::WouldBlock));
        }
        assert_eq!(loads(&reactor), [0, 0, 0, 0]);
    }
}

#[test]
fn endpoints_are_shared_out_and_counted_while_they_are_there() {
    let reactor = Reactor::new(2).unwrap();
    let options = Arc::new(Options::new(SocketType::Pull));
    let (handle, _mailbox) = socket();
    let bind = || {
        let endpoint = "ipc://*".parse().unwrap();
        reactor.bind(&endpoint, &options, &handle).unwrap().id
    };
    let bound: Vec<_> = (0..4).map(|_| bind()).collect();
    assert_eq!(loads(&reactor), [2, 2]);
    let nobody = "ipc://@zlayers-test-nobody".parse().unwrap();
    let connected: Vec<_> = (0..4)
        .map(|_| reactor.connect(&nobody, &options, &handle).unwrap())
        .collect();
    assert_eq!(loads(&reactor), [4, 4]);
    for id in bound {
        reactor.unbind(id, true);
    }
    assert_eq!(loads(&reactor), [2, 2]);
    for (id, link) in connected {
        drop(link);
        reactor.disconnect(id, Some(Duration::ZERO));
    }
    eventually("all are gone", || loads(&reactor) == [0, 0]);
}

#[test]
fn connections_go_to_the_threads_of_the_affinity_alone() {
    let reactor = Reactor::new(4).unwrap();
    let mut options = Options::new(SocketType::Pull);
    options.affinity = 0b1100;
    let options = Arc::new(options);
    let (handle, _mailbox) = socket();
    let endpoint = "tcp://127.0.0.1:*".parse().unwrap();
    let bound = reactor.bind(&endpoint, &options, &handle).unwrap();
    assert_eq!(loads(&reactor), [0, 0, 1, 0]);
    let peers: Vec<_> = (0..5)
        .map(|_| TcpStream::connect(address(&bound.endpoint)).unwrap())
        .collect();
    eventually("all are accepted", || loads(&reactor) == [0, 0, 3, 3]);
    let nobody = "ipc://@zlayers-test-nobody".parse().unwrap();
    let _connected = [(); 2].map(|()| reactor.connect(&nobody, &options, &handle).unwrap());
    assert_eq!(loads(&reactor), [0, 0, 4, 4]);
    drop(peers);
}

#[test]
fn too_many_threads_are_an_error() {
    for threads in [Reactor::MAX_IO_THREADS + 1, usize::MAX] {
        let error = Reactor::new(threads).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("1024"), "{error}");
    }
}
