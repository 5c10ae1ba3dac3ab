//! The ways a consumer waits: as a parked thread, as a task, by way of another ready list, or with a pollable
//! descriptor made lazily. Each has a place of its own, so that none takes another's wake-up.
//!
//! Who waits is a set of bits in one word, and 0 if nobody does; then signalling costs a fence and a load.
//!
//! | bit | meaning |
//! |---|---|
//! | `DIRECT` | a waker that runs nothing foreign must be woken; who clears the bit does it |
//! | `TASK` | a task's waker must be woken, likewise |
//! | `FORWARD` | another list is told of the first work; stays until it is taken back |
//!
//! The consumer sets its bit and then looks for work; the signaller stores work and then looks at the word. A
//! fence between the two on both sides means that at least one sees the other.

use std::{
    io,
    task::{Wake, Waker},
    time::Instant,
};

use crate::{
    deferred,
    guarded::Guarded,
    ready::{Notifier, Readiness},
    sync::{AtomicU8, OnceLock, Ordering, or_mutant, publish},
    system::Signal,
};

const DIRECT: u8 = 1;
const TASK: u8 = 2;
const FORWARD: u8 = 4;

pub(crate) struct Waiter {
    waiting: AtomicU8,
    /// Only locked to begin a wait and to end one, never while data flows, and never while a waker is
    /// cloned, woken or dropped.
    places: Guarded<Places>,
    event: OnceLock<Event>,
}

#[derive(Default)]
struct Places {
    /// Kept, so that a consumer which waits again and again does not have to make it anew.
    direct: Option<Waker>,
    /// Foreign, see [`deferred`]. Taken to be woken.
    task: Option<Waker>,
    /// Unless it hands tasks over to [`deferred`] itself.
    hands_over: bool,
    forward: Option<Notifier>,
}

impl Places {
    fn of(&mut self, bit: u8) -> &mut Option<Waker> {
        if bit == TASK {
            &mut self.task
        } else {
            &mut self.direct
        }
    }
}

impl Waiter {
    pub(crate) fn new() -> Self {
        Self {
            waiting: AtomicU8::new(0),
            places: Guarded::default(),
            event: OnceLock::new(),
        }
    }

    /// Announces a task. It must look for work *after* this call.
    pub(crate) fn register_task(&self, waker: &Waker, hands_over: bool) {
        self.places.lock().hands_over = hands_over;
        self.announce(TASK, waker);
    }

    /// Announces a consumer whose waker runs nothing foreign, likewise.
    pub(crate) fn register_direct(&self, waker: &Waker) {
        self.announce(DIRECT, waker);
    }

    fn announce(&self, bit: u8, waker: &Waker) {
        let known = (self.places.lock().of(bit).as_ref()).is_some_and(|own| own.will_wake(waker));
        if or_mutant!(!known, self.places.lock().of(bit).is_none()) {
            let waker = waker.clone();
            let old = self.places.lock().of(bit).replace(waker);
            if let Some(old) = old {
                deferred::drop_waker(old);
            }
        }
        self.waiting.fetch_or(bit, Ordering::AcqRel);
        publish();
    }

    /// Has another list told from now on. Look for work *after* this call.
    pub(crate) fn forward(&self, to: Notifier) {
        self.places.lock().forward = Some(to);
        self.waiting.fetch_or(FORWARD, Ordering::AcqRel);
        publish();
    }

    pub(crate) fn stop_forwarding(&self) {
        self.waiting.fetch_and(!FORWARD, Ordering::AcqRel);
        // Its list may go with it, outside the lock.
        let old = self.places.lock().forward.take();
        drop(old);
    }

    /// Ends a wait, and keeps the waker for the next one.
    pub(crate) fn unregister_direct(&self) {
        self.waiting.fetch_and(!DIRECT, Ordering::AcqRel);
    }

    /// Ends a task's wait, and drops the waker, which may keep the whole task alive.
    pub(crate) fn unregister_task(&self) {
        self.waiting.fetch_and(!TASK, Ordering::AcqRel);
        let old = or_mutant!(self.places.lock().task.take(), None);
        if let Some(old) = old {
            deferred::drop_waker(old);
        }
    }

    /// Nobody waits any more.
    pub(crate) fn close(&self) {
        self.unregister_task();
        self.unregister_direct();
        let old = self.places.lock().direct.take();
        if let Some(old) = old {
            deferred::drop_waker(old);
        }
        self.stop_forwarding();
    }

