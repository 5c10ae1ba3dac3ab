//! Options: set and read in each way, and what they cannot be.

use std::time::Duration;

use zsocket::{
    Access, Bytes, Context, Dealer, Dynamic, Effect, Error, InvalidOption, Kind, OptionId, Pub,
    Pull, Push, ReconnectStop, Rep, Req, Router, Socket, SocketBuilder, SocketType, Stream, Sub,
    Value, Version, XPub, XSub,
};

use crate::support::{invalid, loopback};

/// An option that is a time, in the three places where it appears.
type Time = (
    &'static str,
    fn(&Socket<Req>, Option<Duration>) -> Result<(), Error>,
    fn(&Socket<Req>) -> Option<Duration>,
    fn(SocketBuilder<Req>, Option<Duration>) -> SocketBuilder<Req>,
);

const TIMES: [Time; 5] = [
    (
        "reconnect_interval",
        Socket::set_reconnect_interval,
        Socket::reconnect_interval,
        SocketBuilder::reconnect_interval,
    ),
    (
        "reconnect_interval_max",
        Socket::set_reconnect_interval_max,
        Socket::reconnect_interval_max,
        SocketBuilder::reconnect_interval_max,
    ),
    (
        "handshake_interval",
        Socket::set_handshake_interval,
        Socket::handshake_interval,
        SocketBuilder::handshake_interval,
    ),
    (
        "connect_timeout",
        Socket::set_connect_timeout,
        Socket::connect_timeout,
        SocketBuilder::connect_timeout,
    ),
    (
        "message_timeout",
        Socket::set_message_timeout,
        Socket::message_timeout,
        SocketBuilder::message_timeout,
    ),
];

