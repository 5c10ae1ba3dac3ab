//! The guide's hello world server: a REP socket that answers "World" to every "Hello".
//!
//! ```console
//! $ hwserver                          # tcp://*:5555
//! $ hwserver ipc:///tmp/hello
//! Listening on tcp://0.0.0.0:5555
//! Received Hello
//! ```
//!
//! Any ØMQ program may be the client; `hwclient` is ours. Start them in either order.

use std::{env, process};

use zsocket::{Context, Error, Rep};

fn main() {
    let endpoint = env::args()
        .nth(1)
        .unwrap_or_else(|| String::from("tcp://*:5555"));
    if let Err(error) = serve(&endpoint) {
        eprintln!("hwserver: {error}");
        process::exit(2);
    }
}

fn serve(endpoint: &str) -> Result<(), Error> {
    let context = Context::new();
    let responder = context.socket::<Rep>()?;
    println!("Listening on {}", responder.bind(endpoint)?);

    loop {
        let request = responder.recv()?;
        println!("Received {}", String::from_utf8_lossy(&request[0]));
        responder.send("World")?;
    }
}
