//! Sending: execution of what a pattern has decided.

use std::time::{Duration, Instant};

use zmtp::{Frame, Message};
use zpipe::deferred::{self, Deferral};

use super::{Core, DISCARDS_BETWEEN_LOOKS, Then, outgoing::Outgoing};
use crate::{
    error::Refusal,
    links::{Pace, Slot},
    pattern::{At, Otherwise, Route, State},
    stats::SocketStats,
};

/// How long a sender gives way to a thread that is emptying the pipe, before it drops what has no room.
const OTHERS_TIME: Duration = Duration::from_millis(100);

impl<S: State> Core<S> {
    /// Sends a small body, if that is possible now. `lent` if its buffer is the caller's and stays so.
    #[inline(never)]
    pub(crate) fn try_send_body(
        &mut self,
        body: &[u8],
        lent: bool,
        then: Then,
    ) -> Result<(), Refusal> {
        self.send_now(&mut Outgoing::Body { body, lent }, then)
    }

    /// Sends if that is possible now. The message is taken only then.
    #[inline(never)]
    pub(crate) fn try_send(&mut self, message: &mut Message, then: Then) -> Result<(), Refusal> {
        self.send_now(&mut Outgoing::Message(message), then)
    }

    /// Inlined all the way, once for each kind of message: a small one takes so little time that a few
    /// calls and matches on the way are a tenth of it.
    #[inline(always)]
    fn send_now(&mut self, message: &mut Outgoing<'_>, then: Then) -> Result<(), Refusal> {
        self.process()?;
        if self.state.takes_turns() && self.found.is_some() {
            // What was found is received first.
            return Err(Refusal::WrongState);
        }
        match self.state.route(message.head())? {
            Route::Balanced => self.send_balanced(message, then)?,
            Route::One(at, otherwise) => self.send_to(at, message, otherwise, then)?,
            Route::Bytes(at, otherwise) => self.send_bytes(at, message, otherwise, then)?,
            Route::Many(otherwise) => self.send_many(message, otherwise, then)?,
            Route::Nobody => {
                self.note_nobody(message.head());
                self.drop_unsent(message);
            }
        }
        self.stats.messages_sent += 1;
        Ok(())
    }

    /// When the next message is to be written.
    #[inline(always)]
    pub(super) fn pace(&self) -> Pace {
        if !self.state.streams() {
            Pace::Alone
        } else if self.stats.messages_sent < self.answers_until {
            Pace::Answer
        } else {
            Pace::Stream
        }
    }

    /// Gives the message to the link whose turn it is.
    #[inline(always)]
    fn send_balanced(&mut self, message: &mut Outgoing<'_>, then: Then) -> Result<(), Refusal> {
        let pace = self.pace();
        loop {
            let Some(place) = self.links.outbound.current() else {
                if then == Then::Return && self.links.find_room() {
                    continue;
                }
                return Err(Refusal::WouldBlock);
            };
            if let Some(slot) = self.links.get_mut(place)
                && slot.link.writer.has_room()
            {
                message.check(&slot.link.writer)?;
                if self.state.voids_input()
                    && !void_input(slot, &mut self.stats, &mut self.deferral)
                {
                    return Err(Refusal::Again);
                }
                if self.state.voids_input() && self.drop_found() {
                    self.stats.dropped.unexpected += 1;
                }
                let Some(slot) = self.links.get_mut(place) else {
                    continue;
                };
                self.state.wrap(&mut slot.link.writer);
                message.append_to(&mut slot.link.writer);
                slot.commit(pace, &mut self.corked, &mut self.deferral);
                let id = slot.link.id;
                self.state
                    .sent(At { place, id }, slot.link.writer.written());
                self.links.next_outbound();
                return Ok(());
            }
            self.make_room(place, then);
        }
    }

    /// A link was found full: empties its pipe, or takes it out of the circle until it has drained.
    #[inline(never)]
    pub(super) fn make_room(&mut self, at: usize, then: Then) {
        self.deferral.begin();
        let Some(slot) = self.links.get_mut(at) else {
            return self.links.outbound.remove(at);
        };
        if slot.link.writer.is_closed() {
            return self.on_gone(at);
        }
        // This thread has nothing better to do than to empty it.
        slot.flush();
        if slot.link.writer.is_closed() {
            // Found out just now. It has room for ever, for what nobody will read.
            return self.on_gone(at);
        }
        if slot.link.writer.has_room() {
            return self.links.found_room(at);
        }
        self.links.rest(at, then == Then::Wait);
    }

