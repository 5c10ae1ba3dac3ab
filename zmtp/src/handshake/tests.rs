//! What a handshake says and takes, step by step.

use super::*;
#[cfg(feature = "plain")]
use crate::MechanismConfig;

const READY_PULL: &[u8] = b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PULL";

fn null_greeting() -> [u8; 64] {
    Greeting {
        version: Version::V3_1,
        mechanism: greeting::MechanismName::NULL,
        as_server: false,
    }
    .encode(0)
}

fn push() -> Handshake {
    Handshake::new(HandshakeConfig::new(SocketType::Push))
}

fn after_greeting(config: HandshakeConfig) -> Handshake {
    let mut handshake = Handshake::new(config);
    handshake.handle_input(&null_greeting()).unwrap();
    let len = handshake.transmit().len();
    handshake.advance_transmit(len);
    handshake
}

// spec: WIRE-1.2/steps: 10 bytes at once, the 11th after the signature, the rest after the major version
// spec: RFC37/announced-version: the greeting announces 3.1, whatever the peer announces
#[test]
fn sends_each_part_when_the_peer_can_understand_it() {
    let theirs = null_greeting();
    let mut handshake = push();
    assert_eq!(handshake.transmit().len(), 10);
    handshake.handle_input(&theirs[..9]).unwrap();
    assert_eq!(handshake.transmit().len(), 10);
    handshake.handle_input(&theirs[9..10]).unwrap();
    assert_eq!(handshake.transmit().len(), 11);
    handshake.handle_input(&theirs[10..11]).unwrap();
    assert_eq!(handshake.transmit(), theirs);
    handshake.handle_input(&theirs[11..63]).unwrap();
    assert_eq!(handshake.transmit().len(), 64);
    handshake.handle_input(&theirs[63..]).unwrap();
    assert_eq!(&handshake.transmit()[64..70], b"\x04\x1a\x05REA");
    assert!(!handshake.is_complete());
}

// spec: RFC37/null-ready: both ends send READY, and traffic follows
// spec: RFC23/traffic-after-ready: messages may follow READY at once
#[test]
fn leaves_traffic_to_the_caller() {
    let mut input = null_greeting().to_vec();
    input.extend_from_slice(READY_PULL);
    let len = input.len();
    input.extend_from_slice(b"\x00\x05hello");
    let mut handshake = push();
    assert_eq!(handshake.handle_input(&input), Ok(len));
    assert!(handshake.is_complete());
    assert_eq!(handshake.handle_input(&input[len..]), Ok(0));
    let peer = handshake.finish().unwrap().peer;
    assert_eq!(peer.version, Version::V3_1);
    assert_eq!(peer.socket_type, Some(SocketType::Pull));
}

fn established(input: &[u8], config: HandshakeConfig) -> (Established, Vec<u8>, usize) {
    let mut handshake = Handshake::new(config);
    let used = handshake.handle_input(input).unwrap();
    let sent = handshake.transmit().to_vec();
    (handshake.finish().unwrap(), sent, used)
}

fn dealer(identity: &'static str) -> HandshakeConfig {
    HandshakeConfig::new(SocketType::Dealer)
        .with_identity(identity)
        .unwrap()
}

// spec: RFC13/identity: the first frame of each end is its identity; an empty one is anonymous
// spec: RFC15/detection: a first byte other than FF, or an even tenth byte, means ZMTP 1.0
// spec: RFC15/interoperation: to ZMTP 1.0, signature and identity are one long frame
#[test]
fn a_1_0_peer_is_told_by_its_first_frame() {
    let input = b"\x04\0old\x03\0hi";
    let (established, sent, used) = established(input, dealer("new"));
    assert_eq!(used, 5);
    assert_eq!(sent, b"\xFF\0\0\0\0\0\0\0\x04\x7Fnew");
    let peer = &established.peer;
    assert_eq!(
        (peer.version, &peer.identity[..]),
        (Version::V1_0, &b"old"[..])
    );
    assert_eq!(peer.socket_type, None);
    assert!(!established.encoder.is_plain() && !established.decoder.is_plain());

    let (anonymous, sent, used) = self::established(b"\x01\0", dealer(""));
    assert_eq!((used, sent.len()), (2, 10));
    assert!(anonymous.peer.identity.is_empty());
}

