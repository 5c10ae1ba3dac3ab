//! The same life of a connection makes the same reports, here and in libzmq, frame by frame.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use zinterop::sys::{event, opt, socket_type};
use zinterop::zmq;
use zsocket::{Context, Event, Monitor, Pull, Push, ZmqEvent};

/// Never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

const ANYWHERE: [&str; 2] = ["tcp://127.0.0.1:*", "ipc://*"];

/// A report without what differs from run to run: its number, its value if that is none of a descriptor or an interval, and
/// whether its address is the endpoint of the scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Report {
    number: u16,
    value: Option<u32>,
    is_at_endpoint: bool,
}

impl Report {
    /// Reads the frames of version 1.
    fn read(head: &[u8], address: &[u8], endpoint: &str) -> Self {
        let (number, value) = head.split_at(2);
        let number = u16::from_ne_bytes(number.try_into().unwrap());
        let value = u32::from_ne_bytes(value.try_into().unwrap());
        let varies = event::CONNECTED
            | event::LISTENING
            | event::ACCEPTED
            | event::CLOSED
            | event::DISCONNECTED
            | event::CONNECT_RETRIED;
        Self {
            number,
            value: (number & varies == 0).then_some(value),
            is_at_endpoint: address == endpoint.as_bytes(),
        }
    }
}

/// The next reports of libzmq, up to one of this kind.
fn theirs(monitor: &zmq::Monitor<'_>, endpoint: &str, last: u16) -> Vec<Report> {
    let mut reports: Vec<Report> = Vec::new();
    while reports.last().is_none_or(|report| report.number != last) {
        let frames = monitor.recv_frames(PATIENCE).unwrap();
        reports.push(Report::read(&frames[0], &frames[1], endpoint));
    }
    reports
}

/// The next reports that our events make, likewise.
fn ours(monitor: &Monitor, endpoint: &str, last: u16) -> Vec<Report> {
    let mut reports: Vec<Report> = Vec::new();
    while reports.last().is_none_or(|report| report.number != last) {
        let event = monitor.recv_timeout(PATIENCE).expect("one more event");
        for event in event.to_zmq() {
            let frames = event.to_v1().expect("an event of version 1");
            reports.push(Report::read(&frames[0], &frames[1], endpoint));
        }
    }
    reports
}

