//! Runs of one test with one size over one transport.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use zexamples::perf::{Body, Latency, Library, Load, Throughput, Tuning};
use zexamples::{Child, Endpoints, Error, Result, Spread, Transport, units};

use crate::role::{Part, RoleArgs};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Test {
    /// PUSH to PULL, messages per second; nobody writes the bodies.
    Throughput,
    /// The same with bodies that are allocated and written for each message.
    Filled,
    /// REQ to REP, microseconds one way.
    Latency,
}

impl Test {
    pub(crate) const ALL: [Self; 3] = [Self::Throughput, Self::Filled, Self::Latency];
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Throughput => "throughput",
            Self::Filled => "filled",
            Self::Latency => "latency",
        })
    }
}

/// What a run of the slower library may take, in runs of the faster one.
const FACTOR: f64 = 8.0;

/// One line of a table.
#[derive(Debug)]
pub(crate) struct Bench<'e> {
    pub(crate) test: Test,
    pub(crate) transport: Transport,
    pub(crate) size: usize,
    pub(crate) hwm: u32,
    /// What a run of the faster library shall take.
    pub(crate) duration: Duration,
    /// What a run may take.
    pub(crate) deadline: Duration,
    pub(crate) endpoints: &'e Endpoints,
}

/// The figures of all runs, and the errors of those that have none.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    pub(crate) ours: Vec<f64>,
    pub(crate) libzmq: Vec<f64>,
    pub(crate) failures: Vec<(Library, Error)>,
}

impl Bench<'_> {
    /// Lets both libraries run in turn.
    pub(crate) fn compare(&self, rounds: u32) -> Runs {
        let mut runs = Runs::default();
        let count = self.calibrate(&mut runs);
        for round in 0..rounds {
            let mut order = Library::ALL;
            // Nobody shall always have the caches that the other one left behind.
            if round % 2 == 1 {
                order.reverse();
            }
            for lib in order {
                match self.run(lib, count) {
                    Ok(elapsed) => match lib {
                        Library::Ours => &mut runs.ours,
                        Library::Libzmq => &mut runs.libzmq,
                    }
                    .push(self.figure(count, elapsed)),
                    Err(error) => runs.failures.push((lib, error)),
                }
            }
        }
        runs
    }

    /// The number of messages that takes the faster library about [`Self::duration`], and the other
    /// one not longer than [`FACTOR`] times that.
    fn calibrate(&self, runs: &mut Runs) -> u64 {
        let mut rates = Vec::new();
        for lib in Library::ALL {
            let mut count = match self.test {
                Test::Throughput | Test::Filled => (20_000_000 / (self.size as u64 + 200)).max(100),
                Test::Latency => 1000,
            };
            loop {
                let elapsed = match self.run(lib, count) {
                    Ok(elapsed) => elapsed,
                    Err(error) => {
                        runs.failures.push((lib, error));
                        break;
                    }
                };
                if elapsed >= self.duration / 7 {
                    rates.push(count as f64 / elapsed.as_secs_f64());
                    break;
                }
                // Towards the length that counts, in steps that an early outlier cannot blow up.
                let factor = self.duration.as_secs_f64() / 3.0 / elapsed.as_secs_f64();
                count = (count as f64 * factor.clamp(1.5, 20.0)) as u64;
            }
        }
        // With no run at all there is nothing to wait for either.
        let per_second = Spread::of(&rates).map_or(0.0, |r| r.max.min(r.min * FACTOR));
        ((per_second * self.duration.as_secs_f64()) as u64).max(10)
    }

    fn figure(&self, count: u64, elapsed: Duration) -> f64 {
        let load = Load {
            size: self.size,
            count,
        };
        match self.test {
            Test::Throughput | Test::Filled => Throughput { load, elapsed }.per_second(),
            Test::Latency => Latency { load, elapsed }.one_way_micros(),
        }
    }

    /// One run in fresh processes.
    fn run(&self, lib: Library, count: u64) -> Result<Duration> {
        if self.transport == Transport::Inproc {
            let part = match self.test {
                Test::Throughput | Test::Filled => Part::InprocThr,
                Test::Latency => Part::InprocLat,
            };
            let both = self.spawn(part, "inproc", lib, count)?;
            return finish(both);
        }
        let endpoint = self.endpoints.fresh(self.transport);
        match self.test {
            Test::Throughput | Test::Filled => {
                let local = self.spawn(Part::LocalThr, &endpoint, lib, count)?;
                let mut remote =
                    self.spawn(Part::RemoteThr, &local.answer("bound")?, lib, count)?;
                let elapsed = finish(local)?;
                remote.tell("close")?;
                remote.finish()?;
                Ok(elapsed)
            }
            Test::Latency => {
                let mut local = self.spawn(Part::LocalLat, &endpoint, lib, count)?;
                let remote = self.spawn(Part::RemoteLat, &local.answer("bound")?, lib, count)?;
                let elapsed = finish(remote)?;
                local.tell("close")?;
                local.finish()?;
                Ok(elapsed)
            }
        }
    }

    fn spawn(&self, part: Part, endpoint: &str, lib: Library, count: u64) -> Result<Child> {
        let load = Load {
            size: self.size,
            count,
        };
        let body = if self.test == Test::Filled {
            Body::Filled
        } else {
            Body::Untouched
        };
        let tuning = Tuning {
            lib,
            hwm: self.hwm,
            body,
        };
        Child::spawn_self(
            RoleArgs::command_line(part, endpoint, load, tuning),
            self.deadline,
        )
    }
}

/// The measured time of the child that measures, and its end.
fn finish(child: Child) -> Result<Duration> {
    let seconds: f64 = child.answer("result")?.parse()?;
    child.finish()?;
    Ok(Duration::try_from_secs_f64(seconds)?)
}

impl fmt::Display for Bench<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {}, {}",
            self.test,
            self.transport,
            units::bytes(self.size as u64)
        )
    }
}
