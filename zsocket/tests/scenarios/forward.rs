//! Messages from one socket to another, without a program in between.

use zsocket::{
    Budget, Context, Dealer, Error, ForwardEnd, ForwardSide, Interest, Message, Pair, Pub, Pull,
    Push, Rep, Req, Router, Sub, XPub, XSub,
};

use crate::support::PATIENCE;

fn messages(messages: u64) -> Budget {
    Budget {
        messages,
        ..Budget::default()
    }
}

#[test]
fn a_message_without_room_stays_and_is_the_next_to_be_received() {
    let context = Context::new();
    let from = context.socket::<Pull>().unwrap();
    from.bind("inproc://from").unwrap();
    let push = context.socket::<Push>().unwrap();
    push.connect("inproc://from").unwrap();
    let to = context.socket::<Push>().unwrap();
    to.set_send_hwm(1).unwrap();
    to.bind("inproc://to").unwrap();
    let pull = context.socket::<Pull>().unwrap();
    pull.set_recv_hwm(1).unwrap();
    pull.connect("inproc://to").unwrap();
    for n in 0..5_u8 {
        push.send(&[n][..]).unwrap();
    }
    // Two have room over inproc, the sum of both marks.
    let forwarded = from.forward_to(&to, Budget::default()).unwrap();
    assert_eq!(forwarded.end, ForwardEnd::Full);
    assert_eq!((forwarded.sent.messages, forwarded.sent.bytes), (2, 2));
    assert_eq!(from.stats().messages_received, 2);
    assert_eq!(to.stats().messages_sent, 2);
    // Not even one is taken out of its pipe.
    assert_eq!(from.stats().queued_in, 3);
    assert_eq!(from.recv().unwrap()[0], [2][..]);
    for n in 0..2 {
        assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], [n][..]);
    }
    let forwarded = from.forward_to(&to, Budget::default()).unwrap();
    // It is full again, so nobody looks whether there is more.
    assert_eq!(
        (forwarded.end, forwarded.sent.messages),
        (ForwardEnd::Full, 2)
    );
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], [3][..]);
    assert_eq!(pull.recv_timeout(PATIENCE).unwrap()[0], [4][..]);
    let forwarded = from.forward_to(&to, Budget::default()).unwrap();
    assert_eq!(
        (forwarded.end, forwarded.received.messages),
        (ForwardEnd::Empty, 0)
    );
    assert_eq!(from.stats().messages_received, 5);
}

#[test]
fn what_waits_for_room_at_one_peer_is_received_whole() {
    let context = Context::new();
    let from = context.socket::<Dealer>().unwrap();
    from.bind("inproc://from").unwrap();
    let source = context.socket::<Dealer>().unwrap();
    source.connect("inproc://from").unwrap();
    let to = context.socket::<Router>().unwrap();
    to.set_mandatory(true).unwrap();
    to.set_send_hwm(1).unwrap();
    to.bind("inproc://to").unwrap();
    let peers = ["anna", "bert"].map(|name| {
        let peer = context.socket::<Dealer>().unwrap();
        peer.set_routing_id(zsocket::Bytes::from_static(name.as_bytes()))
            .unwrap();
        peer.set_recv_hwm(1).unwrap();
        peer.connect("inproc://to").unwrap();
        peer
    });
    for n in 0..4 {
        source.send(["anna", &n.to_string()]).unwrap();
    }
    assert_eq!(
        from.forward_to(&to, Budget::default()).unwrap().end,
        ForwardEnd::Full
    );
    // The other peer has room, but that is of no use to what waits.
    assert_eq!(to.readiness(Interest::SEND), Interest::NONE);
    let again = from.forward_to(&to, Budget::default()).unwrap();
    assert_eq!((again.end, again.received.messages), (ForwardEnd::Full, 0));
    assert_eq!(from.stats().messages_received, 2);
    assert_eq!(from.readiness(Interest::RECV), Interest::RECV);
    assert_eq!(from.recv().unwrap(), Message::from(["anna", "2"]));
    assert_eq!(peers[0].recv_timeout(PATIENCE).unwrap()[0], "0");
    assert_eq!(to.readiness(Interest::SEND), Interest::SEND);
    let last = from.forward_to(&to, Budget::default()).unwrap();
    assert_eq!((last.end, last.sent.messages), (ForwardEnd::Empty, 1));
}

