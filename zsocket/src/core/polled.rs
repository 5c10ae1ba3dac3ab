//! What can be done now without waiting: for pollers, which wait for many sockets.
//!
//! Whatever cannot be done now is announced, as by a caller that is going to wait: so a signal comes when it may be possible.
//! The ready list forwards that signal to the poller's. What the application itself changes signals nobody, a REQ that has
//! received its reply for example: so the first call after the announcement tells the poller as well.

use zmtp::{Frame, Message};
use zpipe::{Notifier, Readiness};
use ztransport::InputPoll;

use super::{Core, Then};
use crate::{
    Error, Interest,
    error::Refusal,
    links::Slot,
    pattern::{At, Otherwise, Route, Source, State},
};

/// Who waits for this socket among others.
#[derive(Default)]
pub(super) struct Watched {
    by: Option<Notifier>,
    /// It was told that something is not possible, and wants to know of each call that may have changed that.
    armed: bool,
}

/// A message that was looked for and found before the application has called for it, and where it came from; or why the
/// call will fail.
pub(super) type Found = Result<(Message, At), Refusal>;

impl<S: State> Core<S> {
    /// Has this notifier signalled when what was not possible may be possible.
    pub(crate) fn watch(&mut self, by: Notifier) -> Result<(), Error> {
        if self.process.is_forked() {
            return Err(Error::Forked);
        }
        if self.watched.by.is_some() {
            return Err(Error::Watched);
        }
        self.ready.forward(by.clone());
        self.watched.by = Some(by);
        Ok(())
    }

    pub(crate) fn unwatch(&mut self) {
        if self.watched.by.take().is_some() && !self.process.is_forked() {
            self.ready.stop_forwarding();
            if let Some(leader) = self.led_by.take() {
                self.links.drivers().for_each(|driver| leader.leave(driver));
            }
        }
        self.watched.armed = false;
    }

    /// Has this socket's streams, now and later, join the poll of one who reads them. `false` if there is no stream yet to make
    /// that poll for.
    pub(crate) fn lead(&mut self, poll: &mut Option<InputPoll>, token: u64) -> bool {
        self.deferral.begin();
        if self.watched.by.is_none() || self.process.is_forked() {
            return false;
        }
        if poll.is_none() {
            let driver = self.links.drivers().next();
            // Without descriptors left the I/O thread goes on.
            *poll = driver.and_then(|driver| InputPoll::shared(driver).ok());
        }
        let Some(poll) = poll else { return false };
        let leader = poll.joiner(token);
        self.links.drivers().for_each(|driver| leader.join(driver));
        // Nothing is reported there any more.
        self.input = None;
        self.led_by = Some(leader);
        true
    }

    /// Whoever reads this socket's streams is about to wait, or has read.
    pub(crate) fn note_leader(&mut self) {
        self.looks_in_vain = 0;
    }

    /// There is nothing to receive. Whoever reads this socket's streams may be away for long, and be this very thread. It is so
    /// if the application looks again without having waited.
    #[inline]
    pub(super) fn note_look_in_vain(&mut self) {
        if let Some(leader) = &self.led_by {
            self.looks_in_vain += 1;
            if self.looks_in_vain > 1 {
                self.looks_in_vain = 0;
                leader.give_back();
            }
        }
    }

    /// After each call of the application.
    #[inline]
    pub(crate) fn tell_watcher(&mut self) {
        if self.watched.armed {
            self.tell_now();
        }
    }

    #[cold]
    fn tell_now(&mut self) {
        self.watched.armed = false;
        // Who is told may be a task.
        self.deferral.begin();
        self.look_soon();
    }

    /// Which of these can be done now, in the sense that a call returns at once, be it with an error.
    pub(crate) fn readiness(&mut self, interest: Interest) -> Interest {
        self.deferral.begin();
        self.uncork();
        if self.process().is_err() {
            return interest;
        }
        let mut ready = Interest::NONE;
        if interest.contains(Interest::RECV) && self.can_recv() {
            ready = ready | Interest::RECV;
        }
        if interest.contains(Interest::SEND) && self.can_send() {
            ready = ready | Interest::SEND;
        }
        // Not disarmed by one who asks about something else meanwhile.
        self.watched.armed |= ready != interest && self.watched.by.is_some();
        ready
    }

    /// Whoever watches looks once more, after others.
    pub(super) fn look_soon(&self) {
        if let Some(by) = &self.watched.by {
            by.notify(Readiness::MAIL);
        }
    }

    fn can_recv(&mut self) -> bool {
        if self.keeps_message() {
            return true;
        }
        let found = self.finds_message() || self.look_for_input() && self.finds_message();
        if !found && let Some(input) = &mut self.input {
            // The I/O thread reads from now on, and signals.
            input.give_back();
        }
        if !found {
            self.note_look_in_vain();
        }
        found
    }

    fn finds_message(&mut self) -> bool {
        match self.state.source() {
            Err(Refusal::WrongState | Refusal::NotSupported) => false,
            Err(_) => true,
            Ok(Source::Fair) if self.state.takes_all() => self.finds_any(),
            // Not taken out: what the last request was, that the application has received, may count.
            Ok(Source::Own) => {
                let found = self.has_own();
                if !found && self.has_more_to_take_in() {
                    self.looks_again = true;
                    self.look_soon();
                }
                found
            }
            Ok(_) => self.finds_accepted(),
        }
    }

    /// For patterns that take whatever comes: the message stays where it is.
    fn finds_any(&mut self) -> bool {
        while let Some(place) = self.links.inbound.current() {
            let Some(Slot { link, .. }) = self.links.get_mut(place) else {
                self.links.inbound.remove(place);
                continue;
            };
            if link.is_readable() {
                return true;
            }
            if link.is_drained() {
                self.lose(place);
            } else if link.set_idle() {
                self.links.inbound.remove(place);
            }
        }
        false
    }

