use proptest::prelude::*;

use super::*;

fn canonical(text: &str) -> String {
    Endpoint::parse(text)
        .unwrap_or_else(|error| panic!("{error}"))
        .to_string()
}

/// The kind and the text at fault.
fn reject(text: &str) -> (Kind, String) {
    let error = Endpoint::parse(text).expect_err(text);
    assert_eq!(error.endpoint(), text);
    assert_eq!(
        error.is_protocol_not_supported(),
        error.kind() == Kind::UnknownScheme
    );
    let shown = error.to_string();
    assert!(shown.contains(';') && shown.contains("offset"), "{shown}");
    (error.kind(), text[error.span()].to_owned())
}

#[test]
fn canonical_text() {
    for (text, expected) in [
        ("tcp://127.0.0.1:5555", "tcp://127.0.0.1:5555"),
        ("tcp://*:*", "tcp://*:*"),
        ("tcp://*:0", "tcp://*:*"),
        ("tcp://127.0.0.1:05555", "tcp://127.0.0.1:5555"),
        ("tcp://localhost:1234", "tcp://localhost:1234"),
        ("tcp://[::1]:1234", "tcp://[::1]:1234"),
        ("tcp://::1:80", "tcp://[::1]:80"),
        ("tcp://:::80", "tcp://[::]:80"),
        ("tcp://[::ffff:127.0.0.1]:1", "tcp://[::ffff:127.0.0.1]:1"),
        ("tcp://[FE80::1%eth0]:1", "tcp://[fe80::1%eth0]:1"),
        ("tcp://fe80::1%2:1", "tcp://[fe80::1%2]:1"),
        ("tcp://eth0:5555", "tcp://eth0:5555"),
        ("tcp://[localhost]:1", "tcp://localhost:1"),
        ("tcp://[10.0.0.1]:1", "tcp://10.0.0.1:1"),
        ("tcp://name%lo0:4444", "tcp://name%lo0:4444"),
        ("tcp://a_b.example.:5555", "tcp://a_b.example.:5555"),
        (
            "tcp://127.0.0.1:0;localhost:1234",
            "tcp://127.0.0.1:*;localhost:1234",
        ),
        ("tcp://lo:5555;[::1]:1235", "tcp://lo:5555;[::1]:1235"),
        ("ipc:///tmp/a b", "ipc:///tmp/a b"),
        ("ipc://relative", "ipc://relative"),
        ("ipc://@name", "ipc://@name"),
        ("ipc://*", "ipc://*"),
        ("inproc://a://b *", "inproc://a://b *"),
    ] {
        assert_eq!(canonical(text), expected);
        assert_eq!(canonical(expected), expected);
    }
}

