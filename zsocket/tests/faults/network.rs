//! Networks that go away and come back, and a name server that says nothing: each in a network of its own, which takes Linux,
//! `unshare` and `ip`, and a system that lets us. Otherwise the test says that it is skipped, and why.

use std::{
    fs,
    net::UdpSocket,
    process::Command,
    time::{Duration, Instant},
};

use zsocket::{Context, Event, Pull, Push};

use crate::{
    child::{Child, hear, role, say},
    support::{PATIENCE, loopback, wait_for},
};

const SOON: Duration = Duration::from_millis(5);

/// A process in a network of its own, as root there.
const ALONE: [&str; 5] = ["unshare", "--map-root-user", "--net", "--mount", "--"];

/// Runs a program, and says what went wrong.
fn run(words: &[&str]) -> Result<(), String> {
    let output = Command::new(words[0]).args(&words[1..]).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "{words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => Err(format!("{words:?}: {error}")),
    }
}

fn ip(words: &str) {
    let words: Vec<_> = ["ip"].into_iter().chain(words.split(' ')).collect();
    run(&words).unwrap();
}

/// Whether there can be networks of our own; if not, says so.
fn can_be_alone(test: &str) -> bool {
    let script = "ip link set lo up && ip link add name x0 type veth peer name x1 && mount --make-rprivate /";
    let words: Vec<_> = ALONE.into_iter().chain(["sh", "-c", script]).collect();
    let outcome = run(&words);
    if let Err(error) = &outcome {
        println!("{test} is SKIPPED, since there can be no network of its own: {error}");
    }
    outcome.is_ok()
}

/// Nobody closes anything and nothing is reset: packets are not delivered any more. Both ends notice by their heartbeats. What
/// was queued meanwhile arrives when the link is up again.
#[test]
fn a_link_that_goes_down_and_up() {
    const TEST: &str = "network::a_link_that_goes_down_and_up";
    match role().as_deref() {
        None => {
            if can_be_alone(TEST) {
                assert_eq!(Child::start_in(&ALONE, TEST, "here").finish(), ["done"]);
            }
        }
        Some("here") => here(TEST),
        Some(_) => there(),
    }
}

/// Heartbeats that notice it soon, and are slow enough for a machine that is busy.
const BEAT: Duration = Duration::from_millis(200);

fn here(test: &str) {
    let mut child = Child::start_in(&["unshare", "--net", "--"], test, "there");
    child.expect("alone");
    ip(&format!(
        "link add name here type veth peer name there netns {}",
        child.id()
    ));
    ip("address add 10.1.1.1/24 dev here");
    ip("link set here up");
    child.tell("go");
    child.expect("bound");

    let context = Context::new();
    let builder = context
        .build_socket::<Push>()
        .heartbeat_interval(Some(BEAT));
    let builder = builder.connect_timeout(Some(BEAT));
    let push = builder.reconnect_interval(Some(SOON)).build().unwrap();
    let monitor = push.monitor();
    push.connect("tcp://10.1.1.2:5555").unwrap();
    let mut number = 0_u32;
    for _ in 0..3 {
        // Each of these has arrived before the link goes down.
        for _ in 0..100 {
            push.send(number.to_be_bytes()).unwrap();
            child.expect(&number.to_string());
            number += 1;
        }
        ip("link set here down");
        wait_for(&monitor, "the loss", |event| {
            matches!(event, Event::Disconnected { .. })
        });
        child.expect("lost");
        // No connection is there: they are kept.
        let first = number;
        for _ in 0..100 {
            push.send(number.to_be_bytes()).unwrap();
            number += 1;
        }
        ip("link set here up");
        for number in first..number {
            child.expect(&number.to_string());
        }
    }
    assert_eq!(push.stats().dropped.total(), 0);
    say("done");
}

fn there() {
    say("alone");
    assert_eq!(hear(), "go");
    ip("address add 10.1.1.2/24 dev there");
    ip("link set there up");
    let context = Context::new();
    let builder = context
        .build_socket::<Pull>()
        .heartbeat_interval(Some(BEAT));
    let pull = builder.build().unwrap();
    let monitor = pull.monitor();
    pull.bind("tcp://10.1.1.2:5555").unwrap();
    say("bound");
    loop {
        if let Ok(message) = pull.recv_timeout(SOON) {
            say(u32::from_be_bytes(message[0][..].try_into().unwrap()));
        }
        while let Some(event) = monitor.try_recv() {
            if matches!(event, Event::Disconnected { .. }) {
                say("lost");
            }
        }
    }
}

/// While a name is being looked up, and for as long as that takes, everything else goes on; and nobody waits for the answer
/// who has lost interest in it.
#[test]
fn a_name_server_that_never_answers_holds_nobody_up() {
    const TEST: &str = "network::a_name_server_that_never_answers_holds_nobody_up";
    if role().is_none() {
        if can_be_alone(TEST) {
            assert_eq!(Child::start_in(&ALONE, TEST, "alone").finish(), ["done"]);
        }
        return;
    }
    ip("link set lo up");
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        run(&["mount", "--bind", path, &format!("/etc/{name}")]).unwrap();
    };
    file(
        "resolv.conf",
        "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n",
    );
    file("nsswitch.conf", "hosts: files dns\n");
    let server = UdpSocket::bind("127.0.0.1:53").unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();

    let context = Context::new();
    let push = context.socket::<Push>().unwrap();
    // More than there are threads for it.
    for number in 0..10 {
        let endpoint = format!("tcp://silent{number}.example.org:5555");
        push.connect(endpoint.as_str()).unwrap();
    }
    // It has been asked.
    server.recv_from(&mut [0; 512]).unwrap();
    push.send("for somebody with a name").unwrap();
    let started = Instant::now();
    let pull = context.socket::<Pull>().unwrap();
    let endpoint = pull.bind(loopback()).unwrap();
    let other = context.socket::<Push>().unwrap();
    other.connect(&endpoint).unwrap();
    for number in 0..100_u32 {
        other.send(number.to_be_bytes()).unwrap();
        let message = pull.recv_timeout(PATIENCE).unwrap();
        assert_eq!(message[0], number.to_be_bytes());
    }
    for number in 0..10 {
        let endpoint = format!("tcp://silent{number}.example.org:5555");
        push.set_linger(Some(Duration::ZERO)).unwrap();
        push.disconnect(endpoint.as_str()).unwrap();
    }
    drop((push, pull, other));
    context.term_timeout(PATIENCE).unwrap();
    // The first look-up takes 30 s at least.
    let elapsed = started.elapsed();
    assert!(elapsed < Duration::from_secs(20), "{elapsed:?}");
    say("done");
}
