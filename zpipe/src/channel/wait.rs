//! What both ends of a channel share: the ways to wait, and how a wait ends.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use crate::{ReadySet, Spinner, sync::or_mutant};

/// Something at one end of a channel that can be waited for: room, or a message.
pub(super) trait Awaited {
    /// Whether it is there now; `None` if not.
    fn look(&mut self) -> Option<Result<(), Closed>>;

    /// Asks the other end for a signal. `false` when there is something to look at already.
    fn ask(&mut self) -> bool;

    /// Takes back what was asked, so that the other end signals nobody.
    fn stop_asking(&mut self);

    /// Where the signal arrives.
    fn set(&mut self) -> &mut ReadySet;
}

/// It will never be there.
#[derive(Debug)]
pub(super) struct Closed;

/// How a wait in vain has ended.
#[derive(Debug)]
pub(super) enum InVain {
    Closed,
    TimedOut,
}

impl From<Closed> for InVain {
    fn from(Closed: Closed) -> Self {
        Self::Closed
    }
}

/// Blocks until it is there, or until `timeout` has passed.
pub(super) fn block(
    it: &mut impl Awaited,
    spinner: &mut Spinner,
    timeout: Option<Duration>,
) -> Result<(), InVain> {
    if let Some(result) = it.look() {
        return Ok(result?);
    }
    // The clock is read only now. A time too far away to be reckoned never comes.
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    if timeout != Some(Duration::ZERO) {
        // Two threads in step would otherwise wake each other for each single message.
        let mut found = None;
        spinner.until(|| {
            found = it.look();
            found.is_some()
        });
        if let Some(result) = found {
            return Ok(result?);
        }
    }
    loop {
        let signalled = !it.ask() || {
            let signalled = it.set().wait(deadline);
            it.set().drain(|_, _| ());
            signalled
        };
        match it.look() {
            Some(result) => return Ok(result?),
            None if signalled => {}
            None => {
                or_mutant!(it.stop_asking(), ());
                return Err(InVain::TimedOut);
            }
        }
    }
}

/// Looks whether it is there, and has the task woken when it is, if not.
pub(super) fn poll(it: &mut impl Awaited, context: &mut Context<'_>) -> Poll<Result<(), Closed>> {
    loop {
        if let Some(result) = it.look() {
            return Poll::Ready(result);
        }
        if it.ask() {
            if !it.set().register(context.waker()) {
                return Poll::Pending;
            }
            it.set().drain(|_, _| ());
        }
    }
}

/// A wait that leaves nothing behind when it ends, also when it is dropped before: no waker, and no
/// signal that somebody owes.
pub(super) struct Waiting<'a, T: Awaited> {
    it: &'a mut T,
    is_registered: bool,
}

impl<'a, T: Awaited> Waiting<'a, T> {
    pub(super) fn new(it: &'a mut T) -> Self {
        Self {
            it,
            is_registered: false,
        }
    }
}

impl<T: Awaited> Future for Waiting<'_, T> {
    type Output = Result<(), Closed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.is_registered = true;
        let result = ready!(poll(this.it, context));
        Poll::Ready(result)
    }
}

impl<T: Awaited> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        if self.is_registered {
            or_mutant!(self.it.stop_asking(), ());
            or_mutant!(self.it.set().unregister(), ());
        }
    }
}
