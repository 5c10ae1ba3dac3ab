//! What those need who hand messages on frame by frame: being told with the first frame, and bodies that are lent.

use std::time::Duration;

use zsocket::{Context, Dealer, Error, Message, Pub, Pull, Push, Rep, Req, Router, Sub};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_small_message_is_lent_and_any_other_is_put_into_the_message() {
    let context = Context::new();
    let (publisher, subscriber) = (
        context.socket::<Pub>().unwrap(),
        context.socket::<Sub>().unwrap(),
    );
    let endpoint = publisher.bind("tcp://127.0.0.1:*").unwrap();
    subscriber.subscribe("a").unwrap();
    subscriber.connect(endpoint).unwrap();
    publisher.wait_subscribed("a", 1, PATIENCE).unwrap();
    let large = vec![b'a'; 100_000];
    publisher.send("a small one").unwrap();
    publisher.send(["a", "of two frames"]).unwrap();
    publisher.send(&large).unwrap();
    publisher.send("a last one").unwrap();

    let mut message = Message::new();
    let mut next = || {
        let (_, lent) = subscriber.recv_lent(&mut message, <[u8]>::to_vec).unwrap();
        lent.ok_or_else(|| message.clone())
    };
    assert_eq!(next(), Ok(b"a small one".to_vec()));
    assert_eq!(next(), Err(Message::from(["a", "of two frames"])));
    assert_eq!(next(), Err(Message::from(&large)));
    assert_eq!(next(), Ok(b"a last one".to_vec()));
    assert_eq!(subscriber.stats().messages_received, 4);
    // What has come before a topic was cancelled is filtered here, too.
    publisher.send("a message").unwrap();
    subscriber.wait_message(Some(PATIENCE)).unwrap();
    subscriber.unsubscribe("a").unwrap();
    let nothing = subscriber.try_recv_lent(&mut message, <[u8]>::len);
    assert!(matches!(nothing, Err(Error::WouldBlock(_))));
    assert_eq!(subscriber.stats().dropped.not_subscribed, 1);
}

#[test]
fn what_a_poller_has_found_is_the_next_message() {
    let context = Context::new();
    let (router, dealer) = (
        context.socket::<Router>().unwrap(),
        context.socket::<Dealer>().unwrap(),
    );
    dealer
        .connect(router.bind("tcp://127.0.0.1:*").unwrap())
        .unwrap();
    dealer.send("hello").unwrap();
    router.wait_message(Some(PATIENCE)).unwrap();
    router.wait_message(Some(Duration::ZERO)).unwrap();
    let mut message = Message::new();
    // A routing id stands in front, so it is never lent.
    let (peer, lent) = router.recv_lent(&mut message, <[u8]>::len).unwrap();
    assert_eq!((lent, message.len()), (None, 2));
    assert_eq!(message[1], "hello");
    assert!(router.peer_info(peer).is_some());
}

#[test]
fn the_first_frame_says_whether_a_message_could_be_sent() {
    let context = Context::new();
    let (push, pull) = (
        context.socket::<Push>().unwrap(),
        context.socket::<Pull>().unwrap(),
    );
    let first = "first".into();
    assert!(matches!(push.check_send(&first), Err(Error::WouldBlock(_))));
    push.set_send_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    assert!(matches!(
        push.wait_check_send(&first),
        Err(Error::WouldBlock(_))
    ));
    push.set_send_hwm(1).unwrap();
    pull.set_recv_hwm(1).unwrap();
    pull.bind("inproc://checked").unwrap();
    push.connect("inproc://checked").unwrap();
    for _ in 0..2 {
        push.check_send(&first).unwrap();
        push.check_send(&first).unwrap();
        push.send("whole").unwrap();
    }
    assert!(
        matches!(push.check_send(&first), Err(Error::WouldBlock(_))),
        "full"
    );
    pull.recv().unwrap();
    pull.recv().unwrap();
    push.set_send_timeout(Some(PATIENCE)).unwrap();
    push.wait_check_send(&first).unwrap();

    let (req, rep) = (
        context.socket::<Req>().unwrap(),
        context.socket::<Rep>().unwrap(),
    );
    rep.bind("inproc://turns").unwrap();
    req.connect("inproc://turns").unwrap();
    req.check_send(&first).unwrap();
    req.send("question").unwrap();
    assert!(matches!(req.check_send(&first), Err(Error::WrongState(_))));
    assert!(matches!(rep.check_send(&first), Err(Error::WrongState(_))));
    rep.recv().unwrap();
    rep.check_send(&first).unwrap();
    context.shutdown();
    assert!(matches!(req.check_send(&first), Err(Error::Terminated)));
}

#[test]
fn what_is_known_about_peers_changes_with_them() {
    let context = Context::new();
    let (pull, push) = (
        context.socket::<Pull>().unwrap(),
        context.socket::<Push>().unwrap(),
    );
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
    let alone = pull.peer_changes();
    push.connect(&endpoint).unwrap();
    push.send("hello").unwrap();
    pull.recv().unwrap();
    let met = pull.peer_changes();
    assert_ne!(alone, met);
    push.send("again").unwrap();
    pull.recv().unwrap();
    assert_eq!(met, pull.peer_changes(), "only messages have come");
}

/// What a subscriber has not asked for any more is passed over a few at a time, and the writer tells of none of it again.
#[test]
fn a_message_behind_many_that_nobody_wants_is_waited_for() {
    let context = Context::new();
    let (publisher, subscriber) = (
        context.socket::<Pub>().unwrap(),
        context.socket::<Sub>().unwrap(),
    );
    publisher.bind("inproc://many").unwrap();
    subscriber.subscribe("a").unwrap();
    subscriber.connect("inproc://many").unwrap();
    publisher.wait_subscribed("a", 1, PATIENCE).unwrap();
    for _ in 0..200 {
        publisher.send("a").unwrap();
    }
    subscriber.unsubscribe("a").unwrap();
    subscriber.subscribe("b").unwrap();
    publisher.wait_subscribed("b", 1, PATIENCE).unwrap();
    publisher.send("b").unwrap();
    subscriber.wait_message(Some(PATIENCE)).unwrap();
    assert_eq!(subscriber.try_recv().unwrap()[0], "b");
}
