//! Clients that are tasks, a broker, and workers.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future;
use zexamples::{Endpoints, Ledger, Percentiles, Progress, Result, Transport};
use zproxy::Proxy;
use zsocket::{Context, Dealer, Error, Frame, Rep, Req, Router};

use crate::body::Body;
use crate::pipeline::join;
use crate::roundtrips::{TEXT, enter};
use crate::{Outcome, PATIENCE, roles, shares};

/// Tasks of one thread.
const CLIENTS: u32 = 2;
const WORKERS: u32 = 2;
/// How often the progress is told.
const STRIDE: u64 = 128;

/// Makes `round_trips` between clients and workers who do not know each other.
pub(crate) fn run(
    transport: Transport,
    round_trips: u64,
    endpoints: &Endpoints,
    progress: &Progress,
) -> Result<Outcome> {
    progress.section(&format!("broker, {transport}, tasks"));
    let context = Context::new();
    let (frontend, backend) = (context.socket::<Router>()?, context.socket::<Dealer>()?);
    let front = frontend.bind(endpoints.fresh(transport))?.to_string();
    let back = backend.bind(endpoints.fresh(transport))?.to_string();
    let broker = Proxy::new(frontend, backend).spawn()?;
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        let worker = context.socket::<Rep>()?;
        worker.connect(&*back)?;
        workers.push(worker);
    }
    let shares = shares(round_trips, CLIENTS);

    let started = Instant::now();
    let (answers, elapsed) = thread::scope(|scope| {
        let workers: Vec<_> = (0..)
            .zip(workers)
            .map(|(id, worker)| scope.spawn(move || roles::serve(&worker, id)))
            .collect();
        let (done, is_done) = mpsc::channel::<()>();
        let asking = scope.spawn({
            let (context, front, shares) = (&context, &*front, &shares);
            move || {
                let _done = done;
                let task = |id: u32| ask(context, front, id, shares[id as usize], progress);
                let (one, other) = future::block_on(future::zip(task(0), task(1)));
                Ok([one?, other?])
            }
        });
        // A future has no time limit, so there is one for all of them. No message comes: this is the end of the sender.
        let _ = is_done.recv_timeout(PATIENCE * 4);
        let elapsed = started.elapsed();
        // Whatever came of it, everybody has to go home, or the scope would wait for ever.
        context.shutdown();
        let answers = join(asking);
        let worked: Vec<Result<()>> = workers.into_iter().map(join).collect();
        let answers = answers?;
        worked.into_iter().collect::<Result<()>>()?;
        Ok::<_, zexamples::Error>((answers, elapsed))
    })?;
    broker.join()?;
    context
        .term_timeout(PATIENCE)
        .map_err(|report| report.to_string())?;
    let mut books = Ledger::new();
    let mut samples = Vec::new();
    for (ledger, times) in answers {
        books.merge(ledger);
        samples.extend(times);
    }
    Ok(Outcome {
        planned: round_trips,
        elapsed,
        verdict: books.settle(&shares),
        round_trips: Percentiles::of(samples),
    })
}

/// One client: asks whoever is behind the broker, and notes which answers came and how long they took.
async fn ask(
    context: &Context,
    broker: &str,
    id: u32,
    round_trips: u64,
    progress: &Progress,
) -> Result<(Ledger, Vec<Duration>)> {
    let mut client = context.async_socket::<Req>()?;
    client.connect(broker)?;
    let mut ledger = Ledger::new();
    let mut samples = Vec::new();
    for seq in 0..round_trips {
        let start = Instant::now();
        let request = [Frame::from(Body::new(id, seq)), Frame::from(TEXT)];
        client.send(request).await.map_err(Error::from)?;
        let reply = match client.recv().await {
            Err(Error::Terminated) => break, // the time is over
            reply => reply?,
        };
        samples.push(start.elapsed());
        enter(&mut ledger, id, &reply)?;
        if ledger.received().is_multiple_of(STRIDE) {
            progress.add(STRIDE);
        }
    }
    progress.add(ledger.received() % STRIDE);
    Ok((ledger, samples))
}
