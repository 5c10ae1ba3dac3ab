//! What becomes of what is queued: the table in the documentation, row by row.
//!
//! Rows that have tests elsewhere: a routing id that is taken over (`router`), a message that is refused (`refusals`), closing
//! (`linger`, `close`), too much of peers that are gone (`departed`), subscriptions on a new connection (`pub_sub`).

use std::{
    io::{ErrorKind, Read, Write},
    time::Duration,
};

use socket2::SockRef;
use zsocket::{CloseReason, Context, Dealer, Error, Event, Pull, Push, Socket};

use crate::support::{
    A_WHILE, HUGE, MORE, PATIENCE, Raw, RawListener, SMALL_BUFFER, WIRES, Wire, eventually, frame,
    header, wait_for,
};

const SOON: Duration = Duration::from_millis(5);

/// Long enough that no peer is silent by mistake, and short enough to be waited for.
const SILENCE: Duration = Duration::from_millis(200);

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
    Silent,
    Nonsense,
}

/// What the socket is to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Connects,
    ConnectsImmediate,
    ConnectsOnce,
    Accepts,
}

/// A socket in whose queues something lies when its connection is lost, and where it was connected to.
fn bereaved(wire: Wire, end: End, side: Side) -> (Context, Socket<Dealer>, RawListener) {
    let context = Context::new();
    let interval = (side != Side::ConnectsOnce).then_some(SOON);
    let builder = context
        .build_socket::<Dealer>()
        .immediate(side == Side::ConnectsImmediate)
        .reconnect_interval(interval)
        .send_buffer(Some(SMALL_BUFFER))
        .linger(Some(Duration::ZERO))
        .heartbeat_interval((end == End::Silent).then_some(SILENCE));
    let dealer = builder.build().unwrap();
    let monitor = dealer.monitor();
    let listener = RawListener::anywhere(wire);
    let mut raw = if side == Side::Accepts {
        let endpoint = dealer.bind(wire.anywhere()).unwrap();
        Raw::connect_as(&endpoint, "DEALER")
    } else {
        dealer.connect(listener.endpoint()).unwrap();
        listener.accept_as("DEALER")
    };
    // One message and a half.
    raw.send(&[b"whole"]);
    raw.write_all(&frame(MORE, b"part")).unwrap();
    if end != End::Nonsense {
        raw.write_all(&header(0, 100)).unwrap();
    }
    dealer.send_timeout(vec![b'x'; HUGE], PATIENCE).unwrap();
    dealer.send("behind").unwrap();
    // The first is on its way.
    raw.read_exact(&mut [0; 1000]).unwrap();
    eventually("it is received", || dealer.stats().queued_in == 1);
    match end {
        End::Closed => drop(raw),
        End::Reset => {
            if let Raw::Tcp(stream) = &raw {
                let stream = SockRef::from(stream);
                stream.set_linger(Some(Duration::ZERO)).unwrap();
            }
            drop(raw);
        }
        End::Nonsense => {
            // No frame begins so.
            raw.write_all(&[0xFF; 9]).unwrap();
            raw.expect_close();
        }
        End::Silent => {}
    }
    let event = wait_for(&monitor, "the end", |event| {
        matches!(event, Event::Disconnected { .. })
    });
    let Event::Disconnected { reason, .. } = event else {
        unreachable!("waited for");
    };
    let is_expected = match end {
        // Not all was read, so that the system breaks it.
        End::Closed => matches!(reason, CloseReason::PeerClosed | CloseReason::Io(_)),
        End::Reset => matches!(reason, CloseReason::PeerClosed | CloseReason::Io(_)),
        End::Silent => reason == CloseReason::HeartbeatTimeout,
        End::Nonsense => matches!(reason, CloseReason::Protocol(_)),
    };
    assert!(is_expected, "{end:?}: {reason:?}");
    (context, dealer, listener)
}

fn each_end(wire: Wire, mut check: impl FnMut(End)) {
    for end in [End::Closed, End::Reset, End::Silent, End::Nonsense] {
        if wire == Wire::Tcp || end != End::Reset {
            check(end);
        }
    }
}

