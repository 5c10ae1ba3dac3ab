//! Processes that are killed, and those that have no descriptors left.

use std::{
    fs::File,
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use zsocket::{Context, Event, Pull, Push};

use crate::{
    child::{Child, role, say},
    support::{
        A_WHILE, PATIENCE, Place, Raw, SMALL_BUFFER, eventually, greeting, loopback, message,
        ready, spawn, wait_for,
    },
};

const SOON: Duration = Duration::from_millis(5);

/// Larger than what the system buffers for both ends.
const BODY: usize = 256 << 10;

fn numbered(number: u32) -> Vec<u8> {
    let mut body = vec![number as u8; BODY];
    body[..4].copy_from_slice(&number.to_be_bytes());
    body
}

/// The number of a message, once it is known to be whole.
fn number_of(body: &[u8]) -> u32 {
    let number = u32::from_be_bytes(body[..4].try_into().unwrap());
    assert!(body == numbered(number), "{number} is harmed");
    number
}

/// It is killed while a message is on its way to it. The next one goes on: nothing comes twice, nothing in part, and what is
/// missing is what the first one had in its memory and the system on the way to it.
#[test]
fn a_receiver_that_is_killed_has_a_successor() {
    /// The one that it has said or was about to say, the one in its queue, the one that the system has the end of.
    const LOST_WITH_IT: u32 = 3;
    const MESSAGES: u32 = 150;
    if let Some(endpoint) = role() {
        let context = Context::new();
        let builder = context.build_socket::<Pull>().recv_hwm(1);
        let builder = builder.recv_buffer(Some(SMALL_BUFFER));
        let pull = builder.build().unwrap();
        say(pull.bind(endpoint.as_str()).unwrap());
        loop {
            say(number_of(&pull.recv_timeout(PATIENCE).unwrap()[0]));
        }
    }
    let start = |endpoint: &str| {
        let name = "processes::a_receiver_that_is_killed_has_a_successor";
        let child = Child::start(name, endpoint);
        let endpoint = child.next().expect("it binds");
        (child, endpoint)
    };
    for place in Place::wires() {
        let (mut child, endpoint) = start(&place.endpoint);
        let context = Context::new();
        let builder = context.build_socket::<Push>().send_hwm(10);
        let builder = builder.send_buffer(Some(SMALL_BUFFER)).max_refusals(0);
        let push = builder.reconnect_interval(Some(SOON)).build().unwrap();
        push.connect(endpoint.as_str()).unwrap();
        let sender = spawn(move || {
            for number in 0..MESSAGES {
                push.send(numbered(number)).unwrap();
            }
            push
        });
        let mut next = 0;
        for _ in 0..5 {
            for at in 0..10 {
                let number: u32 = child.next().expect("it lives").parse().unwrap();
                let lost = if at == 0 && next > 0 { LOST_WITH_IT } else { 0 };
                assert!(
                    (next..=next + lost).contains(&number),
                    "{number} after {next}"
                );
                next = number + 1;
            }
            child.kill();
            // What it has said until then.
            while let Some(line) = child.next() {
                assert_eq!(line.parse(), Ok(next));
                next += 1;
            }
            child = start(&endpoint).0;
        }
        let first: u32 = child.next().expect("it lives").parse().unwrap();
        assert!(
            (next..=next + LOST_WITH_IT).contains(&first),
            "{first} after {next}"
        );
        for number in first + 1..MESSAGES {
            child.expect(&number.to_string());
        }
        let push = sender.join();
        assert_eq!(push.stats().dropped.total(), 0);
    }
}

/// One that is killed in the middle of a message leaves those that it has sent whole, and no part.
#[test]
fn a_sender_that_is_killed_leaves_whole_messages() {
    if let Some(endpoint) = role() {
        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        push.connect(endpoint.as_str()).unwrap();
        for number in 0.. {
            push.send([numbered(number), numbered(number)]).unwrap();
        }
    }
    for place in Place::wires() {
        let context = Context::new();
        let pull = context.build_socket::<Pull>().recv_hwm(3).build().unwrap();
        let endpoint = pull.bind(place.endpoint.as_str()).unwrap();
        for _ in 0..3 {
            let name = "processes::a_sender_that_is_killed_leaves_whole_messages";
            let mut child = Child::start(name, &endpoint.to_string());
            let mut next = 0;
            let mut receive = |message: zsocket::Message| {
                assert_eq!(message.len(), 2);
                assert_eq!([number_of(&message[0]), number_of(&message[1])], [next; 2]);
                next += 1;
            };
            for _ in 0..10 {
                receive(pull.recv_timeout(PATIENCE).unwrap());
            }
            child.kill();
            // What was whole when it died, and then nobody is there.
            eventually("its end", || {
                if let Ok(message) = pull.try_recv() {
                    receive(message);
                }
                pull.peers() == 0
            });
        }
    }
}

/// While there is none left, connections that are there go on, those that come wait, and nobody tries all the time. When there
/// are some again all is as it was.
#[test]
fn the_limit_of_descriptors_is_reached_and_left() {
    if role().is_none() {
        let name = "processes::the_limit_of_descriptors_is_reached_and_left";
        let child = Child::start(name, "it");
        assert_eq!(child.finish(), ["done"]);
        return;
    }
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let monitor = pull.monitor();
    let endpoint = pull.bind(loopback()).unwrap();
    let mut before = Raw::connect_as(&endpoint, "PUSH");
    before.send(&[b"before"]);
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "before");
    let push = context.build_socket::<Push>();
    let push = push.reconnect_interval(Some(SOON)).build().unwrap();
    let attempts = push.monitor();

    let limit = getrlimit(Resource::Nofile);
    let lower = Rlimit {
        current: Some(100),
        ..limit
    };
    setrlimit(Resource::Nofile, lower).unwrap();
    let mut hog = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hog.push(file);
    }
    // One is for the end of whoever comes, so there is none for ours.
    hog.pop();
    let address = endpoint.to_string();
    let address = address.strip_prefix("tcp://").unwrap();
    let mut comes = TcpStream::connect(address).unwrap();
    let hello = [&greeting()[..], &ready("PUSH"), &message(&[b"waited"])].concat();
    comes.write_all(&hello).unwrap();
    wait_for(&monitor, "a pause", |event| {
        matches!(event, Event::AcceptPaused { .. })
    });
    push.connect(&endpoint).unwrap();
    push.send("queued").unwrap();
    wait_for(&attempts, "an attempt", |event| {
        matches!(event, Event::ConnectFailed { .. })
    });

    let paused = pull.stats().connections.accept_paused;
    let until = Instant::now() + A_WHILE;
    for number in 0.. {
        let body = [number as u8; 100];
        before.send(&[&body]);
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], body[..]);
        if Instant::now() >= until {
            break;
        }
    }
    // It sleeps in between.
    let paused = pull.stats().connections.accept_paused - paused;
    assert!(paused <= 10, "{paused} attempts to accept");

    drop(hog);
    let mut bodies = [(); 2].map(|()| pull.recv_timeout(PATIENCE).unwrap()[0].to_vec());
    bodies.sort();
    assert_eq!(bodies, [b"queued".to_vec(), b"waited".to_vec()]);
    assert_eq!(
        push.stats().dropped.total() + pull.stats().dropped.total(),
        0
    );
    setrlimit(Resource::Nofile, limit).unwrap();
    say("done");
}
