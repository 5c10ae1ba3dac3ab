//! The tour: everything at once, every message accounted for.
//!
//! ```console
//! $ cargo run --release -p zexamples
//! $ tour --messages 20000             # a short one
//! ```
//!
//! For each transport, first with threads and then with child processes, it runs
//!
//! ```text
//!   a pipeline                                       clients and servers
//!
//!   PUSH ventilator ─┬─▶ PULL worker PUSH ─┬─▶       REQ client ─┬─ REP server
//!                    ╳                     ├─▶ PULL              ╳
//!   PUSH ventilator ─┴─▶ PULL worker PUSH ─┴─▶ sink  REQ client ─┴─ REP server
//! ```
//!
//! Then, over each transport, it runs what has something in the middle, a pair, and over tcp a client that does not speak ZMTP:
//!
//! ```text
//!   PUB ─┬─▶ XSUB ═ proxy ═ XPUB ─┬─▶ SUB ┐           REQ task ─┬─▶ ROUTER ═ proxy ═ DEALER ─┬─▶ REP worker
//!   PUB ─┘                        └─▶ SUB ┴ poller    REQ task ─┘                            └─▶ REP worker
//!
//!   PAIR ◀──▶ PAIR                                    plain tcp client ◀──▶ STREAM
//! ```
//!
//! So every socket type takes part, and so do the poller, the proxy and sockets for tasks.
//!
//! Every message says who made it and the how-manieth it is; the sink and the clients keep books
//! on that and check that each one came exactly once, and in order as far as order is promised:
//! per ventilator and worker, per client and server. Any violation makes the exit status
//! non-zero.
//!
//! A run on the machine named in it, which others were busy on:
//!
//! ```text
//! zlayers 0.1.0, rustc 1.95.0 (59807616e 2026-04-14) (release build)
//! Linux 6.18.44-fc-v782
//! AMD EPYC, 2 cores
//! 2600000 messages through pipelines and forwarders, 240000 round trips
//!
//!                             messages   msg/s  round trip p50      p99       max  exactly once, in order
//! ──────────────────────────  ────────  ──────  ──────────────  ───────  ────────  ──────────────────────
//! pipeline, inproc, threads     400000  4.25 M                                                        yes
//! requests, inproc, threads      20000  71.7 k         25.8 us  68.4 us   3580 us                     yes
//! pipeline, ipc, threads        400000  6.17 M                                                        yes
//! requests, ipc, threads         20000  55.7 k         27.3 us  70.8 us   5225 us                     yes
//! pipeline, tcp, threads        400000  3.41 M                                                        yes
//! requests, tcp, threads         20000  21.6 k         44.9 us   178 us  11797 us                     yes
//! pipeline, ipc, processes      400000  6.40 M                                                        yes
//! requests, ipc, processes       20000  32.5 k         57.4 us   109 us   1573 us                     yes
//! pipeline, tcp, processes      400000  3.45 M                                                        yes
//! requests, tcp, processes       20000  22.7 k         87.6 us   155 us   1466 us                     yes
//! updates, tcp, forwarder       200000  1.04 M                                                        yes
//! broker, tcp, tasks             20000  7.63 k          261 us   383 us    944 us                     yes
//! pair, tcp, threads             20000  27.0 k         32.2 us  72.1 us  14435 us                     yes
//! updates, ipc, forwarder       200000  1.03 M                                                        yes
//! broker, ipc, tasks             20000  12.2 k          161 us   275 us   1697 us                     yes
//! pair, ipc, threads             20000  38.8 k         23.7 us  64.8 us    395 us                     yes
//! updates, inproc, forwarder    200000  1.35 M                                                        yes
//! broker, inproc, tasks          20000  38.6 k         48.0 us   103 us    343 us                     yes
//! pair, inproc, threads          20000  71.0 k         13.3 us  45.5 us    160 us                     yes
//! stream, tcp, plain client      20000  34.5 k         26.9 us  71.9 us    457 us                     yes
//!
//! 2840000 messages and round trips in 11.3 s
//! ```

mod body;
mod broker;
mod dialogue;
mod pipeline;
mod roles;
mod roundtrips;
mod updates;

use std::fmt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use zexamples::{
    Endpoints, Percentiles, Progress, Result, Table, Transport, Verdict, conclude, machine, say,
    units,
};

/// Sends messages through everything and checks each one.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Messages to send through the pipelines, all in all; round trips come on top
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(100..))]
    messages: u64,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What the tour's child processes do.
#[derive(Subcommand)]
enum Role {
    #[command(hide = true)]
    Work {
        id: u32,
        sink: String,
        sources: Vec<String>,
    },
    #[command(hide = true)]
    Serve { id: u32, endpoint: String },
}

