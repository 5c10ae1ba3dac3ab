//! The ways a consumer waits: parked thread, task waker, or a pollable descriptor made lazily.
//!
//! All three are a [`Waker`] in one slot, guarded by one state word:
//!
//! | state | meaning |
//! |---|---|
//! | `IDLE` | nobody waits; signalling costs a fence and a load |
//! | `WAITING` | the slot's waker must be woken; who swaps the state back to `IDLE` does it |
//!
//! The consumer stores `WAITING` and then looks for work; the signaller stores work and then looks
//! at the state. A fence between the two on both sides means that at least one sees the other.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    task::{Wake, Waker},
    time::Instant,
};

use rustix::event::EventfdFlags;

use crate::{
    deferred,
    guarded::Guarded,
    sync::{AtomicU8, OnceLock, Ordering, or_mutant, publish},
};

const IDLE: u8 = 0;
const WAITING: u8 = 1;

pub(crate) struct Waiter {
    state: AtomicU8,
    /// Only locked to begin a wait and to end one, never while data flows, and never while a waker is
    /// cloned, woken or dropped.
    slot: Guarded<Option<Sleeper>>,
    event: OnceLock<Event>,
}

/// Who waits.
enum Sleeper {
    /// Its waker runs nothing foreign. Kept in the slot, so that a consumer which waits again and again
    /// does not have to make it anew.
    Direct(Waker),
    /// Its waker may do anything. See [`deferred`].
    Task(Waker),
}

impl Sleeper {
    fn is(&self, waker: &Waker) -> bool {
        let (Self::Direct(own) | Self::Task(own)) = self;
        own.will_wake(waker)
    }

    fn let_go(self) {
        let (Self::Direct(waker) | Self::Task(waker)) = self;
        deferred::drop_waker(waker);
    }
}

impl Waiter {
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU8::new(IDLE),
            slot: Guarded::default(),
            event: OnceLock::new(),
        }
    }

    /// Announces a task. It must look for work *after* this call.
    pub(crate) fn register(&self, waker: &Waker) {
        self.announce(waker, Sleeper::Task);
    }

    /// Announces a consumer whose waker runs nothing foreign, likewise.
    pub(crate) fn register_direct(&self, waker: &Waker) {
        self.announce(waker, Sleeper::Direct);
    }

    fn announce(&self, waker: &Waker, sleeper: fn(Waker) -> Sleeper) {
        let known = (self.slot.lock().as_ref()).is_some_and(|sleeper| sleeper.is(waker));
        if or_mutant!(!known, self.slot.lock().is_none()) {
            let sleeper = sleeper(waker.clone());
            let old = self.slot.lock().replace(sleeper);
            if let Some(old) = old {
                old.let_go();
            }
        }
        self.state.swap(WAITING, Ordering::AcqRel);
        publish();
    }

    /// Ends a wait, and keeps the waker for the next one.
    pub(crate) fn unregister(&self) {
        self.state.swap(IDLE, Ordering::AcqRel);
    }

    /// Ends a wait, and drops the waker, which may keep a whole task alive.
    pub(crate) fn forget(&self) {
        self.unregister();
        let old = or_mutant!(self.slot.lock().take(), None);
        if let Some(old) = old {
            old.let_go();
        }
    }

    /// Wakes the consumer if it waits. `was_empty` says that the work just stored is the first,
    /// which is when the descriptor has to become readable.
    #[inline]
    pub(crate) fn wake(&self, was_empty: bool) {
        publish();
        if self.state.load(Ordering::Relaxed) == WAITING
            && or_mutant!(self.state.swap(IDLE, Ordering::AcqRel) == WAITING, true)
        {
            self.wake_sleeper();
        }
        if was_empty && let Some(event) = self.event.get() {
            event.signal();
        }
    }

    #[inline(never)]
    fn wake_sleeper(&self) {
        let mut slot = self.slot.lock();
        match &*slot {
            None => {}
            Some(Sleeper::Direct(waker)) => {
                let waker = waker.clone();
                drop(slot);
                waker.wake();
            }
            Some(Sleeper::Task(_)) => {
                let task = slot.take();
                drop(slot);
                if let Some(Sleeper::Task(waker)) = task {
                    or_mutant!(deferred::wake(waker), waker.wake());
                }
            }
        }
    }

    /// Called before the work is taken, so that work stored in between signals again. Says whether
    /// there is a descriptor.
    #[inline]
    pub(crate) fn clear_fd(&self) -> bool {
        let Some(event) = self.event.get() else {
            return false;
        };
        event.clear();
        true
    }

    pub(crate) fn fd(&self, has_work: impl Fn() -> bool) -> io::Result<BorrowedFd<'_>> {
        if let Some(event) = self.event.get() {
            return Ok(event.fd.as_fd());
        }
        let event = Event::new()?;
        let event = self.event.get_or_init(|| event);
        publish();
        if or_mutant!(has_work(), false) {
            event.signal();
        }
        Ok(event.fd.as_fd())
    }
}

