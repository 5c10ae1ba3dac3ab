//! The way of events to whoever watches a socket.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use zpipe::{Guarded, Notifier, Readiness, deferred};

use crate::{
    event::{Event, EventKinds},
    io::is_io_thread,
};

/// The socket's end. Sending is done in order by whoever has locked the socket's watch.
#[derive(Debug)]
pub(crate) struct EventSender {
    shared: Arc<Guarded<Queue>>,
    kinds: EventKinds,
    capacity: usize,
}

/// Events of one socket, in the order in which they happened, made by
/// [`SocketHandle::monitor`](crate::SocketHandle::monitor).
#[derive(Debug)]
pub struct EventReceiver {
    shared: Arc<Guarded<Queue>>,
}

#[derive(Debug)]
struct Queue {
    events: VecDeque<Event>,
    /// Events that were not kept after the last one that was.
    missed: u64,
    /// How it ends.
    end: End,
    /// Nobody will read it.
    is_abandoned: bool,
    waker: Option<Waker>,
    watcher: Option<Notifier>,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Not yet.
    Open,
    /// The socket is gone, which the reader is still to be told.
    Stopped,
    /// Nothing more is to be told.
    Over,
}

/// A queue that takes memory for the events that it holds, and not for those that it could hold.
pub(crate) fn event_queue(kinds: EventKinds, capacity: usize) -> (EventSender, EventReceiver) {
    let queue = Queue {
        events: VecDeque::new(),
        missed: 0,
        end: End::Open,
        is_abandoned: false,
        waker: None,
        watcher: None,
    };
    let shared = Arc::new(Guarded::new(queue));
    let sender = EventSender {
        shared: Arc::clone(&shared),
        kinds,
        capacity,
    };
    (sender, EventReceiver { shared })
}

impl Queue {
    fn pop(&mut self) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            if self.events.is_empty() {
                // A burst's memory goes with it.
                self.events = VecDeque::new();
            }
            return Some(event);
        }
        if self.missed > 0 {
            let missed = std::mem::take(&mut self.missed);
            return Some(Event::Lagged { missed });
        }
        if self.end == End::Stopped {
            self.end = End::Over;
            return Some(Event::MonitorStopped);
        }
        None
    }

    /// Whether a reader has nothing to wait for: there is something, or there will never be.
    fn is_ready(&self) -> bool {
        !self.events.is_empty() || self.missed > 0 || self.end != End::Open
    }
}

/// Whom to wake. Used when nothing is locked, since a waker is foreign code.
#[must_use]
pub(crate) struct Wake {
    shared: Arc<Guarded<Queue>>,
    waker: Option<Waker>,
    watcher: Option<Notifier>,
}

impl Wake {
    fn new(shared: &Arc<Guarded<Queue>>, queue: &mut Queue) -> Self {
        Self {
            shared: Arc::clone(shared),
            waker: queue.waker.take(),
            watcher: queue.watcher.clone(),
        }
    }

    pub(crate) fn wake(self) {
        self.shared.notify_all();
        if let Some(watcher) = self.watcher {
            watcher.notify(Readiness::READABLE);
        }
        if let Some(waker) = self.waker {
            deferred::wake(waker);
        }
    }
}

/// What became of an event.
pub(crate) enum Sent {
    /// The reader does not want it, or has not read others yet.
    Quietly,
    /// The reader may wait for it.
    Queued(Wake),
    /// The queue is full.
    Dropped,
    /// Nobody will read it.
    Closed,
}

impl EventSender {
    pub(crate) fn send(&mut self, event: &Event) -> Sent {
        let mut queue = self.shared.lock();
        if queue.is_abandoned {
            return Sent::Closed;
        }
        if !self.kinds.contains(event.kind()) {
            return Sent::Quietly;
        }
        if queue.events.len() >= self.capacity {
            queue.missed += 1;
            return Sent::Dropped;
        }
        let was_ready = queue.is_ready();
        if queue.missed > 0 {
            let missed = std::mem::take(&mut queue.missed);
            queue.events.push_back(Event::Lagged { missed });
        }
        queue.events.push_back(event.clone());
        if was_ready {
            return Sent::Quietly;
        }
        Sent::Queued(Wake::new(&self.shared, &mut queue))
    }

