//! Sending and receiving without blocking the thread, under any executor.

use std::{
    future::poll_fn,
    task::{Context as TaskContext, Poll},
};

use zmtp::Message;

use super::Socket;
use crate::{
    CanReceive, CanSend, Error, IntoMessage, Pattern, SendError,
    core::{Core, Then},
    error::Refusal,
    pattern::State,
    tasks::Place,
};

/// How often a task looks for what it waits for while signals of something else keep coming.
const LOOKS: u32 = 16;

impl<P: CanSend> Socket<P> {
    /// Sends a message, waiting for room without blocking the thread. It needs no particular
    /// executor, and no timeout applies.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has either sent the message as a whole, which it has if it was ready,
    /// or drops it unsent. To keep the message, poll [`try_send`](Self::try_send) instead.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), except that it never gives up.
    pub async fn send_async(&self, message: impl IntoMessage) -> Result<(), SendError> {
        let mut message = message.into_message();
        let mut place = Place::default();
        let sent = poll_fn(|cx| {
            self.poll_in_turn(cx, &mut place, |core| {
                core.try_send(&mut message, Then::Wait)
            })
        })
        .await;
        match sent {
            Ok(()) => Ok(()),
            Err(refusal) => Err(self.refused(refusal, message)),
        }
    }
}

impl<P: CanReceive> Socket<P> {
    /// Receives a message, waiting for one without blocking the thread. It needs no particular
    /// executor, and no timeout applies.
    ///
    /// # Cancel safety
    ///
    /// Safe: the future holds no message. One that is dropped before it is ready has received
    /// nothing.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), except that it never gives up.
    pub async fn recv_async(&self) -> Result<Message, Error> {
        let mut message = Message::new();
        let mut place = Place::default();
        let received = poll_fn(|cx| {
            self.poll_in_turn(cx, &mut place, |core| {
                core.try_recv(&mut message, Then::Return)
            })
        })
        .await;
        self.explain(received)?;
        Ok(message)
    }
}

impl<P: Pattern> Socket<P> {
    /// Like [`poll_core`](Self::poll_core), for messages: after many in a row other tasks have their turn.
    pub(super) fn poll_in_turn(
        &self,
        cx: &mut TaskContext<'_>,
        place: &mut Place,
        attempt: impl FnMut(&mut Core<P::State>) -> Result<(), Refusal>,
    ) -> Poll<Result<(), Refusal>> {
        // Taken out, because a waker may call the socket.
        let mut turn = self.turn.take();
        let polled = turn.poll(cx, |cx| self.poll_core(cx, place, attempt));
        self.turn.set(turn);
        polled
    }

    /// Tries once, or has the task woken when it is time to try again.
    pub(crate) fn poll_core(
        &self,
        cx: &mut TaskContext<'_>,
        place: &mut Place,
        attempt: impl FnMut(&mut Core<P::State>) -> Result<(), Refusal>,
    ) -> Poll<Result<(), Refusal>> {
        poll_lent(self, cx, place, attempt)
    }
}

/// What gives the core of a socket to a call.
pub(crate) trait Lend<S: State> {
    /// Lends the core. Foreign code runs when it is back.
    fn lend<R>(&self, f: impl FnOnce(&mut Core<S>) -> R) -> Result<R, Refusal>;
}

impl<P: Pattern> Lend<P::State> for Socket<P> {
    #[inline]
    fn lend<R>(&self, f: impl FnOnce(&mut Core<P::State>) -> R) -> Result<R, Refusal> {
        Ok(self.lend_core_unseen(f))
    }
}

/// Tries once, or has the task woken when it is time to try again.
pub(crate) fn poll_lent<S: State>(
    lender: &impl Lend<S>,
    cx: &mut TaskContext<'_>,
    place: &mut Place,
    mut attempt: impl FnMut(&mut Core<S>) -> Result<(), Refusal>,
) -> Poll<Result<(), Refusal>> {
    // Made only if it is needed, and not while the core is lent: to clone a waker is foreign code.
    let mut waker = None;
    for _ in 0..LOOKS {
        let polled = lender.lend(|core| {
            loop {
                match (attempt(core), waker.take()) {
                    (Err(Refusal::WouldBlock), None) => return None,
                    (Err(Refusal::WouldBlock), Some(waker)) => {
                        if !core.register(waker, place) {
                            return Some(Poll::Pending);
                        }
                    }
                    (done, unused) => {
                        waker = unused;
                        // An attempt in vain is none of its business, and might go on for ever.
                        core.tell_watcher();
                        return Some(Poll::Ready(done));
                    }
                }
            }
        });
        match polled {
            Ok(Some(Poll::Ready(Err(Refusal::Again)))) => break,
            Ok(Some(polled)) => return polled,
            Ok(None) => waker = Some(cx.waker().clone()),
            Err(refusal) => return Poll::Ready(Err(refusal)),
        }
    }
    // There is more to look at, but other tasks have their turn first.
    cx.waker().wake_by_ref();
    Poll::Pending
}

#[cfg(test)]
mod tests {
    use ztransport::Letter;

    use super::*;
    use crate::{Context, Pull};

    #[test]
    fn a_task_that_others_keep_waking_lets_others_have_their_turn() {
        let pull = Context::new().socket::<Pull>().unwrap();
        let mut looks = 0;
        let mut context = TaskContext::from_waker(std::task::Waker::noop());
        let mut place = Place::default();
        let polled = pull.poll_core(&mut context, &mut place, |core| {
            looks += 1;
            assert!(looks < 10 * LOOKS, "looks for ever");
            core.handle.post(Letter::IoThreadLost).unwrap();
            Err(Refusal::WouldBlock)
        });
        assert!(polled.is_pending());
    }
}
