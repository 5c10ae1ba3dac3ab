//! Properties of the parts on their own, for any input: pieces do not matter, decoding undoes
//! encoding, and memory follows what has arrived.

mod counter;

use std::time::Instant;

use allocation_counter::measure;
use proptest::collection::vec;
use proptest::prelude::*;
use zmtp::command::CommandName;
use zmtp::curve::{self, KeyPair, SecretKey};
use zmtp::greeting::{GREETING_LEN, Greeting, GreetingParser, Progress};
use zmtp::header::{self, Flags};
use zmtp::zap::{Answer, Policy, Reply, Request};
use zmtp::zws::{self, Control, FrameHeader, Opcode, Protocol, Response, Role, Target};
use zmtp::{
    Command, Error, Handshake, HandshakeConfig, Limits, MechanismConfig, Message, Metadata, Peer,
    Random, SocketType, Version, encode_frame, plain, z85,
};

use counter::Counter;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..400), vec(0u8..4, 0..400)]
}

fn text(len: usize) -> impl Strategy<Value = String> {
    vec(0x21u8..0x7F, 0..len).prop_map(|text| text.into_iter().map(char::from).collect())
}

fn cuts() -> impl Strategy<Value = Vec<f64>> {
    vec(0.0..1.0, 0..20)
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

/// The most memory in use at any time while `f` runs, in bytes.
fn most_memory(f: impl FnOnce()) -> u64 {
    measure(f).bytes_max
}

fn random() -> Random {
    Random::from_rng(Counter(0))
}

fn greeting_steps(chunks: &[&[u8]]) -> (usize, Vec<Progress>) {
    let mut parser = GreetingParser::new();
    let (mut used, mut steps) = (0, Vec::new());
    for mut chunk in chunks.iter().copied() {
        loop {
            let (taken, step) = parser.parse(chunk);
            used += taken;
            chunk = &chunk[taken..];
            if step == Progress::NeedMore {
                break;
            }
            steps.push(step);
        }
    }
    (used, steps)
}

/// Bytes that begin like a greeting, and go on like one for a while.
fn greeting() -> impl Strategy<Value = Vec<u8>> {
    let mutations = vec((0usize..GREETING_LEN, any::<u8>()), 0..4);
    let mutated = (any::<bool>(), mutations, bytes()).prop_map(|(as_server, mutations, tail)| {
        let greeting = Greeting {
            version: Version::V3_1,
            mechanism: zmtp::greeting::MechanismName::NULL,
            as_server,
        };
        let mut wire = greeting.encode(0).to_vec();
        for (at, byte) in mutations {
            wire[at] = byte;
        }
        [wire, tail].concat()
    });
    prop_oneof![3 => mutated, 1 => bytes()]
}

/// The bodies of commands, most of them with a known name.
fn command_body() -> impl Strategy<Value = Vec<u8>> {
    let names = prop::sample::select(vec![
        "READY",
        "ERROR",
        "PING",
        "PONG",
        "SUBSCRIBE",
        "CANCEL",
        "JOIN",
        "LEAVE",
        "OTHER",
        "",
    ]);
    let named = (names, bytes()).prop_map(|(name, data)| {
        let len = [name.len() as u8];
        [&len[..], name.as_bytes(), &data].concat()
    });
    prop_oneof![3 => named, 1 => bytes()]
}

/// WebSocket frames for an end that plays a role, more or less.
fn websocket_frames() -> impl Strategy<Value = Vec<u8>> {
    let frame = (
        prop::sample::select(vec![0x82u8, 0x82, 0x82, 0x82, 0x89, 0x8A, 0x88, 0x02]),
        any::<bool>(),
        0u64..400,
        0usize..2,
    )
        .prop_map(|(first, is_masked, len, longer)| {
            let mask = if is_masked { 0x80 } else { 0 };
            let mut frame = vec![first];
            match (len, longer) {
                (0..126, 0) => frame.push(mask | len as u8),
                (_, 0) => frame.extend([mask | 126, (len >> 8) as u8, len as u8]),
                _ => {
                    frame.push(mask | 127);
                    frame.extend(len.to_be_bytes());
                }
            }
            if is_masked {
                frame.extend([1, 2, 3, 4]);
            }
            frame.resize(frame.len() + len as usize, 7);
            frame
        });
    (vec(frame, 0..8), bytes()).prop_map(|(frames, tail)| [frames.concat(), tail].concat())
}

type Decoded = (Vec<u8>, Vec<Control>, Option<zws::Violation>);

fn decode_websocket(role: Role, chunks: &[&[u8]]) -> Decoded {
    let mut decoder = zws::Decoder::new(role);
    let (mut frames, mut controls) = (Vec::new(), Vec::new());
    for mut chunk in chunks.iter().copied() {
        loop {
            match decoder.decode(chunk, &mut frames) {
                Ok((_, None)) => break,
                Ok((used, Some(control))) => {
                    controls.push(control);
                    chunk = &chunk[used..];
                }
                Err(error) => return (frames, controls, Some(error)),
            }
        }
    }
    (frames, controls, None)
}

/// Each mechanism in each role, with and without ZAP, as this end and as the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Null,
    NullWithZap,
    PlainClient,
    PlainServer,
    CurveClient,
    CurveServer,
    CurveServerWithZap,
}

