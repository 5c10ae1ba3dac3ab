//! The writing end: append frames, commit whole messages.

use std::ptr::NonNull;

use bytes::Bytes;
use zmtp::{
    Message,
    header::{self, Flags},
};

use crate::{
    SPLICE_MIN,
    chunk::{Chunk, Mark, SPLICE_ENTRY, Splice},
    deferred,
    pipe::{Limits, MAX_CHUNK, MIN_CHUNK, Shared},
    ready::Notifier,
    sync::{Arc, Ordering},
};

/// The writing end of a pipe.
///
/// Frames are appended, and become visible to the reader all at once when the message is committed.
/// Appending never fails and never blocks: the high-water mark is the caller's to respect, by asking
/// [`has_room`](Self::has_room) before the first frame of a message.
///
/// # Examples
///
/// ```
/// use zmtp::header::Flags;
/// use zpipe::{Limits, pipe};
///
/// let (mut writer, mut reader) = pipe(Limits { messages: 1, bytes: 0 }, None, None);
/// writer.append(Flags::MORE, b"part of a message");
/// assert!(!reader.is_readable());
/// writer.append(Flags::NONE, b"and its end");
/// writer.commit();
/// assert!(reader.is_readable());
/// assert!(!writer.has_room());
/// ```
pub struct Writer {
    pub(crate) shared: Arc<Shared>,
    /// The chunk being written.
    pub(crate) head: NonNull<Chunk>,
    /// Bytes in it, committed or not.
    pub(crate) off: usize,
    /// Splices in it, committed or not.
    pub(crate) splices: u32,
    /// Where its room for frames ends.
    pub(crate) limit: usize,
    /// The last commit. Everything after it is what a rollback takes away.
    base: Base,
    /// Messages committed since the pipe was made.
    written: u64,
    /// `written` may reach this before `consumed` has to be looked at again.
    room_until: u64,
    /// The same in bytes. Counted only up to commits.
    written_bytes: u64,
    room_until_bytes: u64,
    /// Bodies of at least this many bytes are spliced.
    splice_min: usize,
    /// Bytes of the open message.
    pub(crate) open_bytes: u64,
    /// Bytes the next chunk will have.
    next_capacity: usize,
    /// Chunks in a row that were drained by the time they were full: a sign that smaller ones would
    /// serve.
    drained_in_a_row: u8,
    pub(crate) ingest: crate::ingest::Ingest,
}

/// The state of the writer just after its last commit.
struct Base {
    chunk: NonNull<Chunk>,
    off: usize,
    splices: u32,
    /// Length and splices with which `chunk` will be closed, once the writer has left it.
    end: (usize, u32),
}

impl Base {
    fn start_of(chunk: NonNull<Chunk>) -> Self {
        Self {
            chunk,
            off: 0,
            splices: 0,
            end: (0, 0),
        }
    }
}

// SAFETY: the raw pointers lead to chunks that are governed by the protocol in `pipe`; nothing in a
// writer is tied to a thread.
unsafe impl Send for Writer {}

/// Larger bodies do not go into a chunk even if the caller asks for a copy, in bytes.
const MAX_INLINE: usize = 1 << 20;

/// Chunks drained in a row after which the next one is halved.
const SHRINK_AFTER: u8 = 8;

impl Writer {
    /// # Safety
    ///
    /// `chunk` is fresh, and this is the only writer of `shared`.
    pub(crate) unsafe fn new(shared: Arc<Shared>, chunk: NonNull<Chunk>) -> Self {
        // SAFETY: fresh and ours.
        let limit = unsafe { chunk.as_ref() }.capacity();
        let mut writer = Self {
            shared,
            head: chunk,
            off: 0,
            splices: 0,
            limit,
            base: Base::start_of(chunk),
            written: 0,
            room_until: 0,
            written_bytes: 0,
            room_until_bytes: 0,
            splice_min: SPLICE_MIN,
            open_bytes: 0,
            next_capacity: MIN_CHUNK,
            drained_in_a_row: 0,
            ingest: crate::ingest::Ingest::default(),
        };
        writer.refresh_room();
        writer
    }

