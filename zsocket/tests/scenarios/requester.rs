//! A requester: many requests in flight, each with a deadline, whatever becomes of the server.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    pin::pin,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use zsocket::{
    Bytes, Context, Dealer, Endpoint, Error, InvalidOption, Message, Rep, Requester, Responder,
    Router, Socket,
};

use crate::{
    futures::block_on,
    requester_futures::poll_once,
    support::{PATIENCE, Place, eventually, everywhere, invalid, loopback, spawn},
};

pub(crate) const SHORT: Duration = Duration::from_millis(50);

/// A requester and a ROUTER that is its server.
pub(crate) fn with_router(anywhere: &str) -> (Context, Requester, Socket<Router>) {
    let context = Context::new();
    let router = context.socket::<Router>().unwrap();
    let endpoint = router.bind(anywhere).unwrap();
    let requester = Requester::new(&context).unwrap();
    requester.connect(&endpoint).unwrap();
    (context, requester, router)
}

pub(crate) fn receive(router: &Socket<Router>) -> Message {
    router.recv_timeout(PATIENCE).unwrap()
}

/// Sends a request back as its own reply.
pub(crate) fn echo(router: &Socket<Router>) {
    let request = receive(router);
    router.send(request).unwrap();
}

pub(crate) fn number(message: &Message) -> u32 {
    u32::from_be_bytes(message.last().unwrap()[..].try_into().unwrap())
}

pub(crate) fn has_no_reply(result: Result<Message, Error>) -> u32 {
    match result {
        Err(Error::NoReply { attempts }) => attempts,
        other => panic!("{other:?}"),
    }
}

/// An echo server on a thread of its own, until its context is shut down.
fn serve(endpoint: &str) -> (Context, Endpoint, thread::JoinHandle<()>) {
    serve_in(Context::new(), endpoint)
}

fn serve_in(context: Context, endpoint: &str) -> (Context, Endpoint, thread::JoinHandle<()>) {
    let responder = Responder::new(&context).unwrap();
    let endpoint = responder.bind(endpoint).unwrap();
    let server = thread::spawn(move || drop(responder.serve(|request| request)));
    (context, endpoint, server)
}

#[test]
fn replies_in_any_order_find_their_requests() {
    const COUNT: u32 = 500;
    for anywhere in everywhere() {
        let (_context, requester, router) = with_router(anywhere);
        let server = spawn(move || {
            let mut requests: Vec<_> = (0..COUNT).map(|_| receive(&router)).collect();
            shuffle(&mut requests);
            for request in requests {
                router.send(request).unwrap();
            }
            router
        });
        let tickets: Vec<_> = (0..COUNT)
            .map(|at| requester.send(at.to_be_bytes(), PATIENCE).unwrap())
            .collect();
        assert_eq!(requester.stats().in_flight, COUNT as usize);
        // Some by their tickets, the rest as they come.
        for (at, ticket) in tickets.iter().enumerate().take(100).rev() {
            assert_eq!(number(&requester.wait(*ticket).unwrap()), at as u32);
        }
        let mut missing: HashSet<_> = tickets[100..].iter().copied().collect();
        while !missing.is_empty() {
            let (ticket, reply) = requester.recv().unwrap();
            assert!(missing.remove(&ticket), "twice");
            assert_eq!(tickets[number(&reply.unwrap()) as usize], ticket);
        }
        assert!(matches!(requester.recv(), Err(Error::NotInFlight)));
        let stats = requester.stats();
        assert_eq!((stats.in_flight, stats.answered), (0, u64::from(COUNT)));
        assert_eq!((stats.late, stats.unknown, stats.malformed), (0, 0, 0));
        server.join();
    }
}

/// An order that is not that of arrival, the same each time.
pub(crate) fn shuffle<T>(items: &mut [T]) {
    let len = items.len();
    for at in 0..len {
        items.swap(at, (at * 7919 + 13) % len);
    }
}

