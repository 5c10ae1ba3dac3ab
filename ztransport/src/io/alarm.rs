//! An I/O thread's clock, lent to those who have no thread of their own: futures with a deadline.

use std::{fmt, time::Instant};

use zpipe::{Notifier, Process, Sender};

use super::command::Command;

/// Has an I/O thread signal somebody at a given time. Made by [`Reactor::alarm`](crate::Reactor::alarm); dropping
/// it takes back what was set.
pub struct Alarm {
    key: u64,
    commands: Sender<Command>,
    notifier: Notifier,
    process: Process,
}

impl Alarm {
    pub(crate) fn new(key: u64, commands: Sender<Command>, notifier: Notifier) -> Self {
        Self {
            key,
            commands,
            notifier,
            process: Process::current(),
        }
    }

    /// Signals once, at that time or soon after it, with [`Readiness::MAIL`](zpipe::Readiness::MAIL). Of several
    /// times that are set the earliest counts, and the others are forgotten when it has come.
    ///
    /// `false` if the I/O thread is gone, or this is a forked child, and there will be no signal.
    #[must_use]
    pub fn set(&self, at: Instant) -> bool {
        if self.process.is_forked() {
            return false;
        }
        let (key, notifier) = (self.key, self.notifier.clone());
        let command = Command::Alarm { key, at, notifier };
        self.commands.post(command).is_ok()
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if !self.process.is_forked() {
            // A thread that is gone has forgotten it.
            let _ = self.commands.post(Command::ForgetAlarm(self.key));
        }
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Duration;

    use zpipe::{Readiness, ReadySet};

    use crate::Reactor;

    #[test]
    fn signals_at_the_earliest_time_and_again_when_it_is_set_again() {
        let reactor = Reactor::new(1).unwrap();
        let mut ready = ReadySet::new();
        let alarm = reactor.alarm(ready.notifier(7)).unwrap();
        let start = std::time::Instant::now();
        let [soon, late] = [20, 3_600_000].map(|ms| start + Duration::from_millis(ms));
        assert!(alarm.set(late));
        for _ in 0..2 {
            assert!(alarm.set(soon));
            assert!(ready.wait(Some(start + Duration::from_secs(30))));
            assert!(std::time::Instant::now() >= soon);
            ready.drain(|token, what| assert_eq!((token, what), (7, Readiness::MAIL)));
        }
    }

    #[test]
    fn what_is_dropped_signals_no_more_and_without_threads_there_is_none() {
        let reactor = Reactor::new(1).unwrap();
        let mut ready = ReadySet::new();
        let alarm = reactor.alarm(ready.notifier(7)).unwrap();
        let soon = std::time::Instant::now() + Duration::from_millis(20);
        assert!(alarm.set(soon));
        drop(alarm);
        // Set later for later: when it signals, the first would have done so.
        let other = reactor.alarm(ready.notifier(8)).unwrap();
        assert!(other.set(soon + Duration::from_millis(20)));
        assert!(ready.wait(Some(soon + Duration::from_secs(30))));
        ready.drain(|token, _| assert_eq!(token, 8));
        assert!(Reactor::new(0).unwrap().alarm(ready.notifier(9)).is_none());
    }

    #[test]
    fn an_io_thread_that_ends_signals_what_was_set() {
        let reactor = Reactor::new(1).unwrap();
        let mut ready = ReadySet::new();
        let alarm = reactor.alarm(ready.notifier(7)).unwrap();
        let start = std::time::Instant::now();
        assert!(alarm.set(start + Duration::from_secs(3600)));
        drop(reactor);
        assert!(ready.wait(Some(start + Duration::from_secs(30))));
        assert!(!alarm.set(start));
    }
}
