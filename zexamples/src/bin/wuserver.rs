//! The guide's weather server: it publishes the weather of random places as fast as it can.
//!
//! ```console
//! $ wuserver                          # tcp://*:5556
//! $ wuserver ipc:///tmp/weather
//! Publishing on tcp://0.0.0.0:5556
//! $ wuserver 'epgm://eth0;239.192.1.1:5556'    # to all on a network at once
//! ```
//!
//! It publishes until it is stopped. Each update is text in one frame: a place (its zip code), degrees, and humidity.
//! Subscribers are `wuclient`, or the guide's own. What nobody has subscribed to is not even sent.

use std::process;

use zexamples::Result;
use zsocket::{Context, Pub};

fn main() {
    if let Err(error) = publish() {
        eprintln!("wuserver: {error}");
        process::exit(2);
    }
}

fn publish() -> Result<()> {
    let endpoint = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "tcp://*:5556".into());

    let context = Context::new();
    let publisher = context.socket::<Pub>()?;
    println!("Publishing on {}", publisher.bind(endpoint.as_str())?);
    loop {
        let zipcode = fastrand::u32(0..100_000);
        let temperature = fastrand::i32(-80..135);
        let humidity = fastrand::u32(10..60);
        publisher.send(format!("{zipcode:05} {temperature} {humidity}"))?;
    }
}
