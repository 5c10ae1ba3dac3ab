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

use futures_core::Stream;
use futures_sink::Sink;
use zmtp::{Frame, Message};
use zpipe::{
    Limits, channel,
    channel::{
        Receiver, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Sender, TryRecvError,
        TrySendError,
    },
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
    assert_eq!(sender.try_send_body(b"x"), Err(TrySendError::Full(())));
    let refused = sender.send_timeout("x", Duration::ZERO).unwrap_err();
    assert!(refused.is_timed_out() && !refused.is_closed());
    assert_eq!(refused.into_inner()[0], "x");

    assert_eq!(receiver.recv().unwrap().len(), 2);
    let mut message = Message::new();
    receiver.recv_into(&mut message).unwrap();
    assert_eq!(message[0], "copied");
    let large = receiver.recv_timeout(Duration::ZERO).unwrap();
    assert_eq!(large[0].len(), 100_000);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    let start = Instant::now();
    let timeout = Duration::from_millis(5);
    let timed_out = Err(RecvTimeoutError::TimedOut);
    assert_eq!(receiver.recv_timeout(timeout), timed_out);
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
    assert_eq!(receiver.recv(), Err(RecvError));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    let closed = Err(RecvTimeoutError::Closed);
    assert_eq!(receiver.recv_timeout(Duration::MAX), closed);

    let (mut sender, receiver) = channel(messages(1));
    sender.send("lost").unwrap();
    let thread = thread::spawn(move || (sender.send("never").unwrap_err(), sender));
    drop(receiver);
    let (SendError(message), mut sender) = thread.join().unwrap();
    assert_eq!(message[0], "never");
    assert!(sender.is_closed());
    let error = sender.try_send("never").unwrap_err();
    assert!(error.is_closed() && !error.is_full());
    assert_eq!(error.into_inner()[0], "never");
    let error = sender.send_timeout("never", Duration::MAX).unwrap_err();
    assert!(error.is_closed() && !error.is_timed_out());
    assert_eq!(error.into_inner()[0], "never");
    assert_eq!(sender.send_body(b"never"), Err(SendError(())));
    assert_eq!(block_on(sender.ready()), Err(SendError(())));
    let SendError(message) = block_on(sender.send_async("never")).unwrap_err();
    assert_eq!(message[0], "never");
}

#[test]
fn a_sender_that_was_closed_sends_no_more_and_keeps_what_it_sent() {
    let (mut sender, mut receiver) = channel(messages(2));
    sender.send("last").unwrap();
    let thread = thread::spawn(move || (receiver.recv().unwrap(), receiver.recv(), receiver));
    sender.close();
    assert!(sender.is_closed());
    assert_eq!(sender.send("never").unwrap_err().into_inner()[0], "never");
    let (last, end, mut receiver) = thread.join().unwrap();
    assert_eq!(last[0], "last");
    assert_eq!(end, Err(RecvError));
    assert!(receiver.is_closed());
    drop(sender);
}

#[test]
fn errors_say_the_cause_once_and_show_no_message() {
    fn text(error: &dyn std::error::Error) -> String {
        assert!(error.source().is_none(), "no cause is said twice");
        let (display, debug) = (error.to_string(), format!("{error:?}"));
        assert!(!display.contains("secret") && !debug.contains("secret"));
        display
    }
    let secret = || Message::from("secret");
    let closed = "the channel is closed";
    assert_eq!(text(&SendError(secret())), closed);
    assert_eq!(text(&TrySendError::Closed(secret())), closed);
    assert_eq!(text(&SendTimeoutError::Closed(secret())), closed);
    assert_eq!(text(&TrySendError::Full(secret())), "the channel is full");
    assert!(text(&SendTimeoutError::TimedOut(secret())).contains("stayed full"));
    for error in [
        text(&RecvError),
        text(&TryRecvError::Closed),
        text(&RecvTimeoutError::Closed),
    ] {
        assert_eq!(error, "the channel is closed and there is no message left");
    }
    assert_eq!(text(&TryRecvError::Empty), "the channel is empty");
    assert!(text(&RecvTimeoutError::TimedOut).contains("stayed empty"));
}

#[test]
fn a_receiver_without_end_waits_for_the_sender_to_go() {
    let (sender, mut receiver) = channel(messages(1));
    let thread = thread::spawn(move || receiver.recv_timeout(Duration::MAX).unwrap_err());
    drop(sender);
    assert_eq!(thread.join().unwrap(), RecvTimeoutError::Closed);
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
    const COUNT: u32 = if cfg!(miri) { 200 } else { 20_000 };
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
    assert_eq!(block_on(receiver.recv_async()), Err(RecvError));
}

