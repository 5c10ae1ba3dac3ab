//! Events in words.

use std::fmt;

use super::Event;

/// One line: what has happened, where, and why.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { endpoint, .. } => write!(f, "listening on {endpoint}"),
            Self::BindFailed {
                endpoint, reason, ..
            } => {
                write!(f, "cannot bind {endpoint}: {reason}")
            }
            Self::Accepted { endpoint, peer, .. } => write!(f, "{endpoint}: {peer} has connected"),
            Self::AcceptFailed {
                endpoint, reason, ..
            } => {
                write!(
                    f,
                    "{endpoint}: a connection failed before it was accepted: {reason}"
                )
            }
            Self::AdmissionRefused {
                endpoint,
                peer,
                limit,
            } => {
                write!(f, "{endpoint}: {peer} is sent away: {limit}")
            }
            Self::AcceptPaused {
                endpoint, reason, ..
            } => {
                write!(f, "{endpoint}: accepting pauses: {reason}")
            }
            Self::AcceptRefused { endpoint, peer } => {
                write!(f, "{endpoint}: {peer} is sent away by the accept filter")
            }
            Self::ListenerClosed { endpoint, .. } => write!(f, "no longer listening on {endpoint}"),
            Self::CloseFailed {
                endpoint, reason, ..
            } => {
                write!(f, "{endpoint}: closing failed: {reason}")
            }
            Self::ConnectDelayed { endpoint } => write!(f, "connecting to {endpoint}"),
            Self::Connected { endpoint, peer, .. } => write!(f, "connected to {endpoint} ({peer})"),
            Self::ConnectFailed {
                endpoint, reason, ..
            } => {
                write!(f, "cannot connect to {endpoint}: {reason}")
            }
            Self::ConnectRetried { endpoint, delay } => {
                write!(f, "connects to {endpoint} again in {delay:?}")
            }
            Self::ConnectStopped { endpoint, reason } => {
                write!(f, "connects to {endpoint} no more: {reason}")
            }
            Self::HandshakeSucceeded {
                endpoint,
                address,
                peer,
                ..
            } => {
                write!(f, "{endpoint}: handshake with {address} complete")?;
                match peer.socket_type {
                    Some(socket_type) => write!(f, ": a {}", socket_type.name()),
                    None => Ok(()),
                }
            }
            Self::HandshakeFailed {
                endpoint,
                address,
                reason,
                ..
            } => {
                write!(f, "{endpoint}: handshake with {address} failed: {reason}")
            }
            Self::MessageRefused {
                endpoint,
                address,
                size,
                connections,
            } => write!(
                f,
                "{endpoint}: {address} refuses a message of {size} bytes, it ended {connections} connections over it"
            ),
            Self::PeerRefused { endpoint } => {
                write!(
                    f,
                    "{endpoint}: a peer is sent away, for the socket has no use for it"
                )
            }
            Self::Disconnected {
                endpoint,
                address,
                reason,
                ..
            } => {
                write!(
                    f,
                    "{endpoint}: the connection with {address} has ended: {reason}"
                )
            }
            Self::PipeStats {
                endpoint,
                queued_out,
                queued_in,
                ..
            } => write!(
                f,
                "{endpoint}: {queued_out} messages wait to be sent, {queued_in} to be received"
            ),
            Self::MulticastJoined {
                endpoint,
                session,
                address,
            } => {
                write!(f, "{endpoint}: hears publisher {session} at {address}")
            }
            Self::MulticastLost {
                endpoint,
                session,
                packets,
            } => {
                write!(
                    f,
                    "{endpoint}: {packets} packets of publisher {session} are lost"
                )
            }
            Self::MulticastLeft { endpoint, session } => {
                write!(f, "{endpoint}: publisher {session} is no longer heard")
            }
            Self::Lagged { missed } => write!(f, "{missed} events were missed here"),
            Self::MonitorStopped => f.write_str("the socket is closed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CloseReason, Endpoint, net::PeerAddress};

    #[test]
    fn an_event_is_one_line_with_place_peer_and_reason() {
        let endpoint = Endpoint::parse("tcp://127.0.0.1:5555").unwrap();
        let address = PeerAddress::Tcp("10.1.2.3:4567".parse().unwrap());
        let refused = Event::ConnectFailed {
            endpoint: endpoint.clone(),
            reason: "connection refused".to_owned(),
            errno: 111,
            descriptor: None,
        };
        assert_eq!(
            refused.to_string(),
            "cannot connect to tcp://127.0.0.1:5555: connection refused"
        );
        let ended = Event::HandshakeFailed {
            endpoint,
            address,
            reason: CloseReason::HandshakeTimeout,
            connection: crate::ConnectionInfo {
                id: 1,
                outgoing: false,
                local: PeerAddress::Unknown,
                descriptor: 5,
            },
        };
        let ended = ended.to_string();
        assert!(
            ended.contains("tcp://127.0.0.1:5555: handshake with"),
            "{ended}"
        );
        assert!(ended.contains("10.1.2.3:4567"), "{ended}");
        assert!(
            ended.ends_with(&CloseReason::HandshakeTimeout.to_string()),
            "{ended}"
        );
    }
}
