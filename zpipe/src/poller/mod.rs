//! Waiting for many descriptors on any system: the crate `polling`, made edge-triggered and safe.
//!
//! No pipe needs it. It is here because a descriptor is given to `polling` with `unsafe`, which no other crate
//! contains. On Linux it is there only with `--cfg zlayers_portable`, for the tests: there epoll itself is faster and
//! needs no `unsafe`.
//!
//! # What makes it safe
//!
//! A descriptor that `polling` waits for must be taken out before it is closed: afterwards its number may belong to another one.
//! Here a descriptor is waited for only inside a [`Watched`], which takes it out of every poller when it goes. If that is
//! leaked, so is the descriptor.
//!
//! # Changes, and not states
//!
//! [`Mode::Edge`] reports each change once. Where the system can do that (epoll, kqueue), it does. Elsewhere
//! (Windows) a direction that was reported is not asked for any more until it is used up: whoever has found that
//! reading or writing would block says so with [`Watched::would_block`]. So for both kinds of systems read and write
//! until that happens, and say it. With `--cfg zlayers_rearm` Linux does as Windows does, for the tests.

mod wake;

use std::{
    collections::HashMap,
    fmt, io,
    num::NonZeroUsize,
    ops::Deref,
    sync::{Arc, Weak},
    task::{Wake, Waker},
    time::Instant,
};

use polling::{Event, Events, PollMode};

use self::wake::Alarm;
use crate::{
    Guarded,
    system::{AsDescriptor, Process, RawDescriptor, borrow, raw},
};

/// Waits whose memory is kept.
const SPARE: usize = 2;

/// Whether the system tells of changes by itself.
const HAS_EDGES: bool = !cfg!(any(windows, zlayers_rearm));

/// Which directions of a descriptor are asked for or reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directions {
    /// Reading.
    pub input: bool,
    /// Writing.
    pub output: bool,
}

impl Directions {
    fn any(self) -> bool {
        self.input || self.output
    }

    fn without(self, other: Self) -> Self {
        Self {
            input: self.input && !other.input,
            output: self.output && !other.output,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            input: self.input && other.input,
            output: self.output && other.output,
        }
    }
}

/// When a descriptor is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// When something changes, beginning with what holds already.
    Edge,
    /// For as long as it holds.
    Level,
}

/// What happened to a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported {
    /// The key that it was added with.
    pub key: u64,
    /// What can be done, or would fail at once.
    pub ready: Directions,
    /// There is an error, or both directions have ended. Not every system tells; reading tells in any case.
    pub failed: bool,
}

/// Waits for any number of descriptors, and is woken from any thread.
///
/// One thread waits at a time. A second one returns at once, with nothing.
///
/// # Platform
///
/// Every system but Linux, and Linux with `--cfg zlayers_portable`.
#[derive(Clone, Debug)]
pub struct Poller {
    shared: Arc<Shared>,
}

struct Shared {
    poller: Watched<polling::Poller>,
    /// Found by the descriptor, which is what it is told apart by there: keys are the caller's, several descriptors may
    /// have the same one, and where a number has 32 bits, it is too small for them.
    sources: Guarded<HashMap<RawDescriptor, Source>>,
    alarm: Alarm,
    /// The memory of waits that are over: of one that waited, and of others that came meanwhile in vain.
    spare: Guarded<Vec<Events>>,
}

struct Source {
    key: u64,
    mode: Mode,
    wanted: Directions,
    /// What is asked for now. Less than is wanted only where the system knows no edges.
    armed: Directions,
}

impl Source {
    fn mode(&self) -> PollMode {
        match self.mode {
            Mode::Level => PollMode::Level,
            Mode::Edge if HAS_EDGES => PollMode::Edge,
            Mode::Edge => PollMode::Oneshot,
        }
    }
}

/// A descriptor that pollers may wait for. It is taken out of all of them before it is dropped.
pub struct Watched<T> {
    by: Guarded<Vec<(RawDescriptor, Weak<Shared>)>>,
    /// A forked child shares the pollers of its parent, which must go on.
    process: Process,
    source: T,
}

fn event(raw: RawDescriptor, directions: Directions) -> io::Result<Event> {
    // The largest number is the poller's own.
    let key = usize::try_from(raw).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(Event::new(key, directions.input, directions.output))
}

