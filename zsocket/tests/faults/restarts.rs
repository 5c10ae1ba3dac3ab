//! Listeners that come and go.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use zsocket::{Context, Dealer, Pull, Push, Router};

use crate::support::{PATIENCE, Place, eventually, spawn};

const SOON: Duration = Duration::from_millis(1);
const RESTARTS: u32 = 100;

/// What it receives goes on where it was, but for what a listener had not read when it was closed.
#[test]
fn a_listener_that_is_restarted_under_load_gets_everything_in_order() {
    for place in Place::wires() {
        let there = Context::new();
        let pull = there.socket::<Pull>().unwrap();
        let endpoint = pull.bind(place.endpoint.as_str()).unwrap();
        drop(pull);
        let [is_over, is_heard] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let sender = spawn({
            let (is_over, is_heard) = (Arc::clone(&is_over), Arc::clone(&is_heard));
            let endpoint = endpoint.clone();
            move || {
                let here = Context::new();
                let builder = here.build_socket::<Push>().send_hwm(100);
                let push = builder.reconnect_interval(Some(SOON)).build().unwrap();
                push.connect(&endpoint).unwrap();
                let mut number = 0_u64;
                while !is_over.load(Ordering::Relaxed) {
                    push.send(number.to_be_bytes()).unwrap();
                    number += 1;
                }
                // A listener that was just closed may have taken one of these with it.
                while !is_heard.load(Ordering::Relaxed) {
                    push.send("last").unwrap();
                    std::thread::sleep(10 * SOON);
                }
                (here, push, number)
            }
        });
        let mut next = 0;
        let mut take = |body: &[u8]| {
            let number = u64::from_be_bytes(body.try_into().unwrap());
            assert!(number >= next, "{number} after {next}");
            next = number + 1;
        };
        for _ in 0..RESTARTS {
            let pull = there.socket::<Pull>().unwrap();
            pull.bind(&endpoint).unwrap();
            for _ in 0..20 {
                take(&pull.recv_timeout(PATIENCE).unwrap()[0]);
            }
        }
        is_over.store(true, Ordering::Relaxed);
        let pull = there.socket::<Pull>().unwrap();
        pull.bind(&endpoint).unwrap();
        loop {
            let message = pull.recv_timeout(PATIENCE).unwrap();
            if message[0] == "last" {
                break;
            }
            take(&message[0]);
        }
        is_heard.store(true, Ordering::Relaxed);
        let (_here, push, sent) = sender.join();
        assert!(next <= sent);
        // It has given nothing up. What is missing was under way to a listener that was closed.
        assert_eq!(push.stats().dropped.total(), 0);
        assert!(push.stats().connections.established > u64::from(RESTARTS));
    }
}

/// Whoever asks until there is an answer has one, and nothing is left of what was before.
#[test]
fn each_request_is_answered_while_the_server_is_restarted() {
    const CLIENTS: u64 = 4;
    for place in Place::wires() {
        let there = Context::new();
        let router = there.socket::<Router>().unwrap();
        let endpoint = router.bind(place.endpoint.as_str()).unwrap();
        drop(router);
        let is_over = Arc::new(AtomicBool::new(false));
        let clients = [(); CLIENTS as usize].map(|()| {
            let (endpoint, is_over) = (endpoint.clone(), Arc::clone(&is_over));
            spawn(move || {
                let context = Context::new();
                let builder = context.build_socket::<Dealer>();
                let builder = builder.reconnect_interval(Some(SOON));
                let dealer = builder.immediate(true).build().unwrap();
                dealer.connect(&endpoint).unwrap();
                let mut number = 0_u64;
                while !is_over.load(Ordering::Relaxed) {
                    number += 1;
                    loop {
                        // A message for a connection that ends before it is sent is lost with it.
                        let asked = dealer.send_timeout(number.to_be_bytes(), PATIENCE);
                        asked.unwrap();
                        let answer = dealer.recv_timeout(Duration::from_millis(50));
                        if answer.is_ok_and(|answer| answer[0] == number.to_be_bytes()) {
                            break;
                        }
                    }
                }
                number
            })
        });
        for _ in 0..RESTARTS {
            let router = there.socket::<Router>().unwrap();
            router.bind(&endpoint).unwrap();
            for _ in 0..20 {
                router.send(router.recv_timeout(PATIENCE).unwrap()).unwrap();
            }
        }
        let router = there.socket::<Router>().unwrap();
        router.bind(&endpoint).unwrap();
        is_over.store(true, Ordering::Relaxed);
        let mut clients: Vec<_> = clients.into_iter().collect();
        eventually("all have their last answer", || {
            if let Ok(request) = router.recv_timeout(SOON) {
                router.send(request).unwrap();
            }
            clients.iter().all(|client| !client.is_running())
        });
        for client in clients.drain(..) {
            assert!(client.join() > 0);
        }
    }
}
