//! What a poller says is true, whatever happens between two waits.

use std::{
    cell::Cell,
    io::{Read, Write},
    os::unix::net::UnixStream,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context as TaskContext, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec};
use zpoll::{AddError, Events, Interest, PollItem, Poller, poll};
use zsocket::{
    Context, Dealer, Error, Pair, Pub, Pull, Push, Rep, Req, Router, Socket, Sub, XPub, XSub,
};

/// Long enough for a loaded machine; never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long something that must not happen is watched for.
const A_WHILE: Duration = Duration::from_millis(30);

const TRANSPORTS: [&str; 3] = ["tcp://127.0.0.1:*", "ipc://*", "inproc://here"];

fn pipeline(context: &Context, endpoint: &str) -> (Socket<Push>, Socket<Pull>) {
    let pull = context.socket::<Pull>().unwrap();
    let bound = pull.bind(endpoint).unwrap();
    let push = context.socket::<Push>().unwrap();
    push.connect(bound).unwrap();
    (push, pull)
}

/// What is ready now.
fn now(poller: &mut Poller<'_>) -> Vec<(usize, Interest)> {
    found(poller, Duration::ZERO)
}

/// What is ready within the time, by key.
fn found(poller: &mut Poller<'_>, timeout: Duration) -> Vec<(usize, Interest)> {
    let mut events = Events::new();
    poller.wait(&mut events, Some(timeout)).unwrap();
    let mut found: Vec<_> = events
        .iter()
        .map(|event| (event.key, event.ready))
        .collect();
    found.sort_unstable_by_key(|(key, _)| *key);
    found
}

/// Whether a foreign loop finds the poller's descriptor readable within the time.
fn is_readable(poller: &mut Poller<'_>, timeout: Duration) -> bool {
    let fd = poller.fd().unwrap();
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    let timeout = Timespec::try_from(timeout).unwrap();
    rustix::event::poll(&mut fds, Some(&timeout)).unwrap() == 1
}

#[test]
fn a_monitor_is_waited_for_like_a_socket() {
    let context = Context::new();
    let pull = Rc::new(context.socket::<Pull>().unwrap());
    let push = context.socket::<Push>().unwrap();
    let monitor = Rc::new(pull.monitor());
    let mut poller = Poller::new();
    let mut events = Events::new();
    poller.add(Rc::downgrade(&pull), 0, Interest::RECV).unwrap();
    poller.add(Rc::clone(&monitor), 1, Interest::BOTH).unwrap();
    let twice = poller.add(&*monitor, 2, Interest::RECV);
    assert!(matches!(twice, Err(AddError::Socket(Error::Watched))));
    poller.wait(&mut events, Some(A_WHILE)).unwrap();
    assert!(events.is_empty(), "nothing has happened");

    // Between waits of every kind: those that spin, that sleep, and that read streams themselves.
    let mut next = |poller: &mut Poller<'_>| {
        poller.wait(&mut events, Some(PATIENCE)).unwrap();
        let ready: Vec<_> = events
            .iter()
            .map(|event| (event.key, event.ready))
            .collect();
        while monitor.try_recv().is_some() {}
        ready
    };
    let bound = pull.bind("tcp://127.0.0.1:*").unwrap();
    assert_eq!(next(&mut poller), [(1, Interest::RECV)]);
    push.connect(bound).unwrap();
    for _ in 0..2 {
        assert_eq!(next(&mut poller), [(1, Interest::RECV)]);
        push.send("hello").unwrap();
        while !next(&mut poller).contains(&(0, Interest::RECV)) {}
        pull.recv().unwrap();
        // So that there is something to hear of in the next round.
        pull.bind("tcp://127.0.0.1:*").unwrap();
    }
    // The last event, and then the end, are something to look at.
    poller.remove(0);
    drop(pull);
    while seen_last(&monitor).is_none() {
        poller.wait(&mut events, Some(PATIENCE)).unwrap();
    }
    poller.wait(&mut events, Some(PATIENCE)).unwrap();
    assert_eq!(events.iter().next().unwrap().key, 1);
    assert!(monitor.try_recv().is_none());
    assert!(poller.remove(1));
    poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
    assert!(events.is_empty());
}

/// Reads a monitor, and says whether its last event was there.
fn seen_last(monitor: &zsocket::Monitor) -> Option<()> {
    let mut events = std::iter::from_fn(|| monitor.try_recv());
    events
        .any(|event| matches!(event, zsocket::Event::MonitorStopped))
        .then_some(())
}