impl Poller {
    /// One that waits for nothing yet.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn new() -> io::Result<Self> {
        let poller = Self {
            shared: Arc::new(Shared {
                poller: Watched::new(polling::Poller::new()?),
                sources: Guarded::default(),
                alarm: Alarm::new()?,
                spare: Guarded::default(),
            }),
        };
        poller.shared.alarm.join(&poller)?;
        Ok(poller)
    }

    /// Reports what happens to a descriptor from now on, until it is [removed](Self::remove) or gone.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if it is here already; the operating system's.
    pub fn add(
        &self,
        source: &Watched<impl AsDescriptor>,
        key: u64,
        wanted: Directions,
        mode: Mode,
    ) -> io::Result<()> {
        let raw = raw(&source.source);
        let mut by = source.by.lock();
        let mut sources = self.shared.sources.lock();
        if sources.contains_key(&raw) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let new = Source {
            key,
            mode,
            wanted,
            armed: wanted,
        };
        // SAFETY: the descriptor is open, and noted in its `Watched`, which takes it out of here before it closes it: see
        // there. It gives nothing of it away but shared references, and whatever is `AsFd` or `AsSocket` keeps the
        // descriptor that it has.
        unsafe {
            (self.shared.poller.source).add_with_mode(raw, event(raw, wanted)?, new.mode())?;
        }
        sources.insert(raw, new);
        by.push((raw, Arc::downgrade(&self.shared)));
        Ok(())
    }

    /// Changes the key, and what is reported, and reports what holds already again.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not here; the operating system's.
    pub fn modify(
        &self,
        source: &Watched<impl AsDescriptor>,
        key: u64,
        wanted: Directions,
    ) -> io::Result<()> {
        let raw = raw(&source.source);
        let mut sources = self.shared.sources.lock();
        let known = sources.get_mut(&raw).ok_or(io::ErrorKind::NotFound)?;
        (known.key, known.wanted, known.armed) = (key, wanted, wanted);
        self.shared.arm(raw, known)
    }

    /// Reports nothing of it any more.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not here.
    pub fn remove(&self, source: &Watched<impl AsDescriptor>) -> io::Result<()> {
        let raw = raw(&source.source);
        let is_this = |weak: &Weak<Shared>| std::ptr::eq(weak.as_ptr(), &*self.shared);
        source.by.lock().retain(|(_, weak)| !is_this(weak));
        if self.shared.remove(raw) {
            Ok(())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    /// Puts another poller into this one: it is reported for as long as it has something to report itself.
    ///
    /// # Platform
    ///
    /// Unix. On Windows a poller is no descriptor.
    ///
    /// # Errors
    ///
    /// As for [`add`](Self::add).
    #[cfg(unix)]
    pub fn nest(&self, other: &Self, key: u64) -> io::Result<()> {
        let input = Directions {
            input: true,
            output: false,
        };
        self.add(&other.shared.poller, key, input, Mode::Level)
    }

    /// Takes it out again.
    ///
    /// # Errors
    ///
    /// As for [`remove`](Self::remove).
    #[cfg(unix)]
    pub fn unnest(&self, other: &Self) -> io::Result<()> {
        self.remove(&other.shared.poller)
    }

    /// Whether both are the same one.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Ends the present wait, or the next one, from any thread.
    pub fn wake(&self) {
        self.shared.alarm.ring(&self.shared.poller.source);
    }

    /// Likewise, as a waker. It runs nothing foreign.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.shared))
    }

    /// Waits for events, at most until the deadline, and reports them, at most so many. The next wait reports the others.
    /// Says whether it was [woken](Self::wake): that is told to one wait only. It may also return for no reason.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn wait(
        &self,
        at_most: usize,
        deadline: Option<Instant>,
        mut report: impl FnMut(Reported),
    ) -> io::Result<bool> {
        let shared = &*self.shared;
        let room = NonZeroUsize::new(at_most).unwrap_or(NonZeroUsize::MIN);
        let spare = shared.spare.lock().pop();
        let mut events = spare
            .filter(|events| events.capacity() == room)
            .unwrap_or_else(|| Events::with_capacity(room));
        events.clear();
        let poller = &shared.poller.source;
        match deadline {
            Some(deadline) => poller.wait_deadline(&mut events, deadline)?,
            None => poller.wait(&mut events, None)?,
        };
        let mut rang = false;
        for event in events.iter() {
            if shared.alarm.is_rung_by(event.key) {
                shared.alarm.reset();
                rang = true;
            }
            // What is reported is not foreign code, but need not run under the lock.
            let reported = shared.note(event);
            match reported {
                Some(reported) if !shared.alarm.is_rung_by(event.key) => report(reported),
                _ => {}
            }
        }
        let mut spare = shared.spare.lock();
        if spare.len() < SPARE {
            spare.push(events);
        }
        drop(spare);
        Ok(shared.alarm.has_rung(rang))
    }
}

