//! Whether a silent peer is alive. RFC 37, "Connection Heartbeating".

use std::time::Instant;

use zmtp::{Command, Heartbeat, HeartbeatConfig};

use super::{Engine, Phase};
use crate::{
    event::CloseReason,
    parts::{Host, Parts},
    signals::{Caller, Due, Outcome},
};

/// The heartbeats of a connection that has any: of this end, or with a time to live that the peer has given.
pub(super) struct Pulse {
    beat: Heartbeat,
    /// When the I/O thread's timer comes, if it is set.
    timer: Option<Instant>,
}

impl Pulse {
    fn new(config: HeartbeatConfig) -> Box<Self> {
        Box::new(Self {
            beat: Heartbeat::new(config, Instant::now()),
            timer: None,
        })
    }
}

impl Engine {
    /// Traffic has begun.
    pub(super) fn begin_heartbeats(&mut self, connection: &Parts) {
        self.stop_heartbeats();
        if let Some(config) = connection.options.heartbeat()
            && self.version.has_commands()
        {
            self.pulse = Some(Pulse::new(config));
            self.set_heartbeat_timer(connection);
        }
    }

    pub(super) fn stop_heartbeats(&mut self) {
        self.pulse = None;
        self.heard = false;
    }

    /// The peer has sent a PING that says how long it will be silent at most, in tenths of a second.
    pub(super) fn on_ping(&mut self, connection: &Parts, ttl: u16) {
        let heard = std::mem::take(&mut self.heard);
        let pulse = self
            .pulse
            .get_or_insert_with(|| Pulse::new(HeartbeatConfig::off()));
        if heard {
            pulse.beat.on_input();
        }
        pulse.beat.on_ping(ttl, Instant::now());
        self.set_heartbeat_timer(connection);
    }

    /// The timer came: sends what is due, or finds that the peer is not there any more.
    pub(super) fn on_heartbeat(
        &mut self,
        connection: &Parts,
        host: &dyn Host,
    ) -> Result<(), CloseReason> {
        let now = Instant::now();
        let Some(pulse) = &mut self.pulse else {
            return Ok(());
        };
        pulse.timer = None;
        if !matches!(self.phase, Phase::Traffic) || self.broken.is_some() {
            return Ok(());
        }
        if pulse.beat.clone().handle_timeout(now).is_err() && !self.heard {
            // While an application waits for its input itself nobody else reads. What lies there counts.
            self.on_readable(connection, host, Caller::Application)?;
        }
        let Some(pulse) = &mut self.pulse else {
            return Ok(());
        };
        // While this end does not read on, it cannot know.
        if std::mem::take(&mut self.heard) || self.paused {
            pulse.beat.on_input();
        }
        if let Some(ttl) = pulse.beat.handle_timeout(now)? {
            self.send_ping(ttl);
        }
        self.set_heartbeat_timer(connection);
        Ok(())
    }

    /// If the stream has not even taken what was to be said before, one more PING helps nobody.
    fn send_ping(&mut self, ttl: u16) {
        let ping = Command::Ping { ttl, context: b"" };
        match &mut self.translator {
            Some(translator) => translator.say_command(ping),
            None if self.control.is_empty() => ping.encode(&mut self.control),
            None => {}
        }
    }

    fn set_heartbeat_timer(&mut self, connection: &Parts) {
        let Some(pulse) = &mut self.pulse else {
            return;
        };
        let Some(at) = pulse.beat.poll_timeout() else {
            return;
        };
        // One that comes earlier than needed sets the next one.
        if pulse.timer.is_none_or(|timer| at < timer) {
            pulse.timer = Some(at);
            let after = at.saturating_duration_since(Instant::now());
            connection.report(Outcome::Timer(after, Due::Heartbeat));
        }
    }
}
