//! Scripted peers of every version against our connection and against libzmq: the same script, with every
//! byte of the answers, has to hold for both.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use zinterop::PATIENCE;
use zinterop::sys::{opt, socket_type};
use zinterop::zmq::{Context, Socket};
use zmtp::{Event, HandshakeConfig, SocketType};

use crate::support::{WirePeer, accept, frames};

/// What a peer does on the wire.
#[derive(Debug)]
enum Step {
    Say(Vec<u8>),
    Hear(Vec<u8>),
}

use Step::{Hear, Say};

/// Runs a script, and makes sure that nothing but its answers comes.
fn play(mut stream: TcpStream, script: &[Step]) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    for step in script {
        match step {
            Say(bytes) => stream.write_all(bytes).unwrap(),
            Hear(expected) => {
                let mut heard = vec![0; expected.len()];
                stream.read_exact(&mut heard).unwrap();
                assert_eq!(heard, *expected);
            }
        }
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Version {
    V1_0,
    V2_0,
    V3_0,
    V3_1,
}

impl Version {
    const ALL: [Self; 4] = [Self::V1_0, Self::V2_0, Self::V3_0, Self::V3_1];

    /// The greetings and introductions of a peer and the end that it meets.
    fn handshake(self, peer: &Introduction, end: &Introduction) -> Vec<Step> {
        let signature = |end: &Introduction| {
            let len = end.identity.len() as u8 + 1;
            [&[0xFF, 0, 0, 0, 0, 0, 0, 0, len, 0x7F][..]].concat()
        };
        let own = [&signature(peer)[..]].concat();
        let mut script = vec![Hear(signature(end))];
        match self {
            Self::V1_0 => script.extend([
                Say(self.frame(0, peer.identity)),
                // Its beginning is the signature.
                Hear(end.identity.to_vec()),
            ]),
            Self::V2_0 => script.extend([
                Say([&own[..], &[1, peer.number]].concat()),
                Hear([&[3, end.number][..], &self.frame(0, end.identity)].concat()),
                Say(self.frame(0, peer.identity)),
            ]),
            Self::V3_0 | Self::V3_1 => {
                let greeting = |minor| {
                    let mut rest = vec![3, minor];
                    rest.extend_from_slice(b"NULL");
                    rest.resize(54, 0);
                    rest
                };
                let minor = u8::from(self == Self::V3_1);
                script.extend([
                    Say([&own[..], &greeting(minor)].concat()),
                    Hear([&greeting(1)[..], &end.ready()].concat()),
                    Say(peer.ready()),
                ]);
            }
        }
        script
    }

    /// A frame with a short body.
    fn frame(self, flags: u8, body: &[u8]) -> Vec<u8> {
        let len = body.len() as u8;
        match self {
            Self::V1_0 => [&[len + 1, flags][..], body].concat(),
            _ => [&[flags, len][..], body].concat(),
        }
    }

    fn subscription(self, topic: &[u8]) -> Vec<u8> {
        match self {
            Self::V3_1 => self.frame(4, &[b"\x09SUBSCRIBE", topic].concat()),
            _ => self.frame(0, &[b"\x01", topic].concat()),
        }
    }
}

/// What an end says about itself.
struct Introduction {
    name: &'static str,
    number: u8,
    identity: &'static [u8],
}

impl Introduction {
    const fn new(name: &'static str, number: u8) -> Self {
        let identity = b"";
        Self {
            name,
            number,
            identity,
        }
    }

    fn ready(&self) -> Vec<u8> {
        let name = self.name.as_bytes();
        let mut body = b"\x05READY\x0bSocket-Type\0\0\0".to_vec();
        body.push(name.len() as u8);
        body.extend_from_slice(name);
        if matches!(self.name, "REQ" | "DEALER" | "ROUTER") {
            body.extend_from_slice(b"\x08Identity\0\0\0");
            body.push(self.identity.len() as u8);
            body.extend_from_slice(self.identity);
        }
        Version::V3_1.frame(4, &body)
    }
}

const SUB: Introduction = Introduction::new("SUB", 2);
const PUB: Introduction = Introduction::new("PUB", 1);
const XPUB: Introduction = Introduction::new("XPUB", 9);
const DEALER: Introduction = Introduction {
    identity: b"old",
    ..Introduction::new("DEALER", 5)
};
const ROUTER: Introduction = Introduction {
    identity: b"new",
    ..Introduction::new("ROUTER", 6)
};

/// Plays a script against a bound end of ours, which `act` makes act, in a thread of its own.
fn against_ours(
    config: HandshakeConfig,
    script: &[Step],
    act: impl FnOnce(WirePeer) + Send + 'static,
) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let peer = WirePeer::new(accept(&listener), config);
    let acting = thread::spawn(move || act(peer));
    play(stream, script);
    acting.join().unwrap();
}

