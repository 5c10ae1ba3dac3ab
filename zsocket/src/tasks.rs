//! Several tasks that wait for one socket, such as one that sends and one that receives.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Wake, Waker},
};

use zpipe::deferred;

/// Wakes all of them at once. Whoever finds nothing waits again.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    waiting: Mutex<Vec<Waker>>,
}

impl Tasks {
    /// Adds one, and returns the waker that wakes all.
    pub(crate) fn join(self: &Arc<Self>, task: Waker) -> Waker {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.iter().any(|other| other.will_wake(&task)) {
            drop(waiting);
            deferred::drop_waker(task);
        } else {
            waiting.push(task);
        }
        Waker::from(Arc::clone(self))
    }
}

impl Wake for Tasks {
    fn wake(self: Arc<Self>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let tasks = std::mem::take(&mut *waiting);
        // A waker may run a task at once, which may wait again.
        drop(waiting);
        tasks.into_iter().for_each(deferred::wake);
    }
}
