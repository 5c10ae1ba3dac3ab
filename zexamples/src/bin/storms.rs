//! Reconnect storms: a server goes away, and all its clients come back at the same time, over and over.
//!
//! ```console
//! $ storms                                    # 100 storms of 1,000 clients
//! $ storms --clients 100 --storms 10          # a short one
//! ```
//!
//! A child process has a DEALER for each client, connected to a ROUTER in this process. In each storm the ROUTER unbinds, which
//! ends all connections at once, and binds again after a while; then it waits for everybody, and for a message from each. What
//! must not grow from the tenth storm on: memory (`RssAnon`), threads and descriptors of both processes. And clients must not come all in
//! the same moment: of how many of them came within the busiest 10 ms of a storm, the median is printed, and at most half
//! is allowed.
//!
//! The exit status is non-zero if anything grows, or if they come all at once.

use std::process::{self, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use zexamples::{
    Child, Footprint, Parent, Percentiles, Result, Spread, Table, conclude, machine,
    raise_descriptor_limit, say, units,
};
use zsocket::{Context, Dealer, Router, Socket};

/// Measures what is left of many clients that come back again and again.
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
    /// Clients, each with a socket and a connection
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    clients: u64,
    /// How often the server goes away and comes back
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    storms: u64,
    /// How long it stays away, in milliseconds
    #[arg(long, default_value_t = 300)]
    away: u64,
}

#[derive(Subcommand)]
enum Role {
    #[command(hide = true)]
    Clients { endpoint: String, clients: u64 },
}

/// How long everything as a whole may take.
const PATIENCE: Duration = Duration::from_secs(1800);
/// How long nothing may happen in a storm.
const STANDSTILL: Duration = Duration::from_secs(30);
/// Storms in which pools grow to what is needed.
const WARM_UP: u64 = 10;
/// What memory may have grown by: the allocator keeps some of what was freed.
const SLACK: i64 = 4 << 20;
/// The resolution of the reconnect times.
const LOOK: Duration = Duration::from_millis(1);
/// The width of a window, in looks.
const WINDOW: u128 = 10;

fn main() -> ExitCode {
    let Cli { plan, role } = Cli::parse();
    let result = match role {
        Some(Role::Clients { endpoint, clients }) => be_clients(&endpoint, clients),
        None => measure(&plan),
    };
    conclude("storms", result.map(|()| true))
}

fn measure(plan: &Plan) -> Result<()> {
    let descriptors = raise_descriptor_limit()?;
    if plan.clients + 100 > descriptors {
        return Err(format!(
            "{} clients do not fit into {descriptors} descriptors",
            plan.clients
        )
        .into());
    }
    say(machine::describe().join("\n") + "\n");
    let context = Context::new();
    let backlog = u32::try_from(plan.clients)?.max(100);
    let router = context.build_socket::<Router>().backlog(backlog).build()?;
    let endpoint = router.bind("tcp://127.0.0.1:*")?;
    let clients = plan.clients.to_string();
    let mut child = Child::spawn_self(["clients", &endpoint.to_string(), &clients], PATIENCE)?;
    child.answer("ready")?;
    come(&router, plan.clients)?;
    hear_from_all(&router, &mut child, plan.clients)?;

    let started = Instant::now();
    let mut before = footprints(&mut child)?;
    let mut times = Vec::new();
    let mut crowds = Vec::new();
    for storm in 0..plan.storms {
        router.unbind(&endpoint)?;
        thread::sleep(Duration::from_millis(plan.away));
        router.bind(&endpoint)?;
        let came = come(&router, plan.clients)?;
        crowds.push(crowd(&came));
        times.extend(came);
        hear_from_all(&router, &mut child, plan.clients)?;
        if storm + 1 == WARM_UP.min(plan.storms) {
            before = footprints(&mut child)?;
        }
    }
    let elapsed = started.elapsed();
    let after = footprints(&mut child)?;
    child.release();
    child.finish()?;

    say(format_args!(
        "{} storms of {} clients in {:.1} s\n",
        plan.storms,
        plan.clients,
        elapsed.as_secs_f64()
    ));
    say(format_args!("{}", table(before, after)));
    let last = *times.iter().max().ok_or("nobody came")?;
    let spread = Percentiles::of(times).ok_or("nobody came")?;
    let crowd = Spread::of(&crowds).ok_or("nobody came")?;
    say(format_args!(
        "back after {} ms (half of them), {} ms (99 of 100), {} ms (the last)",
        spread.p50.as_millis(),
        spread.p99.as_millis(),
        last.as_millis()
    ));
    say(format_args!(
        "in the busiest 10 ms of a storm: {:.0} % of them (median; {:.0} % at most)",
        100.0 * crowd.median,
        100.0 * crowd.max
    ));
    for (end, (before, after)) in ["server", "clients"].iter().zip(before.iter().zip(&after)) {
        let growth = after.anonymous.cast_signed() - before.anonymous.cast_signed();
        if growth > SLACK {
            return Err(format!(
                "memory of the {end} has grown by {}",
                units::signed_bytes(growth)
            )
            .into());
        }
        if after.threads > before.threads || after.descriptors > before.descriptors {
            return Err(format!("threads or descriptors of the {end} have grown").into());
        }
    }
    // Few are no crowd.
    if crowd.median > 0.5 && plan.clients >= 100 {
        return Err("the clients come all at once".into());
    }
    Ok(())
}

