use super::*;
use crate::curve::{Role, Session, boxes::BoxKey};
use crate::{HandshakeConfig, SocketType};

fn between(types: [SocketType; 2]) -> [Connection; 2] {
    types.map(|kind| Connection::new(HandshakeConfig::new(kind), Instant::now()))
}

/// Lets the handshake come to its end.
fn wire(ends: &mut [Connection; 2]) {
    for _ in 0..8 {
        let [ours, theirs] = ends;
        while let Some(bytes) = ours.poll_transmit() {
            theirs.handle_input(&bytes, Instant::now()).unwrap();
        }
        ends.reverse();
    }
}

/// A connection that stands, and that has so many nonces left.
fn with_nonces(left: u64) -> Connection {
    let mut ends = between([SocketType::Pair; 2]);
    wire(&mut ends);
    let [mut connection, _] = ends;
    let State::Open(open) = &mut connection.state else {
        panic!("{connection:?}")
    };
    let key = BoxKey::new(&[3; 32]);
    let session = Session::from_key(Role::Client, &key, u64::MAX - 1 - left, 0);
    open.encoder = Encoder::new(Version::V3_1).with_sealer(session.into_halves().0);
    connection
}

#[test]
fn nothing_is_sent_without_a_nonce() {
    let mut connection = with_nonces(2);
    connection.send("the last but one").unwrap();
    connection
        .send_command(Command::Pong { context: b"" })
        .unwrap();
    assert!(core::iter::from_fn(|| connection.poll_transmit()).count() > 0);
    for _ in 0..2 {
        let refused = connection.send("too late").unwrap_err();
        assert_eq!(refused.error, Error::NonceExhausted);
        assert_eq!(*refused.message, Message::from("too late"));
        let refused = connection.send_command(Command::Pong { context: b"" });
        assert_eq!(refused, Err(Error::NonceExhausted));
        assert_eq!(connection.subscribe("topic"), Err(Error::NonceExhausted));
        assert_eq!(connection.poll_transmit(), None);
    }
}

#[test]
fn what_is_taken_back_are_the_messages_alone() {
    let mut ends = between([SocketType::XSub, SocketType::XPub]);
    let [ours, _] = &mut ends;
    ours.send("one").unwrap();
    ours.subscribe("topic").unwrap();
    ours.send(["two", "frames"]).unwrap();
    let unsent = [Message::from("one"), Message::from(["two", "frames"])];
    assert_eq!(ours.take_unsent(), unsent);
    assert!(ours.take_unsent().is_empty());
    wire(&mut ends);
    let [_, mut theirs] = ends;
    assert!(matches!(theirs.poll_event(), Some(Event::Connected(_))));
    let subscription = Event::Command(b"\x09SUBSCRIBEtopic"[..].into());
    assert_eq!(theirs.poll_event(), Some(subscription));
    assert_eq!(theirs.poll_event(), None);
}
