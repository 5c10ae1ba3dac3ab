//! Mailboxes, and values that several threads drive.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use loom::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};
use zpipe::{Driven, Owned, ReadySet, mailbox};

use crate::model;

#[test]
fn every_letter_is_announced() {
    model(|| {
        let mut set = ReadySet::new();
        let (sender, mut mailbox) = mailbox(set.notifier(0));
        let other = sender.clone();
        let one = thread::spawn(move || sender.post(1).unwrap());
        let two = thread::spawn(move || other.post(2).unwrap());
        let mut sum = 0;
        while sum < 3 {
            assert!(set.wait(None));
            set.drain(|_, _| ());
            sum += mailbox.take().into_iter().sum::<u32>();
        }
        one.join().unwrap();
        two.join().unwrap();
    });
}

#[test]
fn a_letter_to_nobody_comes_back_or_is_dropped() {
    model(|| {
        let set = ReadySet::new();
        let (sender, mailbox) = mailbox(set.notifier(0));
        let letter = Arc::new(());
        let theirs = Arc::clone(&letter);
        let thread = thread::spawn(move || drop(sender.post(theirs)));
        drop(mailbox);
        thread.join().unwrap();
        assert_eq!(Arc::strong_count(&letter), 1);
    });
}

#[test]
fn a_letter_is_taken_or_taken_back() {
    model(|| {
        let set = ReadySet::new();
        let (sender, mut mailbox) = mailbox(set.notifier(0));
        sender.post(1).unwrap();
        let ticket = sender.post(2).unwrap();
        let thread = thread::spawn(move || (mailbox.take(), mailbox));
        let back = sender.retract_if(ticket, |_| true);
        let (mut taken, mut mailbox) = thread.join().unwrap();
        taken.extend(mailbox.take());
        match back {
            Some(letter) => {
                assert_eq!(letter, 2);
                assert_eq!(taken, [1]);
            }
            None => assert_eq!(taken, [1, 2]),
        }
    });
}

/// What each of several threads has done before it drove a value, as the one sees it who drives.
struct Board([AtomicU32; 3]);

impl Board {
    fn new() -> Arc<Self> {
        Arc::new(Self(std::array::from_fn(|_| AtomicU32::new(0))))
    }

    /// Does something, and drives with the event that stands for it.
    fn drive(&self, owned: &Owned<u32>, number: usize) {
        self.drive_for(u32::MAX, owned, number);
    }

    fn drive_once(&self, owned: &Owned<u32>, number: usize) -> Driven {
        self.drive_for(1, owned, number)
    }

    fn drive_for(&self, rounds: u32, owned: &Owned<u32>, number: usize) -> Driven {
        self.0[number].store(1, Ordering::Relaxed);
        owned.drive_for(rounds, 1 << number, |handled, events| {
            for number in (0..3).filter(|number| events & 1 << number != 0) {
                assert_eq!(
                    self.0[number].load(Ordering::Relaxed),
                    1,
                    "an event too early"
                );
            }
            *handled += events;
        })
    }
}

#[test]
fn who_handles_an_event_sees_what_led_to_it() {
    model(|| {
        let (owned, board) = (Arc::new(Owned::new(0)), Board::new());
        let threads = [1, 2].map(|number| {
            let (owned, board) = (Arc::clone(&owned), Arc::clone(&board));
            thread::spawn(move || board.drive(&owned, number))
        });
        board.drive(&owned, 0);
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        let mut all = 0;
        assert!(owned.drive(0, |handled, _| all = *handled));
        assert_eq!(all, 0b111, "each once");
    });
}

#[test]
fn no_event_is_lost_and_nobody_is_in_twice() {
    model(|| {
        let owned = Arc::new(Owned::new(0));
        let threads = [1, 2].map(|event| {
            let owned = Arc::clone(&owned);
            thread::spawn(move || {
                owned.drive(event, |seen, events| *seen |= events);
            })
        });
        owned.drive(4, |seen, events| *seen |= events);
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        // Free again, and every event handled.
        let mut seen = 0;
        assert!(owned.drive(8, |value, events| {
            *value |= events;
            seen = *value;
        }));
        assert_eq!(seen, 15);
    });
}

#[test]
fn an_event_posted_while_its_like_is_handled_counts_anew() {
    model(|| {
        let owned = Arc::new(Owned::new(0));
        let work = Arc::new(AtomicU32::new(0));
        let (our, their) = (Arc::clone(&owned), Arc::clone(&work));
        let drive = |owned: &Owned<u32>, work: &AtomicU32| {
            work.fetch_add(1, Ordering::Relaxed);
            owned.drive(1, |seen, _| {
                *seen = work.load(Ordering::Relaxed);
            });
        };
        let thread = thread::spawn(move || drive(&our, &their));
        drive(&owned, &work);
        thread.join().unwrap();
        let mut last = 0;
        owned.drive(0, |seen, _| last = *seen);
        assert_eq!(last, 2, "who came last was seen by the one who drove");
    });
}

#[test]
fn what_a_thread_leaves_the_next_one_handles() {
    model(|| {
        let (owned, board) = (Arc::new(Owned::new(0)), Board::new());
        let threads = [1, 2].map(|number| {
            let (owned, board) = (Arc::clone(&owned), Arc::clone(&board));
            thread::spawn(move || board.drive_once(&owned, number))
        });
        let mut left = board.drive_once(&owned, 0) == Driven::Left;
        for thread in threads {
            left |= thread.join().unwrap() == Driven::Left;
        }
        let mut all = 0;
        let mut rest = 0;
        assert!(owned.drive(0, |handled, events| {
            rest |= events;
            *handled += events;
            all = *handled;
        }));
        assert_eq!(all, 0b111, "each once");
        assert!(left || rest == 0, "who leaves something says so");
    });
}

#[test]
fn what_led_to_a_panic_is_seen_with_it() {
    model(|| {
        let owned = Arc::new(Owned::new(0));
        let done = Arc::new(AtomicU32::new(0));
        let (our, their) = (Arc::clone(&owned), Arc::clone(&done));
        let thread = thread::spawn(move || {
            let drive = AssertUnwindSafe(|| {
                our.drive(1, |_, _| {
                    their.store(1, Ordering::Relaxed);
                    resume_unwind(Box::new("on purpose"));
                })
            });
            catch_unwind(drive).unwrap_err();
        });
        assert!(!owned.is_poisoned() || done.load(Ordering::Relaxed) == 1);
        thread.join().unwrap();
        assert!(owned.is_poisoned());
        assert!(!owned.drive(2, |_, _| unreachable!("poisoned")));
    });
}
