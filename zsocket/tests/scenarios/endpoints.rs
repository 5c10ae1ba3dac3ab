//! Binding, connecting, and taking both back.

use std::{
    fs,
    os::unix::{fs::MetadataExt, net::UnixListener},
    process::Command,
};

use zsocket::{BindError, Context, Endpoint, Error, Event, InvalidOption, Pull, Push, Req};

use crate::support::{
    PATIENCE, Place, Raw, RawListener, WIRES, Wire, eventually, invalid, loopback, wait_for,
};

#[test]
fn a_taken_endpoint_is_an_error_and_stays_as_it_is() {
    for place in Place::all() {
        let context = Context::new();
        let first = context.socket::<Pull>().unwrap();
        let endpoint = first.bind(place.endpoint.as_str()).unwrap();
        let second = context.socket::<Pull>().unwrap();
        for socket in [&first, &second] {
            match socket.bind(&endpoint) {
                Err(Error::AddressInUse(at)) => assert_eq!(*at, endpoint),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(second.last_endpoint(), None);
        let push = context.socket::<Push>().unwrap();
        push.connect(&endpoint).unwrap();
        push.send("for the first").unwrap();
        assert_eq!(first.recv_timeout(PATIENCE).unwrap()[0], "for the first");
        drop(first);
        // Free as soon as it is closed.
        second.bind(&endpoint).unwrap();
        assert_eq!(second.last_endpoint(), Some(endpoint));
    }
}

#[test]
fn malformed_endpoints_are_typed_errors() {
    let context = Context::new();
    let socket = context.socket::<Pull>().unwrap();
    let both = [
        "",
        "tcp",
        "tcp://",
        "://127.0.0.1:1",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:",
        "tcp://127.0.0.1:notaport",
        "tcp://127.0.0.1:65536",
        "tcp://127.0.0.1:-1",
        "tcp://300.0.0.1:5555",
        "tcp://[::1:5555",
        "tcp://a b:5555",
        "TCP://127.0.0.1:5555",
        "udp://127.0.0.1:5555",
        "http://127.0.0.1:80",
        "ipc://",
        "inproc://",
    ];
    for text in both {
        let bound = socket.bind(text);
        assert!(matches!(bound, Err(Error::InvalidEndpoint(_))), "{bound:?}");
        let connected = socket.connect(text);
        let refused = matches!(connected, Err(Error::InvalidEndpoint(_)));
        assert!(refused, "{text}: {connected:?}");
    }
    let long = format!("ipc:///{}", "x".repeat(200));
    for text in [
        "tcp://*:5555",
        "tcp://127.0.0.1:*",
        "tcp://127.0.0.1:0",
        "ipc://*",
        &long,
    ] {
        let connected = socket.connect(text);
        let refused = matches!(connected, Err(Error::InvalidEndpoint(_)));
        assert!(refused, "{text}: {connected:?}");
    }
    for text in ["tcp://127.0.0.1:1;127.0.0.1:*", &long] {
        let bound = socket.bind(text);
        assert!(matches!(bound, Err(Error::InvalidEndpoint(_))), "{bound:?}");
    }
    let error = socket.bind("tcp://127.0.0.1:99999").unwrap_err();
    assert!(error.to_string().contains("99999"), "{error}");
    assert_eq!(socket.last_endpoint(), None);
    assert_eq!(socket.peers(), 0);
}

#[test]
fn what_the_system_refuses_to_bind() {
    let context = Context::new();
    let socket = context.socket::<Pull>().unwrap();
    // An address of the documentation's network, which no machine has.
    let elsewhere = socket.bind("tcp://192.0.2.1:*").unwrap_err();
    let Error::Bind(elsewhere) = elsewhere else {
        panic!("{elsewhere:?}");
    };
    let BindError::AddressNotAvailable(at) = *elsewhere else {
        panic!("{elsewhere:?}");
    };
    assert_eq!(at.to_string(), "tcp://192.0.2.1:*");

    let directory = tempfile::tempdir().unwrap();
    let missing = format!("ipc://{}/missing/socket", directory.path().display());
    let error = socket.bind(missing.as_str()).unwrap_err();
    assert!(
        matches!(&error, Error::Bind(error) if matches!(**error, BindError::Io(..))),
        "{error:?}"
    );

    let path = directory.path().join("file");
    fs::write(&path, "of somebody").unwrap();
    let taken = format!("ipc://{}", path.display());
    let error = socket.bind(taken.as_str()).unwrap_err();
    let Error::Bind(error) = error else {
        panic!("{error:?}");
    };
    let BindError::NotASocket(at) = &*error else {
        panic!("{error:?}");
    };
    assert_eq!(at.to_string(), taken);
    assert_eq!(fs::read_to_string(path).unwrap(), "of somebody");
}

#[test]
fn limits_of_a_context() {
    let context = Context::builder()
        .io_threads(0)
        .max_sockets(2)
        .build()
        .unwrap();
    let pull = context.socket::<Pull>().unwrap();
    for wire in WIRES {
        assert!(matches!(pull.bind(wire.anywhere()), Err(Error::NoIoThread)));
    }
    let connected = pull.connect("tcp://127.0.0.1:5555");
    assert!(matches!(connected, Err(Error::NoIoThread)));
    pull.bind("inproc://works").unwrap();
    let push = context.socket::<Push>().unwrap();
    push.connect("inproc://works").unwrap();
    push.send("without a thread").unwrap();
    assert_eq!(pull.recv().unwrap()[0], "without a thread");
    let third = context.socket::<Push>();
    assert!(matches!(third, Err(Error::TooManySockets { limit: 2 })));
    drop(push);
    context.socket::<Push>().unwrap();
}

#[test]
fn an_ipc_path_that_a_crash_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let text = format!("ipc://{}", path.display());
    // Closing does not remove the file, as a crash would not.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let endpoint = pull.bind(text.as_str()).unwrap();
    let mut raw = Raw::connect_as(&endpoint, "PUSH");
    raw.send(&[b"alive again"]);
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "alive again");
    pull.close();
    assert!(
        !path.exists(),
        "a socket that is closed takes its file along"
    );
}