    /// Whether nobody will read any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.lock().is_abandoned
    }
}

impl Drop for EventSender {
    /// The socket is gone.
    fn drop(&mut self) {
        let wake = {
            let mut queue = self.shared.lock();
            if queue.is_abandoned {
                return;
            }
            queue.end = if self.kinds.contains(EventKinds::MONITOR_STOPPED) {
                End::Stopped
            } else {
                End::Over
            };
            Wake::new(&self.shared, &mut queue)
        };
        wake.wake();
    }
}

impl EventReceiver {
    /// Waits for the next event. `None` when the socket is gone and everything was read; on an I/O thread, which waits for
    /// nothing but its poll, also when there is none now.
    #[must_use]
    pub fn recv(&self) -> Option<Event> {
        self.recv_until(None)
    }

    /// Waits for the next event; `None` when the time is over or the socket is gone. On an I/O thread it does not wait.
    #[must_use]
    pub fn recv_timeout(&self, timeout: Duration) -> Option<Event> {
        self.recv_until(Instant::now().checked_add(timeout))
    }

    fn recv_until(&self, deadline: Option<Instant>) -> Option<Event> {
        if is_io_thread() {
            return self.try_recv();
        }
        let next = self.shared.wait_until(deadline, |queue| {
            let event = queue.pop();
            (event.is_some() || queue.end == End::Over).then_some(event)
        });
        next.flatten()
    }

    /// The next event, if there is one.
    #[must_use]
    pub fn try_recv(&self) -> Option<Event> {
        self.shared.lock().pop()
    }

    /// The next event, or `None` when the socket is gone and everything was read. Otherwise the task is woken when it is worth
    /// asking again; there is one task at a time, and the last one wins.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Some(event) = self.try_recv() {
            return Poll::Ready(Some(event));
        }
        // Cloned before the lock: it is foreign code.
        let waker = context.waker().clone();
        let (result, old) = {
            let mut queue = self.shared.lock();
            match queue.pop() {
                Some(event) => (Poll::Ready(Some(event)), Some(waker)),
                None if queue.end == End::Over => (Poll::Ready(None), Some(waker)),
                None => (Poll::Pending, queue.waker.replace(waker)),
            }
        };
        // May be the last handle of a task.
        old.into_iter().for_each(deferred::drop_waker);
        result
    }

    /// Forgets the task that was to be woken.
    pub fn unregister(&mut self) {
        let old = self.shared.lock().waker.take();
        old.into_iter().for_each(deferred::drop_waker);
    }

    /// Whether a look would not be in vain: there is an event, or there will never be another.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.shared.lock().is_ready()
    }

    /// Whether the last event was taken: there will never be another.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let queue = self.shared.lock();
        queue.events.is_empty() && queue.missed == 0 && queue.end == End::Over
    }

    /// Has `by` signalled, with [`READABLE`](Readiness::READABLE), when it is ready and was not before; at once if it is now.
    /// `false`, and nothing has changed, if somebody else is signalled already.
    #[must_use]
    pub fn watch(&self, by: Notifier) -> bool {
        let mut queue = self.shared.lock();
        if queue.watcher.is_some() {
            return false;
        }
        queue.watcher = Some(by.clone());
        let is_ready = queue.is_ready();
        drop(queue);
        if is_ready {
            by.notify(Readiness::READABLE);
        }
        true
    }

    /// Ends [`watch`](Self::watch). A signal that is on its way may still arrive.
    pub fn unwatch(&self) {
        let old = self.shared.lock().watcher.take();
        drop(old);
    }
}

impl Drop for EventReceiver {
    fn drop(&mut self) {
        let (events, waker, watcher) = {
            let mut queue = self.shared.lock();
            queue.is_abandoned = true;
            let events = std::mem::take(&mut queue.events);
            (events, queue.waker.take(), queue.watcher.take())
        };
        drop((events, watcher));
        waker.into_iter().for_each(deferred::drop_waker);
    }
}

#[cfg(test)]
mod tests {
    use zpipe::ReadySet;

    use super::*;

    fn event() -> Event {
        let endpoint = "inproc://a".parse().unwrap();
        Event::ConnectDelayed { endpoint }
    }

