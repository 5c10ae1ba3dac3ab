//! Real sockets on the loopback interface and in temporary directories.

use std::fs;
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;
use crate::endpoint::Endpoint;

mod listening;
mod tuning;

/// Waits until `fd` is ready. Generous: reached only if something is broken.
fn wait(fd: &impl AsFd, flags: PollFlags) {
    let mut fds = [PollFd::new(fd, flags)];
    let timeout = Timespec {
        tv_sec: 20,
        tv_nsec: 0,
    };
    let ready = rustix::io::retry_on_intr(|| poll(&mut fds, Some(&timeout))).unwrap();
    assert_eq!(ready, 1, "not ready in time");
}

fn parse(text: &str) -> Endpoint {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn bind(text: &str) -> Result<(Listener, Endpoint), BindError> {
    Listener::bind(&parse(text), &SocketTuning::default())
}

fn accept(listener: &Listener) -> Accepted {
    loop {
        wait(listener, PollFlags::IN);
        match listener.accept() {
            Ok(accepted) => return accepted,
            Err(AcceptError::WouldBlock | AcceptError::Transient(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn finish(stream: &Stream) -> Result<(), ConnectError> {
    loop {
        wait(stream, PollFlags::OUT);
        if connect_finish(stream)? == ConnectState::Done {
            return Ok(());
        }
    }
}

fn try_connect(endpoint: &Endpoint) -> Result<Stream, ConnectError> {
    let address = ResolvedAddress::from_literal(endpoint).expect("literal");
    let (stream, state) = connect_start(&address, None, &SocketTuning::default())?;
    if state == ConnectState::InProgress {
        finish(&stream)?;
    }
    Ok(stream)
}

/// The two ends of a connection, the connecting one first.
fn pair(text: &str) -> (Stream, Stream) {
    let (listener, endpoint) = bind(text).unwrap();
    let stream = try_connect(&endpoint).unwrap();
    (stream, accept(&listener).stream)
}

fn temporary() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let text = format!("ipc://{}", path.display());
    (directory, text)
}

fn path_of(endpoint: &Endpoint) -> &std::path::Path {
    match endpoint {
        Endpoint::Ipc(ipc) => ipc.path().expect("a path"),
        other => panic!("{other} is not ipc"),
    }
}

const TRANSPORTS: [&str; 2] = ["tcp://127.0.0.1:*", "ipc://*"];

#[test]
fn bytes_travel_both_ways() {
    for text in TRANSPORTS {
        let (client, server) = pair(text);
        let parts = [IoSlice::new(b"hello "), IoSlice::new(b"world")];
        assert_eq!(client.write_vectored(&parts).unwrap(), 11);

        wait(&server, PollFlags::IN);
        let (mut first, mut second) = ([0; 4], [0; 100]);
        let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(server.read_vectored(&mut buffers).unwrap(), 11);
        assert_eq!((&first[..], &second[..7]), (&b"hell"[..], &b"o world"[..]));

        let error = server.read(&mut second).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);

        assert_eq!(server.write(b"bye").unwrap(), 3);
        server.shutdown_write().unwrap();
        wait(&client, PollFlags::IN);
        let mut body = Vec::with_capacity(100);
        assert_eq!(client.read_into_spare(&mut body, 2).unwrap(), 2);
        assert_eq!(client.read_into_spare(&mut body, 1000).unwrap(), 1);
        assert_eq!(body, b"bye");
        assert_eq!(client.read_into_spare(&mut body, 1000).unwrap(), 0);
        assert_eq!((body.len(), body.capacity()), (3, 100));
        assert!(client.take_error().unwrap().is_none());
    }
}

#[test]
fn spare_capacity_is_the_limit() {
    let (client, server) = pair("ipc://*");
    client.write(&[7; 64]).unwrap();
    wait(&server, PollFlags::IN);

    let mut full = Vec::new();
    assert_eq!(server.read_into_spare(&mut full, 10).unwrap(), 0);
    full.reserve_exact(10);
    let capacity = full.capacity();
    assert_eq!(server.read_into_spare(&mut full, 0).unwrap(), 0);
    assert_eq!(
        server.read_into_spare(&mut full, usize::MAX).unwrap(),
        capacity
    );
    assert_eq!(full, vec![7; capacity]);

    let mut rest = vec![1, 2];
    rest.reserve(100);
    assert_eq!(
        server.read_into_spare(&mut rest, 60).unwrap(),
        64 - capacity
    );
    assert_eq!(rest.len(), 2 + 64 - capacity);
    let error = server.read_into_spare(&mut rest, 1).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(rest.len(), 2 + 64 - capacity);
}

#[test]
fn more_slices_than_the_system_takes() {
    for text in TRANSPORTS {
        let (client, server) = pair(text);
        let parts = vec![IoSlice::new(b"x"); 3000];
        let written = client.write_vectored(&parts).unwrap();
        assert!((1..=1024).contains(&written), "{written}");
        wait(&server, PollFlags::IN);
        let mut cells = vec![[0u8; 1]; 3000];
        let mut buffers: Vec<_> = cells.iter_mut().map(|cell| IoSliceMut::new(cell)).collect();
        assert!(server.read_vectored(&mut buffers).unwrap() > 0);
    }
}

/// Alone in its process, which has a handler for the signal; Rust's programs ignore it otherwise.
#[test]
fn a_vanished_peer_is_an_error_and_no_signal() {
    let test = "net::tests::a_vanished_peer_is_an_error_and_no_signal";
    if !is_child_with_umask(test, "022") {
        return;
    }
    let raised = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGPIPE, Arc::clone(&raised)).unwrap();
    let (reader, mut writer) = io::pipe().unwrap();
    drop(reader);
    writer.write_all(b"nobody reads").unwrap_err();
    assert!(raised.swap(false, Ordering::Relaxed), "a pipe raises it");
    for text in TRANSPORTS {
        let writes: [fn(&Stream) -> io::Result<usize>; 2] = [
            |stream| stream.write(&[0; 1000]),
            |stream| stream.write_vectored(&[IoSlice::new(&[0; 1000])]),
        ];
        for write in writes {
            let (client, server) = pair(text);
            drop(server);
            let error = loop {
                wait(&client, PollFlags::OUT);
                if let Err(error) = write(&client) {
                    break error;
                }
            };
            assert!(
                matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ),
                "{error}"
            );
            // And again, now that the end is known.
            write(&client).unwrap_err();
            assert!(!raised.load(Ordering::Relaxed), "{text}");
        }
    }
}

#[test]
fn what_was_written_to_an_ipc_stream_is_with_the_peer() {
    for text in TRANSPORTS {
        let (client, _server) = pair(text);
        assert_eq!(client.unacknowledged(), 0);
        // More than the peer's system takes for it.
        while client.write(&[0; 65_536]).is_ok() {}
        let waits =
            text.starts_with("tcp") && cfg!(all(target_os = "linux", target_arch = "x86_64"));
        assert_eq!(client.unacknowledged() > 0, waits, "{text}");
    }
}

#[test]
fn accept_would_block() {
    for text in TRANSPORTS {
        let (listener, _) = bind(text).unwrap();
        assert!(matches!(listener.accept(), Err(AcceptError::WouldBlock)));
    }
}

#[test]
fn descriptors_are_private_and_non_blocking() {
    for text in TRANSPORTS {
        let (listener, endpoint) = bind(text).unwrap();
        let client = try_connect(&endpoint).unwrap();
        let server = accept(&listener).stream;
        for fd in [listener.as_fd(), client.as_fd(), server.as_fd()] {
            assert!(
                rustix::io::fcntl_getfd(fd)
                    .unwrap()
                    .contains(rustix::io::FdFlags::CLOEXEC)
            );
            let flags = rustix::fs::fcntl_getfl(fd).unwrap();
            assert!(flags.contains(rustix::fs::OFlags::NONBLOCK));
        }
    }
}

#[test]
fn options_are_applied() {
    let tuning = SocketTuning {
        send_buffer: Some(40_000),
        recv_buffer: Some(50_000),
        ..SocketTuning::default()
    };
    for text in TRANSPORTS {
        let (listener, endpoint) = Listener::bind(&parse(text), &tuning).unwrap();
        let address = ResolvedAddress::from_literal(&endpoint).unwrap();
        let (client, state) = connect_start(&address, None, &tuning).unwrap();
        if state == ConnectState::InProgress {
            finish(&client).unwrap();
        }
        let server = accept(&listener).stream;
        for stream in [&client, &server] {
            // Linux reports twice what was asked for.
            let sent = rustix::net::sockopt::socket_send_buffer_size(stream).unwrap();
            let received = rustix::net::sockopt::socket_recv_buffer_size(stream).unwrap();
            assert!((40_000..=80_000).contains(&sent), "{text}: {sent}");
            assert!((50_000..=100_000).contains(&received), "{text}: {received}");
            if text.starts_with("tcp") {
                assert!(rustix::net::sockopt::tcp_nodelay(stream).unwrap());
            }
        }
    }
}

#[test]
fn addresses_are_printable() {
    let (listener, endpoint) = bind("tcp://127.0.0.1:*").unwrap();
    let client = try_connect(&endpoint).unwrap();
    let accepted = accept(&listener);
    assert_eq!(client.peer().to_string(), endpoint.to_string());
    assert_eq!(accepted.stream.local(), client.peer());
    assert_eq!(accepted.peer, client.local());
    assert_eq!(accepted.peer, accepted.stream.peer());

    let (listener, endpoint) = bind("ipc://*").unwrap();
    let client = try_connect(&endpoint).unwrap();
    let accepted = accept(&listener);
    assert!(client.peer().to_string().starts_with(&endpoint.to_string()));
    assert_eq!(accepted.stream.local().to_string(), endpoint.to_string());
    let own_pid = format!("ipc:// (pid {})", std::process::id());
    assert_eq!(accepted.peer.to_string(), own_pid);
}

#[test]
fn wildcard_ports_differ_and_taken_ones_are_in_use() {
    let (_first, at) = bind("tcp://127.0.0.1:*").unwrap();
    let (_second, other) = bind("tcp://127.0.0.1:0").unwrap();
    assert_ne!(at, other);
    match bind(&at.to_string()) {
        Err(BindError::AddressInUse(endpoint)) => assert_eq!(endpoint, at),
        other => panic!("{other:?}"),
    }
    let (_any, any) = bind("tcp://*:*").unwrap();
    assert!(any.to_string().starts_with("tcp://0.0.0.0:"), "{any}");
}

#[test]
fn port_is_free_after_drop() {
    // No other test uses this address, so none takes the port in between.
    let (listener, at) = bind("tcp://127.0.0.77:*").unwrap();
    let client = try_connect(&at).unwrap();
    let server = accept(&listener).stream;
    // Closing the accepted side first leaves it in TIME_WAIT.
    drop((listener, server, client));
    let (_again, resolved) = bind(&at.to_string()).unwrap();
    assert_eq!(resolved, at);
}

#[test]
fn bind_errors_are_typed() {
    // TEST-NET-1 (RFC 5737) is on no machine.
    assert!(matches!(
        bind("tcp://192.0.2.1:*"),
        Err(BindError::AddressNotAvailable(_))
    ));
    assert!(matches!(
        bind("tcp://a:1;127.0.0.1:1"),
        Err(BindError::InvalidEndpoint(_))
    ));
    assert!(matches!(bind("inproc://a"), Err(BindError::NotAStream(_))));
    assert!(matches!(
        bind("ipc:///nonexistent/directory/x"),
        Err(BindError::Io(..))
    ));
}

#[test]
fn interfaces_can_be_bound() {
    let (listener, at) = bind("tcp://lo:*").unwrap();
    assert!(at.to_string().starts_with("tcp://127.0.0.1:"), "{at}");
    let _client = try_connect(&at).unwrap();
    accept(&listener);
}

#[test]
fn wildcard_with_ipv6_serves_ipv4_too() {
    let tuning = SocketTuning {
        ipv6: true,
        ..SocketTuning::default()
    };
    let (listener, at) = Listener::bind(&parse("tcp://*:*"), &tuning).unwrap();
    // `0.0.0.0` on a machine without IPv6.
    let Endpoint::Tcp(tcp) = &at else {
        panic!("{at}");
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, tcp.port().unwrap()));
    let _client = try_connect(&address.into()).unwrap();
    accept(&listener);
}

#[test]
fn connecting_to_nobody_is_refused() {
    // The port stays taken while nobody listens on it.
    let holder = Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    holder
        .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .unwrap();
    let address = holder.local_addr().unwrap().as_socket().unwrap();
    assert!(matches!(
        try_connect(&address.into()),
        Err(ConnectError::Refused)
    ));

    let (_directory, text) = temporary();
    assert!(matches!(
        try_connect(&parse(&text)),
        Err(ConnectError::Refused)
    ));
    let stale = UnixListener::bind(path_of(&parse(&text))).unwrap();
    drop(stale);
    assert!(matches!(
        try_connect(&parse(&text)),
        Err(ConnectError::Refused)
    ));
}

#[test]
fn self_connection_is_refused() {
    // Connecting from a port to the same port is the simultaneous open that chance can produce.
    // No other test uses this address, so none takes the port in between.
    let holder = TcpListener::bind(("127.0.0.78", 0)).unwrap();
    let address = holder.local_addr().unwrap();
    drop(holder);
    let result = connect_start(
        &ResolvedAddress::Tcp(address),
        Some(address),
        &SocketTuning::default(),
    );
    let error = match result {
        Ok((stream, _)) => finish(&stream).unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, ConnectError::Refused), "{error:?}");
}

