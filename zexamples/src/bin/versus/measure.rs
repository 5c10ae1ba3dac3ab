//! Runs of one test with one size over one transport.

use std::fmt;
use std::time::Duration;

use zexamples::perf::shapes::Form;
use zexamples::perf::{Body, Latency, Library, Load, Mechanism, Sockets, Throughput, Tuning};
use zexamples::{Child, Endpoints, Error, Result, Spread, Transport, units};

use crate::role::{Part, RoleArgs};
use crate::shaped;
use crate::test::{Side, Test, Unit};

/// What a run of the slowest may take, in runs of the fastest.
const FACTOR: f64 = 8.0;

/// One line of a table.
#[derive(Debug)]
pub(crate) struct Bench<'e> {
    pub(crate) test: Test,
    pub(crate) transport: Transport,
    pub(crate) size: usize,
    /// How many of what the test has one or many of.
    pub(crate) peers: u32,
    pub(crate) form: Form,
    pub(crate) hwm: u32,
    pub(crate) mechanism: Mechanism,
    /// What a run of the fastest shall take.
    pub(crate) duration: Duration,
    /// What a run may take.
    pub(crate) deadline: Duration,
    pub(crate) endpoints: &'e Endpoints,
}

/// The figures of all runs, and the errors of those that have none.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    pub(crate) figures: Vec<(Side, f64)>,
    pub(crate) failures: Vec<(Side, Error)>,
}

impl Runs {
    /// The figures of one side; `None` if all its runs failed.
    pub(crate) fn spread(&self, side: Side) -> Option<Spread> {
        let figures: Vec<f64> = self
            .figures
            .iter()
            .filter(|(whose, _)| *whose == side)
            .map(|&(_, figure)| figure)
            .collect();
        Spread::of(&figures)
    }
}

impl Bench<'_> {
    /// Lets all sides run in turn.
    pub(crate) fn compare(&self, rounds: u32) -> Runs {
        let mut runs = Runs::default();
        let count = self.calibrate(&mut runs);
        for round in 0..rounds {
            let mut order = self.test.sides().to_vec();
            // Nobody shall always have the caches that the other one left behind.
            if round % 2 == 1 {
                order.reverse();
            }
            for side in order {
                match self.run(side, count) {
                    Ok(elapsed) => runs.figures.push((side, self.figure(count, elapsed))),
                    Err(error) => runs.failures.push((side, error)),
                }
            }
        }
        runs
    }

    /// The number of messages that takes the fastest side about [`Self::duration`], and the
    /// slowest not longer than [`FACTOR`] times that.
    fn calibrate(&self, runs: &mut Runs) -> u64 {
        let mut rates = Vec::new();
        for &side in self.test.sides() {
            let mut count = match self.test {
                Test::Latency | Test::Neighbours | Test::Clients => 1000,
                Test::Routed | Test::Brokered => 10_000,
                // One wait of the slowest may look at ten thousand descriptors.
                Test::Polled => 100,
                _ => (20_000_000 / (self.size as u64 + 200)).max(100),
            };
            loop {
                let elapsed = match self.run(side, count) {
                    Ok(elapsed) => elapsed,
                    Err(error) => {
                        runs.failures.push((side, error));
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
        match self.test.unit() {
            Unit::PerSecond => Throughput { load, elapsed }.per_second(),
            Unit::Micros | Unit::Several => Latency { load, elapsed }.one_way_micros(),
        }
    }

    /// One run in fresh processes.
    fn run(&self, side: Side, count: u64) -> Result<Duration> {
        match (self.test, side) {
            (Test::Throughput | Test::Filled, Side::Library(lib)) => self.throughput(lib, count),
            (Test::Latency, Side::Library(lib)) => self.latency(lib, count),
            _ => shaped::run(self, side, count),
        }
    }

    fn throughput(&self, lib: Library, count: u64) -> Result<Duration> {
        if self.transport == Transport::Inproc {
            return finish(self.spawn(Part::InprocThr, "inproc", lib, count)?);
        }
        let endpoint = self.endpoints.fresh(self.transport);
        let local = self.spawn(Part::LocalThr, &endpoint, lib, count)?;
        let mut remote = self.spawn(Part::RemoteThr, &local.answer("bound")?, lib, count)?;
        let elapsed = finish(local)?;
        remote.tell("close")?;
        remote.finish()?;
        Ok(elapsed)
    }

    fn latency(&self, lib: Library, count: u64) -> Result<Duration> {
        if self.transport == Transport::Inproc {
            return finish(self.spawn(Part::InprocLat, "inproc", lib, count)?);
        }
        let endpoint = self.endpoints.fresh(self.transport);
        let mut local = self.spawn(Part::LocalLat, &endpoint, lib, count)?;
        let remote = self.spawn(Part::RemoteLat, &local.answer("bound")?, lib, count)?;
        let elapsed = finish(remote)?;
        local.tell("close")?;
        local.finish()?;
        Ok(elapsed)
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
            sockets: Sockets {
                lib,
                hwm: self.hwm,
                mechanism: self.mechanism,
            },
            body,
        };
        Child::spawn_self(
            RoleArgs::command_line(part, endpoint, load, tuning),
            self.deadline,
        )
    }
}

/// The measured time of the child that measures, and its end.
pub(crate) fn finish(child: Child) -> Result<Duration> {
    let elapsed = measured(&child)?;
    child.finish()?;
    Ok(elapsed)
}

/// The measured time of a child.
pub(crate) fn measured(child: &Child) -> Result<Duration> {
    let seconds: f64 = child.answer("result")?.parse()?;
    Ok(Duration::try_from_secs_f64(seconds)?)
}

impl fmt::Display for Bench<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.test, self.name())
    }
}

impl Bench<'_> {
    /// What distinguishes it from the other lines of its table.
    pub(crate) fn name(&self) -> String {
        let size = units::bytes(self.size as u64);
        match self.test.peers() {
            None => format!("{}, {size}", self.transport),
            Some(peers) => {
                let name = format!("{}, {size}, {peers}: {}", self.transport, self.peers);
                match self.form {
                    form if self.test == Test::Topics && form != Form::default() => {
                        format!("{name}, {form}")
                    }
                    _ => name,
                }
            }
        }
    }
}