    /// Whether one more message may be committed without passing a high-water mark.
    #[inline]
    pub fn has_room(&mut self) -> bool {
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
        let limits = self.shared.limits();
        let consumed = self.shared.consumer.consumed.load(Ordering::Acquire);
        self.set_room(limits, consumed)
    }

    fn set_room(&mut self, limits: Limits, consumed: u64) -> bool {
        let consumed_bytes = &self.shared.consumer.consumed_bytes;
        self.room_until = match limits.messages {
            0 => u64::MAX,
            n => consumed.saturating_add(n),
        };
        self.room_until_bytes = match limits.bytes {
            0 => u64::MAX,
            n => consumed_bytes.load(Ordering::Acquire).saturating_add(n),
        };
        self.written < self.room_until && self.written_bytes < self.room_until_bytes
    }

    /// Appends a frame whose body is copied into the rope. `LONG` in `flags` is ignored.
    #[inline]
    pub fn append(&mut self, flags: Flags, body: &[u8]) {
        let need = body.len() + header::MAX_LEN;
        if self.limit - self.off < need {
            if body.len() > MAX_INLINE {
                return self.append_spliced(flags, Bytes::copy_from_slice(body));
            }
            self.roll(need);
        }
        // SAFETY: the writer's room, checked just above.
        let room = unsafe { self.head.as_ref().bytes_mut(self.off, need) };
        let header = if body.len() <= header::MAX_SHORT_SIZE as usize {
            // Spelt out because this is the hot path and needs two bytes, not nine.
            room[0] = flags.without(Flags::LONG).bits();
            room[1] = body.len() as u8;
            2
        } else {
            let Some(front) = room.first_chunk_mut() else {
                unreachable!("room for the longest header");
            };
            header::encode(flags, body.len() as u64, front)
        };
        room[header..header + body.len()].copy_from_slice(body);
        self.off += header + body.len();
        self.open_bytes += (header + body.len()) as u64;
    }

    /// Appends a frame whose body is not copied: the rope keeps the handle until the reader has
    /// taken it.
    pub fn append_spliced(&mut self, flags: Flags, body: Bytes) {
        let mut front = [0; header::MAX_LEN];
        let len = header::encode(flags, body.len() as u64, &mut front);
        self.append_raw_header(&front[..len], body);
    }

    /// Appends a header as it stands and a spliced body.
    pub(crate) fn append_raw_header(&mut self, front: &[u8], body: Bytes) {
        let need = front.len() + SPLICE_ENTRY;
        if self.limit - self.off < need || self.splices == Mark::MAX_SPLICES {
            self.roll(need);
        }
        // SAFETY: the writer's room, checked just above.
        unsafe { self.head.as_ref().bytes_mut(self.off, front.len()) }.copy_from_slice(front);
        self.off += front.len();
        self.open_bytes += (front.len() + body.len()) as u64;
        self.put_splice(self.off, body);
    }

    /// Puts a splice at `offset`, which no other is at or after. There is room for it.
    pub(crate) fn put_splice(&mut self, offset: usize, body: Bytes) {
        // SAFETY: the caller made sure of room for the entry; `splices` is the number in place.
        unsafe {
            let head = self.head.as_ref();
            head.put_splice(self.splices, Splice { offset, body });
        }
        self.splices += 1;
        self.limit -= SPLICE_ENTRY;
    }

    /// Makes everything since the last commit visible as one message, and wakes the reader if it
    /// was idle.
    ///
    /// The last frame must have neither `MORE` nor `COMMAND` among its flags: it is by these that
    /// the reader counts messages.
    #[inline]
    pub fn commit(&mut self) {
        if self.commit_quietly() {
            self.wake_reader();
        }
    }

    /// Like [`commit`](Self::commit), but leaves the wake-up to the caller: `true` means that the
    /// reader was idle and that nobody else will wake it. The caller then calls
    /// [`wake_reader`](Self::wake_reader), or does the reader's work itself.
    #[inline]
    #[must_use = "`true` obliges the caller to wake the reader"]
    pub fn commit_quietly(&mut self) -> bool {
        debug_assert!(self.open_bytes > 0, "nothing to commit");
        self.commit_at(self.off, self.splices, 1, self.open_bytes);
        self.ingest.appended(self.off);
        self.shared.reader_was_idle()
    }

