//! Foreign code, run last: the wakers of tasks, and the `Drop` of message bodies.
//!
//! Both may do anything: call the socket that the body comes from, open or close another one, take a
//! lock that the caller holds, panic. So nothing in these crates wakes a task or drops a body where it
//! stands. It hands them to this module, and that is the rule:
//!
//! - While a [`Scope`] is open on the thread they are **collected**, and run when the outermost scope
//!   closes: wakers first, then drops. Whoever takes a lock, borrows a cell or owns an engine opens a scope
//!   before, and thus lets go of all that first.
//! - Without a scope they run **at once**, which is right for those who hold nothing.
//! - A panic in them is caught, and counted. It ends neither the call nor the thread that happened to
//!   run them, only what it belongs to: the task that is not woken, the body that is not dropped.
//!
//! A thread that blocks inside a scope keeps them waiting. So it closes its scope first, or asks
//! [`Deferral::is_due`].
//!
//! Wake-ups that only unpark a thread or write to a descriptor are not foreign and never wait: see
//! [`ReadySet::register_direct`](crate::ReadySet::register_direct).
//!
//! # Examples
//!
//! ```
//! use bytes::Bytes;
//! use zpipe::deferred::{self, Scope};
//!
//! /// A body that uses a lock when it is dropped.
//! struct Logged(&'static std::sync::Mutex<u32>);
//! impl AsRef<[u8]> for Logged {
//!     fn as_ref(&self) -> &[u8] {
//!         b"body"
//!     }
//! }
//! impl Drop for Logged {
//!     fn drop(&mut self) {
//!         *self.0.lock().unwrap() += 1;
//!     }
//! }
//!
//! static DROPPED: std::sync::Mutex<u32> = std::sync::Mutex::new(0);
//! let body = Bytes::from_owner(Logged(&DROPPED));
//! {
//!     let _scope = Scope::open(); // Before the lock, so that it closes after it.
//!     let dropped = DROPPED.lock().unwrap();
//!     deferred::drop_body(body); // Dropped here, it would wait for the lock for ever.
//!     assert_eq!(*dropped, 0);
//! }
//! assert_eq!(*DROPPED.lock().unwrap(), 1);
//! ```

use std::{
    cell::{Cell, RefCell},
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    task::Waker,
};

use bytes::Bytes;
use zmtp::Message;

use crate::{counter::Counter, sync::or_mutant};

/// Panics caught so far in this process.
static PANICS: Counter = Counter::new();

/// Places in a thread's lists that are kept for the next scope.
const KEPT: usize = 64;

#[cfg(not(loom))]
thread_local! {
    /// Scopes that are open on this thread.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static COLLECTED: RefCell<Collected> = const { RefCell::new(Collected::new()) };
}
// Loom's threads share one of the system's.
#[cfg(loom)]
loom::thread_local! {
    static DEPTH: Cell<u32> = Cell::new(0);
    static COLLECTED: RefCell<Collected> = RefCell::new(Collected::new());
}

#[derive(Default)]
struct Collected {
    wakers: Vec<Waker>,
    drops: Vec<Foreign>,
}

/// What is only to be dropped. Held for that, never looked at.
#[expect(dead_code, reason = "dropping them is their use")]
enum Foreign {
    Body(Bytes),
    Waker(Waker),
}

enum Item {
    Wake(Waker),
    Drop(Foreign),
}

impl Collected {
    const fn new() -> Self {
        Self {
            wakers: Vec::new(),
            drops: Vec::new(),
        }
    }

    fn push(&mut self, item: Item) {
        match item {
            Item::Wake(waker) => self.wakers.push(waker),
            Item::Drop(foreign) => self.drops.push(foreign),
        }
    }

    fn is_empty(&self) -> bool {
        self.wakers.is_empty() && self.drops.is_empty()
    }

    /// Runs everything, and says how often it panicked.
    fn run(&mut self) -> u64 {
        let wakers = self.wakers.drain(..).map(Item::Wake);
        let drops = self.drops.drain(..).map(Item::Drop);
        wakers.chain(drops).map(|item| u64::from(!run(item))).sum()
    }
}

/// While it lives, foreign code of this thread is collected; see the [module](self) documentation.
///
/// Scopes nest. What was collected runs when the outermost one is closed or dropped, which never
/// panics. So declare a scope before the guards and borrows it is for.
#[derive(Debug)]
#[must_use = "dropped at once, it collects nothing"]
pub struct Scope {
    /// It belongs to its thread.
    _thread: PhantomData<*const ()>,
}

impl Scope {
    /// Opens a scope on this thread.
    #[inline]
    pub fn open() -> Self {
        enter();
        Self {
            _thread: PhantomData,
        }
    }

