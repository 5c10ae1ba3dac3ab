//! The ready list: who, of many pipes, has something for their one consumer.
//!
//! ```text
//!  Notifier(7) ─┐                       ┌─ drain(): (7, READABLE), (9, WRITABLE), …
//!  Notifier(8)  ├─▶ head ─▶ 9 ─▶ 7 ─────┤
//!  Notifier(9) ─┘  (lock-free stack)    └─ wait(): parked thread, task, another list, or pollable fd
//! ```
//!
//! A [`Notifier`] is queued at most once however often it is signalled, so the list never grows
//! beyond the number of notifiers and signalling needs no allocation. Signals are level-free
//! hints: the consumer that gets one looks at the pipe itself.

use std::{ops::BitOr, task::Waker, time::Instant};

use crate::{
    sync::{Arc, AtomicPtr, AtomicU32, Ordering, UnsafeCell, or_mutant},
    wait::{Interrupted, Waiter, block_on_waiter, block_on_waiter_interruptibly},
};

/// What a [`Notifier`] tells its consumer; a small set of bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Readiness(u32);

impl Readiness {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// A pipe that was found empty has messages, or its writer is gone.
    pub const READABLE: Self = Self(1);
    /// A pipe that was found full has drained to its resume point, or its reader is gone.
    pub const WRITABLE: Self = Self(2);
    /// A mailbox has letters.
    pub const MAIL: Self = Self(4);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Readiness {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The consumer's end of a ready list.
///
/// # Examples
///
/// ```
/// use zpipe::{Readiness, ReadySet};
///
/// let mut set = ReadySet::new();
/// let pipe = set.notifier(7);
/// std::thread::spawn(move || pipe.notify(Readiness::READABLE));
/// set.wait(None);
/// set.drain(|token, what| assert_eq!((token, what), (7, Readiness::READABLE)));
/// ```
pub struct ReadySet {
    inner: Arc<Inner>,
}

/// Signals one token to a [`ReadySet`]. Cheap to clone; clones share the token and its place in
/// the queue.
#[derive(Clone)]
pub struct Notifier {
    node: Arc<Node>,
}

struct Inner {
    /// Top of a stack of queued nodes, each a leaked `Arc`; [`closed`] when the consumer is gone.
    head: AtomicPtr<Node>,
    waiter: Waiter,
}

struct Node {
    token: u64,
    /// Signals not yet drained. Non-zero exactly while the node is queued.
    pending: AtomicU32,
    /// The node below in the stack. Owned by whoever made `pending` non-zero until the node is queued, and
    /// then by whoever took the list, until it clears `pending`.
    next: UnsafeCell<*mut Self>,
    set: Arc<Inner>,
}

// SAFETY: `next` points to a leaked `Arc` of a node, and only its owner of the moment touches it; the hand-
// overs by `pending` and by the list's head order the accesses. Everything else is `Send` and `Sync`.
unsafe impl Send for Node {}
// SAFETY: as above.
unsafe impl Sync for Node {}

impl Node {
    /// # Safety
    ///
    /// The caller owns `next`.
    unsafe fn next(&self) -> *mut Self {
        // SAFETY: nobody else touches it.
        self.next.with_mut(|next| unsafe { *next })
    }

    /// # Safety
    ///
    /// The caller owns `next`.
    unsafe fn set_next(&self, below: *mut Self) {
        // SAFETY: nobody else touches it.
        self.next.with_mut(|next| unsafe { *next = below });
    }
}

/// Marks a list whose consumer is gone. Never dereferenced.
fn closed() -> *mut Node {
    std::ptr::without_provenance_mut(align_of::<Node>())
}

impl ReadySet {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        let head = AtomicPtr::new(std::ptr::null_mut());
        Self {
            inner: Arc::new(Inner {
                head,
                waiter: Waiter::new(),
            }),
        }
    }

    /// Makes a notifier for `token`, a number of the caller's choice that [`drain`](Self::drain)
    /// hands back.
    #[must_use]
    pub fn notifier(&self, token: u64) -> Notifier {
        Notifier::new(&self.inner, token)
    }

    /// Whether nothing is queued. One relaxed load: what another thread is just signalling may be
    /// missed, so do not sleep on the answer.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.head.load(Ordering::Relaxed).is_null()
    }

