//! A socket in two halves.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context as TaskContext, Waker},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use zsocket::{
    AsyncReceiver, Bytes, CanSplit, Context, Dealer, Dynamic, Error, Message, Pair, Router, Socket,
    SocketType, Stream, XPub, XSub,
};

use crate::{
    executors::Executor,
    futures::block_on,
    support::{PATIENCE, everywhere, spawn},
};

fn pair(anywhere: &str) -> [Socket<Pair>; 2] {
    let context = Context::new();
    let [first, second] = [(); 2].map(|()| {
        let pair = context.build_socket::<Pair>().send_hwm(10).recv_hwm(10);
        pair.build().unwrap()
    });
    second.connect(first.bind(anywhere).unwrap()).unwrap();
    [first, second]
}

#[test]
fn both_ways_at_once() {
    for executor in Executor::ALL {
        for anywhere in everywhere() {
            executor.run(async {
                let tasks = pair(anywhere).map(|pair| {
                    let (mut receiver, mut sender) = pair.into_async().split();
                    let sends = executor.spawn(async move {
                        for at in 0..3000u32 {
                            sender.send(&at.to_be_bytes()).await.unwrap();
                        }
                        sender
                    });
                    let receives = executor.spawn(async move {
                        for at in 0..3000u32 {
                            assert_eq!(receiver.recv().await.unwrap()[0], at.to_be_bytes());
                        }
                        receiver
                    });
                    (sends, receives)
                });
                let mut whole = Vec::new();
                for (sends, receives) in tasks {
                    let (sender, receiver) = (sends.await, receives.await);
                    whole.push(sender.reunite(receiver).unwrap());
                }
                whole[0].send("again").await.unwrap();
                assert_eq!(whole[1].recv().await.unwrap()[0], "again");
            });
        }
    }
}

/// The halves of one socket on two threads, without an executor between them.
#[test]
fn halves_on_two_threads() {
    for anywhere in everywhere() {
        let threads = pair(anywhere).map(|pair| {
            let (mut receiver, mut sender) = pair.into_async().split();
            let sends = spawn(move || {
                block_on(async {
                    for at in 0..3000u32 {
                        sender.send(&at.to_be_bytes()).await.unwrap();
                    }
                });
                sender
            });
            let receives = spawn(move || {
                block_on(async {
                    for at in 0..3000u32 {
                        assert_eq!(receiver.recv().await.unwrap()[0], at.to_be_bytes());
                    }
                });
                receiver
            });
            (sends, receives)
        });
        for (sends, receives) in threads {
            sends.join().reunite(receives.join()).unwrap();
        }
    }
}

#[test]
fn each_type_that_does_both_can_be_split() {
    fn split<P: CanSplit>(socket: Socket<P>) {
        let (receiver, sender) = socket.into_async().split();
        drop(receiver);
        drop(sender);
    }
    let context = Context::new();
    split::<Pair>(context.socket().unwrap());
    split::<XPub>(context.socket().unwrap());
    split::<XSub>(context.socket().unwrap());
    split::<Dealer>(context.socket().unwrap());
    split::<Router>(context.socket().unwrap());
    split::<Stream>(context.socket().unwrap());
    split::<Dynamic>(context.dynamic(SocketType::Req).unwrap());
    context.term_timeout(PATIENCE).unwrap();
}

#[test]
fn the_socket_is_open_until_both_halves_are_gone() {
    let context = Context::new();
    let [first, second] = [(); 2].map(|()| context.async_socket::<Pair>().unwrap());
    first.bind("inproc://halves").unwrap();
    second.connect("inproc://halves").unwrap();
    let (mut receiver, mut sender) = first.split();
    let (of_second, mut to_first) = second.split();
    drop(of_second);
    to_first.try_send("x").unwrap();
    assert_eq!(receiver.try_recv().unwrap()[0], "x");
    assert_eq!(receiver.with_socket(|socket| socket.peers()).unwrap(), 1);
    drop(receiver);
    sender.try_send("y").unwrap();
    assert_eq!(
        sender
            .with_socket(|socket| socket.stats().messages_sent)
            .unwrap(),
        1
    );
    assert_eq!(
        context
            .term_timeout(Duration::ZERO)
            .unwrap_err()
            .sockets
            .len(),
        2
    );
    drop((sender, to_first));
    context.term_timeout(PATIENCE).unwrap();
}

#[test]
fn halves_of_two_sockets_do_not_reunite() {
    let [first, second] = pair("inproc://two");
    let ((one, two), (three, four)) = (first.into_async().split(), second.into_async().split());
    let error = two.reunite(three).unwrap_err();
    assert!(error.to_string().contains("two sockets"));
    let (first, second) = (error.sender.reunite(one), four.reunite(error.receiver));
    first.unwrap().try_send("x").unwrap();
    assert_eq!(second.unwrap().try_recv().unwrap()[0], "x");
}

#[test]
fn halves_are_a_stream_and_a_sink() {
    for executor in Executor::ALL {
        executor.run(async {
            let [first, second] = pair("tcp://127.0.0.1:*");
            let (echoes, sends) = first.into_async().split();
            let (stream, sink) = second.into_async().split();
            let echo = stream.map(|message| Ok(message.unwrap())).forward(sink);
            // Until the runtime ends.
            drop(executor.spawn(async { drop(echo.await) }));
            let sender = executor.spawn(async move {
                let messages = (0..500u32).map(|at| Ok(Message::from(&at.to_be_bytes())));
                let mut messages = futures_util::stream::iter(messages);
                let mut sends = sends;
                sends.send_all(&mut messages).await.unwrap();
                sends
            });
            let mut echoes = echoes.take(500).enumerate();
            while let Some((at, message)) = echoes.next().await {
                assert_eq!(
                    message.unwrap()[0],
                    u32::try_from(at).unwrap().to_be_bytes()
                );
            }
            sender.await;
        });
    }
}

#[test]
fn what_the_sink_of_a_half_has_not_flushed_is_counted() {
    let context = Context::new();
    let (mut receiver, mut sender) = context.async_socket::<Dealer>().unwrap().split();
    let mut cx = TaskContext::from_waker(Waker::noop());
    assert!(
        pin!(sender.feed(Message::from("x")))
            .poll(&mut cx)
            .is_ready()
    );
    drop(sender);
    let dropped = receiver.with_socket(|socket| socket.stats().dropped.unflushed);
    assert_eq!(dropped.unwrap(), 1);
}

/// A body that is dropped while its message is sent, and uses the other half of the same socket for that.
#[test]
fn foreign_code_may_use_the_other_half() {
    struct Uses(Arc<Mutex<Option<AsyncReceiver<Router>>>>);
    impl AsRef<[u8]> for Uses {
        fn as_ref(&self) -> &[u8] {
            b"nobody has this routing id"
        }
    }
    impl Drop for Uses {
        fn drop(&mut self) {
            let mut receiver = self.0.lock().unwrap();
            let received = receiver.as_mut().map(|receiver| receiver.try_recv());
            assert!(matches!(received, Some(Err(Error::WouldBlock(_)))));
            *receiver = None;
        }
    }
    let context = Context::new();
    let (receiver, mut sender) = context.async_socket::<Router>().unwrap().split();
    let used = Arc::new(Mutex::new(Some(receiver)));
    let body = Bytes::from_owner(Uses(Arc::clone(&used)));
    let mut message = Message::from(body);
    message.push_back("x");
    spawn(move || block_on(sender.send(message)).unwrap()).join();
    assert!(used.lock().unwrap().is_none());
}
