//! The guide's leak check: uses everything, closes everything, over and over, and looks whether anything is left.
//!
//! ```console
//! $ leakcheck
//! after 100 rounds: 3.97 MiB private, 5 descriptors, 2 threads
//! after 300 rounds: 4.03 MiB private, 5 descriptors, 2 threads
//! Nothing is left
//! $ valgrind --leak-check=full --error-exitcode=9 target/debug/leakcheck --rounds 2
//! ```
//!
//! A round makes a context and sockets of every type over every transport, has them exchange small messages, large ones and ones
//! that nobody reads, waits with a poller, forwards with a proxy, begins futures and drops them, and ends the context.
//!
//! By itself the program compares what Linux says about it after some rounds and after many more: descriptors and threads must be
//! the same, and memory too but for two megabytes, which is 10 KiB in each of 200 rounds. The exit status is 1 if they are not. Less
//! than that is a matter for valgrind, which finds every byte that nothing refers to any more, and every access to memory that is
//! not the program's; it needs two rounds for that, of which nothing is compared.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::pin::pin;
use std::process::ExitCode;
use std::task::{Context as Task, Waker};
use std::time::{Duration, Instant};
use std::{hint, mem, thread};

use clap::Parser;
use zexamples::{Footprint, Result, conclude, units};
use zpoll::{Events, Interest, Poller};
use zproxy::Proxy;
use zsocket::{
    Context, Dealer, Message, Pair, Pub, Pull, Push, Rep, Req, Requester, Responder, Router,
    Stream, Sub, XPub, XSub,
};

/// Uses everything, closes everything, and looks whether anything is left.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Rounds; the first third of them, at least one, comes before the first look
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Leak so many bytes in each round, to see that it is noticed
    #[arg(long, default_value_t = 0)]
    leak: usize,
}

const PATIENCE: Duration = Duration::from_secs(300);
/// With fewer rounds nothing is compared: memory still grows to what one round needs.
const ENOUGH: u32 = 30;
/// What memory may grow by: allocators keep some for later.
const TOLERANCE: u64 = 2 << 20;
const TRANSPORTS: [&str; 3] = ["tcp://127.0.0.1:*", "ipc://*", "inproc://leakcheck"];
/// Larger than what is copied into a queue.
const LARGE: usize = 256 << 10;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Not on the main thread: what Rust keeps for each thread is given back when it ends, and the main thread's is not.
    let checking = thread::spawn(move || run(&cli));
    let checked = checking.join();
    let result = checked.unwrap_or_else(|_| Err("the check panicked".into()));
    conclude("leakcheck", result)
}

/// Returns whether nothing is left.
fn run(cli: &Cli) -> Result<bool> {
    let first = cli.rounds.div_ceil(3);
    let mut before = None;
    for number in 1..=cli.rounds {
        round()?;
        mem::forget(hint::black_box(vec![1_u8; cli.leak]));
        if number == first && cli.rounds >= ENOUGH {
            before = Some(look(number)?);
        }
    }
    let Some(before) = before else {
        println!("Too few rounds to compare: this is for valgrind");
        return Ok(true);
    };
    let after = look(cli.rounds)?;
    let grown = after.anonymous.saturating_sub(before.anonymous);
    let is_clean = grown <= TOLERANCE
        && after.descriptors == before.descriptors
        && after.threads == before.threads;
    if is_clean {
        println!("Nothing is left");
    } else {
        println!("Something is left: {} of memory", units::bytes(grown));
    }
    Ok(is_clean)
}

/// What the program takes up now, with no context in it.
fn look(round: u32) -> Result<Footprint> {
    let now = settled()?;
    println!(
        "after {round} rounds: {} private, {} descriptors, {} threads",
        units::bytes(now.anonymous),
        now.descriptors,
        now.threads
    );
    Ok(now)
}

