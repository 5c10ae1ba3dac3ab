//! The guide's server that ends cleanly on Ctrl-C (SIGINT) and on SIGTERM, also while it waits.
//!
//! ```console
//! $ interrupt                         # tcp://*:5555, with a poller
//! $ interrupt tcp://*:5555 block      # blocked in recv
//! Listening on tcp://0.0.0.0:5555
//! ^C
//! Interrupt received, answered 3 requests
//! ```
//!
//! libzmq's calls fail with `EINTR`. Here a signal does not disturb them: a handler writes a byte into a pipe, and there are
//! two ways to hear of it. A poller waits for the pipe as for the sockets. Or a thread waits for the pipe and shuts the
//! context down, which ends every blocked call on every socket with `Error::Terminated`. Either way sockets are closed as
//! always, so that what was sent arrives.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::process;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use zexamples::{Result, say};
use zpoll::{Events, Interest, Poller};
use zsocket::{Context, Error, Rep, Socket};

fn main() {
    if let Err(error) = serve() {
        eprintln!("interrupt: {error}");
        process::exit(2);
    }
}

const REQUESTS: usize = 0;
const SIGNALS: usize = 1;

fn serve() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let endpoint = args.next().unwrap_or_else(|| "tcp://*:5555".into());
    let is_blocking = match args.next().as_deref() {
        None | Some("poll") => false,
        Some("block") => true,
        Some(other) => return Err(format!("{other:?} is neither poll nor block").into()),
    };

    // Before anybody can know that the server is there.
    let (signals, writer) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM] {
        signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
    }

    let context = Context::new();
    let responder = context.socket::<Rep>()?;
    say(format_args!(
        "Listening on {}",
        responder.bind(endpoint.as_str())?
    ));
    let answered = if is_blocking {
        let context = context.clone();
        thread::spawn(move || shut_down_on(signals, &context));
        serve_blocked(&responder)?
    } else {
        serve_polling(&responder, &signals)?
    };
    say(format_args!(
        "Interrupt received, answered {answered} requests"
    ));
    drop(responder);
    // Waits until the last answer is sent.
    Ok(context.term()?)
}

/// Waits for requests and for signals.
fn serve_polling(responder: &Socket<Rep>, signals: &UnixStream) -> Result<u64> {
    let mut poller = Poller::new();
    poller.add(responder, REQUESTS, Interest::RECV)?;
    poller.add_fd(signals, SIGNALS, Interest::RECV)?;
    let mut events = Events::new();
    let mut answered = 0;
    loop {
        poller.wait(&mut events, None)?;
        if events.iter().any(|event| event.key == SIGNALS) {
            return Ok(answered);
        }
        if !events.is_empty() {
            responder.recv()?;
            responder.send("World")?;
            answered += 1;
        }
    }
}

/// Waits for requests alone, until the context is shut down.
fn serve_blocked(responder: &Socket<Rep>) -> Result<u64> {
    let mut answered = 0;
    loop {
        let answer = responder.recv().and_then(|_| Ok(responder.send("World")?));
        match answer {
            Ok(()) => answered += 1,
            Err(Error::Terminated) => return Ok(answered),
            Err(error) => return Err(error.into()),
        }
    }
}

fn shut_down_on(mut signals: UnixStream, context: &Context) {
    // An error would mean that no signal can come any more, which is a reason to end as well.
    let _ = signals.read(&mut [0]);
    context.shutdown();
}
