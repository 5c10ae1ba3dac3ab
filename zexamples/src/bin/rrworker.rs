//! The guide's worker behind a broker: a REP socket that connects instead of binding.
//!
//! ```console
//! $ rrworker                          # tcp://localhost:5560, a second of work for each request
//! $ rrworker ipc:///tmp/backend 10    # 10 ms
//! Received request: [Hello]
//! ```
//!
//! It works until it is stopped. Start as many as you like, and whenever you like: clients do not notice.

use std::process;
use std::thread;
use std::time::Duration;

use zexamples::{Result, say};
use zsocket::{Context, Rep};

fn main() {
    if let Err(error) = work() {
        eprintln!("rrworker: {error}");
        process::exit(2);
    }
}

fn work() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let endpoint = args.next().unwrap_or_else(|| "tcp://localhost:5560".into());
    let pause = Duration::from_millis(args.next().map_or(Ok(1000), |arg| arg.parse())?);

    let context = Context::new();
    let responder = context.socket::<Rep>()?;
    responder.connect(endpoint.as_str())?;
    loop {
        let request = responder.recv()?;
        say(format_args!(
            "Received request: [{}]",
            String::from_utf8_lossy(&request[0])
        ));
        thread::sleep(pause);
        responder.send("World")?;
    }
}
