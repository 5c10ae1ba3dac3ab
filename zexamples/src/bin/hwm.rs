//! High-water marks at work: who waits, who loses, and how the counters tell.
//!
//! ```console
//! $ hwm                       # a mark of 3 at the sender, 2 at the receiver
//! PUSH: 5 sent, the next one comes back: full 1 times, 0 dropped
//! PUSH: 1 more sent by a send that waited for room
//! PUB: 8 published, 5 received: 3 dropped
//! PUB with no_drop: 5 published, the next one comes back: 0 dropped
//! ROUTER: 8 sent, 5 received: 3 dropped
//! ROUTER with mandatory: 5 sent, the next one comes back: 0 dropped
//! $ hwm 10 1                  # other marks
//! ```
//!
//! It runs over inproc, where the queue between two sockets has room for both marks together and nothing else holds messages, so that
//! the numbers are exact. Over a network, buffers of the system come on top.

use std::process;
use std::thread;
use std::time::{Duration, Instant};

use zexamples::Result;
use zsocket::{Context, Dealer, Error, Pub, Pull, Push, Router, Sub};

fn main() {
    if let Err(error) = show() {
        eprintln!("hwm: {error}");
        process::exit(2);
    }
}

/// For what comes from another thread.
const PATIENCE: Duration = Duration::from_secs(30);

/// The high-water marks of a sender and of a receiver.
#[derive(Clone, Copy)]
struct Marks {
    send: u32,
    recv: u32,
}

fn show() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let send = args.next().map_or(Ok(3), |arg| arg.parse())?;
    let recv = args.next().map_or(Ok(2), |arg| arg.parse())?;
    if send == 0 || recv == 0 {
        return Err("a mark of 0 is none at all: there would be no end".into());
    }
    let marks = Marks { send, recv };
    push_waits(marks)?;
    publisher_drops(marks)?;
    publisher_waits(marks)?;
    router_drops(marks)?;
    router_waits(marks)
}

/// Sends until there is no room: `send` is to send without waiting.
fn fill(mut send: impl FnMut() -> Result<(), Error>) -> Result<u32> {
    for sent in 0.. {
        match send() {
            Ok(()) => {}
            Err(Error::WouldBlock(_)) => return Ok(sent),
            Err(error) => return Err(error.into()),
        }
    }
    Err("the counter has come to its end".into())
}

/// PUSH, like DEALER, REQ and PAIR: nothing is lost. `try_send` gives the message back, `send` waits.
fn push_waits(marks: Marks) -> Result<()> {
    let context = Context::new();
    let pull = context
        .build_socket::<Pull>()
        .recv_hwm(marks.recv)
        .build()?;
    pull.bind("inproc://tasks")?;
    let push = context
        .build_socket::<Push>()
        .send_hwm(marks.send)
        .build()?;
    push.connect("inproc://tasks")?;
    let sent = fill(|| push.try_send("task").map_err(Error::from))?;
    let stats = push.stats();
    println!(
        "PUSH: {sent} sent, the next one comes back: full {} times, {} dropped",
        stats.mutes, stats.dropped.hwm
    );

    let waiting = thread::spawn(move || push.send_timeout("task", PATIENCE).map_err(Error::from));
    pull.recv()?;
    waiting.join().map_err(|_| "the sender panicked")??;
    println!("PUSH: 1 more sent by a send that waited for room");
    Ok(())
}

/// PUB and XPUB: who is too slow does not hold up the others, and loses what it has no room for.
fn publisher_drops(marks: Marks) -> Result<()> {
    let context = Context::new();
    let publisher = context.build_socket::<Pub>().send_hwm(marks.send).build()?;
    publisher.bind("inproc://news")?;
    let subscriber = context.build_socket::<Sub>().recv_hwm(marks.recv).build()?;
    subscriber.connect("inproc://news")?;
    subscriber.subscribe("")?;
    publisher.wait_subscribed("", 1, PATIENCE)?;
    let published = marks.send + marks.recv + 3;
    for _ in 0..published {
        publisher.send("news")?; // never waits
    }
    let received = count(|| subscriber.try_recv().map(drop))?;
    let dropped = publisher.stats().dropped.hwm;
    println!("PUB: {published} published, {received} received: {dropped} dropped");
    Ok(())
}

/// With `no_drop` a publisher waits for its slowest subscriber.
fn publisher_waits(marks: Marks) -> Result<()> {
    let context = Context::new();
    let publisher = context.build_socket::<Pub>().send_hwm(marks.send).build()?;
    publisher.set_no_drop(true)?;
    publisher.bind("inproc://news")?;
    let subscriber = context.build_socket::<Sub>().recv_hwm(marks.recv).build()?;
    subscriber.connect("inproc://news")?;
    subscriber.subscribe("")?;
    publisher.wait_subscribed("", 1, PATIENCE)?;
    let published = fill(|| publisher.try_send("news").map_err(Error::from))?;
    let dropped = publisher.stats().dropped.hwm;
    println!("PUB with no_drop: {published} published, the next one comes back: {dropped} dropped");
    Ok(())
}

/// A ROUTER drops what is for a peer that is full, or for nobody.
fn router_drops(marks: Marks) -> Result<()> {
    let context = Context::new();
    let (router, dealer) = router_and_dealer(&context, marks)?;
    let sent = marks.send + marks.recv + 3;
    for _ in 0..sent {
        router.send(["peer", "answer"])?; // never waits
    }
    let received = count(|| dealer.try_recv().map(drop))?;
    let dropped = router.stats().dropped.hwm;
    println!("ROUTER: {sent} sent, {received} received: {dropped} dropped");
    Ok(())
}

/// With `mandatory` it tells instead, and `send` waits.
fn router_waits(marks: Marks) -> Result<()> {
    let context = Context::new();
    let (router, _dealer) = router_and_dealer(&context, marks)?;
    router.set_mandatory(true)?;
    let sent = fill(|| router.try_send(["peer", "answer"]).map_err(Error::from))?;
    let dropped = router.stats().dropped.hwm;
    println!("ROUTER with mandatory: {sent} sent, the next one comes back: {dropped} dropped");
    Ok(())
}

/// A ROUTER that has heard of its peer, which is called "peer".
fn router_and_dealer(
    context: &Context,
    marks: Marks,
) -> Result<(zsocket::Socket<Router>, zsocket::Socket<Dealer>)> {
    let router = context
        .build_socket::<Router>()
        .send_hwm(marks.send)
        .build()?;
    router.bind("inproc://answers")?;
    let dealer = context
        .build_socket::<Dealer>()
        .recv_hwm(marks.recv)
        .build()?;
    dealer.set_routing_id("peer".into())?;
    dealer.connect("inproc://answers")?;
    dealer.send("here I am")?;
    router.recv_timeout(PATIENCE)?;
    Ok((router, dealer))
}

/// How many messages there are. Over inproc they are all there at once.
fn count(mut receive: impl FnMut() -> Result<(), Error>) -> Result<u32> {
    let start = Instant::now();
    let mut received = 0;
    while start.elapsed() < PATIENCE {
        match receive() {
            Ok(()) => received += 1,
            Err(Error::WouldBlock(_)) => return Ok(received),
            Err(error) => return Err(error.into()),
        }
    }
    Err("there is no end of messages".into())
}