impl End {
    const ALL: [Self; 7] = [
        Self::Null,
        Self::NullWithZap,
        Self::PlainClient,
        Self::PlainServer,
        Self::CurveClient,
        Self::CurveServer,
        Self::CurveServerWithZap,
    ];

    fn peer(self) -> Self {
        match self {
            Self::Null | Self::NullWithZap => Self::Null,
            Self::PlainClient => Self::PlainServer,
            Self::PlainServer => Self::PlainClient,
            Self::CurveClient => Self::CurveServer,
            Self::CurveServer | Self::CurveServerWithZap => Self::CurveClient,
        }
    }

    fn start(self) -> Handshake {
        let keys = |byte| KeyPair::from_secret(SecretKey::from_bytes([byte; 32]));
        let mechanism = match self {
            Self::Null | Self::NullWithZap => MechanismConfig::Null,
            Self::PlainClient => {
                MechanismConfig::PlainClient(plain::ClientConfig::new("me", "secret").unwrap())
            }
            Self::PlainServer => MechanismConfig::PlainServer(plain::ServerConfig::new()),
            Self::CurveClient => {
                MechanismConfig::CurveClient(curve::ClientConfig::new(*keys(2).public(), keys(1)))
            }
            Self::CurveServer | Self::CurveServerWithZap => {
                MechanismConfig::CurveServer(curve::ServerConfig::new(keys(2)).allow_any_client())
            }
        };
        let mut config = HandshakeConfig::new(SocketType::Pair).with_mechanism(mechanism);
        if matches!(
            self,
            Self::NullWithZap | Self::PlainServer | Self::CurveServerWithZap
        ) {
            config = config.with_zap(Policy::new("lan"));
        }
        Handshake::with_random(config, random())
    }

    /// What a sound peer says, greeting included, and after how many bytes of it ZAP is asked.
    fn sound_peer(self) -> (Vec<u8>, usize) {
        let (mut ours, mut theirs) = (self.start(), self.peer().start());
        let (mut said, mut asked_at) = (Vec::new(), 0);
        while !(ours.is_complete() && theirs.is_complete()) {
            theirs.handle_input(ours.transmit()).unwrap();
            ours.advance_transmit(ours.transmit().len());
            said.extend_from_slice(theirs.transmit());
            ours.handle_input(theirs.transmit()).unwrap();
            theirs.advance_transmit(theirs.transmit().len());
            if answer(&mut ours).is_some() {
                asked_at = said.len();
            }
            answer(&mut theirs);
        }
        (said, asked_at)
    }
}

/// Lets the peer in, if ZAP is asked about it.
fn answer(handshake: &mut Handshake) -> Option<Result<(), Error>> {
    let request = handshake.poll_zap()?;
    Some(handshake.handle_zap(Answer::Reply(Reply::success(&request, "me"))))
}

