//! Ventilators, workers and a sink.

use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use zexamples::{Child, Endpoints, Ledger, Progress, Result, Transport};
use zsocket::{Context, Error, Message, Pull, Push, Socket};

use crate::body::Body;
use crate::{Outcome, PATIENCE, Place, roles, shares};

const VENTILATORS: u32 = 2;
const WORKERS: u32 = 2;
/// How often the progress is told.
const STRIDE: u64 = 1024;

/// Sends `messages` through a pipeline.
pub(crate) fn run(
    transport: Transport,
    place: Place,
    messages: u64,
    endpoints: &Endpoints,
    progress: &Progress,
) -> Result<Outcome> {
    progress.section(&format!("pipeline, {transport}, {place}"));
    let context = Context::new();
    let sink = context.socket::<Pull>()?;
    sink.set_recv_timeout(Some(PATIENCE))?;
    let sink_endpoint = sink.bind(endpoints.fresh(transport))?.to_string();
    let mut ventilators = Vec::new();
    let mut sources = Vec::new();
    for _ in 0..VENTILATORS {
        let push = context.socket::<Push>()?;
        sources.push(push.bind(endpoints.fresh(transport))?.to_string());
        ventilators.push(push);
    }
    let shares = shares(messages, VENTILATORS);

    let mut children = Vec::new();
    let (ledger, elapsed) = thread::scope(|scope| {
        let mut threads = Vec::new();
        let gathered = (|| {
            for id in 0..WORKERS {
                match place {
                    Place::Threads => {
                        let (context, sink, sources) = (&context, &sink_endpoint, &sources);
                        threads.push(scope.spawn(move || roles::work(context, id, sink, sources)));
                    }
                    Place::Processes => {
                        children.push(roles::spawn_worker(id, &sink_endpoint, &sources, PATIENCE)?);
                    }
                }
            }
            for (id, (push, &share)) in (0..).zip(ventilators.into_iter().zip(&shares)) {
                threads.push(scope.spawn(move || ventilate(&push, id, share)));
            }
            gather(&sink, messages, progress)
        })();
        // Whatever came of it, everybody has to go home, or the scope would wait for ever.
        context.shutdown();
        let joined: Vec<Result<()>> = threads.into_iter().map(join).collect();
        let gathered = gathered?;
        joined.into_iter().collect::<Result<()>>()?;
        Ok::<_, zexamples::Error>(gathered)
    })?;
    dismiss(children)?;
    drop(sink);
    context
        .term_timeout(PATIENCE)
        .map_err(|report| report.to_string())?;
    Ok(Outcome {
        planned: messages,
        elapsed,
        verdict: ledger.settle(&shares),
        round_trips: None,
    })
}

fn ventilate(push: &Socket<Push>, id: u32, messages: u64) -> Result<()> {
    for seq in 0..messages {
        push.send(Message::single(Body::new(id, seq)))
            .map_err(Error::from)?;
    }
    Ok(())
}

/// Receives until everything is there, or nothing comes any more. The time runs from the first
/// message to the last.
fn gather(sink: &Socket<Pull>, messages: u64, progress: &Progress) -> Result<(Ledger, Duration)> {
    let mut ledger = Ledger::new();
    let mut message = Message::new();
    let mut started = None;
    while ledger.received() < messages {
        match sink.recv_into(&mut message) {
            Err(Error::WouldBlock(_)) => break,
            result => result?,
        }
        started.get_or_insert_with(Instant::now);
        enter(&mut ledger, &message)?;
        if ledger.received().is_multiple_of(STRIDE) {
            progress.add(STRIDE);
        }
    }
    let elapsed = started.map_or(PATIENCE, |started: Instant| started.elapsed());
    progress.add(ledger.received() % STRIDE);
    // One too many would come right behind the others.
    while let Ok(surplus) = sink.try_recv() {
        enter(&mut ledger, &surplus)?;
    }
    Ok((ledger, elapsed))
}

fn enter(ledger: &mut Ledger, message: &Message) -> Result<()> {
    let body = Body::read(message.first().ok_or("a message without frames")?)?;
    if body.maker >= VENTILATORS || body.handler >= WORKERS {
        return Err(format!("a message that nobody here made: {body:?}").into());
    }
    ledger.record(body.maker as usize, body.handler as usize, body.seq);
    Ok(())
}

/// Lets child processes end, and sees that they do.
pub(crate) fn dismiss(children: Vec<Child>) -> Result<()> {
    for mut child in children {
        child.extend(PATIENCE);
        child.release();
        child.finish()?;
    }
    Ok(())
}

/// The result of a thread; a panic in it is an error like any other.
pub(crate) fn join<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread
        .join()
        .unwrap_or_else(|_| Err("a thread panicked".into()))
}
