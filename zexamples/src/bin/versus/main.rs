//! zlayers beside libzmq: the same roles, the same machine, the same minute.
//!
//! ```console
//! $ versus                                              # everything, about half an hour
//! $ versus --only tcp --sizes 64,256 --rounds 3 --tests throughput
//! $ versus --only tcp --tests links,clients --links 100 --clients 4,16
//! $ versus --markdown > docs/PERFORMANCE.md
//! ```
//!
//! It is built with `--features libzmq`, which needs a C++ compiler.
//!
//! Throughput is PUSH to PULL, once with bodies that nobody writes, which is how libzmq's own tools do
//! it, and once with bodies that are written for each message, which is what
//! applications do. Latency is half a REQ/REP round trip. The other tests have many links, sockets,
//! senders, receivers, clients, dealers or idle neighbours; `--help` lists them. Over tcp and ipc each side is
//! a process of its own, over inproc both are threads of one. Every run is a fresh process, and
//! the two libraries take turns, so that what else goes on in the machine hits both. First some
//! short runs find out how many messages make the faster library run for most of a second; that
//! number is then the same for both.
//!
//! The figure for a library is the median of its runs, with the slowest and the fastest in
//! brackets. A ratio above 1 means that zlayers is better: it moves so many times the messages,
//! or takes so much less time. A run that fails (a child has a deadline) is reported below the table,
//! and makes the exit status non-zero if it was ours. libzmq is known to fail now and then: it
//! loses messages over ipc when the sender closes while the receiver cannot keep up. Hence a sender here
//! closes only when the receiver has everything, with either library.
//!
//! `docs/PERFORMANCE.md` shows a run and says what stands out in it.

mod measure;
mod role;
mod shaped;
mod test;
mod topics;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use zexamples::perf::Mechanism;
use zexamples::perf::shapes::Form;
use zexamples::{
    Endpoints, Result, Spread, Table, Transport, conclude, machine, raise_descriptor_limit, say,
    units,
};

use measure::{Bench, Runs};
use role::{RoleArgs, ShapeArgs};
use test::{Side, Test, Unit};

/// Compares zlayers with libzmq.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    plan: Plan,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(clap::Args)]
struct Plan {
    /// Transports to compare
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Transport>,
    /// Tests to run
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Test::ALL)]
    tests: Vec<Test>,
    /// Sizes in bytes for the tests `throughput` and `filled`
    #[arg(long, value_delimiter = ',', default_values_t = [16, 64, 256, 1024, 4096, 16384, 65536, 1 << 20])]
    sizes: Vec<usize>,
    /// Sizes in bytes for the test `latency`
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64, 1024, 65536])]
    lat_sizes: Vec<usize>,
    /// Size in bytes for all other tests
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    shape_size: u32,
    /// Numbers of links for the test `links`
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100, 1000], value_parser = at_least_one())]
    links: Vec<u32>,
    /// Numbers of sockets for the test `sockets`
    #[arg(long, value_delimiter = ',', default_values_t = [100], value_parser = at_least_one())]
    sockets: Vec<u32>,
    /// Numbers of processes for the test `senders`
    #[arg(long, value_delimiter = ',', default_values_t = [4], value_parser = at_least_one())]
    senders: Vec<u32>,
    /// Numbers of threads for the test `fan`
    #[arg(long, value_delimiter = ',', default_values_t = [8], value_parser = at_least_one())]
    receivers: Vec<u32>,
    /// Numbers of processes for the test `clients`
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 16, 64], value_parser = at_least_one())]
    clients: Vec<u32>,
    /// Numbers of sockets for the test `routed`
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 1000], value_parser = at_least_one())]
    dealers: Vec<u32>,
    /// Numbers of sockets for the test `published`
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 64], value_parser = at_least_one())]
    subscribers: Vec<u32>,
    /// Numbers of sockets for the test `matched`
    #[arg(long, value_delimiter = ',', default_values_t = [1000], value_parser = at_least_one())]
    topics: Vec<u32>,
    /// Numbers of topics for the test `topics`
    #[arg(long, value_delimiter = ',', default_values_t = [10, 10_000, 1_000_000], value_parser = at_least_one())]
    prefixes: Vec<u32>,
    /// What they are like
    #[arg(long, value_enum, default_value_t = Form::Names)]
    form: Form,
    /// Numbers of idle sockets for the test `polled`
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 10_000], value_parser = at_least_one())]
    idle: Vec<u32>,
    /// Numbers of clients for the test `brokered`
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 100], value_parser = at_least_one())]
    brokered: Vec<u32>,
    /// Sizes in bytes for the test `forwarded`
    #[arg(long, value_delimiter = ',', default_values_t = [64, 1024])]
    forwarded: Vec<usize>,
    /// Numbers of idle connections for the test `neighbours`
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1, 10])]
    neighbours: Vec<u32>,
    /// Runs per library and figure
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long a run of the fastest shall take, in milliseconds
    #[arg(long, default_value_t = 700, value_parser = clap::value_parser!(u64).range(1..))]
    duration: u64,
    /// How long a run may take before it counts as failed, in seconds
    #[arg(long, default_value_t = 60)]
    deadline: u64,
    /// High-water mark of the senders and of the receivers, in messages; 0 for none
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(..1 << 31))]
    hwm: u32,
    /// How the sockets protect what they send, in the tests throughput, filled, latency and links
    #[arg(long, value_enum, default_value_t = Mechanism::Null)]
    mechanism: Mechanism,
    /// Print Markdown
    #[arg(long)]
    markdown: bool,
}

