//! The asking half of the routing test: connects DEALER sockets, which send in turn and get everything back, and measures how
//! many round trips there are in a second. Arguments and output like those of libzmq's performance tools.
//!
//! ```console
//! $ router_thr tcp://127.0.0.1:5555 64 1000000 &
//! $ dealer_thr tcp://127.0.0.1:5555 64 1000000 100 10
//! message size: 64 [B]
//! message count: 1000000
//! mean throughput: 292046 [msg/s]
//! mean throughput: 149.528 [Mb/s]
//! ```
//!
//! The last two arguments are how many sockets there are, and how many messages of each may be under way before it waits for a
//! reply: 1, the default, is a ping-pong. `--lib libzmq` plays the same role through libzmq; either half talks to either
//! library.

use std::process::ExitCode;

use clap::Parser;
use zexamples::perf::{self, Load, Sockets};
use zexamples::{Result, conclude};

/// Sends messages, gets them back, and prints how fast that went.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Endpoint to connect to
    #[arg(value_name = "connect-to")]
    endpoint: String,
    /// Bytes in each message
    #[arg(value_name = "message-size")]
    size: usize,
    /// Messages to send, of all sockets together
    #[arg(value_name = "message-count", value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Sockets
    #[arg(value_name = "peers", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    peers: u32,
    /// Messages of each socket that may be under way
    #[arg(value_name = "window", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    window: u32,
    #[command(flatten)]
    sockets: Sockets,
}

fn main() -> ExitCode {
    conclude("dealer_thr", run(&Cli::parse()).map(|()| true))
}

fn run(cli: &Cli) -> Result<()> {
    let load = Load {
        size: cli.size,
        count: cli.count,
    };
    let throughput = perf::dealer_thr(&cli.endpoint, load, cli.sockets, cli.peers, cli.window)?;
    print!("{throughput}");
    Ok(())
}
