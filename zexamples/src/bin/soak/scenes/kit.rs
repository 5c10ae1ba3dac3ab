//! What every scene needs: a context, sockets of random options, threads, and errors that say what was going on.

use std::fmt;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use zexamples::{Result, Transport};
use zsocket::{CanReceive, Context, Error, Message, Pattern, Socket, TypedPattern};

use crate::sender::random_hwm;
use crate::stage::{Stage, lock};
use crate::wire::{self, Pool};

/// What happens at all happens within this, also on a machine that has much else to do.
pub(super) const WAIT: Duration = Duration::from_secs(120);
/// How often somebody who waits looks up.
pub(super) const GLANCE: Duration = Duration::from_millis(10);
/// After so long a silence nothing more is on its way. Only where too little is no violation.
const SILENCE: Duration = Duration::from_millis(150);

/// One scene.
pub(super) struct Scene {
    pub(super) stage: Arc<Stage>,
    context: Context,
    /// Whether the context is the scene's own.
    own: bool,
    pub(super) transport: Transport,
    pool: Pool,
    until: Instant,
    failed: AtomicBool,
    /// Who still sends.
    busy: AtomicUsize,
    pub(super) messages: AtomicU64,
    pub(super) reconnects: AtomicU64,
    pub(super) missing: AtomicU64,
}

impl Scene {
    pub(super) fn set(stage: &Arc<Stage>, pool: &Pool, rng: &mut Rng) -> Result<Self> {
        let own = rng.u32(..4) == 0;
        let context = if own {
            let threads = rng.usize(1..3);
            stage.insist(|| Context::builder().io_threads(threads).build())?
        } else {
            stage.context.clone()
        };
        // Drawn in any case, so that what follows is the same.
        let drawn = Duration::from_millis(rng.u64(100..2500));
        Ok(Self {
            stage: Arc::clone(stage),
            context,
            own,
            transport: Transport::ALL[rng.usize(..Transport::ALL.len())],
            pool: pool.clone(),
            until: Instant::now() + stage.scene_length.unwrap_or(drawn),
            failed: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
            messages: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
            missing: AtomicU64::new(0),
        })
    }

    /// Whether it is played for long, with as many sockets as it may have.
    pub(super) fn is_long(&self) -> bool {
        self.stage.scene_length.is_some()
    }

    /// Whether the sockets of this scene find each other over inproc, where a connector does not come back by itself.
    pub(super) fn is_inproc(&self) -> bool {
        self.transport == Transport::Inproc
    }

    /// Whether it is time to come to an end: nothing new begins, and what is under way is waited for.
    pub(super) fn over(&self) -> bool {
        Instant::now() >= self.until || self.failed() || self.stage.stopping()
    }

    /// Whether somebody has found a violation, so that waiting for the rest leads to nothing.
    pub(super) fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Somebody left and came back.
    pub(super) fn came_back(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    /// A random time in which somebody is away, or does nothing.
    pub(super) fn pause(&self, rng: &mut Rng, at_most: Duration) {
        let time = at_most.mul_f64(rng.f64());
        let end = (Instant::now() + time).min(self.until);
        while !self.over() && Instant::now() < end {
            let left = end.saturating_duration_since(Instant::now());
            thread::sleep(left.min(Duration::from_millis(20)));
        }
    }

    /// A socket with random marks, buffers and intervals.
    pub(super) fn socket<P: TypedPattern>(&self, rng: &mut Rng) -> Result<Socket<P>> {
        let socket = self.stage.insist(|| self.context.socket::<P>())?;
        socket.set_send_hwm(random_hwm(rng))?;
        socket.set_recv_hwm(random_hwm(rng))?;
        socket.set_send_timeout(Some(WAIT))?;
        socket.set_recv_timeout(Some(WAIT))?;
        socket.set_reconnect_interval(Some(Duration::from_millis(rng.u64(1..=20))))?;
        if rng.u32(..4) == 0 {
            socket.set_send_buffer(Some(rng.usize(4096..200_000)))?;
        }
        if rng.u32(..4) == 0 {
            socket.set_recv_buffer(Some(rng.usize(4096..200_000)))?;
        }
        Ok(socket)
    }

    /// A place of its own. Over tcp the address is that of nobody else, so that a port which a peer has left for a moment
    /// does not become that of a stranger.
    pub(super) fn place(&self) -> String {
        self.place_over(self.transport)
    }

    /// The same over another transport.
    pub(super) fn place_over(&self, transport: Transport) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        match transport {
            Transport::Tcp => {
                // 127.1.0.0 and up, without 127.0.0.1, at which everybody else is.
                let number = NEXT.fetch_add(1, Ordering::Relaxed) % 0xFD_0000;
                let address = Ipv4Addr::from_bits(0x7F01_0000 + number);
                format!("tcp://{address}:*")
            }
            other => self.stage.endpoints.fresh(other),
        }
    }

