//! The same calls as futures, on an executor of twenty lines.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context as TaskContext, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use zsocket::{Context, Error, Message, Pull, Push, Rep, Req};

use crate::support::{PATIENCE, Raw, WIRES, eventually, everywhere, spawn};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn thread_waker() -> Waker {
    Waker::from(Arc::new(Unpark(thread::current())))
}

/// Runs a future to its end on this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = thread_waker();
    loop {
        match future.as_mut().poll(&mut TaskContext::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Polls a future once and drops it.
fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let waker = thread_waker();
    match pin!(future).poll(&mut TaskContext::from_waker(&waker)) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Runs two futures of one thread, each of them polled only when it was woken itself.
fn join_two(
    first: Pin<Box<dyn Future<Output = ()> + '_>>,
    second: Pin<Box<dyn Future<Output = ()> + '_>>,
) {
    struct Flag {
        woken: std::sync::atomic::AtomicBool,
        thread: Thread,
    }
    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.woken.store(true, std::sync::atomic::Ordering::Release);
            self.thread.unpark();
        }
    }
    let mut tasks = [first, second].map(|future| {
        let flag = Arc::new(Flag {
            woken: true.into(),
            thread: thread::current(),
        });
        (Some(future), flag)
    });
    let deadline = std::time::Instant::now() + PATIENCE;
    while tasks.iter().any(|(future, _)| future.is_some()) {
        for (slot, flag) in &mut tasks {
            let Some(future) = slot else { continue };
            if !flag.woken.swap(false, std::sync::atomic::Ordering::AcqRel) {
                continue;
            }
            let waker = Waker::from(Arc::clone(flag));
            if future
                .as_mut()
                .poll(&mut TaskContext::from_waker(&waker))
                .is_ready()
            {
                *slot = None;
            }
        }
        assert!(std::time::Instant::now() < deadline, "nobody is woken");
        let idle = tasks
            .iter()
            .all(|(_, flag)| !flag.woken.load(std::sync::atomic::Ordering::Acquire));
        if idle {
            thread::park_timeout(Duration::from_millis(100));
        }
    }
}

#[test]
fn messages_pass() {
    for anywhere in everywhere() {
        let context = Context::new();
        let pull = context.build_socket::<Pull>().recv_hwm(3).build().unwrap();
        let endpoint = pull.bind(anywhere).unwrap();
        let push = context.build_socket::<Push>().send_hwm(3).build().unwrap();
        push.connect(&endpoint).unwrap();
        let sender = spawn(move || {
            block_on(async {
                for at in 0..5000u32 {
                    push.send_async(&at.to_be_bytes()).await.unwrap();
                }
            });
        });
        block_on(async {
            for at in 0..5000u32 {
                assert_eq!(pull.recv_async().await.unwrap()[0], at.to_be_bytes());
            }
        });
        sender.join();
    }
}

#[test]
fn requests_and_replies_pass() {
    for anywhere in everywhere() {
        let context = Context::new();
        let rep = context.socket::<Rep>().unwrap();
        let endpoint = rep.bind(anywhere).unwrap();
        let req = context.socket::<Req>().unwrap();
        req.connect(&endpoint).unwrap();
        let server = spawn(move || {
            block_on(async {
                for _ in 0..500 {
                    let request = rep.recv_async().await.unwrap();
                    rep.send_async(request).await.unwrap();
                }
            });
        });
        block_on(async {
            for at in 0..500u32 {
                req.send_async(&at.to_be_bytes()).await.unwrap();
                assert!(matches!(
                    req.send_async("too early").await.unwrap_err().error,
                    Error::WrongState(_)
                ));
                assert_eq!(req.recv_async().await.unwrap()[0], at.to_be_bytes());
            }
        });
        server.join();
    }
}

#[test]
fn a_dropped_receiver_has_taken_nothing() {
    for anywhere in everywhere() {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let endpoint = pull.bind(anywhere).unwrap();
        let push = context.socket::<Push>().unwrap();
        push.connect(&endpoint).unwrap();
        let sender = spawn(move || {
            for at in 0..2000u32 {
                push.send(at.to_be_bytes()).unwrap();
                if at % 50 == 0 {
                    thread::yield_now();
                }
            }
            push
        });
        let mut next = 0u32;
        let mut dropped = 0u32;
        while next < 2000 {
            // Each future is polled once only; most of the time that is too early.
            match poll_once(pull.recv_async()) {
                Some(message) => {
                    assert_eq!(message.unwrap()[0], next.to_be_bytes());
                    next += 1;
                }
                None => {
                    dropped += 1;
                    // Whatever the dropped one had registered, another way to wait works.
                    let message = match dropped % 3 {
                        0 => pull.recv_timeout(PATIENCE),
                        1 => block_on(pull.recv_async()),
                        _ => continue,
                    };
                    assert_eq!(message.unwrap()[0], next.to_be_bytes());
                    next += 1;
                }
            }
        }
        assert!(pull.try_recv().is_err());
        sender.join();
    }
}

