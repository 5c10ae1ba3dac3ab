//! Recorded connections, replayed, and everything that a peer can do wrong.

use core::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::curve::boxes::BoxKey;
use crate::curve::{ClientConfig, KeyPair, PublicKey, SecretKey, ServerConfig};
use crate::header;
use crate::random::script;
use crate::zap::{Answer, Credentials, Policy, Reply, Status};
use crate::{
    Established, Handshake, HandshakeConfig, Item, MechanismConfig, Message, Random, SocketType,
};

/// Where the server bit stands in a greeting; libzmq never sets it.
const AS_SERVER: usize = 32;

/// A recorded connection, with what was in its boxes.
struct Recording {
    keys: Vec<(String, Vec<u8>)>,
    client: Side,
    server: Side,
}

#[derive(Default)]
struct Side {
    wire: Vec<u8>,
    metadata: Vec<u8>,
    /// The flags and bodies of its messages.
    frames: Vec<(u8, Vec<u8>)>,
}

impl Recording {
    fn parse(text: &str) -> Self {
        let mut recording = Self {
            keys: Vec::new(),
            client: Side::default(),
            server: Side::default(),
        };
        let mut from_client = true;
        for line in text.lines() {
            let fields: Vec<_> = line.split(' ').collect();
            match fields[..] {
                ["K", name, value] => recording.keys.push((name.to_owned(), hex(value))),
                [side @ ("C" | "S"), _tag, _label, bytes] => {
                    from_client = side == "C";
                    recording.side(from_client).wire.extend(hex(bytes));
                }
                [
                    "#",
                    "",
                    "",
                    "initiate" | "ready",
                    "plaintext:",
                    "metadata",
                    bytes,
                ] => {
                    recording.side(from_client).metadata = hex(bytes);
                }
                [
                    "#",
                    "",
                    "",
                    "message",
                    "plaintext:",
                    "flags",
                    flags,
                    "body",
                    body,
                ] => {
                    let frame = (hex(flags)[0], hex(body));
                    recording.side(from_client).frames.push(frame);
                }
                _ => assert!(line.starts_with('#'), "{line}"),
            }
        }
        recording
    }

    fn side(&mut self, client: bool) -> &mut Side {
        if client {
            &mut self.client
        } else {
            &mut self.server
        }
    }

    fn key(&self, name: &str) -> &[u8] {
        &self.keys.iter().find(|(key, _)| key == name).unwrap().1
    }

    fn secret(&self, name: &str) -> SecretKey {
        SecretKey::from_bytes(self.key(name).try_into().unwrap())
    }

    fn client_config(&self) -> HandshakeConfig {
        let server = self.key("server-longterm-public").try_into().unwrap();
        let own = KeyPair::from_secret(self.secret("client-longterm-secret"));
        let config = ClientConfig::new(PublicKey::from_bytes(server), own);
        introduced_as(&self.client.metadata).with_mechanism(MechanismConfig::CurveClient(config))
    }

    fn server_config(&self) -> HandshakeConfig {
        let own = KeyPair::from_secret(self.secret("server-longterm-secret"));
        introduced_as(&self.server.metadata).with_mechanism(MechanismConfig::CurveServer(
            ServerConfig::new(own).allow_any_client(),
        ))
    }

