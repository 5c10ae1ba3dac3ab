//! The streams that the thread which waits reads itself.
//!
//! A socket's streams are read by an I/O thread, which then wakes whoever waits: two switches of threads for a message. So
//! the streams of all sockets of a poller are reported in a poll of the poller's own, and the thread that waits for it reads them,
//! as one that is blocked in `recv` does for its socket. While it does something else, the I/O thread reads again after some
//! ticks; see `ztransport`'s `InputPoll`.
//!
//! Streams of other I/O threads than that of the first stream go on to be read there, and signal.

use std::time::Instant;

use zpipe::{Interrupted, ReadySet, Spinner};
use ztransport::{Arrived, InputPoll};

/// A poller that waits once or twice is not worth what it costs each stream to join.
const SLEEPS_BEFORE_READING: u32 = 2;

/// A look at streams is a system call. Who does not sleep, because there is always something to do, does not look in each of
/// so many waits; after these the I/O threads read again, until it sleeps.
const WAITS_WITHOUT_SLEEP: u32 = 16;

/// See the module documentation.
#[derive(Default)]
pub(crate) struct Streams {
    /// Made with the first stream that is to join.
    poll: Option<InputPoll>,
    /// Keys of sockets whose streams may join it. Each once.
    newcomers: Vec<usize>,
    /// How often the poller has slept, up to the number after which it reads.
    sleeps: u32,
    /// Waits since the last sleep.
    waits: u32,
}

impl Streams {
    /// The streams of a socket may join before the next sleep.
    pub(crate) fn may_join(&mut self, key: usize) {
        self.newcomers.push(key);
    }

    /// A socket is waited for no more.
    pub(crate) fn forget(&mut self, key: usize) {
        self.newcomers.retain(|newcomer| *newcomer != key);
    }

    /// A sleep begins; whether it is one in which this thread reads. `join` has the streams of a socket join, or notes that
    /// it has none yet.
    pub(crate) fn begin(&mut self, mut join: impl FnMut(&mut Option<InputPoll>, usize)) -> bool {
        if self.sleeps < SLEEPS_BEFORE_READING {
            self.sleeps += 1;
            return false;
        }
        for key in self.newcomers.drain(..) {
            join(&mut self.poll, key);
        }
        self.poll.as_mut().is_some_and(InputPoll::begin_wait)
    }

    /// Sleeps, in a wait that has [begun](Self::begin), until there is input or a signal.
    pub(crate) fn wait(
        &mut self,
        ready: &mut ReadySet,
        spinner: &mut Spinner,
        deadline: Option<Instant>,
        interruptible: bool,
    ) -> Result<(), Interrupted> {
        let Some(poll) = &mut self.poll else {
            return Ok(());
        };
        let found = spinner.until(|| poll.look() || !ready.is_empty());
        let waited = if found {
            Ok(())
        } else {
            poll.wait_with(ready, deadline, interruptible)
        };
        poll.end_wait();
        self.waits = 0;
        waited
    }

    /// A wait begins, in which the thread may not sleep.
    pub(crate) fn note_wait(&mut self) {
        self.waits += 1;
        if self.waits > WAITS_WITHOUT_SLEEP {
            self.waits = 0;
            self.give_back();
        }
    }

    /// Whether there is input that is left to this thread.
    pub(crate) fn look(&mut self) -> bool {
        let poll = self.poll.as_mut().filter(|poll| poll.is_leased());
        poll.is_some_and(InputPoll::look)
    }

    /// Takes one of the streams that have input.
    pub(crate) fn pop(&mut self) -> Option<Arrived> {
        self.poll.as_mut()?.pop()
    }

    /// I/O threads read again, since this thread waits in another way.
    pub(crate) fn give_back(&mut self) {
        if let Some(poll) = &mut self.poll {
            poll.give_back();
        }
    }

    /// Whether this thread reads, as far as it knows.
    #[cfg(test)]
    pub(crate) fn are_read_here(&self) -> bool {
        self.poll.as_ref().is_some_and(InputPoll::is_leased)
    }
}
