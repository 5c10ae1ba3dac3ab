//! The recorded packets, byte for byte, and everything else by chance.

use proptest::prelude::*;

use super::{
    encode::{Spm, Wanted},
    *,
};

const VECTORS: &str = include_str!("../../../tests/pgm/vectors.txt");

/// A recorded packet, from its PGM header on.
fn vector(name: &str) -> Vec<u8> {
    let mut lines = VECTORS.lines();
    let hex = lines
        .find_map(|line| line.strip_prefix(name))
        .unwrap()
        .trim();
    let digits: Vec<u8> = hex.chars().map(|c| c.to_digit(16).unwrap() as u8).collect();
    let bytes: Vec<u8> = digits.chunks(2).map(|two| two[0] << 4 | two[1]).collect();
    if matches!(name, "V19" | "V20") {
        return bytes[20..].to_vec();
    }
    bytes
}

/// What libzmq's first socket in each process is called.
fn tsi(port: u16) -> Tsi {
    let gsi = [0xb7, 0xc6, 0xd1, 0xbc, 0x03, 0x8a];
    Tsi { gsi, port }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

const fn at(number: u32) -> Sequence {
    Sequence::new(number)
}

/// Writes what was read.
fn again(packet: &Packet<'_>) -> Vec<u8> {
    let (mut out, tsi, port) = (Vec::new(), packet.tsi, packet.session_port);
    match packet.body {
        Body::Spm {
            sequence,
            trail,
            lead,
            nla,
        } => {
            let last = packet.is_last();
            let message = Spm {
                sequence,
                trail,
                lead,
                nla,
                last,
            };
            encode::spm(&mut out, tsi, port, &message);
        }
        Body::Data(data) => {
            encode::data(&mut out, tsi, port, data.sequence, data.trail, data.payload);
            if data.repair {
                encode::repeat(&mut out, data.trail);
            }
        }
        Body::Nak(repair) | Body::Ncf(repair) => {
            let sequences: Vec<Sequence> = packet.repairs().collect();
            let wanted = Wanted {
                sequences: &sequences,
                source: repair.source,
                group: repair.group,
            };
            match packet.body {
                Body::Nak(_) => encode::nak(&mut out, tsi, port, &wanted),
                _ => encode::ncf(&mut out, tsi, port, &wanted),
            }
        }
        Body::Spmr => encode::spmr(&mut out, tsi, port),
        other => panic!("not sent: {other:?}"),
    }
    out
}

#[test]
fn recorded_packets_are_read_and_written_byte_for_byte() {
    for number in 1..=20 {
        let bytes = vector(&format!("V{number:02}"));
        let packet = Packet::decode(&bytes).unwrap();
        assert_eq!(again(&packet), bytes, "V{number:02}");
    }
}

#[test]
fn recorded_packets_say_what_was_sent() {
    let spm = vector("V02");
    let packet = Packet::decode(&spm).unwrap();
    assert_eq!((packet.tsi, packet.session_port), (tsi(57512), 5555));
    let body = Body::Spm {
        sequence: at(3),
        trail: at(0),
        lead: at(17),
        nla: ip("10.77.0.1"),
    };
    assert_eq!(packet.body, body);
    assert!(!packet.is_last());
    let bytes = vector("V03");
    assert!(Packet::decode(&bytes).unwrap().is_last());

    let bytes = vector("V01");
    let Body::Spm { lead, trail, .. } = Packet::decode(&bytes).unwrap().body else {
        panic!();
    };
    assert_eq!(lead.next(), trail);

    for (name, repair) in [("V05", false), ("V09", true)] {
        let bytes = vector(name);
        let Body::Data(data) = Packet::decode(&bytes).unwrap().body else {
            panic!();
        };
        assert_eq!((data.sequence, data.trail), (at(1), at(0)));
        assert_eq!((data.repair, data.parity), (repair, false));
        assert_eq!(data.payload.len(), 48);
        assert_eq!(data.payload[..2], [0xff, 0xff]);
    }

    // Upstream, the ports are the other way round.
    let bytes = vector("V10");
    let packet = Packet::decode(&bytes).unwrap();
    assert_eq!((packet.tsi, packet.session_port), (tsi(57512), 5555));
    assert_eq!(packet.repairs().collect::<Vec<_>>(), [at(9), at(10)]);
    let repair = Repair {
        sequence: at(9),
        source: ip("10.77.0.1"),
        group: ip("239.192.1.1"),
    };
    assert_eq!(packet.body, Body::Nak(repair));

    let bytes = vector("V17");
    let Body::Nak(repair) = Packet::decode(&bytes).unwrap().body else {
        panic!();
    };
    assert_eq!(repair.source, ip("fd00:78::1"));
    assert_eq!(repair.group, ip("ff15::5555"));
}

/// Changes a recorded packet, and makes the checksum right again.
fn changed(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = vector(name);
    change(&mut bytes);
    checksum::fill(&mut bytes);
    bytes
}

#[test]
fn what_is_malformed_is_refused() {
    let refused = |bytes: &[u8]| Packet::decode(bytes).unwrap_err();
    for number in 1..=20 {
        let bytes = vector(&format!("V{number:02}"));
        for length in 0..bytes.len() {
            assert!(
                Packet::decode(&bytes[..length]).is_err(),
                "V{number:02}: {length}"
            );
        }
    }
    assert_eq!(refused(&[0; 15]), PacketError::Truncated);
    let mut bytes = vector("V04");
    bytes[30] ^= 1;
    assert_eq!(refused(&bytes), PacketError::Checksum);
    bytes[6..8].fill(0);
    assert_eq!(refused(&bytes), PacketError::NoChecksum);
    let longer = changed("V04", |bytes| bytes.push(0));
    assert_eq!(refused(&longer), PacketError::DataLength);
    let unknown = changed("V12", |bytes| bytes[4] = 0x1c);
    assert_eq!(refused(&unknown), PacketError::UnknownType(0x1c));
    let family = changed("V07", |bytes| bytes[21] = 3);
    assert_eq!(refused(&family), PacketError::UnknownAddressFamily(3));
    // Options beyond what the first one says, beyond the packet, shorter than their head, and after the last one.
    let beyond = changed("V10", |bytes| bytes[41] = 12);
    assert_eq!(refused(&beyond), PacketError::Options);
    let beyond = changed("V10", |bytes| bytes[39] = 40);
    assert_eq!(refused(&beyond), PacketError::Options);
    let short = changed("V10", |bytes| bytes[41] = 3);
    assert_eq!(refused(&short), PacketError::Options);
    let after = changed("V10", |bytes| {
        bytes[39] += 4;
        bytes.extend_from_slice(&[0x8e, 4, 0, 0]);
    });
    assert_eq!(refused(&after), PacketError::Options);
    let uneven = changed("V10", |bytes| {
        bytes[39] += 1;
        bytes[41] += 1;
        bytes.push(0);
    });
    assert_eq!(refused(&uneven), PacketError::NakList);
    let long = changed("V10", |bytes| {
        bytes.truncate(44);
        bytes.extend_from_slice(&[0; 4 * 63]);
        bytes[38..40].copy_from_slice(&(4 * 63 + 8u16).to_be_bytes());
        bytes[41] = 0; // 256 does not fit.
    });
    assert!(matches!(refused(&long), PacketError::Options));
}

#[test]
fn what_does_no_harm_is_accepted() {
    for name in ["V02", "V07", "V08", "V12"] {
        let mut bytes = vector(name);
        bytes[6..8].fill(0);
        assert!(Packet::decode(&bytes).is_ok(), "{name} without checksum");
    }
    // OpenPGM leaves what it had in memory in reserved bytes.
    let reserved = changed("V10", |bytes| bytes[42..44].fill(0xaa));
    assert_eq!(Packet::decode(&reserved).unwrap().repairs().count(), 2);
    let unknown = changed("V03", |bytes| bytes[40] = 0x80 | 0x55);
    let packet = Packet::decode(&unknown).unwrap();
    assert_eq!(
        packet.options.iter().collect::<Vec<_>>(),
        [Opt::Other(0x55, &[])]
    );
    let fragment = changed("V06", |bytes| {
        bytes[5] = flag::OPTIONS;
        let option = [
            0, 4, 0, 20, 0x81, 16, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3,
        ];
        bytes.splice(24..24, option);
    });
    let packet = Packet::decode(&fragment).unwrap();
    assert!(packet.is_fragment());
    let Body::Data(data) = packet.body else {
        panic!()
    };
    assert_eq!(data.payload, &vector("V06")[24..]);
}

#[test]
fn all_options_are_read() {
    let mut spm = vector("V02");
    spm[5] = flag::OPTIONS;
    let options: &[(&[u8], Opt<'_>)] = &[
        (&[0x03, 8, 0, 0, 0, 0, 0, 9], Opt::Join(9)),
        (
            &[0x04, 12, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2],
            Opt::NakBackOffInterval(1, 2),
        ),
        (
            &[0x05, 12, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2],
            Opt::NakBackOffRange(1, 2),
        ),
        (
            &[0x07, 12, 0, 0, 0, 1, 0, 0, 10, 0, 0, 1],
            Opt::Redirect(ip("10.0.0.1")),
        ),
        (&[0x08, 8, 0, 3, 0, 0, 0, 16], Opt::ParityParameters(3, 16)),
        (&[0x09, 8, 0, 0, 0, 0, 0, 4], Opt::ParityGroup(4)),
        (&[0x0a, 8, 0, 0, 0, 0, 0, 5], Opt::CurrentGroupSize(5)),
        (&[0x0b, 4, 0, 0], Opt::NeighbourUnreachable),
        (&[0x0c, 8, 0, 0, 10, 0, 0, 2], Opt::PathNla(ip("10.0.0.2"))),
        (&[0x0d, 4, 0, 0], Opt::Syn),
        (&[0x0e, 4, 0, 0], Opt::Fin),
        (&[0x0f, 4, 0, 7], Opt::Reset(7)),
        (&[0x10 | 0x80, 6, 0, 0, 1, 2], Opt::Other(0x10, &[1, 2])),
    ];
    let total: usize = 4 + options.iter().map(|(bytes, _)| bytes.len()).sum::<usize>();
    spm.extend_from_slice(&[0, 4, 0, total as u8]);
    options
        .iter()
        .for_each(|(bytes, _)| spm.extend_from_slice(bytes));
    checksum::fill(&mut spm);
    let packet = Packet::decode(&spm).unwrap();
    let expected: Vec<Opt<'_>> = options.iter().map(|(_, option)| *option).collect();
    assert_eq!(packet.options.iter().collect::<Vec<_>>(), expected);
    assert!(packet.is_last());
}

#[test]
fn packets_of_others_are_read() {
    let header = |kind: u8, rest: &[u8]| {
        let mut bytes = vector("V12");
        bytes[4] = kind;
        bytes.extend_from_slice(rest);
        checksum::fill(&mut bytes);
        bytes
    };
    let poll = header(
        kind::POLL,
        &[
            0, 0, 0, 1, 0, 2, 0, 3, 0, 1, 0, 0, 10, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6,
        ],
    );
    let expected = Body::Poll {
        sequence: at(1),
        round: 2,
        subtype: 3,
        nla: ip("10.0.0.1"),
        back_off: 4,
        random: 5,
        mask: 6,
    };
    assert_eq!(Packet::decode(&poll).unwrap().body, expected);
    let polr = header(kind::POLR, &[0, 0, 0, 1, 0, 2, 0, 0]);
    let expected = Body::Polr {
        sequence: at(1),
        round: 2,
    };
    assert_eq!(Packet::decode(&polr).unwrap().body, expected);
    let ack = header(kind::ACK, &[0, 0, 0, 1, 0, 0, 0, 3]);
    let expected = Body::Ack {
        sequence: at(1),
        bitmap: 3,
    };
    assert_eq!(Packet::decode(&ack).unwrap().body, expected);
    let nnak = changed("V10", |bytes| bytes[4] = kind::NNAK);
    let packet = Packet::decode(&nnak).unwrap();
    assert!(matches!(packet.body, Body::Nnak(_)));
    assert_eq!(packet.repairs().count(), 2);
}

proptest! {
    /// Nothing that comes is read beyond its end, and what is read is the same when it is read again.
    #[test]
    fn any_bytes_are_read_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0..16u8, options in any::<bool>()) {
        if bytes.len() >= HEADER {
            bytes[4] = kind;
            bytes[5] = if options { bytes[5] | flag::OPTIONS } else { bytes[5] & !flag::OPTIONS };
            if matches!(kind, kind::ODATA | kind::RDATA) && !options && bytes.len() >= DATA_HEADER {
                let length = (bytes.len() - DATA_HEADER) as u16;
                bytes[DATA_LENGTH_AT..HEADER].copy_from_slice(&length.to_be_bytes());
            }
            checksum::fill(&mut bytes);
        }
        if let Ok(packet) = Packet::decode(&bytes) {
            prop_assert!(packet.repairs().count() <= 1 + MAX_NAK_LIST);
            prop_assert!(packet.options.iter().count() <= bytes.len() / 4);
            prop_assert_eq!(Packet::decode(&bytes), Ok(packet));
        }
    }

    /// What is written is read as it was meant.
    #[test]
    fn what_is_written_is_read(
        gsi in any::<[u8; 6]>(), port in any::<u16>(), session in any::<u16>(),
        numbers in proptest::collection::vec(any::<u32>(), 1..=63),
        payload in proptest::collection::vec(any::<u8>(), 0..1500),
        v6 in any::<bool>(),
    ) {
        let tsi = Tsi { gsi, port };
        let sequences: Vec<Sequence> = numbers.iter().copied().map(Sequence::new).collect();
        let (source, group) = if v6 { (ip("fd00::1"), ip("ff15::1")) } else { (ip("10.0.0.1"), ip("239.0.0.1")) };
        let wanted = Wanted { sequences: &sequences, source, group };
        let mut out = Vec::new();
        for write in [encode::nak, encode::ncf] {
            write(&mut out, tsi, session, &wanted);
            let packet = Packet::decode(&out).unwrap();
            prop_assert_eq!((packet.tsi, packet.session_port), (tsi, session));
            prop_assert_eq!(packet.repairs().collect::<Vec<_>>(), &sequences[..]);
            prop_assert_eq!(again(&packet), &out[..]);
        }
        encode::data(&mut out, tsi, session, sequences[0], sequences[0], &payload);
        let packet = Packet::decode(&out).unwrap();
        let Body::Data(data) = packet.body else { panic!() };
        prop_assert_eq!(data.payload, &payload[..]);
        prop_assert_eq!(again(&packet), &out[..]);
    }
}
