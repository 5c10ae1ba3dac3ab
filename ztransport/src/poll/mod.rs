//! Waiting for many descriptors, and being woken.
//!
//! There are two back ends with one interface:
//!
//! | | where | by what |
//! |---|---|---|
//! | `epoll.rs` | Linux | epoll and event descriptors, directly |
//! | `portable.rs` | macOS, BSD, Windows; Linux with `--cfg zlayers_portable` | `zpipe::poller`, which is the crate `polling` |
//!
//! # The interface
//!
//! - `Poll` waits, in one thread at a time. `Registry` registers sockets with it, from any thread. `Outside` is what those
//!   have who only want to know whether it has something to report: a foreign event loop, and the I/O thread that follows it. `Bed`
//!   is what one thread sleeps on.
//! - What is registered is a [`Source`]: it has a `Watched` socket, which is in no poll any more when it is closed.
//! - Changes are reported, and each once, beginning with what holds already. So read and write until that would block, or
//!   the socket takes less than it is given, and then tell the socket, `Watched::would_block`: some systems report the next
//!   change only after that. If a back end
//!   `TELLS_END`, a read that came back with less than there was room for will do, unless the end was reported.
//! - A poll that is put into another one (`Registry::nest`) is reported for as long as it has something to report.
//!   Where there are no such polls (`NESTS`), the I/O thread reads all streams, and no foreign event loop can lead.

#[cfg(all(target_os = "linux", not(zlayers_portable)))]
#[path = "epoll.rs"]
mod system;
#[cfg(any(not(target_os = "linux"), zlayers_portable))]
#[path = "portable.rs"]
mod system;

pub(crate) use self::system::{Bed, NESTS, Outside, Poll, REARMS, Registry, TELLS_END, Watched};

/// What a poll can wait for.
pub(crate) trait Source {
    fn watched(&self) -> &Watched;
}

impl Source for Watched {
    fn watched(&self) -> &Watched {
        self
    }
}

/// What happened to a descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) key: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer will send nothing more.
    pub(crate) hung_up: bool,
}

/// What is reported of a descriptor, besides an error and the end of both directions, which always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) input: bool,
    /// A Unix domain stream that is watched for this reports every message that its peer takes.
    pub(crate) output: bool,
}

impl Interest {
    pub(crate) const NOTHING: Self = Self {
        input: false,
        output: false,
    };
    pub(crate) const INPUT: Self = Self {
        input: true,
        output: false,
    };
    pub(crate) const OUTPUT: Self = Self {
        input: false,
        output: true,
    };
    pub(crate) const BOTH: Self = Self {
        input: true,
        output: true,
    };
}

#[cfg(all(test, unix))]
mod tests {
    use std::{io::Write, net::Shutdown, os::unix::net::UnixStream, time::Instant};

    use super::*;

    /// A stream that can be watched, and its other end.
    fn pair() -> (Watched, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Watched::new(ours.into()), theirs)
    }

    /// Reads all there is, and says so.
    fn use_up(stream: &Watched) {
        let _ = stream.set_nonblocking(true);
        while stream
            .recv(&mut [std::mem::MaybeUninit::uninit(); 64])
            .is_ok_and(|read| read > 0)
        {}
        stream.would_block(Interest::BOTH);
    }

    /// What is reported now: keys, and whether readable, writable and hung up.
    fn reported(poll: &Poll) -> Vec<(u64, [bool; 3])> {
        let mut seen = Vec::new();
        let report = |ready: Ready| {
            let what = [ready.readable, ready.writable, ready.hung_up];
            seen.push((ready.key, what));
        };
        poll.wait::<8>(Some(Instant::now()), report).unwrap();
        seen
    }

    /// kqueue tells whoever asks for something.
    #[test]
    #[cfg(target_os = "linux")]
    fn the_end_is_reported_whatever_is_watched() {
        for interest in [Interest::NOTHING, Interest::INPUT, Interest::BOTH] {
            let (poll, registry) = Poll::new().unwrap();
            let (ours, mut theirs) = pair();
            registry.add(&ours, 7, interest).unwrap();
            reported(&poll);
            theirs.write_all(b"input").unwrap();
            let found = reported(&poll);
            // Where there are no edges, nobody has said that there was no room.
            let keys = Vec::from_iter(found.iter().map(|(key, what)| (*key, what[0], what[2])));
            let expected = interest.input.then_some((7, true, false));
            assert_eq!(keys, Vec::from_iter(expected));
            if TELLS_END {
                let writable = interest.input.then_some(interest.output);
                assert_eq!(found.first().map(|found| found.1[1]), writable);
            }
            use_up(&ours);
            if TELLS_END {
                theirs.shutdown(Shutdown::Write).unwrap();
                let half = [true, interest.output, true];
                let expected = interest.input.then_some((7, half));
                assert_eq!(reported(&poll), Vec::from_iter(expected));
            }
            drop(theirs);
            assert_eq!(reported(&poll), [(7, [true; 3])]);
            assert_eq!(reported(&poll), []);
        }
    }

    #[test]
    fn what_is_removed_is_not_reported() {
        let (poll, registry) = Poll::new().unwrap();
        let (ours, mut theirs) = pair();
        registry.add(&ours, 7, Interest::INPUT).unwrap();
        theirs.write_all(b"input").unwrap();
        assert_eq!(reported(&poll), [(7, [true, false, false])]);
        registry.modify(&ours, 8, Interest::INPUT).unwrap();
        assert_eq!(reported(&poll), [(8, [true, false, false])]);
        registry.modify(&ours, 9, Interest::INPUT).unwrap();
        registry.remove(&ours).unwrap();
        drop(theirs);
        assert_eq!(reported(&poll), []);
    }

    #[test]
    fn each_thing_is_told_to_one_wait() {
        let (poll, registry) = Poll::new().unwrap();
        let _pairs: Vec<_> = (0..5)
            .map(|key| {
                let (ours, mut theirs) = pair();
                registry.add(&ours, key, Interest::INPUT).unwrap();
                theirs.write_all(b"input").unwrap();
                (ours, theirs)
            })
            .collect();
        let (waker, now) = (poll.waker(), Some(Instant::now()));
        let (mut keys, mut woken) = (Vec::new(), 0);
        waker.wake_by_ref();
        waker.wake_by_ref();
        for _ in 0..8 {
            let before = keys.len() + woken;
            let report = |ready: Ready| keys.push(ready.key);
            woken += usize::from(poll.wait::<2>(now, report).unwrap());
            assert!(keys.len() + woken <= before + 2);
        }
        keys.sort_unstable();
        assert_eq!((keys, woken), (vec![0, 1, 2, 3, 4], 1));
        assert!(!poll.wait::<2>(now, |_| panic!("told twice")).unwrap());
        waker.wake();
        assert!(poll.wait::<2>(now, |_| panic!("told twice")).unwrap());
    }
}
