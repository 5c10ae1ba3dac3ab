//! Whom a listener lets in when there are many.

use zsocket::{AdmissionLimit, Context, Event, Push, Socket};

use crate::support::{PATIENCE, Raw, WIRES, Wire, eventually, loopback, wait_for};

fn refused(event: &Event) -> bool {
    matches!(event, Event::AdmissionRefused { .. })
}

/// Says hello to a socket, whatever else is going on there.
fn say_hello(to: &Socket<zsocket::Pull>, endpoint: &zsocket::Endpoint) {
    let push = Context::new().socket::<Push>().unwrap();
    push.connect(endpoint).unwrap();
    push.send("hello").unwrap();
    assert_eq!(to.recv_timeout(PATIENCE).unwrap()[0], "hello");
}

#[test]
fn a_handshake_too_many_is_closed_at_once_and_its_slot_is_given_back() {
    for wire in WIRES {
        let context = Context::builder().io_threads(2).build().unwrap();
        let build = context.build_socket::<zsocket::Pull>();
        let pull = build.max_pending_handshakes(Some(3)).build().unwrap();
        let monitor = pull.monitor();
        let bound = pull.bind(wire.anywhere()).unwrap();
        let mut pending = Vec::new();
        for _ in 0..3 {
            pending.push(Raw::connect(&bound));
            wait_for(&monitor, "one more", |e| {
                matches!(e, Event::Accepted { .. })
            });
        }
        let mut excess = Raw::connect(&bound);
        excess.expect_close();
        let event = wait_for(&monitor, "the refusal", refused);
        let Event::AdmissionRefused {
            endpoint, limit, ..
        } = event
        else {
            panic!()
        };
        assert_eq!(
            (endpoint, limit),
            (bound.clone(), AdmissionLimit::PendingHandshakes)
        );
        assert_eq!(pull.stats().connections.admission_refused, 1);
        // One completes its handshake, another one goes.
        pending[0].shake_hands("PUSH");
        drop(pending.remove(2));
        eventually("both have given their slots back", || {
            let connections = pull.stats().connections;
            // What it had been told and did not read makes its end a broken connection.
            let gone = connections.closed_peer + connections.closed_io;
            connections.open == 1 && gone == 1
        });
        for _ in 0..2 {
            say_hello(&pull, &bound);
        }
        drop(pending);
    }
}

#[test]
fn while_strangers_hold_all_slots_clients_try_again_until_there_is_one() {
    let context = Context::new();
    let build = context.build_socket::<zsocket::Pull>();
    let pull = build.max_pending_handshakes(Some(2)).build().unwrap();
    let monitor = pull.monitor();
    let bound = pull.bind(loopback()).unwrap();
    let strangers = [(); 2].map(|()| Raw::connect(&bound));
    for _ in &strangers {
        wait_for(&monitor, "a stranger", |e| {
            matches!(e, Event::Accepted { .. })
        });
    }
    let push = context.socket::<Push>().unwrap();
    push.connect(&bound).unwrap();
    push.send("hello").unwrap();
    wait_for(&monitor, "a first refusal", refused);
    wait_for(&monitor, "a second one", refused);
    drop(strangers);
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "hello");
}

#[test]
fn there_are_no_more_connections_than_there_may_be() {
    for wire in WIRES {
        for (per_peer, expected) in [
            (false, AdmissionLimit::Connections),
            (true, AdmissionLimit::ConnectionsPerPeer),
        ] {
            let context = Context::builder().io_threads(2).build().unwrap();
            let build = context.build_socket::<zsocket::Pull>();
            let pull = if per_peer {
                build.max_connections_per_peer(Some(2))
            } else {
                build.max_connections(Some(2))
            };
            let pull = pull.build().unwrap();
            let monitor = pull.monitor();
            let bound = pull.bind(wire.anywhere()).unwrap();
            let first = Raw::connect_as(&bound, "PUSH");
            let _second = Raw::connect_as(&bound, "PUSH");
            Raw::connect(&bound).expect_close();
            let event = wait_for(&monitor, "the refusal", refused);
            assert!(
                matches!(event, Event::AdmissionRefused { limit, .. } if limit == expected),
                "{event:?}"
            );
            // Another listener has limits of its own.
            let other = pull.bind(wire.anywhere()).unwrap();
            say_hello(&pull, &other);
            drop(first);
            eventually("there is room again", || {
                pull.stats().connections.closed_peer >= 1
            });
            // Its connection ends a moment before its slot is free, so the first attempt may be early.
            say_hello(&pull, &bound);
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn other_addresses_have_limits_of_their_own() {
    let context = Context::new();
    let build = context.build_socket::<zsocket::Pull>();
    let pull = build.max_connections_per_peer(Some(1)).build().unwrap();
    let bound = pull.bind(Wire::Tcp.anywhere()).unwrap();
    let _held = Raw::connect_as(&bound, "PUSH");
    Raw::connect(&bound).expect_close();
    // All of 127.0.0.0/8 is this machine.
    let target = bound.to_string().replace("tcp://", "");
    for last in 2..5 {
        let push = context.socket::<Push>().unwrap();
        push.connect(format!("tcp://127.0.0.{last}:*;{target}").as_str())
            .unwrap();
        push.send("hello").unwrap();
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "hello");
    }
}