#[test]
fn what_is_not_used_is_reported_again_and_what_is_used_is_not() {
    for endpoint in TRANSPORTS {
        let context = Context::new();
        let (push, pull) = pipeline(&context, endpoint);
        let mut poller = Poller::new();
        poller.add(&pull, 7, Interest::RECV).unwrap();
        assert_eq!(now(&mut poller), []);
        push.send("one").unwrap();
        push.send("two").unwrap();
        for expected in ["one", "two"] {
            for _ in 0..3 {
                assert_eq!(found(&mut poller, PATIENCE), [(7, Interest::RECV)]);
            }
            assert_eq!(pull.recv().unwrap()[0], expected);
        }
        assert_eq!(now(&mut poller), []);
        push.send("three").unwrap();
        assert_eq!(found(&mut poller, PATIENCE), [(7, Interest::RECV)]);
    }
}

#[test]
fn several_are_ready_at_once_and_none_is_always_first() {
    let context = Context::new();
    let pairs: Vec<_> = (0..5)
        .map(|n| pipeline(&context, &format!("inproc://{n}")))
        .collect();
    let mut poller = Poller::new();
    for (key, (_, pull)) in pairs.iter().enumerate() {
        poller.add(pull, key, Interest::RECV).unwrap();
    }
    for (push, _) in &pairs {
        push.send("task").unwrap();
    }
    let mut events = Events::new();
    let mut firsts = [0; 5];
    for _ in 0..10 {
        poller.wait(&mut events, None).unwrap();
        assert_eq!(events.len(), 5);
        firsts[events.iter().next().unwrap().key] += 1;
    }
    assert_eq!(firsts, [2; 5]);
}

#[test]
fn a_timeout_is_kept_and_zero_returns_at_once() {
    let context = Context::new();
    let (_push, pull) = pipeline(&context, "tcp://127.0.0.1:*");
    let mut poller = Poller::new();
    poller.add(&pull, 0, Interest::RECV).unwrap();
    let begin = Instant::now();
    assert_eq!(now(&mut poller), []);
    assert!(begin.elapsed() < PATIENCE);
    let begin = Instant::now();
    assert_eq!(found(&mut poller, A_WHILE), []);
    assert!(begin.elapsed() >= A_WHILE);
}

#[test]
fn who_has_blocked_in_recv_before_misses_nothing() {
    for endpoint in TRANSPORTS {
        let context = Context::new();
        let (push, pull) = pipeline(&context, endpoint);
        let (begin, rounds) = mpsc::channel();
        let sender = thread::spawn(move || {
            while rounds.recv().is_ok() {
                push.send("first").unwrap();
                push.send("second").unwrap();
            }
        });
        for _ in 0..50 {
            begin.send(()).unwrap();
            // This thread reads the stream itself from now on.
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "first");
            let mut poller = Poller::new();
            poller.add(&pull, 0, Interest::RECV).unwrap();
            assert_eq!(found(&mut poller, PATIENCE), [(0, Interest::RECV)]);
            assert_eq!(pull.try_recv().unwrap()[0], "second");
        }
        drop(begin);
        sender.join().unwrap();
    }
}

#[test]
fn a_sender_is_ready_when_there_is_room() {
    for endpoint in TRANSPORTS {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let push = context.socket::<Push>().unwrap();
        push.set_send_hwm(1).unwrap();
        pull.set_recv_hwm(1).unwrap();
        let mut poller = Poller::new();
        poller.add(&push, 0, Interest::BOTH).unwrap();
        assert_eq!(now(&mut poller), [], "no peer");
        let bound = pull.bind(endpoint).unwrap();
        push.connect(bound).unwrap();
        let mut sent = 0;
        while found(&mut poller, A_WHILE) == [(0, Interest::SEND)] {
            push.try_send(vec![0; 1 << 20]).unwrap();
            sent += 1;
        }
        push.try_send("no room").unwrap_err();
        assert!(sent > 0);
        for _ in 0..sent {
            pull.recv_timeout(PATIENCE).unwrap();
        }
        assert_eq!(found(&mut poller, PATIENCE), [(0, Interest::SEND)]);
        push.try_send("room").unwrap();
    }
}

