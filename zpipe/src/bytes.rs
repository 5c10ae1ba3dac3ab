//! The reading end as a stream of bytes, for those who send the rope on as it is.
//!
//! ```text
//!   released │ taken, but part of a message │ committed
//!  ──────────┼──────────────────────────────┼──────────── ─ ─
//!            boundary                       cursor
//! ```
//!
//! The cursor moves by bytes. What is released to the writer moves by whole messages: the boundary
//! is the last end of a message that the cursor has passed. Chunks and splices live until the
//! boundary passes them, so a connection that broke in the middle of a message can
//! [`rewind`](ByteReader::rewind) and send that message again on the next one.

use std::{io::IoSlice, ptr::NonNull};

use zmtp::header::{self, FrameHeader};

use crate::{
    chunk::{Chunk, Mark},
    pipe::Shared,
    reader::give_back,
    ready::Notifier,
    spent::Spent,
    sync::{Arc, or_mutant},
};

/// The reading end of a pipe, for those who want bytes in wire format.
///
/// # Examples
///
/// ```
/// use zmtp::header::Flags;
/// use zpipe::{Limits, byte_pipe};
///
/// let (mut writer, mut reader) = byte_pipe(Limits::default(), None, None);
/// writer.append(Flags::NONE, b"hello");
/// writer.commit();
/// let mut slices = Vec::new();
/// assert_eq!(reader.gather(&mut slices, 16, 1 << 16), 7);
/// assert_eq!(&*slices[0], b"\x00\x05hello");
/// drop(slices);
/// reader.advance(7);
/// assert_eq!(writer.pending(), 0);
/// ```
pub struct ByteReader {
    shared: Arc<Shared>,
    boundary: Position,
    /// Whole messages, and bytes, before the boundary.
    messages: u64,
    bytes: u64,
    cursor: Position,
    /// Bytes of the splice at the cursor that were taken already.
    splice_taken: usize,
    /// Bytes before the cursor.
    cursor_bytes: u64,
    /// The last end of a frame between the boundary and the cursor, so that a message of many frames is
    /// looked through once, in however many steps it is taken.
    passed: Passed,
    /// Where the last gather ended, if it ended at a mark that is at the end of a message.
    gathered: Option<Gathered>,
    /// Bodies that the boundary has passed in the present call.
    spent: Spent,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Position {
    chunk: NonNull<Chunk>,
    off: usize,
    /// Splices of the chunk before `off`.
    splice: u32,
}

#[derive(Clone, Copy)]
struct Passed {
    at: Position,
    /// Bytes before it.
    bytes: u64,
}

struct Gathered {
    end: Position,
    bytes: u64,
    messages: u64,
}

// SAFETY: as for `Writer`.
unsafe impl Send for ByteReader {}

impl Position {
    fn mark(&self) -> Mark {
        // SAFETY: a reader's positions lie in chunks it has not given back.
        unsafe { self.chunk.as_ref() }.load_mark()
    }

    /// Moves to the start of the next chunk if this one is done.
    fn next_chunk(&self, mark: Mark) -> Option<Self> {
        if self.off < mark.len() || self.splice < mark.splices() || !mark.is_closed() {
            return None;
        }
        // SAFETY: as in `mark`.
        let next = unsafe { self.chunk.as_ref() }.successor();
        Some(Self {
            chunk: next,
            off: 0,
            splice: 0,
        })
    }

    /// Moves over the frame here, which lies below the mark, and tells how many bytes it has.
    fn pass_frame(&mut self, mark: Mark) -> (FrameHeader, u64) {
        // SAFETY: below the mark.
        let input = unsafe { self.chunk.as_ref().bytes(self.off, mark.len() - self.off) };
        let Ok(Some((header, header_len))) = header::decode(input) else {
            unreachable!("only whole frames are committed");
        };
        self.off += header_len;
        match self.next_splice(mark) {
            Some((offset, len)) if offset == self.off => {
                assert_eq!(len as u64, header.size, "a splice is its frame's body");
                self.splice += 1;
            }
            _ => {
                let left = (mark.len() - self.off) as u64;
                assert!(header.size <= left, "only whole frames are committed");
                self.off += header.size as usize;
            }
        }
        (header, header_len as u64 + header.size)
    }

