//! Monitors that are read by tasks.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context as TaskContext, Poll, Wake, Waker},
};

use futures_util::{StreamExt, stream::FusedStream};
use zsocket::{Context, Event, EventKinds, Pull};

use crate::support::{eventually, loopback};

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_monitor_is_a_stream_that_ends_with_its_socket() {
    let pull = Context::new().socket::<Pull>().unwrap();
    let mut monitor = pull.monitor();
    pull.bind(loopback()).unwrap();
    drop(pull);
    let kinds: Vec<_> = smol::block_on(async {
        let events = monitor.by_ref().map(|event| event.kind());
        events.collect().await
    });
    let expected = [
        EventKinds::LISTENING,
        EventKinds::LISTENER_CLOSED,
        EventKinds::MONITOR_STOPPED,
    ];
    assert_eq!(kinds, expected);
    assert!(monitor.is_terminated());
}

#[test]
fn a_wait_that_is_cancelled_has_taken_nothing_and_wakes_nobody() {
    let pull = Context::new().socket::<Pull>().unwrap();
    let mut monitor = pull.monitor();
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut context = TaskContext::from_waker(&waker);
    {
        let wait = pin!(monitor.recv_async());
        assert!(wait.poll(&mut context).is_pending());
    }
    assert_eq!(Arc::strong_count(&count), 2, "no waker is left behind");
    pull.bind(loopback()).unwrap();
    let event = smol::block_on(monitor.recv_async());
    assert!(matches!(event, Some(Event::Listening { .. })));
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    // One that is not cancelled is woken once, however much happens before it looks.
    let mut wait = Box::pin(monitor.recv_async());
    assert!(wait.as_mut().poll(&mut context).is_pending());
    let bound = pull.bind(loopback()).unwrap();
    pull.unbind(bound).unwrap();
    eventually("it is woken", || count.0.load(Ordering::Relaxed) == 1);
    assert!(matches!(
        wait.as_mut().poll(&mut context),
        Poll::Ready(Some(Event::Listening { .. }))
    ));
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
}