#[test]
fn source_address_is_used() {
    let (listener, at) = bind("tcp://127.0.0.1:*").unwrap();
    for source in ["127.0.0.1:*", "lo:*", "*:*", "localhost:*"] {
        let text = format!("tcp://{source};{}", &at.to_string()["tcp://".len()..]);
        let Endpoint::Tcp(endpoint) = parse(&text) else {
            panic!("{text}");
        };
        let target = resolve(&endpoint, true).unwrap()[0];
        for ipv6 in [false, true] {
            let from = resolve_source(&endpoint, ipv6).unwrap().unwrap();
            if from.is_ipv6() && !from.ip().is_unspecified() {
                continue;
            }
            let address = ResolvedAddress::Tcp(target);
            let (stream, state) =
                connect_start(&address, Some(from), &SocketTuning::default()).unwrap();
            if state == ConnectState::InProgress {
                finish(&stream).unwrap();
            }
            assert_eq!(accept(&listener).peer, stream.local());
        }
    }
    let foreign = "192.0.2.1:0".parse().unwrap();
    let PeerAddress::Tcp(target) = try_connect(&at).unwrap().peer() else {
        panic!("not tcp");
    };
    let result = connect_start(
        &ResolvedAddress::Tcp(target),
        Some(foreign),
        &SocketTuning::default(),
    );
    assert!(matches!(result, Err(ConnectError::Source(_))));
}

