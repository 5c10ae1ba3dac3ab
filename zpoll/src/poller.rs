//! The poller.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    io,
    task::Poll,
    time::{Duration, Instant},
};

use zpipe::{AsDescriptor, Interrupted, Notifier, Process, Readiness, ReadySet, Spinner};
use zsocket::{Error, Interest};

use crate::{
    AddError, Event, Events, Source,
    descriptors::{AnyDescriptor, Descriptors},
    streams::Streams,
};

/// Tokens of the list that are no keys.
const WAKE: u64 = u64::MAX;
const AGAIN: u64 = u64::MAX - 1;

/// How often a task looks while signals keep coming, before others have their turn.
const LOOKS: u32 = 16;

/// Waits for any number of sockets and descriptors. See the [crate's documentation](crate).
///
/// # Examples
///
/// A socket and a descriptor:
///
/// ```
/// use std::{io::Write, os::unix::net::UnixStream, time::Duration};
/// use zpoll::{Events, Interest, Poller};
/// use zsocket::{Context, Pull};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pull = Context::new().socket::<Pull>()?;
/// pull.bind("inproc://tasks")?;
/// let (stream, mut other) = UnixStream::pair()?;
///
/// let mut poller = Poller::new();
/// poller.add(&pull, 0, Interest::RECV)?;
/// poller.add_fd(&stream, 1, Interest::RECV)?;
/// let mut events = Events::new();
/// poller.wait(&mut events, Some(Duration::ZERO))?;
/// assert!(events.is_empty());
///
/// other.write_all(b"hello")?;
/// poller.wait(&mut events, None)?;
/// assert_eq!(events.iter().next().unwrap().key, 1);
/// # Ok(())
/// # }
/// ```
pub struct Poller<'a> {
    /// Whom the sockets signal. Before these, so that they find it alive.
    ready: ReadySet,
    sockets: HashMap<usize, Slot<'a>>,
    /// Keys of those that have to be looked at: they have signalled, or were ready at the last look. Each once.
    candidates: VecDeque<usize>,
    /// Made when they are needed for the first time.
    descriptors: Option<Descriptors<'a>>,
    /// What it reads itself while it waits.
    streams: Streams,
    /// A foreign event loop waits for the poller's descriptor.
    lent: bool,
    again: Notifier,
    spinner: Spinner,
    /// A wait ends when a signal handler has run.
    interruptible: bool,
    /// A forked child shares the descriptors with its parent, whose sleep it must not disturb.
    process: Process,
}

struct Slot<'a> {
    source: Source<'a>,
    interest: Interest,
    is_candidate: bool,
    /// Its streams join those that the poller reads, or it is noted that they shall.
    joins: bool,
}

/// Ends the present or the next wait of a [`Poller`], from any thread.
#[derive(Clone, Debug)]
pub struct PollWaker(Notifier);

impl PollWaker {
    /// Ends the wait. If none is under way, ends the next one at once. Many calls before that count as one.
    pub fn wake(&self) {
        self.0.notify(Readiness::MAIL);
    }
}

