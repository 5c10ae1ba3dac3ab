//! The rope as the writing side sees it: chunks in a row, what is committed, and what is not yet.
//!
//! [`Writer`](crate::Writer) and [`Ingest`](crate::Ingest) each own a rope. They decide what goes
//! into it and where a message ends; see `room.rs` for how much of it may.

use std::ptr::NonNull;

use bytes::Bytes;
use zmtp::{
    Message,
    header::{self, Flags},
};

use crate::{
    chunk::{Chunk, Mark, SPLICE_ENTRY, Splice},
    pipe::{FIRST_CHUNK, Limits, MAX_CHUNK, MIN_CHUNK, Shared},
    spent::Spent,
    sync::{Arc, Ordering},
};

pub(crate) struct Rope {
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
    pub(crate) written: u64,
    /// `written` may reach this before `consumed` has to be looked at again.
    pub(crate) room_until: u64,
    /// The same in bytes. Counted only up to commits.
    pub(crate) written_bytes: u64,
    pub(crate) room_until_bytes: u64,
    /// Bytes of the open message.
    pub(crate) open_bytes: u64,
    /// The most messages found in the pipe whenever the writer looked.
    pub(crate) most_pending: u64,
    /// The limits as last seen, and their version.
    pub(crate) limits: Limits,
    pub(crate) limits_version: u64,
    /// Bytes the next chunk will have.
    next_capacity: usize,
    /// Chunks in a row that were drained by the time they were full: a sign that smaller ones would
    /// serve.
    drained_in_a_row: u8,
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
// rope is tied to a thread.
unsafe impl Send for Rope {}

/// Larger bodies do not go into a chunk even if the caller asks for a copy, in bytes.
const MAX_INLINE: usize = 1 << 20;

/// Chunks drained in a row after which the next one is halved.
const SHRINK_AFTER: u8 = 8;

impl Rope {
    /// # Safety
    ///
    /// `chunk` is fresh, and this is the only rope of `shared`.
    pub(crate) unsafe fn new(shared: Arc<Shared>, chunk: NonNull<Chunk>) -> Self {
        // SAFETY: fresh and ours.
        let limit = unsafe { chunk.as_ref() }.capacity();
        let (limits, limits_version) = (shared.limits(), shared.limits_version());
        let mut rope = Self {
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
            open_bytes: 0,
            most_pending: 0,
            limits,
            limits_version,
            next_capacity: MIN_CHUNK,
            drained_in_a_row: 0,
        };
        rope.refresh_room();
        rope
    }