    /// Closes it. If it is the outermost one, runs what was collected, and says how often that
    /// panicked.
    #[inline]
    pub fn close(self) -> u64 {
        std::mem::forget(self);
        leave()
    }
}

impl Drop for Scope {
    #[inline]
    fn drop(&mut self) {
        leave();
    }
}

/// A scope that opens only when it is needed, for a call that most often does not need one. It lies in
/// the value that the call borrows.
///
/// Whoever [`begin`](Self::begin)s has to [`end`](Self::end) or drop it on the same thread, also when the call
/// panics; otherwise foreign code of this thread is collected and never run.
///
/// # Examples
///
/// ```
/// use zpipe::deferred::Deferral;
///
/// let mut deferral = Deferral::default();
/// deferral.begin();
/// deferral.begin(); // It is open already.
/// assert!(deferral.is_open());
/// assert_eq!(deferral.end(), 0);
/// assert!(!deferral.is_open());
/// ```
#[derive(Debug, Default)]
pub struct Deferral {
    open: bool,
}

impl Deferral {
    /// Opens it, if it is not open.
    #[inline]
    pub fn begin(&mut self) {
        if !self.open {
            self.open = true;
            enter();
        }
    }

    /// Whether it is open.
    #[inline]
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// Whether something is collected that runs when it is closed, which it does not while a scope
    /// further out is open.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.open && depth() == 1 && !is_empty()
    }

    /// Closes it, like [`Scope::close`].
    #[inline]
    pub fn end(&mut self) -> u64 {
        if std::mem::take(&mut self.open) {
            leave()
        } else {
            0
        }
    }
}

impl Drop for Deferral {
    /// Closes it, if it is open: the value that the call borrows may go in that call.
    fn drop(&mut self) {
        self.end();
    }
}

/// Wakes a task, now or when the scope closes.
pub fn wake(waker: Waker) {
    submit(Item::Wake(waker));
}

/// Drops a waker, which may be the last handle of its task.
pub fn drop_waker(waker: Waker) {
    submit(Item::Drop(Foreign::Waker(waker)));
}

/// Drops a body, which may have an owner with a `Drop` of its own.
pub fn drop_body(body: Bytes) {
    submit(Item::Drop(Foreign::Body(body)));
}

/// Drops the bodies of a message that others may share. Its own buffers stay, for the next message.
#[inline]
pub fn drop_bodies(message: &mut Message) {
    for frame in message.frames_mut() {
        if frame.is_shared() {
            drop_body(std::mem::take(frame).into_bytes());
        }
    }
}

/// Whether nothing is collected on this thread.
fn is_empty() -> bool {
    COLLECTED
        .try_with(|collected| collected.borrow().is_empty())
        .unwrap_or(true)
}

/// How often foreign code has panicked in this process.
#[must_use]
pub fn panics() -> u64 {
    PANICS.value()
}

fn submit(item: Item) {
    if depth() == 0 {
        run(item);
        return;
    }
    let mut item = Some(item);
    // The list is gone when the thread's other destructors run.
    let _ = COLLECTED.try_with(|collected| {
        if let Some(item) = item.take() {
            collected.borrow_mut().push(item);
        }
    });
    item.map(run);
}

fn depth() -> u32 {
    DEPTH.try_with(Cell::get).unwrap_or(0)
}

#[inline]
fn enter() {
    let _ = DEPTH.try_with(|depth| depth.set(depth.get() + 1));
}

#[inline]
fn leave() -> u64 {
    let outermost = DEPTH.try_with(|depth| {
        let left = depth.get().saturating_sub(1);
        depth.set(left);
        or_mutant!(left == 0, true)
    });
    if outermost.unwrap_or(true) && !is_empty() {
        run_collected()
    } else {
        0
    }
}

/// Scopes that the foreign code opens have lists of their own, so it goes only as deep as that code
/// calls itself.
#[inline(never)]
fn run_collected() -> u64 {
    let taken = COLLECTED.try_with(RefCell::take);
    let Ok(mut batch) = taken else { return 0 };
    let panics = batch.run();
    batch.wakers.shrink_to(KEPT);
    batch.drops.shrink_to(KEPT);
    let _ = COLLECTED.try_with(|collected| {
        let mut collected = collected.borrow_mut();
        // Unless a scope further out than the foreign code was left open.
        if collected.is_empty() {
            *collected = batch;
        }
    });
    panics
}

/// Runs foreign code; `false` if it panicked.
fn run(item: Item) -> bool {
    let whole = catch(|| match item {
        Item::Wake(waker) => waker.wake(),
        Item::Drop(foreign) => drop(foreign),
    });
    if !whole {
        PANICS.add(1);
    }
    whole
}

