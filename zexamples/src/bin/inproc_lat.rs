//! The latency test between two threads: a REQ and a REP socket over inproc. Same arguments and
//! output as libzmq's tool of this name.
//!
//! ```console
//! $ inproc_lat 1 100000
//! message size: 1 [B]
//! roundtrip count: 100000
//! average latency: 3.105 [us]
//! ```
//!
//! `--lib libzmq` does the same through libzmq.

use std::process::ExitCode;

use clap::Parser;
use zexamples::perf::{self, Load, Tuning};
use zexamples::{Result, conclude};

/// Makes round trips between two threads and prints how long a message takes.
#[derive(Parser)]
#[command(version)]
struct Cli {
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
    conclude("inproc_lat", run(Cli::parse()).map(|()| true))
}

fn run(cli: Cli) -> Result<()> {
    let Cli {
        size,
        count,
        tuning,
    } = cli;
    print!("{}", perf::inproc_lat(Load { size, count }, tuning)?);
    Ok(())
}