    /// Appends a frame whose body is copied.
    #[inline]
    pub(crate) fn append(&mut self, flags: Flags, body: &[u8]) {
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

    /// Appends whole frames as they are. There are no more bytes than a chunk can have.
    #[inline]
    pub(crate) fn append_encoded(&mut self, frames: &[u8]) {
        if self.limit - self.off < frames.len() {
            self.roll(frames.len());
        }
        // SAFETY: the writer's room, checked just above.
        let room = unsafe { self.head.as_ref().bytes_mut(self.off, frames.len()) };
        room.copy_from_slice(frames);
        self.off += frames.len();
        self.open_bytes += frames.len() as u64;
    }

    /// Appends a frame whose body is not copied.
    pub(crate) fn append_spliced(&mut self, flags: Flags, body: Bytes) {
        let mut front = [0; header::MAX_LEN];
        let len = header::encode(flags, body.len() as u64, &mut front);
        if !self.has_splice_room(len) {
            self.roll(len + SPLICE_ENTRY);
        }
        // SAFETY: the writer's room, checked just above.
        unsafe { self.head.as_ref().bytes_mut(self.off, len) }.copy_from_slice(&front[..len]);
        self.off += len;
        self.open_bytes += (len + body.len()) as u64;
        self.put_splice(self.off, body);
    }

    /// Appends all frames of a message. Bodies of at least `splice_min` bytes are taken out of it. A
    /// message without frames counts as one empty frame.
    #[inline]
    pub(crate) fn append_message(&mut self, message: &mut Message, splice_min: usize) {
        let frames = message.frames_mut();
        let Some((last, parts)) = frames.split_last_mut() else {
            return self.append(Flags::NONE, &[]);
        };
        for frame in parts {
            self.append_frame(Flags::MORE, frame, splice_min);
        }
        self.append_frame(Flags::NONE, last, splice_min);
    }

    /// Appends one frame, copied or spliced as its size suggests.
    #[inline]
    pub(crate) fn append_frame(
        &mut self,
        flags: Flags,
        frame: &mut zmtp::Frame,
        splice_min: usize,
    ) {
        if frame.len() < splice_min {
            self.append(flags, frame);
        } else {
            self.append_spliced(flags, std::mem::take(frame).into_bytes());
        }
    }

    /// Whether the head chunk takes one more splice, and `bytes` before it.
    #[inline]
    pub(crate) fn has_splice_room(&self, bytes: usize) -> bool {
        self.limit - self.off >= bytes + SPLICE_ENTRY && self.splices < Mark::MAX_SPLICES
    }

    /// Puts a splice at `offset`, which no other is at or after.
    ///
    /// # Panics
    ///
    /// If there is no room for its entry.
    pub(crate) fn put_splice(&mut self, offset: usize, body: Bytes) {
        assert!(self.has_splice_room(0), "no room for a splice");
        // SAFETY: checked just above; `splices` is the number in place.
        unsafe {
            let head = self.head.as_ref();
            head.put_splice(self.splices, Splice { offset, body });
        }
        self.splices += 1;
        self.limit -= SPLICE_ENTRY;
    }

    /// Commits up to `off` and `splices` of the head chunk. `bytes` is what that adds to the bytes
    /// in the pipe.
    #[inline]
    pub(crate) fn commit_at(&mut self, off: usize, splices: u32, messages: u64, bytes: u64) {
        let before = self.written;
        self.written += messages;
        self.written_bytes += bytes;
        self.open_bytes -= bytes;
        // SAFETY: head and base are chunks of this rope that are open, so the reader has not got past
        // them. The base is not used again once it is closed.
        unsafe {
            Chunk::store_mark(self.head, Mark::new(off, splices, self.written));
            if self.base.chunk != self.head {
                // Chunks in between were marked when they were left; the base's mark, stored last,
                // makes the whole row reachable.
                let (end, end_splices) = self.base.end;
                let mid_message = end > self.base.off;
                let mark = Mark::new(end, end_splices, before).close(mid_message);
                Chunk::store_mark(self.base.chunk, mark);
                self.base.chunk = self.head;
            }
        }
        self.base.off = off;
        self.base.splices = splices;
    }

    /// After a commit: whether [`wake_reader`](Self::wake_reader) is to be called. Always so when the
    /// reader is gone.
    #[inline]
    pub(crate) fn reader_was_idle(&self) -> bool {
        self.shared.reader_was_idle()
    }

    /// Wakes the reader. If it is gone, throws away what is committed: in its place, and not in the
    /// commit, because to drop bodies is foreign code, which not everybody who commits can have run.
    #[inline(never)]
    pub(crate) fn wake_reader(&mut self) {
        if self.shared.reader_gone() {
            // It keeps looking idle, so each commit leads here.
            self.shared.set_idle();
            self.discard();
        } else {
            self.shared.wake_reader();
        }
    }

    /// Throws away what is committed, now that the reader is gone.
    fn discard(&mut self) {
        let mut spent = Spent::default();
        let (mut chunk, mut taken) = self.shared.left_at();
        // SAFETY: without a reader all chunks are the writer's. From where the reader was they are
        // linked up to the base, where the last commit ended, and all but that are closed.
        unsafe {
            while chunk != self.base.chunk {
                let end = chunk.as_ref().load_mark().splices();
                chunk.as_ref().take_splices(taken..end, &mut spent);
                let next = chunk.as_ref().successor();
                Chunk::free(chunk);
                (chunk, taken) = (next, 0);
            }
            let end = self.base.splices;
            chunk.as_ref().take_splices(taken..end, &mut spent);
            self.shared.leave_at(chunk, end);
        }
        spent.drop_all();
    }

    /// Takes back everything since the last commit. The bodies in it are for the caller to drop when
    /// its own state is in order.
    #[must_use]
    pub(crate) fn rollback(&mut self) -> Spent {
        let mut spent = Spent::default();
        // SAFETY: nothing after the base is committed, so the reader has seen none of it, and the
        // splices above the base's count are in place.
        unsafe {
            let base = self.base.chunk;
            if base == self.head {
                base.as_ref()
                    .take_splices(self.base.splices..self.splices, &mut spent);
            } else {
                base.as_ref()
                    .take_splices(self.base.splices..self.base.end.1, &mut spent);
                let mut next = base.as_ref().next();
                base.as_ref().set_next(None);
                while let Some(chunk) = next {
                    let last = chunk == self.head;
                    next = if last { None } else { chunk.as_ref().next() };
                    let mark = chunk.as_ref().load_mark();
                    let splices = if last { self.splices } else { mark.splices() };
                    chunk.as_ref().take_splices(0..splices, &mut spent);
                    Chunk::free(chunk);
                }
            }
            self.head = base;
            self.off = self.base.off;
            self.splices = self.base.splices;
            self.limit = base.as_ref().frame_limit(self.splices);
        }
        self.open_bytes = 0;
        spent
    }

    /// Leaves the head chunk for one with room for `need` bytes.
    #[cold]
    pub(crate) fn roll(&mut self, need: usize) {
        let chunk = self.next_chunk(need);
        // SAFETY: the head is ours, and if it is not the base, the reader cannot reach it yet; the new
        // chunk is not yet reachable by anybody else.
        unsafe {
            if self.head == self.base.chunk {
                self.base.end = (self.off, self.splices);
            } else {
                let mark = Mark::new(self.off, self.splices, self.written);
                Chunk::store_mark(self.head, mark.close(true));
            }
            self.head.as_ref().set_next(Some(chunk));
            self.limit = chunk.as_ref().capacity();
        }
        self.head = chunk;
        self.off = 0;
        self.splices = 0;
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
                Chunk::free(chunk);
            }
        }
    }