/// Runs code that may panic, and says whether it did not. It is the caller's business that what the code
/// has left half-changed is not used any more.
pub fn catch(code: impl FnOnce()) -> bool {
    let Err(mut payload) = catch_unwind(AssertUnwindSafe(code)) else {
        return true;
    };
    // What a panic throws is foreign code as well, and may throw again, but not for ever.
    for _ in 0..4 {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return false,
            Err(again) => payload = again,
        }
    }
    std::mem::forget(payload);
    false
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{
        sync::{
            Arc, Mutex,
            atomic::{AtomicU32, Ordering},
        },
        task::Wake,
    };

    use super::*;
    use crate::{Readiness, ReadySet};

    /// Runs this when it is woken and when it is dropped.
    struct Code<F: Fn(&'static str) + Send + Sync + 'static>(F);

    impl<F: Fn(&'static str) + Send + Sync + 'static> Wake for Code<F> {
        fn wake(self: Arc<Self>) {
            (self.0)("wake");
        }
    }

    impl<F: Fn(&'static str) + Send + Sync + 'static> AsRef<[u8]> for Code<F> {
        fn as_ref(&self) -> &[u8] {
            b"body"
        }
    }

    impl<F: Fn(&'static str) + Send + Sync + 'static> Drop for Code<F> {
        fn drop(&mut self) {
            (self.0)("drop");
        }
    }

    fn waker(code: impl Fn(&'static str) + Send + Sync + 'static) -> Waker {
        Waker::from(Arc::new(Code(code)))
    }

    fn body(code: impl Fn(&'static str) + Send + Sync + 'static) -> Bytes {
        Bytes::from_owner(Code(code))
    }

    type Log = Arc<Mutex<Vec<String>>>;

    fn note(log: &Log, who: &'static str) -> impl Fn(&'static str) + Send + Sync + 'static {
        let log = Arc::clone(log);
        move |what| log.lock().unwrap().push(format!("{who} {what}"))
    }

    fn taken(log: &Log) -> Vec<String> {
        std::mem::take(&mut *log.lock().unwrap())
    }

    #[test]
    fn a_deferral_that_is_dropped_is_closed() {
        let log = Log::default();
        let mut deferral = Deferral::default();
        deferral.begin();
        wake(waker(note(&log, "a")));
        assert_eq!(taken(&log), Vec::<String>::new());
        drop(deferral);
        assert_eq!(taken(&log), ["a wake", "a drop"]);
        drop_body(body(note(&log, "b")));
        assert_eq!(taken(&log), ["b drop"]);
    }

    #[test]
    fn without_a_scope_it_runs_at_once() {
        let log = Log::default();
        wake(waker(note(&log, "a")));
        assert_eq!(taken(&log), ["a wake", "a drop"]);
        drop_body(body(note(&log, "b")));
        drop_waker(waker(note(&log, "c")));
        assert_eq!(taken(&log), ["b drop", "c drop"]);
    }

    #[test]
    fn the_outermost_scope_runs_it_and_wakers_come_first() {
        let log = Log::default();
        let outer = Scope::open();
        drop_body(body(note(&log, "body")));
        {
            let _inner = Scope::open();
            wake(waker(note(&log, "task")));
        }
        assert!(taken(&log).is_empty() && !is_empty());
        assert_eq!(outer.close(), 0);
        assert_eq!(taken(&log), ["task wake", "task drop", "body drop"]);
        assert!(is_empty());
    }

    #[test]
    fn what_a_scope_further_out_keeps_is_not_due() {
        let mut deferral = Deferral::default();
        deferral.begin();
        assert!(!deferral.is_due());
        drop_body(body(|_| {}));
        assert!(deferral.is_due());
        deferral.end();
        let outer = Scope::open();
        drop_body(body(|_| {}));
        assert!(!deferral.is_due());
        deferral.begin();
        assert!(!deferral.is_due());
        deferral.end();
        outer.close();
    }

    #[test]
    fn a_deferral_is_a_scope_that_opens_once() {
        let log = Log::default();
        let mut deferral = Deferral::default();
        assert_eq!(deferral.end(), 0);
        deferral.begin();
        deferral.begin();
        drop_body(body(note(&log, "body")));
        assert!(taken(&log).is_empty());
        deferral.end();
        assert_eq!(taken(&log), ["body drop"]);
        drop_body(body(note(&log, "later")));
        assert_eq!(taken(&log), ["later drop"]);
    }

    #[test]
    fn a_panic_is_caught_and_the_rest_still_runs() {
        let log = Log::default();
        let before = panics();
        let scope = Scope::open();
        wake(waker(|what| assert_ne!(what, "wake", "on purpose")));
        drop_body(body(|_| panic!("on purpose")));
        wake(waker(note(&log, "task")));
        drop_body(body(note(&log, "body")));
        assert_eq!(scope.close(), 2);
        assert_eq!(taken(&log), ["task wake", "task drop", "body drop"]);
        drop_body(body(|_| panic!("on purpose, and at once")));
        // Other tests of this process may count as well.
        assert!(panics() >= before + 3);
    }

    #[test]
    fn a_panic_that_throws_something_which_panics_is_caught() {
        struct Grenade;
        impl Drop for Grenade {
            fn drop(&mut self) {
                panic!("on purpose, again");
            }
        }
        /// It throws another one of its kind, always.
        struct Hydra;
        impl Drop for Hydra {
            fn drop(&mut self) {
                std::panic::panic_any(Self);
            }
        }
        let scope = Scope::open();
        drop_body(body(|_| std::panic::panic_any(Grenade)));
        let mut panics = 1;
        if !cfg!(miri) {
            // One head is left in the end, which Miri would tell of.
            drop_body(body(|_| std::panic::panic_any(Hydra)));
            panics += 1;
        }
        assert_eq!(scope.close(), panics);
    }

    #[test]
    fn a_scope_that_unwinds_runs_what_it_collected() {
        let log = Log::default();
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _scope = Scope::open();
            drop_body(body(note(&log, "body")));
            drop_body(body(|_| panic!("on purpose, while unwinding")));
            panic!("on purpose");
        }));
        unwound.unwrap_err();
        assert_eq!(taken(&log), ["body drop"]);
        assert_eq!(depth(), 0);
    }

    #[test]
    fn foreign_code_finds_no_scope_and_may_open_one() {
        let log = Log::default();
        let inner = Arc::clone(&log);
        let scope = Scope::open();
        drop_body(body(move |_| {
            assert_eq!(depth(), 0);
            let scope = Scope::open();
            drop_body(body(note(&inner, "inner")));
            assert!(inner.lock().unwrap().is_empty());
            assert_eq!(scope.close(), 0);
            assert_eq!(inner.lock().unwrap().len(), 1);
        }));
        drop_body(body(note(&log, "outer")));
        assert_eq!(scope.close(), 0);
        assert_eq!(taken(&log), ["inner drop", "outer drop"]);
    }

    /// Each opens a scope of its own, and closes it before the next one runs.
    #[test]
    fn a_long_row_of_drops_does_not_go_deep() {
        const ROW: u32 = if cfg!(miri) { 100 } else { 100_000 };
        static RUN: AtomicU32 = AtomicU32::new(0);
        let scope = Scope::open();
        for _ in 0..ROW {
            drop_body(body(|_| {
                let _scope = Scope::open();
                drop_body(body(|_| {
                    RUN.fetch_add(1, Ordering::Relaxed);
                }));
            }));
        }
        scope.close();
        assert_eq!(RUN.load(Ordering::Relaxed), ROW);
    }

    #[test]
    fn a_task_waits_for_the_scope_and_a_thread_does_not() {
        let log = Log::default();
        let mut tasks = ReadySet::new();
        assert!(!tasks.register(&waker(note(&log, "task"))));
        let mut threads = ReadySet::new();
        assert!(!threads.register_direct(&waker(note(&log, "thread"))));
        taken(&log);
        let scope = Scope::open();
        tasks.notifier(0).notify(Readiness::READABLE);
        assert!(taken(&log).is_empty());
        threads.notifier(0).notify(Readiness::READABLE);
        assert_eq!(taken(&log), ["thread wake"]);
        scope.close();
        assert_eq!(taken(&log), ["task wake", "task drop"]);
    }

    #[test]
    fn a_waker_goes_with_its_set_and_not_with_the_last_notifier() {
        let log = Log::default();
        let mut set = ReadySet::new();
        let notifier = set.notifier(0);
        assert!(!set.register(&waker(note(&log, "task"))));
        assert!(taken(&log).is_empty());
        drop(set);
        assert_eq!(taken(&log), ["task drop"]);
        drop(notifier);
    }

    /// A task that is woken while its waker is replaced.
    #[test]
    fn no_waker_is_dropped_under_the_lock_of_its_slot() {
        let mut set = ReadySet::new();
        let again = set.notifier(0);
        assert!(!set.register(&waker(move |_| again.notify(Readiness::READABLE))));
        assert!(set.register(Waker::noop()), "signalled by the first waker");
    }

    #[test]
    fn only_shared_bodies_leave_a_message() {
        let log = Log::default();
        let mut message = Message::from([vec![1; 100], vec![2]]);
        message.push_back(body(note(&log, "body")));
        let scope = Scope::open();
        drop_bodies(&mut message);
        assert_eq!(message.len(), 3);
        assert_eq!((message[0].len(), message[1].len()), (100, 1));
        assert!(message[2].is_empty() && taken(&log).is_empty());
        scope.close();
        assert_eq!(taken(&log), ["body drop"]);
    }
}
