//! Pipes beside an oracle: the same operations on both, and everything that can be observed compared
//! after each.
//!
//! An operation is made of three numbers, so that any source of numbers can drive the model: the
//! property test here, and a fuzzer.

use bytes::Bytes;
use zmtp::header::{self, Flags};
use zpipe::{Limits, Readiness, ReadySet};

/// One step: what to do, and two numbers that say how.
pub(crate) type Step = (u8, u32, u32);

pub(crate) const WRITER: u64 = 1;
pub(crate) const READER: u64 = 2;

/// A frame as the oracle keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OracleFrame {
    pub(crate) more: bool,
    pub(crate) command: bool,
    pub(crate) body: Vec<u8>,
}

impl OracleFrame {
    pub(crate) fn flags(&self) -> Flags {
        let mut flags = Flags::NONE;
        if self.more {
            flags = flags.with(Flags::MORE);
        }
        if self.command {
            flags = flags.with(Flags::COMMAND);
        }
        flags
    }

    pub(crate) fn wire_len(&self) -> usize {
        header::encoded_len(self.body.len() as u64) + self.body.len()
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut front = [0; header::MAX_LEN];
        let len = header::encode(self.flags(), self.body.len() as u64, &mut front);
        out.extend_from_slice(&front[..len]);
        out.extend_from_slice(&self.body);
    }
}

/// Sizes on both sides of every limit in the pipe, small ones far more often than large ones.
pub(crate) fn size(seed: u32) -> usize {
    let value = (seed >> 8) as usize;
    // Miri needs a tenth of a second for a megabyte that is copied here and there.
    match if cfg!(miri) { seed % 248 } else { seed & 0xFF } {
        0..=119 => value % 40,
        120..=179 => 200 + value % 120,
        180..=229 => value % 2_000,
        230..=246 => 8_000 + value % 400,
        247..=253 => value % 70_000,
        254 => (1 << 20) - 20 + value % 40,
        _ => value % 1_300_000,
    }
}

/// A body whose bytes differ from those of its neighbours.
pub(crate) fn body(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut body = vec![0; len];
    for (index, byte) in body.iter_mut().enumerate() {
        state = state.wrapping_mul(0x0019_660D).wrapping_add(0x3C6E_F35F);
        *byte = (state >> 24) as u8 ^ index as u8;
    }
    body
}

pub(crate) fn limits(a: u32, b: u32) -> Limits {
    Limits {
        messages: match a % 8 {
            0 => 0,
            7 => 1000,
            n => u64::from(n),
        },
        bytes: match b % 4 {
            0 | 1 => 0,
            2 => u64::from(b >> 2) % 100 + 1,
            _ => u64::from(b >> 2) % 100_000 + 1,
        },
    }
}

/// What a blocked writer waits for.
pub(crate) enum Until {
    Half,
    AnyRoom,
}

/// What both ends of a pipe should know about marks, idleness and blocking.
pub(crate) struct Flow {
    pub(crate) set: ReadySet,
    pub(crate) limits: Limits,
    /// Limits the writer may still go by, since the reader changed them behind its back.
    stale: Vec<Limits>,
    pub(crate) written: u64,
    pub(crate) written_bytes: u64,
    pub(crate) released: u64,
    released_bytes: u64,
    idle: bool,
    /// The count of released messages at which the writer is to be told.
    blocked: Option<u64>,
    pub(crate) writer_gone: bool,
    pub(crate) reader_gone: bool,
    due: Vec<(u64, Readiness)>,
    /// Handles that must be the last ones when both ends are gone.
    pub(crate) handles: Vec<Bytes>,
}