    /// Offset and length of the next splice, if there is one below the mark.
    fn next_splice(&self, mark: Mark) -> Option<(usize, usize)> {
        (self.splice < mark.splices()).then(|| {
            // SAFETY: below the mark's count; the boundary has not passed it, so it is in place.
            let splice = unsafe { self.chunk.as_ref().splice(self.splice) };
            (splice.offset, splice.body.len())
        })
    }
}

impl ByteReader {
    /// # Safety
    ///
    /// `chunk` is the writer's first, and this is the only reader of `shared`.
    pub(crate) unsafe fn new(shared: Arc<Shared>, chunk: NonNull<Chunk>) -> Self {
        let start = Position {
            chunk,
            off: 0,
            splice: 0,
        };
        Self {
            shared,
            boundary: start,
            messages: 0,
            bytes: 0,
            cursor: start,
            splice_taken: 0,
            cursor_bytes: 0,
            passed: Passed {
                at: start,
                bytes: 0,
            },
            gathered: None,
            spent: Spent::default(),
        }
    }

    /// Puts slices of the bytes after the cursor into `slices`: at most `max_slices`, and no more
    /// once `max_bytes` are reached. Returns how many bytes they are; 0 when the pipe is empty.
    pub fn gather<'a>(
        &'a mut self,
        slices: &mut Vec<IoSlice<'a>>,
        max_slices: usize,
        max_bytes: usize,
    ) -> usize {
        let mut at = self.cursor;
        let mut skip = self.splice_taken;
        let mut total = 0;
        let mut mark = at.mark();
        let mut messages = self.messages;
        self.gathered = None;
        while slices.len() < max_slices && total < max_bytes {
            let (bytes, complete) = match at.next_splice(mark) {
                Some((offset, _)) if offset == at.off => {
                    // SAFETY: as in `next_splice`; the borrow of `self` keeps it in place.
                    let splice = unsafe { at.chunk.as_ref().splice(at.splice) };
                    let rest = &splice.body[skip..];
                    skip = 0;
                    let take = rest.len().min(max_bytes - total);
                    if take == rest.len() {
                        at.splice += 1;
                    }
                    (&rest[..take], take == rest.len())
                }
                splice => {
                    let end = splice.map_or(mark.len(), |(offset, _)| offset);
                    let take = (end - at.off).min(max_bytes - total);
                    // SAFETY: below the mark; the borrow of `self` keeps the chunk.
                    let bytes = unsafe { at.chunk.as_ref().bytes(at.off, take) };
                    at.off += take;
                    (bytes, at.off == end)
                }
            };
            if !bytes.is_empty() {
                total += bytes.len();
                slices.push(IoSlice::new(bytes));
            }
            if !complete {
                break;
            }
            if at.off == mark.len() && at.splice == mark.splices() {
                messages = mark.messages_since(messages);
                if !mark.is_mid_message() {
                    self.gathered = Some(Gathered {
                        end: at,
                        bytes: total as u64,
                        messages,
                    });
                }
                match at.next_chunk(mark) {
                    Some(next) => {
                        at = next;
                        mark = at.mark();
                    }
                    None => break,
                }
            }
        }
        total
    }

    /// Moves the cursor over `count` bytes, which somebody else now has, and releases the messages
    /// that are whole with them. A writer that was blocked and may go on is woken.
    ///
    /// # Panics
    ///
    /// If there are fewer bytes after the cursor.
    pub fn advance(&mut self, count: usize) {
        if self.advance_quietly(count) {
            self.wake_writer();
        }
    }

    /// Like [`advance`](Self::advance), but leaves the wake-up to the caller: `true` means that a
    /// blocked writer reached its resume point and that nobody else will tell it.
    ///
    /// # Panics
    ///
    /// If there are fewer bytes after the cursor.
    #[must_use = "`true` obliges the caller to wake the writer"]
    pub fn advance_quietly(&mut self, count: usize) -> bool {
        match self.gathered.take() {
            // Nothing but whole messages, all of them counted by the mark: no need to look inside.
            Some(gathered) if gathered.bytes == count as u64 => {
                self.cursor = gathered.end;
                self.cursor_bytes += count as u64;
                self.splice_taken = 0;
                self.messages = gathered.messages;
                self.bytes = self.cursor_bytes;
                self.move_boundary(gathered.end);
            }
            _ => {
                (self.cursor, self.splice_taken) = self.after(count);
                self.cursor_bytes += count as u64;
                self.settle();
                if !self.is_mid_message() {
                    // A splice without bytes has been taken with its message, though the cursor had
                    // no byte to pass it by.
                    self.cursor = self.boundary;
                }
            }
        }
        let wake = self.shared.release(self.messages, self.bytes);
        if !self.spent.is_empty() {
            self.spent.drop_all();
        }
        wake
    }

