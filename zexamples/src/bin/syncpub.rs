//! The guide's synchronised publisher: it waits until so many subscribers have said that they are there, and then
//! publishes, to each of them all.
//!
//! ```console
//! $ syncpub                                           # 10 subscribers, 1,000,000 updates, tcp ports 5561 and 5562
//! $ syncpub tcp://*:5561 tcp://*:5562 10 1000000
//! Publishing on tcp://0.0.0.0:5561
//! Synchronising on tcp://0.0.0.0:5562
//! Broadcasting messages
//! ```
//!
//! The guide's subscribers sleep a second, so that their subscription arrives before the request that says they are there.
//! Here the publisher counts the subscriptions instead, and it waits for slow subscribers: each gets exactly as many
//! updates as there are.

use std::process;
use std::time::Duration;

use zexamples::Result;
use zsocket::{Context, Pub, Rep};

fn main() {
    if let Err(error) = publish() {
        eprintln!("syncpub: {error}");
        process::exit(2);
    }
}

/// How long it waits for the subscription of one that has said it is there.
const PATIENCE: Duration = Duration::from_secs(30);

fn publish() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let publish_at = args.next().unwrap_or_else(|| "tcp://*:5561".into());
    let synchronise_at = args.next().unwrap_or_else(|| "tcp://*:5562".into());
    let subscribers: usize = args.next().map_or(Ok(10), |arg| arg.parse())?;
    let updates: u64 = args.next().map_or(Ok(1_000_000), |arg| arg.parse())?;

    let context = Context::new();
    let publisher = context.socket::<Pub>()?;
    publisher.set_no_drop(true)?;
    println!("Publishing on {}", publisher.bind(publish_at.as_str())?);
    let service = context.socket::<Rep>()?;
    println!(
        "Synchronising on {}",
        service.bind(synchronise_at.as_str())?
    );

    for present in 1..=subscribers {
        service.recv()?;
        publisher.wait_subscribed("", present, PATIENCE)?;
        service.send("")?;
    }
    println!("Broadcasting messages");
    for _ in 0..updates {
        publisher.send("Rhubarb")?;
    }
    publisher.send("END")?;
    drop((publisher, service));
    Ok(context.term()?)
}
