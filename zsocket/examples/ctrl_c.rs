//! A server that is blocked in `recv`, and ends cleanly on Ctrl-C (SIGINT).
//!
//! ```console
//! $ cargo run -p zsocket --example ctrl_c            # a thread waits for the signal, and shuts the context down
//! $ cargo run -p zsocket --example ctrl_c -- flag    # the signal ends the wait of this thread itself (Linux)
//! Ask me at tcp://127.0.0.1:40341, end me with Ctrl-C
//! ^C
//! answered 0 requests
//! ```
//!
//! It ends by Ctrl-C, or by `kill -INT`, and needs Unix. The first way is the one to take: it ends every blocked call of
//! every thread, and cannot miss a signal. The second needs no thread. A signal that comes just before the thread falls asleep
//! is noticed when the wait is over, which is why that has a time limit; and the system has to choose this thread for the
//! handler, as Linux does with the main thread of a program for Ctrl-C.

use std::{
    error::Error as StdError,
    io::Read,
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use signal_hook::consts::SIGINT;
use zsocket::{Context, Endpoint, Error, Rep, Socket};

fn main() -> Result<(), Box<dyn StdError>> {
    let uses_flag = std::env::args().nth(1).as_deref() == Some("flag");
    let announce = |endpoint: &Endpoint| println!("Ask me at {endpoint}, end me with Ctrl-C");
    let answered = run(uses_flag, announce)?;
    println!("answered {answered} requests");
    Ok(())
}

fn run(uses_flag: bool, announce: impl FnOnce(&Endpoint)) -> Result<u64, Box<dyn StdError>> {
    let context = Context::new();
    let server = context.socket::<Rep>()?;
    let stop = Arc::new(AtomicBool::new(false));

    // Before anybody can know that the server is there.
    if uses_flag {
        signal_hook::flag::register(SIGINT, Arc::clone(&stop))?;
        server.set_interruptible(true);
        server.set_recv_timeout(Some(Duration::from_secs(1)))?;
    } else {
        // A handler may do next to nothing, but it may write into a pipe.
        let (mut signals, writer) = UnixStream::pair()?;
        signal_hook::low_level::pipe::register(SIGINT, writer)?;
        let context = context.clone();
        thread::spawn(move || {
            let _ = signals.read(&mut [0]);
            context.shutdown();
        });
    }

    announce(&server.bind("tcp://127.0.0.1:*")?);
    let answered = serve(&server, &stop)?;
    // From here on it ends as always: what was sent arrives.
    drop(server);
    context.term()?;
    Ok(answered)
}

fn serve(server: &Socket<Rep>, stop: &AtomicBool) -> Result<u64, Error> {
    let mut answered = 0;
    while !stop.load(Ordering::Relaxed) {
        match server.recv() {
            Ok(_) => {
                server.send("World")?;
                answered += 1;
            }
            Err(Error::Terminated) => break,
            // The handler has run, or a second is over: look at the flag.
            Err(Error::Interrupted | Error::WouldBlock(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(answered)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks once, and then stands for whoever presses Ctrl-C. Both ways in one test: the signal is for the whole process.
    #[test]
    fn a_signal_ends_it_either_way() {
        for uses_flag in [false, true] {
            let mut client = None;
            let answered = run(uses_flag, |endpoint| {
                let endpoint = endpoint.clone();
                client = Some(thread::spawn(move || {
                    let context = Context::new();
                    let req = context.socket::<zsocket::Req>().unwrap();
                    req.connect(&endpoint).unwrap();
                    req.send("Hello").unwrap();
                    assert_eq!(req.recv().unwrap()[0], "World");
                    signal_hook::low_level::raise(SIGINT).unwrap();
                }));
            });
            assert_eq!(answered.unwrap(), 1);
            client.unwrap().join().unwrap();
        }
    }
}