/// What was received whole is there, and nothing else.
fn assert_received(dealer: &Socket<Dealer>) {
    assert_eq!(dealer.recv_timeout(PATIENCE).unwrap()[0], "whole");
    assert!(matches!(dealer.try_recv(), Err(Error::WouldBlock(_))));
}

fn assert_dropped(dealer: &Socket<Dealer>) {
    eventually("what was to be sent is dropped", || {
        // It is looked at by a call.
        assert!(dealer.try_recv().is_err());
        dealer.stats().dropped.peer_lost == 2
    });
    assert_eq!(dealer.stats().dropped.total(), 2);
    assert_eq!(dealer.stats().queued_out, 0);
}

#[test]
fn a_connection_that_is_made_again_goes_on_where_it_was() {
    for wire in WIRES {
        each_end(wire, |end| {
            let (_context, dealer, listener) = bereaved(wire, end, Side::Connects);
            assert_received(&dealer);
            let mut raw = listener.accept_as("DEALER");
            assert_eq!(raw.read_message()[0].len(), HUGE);
            assert_eq!(raw.read_message(), [b"behind"]);
            assert_eq!(dealer.stats().dropped.total(), 0);
        });
    }
}

#[test]
fn with_immediate_what_was_to_be_sent_goes_with_the_connection() {
    for wire in WIRES {
        each_end(wire, |end| {
            let (_context, dealer, listener) = bereaved(wire, end, Side::ConnectsImmediate);
            assert_received(&dealer);
            assert_dropped(&dealer);
            let mut raw = listener.accept_as("DEALER");
            dealer.send_timeout("new", PATIENCE).unwrap();
            assert_eq!(raw.read_message(), [b"new"]);
        });
    }
}

#[test]
fn an_endpoint_that_is_given_up_takes_what_was_to_be_sent_along() {
    for wire in WIRES {
        each_end(wire, |end| {
            let (_context, dealer, listener) = bereaved(wire, end, Side::ConnectsOnce);
            assert_received(&dealer);
            assert_dropped(&dealer);
            let error = dealer.try_send("to nobody").unwrap_err();
            assert!(matches!(error.error, Error::WouldBlock(_)));
            let error = dealer.disconnect(listener.endpoint()).unwrap_err();
            assert!(matches!(error, Error::NoSuchEndpoint(_)), "{error}");
        });
    }
}

#[test]
fn what_was_to_be_sent_to_a_peer_that_came_goes_with_it() {
    for wire in WIRES {
        each_end(wire, |end| {
            let (_context, dealer, _) = bereaved(wire, end, Side::Accepts);
            assert_received(&dealer);
            assert_dropped(&dealer);
            assert_eq!(dealer.peers(), 0);
        });
    }
}

#[test]
fn disconnecting_sends_what_is_queued_and_drops_what_was_not_read() {
    for wire in WIRES {
        let context = Context::new();
        let dealer = context.socket::<Dealer>().unwrap();
        let listener = RawListener::anywhere(wire);
        dealer.connect(listener.endpoint()).unwrap();
        let mut raw = listener.accept_as("DEALER");
        raw.send(&[b"one"]);
        raw.send(&[b"two"]);
        eventually("they are received", || dealer.stats().queued_in == 2);
        dealer.send(vec![b'x'; HUGE]).unwrap();
        dealer.send("last").unwrap();
        dealer.disconnect(listener.endpoint()).unwrap();
        assert!(matches!(dealer.try_recv(), Err(Error::WouldBlock(_))));
        assert_eq!(raw.read_message()[0].len(), HUGE);
        assert_eq!(raw.read_message(), [b"last"]);
        raw.expect_close();
        let dropped = dealer.stats().dropped;
        assert_eq!((dropped.unread, dropped.total()), (2, 2));
    }
}

#[test]
fn what_disconnecting_cannot_send_in_time_is_counted() {
    for wire in WIRES {
        let context = Context::new();
        let builder = context.build_socket::<Push>().linger(Some(SOON));
        let push = builder.send_buffer(Some(SMALL_BUFFER)).build().unwrap();
        let listener = RawListener::anywhere(wire);
        push.connect(listener.endpoint()).unwrap();
        let _raw = listener.accept_as("PULL");
        for _ in 0..3 {
            push.send(vec![b'x'; HUGE]).unwrap();
        }
        push.disconnect(listener.endpoint()).unwrap();
        eventually("the time is over", || push.stats().dropped.linger == 3);
        assert_eq!(push.stats().dropped.total(), 3);
    }
}

