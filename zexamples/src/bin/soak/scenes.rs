//! Short lives of small sets of sockets, one after the other, of every type.
//!
//! Each *kind* of scene has a director, a thread that plays one scene after the other over a transport drawn at
//! random. A scene is made from a seed of its own: peers, high-water marks, options, sizes, who leaves and comes
//! back. It is played for a second or so, then whatever is under way is waited for, and the books are looked at:
//!
//! | kind | sockets | what must hold |
//! |---|---|---|
//! | `pipeline` | PUSH, PULL | in order, never twice, whole; what is missing is counted, and nothing is while nobody leaves |
//! | `pair` | PAIR | the same in both directions; a third one gets nothing |
//! | `routed` | DEALER, ROUTER | the same on the way there and back; `mandatory` is delivered or an error |
//! | `publish` | PUB, XPUB, SUB, XSUB | only what was subscribed to, in order, never twice; what is missing is counted; an XPUB hears of each beginning and end |
//! | `requests` | REQ, REP | a reply belongs to its request |
//! | `service` | Requester, Responder | each request ends once, with its reply or the error that its deadline allows |
//! | `brokered` | up to 100 Requesters, a proxy of ROUTER and DEALER, up to 10 Responders that come and go | the same |
//! | `latest` | PUSH, PULL, PUB, SUB, DEALER | the last one always comes, order never goes backwards, the others are counted |
//! | `streams` | STREAM, raw ROUTER | every byte, in order, between the notices of its connection |
//!
//! The lanes keep the machine busy meanwhile. Every wait has a deadline: a scene that does not end is a violation, with what
//! its sockets say about themselves and the seed that plays it again (`--scene`).

mod books;
mod kit;
mod latest;
mod listener;
mod pair;
mod pipeline;
mod publish;
mod publisher;
mod requests;
mod routed;
mod service;
mod streams;

use std::fmt;
use std::process;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use fastrand::Rng;
use zexamples::{Result, Table};

use crate::stage::{Stage, lock};
use crate::wire::Pool;
use kit::Scene;

/// A kind of scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// PUSH and PULL.
    Pipeline,
    /// PAIR.
    Pair,
    /// DEALER and ROUTER.
    Routed,
    /// PUB, XPUB, SUB and XSUB.
    Publish,
    /// REQ and REP.
    Requests,
    /// Requester and Responder.
    Service,
    /// The same with a broker in between.
    Brokered,
    /// Sockets that conflate.
    Latest,
    /// STREAM and raw ROUTER.
    Streams,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Pipeline,
        Self::Pair,
        Self::Routed,
        Self::Publish,
        Self::Requests,
        Self::Service,
        Self::Latest,
        Self::Streams,
        Self::Brokered,
    ];

    fn play(self, scene: &Scene, rng: &mut Rng) -> Result<()> {
        match self {
            Self::Pipeline => pipeline::play(scene, rng),
            Self::Pair => pair::play(scene, rng),
            Self::Routed => routed::play(scene, rng),
            Self::Publish => publish::play(scene, rng),
            Self::Requests => requests::play(scene, rng),
            Self::Service => service::play(scene, rng),
            Self::Brokered => service::play_brokered(scene, rng),
            Self::Latest => latest::play(scene, rng),
            Self::Streams => streams::play(scene, rng),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pipeline => "pipeline",
            Self::Pair => "pair",
            Self::Routed => "routed",
            Self::Publish => "publish",
            Self::Requests => "requests",
            Self::Service => "service",
            Self::Brokered => "brokered",
            Self::Latest => "latest",
            Self::Streams => "streams",
        })
    }
}

/// A scene that takes longer hangs in a call that knows no deadline.
const LONGEST: Duration = Duration::from_secs(600);

/// The directors of all kinds that are played.
pub(crate) struct Theatre {
    directors: Vec<(Arc<Playbill>, thread::JoinHandle<()>)>,
}

/// What one director has shown so far.
struct Playbill {
    kind: Kind,
    tally: Mutex<Tally>,
    /// The scene that is being played, and since when.
    on: Mutex<Option<(u64, Instant)>>,
}

