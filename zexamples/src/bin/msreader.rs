//! The guide's reader of two sockets without a poller: it asks each in turn, and sleeps when both have nothing.
//!
//! ```console
//! $ msreader                                                       # tcp://localhost:5557, tcp://localhost:5556
//! $ msreader tcp://localhost:5557 tcp://localhost:5556
//! Task 42
//! Weather 10001 28 51
//! ```
//!
//! Tasks come from `taskvent`, the weather from `wuserver`. It reads until it is stopped. Tasks go first, and what
//! comes while it sleeps waits up to a millisecond: `mspoller` does the same better.

use std::process;
use std::thread;
use std::time::Duration;

use zexamples::{Result, say};
use zsocket::{CanReceive, Context, Error, Message, Pull, Socket, Sub};

fn main() {
    if let Err(error) = read() {
        eprintln!("msreader: {error}");
        process::exit(2);
    }
}

/// Messages of one socket before the other one has its turn.
const BATCH: usize = 100;

fn read() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let ventilator = args.next().unwrap_or_else(|| "tcp://localhost:5557".into());
    let weather = args.next().unwrap_or_else(|| "tcp://localhost:5556".into());

    let context = Context::new();
    let receiver = context.socket::<Pull>()?;
    receiver.connect(ventilator.as_str())?;
    let subscriber = context.socket::<Sub>()?;
    subscriber.connect(weather.as_str())?;
    subscriber.subscribe("10001 ")?;

    loop {
        let mut is_idle = true;
        for _ in 0..BATCH {
            let Some(task) = next(&receiver)? else { break };
            say(format_args!("Task {}", String::from_utf8_lossy(&task[0])));
            is_idle = false;
        }
        for _ in 0..BATCH {
            let Some(update) = next(&subscriber)? else {
                break;
            };
            say(format_args!(
                "Weather {}",
                String::from_utf8_lossy(&update[0])
            ));
            is_idle = false;
        }
        if is_idle {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A message, if there is one now.
fn next(socket: &Socket<impl CanReceive>) -> Result<Option<Message>> {
    match socket.try_recv() {
        Ok(message) => Ok(Some(message)),
        Err(Error::WouldBlock(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
