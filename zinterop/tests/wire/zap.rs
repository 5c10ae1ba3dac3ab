//! What a handler answers, and what comes of it at both ends.

use std::thread;

use zinterop::PATIENCE;
use zinterop::sys::{event, opt, socket_type};
use zinterop::zmq::{Context, MonitorEvent, Socket};
use zmtp::zap::{Credentials, Policy, Reply, Request, Status};
use zmtp::{Error, HandshakeConfig, Message, SocketType};

use crate::support::{
    Binder, DOMAIN, End, Keys, Link, Mechanism, Server, WirePeer, handler, handler_that,
};

/// What a server of libzmq waits at most for a peer that it does not answer.
const HANDSHAKE_MS: i32 = 2000;

const FAILED: u16 = event::HANDSHAKE_FAILED_AUTH | event::HANDSHAKE_FAILED_PROTOCOL;

/// Calls `trial` for every mechanism and direction, all at the same time: some wait for a timer.
fn every(trial: impl Fn(Mechanism, Binder) + Sync) {
    let trial = &trial;
    thread::scope(|scope| {
        for mechanism in Mechanism::ALL {
            for binder in Binder::BOTH {
                let name = format!("{mechanism:?}, bound {binder:?}");
                let builder = thread::Builder::new().name(name);
                builder
                    .spawn_scoped(scope, move || trial(mechanism, binder))
                    .unwrap();
            }
        }
    });
}

/// libzmq as the server in a domain, with a handler that gives each answer once.
fn libzmq_server(
    mechanism: Mechanism,
    keys: &Keys,
    context: &Context,
) -> (Socket, HandshakeConfig) {
    let socket = context.socket(socket_type::DEALER).unwrap();
    socket
        .set_bytes(opt::ZAP_DOMAIN, DOMAIN.as_bytes())
        .unwrap();
    socket.set_int(opt::HANDSHAKE_IVL, HANDSHAKE_MS).unwrap();
    let config = mechanism.set_up(Server::Libzmq, SocketType::Dealer, &socket, keys);
    (socket, config)
}

/// libzmq as the client, and ours as the server in a domain.
fn our_server(mechanism: Mechanism, keys: &Keys, context: &Context) -> (Socket, HandshakeConfig) {
    let socket = context.socket(socket_type::DEALER).unwrap();
    let config = mechanism
        .set_up(Server::Ours, SocketType::Dealer, &socket, keys)
        .with_zap(Policy::new(DOMAIN))
        .with_peer_address("127.0.0.1");
    (socket, config)
}

/// What was asked, apart from the ids, which are different each time.
fn asked(requests: &[Request]) -> Vec<Request> {
    let same_id = |request: &Request| request.clone().with_request_id(zmtp::zap::REQUEST_ID);
    requests.iter().map(same_id).collect()
}

/// The question that a server asks about a client that is set up as ours are.
fn question(mechanism: Mechanism, keys: &Keys) -> Request {
    let credentials = match mechanism {
        Mechanism::Null => Credentials::Null,
        Mechanism::Plain => Credentials::Plain {
            username: "admin".into(),
            password: "secret".into(),
        },
        Mechanism::Curve => Credentials::Curve {
            public_key: *keys.client.public().as_bytes(),
        },
    };
    Request::new(credentials)
        .with_domain(DOMAIN)
        .with_address("127.0.0.1")
}

fn assert_talking(peer: &mut WirePeer, socket: &Socket) {
    peer.send("ping");
    assert_eq!(socket.recv_timeout(PATIENCE).unwrap(), [b"ping"]);
    socket.send(&["pong"]).unwrap();
    assert_eq!(peer.message(), Message::from("pong"));
}

// spec: RFC27/interop-handler: a handler on our types answers libzmq's requests, which are as ours
#[test]
fn libzmq_lets_us_in() {
    let keys = Keys::new();
    every(|mechanism, binder| {
        let context = Context::new();
        let asked = handler(&context, &[Status::Success]);
        let (socket, config) = libzmq_server(mechanism, &keys, &context);
        let monitor = socket.monitor(event::ALL).unwrap();
        let mut peer = Link::new(binder, &socket).peer(config);
        peer.connected().unwrap();
        monitor.wait_for_handshake(PATIENCE).unwrap();
        assert_talking(&mut peer, &socket);
        assert_eq!(asked.join().unwrap(), [question(mechanism, &keys)]);
    });
}

