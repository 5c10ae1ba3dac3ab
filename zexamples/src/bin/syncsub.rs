//! The guide's synchronised subscriber: it says that it is there, and counts what it gets until the end.
//!
//! ```console
//! $ syncsub                                           # tcp://localhost:5561, tcp://localhost:5562
//! $ syncsub tcp://localhost:5561 tcp://localhost:5562
//! Received 1000000 updates
//! ```
//!
//! The publisher is `syncpub`, or the guide's own.

use std::process;

use zexamples::Result;
use zsocket::{Context, Message, Req, Sub};

fn main() {
    if let Err(error) = subscribe() {
        eprintln!("syncsub: {error}");
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

    let synchroniser = context.socket::<Req>()?;
    synchroniser.connect(service.as_str())?;
    synchroniser.send("")?;
    synchroniser.recv()?;

    let mut updates = 0_u64;
    let mut message = Message::new();
    loop {
        subscriber.recv_into(&mut message)?;
        if message[0] == "END" {
            break;
        }
        updates += 1;
    }
    println!("Received {updates} updates");
    Ok(())
}
