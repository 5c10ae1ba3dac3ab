//! Several tasks that wait for one socket, such as one that sends and one that receives.

use std::{
    collections::BTreeMap,
    sync::Arc,
    task::{Wake, Waker},
};

use zpipe::{Guarded, Process, deferred};

/// Wakes all of them at once. Whoever finds nothing waits again.
#[derive(Debug)]
pub(crate) struct Tasks {
    waiting: Guarded<Waiting>,
    /// In a forked child somebody may hold the lock for ever.
    process: Process,
}

#[derive(Debug, Default)]
struct Waiting {
    wakers: BTreeMap<u64, Waker>,
    /// Places that there have been.
    places: u64,
}

/// A future's place among those that wait. With the future its waker goes, so that what is cancelled
/// leaves nothing behind.
#[derive(Debug, Default)]
pub(crate) struct Place(Option<(Arc<Tasks>, u64)>);

impl Tasks {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Guarded::default(),
            process: Process::current(),
        }
    }

    /// Has this task woken for the future with this place, and returns the waker that wakes all.
    pub(crate) fn join(self: &Arc<Self>, task: Waker, place: &mut Place) -> Waker {
        let mut waiting = self.waiting.lock();
        let (_, number) = place.0.get_or_insert_with(|| {
            waiting.places += 1;
            (Arc::clone(self), waiting.places)
        });
        let unused = waiting.wakers.insert(*number, task);
        drop(waiting);
        if let Some(unused) = unused {
            deferred::drop_waker(unused);
        }
        Waker::from(Arc::clone(self))
    }

    fn leave(&self, number: u64) {
        if self.process.is_forked() {
            return;
        }
        let unused = self.waiting.lock().wakers.remove(&number);
        if let Some(unused) = unused {
            deferred::drop_waker(unused);
        }
    }
}

impl Place {
    /// Gives the place up, and drops the waker, if it is still there.
    #[inline]
    pub(crate) fn leave(&mut self) {
        if let Some((tasks, number)) = self.0.take() {
            tasks.leave(number);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Wake for Tasks {
    fn wake(self: Arc<Self>) {
        // A waker may run a task at once, which may wait again.
        let tasks = std::mem::take(&mut self.waiting.lock().wakers);
        tasks.into_values().for_each(deferred::wake);
    }
}
