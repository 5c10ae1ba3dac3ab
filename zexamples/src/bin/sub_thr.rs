//! The receiving half of the publishing test: connects a SUB socket, subscribes to everything, and measures how fast messages
//! arrive. Arguments and output like those of libzmq's performance tools.
//!
//! ```console
//! $ pub_thr tcp://127.0.0.1:5555 64 10000000 &
//! $ sub_thr tcp://127.0.0.1:5555 64 10000000
//! message size: 64 [B]
//! message count: 10000000
//! mean throughput: 10436725 [msg/s]
//! mean throughput: 5343.603 [Mb/s]
//! ```
//!
//! For several subscribers tell `pub_thr` how many there are. `--lib libzmq` plays the same role through libzmq; either half
//! talks to either library.

use std::process::ExitCode;

use clap::Parser;
use zexamples::perf::{self, Load, Sockets};
use zexamples::{Result, conclude};

/// Receives what is published and prints how fast it arrived.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Endpoint to connect to
    #[arg(value_name = "connect-to")]
    endpoint: String,
    /// Bytes in each message
    #[arg(value_name = "message-size")]
    size: usize,
    /// Messages to receive
    #[arg(value_name = "message-count", value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    #[command(flatten)]
    sockets: Sockets,
}

fn main() -> ExitCode {
    conclude("sub_thr", run(&Cli::parse()).map(|()| true))
}

fn run(cli: &Cli) -> Result<()> {
    let load = Load {
        size: cli.size,
        count: cli.count,
    };
    print!("{}", perf::sub_thr(&cli.endpoint, load, cli.sockets)?);
    Ok(())
}
