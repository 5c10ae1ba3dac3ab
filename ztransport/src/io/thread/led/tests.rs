use std::{io::Write, os::unix::net::UnixStream};

use zpipe::Readiness;

use super::*;
use crate::{
    io::resolver::{Question, Resolver},
    poll::{Interest, Watched},
};

/// The state of an I/O thread that does not run, and what others see of its poll.
fn held() -> (Held, Remote, Outside) {
    let resolver = Resolver::new(Question::look_up);
    let (thread, remote) = IoThread::new(Arc::default(), resolver).unwrap();
    let outside = thread.outside();
    (Held::new(thread), remote, outside)
}

/// How many calls with this budget it takes until there is nothing left.
fn calls(held: &mut Held, outside: &Outside, budget: usize) -> u32 {
    for calls in 1..1000 {
        if held.dispatch(budget) == Dispatched::Idle {
            // It may still be reported what is handled by now, once.
            assert_eq!(held.dispatch(1), Dispatched::Idle);
            assert!(!outside.is_readable(), "reported for ever");
            return calls;
        }
        // A loop that waits for it is told, in particular one that is told of changes only.
        assert!(outside.is_readable(), "forgotten");
    }
    panic!("it never ends");
}

/// Things of one kind, handled one by one.
type Make = fn(&Held, &Remote, u64) -> Option<Watched>;

const KINDS: [Make; 3] = [
    // Streams that have input.
    |held, _, number| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let registry = &held.thread.registry;
        let ours = Watched::new(ours.into());
        registry.add(&ours, number, Interest::INPUT).unwrap();
        theirs.write_all(b"input").unwrap();
        Some(ours)
    },
    // Pipes that are to be looked at.
    |_, remote, number| {
        remote.io.sibling(number).notify(Readiness::READABLE);
        None
    },
    // Letters.
    |_, remote, number| {
        assert!(remote.commands.post(Command::ForgetAlarm(number)).is_ok());
        None
    },
];

#[test]
fn a_dispatch_handles_no_more_than_its_budget() {
    for (kind, make) in KINDS.into_iter().enumerate() {
        for (budget, least) in [(1, 6), (2, 3), (4, 2), (100, 1)] {
            let (mut held, remote, outside) = held();
            let _kept: Vec<_> = (1..=6).map(|at| make(&held, &remote, at)).collect();
            let calls = calls(&mut held, &outside, budget);
            // Every second one may only find out that there is no more.
            assert!(
                (least..=2 * least).contains(&calls),
                "{calls} of kind {kind} by {budget}"
            );
        }
    }
}

#[test]
fn a_budget_of_nothing_is_one_of_one() {
    let (mut held, remote, outside) = held();
    assert!(remote.commands.post(Command::ForgetAlarm(1)).is_ok());
    assert_eq!(calls(&mut held, &outside, 0), 1);
}

#[test]
fn what_a_dispatch_has_left_the_io_thread_handles() {
    for make in KINDS {
        let (mut held, remote, outside) = held();
        let _kept: Vec<_> = (1..=6).map(|at| make(&held, &remote, at)).collect();
        assert_eq!(held.dispatch(1), Dispatched::More);
        let Held { thread, turn } = &mut held;
        let begin = Instant::now();
        thread.wait(turn, Some(begin + Duration::from_secs(20)));
        assert!(begin.elapsed() < Duration::from_secs(20), "it slept");
        thread.work(turn, || true);
        assert!(!thread.has_left(turn));
        assert_eq!(calls(&mut held, &outside, 100), 1);
    }
}

/// A letter of before is lost no more than one that comes after.
#[test]
fn what_a_dispatch_has_left_ends_with_the_thread() {
    let (mut held, remote, _outside) = held();
    let seats = [0, 1, 2].map(|_| {
        let outside = held.thread.outside();
        let seat = Arc::new(Seat::new(&remote, outside).unwrap());
        let command = Command::Lead(Arc::clone(&seat));
        assert!(remote.commands.post(command).is_ok());
        seat
    });
    assert_eq!(held.dispatch(1), Dispatched::More);
    assert!(!held.thread.letters.is_empty());
    drop(held);
    for seat in seats {
        assert_eq!(seat.dispatch(1), Err(Ended::Stopped));
    }
}

#[test]
fn time_is_a_budget_too() {
    let mut pace = Pace::new(usize::MAX);
    assert!(pace.goes_on());
    let begin = Instant::now();
    while begin.elapsed() < SLICE {
        std::hint::spin_loop();
    }
    assert!(!pace.goes_on());
    assert!(pace.is_over());
}

#[test]
fn signals_after_a_dispatch_make_the_descriptor_readable() {
    let (mut held, remote, outside) = held();
    for number in 1..100 {
        assert_eq!(held.dispatch(8), Dispatched::Idle);
        assert!(!outside.is_readable());
        remote.io.sibling(number).notify(Readiness::READABLE);
        assert!(outside.is_readable());
    }
}
