//! A slot: the last message, or the last of each topic, from one thread to one other.
//!
//! | word | written by | read by | hand-over |
//! |---|---|---|---|
//! | the message | writer swaps one in, reader swaps it out | both | `Release`/`Acquire`: the message |
//! | `idle` | reader sets, writer takes | both | *idle/wake*, as in `pipe.rs` |
//! | `reader_gone`, `writer_gone` | the end that goes | the other | close |
//!
//! Whoever swaps a message out of the slot has it alone: the reader to read it, the writer because another
//! one has taken its place. So a message is read whole or not at all, the one that was put last always stays
//! to be read, and neither end ever waits for the other. With topics the messages lie behind a lock, which is held for
//! one look into a table.

mod topics;

use zmtp::Message;

use self::topics::{Kept, Topics};
use crate::{
    deferred,
    guarded::Guarded,
    ready::{Notifier, Readiness},
    sync::{
        Arc, AtomicBool, AtomicPtr, AtomicU64, OnceLock, Ordering, UnsafeCell, or_mutant, publish,
    },
};

/// What a slot keeps of the messages that nobody has read yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The last message.
    Last,
    /// The last message of each topic, which is a message's first frame. They are read in the order in which the topics
    /// came. One more topic than this crowds out the one that came first; 0 counts as 1.
    LastPerTopic(usize),
}

/// Makes a slot and returns its two ends.
///
/// `writer` is signalled when the reader is gone, `reader` when there is something to read and it was idle, or when the
/// writer is gone. Without a notifier that end has to look for itself.
///
/// # Examples
///
/// ```
/// use zmtp::Message;
/// use zpipe::{Keep, latest};
///
/// let (mut writer, mut reader) = latest(Keep::Last, None, None);
/// for price in ["101", "102", "99"] {
///     writer.put(&mut Message::from(["price", price]));
/// }
/// let mut message = Message::new();
/// assert!(reader.take(&mut message));
/// assert_eq!(message, Message::from(["price", "99"]));
/// assert!(!reader.take(&mut message));
/// assert_eq!(writer.replaced(), 2);
/// ```
#[must_use]
pub fn latest(
    keep: Keep,
    writer: Option<Notifier>,
    reader: Option<Notifier>,
) -> (LatestWriter, LatestReader) {
    let shared = Shared {
        kept: match keep {
            Keep::Last => Slot::One(AtomicPtr::new(std::ptr::null_mut())),
            Keep::LastPerTopic(limit) => Slot::Topics(Guarded::new(Topics::new(limit))),
        },
        idle: AtomicBool::new(false),
        reader_gone: AtomicBool::new(false),
        writer_gone: AtomicBool::new(false),
        last_bytes: AtomicU64::new(0),
        writer: OnceLock::new(),
        reader: OnceLock::new(),
    };
    if let Some(writer) = writer {
        shared.set_writer_notifier(writer);
    }
    if let Some(reader) = reader {
        shared.set_reader_notifier(reader);
    }
    let shared = Arc::new(shared);
    let writer = LatestWriter {
        shared: Arc::clone(&shared),
        spare: None,
        last_bytes: 0,
        replaced: 0,
        crowded_out: 0,
    };
    (writer, LatestReader { shared })
}

/// A message on its way through the slot. The cell is for loom, which sees by it that only one end has the message.
type Node = UnsafeCell<Message>;

enum Slot {
    One(AtomicPtr<Node>),
    Topics(Guarded<Topics>),
}

struct Shared {
    kept: Slot,
    idle: AtomicBool,
    reader_gone: AtomicBool,
    writer_gone: AtomicBool,
    /// Bytes of the message that was put last. Written when the writer goes.
    last_bytes: AtomicU64,
    writer: OnceLock<Notifier>,
    reader: OnceLock<Notifier>,
}

impl Shared {
    fn set_reader_notifier(&self, notifier: Notifier) {
        let _ = self.reader.set(notifier);
        publish();
    }

    fn set_writer_notifier(&self, notifier: Notifier) {
        let _ = self.writer.set(notifier);
        publish();
    }

    /// `true` for the one who got the flag.
    fn take_idle(&self) -> bool {
        self.idle.load(Ordering::Relaxed) && self.idle.swap(false, Ordering::Relaxed)
    }

    fn wake_reader(&self) {
        if let Some(reader) = self.reader.get() {
            reader.notify(Readiness::READABLE);
        }
    }

