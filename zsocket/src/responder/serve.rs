//! The simple case: a closure for each request, one after the other.

use std::{fmt, time::Duration};

use zmtp::Message;
use zpipe::deferred;

use super::Responder;
use crate::{Error, IntoMessage};

/// Why [`Responder::serve`] has come back.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stopped {
    /// The context was shut down, which is how a server ends.
    Terminated,
    /// The socket serves no more, for this reason.
    Failed(Error),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminated => f.write_str("the context was shut down"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl Responder {
    /// Answers each request with what `answer` makes of its body, one after the other, until the context is shut down
    /// ([`Context::shutdown`](crate::Context::shutdown)). The socket's `recv_timeout` does not apply.
    ///
    /// A panic in `answer` costs the one request: it is caught and counted ([`panics`](super::ResponderStats::panics)), the
    /// request counts as [abandoned](super::ResponderStats::abandoned), and is answered with an error if the responder
    /// was [set up so](super::ResponderBuilder::answer_abandoned). All others are served as if nothing had happened, by the
    /// same closure: what it may have left half-changed is its own business. To end the server with a panic, return
    /// from the closure and shut the context down.
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, Req, Responder, Stopped};
    ///
    /// let context = Context::new();
    /// let responder = Responder::new(&context)?;
    /// responder.bind("inproc://echo")?;
    /// let client = context.socket::<Req>()?;
    /// client.connect("inproc://echo")?;
    /// let server = std::thread::spawn(move || responder.serve(|request| request));
    ///
    /// client.send("hello")?;
    /// assert_eq!(client.recv()?[0], "hello");
    /// context.shutdown();
    /// assert!(matches!(server.join().unwrap(), Stopped::Terminated));
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    pub fn serve<R: IntoMessage>(&self, mut answer: impl FnMut(Message) -> R) -> Stopped {
        loop {
            let mut request = match self.recv_timeout(Duration::MAX) {
                Ok(request) => request,
                Err(Error::Terminated) => return Stopped::Terminated,
                Err(error) => return Stopped::Failed(error),
            };
            let body = request.take_body();
            let mut reply = None;
            // Making a message of the answer is the caller's code as well.
            if !deferred::catch(|| reply = Some(answer(body).into_message())) {
                self.desk.borrow_mut().count_panic();
            }
            if let Some(reply) = reply
                && let Err(failed) = self.answer(request, reply)
            {
                return match failed.error {
                    Error::Terminated => Stopped::Terminated,
                    error => Stopped::Failed(error),
                };
            }
        }
    }
}
