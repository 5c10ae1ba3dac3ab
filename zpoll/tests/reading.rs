//! A poller that reads the streams of its sockets itself misses nothing, and leaves them to I/O threads in time.

use std::{
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use zpoll::{Events, Interest, Poller};
use zsocket::{Context, Dealer, Pub, Pull, Push, Rep, Req, Router, Socket, Sub};

/// Long enough for a loaded machine; never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

const STREAMS: [&str; 2] = ["tcp://127.0.0.1:*", "ipc://*"];

fn pipeline(context: &Context, endpoint: &str) -> (Socket<Push>, Socket<Pull>) {
    let pull = context.socket::<Pull>().unwrap();
    let bound = pull.bind(endpoint).unwrap();
    let push = context.socket::<Push>().unwrap();
    push.connect(bound).unwrap();
    pull.wait_connected(1, PATIENCE).unwrap();
    (push, pull)
}

/// Sleeps as often as it takes until the poller reads itself.
fn warm_up(poller: &mut Poller<'_>) {
    let mut events = Events::new();
    for _ in 0..4 {
        poller
            .wait(&mut events, Some(Duration::from_millis(1)))
            .unwrap();
        assert!(events.is_empty());
    }
}

/// Waits until this socket can receive.
fn await_key(poller: &mut Poller<'_>, key: usize) {
    let mut events = Events::new();
    let deadline = Instant::now() + PATIENCE;
    while !events.iter().any(|event| event.key == key) {
        assert!(Instant::now() < deadline, "{key} never became ready");
        poller.wait(&mut events, Some(PATIENCE)).unwrap();
    }
}

/// Receives without waiting, as soon as that is possible.
fn await_message(pull: &Socket<Pull>) {
    let deadline = Instant::now() + PATIENCE;
    while pull.try_recv().is_err() {
        assert!(Instant::now() < deadline, "the message never came");
        thread::yield_now();
    }
}

#[test]
fn each_message_is_reported_and_at_once_without_a_timeout() {
    for endpoint in STREAMS {
        let context = Context::new();
        let pipes: Vec<_> = (0..3).map(|_| pipeline(&context, endpoint)).collect();
        let mut poller = Poller::new();
        for (key, (_, pull)) in pipes.iter().enumerate() {
            poller.add(pull, key, Interest::RECV).unwrap();
        }
        warm_up(&mut poller);
        let mut events = Events::new();
        for round in 0..1000 {
            let (push, pull) = &pipes[round % 3];
            push.send(round.to_string()).unwrap();
            if round % 2 == 0 {
                await_key(&mut poller, round % 3);
            }
            let deadline = Instant::now() + PATIENCE;
            loop {
                poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
                if events.iter().any(|event| event.key == round % 3) {
                    break;
                }
                assert!(Instant::now() < deadline);
            }
            assert_eq!(pull.try_recv().unwrap()[0], *round.to_string());
        }
    }
}

/// Nobody waits, nobody looks at the poller: an I/O thread reads after some ticks.
#[test]
fn who_stays_away_leaves_the_reading_to_others() {
    let context = Context::new();
    let (push, pull) = pipeline(&context, STREAMS[0]);
    let mut poller = Poller::new();
    poller.add(&pull, 0, Interest::RECV).unwrap();
    warm_up(&mut poller);
    push.send("hello").unwrap();
    await_message(&pull);
    // And again.
    warm_up(&mut poller);
    push.send("hello").unwrap();
    await_key(&mut poller, 0);
}

#[test]
fn a_socket_that_is_polled_can_block_as_well() {
    for endpoint in STREAMS {
        let context = Context::new();
        let (push, pull) = pipeline(&context, endpoint);
        let (other_push, other) = pipeline(&context, endpoint);
        let mut poller = Poller::new();
        poller.add(&pull, 0, Interest::RECV).unwrap();
        poller.add(&other, 1, Interest::RECV).unwrap();
        for round in 0..20 {
            warm_up(&mut poller);
            let sender = context.socket::<Push>().unwrap();
            sender.connect(pull.last_endpoint().unwrap()).unwrap();
            let sender = thread::spawn(move || sender.send(round.to_string()).unwrap());
            let received = pull.recv_timeout(PATIENCE).unwrap();
            assert_eq!(received[0], *round.to_string());
            sender.join().unwrap();
            push.send("hello").unwrap();
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "hello");
            // The other one is read as well, by whoever.
            other_push.send("other").unwrap();
            await_key(&mut poller, 1);
            other.try_recv().unwrap();
        }
    }
}

