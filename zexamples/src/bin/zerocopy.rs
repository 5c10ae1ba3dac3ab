//! Sending a buffer of one's own without a copy, and hearing when the library does not need it any more.
//!
//! ```console
//! $ zerocopy
//! The peer has 1048576 bytes
//! The buffer is free again
//! ```
//!
//! libzmq's `zmq_msg_init_data` takes a buffer and a function that frees it. Here the body is a `Bytes` made from an owner:
//! whatever owns the memory, a mapped file for example, is dropped when the last part of it is sent.

use std::process;
use std::sync::mpsc::{self, Sender};

use zexamples::Result;
use zsocket::{Bytes, Context, Frame, Pull, Push};

/// Memory with a hook.
struct Buffer {
    memory: Vec<u8>,
    free: Sender<&'static str>,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // Nobody waits for it any more if this fails.
        let _ = self.free.send("The buffer is free again");
    }
}

fn main() {
    if let Err(error) = send() {
        eprintln!("zerocopy: {error}");
        process::exit(2);
    }
}

fn send() -> Result<()> {
    let context = Context::new();
    let pull = context.socket::<Pull>()?;
    let endpoint = pull.bind("tcp://127.0.0.1:*")?;
    let push = context.socket::<Push>()?;
    push.connect(&endpoint)?;

    let (free, freed) = mpsc::channel();
    let memory = vec![7; 1 << 20];
    push.send(Frame::from(Bytes::from_owner(Buffer { memory, free })))?;
    let message = pull.recv()?;
    println!("The peer has {} bytes", message[0].len());
    println!("{}", freed.recv()?);
    Ok(())
}
