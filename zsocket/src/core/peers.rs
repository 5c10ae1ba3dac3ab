//! Links that come and go, and what the pattern says to that.

use std::time::Duration;

use bytes::Bytes;
use zmtp::header::Flags;
use ztransport::{Event, Left, Link};

use super::{
    Core,
    endpoints::{close_link, set_marks},
};
use crate::{
    PeerLoss,
    links::{Pace, Slot, connection_of},
    pattern::{Admission, At, State},
};

/// Links that this socket has made and that the pattern has no use for yet. To close them would end their
/// connections for good; so they wait, and nothing is sent or received there. With the names of their peers.
pub(super) type Standby = Vec<(At, Option<Bytes>)>;

impl<S: State> Core<S> {
    /// A link came by letter.
    pub(super) fn attach(&mut self, mut link: Link) {
        let connection = connection_of(&link);
        if connection.is_some_and(|id| self.attachments.get(id).is_none()) {
            // The letter was under way then.
            return close_link(link, self.options.linger);
        }
        link.signal_to(&self.handle);
        // They may have changed since the endpoint was bound.
        set_marks(&mut link, &self.options);
        let at = self.admit(link);
        // It may be gone already, and the signal of that came to nobody.
        self.on_gone(at.place);
    }

    /// Takes a link in, if the pattern has a use for it.
    pub(super) fn admit(&mut self, link: Link) -> At {
        self.acquaintances += 1;
        let given = connection_of(&link).and_then(|id| self.given_name(id));
        let name = given.or_else(|| link.peer.as_ref().map(|peer| peer.identity.clone()));
        let id = link.id;
        let at = At {
            place: self.links.insert(link),
            id,
        };
        self.ask(at, name);
        let Some(slot) = self.links.at(at) else {
            return at;
        };
        if let Some(driver) = &slot.link.driver {
            match (&self.led_by, &self.input) {
                (Some(leader), _) => leader.join(driver),
                (None, Some(input)) => input.join(driver),
                (None, None) => {}
            }
        }
        // Engines say hello by themselves, on each connection.
        let hello = self.state.hello().filter(|_| slot.link.driver.is_none());
        for first in hello.into_iter().chain(self.state.greeting()) {
            slot.link.writer.append(Flags::NONE, &first);
            slot.commit(Pace::Alone, &mut self.corked, &mut self.deferral);
        }
        self.follow(at);
        at
    }

    /// The peer of a link has said what it calls itself.
    pub(super) fn on_named(&mut self, at: At, name: Bytes) {
        if self.links.at(at).is_some() && self.given_name(at.id).is_none() {
            self.ask(at, Some(name));
        }
    }

    /// The name that the application gave to the peer of a connection.
    fn given_name(&self, connection: u64) -> Option<Bytes> {
        let attachment = self.attachments.get(connection)?;
        attachment.name.clone()
    }

    /// Asks the pattern about a link, and does what it says.
    fn ask(&mut self, at: At, name: Option<Bytes>) {
        if self.links.at(at).is_none() {
            return; // It waited, and is gone as well.
        }
        let mut admission = self.state.admit(at, name.as_ref());
        // Whoever is in the way may be gone, and nobody has noticed.
        if let Admission::Refuse(other) = admission
            && self.has_gone(other)
        {
            admission = self.state.admit(at, name.as_ref());
        }
        match admission {
            Admission::Join => self.links.release(at.place),
            Admission::Hold => self.links.hold(at.place),
            Admission::Replace(other) => {
                self.links.release(at.place);
                self.replace(other);
            }
            Admission::Refuse(_) => {
                if self.links.at(at).is_some_and(|slot| slot.link.outgoing) {
                    self.links.hold(at.place);
                    self.standby.push((at, name));
                } else {
                    self.refuse(at);
                }
            }
        }
    }

    /// Takes note of it if the peer of a link is gone, and says whether it is.
    fn has_gone(&mut self, at: At) -> bool {
        let Some(slot) = self.links.at(at) else {
            return true;
        };
        slot.link.settle();
        let is_gone = slot.link.writer.is_closed();
        if is_gone {
            self.on_gone(at.place);
        }
        is_gone
    }

