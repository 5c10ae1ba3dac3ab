//! The guide's problem solver, by program: each of its causes is tried, a socket says what is wrong and what helps, and that
//! does help.
//!
//! ```console
//! $ diagnose
//! Does the subscriber subscribe?
//!   SUB: the socket has not subscribed to anything: call subscribe, with an empty topic for everything
//!   then: received "news"
//! ```
//!
//! and so on for the others; a part of a question as an argument shows only those that it is in: `diagnose PUSH`. One cause is not
//! here, a socket used in two threads: that does not compile.

use std::fmt::Display;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use zexamples::Result;
use zsocket::{Context, Error, Finding, Pattern, Pub, Pull, Push, Rep, Req, Router, Socket, Sub};

fn main() {
    let part = std::env::args().nth(1).unwrap_or_default();
    for (question, show) in CAUSES {
        if !question.contains(&part) {
            continue;
        }
        println!("{question}");
        if let Err(error) = show() {
            eprintln!("diagnose: {question} {error}");
            process::exit(2);
        }
    }
}

/// A cause as the guide asks for it, and what makes the mistake and puts it right.
type Cause = (&'static str, fn() -> Result<()>);

const CAUSES: [Cause; 13] = [
    ("Does the subscriber subscribe?", no_subscription),
    ("Is it the same topic, byte for byte?", another_topic),
    (
        "Has the subscriber joined before the first message?",
        slow_joiner,
    ),
    ("Does the socket bind or connect at all?", unattached),
    ("Is there anybody at the endpoint?", nobody_there),
    ("Are both ends of inproc in one context?", another_context),
    ("Do the socket types go together?", other_types),
    ("REQ: does recv follow each send?", req_out_of_step),
    ("REP: does send follow each recv?", rep_out_of_step),
    ("PUSH: are all workers there?", missing_worker),
    ("PUSH: does the first worker get everything?", greedy_worker),
    ("ROUTER: does the id belong to anybody?", unknown_id),
    (
        "Is somebody slower than the high-water mark allows?",
        slow_receiver,
    ),
];

const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until a socket finds what is wrong, and prints it.
fn diagnose<P: Pattern>(socket: &Socket<P>, is_it: impl Fn(&Finding) -> bool) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(finding) = socket.diagnose().iter().find(|finding| is_it(finding)) {
            println!("  {}: {finding}", socket.socket_type().name());
            return Ok(());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err("nothing was found to be wrong".into())
}

/// Says what has become of it.
fn then(what: impl Display) {
    println!("  then: {what}");
}

fn received<P: Pattern + zsocket::CanReceive>(socket: &Socket<P>) -> Result<()> {
    let message = socket.recv_timeout(PATIENCE)?;
    then(format_args!("received {:?}", message[0].as_str()?));
    Ok(())
}

// ---- Publish and subscribe ----

fn publisher_and_subscriber(context: &Context) -> Result<(Socket<Pub>, Socket<Sub>)> {
    let (publisher, subscriber) = (context.socket::<Pub>()?, context.socket::<Sub>()?);
    subscriber.connect(publisher.bind("tcp://127.0.0.1:*")?)?;
    Ok((publisher, subscriber))
}

fn no_subscription() -> Result<()> {
    let context = Context::new();
    let (publisher, subscriber) = publisher_and_subscriber(&context)?;
    diagnose(&subscriber, |finding| {
        matches!(finding, Finding::NoSubscription)
    })?;
    subscriber.subscribe("")?;
    publisher.wait_subscribed("", 1, PATIENCE)?;
    publisher.send("news")?;
    received(&subscriber)
}

fn another_topic() -> Result<()> {
    let context = Context::new();
    let (publisher, subscriber) = publisher_and_subscriber(&context)?;
    subscriber.subscribe("News")?;
    publisher.wait_subscribed("News", 1, PATIENCE)?;
    publisher.send("news")?;
    diagnose(&publisher, |finding| {
        matches!(finding, Finding::NoTopicMatches { .. })
    })?;
    publisher.send("News")?;
    received(&subscriber)
}

fn slow_joiner() -> Result<()> {
    let context = Context::new();
    let (publisher, subscriber) = publisher_and_subscriber(&context)?;
    publisher.send("too early")?;
    subscriber.subscribe("")?;
    publisher.wait_subscribed("", 1, PATIENCE)?;
    publisher.send("in time")?;
    diagnose(&publisher, |finding| {
        matches!(finding, Finding::SubscribedLate { .. })
    })?;
    received(&subscriber)
}

// ---- Endpoints ----

fn unattached() -> Result<()> {
    let context = Context::new();
    let pull = context.socket::<Pull>()?;
    diagnose(&pull, |finding| matches!(finding, Finding::Unattached))?;
    let push = context.socket::<Push>()?;
    push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    push.send("task")?;
    received(&pull)
}

fn nobody_there() -> Result<()> {
    let context = Context::new();
    // A port that is free.
    let pull = context.socket::<Pull>()?;
    let endpoint = pull.bind("tcp://127.0.0.1:*")?;
    drop(pull);
    let push = context.socket::<Push>()?;
    push.connect(&endpoint)?;
    push.send("waits")?;
    diagnose(&push, |finding| {
        matches!(finding, Finding::NotConnected { error: Some(_), .. })
    })?;
    let pull = context.socket::<Pull>()?;
    pull.bind(&endpoint)?;
    received(&pull)
}

fn another_context() -> Result<()> {
    let (context, other) = (Context::new(), Context::new());
    let elsewhere = other.socket::<Pull>()?;
    elsewhere.bind("inproc://tasks")?;
    let push = context.socket::<Push>()?;
    push.connect("inproc://tasks")?;
    push.send("waits")?;
    diagnose(&push, |finding| {
        matches!(finding, Finding::InprocUnbound { .. })
    })?;
    let pull = context.socket::<Pull>()?;
    pull.bind("inproc://tasks")?;
    received(&pull)
}

fn other_types() -> Result<()> {
    let context = Context::new();
    let (publisher, pull) = (context.socket::<Pub>()?, context.socket::<Pull>()?);
    let endpoint = publisher.bind("tcp://127.0.0.1:*")?;
    pull.connect(&endpoint)?;
    diagnose(&pull, |finding| {
        matches!(finding, Finding::HandshakeFailed { .. })
    })?;
    let subscriber = context.socket::<Sub>()?;
    subscriber.subscribe("")?;
    subscriber.connect(&endpoint)?;
    publisher.wait_subscribed("", 1, PATIENCE)?;
    publisher.send("news")?;
    received(&subscriber)
}

// ---- Requests and replies ----

fn req_out_of_step() -> Result<()> {
    let context = Context::new();
    let (req, rep) = (context.socket::<Req>()?, context.socket::<Rep>()?);
    req.connect(rep.bind("tcp://127.0.0.1:*")?)?;
    req.send("first")?;
    let refused = req.send("second");
    assert!(matches!(refused, Err(error) if matches!(error.error, Error::WrongState(_))));
    diagnose(&req, |finding| {
        matches!(finding, Finding::OutOfStep { sending: true, .. })
    })?;
    rep.recv_timeout(PATIENCE)?;
    rep.send("answer")?;
    received(&req)?;
    Ok(req.send("second")?)
}

fn rep_out_of_step() -> Result<()> {
    let context = Context::new();
    let (req, rep) = (context.socket::<Req>()?, context.socket::<Rep>()?);
    req.connect(rep.bind("tcp://127.0.0.1:*")?)?;
    req.send("question")?;
    rep.recv_timeout(PATIENCE)?;
    assert!(matches!(rep.try_recv(), Err(Error::WrongState(_))));
    diagnose(&rep, |finding| {
        matches!(finding, Finding::OutOfStep { sending: false, .. })
    })?;
    rep.send("answer")?;
    received(&req)
}

// ---- Pipelines ----

fn missing_worker() -> Result<()> {
    let context = Context::new();
    let push = context.socket::<Push>()?;
    let worker = context.socket::<Pull>()?;
    push.connect(worker.bind("inproc://worker")?)?;
    push.connect("inproc://late")?;
    for _ in 0..4 {
        push.send("task")?; // in turn, also to the one that is not there
    }
    diagnose(&push, |finding| {
        matches!(finding, Finding::FewerPeers { queued: 2, .. })
    })?;
    let late = context.socket::<Pull>()?;
    late.bind("inproc://late")?;
    received(&late)
}

/// No finding: all is as it should be, only not as it was meant. The statistics of peers show it.
fn greedy_worker() -> Result<()> {
    let shares = |push: &Socket<Push>| {
        let peers = push.all_peer_stats();
        let mut shares: Vec<_> = peers.iter().map(|peer| peer.messages_sent).collect();
        shares.sort_unstable();
        shares
    };
    let context = Context::new();
    let push = context.socket::<Push>()?;
    let endpoint = push.bind("tcp://127.0.0.1:*")?;
    let first = context.socket::<Pull>()?;
    first.connect(&endpoint)?;
    push.wait_connected(1, PATIENCE)?;
    for _ in 0..100 {
        push.send("task")?;
    }
    let second = context.socket::<Pull>()?;
    second.connect(&endpoint)?;
    push.wait_connected(2, PATIENCE)?;
    println!(
        "  PUSH: the shares of 100 tasks are {:?}: wait for all workers first",
        shares(&push)
    );
    for _ in 0..100 {
        push.send("task")?;
    }
    then(format_args!(
        "after wait_connected, of 100 more, they are {:?}",
        shares(&push)
    ));
    Ok(())
}

// ---- The others ----

fn unknown_id() -> Result<()> {
    let context = Context::new();
    let router = context.socket::<Router>()?;
    router.bind("tcp://127.0.0.1:*")?;
    router.send(["nobody", "hello"])?;
    diagnose(&router, |finding| {
        matches!(finding, Finding::Unroutable { .. })
    })?;
    router.set_mandatory(true)?;
    let refused = router.send(["nobody", "hello"]).map_err(Error::from);
    match refused {
        Err(error @ Error::Unroutable) => {
            then(format_args!("with mandatory an error: {error}"));
        }
        other => return Err(format!("it is not refused: {other:?}").into()),
    }
    Ok(())
}

fn slow_receiver() -> Result<()> {
    let context = Context::new();
    let publisher = context.build_socket::<Pub>().send_hwm(10).build()?;
    publisher.bind("inproc://news")?;
    let subscriber = context.build_socket::<Sub>().recv_hwm(10).build()?;
    subscriber.connect("inproc://news")?;
    subscriber.subscribe("")?;
    publisher.wait_subscribed("", 1, PATIENCE)?;
    for _ in 0..30 {
        publisher.send("news")?;
    }
    diagnose(&publisher, |finding| {
        matches!(finding, Finding::DroppedForFull { .. })
    })?;
    diagnose(&subscriber, |finding| {
        matches!(finding, Finding::ReceiverSlow { .. })
    })?;
    publisher.set_no_drop(true)?;
    let refused = publisher.try_send("news").map_err(Error::from);
    match refused {
        Err(Error::WouldBlock(_)) => then("with no_drop the publisher waits"),
        other => return Err(format!("it does not wait: {other:?}").into()),
    }
    received(&subscriber)
}