fn at_least_one() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

/// What the child processes do.
#[derive(Subcommand)]
enum Role {
    #[command(hide = true)]
    Role(RoleArgs),
    #[command(hide = true)]
    Shape(ShapeArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.role {
        Some(Role::Role(args)) => role::play(&args).map(|()| true),
        Some(Role::Shape(args)) => role::play_shape(&args).map(|()| true),
        None => compare(&cli.plan),
    };
    conclude("versus", result)
}

impl Plan {
    /// The lines of a test's table, as transport, size and number of peers.
    fn lines(&self, test: Test) -> Vec<(Transport, usize, u32)> {
        let (sizes, peers) = match test {
            Test::Throughput | Test::Filled => (self.sizes.clone(), &[1][..]),
            Test::Latency => (self.lat_sizes.clone(), &[1][..]),
            Test::Forwarded => (self.forwarded.clone(), &[1][..]),
            _ => {
                let peers = match test {
                    Test::Links => &self.links,
                    Test::Sockets => &self.sockets,
                    Test::Senders => &self.senders,
                    Test::Fan => &self.receivers,
                    Test::Clients => &self.clients,
                    Test::Routed => &self.dealers,
                    Test::Published => &self.subscribers,
                    Test::Matched => &self.topics,
                    Test::Topics => &self.prefixes,
                    Test::Polled => &self.idle,
                    Test::Brokered => &self.brokered,
                    _ => &self.neighbours,
                };
                (vec![self.shape_size as usize], &peers[..])
            }
        };
        let mut lines = Vec::new();
        for &transport in test.transports() {
            if !self.only.is_empty() && !self.only.contains(&transport) {
                continue;
            }
            if transport == Transport::Inproc && self.mechanism != Mechanism::Null {
                continue; // It has none.
            }
            for &size in &sizes {
                lines.extend(peers.iter().map(|&peers| (transport, size, peers)));
            }
        }
        lines
    }
}

/// Returns whether all of our own runs succeeded.
fn compare(plan: &Plan) -> Result<bool> {
    let started = Instant::now();
    if plan.mechanism != Mechanism::Null
        && let Some(test) = plan.tests.iter().find(|test| !test.has_mechanisms())
    {
        return Err(format!("the test {test} knows no mechanism but null").into());
    }
    // Each child process takes two descriptors here.
    raise_descriptor_limit()?;
    head(plan);
    let endpoints = Endpoints::new()?;
    let mut failures = Vec::new();
    for &test in &plan.tests {
        let mut table = Table::new(columns(test));
        for (transport, size, peers) in plan.lines(test) {
            let bench = Bench {
                test,
                transport,
                size,
                peers,
                form: plan.form,
                hwm: plan.hwm,
                mechanism: plan.mechanism,
                duration: Duration::from_millis(plan.duration),
                deadline: Duration::from_secs(plan.deadline),
                endpoints: &endpoints,
            };
            eprintln!("{bench} ...");
            let mut failed = Vec::new();
            if test == Test::Topics {
                let all = topics::compare(&bench, plan.rounds);
                for row in topics::rows(&bench, &all) {
                    table.row(row);
                }
                failed.extend(all.into_iter().flat_map(|(_, runs)| runs.failures));
            } else {
                let runs = bench.compare(plan.rounds);
                table.row(row(&bench, &runs));
                failed.extend(runs.failures);
            }
            let failed = failed.into_iter();
            failures.extend(failed.map(|(side, error)| (side, format!("{bench}: {error}"))));
        }
        if table.is_empty() {
            eprintln!("{test}: not over this transport");
        } else if plan.markdown {
            say(table.to_markdown());
        } else {
            say(table);
        }
    }
    for (side, failure) in &failures {
        say(format_args!("FAILED, {side}: {failure}"));
    }
    eprintln!("{:.0} s", started.elapsed().as_secs_f64());
    Ok(failures.iter().all(|(side, _)| *side != Side::OURS))
}

fn head(plan: &Plan) {
    let mut lines = machine::describe();
    let hwm = match plan.hwm {
        0 => String::from("no high-water marks"),
        hwm => format!("high-water marks {hwm}"),
    };
    lines.push(format!("mechanism {}", plan.mechanism));
    lines.push(format!(
        "{} rounds, {hwm}; medians [min .. max]; ratio > 1: zlayers is better",
        plan.rounds
    ));
    if plan.markdown {
        lines.iter().for_each(|line| say(format_args!("- {line}")));
        say("");
    } else {
        say(lines.join("\n") + "\n");
    }
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build: the figures say nothing");
    }
}