/// What a handshake came to, with ZAP answering between the two halves of the input.
fn outcome(end: End, halves: [&[&[u8]]; 2]) -> Result<(usize, Vec<u8>, Option<Peer>), Error> {
    let mut handshake = end.start();
    let mut used = 0;
    for half in halves {
        for chunk in half {
            used += handshake.handle_input(chunk)?;
        }
        if let Some(answered) = answer(&mut handshake) {
            answered?;
        }
    }
    let sent = handshake.transmit().to_vec();
    let peer = handshake.finish().ok();
    Ok((used, sent, peer.map(|established| established.peer)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_greeting_gives_the_same_steps_at_any_split(wire in greeting(), cuts in cuts()) {
        let whole = greeting_steps(&[&wire]);
        prop_assert!(whole.0 <= GREETING_LEN);
        prop_assert_eq!(greeting_steps(&split(&wire, &cuts)), whole);
        let mut parser = GreetingParser::new();
        prop_assert_eq!(most_memory(|| { let _ = parser.parse(&wire); }), 0);
    }

    #[test]
    fn headers_survive_a_round_trip(
        size in prop_oneof![0u64..600, 0..=header::MAX_SIZE],
        flags in any::<u8>(),
    ) {
        let flags = Flags::from_bits(flags).without(Flags::LONG);
        let mut buf = [0; header::MAX_LEN];
        let len = header::encode(flags, size, &mut buf);
        prop_assert_eq!(len, header::encoded_len(size));
        let (header, used) = header::decode(&buf[..len]).unwrap().unwrap();
        prop_assert_eq!((header.flags.without(Flags::LONG), header.size, used), (flags, size, len));
        prop_assert_eq!(header::decode(&buf[..len - 1]), Ok(None));
    }

    #[test]
    fn commands_survive_a_round_trip(body in command_body()) {
        let mut command = None;
        prop_assert_eq!(most_memory(|| command = Some(Command::decode(&body))), 0);
        if let Some(Ok(command)) = command {
            let mut wire = Vec::new();
            command.encode(&mut wire);
            let (head, len) = header::decode(&wire).unwrap().unwrap();
            prop_assert_eq!(head.size as usize, wire.len() - len);
            prop_assert!(head.flags.is_command() && !head.flags.is_more());
            prop_assert_eq!(Command::decode(&wire[len..]), Ok(command));
            // Nothing is dropped but a context that is too long, and what follows a reason.
            prop_assert!(body.starts_with(&wire[len..]));
        }
    }

    #[test]
    fn any_body_is_a_command_of_a_mechanism_or_an_error(
        name in prop::sample::select(vec![
            &b""[..], b"\x05HELLO", b"\x05HELLO\x01\0", b"\x07WELCOME", b"\x08INITIATE", b"\x05READY", b"\x05ERROR",
            b"\x5eRROR", b"\x07MESSAGE",
        ]),
        zeros in prop_oneof![Just(0_usize), Just(72)],
        rest in prop_oneof![bytes(), vec(any::<u8>(), 100..300)],
    ) {
        let body = [name, &vec![0; zeros], &rest].concat();
        if let Ok(command) = plain::Command::decode(&body) {
            let shown = format!("{command:?}");
            prop_assert!(!shown.is_empty());
            let mut wire = Vec::new();
            command.encode(&mut wire).unwrap();
            let (_, len) = header::decode(&wire).unwrap().unwrap();
            // But for what is ignored behind the reason of an ERROR, and for its other spelling.
            if command.name() != CommandName::Error {
                prop_assert_eq!(&wire[len..], &body);
            }
        }
        if let Ok(command) = curve::Command::decode(&body) {
            let shown = format!("{command:?}");
            prop_assert!(!shown.is_empty());
            prop_assert!(body[1..].starts_with(command.name().as_str().as_bytes()));
        }
    }

    #[test]
    fn memory_of_metadata_is_bounded(wire in bytes(), limit in 0usize..40) {
        let most = most_memory(|| drop(Metadata::decode(&wire, limit)));
        // A copy, and a list of properties that doubles as it grows.
        let bound = wire.len() + 2 * 64 * 2 * limit.min(wire.len() / 5).max(4);
        prop_assert!(most <= bound as u64, "{most} bytes");
    }

    #[test]
    fn memory_of_zap_is_bounded(frames in vec(prop_oneof![
        Just(b"1.0".to_vec()),
        Just(b"200".to_vec()),
        Just(b"PLAIN".to_vec()),
        Just(b"CURVE".to_vec()),
        vec(any::<u8>(), 32),
        bytes(),
    ], 0..12)) {
        let message: Message = frames.into_iter().collect();
        let most = most_memory(|| drop(Request::decode(&message)))
            .max(most_memory(|| drop(Request::decode_delimited(&message))))
            .max(most_memory(|| drop(Reply::decode(&message))))
            .max(most_memory(|| drop(Reply::decode_delimited(&message))));
        // A copy, and a list of fields or properties that doubles as it grows.
        let items = message.len() + message.byte_len() / 5;
        let bound = message.byte_len() + 64 * message.len() + 2 * 64 * 2 * items.max(4);
        prop_assert!(most <= bound as u64, "{most} bytes");
    }

    #[test]
    fn any_text_is_z85_or_not(text in prop_oneof![text(60), any::<String>()]) {
        let mut decoded = None;
        let most = most_memory(|| decoded = Some(z85::decode(&text)));
        prop_assert!(most <= text.len() as u64);
        if let Some(Ok(data)) = decoded {
            prop_assert_eq!(z85::encode(&data), Ok(text));
        }
    }

    #[test]
    fn websocket_headers_survive_a_round_trip(
        opcode in prop::sample::select(vec![Opcode::Binary, Opcode::Text, Opcode::Continuation, Opcode::Ping, Opcode::Pong, Opcode::Close]),
        fin in any::<bool>(),
        mask in any::<Option<[u8; 4]>>(),
        len in prop_oneof![0u64..300, 0u64..70_000, 0..=i64::MAX as u64],
    ) {
        let (fin, len) = if opcode.is_control() { (true, len % 126) } else { (fin, len) };
        let header = FrameHeader { fin, opcode, mask, len };
        let mut wire = Vec::new();
        header.encode(&mut wire);
        prop_assert_eq!(FrameHeader::decode(&wire), Ok(Some((header, wire.len()))));
        for cut in 0..wire.len() {
            prop_assert_eq!(FrameHeader::decode(&wire[..cut]), Ok(None));
        }
    }

    #[test]
    fn any_websocket_frames_give_the_same_at_any_split(
        is_client in any::<bool>(),
        wire in websocket_frames(),
        cuts in cuts(),
    ) {
        let role = if is_client { Role::Client } else { Role::Server };
        let whole = decode_websocket(role, &[&wire]);
        prop_assert_eq!(decode_websocket(role, &split(&wire, &cuts)), whole);
        // What comes out is little longer than what goes in, whatever lengths are announced.
        let most = most_memory(|| drop(decode_websocket(role, &[&wire])));
        prop_assert!(most <= 4096 + 4 * wire.len() as u64, "{most} bytes");
    }

    #[test]
    fn zmtp_frames_survive_websocket_at_any_split(
        is_client in any::<bool>(),
        bodies in vec((0u8..3, vec(any::<u8>(), 0..400)), 0..8),
        context in vec(any::<u8>(), 0..126),
        cuts in cuts(),
    ) {
        let (from, to) = if is_client { (Role::Client, Role::Server) } else { (Role::Server, Role::Client) };
        let mut frames = Vec::new();
        for (kind, body) in &bodies {
            let flags = [Flags::NONE, Flags::MORE, Flags::COMMAND][usize::from(*kind)];
            encode_frame(flags, body, &mut frames);
        }
        let ping = Control::Ping(context.into());
        let mut encoder = zws::Encoder::new(from, random());
        let mut wire = Vec::new();
        encoder.encode(&frames, &mut wire).unwrap();
        encoder.encode_control(&ping, &mut wire).unwrap();
        let decoded = decode_websocket(to, &split(&wire, &cuts));
        prop_assert_eq!(decoded, (frames, vec![ping], None));
    }

    #[test]
    fn upgrades_survive_a_round_trip(
        host in "[a-z0-9.:-]{1,40}",
        path in "[a-zA-Z0-9/?=&%._~-]{0,60}",
        offered in prop::sample::subsequence(vec![Protocol::Null, Protocol::Bare, Protocol::Plain, Protocol::Curve], 0..=4),
    ) {
        let limits = Limits::default();
        let target = Target::new(host, format!("/{path}")).unwrap();
        let request = zws::Request::new(&target, &offered, &mut random()).unwrap();
        let mut heard = zws::Request::decode(&request.encode(), &limits).unwrap();
        prop_assert_eq!(heard.field("host"), Some(request.host.as_bytes()));
        heard.fields.clear();
        prop_assert_eq!(&heard, &request);
        for protocol in [Protocol::Null, Protocol::Bare, Protocol::Plain, Protocol::Curve] {
            let response = Response::new(&heard, protocol);
            let response = Response::decode(&response.encode(), &limits).unwrap();
            prop_assert_eq!(response.check(&request).is_ok(), offered.contains(&protocol));
        }
    }

    #[test]
    fn any_upgrade_is_bounded(
        fields in vec((text(20), text(200)), 0..100),
        is_request in any::<bool>(),
        tail in bytes(),
    ) {
        let mut head = if is_request { "GET / HTTP/1.1\r\n" } else { "HTTP/1.1 101 Yes\r\n" }.to_owned();
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let limits = Limits::default().with_max_http_head_size(4000).with_max_http_fields(50);
        for head in [head.as_bytes(), &[head.as_bytes(), &tail].concat(), &tail] {
            let most = most_memory(|| drop(zws::Request::decode(head, &limits)))
                .max(most_memory(|| drop(Response::decode(head, &limits))));
            prop_assert!(most <= 64 * 50 + 2 * 4000, "{most} bytes");
        }
        // The same, in pieces and without an end.
        let now = Instant::now();
        let config = HandshakeConfig::new(SocketType::Pair).with_limits(limits);
        let most = most_memory(|| {
            let mut server = zws::Connection::accept(config, now);
            for piece in head.as_bytes().chunks(100).chain(std::iter::repeat_n(&[b'x'; 100][..], 100)) {
                if server.handle_input(piece, now).is_err() {
                    break;
                }
            }
        });
        prop_assert!(most <= 16_384 + 64 * 50 + 4 * 4000, "{most} bytes");
    }

    #[test]
    fn any_handshake_gives_the_same_at_any_split(
        end in prop::sample::select(&End::ALL[..]),
        mutations in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        tail in vec(any::<u8>(), 0..60),
        cuts in [cuts(), cuts()],
    ) {
        let (mut wire, asked_at) = end.sound_peer();
        for (index, byte) in &mutations {
            let at = index.index(wire.len());
            wire[at] = *byte;
        }
        wire.extend_from_slice(&tail);
        let (first, second) = wire.split_at(asked_at);
        let whole = outcome(end, [&[first], &[second]]);
        let halves = [split(first, &cuts[0]), split(second, &cuts[1])];
        let pieces = outcome(end, [&halves[0], &halves[1]]);
        prop_assert_eq!(&pieces, &whole);
        if mutations.is_empty() {
            let (used, _, peer) = whole.unwrap();
            prop_assert!(peer.is_some() && used == wire.len() - tail.len());
        }
        let most = most_memory(|| drop(outcome(end, [&[first], &[second]])));
        prop_assert!(most <= 24_576 + 4 * wire.len() as u64, "{most} bytes");
    }

    #[test]
    fn any_websocket_connection_is_bounded(
        frames in websocket_frames(),
        repeats in 1usize..30,
    ) {
        let limits = Limits::default()
            .with_max_frame_size(Some(1000))
            .with_max_message_size(Some(2000))
            .with_max_frames(8)
            .with_max_command_size(1000);
        let now = Instant::now();
        let config = || HandshakeConfig::new(SocketType::Pair).with_limits(limits);
        let target = Target::new("host", "/").unwrap();
        let mut client = zws::Connection::connect(config(), &target, now).unwrap();
        let request = client.poll_transmit().unwrap();
        let ready = b"\x82\x9b\0\0\0\0\x02\x05READY\x0bSocket-Type\0\0\0\x04PAIR";
        let most = most_memory(|| {
            let mut server = zws::Connection::accept(config(), now);
            server.handle_input(&request, now).unwrap();
            server.handle_input(ready, now).unwrap();
            assert!(server.peer().is_some());
            for input in std::iter::repeat_n(&frames[..], repeats) {
                for piece in input.chunks(256) {
                    if server.handle_input(piece, now).is_err() {
                        return;
                    }
                    while server.poll_event().is_some() {}
                    while server.poll_transmit().is_some() {}
                }
            }
        });
        // What the upgrade took, a message, the frame that arrives, and the events of one piece.
        let bound = 24_576 + 2 * 2000 + 2 * 1000 + 256 * 256;
        prop_assert!(most <= bound, "{most} bytes");
    }
}
