//! The replying half of the latency test: binds a REP socket and sends every request back. Same
//! arguments as libzmq's tool of this name; like it, prints nothing.
//!
//! ```console
//! $ local_lat tcp://127.0.0.1:5555 1 100000
//! ```
//!
//! `remote_lat` is the other half and shows a session.

use std::process::ExitCode;

use clap::Parser;
use zexamples::perf::{self, Load, Tuning};
use zexamples::{Result, conclude};

/// Sends requests back.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Endpoint to bind to
    #[arg(value_name = "bind-to")]
    endpoint: String,
    /// Bytes in each message
    #[arg(value_name = "message-size")]
    size: usize,
    /// Requests to answer
    #[arg(value_name = "roundtrip-count", value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    #[command(flatten)]
    tuning: Tuning,
}

fn main() -> ExitCode {
    conclude("local_lat", run(Cli::parse()).map(|()| true))
}

fn run(cli: Cli) -> Result<()> {
    let Cli {
        endpoint,
        size,
        count,
        tuning,
    } = cli;
    perf::local_lat(
        &endpoint,
        Load { size, count },
        tuning,
        |_| Ok(()),
        || Ok(()),
    )
}
