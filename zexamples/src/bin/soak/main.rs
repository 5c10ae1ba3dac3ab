//! Everything that usually goes right, and all that goes wrong, at the same time.
//!
//! ```console
//! $ soak                                   # a minute of it
//! $ soak --minutes 20 --seed 42
//! $ soak --troubles hostile,storms         # only these; --troubles none for a quiet sea
//! $ soak --types publish,routed            # only these scenes; --types none for none
//! $ soak --scenes-only --types pair --scene 7    # one scene again and again, and nothing else
//! $ soak --minutes 10 --scenes-only --types brokered --scene-seconds 590    # one broker, a hundred clients, ten servers
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
//! Beside these long-lived sockets, sockets of *all types* live for a second or so, in scenes; [`scenes`] says which there
//! are, and what must hold in them.
//!
//! Meanwhile there is trouble, each kind of which can be left out:
//!
//! | trouble | what | what must hold |
//! |---|---|---|
//! | `hostile` | peers at the same sockets that send garbage, half handshakes, frames that are too large or never end, floods of messages, non-requests and PINGs, and that reset; a REQ whose server floods it with non-replies; a PUSH whose peers send | nobody else notices; what is refused is closed; a call with a time limit keeps it |
//! | `panics` | bodies whose owner panics when it is dropped, wakers that panic | a panic costs at most its own message |
//! | `forks` | a process that forks; its children leave, use or drop the sockets that they inherit | a child ends soon and gets nothing; the parent does not notice |
//! | `descriptors` | the limit of descriptors is lowered to what is open, and raised again | calls fail, and work again; no connection is lost |
//! | `storms` | proxies that cut connections, listeners that unbind and bind again | each message arrives once, or is one that the proxy has swallowed; each request is answered or reported as lost |
//!
//! Memory, threads and descriptors are looked at twice a second. The median of the last fifth of the time must
//! not lie above that of the second fifth (in a long run, of the fifth after the first minute) by more than a tolerance, and when everything has ended, all of it must
//! have come back.
//!
//! It is built with `--features libzmq`, for what it asks of the system there.
//!
//! The seed decides sizes, marks, pauses and attacks; how threads interleave is up to the machine.

mod books;
mod lane;
mod pulse;
mod receiver;
mod requests;
mod scenes;
mod sender;
mod stage;
mod troubles;
mod watch;
mod wire;

use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand, ValueEnum};
use fastrand::Rng;
use zexamples::{Progress, Result, Table, Transport, conclude, machine, say, units};
use zsocket::Context;

use lane::{Lane, Totals};
use scenes::{Kind, Theatre};
use stage::Stage;
use troubles::{Target, Trouble};
use watch::Sample;
use wire::Pool;

/// Sends random messages through sockets that come and go, makes trouble, and checks each message.
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
    /// How long to send [default: a minute]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "minutes")]
    seconds: Option<u64>,
    /// How long to send
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: Option<u64>,
    /// Repeats the random choices of an earlier run
    #[arg(long)]
    seed: Option<u64>,
    /// Stops when the process takes up more than this, in MiB
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u64).range(..1 << 40))]
    memory: u64,
    /// What shall go wrong meanwhile: all, none, or some of hostile, panics, forks, descriptors, storms
    #[arg(long, value_parser = choice::<Trouble>, value_delimiter = ',', default_value = "all")]
    troubles: Vec<Choice<Trouble>>,
    /// The scenes that are played meanwhile: all, none, or some of pipeline, pair, routed, publish, requests, service,
    /// latest, streams, brokered
    #[arg(long, value_parser = choice::<Kind>, value_delimiter = ',', default_value = "all")]
    types: Vec<Choice<Kind>>,
    /// Plays this scene again and again, as the report of a violation says
    #[arg(long)]
    scene: Option<u64>,
    /// How long each scene is played, and then with as many sockets as it may have [default: drawn, up to 2.5 s]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    scene_seconds: Option<u64>,
    /// Leaves out the long-lived sockets, and with them all trouble
    #[arg(long)]
    scenes_only: bool,
}

impl Plan {
    fn seconds(&self) -> u64 {
        match self.minutes {
            Some(minutes) => minutes * 60,
            None => self.seconds.unwrap_or(60),
        }
    }

    fn troubles(&self) -> Vec<Trouble> {
        if self.scenes_only {
            return Vec::new();
        }
        chosen(&self.troubles, &Trouble::ALL)
    }

    fn kinds(&self) -> Vec<Kind> {
        chosen(&self.types, &Kind::ALL)
    }
}