#[test]
fn what_a_subscriber_does_not_want_is_nothing_to_receive() {
    let context = Context::new();
    let publisher = context.socket::<Pub>().unwrap();
    publisher.bind("inproc://updates").unwrap();
    let sub = context.socket::<Sub>().unwrap();
    sub.subscribe("a").unwrap();
    sub.subscribe("b").unwrap();
    sub.connect("inproc://updates").unwrap();
    publisher.wait_subscribed("a", 1, PATIENCE).unwrap();
    publisher.wait_subscribed("b", 1, PATIENCE).unwrap();
    publisher.send("a1").unwrap();
    sub.unsubscribe("a").unwrap();
    let mut poller = Poller::new();
    poller.add(&sub, 0, Interest::RECV).unwrap();
    assert_eq!(now(&mut poller), []);
    assert!(matches!(sub.try_recv(), Err(Error::WouldBlock(_))));
    publisher.send("b1").unwrap();
    assert_eq!(found(&mut poller, PATIENCE), [(0, Interest::RECV)]);
    assert_eq!(sub.try_recv().unwrap()[0], "b1");
}

#[test]
fn those_that_take_turns_are_ready_in_their_turn() {
    for endpoint in TRANSPORTS {
        let context = Context::new();
        let rep = context.socket::<Rep>().unwrap();
        let bound = rep.bind(endpoint).unwrap();
        let req = context.socket::<Req>().unwrap();
        req.connect(bound).unwrap();
        let mut poller = Poller::new();
        poller.add(&req, 0, Interest::BOTH).unwrap();
        poller.add(&rep, 1, Interest::BOTH).unwrap();
        for _ in 0..3 {
            assert_eq!(found(&mut poller, PATIENCE), [(0, Interest::SEND)]);
            req.send("question").unwrap();
            assert_eq!(found(&mut poller, PATIENCE), [(1, Interest::RECV)]);
            // What was found and not received is no request to reply to.
            let refused = rep.send("too early").unwrap_err();
            assert!(matches!(refused.error, Error::WrongState(_)));
            assert_eq!(rep.recv().unwrap()[0], "question");
            assert_eq!(now(&mut poller), [(1, Interest::SEND)]);
            rep.send("answer").unwrap();
            assert_eq!(found(&mut poller, PATIENCE), [(0, Interest::RECV)]);
            let refused = req.send("too early").unwrap_err();
            assert!(matches!(refused.error, Error::WrongState(_)));
            assert_eq!(req.recv().unwrap()[0], "answer");
        }
    }
}

#[test]
fn a_relaxed_req_may_give_up_the_reply_that_was_found() {
    let context = Context::new();
    let rep = context.socket::<Rep>().unwrap();
    rep.bind("inproc://relaxed").unwrap();
    let req = context.socket::<Req>().unwrap();
    req.set_relaxed(true).unwrap();
    req.set_correlate(true).unwrap();
    req.connect("inproc://relaxed").unwrap();
    req.send("first").unwrap();
    rep.recv().unwrap();
    rep.send("to the first").unwrap();
    let mut poller = Poller::new();
    poller.add(&req, 0, Interest::RECV).unwrap();
    assert_eq!(found(&mut poller, PATIENCE), [(0, Interest::RECV)]);
    req.send("second").unwrap();
    assert_eq!(now(&mut poller), []);
    assert_eq!(rep.recv().unwrap()[0], "second");
    rep.send("to the second").unwrap();
    assert_eq!(found(&mut poller, PATIENCE), [(0, Interest::RECV)]);
    assert_eq!(req.recv().unwrap()[0], "to the second");
}

