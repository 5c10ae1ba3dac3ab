//! Many senders, many receivers, tiny high-water marks, messages of every size, and connections that
//! are cut: every message is accounted for.

#[allow(dead_code, reason = "shared with the scenarios")]
#[path = "../scenarios/support.rs"]
mod support;

mod proxy;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use support::{PATIENCE, Task, WIRES, eventually, everywhere, loopback, spawn};
use zsocket::{Context, Endpoint, Error, Frame, Message, Pull, Push, Rep, Req, Socket};

const LARGEST: usize = 100 << 10;

/// A message that says who sent it, and which one it is, in all of its bytes.
fn make(sender: u32, number: u32) -> Message {
    let mut random = fastrand::Rng::with_seed(u64::from(sender) << 32 | u64::from(number));
    // Most are small, so that many are in a pipe at a time.
    let largest = match random.u8(..10) {
        0 => LARGEST,
        1..3 => 9_000,
        _ => 300,
    };
    let head = [sender.to_be_bytes(), number.to_be_bytes()].concat();
    let mut message = Message::from(head);
    for _ in 0..random.usize(0..4) {
        let mut body = vec![0; random.usize(0..=largest)];
        random.fill(&mut body);
        message.push_back(Frame::from(body));
    }
    message
}

/// Who sent a message and which one it is, once it is known to be unharmed.
fn read(message: &Message) -> (u32, u32) {
    let head = &message[0];
    assert_eq!(head.len(), 8, "not the head of a message");
    let sender = u32::from_be_bytes(head[..4].try_into().unwrap());
    let number = u32::from_be_bytes(head[4..].try_into().unwrap());
    assert!(
        *message == make(sender, number),
        "{sender}/{number} is harmed"
    );
    (sender, number)
}

fn mark(random: &mut fastrand::Rng) -> u32 {
    [1, 1, 2, 3, 10, 100][random.usize(..6)]
}

fn pull(context: &Context, random: &mut fastrand::Rng) -> Socket<Pull> {
    let pull = context
        .build_socket::<Pull>()
        .recv_hwm(mark(random))
        .build()
        .unwrap();
    if random.bool() {
        pull.set_recv_buffer(Some(random.usize(4096..100_000)))
            .unwrap();
    }
    pull
}

fn push(context: &Context, random: &mut fastrand::Rng) -> Socket<Push> {
    let push = context
        .build_socket::<Push>()
        .send_hwm(mark(random))
        .reconnect_interval(Some(Duration::from_millis(1)))
        .build()
        .unwrap();
    if random.bool() {
        push.set_send_buffer(Some(random.usize(4096..100_000)))
            .unwrap();
    }
    push
}

fn run(anywhere: &str, pushers: u32, pullers: u32, messages: u32, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let io_threads = random.usize(1..3);
    let context = Context::builder().io_threads(io_threads).build().unwrap();
    let pulls: Vec<(Socket<Pull>, Endpoint)> = (0..pullers)
        .map(|at| {
            let pull = pull(&context, &mut random);
            let endpoint = anywhere.replace("anywhere", &format!("stress-{at}"));
            let endpoint = pull.bind(endpoint.as_str()).unwrap();
            (pull, endpoint)
        })
        .collect();
    let endpoints: Vec<_> = pulls.iter().map(|(_, endpoint)| endpoint.clone()).collect();
    let senders: Vec<Task<()>> = (0..pushers)
        .map(|sender| {
            let push = push(&context, &mut random);
            for endpoint in &endpoints {
                push.connect(endpoint).unwrap();
            }
            spawn(move || {
                for number in 0..messages {
                    push.send(make(sender, number)).unwrap();
                }
            })
        })
        .collect();
    let left = Arc::new(AtomicUsize::new((pushers * messages) as usize));
    let receivers: Vec<Task<Vec<(u32, u32)>>> = pulls
        .into_iter()
        .map(|(pull, _)| {
            let left = Arc::clone(&left);
            spawn(move || {
                let mut received = Vec::new();
                let mut message = Message::new();
                let mut silent = Instant::now();
                while left.load(Ordering::Acquire) > 0 {
                    pull.set_recv_timeout(Some(Duration::from_millis(20)))
                        .unwrap();
                    match pull.recv_into(&mut message) {
                        Ok(()) => {
                            received.push(read(&message));
                            left.fetch_sub(1, Ordering::AcqRel);
                            silent = Instant::now();
                        }
                        Err(error) => {
                            assert!(matches!(error, Error::WouldBlock(_)));
                            assert!(silent.elapsed() < PATIENCE, "messages are missing");
                        }
                    }
                }
                assert!(pull.try_recv().is_err(), "more than was sent");
                received
            })
        })
        .collect();
    for sender in senders {
        sender.join();
    }
    let mut seen: HashMap<u32, Vec<u32>> = HashMap::new();
    for receiver in receivers {
        let mut last: HashMap<u32, u32> = HashMap::new();
        for (sender, number) in receiver.join() {
            // In the order in which they were sent.
            let before = last.insert(sender, number);
            assert!(before.is_none_or(|before| before < number));
            seen.entry(sender).or_default().push(number);
        }
    }
    for sender in 0..pushers {
        let mut numbers = seen.remove(&sender).unwrap_or_default();
        numbers.sort_unstable();
        // Each exactly once.
        assert!(
            numbers.into_iter().eq(0..messages),
            "{anywhere} of {sender}"
        );
    }
    context.term_timeout(PATIENCE).unwrap();
}