#[test]
fn plain_rep_sockets_are_asked_in_turn() {
    for anywhere in ["tcp://127.0.0.1:*", "ipc://*"] {
        let context = Context::new();
        let requester = Requester::new(&context).unwrap();
        let servers: Vec<_> = (0..3u8)
            .map(|name| {
                let rep = context.socket::<Rep>().unwrap();
                requester.connect(rep.bind(anywhere).unwrap()).unwrap();
                let context = context.clone();
                spawn(move || {
                    let _keep = context;
                    while let Ok(request) = rep.recv() {
                        rep.send([&[name][..], &request[0][..]]).unwrap();
                    }
                })
            })
            .collect();
        eventually("three servers", || requester.peers() == 3);
        let mut asked = [0; 3];
        for at in 0..30u32 {
            let reply = requester.request(at.to_be_bytes(), PATIENCE).unwrap();
            assert_eq!(number(&reply), at);
            asked[usize::from(reply[0][0])] += 1;
        }
        assert_eq!(asked, [10; 3]);
        context.shutdown();
        servers.into_iter().for_each(|server| server.join());
    }
}

#[test]
fn a_request_is_over_at_its_deadline_also_among_others() {
    for anywhere in everywhere() {
        let (_context, requester, router) = with_router(anywhere);
        let begin = Instant::now();
        let long = requester.send("long", PATIENCE).unwrap();
        let short = requester.send("short", SHORT).unwrap();
        let attempts = has_no_reply(requester.request("shortest", SHORT / 2));
        assert_eq!(attempts, 1);
        assert!(begin.elapsed() >= SHORT / 2);
        let (ticket, reply) = requester.recv().unwrap();
        assert_eq!((ticket, has_no_reply(reply)), (short, 1));
        assert!(begin.elapsed() >= SHORT && begin.elapsed() < PATIENCE);
        assert!(matches!(
            requester.try_wait(long),
            Err(Error::WouldBlock(_))
        ));
        assert!(matches!(requester.try_recv(), Err(Error::WouldBlock(_))));
        let timed = requester.recv_timeout(Duration::from_millis(1));
        assert!(matches!(timed, Err(Error::WouldBlock(_))));
        // Answered in the end, all three, of which two are late.
        for _ in 0..3 {
            echo(&router);
        }
        assert_eq!(requester.wait(long).unwrap()[0], "long");
        let mut asked = 0;
        eventually("late replies are taken in", || {
            asked += 1;
            assert!(matches!(requester.try_recv(), Err(Error::NotInFlight)));
            let next = requester.send("x", PATIENCE).unwrap();
            let _ = requester.try_wait(next);
            assert!(requester.forget(next));
            requester.stats().late == 2
        });
        let stats = requester.stats();
        assert_eq!(
            (stats.answered, stats.overdue, stats.forgotten),
            (1, 2, asked)
        );
        assert_eq!(stats.in_flight, 0);
    }
}

#[test]
fn what_nobody_could_take_is_not_given_to_a_server_that_comes_late() {
    for place in Place::wires() {
        let context = Context::new();
        let first = context.socket::<Router>().unwrap();
        let endpoint = first.bind(&place.endpoint).unwrap();
        drop(first);
        let requester = Requester::new(&context).unwrap();
        requester.connect(&endpoint).unwrap();
        assert_eq!(has_no_reply(requester.request("too early", SHORT)), 0);
        let ticket = requester.send("in time", PATIENCE).unwrap();
        assert_eq!(requester.stats().sent, 0);
        let router = context.socket::<Router>().unwrap();
        router.bind(&endpoint).unwrap();
        let server = spawn(move || {
            let request = receive(&router);
            assert_eq!(request[3], "in time");
            router.send(request).unwrap();
            router
        });
        assert_eq!(requester.wait(ticket).unwrap()[0], "in time");
        server.join();
        assert_eq!(requester.stats().sent, 1);
    }
}

