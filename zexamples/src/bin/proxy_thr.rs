//! The throughput test of proxies. Same arguments and output as libzmq's tool of this name.
//!
//! ```console
//! $ proxy_thr 64 10000000
//! message size: 64 [B]
//! message count: 10000000
//! mean throughput: 9216589 [msg/s]
//! mean throughput: 4718.894 [Mb/s]
//! ```
//!
//! One thread publishes, a forwarder of XSUB and XPUB passes everything on, and one thread has subscribed to it.
//! `--clients` counts the round trips of so many clients through a broker instead, to one worker. `--lib libzmq` does the same
//! through libzmq.

use std::process::ExitCode;

use clap::Parser;
use zexamples::perf::{Library, Load, proxied};
use zexamples::{Result, conclude};

/// Passes messages through a proxy and prints how fast they arrived.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Bytes in each message
    #[arg(value_name = "message-size")]
    size: usize,
    /// Messages to pass
    #[arg(value_name = "message-count", value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Whose sockets and proxy
    #[arg(long, value_enum, default_value_t = Library::Ours)]
    lib: Library,
    /// Round trips of so many clients through a broker
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    clients: Option<u32>,
    /// The endpoint to bind the frontend to
    #[arg(long, default_value = "inproc://frontend")]
    frontend: String,
    /// The endpoint to bind the backend to
    #[arg(long, default_value = "inproc://backend")]
    backend: String,
}

fn main() -> ExitCode {
    conclude("proxy_thr", run(&Cli::parse()).map(|()| true))
}

fn run(cli: &Cli) -> Result<()> {
    let load = Load {
        size: cli.size,
        count: cli.count,
    };
    let endpoints = [&*cli.frontend, &*cli.backend];
    let measured = match cli.clients {
        None => proxied::throughput(load, cli.lib, endpoints)?,
        Some(clients) => proxied::round_trips(load, cli.lib, clients as usize, endpoints)?,
    };
    print!("{measured}");
    Ok(())
}
