//! More shapes than one sender and one receiver: many links, many sockets, many peers.
//!
//! ```text
//!   links       PUSH ═══k links═══▶ PULL           senders     n × PUSH ──▶ PULL
//!   sockets     n × PUSH in turn ─▶ PULL           clients     n × REQ  ◀─▶ REP    (or plain sockets)
//!   fan         PUSH ─▶ n × PULL, inproc           neighbours  REQ      ◀─▶ REP,  n idle REQ
//!   routed      n × DEALER in turn ◀─▶ ROUTER
//!   published   PUB ─▶ n × SUB, each message to all      matched   PUB ─▶ n × SUB, each message to one
//!   topics      PUB ─▶ SUB with n topics (steps of its own: see `topics.rs`)
//!   polled      PUSH ─▶ PULL, polled with n idle PULL, inproc
//!   forwarded   PUB ─▶ XSUB ═ proxy ═ XPUB ─▶ SUB          brokered  n × REQ ◀─▶ ROUTER ═ proxy ═ DEALER ◀─▶ REP
//! ```
//!
//! Each role runs in a process of its own (the fan, the poller and what has a proxy in one process) and is led by its parent over
//! standard input and output:
//!
//! | role | says | waits for | says at the end |
//! |---|---|---|---|
//! | that binds | `bound ENDPOINT`, then `ready` | | `result SECONDS`, then `received N` |
//! | that connects | `ready` | `go` | `sent N` |
//!
//! `ready` means that all its connections are established, so the clock of `Throughput` never counts
//! connecting. Every message is received and counted. Where several processes send, each goes on until
//! it is told `stop`, so that all of them are busy while the receiver's clock runs; the last message of
//! each is an empty one, a *goodbye*. So the receiver knows when it has everything, and the parent can
//! compare what was sent with what was received.
//!
//! A role closes its sockets only when it is told `close`: libzmq loses messages over ipc otherwise.

mod kit;
#[cfg(feature = "libzmq")]
mod libzmq;
mod ours;
mod plain;
mod polled;
mod published;
mod tools;
mod topics;

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use self::kit::{Answers, Asks, End, Kit, Receives, Sends};
pub use self::tools::{dealer_thr, pub_thr, router_thr, sub_thr};
pub use self::topics::Form;
use super::{Library, Load, Mechanism, proxied};
use crate::{Parent, Result};

/// What a process does in a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// A PULL that binds, waits for `peers` connections and receives `count` messages from one sender.
    Pull,
    /// One PUSH that connects `peers` times to the same endpoint and sends `count` messages.
    PushLinks,
    /// `peers` PUSH sockets of one thread, which send `count` messages in turn.
    PushSockets,
    /// A PULL that receives from `peers` processes.
    Collect,
    /// One PUSH among others, which sends until it is told to stop.
    Push,
    /// A REP that answers `peers` processes.
    Serve,
    /// One REQ among others, which asks until it is told to stop.
    Ask,
    /// A server of plain sockets and epoll for `peers` processes, without any library.
    ServePlain,
    /// A blocking client of that server.
    AskPlain,
    /// A REP with `peers` idle connections, and one that makes `count` round trips.
    ServeOne,
    /// The REQ that makes them.
    AskAlone,
    /// `peers` REQ sockets that connect and do nothing.
    Idle,
    /// A ROUTER that answers `count` messages of `peers` connections.
    Route,
    /// `peers` DEALER sockets of one thread, with several messages of each under way.
    AskRouter,
    /// One PUSH and `peers` PULL sockets, each in a thread, over inproc.
    Fan,
    /// A poller of `peers` idle sockets, and one that has a message `count` times, over inproc and in one thread.
    Poll,
    /// A publisher and a subscriber with a proxy in between, which passes on `count` messages.
    Forward,
    /// `peers` REQ and one REP with a proxy in between, which do `count` round trips in total.
    Broker,
    /// A PUB that binds and sends messages of which `peers` subscribers together get `count`, each of them all.
    Publish,
    /// The `peers` SUB sockets of one thread.
    Subscribe,
    /// A PUB that binds and sends `count` messages, each to one of `peers` subscribers in turn.
    PublishTopics,
    /// The `peers` SUB sockets of one thread.
    SubscribeTopics,
    /// A PUB that publishes for one subscriber with `peers` topics, in steps; `count` is how many milliseconds a step takes.
    PublishMany,
    /// That subscriber.
    SubscribeMany,
}

