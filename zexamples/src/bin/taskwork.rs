//! The guide's worker: it takes tasks, works, which here is waiting, and tells the sink.
//!
//! ```console
//! $ taskwork                                                       # tcp://localhost:5557, tcp://localhost:5558
//! $ taskwork tcp://localhost:5557 tcp://localhost:5558
//! 45.12.98.
//! ```
//!
//! It works until it is stopped. Start as many as you like.

use std::io::{self, Write};
use std::process;
use std::thread;
use std::time::Duration;

use zexamples::Result;
use zsocket::{Context, Pull, Push};

fn main() {
    if let Err(error) = work() {
        eprintln!("taskwork: {error}");
        process::exit(2);
    }
}

fn work() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let ventilator = args.next().unwrap_or_else(|| "tcp://localhost:5557".into());
    let sink = args.next().unwrap_or_else(|| "tcp://localhost:5558".into());

    let context = Context::new();
    let receiver = context.socket::<Pull>()?;
    receiver.connect(ventilator.as_str())?;
    let sender = context.socket::<Push>()?;
    sender.connect(sink.as_str())?;
    loop {
        let task = receiver.recv()?;
        let workload = String::from_utf8_lossy(&task[0]).into_owned();
        print!("{workload}.");
        io::stdout().flush()?;
        thread::sleep(Duration::from_millis(workload.parse()?));
        sender.send("")?;
    }
}