#[test]
fn a_request_is_sent_again_when_its_server_has_died() {
    for place in Place::wires() {
        let context = Context::new();
        let rep = context.socket::<Rep>().unwrap();
        let endpoint = rep.bind(&place.endpoint).unwrap();
        let requester = Requester::builder()
            .retries(1000, SHORT)
            .build(&context)
            .unwrap();
        requester.connect(&endpoint).unwrap();
        let ticket = requester.send("hard", PATIENCE).unwrap();
        let server = spawn(move || {
            assert_eq!(rep.recv_timeout(PATIENCE).unwrap()[0], "hard");
            drop(rep);
            let rep = context.socket::<Rep>().unwrap();
            rep.bind(&endpoint).unwrap();
            assert_eq!(rep.recv_timeout(PATIENCE).unwrap()[0], "hard");
            rep.send("done").unwrap();
            rep
        });
        assert_eq!(requester.wait(ticket).unwrap()[0], "done");
        assert!(requester.stats().retried > 0);
        server.join();
    }
}

#[test]
fn a_request_notices_the_server_that_comes_while_it_waits() {
    for anywhere in everywhere() {
        let (context, endpoint, server) = serve_in(Context::new(), anywhere);
        for at in 0..100u32 {
            let requester = Requester::new(&context).unwrap();
            requester.connect(&endpoint).unwrap();
            let reply = requester.request(at.to_be_bytes(), PATIENCE).unwrap();
            assert_eq!(number(&reply), at);
        }
        context.shutdown();
        server.join().unwrap();
    }
}

#[test]
fn a_second_reply_is_dropped_and_counted() {
    let (_context, requester, router) = with_router("tcp://127.0.0.1:*");
    requester.set_retries(1, Duration::from_millis(1)).unwrap();
    let ticket = requester.send("twice", PATIENCE).unwrap();
    let server = spawn(move || {
        let requests = [receive(&router), receive(&router)];
        assert_eq!(requests[0], requests[1]);
        for request in &requests {
            router.send(request).unwrap();
        }
        // No answers to anything: no number, no delimiter, nothing behind it, a number of nobody.
        let id = requests[0][0].clone();
        for reply in [
            vec![id.clone(), "bare".into()],
            vec![id.clone(), "".into(), "x".into()],
            vec![id.clone(), requests[0][1].clone(), "".into()],
            vec![id, [0; 8].into(), "".into(), "x".into()],
        ] {
            router.send(reply).unwrap();
        }
        let last = receive(&router);
        router.send(last).unwrap();
        router
    });
    assert_eq!(requester.wait(ticket).unwrap()[0], "twice");
    requester.set_retries(0, Duration::ZERO).unwrap();
    assert_eq!(requester.request("last", PATIENCE).unwrap()[0], "last");
    let stats = requester.stats();
    assert_eq!((stats.late, stats.unknown, stats.malformed), (1, 1, 3));
    assert_eq!((stats.sent, stats.retried, stats.answered), (3, 1, 2));
    server.join();
}

#[test]
fn requests_in_flight_are_bounded_and_a_refused_one_comes_back() {
    let context = Context::new();
    let requester = Requester::builder()
        .max_in_flight(2)
        .build(&context)
        .unwrap();
    requester.bind("inproc://nobody").unwrap();
    let first = requester.send("first", PATIENCE).unwrap();
    let _second = requester.send("second", PATIENCE).unwrap();
    let refused = requester.send(["a", "b"], PATIENCE).unwrap_err();
    assert!(matches!(refused.error, Error::TooManyInFlight { limit: 2 }));
    assert_eq!(refused.message, Message::from(["a", "b"]));
    let refused = requester.request("x", PATIENCE);
    assert!(matches!(refused, Err(Error::TooManyInFlight { .. })));
    let refused = block_on(requester.request_async("x", PATIENCE));
    assert!(matches!(refused, Err(Error::TooManyInFlight { .. })));
    assert!(requester.forget(first));
    assert!(!requester.forget(first));
    assert!(matches!(requester.wait(first), Err(Error::NotInFlight)));
    requester.send("third", PATIENCE).unwrap();
    assert_eq!(requester.stats().in_flight, 2);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let context = Context::new();
    let option = |result: Result<Requester, Error>| match invalid(result) {
        InvalidOption::Value { option, .. } => option,
        other => panic!("{other:?}"),
    };
    let builder = Requester::builder();
    assert_eq!(
        option(builder.max_in_flight(0).build(&context)),
        "max_in_flight"
    );
    let retries = builder.retries(1, Duration::ZERO).build(&context);
    assert_eq!(option(retries), "retries");
    let requester = Requester::new(&context).unwrap();
    assert!(requester.set_retries(1, Duration::ZERO).is_err());
    requester.set_retries(0, Duration::ZERO).unwrap();
}

