//! Receiving: execution of what a pattern has decided.

use zmtp::Message;
use zpipe::{Body, deferred};

use super::{Core, DISCARDS_BETWEEN_LOOKS, Then, peers::loss_of};
use crate::{
    error::Refusal,
    pattern::{At, Source, State, Verdict},
    peer::PeerId,
};

/// So many messages in a row may be answers to the one received before.
const ANSWERS: u64 = 16;

impl<S: State> Core<S> {
    /// Receives into `message` if there is something now, or, if the caller is going to wait anyway, so
    /// soon that sleeping would take longer.
    #[inline]
    pub(crate) fn try_recv(&mut self, message: &mut Message, then: Then) -> Result<(), Refusal> {
        self.recv_noting(message, then, |_| ())
    }

    /// Likewise, and says from which link it came. Who does not ask pays nothing for it.
    pub(crate) fn try_recv_from(
        &mut self,
        message: &mut Message,
        then: Then,
    ) -> Result<PeerId, Refusal> {
        let mut from = PeerId(0);
        self.recv_noting(message, then, |at| from = PeerId(at.id))?;
        Ok(from)
    }

    #[inline(always)]
    fn recv_noting(
        &mut self,
        message: &mut Message,
        then: Then,
        note: impl FnOnce(At),
    ) -> Result<(), Refusal> {
        self.process()?;
        let received = if self.keeps_message() {
            self.take_found(message).map(note)
        } else {
            self.take_in_message(message, then, note)
        };
        if received.is_ok() {
            self.note_received(1);
        } else if then == Then::Return {
            // The caller may do something else for a long time.
            self.uncork();
            self.note_look_in_vain();
        }
        received
    }

    /// Receives what is neither counted nor given to the application yet.
    #[inline(always)]
    pub(super) fn take_in_message(
        &mut self,
        message: &mut Message,
        then: Then,
        note: impl FnOnce(At),
    ) -> Result<(), Refusal> {
        let source = self.state.source()?;
        self.state.prepare(message);
        match source {
            Source::Fair => self.recv_fair(message, then, note),
            Source::Only(at) => self.recv_only(at, message, then).map(|()| note(at)),
            Source::Own => self.recv_own(message).map(note),
        }
    }

    /// So many messages were received, and what is sent next may be answers to them.
    #[inline]
    pub(super) fn note_received(&mut self, messages: u64) {
        self.stats.messages_received += messages;
        self.answers_until = self.stats.messages_sent + ANSWERS;
    }

    /// What is sent from now on is no answer to what was received: nobody who sends comes back to receive.
    pub(crate) fn expect_no_answers(&mut self) {
        self.answers_until = 0;
    }

    /// Whether the link whose turn it is has a message.
    pub(crate) fn may_have_message(&mut self) -> bool {
        let place = self.links.inbound.current();
        let slot = place.and_then(|place| self.links.get_mut(place));
        slot.is_some_and(|slot| slot.link.is_readable())
    }

    /// Receives from the link whose turn it is.
    #[inline]
    fn recv_fair(
        &mut self,
        message: &mut Message,
        then: Then,
        note: impl FnOnce(At),
    ) -> Result<(), Refusal> {
        for _ in 0..DISCARDS_BETWEEN_LOOKS {
            let from = self.read_fair(message, then)?;
            match self.state.accept(from, message) {
                Verdict::Deliver => {
                    note(from);
                    return Ok(());
                }
                verdict => self.discard(verdict, message),
            }
        }
        Err(Refusal::Again)
    }

    #[inline]
    fn read_fair(&mut self, message: &mut Message, then: Then) -> Result<At, Refusal> {
        loop {
            let place = self.links.inbound.current().ok_or(Refusal::WouldBlock)?;
            let Some(slot) = self.links.get_mut(place) else {
                self.links.inbound.remove(place);
                continue;
            };
            let prefix = self.state.prefix();
            if slot.link.reader.read_message_behind(prefix, message) {
                slot.release(&mut self.deferral);
                let id = slot.link.id;
                self.links.next_inbound();
                return Ok(At { place, id });
            }
            self.found_empty(place, then);
        }
    }

    /// A link has no message: it is looked at again, or leaves the circle of those that may have one.
    #[inline(never)]
    fn found_empty(&mut self, place: usize, then: Then) {
        if self.look_again(place, then) {
            return;
        }
        let Some(slot) = self.links.get_mut(place) else {
            return;
        };
        if slot.link.reader.is_closed() {
            self.deferral.begin();
            self.lose(place);
        } else if slot.link.set_idle() {
            self.links.inbound.remove(place);
        }
    }