#[test]
fn a_1_0_peer_may_use_the_long_form() {
    let long = b"\xFF\0\0\0\0\0\0\0\x04\x00old";
    let (established, sent, used) = established(long, dealer("new"));
    assert_eq!((used, &established.peer.identity[..]), (13, &b"old"[..]));
    assert_eq!(sent[10..], *b"new");
    // Such a header may be all there is of the frame.
    let bare = b"\xFF\0\0\0\0\0\0\0\x01\x7E";
    let (established, _, used) = self::established(bare, dealer(""));
    assert_eq!((used, established.peer.version), (10, Version::V1_0));
}

// spec: RFC15/greeting: revision and socket type follow the signature, the identity is a frame
#[test]
fn a_2_0_peer_gets_our_type_and_a_frame_with_our_identity() {
    let input = b"\xFF\0\0\0\0\0\0\0\x01\x7F\x01\x06\0\x03old\0\x02hi";
    let mut handshake = Handshake::new(dealer("new"));
    handshake.handle_input(&input[..9]).unwrap();
    assert_eq!(handshake.transmit().len(), 10);
    handshake.handle_input(&input[9..10]).unwrap();
    assert_eq!(handshake.transmit()[10..], [3]);
    handshake.handle_input(&input[10..11]).unwrap();
    assert_eq!(handshake.transmit()[10..], [3, 5]);
    handshake.handle_input(&input[11..12]).unwrap();
    assert_eq!(handshake.transmit()[10..], *b"\x03\x05\0\x03new");
    assert_eq!(handshake.handle_input(&input[12..]), Ok(5));
    let peer = handshake.finish().unwrap().peer;
    assert_eq!(
        (peer.version, &peer.identity[..]),
        (Version::V2_0, &b"old"[..])
    );
    assert_eq!(peer.socket_type, Some(SocketType::Router));
}

// spec: WIRE-1.1/revision-0: a greeting of revision 0 is followed by frames of ZMTP 1.0
#[test]
fn revision_0_is_a_greeting_in_front_of_1_0() {
    let input = b"\xFF\0\0\0\0\0\0\0\x01\x7F\0\x06\x04\0old";
    let (established, sent, used) = established(input, dealer("new"));
    assert_eq!(used, input.len());
    assert_eq!(sent[10..], *b"\x03\x05\x04\0new");
    assert_eq!(established.peer.version, Version::V1_0);
    assert_eq!(established.peer.identity, "old");
}

// spec: WIRE-1.1/socket-type-2.0: nobody checks the socket type of a 2.0 peer
#[test]
fn the_socket_type_of_2_0_is_recorded_and_not_checked() {
    for (number, known) in [(8, Some(SocketType::Push)), (11, None), (255, None)] {
        let mut input = greeting::signature(0).to_vec();
        input.extend_from_slice(&[1, number, 0, 0]);
        let (established, _, _) = established(&input, dealer(""));
        assert_eq!(established.peer.socket_type, known);
    }
}