impl Flow {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            set: ReadySet::new(),
            limits,
            stale: Vec::new(),
            written: 0,
            written_bytes: 0,
            released: 0,
            released_bytes: 0,
            idle: false,
            blocked: None,
            writer_gone: false,
            reader_gone: false,
            due: Vec::new(),
            handles: Vec::new(),
        }
    }

    pub(crate) fn pending(&self) -> u64 {
        self.written - self.released
    }

    pub(crate) fn is_full(&self) -> bool {
        !self.reader_gone && !self.admits(self.limits)
    }

    fn admits(&self, limits: Limits) -> bool {
        (limits.messages == 0 || self.pending() < limits.messages)
            && (limits.bytes == 0 || self.written_bytes - self.released_bytes < limits.bytes)
    }

    /// Compares an answer of `has_room` with the marks.
    pub(crate) fn check_room(&mut self, has_room: bool) {
        if !self.is_full() {
            assert!(has_room, "below the mark there is room");
        } else if !self.stale.iter().any(|limits| self.admits(*limits)) {
            assert!(!has_room, "at the mark there is none");
        }
        if !has_room {
            self.stale.clear();
        }
    }

    pub(crate) fn set_limits(&mut self, limits: Limits, by_reader: bool) {
        if by_reader {
            self.stale.push(self.limits);
        } else {
            self.stale.clear();
        }
        self.limits = limits;
        if self.blocked.take().is_some() {
            self.due.push((WRITER, Readiness::WRITABLE));
        }
    }

    pub(crate) fn committed(&mut self, messages: u64, bytes: u64) {
        self.written += messages;
        self.written_bytes += bytes;
        if messages > 0 && std::mem::take(&mut self.idle) {
            self.due.push((READER, Readiness::READABLE));
        }
    }

    pub(crate) fn released(&mut self, messages: u64, bytes: u64) {
        self.released = messages;
        self.released_bytes = bytes;
        if self.blocked.is_some_and(|target| messages >= target) {
            self.blocked = None;
            self.due.push((WRITER, Readiness::WRITABLE));
        }
    }

    /// Compares the answer of `block` and its like with what the documentation promises.
    pub(crate) fn check_block(&mut self, blocked: bool, until: Until) {
        self.stale.clear();
        assert_eq!(blocked, !self.reader_gone && self.is_full());
        if !blocked {
            self.blocked = None;
            return;
        }
        let (held, mark) = (self.pending(), self.limits.messages);
        let by_messages = mark > 0 && held >= mark;
        let left = match until {
            // Half of the mark, rounded up; but there has to be room then.
            Until::Half if by_messages => mark.div_ceil(2).min(mark - 1),
            Until::Half => held / 2,
            // The first moment at which there is a place; but a release has to happen.
            Until::AnyRoom if by_messages => mark - 1,
            Until::AnyRoom => held - 1,
        };
        self.blocked = Some(self.written - left);
    }

    /// A pipe that was made smaller may wake its idle reader, but only if it is drained.
    pub(crate) fn check_trim(&mut self, may_trim: bool) {
        self.set.drain(|token, what| {
            assert!(may_trim && self.idle && self.written == self.released);
            assert_eq!((token, what), (READER, Readiness::READABLE));
            self.idle = false;
        });
    }

    pub(crate) fn check_idle(&mut self, idle: bool, readable: bool) {
        assert_eq!(idle, !readable && !self.writer_gone);
        self.idle = idle;
    }

    pub(crate) fn set_busy(&mut self) {
        self.idle = false;
    }

    pub(crate) fn writer_left(&mut self) {
        self.writer_gone = true;
        self.idle = false;
        self.due.push((READER, Readiness::READABLE));
    }

    pub(crate) fn reader_left(&mut self) {
        self.reader_gone = true;
        self.idle = false;
        self.blocked = None;
        self.due.push((WRITER, Readiness::WRITABLE));
    }

    /// Every signal that was due has come, and no other.
    pub(crate) fn check_signals(&mut self) {
        let mut seen = Vec::new();
        self.set.drain(|token, what| seen.push((token, what)));
        assert_eq!(seen, std::mem::take(&mut self.due));
    }

    /// Nothing is in the pipe that could be read.
    pub(crate) fn check_handles(&self) {
        assert!(self.handles.iter().all(Bytes::is_unique));
    }
}
