//! An I/O thread's poll, led by a foreign event loop.
//!
//! The thread's whole state goes from hand to hand: it lies in a [`Seat`] while nobody is at it, the foreign loop takes it
//! for each dispatch, and the I/O thread for a moment when a timer is due, or for good when the foreign loop stays away.
//! Nobody has a lock meanwhile. Who may take it is decided by [`Lead`].
//!
//! The I/O thread that follows sleeps on a descriptor of its own. While there is traffic it looks every [`TICK`] whether what
//! the poll reports is handled, so that an event costs it nothing. When all has been quiet it sleeps until the poll has
//! something to report, and begins to tick again.

use std::{
    fmt, io,
    sync::Arc,
    time::{Duration, Instant},
};

use zpipe::{
    Counter, Guarded, Process,
    deferred::{self, Scope},
};

use super::{EVENTS, IS_IO_THREAD, IoThread, Turn};
use crate::{
    io::{
        command::{Command, Remote},
        lead::{Begin, End, Lead, Look},
    },
    poll::{Bed, Outside, Ready},
};

/// How often the I/O thread that follows looks whether it is needed. It takes over after one to two of them.
const TICK: Duration = Duration::from_micros(500);
/// How long a dispatch goes on, unless a single event takes longer.
const SLICE: Duration = Duration::from_micros(200);
/// What the I/O thread handles when a timer is due, before the foreign loop has its turn again.
const BORROWED: usize = 64;

/// The state of an I/O thread, and what it has not handled yet.
pub(crate) struct Held {
    pub(super) thread: IoThread,
    turn: Turn,
}

/// Where a foreign event loop leads an I/O thread's poll from.
#[derive(Debug)]
pub(crate) struct Seat {
    poll: Outside,
    /// Of the I/O thread while it follows.
    bed: Bed,
    remote: Remote,
    state: Guarded<State>,
    process: Process,
    lapses: Counter,
    foreign_panics: Counter,
}

struct State {
    lead: Lead,
    /// There while nobody is at it.
    held: Option<Box<Held>>,
    /// When its next timer is due.
    due: Option<Instant>,
    /// When the I/O thread that follows looks again.
    looks_at: Option<Instant>,
    /// The I/O thread has ended by a panic.
    is_lost: bool,
}

/// What [`Leader::dispatch`](crate::Leader::dispatch) has left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispatched {
    /// Nothing. Wait until the descriptor is readable.
    Idle,
    /// Something: the budget is used up. Call again soon. The descriptor is readable, and is reported as such once more to whoever
    /// is told of changes only.
    More,
}

/// Why nothing is dispatched any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The reactor is gone.
    Stopped,
    /// The I/O thread has ended because of a defect of this library.
    Lost,
    /// This process was forked from the one that leads.
    Forked,
}

impl Held {
    pub(super) fn new(thread: IoThread) -> Self {
        Self {
            turn: Turn::new(&thread.poll),
            thread,
        }
    }

    /// The I/O thread leads, until it is told to stop or to hand over.
    pub(super) fn lead(&mut self) {
        let Self { thread, turn } = self;
        while !(thread.is_over() || thread.hands_over) {
            thread.wait(turn, None);
            thread.work(turn, || true);
            #[cfg(test)]
            assert!(!thread.dies, "on purpose: the thread");
            if thread.timers.next().is_some() {
                thread.fire(Instant::now());
            }
        }
    }

    /// Handles what is there, at most so much, without waiting.
    fn dispatch(&mut self, budget: usize) -> Dispatched {
        let Self { thread, turn } = self;
        thread.ready.unregister_direct();
        // With what is left from the last time the poll has its turn the next time.
        let mut more = thread.has_left(turn) || thread.look(turn, budget);
        let mut pace = Pace::new(budget);
        loop {
            thread.work(turn, || pace.goes_on());
            #[cfg(test)]
            assert!(!thread.dies, "on purpose: the thread");
            if thread.timers.next().is_some() {
                thread.fire(Instant::now());
            }
            // Signals that come from now on make the descriptor readable.
            let is_signalled = thread.ready.register_direct(&turn.waker);
            if thread.is_over() {
                return Dispatched::Idle;
            }
            if !(is_signalled || thread.has_left(turn)) {
                break;
            }
            if pace.is_over() {
                more = true;
                break;
            }
            thread.ready.unregister_direct();
        }
        if more {
            turn.waker.wake_by_ref();
            Dispatched::More
        } else {
            Dispatched::Idle
        }
    }
}

