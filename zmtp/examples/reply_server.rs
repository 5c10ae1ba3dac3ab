//! A REP server on `zmtp` alone: a blocking TCP socket and one thread per client.
//!
//! Run it with `cargo run -p zlayers-zmtp --example reply_server -- 127.0.0.1:5555` and connect any ØMQ REQ
//! socket to `tcp://127.0.0.1:5555`: each request is answered with its own text in capitals.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use std::{env, thread};

use zmtp::{Connection, Event, HandshakeConfig, SocketType};

fn main() -> io::Result<()> {
    let address = env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:5555"))?;
    println!("listening on tcp://{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || match serve(stream) {
            Ok(()) => println!("client has left"),
            Err(error) => println!("client is lost: {error}"),
        });
    }
    Ok(())
}

/// Serves one client until it leaves.
fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut connection = Connection::new(HandshakeConfig::new(SocketType::Rep), Instant::now());
    let mut buffer = [0; 8192];
    // What of it was read and has not been consumed.
    let mut input = 0..0;
    loop {
        while let Some(bytes) = connection.poll_transmit() {
            stream.write_all(&bytes)?;
        }
        // After a failure the last words have been sent now: a peer that is refused knows why.
        if let Some(error) = connection.error() {
            return Err(io::Error::other(error.clone()));
        }
        if input.is_empty() {
            let wait = connection
                .poll_timeout()
                .map(|at| at.saturating_duration_since(Instant::now()));
            stream.set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(len) => input = 0..len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        // A failure stays in the connection until it is looked at above.
        let used = connection.handle_input(&buffer[input.clone()], Instant::now());
        input.start += used.unwrap_or(0);
        let _ = connection.handle_timeout(Instant::now());
        while let Some(event) = connection.poll_event() {
            if let Event::Message(mut request) = event {
                // The envelope, up to and including the empty delimiter, goes back as it came.
                let Some(at) = request.iter().position(|frame| frame.is_empty()) else {
                    continue;
                };
                for frame in &mut request.frames_mut()[at + 1..] {
                    frame.make_mut().make_ascii_uppercase();
                }
                let _ = connection.send(request);
            }
        }
    }
}

/// A peer that is no REQ is told so before the end.
#[test]
fn a_peer_that_does_not_fit_learns_why() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut stream = TcpStream::connect(listener.local_addr()?)?;
    let (accepted, _) = listener.accept()?;
    let server = thread::spawn(move || serve(accepted));
    let greeting = zmtp::Greeting {
        version: zmtp::Version::V3_1,
        mechanism: zmtp::greeting::MechanismName::NULL,
        as_server: false,
    };
    stream.write_all(&greeting.encode(0))?;
    stream.write_all(b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PUSH")?;
    let mut told = Vec::new();
    stream.read_to_end(&mut told)?;
    assert!(told.ends_with(b"\x05ERROR\x13Invalid socket type"));
    assert!(server.join().expect("no panic").is_err());
    Ok(())
}
