//! Conflation: only the latest message waits, instead of all of them.
//!
//! Both ends of a direction stay what they are, one that appends to a rope and one that reads from a rope, and each has a
//! rope of its own. Between the two lies a [slot](zpipe::latest), and what moves messages to it and from it:
//!
//! ```text
//!   Writer or Ingest ──▶ rope ──▶ Outlet ──▶ slot ──▶ Inlet ──▶ rope ──▶ Reader or ByteReader
//!   └──────── with the writing end ───────┘          └────── with the reading end ──────────┘
//! ```
//!
//! The outlet empties its rope whenever something was committed. It leaves the rope marked idle, so that each commit says that
//! it is its turn: a pipe that does not conflate never asks. The inlet fetches a message when its rope is empty and its
//! owner wants another one, so what is in the slot can be replaced until then.

use zmtp::Message;
use zpipe::{
    ByteReader, Ingest, Keep, LatestReader, LatestWriter, Limits, Notifier, Reader, Writer,
    byte_pipe, deferred, ingest_pipe, latest, pipe,
};

use crate::event::SocketHandle;

/// The ropes beside a slot are never full.
const UNLIMITED: Limits = Limits {
    messages: 0,
    bytes: 0,
};

/// Moves messages from a rope to a slot, for the one who commits them.
#[derive(Debug)]
pub(crate) struct Outlet {
    /// `None` when the reader of the slot is gone: then the rope has no reader either.
    rope: Option<Reader>,
    latest: LatestWriter,
    /// Kept for its buffers.
    message: Message,
    /// Whose option it is, and who counts.
    owner: SocketHandle,
    /// What was counted already.
    replaced: u64,
    crowded_out: u64,
}

impl Outlet {
    pub(crate) fn new(rope: Reader, latest: LatestWriter, owner: SocketHandle) -> Box<Self> {
        let mut outlet = Self {
            rope: Some(rope),
            latest,
            message: Message::new(),
            owner,
            replaced: 0,
            crowded_out: 0,
        };
        // In case it is not empty; nobody waits at the slot yet.
        let _ = outlet.pass_on();
        Box::new(outlet)
    }

    /// Moves all that was committed. `true` obliges the caller to [wake](Self::wake_reader) the reader of the slot.
    #[must_use]
    pub(crate) fn pass_on(&mut self) -> bool {
        self.settle();
        let mut was_idle = false;
        if let Some(rope) = &mut self.rope {
            loop {
                while rope.read_message(&mut self.message) {
                    was_idle |= self.latest.put_quietly(&mut self.message);
                }
                if rope.set_idle() || !rope.is_readable() {
                    break;
                }
            }
        }
        let (replaced, crowded_out) = (self.latest.replaced(), self.latest.crowded_out());
        let counters = self.owner.counters();
        if replaced > self.replaced {
            counters.conflated.add(replaced - self.replaced);
        }
        if crowded_out > self.crowded_out {
            counters.crowded_out.add(crowded_out - self.crowded_out);
        }
        (self.replaced, self.crowded_out) = (replaced, crowded_out);
        was_idle
    }

    /// If the reader of the slot is gone, the rope's writing end is to know.
    pub(crate) fn settle(&mut self) {
        if self.latest.is_closed() {
            self.rope = None;
        }
    }

    pub(crate) fn wake_reader(&self) {
        self.latest.wake_reader();
    }

    pub(crate) fn set_notifier(&mut self, notifier: Notifier) {
        self.latest.set_notifier(notifier);
    }

    /// Whether the reader of the slot is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.latest.is_closed()
    }

    /// Messages in the slot, and their bytes.
    pub(crate) fn pending(&self) -> u64 {
        self.latest.pending()
    }

    pub(crate) fn pending_bytes(&self) -> u64 {
        self.latest.pending_bytes()
    }
}

/// Moves messages from a slot to a rope, for the one who reads it.
#[derive(Debug)]
pub(crate) struct Inlet {
    /// `None` when the writer of the slot is gone, and everything was fetched: then the rope has no writer either.
    rope: Option<Writer>,
    latest: LatestReader,
    /// Kept for its buffers.
    message: Message,
}

