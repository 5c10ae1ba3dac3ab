//! Messages that the peer refuses.
//!
//! A peer for whom a message is too large, or has too many frames, can only end the connection. A
//! message that had not gone out whole by then is sent again on the next one, and would end that too,
//! and each one after it.
//!
//! Who ended a connection, and in which message, is known. Whether it was because of that message is
//! not: the one before may be to blame, or the peer has crashed. But on the next connection the message
//! comes first, so if the peer ends several in a row within the same message it is the message.

use std::io::ErrorKind;

use super::{Engine, Pipes};
use crate::{event::CloseReason, parts::Parts};

/// How often in a row the peer ended the connection within the same message.
#[derive(Default)]
pub(super) struct Refusals {
    /// The number of the message, from 1.
    message: u64,
    connections: u32,
}

/// A message that was given up.
pub(super) struct Refused {
    pub(super) size: u64,
    pub(super) connections: u32,
}

impl Refusals {
    /// The peer ended a connection within this message; returns how many that makes.
    fn add(&mut self, message: u64) -> u32 {
        if self.message != message {
            *self = Self {
                message,
                connections: 0,
            };
        }
        self.connections += 1;
        self.connections
    }
}

impl Engine {
    /// Goes back to the beginning of the message that was being sent, for the next connection, or gives
    /// it up if the peer refuses it.
    pub(super) fn rewind(&mut self, connection: &Parts, reason: &CloseReason) -> Option<Refused> {
        let translated = self.translator.as_ref().map(|t| t.has_begun());
        let Some(Pipes {
            outbound, losses, ..
        }) = &mut self.pipes
        else {
            return None;
        };
        // What a translator has taken out of the pipe need not have gone out.
        let within = translated.unwrap_or_else(|| outbound.is_mid_message());
        outbound.rewind();
        if !within || !is_by_peer(reason) {
            return None;
        }
        let message = outbound.messages_read() + 1;
        let connections = self.refusals.add(message);
        let most = connection.options.max_refusals;
        if most == 0 || connections < most {
            return None;
        }
        let size = outbound.skip_message()?;
        connection.handle.counters().refused.add(1);
        losses.set_refused(message);
        Some(Refused { size, connections })
    }
}

/// Whether it was the peer that ended the connection, as far as that can be told. The network, and this
/// end, have other reasons.
fn is_by_peer(reason: &CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::PeerClosed
            | CloseReason::Io(
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted
            )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_connections_in_a_row_that_ended_within_the_same_message_count() {
        let mut refusals = Refusals::default();
        let counts: Vec<u32> = [3, 3, 4, 3, 3, 3]
            .map(|message| refusals.add(message))
            .to_vec();
        assert_eq!(counts, [1, 2, 1, 1, 2, 3]);
    }

    #[test]
    fn a_lost_network_is_not_the_peer() {
        for kind in [
            ErrorKind::TimedOut,
            ErrorKind::HostUnreachable,
            ErrorKind::NetworkUnreachable,
            ErrorKind::NetworkDown,
        ] {
            assert!(!is_by_peer(&CloseReason::Io(kind)), "{kind}");
        }
        for reason in [
            CloseReason::Local,
            CloseReason::HandshakeTimeout,
            CloseReason::Oversize { size: 1 },
        ] {
            assert!(!is_by_peer(&reason), "{reason}");
        }
        assert!(is_by_peer(&CloseReason::PeerClosed));
        assert!(is_by_peer(&CloseReason::Io(ErrorKind::ConnectionReset)));
    }
}
