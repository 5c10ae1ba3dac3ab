//! The guide's sink: it collects the results of a batch and says how long that took.
//!
//! ```console
//! $ tasksink                          # tcp://*:5558
//! Collecting on tcp://0.0.0.0:5558
//! Collected 100 results
//! Total elapsed time: 1696 msec
//! ```

use std::process;
use std::time::Instant;

use zexamples::Result;
use zsocket::{Context, Pull};

fn main() {
    if let Err(error) = collect() {
        eprintln!("tasksink: {error}");
        process::exit(2);
    }
}

/// Tasks of one batch.
const TASKS: usize = 100;

fn collect() -> Result<()> {
    let endpoint = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "tcp://*:5558".into());
    let context = Context::new();
    let receiver = context.socket::<Pull>()?;
    println!("Collecting on {}", receiver.bind(endpoint.as_str())?);

    // Wait for the start of the batch.
    receiver.recv()?;
    let start = Instant::now();
    for _ in 0..TASKS {
        receiver.recv()?;
    }
    println!("Collected {TASKS} results");
    println!("Total elapsed time: {} msec", start.elapsed().as_millis());
    Ok(())
}
