//! The guide's robust synchronised subscriber: it waits for a Hello, says that it has heard it, and counts what it gets until
//! the end.
//!
//! ```console
//! $ syncsub2                                          # tcp://localhost:5561, tcp://localhost:5562
//! $ syncsub2 tcp://localhost:5561 tcp://localhost:5562
//! Received 1000000 updates
//! ```
//!
//! The publisher is `syncpub2`.

use std::process;

use zexamples::Result;
use zsocket::{Context, Message, Req, Sub};

fn main() {
    if let Err(error) = subscribe() {
        eprintln!("syncsub2: {error}");
        process::exit(2);
    }
}

fn subscribe() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let publisher = args.next().unwrap_or_else(|| "tcp://localhost:5561".into());
    let service = args.next().unwrap_or_else(|| "tcp://localhost:5562".into());

    let context = Context::new();
    let subscriber = context.socket::<Sub>()?;
    subscriber.connect(publisher.as_str())?;
    subscriber.subscribe("")?;
    let first = subscriber.recv()?;
    if first[0] != "Hello" {
        return Err("the publisher has begun without us".into());
    }

    let synchroniser = context.socket::<Req>()?;
    synchroniser.connect(service.as_str())?;
    synchroniser.send("")?;
    synchroniser.recv()?;

    let mut updates = 0_u64;
    let mut message = Message::new();
    loop {
        subscriber.recv_into(&mut message)?;
        match message[0].as_slice() {
            b"Hello" => {} // for those who are still missing
            b"END" => break,
            _ => updates += 1,
        }
    }
    println!("Received {updates} updates");
    Ok(())
}
