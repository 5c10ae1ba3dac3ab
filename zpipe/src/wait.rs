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
    sync::OnceLock,
    task::{Wake, Waker},
    time::Instant,
};

use crate::sync::{AtomicU8, Mutex, Ordering, publish};

const IDLE: u8 = 0;
const WAITING: u8 = 1;

pub(crate) struct Waiter {
    state: AtomicU8,
    /// Only locked to begin a wait and to end one, never while data flows.
    slot: Mutex<Option<Waker>>,
    fd: OnceLock<OwnedFd>,
}

impl Waiter {
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU8::new(IDLE),
            slot: Mutex::new(None),
            fd: OnceLock::new(),
        }
    }

    /// Announces the consumer. It must look for work *after* this call.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut slot = lock(&self.slot);
        let known = (slot.as_ref()).is_some_and(|present| present.will_wake(waker));
        let old = (!known).then(|| slot.replace(waker.clone()));
        // Dropping a waker may run anything, a signal to this very list included.
        drop(slot);
        drop(old);
        self.state.store(WAITING, Ordering::Release);
        publish();
    }

    /// Ends a wait, and keeps the waker for the next one.
    pub(crate) fn unregister(&self) {
        self.state.store(IDLE, Ordering::Release);
    }

    /// Ends a wait, and drops the waker, which may keep a whole task alive.
    pub(crate) fn forget(&self) {
        self.unregister();
        let old = lock(&self.slot).take();
        drop(old);
    }

    /// Wakes the consumer if it waits. `was_empty` says that the work just stored is the first,
    /// which is when the descriptor has to become readable.
    #[inline]
    pub(crate) fn wake(&self, was_empty: bool) {
        publish();
        if self.state.load(Ordering::Relaxed) == WAITING
            && self.state.swap(IDLE, Ordering::AcqRel) == WAITING
        {
            // Cloned rather than taken, so that a consumer which waits again and again does not
            // have to make its waker anew.
            let waker = lock(&self.slot).clone();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        if was_empty && let Some(fd) = self.fd.get() {
            signal_fd(fd.as_fd());
        }
    }

    /// Called before the work is taken, so that work stored in between signals again. Says whether
    /// there is a descriptor.
    #[inline]
    pub(crate) fn clear_fd(&self) -> bool {
        let Some(fd) = self.fd.get() else {
            return false;
        };
        let mut counter = [0; 8];
        // Non-blocking: an error only says that it was clear already.
        let _ = rustix::io::read(fd, &mut counter);
        true
    }

    pub(crate) fn fd(&self, has_work: impl Fn() -> bool) -> io::Result<BorrowedFd<'_>> {
        if let Some(fd) = self.fd.get() {
            return Ok(fd.as_fd());
        }
        let flags = rustix::event::EventfdFlags::CLOEXEC | rustix::event::EventfdFlags::NONBLOCK;
        let fd = rustix::event::eventfd(0, flags)?;
        let fd = self.fd.get_or_init(|| fd);
        publish();
        if has_work() {
            signal_fd(fd.as_fd());
        }
        Ok(fd.as_fd())
    }
}

fn signal_fd(fd: BorrowedFd<'_>) {
    // Fails only when the counter is at its limit, and then the descriptor is readable anyway.
    let _ = rustix::io::write(fd, &1u64.to_ne_bytes());
}

/// Locks a mutex whose data cannot be left half-changed: a panic elsewhere does not matter.
fn lock<T>(mutex: &Mutex<T>) -> impl std::ops::DerefMut<Target = T> + '_ {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
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
    with_thread_waker(|waker| {
        loop {
            waiter.register(waker);
            if has_work() {
                waiter.unregister();
                return true;
            }
            if !park(deadline) {
                waiter.unregister();
                return has_work();
            }
        }
    })
}

#[cfg(not(loom))]
fn with_thread_waker<R>(f: impl FnOnce(&Waker) -> R) -> R {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
        fn wake_by_ref(self: &std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    thread_local! {
        static WAKER: Waker = Waker::from(std::sync::Arc::new(Unpark(std::thread::current())));
    }
    WAKER.with(f)
}

#[cfg(loom)]
fn with_thread_waker<R>(f: impl FnOnce(&Waker) -> R) -> R {
    struct Unpark(loom::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    f(&Waker::from(std::sync::Arc::new(Unpark(
        loom::thread::current(),
    ))))
}

/// `false` when the deadline has passed.
#[cfg(not(loom))]
fn park(deadline: Option<Instant>) -> bool {
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

#[cfg(loom)]
fn park(_deadline: Option<Instant>) -> bool {
    loom::thread::park();
    true
}