#[test]
fn an_empty_message_arrives_as_one_empty_frame() {
    let (mut sender, mut receiver) = channel(messages(1));
    sender.send(Message::new()).unwrap();
    let message = receiver.recv().unwrap();
    assert_eq!(message.frames(), [Frame::new()]);
}

/// Fills a channel and lets a task wait for room in it.
fn full(limits: Limits, held: u64) -> (Sender, Receiver, Arc<Count>, Waker) {
    let (mut sender, receiver) = channel(limits);
    while sender.try_send("ten bytes.").is_ok() {}
    assert_eq!(sender.len() as u64, held);
    let (woken, waker) = counting();
    let context = &mut Context::from_waker(&waker);
    assert!(sender.poll_ready(context).is_pending());
    (sender, receiver, woken, waker)
}

#[test]
fn a_waiting_sender_goes_on_at_the_first_free_place() {
    for limit in [1, 2, 3, 10] {
        let (mut sender, mut receiver, woken, waker) = full(messages(limit), limit);
        receiver.recv().unwrap();
        assert_eq!(woken.0.load(Ordering::SeqCst), 1, "of {limit} places");
        let context = &mut Context::from_waker(&waker);
        assert_eq!(sender.poll_ready(context), Poll::Ready(Ok(())));
    }
}

#[test]
fn a_sender_that_waits_for_bytes_goes_on_as_soon_as_they_are_there() {
    let limits = |bytes| Limits { messages: 0, bytes };
    // 12 bytes with the header; a message is admitted while fewer than the limit are there.
    let (mut sender, mut receiver, woken, waker) = full(limits(48), 4);
    receiver.recv().unwrap();
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    let context = &mut Context::from_waker(&waker);
    assert_eq!(sender.poll_ready(context), Poll::Ready(Ok(())));

    // With a large message in it, the first release does not make room yet.
    let (mut sender, mut receiver) = channel(limits(20));
    sender.try_send("small").unwrap();
    sender.try_send(vec![7; 30]).unwrap();
    let thread = thread::spawn(move || sender.send_timeout("next", Duration::from_secs(60)));
    receiver.recv().unwrap();
    receiver.recv().unwrap();
    thread.join().unwrap().unwrap();
    assert_eq!(receiver.recv().unwrap()[0], "next");
}

#[test]
fn a_call_with_a_deadline_goes_on_at_the_first_free_place() {
    let (mut sender, mut receiver) = channel(messages(10));
    (0..10).for_each(|_| sender.send("full").unwrap());
    let thread = thread::spawn(move || sender.send_timeout("next", Duration::from_secs(60)));
    receiver.recv().unwrap();
    thread.join().unwrap().unwrap();
    assert_eq!(receiver.len(), 10);
}

/// Polls a future to the point where it waits, and drops it.
fn cancel<F: Future>(future: F, waker: &Waker) {
    let mut future = pin!(future);
    assert!(
        future
            .as_mut()
            .poll(&mut Context::from_waker(waker))
            .is_pending()
    );
}

#[test]
fn a_cancelled_wait_leaves_nothing_behind() {
    let (woken, waker) = counting();
    let (mut sender, mut receiver) = channel(messages(1));
    cancel(receiver.recv_async(), &waker);
    sender.send("one").unwrap();
    assert_eq!(sender.len(), 1, "a cancelled receive takes no message");

    cancel(sender.ready(), &waker);
    cancel(sender.send_async("two"), &waker);
    assert_eq!(sender.len(), 1, "a cancelled send puts no message in");
    assert_eq!(receiver.recv().unwrap()[0], "one");
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));

    let nothing = Duration::from_micros(1);
    receiver.recv_timeout(nothing).unwrap_err();
    sender.send("three").unwrap();
    sender.send_timeout("four", nothing).unwrap_err();
    assert_eq!(receiver.recv().unwrap()[0], "three");

    // Nobody was told of what came later, and nobody keeps the waker.
    assert_eq!(woken.0.load(Ordering::SeqCst), 0);
    drop(waker);
    assert_eq!(Arc::strong_count(&woken), 1);
}

#[test]
fn futures_of_both_ends_may_be_sent_to_other_threads() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    /// A source of messages that must stay on its thread does not tie the future to it.
    struct Local(std::rc::Rc<()>);
    impl From<Local> for Message {
        fn from(Local(it): Local) -> Self {
            Self::from(format!("{}", std::rc::Rc::strong_count(&it)))
        }
    }
    let (mut sender, mut receiver) = channel(messages(2));
    block_on(is_send(sender.ready())).unwrap();
    block_on(is_send(sender.send_async(Local(std::rc::Rc::new(()))))).unwrap();
    assert_eq!(block_on(is_send(receiver.recv_async())).unwrap()[0], "1");
}

