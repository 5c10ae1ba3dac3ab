//! The two halves of forwarding a message from one socket to another: taking it out here, and giving it in there.

use zmtp::{Frame, Message};
use zpipe::Reader;

use super::{Core, Then};
use crate::{
    ForwardSide, Traffic,
    error::Refusal,
    pattern::{At, Route, Source, State},
};

/// Messages in a row that go on as they lie in the pipe. Others have their turn after these.
const RUN: u64 = 64;

/// What became of a message that was to be forwarded.
pub(crate) enum Given {
    /// It is sent.
    Sent,
    /// There is no room for it.
    Full,
    /// It names a peer that is not there. It was dropped and counted.
    Unroutable,
    /// The pattern can never send it.
    Unsendable,
}

impl<S: State> Core<S> {
    // ---- Source ----

    /// Receives a message, which counts unless it is [put back](Self::put_back).
    #[inline]
    pub(crate) fn take_for_another(&mut self, message: &mut Message) -> Result<At, Refusal> {
        self.process()?;
        let from = if self.keeps_message() {
            self.take_found(message)?
        } else {
            let mut from = At { place: 0, id: 0 };
            let taken = self.take_in_message(message, Then::Return, |at| from = at);
            match taken {
                Err(Refusal::WouldBlock) if self.look_for_input() => {
                    self.take_in_message(message, Then::Return, |at| from = at)?;
                }
                Err(Refusal::WouldBlock) => {
                    self.note_look_in_vain();
                    return Err(Refusal::WouldBlock);
                }
                done => done?,
            }
            from
        };
        self.note_received(1);
        Ok(from)
    }

    /// The message is received by the next call.
    #[cold]
    pub(crate) fn put_back(&mut self, message: Message, from: At) {
        self.stats.messages_received -= 1;
        self.found = Some(Ok((message, from)));
    }

    /// The next call fails like this.
    #[cold]
    pub(crate) fn put_back_refusal(&mut self, refusal: Refusal) {
        self.found = Some(Err(refusal));
    }

    /// A message that no socket of the other type can send.
    pub(crate) fn note_unexpected(&mut self) {
        self.stats.dropped.unexpected += 1;
    }

    // ---- Both ----

    /// Whether messages may [go on as they lie in the pipe](Self::forward_run): neither pattern changes them, or decides by
    /// more than the first frame.
    pub(crate) fn forwards_runs<T: State>(&self, to: &Core<T>) -> bool {
        let is_plain = self.state.takes_all() && self.state.prefix() == 0;
        is_plain && to.state.streams() && !to.state.takes_head() && to.subscriptions.is_none()
    }

    /// Moves a row of messages from the link whose turn it is to the one that gets them all, without taking them out. None if
    /// there is none, or if the next one has to be [taken](Self::take_for_another) and [given](Self::give). Beside that says
    /// whether there is room for more.
    pub(crate) fn forward_run<T: State>(
        &mut self,
        to: &mut Core<T>,
        most: Traffic,
    ) -> Result<(Traffic, bool), (ForwardSide, Refusal)> {
        (self.process()).map_err(|refusal| (ForwardSide::Source, refusal))?;
        (to.process()).map_err(|refusal| (ForwardSide::Destination, refusal))?;
        let none = (Traffic::default(), true);
        let has_found = self.found.is_some() || to.found.is_some();
        if has_found || !matches!(self.state.source(), Ok(Source::Fair)) {
            return Ok(none);
        }
        let from = self.links.inbound.current();
        let Some(slot) = from.and_then(|place| self.links.get_mut(place)) else {
            return Ok(none);
        };
        let moved = to.take_run(&mut slot.link.reader, most);
        if moved.messages == 0 {
            return Ok(none);
        }
        slot.release(&mut self.deferral);
        self.links.next_inbound();
        self.note_received(moved.messages);
        Ok((moved, to.may_give()))
    }

