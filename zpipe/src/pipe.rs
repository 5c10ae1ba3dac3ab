//! What the two ends of a pipe share, and the protocol between them.
//!
//! | word | written by | read by | hand-over |
//! |---|---|---|---|
//! | a chunk's mark | writer, each commit | reader | `Release`/`Acquire`: bytes below it |
//! | `consumed` | reader, each release | writer, when it looks full | `Release`/`Acquire`: room |
//! | `idle` | reader sets, writer takes | both | *idle/wake*: see below |
//! | `resume_at` | writer sets, reader takes | both | *block/resume*: see below |
//! | `reader_gone`, `writer_gone` | the end that goes | the other | close |
//!
//! **Idle/wake.** A reader that found the pipe empty sets `idle`, fences, and looks once more. A
//! writer stores the mark, fences, and looks at `idle`. One of them sees the other, so no wake-up is
//! lost; the writer that takes `idle` away owes the reader exactly one wake-up.
//!
//! **Block/resume.** The same with the roles swapped: a writer that found the pipe full stores the
//! count of consumed messages it wants to see in `resume_at`, fences, and looks at `consumed` again.
//! The reader stores `consumed`, fences, and looks at `resume_at`.
//!
//! Flags that both sides change are only ever swapped, never stored: then their changes have one
//! order that every checker, loom included, can see.

use std::ptr::NonNull;

use crate::{
    bytes::ByteReader,
    chunk::Chunk,
    guarded::Guarded,
    ingest::Ingest,
    reader::Reader,
    ready::{Notifier, Readiness},
    rope::Rope,
    spent::Spent,
    sync::{
        Arc, AtomicBool, AtomicPtr, AtomicU32, AtomicU64, OnceLock, Ordering, Padded, or_mutant,
        publish,
    },
    writer::Writer,
};

/// Size of a pipe's first chunk, in bytes: what a pipe costs that was never used. Most of ten thousand connections are idle most
/// of the time, and each has two pipes. It has room for what a stream is asked for at least, and one splice.
pub(crate) const FIRST_CHUNK: usize = if cfg!(loom) { 64 } else { 320 };
/// Size of the smallest chunk that follows, in bytes: smaller ones would have to be changed too often.
pub(crate) const MIN_CHUNK: usize = if cfg!(loom) { 64 } else { 1024 };
/// Size up to which chunks grow under load, in bytes. Measured: with larger ones the bytes have left
/// the second-level cache before the other side touches them.
pub(crate) const MAX_CHUNK: usize = if cfg!(loom) { 128 } else { 64 * 1024 };

/// Bodies of at least this many bytes are spliced, not copied, by [`Writer::append_frame`], and get a
/// buffer of their own when they are received in pieces. Measured.
pub const SPLICE_MIN: usize = if cfg!(loom) { 24 } else { 8 * 1024 };

/// No writer waits.
const NEVER: u64 = u64::MAX;

/// The limits of a pipe.
///
/// # Examples
///
/// ```
/// use zpipe::Limits;
///
/// let limits = Limits { messages: 1000, bytes: 0 };
/// assert_eq!(limits, Limits::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// High-water mark in messages; 0 is unlimited. At most this many whole messages are committed
    /// and not yet released by the reader.
    pub messages: u64,
    /// High-water mark in bytes as framed, splices included; 0 is unlimited. A message is admitted
    /// while fewer than this many bytes wait, so the pipe holds at most this many bytes and one
    /// message.
    pub bytes: u64,
}

impl Default for Limits {
    /// 1000 messages, any number of bytes.
    fn default() -> Self {
        Self {
            messages: 1000,
            bytes: 0,
        }
    }
}

pub(crate) struct Shared {
    pub(crate) consumer: Padded<Consumer>,
    pub(crate) producer: Padded<Producer>,
    /// A chunk on its way back to the writer.
    pub(crate) spare: AtomicPtr<Chunk>,
    /// Where the reader was when it went: its chunk and how many of that chunk's splices it took. The
    /// writer moves it on.
    left_chunk: AtomicPtr<Chunk>,
    left_splices: AtomicU32,
    /// Either end may change them, so both limits lie behind one lock: they are never seen half
    /// changed, and the last change wins whole. Only taken when they change.
    limits: Guarded<Limits>,
    /// Signalled when the reader should look. Set before the reader is idle for the first time.
    reader: OnceLock<Notifier>,
    /// Signalled when the writer should look. Set before the writer blocks for the first time.
    writer: OnceLock<Notifier>,
}

