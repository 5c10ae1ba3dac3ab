//! The four-way harness: one scenario, every pair of implementations, every transport.

use std::any::Any;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{fmt, panic, process, thread};

use tempfile::TempDir;

use crate::peer::{AnySocket, Options, PATIENCE, Pattern, Side};
use crate::{libzmq, ours, zmq};

/// How long one trial may take as a whole. Longer than [`PATIENCE`], so that the call which
/// waits in vain is what gets reported.
const TRIAL_LIMIT: Duration = Duration::from_secs(120);

/// Which implementation plays which of a scenario's two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pairing {
    /// Who plays the first part, for example the sender.
    pub first: Side,
    /// Who plays the second part, for example the receiver.
    pub second: Side,
}

impl Pairing {
    /// All of them. libzmq with itself comes first: if that fails, the scenario is wrong.
    pub const ALL: [Self; 4] = [
        Self::new(Side::Libzmq, Side::Libzmq),
        Self::new(Side::Ours, Side::Ours),
        Self::new(Side::Ours, Side::Libzmq),
        Self::new(Side::Libzmq, Side::Ours),
    ];

    const fn new(first: Side, second: Side) -> Self {
        Self { first, second }
    }
}

impl fmt::Display for Pairing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.second)
    }
}

/// How the two parts reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Loopback tcp.
    Tcp,
    /// Unix domain sockets, by path.
    Ipc,
    /// Within one context, so only between sockets of the same library.
    Inproc,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Ipc, Self::Inproc];
    /// Those with a connection that can break and come back, and a wire to speak a protocol on.
    pub const WIRED: [Self; 2] = [Self::Tcp, Self::Ipc];
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Ipc => "ipc",
            Self::Inproc => "inproc",
        })
    }
}

/// Runs a scenario for every pairing over each of the transports, one after the other.
///
/// # Panics
/// If the scenario does, or does not come to an end. The message names the pairing and the
/// transport.
///
/// # Examples
/// ```
/// use zinterop::{Pattern, Transport, four_ways};
///
/// four_ways(&Transport::ALL, |trial| {
///     let pull = trial.second(Pattern::Pull);
///     let push = trial.first(Pattern::Push);
///     push.connect(&pull.bind(&trial.endpoint()));
///     push.send(["hello", "world"]);
///     assert_eq!(pull.recv(), ["hello", "world"]);
/// });
/// ```
pub fn four_ways(transports: &[Transport], scenario: impl Fn(&Trial) + Send + Sync + 'static) {
    let scenario = Arc::new(scenario);
    for &transport in transports {
        for pairing in Pairing::ALL {
            if transport == Transport::Inproc && pairing.first != pairing.second {
                continue;
            }
            let scenario = Arc::clone(&scenario);
            run(&format!("{pairing} over {transport}"), move || {
                scenario(&Trial::new(pairing, transport));
            });
        }
    }
}

/// Runs one trial on a thread of its own, so that one that hangs can be told.
fn run(name: &str, trial: impl FnOnce() + Send + 'static) {
    let (done, outcome) = mpsc::channel();
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let result = panic::catch_unwind(panic::AssertUnwindSafe(trial));
            // Nobody listens any more if the limit has passed.
            let _ = done.send(result);
        })
        .expect("the system has room for a thread");
    match outcome.recv_timeout(TRIAL_LIMIT) {
        Ok(Ok(())) => {}
        Ok(Err(payload)) => panic!("{name}: {}", text_of(&*payload)),
        Err(RecvTimeoutError::Timeout) => panic!("{name}: not finished after {TRIAL_LIMIT:?}"),
        Err(RecvTimeoutError::Disconnected) => unreachable!("the outcome is always sent"),
    }
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a text")
}

/// One run of a scenario: a pairing, a transport, and the contexts for it.
///
/// Each part has a context of its own, except over inproc, where both must share one. They are
/// terminated at the end of the trial, which waits for lingering messages; a trial that panics
/// skips that.
#[derive(Debug)]
pub struct Trial {
    pairing: Pairing,
    transport: Transport,
    // Before the directory: ipc sockets in it are gone when it is removed.
    first: AnyContext,
    second: Option<AnyContext>,
    dir: TempDir,
}

