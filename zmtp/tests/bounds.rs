//! What a peer can make a connection allocate: as much as has arrived, within the limits, and never
//! what was only announced.

use std::time::Instant;

use allocation_counter::measure;
use proptest::collection::vec;
use proptest::prelude::*;
use zmtp::curve::{KeyPair, SecretKey, ServerConfig};
use zmtp::greeting::{Greeting, MechanismName, signature};
use zmtp::{
    Connection, HandshakeConfig, Limits, MechanismConfig, Scanner, SocketType, Version, plain,
    scan::Stop,
};

/// What a connection may take beside what has arrived, in bytes.
const FIXED: u64 = 16 << 10;

fn greeting(mechanism: MechanismName) -> Vec<u8> {
    let greeting = Greeting {
        version: Version::V3_1,
        mechanism,
        as_server: false,
    };
    greeting.encode(0).to_vec()
}

fn config(mechanism: MechanismConfig) -> HandshakeConfig {
    HandshakeConfig::new(SocketType::Pair).with_mechanism(mechanism)
}

/// Configurations, each with bytes after which a peer may announce a frame.
fn openings() -> Vec<(HandshakeConfig, Vec<u8>, Version)> {
    let null = || config(MechanismConfig::Null);
    let plain = config(MechanismConfig::PlainServer(plain::ServerConfig::new()));
    let keys = KeyPair::from_secret(SecretKey::from_bytes([7; 32]));
    let curve = config(MechanismConfig::CurveServer(
        ServerConfig::new(keys).allow_any_client(),
    ));
    let v2_0 = [&signature(0)[..], &[1, 0]].concat();
    let ready = b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PAIR";
    let traffic = [&greeting(MechanismName::NULL)[..], ready].concat();
    vec![
        (null(), Vec::new(), Version::V1_0),
        (null(), b"\x01\0".to_vec(), Version::V1_0),
        (null(), b"\x01\0\x02\x01a".to_vec(), Version::V1_0),
        (null(), v2_0.clone(), Version::V2_0),
        (null(), [&v2_0[..], &[0, 0]].concat(), Version::V2_0),
        (null(), greeting(MechanismName::NULL), Version::V3_1),
        (null(), traffic.clone(), Version::V3_1),
        (null(), [&traffic[..], b"\x01\x01a"].concat(), Version::V3_1),
        (plain, greeting(MechanismName::PLAIN), Version::V3_1),
        (curve, greeting(MechanismName::CURVE), Version::V3_1),
    ]
}

fn header(version: Version, flags: u8, size: u64) -> Vec<u8> {
    if version == Version::V1_0 {
        [&[0xFF][..], &(size + 1).to_be_bytes(), &[flags & 1]].concat()
    } else {
        [&[flags | 2][..], &size.to_be_bytes()].concat()
    }
}

// spec: WIRE-2.3/buffers-grow: memory follows what has arrived, not what a header announces
#[test]
fn announcements_cost_nothing() {
    for (config, opening, version) in openings() {
        for size in [100_000, 1 << 30, 1 << 40, (1 << 63) - 2] {
            for flags in [0, 1, 4] {
                for arrived in [0, 1, 5000] {
                    let mut input = [&opening[..], &header(version, flags, size)].concat();
                    input.resize(input.len() + arrived, 0);
                    let now = Instant::now();
                    let config = config.clone();
                    let taken = measure(|| {
                        let mut connection = Connection::new(config, now);
                        // It may fail, for the size.
                        let _ = connection.handle_input(&input, now);
                    });
                    let bound = FIXED + 2 * arrived as u64;
                    assert!(
                        taken.bytes_max <= bound,
                        "{version}, {size}, {arrived}: {} bytes",
                        taken.bytes_max
                    );
                }
            }
        }
    }
}

#[test]
fn the_scanner_allocates_nothing() {
    let mut wire = b"\x00\x05hello\x01\x03two\x00\x06frames".repeat(1000);
    wire.extend_from_slice(&header(Version::V3_1, 0, 100_000));
    wire.resize(wire.len() + 100_000, 7);
    wire.extend_from_slice(&header(Version::V3_1, 0, 1 << 40));
    let mut scanner = Scanner::new(&Limits::default());
    let taken = measure(|| {
        let (mut at, mut messages) = (0, 0);
        // What is there grows, as it does on a connection.
        for end in (0..wire.len()).step_by(1000).chain([wire.len()]) {
            let scan = scanner.scan(&wire[at..end]);
            at += scan.scanned;
            messages += scan.messages;
            assert!(matches!(scan.stop, Stop::NeedMore { .. }));
        }
        assert_eq!(messages, 2001);
    });
    assert_eq!(taken.count_total, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// The events are taken as they come, as a program does that wants its memory bounded.
    #[test]
    fn no_input_takes_more_than_the_limits(
        opening in 0usize..10,
        frames in vec((0u8..6, 0u64..3000), 0..60),
        tail in vec(any::<u8>(), 0..2000),
    ) {
        let limits = Limits::default()
            .with_max_frame_size(Some(2000))
            .with_max_message_size(Some(4000))
            .with_max_frames(8)
            .with_max_command_size(1000);
        let (config, mut input, version) = openings().swap_remove(opening);
        for (flags, size) in frames {
            input.extend_from_slice(&header(version, flags & 5, size));
            input.resize(input.len() + size as usize, flags);
        }
        input.extend_from_slice(&tail);
        let now = Instant::now();
        let config = config.with_limits(limits);
        let taken = measure(|| {
            let mut connection = Connection::new(config, now);
            for chunk in input.chunks(256) {
                if connection.handle_input(chunk, now).is_err() {
                    break;
                }
                while connection.poll_event().is_some() {}
                while connection.poll_transmit().is_some() {}
            }
        });
        // A message, the frame that arrives, and the events of one chunk of the shortest frames.
        let bound = FIXED + 2 * 4000 + 2 * 2000 + 256 * 256;
        prop_assert!(taken.bytes_max <= bound, "{} bytes", taken.bytes_max);
    }
}