/// Written by the reader.
pub(crate) struct Consumer {
    pub(crate) consumed: AtomicU64,
    pub(crate) consumed_bytes: AtomicU64,
    idle: AtomicBool,
    gone: AtomicBool,
}

/// Written by the writer.
pub(crate) struct Producer {
    /// The count of consumed messages at which a blocked writer wants to be told; [`NEVER`] while
    /// none is blocked.
    resume_at: AtomicU64,
    gone: AtomicBool,
    /// Bytes committed since the pipe was made. Written when the writer goes.
    written_bytes: AtomicU64,
    /// Counts changes of the limits, so that the writer knows when to look at them.
    limits_version: AtomicU64,
}

/// Makes a pipe and returns its two ends, the reading one as [`Reader`].
///
/// `writer` is signalled when a blocked writer may go on or the reader is gone, `reader` when an
/// idle reader has messages or the writer is gone. Without a notifier that end has to be polled.
///
/// # Examples
///
/// ```
/// use zpipe::{Limits, pipe};
/// use zmtp::Message;
///
/// let (mut writer, mut reader) = pipe(Limits::default(), None, None);
/// writer.write_message(&mut Message::from("hello"));
/// let mut message = Message::new();
/// assert!(reader.read_message(&mut message));
/// assert_eq!(message[0], "hello");
/// ```
#[must_use]
pub fn pipe(
    limits: Limits,
    writer: Option<Notifier>,
    reader: Option<Notifier>,
) -> (Writer, Reader) {
    let (shared, chunk) = Shared::new(limits, writer, reader);
    // SAFETY: the chunk is fresh, and each end is made exactly once.
    unsafe {
        (
            Writer::new(Rope::new(Arc::clone(&shared), chunk)),
            Reader::new(shared, chunk),
        )
    }
}

/// Makes a pipe like [`pipe`] whose writing end is filled from a stream of bytes.
///
/// # Examples
///
/// ```
/// use zpipe::{FrameLimits, Limits, ingest_pipe};
///
/// let (mut ingest, mut reader) = ingest_pipe(Limits::default(), None, None);
/// ingest.fill_from(b"\x00\x05hello");
/// ingest.scan(&FrameLimits::default());
/// assert_eq!(reader.next_frame().unwrap().body.as_slice(), b"hello");
/// ```
#[must_use]
pub fn ingest_pipe(
    limits: Limits,
    writer: Option<Notifier>,
    reader: Option<Notifier>,
) -> (Ingest, Reader) {
    let (shared, chunk) = Shared::new(limits, writer, reader);
    // SAFETY: as in `pipe`.
    unsafe {
        (
            Ingest::new(Rope::new(Arc::clone(&shared), chunk)),
            Reader::new(shared, chunk),
        )
    }
}

/// Makes what this thread has committed with [`Writer::commit_unseen`], to any number of pipes, visible to readers
/// that are about to become idle: the step between it and [`Writer::takes_idle_reader`].
#[inline]
pub fn publish_commits() {
    publish();
}

/// Makes a pipe like [`pipe`], with the reading end as [`ByteReader`].
#[must_use]
pub fn byte_pipe(
    limits: Limits,
    writer: Option<Notifier>,
    reader: Option<Notifier>,
) -> (Writer, ByteReader) {
    let (shared, chunk) = Shared::new(limits, writer, reader);
    // SAFETY: as in `pipe`.
    unsafe {
        (
            Writer::new(Rope::new(Arc::clone(&shared), chunk)),
            ByteReader::new(shared, chunk),
        )
    }
}

