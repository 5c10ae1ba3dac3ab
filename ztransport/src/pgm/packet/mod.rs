//! Packets: what they say, and their bytes.
//!
//! [`Packet::decode`] reads every packet that RFC 3208 knows, with every option. The functions in [`encode`] write those that libzmq sends,
//! byte for byte as it writes them.
//!
//! # Examples
//!
//! ```
//! use ztransport::pgm::{Packet, Sequence, Tsi, packet::{Body, encode}};
//!
//! let tsi = Tsi { gsi: [1, 2, 3, 4, 5, 6], port: 57512 };
//! let mut bytes = Vec::new();
//! encode::data(&mut bytes, tsi, 5555, Sequence::new(7), Sequence::new(0), b"data");
//! let packet = Packet::decode(&bytes)?;
//! assert_eq!((packet.tsi, packet.session_port), (tsi, 5555));
//! let Body::Data(data) = packet.body else { panic!() };
//! assert_eq!((data.sequence.number(), data.payload, data.repair), (7, &b"data"[..], false));
//! # Ok::<(), ztransport::pgm::PacketError>(())
//! ```

mod checksum;
pub mod encode;
mod error;
mod options;
mod read;

use std::{fmt, net::IpAddr};

use self::read::Bytes;
pub use self::{
    error::PacketError,
    options::{MAX_NAK_LIST, NakList, Opt, Opts},
};
use super::Sequence;

/// Bytes of the header that all packets have.
pub const HEADER: usize = 16;
/// Bytes of data packets before their options and data.
pub const DATA_HEADER: usize = HEADER + 8;

/// Where the length of the data is in the header.
const DATA_LENGTH_AT: usize = 14;

/// The type of a packet, as the header has it.
mod kind {
    pub(super) const SPM: u8 = 0x00;
    pub(super) const POLL: u8 = 0x01;
    pub(super) const POLR: u8 = 0x02;
    pub(super) const ODATA: u8 = 0x04;
    pub(super) const RDATA: u8 = 0x05;
    pub(super) const NAK: u8 = 0x08;
    pub(super) const NNAK: u8 = 0x09;
    pub(super) const NCF: u8 = 0x0a;
    pub(super) const SPMR: u8 = 0x0c;
    pub(super) const ACK: u8 = 0x0d;
}

/// Flags in the header.
mod flag {
    /// There are options.
    pub(super) const OPTIONS: u8 = 0x01;
    /// They matter to network elements.
    pub(super) const NETWORK: u8 = 0x02;
    /// The data is parity of other packets.
    pub(super) const PARITY: u8 = 0x80;
}

/// Identifies a session: a source from when it begins until it ends, wherever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tsi {
    /// The global source identifier. libzmq's first socket in each process has the same one.
    pub gsi: [u8; 6],
    /// The source port, which is drawn by lot and is no UDP port.
    pub port: u16,
}

impl fmt::Display for Tsi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.gsi {
            write!(f, "{byte:02x}")?;
        }
        write!(f, ".{}", self.port)
    }
}

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The session that it is about, also if it goes to the source.
    pub tsi: Tsi,
    /// The port that all members of the session have in common: that of the endpoint.
    pub session_port: u16,
    /// What it says.
    pub body: Body<'a>,
    /// Its options.
    pub options: Opts<'a>,
}

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body<'a> {
    /// Source path message: how far the source has come, and where it is asked for repair.
    Spm {
        /// Counts these messages.
        sequence: Sequence,
        /// The oldest packet that can be repaired.
        trail: Sequence,
        /// The latest packet.
        lead: Sequence,
        /// The source's address.
        nla: IpAddr,
    },
    /// ODATA or RDATA.
    Data(Data<'a>),
    /// A receiver misses packets. The others are in [`Packet::repairs`].
    Nak(Repair),
    /// A receiver would have missed packets, and has been repaired by others.
    Nnak(Repair),
    /// The source has heard of missing packets, and nobody else needs to ask.
    Ncf(Repair),
    /// A receiver asks for an SPM.
    Spmr,
    /// Asks how many receivers there are.
    Poll {
        /// Counts polls.
        sequence: Sequence,
        /// The round.
        round: u16,
        /// What is asked for.
        subtype: u16,
        /// Where it came from.
        nla: IpAddr,
        /// Back-off interval, in microseconds.
        back_off: u32,
        /// Whoever matches this random string,
        random: u32,
        /// in the bits of this mask, answers.
        mask: u32,
    },
    /// Answers a poll.
    Polr {
        /// Of the poll.
        sequence: Sequence,
        /// Of the poll.
        round: u16,
    },
    /// Congestion control: what has arrived.
    Ack {
        /// The latest packet.
        sequence: Sequence,
        /// Which of the 32 before it, the nearest in the lowest bit.
        bitmap: u32,
    },
}

