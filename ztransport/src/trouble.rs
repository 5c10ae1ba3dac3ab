//! The latest trouble with each endpoint of a socket, for whoever asks why nothing comes.
//!
//! It is kept whether somebody watches or not, so it is little: a slot for each kind of trouble and endpoint, and not more
//! endpoints than a socket sensibly has.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::{endpoint::Endpoint, event::CloseReason, net::PeerAddress};

/// Endpoints whose trouble is kept. That of others is not.
const MAX_ENDPOINTS: usize = 256;

/// What went wrong with an endpoint last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trouble {
    /// The endpoint bound or connected to.
    pub endpoint: Endpoint,
    /// Whether this end connected.
    pub outgoing: bool,
    /// What it was.
    pub what: What,
    /// How often that happened: of what was connected to, since its last handshake.
    pub times: u64,
    /// How long ago it happened last.
    pub age: Duration,
}

/// A kind of trouble, with the latest evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// An attempt to connect failed, as the operating system said.
    Connect(String),
    /// A handshake failed, with a peer at this address.
    Handshake(PeerAddress, CloseReason),
    /// An established connection was ended by this end for what the peer has sent.
    Traffic(PeerAddress, CloseReason),
}

#[derive(Debug)]
struct Slot {
    what: What,
    times: u64,
    at: Instant,
}

/// By kind: see [`What`].
type Slots = [Option<Slot>; 3];

#[derive(Debug, Default)]
pub(crate) struct Troubles {
    of: HashMap<(bool, Endpoint), Slots>,
}

impl Troubles {
    pub(crate) fn note(&mut self, endpoint: &Endpoint, outgoing: bool, what: What) {
        let key = (outgoing, endpoint.clone());
        if self.of.len() >= MAX_ENDPOINTS && !self.of.contains_key(&key) {
            return;
        }
        let slots = self.of.entry(key).or_default();
        let slot = match what {
            What::Connect(_) => &mut slots[0],
            What::Handshake(..) => &mut slots[1],
            What::Traffic(..) => &mut slots[2],
        };
        let times = slot.as_ref().map_or(0, |slot| slot.times) + 1;
        let at = Instant::now();
        *slot = Some(Slot { what, times, at });
    }

    /// A handshake has succeeded: connecting is no trouble any more.
    pub(crate) fn connected(&mut self, endpoint: &Endpoint) {
        if self.of.is_empty() {
            return;
        }
        if let Some([connect, handshake, _]) = self.of.get_mut(&(true, endpoint.clone())) {
            (*connect, *handshake) = (None, None);
        }
    }

    pub(crate) fn forget(&mut self, endpoint: &Endpoint, outgoing: bool) {
        self.of.remove(&(outgoing, endpoint.clone()));
    }

    pub(crate) fn all(&self) -> Vec<Trouble> {
        let all = self.of.iter().flat_map(|((outgoing, endpoint), slots)| {
            slots.iter().flatten().map(|slot| Trouble {
                endpoint: endpoint.clone(),
                outgoing: *outgoing,
                what: slot.what.clone(),
                times: slot.times,
                age: slot.at.elapsed(),
            })
        });
        all.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(port: u32) -> Endpoint {
        format!("ipc:///tmp/{port}").parse().unwrap()
    }

    #[test]
    fn the_latest_of_each_kind_is_kept_until_it_is_over() {
        let mut troubles = Troubles::default();
        let refused = |text: &str| What::Connect(text.into());
        let failed = What::Handshake(PeerAddress::Unknown, CloseReason::PeerClosed);
        let broken = What::Traffic(PeerAddress::Unknown, CloseReason::Oversize { size: 9 });
        troubles.note(&endpoint(1), true, refused("first"));
        troubles.note(&endpoint(1), true, refused("second"));
        troubles.note(&endpoint(1), true, failed.clone());
        troubles.note(&endpoint(1), true, broken);
        troubles.note(&endpoint(1), false, failed);
        let count = |troubles: &Troubles, outgoing| {
            let all = troubles.all().into_iter();
            all.filter(|trouble| trouble.outgoing == outgoing).count()
        };
        assert_eq!((count(&troubles, true), count(&troubles, false)), (3, 1));
        let all = troubles.all();
        let connect = all.iter().find(|trouble| trouble.what == refused("second"));
        assert_eq!(connect.unwrap().times, 2);
        troubles.connected(&endpoint(1));
        assert_eq!((count(&troubles, true), count(&troubles, false)), (1, 1));
        troubles.forget(&endpoint(1), true);
        troubles.forget(&endpoint(1), false);
        assert!(troubles.all().is_empty());
    }

    #[test]
    fn there_is_a_bound() {
        let mut troubles = Troubles::default();
        for port in 0..2 * MAX_ENDPOINTS as u32 {
            troubles.note(&endpoint(port), true, What::Connect("refused".into()));
        }
        assert_eq!(troubles.all().len(), MAX_ENDPOINTS);
        troubles.note(&endpoint(0), true, What::Connect("refused".into()));
        let all = troubles.all();
        assert!(all.iter().any(|trouble| trouble.times == 2));
    }
}
