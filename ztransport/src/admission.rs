//! How many connections a listener lets in: in all, of one peer address, and before they have proved anything.
//!
//! Both questions and answers are a look at a few counters, so a flood costs its listener a system call for each
//! connection, and nobody else's memory.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use zpipe::Guarded;

use crate::{event::AdmissionLimit, net::PeerAddress, options::Options, shrink};

/// The counters of one listener, shared by the I/O threads that serve its connections.
#[derive(Debug)]
pub(crate) struct Admission {
    max_pending: Option<u32>,
    max_connections: Option<u32>,
    max_per_peer: Option<u32>,
    /// Locked when a connection comes, at the end of its handshake and when it goes; never for a message.
    state: Guarded<State>,
}

#[derive(Debug, Default)]
struct State {
    pending: u32,
    connections: u32,
    /// Only kept where there is a limit for each.
    by_peer: HashMap<Origin, u32>,
}

/// What counts as one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Origin {
    /// An address; of IPv6 the network of 64 bits that whoever has one address mostly has as a whole.
    Ip(IpAddr),
    Process(u32),
    /// All that nothing is known of.
    Unknown,
}

impl Origin {
    fn of(peer: &PeerAddress) -> Self {
        match peer {
            PeerAddress::Tcp(address) => match address.ip().to_canonical() {
                IpAddr::V6(v6) => {
                    let network = u128::from(v6) >> 64 << 64;
                    Self::Ip(Ipv6Addr::from(network).into())
                }
                v4 => Self::Ip(v4),
            },
            PeerAddress::Ipc { credentials, .. } => credentials
                .and_then(|credentials| credentials.pid)
                .map_or(Self::Unknown, Self::Process),
            PeerAddress::Unknown => Self::Unknown,
        }
    }
}

/// A connection's part in the counters, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    origin: Option<Origin>,
    is_pending: bool,
}

impl Admission {
    pub(crate) fn new(options: &Options) -> Arc<Self> {
        Arc::new(Self {
            max_pending: options.max_pending_handshakes,
            max_connections: options.max_connections,
            max_per_peer: options.max_connections_per_peer,
            state: Guarded::default(),
        })
    }

    /// Lets a connection in, or says of what there are too many.
    pub(crate) fn admit(self: &Arc<Self>, peer: &PeerAddress) -> Result<Admitted, AdmissionLimit> {
        let is_full = |count: u32, limit: Option<u32>| limit.is_some_and(|limit| count >= limit);
        let origin = self.max_per_peer.map(|_| Origin::of(peer));
        let mut state = self.state.lock();
        if is_full(state.pending, self.max_pending) {
            return Err(AdmissionLimit::PendingHandshakes);
        }
        if is_full(state.connections, self.max_connections) {
            return Err(AdmissionLimit::Connections);
        }
        if let Some(origin) = origin {
            let count = state.by_peer.get(&origin).copied().unwrap_or(0);
            if is_full(count, self.max_per_peer) {
                return Err(AdmissionLimit::ConnectionsPerPeer);
            }
            state.by_peer.insert(origin, count + 1);
        }
        state.pending += 1;
        state.connections += 1;
        drop(state);
        Ok(Admitted {
            admission: Arc::clone(self),
            origin,
            is_pending: true,
        })
    }
}

impl Admitted {
    /// The handshake is complete, so another one may begin.
    pub(crate) fn shook_hands(&mut self) {
        if std::mem::take(&mut self.is_pending) {
            self.admission.state.lock().pending -= 1;
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut state = self.admission.state.lock();
        state.connections -= 1;
        state.pending -= u32::from(self.is_pending);
        if let Some(origin) = self.origin
            && let Some(count) = state.by_peer.get_mut(&origin)
        {
            *count -= 1;
            if *count == 0 {
                state.by_peer.remove(&origin);
                shrink::map(&mut state.by_peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use zmtp::SocketType;

    use super::*;
    use crate::net::ProcessCredentials;

    fn admission(pending: u32, connections: u32, per_peer: u32) -> Arc<Admission> {
        let mut options = Options::new(SocketType::Pull);
        options.max_pending_handshakes = Some(pending);
        options.max_connections = Some(connections);
        options.max_connections_per_peer = Some(per_peer);
        Admission::new(&options)
    }

    fn tcp(address: &str) -> PeerAddress {
        PeerAddress::Tcp(format!("{address}:1000").parse().unwrap())
    }

    #[test]
    fn a_slot_is_given_back_when_the_handshake_or_the_connection_ends() {
        let admission = admission(2, 3, 10);
        let peer = tcp("10.0.0.1");
        let mut first = admission.admit(&peer).unwrap();
        let second = admission.admit(&peer).unwrap();
        let full = AdmissionLimit::PendingHandshakes;
        assert_eq!(admission.admit(&peer).unwrap_err(), full);
        first.shook_hands();
        first.shook_hands();
        let third = admission.admit(&peer).unwrap();
        assert_eq!(admission.admit(&peer).unwrap_err(), full);
        drop(third);
        drop(second);
        let mut others: Vec<_> = (0..2).map(|_| admission.admit(&peer).unwrap()).collect();
        others.iter_mut().for_each(Admitted::shook_hands);
        let full = AdmissionLimit::Connections;
        assert_eq!(admission.admit(&peer).unwrap_err(), full);
        drop((first, others));
        let state = admission.state.lock();
        assert_eq!((state.pending, state.connections), (0, 0));
        assert!(state.by_peer.is_empty());
    }

    #[test]
    fn peers_are_told_apart_by_address_process_or_network() {
        let admission = admission(100, 100, 1);
        let ipc = |pid| PeerAddress::Ipc {
            path: None,
            credentials: Some(ProcessCredentials {
                pid,
                uid: 0,
                gid: 0,
            }),
        };
        let mut admitted = Vec::new();
        for (one, same) in [
            (tcp("10.0.0.1"), tcp("10.0.0.1")),
            (tcp("10.0.0.2"), tcp("[::ffff:10.0.0.2]")),
            (tcp("[2001:db8:0:1::1]"), tcp("[2001:db8:0:1:2::2]")),
            (tcp("[2001:db8:0:2::1]"), tcp("[2001:db8:0:2::1]")),
            (ipc(Some(1)), ipc(Some(1))),
            (ipc(Some(2)), ipc(Some(2))),
            (ipc(None), PeerAddress::Unknown),
        ] {
            admitted.push(admission.admit(&one).unwrap());
            let refused = admission.admit(&same).unwrap_err();
            assert_eq!(refused, AdmissionLimit::ConnectionsPerPeer, "{same}");
        }
    }

    #[test]
    fn without_limits_everybody_comes_in() {
        let mut options = Options::new(SocketType::Pull);
        options.max_pending_handshakes = None;
        let admission = Admission::new(&options);
        let peer = tcp("10.0.0.1");
        let all: Vec<_> = (0..5000).map(|_| admission.admit(&peer)).collect();
        assert!(all.iter().all(Result::is_ok));
        assert!(admission.state.lock().by_peer.is_empty());
    }
}
