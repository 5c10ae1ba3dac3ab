//! The answering half of the routing test: binds a ROUTER socket and sends every message back to where it came from. Arguments
//! like those of libzmq's performance tools; like `local_lat`, it prints nothing.
//!
//! ```console
//! $ router_thr tcp://127.0.0.1:5555 64 1000000
//! ```
//!
//! Nothing is dropped: it waits for a peer that has no room (`ZMQ_ROUTER_MANDATORY`). `dealer_thr` is the other half and shows
//! a session. `--lib libzmq` plays the same role through libzmq.

use std::process::ExitCode;

use clap::Parser;
use zexamples::perf::{self, Load, Sockets};
use zexamples::{Result, conclude};

/// Sends messages back.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Endpoint to bind to
    #[arg(value_name = "bind-to")]
    endpoint: String,
    /// Bytes in each message
    #[arg(value_name = "message-size")]
    size: usize,
    /// Messages to answer, of all peers together
    #[arg(value_name = "message-count", value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    #[command(flatten)]
    sockets: Sockets,
}

fn main() -> ExitCode {
    conclude("router_thr", run(&Cli::parse()).map(|()| true))
}

fn run(cli: &Cli) -> Result<()> {
    let load = Load {
        size: cli.size,
        count: cli.count,
    };
    perf::router_thr(&cli.endpoint, load, cli.sockets, |_| Ok(()))
}
