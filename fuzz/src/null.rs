//! NULL: a handshake is complete with the peer's READY, and with ZAP's consent where that is asked.

use zmtp::Command;

use crate::handshake;
use crate::security::Security;

/// A [`handshake::Setup`] with NULL, then what the peer says behind its greeting.
///
/// # Panics
///
/// If a property does not hold.
pub fn check(data: &[u8]) {
    let Some(checked) = handshake::check(data, &[Security::Null, Security::NullWithZap]) else {
        return;
    };
    let Some(peer) = checked.peer else {
        return;
    };
    let [ready] = checked.bodies[..] else {
        panic!("{} frames in a handshake of NULL", checked.bodies.len());
    };
    let Ok(Command::Ready { metadata }) = Command::decode(ready) else {
        panic!("complete without READY");
    };
    let mut properties = Vec::new();
    peer.properties.encode(&mut properties);
    assert_eq!(properties, metadata);
}