/// A role with what it needs to know.
#[derive(Debug, Clone, Copy, Args)]
pub struct Shape {
    /// What to do
    #[arg(value_enum)]
    pub role: Role,
    /// Whose sockets to use
    #[arg(long, value_enum, default_value_t = Library::Ours)]
    pub lib: Library,
    /// High-water mark of each socket, in messages; 0 for none
    #[arg(long, default_value_t = 1000)]
    pub hwm: u32,
    /// How the sockets of the shape `links` protect what they send
    #[arg(long, value_enum, default_value_t = Mechanism::Null)]
    pub mechanism: Mechanism,
    /// Bytes in each message
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub size: u32,
    /// Messages or round trips to measure
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: u64,
    /// Connections, sockets, processes or threads
    #[arg(long)]
    pub peers: u32,
    /// What the topics are like, where there are many of them
    #[arg(long, value_enum, default_value_t = Form::Names)]
    pub form: Form,
}

/// Plays a role until the parent lets go.
///
/// # Errors
/// If a call fails, or something else arrives than was sent.
pub fn play(shape: Shape, endpoint: &str, parent: &Parent) -> Result<()> {
    match shape.lib {
        Library::Ours => play_with::<ours::Ours>(shape, endpoint, parent),
        #[cfg(feature = "libzmq")]
        Library::Libzmq => play_with::<libzmq::Libzmq>(shape, endpoint, parent),
    }
}

fn play_with<K: Kit>(shape: Shape, endpoint: &str, parent: &Parent) -> Result<()> {
    match shape.role {
        Role::Pull => pull::<K>(shape, endpoint, parent),
        Role::PushLinks => push_links::<K>(shape, endpoint, parent),
        Role::PushSockets => push_sockets::<K>(shape, endpoint, parent),
        Role::Collect => collect::<K>(shape, endpoint, parent),
        Role::Push => push::<K>(shape, endpoint, parent),
        Role::Serve => serve::<K>(shape, endpoint, parent),
        Role::Ask => ask::<K>(shape, endpoint, parent),
        Role::ServePlain => plain::serve(shape, endpoint, parent),
        Role::AskPlain => plain::ask(shape, endpoint, parent),
        Role::ServeOne => serve_one::<K>(shape, endpoint, parent),
        Role::AskAlone => ask_alone::<K>(shape, endpoint, parent),
        Role::Idle => idle::<K>(shape, endpoint, parent),
        Role::Route => route::<K>(shape, endpoint, parent),
        Role::AskRouter => ask_router::<K>(shape, endpoint, parent),
        Role::Fan => fan::<K>(shape, parent),
        Role::Poll => polled::poll::<K>(shape, parent),
        Role::Forward | Role::Broker => forward(shape, endpoint, parent),
        Role::Publish => published::publish::<K>(shape, false, endpoint, parent),
        Role::Subscribe => published::subscribe::<K>(shape, false, endpoint, parent),
        Role::PublishTopics => published::publish::<K>(shape, true, endpoint, parent),
        Role::SubscribeTopics => published::subscribe::<K>(shape, true, endpoint, parent),
        Role::PublishMany => topics::publish::<K>(shape, endpoint, parent),
        Role::SubscribeMany => topics::subscribe::<K>(shape, endpoint, parent),
    }
}

/// What has a proxy is all in one process. The endpoint may be bound to twice.
fn forward(shape: Shape, endpoint: &str, parent: &Parent) -> Result<()> {
    let load = Load {
        size: shape.size as usize,
        count: shape.count,
    };
    let endpoints = match endpoint {
        "inproc" => ["inproc://frontend", "inproc://backend"],
        endpoint => [endpoint, endpoint],
    };
    let measured = if shape.role == Role::Forward {
        proxied::throughput(load, shape.lib, endpoints)?
    } else {
        proxied::round_trips(load, shape.lib, shape.peers as usize, endpoints)?
    };
    // In each library the load may be a little less than was asked for.
    let share = measured.load.count as f64 / shape.count as f64;
    say_result(parent, measured.elapsed.div_f64(share))
}

impl Shape {
    fn body(&self) -> Vec<u8> {
        vec![0; self.size as usize]
    }

    /// Checks the size of a message that was not a goodbye.
    fn check(&self, size: usize) -> Result<()> {
        if size == self.size as usize {
            Ok(())
        } else {
            Err(format!("a message of {size} B instead of {} B", self.size).into())
        }
    }

