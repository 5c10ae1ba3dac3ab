//! Clients and servers.

use std::thread;
use std::time::{Duration, Instant};

use zexamples::{Endpoints, Ledger, Percentiles, Progress, Result, Transport};
use zsocket::{Context, Error, Frame, Message, Rep, Req, Socket};

use crate::body::Body;
use crate::pipeline::{dismiss, join};
use crate::{Outcome, PATIENCE, Place, roles, shares};

const CLIENTS: u32 = 2;
const SERVERS: u32 = 2;
/// How often the progress is told.
const STRIDE: u64 = 128;
/// The second frame of each request, which shall come back as it was.
pub(crate) const TEXT: &str = "how do you do";

/// Makes `round_trips` between clients and servers.
pub(crate) fn run(
    transport: Transport,
    place: Place,
    round_trips: u64,
    endpoints: &Endpoints,
    progress: &Progress,
) -> Result<Outcome> {
    progress.section(&format!("requests, {transport}, {place}"));
    let context = Context::new();
    let mut servers = Vec::new();
    let mut children = Vec::new();
    let mut addresses = Vec::new();
    for id in 0..SERVERS {
        let endpoint = endpoints.fresh(transport);
        match place {
            Place::Threads => {
                let rep = context.socket::<Rep>()?;
                addresses.push(rep.bind(endpoint)?.to_string());
                servers.push(rep);
            }
            Place::Processes => {
                let (child, address) = roles::spawn_server(id, &endpoint, PATIENCE)?;
                children.push(child);
                addresses.push(address);
            }
        }
    }
    let shares = shares(round_trips, CLIENTS);

    let started = Instant::now();
    let (ledgers, samples, elapsed) = thread::scope(|scope| {
        let servers: Vec<_> = (0..)
            .zip(servers)
            .map(|(id, rep)| scope.spawn(move || roles::serve(&rep, id)))
            .collect();
        let clients: Vec<_> = (0..)
            .zip(&shares)
            .map(|(id, &share)| {
                let (context, addresses) = (&context, &addresses);
                scope.spawn(move || ask(context, id, addresses, share, progress))
            })
            .collect();
        let answers: Vec<Result<_>> = clients.into_iter().map(join).collect();
        let elapsed = started.elapsed();
        // Whatever came of it, the servers have to go home, or the scope would wait for ever.
        context.shutdown();
        let served: Vec<Result<()>> = servers.into_iter().map(join).collect();
        let (ledgers, samples): (Vec<_>, Vec<_>) = answers
            .into_iter()
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .unzip();
        served.into_iter().collect::<Result<()>>()?;
        Ok::<_, zexamples::Error>((ledgers, samples, elapsed))
    })?;
    dismiss(children)?;
    context
        .term_timeout(PATIENCE)
        .map_err(|report| report.to_string())?;
    let mut books = Ledger::new();
    ledgers.into_iter().for_each(|ledger| books.merge(ledger));
    Ok(Outcome {
        planned: round_trips,
        elapsed,
        verdict: books.settle(&shares),
        round_trips: Percentiles::of(samples.concat()),
    })
}

/// One client: asks all servers in turn, and notes which answers came and how long they took.
fn ask(
    context: &Context,
    id: u32,
    servers: &[String],
    round_trips: u64,
    progress: &Progress,
) -> Result<(Ledger, Vec<Duration>)> {
    let req = context.socket::<Req>()?;
    req.set_recv_timeout(Some(PATIENCE))?;
    for server in servers {
        req.connect(server.as_str())?;
    }
    let mut ledger = Ledger::new();
    let mut samples = Vec::new();
    for seq in 0..round_trips {
        let start = Instant::now();
        let reply = match round_trip(&req, Body::new(id, seq)) {
            Err(Error::WouldBlock(_)) => break,
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

fn round_trip(req: &Socket<Req>, body: Body) -> Result<Message, Error> {
    req.send([Frame::from(body), Frame::from(TEXT)])?;
    req.recv()
}

/// Notes an answer, after a look whether it is one to this client.
pub(crate) fn enter(ledger: &mut Ledger, client: u32, reply: &Message) -> Result<()> {
    let body = Body::read(reply.first().ok_or("a message without frames")?)?;
    if reply.len() != 2 || reply[1] != TEXT || body.maker != client || body.handler >= SERVERS {
        return Err(format!("client {client} got an answer to something else: {body:?}").into());
    }
    ledger.record(client as usize, body.handler as usize, body.seq);
    Ok(())
}
