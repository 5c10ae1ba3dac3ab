//! What all threads of a run share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::{Duration, Instant};

use zexamples::{Endpoints, Result, Table};
use zsocket::{Context, Error};

use crate::PATIENCE;
use crate::pulse::Pulse;

/// The place where everything happens.
pub(crate) struct Stage {
    pub(crate) context: Context,
    pub(crate) endpoints: Endpoints,
    /// Read by those who need a connection at the first attempt, written by those who take the
    /// descriptors away.
    pub(crate) descriptors: RwLock<()>,
    pub(crate) log: Log,
    pub(crate) pulse: Pulse,
    /// How long a scene lasts, and then with as many sockets as it may have; otherwise that is drawn.
    pub(crate) scene_length: Option<Duration>,
    stopping: AtomicBool,
}

impl Stage {
    pub(crate) fn new(context: Context, scene_length: Option<Duration>) -> Result<Self> {
        Ok(Self {
            context,
            endpoints: Endpoints::new()?,
            descriptors: RwLock::default(),
            log: Log::default(),
            pulse: Pulse::default(),
            scene_length,
            stopping: AtomicBool::new(false),
        })
    }

    /// Tells everybody to come to an end.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Waits, but not beyond the end.
    pub(crate) fn pause(&self, time: Duration) {
        let start = Instant::now();
        while !self.stopping() {
            let left = time.saturating_sub(start.elapsed());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(Duration::from_millis(50)));
        }
    }

    /// While this is held, there are descriptors.
    pub(crate) fn enough_descriptors(&self) -> RwLockReadGuard<'_, ()> {
        self.descriptors
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what takes a descriptor: tries again while there is none.
    pub(crate) fn insist<T>(&self, mut attempt: impl FnMut() -> Result<T, Error>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match attempt() {
                Err(error) if lacks_descriptors(&error) && Instant::now() < deadline => {
                    self.log.count("calls refused for lack of descriptors");
                    thread::sleep(Duration::from_millis(5));
                }
                result => return Ok(result?),
            }
        }
    }
}

/// Whether a call failed because the process may not open more descriptors.
fn lacks_descriptors(error: &Error) -> bool {
    const EMFILE: &str = "os error 24";
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        if error.to_string().contains(EMFILE) {
            return true;
        }
        next = error.source();
    }
    false
}

/// What happened, how often, and how long it took at most; and what must not have happened.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: Mutex<BTreeMap<&'static str, Entry>>,
    violations: Mutex<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    count: u64,
    longest: Option<Duration>,
}

impl Log {
    pub(crate) fn count(&self, what: &'static str) {
        self.add(what, 1);
    }

    pub(crate) fn add(&self, what: &'static str, count: u64) {
        lock(&self.entries).entry(what).or_default().count += count;
    }

    /// Counts something that took a while.
    pub(crate) fn took(&self, what: &'static str, time: Duration) {
        let mut entries = lock(&self.entries);
        let entry = entries.entry(what).or_default();
        entry.count += 1;
        entry.longest = entry.longest.max(Some(time));
    }

    /// Notes, and says at once, what must not happen.
    pub(crate) fn violation(&self, what: &str) {
        *lock(&self.violations) += 1;
        eprintln!("soak: {what}");
    }

    pub(crate) fn violations(&self) -> u64 {
        *lock(&self.violations)
    }

    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new(["what happened", "times", "longest"]);
        for (what, entry) in &*lock(&self.entries) {
            let longest = entry.longest.map_or_else(String::new, |time| {
                format!("{:.1} ms", time.as_secs_f64() * 1e3)
            });
            table.row([(*what).to_owned(), entry.count.to_string(), longest]);
        }
        table
    }
}

/// A thread that panicked has left numbers, not half of a state.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io;

    use zsocket::Blocked;

    use super::*;

    #[test]
    fn a_lack_of_descriptors_is_told_from_other_errors() {
        let system = |code| Error::Io(io::Error::from_raw_os_error(code));
        assert!(lacks_descriptors(&system(24)));
        assert!(!lacks_descriptors(&system(13)));
        assert!(!lacks_descriptors(&Error::WouldBlock(Blocked::TimeOut)));
    }
}
