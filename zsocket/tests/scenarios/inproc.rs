//! Sockets of one process.

use std::time::Duration;

use zsocket::{Bytes, Context, Error, Message, Pull, Push, Rep, Req};

use crate::support::{A_WHILE, PATIENCE, eventually, spawn};

#[test]
fn what_a_closed_connector_sent_is_received_and_then_it_is_gone() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    pull.bind("inproc://close").unwrap();
    let push = context.socket::<Push>().unwrap();
    push.connect("inproc://close").unwrap();
    for at in 0..5u8 {
        push.send([at]).unwrap();
    }
    push.close();
    for at in 0..5u8 {
        assert_eq!(pull.peers(), 1);
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], [at]);
    }
    assert!(matches!(pull.try_recv(), Err(Error::WouldBlock(_))));
    assert_eq!(pull.peers(), 0);
}

#[test]
fn what_a_closed_binder_sent_is_received_and_then_it_is_gone() {
    let context = Context::new();
    let push = context.socket::<Push>().unwrap();
    push.bind("inproc://close").unwrap();
    let pull = context.socket::<Pull>().unwrap();
    pull.connect("inproc://close").unwrap();
    for at in 0..5u8 {
        push.send([at]).unwrap();
    }
    push.close();
    for at in 0..5u8 {
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], [at]);
    }
    assert!(matches!(pull.try_recv(), Err(Error::WouldBlock(_))));
    assert_eq!(pull.peers(), 0);
}

#[test]
fn a_receiver_that_closes_is_no_receiver_any_more() {
    for receiver_binds in [false, true] {
        let context = Context::new();
        let pull = context.socket::<Pull>().unwrap();
        let push = context.socket::<Push>().unwrap();
        if receiver_binds {
            pull.bind("inproc://close").unwrap();
            push.connect("inproc://close").unwrap();
        } else {
            push.bind("inproc://close").unwrap();
            pull.connect("inproc://close").unwrap();
        }
        for at in 0..5u8 {
            push.send([at]).unwrap();
        }
        assert_eq!(pull.recv().unwrap()[0], [0]);
        pull.close();
        let refused = push.try_send("nobody is here").unwrap_err();
        assert!(matches!(refused.error, Error::WouldBlock(_)));
        assert_eq!(push.peers(), 0);
        // Four were never received, and that is told.
        assert_eq!(push.stats().dropped.peer_lost, 4);
        assert_eq!(push.stats().messages_sent, 5);
    }
}

#[test]
fn closing_wakes_a_sender_that_is_blocked() {
    let context = Context::new();
    let pull = context.build_socket::<Pull>().recv_hwm(1).build().unwrap();
    pull.bind("inproc://close").unwrap();
    let push = context.build_socket::<Push>().send_hwm(1).build().unwrap();
    push.connect("inproc://close").unwrap();
    push.connect("inproc://other").unwrap();
    // Two here, one there; then it is full.
    for at in 0..3u8 {
        push.send([at]).unwrap();
    }
    assert!(push.try_send("full").is_err());
    let sender = spawn(move || {
        // It cannot be sent to a peer that closes, but it wakes up and finds the other.
        push.send("last").unwrap();
        push.stats()
    });
    drop(pull);
    let other = context.build_socket::<Pull>().recv_hwm(1).build().unwrap();
    other.bind("inproc://other").unwrap();
    let stats = sender.join();
    assert_eq!(stats.messages_sent, 4);
    other.recv_timeout(PATIENCE).unwrap();
    assert_eq!(other.recv_timeout(PATIENCE).unwrap()[0], "last");
}

#[test]
fn messages_to_nobody_are_dropped_with_the_socket_and_nothing_hangs() {
    let context = Context::new();
    let push = context.socket::<Push>().unwrap();
    push.connect("inproc://nobody").unwrap();
    push.send("into the void").unwrap();
    push.close();
    let pull = context.socket::<Pull>().unwrap();
    pull.bind("inproc://nobody").unwrap();
    assert!(matches!(
        pull.recv_timeout(A_WHILE),
        Err(Error::WouldBlock(_))
    ));
    pull.close();
    context.term_timeout(PATIENCE).unwrap();
}

#[test]
fn what_was_queued_for_nobody_is_counted_when_it_is_given_up() {
    let context = Context::new();
    let push = context.socket::<Push>().unwrap();
    push.connect("inproc://nobody").unwrap();
    for _ in 0..3 {
        push.send("into the void").unwrap();
    }
    push.disconnect("inproc://nobody").unwrap();
    let dropped = push.stats().dropped;
    assert_eq!(dropped.peer_lost + dropped.linger, 3);
}

