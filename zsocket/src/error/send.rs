//! What comes back with the message.

use std::fmt;

use zmtp::Message;

use super::Error;

/// Why a message was not sent, together with the message, so that nothing is lost.
pub struct SendError {
    /// The cause.
    pub error: Error,
    /// The message, as it was given.
    pub message: Message,
}

impl SendError {
    /// The message, as it was given, so that it can be sent again or elsewhere.
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, Push};
    ///
    /// let push = Context::new().socket::<Push>()?;
    /// let refused = push.try_send("job").unwrap_err();
    /// assert!(refused.is_would_block());
    /// assert_eq!(refused.into_message()[0], "job");
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    #[must_use]
    pub fn into_message(self) -> Message {
        self.message
    }

    /// Whether it may be sent a little later: see [`Error::is_would_block`].
    #[must_use]
    pub fn is_would_block(&self) -> bool {
        self.error.is_would_block()
    }
}

impl fmt::Debug for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl From<SendError> for Error {
    /// Drops the message.
    fn from(error: SendError) -> Self {
        error.error
    }
}

impl From<SendError> for std::io::Error {
    /// Drops the message.
    fn from(error: SendError) -> Self {
        error.error.into()
    }
}
