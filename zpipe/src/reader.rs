//! The reading end, frame by frame.

use std::ptr::NonNull;

use bytes::Bytes;
use zmtp::{
    Frame, Message,
    header::{self, Flags},
};

use crate::{
    chunk::Chunk,
    deferred,
    pipe::{Limits, Shared},
    ready::Notifier,
    sync::{Arc, Ordering, or_mutant, prefetch},
    transfer::{Most, Run},
};

/// One frame as it lies in the rope.
#[derive(Debug)]
pub struct FrameRef<'a> {
    /// The frame's flags.
    pub flags: Flags,
    /// Its body.
    pub body: Body<'a>,
}

/// The body of a [`FrameRef`].
#[derive(Debug)]
pub enum Body<'a> {
    /// The body lies in the rope and is lent out.
    Inline(&'a [u8]),
    /// The body was never copied into the rope; here is its handle.
    Spliced(Bytes),
}

impl Body<'_> {
    /// The body's bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Inline(body) => body,
            Self::Spliced(body) => body,
        }
    }

    /// Puts the body into `frame`: a spliced one is moved, an inline one copied into the buffer that
    /// the frame has.
    #[inline]
    pub fn store(self, frame: &mut Frame) {
        if frame.is_shared() {
            deferred::drop_body(std::mem::take(frame).into_bytes());
        }
        match self {
            Self::Inline(body) => frame.assign(body),
            Self::Spliced(body) => *frame = Frame::from(body),
        }
    }
}

/// The reading end of a pipe, for those who want frames and messages.
///
/// Commands that were passed through the rope are hopped over.
///
/// # Examples
///
/// ```
/// use zmtp::header::Flags;
/// use zpipe::{Body, Limits, pipe};
///
/// let (mut writer, mut reader) = pipe(Limits::default(), None, None);
/// writer.append(Flags::NONE, b"hello");
/// writer.commit();
/// let frame = reader.next_frame().unwrap();
/// assert!(matches!(frame.body, Body::Inline(b"hello")));
/// assert!(!frame.flags.is_more());
/// reader.release();
/// ```
pub struct Reader {
    shared: Arc<Shared>,
    chunk: NonNull<Chunk>,
    off: usize,
    /// Bytes committed in `chunk`, as last seen.
    len: usize,
    closed: bool,
    splices: u32,
    splice: u32,
    /// Offset of the next splice in this chunk; `usize::MAX` when there is none.
    splice_at: usize,
    /// Whole messages read since the pipe was made.
    messages: u64,
    bytes: u64,
}

// SAFETY: as for `Writer`.
unsafe impl Send for Reader {}

impl Reader {
    /// # Safety
    ///
    /// `chunk` is the writer's first, and this is the only reader of `shared`.
    pub(crate) unsafe fn new(shared: Arc<Shared>, chunk: NonNull<Chunk>) -> Self {
        Self {
            shared,
            chunk,
            off: 0,
            len: 0,
            closed: false,
            splices: 0,
            splice: 0,
            splice_at: usize::MAX,
            messages: 0,
            bytes: 0,
        }
    }

    /// Whether a frame can be read now.
    #[inline]
    pub fn is_readable(&mut self) -> bool {
        self.off < self.len || self.refresh()
    }

    /// Looks how far the writer is, and goes on to the next chunk when this one is done.
    #[inline(never)]
    fn refresh(&mut self) -> bool {
        loop {
            if self.off < self.len {
                return true;
            }
            if self.closed {
                self.next_chunk();
            }
            // SAFETY: the reader's chunk stays until the reader gives it back.
            let mark = unsafe { self.chunk.as_ref() }.load_mark();
            if mark.len() == self.len && mark.is_closed() == self.closed {
                return false;
            }
            self.len = mark.len();
            self.closed = mark.is_closed();
            self.splices = mark.splices();
            self.find_splice();
        }
    }

    fn find_splice(&mut self) {
        self.splice_at = if self.splice < self.splices {
            // SAFETY: below the mark's count and not taken yet.
            unsafe { self.chunk.as_ref().splice(self.splice) }.offset
        } else {
            usize::MAX
        };
    }

    fn next_chunk(&mut self) {
        // SAFETY: a closed chunk has a successor.
        let next = unsafe { self.chunk.as_ref() }.successor();
        give_back(&self.shared, std::mem::replace(&mut self.chunk, next), next);
        self.off = 0;
        self.len = 0;
        self.closed = false;
        self.splices = 0;
        self.splice = 0;
        self.splice_at = usize::MAX;
    }

