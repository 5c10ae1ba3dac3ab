//! Peers that come and go all the time: whoever waits is always woken, and nobody waits for ever.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use zsocket::{Context, Dealer, Endpoint, Error, Message, Pair, Router, Socket};

use crate::{
    futures::block_on,
    support::{PATIENCE, everywhere, spawn},
};

const CLIENTS: u32 = 3;
/// How often each client comes.
const ROUNDS: u32 = 100;

/// How a socket waits: its thread is blocked, or its future is woken.
#[derive(Clone, Copy, Debug)]
enum Waits {
    Thread,
    Task,
}

const WAYS: [Waits; 2] = [Waits::Thread, Waits::Task];

impl Waits {
    /// Without a time limit: only what arrives ends it.
    fn recv<P: zsocket::CanReceive>(self, socket: &Socket<P>) -> Result<Message, Error> {
        match self {
            Self::Thread => socket.recv(),
            Self::Task => block_on(socket.recv_async()),
        }
    }

    fn send<P: zsocket::CanSend>(self, socket: &Socket<P>, message: Message) -> Result<(), Error> {
        let sent = match self {
            Self::Thread => socket.send(message),
            Self::Task => block_on(socket.send_async(message)),
        };
        Ok(sent?)
    }
}

fn dealer(context: &Context, endpoint: &Endpoint) -> Socket<Dealer> {
    let dealer = context.build_socket::<Dealer>().linger(Some(PATIENCE));
    let dealer = dealer.recv_timeout(Some(PATIENCE)).build().unwrap();
    dealer.connect(endpoint).unwrap();
    dealer
}

/// Each client asks once or twice and leaves. One that asks before the router has noticed that another has left
/// must not be missed for that.
#[test]
fn a_router_that_waits_is_woken_by_each_client_that_comes() {
    for anywhere in everywhere() {
        for way in WAYS {
            let context = Context::new();
            let router = context.socket::<Router>().unwrap();
            router.set_mandatory(true).unwrap();
            let endpoint = router.bind(anywhere).unwrap();
            let clients = [(); CLIENTS as usize].map(|()| {
                let (context, endpoint) = (context.clone(), endpoint.clone());
                spawn(move || {
                    for round in 0..ROUNDS {
                        let dealer = dealer(&context, &endpoint);
                        // Some go without a word.
                        for question in 0..round % 3 {
                            let question = [round, question].map(u32::to_be_bytes).concat();
                            dealer.send(&question).unwrap();
                            assert_eq!(dealer.recv().unwrap()[0], question);
                        }
                    }
                })
            });
            let server = spawn(move || {
                let questions = (0..ROUNDS).map(|round| round % 3).sum::<u32>() * CLIENTS;
                for _ in 0..questions {
                    let question = way.recv(&router).unwrap();
                    way.send(&router, question).unwrap();
                }
            });
            server.join();
            for client in clients {
                client.join();
            }
        }
    }
}

/// The dealer has one connection, which is lost with each router that leaves and made again with the next.
#[test]
fn a_dealer_that_waits_to_send_is_woken_by_each_router_that_comes() {
    for anywhere in everywhere() {
        for way in WAYS {
            let context = Context::new();
            let dealer = context.build_socket::<Dealer>().send_hwm(1).immediate(true);
            let dealer = dealer.linger(Some(Duration::ZERO)).build().unwrap();
            let endpoint = dealer.bind(anywhere).unwrap();
            let enough = Arc::new(AtomicBool::new(false));
            let is_enough = Arc::clone(&enough);
            let sender = spawn(move || {
                let mut number = 0_u32;
                while !is_enough.load(Ordering::Acquire) {
                    way.send(&dealer, Message::from(&number.to_be_bytes()[..]))
                        .unwrap();
                    number += 1;
                }
            });
            let mut last = None;
            for round in 0..ROUNDS {
                let router = context.build_socket::<Router>().recv_hwm(1 + round % 2);
                let router = router.recv_timeout(Some(PATIENCE)).build().unwrap();
                router.connect(&endpoint).unwrap();
                for _ in 0..=round % 3 {
                    let message = router.recv().unwrap_or_else(|error| {
                        panic!("round {round} over {anywhere}, {way:?}: {error}")
                    });
                    let number = u32::from_be_bytes(message[1][..].try_into().unwrap());
                    assert!(last < Some(number), "{number} after {last:?}");
                    last = Some(number);
                }
            }
            // The last one has to have somebody to send to.
            let router = context.socket::<Router>().unwrap();
            enough.store(true, Ordering::Release);
            router.connect(&endpoint).unwrap();
            sender.join();
        }
    }
}

