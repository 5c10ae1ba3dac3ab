//! Properties that hold for any input: splits do not matter, encoding is undone by decoding, and
//! nothing panics.

use std::time::Instant;

use proptest::collection::vec;
use proptest::prelude::*;
use zmtp::greeting::{self, Greeting, GreetingParser, MechanismName, Progress};
use zmtp::header::{self, Flags};
use zmtp::scan::{Scanner, Stop};
use zmtp::{
    Command, Connection, Decoder, Encoder, Error, Event, Frame, Handshake, HandshakeConfig, Item,
    Limits, Message, Metadata, SocketType, Version, encode_message, v1,
};

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..100),
        2 => vec(any::<u8>(), 250..260),
        1 => vec(any::<u8>(), 0..6000),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    vec(body(), 1..5).prop_map(|bodies| bodies.into_iter().collect())
}

/// A command whose body is `Item`'s, and not one that a connection handles by itself.
fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        4 => message().prop_map(Item::Message),
        1 => vec(any::<u8>(), 0..300).prop_map(|topic| {
            let mut wire = Vec::new();
            Command::Subscribe { topic: &topic }.encode(&mut wire);
            let (_, len) = header::decode(&wire).unwrap().unwrap();
            Item::Command(Frame::from(&wire[len..]))
        }),
    ]
}

fn encode(items: &[Item]) -> Vec<u8> {
    let mut wire = Vec::new();
    for item in items {
        match item {
            Item::Message(message) => encode_message(message, &mut wire),
            Item::Command(body) => zmtp::encode_frame(Flags::COMMAND, body, &mut wire),
        }
    }
    wire
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![
        Just(Version::V1_0),
        Just(Version::V2_0),
        Just(Version::V3_0),
        Just(Version::V3_1),
    ]
}

/// What a peer of a version makes of items: there is nothing in place of commands that it does not
/// know.
fn encode_for(version: Version, items: &[Item]) -> Vec<u8> {
    let mut encoder = Encoder::new(version);
    let mut wire = Vec::new();
    for item in items {
        match item {
            Item::Message(message) => encoder.encode_message(message, &mut wire),
            Item::Command(body) => {
                encoder.encode_command(Command::decode(body).unwrap(), &mut wire);
            }
        }
    }
    wire
}

/// What arrives of items: subscriptions before ZMTP 3.1 are messages.
fn arriving(version: Version, items: &[Item]) -> Vec<Item> {
    let translate = |item: &Item| match item {
        Item::Command(body) if !version.has_subscription_commands() => {
            let Ok(Command::Subscribe { topic }) = Command::decode(body) else {
                panic!("{body:?}")
            };
            Item::Message([&[1], topic].concat().into())
        }
        other => other.clone(),
    };
    items.iter().map(translate).collect()
}

/// Cuts `wire` at the given places, each a fraction of its length.
fn split<'a>(wire: &'a [u8], cuts: &[f64]) -> Vec<&'a [u8]> {
    let mut at: Vec<_> = cuts
        .iter()
        .map(|cut| (cut * wire.len() as f64) as usize)
        .collect();
    at.extend([0, wire.len()]);
    at.sort_unstable();
    at.windows(2).map(|ends| &wire[ends[0]..ends[1]]).collect()
}

fn cuts() -> impl Strategy<Value = Vec<f64>> {
    vec(0.0..1.0, 0..20)
}

fn decode_all(decoder: &mut Decoder, chunks: &[&[u8]]) -> Result<Vec<Item>, Error> {
    let mut items = Vec::new();
    for mut chunk in chunks.iter().copied() {
        while let (used, Some(item)) = decoder.decode(chunk)? {
            items.push(item);
            chunk = &chunk[used..];
        }
    }
    Ok(items)
}

/// All that a PAIR of a version says on the wire before its traffic.
fn handshake_bytes_of(version: Version) -> Vec<u8> {
    let mut identity = Vec::new();
    Encoder::new(version).encode_frame(Flags::NONE, b"me", &mut identity);
    match version {
        Version::V1_0 => return identity,
        Version::V2_0 => {
            let greeting = [&greeting::signature(2)[..], &[1, 0]].concat();
            return [greeting, identity].concat();
        }
        _ => {}
    }
    let greeting = Greeting {
        version,
        mechanism: MechanismName::NULL,
        as_server: false,
    };
    let mut wire = greeting.encode(0).to_vec();
    let mut metadata = Metadata::new();
    metadata.push("Socket-Type", "PAIR").unwrap();
    let mut properties = Vec::new();
    metadata.encode(&mut properties);
    Command::Ready {
        metadata: &properties,
    }
    .encode(&mut wire);
    wire
}

