//! [`zpipe::poller`], for every system that `polling` knows.
//!
//! It makes more system calls than epoll alone: a wait with a time limit sets a timer on Linux, and where the system
//! knows no edges, each direction is asked for again when it is used up. Half-closed streams are not reported as such:
//! whoever reads has to go on until reading would block.

use std::{
    io,
    task::Waker,
    time::{Duration, Instant},
};

use socket2::Socket;
use zpipe::poller::{self, Directions, Mode, Poller};

use super::{Interest, Ready, Source};
pub(crate) use nesting::{Bed, NESTS};

/// The system tells that the peer will send nothing more.
pub(crate) const TELLS_END: bool = false;
/// [`Watched::would_block`] does something.
pub(crate) const REARMS: bool = true;

/// A socket that polls may wait for.
#[derive(Debug)]
pub(crate) struct Watched(poller::Watched<Socket>);

impl Watched {
    pub(crate) fn new(socket: Socket) -> Self {
        Self(poller::Watched::new(socket))
    }

    /// Reading or writing would block.
    #[inline]
    pub(crate) fn would_block(&self, used_up: Interest) {
        self.0.would_block(used_up.into());
    }
}

impl std::ops::Deref for Watched {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.0
    }
}

impl From<Interest> for Directions {
    fn from(interest: Interest) -> Self {
        Self {
            input: interest.input,
            output: interest.output,
        }
    }
}

pub(crate) struct Poll {
    poller: Poller,
}

/// Registers sockets from any thread.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    poller: Poller,
}

impl Poll {
    pub(crate) fn new() -> io::Result<(Self, Registry)> {
        let poller = Poller::new()?;
        let registry = Registry {
            poller: poller.clone(),
        };
        Ok((Self { poller }, registry))
    }

    /// Wakes a wait from any thread.
    pub(crate) fn waker(&self) -> Waker {
        self.poller.waker()
    }

    /// Waits for events, at most until the deadline, and reports them, at most `N`. The next wait reports
    /// the others. Says whether the waker was used: that is told to one wait only.
    pub(crate) fn wait<const N: usize>(
        &self,
        deadline: Option<Instant>,
        report: impl FnMut(Ready),
    ) -> io::Result<bool> {
        self.take(N, deadline, report)
    }

    /// The same: here a signal handler does not end a wait.
    pub(crate) fn wait_interruptible<const N: usize>(
        &self,
        deadline: Option<Instant>,
        report: impl FnMut(Ready),
    ) -> io::Result<bool> {
        self.wait::<N>(deadline, report)
    }

    /// Like [`wait`](Self::wait), without waiting, and for at most so many events.
    pub(crate) fn look<const N: usize>(
        &self,
        at_most: usize,
        report: impl FnMut(Ready),
    ) -> io::Result<bool> {
        self.take(at_most.clamp(1, N), Some(Instant::now()), report)
    }

    fn take(
        &self,
        at_most: usize,
        deadline: Option<Instant>,
        mut report: impl FnMut(Ready),
    ) -> io::Result<bool> {
        self.poller.wait(at_most, deadline, |found| {
            report(Ready {
                key: found.key,
                readable: found.ready.input,
                writable: found.ready.output,
                hung_up: found.failed,
            });
        })
    }

    pub(crate) fn outside(&self) -> Outside {
        Outside {
            poller: self.poller.clone(),
        }
    }
}

/// A poll as those see it who only want to know whether it has something to report.
#[derive(Clone, Debug)]
pub(crate) struct Outside {
    poller: Poller,
}

impl Outside {
    /// Has something reported.
    pub(crate) fn wake(&self) {
        self.poller.wake();
    }
}

impl Registry {
    /// Reports what happens to `source` from now on, for as long as it is open, beginning with what
    /// holds already. Only changes are reported, and each once.
    pub(crate) fn add(&self, source: &impl Source, key: u64, interest: Interest) -> io::Result<()> {
        let source = &source.watched().0;
        self.poller.add(source, key, interest.into(), Mode::Edge)
    }

    /// Changes what is reported, and reports what holds already again.
    pub(crate) fn modify(
        &self,
        source: &impl Source,
        key: u64,
        interest: Interest,
    ) -> io::Result<()> {
        self.poller
            .modify(&source.watched().0, key, interest.into())
    }

    /// Reports nothing any more.
    pub(crate) fn remove(&self, source: &impl Source) -> io::Result<()> {
        self.poller.remove(&source.watched().0)
    }