    /// Takes the next frame, or `None` when the pipe is empty. Frames of a message come without a
    /// gap, since only whole messages are committed.
    ///
    /// Call [`release`](Self::release) after the last frame of a message.
    #[inline]
    pub fn next_frame(&mut self) -> Option<FrameRef<'_>> {
        loop {
            if !self.is_readable() {
                return None;
            }
            // SAFETY: below the mark; the chunk is not given back before the next call.
            let bytes = unsafe { self.chunk.as_ref().bytes(self.off, self.len - self.off) };
            let Ok(Some((header, header_len))) = header::decode(bytes) else {
                unreachable!("only whole frames are committed");
            };
            let body_at = self.off + header_len;
            let spliced = body_at == self.splice_at;
            // Checked although it cannot be otherwise: nobody shall ever see what lies beyond the mark.
            let inline = if spliced {
                &[]
            } else {
                let body = usize::try_from(header.size)
                    .ok()
                    .and_then(|size| bytes[header_len..].get(..size));
                let Some(body) = body else {
                    unreachable!("only whole frames are committed");
                };
                body
            };
            self.bytes += header_len as u64 + header.size;
            self.off = body_at + inline.len();
            if header.flags.is_command() {
                if spliced {
                    deferred::drop_body(self.take_splice());
                }
                continue;
            }
            if !header.flags.is_more() {
                self.messages += 1;
            }
            let body = if spliced {
                Body::Spliced(self.take_splice())
            } else {
                Body::Inline(inline)
            };
            return Some(FrameRef {
                flags: header.flags,
                body,
            });
        }
    }

    fn take_splice(&mut self) -> Bytes {
        // SAFETY: `splice_at` named this entry, so it is below the mark's count and not taken.
        let body = unsafe { self.chunk.as_ref().take_splice(self.splice) };
        self.splice += 1;
        self.find_splice();
        body
    }

    /// The whole messages that come next, as far as they lie in one piece; see [`transfer`](crate::transfer).
    #[inline]
    pub(crate) fn run(
        &mut self,
        most: Most,
        is_wanted: impl FnMut(&[u8], bool) -> bool,
    ) -> Run<'_> {
        let end = if !self.is_readable() {
            self.off
        } else if self.splice_at < self.len {
            // Without the last byte of the header that stands before a spliced body, that frame is not whole. Otherwise
            // it would be if the body is empty.
            self.splice_at - 1
        } else {
            self.len
        };
        // SAFETY: below the mark; the chunk is not given back before the next call.
        let bytes = unsafe { self.chunk.as_ref().bytes(self.off, end - self.off) };
        Run::find(bytes, most, is_wanted)
    }

    /// Goes on behind a [`run`](Self::run).
    #[inline]
    pub(crate) fn pass(&mut self, messages: u64, bytes: u64) {
        self.off += bytes as usize;
        self.bytes += bytes;
        self.messages += messages;
    }

    /// Publishes what has been read as consumed, and wakes the writer if it was blocked and may go
    /// on.
    #[inline]
    pub fn release(&mut self) {
        if self.release_quietly() {
            self.wake_writer();
        }
    }

    /// Like [`release`](Self::release), but leaves the wake-up to the caller: `true` means that a
    /// blocked writer reached its resume point and that nobody else will tell it.
    #[inline]
    #[must_use = "`true` obliges the caller to wake the writer"]
    pub fn release_quietly(&mut self) -> bool {
        self.shared.release(self.messages, self.bytes)
    }

    /// Wakes the writer unconditionally.
    pub fn wake_writer(&self) {
        self.shared.wake_writer();
    }

    /// Reads one whole message into `message`, reusing its frames' buffers, and releases it.
    /// `false`, and `message` untouched, when the pipe is empty.
    pub fn read_message(&mut self, message: &mut Message) -> bool {
        let read = self.read_message_unreleased(message);
        if read {
            self.release();
        }
        read
    }

    /// Like [`read_message`](Self::read_message), without the release.
    #[inline]
    pub fn read_message_unreleased(&mut self, message: &mut Message) -> bool {
        self.read_message_behind(0, message)
    }

    /// Like [`read_message_unreleased`](Self::read_message_unreleased), behind as many frames of the caller's own,
    /// which stay as they are, or are empty if they are not there.
    ///
    /// # Examples
    ///
    /// ```
    /// use zmtp::Message;
    /// use zpipe::{Limits, pipe};
    ///
    /// let (mut writer, mut reader) = pipe(Limits::default(), None, None);
    /// writer.write_message(&mut Message::from("hello"));
    /// let mut message = Message::from(["from Anna:", "the last message"]);
    /// assert!(reader.read_message_behind(1, &mut message));
    /// reader.release();
    /// assert_eq!(message, Message::from(["from Anna:", "hello"]));
    /// ```
    #[inline]
    pub fn read_message_behind(&mut self, frames: usize, message: &mut Message) -> bool {
        let mut index = frames;
        while let Some(frame) = self.next_frame() {
            let more = frame.flags.is_more();
            frame.body.store(message.reuse_frame(index));
            index += 1;
            if !more {
                if message.len() > index {
                    drop_rest(message, index);
                }
                return true;
            }
        }
        false
    }

    /// Names who is to be signalled when this end was idle and should look. Only the first notifier
    /// counts, also one given to the pipe when it was made. A signal that was due before is lost, so
    /// look at the pipe after this call.
    pub fn set_notifier(&mut self, notifier: Notifier) {
        self.shared.set_reader_notifier(notifier);
    }

    /// Says that the pipe was found empty, so that the next commit wakes this end. `false` when
    /// there is something after all: then no wake-up is due.
    ///
    /// A writer that is gone counts as something; see [`is_closed`](Self::is_closed).
    #[must_use = "`false` means that no signal will come"]
    pub fn set_idle(&mut self) -> bool {
        self.shared.set_idle();
        if or_mutant!(self.is_readable(), false) || or_mutant!(self.shared.writer_gone(), false) {
            self.shared.take_idle();
            return false;
        }
        true
    }

    /// Takes back what [`set_idle`](Self::set_idle) said: this end looks for itself again. A signal
    /// that is on its way still comes.
    pub fn set_busy(&mut self) {
        self.shared.take_idle();
    }

    /// Whether the writer is gone and everything it committed has been read.
    pub fn is_closed(&mut self) -> bool {
        // The order matters: what was committed before the writer went must be seen first.
        or_mutant!(
            self.shared.writer_gone() && !self.is_readable(),
            !self.is_readable() && self.shared.writer_gone()
        )
    }

    /// Has the processor fetch what this end shares with the writer; see
    /// [`Writer::prefetch`](crate::Writer::prefetch).
    #[inline]
    pub fn prefetch(&self) {
        prefetch(&raw const self.shared.consumer);
        prefetch(self.chunk.as_ptr());
    }

    /// Has the processor fetch the memory that the next message lies in; see
    /// [`Writer::prefetch_memory`](crate::Writer::prefetch_memory).
    #[inline]
    pub fn prefetch_memory(&self) {
        // SAFETY: the chunk is this reader's until it has gone on to the next one.
        unsafe { self.chunk.as_ref() }.prefetch(self.off);
    }

    /// Whole messages read since the pipe was made.
    #[must_use]
    pub fn messages_read(&self) -> u64 {
        self.messages
    }

    /// Bytes of them, as framed, splices included.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes
    }

    /// Bytes, as framed and with large bodies, that a writer which is gone has left to be read; `None`
    /// while it is there.
    #[must_use]
    pub fn left_bytes(&self) -> Option<u64> {
        let written = self.shared.bytes_left_by_writer()?;
        Some(written - self.bytes)
    }

    /// Whole messages that were committed and not yet read.
    #[must_use]
    pub fn pending(&self) -> u64 {
        let mut chunk = self.chunk;
        let mut count = self.messages;
        loop {
            // SAFETY: the reader has given back neither its chunk nor those after it.
            let here = unsafe { chunk.as_ref() };
            let mark = here.load_mark();
            count = mark.messages_since(count);
            if !mark.is_closed() {
                return count - self.messages;
            }
            chunk = here.successor();
        }
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.shared.limits()
    }

    /// Changes the limits; the writer follows when it next finds the pipe full, or at once if it is
    /// blocked.
    pub fn set_limits(&mut self, limits: Limits) {
        self.shared.set_limits(limits);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.leave_reader(self.chunk, self.splice);
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("messages", &self.messages)
            .finish_non_exhaustive()
    }
}