    /// Binds, and waits for the connections that must be there before the clock starts.
    fn bind<E: End>(
        &self,
        socket: &E,
        endpoint: &str,
        connections: u32,
        parent: &Parent,
    ) -> Result<()> {
        socket.establish(connections, |socket| {
            parent.say("bound", &socket.bind(endpoint)?)
        })?;
        parent.say("ready", "")
    }
}

impl Shape {
    /// `peers` sockets, each with its connection established.
    fn connect_all<E: End>(&self, context: &E::Context, endpoint: &str) -> Result<Vec<E>> {
        (0..self.peers)
            .map(|_| {
                let socket = E::open(context, self.hwm)?;
                socket.establish(1, |socket| socket.connect(endpoint))?;
                Ok(socket)
            })
            .collect()
    }
}

/// What several processes send or ask until each of them says goodbye.
struct Tally {
    count: u64,
    start: Option<Instant>,
    received: u64,
    goodbyes: u32,
}

impl Tally {
    fn new(count: u64) -> Self {
        Self {
            count,
            start: None,
            received: 0,
            goodbyes: 0,
        }
    }

    /// Counts a message. The clock starts with the first, and stops with the `count`th.
    #[inline]
    fn count(&mut self, goodbye: bool, parent: &Parent) -> Result<()> {
        if goodbye {
            self.goodbyes += 1;
            return Ok(());
        }
        self.received += 1;
        if self.received == 1 {
            self.start = Some(Instant::now());
        } else if self.received == self.count {
            let elapsed = self.start.map_or(Duration::ZERO, |start| start.elapsed());
            parent.say("result", &elapsed.as_secs_f64().to_string())?;
        }
        Ok(())
    }

    fn finish(&self, parent: &Parent) -> Result<()> {
        parent.say("received", &self.received.to_string())
    }
}

fn say_result(parent: &Parent, elapsed: Duration) -> Result<()> {
    parent.say("result", &elapsed.as_secs_f64().to_string())
}

fn expect(parent: &Parent, word: &str) -> Result<()> {
    match parent.hear()? {
        heard if heard == word => Ok(()),
        heard => Err(format!("the parent said {heard:?} instead of {word:?}").into()),
    }
}

fn ready_then_go(parent: &Parent) -> Result<()> {
    parent.say("ready", "")?;
    expect(parent, "go")
}

/// Whether the parent has said `stop`.
fn stopped(parent: &Parent) -> Result<bool> {
    match parent.try_hear()?.as_deref() {
        None => Ok(false),
        Some("stop") => Ok(true),
        Some(heard) => Err(format!("the parent said {heard:?} instead of \"stop\"").into()),
    }
}

// ---- one sender

fn pull<K: Kit>(shape: Shape, endpoint: &str, parent: &Parent) -> Result<()> {
    let context = K::context();
    let pull = K::Pull::open(&context, shape.hwm)?;
    pull.secure_server(shape.mechanism)?;
    shape.bind(&pull, endpoint, shape.peers, parent)?;
    let mut message = K::message(&[])?;
    shape.check(pull.receive(&mut message)?)?;
    let start = Instant::now();
    for _ in 1..shape.count {
        shape.check(pull.receive(&mut message)?)?;
    }
    say_result(parent, start.elapsed())?;
    parent.say("received", &shape.count.to_string())
}

fn push_links<K: Kit>(shape: Shape, endpoint: &str, parent: &Parent) -> Result<()> {
    let context = K::context();
    let push = K::Push::open(&context, shape.hwm)?;
    push.secure_client(shape.mechanism)?;
    push.establish(shape.peers, |push| {
        (0..shape.peers).try_for_each(|_| push.connect(endpoint))
    })?;
    ready_then_go(parent)?;
    let body = shape.body();
    for _ in 0..shape.count {
        push.send(&body)?;
    }
    parent.say("sent", &shape.count.to_string())?;
    expect(parent, "close")
}

fn push_sockets<K: Kit>(shape: Shape, endpoint: &str, parent: &Parent) -> Result<()> {
    let context = K::context();
    let sockets: Vec<K::Push> = shape.connect_all(&context, endpoint)?;
    ready_then_go(parent)?;
    let body = shape.body();
    let mut left = shape.count;
    while left > 0 {
        for push in sockets.iter().take(left.min(sockets.len() as u64) as usize) {
            push.send(&body)?;
            left -= 1;
        }
    }
    parent.say("sent", &shape.count.to_string())?;
    expect(parent, "close")
}