    /// A chunk of suitable size: the one the reader gave back, or a new one.
    ///
    /// Sizes follow the load. If the reader has not finished a chunk while this one was filled, the
    /// next is twice as large; if it had drained everything several times in a row, half as large. A frame
    /// that needs more makes this one and the next a quarter larger than it needs: otherwise each such frame
    /// between small ones would cost a new chunk.
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
        if need > self.next_capacity {
            // The next frames may be as large, between small ones: then one chunk has room for both.
            self.next_capacity = (need + need / 4).min(MAX_CHUNK);
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
                Chunk::free(spare);
            }
        }
        Chunk::alloc(want)
    }

    /// Puts a chunk as that of a new pipe in the place of one that has grown, if the pipe is drained and
    /// nothing is open; says whether it did.
    pub(crate) fn trim(&mut self) -> bool {
        let base = &self.base;
        let is_open = (self.head, self.off, self.splices) != (base.chunk, base.off, base.splices);
        if is_open || self.pending() > 0 {
            return false;
        }
        let spare = (self.shared.spare).swap(std::ptr::null_mut(), Ordering::Acquire);
        if let Some(spare) = NonNull::new(spare) {
            // SAFETY: taken out of the slot, the spare is ours alone; the reader took its splices.
            unsafe { Chunk::free(spare) };
        }
        self.next_capacity = MIN_CHUNK;
        self.drained_in_a_row = 0;
        // SAFETY: the head is in place until its mark is closed, which is the last use of it.
        unsafe {
            if self.head.as_ref().capacity() <= MIN_CHUNK {
                return false;
            }
            let small = Chunk::alloc(FIRST_CHUNK);
            self.limit = small.as_ref().capacity();
            Chunk::store_mark(small, Mark::new(0, 0, self.written));
            self.head.as_ref().set_next(Some(small));
            let mark = Mark::new(self.off, self.splices, self.written).close(false);
            Chunk::store_mark(self.head, mark);
            self.head = small;
        }
        self.off = 0;
        self.splices = 0;
        self.base = Base::start_of(self.head);
        if self.reader_was_idle() {
            self.wake_reader();
        }
        true
    }

    /// Makes the next chunks large at once, because a burst is known to come.
    pub(crate) fn grow(&mut self) {
        self.next_capacity = (self.next_capacity * 4).min(MAX_CHUNK);
        self.drained_in_a_row = 0;
    }
}

impl Drop for Rope {
    fn drop(&mut self) {
        let mut spent = self.rollback();
        self.shared.leave_writer(self.written_bytes);
        spent.drop_all();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::pipe;

    #[test]
    fn a_splice_never_takes_the_room_of_frames() {
        let (mut writer, _reader) = pipe(Limits::default(), None, None);
        let rope = &mut writer.rope;
        let body = Bytes::from(vec![7; 10]);
        while rope.has_splice_room(0) {
            rope.put_splice(0, body.clone());
        }
        assert!(rope.limit - rope.off < SPLICE_ENTRY);
        let put = std::panic::AssertUnwindSafe(|| rope.put_splice(0, body.clone()));
        std::panic::catch_unwind(put).unwrap_err();
        writer.rollback();
        assert!(body.is_unique());
    }

    #[test]
    fn a_chunk_has_no_more_splices_than_its_mark_can_count() {
        let (mut writer, _reader) = pipe(Limits::default(), None, None);
        let rope = &mut writer.rope;
        let body = Bytes::from(vec![7; 10]);
        rope.roll(SPLICE_ENTRY * (Mark::MAX_SPLICES as usize + 10));
        for _ in 0..Mark::MAX_SPLICES {
            rope.put_splice(0, body.clone());
        }
        assert!(rope.limit > 9 * SPLICE_ENTRY, "there is memory for more");
        let put = std::panic::AssertUnwindSafe(|| rope.put_splice(0, body.clone()));
        std::panic::catch_unwind(put).unwrap_err();
        writer.rollback();
        assert!(body.is_unique());
    }
}