/// The same with a socket of libzmq.
fn against_libzmq(socket: Socket, script: &[Step], act: impl FnOnce(&Socket) + Send + 'static) {
    let endpoint = socket.bind("tcp://127.0.0.1:*").unwrap();
    let stream = TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
    let acting = thread::spawn(move || {
        act(&socket);
        // It lives until the script is over.
        socket
    });
    play(stream, script);
    acting.join().unwrap();
}

// spec: WIRE-1.4/interop-dealer: a DEALER of 1.0, 2.0, 3.0 or 3.1 hears the same from our ROUTER as from libzmq's, byte for byte
#[test]
fn a_dealer_of_any_version_talks_to_our_router_as_to_libzmqs() {
    for version in Version::ALL {
        let mut script = version.handshake(&DEALER, &ROUTER);
        let message = [version.frame(1, b""), version.frame(0, b"hi")].concat();
        script.extend([Say(message.clone()), Hear(message)]);

        let config = HandshakeConfig::new(SocketType::Router);
        against_ours(config.with_identity("new").unwrap(), &script, |mut peer| {
            assert_eq!(peer.connected().unwrap().identity, "old");
            let message = peer.message();
            assert_eq!(frames(&message), [&b""[..], b"hi"]);
            peer.send(message);
            assert_eq!(peer.connected(), Err(crate::support::End::Closed));
        });
        let context = Context::new();
        let router = context.socket(socket_type::ROUTER).unwrap();
        router.set_bytes(opt::ROUTING_ID, b"new").unwrap();
        against_libzmq(router, &script, |router| {
            let message = router.recv_timeout(PATIENCE).unwrap();
            assert_eq!(message, [&b"old"[..], b"", b"hi"]);
            router.send(&message).unwrap();
        });
    }
}

// spec: WIRE-1.4/interop-publisher: a PUB of 1.0, 2.0, 3.0 or 3.1 gets its subscriptions from our SUB as from libzmq's, byte for byte
#[test]
fn a_publisher_of_any_version_talks_to_our_sub_as_to_libzmqs() {
    for version in Version::ALL {
        let mut script = version.handshake(&PUB, &SUB);
        script.extend([
            Hear(version.subscription(b"top")),
            Say(version.frame(0, b"topic")),
        ]);

        let config = HandshakeConfig::new(SocketType::Sub);
        against_ours(config, &script, |mut peer| {
            peer.connection().subscribe("top").unwrap();
            assert_eq!(frames(&peer.message()), [b"topic"]);
        });
        let context = Context::new();
        let sub = context.socket(socket_type::SUB).unwrap();
        sub.set_bytes(opt::SUBSCRIBE, b"top").unwrap();
        against_libzmq(sub, &script, |sub| {
            assert_eq!(sub.recv_timeout(PATIENCE).unwrap(), [b"topic"]);
        });
    }
}

// spec: WIRE-1.4/interop-subscriber: a SUB of 2.0, 3.0 or 3.1 is published to by our XPUB as by libzmq's, byte for byte
#[test]
fn a_subscriber_of_any_version_talks_to_our_xpub_as_to_libzmqs() {
    // One of 1.0 subscribes to nothing and filters what it gets.
    for version in [Version::V2_0, Version::V3_0, Version::V3_1] {
        let mut script = version.handshake(&SUB, &XPUB);
        script.extend([
            Say(version.subscription(b"top")),
            Hear(version.frame(0, b"topic")),
        ]);

        let config = HandshakeConfig::new(SocketType::XPub);
        against_ours(config, &script, move |mut peer| {
            let subscribed = peer.run(|event| match event {
                Event::Message(message) => Some(frames(&message).concat()),
                Event::Command(body) => Some(body.to_vec()),
                _ => None,
            });
            let expected = match version {
                Version::V3_1 => &b"\x09SUBSCRIBEtop"[..],
                _ => b"\x01top",
            };
            assert_eq!(subscribed.unwrap(), expected);
            peer.send("topic");
            assert_eq!(peer.connected(), Err(crate::support::End::Closed));
        });
        let context = Context::new();
        let xpub = context.socket(socket_type::XPUB).unwrap();
        against_libzmq(xpub, &script, |xpub| {
            assert_eq!(xpub.recv_timeout(PATIENCE).unwrap(), [b"\x01top"]);
            xpub.send(&["topic"]).unwrap();
        });
    }
}
