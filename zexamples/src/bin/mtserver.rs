//! The guide's server with worker threads: requests are taken in by one thread, and worked on by five.
//!
//! ```console
//! $ mtserver                          # tcp://*:5555, five workers, a second of work for each request
//! $ mtserver ipc:///tmp/hello 3 10    # three workers, 10 ms
//! Listening on tcp://0.0.0.0:5555
//! Received request: [Hello]
//! ```
//!
//! The guide joins a ROUTER for the clients and a DEALER for REP sockets in threads by a proxy. A `Responder` is shorter: it
//! keeps the envelopes, any thread may answer a request, in any order, and a request that a worker drops is counted. How many
//! are at work at a time is bounded; the rest waits in the pipes. Clients are `hwclient`, `rrclient`, or any REQ.

use std::process;
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use zexamples::{Result, say};
use zsocket::{Context, Request, Responder};

fn main() {
    if let Err(error) = serve() {
        eprintln!("mtserver: {error}");
        process::exit(2);
    }
}

fn serve() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let endpoint = args.next().unwrap_or_else(|| "tcp://*:5555".into());
    let workers: usize = args.next().map_or(Ok(5), |arg| arg.parse())?;
    let pause = Duration::from_millis(args.next().map_or(Ok(1000), |arg| arg.parse())?);

    if workers == 0 {
        return Err("without a worker no request is answered: ask for one at least".into());
    }

    let context = Context::new();
    let responder = Responder::builder()
        .max_at_work(2 * workers)
        .build(&context)?;
    say(format_args!(
        "Listening on {}",
        responder.bind(endpoint.as_str())?
    ));

    let (tasks, queue) = mpsc::channel::<Request>();
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                // Whoever has the lock waits for the next request, and gives it back to work.
                let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                while let Ok(request) = next() {
                    work(request, pause);
                }
            });
        }
        // The workers end when this end of the queue is gone.
        let tasks = tasks;
        loop {
            // It sends meanwhile what the workers have answered.
            tasks.send(responder.recv()?)?;
        }
    })
}

fn work(request: Request, pause: Duration) {
    say(format_args!(
        "Received request: [{}]",
        String::from_utf8_lossy(&request.body()[0])
    ));
    thread::sleep(pause);
    if let Err(error) = request.answer("World") {
        eprintln!("mtserver: {error}");
    }
}