fn run(chunks: &[&[u8]]) -> (Vec<Event>, Vec<u8>, Result<(), Error>) {
    let now = Instant::now();
    let mut connection = Connection::new(HandshakeConfig::new(SocketType::Pair), now);
    let (mut events, mut sent) = (Vec::new(), Vec::new());
    let mut result = Ok(());
    for chunk in chunks {
        while let Some(bytes) = connection.poll_transmit() {
            sent.extend_from_slice(&bytes);
        }
        result = connection.handle_input(chunk, now).map(drop);
        events.extend(std::iter::from_fn(|| connection.poll_event()));
        if result.is_err() {
            break;
        }
    }
    while let Some(bytes) = connection.poll_transmit() {
        sent.extend_from_slice(&bytes);
    }
    (events, sent, result)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoding_undoes_encoding_at_any_split(items in vec(item(), 0..12), cuts in cuts()) {
        let wire = encode(&items);
        let mut decoder = Decoder::new(&Limits::default());
        let decoded = decode_all(&mut decoder, &split(&wire, &cuts)).unwrap();
        prop_assert!(!decoder.is_partial());
        prop_assert_eq!(&decoded, &items);
        prop_assert_eq!(encode(&decoded), wire);
    }

    #[test]
    fn every_version_decodes_what_it_encodes_at_any_split(
        version in version(),
        items in vec(item(), 0..12),
        cuts in cuts(),
    ) {
        let wire = encode_for(version, &items);
        let mut decoder = Decoder::for_version(version, &Limits::default());
        let decoded = decode_all(&mut decoder, &split(&wire, &cuts)).unwrap();
        prop_assert!(!decoder.is_partial());
        prop_assert_eq!(&decoded, &arriving(version, &items));
        prop_assert_eq!(encode_for(version, &decoded), wire);
    }

    #[test]
    fn headers_of_1_0_survive_a_round_trip(size in 0..=header::MAX_SIZE, more in any::<bool>()) {
        for size in [size, size % 300] {
            let flags = if more { Flags::MORE } else { Flags::NONE };
            let mut buf = [0; v1::MAX_LEN];
            let len = v1::encode(flags, size, &mut buf);
            let (header, used) = v1::decode(&buf[..len]).unwrap().unwrap();
            prop_assert_eq!((header.flags, header.size, used), (flags, size, len));
        }
    }

    #[test]
    fn any_bytes_give_the_same_items_at_any_split(
        version in version(),
        bytes in vec(prop_oneof![0u8..6, any::<u8>()], 0..300),
        cuts in cuts(),
    ) {
        let outcome = |chunks: &[&[u8]]| {
            let limits = Limits::default().with_max_frames(3).with_max_message_size(Some(200));
            let mut decoder = Decoder::for_version(version, &limits);
            let mut items = Vec::new();
            for mut chunk in chunks.iter().copied() {
                loop {
                    match decoder.decode(chunk) {
                        Ok((used, item)) => {
                            chunk = &chunk[used..];
                            let Some(item) = item else { break };
                            items.push(item);
                        }
                        Err(error) => return (items, Some(error)),
                    }
                }
            }
            (items, None)
        };
        let (items, error) = outcome(&[&bytes]);
        for item in &items {
            if let Item::Message(message) = item {
                prop_assert!(message.len() <= 3 && message.byte_len() <= 200);
            }
        }
        prop_assert_eq!(outcome(&split(&bytes, &cuts)), (items, error));
    }

    #[test]
    fn the_scanner_finds_the_boundaries_that_the_decoder_finds(
        items in vec(item(), 0..12),
        cuts in cuts(),
        large in prop_oneof![Just(u64::MAX), 0u64..300],
    ) {
        let wire = encode(&items);
        let mut expected = Vec::new();
        let mut end = 0;
        for item in &items {
            end += encode(std::slice::from_ref(item)).len();
            if let Item::Message(_) = item {
                expected.push(end);
            }
        }
        let mut scanner = Scanner::new(&Limits::default()).with_large_body(large);
        let mut from = 0;
        let mut found = 0;
        let mut last = 0;
        for to in split(&wire, &cuts).iter().scan(0, |at, part| { *at += part.len(); Some(*at) }) {
            while from < to {
                let scan = scanner.scan(&wire[from..to]);
                found += scan.messages;
                if scan.messages > 0 {
                    last = from + scan.boundary;
                    prop_assert_eq!(last, expected[found - 1]);
                }
                from += scan.scanned;
                match scan.stop {
                    Stop::Command { header, header_len } => {
                        from += header_len + header.size as usize;
                    }
                    Stop::Large { header, header_len } => {
                        prop_assert!(header.size > large);
                        from += header_len + header.size as usize;
                        if scanner.accept(header).unwrap() == zmtp::scan::FrameKind::Last {
                            found += 1;
                            last = from;
                        }
                    }
                    Stop::NeedMore { missing } => {
                        prop_assert!(missing > 0);
                        break;
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        prop_assert_eq!(from, wire.len());
        prop_assert_eq!(found, expected.len());
        prop_assert_eq!(last, expected.last().copied().unwrap_or(0));
        prop_assert!(!scanner.in_message());
    }

    #[test]
    fn a_connection_gives_the_same_events_at_any_split(
        version in version(),
        items in vec(item(), 0..8),
        tail in vec(any::<u8>(), 0..40),
        cuts in cuts(),
    ) {
        let wire = [handshake_bytes_of(version), encode_for(version, &items), tail].concat();
        let (events, sent, result) = run(&[&wire]);
        let (split_events, split_sent, split_result) = run(&split(&wire, &cuts));
        prop_assert_eq!(&split_events, &events);
        prop_assert_eq!(&split_result, &result);
        if result.is_ok() {
            prop_assert_eq!(split_sent, sent);
        }
        let Event::Connected(peer) = &events[0] else { panic!("{events:?}") };
        prop_assert_eq!(peer.version, version);
        prop_assert!(events.len() > items.len());
        for (event, item) in events[1..].iter().zip(arriving(version, &items)) {
            let expected = match item {
                Item::Message(message) => Event::Message(message),
                Item::Command(body) => Event::Command(body),
            };
            prop_assert_eq!(event, &expected);
        }
    }

    #[test]
    fn any_handshake_bytes_give_the_same_result_at_any_split(
        version in version(),
        mutations in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cuts in cuts(),
    ) {
        let mut wire = handshake_bytes_of(version);
        for (index, byte) in mutations {
            let at = index.index(wire.len());
            wire[at] = byte;
        }
        let outcome = |chunks: &[&[u8]]| {
            let mut handshake = Handshake::new(HandshakeConfig::new(SocketType::Pair));
            let mut used = 0;
            for chunk in chunks {
                used += handshake.handle_input(chunk)?;
            }
            Ok((used, handshake.finish().ok().map(|established| established.peer)))
        };
        let whole: Result<_, Error> = outcome(&[&wire]);
        prop_assert_eq!(outcome(&split(&wire, &cuts)), whole);
    }

    #[test]
    fn random_bytes_never_panic(
        version in version(),
        prefix in 0usize..100,
        bytes in vec(any::<u8>(), 0..600),
        cuts in cuts(),
    ) {
        let _ = Metadata::decode(&bytes, 16);
        let _ = Command::decode(&bytes);
        let _ = header::decode(&bytes);
        let _ = v1::decode(&bytes);
        let _ = Scanner::new(&Limits::default()).scan(&bytes);
        let chunks = split(&bytes, &cuts);
        for version in [Version::V1_0, Version::V2_0, Version::V3_1] {
            let mut decoder = Decoder::for_version(version, &Limits::default());
            let _ = decode_all(&mut decoder, &chunks);
        }
        let _ = Handshake::new(HandshakeConfig::new(SocketType::Pair)).handle_input(&bytes);
        let handshake = handshake_bytes_of(version);
        let wire = [&handshake[..prefix.min(handshake.len())], &bytes].concat();
        let _ = run(&split(&wire, &cuts));
    }

    #[test]
    fn metadata_survives_a_round_trip(
        properties in vec(("[A-Za-z0-9_.+-]{1,40}", vec(any::<u8>(), 0..300)), 0..10),
    ) {
        let mut metadata = Metadata::new();
        for (name, value) in properties {
            metadata.push(&name, value).unwrap();
        }
        let mut wire = Vec::new();
        metadata.encode(&mut wire);
        prop_assert_eq!(wire.len(), metadata.encoded_len());
        prop_assert_eq!(Metadata::decode(&wire, 10).unwrap(), metadata);
    }

    #[test]
    fn what_metadata_accepts_it_reproduces(bytes in vec(0u8..4, 0..60)) {
        if let Ok(metadata) = Metadata::decode(&bytes, 64) {
            let mut wire = Vec::new();
            metadata.encode(&mut wire);
            prop_assert_eq!(wire, bytes);
        }
    }

    #[test]
    fn greetings_survive_a_round_trip_at_any_split(
        major in 2u8..,
        minor in any::<u8>(),
        mechanism in any::<[u8; 20]>(),
        as_server in any::<bool>(),
        identity_len in 0usize..256,
        cuts in cuts(),
    ) {
        let mechanism = MechanismName::from_bytes(mechanism);
        let version = Version { major, minor };
        let greeting = Greeting { version, mechanism, as_server };
        let wire = greeting.encode(identity_len);
        let mut parser = GreetingParser::new();
        let mut steps = Vec::new();
        for mut chunk in split(&wire, &cuts) {
            while !chunk.is_empty() {
                let (used, step) = parser.parse(chunk);
                chunk = &chunk[used..];
                if step != Progress::NeedMore {
                    steps.push(step);
                }
            }
        }
        let complete = Progress::Complete(greeting);
        prop_assert_eq!(steps, [Progress::Signature, Progress::Major(major), complete]);
    }

    #[test]
    fn frames_hold_any_body_in_any_way(body in body(), other in body()) {
        let owned = Frame::from(body.clone());
        let copied = Frame::from(&body[..]);
        let shared = Frame::from(bytes::Bytes::from(body.clone()));
        prop_assert_eq!(&owned, &copied);
        prop_assert_eq!(&shared, &copied);
        for mut frame in [owned, copied, shared] {
            prop_assert_eq!(&frame.clone().into_vec(), &body);
            prop_assert_eq!(frame.to_bytes(), body.clone());
            frame.assign(&other);
            prop_assert_eq!(&frame, &other);
            frame.make_mut().reverse();
            prop_assert!(frame.iter().eq(other.iter().rev()));
        }
    }
}
