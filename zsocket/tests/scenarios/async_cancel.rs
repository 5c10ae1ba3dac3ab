//! Futures that are dropped at every poll: nothing is lost, nothing comes twice, nothing is kept.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context as TaskContext, Poll, Wake, Waker},
};

use futures_util::{SinkExt, StreamExt};
use zsocket::{
    AsyncReceiver, AsyncSender, AsyncSocket, Context, Message, Pair, Pull, Push, Router,
};

use crate::{
    futures::block_on,
    support::{PATIENCE, eventually, everywhere},
};

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A task's handle, which counts how often it was woken.
#[derive(Default)]
struct Task(AtomicU32);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

impl Task {
    fn woken(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
}

/// Polls a future so many times, each time as another task, and drops it. Before poll number `at` this happens, and if a task
/// waits by then, it is woken for that. The last task may be kept by polls that are no future's.
fn poll_and_drop<T>(
    kept: usize,
    mut future: Boxed<'_, T>,
    polls: u32,
    at: u32,
    mut happens: impl FnMut(),
) -> Option<T> {
    let mut tasks: Vec<Arc<Task>> = Vec::new();
    let mut result = None;
    for number in 0..polls {
        if number == at {
            happens();
            if let Some(task) = tasks.last() {
                eventually("the task is woken", || task.woken() > 0);
            }
        }
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        tasks.push(task);
        if let Poll::Ready(ready) = future.as_mut().poll(&mut TaskContext::from_waker(&waker)) {
            result = Some(ready);
            break;
        }
    }
    drop(future);
    let keeping = || {
        tasks
            .iter()
            .map(|task| Arc::strong_count(task) - 1)
            .sum::<usize>()
    };
    // Whoever was about to wake one lets go of it soon.
    eventually("nobody keeps the task", || {
        keeping() <= if result.is_some() { 0 } else { kept }
    });
    result
}

const POLLS: u32 = 4;

/// For each number of polls, and each of them as that before which it happens.
fn all(mut test: impl FnMut(u32, u32)) {
    for polls in 0..=POLLS {
        for at in 0..=polls {
            test(polls, at);
        }
    }
}

fn number(message: &Message) -> u32 {
    u32::from_be_bytes(message[0].as_ref().try_into().unwrap())
}

type Receive<R> = fn(&mut R) -> Boxed<'_, u32>;

/// Each way to receive.
macro_rules! receives {
    ($receiver:ty) => {{
        let ways: [Receive<$receiver>; 4] = [
            |socket| Box::pin(async { number(&socket.recv().await.unwrap()) }),
            |socket| {
                Box::pin(async {
                    let mut message = Message::new();
                    socket.recv_into(&mut message).await.unwrap();
                    number(&message)
                })
            },
            |socket| Box::pin(async { number(&socket.recv_from().await.unwrap().0) }),
            |socket| Box::pin(async { number(&socket.next().await.unwrap().unwrap()) }),
        ];
        ways
    }};
}

fn dropped_receivers<R>(receiver: &mut R, push: &mut AsyncSocket<Pair>, ways: [Receive<R>; 4]) {
    let (mut sent, mut received) = (0, 0);
    for (kept, way) in [0, 0, 0, 1].into_iter().zip(ways) {
        all(|polls, at| {
            let mut send = || {
                sent += 1;
                block_on(push.send(&u32::to_be_bytes(sent))).unwrap();
            };
            let result = poll_and_drop(kept, way(receiver), polls, at, &mut send);
            if at >= polls {
                send();
            }
            if let Some(number) = result {
                received += 1;
                assert_eq!(number, received, "{polls} polls, sent before {at}");
            }
            while received < sent {
                received += 1;
                assert_eq!(
                    block_on(way(receiver)),
                    received,
                    "{polls} polls, sent before {at}"
                );
            }
        });
    }
}

fn pair(anywhere: &str) -> [AsyncSocket<Pair>; 2] {
    let context = Context::new();
    let [first, second] = [(); 2].map(|()| context.async_socket::<Pair>().unwrap());
    second.connect(first.bind(anywhere).unwrap()).unwrap();
    [first, second]
}

#[test]
fn a_receiver_that_is_dropped_has_received_nothing() {
    for anywhere in everywhere() {
        let [mut receiver, mut sender] = pair(anywhere);
        dropped_receivers(&mut receiver, &mut sender, receives!(AsyncSocket<Pair>));
        let (mut half, _other) = receiver.split();
        dropped_receivers(&mut half, &mut sender, receives!(AsyncReceiver<Pair>));
    }
}

type SendText<S> = for<'a> fn(&'a mut S, &'static str) -> Boxed<'a, ()>;

/// Each way to send.
macro_rules! sends {
    ($sender:ty) => {{
        let ways: [SendText<$sender>; 3] = [
            |socket, text| Box::pin(async move { socket.send(text).await.unwrap() }),
            |socket, text| Box::pin(async move { socket.send([text, text]).await.unwrap() }),
            |socket, text| {
                Box::pin(async move {
                    // What a sink accepts it keeps; so this accepts only what has room.
                    let mut message = Message::from(text);
                    std::future::poll_fn(|cx| socket.poll_send(cx, &mut message))
                        .await
                        .unwrap();
                })
            },
        ];
        ways
    }};
}

/// A sender that has no peer yet, and `bind` makes it.
fn dropped_senders<S>(
    anywhere: &str,
    ways: [SendText<S>; 3],
    halve: impl Fn(AsyncSocket<Pair>) -> (S, Option<AsyncReceiver<Pair>>),
) {
    for (kept, way) in [0, 0, 1].into_iter().zip(ways) {
        all(|polls, at| {
            let context = Context::new();
            let socket = context.async_socket::<Pair>().unwrap();
            let endpoint = socket.bind(anywhere).unwrap();
            let (mut sender, _half) = halve(socket);
            let receiver = context.socket::<Pair>().unwrap();
            let mut connect = || receiver.connect(&endpoint).unwrap();
            let sent = poll_and_drop(kept, way(&mut sender, "once"), polls, at, &mut connect);
            if at >= polls {
                connect();
            }
            block_on(way(&mut sender, "end"));
            if sent.is_some() {
                assert_eq!(receiver.recv_timeout(PATIENCE).unwrap()[0], "once");
            }
            assert_eq!(receiver.recv_timeout(PATIENCE).unwrap()[0], "end");
            receiver.try_recv().unwrap_err();
        });
    }
}

#[test]
fn a_sender_that_is_dropped_has_sent_all_or_nothing() {
    for anywhere in everywhere() {
        dropped_senders(anywhere, sends!(AsyncSocket<Pair>), |socket| (socket, None));
        dropped_senders(anywhere, sends!(AsyncSender<Pair>), |socket| {
            let (receiver, sender) = socket.split();
            (sender, Some(receiver))
        });
    }
}

/// A sink keeps what it has accepted, so dropping the future that flushes it loses nothing.
#[test]
fn a_flush_that_is_dropped_loses_nothing() {
    for anywhere in everywhere() {
        all(|polls, at| {
            let context = Context::new();
            let mut sender = context.async_socket::<Pair>().unwrap();
            let endpoint = sender.bind(anywhere).unwrap();
            let receiver = context.socket::<Pair>().unwrap();
            block_on(sender.feed(Message::from("once"))).unwrap();
            let flush = Box::pin(async { sender.flush().await.unwrap() });
            let mut connect = || receiver.connect(&endpoint).unwrap();
            poll_and_drop(1, flush, polls, at, &mut connect);
            if at >= polls {
                connect();
            }
            block_on(sender.send("end")).unwrap();
            assert_eq!(receiver.recv_timeout(PATIENCE).unwrap()[0], "once");
            assert_eq!(receiver.recv_timeout(PATIENCE).unwrap()[0], "end");
        });
    }
}

#[test]
fn a_dropped_answer_to_a_peer_is_sent_or_not() {
    all(|polls, at| {
        let context = Context::new();
        let router = context
            .build_socket::<Router>()
            .send_hwm(1)
            .build()
            .unwrap();
        router.bind("inproc://answers").unwrap();
        let mut router = router.into_async();
        let dealer = context
            .build_socket::<zsocket::Dealer>()
            .recv_hwm(1)
            .build()
            .unwrap();
        dealer.connect("inproc://answers").unwrap();
        dealer.send("hello").unwrap();
        let (_, peer) = block_on(router.recv_from()).unwrap();
        let mut sent = 0;
        while router.try_send_to(peer, "x").is_ok() {
            sent += 1;
        }
        let mut received = 0;
        let mut receive = || {
            while dealer.try_recv().is_ok() {
                received += 1;
            }
        };
        let answer = Box::pin(async { router.send_to(peer, "x").await.unwrap() });
        if poll_and_drop(0, answer, polls, at, &mut receive).is_some() {
            sent += 1;
        }
        receive();
        assert_eq!(received, sent, "{polls} polls, room before {at}");
    });
}

#[test]
fn a_wait_for_peers_that_is_dropped_leaves_nothing() {
    for anywhere in everywhere() {
        all(|polls, at| {
            let context = Context::new();
            let mut push = context.async_socket::<Push>().unwrap();
            let endpoint = push.bind(anywhere).unwrap();
            let pull = context.socket::<Pull>().unwrap();
            let waits = Box::pin(async { push.connected(1).await.unwrap() });
            poll_and_drop(0, waits, polls, at, || pull.connect(&endpoint).unwrap());
            if at >= polls {
                pull.connect(&endpoint).unwrap();
            }
            block_on(push.connected(1)).unwrap();
        });
    }
}

/// A receiver that is never signalled, and a sender without room.
#[test]
fn thousands_of_dropped_futures_leave_nothing() {
    let context = Context::new();
    let [mut first, mut second] = [(); 2].map(|()| context.async_socket::<Pair>().unwrap());
    let mut tasks: Vec<Weak<Task>> = Vec::new();
    for _ in 0..5000 {
        let task = Arc::new(Task::default());
        tasks.push(Arc::downgrade(&task));
        let waker = Waker::from(task);
        let mut cx = TaskContext::from_waker(&waker);
        assert!(Box::pin(first.recv()).as_mut().poll(&mut cx).is_pending());
        assert!(
            Box::pin(second.send("x"))
                .as_mut()
                .poll(&mut cx)
                .is_pending()
        );
        assert!(Box::pin(second.next()).as_mut().poll(&mut cx).is_pending());
    }
    // The stream's task waits on, since it may be polled without a future: the last one.
    drop(tasks.pop());
    assert!(tasks.iter().all(|task| task.strong_count() == 0));
}

/// Polled without a future, a socket keeps the last task of each direction, and lets go of it when there is what it waits for.
#[test]
fn a_poll_keeps_one_task() {
    let [mut receiver, mut sender] = pair("inproc://poll");
    let tasks = [(); 3].map(|()| Arc::new(Task::default()));
    for task in &tasks {
        let waker = Waker::from(Arc::clone(task));
        assert!(
            receiver
                .poll_recv(&mut TaskContext::from_waker(&waker))
                .is_pending()
        );
    }
    let kept = |task: &Arc<Task>| Arc::strong_count(task) - 1;
    assert_eq!(tasks.each_ref().map(kept), [0, 0, 1]);
    sender.try_send("x").unwrap();
    assert_eq!(tasks.each_ref().map(|task| task.woken()), [0, 0, 1]);
    let noop = &mut TaskContext::from_waker(Waker::noop());
    assert!(receiver.poll_recv(noop).is_ready());
    let waker = Waker::from(Arc::clone(&tasks[0]));
    assert!(
        receiver
            .poll_recv(&mut TaskContext::from_waker(&waker))
            .is_pending()
    );
    drop(waker);
    // A future takes its place.
    assert!(Box::pin(receiver.recv()).as_mut().poll(noop).is_pending());
    assert_eq!(tasks.each_ref().map(kept), [0, 0, 0]);
}