    /// Sends a peer away.
    fn refuse(&mut self, at: At) {
        let Some(link) = self.links.remove(at.place) else {
            return;
        };
        self.stats.dropped.unexpected += link.left().messages;
        let endpoint = link.endpoint.clone();
        close_link(link, Some(Duration::ZERO));
        self.note_refused(endpoint);
        self.state.on_detached(at);
    }

    fn note_refused(&mut self, endpoint: ztransport::Endpoint) {
        self.stats.connections.refused += 1;
        // Who watches may be a task.
        self.deferral.begin();
        self.handle.emit(|| Event::PeerRefused { endpoint });
    }

    /// Another peer has taken the place of this one. One that came is sent away: over a stream, what it has
    /// sent is received as that of every peer that is gone. A connection of this socket's own stays.
    fn replace(&mut self, at: At) {
        let Some(Slot { link, .. }) = self.links.at(at).map(|slot| &*slot) else {
            return;
        };
        match &link.driver {
            _ if link.outgoing => {}
            Some(driver) => {
                driver.linger(Some(Duration::ZERO));
                let endpoint = link.endpoint.clone();
                self.note_refused(endpoint);
            }
            None => self.refuse(at),
        }
    }

    /// If the other end of a link is gone, nothing is sent there any more, and the link is forgotten
    /// as soon as there is nothing left to receive.
    pub(super) fn on_gone(&mut self, place: usize) {
        let Some(slot) = self.links.get_mut(place) else {
            return;
        };
        if !slot.link.writer.is_closed() {
            return;
        }
        let at = At {
            place,
            id: slot.link.id,
        };
        let has_rest = !slot.link.is_drained() || slot.offered.is_some();
        let left = slot.left();
        self.links.set_connected(place, false);
        self.state.on_gone(at);
        if self.standby.iter().any(|(other, _)| *other == at) {
            // Nothing was ever received from there.
            self.stats.dropped.unexpected += left.messages;
            return self.lose(place);
        }
        if has_rest && self.state.wants_rest(at) {
            self.links.outbound.remove(place);
            self.departed.insert(at.id, left);
            self.bound_departed();
        } else {
            self.lose(place);
        }
    }

    /// Drops what peers that are gone have left, as far as it is too much.
    pub(super) fn bound_departed(&mut self) {
        let limits = self.options.departed();
        let links = &mut self.links;
        let mut left = |id| {
            let slot = links.find(id).and_then(|at| links.get_mut(at));
            slot.map_or_else(Left::default, |slot| slot.left())
        };
        let mut excess = Vec::new();
        while let Some(id) = self.departed.excess(limits, &mut left) {
            self.stats.dropped.departed += left(id).messages;
            self.departed.remove(id);
            excess.push(id);
        }
        for id in excess {
            if let Some(at) = self.links.find(id) {
                self.lose(at);
            }
        }
    }

    /// Forgets a link whose other end is gone.
    pub(super) fn lose(&mut self, place: usize) {
        self.forget_offered(place);
        let Some(link) = self.links.remove(place) else {
            return;
        };
        let at = At { place, id: link.id };
        self.attachments.remove(at.id);
        self.departed.remove(at.id);
        if let Some(number) = self.state.awaits(at) {
            self.loss = loss_of(&link, number);
        }
        self.stats.dropped.peer_lost += link.unclaimed();
        self.on_detached(at);
    }

    /// A link is out of the table: others may have waited for that.
    pub(super) fn on_detached(&mut self, at: At) {
        self.state.on_detached(at);
        for (other, name) in std::mem::take(&mut self.standby) {
            if other != at {
                self.ask(other, name);
            }
        }
    }
}

/// Why the message with this number, a request, gets no reply from this link any more.
pub(super) fn loss_of(link: &Link, number: u64) -> PeerLoss {
    match link.close_reason() {
        Some(reason) if link.is_refused(number) => PeerLoss::Refused(reason),
        Some(reason) => PeerLoss::Disconnected(reason),
        None => PeerLoss::Gone,
    }
}
