//! Messages that tell the socket of its connections, among those that the peer sends: see [`Notices`](crate::Notices).

use zmtp::{Message, header};

use super::{Engine, Pipes};
use crate::parts::Parts;

/// An empty message, as it lies in a rope.
const EMPTY: &[u8] = &[0, 0];

impl Engine {
    /// A connection is established: puts the message that says so before its traffic, as if the peer had sent it first.
    pub(super) fn notify_established(&mut self, connection: &Parts) {
        if !connection.options.notices.established || self.is_unwanted(connection) {
            return;
        }
        if let Some(translator) = &mut self.translator {
            translator.begin_with(Message::from(""));
        } else if let Some(pipes) = &mut self.pipes {
            pipes.inbound.fill_from(EMPTY);
        }
    }

    /// An established connection is at its end: puts what says so behind all that came. `lost` if it was not this end
    /// that has brought it about.
    pub(super) fn notify_ended(&mut self, connection: &Parts, lost: bool) {
        let is_unwanted = self.is_unwanted(connection);
        let Some(pipes) = &mut self.pipes else {
            return;
        };
        let mut wake = false;
        if self.raw.is_some() {
            wake |= commit_rest(pipes);
        }
        let notices = &connection.options.notices;
        let last_words = if connection.outgoing {
            &notices.hiccup
        } else {
            &notices.disconnect
        };
        let last_words = last_words.as_ref().filter(|_| lost);
        let is_asked_for = notices.ended || last_words.is_some();
        if is_asked_for && !is_unwanted && is_due(pipes, connection) {
            // What has come of a message will never be whole.
            pipes.inbound.rollback();
            if notices.ended {
                wake |= pipes.inbound.push_message(&mut Message::from(""));
            }
            if let Some(body) = last_words {
                wake |= pipes.inbound.push_message(&mut Message::from(&body[..]));
            }
        }
        if wake {
            pipes.wake_socket();
        }
    }
}

/// Whether the end of a connection is told. A connection whose beginning was not told, because there is no room, has
/// brought nothing either. One that is made again and again while nobody receives must not fill the memory.
fn is_due(pipes: &Pipes, connection: &Parts) -> bool {
    let inbound = &pipes.inbound;
    let is_told =
        !connection.options.notices.established || inbound.written() > pipes.losses.begun();
    let limit = inbound.limits().messages;
    is_told && (!connection.keeps_pipes() || limit == 0 || inbound.pending() <= limit)
}

/// Commits what was read of a raw stream and found no room, because the mark was lowered meanwhile.
fn commit_rest(pipes: &mut Pipes) -> bool {
    let mut wake = false;
    if pipes.inbound.is_mid_message() {
        let (_, rest) = pipes.inbound.take_rest();
        // Only whole frames lie there. The empty one tells of a connection that has brought nothing.
        if let Ok(Some((frame, len))) = header::decode(&rest)
            && frame.size > 0
        {
            wake = pipes.inbound.push_message(&mut Message::from(&rest[len..]));
        }
    }
    wake
}
