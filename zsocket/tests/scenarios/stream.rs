//! STREAM: bytes to and from programs that do not speak ZMTP.

use std::{
    io::{ErrorKind, Read, Write},
    time::Duration,
};

use zsocket::{
    Context, Dynamic, Endpoint, Error, Event, InvalidOption, Message, Socket, SocketType, Stream,
};

use crate::support::{
    A_WHILE, PATIENCE, Raw, RawListener, WIRES, Wire, eventually, invalid, spawn, wait_for,
};

const CHUNK: usize = 8 * 1024;

fn bound(wire: Wire) -> (Context, Socket<Stream>, Endpoint) {
    let context = Context::new();
    let stream = context.socket::<Stream>().unwrap();
    let endpoint = stream.bind(wire.anywhere()).unwrap();
    (context, stream, endpoint)
}

/// A STREAM that has connected to a plain listener, and its id for it.
fn connected(wire: Wire) -> (Context, Socket<Stream>, RawListener, Vec<u8>) {
    let context = Context::new();
    let listener = RawListener::anywhere(wire);
    let stream = context.socket::<Stream>().unwrap();
    stream
        .set_reconnect_interval(Some(Duration::from_millis(1)))
        .unwrap();
    stream.connect(listener.endpoint()).unwrap();
    let id = stream.connected_id().unwrap().unwrap().to_vec();
    (context, stream, listener, id)
}

/// The next message: from whom, and what.
fn next(stream: &Socket<Stream>) -> (Vec<u8>, Vec<u8>) {
    let message = stream.recv_timeout(PATIENCE).unwrap();
    assert_eq!(message.len(), 2);
    assert!(message[1].len() <= CHUNK);
    (message[0].to_vec(), message[1].to_vec())
}

/// Waits for somebody to come.
fn newcomer(stream: &Socket<Stream>) -> Vec<u8> {
    let (id, notice) = next(stream);
    assert_eq!((id.len(), id[0], notice.len()), (5, 0, 0));
    id
}

/// Receives so many bytes from this peer, and nothing else.
fn read(stream: &Socket<Stream>, from: &[u8], len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < len {
        let (id, chunk) = next(stream);
        assert_eq!(id, from);
        assert!(!chunk.is_empty(), "the end after {} bytes", bytes.len());
        bytes.extend(chunk);
    }
    assert_eq!(bytes.len(), len);
    bytes
}

fn send(stream: &Socket<Stream>, to: &[u8], bytes: &[u8]) {
    stream.send([to, bytes]).unwrap();
}

fn noise(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 / 7) as u8).collect()
}

fn is_unroutable(stream: &Socket<Stream>, id: &[u8]) -> bool {
    match stream.try_send([id, b"anybody?"]) {
        Ok(()) => false,
        Err(refused) => {
            assert!(matches!(refused.error, Error::Unroutable), "{refused}");
            assert_eq!(refused.message[0][..], *id);
            true
        }
    }
}

#[test]
fn a_server_answers_and_closes() {
    for wire in WIRES {
        let (_context, server, endpoint) = bound(wire);
        let mut browser = Raw::connect(&endpoint);
        let id = newcomer(&server);
        browser.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        assert_eq!(read(&server, &id, 18), b"GET / HTTP/1.0\r\n\r\n");
        send(&server, &id, b"HTTP/1.0 200 OK\r\n\r\n");
        // Any number of frames, and some of them empty.
        let parts = [&id[..], b"", b"hel", b"", b"lo"];
        server.send(parts).unwrap();
        send(&server, &id, b"");
        let mut page = Vec::new();
        browser.read_to_end(&mut page).unwrap();
        assert_eq!(page, b"HTTP/1.0 200 OK\r\n\r\nhello");
        assert!(is_unroutable(&server, &id));
        // It has brought the end about itself.
        drop(browser);
        assert_eq!(server.peers(), 0);
        assert!(matches!(
            server.recv_timeout(A_WHILE),
            Err(Error::WouldBlock(_))
        ));
    }
}

#[test]
fn a_client_asks_before_the_server_is_there() {
    for wire in WIRES {
        let (_context, client, listener, id) = connected(wire);
        send(&client, &id, b"HEAD / HTTP/1.0\r\n\r\n");
        let mut server = listener.accept();
        let mut request = [0; 19];
        server.read_exact(&mut request).unwrap();
        assert_eq!(&request, b"HEAD / HTTP/1.0\r\n\r\n");
        server.write_all(b"HTTP/1.0 404 ").unwrap();
        server.write_all(b"Not Found\r\n\r\n").unwrap();
        drop((server, listener));
        assert_eq!(newcomer(&client), id);
        assert_eq!(read(&client, &id, 26), b"HTTP/1.0 404 Not Found\r\n\r\n");
        assert_eq!(next(&client), (id, Vec::new()));
    }
}

