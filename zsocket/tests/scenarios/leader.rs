//! A foreign event loop leads: by hand, tokio's, and async-io's.

use std::{
    future::{Future, poll_fn},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    task::{Context as TaskContext, Wake, Waker},
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zsocket::{
    AsyncSocket, Bytes, Context, Dispatched, Endpoint, Error, Leader, Message, Pull, Push, Rep,
    Req, Socket,
};

use crate::{
    executors::{Executor, Task},
    support::{PATIENCE, Raw, WIRES, Wire, eventually, spawn},
};

/// Has the executor lead this context.
fn lead(executor: Executor, context: &Context) -> Task<Error> {
    let leader = context.lead().unwrap();
    match executor {
        Executor::Tokio | Executor::TokioOnOneThread => executor.spawn(leader.on_tokio().unwrap()),
        Executor::Smol => executor.spawn(leader.on_async_io().unwrap()),
    }
}

/// Answers whatever comes, until its context is shut down.
async fn echo(mut rep: AsyncSocket<Rep>) {
    while let Ok(request) = rep.recv().await {
        if rep.send(request).await.is_err() {
            return;
        }
    }
}

async fn round_trips(req: &mut AsyncSocket<Req>, numbers: std::ops::Range<u32>) {
    for number in numbers {
        req.send(&number.to_be_bytes()).await.unwrap();
        assert_eq!(req.recv().await.unwrap()[0], number.to_be_bytes());
    }
}

#[test]
fn requests_are_answered() {
    for (executor, wire) in Executor::ALL
        .into_iter()
        .flat_map(|executor| WIRES.map(|wire| (executor, wire)))
    {
        executor.run(async {
            let context = Context::new();
            let driver = lead(executor, &context);
            let rep = context.async_socket::<Rep>().unwrap();
            let endpoint = rep.bind(wire.anywhere()).unwrap();
            let server = executor.spawn(echo(rep));
            let mut req = context.async_socket::<Req>().unwrap();
            req.connect(&endpoint).unwrap();
            round_trips(&mut req, 0..500).await;
            context.shutdown();
            server.await;
            drop((req, context));
            assert!(matches!(driver.await, Error::Terminated));
        });
    }
}

/// Messages of every size, so that streams are full and pipes too.
#[test]
fn a_stream_of_messages_arrives_whole_and_in_order() {
    for (executor, wire) in Executor::ALL
        .into_iter()
        .flat_map(|executor| WIRES.map(|wire| (executor, wire)))
    {
        const MESSAGES: usize = 3000;
        let body = Bytes::from(vec![7; 1 << 20]);
        let size = |at: usize| (1 << (at % 20)) + at % 3;
        executor.run(async {
            let context = Context::new();
            let _driver = lead(executor, &context);
            let mut pull = context.async_socket::<Pull>().unwrap();
            let endpoint = pull.bind(wire.anywhere()).unwrap();
            let mut push = context.async_socket::<Push>().unwrap();
            push.connect(&endpoint).unwrap();
            let sender = executor.spawn(async move {
                for at in 0..MESSAGES {
                    push.send(body.slice(..size(at))).await.unwrap();
                }
                push
            });
            let mut message = Message::new();
            for at in 0..MESSAGES {
                pull.recv_into(&mut message).await.unwrap();
                assert_eq!(message[0].as_slice().len(), size(at));
            }
            drop(sender.await);
        });
    }
}

/// The flood comes over a stream that this thread reads itself, and its own timer goes on.
#[test]
fn a_ticker_goes_on_beside_a_flood() {
    for executor in [Executor::TokioOnOneThread, Executor::Smol] {
        let stop = Arc::new(AtomicBool::new(false));
        let context = Context::new();
        let mut pull = context.async_socket::<Pull>().unwrap();
        let endpoint = pull.bind(Wire::Tcp.anywhere()).unwrap();
        let stopped = Arc::clone(&stop);
        let sender = spawn(move || {
            let context = Context::new();
            let push = context.socket::<Push>().unwrap();
            push.set_linger(Some(Duration::ZERO)).unwrap();
            push.connect(&endpoint).unwrap();
            while !stopped.load(Ordering::Relaxed) {
                let _ = push.send_timeout("flood", Duration::from_millis(10));
            }
        });
        executor.run(async {
            let _driver = lead(executor, &context);
            let received = Arc::new(AtomicU32::new(0));
            let counted = Arc::clone(&received);
            let stopped = Arc::clone(&stop);
            let receiver = executor.spawn(async move {
                while !stopped.load(Ordering::Relaxed) {
                    pull.recv().await.unwrap();
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
            let (mut ticks, mut last) = (0, 0);
            // Ticks between which something came, so that the flood is there.
            while ticks < 50 {
                match executor {
                    Executor::Smol => drop(smol::Timer::after(Duration::from_millis(1)).await),
                    _ => tokio::time::sleep(Duration::from_millis(1)).await,
                }
                let now = received.load(Ordering::Relaxed);
                ticks += u32::from(now != last);
                last = now;
            }
            stop.store(true, Ordering::Relaxed);
            receiver.await;
        });
        sender.join();
    }
}

/// The runtime's only thread waits for what has to be read by somebody: a connection that is made meanwhile.
#[test]
fn the_io_thread_takes_over_from_a_runtime_that_is_blocked() {
    for executor in [Executor::TokioOnOneThread, Executor::Smol] {
        executor.run(async {
            let context = Context::new();
            let _driver = lead(executor, &context);
            let rep = context.async_socket::<Rep>().unwrap();
            let endpoint = rep.bind(Wire::Tcp.anywhere()).unwrap();
            let server = executor.spawn(echo(rep));
            let mut req = context.async_socket::<Req>().unwrap();
            req.connect(&endpoint).unwrap();
            let pull = context.socket::<Pull>().unwrap();
            let to_pull = pull.bind(Wire::Ipc.anywhere()).unwrap();
            for round in 0..20 {
                round_trips(&mut req, round * 10..round * 10 + 10).await;
                let push = context.socket::<Push>().unwrap();
                push.connect(&to_pull).unwrap();
                push.send(round.to_be_bytes()).unwrap();
                // This blocks.
                let message = pull.recv_timeout(PATIENCE).unwrap();
                assert_eq!(message[0], round.to_be_bytes());
            }
            context.shutdown();
            server.await;
        });
    }
}

/// It blocks for its sockets to be sent, and for the end of the I/O thread.
#[test]
fn a_context_may_end_on_the_only_thread_of_its_leader() {
    for executor in Executor::ALL {
        let outside = Context::new();
        let pull = outside.socket::<Pull>().unwrap();
        let endpoint = pull.bind(Wire::Tcp.anywhere()).unwrap();
        executor.run(async {
            let context = Context::new();
            let driver = lead(executor, &context);
            let push = context.socket::<Push>().unwrap();
            push.connect(&endpoint).unwrap();
            push.send("the last words").unwrap();
            drop((push, context));
            assert!(matches!(driver.await, Error::Terminated));
        });
        let message = pull.recv_timeout(PATIENCE).unwrap();
        assert_eq!(message[0], "the last words");
    }
}

#[test]
fn a_driver_may_be_dropped_and_replaced_at_any_time() {
    for executor in [Executor::Tokio, Executor::TokioOnOneThread] {
        executor.run(async {
            let context = Context::new();
            let rep = context.async_socket::<Rep>().unwrap();
            let endpoint = rep.bind(Wire::Tcp.anywhere()).unwrap();
            let server = executor.spawn(echo(rep));
            let mut req = context.async_socket::<Req>().unwrap();
            req.connect(&endpoint).unwrap();
            for round in 0..50 {
                let driver = tokio::spawn(context.lead().unwrap().on_tokio().unwrap());
                round_trips(&mut req, 0..round).await;
                driver.abort();
                assert!(driver.await.unwrap_err().is_cancelled());
                // The I/O thread leads.
                round_trips(&mut req, 0..5).await;
            }
            context.shutdown();
            server.await;
        });
    }
    // Before its first poll.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let context = Context::new();
    drop(context.lead().unwrap().on_tokio().unwrap());
    drop(context.lead().unwrap().on_async_io().unwrap());
    exchange(&context);
}

/// A message goes through, by blocking calls.
fn exchange(context: &Context) {
    let pull = context.socket::<Pull>().unwrap();
    let endpoint = pull.bind(Wire::Tcp.anywhere()).unwrap();
    let push = context.socket::<Push>().unwrap();
    push.connect(&endpoint).unwrap();
    push.send("hello").unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "hello");
}

#[test]
fn a_runtime_may_end_before_the_context() {
    let context = Context::new();
    for threads in [1, 2] {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            tokio::spawn(context.lead().unwrap().on_tokio().unwrap());
            let mut pull = context.async_socket::<Pull>().unwrap();
            let endpoint = pull.bind(Wire::Tcp.anywhere()).unwrap();
            let mut push = context.async_socket::<Push>().unwrap();
            push.connect(&endpoint).unwrap();
            push.send("hello").await.unwrap();
            assert_eq!(pull.recv().await.unwrap()[0], "hello");
        });
        drop(runtime);
        exchange(&context);
    }
}

#[test]
fn there_is_one_leader_for_each_io_thread() {
    let with = |threads| Context::builder().io_threads(threads).build().unwrap();
    assert!(matches!(with(0).lead(), Err(Error::NoIoThread)));
    for threads in [1, 2] {
        let context = with(threads);
        let mut leaders: Vec<Leader> = (0..threads).map(|_| context.lead().unwrap()).collect();
        assert!(matches!(context.lead(), Err(Error::Led)));
        leaders.pop();
        leaders.push(context.lead().unwrap());
        assert!(matches!(context.lead(), Err(Error::Led)));
        // Nobody dispatches, and everything works.
        exchange(&context);
    }
}

/// Two I/O threads, led by two runtimes.
#[test]
fn each_runtime_may_lead_a_part() {
    let context = Context::builder().io_threads(2).build().unwrap();
    let pull = context.socket::<Pull>().unwrap();
    let endpoint = pull.bind(Wire::Tcp.anywhere()).unwrap();
    let senders = [0, 1].map(|_| {
        let (context, endpoint) = (context.clone(), endpoint.clone());
        spawn(move || {
            Executor::TokioOnOneThread.run(async {
                let _driver = lead(Executor::TokioOnOneThread, &context);
                let mut push = context.async_socket::<Push>().unwrap();
                push.connect(&endpoint).unwrap();
                for _ in 0..5000 {
                    push.send("x").await.unwrap();
                }
            });
        })
    });
    for _ in 0..10_000 {
        pull.recv_timeout(PATIENCE).unwrap();
    }
    for sender in senders {
        sender.join();
    }
}

// ---- By hand ----

/// Waits for the descriptor and dispatches, once.
fn dispatch(leader: &Leader, budget: usize) -> Result<Dispatched, Error> {
    let patience = Timespec {
        tv_sec: i64::try_from(PATIENCE.as_secs()).unwrap(),
        tv_nsec: 0,
    };
    let readable = poll(&mut [PollFd::new(leader, PollFlags::IN)], Some(&patience));
    assert_eq!(readable, Ok(1), "nothing is reported");
    leader.dispatch(budget)
}

/// Dispatches until that is so.
fn dispatch_until(leader: &Leader, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let soon = Timespec {
        tv_sec: 0,
        tv_nsec: 1_000_000,
    };
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain");
        poll(&mut [PollFd::new(leader, PollFlags::IN)], Some(&soon)).unwrap();
        while leader.dispatch(64).unwrap() == Dispatched::More {}
    }
}