#[derive(Debug, Default)]
struct Tally {
    scenes: u64,
    messages: u64,
    reconnects: u64,
    missing: u64,
    longest: Duration,
    violations: u64,
}

impl Theatre {
    /// Starts a director for each of these kinds. They end when the stage stops. With a seed each of them plays that
    /// scene again and again.
    pub(crate) fn open(
        kinds: &[Kind],
        scene: Option<u64>,
        stage: &Arc<Stage>,
        pool: &Pool,
        seeds: &mut Rng,
    ) -> Self {
        let directors = Kind::ALL.into_iter().filter_map(|kind| {
            // Drawn for each, so that a kind shows the same whatever the others do.
            let mut seeds = Rng::with_seed(seeds.u64(..));
            if !kinds.contains(&kind) {
                return None;
            }
            let playbill = Arc::new(Playbill {
                kind,
                tally: Mutex::default(),
                on: Mutex::new(None),
            });
            let (stage, pool, own) = (Arc::clone(stage), pool.clone(), Arc::clone(&playbill));
            let director = thread::spawn(move || {
                while !stage.stopping() {
                    own.show(scene.unwrap_or_else(|| seeds.u64(..)), &stage, &pool);
                }
            });
            Some((playbill, director))
        });
        Self {
            directors: directors.collect(),
        }
    }

    /// Ends the process when a scene does not end.
    pub(crate) fn guard(&self, stage: &Stage) {
        for (playbill, _) in &self.directors {
            let on = *lock(&playbill.on);
            if let Some((seed, since)) = on
                && since.elapsed() > LONGEST + stage.scene_length.unwrap_or_default()
            {
                let kind = playbill.kind;
                eprintln!(
                    "soak: scene {kind} does not end, a call hangs: --types {kind} --scene {seed}"
                );
                process::exit(1);
            }
        }
    }

    /// Waits for the scenes that are being played, and returns a row for each kind.
    pub(crate) fn close(self, stage: &Stage) -> Table {
        while self
            .directors
            .iter()
            .any(|(_, director)| !director.is_finished())
        {
            self.guard(stage);
            thread::sleep(Duration::from_millis(10));
        }
        let mut table = Table::new([
            "scenes",
            "played",
            "messages",
            "came back",
            "missing, explained",
            "longest",
            "violations",
        ]);
        for (playbill, director) in self.directors {
            let panicked = u64::from(director.join().is_err());
            let tally = lock(&playbill.tally);
            table.row([
                playbill.kind.to_string(),
                tally.scenes.to_string(),
                tally.messages.to_string(),
                tally.reconnects.to_string(),
                tally.missing.to_string(),
                format!("{:.1} s", tally.longest.as_secs_f64()),
                (tally.violations + panicked).to_string(),
            ]);
        }
        table
    }
}

impl Playbill {
    fn show(&self, seed: u64, stage: &Arc<Stage>, pool: &Pool) {
        let start = Instant::now();
        *lock(&self.on) = Some((seed, start));
        let mut rng = Rng::with_seed(seed);
        let mut about = String::new();
        let mut tally = Tally::default();
        let result = Scene::set(stage, pool, &mut rng).and_then(|scene| {
            about = scene.to_string();
            let played = self.kind.play(&scene, &mut rng);
            tally.messages = scene.messages.load(Ordering::Relaxed);
            tally.reconnects = scene.reconnects.load(Ordering::Relaxed);
            tally.missing = scene.missing.load(Ordering::Relaxed);
            // In any case, so that nothing of it goes on.
            let struck = scene.strike();
            played.and(struck)
        });
        if let Err(error) = result {
            tally.violations = 1;
            let kind = self.kind;
            stage.log.violation(&format!(
                "scene {kind} {about}, --types {kind} --scene {seed}: {error}"
            ));
        }
        *lock(&self.on) = None;
        let mut all = lock(&self.tally);
        all.scenes += 1;
        all.messages += tally.messages;
        all.reconnects += tally.reconnects;
        all.missing += tally.missing;
        all.violations += tally.violations;
        all.longest = all.longest.max(start.elapsed());
    }
}
