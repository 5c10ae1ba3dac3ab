//! What is left in memory that was given back: nothing that is secret.
//!
//! The allocator of this program looks into every block that is freed, and counts those in which one
//! of the secrets of the test still stands. It hands out and takes back clean memory, so that whatever
//! it finds was left by the owner of the block.

use std::alloc::{GlobalAlloc, Layout, System};
use std::convert::Infallible;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use rand_core::{TryCryptoRng, TryRng};
use zmtp::curve::{self, KeyPair, SecretKey};
use zmtp::zap::{Answer, Credentials, Policy, Reply, Request};
use zmtp::{
    Connection, Event, Handshake, HandshakeConfig, Item, MechanismConfig, Message, Random, SansIo,
    SocketType, plain, zws,
};

/// How many bytes of a secret make a find.
const NEEDLE: usize = 16;

static NEEDLES: OnceLock<Vec<[u8; NEEDLE]>> = OnceLock::new();
static IS_WATCHING: AtomicBool = AtomicBool::new(false);
static FREED: AtomicUsize = AtomicUsize::new(0);
/// One bit for each needle that was found.
static FOUND: AtomicUsize = AtomicUsize::new(0);

struct Spy;

// SAFETY: everything is passed on to the system's allocator, with the layout that it was given.
unsafe impl GlobalAlloc for Spy {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is the caller's, of this size, and initialised, since it was zeroed when
        // it was handed out. Nobody else refers to it any more.
        let bytes = unsafe { std::slice::from_raw_parts_mut(block, layout.size()) };
        if IS_WATCHING.load(Ordering::Relaxed) {
            FREED.fetch_add(1, Ordering::Relaxed);
            for (number, needle) in NEEDLES.get().into_iter().flatten().enumerate() {
                if bytes.windows(NEEDLE).any(|window| window == needle) {
                    FOUND.fetch_or(1 << number, Ordering::Relaxed);
                }
            }
        }
        bytes.fill(0);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) }
    }

    // `realloc` is made of the two, as it is unless it is written: what it leaves is seen too.
}

#[global_allocator]
static SPY: Spy = Spy;

/// Makes its bytes out of their number, so that it does not itself keep what it gave away.
struct Numbers {
    seed: u64,
    at: u64,
}

