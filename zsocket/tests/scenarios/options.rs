//! Options that are set to what they cannot be.

use std::time::Duration;

use zsocket::{Bytes, Context, Error, Req, Socket, SocketBuilder};

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
    match result {
        Err(Error::InvalidOption { option, expected }) => {
            assert_eq!(option, name);
            assert!(!expected.is_empty());
        }
        Err(other) => panic!("{name}: {other:?}"),
        Ok(_) => panic!("{name} may be anything"),
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
    req.set_max_frame_size(Some(64)).unwrap();
    refuses(req.set_max_frame_size(Some(63)), "max_frame_size");
    assert_eq!(req.max_frame_size(), Some(64));
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
    refuses(build().max_frame_size(Some(63)).build(), "max_frame_size");
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
