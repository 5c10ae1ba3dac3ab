//! Sockets for tasks.

use std::{
    pin::{Pin, pin},
    task::{Context as TaskContext, Poll, Waker},
};

use futures_util::{Sink, SinkExt, StreamExt, stream::FusedStream};
use zsocket::{
    AsyncSocket, CanReceive, Context, Error, Message, Pair, PeerId, Pull, Push, Rep, Req, Router,
    SocketType, Sub, TypedPattern,
};

use crate::{
    executors::Executor,
    support::{eventually, everywhere, loopback},
};

/// Two sockets that are connected.
fn connected<A: TypedPattern, B: TypedPattern>(
    context: &Context,
    anywhere: &str,
) -> (AsyncSocket<A>, AsyncSocket<B>) {
    let bound = context.async_socket::<A>().unwrap();
    let endpoint = bound.bind(anywhere).unwrap();
    let other = context.async_socket::<B>().unwrap();
    other.connect(&endpoint).unwrap();
    (bound, other)
}

#[test]
fn messages_pass_between_tasks() {
    for executor in Executor::ALL {
        for anywhere in everywhere() {
            executor.run(async {
                let context = Context::new();
                let pull = context.build_socket::<Pull>().recv_hwm(3).build().unwrap();
                let endpoint = pull.bind(anywhere).unwrap();
                let push = context.build_socket::<Push>().send_hwm(3).build().unwrap();
                push.connect(&endpoint).unwrap();
                let (mut pull, mut push) = (pull.into_async(), push.into_async());
                let sender = executor.spawn(async move {
                    for at in 0..3000u32 {
                        push.send(&at.to_be_bytes()).await.unwrap();
                    }
                });
                let receiver = executor.spawn(async move {
                    let mut message = Message::new();
                    for at in 0..3000u32 {
                        if at % 2 == 0 {
                            message = pull.recv().await.unwrap();
                        } else {
                            pull.recv_into(&mut message).await.unwrap();
                        }
                        assert_eq!(message[0], at.to_be_bytes());
                    }
                });
                receiver.await;
                sender.await;
            });
        }
    }
}

#[test]
fn requests_and_replies_pass_between_tasks() {
    for executor in Executor::ALL {
        for anywhere in everywhere() {
            executor.run(async {
                let context = Context::new();
                let (mut rep, mut req) = connected::<Rep, Req>(&context, anywhere);
                let server = executor.spawn(async move {
                    for _ in 0..300 {
                        let request = rep.recv().await.unwrap();
                        rep.send(request).await.unwrap();
                    }
                });
                for at in 0..300u32 {
                    req.send(&at.to_be_bytes()).await.unwrap();
                    let early = req.send("too early").await.unwrap_err();
                    assert!(matches!(early.error, Error::WrongState(_)));
                    assert_eq!(early.message[0], "too early");
                    assert_eq!(req.recv().await.unwrap()[0], at.to_be_bytes());
                }
                server.await;
            });
        }
    }
}

#[test]
fn a_router_answers_by_peer() {
    for anywhere in everywhere() {
        Executor::Tokio.run(async {
            let context = Context::new();
            let (mut router, mut req) = connected::<Router, Req>(&context, anywhere);
            for at in 0..100u8 {
                req.send(&[at]).await.unwrap();
                let (mut request, peer) = router.recv_from().await.unwrap();
                request.pop_front();
                if at % 2 == 0 {
                    router.send_to(peer, request).await.unwrap();
                } else {
                    router.try_send_to(peer, request).unwrap();
                }
                assert_eq!(req.recv().await.unwrap()[0], [at]);
            }
            let gone = no_peer();
            let refused = router.send_to(gone, "x").await.unwrap_err();
            assert!(matches!(refused.error, Error::Unroutable));
            assert_eq!(refused.message[0], "x");
        });
    }
}

/// An id that nobody has in other contexts.
fn no_peer() -> PeerId {
    let context = Context::new();
    let (pull, push) = (
        context.socket::<Pull>().unwrap(),
        context.socket::<Push>().unwrap(),
    );
    pull.bind("inproc://gone").unwrap();
    push.connect("inproc://gone").unwrap();
    push.send("x").unwrap();
    pull.recv_from().unwrap().1
}