#[test]
fn disconnecting_leaves_what_was_sent() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    pull.bind("inproc://disconnect").unwrap();
    let push = context.socket::<Push>().unwrap();
    push.connect("inproc://disconnect").unwrap();
    push.send("before").unwrap();
    push.disconnect("inproc://disconnect").unwrap();
    assert!(push.try_send("after").is_err());
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], "before");
    assert!(pull.try_recv().is_err());
    assert_eq!(pull.peers(), 0);
}

#[test]
fn unbinding_frees_the_name_and_leaves_connections() {
    let context = Context::new();
    let first = context.socket::<Pull>().unwrap();
    first.bind("inproc://name").unwrap();
    let push = context.socket::<Push>().unwrap();
    push.connect("inproc://name").unwrap();
    first.unbind("inproc://name").unwrap();
    let second = context.socket::<Pull>().unwrap();
    second.bind("inproc://name").unwrap();
    let other = context.socket::<Push>().unwrap();
    other.connect("inproc://name").unwrap();
    push.send("to the first").unwrap();
    other.send("to the second").unwrap();
    assert_eq!(first.recv_timeout(PATIENCE).unwrap()[0], "to the first");
    assert_eq!(second.recv_timeout(PATIENCE).unwrap()[0], "to the second");
    let again = first.unbind("inproc://name");
    assert!(matches!(again, Err(Error::NoSuchEndpoint(_))));
}

#[test]
fn names_belong_to_one_context() {
    let (here, there) = (Context::new(), Context::new());
    let pull = here.socket::<Pull>().unwrap();
    pull.bind("inproc://name").unwrap();
    let other = there.socket::<Pull>().unwrap();
    other.bind("inproc://name").unwrap();
    let push = there.socket::<Push>().unwrap();
    push.connect("inproc://name").unwrap();
    push.send("stays there").unwrap();
    assert_eq!(other.recv_timeout(PATIENCE).unwrap()[0], "stays there");
    assert!(pull.try_recv().is_err());
}

#[test]
fn a_blocked_receiver_hears_of_a_binder_that_comes_later() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    pull.connect("inproc://later").unwrap();
    let receiver = spawn(move || {
        let first = pull.recv().unwrap();
        let second = pull.recv().unwrap();
        (first[0].to_vec(), second[0].to_vec())
    });
    let push = context.socket::<Push>().unwrap();
    push.bind("inproc://later").unwrap();
    push.send("first").unwrap();
    eventually("the first is taken, or will be", || receiver.is_running());
    push.send("second").unwrap();
    assert_eq!(receiver.join(), (b"first".to_vec(), b"second".to_vec()));
}

#[test]
fn large_and_multipart_messages_pass_unchanged() {
    let context = Context::new();
    let rep = context.socket::<Rep>().unwrap();
    rep.bind("inproc://large").unwrap();
    let req = context.socket::<Req>().unwrap();
    req.connect("inproc://large").unwrap();
    for size in [0, 1, 30, 31, 32, 255, 256, 8191, 8192, 65_536, 3 << 20] {
        let request: Vec<Vec<u8>> = (0..4u8).map(|n| vec![n; size]).collect();
        req.send(Message::from_iter(request.clone())).unwrap();
        let received = rep.recv_timeout(PATIENCE).unwrap();
        assert!(received.iter().zip(&request).all(|(a, b)| a[..] == b[..]));
        assert_eq!(received.len(), 4);
        rep.send(received).unwrap();
        let reply = req.recv_timeout(PATIENCE).unwrap();
        assert!(reply.iter().zip(&request).all(|(a, b)| a[..] == b[..]));
    }
}

#[test]
fn a_context_full_of_unread_messages_ends() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    pull.bind("inproc://unread").unwrap();
    let push = context.socket::<Push>().unwrap();
    push.connect("inproc://unread").unwrap();
    for _ in 0..100 {
        push.send(vec![0; 10_000]).unwrap();
    }
    drop((push, pull));
    context.term_timeout(Duration::ZERO).unwrap();
}

/// What the caller lends is copied anyway; `footprint` counts that no memory is made for it.
#[test]
fn a_body_that_is_owned_is_handed_over() {
    let context = Context::new();
    let (pull, push) = (
        context.socket::<Pull>().unwrap(),
        context.socket::<Push>().unwrap(),
    );
    pull.bind("inproc://bodies").unwrap();
    push.connect("inproc://bodies").unwrap();
    let body = Bytes::from(vec![7; 2000]);
    push.send(body.clone()).unwrap();
    push.send(&body[..]).unwrap();
    let (owned, lent) = (pull.recv().unwrap(), pull.recv().unwrap());
    assert!(owned[0] == body[..] && lent[0] == body[..]);
    assert_eq!(owned[0].as_ptr(), body.as_ptr());
    assert_ne!(lent[0].as_ptr(), body.as_ptr());
}
