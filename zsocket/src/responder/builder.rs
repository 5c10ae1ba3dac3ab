//! Setting up a responder.

use zmtp::Frame;

use super::{Responder, desk::Desk};
use crate::{Context, Error, InvalidOption, Router, Socket};

/// Sets up a [`Responder`]; made by [`Responder::builder`].
///
/// # Examples
///
/// ```
/// use zsocket::{Context, Responder, Router};
///
/// let context = Context::new();
/// let socket = context.build_socket::<Router>().recv_hwm(10).build()?;
/// let responder = Responder::builder()
///     .max_at_work(4)
///     .answer_abandoned("error: not answered")
///     .over(socket)?;
/// # Ok::<(), zsocket::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ResponderBuilder {
    max_at_work: usize,
    excuse: Option<Frame>,
}

impl ResponderBuilder {
    pub(crate) const fn new() -> Self {
        Self {
            max_at_work: 1000,
            excuse: None,
        }
    }

    /// How many requests may be at work at a time: received, and not yet answered or dropped. At least 1. Default 1000.
    ///
    /// When there are as many, the responder takes no more until one is answered, so that those who ask are held up
    /// in their pipes, and not in its memory: see [`recv_hwm`](crate::SocketBuilder::recv_hwm).
    pub const fn max_at_work(mut self, requests: usize) -> Self {
        self.max_at_work = requests;
        self
    }

    /// Answers requests that are dropped unanswered with this frame, so that those who ask need not wait for
    /// their deadline, or for ever. What it says is between the server and its clients. Default: they get no answer.
    pub fn answer_abandoned(mut self, answer: impl Into<Frame>) -> Self {
        // A copy of its own: nobody can say on which thread the last handle of an option goes.
        self.excuse = Some(Frame::copy_from_slice(&answer.into()));
        self
    }

    /// Makes the responder.
    ///
    /// # Errors
    ///
    /// [`InvalidOption::Value`](crate::InvalidOption::Value) for a setting that is not allowed; otherwise as for [`Context::socket`].
    pub fn build(self, context: &Context) -> Result<Responder, Error> {
        self.over(context.socket::<Router>()?)
    }

    /// Makes the responder of a socket. Its option [`mandatory`](Socket::set_mandatory) is switched off: an answer
    /// that cannot be sent must not hold up the others.
    ///
    /// # Errors
    ///
    /// [`InvalidOption::Value`](crate::InvalidOption::Value) for a setting that is not allowed.
    pub fn over(self, socket: Socket<Router>) -> Result<Responder, Error> {
        if self.max_at_work == 0 {
            return Err(Error::from(InvalidOption::Value {
                option: "max_at_work",
                expected: "at least 1",
            }));
        }
        socket.set_mandatory(false)?;
        let desk = Desk::new(self.max_at_work, self.excuse);
        Ok(Responder::from_parts(socket, desk))
    }
}