// ---- several senders

/// How many messages a sender sends between two looks at what its parent says.
const LOOK: u32 = 64;

fn collect<K: Kit>(shape: Shape, endpoint: &str, parent: &Parent) -> Result<()> {
    let context = K::context();
    let pull = K::Pull::open(&context, shape.hwm)?;
    shape.bind(&pull, endpoint, shape.peers, parent)?;
    let mut message = K::message(&[])?;
    let mut tally = Tally::new(shape.count);
    while tally.goodbyes < shape.peers {
        let size = pull.receive(&mut message)?;
        if size > 0 {
            shape.check(size)?;
        }
        tally.count(size == 0, parent)?;
    }
    tally.finish(parent)?;
    expect(parent, "close")
}

fn push<K: Kit>(shape: Shape, endpoint: &str, parent: &Parent) -> Result<()> {
    let context = K::context();
    let push = K::Push::open(&context, shape.hwm)?;
    push.establish(1, |push| push.connect(endpoint))?;
    ready_then_go(parent)?;
    let body = shape.body();
    let mut sent = 0u64;
    while !stopped(parent)? {
        for _ in 0..LOOK {
            push.send(&body)?;
        }
        sent += u64::from(LOOK);
    }
    push.send(&[])?;
    parent.say("sent", &sent.to_string())?;
    expect(parent, "close")
}

// ---- round trips

fn serve<K: Kit>(shape: Shape, endpoint: &str, parent: &Parent) -> Result<()> {
    let context = K::context();
    let rep = K::Rep::open(&context, shape.hwm)?;
    shape.bind(&rep, endpoint, shape.peers, parent)?;
    let mut message = K::message(&[])?;
    let mut tally = Tally::new(shape.count);
    while tally.goodbyes < shape.peers {
        let size = rep.answer(&mut message)?;
        if size > 0 {
            shape.check(size)?;
        }
        tally.count(size == 0, parent)?;
    }
    tally.finish(parent)?;
    expect(parent, "close")
}

fn ask<K: Kit>(shape: Shape, endpoint: &str, parent: &Parent) -> Result<()> {
    let context = K::context();
    let req = K::Req::open(&context, shape.hwm)?;
    req.establish(1, |req| req.connect(endpoint))?;
    ready_then_go(parent)?;
    let mut message = K::message(&shape.body())?;
    let mut asked = 0u64;
    while !stopped(parent)? {
        shape.check(req.ask(&mut message)?)?;
        asked += 1;
    }
    let mut goodbye = K::message(&[])?;
    req.ask(&mut goodbye)?;
    parent.say("sent", &asked.to_string())?;
    expect(parent, "close")
}

fn serve_one<K: Kit>(shape: Shape, endpoint: &str, parent: &Parent) -> Result<()> {
    let context = K::context();
    let rep = K::Rep::open(&context, shape.hwm)?;
    shape.bind(&rep, endpoint, shape.peers + 1, parent)?;
    let mut message = K::message(&[])?;
    for _ in 0..shape.count {
        shape.check(rep.answer(&mut message)?)?;
    }
    parent.say("received", &shape.count.to_string())?;
    expect(parent, "close")
}

fn ask_alone<K: Kit>(shape: Shape, endpoint: &str, parent: &Parent) -> Result<()> {
    let context = K::context();
    let req = K::Req::open(&context, shape.hwm)?;
    req.establish(1, |req| req.connect(endpoint))?;
    ready_then_go(parent)?;
    let mut message = K::message(&shape.body())?;
    let start = Instant::now();
    for _ in 0..shape.count {
        shape.check(req.ask(&mut message)?)?;
    }
    say_result(parent, start.elapsed())?;
    parent.say("sent", &shape.count.to_string())?;
    expect(parent, "close")
}

fn idle<K: Kit>(shape: Shape, endpoint: &str, parent: &Parent) -> Result<()> {
    let context = K::context();
    let _sockets: Vec<K::Req> = shape.connect_all(&context, endpoint)?;
    parent.say("ready", "")?;
    expect(parent, "close")
}

// ---- a router

/// Messages of each DEALER that are under way.
const WINDOW: u64 = 10;

fn route<K: Kit>(shape: Shape, endpoint: &str, parent: &Parent) -> Result<()> {
    let context = K::context();
    let router = K::Router::open(&context, shape.hwm)?;
    shape.bind(&router, endpoint, shape.peers, parent)?;
    let mut message = K::message(&[])?;
    for _ in 0..shape.count {
        shape.check(router.answer(&mut message)?)?;
    }
    parent.say("received", &shape.count.to_string())?;
    expect(parent, "close")
}