/// All of them, none, or one: what can be said to `--troubles` and `--types`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice<T> {
    All,
    None,
    One(T),
}

fn chosen<T: Copy + PartialEq>(choices: &[Choice<T>], all: &[T]) -> Vec<T> {
    let is_chosen =
        |one: &T| choices.contains(&Choice::All) || choices.contains(&Choice::One(*one));
    all.iter().copied().filter(is_chosen).collect()
}

fn choice<T: ValueEnum>(word: &str) -> Result<Choice<T>, String> {
    match word {
        "all" => Ok(Choice::All),
        "none" => Ok(Choice::None),
        word => T::from_str(word, false).map(Choice::One).map_err(|_| {
            let all = T::value_variants().iter().filter_map(T::to_possible_value);
            let names: Vec<String> = all.map(|value| value.get_name().to_owned()).collect();
            format!("it is neither all nor none nor one of {}", names.join(", "))
        }),
    }
}

/// What the child process does.
#[derive(Subcommand)]
enum Role {
    #[command(hide = true)]
    Forker,
}

/// Nothing may stand still for longer. On a machine that stands still itself for a while, nothing is to blame.
const PATIENCE: Duration = Duration::from_secs(240);
/// PULL sockets per transport.
const RECEIVERS: usize = 2;
/// Connecting PUSH sockets per transport at a time.
const CONNECTING: usize = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.role {
        Some(Role::Forker) => troubles::fork_again_and_again().map(|()| true),
        None => soak(&cli.plan),
    };
    conclude("soak", result)
}

/// Returns whether nothing happened that must not.
fn soak(plan: &Plan) -> Result<bool> {
    let mut seeds = Rng::with_seed(plan.seed.unwrap_or_else(|| fastrand::u64(..)));
    let (seconds, troubles, kinds) = (plan.seconds(), plan.troubles(), plan.kinds());
    say(machine::describe().join("\n"));
    say(format_args!(
        "{seconds} s, --seed {}, troubles: {}, scenes: {}\n",
        seeds.get_seed(),
        names(&troubles),
        names(&kinds)
    ));
    troubles::be_silent_about_planned_ones();

    let pool = Pool::new(&mut seeds);
    let before = Sample::now()?;
    let scene_length = plan.scene_seconds.map(Duration::from_secs);
    let context = Context::builder().io_threads(2).build()?;
    let stage = Arc::new(Stage::new(context, scene_length)?);
    let mut lanes = Vec::new();
    let mut targets = Vec::new();
    let transports: &[Transport] = if plan.scenes_only {
        &[]
    } else {
        &Transport::ALL
    };
    for &transport in transports {
        let (lane, target) = RunningLane::start(transport, &stage, &pool, &mut seeds)?;
        lanes.push(lane);
        targets.push(target);
    }
    let troublemakers: Vec<_> = troubles
        .into_iter()
        .flat_map(|trouble| troubles::start(trouble, &stage, &targets, &pool, &mut seeds))
        .collect();
    drop(targets);
    let theatre = Theatre::open(&kinds, plan.scene, &stage, &pool, &mut seeds);
    let (watched, limit) = (Arc::clone(&stage), plan.memory << 20);
    let watcher = thread::spawn(move || watch::watch(&watched, limit));
    let alive = Arc::clone(&stage);
    let pulse = thread::spawn(move || alive.pulse.beat(|| alive.stopping()));

    let start = Instant::now();
    wait(&stage, seconds, start, || theatre.guard(&stage));
    stage.stop();
    eprintln!("draining ...");
    let (finished, unfinished) = channel::<()>();
    let watchdog = thread::spawn(move || {
        if unfinished.recv_timeout(PATIENCE * 2) == Err(RecvTimeoutError::Timeout) {
            eprintln!("soak: it does not end: a call hangs");
            process::exit(1);
        }
    });
    for (name, thread) in troublemakers {
        if let Err(error) = join(thread) {
            stage.log.violation(&format!("{name}: {error}"));
        }
    }
    let scenes = theatre.close(&stage);
    let mut table = Table::new([
        "",
        "sockets",
        "streams",
        "messages",
        "swallowed",
        "volume",
        "largest",
        "requests",
        "msg/s",
        "exactly once, in order, undamaged",
    ]);
    for lane in lanes {
        lane.finish(&mut table, start);
    }
    let samples = watcher.join().map_err(|_| "the watcher panicked")?;
    pulse.join().map_err(|_| "the pulse panicked")?;
    for table in [table, stage.log.table(), scenes] {
        if !table.is_empty() {
            say(table);
        }
    }
    if let Err(report) = stage.context.term_timeout(PATIENCE) {
        stage.log.violation(&report.to_string());
    }
    let mut violations = stage.log.violations();
    drop((stage, finished));
    watchdog.join().map_err(|_| "the watchdog panicked")?;
    let (table, grown) = watch::judge(&before, &samples, &watch::settle(&before)?);
    say(table);
    for what in grown {
        violations += 1;
        eprintln!("soak: {what}");
    }
    say(format_args!(
        "{:.1} s, {violations} violations",
        start.elapsed().as_secs_f64()
    ));
    Ok(violations == 0)
}

