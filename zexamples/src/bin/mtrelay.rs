//! The guide's relay of threads: a signal goes from one to the next over PAIR sockets, and no thread shares state with
//! another.
//!
//! ```console
//! $ mtrelay
//! Step 1 ready, signaling step 2
//! Step 2 ready, signaling step 3
//! Test successful!
//! ```
//!
//! Each step binds before it starts the one that connects to it, as the guide does it with libzmq of old; here the order
//! does not matter.

use std::process;
use std::thread;

use zsocket::{Context, Error, Pair};

fn main() {
    if let Err(error) = relay() {
        eprintln!("mtrelay: {error}");
        process::exit(2);
    }
}

fn relay() -> Result<(), Error> {
    let context = Context::new();
    let receiver = context.socket::<Pair>()?;
    receiver.bind("inproc://step3")?;
    let second = thread::spawn(move || step2(&context));
    receiver.recv()?;
    println!("Test successful!");
    second.join().expect("step 2 does not panic")
}

fn step2(context: &Context) -> Result<(), Error> {
    let receiver = context.socket::<Pair>()?;
    receiver.bind("inproc://step2")?;
    let first = {
        let context = context.clone();
        thread::spawn(move || step1(&context))
    };
    receiver.recv()?;
    let next = context.socket::<Pair>()?;
    next.connect("inproc://step3")?;
    println!("Step 2 ready, signaling step 3");
    next.send("READY")?;
    first.join().expect("step 1 does not panic")
}

fn step1(context: &Context) -> Result<(), Error> {
    let next = context.socket::<Pair>()?;
    next.connect("inproc://step2")?;
    println!("Step 1 ready, signaling step 2");
    next.send("READY")?;
    Ok(())
}
