//! Code that sockets run on behalf of others, the `Drop` of message bodies and the wakers of tasks: it
//! may call any socket, its own included, and it may panic.

use std::{
    cell::RefCell,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    task::{Context as TaskContext, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use zsocket::{
    Bytes, Context, Dealer, Error, Frame, Message, Pull, Push, Rep, Req, Router, Socket,
};

use crate::support::{PATIENCE, Raw, RawListener, WIRES, eventually, loopback, spawn};

thread_local! {
    /// What the `Drop` of a [`CallingBody`] does on this thread.
    static CALL: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
}

/// A body that calls a socket of the thread that drops it.
struct CallingBody {
    bytes: Vec<u8>,
    calls: Arc<AtomicU64>,
}

impl AsRef<[u8]> for CallingBody {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for CallingBody {
    fn drop(&mut self) {
        let call = CALL.with(|call| call.borrow().clone());
        if let Some(call) = call {
            call();
            self.calls.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Makes bodies whose `Drop` does this, if it is on this thread.
struct Bodies {
    calls: Arc<AtomicU64>,
}

impl Bodies {
    fn calling(call: impl Fn() + 'static) -> Self {
        CALL.set(Some(Rc::new(call)));
        Self {
            calls: Arc::default(),
        }
    }

    fn body(&self, size: usize) -> Bytes {
        Bytes::from_owner(CallingBody {
            bytes: vec![7; size],
            calls: Arc::clone(&self.calls),
        })
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Drop for Bodies {
    fn drop(&mut self) {
        CALL.set(None);
    }
}

/// Large enough to be handed over instead of copied, over any transport.
const LARGE: usize = 20_000;

/// A waker that does this, on whatever thread it is woken.
struct Code<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Code<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

fn waker(code: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(Code(code)))
}

/// Has this waker woken when there is something to receive, also if the socket moves.
fn wait_with(pull: &Socket<Pull>, waker: &Waker) {
    let mut receiving = Box::pin(pull.recv_async());
    let polled = (receiving.as_mut()).poll(&mut TaskContext::from_waker(waker));
    assert!(matches!(polled, Poll::Pending));
    // Dropped, it would take the waker with it.
    std::mem::forget(receiving);
}

/// Every call that a `Drop` could make on the socket that drops it.
fn use_everything(socket: &Socket<Push>) {
    let _ = socket.stats();
    let _ = socket.try_send("from a drop");
    let _ = socket.last_endpoint();
    socket.set_send_hwm(socket.send_hwm()).unwrap();
}

#[test]
fn a_sent_body_may_call_its_own_socket() {
    for wire in WIRES {
        let listener = RawListener::anywhere(wire);
        let context = Context::new();
        let push = Rc::new(context.socket::<Push>().unwrap());
        push.set_linger(Some(Duration::ZERO)).unwrap();
        push.connect(listener.endpoint()).unwrap();
        let mut raw = listener.accept_as("PULL");
        let own = Rc::clone(&push);
        let bodies = Bodies::calling(move || use_everything(&own));
        // A lone message is written, and its body dropped, by this thread.
        let deadline = Instant::now() + PATIENCE;
        while bodies.calls() == 0 {
            assert!(Instant::now() < deadline, "no body is dropped here");
            push.send(bodies.body(LARGE)).unwrap();
            while raw.read_message()[0].len() != LARGE {}
        }
    }
}

/// A PULL that is bound to this name, and a PUSH that is connected to it.
fn pair(context: &Context, name: &str) -> (Socket<Pull>, Socket<Push>) {
    let (pull, push) = (context.socket().unwrap(), context.socket().unwrap());
    pull.bind(name).unwrap();
    push.connect(name).unwrap();
    (pull, push)
}

#[test]
fn a_body_in_a_message_that_is_used_again_may_call_its_own_socket() {
    let context = Context::new();
    let (pull, push) = pair(&context, "inproc://used-again");
    let pull = Rc::new(pull);
    let own = Rc::clone(&pull);
    let bodies = Bodies::calling(move || assert_eq!(own.stats().dropped.unexpected, 0));
    for receive in [Socket::recv_into, Socket::try_recv_into] {
        let mut message = Message::from([bodies.body(1), bodies.body(LARGE)]);
        push.send("one frame").unwrap();
        let before = bodies.calls();
        receive(&pull, &mut message).unwrap();
        assert_eq!((message.len(), &message[0]), (1, &"one frame".into()));
        assert_eq!(bodies.calls(), before + 2);
    }
}

/// A DEALER can send what is no request, and a ROUTER what is no reply.
#[test]
fn a_discarded_body_may_call_its_own_socket() {
    let context = Context::new();
    let rep = Rc::new(context.socket::<Rep>().unwrap());
    rep.bind("inproc://rep").unwrap();
    let dealer = context.socket::<Dealer>().unwrap();
    dealer.connect("inproc://rep").unwrap();
    let own = Rc::clone(&rep);
    let bodies = Bodies::calling(move || assert_eq!(own.peers(), 1));
    for _ in 0..3 {
        dealer.send(bodies.body(LARGE)).unwrap();
    }
    assert!(matches!(rep.try_recv(), Err(Error::WouldBlock(_))));
    assert_eq!((bodies.calls(), rep.stats().dropped.unexpected), (3, 3));
}

#[test]
fn a_discarded_reply_may_call_its_own_socket() {
    let context = Context::new();
    let req = Rc::new(context.socket::<Req>().unwrap());
    req.set_routing_id("req".into()).unwrap();
    req.bind("inproc://req").unwrap();
    let router = context.socket::<Router>().unwrap();
    router.connect("inproc://req").unwrap();
    let own = Rc::clone(&req);
    let bodies = Bodies::calling(move || assert_eq!(own.peers(), 1));
    // One that is there before the request, and one after it.
    router
        .send([Frame::from("req"), bodies.body(LARGE).into()])
        .unwrap();
    req.send("request").unwrap();
    assert_eq!(bodies.calls(), 1);
    router
        .send([Frame::from("req"), bodies.body(LARGE).into()])
        .unwrap();
    assert!(matches!(req.try_recv(), Err(Error::WouldBlock(_))));
    assert_eq!((bodies.calls(), req.stats().dropped.unexpected), (2, 2));
}

/// A call that is about to block runs what it has come upon first: here nothing else would end it.
/// Over inproc a large frame of an envelope comes with its owner.
#[test]
fn an_envelope_may_call_its_own_socket() {
    let context = Context::new();
    let rep = Rc::new(context.socket::<Rep>().unwrap());
    rep.bind("inproc://envelope").unwrap();
    let dealer = context.socket::<Dealer>().unwrap();
    dealer.connect("inproc://envelope").unwrap();
    let socket = Rc::clone(&rep);
    let bodies = Bodies::calling(move || assert_eq!(socket.peers(), 1));
    let mut request = Message::from(Frame::from(bodies.body(600)));
    request.push_back("");
    request.push_back("request");
    dealer.send(request).unwrap();
    let request = rep.recv_timeout(PATIENCE).unwrap();
    assert_eq!(request[0], "request");
    rep.send("reply").unwrap();
    let reply = dealer.recv_timeout(PATIENCE).unwrap();
    assert_eq!((reply.len(), reply[0].len()), (3, 600));
    drop(reply);
    assert_eq!(bodies.calls(), 1);
}

#[test]
fn a_routing_id_may_call_its_own_socket() {
    let context = Context::new();
    let router = Rc::new(context.socket::<Router>().unwrap());
    router.bind("inproc://router").unwrap();
    let dealer = context
        .build_socket::<Dealer>()
        .routing_id(vec![7; 200].into());
    let dealer = dealer.build().unwrap();
    dealer.connect("inproc://router").unwrap();
    dealer.send("hello").unwrap();
    router.recv_timeout(PATIENCE).unwrap();
    let socket = Rc::clone(&router);
    let bodies = Bodies::calling(move || assert_eq!(socket.peers(), 1));
    for to in [200, 100] {
        let mut message = Message::from(Frame::from(bodies.body(to)));
        message.push_back("body");
        router.send(message).unwrap();
    }
    assert_eq!(dealer.recv_timeout(PATIENCE).unwrap()[0], "body");
    assert_eq!(bodies.calls(), 2);
}

#[test]
fn foreign_code_runs_before_a_call_blocks() {
    let context = Context::new();
    spawn(move || {
        let rep = context.socket::<Rep>().unwrap();
        rep.bind("inproc://blocks").unwrap();
        let dealer = context.socket::<Dealer>().unwrap();
        dealer.connect("inproc://blocks").unwrap();
        let req = Rc::new(context.socket::<Req>().unwrap());
        req.connect("inproc://blocks").unwrap();
        let from_drop = Rc::clone(&req);
        let bodies = Bodies::calling(move || from_drop.send("request").unwrap());
        dealer.send(bodies.body(LARGE)).unwrap();
        assert_eq!(rep.recv().unwrap()[0], "request");
        assert_eq!(bodies.calls(), 1);
    })
    .join();
}

#[test]
fn a_body_of_a_connection_that_is_given_up_may_call_its_own_socket() {
    let context = Context::new();
    let push = Rc::new(context.socket::<Push>().unwrap());
    let own = Rc::clone(&push);
    let bodies = Bodies::calling(move || {
        use_everything(&own);
        // Needs the names, of which one is just being given up.
        let another = context.socket::<Pull>().unwrap();
        another.bind("inproc://another").unwrap();
    });
    push.connect("inproc://nobody").unwrap();
    push.send(bodies.body(LARGE)).unwrap();
    push.disconnect("inproc://nobody").unwrap();
    assert_eq!(bodies.calls(), 1);
    push.connect("inproc://nobody").unwrap();
    push.send(bodies.body(LARGE)).unwrap();
    // The bodies own the socket as well.
    CALL.set(Some(Rc::new(|| {})));
    let Ok(push) = Rc::try_unwrap(push) else {
        panic!("the only owner")
    };
    drop(push);
    assert_eq!(bodies.calls(), 2);
}

#[test]
fn a_waker_may_open_a_socket_during_shutdown() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let (opened, result) = mpsc::channel();
    let from_waker = context.clone();
    wait_with(
        &pull,
        &waker(move || opened.send(from_waker.socket::<Push>().map(drop)).unwrap()),
    );
    spawn(move || context.shutdown()).join();
    assert!(matches!(result.try_recv(), Ok(Err(Error::Terminated))));
}

#[test]
fn a_waker_may_bind_while_a_connection_is_delivered() {
    // Delivered by connecting to a name that is bound, and by binding one that is waited for.
    for bind_first in [true, false] {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let push = context.socket::<Push>().unwrap();
        let (bound, result) = mpsc::channel();
        let from_waker = context.clone();
        let waker = waker(move || {
            let another = from_waker.socket::<Pull>().unwrap();
            bound
                .send(another.bind("inproc://another").map(drop))
                .unwrap();
        });
        spawn(move || {
            if bind_first {
                pull.bind("inproc://name").unwrap();
                wait_with(&pull, &waker);
                push.connect("inproc://name").unwrap();
            } else {
                push.connect("inproc://name").unwrap();
                wait_with(&pull, &waker);
                pull.bind("inproc://name").unwrap();
            }
            assert!(matches!(result.try_recv(), Ok(Ok(()))));
        })
        .join();
    }
}

#[test]
fn a_waker_may_call_the_socket_that_wakes_it() {
    thread_local! {
        static PUSH: RefCell<Option<Rc<Socket<Push>>>> = const { RefCell::new(None) };
    }
    let context = Context::new();
    let (pull, push) = pair(&context, "inproc://wakes");
    let _ = pull.try_recv(); // Takes the connection in.
    let push = Rc::new(push);
    PUSH.set(Some(Rc::clone(&push)));
    wait_with(
        &pull,
        &waker(|| {
            let push = PUSH.with(|push| push.borrow().clone()).unwrap();
            push.send("from the waker").unwrap();
        }),
    );
    push.send("from the socket").unwrap();
    PUSH.set(None);
    for text in ["from the socket", "from the waker"] {
        assert_eq!(pull.try_recv().unwrap()[0], text);
    }
}

/// What an I/O thread drops, with a socket that is bound: nothing waits, all goes on in the background,
/// and what was queued is sent.
#[test]
fn a_waker_may_drop_the_last_context_on_an_io_thread() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let listener = RawListener::anywhere(wire);
        let push = context.socket::<Push>().unwrap();
        push.connect(listener.endpoint()).unwrap();
        push.send("queued").unwrap();

        let owned = Arc::new(Mutex::new(None));
        let (done, dropped) = mpsc::channel();
        let from_waker = Arc::clone(&owned);
        let waker = waker(move || {
            let owned = from_waker.lock().unwrap().take();
            // The first wake-up may come before there is something to drop.
            if owned.is_some() {
                drop(owned);
                done.send(std::thread::current().name().map(str::to_owned))
                    .unwrap();
            }
        });
        wait_with(&pull, &waker);
        *owned.lock().unwrap() = Some((pull, push, context));
        let mut raw = Raw::connect_as(&endpoint, "PUSH");
        raw.send(&[b"wake up"]);
        let thread = dropped.recv_timeout(PATIENCE).expect("it waits");
        assert!(thread.is_some_and(|name| name.starts_with("zlayers-io")));

        let mut peer = listener.accept_as("PULL");
        assert_eq!(peer.read_message(), [b"queued"]);
        drop(peer);
        raw.expect_close();
        eventually("nobody listens any more", || {
            Raw::try_connect(&endpoint).is_err()
        });
    }
}

#[test]
fn an_io_thread_waits_for_nothing() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let endpoint = pull.bind(loopback()).unwrap();
    let (done, results) = mpsc::channel();
    wait_with(
        &pull,
        &waker(move || {
            let idle = context.socket::<Pull>().unwrap();
            let full = context.socket::<Push>().unwrap();
            let received = matches!(idle.recv(), Err(Error::WouldBlock(_)));
            let sent = matches!(
                full.send("x").map_err(|e| e.error),
                Err(Error::WouldBlock(_))
            );
            let ended = matches!(context.term(), Err(Error::WouldBlock(_)));
            done.send((received, sent, ended)).unwrap();
        }),
    );
    let mut raw = Raw::connect_as(&endpoint, "PUSH");
    raw.send(&[b"wake up"]);
    assert_eq!(results.recv_timeout(PATIENCE), Ok((true, true, true)));
}

#[test]
fn an_io_thread_does_not_wait_as_long_as_it_is_told_either() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let endpoint = pull.bind(loopback()).unwrap();
    let (done, results) = mpsc::channel();
    wait_with(
        &pull,
        &waker(move || {
            let idle = context.socket::<Pull>().unwrap();
            let full = context.socket::<Push>().unwrap();
            let received = matches!(idle.recv_timeout(Duration::MAX), Err(Error::WouldBlock(_)));
            let sent = full.send_timeout("x", Duration::MAX).map_err(|e| e.error);
            let sent = matches!(sent, Err(Error::WouldBlock(_)));
            // Whoever waited for this thread to free a port would wait in vain, each time for seconds.
            for anywhere in ["tcp://127.0.0.1:*", "ipc://*"].repeat(6) {
                idle.unbind(idle.bind(anywhere).unwrap()).unwrap();
            }
            let ended = context.term_timeout(Duration::MAX).is_err();
            done.send((received, sent, ended)).unwrap();
        }),
    );
    let mut raw = Raw::connect_as(&endpoint, "PUSH");
    raw.send(&[b"wake up"]);
    assert_eq!(results.recv_timeout(PATIENCE), Ok((true, true, true)));
}

#[test]
fn a_waker_that_panics_costs_its_task_alone() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let woken = Arc::new(AtomicU64::new(0));
        let from_waker = Arc::clone(&woken);
        // With another task that waits for the same socket.
        wait_with(&pull, &waker(|| panic!("on purpose: a waker")));
        wait_with(
            &pull,
            &waker(move || {
                from_waker.fetch_add(1, Ordering::Relaxed);
            }),
        );
        let mut raw = Raw::connect_as(&endpoint, "PUSH");
        raw.send(&[b"one"]);
        eventually("the other task is woken", || {
            woken.load(Ordering::Relaxed) > 0
        });
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "one");
        // Somebody new is served by the same I/O thread.
        let mut raw = Raw::connect_as(&endpoint, "PUSH");
        raw.send(&[b"two"]);
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "two");
        assert!(pull.stats().foreign_panics > 0);
        drop(pull);
        spawn(move || context.term().unwrap()).join();
    }
}

