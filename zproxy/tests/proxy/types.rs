//! Every pair of types that makes sense, and some that do not.

use std::{
    collections::HashSet,
    io::{Read, Write},
    net::TcpStream,
    thread,
};

use zproxy::{Ended, Error, Proxy};
use zsocket::{
    CanReceive, CanSend, Context, Dealer, Frame, Message, Pair, Pub, Pull, Push, Rep, Req, Router,
    Stream, Sub, TypedPattern, XPub, XSub,
};

use crate::support::{
    PATIENCE, TRANSPORTS, anywhere, bound, connected, eventually, is_silent, proxy_of, to_backend,
};

#[test]
fn router_and_dealer_are_a_broker() {
    for transport in TRANSPORTS {
        let context = Context::new();
        let (front, back, proxy) = proxy_of::<Router, Dealer>(&context, transport);
        let worker = connected::<Rep>(&context, &back);
        let client = connected::<Req>(&context, &front);
        for round in 0..100 {
            client.send(["question", &round.to_string()]).unwrap();
            let question = worker.recv_timeout(PATIENCE).unwrap();
            assert_eq!(question, Message::from(["question", &round.to_string()]));
            worker.send("answer").unwrap();
            assert_eq!(client.recv_timeout(PATIENCE).unwrap()[0], "answer");
        }
        let handle = proxy.handle().clone();
        handle.terminate();
        proxy.join().unwrap();
        let statistics = handle.statistics();
        for direction in [statistics.to_backend, statistics.to_frontend] {
            assert_eq!(direction.sent.messages, 100);
            assert_eq!(direction.received, direction.sent);
        }
    }
}

#[test]
fn a_dealer_in_front_of_a_router_brings_its_envelope() {
    for transport in TRANSPORTS {
        let context = Context::new();
        // The other way round: the types alone decide.
        let (front, back, proxy) = proxy_of::<Dealer, Router>(&context, transport);
        let worker = connected::<Rep>(&context, &front);
        let client = connected::<Dealer>(&context, &back);
        client.send(["", "question"]).unwrap();
        assert_eq!(worker.recv_timeout(PATIENCE).unwrap()[0], "question");
        worker.send("answer").unwrap();
        let answer = client.recv_timeout(PATIENCE).unwrap();
        assert_eq!(answer, Message::from(["", "answer"]));
        proxy.handle().terminate();
        proxy.join().unwrap();
    }
}

#[test]
fn pull_and_push_are_a_streamer_in_either_order() {
    for transport in TRANSPORTS {
        let context = Context::new();
        let (front, back, proxy) = proxy_of::<Pull, Push>(&context, transport);
        let ventilator = connected::<Push>(&context, &front);
        let worker = connected::<Pull>(&context, &back);
        ventilator.send("task").unwrap();
        assert_eq!(worker.recv_timeout(PATIENCE).unwrap()[0], "task");
        proxy.handle().terminate();
        proxy.join().unwrap();

        let context = Context::new();
        let (front, back, proxy) = proxy_of::<Push, Pull>(&context, transport);
        let worker = connected::<Pull>(&context, &front);
        let ventilator = connected::<Push>(&context, &back);
        ventilator.send("task").unwrap();
        assert_eq!(worker.recv_timeout(PATIENCE).unwrap()[0], "task");
        eventually("counted", || {
            proxy.handle().statistics().to_frontend.sent.messages == 1
        });
        proxy.handle().terminate();
        proxy.join().unwrap();
    }
}

#[test]
fn subscriptions_go_up_are_cancelled_and_updates_come_down() {
    for transport in TRANSPORTS {
        let context = Context::new();
        let (frontend, front) = bound::<XSub>(&context, &anywhere(transport, "front"));
        let (backend, back) = bound::<XPub>(&context, &anywhere(transport, "back"));
        let publisher = connected::<XPub>(&context, &front);
        let proxy = Proxy::new(frontend, backend).spawn().unwrap();
        let subscribers = [(); 2].map(|()| connected::<Sub>(&context, &back));
        let next = || publisher.recv_timeout(PATIENCE).unwrap();
        subscribers[0].subscribe("a").unwrap();
        assert_eq!(next()[0], "\u{1}a");
        subscribers[1].subscribe("a").unwrap();
        subscribers[1].subscribe("b").unwrap();
        // The second one of the same topic is nothing new to the publisher.
        assert_eq!(next()[0], "\u{1}b");
        for (update, readers) in [("a1", 2), ("b1", 1), ("c1", 0)] {
            publisher.send([update, "body"]).unwrap();
            for subscriber in &subscribers[2 - readers..] {
                let received = subscriber.recv_timeout(PATIENCE).unwrap();
                assert_eq!(received, Message::from([update, "body"]));
            }
        }
        assert!(subscribers.iter().all(is_silent));
        subscribers[0].unsubscribe("a").unwrap();
        assert!(is_silent(&publisher));
        subscribers[1].unsubscribe("a").unwrap();
        assert_eq!(next()[0], "\u{0}a");
        // A subscriber that goes cancels, too.
        let [first, second] = subscribers;
        drop((first, second));
        assert_eq!(next()[0], "\u{0}b");
        proxy.handle().terminate();
        proxy.join().unwrap();
    }
}

