//! The requesting half of the latency test: connects a REQ socket, makes round trips and prints
//! the time that a message takes one way, half a round trip. Same arguments and output as libzmq's
//! tool of this name.
//!
//! ```console
//! $ local_lat tcp://127.0.0.1:5555 1 100000 &
//! $ remote_lat tcp://127.0.0.1:5555 1 100000
//! message size: 1 [B]
//! roundtrip count: 100000
//! average latency: 12.390 [us]
//! ```
//!
//! `--lib libzmq` plays the same role through libzmq; either half talks to either library.

use std::process::ExitCode;

use clap::Parser;
use zexamples::perf::{self, Load, Tuning};
use zexamples::{Result, conclude};

/// Makes round trips and prints how long a message takes.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Endpoint to connect to
    #[arg(value_name = "connect-to")]
    endpoint: String,
    /// Bytes in each message
    #[arg(value_name = "message-size")]
    size: usize,
    /// Round trips to make
    #[arg(value_name = "roundtrip-count", value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    #[command(flatten)]
    tuning: Tuning,
}

fn main() -> ExitCode {
    conclude("remote_lat", run(Cli::parse()).map(|()| true))
}

fn run(cli: Cli) -> Result<()> {
    let Cli {
        endpoint,
        size,
        count,
        tuning,
    } = cli;
    print!(
        "{}",
        perf::remote_lat(&endpoint, Load { size, count }, tuning)?
    );
    Ok(())
}
