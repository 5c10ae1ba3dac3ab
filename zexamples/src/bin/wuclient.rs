//! The guide's weather client: it collects updates of one place and says how warm it is there on average.
//!
//! ```console
//! $ wuclient                                    # tcp://localhost:5556, New York (10001), 100 updates
//! $ wuclient ipc:///tmp/weather 94107 10        # San Francisco, ten updates
//! Collecting updates from weather server…
//! Average temperature for zipcode '94107' was 28F
//! ```
//!
//! Any ØMQ program may be the server; `wuserver` is ours. It must be told of a subscription before it sends anything, so
//! a client that comes late has missed what was before.

use std::process;

use zexamples::Result;
use zsocket::{Context, Sub};

fn main() {
    if let Err(error) = collect() {
        eprintln!("wuclient: {error}");
        process::exit(2);
    }
}

fn collect() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let endpoint = args.next().unwrap_or_else(|| "tcp://localhost:5556".into());
    let zipcode = args.next().unwrap_or_else(|| "10001".into());
    let updates: u32 = args.next().map_or(Ok(100), |arg| arg.parse())?;
    if updates == 0 {
        return Err("there is no average of no updates: ask for one at least".into());
    }

    let context = Context::new();
    let subscriber = context.socket::<Sub>()?;
    subscriber.connect(endpoint.as_str())?;
    println!("Collecting updates from weather server…");
    // A subscription is to all that begins so. The space keeps longer codes out.
    subscriber.subscribe(format!("{zipcode} "))?;

    let mut total = 0.0;
    for _ in 0..updates {
        let update = subscriber.recv()?;
        let text = update[0].as_str()?;
        let temperature = text
            .split(' ')
            .nth(1)
            .ok_or("an update has a temperature")?;
        total += temperature.parse::<f64>()?;
    }
    let average = total / f64::from(updates);
    println!("Average temperature for zipcode '{zipcode}' was {average:.0}F");
    Ok(())
}