/// Cuts a message off, and drops the bodies behind the cut as foreign code.
#[cold]
fn drop_rest(message: &mut Message, len: usize) {
    for frame in &mut message.frames_mut()[len..] {
        if frame.is_shared() {
            deferred::drop_body(std::mem::take(frame).into_bytes());
        }
    }
    message.truncate(len);
}

/// Hands a finished chunk, `next` being the one after it, to the writer through the spare slot; one
/// that still lies there is freed. So is a chunk much larger than the next: the writer has no use
/// for that size any more.
pub(crate) fn give_back(shared: &Shared, chunk: NonNull<Chunk>, next: NonNull<Chunk>) {
    // SAFETY: the reader has been through the one and is in the other.
    unsafe {
        if chunk.as_ref().capacity() >= 2 * next.as_ref().capacity() {
            return Chunk::free(chunk);
        }
    }
    // Not `AcqRel`: only this end puts chunks there, so there is nothing of the writer's to see.
    let old = shared.spare.swap(chunk.as_ptr(), Ordering::Release);
    if let Some(old) = NonNull::new(old) {
        // SAFETY: taken out of the slot, the old chunk is ours alone; its splices were taken.
        unsafe { Chunk::free(old) };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{Limits, ingest_pipe};

    #[test]
    #[should_panic(expected = "only whole frames are committed")]
    fn a_frame_is_never_read_beyond_the_mark() {
        let (mut ingest, mut reader) = ingest_pipe(Limits::default(), None, None);
        let rope = &mut ingest.rope;
        rope.append(Flags::NONE, b"cut off");
        rope.commit_at(rope.off - 1, 0, 1, rope.open_bytes);
        reader.next_frame();
    }
}
