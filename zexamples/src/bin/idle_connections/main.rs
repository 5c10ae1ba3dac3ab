//! What an idle connection costs, and what is left of connections that have come and gone.
//!
//! ```console
//! $ idle_connections                              # 10,000 connections, memory at each end
//! $ idle_connections --lib libzmq                 # the same through libzmq
//! $ idle_connections --messages 1000000           # and how fast messages go over all of them in turn
//! $ idle_connections --cycles 10000               # connect and disconnect, over and over
//! ```
//!
//! A PUSH socket in a child process opens tcp connections to a PULL socket in this one, and both
//! wait until every handshake is complete. What the processes' private memory (`RssAnon`) has
//! grown by, divided by the number of connections, is the figure; the kernel's buffers are not in it.
//! Each connection needs a descriptor at each end, so the limit on open files must be higher than
//! their number; the program raises its own as far as it may. Then everything is disconnected, and
//! the descriptors must be back where they were. With `--cycles` one connection after the other is made,
//! completed and given up; afterwards memory and descriptors must be back, and a message must still
//! get through.
//!
//! The exit status is non-zero if they are not, or if a connection of ours takes more than
//! `--limit` bytes.
//!
//! Runs on the machine named in them:
//!
//! ```text
//! zlayers 0.1.0, rustc 1.95.0 (59807616e 2026-04-14) (release build)
//! libzmq 4.3.5
//! Linux 6.18.44
//! AMD EPYC, 2 cores
//!
//! 10000 idle tcp connections through ours in 1.32 s
//!
//!               accepting: private  resident  descriptors  connecting: private  resident  descriptors
//! ────────────  ──────────────────  ────────  ───────────  ───────────────────  ────────  ───────────
//! before                  1.64 MiB  6.27 MiB           11             1.63 MiB  6.02 MiB            8
//! connected               51.3 MiB  55.9 MiB        10011             51.6 MiB  56.0 MiB        10008
//! disconnected            52.5 MiB  57.1 MiB           11             53.5 MiB  57.9 MiB            8
//!
//! memory per connection: 5202 B at the end that accepts, 5234 B at the end that connects
//!
//! 10000 idle tcp connections through libzmq in 4.36 s
//!
//!               accepting: private  resident  descriptors  connecting: private  resident  descriptors
//! ────────────  ──────────────────  ────────  ───────────  ───────────────────  ────────  ───────────
//! before                   388 KiB  5.46 MiB           19              364 KiB  5.32 MiB           16
//! connected                226 MiB   232 MiB        10019              235 MiB   241 MiB        10016
//! disconnected             227 MiB   233 MiB           19              237 MiB   242 MiB           16
//!
//! memory per connection: 23693 B at the end that accepts, 24643 B at the end that connects
//!
//! 10000 times connected and disconnected in 2.58 s, and still serving
//!
//!                  accepting: private  resident  descriptors  connecting: private  resident  descriptors
//! ───────────────  ──────────────────  ────────  ───────────  ───────────────────  ────────  ───────────
//! before                     1.76 MiB  6.38 MiB           11             1.80 MiB  6.21 MiB            8
//! after                      2.23 MiB  6.85 MiB           11             2.28 MiB  6.69 MiB            8
//! a message later            2.23 MiB  6.85 MiB           13             2.28 MiB  6.70 MiB            9
//! ```

mod end;
#[cfg(feature = "libzmq")]
mod libzmq;
mod ours;
mod peer;

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use zexamples::perf::Library;
use zexamples::{
    Child, Footprint, Result, Table, conclude, machine, raise_descriptor_limit, say, units,
};

use end::End;

/// Measures idle connections, or connections that come and go.
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
    /// Connections to open
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    connections: u64,
    /// Messages to send over them when they are all there, to each in turn
    #[arg(long, default_value_t = 0)]
    messages: u64,
    /// Instead, make and give up this many connections, one after the other
    #[arg(long)]
    cycles: Option<u64>,
    /// Meanwhile, do not look for messages at the end that accepts
    #[arg(long, requires = "cycles")]
    unattended: bool,
    /// Whose sockets to use
    #[arg(long, value_enum, default_value_t = Library::Ours)]
    lib: Library,
    /// Bytes that a connection of ours may take at each end
    #[arg(long, default_value_t = 16 * 1024)]
    limit: u64,
}

/// What the child process does.
#[derive(Subcommand)]
enum Role {
    #[command(hide = true)]
    Peer { lib: Library, endpoint: String },
}

/// How long everything as a whole may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// What memory may have grown by after cycles: the allocator keeps some of what was freed.
const SLACK: i64 = 2 << 20;
/// Descriptors that a process has open for itself, generously.
const OWN_DESCRIPTORS: u64 = 100;

fn main() -> ExitCode {
    let Cli { plan, role } = Cli::parse();
    let result = match role {
        Some(Role::Peer { lib, endpoint }) => with_end(lib, |end| peer::follow(end, &endpoint)),
        None => with_end(plan.lib, |end| measure(end, &plan)),
    };
    conclude("idle_connections", result.map(|()| true))
}

fn with_end(lib: Library, f: impl FnOnce(&mut dyn End) -> Result<()>) -> Result<()> {
    match lib {
        Library::Ours => ours::with_end(f),
        #[cfg(feature = "libzmq")]
        Library::Libzmq => libzmq::with_end(f),
    }
}