#[test]
fn what_cannot_be_done_now_is_said_at_once() {
    let context = Context::new();
    let (mut pull, mut push) = connected::<Pull, Push>(&context, "inproc://now");
    assert!(matches!(pull.try_recv(), Err(Error::WouldBlock(_))));
    assert!(matches!(pull.try_recv_from(), Err(Error::WouldBlock(_))));
    push.try_send("x").unwrap();
    assert_eq!(pull.try_recv().unwrap()[0], "x");
    let mut alone = context.async_socket::<Push>().unwrap();
    let refused = alone.try_send("back").unwrap_err();
    assert!(matches!(refused.error, Error::WouldBlock(_)));
    assert_eq!(refused.message[0], "back");

    let mut dynamic = context.dynamic(SocketType::Pull).unwrap().into_async();
    let mut cx = TaskContext::from_waker(Waker::noop());
    let refused = dynamic.poll_send(&mut cx, &mut Message::from("x"));
    assert!(matches!(refused, Poll::Ready(Err(Error::NotSupported))));
    let refused = dynamic.try_send_to(no_peer(), "x").unwrap_err();
    assert!(matches!(refused.error, Error::NotSupported));
}

#[test]
fn peers_can_be_waited_for() {
    for executor in Executor::ALL {
        executor.run(async {
            let context = Context::new();
            let mut push = context.async_socket::<Push>().unwrap();
            let endpoint = push.bind(loopback()).unwrap();
            let waits = executor.spawn(async move {
                push.connected(2).await.unwrap();
                push
            });
            let pulls = [(); 2].map(|()| context.socket::<Pull>().unwrap());
            for pull in &pulls {
                pull.connect(&endpoint).unwrap();
            }
            let mut push = waits.await;
            assert_eq!(push.as_socket().peers(), 2);
            context.shutdown();
            assert!(matches!(push.connected(3).await, Err(Error::Terminated)));
        });
    }
}

#[test]
fn the_socket_comes_back() {
    let context = Context::new();
    let (mut pull, mut push) = connected::<Pull, Push>(&context, "inproc://back");
    push.as_socket().set_send_hwm(7).unwrap();
    push.try_send("x").unwrap();
    let push = push.into_socket();
    assert_eq!(push.send_hwm(), 7);
    let mut push = AsyncSocket::from(push);
    push.try_send("y").unwrap();
    assert_eq!(pull.try_recv().unwrap()[0], "x");
    assert_eq!(pull.into_socket().recv().unwrap()[0], "y");
}

// ---- Streams ----

#[test]
fn a_stream_ends_with_an_error_that_lasts() {
    for executor in Executor::ALL {
        executor.run(async {
            let context = Context::new();
            let (pull, mut push) = connected::<Pull, Push>(&context, "inproc://stream");
            push.send("a").await.unwrap();
            push.send("b").await.unwrap();
            let ends = context.clone();
            let reader = executor.spawn(async move {
                let mut pull = pull.fuse();
                let mut texts = Vec::new();
                while let Some(item) = pull.next().await {
                    match item {
                        Ok(message) => texts.push(message[0].as_ref().to_vec()),
                        Err(error) => {
                            assert!(matches!(error, Error::Terminated));
                            texts.push(b"end".to_vec());
                        }
                    }
                    if texts.len() == 2 {
                        ends.shutdown();
                    }
                }
                assert!(pull.is_terminated() && pull.get_ref().is_terminated());
                texts
            });
            assert_eq!(reader.await, [&b"a"[..], b"b", b"end"]);
        });
    }
}

/// Types that only receive, and those that do both.
#[test]
fn what_receives_is_a_stream() {
    fn is_stream<P: CanReceive>(socket: AsyncSocket<P>) {
        let stream: Pin<Box<dyn futures_util::Stream<Item = Result<Message, Error>> + Send>> =
            Box::pin(socket);
        drop(stream);
    }
    let context = Context::new();
    is_stream::<Sub>(context.async_socket().unwrap());
    is_stream::<Pair>(context.async_socket().unwrap());
    is_stream(context.dynamic(SocketType::Rep).unwrap().into_async());
}

// ---- Sinks ----

#[test]
fn a_sink_keeps_the_order() {
    for executor in Executor::ALL {
        for anywhere in everywhere() {
            executor.run(async {
                let context = Context::new();
                let pull = context.build_socket::<Pull>().recv_hwm(2).build().unwrap();
                let endpoint = pull.bind(anywhere).unwrap();
                let push = context.build_socket::<Push>().send_hwm(2).build().unwrap();
                push.connect(&endpoint).unwrap();
                let mut push = push.into_async();
                let sender = executor.spawn(async move {
                    for at in 0..1000u32 {
                        let body = &at.to_be_bytes();
                        match at % 3 {
                            0 => push.feed(Message::from(body)).await.unwrap(),
                            1 => SinkExt::send(&mut push, Message::from(body)).await.unwrap(),
                            _ => push.send(body).await.unwrap(),
                        }
                    }
                    push.close().await.unwrap();
                    // The socket is open.
                    push.send(&1000u32.to_be_bytes()).await.unwrap();
                    push
                });
                let mut numbers = pull.into_async().take(1001).enumerate();
                while let Some((at, message)) = numbers.next().await {
                    assert_eq!(
                        message.unwrap()[0],
                        u32::try_from(at).unwrap().to_be_bytes()
                    );
                }
                sender.await;
            });
        }
    }
}