#[test]
fn a_dropped_sender_has_sent_nothing() {
    for anywhere in everywhere() {
        let context = Context::new();
        let pull = context.build_socket::<Pull>().recv_hwm(1).build().unwrap();
        let endpoint = pull.bind(anywhere).unwrap();
        let push = context.build_socket::<Push>().send_hwm(1).build().unwrap();
        push.connect(&endpoint).unwrap();
        let receiver = spawn(move || {
            let mut received = Vec::new();
            loop {
                let message = pull.recv_timeout(PATIENCE).unwrap();
                if message[0] == "end" {
                    return received;
                }
                let number = u32::from_be_bytes(message[0][..4].try_into().unwrap());
                received.push(number);
            }
        });
        let mut sent = Vec::new();
        for at in 0..2000u32 {
            let mut body = vec![0; 2000];
            body[..4].copy_from_slice(&at.to_be_bytes());
            match poll_once(push.send_async(body)) {
                Some(result) => {
                    result.unwrap();
                    sent.push(at);
                }
                None => thread::yield_now(),
            }
        }
        block_on(push.send_async("end")).unwrap();
        assert_eq!(receiver.join(), sent);
    }
}

#[test]
fn a_dropped_future_leaves_no_waker_behind() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let push = context.socket::<Push>().unwrap();
    let unpark = Arc::new(Unpark(thread::current()));
    let waker = Waker::from(Arc::clone(&unpark));
    let mut cx = TaskContext::from_waker(&waker);
    {
        let mut stays = pin!(pull.recv_async());
        assert!(stays.as_mut().poll(&mut cx).is_pending());
        // The same again has one place.
        assert!(stays.as_mut().poll(&mut cx).is_pending());
        for _ in 0..100 {
            assert!(pin!(pull.recv_async()).poll(&mut cx).is_pending());
            assert!(pin!(push.send_async("x")).poll(&mut cx).is_pending());
        }
        // Here, in the first one's place, and where it came from.
        assert_eq!(Arc::strong_count(&unpark), 3);
    }
    assert_eq!(Arc::strong_count(&unpark), 2);
}

/// The timeouts are of those who block.
#[test]
fn futures_never_give_up() {
    for timeout in [Duration::ZERO, Duration::from_millis(1)] {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let push = context.socket::<Push>().unwrap();
        pull.set_recv_timeout(Some(timeout)).unwrap();
        push.set_send_timeout(Some(timeout)).unwrap();
        let waker = thread_waker();
        let mut cx = TaskContext::from_waker(&waker);
        let mut receiving = pin!(pull.recv_async());
        let mut sending = pin!(push.send_async("late"));
        for _ in 0..3 {
            assert!(receiving.as_mut().poll(&mut cx).is_pending());
            assert!(sending.as_mut().poll(&mut cx).is_pending());
            // For as long as the timeouts say.
            assert!(matches!(pull.recv(), Err(Error::WouldBlock(_))));
            let refused = push.send("x").unwrap_err().error;
            assert!(matches!(refused, Error::WouldBlock(_)));
        }
        pull.bind("inproc://late").unwrap();
        push.connect("inproc://late").unwrap();
        block_on(sending).unwrap();
        assert_eq!(block_on(receiving).unwrap()[0], "late");
    }
}

#[test]
fn two_tasks_on_one_socket_are_both_woken() {
    for wire in WIRES {
        let context = Context::new();
        let req = context.socket::<Pull>().unwrap();
        let endpoint = req.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "PUSH");
        eventually("the peer", || req.peers() == 1);
        let sender = spawn(move || {
            for _ in 0..1000 {
                raw.send(&[b"one"]);
                thread::yield_now();
            }
            raw
        });
        // The two share what comes; each one that is left waiting must be woken.
        let left = std::cell::Cell::new(1000);
        let receive = || {
            Box::pin(async {
                while left.get() > 1 {
                    left.set(left.get() - 1);
                    req.recv_async().await.unwrap();
                }
            })
        };
        join_two(receive(), receive());
        sender.join();
    }
}

#[test]
fn one_task_that_sends_and_one_that_receives() {
    let context = Context::new();
    let rep = context.socket::<Rep>().unwrap();
    rep.bind("inproc://two-tasks").unwrap();
    let req = context.socket::<Req>().unwrap();
    req.connect("inproc://two-tasks").unwrap();
    let turn = async {
        for at in 0..500u32 {
            req.send_async(&at.to_be_bytes()).await.unwrap();
            assert_eq!(req.recv_async().await.unwrap()[0], at.to_be_bytes());
        }
    };
    let serve = async {
        for _ in 0..500 {
            let request: Message = rep.recv_async().await.unwrap();
            rep.send_async(request).await.unwrap();
        }
    };
    join_two(Box::pin(turn), Box::pin(serve));
}