/// Refused, by its name.
fn refuses<T>(result: Result<T, Error>, name: &str) {
    match invalid(result) {
        InvalidOption::Value { option, expected } => {
            assert_eq!(option, name);
            assert!(!expected.is_empty());
        }
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn a_value_that_is_not_allowed_changes_nothing() {
    let context = Context::new();
    let req = context.socket::<Req>().unwrap();
    let good = Some(Duration::from_millis(7));
    for (name, set, get, _) in TIMES {
        set(&req, good).unwrap();
        refuses(set(&req, Some(Duration::ZERO)), name);
        assert_eq!(get(&req), good, "{name}");
        set(&req, None).unwrap();
        assert_eq!(get(&req), None, "{name}");
    }
    req.set_max_frame_size(Some(1)).unwrap();
    refuses(req.set_max_frame_size(Some(0)), "max_frame_size");
    assert_eq!(req.max_frame_size(), Some(1));
    req.set_max_message_size(Some(1)).unwrap();
    refuses(req.set_max_message_size(Some(0)), "max_message_size");
    assert_eq!(req.max_message_size(), Some(1));
    req.set_max_frames(1).unwrap();
    refuses(req.set_max_frames(0), "max_frames");
    assert_eq!(req.max_frames(), 1);
    for good in [&b""[..], b"me", &[0xFF; 255]] {
        req.set_routing_id(Bytes::copy_from_slice(good)).unwrap();
        for bad in [&b"\0me"[..], &[0xFF; 256]] {
            refuses(req.set_routing_id(Bytes::from_static(bad)), "routing_id");
        }
        assert_eq!(req.routing_id(), good);
    }
    refuses(req.set_backlog(0), "backlog");
    refuses(req.set_send_buffer(Some(0)), "send_buffer");
    refuses(req.set_recv_buffer(Some(0)), "recv_buffer");
    refuses(req.set_tcp_keepalive_count(Some(0)), "tcp_keepalive_count");
    refuses(
        req.set_tcp_user_timeout(Some(Duration::ZERO)),
        "tcp_user_timeout",
    );
    for bad in [
        "proxy",
        "proxy:",
        ":1080",
        "*:1080",
        "proxy:*",
        "a:1;proxy:1080",
        "tcp://proxy:1080",
    ] {
        refuses(req.set_socks_proxy(Some(bad.to_owned())), "socks_proxy");
    }
    for bad in ["an/interface", "sixteen_bytes_xx"] {
        refuses(
            req.set_bind_to_device(Some(bad.to_owned())),
            "bind_to_device",
        );
    }
    // What libzmq takes a string back by.
    for option in [
        "ZMQ_SOCKS_PROXY",
        "ZMQ_SOCKS_USERNAME",
        "ZMQ_SOCKS_PASSWORD",
        "ZMQ_BINDTODEVICE",
    ] {
        req.set_option(option, "").unwrap();
        assert_eq!(req.option(option).unwrap(), Value::None, "{option}");
    }
}

#[test]
fn a_builder_tells_of_the_first_value_that_is_not_allowed() {
    let context = Context::new();
    let build = || context.build_socket::<Req>();
    for (name, _, get, with) in TIMES {
        let good = Some(Duration::from_millis(7));
        assert_eq!(get(&with(build(), good).build().unwrap()), good, "{name}");
        let bad = || with(build().max_refusals(5), Some(Duration::ZERO));
        refuses(bad().build(), name);
        // It is not forgotten for a good value, nor for another bad one.
        refuses(with(bad(), good).build(), name);
        refuses(bad().max_frames(0).routing_id("\0".into()).build(), name);
    }
    refuses(build().max_frame_size(Some(0)).build(), "max_frame_size");
    refuses(
        build().max_message_size(Some(0)).build(),
        "max_message_size",
    );
    refuses(build().max_frames(0).build(), "max_frames");
    refuses(
        build().routing_id("\0".into()).max_frames(0).build(),
        "routing_id",
    );
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let context = Context::new();
    let req = context.socket::<Req>().unwrap();
    assert_eq!((req.send_hwm(), req.recv_hwm()), (1000, 1000));
    assert_eq!(req.departed_hwm(), 1_000_000);
    assert_eq!(req.departed_bytes(), 1 << 30);
    assert_eq!(req.linger(), None);
    assert_eq!(req.default_send_timeout(), None);
    assert_eq!(req.default_recv_timeout(), None);
    assert_eq!(req.reconnect_interval(), Some(Duration::from_millis(100)));
    assert_eq!(req.reconnect_interval_max(), None);
    assert_eq!(req.handshake_interval(), Some(Duration::from_secs(30)));
    assert_eq!(req.connect_timeout(), None);
    assert_eq!(req.max_frame_size(), None);
    assert_eq!(req.max_message_size(), None);
    assert_eq!(req.max_frames(), 65_536);
    assert_eq!(req.message_timeout(), None);
    assert_eq!(req.max_refusals(), 2);
    assert!(!req.immediate());
    assert_eq!(req.routing_id(), "");
}

const TYPES: [SocketType; 12] = [
    SocketType::Pair,
    SocketType::Pub,
    SocketType::Sub,
    SocketType::XPub,
    SocketType::XSub,
    SocketType::Push,
    SocketType::Pull,
    SocketType::Req,
    SocketType::Rep,
    SocketType::Dealer,
    SocketType::Router,
    SocketType::Stream,
];

/// A value that the option takes and does not have from the beginning.
fn another(option: OptionId) -> Value {
    let default = option.default_value();
    match option.kind() {
        Kind::Bool => (default != Some(Value::Bool(true))).into(),
        Kind::Integer if option == OptionId::ROUTER_NOTIFY => 2.into(),
        Kind::Integer if option == OptionId::RECONNECT_STOP => 5.into(),
        Kind::Integer if option == OptionId::TOS => 32.into(),
        Kind::Integer if option == OptionId::MULTICAST_HOPS => 5.into(),
        Kind::Integer => 321.into(),
        Kind::Duration => Duration::from_millis(250).into(),
        Kind::Bytes if option.name().ends_with("_key") => Bytes::from_static(&[7; 32]).into(),
        Kind::Bytes => Bytes::from_static(b"me").into(),
        Kind::Text if option == OptionId::OLDEST_VERSION => "3.0".into(),
        Kind::Text if option == OptionId::SOCKS_PROXY => "proxy.example:1080".into(),
        Kind::Text => "eth0".into(),
        kind => panic!("{option}: {kind}"),
    }
}

fn settable() -> impl Iterator<Item = OptionId> {
    OptionId::all().filter(|option| option.access() == Access::ReadWrite)
}

#[test]
fn each_option_is_set_and_read_by_name_and_number_on_each_type_that_has_it() {
    let context = Context::new();
    let mut tried = 0;
    for option in settable() {
        for socket_type in option.socket_types() {
            let socket = context.dynamic(*socket_type).unwrap();
            let default = option.default_value().unwrap();
            assert_eq!(socket.option(option).unwrap(), default, "{option}");
            let value = another(option);
            assert_ne!(value, default, "{option}");
            socket.set_option(option.name(), value.clone()).unwrap();
            assert_eq!(socket.option(option).unwrap(), value, "{option}");
            // As text, by the names and the number of libzmq.
            let name = option.zmq_name().unwrap_or_else(|| option.name());
            socket.set_option(name, default.to_string()).unwrap();
            assert_eq!(
                socket.option(&option.name().to_uppercase()).unwrap(),
                default,
                "{option}"
            );
            if let Some(number) = option.zmq_number() {
                socket.set_option(number, value.to_string()).unwrap();
                assert_eq!(socket.option(number).unwrap(), value, "{option}");
                let short = name.strip_prefix("ZMQ_").unwrap().to_lowercase();
                assert_eq!(socket.option(&short).unwrap(), value, "{option}");
            }
            if let Some(none) = option.zmq_none() {
                socket
                    .set_option(option, i64::try_from(none).unwrap())
                    .unwrap();
                assert_eq!(socket.option(option).unwrap(), Value::None, "{option}");
            }
            let builder = context.build_dynamic(*socket_type);
            let socket = builder.option(option, value.clone()).build().unwrap();
            assert_eq!(socket.option(option).unwrap(), value, "{option}");
            tried += 1;
        }
    }
    assert!(tried > 300, "{tried}");
}

/// The setter, the getter and the builder's method of each option do what its name does.
macro_rules! typed {
    ($context:expr; $($pattern:ident { $($setter:ident($($value:expr),+) $getter:ident $with:ident;)+ })+) => {{
        let mut tried = Vec::new();
        $($(
            let option = OptionId::from_name(stringify!($with)).unwrap();
            let value = another(option);
            let socket = $context.socket::<$pattern>().unwrap();
            socket.$setter($($value),+).unwrap();
            assert_eq!(socket.option(option).unwrap(), value, "{option}");
            let socket = $context.build_socket::<$pattern>().$with($($value),+).build().unwrap();
            assert_eq!(socket.option(option).unwrap(), value, "{option}");
            let socket = $context.socket::<$pattern>().unwrap();
            let before = plain(socket.$getter());
            socket.set_option(option, value).unwrap();
            let after = plain(socket.$getter());
            assert_ne!(before, after, "{option}");
            socket.$setter($($value),+).unwrap();
            assert_eq!(plain(socket.$getter()), after, "{option}");
            tried.push(option.name());
        )+)+
        tried
    }};
}

/// Some getters say that the type has no such option.
trait Got {
    fn plain(self) -> String;
}

impl<T: std::fmt::Debug> Got for Result<T, Error> {
    fn plain(self) -> String {
        format!("{:?}", self.unwrap())
    }
}

macro_rules! got {
    ($($type:ty)*) => {$(
        impl Got for $type {
            fn plain(self) -> String {
                format!("{self:?}")
            }
        }
    )*};
}

got! {
    bool u8 u32 u64 Bytes Duration Version ReconnectStop Option<bool> Option<u32> Option<u64> Option<usize> Option<Duration>
    Option<String>
}

fn plain(got: impl Got) -> String {
    got.plain()
}

#[test]
fn each_option_has_a_setter_a_getter_and_a_method_of_the_builder() {
    let context = Context::new();
    let time = Some(Duration::from_millis(250));
    let frame = || Some("me".into());
    let stop = ReconnectStop {
        refused: true,
        handshake_failed: false,
        after_disconnect: true,
    };
    let mut tried = typed! { context;
        Push {
            set_send_hwm(321) send_hwm send_hwm;
            set_recv_hwm(321) recv_hwm recv_hwm;
            set_departed_hwm(321) departed_hwm departed_hwm;
            set_departed_bytes(321) departed_bytes departed_bytes;
            set_immediate(true) immediate immediate;
            set_max_refusals(321) max_refusals max_refusals;
            set_conflate(true) conflate conflate;
            set_max_frame_size(Some(321)) max_frame_size max_frame_size;
            set_max_message_size(Some(321)) max_message_size max_message_size;
            set_max_frames(321) max_frames max_frames;
            set_message_timeout(time) message_timeout message_timeout;
            set_max_pending_handshakes(Some(321)) max_pending_handshakes max_pending_handshakes;
            set_max_connections(Some(321)) max_connections max_connections;
            set_max_connections_per_peer(Some(321)) max_connections_per_peer max_connections_per_peer;
            set_affinity(321) affinity affinity;
            set_linger(time) linger linger;
            set_send_timeout(time) default_send_timeout send_timeout;
            set_recv_timeout(time) default_recv_timeout recv_timeout;
            set_reconnect_interval(time) reconnect_interval reconnect_interval;
            set_reconnect_interval_max(time) reconnect_interval_max reconnect_interval_max;
            set_connect_timeout(time) connect_timeout connect_timeout;
            set_handshake_interval(time) handshake_interval handshake_interval;
            set_oldest_version(Version::V3_0) oldest_version oldest_version;
            set_heartbeat_interval(time) heartbeat_interval heartbeat_interval;
            set_heartbeat_timeout(time) heartbeat_timeout heartbeat_timeout;
            set_heartbeat_ttl(time) heartbeat_ttl heartbeat_ttl;
            set_routing_id("me".into()) routing_id routing_id;
            set_backlog(321) backlog backlog;
            set_send_buffer(Some(321)) send_buffer send_buffer;
            set_recv_buffer(Some(321)) recv_buffer recv_buffer;
            set_ipc_mode(321) ipc_mode ipc_mode;
            set_ipv6(true) ipv6 ipv6;
            set_ipc_takeover(true) ipc_takeover ipc_takeover;
            set_tcp_keepalive(Some(true)) tcp_keepalive tcp_keepalive;
            set_tcp_keepalive_count(Some(321)) tcp_keepalive_count tcp_keepalive_count;
            set_tcp_keepalive_idle(Some(321)) tcp_keepalive_idle tcp_keepalive_idle;
            set_tcp_keepalive_interval(Some(321)) tcp_keepalive_interval tcp_keepalive_interval;
            set_tcp_user_timeout(time) tcp_user_timeout tcp_user_timeout;
            set_tos(32) tos tos;
            set_priority(321) priority priority;
            set_bind_to_device(Some("eth0".into())) bind_to_device bind_to_device;
            set_busy_poll(321) busy_poll busy_poll;
            set_multipath_tcp(true) multipath_tcp multipath_tcp;
            set_reconnect_stop(stop) reconnect_stop reconnect_stop;
            set_socks_proxy(Some("proxy.example:1080".into())) socks_proxy socks_proxy;
            set_socks_username(Some("eth0".into())) socks_username socks_username;
            set_socks_password(Some("eth0".into())) socks_password socks_password;
        }
        Pull { set_conflate_by_topic(Some(321)) conflate_by_topic conflate_by_topic; }
        Router {
            set_mandatory(true) mandatory mandatory;
            set_handover(true) handover handover;
            set_router_notify(false, true) router_notify router_notify;
            set_disconnect_message(frame()) disconnect_message disconnect_message;
            set_router_raw(true) router_raw router_raw;
            set_connect_routing_id("me") connect_routing_id connect_routing_id;
            set_hello_message(frame()) hello_message hello_message;
        }
        Stream { set_stream_notify(false) stream_notify stream_notify; }
        Req {
            set_relaxed(true) relaxed relaxed;
            set_correlate(true) correlate correlate;
        }
        Rep { set_probe_router(true) probe_router probe_router; }
        Dealer { set_hiccup_message(frame()) hiccup_message hiccup_message; }
        Pub {
            set_no_drop(true) no_drop no_drop;
            set_welcome_message(frame()) welcome_message welcome_message;
            set_multicast_rate(321) multicast_rate multicast_rate;
            set_multicast_recovery(Duration::from_millis(250)) multicast_recovery multicast_recovery;
            set_multicast_hops(5) multicast_hops multicast_hops;
            set_multicast_loopback(true) multicast_loopback multicast_loopback;
            set_multicast_packet_size(321) multicast_packet_size multicast_packet_size;
        }
        XPub {
            set_verbose(true) verbose verbose;
            set_verboser(true) verboser verboser;
            set_manual(true) manual manual;
            set_manual_last_value(true) manual_last_value manual_last_value;
        }
        Sub { set_invert_matching(true) invert_matching invert_matching; }
        XSub {
            set_only_first_subscribe(true) only_first_subscribe only_first_subscribe;
            set_verbose_unsubscribe(true) verbose_unsubscribe verbose_unsubscribe;
        }
    };
    // These are parts of one value, `Security`.
    let is_security = |name: &&str| {
        ["plain_", "curve_", "zap_"]
            .iter()
            .any(|part| name.starts_with(part))
    };
    let all = settable().map(OptionId::name);
    let mut all: Vec<_> = all.filter(|name| !is_security(name)).collect();
    tried.sort_unstable();
    all.sort_unstable();
    assert_eq!(tried, all);
}

#[test]
fn a_value_of_another_kind_or_out_of_range_is_refused_and_changes_nothing() {
    let context = Context::new();
    for option in settable() {
        let socket = context.dynamic(option.socket_types()[0]).unwrap();
        let before = socket.option(option).unwrap();
        let other_kind: Value = match option.kind() {
            Kind::Integer | Kind::Bool => Duration::from_secs(1).into(),
            _ => true.into(),
        };
        match invalid(socket.set_option(option, other_kind)) {
            InvalidOption::Kind {
                option: name,
                expected,
                or_none,
            } => {
                assert_eq!(
                    (name, expected, or_none),
                    (option.name(), option.kind(), option.may_be_none())
                );
            }
            other => panic!("{option}: {other:?}"),
        }
        let none = socket.set_option(option, Value::None);
        if option.may_be_none() {
            none.unwrap();
            socket.set_option(option, before.clone()).unwrap();
        } else {
            assert!(
                matches!(invalid(none), InvalidOption::Kind { or_none: false, .. }),
                "{option}"
            );
        }
        let too_much: Value = match option.kind() {
            Kind::Bytes if option.range() == "any bytes" => continue,
            Kind::Bytes => Bytes::from_static(&[1; 256]).into(),
            Kind::Text if option == OptionId::OLDEST_VERSION => "4.0".into(),
            Kind::Text => "x".repeat(256).into(),
            _ => (-2).into(),
        };
        match invalid(socket.set_option(option, too_much)) {
            InvalidOption::Value {
                option: name,
                expected,
            } => {
                assert_eq!((name, expected), (option.name(), option.range()));
            }
            other => panic!("{option}: {other:?}"),
        }
        assert_eq!(socket.option(option).unwrap(), before, "{option}");
    }
}

#[test]
fn an_option_of_other_types_is_refused_with_their_names() {
    let context = Context::new();
    let mut refused = 0;
    for option in OptionId::all() {
        for socket_type in TYPES
            .iter()
            .filter(|it| !option.socket_types().contains(it))
        {
            let is_told = |error: Error| match invalid(Err::<(), _>(error)) {
                InvalidOption::NotOfType {
                    option: name,
                    socket_type: of,
                    types,
                } => {
                    assert_eq!(
                        (name, of, types),
                        (option.name(), *socket_type, option.socket_types())
                    );
                }
                other => panic!("{option} of {socket_type}: {other:?}"),
            };
            let socket = context.dynamic(*socket_type).unwrap();
            is_told(socket.set_option(option, true).unwrap_err());
            is_told(socket.option(option).unwrap_err());
            let builder = context.build_dynamic(*socket_type);
            is_told(builder.option(option, true).build().unwrap_err());
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused}");
    let dealer = context.dynamic(SocketType::Dealer).unwrap();
    let error = dealer.set_handover(true).unwrap_err();
    assert_eq!(
        error.to_string(),
        "handover is no option of DEALER: it is one of ROUTER"
    );
}

#[test]
fn an_option_that_comes_too_late_is_refused() {
    let context = Context::new();
    let late: Vec<_> = settable()
        .filter(|option| option.effect() == Effect::BeforeEndpoints)
        .collect();
    assert_eq!(late, [OptionId::ROUTER_RAW]);
    let router = context.socket::<Router>().unwrap();
    router.bind("inproc://late").unwrap();
    for refused in [
        router.set_router_raw(true),
        router.set_option("router_raw", true),
    ] {
        assert!(matches!(
            invalid(refused),
            InvalidOption::TooLate {
                option: "router_raw"
            }
        ));
    }
    assert!(!router.router_raw().unwrap());
}

#[test]
fn a_name_or_number_that_is_none_is_refused_with_what_may_be_meant() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let refused = |name: &str| pull.set_option(name, 1).unwrap_err();
    for (name, meant) in [
        ("recv_hmw", "recv_hwm"),
        ("ZMQ_RCVHMW", "ZMQ_RCVHWM"),
        ("heartbeat_intervall", "heartbeat_interval"),
        ("Linger ", "linger"),
    ] {
        match invalid(Err::<(), _>(refused(name))) {
            InvalidOption::Unknown {
                option,
                similar,
                reason: None,
            } => {
                assert_eq!((option.as_str(), similar), (name, Some(meant)));
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    let error = refused("frobnicate");
    assert_eq!(error.to_string(), "there is no option \"frobnicate\"");
    let long = refused(&"x".repeat(1000)).to_string();
    assert!(long.len() < 100, "{long}");
    for error in [refused("ZMQ_RCVMORE"), pull.option(13).unwrap_err()] {
        assert!(matches!(
            error.option(),
            Some(InvalidOption::Unknown {
                reason: Some(_),
                similar: None,
                ..
            })
        ));
        assert!(
            error
                .to_string()
                .ends_with("a message is received whole, with all its frames"),
            "{error}"
        );
    }
    assert!(matches!(
        invalid(pull.set_option(9999, 1)),
        InvalidOption::Unknown {
            reason: None,
            similar: None,
            ..
        }
    ));
    assert_eq!(
        OptionId::from_name("zmq_identity"),
        Some(OptionId::ROUTING_ID)
    );
}

#[test]
fn what_is_only_done_or_only_read_is_told() {
    let context = Context::new();
    let sub = context.socket::<Sub>().unwrap();
    for (option, access) in [
        ("type", Access::ReadOnly),
        ("topics_count", Access::ReadOnly),
    ] {
        let refused = sub.set_option(option, 1);
        assert!(
            matches!(invalid(refused), InvalidOption::Access { access: it, .. } if it == access)
        );
    }
    for option in [
        OptionId::SUBSCRIBE,
        OptionId::UNSUBSCRIBE,
        OptionId::METADATA,
    ] {
        let refused = sub.option(option);
        assert!(matches!(
            invalid(refused),
            InvalidOption::Access {
                access: Access::WriteOnly,
                ..
            }
        ));
        assert_eq!(option.default_value(), None);
    }
    assert_eq!(sub.option(16).unwrap(), Value::from("SUB"));
    assert_eq!(sub.option("last_endpoint").unwrap(), Value::None);
    let endpoint = sub.bind(loopback()).unwrap();
    assert_eq!(sub.option(32).unwrap().to_string(), endpoint.to_string());
    for good in ["X-name:value", "X-name:with:colons"] {
        sub.set_option("metadata", good).unwrap();
    }
    for bad in ["X-name", "name:value", "X-name:", ""] {
        refuses(sub.set_option("metadata", bad), "metadata");
    }
}

#[test]
fn a_subscriber_is_set_up_by_names() {
    let context = Context::new();
    let publisher = context.dynamic(SocketType::XPub).unwrap();
    assert!(matches!(
        publisher.set_option("subscribe", "a"),
        Err(Error::WrongState(_))
    ));
    publisher.set_option("manual", "yes").unwrap();
    let endpoint = publisher.bind("inproc://names").unwrap();
    let sub = context.dynamic(SocketType::Sub).unwrap();
    sub.connect(&endpoint).unwrap();
    sub.set_option("subscribe", "a").unwrap();
    sub.set_option(6, &b"b"[..]).unwrap();
    assert_eq!(sub.option("topics_count").unwrap(), Value::Integer(2));
    sub.set_option("unsubscribe", "b").unwrap();
    assert_eq!(sub.option(116).unwrap(), Value::Integer(1));
    for request in ["\x01a", "\x01b", "\0b"] {
        assert_eq!(publisher.recv().unwrap()[0], request);
        publisher.set_option("subscribe", "a").unwrap();
    }
    assert_eq!(publisher.option("topics_count").unwrap(), Value::Integer(1));
    publisher.send("abc").unwrap();
    assert_eq!(sub.recv().unwrap()[0], "abc");
    publisher.set_option("unsubscribe", "a").unwrap();
    assert_eq!(publisher.option("topics_count").unwrap(), Value::Integer(0));
}

#[test]
fn a_builder_of_a_type_that_is_chosen_at_run_time_checks_it() {
    let context = Context::new();
    let build = |socket_type| context.build_dynamic(socket_type);
    let router: Socket<Dynamic> = build(SocketType::Router)
        .mandatory(true)
        .linger(None)
        .build()
        .unwrap();
    assert!(router.mandatory().unwrap());
    let refused = build(SocketType::Pull)
        .mandatory(true)
        .handover(true)
        .build();
    assert!(matches!(
        invalid(refused),
        InvalidOption::NotOfType {
            option: "mandatory",
            ..
        }
    ));
    let refused = build(SocketType::Server).send_hwm(1).build();
    assert!(matches!(refused, Err(Error::NotSupported)));
    let refused = build(SocketType::Pull).option("type", "PUSH").build();
    assert!(
        matches!(refused, Err(Error::Option(error)) if matches!(*error, InvalidOption::Access { .. }))
    );
}
