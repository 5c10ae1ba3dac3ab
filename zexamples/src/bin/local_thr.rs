//! The receiving half of the throughput test: binds a PULL socket and measures how fast messages
//! arrive. Same arguments and output as libzmq's tool of this name.
//!
//! ```console
//! $ local_thr tcp://127.0.0.1:5555 64 10000000 &
//! $ remote_thr tcp://127.0.0.1:5555 64 10000000
//! message size: 64 [B]
//! message count: 10000000
//! mean throughput: 15992160 [msg/s]
//! mean throughput: 8187.986 [Mb/s]
//! ```
//!
//! `--lib libzmq` plays the same role through libzmq; either half talks to either library.

use std::process::ExitCode;

use clap::Parser;
use zexamples::perf::{self, Load, Tuning};
use zexamples::{Result, conclude};

/// Receives messages and prints how fast they arrived.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Endpoint to bind to
    #[arg(value_name = "bind-to")]
    endpoint: String,
    /// Bytes in each message
    #[arg(value_name = "message-size")]
    size: usize,
    /// Messages to receive
    #[arg(value_name = "message-count", value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    #[command(flatten)]
    tuning: Tuning,
}

fn main() -> ExitCode {
    conclude("local_thr", run(Cli::parse()).map(|()| true))
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
        perf::local_thr(&endpoint, Load { size, count }, tuning, |_| Ok(()))?
    );
    Ok(())
}