fn columns(test: Test) -> Vec<&'static str> {
    let mut columns = vec![test.title(), "zlayers", "libzmq", "ratio"];
    match test {
        Test::Throughput | Test::Filled => columns.push("zlayers, MB/s"),
        Test::Clients => columns.extend(["plain epoll server", "zlayers to it"]),
        _ => {}
    }
    columns
}

fn row(bench: &Bench<'_>, runs: &Runs) -> Vec<String> {
    let unit = bench.test.unit();
    let cell = |spread: Option<Spread>| {
        let print = |value| match unit {
            Unit::PerSecond => units::rate(value),
            Unit::Micros | Unit::Several => units::three_digits(value),
        };
        spread.map_or_else(
            || String::from("failed"),
            |s| format!("{} [{} .. {}]", print(s.median), print(s.min), print(s.max)),
        )
    };
    let ours = runs.spread(Side::OURS);
    let ratio = |other: Option<Spread>| {
        ours.zip(other).map_or_else(String::new, |(ours, other)| {
            let ratio = match unit {
                Unit::PerSecond => ours.median / other.median,
                Unit::Micros | Unit::Several => other.median / ours.median,
            };
            format!("{ratio:.2}")
        })
    };
    let libzmq = runs.spread(Side::LIBZMQ);
    let mut row = vec![bench.name(), cell(ours), cell(libzmq), ratio(libzmq)];
    match bench.test {
        // What goes from thread to thread by handle has no volume.
        Test::Throughput if bench.transport == Transport::Inproc => {}
        Test::Throughput | Test::Filled => row.push(ours.map_or_else(String::new, |s| {
            format!("{:.0}", s.median * bench.size as f64 / 1e6)
        })),
        Test::Clients => {
            let plain = runs.spread(Side::Plain);
            row.extend([cell(plain), ratio(plain)]);
        }
        _ => {}
    }
    row
}