fn measure(server: &mut dyn End, plan: &Plan) -> Result<()> {
    let descriptors = raise_descriptor_limit()?;
    if plan.cycles.is_none() && plan.connections + OWN_DESCRIPTORS > descriptors {
        return Err(format!(
            "{} connections do not fit into {descriptors} descriptors",
            plan.connections
        )
        .into());
    }
    say(machine::describe().join("\n") + "\n");
    let endpoint = server.bind("tcp://127.0.0.1:*")?;
    let lib = plan.lib.to_string();
    let mut client = Child::spawn_self(["peer", &lib, &endpoint], PATIENCE)?;
    client.answer("ready")?;
    match plan.cycles {
        None => idle(server, &mut client, plan)?,
        Some(cycles) => cycle(server, &mut client, cycles, !plan.unattended)?,
    }
    client.release();
    client.finish()?;
    Ok(())
}

/// The footprint of this process and of the child.
type Both = [Footprint; 2];

fn footprints(client: &mut Child) -> Result<Both> {
    client.tell("footprint")?;
    Ok([
        Footprint::now()?,
        Footprint::from_words(&client.answer("footprint")?)?,
    ])
}

fn idle(server: &mut dyn End, client: &mut Child, plan: &Plan) -> Result<()> {
    let count = plan.connections;
    let mut before = footprints(client)?;
    let started = Instant::now();
    client.tell(&format!("open {count}"))?;
    server.wait_established(count)?;
    client.answer("opened")?;
    let elapsed = started.elapsed();
    let open = footprints(client)?;
    let opened = [0, 1].map(|end| {
        open[end]
            .descriptors
            .saturating_sub(before[end].descriptors)
    });
    let rate = match plan.messages {
        0 => None,
        messages => {
            client.tell(&format!("send {messages}"))?;
            // A socket that has waited for input keeps a poll of its own, and what wakes it.
            before[0].descriptors += 2;
            Some(messages as f64 / server.receive_many(messages)?.as_secs_f64())
        }
    };
    client.tell("disconnect")?;
    server.wait_closed(count, true)?;
    client.answer("disconnected")?;
    let after = settled(client, before)?;

    say(format_args!(
        "{count} idle tcp connections through {} in {:.2} s\n",
        plan.lib,
        elapsed.as_secs_f64()
    ));
    say(format_args!(
        "{}",
        table([
            ("before", before),
            ("connected", open),
            ("disconnected", after)
        ])
    ));
    let per_connection = [0, 1].map(|end| growth(before[end], open[end]) / count.cast_signed());
    say(format_args!(
        "memory per connection: {} B at the end that accepts, {} B at the end that connects",
        per_connection[0], per_connection[1]
    ));
    if let Some(rate) = rate {
        say(format_args!(
            "messages of {} B over all of them in turn: {rate:.0} per second",
            end::SIZE
        ));
    }
    if let Some(opened) = opened.iter().find(|opened| **opened < count) {
        return Err(format!("{count} connections, but only {opened} descriptors").into());
    }
    let limit = i64::try_from(plan.limit).unwrap_or(i64::MAX);
    let too_much = per_connection.iter().any(|&bytes| bytes > limit);
    if too_much && plan.lib == Library::Ours {
        return Err(format!("more than {} B per connection", plan.limit).into());
    }
    same_descriptors(before, after)
}

fn cycle(server: &mut dyn End, client: &mut Child, cycles: u64, attended: bool) -> Result<()> {
    // The first connections fill pools that stay.
    let warm_up = (cycles / 10).max(1);
    client.tell(&format!("cycle {warm_up}"))?;
    server.wait_closed(warm_up, attended)?;
    client.answer("cycled")?;
    let before = footprints(client)?;

    let started = Instant::now();
    client.tell(&format!("cycle {cycles}"))?;
    server.wait_closed(warm_up + cycles, attended)?;
    client.answer("cycled")?;
    let elapsed = started.elapsed();
    let after = settled(client, before)?;

    client.tell("message")?;
    server.receive()?;
    let served = footprints(client)?;

    say(format_args!(
        "{cycles} times connected and disconnected in {:.2} s, and still serving\n",
        elapsed.as_secs_f64()
    ));
    say(format_args!(
        "{}",
        table([
            ("before", before),
            ("after", after),
            ("a message later", served)
        ])
    ));
    for end in [0, 1] {
        let growth = growth(before[end], after[end]);
        if growth > SLACK {
            let growth = units::signed_bytes(growth);
            return Err(format!("memory has not come back: {growth}").into());
        }
    }
    same_descriptors(before, after)
}

/// The footprints once the descriptors are back, or after a while when they do not come back.
fn settled(client: &mut Child, before: Both) -> Result<Both> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let now = footprints(client)?;
        if same_descriptors(before, now).is_ok() || Instant::now() >= deadline {
            return Ok(now);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn same_descriptors(before: Both, after: Both) -> Result<()> {
    for (before, after) in before.iter().zip(&after) {
        if after.descriptors > before.descriptors {
            let (before, after) = (before.descriptors, after.descriptors);
            return Err(format!("{before} descriptors before, {after} after").into());
        }
    }
    Ok(())
}

fn growth(before: Footprint, after: Footprint) -> i64 {
    after.anonymous.cast_signed() - before.anonymous.cast_signed()
}

fn table<const N: usize>(rows: [(&str, Both); N]) -> Table {
    let mut table = Table::new([
        "",
        "accepting: private",
        "resident",
        "descriptors",
        "connecting: private",
        "resident",
        "descriptors",
    ]);
    for (name, both) in rows {
        let cells = both.iter().flat_map(|end| {
            [
                units::bytes(end.anonymous),
                units::bytes(end.resident),
                end.descriptors.to_string(),
            ]
        });
        table.row([name.to_owned()].into_iter().chain(cells));
    }
    table
}