#[test]
fn unbinding_frees_the_endpoint_and_ends_what_came_in() {
    for place in Place::wires() {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let monitor = pull.monitor();
        let endpoint = pull.bind(place.endpoint.as_str()).unwrap();
        let other = pull.bind(loopback()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "PUSH");
        raw.send(&[b"before"]);
        let mut half_open = Raw::connect(&endpoint);
        let mut elsewhere = Raw::connect_as(&other, "PUSH");
        let mut accepted = 0;
        wait_for(&monitor, "three connections", |event| {
            accepted += u32::from(matches!(event, Event::Accepted { .. }));
            accepted == 3
        });
        eventually("two are peers", || pull.peers() == 2);
        pull.unbind(&endpoint).unwrap();
        // At once.
        drop(RawListener::again(&endpoint));
        raw.expect_close();
        half_open.expect_close();
        // What it sent before is not lost.
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "before");
        elsewhere.send(&[b"not concerned"]);
        let message = pull.recv_timeout(PATIENCE).unwrap();
        assert_eq!(message[0], "not concerned");
        assert!(pull.try_recv().is_err());
        assert_eq!(pull.peers(), 1);
        let again = pull.unbind(&endpoint);
        assert!(matches!(again, Err(Error::NoSuchEndpoint(at)) if *at == endpoint));
        pull.bind(&endpoint).unwrap();
        Raw::connect_as(&endpoint, "PUSH").send(&[b"bound again"]);
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "bound again");
    }
}