#[test]
fn resolving() {
    let resolved = |text: &str, ipv6| match parse(text) {
        Endpoint::Tcp(tcp) => resolve(&tcp, ipv6),
        other => panic!("{other}"),
    };
    let literal = |text: &str| vec![text.parse::<SocketAddr>().unwrap()];
    assert_eq!(
        resolved("tcp://10.1.2.3:4", false).unwrap(),
        literal("10.1.2.3:4")
    );
    assert_eq!(
        resolved("tcp://[::1]:4", false).unwrap(),
        literal("[::1]:4")
    );
    assert_eq!(
        resolved("tcp://[fe80::1%7]:4", false).unwrap(),
        literal("[fe80::1%7]:4")
    );
    assert!(resolved("tcp://[fe80::1%nosuchif]:4", false).is_err());
    let local = resolved("tcp://localhost:4", false).unwrap();
    assert!(
        local
            .iter()
            .all(|address| address.ip().is_loopback() && address.port() == 4)
    );
    assert_eq!(
        ResolvedAddress::from_literal(&parse("tcp://localhost:4")),
        None
    );
    assert_eq!(ResolvedAddress::from_literal(&parse("inproc://a")), None);
}

#[test]
fn ipc_file_lives_as_long_as_the_listener() {
    let (_directory, text) = temporary();
    let (listener, endpoint) = bind(&text).unwrap();
    assert_eq!(endpoint.to_string(), text);
    let path = path_of(&endpoint);
    assert!(fs::symlink_metadata(path).unwrap().file_type().is_socket());
    let _client = try_connect(&endpoint).unwrap();
    accept(&listener);
    drop(listener);
    assert!(!path.exists());
    bind(&text).unwrap();
}

