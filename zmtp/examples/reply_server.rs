//! A REP server on `zmtp` alone: a blocking TCP socket and one thread per client.
//!
//! Run it with `cargo run -p zmtp --example reply_server -- 127.0.0.1:5555` and connect any ØMQ REQ
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
    loop {
        while let Some(bytes) = connection.poll_transmit() {
            stream.write_all(&bytes)?;
        }
        let wait = connection.poll_timeout().map(|at| at - Instant::now());
        stream.set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => connection.handle_input(&buffer[..len], Instant::now()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => return Err(error),
        }
        .and_then(|()| connection.handle_timeout(Instant::now()))
        .map_err(io::Error::other)?;
        while let Some(event) = connection.poll_event() {
            if let Event::Message(mut request) = event {
                // The envelope, up to and including the empty delimiter, goes back as it came.
                let Some(at) = request.iter().position(|frame| frame.is_empty()) else {
                    continue;
                };
                for frame in &mut request.frames_mut()[at + 1..] {
                    frame.make_mut().make_ascii_uppercase();
                }
                connection.send(request).map_err(io::Error::other)?;
            }
        }
    }
}
