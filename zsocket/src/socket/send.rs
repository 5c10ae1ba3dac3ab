//! Sending, and waiting for room.

use std::time::{Duration, Instant};

use zmtp::{Frame, Message};

use super::{Socket, deadline};
use crate::{
    CanSend, Error, IntoMessage, SendError,
    core::{Core, Then},
    error::Refusal,
};

impl<P: CanSend> Socket<P> {
    /// Sends a message, waiting for room as long as [`set_send_timeout`](Self::set_send_timeout)
    /// says. REP never waits: a reply that its requester cannot take is dropped and counted.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`] when the timeout is over, and at once on an I/O thread, which never waits;
    /// [`Error::WrongState`], [`Error::IoThreadLost`], [`Error::Terminated`], [`Error::NotSupported`]; the
    /// message comes back with the error.
    pub fn send<M: IntoMessage>(&self, message: M) -> Result<(), SendError> {
        if let Some(body) = message.body()
            && self
                .lend_core(|core| core.try_send_body(body, M::COPIES, Then::Wait))
                .is_ok()
        {
            return Ok(());
        }
        self.send_slowly(message.into_message())
    }

    /// The way of everything that is not a small body, or has to wait.
    #[inline(never)]
    fn send_slowly(&self, mut message: Message) -> Result<(), SendError> {
        // The first try does not need the time.
        let mut result = self.lend_core(|core| core.try_send(&mut message, Then::Wait));
        if matches!(result, Err(Refusal::WouldBlock | Refusal::Again)) {
            let timeout = self.lend_core(|core| core.options.send_timeout);
            result = self.send_until(&mut message, deadline(timeout));
        }
        match result {
            Ok(()) => Ok(()),
            Err(refusal) => Err(self.refused(refusal, message)),
        }
    }

    fn send_until(&self, message: &mut Message, deadline: Option<Instant>) -> Result<(), Refusal> {
        self.send_with(deadline, |core, then| core.try_send(message, then))
    }

    /// Tries to send until it succeeds or the deadline has passed.
    pub(super) fn send_with(
        &self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut(&mut Core<P::State>, Then) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        loop {
            let done = self.lend_core(|core| {
                match attempt(core, Then::Wait) {
                    // Signals that keep coming are no reason to wait on.
                    Err(Refusal::WouldBlock) if core.wait(deadline) && core.has_time(deadline) => {
                        None
                    }
                    Err(Refusal::Again) if core.has_time(deadline) => None,
                    // There may be room although no pipe has drained to half.
                    Err(Refusal::WouldBlock) => {
                        Some(core.last_attempt(|core| attempt(core, Then::Return)))
                    }
                    done => Some(done),
                }
            });
            if let Some(done) = done {
                return done;
            }
        }
    }

    /// Sends a message if there is room now.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn try_send<M: IntoMessage>(&self, message: M) -> Result<(), SendError> {
        if let Some(body) = message.body()
            && self
                .lend_core(|core| core.try_send_body(body, M::COPIES, Then::Return))
                .is_ok()
        {
            return Ok(());
        }
        let mut message = message.into_message();
        match self.lend_core(|core| core.try_send(&mut message, Then::Return)) {
            Ok(()) => Ok(()),
            Err(refusal) => Err(self.refused(refusal, message)),
        }
    }

    /// Sends a message, waiting for room as long as `timeout`.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn send_timeout(
        &self,
        message: impl IntoMessage,
        timeout: Duration,
    ) -> Result<(), SendError> {
        let mut message = message.into_message();
        match self.send_until(&mut message, deadline(Some(timeout))) {
            Ok(()) => Ok(()),
            Err(refusal) => Err(self.refused(refusal, message)),
        }
    }

    /// Whether a message of several frames that begins with this one could be sent now, for those who are given messages frame
    /// by frame and have to answer before they have all of them. Nothing is sent. Unless its peer goes meanwhile, the message
    /// has room as long as nothing else is sent; a publisher that drops nothing knows only with the whole message.
    ///
    /// # Errors
    ///
    /// As for [`try_send`](Self::try_send).
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, Error, Router};
    ///
    /// let router = Context::new().socket::<Router>()?;
    /// router.set_mandatory(true)?;
    /// assert!(matches!(router.check_send(&"nobody".into()), Err(Error::Unroutable)));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn check_send(&self, first: &Frame) -> Result<(), Error> {
        let checked = self.lend_core(|core| {
            core.deferral.begin();
            core.check_send(first)
        });
        checked.map_err(|refusal| self.refused(refusal, Message::new()).error)
    }

    /// Like [`check_send`](Self::check_send), and waits for room as long as [`set_send_timeout`](Self::set_send_timeout) says.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn wait_check_send(&self, first: &Frame) -> Result<(), Error> {
        let mut checked = self.check_send(first);
        if matches!(checked, Err(Error::WouldBlock(_))) {
            let timeout = self.lend_core(|core| core.options.send_timeout);
            let waited = self.send_with(deadline(timeout), |core, _| {
                core.deferral.begin();
                core.check_send(first)
            });
            checked = waited.map_err(|refusal| self.refused(refusal, Message::new()).error);
        }
        checked
    }

    /// Gives a message back.
    #[cold]
    pub(super) fn refused(&self, refusal: Refusal, message: Message) -> SendError {
        let error = self.lend_core(|core| core.error(refusal, true));
        SendError { error, message }
    }
}
