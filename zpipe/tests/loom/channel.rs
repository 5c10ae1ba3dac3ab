//! The channel: blocking, with deadlines, as futures, and given up half-way.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use loom::thread;
use zpipe::{
    Limits, channel,
    channel::{Receiver, RecvError, RecvTimeoutError, Sender},
};

use crate::{model, ready::task};

fn one_place() -> (Sender, Receiver) {
    channel(Limits {
        messages: 1,
        bytes: 0,
    })
}

/// Runs a future as its only task.
fn block_on<F: Future>(future: F) -> F::Output {
    let (task, waker) = task();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => task.0.wait(),
        }
    }
}

/// Polls a future once, and drops it if it is not ready.
fn try_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[test]
fn threads_that_block_at_both_ends() {
    model(|| {
        let (mut sender, mut receiver) = one_place();
        let thread = thread::spawn(move || {
            sender.send("0").unwrap();
            sender.send("1").unwrap();
        });
        assert_eq!(receiver.recv().unwrap()[0], "0");
        assert_eq!(receiver.recv().unwrap()[0], "1");
        assert_eq!(receiver.recv(), Err(RecvError));
        thread.join().unwrap();
    });
}

#[test]
fn a_sender_goes_on_at_the_first_free_place() {
    model(|| {
        let (mut sender, mut receiver) = channel(Limits {
            messages: 3,
            bytes: 0,
        });
        (0..3).for_each(|_| sender.send("full").unwrap());
        let thread = thread::spawn(move || {
            sender.send("next").unwrap();
            sender
        });
        receiver.recv().unwrap();
        drop(thread.join().unwrap());
        assert_eq!(receiver.len(), 3);
    });
}

#[test]
fn tasks_that_wait_at_both_ends() {
    model(|| {
        let (mut sender, mut receiver) = one_place();
        let thread = thread::spawn(move || {
            block_on(sender.send_async("0")).unwrap();
            block_on(sender.send_async("1")).unwrap();
        });
        assert_eq!(block_on(receiver.recv_async()).unwrap()[0], "0");
        assert_eq!(block_on(receiver.recv_async()).unwrap()[0], "1");
        thread.join().unwrap();
    });
}

#[test]
fn a_receive_that_was_given_up_loses_neither_message_nor_signal() {
    model(|| {
        let (mut sender, mut receiver) = one_place();
        let thread = thread::spawn(move || {
            sender.send("0").unwrap();
            sender
        });
        let message = try_once(receiver.recv_async()).unwrap_or_else(|| receiver.recv());
        assert_eq!(message.unwrap()[0], "0");
        drop(thread.join().unwrap());
    });
}

#[test]
fn a_send_that_was_given_up_sends_nothing_and_loses_no_signal() {
    model(|| {
        let (mut sender, mut receiver) = one_place();
        sender.send("0").unwrap();
        let thread = thread::spawn(move || {
            assert_eq!(receiver.recv().unwrap()[0], "0");
            receiver
        });
        let sent = try_once(sender.send_async("1")).is_some();
        if !sent {
            sender.send("1").unwrap();
        }
        let mut receiver = thread.join().unwrap();
        assert_eq!(receiver.try_recv().unwrap()[0], "1");
        assert!(receiver.is_empty(), "sent once");
    });
}

#[test]
fn deadlines_at_both_ends() {
    model(|| {
        let (mut sender, mut receiver) = one_place();
        sender.send("0").unwrap();
        let thread = thread::spawn(move || {
            if let Err(error) = sender.send_timeout("1", Duration::from_secs(1)) {
                sender.send(error.into_inner()).unwrap();
            }
            sender
        });
        assert_eq!(receiver.recv().unwrap()[0], "0");
        let message = match receiver.recv_timeout(Duration::from_secs(1)) {
            Err(RecvTimeoutError::TimedOut) => receiver.recv().unwrap(),
            message => message.unwrap(),
        };
        assert_eq!(message[0], "1");
        drop(thread.join().unwrap());
    });
}

#[test]
fn a_sender_that_was_closed_wakes_the_receiver() {
    model(|| {
        let (mut sender, mut receiver) = one_place();
        let thread = thread::spawn(move || {
            sender.send("last").unwrap();
            sender.close();
            sender
        });
        assert!(receiver.iter().eq([zmtp::Message::from("last")]));
        drop(thread.join().unwrap());
    });
}

#[test]
fn a_receiver_that_goes_wakes_the_sender() {
    model(|| {
        let (mut sender, receiver) = one_place();
        sender.send("lost").unwrap();
        let thread = thread::spawn(move || drop(receiver));
        assert_eq!(sender.send("never").unwrap_err().into_inner()[0], "never");
        thread.join().unwrap();
    });
}

#[test]
fn what_both_ends_count_is_never_too_much() {
    model(|| {
        let (mut sender, mut receiver) = channel(Limits::default());
        let thread = thread::spawn(move || {
            for n in 0..3 {
                sender.send(vec![n; 20]).unwrap();
            }
            sender
        });
        let first = receiver.len();
        let received = receiver.try_recv().is_ok();
        assert!(received || first == 0);
        assert!(receiver.len() + usize::from(received) <= 3);
        let sender = thread.join().unwrap();
        assert_eq!(sender.len(), 3 - usize::from(received));
        assert_eq!(receiver.len(), 3 - usize::from(received));
    });
}
