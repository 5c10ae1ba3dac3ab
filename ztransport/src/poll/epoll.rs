//! Edge-triggered epoll and one event descriptor to be woken by.
//!
//! A descriptor is registered when it is opened, and again only when somebody else is to be told of its
//! input or when its output is full, so the data path makes no call but the wait itself. The event
//! descriptor is edge-triggered too: it does not have to be read to be armed again.

use std::{
    io,
    mem::MaybeUninit,
    ops::Deref,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    task::{Wake, Waker},
    time::{Duration, Instant},
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, epoll, eventfd, poll},
    io::Errno,
};
use socket2::Socket;

use super::{Interest, Ready, Source};

/// The system tells that the peer will send nothing more.
pub(crate) const TELLS_END: bool = true;
/// [`Watched::would_block`] does something.
pub(crate) const REARMS: bool = false;
/// A poll can be put into another one, and into a foreign event loop.
pub(crate) const NESTS: bool = true;

/// A socket that polls may wait for.
#[derive(Debug)]
pub(crate) struct Watched(Socket);

impl Watched {
    pub(crate) fn new(socket: Socket) -> Self {
        Self(socket)
    }

    /// Edges need no help.
    #[inline(always)]
    pub(crate) fn would_block(&self, _: Interest) {}
}

impl AsFd for Watched {
    #[inline(always)]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Deref for Watched {
    type Target = Socket;

    #[inline(always)]
    fn deref(&self) -> &Socket {
        &self.0
    }
}

pub(crate) struct Poll {
    epoll: Arc<OwnedFd>,
    wake: Arc<WakeFd>,
}

/// Registers descriptors from any thread.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    epoll: Arc<OwnedFd>,
}

#[derive(Debug)]
struct WakeFd(OwnedFd);

/// Reported for the event descriptor, and never given to anything else.
const WAKE_KEY: u64 = u64::MAX;

impl Interest {
    fn flags(self) -> epoll::EventFlags {
        let mut flags = epoll::EventFlags::ET;
        if self.input {
            flags |= epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
        }
        if self.output {
            flags |= epoll::EventFlags::OUT;
        }
        flags
    }
}

