//! The numbers of links, connections and listeners.

use zpipe::Counter;

/// Hands out link ids. One sequence for the process, so an id never comes back.
static NEXT_ID: Counter = Counter::new();

pub(crate) fn next_id() -> u64 {
    NEXT_ID.add(1) + 1
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    #[test]
    fn an_id_is_not_zero_and_not_given_twice() {
        const THREADS: usize = 4;
        let together = Barrier::new(THREADS);
        let ids = || {
            together.wait();
            (0..100_000).map(|_| next_id()).collect::<Vec<_>>()
        };
        let mut given = thread::scope(|scope| {
            let threads = [(); THREADS].map(|()| scope.spawn(ids));
            threads.map(|thread| thread.join().unwrap()).concat()
        });
        given.sort_unstable();
        assert_ne!(given[0], 0);
        assert!(given.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
