//! Writes packets as libzmq does. Each function empties the buffer first, and leaves one packet in it.

use std::net::IpAddr;

pub use super::checksum::fill as fill_checksum;

use super::{
    DATA_HEADER, DATA_LENGTH_AT, HEADER, MAX_NAK_LIST, Sequence, Tsi, checksum, flag, kind,
    options::{END, FIN, HEAD, LENGTH, NAK_LIST},
    read::{AFI_IPV4, AFI_IPV6},
};

/// Begins a packet. The session's port and the source's are in the order that the direction wants.
fn begin(out: &mut Vec<u8>, tsi: Tsi, ports: (u16, u16), kind: u8, flags: u8) {
    out.clear();
    out.extend_from_slice(&ports.0.to_be_bytes());
    out.extend_from_slice(&ports.1.to_be_bytes());
    out.extend_from_slice(&[kind, flags, 0, 0]);
    out.extend_from_slice(&tsi.gsi);
    out.extend_from_slice(&[0, 0]);
}

fn address(out: &mut Vec<u8>, address: IpAddr) {
    let mut family = |afi: u16| {
        out.extend_from_slice(&afi.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
    };
    match address {
        IpAddr::V4(address) => {
            family(AFI_IPV4);
            out.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            family(AFI_IPV6);
            out.extend_from_slice(&address.octets());
        }
    }
}

/// The option that says how long the options are, before the only other one.
fn option(out: &mut Vec<u8>, kind: u8, body: usize) {
    let length = HEAD + body;
    out.extend_from_slice(&[LENGTH, HEAD as u8]);
    out.extend_from_slice(&((HEAD + length) as u16).to_be_bytes());
    out.extend_from_slice(&[kind | END, length as u8, 0, 0]);
}

/// What an SPM says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spm {
    /// Counts SPMs. The first should be below 2³¹: libzmq takes others for old.
    pub sequence: Sequence,
    /// The oldest packet that can be repaired.
    pub trail: Sequence,
    /// The latest packet; the one before `trail` if there is none.
    pub lead: Sequence,
    /// The source's address, where NAKs go.
    pub nla: IpAddr,
    /// Whether the session ends.
    pub last: bool,
}

/// An SPM.
pub fn spm(out: &mut Vec<u8>, tsi: Tsi, session_port: u16, spm: &Spm) {
    let flags = if spm.last { flag::OPTIONS } else { 0 };
    begin(out, tsi, (tsi.port, session_port), kind::SPM, flags);
    for number in [spm.sequence, spm.trail, spm.lead] {
        out.extend_from_slice(&number.number().to_be_bytes());
    }
    address(out, spm.nla);
    if spm.last {
        option(out, FIN, 0);
    }
    checksum::fill(out);
}

/// Data that was not sent before: ODATA.
///
/// # Panics
///
/// If the data is longer than 65,535 bytes.
pub fn data(
    out: &mut Vec<u8>,
    tsi: Tsi,
    session_port: u16,
    sequence: Sequence,
    trail: Sequence,
    payload: &[u8],
) {
    let length = u16::try_from(payload.len()).expect("data of a packet is shorter than 64 KiB");
    begin(out, tsi, (tsi.port, session_port), kind::ODATA, 0);
    out[DATA_LENGTH_AT..].copy_from_slice(&length.to_be_bytes());
    for number in [sequence, trail] {
        out.extend_from_slice(&number.number().to_be_bytes());
    }
    out.extend_from_slice(payload);
    checksum::fill(out);
}

/// Makes RDATA of a packet that [`data`] has written, or makes it RDATA again.
///
/// # Panics
///
/// If it is shorter than the header of data.
pub fn repeat(packet: &mut [u8], trail: Sequence) {
    packet[4] = kind::RDATA;
    packet[HEADER + 4..DATA_HEADER].copy_from_slice(&trail.number().to_be_bytes());
    checksum::fill(packet);
}

/// Which packets are asked for, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The packets: at least one and at most 63.
    pub sequences: &'a [Sequence],
    /// The source's address, as its SPM says.
    pub source: IpAddr,
    /// The group that it sends to.
    pub group: IpAddr,
}

fn repair(out: &mut Vec<u8>, tsi: Tsi, ports: (u16, u16), kind: u8, wanted: &Wanted<'_>) {
    let (first, others) = wanted.sequences.split_first().expect("a packet to ask for");
    assert!(others.len() <= MAX_NAK_LIST, "at most 63 packets");
    let flags = if others.is_empty() {
        0
    } else {
        flag::OPTIONS | flag::NETWORK
    };
    begin(out, tsi, ports, kind, flags);
    out.extend_from_slice(&first.number().to_be_bytes());
    address(out, wanted.source);
    address(out, wanted.group);
    if !others.is_empty() {
        option(out, NAK_LIST, 4 * others.len());
        for other in others {
            out.extend_from_slice(&other.number().to_be_bytes());
        }
    }
    checksum::fill(out);
}

/// A NAK: a receiver asks for packets.
///
/// # Panics
///
/// If there are none or more than 63.
pub fn nak(out: &mut Vec<u8>, tsi: Tsi, session_port: u16, wanted: &Wanted<'_>) {
    repair(out, tsi, (session_port, tsi.port), kind::NAK, wanted);
}

/// An NCF: the source confirms a NAK.
///
/// # Panics
///
/// If there are no packets or more than 63.
pub fn ncf(out: &mut Vec<u8>, tsi: Tsi, session_port: u16, wanted: &Wanted<'_>) {
    repair(out, tsi, (tsi.port, session_port), kind::NCF, wanted);
}

/// An SPMR: a receiver asks for an SPM.
pub fn spmr(out: &mut Vec<u8>, tsi: Tsi, session_port: u16) {
    begin(out, tsi, (session_port, tsi.port), kind::SPMR, 0);
    checksum::fill(out);
}