#[test]
fn a_shutdown_ends_every_call_and_request() {
    for anywhere in everywhere() {
        let (context, requester, router) = with_router(anywhere);
        let kept = requester.send("kept", PATIENCE).unwrap();
        let blocked = spawn(move || {
            let result = requester.request("x", PATIENCE);
            (requester, result)
        });
        // Maybe the first as well, which no call has driven until then.
        receive(&router);
        receive(&router);
        assert!(blocked.is_running());
        context.shutdown();
        let (requester, result) = blocked.join();
        assert!(matches!(result, Err(Error::Terminated)), "{result:?}");
        assert_eq!(requester.stats().in_flight, 1);
        assert!(matches!(requester.wait(kept), Err(Error::Terminated)));
        assert!(matches!(requester.recv(), Err(Error::Terminated)));
        assert!(matches!(requester.try_recv(), Err(Error::Terminated)));
        let result = block_on(requester.request_async("x", PATIENCE));
        assert!(matches!(result, Err(Error::Terminated)));
        let refused = requester.send("back", PATIENCE).unwrap_err();
        assert!(matches!(refused.error, Error::Terminated));
        assert_eq!(refused.message, Message::from("back"));
        assert!(requester.forget(kept));
        assert_eq!(requester.stats().in_flight, 0);
        drop((requester, router));
        context.term().unwrap();
    }
}

#[test]
fn a_full_pipe_holds_requests_up_and_loses_none() {
    const COUNT: u32 = 300;
    let context = Context::new();
    let responder = Responder::new(&context).unwrap();
    let endpoint = responder.bind(loopback()).unwrap();
    let server = spawn(move || drop(responder.serve(|request| request)));
    let socket = context
        .build_socket::<Dealer>()
        .send_hwm(2)
        .recv_hwm(2)
        .immediate(true)
        .build()
        .unwrap();
    let requester = Requester::builder().over(socket).unwrap();
    requester.connect(&endpoint).unwrap();
    for at in 0..COUNT {
        requester.send(at.to_be_bytes(), PATIENCE).unwrap();
    }
    let mut seen = HashSet::new();
    for _ in 0..COUNT {
        seen.insert(number(&requester.recv().unwrap().1.unwrap()));
    }
    assert_eq!(seen.len(), COUNT as usize);
    context.shutdown();
    server.join();
}

#[test]
fn waiting_takes_no_processor_time_whatever_is_waited_for() {
    const WAIT: Duration = Duration::from_millis(200);
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let context = Context::new();
    let router = context
        .build_socket::<Router>()
        .recv_hwm(1)
        .build()
        .unwrap();
    let socket = context
        .build_socket::<Dealer>()
        .send_hwm(1)
        .linger(Some(Duration::ZERO))
        .build()
        .unwrap();
    let requester = Requester::builder().over(socket).unwrap();
    let waits = |what: &str, requester: &Requester| {
        let begin = now();
        assert!(matches!(
            requester.recv_timeout(WAIT),
            Err(Error::WouldBlock(_))
        ));
        let spent = now() - begin;
        assert!(spent < WAIT / 4, "{what}: {spent:?}");
    };
    requester.send("x", PATIENCE).unwrap();
    waits("nobody is there", &requester);
    let endpoint = router.bind(loopback()).unwrap();
    requester.connect(&endpoint).unwrap();
    waits("a reply", &requester);
    for _ in 0..100 {
        requester.send(vec![0; 1 << 20], PATIENCE).unwrap();
    }
    waits("room", &requester);
    assert!(requester.stats().sent < 100);

    let responder = Responder::builder().max_at_work(1).build(&context).unwrap();
    let endpoint = responder.bind(loopback()).unwrap();
    let client = Requester::new(&context).unwrap();
    client.connect(&endpoint).unwrap();
    for _ in 0..10 {
        client.send("x", PATIENCE).unwrap();
    }
    let mut kept = None;
    eventually("a request", || {
        let _ = client.try_recv();
        kept = responder.try_recv().ok();
        kept.is_some()
    });
    let begin = now();
    let waited = responder.recv_timeout(WAIT);
    assert!(matches!(waited, Err(Error::WouldBlock(_))));
    let spent = now() - begin;
    assert!(spent < WAIT / 4, "an answer: {spent:?}");
}

