//! A process with sockets that forks.
//!
//! Forking copies the thread that does it and no other one, so the process that does it all the time is
//! one of its own. It has a thread that makes round trips, and one that sends itself messages over a
//! connection and forks between sending and receiving. What the children do with the sockets that they
//! have inherited must end soon, and must not be noticed here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use zexamples::{Child, Footprint, Parent, Result};
use zinterop::process::Forked;
use zsocket::{Context, Error, Pull, Push, Rep, Req, Socket};

use crate::PATIENCE;
use crate::stage::Stage;

/// What a child may take for what it does, also on a machine that stands still for a while.
const LIMIT: Duration = Duration::from_secs(90);
const BATCH: u64 = 10;
/// No run is so long.
const FOREVER: Duration = Duration::from_secs(1 << 30);

/// Exit statuses of a child.
const FINE: u8 = 0;
const RECEIVED: u8 = 1;
const SENT: u8 = 2;

/// Starts the process, and takes in what it reports until the end.
pub(super) fn lead(stage: &Stage) -> Result<()> {
    let mut child = {
        let _enough = stage.enough_descriptors();
        Child::spawn_self(["forker"], FOREVER)?
    };
    child.answer("ready")?;
    stage.pause(Duration::MAX);
    child.extend(PATIENCE);
    child.tell("stop")?;
    let number = |key| Ok::<u64, zexamples::Error>(child.answer(key)?.parse()?);
    stage.log.add("forks: children", number("children")?);
    stage
        .log
        .add("forks: round trips meanwhile", number("round-trips")?);
    for (key, violation) in [
        ("hung", "a forked child hung or crashed"),
        ("received", "a forked child received a message"),
        ("sent", "a forked child could send"),
        ("panicked", "a forked child panicked"),
        (
            "leaked",
            "the process that forks has more descriptors or threads than before",
        ),
    ] {
        let times = number(key)?;
        if times > 0 {
            stage.log.violation(&format!("{violation}: {times} times"));
        }
    }
    child.finish()?;
    Ok(())
}

/// What the process counts.
#[derive(Debug, Default)]
struct Counts {
    children: u64,
    hung: u64,
    received: u64,
    sent: u64,
    panicked: u64,
}

/// Is the process.
pub(crate) fn follow() -> Result<()> {
    let parent = Parent::listen(|| std::process::exit(1))?;
    let context = Context::new();
    let over = AtomicBool::new(false);
    parent.say("ready", "")?;
    let (counts, round_trips, leaked) = thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&context, &over));
        let result = fork_on(&context, &parent);
        over.store(true, Ordering::Relaxed);
        let round_trips = asking
            .join()
            .unwrap_or_else(|_| Err("the requester panicked".into()))?;
        let (counts, leaked) = result?;
        Ok::<_, zexamples::Error>((counts, round_trips, leaked))
    })?;
    for (key, number) in [
        ("children", counts.children),
        ("round-trips", round_trips),
        ("hung", counts.hung),
        ("received", counts.received),
        ("sent", counts.sent),
        ("panicked", counts.panicked),
        ("leaked", leaked.into()),
    ] {
        parent.say(key, &number.to_string())?;
    }
    context
        .term_timeout(PATIENCE)
        .map_err(|report| format!("after the forks: {report}").into())
}

fn ask(context: &Context, over: &AtomicBool) -> Result<u64> {
    let rep = context.socket::<Rep>()?;
    let endpoint = rep.bind("tcp://127.0.0.1:*")?;
    thread::scope(|scope| {
        let serving = scope.spawn(move || -> Result<()> {
            loop {
                let request = rep.recv_timeout(PATIENCE)?;
                let last = request[0].is_empty();
                rep.send(request).map_err(Error::from)?;
                if last {
                    return Ok(());
                }
            }
        });
        let req = context.socket::<Req>()?;
        req.connect(endpoint)?;
        let mut asked = 0u64;
        while !over.load(Ordering::Relaxed) {
            let request = asked.to_le_bytes();
            req.send(&request[..]).map_err(Error::from)?;
            let reply = req.recv_timeout(PATIENCE)?;
            if reply[0] != request[..] {
                return Err(format!("request {asked} got the answer to something else").into());
            }
            asked += 1;
            thread::sleep(Duration::from_micros(200));
        }
        req.send("").map_err(Error::from)?;
        req.recv_timeout(PATIENCE)?;
        serving
            .join()
            .unwrap_or_else(|_| Err("the responder panicked".into()))?;
        Ok(asked)
    })
}

