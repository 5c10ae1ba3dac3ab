//! A bounded channel of messages between two threads or tasks, for those who want no more than that.
//!
//! It is a [`pipe`] whose two ends bring their own [`ReadySet`] along, so they can wait:
//! blocking, with a timeout, or as futures on any executor. Bodies are copied into the channel's memory
//! when they are small and handed over when they are large; a receiver that reuses its [`Message`]
//! allocates nothing.
//!
//! # Examples
//!
//! ```
//! use zpipe::{Limits, channel};
//!
//! let (mut sender, mut receiver) = channel(Limits { messages: 10, bytes: 0 });
//! let thread = std::thread::spawn(move || {
//!     for number in 0..100 {
//!         sender.send(format!("message {number}")).unwrap();
//!     }
//! });
//! let mut count = 0;
//! while let Ok(message) = receiver.recv() {
//!     assert_eq!(message[0], *format!("message {count}"));
//!     count += 1;
//! }
//! assert_eq!(count, 100);
//! thread.join().unwrap();
//! ```

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use zmtp::{Message, header::Flags};

use crate::{Limits, Reader, ReadySet, Writer, pipe};

/// Why a message was not sent or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The channel holds as many messages or bytes as its limits allow.
    Full,
    /// The channel holds no message.
    Empty,
    /// The time was up before there was room, or a message.
    TimedOut,
    /// The other end is gone. A receiver gets this only after the last message.
    Closed,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the channel is full",
            Self::Empty => "the channel is empty",
            Self::TimedOut => "the time is up",
            Self::Closed => "the other end of the channel is gone",
        })
    }
}

impl std::error::Error for Error {}

/// A message that was not sent, and why.
#[derive(Clone, Debug)]
pub struct SendError {
    /// The message, as it was.
    pub message: Message,
    /// What kept it from being sent.
    pub reason: Error,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}

/// Makes a channel that holds no more than `limits` allow, and returns its two ends.
///
/// # Examples
///
/// ```
/// use zpipe::{Limits, channel, channel::Error};
///
/// let (mut sender, mut receiver) = channel(Limits { messages: 1, bytes: 0 });
/// sender.try_send("first").unwrap();
/// assert_eq!(sender.try_send("second").unwrap_err().reason, Error::Full);
/// assert_eq!(receiver.try_recv().unwrap()[0], "first");
/// assert_eq!(receiver.try_recv().unwrap_err(), Error::Empty);
/// ```
#[must_use]
pub fn channel(limits: Limits) -> (Sender, Receiver) {
    let (room, ready) = (ReadySet::new(), ReadySet::new());
    let (writer, reader) = pipe(limits, Some(room.notifier(0)), Some(ready.notifier(0)));
    (
        Sender { writer, set: room },
        Receiver { reader, set: ready },
    )
}

/// The sending end of a [`channel`].
#[derive(Debug)]
pub struct Sender {
    writer: Writer,
    set: ReadySet,
}

impl Sender {
    /// Sends a message, and waits for room as long as it takes.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the receiver is gone.
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        let ready = self.await_room(None);
        self.send_if(ready, message.into())
    }

    /// Sends a message if there is room.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] when there is none, [`Error::Closed`] when the receiver is gone.
    pub fn try_send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        let ready = self.check_room();
        self.send_if(ready, message.into())
    }

    /// Sends a message, and waits for room no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] when there was none in that time, [`Error::Closed`] when the receiver is
    /// gone.
    pub fn send_timeout(
        &mut self,
        message: impl Into<Message>,
        timeout: Duration,
    ) -> Result<(), SendError> {
        let ready = self.await_room(Some(timeout));
        self.send_if(ready, message.into())
    }

    /// Sends a message of one frame with a copy of `body`, and waits for room as long as it takes.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the receiver is gone.
    pub fn send_body(&mut self, body: &[u8]) -> Result<(), Error> {
        self.await_room(None)?;
        self.write_body(body);
        Ok(())
    }

    /// Sends a message of one frame with a copy of `body` if there is room.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] when there is none, [`Error::Closed`] when the receiver is gone.
    pub fn try_send_body(&mut self, body: &[u8]) -> Result<(), Error> {
        self.check_room()?;
        self.write_body(body);
        Ok(())
    }

    /// Waits for room: after `Ok`, the next `try_send` finds it.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped: it holds no message.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the receiver is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// # use zpipe::channel::{Error, Sender};
    /// async fn greet(sender: &mut Sender) -> Result<(), Error> {
    ///     sender.ready().await?;
    ///     sender.try_send("hello").map_err(|error| error.reason)
    /// }
    /// ```
    pub fn ready(&mut self) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        Waiting {
            end: self,
            poll: Self::poll_ready,
        }
    }

    /// Like [`ready`](Self::ready), for those who write futures by hand. The waker of the last call is
    /// the one that is woken.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the receiver is gone.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            match self.check_room() {
                Err(Error::Full) => {}
                result => return Poll::Ready(result),
            }
            if self.writer.block() {
                if !self.set.register(context.waker()) {
                    return Poll::Pending;
                }
                self.set.drain(|_, _| ());
            }
        }
    }

    /// Whether the receiver is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.writer.is_closed()
    }

    /// Messages sent and not received.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.writer.pending()
    }

    fn check_room(&mut self) -> Result<(), Error> {
        if self.writer.is_closed() {
            Err(Error::Closed)
        } else if self.writer.has_room() {
            Ok(())
        } else {
            Err(Error::Full)
        }
    }

    fn await_room(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        let mut wait = Wait::new(timeout);
        loop {
            match self.check_room() {
                Err(Error::Full) => {}
                result => return result,
            }
            if self.writer.block() {
                wait.once(&mut self.set)?;
            }
        }
    }

    fn send_if(&mut self, ready: Result<(), Error>, mut message: Message) -> Result<(), SendError> {
        match ready {
            Ok(()) => {
                self.writer.write_message(&mut message);
                Ok(())
            }
            Err(reason) => Err(SendError { message, reason }),
        }
    }

    fn write_body(&mut self, body: &[u8]) {
        self.writer.append(Flags::NONE, body);
        self.writer.commit();
    }
}