#[test]
fn closing_a_socket_frees_its_endpoints_and_ends_its_connections() {
    for place in Place::wires() {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let monitor = pull.monitor();
        let endpoint = pull.bind(place.endpoint.as_str()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "PUSH");
        let mut half_open = Raw::connect(&endpoint);
        let mut accepted = 0;
        wait_for(&monitor, "two connections", |event| {
            accepted += u32::from(matches!(event, Event::Accepted { .. }));
            accepted == 2
        });
        pull.close();
        drop(RawListener::again(&endpoint));
        raw.expect_close();
        half_open.expect_close();
        context.term_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn disconnecting_sends_what_is_queued_and_ends() {
    for wire in WIRES {
        for immediate in [false, true] {
            let context = Context::new();
            let listener = RawListener::anywhere(wire);
            let endpoint = listener.endpoint();
            let push = context
                .build_socket::<Push>()
                .immediate(immediate)
                .build()
                .unwrap();
            push.connect(&endpoint).unwrap();
            let mut raw = listener.accept_as("PULL");
            push.send_timeout("one", PATIENCE).unwrap();
            push.send("two").unwrap();
            push.disconnect(&endpoint).unwrap();
            assert_eq!(push.peers(), 0);
            let refused = push.try_send("nobody").unwrap_err();
            assert!(matches!(refused.error, Error::WouldBlock(_)));
            assert_eq!(raw.read_message(), [b"one".to_vec()]);
            assert_eq!(raw.read_message(), [b"two".to_vec()]);
            raw.expect_close();
            drop(raw);
            let again = push.disconnect(&endpoint);
            assert!(matches!(again, Err(Error::NoSuchEndpoint(at)) if *at == endpoint));
            push.connect(&endpoint).unwrap();
            let mut raw = listener.accept_as("PULL");
            push.send_timeout("three", PATIENCE).unwrap();
            assert_eq!(raw.read_message(), [b"three".to_vec()]);
        }
    }
}

#[test]
fn disconnecting_from_nobody() {
    for anywhere in [
        "tcp://127.0.0.1:1",
        "ipc:///nonexistent/socket",
        "inproc://nobody",
    ] {
        for immediate in [false, true] {
            let context = Context::new();
            let push = context
                .build_socket::<Push>()
                .immediate(immediate)
                .linger(Some(std::time::Duration::ZERO))
                .build()
                .unwrap();
            push.connect(anywhere).unwrap();
            let endpoint = push.last_endpoint().unwrap();
            let _ = push.try_send("into the void");
            push.disconnect(&endpoint).unwrap();
            assert_eq!(push.peers(), 0);
            push.close();
            context.term_timeout(PATIENCE).unwrap();
        }
    }
}

#[test]
fn many_endpoints_on_one_socket() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let bound: Vec<Endpoint> = [
        "tcp://127.0.0.1:*",
        "tcp://localhost:*",
        "ipc://*",
        "inproc://m",
    ]
    .into_iter()
    .map(|anywhere| pull.bind(anywhere).unwrap())
    .collect();
    assert_eq!(pull.last_endpoint().as_ref(), bound.last());
    let pushers: Vec<_> = bound
        .iter()
        .map(|endpoint| {
            let push = context.socket::<Push>().unwrap();
            push.connect(endpoint).unwrap();
            assert_eq!(push.last_endpoint().as_ref(), Some(endpoint));
            push.send(endpoint.to_string()).unwrap();
            push
        })
        .collect();
    // One that is connected to all of them, to one even twice.
    let everywhere = context.socket::<Push>().unwrap();
    for endpoint in bound.iter().chain(&bound[..1]) {
        everywhere.connect(endpoint).unwrap();
    }
    assert_eq!(everywhere.peers(), 5);
    for _ in 0..5 {
        everywhere.send("everywhere").unwrap();
    }
    let mut received: Vec<String> = (0..9)
        .map(|_| {
            let message = pull.recv_timeout(PATIENCE).unwrap();
            String::from_utf8(message[0].to_vec()).unwrap()
        })
        .collect();
    received.sort_unstable();
    let mut expected: Vec<String> = bound.iter().map(ToString::to_string).collect();
    expected.extend(std::iter::repeat_n("everywhere".to_owned(), 5));
    expected.sort_unstable();
    assert_eq!(received, expected);
    assert_eq!(pull.peers(), 9);
    everywhere.disconnect(&bound[0]).unwrap();
    assert_eq!(everywhere.peers(), 3);
    drop(pushers);
    drop(everywhere);
    eventually("all are gone", || {
        let _ = pull.try_recv();
        pull.peers() == 0
    });
}

#[test]
fn a_req_connects_to_an_endpoint_once() {
    let context = Context::new();
    let listener = RawListener::anywhere(Wire::Tcp);
    let req = context
        .build_socket::<Req>()
        .linger(Some(std::time::Duration::ZERO))
        .build()
        .unwrap();
    req.connect(listener.endpoint()).unwrap();
    req.connect(listener.endpoint()).unwrap();
    assert_eq!(req.peers(), 1);
}

#[test]
fn ipv6_and_names() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let push = context.socket::<Push>().unwrap();
    let endpoint = pull.bind(loopback()).unwrap();
    let by_name = endpoint.to_string().replace("127.0.0.1", "localhost");
    push.connect(by_name.as_str()).unwrap();
    push.send("by name").unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "by name");
    // A machine without IPv6 says so when it is bound.
    match pull.bind("tcp://[::1]:*") {
        Ok(endpoint) => {
            let push = context.socket::<Push>().unwrap();
            push.connect(&endpoint).unwrap();
            push.send("over IPv6").unwrap();
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "over IPv6");
        }
        Err(error) => assert!(matches!(error, Error::Bind(_)), "{error:?}"),
    }
}