impl Shared {
    /// Asks for what is armed.
    fn arm(&self, raw: RawDescriptor, source: &Source) -> io::Result<()> {
        // SAFETY: whoever calls has the lock on the sources, in which this one is. Its `Watched` takes that lock before it
        // closes the descriptor.
        let borrowed = unsafe { borrow(raw) };
        let event = event(raw, source.armed)?;
        (self.poller.source).modify_with_mode(borrowed, event, source.mode())
    }

    fn remove(&self, raw: RawDescriptor) -> bool {
        let mut sources = self.sources.lock();
        if sources.remove(&raw).is_none() {
            return false;
        }
        // SAFETY: as in `arm`; it was among the sources until now.
        let borrowed = unsafe { borrow(raw) };
        // Fails only if it is not there.
        let _ = self.poller.source.delete(borrowed);
        true
    }

    /// What has happened to whom. `None` for one that is gone.
    fn note(&self, event: Event) -> Option<Reported> {
        let raw = RawDescriptor::try_from(event.key).ok()?;
        let mut sources = self.sources.lock();
        let source = sources.get_mut(&raw)?;
        let ready = Directions {
            input: event.readable,
            output: event.writable,
        };
        if source.mode == Mode::Edge && !HAS_EDGES {
            // The system asks for nothing any more. What was not reported is asked for again at once.
            source.armed = source.armed.without(ready);
            if source.armed.any() {
                // It was asked for before; without memory for it a reset of the whole connection is noticed later.
                let _ = self.arm(raw, source);
            }
        }
        Some(Reported {
            key: source.key,
            ready,
            failed: event.is_interrupt() || event.is_err() == Some(true),
        })
    }

    /// These directions are used up.
    fn rearm(&self, raw: RawDescriptor, used_up: Directions) {
        let mut sources = self.sources.lock();
        let Some(source) = sources.get_mut(&raw) else {
            return;
        };
        let missing = source.wanted.without(source.armed).and(used_up);
        if source.mode == Mode::Edge && missing.any() {
            source.armed.input |= missing.input;
            source.armed.output |= missing.output;
            // Fails for lack of memory only.
            let _ = self.arm(raw, source);
        }
    }
}

impl<T> Watched<T> {
    /// A descriptor that no poller waits for yet.
    pub fn new(source: T) -> Self {
        Self {
            by: Guarded::default(),
            process: Process::current(),
            source,
        }
    }

    /// Tells that reading or writing would block, so that it is reported when that has changed. Costs nothing where the
    /// system tells of changes by itself.
    #[inline]
    pub fn would_block(&self, used_up: Directions) {
        if !HAS_EDGES {
            self.rearm(used_up);
        }
    }

    fn rearm(&self, used_up: Directions) {
        for (raw, by) in &*self.by.lock() {
            if let Some(poller) = by.upgrade() {
                poller.rearm(*raw, used_up);
            }
        }
    }
}

impl<T> Deref for Watched<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.source
    }
}

impl<T: AsDescriptor> From<T> for Watched<T> {
    fn from(source: T) -> Self {
        Self::new(source)
    }
}

impl<T> Drop for Watched<T> {
    fn drop(&mut self) {
        if self.process.is_forked() {
            return; // Another thread may have had the lock, too.
        }
        // Not under the lock: a poller may go with its last user here, and take itself out of another one.
        let by = std::mem::take(&mut *self.by.lock());
        for (raw, poller) in by {
            if let Some(poller) = poller.upgrade() {
                poller.remove(raw);
            }
        }
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.alarm.ring(&self.poller.source);
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for Poller {
    /// For waiting until it is readable, for nothing else.
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.shared.poller.as_fd()
    }
}

#[cfg(unix)]
impl<T: AsDescriptor> std::os::fd::AsFd for Watched<T> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.source.as_fd()
    }
}

#[cfg(windows)]
impl<T: AsDescriptor> std::os::windows::io::AsSocket for Watched<T> {
    fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
        self.source.as_socket()
    }
}

impl<T: fmt::Debug> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").finish_non_exhaustive()
    }
}

#[cfg(all(test, unix, not(loom), not(miri)))]
mod tests;
