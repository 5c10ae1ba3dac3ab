//! The guide's message queue: a broker of requests that is a proxy, and nothing else.
//!
//! ```console
//! $ msgqueue                                  # clients at tcp port 5559, workers at 5560
//! $ msgqueue tcp://*:5559 tcp://*:5560
//! Clients at tcp://0.0.0.0:5559
//! Workers at tcp://0.0.0.0:5560
//! ```

use std::process;

use zexamples::Result;
use zproxy::proxy;
use zsocket::{Context, Dealer, Router};

fn main() {
    if let Err(error) = queue() {
        eprintln!("msgqueue: {error}");
        process::exit(2);
    }
}

fn queue() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let for_clients = args.next().unwrap_or_else(|| "tcp://*:5559".into());
    let for_workers = args.next().unwrap_or_else(|| "tcp://*:5560".into());

    let context = Context::new();
    let frontend = context.socket::<Router>()?;
    println!("Clients at {}", frontend.bind(for_clients.as_str())?);
    let backend = context.socket::<Dealer>()?;
    println!("Workers at {}", backend.bind(for_workers.as_str())?);
    println!("{}", proxy(&frontend, &backend, None)?);
    Ok(())
}