/// The receiving end of a [`channel`].
#[derive(Debug)]
pub struct Receiver {
    reader: Reader,
    set: ReadySet,
}

impl Receiver {
    /// Receives a message, and waits for one as long as it takes.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the sender is gone and there is no message left.
    pub fn recv(&mut self) -> Result<Message, Error> {
        let mut message = Message::new();
        self.recv_into(&mut message)?;
        Ok(message)
    }

    /// Receives a message if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] when there is none, [`Error::Closed`] when the sender is gone, too.
    pub fn try_recv(&mut self) -> Result<Message, Error> {
        let mut message = Message::new();
        self.try_recv_into(&mut message)?;
        Ok(message)
    }

    /// Receives a message, and waits for one no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] when none came in that time, [`Error::Closed`] when the sender is gone and
    /// there is no message left.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Message, Error> {
        self.await_message(Some(timeout))?;
        self.try_recv()
    }

    /// Like [`recv`](Self::recv), into a message whose memory is used again.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the sender is gone and there is no message left. `message` is as it was
    /// then.
    pub fn recv_into(&mut self, message: &mut Message) -> Result<(), Error> {
        self.await_message(None)?;
        self.try_recv_into(message)
    }

    /// Like [`try_recv`](Self::try_recv), into a message whose memory is used again.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] when there is none, [`Error::Closed`] when the sender is gone, too. `message`
    /// is as it was then.
    pub fn try_recv_into(&mut self, message: &mut Message) -> Result<(), Error> {
        self.check_message()?;
        self.reader.read_message(message);
        Ok(())
    }

    /// Receives a message as soon as there is one.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped: a message leaves the channel only when the future
    /// returns it.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the sender is gone and there is no message left.
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
    pub fn recv_async(&mut self) -> impl Future<Output = Result<Message, Error>> + Send + '_ {
        Waiting {
            end: self,
            poll: Self::poll_recv,
        }
    }

    /// Like [`recv_async`](Self::recv_async), for those who write futures by hand. The waker of the
    /// last call is the one that is woken.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the sender is gone and there is no message left.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        loop {
            match self.try_recv() {
                Err(Error::Empty) => {}
                result => return Poll::Ready(result),
            }
            if self.reader.set_idle() {
                if !self.set.register(context.waker()) {
                    return Poll::Pending;
                }
                self.set.drain(|_, _| ());
            }
        }
    }

    /// Whether the sender is gone and there is no message left.
    pub fn is_closed(&mut self) -> bool {
        self.reader.is_closed()
    }

    fn check_message(&mut self) -> Result<(), Error> {
        if self.reader.is_readable() {
            Ok(())
        } else if self.reader.is_closed() {
            Err(Error::Closed)
        } else {
            Err(Error::Empty)
        }
    }

    fn await_message(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        let mut wait = Wait::new(timeout);
        loop {
            match self.check_message() {
                Err(Error::Empty) => {}
                result => return result,
            }
            if self.reader.set_idle() {
                wait.once(&mut self.set)?;
            }
        }
    }
}

/// A wait that may take several signals. The clock is read only if it comes to sleeping.
struct Wait {
    timeout: Option<Duration>,
    deadline: Option<Instant>,
}

impl Wait {
    fn new(timeout: Option<Duration>) -> Self {
        Self {
            timeout,
            deadline: None,
        }
    }

    fn once(&mut self, set: &mut ReadySet) -> Result<(), Error> {
        if let Some(timeout) = self.timeout.take() {
            // A time too far away to be reckoned never comes.
            self.deadline = Instant::now().checked_add(timeout);
        }
        let signalled = set.wait(self.deadline);
        set.drain(|_, _| ());
        if signalled {
            Ok(())
        } else {
            Err(Error::TimedOut)
        }
    }
}

/// A future that polls one end of a channel, and takes its waker back when it is dropped.
struct Waiting<'a, T: HasSet, P> {
    end: &'a mut T,
    poll: P,
}

trait HasSet {
    fn set(&self) -> &ReadySet;
}

impl HasSet for Sender {
    fn set(&self) -> &ReadySet {
        &self.set
    }
}

impl HasSet for Receiver {
    fn set(&self) -> &ReadySet {
        &self.set
    }
}

impl<T, P, R> Future for Waiting<'_, T, P>
where
    T: HasSet,
    P: FnMut(&mut T, &mut Context<'_>) -> Poll<R> + Unpin,
{
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        let this = &mut *self;
        (this.poll)(this.end, context)
    }
}

impl<T: HasSet, P> Drop for Waiting<'_, T, P> {
    fn drop(&mut self) {
        self.end.set().unregister();
    }
}
