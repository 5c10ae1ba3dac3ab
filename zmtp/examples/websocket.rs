//! A PULL server over WebSocket that asks for a password, and a PUSH client that knows it: blocking
//! TCP sockets and `zmtp` alone.
//!
//! Run it with `cargo run -p zlayers-zmtp --example websocket`. Each end is the same loop around a
//! [`zws::Connection`]; the server's also plays the authentication handler.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use zmtp::zap::{Answer, Credentials, Refusal, Reply, Request};
use zmtp::{Error, Event, HandshakeConfig, MechanismConfig, Message, SocketType, plain, zws};

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    println!("listening on ws://{address}");

    let client = thread::spawn(move || {
        let credentials = plain::ClientConfig::new("admin", "secret").map_err(io::Error::other)?;
        let config = HandshakeConfig::new(SocketType::Push)
            .with_mechanism(MechanismConfig::PlainClient(credentials));
        let target = zws::Target::new(address.to_string(), "/").map_err(io::Error::other)?;
        let mut push =
            zws::Connection::connect(config, &target, Instant::now()).map_err(io::Error::other)?;
        push.send(["job", "42"]).map_err(io::Error::other)?;
        drive(TcpStream::connect(address)?, push, true)
    });

    let (stream, _) = listener.accept()?;
    let config = HandshakeConfig::new(SocketType::Pull)
        .with_mechanism(MechanismConfig::PlainServer(plain::ServerConfig::new()));
    let pull = zws::Connection::accept(config, Instant::now());
    let received = drive(stream, pull, false)?;
    println!("received {received:?}");
    assert_eq!(received, [Message::from(["job", "42"])]);
    client.join().expect("the client does not panic")?;
    Ok(())
}

/// Moves bytes and time until the peer closes, and returns the messages that came.
fn drive(
    mut stream: TcpStream,
    mut connection: zws::Connection,
    close_when_connected: bool,
) -> io::Result<Vec<Message>> {
    let mut received = Vec::new();
    let mut buffer = [0; 8192];
    // What of it was read and has not been consumed.
    let mut input = 0..0;
    loop {
        while let Some(bytes) = connection.poll_transmit() {
            stream.write_all(&bytes)?;
        }
        match connection.error() {
            None => {}
            Some(Error::ClosedByPeer { .. }) => return Ok(received),
            Some(error) => return Err(io::Error::other(error.clone())),
        }
        if input.is_empty() {
            let wait = connection
                .poll_timeout()
                .map(|at| at.saturating_duration_since(Instant::now()));
            stream.set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(received),
                Ok(len) => input = 0..len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        // A failure stays in the connection, and has its last words sent first.
        let used = connection.handle_input(&buffer[input.clone()], Instant::now());
        input.start += used.unwrap_or(0);
        let _ = connection.handle_timeout(Instant::now());
        while let Some(event) = connection.poll_event() {
            match event {
                Event::Authenticate(request) => {
                    let _ = connection.handle_zap(authenticate(&request), Instant::now());
                }
                Event::Connected(_) if close_when_connected => {
                    // Behind what was sent before.
                    connection.close().map_err(io::Error::other)?;
                }
                Event::Message(message) => received.push(message),
                _ => {}
            }
        }
    }
}

/// What a ZAP handler does.
fn authenticate(request: &Request) -> Answer {
    Answer::Reply(match &request.credentials {
        Credentials::Plain { username, password }
            if username == "admin" && *password == b"secret" =>
        {
            Reply::success(request, "admin")
        }
        _ => Reply::refusal(request, Refusal::AuthenticationFailure, "who are you?"),
    })
}

#[test]
fn the_password_opens_the_websocket() {
    main().unwrap();
}
