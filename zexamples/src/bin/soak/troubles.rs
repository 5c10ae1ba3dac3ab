//! What goes wrong meanwhile.

mod descriptors;
mod forks;
mod hostile;
mod panics;
mod proxy;
mod raw;
mod storms;
mod stream;
mod victims;

use std::fmt;
use std::sync::Arc;
use std::thread;

use clap::ValueEnum;
use fastrand::Rng;
use zexamples::{Result, Transport};

use crate::Thread;
use crate::lane::Lane;
use crate::stage::Stage;
use crate::wire::Pool;

pub(crate) use forks::follow as fork_again_and_again;
pub(crate) use panics::be_silent_about_planned_ones;
pub(crate) use stream::Stream as PlainStream;

/// A kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Trouble {
    /// Peers that send garbage, half handshakes, frames that are too large or never end, floods of what
    /// the pattern does not expect and of PINGs, and that reset their connections.
    Hostile,
    /// Message bodies and wakers that panic.
    Panics,
    /// A process that forks, whose children use and drop what they have inherited.
    Forks,
    /// No descriptors left, now and then.
    Descriptors,
    /// Connections that are cut, and listeners that come and go.
    Storms,
}

impl Trouble {
    pub(crate) const ALL: [Self; 5] = [
        Self::Hostile,
        Self::Panics,
        Self::Forks,
        Self::Descriptors,
        Self::Storms,
    ];
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hostile => "hostile",
            Self::Panics => "panics",
            Self::Forks => "forks",
            Self::Descriptors => "descriptors",
            Self::Storms => "storms",
        })
    }
}

/// Where a lane can be reached.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) lane: Arc<Lane>,
    /// Its PULL sockets.
    pub(crate) pulls: Vec<String>,
    /// Its REP socket.
    pub(crate) rep: String,
}

/// What a thread does until the stage stops.
type Run = Box<dyn FnOnce(&Stage, Rng) -> Result<()> + Send>;

/// Starts the threads of one kind of trouble. They end when the stage stops.
pub(crate) fn start(
    trouble: Trouble,
    stage: &Arc<Stage>,
    targets: &[Target],
    pool: &Pool,
    seeds: &mut Rng,
) -> Vec<(String, Thread<()>)> {
    let mut threads = Vec::new();
    let mut spawn = |name: String, f: Run| {
        let (stage, rng) = (Arc::clone(stage), Rng::with_seed(seeds.u64(..)));
        threads.push((name, thread::spawn(move || f(&stage, rng))));
    };
    match trouble {
        Trouble::Hostile => {
            for target in on_streams(targets) {
                let transport = target.lane.transport;
                for _ in 0..hostile::PEERS {
                    let target = target.clone();
                    spawn(
                        format!("hostile peer, {transport}"),
                        Box::new(move |stage, rng| hostile::attack(stage, &target, rng)),
                    );
                }
                spawn(
                    format!("flooded REQ, {transport}"),
                    Box::new(move |stage, _| victims::flooded_req(stage, transport)),
                );
                spawn(
                    format!("flooded PUSH, {transport}"),
                    Box::new(move |stage, _| victims::flooded_push(stage, transport)),
                );
            }
        }
        Trouble::Panics => {
            for transport in Transport::ALL {
                spawn(
                    format!("panicking bodies, {transport}"),
                    Box::new(move |stage, rng| panics::run(stage, transport, rng)),
                );
            }
        }
        Trouble::Forks => spawn(
            String::from("forking process"),
            Box::new(|stage, _| forks::lead(stage)),
        ),
        Trouble::Descriptors => spawn(String::from("descriptors"), Box::new(descriptors::run)),
        Trouble::Storms => {
            for target in on_streams(targets) {
                let transport = target.lane.transport;
                let (pushing, pool_of_push) = (target.clone(), pool.clone());
                spawn(
                    format!("cut PUSH, {transport}"),
                    Box::new(move |_, rng| storms::cut_push(&pushing, &pool_of_push, rng)),
                );
                let (asking, pool_of_req) = (target.clone(), pool.clone());
                spawn(
                    format!("cut REQ, {transport}"),
                    Box::new(move |_, rng| storms::cut_req(&asking, &pool_of_req, rng)),
                );
                let (rebound, pool_of_rebound) = (target.clone(), pool.clone());
                spawn(
                    format!("listener that comes and goes, {transport}"),
                    Box::new(move |_, rng| storms::rebind(&rebound, &pool_of_rebound, rng)),
                );
            }
        }
    }
    threads
}

/// The transports with connections that can break.
fn on_streams(targets: &[Target]) -> impl Iterator<Item = &Target> {
    targets
        .iter()
        .filter(|target| target.lane.transport != Transport::Inproc)
}
