//! What peers that are gone have left to be received, and how much of it waits.

use std::{
    collections::VecDeque,
    ops::{AddAssign, SubAssign},
};

use zpipe::{Limits, Ticket};

/// Messages, and the memory they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Whole messages.
    pub messages: u64,
    /// Bytes with the headers of the frames, and [`LINK`](Self::LINK) for the link that holds them.
    pub bytes: u64,
}

impl Left {
    /// What a link with a single small message takes, in bytes, generously: so that a limit in bytes bounds
    /// peers that leave next to nothing, too.
    pub const LINK: u64 = 8 << 10;

    /// So many messages, with so many bytes as framed, in one link.
    #[must_use]
    pub fn in_link(messages: u64, framed: u64) -> Self {
        if messages == 0 {
            return Self::default();
        }
        let bytes = framed.saturating_add(Self::LINK);
        Self { messages, bytes }
    }

    /// Whether this is more than the limits allow.
    #[must_use]
    pub fn exceeds(&self, limits: Limits) -> bool {
        let above = |value: u64, limit: u64| limit > 0 && value > limit;
        above(self.messages, limits.messages) || above(self.bytes, limits.bytes)
    }
}

impl AddAssign for Left {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}

impl SubAssign for Left {
    fn sub_assign(&mut self, other: Self) {
        self.messages -= other.messages;
        self.bytes -= other.bytes;
    }
}

/// Letters that wait to be read and bring links whose connections are gone already.
#[derive(Debug, Default)]
pub(crate) struct Departed {
    /// With what each has left, the oldest first.
    letters: VecDeque<(Ticket, Left)>,
    total: Left,
}

impl Departed {
    pub(crate) fn push(&mut self, letter: Ticket, left: Left) {
        self.letters.push_back((letter, left));
        self.total += left;
    }

    /// Takes out the oldest if there is more than the limits allow; never the only one, for that has a
    /// high-water mark of its own.
    pub(crate) fn pop_excess(&mut self, limits: Limits) -> Option<(Ticket, Left)> {
        if self.letters.len() < 2 || !self.total.exceeds(limits) {
            return None;
        }
        let oldest = self.letters.pop_front()?;
        self.total -= oldest.1;
        Some(oldest)
    }

    /// Forgets those that do not wait any more.
    pub(crate) fn retain(&mut self, mut is_waiting: impl FnMut(Ticket) -> bool) {
        self.letters.retain(|(letter, left)| {
            let waits = is_waiting(*letter);
            if !waits {
                self.total -= *left;
            }
            waits
        });
        if self.letters.is_empty() {
            // What a burst has left behind.
            self.letters = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_limit_is_enough_and_zero_is_none() {
        let left = Left {
            messages: 10,
            bytes: 1000,
        };
        for (messages, bytes, exceeds) in [
            (0, 0, false),
            (10, 1000, false),
            (9, 0, true),
            (0, 999, true),
            (9, 1000, true),
            (10, 999, true),
        ] {
            assert_eq!(left.exceeds(Limits { messages, bytes }), exceeds);
        }
    }
}
