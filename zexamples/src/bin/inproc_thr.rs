//! The throughput test between two threads: a PUSH and a PULL socket over inproc. Same arguments
//! and output as libzmq's tool of this name.
//!
//! ```console
//! $ inproc_thr 64 10000000
//! message size: 64 [B]
//! message count: 10000000
//! mean throughput: 21276217 [msg/s]
//! mean throughput: 10893.423 [Mb/s]
//! ```
//!
//! `--lib libzmq` does the same through libzmq.

use std::process::ExitCode;

use clap::Parser;
use zexamples::perf::{self, Load, Tuning};
use zexamples::{Result, conclude};

/// Passes messages from thread to thread and prints how fast they arrived.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Bytes in each message
    #[arg(value_name = "message-size")]
    size: usize,
    /// Messages to pass
    #[arg(value_name = "message-count", value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    #[command(flatten)]
    tuning: Tuning,
}

fn main() -> ExitCode {
    conclude("inproc_thr", run(Cli::parse()).map(|()| true))
}

fn run(cli: Cli) -> Result<()> {
    let Cli {
        size,
        count,
        tuning,
    } = cli;
    print!("{}", perf::inproc_thr(Load { size, count }, tuning)?);
    Ok(())
}
