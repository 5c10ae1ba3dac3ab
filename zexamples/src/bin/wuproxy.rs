//! The guide's weather proxy: it takes the updates of an inner network to subscribers in an outer one, and their subscriptions
//! the other way, so that only what somebody wants is sent.
//!
//! ```console
//! $ wuproxy                                   # updates from tcp://127.0.0.1:5556, for subscribers at tcp port 8100
//! $ wuproxy tcp://192.168.55.210:5556 tcp://10.1.1.0:8100
//! Updates from tcp://192.168.55.210:5556
//! Subscribers at tcp://10.1.1.0:8100
//! $ wuproxy 'epgm://eth0;239.192.1.1:5556'    # from multicast to tcp
//! ```

use std::process;

use zexamples::Result;
use zproxy::proxy;
use zsocket::{Context, XPub, XSub};

fn main() {
    if let Err(error) = bridge() {
        eprintln!("wuproxy: {error}");
        process::exit(2);
    }
}

fn bridge() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let inner = args.next().unwrap_or_else(|| "tcp://127.0.0.1:5556".into());
    let outer = args.next().unwrap_or_else(|| "tcp://*:8100".into());

    let context = Context::new();
    let frontend = context.socket::<XSub>()?;
    frontend.connect(inner.as_str())?;
    println!("Updates from {inner}");
    let backend = context.socket::<XPub>()?;
    println!("Subscribers at {}", backend.bind(outer.as_str())?);
    println!("{}", proxy(&frontend, &backend, None)?);
    Ok(())
}