/// Notes on which thread it was woken.
#[derive(Default)]
struct Woken(Mutex<Option<ThreadId>>);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap() = Some(thread::current().id());
    }
}

/// Waits as a task for the message that the peer sends meanwhile, and says on which thread the task was woken.
fn woken_on(leader: &Leader, pull: &mut AsyncSocket<Pull>, peer: &mut Raw) -> Option<ThreadId> {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut message = Message::new();
    let mut cx = TaskContext::from_waker(&waker);
    assert!(pull.poll_recv_into(&mut cx, &mut message).is_pending());
    peer.send(&[b"hello"]);
    dispatch_until(leader, || {
        pull.poll_recv_into(&mut cx, &mut message).is_ready()
    });
    assert_eq!(message[0], "hello");
    *woken.0.lock().unwrap()
}

/// A socket with a peer made by hand.
fn pull_from(context: &Context, wire: Wire) -> (AsyncSocket<Pull>, Raw, Endpoint) {
    let pull = context.async_socket::<Pull>().unwrap();
    let endpoint = pull.bind(wire.anywhere()).unwrap();
    // Somebody takes over, if need be.
    let peer = Raw::connect_as(&endpoint, "PUSH");
    (pull, peer, endpoint)
}

/// One hop: who dispatches has read it.
#[test]
fn tasks_are_woken_on_the_thread_that_leads() {
    for wire in WIRES {
        let context = Context::new();
        let leader = context.lead().unwrap();
        let (mut pull, mut peer, _) = pull_from(&context, wire);
        // If this thread has to wait for a core, the I/O thread does it.
        eventually("woken here", || {
            woken_on(&leader, &mut pull, &mut peer) == Some(thread::current().id())
        });
    }
}

