//! Messages that the peer refuses, for which it can only end the connection.

use std::{io::Read, time::Duration};

use zsocket::{
    CloseReason, Context, Error, Event, Message, PeerLoss, Pull, Push, Rep, Req, Socket,
};

use crate::support::{
    HUGE, PATIENCE, Raw, RawListener, SMALL_BUFFER, WIRES, Wire, eventually, wait_for,
};

const SOON: Duration = Duration::from_millis(5);

/// Every receiver takes a little more than this, and nothing larger.
const LIMIT: u64 = 100_000;

/// A sender whose connections do not take a [`HUGE`] message before the peer has seen its beginning.
fn sender(context: &Context) -> Socket<Push> {
    let push = context.socket::<Push>().unwrap();
    push.set_reconnect_interval(Some(SOON)).unwrap();
    push.set_send_buffer(Some(SMALL_BUFFER)).unwrap();
    push
}

/// Reads the first of a message that is being sent, and ends the connection.
fn refuse(mut raw: Raw) {
    raw.read_exact(&mut [0; 100]).unwrap();
}

#[test]
fn a_message_that_is_too_large_for_the_peer_is_given_up_and_the_rest_goes_on() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context
            .build_socket::<Pull>()
            .max_frame_size(Some(LIMIT))
            .build()
            .unwrap();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        let push = sender(&context);
        let monitor = push.monitor();
        push.connect(&endpoint).unwrap();
        for text in ["one", "two"] {
            push.send(text).unwrap();
        }
        push.send(vec![0; HUGE]).unwrap();
        for text in ["three", "four", "five"] {
            push.send(text).unwrap();
        }
        for text in ["one", "two", "three", "four", "five"] {
            assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], text);
        }
        let event = wait_for(&monitor, "the refusal", |event| {
            matches!(event, Event::MessageRefused { .. })
        });
        let Event::MessageRefused {
            endpoint: at,
            size,
            connections,
            ..
        } = event
        else {
            unreachable!("waited for")
        };
        assert_eq!((at, size, connections), (endpoint, HUGE as u64 + 9, 2));
        let stats = push.stats();
        assert_eq!((stats.dropped.refused, stats.dropped.peer_lost), (1, 0));
        assert_eq!(stats.connections.established, 3);
        assert_eq!(pull.stats().connections.oversize, 2);
    }
}

#[test]
fn a_message_of_too_many_frames_is_given_up() {
    for wire in WIRES {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let push = context.socket::<Push>().unwrap();
        push.set_reconnect_interval(Some(SOON)).unwrap();
        push.connect(pull.bind(wire.anywhere()).unwrap()).unwrap();
        // So many that the system does not take the rest when the peer has had enough.
        push.send(Message::from_iter((0..131_072).map(|_| vec![0; 200])))
            .unwrap();
        push.send("behind").unwrap();
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "behind");
        assert_eq!(push.stats().dropped.refused, 1);
        assert_eq!(pull.stats().connections.oversize, 2);
    }
}

#[test]
fn the_option_says_how_many_connections_a_message_may_cost() {
    for wire in WIRES {
        for most in [1, 3] {
            let context = Context::new();
            let push = sender(&context);
            push.set_max_refusals(most).unwrap();
            let listener = RawListener::anywhere(wire);
            push.connect(listener.endpoint()).unwrap();
            push.send(vec![0; HUGE]).unwrap();
            push.send("behind").unwrap();
            for _ in 0..most {
                assert_eq!(push.stats().dropped.refused, 0);
                refuse(listener.accept_as("PULL"));
            }
            let mut raw = listener.accept_as("PULL");
            assert_eq!(raw.read_message(), [b"behind"]);
            assert_eq!(push.stats().dropped.refused, 1);
        }
        // Never.
        let context = Context::new();
        let push = sender(&context);
        push.set_max_refusals(0).unwrap();
        let listener = RawListener::anywhere(wire);
        push.connect(listener.endpoint()).unwrap();
        push.send(vec![7; HUGE]).unwrap();
        for _ in 0..5 {
            refuse(listener.accept_as("PULL"));
        }
        let mut raw = listener.accept_as("PULL");
        assert_eq!(raw.read_message(), [vec![7; HUGE]]);
        assert_eq!(push.stats().dropped.refused, 0);
    }
}