#[test]
fn malformed() {
    for (text, kind, at) in [
        ("", Kind::MissingScheme, ""),
        ("://a", Kind::MissingScheme, ""),
        ("localhost:5555", Kind::MissingScheme, ""),
        ("tcp:/localhost:5555", Kind::MissingScheme, ""),
        ("udp4://localhost:1234", Kind::UnknownScheme, "udp4"),
        ("TCP://localhost:1234", Kind::UnknownScheme, "TCP"),
        (" tcp://localhost:1234", Kind::UnknownScheme, " tcp"),
        ("tcp://", Kind::EmptyAddress, ""),
        ("ipc://", Kind::EmptyAddress, ""),
        ("inproc://", Kind::EmptyAddress, ""),
        ("tcp://:5555", Kind::EmptyHost, ""),
        ("tcp://:*", Kind::EmptyHost, ""),
        ("tcp://;localhost:1", Kind::EmptyHost, ""),
        ("tcp://in val id:1234", Kind::InvalidHost, " "),
        ("tcp://hôte:1234", Kind::InvalidHost, "ô"),
        ("tcp://-a:1", Kind::InvalidHost, "-a"),
        ("tcp://a..b:1", Kind::InvalidHost, "a..b"),
        ("tcp://a;b;c:1", Kind::InvalidHost, ";"),
        ("tcp://**:1", Kind::InvalidHost, "*"),
        ("tcp://256.0.0.1:1", Kind::InvalidIpv4, "256.0.0.1"),
        ("tcp://1.2.3:1", Kind::InvalidIpv4, "1.2.3"),
        ("tcp://.:1", Kind::InvalidIpv4, "."),
        ("tcp://::1", Kind::InvalidIpv6, ":"),
        ("tcp://[]:1", Kind::EmptyHost, ""),
        ("tcp://[*]:1", Kind::InvalidHost, "*"),
        ("tcp://[::1:5555", Kind::UnclosedBracket, "[::1:5555"),
        ("tcp://[::1]5555", Kind::InvalidHost, "5555"),
        ("tcp://[::1%]:1", Kind::InvalidZone, "%"),
        ("tcp://[::1%a b]:1", Kind::InvalidZone, "%a b"),
        ("tcp://10.0.0.1%lo:1", Kind::InvalidZone, "%lo"),
        ("tcp://localhost", Kind::MissingPort, ""),
        ("tcp://localhost:", Kind::MissingPort, ""),
        ("tcp://[::1]", Kind::MissingPort, ""),
        ("tcp://localhost:invalid", Kind::InvalidPort, "invalid"),
        ("tcp://localhost:5555 ", Kind::InvalidPort, "5555 "),
        ("tcp://localhost:5555/", Kind::InvalidPort, "5555/"),
        ("tcp://localhost:+80", Kind::InvalidPort, "+80"),
        ("tcp://localhost:-1", Kind::InvalidPort, "-1"),
        ("tcp://localhost:65536", Kind::PortOutOfRange, "65536"),
        ("tcp://localhost:99999", Kind::PortOutOfRange, "99999"),
        ("ipc://@", Kind::EmptyAbstractName, ""),
        ("ipc://*x", Kind::AmbiguousWildcard, "*"),
        ("ipc:///a\0b", Kind::NulInPath, "\0"),
    ] {
        assert_eq!(reject(text), (kind, at.to_owned()), "{text}");
    }
    let port = "9".repeat(400);
    assert_eq!(
        reject(&format!("tcp://a:{port}")),
        (Kind::PortOutOfRange, port)
    );
    let name = "a".repeat(254);
    assert_eq!(
        reject(&format!("tcp://{name}:1")),
        (Kind::InvalidHost, name)
    );
}

#[test]
fn ipc_length_limit() {
    let longest = "a".repeat(MAX_IPC_PATH);
    assert_eq!(
        canonical(&format!("ipc://{longest}")),
        format!("ipc://{longest}")
    );
    let over = "a".repeat(MAX_IPC_PATH + 1);
    assert_eq!(
        reject(&format!("ipc://{over}")),
        (Kind::PathTooLong, over.clone())
    );
    assert_eq!(reject(&format!("ipc://@{over}")).0, Kind::PathTooLong);
    // Names of inproc have no limit.
    let name = "n".repeat(100_000);
    assert_eq!(
        canonical(&format!("inproc://{name}")),
        format!("inproc://{name}")
    );
}

#[test]
fn roles() {
    let ok = Ok(());
    for (text, bind, connect) in [
        ("tcp://127.0.0.1:1", ok, ok),
        ("tcp://*:5555", ok, Err((Kind::WildcardHostInConnect, "*"))),
        ("tcp://*:*", ok, Err((Kind::WildcardHostInConnect, "*"))),
        (
            "tcp://localhost:*",
            ok,
            Err((Kind::WildcardPortInConnect, "*")),
        ),
        (
            "tcp://localhost:0",
            ok,
            Err((Kind::WildcardPortInConnect, "0")),
        ),
        (
            "tcp://*:*;*:5",
            Err((Kind::SourceInBind, "*:*;")),
            Err((Kind::WildcardHostInConnect, "*")),
        ),
        (
            "tcp://*:*;localhost:1",
            Err((Kind::SourceInBind, "*:*;")),
            ok,
        ),
        ("ipc://*", ok, Err((Kind::WildcardPathInConnect, "*"))),
        ("ipc:///tmp/*", ok, ok),
        ("inproc://*", ok, ok),
    ] {
        let endpoint = Endpoint::parse(text).unwrap();
        let check = |result: Result<(), EndpointError>, expected: Result<(), (Kind, &str)>| {
            let got = result.map_err(|e| (e.kind(), e.endpoint()[e.span()].to_owned()));
            assert_eq!(got, expected.map_err(|(k, s)| (k, s.to_owned())), "{text}");
        };
        check(endpoint.for_bind(), bind);
        check(endpoint.for_connect(), connect);
    }
}