    /// Plays one end against the recorded other, and compares both what is sent and what is heard.
    fn replay(&self, client: bool, is_scripted: bool, chunk: usize) {
        let (config, random, own, peer) = if client {
            let random = ["client-transient-secret", "vouch-nonce"].map(|name| self.key(name));
            let config = self.client_config();
            (config, script::random(&random), &self.client, &self.server)
        } else {
            let names = [
                "server-transient-secret",
                "cookie-key",
                "cookie-nonce",
                "welcome-nonce",
            ];
            let random = names.map(|name| self.key(name));
            let config = self.server_config();
            (config, script::random(&random), &self.server, &self.client)
        };
        let mut handshake = Handshake::with_random(config, random);
        let mut sent = Vec::new();
        let mut used = 0;
        for chunk in peer.wire.chunks(chunk) {
            used += handshake.handle_input(chunk).unwrap();
            sent.extend_from_slice(handshake.transmit());
            handshake.advance_transmit(handshake.transmit().len());
        }
        let Established {
            mut encoder,
            mut decoder,
            ..
        } = handshake.finish().unwrap();

        let mut rest = &peer.wire[used..];
        let mut heard = Vec::new();
        while !rest.is_empty() {
            let mut taken = 0;
            while taken < rest.len() {
                let end = rest.len().min(taken.saturating_add(chunk));
                let (used, item) = decoder.decode(&rest[taken..end]).unwrap();
                taken += used;
                heard.extend(item);
            }
            rest = &rest[taken..];
        }
        assert_eq!(heard, items(&peer.frames));

        for (flags, body) in &own.frames {
            let flag = |bit, flag| if flags & bit != 0 { flag } else { Flags::NONE };
            let flags = flag(1, Flags::MORE).with(flag(2, Flags::COMMAND));
            encoder.encode_frame(flags, body, &mut sent);
        }
        // The one byte that is ours: libzmq does not say that it is the server.
        let mut expected = own.wire.clone();
        expected[AS_SERVER] = u8::from(!client);
        if is_scripted {
            // libzmq's padding tells the length of its identity, as ours does; a script's does not.
            expected[1..9].copy_from_slice(&sent[1..9]);
        }
        assert_eq!(text(&sent), text(&expected));
    }
}

/// Messages and commands out of frames with the flags of boxes.
fn items(frames: &[(u8, Vec<u8>)]) -> Vec<Item> {
    let mut items = Vec::new();
    let mut message = Message::new();
    for (flags, body) in frames {
        if flags & 2 != 0 {
            items.push(Item::Command(body.into()));
            continue;
        }
        message.push_back(body);
        if flags & 1 == 0 {
            items.push(Item::Message(core::mem::take(&mut message)));
        }
    }
    items
}