impl<'a> Poller<'a> {
    /// A poller that waits for nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let ready = ReadySet::new();
        Self {
            again: ready.notifier(AGAIN),
            ready,
            sockets: HashMap::new(),
            candidates: VecDeque::new(),
            descriptors: None,
            streams: Streams::default(),
            lent: false,
            spinner: Spinner::new(),
            interruptible: false,
            process: Process::current(),
        }
    }

    // ---- What is waited for ----

    /// Waits for a socket from now on, under a key of the caller's choice, which its events bear. With an interest of
    /// [`NONE`](Interest::NONE) it is not reported until that is [changed](Self::modify).
    ///
    /// # Errors
    ///
    /// [`AddError::KeyInUse`]; [`AddError::Socket`] if a poller waits for it already, be it this one under another key, and in a
    /// forked child.
    pub fn add(
        &mut self,
        socket: impl Into<Source<'a>>,
        key: usize,
        interest: Interest,
    ) -> Result<(), AddError> {
        self.check_key(key)?;
        let source = socket.into();
        let notifier = self.ready.notifier(key as u64);
        if let Some(watched) = source.look(|socket| socket.watch(notifier)) {
            watched?;
        }
        let slot = Slot {
            source,
            interest,
            is_candidate: false,
            joins: false,
        };
        self.sockets.insert(key, slot);
        self.nominate(key);
        Ok(())
    }

    /// Waits for a descriptor from now on, of a socket, a pipe, a terminal or the like, likewise. [`RECV`](Interest::RECV)
    /// is to read, [`SEND`](Interest::SEND) to write.
    ///
    /// # Platform
    ///
    /// Whatever is `AsFd`; on Windows sockets, which are `AsSocket`.
    ///
    /// # Errors
    ///
    /// [`AddError::KeyInUse`]; [`AddError::System`] for a plain file, for one that is here already, and without descriptors left.
    pub fn add_fd(
        &mut self,
        fd: impl AsDescriptor + 'a,
        key: usize,
        interest: Interest,
    ) -> Result<(), AddError> {
        self.check_key(key)?;
        self.descriptors()?
            .add(AnyDescriptor::new(fd), key, interest)?;
        Ok(())
    }

    /// Changes what is of interest about a socket or descriptor.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none with this key; the system's error about a descriptor.
    pub fn modify(&mut self, key: usize, interest: Interest) -> io::Result<()> {
        self.check_process()?;
        if let Some(slot) = self.sockets.get_mut(&key) {
            slot.interest = interest;
            self.nominate(key);
            return Ok(());
        }
        let modified = (self.descriptors.as_mut()).and_then(|all| all.modify(key, interest));
        modified.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
    }

    /// Waits no more for a socket or descriptor; says whether there was one with this key. Events that an earlier wait has
    /// reported stay where they are. Each of the socket's connections goes back to its I/O thread, so to look away for a moment
    /// [`modify`](Self::modify) to [`NONE`](Interest::NONE) costs less.
    pub fn remove(&mut self, key: usize) -> bool {
        if self.process.is_forked() {
            return false;
        }
        if let Some(slot) = self.sockets.remove(&key) {
            slot.source.look(|socket| socket.unwatch());
            self.streams.forget(key);
            if slot.is_candidate {
                self.candidates.retain(|candidate| *candidate != key);
            }
            if self.sockets.is_empty() {
                // The next ones may be of another I/O thread.
                self.streams = Streams::default();
            }
            return true;
        }
        (self.descriptors.as_mut()).is_some_and(|all| all.remove(key))
    }

    /// How many sockets are waited for. One that is closed and was registered as a `Weak` counts until the next wait.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.sockets.len()
    }

    /// Ends waits of this poller.
    #[must_use]
    pub fn waker(&self) -> PollWaker {
        PollWaker(self.ready.notifier(WAKE))
    }

    fn check_process(&self) -> io::Result<()> {
        if self.process.is_forked() {
            return Err(io::Error::other(Error::Forked));
        }
        Ok(())
    }

    fn check_key(&self, key: usize) -> Result<(), AddError> {
        if self.process.is_forked() {
            return Err(AddError::Socket(Error::Forked));
        }
        let is_in_use = key as u64 >= AGAIN
            || self.sockets.contains_key(&key)
            || (self.descriptors.as_ref()).is_some_and(|all| all.contains(key));
        if is_in_use {
            return Err(AddError::KeyInUse(key));
        }
        Ok(())
    }

    fn descriptors(&mut self) -> io::Result<&mut Descriptors<'a>> {
        if self.descriptors.is_none() {
            self.descriptors = Some(Descriptors::new(&self.ready)?);
        }
        self.descriptors
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    // ---- Waiting ----

    /// Whether a [`wait`](Self::wait) that finds nothing ends when a signal handler has run in its thread meanwhile, with
    /// [`Interrupted`](io::ErrorKind::Interrupted). Default false: it goes on waiting. Linux only.
    pub fn set_interruptible(&mut self, interruptible: bool) {
        self.interruptible = interruptible;
    }

    /// Waits until something is ready, the timeout is over (`None` is never) or the [waker](Self::waker) is used, and reports
    /// all that is ready.
    ///
    /// # Errors
    ///
    /// The system's, if it cannot wait for descriptors; [`Error::Forked`] in a forked child;
    /// [`Interrupted`](io::ErrorKind::Interrupted) if that is [wanted](Self::set_interruptible). On an I/O thread, which foreign
    /// code may find itself on, the wait is over at once.
    pub fn wait(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        self.check_process()?;
        // A time beyond the end of the clock is for ever.
        let deadline = timeout.map(|timeout| Instant::now().checked_add(timeout));
        let deadline = deadline.flatten();
        let waits = timeout != Some(Duration::ZERO) && !ztransport::is_io_thread();
        ztransport::uncork();
        self.streams.note_wait();
        loop {
            events.clear();
            self.look(events);
            if !waits && !events.has_any() && self.look_at_streams() {
                self.look_at_candidates(events);
            }
            let is_idle = !events.has_any()
                && waits
                && deadline.is_none_or(|deadline| Instant::now() < deadline);
            if is_idle {
                let slept = self.sleep(deadline, events)?;
                // Sockets that have signalled meanwhile.
                self.look(events);
                if slept.is_err() && self.interruptible && !events.has_any() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
            } else {
                match self.look_at_descriptors(Some(Instant::now()), events) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    looked => looked?,
                }
            }
            if !is_idle || events.has_any() {
                self.announce_rest();
                return Ok(());
            }
        }
    }

    /// Like [`wait`](Self::wait) without a timeout, for a task of whatever executor. There must be no descriptors in the
    /// poller: only the executor can wait for these.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is used up by a wait. A waker that was used before the future was dropped ends the next wait.
    ///
    /// # Errors
    ///
    /// `Unsupported` if there are descriptors in the poller.
    pub async fn wait_async(&mut self, events: &mut Events) -> io::Result<()> {
        self.check_process()?;
        if self.has_descriptors() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        /// What is cancelled leaves no waker behind.
        struct Waiting<'p, 'a>(&'p mut Poller<'a>);
        impl Drop for Waiting<'_, '_> {
            fn drop(&mut self) {
                self.0.ready.unregister();
            }
        }
        let waiting = Waiting(self);
        poll_fn(|context| {
            ztransport::uncork();
            for _ in 0..LOOKS {
                events.clear();
                waiting.0.look(events);
                if events.has_any() {
                    waiting.0.announce_rest();
                    return Poll::Ready(Ok(()));
                }
                // A task does not read.
                waiting.0.streams.give_back();
                if !waiting.0.ready.register(context.waker()) {
                    return Poll::Pending;
                }
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }

    /// A descriptor for foreign event loops. It is readable whenever a wait may find something: after each signal, and for as
    /// long as what the last wait has reported was not looked at again. So a loop that is level-triggered may call
    /// [`wait`](Self::wait) with a timeout of zero whenever the descriptor is readable, and need not use up everything that was
    /// reported: there is no edge to miss. Only waits make it unreadable; before the loop waits for the first time, call
    /// `wait` once.
    ///
    /// # Platform
    ///
    /// Unix. Windows has no descriptors of this kind.
    ///
    /// # Errors
    ///
    /// The system's, if it has no descriptors left.
    #[cfg(unix)]
    pub fn fd(&mut self) -> io::Result<std::os::fd::BorrowedFd<'_>> {
        self.check_process()?;
        self.lent = true;
        self.streams.give_back();
        let descriptors: &Descriptors<'a> = self.descriptors()?;
        Ok(std::os::fd::AsFd::as_fd(descriptors))
    }

    /// Reports which sockets are ready now.
    fn look(&mut self, events: &mut Events) {
        self.take_signals(events);
        self.look_at_candidates(events);
    }

    /// What was reported may be looked at again by whoever waits for the poller's descriptor.
    fn announce_rest(&self) {
        if self.lent && !self.candidates.is_empty() {
            self.again.notify(Readiness::MAIL);
        }
    }

    fn take_signals(&mut self, events: &mut Events) {
        let (sockets, candidates) = (&mut self.sockets, &mut self.candidates);
        self.ready.drain(|token, _| match usize::try_from(token) {
            _ if token == WAKE => events.woken = true,
            Ok(key) => {
                // One that was removed may have signalled before.
                if let Some(slot) = sockets.get_mut(&key)
                    && !std::mem::replace(&mut slot.is_candidate, true)
                {
                    candidates.push_back(key);
                }
            }
            Err(_) => {}
        });
    }

    fn nominate(&mut self, key: usize) {
        if let Some(slot) = self.sockets.get_mut(&key)
            && !std::mem::replace(&mut slot.is_candidate, true)
        {
            self.candidates.push_back(key);
            if self.lent {
                self.again.notify(Readiness::MAIL);
            }
        }
    }

    fn look_at_candidates(&mut self, events: &mut Events) {
        for _ in 0..self.candidates.len() {
            let Some(key) = self.candidates.pop_front() else {
                return;
            };
            let Some(slot) = self.sockets.get_mut(&key) else {
                continue;
            };
            let ready = slot.source.look(|socket| socket.readiness(slot.interest));
            let Some(ready) = ready else {
                self.sockets.remove(&key);
                continue;
            };
            if !std::mem::replace(&mut slot.joins, true) {
                self.streams.may_join(key);
            }
            slot.is_candidate = !ready.is_none();
            if slot.is_candidate {
                self.candidates.push_back(key);
                let failed = false;
                events.list.push(Event { key, ready, failed });
            }
        }
        // The next look begins with another one.
        if !self.candidates.is_empty() {
            self.candidates.rotate_left(1);
        }
    }

    /// Sleeps; says whether a signal handler has ended that.
    fn sleep(
        &mut self,
        deadline: Option<Instant>,
        events: &mut Events,
    ) -> io::Result<Result<(), Interrupted>> {
        if self.reads() {
            return Ok(self.sleep_and_read(deadline));
        }
        let ready = &mut self.ready;
        let found = self.spinner.until(|| !ready.is_empty());
        if self.has_descriptors() {
            // Also while sockets signal again and again.
            let deadline = if found {
                Some(Instant::now())
            } else {
                deadline
            };
            return match self.look_at_descriptors(deadline, events) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Err(Interrupted)),
                looked => looked.map(Ok),
            };
        }
        let waited = match (found, self.interruptible) {
            (true, _) => Ok(()),
            (false, true) => self.ready.wait_interruptible(deadline).map(drop),
            (false, false) => {
                self.ready.wait(deadline);
                Ok(())
            }
        };
        Ok(waited)
    }

    // ---- Reading ----

    /// Whether the next sleep is one in which this thread reads.
    fn reads(&mut self) -> bool {
        if self.lent || self.has_descriptors() {
            // These waits look at descriptors only.
            self.streams.give_back();
            return false;
        }
        let sockets = &mut self.sockets;
        self.streams.begin(|poll, key| {
            if let Some(slot) = sockets.get_mut(&key) {
                let joined = slot.source.look(|socket| socket.lead(poll, key as u64));
                slot.joins = joined == Some(true);
            }
        })
    }

    /// Sleeps until there is input or a signal, and reads.
    fn sleep_and_read(&mut self, deadline: Option<Instant>) -> Result<(), Interrupted> {
        let spinner = &mut self.spinner;
        let waited = (self.streams).wait(&mut self.ready, spinner, deadline, self.interruptible);
        self.read_streams();
        waited
    }

    /// Looks for input that is left to this thread; whether there is some.
    fn look_at_streams(&mut self) -> bool {
        let found = self.streams.look();
        if found {
            self.read_streams();
        }
        found
    }

    fn read_streams(&mut self) {
        while let Some(arrived) = self.streams.pop() {
            // One that was removed is the I/O thread's again.
            let key = arrived.token as usize;
            if let Some(slot) = self.sockets.get(&key) {
                slot.source.look(|socket| socket.read_stream(arrived));
                self.nominate(key);
            }
        }
    }

    fn has_descriptors(&self) -> bool {
        self.descriptors.as_ref().is_some_and(|all| !all.is_empty())
    }

    fn look_at_descriptors(
        &mut self,
        deadline: Option<Instant>,
        events: &mut Events,
    ) -> io::Result<()> {
        match self.descriptors.as_ref().filter(|all| !all.is_empty()) {
            None => Ok(()),
            Some(all) => all.wait(&mut self.ready, deadline, |event| events.list.push(event)),
        }
    }
}

