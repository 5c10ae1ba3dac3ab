//! Who leads an I/O thread's poll, if a foreign event loop may: the decisions of [`Leader`](crate::Leader), without its
//! polls, clocks and locks.
//!
//! ```text
//!            asks, is heard                 dispatches
//!   Own ─────────────────────▶ Foreign ◀──────────────▶ Driven
//!    ▲                          │  │  ▲
//!    └── lapsed, or given up ───┘  └──┴── a timer is due: Borrowed, for a moment
//! ```

/// How many ticks without anything have the I/O thread sleep until something happens.
const QUIET: u32 = 8;

/// Whose turn it is to handle what the poll reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// The I/O thread's, as if there were nobody else. The foreign loop may have asked to lead.
    Own { asked: bool },
    /// The foreign loop's, which has nothing under way.
    Foreign,
    /// The foreign loop is at it.
    Driven,
    /// The foreign loop's, but the I/O thread is at it for a moment.
    Borrowed,
    /// The I/O thread has ended.
    Ended,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lead {
    phase: Phase,
    /// Nobody will dispatch any more.
    given_up: bool,
    /// The foreign loop came while somebody was at it, and may have been told of something that nobody has seen.
    came_in_vain: bool,
    /// Something was dispatched since the last look.
    came: bool,
    /// The last look found something to dispatch, and nobody at it.
    was_readable: bool,
    /// Looks in a row that have found nothing at all.
    quiet: u32,
}

/// What the foreign loop has to do when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// Handle what is there, and then [end](Lead::end_dispatch).
    Dispatch,
    /// Nothing: somebody else does.
    Leave,
    /// Ask the I/O thread to [hand over](Lead::hand_over).
    Ask,
    /// Nothing, ever again.
    Ended,
}

/// What whoever was at it has to do when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Have the descriptor reported to the foreign loop once more.
    pub(crate) report_again: bool,
    /// Wake the I/O thread.
    pub(crate) call_back: bool,
}

/// What the I/O thread has to do after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Lead.
    Lead,
    /// Handle what is due, and then [end](Lead::end_borrow).
    Borrow,
    /// Look again after a tick.
    Tick,
    /// Look again when there is something to dispatch.
    Watch,
    /// End.
    Ended,
}

impl Lead {
    /// The foreign loop has asked to lead.
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Own { asked: true },
            given_up: false,
            came_in_vain: false,
            came: false,
            was_readable: false,
            quiet: 0,
        }
    }

    // ---- For the foreign loop ----

    pub(crate) fn begin_dispatch(&mut self) -> Begin {
        match self.phase {
            Phase::Ended => Begin::Ended,
            _ if self.given_up => Begin::Leave,
            Phase::Foreign => {
                self.phase = Phase::Driven;
                self.came = true;
                Begin::Dispatch
            }
            Phase::Driven | Phase::Borrowed => {
                self.came_in_vain = true;
                Begin::Leave
            }
            Phase::Own { asked: true } => Begin::Leave,
            Phase::Own { asked: false } => {
                self.phase = Phase::Own { asked: true };
                Begin::Ask
            }
        }
    }

    /// `is_over` says that the I/O thread has nothing to do any more.
    pub(crate) fn end_dispatch(&mut self, is_over: bool) -> End {
        debug_assert_eq!(self.phase, Phase::Driven);
        self.end(is_over)
    }

    /// Nobody will dispatch any more. Says whether the I/O thread is to be woken.
    pub(crate) fn give_up(&mut self) -> bool {
        self.given_up = true;
        matches!(self.phase, Phase::Foreign)
    }

    // ---- For the I/O thread ----

    /// From now on the foreign loop leads, and is told so by its descriptor; `false` if nobody is there for it.
    pub(crate) fn hand_over(&mut self) -> bool {
        if self.given_up || self.phase == Phase::Ended {
            self.phase = match self.phase {
                Phase::Ended => Phase::Ended,
                _ => Phase::Own { asked: true },
            };
            return false;
        }
        self.phase = Phase::Foreign;
        self.came = false;
        self.was_readable = false;
        self.quiet = 0;
        true
    }

    /// The I/O thread follows and looks. `is_readable`: there is something to dispatch; `is_due`: a timer is;
    /// `has_ticked`: a tick has passed since the last look for which that was so, or it was no tick that this was waited for.
    pub(crate) fn look(&mut self, is_readable: bool, is_due: bool, has_ticked: bool) -> Look {
        match self.phase {
            Phase::Ended => return Look::Ended,
            // Who is at it calls back if that is wanted, and looks at the timers.
            Phase::Driven => {
                self.was_readable = false;
                self.quiet = 0;
                return Look::Tick;
            }
            Phase::Own { .. } | Phase::Foreign | Phase::Borrowed => {}
        }
        if self.given_up {
            return self.take();
        }
        if is_due {
            self.phase = Phase::Borrowed;
            return Look::Borrow;
        }
        if !has_ticked {
            return Look::Tick;
        }
        if std::mem::take(&mut self.came) {
            self.was_readable = false;
            self.quiet = 0;
        } else if !is_readable {
            self.was_readable = false;
            self.quiet = self.quiet.saturating_add(1);
        } else if self.was_readable {
            return self.take();
        } else {
            self.was_readable = true;
            self.quiet = 0;
        }
        if self.quiet < QUIET {
            Look::Tick
        } else {
            Look::Watch
        }
    }

    /// Whether something was dispatched since the last look, which then does not depend on what is readable.
    pub(crate) fn was_busy(&self) -> bool {
        self.came || self.phase == Phase::Driven
    }

    /// Whether nobody will dispatch any more.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up
    }

    fn take(&mut self) -> Look {
        self.phase = Phase::Own { asked: false };
        Look::Lead
    }

    /// As [`end_dispatch`](Self::end_dispatch); the I/O thread looks again in any case.
    pub(crate) fn end_borrow(&mut self, is_over: bool) -> End {
        debug_assert_eq!(self.phase, Phase::Borrowed);
        self.end(is_over)
    }

    /// The I/O thread has ended, or whoever had its state has lost it.
    pub(crate) fn close(&mut self) {
        self.phase = Phase::Ended;
    }

    fn end(&mut self, is_over: bool) -> End {
        self.phase = Phase::Foreign;
        self.given_up |= is_over;
        End {
            report_again: std::mem::take(&mut self.came_in_vain),
            call_back: self.given_up,
        }
    }
}

#[cfg(test)]
mod tests;
