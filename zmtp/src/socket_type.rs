//! Socket types: their names on the wire, and who may talk to whom.

use core::fmt;
use core::str::FromStr;

/// The type of a socket, as both ends announce it in the handshake.
///
/// The first eleven are stable. The others are drafts; `Dgram` is here because the protocol reserves its
/// name and number, while libzmq's DGRAM sockets speak no ZMTP.
///
/// # Examples
///
/// ```
/// use zmtp::SocketType;
///
/// assert_eq!(SocketType::Req.name(), "REQ");
/// assert_eq!(SocketType::from_name(b"ROUTER"), Some(SocketType::Router));
/// assert!(SocketType::Req.accepts(SocketType::Router));
/// assert!(!SocketType::Req.accepts(SocketType::Dealer));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum SocketType {
    /// Exclusive pair.
    Pair = 0,
    /// Publisher.
    Pub = 1,
    /// Subscriber.
    Sub = 2,
    /// Request.
    Req = 3,
    /// Reply.
    Rep = 4,
    /// Asynchronous request.
    Dealer = 5,
    /// Asynchronous reply, addressing peers by identity.
    Router = 6,
    /// Receiving end of a pipeline.
    Pull = 7,
    /// Sending end of a pipeline.
    Push = 8,
    /// Publisher that sees the subscriptions.
    XPub = 9,
    /// Subscriber that sends its subscriptions as messages.
    XSub = 10,
    /// Streams of bytes without ZMTP. No peer announces it, so it is not among [`ALL`](Self::ALL), and neither its name nor
    /// its number stands for a type on the wire.
    Stream = 11,
    /// Draft: thread-safe server.
    Server = 12,
    /// Draft: thread-safe client.
    Client = 13,
    /// Draft: publisher to groups.
    Radio = 14,
    /// Draft: receiver of groups.
    Dish = 15,
    /// Draft: thread-safe receiving end of a pipeline.
    Gather = 16,
    /// Draft: thread-safe sending end of a pipeline.
    Scatter = 17,
    /// Draft: raw datagrams, without ZMTP.
    Dgram = 18,
    /// Draft: peer to peer, addressing peers by number.
    Peer = 19,
    /// Draft: thread-safe exclusive pair.
    Channel = 20,
}

impl SocketType {
    /// All socket types that speak ZMTP, and datagrams, in the order of their numbers.
    pub const ALL: [Self; 20] = [
        Self::Pair,
        Self::Pub,
        Self::Sub,
        Self::Req,
        Self::Rep,
        Self::Dealer,
        Self::Router,
        Self::Pull,
        Self::Push,
        Self::XPub,
        Self::XSub,
        Self::Server,
        Self::Client,
        Self::Radio,
        Self::Dish,
        Self::Gather,
        Self::Scatter,
        Self::Dgram,
        Self::Peer,
        Self::Channel,
    ];

