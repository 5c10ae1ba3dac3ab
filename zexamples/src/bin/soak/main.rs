//! A minute of everything that usually goes right and sometimes does not.
//!
//! ```console
//! $ soak
//! $ soak --seconds 600 --seed 42
//! ```
//!
//! Over all three transports at once, in one context:
//!
//! ```text
//!   PUSH connects to one or both, sends, disconnects,          ┌──────▶ PULL ┐ stay, with random
//!   connects again, closes, is made anew                ───────┤             │ high-water marks
//!   PUSH binds to a new endpoint, sends, closes     ◀───────── └──────▶ PULL ┘ and pauses
//!   REQ asks a few times, closes, is made anew      ─────────────────▶  REP    stays
//! ```
//!
//! Messages have one to forty frames of 0 B to 4 MiB, mostly small. Each carries the number of its
//! stream (what one sender sends between connecting and disconnecting), its number in the stream,
//! and a checksum over all frames. Every socket that closes lingers until what it sent has been
//! delivered, so at the end every message of every stream must have arrived once, undamaged and
//! in order, and the context must have nothing left to do. Anything else makes the exit status non-zero.
//!
//! The seed decides sizes, marks and pauses; how threads interleave is up to the machine.
//!
//! A run on the machine named in it:
//!
//! ```text
//! zlayers 0.1.0, rustc 1.95.0 (59807616e 2026-04-14) (release build)
//! libzmq 4.3.5
//! Linux 6.18.44
//! AMD EPYC, 2 cores
//! 60 s, --seed 16589330418406333963
//!
//!         sockets  streams  messages    volume   largest  requests   msg/s  exactly once, in order, undamaged
//! ──────  ───────  ───────  ────────  ────────  ────────  ────────  ──────  ─────────────────────────────────
//! tcp        6172     3556   1268946  42.8 GiB  8.00 MiB    100881  21.1 k                                yes
//! ipc        4945     2100    802374  27.1 GiB  7.80 MiB     93431  13.3 k                                yes
//! inproc    17822     4626   1620765  55.2 GiB  8.03 MiB    384781  26.9 k                                yes
//!
//! 60.2 s
//! ```

mod lane;
mod receiver;
mod requests;
mod sender;
mod wire;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use fastrand::Rng;
use zexamples::{Endpoints, Ledger, Progress, Result, Table, Transport, Verdict, machine, units};
use zsocket::Context;

use lane::{Lane, Totals};
use wire::Pool;

/// Sends random messages through sockets that come and go, and checks each one.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// How long to send
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Repeats the random choices of an earlier run
    #[arg(long)]
    seed: Option<u64>,
}

