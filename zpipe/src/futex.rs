//! How a thread sleeps that signal handlers may wake: on a word, with the system call itself, since the standard library's
//! `park` goes on sleeping when a handler has run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Wake, Waker},
    time::Instant,
};

use rustix::{
    event::Timespec,
    io::Errno,
    thread::futex::{self, Flags},
};

const EMPTY: u32 = 0;
/// Woken before it slept.
const NOTIFIED: u32 = 1;
const PARKED: u32 = 2;

/// One for all waits of a thread.
#[derive(Clone)]
pub(crate) struct FutexParker {
    word: Arc<Word>,
    waker: Waker,
}

struct Word(AtomicU32);

/// How a sleep has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parked {
    /// By the waker, or for no reason.
    Woken,
    /// The deadline has passed.
    TimedOut,
    /// A signal handler has run.
    Interrupted,
}

impl Wake for Word {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.0.swap(NOTIFIED, Ordering::Release) == PARKED {
            // Fails only for words that are none.
            let _ = futex::wake(&self.0, Flags::PRIVATE, 1);
        }
    }
}

impl FutexParker {
    fn new() -> Self {
        let word = Arc::new(Word(AtomicU32::new(EMPTY)));
        let waker = Waker::from(Arc::clone(&word));
        Self { word, waker }
    }

    pub(crate) fn of_this_thread() -> Self {
        thread_local! {
            static PARKER: FutexParker = FutexParker::new();
        }
        // It is gone in the destructors of other thread-locals.
        PARKER
            .try_with(Clone::clone)
            .unwrap_or_else(|_| Self::new())
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Sleeps, unless the waker was used since the last sleep.
    pub(crate) fn park(&self, deadline: Option<Instant>) -> Parked {
        let word = &self.word.0;
        // From EMPTY to PARKED, or from NOTIFIED to EMPTY: the waker's swap comes before or after.
        if word
            .compare_exchange(EMPTY, PARKED, Ordering::Acquire, Ordering::Acquire)
            .is_err()
        {
            word.swap(EMPTY, Ordering::Acquire);
            return Parked::Woken;
        }
        let ended = Self::sleep(word, deadline);
        match word.swap(EMPTY, Ordering::Acquire) {
            NOTIFIED => Parked::Woken,
            _ => ended,
        }
    }

    fn sleep(word: &AtomicU32, deadline: Option<Instant>) -> Parked {
        let left = match deadline {
            None => None,
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Parked::TimedOut;
                }
                // A time that the system cannot count is for ever.
                Timespec::try_from(left).ok()
            }
        };
        match futex::wait(word, Flags::PRIVATE, PARKED, left.as_ref()) {
            Err(Errno::INTR) => Parked::Interrupted,
            Err(Errno::TIMEDOUT) => Parked::TimedOut,
            // Woken, or not PARKED any more.
            _ => Parked::Woken,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;

    #[test]
    fn a_wake_up_that_comes_first_ends_the_sleep() {
        let parker = FutexParker::new();
        parker.waker().wake_by_ref();
        assert_eq!(parker.park(None), Parked::Woken);
        let soon = Instant::now() + Duration::from_millis(1);
        assert_eq!(parker.park(Some(soon)), Parked::TimedOut, "it counts once");
        assert!(Instant::now() >= soon);
    }

    #[test]
    fn another_thread_ends_the_sleep() {
        let parker = FutexParker::new();
        let rounds = if cfg!(debug_assertions) {
            1_000
        } else {
            10_000
        };
        let (there, back) = (parker.clone(), FutexParker::new());
        let other = {
            let back = back.clone();
            thread::spawn(move || {
                for _ in 0..rounds {
                    while there.park(None) != Parked::Woken {}
                    back.waker().wake_by_ref();
                }
            })
        };
        for _ in 0..rounds {
            parker.waker().wake_by_ref();
            while back.park(None) != Parked::Woken {}
        }
        other.join().unwrap();
    }
}
