//! Whom listeners let in, and whose place they take.

use std::{os::fd::OwnedFd, os::unix::net::UnixStream};

use super::*;

fn own_credentials() -> ProcessCredentials {
    ProcessCredentials {
        pid: Some(std::process::id()),
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
    }
}

#[test]
#[cfg(target_os = "linux")]
fn both_ends_of_ipc_know_the_process_at_the_other() {
    let (listener, endpoint) = bind("ipc://*").unwrap();
    let client = try_connect(&endpoint).unwrap();
    let server = accept(&listener);
    for peer in [&server.peer, &server.stream.peer(), &client.peer()] {
        assert_eq!(peer.credentials(), Some(own_credentials()), "{peer}");
    }
    let ProcessCredentials { pid, uid, gid } = own_credentials();
    let pid = pid.unwrap();
    assert_eq!(server.peer.to_zap(), format!("localhost:{uid}:{gid}:{pid}"));
    assert_eq!(server.peer.to_string(), format!("ipc:// (pid {pid})"));
    let (client, _server) = pair("tcp://127.0.0.1:*");
    assert_eq!(client.peer().credentials(), None);
}

/// Accepts whoever comes next, or says that he is not admitted.
fn admits(listener: &Listener) -> bool {
    loop {
        wait(listener, PollFlags::IN);
        match listener.accept() {
            Ok(_) => return true,
            Err(AcceptError::Refused(_)) => return false,
            Err(AcceptError::WouldBlock | AcceptError::Transient(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn only_who_is_admitted_comes_in() {
    let ProcessCredentials { pid, uid, gid } = own_credentials();
    let pid = pid.unwrap();
    let ipc = |pids: &[u32], uids: &[u32], gids: &[u32]| AcceptFilter {
        pids: pids.to_vec(),
        uids: uids.to_vec(),
        gids: gids.to_vec(),
        ..AcceptFilter::default()
    };
    let tcp = |network: &str| AcceptFilter {
        networks: vec![network.parse().unwrap()],
        ..AcceptFilter::default()
    };
    const NOBODY: u32 = u32::MAX - 7;
    let mut cases = vec![
        ("tcp://127.0.0.1:*", tcp("127.0.0.1"), true),
        ("tcp://127.0.0.1:*", tcp("0.0.0.0/0"), true),
        ("tcp://127.0.0.1:*", tcp("127.0.0.0/31"), true),
        ("tcp://127.0.0.1:*", tcp("127.0.0.2/31"), false),
        ("tcp://127.0.0.1:*", tcp("::1"), false),
        ("tcp://127.0.0.1:*", ipc(&[NOBODY], &[], &[]), true),
        ("ipc://*", tcp("10.0.0.0/8"), true),
        ("ipc://*", ipc(&[pid], &[], &[]), true),
        ("ipc://*", ipc(&[NOBODY], &[], &[]), false),
        ("ipc://*", ipc(&[], &[uid], &[]), true),
        ("ipc://*", ipc(&[], &[NOBODY], &[]), false),
        ("ipc://*", ipc(&[], &[], &[gid]), true),
        ("ipc://*", ipc(&[], &[], &[NOBODY]), false),
        ("ipc://*", ipc(&[NOBODY], &[NOBODY], &[gid]), true),
    ];
    // Those in which this process is beside its own, if there are any.
    let (stream, _other) = UnixStream::pair().unwrap();
    for group in zpipe::peer_groups(stream.as_fd()).unwrap() {
        cases.push(("ipc://*", ipc(&[], &[], &[NOBODY, group]), true));
    }
    for (text, accept, expected) in cases {
        let tuning = SocketTuning {
            accept,
            ..SocketTuning::default()
        };
        let (listener, endpoint) = Listener::bind(&parse(text), &tuning).unwrap();
        for _ in 0..2 {
            let client = try_connect(&endpoint).unwrap();
            assert_eq!(admits(&listener), expected, "{text}, {:?}", tuning.accept);
            if !expected {
                wait(&client, PollFlags::IN);
                assert_eq!(client.read(&mut [0]).unwrap(), 0, "closed");
            }
        }
    }
}

#[test]
fn a_path_is_taken_over_only_when_that_is_asked_for() {
    let (_directory, text) = temporary();
    let takeover = SocketTuning {
        ipc_takeover: true,
        ..SocketTuning::default()
    };
    let (first, endpoint) = bind(&text).unwrap();
    assert!(matches!(bind(&text), Err(BindError::AddressInUse(_))));
    // Whoever wanted to bind has looked whether somebody is there.
    accept(&first);
    let (second, _) = Listener::bind(&parse(&text), &takeover).unwrap();
    let before = try_connect(&endpoint).unwrap();
    accept(&second);
    assert!(matches!(first.accept(), Err(AcceptError::WouldBlock)));
    // It does not take along what is not its own any more.
    drop(first);
    let after = try_connect(&endpoint).unwrap();
    accept(&second);
    drop((second, before, after));
    assert!(!path_of(&endpoint).exists());

    // Only a socket is taken over.
    fs::write(path_of(&endpoint), "of somebody").unwrap();
    let refused = Listener::bind(&parse(&text), &takeover);
    assert!(matches!(refused, Err(BindError::NotASocket(_))));
    assert_eq!(
        fs::read_to_string(path_of(&endpoint)).unwrap(),
        "of somebody"
    );
}

#[test]
fn a_listening_descriptor_is_adopted_and_left_to_others() {
    let tuning = SocketTuning::default();
    let (directory, path_text) = temporary();
    let path = directory.path().join("socket");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp_text = format!("tcp://{}", tcp.local_addr().unwrap());
    let unix = UnixListener::bind(&path).unwrap();
    for (descriptor, text) in [
        (OwnedFd::from(tcp), tcp_text),
        (OwnedFd::from(unix), path_text),
    ] {
        let other = descriptor.try_clone().unwrap();
        let (listener, endpoint) = Listener::adopt(descriptor, &tuning).unwrap();
        assert_eq!(endpoint.to_string(), text);
        assert!(matches!(listener.accept(), Err(AcceptError::WouldBlock)));
        let client = try_connect(&endpoint).unwrap();
        let server = accept(&listener).stream;
        server.write(b"x").unwrap();
        wait(&client, PollFlags::IN);
        assert_eq!(client.read(&mut [0; 2]).unwrap(), 1);
        drop(listener);

        // Whoever else has it goes on.
        let (again, endpoint) = Listener::adopt(other, &tuning).unwrap();
        let _client = try_connect(&endpoint).unwrap();
        accept(&again);
    }
    assert!(path.exists(), "the file is not the listener's");
}

#[test]
fn other_descriptors_are_not_adopted() {
    let (stream, _peer) = UnixStream::pair().unwrap();
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let file = fs::File::open("/dev/null").unwrap();
    let bound = Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    bound
        .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .unwrap();
    for descriptor in [OwnedFd::from(stream), udp.into(), file.into(), bound.into()] {
        match Listener::adopt(descriptor, &SocketTuning::default()) {
            Err(error @ BindError::NotAListener(_)) => assert!(!error.to_string().is_empty()),
            other => panic!("{other:?}"),
        }
    }
}
