//! Heartbeats: when to send a PING, and when to take the peer for dead.
//!
//! Sections followed: RFC 37, "Connection Heartbeating".

use std::time::{Duration, Instant};

use crate::Error;
use crate::command::MAX_SAFE_TTL;

/// When to send heartbeats and how long to wait for a sign of life. By default, no heartbeats are
/// sent; those of the peer are answered all the same.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use zmtp::HeartbeatConfig;
///
/// let config = HeartbeatConfig::every(Duration::from_secs(5))
///     .with_timeout(Duration::from_secs(2))
///     .with_ttl(Duration::from_secs(20));
/// assert_eq!(config.ttl_deciseconds(), 200);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeartbeatConfig {
    interval: Option<Duration>,
    timeout: Option<Duration>,
    ttl: Duration,
}

impl HeartbeatConfig {
    /// No heartbeats.
    #[must_use]
    pub const fn off() -> Self {
        Self {
            interval: None,
            timeout: None,
            ttl: Duration::ZERO,
        }
    }

    /// A PING each `interval`, whatever else travels. Zero means no heartbeats.
    #[must_use]
    pub fn every(interval: Duration) -> Self {
        Self {
            interval: Some(interval).filter(|interval| !interval.is_zero()),
            ..Self::off()
        }
    }

    /// How long after a PING the peer may stay silent; by default as long as the interval. Zero
    /// means for ever.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long the peer may hear nothing from this end before it gives up, which every PING tells
    /// it. Zero, the default, means for ever.
    #[must_use]
    pub const fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// The time to live as a PING carries it, in tenths of a second: rounded up, and no more than
    /// [`MAX_SAFE_TTL`], 65.5 seconds.
    #[must_use]
    pub fn ttl_deciseconds(&self) -> u16 {
        let tenths = self.ttl.as_millis().div_ceil(100);
        u16::try_from(tenths).unwrap_or(u16::MAX).min(MAX_SAFE_TTL)
    }
}

/// The heartbeat timers of one connection. It sends nothing and has no clock: it says when to act.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    config: HeartbeatConfig,
    next_ping: Option<Instant>,
    /// When a PING of ours counts as unanswered.
    pong_deadline: Option<Instant>,
    /// When the time to live of the peer's last PING is over.
    ttl_deadline: Option<Instant>,
}

impl Heartbeat {
    /// Starts the timers: the handshake was completed at `now`.
    #[must_use]
    pub fn new(config: HeartbeatConfig, now: Instant) -> Self {
        let next_ping = config
            .interval
            .and_then(|interval| now.checked_add(interval));
        Self {
            config,
            next_ping,
            pong_deadline: None,
            ttl_deadline: None,
        }
    }

    /// Something arrived, which proves that the peer is alive.
    ///
    /// Any bytes do, even those of an incomplete frame, so that a message which takes long is no
    /// reason to give up.
    #[inline]
    pub const fn on_input(&mut self) {
        self.pong_deadline = None;
        self.ttl_deadline = None;
    }

    /// A PING with this time to live, in tenths of a second, arrived at `now`.
    pub fn on_ping(&mut self, ttl: u16, now: Instant) {
        if ttl > 0 && self.ttl_deadline.is_none() {
            self.ttl_deadline = now.checked_add(Duration::from_millis(u64::from(ttl) * 100));
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next, if ever.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.next_ping, self.pong_deadline, self.ttl_deadline]
            .into_iter()
            .flatten()
            .min()
    }