/// A plain stream to an endpoint.
fn stream(endpoint: &str) -> Box<dyn ReadWrite> {
    match endpoint.split_once("://").unwrap() {
        ("tcp", address) => Box::new(TcpStream::connect(address).unwrap()),
        (_, path) => Box::new(UnixStream::connect(path).unwrap()),
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// A greeting of ZMTP 3 with this mechanism.
fn greeting(mechanism: &str) -> Vec<u8> {
    let mut greeting = vec![0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3, 0];
    greeting.extend(mechanism.as_bytes());
    greeting.resize(64, 0);
    greeting
}

/// What is done to a listener, by a stream that is as it is given.
type Deed = fn(&str);

/// Everything that a listener reports of what is done to it, until `last`, in libzmq and here.
fn of_listener(anywhere: &str, deed: Deed, last: u16) -> [Vec<Report>; 2] {
    let context = zmq::Context::new();
    let pull = context.socket(socket_type::PULL).unwrap();
    let monitor = pull.monitor(event::ALL).unwrap();
    let endpoint = pull.bind(anywhere).unwrap();
    deed(&endpoint);
    let theirs = theirs(&monitor, &endpoint, last);

    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let monitor = pull.monitor();
    let endpoint = pull.bind(anywhere).unwrap().to_string();
    deed(&endpoint);
    [theirs, ours(&monitor, &endpoint, last)]
}

#[test]
fn a_listener_reports_from_its_bind_to_its_end() {
    for anywhere in ANYWHERE {
        let context = zmq::Context::new();
        let (pull, push) = (
            context.socket(socket_type::PULL).unwrap(),
            context.socket(socket_type::PUSH).unwrap(),
        );
        let monitor = pull.monitor(event::ALL).unwrap();
        let endpoint = pull.bind(anywhere).unwrap();
        push.connect(&endpoint).unwrap();
        let mut expected = theirs(&monitor, &endpoint, event::HANDSHAKE_SUCCEEDED);
        drop(push);
        expected.extend(theirs(&monitor, &endpoint, event::DISCONNECTED));
        pull.unbind(&endpoint).unwrap();
        expected.extend(theirs(&monitor, &endpoint, event::CLOSED));

        let context = Context::new();
        let (pull, push) = (
            context.socket::<Pull>().unwrap(),
            context.socket::<Push>().unwrap(),
        );
        let monitor = pull.monitor();
        let bound = pull.bind(anywhere).unwrap();
        let endpoint = bound.to_string();
        push.connect(&bound).unwrap();
        let mut seen = ours(&monitor, &endpoint, event::HANDSHAKE_SUCCEEDED);
        drop(push);
        seen.extend(ours(&monitor, &endpoint, event::DISCONNECTED));
        pull.unbind(&bound).unwrap();
        seen.extend(ours(&monitor, &endpoint, event::CLOSED));
        assert_eq!(seen, expected, "{anywhere}");

        // libzmq's monitor is stopped by its own means; its report has the same form.
        drop(pull);
        let stopped = ours(&monitor, &endpoint, event::MONITOR_STOPPED);
        let last = Report {
            number: event::MONITOR_STOPPED,
            value: Some(0),
            is_at_endpoint: false,
        };
        assert_eq!(stopped, [last], "{anywhere}");
    }
}

#[test]
fn a_connecting_socket_reports_until_it_tries_again() {
    for anywhere in ANYWHERE {
        let context = zmq::Context::new();
        let (pull, push) = (
            context.socket(socket_type::PULL).unwrap(),
            context.socket(socket_type::PUSH).unwrap(),
        );
        let monitor = push.monitor(event::ALL).unwrap();
        let endpoint = pull.bind(anywhere).unwrap();
        push.connect(&endpoint).unwrap();
        let mut expected = theirs(&monitor, &endpoint, event::HANDSHAKE_SUCCEEDED);
        drop(pull);
        expected.extend(theirs(&monitor, &endpoint, event::CONNECT_RETRIED));

        let context = Context::new();
        let (pull, push) = (
            context.socket::<Pull>().unwrap(),
            context.socket::<Push>().unwrap(),
        );
        let monitor = push.monitor();
        let bound = pull.bind(anywhere).unwrap();
        let endpoint = bound.to_string();
        push.connect(&bound).unwrap();
        let mut seen = ours(&monitor, &endpoint, event::HANDSHAKE_SUCCEEDED);
        drop(pull);
        seen.extend(ours(&monitor, &endpoint, event::CONNECT_RETRIED));
        assert_eq!(seen, expected, "{anywhere}");
    }
}

/// As `test_reconnect_options` has it: each attempt that is refused, and when the next one is due.
#[test]
fn attempts_that_are_refused_are_reported_alike() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let directory = std::env::temp_dir().join(format!("zinterop-monitor-{}", std::process::id()));
    for endpoint in [
        format!("tcp://127.0.0.1:{port}"),
        format!("ipc://{}", directory.display()),
    ] {
        let context = zmq::Context::new();
        let push = context.socket(socket_type::PUSH).unwrap();
        push.set_int(opt::LINGER, 0).unwrap();
        let monitor = push.monitor(event::ALL).unwrap();
        push.connect(&endpoint).unwrap();
        let mut expected = theirs(&monitor, &endpoint, event::CONNECT_RETRIED);
        expected.extend(theirs(&monitor, &endpoint, event::CONNECT_RETRIED));

        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        let monitor = push.monitor();
        push.connect(endpoint.as_str()).unwrap();
        let mut seen = ours(&monitor, &endpoint, event::CONNECT_RETRIED);
        seen.extend(ours(&monitor, &endpoint, event::CONNECT_RETRIED));
        assert_eq!(seen, expected, "{endpoint}");
    }
}

#[test]
fn a_peer_that_goes_during_its_handshake_is_reported_alike() {
    for anywhere in ANYWHERE {
        let deed: Deed = |endpoint| {
            let mut stream = stream(endpoint);
            stream.write_all(&greeting("NULL")).unwrap();
            // All that is said is read, so that the end is an end and not a reset.
            let mut theirs = [0; 64];
            stream.read_exact(&mut theirs).unwrap();
            let mut ready = [0; 2];
            stream.read_exact(&mut ready).unwrap();
            let mut body = vec![0; usize::from(ready[1])];
            stream.read_exact(&mut body).unwrap();
        };
        let [theirs, ours] = of_listener(anywhere, deed, event::DISCONNECTED);
        assert_eq!(ours, theirs, "{anywhere}");
        assert_eq!(ours[2].number, event::HANDSHAKE_FAILED_NO_DETAIL);
    }
}

#[test]
fn a_peer_with_another_mechanism_is_reported_alike() {
    for anywhere in ANYWHERE {
        let deed: Deed = |endpoint| {
            let mut stream = stream(endpoint);
            stream.write_all(&greeting("PLAIN")).unwrap();
            // To the end.
            let _ = stream.read_to_end(&mut Vec::new());
        };
        let [theirs, ours] = of_listener(anywhere, deed, event::DISCONNECTED);
        assert_eq!(ours, theirs, "{anywhere}");
        assert_eq!(ours[2].value, Some(0x1100_0002));
    }
}

#[test]
fn an_endpoint_that_is_in_use_is_reported_alike() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let endpoint = format!("tcp://{address}");
    let context = zmq::Context::new();
    let pull = context.socket(socket_type::PULL).unwrap();
    let monitor = pull.monitor(event::ALL).unwrap();
    pull.bind(&endpoint).unwrap_err();
    // Without the scheme.
    let expected = theirs(&monitor, &address, event::BIND_FAILED);

    let pull = Context::new().socket::<Pull>().unwrap();
    let monitor = pull.monitor();
    pull.bind(endpoint.as_str()).unwrap_err();
    let seen = ours(&monitor, &address, event::BIND_FAILED);
    // Before that libzmq reports that it has closed a descriptor, without an address.
    assert_eq!(expected[0].number, event::CLOSED);
    assert_eq!(seen, expected[1..]);
    assert!(seen[0].is_at_endpoint);
}

