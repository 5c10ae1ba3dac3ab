use super::*;
use crate::curve::{Role, Session, boxes::BoxKey};
use crate::{HandshakeConfig, SocketType};

/// A connection that stands, and that has so many nonces left.
fn with_nonces(left: u64) -> Connection {
    let now = Instant::now();
    let mut ends = [(); 2].map(|()| Connection::new(HandshakeConfig::new(SocketType::Pair), now));
    for _ in 0..4 {
        let [ours, theirs] = &mut ends;
        while let Some(bytes) = ours.poll_transmit() {
            theirs.handle_input(&bytes, now).unwrap();
        }
        ends.reverse();
    }
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
    assert!(std::iter::from_fn(|| connection.poll_transmit()).count() > 0);
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