    /// The messages that the only link gets.
    fn take_run(&mut self, from: &mut Reader, most: Traffic) -> Traffic {
        let Some(place) = self.links.only() else {
            return Traffic::default();
        };
        let is_for_many = match self.state.route(None) {
            Ok(Route::Balanced | Route::One(..)) => false,
            Ok(Route::Many(_)) => true,
            _ => return Traffic::default(),
        };
        // One that was found full is out of the circle until it has drained.
        if !self.links.outbound.contains(place) {
            return Traffic::default();
        }
        let pace = self.pace();
        let (state, places) = (&mut self.state, &mut self.recipients);
        let Some(slot) = self.links.get_mut(place) else {
            return Traffic::default();
        };
        if slot.link.writer.is_closed() {
            return Traffic::default();
        }
        let moved = zpipe::transfer(
            from,
            &mut slot.link.writer,
            most.messages.min(RUN),
            most.bytes,
            |first, is_whole| {
                if !is_for_many {
                    return true;
                }
                places.clear();
                let is_wanted =
                    state.recipients(first, is_whole, places) == Ok(true) && places[..] == [place];
                if is_wanted {
                    state.sent_to_many();
                }
                is_wanted
            },
        );
        if moved.messages > 0 {
            slot.after_transfer(
                moved.is_reader_idle,
                pace,
                &mut self.corked,
                &mut self.deferral,
            );
            let (at, written) = (
                At {
                    place,
                    id: slot.link.id,
                },
                slot.link.writer.written(),
            );
            self.stats.messages_sent += moved.messages;
            self.state.sent(at, written);
        }
        Traffic {
            messages: moved.messages,
            bytes: moved.bytes,
        }
    }

    // ---- Destination ----

    /// Whether it is this socket's turn to receive, so that whoever sends back what comes in here has to take that first.
    #[cold]
    pub(crate) fn has_to_receive(&self) -> bool {
        self.state.takes_turns() && (self.found.is_some() || self.state.source().is_ok())
    }

    /// Whether a message would have room now. Otherwise that is announced, as for a poller.
    pub(crate) fn takes_another(&mut self) -> Result<bool, Refusal> {
        self.process()?;
        if self.state.route(None) == Err(Refusal::NotSupported) {
            return Err(Refusal::NotSupported);
        }
        Ok(self.may_give())
    }

    /// Where the message says where it goes, that is found out with it: it may be for nobody, and then must not wait.
    #[inline]
    fn may_give(&mut self) -> bool {
        if self.state.takes_head() {
            self.has_room_for_awaited()
        } else {
            self.can_send()
        }
    }

    /// Sends the message, and says whether there is room for another one.
    #[inline]
    pub(crate) fn give(&mut self, message: &mut Message) -> Result<(Given, bool), Refusal> {
        match self.try_send(message, Then::Return) {
            Ok(()) => {
                self.awaited = None;
                Ok((Given::Sent, self.may_give()))
            }
            Err(refusal) => self.not_given(message, refusal),
        }
    }

    #[cold]
    fn not_given(
        &mut self,
        message: &mut Message,
        refusal: Refusal,
    ) -> Result<(Given, bool), Refusal> {
        match refusal {
            Refusal::WouldBlock | Refusal::WrongState | Refusal::Again => {
                self.awaited = match self.state.route(message_head(message)) {
                    Ok(Route::One(at, _) | Route::Bytes(at, _)) if self.state.takes_head() => {
                        Some(at)
                    }
                    _ => None,
                };
                Ok((Given::Full, false))
            }
            Refusal::Unroutable => {
                self.awaited = None;
                self.note_nobody(message_head(message));
                self.drop_bodies(message);
                Ok((Given::Unroutable, self.may_give()))
            }
            Refusal::NoRoutingId | Refusal::TopicTooLong => {
                self.drop_bodies(message);
                Ok((Given::Unsendable, self.may_give()))
            }
            other => Err(other),
        }
    }
}

/// The first frame, if others follow.
fn message_head(message: &Message) -> Option<&Frame> {
    message.first().filter(|_| message.len() > 1)
}
