//! The guide's publisher with envelopes: the first frame of each message says whom it is for.
//!
//! ```console
//! $ psenvpub                          # tcp://*:5563, one pair of messages a second
//! $ psenvpub ipc:///tmp/envelopes 100 # every 100 ms
//! Publishing on tcp://0.0.0.0:5563
//! ```
//!
//! It publishes until it is stopped. Subscribers are `psenvsub`, or the guide's own.

use std::process;
use std::thread;
use std::time::Duration;

use zexamples::Result;
use zsocket::{Context, Pub};

fn main() {
    if let Err(error) = publish() {
        eprintln!("psenvpub: {error}");
        process::exit(2);
    }
}

fn publish() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let endpoint = args.next().unwrap_or_else(|| "tcp://*:5563".into());
    let pause = Duration::from_millis(args.next().map_or(Ok(1000), |arg| arg.parse())?);

    let context = Context::new();
    let publisher = context.socket::<Pub>()?;
    println!("Publishing on {}", publisher.bind(endpoint.as_str())?);
    loop {
        publisher.send(["A", "We don't want to see this"])?;
        publisher.send(["B", "We would like to see this"])?;
        thread::sleep(pause);
    }
}
