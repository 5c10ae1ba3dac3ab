//! The guide's hello world client: a REQ socket that says "Hello" ten times and prints each answer.
//!
//! ```console
//! $ hwclient                          # tcp://localhost:5555
//! $ hwclient ipc:///tmp/hello
//! Connecting to tcp://localhost:5555
//! Sending Hello 0
//! Received World 0
//! Sending Hello 1
//! ```
//!
//! Any ØMQ program may be the server; `hwserver` is ours. Start them in either order.

use std::{env, process};

use zsocket::{Context, Error, Req};

fn main() {
    let endpoint = env::args()
        .nth(1)
        .unwrap_or_else(|| String::from("tcp://localhost:5555"));
    if let Err(error) = ask(&endpoint) {
        eprintln!("hwclient: {error}");
        process::exit(2);
    }
}

fn ask(endpoint: &str) -> Result<(), Error> {
    let context = Context::new();
    let requester = context.socket::<Req>()?;
    println!("Connecting to {endpoint}");
    requester.connect(endpoint)?;

    for number in 0..10 {
        println!("Sending Hello {number}");
        requester.send("Hello")?;
        let reply = requester.recv()?;
        println!("Received {} {number}", String::from_utf8_lossy(&reply[0]));
    }
    Ok(())
}
