//! The writing end for those who have messages: append frames, commit whole messages.

use bytes::Bytes;
use zmtp::{Message, header::Flags};

use crate::{
    SPLICE_MIN, encoded::Encoded, pipe::Limits, ready::Notifier, rope::Rope, sync::prefetch,
};

/// The writing end of a pipe.
///
/// Frames are appended, and become visible to the reader all at once when the message is committed.
/// Appending never fails and never blocks: the high-water mark is the caller's to respect, by asking
/// [`has_room`](Self::has_room) before the first frame of a message.
///
/// When the reader is gone, what is committed is thrown away.
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
    pub(crate) rope: Rope,
    /// What was appended since the last commit. Only [`WHOLE`] can be committed.
    open: u8,
    /// Bodies of at least this many bytes are spliced.
    splice_min: usize,
}

/// Nothing, or frames after which more have to come.
const UNFINISHED: u8 = 0;
/// One message. Any higher number is a message and something after it.
const WHOLE: u8 = 1;

impl Writer {
    pub(crate) fn new(rope: Rope) -> Self {
        Self {
            rope,
            open: UNFINISHED,
            splice_min: SPLICE_MIN,
        }
    }

    /// Has the processor fetch what this end shares with the reader. It is for those who write to many
    /// pipes in turn: that has left the cache by the time it is this pipe's turn again, and waiting for it
    /// would take longer than the message itself. A hint, without any other effect.
    #[inline]
    pub fn prefetch(&self) {
        prefetch(&raw const self.rope.shared.consumer);
        prefetch(self.rope.head.as_ptr());
    }

    /// Has the processor fetch the memory that the next message will be written to. To find it takes what
    /// [`prefetch`](Self::prefetch) fetches, so do that some turns before.
    #[inline]
    pub fn prefetch_memory(&self) {
        // SAFETY: the head is in place until this end closes its mark.
        unsafe { self.rope.head.as_ref() }.prefetch(self.rope.off);
    }

    /// Whether one more message may be committed without passing a high-water mark. Always so when the
    /// reader is gone.
    #[inline]
    pub fn has_room(&mut self) -> bool {
        self.rope.has_room()
    }

    /// Appends a frame whose body is copied into the rope. `LONG` in `flags` is ignored.
    #[inline]
    pub fn append(&mut self, flags: Flags, body: &[u8]) {
        self.rope.append(flags, body);
        self.appended(flags);
    }

    /// Appends a frame whose body is not copied: the rope keeps the handle until the reader has
    /// taken it.
    pub fn append_spliced(&mut self, flags: Flags, body: Bytes) {
        self.rope.append_spliced(flags, body);
        self.appended(flags);
    }

    /// Appends all frames of a message and commits it. Bodies of at least
    /// [`splice_min`](Self::splice_min) bytes are taken out of `message` instead of copied, which
    /// leaves empty frames behind.
    ///
    /// # Panics
    ///
    /// As [`commit`](Self::commit): if a message is whole already and was not committed.
    pub fn write_message(&mut self, message: &mut Message) {
        self.append_message(message);
        self.commit();
    }

    /// Appends all frames of a message without committing it; see
    /// [`write_message`](Self::write_message). A message without frames counts as one empty frame.
    #[inline]
    pub fn append_message(&mut self, message: &mut Message) {
        self.rope.append_message(message, self.splice_min);
        self.appended(Flags::NONE);
    }

    /// Appends all frames of a message that others get too, without committing it. Bodies of at least
    /// [`splice_min`](Self::splice_min) bytes are shared with `message` if they can be, and copied otherwise.
    pub fn append_copy(&mut self, message: &Message) {
        let Some((last, parts)) = message.frames().split_last() else {
            return self.append(Flags::NONE, &[]);
        };
        let frames = parts.iter().map(|part| (Flags::MORE, part));
        for (flags, frame) in frames.chain([(Flags::NONE, last)]) {
            if frame.len() < self.splice_min || !frame.is_shared() {
                self.append(flags, frame);
            } else {
                self.append_spliced(flags, frame.clone().into_bytes());
            }
        }
    }