#[test]
fn a_budget_ends_behind_the_message_that_uses_it_up() {
    let context = Context::new();
    let (from, to) = (context.socket::<Pair>(), context.socket::<Pair>());
    let (from, to) = (from.unwrap(), to.unwrap());
    from.bind("inproc://from").unwrap();
    to.bind("inproc://to").unwrap();
    let (source, sink) = (context.socket::<Pair>(), context.socket::<Pair>());
    let (source, sink) = (source.unwrap(), sink.unwrap());
    source.connect("inproc://from").unwrap();
    sink.connect("inproc://to").unwrap();
    for _ in 0..10 {
        source.send(vec![0; 100]).unwrap();
    }
    let forwarded = from.forward_to(&to, messages(3)).unwrap();
    assert_eq!(forwarded.end, ForwardEnd::Budget);
    assert_eq!(forwarded.sent.messages, 3);
    let bytes = Budget {
        bytes: 150,
        ..Budget::default()
    };
    let forwarded = from.forward_to(&to, bytes).unwrap();
    assert_eq!(forwarded.end, ForwardEnd::Budget);
    assert_eq!((forwarded.sent.messages, forwarded.sent.bytes), (2, 200));
    // At least one, however small the budget.
    assert_eq!(from.forward_to(&to, messages(0)).unwrap().sent.messages, 1);
    let forwarded = from.forward_to(&to, Budget::default()).unwrap();
    assert_eq!(
        (forwarded.end, forwarded.sent.messages),
        (ForwardEnd::Empty, 4)
    );
    for _ in 0..10 {
        sink.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn errors_name_the_socket_and_lose_nothing() {
    let (inner, outer) = (Context::new(), Context::new());
    let from = inner.socket::<Pull>().unwrap();
    from.bind("inproc://from").unwrap();
    let push = inner.socket::<Push>().unwrap();
    push.connect("inproc://from").unwrap();
    push.send("message").unwrap();
    let to = outer.socket::<Push>().unwrap();
    to.bind("inproc://to").unwrap();
    outer.shutdown();
    let error = from.forward_to(&to, Budget::default()).unwrap_err();
    assert_eq!(error.at, ForwardSide::Destination);
    assert!(matches!(error.error, Error::Terminated));
    assert_eq!(from.recv().unwrap()[0], "message");
    let other = inner.socket::<Sub>().unwrap();
    let error = from.forward_with(&other, None, Budget::default());
    let error = error.unwrap_err();
    assert!(matches!(error.error, Error::NotSupported), "{error}");
    assert_eq!(error.at, ForwardSide::Destination);
}

#[test]
fn what_a_type_can_never_send_is_dropped_and_counted() {
    let context = Context::new();
    let from = context.socket::<Pair>().unwrap();
    from.bind("inproc://from").unwrap();
    let source = context.socket::<Pair>().unwrap();
    source.connect("inproc://from").unwrap();
    let to = context.socket::<Router>().unwrap();
    to.set_mandatory(true).unwrap();
    source.send("no routing id").unwrap();
    source.send(["nobody", "has this"]).unwrap();
    let forwarded = from.forward_to(&to, Budget::default()).unwrap();
    assert_eq!(forwarded.end, ForwardEnd::Empty);
    assert_eq!(forwarded.received.messages, 2);
    assert_eq!(forwarded.sent.messages, 0);
    assert_eq!(from.stats().dropped.unexpected, 1);
    assert_eq!(to.stats().dropped.no_peer, 1);
}

#[test]
fn subscriptions_are_forwarded_as_what_they_are() {
    let context = Context::new();
    let (publisher, subscriber) = (context.socket::<XPub>(), context.socket::<Sub>());
    let (publisher, subscriber) = (publisher.unwrap(), subscriber.unwrap());
    let (upper, lower) = (context.socket::<XSub>(), context.socket::<XPub>());
    let (upper, lower) = (upper.unwrap(), lower.unwrap());
    publisher.bind("inproc://publisher").unwrap();
    upper.connect("inproc://publisher").unwrap();
    lower.bind("inproc://lower").unwrap();
    subscriber.connect("inproc://lower").unwrap();
    subscriber.subscribe("a").unwrap();
    assert_eq!(
        lower
            .forward_to(&upper, Budget::default())
            .unwrap()
            .sent
            .bytes,
        2
    );
    assert_eq!(publisher.recv_timeout(PATIENCE).unwrap()[0], "\u{1}a");
    publisher.send("a1").unwrap();
    let forwarded = upper.forward_to(&lower, Budget::default()).unwrap();
    assert_eq!(forwarded.sent.messages, 1);
    assert_eq!(subscriber.recv_timeout(PATIENCE).unwrap()[0], "a1");
}

#[test]
fn who_wants_nothing_else_is_told_of_the_end() {
    let context = Context::new();
    let pull = context.socket::<Pull>().unwrap();
    assert_eq!(pull.readiness(Interest::END), Interest::NONE);
    context.shutdown();
    assert_eq!(pull.readiness(Interest::END), Interest::END);
}

#[test]
fn a_socket_that_takes_turns_may_answer_itself() {
    let context = Context::new();
    let echo = context.socket::<Rep>().unwrap();
    echo.bind("inproc://echo").unwrap();
    let forwarded = echo.forward_to(&echo, Budget::default()).unwrap();
    assert_eq!(forwarded.end, ForwardEnd::Empty);
    let clients = [(); 3].map(|()| context.socket::<Req>().unwrap());
    for client in &clients {
        client.connect("inproc://echo").unwrap();
        client.send("question").unwrap();
    }
    // A poller has found the first one.
    assert_eq!(echo.readiness(Interest::BOTH), Interest::RECV);
    let forwarded = echo.forward_to(&echo, Budget::default()).unwrap();
    assert_eq!(
        (forwarded.end, forwarded.sent.messages),
        (ForwardEnd::Empty, 3)
    );
    for client in &clients {
        assert_eq!(client.recv_timeout(PATIENCE).unwrap()[0], "question");
    }
    // A request that the application has taken is its own to answer.
    clients[0].send("question").unwrap();
    clients[1].send("question").unwrap();
    echo.recv_timeout(PATIENCE).unwrap();
    let forwarded = echo.forward_to(&echo, Budget::default()).unwrap();
    assert_eq!(forwarded.received.messages, 0);
    echo.send("answer").unwrap();
    let forwarded = echo.forward_to(&echo, Budget::default()).unwrap();
    assert_eq!(forwarded.sent.messages, 1);
}

#[test]
fn what_a_poller_has_found_and_nobody_wants_any_more_is_not_forwarded() {
    let context = Context::new();
    let from = context.socket::<Sub>().unwrap();
    from.bind("inproc://from").unwrap();
    from.subscribe("").unwrap();
    let publisher = context.socket::<Pub>().unwrap();
    publisher.connect("inproc://from").unwrap();
    // Over inproc a socket that was bound subscribes with its next call.
    assert_eq!(from.readiness(Interest::RECV), Interest::NONE);
    publisher.wait_subscribed("", 1, PATIENCE).unwrap();
    let to = context.socket::<Push>().unwrap();
    to.bind("inproc://to").unwrap();
    let pull = context.socket::<Pull>().unwrap();
    pull.connect("inproc://to").unwrap();
    publisher.send("unwanted").unwrap();
    assert_eq!(from.readiness(Interest::RECV), Interest::RECV);
    from.unsubscribe("").unwrap();
    let forwarded = from.forward_to(&to, Budget::default()).unwrap();
    assert_eq!(
        (forwarded.end, forwarded.received.messages),
        (ForwardEnd::Empty, 0)
    );
    assert_eq!(from.stats().dropped.not_subscribed, 1);
}
