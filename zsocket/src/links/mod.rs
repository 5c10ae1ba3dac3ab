//! A socket's table of links, and whose turn it is to send and to receive.

mod burst;
mod muted;
mod slot;

use std::collections::{BTreeSet, HashMap};

use zpipe::Readiness;
use ztransport::{Driver, Follower, Link, shrink};

pub(crate) use self::{
    muted::Totals,
    slot::{Pace, Slot},
};
use crate::{pattern::At, routing::Rotation};

/// See the module documentation. Nothing here but [`iter_mut`](Self::iter_mut) takes time in
/// proportion to the number of links.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// The last one is taken: those behind it go when it goes.
    slots: Vec<Option<Slot>>,
    /// The lowest is taken first, so that the table becomes short again after a burst.
    free: BTreeSet<usize>,
    by_id: HashMap<u64, usize>,
    /// The links of each connection that this socket made. One that is made again gets a new link each
    /// time, if it has one only while it is established; then there may be old ones that still have
    /// messages.
    by_connection: BTreeSet<(u64, usize)>,
    /// The exclusive or of all places that are taken: with one link, that link's place.
    places: usize,
    /// How many of them have an engine behind them.
    streams: usize,
    /// How many of them have a peer with which the handshake is complete.
    connected: usize,
    /// See [`followers`](Self::followers).
    followers: BTreeSet<usize>,
    /// How many of them were found full, and have not signalled since.
    full: usize,
    /// What those have seen that are gone.
    past: Totals,
    /// Links that may have room.
    pub(crate) outbound: Rotation,
    /// Full links that will signal when they have drained to half. They may have room by now.
    draining: Rotation,
    /// Links that may have messages.
    pub(crate) inbound: Rotation,
}