/// Polls a sink's way to accept a message.
fn feed(push: &mut AsyncSocket<Push>, text: &'static str) -> Poll<()> {
    let mut cx = TaskContext::from_waker(Waker::noop());
    let ready = Sink::poll_ready(Pin::new(push), &mut cx);
    ready.map(|ready| {
        ready.unwrap();
        Sink::start_send(Pin::new(push), Message::from(text)).unwrap();
    })
}

#[test]
fn a_sink_accepts_one_message_that_has_no_room() {
    let context = Context::new();
    let mut push = context.async_socket::<Push>().unwrap();
    let mut cx = TaskContext::from_waker(Waker::noop());
    assert!(feed(&mut push, "first").is_ready());
    assert!(feed(&mut push, "second").is_pending());
    assert!(Sink::<Message>::poll_flush(Pin::new(&mut push), &mut cx).is_pending());
    // Others wait behind it, and come back.
    let refused = push.try_send("other").unwrap_err();
    assert!(matches!(refused.error, Error::WouldBlock(_)));
    assert_eq!(refused.message[0], "other");
    let refused = Sink::start_send(Pin::new(&mut push), Message::from("unasked")).unwrap_err();
    assert_eq!(refused.message[0], "unasked");

    let mut pull = context.async_socket::<Pull>().unwrap();
    pull.bind("inproc://late").unwrap();
    push.connect("inproc://late").unwrap();
    push.try_send("third").unwrap();
    assert_eq!(pull.try_recv().unwrap()[0], "first");
    assert_eq!(pull.try_recv().unwrap()[0], "third");
    assert!(pull.try_recv().is_err());
}

#[test]
fn what_a_sink_has_not_flushed_is_sent_or_counted() {
    let context = Context::new();
    let mut push = context.async_socket::<Push>().unwrap();
    assert!(feed(&mut push, "lost").is_ready());
    let push = push.into_socket();
    assert_eq!(push.stats().dropped.unflushed, 1);

    let mut push = push.into_async();
    assert!(feed(&mut push, "sent").is_ready());
    let pull = context.socket::<Pull>().unwrap();
    pull.bind("inproc://sent").unwrap();
    push.connect("inproc://sent").unwrap();
    assert_eq!(push.into_socket().stats().dropped.unflushed, 1);
    assert_eq!(pull.recv().unwrap()[0], "sent");
}

/// What has waited for one peer that is gone then is the sink's error, and not that of another call.
#[test]
fn a_sink_says_which_message_was_refused() {
    let context = Context::new();
    let router = context
        .build_socket::<Router>()
        .mandatory(true)
        .send_hwm(1)
        .build()
        .unwrap();
    let endpoint = router.bind("inproc://refused").unwrap();
    let connect = |name: &'static str| {
        let dealer = context
            .build_socket::<zsocket::Dealer>()
            .routing_id(name.into())
            .recv_hwm(1)
            .build()
            .unwrap();
        dealer.connect(&endpoint).unwrap();
        dealer
    };
    let (full, other) = (connect("full"), connect("other"));
    let mut router = router.into_async();
    eventually("both", || router.as_socket().peers() == 2);
    while router.try_send(["full", "x"]).is_ok() {}
    Sink::start_send(Pin::new(&mut router), Message::from(["full", "waits"])).unwrap();
    drop(full);
    let mut cx = TaskContext::from_waker(Waker::noop());
    let mut message = Message::from(["other", "passes"]);
    assert!(matches!(
        router.poll_send(&mut cx, &mut message),
        Poll::Ready(Ok(()))
    ));
    assert_eq!(other.recv().unwrap()[0], "passes");
    let flushed = Sink::<Message>::poll_flush(Pin::new(&mut router), &mut cx);
    let Poll::Ready(Err(refused)) = flushed else {
        panic!("{flushed:?}");
    };
    assert!(matches!(refused.error, Error::Unroutable));
    assert_eq!(refused.message[1], "waits");
    assert!(Sink::<Message>::poll_flush(Pin::new(&mut router), &mut cx).is_ready());
    assert!(pin!(router.flush()).poll(&mut cx).is_ready());
}
