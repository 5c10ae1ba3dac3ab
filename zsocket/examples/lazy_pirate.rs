//! The guide's lazy pirate: a client that gets its answer although the server loses requests, goes away and comes back.
//!
//! ```console
//! $ cargo run -p zsocket --example lazy_pirate
//! the server has lost the request once: answer 1
//! the server is away: no reply has come before the deadline to a request that was sent 1 times
//! the server is back: answer 2
//! RequesterStats { in_flight: 0, sent: 5, retried: 2, answered: 2, overdue: 1, …
//! ```
//!
//! It ends by itself. In the guide the client is a REQ socket that is closed and made again when no reply comes. A [`Requester`]
//! needs no such thing: it numbers its requests, sends one again when its time has come, and takes one reply to each.
//!
//! A request that is sent again may be served twice. Here that does no harm, since it only asks.

use std::{thread, time::Duration};

use zsocket::{Context, Endpoint, Error, Requester, Responder};

/// How long it waits for a reply before it asks again, and how often it does.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
const RETRIES: u32 = 5;

fn main() -> Result<(), Error> {
    let context = Context::new();
    let server = Responder::new(&context)?;
    let endpoint = server.bind("tcp://127.0.0.1:*")?;

    let client = Requester::builder()
        .retries(RETRIES, AGAIN_AFTER)
        .build(&context)?;
    client.connect(&endpoint)?;

    // The first request is lost. The client asks again.
    let running = thread::spawn(move || serve(&server, 1));
    let patience = Duration::from_secs(10);
    let reply = client.request("question", patience)?;
    println!("the server has lost the request once: {}", text(&reply[0]));
    running.join().expect("the server panicked")?;

    // The server has gone. A request has a deadline, so nobody hangs.
    match client.request("question", AGAIN_AFTER) {
        Err(error @ Error::NoReply { .. }) => println!("the server is away: {error}"),
        other => panic!("an answer from nobody: {other:?}"),
    }

    // It comes back at the same place, and loses one more. The client has connected again by itself.
    let running = thread::spawn(move || restart(&endpoint));
    let reply = client.request("question", patience)?;
    println!("the server is back: {}", text(&reply[0]));
    running.join().expect("the server panicked")?;

    println!("{:?}", client.stats());
    Ok(())
}

fn restart(endpoint: &Endpoint) -> Result<(), Error> {
    // With a context of its own, as another process would have.
    let context = Context::new();
    let server = Responder::new(&context)?;
    server.bind(endpoint)?;
    serve(&server, 2)
}

/// Loses one request, answers one, and ends. What is dropped unanswered is what a server that crashes leaves.
fn serve(server: &Responder, number: u32) -> Result<(), Error> {
    drop(server.recv()?);
    server.answer(server.recv()?, format!("answer {number}"))?;
    Ok(())
}

fn text(frame: &zsocket::Frame) -> &str {
    frame.as_str().expect("the server sends text")
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_ends_by_itself() {
        super::main().unwrap();
    }
}