    /// Wakes the reader unconditionally.
    pub fn wake_reader(&self) {
        self.shared.wake_reader();
    }

    /// Commits up to `off` and `splices` of the head chunk. `bytes` is what that adds to the bytes
    /// in the pipe.
    #[inline]
    pub(crate) fn commit_at(&mut self, off: usize, splices: u32, messages: u64, bytes: u64) {
        let before = self.written;
        self.written += messages;
        self.written_bytes += bytes;
        self.open_bytes -= bytes;
        // SAFETY: head and base are chunks of this rope that the reader has not got past.
        let (head, base) = unsafe { (self.head.as_ref(), self.base.chunk.as_ref()) };
        head.store_mark(Mark::new(off, splices, self.written));
        if self.base.chunk != self.head {
            // Chunks in between were marked when they were left; the base's mark, stored last,
            // makes the whole row reachable.
            let (end, end_splices) = self.base.end;
            let mid_message = end > self.base.off;
            base.store_mark(Mark::new(end, end_splices, before).close(mid_message));
            self.base.chunk = self.head;
        }
        self.base.off = off;
        self.base.splices = splices;
    }

    /// Takes back everything since the last commit.
    pub fn rollback(&mut self) {
        // SAFETY: nothing after the base is committed, so the reader has seen none of it, and the
        // splices above the base's count are in place.
        unsafe {
            let base = self.base.chunk;
            if base == self.head {
                for index in self.base.splices..self.splices {
                    deferred::drop_body(base.as_ref().take_splice(index));
                }
            } else {
                for index in self.base.splices..self.base.end.1 {
                    deferred::drop_body(base.as_ref().take_splice(index));
                }
                let mut next = base.as_ref().next();
                base.as_ref().set_next(None);
                while let Some(chunk) = next {
                    let last = chunk == self.head;
                    next = if last { None } else { chunk.as_ref().next() };
                    let mark = chunk.as_ref().load_mark();
                    let splices = if last { self.splices } else { mark.splices() };
                    Chunk::free(chunk, 0..splices);
                }
            }
            self.head = base;
            self.off = self.base.off;
            self.splices = self.base.splices;
            self.limit = base.as_ref().frame_limit(self.splices);
        }
        self.open_bytes = 0;
        self.ingest.reset(self.off);
    }

    /// Leaves the head chunk for one with room for `need` bytes.
    #[cold]
    pub(crate) fn roll(&mut self, need: usize) {
        let chunk = self.next_chunk(need);
        // SAFETY: the head is ours; the new chunk is not yet reachable by anybody else.
        unsafe {
            if self.head == self.base.chunk {
                self.base.end = (self.off, self.splices);
            } else {
                let mark = Mark::new(self.off, self.splices, self.written);
                self.head.as_ref().store_mark(mark.close(true));
            }
            self.head.as_ref().set_next(Some(chunk));
            self.limit = chunk.as_ref().capacity();
        }
        self.head = chunk;
        self.off = 0;
        self.splices = 0;
        self.ingest.appended(0);
    }

    /// Where the committed part of the head chunk ends.
    pub(crate) fn committed_in_head(&self) -> usize {
        if self.head == self.base.chunk {
            self.base.off
        } else {
            0
        }
    }

    /// Frees the chunks between the last commit and the head chunk. They have no splices, and what is
    /// in them is not wanted.
    pub(crate) fn drop_chunks_between(&mut self) {
        // SAFETY: the base is a chunk of this rope, and what follows it is not committed, so it is
        // the writer's alone, up to the head.
        unsafe {
            let base = self.base.chunk.as_ref();
            let mut next = base.next();
            base.set_next(Some(self.head));
            while let Some(chunk) = next.filter(|chunk| *chunk != self.head) {
                next = chunk.as_ref().next();
                Chunk::free(chunk, 0..0);
            }
        }
    }