#[test]
fn every_message_arrives_once_and_in_order() {
    for anywhere in everywhere() {
        for (seed, (pushers, pullers)) in [(1, 1), (3, 1), (1, 3), (4, 3)].into_iter().enumerate() {
            run(anywhere, pushers, pullers, 2000 / pushers, seed as u64);
        }
    }
}

#[test]
fn pipelines_of_one_to_one_with_every_mark() {
    for anywhere in everywhere() {
        for seed in 10..16 {
            run(anywhere, 1, 1, 500, seed);
        }
    }
}

/// A sender that connects, over a line that is cut again and again. What lies in a kernel at that moment
/// is lost; nothing is doubled, nothing is harmed, and what one connection carried stays in order.
#[test]
fn a_connecting_sender_over_a_line_that_is_cut() {
    for wire in WIRES {
        for seed in 0..4 {
            let mut random = fastrand::Rng::with_seed(seed);
            let context = Context::new();
            let pull = pull(&context, &mut random);
            let endpoint = pull.bind(wire.anywhere()).unwrap();
            let proxy = proxy::start(wire, endpoint, 25, seed);
            let push = push(&context, &mut random);
            push.connect(proxy.endpoint()).unwrap();
            let arrived = Arc::new(AtomicBool::new(false));
            let enough = Arc::clone(&arrived);
            let sender = spawn(move || {
                let mut number = 0;
                while !enough.load(Ordering::Acquire) {
                    match push.send_timeout(make(7, number), Duration::from_millis(20)) {
                        Ok(()) => number += 1,
                        Err(refused) => assert!(matches!(refused.error, Error::WouldBlock(_))),
                    }
                }
                push.set_linger(Some(Duration::ZERO)).unwrap();
                number
            });
            let mut numbers = std::collections::HashSet::new();
            let deadline = Instant::now() + PATIENCE;
            let mut after_the_last_cut = 0;
            while after_the_last_cut < 100 {
                assert!(Instant::now() < deadline, "too little arrives");
                let Ok(message) = pull.recv_timeout(Duration::from_millis(100)) else {
                    continue;
                };
                let (sender, number) = read(&message);
                assert_eq!(sender, 7);
                assert!(numbers.insert(number), "{number} came twice");
                if proxy.is_done_cutting() {
                    after_the_last_cut += 1;
                }
            }
            arrived.store(true, Ordering::Release);
            let sent = sender.join();
            assert!(numbers.iter().all(|number| *number < sent));
            pull.close();
            drop(proxy);
            context.term_timeout(PATIENCE).unwrap();
        }
    }
}

/// The same with a receiver that connects: its pipe outlives the cuts, so everything stays in order,
/// and the sender counts what it had accepted for a connection that was cut.
#[test]
fn a_connecting_receiver_over_a_line_that_is_cut() {
    for wire in WIRES {
        for seed in 100..104 {
            let mut random = fastrand::Rng::with_seed(seed);
            let context = Context::new();
            let push = push(&context, &mut random);
            let endpoint = push.bind(wire.anywhere()).unwrap();
            let proxy = proxy::start(wire, endpoint, 25, seed);
            let pull = pull(&context, &mut random);
            pull.set_reconnect_interval(Some(Duration::from_millis(1)))
                .unwrap();
            pull.connect(proxy.endpoint()).unwrap();
            let arrived = Arc::new(AtomicBool::new(false));
            let enough = Arc::clone(&arrived);
            let sender = spawn(move || {
                let mut number = 0;
                while !enough.load(Ordering::Acquire) {
                    match push.send_timeout(make(9, number), Duration::from_millis(20)) {
                        Ok(()) => number += 1,
                        Err(refused) => assert!(matches!(refused.error, Error::WouldBlock(_))),
                    }
                }
                push.set_linger(Some(Duration::ZERO)).unwrap();
                let stats = push.stats();
                assert_eq!(stats.messages_sent, u64::from(number));
                (number, stats.dropped.peer_lost)
            });
            let mut last = None;
            let mut received = 0;
            let deadline = Instant::now() + PATIENCE;
            let mut after_the_last_cut = 0;
            while after_the_last_cut < 100 {
                assert!(Instant::now() < deadline, "too little arrives");
                let Ok(message) = pull.recv_timeout(Duration::from_millis(100)) else {
                    continue;
                };
                let (sender, number) = read(&message);
                assert_eq!(sender, 9);
                assert!(last.is_none_or(|last| number > last), "{last:?}, {number}");
                last = Some(number);
                received += 1;
                if proxy.is_done_cutting() {
                    after_the_last_cut += 1;
                }
            }
            arrived.store(true, Ordering::Release);
            let (sent, lost) = sender.join();
            assert!(
                received + lost <= u64::from(sent),
                "{received}, {lost}, {sent}"
            );
            pull.close();
            drop(proxy);
            context.term_timeout(PATIENCE).unwrap();
        }
    }
}

