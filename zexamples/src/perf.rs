//! The roles of libzmq's performance tools, played by either library (by libzmq with the feature of that name).
//!
//! ```text
//!   local_thr  PULL bind  ◀──── PUSH connect  remote_thr
//!   local_lat  REP  bind  ◀───▶ REQ  connect  remote_lat
//!   inproc_thr, inproc_lat: both in one process, the worker thread connects
//! ```
//!
//! Each library is used the way its own users would: libzmq with one `zmq_msg_t` per message sent
//! and a single one for all that are received, as in its tools; zlayers with a body per message sent
//! and a single [`Message`](zsocket::Message) for all that are received. What is in the messages
//! is a choice, see [`Body`].
//!
//! What counts is the time from the arrival of the first message to that of the last, so
//! connecting is not measured.
//!
//! More than one sender and one receiver: [`shapes`], and [`pub_thr`], [`sub_thr`], [`router_thr`] and [`dealer_thr`].

#[cfg(feature = "libzmq")]
mod libzmq;
mod ours;
pub mod proxied;
mod secured;
pub mod shapes;

use std::fmt;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

pub use self::secured::Mechanism;
pub use self::shapes::{dealer_thr, pub_thr, router_thr, sub_thr};
use crate::Result;

/// Whose sockets to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Library {
    /// zlayers.
    Ours,
    /// The original.
    #[cfg(feature = "libzmq")]
    Libzmq,
}

impl Library {
    /// All that this build has, ours first.
    pub const ALL: &[Self] = &[
        Self::Ours,
        #[cfg(feature = "libzmq")]
        Self::Libzmq,
    ];
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ours => "ours",
            #[cfg(feature = "libzmq")]
            Self::Libzmq => "libzmq",
        })
    }
}

/// What the senders of the throughput tests put into their messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Body {
    /// Bytes that nobody writes. libzmq's tools allocate memory and send whatever is in it, so that is
    /// what libzmq does here. No safe Rust can, so zlayers sends handles of one buffer, which spares it
    /// the allocation as well.
    Untouched,
    /// Bytes that are written for each message: both libraries get a copy of the application's buffer.
    /// This is what applications do that have something to say.
    Filled,
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Untouched => "untouched",
            Self::Filled => "filled",
        })
    }
}

/// What all tools let the user choose beyond libzmq's arguments.
#[derive(Debug, Clone, Copy, Args)]
pub struct Sockets {
    /// Whose sockets to use (libzmq's need `--features libzmq` when this is built)
    #[arg(long, value_enum, default_value_t = Library::Ours)]
    pub lib: Library,
    /// High-water mark of the sender and of the receiver, in messages; 0 for none
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(..1 << 31))]
    pub hwm: u32,
    /// How the sockets protect what they send over tcp and ipc
    #[arg(long, value_enum, default_value_t = Mechanism::Null)]
    pub mechanism: Mechanism,
}

/// What the tools of one sender and one receiver let the user choose.
#[derive(Debug, Clone, Copy, Args)]
pub struct Tuning {
    /// The sockets.
    #[command(flatten)]
    pub sockets: Sockets,
    /// What the sender of a throughput test puts into its messages
    #[arg(long, value_enum, default_value_t = Body::Untouched)]
    pub body: Body,
}

/// How many messages (or round trips) of which size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Bytes in each body.
    pub size: usize,
    /// Messages or round trips.
    pub count: u64,
}

impl Load {
    /// Checks a body that has arrived, as the tools do for each one.
    fn check(self, frames: usize, size: usize) -> Result<()> {
        if frames == 1 && size == self.size {
            Ok(())
        } else {
            Err("message of incorrect size received".into())
        }
    }
}

/// What a receiver measured. It prints the lines of `local_thr`.
#[derive(Debug, Clone, Copy)]
pub struct Throughput {
    /// What was received.
    pub load: Load,
    /// From the first message to the last.
    pub elapsed: Duration,
}

impl Throughput {
    /// Messages per second, reckoned as libzmq does: all messages, although the clock starts
    /// with the arrival of the first.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.load.count as f64 / at_least_a_microsecond(self.elapsed).as_secs_f64()
    }
}

impl fmt::Display for Throughput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabits = self.per_second() * self.load.size as f64 * 8.0 / 1e6;
        writeln!(f, "message size: {} [B]", self.load.size)?;
        writeln!(f, "message count: {}", self.load.count)?;
        writeln!(
            f,
            "mean throughput: {:.0} [msg/s]",
            self.per_second().floor()
        )?;
        writeln!(f, "mean throughput: {megabits:.3} [Mb/s]")
    }
}

