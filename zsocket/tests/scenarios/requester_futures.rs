//! Requests as futures: many tasks on one socket, deadlines without a thread, and futures that are dropped.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context as TaskContext, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use zsocket::Error;

use crate::{
    futures::block_on,
    requester::{SHORT, echo, has_no_reply, number, receive, shuffle, with_router},
    support::{PATIENCE, eventually, everywhere, spawn},
};

struct Flag {
    woken: AtomicBool,
    thread: Thread,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

pub(crate) fn poll_once<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut TaskContext::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

type Task<'a> = (Pin<Box<dyn Future<Output = ()> + 'a>>, Arc<Flag>);

/// Tasks of one thread, each polled only when it was woken itself.
#[derive(Default)]
struct Tasks<'a> {
    tasks: Vec<Option<Task<'a>>>,
}

impl<'a> Tasks<'a> {
    fn add(&mut self, future: impl Future<Output = ()> + 'a) {
        let flag = Arc::new(Flag {
            woken: true.into(),
            thread: thread::current(),
        });
        self.tasks.push(Some((Box::pin(future), flag)));
    }

    /// Polls each that was woken, once.
    fn turn(&mut self) -> bool {
        let mut any = false;
        for slot in &mut self.tasks {
            let Some((future, flag)) = slot else { continue };
            if !flag.woken.swap(false, Ordering::AcqRel) {
                continue;
            }
            any = true;
            let waker = Waker::from(Arc::clone(flag));
            let polled = future.as_mut().poll(&mut TaskContext::from_waker(&waker));
            if polled.is_ready() {
                *slot = None;
            }
        }
        any
    }

    fn run(mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.tasks.iter().any(Option::is_some) {
            assert!(Instant::now() < deadline, "somebody is not woken");
            if !self.turn() {
                thread::park_timeout(Duration::from_millis(100));
            }
        }
    }
}

#[test]
fn many_futures_share_one_socket() {
    const TASKS: u32 = 100;
    const ROUNDS: u32 = 10;
    for anywhere in everywhere() {
        let (_context, requester, router) = with_router(anywhere);
        let server = spawn(move || {
            for _ in 0..ROUNDS {
                let mut requests: Vec<_> = (0..TASKS).map(|_| receive(&router)).collect();
                shuffle(&mut requests);
                for request in requests {
                    router.send(request).unwrap();
                }
            }
            router
        });
        let mut tasks = Tasks::default();
        for task in 0..TASKS {
            let requester = &requester;
            tasks.add(async move {
                for round in 0..ROUNDS {
                    let own = task * ROUNDS + round;
                    let reply = requester.request_async(&own.to_be_bytes(), PATIENCE).await;
                    assert_eq!(number(&reply.unwrap()), own);
                }
            });
        }
        tasks.run();
        assert_eq!(requester.stats().answered, u64::from(TASKS * ROUNDS));
        assert_eq!(requester.stats().in_flight, 0);
        server.join();
    }
}

#[test]
fn a_future_notices_its_deadline_though_nothing_comes() {
    for anywhere in everywhere() {
        let (_context, requester, router) = with_router(anywhere);
        let begin = Instant::now();
        let mut tasks = Tasks::default();
        // Also an earlier one after a later one, and one after the first has ended.
        for after in [3, 1, 2] {
            let (requester, timeout) = (&requester, SHORT * after);
            tasks.add(async move {
                for _ in 0..2 {
                    let begin = Instant::now();
                    let reply = requester.request_async("x", timeout).await;
                    assert_eq!(has_no_reply(reply), 1);
                    assert!(begin.elapsed() >= timeout);
                }
            });
        }
        tasks.run();
        assert!(begin.elapsed() < PATIENCE);
        assert_eq!(requester.stats().overdue, 6);
        drop(router);
    }
}