#[test]
fn any_address_is_one_of_both_families_if_that_is_wanted() {
    let context = Context::new();
    for ipv6 in [false, true] {
        let pull = context.build_socket::<Pull>().ipv6(ipv6).build().unwrap();
        let endpoint = match pull.bind("tcp://*:*") {
            Ok(endpoint) => endpoint.to_string(),
            // A machine without IPv6.
            Err(error) => {
                assert!(ipv6 && matches!(error, Error::Bind(_)), "{error:?}");
                continue;
            }
        };
        let (address, port) = endpoint.rsplit_once(':').unwrap();
        assert_eq!(address, if ipv6 { "tcp://[::]" } else { "tcp://0.0.0.0" });
        for host in ["127.0.0.1", "[::1]"]
            .into_iter()
            .take(1 + usize::from(ipv6))
        {
            let push = context.socket::<Push>().unwrap();
            push.connect(format!("tcp://{host}:{port}").as_str())
                .unwrap();
            push.send(host).unwrap();
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], host);
        }
    }
}

#[test]
fn ipc_files_have_the_permissions_that_the_option_says() {
    let directory = tempfile::tempdir().unwrap();
    let context = Context::new();
    let socket = context.socket::<Pull>().unwrap();
    let bind = |name: &str| {
        let path = directory.path().join(name);
        socket.bind(format!("ipc://{}", path.display())).unwrap();
        fs::metadata(path).unwrap().mode() & 0o777
    };
    assert_eq!(bind("by default"), 0o600);
    socket.set_ipc_mode(0o666).unwrap();
    assert_eq!(bind("for all"), 0o666);
    let refused = socket.set_ipc_mode(0o1000);
    assert!(matches!(
        invalid(refused),
        InvalidOption::Value {
            option: "ipc_mode",
            ..
        }
    ));
    assert_eq!(bind("still for all"), 0o666);
}

/// Set in a process that a test has started, to the test's directory.
const CHILD: &str = "ZLAYERS_TEST_CHILD";

/// The current directory belongs to the process, so the test has one of its own.
#[test]
fn relative_paths_outlast_a_change_of_directory() {
    let Ok(directory) = std::env::var(CHILD) else {
        let directory = tempfile::tempdir().unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "endpoints::relative_paths_outlast_a_change_of_directory",
            ])
            .env(CHILD, directory.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&child.stdout);
        assert!(
            child.status.success() && text.contains("1 passed"),
            "{text}"
        );
        return;
    };
    let elsewhere = format!("{directory}/elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::env::set_current_dir(&directory).unwrap();
    let context = Context::new();
    let (pull, push) = (
        context.socket::<Pull>().unwrap(),
        context.socket::<Push>().unwrap(),
    );
    let at = |name: &str| -> Endpoint { format!("ipc://{directory}/{name}").parse().unwrap() };

    assert_eq!(pull.bind("ipc://bound").unwrap(), at("bound"));
    assert_eq!(pull.last_endpoint(), Some(at("bound")));
    // Nobody listens there yet, so it is connected again after the change.
    push.connect("ipc://later").unwrap();
    assert_eq!(push.last_endpoint(), Some(at("later")));
    let late = context.socket::<Pull>().unwrap();

    std::env::set_current_dir(&elsewhere).unwrap();
    late.bind(at("later")).unwrap();
    push.send("to where it was").unwrap();
    assert_eq!(late.recv_timeout(PATIENCE).unwrap()[0], "to where it was");
    push.disconnect("ipc://later").unwrap();
    push.connect(at("bound")).unwrap();
    push.send("absolutely").unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "absolutely");
    push.disconnect("ipc://../bound").unwrap_err();
    push.disconnect(at("bound")).unwrap();

    // As it was given, as it is, and relative to where we are now.
    pull.unbind("ipc://bound").unwrap();
    assert!(!fs::exists(format!("{directory}/bound")).unwrap());
    pull.bind("ipc://here").unwrap();
    pull.unbind(at("elsewhere/here")).unwrap();
    pull.bind(at("elsewhere/here")).unwrap();
    pull.unbind("ipc://here").unwrap();
    assert!(matches!(
        pull.unbind("ipc://here"),
        Err(Error::NoSuchEndpoint(_))
    ));
}

