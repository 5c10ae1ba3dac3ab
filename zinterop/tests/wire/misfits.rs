//! What does not fit: other mechanisms, wrong keys, equal roles.

use std::time::Duration;

use zinterop::PATIENCE;
use zinterop::sys::{event, socket_type};
use zinterop::zmq::{Context, Monitor};
use zmtp::{ConnectionConfig, Error, SocketType};

use crate::support::{Binder, End, Keys, Link, Mechanism, Server};

const MISMATCH: u32 = 0x1100_0002;
const CRYPTOGRAPHIC: u32 = 0x1100_0001;
const UNEXPECTED_COMMAND: u32 = 0x1000_0001;

/// What libzmq reports about a handshake that failed: the code if it knows the cause.
fn failure(monitor: &Monitor<'_>) -> Option<u32> {
    loop {
        let told = monitor
            .recv_timeout(PATIENCE)
            .unwrap()
            .expect("an event in time");
        match told.event {
            event::HANDSHAKE_FAILED_PROTOCOL => return Some(told.value),
            event::HANDSHAKE_FAILED_NO_DETAIL => return None,
            event::HANDSHAKE_SUCCEEDED => panic!("the handshake succeeded"),
            _ => {}
        }
    }
}

// spec: RFC37/interop-mechanism-mismatch: ends of different mechanisms do not talk, and one of them says why
#[test]
fn another_mechanism() {
    let keys = Keys::new();
    for ours in Mechanism::ALL {
        for theirs in Mechanism::ALL {
            for server in Server::BOTH {
                for binder in Binder::BOTH {
                    if ours == theirs {
                        continue;
                    }
                    let context = Context::new();
                    let socket = context.socket(socket_type::DEALER).unwrap();
                    theirs.set_up(server, SocketType::Dealer, &socket, &keys);
                    let other = context.socket(socket_type::DEALER).unwrap();
                    let config = ours.set_up(server, SocketType::Dealer, &other, &keys);
                    let monitor = socket.monitor(event::ALL).unwrap();
                    let end = Link::new(binder, &socket)
                        .peer(config)
                        .connected()
                        .unwrap_err();
                    // Whoever reads the other's greeting first closes, and the other may see
                    // nothing but that.
                    let we_know = match end {
                        End::Closed => false,
                        End::Failed(Error::MechanismMismatch { peer }) => {
                            assert_eq!(peer, theirs.name());
                            true
                        }
                        other => panic!("{other:?}"),
                    };
                    let told = failure(&monitor);
                    assert!(told == Some(MISMATCH) || (told.is_none() && we_know));
                }
            }
        }
    }
}

// spec: RFC26/interop-wrong-server-key: a client that takes another key for the server's does not get in
#[test]
fn a_wrong_server_key() {
    let keys = Keys::new();
    let wrong = Keys::new();
    for binder in Binder::BOTH {
        let context = Context::new();
        let socket = context.socket(socket_type::DEALER).unwrap();
        let config = Mechanism::Curve.client(SocketType::Dealer, &wrong);
        Mechanism::Curve.set_server(&socket, &keys);
        let monitor = socket.monitor(event::ALL).unwrap();
        let end = Link::new(binder, &socket)
            .peer(config)
            .connected()
            .unwrap_err();
        assert_eq!(end, End::Closed);
        assert_eq!(failure(&monitor), Some(CRYPTOGRAPHIC));

        let socket = context.socket(socket_type::DEALER).unwrap();
        let config = Mechanism::Curve.server(SocketType::Dealer, &keys);
        Mechanism::Curve.set_client(&socket, &wrong);
        let end = Link::new(binder, &socket)
            .peer(config)
            .connected()
            .unwrap_err();
        let End::Failed(error @ Error::Cryptographic { .. }) = end else {
            panic!("{end:?}")
        };
        assert_eq!(error.protocol_event_code(), Some(CRYPTOGRAPHIC));
    }
}

// spec: WIRE-1.3/both-servers: two servers wait for HELLO until the handshake timer
#[test]
fn both_as_server() {
    let keys = Keys::new();
    for mechanism in [Mechanism::Plain, Mechanism::Curve] {
        for binder in Binder::BOTH {
            let context = Context::new();
            let socket = context.socket(socket_type::DEALER).unwrap();
            mechanism.set_server(&socket, &keys);
            let config = mechanism.server(SocketType::Dealer, &keys);
            let config = ConnectionConfig::new(config)
                .with_handshake_timeout(Some(Duration::from_millis(500)));
            let end = Link::new(binder, &socket)
                .peer(config)
                .connected()
                .unwrap_err();
            assert_eq!(end, End::Failed(Error::HandshakeTimeout));
        }
    }
}

// spec: WIRE-1.3/both-clients: of two clients the one that reads first closes on an unexpected command
#[test]
fn both_as_client() {
    let keys = Keys::new();
    for mechanism in [Mechanism::Plain, Mechanism::Curve] {
        for binder in Binder::BOTH {
            let context = Context::new();
            let socket = context.socket(socket_type::DEALER).unwrap();
            mechanism.set_client(&socket, &keys);
            let config = mechanism.client(SocketType::Dealer, &keys);
            let monitor = socket.monitor(event::ALL).unwrap();
            let end = Link::new(binder, &socket)
                .peer(config)
                .connected()
                .unwrap_err();
            let we_know = match end {
                End::Closed => false,
                End::Failed(Error::UnexpectedCommand { name }) => {
                    assert_eq!(&*name, "HELLO");
                    true
                }
                other => panic!("{other:?}"),
            };
            let told = failure(&monitor);
            assert!(told == Some(UNEXPECTED_COMMAND) || (told.is_none() && we_know));
        }
    }
}

// spec: RFC37/interop-socket-type: an incompatible peer is refused by both ends
#[test]
fn another_socket_type() {
    let keys = Keys::new();
    for mechanism in Mechanism::ALL {
        for binder in Binder::BOTH {
            let context = Context::new();
            let socket = context.socket(socket_type::PUSH).unwrap();
            let config = mechanism.set_up(Server::Ours, SocketType::Router, &socket, &keys);
            let monitor = socket.monitor(event::HANDSHAKE_SUCCEEDED | event::DISCONNECTED);
            let monitor = monitor.unwrap();
            let end = Link::new(binder, &socket)
                .peer(config)
                .connected()
                .unwrap_err();
            let mismatch = Error::IncompatibleSocketType {
                ours: SocketType::Router,
                peer: SocketType::Push,
            };
            // Under NULL either end may be the first to see it.
            assert!(
                end == End::Failed(mismatch)
                    || (mechanism == Mechanism::Null && end == End::Closed),
                "{end:?}"
            );
            let told = monitor.recv_timeout(PATIENCE).unwrap().unwrap();
            assert_eq!(told.event, event::DISCONNECTED);
        }
    }
}