    /// Appends a message that has been encoded before, without committing it.
    ///
    /// # Examples
    ///
    /// ```
    /// use zpipe::{Encoded, Limits, pipe};
    ///
    /// let mut encoded = Encoded::default();
    /// assert!(encoded.set(&["two", "frames"].into()));
    /// let (mut writer, mut reader) = pipe(Limits::default(), None, None);
    /// writer.append_encoded(&encoded);
    /// writer.commit();
    /// assert_eq!(reader.next_frame().unwrap().body.as_slice(), b"two");
    /// ```
    #[inline]
    pub fn append_encoded(&mut self, message: &Encoded) {
        self.rope.append_encoded(message.bytes());
        self.appended(Flags::NONE);
    }

    /// Appends one frame, copied or spliced as its size suggests.
    #[inline]
    pub fn append_frame(&mut self, flags: Flags, frame: &mut zmtp::Frame) {
        self.rope.append_frame(flags, frame, self.splice_min);
        self.appended(flags);
    }

    #[inline(always)]
    fn appended(&mut self, flags: Flags) {
        let last = !flags.is_more() && !flags.is_command();
        // Whatever follows a whole message makes it more than one.
        self.open = u8::from(self.open != UNFINISHED) << 1 | u8::from(last);
    }

    /// Makes everything since the last commit visible as one message, and wakes the reader if it
    /// was idle.
    ///
    /// # Panics
    ///
    /// If that is not exactly one message: frames with `MORE` (and commands), then one that has
    /// neither `MORE` nor `COMMAND` among its flags. It is by these that the reader counts messages.
    #[inline]
    pub fn commit(&mut self) {
        if self.commit_quietly() {
            self.wake_reader();
        }
    }

    /// Like [`commit`](Self::commit), but leaves the wake-up to the caller: `true` means that the
    /// reader was idle and that nobody else will wake it before the writer goes, or that it is gone. The
    /// caller then calls [`wake_reader`](Self::wake_reader), or does the reader's work itself.
    ///
    /// # Panics
    ///
    /// As [`commit`](Self::commit).
    #[inline]
    #[must_use = "`true` obliges the caller to wake the reader"]
    pub fn commit_quietly(&mut self) -> bool {
        self.commit_unseen();
        self.rope.reader_was_idle()
    }

    /// Like [`commit`](Self::commit), for those who commit to many pipes in a row: the first part of
    /// [`commit_quietly`](Self::commit_quietly). An idle reader does not hear of the message before the caller has
    /// called [`publish_commits`](crate::publish_commits) once for all the pipes, and then
    /// [`takes_idle_reader`](Self::takes_idle_reader) on each.
    ///
    /// What makes that worth while is that the second step waits until all that this thread has written before
    /// can be seen by others, which takes as long as writing a small message.
    ///
    /// # Panics
    ///
    /// As [`commit`](Self::commit).
    ///
    /// # Examples
    ///
    /// ```
    /// use zpipe::{Limits, pipe};
    ///
    /// let (mut first, mut idle) = pipe(Limits::default(), None, None);
    /// let (mut second, _busy) = pipe(Limits::default(), None, None);
    /// assert!(idle.set_idle());
    /// for writer in [&mut first, &mut second] {
    ///     writer.append(zmtp::Flags::NONE, b"to all");
    ///     writer.commit_unseen();
    /// }
    /// zpipe::publish_commits();
    /// assert!(first.takes_idle_reader());
    /// assert!(!second.takes_idle_reader());
    /// # first.wake_reader();
    /// ```
    #[inline]
    pub fn commit_unseen(&mut self) {
        if self.open != WHOLE {
            not_a_message(self.open);
        }
        self.open = UNFINISHED;
        let rope = &mut self.rope;
        rope.commit_at(rope.off, rope.splices, 1, rope.open_bytes);
    }