fn ask_router<K: Kit>(shape: Shape, endpoint: &str, parent: &Parent) -> Result<()> {
    let context = K::context();
    let dealers: Vec<K::Dealer> = shape.connect_all(&context, endpoint)?;
    ready_then_go(parent)?;
    let check = |size| shape.check(size);
    let elapsed = round_trips::<K>(&dealers, shape.count, WINDOW, &shape.body(), check)?;
    say_result(parent, elapsed)?;
    parent.say("sent", &shape.count.to_string())?;
    expect(parent, "close")
}

/// Has DEALER sockets send in turn, each with so many messages under way; the time until the last reply has come.
fn round_trips<K: Kit>(
    dealers: &[K::Dealer],
    count: u64,
    window: u64,
    body: &[u8],
    check: impl Fn(usize) -> Result<()>,
) -> Result<Duration> {
    let mut message = K::message(&[])?;
    let start = Instant::now();
    let turns = || dealers.iter().cycle().take(count as usize);
    // The replies come to each in the order of its requests, so whoever has asked first has its turn first.
    let ahead = window * dealers.len() as u64;
    let mut replies = turns();
    for (sent, dealer) in turns().enumerate() {
        if sent as u64 >= ahead
            && let Some(dealer) = replies.next()
        {
            check(dealer.receive(&mut message)?)?;
        }
        dealer.send(body)?;
    }
    for dealer in replies {
        check(dealer.receive(&mut message)?)?;
    }
    Ok(start.elapsed())
}

// ---- one sender, several receivers

const FAN: &str = "inproc://fan";

/// Each receiver takes the time of its first message and of the goodbye, which is sent when all messages
/// are; what counts is the time from the first of the first to the last of the last.
fn fan<K: Kit>(shape: Shape, parent: &Parent) -> Result<()> {
    let context = K::context();
    let push = K::Push::open(&context, shape.hwm)?;
    push.bind(FAN)?;
    let pulls: Vec<K::Pull> = (0..shape.peers)
        .map(|_| {
            let pull = K::Pull::open(&context, shape.hwm)?;
            pull.connect(FAN)?;
            Ok(pull)
        })
        .collect::<Result<_>>()?;
    let receivers = pulls.len();
    let (start, ended) = (Barrier::new(receivers + 1), AtomicUsize::new(0));
    let received = thread::scope(|scope| {
        let threads: Vec<_> = pulls
            .into_iter()
            .map(|pull| {
                let (start, ended) = (&start, &ended);
                scope.spawn(move || {
                    start.wait();
                    let result = receive_until_goodbye::<K>(shape, &pull);
                    ended.fetch_add(1, Ordering::Release);
                    result
                })
            })
            .collect();
        start.wait();
        let body = shape.body();
        for _ in 0..shape.count {
            push.send(&body)?;
        }
        // A goodbye goes to whoever has room, so they are offered again and again until all have one.
        while ended.load(Ordering::Acquire) < receivers {
            for _ in 0..receivers {
                push.offer(&[])?;
            }
            thread::sleep(Duration::from_micros(100));
        }
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err("a receiver panicked".into()))
            })
            .collect::<Result<Vec<Received>>>()
    })?;
    let count: u64 = received.iter().map(|r| r.count).sum();
    if count != shape.count {
        return Err(format!("{count} messages received, {} sent", shape.count).into());
    }
    let first = received.iter().filter_map(|r| r.first).min();
    let last = received
        .iter()
        .filter(|r| r.first.is_some())
        .map(|r| r.last)
        .max();
    let elapsed = first
        .zip(last)
        .map_or(Duration::ZERO, |(first, last)| last - first);
    say_result(parent, elapsed)
}

/// What one of several receivers got.
struct Received {
    count: u64,
    first: Option<Instant>,
    last: Instant,
}

fn receive_until_goodbye<K: Kit>(shape: Shape, pull: &K::Pull) -> Result<Received> {
    let mut message = K::message(&[])?;
    let (mut count, mut first) = (0, None);
    loop {
        let size = pull.receive(&mut message)?;
        if size == 0 {
            return Ok(Received {
                count,
                first,
                last: Instant::now(),
            });
        }
        shape.check(size)?;
        if count == 0 {
            first = Some(Instant::now());
        }
        count += 1;
    }
}
