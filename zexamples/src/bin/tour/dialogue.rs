//! Two that talk to each other alone: a pair, and a program that does not speak ZMTP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use zexamples::{Endpoints, Ledger, Percentiles, Progress, Result, Transport};
use zsocket::{Context, Error, Frame, Pair, Socket, Stream};

use crate::body::Body;
use crate::pipeline::join;
use crate::{Outcome, PATIENCE, roles};

/// How often the progress is told.
const STRIDE: u64 = 128;

/// Makes `round_trips` between two PAIR sockets.
pub(crate) fn pair(
    transport: Transport,
    round_trips: u64,
    endpoints: &Endpoints,
    progress: &Progress,
) -> Result<Outcome> {
    progress.section(&format!("pair, {transport}, threads"));
    let context = Context::new();
    let (here, there) = (context.socket::<Pair>()?, context.socket::<Pair>()?);
    here.set_recv_timeout(Some(PATIENCE))?;
    here.connect(there.bind(endpoints.fresh(transport))?)?;
    let outcome = thread::scope(|scope| {
        let answering = scope.spawn(move || roles::echo(&there, 0));
        let outcome = talk(round_trips, progress, |body| {
            here.send(Frame::from(body)).map_err(Error::from)?;
            let answer = here.recv()?;
            Body::read(answer.first().ok_or("a message without frames")?)
        });
        // Whatever came of it, the other one has to go home, or the scope would wait for ever.
        context.shutdown();
        join(answering)?;
        outcome
    });
    drop(here);
    end(&context)?;
    outcome
}

/// Makes `round_trips` between a plain tcp client and a STREAM socket, which sends back what it gets.
pub(crate) fn stream(round_trips: u64, progress: &Progress) -> Result<Outcome> {
    progress.section("stream, tcp, plain client");
    let context = Context::new();
    let server = context.socket::<Stream>()?;
    let endpoint = server.bind("tcp://127.0.0.1:*")?.to_string();
    let address = endpoint
        .strip_prefix("tcp://")
        .ok_or("it is bound to tcp")?;
    let mut client = TcpStream::connect(address)?;
    client.set_nodelay(true)?;
    client.set_read_timeout(Some(PATIENCE))?;
    let outcome = thread::scope(|scope| {
        let answering = scope.spawn(move || give_back(&server));
        let outcome = talk(round_trips, progress, |body| {
            client.write_all(&Frame::from(body))?;
            let mut answer = [0; Body::LEN];
            client.read_exact(&mut answer)?;
            Body::read(&answer)
        });
        context.shutdown();
        join(answering)?;
        outcome
    });
    end(&context)?;
    outcome
}

/// Sends bytes back to where they came from, until the context is shut down. What has none is a notice of connect or disconnect.
fn give_back(server: &Socket<Stream>) -> Result<()> {
    roles::until_terminated(|| {
        loop {
            let message = server.recv()?;
            if message
                .frames()
                .last()
                .is_some_and(|bytes| !bytes.is_empty())
            {
                server.send(message).map_err(Error::from)?;
            }
        }
    })
}

fn talk(
    round_trips: u64,
    progress: &Progress,
    mut ask: impl FnMut(Body) -> Result<Body>,
) -> Result<Outcome> {
    let mut ledger = Ledger::new();
    let mut samples: Vec<Duration> = Vec::new();
    let started = Instant::now();
    for seq in 0..round_trips {
        let start = Instant::now();
        let answer = ask(Body::new(0, seq))?;
        samples.push(start.elapsed());
        if answer.maker != 0 {
            return Err(format!("an answer to something else: {answer:?}").into());
        }
        ledger.record(0, 0, answer.seq);
        if ledger.received().is_multiple_of(STRIDE) {
            progress.add(STRIDE);
        }
    }
    progress.add(ledger.received() % STRIDE);
    Ok(Outcome {
        planned: round_trips,
        elapsed: started.elapsed(),
        verdict: ledger.settle(&[round_trips]),
        round_trips: Percentiles::of(samples),
    })
}

fn end(context: &Context) -> Result<()> {
    let ended = context.term_timeout(PATIENCE);
    Ok(ended.map_err(|report| report.to_string())?)
}