#[test]
fn endpoints_are_taken_back_as_they_were_given_too() {
    let context = Context::new();
    let (pull, push) = (
        context.socket::<Pull>().unwrap(),
        context.socket::<Push>().unwrap(),
    );
    for given in [
        "tcp://localhost:*",
        "tcp://localhost:0",
        "tcp://lo:*",
        "ipc://*",
    ] {
        let resolved = pull.bind(given).unwrap();
        pull.unbind(given).unwrap();
        assert!(matches!(
            pull.unbind(&resolved),
            Err(Error::NoSuchEndpoint(_))
        ));
        let resolved = pull.bind(given).unwrap();
        pull.unbind(&resolved).unwrap();
        assert!(matches!(pull.unbind(given), Err(Error::NoSuchEndpoint(_))));
    }
    // With the port that it got, in both spellings.
    let port = |endpoint: Endpoint| endpoint.to_string().rsplit(':').next().unwrap().to_owned();
    let free = port(pull.bind("tcp://localhost:*").unwrap());
    pull.unbind("tcp://localhost:*").unwrap();
    let named = format!("tcp://localhost:{free}");
    pull.bind(&named).unwrap();
    pull.unbind(&named).unwrap();
    // And in one of them what was bound in the other.
    pull.bind(format!("tcp://127.0.0.1:{free}")).unwrap();
    pull.unbind(&named).unwrap();
    pull.bind(format!("tcp://127.0.0.1:{free}")).unwrap();
    pull.unbind(format!("tcp://lo:{free}")).unwrap();
    assert!(matches!(pull.unbind(&named), Err(Error::NoSuchEndpoint(_))));

    for given in [
        &*named,
        "tcp://127.0.0.1:09",
        "tcp://::1:9",
        "inproc://nobody",
    ] {
        push.connect(given).unwrap();
        push.disconnect(given).unwrap();
        assert!(matches!(
            push.disconnect(given),
            Err(Error::NoSuchEndpoint(_))
        ));
    }
}

#[test]
fn errors_quote_the_text_that_was_given() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let says = |error: Error, text: &str| {
        let said = error.to_string();
        assert!(said.contains(text), "{said}");
    };
    says(
        pull.connect("tcp://127.0.0.1:0").unwrap_err(),
        "tcp://127.0.0.1:0\"",
    );
    says(pull.connect("tcp://*:0999").unwrap_err(), "tcp://*:0999\"");
    says(
        pull.bind("tcp://::1:0;::1:080").unwrap_err(),
        "tcp://::1:0;::1:080\"",
    );
    says(
        pull.bind("tcp://192.0.2.1:0").unwrap_err(),
        "tcp://192.0.2.1:0:",
    );
    says(
        pull.bind("tcp://no-such-name.invalid:0").unwrap_err(),
        "tcp://no-such-name.invalid:0:",
    );
    says(
        pull.bind("ipc://no/such/directory").unwrap_err(),
        "ipc://no/such/directory:",
    );
    says(pull.unbind("tcp://::1:09").unwrap_err(), "tcp://::1:09");
    says(
        pull.disconnect("ipc://./nobody").unwrap_err(),
        "ipc://./nobody",
    );
    let taken = pull.bind(loopback()).unwrap().to_string();
    let given = taken.replace("127.0.0.1:", "127.0.0.1:0");
    says(pull.bind(&given).unwrap_err(), &given);
}