/// A body whose `Drop` panics, wherever that is.
struct PanickingBody(Vec<u8>);

impl AsRef<[u8]> for PanickingBody {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for PanickingBody {
    fn drop(&mut self) {
        panic!("on purpose: a body on {:?}", std::thread::current().name());
    }
}

#[test]
fn a_body_that_panics_on_the_io_thread_costs_nothing_else() {
    for wire in WIRES {
        let context = Context::new();
        let push = context
            .build_socket::<Push>()
            .reconnect_interval(Some(Duration::from_millis(1)))
            .build()
            .unwrap();
        let listener = RawListener::anywhere(wire);
        push.connect(listener.endpoint()).unwrap();
        // Sent when the connection stands, which the I/O thread is the first to know.
        for index in 0..3 {
            push.send(Bytes::from_owner(PanickingBody(vec![index; LARGE])))
                .unwrap();
        }
        let mut raw = listener.accept_as("PULL");
        for index in 0..3 {
            assert_eq!(raw.read_message(), [vec![index; LARGE]]);
        }
        eventually("all panics are counted", || {
            push.stats().foreign_panics == 3
        });
        push.send("afterwards").unwrap();
        assert_eq!(raw.read_message(), [b"afterwards"]);
        // The same connection, and the same thread for others.
        let other = context.socket::<Push>().unwrap();
        other.connect(listener.endpoint()).unwrap();
        other.send("another").unwrap();
        assert_eq!(listener.accept_as("PULL").read_message(), [b"another"]);
        drop((push, other));
        drop(raw);
        spawn(move || context.term().unwrap()).join();
    }
}

#[test]
fn a_body_that_panics_in_a_call_does_not_end_the_call() {
    let context = Context::new();
    let (pull, push) = pair(&context, "inproc://panics");
    let body = || Bytes::from_owner(PanickingBody(vec![1; LARGE]));
    push.send("hello").unwrap();
    let mut message = Message::from([body()]);
    pull.recv_into(&mut message).unwrap();
    assert_eq!(message[0], "hello");

    // One that was received is the application's own business.
    push.send(body()).unwrap();
    let received = pull.recv().unwrap();
    catch_unwind(AssertUnwindSafe(|| drop(received))).unwrap_err();

    push.send(body()).unwrap();
    drop(push);
    drop(pull);
    context.term().unwrap();
}

#[test]
fn a_routing_id_is_copied() {
    struct Id(Arc<AtomicU64>);
    impl AsRef<[u8]> for Id {
        fn as_ref(&self) -> &[u8] {
            b"id"
        }
    }
    impl Drop for Id {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicU64::new(0));
    let id = || Bytes::from_owner(Id(Arc::clone(&dropped)));
    let context = Context::new();
    let req = context
        .build_socket::<Req>()
        .routing_id(id())
        .build()
        .unwrap();
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    req.set_routing_id(id()).unwrap();
    assert_eq!(dropped.load(Ordering::Relaxed), 2);
    assert_eq!(req.routing_id(), "id");
}