    /// Gives the message to one link.
    pub(super) fn send_to(
        &mut self,
        at: At,
        message: &mut Outgoing<'_>,
        otherwise: Otherwise,
        then: Then,
    ) -> Result<(), Refusal> {
        let pace = self.pace();
        loop {
            let Some(slot) = self
                .links
                .at(at)
                .filter(|slot| !slot.link.writer.is_closed())
            else {
                if otherwise == Otherwise::Wait {
                    self.state.on_unroutable();
                    return Err(Refusal::Unroutable);
                }
                self.stats.dropped.no_peer += 1;
                break;
            };
            if slot.link.writer.has_room() {
                message.check(&slot.link.writer)?;
                if self.state.takes_head() {
                    message.drop_head(&mut self.deferral);
                }
                self.state.wrap(&mut slot.link.writer);
                message.append_to(&mut slot.link.writer);
                slot.commit(pace, &mut self.corked, &mut self.deferral);
                self.state.sent(at, slot.link.writer.written());
                self.drop_spent();
                return Ok(());
            }
            if otherwise == Otherwise::Drop {
                self.deferral.begin();
                if finds_room(slot) {
                    continue;
                }
                self.note_full(at.place);
                break;
            }
            // Out of the circle means: found full, and told when it has drained.
            if !self.links.outbound.contains(at.place) && then == Then::Wait {
                return Err(Refusal::WouldBlock);
            }
            self.make_room(at.place, then);
            if !self.links.outbound.contains(at.place) {
                return Err(Refusal::WouldBlock);
            }
        }
        self.drop_unsent(message);
        self.state.unsent();
        self.drop_spent();
        Ok(())
    }

    /// Gives bytes to one link, or lets go of it if there are none.
    #[inline(never)]
    fn send_bytes(
        &mut self,
        at: At,
        message: &mut Outgoing<'_>,
        otherwise: Otherwise,
        then: Then,
    ) -> Result<(), Refusal> {
        if message.has_tail() {
            return self.send_to(at, message, otherwise, then);
        }
        self.deferral.begin();
        self.close_peer(at);
        self.drop_unsent(message);
        Ok(())
    }

    /// Drops what the pattern has no use for any more.
    #[inline]
    pub(super) fn drop_spent(&mut self) {
        let spent = self.state.take_spent();
        if !spent.is_empty() {
            self.deferral.begin();
            let bodies = spent.into_iter().map(Frame::into_bytes);
            bodies.for_each(deferred::drop_body);
        }
    }

    /// Nobody gets the message.
    pub(super) fn drop_unsent(&mut self, message: &mut Outgoing<'_>) {
        if let Outgoing::Message(message) = message {
            self.deferral.begin();
            deferred::drop_bodies(message);
        }
    }
}

/// Whether a pipe that was found full has room after all: in a burst it may be full although the peer takes everything.
#[cold]
pub(super) fn finds_room(slot: &mut Slot) -> bool {
    // Another thread that is writing it out waits for nothing, but may have lost its processor.
    let begin = Instant::now();
    while !slot.flush()
        && !slot.link.writer.has_room()
        && begin.elapsed() < OTHERS_TIME
        && !ztransport::is_io_thread()
    {
        std::thread::yield_now();
    }
    slot.link.writer.has_room()
}

/// Drops what a link has brought until now. `false` when there is more of it.
fn void_input(slot: &mut Slot, stats: &mut SocketStats, deferral: &mut Deferral) -> bool {
    if !slot.link.reader.is_readable() {
        return true;
    }
    deferral.begin();
    let mut void = Message::new();
    for _ in 0..DISCARDS_BETWEEN_LOOKS {
        if !slot.link.reader.read_message_unreleased(&mut void) {
            return true;
        }
        stats.dropped.unexpected += 1;
        slot.release(deferral);
        deferred::drop_bodies(&mut void);
    }
    false
}