    /// Takes everything that is queued, oldest first, and reports it.
    pub fn drain(&mut self, mut report: impl FnMut(u64, Readiness)) {
        // A descriptor is cleared even if nothing is queued: a signaller may have been overtaken
        // between queueing and making it readable. What comes after the clearing signals again.
        if or_mutant!(!self.inner.waiter.clear_fd(), true) && self.is_empty() {
            return;
        }
        let top = self.inner.head.swap(std::ptr::null_mut(), Ordering::AcqRel);
        for (token, what) in Drain(reverse(top)) {
            report(token, what);
        }
    }

    /// Blocks this thread until something is queued or the deadline has passed; says whether
    /// something is queued. `None` waits for ever. Without a signal in between it may also return
    /// early with `false` only when the deadline has passed.
    ///
    /// There is one waiter at a time, since a signal wakes one:
    ///
    /// ```compile_fail,E0596
    /// let set = zpipe::ReadySet::new();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| set.wait(None));
    ///     scope.spawn(|| set.wait(None));
    /// });
    /// ```
    pub fn wait(&mut self, deadline: Option<Instant>) -> bool {
        block_on_waiter(&self.inner.waiter, deadline, || !self.acquire_is_empty())
    }

    /// Like [`wait`](Self::wait), and ends when a signal handler has run in this thread meanwhile, so that a program can do what
    /// the signal asks for. A handler that runs just before the thread falls asleep goes unnoticed. Linux only; elsewhere it is
    /// `wait`.
    ///
    /// # Errors
    ///
    /// [`Interrupted`], if nothing is queued.
    pub fn wait_interruptible(&mut self, deadline: Option<Instant>) -> Result<bool, Interrupted> {
        block_on_waiter_interruptibly(&self.inner.waiter, deadline, || !self.acquire_is_empty())
    }

    /// Registers a task's `waker` to be woken by the next signal. Returns `true`, without having registered
    /// it, when something is queued already. One task at a time: the last one wins. A thread that
    /// [waits](Self::wait), or whoever [`register_direct`](Self::register_direct) is for, waits beside it, and both are woken.
    ///
    /// The waker runs, and is dropped, as foreign code: see [`deferred`](crate::deferred).
    pub fn register(&mut self, waker: &Waker) -> bool {
        self.register_task(waker, false)
    }

    /// Like [`register`](Self::register), for a waker that runs nothing foreign itself, since it hands the tasks it wakes to
    /// [`deferred`](crate::deferred): it is used at once, as [`register_direct`](Self::register_direct) says.
    pub fn register_tasks(&mut self, waker: &Waker) -> bool {
        self.register_task(waker, true)
    }

    fn register_task(&mut self, waker: &Waker, hands_over: bool) -> bool {
        self.inner.waiter.register_task(waker, hands_over);
        let is_signalled = or_mutant!(!self.acquire_is_empty(), false);
        if is_signalled {
            self.inner.waiter.unregister_task();
        }
        is_signalled
    }

    /// Like [`register`](Self::register), for a waker that runs nothing foreign: it unparks a thread,
    /// writes to a descriptor, or hands tasks to [`deferred`](crate::deferred). It is used at once, whatever
    /// the thread that signals holds, so it must neither panic nor wait for a lock that somebody holds who
    /// signals. It is kept until another one takes its place, so that registering it again costs little.
    pub fn register_direct(&mut self, waker: &Waker) -> bool {
        self.inner.waiter.register_direct(waker);
        let is_signalled = or_mutant!(!self.acquire_is_empty(), false);
        if is_signalled {
            self.inner.waiter.unregister_direct();
        }
        is_signalled
    }

    /// Takes back what [`register`](Self::register) registered, and drops it. After it returns, no wake-up
    /// starts any more for what is signalled later.
    pub fn unregister(&self) {
        self.inner.waiter.unregister_task();
    }

    /// Takes back what [`register_direct`](Self::register_direct) registered, likewise, and keeps it for the next time.
    pub fn unregister_direct(&self) {
        self.inner.waiter.unregister_direct();
    }

