//! The sending end.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_sink::Sink;
use zmtp::{Message, header::Flags};

use super::{
    capacity,
    error::{SendError, SendTimeoutError, TrySendError},
    wait::{self, Awaited, Closed, InVain, Waiting},
};
use crate::{Limits, ReadySet, Spinner, Writer};

/// The sending end of a [`channel`](super::channel()). Dropping it closes the channel: the receiver gets
/// what was sent, and then learns of the end.
///
/// It is a [`Sink`] of messages, too.
#[derive(Debug)]
pub struct Sender {
    room: Room,
    spinner: Spinner,
}

/// The writer and what it may have to wait for.
#[derive(Debug)]
struct Room {
    writer: Writer,
    set: ReadySet,
    is_closed: bool,
}

impl Awaited for Room {
    fn look(&mut self) -> Option<Result<(), Closed>> {
        // In this order, since without a receiver there is always room.
        let has_room = self.writer.has_room();
        if self.is_closed || self.writer.is_closed() {
            Some(Err(Closed))
        } else {
            has_room.then_some(Ok(()))
        }
    }

    fn ask(&mut self) -> bool {
        self.writer.block_until_room()
    }

    fn stop_asking(&mut self) {
        self.writer.unblock();
    }

    fn set(&mut self) -> &mut ReadySet {
        &mut self.set
    }
}

impl Sender {
    pub(super) fn new(writer: Writer, set: ReadySet) -> Self {
        Self {
            room: Room {
                writer,
                set,
                is_closed: false,
            },
            spinner: Spinner::new(),
        }
    }

    /// Sends a message, and waits for room as long as it takes.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the message when the receiver is gone.
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        match self.await_room(None) {
            Ok(()) => self.write(message.into()),
            Err(_) => return Err(SendError(message.into())),
        }
        Ok(())
    }

    /// Sends a message if there is room.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] with the message when there is none, or when the receiver is gone.
    pub fn try_send(&mut self, message: impl Into<Message>) -> Result<(), TrySendError> {
        match self.room.look() {
            Some(Ok(())) => self.write(message.into()),
            Some(Err(Closed)) => return Err(TrySendError::Closed(message.into())),
            None => return Err(TrySendError::Full(message.into())),
        }
        Ok(())
    }

    /// Sends a message, and waits for room no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`] with the message when there was no room in that time, or when the receiver
    /// is gone.
    pub fn send_timeout(
        &mut self,
        message: impl Into<Message>,
        timeout: Duration,
    ) -> Result<(), SendTimeoutError> {
        match self.await_room(Some(timeout)) {
            Ok(()) => self.write(message.into()),
            Err(InVain::Closed) => return Err(SendTimeoutError::Closed(message.into())),
            Err(InVain::TimedOut) => return Err(SendTimeoutError::TimedOut(message.into())),
        }
        Ok(())
    }

    /// Sends a message as soon as there is room.
    ///
    /// # Cancel safety
    ///
    /// The message is in the channel exactly if the future has returned `Ok`. A future that is dropped
    /// before takes its message along; who wants to keep it awaits [`ready`](Self::ready) and then calls
    /// [`try_send`](Self::try_send).
    ///
    /// # Errors
    ///
    /// [`SendError`] with the message when the receiver is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// # use zpipe::channel::{SendError, Sender};
    /// async fn count(sender: &mut Sender) -> Result<(), SendError> {
    ///     for number in 0..100 {
    ///         sender.send_async(format!("message {number}")).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn send_async(
        &mut self,
        message: impl Into<Message>,
    ) -> impl Future<Output = Result<(), SendError>> + Send {
        let message = message.into();
        async move {
            match Waiting::new(&mut self.room).await {
                Ok(()) => self.write(message),
                Err(Closed) => return Err(SendError(message)),
            }
            Ok(())
        }
    }

    /// Sends a message of one frame with a copy of `body`, and waits for room as long as it takes.
    ///
    /// # Errors
    ///
    /// [`SendError`] when the receiver is gone.
    pub fn send_body(&mut self, body: &[u8]) -> Result<(), SendError<()>> {
        self.await_room(None).map_err(|_| SendError(()))?;
        self.write_body(body);
        Ok(())
    }

    /// Sends a message of one frame with a copy of `body` if there is room.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] when there is none, or when the receiver is gone.
    pub fn try_send_body(&mut self, body: &[u8]) -> Result<(), TrySendError<()>> {
        match self.room.look() {
            Some(Ok(())) => self.write_body(body),
            Some(Err(Closed)) => return Err(TrySendError::Closed(())),
            None => return Err(TrySendError::Full(())),
        }
        Ok(())
    }

    /// Waits for room: after `Ok`, the next `try_send` finds it, unless the receiver goes.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped, and nothing of it stays behind.
    ///
    /// # Errors
    ///
    /// [`SendError`] when the receiver is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// # use zpipe::channel::{Sender, TrySendError};
    /// async fn greet(sender: &mut Sender) -> Result<(), TrySendError> {
    ///     if sender.ready().await.is_ok() {
    ///         sender.try_send("hello")?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub async fn ready(&mut self) -> Result<(), SendError<()>> {
        let ready = Waiting::new(&mut self.room).await;
        ready.map_err(|Closed| SendError(()))
    }

    /// Like [`ready`](Self::ready), for those who write futures by hand. The waker of the last call is
    /// the one that is woken, and it is kept until the next wait.
    ///
    /// # Errors
    ///
    /// [`SendError`] when the receiver is gone.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), SendError<()>>> {
        let ready = ready!(wait::poll(&mut self.room, context));
        Poll::Ready(ready.map_err(|Closed| SendError(())))
    }

    /// Says that nothing more will be sent, as dropping does: the receiver gets what was sent, and then
    /// learns of the end. Sending is an error from now on.
    pub fn close(&mut self) {
        self.room.is_closed = true;
        self.room.writer.close();
    }

    /// Whether nothing can be sent any more: the receiver is gone, or this end was
    /// [closed](Self::close).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.room.is_closed || self.room.writer.is_closed()
    }

    /// Messages that were sent and not received.
    #[must_use]
    pub fn len(&self) -> usize {
        self.room.writer.pending() as usize
    }

    /// Whether every message that was sent has been received.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most messages that the channel holds; `None` if there is no limit. Its bytes may be limited
    /// besides, see [`limits`](Self::limits).
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        capacity(self.limits())
    }

    /// The limits with which the channel was made.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.room.writer.limits()
    }

    fn await_room(&mut self, timeout: Option<Duration>) -> Result<(), InVain> {
        wait::block(&mut self.room, &mut self.spinner, timeout)
    }

    fn write(&mut self, mut message: Message) {
        self.room.writer.write_message(&mut message);
    }

    fn write_body(&mut self, body: &[u8]) {
        self.room.writer.append(Flags::NONE, body);
        self.room.writer.commit();
    }
}