#[test]
fn sub_and_pub_forward_what_the_proxy_has_subscribed_to() {
    for transport in TRANSPORTS {
        let context = Context::new();
        let (frontend, front) = bound::<Sub>(&context, &anywhere(transport, "front"));
        frontend.subscribe("a").unwrap();
        let (backend, back) = bound::<Pub>(&context, &anywhere(transport, "back"));
        let subscriber = context.socket::<Sub>().unwrap();
        subscriber.subscribe("").unwrap();
        subscriber.connect(&back).unwrap();
        backend.wait_subscribed("", 1, PATIENCE).unwrap();
        let proxy = Proxy::new(frontend, backend).spawn().unwrap();
        let publisher = connected::<Pub>(&context, &front);
        publisher.wait_subscribed("a", 1, PATIENCE).unwrap();
        publisher.send("b1").unwrap();
        publisher.send("a1").unwrap();
        assert_eq!(subscriber.recv_timeout(PATIENCE).unwrap()[0], "a1");
        proxy.handle().terminate();
        proxy.join().unwrap();
    }
}

#[test]
fn pair_and_dealer_go_both_ways() {
    for transport in TRANSPORTS {
        let context = Context::new();
        let (front, back, proxy) = proxy_of::<Pair, Dealer>(&context, transport);
        let one = connected::<Pair>(&context, &front);
        let other = connected::<Dealer>(&context, &back);
        one.send(["there", ""]).unwrap();
        let there = other.recv_timeout(PATIENCE).unwrap();
        assert_eq!(there, Message::from(["there", ""]));
        other.send("back").unwrap();
        assert_eq!(one.recv_timeout(PATIENCE).unwrap()[0], "back");
        proxy.handle().terminate();
        proxy.join().unwrap();
    }
}

#[test]
fn rep_and_req_take_their_turns() {
    for transport in TRANSPORTS {
        let context = Context::new();
        let (front, back, proxy) = proxy_of::<Rep, Req>(&context, transport);
        let worker = connected::<Rep>(&context, &back);
        let clients = [(); 3].map(|()| connected::<Req>(&context, &front));
        for _ in 0..10 {
            for client in &clients {
                client.send("question").unwrap();
            }
            for _ in &clients {
                assert_eq!(worker.recv_timeout(PATIENCE).unwrap()[0], "question");
                worker.send("answer").unwrap();
            }
            for client in &clients {
                assert_eq!(client.recv_timeout(PATIENCE).unwrap()[0], "answer");
            }
        }
        proxy.handle().terminate();
        proxy.join().unwrap();
    }
}

/// A socket of this type that sends back whatever comes, and one that talks to it.
fn echoes<E: TypedPattern + CanSend + CanReceive, C: TypedPattern + CanSend + CanReceive>() {
    for transport in TRANSPORTS {
        let context = Context::new();
        let (socket, endpoint) = bound::<E>(&context, &anywhere(transport, "echo"));
        let (control, steer) = bound::<Pair>(&context, "inproc://control");
        let client = connected::<C>(&context, &endpoint);
        let steering = connected::<Pair>(&context, &steer);
        let proxy = thread::spawn(move || {
            let proxy = Proxy::new(&socket, &socket);
            proxy.control(control).run()
        });
        for round in 0..50 {
            client.send(["echo", &round.to_string()]).unwrap();
            let echo = client.recv_timeout(PATIENCE).unwrap();
            assert_eq!(echo, Message::from(["echo", &round.to_string()]));
        }
        steering.send("TERMINATE").unwrap();
        assert_eq!(proxy.join().unwrap().unwrap(), Ended::ByControl);
    }
}

#[test]
fn one_socket_in_both_places_is_an_echo() {
    echoes::<Router, Dealer>();
    echoes::<Rep, Req>();
    echoes::<Dealer, Dealer>();
    echoes::<Pair, Pair>();
}

#[test]
fn messages_that_are_filtered_out_are_waited_past() {
    let context = Context::new();
    let (frontend, front) = bound::<Sub>(&context, "tcp://127.0.0.1:*");
    frontend.subscribe("").unwrap();
    let publisher = connected::<Pub>(&context, &front);
    publisher.wait_subscribed("", 1, PATIENCE).unwrap();
    publisher.send("unwanted").unwrap();
    eventually("it has come in", || frontend.stats().queued_in == 1);
    frontend.unsubscribe("").unwrap();
    frontend.subscribe("wanted").unwrap();
    publisher.wait_subscribed("wanted", 1, PATIENCE).unwrap();
    let (backend, back) = bound::<Push>(&context, "tcp://127.0.0.1:*");
    let proxy = Proxy::new(frontend, backend).spawn().unwrap();
    let pull = connected::<Pull>(&context, &back);
    assert!(is_silent(&pull));
    publisher.send("wanted").unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "wanted");
    let handle = proxy.handle().clone();
    handle.terminate();
    assert_eq!(proxy.join().unwrap(), Ended::ByHandle);
    assert_eq!(to_backend(&handle), 1);
}