#[test]
fn a_future_sends_again_though_nothing_comes() {
    let (_context, requester, router) = with_router("tcp://127.0.0.1:*");
    requester.set_retries(2, Duration::from_millis(5)).unwrap();
    let server = spawn(move || {
        for _ in 0..2 {
            receive(&router);
        }
        echo(&router);
        router
    });
    let reply = block_on(requester.request_async("x", PATIENCE));
    assert_eq!(reply.unwrap()[0], "x");
    assert_eq!(requester.stats().retried, 2);
    server.join();
}

#[test]
fn a_dropped_future_leaves_nothing_behind() {
    for anywhere in everywhere() {
        let (_context, requester, router) = with_router(anywhere);
        for at in 0..10u32 {
            let mut future = Box::pin(requester.request_async(at.to_be_bytes().to_vec(), PATIENCE));
            eventually("the request is sent", || {
                assert!(poll_once(future.as_mut()).is_none());
                requester.stats().sent == u64::from(at) + 1
            });
        }
        drop(requester.request_async("never polled", PATIENCE));
        let stats = requester.stats();
        assert_eq!((stats.in_flight, stats.forgotten, stats.sent), (0, 10, 10));
        for _ in 0..10 {
            echo(&router);
        }
        let server = spawn(move || {
            echo(&router);
            router
        });
        // Behind the late ones, since there is one pipe.
        assert_eq!(requester.request("last", PATIENCE).unwrap()[0], "last");
        assert_eq!(requester.stats().late, 10);
        server.join();
    }
}

#[test]
fn a_dropped_wait_leaves_the_request_in_flight() {
    let (_context, requester, router) = with_router("tcp://127.0.0.1:*");
    let ticket = requester.send("x", PATIENCE).unwrap();
    {
        let mut waits = Box::pin(requester.wait_async(ticket));
        assert!(poll_once(waits.as_mut()).is_none());
        // It is the future's now.
        assert!(matches!(
            requester.try_wait(ticket),
            Err(Error::NotInFlight)
        ));
        assert!(matches!(requester.try_recv(), Err(Error::NotInFlight)));
    }
    let mut any = Box::pin(requester.recv_async());
    assert!(poll_once(any.as_mut()).is_none());
    drop(any);
    assert!(matches!(
        requester.try_wait(ticket),
        Err(Error::WouldBlock(_))
    ));
    let server = spawn(move || {
        echo(&router);
        router
    });
    let (any, reply) = block_on(requester.recv_async()).unwrap();
    assert_eq!((any, &reply.unwrap()[0][..]), (ticket, &b"x"[..]));
    let result = block_on(requester.recv_async());
    assert!(matches!(result, Err(Error::NotInFlight)));
    server.join();
}

#[test]
fn a_blocking_call_takes_in_what_futures_wait_for_and_wakes_them() {
    for anywhere in everywhere() {
        let (_context, requester, router) = with_router(anywhere);
        // Blocks first, so that this thread reads the streams itself.
        let warm = spawn(move || {
            for _ in 0..20 {
                echo(&router);
            }
            router
        });
        for _ in 0..20 {
            requester.request("warm", PATIENCE).unwrap();
        }
        let router = warm.join();
        let mut tasks = Tasks::default();
        for at in 0..10u32 {
            let requester = &requester;
            tasks.add(async move {
                let reply = requester.request_async(&at.to_be_bytes(), PATIENCE).await;
                assert_eq!(number(&reply.unwrap()), at);
            });
        }
        eventually("all are sent", || {
            tasks.turn();
            requester.stats().sent == 30
        });
        let server = spawn(move || {
            // The last comes first, and so do half of the others.
            let mut requests: Vec<_> = (0..11).map(|_| receive(&router)).collect();
            requests.swap(10, 5);
            for request in requests {
                router.send(request).unwrap();
            }
            router
        });
        let reply = requester.request(99u32.to_be_bytes(), PATIENCE).unwrap();
        assert_eq!(number(&reply), 99);
        tasks.run();
        server.join();
    }
}
