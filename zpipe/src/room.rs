//! How much more the writing side may commit, and how it waits for more room.

use crate::{pipe::Limits, rope::Rope, sync::Ordering};

impl Rope {
    /// Whether one more message may be committed without passing a high-water mark.
    #[inline]
    pub(crate) fn has_room(&mut self) -> bool {
        (self.written < self.room_until && self.written_bytes < self.room_until_bytes)
            || self.refresh_room()
    }

    /// How many messages may be committed before the high-water mark of messages.
    #[inline]
    pub(crate) fn room(&mut self) -> u64 {
        if self.has_room() {
            self.room_until.saturating_sub(self.written)
        } else {
            0
        }
    }

    /// How many bytes may be committed before the high-water mark of bytes.
    pub(crate) fn byte_room(&self) -> u64 {
        self.room_until_bytes.saturating_sub(self.written_bytes)
    }

    /// Looks at the marks and at the reader's counts anew; says whether there is room.
    #[cold]
    pub(crate) fn refresh_room(&mut self) -> bool {
        let consumed = self.shared.consumer.consumed.load(Ordering::Acquire);
        self.set_room(consumed)
    }

    fn set_room(&mut self, consumed: u64) -> bool {
        if self.shared.reader_gone() {
            // Whatever is written is thrown away at once, so it never fills the pipe.
            self.room_until = u64::MAX;
            self.room_until_bytes = u64::MAX;
            return true;
        }
        self.most_pending = self.most_pending.max(self.written - consumed);
        let version = self.shared.limits_version();
        if version != self.limits_version {
            // In this order, limits that change in between are seen again the next time.
            self.limits_version = version;
            self.limits = self.shared.limits();
        }
        let consumed_bytes = &self.shared.consumer.consumed_bytes;
        self.room_until = match self.limits.messages {
            0 => u64::MAX,
            n => consumed.saturating_add(n),
        };
        self.room_until_bytes = match self.limits.bytes {
            0 => u64::MAX,
            // It was stored before `consumed`, which the caller has loaded with `Acquire`.
            n => consumed_bytes.load(Ordering::Relaxed).saturating_add(n),
        };
        self.written < self.room_until && self.written_bytes < self.room_until_bytes
    }

    /// See [`Writer::block`](crate::Writer::block).
    pub(crate) fn block(&mut self) -> bool {
        self.block_keeping(|held, mark| match mark {
            // Half is no room if the mark is 1.
            Some(mark) => mark.div_ceil(2).min(mark - 1),
            None => held / 2,
        })
    }

    /// Asks to be told when no more messages are in the pipe than `keep` says, given how many are in it
    /// now and the mark of messages; `None` if only bytes fill it.
    pub(crate) fn block_keeping(&mut self, keep: impl FnOnce(u64, Option<u64>) -> u64) -> bool {
        // Looked at once: what is decided here must all be about the same moment.
        let consumed = self.shared.consumer.consumed.load(Ordering::Acquire);
        if self.set_room(consumed) {
            self.shared.take_blocked();
            return false;
        }
        let held = self.written - consumed;
        let mark = Some(self.limits.messages).filter(|mark| (1..=held).contains(mark));
        let keep = keep(held, mark);
        let blocked = (self.shared).block_until(self.written - keep, self.limits_version);
        if !blocked {
            self.refresh_room();
        }
        blocked
    }

    /// Messages committed and not yet released by the reader.
    pub(crate) fn pending(&self) -> u64 {
        self.written - self.shared.consumer.consumed.load(Ordering::Acquire)
    }

    /// Their bytes, as framed, splices included.
    pub(crate) fn pending_bytes(&self) -> u64 {
        // Only a number, stored before `consumed`: who has loaded that with `Acquire` sees no older one.
        self.written_bytes - self.shared.consumer.consumed_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.shared.set_limits(limits);
        self.refresh_room();
    }
}
