//! The handshake of CURVE, as [`crate::curve`] explains it.

mod client;
mod command;
#[cfg(all(test, feature = "zap"))]
mod cost;
mod server;
#[cfg(all(test, feature = "zap"))]
mod tests;

pub(crate) use client::CurveClient;
pub use command::Command;
pub(crate) use server::CurveServer;

use crate::Error;
use crate::command::CommandName;
use crate::curve::boxes::NONCE;
use crate::header::{self, Flags};

const HELLO: &[u8] = b"\x05HELLO";
const WELCOME: &[u8] = b"\x07WELCOME";
const INITIATE: &[u8] = b"\x08INITIATE";
const READY: &[u8] = b"\x05READY";

/// The lengths of the bodies; those of INITIATE and READY without metadata.
const HELLO_LEN: usize = 200;
const WELCOME_LEN: usize = 168;
const INITIATE_LEN: usize = 257;
const READY_LEN: usize = 30;

/// What HELLO says of the version: 1.0.
const VERSION: [u8; 2] = [1, 0];

/// The zeros in HELLO that make it longer than WELCOME, so that a server does not amplify what it
/// is sent under a false address.
const PADDING: usize = 72;

/// How much of a command a server stores, in bytes, before it has seen its cookie again. A HELLO and
/// a usual INITIATE are shorter.
const STRANGER_MAX: usize = 512;

const COOKIE_LEN: usize = 96;
const VOUCH_LEN: usize = 80;

/// The number of the command among those of its sender. A server's READY is its first.
const HELLO_NONCE: u64 = 1;
const INITIATE_NONCE: u64 = 2;
const READY_NONCE: u64 = 1;

/// A nonce of a purpose and the number of a command.
fn short_nonce(purpose: &[u8; 16], number: [u8; 8]) -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    nonce[..16].copy_from_slice(purpose);
    nonce[16..].copy_from_slice(&number);
    nonce
}

/// A nonce of a purpose and random bytes.
fn long_nonce(purpose: &[u8; 8], random: &[u8; 16]) -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    nonce[..8].copy_from_slice(purpose);
    nonce[8..].copy_from_slice(random);
    nonce
}

const HELLO_PURPOSE: &[u8; 16] = b"CurveZMQHELLO---";
const INITIATE_PURPOSE: &[u8; 16] = b"CurveZMQINITIATE";
const READY_PURPOSE: &[u8; 16] = b"CurveZMQREADY---";
const WELCOME_PURPOSE: &[u8; 8] = b"WELCOME-";
const COOKIE_PURPOSE: &[u8; 8] = b"COOKIE--";
const VOUCH_PURPOSE: &[u8; 8] = b"VOUCH---";

/// Appends the header of a command frame whose body will have so many bytes.
fn push_head(size: usize, out: &mut Vec<u8>) {
    let mut head = [0; header::MAX_LEN];
    let len = header::encode(Flags::COMMAND, size as u64, &mut head);
    out.reserve(len + size);
    out.extend_from_slice(&head[..len]);
}

/// The `N` bytes at `at`, in a body whose length has been checked.
fn field<const N: usize>(body: &[u8], at: usize) -> &[u8; N] {
    body[at..].first_chunk().expect("the length was checked")
}

const fn malformed(command: CommandName) -> Error {
    Error::MalformedCommand { command }
}

const fn cryptographic(command: CommandName) -> Error {
    Error::Cryptographic { command }
}
