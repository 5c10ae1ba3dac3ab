//! A responder: many requests at work, answered in any order and from any thread.

use std::{
    cell::Cell,
    collections::HashMap,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::{Context as TaskContext, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use zsocket::{
    Context, Dealer, Error, InvalidOption, Message, Req, Request, Requester, Responder, Socket,
    Stopped,
};

use crate::{
    futures::block_on,
    support::{A_WHILE, PATIENCE, Raw, eventually, everywhere, invalid, loopback, spawn},
};

fn responder(anywhere: &str) -> (Context, Responder, zsocket::Endpoint) {
    let context = Context::new();
    let responder = Responder::new(&context).unwrap();
    let endpoint = responder.bind(anywhere).unwrap();
    (context, responder, endpoint)
}

fn client(context: &Context, endpoint: &zsocket::Endpoint) -> Socket<Req> {
    let req = context.socket::<Req>().unwrap();
    req.connect(endpoint).unwrap();
    req
}

fn receive(responder: &Responder) -> Request {
    responder.recv_timeout(PATIENCE).unwrap()
}

fn reply(req: &Socket<Req>) -> Message {
    req.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn a_request_can_go_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Request>();
    is_send::<Responder>();
    is_send::<Requester>();
}

#[test]
fn workers_answer_the_requests_of_all_kinds_of_clients() {
    const WORKERS: usize = 4;
    const ROUNDS: u32 = 50;
    for anywhere in everywhere() {
        let (context, responder, endpoint) = responder(anywhere);
        let (work, workers): (Vec<_>, Vec<_>) = (0..WORKERS)
            .map(|_| {
                let (work, requests) = mpsc::channel::<Request>();
                let worker = spawn(move || {
                    // Two at a time, the second first.
                    let mut held: Option<Request> = None;
                    let answer = |mut request: Request| {
                        let body = request.take_body();
                        request.answer(body).unwrap();
                    };
                    while let Ok(request) = requests.recv_timeout(PATIENCE) {
                        match held.take() {
                            None if request.body()[0][0] % 2 == 0 => held = Some(request),
                            other => {
                                answer(request);
                                other.into_iter().for_each(answer);
                            }
                        }
                        if let Ok(next) = requests.try_recv() {
                            answer(next);
                        }
                        held.take().into_iter().for_each(answer);
                    }
                });
                (work, worker)
            })
            .unzip();
        let server = spawn(move || {
            let mut turn = 0;
            loop {
                match responder.recv() {
                    Ok(request) => work[turn % WORKERS].send(request).unwrap(),
                    Err(Error::Terminated) => return responder.stats(),
                    Err(error) => panic!("{error}"),
                }
                turn += 1;
            }
        });
        let mut clients = Vec::new();
        for correlate in [false, true] {
            let req = client(&context, &endpoint);
            req.set_correlate(correlate).unwrap();
            clients.push(spawn(move || {
                for at in 0..ROUNDS {
                    req.send(at.to_be_bytes()).unwrap();
                    assert_eq!(reply(&req)[0], at.to_be_bytes());
                }
            }));
        }
        let requester = Requester::new(&context).unwrap();
        requester.connect(&endpoint).unwrap();
        let dealer = context.socket::<Dealer>().unwrap();
        dealer.connect(&endpoint).unwrap();
        let mut tickets = HashMap::new();
        for at in 0..ROUNDS {
            let ticket = requester.send(at.to_be_bytes(), PATIENCE).unwrap();
            tickets.insert(ticket, at);
            let envelope: [&[u8]; 4] = [&at.to_be_bytes(), b"x", b"", b"asked"];
            dealer.send(envelope.map(zsocket::Frame::from)).unwrap();
        }
        while !tickets.is_empty() {
            let (ticket, reply) = requester.recv().unwrap();
            let at = tickets.remove(&ticket).unwrap();
            assert_eq!(reply.unwrap()[0], at.to_be_bytes());
        }
        let mut seen = vec![false; ROUNDS as usize];
        for _ in 0..ROUNDS {
            let reply = dealer.recv_timeout(PATIENCE).unwrap();
            assert_eq!(reply.frames()[1..], ["x", "", "asked"]);
            let at = u32::from_be_bytes(reply[0][..].try_into().unwrap());
            assert!(!std::mem::replace(&mut seen[at as usize], true));
        }
        clients.into_iter().for_each(|client| client.join());
        context.shutdown();
        let stats = server.join();
        let all = u64::from(4 * ROUNDS);
        assert_eq!(
            (stats.received, stats.answered, stats.at_work),
            (all, all, 0)
        );
        assert_eq!((stats.abandoned, stats.malformed), (0, 0));
        workers.into_iter().for_each(|worker| worker.join());
    }
}

#[test]
fn an_answer_wakes_a_responder_that_waits_for_requests() {
    for anywhere in everywhere() {
        let (context, responder, endpoint) = responder(anywhere);
        let req = client(&context, &endpoint);
        req.send("question").unwrap();
        let request = receive(&responder);
        let server = spawn(move || responder.recv());
        request.answer("answer").unwrap();
        assert_eq!(reply(&req)[0], "answer");
        assert!(server.is_running());
        context.shutdown();
        assert!(matches!(server.join(), Err(Error::Terminated)));
    }
}

#[test]
fn requests_at_work_are_bounded_and_an_answer_makes_room() {
    for anywhere in everywhere() {
        let context = Context::new();
        let responder = Responder::builder().max_at_work(2).build(&context).unwrap();
        let endpoint = responder.bind(anywhere).unwrap();
        let clients: Vec<_> = (0..3).map(|_| client(&context, &endpoint)).collect();
        for req in &clients {
            req.send("x").unwrap();
        }
        let [first, second] = [receive(&responder), receive(&responder)];
        let begin = Instant::now();
        let third = responder.recv_timeout(A_WHILE);
        assert!(matches!(third, Err(Error::WouldBlock(_))));
        assert!(begin.elapsed() >= A_WHILE);
        assert!(matches!(responder.try_recv(), Err(Error::WouldBlock(_))));
        assert_eq!(responder.stats().at_work, 2);
        let server = spawn(move || {
            let third = receive(&responder);
            (responder, third)
        });
        // From another thread, and by letting go of it.
        drop(first);
        let (responder, third) = server.join();
        assert!(matches!(responder.try_recv(), Err(Error::WouldBlock(_))));
        let stats = responder.stats();
        assert_eq!((stats.at_work, stats.received, stats.abandoned), (2, 3, 1));
        responder.answer(second, "two").unwrap();
        responder.answer(third, "three").unwrap();
        assert_eq!(responder.stats().at_work, 0);
    }
}

#[test]
fn a_full_desk_reaches_back_to_those_who_ask() {
    const MOST: u64 = 3;
    let context = Context::new();
    let socket = context.build_socket().recv_hwm(2).build().unwrap();
    let responder = Responder::builder().max_at_work(1).over(socket).unwrap();
    responder.bind("inproc://held-up").unwrap();
    let dealer = context
        .build_socket::<Dealer>()
        .send_hwm(1)
        .build()
        .unwrap();
    dealer.connect("inproc://held-up").unwrap();
    let kept = {
        dealer.send(["", "x"]).unwrap();
        receive(&responder)
    };
    let mut sent = 0;
    while dealer.try_send(["", "x"]).is_ok() {
        sent += 1;
        assert!(matches!(responder.try_recv(), Err(Error::WouldBlock(_))));
        assert!(sent <= MOST, "held up by nobody");
    }
    assert_eq!(sent, MOST);
    responder.answer(kept, "y").unwrap();
    for _ in 0..MOST {
        let next = receive(&responder);
        responder.answer(next, "y").unwrap();
    }
}

#[test]
fn what_is_dropped_unanswered_is_counted_and_answered_if_so_set_up() {
    for anywhere in everywhere() {
        let context = Context::new();
        let responder = Responder::builder()
            .answer_abandoned("sorry")
            .build(&context)
            .unwrap();
        let endpoint = responder.bind(anywhere).unwrap();
        let req = client(&context, &endpoint);
        for at in 1..4 {
            req.send("x").unwrap();
            let request = receive(&responder);
            thread::spawn(move || drop(request)).join().unwrap();
            responder.flush().unwrap();
            assert_eq!(responder.stats().abandoned, at);
            assert_eq!(reply(&req).frames(), ["sorry"]);
        }
        // Without that there is no answer.
        let responder = Responder::new(&context).unwrap();
        let endpoint = responder.bind("inproc://silent").unwrap();
        let req = client(&context, &endpoint);
        req.send("x").unwrap();
        drop(receive(&responder));
        responder.flush().unwrap();
        let stats = responder.stats();
        assert_eq!((stats.abandoned, stats.answered, stats.at_work), (1, 0, 0));
        assert!(matches!(
            req.recv_timeout(A_WHILE),
            Err(Error::WouldBlock(_))
        ));
    }
}

#[test]
fn what_is_no_request_is_dropped_counted_and_harms_nobody() {
    for anywhere in everywhere() {
        let (context, responder, endpoint) = responder(anywhere);
        let dealer = context.socket::<Dealer>().unwrap();
        dealer.set_probe_router(true).unwrap();
        dealer.connect(&endpoint).unwrap();
        dealer.send("bare").unwrap();
        dealer.send(["two", "frames"]).unwrap();
        dealer.send(["nothing behind", ""]).unwrap();
        dealer.send(["", "asked"]).unwrap();
        let request = receive(&responder);
        assert_eq!(request.body().frames(), ["asked"]);
        // The probe is one of them.
        assert_eq!(responder.stats().malformed, 4);
        request.answer("answered").unwrap();
        responder.flush().unwrap();
        let reply = dealer.recv_timeout(PATIENCE).unwrap();
        assert_eq!(reply.frames(), ["", "answered"]);
    }
}

#[test]
fn a_flood_of_what_is_no_request_does_not_hold_up_a_deadline() {
    let (_context, responder, endpoint) = responder("tcp://127.0.0.1:*");
    let stop = Arc::new(AtomicBool::new(false));
    let flood = spawn({
        let stop = Arc::clone(&stop);
        move || {
            use std::io::Write;
            let mut raw = Raw::connect_as(&endpoint, "DEALER");
            let bare = [0, 4, b'b', b'a', b'r', b'e'].repeat(1000);
            while !stop.load(Ordering::Relaxed) && raw.write_all(&bare).is_ok() {}
        }
    });
    eventually("it floods", || {
        let _ = responder.try_recv();
        responder.stats().malformed > 1000
    });
    let begin = Instant::now();
    let received = responder.recv_timeout(A_WHILE);
    assert!(matches!(received, Err(Error::WouldBlock(_))));
    assert!(begin.elapsed() < PATIENCE / 10);
    stop.store(true, Ordering::Relaxed);
    drop(responder);
    flood.join();
}

#[test]
fn an_answer_after_the_end_comes_back() {
    for anywhere in everywhere() {
        let (context, responder, endpoint) = responder(anywhere);
        let clients: Vec<_> = (0..2).map(|_| client(&context, &endpoint)).collect();
        for req in &clients {
            req.send("x").unwrap();
        }
        let [early, late] = [receive(&responder), receive(&responder)];
        early.answer("in time").unwrap();
        // Sends what was answered.
        drop(responder);
        eventually("one of them is answered", || {
            clients
                .iter()
                .any(|req| req.try_recv().is_ok_and(|reply| reply[0] == "in time"))
        });
        let refused = late.answer(["too", "late"]).unwrap_err();
        assert!(matches!(refused.error, Error::ResponderClosed));
        assert_eq!(refused.message, Message::from(["too", "late"]));
    }
}

#[test]
fn an_answer_to_nobody_is_dropped_and_counted() {
    for anywhere in everywhere() {
        let (context, responder, endpoint) = responder(anywhere);
        let req = client(&context, &endpoint);
        req.send("x").unwrap();
        let request = receive(&responder);
        drop(req);
        eventually("the client is gone", || responder.peers() == 0);
        request.answer("y").unwrap();
        responder.flush().unwrap();
        assert_eq!(responder.stats().answered, 1);
        assert_eq!(responder.socket_stats().dropped.no_peer, 1);
    }
}

#[test]
fn a_request_is_answered_by_the_responder_that_has_received_it() {
    let context = Context::new();
    let responders: Vec<_> = ["inproc://one", "inproc://two"]
        .into_iter()
        .map(|endpoint| {
            let responder = Responder::new(&context).unwrap();
            responder.bind(endpoint).unwrap();
            responder
        })
        .collect();
    let req = client(&context, &"inproc://one".parse().unwrap());
    req.send("x").unwrap();
    let request = receive(&responders[0]);
    responders[1].answer(request, "by mistake").unwrap();
    assert_eq!(responders[1].stats().answered, 0);
    responders[0].flush().unwrap();
    assert_eq!(reply(&req)[0], "by mistake");
}

#[test]
fn a_shutdown_ends_waiting_and_answers_are_still_taken() {
    for full in [false, true] {
        let context = Context::new();
        let responder = Responder::builder().max_at_work(1).build(&context).unwrap();
        let endpoint = responder.bind(loopback()).unwrap();
        let req = client(&context, &endpoint);
        req.send("x").unwrap();
        let request = receive(&responder);
        let kept = if full {
            Some(request)
        } else {
            responder.answer(request, "y").unwrap();
            None
        };
        let server = spawn(move || {
            let result = responder.recv();
            (responder, result)
        });
        context.shutdown();
        let (responder, result) = server.join();
        assert!(matches!(result, Err(Error::Terminated)));
        assert!(matches!(responder.try_recv(), Err(Error::Terminated)));
        assert!(matches!(responder.flush(), Err(Error::Terminated)));
        assert!(matches!(
            block_on(responder.recv_async()),
            Err(Error::Terminated)
        ));
        if let Some(request) = kept {
            request.answer("for nobody").unwrap();
        }
        drop((responder, req));
        context.term().unwrap();
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let refused = Responder::builder().max_at_work(0).build(&Context::new());
    let expected = matches!(
        invalid(refused),
        InvalidOption::Value {
            option: "max_at_work",
            ..
        }
    );
    assert!(expected);
}

// ---- Futures ----

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn a_future_receives_and_sends_what_others_answer() {
    for anywhere in everywhere() {
        let (context, responder, endpoint) = responder(anywhere);
        let server = spawn(move || {
            block_on(async {
                loop {
                    match responder.recv_async().await {
                        Ok(mut request) => {
                            thread::spawn(move || {
                                let body = request.take_body();
                                request.answer(body).unwrap();
                            });
                        }
                        Err(Error::Terminated) => return,
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        });
        let req = client(&context, &endpoint);
        for at in 0..100u32 {
            req.send(at.to_be_bytes()).unwrap();
            assert_eq!(reply(&req)[0], at.to_be_bytes());
        }
        context.shutdown();
        server.join();
    }
}

#[test]
fn a_future_that_waits_for_room_is_woken_by_an_answer() {
    for from_afar in [false, true] {
        let context = Context::new();
        let responder = Responder::builder().max_at_work(1).build(&context).unwrap();
        let endpoint = responder.bind(loopback()).unwrap();
        let clients: Vec<_> = (0..2).map(|_| client(&context, &endpoint)).collect();
        for req in &clients {
            req.send("x").unwrap();
        }
        let first = receive(&responder);
        eventually("both are there", || responder.peers() == 2);
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let mut cx = TaskContext::from_waker(&waker);
        let mut future = pin!(responder.recv_async());
        // Until it has seen all there is to see for now.
        eventually("it sleeps", || {
            flag.0.store(false, Ordering::Release);
            assert!(future.as_mut().poll(&mut cx).is_pending());
            thread::sleep(Duration::from_millis(1));
            !flag.0.load(Ordering::Acquire)
        });
        if from_afar {
            thread::spawn(move || first.answer("y").unwrap());
        } else {
            responder.answer(first, "y").unwrap();
        }
        eventually("it is woken", || flag.0.load(Ordering::Acquire));
        let mut second = None;
        eventually("the second request is there", || {
            second = match future.as_mut().poll(&mut cx) {
                std::task::Poll::Ready(request) => Some(request.unwrap()),
                std::task::Poll::Pending => None,
            };
            second.is_some()
        });
        second.unwrap().answer("y").unwrap();
        responder.flush().unwrap();
        for req in &clients {
            assert_eq!(reply(req)[0], "y");
        }
    }
}

// ---- serve ----

#[test]
fn serve_answers_until_the_context_ends() {
    for anywhere in everywhere() {
        let (context, responder, endpoint) = responder(anywhere);
        let server = spawn(move || {
            let mut served = 0u32;
            let stopped = responder.serve(|request| {
                served += 1;
                [request[0].clone(), served.to_string().into()]
            });
            assert!(matches!(stopped, Stopped::Terminated), "{stopped}");
            served
        });
        let req = client(&context, &endpoint);
        for at in 1..=50u32 {
            req.send("x").unwrap();
            assert_eq!(reply(&req).frames(), ["x", &at.to_string()]);
        }
        context.shutdown();
        assert_eq!(server.join(), 50);
    }
}

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

#[test]
fn a_panic_costs_one_request() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !EXPECTED.get() {
            hook(info);
        }
    }));
    for anywhere in everywhere() {
        let context = Context::new();
        let responder = Responder::builder()
            .answer_abandoned("failed")
            .build(&context)
            .unwrap();
        let endpoint = responder.bind(anywhere).unwrap();
        let server = spawn(move || {
            EXPECTED.set(true);
            let stopped = responder.serve(|request| {
                assert_ne!(request[0], "bad", "on purpose");
                request
            });
            EXPECTED.set(false);
            assert!(matches!(stopped, Stopped::Terminated));
            responder.stats()
        });
        let requester = Requester::new(&context).unwrap();
        requester.connect(&endpoint).unwrap();
        let tickets: Vec<_> = (0..100)
            .map(|at| {
                let body = if at % 3 == 0 { "bad" } else { "good" };
                requester.send(body, PATIENCE).unwrap()
            })
            .collect();
        for (at, ticket) in tickets.into_iter().enumerate() {
            let expected = if at % 3 == 0 { "failed" } else { "good" };
            assert_eq!(requester.wait(ticket).unwrap()[0], expected);
        }
        context.shutdown();
        let stats = server.join();
        assert_eq!(
            (stats.panics, stats.abandoned, stats.answered),
            (34, 34, 66)
        );
        assert_eq!((stats.received, stats.at_work), (100, 0));
    }
}

#[test]
fn serve_tells_why_it_cannot_go_on() {
    let context = Context::new();
    let responder = Responder::new(&context).unwrap();
    context.shutdown();
    assert!(matches!(
        responder.serve(|request| request),
        Stopped::Terminated
    ));
}
