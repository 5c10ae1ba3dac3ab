//! A foreign event loop that leads a context's poll: [`Leader`], and drivers for loops that many use.

#[cfg(all(feature = "async-io", unix))]
mod async_io;
#[cfg(unix)]
mod descriptor;
#[cfg(all(feature = "tokio", unix))]
mod tokio;

use ztransport::{Dispatched, Ended};

#[cfg(all(feature = "async-io", unix))]
pub use self::async_io::AsyncIoDriver;
#[cfg(all(feature = "tokio", unix))]
pub use self::tokio::TokioDriver;
use crate::Error;

/// What a driver handles before others of its executor have their turn.
#[cfg(all(any(feature = "async-io", feature = "tokio"), unix))]
const BUDGET: usize = 64;

/// Lets a foreign event loop lead: the loop waits for what comes in, and the context's I/O thread only looks on.
///
/// ```text
///   without   peer ──▶ I/O thread: reads ──── wakes ───▶ runtime: task
///   with      peer ──▶ runtime: the leader reads, task         I/O thread: timers, and takes over if need be
/// ```
///
/// Without a leader a task that waits for a message hears of it by two hops: the I/O thread reads it, and wakes the
/// task's runtime. With one, the runtime's own event loop hears of the peer's bytes, and reads them, which about halves the latency. How
/// many messages go through is much the same. Blocking calls gain nothing, since they read their streams themselves; inproc has no
/// streams.
///
/// [`Context::lead`](crate::Context::lead) makes one. Then either spawn a driver, or drive it yourself:
///
/// | event loop | how |
/// |---|---|
/// | tokio | `tokio::spawn(context.lead()?.on_tokio()?)`, with the feature `tokio` |
/// | async-io: smol, async-std | `smol::spawn(context.lead()?.on_async_io()?)`, with the feature `async-io` |
/// | any other | wait until the descriptor (`AsFd`) is readable, then [`dispatch`](Self::dispatch) |
///
/// # Who leads
///
/// - The context does not depend on the loop. Once the descriptor has been readable for half a millisecond to a millisecond
///   and nobody has dispatched, because the runtime is busy, blocked in a call, or gone, the I/O thread takes over. The next
///   dispatch takes the lead back. [`lapses`](Self::lapses) counts that.
/// - Timers are the I/O thread's: connecting again, heartbeats, lingering.
/// - Each I/O thread has one leader at most, so a context takes as many as it has I/O threads; one more is [`Error::Led`].
/// - Dropping the leader, or its driver, gives the lead up at once, at any time.
/// - A leader does not keep its context. When that ends the descriptor is readable, and [`dispatch`](Self::dispatch) says
///   [`Error::Terminated`]. A shutdown is not the end: there may be something to be sent.
/// - A forked child has no part in it: there `dispatch` is [`Error::Forked`] and changes nothing.
///
/// # Platform
///
/// Unix. On Windows there is no descriptor of this kind: [`Context::lead`](crate::Context::lead) is refused, and the drivers are
/// not there.
///
/// # Examples
///
/// A loop of one's own:
///
/// ```
/// use rustix::event::{PollFd, PollFlags, poll};
/// use zsocket::{Context, Dispatched, Pull, Push};
///
/// let context = Context::new();
/// let leader = context.lead()?;
/// let pull = context.socket::<Pull>()?;
/// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
/// let push = context.socket::<Push>()?;
/// push.connect(&endpoint)?;
/// push.send("hello")?;
///
/// let message = loop {
///     if let Ok(message) = pull.try_recv() {
///         break message;
///     }
///     // Other descriptors that the program waits for stand beside it.
///     poll(&mut [PollFd::new(&leader, PollFlags::IN)], None)?;
///     while leader.dispatch(64)? == Dispatched::More {
///         // Here others have their turn.
///     }
/// };
/// assert_eq!(message[0], "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Leader {
    leader: ztransport::Leader,
}

impl Leader {
    pub(crate) const fn new(leader: ztransport::Leader) -> Self {
        Self { leader }
    }

    /// Handles what there is, and never waits: at most `budget` things, such as a stream that has input or a pipe to be written
    /// out, and no longer than about 200 µs, but one of them in any case. Of one stream that is two megabytes at most.
    ///
    /// [`Dispatched::More`] asks for another call soon, after others have had their turn; then the descriptor stays readable, and is
    /// reported once more to a loop that is told of changes only (edge-triggered). After [`Dispatched::Idle`] wait for the descriptor.
    ///
    /// Any thread may call it, and several at a time: one of them does the work, the others get `Idle`, and the descriptor is reported
    /// again. So does one that calls while the I/O thread leads, which hands over then. The tasks that have got something are
    /// woken last, on the thread that calls, when another one may dispatch again.
    ///
    /// # Errors
    ///
    /// There will never be anything again: [`Error::Terminated`] when the context is gone, [`Error::IoThreadLost`], or
    /// [`Error::Forked`].
    pub fn dispatch(&self, budget: usize) -> Result<Dispatched, Error> {
        self.leader.dispatch(budget).map_err(|ended| match ended {
            Ended::Stopped => Error::Terminated,
            Ended::Lost => Error::IoThreadLost,
            Ended::Forked => Error::Forked,
        })
    }

    /// How often the I/O thread has taken over because nobody dispatched.
    #[must_use]
    pub fn lapses(&self) -> u64 {
        self.leader.lapses()
    }

    /// How often a task's waker, or the `Drop` of a message body, has panicked in [`dispatch`](Self::dispatch), which caught it.
    #[must_use]
    pub fn foreign_panics(&self) -> u64 {
        self.leader.foreign_panics()
    }
}