fn fork_on(context: &Context, parent: &Parent) -> Result<(Counts, bool)> {
    let mut counts = Counts::default();
    let mut before = None;
    loop {
        fork_once(context, &mut counts)?;
        // The first ones fill pools that stay.
        if counts.children == 20 {
            before = Some(settled_footprint(None)?);
        }
        if parent.hear_timeout(Duration::from_millis(50))?.is_some() {
            break;
        }
    }
    let leaked = match before {
        Some(before) => {
            let after = settled_footprint(Some(before))?;
            after.descriptors > before.descriptors || after.threads > before.threads
        }
        None => false,
    };
    Ok((counts, leaked))
}

/// The footprint once closed sockets have given their descriptors back.
fn settled_footprint(goal: Option<Footprint>) -> Result<Footprint> {
    let deadline = Instant::now() + Duration::from_secs(2);
    let mut least = Footprint::now()?;
    while Instant::now() < deadline {
        let now = Footprint::now()?;
        least.descriptors = least.descriptors.min(now.descriptors);
        least.threads = least.threads.min(now.threads);
        let reached = |goal: Footprint| {
            least.descriptors <= goal.descriptors && least.threads <= goal.threads
        };
        if goal.is_some_and(reached) {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(least)
}

/// Makes two sockets, fills the connection between them, forks, and checks that nobody noticed.
fn fork_once(context: &Context, counts: &mut Counts) -> Result<()> {
    let pull = context.socket::<Pull>()?;
    let endpoint = pull.bind("tcp://127.0.0.1:*")?;
    let push = context.socket::<Push>()?;
    push.connect(endpoint)?;
    send_batch(&push, 0)?;
    // Whatever the child does, it shall find messages that it could take.
    receive_one(&pull, 0)?;

    let kind = counts.children % 4;
    counts.children += 1;
    // The child owns copies of all that this frame has; a panic in it ends it.
    let child = fork_with(context, push, pull, kind)?;
    let (push, pull) = (child.push, child.pull);
    for seq in 1..BATCH {
        receive_one(&pull, seq)?;
    }
    send_batch(&push, BATCH)?;
    match child.forked.wait(LIMIT)? {
        Some(FINE) => {}
        Some(RECEIVED) => counts.received += 1,
        Some(SENT) => counts.sent += 1,
        Some(_) => counts.panicked += 1,
        None => counts.hung += 1,
    }
    for seq in BATCH..2 * BATCH {
        receive_one(&pull, seq)?;
    }
    Ok(())
}

struct ForkedWith {
    forked: Forked,
    push: Socket<Push>,
    pull: Socket<Pull>,
}

/// Forks; in the child the sockets are used and dropped as `kind` says.
fn fork_with(
    context: &Context,
    push: Socket<Push>,
    pull: Socket<Pull>,
    kind: u64,
) -> Result<ForkedWith> {
    // The child moves the sockets out of its copy of this place.
    let mut sockets = Some((push, pull));
    let forked = Forked::fork(|| {
        let Some((push, pull)) = sockets.take() else {
            return FINE;
        };
        match kind {
            // It leaves at once, and drops nothing.
            0 => {
                std::mem::forget((push, pull));
                FINE
            }
            // It drops what it has.
            1 => {
                drop((push, pull));
                FINE
            }
            // It uses it.
            2 => {
                let received = pull.recv_timeout(Duration::from_millis(50)).is_ok();
                let sent = push.try_send("from the child").is_ok();
                drop((push, pull));
                match (received, sent) {
                    (true, _) => RECEIVED,
                    (_, true) => SENT,
                    _ => FINE,
                }
            }
            // It ends the context as well.
            _ => {
                drop((push, pull));
                context.shutdown();
                drop(context.clone());
                FINE
            }
        }
    })?;
    let (push, pull) = sockets.take().ok_or("the sockets are still here")?;
    Ok(ForkedWith { forked, push, pull })
}

fn send_batch(push: &Socket<Push>, from: u64) -> Result<()> {
    for seq in from..from + BATCH {
        push.send(&seq.to_le_bytes()[..]).map_err(Error::from)?;
    }
    Ok(())
}

fn receive_one(pull: &Socket<Pull>, seq: u64) -> Result<()> {
    let message = pull.recv_timeout(PATIENCE)?;
    if message[0] == seq.to_le_bytes()[..] {
        Ok(())
    } else {
        Err(format!("beside forks: {message:?} instead of message {seq}").into())
    }
}