impl IoThread {
    /// Takes what the poll has to report, at most so much, and says whether there may be more.
    fn look(&mut self, turn: &mut Turn, at_most: usize) -> bool {
        let (descriptors, inputs) = (&mut turn.descriptors, &self.inputs);
        let mut nested = false;
        let report = |ready: Ready| {
            // That of a socket is reported for as long as it has something.
            nested |= inputs.contains_key(&ready.key);
            descriptors.push_back(ready);
        };
        // One more, for the poll's own event: else a budget of one would be used up by that, again and again.
        let room = at_most.clamp(1, EVENTS - 1) + 1;
        let looked = self.poll.look::<EVENTS>(room, report);
        // The kernel may be out of memory.
        let Ok(woken) = looked else { return true };
        nested || descriptors.len() + usize::from(woken) >= room
    }
}

/// A budget of things to handle, and of time.
struct Pace {
    left: usize,
    begin: Option<Instant>,
    is_over: bool,
}

impl Pace {
    fn new(budget: usize) -> Self {
        Self {
            left: budget.max(1),
            begin: None,
            is_over: false,
        }
    }

    /// One thing is handled. The clock is looked at from the second one on.
    fn goes_on(&mut self) -> bool {
        self.left -= 1;
        self.is_over = self.left == 0
            || match self.begin {
                Some(begin) => begin.elapsed() >= SLICE,
                None => {
                    self.begin = Some(Instant::now());
                    false
                }
            };
        !self.is_over
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}

impl Seat {
    pub(crate) fn new(remote: &Remote, poll: Outside) -> io::Result<Self> {
        Ok(Self {
            poll,
            bed: Bed::new()?,
            remote: remote.clone(),
            state: Guarded::new(State {
                lead: Lead::new(),
                held: None,
                due: None,
                looks_at: None,
                is_lost: false,
            }),
            process: Process::current(),
            lapses: Counter::new(),
            foreign_panics: Counter::new(),
        })
    }

    // ---- For the foreign loop ----

    /// See [`Leader::dispatch`](crate::Leader::dispatch).
    pub(crate) fn dispatch(self: &Arc<Self>, budget: usize) -> Result<Dispatched, Ended> {
        if self.process.is_forked() {
            return Err(Ended::Forked);
        }
        let mut state = self.state.lock();
        let begin = state.lead.begin_dispatch();
        let held = state.held.take_if(|_| begin == Begin::Dispatch);
        let end = if state.is_lost {
            Ended::Lost
        } else {
            Ended::Stopped
        };
        drop(state);
        let mut held = match (begin, held) {
            (Begin::Dispatch, Some(held)) => held,
            (Begin::Ended, _) => return Err(end),
            (Begin::Ask, _) => {
                // One that has ended says so the next time.
                let _ = (self.remote.commands).post(Command::Lead(Arc::clone(self)));
                return Ok(Dispatched::Idle);
            }
            _ => return Ok(Dispatched::Idle),
        };
        // What this comes upon of foreign code runs last, on this thread, when the state is in its place again.
        let scope = Scope::open();
        let mut dispatched = Err(Ended::Lost);
        deferred::catch(|| {
            // What foreign code is not put off must not wait, as on the I/O thread itself.
            let _marked = Marked::new();
            let done = held.dispatch(budget);
            self.put_back(held, Lead::end_dispatch);
            dispatched = Ok(done);
        });
        self.foreign_panics.add(scope.close());
        dispatched
    }

