//! Options of packets.

use std::net::IpAddr;

use super::{PacketError, read::Bytes};

/// Option types; the highest bit marks the last option.
pub(super) const LENGTH: u8 = 0x00;
const FRAGMENT: u8 = 0x01;
pub(super) const NAK_LIST: u8 = 0x02;
const JOIN: u8 = 0x03;
const NAK_BO_IVL: u8 = 0x04;
const NAK_BO_RNG: u8 = 0x05;
const REDIRECT: u8 = 0x07;
const PARITY_PRM: u8 = 0x08;
const PARITY_GRP: u8 = 0x09;
const CURR_TGSIZE: u8 = 0x0a;
const NBR_UNREACH: u8 = 0x0b;
const PATH_NLA: u8 = 0x0c;
const SYN: u8 = 0x0d;
pub(super) const FIN: u8 = 0x0e;
const RST: u8 = 0x0f;
const CR: u8 = 0x10;
const CRQST: u8 = 0x11;
const PGMCC_DATA: u8 = 0x12;
const PGMCC_FEEDBACK: u8 = 0x13;
/// Set in the type of the last option.
pub(super) const END: u8 = 0x80;
/// Bytes of an option before its body, with the length option itself.
pub(super) const HEAD: usize = 4;

/// The most sequence numbers in a list, besides the one that each NAK has anyway.
pub const MAX_NAK_LIST: usize = 62;

/// One option of a packet, of those in RFC 3208 and its companion on congestion control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opt<'a> {
    /// The packet is a part of something larger.
    Fragment {
        /// Number of the first packet of it.
        first: u32,
        /// Where this part is in it.
        offset: u32,
        /// Bytes of all of it.
        length: u32,
    },
    /// More sequence numbers that are asked for.
    NakList(NakList<'a>),
    /// The oldest packet that who comes late may ask for.
    Join(u32),
    /// Back-off interval of NAKs, in microseconds: now, and for the calculation.
    NakBackOffInterval(u32, u32),
    /// Least and greatest back-off interval, in microseconds.
    NakBackOffRange(u32, u32),
    /// Somebody else repairs.
    Redirect(IpAddr),
    /// How parity packets are made: flags, and the size of a transmission group.
    ParityParameters(u8, u32),
    /// Which transmission group a parity packet belongs to.
    ParityGroup(u32),
    /// How many packets a short transmission group has.
    CurrentGroupSize(u32),
    /// A network element cannot reach the next one.
    NeighbourUnreachable,
    /// Which way an SPM came.
    PathNla(IpAddr),
    /// The first packet of a session.
    Syn,
    /// The session ends.
    Fin,
    /// The session has failed, with this code.
    Reset(u8),
    /// Anything else, also options that are known and of no use here: its type, and its bytes behind the four of the head.
    Other(u8, &'a [u8]),
}

/// Sequence numbers in an option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NakList<'a>(&'a [u8]);

impl<'a> NakList<'a> {
    /// The numbers, at most [`MAX_NAK_LIST`].
    pub fn iter(self) -> impl Iterator<Item = u32> + use<'a> {
        let words = self.0.chunks_exact(4);
        words.map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len() / 4
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The options of a packet, which were all looked at when it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opts<'a> {
    bytes: &'a [u8],
}

impl<'a> Opts<'a> {
    /// Reads options where they begin, and takes them off. None of them may be malformed: the lengths of all of them must
    /// be what the first one says.
    pub(super) fn take(input: &mut Bytes<'a>) -> Result<Self, PacketError> {
        let [kind, length] = input.array().map_err(|_| PacketError::Options)?;
        let total = usize::from(input.u16().map_err(|_| PacketError::Options)?);
        if kind & !END != LENGTH || usize::from(length) != HEAD || total < HEAD {
            return Err(PacketError::Options);
        }
        let bytes = input.take(total - HEAD).map_err(|_| PacketError::Options)?;
        let mut rest = bytes;
        let mut ended = kind & END != 0;
        while !rest.is_empty() {
            if ended {
                return Err(PacketError::Options);
            }
            let (option, after) = split(rest).ok_or(PacketError::Options)?;
            ended = option[0] & END != 0;
            read(option)?;
            rest = after;
        }
        Ok(Self { bytes })
    }

    /// The options, without the one that says how long they are.
    pub fn iter(&self) -> impl Iterator<Item = Opt<'a>> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let (option, after) = split(rest)?;
            rest = after;
            read(option).ok()
        })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The sequence numbers of a list, if there is one.
    #[must_use]
    pub fn nak_list(&self) -> NakList<'a> {
        let lists = self.iter().filter_map(|option| match option {
            Opt::NakList(list) => Some(list),
            _ => None,
        });
        lists.last().unwrap_or_default()
    }
}

/// The first option and what follows it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(*bytes.get(1)?);
    if length < HEAD {
        return None;
    }
    bytes.split_at_checked(length)
}

/// Reads one option, which has at least its head.
fn read(option: &[u8]) -> Result<Opt<'_>, PacketError> {
    let kind = option[0] & !END;
    let specific = option[3];
    let rest = &option[HEAD..];
    let mut body = Bytes::new(rest);
    let malformed = |_| PacketError::Options;
    Ok(match kind {
        FRAGMENT => Opt::Fragment {
            first: body.u32().map_err(malformed)?,
            offset: body.u32().map_err(malformed)?,
            length: body.u32().map_err(malformed)?,
        },
        NAK_LIST => {
            if !rest.len().is_multiple_of(4) || rest.len() / 4 > MAX_NAK_LIST {
                return Err(PacketError::NakList);
            }
            Opt::NakList(NakList(rest))
        }
        JOIN => Opt::Join(body.u32().map_err(malformed)?),
        NAK_BO_IVL => Opt::NakBackOffInterval(
            body.u32().map_err(malformed)?,
            body.u32().map_err(malformed)?,
        ),
        NAK_BO_RNG => Opt::NakBackOffRange(
            body.u32().map_err(malformed)?,
            body.u32().map_err(malformed)?,
        ),
        REDIRECT => Opt::Redirect(body.address()?),
        PARITY_PRM => Opt::ParityParameters(specific, body.u32().map_err(malformed)?),
        PARITY_GRP => Opt::ParityGroup(body.u32().map_err(malformed)?),
        CURR_TGSIZE => Opt::CurrentGroupSize(body.u32().map_err(malformed)?),
        NBR_UNREACH => Opt::NeighbourUnreachable,
        // OpenPGM writes the address alone.
        PATH_NLA => Opt::PathNla(match rest.len() {
            4 => IpAddr::from(body.array::<4>().map_err(malformed)?),
            16 => IpAddr::from(body.array::<16>().map_err(malformed)?),
            _ => body.address()?,
        }),
        SYN => Opt::Syn,
        FIN => Opt::Fin,
        RST => Opt::Reset(specific),
        CR | CRQST | PGMCC_DATA | PGMCC_FEEDBACK => Opt::Other(kind, rest),
        _ => Opt::Other(kind, rest),
    })
}
