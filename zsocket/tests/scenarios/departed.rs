//! What peers have left that are gone, and what peers send that should not.

use std::io::Write;

use zsocket::{Context, Event, Pull, Push, Rep, SocketBuilder};

use crate::{
    old::{DIALECTS, Old},
    support::{
        COMMAND, PATIENCE, Raw, WIRES, Wire, eventually, everywhere, frame, header, message, ping,
        wait_for,
    },
};

const KEPT: u32 = 20;
const CAME: u64 = 100;
/// What a connection counts that has left something, in bytes.
const LINK: u64 = 8 << 10;

/// Receives until there is nothing, and returns the numbers.
fn drain(pull: &zsocket::Socket<Pull>) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Ok(message) = pull.try_recv() {
        numbers.push(u64::from_be_bytes(message[0][..8].try_into().unwrap()));
    }
    numbers.sort_unstable();
    numbers
}

/// Peers come one after the other, send a message of this size and go, and nobody receives. Of their
/// messages some are kept, the newest among them; the others are counted.
fn come_and_go(
    wire: Wire,
    size: usize,
    options: impl Fn(SocketBuilder<Pull>) -> SocketBuilder<Pull>,
) {
    // A socket that is called in between, and one that is not.
    for is_called in [true, false] {
        let context = Context::new();
        let pull = options(context.build_socket::<Pull>()).build().unwrap();
        let monitor = pull.monitor();
        let endpoint = pull.bind(wire.anywhere()).unwrap();
        // Comes when the link has lost its other end, unlike the count.
        let one_is_gone = || {
            wait_for(&monitor, "a peer that goes", |event| {
                matches!(event, Event::Disconnected { .. })
            });
        };
        let mut body = vec![0; size];
        for number in 0..CAME {
            let mut raw = Raw::connect_as(&endpoint, "PUSH");
            body[..8].copy_from_slice(&number.to_be_bytes());
            raw.send(&[&body[..]]);
            drop(raw);
            if is_called {
                one_is_gone();
                assert!(pull.peers() <= KEPT as usize);
            }
        }
        if !is_called {
            (0..CAME).for_each(|_| one_is_gone());
        }
        let received = drain(&pull);
        assert!(received.len() <= KEPT as usize, "{}", received.len());
        let dropped = pull.stats().dropped.departed;
        assert!(
            received.contains(&(CAME - 1)),
            "the newest is dropped: {wire:?}, {size} B, called: {is_called}, {received:?} of {dropped} more"
        );
        assert_eq!(dropped + received.len() as u64, CAME);
        assert_eq!(pull.peers(), 0);
    }
}

#[test]
fn an_unread_socket_keeps_so_many_messages_of_peers_that_are_gone() {
    for wire in WIRES {
        come_and_go(wire, 8, |pull| pull.departed_hwm(KEPT));
        // The mark of a connection does not matter, if it has one at all.
        come_and_go(wire, 8, |pull| pull.departed_hwm(KEPT).recv_hwm(0));
    }
}

#[test]
fn an_unread_socket_keeps_so_many_bytes_of_peers_that_are_gone() {
    for wire in WIRES {
        // Bodies that lie in the pipe, and bodies that have a buffer of their own.
        for size in [1000, 30_000] {
            // With the header of a long frame.
            let kept = u64::from(KEPT) * (size as u64 + 9 + LINK);
            come_and_go(wire, size, |pull| pull.departed_bytes(kept));
            come_and_go(wire, size, |pull| pull.departed_bytes(kept).recv_hwm(0));
        }
    }
}

#[test]
fn a_lower_bound_on_what_is_kept_counts_at_once() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    let endpoint = pull.bind(Wire::Tcp.anywhere()).unwrap();
    let monitor = pull.monitor();
    for number in 0..CAME {
        let mut raw = Raw::connect_as(&endpoint, "PUSH");
        raw.send(&[&number.to_be_bytes()]);
        drop(raw);
        wait_for(&monitor, "a peer that goes", |event| {
            matches!(event, Event::Disconnected { .. })
        });
    }
    assert_eq!(pull.stats().dropped.departed, 0);
    pull.set_departed_bytes((10 + LINK) * u64::from(KEPT))
        .unwrap();
    let dropped = pull.stats().dropped.departed;
    assert_eq!(dropped, CAME - u64::from(KEPT));
    pull.set_departed_hwm(1).unwrap();
    assert_eq!(drain(&pull), [CAME - 1]);
}

#[test]
fn a_socket_that_is_never_called_lets_go_of_what_is_too_much() {
    // `stats` takes letters in, so the count is looked at once, at the end.
    let context = Context::new();
    let rep = context.socket::<Rep>().unwrap();
    rep.set_departed_hwm(KEPT).unwrap();
    let monitor = rep.monitor();
    let endpoint = rep.bind(Wire::Tcp.anywhere()).unwrap();
    for _ in 0..CAME {
        let mut raw = Raw::connect_as(&endpoint, "REQ");
        raw.send(&[b"", b"request"]);
    }
    for _ in 0..CAME {
        wait_for(&monitor, "a peer that goes", |event| {
            matches!(event, Event::Disconnected { .. })
        });
    }
    let dropped = rep.stats().dropped.departed;
    assert_eq!(dropped, CAME - u64::from(KEPT));
}

