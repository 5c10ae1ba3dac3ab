//! STREAM: bytes without frames.

use std::time::Duration;

use zinterop::{
    AnySocket, Failure, Flag, Frames, Options, Pattern, Side, Transport, Trial, eventually,
    four_ways,
};

const SOON: Duration = Duration::from_millis(10);

/// A bound STREAM (second part), and where.
fn server(trial: &Trial, options: &Options) -> (AnySocket, String) {
    let server = trial.second_with(Pattern::Stream, options);
    let endpoint = server.bind(&trial.endpoint());
    (server, endpoint)
}

/// A STREAM (first part) that connects once.
fn client(trial: &Trial, endpoint: &str) -> AnySocket {
    let options = Options::new().reconnect_interval(None);
    let client = trial.first_with(Pattern::Stream, &options);
    client.connect(endpoint);
    client
}

/// Receives a notice, and returns from whom.
fn notice(stream: &AnySocket) -> Vec<u8> {
    let mut frames = stream.recv().0;
    assert_eq!(frames.len(), 2);
    assert_eq!((frames[0].len(), frames[0][0]), (5, 0));
    assert!(frames[1].is_empty(), "a notice, not {:?}", frames[1]);
    frames.swap_remove(0)
}

fn send(stream: &AnySocket, to: &[u8], bytes: &[u8]) {
    stream.send(Frames::from(vec![to.to_vec(), bytes.to_vec()]));
}

/// Receives so many bytes from a peer.
fn read(stream: &AnySocket, from: &[u8], len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < len {
        let frames = stream.recv().0;
        assert_eq!((frames.len(), &frames[0][..]), (2, from));
        assert!(!frames[1].is_empty() && frames[1].len() <= 8192);
        bytes.extend(&frames[1]);
    }
    assert_eq!(bytes.len(), len);
    bytes
}

#[test]
fn bytes_go_both_ways_between_notices() {
    four_ways(&Transport::WIRED, |trial| {
        let (server, endpoint) = server(trial, &Options::new());
        let client = client(trial, &endpoint);
        let to_server = notice(&client);
        let to_client = notice(&server);
        let bytes: Vec<u8> = (0..100_000_u32).map(|at| (at / 3) as u8).collect();
        send(&client, &to_server, &bytes);
        assert!(read(&server, &to_client, bytes.len()) == bytes);
        for size in [1, 255, 256, 8191, 8192, 8193] {
            send(&server, &to_client, &bytes[..size]);
            assert!(read(&client, &to_server, size) == bytes[..size]);
        }
        client.close();
        assert_eq!(notice(&server), to_client);
    });
}

#[test]
fn an_empty_frame_closes_behind_what_was_sent() {
    four_ways(&Transport::WIRED, |trial| {
        if trial.transport() == Transport::Ipc && trial.pairing().first == Side::Libzmq {
            // libzmq closes an ipc stream whose peer has closed without reading it to its end.
            return;
        }
        let (server, endpoint) = server(trial, &Options::new());
        let client = client(trial, &endpoint);
        let to_server = notice(&client);
        let to_client = notice(&server);
        let bytes = vec![7; 300_000];
        send(&server, &to_client, &bytes);
        send(&server, &to_client, b"");
        // libzmq closes at a later call, when all is sent.
        assert!(read(&client, &to_server, bytes.len()) == bytes);
        eventually("the end is told", || {
            assert_eq!(server.recv_for(SOON), Err(Failure::WouldBlock));
            let end = Frames::from(vec![to_server.clone(), Vec::new()]);
            client.try_recv().is_ok_and(|told| told == end)
        });
        let refused = server.try_send(Frames::from(vec![to_client, b"?".to_vec()]));
        assert_eq!(refused, Err(Failure::Unroutable));
    });
}

#[test]
fn whom_nobody_knows_is_unroutable() {
    four_ways(&[Transport::Tcp], |trial| {
        let (server, _) = server(trial, &Options::new());
        assert_eq!(server.try_send(["nobody", "x"]), Err(Failure::Unroutable));
    });
}

#[test]
fn without_notices_only_bytes_come() {
    four_ways(&Transport::WIRED, |trial| {
        let (server, endpoint) = server(trial, &Options::new().with(Flag::NoStreamNotify));
        let client = client(trial, &endpoint);
        let to_server = notice(&client);
        send(&client, &to_server, b"hello");
        assert_eq!(server.recv().0[1], b"hello");
        client.close();
        assert_eq!(server.recv_for(SOON * 5), Err(Failure::WouldBlock));
    });
}

#[test]
fn a_connection_that_is_made_again_is_told_of_again() {
    four_ways(&Transport::WIRED, |trial| {
        let endpoint = trial.fixed_endpoint();
        let options = Options::new().reconnect_interval(Some(SOON));
        let client = trial.first_with(Pattern::Stream, &options);
        let server = trial.second(Pattern::Stream);
        server.bind(&endpoint);
        client.connect(&endpoint);
        let to_server = notice(&client);
        let to_client = notice(&server);
        send(&server, &to_client, b"");
        assert_eq!(
            server
                .recv_for(SOON)
                .map(|frames| frames.0[1].len())
                .unwrap_or(0),
            0
        );
        assert_eq!(notice(&client), to_server, "gone");
        assert_eq!(notice(&client), to_server, "there again");
        send(&client, &to_server, b"still me");
        eventually("it is heard", || {
            server
                .recv_for(SOON)
                .is_ok_and(|frames| frames.0[1] == b"still me")
        });
    });
}

/// What a DEALER of version 3.0 and later says, and its peer's part, made by hand.
#[test]
fn it_can_speak_zmtp_by_hand() {
    four_ways(&[Transport::Tcp], |trial| {
        let (server, endpoint) = server(trial, &Options::new());
        let dealer = trial.first(Pattern::Dealer);
        dealer.connect(&endpoint);
        dealer.send("hello");
        let id = notice(&server);
        let mut greeting = vec![0; 64];
        greeting[0] = 0xFF;
        greeting[9] = 0x7F;
        greeting[10] = 3;
        greeting[12..16].copy_from_slice(b"NULL");
        send(&server, &id, &greeting);
        let mut theirs = Vec::new();
        let mut has = |len: usize| {
            while theirs.len() < len {
                theirs.extend(&server.recv().0[1]);
            }
            theirs.clone()
        };
        let greeted = has(66);
        assert_eq!((greeted[0], greeted[9], greeted[10]), (0xFF, 0x7F, 3));
        assert_eq!(greeted[64], 4, "a command");
        let ready = has(66 + usize::from(greeted[65]));
        assert!(ready[66..].starts_with(b"\x05READY\x0bSocket-Type\0\0\0\x06DEALER"));
        send(
            &server,
            &id,
            b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06ROUTER",
        );
        assert_eq!(read(&server, &id, 7), b"\0\x05hello");
        send(&server, &id, b"\x01\x05world\0\x01!");
        assert_eq!(dealer.recv(), ["world", "!"]);
    });
}
