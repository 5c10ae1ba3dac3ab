//! The test `topics`: one run has several figures, each of which has a line of its own.

use std::thread;
use std::time::Duration;

use zexamples::perf::shapes::Role;
use zexamples::{Result, Spread, units};

use crate::measure::{Bench, Runs};
use crate::shaped::{Lead, end, number, same};
use crate::test::Side;

/// What one run tells. Of all of these less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    Subscribe,
    Unsubscribe,
    Unwanted,
    Wanted,
    Longest,
    Publisher,
    Subscriber,
}

impl Figure {
    const ALL: [Self; 7] = [
        Self::Subscribe,
        Self::Unsubscribe,
        Self::Unwanted,
        Self::Wanted,
        Self::Longest,
        Self::Publisher,
        Self::Subscriber,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Subscribe => "all subscribed, ms",
            Self::Unsubscribe => "all unsubscribed, ms",
            Self::Unwanted => "unwanted message, ns",
            Self::Wanted => "delivered message, ns",
            Self::Longest => "longest call when the subscriber is lost, ms",
            Self::Publisher => "publisher, bytes a topic",
            Self::Subscriber => "subscriber, bytes a topic",
        }
    }
}

/// How long the publisher goes on after its subscriber was killed: it hears of it in the first milliseconds.
const AFTERMATH: Duration = Duration::from_millis(300);

/// Lets both libraries run in turn.
pub(crate) fn compare(bench: &Bench<'_>, rounds: u32) -> Vec<(Figure, Runs)> {
    let mut all: Vec<(Figure, Runs)> = Figure::ALL.map(|figure| (figure, Runs::default())).into();
    for round in 0..rounds {
        let mut order = bench.test.sides().to_vec();
        if round % 2 == 1 {
            order.reverse();
        }
        for side in order {
            match run(bench, side) {
                Ok(figures) => {
                    for (figure, runs) in &mut all {
                        let value = figures.iter().find(|(of, _)| of == figure);
                        runs.figures.extend(value.map(|(_, value)| (side, *value)));
                    }
                }
                Err(error) => all[0].1.failures.push((side, error)),
            }
        }
    }
    all
}

fn run(bench: &Bench<'_>, side: Side) -> Result<Vec<(Figure, f64)>> {
    let count = u64::try_from(bench.duration.as_millis())?.max(1);
    let lead = Lead { bench, side, count };
    let (mut local, endpoint) = lead.bind(Role::PublishMany)?;
    let mut remote = lead.spawn(Role::SubscribeMany, &endpoint)?;
    local.answer("ready")?;
    remote.answer("ready")?;
    remote.tell("go")?;
    let mut figures = Vec::new();
    figures.push((Figure::Subscribe, number::<f64>(&remote, "stand")? * 1e3));
    let per_topic = |bytes: u64| bytes as f64 / f64::from(bench.peers.max(1));
    figures.push((Figure::Subscriber, per_topic(number(&remote, "memory")?)));
    local.tell("go")?;
    figures.push((Figure::Publisher, per_topic(number(&local, "memory")?)));
    figures.push((Figure::Unwanted, number::<f64>(&local, "unwanted")? * 1e9));
    local.tell("go")?;
    figures.push((Figure::Wanted, number::<f64>(&remote, "wanted")? * 1e9));
    same(number(&remote, "received")?, number(&local, "sent")?)?;
    remote.tell("go")?;
    figures.push((Figure::Unsubscribe, number::<f64>(&remote, "gone")? * 1e3));
    local.tell("go")?;
    remote.answer("again")?;
    local.tell("go")?;
    // Killed.
    drop(remote);
    thread::sleep(AFTERMATH);
    local.tell("stop")?;
    figures.push((Figure::Longest, number::<f64>(&local, "longest")? * 1e3));
    end([local])?;
    Ok(figures)
}

/// The lines of a table.
pub(crate) fn rows(bench: &Bench<'_>, all: &[(Figure, Runs)]) -> Vec<Vec<String>> {
    let cell = |spread: Option<Spread>| {
        let print = units::three_digits;
        spread.map_or_else(
            || String::from("failed"),
            |s| format!("{} [{} .. {}]", print(s.median), print(s.min), print(s.max)),
        )
    };
    let row = |(figure, runs): &(Figure, Runs)| {
        let (ours, libzmq) = (runs.spread(Side::OURS), runs.spread(Side::LIBZMQ));
        let ratio = ours.zip(libzmq).map_or_else(String::new, |(ours, libzmq)| {
            format!("{:.2}", libzmq.median / ours.median)
        });
        let name = format!("{}: {}", bench.name(), figure.title());
        vec![name, cell(ours), cell(libzmq), ratio]
    };
    all.iter().map(row).collect()
}
