//! The guide's client of a broker: a REQ socket that says "Hello" ten times.
//!
//! ```console
//! $ rrclient                          # tcp://localhost:5559
//! $ rrclient ipc:///tmp/frontend
//! Received reply 0 [World]
//! Received reply 1 [World]
//! ```
//!
//! It cannot tell a broker from a server. Requests that come before there is a worker wait at the broker.

use std::process;

use zexamples::Result;
use zsocket::{Context, Req};

fn main() {
    if let Err(error) = ask() {
        eprintln!("rrclient: {error}");
        process::exit(2);
    }
}

fn ask() -> Result<()> {
    let endpoint = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "tcp://localhost:5559".into());
    let context = Context::new();
    let requester = context.socket::<Req>()?;
    requester.connect(endpoint.as_str())?;
    for number in 0..10 {
        requester.send("Hello")?;
        let reply = requester.recv()?;
        println!(
            "Received reply {number} [{}]",
            String::from_utf8_lossy(&reply[0])
        );
    }
    Ok(())
}
