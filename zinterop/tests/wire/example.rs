//! The example on the crate page of `zmtp`, as it runs.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use zinterop::PATIENCE;
use zinterop::sys::socket_type;
use zinterop::zmq::Context;

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn libzmq_clients_talk_to_the_example() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zmtp-reply-server"));
    let child = command.arg("127.0.0.1:0").stdout(Stdio::piped()).spawn();
    let mut server = Running(child.unwrap());
    let output = server.0.stdout.take().unwrap();
    let (lines, said) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            // Nobody may be listening any more.
            let _ = lines.send(line.unwrap());
        }
    });
    let line = said.recv_timeout(PATIENCE).unwrap();
    let endpoint = line.strip_prefix("listening on ").unwrap();

    let context = Context::new();
    for kind in [socket_type::REQ, socket_type::DEALER] {
        let client = context.socket(kind).unwrap();
        client.connect(endpoint).unwrap();
        let envelope: &[&[u8]] = match kind {
            socket_type::REQ => &[],
            _ => &[b"a number", b""],
        };
        for body in ["hello", "", &"x".repeat(100_000)] {
            let request = [envelope, &[body.as_bytes(), b"more"]].concat();
            client.send(&request).unwrap();
            let reply = client.recv_timeout(PATIENCE).unwrap();
            let body = body.to_uppercase();
            assert_eq!(reply, [envelope, &[body.as_bytes(), b"MORE"]].concat());
        }
        drop(client);
        assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "client has left");
    }
}

#[test]
fn the_example_is_short() {
    let text = include_str!("../../../zmtp/examples/reply_server.rs");
    // Without its test.
    let program = text.split("#[test]").next().unwrap();
    assert!(program.lines().count() < 75);
}
