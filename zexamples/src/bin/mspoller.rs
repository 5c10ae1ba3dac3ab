//! The guide's reader of two sockets with a poller: it sleeps until one of them has something.
//!
//! ```console
//! $ mspoller                                                       # tcp://localhost:5557, tcp://localhost:5556
//! $ mspoller tcp://localhost:5557 tcp://localhost:5556
//! Task 42
//! Weather 10001 28 51
//! ```
//!
//! Tasks come from `taskvent`, the weather from `wuserver`. It reads until it is stopped. One message for each event
//! is enough: what is left is reported by the next wait again.

use std::process;

use zexamples::{Result, say};
use zpoll::{Events, Interest, Poller};
use zsocket::{Context, Pull, Sub};

fn main() {
    if let Err(error) = read() {
        eprintln!("mspoller: {error}");
        process::exit(2);
    }
}

const TASKS: usize = 0;
const WEATHER: usize = 1;

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

    let mut poller = Poller::new();
    poller.add(&receiver, TASKS, Interest::RECV)?;
    poller.add(&subscriber, WEATHER, Interest::RECV)?;
    let mut events = Events::new();
    loop {
        poller.wait(&mut events, None)?;
        for event in &events {
            let (what, message) = match event.key {
                TASKS => ("Task", receiver.recv()?),
                _ => ("Weather", subscriber.recv()?),
            };
            say(format_args!(
                "{what} {}",
                String::from_utf8_lossy(&message[0])
            ));
        }
    }
}