/// Data of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// Whether it was sent before: RDATA.
    pub repair: bool,
    /// Whether it is parity of other packets.
    pub parity: bool,
    /// Its number.
    pub sequence: Sequence,
    /// The oldest packet that can be repaired.
    pub trail: Sequence,
    /// The data.
    pub payload: &'a [u8],
}

/// What is asked for, from whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The first packet.
    pub sequence: Sequence,
    /// The source's address, as its SPM says.
    pub source: IpAddr,
    /// The group that it sends to.
    pub group: IpAddr,
}

impl<'a> Packet<'a> {
    /// Reads a packet: the payload of a UDP datagram, or what follows the IP header where PGM has none.
    ///
    /// Reserved fields are not looked at, and options that are unknown are passed over.
    ///
    /// # Errors
    ///
    /// [`PacketError`] if it is malformed, or not what its checksum was made of.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, PacketError> {
        let mut input = Bytes::new(bytes);
        let (source_port, destination_port) = (input.u16()?, input.u16()?);
        let [kind, flags] = input.array()?;
        input.u16()?;
        let gsi = input.array()?;
        let data_length = input.u16()?;
        if !checksum::is_right(bytes) {
            return Err(PacketError::Checksum);
        }
        let is_data = matches!(kind, kind::ODATA | kind::RDATA);
        if is_data && checksum::carried(bytes).is_none() {
            return Err(PacketError::NoChecksum);
        }
        let upstream = matches!(
            kind,
            kind::NAK | kind::NNAK | kind::SPMR | kind::POLR | kind::ACK
        );
        let (port, session_port) = if upstream {
            (destination_port, source_port)
        } else {
            (source_port, destination_port)
        };
        let mut data = None;
        let body = match kind {
            kind::SPM => Body::Spm {
                sequence: Sequence::new(input.u32()?),
                trail: Sequence::new(input.u32()?),
                lead: Sequence::new(input.u32()?),
                nla: input.address()?,
            },
            kind::ODATA | kind::RDATA => Body::Data(*data.insert(Data {
                repair: kind == kind::RDATA,
                parity: flags & flag::PARITY != 0,
                sequence: Sequence::new(input.u32()?),
                trail: Sequence::new(input.u32()?),
                payload: &[],
            })),
            kind::NAK => Body::Nak(Repair::take(&mut input)?),
            kind::NNAK => Body::Nnak(Repair::take(&mut input)?),
            kind::NCF => Body::Ncf(Repair::take(&mut input)?),
            kind::SPMR => Body::Spmr,
            kind::POLL => Body::Poll {
                sequence: Sequence::new(input.u32()?),
                round: input.u16()?,
                subtype: input.u16()?,
                nla: input.address()?,
                back_off: input.u32()?,
                random: input.u32()?,
                mask: input.u32()?,
            },
            kind::POLR => {
                let (sequence, round) = (Sequence::new(input.u32()?), input.u16()?);
                input.u16()?;
                Body::Polr { sequence, round }
            }
            kind::ACK => Body::Ack {
                sequence: Sequence::new(input.u32()?),
                bitmap: input.u32()?,
            },
            other => return Err(PacketError::UnknownType(other)),
        };
        let options = if flags & flag::OPTIONS != 0 {
            Opts::take(&mut input)?
        } else {
            Opts::default()
        };
        let body = match data {
            None => body,
            Some(data) => {
                let payload = input.rest();
                if payload.len() != usize::from(data_length) {
                    return Err(PacketError::DataLength);
                }
                Body::Data(Data { payload, ..data })
            }
        };
        Ok(Self {
            tsi: Tsi { gsi, port },
            session_port,
            body,
            options,
        })
    }

    /// The sequence numbers that a NAK, NNAK or NCF names: at most 63. None for other packets.
    pub fn repairs(&self) -> impl Iterator<Item = Sequence> + use<'a> {
        let first = match self.body {
            Body::Nak(repair) | Body::Nnak(repair) | Body::Ncf(repair) => Some(repair.sequence),
            _ => None,
        };
        let list = first.map(|_| self.options.nak_list()).unwrap_or_default();
        first.into_iter().chain(list.iter().map(Sequence::new))
    }

    /// Whether the data is a part of something larger that was cut into several packets.
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.options
            .iter()
            .any(|option| matches!(option, Opt::Fragment { .. }))
    }

    /// Whether the source says that it ends.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.options.iter().any(|option| option == Opt::Fin)
    }
}

impl Repair {
    fn take(input: &mut Bytes<'_>) -> Result<Self, PacketError> {
        Ok(Self {
            sequence: Sequence::new(input.u32()?),
            source: input.address()?,
            group: input.address()?,
        })
    }
}

#[cfg(test)]
mod tests;