/// The cases of libzmq's own test of addresses (`unittest_ip_resolver`), as far as a text alone decides them. Whether it can be
/// bound, whether it can be connected to.
#[test]
fn the_address_cases_of_libzmq() {
    for (address, bind, connect) in [
        ("*:*", true, false),
        ("*:0", true, false),
        ("*:1234", true, false),
        ("127.0.0.1:*", true, false),
        // libzmq connects, to nothing, for ever.
        ("127.0.0.1:0", true, false),
        ("1.2.128.129:123", true, true),
        ("0.0.0.0:1", true, true),
        ("255.255.255.255:1", true, true),
        ("[1.2.128.129]:1", true, true),
        ("1.2.128.129]:1", false, false),
        ("[1.2.128.129:1", false, false),
        ("[1.2.128].129:1", false, false),
        ("1.2.128.129:123:1", false, false),
        ("1.2.128.129:*:1", false, false),
        ("1.2.128.129:0", true, false),
        // libzmq takes it for 567.
        ("1.2.3.4:567bad", false, false),
        ("1.2.3.4", false, false),
        ("1.2.3.4:bad", false, false),
        ("[192.168.1.1]:5555", true, true),
        ("[192.168.1.1:]5555", false, false),
        ("[192.168.1.1:5555]", false, false),
        ("[192.168.1.1:*]", false, false),
        // With the option IPV6 in libzmq, always here.
        ("[::1]:1234", true, true),
        ("abcd:1234::1:0:234:1", true, true),
        (":::1", true, true),
        ("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1", true, true),
        ("::1]:1", false, false),
        ("[::1:1", false, false),
        ("[abcd:1234::1:]0:234:1", false, false),
        ("[1234::1]:80", true, true),
        ("[1234::1]:*", true, false),
        ("abcd:1234::1:0:234:123", true, true),
        ("3000:4:5::1:234%2:1111", true, true),
        ("3000:4:5::1:234%eth0:8080", true, true),
        ("[3000:4:5::1:234%eth0]:8080", true, true),
        ("3000:4:5::1:234%:1", false, false),
        ("[3000:4:5::1:234%]:1", false, false),
        ("name.zeromq.org:1", true, true),
        ("[name.zeromq.org]:22", true, true),
        ("[name].zeromq.org:1", false, false),
        ("[name.zeromq.org:22]", false, false),
        ("name.zeromq.org%lo0:4444", true, true),
        ("[name.zeromq.org%lo0]:4444", true, true),
    ] {
        let endpoint = Endpoint::parse(&format!("tcp://{address}"));
        let can = |check: fn(&Endpoint) -> Result<(), EndpointError>| {
            endpoint
                .as_ref()
                .is_ok_and(|endpoint| check(endpoint).is_ok())
        };
        let found = (can(Endpoint::for_bind), can(Endpoint::for_connect));
        assert_eq!(found, (bind, connect), "{address}");
    }
}

#[test]
fn errors_quote_what_was_written() {
    for (text, kind, at) in [
        ("tcp://127.0.0.1:0", Kind::WildcardPortInConnect, "0"),
        ("tcp://127.0.0.1:000", Kind::WildcardPortInConnect, "000"),
        ("tcp://::1:0", Kind::WildcardPortInConnect, "0"),
        ("tcp://*:05555", Kind::WildcardHostInConnect, "*"),
        ("tcp://*:0;*:01", Kind::WildcardHostInConnect, "*"),
    ] {
        let endpoint = Endpoint::parse(text).unwrap();
        let error = endpoint.clone().for_connect().unwrap_err();
        let quoted = (
            error.kind(),
            error.endpoint(),
            &error.endpoint()[error.span()],
        );
        assert_eq!(quoted, (kind, text, at));
        assert_eq!(endpoint, Endpoint::parse(&endpoint.to_string()).unwrap());
    }
    let text = "tcp://127.0.0.1:0;::1:01";
    let error = Endpoint::parse(text).unwrap().for_bind().unwrap_err();
    assert_eq!(error.endpoint(), text);
    assert_eq!(&text[error.span()], "127.0.0.1:0;");
}

#[test]
fn relative_paths_become_absolute() {
    let directory = std::env::current_dir().unwrap();
    for (text, path) in [
        ("ipc://a/b", "a/b"),
        ("ipc://./*", "*"),
        ("ipc://../x", "../x"),
    ] {
        let relative = Endpoint::parse(text).unwrap();
        let absolute = relative.absolute().unwrap();
        let expected = format!("ipc://{}", directory.join(path).display());
        assert_eq!(
            (absolute.to_string(), &*absolute.as_written()),
            (expected, text)
        );
        assert_eq!(absolute.absolute().unwrap(), absolute);
        assert_ne!(absolute, relative);
    }
    for text in [
        "ipc:///a/../b",
        "ipc://@name",
        "ipc://*",
        "tcp://a:1",
        "inproc://a",
    ] {
        let endpoint = Endpoint::parse(text).unwrap();
        assert_eq!(endpoint.absolute().unwrap(), endpoint);
    }
    let text = format!("ipc://{}", "x".repeat(MAX_IPC_PATH));
    let error = Endpoint::parse(&text).unwrap().absolute().unwrap_err();
    assert_eq!(
        (error.kind(), error.endpoint()),
        (Kind::AbsolutePathTooLong, &*text)
    );
}

