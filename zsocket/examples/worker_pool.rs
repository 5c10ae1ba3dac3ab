//! A server with a pool of threads: one thread receives requests, several work on them, each answers when it is ready.
//!
//! ```console
//! $ cargo run -p zsocket --example worker_pool
//! reply to 3
//! reply to 1
//! …
//! 20 requests, 20 answers
//! ```
//!
//! It ends by itself. The threads share no socket: a [`Request`] carries the way back to its client, and any thread may answer it.
//! How many requests are at work is bounded, so that those who ask too much wait in their pipes and not in this program's memory.
//!
//! The guide does this with a DEALER and worker threads over inproc: `mtserver` of `zexamples`. That is the way if workers
//! may be moved to other processes later.

use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use zsocket::{Context, Error, Request, Requester, Responder};

const WORKERS: usize = 4;
const REQUESTS: u64 = 20;

fn main() -> Result<(), Error> {
    let context = Context::new();
    let server = Responder::builder()
        .max_at_work(2 * WORKERS)
        .build(&context)?;
    let endpoint = server.bind("tcp://127.0.0.1:*")?;
    let serving = thread::spawn(move || serve(&server));

    // The client asks everything at once, and takes replies as they come.
    let client = Requester::new(&context)?;
    client.connect(&endpoint)?;
    for number in 0..REQUESTS {
        client.send(number.to_string(), Duration::from_secs(10))?;
    }
    for _ in 0..REQUESTS {
        let (_, reply) = client.recv()?;
        println!("{}", reply?[0].as_str().expect("the server sends text"));
    }

    context.shutdown();
    let answered = serving.join().expect("the server panicked")?;
    println!("{REQUESTS} requests, {answered} answers");
    Ok(())
}

/// Hands requests to the pool until the context is shut down, and returns how many were answered.
fn serve(server: &Responder) -> Result<u64, Error> {
    let (jobs, queue) = mpsc::channel();
    let queue = Arc::new(Mutex::new(queue));
    let pool: Vec<_> = (0..WORKERS)
        .map(|_| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || work(&queue))
        })
        .collect();

    // While this waits for requests, it sends the answers of the pool.
    let ended = loop {
        match server.recv() {
            Ok(request) => jobs.send(request).expect("the pool outlives this loop"),
            Err(Error::Terminated) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    drop(jobs); // The pool ends with its queue.
    for worker in pool {
        worker.join().expect("a worker panicked");
    }
    ended.map(|()| server.stats().answered)
}

fn work(queue: &Mutex<mpsc::Receiver<Request>>) {
    loop {
        let next = queue.lock().expect("nobody panics with it").recv();
        let Ok(request) = next else { return };
        // The work. Odd ones take longer, and others overtake them.
        let number = String::from_utf8_lossy(&request.body()[0]).into_owned();
        if number.ends_with(['1', '3', '5', '7', '9']) {
            thread::sleep(Duration::from_millis(5));
        }
        // It fails only when the server has ended.
        let _ = request.answer(format!("reply to {number}"));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_ends_by_itself() {
        super::main().unwrap();
    }
}