    /// A chunk of suitable size: the one the reader gave back, or a new one.
    ///
    /// Sizes follow the load. If the reader has not finished a chunk while this one was filled, the
    /// next is twice as large; if it had drained everything several times in a row, half as large.
    fn next_chunk(&mut self, need: usize) -> NonNull<Chunk> {
        let spare = self
            .shared
            .spare
            .swap(std::ptr::null_mut(), Ordering::Acquire);
        let consumed = self.shared.consumer.consumed.load(Ordering::Relaxed);
        if consumed == self.written {
            self.drained_in_a_row += 1;
            if self.drained_in_a_row == SHRINK_AFTER {
                self.drained_in_a_row = 0;
                self.next_capacity = (self.next_capacity / 2).max(MIN_CHUNK);
            }
        } else {
            self.drained_in_a_row = 0;
            if spare.is_null() {
                self.next_capacity = (self.next_capacity * 2).min(MAX_CHUNK);
            }
        }
        let want = self.next_capacity.max(need);
        if let Some(spare) = NonNull::new(spare) {
            // SAFETY: taken out of the slot, the spare is ours alone; the reader took its splices.
            unsafe {
                let capacity = spare.as_ref().capacity();
                if capacity >= want && capacity <= want.max(MIN_CHUNK) * 2 {
                    spare.as_ref().reset();
                    return spare;
                }
                Chunk::free(spare, 0..0);
            }
        }
        Chunk::alloc(want)
    }

    /// Gives back what a burst has left behind. If the pipe is drained, no message is open, and the
    /// chunk in use is a large one, a chunk of the smallest size takes its place, which makes the pipe
    /// as small as a new one. Otherwise nothing happens.
    ///
    /// An idle reader is woken, finds nothing, and frees the large chunk on that occasion. For a pipe
    /// that has been quiet for a while; one that is busy finds the right size itself.
    pub fn trim(&mut self) {
        self.drop_commands();
        let base = &self.base;
        let is_open = (self.head, self.off, self.splices) != (base.chunk, base.off, base.splices);
        if is_open || self.ingest.is_open() || self.pending() > 0 {
            return;
        }
        let spare = (self.shared.spare).swap(std::ptr::null_mut(), Ordering::Acquire);
        if let Some(spare) = NonNull::new(spare) {
            // SAFETY: taken out of the slot, the spare is ours alone; the reader took its splices.
            unsafe { Chunk::free(spare, 0..0) };
        }
        self.next_capacity = MIN_CHUNK;
        self.drained_in_a_row = 0;
        // SAFETY: the head is in place until its mark is closed below.
        let old = unsafe { self.head.as_ref() };
        if old.capacity() <= MIN_CHUNK {
            return;
        }
        let chunk = Chunk::alloc(MIN_CHUNK);
        // SAFETY: fresh.
        let small = unsafe { chunk.as_ref() };
        small.store_mark(Mark::new(0, 0, self.written));
        old.set_next(Some(chunk));
        old.store_mark(Mark::new(self.off, self.splices, self.written).close(false));
        self.head = chunk;
        self.off = 0;
        self.splices = 0;
        self.limit = small.capacity();
        self.base = Base::start_of(chunk);
        self.ingest.appended(0);
        if self.shared.reader_was_idle() {
            self.wake_reader();
        }
    }

    /// Makes the next chunks large at once, because a burst is known to come.
    pub(crate) fn grow(&mut self) {
        self.next_capacity = (self.next_capacity * 4).min(MAX_CHUNK);
        self.drained_in_a_row = 0;
    }

    /// Appends all frames of a message and commits it. Bodies of at least
    /// [`splice_min`](Self::splice_min) bytes are taken out of `message` instead of copied, which
    /// leaves empty frames behind.
    pub fn write_message(&mut self, message: &mut Message) {
        self.append_message(message);
        self.commit();
    }

    /// Appends all frames of a message without committing it; see
    /// [`write_message`](Self::write_message). A message without frames counts as one empty frame.
    #[inline]
    pub fn append_message(&mut self, message: &mut Message) {
        let frames = message.frames_mut();
        let Some((last, parts)) = frames.split_last_mut() else {
            return self.append(Flags::NONE, &[]);
        };
        for frame in parts {
            self.append_frame(Flags::MORE, frame);
        }
        self.append_frame(Flags::NONE, last);
    }

