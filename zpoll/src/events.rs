//! What a wait has found.

use zsocket::Interest;

/// Something that is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// The key under which it was added.
    pub key: usize,
    /// What it can do now, of what was asked for: to receive or read, to send or write.
    pub ready: Interest,
    /// Of a descriptor: an error, or the other end has closed. Reported whatever was asked for, since reading or writing would
    /// say so at once.
    pub failed: bool,
}

/// The events of one wait. Kept and used again, waiting does not allocate.
#[derive(Clone, Default, Debug)]
pub struct Events {
    pub(crate) list: Vec<Event>,
    pub(crate) woken: bool,
}

impl Events {
    /// No events.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was found, in no particular order.
    pub fn iter(&self) -> std::slice::Iter<'_, Event> {
        self.list.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none: the time was over, or the wait was [woken](Self::is_woken).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether a [`PollWaker`](crate::PollWaker) was used.
    #[must_use]
    pub fn is_woken(&self) -> bool {
        self.woken
    }

    pub(crate) fn has_any(&self) -> bool {
        self.woken || !self.list.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.woken = false;
    }
}

impl<'a> IntoIterator for &'a Events {
    type Item = &'a Event;
    type IntoIter = std::slice::Iter<'a, Event>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
