//! What the system's allocator is told.

use std::{
    hint::black_box,
    sync::{LazyLock, Once},
    thread,
    time::Duration,
};

use zpipe::Guarded;

/// Free memory that the allocator shall keep, in bytes: some bodies on their way from a stream to an
/// application that drops them.
const KEEP: usize = 4 << 20;

/// Keeps the allocator from giving memory back to the system and asking for it again with each large
/// message.
///
/// A receiver allocates a buffer for each large body and frees it a moment later. With glibc's
/// defaults the end of the heap is returned as soon as 128 KiB of it are free, so bodies of 64 KiB can
/// cost a system call and sixteen page faults each: a third of the throughput over tcp, in some runs
/// and not in others, as the heap happens to lie. glibc raises that limit by itself when it sees a
/// larger block freed, to twice its size. So one is allocated and freed here; its pages are never
/// touched. Other allocators take no notice.
pub(crate) fn expect_large_messages() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(black_box(Vec::<u8>::with_capacity(KEEP))));
}

/// Connections that have closed on an I/O thread since memory was last given back.
///
/// After a burst the allocator keeps nearly all of its memory, since something or other that is in use
/// lies behind it. So some time after many connections have closed it is asked for that memory. That takes
/// milliseconds for each 20 MiB, and what is given back has to be fetched again if it is needed again:
/// therefore not for a few, at most once a second, and on a thread of its own.
#[derive(Debug, Default)]
pub(crate) struct Closings {
    count: u32,
}

/// What counts as many. Each has taken up some kilobytes.
const MANY: u32 = 500;
/// When memory is given back: when the others of the burst have closed as well, and once more, for a socket
/// lets go of its part only when the application calls it.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];

impl Closings {
    /// One more. If there are many by now, says when to call [`give_back`](Self::give_back).
    pub(crate) fn add(&mut self) -> Option<Duration> {
        self.count += 1;
        self.count.is_multiple_of(MANY).then_some(PAUSES[0])
    }

    /// Gives memory back, and says when to do that again if that is of use.
    pub(crate) fn give_back(&mut self) -> Option<Duration> {
        trim_in_background();
        let again = self.count > 0;
        self.count = 0;
        again.then_some(PAUSES[1])
    }
}

/// Trims, unless somebody is just doing that. Others may wait for the allocator meanwhile, but no I/O thread
/// waits for the whole of it.
fn trim_in_background() {
    static RUNNING: LazyLock<Guarded<bool>> = LazyLock::new(Guarded::default);
    let mut running = RUNNING.lock();
    if *running {
        return;
    }
    let trim = || {
        zpipe::trim_heap(KEEP);
        *RUNNING.lock() = false;
    };
    // Without a thread the memory stays until the next burst.
    let spawned = thread::Builder::new()
        .name("zlayers-trim".to_owned())
        .spawn(trim);
    *running = spawned.is_ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_after_many_and_only_twice() {
        let mut closings = Closings::default();
        for _ in 1..MANY {
            assert_eq!(closings.add(), None);
        }
        assert_eq!(closings.add(), Some(PAUSES[0]));
        assert_eq!(closings.add(), None);
        assert_eq!(closings.give_back(), Some(PAUSES[1]));
        assert_eq!(closings.give_back(), None);
        assert_eq!(closings.add(), None);
    }
}