thread_local! {
    static CALLED: RefCell<Option<Rc<Requester>>> = const { RefCell::new(None) };
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// A body whose end makes calls on the requester that lets go of it.
struct Calls;

impl AsRef<[u8]> for Calls {
    fn as_ref(&self) -> &[u8] {
        &[7; 20_000]
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        let Some(requester) = CALLED.with(|called| called.borrow().clone()) else {
            return;
        };
        let ticket = requester.send("from a drop", PATIENCE).unwrap();
        let _ = requester.try_recv();
        assert!(requester.forget(ticket));
        CALLS.set(CALLS.get() + 1);
    }
}

#[test]
fn bodies_may_call_the_requester_that_drops_them() {
    let (_context, requester, _router) = with_router("inproc://calls");
    let requester = Rc::new(requester);
    requester.set_retries(5, Duration::from_millis(1)).unwrap();
    // The pipe keeps handles of what was sent, so it is the requester's own that go last.
    let lonely = {
        let socket = Context::new().socket::<Dealer>().unwrap();
        Rc::new(Requester::builder().over(socket).unwrap())
    };
    for requester in [&requester, &lonely] {
        CALLED.with(|called| *called.borrow_mut() = Some(Rc::clone(requester)));
        let body = || Bytes::from_owner(Calls);
        let overdue = requester.request(body(), Duration::from_millis(10));
        has_no_reply(overdue);
        let ticket = requester.send(body(), PATIENCE).unwrap();
        assert!(requester.forget(ticket));
        let future = requester.request_async(body(), PATIENCE);
        assert!(poll_once(pin!(future)).is_none());
    }
    assert_eq!(lonely.stats().in_flight, 0);
    assert!(CALLS.get() >= 3, "{}", CALLS.get());
    for requester in [&requester, &lonely] {
        assert_eq!(requester.socket_stats().foreign_panics, 0);
    }
    CALLED.with(|called| called.borrow_mut().take());
}

#[test]
fn a_server_that_comes_and_goes_costs_time_and_no_requests() {
    const ROUNDS: u32 = 5;
    let (context, endpoint, server) = serve("tcp://127.0.0.1:*");
    let requester = Requester::builder()
        .retries(u32::MAX, SHORT)
        .build(&Context::new())
        .unwrap();
    requester.connect(&endpoint).unwrap();
    let mut running = Some((context, server));
    for round in 0..ROUNDS {
        if let Some((context, server)) = running.take() {
            let ticket = requester.send(round.to_be_bytes(), PATIENCE).unwrap();
            context.shutdown();
            server.join().unwrap();
            drop(context);
            let lost: Vec<_> = (0..20u32)
                .map(|at| requester.send(at.to_be_bytes(), PATIENCE).unwrap())
                .collect();
            let (context, _, server) = serve(&endpoint.to_string());
            running = Some((context, server));
            assert_eq!(number(&requester.wait(ticket).unwrap()), round);
            for (at, ticket) in lost.into_iter().enumerate() {
                assert_eq!(number(&requester.wait(ticket).unwrap()), at as u32);
            }
        }
    }
    assert_eq!(requester.stats().answered, u64::from(ROUNDS * 21));
    let (context, server) = running.unwrap();
    context.shutdown();
    server.join().unwrap();
}