    /// Whether both register with the same poll.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.poller.is_same(&other.poller)
    }
}

#[cfg(unix)]
mod nesting {
    use std::os::fd::{AsFd, BorrowedFd};

    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        io::Errno,
    };
    use zpipe::Signal;

    use super::{Duration, Instant, Outside, Poll, Registry, Watched, io};

    /// A poll can be put into another one, and into a foreign event loop.
    pub(crate) const NESTS: bool = true;

    impl Outside {
        pub(crate) fn is_readable(&self) -> bool {
            let mut polled = [PollFd::new(&self.poller, PollFlags::IN)];
            let at_once = timespec(Duration::ZERO);
            matches!(poll(&mut polled, Some(&at_once)), Ok(1..))
        }
    }

    impl AsFd for Outside {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.poller.as_fd()
        }
    }

    impl AsFd for Watched {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }

    impl Registry {
        /// Puts another poll into this one, or takes it out. While it is in, it is reported as readable for
        /// as long as it has something to report itself: also what was reported before anybody knew the key.
        pub(crate) fn nest(&self, poll: &Poll, key: u64, watch: bool) -> io::Result<()> {
            use io::ErrorKind::{AlreadyExists, NotFound};
            let (done, expected) = if watch {
                (self.poller.nest(&poll.poller, key), AlreadyExists)
            } else {
                (self.poller.unnest(&poll.poller), NotFound)
            };
            match done {
                Err(error) if error.kind() == expected => Ok(()),
                done => done,
            }
        }
    }

    /// What one thread sleeps on, and others wake it by. A wake-up that comes before the sleep ends it.
    #[derive(Debug)]
    pub(crate) struct Bed(Signal);

    impl Bed {
        pub(crate) fn new() -> io::Result<Self> {
            Ok(Self(Signal::new()?))
        }

        pub(crate) fn wake(&self) {
            self.0.signal();
        }

        /// Sleeps until it is woken, at most until the deadline, or until the poll has something to report if that is
        /// watched; or for no reason.
        pub(crate) fn sleep(&self, watched: Option<&Outside>, deadline: Option<Instant>) {
            let timeout = deadline
                .map(|deadline| timespec(deadline.saturating_duration_since(Instant::now())));
            let own = PollFd::new(&self.0, PollFlags::IN);
            let woken = match watched {
                Some(watched) => {
                    let mut both = [own, PollFd::new(&watched.poller, PollFlags::IN)];
                    poll(&mut both, timeout.as_ref()).map(|_| both[0].revents())
                }
                None => {
                    let mut own = [own];
                    poll(&mut own, timeout.as_ref()).map(|_| own[0].revents())
                }
            };
            match woken {
                Ok(revents) if revents.is_empty() => {}
                Ok(_) => self.0.clear(),
                Err(Errno::INTR) => {}
                // Out of memory. The caller comes back, and not at full speed.
                Err(_) => std::thread::park_timeout(Duration::from_millis(1)),
            }
        }
    }

    fn timespec(duration: Duration) -> Timespec {
        // Longer than anybody waits.
        const LONGEST: Duration = Duration::from_secs(i32::MAX.unsigned_abs() as u64);
        Timespec::try_from(duration.min(LONGEST)).unwrap_or_default()
    }
}

#[cfg(windows)]
mod nesting {
    use super::{Duration, Instant, Outside, Poll, Poller, Registry, io};

    /// A poll can be put into another one, and into a foreign event loop.
    pub(crate) const NESTS: bool = false;

    impl Outside {
        /// Nobody outside can be told.
        pub(crate) fn is_readable(&self) -> bool {
            false
        }
    }

    impl Registry {
        /// There is no such thing.
        pub(crate) fn nest(&self, _: &Poll, _: u64, _: bool) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// What one thread sleeps on, and others wake it by. A wake-up that comes before the sleep ends it.
    #[derive(Debug)]
    pub(crate) struct Bed(Poller);

    impl Bed {
        pub(crate) fn new() -> io::Result<Self> {
            Ok(Self(Poller::new()?))
        }

        pub(crate) fn wake(&self) {
            self.0.wake();
        }

        /// Sleeps until it is woken, at most until the deadline, or for no reason. No poll can be watched meanwhile.
        pub(crate) fn sleep(&self, _: Option<&Outside>, deadline: Option<Instant>) {
            if self.0.wait(1, deadline, |_| ()).is_err() {
                // Out of memory. The caller comes back, and not at full speed.
                std::thread::park_timeout(Duration::from_millis(1));
            }
        }
    }
}
