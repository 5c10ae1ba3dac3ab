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
//! $ versus --rounds 3
//! zlayers 0.1.0, rustc 1.95.0 (59807616e 2026-04-14) (release build)
//! libzmq 4.3.5
//! Linux 6.18.44
//! AMD EPYC, 2 cores
//! 3 rounds, high-water marks 1000; medians [min .. max]; ratio > 1: zlayers is better
//!
//! PUSH/PULL, msg/s                    zlayers                     libzmq  ratio  zlayers, MB/s
//! ────────────────  ─────────────────────────  ─────────────────────────  ─────  ─────────────
//! tcp, 16 B         19.7 M [17.2 M .. 21.0 M]  7.12 M [5.12 M .. 7.32 M]   2.77            316
//! tcp, 64 B         15.1 M [12.9 M .. 16.2 M]  3.38 M [1.37 M .. 4.50 M]   4.48            969
//! tcp, 256 B        5.65 M [4.31 M .. 6.25 M]  1.21 M [1.06 M .. 2.17 M]   4.66           1446
//! tcp, 1 KiB        1.20 M [1.02 M .. 1.23 M]     460 k [424 k .. 572 k]   2.61           1227
//! tcp, 4 KiB           183 k [169 k .. 183 k]     132 k [123 k .. 147 k]   1.38            750
//! tcp, 16 KiB       66.2 k [58.0 k .. 77.9 k]  44.4 k [42.6 k .. 50.2 k]   1.49           1085
//! tcp, 64 KiB       18.9 k [17.0 k .. 28.1 k]  21.9 k [17.2 k .. 21.9 k]   0.86           1238
//! tcp, 1 MiB        1.41 k [1.05 k .. 1.53 k]  1.49 k [1.42 k .. 2.06 k]   0.95           1484
//! ipc, 16 B         17.9 M [15.4 M .. 23.2 M]  1.73 M [1.55 M .. 2.46 M]  10.34            286
//! ipc, 64 B         18.1 M [10.2 M .. 18.4 M]  2.06 M [1.53 M .. 2.96 M]   8.75           1156
//! ipc, 256 B        8.01 M [7.65 M .. 8.10 M]    903 k [861 k .. 1.14 M]   8.86           2050
//! ipc, 1 KiB          874 k [751 k .. 1.70 M]     332 k [254 k .. 372 k]   2.64            895
//! ipc, 4 KiB           168 k [134 k .. 216 k]     157 k [147 k .. 159 k]   1.07            689
//! ipc, 16 KiB       94.7 k [80.2 k .. 97.0 k]  27.6 k [26.0 k .. 27.7 k]   3.43           1552
//! ipc, 64 KiB       29.4 k [15.7 k .. 33.0 k]  16.9 k [16.7 k .. 17.1 k]   1.74           1925
//! ipc, 1 MiB        2.56 k [1.12 k .. 2.73 k]  1.22 k [1.19 k .. 2.40 k]   2.10           2688
//! inproc, 16 B      12.6 M [12.1 M .. 19.8 M]  5.69 M [5.54 M .. 5.73 M]   2.21
//! inproc, 64 B      10.8 M [2.96 M .. 11.2 M]  3.79 M [2.15 M .. 4.86 M]   2.84
//! inproc, 256 B     9.59 M [6.98 M .. 12.9 M]  2.72 M [1.46 M .. 4.35 M]   3.53
//! inproc, 1 KiB     4.48 M [4.36 M .. 4.50 M]  2.82 M [2.76 M .. 3.18 M]   1.59
//! inproc, 4 KiB     4.46 M [4.39 M .. 4.51 M]  1.61 M [1.18 M .. 2.60 M]   2.78
//! inproc, 16 KiB    4.47 M [2.04 M .. 4.47 M]   1.49 M [832 k .. 1.65 M]   2.99
//! inproc, 64 KiB    4.43 M [4.28 M .. 4.47 M]    736 k [498 k .. 1.17 M]   6.03
//! inproc, 1 MiB     4.37 M [1.51 M .. 4.39 M]     137 k [132 k .. 198 k]  31.87
//!
//! PUSH/PULL with filled bodies, msg/s                    zlayers                     libzmq  ratio  zlayers, MB/s
//! ───────────────────────────────────  ─────────────────────────  ─────────────────────────  ─────  ─────────────
//! tcp, 16 B                            25.6 M [25.1 M .. 26.2 M]  4.58 M [4.56 M .. 4.59 M]   5.59            410
//! tcp, 64 B                            17.0 M [16.7 M .. 17.1 M]  3.43 M [3.40 M .. 3.70 M]   4.95           1088
//! tcp, 256 B                           6.62 M [6.36 M .. 6.63 M]  2.02 M [1.92 M .. 2.06 M]   3.28           1695
//! tcp, 1 KiB                           1.36 M [1.35 M .. 1.40 M]     644 k [563 k .. 666 k]   2.10           1388
//! tcp, 4 KiB                              337 k [326 k .. 350 k]     178 k [177 k .. 182 k]   1.89           1380
//! tcp, 16 KiB                          62.8 k [61.3 k .. 69.4 k]  43.9 k [43.6 k .. 47.0 k]   1.43           1029
//! tcp, 64 KiB                          16.1 k [15.2 k .. 17.2 k]  16.0 k [16.0 k .. 18.1 k]   1.00           1053
//! tcp, 1 MiB                           1.16 k [1.12 k .. 1.51 k]  1.34 k [1.29 k .. 1.62 k]   0.86           1213
//! ipc, 16 B                            29.2 M [29.0 M .. 29.3 M]  4.71 M [4.62 M .. 4.85 M]   6.20            468
//! ipc, 64 B                            18.6 M [17.0 M .. 19.7 M]  2.57 M [2.07 M .. 3.42 M]   7.26           1193
//! ipc, 256 B                           6.83 M [5.41 M .. 7.97 M]  1.49 M [1.15 M .. 1.87 M]   4.60           1748
//! ipc, 1 KiB                           1.61 M [1.42 M .. 1.64 M]     645 k [579 k .. 661 k]   2.50           1648
//! ipc, 4 KiB                              334 k [301 k .. 390 k]     178 k [176 k .. 181 k]   1.87           1369
//! ipc, 16 KiB                          86.5 k [79.9 k .. 91.8 k]  47.5 k [47.3 k .. 50.3 k]   1.82           1417
//! ipc, 64 KiB                          27.9 k [24.0 k .. 31.8 k]  23.9 k [23.5 k .. 24.3 k]   1.17           1828
//! ipc, 1 MiB                           1.61 k [1.48 k .. 2.39 k]  2.18 k [1.76 k .. 2.22 k]   0.74           1691
//! inproc, 16 B                         33.0 M [30.5 M .. 33.3 M]  8.56 M [8.56 M .. 8.57 M]   3.86            528
//! inproc, 64 B                         27.2 M [26.5 M .. 28.1 M]  6.58 M [6.30 M .. 6.74 M]   4.13           1739
//! inproc, 256 B                        22.5 M [19.5 M .. 23.7 M]  7.05 M [2.68 M .. 7.12 M]   3.19           5752
//! inproc, 1 KiB                          651 k [565 k .. 2.08 M]   1.89 M [435 k .. 1.92 M]   0.34            666
//! inproc, 4 KiB                           402 k [328 k .. 863 k]   1.00 M [269 k .. 1.31 M]   0.40           1648
//! inproc, 16 KiB                          138 k [110 k .. 140 k]     157 k [131 k .. 162 k]   0.88           2264
//! inproc, 64 KiB                        80.1 k [72.7 k .. 123 k]  58.8 k [52.9 k .. 76.8 k]   1.36           5249
//! inproc, 1 MiB                        23.1 k [13.3 k .. 27.0 k]  12.3 k [7.95 k .. 21.8 k]   1.89          24248
//!
//! REQ/REP, us one way              zlayers               libzmq  ratio
//! ───────────────────  ───────────────────  ───────────────────  ─────
//! tcp, 1 B             24.3 [13.7 .. 24.8]  45.7 [41.9 .. 47.0]   1.88
//! tcp, 64 B            24.0 [23.8 .. 24.5]  47.2 [47.0 .. 47.3]   1.96
//! tcp, 1 KiB           24.6 [24.5 .. 25.6]  44.6 [32.6 .. 58.0]   1.81
//! tcp, 64 KiB          22.4 [21.1 .. 23.3]  65.8 [54.6 .. 67.6]   2.94
//! ipc, 1 B             15.3 [14.5 .. 16.4]  24.1 [21.6 .. 27.4]   1.58
//! ipc, 64 B            16.3 [14.7 .. 19.6]  42.0 [23.7 .. 48.3]   2.57
//! ipc, 1 KiB           14.8 [14.6 .. 15.0]  28.4 [24.5 .. 34.9]   1.92
//! ipc, 64 KiB          24.3 [23.3 .. 24.8]  48.4 [38.9 .. 61.2]   1.99
//! inproc, 1 B          4.14 [3.44 .. 4.15]  37.3 [4.16 .. 38.3]   9.00
//! inproc, 64 B         3.13 [3.10 .. 4.59]  21.5 [5.16 .. 34.9]   6.87
//! inproc, 1 KiB        4.05 [3.19 .. 5.80]  6.48 [5.99 .. 7.25]   1.60
//! inproc, 64 KiB       5.93 [4.29 .. 6.12]  7.91 [6.69 .. 8.28]   1.33
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