/// Whoever can be received from or sent to, by the poller, is, at once; and the other way round.
#[test]
fn every_pattern_can_what_it_is_said_to() {
    let context = Context::new();
    let router = context.socket::<Router>().unwrap();
    router.bind("inproc://router").unwrap();
    let dealer = context.socket::<Dealer>().unwrap();
    dealer.connect("inproc://router").unwrap();
    let (one, two) = (
        context.socket::<Pair>().unwrap(),
        context.socket::<Pair>().unwrap(),
    );
    one.bind("inproc://pair").unwrap();
    two.connect("inproc://pair").unwrap();
    let xpub = context.socket::<XPub>().unwrap();
    xpub.bind("inproc://xpub").unwrap();
    let xsub = context.socket::<XSub>().unwrap();
    xsub.connect("inproc://xpub").unwrap();

    let mut poller = Poller::new();
    poller.add(&router, 0, Interest::BOTH).unwrap();
    poller.add(&dealer, 1, Interest::BOTH).unwrap();
    poller.add(&one, 2, Interest::BOTH).unwrap();
    poller.add(&two, 3, Interest::BOTH).unwrap();
    poller.add(&xpub, 4, Interest::BOTH).unwrap();
    poller.add(&xsub, 5, Interest::BOTH).unwrap();
    let send = Interest::SEND;
    let idle: Vec<_> = (0..6).map(|key| (key, send)).collect();
    assert_eq!(now(&mut poller), idle);

    dealer.try_send("request").unwrap();
    one.try_send("to the other").unwrap();
    xsub.try_send(&b"\x01topic"[..]).unwrap();
    let mut ready = idle.clone();
    for key in [0, 3, 4] {
        ready[key].1 = Interest::BOTH;
    }
    assert_eq!(found(&mut poller, PATIENCE), ready);
    let request = router.try_recv().unwrap();
    two.try_recv().unwrap();
    assert_eq!(xpub.try_recv().unwrap()[0], &b"\x01topic"[..]);
    assert_eq!(now(&mut poller), idle);
    router.try_send(request).unwrap();
    xpub.try_send("topic 1").unwrap();
    ready = idle.clone();
    for key in [1, 5] {
        ready[key].1 = Interest::BOTH;
    }
    assert_eq!(found(&mut poller, PATIENCE), ready);
    dealer.try_recv().unwrap();
    xsub.try_recv().unwrap();
    assert_eq!(now(&mut poller), idle);
}

#[test]
fn another_thread_ends_the_wait() {
    let context = Context::new();
    let (_push, pull) = pipeline(&context, "inproc://idle");
    for with_descriptor in [false, true] {
        let (stream, _other) = UnixStream::pair().unwrap();
        let mut poller = Poller::new();
        poller.add(&pull, 0, Interest::RECV).unwrap();
        if with_descriptor {
            poller.add_fd(&stream, 1, Interest::RECV).unwrap();
        }
        let waker = poller.waker();
        let mut events = Events::new();
        waker.wake();
        waker.wake();
        poller.wait(&mut events, None).unwrap();
        assert!(events.is_woken() && events.is_empty());
        poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(!events.is_woken(), "both counted as one");
        for _ in 0..20 {
            thread::scope(|scope| {
                scope.spawn(|| waker.wake());
                poller.wait(&mut events, None).unwrap();
                assert!(events.is_woken() && events.is_empty());
            });
        }
    }
}

#[test]
fn what_is_removed_or_changed_is_reported_accordingly() {
    let context = Context::new();
    let (push, pull) = pipeline(&context, "inproc://change");
    let mut poller = Poller::new();
    poller.add(&push, 1, Interest::NONE).unwrap();
    poller.add(&pull, 2, Interest::RECV).unwrap();
    assert!(matches!(
        poller.add(&push, 2, Interest::SEND),
        Err(AddError::KeyInUse(2))
    ));
    assert_eq!(now(&mut poller), []);
    poller.modify(1, Interest::SEND).unwrap();
    assert_eq!(now(&mut poller), [(1, Interest::SEND)]);
    poller.modify(1, Interest::RECV).unwrap();
    assert_eq!(now(&mut poller), [], "a PUSH never receives");
    push.send("task").unwrap();
    assert!(poller.remove(2));
    assert!(!poller.remove(2));
    assert_eq!(now(&mut poller), []);
    poller.modify(2, Interest::RECV).unwrap_err();
    poller.add(&pull, 3, Interest::RECV).unwrap();
    assert_eq!(now(&mut poller), [(3, Interest::RECV)]);
}

#[test]
fn a_socket_has_one_poller_at_a_time() {
    let context = Context::new();
    let (_push, pull) = pipeline(&context, "inproc://one");
    let mut first = Poller::new();
    first.add(&pull, 0, Interest::RECV).unwrap();
    let mut second = Poller::new();
    let refused = second.add(&pull, 0, Interest::RECV);
    assert!(matches!(refused, Err(AddError::Socket(Error::Watched))));
    drop(first);
    second.add(&pull, 0, Interest::RECV).unwrap();
}

