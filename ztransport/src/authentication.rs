//! Questions to a ZAP handler (RFC 27).

use std::sync::{Arc, Weak};

use zmtp::zap;

use crate::connection::Connection;

/// What a handshake wants to know from a ZAP handler. The peer waits for the answer, within the time
/// that its handshake has.
///
/// Who drops a question answers it with [`NoHandler`](zap::Answer::NoHandler): a PLAIN server then
/// refuses the peer, the other mechanisms accept it unless the socket's policy forbids that.
#[derive(Debug)]
pub struct Question {
    request: zap::Request,
    /// Not kept alive by a handler that never answers.
    connection: Weak<Connection>,
    /// Which of the connection's streams asked.
    attempt: u64,
}

impl Question {
    pub(crate) fn new(request: zap::Request, connection: &Arc<Connection>, attempt: u64) -> Self {
        Self {
            request,
            connection: Arc::downgrade(connection),
            attempt,
        }
    }

    /// What is asked.
    #[must_use]
    pub const fn request(&self) -> &zap::Request {
        &self.request
    }

    /// Answers. An answer for a connection that is gone meanwhile goes nowhere.
    pub fn answer(mut self, answer: zap::Answer) {
        self.send(answer);
    }

    fn send(&mut self, answer: zap::Answer) {
        if let Some(connection) = std::mem::take(&mut self.connection).upgrade() {
            connection.answer_zap(self.attempt, answer);
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.send(zap::Answer::NoHandler);
    }
}