impl Poll {
    pub(crate) fn new() -> io::Result<(Self, Registry)> {
        let epoll = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let wake = Arc::new(WakeFd(eventfd(0, flags)?));
        let edge = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&*epoll, &wake.0, epoll::EventData::new_u64(WAKE_KEY), edge)?;
        let registry = Registry {
            epoll: Arc::clone(&epoll),
        };
        Ok((Self { epoll, wake }, registry))
    }

    /// Wakes a wait from any thread.
    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.wake))
    }

    /// Waits for events, at most until the deadline, and reports them, at most `N`. The next wait reports
    /// the others. Says whether the waker was used: that is told to one wait only.
    pub(crate) fn wait<const N: usize>(
        &self,
        deadline: Option<Instant>,
        report: impl FnMut(Ready),
    ) -> io::Result<bool> {
        let timeout = deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            timespec(left)
        });
        self.take::<N>(N, timeout.as_ref(), report)
    }

    /// Like [`wait`](Self::wait), and fails with `Interrupted` when a signal handler has run in this thread. It waits by another
    /// system call: an `epoll_wait` also ends when the process was stopped and goes on, though no handler has run.
    pub(crate) fn wait_interruptible<const N: usize>(
        &self,
        deadline: Option<Instant>,
        report: impl FnMut(Ready),
    ) -> io::Result<bool> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left != Some(Duration::ZERO) {
            let mut polled = [PollFd::new(&*self.epoll, PollFlags::IN)];
            poll(&mut polled, left.map(timespec).as_ref())?;
        }
        self.look::<N>(N, report)
    }

    /// Like [`wait`](Self::wait), without waiting, and for at most so many events.
    pub(crate) fn look<const N: usize>(
        &self,
        at_most: usize,
        report: impl FnMut(Ready),
    ) -> io::Result<bool> {
        let at_once = timespec(Duration::ZERO);
        self.take::<N>(at_most.clamp(1, N), Some(&at_once), report)
    }

    fn take<const N: usize>(
        &self,
        at_most: usize,
        timeout: Option<&Timespec>,
        mut report: impl FnMut(Ready),
    ) -> io::Result<bool> {
        let mut room = [const { MaybeUninit::uninit() }; N];
        let events = match epoll::wait(&*self.epoll, &mut room[..at_most], timeout) {
            Ok((events, _)) => events,
            Err(Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        use epoll::EventFlags as Flags;
        let mut woken = false;
        for event in events {
            let (key, flags) = (event.data.u64(), event.flags);
            if key == WAKE_KEY {
                woken = true;
                continue;
            }
            report(Ready {
                key,
                readable: flags.intersects(Flags::IN | Flags::RDHUP | Flags::HUP | Flags::ERR),
                writable: flags.intersects(Flags::OUT | Flags::HUP | Flags::ERR),
                hung_up: flags.intersects(Flags::RDHUP | Flags::HUP | Flags::ERR),
            });
        }
        Ok(woken)
    }
}

/// A poll as those see it who only want to know whether it has something to report.
#[derive(Clone, Debug)]
pub(crate) struct Outside {
    epoll: Arc<OwnedFd>,
    wake: Arc<WakeFd>,
}

impl Poll {
    pub(crate) fn outside(&self) -> Outside {
        Outside {
            epoll: Arc::clone(&self.epoll),
            wake: Arc::clone(&self.wake),
        }
    }
}

impl Outside {
    /// Has something reported.
    pub(crate) fn wake(&self) {
        self.wake.wake_by_ref();
    }

    pub(crate) fn is_readable(&self) -> bool {
        let mut polled = [PollFd::new(&*self.epoll, PollFlags::IN)];
        let at_once = timespec(Duration::ZERO);
        matches!(poll(&mut polled, Some(&at_once)), Ok(1..))
    }
}

impl AsFd for Outside {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// What one thread sleeps on, and others wake it by. A wake-up that comes before the sleep ends it.
#[derive(Debug)]
pub(crate) struct Bed(OwnedFd);

impl Bed {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?))
    }

    pub(crate) fn wake(&self) {
        // As for `WakeFd`.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    /// Sleeps until it is woken, at most until the deadline, or until the poll has something to report if that is
    /// watched; or for no reason.
    pub(crate) fn sleep(&self, watched: Option<&Outside>, deadline: Option<Instant>) {
        let timeout =
            deadline.map(|deadline| timespec(deadline.saturating_duration_since(Instant::now())));
        let own = PollFd::new(&self.0, PollFlags::IN);
        let woken = match watched {
            Some(watched) => {
                let mut both = [own, PollFd::new(&*watched.epoll, PollFlags::IN)];
                poll(&mut both, timeout.as_ref()).map(|_| both[0].revents())
            }
            None => {
                let mut own = [own];
                poll(&mut own, timeout.as_ref()).map(|_| own[0].revents())
            }
        };
        match woken {
            Ok(revents) if revents.is_empty() => {}
            Ok(_) => {
                let _ = rustix::io::read(&self.0, &mut [0; 8]);
            }
            Err(Errno::INTR) => {}
            // Out of memory. The caller comes back, and not at full speed.
            Err(_) => std::thread::park_timeout(Duration::from_millis(1)),
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

impl Registry {
    /// Reports what happens to `source` from now on, for as long as it is open, beginning with what
    /// holds already. Only changes are reported, and each once.
    pub(crate) fn add(&self, source: &impl Source, key: u64, interest: Interest) -> io::Result<()> {
        debug_assert_ne!(key, WAKE_KEY);
        let data = epoll::EventData::new_u64(key);
        Ok(epoll::add(
            self.epoll.as_fd(),
            source.watched().as_fd(),
            data,
            interest.flags(),
        )?)
    }

    /// Changes what is reported, and reports what holds already again.
    pub(crate) fn modify(
        &self,
        source: &impl Source,
        key: u64,
        interest: Interest,
    ) -> io::Result<()> {
        let data = epoll::EventData::new_u64(key);
        Ok(epoll::modify(
            self.epoll.as_fd(),
            source.watched().as_fd(),
            data,
            interest.flags(),
        )?)
    }

    /// Reports nothing any more.
    pub(crate) fn remove(&self, source: &impl Source) -> io::Result<()> {
        Ok(epoll::delete(self.epoll.as_fd(), source.watched().as_fd())?)
    }

    /// Puts another poll into this one, or takes it out. While it is in, it is reported as readable for
    /// as long as it has something to report itself: also what was reported before anybody knew the key.
    pub(crate) fn nest(&self, poll: &Poll, key: u64, watch: bool) -> io::Result<()> {
        let (epoll, nested) = (self.epoll.as_fd(), poll.epoll.as_fd());
        if watch {
            let data = epoll::EventData::new_u64(key);
            match epoll::add(epoll, nested, data, epoll::EventFlags::IN) {
                Err(Errno::EXIST) => {}
                added => added?,
            }
        } else {
            // Not only its reports switched off: those cost whoever sends something here.
            match epoll::delete(epoll, nested) {
                Err(Errno::NOENT) => {}
                deleted => deleted?,
            }
        }
        Ok(())
    }

    /// Whether both register with the same poll.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.epoll, &other.epoll)
    }
}

impl Wake for WakeFd {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Fails only when the counter is at its limit, which no process lives to see.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}
