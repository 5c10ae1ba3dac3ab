//! The guide's worker that can be told to stop: it waits for tasks and for the kill signal at once.
//!
//! ```console
//! $ taskwork2                    # tcp://localhost:5557, tcp://localhost:5558, tcp://localhost:5559
//! $ taskwork2 tcp://localhost:5557 tcp://localhost:5558 tcp://localhost:5559
//! 45.12.98.
//! ```
//!
//! Tasks come from `taskvent`, results go to `tasksink2`, from which the signal comes as well: any message on the third
//! endpoint.

use std::io::{self, Write};
use std::process;
use std::thread;
use std::time::Duration;

use zexamples::Result;
use zpoll::{Events, Interest, Poller};
use zsocket::{Context, Pull, Push, Sub};

fn main() {
    if let Err(error) = work() {
        eprintln!("taskwork2: {error}");
        process::exit(2);
    }
}

const TASKS: usize = 0;
const CONTROL: usize = 1;

fn work() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let ventilator = args.next().unwrap_or_else(|| "tcp://localhost:5557".into());
    let sink = args.next().unwrap_or_else(|| "tcp://localhost:5558".into());
    let control = args.next().unwrap_or_else(|| "tcp://localhost:5559".into());

    let context = Context::new();
    // First the signal, so that it finds every worker that has begun to work.
    let controller = context.socket::<Sub>()?;
    controller.connect(control.as_str())?;
    controller.subscribe("")?;
    let receiver = context.socket::<Pull>()?;
    receiver.connect(ventilator.as_str())?;
    let sender = context.socket::<Push>()?;
    sender.connect(sink.as_str())?;

    let mut poller = Poller::new();
    poller.add(&receiver, TASKS, Interest::RECV)?;
    poller.add(&controller, CONTROL, Interest::RECV)?;
    let mut events = Events::new();
    let mut is_running = true;
    while is_running {
        poller.wait(&mut events, None)?;
        for event in &events {
            if event.key == CONTROL {
                is_running = false;
                continue;
            }
            let task = receiver.recv()?;
            let workload = String::from_utf8_lossy(&task[0]).into_owned();
            print!("{workload}.");
            io::stdout().flush()?;
            thread::sleep(Duration::from_millis(workload.parse()?));
            sender.send("")?;
        }
    }
    println!();
    Ok(())
}