impl Links {
    pub(crate) fn insert(&mut self, link: Link) -> usize {
        let id = link.id;
        let connection = connection_of(&link);
        self.streams += usize::from(link.driver.is_some());
        let slot = Slot::new(link);
        self.connected += usize::from(slot.connected);
        let slot = Some(slot);
        let at = match self.free.pop_first() {
            Some(at) => {
                self.slots[at] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        self.by_id.insert(id, at);
        self.by_connection.extend(connection.map(|id| (id, at)));
        self.places ^= at;
        // Until they are found full or empty, nobody would signal them.
        self.outbound.insert(at);
        self.inbound.insert(at);
        at
    }

    /// Takes a link out of the table.
    pub(crate) fn remove(&mut self, at: usize) -> Option<Link> {
        let mut slot = self.slots.get_mut(at)?.take()?;
        self.past.add(&mut slot);
        let Slot {
            link,
            connected,
            muted,
            ..
        } = slot;
        self.connected -= usize::from(connected);
        self.full -= usize::from(muted.is_on());
        self.streams -= usize::from(link.driver.is_some());
        self.free.insert(at);
        self.by_id.remove(&link.id);
        shrink::map(&mut self.by_id);
        if let Some(id) = connection_of(&link) {
            self.by_connection.remove(&(id, at));
        }
        self.places ^= at;
        self.followers.remove(&at);
        self.outbound.remove(at);
        self.draining.remove(at);
        self.inbound.remove(at);
        self.shorten();
        Some(link)
    }

    /// Gives back the free places at the end. Each of them was made by one link that came.
    fn shorten(&mut self) {
        while self.slots.pop_if(|slot| slot.is_none()).is_some() {
            self.free.remove(&self.slots.len());
        }
        shrink::list(&mut self.slots);
        for circle in [&mut self.outbound, &mut self.draining, &mut self.inbound] {
            circle.shorten(self.slots.len());
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut Slot> {
        self.slots.get_mut(at)?.as_mut()
    }

    /// This link, and no other one that has its place by now.
    #[inline]
    pub(crate) fn at(&mut self, at: At) -> Option<&mut Slot> {
        self.get_mut(at.place).filter(|slot| slot.link.id == at.id)
    }

    /// This link has no turns, neither for sending nor for receiving, until it is released.
    pub(crate) fn hold(&mut self, place: usize) {
        if let Some(slot) = self.get_mut(place) {
            slot.held = true;
            for circle in [&mut self.outbound, &mut self.draining, &mut self.inbound] {
                circle.remove(place);
            }
        }
    }

    /// A link over inproc follows what the socket subscribes to.
    pub(crate) fn set_follower(&mut self, place: usize, follower: Follower) {
        if let Some(slot) = self.get_mut(place) {
            slot.follower = Some(follower);
            self.followers.insert(place);
        }
    }

    /// Where the links over inproc are that follow what the socket subscribes to.
    pub(crate) fn followers(&self) -> Vec<usize> {
        self.followers.iter().copied().collect()
    }

    /// The handshake of a link is complete, or its connection broke.
    pub(crate) fn set_connected(&mut self, place: usize, connected: bool) {
        if let Some(slot) = self.get_mut(place)
            && std::mem::replace(&mut slot.connected, connected) != connected
        {
            if connected {
                self.connected += 1;
            } else {
                self.connected -= 1;
            }
        }
    }

    /// How many links have a peer with which the handshake is complete.
    pub(crate) fn connected(&self) -> usize {
        self.connected
    }

    /// Ends what [`hold`](Self::hold) has begun.
    pub(crate) fn release(&mut self, place: usize) {
        if let Some(slot) = self.get_mut(place)
            && std::mem::take(&mut slot.held)
        {
            // It may have signalled meanwhile.
            self.outbound.insert(place);
            self.inbound.insert(place);
        }
    }

    /// Whether a link has turns.
    fn is_free(&mut self, place: usize) -> bool {
        self.get_mut(place).is_some_and(|slot| !slot.held)
    }

    /// A link may have messages.
    pub(crate) fn may_have_input(&mut self, place: usize) {
        if self
            .get_mut(place)
            .is_some_and(|slot| !slot.held && slot.offered.is_none())
        {
            self.inbound.insert(place);
        }
    }

    /// The turn to send goes to the next link. With many links what each shares with its other end has
    /// left the cache by its next turn, so that is fetched some turns before.
    #[inline]
    pub(crate) fn next_outbound(&mut self) {
        if self.outbound.is_alone() {
            return;
        }
        self.outbound.advance();
        if let Some((soon, later)) = self.outbound.ahead() {
            if let Some(Slot { link, .. }) = self.get_mut(soon) {
                link.writer.prefetch_memory();
            }
            if let Some(Slot { link, .. }) = self.get_mut(later) {
                link.writer.prefetch();
            }
        }
    }

    /// The turn to be received from goes to the next link; see [`next_outbound`](Self::next_outbound).
    #[inline]
    pub(crate) fn next_inbound(&mut self) {
        if self.inbound.is_alone() {
            return;
        }
        self.inbound.advance();
        if let Some((soon, later)) = self.inbound.ahead() {
            if let Some(Slot { link, .. }) = self.get_mut(soon) {
                link.reader.prefetch_memory();
            }
            if let Some(Slot { link, .. }) = self.get_mut(later) {
                link.reader.prefetch();
            }
        }
    }

    /// Where the link with this id is.
    pub(crate) fn find(&self, id: u64) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// Takes out the links of the connection with this number, which this socket made; with their places.
    pub(crate) fn remove_connection(&mut self, id: u64) -> Vec<(usize, Link)> {
        let links = self.places_of_connection(id).into_iter();
        links
            .filter_map(|at| Some((at, self.remove(at)?)))
            .collect()
    }

    /// Where the links of the connection with this number are, if this socket made it.
    pub(crate) fn places_of_connection(&self, id: u64) -> Vec<usize> {
        let of_it = self.by_connection.range((id, 0)..=(id, usize::MAX));
        of_it.map(|(_, at)| *at).collect()
    }

    /// A link of the connection with this number.
    pub(crate) fn of_connection(&self, id: u64) -> Option<usize> {
        let outgoing = || self.by_connection.range((id, 0)..=(id, usize::MAX)).next();
        // Most often the numbers are the same.
        self.find(id).or_else(|| outgoing().map(|(_, at)| *at))
    }

    /// A link was found full. It is out of the circle until it signals: when it has drained to half, or,
    /// for a caller that does not wait, as soon as it has any room. `false` if it has some.
    pub(crate) fn rest(&mut self, at: usize, until_half: bool) -> bool {
        let Some(slot) = self.get_mut(at) else {
            self.outbound.remove(at);
            return true;
        };
        let writer = &mut slot.link.writer;
        let blocked = if until_half {
            writer.block()
        } else {
            writer.block_until_room()
        };
        if blocked {
            let is_new = slot.muted.begin();
            self.full += usize::from(is_new);
            self.outbound.remove(at);
            self.draining.remove(at);
            if until_half {
                self.draining.insert(at);
            }
        } else {
            self.found_room(at);
        }
        blocked
    }

    /// A link has room. If it was found full before, maybe nobody signals it any more.
    pub(crate) fn found_room(&mut self, at: usize) {
        self.draining.remove(at);
        self.end_muted(at);
        if self.is_free(at) {
            self.outbound.insert(at);
        }
    }

    fn end_muted(&mut self, at: usize) {
        if let Some(slot) = self.get_mut(at) {
            let was_full = slot.muted.end();
            self.full -= usize::from(was_full);
        }
    }

    /// Looks for room of which no signal has come, because a link was to signal only when it has
    /// drained to half. From now on these links signal any room, so that each of them is looked at
    /// once, however often this is called. `true` if there is some.
    #[inline(never)]
    pub(crate) fn find_room(&mut self) -> bool {
        while let Some(at) = self.draining.current() {
            self.rest(at, false);
        }
        self.outbound.current().is_some()
    }

    /// Whether none is known to be full.
    pub(crate) fn all_have_room(&self) -> bool {
        self.full == 0
    }

    /// A link was signalled.
    pub(crate) fn on_signal(&mut self, at: usize, what: Readiness) {
        if what.contains(Readiness::READABLE) {
            self.may_have_input(at);
        }
        if what.contains(Readiness::WRITABLE) && self.is_free(at) {
            self.draining.remove(at);
            self.end_muted(at);
            self.outbound.insert(at);
        }
    }

    /// The engines behind the links. None is found at once where there is none.
    pub(crate) fn drivers(&self) -> impl Iterator<Item = &Driver> {
        let slots = if self.streams > 0 {
            &self.slots[..]
        } else {
            &[]
        };
        slots
            .iter()
            .flatten()
            .filter_map(|slot| slot.link.driver.as_ref())
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Slot)> {
        self.slots
            .iter_mut()
            .enumerate()
            .filter_map(|(at, slot)| Some((at, slot.as_mut()?)))
    }

    /// What all links have seen, those that are gone included.
    pub(crate) fn totals(&mut self) -> Totals {
        let mut totals = self.past;
        self.iter_mut().for_each(|(_, slot)| totals.add(slot));
        totals
    }

    /// Where the only link is, if there is exactly one.
    pub(crate) fn only(&self) -> Option<usize> {
        (self.by_id.len() == 1).then_some(self.places)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}

/// The number of the connection that a link belongs to, if this socket made it.
pub(crate) fn connection_of(link: &Link) -> Option<u64> {
    let number = |driver: &Driver| driver.connection();
    link.outgoing
        .then(|| link.driver.as_ref().map_or(link.id, number))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use zmtp::SocketType;
    use ztransport::{Endpoint, Options, Reactor, SocketHandle};

    use super::*;

    #[test]
    fn the_tables_are_short_again_after_a_burst() {
        const BURST: usize = 2000;
        let reactor = Reactor::new(1).unwrap();
        let set = zpipe::ReadySet::new();
        let (letters, _mailbox) = zpipe::mailbox(set.notifier(0));
        let handle = SocketHandle::new(letters, set.notifier(0));
        let options = Arc::new(Options::new(SocketType::Push));
        let nobody: Endpoint = "inproc://nobody".parse().unwrap();
        let link = || {
            let (_, link) = reactor.connect(&nobody, &options, &handle).unwrap();
            link.unwrap()
        };
        let mut links = Links::default();
        assert_eq!(links.insert(link()), 0);
        for at in 1..BURST {
            assert_eq!(links.insert(link()), at);
        }
        // Some from the beginning, the rest from the end, and the first one stays.
        for at in (1..BURST / 2).chain((BURST / 2..BURST).rev()) {
            assert!(links.remove(at).is_some());
            assert!(links.remove(at).is_none());
        }
        assert_eq!(links.only(), Some(0));
        assert_eq!((links.slots.len(), links.free.len()), (1, 0));
        assert!(links.slots.capacity() <= BURST / 4);
        assert!(links.by_id.capacity() <= BURST / 4);
        for circle in [&links.outbound, &links.draining, &links.inbound] {
            assert!(circle.capacity() <= BURST / 4);
        }
        assert_eq!(links.outbound.current(), Some(0));

        // What comes next takes the lowest place.
        for at in 1..10 {
            assert_eq!(links.insert(link()), at);
        }
        links.remove(7);
        links.remove(3);
        assert_eq!(links.insert(link()), 3);
        assert_eq!(links.insert(link()), 7);
    }
}