    /// The last part of a [`commit_unseen`](Self::commit_unseen); means the same as the result of
    /// [`commit_quietly`](Self::commit_quietly).
    #[inline]
    #[must_use = "`true` obliges the caller to wake the reader"]
    pub fn takes_idle_reader(&mut self) -> bool {
        self.rope.shared.take_idle()
    }

    /// Wakes the reader unconditionally. If it is gone, what is committed is thrown away now.
    pub fn wake_reader(&mut self) {
        self.rope.wake_reader();
    }

    /// Takes back everything since the last commit.
    pub fn rollback(&mut self) {
        self.open = UNFINISHED;
        self.rope.rollback().drop_all();
    }

    /// Whether frames have been appended since the last commit.
    #[must_use]
    pub fn is_mid_message(&self) -> bool {
        self.rope.open_bytes > 0
    }

    /// Gives back what a burst has left behind. If the pipe is drained, no message is open, and the
    /// chunk in use is a large one, a chunk of the smallest size takes its place, which makes the pipe
    /// as small as a new one. Otherwise nothing happens.
    ///
    /// An idle reader is woken, finds nothing, and frees the large chunk on that occasion. For a pipe
    /// that has been quiet for a while; one that is busy finds the right size itself.
    pub fn trim(&mut self) {
        self.rope.trim();
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
        self.rope.shared.set_writer_notifier(notifier);
    }

    /// Asks to be told, through the writer's notifier, when the pipe has drained to half of its
    /// high-water mark (rounded up, but at least one below the mark), or when the reader is gone.
    /// `false` when there is room already, which there always is without a reader.
    ///
    /// A pipe that is full of bytes, and not of messages, signals when half of the messages in it
    /// have been released. There may not be room then, so ask again.
    #[must_use = "`false` means that no signal will come"]
    pub fn block(&mut self) -> bool {
        self.rope.block()
    }

    /// Like [`block`](Self::block), for those who go on at the first free place. A pipe that is full of
    /// bytes, and not of messages, signals when one message has been released.
    ///
    /// A steady flow is better served by `block`, which costs one signal for many messages.
    #[must_use = "`false` means that no signal will come"]
    pub fn block_until_room(&mut self) -> bool {
        self.rope
            .block_keeping(|held, mark| mark.unwrap_or(held).saturating_sub(1))
    }

    /// Takes back what [`block`](Self::block) asked for. A signal that is on its way still comes.
    pub(crate) fn unblock(&mut self) {
        self.rope.shared.take_blocked();
    }

    /// Lets the reader know that nothing more will come. Nothing may be appended after this.
    pub(crate) fn close(&mut self) {
        self.rope.shared.leave_writer(self.rope.written_bytes);
    }

    /// Whether the reader is gone, so that whatever is written is lost.
    #[inline]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.rope.shared.reader_gone()
    }

    /// Messages committed and not released by the reader. When the reader is gone these are the
    /// messages that are lost, also those that were committed after it went.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.rope.pending()
    }

    /// The most messages that were in the pipe whenever the writer has looked: now, and each time that there seemed to be
    /// no room. There may have been more in between, but a pipe that was full has this at its mark.
    #[must_use]
    pub fn most_pending(&mut self) -> u64 {
        self.rope.most_pending = self.rope.most_pending.max(self.pending());
        self.rope.most_pending
    }

    /// Messages committed since the pipe was made.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.rope.written
    }

    /// Bytes committed since the pipe was made, as framed, splices included.
    #[inline]
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.rope.written_bytes
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.rope.shared.limits()
    }

    /// Changes the limits at once. Lowering them discards nothing: the pipe is full until it has
    /// drained.
    pub fn set_limits(&mut self, limits: Limits) {
        self.rope.set_limits(limits);
    }
}

#[cold]
fn not_a_message(open: u8) -> ! {
    if open == UNFINISHED {
        panic!("commit without the last frame of a message");
    }
    panic!("commit of more than one message");
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("written", &self.written())
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}
