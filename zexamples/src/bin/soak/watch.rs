//! What the process takes up while it runs, which must not grow.

use std::thread;
use std::time::{Duration, Instant};

use zexamples::{Footprint, Result, Spread, Table, units};
use zinterop::process::live_heap_bytes;

use crate::stage::Stage;

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(500);
/// Samples in a window without which nothing is said.
const ENOUGH: usize = 20;
/// Samples of the first minute, in which everybody comes to work.
const BEGINNING: usize = 120;
/// What the window at the end may be above the early one: a part of it and a fixed amount. Sizes, marks
/// and pauses are random, so the load is not the same all the time.
const GROWTH: f64 = 0.25;

/// One look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    footprint: Footprint,
    /// Bytes of the heap in use.
    live: u64,
}

impl Sample {
    pub(crate) fn now() -> Result<Self> {
        Ok(Self {
            footprint: Footprint::now()?,
            live: live_heap_bytes().unwrap_or(0),
        })
    }
}

/// What is measured, and by how much it may grow in any case.
struct Metric {
    name: &'static str,
    value: fn(&Sample) -> u64,
    print: fn(u64) -> String,
    /// Fixed part of the tolerance while everything runs.
    slack: f64,
    /// Tolerance after everything has ended, in comparison with the beginning.
    left: u64,
}

const METRICS: [Metric; 4] = [
    Metric {
        name: "memory, resident",
        value: |sample| sample.footprint.anonymous,
        print: units::bytes,
        slack: (48 << 20) as f64,
        // The allocator keeps some of what was freed.
        left: 96 << 20,
    },
    Metric {
        name: "memory, live",
        value: |sample| sample.live,
        print: units::bytes,
        slack: (48 << 20) as f64,
        left: 4 << 20,
    },
    Metric {
        name: "threads",
        value: |sample| sample.footprint.threads,
        print: |threads| threads.to_string(),
        slack: 2.0,
        left: 0,
    },
    Metric {
        name: "descriptors",
        value: |sample| sample.footprint.descriptors,
        print: |descriptors| descriptors.to_string(),
        slack: 32.0,
        left: 0,
    },
];

/// Looks until the stage stops, and stops it when the process takes up more than `limit` bytes.
pub(crate) fn watch(stage: &Stage, limit: u64) -> Vec<Sample> {
    let mut samples = Vec::new();
    while !stage.stopping() {
        stage.pause(INTERVAL);
        // Without descriptors there is nothing to look with.
        let Ok(sample) = Sample::now() else {
            continue;
        };
        samples.push(sample);
        if sample.footprint.anonymous > limit {
            let limit = units::bytes(limit);
            stage
                .log
                .violation(&format!("stopped: the process takes up more than {limit}"));
            stage.stop();
        }
    }
    samples
}

/// What is left when everything has ended, after a moment in which it may vanish.
pub(crate) fn settle(before: &Sample) -> Result<Sample> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let now = Sample::now()?;
        let settled = METRICS
            .iter()
            .all(|metric| (metric.value)(&now) <= (metric.value)(before) + metric.left);
        if settled || Instant::now() >= deadline {
            return Ok(now);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Compares, and returns the table and what has grown.
pub(crate) fn judge(before: &Sample, samples: &[Sample], after: &Sample) -> (Table, Vec<String>) {
    let mut table = Table::new(["", "before", "early", "late", "most", "after", "flat"]);
    let mut grown = Vec::new();
    for metric in &METRICS {
        let (early, late) = windows(samples);
        let median = |window: &[Sample]| {
            let values: Vec<f64> = window.iter().map(|s| (metric.value)(s) as f64).collect();
            Spread::of(&values).map(|spread| spread.median)
        };
        let (early, late) = (median(early), median(late));
        let enough = samples.len() >= 5 * ENOUGH;
        let print = |value: Option<f64>| {
            value.map_or_else(String::new, |value| (metric.print)(value as u64))
        };
        let start = (metric.value)(before);
        let end = (metric.value)(after);
        let mut flat = String::from(if enough { "yes" } else { "too short to tell" });
        if let (true, Some(early), Some(late)) = (enough, early, late)
            && late > early * (1.0 + GROWTH) + metric.slack
        {
            flat = String::from("no");
            grown.push(format!("{} grew meanwhile", metric.name));
        }
        if end > start + metric.left {
            flat = String::from("no");
            grown.push(format!("{} did not come back", metric.name));
        }
        let most = samples.iter().map(metric.value).max();
        table.row([
            metric.name.to_owned(),
            (metric.print)(start),
            print(early),
            print(late),
            most.map_or_else(String::new, metric.print),
            (metric.print)(end),
            flat,
        ]);
    }
    (table, grown)
}

/// A fifth of the time at the beginning, after a moment for everybody to come to work, and the last fifth.
fn windows(samples: &[Sample]) -> (&[Sample], &[Sample]) {
    let fifth = samples.len() / 5;
    let start = fifth.min(BEGINNING);
    (
        &samples[start..start + fifth],
        &samples[samples.len() - fifth..],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(mib: u64, threads: u64) -> Sample {
        Sample {
            footprint: Footprint {
                anonymous: mib << 20,
                resident: mib << 20,
                descriptors: 10,
                threads,
            },
            live: mib << 20,
        }
    }

    #[test]
    fn growth_is_told_from_noise() {
        let before = sample(10, 1);
        let flat: Vec<Sample> = (0..100).map(|i| sample(300 + i % 7, 20)).collect();
        assert!(judge(&before, &flat, &before).1.is_empty());

        let growing: Vec<Sample> = (0..100).map(|i| sample(300 + 4 * i, 20)).collect();
        let (_, grown) = judge(&before, &growing, &before);
        assert_eq!(
            grown,
            [
                "memory, resident grew meanwhile",
                "memory, live grew meanwhile"
            ]
        );

        let (_, left) = judge(&before, &flat, &sample(10, 2));
        assert_eq!(left, ["threads did not come back"]);
    }

    #[test]
    fn a_short_run_says_nothing_about_growth() {
        let before = sample(10, 1);
        let samples: Vec<Sample> = (0..10).map(|i| sample(100 * i, 20)).collect();
        assert!(judge(&before, &samples, &before).1.is_empty());
    }
}