#[test]
fn the_lead_lapses_and_comes_back() {
    let context = Context::new();
    let leader = context.lead().unwrap();
    for _ in 0..5 {
        let before = leader.lapses();
        eventually("a lapse", || {
            // It asks for the lead if it has lapsed already.
            leader.dispatch(64).unwrap();
            // Now nobody dispatches.
            exchange(&context);
            leader.lapses() > before
        });
        let (mut pull, mut peer, _) = pull_from(&context, Wire::Tcp);
        eventually("woken here", || {
            woken_on(&leader, &mut pull, &mut peer) == Some(thread::current().id())
        });
    }
}

/// Also while nothing else happens, and while this thread sleeps.
#[test]
fn timers_go_on() {
    let context = Context::new();
    let leader = context.lead().unwrap();
    // A peer that says nothing is given up in time.
    let pull = context.build_socket::<Pull>();
    let pull = (pull.handshake_interval(Some(Duration::from_millis(20))))
        .build()
        .unwrap();
    let endpoint = pull.bind(Wire::Tcp.anywhere()).unwrap();
    let mut silent = Raw::connect(&endpoint);
    dispatch_until(&leader, || pull.stats().connections.handshake_timeout > 0);
    silent.expect_close();
}

#[test]
fn any_number_of_threads_may_dispatch() {
    let context = Context::new();
    let leader = Arc::new(context.lead().unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let loops = [0, 1, 2].map(|_| {
        let (leader, stop) = (Arc::clone(&leader), Arc::clone(&stop));
        spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                // At the end the descriptor is not readable.
                let soon = Timespec {
                    tv_sec: 0,
                    tv_nsec: 1_000_000,
                };
                poll(&mut [PollFd::new(&*leader, PollFlags::IN)], Some(&soon)).unwrap();
                leader.dispatch(1).unwrap();
            }
        })
    });
    let pull = context.socket::<Pull>().unwrap();
    let endpoint = pull.bind(Wire::Ipc.anywhere()).unwrap();
    let pushes = [0, 1].map(|_| {
        let push = context.socket::<Push>().unwrap();
        push.connect(&endpoint).unwrap();
        push
    });
    for round in 0..300 {
        for push in &pushes {
            (0..round).for_each(|_| push.send("x").unwrap());
        }
        for _ in 0..2 * round {
            pull.recv_timeout(PATIENCE).unwrap();
        }
    }
    stop.store(true, Ordering::Relaxed);
    for dispatcher in loops {
        dispatcher.join();
    }
}