#[test]
fn both_ends_are_told_of_connect_and_disconnect() {
    for wire in WIRES {
        let (context, server, endpoint) = bound(wire);
        let client = context.socket::<Stream>().unwrap();
        assert_eq!(client.connected_id().unwrap(), None);
        client.connect(&endpoint).unwrap();
        let of_server = newcomer(&client);
        assert_eq!(client.connected_id().unwrap().unwrap(), of_server);
        let of_client = newcomer(&server);
        assert_eq!(client.wait_connected(1, PATIENCE).ok(), Some(()));
        let all = noise(1_000_000);
        let (large, small) = all.split_at(600_000);
        send(&client, &of_server, large);
        small
            .chunks(999)
            .for_each(|piece| send(&client, &of_server, piece));
        assert!(read(&server, &of_client, all.len()) == all);
        send(&server, &of_client, b"thank you");
        assert_eq!(read(&client, &of_server, 9), b"thank you");
        // The server closes: the client is told, and told again when its connection is made anew.
        send(&server, &of_client, b"");
        assert_eq!(newcomer(&client), of_server);
        assert_eq!(newcomer(&client), of_server);
        let again = newcomer(&server);
        assert_ne!(again, of_client);
        // The client goes.
        drop(client);
        assert_eq!(next(&server), (again.clone(), Vec::new()));
        assert!(is_unroutable(&server, &again));
    }
}

#[test]
fn what_is_queued_goes_out_before_the_end() {
    for wire in WIRES {
        let (_context, server, endpoint) = bound(wire);
        let mut raw = Raw::connect(&endpoint);
        let id = newcomer(&server);
        let all = noise(20_000_000);
        let sender = spawn(move || {
            let all = noise(20_000_000);
            all.chunks(100_000)
                .for_each(|piece| send(&server, &id, piece));
            send(&server, &id, b"");
            assert!(is_unroutable(&server, &id));
            server
        });
        let mut got = Vec::new();
        raw.read_to_end(&mut got).unwrap();
        assert!(got == all);
        sender.join();
    }
}

#[test]
fn a_connection_that_was_closed_is_not_made_again() {
    for wire in WIRES {
        let (_context, client, listener, id) = connected(wire);
        let mut server = listener.accept();
        assert_eq!(newcomer(&client), id);
        send(&client, &id, b"last words");
        send(&client, &id, b"");
        let mut words = String::new();
        server.read_to_string(&mut words).unwrap();
        assert_eq!(words, "last words");
        assert!(is_unroutable(&client, &id));
        assert_eq!(client.peers(), 0);
        assert!(matches!(
            client.disconnect(listener.endpoint()),
            Err(Error::NoSuchEndpoint(_))
        ));
        // One that never was there.
        drop((server, listener));
        client.connect("tcp://127.0.0.1:1").unwrap();
        let id = client.connected_id().unwrap().unwrap();
        send(&client, &id, b"");
        assert!(is_unroutable(&client, &id));
    }
}

#[test]
fn many_clients_are_told_apart() {
    const CLIENTS: usize = 60;
    for wire in WIRES {
        let (_context, server, endpoint) = bound(wire);
        let mut clients: Vec<Raw> = (0..CLIENTS).map(|_| Raw::connect(&endpoint)).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            client.write_all(&[number as u8; 5]).unwrap();
        }
        let mut ids = std::collections::HashMap::new();
        let mut heard: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        while heard.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() < CLIENTS * 5 {
            let (id, bytes) = next(&server);
            match ids.get(&id) {
                None => {
                    assert!(bytes.is_empty(), "told of before it is heard");
                    ids.insert(id, ());
                }
                Some(()) => heard.push((id, bytes)),
            }
        }
        for (id, bytes) in &heard {
            assert!(bytes.iter().all(|byte| *byte == bytes[0]));
            send(&server, id, bytes);
        }
        for (number, client) in clients.iter_mut().enumerate() {
            let mut back = [0; 5];
            client.read_exact(&mut back).unwrap();
            assert_eq!(back, [number as u8; 5]);
        }
        drop(clients);
        for _ in 0..CLIENTS {
            let (id, notice) = next(&server);
            assert!(notice.is_empty() && ids.remove(&id).is_some());
        }
        // A link that is empty is forgotten at the next look.
        assert!(matches!(server.try_recv(), Err(Error::WouldBlock(_))));
        assert_eq!(server.peers(), 0);
    }
}

