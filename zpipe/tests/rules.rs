//! Input in a pipe and the scanner of the wire layer judge traffic by one rule.
#![cfg(not(loom))]

use proptest::prelude::*;
use zmtp::scan::{Scanner, Stop};
use zmtp::{Error, Flags, encode_frame};
use zpipe::{FrameLimits, Limits, Scan, ingest_pipe};

/// Messages and commands seen, and why no more.
type Seen = (u64, u64, Option<Error>);

fn by_the_pipe(wire: &[u8], limits: &FrameLimits) -> Seen {
    let (mut ingest, _reader) = ingest_pipe(Limits::default(), None, None);
    ingest.fill_from(wire);
    let (mut messages, mut commands) = (0, 0);
    loop {
        let scanned = ingest.scan(limits);
        messages += scanned.messages;
        match scanned.stop {
            Scan::Command(_) => commands += 1,
            Scan::Invalid(error) => return (messages, commands, Some(error)),
            Scan::NeedInput => return (messages, commands, None),
            Scan::Full => panic!("there is room"),
        }
    }
}

fn by_the_scanner(wire: &[u8], limits: &zmtp::Limits) -> Seen {
    let mut scanner = Scanner::new(limits);
    let (mut messages, mut commands) = (0, 0);
    let mut rest = wire;
    loop {
        let scan = scanner.scan(rest);
        messages += scan.messages as u64;
        rest = &rest[scan.scanned..];
        match scan.stop {
            Stop::Command { header, header_len } => {
                scanner.accept(header).expect("it has been checked");
                rest = &rest[header_len + header.size as usize..];
                commands += 1;
            }
            Stop::Invalid(error) => return (messages, commands, Some(error)),
            Stop::NeedMore { .. } => return (messages, commands, None),
            stop => panic!("{stop:?}"),
        }
    }
}

fn frame() -> impl Strategy<Value = (Flags, usize)> {
    let flags = prop_oneof![
        2 => Just(Flags::NONE),
        3 => Just(Flags::MORE),
        2 => Just(Flags::COMMAND),
        1 => Just(Flags::MORE.with(Flags::COMMAND)),
    ];
    let size = prop_oneof![8 => 0..20_usize, 1 => 250..260_usize];
    (flags, size)
}

proptest! {
    #[test]
    fn both_come_to_the_same_verdict(
        frames in prop::collection::vec(frame(), 0..20),
        frame_size in prop_oneof![Just(None), (0..300_u64).prop_map(Some)],
        message_size in prop_oneof![Just(None), (0..400_u64).prop_map(Some)],
        command_size in prop_oneof![0..30_u64, Just(1000)],
        max_frames in 0..6_u32,
    ) {
        let mut wire = Vec::new();
        for (flags, size) in frames {
            encode_frame(flags, &vec![7; size], &mut wire);
        }
        let limits = zmtp::Limits::default()
            .with_max_frame_size(frame_size)
            .with_max_message_size(message_size)
            .with_max_command_size(command_size)
            .with_max_frames(max_frames);
        let by_the_pipe = by_the_pipe(&wire, &FrameLimits::from(&limits));
        prop_assert_eq!(by_the_pipe, by_the_scanner(&wire, &limits));
    }
}