    /// Wakes the consumer if it waits. `was_empty` says that the work just stored is the first, which is when
    /// another list is told and the descriptor has to become readable.
    #[inline]
    pub(crate) fn wake(&self, was_empty: bool) {
        publish();
        let waiting = self.waiting.load(Ordering::Relaxed);
        if waiting != 0 {
            self.wake_waiting(waiting, was_empty);
        }
        if was_empty && let Some(event) = self.event.get() {
            event.signal();
        }
    }

    #[inline(never)]
    fn wake_waiting(&self, waiting: u8, was_empty: bool) {
        const ONCE: u8 = DIRECT | TASK;
        // With a list that is told for good, most signals find nobody else.
        let woken = if waiting & ONCE == 0 {
            0
        } else {
            let before = self.waiting.fetch_and(!ONCE, Ordering::AcqRel);
            or_mutant!(before, waiting)
        };
        let mut places = self.places.lock();
        let direct = (woken & DIRECT != 0).then(|| places.direct.clone());
        let task = (woken & TASK != 0).then(|| places.task.take());
        let hands_over = places.hands_over;
        let forward = (was_empty && waiting & FORWARD != 0).then(|| places.forward.clone());
        drop(places);
        if let Some(direct) = direct.flatten() {
            direct.wake();
        }
        if let Some(to) = forward.flatten() {
            to.notify(Readiness::READABLE);
        }
        match task.flatten() {
            Some(task) if hands_over => task.wake(),
            Some(task) => or_mutant!(deferred::wake(task), task.wake()),
            None => {}
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

    #[cfg_attr(windows, expect(dead_code, reason = "it has no such descriptors"))]
    pub(crate) fn fd(&self, has_work: impl Fn() -> bool) -> io::Result<&Signal> {
        if let Some(event) = self.event.get() {
            return Ok(&event.fd);
        }
        let event = Event::new()?;
        let event = self.event.get_or_init(|| event);
        publish();
        if or_mutant!(has_work(), false) {
            event.signal();
        }
        Ok(&event.fd)
    }
}

/// A descriptor that is readable from `signal` to `clear`.
struct Event {
    fd: Signal,
    /// Shows loom that the order of the system calls matters.
    #[cfg(loom)]
    order: AtomicU8,
}

impl Event {
    fn new() -> io::Result<Self> {
        Ok(Self {
            fd: Signal::new()?,
            #[cfg(loom)]
            order: AtomicU8::new(0),
        })
    }

    fn signal(&self) {
        #[cfg(loom)]
        self.order.fetch_add(1, Ordering::Relaxed);
        self.fd.signal();
    }

    fn clear(&self) {
        #[cfg(loom)]
        self.order.fetch_add(1, Ordering::Relaxed);
        self.fd.clear();
    }
}

/// A signal handler has run in the thread that waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a signal handler has run in the thread that waits")
    }
}

impl std::error::Error for Interrupted {}

/// Like [`block_on_waiter`], and ends when a signal handler has run in this thread.
#[cfg(all(target_os = "linux", not(any(loom, miri))))]
pub(crate) fn block_on_waiter_interruptibly(
    waiter: &Waiter,
    deadline: Option<Instant>,
    has_work: impl Fn() -> bool,
) -> Result<bool, Interrupted> {
    use crate::futex::{FutexParker, Parked};

    if has_work() {
        return Ok(true);
    }
    let parker = FutexParker::of_this_thread();
    loop {
        waiter.register_direct(parker.waker());
        if has_work() {
            waiter.unregister_direct();
            return Ok(true);
        }
        match parker.park(deadline) {
            Parked::Woken => {}
            ended => {
                waiter.unregister_direct();
                return match ended {
                    // What has come counts more.
                    Parked::Interrupted if !has_work() => Err(Interrupted),
                    _ => Ok(has_work()),
                };
            }
        }
    }
}

/// Likewise, where the system does not tell of signals.
#[cfg(not(all(target_os = "linux", not(any(loom, miri)))))]
pub(crate) fn block_on_waiter_interruptibly(
    waiter: &Waiter,
    deadline: Option<Instant>,
    has_work: impl Fn() -> bool,
) -> Result<bool, Interrupted> {
    Ok(block_on_waiter(waiter, deadline, has_work))
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
            waiter.unregister_direct();
            return true;
        }
        if !parker.park(deadline) {
            or_mutant!(waiter.unregister_direct(), ());
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
        assert_eq!(waiter.waiting.load(Ordering::Relaxed), 0);
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