    /// Signals `to`, with [`READABLE`](Readiness::READABLE), whenever this list is no longer empty: at once if it is not
    /// now, and with the first signal after each [`drain`](Self::drain). So whoever has many lists waits for one, and
    /// looks at those that have something. Another notifier takes the place of the first.
    ///
    /// # Examples
    ///
    /// ```
    /// use zpipe::{Readiness, ReadySet};
    ///
    /// let mut all = ReadySet::new();
    /// let mut lists = [ReadySet::new(), ReadySet::new()];
    /// for (number, list) in (0..).zip(&mut lists) {
    ///     list.forward(all.notifier(number));
    /// }
    /// lists[1].notifier(7).notify(Readiness::MAIL);
    /// all.drain(|number, _| assert_eq!(number, 1));
    /// ```
    pub fn forward(&mut self, to: Notifier) {
        self.inner.waiter.forward(to.clone());
        if or_mutant!(!self.acquire_is_empty(), false) {
            to.notify(Readiness::READABLE);
        }
    }

    /// Ends [`forward`](Self::forward). A signal that is on its way may still arrive.
    pub fn stop_forwarding(&mut self) {
        self.inner.waiter.stop_forwarding();
    }

    /// A file descriptor that is readable whenever something is queued, made at the first call. It
    /// is for `poll` and the like only; [`drain`](Self::drain) resets it.
    ///
    /// # Platform
    ///
    /// Unix. Windows has no descriptors of this kind.
    ///
    /// # Errors
    ///
    /// The operating system's error when no descriptor can be made.
    #[cfg(unix)]
    pub fn fd(&self) -> std::io::Result<std::os::fd::BorrowedFd<'_>> {
        let signal = self.inner.waiter.fd(|| !self.acquire_is_empty())?;
        Ok(std::os::fd::AsFd::as_fd(signal))
    }

    fn acquire_is_empty(&self) -> bool {
        self.inner.head.load(Ordering::Acquire).is_null()
    }
}

impl Default for ReadySet {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for ReadySet {
    fn drop(&mut self) {
        // Not with the last notifier, which may go under any lock.
        self.inner.waiter.close();
        drop(Drain(self.inner.head.swap(closed(), Ordering::AcqRel)));
    }
}

/// The rest of a list that was taken. What is left of it when a report panics is let go.
struct Drain(*mut Node);

impl Iterator for Drain {
    type Item = (u64, Readiness);

    fn next(&mut self) -> Option<(u64, Readiness)> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: each queued pointer is a leaked `Arc` that whoever took the list now owns.
        let taken = unsafe { Arc::from_raw(self.0) };
        // `next` must be read before `pending` is cleared: from then on the node may be queued again
        // by somebody else.
        // SAFETY: whoever took the list owns its links.
        let next = unsafe { taken.next() };
        let pending = taken.pending.swap(0, Ordering::AcqRel);
        // SAFETY: the mutant reads too late on purpose.
        self.0 = or_mutant!(next, unsafe { taken.next() });
        Some((taken.token, Readiness(pending)))
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

impl Notifier {
    fn new(set: &Arc<Inner>, token: u64) -> Self {
        let node = Node {
            token,
            pending: AtomicU32::new(0),
            next: UnsafeCell::new(std::ptr::null_mut()),
            set: Arc::clone(set),
        };
        Self {
            node: Arc::new(node),
        }
    }

    /// Queues the token, if it is not queued yet, and wakes the consumer, if it waits.
    pub fn notify(&self, what: Readiness) {
        if or_mutant!(what == Readiness::NONE, false) {
            return; // Without a bit in `pending` the node could be queued twice.
        }
        let node = &self.node;
        if node.pending.fetch_or(what.0, Ordering::AcqRel) != 0 {
            return; // Queued already; the bits travel with it.
        }
        let inner = &node.set;
        let raw = Arc::into_raw(Arc::clone(node)).cast_mut();
        // Most often the list is empty. Guessing so instead of looking also serves loom, which does not
        // explore what lies between another thread's look and this thread's exchange otherwise.
        let mut head = std::ptr::null_mut();
        loop {
            if std::ptr::eq(head, closed()) {
                // SAFETY: the pointer leaked above was not published. `pending` stays set, which
                // makes later calls return at once.
                drop(unsafe { Arc::from_raw(raw) });
                return;
            }
            // SAFETY: this thread made `pending` non-zero, and the node is not queued yet.
            unsafe { node.set_next(head) };
            match inner
                .head
                .compare_exchange_weak(head, raw, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(now) => head = now,
            }
        }
        inner.waiter.wake(or_mutant!(head.is_null(), false));
    }