/// A descriptor that is readable from `signal` to `clear`.
struct Event {
    fd: OwnedFd,
    /// Shows loom that the order of the system calls matters.
    #[cfg(loom)]
    order: AtomicU8,
}

impl Event {
    fn new() -> io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Self {
            fd: rustix::event::eventfd(0, flags)?,
            #[cfg(loom)]
            order: AtomicU8::new(0),
        })
    }

    fn signal(&self) {
        #[cfg(loom)]
        self.order.fetch_add(1, Ordering::Relaxed);
        // Fails only when the counter is at its limit, and then the descriptor is readable anyway.
        let _ = rustix::io::write(&self.fd, &1u64.to_ne_bytes());
    }

    fn clear(&self) {
        #[cfg(loom)]
        self.order.fetch_add(1, Ordering::Relaxed);
        // Does not block: an error only says that it was clear already.
        let _ = rustix::io::read(&self.fd, &mut [0; 8]);
    }
}

/// Parks this thread until `has_work` or the deadline; says whether there is work.
pub(crate) fn block_on_waiter(
    waiter: &Waiter,
    deadline: Option<Instant>,
    has_work: impl Fn() -> bool,
) -> bool {
    if has_work() {
        return true;
    }
    let parker = Parker::new();
    loop {
        waiter.register_direct(parker.waker());
        if or_mutant!(has_work(), false) {
            waiter.unregister();
            return true;
        }
        if !parker.park(deadline) {
            or_mutant!(waiter.unregister(), ());
            return or_mutant!(has_work(), false);
        }
    }
}

/// How a thread sleeps, and the waker that ends its sleep.
#[cfg(not(loom))]
struct Parker(Waker);

#[cfg(not(loom))]
impl Parker {
    fn new() -> Self {
        struct Unpark(std::thread::Thread);
        impl Wake for Unpark {
            fn wake(self: std::sync::Arc<Self>) {
                self.0.unpark();
            }
            fn wake_by_ref(self: &std::sync::Arc<Self>) {
                self.0.unpark();
            }
        }
        fn make() -> Waker {
            Waker::from(std::sync::Arc::new(Unpark(std::thread::current())))
        }
        // One for all waits of a thread, so that waiting does not allocate; except in the
        // destructors of other thread-locals, when it may be gone.
        thread_local! {
            static WAKER: Waker = make();
        }
        Self(WAKER.try_with(Clone::clone).unwrap_or_else(|_| make()))
    }

    fn waker(&self) -> &Waker {
        &self.0
    }

    /// Sleeps until the waker is used, or for no reason; `false` when the deadline has passed.
    fn park(&self, deadline: Option<Instant>) -> bool {
        let Some(deadline) = deadline else {
            std::thread::park();
            return true;
        };
        let now = Instant::now();
        if now >= deadline {
            return false;
        }
        std::thread::park_timeout(deadline - now);
        true
    }
}

#[cfg(loom)]
struct Parker {
    waker: Waker,
    sleep: std::sync::Arc<Sleep>,
}

/// Not loom's own `park`: its `unpark` also ends any other wait of the thread, such as a join.
#[cfg(loom)]
struct Sleep(loom::sync::Notify);

#[cfg(loom)]
impl Wake for Sleep {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.notify();
    }
}

#[cfg(loom)]
impl Parker {
    fn new() -> Self {
        // One for all waits of a thread, as above: what an earlier wait has left behind is explored, too.
        loom::thread_local! {
            static SLEEP: std::sync::Arc<Sleep> =
                std::sync::Arc::new(Sleep(loom::sync::Notify::new()));
        }
        let sleep = SLEEP.with(std::sync::Arc::clone);
        Self {
            waker: Waker::from(std::sync::Arc::clone(&sleep)),
            sleep,
        }
    }

    fn waker(&self) -> &Waker {
        &self.waker
    }

    /// There is no clock, and other threads may do anything before this one comes here, so it is enough
    /// to say that every deadline has passed.
    fn park(&self, deadline: Option<Instant>) -> bool {
        if deadline.is_some() {
            return false;
        }
        self.sleep.0.wait();
        true
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_ran_out_of_time_is_over() {
        let waiter = Waiter::new();
        assert!(!block_on_waiter(&waiter, Some(Instant::now()), || false));
        assert_eq!(waiter.state.load(Ordering::Relaxed), IDLE);
    }

    #[test]
    fn work_that_comes_at_the_deadline_is_found() {
        let waiter = Waiter::new();
        let looks = std::cell::Cell::new(0);
        let found = block_on_waiter(&waiter, Some(Instant::now()), || {
            looks.set(looks.get() + 1);
            looks.get() == 3
        });
        assert!(found);
    }
}
