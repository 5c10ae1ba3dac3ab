//! Requests as futures, under any executor.

use std::{
    cell::Cell,
    future::poll_fn,
    time::{Duration, Instant},
};

use zmtp::Message;
use ztransport::Alarm;

use super::{Forget, Requester, Ticket, any, exchange::Exchange, reply};
use crate::{
    Error, IntoMessage,
    core::{Core, Then},
    pattern,
    socket::{self, Step},
    tasks::Place,
};

impl Requester {
    /// Sends a request and returns its reply, without blocking the thread. Any number of these futures can be there at a
    /// time, under any executor: the one that is polled takes in the replies to all, and wakes the others. What comes in
    /// wakes all of them, which takes time in proportion to their number; replies that come together do so once.
    ///
    /// An I/O thread of the context watches the deadlines. With a context that has none, a deadline is only noticed
    /// when one of the futures is polled for another reason.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped forgets its request: it is not sent any more if it was not sent yet, and a
    /// reply that comes is dropped and counted as [late](super::RequesterStats::late). One that was never polled has
    /// done nothing.
    ///
    /// # Errors
    ///
    /// [`Error::NoReply`], [`Error::TooManyInFlight`], [`Error::Terminated`], [`Error::IoThreadLost`].
    pub async fn request_async(
        &self,
        body: impl IntoMessage,
        timeout: Duration,
    ) -> Result<Message, Error> {
        let id = self.begin(body, timeout, true)?;
        let _ends = Forget(self, id);
        reply(self.poll_for(|exchange| exchange.take(id)).await?)
    }

    /// Like [`recv`](Self::recv), without blocking the thread.
    ///
    /// # Cancel safety
    ///
    /// Safe: a future that is dropped before it is ready has taken no reply.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub async fn recv_async(&self) -> Result<(Ticket, Result<Message, Error>), Error> {
        self.poll_for(any).await?
    }

    /// Like [`wait`](Self::wait), without blocking the thread.
    ///
    /// # Cancel safety
    ///
    /// Safe: when the future is dropped before it is ready, the request stays in flight.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Self::wait).
    pub async fn wait_async(&self, ticket: Ticket) -> Result<Message, Error> {
        let _claim = self.claim(ticket)?;
        reply(self.poll_for(|exchange| exchange.take(ticket.0)).await?)
    }

    async fn poll_for<T>(
        &self,
        mut ready: impl FnMut(&mut Exchange) -> Option<T>,
    ) -> Result<T, Error> {
        let _present = Present::new(&self.futures);
        let mut place = Place::default();
        let mut message = Message::new();
        poll_fn(|cx| {
            let mut done = None;
            let polled = self.socket.poll_core(cx, &mut place, |core| {
                core.deferral.begin();
                let step = self.look(core, Then::Return, &mut message, None, &mut ready);
                if let Step::Input(Some(at)) = step {
                    self.clock.borrow_mut().set(core, at);
                }
                step.for_task(&mut done)
            });
            socket::polled(polled, done)
        })
        .await
        .map_err(Error::from)
    }
}

/// An alarm, once there is a future with a deadline.
#[derive(Debug, Default)]
pub(super) struct Clock {
    alarm: Option<Alarm>,
    /// What it is set to.
    set: Option<Instant>,
}

impl Clock {
    /// Has the futures woken at that time, or before.
    fn set(&mut self, core: &Core<pattern::Dealer>, at: Instant) {
        if self.set.is_some_and(|set| set <= at) {
            return;
        }
        if self.alarm.is_none() {
            self.alarm = core.alarm();
        }
        let is_set = (self.alarm.as_ref()).is_some_and(|alarm| alarm.set(at));
        self.set = is_set.then_some(at);
    }

    /// It has called, and is set to nothing.
    pub(super) fn has_called(&mut self) {
        self.set = None;
    }
}

/// Counts a future while it waits.
struct Present<'a>(&'a Cell<usize>);

impl<'a> Present<'a> {
    fn new(futures: &'a Cell<usize>) -> Self {
        futures.set(futures.get() + 1);
        Self(futures)
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