impl TryRng for Numbers {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            *byte = byte_number(self.seed, self.at);
            self.at += 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for Numbers {}

fn byte_number(seed: u64, at: u64) -> u8 {
    let mixed = (seed ^ at.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (mixed >> 40) as u8
}

fn drawn(seed: u64, at: u64) -> [u8; 32] {
    std::array::from_fn(|i| byte_number(seed, at + i as u64))
}

fn numbers(seed: u64) -> Random {
    Random::from_rng(Numbers { seed, at: 0 })
}

const CLIENT: u64 = 1;
const SERVER: u64 = 2;
const PASSWORD: &str = "correct horse battery staple, and more of it";

fn lasting(seed: u64) -> SecretKey {
    SecretKey::from_bytes(drawn(seed, 1_000_000))
}

/// Every secret of a CURVE connection with the randomness of [`numbers`], computed by other
/// implementations, and the password.
fn secrets() -> Vec<(&'static str, [u8; NEEDLE])> {
    let agree = |secret: [u8; 32], with: [u8; 32]| {
        let public = x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from(with));
        *x25519_dalek::StaticSecret::from(secret)
            .diffie_hellman(&public)
            .as_bytes()
    };
    let derive = |key: [u8; 32], prefix: &[u8; 16]| -> [u8; 32] {
        salsa20::hsalsa::<salsa20::cipher::consts::U10>(&key.into(), prefix.into()).into()
    };
    let (client, server) = (drawn(CLIENT, 0), drawn(SERVER, 0));
    let cookie = drawn(SERVER, 32);
    let (own, servers) = (*lasting(CLIENT).as_bytes(), *lasting(SERVER).as_bytes());
    let hello = derive(agree(client, servers), &[0; 16]);
    let vouch = derive(agree(own, server), &[0; 16]);
    let traffic = derive(agree(client, server), &[0; 16]);
    let head = |bytes: &[u8]| *bytes.first_chunk::<NEEDLE>().expect("long enough");
    vec![
        ("the client's lasting key", head(&own)),
        ("the server's lasting key", head(&servers)),
        ("the client's transient key", head(&client)),
        ("the server's transient key", head(&server)),
        ("the cookie's key", head(&cookie)),
        ("the key of HELLO and WELCOME", head(&hello)),
        ("the key of the vouch", head(&vouch)),
        ("the key of INITIATE and READY", head(&traffic)),
        (
            "the key of what the client says",
            head(&derive(traffic, b"CurveZMQMESSAGEC")),
        ),
        (
            "the key of what the server says",
            head(&derive(traffic, b"CurveZMQMESSAGES")),
        ),
        ("the password", head(PASSWORD.as_bytes())),
    ]
}

/// Runs something, and tells which secrets were found in memory that it freed.
fn found(names: &[&str], run: impl FnOnce()) -> Vec<String> {
    FOUND.store(0, Ordering::Relaxed);
    FREED.store(0, Ordering::Relaxed);
    IS_WATCHING.store(true, Ordering::Relaxed);
    run();
    IS_WATCHING.store(false, Ordering::Relaxed);
    assert!(FREED.load(Ordering::Relaxed) > 20, "the spy sees blocks");
    let found = FOUND.load(Ordering::Relaxed);
    let is_found = |number: &usize| found >> number & 1 == 1;
    let numbers = (0..names.len()).filter(is_found);
    numbers.map(|number| names[number].to_owned()).collect()
}

fn curve_ends() -> [HandshakeConfig; 2] {
    let server = KeyPair::from_secret(lasting(SERVER));
    let client = curve::ClientConfig::new(*server.public(), KeyPair::from_secret(lasting(CLIENT)));
    let client = MechanismConfig::CurveClient(client);
    let server = MechanismConfig::CurveServer(curve::ServerConfig::new(server));
    [
        HandshakeConfig::new(SocketType::Dealer).with_mechanism(client),
        HandshakeConfig::new(SocketType::Dealer)
            .with_mechanism(server)
            .with_zap(Policy::new("lan")),
    ]
}

fn plain_ends() -> [HandshakeConfig; 2] {
    // So long that nothing which is said later lies where the password was.
    let name = "admin".repeat(40);
    let client = plain::ClientConfig::new(name, PASSWORD).unwrap();
    let server = plain::ServerConfig::new();
    [
        HandshakeConfig::new(SocketType::Dealer)
            .with_mechanism(MechanismConfig::PlainClient(client)),
        HandshakeConfig::new(SocketType::Dealer)
            .with_mechanism(MechanismConfig::PlainServer(server)),
    ]
}

/// What a handler does, which gets the question as a message.
fn answer(request: &Request) -> Answer {
    let request = Request::decode(&request.encode()).unwrap();
    if let Credentials::Plain { password, .. } = &request.credentials {
        assert_eq!(*password, PASSWORD.as_bytes());
    }
    Answer::Reply(Reply::success(&request, "somebody"))
}

/// The parts alone, as an engine of its own uses them.
fn handshakes([client, server]: [HandshakeConfig; 2], piece: usize) {
    let mut client = Box::new(Handshake::with_random(client, numbers(CLIENT)));
    let mut server = Box::new(Handshake::with_random(server, numbers(SERVER)));
    while !(client.is_complete() && server.is_complete()) {
        let len = client.transmit().len().min(piece);
        let used = server.handle_input(&client.transmit()[..len]).unwrap();
        client.advance_transmit(used);
        if let Some(request) = server.poll_zap() {
            server.handle_zap(answer(&request)).unwrap();
        }
        let used = client.handle_input(server.transmit()).unwrap();
        server.advance_transmit(used);
    }
    let mut client = Box::new(client.finish().unwrap());
    let mut server = Box::new(server.finish().unwrap());
    let message = Message::from(["not", "secret"]);
    let mut wire = Vec::new();
    client.encoder.encode_message(&message, &mut wire);
    let item = server.decoder.decode(&wire).unwrap().1;
    assert_eq!(item, Some(Item::Message(message)));
}

/// Takes output whole, or in pieces of so many bytes.
fn carry(from: &mut dyn SansIo, to: &mut dyn SansIo, piece: Option<usize>, now: Instant) {
    let mut buffer = [0; 64];
    match piece {
        None => {
            while let Some(bytes) = from.poll_transmit() {
                to.handle_input(&bytes, now).unwrap();
            }
        }
        Some(piece) => {
            let len = from.transmit_into(&mut buffer[..piece]);
            to.handle_input(&buffer[..len], now).unwrap();
        }
    }
}

fn talk(mut client: Box<dyn SansIo>, mut server: Box<dyn SansIo>, piece: Option<usize>) {
    let now = Instant::now();
    client.send("not secret".into()).unwrap();
    let mut heard = 0;
    while heard == 0 {
        carry(&mut *client, &mut *server, piece, now);
        while let Some(event) = server.poll_event() {
            match event {
                Event::Authenticate(request) => {
                    server.handle_zap(answer(&request), now).unwrap();
                }
                Event::Message(_) => heard += 1,
                _ => {}
            }
        }
        carry(&mut *server, &mut *client, piece, now);
    }
}

fn connections([client, server]: [HandshakeConfig; 2], piece: Option<usize>) {
    let now = Instant::now();
    talk(
        Box::new(Connection::with_random(client, numbers(CLIENT), now)),
        Box::new(Connection::with_random(server, numbers(SERVER), now)),
        piece,
    );
}

/// Masks that hide nothing, so that what is left behind them is seen.
struct Zeros;

impl TryRng for Zeros {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.fill(0);
        Ok(())
    }
}

