//! Options of tcp sockets, as the system has them afterwards.

use socket2::{Protocol, SockRef};

use super::*;

fn tuned(tcp: TcpTuning) -> SocketTuning {
    SocketTuning {
        tcp,
        ..SocketTuning::default()
    }
}

/// Both ends of a connection, the connecting one first, and what listens.
fn tuned_pair(text: &str, tuning: &SocketTuning) -> Result<(Stream, Stream, Listener), BindError> {
    let (listener, endpoint) = Listener::bind(&parse(text), tuning)?;
    let address = ResolvedAddress::from_literal(&endpoint).unwrap();
    let (client, state) = connect_start(&address, None, tuning).unwrap();
    if state == ConnectState::InProgress {
        finish(&client).unwrap();
    }
    let server = accept(&listener).stream;
    Ok((client, server, listener))
}

#[test]
fn options_of_tcp_reach_both_ends() {
    let tuning = tuned(TcpTuning {
        keep_alive: Some(true),
        keep_alive_count: Some(3),
        keep_alive_idle: Some(11),
        keep_alive_interval: Some(7),
        type_of_service: 0x28,
        priority: 5,
        user_timeout: Some(Duration::from_millis(4321)),
        ..TcpTuning::default()
    });
    for (text, is_ipv6) in [("tcp://127.0.0.1:*", false), ("tcp://[::1]:*", true)] {
        let (client, server, _listener) = match tuned_pair(text, &tuning) {
            Ok(made) => made,
            // A machine without IPv6.
            Err(error) => {
                assert!(
                    is_ipv6 && !matches!(error, BindError::Option(..)),
                    "{error}"
                );
                continue;
            }
        };
        for stream in [&client, &server] {
            let socket = SockRef::from(stream);
            assert!(socket.keepalive().unwrap());
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
            assert_eq!(
                socket.tcp_keepalive_time().unwrap(),
                Duration::from_secs(11)
            );
            assert_eq!(
                socket.tcp_keepalive_interval().unwrap(),
                Duration::from_secs(7)
            );
            assert_eq!(
                socket.tcp_user_timeout().unwrap(),
                Some(Duration::from_millis(4321))
            );
            assert_eq!(socket.priority().unwrap(), 5);
            assert_eq!(socket.tos_v4().unwrap(), 0x28);
            if is_ipv6 {
                assert_eq!(socket.tclass_v6().unwrap(), 0x28);
            }
        }
    }
}

#[test]
fn what_is_not_asked_for_is_left_to_the_system() {
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = SockRef::from(&plain);
    let (client, server, _listener) =
        tuned_pair("tcp://127.0.0.1:*", &SocketTuning::default()).unwrap();
    for stream in [&client, &server] {
        let socket = SockRef::from(stream);
        assert_eq!(socket.keepalive().unwrap(), plain.keepalive().unwrap());
        assert_eq!(socket.tos_v4().unwrap(), plain.tos_v4().unwrap());
        assert_eq!(socket.priority().unwrap(), plain.priority().unwrap());
        assert_eq!(
            socket.tcp_user_timeout().unwrap(),
            plain.tcp_user_timeout().unwrap()
        );
        assert_eq!(socket.protocol().unwrap(), Some(Protocol::TCP));
        assert_eq!(socket.device().unwrap(), None);
    }
    // Switching it off counts, too; then the rest does not matter.
    let off = tuned(TcpTuning {
        keep_alive: Some(false),
        keep_alive_count: Some(u32::MAX),
        ..TcpTuning::default()
    });
    let (client, server, _listener) = tuned_pair("tcp://127.0.0.1:*", &off).unwrap();
    for stream in [&client, &server] {
        assert!(!SockRef::from(stream).keepalive().unwrap());
    }
}

/// What needs a privilege, or a system that has it: it counts, or is an error that names it.
#[test]
fn devices_polling_and_paths_count_or_are_named_errors() {
    type Case = (&'static str, TcpTuning, fn(&SockRef<'_>) -> bool);
    let cases: [Case; 3] = [
        (
            "bind_to_device",
            TcpTuning {
                device: Some("lo".to_owned()),
                ..TcpTuning::default()
            },
            |socket| socket.device().unwrap().as_deref() == Some(b"lo"),
        ),
        (
            "busy_poll",
            TcpTuning {
                busy_poll: 50,
                ..TcpTuning::default()
            },
            |socket| socket.busy_poll().unwrap() == 50,
        ),
        (
            "multipath_tcp",
            TcpTuning {
                multipath: true,
                ..TcpTuning::default()
            },
            |socket| socket.protocol().unwrap() == Some(Protocol::MPTCP),
        ),
    ];
    for (name, tcp, is_so) in cases {
        match tuned_pair("tcp://127.0.0.1:*", &tuned(tcp)) {
            Ok((client, server, _listener)) => {
                for stream in [&client, &server] {
                    assert!(is_so(&SockRef::from(stream)), "{name}");
                }
                client.write(b"hello").unwrap();
                wait(&server, PollFlags::IN);
                assert_eq!(server.read(&mut [0; 9]).unwrap(), 5);
            }
            Err(BindError::Option(_, error)) => assert_eq!(error.option(), name),
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

#[test]
fn what_the_system_refuses_is_named() {
    for (name, tcp) in [
        (
            "bind_to_device",
            TcpTuning {
                device: Some("nosuchdevice".to_owned()),
                ..TcpTuning::default()
            },
        ),
        (
            "tcp_keepalive_count",
            TcpTuning {
                keep_alive: Some(true),
                keep_alive_count: Some(1000),
                ..TcpTuning::default()
            },
        ),
        (
            "tcp_keepalive_idle",
            TcpTuning {
                keep_alive: Some(true),
                keep_alive_idle: Some(100_000),
                ..TcpTuning::default()
            },
        ),
        (
            "tcp_keepalive_interval",
            TcpTuning {
                keep_alive: Some(true),
                keep_alive_interval: Some(100_000),
                ..TcpTuning::default()
            },
        ),
    ] {
        let tuning = tuned(tcp);
        match Listener::bind(&parse("tcp://127.0.0.1:*"), &tuning) {
            Err(BindError::Option(at, error)) => {
                assert_eq!(at.to_string(), "tcp://127.0.0.1:*");
                assert_eq!(error.option(), name);
                assert!(error.cause().raw_os_error().is_some());
                assert!(error.to_string().contains(name), "{error}");
            }
            other => panic!("{name}: {other:?}"),
        }
        let address = ResolvedAddress::Tcp("127.0.0.1:1".parse().unwrap());
        match connect_start(&address, None, &tuning) {
            Err(ConnectError::Option(error)) => assert_eq!(error.option(), name),
            other => panic!("{name}: {other:?}"),
        }
    }
}
