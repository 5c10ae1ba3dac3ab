//! For what stands on a socket and has calls of its own: a requester, a responder.

use std::{task::Poll, time::Instant};

use super::{Socket, deadline};
use crate::{
    Pattern,
    core::{Core, Then},
    error::Refusal,
};

/// What becomes of a call after a look at the socket.
pub(crate) enum Step<T> {
    /// It is over.
    Done(T),
    /// There is more to do, but a look at the clock first.
    Again,
    /// It waits for a message, or whatever else is signalled, at most until then.
    Input(Option<Instant>),
    /// It waits for whatever is signalled, and wants no message now.
    Signal(Option<Instant>),
}

impl<P: Pattern> Socket<P> {
    /// Looks, and waits, until the call is over. Waits end early as they like, so `look` watches its deadline itself.
    ///
    /// `None` if it would have to wait on an I/O thread.
    pub(crate) fn drive<T>(
        &self,
        mut look: impl FnMut(&mut Core<P::State>, Then) -> Step<T>,
    ) -> Option<T> {
        loop {
            let done = self.lend_core(|core| {
                core.deferral.begin();
                match look(core, Then::Wait) {
                    Step::Done(value) => return Some(Some(value)),
                    Step::Again => {}
                    // They wait for nothing but their poll.
                    Step::Input(_) | Step::Signal(_) if ztransport::is_io_thread() => {
                        return Some(None);
                    }
                    Step::Input(until) => drop(core.wait_recv(until)),
                    Step::Signal(until) => drop(core.wait(until)),
                }
                None
            });
            if let Some(done) = done {
                return done;
            }
        }
    }

    /// Looks once, or as long as there is more to do until the budget is spent. `None` if the call would have to wait.
    pub(crate) fn drive_once<T>(
        &self,
        mut look: impl FnMut(&mut Core<P::State>, Then) -> Step<T>,
    ) -> Option<T> {
        const LOOKS: u32 = 16;
        let mut may_look_for_input = true;
        for _ in 0..LOOKS {
            let step = self.lend_core(|core| {
                core.deferral.begin();
                match look(core, Then::Return) {
                    Step::Input(_) if std::mem::take(&mut may_look_for_input) => {
                        if core.look_for_input() {
                            Step::Again
                        } else {
                            Step::Input(None)
                        }
                    }
                    step => step,
                }
            });
            match step {
                Step::Done(value) => return Some(value),
                Step::Again => {}
                Step::Input(_) | Step::Signal(_) => return None,
            }
        }
        None
    }

    /// When a call that begins now ends, by the option for receiving.
    pub(crate) fn deadline_of_recv(&self) -> Option<Instant> {
        deadline(self.with_core(|core| core.options.recv_timeout))
    }
}

impl<T> Step<T> {
    /// The same for [`poll_core`](Socket::poll_core), where the value has a place of its own.
    pub(crate) fn for_task(self, value: &mut Option<T>) -> Result<(), Refusal> {
        match self {
            Self::Done(done) => {
                *value = Some(done);
                Ok(())
            }
            Self::Again => Err(Refusal::Again),
            Self::Input(_) | Self::Signal(_) => Err(Refusal::WouldBlock),
        }
    }
}

/// What a task's call has come to: what [`poll_core`](Socket::poll_core) says, and the value that
/// [`for_task`](Step::for_task) has put aside.
pub(crate) fn polled<T>(
    polled: Poll<Result<(), Refusal>>,
    value: Option<Result<T, Refusal>>,
) -> Poll<Result<T, Refusal>> {
    polled.map(|result| match value {
        Some(value) => value,
        None => Err(result.err().unwrap_or(Refusal::WouldBlock)),
    })
}