    /// Where the cursor is `count` bytes further on, and how many bytes of the splice there are taken.
    fn after(&self, mut count: usize) -> (Position, usize) {
        let (mut at, mut splice_taken) = (self.cursor, self.splice_taken);
        while count > 0 {
            let mark = at.mark();
            match at.next_splice(mark) {
                Some((offset, len)) if offset == at.off => {
                    let rest = len - splice_taken;
                    let step = rest.min(count);
                    count -= step;
                    splice_taken += step;
                    if step == rest {
                        at.splice += 1;
                        splice_taken = 0;
                    }
                }
                splice => {
                    let end = splice.map_or(mark.len(), |(offset, _)| offset);
                    let step = (end - at.off).min(count);
                    count -= step;
                    at.off += step;
                    if step == 0 {
                        at = (at.next_chunk(mark)).expect("no more bytes than were committed");
                    }
                }
            }
        }
        (at, splice_taken)
    }

    /// Moves the boundary over all whole messages before the cursor, frame by frame.
    fn settle(&mut self) {
        let Passed { mut at, mut bytes } = self.passed;
        loop {
            let mark = at.mark();
            if let Some(next) = at.next_chunk(mark) {
                at = next;
                continue;
            }
            if bytes >= self.cursor_bytes || at.off >= mark.len() {
                return;
            }
            let (header, frame_bytes) = at.pass_frame(mark);
            bytes += frame_bytes;
            if bytes > self.cursor_bytes {
                return;
            }
            if header.flags.is_more() || header.flags.is_command() {
                self.passed = Passed { at, bytes };
            } else {
                self.messages += 1;
                self.bytes = bytes;
                self.move_boundary(at);
            }
        }
    }

    /// No frame behind the boundary is passed yet.
    fn pass_boundary(&mut self) {
        self.passed = Passed {
            at: self.boundary,
            bytes: self.bytes,
        };
    }

    /// Gives back everything before `to`, which has `bytes` bytes before it, except the bodies:
    /// they are spent.
    fn move_boundary(&mut self, to: Position) {
        while self.boundary.chunk != to.chunk {
            let done = self.boundary;
            // SAFETY: closed, since the boundary leaves it; its entries are below its mark's count, and
            // the boundary passes each entry once.
            unsafe {
                let chunk = done.chunk.as_ref();
                let next = chunk.successor();
                chunk.take_splices(done.splice..done.mark().splices(), &mut self.spent);
                self.boundary = Position {
                    chunk: next,
                    off: 0,
                    splice: 0,
                };
                give_back(&self.shared, done.chunk, next);
            }
        }
        // SAFETY: as above.
        unsafe {
            let chunk = to.chunk.as_ref();
            chunk.take_splices(self.boundary.splice..to.splice, &mut self.spent);
        }
        self.boundary = to;
        self.pass_boundary();
    }

    /// Gives chunks back that have been taken to their end, and closed after that.
    fn leave_chunks(&mut self) {
        self.gathered = None;
        while !self.is_mid_message() {
            let Some(next) = self.boundary.next_chunk(self.boundary.mark()) else {
                return;
            };
            self.move_boundary(next);
            self.cursor = next;
        }
    }

    /// Wakes the writer unconditionally.
    pub fn wake_writer(&self) {
        self.shared.wake_writer();
    }

    /// Goes back to the last end of a message, so that a message of which only a part was taken can
    /// be sent again from its beginning.
    pub fn rewind(&mut self) {
        self.cursor = self.boundary;
        self.cursor_bytes = self.bytes;
        self.splice_taken = 0;
        self.gathered = None;
        self.pass_boundary();
    }

    /// Drops the message after the cursor instead of handing it out, and returns its size in bytes, as
    /// framed. `None`, and nothing has changed, when there is no message, or part of it has been taken:
    /// [`rewind`](Self::rewind) first.
    ///
    /// # Examples
    ///
    /// ```
    /// use zmtp::header::Flags;
    /// use zpipe::{Limits, byte_pipe};
    ///
    /// let (mut writer, mut reader) = byte_pipe(Limits::default(), None, None);
    /// for body in [b"one", b"two"] {
    ///     writer.append(Flags::NONE, body);
    ///     writer.commit();
    /// }
    /// assert_eq!(reader.skip_message(), Some(5));
    /// let mut slices = Vec::new();
    /// reader.gather(&mut slices, 16, 1 << 16);
    /// assert_eq!(&*slices[0], b"\x00\x03two");
    /// ```
    pub fn skip_message(&mut self) -> Option<u64> {
        if self.is_mid_message() || !self.is_readable() {
            return None;
        }
        let mut at = self.boundary;
        let mut size = 0;
        loop {
            let mark = at.mark();
            if let Some(next) = at.next_chunk(mark) {
                at = next;
                continue;
            }
            // Only whole messages are committed, so their end comes before that of the rope.
            let (header, bytes) = at.pass_frame(mark);
            size += bytes;
            if !header.flags.is_more() && !header.flags.is_command() {
                break;
            }
        }
        self.gathered = None;
        // No body is large enough for its size not to fit.
        self.advance(size as usize);
        Some(size)
    }