    /// Makes a notifier for another token of the same list.
    #[must_use]
    pub fn sibling(&self, token: u64) -> Self {
        Self::new(&self.node.set, token)
    }

    /// The token given to [`ReadySet::notifier`].
    #[must_use]
    pub fn token(&self) -> u64 {
        self.node.token
    }
}

impl std::fmt::Debug for ReadySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadySet")
            .field("is_empty", &self.is_empty())
            .finish()
    }
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notifier")
            .field("token", &self.node.token)
            .finish()
    }
}

/// Turns the stack (newest first) into a queue (oldest first).
fn reverse(mut node: *mut Node) -> *mut Node {
    let mut reversed = std::ptr::null_mut();
    while !node.is_null() {
        // SAFETY: the caller took this list, so its nodes are in place and it owns their links.
        let next = unsafe {
            let next = (*node).next();
            (*node).set_next(reversed);
            next
        };
        reversed = node;
        node = next;
    }
    reversed
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn signals_merge_and_keep_their_order() {
        let mut set = ReadySet::new();
        let (a, b) = (set.notifier(1), set.notifier(2));
        a.notify(Readiness::NONE);
        assert!(set.is_empty());
        a.notify(Readiness::READABLE);
        b.notify(Readiness::READABLE);
        a.notify(Readiness::WRITABLE);
        let mut seen = Vec::new();
        set.drain(|token, what| seen.push((token, what)));
        assert_eq!(
            seen,
            [
                (1, Readiness::READABLE | Readiness::WRITABLE),
                (2, Readiness::READABLE)
            ]
        );
        assert!(set.is_empty());
        a.notify(Readiness::WRITABLE);
        assert!(set.wait(Some(Instant::now())));
    }

    #[test]
    fn a_report_that_panics_loses_signals_but_no_token() {
        let mut set = ReadySet::new();
        let (a, b) = (set.notifier(1), set.notifier(2));
        a.notify(Readiness::READABLE);
        b.notify(Readiness::READABLE);
        let drain = std::panic::AssertUnwindSafe(|| set.drain(|_, _| panic!("on purpose")));
        std::panic::catch_unwind(drain).unwrap_err();
        assert_eq!(Arc::strong_count(&b.node), 1);
        b.notify(Readiness::WRITABLE);
        let mut seen = Vec::new();
        set.drain(|token, what| seen.push((token, what)));
        assert_eq!(seen, [(2, Readiness::WRITABLE)]);
    }

    #[test]
    fn notifying_a_dropped_set_is_harmless_and_leaks_nothing() {
        let set = ReadySet::new();
        let (a, b) = (set.notifier(1), set.notifier(2));
        a.notify(Readiness::READABLE);
        drop(set);
        b.notify(Readiness::READABLE);
        b.notify(Readiness::READABLE);
        assert_eq!(Arc::strong_count(&a.node), 1);
        assert_eq!(Arc::strong_count(&b.node), 1);
    }

    #[test]
    #[cfg_attr(miri, ignore = "has no poll with a time")]
    fn fd_is_readable_exactly_while_something_is_queued() {
        let readable = |set: &ReadySet| {
            let fd = set.fd().unwrap();
            let mut fds = [rustix::event::PollFd::new(
                &fd,
                rustix::event::PollFlags::IN,
            )];
            let zero = rustix::time::Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            rustix::event::poll(&mut fds, Some(&zero)).unwrap() == 1
        };
        let mut set = ReadySet::new();
        let a = set.notifier(1);
        a.notify(Readiness::READABLE);
        assert!(readable(&set), "made after the signal");
        set.drain(|_, _| ());
        assert!(!readable(&set));
        a.notify(Readiness::READABLE);
        assert!(readable(&set));
    }
}
