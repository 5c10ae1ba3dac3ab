//! A task's turn: how long it goes on with messages that are there before others run.
//!
//! A future that is always ready never gives its thread back: under a flood, the timers and the other tasks of that thread would
//! wait for as long as it lasts. So after a while the future says that it is not ready, and has its task woken at once, which
//! puts it behind those that wait to run.

use std::{
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// Messages in a row. Yielding costs an executor less than a microsecond, so little for each of them.
const MESSAGES: u32 = 64;

/// The time for them, with what the task does with each.
const TIME: Duration = Duration::from_micros(200);

/// See the module documentation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turn {
    messages: u32,
    /// When the first of them came.
    begin: Option<Instant>,
}

impl Turn {
    /// Polls, if the turn is not over. Whoever finds nothing begins a new one.
    #[inline]
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if self.is_over() {
            self.messages = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = poll(cx);
        if polled.is_ready() {
            self.count();
        } else {
            self.messages = 0;
        }
        polled
    }

    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.messages >= MESSAGES
    }

    /// One more message.
    #[inline]
    pub(crate) fn count(&mut self) {
        self.messages += 1;
        // The clock costs as much as a message. Looking at it each time that their number has doubled is often enough to go beyond
        // the time by no more than as much again, or by what the task does with one message.
        if self.messages.is_power_of_two() {
            self.look_at_clock();
        }
    }

    #[inline(never)]
    fn look_at_clock(&mut self) {
        let now = Instant::now();
        match self.begin {
            Some(begin) if self.messages > 1 => {
                if now.saturating_duration_since(begin) >= TIME {
                    self.messages = MESSAGES;
                }
            }
            _ => self.begin = Some(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        task::{Wake, Waker},
    };

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many polls in a row are ready before one is not.
    fn row(turn: &mut Turn, mut poll: impl FnMut() -> Poll<()>) -> u32 {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        let row = (0..).find(|_| turn.poll(&mut cx, |_| poll()).is_pending());
        assert_eq!(
            woken.0.load(Ordering::Relaxed),
            1,
            "a task that yields goes on by itself"
        );
        row.unwrap()
    }

    #[test]
    fn a_turn_has_an_end_and_then_begins_again() {
        let mut turn = Turn::default();
        for _ in 0..3 {
            let row = row(&mut turn, || Poll::Ready(()));
            assert!((1..=MESSAGES).contains(&row), "{row}");
        }
    }

    #[test]
    fn slow_work_ends_it_sooner() {
        let mut turn = Turn::default();
        let slowly = || {
            let begin = Instant::now();
            while begin.elapsed() < TIME {}
            Poll::Ready(())
        };
        assert!(row(&mut turn, slowly) <= 2);
    }

    #[test]
    fn whoever_waits_begins_a_new_one() {
        let mut turn = Turn::default();
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..10 * MESSAGES {
            assert!(turn.poll(&mut cx, |_| Poll::Ready(())).is_ready());
            assert!(turn.poll(&mut cx, |_| Poll::<()>::Pending).is_pending());
            assert_eq!(turn.messages, 0);
        }
    }
}