    /// Whether part of a message has been taken and the rest has not.
    #[must_use]
    pub fn is_mid_message(&self) -> bool {
        self.cursor_bytes != self.bytes
    }

    /// Whether there are bytes after the cursor.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        let mut at = self.cursor;
        loop {
            let mark = at.mark();
            if at.off < mark.len() || at.splice < mark.splices() {
                return true;
            }
            match at.next_chunk(mark) {
                Some(next) => at = next,
                None => return false,
            }
        }
    }

    /// Names who is to be signalled when this end was idle and should look. Only the first notifier
    /// counts, also one given to the pipe when it was made. A signal that was due before is lost, so
    /// look at the pipe after this call.
    pub fn set_notifier(&mut self, notifier: Notifier) {
        self.shared.set_reader_notifier(notifier);
    }

    /// Says that the pipe was found empty, so that the next commit wakes this end. `false` when
    /// there is something after all, or the writer is gone: then no wake-up is due.
    #[must_use = "`false` means that no signal will come"]
    pub fn set_idle(&mut self) -> bool {
        self.leave_chunks();
        self.shared.set_idle();
        if or_mutant!(self.is_readable(), false) || or_mutant!(self.shared.writer_gone(), false) {
            self.shared.take_idle();
            return false;
        }
        true
    }

    /// Whether the writer is gone and everything it committed has been taken.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        or_mutant!(
            self.shared.writer_gone() && !self.is_readable(),
            !self.is_readable() && self.shared.writer_gone()
        )
    }

    /// Whole messages released since the pipe was made.
    #[must_use]
    pub fn messages_read(&self) -> u64 {
        self.messages
    }

    /// Whole messages that were committed and not yet released.
    #[must_use]
    pub fn pending(&self) -> u64 {
        let mut at = self.boundary;
        let mut count = self.messages;
        loop {
            let mark = at.mark();
            count = mark.messages_since(count);
            if !mark.is_closed() {
                return count - self.messages;
            }
            // SAFETY: as in `Position::mark`.
            let next = unsafe { at.chunk.as_ref() }.successor();
            at = Position {
                chunk: next,
                off: 0,
                splice: 0,
            };
        }
    }
}

impl Drop for ByteReader {
    fn drop(&mut self) {
        self.shared
            .leave_reader(self.boundary.chunk, self.boundary.splice);
    }
}

impl std::fmt::Debug for ByteReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ByteReader")
            .field("messages", &self.messages)
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};
    use zmtp::header::Flags;

    use crate::{Limits, byte_pipe};

    /// In processor time of this thread, which others that are busy do not change.
    fn time_to_take_a_message_bit_by_bit(frames: usize) -> Duration {
        let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
        let rounds = (0..3).map(|_| {
            let (mut writer, mut reader) = byte_pipe(Limits::default(), None, None);
            for _ in 1..frames {
                writer.append(Flags::MORE, b"four");
            }
            writer.append(Flags::NONE, b"four");
            writer.commit();
            let begin = now();
            for _ in 0..frames * 2 {
                reader.advance(3);
            }
            let taken = now() - begin;
            assert_eq!((reader.messages_read(), reader.is_readable()), (1, false));
            taken
        });
        rounds.min().unwrap()
    }

    #[test]
    #[cfg_attr(miri, ignore = "its clock is another")]
    fn a_message_of_many_frames_is_looked_through_once() {
        let few = time_to_take_a_message_bit_by_bit(2_000);
        let many = time_to_take_a_message_bit_by_bit(20_000);
        // Ten times as long, or a hundred times if it were looked through again at each step.
        assert!(many < few * 30, "{few:?} for 2,000, {many:?} for 20,000");
    }

    #[test]
    #[should_panic(expected = "only whole frames are committed")]
    fn a_frame_is_never_counted_beyond_the_mark() {
        let (mut writer, mut reader) = byte_pipe(Limits::default(), None, None);
        let rope = &mut writer.rope;
        rope.append(Flags::NONE, b"cut off");
        rope.commit_at(rope.off - 1, 0, 1, rope.open_bytes);
        reader.advance(3);
    }
}
