//! What the operating system is asked for, as it has it afterwards; and whom it lets in.

use std::{collections::HashSet, fs, net::SocketAddr, os::fd::OwnedFd, time::Duration};

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use socket2::SockRef;
use zsocket::{
    AcceptFilter, BindError, Context, Endpoint, Error, Event, InvalidOption, Pull, Push, Security,
    Socket, SocketBuilder, Stream, Value,
};

use crate::support::{PATIENCE, Raw, WIRES, Wire, eventually, invalid, loopback, wait_for};

/// Copies of the descriptors of this process that are tcp connections from or to this port: of both ends, each once, since
/// a copy is a descriptor of this process too.
fn connections(port: u16) -> Vec<OwnedFd> {
    let process = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let (mut found, mut ends) = (Vec::new(), HashSet::new());
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let number = entry.unwrap().file_name().into_string().unwrap();
        // Other tests open and close theirs meanwhile.
        let Ok(copy) = pidfd_getfd(&process, number.parse().unwrap(), PidfdGetfdFlags::empty())
        else {
            continue;
        };
        let socket = SockRef::from(&copy);
        let (Ok(local), Ok(peer)) = (socket.local_addr(), socket.peer_addr()) else {
            continue;
        };
        let (Some(local), Some(peer)) = (local.as_socket(), peer.as_socket()) else {
            continue;
        };
        if (local.port() == port || peer.port() == port) && ends.insert((local, peer)) {
            found.push(copy);
        }
    }
    found
}

fn port(endpoint: &Endpoint) -> u16 {
    let text = endpoint.to_string();
    let address: SocketAddr = text.trim_start_matches("tcp://").parse().unwrap();
    address.port()
}

fn tuned<P: zsocket::Pattern>(builder: SocketBuilder<P>) -> Socket<P> {
    builder
        .tcp_keepalive(Some(true))
        .tcp_keepalive_count(Some(4))
        .tcp_keepalive_idle(Some(21))
        .tcp_keepalive_interval(Some(9))
        .tcp_user_timeout(Some(Duration::from_millis(12_345)))
        .tos(0x48)
        .priority(4)
        .build()
        .unwrap()
}

#[test]
fn options_of_tcp_reach_the_sockets_of_both_ends() {
    let context = Context::new();
    for anywhere in ["tcp://127.0.0.1:*", "tcp://[::1]:*"] {
        let pull: Socket<Pull> = tuned(context.build_socket());
        let push: Socket<Push> = tuned(context.build_socket());
        let endpoint = match pull.bind(anywhere) {
            Ok(endpoint) => endpoint,
            // A machine without IPv6.
            Err(error) => {
                assert!(anywhere.contains("::1"), "{error}");
                continue;
            }
        };
        push.connect(&endpoint).unwrap();
        push.send("hello").unwrap();
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "hello");
        let sockets = connections(port(&endpoint));
        assert_eq!(sockets.len(), 2, "both ends");
        for socket in &sockets {
            let socket = SockRef::from(socket);
            assert!(socket.keepalive().unwrap());
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), 4);
            assert_eq!(
                socket.tcp_keepalive_time().unwrap(),
                Duration::from_secs(21)
            );
            assert_eq!(
                socket.tcp_keepalive_interval().unwrap(),
                Duration::from_secs(9)
            );
            assert_eq!(
                socket.tcp_user_timeout().unwrap(),
                Some(Duration::from_millis(12_345))
            );
            assert_eq!(socket.tos_v4().unwrap(), 0x48);
            assert_eq!(socket.priority().unwrap(), 4);
            if anywhere.contains("::1") {
                assert_eq!(socket.tclass_v6().unwrap(), 0x48);
            }
        }
    }
}