#[test]
fn ipc_is_not_stolen() {
    let (_directory, text) = temporary();
    let (listener, endpoint) = bind(&text).unwrap();
    assert!(matches!(bind(&text), Err(BindError::AddressInUse(_))));
    // The probe of the failed bind may be waiting in front.
    let client = try_connect(&endpoint).unwrap();
    client.write(b"!").unwrap();
    let mut byte = [0];
    loop {
        let stream = accept(&listener).stream;
        wait(&stream, PollFlags::IN);
        if stream.read(&mut byte).unwrap() == 1 {
            break;
        }
    }
}

#[test]
fn ipc_with_a_full_backlog_is_busy_and_in_use() {
    let (_directory, text) = temporary();
    let tuning = SocketTuning {
        backlog: 1,
        ..SocketTuning::default()
    };
    let (_listener, endpoint) = Listener::bind(&parse(&text), &tuning).unwrap();
    let mut waiting = Vec::new();
    let error = loop {
        match try_connect(&endpoint) {
            Ok(stream) => waiting.push(stream),
            Err(error) => break error,
        }
        assert!(waiting.len() < 100, "the backlog has no end");
    };
    assert!(matches!(error, ConnectError::Busy), "{error:?}");
    assert!(matches!(bind(&text), Err(BindError::AddressInUse(_))));
}

