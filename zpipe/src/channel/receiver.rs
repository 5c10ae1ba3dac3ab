//! The receiving end, and the iterators over what it receives.

use std::{
    iter::FusedIterator,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use zmtp::Message;

use super::{
    capacity,
    error::{RecvError, RecvTimeoutError, TryRecvError},
    wait::{self, Awaited, Closed, InVain, Waiting},
};
use crate::{Limits, Reader, ReadySet, Spinner};

/// The receiving end of a [`channel`](super::channel()). Dropping it closes the channel; what is in it is
/// dropped.
///
/// It is an iterator, by [`iter`](Self::iter), [`try_iter`](Self::try_iter) and `for`, and a [`Stream`].
#[derive(Debug)]
pub struct Receiver {
    messages: Messages,
    spinner: Spinner,
}

/// The reader and what it may have to wait for.
#[derive(Debug)]
struct Messages {
    reader: Reader,
    set: ReadySet,
}

impl Awaited for Messages {
    fn look(&mut self) -> Option<Result<(), Closed>> {
        if self.reader.is_readable() {
            Some(Ok(()))
        } else {
            self.reader.is_closed().then_some(Err(Closed))
        }
    }

    fn ask(&mut self) -> bool {
        self.reader.set_idle()
    }

    fn stop_asking(&mut self) {
        self.reader.set_busy();
    }

    fn set(&mut self) -> &mut ReadySet {
        &mut self.set
    }
}

impl Receiver {
    pub(super) fn new(reader: Reader, set: ReadySet) -> Self {
        Self {
            messages: Messages { reader, set },
            spinner: Spinner::new(),
        }
    }

    /// Receives a message, and waits for one as long as it takes.
    ///
    /// # Errors
    ///
    /// [`RecvError`] when the sender is gone or closed, and there is no message left.
    pub fn recv(&mut self) -> Result<Message, RecvError> {
        let mut message = Message::new();
        self.recv_into(&mut message)?;
        Ok(message)
    }

    /// Receives a message if there is one.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] when there is none; [`TryRecvError::Closed`] when the sender is gone or
    /// closed, too.
    pub fn try_recv(&mut self) -> Result<Message, TryRecvError> {
        let mut message = Message::new();
        self.try_recv_into(&mut message)?;
        Ok(message)
    }

    /// Receives a message, and waits for one no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError::TimedOut`] when none came in that time; [`RecvTimeoutError::Closed`] when the
    /// sender is gone or closed, and there is no message left.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Message, RecvTimeoutError> {
        match self.await_message(Some(timeout)) {
            Ok(()) => Ok(self.take()),
            Err(InVain::TimedOut) => Err(RecvTimeoutError::TimedOut),
            Err(InVain::Closed) => Err(RecvTimeoutError::Closed),
        }
    }

    /// Like [`recv`](Self::recv), into a message whose memory is used again.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv); `message` is as it was then.
    pub fn recv_into(&mut self, message: &mut Message) -> Result<(), RecvError> {
        self.await_message(None).map_err(|_| RecvError)?;
        self.messages.reader.read_message(message);
        Ok(())
    }

    /// Like [`try_recv`](Self::try_recv), into a message whose memory is used again.
    ///
    /// # Errors
    ///
    /// As for [`try_recv`](Self::try_recv); `message` is as it was then.
    pub fn try_recv_into(&mut self, message: &mut Message) -> Result<(), TryRecvError> {
        match self.messages.look() {
            Some(Ok(())) => self.messages.reader.read_message(message),
            Some(Err(Closed)) => return Err(TryRecvError::Closed),
            None => return Err(TryRecvError::Empty),
        };
        Ok(())
    }

    /// Receives a message as soon as there is one.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped, and nothing of it stays behind: a message leaves the
    /// channel only when the future returns it.
    ///
    /// # Errors
    ///
    /// [`RecvError`] when the sender is gone or closed, and there is no message left.
    ///
    /// # Examples
    ///
    /// ```
    /// # use zpipe::channel::Receiver;
    /// async fn count(receiver: &mut Receiver) -> usize {
    ///     let mut count = 0;
    ///     while receiver.recv_async().await.is_ok() {
    ///         count += 1;
    ///     }
    ///     count
    /// }
    /// ```
    pub async fn recv_async(&mut self) -> Result<Message, RecvError> {
        let found = Waiting::new(&mut self.messages).await;
        found.map(|()| self.take()).map_err(|Closed| RecvError)
    }

    /// Like [`recv_async`](Self::recv_async), for those who write futures by hand. The waker of the
    /// last call is the one that is woken, and it is kept until the next wait.
    ///
    /// # Errors
    ///
    /// [`RecvError`] when the sender is gone or closed, and there is no message left.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, RecvError>> {
        let found = ready!(wait::poll(&mut self.messages, context));
        Poll::Ready(found.map(|()| self.take()).map_err(|Closed| RecvError))
    }

    /// Iterates over the messages, and waits for each as long as it takes. It ends when the channel is
    /// closed and empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use zpipe::{Limits, channel};
    ///
    /// let (mut sender, mut receiver) = channel(Limits::default());
    /// sender.send("one").unwrap();
    /// sender.send("two").unwrap();
    /// sender.close();
    /// assert!(receiver.iter().map(|message| message[0].clone()).eq(["one", "two"]));
    /// ```
    pub fn iter(&mut self) -> Iter<'_> {
        Iter { receiver: self }
    }

    /// Iterates over the messages that are there. It ends when there is none, and may go on later.
    pub fn try_iter(&mut self) -> TryIter<'_> {
        TryIter { receiver: self }
    }

    /// Whether nothing will be received any more: the sender is gone or closed, and there is no message
    /// left.
    pub fn is_closed(&mut self) -> bool {
        self.messages.reader.is_closed()
    }

    /// Messages that were sent and not received.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.reader.pending() as usize
    }

    /// Whether there is no message now.
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
        self.messages.reader.limits()
    }

    fn await_message(&mut self, timeout: Option<Duration>) -> Result<(), InVain> {
        wait::block(&mut self.messages, &mut self.spinner, timeout)
    }

    /// Takes the message that was found.
    fn take(&mut self) -> Message {
        let mut message = Message::new();
        self.messages.reader.read_message(&mut message);
        message
    }
}

