//! The sending half of the publishing test: binds a PUB socket, waits until its subscribers are there, and sends every
//! message to each of them. Arguments like those of libzmq's performance tools; like their senders, it prints nothing.
//!
//! ```console
//! $ pub_thr tcp://127.0.0.1:5555 64 10000000 2
//! ```
//!
//! Nothing is dropped: it waits for a subscriber that has no room (`ZMQ_XPUB_NODROP`). `sub_thr` is the other half and shows a
//! session. `--lib libzmq` plays the same role through libzmq.

use std::process::ExitCode;

use clap::Parser;
use zexamples::perf::{self, Load, Sockets};
use zexamples::{Result, conclude};

/// Publishes messages.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Endpoint to bind to
    #[arg(value_name = "bind-to")]
    endpoint: String,
    /// Bytes in each message
    #[arg(value_name = "message-size")]
    size: usize,
    /// Messages to send to each subscriber
    #[arg(value_name = "message-count", value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Subscribers to wait for
    #[arg(value_name = "subscribers", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    subscribers: u32,
    #[command(flatten)]
    sockets: Sockets,
}

fn main() -> ExitCode {
    conclude("pub_thr", run(&Cli::parse()).map(|()| true))
}

fn run(cli: &Cli) -> Result<()> {
    let load = Load {
        size: cli.size,
        count: cli.count,
    };
    perf::pub_thr(
        &cli.endpoint,
        load,
        cli.sockets,
        cli.subscribers,
        |_| Ok(()),
    )
}
