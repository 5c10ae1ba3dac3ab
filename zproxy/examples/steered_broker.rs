//! A broker between clients and workers that is looked into, paused, resumed and ended while it runs.
//!
//! ```console
//! $ cargo run -p zproxy --example steered_broker
//! 10 answers
//! paused: no answer
//! resumed: one more
//! to backend:   11 messages, … bytes, of which 11 sent
//! to frontend:  11 messages, … bytes, of which 11 sent
//! captured:     22 messages, 0 dropped
//! the proxy was terminated by its handle
//! ```
//!
//! It ends by itself. A client only knows the broker's frontend and a worker its backend, so that there may be any number of
//! both, and they may come and go.

use std::{error::Error, thread, time::Duration};

use zproxy::Proxy;
use zsocket::{Context, Dealer, Endpoint, Pull, Push, Rep, Req, Router};

const WORKERS: usize = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let context = Context::new();
    let frontend = context.socket::<Router>()?;
    let clients = frontend.bind("tcp://127.0.0.1:*")?;
    let backend = context.socket::<Dealer>()?;
    let workers = backend.bind("tcp://127.0.0.1:*")?;

    // Who looks on: a copy of each message, of both directions. It never holds the broker up.
    let capture = context.socket::<Push>()?;
    let copies = context.socket::<Pull>()?;
    copies.connect(capture.bind("inproc://copies")?)?;

    // Each gets its share only when all are there.
    let pool: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (context, workers) = (context.clone(), workers.clone());
            thread::spawn(move || work(&context, &workers))
        })
        .collect();
    backend.wait_connected(WORKERS, Duration::from_secs(10))?;

    let broker = Proxy::new(frontend, backend).capture(capture).spawn()?;
    let handle = broker.handle().clone(); // For any thread.

    let client = context.socket::<Req>()?;
    client.connect(&clients)?;
    for _ in 0..10 {
        client.send("question")?;
        assert_eq!(client.recv()?[0], "answer");
    }
    println!("10 answers");

    handle.pause();
    while !handle.is_paused() {
        thread::yield_now();
    }
    client.send("question")?;
    assert!(client.recv_timeout(Duration::from_millis(50)).is_err());
    println!("paused: no answer");

    handle.resume();
    assert_eq!(client.recv()?[0], "answer");
    println!("resumed: one more");

    // Eleven requests and their answers were seen.
    for _ in 0..22 {
        copies.recv()?;
    }
    handle.terminate();
    let ended = broker.join()?;
    println!("{}\n{ended}", handle.statistics());

    context.shutdown();
    for worker in pool {
        worker.join().expect("the worker panicked");
    }
    Ok(())
}

/// Answers until the context is shut down.
fn work(context: &Context, broker: &Endpoint) {
    let serve = || {
        let worker = context.socket::<Rep>()?;
        worker.connect(broker)?;
        loop {
            worker.recv()?;
            worker.send("answer")?;
        }
    };
    let ended: Result<(), zsocket::Error> = serve();
    assert!(
        matches!(ended, Err(zsocket::Error::Terminated)),
        "{ended:?}"
    );
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_ends_by_itself() {
        super::main().unwrap();
    }
}
