//! When an endpoint is not connected to again.

use std::time::Duration;

use zsocket::{Context, Error, Event, Monitor, Pull, Push, ReconnectStop, Socket, StopReason};

use crate::support::{PATIENCE, RawListener, WIRES, Wire, eventually, loopback, wait_for};

const SOON: Duration = Duration::from_millis(2);

fn push(context: &Context, reconnect_stop: ReconnectStop) -> (Socket<Push>, Monitor) {
    let push = context
        .build_socket::<Push>()
        .reconnect_interval(Some(SOON))
        .reconnect_stop(reconnect_stop)
        .build()
        .unwrap();
    let monitor = push.monitor();
    (push, monitor)
}

/// An endpoint where nobody listens.
fn nowhere(wire: Wire) -> zsocket::Endpoint {
    match wire {
        // Outside of what the system chooses by itself.
        Wire::Tcp => "tcp://127.0.0.1:1".parse().unwrap(),
        Wire::Ipc => "ipc:///nonexistent/zlayers/socket".parse().unwrap(),
    }
}

fn is_retry(event: &Event) -> bool {
    matches!(event, Event::ConnectRetried { .. })
}

fn stopped(monitor: &Monitor) -> StopReason {
    let stopped = wait_for(monitor, "the end", |event| {
        matches!(event, Event::ConnectStopped { .. })
    });
    let Event::ConnectStopped { reason, .. } = stopped else {
        unreachable!("waited for")
    };
    reason
}

#[test]
fn an_endpoint_where_nobody_listens_is_given_up() {
    for wire in WIRES {
        let context = Context::new();
        let (push, monitor) = push(
            &context,
            ReconnectStop {
                refused: true,
                ..ReconnectStop::default()
            },
        );
        push.connect(nowhere(wire)).unwrap();
        let _ = push.try_send("into the void");
        let mut seen = Vec::new();
        wait_for(&monitor, "the end", |event| {
            seen.push(event.clone());
            matches!(
                event,
                Event::ConnectStopped {
                    reason: StopReason::Refused,
                    ..
                }
            )
        });
        assert!(
            matches!(
                &seen[..],
                [Event::ConnectFailed { .. }, _]
                    | [Event::ConnectDelayed { .. }, Event::ConnectFailed { .. }, _]
            ),
            "{seen:?}"
        );
        eventually("nothing is queued for it any more", || {
            matches!(
                push.try_send("nobody").map_err(|refused| refused.error),
                Err(Error::WouldBlock(_))
            )
        });
        assert_eq!(push.stats().connections.connect_stopped, 1);
        // It is let go of, and can be connected to again.
        push.disconnect(nowhere(wire)).unwrap_err();
        push.connect(nowhere(wire)).unwrap();
        assert_eq!(stopped(&monitor), StopReason::Refused);
    }
}

#[test]
fn an_established_connection_is_made_again_until_nobody_listens() {
    let context = Context::new();
    let (push, monitor) = push(
        &context,
        ReconnectStop {
            refused: true,
            ..ReconnectStop::default()
        },
    );
    let listener = RawListener::anywhere(Wire::Tcp);
    push.connect(listener.endpoint()).unwrap();
    drop(listener.accept_as("PULL"));
    let raw = listener.accept_as("PULL");
    drop(listener);
    drop(raw);
    assert_eq!(stopped(&monitor), StopReason::Refused);
}

#[test]
fn an_endpoint_whose_handshake_fails_is_given_up() {
    for wire in WIRES {
        let context = Context::new();
        let (push, monitor) = push(
            &context,
            ReconnectStop {
                handshake_failed: true,
                ..ReconnectStop::default()
            },
        );
        let listener = RawListener::anywhere(wire);
        push.connect(listener.endpoint()).unwrap();
        // Once there was one it is no failed handshake.
        drop(listener.accept_as("PULL"));
        wait_for(&monitor, "another attempt", is_retry);
        push.send("for nobody").unwrap();
        drop(listener.accept());
        let mut seen = Vec::new();
        wait_for(&monitor, "the end", |event| {
            seen.push(event.clone());
            matches!(event, Event::ConnectStopped { .. })
        });
        let last = &seen[seen.len() - 2..];
        assert!(
            matches!(
                last,
                [
                    Event::HandshakeFailed { .. },
                    Event::ConnectStopped {
                        reason: StopReason::HandshakeFailed,
                        ..
                    }
                ]
            ),
            "{seen:?}"
        );
        eventually("it is gone", || push.peers() == 0);
        assert_eq!(push.stats().dropped.peer_lost, 1, "{}", push.stats());
    }
}

#[test]
fn after_a_disconnect_refusals_count() {
    for wire in WIRES {
        let context = Context::new();
        let (push, monitor) = push(
            &context,
            ReconnectStop {
                after_disconnect: true,
                ..ReconnectStop::default()
            },
        );
        push.connect(nowhere(wire)).unwrap();
        for _ in 0..3 {
            wait_for(&monitor, "another attempt", is_retry);
        }
        // Whichever endpoint that is.
        push.connect("inproc://another").unwrap();
        push.disconnect("inproc://another").unwrap();
        assert_eq!(stopped(&monitor), StopReason::AfterDisconnect);
    }
}

#[test]
fn without_an_interval_it_is_said_too() {
    let context = Context::new();
    let push = context
        .build_socket::<Push>()
        .reconnect_interval(None)
        .build()
        .unwrap();
    let monitor = push.monitor();
    push.connect(nowhere(Wire::Tcp)).unwrap();
    assert_eq!(stopped(&monitor), StopReason::NoInterval);
}

#[test]
fn without_a_condition_nothing_is_given_up() {
    let context = Context::new();
    let (push, monitor) = push(&context, ReconnectStop::default());
    let pull = context.socket::<Pull>().unwrap();
    let endpoint = pull.bind(loopback()).unwrap();
    pull.unbind(&endpoint).unwrap();
    push.connect("inproc://another").unwrap();
    push.disconnect("inproc://another").unwrap();
    push.connect(&endpoint).unwrap();
    push.send("patience").unwrap();
    for _ in 0..5 {
        wait_for(&monitor, "another attempt", is_retry);
    }
    let listener = RawListener::again(&endpoint);
    drop(listener.accept());
    wait_for(&monitor, "another attempt", is_retry);
    drop(listener);
    pull.bind(&endpoint).unwrap();
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "patience");
    assert_eq!(push.stats().connections.connect_stopped, 0);
}