/// Where the workers and servers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Threads,
    Processes,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Threads => "threads",
            Self::Processes => "processes",
        })
    }
}

/// The stops of the tour. inproc ends at the border of the process.
const STOPS: [(Transport, Place); 5] = [
    (Transport::Inproc, Place::Threads),
    (Transport::Ipc, Place::Threads),
    (Transport::Tcp, Place::Threads),
    (Transport::Ipc, Place::Processes),
    (Transport::Tcp, Place::Processes),
];

/// After this long without any message, what is missing counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of one pipeline, or of one group of clients and servers.
struct Outcome {
    /// Messages or round trips that were to be made.
    planned: u64,
    elapsed: Duration,
    verdict: Verdict,
    round_trips: Option<Percentiles>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.role {
        Some(Role::Work { id, sink, sources }) => {
            roles::worker_process(id, &sink, &sources).map(|()| true)
        }
        Some(Role::Serve { id, endpoint }) => roles::server_process(id, &endpoint).map(|()| true),
        None => guide(cli.messages),
    };
    conclude("tour", result)
}

/// Returns whether everything arrived once and in order.
fn guide(messages: u64) -> Result<bool> {
    let endpoints = Endpoints::new()?;
    let stops = STOPS.len() as u64;
    let round_trips = (messages / 100).clamp(100, 20_000);
    let updates = messages / 10;
    let transports = Transport::ALL.len() as u64;
    let through_pipelines = messages;
    let messages = messages + updates * transports;
    // With a broker and in a pair over each transport, and one stream.
    let all_round_trips = round_trips * (stops + 2 * transports + 1);
    let total = messages + all_round_trips;

    say(machine::describe().join("\n"));
    say(format_args!(
        "{messages} messages through pipelines and forwarders, {all_round_trips} round trips\n"
    ));

    let started = Instant::now();
    let progress = Progress::new(total, "messages");
    let mut table = Table::new([
        "",
        "messages",
        "msg/s",
        "round trip p50",
        "p99",
        "max",
        "exactly once, in order",
    ]);
    let mut violations = 0;
    for (index, &(transport, place)) in (0..).zip(&STOPS) {
        // The shares add up to the whole.
        let share = through_pipelines * (index + 1) / stops - through_pipelines * index / stops;
        for (name, outcome) in [
            (
                "pipeline",
                pipeline::run(transport, place, share, &endpoints, &progress),
            ),
            (
                "requests",
                roundtrips::run(transport, place, round_trips, &endpoints, &progress),
            ),
        ] {
            let name = format!("{name}, {transport}, {place}");
            violations += report(&mut table, name, outcome);
        }
    }
    for transport in Transport::ALL {
        for (name, outcome) in [
            (
                format!("updates, {transport}, forwarder"),
                updates::run(transport, updates, &endpoints, &progress),
            ),
            (
                format!("broker, {transport}, tasks"),
                broker::run(transport, round_trips, &endpoints, &progress),
            ),
            (
                format!("pair, {transport}, threads"),
                dialogue::pair(transport, round_trips, &endpoints, &progress),
            ),
        ] {
            violations += report(&mut table, name, outcome);
        }
    }
    let name = String::from("stream, tcp, plain client");
    violations += report(&mut table, name, dialogue::stream(round_trips, &progress));
    progress.finish();

    say(table);
    say(format_args!(
        "{total} messages and round trips in {:.1} s",
        started.elapsed().as_secs_f64()
    ));
    if violations > 0 {
        say(format_args!("{violations} violations"));
    }
    Ok(violations == 0)
}

/// Shares something out as evenly as can be.
fn shares(total: u64, parts: u32) -> Vec<u64> {
    let parts = u64::from(parts);
    (0..parts)
        .map(|part| total * (part + 1) / parts - total * part / parts)
        .collect()
}

/// Adds a row and returns the number of violations.
fn report(table: &mut Table, name: String, outcome: Result<Outcome>) -> u64 {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            eprintln!("tour: {name}: {error}");
            table.row([
                name,
                String::new(),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
                error.to_string(),
            ]);
            return 1;
        }
    };
    let rate = outcome.planned as f64 / outcome.elapsed.as_secs_f64();
    let times = outcome.round_trips.map_or_else(Default::default, |times| {
        [times.p50, times.p99, times.max].map(units::micros)
    });
    let verdict = outcome.verdict;
    let checked = if verdict.is_clean() {
        String::from("yes")
    } else {
        verdict.to_string()
    };
    let [p50, p99, max] = times;
    table.row([
        name,
        outcome.planned.to_string(),
        units::rate(rate),
        p50,
        p99,
        max,
        checked,
    ]);
    verdict.violations()
}
