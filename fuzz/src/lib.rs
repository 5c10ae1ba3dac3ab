//! The properties that the fuzz targets check, as plain functions.
//!
//! Each module has a `check` that takes what a peer might send, or what an application might do, and panics if
//! a property does not hold. The targets in `fuzz_targets/` hand it what libFuzzer makes up;
//! `tests/seeds.rs` hands it the committed seeds, on any compiler. `examples/make_seeds.rs` makes the seeds from
//! recorded streams.

#![forbid(unsafe_code)]

pub mod command;
pub mod connection;
pub mod exchange;
pub mod frame;
pub mod greeting;

use zmtp::{Limits, Message};

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
        limits = limits.with_max_properties(2);
    }
    limits
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