#[test]
fn parts() {
    let Endpoint::Tcp(tcp) = Endpoint::parse("tcp://lo:*;[fe80::1%eth0]:7").unwrap() else {
        panic!("not tcp");
    };
    assert_eq!(tcp.port(), Some(7));
    assert_eq!(tcp.source(), Some((&TcpHost::Name("lo".into()), None)));
    assert!(tcp.needs_dns());
    assert_eq!(
        *tcp.host(),
        TcpHost::V6("fe80::1".parse().unwrap(), Some("eth0".into()))
    );
    let literal = |text| match Endpoint::parse(text) {
        Ok(Endpoint::Tcp(tcp)) => !tcp.needs_dns(),
        other => panic!("{other:?}"),
    };
    assert!(literal("tcp://*:1") && literal("tcp://10.0.0.1:1") && literal("tcp://[::1%1]:1"));
    assert!(!literal("tcp://localhost:1"));

    let address: SocketAddr = "[fe80::1%3]:9".parse().unwrap();
    assert_eq!(Endpoint::from(address).to_string(), "tcp://[fe80::1%3]:9");
}

/// Text that is near enough to an endpoint to get past the first checks.
fn near_endpoint() -> impl Strategy<Value = String> {
    let scheme = prop_oneof![
        Just("tcp"),
        Just("ipc"),
        Just("inproc"),
        Just("tpc"),
        Just("")
    ];
    let separator = prop_oneof![4 => Just("://"), 1 => Just(":/"), 1 => Just("")];
    let address = prop_oneof![
        4 => "[\\[\\]:;%*@./a-f0-9-]{0,40}",
        1 => "\\PC{0,40}",
    ];
    (scheme, separator, address).prop_map(|(a, b, c)| format!("{a}{b}{c}"))
}

fn well_formed() -> impl Strategy<Value = Endpoint> {
    let host = || {
        prop_oneof![
            Just("*".to_owned()),
            any::<std::net::Ipv4Addr>().prop_map(|a| a.to_string()),
            any::<std::net::Ipv6Addr>().prop_map(|a| format!("[{a}]")),
            (any::<std::net::Ipv6Addr>(), "[a-z0-9]{1,15}").prop_map(|(a, z)| format!("[{a}%{z}]")),
            "[a-z]{1,9}%[a-z0-9]{1,15}",
            "[a-z][a-z0-9_-]{0,20}(\\.[a-z][a-z0-9-]{0,10}){0,3}",
        ]
    };
    let tcp = (
        host(),
        any::<u16>(),
        proptest::option::of((host(), any::<u16>())),
    )
        .prop_map(|(host, port, source)| match source {
            Some((from, at)) => format!("tcp://{from}:{at};{host}:{port}"),
            None => format!("tcp://{host}:{port}"),
        });
    let ipc = "ipc://[@/a-z][a-z/]{1,106}";
    let inproc = "inproc://\\PC{1,60}";
    prop_oneof![tcp, ipc, inproc].prop_map(|text| match Endpoint::parse(&text) {
        Ok(endpoint) => endpoint,
        Err(error) => panic!("{error}"),
    })
}

proptest! {
    #[test]
    fn parse_never_panics(text in near_endpoint()) {
        match Endpoint::parse(&text) {
            Ok(endpoint) => prop_assert_eq!(Endpoint::parse(&endpoint.to_string()), Ok(endpoint)),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn parse_any_text(text in "\\PC*") {
        let _ = Endpoint::parse(&text);
    }

    #[test]
    fn display_then_parse_is_identity(endpoint in well_formed()) {
        let text = endpoint.to_string();
        prop_assert_eq!(Endpoint::parse(&text), Ok(endpoint.clone()));
        for result in [endpoint.for_bind(), endpoint.for_connect()] {
            if let Err(error) = result {
                prop_assert_eq!(error.endpoint(), endpoint.as_written());
            }
        }
        prop_assert_eq!((&endpoint).into_endpoint(), text.into_endpoint());
    }
}