/// Nothing may stand still for longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// PULL sockets per transport.
const RECEIVERS: usize = 2;
/// Connecting PUSH sockets per transport at a time.
const CONNECTING: usize = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match soak(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

fn soak(cli: &Cli) -> Result<()> {
    let mut seeds = Rng::with_seed(cli.seed.unwrap_or_else(|| fastrand::u64(..)));
    println!("{}", machine::describe().join("\n"));
    println!("{} s, --seed {}\n", cli.seconds, seeds.get_seed());

    let endpoints = Arc::new(Endpoints::new()?);
    let context = Context::builder().io_threads(2).build()?;
    let pool = Pool::new(&mut seeds);
    let lanes: Vec<RunningLane> = Transport::ALL
        .into_iter()
        .map(|transport| RunningLane::start(transport, &context, &endpoints, &pool, &mut seeds))
        .collect::<Result<_>>()?;

    let progress = Progress::new(cli.seconds, "s");
    progress.section("sending");
    let start = Instant::now();
    for second in 1..=cli.seconds {
        thread::sleep(
            (start + Duration::from_secs(second)).saturating_duration_since(Instant::now()),
        );
        progress.add(1);
    }
    progress.section("draining");
    lanes.iter().for_each(|lane| lane.lane.stop());
    let mut table = Table::new([
        "",
        "sockets",
        "streams",
        "messages",
        "volume",
        "largest",
        "requests",
        "msg/s",
        "exactly once, in order, undamaged",
    ]);
    let mut violations = 0;
    for lane in lanes {
        violations += lane.finish(&mut table, start);
    }
    progress.finish();
    println!("{table}");
    if let Err(report) = context.term_timeout(PATIENCE) {
        eprintln!("soak: {report}");
        violations += 1;
    }
    println!("{:.1} s", start.elapsed().as_secs_f64());
    match violations {
        0 => Ok(()),
        violations => Err(format!("{violations} violations").into()),
    }
}

type Thread<T> = thread::JoinHandle<Result<T>>;

/// The threads of one transport.
struct RunningLane {
    lane: Arc<Lane>,
    receivers: Vec<Thread<(Ledger, Totals)>>,
    senders: Vec<Thread<()>>,
    requester: Thread<u64>,
    responder: Thread<()>,
}

impl RunningLane {
    fn start(
        transport: Transport,
        context: &Context,
        endpoints: &Arc<Endpoints>,
        pool: &Pool,
        seeds: &mut Rng,
    ) -> Result<Self> {
        let lane = Arc::new(Lane::new(transport, context.clone(), Arc::clone(endpoints)));
        let mut rng = || Rng::with_seed(seeds.u64(..));
        let mut orders = Vec::new();
        let mut addresses = Vec::new();
        let mut receivers = Vec::new();
        for _ in 0..RECEIVERS {
            let (order, incoming) = channel();
            orders.push(order);
            let mut rng = rng();
            let (pull, address) = receiver::bind(&lane, &mut rng)?;
            addresses.push(address);
            let lane = Arc::clone(&lane);
            receivers.push(thread::spawn(move || {
                receiver::run(&lane, &pull, &incoming, rng)
            }));
        }
        let mut senders: Vec<Thread<()>> = Vec::new();
        for _ in 0..CONNECTING {
            let (lane, pool, addresses, rng) =
                (Arc::clone(&lane), pool.clone(), addresses.clone(), rng());
            senders.push(thread::spawn(move || {
                sender::connecting(&lane, &pool, &addresses, rng)
            }));
        }
        let (binding, pool_of_binding, binding_rng) = (Arc::clone(&lane), pool.clone(), rng());
        senders.push(thread::spawn(move || {
            sender::binding(&binding, &pool_of_binding, &orders, binding_rng)
        }));

        let (rep, address) = requests::bind(&lane)?;
        let serving = Arc::clone(&lane);
        let responder = thread::spawn(move || requests::respond(&serving, &rep));
        let (asking, pool, rng) = (Arc::clone(&lane), pool.clone(), rng());
        let requester = thread::spawn(move || requests::request(&asking, &pool, &address, rng));
        Ok(Self {
            lane,
            receivers,
            senders,
            requester,
            responder,
        })
    }

    /// Waits for everybody, adds a row, and returns the number of violations.
    fn finish(self, table: &mut Table, start: Instant) -> u64 {
        let transport = self.lane.transport;
        let mut violations = 0;
        let mut failed = |error: zexamples::Error| {
            eprintln!("soak: {transport}: {error}");
            violations += 1;
        };
        self.senders
            .into_iter()
            .filter_map(|thread| join(thread).err())
            .for_each(&mut failed);
        self.lane.expect_all();
        let requests = join(self.requester).unwrap_or_else(|error| {
            failed(error);
            0
        });
        self.lane.stop_serving();
        join(self.responder).unwrap_or_else(&mut failed);

        let mut ledger = Ledger::new();
        let mut totals = Totals::default();
        for receiver in self.receivers {
            match join(receiver) {
                Ok((theirs, more)) => {
                    ledger.merge(theirs);
                    totals.add(&more);
                }
                Err(error) => failed(error),
            }
        }
        let verdict: Verdict = ledger.settle(&self.lane.sent());
        violations += verdict.violations() + totals.damaged;
        let checked = match violations {
            0 => String::from("yes"),
            _ => format!("{verdict}, {} damaged", totals.damaged),
        };
        table.row([
            transport.to_string(),
            self.lane.sockets().to_string(),
            self.lane.sent().len().to_string(),
            verdict.received.to_string(),
            units::bytes(totals.bytes),
            units::bytes(totals.largest),
            requests.to_string(),
            units::rate(verdict.received as f64 / start.elapsed().as_secs_f64()),
            checked,
        ]);
        violations
    }
}

fn join<T>(thread: Thread<T>) -> Result<T> {
    thread
        .join()
        .unwrap_or_else(|_| Err("a thread panicked".into()))
}