#[test]
fn a_stream_brings_programs_that_do_not_speak_zmtp() {
    let context = Context::new();
    let (frontend, front) = bound::<Stream>(&context, "tcp://127.0.0.1:*");
    let (backend, back) = bound::<Dealer>(&context, "tcp://127.0.0.1:*");
    let worker = connected::<Dealer>(&context, &back);
    let proxy = Proxy::new(frontend, backend).spawn().unwrap();
    let mut client = TcpStream::connect(front.to_string().trim_start_matches("tcp://")).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"hello").unwrap();
    let came = worker.recv_timeout(PATIENCE).unwrap();
    assert_eq!(came[1], "");
    let hello = worker.recv_timeout(PATIENCE).unwrap();
    assert_eq!(hello, Message::from([&came[0][..], b"hello"]));
    worker.send([&came[0][..], b"welcome"]).unwrap();
    let mut answer = [0; 7];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"welcome");
    // What is for one that has gone is dropped, and ends nothing.
    drop(client);
    assert_eq!(worker.recv_timeout(PATIENCE).unwrap()[1], "");
    worker.send([&came[0][..], b"too late"]).unwrap();
    worker.send("no routing id").unwrap();
    let handle = proxy.handle();
    eventually("both are received", || {
        handle.statistics().to_frontend.received.messages == 3
    });
    assert_eq!(handle.statistics().to_frontend.sent.messages, 1);
    handle.terminate();
    proxy.join().unwrap();
}

#[test]
fn two_that_only_receive_have_nothing_to_forward() {
    let context = Context::new();
    let (frontend, backend) = (context.socket::<Pull>(), context.socket::<Sub>());
    let proxy = Proxy::new(frontend.unwrap(), backend.unwrap());
    let handle = proxy.handle();
    let error = proxy.run().unwrap_err();
    assert!(matches!(error, Error::NothingToForward { .. }), "{error}");
    assert!(error.to_string().contains("PULL and SUB"), "{error}");
    assert!(handle.has_ended());
}

#[test]
fn whole_messages_go_between_contexts_and_transports() {
    const MESSAGES: usize = 2_000;
    let (inner, outer) = (Context::new(), Context::new());
    let (frontend, front) = bound::<Pull>(&inner, "ipc://*");
    let (backend, back) = bound::<Push>(&outer, "tcp://127.0.0.1:*");
    let proxy = Proxy::new(frontend, backend).spawn().unwrap();
    // Of all sizes, some too large to be copied.
    let body = |n: usize, frame: usize| vec![(n + frame) as u8; (n * 37 + frame * 11_003) % 40_000];
    let message = move |n: usize| -> Message {
        let frames: Vec<Frame> = (0..=n % 5).map(|frame| body(n, frame).into()).collect();
        frames.into()
    };
    let sender = thread::spawn(move || {
        let push = connected::<Push>(&inner, &front);
        for n in 0..MESSAGES {
            push.send(message(n)).unwrap();
        }
        // Until all is received.
        push
    });
    let pull = connected::<Pull>(&outer, &back);
    for n in 0..MESSAGES {
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap(), message(n), "{n}");
    }
    let bytes: usize = (0..MESSAGES).map(|n| message(n).byte_len()).sum();
    eventually("all is counted", || {
        proxy.handle().statistics().to_backend.sent.bytes == bytes as u64
    });
    assert_eq!(proxy.handle().statistics().to_frontend, Default::default());
    drop(sender.join().unwrap());
    proxy.handle().terminate();
    proxy.join().unwrap();
}

#[test]
fn every_request_of_many_clients_is_answered_exactly_once() {
    const CLIENTS: u32 = 16;
    const WORKERS: usize = 4;
    const REQUESTS: u32 = 200;
    for transport in TRANSPORTS {
        let context = Context::new();
        let (front, back, proxy) = proxy_of::<Router, Dealer>(&context, transport);
        let workers: Vec<_> = (0..WORKERS)
            .map(|_| {
                let worker = connected::<Rep>(&context, &back);
                thread::spawn(move || {
                    let mut answered = 0_u32;
                    while let Ok(request) = worker.recv() {
                        worker.send(request).unwrap();
                        answered += 1;
                    }
                    answered
                })
            })
            .collect();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let socket = connected::<Dealer>(&context, &front);
                thread::spawn(move || {
                    for request in 0..REQUESTS {
                        socket
                            .send(["".to_owned(), format!("{client} {request}")])
                            .unwrap();
                    }
                    let answers: HashSet<_> = (0..REQUESTS)
                        .map(|_| socket.recv_timeout(PATIENCE).unwrap()[1].to_vec())
                        .collect();
                    for request in 0..REQUESTS {
                        assert!(answers.contains(format!("{client} {request}").as_bytes()));
                    }
                    assert!(is_silent(&socket));
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
        context.shutdown();
        proxy.join().unwrap().to_string();
        let answered: u32 = workers.into_iter().map(|w| w.join().unwrap()).sum();
        assert_eq!(answered, CLIENTS * REQUESTS);
    }
}