/// What a requester measured. It prints the lines of `remote_lat`.
#[derive(Debug, Clone, Copy)]
pub struct Latency {
    /// What was exchanged.
    pub load: Load,
    /// From the first request to the last reply.
    pub elapsed: Duration,
}

impl Latency {
    /// The time that a message takes one way, in microseconds: half a round trip.
    #[must_use]
    pub fn one_way_micros(&self) -> f64 {
        at_least_a_microsecond(self.elapsed).as_secs_f64() * 1e6 / (self.load.count * 2) as f64
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "message size: {} [B]", self.load.size)?;
        writeln!(f, "roundtrip count: {}", self.load.count)?;
        writeln!(f, "average latency: {:.3} [us]", self.one_way_micros())
    }
}

/// Binds a PULL socket, receives everything and measures. `bound` gets the endpoint with its
/// wildcard resolved.
///
/// # Errors
/// If a call fails, or a message of another size arrives.
pub fn local_thr(
    endpoint: &str,
    load: Load,
    tuning: Tuning,
    bound: impl FnOnce(&str) -> Result<()>,
) -> Result<Throughput> {
    match tuning.sockets.lib {
        Library::Ours => ours::local_thr(endpoint, load, tuning.sockets, bound),
        #[cfg(feature = "libzmq")]
        Library::Libzmq => libzmq::local_thr(endpoint, load, tuning.sockets, bound),
    }
}

/// Connects a PUSH socket and sends everything. `before_close` is called when the last message
/// has been handed over; then the socket closes and lingers until all are delivered.
///
/// # Errors
/// If a call fails.
pub fn remote_thr(
    endpoint: &str,
    load: Load,
    tuning: Tuning,
    before_close: impl FnOnce() -> Result<()>,
) -> Result<()> {
    match tuning.sockets.lib {
        Library::Ours => {
            ours::remote_thr(endpoint, load, tuning.sockets, tuning.body, before_close)
        }
        #[cfg(feature = "libzmq")]
        Library::Libzmq => {
            libzmq::remote_thr(endpoint, load, tuning.sockets, tuning.body, before_close)
        }
    }
}

/// Binds a REP socket and sends each request back. `bound` gets the endpoint with its wildcard
/// resolved; `before_close` is called after the last reply.
///
/// # Errors
/// If a call fails, or a message of another size arrives.
pub fn local_lat(
    endpoint: &str,
    load: Load,
    tuning: Tuning,
    bound: impl FnOnce(&str) -> Result<()>,
    before_close: impl FnOnce() -> Result<()>,
) -> Result<()> {
    match tuning.sockets.lib {
        Library::Ours => ours::local_lat(endpoint, load, tuning.sockets, bound, before_close),
        #[cfg(feature = "libzmq")]
        Library::Libzmq => libzmq::local_lat(endpoint, load, tuning.sockets, bound, before_close),
    }
}

/// Connects a REQ socket and makes the round trips.
///
/// # Errors
/// If a call fails, or a message of another size arrives.
pub fn remote_lat(endpoint: &str, load: Load, tuning: Tuning) -> Result<Latency> {
    match tuning.sockets.lib {
        Library::Ours => ours::remote_lat(endpoint, load, tuning.sockets),
        #[cfg(feature = "libzmq")]
        Library::Libzmq => libzmq::remote_lat(endpoint, load, tuning.sockets),
    }
}

/// [`local_thr`] in this thread and [`remote_thr`] in another one.
///
/// # Errors
/// If a call fails, or a message of another size arrives.
pub fn inproc_thr(load: Load, tuning: Tuning) -> Result<Throughput> {
    match tuning.sockets.lib {
        Library::Ours => ours::inproc_thr(load, tuning.sockets, tuning.body),
        #[cfg(feature = "libzmq")]
        Library::Libzmq => libzmq::inproc_thr(load, tuning.sockets, tuning.body),
    }
}

/// [`remote_lat`] in this thread, which binds here, and [`local_lat`] in another one.
///
/// # Errors
/// If a call fails, or a message of another size arrives.
pub fn inproc_lat(load: Load, tuning: Tuning) -> Result<Latency> {
    match tuning.sockets.lib {
        Library::Ours => ours::inproc_lat(load, tuning.sockets),
        #[cfg(feature = "libzmq")]
        Library::Libzmq => libzmq::inproc_lat(load, tuning.sockets),
    }
}

/// Takes the time from the first message to the last.
fn time_arrivals(load: Load, mut receive: impl FnMut() -> Result<()>) -> Result<Throughput> {
    receive()?;
    let start = Instant::now();
    for _ in 1..load.count {
        receive()?;
    }
    Ok(Throughput {
        load,
        elapsed: start.elapsed(),
    })
}