// spec: RFC15/identity: an identity has at most 255 bytes and does not begin with zero
#[test]
fn identities_of_old_peers_are_bounded_before_they_arrive() {
    let invalid = |len| Err(Error::InvalidIdentity { len });
    let mut v1 = b"\xFF\0\0\0\0\0\0\x01\x01\0".to_vec();
    assert_eq!(push().handle_input(&v1), invalid(256));
    v1[8] = 0;
    v1.extend_from_slice(&[1; 255]);
    assert_eq!(push().handle_input(&v1), Ok(265));
    let mut v2 = greeting::signature(0).to_vec();
    v2.extend_from_slice(b"\x01\x05\x02\0\0\0\0\0\0\x01\0");
    assert_eq!(push().handle_input(&v2), invalid(256));
    assert_eq!(push().handle_input(b"\x03\0\0x"), invalid(2));
    // The limit on frames is for messages.
    let limits = Limits::default().with_max_frame_size(Some(2));
    let config = HandshakeConfig::new(SocketType::Push).with_limits(limits);
    let mut handshake = Handshake::new(config);
    assert_eq!(handshake.handle_input(b"\x04\0abc"), Ok(5));
    assert!(handshake.is_complete());
    assert_eq!(push().handle_input(b"\0"), Err(Error::FrameWithoutFlags));
}

// spec: WIRE-1.2/version-table: the tenth and eleventh byte tell framing and version
#[test]
fn the_version_byte_decides() {
    let table = [
        ([2, 0], Version::V3_1),
        ([2, 9], Version::V3_1),
        ([3, 0], Version::V3_0),
        ([3, 1], Version::V3_1),
        ([3, 7], Version::V3_1),
        ([4, 0], Version::V3_1),
        ([255, 255], Version::V3_1),
    ];
    for (bytes, version) in table {
        let mut input = null_greeting().to_vec();
        input[10..12].copy_from_slice(&bytes);
        input.extend_from_slice(READY_PULL);
        let config = HandshakeConfig::new(SocketType::Push);
        let (established, _, _) = established(&input, config);
        assert_eq!(established.peer.version, version, "{bytes:?}");
        assert_eq!(established.encoder.version(), version);
        assert!(established.encoder.is_plain() && established.decoder.is_plain());
    }
}

// spec: WIRE-1.4/oldest-version: a policy says which old versions are accepted
#[test]
fn peers_older_than_the_oldest_accepted_are_refused_at_the_first_byte_that_tells() {
    let unsupported = |version| Err(Error::UnsupportedVersion { version });
    let refuse = |oldest, input: &[u8]| {
        let config = HandshakeConfig::new(SocketType::Push).with_oldest_version(oldest);
        Handshake::new(config).handle_input(input)
    };
    let mut greeting = null_greeting();
    for oldest in [Version::V2_0, Version::V3_0, Version::V3_1] {
        assert_eq!(refuse(oldest, b"G"), unsupported(Version::V1_0));
        let even = b"\xFF\0\0\0\0\0\0\0\x01\x7E";
        assert_eq!(refuse(oldest, even), unsupported(Version::V1_0));
        greeting[10] = 0;
        assert_eq!(refuse(oldest, &greeting[..11]), unsupported(Version::V1_0));
    }
    greeting[10] = 1;
    let v2_0 = unsupported(Version::V2_0);
    assert_eq!(refuse(Version::V3_0, &greeting[..11]), v2_0);
    assert_eq!(refuse(Version::V2_0, &greeting[..11]), Ok(11));
    greeting[10] = 3;
    greeting[11] = 0;
    assert_eq!(refuse(Version::V3_1, &greeting), unsupported(Version::V3_0));
    assert_eq!(refuse(Version::V3_0, &greeting), Ok(64));
}

// spec: WIRE-1.2/security-and-old-peers: 1.0 and 2.0 are refused with a mechanism or a ZAP domain
#[test]
#[cfg(feature = "plain")]
fn old_peers_are_refused_where_security_is_wanted() {
    let push = || HandshakeConfig::new(SocketType::Push);
    let plain = MechanismConfig::PlainServer(crate::plain::ServerConfig::new());
    let configs = [
        push().with_mechanism(plain),
        push().with_zap(zap::Policy::new("domain")),
    ];
    for config in configs {
        let refuse = |input: &[u8]| Handshake::new(config.clone()).handle_input(input);
        let insecure = |version| Err(Error::VersionWithoutSecurity { version });
        assert_eq!(refuse(b"\x01"), insecure(Version::V1_0));
        let mut greeting = greeting::signature(0).to_vec();
        greeting.push(1);
        assert_eq!(refuse(&greeting), insecure(Version::V2_0));
    }
}