/// It ends when the channel is closed and empty. A stream is polled, so the waker of the last poll is
/// kept until the next wait; [`recv_async`](Receiver::recv_async) keeps none.
impl Stream for Receiver {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        self.get_mut().poll_recv(context).map(Result::ok)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), None)
    }
}

/// Returned by [`Receiver::iter`].
#[derive(Debug)]
pub struct Iter<'a> {
    receiver: &'a mut Receiver,
}

/// Returned by [`Receiver::try_iter`].
#[derive(Debug)]
pub struct TryIter<'a> {
    receiver: &'a mut Receiver,
}

/// An iterator that owns the [`Receiver`]. It waits for each message as long as it takes, and ends when
/// the channel is closed and empty.
#[derive(Debug)]
pub struct IntoIter {
    receiver: Receiver,
}

impl Iterator for Iter<'_> {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.receiver.recv().ok()
    }
}

impl Iterator for TryIter<'_> {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.receiver.try_recv().ok()
    }
}

impl Iterator for IntoIter {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.receiver.recv().ok()
    }
}

impl FusedIterator for Iter<'_> {}
impl FusedIterator for IntoIter {}

impl IntoIterator for Receiver {
    type Item = Message;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter { receiver: self }
    }
}

impl<'a> IntoIterator for &'a mut Receiver {
    type Item = Message;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{
        pin::pin,
        sync::Arc,
        task::{Wake, Waker},
    };

    use super::*;
    use crate::channel;

    #[test]
    fn nobody_owes_a_signal_to_a_wait_that_has_ended() {
        let (mut sender, mut receiver) = channel(Limits::default());
        receiver.recv_timeout(Duration::from_micros(1)).unwrap_err();
        sender.send("one").unwrap();
        assert!(receiver.messages.set.is_empty(), "signalled in vain");
        receiver.recv().unwrap();
        {
            let mut future = pin!(receiver.recv_async());
            let context = &mut Context::from_waker(Waker::noop());
            assert!(future.as_mut().poll(context).is_pending());
        }
        sender.send("two").unwrap();
        assert!(receiver.messages.set.is_empty(), "signalled in vain");
    }

    #[test]
    fn no_waker_stays_when_a_wait_has_ended() {
        struct Task;
        impl Wake for Task {
            fn wake(self: Arc<Self>) {}
        }
        let (_sender, mut receiver) = channel(Limits::default());
        let task = Arc::new(Task);
        let waker = Waker::from(Arc::clone(&task));
        {
            let mut future = pin!(receiver.recv_async());
            let context = &mut Context::from_waker(&waker);
            assert!(future.as_mut().poll(context).is_pending());
            assert_eq!(Arc::strong_count(&task), 3);
        }
        assert_eq!(Arc::strong_count(&task), 2);
    }
}
