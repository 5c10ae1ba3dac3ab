//! The guide's ventilator: it hands tasks out to workers, in turn, once all of them are there.
//!
//! ```console
//! $ taskvent                                                       # tcp://*:5557, sink at tcp://localhost:5558, 1 worker
//! $ taskvent tcp://*:5557 tcp://localhost:5558 3                   # waits for three workers
//! Ventilating on tcp://0.0.0.0:5557
//! Total expected cost: 5062 msec
//! ```
//!
//! The guide asks for the Enter key when the workers are ready; here the ventilator waits for their connections.

use std::process;
use std::time::Duration;

use zexamples::Result;
use zsocket::{Context, Push};

fn main() {
    if let Err(error) = ventilate() {
        eprintln!("taskvent: {error}");
        process::exit(2);
    }
}

/// Tasks of one batch.
const TASKS: usize = 100;
/// How long it waits for its workers.
const PATIENCE: Duration = Duration::from_secs(3600);

fn ventilate() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let endpoint = args.next().unwrap_or_else(|| "tcp://*:5557".into());
    let sink = args.next().unwrap_or_else(|| "tcp://localhost:5558".into());
    let workers: usize = args.next().map_or(Ok(1), |arg| arg.parse())?;
    let longest: u64 = args.next().map_or(Ok(100), |arg| arg.parse())?;

    let context = Context::new();
    let sender = context.socket::<Push>()?;
    println!("Ventilating on {}", sender.bind(endpoint.as_str())?);
    let start = context.socket::<Push>()?;
    start.connect(sink.as_str())?;
    sender.wait_connected(workers, PATIENCE)?;

    // The first message tells the sink that a batch begins.
    start.send("0")?;
    let mut total = 0;
    for _ in 0..TASKS {
        let workload = fastrand::u64(1..=longest);
        total += workload;
        sender.send(workload.to_string())?;
    }
    println!("Total expected cost: {total} msec");
    drop((sender, start));
    Ok(context.term()?)
}
