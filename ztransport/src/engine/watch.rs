//! Who is told what about a stream.
//!
//! The I/O thread's poll has every stream, for input and output until its handshake is complete. After
//! that the input may be watched in the [`Inputs`] of the socket instead, and the output is watched only
//! while the stream is full.

use std::sync::Arc;

use zpipe::Readiness;

use super::{Engine, Phase};
use crate::{
    inputs::Inputs,
    net::Stream,
    parts::{Parts, WatchedBy},
    poll::Interest,
    signals::Caller,
};

/// See the module documentation.
#[derive(Default)]
pub(super) struct Watch {
    /// Where the input of streams with traffic is watched, if not by the I/O thread.
    inputs: Option<Arc<Inputs>>,
    /// Reported there with the connection.
    token: u64,
    /// The present stream's input is watched there.
    joined: bool,
    /// The present stream is full, and the I/O thread is told when it has room.
    output: bool,
}

impl Watch {
    /// The stream is gone. The next one is watched by the I/O thread at first.
    pub(super) fn reset(&mut self, connection: u64) {
        if std::mem::take(&mut self.joined)
            && let Some(inputs) = &self.inputs
        {
            inputs.forget(connection);
        }
        self.output = false;
    }
}

impl Engine {
    /// Traffic has begun.
    pub(super) fn watch_traffic(&mut self, connection: &Parts) {
        self.watch.output = false;
        self.join_inputs(connection);
        self.update_watch(connection);
    }

    /// From now on the input is reported in the poll of the socket or of a poller, or to the I/O thread again.
    pub(super) fn join(&mut self, connection: &Parts) {
        let (inputs, token) = match connection.take_inputs() {
            None => return self.leave_closed(connection),
            Some(WatchedBy::IoThread) => return self.leave_inputs(connection),
            Some(WatchedBy::Inputs(inputs, token)) => (inputs, token),
        };
        let is_other = |old: &Arc<Inputs>| !Arc::ptr_eq(old, &inputs);
        if self.watch.inputs.as_ref().is_some_and(is_other) {
            self.leave_inputs(connection);
        }
        if self.watch.joined
            && let Some(stream) = &self.stream
        {
            // Reported already, maybe before the socket knew the link, or with the token that it had then.
            inputs.set_token(connection.id, token);
            inputs.report_again(stream, connection.id);
        }
        self.watch.inputs = Some(inputs);
        self.watch.token = token;
        if matches!(self.phase, Phase::Traffic) {
            self.join_inputs(connection);
            self.update_watch(connection);
        }
    }

    fn join_inputs(&mut self, connection: &Parts) {
        self.leave_closed(connection);
        if !self.watch.joined
            && let (Some(inputs), Some(stream)) = (&self.watch.inputs, &self.stream)
        {
            // Without memory for it the I/O thread goes on.
            let added = inputs.add(stream, connection.id, self.watch.token);
            self.watch.joined = added.is_ok();
        }
    }

    /// Nobody waits for a poll that is closed.
    fn leave_closed(&mut self, connection: &Parts) {
        if self
            .watch
            .inputs
            .as_ref()
            .is_some_and(|inputs| inputs.is_closed())
        {
            self.leave_inputs(connection);
        }
    }

    /// The link is gone, and who has read it will not hear of the connection before there is another one.
    pub(super) fn forget_inputs(&mut self, connection: &Parts) {
        drop(connection.take_inputs());
        self.watch.inputs = None;
    }

    /// Nobody but the I/O thread reads any more.
    pub(super) fn leave_inputs(&mut self, connection: &Parts) {
        let Some(inputs) = self.watch.inputs.take() else {
            return;
        };
        if std::mem::take(&mut self.watch.joined)
            && let Some(stream) = &self.stream
        {
            inputs.remove(stream, connection.id);
            self.update_watch(connection);
        }
    }

    /// The stream is full: the I/O thread goes on when it has room.
    pub(super) fn watch_output(&mut self, connection: &Parts) {
        if !std::mem::replace(&mut self.watch.output, true) {
            self.update_watch(connection);
        } else if let Some(stream) = &self.stream {
            // What was written last may have gone out in part, and nobody has said that the rest would block.
            stream.note_full();
        }
    }

    /// Everything is written.
    pub(super) fn ignore_output(&mut self, connection: &Parts) {
        if std::mem::replace(&mut self.watch.output, false) {
            self.update_watch(connection);
        }
    }

    fn update_watch(&self, connection: &Parts) {
        if let Some(stream) = &self.stream {
            let interest = Interest {
                input: !self.watch.joined,
                output: self.watch.output,
            };
            // Fails only if the stream was never registered, and then it is about to be given up.
            let _ = connection.registry.modify(stream, connection.id, interest);
        }
    }

    /// Whether the stream is not for this thread to read.
    ///
    /// What the application asks for while the I/O thread has the engine would be read there, and the
    /// next it asks for as well: both threads would be busy with one stream from then on. The
    /// application is told once more instead.
    pub(super) fn is_left_to_application(&self, connection: &Parts, by: Caller) -> bool {
        if by == Caller::Application || self.hung_up {
            return false;
        }
        match self.leased() {
            Some((inputs, stream)) => {
                inputs.report_again(stream, connection.id);
                true
            }
            None => false,
        }
    }

    /// Others have their turn before the rest of the input.
    pub(super) fn read_later(&self, connection: &Parts) {
        match self.leased() {
            Some((inputs, stream)) => inputs.report_again(stream, connection.id),
            None => connection.io.notify(Readiness::WRITABLE),
        }
    }

    /// If the application waits for the stream itself.
    fn leased(&self) -> Option<(&Inputs, &Stream)> {
        let inputs = self.watch.inputs.as_ref()?;
        let stream = self.stream.as_ref()?;
        (self.watch.joined && inputs.is_leased()).then_some((inputs, stream))
    }
}