#[test]
fn failure_is_final_and_sends_nothing_more() {
    let mut handshake = push();
    let error = handshake.handle_input(b"\0").unwrap_err();
    assert_eq!(handshake.handle_input(&null_greeting()), Err(error));
    assert!(handshake.transmit().is_empty());
    assert!(handshake.finish().is_err());
}

// spec: RFC37/socket-type-mismatch: a peer of an invalid socket type is told by ERROR
#[test]
fn a_peer_of_the_wrong_type_is_told_so() {
    for name in ["PUSH", "push"] {
        let mut handshake = push();
        let mut input = null_greeting().to_vec();
        input.extend_from_slice(b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04");
        input.extend_from_slice(name.as_bytes());
        handshake.handle_input(&input).unwrap_err();
        let error = b"\x04\x1a\x05ERROR\x13Invalid socket type";
        assert!(handshake.transmit().ends_with(error));
        assert!(handshake.transmit()[64..].starts_with(b"\x04\x1a\x05READY"));
    }
}

// spec: WIRE-0/metadata-limits: size and number of properties are bounded
#[test]
fn metadata_have_limits() {
    let config = |limits| HandshakeConfig::new(SocketType::Push).with_limits(limits);
    let limits = Limits::default().with_max_metadata_size(19);
    let error = after_greeting(config(limits)).handle_input(READY_PULL);
    assert_eq!(
        error,
        Err(Error::MetadataTooLarge {
            size: 20,
            limit: 19
        })
    );
    let limits = Limits::default().with_max_metadata_size(20);
    let used = after_greeting(config(limits)).handle_input(READY_PULL);
    assert_eq!(used, Ok(READY_PULL.len()));
    let limits = Limits::default().with_max_properties(0);
    let error = after_greeting(config(limits)).handle_input(READY_PULL);
    assert_eq!(error, Err(Error::TooManyProperties { limit: 0 }));
}

// spec: RFC37/mechanism-mismatch: both ends use the same mechanism or close
#[test]
fn mechanisms_must_match_exactly() {
    for name in [&b"PLAIN"[..], b"null", b"NULL   ", b"NULL\0x", b""] {
        let mut theirs = null_greeting();
        theirs[12..32].fill(0);
        theirs[12..12 + name.len()].copy_from_slice(name);
        let error = push().handle_input(&theirs).unwrap_err();
        assert!(matches!(error, Error::MechanismMismatch { .. }), "{error}");
        assert_eq!(error.protocol_event_code(), Some(0x1100_0002));
    }
}

// spec: WIRE-2.3/handshake-commands: the limit for frames holds in the handshake, and another for its commands
#[test]
fn sizes_are_checked_before_the_body_is_there() {
    let mut header = [0x06, 0, 0, 0, 0, 0, 0, 0x40, 0x01];
    let mut handshake = after_greeting(HandshakeConfig::new(SocketType::Push));
    let expected = Error::CommandTooLarge {
        size: 16_385,
        limit: 16_384,
    };
    assert_eq!(handshake.handle_input(&header), Err(expected));
    header[1] = 0x40;
    let mut handshake = after_greeting(HandshakeConfig::new(SocketType::Push));
    let error = handshake.handle_input(&header).unwrap_err();
    assert!(matches!(error, Error::CommandTooLarge { .. }));

    let limits = Limits::default().with_max_frame_size(Some(10));
    let config = HandshakeConfig::new(SocketType::Push).with_limits(limits);
    let mut handshake = after_greeting(config);
    handshake.handle_input(READY_PULL).unwrap();
    assert!(handshake.is_complete());
}
