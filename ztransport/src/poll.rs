//! Waiting for many descriptors: edge-triggered epoll and one event descriptor to be woken by.
//!
//! Descriptors are registered once for reading and writing and never again touched, so the data path
//! makes no call but the wait itself. The event descriptor is edge-triggered too: it does not have to
//! be read to be armed again.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    task::{Wake, Waker},
    time::{Duration, Instant},
};

use rustix::{
    buffer::spare_capacity,
    event::{EventfdFlags, Timespec, epoll, eventfd},
};

/// What happened to a descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) key: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer will send nothing more.
    pub(crate) hung_up: bool,
}

pub(crate) struct Poll {
    epoll: OwnedFd,
    wake: Arc<WakeFd>,
}

/// Room for the events of one wait.
pub(crate) struct Events(Vec<epoll::Event>);

impl Events {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(EVENTS_PER_WAIT))
    }
}

/// Registers descriptors from any thread.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    epoll: Arc<OwnedFd>,
}

struct WakeFd(OwnedFd);

/// Reported for the event descriptor, and never given to anything else.
const WAKE_KEY: u64 = u64::MAX;

const INPUT: epoll::EventFlags = epoll::EventFlags::IN.union(epoll::EventFlags::RDHUP);
const OUTPUT: epoll::EventFlags = epoll::EventFlags::OUT.union(epoll::EventFlags::ET);

const EVENTS_PER_WAIT: usize = 256;

impl Poll {
    pub(crate) fn new() -> io::Result<(Self, Registry)> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let wake = Arc::new(WakeFd(eventfd(0, flags)?));
        let edge = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, &wake.0, epoll::EventData::new_u64(WAKE_KEY), edge)?;
        let registry = Registry {
            epoll: Arc::new(epoll.try_clone()?),
        };
        Ok((Self { epoll, wake }, registry))
    }

    /// Wakes a wait from any thread.
    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.wake))
    }

    /// Waits for events, at most until the deadline, and reports them.
    pub(crate) fn wait(
        &self,
        events: &mut Events,
        deadline: Option<Instant>,
        mut report: impl FnMut(Ready),
    ) -> io::Result<()> {
        let timeout = deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            timespec(left)
        });
        events.0.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut events.0), timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        use epoll::EventFlags as Flags;
        for event in &events.0 {
            let (key, flags) = (event.data.u64(), event.flags);
            if key == WAKE_KEY {
                continue;
            }
            report(Ready {
                key,
                readable: flags.intersects(Flags::IN | Flags::RDHUP | Flags::HUP | Flags::ERR),
                writable: flags.intersects(Flags::OUT | Flags::HUP | Flags::ERR),
                hung_up: flags.intersects(Flags::RDHUP | Flags::HUP | Flags::ERR),
            });
        }
        Ok(())
    }
}

pub(crate) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

impl Registry {
    /// Reports what happens to `source` from now on, for as long as it is open.
    pub(crate) fn add(&self, source: BorrowedFd<'_>, key: u64) -> io::Result<()> {
        debug_assert_ne!(key, WAKE_KEY);
        let flags = INPUT | OUTPUT;
        Ok(epoll::add(
            self.epoll.as_fd(),
            source,
            epoll::EventData::new_u64(key),
            flags,
        )?)
    }

    /// Switches the reports of input off and on. Switching on reports input that is there already.
    pub(crate) fn watch_input(
        &self,
        source: BorrowedFd<'_>,
        key: u64,
        watch: bool,
    ) -> io::Result<()> {
        let flags = if watch { INPUT | OUTPUT } else { OUTPUT };
        Ok(epoll::modify(
            self.epoll.as_fd(),
            source,
            epoll::EventData::new_u64(key),
            flags,
        )?)
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