    /// Appends one frame, copied or spliced as its size suggests.
    #[inline]
    pub fn append_frame(&mut self, flags: Flags, frame: &mut zmtp::Frame) {
        if frame.len() < self.splice_min {
            self.append(flags, frame);
        } else {
            self.append_spliced(flags, std::mem::take(frame).into_bytes());
        }
    }

    /// From how many bytes on [`append_frame`](Self::append_frame) splices a body instead of copying
    /// it; [`SPLICE_MIN`](crate::SPLICE_MIN) at first.
    #[inline]
    #[must_use]
    pub fn splice_min(&self) -> usize {
        self.splice_min
    }

    /// Changes [`splice_min`](Self::splice_min). A pipe whose reader wants messages, not bytes, does
    /// well with a small value.
    pub fn set_splice_min(&mut self, bytes: usize) {
        self.splice_min = bytes;
    }

    /// Names who is to be signalled when this end was blocked and may go on. Only the first notifier
    /// counts, also one given to the pipe when it was made. A signal that was due before is lost, so
    /// look at the pipe after this call.
    pub fn set_notifier(&mut self, notifier: Notifier) {
        self.shared.set_writer_notifier(notifier);
    }

    /// Asks to be told, through the writer's notifier, when the pipe has drained to half of its
    /// high-water mark (rounded up), or when the reader is gone. `false` when there is room, or no
    /// reader, already.
    ///
    /// A pipe that is full of bytes, and not of messages, signals when half of the messages in it
    /// have been released. There may not be room then, so ask again.
    #[must_use = "`false` means that no signal will come"]
    pub fn block(&mut self) -> bool {
        self.block_keeping(|held, mark| match mark {
            Some(mark) => mark.div_ceil(2).min(held - 1),
            None => held / 2,
        })
    }

    /// Like [`block`](Self::block), for those who go on at the first free place. A pipe that is full of
    /// bytes, and not of messages, signals when one message has been released.
    ///
    /// A steady flow is better served by `block`, which costs one signal for many messages.
    #[must_use = "`false` means that no signal will come"]
    pub fn block_until_room(&mut self) -> bool {
        self.block_keeping(|held, mark| mark.unwrap_or(held).saturating_sub(1))
    }

    /// Takes back what [`block`](Self::block) asked for. A signal that is on its way still comes.
    pub(crate) fn unblock(&mut self) {
        self.shared.take_blocked();
    }

    /// Lets the reader know that nothing more will come. Nothing may be appended after this.
    pub(crate) fn close(&mut self) {
        self.shared.leave_writer();
    }

    /// Asks to be told when no more messages are in the pipe than `keep` says, given how many are in it
    /// now and the mark of messages; `None` if only bytes fill it.
    fn block_keeping(&mut self, keep: impl FnOnce(u64, Option<u64>) -> u64) -> bool {
        // Looked at once: what is decided here must all be about the same moment.
        let limits = self.shared.limits();
        let consumed = self.shared.consumer.consumed.load(Ordering::Acquire);
        if self.set_room(limits, consumed) {
            self.shared.take_blocked();
            return false;
        }
        let held = self.written - consumed;
        let mark = Some(limits.messages).filter(|mark| (1..=held).contains(mark));
        let keep = keep(held, mark);
        let blocked = self.shared.block_until(self.written - keep, limits);
        if !blocked {
            self.refresh_room();
        }
        blocked
    }

    /// Whether the reader is gone, so that whatever is written is lost.
    #[inline]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.reader_gone()
    }

    /// Messages committed and not yet released by the reader.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.written - self.shared.consumer.consumed.load(Ordering::Acquire)
    }

    /// Messages committed since the pipe was made.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Bytes committed since the pipe was made, as framed, splices included.
    #[inline]
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.shared.limits()
    }

    /// Changes the limits at once. Lowering them discards nothing: the pipe is full until it has
    /// drained.
    pub fn set_limits(&mut self, limits: Limits) {
        self.shared.set_limits(limits);
        self.refresh_room();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.rollback();
        self.shared.leave_writer();
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("written", &self.written)
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}