/// Requests over a line that is cut: each is answered by its own reply or known to be lost.
#[test]
fn requests_over_a_line_that_is_cut() {
    for wire in WIRES {
        let context = Context::new();
        let rep = context.socket::<Rep>().unwrap();
        let endpoint = rep.bind(wire.anywhere()).unwrap();
        let server = spawn(move || {
            while let Ok(request) = rep.recv() {
                if rep.send(request).is_err() {
                    break;
                }
            }
        });
        let proxy = proxy::start(wire, endpoint, 30, 5);
        let req = context.socket::<Req>().unwrap();
        req.set_reconnect_interval(Some(Duration::from_millis(1)))
            .unwrap();
        req.connect(proxy.endpoint()).unwrap();
        let mut lost = 0;
        let mut number = 0;
        let mut after_the_last_cut = 0;
        while after_the_last_cut < 20 {
            number += 1;
            req.send_timeout(make(3, number), PATIENCE).unwrap();
            match req.recv_timeout(PATIENCE) {
                Ok(reply) => {
                    assert_eq!(read(&reply), (3, number));
                    if proxy.is_done_cutting() {
                        after_the_last_cut += 1;
                    }
                }
                Err(error) => {
                    assert!(matches!(error, Error::PeerLost(_)), "{error:?}");
                    lost += 1;
                }
            }
        }
        assert!(lost <= 30, "{lost}");
        req.close();
        drop(proxy);
        context.shutdown();
        server.join();
        context.term_timeout(PATIENCE).unwrap();
    }
}

/// Peers that come and go while everything flows.
#[test]
fn receivers_that_come_and_go() {
    for anywhere in everywhere() {
        let context = Context::new();
        let push = context.build_socket::<Push>().send_hwm(5).build().unwrap();
        let endpoint = push.bind(anywhere).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let sender = spawn(move || {
            let mut number = 0;
            while !stopped.load(Ordering::Acquire) {
                match push.send_timeout(make(1, number), Duration::from_millis(5)) {
                    Ok(()) => number += 1,
                    Err(refused) => assert!(matches!(refused.error, Error::WouldBlock(_))),
                }
            }
            push.set_linger(Some(Duration::ZERO)).unwrap();
            (u64::from(number), push.stats().dropped.peer_lost)
        });
        let seen = Arc::new(Mutex::new(std::collections::HashSet::new()));
        let receivers: Vec<_> = (0..3u64)
            .map(|at| {
                let (context, endpoint, seen) =
                    (context.clone(), endpoint.clone(), Arc::clone(&seen));
                spawn(move || {
                    let mut random = fastrand::Rng::with_seed(at);
                    for _ in 0..30 {
                        let pull = context.build_socket::<Pull>().recv_hwm(3).build().unwrap();
                        pull.connect(&endpoint).unwrap();
                        let mut last = None;
                        for _ in 0..random.usize(0..20) {
                            let (_, number) = read(&pull.recv_timeout(PATIENCE).unwrap());
                            assert!(last.is_none_or(|last| number > last));
                            last = Some(number);
                            assert!(seen.lock().unwrap().insert(number), "{number} came twice");
                        }
                    }
                })
            })
            .collect();
        for receiver in receivers {
            receiver.join();
        }
        stop.store(true, Ordering::Release);
        let (sent, lost) = sender.join();
        let received = seen.lock().unwrap().len() as u64;
        assert!(received + lost <= sent, "{received}, {lost}, {sent}");
        if anywhere.starts_with("inproc") {
            // No kernel in between: every single one is accounted for. What a receiver had not
            // taken when it closed is lost to the sender.
            assert_eq!(received + lost, sent);
        }
        context.term_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn connections_that_are_made_while_others_end() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let endpoint = pull.bind(loopback()).unwrap();
    let clients: Vec<_> = (0..4u32)
        .map(|sender| {
            let (context, endpoint) = (context.clone(), endpoint.clone());
            spawn(move || {
                for number in 0..60 {
                    let push = context.socket::<Push>().unwrap();
                    push.connect(&endpoint).unwrap();
                    push.send(make(sender, number)).unwrap();
                    // Closed with its only message still to be sent, after its handshake.
                }
            })
        })
        .collect();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..4 * 60 {
        assert!(seen.insert(read(&pull.recv_timeout(PATIENCE).unwrap())));
    }
    for client in clients {
        client.join();
    }
    eventually("all are gone", || {
        assert!(pull.try_recv().is_err());
        pull.peers() == 0
    });
}
