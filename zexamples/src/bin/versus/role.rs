//! What the child processes do: one role of one test, driven by the parent over standard input
//! and output.
//!
//! ```text
//!   parent                local (binds)                        remote (connects)
//!     │ ─────spawn──────────▶ │
//!     │ ◀──"bound ENDPOINT"── │
//!     │ ─────spawn, ENDPOINT──┼──────────────────────────────────▶ │
//!     │                       │ ◀═════════════messages═══════════▶ │
//!     │ ◀──"result SECONDS"── the one who measures
//!     │ ──"close"────────────▶│ ──"close"────────────────────────▶ │
//! ```

use std::process;
use std::time::Duration;

use clap::{Args, ValueEnum};
use zexamples::perf::shapes::{self, Shape};
use zexamples::perf::{self, Load, Tuning};
use zexamples::{Parent, Result, raise_descriptor_limit};

/// Which role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    LocalThr,
    RemoteThr,
    LocalLat,
    RemoteLat,
    InprocThr,
    InprocLat,
}

/// A role with all it needs to know.
#[derive(Debug, Args)]
pub(crate) struct RoleArgs {
    #[arg(value_enum)]
    part: Part,
    endpoint: String,
    size: usize,
    count: u64,
    #[command(flatten)]
    tuning: Tuning,
}

impl RoleArgs {
    /// The command line that makes [`play`] play it.
    pub(crate) fn command_line(
        part: Part,
        endpoint: &str,
        load: Load,
        tuning: Tuning,
    ) -> Vec<String> {
        [
            String::from("role"),
            name(part),
            endpoint.to_owned(),
            load.size.to_string(),
            load.count.to_string(),
            String::from("--lib"),
            tuning.sockets.lib.to_string(),
            String::from("--hwm"),
            tuning.sockets.hwm.to_string(),
            String::from("--mechanism"),
            tuning.sockets.mechanism.to_string(),
            String::from("--body"),
            tuning.body.to_string(),
        ]
        .into()
    }
}

/// A role of one of the shapes; [`shapes`] says how it is led.
#[derive(Debug, Args)]
pub(crate) struct ShapeArgs {
    endpoint: String,
    #[command(flatten)]
    shape: Shape,
}

impl ShapeArgs {
    /// The command line that makes [`play_shape`] play it.
    pub(crate) fn command_line(endpoint: &str, shape: Shape) -> Vec<String> {
        [
            String::from("shape"),
            endpoint.to_owned(),
            name(shape.role),
            format!("--lib={}", shape.lib),
            format!("--hwm={}", shape.hwm),
            format!("--mechanism={}", shape.mechanism),
            format!("--size={}", shape.size),
            format!("--count={}", shape.count),
            format!("--peers={}", shape.peers),
            format!("--form={}", shape.form),
        ]
        .into()
    }
}

/// The word for a value on the command line.
fn name(value: impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map_or_else(String::new, |v| v.get_name().to_owned())
}

/// Plays a role of a shape.
pub(crate) fn play_shape(args: &ShapeArgs) -> Result<()> {
    raise_descriptor_limit()?;
    let parent = Parent::listen(|| process::exit(1))?;
    shapes::play(args.shape, &args.endpoint, &parent)
}

/// Plays a role.
pub(crate) fn play(args: &RoleArgs) -> Result<()> {
    let &RoleArgs {
        part,
        ref endpoint,
        size,
        count,
        tuning,
    } = args;
    let load = Load { size, count };
    // A role whose counterpart has failed waits in a call that nothing else can end.
    let parent = Parent::listen(|| process::exit(1))?;
    let bound = |endpoint: &str| parent.say("bound", endpoint);
    let until_told = || parent.hear().map(drop);
    let result = |elapsed: Duration| parent.say("result", &elapsed.as_secs_f64().to_string());
    match part {
        Part::LocalThr => result(perf::local_thr(endpoint, load, tuning, bound)?.elapsed),
        Part::RemoteThr => perf::remote_thr(endpoint, load, tuning, until_told),
        Part::LocalLat => perf::local_lat(endpoint, load, tuning, bound, until_told),
        Part::RemoteLat => result(perf::remote_lat(endpoint, load, tuning)?.elapsed),
        Part::InprocThr => result(perf::inproc_thr(load, tuning)?.elapsed),
        Part::InprocLat => result(perf::inproc_lat(load, tuning)?.elapsed),
    }
}
