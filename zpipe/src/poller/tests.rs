use std::{
    io::{Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    time::Duration,
};

use super::*;

const INPUT: Directions = Directions {
    input: true,
    output: false,
};
const OUTPUT: Directions = Directions {
    input: false,
    output: true,
};
const BOTH: Directions = Directions {
    input: true,
    output: true,
};

fn pair() -> (Watched<UnixStream>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (Watched::new(ours), theirs)
}

/// What is reported now.
fn reported(poller: &Poller) -> Vec<(u64, bool, bool)> {
    let mut seen = Vec::new();
    let report = |found: Reported| seen.push((found.key, found.ready.input, found.ready.output));
    let woken = poller.wait(16, Some(Instant::now()), report).unwrap();
    assert!(!woken);
    seen
}

/// Reads until it would block, and says so.
fn use_up(stream: &Watched<UnixStream>) {
    let mut room = [0; 64];
    while (&**stream).read(&mut room).is_ok_and(|read| read > 0) {}
    stream.would_block(INPUT);
}

#[test]
fn a_change_is_told_once_and_the_next_one_after_it_was_used_up() {
    let poller = Poller::new().unwrap();
    let (ours, mut theirs) = pair();
    poller.add(&ours, 7, BOTH, Mode::Edge).unwrap();
    assert_eq!(reported(&poller), [(7, false, true)]);
    assert_eq!(reported(&poller), []);
    for _ in 0..3 {
        theirs.write_all(b"input").unwrap();
        assert!(reported(&poller).iter().any(|found| found.1));
        assert_eq!(reported(&poller), []);
        use_up(&ours);
        assert_eq!(reported(&poller), []);
    }
    theirs.write_all(b"input").unwrap();
    // It is asked for the other direction, too, which stays as it was.
    ours.would_block(OUTPUT);
    let found = reported(&poller);
    assert_eq!((found[0].0, found[0].1), (7, true));
}

#[test]
fn what_comes_before_it_is_said_to_be_used_up_is_told() {
    let poller = Poller::new().unwrap();
    let (ours, mut theirs) = pair();
    poller.add(&ours, 7, INPUT, Mode::Edge).unwrap();
    theirs.write_all(b"input").unwrap();
    assert_eq!(reported(&poller), [(7, true, false)]);
    assert_eq!((&*ours).read(&mut [0; 64]).unwrap(), 5);
    (&*ours).read(&mut [0; 64]).unwrap_err();
    theirs.write_all(b"more").unwrap();
    ours.would_block(INPUT);
    assert_eq!(reported(&poller), [(7, true, false)]);
}

#[test]
fn a_change_of_interest_tells_again() {
    let poller = Poller::new().unwrap();
    let (ours, mut theirs) = pair();
    poller.add(&ours, 7, INPUT, Mode::Edge).unwrap();
    theirs.write_all(b"input").unwrap();
    assert_eq!(reported(&poller), [(7, true, false)]);
    poller.modify(&ours, u64::MAX, INPUT).unwrap();
    assert_eq!(reported(&poller), [(u64::MAX, true, false)]);
    poller.modify(&ours, 8, OUTPUT).unwrap();
    assert_eq!(reported(&poller), [(8, false, true)]);
    poller.modify(&ours, 8, Directions::default()).unwrap();
    assert_eq!(reported(&poller), []);
}

#[test]
fn one_that_is_gone_is_told_of_no_more_and_its_number_may_come_back() {
    let poller = Poller::new().unwrap();
    for key in 0..3 {
        let (ours, mut theirs) = pair();
        poller.add(&ours, key, INPUT, Mode::Edge).unwrap();
        let again = poller.add(&ours, key, INPUT, Mode::Edge).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        theirs.write_all(b"input").unwrap();
        assert_eq!(reported(&poller), [(key, true, false)]);
        theirs.write_all(b"input").unwrap();
        if key == 0 {
            poller.remove(&ours).unwrap();
            assert!(poller.remove(&ours).is_err() && poller.modify(&ours, 0, INPUT).is_err());
        }
        // The descriptor stays open elsewhere, so that the system alone would go on.
        let _other: OwnedFd = ours.try_clone().unwrap().into();
        drop(ours);
        assert_eq!(reported(&poller), []);
        assert!(poller.shared.sources.lock().len() == 1, "the alarm");
    }
}

#[test]
fn several_pollers_watch_one_descriptor_and_go_before_it() {
    let (first, second) = (Poller::new().unwrap(), Poller::new().unwrap());
    let (ours, mut theirs) = pair();
    first.add(&ours, 1, INPUT, Mode::Edge).unwrap();
    second.add(&ours, 2, INPUT, Mode::Edge).unwrap();
    for _ in 0..2 {
        theirs.write_all(b"input").unwrap();
        assert_eq!(reported(&first), [(1, true, false)]);
        assert_eq!(reported(&second), [(2, true, false)]);
        use_up(&ours);
    }
    drop(first);
    theirs.write_all(b"input").unwrap();
    assert_eq!(reported(&second), [(2, true, false)]);
}

#[test]
fn a_level_is_told_for_as_long_as_it_holds() {
    let poller = Poller::new().unwrap();
    let (ours, mut theirs) = pair();
    poller.add(&ours, 7, INPUT, Mode::Level).unwrap();
    theirs.write_all(b"input").unwrap();
    assert_eq!(reported(&poller), [(7, true, false)]);
    assert_eq!(reported(&poller), [(7, true, false)]);
    use_up(&ours);
    assert_eq!(reported(&poller), []);
}

#[test]
fn a_nested_poller_is_told_of_for_as_long_as_it_has_something() {
    let (outer, inner) = (Poller::new().unwrap(), Poller::new().unwrap());
    outer.nest(&inner, 3).unwrap();
    assert_eq!(
        outer.nest(&inner, 3).unwrap_err().kind(),
        io::ErrorKind::AlreadyExists
    );
    let (ours, mut theirs) = pair();
    inner.add(&ours, 7, INPUT, Mode::Edge).unwrap();
    assert_eq!(reported(&outer), []);
    theirs.write_all(b"input").unwrap();
    assert_eq!(reported(&outer), [(3, true, false)]);
    assert_eq!(reported(&outer), [(3, true, false)]);
    assert_eq!(reported(&inner), [(7, true, false)]);
    assert_eq!(reported(&outer), []);
    inner.wake();
    assert_eq!(reported(&outer), [(3, true, false)]);
    assert!(inner.wait(16, Some(Instant::now()), |_| ()).unwrap());
    assert_eq!(reported(&outer), []);
    inner.wake();
    outer.unnest(&inner).unwrap();
    assert_eq!(reported(&outer), []);
    outer.nest(&inner, 4).unwrap();
    drop(inner);
    assert_eq!(reported(&outer), []);
}

#[test]
fn each_thing_is_told_to_one_wait_however_small() {
    let poller = Poller::new().unwrap();
    let mut pairs: Vec<_> = (0..5).map(|_| pair()).collect();
    for (key, (ours, theirs)) in (0..).zip(&mut pairs) {
        poller.add(ours, key, INPUT, Mode::Edge).unwrap();
        theirs.write_all(b"input").unwrap();
    }
    poller.wake();
    poller.waker().wake();
    let (mut keys, mut woken) = (Vec::new(), 0);
    for _ in 0..20 {
        let now = Some(Instant::now());
        woken += usize::from(poller.wait(2, now, |found| keys.push(found.key)).unwrap());
    }
    keys.sort_unstable();
    assert_eq!((keys, woken), (vec![0, 1, 2, 3, 4], 1));
}

#[test]
fn a_wake_up_ends_a_wait_and_is_a_change_each_time() {
    let (outer, inner) = (Poller::new().unwrap(), Poller::new().unwrap());
    // Whoever is told of changes only.
    let edge = Mode::Edge;
    outer.add(&inner.shared.poller, 1, INPUT, edge).unwrap();
    for _ in 0..3 {
        inner.wake();
        if HAS_EDGES {
            assert_eq!(reported(&outer), [(1, true, false)]);
        }
    }
    assert!(inner.wait(16, None, |_| ()).unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| inner.wake());
        while !inner.wait(16, None, |_| ()).unwrap() {}
    });
    let soon = Instant::now() + Duration::from_millis(2);
    while Instant::now() < soon {
        assert!(!inner.wait(16, Some(soon), |_| ()).unwrap());
    }
}