#[test]
fn an_option_that_the_system_refuses_is_named_at_bind_and_by_an_event_at_connect() {
    let context = Context::new();
    let socket = context
        .build_socket::<Push>()
        .bind_to_device(Some("nosuchdevice".to_owned()))
        .reconnect_interval(Some(Duration::from_millis(1)))
        .build()
        .unwrap();
    match socket.bind(loopback()) {
        Err(Error::Bind(error)) => match *error {
            BindError::Option(_, error) => assert_eq!(error.option(), "bind_to_device"),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
    let monitor = socket.monitor();
    let pull = context.socket::<Pull>().unwrap();
    let endpoint = pull.bind(loopback()).unwrap();
    socket.connect(&endpoint).unwrap();
    for _ in 0..2 {
        wait_for(
            &monitor,
            "an attempt that fails",
            |event| matches!(event, Event::ConnectFailed { reason, .. } if reason.contains("bind_to_device")),
        );
    }
    // It is no option of other transports.
    socket.bind("ipc://*").unwrap();
}

#[test]
fn whoever_is_not_admitted_is_turned_away_counted_and_reported() {
    let nobody = AcceptFilter {
        networks: vec!["192.0.2.0/24".parse().unwrap()],
        uids: vec![u32::MAX - 7],
        ..AcceptFilter::default()
    };
    for wire in WIRES {
        let context = Context::new();
        let pull = context
            .build_socket::<Pull>()
            .accept_filter(nobody.clone())
            .build()
            .unwrap();
        let monitor = pull.monitor();
        let closed = pull.bind(wire.anywhere()).unwrap();
        for times in 1..4 {
            Raw::connect(&closed).expect_close();
            let event = wait_for(&monitor, "the refusal", |event| {
                matches!(event, Event::AcceptRefused { .. })
            });
            let Event::AcceptRefused { endpoint, peer } = event else {
                unreachable!("waited for")
            };
            assert_eq!(endpoint, closed);
            match wire {
                Wire::Tcp => assert!(peer.to_string().starts_with("tcp://127.0.0.1:")),
                Wire::Ipc => assert_eq!(peer.credentials().unwrap().pid, Some(std::process::id())),
            }
            assert_eq!(pull.stats().connections.accept_refused, times);
        }
        // Endpoints that are bound later have the filter of then, by libzmq's names too.
        for option in ["ZMQ_TCP_ACCEPT_FILTER", "ZMQ_IPC_FILTER_UID"] {
            pull.set_option(option, Value::None).unwrap();
        }
        pull.set_option("ZMQ_TCP_ACCEPT_FILTER", "10.0.0.0/8")
            .unwrap();
        pull.set_option(38, "127.0.0.0/8").unwrap();
        pull.set_option(59, rustix::process::geteuid().as_raw())
            .unwrap();
        let open = pull.bind(wire.anywhere()).unwrap();
        Raw::connect_as(&open, "PUSH").send(&[b"welcome"]);
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "welcome");
        Raw::connect(&closed).expect_close();
        eventually("it is counted", || {
            pull.stats().connections.accept_refused == 4
        });
    }
}

#[test]
fn what_is_no_filter_is_refused() {
    let pull = Context::new().socket::<Pull>().unwrap();
    // Those of libzmq's own test.
    for bad in [
        "foo",
        "0.0.0.0foo",
        "0.0.0.0/foo",
        "0.0.0.0/",
        "0.0.0.0/-1",
        "0.0.0.0/33",
    ] {
        match invalid(pull.set_option("ZMQ_TCP_ACCEPT_FILTER", bad)) {
            InvalidOption::Value { option, .. } => assert_eq!(option, "tcp_accept_filter"),
            other => panic!("{bad}: {other:?}"),
        }
    }
    for option in [58, 59, 60] {
        assert!(matches!(
            invalid(pull.set_option(option, -1)),
            InvalidOption::Value { .. }
        ));
        pull.set_option(option, 7).unwrap();
        assert!(matches!(
            invalid(pull.option(option)),
            InvalidOption::Access { .. }
        ));
    }
    let filter = pull.accept_filter();
    assert_eq!(
        (filter.pids, filter.uids, filter.gids),
        (vec![7], vec![7], vec![7])
    );
    assert!(filter.networks.is_empty());
}

#[test]
fn a_path_that_somebody_listens_on_is_taken_over_if_that_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let path = format!("ipc://{}/socket", directory.path().display());
    let context = Context::new();
    let old = context.socket::<Pull>().unwrap();
    old.bind(&path).unwrap();
    let new = context.socket::<Pull>().unwrap();
    assert!(matches!(new.bind(&path), Err(Error::AddressInUse(_))));
    new.set_ipc_takeover(true).unwrap();
    new.bind(&path).unwrap();
    drop(old);
    let push = context.socket::<Push>().unwrap();
    push.connect(&path).unwrap();
    push.send("to the new one").unwrap();
    assert_eq!(new.recv_timeout(PATIENCE).unwrap()[0], "to the new one");
    new.unbind(&path).unwrap();
    assert!(!fs::exists(directory.path().join("socket")).unwrap());
}

#[test]
fn a_descriptor_that_listens_is_bound_to_and_unbound() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
    for descriptor in [OwnedFd::from(tcp), unix.into()] {
        let supervisor = descriptor.try_clone().unwrap();
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let endpoint = pull.bind_descriptor(descriptor).unwrap();
        assert_eq!(pull.last_endpoint(), Some(endpoint.clone()));
        let push = context.socket::<Push>().unwrap();
        let monitor = push.monitor();
        push.connect(&endpoint).unwrap();
        push.send("one").unwrap();
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "one");
        pull.unbind(&endpoint).unwrap();
        assert!(matches!(
            pull.unbind(&endpoint),
            Err(Error::NoSuchEndpoint(_))
        ));
        // What is sent to a connection that has gone is lost with it.
        wait_for(&monitor, "the end", |event| {
            matches!(event, Event::Disconnected { .. })
        });
        // Who comes meanwhile waits for the one that is started next.
        push.send("two").unwrap();
        let next = context.socket::<Pull>().unwrap();
        next.bind_descriptor(supervisor).unwrap();
        assert_eq!(next.recv_timeout(PATIENCE).unwrap()[0], "two");
    }
    assert!(path.exists());
    let file = fs::File::open("/dev/null").unwrap();
    let pull = Context::new().socket::<Pull>().unwrap();
    let refused = pull.bind_descriptor(file.into());
    assert!(matches!(
        refused,
        Err(Error::Bind(error)) if matches!(*error, BindError::NotAListener(_))
    ));
    assert_eq!(pull.last_endpoint(), None);
}

/// What has no handshake cannot be protected, and does not pretend to be.
#[test]
fn a_stream_with_security_takes_no_descriptor() {
    let context = Context::new();
    let stream = context.socket::<Stream>().unwrap();
    stream.set_security(Security::plain_server()).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error = stream.bind_descriptor(listener.into()).unwrap_err();
    assert!(matches!(error, Error::NotSupported), "{error}");
}

/// Who holds the listener as well may hand it over again and again.
#[test]
fn a_descriptor_can_be_adopted_again() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for _ in 0..3 {
        let endpoint = pull
            .bind_descriptor(listener.try_clone().unwrap().into())
            .unwrap();
        let push = context.socket::<Push>().unwrap();
        push.connect(&endpoint).unwrap();
        push.send("hello").unwrap();
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "hello");
        pull.unbind(&endpoint).unwrap();
    }
}