/// Waits for the end of the time, or until somebody else stops everything.
fn wait(stage: &Stage, seconds: u64, start: Instant, look: impl Fn()) {
    let progress = Progress::new(seconds, "s");
    progress.section("sending");
    for second in 1..=seconds {
        stage.pause(Duration::from_secs(second).saturating_sub(start.elapsed()));
        progress.add(1);
        look();
    }
    progress.finish();
}

fn names(chosen: &[impl ToString]) -> String {
    if chosen.is_empty() {
        return String::from("none");
    }
    let names: Vec<String> = chosen.iter().map(ToString::to_string).collect();
    names.join(", ")
}

type Thread<T> = thread::JoinHandle<Result<T>>;

/// The threads of one transport.
struct RunningLane {
    lane: Arc<Lane>,
    receivers: Vec<Thread<Totals>>,
    senders: Vec<Thread<()>>,
    requester: Thread<u64>,
    responder: Thread<()>,
}

impl RunningLane {
    fn start(
        transport: Transport,
        stage: &Arc<Stage>,
        pool: &Pool,
        seeds: &mut Rng,
    ) -> Result<(Self, Target)> {
        let lane = Arc::new(Lane::new(transport, Arc::clone(stage)));
        let mut rng = || Rng::with_seed(seeds.u64(..));
        let mut orders = Vec::new();
        let mut addresses = Vec::new();
        let mut receivers = Vec::new();
        for number in 0..RECEIVERS {
            let (order, incoming) = channel();
            orders.push(order);
            let mut rng = rng();
            let (pull, address) = receiver::bind(&lane, &mut rng)?;
            addresses.push(address);
            let lane = Arc::clone(&lane);
            receivers.push(thread::spawn(move || {
                receiver::run(&lane, number, &pull, &incoming, rng)
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
        let target = Target {
            lane: Arc::clone(&lane),
            pulls: addresses,
            rep: address.clone(),
        };
        let serving = Arc::clone(&lane);
        let responder = thread::spawn(move || requests::respond(&serving, &rep));
        let (asking, pool, rng) = (Arc::clone(&lane), pool.clone(), rng());
        let requester = thread::spawn(move || requests::request(&asking, &pool, &address, rng));
        let running = Self {
            lane,
            receivers,
            senders,
            requester,
            responder,
        };
        Ok((running, target))
    }

    /// Waits for everybody, notes violations, and adds a row.
    fn finish(self, table: &mut Table, start: Instant) {
        let lane = &self.lane;
        let log = &lane.stage.log;
        let failed = |error| log.violation(&format!("{}: {error}", lane.transport));
        self.senders
            .into_iter()
            .filter_map(|thread| join(thread).err())
            .for_each(failed);
        lane.all_sent();
        let requests = join(self.requester).unwrap_or_else(|error| {
            failed(error);
            0
        });
        lane.stop_serving();
        join(self.responder).unwrap_or_else(failed);

        let mut totals = Totals::default();
        for receiver in self.receivers {
            match join(receiver) {
                Ok(more) => totals.add(&more),
                Err(error) => failed(error),
            }
        }
        let mut books = lane.books();
        let verdict = books.settle();
        let checked = if verdict.is_clean() && totals.damaged == 0 {
            String::from("yes")
        } else {
            let verdict = format!("{verdict}, {} damaged", totals.damaged);
            log.violation(&format!("{}: {verdict}", lane.transport));
            verdict
        };
        table.row([
            lane.transport.to_string(),
            lane.sockets().to_string(),
            books.streams().to_string(),
            books.received().to_string(),
            books.swallowed().to_string(),
            units::bytes(totals.bytes),
            units::bytes(totals.largest),
            requests.to_string(),
            units::rate(books.received() as f64 / start.elapsed().as_secs_f64()),
            checked,
        ]);
    }
}

fn join<T>(thread: Thread<T>) -> Result<T> {
    thread
        .join()
        .unwrap_or_else(|_| Err("a thread panicked".into()))
}
