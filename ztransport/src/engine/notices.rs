//! Messages that tell the socket of its connections, among those that the peer sends: see [`Notices`](crate::Notices).

use zmtp::{Message, header};

use super::{Engine, Pipes};
use crate::connection::Connection;

/// An empty message, as it lies in a rope.
const EMPTY: &[u8] = &[0, 0];

impl Engine {
    /// A connection is established: puts the message that says so before its traffic, as if the peer had sent it first.
    pub(super) fn notify_established(&mut self, connection: &Connection) {
        if !connection.options.notices.established || self.is_unwanted(connection) {
            return;
        }
        if let Some(translator) = &mut self.translator {
            translator.begin_with(Message::from(""));
        } else if let Some(pipes) = &mut self.pipes {
            pipes.inbound.fill_from(EMPTY);
        }
    }

    /// An established connection is at its end: puts the message that says so behind all that came.
    pub(super) fn notify_ended(&mut self, connection: &Connection) {
        let is_wanted = connection.options.notices.ended && !self.is_unwanted(connection);
        let is_kept = connection.keeps_pipes();
        let Some(pipes) = &mut self.pipes else {
            return;
        };
        let mut wake = false;
        if self.raw.is_some() {
            wake |= commit_rest(pipes);
        }
        if is_wanted && is_due(pipes, connection, is_kept) {
            // What has come of a message will never be whole.
            pipes.inbound.rollback();
            wake |= pipes.inbound.push_message(&mut Message::from(""));
        }
        if wake {
            pipes.inbound.wake_reader();
        }
    }
}

/// Whether the end of a connection is told. A connection whose beginning was not told, because there is no room, has
/// brought nothing either. One that is made again and again while nobody receives must not fill the memory.
fn is_due(pipes: &Pipes, connection: &Connection, is_kept: bool) -> bool {
    let inbound = &pipes.inbound;
    let is_told =
        !connection.options.notices.established || inbound.written() > pipes.losses.begun();
    let limit = inbound.limits().messages;
    is_told && (!is_kept || limit == 0 || inbound.pending() <= limit)
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