#[test]
fn a_socket_that_is_shared_may_be_closed_while_it_is_polled() {
    let context = Context::new();
    let pull = Rc::new(context.socket::<Pull>().unwrap());
    let other = Rc::new(context.socket::<Pull>().unwrap());
    let bound = pull.bind("tcp://127.0.0.1:*").unwrap();
    let mut poller = Poller::new();
    poller.add(Rc::downgrade(&pull), 0, Interest::RECV).unwrap();
    poller.add(Rc::clone(&other), 1, Interest::RECV).unwrap();
    assert_eq!(now(&mut poller), []);
    drop((pull, other));
    assert_eq!(now(&mut poller), []);
    assert_eq!(poller.sockets(), 1, "what the poller shares is open");
    context.socket::<Pull>().unwrap().bind(bound).unwrap();
}

#[test]
fn a_context_that_is_shut_down_makes_its_sockets_ready() {
    let context = Context::new();
    let (_push, pull) = pipeline(&context, "tcp://127.0.0.1:*");
    let mut poller = Poller::new();
    poller.add(&pull, 0, Interest::RECV).unwrap();
    assert_eq!(now(&mut poller), []);
    thread::scope(|scope| {
        scope.spawn(|| context.shutdown());
        assert_eq!(found(&mut poller, PATIENCE), [(0, Interest::RECV)]);
    });
    assert!(matches!(pull.recv(), Err(Error::Terminated)));
}

#[test]
fn descriptors_are_waited_for_beside_sockets() {
    let context = Context::new();
    let (push, pull) = pipeline(&context, "tcp://127.0.0.1:*");
    let (mut stream, mut other) = UnixStream::pair().unwrap();
    let reader = stream.try_clone().unwrap();
    let mut poller = Poller::new();
    poller.add(&pull, 0, Interest::RECV).unwrap();
    poller.add_fd(&reader, 1, Interest::RECV).unwrap();
    assert_eq!(now(&mut poller), []);
    other.write_all(b"x").unwrap();
    for _ in 0..2 {
        assert_eq!(found(&mut poller, PATIENCE), [(1, Interest::RECV)]);
    }
    push.send("task").unwrap();
    while found(&mut poller, PATIENCE).len() < 2 {}
    stream.read_exact(&mut [0]).unwrap();
    assert_eq!(now(&mut poller), [(0, Interest::RECV)]);
    pull.recv().unwrap();
    poller.modify(1, Interest::BOTH).unwrap();
    assert_eq!(now(&mut poller), [(1, Interest::SEND)]);
    poller.modify(1, Interest::NONE).unwrap();
    assert_eq!(now(&mut poller), []);
    drop(other);
    let mut events = Events::new();
    poller.wait(&mut events, Some(PATIENCE)).unwrap();
    let event = events.iter().next().unwrap();
    assert!(event.key == 1 && event.failed);
    assert!(poller.remove(1));
    assert_eq!(now(&mut poller), []);

    let file = tempfile::tempfile().unwrap();
    let refused = poller.add_fd(file, 2, Interest::RECV);
    assert!(matches!(refused, Err(AddError::System(_))));
}

#[test]
fn a_foreign_loop_waits_for_the_pollers_descriptor() {
    for endpoint in TRANSPORTS {
        let context = Context::new();
        let (push, pull) = pipeline(&context, endpoint);
        let mut poller = Poller::new();
        poller.add(&pull, 0, Interest::RECV).unwrap();
        let _ = now(&mut poller);
        assert!(!is_readable(&mut poller, Duration::ZERO));
        push.send("one").unwrap();
        push.send("two").unwrap();
        for _ in 0..2 {
            assert!(is_readable(&mut poller, PATIENCE));
            while now(&mut poller) != [(0, Interest::RECV)] {
                assert!(is_readable(&mut poller, PATIENCE));
            }
            // Nothing is received in between: it stays readable.
            assert!(is_readable(&mut poller, Duration::ZERO));
            assert_eq!(now(&mut poller), [(0, Interest::RECV)]);
            pull.recv().unwrap();
        }
        while is_readable(&mut poller, A_WHILE) {
            assert_eq!(now(&mut poller), []);
        }
    }
}