/// A thread that was joined may still be counted for a moment.
fn settled() -> Result<Footprint> {
    let start = Instant::now();
    loop {
        let now = Footprint::now()?;
        if now.threads <= 2 || start.elapsed() > Duration::from_secs(10) {
            return Ok(now);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Uses everything once.
fn round() -> Result<()> {
    for endpoint in TRANSPORTS {
        let context = Context::new();
        pipeline(&context, endpoint)?;
        updates(&context, endpoint)?;
        requests(&context, endpoint)?;
        conversations(&context, endpoint)?;
        forwarding(&context, endpoint)?;
        futures(&context, endpoint)?;
        unread(&context, endpoint)?;
        if endpoint.starts_with("tcp") {
            bytes(&context, endpoint)?;
        }
        context
            .term_timeout(PATIENCE)
            .map_err(|report| report.to_string())?;
    }
    Ok(())
}

/// Messages of all sizes, with a poller and a monitor.
fn pipeline(context: &Context, endpoint: &str) -> Result<()> {
    let pull = context.socket::<Pull>()?;
    let monitor = pull.monitor();
    let push = context.socket::<Push>()?;
    push.connect(pull.bind(endpoint)?)?;
    let mut poller = Poller::new();
    poller.add(&pull, 0, Interest::RECV)?;
    let mut events = Events::new();
    let mut message = Message::new();
    for size in [0, 10, 1000, LARGE] {
        push.send([vec![1; size], vec![2; 3]])?;
        poller.wait(&mut events, Some(PATIENCE))?;
        pull.recv_into(&mut message)?;
        if message[0].len() != size {
            return Err(format!("{} bytes instead of {size}", message[0].len()).into());
        }
    }
    while monitor.recv_timeout(Duration::ZERO).is_some() {}
    Ok(())
}

/// Subscriptions that come and go.
fn updates(context: &Context, endpoint: &str) -> Result<()> {
    let publisher = context.socket::<Pub>()?;
    let subscriber = context.socket::<Sub>()?;
    subscriber.connect(publisher.bind(endpoint)?)?;
    for number in 0..50 {
        subscriber.subscribe(format!("topic {number}"))?;
    }
    publisher.wait_subscribed("topic 49", 1, PATIENCE)?;
    for number in 0..50 {
        publisher.send([format!("topic {number}"), "news".into()])?;
        subscriber.recv_timeout(PATIENCE)?;
    }
    for number in 0..25 {
        subscriber.unsubscribe(format!("topic {number}"))?;
    }
    publisher.send(vec![b't'; LARGE])?;
    Ok(())
}

/// One after the other, and several at a time.
fn requests(context: &Context, endpoint: &str) -> Result<()> {
    let rep = context.socket::<Rep>()?;
    let req = context.socket::<Req>()?;
    req.connect(rep.bind(endpoint)?)?;
    for _ in 0..5 {
        req.send("question")?;
        rep.recv_timeout(PATIENCE)?;
        rep.send("answer")?;
        req.recv_timeout(PATIENCE)?;
    }
    drop((req, rep));

    let responder = Responder::new(context)?;
    let endpoint = responder.bind(&*endpoint.replace("leakcheck", "several"))?;
    let server = thread::spawn(move || -> Result<()> {
        for _ in 0..5 {
            responder.answer(responder.recv()?, "answer")?;
        }
        drop(responder.recv()?); // without an answer
        Ok(())
    });
    let requester = Requester::new(context)?;
    requester.connect(&endpoint)?;
    let mut tickets = Vec::new();
    for _ in 0..5 {
        tickets.push(requester.send("question", PATIENCE)?);
    }
    for ticket in tickets {
        requester.wait(ticket)?;
    }
    requester.send("hopeless", PATIENCE)?;
    server.join().map_err(|_| "the server panicked")?
}

/// PAIR, DEALER and ROUTER.
fn conversations(context: &Context, endpoint: &str) -> Result<()> {
    let (here, there) = (context.socket::<Pair>()?, context.socket::<Pair>()?);
    there.connect(here.bind(endpoint)?)?;
    there.send("hello")?;
    here.recv_timeout(PATIENCE)?;
    here.send(vec![3; LARGE])?;
    there.recv_timeout(PATIENCE)?;
    drop((here, there));

    let (router, dealer) = (context.socket::<Router>()?, context.socket::<Dealer>()?);
    dealer.connect(router.bind(endpoint)?)?;
    dealer.send(["hello", "frames"])?;
    let answer = router.recv_timeout(PATIENCE)?;
    router.send(answer)?;
    dealer.recv_timeout(PATIENCE)?;
    router.send(["nobody", "lost"])?;
    Ok(())
}

/// A proxy with a capture, which is ended.
fn forwarding(context: &Context, endpoint: &str) -> Result<()> {
    let at = |name: &str| endpoint.replace("leakcheck", name);
    let (frontend, backend) = (context.socket::<XSub>()?, context.socket::<XPub>()?);
    let (front, back) = (frontend.bind(&*at("front"))?, backend.bind(&*at("back"))?);
    let (capture, seen) = (context.socket::<Push>()?, context.socket::<Pull>()?);
    capture.connect(seen.bind(&*at("seen"))?)?;
    let proxy = Proxy::new(frontend, backend).capture(capture).spawn()?;
    let (publisher, subscriber) = (context.socket::<Pub>()?, context.socket::<Sub>()?);
    publisher.connect(&front)?;
    subscriber.connect(&back)?;
    subscriber.subscribe("")?;
    publisher.wait_subscribed("", 1, PATIENCE)?;
    for size in [10, LARGE] {
        publisher.send(vec![4; size])?;
        subscriber.recv_timeout(PATIENCE)?;
    }
    seen.recv_timeout(PATIENCE)?;
    proxy.handle().terminate();
    proxy.join()?;
    Ok(())
}

/// A future that is finished, and ones that are dropped halfway.
fn futures(context: &Context, endpoint: &str) -> Result<()> {
    let mut pull = context.async_socket::<Pull>()?;
    let mut push = context.async_socket::<Push>()?;
    push.connect(pull.bind(endpoint)?)?;
    for _ in 0..10 {
        let waits = pin!(pull.recv());
        let polled = waits.poll(&mut Task::from_waker(Waker::noop()));
        if polled.is_ready() {
            return Err("a message that nobody has sent".into());
        }
    }
    futures_lite::future::block_on(async {
        push.send("task").await?;
        pull.recv().await?;
        Ok(())
    })
}

/// What nobody reads, and what nobody can be given.
fn unread(context: &Context, endpoint: &str) -> Result<()> {
    let (push, pull) = (context.socket::<Push>()?, context.socket::<Pull>()?);
    push.set_linger(Some(Duration::ZERO))?;
    push.connect(pull.bind(endpoint)?)?;
    push.connect("inproc://nobody")?;
    for size in [10, 1000, LARGE, 10, LARGE, 10] {
        push.send([vec![5; size], vec![6; size]])?;
    }
    Ok(())
}

/// A peer that does not speak ZMTP.
fn bytes(context: &Context, endpoint: &str) -> Result<()> {
    let stream = context.socket::<Stream>()?;
    let endpoint = stream.bind(endpoint)?.to_string();
    let address = endpoint
        .strip_prefix("tcp://")
        .ok_or("it is bound to tcp")?;
    let mut client = TcpStream::connect(address)?;
    client.write_all(b"hello")?;
    let connected = stream.recv_timeout(PATIENCE)?;
    stream.recv_timeout(PATIENCE)?;
    stream.send([&connected[0][..], b"good bye"])?;
    stream.send([&connected[0][..], b""])?; // closes it
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    if answer != "good bye" {
        return Err(format!("{answer:?} instead of good bye").into());
    }
    Ok(())
}