#[test]
fn what_is_removed_is_read_by_others_and_the_rest_is_not() {
    let context = Context::new();
    let (push, pull) = pipeline(&context, STREAMS[0]);
    let (other_push, other) = pipeline(&context, STREAMS[0]);
    let mut poller = Poller::new();
    poller.add(&pull, 0, Interest::RECV).unwrap();
    poller.add(&other, 1, Interest::RECV).unwrap();
    warm_up(&mut poller);
    push.send("before").unwrap();
    assert!(poller.remove(0));
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "before");
    push.send("after").unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "after");
    other_push.send("other").unwrap();
    await_key(&mut poller, 1);
    other.try_recv().unwrap();
    other_push.send("last").unwrap();
    drop(poller);
    assert_eq!(other.recv_timeout(PATIENCE).unwrap()[0], "last");
    push.send("again").unwrap();
    await_message(&pull);
    // It can be waited for anew.
    let mut poller = Poller::new();
    poller.add(&other, 1, Interest::RECV).unwrap();
    warm_up(&mut poller);
    other_push.send("new").unwrap();
    await_key(&mut poller, 1);
}

/// Which have I/O threads of their own: one of the two is signalled.
#[test]
fn sockets_of_several_contexts_are_waited_for_together() {
    let contexts = [Context::new(), Context::new()];
    let pipes = [0, 1].map(|at| pipeline(&contexts[at], STREAMS[at]));
    let mut poller = Poller::new();
    for (key, (_, pull)) in pipes.iter().enumerate() {
        // As one that has waited by itself before.
        assert!(pull.recv_timeout(Duration::from_millis(1)).is_err());
        poller.add(pull, key, Interest::RECV).unwrap();
    }
    warm_up(&mut poller);
    for round in 0..200 {
        let (push, pull) = &pipes[round % 2];
        push.send("hello").unwrap();
        await_key(&mut poller, round % 2);
        pull.try_recv().unwrap();
    }
    drop(poller);
    for (push, pull) in &pipes {
        push.send("hello").unwrap();
        pull.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn connections_that_come_later_and_break_are_read_as_well() {
    const ROUNDS: usize = 30;
    let context = Context::new();
    let subscriber = context.socket::<Sub>().unwrap();
    subscriber.subscribe("").unwrap();
    let (push, pull) = pipeline(&context, STREAMS[0]);
    let mut poller = Poller::new();
    poller.add(&subscriber, 0, Interest::RECV).unwrap();
    poller.add(&pull, 1, Interest::RECV).unwrap();
    warm_up(&mut poller);
    for round in 0..ROUNDS {
        let publisher = context.socket::<Pub>().unwrap();
        let bound = publisher.bind(STREAMS[round % 2]).unwrap();
        subscriber.connect(&bound).unwrap();
        publisher.wait_connected(1, PATIENCE).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let mut events = Events::new();
        // Until the subscription has come through.
        while !events.iter().any(|event| event.key == 0) {
            assert!(Instant::now() < deadline);
            publisher.send("news").unwrap();
            poller
                .wait(&mut events, Some(Duration::from_millis(1)))
                .unwrap();
        }
        while subscriber.try_recv().is_ok() {}
        subscriber.disconnect(&bound).unwrap();
        drop(publisher);
        while subscriber.try_recv().is_ok() {}
        push.send("still here").unwrap();
        await_key(&mut poller, 1);
        pull.try_recv().unwrap();
    }
}

/// With `immediate` there is no link while the peer is away, so nobody can say that the poller reads no more.
#[test]
fn a_connection_that_is_made_again_is_read_by_whoever_is_there() {
    for end in ["dropped", "removed", "kept"] {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        pull.set_immediate(true).unwrap();
        pull.set_reconnect_interval(Some(Duration::from_millis(5)))
            .unwrap();
        let other = context.socket::<Pull>().unwrap();
        other.bind(STREAMS[0]).unwrap();
        let push = context.socket::<Push>().unwrap();
        let bound = push.bind(STREAMS[0]).unwrap();
        pull.connect(&bound).unwrap();
        push.wait_connected(1, PATIENCE).unwrap();
        let mut poller = Poller::new();
        poller.add(&pull, 0, Interest::RECV).unwrap();
        poller.add(&other, 1, Interest::RECV).unwrap();
        warm_up(&mut poller);
        push.send("before").unwrap();
        await_key(&mut poller, 0);
        pull.try_recv().unwrap();
        push.unbind(&bound).unwrap();
        drop(push);
        let deadline = Instant::now() + PATIENCE;
        while pull.peers() > 0 {
            assert!(Instant::now() < deadline, "still there");
            let _ = pull.try_recv();
            thread::yield_now();
        }
        let mut kept = Some(poller);
        match end {
            "dropped" => drop(kept.take()),
            "removed" => assert!(kept.as_mut().unwrap().remove(0)),
            _ => {}
        }
        let push = context.socket::<Push>().unwrap();
        push.bind(&bound).unwrap();
        push.send("after").unwrap();
        match (end, kept.as_mut()) {
            ("kept", Some(poller)) => await_key(poller, 0),
            ("removed", Some(poller)) => warm_up(poller),
            _ => {}
        }
        await_message(&pull);
    }
}

/// Who looks again and again without a wait is not told by a tick of the I/O thread, 10 to 100 ms later.
#[test]
fn who_looks_without_waiting_sees_what_comes() {
    let context = Context::new();
    let (push, pull) = pipeline(&context, STREAMS[0]);
    let mut poller = Poller::new();
    poller.add(&pull, 0, Interest::RECV).unwrap();
    let mut shortest = PATIENCE;
    for _ in 0..20 {
        warm_up(&mut poller);
        push.send("hello").unwrap();
        let begin = Instant::now();
        await_message(&pull);
        shortest = shortest.min(begin.elapsed());
    }
    assert!(shortest < Duration::from_millis(5), "{shortest:?}");
}

/// One that is always ready is looked at without a look at streams, but not for ever.
#[test]
fn a_busy_socket_does_not_starve_the_others() {
    let context = Context::new();
    let (push, pull) = pipeline(&context, STREAMS[0]);
    let (busy_push, busy) = pipeline(&context, STREAMS[0]);
    let mut poller = Poller::new();
    poller.add(&pull, 0, Interest::RECV).unwrap();
    poller.add(&busy, 1, Interest::RECV).unwrap();
    warm_up(&mut poller);
    busy_push.send("never received").unwrap();
    await_key(&mut poller, 1);
    for _ in 0..100 {
        push.send("hello").unwrap();
        await_key(&mut poller, 0);
        pull.try_recv().unwrap();
    }
}

#[test]
fn a_socket_that_is_closed_while_it_is_read_is_gone() {
    let context = Context::new();
    let (push, pull) = pipeline(&context, STREAMS[0]);
    let (other_push, other) = pipeline(&context, STREAMS[0]);
    let pull = Rc::new(pull);
    let mut poller = Poller::new();
    poller.add(Rc::downgrade(&pull), 0, Interest::RECV).unwrap();
    poller.add(&other, 1, Interest::RECV).unwrap();
    warm_up(&mut poller);
    push.send("unread").unwrap();
    drop(pull);
    other_push.send("other").unwrap();
    await_key(&mut poller, 1);
    other.try_recv().unwrap();
    warm_up(&mut poller);
    assert_eq!(poller.sockets(), 1);
}

/// The way of a broker, with requests and answers by the same thread.
#[test]
fn a_broker_answers_every_request() {
    const REQUESTS: usize = 300;
    let (inside, outside) = (Context::new(), Context::new());
    for endpoint in STREAMS {
        let frontend = inside.socket::<Router>().unwrap();
        let front = frontend.bind(endpoint).unwrap();
        let backend = inside.socket::<Dealer>().unwrap();
        let back = backend.bind(endpoint).unwrap();
        let worker = outside.socket::<Rep>().unwrap();
        worker.connect(&back).unwrap();
        let client = outside.socket::<Req>().unwrap();
        client.connect(&front).unwrap();
        let worker = thread::spawn(move || {
            for _ in 0..REQUESTS {
                let request = worker.recv_timeout(PATIENCE).unwrap();
                worker.send(request).unwrap();
            }
        });
        let client = thread::spawn(move || {
            for request in 0..REQUESTS {
                client.send(request.to_string()).unwrap();
                let reply = client.recv_timeout(PATIENCE).unwrap();
                assert_eq!(reply[0], *request.to_string());
            }
        });
        let mut poller = Poller::new();
        poller.add(&frontend, 0, Interest::RECV).unwrap();
        poller.add(&backend, 1, Interest::RECV).unwrap();
        let mut events = Events::new();
        let mut forwarded = 0;
        while forwarded < 2 * REQUESTS {
            poller.wait(&mut events, Some(PATIENCE)).unwrap();
            assert!(!events.is_empty(), "{forwarded} forwarded");
            while let Ok(request) = frontend.try_recv() {
                backend.send(request).unwrap();
                forwarded += 1;
            }
            while let Ok(reply) = backend.try_recv() {
                frontend.send(reply).unwrap();
                forwarded += 1;
            }
        }
        // What was sent last is written before a wait.
        poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
        client.join().unwrap();
        worker.join().unwrap();
    }
}
