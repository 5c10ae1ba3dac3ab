//! One thread, and three things to wait for: a socket, a descriptor that is none of ØMQ's, and the clock.
//!
//! ```console
//! $ cargo run -p zpoll --example serve_and_watch
//! request "one"
//! request "two"
//! the pipe says "reload"
//! request "three"
//! the pipe is closed: the end
//! 3 requests, … ticks
//! ```
//!
//! It ends by itself. It needs Unix, for the pipe, which stands for whatever else a program waits for: a terminal, a timer, a
//! socket of another library, the pipe of a signal handler.

use std::{
    error::Error,
    io::{Read, Write},
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

use zpoll::{Events, Interest, Poller};
use zsocket::{Context, Endpoint, Rep, Req};

// The keys are the program's own, and come back with the events.
const REQUESTS: usize = 0;
const PIPE: usize = 1;

const TICK: Duration = Duration::from_millis(20);

fn main() -> Result<(), Box<dyn Error>> {
    let context = Context::new();
    let server = context.socket::<Rep>()?;
    let endpoint = server.bind("tcp://127.0.0.1:*")?;
    let (pipe, other_end) = UnixStream::pair()?;
    let client =
        thread::spawn(move || ask(&endpoint, other_end).map_err(|error| error.to_string()));

    let mut poller = Poller::new();
    poller.add(&server, REQUESTS, Interest::RECV)?;
    poller.add_fd(&pipe, PIPE, Interest::RECV)?;
    let mut events = Events::new();
    let (mut requests, mut ticks) = (0, 0);
    let mut next_tick = Instant::now() + TICK;
    'serving: loop {
        let rest = next_tick.saturating_duration_since(Instant::now());
        poller.wait(&mut events, Some(rest))?;
        if Instant::now() >= next_tick {
            ticks += 1;
            next_tick += TICK;
        }
        for event in &events {
            match event.key {
                // What is reported can be used without waiting. What is left is reported again.
                REQUESTS => {
                    println!("request {:?}", server.recv()?[0].as_str()?);
                    server.send("done")?;
                    requests += 1;
                }
                _ => {
                    let mut word = [0; 16];
                    let read = (&pipe).read(&mut word)?;
                    if read == 0 {
                        println!("the pipe is closed: the end");
                        break 'serving;
                    }
                    println!("the pipe says {:?}", String::from_utf8_lossy(&word[..read]));
                }
            }
        }
    }
    println!("{requests} requests, {ticks} ticks");
    assert_eq!(requests, 3);
    client.join().expect("the client panicked")?;
    Ok(())
}

fn ask(endpoint: &Endpoint, mut pipe: UnixStream) -> Result<(), Box<dyn Error>> {
    let context = Context::new();
    let client = context.socket::<Req>()?;
    client.connect(endpoint)?;
    for word in ["one", "two", "three"] {
        client.send(word)?;
        client.recv()?;
        if word == "two" {
            pipe.write_all(b"reload")?;
        }
    }
    Ok(()) // The pipe is closed here.
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_ends_by_itself() {
        super::main().unwrap();
    }
}