/// What is sent is in the channel at once, so flushing never waits. Closing is
/// [`close`](Sender::close).
///
/// Errors hand the message back if there was one.
///
/// # Panics
///
/// `start_send` panics when the channel is full, which it cannot be after `poll_ready`.
impl<M: Into<Message>> Sink<M> for Sender {
    type Error = SendError<Option<Message>>;

    fn poll_ready(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Self::Error>> {
        let ready = ready!(wait::poll(&mut self.get_mut().room, context));
        Poll::Ready(ready.map_err(|Closed| SendError(None)))
    }

    fn start_send(self: Pin<&mut Self>, message: M) -> Result<(), Self::Error> {
        self.get_mut().try_send(message).map_err(|error| {
            assert!(!error.is_full(), "`start_send` comes after `poll_ready`");
            SendError(Some(error.into_inner()))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.get_mut().close();
        Poll::Ready(Ok(()))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{pin::pin, task::Waker};

    use super::*;
    use crate::{Limits, channel};

    #[test]
    fn nobody_owes_a_signal_to_a_wait_that_has_ended() {
        let limits = Limits {
            messages: 1,
            bytes: 0,
        };
        let (mut sender, mut receiver) = channel(limits);
        for end in 0..3 {
            sender.send("full").unwrap();
            match end {
                0 => sender
                    .send_timeout("x", Duration::from_micros(1))
                    .map_err(drop)
                    .unwrap_err(),
                1 => {
                    let mut future = pin!(sender.send_async("x"));
                    let context = &mut Context::from_waker(Waker::noop());
                    assert!(future.as_mut().poll(context).is_pending());
                }
                _ => {
                    let mut future = pin!(sender.ready());
                    let context = &mut Context::from_waker(Waker::noop());
                    assert!(future.as_mut().poll(context).is_pending());
                }
            }
            receiver.recv().unwrap();
            assert!(sender.room.set.is_empty(), "signalled after end {end}");
        }
    }
}