    /// Receives a message. One of a single frame that lies in the pipe is lent to `read` there, if the pattern allows; any other is put
    /// into `message`.
    #[inline]
    pub(crate) fn try_recv_lent<R>(
        &mut self,
        message: &mut Message,
        then: Then,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<(PeerId, Option<R>), Refusal> {
        self.process()?;
        let may_lend = self.found.is_none()
            && matches!(self.state.source(), Ok(Source::Fair))
            && self.state.takes_alone(&[]).is_some();
        if !may_lend {
            return Ok((self.try_recv_from(message, then)?, None));
        }
        let received = self.recv_lent(message, then, read);
        if received.is_ok() {
            self.note_received(1);
        } else if then == Then::Return {
            self.uncork();
            self.note_look_in_vain();
        }
        received
    }

    #[inline]
    fn recv_lent<R>(
        &mut self,
        message: &mut Message,
        then: Then,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<(PeerId, Option<R>), Refusal> {
        let mut discarded = 0;
        loop {
            let place = self.links.inbound.current().ok_or(Refusal::WouldBlock)?;
            let Some(slot) = self.links.get_mut(place) else {
                self.links.inbound.remove(place);
                continue;
            };
            let at = At {
                place,
                id: slot.link.id,
            };
            let Some(frame) = slot.link.reader.next_frame() else {
                self.found_empty(place, then);
                continue;
            };
            let has_more = frame.flags.is_more();
            match frame.body {
                Body::Inline(body) if !has_more => {
                    if self.state.takes_alone(body) == Some(true) {
                        let result = read(body);
                        slot.release(&mut self.deferral);
                        self.links.next_inbound();
                        return Ok((PeerId(at.id), Some(result)));
                    }
                    slot.release(&mut self.deferral);
                    self.links.next_inbound();
                    self.stats.dropped.not_subscribed += 1;
                }
                body => {
                    self.deferral.begin();
                    body.store(message.reuse_frame(0));
                    // What follows was committed with it.
                    let is_whole = has_more && slot.link.reader.read_message_behind(1, message);
                    slot.release(&mut self.deferral);
                    self.links.next_inbound();
                    if !is_whole {
                        message.truncate(1);
                    }
                    match self.state.accept(at, message) {
                        Verdict::Deliver => return Ok((PeerId(at.id), None)),
                        verdict => self.discard(verdict, message),
                    }
                }
            }
            discarded += 1;
            if discarded == DISCARDS_BETWEEN_LOOKS {
                return Err(Refusal::Again);
            }
        }
    }

    /// Receives from one link, without which nothing will come.
    fn recv_only(&mut self, at: At, message: &mut Message, then: Then) -> Result<(), Refusal> {
        let mut discarded = 0;
        loop {
            let Some(slot) = self.links.at(at) else {
                self.state.on_lost(at);
                return Err(Refusal::PeerLost);
            };
            if slot.link.reader.read_message_unreleased(message) {
                slot.release(&mut self.deferral);
                match self.state.accept(at, message) {
                    Verdict::Deliver => return Ok(()),
                    verdict => self.discard(verdict, message),
                }
                discarded += 1;
                if discarded == DISCARDS_BETWEEN_LOOKS {
                    return Err(Refusal::Again);
                }
                continue;
            }
            if slot.link.reader.is_closed() {
                self.deferral.begin();
                self.lose(at.place);
                continue;
            }
            if let Some(number) = self.state.give_up() {
                self.loss = loss_of(&slot.link, number);
                return Err(Refusal::PeerLost);
            }
            if self.look_again(at.place, then) {
                continue;
            }
            if let Some(slot) = self.links.at(at)
                && slot.link.set_idle()
            {
                self.links.inbound.remove(at.place);
                return Err(Refusal::WouldBlock);
            }
        }
    }

    /// A message that is not for the application.
    pub(super) fn discard(&mut self, verdict: Verdict, message: &mut Message) {
        match verdict {
            Verdict::Discard => self.stats.dropped.unexpected += 1,
            Verdict::Filtered => self.stats.dropped.not_subscribed += 1,
            Verdict::Deliver | Verdict::Taken | Verdict::Hold => {}
        }
        self.drop_bodies(message);
    }

    pub(super) fn drop_bodies(&mut self, message: &mut Message) {
        self.deferral.begin();
        deferred::drop_bodies(message);
    }
}
