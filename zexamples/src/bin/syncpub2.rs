//! The guide's robust synchronised publisher: it says Hello until so many subscribers have answered, and then publishes.
//!
//! ```console
//! $ syncpub2                                          # 10 subscribers, 1,000,000 updates, tcp ports 5561 and 5562
//! $ syncpub2 tcp://*:5561 tcp://*:5562 10 1000000
//! Publishing on tcp://0.0.0.0:5561
//! Synchronising on tcp://0.0.0.0:5562
//! Broadcasting messages
//! ```
//!
//! Who has heard a Hello has a subscription that works, whatever the network was up to. So this needs neither a pause nor a
//! publisher that can count subscriptions, as `syncpub` does: it works with every implementation of ØMQ at either end.

use std::process;
use std::time::{Duration, Instant};

use zexamples::Result;
use zsocket::{Context, Error, Pub, Rep};

fn main() {
    if let Err(error) = publish() {
        eprintln!("syncpub2: {error}");
        process::exit(2);
    }
}

/// How often it says Hello.
const PERIOD: Duration = Duration::from_millis(20);

fn publish() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let publish_at = args.next().unwrap_or_else(|| "tcp://*:5561".into());
    let synchronise_at = args.next().unwrap_or_else(|| "tcp://*:5562".into());
    let subscribers: usize = args.next().map_or(Ok(10), |arg| arg.parse())?;
    let updates: u64 = args.next().map_or(Ok(1_000_000), |arg| arg.parse())?;

    let context = Context::new();
    let publisher = context.socket::<Pub>()?;
    publisher.set_no_drop(true)?; // who has said Hello gets everything, and is waited for
    println!("Publishing on {}", publisher.bind(publish_at.as_str())?);
    let service = context.socket::<Rep>()?;
    println!(
        "Synchronising on {}",
        service.bind(synchronise_at.as_str())?
    );

    let mut present = 0;
    let mut next_hello = Instant::now();
    while present < subscribers {
        let now = Instant::now();
        if next_hello <= now {
            publisher.send("Hello")?;
            next_hello = now + PERIOD;
        }
        match service.recv_timeout(next_hello - now) {
            Ok(_) => {
                service.send("")?;
                present += 1;
            }
            Err(Error::WouldBlock(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    println!("Broadcasting messages");
    for _ in 0..updates {
        publisher.send("Rhubarb")?;
    }
    publisher.send("END")?;
    drop((publisher, service));
    Ok(context.term()?)
}