#[test]
fn what_a_single_peer_has_left_is_kept_whole() {
    for anywhere in everywhere() {
        let context = Context::new();
        let pull = context
            .build_socket::<Pull>()
            .departed_hwm(KEPT)
            .build()
            .unwrap();
        let endpoint = pull.bind(anywhere).unwrap();
        let push = context.socket::<Push>().unwrap();
        push.connect(&endpoint).unwrap();
        for number in 0..CAME {
            push.send(number.to_be_bytes()).unwrap();
        }
        push.close();
        let mut received = 0;
        while received < CAME {
            let message = pull.recv_timeout(PATIENCE).unwrap();
            assert_eq!(message[0], received.to_be_bytes());
            received += 1;
        }
        assert_eq!(pull.stats().dropped.departed, 0);
    }
}

#[test]
fn peers_over_inproc_are_bounded_too() {
    let context = Context::new();
    let pull = context
        .build_socket::<Pull>()
        .departed_hwm(KEPT)
        .build()
        .unwrap();
    pull.bind("inproc://departed").unwrap();
    for number in 0..CAME {
        let push = context.socket::<Push>().unwrap();
        push.connect("inproc://departed").unwrap();
        push.send(number.to_be_bytes()).unwrap();
        push.close();
        assert!(pull.peers() <= KEPT as usize + 1);
    }
    let received = drain(&pull);
    assert!(received.len() <= KEPT as usize && received.contains(&(CAME - 1)));
    let dropped = pull.stats().dropped.departed;
    assert_eq!(dropped + received.len() as u64, CAME);
}

#[test]
fn what_is_sent_to_a_push_is_dropped_and_counted_and_its_commands_obeyed() {
    for wire in WIRES {
        let context = Context::new();
        let push = context.socket::<Push>().unwrap();
        push.set_recv_hwm(3).unwrap();
        let endpoint = push.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "PULL");
        for _ in 0..10 {
            raw.send(&[b"un", b"asked"]);
        }
        raw.write_all(&header(0, 4 << 20)).unwrap();
        raw.write_all(&vec![0; 4 << 20]).unwrap();
        raw.write_all(&ping(b"there?")).unwrap();
        assert_eq!(raw.read_frame(), (COMMAND, b"\x04PONGthere?".to_vec()));
        assert_eq!(push.stats().dropped.unexpected, 11);
        // Also in the middle of a message.
        raw.write_all(&frame(1, b"part")).unwrap();
        raw.write_all(&ping(b"again")).unwrap();
        assert_eq!(raw.read_frame(), (COMMAND, b"\x04PONGagain".to_vec()));
        push.send_timeout("work", PATIENCE).unwrap();
        assert_eq!(raw.read_message(), [b"work".to_vec()]);

        for dialect in DIALECTS {
            let push = context.socket::<Push>().unwrap();
            push.set_recv_hwm(3).unwrap();
            let endpoint = push.bind(wire.anywhere()).unwrap();
            let mut old = Old::connect(&endpoint, dialect, "PULL");
            for _ in 0..10 {
                old.send(&[b"un", b"asked"]);
            }
            eventually("all of it is dropped", || {
                push.stats().dropped.unexpected == 10
            });
            push.send_timeout("work", PATIENCE).unwrap();
            assert_eq!(old.read_message(), [b"work".to_vec()]);
        }
    }
}

#[test]
fn requests_of_a_peer_that_closed_are_all_received() {
    const REQUESTS: u32 = 5000;
    for wire in WIRES {
        let context = Context::new();
        let rep = context.socket::<Rep>().unwrap();
        // Room for all of them in the system, which keeps what it has taken.
        let endpoint = rep.bind(wire.anywhere()).unwrap();
        let mut raw = Raw::connect_as(&endpoint, "DEALER");
        // In one piece, so that all of it is in our system when the peer closes without having read.
        let requests: Vec<u8> = (0..REQUESTS)
            .flat_map(|number| message(&[&b""[..], &number.to_be_bytes()]))
            .collect();
        raw.write_all(&requests).unwrap();
        assert_eq!(rep.recv_timeout(PATIENCE).unwrap()[0], 0u32.to_be_bytes());
        rep.send("reply").unwrap();
        assert_eq!(raw.read_message()[1], b"reply");
        drop(raw);
        for number in 1..REQUESTS {
            let request = rep
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|error| panic!("{wire:?} {number}: {error} {:?}", rep.stats()));
            assert_eq!(request[0], number.to_be_bytes());
            // It goes nowhere once the peer has closed.
            rep.send("reply").unwrap();
        }
        let stats = rep.stats();
        assert_eq!(stats.messages_received, u64::from(REQUESTS));
    }
}