impl Trial {
    fn new(pairing: Pairing, transport: Transport) -> Self {
        let shared = transport == Transport::Inproc;
        Self {
            pairing,
            transport,
            first: AnyContext::new(pairing.first),
            second: (!shared).then(|| AnyContext::new(pairing.second)),
            dir: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    /// Who plays which part.
    #[must_use]
    pub fn pairing(&self) -> Pairing {
        self.pairing
    }

    /// What the parts talk over.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// A socket for the first part.
    #[must_use]
    pub fn first(&self, pattern: Pattern) -> AnySocket {
        self.first_with(pattern, &Options::new())
    }

    /// A socket for the first part, with options.
    #[must_use]
    pub fn first_with(&self, pattern: Pattern, options: &Options) -> AnySocket {
        self.first.socket(pattern, options)
    }

    /// A socket for the second part.
    #[must_use]
    pub fn second(&self, pattern: Pattern) -> AnySocket {
        self.second_with(pattern, &Options::new())
    }

    /// A socket for the second part, with options.
    #[must_use]
    pub fn second_with(&self, pattern: Pattern, options: &Options) -> AnySocket {
        self.second
            .as_ref()
            .unwrap_or(&self.first)
            .socket(pattern, options)
    }

    /// A further context for the first part, to be terminated in the middle of a scenario.
    ///
    /// # Panics
    /// Over inproc, where a second context could reach nobody.
    #[must_use]
    pub fn another_first_context(&self) -> AnyContext {
        assert_ne!(
            self.transport,
            Transport::Inproc,
            "inproc stays within one context"
        );
        AnyContext::new(self.pairing.first)
    }

    /// A fresh endpoint to bind. With tcp it has a wildcard port, so connect to what bind
    /// returns.
    #[must_use]
    pub fn endpoint(&self) -> String {
        match self.transport {
            Transport::Tcp => "tcp://127.0.0.1:*".to_owned(),
            Transport::Ipc | Transport::Inproc => self.fixed_endpoint(),
        }
    }

    /// A fresh endpoint that is known before anybody binds it.
    ///
    /// # Panics
    /// If the system has no port to spare.
    #[must_use]
    pub fn fixed_endpoint(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        match self.transport {
            Transport::Tcp => format!("tcp://{}", spare_address(number)),
            Transport::Ipc => format!(
                "ipc://{}",
                self.dir.path().join(number.to_string()).display()
            ),
            Transport::Inproc => format!("inproc://{number}"),
        }
    }
}

/// An address that nobody uses, and that nobody else will.
///
/// A port that was just free on 127.0.0.1 may be given to another test a moment later. Where
/// the whole of 127/8 is loopback, each call takes an address of its own instead, made from the
/// process and the call.
fn spare_address(number: u32) -> std::net::SocketAddr {
    let [.., p1, p0] = process::id().to_be_bytes();
    let [.., n1, n0] = number.to_be_bytes();
    let own = Ipv4Addr::new(127, 2 + (p1 & 0x3f), p0 ^ n1, n0);
    TcpListener::bind((own, 0))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

/// A context of either library. Dropping it waits until its closed sockets have lingered; in a
/// panic it does not, so that the test can say why it failed.
#[derive(Debug)]
pub struct AnyContext(Library);

#[derive(Debug)]
enum Library {
    Ours(zsocket::Context),
    Libzmq(zmq::Context),
}

impl AnyContext {
    fn new(side: Side) -> Self {
        Self(match side {
            Side::Ours => Library::Ours(zsocket::Context::new()),
            Side::Libzmq => Library::Libzmq(zmq::Context::new()),
        })
    }

    /// A socket in this context.
    ///
    /// # Panics
    /// If the library refuses the options.
    #[must_use]
    pub fn socket(&self, pattern: Pattern, options: &Options) -> AnySocket {
        let made = match &self.0 {
            Library::Ours(context) => ours::socket(context, pattern, options)
                .map(|socket| AnySocket::new(Side::Ours, pattern, Box::new(socket))),
            Library::Libzmq(context) => libzmq::socket(context, pattern, options)
                .map(|socket| AnySocket::new(Side::Libzmq, pattern, Box::new(socket))),
        };
        made.unwrap_or_else(|failure| panic!("{pattern:?} socket: {failure}"))
    }

    /// Waits until all that the context's closed sockets had to send is sent. All of them must
    /// be closed.
    pub fn term(self) {
        drop(self);
    }
}

impl Drop for AnyContext {
    fn drop(&mut self) {
        // libzmq's wrapper does the same when its last handle goes.
        let Library::Ours(context) = &self.0 else {
            return;
        };
        if thread::panicking() {
            context.shutdown();
        } else if let Err(error) = context.term() {
            panic!("term: {error}");
        }
    }
}

/// Waits until `condition` holds, for at most [`PATIENCE`].
///
/// For what no call can wait for. The condition is asked again and again, so let it wait a
/// little by itself where it can, for example in a receive with a timeout.
///
/// # Panics
/// If the time is over; the message says `what` did not come true.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_micros(50);
    while !condition() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::park_timeout(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_failing_trial_names_itself() {
        let failure = panic::catch_unwind(|| {
            four_ways(&[Transport::Ipc], |trial| {
                assert_eq!(trial.transport(), Transport::Tcp);
            });
        });
        let text = text_of(&*failure.expect_err("the scenario fails")).to_owned();
        assert!(text.starts_with("libzmq-libzmq over ipc: "), "{text}");
    }

    #[test]
    fn every_pairing_runs_over_every_transport_it_can() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let seen_there = Arc::clone(&seen);
        four_ways(&Transport::ALL, move |trial| {
            let mut seen = seen_there.lock().unwrap();
            seen.push(format!("{} over {}", trial.pairing(), trial.transport()));
        });
        let mut seen = seen.lock().unwrap().clone();
        seen.sort_unstable();
        let expected = [
            "libzmq-libzmq over inproc",
            "libzmq-libzmq over ipc",
            "libzmq-libzmq over tcp",
            "libzmq-ours over ipc",
            "libzmq-ours over tcp",
            "ours-libzmq over ipc",
            "ours-libzmq over tcp",
            "ours-ours over inproc",
            "ours-ours over ipc",
            "ours-ours over tcp",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn spare_addresses_differ() {
        let mut seen: Vec<_> = (1..600).map(spare_address).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 599);
    }
}
