//! The guide's sink that stops the workers: when a batch is complete, it publishes the kill signal.
//!
//! ```console
//! $ tasksink2                                                      # tcp://*:5558, signal at tcp://*:5559, 1 worker
//! $ tasksink2 tcp://*:5558 tcp://*:5559 3                          # three workers
//! Collecting on tcp://0.0.0.0:5558
//! Controlling on tcp://0.0.0.0:5559
//! Collected 100 results
//! Total elapsed time: 1696 msec
//! ```
//!
//! Workers are `taskwork2`. A signal that is published goes to those whose subscriptions have come: the sink waits for
//! that of every worker, where the guide sleeps and hopes.

use std::process;
use std::time::{Duration, Instant};

use zexamples::Result;
use zsocket::{Context, Pub, Pull};

fn main() {
    if let Err(error) = collect() {
        eprintln!("tasksink2: {error}");
        process::exit(2);
    }
}

/// Tasks of one batch.
const TASKS: usize = 100;
/// How long it waits for its workers.
const PATIENCE: Duration = Duration::from_secs(3600);

fn collect() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let endpoint = args.next().unwrap_or_else(|| "tcp://*:5558".into());
    let control = args.next().unwrap_or_else(|| "tcp://*:5559".into());
    let workers: usize = args.next().map_or(Ok(1), |arg| arg.parse())?;

    let context = Context::new();
    let receiver = context.socket::<Pull>()?;
    println!("Collecting on {}", receiver.bind(endpoint.as_str())?);
    let controller = context.socket::<Pub>()?;
    println!("Controlling on {}", controller.bind(control.as_str())?);

    // Wait for the start of the batch.
    receiver.recv()?;
    let start = Instant::now();
    for _ in 0..TASKS {
        receiver.recv()?;
    }
    println!("Collected {TASKS} results");
    println!("Total elapsed time: {} msec", start.elapsed().as_millis());

    controller.wait_subscribed("KILL", workers, PATIENCE)?;
    controller.send("KILL")?;
    drop((receiver, controller));
    // The signal is sent when this returns.
    Ok(context.term()?)
}