impl Shared {
    fn new(
        limits: Limits,
        writer: Option<Notifier>,
        reader: Option<Notifier>,
    ) -> (Arc<Self>, NonNull<Chunk>) {
        let shared = Self {
            consumer: Padded(Consumer {
                consumed: AtomicU64::new(0),
                consumed_bytes: AtomicU64::new(0),
                idle: AtomicBool::new(false),
                gone: AtomicBool::new(false),
            }),
            producer: Padded(Producer {
                resume_at: AtomicU64::new(NEVER),
                gone: AtomicBool::new(false),
                written_bytes: AtomicU64::new(0),
                limits_version: AtomicU64::new(0),
            }),
            spare: AtomicPtr::new(std::ptr::null_mut()),
            left_chunk: AtomicPtr::new(std::ptr::null_mut()),
            left_splices: AtomicU32::new(0),
            limits: Guarded::new(limits),
            reader: OnceLock::new(),
            writer: OnceLock::new(),
        };
        if let Some(writer) = writer {
            shared.set_writer_notifier(writer);
        }
        if let Some(reader) = reader {
            shared.set_reader_notifier(reader);
        }
        (Arc::new(shared), Chunk::alloc(FIRST_CHUNK))
    }

    /// The first notifier stays. The caller looks at the pipe afterwards, and finds what the other end
    /// did before it could see the notifier.
    pub(crate) fn set_reader_notifier(&self, notifier: Notifier) {
        let _ = self.reader.set(notifier);
        publish();
    }

    /// As [`set_reader_notifier`](Self::set_reader_notifier).
    pub(crate) fn set_writer_notifier(&self, notifier: Notifier) {
        let _ = self.writer.set(notifier);
        publish();
    }

    /// Reader side: says that the reader saw nothing. The caller must look again afterwards.
    pub(crate) fn set_idle(&self) {
        self.consumer.idle.swap(true, Ordering::AcqRel);
        publish();
    }

    /// Either side: takes the idle flag away. `true` for the one who got it.
    #[inline(always)]
    pub(crate) fn take_idle(&self) -> bool {
        self.consumer.idle.load(Ordering::Relaxed)
            && self.consumer.idle.swap(false, Ordering::AcqRel)
    }

    /// Writer side: publishes what was stored before and says whether the reader must be woken. Who writes to many
    /// pipes in a row calls [`publish_commits`] once, and then [`take_idle`](Self::take_idle) for each of them.
    #[inline(always)]
    pub(crate) fn reader_was_idle(&self) -> bool {
        // The fence that makes idle/wake lossless. It is the only full barrier per message, and it
        // is cheap while the reader works through a batch and leaves these lines alone.
        publish();
        self.take_idle()
    }

    pub(crate) fn wake_reader(&self) {
        if let Some(reader) = self.reader.get() {
            reader.notify(Readiness::READABLE);
        }
    }

    /// Writer side: asks to be told at `target` consumed messages. `false` when that point or the
    /// reader's end is there already, or when the target was derived from limits that have changed.
    pub(crate) fn block_until(&self, target: u64, limits_version: u64) -> bool {
        self.producer.resume_at.swap(target, Ordering::AcqRel);
        publish();
        if or_mutant!(self.reader_gone(), false)
            || or_mutant!(
                self.consumer.consumed.load(Ordering::Acquire) >= target,
                false
            )
            || or_mutant!(self.limits_version() != limits_version, false)
        {
            self.take_blocked();
            return false;
        }
        true
    }

    /// Either side: takes the writer's wish away. `true` for the one who got it.
    pub(crate) fn take_blocked(&self) -> bool {
        self.producer.resume_at.swap(NEVER, Ordering::AcqRel) != NEVER
    }

    /// Reader side: publishes the counts and says whether a blocked writer reached its point.
    #[inline(always)]
    pub(crate) fn release(&self, messages: u64, bytes: u64) -> bool {
        self.consumer.consumed_bytes.store(bytes, Ordering::Relaxed);
        self.consumer.consumed.store(messages, Ordering::Release);
        // The fence that makes block/resume lossless; see `reader_was_idle` for its price.
        publish();
        self.producer.resume_at.load(Ordering::Relaxed) <= messages && self.take_blocked()
    }

