//! What the handshake tells about the other end.

use core::fmt;

use bytes::Bytes;

use crate::error::printable;
use crate::{Error, Metadata, SocketType, metadata};

/// A version of ZMTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The major version.
    pub major: u8,
    /// The minor version.
    pub minor: u8,
}

impl Version {
    /// ZMTP 1.0, without a greeting; also the same frames behind a greeting of revision 0.
    pub const V1_0: Self = Self { major: 1, minor: 0 };
    /// ZMTP 2.0.
    pub const V2_0: Self = Self { major: 2, minor: 0 };
    /// ZMTP 3.0.
    pub const V3_0: Self = Self { major: 3, minor: 0 };
    /// ZMTP 3.1, the version that this crate announces.
    pub const V3_1: Self = Self { major: 3, minor: 1 };

    /// Whether there are commands beside messages, such as heartbeats (from 3.0 on).
    #[must_use]
    pub const fn has_commands(self) -> bool {
        self.major >= 3
    }

    /// Whether subscriptions travel as SUBSCRIBE and CANCEL commands (from 3.1 on), not as messages
    /// that begin with 01 or 00.
    #[must_use]
    pub const fn has_subscription_commands(self) -> bool {
        self.major > 3 || (self.major == 3 && self.minor >= 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What the handshake tells about the other end.
///
/// All of it is the peer's own claim, except for what a ZAP handler said about it: [`user_id`] and
/// [`trusted`]. The two are kept apart, so that no peer can pass its claims off as the handler's.
///
/// [`user_id`]: Self::user_id
/// [`trusted`]: Self::trusted
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The version that both ends use: 1.0, 2.0, 3.0 or 3.1.
    pub version: Version,
    /// The peer's socket type; `None` if it did not say. It is compatible with ours, except that
    /// nobody checks what a peer of ZMTP 2.0 says.
    pub socket_type: Option<SocketType>,
    /// The peer's identity; empty if it has none.
    pub identity: Bytes,
    /// All properties that the peer sent, `Socket-Type` and `Identity` included.
    pub properties: Metadata,
    /// The user id that a ZAP handler gave the peer; empty without one.
    pub user_id: Bytes,
    /// The properties that a ZAP handler gave the peer.
    pub trusted: Metadata,
}

impl Peer {
    /// The longest identity, in bytes.
    pub const MAX_IDENTITY_LEN: usize = 255;

    /// A peer that is known without a handshake, such as one in the same process. It has no
    /// properties.
    #[must_use]
    pub const fn new(version: Version, socket_type: Option<SocketType>, identity: Bytes) -> Self {
        Self {
            version,
            socket_type,
            identity,
            properties: Metadata::new(),
            user_id: Bytes::new(),
            trusted: Metadata::new(),
        }
    }

    /// Judges the identity of a peer that has no metadata.
    pub(crate) fn from_identity(
        version: Version,
        socket_type: Option<SocketType>,
        identity: &[u8],
    ) -> Result<Self, Error> {
        check_identity(identity.len() as u64, identity)?;
        let identity = Bytes::copy_from_slice(identity);
        Ok(Self::new(version, socket_type, identity))
    }

    /// Judges the metadata of a peer.
    ///
    /// Every `Socket-Type` has to be compatible; of several identities the last one counts.
    pub(crate) fn from_metadata(
        ours: SocketType,
        version: Version,
        properties: Metadata,
    ) -> Result<Self, Error> {
        let mut socket_type = None;
        for name in properties.get_all(metadata::SOCKET_TYPE) {
            let peer = SocketType::from_name(name).ok_or_else(|| Error::UnknownSocketType {
                name: printable(name),
            })?;
            if !ours.accepts(peer) {
                return Err(Error::IncompatibleSocketType { ours, peer });
            }
            socket_type = socket_type.or(Some(peer));
        }
        let identity = properties
            .get_all(metadata::IDENTITY)
            .next_back()
            .unwrap_or_default();
        let peer = Self::from_identity(version, socket_type, identity)?;
        Ok(Self { properties, ..peer })
    }
}

/// Whether a peer may announce an identity of this length that begins so.
pub(crate) fn check_identity(len: u64, beginning: &[u8]) -> Result<(), Error> {
    if len > Peer::MAX_IDENTITY_LEN as u64 || beginning.first() == Some(&0) {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        return Err(Error::InvalidIdentity { len });
    }
    Ok(())
}

/// Whether an identity may be announced: identities that begin with a zero byte are those that a
/// ROUTER makes up.
pub(crate) fn is_valid_identity(identity: &[u8]) -> bool {
    identity.len() <= Peer::MAX_IDENTITY_LEN && identity.first() != Some(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(properties: &[(&str, &[u8])]) -> Result<Peer, Error> {
        let mut metadata = Metadata::new();
        for (name, value) in properties {
            metadata.push(name, value.to_vec()).unwrap();
        }
        Peer::from_metadata(SocketType::Router, Version::V3_1, metadata)
    }

    // spec: RFC37/property-names: names of properties are compared without regard to case
    #[test]
    fn takes_names_in_any_case_and_nothing_at_all() {
        let peer = judge(&[("socket-type", b"DEALER"), ("IDENTITY", b"me")]).unwrap();
        assert_eq!(peer.socket_type, Some(SocketType::Dealer));
        assert_eq!(peer.identity, "me");
        assert_eq!(judge(&[]).unwrap().socket_type, None);
    }

    // spec: WIRE-3.2/duplicates: each Socket-Type is checked, the last Identity counts
    #[test]
    fn checks_every_socket_type_and_takes_the_last_identity() {
        let twice: [(&str, &[u8]); 2] = [("Socket-Type", b"DEALER"), ("Socket-Type", b"PUB")];
        let ours = SocketType::Router;
        let expected = Error::IncompatibleSocketType {
            ours,
            peer: SocketType::Pub,
        };
        assert_eq!(judge(&twice), Err(expected));
        let unknown = Error::UnknownSocketType {
            name: "dealer".into(),
        };
        assert_eq!(judge(&[("Socket-Type", b"dealer")]), Err(unknown));
        let peer = judge(&[("Identity", b"one"), ("Identity", b"two")]).unwrap();
        assert_eq!(peer.identity, "two");
    }

    // spec: RFC37/identity: an identity has at most 255 bytes and does not begin with zero
    #[test]
    fn refuses_identities_that_cannot_be_addressed() {
        assert_eq!(
            judge(&[("Identity", b"\0abcd")]),
            Err(Error::InvalidIdentity { len: 5 })
        );
        assert_eq!(
            judge(&[("Identity", &[1; 256])]),
            Err(Error::InvalidIdentity { len: 256 })
        );
        assert_eq!(
            judge(&[("Identity", &[1; 255])]).unwrap().identity.len(),
            255
        );
    }

    #[test]
    fn subscription_commands_come_with_3_1() {
        assert!(!Version::V3_0.has_subscription_commands());
        assert!(!Version::V2_0.has_subscription_commands());
        assert!(Version::V3_1.has_subscription_commands());
        assert!(Version { major: 4, minor: 0 }.has_subscription_commands());
        assert_eq!(Version::V3_1.to_string(), "3.1");
    }
}
