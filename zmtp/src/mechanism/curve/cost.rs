//! What a stranger can make a server spend, counted: memory, and operations with public keys.

use std::time::Instant;

use allocation_counter::AllocationInfo;

use crate::curve::{ClientConfig, KeyPair, SecretKey, ServerConfig, ops};
use crate::greeting::{Greeting, MechanismName};
use crate::{
    Connection, Error, Handshake, HandshakeConfig, MechanismConfig, Random, SocketType, Version,
};

/// The most memory that a handshake may use before the cookie has come back, in bytes.
const MEMORY: u64 = 4096;

/// What one handshake cost the server.
#[derive(Debug)]
struct Cost {
    memory: AllocationInfo,
    agreements: u32,
    /// Public keys computed from secret ones.
    bases: u32,
    result: Result<(), Error>,
    /// What the server said after its greeting.
    sent: Vec<u8>,
}

fn server_keys() -> KeyPair {
    KeyPair::from_secret(SecretKey::from_bytes([22; 32]))
}

/// Feeds a server with a greeting and with these bytes, in chunks of so many bytes.
fn spend(input: &[u8], chunk: usize) -> Cost {
    let config = HandshakeConfig::new(SocketType::Router).with_mechanism(
        MechanismConfig::CurveServer(ServerConfig::new(server_keys()).allow_any_client()),
    );
    let greeting = Greeting {
        version: Version::V3_1,
        mechanism: MechanismName::CURVE,
        as_server: false,
    }
    .encode(0);
    let mut result = Ok(());
    let mut sent = Vec::with_capacity(1 << 16);
    let mut operations = (0, 0);
    let memory = allocation_counter::measure(|| {
        let ((), agreements, bases) = ops::counted(|| {
            let mut server = Handshake::new(config);
            server.handle_input(&greeting).unwrap();
            server.advance_transmit(server.transmit().len());
            for chunk in input.chunks(chunk) {
                if let Err(error) = server.handle_input(chunk) {
                    result = Err(error);
                    break;
                }
            }
            sent.extend_from_slice(server.transmit());
        });
        operations = (agreements, bases);
    });
    Cost {
        memory,
        agreements: operations.0,
        bases: operations.1,
        result,
        sent,
    }
}

/// A client's greeting is over: the handshake, and its HELLO as a frame.
fn hello() -> (Handshake, Vec<u8>) {
    let own = KeyPair::from_secret(SecretKey::from_bytes([11; 32]));
    let config = ClientConfig::new(*server_keys().public(), own);
    let config = HandshakeConfig::new(SocketType::Dealer)
        .with_mechanism(MechanismConfig::CurveClient(config));
    let mut client = Handshake::with_random(config, Random::system());
    let greeting = Greeting {
        version: Version::V3_1,
        mechanism: MechanismName::CURVE,
        as_server: true,
    };
    client.handle_input(&greeting.encode(0)).unwrap();
    let hello = client.transmit()[64..].to_vec();
    client.advance_transmit(client.transmit().len());
    (client, hello)
}

// spec: RFC26/stateless: a client that knows the server's key costs one agreement before it returns the cookie
#[test]
fn a_right_hello_costs_one_agreement_and_little_memory() {
    let (_, hello) = hello();
    for chunk in [1, 64, usize::MAX] {
        let cost = spend(&hello, chunk);
        assert_eq!(cost.result, Ok(()));
        assert_eq!(cost.sent.len(), 2 + 168);
        assert_eq!((cost.agreements, cost.bases), (1, 1));
        assert!(cost.memory.bytes_total < MEMORY, "{cost:?}");
    }
}