#[test]
fn iterators_end_with_the_channel_or_when_it_is_empty() {
    let (mut sender, mut receiver) = channel(messages(0));
    for number in 0..4 {
        sender.send(format!("{number}")).unwrap();
    }
    let text = |message: Message| String::from_utf8(message[0].to_vec()).unwrap();
    assert!(receiver.try_iter().take(1).map(text).eq(["0"]));
    assert!(receiver.try_iter().map(text).eq(["1", "2", "3"]));
    assert_eq!(receiver.try_iter().next(), None);
    sender.send("4").unwrap();
    assert!(
        receiver.try_iter().map(text).eq(["4"]),
        "it may go on later"
    );

    let thread = thread::spawn(move || {
        for number in 5..100 {
            sender.send(format!("{number}")).unwrap();
        }
    });
    let mut count = 5;
    for message in &mut receiver {
        assert_eq!(message[0], *format!("{count}"));
        count += 1;
        if count == 50 {
            break;
        }
    }
    assert_eq!(receiver.iter().next().map(text).as_deref(), Some("50"));
    assert_eq!(receiver.into_iter().count(), 49);
    thread.join().unwrap();
}

#[test]
fn both_ends_know_what_is_in_the_channel() {
    let (mut sender, mut receiver) = channel(messages(100));
    assert_eq!(
        (sender.capacity(), receiver.capacity()),
        (Some(100), Some(100))
    );
    assert_eq!(sender.limits(), receiver.limits());
    assert!(sender.is_empty() && receiver.is_empty());
    for count in 1..=100 {
        // In several chunks, and some of them end inside a message.
        sender.send([vec![7; 700], vec![8; 10_000]]).unwrap();
        assert_eq!((sender.len(), receiver.len()), (count, count));
    }
    assert!(!sender.is_empty() && !receiver.is_empty());
    for count in (0..100).rev() {
        receiver.recv().unwrap();
        assert_eq!((sender.len(), receiver.len()), (count, count));
    }
    assert!(sender.is_empty() && receiver.is_empty());
    let (sender, receiver) = channel(Limits {
        messages: 0,
        bytes: 5,
    });
    assert_eq!((sender.capacity(), receiver.capacity()), (None, None));
}

#[test]
fn the_receiver_is_a_stream() {
    let (mut sender, receiver) = channel(messages(3));
    let mut receiver = pin!(receiver);
    let (woken, waker) = counting();
    let context = &mut Context::from_waker(&waker);
    assert!(receiver.as_mut().poll_next(context).is_pending());
    sender.send("one").unwrap();
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert_eq!(receiver.size_hint(), (1, None));
    let one = Some(Message::from("one"));
    assert_eq!(receiver.as_mut().poll_next(context), Poll::Ready(one));
    assert!(receiver.as_mut().poll_next(context).is_pending());
    drop(sender);
    assert_eq!(woken.0.load(Ordering::SeqCst), 2);
    assert_eq!(receiver.as_mut().poll_next(context), Poll::Ready(None));
    assert_eq!(receiver.as_mut().poll_next(context), Poll::Ready(None));
}

#[test]
fn the_sender_is_a_sink() {
    let (sender, mut receiver) = channel(messages(1));
    let mut sender = pin!(sender);
    let (woken, waker) = counting();
    let context = &mut Context::from_waker(&waker);
    let mut sink: std::pin::Pin<&mut dyn Sink<&str, Error = SendError<Option<Message>>>> =
        sender.as_mut();
    assert_eq!(sink.as_mut().poll_ready(context), Poll::Ready(Ok(())));
    sink.as_mut().start_send("one").unwrap();
    assert_eq!(sink.as_mut().poll_flush(context), Poll::Ready(Ok(())));
    assert!(sink.as_mut().poll_ready(context).is_pending());
    assert_eq!(receiver.recv().unwrap()[0], "one");
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert_eq!(sink.as_mut().poll_ready(context), Poll::Ready(Ok(())));
    sink.as_mut().start_send("two").unwrap();
    assert_eq!(sink.as_mut().poll_close(context), Poll::Ready(Ok(())));
    let refused = sink.as_mut().start_send("three").unwrap_err();
    assert_eq!(refused.into_inner(), Some(Message::from("three")));
    let refused = sink.as_mut().poll_ready(context);
    assert_eq!(refused, Poll::Ready(Err(SendError(None))));
    assert!(receiver.iter().eq([Message::from("two")]));
}

#[test]
#[should_panic(expected = "comes after `poll_ready`")]
fn a_sink_that_is_full_is_not_sent_to() {
    let (sender, _receiver) = channel(messages(1));
    let mut sender = pin!(sender);
    sender.as_mut().start_send("fits").unwrap();
    let _ = sender.as_mut().start_send("does not");
}
