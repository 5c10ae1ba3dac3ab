//! What subscribers ask for, on both sides.

use zmtp::{Message, header::Flags};

use super::Core;
use crate::{
    error::Refusal,
    links::Slot,
    pattern::{At, Change, State, Verdict},
};

/// Frames that are taken in before a call goes on with what it is about, but for the rest of a message.
const TAKEN_IN_AT_A_TIME: usize = 1000;
/// The same in bytes.
const BYTES_AT_A_TIME: usize = 1 << 20;

impl<S: State> Core<S> {
    // ---- The publisher ----

    /// Takes in what peers have sent, as far as the pattern has room for it.
    #[inline(never)]
    pub(super) fn take_in(&mut self) {
        self.deferral.begin();
        self.state.limit_input(self.options.transport.recv_hwm);
        // As much as came in: otherwise peers that come and go would ask for more than is forgotten.
        self.state.go_on(TAKEN_IN_AT_A_TIME.max(self.taken_in));
        if !self.offered.is_empty() {
            self.offer_again();
        }
        let mut message = Message::new();
        let mut bytes = 0;
        self.taken_in = 0;
        while self.taken_in < TAKEN_IN_AT_A_TIME && bytes < BYTES_AT_A_TIME {
            let Some((size, frames)) = self.take_in_next(&mut message) else {
                break;
            };
            bytes += size;
            self.taken_in += frames;
        }
        self.note_subscribed();
    }

    /// Takes in one message, and says how many bytes and frames it had. `None` if there is none.
    fn take_in_next(&mut self, message: &mut Message) -> Option<(usize, usize)> {
        while let Some(place) = self.links.inbound.current() {
            let Some(slot) = self.links.get_mut(place) else {
                self.links.inbound.remove(place);
                continue;
            };
            let at = At {
                place,
                id: slot.link.id,
            };
            let number = slot.link.reader.messages_read();
            let has_message = slot.link.reader.read_message_unreleased(message);
            let is_new = slot.is_renewed(number);
            if has_message {
                slot.release(&mut self.deferral);
                self.links.next_inbound();
                if is_new {
                    self.state.on_renewed(at);
                }
                // The pattern may take frames out of it.
                let size = (message.byte_len(), message.len());
                self.offer(at, message);
                return Some(size);
            }
            if is_new {
                self.state.on_renewed(at);
            }
            let Some(slot) = self.links.get_mut(place) else {
                continue;
            };
            if slot.link.reader.is_closed() {
                self.lose(place);
            } else if slot.link.reader.set_idle() {
                self.links.inbound.remove(place);
            }
        }
        None
    }

    /// Offers a message to the pattern. If that has no room, nothing else comes from this link until it has.
    fn offer(&mut self, at: At, message: &mut Message) {
        let verdict = self.state.accept(at, message);
        if verdict == Verdict::Hold
            && let Some(slot) = self.links.at(at)
        {
            slot.offered = Some(std::mem::take(message));
            self.links.inbound.remove(at.place);
            self.offered.push_back(at);
            return;
        }
        self.discard(verdict, message);
    }

    /// There may be room: offers once more what there was none for.
    fn offer_again(&mut self) {
        for _ in 0..TAKEN_IN_AT_A_TIME {
            let Some(at) = self.offered.pop_front() else {
                return;
            };
            let slot = self.links.at(at);
            let Some(mut message) = slot.and_then(|slot| slot.offered.take()) else {
                continue; // The link is gone, and what it had brought with it.
            };
            let verdict = self.state.accept(at, &mut message);
            if verdict == Verdict::Hold
                && let Some(slot) = self.links.at(at)
            {
                slot.offered = Some(message);
                return self.offered.push_front(at);
            }
            self.discard(verdict, &mut message);
            self.links.may_have_input(at.place);
        }
    }

    /// What a link has brought is not offered any more, since it goes.
    pub(super) fn forget_offered(&mut self, place: usize) {
        let slot = self.links.get_mut(place);
        if let Some(mut message) = slot.and_then(|slot| slot.offered.take()) {
            self.stats.dropped.departed += 1;
            self.drop_bodies(&mut message);
            self.offered.retain(|at| at.place != place);
        }
    }

    /// Whether there is more that the pattern has room for, or has to do.
    #[inline]
    pub(crate) fn has_more_to_take_in(&self) -> bool {
        let is_unfinished = || self.state.is_unfinished();
        self.state.takes_in() && (self.links.inbound.current().is_some() || is_unfinished())
    }

    /// Whether something was taken in that the application can receive.
    pub(super) fn has_own(&mut self) -> bool {
        if !self.state.has_own() && !self.offered.is_empty() {
            self.offer_again();
        }
        self.state.has_own()
    }

    /// Receives what was taken in.
    pub(super) fn recv_own(&mut self, message: &mut Message) -> Result<At, Refusal> {
        if self.offered.is_empty() {
            if let Some(from) = self.state.pop(message) {
                return Ok(from);
            }
        } else {
            self.deferral.begin();
            let popped = self.state.pop(message);
            self.offer_again();
            if let Some(from) = popped.or_else(|| self.state.pop(message)) {
                return Ok(from);
            }
        }
        if self.has_more_to_take_in() {
            // Only a part of it was taken in.
            return Err(Refusal::Again);
        }
        Err(Refusal::WouldBlock)
    }

    // ---- The subscriber ----

    /// Lets publishers know of what the pattern has changed.
    pub(crate) fn tell_changes(&mut self) {
        let changes = self.state.take_changes();
        let Some(subscriptions) = self.subscriptions.as_ref().filter(|_| !changes.is_empty())
        else {
            return;
        };
        for change in &changes {
            match change {
                Change::Subscribe(topic) => subscriptions.subscribe(topic),
                Change::Cancel(topic) => subscriptions.cancel(topic),
                Change::Recall(topic) => subscriptions.recall(topic),
            }
        }
        for place in self.links.followers() {
            self.tell_place(place);
        }
    }

    /// A new link: an engine follows by itself, and over inproc it is up to this end.
    pub(super) fn follow(&mut self, at: At) {
        if let (Some(subscriptions), Some(slot)) = (&self.subscriptions, self.links.at(at))
            && slot.link.driver.is_none()
        {
            let follower = subscriptions.follow(None);
            self.links.set_follower(at.place, follower);
            self.tell_place(at.place);
        }
    }

    /// Tells the peer of a link over inproc what is new, as far as there is room for it.
    pub(super) fn tell_place(&mut self, place: usize) {
        self.deferral.begin();
        let Some(slot) = self.links.get_mut(place) else {
            return;
        };
        let Slot { link, follower, .. } = slot;
        let Some(follower) = follower else {
            return;
        };
        loop {
            if !link.writer.has_room() {
                // The peer reads at its own pace, and then this goes on.
                if link.writer.block_until_room() {
                    return;
                }
                continue;
            }
            let mut is_news = false;
            follower.next(1, |subscribe, topic| {
                is_news = true;
                let body = [&[u8::from(subscribe)], topic].concat();
                link.writer.append(Flags::NONE, &body);
            });
            if !is_news {
                return;
            }
            link.writer.commit();
        }
    }
}
