//! Receiving and sending by polls, for a socket that is one and for halves of one alike.

use std::task::{Context as TaskContext, Poll, ready};

use zmtp::Message;
use zpipe::deferred;

use crate::{
    Error, IntoMessage, PeerId, SendError,
    core::{Core, Then},
    error::Refusal,
    pattern::State,
    socket::{Lend, Turn, poll_lent},
    tasks::Place,
};

/// What a task that receives keeps between its polls.
#[derive(Debug, Default)]
pub(super) struct Receiving {
    place: Place,
    turn: Turn,
    /// Said by a stream that has told why nothing comes any more.
    pub(super) is_over: bool,
}

impl Receiving {
    pub(super) fn poll_into<S: State>(
        &mut self,
        lender: &impl Lend<S>,
        cx: &mut TaskContext<'_>,
        message: &mut Message,
    ) -> Poll<Result<(), Error>> {
        deferred::drop_bodies(message);
        self.poll(lender, cx, |core| core.try_recv(message, Then::Return))
    }

    pub(super) fn poll_from<S: State>(
        &mut self,
        lender: &impl Lend<S>,
        cx: &mut TaskContext<'_>,
        message: &mut Message,
    ) -> Poll<Result<PeerId, Error>> {
        let mut from = PeerId(0);
        let received = ready!(self.poll(lender, cx, |core| {
            from = core.try_recv_from(message, Then::Return)?;
            Ok(())
        }));
        Poll::Ready(received.map(|()| from))
    }

    fn poll<S: State>(
        &mut self,
        lender: &impl Lend<S>,
        cx: &mut TaskContext<'_>,
        attempt: impl FnMut(&mut Core<S>) -> Result<(), Refusal>,
    ) -> Poll<Result<(), Error>> {
        let Self { place, turn, .. } = self;
        let received = ready!(turn.poll(cx, |cx| poll_lent(lender, cx, place, attempt)));
        place.leave();
        Poll::Ready(explain(lender, received))
    }

    /// Waits for something else than a message.
    pub(super) fn poll_for(
        &mut self,
        poll: impl FnOnce(&mut Place) -> Poll<Result<(), Refusal>>,
    ) -> Poll<Result<(), Refusal>> {
        let polled = ready!(poll(&mut self.place));
        self.place.leave();
        Poll::Ready(polled)
    }

    /// The message of a stream.
    pub(super) fn poll_next<S: State>(
        &mut self,
        lender: &impl Lend<S>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Message, Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let mut message = Message::new();
        let received = ready!(self.poll_into(lender, cx, &mut message));
        self.is_over = received.as_ref().is_err_and(Error::is_final);
        Poll::Ready(Some(received.map(|()| message)))
    }
}

/// What is received if there is something now.
pub(super) fn try_recv<S: State, T>(
    lender: &impl Lend<S>,
    attempt: impl FnOnce(&mut Core<S>) -> Result<T, Refusal>,
) -> Result<T, Error> {
    let received = lender.lend(attempt).unwrap_or_else(Err);
    explain(lender, received)
}

/// Says more about a refusal than the data path knows.
#[inline]
fn explain<S: State, T>(lender: &impl Lend<S>, received: Result<T, Refusal>) -> Result<T, Error> {
    received.map_err(|refusal| {
        let explained = lender.lend(|core| core.error(refusal, false));
        explained.unwrap_or_else(Error::from)
    })
}

/// What a task that sends keeps between its polls.
#[derive(Debug, Default)]
pub(super) struct Sending {
    place: Place,
    turn: Turn,
    /// Accepted by the sink, and there was no room.
    unsent: Option<Message>,
    /// Accepted by the sink, and refused when there was room for other messages: the sink's next call tells.
    refused: Option<SendError>,
}

impl Sending {
    /// Sends a small body from where it lies, if it is possible now.
    #[inline]
    pub(super) fn send_body<S: State, M: IntoMessage>(
        &mut self,
        lender: &impl Lend<S>,
        message: &M,
    ) -> bool {
        let Some(body) = message.body() else {
            return false;
        };
        if self.unsent.is_some() || self.turn.is_over() {
            return false;
        }
        let sent = lender.lend(|core| core.try_send_body(body, M::COPIES, Then::Wait));
        let is_sent = matches!(sent, Ok(Ok(())));
        if is_sent {
            self.turn.count();
        }
        is_sent
    }

    /// Sends behind what the sink has accepted.
    pub(super) fn poll_send<S: State>(
        &mut self,
        lender: &impl Lend<S>,
        cx: &mut TaskContext<'_>,
        message: &mut Message,
    ) -> Poll<Result<(), Error>> {
        ready!(self.poll_unsent(lender, cx));
        self.poll(lender, cx, |core| core.try_send(message, Then::Wait))
    }

    pub(super) fn poll_send_to<S: State>(
        &mut self,
        lender: &impl Lend<S>,
        cx: &mut TaskContext<'_>,
        peer: PeerId,
        message: &mut Message,
    ) -> Poll<Result<(), Error>> {
        ready!(self.poll_unsent(lender, cx));
        self.poll(lender, cx, |core| {
            core.check_routes()?;
            core.try_send_to(peer, message, Then::Wait)
        })
    }