    fn pending(&self) -> u64 {
        match &self.kept {
            Slot::One(slot) => u64::from(!slot.load(Ordering::Relaxed).is_null()),
            Slot::Topics(topics) => topics.lock().len() as u64,
        }
    }

    /// `last` are the bytes of the message that was put last.
    fn pending_bytes(&self, last: u64) -> u64 {
        match &self.kept {
            Slot::One(_) if self.pending() == 0 => 0,
            Slot::One(_) => last,
            Slot::Topics(topics) => topics.lock().iter().map(size).sum(),
        }
    }

    fn writer_is_gone(&self) -> bool {
        self.writer_gone.load(Ordering::Acquire)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        match &self.kept {
            Slot::One(slot) => {
                // The last handle of an `Arc` goes after all the others, so nothing is left to be ordered.
                let left = slot.load(Ordering::Relaxed);
                if !left.is_null() {
                    // SAFETY: it came out of a box in `put`, and both ends are gone.
                    let left = unsafe { Box::from_raw(left) };
                    left.with_mut(|message| {
                        // SAFETY: nobody else has the node.
                        deferred::drop_bodies(unsafe { &mut *message });
                    });
                }
            }
            Slot::Topics(topics) => {
                let mut topics = topics.lock();
                while let Some(mut message) = topics.pop() {
                    deferred::drop_bodies(&mut message);
                }
            }
        }
    }
}

/// Bytes of a message, about as framed.
fn size(message: &Message) -> u64 {
    let headers = message.len() * zmtp::header::MAX_LEN;
    (message.byte_len() + headers) as u64
}

/// The writing end of a slot; made by [`latest`].
pub struct LatestWriter {
    shared: Arc<Shared>,
    /// The box of a message that was replaced, for the next one.
    spare: Option<Box<Node>>,
    last_bytes: u64,
    replaced: u64,
    crowded_out: u64,
}

impl LatestWriter {
    /// Puts a message into the slot, in the place of the one that is there, or of the one of its topic, and wakes the reader
    /// if it was idle. What `message` holds then is of no use but for its memory.
    ///
    /// When the reader is gone, the message stays until this end goes too, or another one comes.
    pub fn put(&mut self, message: &mut Message) {
        if self.put_quietly(message) {
            self.wake_reader();
        }
    }

    /// Like [`put`](Self::put), but leaves the wake-up to the caller: `true` means that the reader was idle, and that
    /// nobody else will wake it before the writer goes. The caller then calls [`wake_reader`](Self::wake_reader), or does
    /// the reader's work itself.
    #[must_use = "`true` obliges the caller to wake the reader"]
    pub fn put_quietly(&mut self, message: &mut Message) -> bool {
        self.last_bytes = size(message);
        match &self.shared.kept {
            Slot::One(slot) => {
                let spare = self.spare.take();
                let next = spare.unwrap_or_else(|| Box::new(Node::new(Message::new())));
                // SAFETY: no other thread knows the node.
                next.with_mut(|next| std::mem::swap(unsafe { &mut *next }, message));
                let next = Box::into_raw(next);
                // Not `AcqRel`: whatever lies there is this end's own.
                let last = slot.swap(next, Ordering::Release);
                if !last.is_null() {
                    // SAFETY: it came out of a box here, and whoever swaps it out has it alone.
                    let last = unsafe { Box::from_raw(last) };
                    // SAFETY: as above.
                    last.with_mut(|last| std::mem::swap(unsafe { &mut *last }, message));
                    self.spare = Some(last);
                    self.replaced += 1;
                }
            }
            Slot::Topics(topics) => match topics.lock().put(message) {
                Kept::Beside => {}
                Kept::Instead => self.replaced += 1,
                Kept::CrowdingOut => self.crowded_out += 1,
            },
        }
        publish();
        let was_idle = self.shared.take_idle();
        deferred::drop_bodies(message);
        was_idle
    }

    /// Wakes the reader unconditionally.
    pub fn wake_reader(&self) {
        self.shared.wake_reader();
    }

    /// Names who is to be signalled when the reader is gone. Only the first notifier counts, also one given to the slot when
    /// it was made. Look at the slot after this call.
    pub fn set_notifier(&mut self, notifier: Notifier) {
        self.shared.set_writer_notifier(notifier);
    }