#[test]
fn ipc_replaces_what_a_crash_left() {
    let (_directory, text) = temporary();
    let endpoint = parse(&text);
    // A std listener leaves its file behind.
    drop(UnixListener::bind(path_of(&endpoint)).unwrap());
    assert!(path_of(&endpoint).exists());
    // A child that another test starts has a copy of every descriptor until it runs its program, and with
    // that copy somebody listens.
    let deadline = Instant::now() + Duration::from_secs(10);
    let (listener, _) = loop {
        match bind(&text) {
            Err(BindError::AddressInUse(_)) if Instant::now() < deadline => thread::yield_now(),
            bound => break bound.unwrap(),
        }
    };
    let _client = try_connect(&endpoint).unwrap();
    accept(&listener);
}

#[test]
fn ipc_leaves_other_files_alone() {
    let (_directory, text) = temporary();
    let path = path_of(&parse(&text)).to_path_buf();
    let tell_apart = || {
        match bind(&text) {
            Err(BindError::NotASocket(at)) => assert_eq!(at.to_string(), text),
            other => panic!("{other:?}"),
        }
        let connected = try_connect(&parse(&text));
        assert!(
            matches!(connected, Err(ConnectError::NotASocket)),
            "{connected:?}"
        );
    };
    fs::write(&path, "precious").unwrap();
    tell_apart();
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    tell_apart();
    fs::remove_dir(&path).unwrap();

    let _datagram = UnixDatagram::bind(&path).unwrap();
    assert!(matches!(bind(&text), Err(BindError::AddressInUse(_))));
    fs::remove_file(&path).unwrap();

    // What somebody else put there after us is not ours to remove.
    let (listener, _) = bind(&text).unwrap();
    fs::remove_file(&path).unwrap();
    let _rival = UnixListener::bind(&path).unwrap();
    drop(listener);
    assert!(path.exists());
}

#[test]
fn one_of_many_rivals_gets_the_path() {
    let (_directory, text) = temporary();
    drop(UnixListener::bind(path_of(&parse(&text))).unwrap());
    let results: Vec<_> = thread::scope(|scope| {
        let rivals: Vec<_> = (0..8).map(|_| scope.spawn(|| bind(&text))).collect();
        rivals
            .into_iter()
            .map(|rival| rival.join().unwrap())
            .collect()
    });
    let winners: Vec<_> = results
        .iter()
        .filter_map(|result| result.as_ref().ok())
        .collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    let _client = try_connect(&winners[0].1).unwrap();
    accept(&winners[0].0);
}

