//! The channel as its users see it.

#![cfg(not(loom))]

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use zmtp::{Frame, Message};
use zpipe::{
    Limits, channel,
    channel::{Error, Receiver, Sender},
};

fn messages(messages: u64) -> Limits {
    Limits { messages, bytes: 0 }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counting() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (Arc::clone(&count), Waker::from(count))
}

/// The simplest executor: sleeps until woken.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn ends_may_move_to_other_threads() {
    fn is_send<T: Send>() {}
    is_send::<Sender>();
    is_send::<Receiver>();
}

#[test]
fn every_way_to_send_meets_every_way_to_receive() {
    let (mut sender, mut receiver) = channel(messages(3));
    sender.send(["several", "frames"]).unwrap();
    sender.send_body(b"copied").unwrap();
    sender
        .send_timeout(vec![7; 100_000], Duration::ZERO)
        .unwrap();
    assert_eq!(sender.pending(), 3);
    assert_eq!(sender.try_send_body(b"x"), Err(Error::Full));
    let refused = sender.send_timeout("x", Duration::ZERO).unwrap_err();
    assert_eq!(refused.reason, Error::TimedOut);
    assert_eq!(refused.message[0], "x");

    assert_eq!(receiver.recv().unwrap().len(), 2);
    let mut message = Message::new();
    receiver.recv_into(&mut message).unwrap();
    assert_eq!(message[0], "copied");
    let large = receiver.recv_timeout(Duration::ZERO).unwrap();
    assert_eq!(large[0].len(), 100_000);
    assert_eq!(receiver.try_recv().unwrap_err(), Error::Empty);
    let start = Instant::now();
    let timeout = Duration::from_millis(5);
    assert_eq!(receiver.recv_timeout(timeout).unwrap_err(), Error::TimedOut);
    assert!(start.elapsed() >= timeout);
    sender.send("after a timeout").unwrap();
    assert_eq!(receiver.recv().unwrap()[0], "after a timeout");
}

#[test]
fn closing_ends_both_sides() {
    let (mut sender, mut receiver) = channel(messages(0));
    sender.send("last").unwrap();
    drop(sender);
    assert!(!receiver.is_closed());
    assert_eq!(receiver.recv().unwrap()[0], "last");
    assert_eq!(receiver.recv().unwrap_err(), Error::Closed);
    assert_eq!(receiver.try_recv().unwrap_err(), Error::Closed);

    let (mut sender, receiver) = channel(messages(1));
    sender.send("lost").unwrap();
    let thread = thread::spawn(move || sender.send("never").unwrap_err().reason);
    drop(receiver);
    assert_eq!(thread.join().unwrap(), Error::Closed);
}

#[test]
fn a_receiver_without_end_waits_for_the_sender_to_go() {
    let (sender, mut receiver) = channel(messages(1));
    let thread = thread::spawn(move || receiver.recv_timeout(Duration::MAX).unwrap_err());
    drop(sender);
    assert_eq!(thread.join().unwrap(), Error::Closed);
}

#[test]
fn futures_wake_once_and_hold_no_message() {
    let (mut sender, mut receiver) = channel(messages(1));
    let (woken, waker) = counting();
    let context = &mut Context::from_waker(&waker);
    {
        let mut future = pin!(receiver.recv_async());
        assert!(future.as_mut().poll(context).is_pending());
        sender.try_send("one").unwrap();
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        // Dropped here, woken and not polled again.
    }
    assert_eq!(receiver.try_recv().unwrap()[0], "one");

    sender.try_send("two").unwrap();
    {
        let mut future = pin!(sender.ready());
        assert!(future.as_mut().poll(context).is_pending());
        assert_eq!(receiver.try_recv().unwrap()[0], "two");
        assert_eq!(woken.0.load(Ordering::SeqCst), 2);
        assert_eq!(future.as_mut().poll(context), Poll::Ready(Ok(())));
    }
    sender.try_send("three").unwrap();
    assert_eq!(receiver.try_recv().unwrap()[0], "three");
    drop(waker);
    assert_eq!(Arc::strong_count(&woken), 1, "nobody keeps the waker");
}

#[test]
fn tasks_and_threads_understand_each_other() {
    const COUNT: u32 = 20_000;
    let (mut sender, mut receiver) = channel(messages(7));
    let thread = thread::spawn(move || {
        block_on(async {
            for number in 0..COUNT {
                sender.ready().await.unwrap();
                sender.try_send_body(&number.to_ne_bytes()).unwrap();
            }
        });
    });
    let mut message = Message::new();
    for number in 0..COUNT {
        if number % 2 == 0 {
            receiver.recv_into(&mut message).unwrap();
        } else {
            message = block_on(receiver.recv_async()).unwrap();
        }
        assert_eq!(message[0], number.to_ne_bytes());
    }
    thread.join().unwrap();
    assert_eq!(block_on(receiver.recv_async()).unwrap_err(), Error::Closed);
}

#[test]
fn an_empty_message_arrives_as_one_empty_frame() {
    let (mut sender, mut receiver) = channel(messages(1));
    sender.send(Message::new()).unwrap();
    let message = receiver.recv().unwrap();
    assert_eq!(message.frames(), [Frame::new()]);
}
