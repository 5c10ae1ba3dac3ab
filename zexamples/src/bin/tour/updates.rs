//! Publishers, a forwarder, and subscribers that one thread polls.

use std::thread;
use std::time::Instant;

use zexamples::{Endpoints, Ledger, Progress, Result, Transport};
use zpoll::{Events, Interest, Poller};
use zproxy::Proxy;
use zsocket::{Context, Error, Frame, Message, Pub, Socket, Sub, XPub, XSub};

use crate::body::Body;
use crate::pipeline::join;
use crate::{Outcome, PATIENCE, shares};

const PUBLISHERS: u32 = 2;
/// What subscribers want, each of them one.
const TOPICS: [&str; 2] = ["even", "odd"];
/// Messages of one subscriber before it is the next one's turn. It is also how often the progress is told.
const BATCH: u64 = 1024;

/// Publishes `messages`, each of them for one subscriber.
pub(crate) fn run(
    transport: Transport,
    messages: u64,
    endpoints: &Endpoints,
    progress: &Progress,
) -> Result<Outcome> {
    progress.section(&format!("updates, {transport}, forwarder"));
    let context = Context::new();
    let (frontend, backend) = (context.socket::<XSub>()?, context.socket::<XPub>()?);
    backend.set_no_drop(true)?;
    let front = frontend.bind(endpoints.fresh(transport))?.to_string();
    let back = backend.bind(endpoints.fresh(transport))?.to_string();
    let forwarder = Proxy::new(frontend, backend).spawn()?;
    let subscribers = TOPICS.map(|topic| {
        let subscriber = context.socket::<Sub>()?;
        subscriber.subscribe(topic)?;
        subscriber.connect(&*back)?;
        Ok::<_, Error>(subscriber)
    });
    let subscribers: Vec<_> = subscribers.into_iter().collect::<Result<_, _>>()?;
    let shares = shares(messages, PUBLISHERS);

    let started = Instant::now();
    let ledger = thread::scope(|scope| {
        let publishers: Vec<_> = (0..)
            .zip(&shares)
            .map(|(id, &share)| {
                let (context, front) = (&context, &front);
                scope.spawn(move || publish(context, front, id, share))
            })
            .collect();
        let gathered = gather(&subscribers, messages, progress);
        // Whatever came of it, everybody has to go home, or the scope would wait for ever.
        context.shutdown();
        let published: Vec<Result<()>> = publishers.into_iter().map(join).collect();
        let gathered = gathered?;
        published.into_iter().collect::<Result<()>>()?;
        Ok::<_, zexamples::Error>(gathered)
    })?;
    let elapsed = started.elapsed();
    forwarder.join()?;
    drop(subscribers);
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

/// Waits until both subscriptions have come through the forwarder, and publishes for each in turn.
fn publish(context: &Context, front: &str, id: u32, messages: u64) -> Result<()> {
    let publisher = context.socket::<Pub>()?;
    publisher.set_no_drop(true)?;
    publisher.connect(front)?;
    for topic in TOPICS {
        publisher.wait_subscribed(topic, 1, PATIENCE)?;
    }
    for seq in 0..messages {
        let topic = TOPICS[(seq % TOPICS.len() as u64) as usize];
        publisher.send([Frame::from(topic), Frame::from(Body::new(id, seq))])?;
    }
    Ok(())
}

/// Receives until everything is there, or nothing comes any more.
fn gather(subscribers: &[Socket<Sub>], messages: u64, progress: &Progress) -> Result<Ledger> {
    let mut poller = Poller::new();
    for (id, subscriber) in subscribers.iter().enumerate() {
        poller.add(subscriber, id, Interest::RECV)?;
    }
    let mut events = Events::new();
    let mut message = Message::new();
    let mut ledger = Ledger::new();
    while ledger.received() < messages {
        poller.wait(&mut events, Some(PATIENCE))?;
        if events.is_empty() {
            break;
        }
        let before = ledger.received();
        for event in &events {
            for _ in 0..BATCH {
                match subscribers[event.key].try_recv_into(&mut message) {
                    Err(Error::WouldBlock(_)) => break,
                    result => result?,
                }
                enter(&mut ledger, event.key, &message)?;
            }
        }
        progress.add(ledger.received() - before);
    }
    // One too many would come right behind the others.
    for (id, subscriber) in subscribers.iter().enumerate() {
        while let Ok(surplus) = subscriber.try_recv() {
            enter(&mut ledger, id, &surplus)?;
        }
    }
    Ok(ledger)
}

fn enter(ledger: &mut Ledger, subscriber: usize, message: &Message) -> Result<()> {
    let [topic, body] = message.frames() else {
        return Err(format!("an update of {} frames", message.len()).into());
    };
    let body = Body::read(body)?;
    if *topic != TOPICS[subscriber] || body.maker >= PUBLISHERS {
        return Err(format!("an update that is for nobody here: {topic:?} {body:?}").into());
    }
    ledger.record(body.maker as usize, subscriber, body.seq);
    Ok(())
}