#[test]
fn a_peer_that_is_not_received_from_has_to_wait() {
    const MOST: usize = 32 << 20;
    for wire in WIRES {
        let context = Context::new();
        let builder = context.build_socket::<Stream>().recv_hwm(5);
        let server = builder.build().unwrap();
        server.set_recv_buffer(Some(16 * 1024)).unwrap();
        let endpoint = server.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect(&endpoint);
        raw.set_write_timeout(A_WHILE);
        let block = noise(64 * 1024);
        let mut written = Vec::new();
        let error = loop {
            match raw.write(&block) {
                Ok(len) => written.extend_from_slice(&block[..len]),
                Err(error) => break error,
            }
            assert!(written.len() < MOST, "nothing holds it back");
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        // Nothing is lost, and the end comes behind it.
        drop(raw);
        let id = newcomer(&server);
        assert!(read(&server, &id, written.len()) == written);
        assert_eq!(next(&server), (id, Vec::new()));
    }
}

#[test]
fn a_peer_that_does_not_read_holds_only_its_own_messages_up() {
    for wire in WIRES {
        let context = Context::new();
        let builder = context.build_socket::<Stream>().send_hwm(5);
        let server = builder.build().unwrap();
        server.set_send_buffer(Some(16 * 1024)).unwrap();
        let endpoint = server.bind(wire.anywhere()).unwrap();
        let mut slow = Raw::connect(&endpoint);
        let to_slow = newcomer(&server);
        let mut quick = Raw::connect(&endpoint);
        let to_quick = newcomer(&server);
        let block = noise(100_000);
        let mut sent = 0;
        let refused = loop {
            match server.try_send([&to_slow[..], &block]) {
                Ok(()) => sent += 1,
                Err(refused) => break refused,
            }
            assert!(sent < 1000, "nothing holds it back");
        };
        assert!(matches!(refused.error, Error::WouldBlock(_)));
        assert_eq!(refused.message.len(), 2);
        // The I/O thread may not have filled the system's buffers by now.
        let late = loop {
            match server.send_timeout([&to_slow[..], &block], A_WHILE) {
                Ok(()) => sent += 1,
                Err(late) => break late,
            }
            assert!(sent < 1000, "nothing holds it back");
        };
        assert!(matches!(late.error, Error::WouldBlock(_)));
        send(&server, &to_quick, b"not you");
        let mut words = [0; 7];
        quick.read_exact(&mut words).unwrap();
        assert_eq!(&words, b"not you");
        let sender = spawn(move || {
            send(&server, &to_slow, &block);
            send(&server, &to_slow, b"");
            server
        });
        let mut got = Vec::new();
        slow.read_to_end(&mut got).unwrap();
        assert_eq!(got.len(), (sent + 1) * 100_000);
        assert!(got.chunks(100_000).all(|piece| piece == noise(100_000)));
        sender.join();
    }
}

#[test]
fn what_names_no_peer_is_refused() {
    let (context, stream, _) = bound(Wire::Tcp);
    assert!(is_unroutable(&stream, b"nobody"));
    let refused = stream.send(["nobody", ""]).unwrap_err();
    assert!(matches!(refused.error, Error::Unroutable));
    let refused = stream.send("alone").unwrap_err();
    assert!(matches!(refused.error, Error::NoRoutingId));
    assert_eq!(refused.message, Message::from("alone"));
    assert_eq!(stream.stats().messages_sent, 0);
    for call in [
        stream.bind("inproc://stream").map(drop),
        stream.connect("inproc://stream"),
    ] {
        assert!(matches!(call, Err(Error::NotSupported)));
    }
    let dealer: Socket<Dynamic> = context.dynamic(SocketType::Dealer).unwrap();
    assert!(matches!(
        invalid(dealer.set_stream_notify(true)),
        InvalidOption::NotOfType { .. }
    ));
    assert!(matches!(
        invalid(dealer.set_connect_routing_id("x")),
        InvalidOption::NotOfType { .. }
    ));
    assert!(matches!(dealer.connected_id(), Err(Error::NotSupported)));
}

#[test]
fn a_peer_that_dies_is_told_of() {
    for wire in WIRES {
        let (_context, server, endpoint) = bound(wire);
        let monitor = server.monitor();
        let raw = Raw::connect(&endpoint);
        let id = newcomer(&server);
        send(&server, &id, b"never read");
        // With something unread its system resets the connection.
        eventually("it is sent", || raw.has_input());
        drop(raw);
        wait_for(&monitor, "the end", |event| {
            matches!(event, Event::Disconnected { .. })
        });
        assert_eq!(next(&server), (id.clone(), Vec::new()));
        assert!(is_unroutable(&server, &id));
    }
}

#[test]
fn what_a_peer_has_left_comes_before_its_end() {
    for wire in WIRES {
        let (_context, server, endpoint) = bound(wire);
        let monitor = server.monitor();
        let mut raw = Raw::connect(&endpoint);
        raw.write_all(&noise(50_000)).unwrap();
        drop(raw);
        // The socket hears of the peer when that is gone.
        wait_for(&monitor, "the end", |event| {
            matches!(event, Event::Disconnected { .. })
        });
        let id = newcomer(&server);
        assert!(read(&server, &id, 50_000) == noise(50_000));
        assert_eq!(next(&server), (id, Vec::new()));
        assert_eq!(server.stats().dropped.departed, 0);
    }
}

#[test]
fn the_end_is_told_whatever_the_mark_is() {
    for wire in WIRES {
        let context = Context::new();
        let builder = context.build_socket::<Stream>().recv_hwm(1);
        let server = builder.build().unwrap();
        let endpoint = server.bind(wire.anywhere()).unwrap();
        for _ in 0..20 {
            let mut raw = Raw::connect(&endpoint);
            raw.write_all(b"hello").unwrap();
            drop(raw);
            let id = newcomer(&server);
            assert_eq!(read(&server, &id, 5), b"hello");
            assert_eq!(next(&server), (id, Vec::new()));
        }
    }
}

#[test]
fn a_lost_connection_is_made_again_under_the_same_id() {
    for wire in WIRES {
        let (_context, client, listener, id) = connected(wire);
        let mut server = listener.accept();
        assert_eq!(newcomer(&client), id);
        for round in 0..20_u8 {
            server.write_all(&[round; 3]).unwrap();
            assert_eq!(read(&client, &id, 3), [round; 3]);
            drop(server);
            assert_eq!(next(&client), (id.clone(), Vec::new()), "gone");
            // It waits for the next connection.
            send(&client, &id, &[round; 4]);
            server = listener.accept();
            assert_eq!(next(&client), (id.clone(), Vec::new()), "there again");
            let mut bytes = [0; 4];
            server.read_exact(&mut bytes).unwrap();
            assert_eq!(bytes, [round; 4]);
        }
    }
}

#[test]
fn with_immediate_there_is_a_peer_only_while_it_is_there() {
    for wire in WIRES {
        let context = Context::new();
        let listener = RawListener::anywhere(wire);
        let client = context.socket::<Stream>().unwrap();
        client
            .set_reconnect_interval(Some(Duration::from_millis(1)))
            .unwrap();
        client.set_immediate(true).unwrap();
        client.connect(listener.endpoint()).unwrap();
        let id = client.connected_id().unwrap().unwrap();
        for _ in 0..5 {
            let mut server = listener.accept();
            assert_eq!(newcomer(&client), id);
            send(&client, &id, b"x");
            server.read_exact(&mut [0]).unwrap();
            drop(server);
            assert_eq!(next(&client).1, b"");
        }
    }
}

#[test]
fn without_notices_only_bytes_come() {
    for wire in WIRES {
        let context = Context::new();
        let server = context.socket::<Stream>().unwrap();
        server.set_stream_notify(false).unwrap();
        let endpoint = server.bind(wire.anywhere()).unwrap();
        // For later endpoints.
        server.set_stream_notify(true).unwrap();
        for _ in 0..10 {
            drop(Raw::connect(&endpoint));
        }
        let mut raw = Raw::connect(&endpoint);
        raw.write_all(b"hello").unwrap();
        let (id, bytes) = next(&server);
        assert_eq!(bytes, b"hello");
        drop(raw);
        eventually("it is gone", || {
            assert!(matches!(server.try_recv(), Err(Error::WouldBlock(_))));
            is_unroutable(&server, &id)
        });
        eventually("nothing is left", || server.peers() == 0);
        assert!(matches!(server.try_recv(), Err(Error::WouldBlock(_))));
    }
}

#[test]
fn the_application_can_give_the_id() {
    let (_context, stream, listener, _) = connected(Wire::Tcp);
    stream.set_connect_routing_id("printer").unwrap();
    stream.connect(listener.endpoint()).unwrap();
    assert_eq!(stream.connected_id().unwrap().unwrap(), "printer");
    send(&stream, b"printer", b"%!PS");
    let mut both = [listener.accept(), listener.accept()];
    let printer = both.iter_mut().position(|raw| {
        raw.set_read_timeout(A_WHILE);
        raw.read_exact(&mut [0; 4]).is_ok()
    });
    assert!(printer.is_some());
    stream.set_connect_routing_id("printer").unwrap();
    assert!(matches!(
        stream.connect(listener.endpoint()),
        Err(Error::HasPeer)
    ));
}

#[test]
fn a_socket_that_unbinds_is_told_of_the_end_of_its_peers() {
    for wire in WIRES {
        let (_context, server, endpoint) = bound(wire);
        let mut raw = Raw::connect(&endpoint);
        let id = newcomer(&server);
        server.unbind(&endpoint).unwrap();
        raw.expect_close();
        assert_eq!(next(&server), (id, Vec::new()));
    }
}
