//! How fast frames are sealed and opened under CURVE, beside what libzmq does for the same frames.
//!
//! libzmq's part is done as libzmq does it: `crypto_box_easy_afternm` and
//! `crypto_box_open_easy_afternm` of libsodium, with the copies between its own buffers and those
//! of the box that its CURVE mechanism makes. The two take turns in one run, so that what else
//! the machine does meets both; the medians are printed with their ratio.
//!
//! ```text
//! cargo bench -p zinterop --bench curve
//! ```

use std::hint::black_box;
use std::time::{Duration, Instant};

use libsodium_sys as sodium;
use zmtp::curve::{KeyPair, Role, Session};
use zmtp::{Flags, Random};

const SIZES: [usize; 3] = [64, 1024, 65_536];
/// How often the two take turns.
const TURNS: usize = 201;
/// How much each does in one turn.
const TURN_BYTES: usize = 1 << 20;

fn main() {
    // SAFETY: it may be called at any time and any number of times.
    let ready = unsafe { sodium::sodium_init() };
    assert!(ready >= 0, "libsodium has no randomness");
    println!(
        "{:>8}  {:>7}  {:>12}  {:>12}  {:>6}",
        "bytes", "", "zmtp ns", "libzmq ns", "ratio"
    );
    for size in SIZES {
        let turn = (TURN_BYTES / (size + 256)).max(1);
        let mut ours = Ours::new(size);
        let mut theirs = Theirs::new(size);
        let mut times: [Vec<Duration>; 4] = Default::default();
        for _ in 0..TURNS {
            times[0].push(timed(|| ours.seal(turn)));
            times[1].push(timed(|| theirs.seal(turn)));
            times[2].push(timed(|| ours.open(turn)));
            times[3].push(timed(|| theirs.open(turn)));
        }
        let [seal, their_seal, open, their_open] =
            times.map(|times| median(times).as_secs_f64() * 1e9 / turn as f64);
        report(size, "seal", seal, their_seal);
        report(size, "open", open, their_open);
        report(size, "both", seal + open, their_seal + their_open);
    }
}

fn report(size: usize, what: &str, ours: f64, theirs: f64) {
    let ratio = theirs / ours;
    println!("{size:>8}  {what:>7}  {ours:>12.1}  {theirs:>12.1}  {ratio:>6.2}");
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// A client that seals and its server that opens.
struct Ours {
    client: Session,
    server: Session,
    body: Vec<u8>,
    /// The sealed frames of one turn.
    wire: Vec<u8>,
}

impl Ours {
    fn new(size: usize) -> Self {
        let mut random = Random::system();
        let mut keys = || KeyPair::generate(&mut random).expect("randomness");
        let (one, other) = (keys(), keys());
        Self {
            client: Session::new(Role::Client, one.secret(), other.public()).expect("a key"),
            server: Session::new(Role::Server, other.secret(), one.public()).expect("a key"),
            body: vec![7; size],
            wire: Vec::new(),
        }
    }

    fn seal(&mut self, frames: usize) {
        self.wire.clear();
        for _ in 0..frames {
            self.client
                .seal(Flags::NONE, black_box(&self.body), &mut self.wire)
                .expect("nonces");
        }
    }

    fn open(&mut self, frames: usize) {
        let frame = Session::sealed_len(self.body.len());
        assert_eq!(self.wire.len(), frame * frames);
        let body = Session::OVERHEAD + self.body.len();
        for frame in self.wire.chunks_exact_mut(frame) {
            let head = frame.len() - body;
            let (_, text) = self.server.open(&mut frame[head..]).expect("a good box");
            black_box(&frame[head..][text]);
        }
    }
}

const KEY: usize = 32;
const NONCE: usize = 24;
const TAG: usize = 16;

/// The same with libsodium, buffer by buffer as libzmq's CURVE mechanism.
struct Theirs {
    key: [u8; KEY],
    nonce: u64,
    body: Vec<u8>,
    wire: Vec<Vec<u8>>,
}

impl Theirs {
    fn new(size: usize) -> Self {
        Self {
            key: [9; KEY],
            nonce: 0,
            body: vec![7; size],
            wire: Vec::new(),
        }
    }

    /// A message is copied behind its flags into a buffer of its own, sealed into the message that
    /// travels, and its name and nonce are written in front.
    fn seal(&mut self, frames: usize) {
        self.wire.clear();
        for number in 0..frames {
            let body = black_box(&self.body);
            let nonce = nonce(self.nonce + number as u64);
            let mut plain = vec![0; 1 + body.len()];
            plain[1..].copy_from_slice(body);
            let mut message = Vec::with_capacity(16 + TAG + plain.len());
            message.extend_from_slice(b"\x07MESSAGE");
            message.extend_from_slice(&nonce[16..]);
            // SAFETY: behind its first 16 bytes `message` has room for the tag and the text, which
            // libsodium fills; the key and the nonce have the lengths that it wants.
            let result = unsafe {
                let result = sodium::crypto_box_easy_afternm(
                    message.as_mut_ptr().add(16),
                    plain.as_ptr(),
                    plain.len() as u64,
                    nonce.as_ptr(),
                    self.key.as_ptr(),
                );
                message.set_len(16 + TAG + plain.len());
                result
            };
            assert_eq!(result, 0);
            self.wire.push(message);
        }
    }

    /// The text is opened into a buffer of its own and copied into the message for the application.
    fn open(&mut self, frames: usize) {
        assert_eq!(self.wire.len(), frames);
        for (number, message) in self.wire.iter().enumerate() {
            let nonce = nonce(self.nonce + number as u64);
            assert_eq!(message[8..16], nonce[16..]);
            let sealed = &message[16..];
            let mut plain = vec![0; sealed.len() - TAG];
            // SAFETY: `plain` has room for the text without the tag, the key and the nonce have the
            // lengths that libsodium wants.
            let result = unsafe {
                sodium::crypto_box_open_easy_afternm(
                    plain.as_mut_ptr(),
                    sealed.as_ptr(),
                    sealed.len() as u64,
                    nonce.as_ptr(),
                    self.key.as_ptr(),
                )
            };
            assert_eq!(result, 0);
            black_box(plain[1..].to_vec());
        }
        self.nonce += frames as u64;
    }
}

fn nonce(number: u64) -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    nonce[..16].copy_from_slice(b"CurveZMQMESSAGEC");
    nonce[16..].copy_from_slice(&number.to_be_bytes());
    nonce
}
