//! Sending one message to many links.
//!
//! It is encoded once and appended to the pipe of each, and no system call is made on the way: idle engines are left to
//! their I/O threads, each of which is woken once. A link whose pipe is full costs the others nothing. It loses this
//! message, and all others until half of the pipe is free again, without another look.

use zmtp::{Frame, Message, header::Flags};
use zpipe::{Encoded, Writer, deferred::Deferral};

use super::{Core, Then, outgoing::Outgoing, send::finds_room, statistics::note_full};
use crate::{
    error::Refusal,
    links::{Links, Pace},
    pattern::{Otherwise, State},
    stats::SocketStats,
};

/// How the message is written.
enum Form<'a> {
    /// One frame.
    Body(&'a [u8]),
    /// Several small ones, encoded.
    Encoded(&'a Encoded),
    /// Frames of which some may be shared.
    Frames(&'a Message),
}

impl Form<'_> {
    #[inline]
    fn append_to(&self, writer: &mut Writer) {
        match self {
            Self::Body(body) => writer.append(Flags::NONE, body),
            Self::Encoded(encoded) => writer.append_encoded(encoded),
            Self::Frames(message) => writer.append_copy(message),
        }
    }
}

impl<S: State> Core<S> {
    /// Gives the message to all that the pattern names.
    pub(super) fn send_many(
        &mut self,
        message: &mut Outgoing<'_>,
        otherwise: Otherwise,
        then: Then,
    ) -> Result<(), Refusal> {
        if let Outgoing::Body { body, .. } = message
            && body.len() >= SHARE_MIN
        {
            // It has to come as a message, so that it can be shared. The pattern is not asked before.
            return Err(Refusal::TooLargeToCopy);
        }
        if self.subscriptions.is_some()
            && let Outgoing::Message(message) = message
            && message.len() > 1
        {
            let has_rest = self.state.take_own(message)?;
            self.tell_changes();
            self.drop_spent();
            if !has_rest {
                return Ok(());
            }
        }
        let mut places = std::mem::take(&mut self.recipients);
        places.clear();
        let (first, is_whole) = message.first();
        let sent = match self.state.recipients(first, is_whole, &mut places) {
            Ok(true) => self.send_to_all(message, &mut places, otherwise, then),
            Ok(false) => {
                self.tell_changes();
                Ok(())
            }
            Err(refusal) => Err(refusal),
        };
        self.recipients = places;
        sent?;
        self.drop_unsent(message);
        self.state.sent_to_many();
        Ok(())
    }

    fn send_to_all(
        &mut self,
        message: &mut Outgoing<'_>,
        places: &mut Vec<usize>,
        otherwise: Otherwise,
        then: Then,
    ) -> Result<(), Refusal> {
        if places.is_empty() {
            match self.subscriptions {
                None => self.stats.dropped.no_subscriber += 1,
                Some(_) => self.stats.dropped.no_peer += 1,
            }
            return Ok(());
        }
        if let Some(limit) = self.message_limit
            && message.byte_len() as u64 > limit
        {
            return Err(Refusal::MessageTooLarge);
        }
        if otherwise == Otherwise::Wait && !self.have_room(places, then) {
            // What peers have sent may be that they want it no more.
            return Err(if self.has_more_to_take_in() {
                Refusal::Again
            } else {
                Refusal::WouldBlock
            });
        }
        let dropped = self.stats.dropped.hwm;
        self.append_to_many(message, places, otherwise);
        if self.subscriptions.is_some() && self.stats.dropped.hwm > dropped {
            // Who waits for room to tell something may have lost its place.
            for place in self.links.followers() {
                self.tell_place(place);
            }
        }
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
        places: &mut Vec<usize>,
        otherwise: Otherwise,
    ) {
        let form = match message {
            Outgoing::Body { body, .. } => Form::Body(body),
            Outgoing::Message(message) => {
                share_large(message);
                match message.frames() {
                    [only] if !only.is_shared() => Form::Body(only),
                    _ if !message.iter().any(Frame::is_shared) && self.encoded.set(message) => {
                        Form::Encoded(&self.encoded)
                    }
                    _ => Form::Frames(message),
                }
            }
        };
        if let [place] = places[..] {
            if may_append(
                &mut self.links,
                place,
                otherwise,
                &mut self.stats,
                &mut self.deferral,
            ) && let Some(slot) = self.links.get_mut(place)
            {
                form.append_to(&mut slot.link.writer);
                slot.commit(Pace::Stream, &mut self.corked, &mut self.deferral);
            }
            return;
        }
        places.retain(|place| {
            let (links, stats, deferral) = (&mut self.links, &mut self.stats, &mut self.deferral);
            if !may_append(links, *place, otherwise, stats, deferral) {
                return false;
            }
            let Some(slot) = links.get_mut(*place) else {
                return false;
            };
            form.append_to(&mut slot.link.writer);
            slot.link.writer.commit_unseen();
            true
        });
        // Once for all of them: see there.
        zpipe::publish_commits();
        let batch = (CACHED / places.len().max(1) as u64).clamp(BATCH_MIN, BATCH_MAX);
        for place in &*places {
            if let Some(slot) = self.links.get_mut(*place) {
                // Not all of them at once, which would keep the caller.
                let batch = batch + batch / 16 * (*place as u64 % 16);
                slot.after_commit(batch, &mut self.deferral);
            }
        }
    }
}

/// Bytes that all pipes together hold while the sender writes them out itself: more would have left the cache before.
const CACHED: u64 = 1 << 20;
/// The least and the most that it writes at a time to one of them.
const BATCH_MIN: u64 = 16 << 10;
const BATCH_MAX: u64 = 256 << 10;

/// Whether a link takes the message; otherwise it is counted.
#[inline]
fn may_append(
    links: &mut Links,
    place: usize,
    otherwise: Otherwise,
    stats: &mut SocketStats,
    deferral: &mut Deferral,
) -> bool {
    let is_resting = !links.outbound.contains(place);
    let Some(slot) = links.get_mut(place) else {
        return false;
    };
    if slot.link.writer.is_closed() {
        return false;
    }
    if otherwise == Otherwise::Wait {
        // There is room: that was looked for before.
        if is_resting {
            links.found_room(place);
        }
        return true;
    }
    if !is_resting && slot.link.writer.has_room() {
        return true;
    }
    deferral.begin();
    if !is_resting {
        if finds_room(slot) {
            return true;
        }
        links.rest(place, true);
    }
    note_full(links, stats, place);
    false
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