/// Readers that leave with a sender blocked on them: it hears that they are gone. Those that read wake it.
#[test]
fn a_router_that_waits_for_one_peer_is_woken_when_that_reads_or_leaves() {
    const LARGE: usize = 300_000;
    for anywhere in everywhere() {
        for way in WAYS {
            let context = Context::new();
            let router = context.build_socket::<Router>().send_hwm(1);
            let router = router.build().unwrap();
            router.set_send_buffer(Some(100_000)).unwrap();
            router.set_mandatory(true).unwrap();
            let endpoint = router.bind(anywhere).unwrap();
            let client_context = context.clone();
            let gone = Arc::new(AtomicU64::new(0));
            let heard = Arc::clone(&gone);
            let server = spawn(move || {
                for round in 0..u64::from(ROUNDS) {
                    let hello = way.recv(&router).unwrap();
                    let answer = Message::from([&hello[0], &[0; LARGE][..]]);
                    let error = loop {
                        if let Err(error) = way.send(&router, answer.clone()) {
                            break error;
                        }
                    };
                    assert!(matches!(error, Error::Unroutable), "{error}");
                    heard.store(round + 1, Ordering::Release);
                }
            });
            for round in 0..ROUNDS {
                let dealer = client_context.build_socket::<Dealer>().recv_hwm(1);
                let dealer = dealer.recv_timeout(Some(PATIENCE)).build().unwrap();
                dealer.connect(&endpoint).unwrap();
                dealer.send("hello").unwrap();
                for _ in 0..round % 4 {
                    let answer = dealer.recv().unwrap_or_else(|error| {
                        panic!("round {round} over {anywhere}, {way:?}: {error}")
                    });
                    assert_eq!(answer[0].len(), LARGE);
                }
            }
            server.join();
            assert_eq!(gone.load(Ordering::Acquire), u64::from(ROUNDS));
        }
    }
}

/// Each thread makes a PAIR that binds one of a few names or connects to it, talks to whoever is there, and is gone.
#[test]
fn inproc_pairs_that_come_and_go_in_many_threads_never_wait_for_each_other() {
    const THREADS: u64 = 6;
    const PAIRS: u32 = 2000;
    const NAMES: [&str; 2] = ["inproc://churn/0", "inproc://churn/1"];
    let context = Context::new();
    let exchanged = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let context = context.clone();
            let exchanged = Arc::clone(&exchanged);
            spawn(move || {
                let mut random = fastrand::Rng::with_seed(thread);
                for _ in 0..PAIRS {
                    let pair = context.build_socket::<Pair>().send_hwm(1).recv_hwm(1);
                    let pair = pair.build().unwrap();
                    let name = NAMES[random.usize(..NAMES.len())];
                    let bound = random.bool() && pair.bind(name).is_ok();
                    if !bound {
                        pair.connect(name).unwrap();
                    }
                    for _ in 0..random.u32(..4) {
                        let moment = Duration::from_micros(random.u64(..300));
                        let _ = pair.send_timeout("hello", moment);
                        match pair.recv_timeout(moment) {
                            Ok(message) => {
                                assert_eq!(message[0], "hello");
                                exchanged.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(error) => assert!(matches!(error, Error::WouldBlock(_)), "{error}"),
                        }
                    }
                    match random.u32(..4) {
                        0 if bound => pair.unbind(name).unwrap(),
                        1 if !bound => match pair.disconnect(name) {
                            // It is gone with a peer that went first.
                            Ok(()) | Err(Error::NoSuchEndpoint(_)) => {}
                            Err(error) => panic!("{error}"),
                        },
                        _ => {}
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join();
    }
    assert!(exchanged.load(Ordering::Relaxed) > 0, "they never met");
    // Names and pipes are as new.
    for name in NAMES {
        let [binder, connector] = [(); 2].map(|()| context.socket::<Pair>().unwrap());
        binder.bind(name).unwrap();
        connector.connect(name).unwrap();
        connector.send("ping").unwrap();
        assert_eq!(binder.recv_timeout(PATIENCE).unwrap()[0], "ping");
        binder.send("pong").unwrap();
        assert_eq!(connector.recv_timeout(PATIENCE).unwrap()[0], "pong");
    }
    context.term_timeout(PATIENCE).unwrap();
}
