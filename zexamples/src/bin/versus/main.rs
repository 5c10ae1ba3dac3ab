//! zlayers beside libzmq: the same roles, the same machine, the same minute.
//!
//! ```console
//! $ versus                                              # everything, about a quarter of an hour
//! $ versus --only tcp --sizes 64,256 --rounds 3
//! $ versus --markdown > docs/PERFORMANCE.md
//! ```
//!
//! Throughput is PUSH to PULL, once with bodies that nobody writes, which is how libzmq's own tools do
//! it, and once with bodies that are written for each message, which is what
//! applications do. Latency is half a REQ/REP round trip. Over tcp and ipc each side is
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
//! A run on the machine named in it:
//!
//! ```text
//! SAMPLE
//! ```

mod measure;
mod role;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use zexamples::perf::Library;
use zexamples::{Endpoints, Result, Spread, Table, Transport, machine, units};

use measure::{Bench, Runs, Test};
use role::RoleArgs;

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
    /// Sizes in bytes for the throughput test
    #[arg(long, value_delimiter = ',', default_values_t = [16, 64, 256, 1024, 4096, 16384, 65536, 1 << 20])]
    sizes: Vec<usize>,
    /// Sizes in bytes for the latency test
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64, 1024, 65536])]
    lat_sizes: Vec<usize>,
    /// Runs per library and figure
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long a run of the faster library shall take, in milliseconds
    #[arg(long, default_value_t = 700, value_parser = clap::value_parser!(u64).range(1..))]
    duration: u64,
    /// How long a run may take before it counts as failed, in seconds
    #[arg(long, default_value_t = 60)]
    deadline: u64,
    /// High-water mark of the senders and of the receivers, in messages; 0 for none
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(..1 << 31))]
    hwm: u32,
    /// Print Markdown
    #[arg(long)]
    markdown: bool,
}

/// What the child processes do.
#[derive(Subcommand)]
enum Role {
    #[command(hide = true)]
    Role(RoleArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.role {
        Some(Role::Role(args)) => role::play(&args).map(|()| true),
        None => compare(&cli.plan),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("versus: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether all of our own runs succeeded.
fn compare(plan: &Plan) -> Result<bool> {
    let started = Instant::now();
    head(plan);
    let endpoints = Endpoints::new()?;
    let transports = if plan.only.is_empty() {
        &Transport::ALL[..]
    } else {
        &plan.only
    };
    let mut failures = Vec::new();
    for &test in &plan.tests {
        let sizes = match test {
            Test::Throughput | Test::Filled => &plan.sizes,
            Test::Latency => &plan.lat_sizes,
        };
        let mut table = Table::new(match test {
            Test::Throughput => [
                "PUSH/PULL, msg/s",
                "zlayers",
                "libzmq",
                "ratio",
                "zlayers, MB/s",
            ],
            Test::Filled => [
                "PUSH/PULL with filled bodies, msg/s",
                "zlayers",
                "libzmq",
                "ratio",
                "zlayers, MB/s",
            ],
            Test::Latency => ["REQ/REP, us one way", "zlayers", "libzmq", "ratio", ""],
        });
        for &transport in transports {
            for &size in sizes {
                let bench = Bench {
                    test,
                    transport,
                    size,
                    hwm: plan.hwm,
                    duration: Duration::from_millis(plan.duration),
                    deadline: Duration::from_secs(plan.deadline),
                    endpoints: &endpoints,
                };
                eprintln!("{bench} ...");
                let runs = bench.compare(plan.rounds);
                table.row(row(&bench, &runs));
                failures.extend(
                    runs.failures
                        .into_iter()
                        .map(|(lib, error)| (lib, format!("{bench}: {error}"))),
                );
            }
        }
        if plan.markdown {
            println!("{}", table.to_markdown());
        } else {
            println!("{table}");
        }
    }
    for (lib, failure) in &failures {
        println!("FAILED, {lib}: {failure}");
    }
    eprintln!("{:.0} s", started.elapsed().as_secs_f64());
    Ok(failures.iter().all(|(lib, _)| *lib != Library::Ours))
}

fn head(plan: &Plan) {
    let mut lines = machine::describe();
    let hwm = match plan.hwm {
        0 => String::from("no high-water marks"),
        hwm => format!("high-water marks {hwm}"),
    };
    lines.push(format!(
        "{} rounds, {hwm}; medians [min .. max]; ratio > 1: zlayers is better",
        plan.rounds
    ));
    if plan.markdown {
        lines.iter().for_each(|line| println!("- {line}"));
        println!();
    } else {
        println!("{}\n", lines.join("\n"));
    }
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build: the figures say nothing");
    }
}

fn row(bench: &Bench<'_>, runs: &Runs) -> Vec<String> {
    let (ours, libzmq) = (Spread::of(&runs.ours), Spread::of(&runs.libzmq));
    let cell = |spread: Option<Spread>| {
        let print = |value| match bench.test {
            Test::Throughput | Test::Filled => units::rate(value),
            Test::Latency => units::three_digits(value),
        };
        spread.map_or_else(
            || String::from("failed"),
            |s| format!("{} [{} .. {}]", print(s.median), print(s.min), print(s.max)),
        )
    };
    let ratio = ours.zip(libzmq).map_or_else(String::new, |(ours, libzmq)| {
        let ratio = match bench.test {
            Test::Throughput | Test::Filled => ours.median / libzmq.median,
            Test::Latency => libzmq.median / ours.median,
        };
        format!("{ratio:.2}")
    });
    let volume = match bench.test {
        // What goes from thread to thread by handle has no volume.
        Test::Throughput if bench.transport == Transport::Inproc => String::new(),
        Test::Throughput | Test::Filled => ours.map_or_else(String::new, |s| {
            format!("{:.0}", s.median * bench.size as f64 / 1e6)
        }),
        Test::Latency => String::new(),
    };
    let name = format!("{}, {}", bench.transport, units::bytes(bench.size as u64));
    vec![name, cell(ours), cell(libzmq), ratio, volume]
}
