//! Questions of handshakes about their peers (ZAP, RFC 27), and who answers them.
//!
//! ```text
//!   engine ─ Command::Ask ─▶ I/O thread ─▶ first I/O thread: Desk ─┬▶ Authority, if one is set
//!     ▲                                                            ├▶ inproc://zeromq.zap.01, if it is bound
//!     └──────────── answer, from whatever thread ──────────────────┴▶ nobody: the policy of the socket decides
//! ```
//!
//! No application has to call anything for that. A question is owned by whoever is to answer it, and one that is dropped
//! refuses the peer: a handler that fails lets nobody in.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use zmtp::zap::{self, Refusal};
use zpipe::Guarded;

use crate::{connection::Connection, event::SocketHandle};

/// Why nobody answers a question.
pub(crate) const THREAD_ENDED: &str = "the I/O thread has ended";

/// What a handshake wants to know about its peer. The peer waits for the answer, within the time that its handshake has.
///
/// It may be answered at once or later, from any thread. Who drops a question refuses the peer with
/// [`InternalError`](Refusal::InternalError), 500.
#[derive(Debug)]
pub struct Question {
    request: zap::Request,
    pub(crate) asker: Asker,
}

impl Question {
    pub(crate) fn new(request: zap::Request, connection: &Arc<Connection>, attempt: u64) -> Self {
        let asker = Asker {
            connection: Arc::downgrade(connection),
            attempt,
            request_id: request.request_id.clone(),
        };
        Self { request, asker }
    }

    /// What is asked.
    #[must_use]
    pub const fn request(&self) -> &zap::Request {
        &self.request
    }

    /// Answers. An answer for a connection that is gone meanwhile goes nowhere.
    pub fn answer(self, answer: zap::Answer) {
        self.asker.answer(answer);
    }

    /// There is nobody any more who could answer, or not now: the peer tries again.
    pub(crate) fn put_off(self, why: &'static str) {
        self.asker.refuse(Refusal::TemporaryError, why);
    }

    /// The request, whose credentials need not be kept, and who waits.
    pub(crate) fn into_parts(self) -> (zap::Request, Asker) {
        (self.request, self.asker)
    }
}

/// Who waits for an answer.
#[derive(Debug)]
pub(crate) struct Asker {
    /// Not kept alive by a handler that never answers.
    connection: Weak<Connection>,
    /// Which of the connection's streams asked.
    attempt: u64,
    /// What the handshake calls its request; it takes no answer to another one.
    request_id: Bytes,
}

impl Asker {
    pub(crate) fn answer(mut self, answer: zap::Answer) {
        self.send(answer);
    }

    /// Answers with a reply that may have another request id, to whom it was found to belong.
    pub(crate) fn answer_as_own(self, mut answer: zap::Answer) {
        if let zap::Answer::Reply(reply) = &mut answer {
            reply.request_id = self.request_id.clone();
        }
        self.answer(answer);
    }

    pub(crate) fn refuse(self, refusal: Refusal, text: &'static str) {
        let answer = self.refusal(refusal, text);
        self.answer(answer);
    }

    fn refusal(&self, refusal: Refusal, text: &'static str) -> zap::Answer {
        let request = zap::Request::new(zap::Credentials::Null);
        let request = request.with_request_id(self.request_id.clone());
        zap::Answer::Reply(zap::Reply::refusal(&request, refusal, text))
    }

    /// The socket whose handshake it is, while the connection lives.
    pub(crate) fn socket(&self) -> Option<SocketHandle> {
        let connection = self.connection.upgrade()?;
        Some(connection.handle.clone())
    }

    fn send(&mut self, answer: zap::Answer) {
        if let Some(connection) = std::mem::take(&mut self.connection).upgrade() {
            connection.answer_zap(self.attempt, answer);
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        let answer = self.refusal(Refusal::InternalError, "nobody has answered");
        self.send(answer);
    }
}

/// Who answers the questions of a reactor: see [`Reactor::set_authority`](crate::Reactor::set_authority).
pub trait Authority: Send + Sync + 'static {
    /// Answers a question, or hands it to somebody who will. Called on an I/O thread, which serves nobody else meanwhile:
    /// what takes time belongs on another thread. A panic refuses the peer that the question is about, and is counted.
    fn ask(&self, question: Question);
}

/// Where a reactor's authority is.
#[derive(Default)]
pub(crate) struct AuthoritySlot {
    /// Locked to exchange it and for each question, never while one is answered.
    authority: Guarded<Option<Arc<dyn Authority>>>,
}

impl AuthoritySlot {
    /// Sets who answers from now on, and returns who did: foreign code, to be dropped outside every lock.
    pub(crate) fn set(&self, authority: Option<Arc<dyn Authority>>) -> Option<Arc<dyn Authority>> {
        std::mem::replace(&mut *self.authority.lock(), authority)
    }

    pub(crate) fn current(&self) -> Option<Arc<dyn Authority>> {
        self.authority.lock().clone()
    }
}

impl fmt::Debug for AuthoritySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthoritySlot").finish_non_exhaustive()
    }
}
