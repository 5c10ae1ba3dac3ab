//! CURVE: a handshake is complete with the commands of the sound peer, bit for bit, and never otherwise.
//!
//! The other end has keys that nobody knows here, and its randomness is the same in each run. So there is one sequence of
//! bodies that completes a handshake, and whatever else does is forged.

use std::sync::OnceLock;

use crate::handshake::{self, sound_bodies};
use crate::security::Security;

/// A [`handshake::Setup`] with CURVE, then what the peer says behind its greeting.
///
/// # Panics
///
/// If a property does not hold.
pub fn check(data: &[u8]) {
    static CLIENT: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    static SERVER: OnceLock<Vec<Vec<u8>>> = OnceLock::new();

    let allowed = [
        Security::CurveClient,
        Security::CurveServer,
        Security::CurveServerWithZap,
    ];
    let Some(checked) = handshake::check(data, &allowed) else {
        return;
    };
    let sound = match checked.setup.security {
        Security::CurveClient => SERVER.get_or_init(|| sound_bodies(Security::CurveClient)),
        _ => CLIENT.get_or_init(|| sound_bodies(Security::CurveServer)),
    };
    // The question to ZAP is about a client that has proved who it is.
    if checked.peer.is_some() || !checked.requests.is_empty() {
        assert_eq!(checked.bodies, *sound, "forged");
    }
}