// spec: RFC26/garbage: a stranger without the server's key costs one agreement at most, and gets no answer
#[test]
fn garbage_costs_no_more() {
    let (_, hello) = hello();
    let changed = |at: usize| {
        let mut hello = hello.clone();
        hello[at] ^= 0xFF;
        hello
    };
    let announced = |size: u64| {
        let mut frame = vec![6];
        frame.extend_from_slice(&size.to_be_bytes());
        frame.extend_from_slice(b"\x05HELLO");
        frame.resize(20_000, 1);
        frame
    };
    let mut other_name = announced(16_000);
    other_name[9..17].copy_from_slice(b"\x08INITIAT");
    let cases = [
        // Name, version, padding: found out before anything is computed.
        (changed(3), 0),
        (changed(8), 0),
        (changed(10), 0),
        (changed(81), 0),
        (hello[..199].to_vec(), 0),
        // Another key, another nonce, another box.
        (changed(82), 1),
        (changed(114), 1),
        (changed(201), 1),
        // Sizes that are not those of a HELLO.
        (announced(201), 0),
        (announced(16_384), 0),
        (announced(1 << 40), 0),
        (announced(u64::MAX), 0),
        (other_name, 0),
        (vec![0; 20_000], 0),
        (b"\x04\x08\x07WELCOME".repeat(1000), 0),
    ];
    for (input, agreements) in cases {
        for chunk in [1, 4096, usize::MAX] {
            let cost = spend(&input, chunk);
            assert_eq!(cost.agreements, agreements, "{cost:?}");
            assert_eq!(cost.bases, 0, "{cost:?}");
            assert!(cost.sent.is_empty(), "{cost:?}");
            assert!(cost.memory.bytes_total < MEMORY, "{cost:?}");
            assert_eq!(cost.result.is_ok(), input.len() == 199, "{cost:?}");
        }
    }
}

// spec: RFC26/cookie-first: an INITIATE is stored and computed upon only once its cookie has come back
#[test]
fn a_false_cookie_costs_nothing_more() {
    let (_, hello) = hello();
    for size in [300, 16_000] {
        let mut initiate = vec![6];
        initiate.extend_from_slice(&(size as u64).to_be_bytes());
        initiate.extend_from_slice(b"\x08INITIATE");
        initiate.resize(9 + size, 7);
        let input = [&hello[..], &initiate].concat();
        for chunk in [1, 4096, usize::MAX] {
            let cost = spend(&input, chunk);
            assert!(
                matches!(cost.result, Err(Error::Cryptographic { .. })),
                "{cost:?}"
            );
            assert_eq!((cost.agreements, cost.bases), (1, 1));
            assert!(cost.memory.bytes_total < MEMORY, "{cost:?}");
        }
    }
}

/// What the connection around the handshake needs is within the bound as well.
#[test]
fn a_whole_connection_costs_a_stranger_no_more() {
    let (_, hello) = hello();
    let greeting = Greeting {
        version: Version::V3_1,
        mechanism: MechanismName::CURVE,
        as_server: false,
    }
    .encode(0);
    let mut initiate = vec![6];
    initiate.extend_from_slice(&16_000_u64.to_be_bytes());
    initiate.extend_from_slice(b"\x08INITIATE");
    initiate.resize(16_009, 7);
    let input = [&greeting[..], &hello, &initiate].concat();
    let now = Instant::now();
    for chunk in [1, 64, 4096, usize::MAX] {
        let config = HandshakeConfig::new(SocketType::Router).with_mechanism(
            MechanismConfig::CurveServer(ServerConfig::new(server_keys()).allow_any_client()),
        );
        let memory = allocation_counter::measure(|| {
            let mut connection = Connection::new(config, now);
            let failed = input.chunks(chunk).any(|chunk| {
                while connection.poll_transmit().is_some() {}
                connection.handle_input(chunk, now).is_err()
            });
            assert!(failed);
        });
        assert!(memory.bytes_max < MEMORY, "{memory:?}");
    }
}

/// A client with long metadata, whose INITIATE is longer than what strangers may send.
#[test]
fn a_long_initiate_comes_in_with_its_cookie() {
    let own = KeyPair::from_secret(SecretKey::from_bytes([11; 32]));
    let config = ClientConfig::new(*server_keys().public(), own);
    let mut client = Handshake::new(
        HandshakeConfig::new(SocketType::Dealer)
            .with_mechanism(MechanismConfig::CurveClient(config))
            .with_property("X-long", vec![b'x'; 1500])
            .unwrap(),
    );
    let mut server = Handshake::new(HandshakeConfig::new(SocketType::Router).with_mechanism(
        MechanismConfig::CurveServer(ServerConfig::new(server_keys()).allow_any_client()),
    ));
    for _ in 0..6 {
        for byte in client.transmit() {
            assert_eq!(server.handle_input(&[*byte]), Ok(1));
        }
        client.advance_transmit(client.transmit().len());
        let used = client.handle_input(server.transmit()).unwrap();
        server.advance_transmit(used);
    }
    let peer = server.finish().unwrap().peer;
    assert_eq!(peer.properties.get("X-long").map(<[u8]>::len), Some(1500));
    assert!(client.is_complete());
}