// spec: RFC27/interop-refused: libzmq's ERROR 400 and 500 are understood under NULL, PLAIN and CURVE
#[test]
fn libzmq_refuses_us() {
    let keys = Keys::new();
    every(|mechanism, binder| {
        for status in [Status::AuthenticationFailure, Status::InternalError] {
            let context = Context::new();
            let asked = handler(&context, &[status]);
            let (socket, config) = libzmq_server(mechanism, &keys, &context);
            let monitor = socket.monitor(event::ALL).unwrap();
            let mut peer = Link::new(binder, &socket).peer(config);
            let reason = status.as_str().into();
            let end = peer.connected().unwrap_err();
            assert_eq!(end, End::Failed(Error::Refused { reason }));
            let told = monitor.wait_for(event::HANDSHAKE_FAILED_AUTH, PATIENCE);
            assert_eq!(told.unwrap().value, u32::from(status.code()));
            assert_eq!(asked.join().unwrap(), [question(mechanism, &keys)]);
        }
    });
}

// spec: RFC27/interop-temporary: libzmq's 300 is a close without a word
#[test]
fn libzmq_puts_us_off() {
    let keys = Keys::new();
    every(|mechanism, binder| {
        let context = Context::new();
        let asked = handler(&context, &[Status::TemporaryError]);
        let (socket, config) = libzmq_server(mechanism, &keys, &context);
        let monitor = socket.monitor(event::ALL).unwrap();
        let link = Link::new(binder, &socket);
        let end = link.peer(config).connected().unwrap_err();
        assert_eq!(end, End::Closed);
        let told = monitor.wait_for(event::HANDSHAKE_FAILED_AUTH, PATIENCE);
        assert_eq!(told.unwrap().value, 300);
        assert_eq!(asked.join().unwrap(), [question(mechanism, &keys)]);
    });
}

// spec: RFC27/interop-server: our server asks the same about a libzmq client as libzmq would
#[test]
fn we_let_libzmq_in() {
    let keys = Keys::new();
    every(|mechanism, binder| {
        let context = Context::new();
        let (socket, config) = our_server(mechanism, &keys, &context);
        let monitor = socket.monitor(event::ALL).unwrap();
        let mut peer = Link::new(binder, &socket).peer(config);
        assert_eq!(peer.connected().unwrap().user_id, "joe");
        assert_eq!(asked(&peer.requests), [question(mechanism, &keys)]);
        monitor.wait_for_handshake(PATIENCE).unwrap();
        assert_talking(&mut peer, &socket);
    });
}

// spec: RFC27/interop-refusal: libzmq's clients understand our 400 and 500 under NULL, PLAIN and CURVE
#[test]
fn we_refuse_libzmq() {
    let keys = Keys::new();
    every(|mechanism, binder| {
        for status in [Status::AuthenticationFailure, Status::InternalError] {
            let context = Context::new();
            let (socket, config) = our_server(mechanism, &keys, &context);
            let monitor = socket.monitor(FAILED).unwrap();
            let mut peer = Link::new(binder, &socket).peer(config).with_zap(status);
            let end = peer.connected().unwrap_err();
            assert_eq!(end, End::Failed(Error::AuthenticationFailed { status }));
            assert_eq!(asked(&peer.requests), [question(mechanism, &keys)]);
            let MonitorEvent { event, value, .. } =
                monitor.recv_timeout(PATIENCE).unwrap().unwrap();
            let code = u32::from(status.code());
            assert_eq!((event, value), (event::HANDSHAKE_FAILED_AUTH, code));
        }
    });
}

// spec: WIRE-4.2/interop-error-spelling: the right spelling of ERROR ends a libzmq PLAIN client too, as an unexpected command
#[test]
fn a_libzmq_client_does_not_understand_an_error_in_the_right_spelling() {
    let keys = Keys::new();
    let context = Context::new();
    let (socket, config) = our_server(Mechanism::Plain, &keys, &context);
    let server = zmtp::MechanismConfig::PlainServer(zmtp::plain::ServerConfig::new());
    let status = Status::AuthenticationFailure;
    let monitor = socket.monitor(FAILED).unwrap();
    let link = Link::new(Binder::Ours, &socket);
    let mut peer = link.peer(config.with_mechanism(server)).with_zap(status);
    let end = peer.connected().unwrap_err();
    assert_eq!(end, End::Failed(Error::AuthenticationFailed { status }));
    let told = monitor.recv_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(
        (told.event, told.value),
        (event::HANDSHAKE_FAILED_PROTOCOL, 0x1000_0001)
    );
}

