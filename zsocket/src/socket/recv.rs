//! Receiving, and waiting for messages.

use std::{
    iter::FusedIterator,
    time::{Duration, Instant},
};

use zmtp::Message;
use zpipe::deferred;

use super::{Socket, deadline};
use crate::{
    CanReceive, Error,
    core::{Core, Then},
    error::Refusal,
};

impl<P: CanReceive> Socket<P> {
    /// Receives a message, waiting for one as long as [`set_recv_timeout`](Self::set_recv_timeout)
    /// says.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`] when the timeout is over, and at once on an I/O thread, which never waits;
    /// [`Error::WrongState`], [`Error::PeerLost`] (REQ), [`Error::IoThreadLost`], [`Error::Terminated`], [`Error::NotSupported`].
    pub fn recv(&self) -> Result<Message, Error> {
        let mut message = Message::new();
        self.recv_into(&mut message)?;
        Ok(message)
    }

    /// Receives a message if there is one now. Of those that are none of the pattern it drops a few at
    /// most, and says that it would block though there may be more behind them.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn try_recv(&self) -> Result<Message, Error> {
        let mut message = Message::new();
        self.try_recv_into(&mut message)?;
        Ok(message)
    }

    /// Receives a message, waiting for one as long as `timeout`.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Message, Error> {
        let mut message = Message::new();
        let received = self.recv_until(&mut message, deadline(Some(timeout)));
        self.explain(received)?;
        Ok(message)
    }

    /// Receives a message, waiting for one until `deadline`: for a call that is one of several which share a time.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn recv_deadline(&self, deadline: Instant) -> Result<Message, Error> {
        let mut message = Message::new();
        let received = self.recv_until(&mut message, Some(deadline));
        self.explain(received)?;
        Ok(message)
    }

    /// The messages as an iterator, each as [`recv`](Self::recv) returns it. It ends after the error that says that nothing
    /// more will ever come: [`Error::Terminated`], [`Error::IoThreadLost`], [`Error::Forked`] or [`Error::NotSupported`].
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, Pull, Push};
    ///
    /// let context = Context::new();
    /// let (pull, push) = (context.socket::<Pull>()?, context.socket::<Push>()?);
    /// push.connect(pull.bind("inproc://numbers")?)?;
    /// for number in 0..3_u8 {
    ///     push.send([number])?;
    /// }
    /// for (number, message) in (0..3_u8).zip(&pull) {
    ///     assert_eq!(message?[0], [number]);
    /// }
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    pub fn iter(&self) -> Messages<'_, P> {
        Messages {
            socket: self,
            is_over: false,
        }
    }

    /// Like [`recv`](Self::recv), into a message whose buffers are used again: a loop that receives
    /// messages of similar sizes this way does not allocate. After an error the content of `message`
    /// is unspecified.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    #[inline]
    pub fn recv_into(&self, message: &mut Message) -> Result<(), Error> {
        // Before the core is lent: what the message has shared so far is foreign.
        deferred::drop_bodies(message);
        let received = match self.lend_core(|core| core.try_recv(message, Then::Wait)) {
            Err(Refusal::WouldBlock | Refusal::Again) => self.recv_slowly(message),
            done => done,
        };
        self.explain(received)
    }

    /// Waits as long as the option says.
    #[inline(never)]
    fn recv_slowly(&self, message: &mut Message) -> Result<(), Refusal> {
        let timeout = self.lend_core(|core| core.options.recv_timeout);
        self.recv_until(message, deadline(timeout))
    }

    fn recv_until(&self, message: &mut Message, deadline: Option<Instant>) -> Result<(), Refusal> {
        self.recv_with(deadline, |core, then| core.try_recv(message, then))
    }

    /// Waits until there is a message to receive, as [`recv`](Self::recv) waits, and leaves it there: the next call receives it at
    /// once. For `timeout`; `None` is for ever.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), but when the pattern does not receive now, as a REQ without a request: that is as if there were no
    /// message, and without a `timeout` the call lasts until the context ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use zsocket::{Context, Error, Pull, Push};
    ///
    /// let context = Context::new();
    /// let (pull, push) = (context.socket::<Pull>()?, context.socket::<Push>()?);
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// let moment = Some(Duration::from_millis(1));
    /// assert!(matches!(pull.wait_message(moment), Err(Error::WouldBlock(_))));
    /// push.send("hello")?;
    /// pull.wait_message(None)?;
    /// assert_eq!(pull.try_recv()?[0], "hello");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn wait_message(&self, timeout: Option<Duration>) -> Result<(), Error> {
        let found = match self.lend_core(Core::check_recv) {
            Err(Refusal::WouldBlock | Refusal::Again) => {
                self.recv_with(deadline(timeout), |core, _| core.check_recv())
            }
            done => done,
        };
        self.explain(found)
    }

    /// Tries to receive until it succeeds or the deadline has passed.
    pub(super) fn recv_with<T>(
        &self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut(&mut Core<P::State>, Then) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        loop {
            let done = self.lend_core(|core| match attempt(core, Then::Wait) {
                // Signals that keep coming are no reason to wait on.
                Err(Refusal::WouldBlock) if core.wait_recv(deadline) && core.has_time(deadline) => {
                    None
                }
                // The last of what was waited for may have come with the deadline.
                Err(Refusal::WouldBlock) => {
                    Some(core.last_attempt(|core| attempt(core, Then::Return)))
                }
                Err(Refusal::Again) if core.has_time(deadline) => None,
                done => Some(done),
            });
            if let Some(done) = done {
                return done;
            }
        }
    }

    /// Like [`try_recv`](Self::try_recv), into a message whose buffers are used again.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    #[inline]
    pub fn try_recv_into(&self, message: &mut Message) -> Result<(), Error> {
        deferred::drop_bodies(message);
        let received = self.lend_core(|core| match core.try_recv(message, Then::Return) {
            Err(Refusal::WouldBlock) if core.look_for_input() => {
                core.try_recv(message, Then::Return)
            }
            done => done,
        });
        self.explain(received)
    }

    /// Says more about a refusal than the data path knows.
    #[inline]
    pub(super) fn explain<T>(&self, received: Result<T, Refusal>) -> Result<T, Error> {
        received.map_err(|refusal| self.lend_core(|core| core.error(refusal, false)))
    }
}

/// The messages of a socket: see [`Socket::iter`].
#[derive(Debug)]
pub struct Messages<'a, P: CanReceive> {
    socket: &'a Socket<P>,
    is_over: bool,
}

impl<P: CanReceive> Iterator for Messages<'_, P> {
    type Item = Result<Message, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let received = self.socket.recv();
        self.is_over = received.as_ref().is_err_and(Error::is_final);
        Some(received)
    }
}

impl<P: CanReceive> FusedIterator for Messages<'_, P> {}

impl<'a, P: CanReceive> IntoIterator for &'a Socket<P> {
    type Item = Result<Message, Error>;
    type IntoIter = Messages<'a, P>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
