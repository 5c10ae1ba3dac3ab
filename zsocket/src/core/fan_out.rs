//! Sending one message to many links.
//!
//! It is encoded once and appended to the pipe of each, and no system call is made on the way: idle engines are left to
//! their I/O threads, each of which is woken once. A link whose pipe is full costs the others nothing. It loses this
//! message, and all others until half of the pipe is free again, without another look.

use zmtp::{Frame, Message, header::Flags};
use zpipe::Writer;

use super::{Core, Then, outgoing::Outgoing, send::finds_room};
use crate::{
    error::Refusal,
    pattern::{Otherwise, State},
};

/// How the message is written.
enum Form<'a> {
    /// One frame.
    Body(&'a [u8]),
    /// Several small ones, encoded.
    Encoded,
    /// Frames of which some may be shared.
    Frames(&'a Message),
}

impl<S: State> Core<S> {
    /// Gives the message to all that the pattern names.
    pub(super) fn send_many(
        &mut self,
        message: &mut Outgoing<'_>,
        otherwise: Otherwise,
        then: Then,
    ) -> Result<(), Refusal> {
        let mut places = std::mem::take(&mut self.recipients);
        places.clear();
        let (first, is_whole) = message.first();
        let is_sent = self.state.recipients(first, is_whole, &mut places);
        let is_for_nobody = is_sent && places.is_empty();
        self.stats.dropped.no_subscriber += u64::from(is_for_nobody);
        let sent = match (is_sent, otherwise) {
            (false, _) => {
                self.tell_changes();
                Ok(())
            }
            (true, Otherwise::Wait) if !self.have_room(&places, then) => Err(Refusal::WouldBlock),
            (true, _) => {
                places.retain(|place| self.may_append(*place, otherwise));
                self.append_to_many(message, &places)
            }
        };
        self.recipients = places;
        sent?;
        self.drop_unsent(message);
        self.state.sent_to_many();
        Ok(())
    }

    /// Whether each link has room, or is gone.
    fn have_room(&mut self, places: &[usize], then: Then) -> bool {
        places.iter().all(|place| {
            let has_room = |core: &mut Self| {
                let slot = core.links.get_mut(*place);
                slot.is_none_or(|slot| slot.link.writer.has_room())
            };
            if has_room(self) {
                return true;
            }
            // Out of the circle means: found full, and told when it has drained.
            if !self.links.outbound.contains(*place) && then == Then::Wait {
                return false;
            }
            self.make_room(*place, then);
            has_room(self)
        })
    }

    fn append_to_many(
        &mut self,
        message: &mut Outgoing<'_>,
        places: &[usize],
    ) -> Result<(), Refusal> {
        let form = match message {
            Outgoing::Body { body, .. } => {
                for place in places {
                    if let Some(slot) = self.links.get_mut(*place) {
                        Outgoing::Body { body, lent: false }.check(&slot.link.writer)?;
                    }
                }
                Form::Body(body)
            }
            Outgoing::Message(message) => {
                share_large(message);
                match message.frames() {
                    [only] if !only.is_shared() => Form::Body(only),
                    _ if !message.iter().any(Frame::is_shared) && self.encoded.set(message) => {
                        Form::Encoded
                    }
                    _ => Form::Frames(message),
                }
            }
        };
        let is_alone = places.len() == 1;
        for place in places {
            let Some(slot) = self.links.get_mut(*place) else {
                continue;
            };
            let writer: &mut Writer = &mut slot.link.writer;
            match &form {
                Form::Body(body) => writer.append(Flags::NONE, body),
                Form::Encoded => writer.append_encoded(&self.encoded),
                Form::Frames(message) => writer.append_copy(message),
            }
            if is_alone {
                slot.commit(false, &mut self.deferral);
            } else {
                writer.commit_unseen();
            }
        }
        if is_alone {
            return Ok(());
        }
        // Once for all of them: see there.
        zpipe::publish_commits();
        for place in places {
            if let Some(slot) = self.links.get_mut(*place) {
                slot.after_commit(&mut self.deferral);
            }
        }
        Ok(())
    }

    /// Whether a link takes the message; otherwise it is counted.
    #[inline]
    fn may_append(&mut self, place: usize, otherwise: Otherwise) -> bool {
        let is_resting = !self.links.outbound.contains(place);
        let Some(slot) = self.links.get_mut(place) else {
            return false;
        };
        if slot.link.writer.is_closed() {
            return false;
        }
        if otherwise == Otherwise::Wait {
            // There is room: that was looked for before.
            if is_resting {
                self.links.found_room(place);
            }
            return true;
        }
        if !is_resting && slot.link.writer.has_room() {
            return true;
        }
        self.deferral.begin();
        if !is_resting {
            if finds_room(slot) {
                return true;
            }
            self.links.rest(place, true);
        }
        self.stats.dropped.hwm += 1;
        false
    }
}

/// Makes large bodies such that many pipes can share them.
fn share_large(message: &mut Message) {
    for frame in message.frames_mut() {
        if frame.len() >= SHARE_MIN && !frame.is_shared() {
            *frame = Frame::from(std::mem::take(frame).into_bytes());
        }
    }
}

/// Bodies of at least this many bytes are shared, which costs two counts for each link and the same again where it is
/// taken out. Less is copied.
const SHARE_MIN: usize = 4 * 1024;
