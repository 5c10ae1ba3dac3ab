//! The properties that the fuzz targets check, as plain functions.
//!
//! Each module has a `check` that takes what a peer might send, or what an application might do, and panics if
//! a property does not hold: that no pieces make a difference, that what is decoded is encoded again, that limits
//! are kept and memory follows what has arrived, and that nothing changed on the way passes for authentic.
//!
//! The targets in `fuzz_targets/` hand them what libFuzzer makes up; `tests/seeds.rs` hands them the committed
//! seeds, on any compiler. `examples/make_seeds.rs` makes the first seeds from recorded streams and from handshakes
//! of our own. Whatever is random in a handshake is the same in each run.

#![forbid(unsafe_code)]

pub mod command;
pub mod connection;
pub mod curve;
pub mod endpoint;
pub mod exchange;
pub mod frame;
pub mod greeting;
pub mod handshake;
pub mod metadata;
pub mod null;
pub mod pgm;
pub mod plain;
pub mod security;
pub mod traffic;
pub mod v1;
pub mod z85;
pub mod zap;
pub mod zpl;
pub mod zws_frame;
pub mod zws_upgrade;

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use zmtp::{Decoder, Error, Item, Limits, Message, Random};

/// What a decoder may take beside what has arrived, in bytes.
const FIXED_MEMORY: u64 = 16 << 10;

/// Limits that inputs of a few hundred bytes reach, chosen by the bits of `selector`; 0 stands for the defaults.
fn limits(selector: u8) -> Limits {
    let mut limits = Limits::default();
    if selector & 1 != 0 {
        limits = limits.with_max_frame_size(Some(64));
    }
    if selector & 2 != 0 {
        limits = limits.with_max_message_size(Some(100));
    }
    if selector & 4 != 0 {
        limits = limits.with_max_frames(3);
    }
    if selector & 8 != 0 {
        limits = limits.with_max_command_size(30);
    }
    if selector & 16 != 0 {
        limits = limits.with_max_handshake_command_size(40);
    }
    if selector & 32 != 0 {
        limits = limits.with_max_properties(2).with_max_http_fields(7);
    }
    if selector & 64 != 0 {
        limits = limits.with_max_subscription_len(10);
    }
    if selector & 128 != 0 {
        limits = limits
            .with_max_metadata_size(50)
            .with_max_http_head_size(230);
    }
    limits
}

/// What was decoded, and whether the input ended inside a message, or why it failed.
type Decoded = (Vec<Item>, Result<bool, Error>);

fn decode_all(mut decoder: Decoder, wire: &[u8], pattern: u8) -> Decoded {
    let mut items = Vec::new();
    for mut piece in pieces(wire, pattern) {
        loop {
            match decoder.decode(piece) {
                Ok((used, item)) => {
                    assert!(item.is_some() || used == piece.len(), "input left over");
                    piece = &piece[used..];
                    let Some(item) = item else { break };
                    items.push(item);
                }
                Err(error) => {
                    let again = decoder.decode(wire);
                    assert_eq!(again.as_ref(), Err(&error), "alive again");
                    return (items, Err(error));
                }
            }
        }
    }
    (items, Ok(decoder.is_partial()))
}

/// Decodes and keeps nothing, so that the memory in use at any time is the decoder's.
fn assert_memory_of_decoder(decoder: Decoder, wire: &[u8], pattern: u8, limits: &Limits) {
    let mut decoder = Some(decoder);
    let most = allocation_counter::measure(|| {
        let Some(mut decoder) = decoder.take() else {
            return;
        };
        for mut piece in pieces(wire, pattern) {
            while let Ok((used, Some(_))) = decoder.decode(piece) {
                piece = &piece[used..];
            }
        }
    })
    .bytes_max;
    // A message and the frame that arrives, either of them being moved to a larger buffer.
    let message = limits.max_message_size.unwrap_or(u64::MAX);
    let frames = u64::from(limits.max_frames).min(wire.len() as u64 / 2 + 1);
    let arrived = wire.len() as u64;
    let bound = FIXED_MEMORY + 2 * message.min(arrived) + 2 * arrived + 3 * 64 * frames;
    assert!(most <= bound, "{most} bytes for {arrived}");
}

fn assert_message_within(message: &Message, limits: &Limits) {
    assert!(!message.is_empty() && message.len() <= limits.max_frames as usize);
    let size = message.byte_len() as u64;
    assert!(limits.max_message_size.is_none_or(|limit| size <= limit));
    let is_fine = |size| limits.max_frame_size.is_none_or(|limit| size <= limit);
    assert!(message.iter().all(|frame| is_fine(frame.len() as u64)));
}

fn assert_command_within(size: usize, limits: &Limits) {
    let size = size as u64;
    assert!(size <= limits.max_command_size);
    assert!(limits.max_frame_size.is_none_or(|limit| size <= limit));
}

/// Cuts `wire` into pieces whose sizes follow from `pattern`; 0 stands for one piece.
fn pieces(wire: &[u8], pattern: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = wire;
    let mut state = u32::from(pattern);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let size = match pattern {
            0 => rest.len(),
            // A few regular patterns, then irregular ones.
            1..=16 => usize::from(pattern),
            _ => {
                state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
                1 + (state >> 16) as usize % (usize::from(pattern) / 2)
            }
        };
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        Some(piece)
    })
}

/// Randomness that is the same in each run.
fn random(seed: u64) -> Random {
    Random::from_rng(Noise(seed))
}

struct Noise(u64);

impl TryRng for Noise {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|number| number as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        Ok(mixed ^ (mixed >> 27))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(8) {
            let number = self.try_next_u64()?.to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Noise {}