    /// The name, as it travels in the `Socket-Type` property.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pair => "PAIR",
            Self::Pub => "PUB",
            Self::Sub => "SUB",
            Self::Req => "REQ",
            Self::Rep => "REP",
            Self::Dealer => "DEALER",
            Self::Router => "ROUTER",
            Self::Pull => "PULL",
            Self::Push => "PUSH",
            Self::XPub => "XPUB",
            Self::XSub => "XSUB",
            Self::Stream => "STREAM",
            Self::Server => "SERVER",
            Self::Client => "CLIENT",
            Self::Radio => "RADIO",
            Self::Dish => "DISH",
            Self::Gather => "GATHER",
            Self::Scatter => "SCATTER",
            Self::Dgram => "DGRAM",
            Self::Peer => "PEER",
            Self::Channel => "CHANNEL",
        }
    }

    /// The type of this name. The comparison is exact: `dealer` is no socket type.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|socket_type| socket_type.name().as_bytes() == name)
    }

    /// The number that stands for the type in the greeting of ZMTP 2.0, and in libzmq's API.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The type of this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|socket_type| socket_type.number() == number)
    }

    /// Whether the type is one of the drafts.
    #[must_use]
    pub const fn is_draft(self) -> bool {
        self.number() > Self::Stream.number()
    }

    /// Whether a socket of this type may talk to one of type `peer`. The relation is symmetric.
    #[must_use]
    pub const fn accepts(self, peer: Self) -> bool {
        match self {
            Self::Req => matches!(peer, Self::Rep | Self::Router),
            Self::Rep => matches!(peer, Self::Req | Self::Dealer),
            Self::Dealer => matches!(peer, Self::Rep | Self::Dealer | Self::Router),
            Self::Router => matches!(peer, Self::Req | Self::Dealer | Self::Router),
            Self::Pub | Self::XPub => matches!(peer, Self::Sub | Self::XSub),
            Self::Sub | Self::XSub => matches!(peer, Self::Pub | Self::XPub),
            Self::Push => matches!(peer, Self::Pull),
            Self::Pull => matches!(peer, Self::Push),
            Self::Pair => matches!(peer, Self::Pair),
            Self::Server => matches!(peer, Self::Client),
            Self::Client => matches!(peer, Self::Server),
            Self::Radio => matches!(peer, Self::Dish),
            Self::Dish => matches!(peer, Self::Radio),
            Self::Scatter => matches!(peer, Self::Gather),
            Self::Gather => matches!(peer, Self::Scatter),
            Self::Dgram => matches!(peer, Self::Dgram),
            Self::Peer => matches!(peer, Self::Peer),
            Self::Channel => matches!(peer, Self::Channel),
            Self::Stream => false,
        }
    }

    /// Whether the handshake of this type carries the `Identity` property, even when it is empty.
    #[must_use]
    pub const fn sends_identity(self) -> bool {
        matches!(self, Self::Req | Self::Dealer | Self::Router)
    }
}

impl fmt::Display for SocketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no socket type; the error of [`SocketType::from_str`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownSocketType;

impl fmt::Display for UnknownSocketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such socket type")
    }
}

impl core::error::Error for UnknownSocketType {}

impl FromStr for SocketType {
    type Err = UnknownSocketType;

    /// Reads the name in any case, for command lines and configuration.
    fn from_str(name: &str) -> Result<Self, UnknownSocketType> {
        Self::ALL
            .into_iter()
            .find(|socket_type| socket_type.name().eq_ignore_ascii_case(name))
            .ok_or(UnknownSocketType)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: RFC15/socket-type: each type has its number
    #[test]
    fn names_and_numbers_are_unique_and_reversible() {
        for socket_type in SocketType::ALL {
            assert_eq!(
                SocketType::from_name(socket_type.name().as_bytes()),
                Some(socket_type)
            );
            assert_eq!(
                SocketType::from_number(socket_type.number()),
                Some(socket_type)
            );
            assert_eq!(socket_type.name().to_lowercase().parse(), Ok(socket_type));
        }
        assert_eq!(SocketType::from_name(b"dealer"), None);
        assert_eq!(SocketType::from_name(b"DEALER\0"), None);
        assert_eq!(SocketType::from_name(b""), None);
        assert_eq!(SocketType::from_number(11), None);
        assert_eq!("STREAM".parse::<SocketType>(), Err(UnknownSocketType));
    }

    // spec: RFC37/socket-types: each type talks to certain types only, both ways
    #[test]
    fn compatibility_is_symmetric() {
        for a in SocketType::ALL {
            assert!(
                SocketType::ALL.into_iter().any(|b| a.accepts(b)),
                "{a} has no peer"
            );
            for b in SocketType::ALL {
                assert_eq!(a.accepts(b), b.accepts(a), "{a} and {b}");
            }
        }
    }

    // spec: WIRE-3.3/compatibility: REQ-DEALER, REP-REP and REP-ROUTER do not fit
    #[test]
    fn compatibility_refuses_the_tempting_pairs() {
        use SocketType::{Dealer, Pub, Push, Rep, Req, Router, XPub};
        for (a, b) in [
            (Req, Dealer),
            (Rep, Rep),
            (Rep, Router),
            (Req, Req),
            (Push, Push),
        ] {
            assert!(!a.accepts(b), "{a} and {b}");
        }
        assert!(!Pub.accepts(XPub));
    }

    #[test]
    fn eleven_types_are_stable() {
        assert_eq!(SocketType::ALL.iter().filter(|t| !t.is_draft()).count(), 11);
    }
}