    /// Binds, at a fresh place or where the socket's predecessor was. What a closed socket had bound is free at once.
    pub(super) fn bind<P: Pattern>(&self, socket: &Socket<P>, place: &str) -> Result<String> {
        let bound = self.stage.insist(|| socket.bind(place));
        Ok(bound
            .map_err(|error| format!("binding {place}: {error}"))?
            .to_string())
    }

    pub(super) fn connect<P: Pattern>(
        &self,
        socket: &Socket<P>,
        endpoints: &[impl AsRef<str>],
    ) -> Result<()> {
        for endpoint in endpoints {
            self.stage.insist(|| socket.connect(endpoint.as_ref()))?;
        }
        Ok(())
    }

    /// A random message that says what it is.
    pub(super) fn message(&self, stream: u32, seq: u64, rng: &mut Rng) -> Message {
        self.messages.fetch_add(1, Ordering::Relaxed);
        wire::message(stream, seq, &self.pool, rng)
    }

    /// From the start of all threads until each of them calls [`done`](Self::done), others wait for what they send.
    pub(super) fn expect(&self, senders: usize) {
        self.busy.store(senders, Ordering::Release);
    }

    /// A sender has sent all that it will.
    pub(super) fn done(&self) {
        self.busy.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn all_done(&self) -> bool {
        self.busy.load(Ordering::Acquire) == 0
    }

    /// Plays all parts at the same time, and returns the first error: those of the others may be its consequences.
    pub(super) fn play(&self, parts: Vec<Part<'_>>) -> Result<()> {
        let first = Mutex::new(None);
        thread::scope(|scope| {
            for (name, part) in parts {
                let first = &first;
                scope.spawn(move || {
                    let played = panic::catch_unwind(AssertUnwindSafe(part));
                    if let Err(error) = played.unwrap_or_else(|_| Err("a panic".into())) {
                        lock(first).get_or_insert(format!("{name}: {error}"));
                        self.failed.store(true, Ordering::Relaxed);
                    }
                });
            }
        });
        first
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .map_or(Ok(()), |error| Err(error.into()))
    }

    /// Looks whether the scene leaves anything behind.
    pub(super) fn strike(self) -> Result<()> {
        if self.own
            && let Err(report) = self.context.term_timeout(WAIT)
        {
            return Err(format!("its context does not end: {report}").into());
        }
        Ok(())
    }
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = if self.own {
            ", a context of its own"
        } else {
            ""
        };
        write!(f, "over {}{own}", self.transport)
    }
}

/// What one thread does, and what it is called.
pub(super) type Part<'s> = (String, Box<dyn FnOnce() -> Result<()> + Send + 's>);

pub(super) fn part<'s>(
    name: impl Into<String>,
    run: impl FnOnce() -> Result<()> + Send + 's,
) -> Part<'s> {
    (name.into(), Box::new(run))
}

/// What a socket says about itself, for a report.
pub(super) fn about<P: Pattern>(socket: &Socket<P>) -> String {
    let mut text = format!("\n{socket:?}\n{}", socket.stats());
    for finding in socket.diagnose() {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {finding}");
    }
    for peer in socket.all_peer_stats() {
        let _ = write!(text, "\n  {peer}");
    }
    text
}

/// Adds to an error what was being done, and what the socket says about itself.
pub(super) trait Explain<T> {
    fn explain<P: Pattern>(self, what: &str, socket: &Socket<P>) -> Result<T>;
}

impl<T, E: Into<Error>> Explain<T> for Result<T, E> {
    fn explain<P: Pattern>(self, what: &str, socket: &Socket<P>) -> Result<T> {
        self.map_err(|error| format!("{what}: {}{}", error.into(), about(socket)).into())
    }
}

/// A message, if one comes within a moment.
pub(super) fn glance<P: CanReceive>(socket: &Socket<P>) -> Result<Option<Message>> {
    match socket.recv_timeout(GLANCE) {
        Ok(message) => Ok(Some(message)),
        Err(Error::WouldBlock(_)) => Ok(None),
        Err(error) => Err(error).explain("receiving", socket),
    }
}

/// For how long nothing has come.
pub(super) struct Quiet(Instant);

impl Quiet {
    pub(super) fn now() -> Self {
        Self(Instant::now())
    }

    /// Whether nothing more is on its way, most likely.
    pub(super) fn long_enough(&self) -> bool {
        self.0.elapsed() > SILENCE
    }

    /// Whether what is missing will not come.
    pub(super) fn too_long(&self) -> bool {
        self.0.elapsed() > WAIT
    }
}

/// When somebody leaves who comes and goes.
pub(super) fn lifetime(rng: &mut Rng) -> Instant {
    Instant::now() + Duration::from_millis(rng.u64(1..600))
}