#[test]
fn a_single_wait_reads_like_zmq_poll() {
    let context = Context::new();
    let (push, pull) = pipeline(&context, "tcp://127.0.0.1:*");
    let (stream, mut other) = UnixStream::pair().unwrap();
    let mut items = [
        PollItem::socket(&push, Interest::RECV),
        PollItem::socket(&pull, Interest::RECV),
        PollItem::fd(&stream, Interest::RECV),
    ];
    assert_eq!(poll(&mut items, Some(Duration::ZERO)).unwrap(), 0);
    push.send("task").unwrap();
    assert_eq!(poll(&mut items, None).unwrap(), 1);
    assert!(items[1].is_readable() && !items[0].is_readable());
    pull.recv().unwrap();
    other.write_all(b"x").unwrap();
    assert_eq!(poll(&mut items, None).unwrap(), 1);
    assert!(items[2].is_readable() && !items[1].is_readable());
    let mut twice = [
        PollItem::socket(&pull, Interest::RECV),
        PollItem::socket(&pull, Interest::SEND),
    ];
    assert_eq!(
        poll(&mut twice, None).unwrap_err().kind(),
        std::io::ErrorKind::InvalidInput
    );
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_task_is_woken_and_one_that_is_cancelled_leaves_nothing() {
    let context = Context::new();
    let (push, pull) = pipeline(&context, "inproc://task");
    let mut poller = Poller::new();
    poller.add(&pull, 0, Interest::RECV).unwrap();
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut task = TaskContext::from_waker(&waker);
    let mut events = Events::new();
    for _ in 0..3 {
        let mut waiting = Box::pin(poller.wait_async(&mut events));
        assert!(waiting.as_mut().poll(&mut task).is_pending());
    }
    assert_eq!(Arc::strong_count(&count), 2, "this one, and the waker's");
    let mut waiting = Box::pin(poller.wait_async(&mut events));
    assert!(waiting.as_mut().poll(&mut task).is_pending());
    push.send("task").unwrap();
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert!(matches!(
        waiting.as_mut().poll(&mut task),
        Poll::Ready(Ok(()))
    ));
    drop(waiting);
    assert_eq!(events.iter().next().unwrap().key, 0);

    let (stream, _other) = UnixStream::pair().unwrap();
    poller.add_fd(stream, 1, Interest::RECV).unwrap();
    let mut waiting = Box::pin(poller.wait_async(&mut events));
    assert!(matches!(
        waiting.as_mut().poll(&mut task),
        Poll::Ready(Err(_))
    ));
}

/// A broker: what it has answered is on its way before it waits.
#[test]
fn answers_are_written_before_the_wait() {
    let context = Context::new();
    let router = context.socket::<Router>().unwrap();
    let bound = router.bind("tcp://127.0.0.1:*").unwrap();
    let client = thread::spawn(move || {
        let context = Context::new();
        let dealer = context.socket::<Dealer>().unwrap();
        dealer.connect(bound).unwrap();
        for _ in 0..200 {
            (0..5).for_each(|_| dealer.send("request").unwrap());
            (0..5).for_each(|_| drop(dealer.recv_timeout(PATIENCE).unwrap()));
        }
    });
    let mut poller = Poller::new();
    poller.add(&router, 0, Interest::RECV).unwrap();
    let answered = Cell::new(0);
    while answered.get() < 1000 {
        assert_eq!(found(&mut poller, PATIENCE), [(0, Interest::RECV)]);
        router.send(router.recv().unwrap()).unwrap();
        answered.set(answered.get() + 1);
    }
    client.join().unwrap();
}

/// Many peers that come and go, on all transports at once, and one thread that waits for all of its sockets.
#[test]
fn nothing_is_missed_while_peers_come_and_go() {
    const SENDERS: usize = 4;
    const ROUNDS: usize = 20;
    const MESSAGES: usize = 10;
    let context = Context::new();
    let pulls: Vec<_> = TRANSPORTS
        .map(|endpoint| {
            let pull = context.socket::<Pull>().unwrap();
            let bound = pull.bind(endpoint).unwrap();
            (pull, bound)
        })
        .into();
    let mut poller = Poller::new();
    for (key, (pull, _)) in pulls.iter().enumerate() {
        poller.add(pull, key, Interest::RECV).unwrap();
    }
    let (done, all_done) = mpsc::channel();
    for sender in 0..SENDERS {
        let (context, done) = (context.clone(), done.clone());
        let bound = pulls[sender % pulls.len()].1.clone();
        thread::spawn(move || {
            for _ in 0..ROUNDS {
                let push = context.socket::<Push>().unwrap();
                push.connect(&bound).unwrap();
                (0..MESSAGES).for_each(|_| push.send("task").unwrap());
            }
            done.send(()).unwrap();
        });
    }
    let mut received = 0;
    while received < SENDERS * ROUNDS * MESSAGES {
        let ready = found(&mut poller, PATIENCE);
        assert!(!ready.is_empty(), "{received} received");
        for (key, _) in ready {
            pulls[key].0.try_recv().unwrap();
            received += 1;
        }
    }
    (0..SENDERS).for_each(|_| all_done.recv_timeout(PATIENCE).unwrap());
}

/// The request that the application has received is the last one, whatever the poller has seen since.
#[test]
fn a_look_at_a_manual_xpub_does_not_change_whom_it_answers() {
    let context = Context::new();
    let xpub = context.socket::<XPub>().unwrap();
    xpub.set_manual_last_value(true).unwrap();
    xpub.bind("inproc://cache").unwrap();
    let subscribe = |topic: &str| {
        let sub = context.socket::<Sub>().unwrap();
        sub.subscribe(topic).unwrap();
        sub.connect("inproc://cache").unwrap();
        sub
    };
    let mut poller = Poller::new();
    poller.add(&xpub, 0, Interest::RECV).unwrap();
    let first = subscribe("topic");
    assert_eq!(found(&mut poller, PATIENCE), [(0, Interest::RECV)]);
    xpub.recv().unwrap();
    let _second = subscribe("topic");
    assert_eq!(found(&mut poller, PATIENCE), [(0, Interest::RECV)]);
    assert!(xpub.subscribe_last("topic").unwrap());
    xpub.send("topic 1").unwrap();
    assert_eq!(first.recv_timeout(PATIENCE).unwrap()[0], "topic 1");
}

#[test]
fn a_key_that_is_used_again_has_one_event() {
    let context = Context::new();
    let (push, pull) = pipeline(&context, "inproc://again");
    let mut poller = Poller::new();
    poller.add(&pull, 1, Interest::RECV).unwrap();
    push.send("task").unwrap();
    for _ in 0..3 {
        assert_eq!(now(&mut poller), [(1, Interest::RECV)]);
        assert!(poller.remove(1));
        poller.add(&pull, 1, Interest::RECV).unwrap();
        assert_eq!(now(&mut poller), [(1, Interest::RECV)]);
    }
}

#[test]
fn a_descriptor_is_not_starved_by_busy_sockets() {
    let context = Context::new();
    let (push, pull) = pipeline(&context, "inproc://busy");
    let (stream, mut other) = UnixStream::pair().unwrap();
    other.write_all(b"x").unwrap();
    let mut poller = Poller::new();
    poller.add(&pull, 0, Interest::RECV).unwrap();
    poller.add_fd(&stream, 1, Interest::RECV).unwrap();
    for _ in 0..100 {
        push.send("task").unwrap();
        assert_eq!(found(&mut poller, PATIENCE).len(), 2);
        pull.recv().unwrap();
    }
}

#[test]
fn a_mandatory_rep_whose_requester_has_gone_can_send_and_be_told_so() {
    let context = Context::new();
    let rep = context.socket::<Rep>().unwrap();
    rep.set_mandatory(true).unwrap();
    let bound = rep.bind("tcp://127.0.0.1:*").unwrap();
    let req = context.socket::<Req>().unwrap();
    req.connect(bound).unwrap();
    req.send("question").unwrap();
    rep.recv().unwrap();
    drop(req);
    let mut poller = Poller::new();
    poller.add(&rep, 0, Interest::BOTH).unwrap();
    while rep.peers() > 0 {
        thread::yield_now();
    }
    assert_eq!(found(&mut poller, PATIENCE), [(0, Interest::SEND)]);
    let refused = rep.send("answer").unwrap_err();
    assert!(matches!(refused.error, Error::Unroutable));
}

#[test]
fn a_foreign_loop_hears_of_what_is_added_and_changed() {
    let context = Context::new();
    let (push, pull) = pipeline(&context, "inproc://loop");
    push.send("task").unwrap();
    assert_eq!(pull.readiness(Interest::RECV), Interest::RECV);
    let mut poller = Poller::new();
    poller.add(&push, 0, Interest::NONE).unwrap();
    assert!(!is_readable(&mut poller, Duration::ZERO) || now(&mut poller).is_empty());
    assert!(!is_readable(&mut poller, Duration::ZERO));
    poller.add(&pull, 1, Interest::RECV).unwrap();
    assert!(is_readable(&mut poller, Duration::ZERO));
    pull.recv().unwrap();
    assert_eq!(now(&mut poller), []);
    assert!(!is_readable(&mut poller, Duration::ZERO));
    poller.modify(0, Interest::SEND).unwrap();
    assert!(is_readable(&mut poller, Duration::ZERO));
}

#[test]
fn a_question_in_between_does_not_make_a_poller_deaf() {
    let context = Context::new();
    let rep = context.socket::<Rep>().unwrap();
    rep.bind("inproc://deaf").unwrap();
    let req = context.socket::<Req>().unwrap();
    req.connect("inproc://deaf").unwrap();
    req.send("question").unwrap();
    rep.recv().unwrap();
    rep.send("answer").unwrap();
    let mut poller = Poller::new();
    poller.add(&req, 0, Interest::SEND).unwrap();
    assert_eq!(now(&mut poller), []);
    assert_eq!(req.readiness(Interest::RECV), Interest::RECV);
    req.recv().unwrap();
    assert_eq!(found(&mut poller, PATIENCE), [(0, Interest::SEND)]);
}

#[test]
fn a_relaxed_req_that_cannot_send_keeps_the_reply_that_was_found() {
    let context = Context::new();
    let rep = context.socket::<Rep>().unwrap();
    rep.bind("inproc://keeps").unwrap();
    let req = context.socket::<Req>().unwrap();
    req.set_relaxed(true).unwrap();
    req.set_correlate(true).unwrap();
    req.connect("inproc://keeps").unwrap();
    req.send("question").unwrap();
    rep.recv().unwrap();
    rep.send("answer").unwrap();
    assert_eq!(req.readiness(Interest::RECV), Interest::RECV);
    assert_eq!(req.stats().queued_in, 1);
    drop(rep);
    assert!(matches!(
        req.try_send("again").unwrap_err().error,
        Error::WouldBlock(_)
    ));
    assert_eq!(req.recv().unwrap()[0], "answer");
}

#[test]
fn what_was_found_is_not_received_once_its_topic_is_cancelled() {
    let context = Context::new();
    let publisher = context.socket::<Pub>().unwrap();
    publisher.bind("inproc://cancel").unwrap();
    let sub = context.socket::<Sub>().unwrap();
    sub.subscribe("a").unwrap();
    sub.connect("inproc://cancel").unwrap();
    publisher.wait_subscribed("a", 1, PATIENCE).unwrap();
    publisher.send("a1").unwrap();
    let mut poller = Poller::new();
    poller.add(&sub, 0, Interest::RECV).unwrap();
    assert_eq!(found(&mut poller, PATIENCE), [(0, Interest::RECV)]);
    sub.unsubscribe("a").unwrap();
    assert_eq!(now(&mut poller), []);
    assert!(matches!(sub.try_recv(), Err(Error::WouldBlock(_))));
    assert_eq!(sub.stats().dropped.not_subscribed, 1);
}

#[test]
fn a_single_wait_reports_every_descriptor() {
    let pairs: Vec<_> = (0..100).map(|_| UnixStream::pair().unwrap()).collect();
    let mut items: Vec<_> = pairs
        .iter()
        .map(|(stream, _)| PollItem::fd(stream, Interest::SEND))
        .collect();
    assert_eq!(poll(&mut items, None).unwrap(), 100);
}

/// A task that waits for the poller and tries to send on one of its sockets sleeps meanwhile.
#[test]
fn an_attempt_in_vain_does_not_wake_its_own_task() {
    let context = Context::new();
    let push = context.socket::<Push>().unwrap();
    let mut poller = Poller::new();
    poller.add(&push, 0, Interest::SEND).unwrap();
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut task = TaskContext::from_waker(&waker);
    let mut events = Events::new();
    let mut waiting = Box::pin(poller.wait_async(&mut events));
    assert!(waiting.as_mut().poll(&mut task).is_pending());
    let mut sending = Box::pin(push.send_async("task"));
    for _ in 0..3 {
        assert!(sending.as_mut().poll(&mut task).is_pending());
    }
    assert_eq!(count.0.load(Ordering::SeqCst), 0);
}