    /// Whether the reader is gone, so that whatever is put is lost.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.reader_gone.load(Ordering::Acquire)
    }

    /// Messages that were put, not replaced, and not read. When the reader is gone these are lost.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.shared.pending()
    }

    /// Their bytes, about as framed.
    #[must_use]
    pub fn pending_bytes(&self) -> u64 {
        self.shared.pending_bytes(self.last_bytes)
    }

    /// How many messages were replaced before anybody read them.
    #[must_use]
    pub fn replaced(&self) -> u64 {
        self.replaced
    }

    /// How many messages were dropped unread because there were too many topics.
    #[must_use]
    pub fn crowded_out(&self) -> u64 {
        self.crowded_out
    }
}

impl Drop for LatestWriter {
    fn drop(&mut self) {
        // Only a number, before the flag that publishes it.
        (self.shared.last_bytes).store(self.last_bytes, Ordering::Relaxed);
        self.shared.writer_gone.store(true, Ordering::Release);
        publish();
        // Also a reader that is not idle: a quiet `put` may owe it a wake-up.
        self.shared.take_idle();
        self.shared.wake_reader();
    }
}

impl std::fmt::Debug for LatestWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LatestWriter")
            .field("pending", &self.pending())
            .field("replaced", &self.replaced)
            .finish_non_exhaustive()
    }
}

/// The reading end of a slot; made by [`latest`].
pub struct LatestReader {
    shared: Arc<Shared>,
}

impl LatestReader {
    /// Takes the message out of the slot, with topics that whose topic came first. `false`, and `message` untouched, when
    /// there is none.
    pub fn take(&mut self, message: &mut Message) -> bool {
        let taken = match &self.shared.kept {
            Slot::One(slot) => {
                if slot.load(Ordering::Relaxed).is_null() {
                    return false;
                }
                // Not `AcqRel`: nothing of this end's is handed over. It is still there, or a later one is.
                let node = slot.swap(std::ptr::null_mut(), Ordering::Acquire);
                // SAFETY: the writer made it of a box, only this end takes messages away without putting another one
                // there, and whoever swaps it out has it alone.
                let node = unsafe { Box::from_raw(node) };
                // SAFETY: as above.
                node.with_mut(|message| std::mem::take(unsafe { &mut *message }))
            }
            Slot::Topics(topics) => {
                let Some(taken) = topics.lock().pop() else {
                    return false;
                };
                taken
            }
        };
        let mut before = std::mem::replace(message, taken);
        deferred::drop_bodies(&mut before);
        true
    }

    /// Whether there is a message.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.pending() > 0
    }

    /// Says that nothing was found, so that the next message wakes this end. `false` when there is something after all: then
    /// no wake-up is due. A writer that is gone counts as something; see [`is_closed`](Self::is_closed).
    #[must_use = "`false` means that no signal will come"]
    pub fn set_idle(&mut self) -> bool {
        // A swap, not a store: see `pipe.rs`.
        self.shared.idle.swap(true, Ordering::Relaxed);
        publish();
        if or_mutant!(self.is_readable(), false) || or_mutant!(self.shared.writer_is_gone(), false)
        {
            self.shared.take_idle();
            return false;
        }
        true
    }

    /// Takes back what [`set_idle`](Self::set_idle) said: this end looks for itself again. A signal that is on its way still
    /// comes.
    pub fn set_busy(&mut self) {
        self.shared.take_idle();
    }

    /// Whether the writer is gone and everything that it has left has been taken.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        // The order matters: what was put before the writer went must be seen first.
        or_mutant!(
            self.shared.writer_is_gone() && !self.is_readable(),
            !self.is_readable() && self.shared.writer_is_gone()
        )
    }

    /// Names who is to be signalled when this end was idle and should look. Only the first notifier counts, also one given
    /// to the slot when it was made. A signal that was due before is lost, so look at the slot after this call.
    pub fn set_notifier(&mut self, notifier: Notifier) {
        self.shared.set_reader_notifier(notifier);
    }

    /// Messages that can be taken now.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.shared.pending()
    }

    /// Bytes, about as framed, that a writer which is gone has left to be taken; `None` while it is there.
    #[must_use]
    pub fn left_bytes(&self) -> Option<u64> {
        let last = || self.shared.last_bytes.load(Ordering::Relaxed);
        (self.shared.writer_is_gone()).then(|| self.shared.pending_bytes(last()))
    }
}

impl Drop for LatestReader {
    fn drop(&mut self) {
        self.shared.reader_gone.store(true, Ordering::Release);
        publish();
        if let Some(writer) = self.shared.writer.get() {
            writer.notify(Readiness::WRITABLE);
        }
    }
}

impl std::fmt::Debug for LatestReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LatestReader")
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}
