//! What the application asks about its peers, and sending to one of them by its id.

use std::time::Instant;

use zmtp::{Frame, Message, Peer};
use ztransport::Standing;

use super::{Core, Then, outgoing::Outgoing};
use crate::{
    error::Refusal,
    links::Slot,
    pattern::{At, Otherwise, State},
    peer::{PeerId, PeerInfo},
};

impl<S: State> Core<S> {
    /// What is known about a peer; `None` if it is gone.
    pub(crate) fn peer_info(&mut self, peer: PeerId) -> Option<PeerInfo> {
        let place = self.links.find(peer.0)?;
        let slot = self.links.get_mut(place)?;
        Some(introduce(place, slot, &self.state, Instant::now()))
    }

    /// The same of all peers, in no particular order.
    pub(crate) fn peer_list(&mut self) -> Vec<PeerInfo> {
        let (state, now) = (&self.state, Instant::now());
        let slots = self.links.iter_mut();
        slots
            .map(|(place, slot)| introduce(place, slot, state, now))
            .collect()
    }

    /// Whether messages can be sent to a peer by its id.
    pub(crate) fn check_routes(&mut self) -> Result<(), Refusal> {
        match self.state.settings().router() {
            Some(_) => Ok(()),
            None => Err(Refusal::NotSupported),
        }
    }

    /// Sends to this peer and no other, if it has room now. The message is taken only then.
    pub(crate) fn try_send_to(
        &mut self,
        peer: PeerId,
        message: &mut Message,
        then: Then,
    ) -> Result<(), Refusal> {
        self.process()?;
        let place = self.links.find(peer.0).ok_or(Refusal::Unroutable)?;
        let at = At { place, id: peer.0 };
        // One that the pattern has not taken in has no turns, so there would never be room.
        if self.state.name(at).is_none() {
            return Err(Refusal::Unroutable);
        }
        // In place of the routing id, which is taken off.
        message.push_front(Frame::new());
        let sent = self.send_to(at, &mut Outgoing::Message(message), Otherwise::Wait, then);
        match sent {
            Ok(()) => self.stats.messages_sent += 1,
            Err(_) => drop(message.pop_front()),
        }
        sent
    }
}

fn introduce<S: State>(place: usize, slot: &Slot, state: &S, now: Instant) -> PeerInfo {
    let link = &slot.link;
    let at = At { place, id: link.id };
    let (address, connected) = match link.standing() {
        Some(Standing { address, since, .. }) => {
            (address, Some(now.saturating_duration_since(since)))
        }
        None => (None, None),
    };
    let peer: Option<&Peer> = link.peer.as_ref();
    let own_name = peer.map(|peer| peer.identity.clone());
    let name = state.name(at).cloned().or(own_name);
    PeerInfo {
        id: PeerId(link.id),
        endpoint: link.endpoint.clone(),
        outgoing: link.outgoing,
        address,
        connected,
        socket_type: peer.and_then(|peer| peer.socket_type),
        version: peer.map(|peer| peer.version),
        routing_id: name.unwrap_or_default(),
        user_id: peer.map(|peer| peer.user_id.clone()).unwrap_or_default(),
        properties: peer.map(|peer| peer.properties.clone()).unwrap_or_default(),
        trusted: peer.map(|peer| peer.trusted.clone()).unwrap_or_default(),
    }
}