impl TryCryptoRng for Zeros {}

fn web_sockets([client, server]: [HandshakeConfig; 2], piece: Option<usize>) {
    let now = Instant::now();
    let target = zws::Target::new("example.com", "/").unwrap();
    let (masks, keys) = (Random::from_rng(Zeros), numbers(CLIENT));
    let client = zws::Connection::connect_with_random(client, &target, masks, keys, now).unwrap();
    let server = zws::Connection::accept_with_random(server, numbers(SERVER), now);
    talk(Box::new(client), Box::new(server), piece);
}

// spec: RFC26/residue: no key, and no password, stays behind in memory that a connection has freed
#[test]
fn nothing_secret_is_left_in_freed_memory() {
    let secrets = secrets();
    let names: Vec<_> = secrets.iter().map(|(name, _)| *name).collect();
    NEEDLES.get_or_init(|| secrets.iter().map(|(_, needle)| *needle).collect());
    // The spy finds what is there to be found, in growth as well.
    for (number, name) in names.iter().enumerate() {
        let seen = found(&names, || {
            let mut left = Vec::with_capacity(NEEDLE);
            left.extend_from_slice(&NEEDLES.get().unwrap()[number]);
            left.extend_from_slice(&[0; 100]);
            left.fill(0);
            drop((0..20).map(Box::new).collect::<Vec<_>>());
        });
        assert_eq!(seen, [*name]);
    }
    let mut left = Vec::new();
    for (ends, name) in [
        (curve_ends as fn() -> [HandshakeConfig; 2], "CURVE"),
        (plain_ends, "PLAIN"),
    ] {
        let mut check = |kind: &str, run: &dyn Fn()| {
            for secret in found(&names, run) {
                left.push(format!("{name}, {kind}: {secret}"));
            }
        };
        check("configuration", &|| {
            let _ = (0..20).map(|_| ends()).collect::<Vec<_>>();
        });
        check("Handshake", &|| handshakes(ends(), usize::MAX));
        check("Handshake in bytes", &|| handshakes(ends(), 1));
        for (piece, way) in [
            (None, "whole"),
            (Some(1), "in bytes"),
            (Some(64), "in part"),
        ] {
            check(&format!("Connection, {way}"), &|| {
                connections(ends(), piece);
            });
            check(&format!("WebSocket, {way}"), &|| web_sockets(ends(), piece));
        }
    }
    assert!(left.is_empty(), "{left:#?}");
}