#[test]
fn unbinding_drops_what_is_queued_and_keeps_what_was_received() {
    for wire in WIRES {
        let context = Context::new();
        let builder = context.build_socket::<Dealer>();
        let dealer = builder.send_buffer(Some(SMALL_BUFFER)).build().unwrap();
        let endpoint = dealer.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "DEALER");
        raw.send(&[b"received"]);
        eventually("it is received", || dealer.stats().queued_in == 1);
        for _ in 0..3 {
            dealer.send(vec![b'x'; HUGE]).unwrap();
        }
        dealer.unbind(&endpoint).unwrap();
        let error = raw.read_to_end(&mut Vec::new());
        assert!(
            error.is_ok()
                || matches!(error, Err(error) if error.kind() == ErrorKind::ConnectionReset)
        );
        assert_eq!(dealer.recv_timeout(PATIENCE).unwrap()[0], "received");
        assert!(matches!(dealer.try_recv(), Err(Error::WouldBlock(_))));
        let dropped = dealer.stats().dropped;
        assert_eq!((dropped.linger, dropped.total()), (3, 3));
    }
}

#[test]
fn over_inproc_what_was_sent_is_received_and_the_rest_is_counted() {
    for disconnects in [false, true] {
        let context = Context::new();
        let dealer = context.socket::<Dealer>().unwrap();
        dealer.bind("inproc://dealer").unwrap();
        let other = context.socket::<Dealer>().unwrap();
        other.connect("inproc://dealer").unwrap();
        other.send("received").unwrap();
        // A look at the link that came.
        eventually("the other is there", || dealer.peers() == 1);
        dealer.send("too late").unwrap();
        if disconnects {
            other.disconnect("inproc://dealer").unwrap();
            assert_eq!(other.stats().dropped.unread, 1);
        } else {
            other.close();
        }
        assert_eq!(dealer.recv_timeout(PATIENCE).unwrap()[0], "received");
        assert!(matches!(dealer.try_recv(), Err(Error::WouldBlock(_))));
        let dropped = dealer.stats().dropped;
        assert_eq!((dropped.peer_lost, dropped.total()), (1, 1));
    }
}

#[test]
fn over_inproc_unbinding_leaves_both_queues() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    pull.bind("inproc://pull").unwrap();
    let push = context.socket::<Push>().unwrap();
    push.connect("inproc://pull").unwrap();
    push.send("before").unwrap();
    pull.unbind("inproc://pull").unwrap();
    push.send("after").unwrap();
    for body in ["before", "after"] {
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], body);
    }
}

/// The guide's stricter words: the two of a PAIR stay the two that they are.
#[test]
fn a_pair_goes_on_or_is_done_as_it_was_told() {
    for wire in WIRES {
        for interval in [Some(SOON), None] {
            let context = Context::new();
            let builder = context.build_socket::<zsocket::Pair>();
            let pair = builder.reconnect_interval(interval).build().unwrap();
            let monitor = pair.monitor();
            let listener = RawListener::anywhere(wire);
            pair.connect(listener.endpoint()).unwrap();
            let mut raw = listener.accept_as("PAIR");
            pair.send("first").unwrap();
            assert_eq!(raw.read_message(), [b"first"]);
            drop(raw);
            wait_for(&monitor, "the end", |event| {
                matches!(event, Event::Disconnected { .. })
            });
            if interval.is_some() {
                pair.send("second").unwrap();
                let mut raw = listener.accept_as("PAIR");
                assert_eq!(raw.read_message(), [b"second"]);
                continue;
            }
            eventually("nobody is there", || {
                pair.try_send("second").is_err() && pair.peers() == 0
            });
            wait_for(&monitor, "giving up", |event| {
                matches!(event, Event::ConnectStopped { .. })
            });
            assert!(monitor.recv_timeout(A_WHILE).is_none());
            // Another one, if that is wanted.
            let other = RawListener::anywhere(wire);
            pair.connect(other.endpoint()).unwrap();
            let mut raw = other.accept_as("PAIR");
            pair.send("third").unwrap();
            assert_eq!(raw.read_message(), [b"third"]);
        }
    }
}
