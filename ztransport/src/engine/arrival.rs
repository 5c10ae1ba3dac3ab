//! The longest time that one message may take to arrive.

use std::time::{Duration, Instant};

use super::{Engine, Phase};
use crate::{
    event::CloseReason,
    parts::Parts,
    signals::{Due, Outcome},
};

/// Watches the message that is arriving.
#[derive(Default)]
pub(super) struct Arrival {
    /// Which one it is, and since when it is known to have begun.
    current: Option<(u64, Instant)>,
    /// A timer is set.
    timing: bool,
}

impl Arrival {
    /// How long the message with this number has taken so far.
    fn age(&mut self, number: u64, now: Instant) -> Duration {
        match self.current {
            Some((current, since)) if current == number => now.saturating_duration_since(since),
            _ => {
                self.current = Some((number, now));
                Duration::ZERO
            }
        }
    }

    /// No message is arriving, or it is we who do not read on.
    pub(super) fn pause(&mut self) {
        self.current = None;
    }

    /// The timer came.
    pub(super) fn on_timer(&mut self) {
        self.timing = false;
    }
}

impl Engine {
    /// After input: sees to it that a message which never becomes whole is noticed.
    pub(super) fn watch_arrival(&mut self, connection: &Parts) -> Result<(), CloseReason> {
        let Some(limit) = connection.options.message_timeout else {
            return Ok(());
        };
        let Some(number) = self.arriving() else {
            self.arrival.pause();
            return Ok(());
        };
        let age = self.arrival.age(number, Instant::now());
        let Some(left) = limit.checked_sub(age).filter(|left| !left.is_zero()) else {
            return Err(CloseReason::MessageTimeout);
        };
        if !std::mem::replace(&mut self.arrival.timing, true) {
            connection.report(Outcome::Timer(left, Due::Arrival));
        }
        Ok(())
    }

    /// The number of the message that has begun to arrive, while we do read on.
    fn arriving(&self) -> Option<u64> {
        let (Phase::Traffic, Some(pipes), false) = (&self.phase, &self.pipes, self.paused) else {
            return None;
        };
        let inbound = &pipes.inbound;
        let (is_partial, passed) = match (&self.sink, &self.translator) {
            (Some(sink), _) => (sink.is_partial(), sink.messages()),
            (None, Some(translator)) => (translator.is_mid_message(), translator.passed()),
            (None, None) => (inbound.is_mid_message(), 0),
        };
        is_partial.then(|| inbound.written() + passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_has_its_own_time() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut arrival = Arrival::default();
        assert_eq!(arrival.age(1, at(0)), Duration::ZERO);
        assert_eq!(arrival.age(1, at(30)), Duration::from_millis(30));
        assert_eq!(arrival.age(2, at(40)), Duration::ZERO);
        assert_eq!(arrival.age(2, at(50)), Duration::from_millis(10));
        // What happened while we did not read does not count.
        arrival.pause();
        assert_eq!(arrival.age(2, at(90)), Duration::ZERO);
    }
}