    pub(crate) fn wake_writer(&self) {
        if let Some(writer) = self.writer.get() {
            writer.notify(Readiness::WRITABLE);
        }
    }

    /// Either side: a changed limit may free a blocked writer, so it is told to look again.
    pub(crate) fn set_limits(&self, limits: Limits) {
        let mut present = self.limits.lock();
        *present = limits;
        (self.producer.limits_version).fetch_add(1, Ordering::Release);
        drop(present);
        publish();
        if or_mutant!(self.take_blocked(), false) {
            self.wake_writer();
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        *self.limits.lock()
    }

    /// Changes when the limits do.
    pub(crate) fn limits_version(&self) -> u64 {
        self.producer.limits_version.load(Ordering::Acquire)
    }

    pub(crate) fn reader_gone(&self) -> bool {
        self.consumer.gone.load(Ordering::Acquire)
    }

    pub(crate) fn writer_gone(&self) -> bool {
        self.producer.gone.load(Ordering::Acquire)
    }

    /// Reader side, last act. The chunks stay until the writer is gone too, since it may be
    /// writing.
    pub(crate) fn leave_reader(&self, chunk: NonNull<Chunk>, splices_taken: u32) {
        self.leave_at(chunk, splices_taken);
        self.consumer.gone.store(true, Ordering::Release);
        // A writer that goes on committing finds out when it finds the reader idle.
        self.set_idle();
        self.take_blocked();
        // Also a writer that is not blocked wants to know that its peer is gone.
        self.wake_writer();
    }

    /// Where the reader was when it went. Only for a writer that has seen that it is gone.
    pub(crate) fn left_at(&self) -> (NonNull<Chunk>, u32) {
        let chunk = NonNull::new(self.left_chunk.load(Ordering::Relaxed));
        let chunk = chunk.expect("a reader that is gone has left its place");
        (chunk, self.left_splices.load(Ordering::Relaxed))
    }

    /// Says from where on the rope has not been read: for a reader that goes, and for a writer that
    /// throws away what nobody will read.
    pub(crate) fn leave_at(&self, chunk: NonNull<Chunk>, splices_taken: u32) {
        self.left_splices.store(splices_taken, Ordering::Relaxed);
        self.left_chunk.store(chunk.as_ptr(), Ordering::Relaxed);
    }

    /// Reader side: all bytes that were committed, once the writer is gone.
    pub(crate) fn bytes_left_by_writer(&self) -> Option<u64> {
        self.writer_gone()
            .then(|| self.producer.written_bytes.load(Ordering::Relaxed))
    }

    /// Writer side, last act.
    pub(crate) fn leave_writer(&self, written_bytes: u64) {
        (self.producer.written_bytes).store(written_bytes, Ordering::Relaxed);
        self.producer.gone.store(true, Ordering::Release);
        publish();
        self.take_idle();
        // Also a reader that does not look idle: the wake-up that a quiet commit owed it may never
        // have been made.
        self.wake_reader();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The last handle of an `Arc` goes after all the others, so nothing is left to be ordered.
        if let Some(spare) = NonNull::new(self.spare.load(Ordering::Relaxed)) {
            // SAFETY: both ends are gone; the reader took all splices before it gave the chunk back.
            unsafe { Chunk::free(spare) };
        }
        let mut spent = Spent::default();
        let mut taken = self.left_splices.load(Ordering::Relaxed);
        let mut next = NonNull::new(self.left_chunk.load(Ordering::Relaxed));
        while let Some(chunk) = next {
            // SAFETY: both ends are gone. From the chunk the reader was at, the list reaches every
            // chunk the writer committed; uncommitted ones were taken back when the writer went.
            unsafe {
                let mark = chunk.as_ref().load_mark();
                next = if mark.is_closed() {
                    chunk.as_ref().next()
                } else {
                    None
                };
                chunk
                    .as_ref()
                    .take_splices(taken..mark.splices(), &mut spent);
                Chunk::free(chunk);
            }
            taken = 0;
        }
        spent.drop_all();
    }
}