    /// Tells what is due at `now`: `Some(ttl)` asks for a PING with this time to live.
    ///
    /// # Errors
    ///
    /// [`Error::HeartbeatTimeout`] or [`Error::PeerTtlExpired`] when the peer has been silent for
    /// too long.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<Option<u16>, Error> {
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if is_due(self.pong_deadline) {
            return Err(Error::HeartbeatTimeout);
        }
        if is_due(self.ttl_deadline) {
            return Err(Error::PeerTtlExpired);
        }
        if !is_due(self.next_ping) {
            return Ok(None);
        }
        self.next_ping = self
            .config
            .interval
            .and_then(|interval| now.checked_add(interval));
        if self.pong_deadline.is_none() {
            let timeout = self.config.timeout.or(self.config.interval);
            self.pong_deadline = timeout
                .filter(|timeout| !timeout.is_zero())
                .and_then(|timeout| now.checked_add(timeout));
        }
        Ok(Some(self.config.ttl_deciseconds()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    // spec: WIRE-3.5/ttl-cap: a TTL above 65.5 seconds is never sent
    #[test]
    fn ttl_is_rounded_up_and_capped() {
        let ttl = |ttl| HeartbeatConfig::off().with_ttl(ttl).ttl_deciseconds();
        assert_eq!(ttl(Duration::ZERO), 0);
        assert_eq!(ttl(Duration::from_millis(1)), 1);
        assert_eq!(ttl(5 * SECOND), 50);
        assert_eq!(ttl(65_600 * SECOND), 655);
        assert_eq!(ttl(Duration::MAX), 655);
    }

    // spec: RFC37/heartbeat-timeout: a peer that answers no PING in time is given up
    #[test]
    fn pings_at_each_interval_and_gives_up_after_the_timeout() {
        let start = Instant::now();
        let config = HeartbeatConfig::every(5 * SECOND).with_timeout(2 * SECOND);
        let mut heartbeat = Heartbeat::new(config, start);
        assert_eq!(heartbeat.poll_timeout(), Some(start + 5 * SECOND));
        assert_eq!(heartbeat.handle_timeout(start + 4 * SECOND), Ok(None));
        assert_eq!(heartbeat.handle_timeout(start + 5 * SECOND), Ok(Some(0)));
        assert_eq!(heartbeat.poll_timeout(), Some(start + 7 * SECOND));
        heartbeat.on_input();
        assert_eq!(heartbeat.poll_timeout(), Some(start + 10 * SECOND));
        assert_eq!(heartbeat.handle_timeout(start + 10 * SECOND), Ok(Some(0)));
        let error = heartbeat.handle_timeout(start + 12 * SECOND).unwrap_err();
        assert_eq!(error, Error::HeartbeatTimeout);
    }

    // spec: RFC37/heartbeat-ttl: a peer that is silent longer than the TTL it announced is given up
    #[test]
    fn the_ttl_of_the_first_ping_counts_until_something_arrives() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(HeartbeatConfig::off(), start);
        assert_eq!(heartbeat.poll_timeout(), None);
        heartbeat.on_ping(0, start);
        assert_eq!(heartbeat.poll_timeout(), None);
        heartbeat.on_ping(10, start);
        heartbeat.on_ping(100, start);
        assert_eq!(heartbeat.poll_timeout(), Some(start + SECOND));
        assert_eq!(
            heartbeat.clone().handle_timeout(start + SECOND),
            Err(Error::PeerTtlExpired)
        );
        heartbeat.on_input();
        assert_eq!(heartbeat.handle_timeout(start + SECOND), Ok(None));
    }

    #[test]
    fn zero_means_never() {
        let start = Instant::now();
        assert_eq!(
            HeartbeatConfig::every(Duration::ZERO),
            HeartbeatConfig::off()
        );
        let config = HeartbeatConfig::every(SECOND).with_timeout(Duration::ZERO);
        let mut heartbeat = Heartbeat::new(config, start);
        assert_eq!(heartbeat.handle_timeout(start + SECOND), Ok(Some(0)));
        assert_eq!(heartbeat.poll_timeout(), Some(start + 2 * SECOND));
    }

    #[test]
    fn durations_beyond_the_clock_mean_never() {
        let config = HeartbeatConfig::every(Duration::MAX).with_timeout(Duration::MAX);
        assert_eq!(Heartbeat::new(config, Instant::now()).poll_timeout(), None);
    }
}