#[test]
fn ipc_wildcard_cleans_up() {
    let (listener, endpoint) = bind("ipc://*").unwrap();
    let (_other, different) = bind("ipc://*").unwrap();
    assert_ne!(endpoint, different);
    let directory = path_of(&endpoint).parent().unwrap().to_path_buf();
    assert!(directory.is_dir());
    drop(listener);
    assert!(!directory.exists());
}

/// Set in a process of its own that a test has started.
const CHILD: &str = "ZLAYERS_TEST_CHILD";

/// Runs this test again, alone in a process with this umask, unless this is that process: then says so.
fn is_child_with_umask(test: &str, umask: &str) -> bool {
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let script = format!("umask {umask} && exec \"$0\" --exact {test}");
    let child = std::process::Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "umask {umask}: {text}");
    assert!(text.contains("1 passed"), "{text}");
    false
}

#[test]
fn ipc_permissions_do_not_depend_on_the_umask() {
    let mode = |path: &std::path::Path| fs::symlink_metadata(path).unwrap().mode() & 0o777;
    for umask in ["000", "022", "077", "777"] {
        let test = "net::tests::ipc_permissions_do_not_depend_on_the_umask";
        if !is_child_with_umask(test, umask) {
            continue;
        }
        let (_listener, endpoint) = bind("ipc://*").unwrap();
        let path = path_of(&endpoint);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(mode(path), 0o600);
        try_connect(&endpoint).unwrap();

        let directory = path.parent().unwrap();
        for (ipc_mode, expected) in [
            (0o600, 0o600),
            (0o660, 0o660),
            (0o777, 0o777),
            (0o7200, 0o200),
        ] {
            let tuning = SocketTuning {
                ipc_mode,
                ..SocketTuning::default()
            };
            let text = format!("ipc://{}/{ipc_mode:o}", directory.display());
            let (listener, endpoint) = Listener::bind(&parse(&text), &tuning).unwrap();
            assert_eq!(mode(path_of(&endpoint)), expected, "{ipc_mode:o}");
            drop(listener);
        }
        return;
    }
}

/// Somebody looks all the time while the file is made and removed.
#[test]
#[cfg(target_os = "linux")]
fn an_ipc_file_has_no_other_permissions_even_for_a_moment() {
    let test = "net::tests::an_ipc_file_has_no_other_permissions_even_for_a_moment";
    if !is_child_with_umask(test, "000") {
        return;
    }
    let (_directory, text) = temporary();
    let endpoint = parse(&text);
    let seen = AtomicU32::new(0);
    let deadline = Instant::now() + Duration::from_secs(20);
    let goes_on = || seen.load(Ordering::Relaxed) < 1000 && Instant::now() < deadline;
    thread::scope(|scope| {
        scope.spawn(|| {
            while goes_on() {
                if let Ok(found) = fs::symlink_metadata(path_of(&endpoint)) {
                    assert_eq!(found.mode() & 0o777, 0o600);
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        while goes_on() {
            bind(&text).unwrap();
        }
    });
    assert!(seen.into_inner() > 0);
}

#[test]
#[cfg(target_os = "linux")]
fn abstract_names() {
    let name = format!(
        "ipc://@zlayers-test-{}-{:x}",
        std::process::id(),
        fastrand::u64(..)
    );
    let (listener, endpoint) = bind(&name).unwrap();
    assert_eq!(endpoint.to_string(), name);
    assert!(matches!(bind(&name), Err(BindError::AddressInUse(_))));
    let client = try_connect(&endpoint).unwrap();
    assert!(client.peer().to_string().starts_with(&name));
    accept(&listener);
    drop(listener);
    bind(&name).unwrap();
}

#[test]
fn waiting_connections_survive_a_slow_acceptor() {
    let (listener, endpoint) = bind("tcp://127.0.0.1:*").unwrap();
    let clients: Vec<_> = (0..20).map(|_| try_connect(&endpoint).unwrap()).collect();
    let started = Instant::now();
    let mut peers: Vec<_> = (0..20)
        .map(|_| accept(&listener).peer.to_string())
        .collect();
    let mut locals: Vec<_> = clients
        .iter()
        .map(|client| client.local().to_string())
        .collect();
    peers.sort();
    locals.sort();
    assert_eq!(peers, locals);
    assert!(started.elapsed() < Duration::from_secs(20));
}