/// The loop is told when the context ends, and not before.
#[test]
fn the_end_of_the_context_is_reported() {
    let context = Context::new();
    let leader = context.lead().unwrap();
    exchange(&context);
    context.shutdown();
    leader.dispatch(64).unwrap();
    let end = spawn(move || drop(context));
    let ended = loop {
        match dispatch(&leader, 64) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(ended, Error::Terminated));
    assert!(matches!(leader.dispatch(1), Err(Error::Terminated)));
    end.join();
}

struct Code<F: Fn() + Send + Sync>(F);

impl<F: Fn() + Send + Sync> Wake for Code<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

/// Has the waker woken by whatever comes next.
fn wait_with(pull: &Socket<Pull>, waker: &Waker) {
    let mut receiving = Box::pin(pull.recv_async());
    let polled = (receiving.as_mut()).poll(&mut TaskContext::from_waker(waker));
    assert!(polled.is_pending());
    // Dropped, it would take the waker with it.
    std::mem::forget(receiving);
}

/// It runs when nothing is held: another dispatch goes on, and the context may end.
#[test]
fn a_waker_may_dispatch_and_drop_the_last_context() {
    for _ in 0..5 {
        let context = Context::new();
        let leader = Arc::new(context.lead().unwrap());
        let pull = context.socket::<Pull>().unwrap();
        let endpoint = pull.bind(Wire::Tcp.anywhere()).unwrap();
        let mut peer = Raw::connect_as(&endpoint, "PUSH");
        pull.wait_connected(1, PATIENCE).unwrap();
        let (done, dropped) = mpsc::channel();
        let owned = Arc::new(Mutex::new(None));
        let in_waker = (Arc::clone(&owned), Arc::clone(&leader));
        let waker = Waker::from(Arc::new(Code(move || {
            let (owned, leader) = &in_waker;
            let dispatched = leader.dispatch(64).is_ok();
            // The first wake-up may come before there is something to drop.
            let owned = owned.lock().unwrap().take();
            if owned.is_some() {
                drop(owned);
                done.send(dispatched).unwrap();
            }
        })));
        wait_with(&pull, &waker);
        *owned.lock().unwrap() = Some((pull, context));
        peer.send(&[b"wake up"]);
        let dispatcher = spawn(move || while dispatch(&leader, 64).is_ok() {});
        assert!(dropped.recv_timeout(PATIENCE).expect("it waits"));
        peer.expect_close();
        dispatcher.join();
    }
}