impl Default for Poller<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Poller<'_> {
    fn drop(&mut self) {
        if self.process.is_forked() {
            // The parent's, and somebody may have held its locks.
            let ready = std::mem::take(&mut self.ready);
            std::mem::forget((ready, std::mem::take(&mut self.sockets)));
            std::mem::forget((self.descriptors.take(), self.again.clone()));
            std::mem::forget(std::mem::take(&mut self.streams));
            return;
        }
        self.streams.give_back();
        for slot in self.sockets.values() {
            slot.source.look(|socket| socket.unwatch());
        }
    }
}

impl std::fmt::Debug for Poller<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poller")
            .field("sockets", &self.sockets.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use zsocket::{Context, Pull, Push};

    use super::*;

    const A_MOMENT: Duration = Duration::from_millis(1);
    const PATIENCE: Duration = Duration::from_secs(30);

    /// The first waits are left to I/O threads, as are all that look at descriptors and those of tasks.
    #[test]
    fn who_sleeps_again_and_again_reads_itself() {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let bound = pull.bind("tcp://127.0.0.1:*").unwrap();
        let push = context.socket::<Push>().unwrap();
        push.connect(bound).unwrap();
        pull.wait_connected(1, PATIENCE).unwrap();
        let mut poller = Poller::new();
        poller.add(&pull, 0, Interest::RECV).unwrap();
        let mut events = Events::new();
        let mut sleep = |poller: &mut Poller<'_>| {
            poller.wait(&mut events, Some(A_MOMENT)).unwrap();
            poller.streams.are_read_here()
        };
        assert!(!sleep(&mut poller));
        while !sleep(&mut poller) {}
        poller.fd().unwrap();
        assert!(!sleep(&mut poller));
        poller.lent = false;
        assert!(sleep(&mut poller));
        assert!(poller.remove(0));
        poller.add(&pull, 1, Interest::RECV).unwrap();
        while !sleep(&mut poller) {}
        push.send("hello").unwrap();
        poller.wait(&mut events, Some(PATIENCE)).unwrap();
        assert_eq!(pull.try_recv().unwrap()[0], "hello");
    }
}
