//! The way of events to whoever watches a socket.

use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, unbounded};

use crate::event::Event;

/// The socket's end. It is locked whenever it is used, so no other thread comes between a look at the
/// number of events and the next event.
#[derive(Debug)]
pub(crate) struct EventSender {
    events: Sender<Event>,
    capacity: usize,
}

/// Events of one socket, in the order in which they happened, made by
/// [`SocketHandle::monitor`](crate::SocketHandle::monitor).
#[derive(Debug)]
pub struct EventReceiver {
    events: Receiver<Event>,
}

/// A queue that takes memory for the events that it holds, and not for those that it could hold.
pub(crate) fn event_queue(capacity: usize) -> (EventSender, EventReceiver) {
    let (sender, receiver) = unbounded();
    let sender = EventSender {
        events: sender,
        capacity,
    };
    (sender, EventReceiver { events: receiver })
}

/// What became of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Queued,
    /// The queue is full.
    Dropped,
    /// Nobody will read it.
    Closed,
}

impl EventSender {
    pub(crate) fn send(&mut self, event: impl FnOnce() -> Event) -> Sent {
        if self.events.len() >= self.capacity {
            return Sent::Dropped;
        }
        match self.events.send(event()) {
            Ok(()) => Sent::Queued,
            Err(_) => Sent::Closed,
        }
    }
}

impl EventReceiver {
    /// Waits for the next event; `None` when the time is over or the socket is gone.
    #[must_use]
    pub fn recv_timeout(&self, timeout: Duration) -> Option<Event> {
        self.events.recv_timeout(timeout).ok()
    }

    /// The next event, if there is one.
    #[must_use]
    pub fn try_recv(&self) -> Option<Event> {
        self.events.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        let endpoint = "inproc://a".parse().unwrap();
        Event::Listening { endpoint }
    }

    #[test]
    fn holds_as_many_as_it_may_and_goes_on_when_it_was_read() {
        let (mut sender, receiver) = event_queue(100);
        for round in 0..3 {
            let free = if round == 0 { 100 } else { 60 };
            for _ in 0..free {
                assert_eq!(sender.send(event), Sent::Queued);
            }
            assert_eq!(sender.send(|| panic!("made in vain")), Sent::Dropped);
            for _ in 0..60 {
                assert!(receiver.try_recv().is_some());
            }
        }
        for _ in 0..40 {
            assert!(receiver.recv_timeout(Duration::ZERO).is_some());
        }
        assert!(receiver.try_recv().is_none());
        drop(receiver);
        assert_eq!(sender.send(event), Sent::Closed);
    }

    #[test]
    fn what_was_sent_can_be_read_when_the_socket_is_gone() {
        let (mut sender, receiver) = event_queue(1);
        sender.send(event);
        drop(sender);
        assert!(receiver.recv_timeout(Duration::MAX).is_some());
        assert!(receiver.recv_timeout(Duration::MAX).is_none());
    }
}
