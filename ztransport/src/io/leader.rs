//! A foreign event loop that leads.

use std::sync::Arc;

use super::thread::{Dispatched, Ended, Seat};

/// The part of an I/O thread that a foreign event loop plays: the loop waits for the descriptor, among its own, and
/// [dispatches](Self::dispatch) what there is. [`Reactor::lead`](crate::Reactor::lead) makes one.
///
/// The I/O thread follows: it sees to timers, and takes over when the descriptor has been readable for a millisecond
/// and nobody has dispatched. The next dispatch takes the lead back. Dropping it gives the lead up.
///
/// # Platform
///
/// Unix, where it is a descriptor (`AsFd`).
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use rustix::event::{PollFd, PollFlags, poll};
/// use zmtp::SocketType;
/// use ztransport::{Dispatched, Options, Reactor, SocketHandle};
///
/// let reactor = Reactor::new(1)?;
/// let leader = reactor.lead()?;
/// // A connection that is made by this thread.
/// let ready = zpipe::ReadySet::new();
/// let (letters, mut mailbox) = zpipe::mailbox(ready.notifier(0));
/// let handle = SocketHandle::new(letters, ready.notifier(0));
/// let bound = reactor.bind(
///     &"tcp://127.0.0.1:*".parse()?,
///     &Arc::new(Options::new(SocketType::Pull)),
///     &handle,
/// )?;
/// let _link = reactor.connect(&bound.endpoint, &Arc::new(Options::new(SocketType::Push)), &handle)?;
/// while mailbox.take().is_empty() {
///     poll(&mut [PollFd::new(&leader, PollFlags::IN)], None)?;
///     while leader.dispatch(64) == Ok(Dispatched::More) {}
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Leader {
    seat: Arc<Seat>,
}

impl Leader {
    pub(crate) const fn new(seat: Arc<Seat>) -> Self {
        Self { seat }
    }

    #[cfg(unix)]
    pub(crate) fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Handles what there is, without waiting: at most `budget` things, such as a stream that has input or a pipe to be
    /// written out, and, but for the first of them, for about 200 µs. One is handled in any case. A stream that always has
    /// more input or room is left for others after two megabytes.
    ///
    /// Any thread may call, also several at a time: then one of them does it. Wakers and bodies of messages that are to be
    /// dropped have their turn at the end, on this thread, when another one may dispatch again.
    ///
    /// # Errors
    ///
    /// [`Ended`] says why there will never be anything again.
    pub fn dispatch(&self, budget: usize) -> Result<Dispatched, Ended> {
        self.seat.dispatch(budget)
    }

    /// How often the I/O thread has taken over because nobody dispatched.
    #[must_use]
    pub fn lapses(&self) -> u64 {
        self.seat.lapses()
    }

    /// How often a waker, or a body that was dropped, has panicked in [`dispatch`](Self::dispatch).
    #[must_use]
    pub fn foreign_panics(&self) -> u64 {
        self.seat.foreign_panics()
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.seat.give_up();
    }
}