    /// What it waits for.
    #[cfg(unix)]
    pub(crate) fn poll(&self) -> &Outside {
        &self.poll
    }

    /// Nobody will dispatch any more.
    pub(crate) fn give_up(&self) {
        if !self.process.is_forked() && self.state.lock().lead.give_up() {
            self.bed.wake();
        }
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.state.lock().lead.is_given_up()
    }

    /// How often the I/O thread took over because nobody dispatched.
    pub(crate) fn lapses(&self) -> u64 {
        self.lapses.value()
    }

    pub(crate) fn foreign_panics(&self) -> u64 {
        self.foreign_panics.value()
    }

    // ---- For the I/O thread ----

    /// Hands over to the foreign loop, and follows until this thread is to lead again; `None` if it has nothing to
    /// lead any more.
    pub(super) fn follow(&self, mut held: Box<Held>) -> Option<Box<Held>> {
        // What was reported to the foreign loop and not handled is reported again.
        let Held { thread, turn } = &mut *held;
        let _ = thread.ready.register_direct(&turn.waker);
        let mut next_tick = Instant::now() + TICK;
        {
            let mut state = self.state.lock();
            if !state.lead.hand_over() {
                return Some(held);
            }
            state.due = held.thread.timers.next();
            state.looks_at = None;
            state.held = Some(held);
        }
        self.poll.wake();
        let mut is_watching = false;
        loop {
            let was_busy = self.state.lock().lead.was_busy();
            let is_readable = !was_busy && self.poll.is_readable();
            let now = Instant::now();
            let has_ticked = is_watching || now >= next_tick;
            let mut state = self.state.lock();
            let is_due = state.due.is_some_and(|due| due <= now);
            let look = state.lead.look(is_readable, is_due, has_ticked);
            match look {
                Look::Ended => return None,
                Look::Lead => {
                    if !state.lead.is_given_up() {
                        self.lapses.add(1);
                    }
                    return state.held.take();
                }
                Look::Borrow => {
                    let held = state.held.take();
                    drop(state);
                    let mut held = held?;
                    let _ = held.dispatch(BORROWED);
                    self.put_back(held, Lead::end_borrow);
                    continue;
                }
                Look::Tick if has_ticked => next_tick = now + TICK,
                Look::Tick | Look::Watch => {}
            }
            is_watching = look == Look::Watch;
            let tick = (!is_watching).then_some(next_tick);
            // A timer that is due is looked at by whoever is at it.
            let due = state.due.filter(|due| *due > now);
            let looks_at = tick.into_iter().chain(due).min();
            state.looks_at = looks_at;
            drop(state);
            self.bed.sleep(is_watching.then_some(&self.poll), looks_at);
        }
    }

    /// Everything is closed: the I/O thread has ended, or whoever had its state has lost it.
    pub(super) fn close(&self) {
        {
            let mut state = self.state.lock();
            state.lead.close();
            state.is_lost = std::thread::panicking();
        }
        self.bed.wake();
        self.poll.wake();
    }

    fn put_back(&self, held: Box<Held>, end: impl FnOnce(&mut Lead, bool) -> End) {
        let mut state = self.state.lock();
        let end = end(&mut state.lead, held.thread.is_over());
        state.due = held.thread.timers.next();
        state.held = Some(held);
        let is_late = match (state.due, state.looks_at) {
            (Some(due), Some(looks_at)) => due < looks_at,
            (due, None) => due.is_some(),
            (None, _) => false,
        };
        drop(state);
        if end.report_again {
            self.poll.wake();
        }
        if end.call_back || is_late {
            self.bed.wake();
        }
    }
}

/// This thread does an I/O thread's work.
struct Marked {
    before: bool,
}

impl Marked {
    fn new() -> Self {
        Self {
            before: IS_IO_THREAD.replace(true),
        }
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        IS_IO_THREAD.set(self.before);
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("lead", &self.lead)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
