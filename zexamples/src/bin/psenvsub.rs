//! The guide's subscriber of envelopes: it wants those that are marked "B".
//!
//! ```console
//! $ psenvsub                          # tcp://localhost:5563, for ever
//! $ psenvsub ipc:///tmp/envelopes 3   # three messages
//! [B] We would like to see this
//! ```

use std::process;

use zexamples::Result;
use zsocket::{Context, Sub};

fn main() {
    if let Err(error) = subscribe() {
        eprintln!("psenvsub: {error}");
        process::exit(2);
    }
}

fn subscribe() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let endpoint = args.next().unwrap_or_else(|| "tcp://localhost:5563".into());
    let count: u64 = args.next().map_or(Ok(u64::MAX), |arg| arg.parse())?;

    let context = Context::new();
    let subscriber = context.socket::<Sub>()?;
    subscriber.connect(endpoint.as_str())?;
    subscriber.subscribe("B")?;
    for _ in 0..count {
        let message = subscriber.recv()?;
        let [envelope, content] = message.frames() else {
            return Err(format!("a message of {} frames", message.len()).into());
        };
        let [envelope, content] = [envelope, content].map(|frame| String::from_utf8_lossy(frame));
        println!("[{envelope}] {content}");
    }
    Ok(())
}