impl Inlet {
    pub(crate) fn new(rope: Writer, latest: LatestReader) -> Box<Self> {
        Box::new(Self {
            rope: Some(rope),
            latest,
            message: Message::new(),
        })
    }

    /// Fetches a message, for a reader that has read all of its rope. `false` if there is none.
    pub(crate) fn fetch(&mut self) -> bool {
        let Some(rope) = &mut self.rope else {
            return false;
        };
        // Asked first: what was put before the writer went must be fetched.
        let is_last = self.latest.is_closed();
        let has_message = self.latest.take(&mut self.message);
        if has_message {
            rope.write_message(&mut self.message);
            // Small ones were copied.
            deferred::drop_bodies(&mut self.message);
        } else if is_last {
            self.rope = None;
        }
        has_message
    }

    /// Says that the rope was found empty, and nothing could be fetched. `false` if there is something after all, or the writer
    /// of the slot is gone.
    #[must_use]
    pub(crate) fn set_idle(&mut self) -> bool {
        self.latest.set_idle()
    }

    pub(crate) fn set_busy(&mut self) {
        self.latest.set_busy();
    }

    pub(crate) fn set_notifier(&mut self, notifier: Notifier) {
        self.latest.set_notifier(notifier);
    }

    /// Whether there is something to be fetched.
    pub(crate) fn is_readable(&self) -> bool {
        self.latest.is_readable()
    }

    /// Whether nothing can be fetched and nothing will come.
    pub(crate) fn is_closed(&self) -> bool {
        self.latest.is_closed()
    }

    /// Messages in the slot.
    pub(crate) fn pending(&self) -> u64 {
        self.latest.pending()
    }

    /// Their bytes, once the writer is gone.
    pub(crate) fn left_bytes(&self) -> Option<u64> {
        self.latest.left_bytes()
    }
}

/// The writing end of one direction, for those who have messages.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) writer: Writer,
    pub(crate) outlet: Option<Box<Outlet>>,
}

/// The reading end of one direction, for those who want messages.
#[derive(Debug)]
pub(crate) struct Receiving {
    pub(crate) reader: Reader,
    pub(crate) inlet: Option<Box<Inlet>>,
}

impl Sending {
    /// The end in front of a slot.
    pub(crate) fn to(latest: LatestWriter, owner: &SocketHandle) -> Self {
        let (writer, rope) = pipe(UNLIMITED, None, None);
        let outlet = Some(Outlet::new(rope, latest, owner.clone()));
        Self { writer, outlet }
    }
}

impl Receiving {
    /// The end behind a slot. Bodies of at least `splice_min` bytes are not copied on the way.
    pub(crate) fn from(latest: LatestReader, splice_min: usize) -> Self {
        let (mut rope, reader) = pipe(UNLIMITED, None, None);
        rope.set_splice_min(splice_min);
        let inlet = Some(Inlet::new(rope, latest));
        Self { reader, inlet }
    }
}

/// From a socket to its engine. `socket` and `engine` are told as the ends of a pipe are.
pub(crate) fn outbound(
    keep: Keep,
    owner: &SocketHandle,
    socket: Option<Notifier>,
    engine: Notifier,
) -> (Sending, ByteReader, Option<Box<Inlet>>) {
    let (writer, reader) = latest(keep, socket, Some(engine));
    let (rope, bytes) = byte_pipe(UNLIMITED, None, None);
    (
        Sending::to(writer, owner),
        bytes,
        Some(Inlet::new(rope, reader)),
    )
}

/// From an engine to its socket, likewise.
pub(crate) fn inbound(
    keep: Keep,
    owner: &SocketHandle,
    socket: Option<Notifier>,
    engine: Notifier,
) -> (Ingest, Option<Box<Outlet>>, Receiving) {
    let (writer, reader) = latest(keep, Some(engine), socket);
    let (ingest, rope) = ingest_pipe(INGEST, None, None);
    (
        ingest,
        Some(Outlet::new(rope, writer, owner.clone())),
        Receiving::from(reader, zpipe::SPLICE_MIN),
    )
}

/// Messages that an engine commits before they are moved on.
const INGEST: Limits = Limits {
    messages: 1000,
    bytes: 0,
};
