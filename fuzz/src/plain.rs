//! PLAIN: a handshake is complete after HELLO, WELCOME, INITIATE and READY, and ZAP sees what the client presented.

use zmtp::zap::Credentials;

use crate::handshake;
use crate::security::Security;

/// A [`handshake::Setup`] with PLAIN, then what the peer says behind its greeting.
///
/// # Panics
///
/// If a property does not hold.
pub fn check(data: &[u8]) {
    let allowed = [Security::PlainClient, Security::PlainServer];
    let Some(checked) = handshake::check(data, &allowed) else {
        return;
    };
    let hello = checked.requests.first().map(|request| {
        let Credentials::Plain { username, password } = &request.credentials else {
            panic!("asked about {:?}", request.credentials);
        };
        let password = password.as_bytes();
        let lens = [username, password].map(|field| [field.len() as u8]);
        [b"\x05HELLO", &lens[0][..], username, &lens[1], password].concat()
    });
    if let Some(hello) = &hello {
        assert_eq!(checked.bodies.first(), Some(&&hello[..]));
    }
    let Some(peer) = checked.peer else {
        return;
    };
    let mut properties = Vec::new();
    peer.properties.encode(&mut properties);
    let expected = if checked.setup.security == Security::PlainServer {
        let hello = hello.expect("complete without a question");
        [hello, [b"\x08INITIATE", &properties[..]].concat()]
    } else {
        let ready = [b"\x05READY", &properties[..]].concat();
        [b"\x07WELCOME".to_vec(), ready]
    };
    assert_eq!(checked.bodies, expected);
}
