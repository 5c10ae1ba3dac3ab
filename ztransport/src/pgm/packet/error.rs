//! Why bytes are no packet.

use std::{error::Error, fmt};

/// Why bytes are no PGM packet. Whoever receives such a packet drops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PacketError {
    /// It ends before what it must have.
    Truncated,
    /// The checksum is wrong.
    Checksum,
    /// Data without a checksum.
    NoChecksum,
    /// The type is none that there is.
    UnknownType(u8),
    /// The length of the data is not what the header says.
    DataLength,
    /// An address is neither IPv4 nor IPv6.
    UnknownAddressFamily(u16),
    /// The options do not fit into the packet, or into what their first one says.
    Options,
    /// A list of sequence numbers is too long or not whole.
    NakList,
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the packet is cut off"),
            Self::Checksum => f.write_str("the checksum of the packet is wrong"),
            Self::NoChecksum => f.write_str("the packet has data and no checksum"),
            Self::UnknownType(kind) => write!(f, "there is no packet of type {kind:#04x}"),
            Self::DataLength => f.write_str("the packet does not have as much data as it says"),
            Self::UnknownAddressFamily(family) => {
                write!(
                    f,
                    "the address family {family} is neither IPv4 (1) nor IPv6 (2)"
                )
            }
            Self::Options => f.write_str("the options of the packet are malformed"),
            Self::NakList => f.write_str("the list of sequence numbers is malformed"),
        }
    }
}

impl Error for PacketError {}