// spec: RFC27/interop-comes-back: after our 300 a libzmq client connects again, and comes in
#[test]
fn libzmq_comes_back_when_we_put_it_off() {
    let keys = Keys::new();
    every(|mechanism, binder| {
        let context = Context::new();
        let (socket, config) = our_server(mechanism, &keys, &context);
        socket.set_int(opt::RECONNECT_IVL, 1).unwrap();
        let link = Link::new(binder, &socket);
        let status = Status::TemporaryError;
        let end = link
            .peer(config.clone())
            .with_zap(status)
            .connected()
            .unwrap_err();
        assert_eq!(end, End::Failed(Error::AuthenticationFailed { status }));

        let mut peer = link.peer(config);
        peer.connected().unwrap();
        assert_talking(&mut peer, &socket);
    });
}

// spec: WIRE-5/interop-no-handler: without a handler our servers let in and refuse whom libzmq's do
#[test]
fn without_a_handler_both_decide_alike() {
    let keys = Keys::new();
    every(|mechanism, binder| {
        for enforced in [false, true] {
            let lets_in = mechanism != Mechanism::Plain && !enforced;
            let context = Context::new();
            let (socket, config) = libzmq_server(mechanism, &keys, &context);
            socket
                .set_int(opt::ZAP_ENFORCE_DOMAIN, enforced.into())
                .unwrap();
            let result = Link::new(binder, &socket).peer(config).connected();
            assert_eq!(result.as_ref().err(), (!lets_in).then_some(&End::Closed));

            let (socket, config) = our_server(mechanism, &keys, &context);
            let config =
                config.with_zap(Policy::new(DOMAIN).with_enforced_domain(enforced).unwrap());
            let link = Link::new(binder, &socket);
            let result = link.peer(config).without_zap().connected();
            let refused = End::Failed(Error::NoZapHandler);
            assert_eq!(result.as_ref().err(), (!lets_in).then_some(&refused));
        }
    });
}

/// Replies that are wrong in one way each.
fn broken_replies() -> Vec<fn(&Request) -> Message> {
    fn replace(request: &Request, at: usize, frame: &[u8]) -> Message {
        let mut reply = Reply::success(request, "joe").encode();
        reply.frames_mut()[at] = frame.into();
        reply
    }
    vec![
        |request| replace(request, 0, b"1.1"),
        |request| replace(request, 1, b"2"),
        |request| replace(request, 2, b"201"),
        |request| replace(request, 2, b""),
        |request| replace(request, 2, b"2000"),
        |request| replace(request, 5, b"\x05Name"),
        |request| {
            let mut reply = Reply::success(request, "joe").encode();
            reply.push_back("more");
            reply
        },
        |request| {
            let mut reply = Reply::success(request, "joe").encode();
            reply.pop_front();
            reply
        },
    ]
}

// spec: RFC27/interop-broken-replies: we find the same fault in a reply as libzmq, and call it by the same code
#[test]
fn broken_replies_are_told_apart_as_by_libzmq() {
    let keys = Keys::new();
    for broken in broken_replies() {
        let context = Context::new();
        let asked = handler_that(&context, vec![broken]);
        let (socket, config) = libzmq_server(Mechanism::Curve, &keys, &context);
        let monitor = socket.monitor(FAILED).unwrap();
        let end = Link::new(Binder::Libzmq, &socket).peer(config).connected();
        assert_eq!(end, Err(End::Closed));
        let told = monitor.recv_timeout(PATIENCE).unwrap().unwrap();
        assert_eq!(told.event, event::HANDSHAKE_FAILED_PROTOCOL);

        let request = &asked.join().unwrap()[0];
        let reply = broken(request);
        let cause = Reply::decode(&reply)
            .and_then(|reply| reply.check(request))
            .unwrap_err();
        let error = Error::InvalidZapReply { cause };
        assert_eq!(error.protocol_event_code(), Some(told.value), "{reply:?}");
    }
}