/// The draft's frames of version 2, as `test_monitor` looks at them: how many, in which order, with which addresses.
#[test]
fn frames_of_version_2_are_alike() {
    for anywhere in ANYWHERE {
        /// Number, count of values, whether each address is the endpoint, and whether it is empty.
        type Shape = (u64, usize, [(bool, bool); 2]);
        let number = |frame: &[u8]| u64::from_ne_bytes(frame.try_into().unwrap());
        let shape = |frames: &[Vec<u8>], endpoint: &str| -> Shape {
            let values = number(&frames[1]) as usize;
            assert_eq!(frames.len(), values + 4);
            let address = |frame: &Vec<u8>| (frame == endpoint.as_bytes(), frame.is_empty());
            let addresses = [address(&frames[values + 2]), address(&frames[values + 3])];
            (number(&frames[0]), values, addresses)
        };
        let is_last = |shape: &Shape| shape.0 == ZmqEvent::DISCONNECTED;

        let context = zmq::Context::new();
        let (pull, push) = (
            context.socket(socket_type::PULL).unwrap(),
            context.socket(socket_type::PUSH).unwrap(),
        );
        let monitors = [
            pull.monitor_v2(0xFFFF).unwrap(),
            push.monitor_v2(0xFFFF).unwrap(),
        ];
        let endpoint = pull.bind(anywhere).unwrap();
        push.connect(&endpoint).unwrap();
        let until = |monitor: &zmq::Monitor<'_>, last: u64| {
            let mut shapes: Vec<Shape> = Vec::new();
            while shapes.last().is_none_or(|shape| shape.0 != last) {
                shapes.push(shape(&monitor.recv_frames(PATIENCE).unwrap(), &endpoint));
            }
            shapes
        };
        let client = until(&monitors[1], ZmqEvent::HANDSHAKE_SUCCEEDED);
        let server = until(&monitors[0], ZmqEvent::HANDSHAKE_SUCCEEDED);

        let context = Context::new();
        let (pull, push) = (
            context.socket::<Pull>().unwrap(),
            context.socket::<Push>().unwrap(),
        );
        let monitors = [pull.monitor(), push.monitor()];
        let bound = pull.bind(anywhere).unwrap();
        push.connect(&bound).unwrap();
        let endpoint = bound.to_string();
        let until = |monitor: &Monitor, last: u64| {
            let mut shapes: Vec<Shape> = Vec::new();
            while shapes.last().is_none_or(|shape| shape.0 != last) {
                let event: Event = monitor.recv_timeout(PATIENCE).unwrap();
                for event in event.to_zmq() {
                    let frames: Vec<Vec<u8>> =
                        event.to_v2().iter().map(|frame| frame.to_vec()).collect();
                    shapes.push(shape(&frames, &endpoint));
                }
            }
            shapes
        };
        assert_eq!(until(&monitors[1], ZmqEvent::HANDSHAKE_SUCCEEDED), client);
        assert_eq!(until(&monitors[0], ZmqEvent::HANDSHAKE_SUCCEEDED), server);
        assert!(!server.iter().any(is_last));
    }
}