#[test]
fn only_connections_in_a_row_that_end_within_the_same_message_count() {
    for wire in WIRES {
        let context = Context::new();
        let push = sender(&context);
        let listener = RawListener::anywhere(wire);
        push.connect(listener.endpoint()).unwrap();
        for number in 1..=3u8 {
            push.send(vec![number; HUGE]).unwrap();
        }
        refuse(listener.accept_as("PULL"));
        let mut raw = listener.accept_as("PULL");
        assert_eq!(raw.read_message(), [vec![1; HUGE]]);
        refuse(raw);
        let mut raw = listener.accept_as("PULL");
        assert_eq!(raw.read_message(), [vec![2; HUGE]]);
        assert_eq!(raw.read_message(), [vec![3; HUGE]]);
        assert_eq!(push.stats().dropped.refused, 0);
    }
}

#[test]
fn a_connection_that_ends_between_messages_or_in_the_handshake_refuses_nothing() {
    for wire in WIRES {
        let context = Context::new();
        let push = sender(&context);
        let listener = RawListener::anywhere(wire);
        push.connect(listener.endpoint()).unwrap();
        for _ in 0..3 {
            drop(listener.accept_as("PULL"));
            drop(listener.accept());
        }
        push.send("first").unwrap();
        let mut raw = listener.accept_as("PULL");
        assert_eq!(raw.read_message(), [b"first"]);
        assert_eq!(push.stats().dropped.refused, 0);
    }
}

#[test]
fn a_request_that_is_refused_is_an_error_that_says_so() {
    for wire in WIRES {
        let context = Context::new();
        let rep = context
            .build_socket::<Rep>()
            .max_frame_size(Some(LIMIT))
            .build()
            .unwrap();
        let req = context.socket::<Req>().unwrap();
        req.set_reconnect_interval(Some(SOON)).unwrap();
        req.set_send_buffer(Some(SMALL_BUFFER)).unwrap();
        req.connect(rep.bind(wire.anywhere()).unwrap()).unwrap();
        req.send(vec![0; HUGE]).unwrap();
        let error = req.recv_timeout(PATIENCE).unwrap_err();
        assert!(
            matches!(
                &error,
                Error::PeerLost(loss) if matches!(
                    **loss,
                    PeerLoss::Refused(CloseReason::PeerClosed | CloseReason::Io(_))
                )
            ),
            "{error:?}"
        );
        assert!(error.to_string().contains("refuses"), "{error}");
        assert_eq!(req.stats().dropped.refused, 1);
        req.send("a smaller one").unwrap();
        assert_eq!(rep.recv_timeout(PATIENCE).unwrap()[0], "a smaller one");
        rep.send("answer").unwrap();
        assert_eq!(req.recv_timeout(PATIENCE).unwrap()[0], "answer");
    }
}

#[test]
fn a_request_whose_peer_goes_away_is_lost_for_that_reason() {
    let context = Context::new();
    let req = context.socket::<Req>().unwrap();
    req.set_reconnect_interval(Some(SOON)).unwrap();
    let listener = RawListener::anywhere(Wire::Tcp);
    req.connect(listener.endpoint()).unwrap();
    req.send("question").unwrap();
    let mut raw = listener.accept_as("REP");
    raw.read_message();
    drop(raw);
    let error = req.recv_timeout(PATIENCE).unwrap_err();
    let expected = PeerLoss::Disconnected(CloseReason::PeerClosed);
    assert!(
        matches!(&error, Error::PeerLost(loss) if **loss == expected),
        "{error:?}"
    );
}

#[test]
fn a_closed_socket_gives_a_refused_message_up_as_well() {
    for wire in WIRES {
        let (here, there) = (Context::new(), Context::new());
        let pull = there
            .build_socket::<Pull>()
            .max_frame_size(Some(LIMIT))
            .build()
            .unwrap();
        let push = sender(&here);
        push.connect(pull.bind(wire.anywhere()).unwrap()).unwrap();
        push.send(vec![0; HUGE]).unwrap();
        push.send("behind").unwrap();
        push.close();
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "behind");
        here.term_timeout(PATIENCE).unwrap();
        eventually("both connections are counted", || {
            pull.stats().connections.oversize == 2
        });
    }
}