fn introduced_as(metadata: &[u8]) -> HandshakeConfig {
    let metadata = crate::Metadata::decode(metadata, 16).unwrap();
    let socket_type = SocketType::from_name(metadata.get("Socket-Type").unwrap()).unwrap();
    let identity = metadata.get("Identity").unwrap_or_default().to_vec();
    HandshakeConfig::new(socket_type)
        .with_identity(identity)
        .unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

const BOTH_PUB_SUB: &str = include_str!("../../../tests/vectors/curve-libzmq-both-pub-sub.hex");
const BOTH_ROUTER_DEALER: &str =
    include_str!("../../../tests/vectors/curve-libzmq-both-router-dealer.hex");
const LIBZMQ_SERVER: &str = include_str!("../../../tests/vectors/curve-libzmq-server.hex");
const LIBZMQ_CLIENT: &str = include_str!("../../../tests/vectors/curve-libzmq-client.hex");
const REFUSED: &str = include_str!("../../../tests/vectors/curve-refused.hex");

// spec: WIRE-4.3/recorded: with the same randomness both ends say what libzmq says, byte for byte
// spec: RFC25/greeting: the mechanism is CURVE, and the server says that it is one
#[test]
fn two_libzmqs_are_reproduced_byte_for_byte() {
    for text in [BOTH_PUB_SUB, BOTH_ROUTER_DEALER] {
        let recording = Recording::parse(text);
        for chunk in [1, 7, usize::MAX] {
            recording.replay(true, false, chunk);
            recording.replay(false, false, chunk);
        }
    }
}

// spec: WIRE-4.3/recorded-client: a client says what an independent client said to libzmq
// spec: WIRE-4.3/recorded-server: a server says what an independent server said to libzmq
#[test]
fn real_libzmqs_are_talked_to_byte_for_byte() {
    Recording::parse(LIBZMQ_SERVER).replay(true, true, usize::MAX);
    Recording::parse(LIBZMQ_CLIENT).replay(false, true, usize::MAX);
}

// spec: RFC26/error: ERROR in place of READY refuses the client, and names the status
#[test]
fn a_recorded_refusal_is_understood_and_written_alike() {
    let mut recording = Recording::parse(REFUSED);
    recording.client.metadata = b"\x0bSocket-Type\0\0\0\x06DEALER".to_vec();
    let random = ["client-transient-secret", "vouch-nonce"].map(|name| recording.key(name));
    let mut client = Handshake::with_random(recording.client_config(), script::random(&random));
    let (before, error) = recording.server.wire.split_last_chunk::<12>().unwrap();
    client.handle_input(before).unwrap();
    let sent = client.transmit();
    // A script made the client's greeting: its padding is not ours.
    assert_eq!(text(&sent[9..]), text(&recording.client.wire[9..]));
    let error = client.handle_input(error).unwrap_err();
    assert_eq!(error.auth_event_code(), Some(400));

    let mut pair = Pair::with_policy(Policy::new("lan"));
    let hello = pair.client.start();
    let welcome = pair.server.take(&hello).unwrap();
    let initiate = pair.client.take(&welcome).unwrap();
    assert_eq!(pair.server.take(&initiate), Ok(Vec::new()));
    assert_eq!(
        pair.server.machine.poll_zap(),
        Some(Credentials::Curve {
            public_key: *client_keys().public().as_bytes()
        })
    );
    assert_eq!(pair.server.machine.poll_zap(), None);
    let sent = pair.server.answer(Status::AuthenticationFailure).unwrap();
    assert!(recording.server.wire.ends_with(&sent), "{sent:?}");
    assert_eq!(
        pair.server.machine.refusal(),
        Some(Status::AuthenticationFailure)
    );
    let error = pair.client.take(&sent).unwrap_err();
    assert_eq!(error.auth_event_code(), Some(400));
    assert!(pair.server.take(&initiate).is_err());
}

fn client_keys() -> KeyPair {
    KeyPair::from_secret(SecretKey::from_bytes([11; 32]))
}

fn server_keys() -> KeyPair {
    KeyPair::from_secret(SecretKey::from_bytes([22; 32]))
}

struct Pair {
    client: End<CurveClient>,
    server: End<CurveServer>,
}

/// A state machine with what it needs beside it.
struct End<M> {
    machine: M,
    config: HandshakeConfig,
    random: Random,
}

impl Pair {
    fn new() -> Self {
        let config = ClientConfig::new(*server_keys().public(), client_keys());
        let client = End {
            machine: CurveClient::new(config),
            config: HandshakeConfig::new(SocketType::Dealer)
                .with_identity("me")
                .unwrap(),
            random: Random::system(),
        };
        let server = ServerConfig::new(server_keys()).allow_any_client();
        let server = End {
            machine: CurveServer::new(server.clone()),
            config: HandshakeConfig::new(SocketType::Router)
                .with_mechanism(MechanismConfig::CurveServer(server)),
            random: Random::system(),
        };
        Self { client, server }
    }

    fn with_policy(policy: Policy) -> Self {
        let mut pair = Self::new();
        pair.server.config = pair.server.config.with_zap(policy);
        pair
    }

    /// All four commands of the handshake, as frames.
    fn run(&mut self) -> [Vec<u8>; 4] {
        let hello = self.client.start();
        let welcome = self.server.take(&hello).unwrap();
        let initiate = self.client.take(&welcome).unwrap();
        let ready = self.server.take(&initiate).unwrap();
        self.client.take(&ready).unwrap();
        [hello, welcome, initiate, ready]
    }
}

impl End<CurveClient> {
    fn start(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.machine.start(&mut self.random, &mut out).unwrap();
        out
    }

    fn take(&mut self, frame: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        let random = &mut self.random;
        self.machine
            .on_command(body(frame), &self.config, random, &mut out)?;
        Ok(out)
    }
}

impl End<CurveServer> {
    fn take(&mut self, frame: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        let random = &mut self.random;
        self.machine
            .on_command(body(frame), &self.config, random, &mut out)?;
        Ok(out)
    }

    fn answer(&mut self, status: Status) -> Result<Vec<u8>, Error> {
        let request = crate::zap::Request::new(Credentials::Null);
        let answer = Answer::Reply(Reply::decision(&request, status, ""));
        let policy = self.config.zap().unwrap().clone();
        let mut out = Vec::new();
        self.machine
            .on_zap(&answer, &policy, &self.config, &mut out)?;
        Ok(out)
    }
}

fn body(frame: &[u8]) -> &[u8] {
    let (header, len) = header::decode(frame).unwrap().unwrap();
    assert!(header.flags.is_command());
    assert_eq!(header.size as usize, frame.len() - len);
    &frame[len..]
}

/// A command frame of these bytes.
fn frame_of(body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    push_head(body.len(), &mut frame);
    frame.extend_from_slice(body);
    frame
}

fn code(result: Result<Vec<u8>, Error>) -> u32 {
    result.unwrap_err().protocol_event_code().unwrap()
}

const UNEXPECTED: u32 = 0x1000_0001;
const KEY_EXCHANGE: u32 = 0x1000_0003;
const MALFORMED: u32 = 0x1000_0011;
const MALFORMED_HELLO: u32 = 0x1000_0013;
const MALFORMED_INITIATE: u32 = 0x1000_0014;
const MALFORMED_ERROR: u32 = 0x1000_0015;
const MALFORMED_READY: u32 = 0x1000_0016;
const CRYPTOGRAPHIC: u32 = 0x1100_0001;

// spec: RFC26/handshake: HELLO, WELCOME, INITIATE, READY, and both know each other's metadata
// spec: RFC26/hello-size: HELLO has 200 bytes and WELCOME 168, so that nothing is amplified
// spec: RFC25/metadata: INITIATE and READY carry the metadata of ZMTP
#[test]
fn strangers_become_acquainted() {
    let mut pair = Pair::new();
    let [hello, welcome, initiate, ready] = pair.run();
    assert_eq!((hello.len(), welcome.len()), (202, 170));
    assert_eq!(hello[..10], *b"\x04\xc8\x05HELLO\x01\x00");
    assert_eq!(initiate[..2], [6, 0], "INITIATE is long");
    assert_eq!(ready[..8], *b"\x04\x41\x05READY");
    let seen = pair.server.machine.take_peer_metadata().unwrap();
    assert_eq!(seen.get("Identity"), Some(&b"me"[..]));
    let seen = pair.client.machine.take_peer_metadata().unwrap();
    assert_eq!(seen.get("Socket-Type"), Some(&b"ROUTER"[..]));
    assert_eq!(pair.client.machine.take_peer_metadata(), None);

    let mut client = pair.client.machine.into_session().unwrap();
    let mut server = pair.server.machine.into_session().unwrap();
    let mut wire = Vec::new();
    client.seal(Flags::MORE, b"one", &mut wire).unwrap();
    let (flags, text) = server.open(&mut wire[2..]).unwrap();
    assert_eq!((flags, &wire[2..][text]), (Flags::MORE, &b"one"[..]));
    wire.clear();
    server.seal(Flags::COMMAND, b"\x04PONG", &mut wire).unwrap();
    let (flags, text) = client.open(&mut wire[2..]).unwrap();
    assert_eq!(
        (flags, &wire[2..][text]),
        (Flags::COMMAND, &b"\x04PONG"[..])
    );
}

// spec: RFC26/zap: the server asks with the client's key, and READY follows the answer 200
#[test]
fn zap_decides_who_comes_in() {
    let initiated = |policy: Policy| {
        let mut pair = Pair::with_policy(policy);
        let hello = pair.client.start();
        let welcome = pair.server.take(&hello).unwrap();
        let initiate = pair.client.take(&welcome).unwrap();
        let answer = pair.server.take(&initiate).unwrap();
        (pair, answer)
    };
    let (mut pair, none) = initiated(Policy::new(""));
    assert!(none.is_empty());
    let early = pair.server.answer(Status::Success);
    assert_eq!(early, Err(Error::UnexpectedZapAnswer), "not asked yet");
    assert!(pair.server.machine.poll_zap().is_some());
    assert_eq!(code(pair.server.take(b"\x04\x05\x04PING")), UNEXPECTED);
    let ready = pair.server.answer(Status::Success).unwrap();
    pair.client.take(&ready).unwrap();
    let again = pair.server.answer(Status::Success);
    assert_eq!(again, Err(Error::UnexpectedZapAnswer), "once only");

    let (mut pair, _) = initiated(Policy::new("d"));
    assert!(pair.server.machine.poll_zap().is_some());
    let error = pair.server.answer(Status::TemporaryError).unwrap_err();
    assert_eq!(error.auth_event_code(), Some(300));
}

// spec: RFC26/hello: size, version, padding and box of HELLO are checked
#[test]
fn hello_is_checked_whole() {
    let fresh = || {
        let mut pair = Pair::new();
        (pair.client.start(), pair.server)
    };
    let (hello, _) = fresh();
    let hello = body(&hello);
    for len in [6, 7, 199, 201] {
        let mut cut = hello.to_vec();
        cut.resize(len, 0);
        assert_eq!(
            code(fresh().1.take(&frame_of(&cut))),
            MALFORMED_HELLO,
            "{len}"
        );
    }
    for (at, expected) in [
        (0, MALFORMED),
        (1, UNEXPECTED),
        (6, MALFORMED_HELLO),
        (7, MALFORMED_HELLO),
        (8, MALFORMED_HELLO),
        (79, MALFORMED_HELLO),
        (80, CRYPTOGRAPHIC),
        (112, CRYPTOGRAPHIC),
        (119, CRYPTOGRAPHIC),
        (120, CRYPTOGRAPHIC),
        (199, CRYPTOGRAPHIC),
    ] {
        let mut changed = hello.to_vec();
        changed[at] ^= 0xFF;
        assert_eq!(code(fresh().1.take(&frame_of(&changed))), expected, "{at}");
    }
    // A point of small order, with which every secret key agrees on nothing.
    let mut changed = hello.to_vec();
    changed[80..112].fill(0);
    assert_eq!(code(fresh().1.take(&frame_of(&changed))), CRYPTOGRAPHIC);
}

// spec: RFC26/hello-zeros: what HELLO encrypts is 64 zeros
#[test]
fn hello_holds_zeros() {
    let transient = KeyPair::from_secret(SecretKey::from_bytes([3; 32]));
    let key = BoxKey::agree(transient.secret(), server_keys().public()).unwrap();
    for (last, fine) in [(0, true), (1, false)] {
        let mut hello = [
            HELLO,
            &VERSION,
            &[0; PADDING],
            transient.public().as_bytes(),
        ]
        .concat();
        let number = 7_u64.to_be_bytes();
        hello.extend_from_slice(&number);
        let nonce = short_nonce(HELLO_PURPOSE, number);
        key.seal(&nonce, &[&[0; 63], &[last]], &mut hello);
        let result = Pair::new().server.take(&frame_of(&hello));
        assert_eq!(result.is_ok(), fine);
        if !fine {
            assert_eq!(code(result), MALFORMED_HELLO);
        }
    }
}

/// Makes INITIATE by hand, with what a client would never say.
fn initiate(
    pair: &mut Pair,
    vouched: Option<&PublicKey>,
    server: Option<&PublicKey>,
    voucher: &KeyPair,
    metadata: &[u8],
) -> Vec<u8> {
    let transient = KeyPair::from_secret(SecretKey::from_bytes([3; 32]));
    let mut client = CurveClient::new(ClientConfig::new(*server_keys().public(), client_keys()));
    let mut hello = Vec::new();
    let mut random = script::random(&[&[3; 32]]);
    client.start(&mut random, &mut hello).unwrap();
    let welcome = pair.server.take(&hello).unwrap();
    let welcome = body(&welcome);
    let key = BoxKey::agree(transient.secret(), server_keys().public()).unwrap();
    let mut sealed = welcome[24..].to_vec();
    let nonce = long_nonce(WELCOME_PURPOSE, field(welcome, 8));
    let opened = key.open(&nonce, &mut sealed).unwrap();
    let server_transient = PublicKey::from_bytes(*field(opened, 0));
    let server_public = *server_keys().public();
    let mut vouch = Vec::new();
    BoxKey::agree(voucher.secret(), &server_transient)
        .unwrap()
        .seal(
            &long_nonce(VOUCH_PURPOSE, &[9; 16]),
            &[
                vouched.unwrap_or_else(|| transient.public()).as_bytes(),
                server.unwrap_or(&server_public).as_bytes(),
            ],
            &mut vouch,
        );
    let number = 2_u64.to_be_bytes();
    let mut out = [INITIATE, &opened[32..], &number].concat();
    BoxKey::agree(transient.secret(), &server_transient)
        .unwrap()
        .seal(
            &short_nonce(INITIATE_PURPOSE, number),
            &[
                client_keys().public().as_bytes(),
                &[9; 16],
                &vouch,
                metadata,
            ],
            &mut out,
        );
    frame_of(&out)
}

// spec: RFC26/vouch: the vouch is for C', to S, by the owner of c
#[test]
fn both_halves_of_the_vouch_are_checked() {
    let other = *KeyPair::from_secret(SecretKey::from_bytes([4; 32])).public();
    let own = client_keys();
    let stranger = KeyPair::from_secret(SecretKey::from_bytes([5; 32]));
    let fine = b"\x0bSocket-Type\0\0\0\x06DEALER";
    let result = |vouched, server, voucher: &KeyPair, metadata: &[u8]| {
        let mut pair = Pair::new();
        let initiate = initiate(&mut pair, vouched, server, voucher, metadata);
        pair.server.take(&initiate)
    };
    assert!(result(None, None, &own, fine).is_ok());
    assert!(result(None, None, &own, b"").is_ok());
    assert_eq!(code(result(Some(&other), None, &own, fine)), KEY_EXCHANGE);
    assert_eq!(code(result(None, Some(&other), &own, fine)), KEY_EXCHANGE);
    assert_eq!(code(result(None, None, &stranger, fine)), CRYPTOGRAPHIC);
    let broken = result(None, None, &own, b"\x0bSocket-Type\0\0\0\x07DEALER");
    assert_eq!(broken, Err(Error::MalformedMetadata));
}

// spec: RFC26/cookie: an INITIATE works on the connection that gave the cookie, and only once
#[test]
fn a_recorded_initiate_is_worth_nothing() {
    let mut pair = Pair::new();
    let [hello, _, initiate, _] = pair.run();
    assert_eq!(code(pair.server.take(&initiate)), UNEXPECTED);
    let mut replayed = Pair::new().server;
    assert_eq!(code(replayed.take(&initiate)), UNEXPECTED, "before HELLO");
    let mut replayed = Pair::new().server;
    replayed.take(&hello).unwrap();
    assert_eq!(code(replayed.take(&initiate)), CRYPTOGRAPHIC);
}

// spec: RFC26/initiate: size, cookie and box of INITIATE are checked
#[test]
fn initiate_is_checked() {
    let welcomed = || {
        let mut pair = Pair::new();
        let hello = pair.client.start();
        let welcome = pair.server.take(&hello).unwrap();
        (pair.client.take(&welcome).unwrap(), pair.server)
    };
    let (initiate, mut server) = welcomed();
    let short = &body(&initiate)[..256];
    assert_eq!(code(server.take(&frame_of(short))), MALFORMED_INITIATE);
    for at in [9, 25, 104, 112, 113, 256] {
        let (initiate, mut server) = welcomed();
        let mut changed = body(&initiate).to_vec();
        changed[at] ^= 1;
        assert_eq!(
            code(server.take(&frame_of(&changed))),
            CRYPTOGRAPHIC,
            "{at}"
        );
    }
}

// spec: RFC26/order: each command is valid at its place only
#[test]
fn nothing_is_taken_out_of_order() {
    let [hello, welcome, initiate, ready] = Pair::new().run();
    let mut pair = Pair::new();
    let own_hello = pair.client.start();
    for wrong in [&ready, &hello, &initiate] {
        assert_eq!(code(pair.client.take(wrong)), UNEXPECTED);
    }
    assert_eq!(code(pair.client.take(&welcome)), CRYPTOGRAPHIC, "another's");
    for wrong in [&welcome, &initiate, &ready] {
        assert_eq!(code(pair.server.take(wrong)), UNEXPECTED);
    }
    let own_welcome = pair.server.take(&own_hello).unwrap();
    assert_eq!(code(pair.server.take(&own_hello)), UNEXPECTED);
    let own_initiate = pair.client.take(&own_welcome).unwrap();
    assert_eq!(code(pair.client.take(&own_welcome)), UNEXPECTED, "repeated");
    let own_ready = pair.server.take(&own_initiate).unwrap();
    assert_eq!(code(pair.client.take(&ready)), CRYPTOGRAPHIC, "another's");
    pair.client.take(&own_ready).unwrap();
    assert_eq!(code(pair.client.take(&own_ready)), UNEXPECTED);
    let error = frame_of(b"\x05ERROR\x03400");
    assert_eq!(code(pair.client.take(&error)), UNEXPECTED);
    assert_eq!(code(pair.server.take(&own_hello)), UNEXPECTED);
}

// spec: WIRE-8/27: what is no command at all is malformed to a server
// spec: WIRE-8/33: a WELCOME of another size does not open
// spec: WIRE-8/34: a READY under 30 bytes is malformed
#[test]
fn sizes_and_errors_are_told_apart() {
    for nothing in [&b""[..], b"\x05", b"\xFFHELLO"] {
        assert_eq!(code(Pair::new().server.take(&frame_of(nothing))), MALFORMED);
    }
    let mut pair = Pair::new();
    let hello = pair.client.start();
    let welcome = pair.server.take(&hello).unwrap();
    for len in [8, 167] {
        let short = frame_of(&body(&welcome)[..len]);
        assert_eq!(code(pair.client.take(&short)), CRYPTOGRAPHIC);
    }
    let initiate = pair.client.take(&welcome).unwrap();
    let ready = pair.server.take(&initiate).unwrap();
    let short = frame_of(&body(&ready)[..29]);
    assert_eq!(code(pair.client.take(&short)), MALFORMED_READY);
    let malformed = frame_of(b"\x05ERROR\x04400");
    assert_eq!(code(pair.client.take(&malformed)), MALFORMED_ERROR);
    let refused = pair.client.take(&frame_of(b"\x05ERROR\x02no")).unwrap_err();
    let reason = "no".into();
    assert_eq!(refused, Error::Refused { reason });
}

#[test]
fn a_server_key_that_is_none_is_refused_at_the_start() {
    let config = ClientConfig::new(PublicKey::from_bytes([0; 32]), client_keys());
    let result = CurveClient::new(config).start(&mut Random::system(), &mut Vec::new());
    assert_eq!(result, Err(Error::InvalidServerKey));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whichever byte of whichever command is changed, whoever gets it says so.
    #[test]
    fn no_change_of_any_byte_goes_unnoticed(
        command in 0..4_usize,
        at: prop::sample::Index,
        flip in 1_u8..,
    ) {
        let change = |frame: &[u8]| {
            let mut changed = body(frame).to_vec();
            let at = at.index(changed.len());
            changed[at] ^= flip;
            frame_of(&changed)
        };
        let mut pair = Pair::new();
        let hello = pair.client.start();
        if command == 0 {
            prop_assert!(pair.server.take(&change(&hello)).is_err());
            return Ok(());
        }
        let welcome = pair.server.take(&hello).unwrap();
        if command == 1 {
            prop_assert!(pair.client.take(&change(&welcome)).is_err());
            return Ok(());
        }
        let initiate = pair.client.take(&welcome).unwrap();
        if command == 2 {
            prop_assert!(pair.server.take(&change(&initiate)).is_err());
            return Ok(());
        }
        let ready = pair.server.take(&initiate).unwrap();
        prop_assert!(pair.client.take(&change(&ready)).is_err());
    }

    /// Commands of any bytes give an error at any time, and nothing worse.
    #[test]
    fn no_bytes_do_harm(
        name in prop::sample::select(vec![HELLO, WELCOME, INITIATE, READY, b"\x05ERROR", b""]),
        len in 0..400_usize,
        fill: u8,
        stage in 0..3_usize,
    ) {
        let mut bytes = name.to_vec();
        bytes.resize(bytes.len() + len, fill);
        let bytes = frame_of(&bytes);
        let mut pair = Pair::new();
        let hello = pair.client.start();
        let mut frames = Vec::new();
        if stage > 0 {
            frames = pair.server.take(&hello).unwrap();
        }
        if stage > 1 {
            pair.client.take(&frames).unwrap();
        }
        prop_assert!(pair.server.take(&bytes).is_err());
        prop_assert!(pair.client.take(&bytes).is_err());
    }
}
