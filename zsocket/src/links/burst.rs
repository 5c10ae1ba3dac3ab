//! Who writes what a thread sends: the thread itself, or the I/O thread.
//!
//! A lone message is written by the thread that sends it, which saves it the way through another
//! thread. In a burst each write would cost a system call for a message or two, while the I/O thread,
//! once it is awake, finds more to write each time it comes round; and the sending thread goes on
//! meanwhile. What makes a burst is what the *thread* did lately, not what one link saw: a thread that
//! sends to a hundred links in turn gives each of them every hundredth message only.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// Two messages for which a thread had to have an engine woken are a burst if they come closer together
/// than this.
const BURST: Duration = Duration::from_micros(100);

thread_local! {
    /// When this thread last had an engine woken.
    static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Notes that this thread has something for an engine that must be woken, and says whether that is part
/// of a burst.
pub(crate) fn goes_on() -> bool {
    let now = Instant::now();
    // A thread that is ending sends no bursts.
    let last = LAST.try_with(|last| last.replace(Some(now))).ok().flatten();
    last.is_some_and(|last| now - last < BURST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_a_thread_s_own() {
        assert!(!goes_on());
        let mut went_on = false;
        for _ in 0..100 {
            went_on |= goes_on();
        }
        assert!(went_on);
        assert!(!std::thread::spawn(goes_on).join().unwrap());
    }
}