    fn is_kept(sent: Sent) -> bool {
        matches!(sent, Sent::Quietly | Sent::Queued(_))
    }

    #[test]
    fn holds_as_many_as_it_may_and_tells_in_place_how_many_it_has_missed() {
        let (mut sender, receiver) = event_queue(EventKinds::ALL, 100);
        for _ in 0..100 {
            assert!(is_kept(sender.send(&event())));
        }
        for _ in 0..7 {
            assert!(matches!(sender.send(&event()), Sent::Dropped));
        }
        for _ in 0..60 {
            assert!(matches!(
                receiver.try_recv(),
                Some(Event::ConnectDelayed { .. })
            ));
        }
        assert!(is_kept(sender.send(&event())));
        for _ in 0..40 {
            assert!(matches!(
                receiver.try_recv(),
                Some(Event::ConnectDelayed { .. })
            ));
        }
        assert!(matches!(
            receiver.try_recv(),
            Some(Event::Lagged { missed: 7 })
        ));
        assert!(matches!(
            receiver.try_recv(),
            Some(Event::ConnectDelayed { .. })
        ));
        assert!(receiver.try_recv().is_none());
        drop(receiver);
        assert!(matches!(sender.send(&event()), Sent::Closed));
        assert!(sender.is_closed());
    }

    #[test]
    fn what_was_missed_is_told_though_nothing_comes_after_it() {
        let (mut sender, receiver) = event_queue(EventKinds::ALL, 1);
        assert!(is_kept(sender.send(&event())));
        assert!(matches!(sender.send(&event()), Sent::Dropped));
        assert!(matches!(
            receiver.try_recv(),
            Some(Event::ConnectDelayed { .. })
        ));
        assert!(receiver.is_ready());
        assert!(matches!(
            receiver.try_recv(),
            Some(Event::Lagged { missed: 1 })
        ));
        assert!(!receiver.is_ready());
    }

    #[test]
    fn only_the_kinds_that_are_wanted_take_room() {
        let (mut sender, receiver) = event_queue(EventKinds::LISTENING, 1);
        for _ in 0..10 {
            assert!(is_kept(sender.send(&event())));
        }
        assert!(receiver.try_recv().is_none());
        drop(sender);
        // Not even of the end, which was not asked for.
        assert!(receiver.recv().is_none());
    }

    #[test]
    fn what_was_sent_can_be_read_when_the_socket_is_gone() {
        let (mut sender, receiver) = event_queue(EventKinds::ALL, 1);
        assert!(is_kept(sender.send(&event())));
        drop(sender);
        assert!(matches!(
            receiver.recv(),
            Some(Event::ConnectDelayed { .. })
        ));
        assert!(!receiver.is_over());
        assert!(matches!(receiver.recv(), Some(Event::MonitorStopped)));
        assert!(receiver.is_over());
        assert!(receiver.recv().is_none());
        assert!(receiver.recv_timeout(Duration::MAX).is_none());
    }

    #[test]
    fn a_task_and_a_watcher_are_told_once_for_each_time_that_there_is_something() {
        let (mut sender, mut receiver) = event_queue(EventKinds::ALL, 10);
        let mut set = ReadySet::new();
        assert!(receiver.watch(set.notifier(3)));
        assert!(!receiver.watch(set.notifier(4)), "there is one already");
        let mut context = Context::from_waker(Waker::noop());
        assert!(receiver.poll_recv(&mut context).is_pending());
        let Sent::Queued(wake) = sender.send(&event()) else {
            panic!("somebody waits")
        };
        assert!(wake.waker.is_some());
        wake.wake();
        assert!(matches!(sender.send(&event()), Sent::Quietly));
        let mut seen = Vec::new();
        set.drain(|token, _| seen.push(token));
        assert_eq!(seen, [3]);
        assert!(receiver.poll_recv(&mut context).is_ready());
        assert!(receiver.poll_recv(&mut context).is_ready());
        receiver.unwatch();
        // Whoever begins to watch hears of what is there.
        let _ = sender.send(&event());
        assert!(set.is_empty());
        assert!(receiver.watch(set.notifier(5)));
        assert!(!set.is_empty());
    }
}
