//! How far the application writes for an engine, so that the I/O thread need not.

use std::time::Duration;

use super::Engine;
use crate::{parts::Parts, signals::Outcome};

/// How long what an application leaves in an outbound pipe may stay there while it streams.
pub(super) const OUTPUT_TICK: Duration = Duration::from_micros(200);
/// Ticks in a row without a full pipe after which a stream is over.
const QUIET_TICKS: u32 = 4;

/// While an application streams, filling the pipe again and again and writing it out itself each time,
/// the pipe is not marked idle when it is empty: so no commit wakes the I/O thread. Instead the I/O
/// thread looks in every [`OUTPUT_TICK`], and ends this when the stream dries up.
#[derive(Default)]
pub(super) struct Attention {
    /// The application streams.
    pub(super) output: bool,
    /// Full pipes since the last tick.
    pub(super) full: u32,
    quiet: u32,
    /// A tick is due.
    ticking: bool,
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
    /// The application found the pipe full, or has filled it fast.
    pub(super) fn on_full(&mut self, connection: &Parts) {
        self.attention.output = true;
        self.attention.full += 1;
        self.tick(connection);
    }

    /// Asks for a tick, unless one is due already.
    fn tick(&mut self, connection: &Parts) {
        if !std::mem::replace(&mut self.attention.ticking, true) {
            connection.report(Outcome::Tick(OUTPUT_TICK));
        }
    }

    pub(super) fn on_tick(&mut self, connection: &Parts) {
        let attention = &mut self.attention;
        attention.ticking = false;
        if attention.output {
            let full = std::mem::take(&mut attention.full) > 0;
            attention.quiet = if full { 0 } else { attention.quiet + 1 };
            attention.output = attention.quiet < QUIET_TICKS;
        }
        if attention.output {
            self.tick(connection);
        }
    }
}
