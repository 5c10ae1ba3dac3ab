//! The sending half of the throughput test: connects a PUSH socket and sends as fast as it can.
//! Same arguments as libzmq's tool of this name; like it, prints nothing.
//!
//! ```console
//! $ remote_thr tcp://127.0.0.1:5555 64 10000000
//! ```
//!
//! It ends when every message has been delivered. `local_thr` is the other half and shows a
//! session.

use std::process::ExitCode;

use clap::Parser;
use zexamples::perf::{self, Load, Tuning};
use zexamples::{Result, conclude};

/// Sends messages as fast as possible.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Endpoint to connect to
    #[arg(value_name = "connect-to")]
    endpoint: String,
    /// Bytes in each message
    #[arg(value_name = "message-size")]
    size: usize,
    /// Messages to send
    #[arg(value_name = "message-count", value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    #[command(flatten)]
    tuning: Tuning,
}

fn main() -> ExitCode {
    conclude("remote_thr", run(Cli::parse()).map(|()| true))
}

fn run(cli: Cli) -> Result<()> {
    let Cli {
        endpoint,
        size,
        count,
        tuning,
    } = cli;
    perf::remote_thr(&endpoint, Load { size, count }, tuning, || Ok(()))
}