fn time_round_trips(load: Load, mut round_trip: impl FnMut() -> Result<()>) -> Result<Latency> {
    let start = Instant::now();
    for _ in 0..load.count {
        round_trip()?;
    }
    Ok(Latency {
        load,
        elapsed: start.elapsed(),
    })
}

/// The resolution of libzmq's stopwatch, which keeps the quotients finite.
fn at_least_a_microsecond(elapsed: Duration) -> Duration {
    elapsed.max(Duration::from_micros(1))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    const LOAD: Load = Load {
        size: 100,
        count: 500,
    };

    #[test]
    fn output_is_libzmqs() {
        let throughput = Throughput {
            load: Load { size: 64, count: 3 },
            elapsed: Duration::from_secs(2),
        };
        assert_eq!(
            throughput.to_string(),
            "message size: 64 [B]\nmessage count: 3\n\
             mean throughput: 1 [msg/s]\nmean throughput: 0.001 [Mb/s]\n"
        );
        let latency = Latency {
            load: Load {
                size: 1,
                count: 1000,
            },
            elapsed: Duration::from_millis(30),
        };
        assert_eq!(
            latency.to_string(),
            "message size: 1 [B]\nroundtrip count: 1000\naverage latency: 15.000 [us]\n"
        );
    }

    /// Runs a role on a thread of its own. What it returns comes, or nothing if it panics.
    fn start<T: Send + 'static>(role: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
        let (done, result) = mpsc::channel();
        thread::spawn(move || done.send(role()));
        result
    }

    /// The calls of libzmq have no deadline, so the test has one.
    fn finish<T>(result: &mpsc::Receiver<T>, what: &str) -> T {
        let limit = Duration::from_secs(60);
        match result.recv_timeout(limit) {
            Ok(value) => value,
            Err(error) => panic!("{what}: {error}"),
        }
    }

    #[test]
    fn the_roles_of_both_libraries_fit_together() {
        for mechanism in [Mechanism::Null, Mechanism::Curve] {
            for (&local, &remote) in Library::ALL
                .iter()
                .flat_map(|local| Library::ALL.iter().map(move |remote| (local, remote)))
            {
                let tuning = move |lib| Tuning {
                    sockets: Sockets {
                        lib,
                        hwm: 10,
                        mechanism,
                    },
                    body: Body::Filled,
                };
                let pair = format!("{local:?} and {remote:?}, {mechanism}");
                let (bound, endpoint) = mpsc::channel();
                let receiver = start(move || {
                    let bound = |endpoint: &str| Ok(bound.send(endpoint.to_owned())?);
                    let received = local_thr("tcp://127.0.0.1:*", LOAD, tuning(local), bound);
                    received.unwrap().per_second()
                });
                let endpoint = finish(&endpoint, &pair);
                let sender = start(move || {
                    remote_thr(&endpoint, LOAD, tuning(remote), || Ok(())).unwrap();
                });
                assert!(finish(&receiver, &format!("{pair}: throughput, receiving")) > 0.0);
                finish(&sender, &format!("{pair}: throughput, sending"));

                let (bound, endpoint) = mpsc::channel();
                let replier = start(move || {
                    let bound = |endpoint: &str| Ok(bound.send(endpoint.to_owned())?);
                    let end = || Ok(());
                    local_lat("tcp://127.0.0.1:*", LOAD, tuning(local), bound, end).unwrap();
                });
                let endpoint = finish(&endpoint, &pair);
                let requester = start(move || {
                    remote_lat(&endpoint, LOAD, tuning(remote)).unwrap();
                });
                finish(&requester, &format!("{pair}: latency, requesting"));
                finish(&replier, &format!("{pair}: latency, replying"));
            }
        }
    }

    #[test]
    fn both_libraries_play_both_roles_in_one_process() {
        for &lib in Library::ALL {
            let mut tuning = Tuning {
                sockets: Sockets {
                    lib,
                    hwm: 1000,
                    mechanism: Mechanism::Null,
                },
                body: Body::Untouched,
            };
            assert!(inproc_thr(LOAD, tuning).unwrap().per_second() > 0.0);
            tuning.body = Body::Filled;
            assert!(inproc_thr(LOAD, tuning).unwrap().per_second() > 0.0);
            assert!(inproc_lat(LOAD, tuning).unwrap().one_way_micros() > 0.0);
        }
    }

    #[test]
    fn a_wrong_size_is_noticed() {
        assert!(LOAD.check(1, 100).is_ok());
        assert!(LOAD.check(1, 99).is_err());
        assert!(LOAD.check(2, 100).is_err());
    }
}
