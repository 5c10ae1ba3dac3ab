//! The ready list and the ways to wait for it.

use std::{
    os::fd::BorrowedFd,
    sync::Arc as StdArc,
    task::{Wake, Waker},
    time::Instant,
};

use loom::{
    sync::{
        Notify,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};
use zpipe::{Notifier, Readiness, ReadySet};

use crate::model;

/// Waits until the tokens 1 and 2 have both been seen readable.
fn await_both(set: &mut ReadySet) {
    let mut seen = 0;
    while seen != 0b11 {
        assert!(set.wait(None));
        set.drain(|token, what| {
            assert_eq!(what, Readiness::READABLE);
            assert_eq!(seen & token, 0, "signalled once, so reported once");
            seen |= token;
        });
    }
}

fn notify(notifier: Notifier, what: Readiness) -> thread::JoinHandle<()> {
    thread::spawn(move || notifier.notify(what))
}

#[test]
fn two_signallers_and_a_parked_thread() {
    model(|| {
        let mut set = ReadySet::new();
        let one = notify(set.notifier(1), Readiness::READABLE);
        let two = notify(set.notifier(2), Readiness::READABLE);
        await_both(&mut set);
        one.join().unwrap();
        two.join().unwrap();
        assert!(set.is_empty());
    });
}

#[test]
fn bits_of_one_token_merge_and_none_is_lost() {
    model(|| {
        let mut set = ReadySet::new();
        let notifier = set.notifier(1);
        let one = notify(notifier.clone(), Readiness::READABLE);
        let two = notify(notifier, Readiness::WRITABLE);
        let mut seen = Readiness::NONE;
        while seen != Readiness::READABLE | Readiness::WRITABLE {
            assert!(set.wait(None));
            set.drain(|_, what| {
                assert_ne!(what, Readiness::NONE);
                seen = seen | what;
            });
        }
        one.join().unwrap();
        two.join().unwrap();
    });
}

#[test]
fn a_token_signalled_again_while_it_is_drained() {
    model(|| {
        let mut set = ReadySet::new();
        let notifier = set.notifier(1);
        let work = StdArc::new(AtomicU32::new(0));
        let theirs = StdArc::clone(&work);
        let thread = thread::spawn(move || {
            for _ in 0..2 {
                theirs.fetch_add(1, Ordering::Relaxed);
                notifier.notify(Readiness::READABLE);
            }
        });
        // Work done before a signal is seen by whoever drains that signal.
        let mut done = 0;
        while done < 2 {
            assert!(set.wait(None));
            set.drain(|_, _| done = work.load(Ordering::Relaxed));
        }
        thread.join().unwrap();
    });
}

#[test]
fn a_queued_token_stays_queued_while_the_one_before_it_is_signalled_again() {
    model(|| {
        let mut set = ReadySet::new();
        let (one, two) = (set.notifier(1), set.notifier(2));
        one.notify(Readiness::READABLE);
        two.notify(Readiness::READABLE);
        let thread = notify(one, Readiness::READABLE);
        let mut seen = [0, 0];
        let mut count = |token: u64, _| seen[token as usize - 1] += 1;
        set.drain(&mut count);
        thread.join().unwrap();
        set.drain(&mut count);
        assert!(set.is_empty());
        assert!(matches!(seen, [1 | 2, 1]), "{seen:?}");
    });
}

#[test]
fn waits_of_different_kinds_follow_each_other() {
    model(|| {
        let mut set = ReadySet::new();
        let notifier = set.notifier(1);
        let work = StdArc::new(AtomicU32::new(0));
        let theirs = StdArc::clone(&work);
        let thread = thread::spawn(move || {
            for _ in 0..2 {
                theirs.fetch_add(1, Ordering::Relaxed);
                notifier.notify(Readiness::READABLE);
            }
        });
        // The waker of the first wait is still known when the second one begins.
        let (task, waker) = task();
        while !set.register(&waker) {
            task.0.wait();
        }
        let mut done = 0;
        set.drain(|_, _| done = work.load(Ordering::Relaxed));
        while done < 2 {
            assert!(set.wait(None));
            set.drain(|_, _| done = work.load(Ordering::Relaxed));
        }
        thread.join().unwrap();
    });
}

#[test]
fn a_set_that_moves_to_another_thread_wakes_that_one() {
    model(|| {
        let mut set = ReadySet::new();
        let (one, two) = (set.notifier(1), set.notifier(2));
        let signaller = thread::spawn(move || {
            one.notify(Readiness::READABLE);
            two.notify(Readiness::READABLE);
        });
        assert!(set.wait(None));
        let mut seen = 0;
        set.drain(|_, _| seen += 1);
        let waiter = thread::spawn(move || {
            while seen < 2 {
                assert!(set.wait(None));
                set.drain(|_, _| seen += 1);
            }
        });
        signaller.join().unwrap();
        waiter.join().unwrap();
    });
}

#[test]
fn a_signal_after_the_deadline_is_there_for_the_next_wait() {
    model(|| {
        let mut set = ReadySet::new();
        let thread = notify(set.notifier(1), Readiness::READABLE);
        // A deadline has always passed when loom's threads come to sleep.
        let in_time = set.wait(Some(Instant::now()));
        if in_time {
            assert!(!set.is_empty());
        } else {
            assert!(set.wait(None));
        }
        let mut seen = 0;
        set.drain(|_, _| seen += 1);
        assert_eq!(seen, 1);
        thread.join().unwrap();
    });
}

#[test]
fn a_list_that_goes_frees_what_is_queued() {
    model(|| {
        let mut set = ReadySet::new();
        let one = notify(set.notifier(1), Readiness::READABLE);
        let two = notify(set.notifier(2), Readiness::READABLE);
        set.drain(|_, _| ());
        drop(set);
        one.join().unwrap();
        two.join().unwrap();
    });
}

/// A task that sleeps until it is woken.
pub(crate) struct Task(pub(crate) Notify);

impl Wake for Task {
    fn wake(self: StdArc<Self>) {
        self.0.notify();
    }
}

pub(crate) fn task() -> (StdArc<Task>, Waker) {
    let task = StdArc::new(Task(Notify::new()));
    (StdArc::clone(&task), Waker::from(task))
}

#[test]
fn a_registered_waker_is_woken() {
    model(|| {
        let mut set = ReadySet::new();
        let thread = notify(set.notifier(1), Readiness::READABLE);
        let (task, waker) = task();
        while !set.register(&waker) {
            task.0.wait();
        }
        let mut seen = 0;
        set.drain(|token, _| seen = token);
        assert_eq!(seen, 1);
        thread.join().unwrap();
    });
}

#[test]
fn a_waker_taken_back_is_not_kept() {
    model(|| {
        let mut set = ReadySet::new();
        let (task, waker) = task();
        let thread = notify(set.notifier(1), Readiness::READABLE);
        set.register(&waker);
        set.unregister();
        drop(waker);
        thread.join().unwrap();
        assert_eq!(StdArc::strong_count(&task), 1);
        assert!(!set.is_empty());
    });
}

#[test]
fn the_last_waker_registered_is_woken() {
    model(|| {
        let mut set = ReadySet::new();
        let other = Waker::noop();
        let (task, waker) = task();
        let thread = notify(set.notifier(1), Readiness::READABLE);
        set.register(other);
        while !set.register(&waker) {
            task.0.wait();
        }
        assert!(!set.is_empty());
        thread.join().unwrap();
    });
}

#[test]
fn a_waker_that_stays_in_its_slot_is_woken_each_time() {
    model(|| {
        let mut set = ReadySet::new();
        let (one, two) = (set.notifier(1), set.notifier(2));
        let thread = thread::spawn(move || {
            one.notify(Readiness::READABLE);
            two.notify(Readiness::READABLE);
        });
        let (task, waker) = task();
        let mut seen = 0;
        while seen != 0b11 {
            while !set.register_direct(&waker) {
                task.0.wait();
            }
            set.drain(|token, _| seen |= token);
        }
        thread.join().unwrap();
        drop((set, waker));
        assert_eq!(StdArc::strong_count(&task), 1, "the slot goes with the set");
    });
}

#[test]
fn a_thread_and_a_task_are_both_woken() {
    model(|| {
        let mut set = ReadySet::new();
        let thread = notify(set.notifier(1), Readiness::READABLE);
        let (task, task_waker) = self::task();
        let (direct, direct_waker) = self::task();
        if !set.register(&task_waker) && !set.register_direct(&direct_waker) {
            direct.0.wait();
            task.0.wait();
        }
        assert!(!set.is_empty());
        thread.join().unwrap();
    });
}

#[test]
fn who_takes_one_wait_back_leaves_the_other() {
    model(|| {
        let mut set = ReadySet::new();
        let thread = notify(set.notifier(1), Readiness::READABLE);
        let (task, waker) = self::task();
        if !set.register(&waker) {
            let _ = set.register_direct(Waker::noop());
            set.unregister_direct();
            task.0.wait();
        }
        thread.join().unwrap();
    });
}

#[test]
fn a_list_that_forwards_is_never_full_in_silence() {
    model(|| {
        let mut all = ReadySet::new();
        let mut set = ReadySet::new();
        let (one, two) = (set.notifier(1), set.notifier(2));
        let thread = thread::spawn(move || {
            one.notify(Readiness::READABLE);
            two.notify(Readiness::READABLE);
        });
        set.forward(all.notifier(9));
        let mut seen = 0;
        while seen != 0b11 {
            all.wait(None);
            all.drain(|token, _| assert_eq!(token, 9));
            set.drain(|token, _| seen |= token);
        }
        thread.join().unwrap();
    });
}

#[test]
fn a_list_that_stops_forwarding_leaves_nothing_behind() {
    model(|| {
        let all = ReadySet::new();
        let mut set = ReadySet::new();
        let thread = notify(set.notifier(1), Readiness::READABLE);
        let to = all.notifier(9);
        set.forward(to.clone());
        set.stop_forwarding();
        drop(to);
        thread.join().unwrap();
        assert!(!set.is_empty());
    });
}

#[test]
fn two_signallers_and_a_task_that_becomes_a_thread() {
    model(|| {
        let mut set = ReadySet::new();
        let one = notify(set.notifier(1), Readiness::READABLE);
        let two = notify(set.notifier(2), Readiness::READABLE);
        // Whoever is late with waking the one finds the other in the slot.
        let (task, waker) = task();
        while !set.register(&waker) {
            task.0.wait();
        }
        let mut seen = 0;
        set.drain(|token, _| seen |= token);
        let (direct, waker) = self::task();
        while seen != 0b11 {
            while !set.register_direct(&waker) {
                direct.0.wait();
            }
            set.drain(|token, _| seen |= token);
        }
        one.join().unwrap();
        two.join().unwrap();
    });
}

/// Counts how often it is woken.
struct Counter(AtomicU32);

impl Wake for Counter {
    fn wake(self: StdArc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn of_two_signallers_one_wakes() {
    model(|| {
        let mut set = ReadySet::new();
        let one = notify(set.notifier(1), Readiness::READABLE);
        let two = notify(set.notifier(2), Readiness::READABLE);
        let counter = StdArc::new(Counter(AtomicU32::new(0)));
        let waits = !set.register_direct(&Waker::from(StdArc::clone(&counter)));
        one.join().unwrap();
        two.join().unwrap();
        let wakes = counter.0.load(Ordering::Relaxed);
        assert!(wakes <= 1 && (wakes == 1 || !waits), "{wakes} wake-ups");
    });
}

#[test]
fn a_set_that_goes_lets_its_waker_go() {
    model(|| {
        let mut set = ReadySet::new();
        let thread = notify(set.notifier(1), Readiness::READABLE);
        let (task, waker) = task();
        set.register(&waker);
        drop((set, waker));
        thread.join().unwrap();
        assert_eq!(StdArc::strong_count(&task), 1);
    });
}

fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut counter = [0; 8];
    rustix::io::read(fd, &mut counter).is_ok()
}

#[test]
fn a_descriptor_made_while_somebody_signals() {
    model(|| {
        let set = ReadySet::new();
        let thread = notify(set.notifier(1), Readiness::READABLE);
        set.fd().unwrap();
        thread.join().unwrap();
        assert!(is_readable(set.fd().unwrap()));
    });
}

#[test]
fn a_descriptor_cleared_while_somebody_signals() {
    model(|| {
        let mut set = ReadySet::new();
        set.fd().unwrap();
        let thread = notify(set.notifier(1), Readiness::READABLE);
        let mut seen = 0;
        set.drain(|_, _| seen += 1);
        thread.join().unwrap();
        if seen == 0 {
            assert!(is_readable(set.fd().unwrap()), "a lost signal");
        }
        // Whatever the signaller had still to do is over: now it can be made quiet.
        set.drain(|_, _| seen += 1);
        assert_eq!(seen, 1);
        assert!(!is_readable(set.fd().unwrap()), "readable for ever");
    });
}