    fn poll<S: State>(
        &mut self,
        lender: &impl Lend<S>,
        cx: &mut TaskContext<'_>,
        attempt: impl FnMut(&mut Core<S>) -> Result<(), Refusal>,
    ) -> Poll<Result<(), Error>> {
        let Self { place, turn, .. } = self;
        let sent = ready!(turn.poll(cx, |cx| poll_lent(lender, cx, place, attempt)));
        place.leave();
        Poll::Ready(sent.map_err(|refusal| refuse(lender, refusal)))
    }

    /// Ready when nothing is left of what the sink has accepted.
    fn poll_unsent<S: State>(
        &mut self,
        lender: &impl Lend<S>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<()> {
        let Some(mut message) = self.unsent.take() else {
            return Poll::Ready(());
        };
        match self.poll(lender, cx, |core| core.try_send(&mut message, Then::Wait)) {
            Poll::Pending => {
                self.unsent = Some(message);
                return Poll::Pending;
            }
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => self.refused = Some(SendError { error, message }),
        }
        Poll::Ready(())
    }

    /// For a sink that is to become ready, or flushed.
    pub(super) fn poll_flush<S: State>(
        &mut self,
        lender: &impl Lend<S>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<(), SendError>> {
        ready!(self.poll_unsent(lender, cx));
        Poll::Ready(self.refused.take().map_or(Ok(()), Err))
    }

    /// Accepts a message: sends it, or keeps it for the next poll.
    pub(super) fn start_send<S: State>(
        &mut self,
        lender: &impl Lend<S>,
        message: Message,
    ) -> Result<(), SendError> {
        match self.try_send(lender, message, Then::Wait, Core::try_send) {
            Err(SendError {
                error: Error::WouldBlock(_),
                message,
            }) if self.unsent.is_none() => {
                self.unsent = Some(message);
                Ok(())
            }
            done => {
                self.turn.count();
                done
            }
        }
    }

    /// Sends if there is room now, also for what the sink has accepted before.
    pub(super) fn try_send<S: State>(
        &mut self,
        lender: &impl Lend<S>,
        mut message: Message,
        then: Then,
        attempt: impl FnOnce(&mut Core<S>, &mut Message, Then) -> Result<(), Refusal>,
    ) -> Result<(), SendError> {
        self.try_unsent(lender);
        let sent = if self.unsent.is_some() {
            Err(Refusal::WouldBlock)
        } else {
            let sent = lender.lend(|core| attempt(core, &mut message, then));
            sent.unwrap_or_else(Err)
        };
        sent.map_err(|refusal| SendError {
            error: refuse(lender, refusal),
            message,
        })
    }

    fn try_unsent<S: State>(&mut self, lender: &impl Lend<S>) {
        let Some(mut message) = self.unsent.take() else {
            return;
        };
        let sent = lender.lend(|core| core.try_send(&mut message, Then::Return));
        match sent.unwrap_or_else(Err) {
            Ok(()) => {}
            Err(Refusal::WouldBlock | Refusal::Again) => self.unsent = Some(message),
            Err(refusal) => {
                let error = refuse(lender, refusal);
                self.refused = Some(SendError { error, message });
            }
        }
    }

    /// The end of a sink: what it has accepted is sent now, or is dropped and counted.
    pub(super) fn finish<S: State>(&mut self, lender: &impl Lend<S>) {
        self.try_unsent(lender);
        let dropped = u64::from(self.unsent.is_some()) + u64::from(self.refused.is_some());
        if dropped > 0 {
            // Of a socket that is a forked child's nobody sees the counters.
            let _ = lender.lend(|core| core.note_unflushed(dropped));
        }
        (self.unsent, self.refused) = (None, None);
    }
}

/// Notes that a message goes back, and says why.
#[cold]
fn refuse<S: State>(lender: &impl Lend<S>, refusal: Refusal) -> Error {
    let explained = lender.lend(|core| core.error(refusal, true));
    explained.unwrap_or_else(Error::from)
}

/// A future's call. It leaves no waker behind, also when it is dropped before it is ready.
pub(super) struct Call<'a, L, H: Half> {
    pub(super) lender: &'a mut L,
    pub(super) half: &'a mut H,
}

/// What has a place among the tasks that wait.
pub(super) trait Half {
    fn place(&mut self) -> &mut Place;
}

impl Half for Receiving {
    fn place(&mut self) -> &mut Place {
        &mut self.place
    }
}

impl Half for Sending {
    fn place(&mut self) -> &mut Place {
        &mut self.place
    }
}

// The lender is borrowed exclusively as long as the future lives, since a shared borrow of a socket cannot go to another
// thread.
impl<L, H: Half> Call<'_, L, H> {
    pub(super) fn parts(&mut self) -> (&L, &mut H) {
        (self.lender, self.half)
    }
}

impl<L, H: Half> Drop for Call<'_, L, H> {
    fn drop(&mut self) {
        self.half.place().leave();
    }
}
