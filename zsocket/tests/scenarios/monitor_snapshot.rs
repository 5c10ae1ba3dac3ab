//! A snapshot, and exactly the events after it; and events as libzmq has them.

use std::collections::BTreeSet;

use zsocket::{
    Context, Event, EventKinds, FrameVersion, Monitor, Pair, Pull, Push, Socket, ZmqEvent,
};

use crate::support::{PATIENCE, Raw, WIRES, eventually, loopback};

/// Whom a socket is connected with, as one who has only a snapshot and events knows it.
struct Follower {
    peers: BTreeSet<u64>,
    listening: BTreeSet<String>,
    monitor: Monitor,
}

impl Follower {
    fn new(socket: &Socket<Pull>) -> Self {
        let (snapshot, monitor) = socket.monitor_with_snapshot(EventKinds::ALL);
        let listening = snapshot.listening.iter().map(ToString::to_string);
        Self {
            peers: snapshot.peers.iter().map(|peer| peer.id).collect(),
            listening: listening.collect(),
            monitor,
        }
    }

    /// Takes in what has happened. Nothing that it knows is told again, and nothing ends that has not begun.
    fn follow(&mut self) {
        while let Some(event) = self.monitor.try_recv() {
            match event {
                Event::HandshakeSucceeded { connection, .. } => {
                    assert!(self.peers.insert(connection.id), "told twice");
                }
                Event::Disconnected { connection, .. } => {
                    assert!(self.peers.remove(&connection.id), "never begun");
                }
                Event::Listening { endpoint, .. } => {
                    assert!(self.listening.insert(endpoint.to_string()), "told twice");
                }
                Event::ListenerClosed { endpoint, .. } => {
                    assert!(self.listening.remove(&endpoint.to_string()), "never begun");
                }
                Event::Lagged { .. } => panic!("too slow for this test"),
                _ => {}
            }
        }
    }
}

#[test]
fn a_snapshot_and_the_events_after_it_are_the_whole() {
    for wire in WIRES {
        let context = Context::builder().io_threads(2).build().unwrap();
        let pull = context.socket::<Pull>().unwrap();
        let bound = pull.bind(wire.anywhere()).unwrap();
        let mut followers = vec![Follower::new(&pull)];
        std::thread::scope(|scope| {
            let peers = scope.spawn(|| {
                for round in 0..100 {
                    let stays = Raw::connect_as(&bound, "PUSH");
                    let goes = Raw::connect_as(&bound, "PUSH");
                    drop(goes);
                    if round % 10 == 0 {
                        // So that some are there at the end.
                        std::mem::forget(stays);
                    }
                }
            });
            // Whenever it begins, among all that comes and goes.
            while !peers.is_finished() {
                if followers.len() < 20 {
                    followers.push(Follower::new(&pull));
                }
                followers.iter_mut().for_each(Follower::follow);
                std::thread::yield_now();
            }
        });
        eventually("those that stay are there", || {
            pull.stats().connections.open == 10
        });
        let other = pull.bind(wire.anywhere()).unwrap();
        for mut follower in followers {
            eventually("all is told", || {
                follower.follow();
                follower.peers.len() == 10 && follower.listening.len() == 2
            });
        }
        pull.unbind(other).unwrap();
        let (snapshot, _) = pull.monitor_with_snapshot(EventKinds::NONE);
        assert_eq!(snapshot.listening, [bound]);
        assert!(snapshot.connecting.is_empty());
        assert!(snapshot.peers.iter().all(|peer| !peer.outgoing));
    }
}

#[test]
fn a_snapshot_shows_what_a_socket_has_connected_to() {
    let context = Context::new();
    let (pull, push) = (
        context.socket::<Pull>().unwrap(),
        context.socket::<Push>().unwrap(),
    );
    let bound = pull.bind("ipc://*").unwrap();
    pull.bind("inproc://apart").unwrap();
    push.connect(&bound).unwrap();
    push.connect("ipc://@zlayers-test-nobody").unwrap();
    push.connect("inproc://apart").unwrap();
    eventually("one of them is there", || {
        push.stats().connections.open == 1
    });
    let (snapshot, _) = push.monitor_with_snapshot(EventKinds::ALL);
    let nobody = "ipc://@zlayers-test-nobody".parse().unwrap();
    assert_eq!(snapshot.connecting, [bound.clone(), nobody]);
    let [peer] = &snapshot.peers[..] else {
        panic!("{snapshot:?}")
    };
    assert!(peer.outgoing);
    assert_eq!(peer.endpoint, bound);
    assert_eq!(peer.socket_type, Some(zsocket::SocketType::Pull));
    push.disconnect(&bound).unwrap();
    eventually("the snapshot shows that it is gone", || {
        let (snapshot, _) = push.monitor_with_snapshot(EventKinds::NONE);
        snapshot.peers.is_empty() && snapshot.connecting.len() == 1
    });
}

#[test]
fn a_forwarder_sends_every_event_as_libzmq_would_and_keeps_what_has_no_room() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let forwarder = pull.monitor().forward(FrameVersion::V2);
    // Room for one message.
    let to = context.build_socket::<Pair>().send_hwm(1).build().unwrap();
    let from = context.build_socket::<Pair>().recv_hwm(1).build().unwrap();
    // Nobody has come yet: nothing is lost.
    let bound = pull.bind(loopback()).unwrap();
    pull.unbind(&bound).unwrap();
    assert_eq!(forwarder.pump(&to).unwrap(), 0);
    to.bind("inproc://monitor").unwrap();
    from.connect("inproc://monitor").unwrap();
    drop(pull);
    let mut seen = Vec::new();
    eventually("all events have come", || {
        forwarder.pump(&to).unwrap();
        while let Ok(message) = from.try_recv() {
            let number = u64::from_ne_bytes(message[0].as_ref().try_into().unwrap());
            let local = String::from_utf8_lossy(&message[3]).into_owned();
            seen.push((number, local));
        }
        seen.len() == 3
    });
    let bound = bound.to_string();
    let expected = [
        (ZmqEvent::LISTENING, bound.clone()),
        (ZmqEvent::CLOSED, bound),
        (ZmqEvent::MONITOR_STOPPED, String::new()),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn what_waits_in_pipes_is_reported_when_asked_for() {
    let context = Context::new();
    let push = context.socket::<Push>().unwrap();
    let monitor = push.monitor_only(EventKinds::PIPE_STATS);
    assert_eq!(push.report_pipe_stats(), 0);
    push.connect("ipc://@zlayers-test-nobody-at-all").unwrap();
    for _ in 0..5 {
        push.send("waits").unwrap();
    }
    assert_eq!(push.report_pipe_stats(), 1);
    let event = monitor.recv_timeout(PATIENCE).unwrap();
    let Event::PipeStats {
        outgoing,
        queued_out,
        queued_in,
        ..
    } = event
    else {
        panic!("{event:?}")
    };
    assert!(outgoing);
    assert_eq!((queued_out, queued_in), (5, 0));
    push.set_linger(Some(std::time::Duration::ZERO)).unwrap();
}