    /// For the others only a message that was accepted is one. It is received, and kept for the call that asks for it.
    fn finds_accepted(&mut self) -> bool {
        let mut message = Message::new();
        let mut from = At { place: 0, id: 0 };
        match self.take_in_message(&mut message, Then::Return, |at| from = at) {
            Ok(()) => {
                self.found = Some(Ok((message, from)));
                true
            }
            Err(Refusal::WouldBlock) => false,
            Err(Refusal::Again) => {
                // Others have their turn before the rest is looked through.
                self.looks_again = true;
                self.look_soon();
                false
            }
            Err(refusal) => {
                self.found = Some(Err(refusal));
                true
            }
        }
    }

    /// Gives the application what was found before.
    #[cold]
    pub(super) fn take_found(&mut self, message: &mut Message) -> Result<At, Refusal> {
        let (found, from) = self.found.take().unwrap_or(Err(Refusal::WouldBlock))?;
        self.drop_bodies(message);
        *message = found;
        Ok(from)
    }

    /// What was found, and the pattern has given up since.
    #[cold]
    pub(super) fn drop_found(&mut self) -> bool {
        let found = self.found.take();
        let Some(Ok((mut message, _))) = found else {
            return false;
        };
        self.drop_bodies(&mut message);
        true
    }

    /// Whether something was found, and is kept for the call that asks for it. Pollers leave what patterns that take all have
    /// where it is, but what could not be forwarded is kept for them, too.
    #[inline]
    pub(super) fn keeps_message(&mut self) -> bool {
        if self.found.is_none() {
            return false;
        }
        self.drop_unwanted();
        self.found.is_some()
    }

    /// The application may have cancelled the topic of what was found.
    #[cold]
    fn drop_unwanted(&mut self) {
        if let Some(Ok((message, _))) = &self.found
            && !self.state.still_wants(message)
        {
            self.drop_found();
            self.stats.dropped.not_subscribed += 1;
        }
    }

    /// Whether a message waits here for the call that asks for it.
    pub(super) fn has_found(&self) -> bool {
        matches!(self.found, Some(Ok(_)))
    }

    pub(super) fn can_send(&mut self) -> bool {
        match self.state.route(None) {
            // Of those that take turns the application has to receive what was found first.
            _ if self.found.is_some() && self.state.takes_turns() => false,
            Ok(Route::Balanced) => self.has_room_somewhere(),
            Ok(Route::One(at, Otherwise::Wait) | Route::Bytes(at, Otherwise::Wait)) => {
                // One that is gone makes the call fail at once.
                let is_there = |slot: &mut Slot| !slot.link.writer.is_closed();
                !self.links.at(at).is_some_and(is_there) || self.has_room_at(at.place)
            }
            // Nobody is known to be full.
            Ok(Route::Many(Otherwise::Wait)) => self.links.all_have_room(),
            Ok(_) => true,
            Err(Refusal::NoRoutingId) if self.awaited.is_some() => self.has_room_for_awaited(),
            // Where to is only known with the message, which would be dropped, or go where there is room.
            Err(Refusal::NoRoutingId) => !self.state.is_mandatory() || self.has_room_somewhere(),
            Err(Refusal::WrongState | Refusal::NotSupported) => false,
            Err(_) => true,
        }
    }

    /// Whether there is a message to receive, for a caller that waits for one in the way of those who receive it. `Again` if there
    /// is more to look through, of which no signal will tell.
    pub(crate) fn check_recv(&mut self) -> Result<(), Refusal> {
        self.deferral.begin();
        self.process()?;
        self.looks_again = false;
        if self.keeps_message() || self.finds_message() {
            Ok(())
        } else if self.looks_again {
            Err(Refusal::Again)
        } else {
            Err(Refusal::WouldBlock)
        }
    }

    /// Whether a message of several frames that begins with this one could be sent now.
    pub(crate) fn check_send(&mut self, head: &Frame) -> Result<(), Refusal> {
        self.process()?;
        if self.state.takes_turns() && self.found.is_some() {
            return Err(Refusal::WrongState);
        }
        let has_room = match self.state.route(Some(head))? {
            Route::Balanced => self.has_room_somewhere(),
            Route::One(at, Otherwise::Wait) | Route::Bytes(at, Otherwise::Wait) => {
                let slot = self.links.at(at);
                if slot.is_none_or(|slot| slot.link.writer.is_closed()) {
                    return Err(Refusal::Unroutable);
                }
                self.has_room_at(at.place)
            }
            // Who gets it is found out with the whole message.
            _ => true,
        };
        if has_room {
            Ok(())
        } else {
            Err(Refusal::WouldBlock)
        }
    }

    /// Whether the peer has room, or is gone, for which a forwarded message waits.
    pub(super) fn has_room_for_awaited(&mut self) -> bool {
        let Some(at) = self.awaited else { return true };
        let slot = self.links.at(at);
        slot.is_none_or(|slot| slot.link.writer.is_closed()) || self.has_room_at(at.place)
    }

    fn has_room_somewhere(&mut self) -> bool {
        loop {
            match self.links.outbound.current() {
                Some(place) if self.has_room_at(place) => return true,
                Some(_) => {}
                None if self.links.find_room() => {}
                None => return false,
            }
        }
    }

    /// Whether a link has room. Otherwise it is out of the circle, and signals.
    fn has_room_at(&mut self, place: usize) -> bool {
        if !self.links.outbound.contains(place) && !self.links.find_room() {
            return false;
        }
        let slot = self.links.get_mut(place);
        if slot.is_some_and(|slot| slot.link.writer.has_room()) {
            return true;
        }
        self.make_room(place, Then::Return);
        false
    }
}
