//! How far the application drives an engine, so that the I/O thread need not.

use std::{os::fd::AsFd, time::Duration};

use super::{Engine, Outcome, Phase};
use crate::connection::Connection;

/// How long what an application leaves in an outbound pipe may stay there while it streams.
pub(super) const OUTPUT_TICK: Duration = Duration::from_micros(200);
/// Ticks in a row without a full pipe after which a stream is over.
const QUIET_TICKS: u32 = 4;
/// How long an application that reads itself may stay away before the I/O thread reads again, at
/// first, and while the application is blocked in a call.
const LEASE_TICK: Duration = Duration::from_millis(10);
const LEASE_TICK_MAX: Duration = Duration::from_millis(100);

/// How far the application drives this engine, so that the I/O thread need not.
///
/// *Output.* While an application streams, filling the pipe again and again and writing it out itself
/// each time, the pipe is not marked idle when it is empty: so no commit wakes the I/O thread.
/// Instead the I/O thread looks in every [`OUTPUT_TICK`], and ends this when the stream dries up.
///
/// *Input.* An application that blocks in `recv` waits for the stream itself, and the I/O thread is
/// not told of input. It looks in from time to time, and takes over again when the application has
/// stayed away.
#[derive(Default)]
pub(super) struct Attention {
    /// The application streams.
    pub(super) output: bool,
    /// Full pipes since the last tick.
    pub(super) full: u32,
    quiet: u32,
    /// The application has the input side.
    pub(super) input: bool,
    /// It is blocked, waiting for input.
    pub(super) blocked: bool,
    /// It has read since the last tick.
    pub(super) used: bool,
    lease_tick: Duration,
    /// A tick is due.
    pub(super) ticking: bool,
}

impl Attention {
    /// Forgets what was about a stream that is gone. A tick that is due still comes.
    pub(super) fn reset(&mut self) {
        *self = Self {
            ticking: self.ticking,
            ..Self::default()
        };
    }
}

impl Engine {
    /// Gives the input side to an application thread that waits for the stream.
    pub(super) fn begin_lease(&mut self, connection: &Connection) {
        let (Phase::Traffic, Some(stream)) = (&self.phase, &self.stream) else {
            return;
        };
        if !self.attention.input {
            let watched = connection
                .registry
                .watch_input(stream.as_fd(), connection.id, false);
            if watched.is_err() {
                return; // Then the I/O thread reads too, which does no harm.
            }
            self.attention.input = true;
            self.attention.lease_tick = LEASE_TICK;
            self.tick(connection, LEASE_TICK);
        }
        self.attention.blocked = true;
        self.attention.used = true;
    }

    pub(super) fn end_lease(&mut self, connection: &Connection) {
        if std::mem::take(&mut self.attention.input)
            && let Some(stream) = &self.stream
        {
            // Arming again reports what is there already. It fails only if the descriptor was never
            // registered, and then the connection is about to be given up.
            let _ = connection
                .registry
                .watch_input(stream.as_fd(), connection.id, true);
        }
        self.attention.blocked = false;
    }

    /// Asks for a tick, unless one is due already.
    pub(super) fn tick(&mut self, connection: &Connection, after: Duration) {
        if !std::mem::replace(&mut self.attention.ticking, true) {
            connection.report(Outcome::Tick(after));
        }
    }

    pub(super) fn on_tick(&mut self, connection: &Connection) {
        let attention = &mut self.attention;
        attention.ticking = false;
        if attention.output {
            let full = std::mem::take(&mut attention.full) > 0;
            attention.quiet = if full { 0 } else { attention.quiet + 1 };
            attention.output = attention.quiet < QUIET_TICKS;
        }
        let mut next = attention.output.then_some(OUTPUT_TICK);
        if attention.input {
            if attention.blocked {
                attention.lease_tick = (attention.lease_tick * 2).min(LEASE_TICK_MAX);
            } else if !attention.used {
                self.end_lease(connection);
            }
            let attention = &mut self.attention;
            if std::mem::take(&mut attention.used) && !attention.blocked {
                attention.lease_tick = LEASE_TICK;
            }
            if attention.input && next.is_none() {
                next = Some(attention.lease_tick);
            }
        }
        if let Some(next) = next {
            self.tick(connection, next);
        }
    }
}