#[test]
fn a_waker_that_panics_is_counted_and_costs_nothing_else() {
    let context = Context::new();
    let leader = context.lead().unwrap();
    let (pull, mut peer, _) = pull_from(&context, Wire::Tcp);
    let pull = pull.into_socket();
    pull.wait_connected(1, PATIENCE).unwrap();
    let here = thread::current().id();
    // If this thread is too slow, the I/O thread catches and counts it.
    eventually("a panic here", || {
        let waker = Waker::from(Arc::new(Code(move || {
            assert_ne!(thread::current().id(), here, "on purpose");
        })));
        wait_with(&pull, &waker);
        peer.send(&[b"hello"]);
        dispatch_until(&leader, || pull.try_recv().is_ok());
        leader.foreign_panics() > 0
    });
    exchange(&context);
}

#[test]
fn a_poll_function_is_enough_for_a_loop() {
    // What a library for glib or libuv would do, on an executor of one's own.
    let context = Context::new();
    let leader = context.lead().unwrap();
    let mut pull = context.async_socket::<Pull>().unwrap();
    let endpoint = pull.bind(Wire::Tcp.anywhere()).unwrap();
    let mut push = context.async_socket::<Push>().unwrap();
    push.connect(&endpoint).unwrap();
    let mut tasks = Box::pin(async move {
        for _ in 0..1000 {
            push.send("x").await.unwrap();
            poll_fn(|cx| pull.poll_recv(cx)).await.unwrap();
        }
    });
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = TaskContext::from_waker(&waker);
    dispatch_until(&leader, || tasks.as_mut().poll(&mut cx).is_ready());
}