/// Waits until all clients are there again, and returns how long each took.
fn come(router: &Socket<Router>, clients: u64) -> Result<Vec<Duration>> {
    let started = Instant::now();
    let mut times: Vec<Duration> = Vec::new();
    loop {
        let open = router.stats().connections.open;
        let elapsed = started.elapsed();
        while (times.len() as u64) < open {
            times.push(elapsed);
        }
        if open >= clients {
            return Ok(times);
        }
        let last = times.last().copied().unwrap_or_default();
        if elapsed - last > STANDSTILL {
            return Err(format!("{open} of {clients} clients are back, and no more come").into());
        }
        thread::sleep(LOOK);
    }
}

/// Each client sends a message, on the connection that it has now.
fn hear_from_all(router: &Socket<Router>, child: &mut Child, clients: u64) -> Result<()> {
    child.tell("say")?;
    for _ in 0..clients {
        let message = router.recv_timeout(STANDSTILL)?;
        if message.len() != 2 || message[1] != "here" {
            return Err(format!("nobody has sent {message:?}").into());
        }
    }
    Ok(())
}

/// The part of them that came within the busiest window.
fn crowd(came: &[Duration]) -> f64 {
    let mut most = 0;
    let mut first = 0;
    for (at, time) in came.iter().enumerate() {
        while time.as_millis() - came[first].as_millis() >= WINDOW {
            first += 1;
        }
        most = most.max(at + 1 - first);
    }
    most as f64 / came.len().max(1) as f64
}

type Both = [Footprint; 2];

fn footprints(child: &mut Child) -> Result<Both> {
    child.tell("footprint")?;
    Ok([
        Footprint::now()?,
        Footprint::from_words(&child.answer("footprint")?)?,
    ])
}

fn table(before: Both, after: Both) -> Table {
    let mut table = Table::new(["", "private memory", "threads", "descriptors"]);
    for (end, at) in ["server", "clients"].iter().zip([0, 1]) {
        for (when, both) in [("before", before), ("after", after)] {
            table.row([
                format!("{end}, {when}"),
                units::bytes(both[at].anonymous),
                both[at].threads.to_string(),
                both[at].descriptors.to_string(),
            ]);
        }
    }
    table
}

/// The child process.
fn be_clients(endpoint: &str, clients: u64) -> Result<()> {
    raise_descriptor_limit()?;
    let parent = Parent::listen(|| process::exit(0))?;
    let context = Context::builder()
        .max_sockets(usize::try_from(clients)? + 1)
        .build()?;
    let mut dealers = Vec::new();
    for _ in 0..clients {
        let dealer = context.socket::<Dealer>()?;
        dealer.connect(endpoint)?;
        dealers.push(dealer);
    }
    parent.say("ready", "")?;
    loop {
        match parent.hear()?.as_str() {
            "footprint" => parent.say("footprint", &Footprint::now()?.to_words())?,
            "say" => {
                for dealer in &dealers {
                    dealer.send("here")?;
                }
            }
            order => return Err(format!("no such order: {order:?}").into()),
        }
    }
}
