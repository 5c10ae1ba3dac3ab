//! Waiting for a signal, and for input.

use std::{
    task::{Wake, Waker},
    time::{Duration, Instant},
};

use zpipe::Interrupted;
use ztransport::{Arrived, InputPoll};

use super::{Core, Then};
use crate::{links::Slot, pattern::State, tasks::Place};

/// How long a receiver takes in parts of a message before it looks at its deadline again.
const BETWEEN_LOOKS: Duration = Duration::from_micros(200);

impl<S: State> Core<S> {
    /// There is more to look at: says whether there is time for it.
    pub(crate) fn has_time(&self, deadline: Option<Instant>) -> bool {
        is_in_time(deadline)
    }

    /// Blocks until something is signalled or the deadline has passed; says whether to try again. Before
    /// that the caller gives the core back, so that foreign code runs: somebody may wait for it.
    pub(crate) fn wait(&mut self, deadline: Option<Instant>) -> bool {
        self.uncork();
        if self.deferral.is_due() {
            return true;
        }
        self.give_back_input();
        // An I/O thread, on which foreign code has called, waits for nothing but its poll.
        if ztransport::is_io_thread() {
            return false;
        }
        self.interrupted = false;
        if !self.interruptible {
            return self.ready.wait(deadline);
        }
        match self.ready.wait_interruptible(deadline) {
            Ok(signalled) => signalled,
            Err(Interrupted) => {
                self.interrupted = true;
                false
            }
        }
    }

    /// What the tasks that wait may have waited for has come by another way than a signal: they look again.
    pub(crate) fn wake_tasks(&mut self) {
        if std::mem::take(&mut self.tasks_wait) {
            self.deferral.begin();
            self.tasks.wake_by_ref();
        }
    }

    /// Has what this thread has left in outbound pipes, of whatever socket, written before it waits, or does
    /// something else.
    #[inline]
    pub(crate) fn uncork(&mut self) {
        if ztransport::has_corked() {
            self.deferral.begin();
            ztransport::uncork();
        }
    }

    /// Like [`wait`](Self::wait), for a message. Where peers are behind streams this thread waits for
    /// these itself and reads them, which saves the way through the I/O thread.
    pub(crate) fn wait_recv(&mut self, deadline: Option<Instant>) -> bool {
        self.uncork();
        if self.deferral.is_due() || self.led_by.is_some() || ztransport::is_io_thread() {
            return self.wait(deadline);
        }
        self.open_input();
        let Some(input) = &mut self.input else {
            return self.wait(deadline);
        };
        if !input.begin_wait() {
            return self.wait(deadline);
        }
        self.interrupted = false;
        let ready = &mut self.ready;
        // With a single peer that was tried already, if it is worth it: see `look_again`.
        let found = if self.links.only().is_some() {
            false
        } else {
            self.spinner.until(|| input.look() || !ready.is_empty())
        };
        let waited = if found {
            Ok(())
        } else {
            input.wait_with(ready, deadline, self.interruptible)
        };
        input.end_wait();
        self.read_arrived();
        if waited == Err(Interrupted) {
            self.interrupted = true;
            return false;
        }
        deadline.is_none_or(|deadline| Instant::now() < deadline)
    }

    /// Sees to it that this thread can wait for its streams itself, if there are any. Without descriptors
    /// left the I/O thread goes on.
    fn open_input(&mut self) {
        if self.input.is_none()
            && let Some(driver) = self.links.drivers().next()
            && let Ok(input) = InputPoll::new(driver)
        {
            self.links.drivers().for_each(|driver| input.join(driver));
            self.input = Some(input);
        }
    }

    /// Brings in what was found to have arrived.
    fn read_arrived(&mut self) {
        while let Some(arrived) = self.input.as_mut().and_then(InputPoll::pop) {
            self.read_stream(arrived);
        }
    }

    /// Reads a stream that has input, and notes that its link may have messages.
    pub(crate) fn read_stream(&mut self, arrived: Arrived) {
        self.wake_tasks();
        self.note_leader();
        // One that is gone is the I/O thread's again.
        let Some(at) = self.links.of_connection(arrived.connection) else {
            return;
        };
        let Some(Slot { link, .. }) = self.links.get_mut(at) else {
            return;
        };
        // A connection that gets a new link each time may have old ones. Its input is signalled.
        let is_its = link.id == arrived.connection;
        if is_its {
            // Not idle any more, so that what is read now signals nobody.
            link.set_busy();
        }
        if let Some(driver) = &link.driver {
            driver.read_arrived(arrived.hung_up);
        }
        if is_its {
            self.links.may_have_input(at);
        }
    }

    /// The I/O thread reads again, since this thread waits in a way that does not look at streams.
    fn give_back_input(&mut self) {
        if let Some(input) = &mut self.input {
            input.give_back();
        }
        if let Some(leader) = &self.led_by {
            leader.give_back();
        }
    }

    /// Looks for input if that is up to this thread, without waiting.
    #[inline(never)]
    pub(crate) fn look_for_input(&mut self) -> bool {
        let found = (self.input.as_mut()).is_some_and(|input| input.is_leased() && input.look());
        if found {
            self.read_arrived();
        }
        found
    }

    /// A link was found empty by a caller that is going to wait. Before that wait is announced, which
    /// costs the writer a wake-up, looks whether there is more after all.
    #[inline(never)]
    pub(super) fn look_again(&mut self, at: usize, then: Then) -> bool {
        self.deferral.begin();
        let only = self.links.only() == Some(at);
        if !only {
            // The wait looks for input itself.
            return false;
        }
        if ztransport::is_corked(self.corked) {
            ztransport::uncork();
        }
        if self.input.as_ref().is_some_and(InputPoll::is_leased) {
            // What this thread reads signals nobody.
            self.wake_tasks();
        }
        let Some(Slot { link, .. }) = self.links.get_mut(at) else {
            return false;
        };
        let ready = &self.ready;
        let (driver, mut incoming) = link.incoming();
        match driver {
            // This thread waits for the only stream itself, so a look for input is a read.
            Some(driver) if self.input.as_ref().is_some_and(InputPoll::is_leased) => {
                self.input.as_ref().inspect(|input| input.touch());
                if then == Then::Return {
                    driver.read_arrived(false);
                    return incoming.fetch();
                }
                // As long as parts of a message keep coming, the rest is worth waiting for. The caller
                // wants to look at its deadline now and then.
                let begin = Instant::now();
                while begin.elapsed() < BETWEEN_LOOKS {
                    let mut progress = false;
                    self.spinner.until(|| {
                        progress = driver.read_arrived(false);
                        progress || incoming.fetch() || !ready.is_empty()
                    });
                    if incoming.fetch() {
                        return true;
                    }
                    if !progress || !ready.is_empty() {
                        return false;
                    }
                }
                false
            }
            None if then == Then::Wait => {
                self.spinner.until(|| incoming.fetch() || !ready.is_empty()) && incoming.fetch()
            }
            _ => false,
        }
    }

    /// Has `waker` woken at the next signal, for the future with this place; `true` if there is one already.
    pub(crate) fn register(&mut self, waker: Waker, place: &mut Place) -> bool {
        self.deferral.begin();
        self.give_back_input();
        self.uncork();
        let signalled = self.ready.register_tasks(&self.tasks.join(waker, place));
        self.tasks_wait = true;
        if signalled {
            // The caller takes the signal in now, and it may be for another task.
            self.wake_tasks();
        }
        signalled
    }
}

fn is_in_time(deadline: Option<Instant>) -> bool {
    deadline.is_none_or(|deadline| Instant::now() < deadline)
}
