//! A request, with the right to answer it.

use std::{fmt, sync::Arc};

use zmtp::Message;
use zpipe::{Process, Sender, deferred};

use super::desk::{Envelope, Settled};
use crate::{Error, IntoMessage, SendError};

/// Where answers are posted. As many as there are requests at work, so its bound is theirs.
pub(super) type Post = Arc<Sender<Settled>>;

/// A request that a [`Responder`](super::Responder) has received, and the right to answer it once.
///
/// It may be kept, sent to another thread, and answered there, in any order with others. What is dropped
/// unanswered is counted ([`abandoned`](super::ResponderStats::abandoned)), and answered with an error if
/// the responder was [set up so](super::ResponderBuilder::answer_abandoned).
///
/// # Examples
///
/// ```
/// use zsocket::{Context, Req, Responder};
///
/// let context = Context::new();
/// let responder = Responder::new(&context)?;
/// responder.bind("inproc://doubler")?;
/// let client = context.socket::<Req>()?;
/// client.connect("inproc://doubler")?;
/// client.send(&[21])?;
///
/// let request = responder.recv()?;
/// let worker = std::thread::spawn(move || {
///     let doubled = request.body()[0][0] * 2;
///     request.answer(&[doubled]).is_ok()
/// });
/// worker.join().unwrap();
/// // Answers of other threads are sent by the calls of the thread that has the responder. A server is in `recv`.
/// responder.flush()?;
/// assert_eq!(client.recv()?[0], [42]);
/// # Ok::<(), zsocket::Error>(())
/// ```
pub struct Request {
    body: Message,
    /// `None` once it is answered.
    envelope: Option<Envelope>,
    post: Post,
    process: Process,
}

impl Request {
    pub(super) fn new(envelope: Envelope, body: Message, post: Post) -> Self {
        Self {
            body,
            envelope: Some(envelope),
            post,
            process: Process::current(),
        }
    }

    /// What was asked: the frames behind the envelope, at least one.
    #[must_use]
    pub fn body(&self) -> &Message {
        &self.body
    }

    /// Takes the body out, and leaves a message without frames in its place.
    #[must_use]
    pub fn take_body(&mut self) -> Message {
        std::mem::take(&mut self.body)
    }

    /// The routing id of the peer that has sent the request: the client, or a broker on the way. Two requests of one
    /// client have the same.
    #[must_use]
    pub fn routing_id(&self) -> &[u8] {
        self.envelope
            .as_ref()
            .map_or(&[], |envelope| envelope.routing_id())
    }

    /// Answers, from whatever thread. The answer is handed to the responder, which is woken if it waits, and sends it
    /// in this or its next call; [`Responder::flush`](super::Responder::flush) is a call that does nothing else. Never
    /// waits. An answer whose client is gone, or does not read, is dropped and counted
    /// ([`Dropped`](crate::Dropped)).
    ///
    /// # Errors
    ///
    /// [`Error::ResponderClosed`] if the responder is closed, [`Error::Forked`]; the answer comes back with the error.
    pub fn answer(mut self, reply: impl IntoMessage) -> Result<(), SendError> {
        let reply = reply.into_message();
        if self.process.is_forked() {
            return Err(SendError {
                error: Error::Forked,
                message: reply,
            });
        }
        let Some(envelope) = self.envelope.take() else {
            return Ok(()); // Not reached: whoever takes it has the request.
        };
        match self.post.post(Settled::Answered(envelope, reply)) {
            Err(Settled::Answered(_, message)) => Err(SendError {
                error: Error::ResponderClosed,
                message,
            }),
            _ => Ok(()),
        }
    }

    /// The envelope, if the answer goes to this very responder.
    pub(super) fn take_envelope_for(&mut self, post: &Post) -> Option<Envelope> {
        if Arc::ptr_eq(&self.post, post) {
            self.envelope.take()
        } else {
            None
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let envelope = self.envelope.take();
        if self.process.is_forked() {
            // In a forked child somebody may hold the lock for ever.
            return;
        }
        if let Some(envelope) = envelope {
            // A responder that is closed counts no more.
            let _ = self.post.post(Settled::Abandoned(envelope));
        }
        deferred::drop_bodies(&mut self.body);
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("routing_id", &self.routing_id())
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}
