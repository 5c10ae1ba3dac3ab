//! PGM packets: whatever comes is read or refused, lists and options are bounded by the packet, and what libzmq would send is
//! written as it was read.

use ztransport::pgm::{
    Packet, PacketError, Sequence,
    packet::{
        Body, HEADER, MAX_NAK_LIST,
        encode::{self, Spm, Wanted},
    },
};

/// A packet. Its checksum is made right if it is not.
///
/// # Panics
///
/// If a property does not hold.
pub fn check(data: &[u8]) {
    let mut bytes = data.to_vec();
    let mut result = Packet::decode(data);
    if bytes.len() >= HEADER
        && let Err(PacketError::Checksum | PacketError::NoChecksum) = result
    {
        encode::fill_checksum(&mut bytes);
        result = Packet::decode(&bytes);
        assert!(!matches!(
            result,
            Err(PacketError::Checksum | PacketError::NoChecksum)
        ));
    }
    let Ok(packet) = result else { return };
    let sequences: Vec<Sequence> = packet.repairs().collect();
    assert!(sequences.len() <= 1 + MAX_NAK_LIST);
    assert!(packet.options.iter().count() <= data.len() / 4);
    let mut written = Vec::new();
    let (tsi, port) = (packet.tsi, packet.session_port);
    match packet.body {
        Body::Spm {
            sequence,
            trail,
            lead,
            nla,
        } => {
            let last = packet.is_last();
            let spm = Spm {
                sequence,
                trail,
                lead,
                nla,
                last,
            };
            encode::spm(&mut written, tsi, port, &spm);
        }
        Body::Data(data) => {
            encode::data(
                &mut written,
                tsi,
                port,
                data.sequence,
                data.trail,
                data.payload,
            );
            if data.repair {
                encode::repeat(&mut written, data.trail);
            }
        }
        Body::Nak(repair) | Body::Ncf(repair) => {
            let (source, group) = (repair.source, repair.group);
            let wanted = Wanted {
                sequences: &sequences,
                source,
                group,
            };
            if matches!(packet.body, Body::Nak(_)) {
                encode::nak(&mut written, tsi, port, &wanted);
            } else {
                encode::ncf(&mut written, tsi, port, &wanted);
            }
        }
        Body::Spmr => encode::spmr(&mut written, tsi, port),
        _ => return,
    }
    let again = Packet::decode(&written).expect("what is written is read");
    assert_eq!((again.tsi, again.session_port), (tsi, port));
    assert_eq!(again.repairs().collect::<Vec<_>>(), sequences);
    if let (Body::Data(mut first), Body::Data(second)) = (packet.body, again.body) {
        first.parity = false;
        assert_eq!(first, second);
    } else {
        assert_eq!(packet.body, again.body);
    }
}
