//! The writing end for those who have a stream of bytes: they land in the rope, where they are found
//! to be messages.
//!
//! ```text
//!   committed │ scanned: whole frames │ part of a frame │ free room
//!  ───────────┼───────────────────────┼─────────────────┼──────────
//!             base                    parsed            off        limit
//! ```
//!
//! [`Ingest::fill_rope`] reads into the free room, [`Ingest::scan`] hops from header to header and
//! commits what is whole. Once a chunk is full, only the part of a frame at its end is copied into
//! the next one, so every frame stays in one piece. A large body that has not arrived in full gets a
//! buffer of its own, [`Ingest::fill_body`] reads straight into that, and it is spliced in.
//!
//! Nothing else writes into the rope while a message is being received, since there is no way to
//! append a frame: [`Ingest::push_message`] puts whole messages between those of the stream.

use std::mem::MaybeUninit;

use zmtp::{Message, header::Flags, scan::Tally};

use crate::{
    SPLICE_MIN,
    chunk::{Mark, SPLICE_ENTRY},
    pipe::Limits,
    ready::Notifier,
    rope::Rope,
};

/// How much of a large body is allocated before a byte of it has come, in bytes, unless this
/// connection has already delivered a larger one.
pub(crate) const TRUST: usize = 64 * 1024;

/// Room that is lent to a reader is at least this large, in bytes.
pub(crate) const MIN_ROOM: usize = if cfg!(loom) { 16 } else { 256 };

/// The writing end of a pipe that is filled from a stream of bytes in wire format, such as a
/// connection.
///
/// # Examples
///
/// ```
/// use zpipe::{FrameLimits, Limits, Scan, ingest_pipe};
///
/// let (mut ingest, mut reader) = ingest_pipe(Limits::default(), None, None);
/// // A whole message, a command, and the beginning of another message.
/// let mut input: &[u8] = b"\x00\x05hello\x04\x05\x04PING\x00\x05wo";
/// let filled = ingest.fill_rope(4096, |room| std::io::Read::read(&mut input, room))?;
/// assert_eq!(filled.bytes, 18);
///
/// let rules = FrameLimits::default();
/// let scanned = ingest.scan(&rules);
/// assert_eq!((scanned.messages, scanned.stop), (1, Scan::Command(b"\x04PING")));
/// assert_eq!(ingest.scan(&rules).stop, Scan::NeedInput);
/// assert_eq!(reader.next_frame().unwrap().body.as_slice(), b"hello");
/// assert!(reader.next_frame().is_none());
///
/// ingest.fill_from(b"rld");
/// assert_eq!(ingest.scan(&rules).messages, 1);
/// assert_eq!(reader.next_frame().unwrap().body.as_slice(), b"world");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Frames cannot be appended between two parts of what the stream brings:
///
/// ```compile_fail,E0599
/// let (mut ingest, _reader) = zpipe::ingest_pipe(zpipe::Limits::default(), None, None);
/// ingest.fill_from(b"\x00\x05he");
/// ingest.append(zmtp::Flags::NONE, b"a frame");
/// ```
pub struct Ingest {
    pub(crate) rope: Rope,
    pub(crate) input: Input,
}

/// What is known about the input that is not committed.
#[derive(Default)]
pub(crate) struct Input {
    /// Everything below is whole frames. Above lies the beginning of a frame.
    pub(crate) parsed: usize,
    /// Bytes from `parsed` to the end of the frame that begins there, as far as known and as far as
    /// it has to lie in the rope.
    pub(crate) need: usize,
    /// What has come of the open message.
    pub(crate) tally: Tally,
    /// A large body that is being received.
    pub(crate) body: Option<LargeBody>,
    /// The largest body this connection has delivered: what the next one may have at once.
    pub(crate) trust: usize,
}

/// Its header lies at `parsed`, and its splice will follow right after.
pub(crate) struct LargeBody {
    pub(crate) flags: Flags,
    pub(crate) header_len: usize,
    pub(crate) size: usize,
    pub(crate) received: Vec<u8>,
}

impl LargeBody {
    pub(crate) fn missing(&self) -> usize {
        self.size - self.received.len()
    }
}

impl Input {
    /// Whether a message has begun.
    fn is_open(&self) -> bool {
        self.tally.is_open() || self.body.is_some()
    }
}

impl Ingest {
    pub(crate) fn new(rope: Rope) -> Self {
        Self {
            rope,
            input: Input::default(),
        }
    }

    /// Whether one more message may be committed without passing a high-water mark. Always so when the
    /// reader is gone.
    #[inline]
    pub fn has_room(&mut self) -> bool {
        self.rope.has_room()
    }

    /// Asks to be told when there is room; see [`Writer::block`](crate::Writer::block).
    #[must_use = "`false` means that no signal will come"]
    pub fn block(&mut self) -> bool {
        self.rope.block()
    }

    /// Wakes the reader unconditionally. If it is gone, what is committed is thrown away now.
    pub fn wake_reader(&mut self) {
        self.rope.wake_reader();
    }

    /// Names who is to be signalled; see [`Writer::set_notifier`](crate::Writer::set_notifier).
    pub fn set_notifier(&mut self, notifier: Notifier) {
        self.rope.shared.set_writer_notifier(notifier);
    }

    /// Whether the reader is gone, so that whatever is received is lost.
    #[inline]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.rope.shared.reader_gone()
    }

    /// Messages committed and not released by the reader; see
    /// [`Writer::pending`](crate::Writer::pending).
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.rope.pending()
    }

    /// The bytes of these messages, as framed, large bodies included. Asked after
    /// [`pending`](Self::pending) they are never more than the messages counted there have, but may be
    /// fewer: the reader goes on meanwhile.
    ///
    /// # Examples
    ///
    /// ```
    /// use zpipe::{FrameLimits, Limits, ingest_pipe};
    ///
    /// let (mut ingest, reader) = ingest_pipe(Limits::default(), None, None);
    /// ingest.fill_from(b"\x00\x05hello");
    /// ingest.scan(&FrameLimits::default());
    /// assert_eq!(ingest.pending_bytes(), 7);
    /// drop(ingest);
    /// assert_eq!(reader.left_bytes(), Some(7));
    /// ```
    #[must_use]
    pub fn pending_bytes(&self) -> u64 {
        self.rope.pending_bytes()
    }

    /// Messages committed since the pipe was made.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.rope.written
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.rope.shared.limits()
    }

    /// Changes the limits at once; see [`Writer::set_limits`](crate::Writer::set_limits).
    pub fn set_limits(&mut self, limits: Limits) {
        self.rope.set_limits(limits);
    }

    /// Takes back what is not committed: the stream has ended, and what comes next is the beginning of
    /// another one.
    pub fn rollback(&mut self) {
        let mut spent = self.rope.rollback();
        self.input = Input {
            parsed: self.rope.off,
            ..Input::default()
        };
        spent.drop_all();
    }

    /// Gives back what a burst has left behind; see [`Writer::trim`](crate::Writer::trim).
    pub fn trim(&mut self) {
        self.drop_commands();
        if self.rope.trim() {
            self.input.parsed = 0;
        }
    }

    /// Puts a message behind those received so far and commits it, as if it had come in the stream.
    /// `true` means that the reader was idle or is gone: the caller then calls
    /// [`wake_reader`](Self::wake_reader), or does the reader's work itself. Large bodies are taken
    /// out of `message`, as [`Writer::write_message`](crate::Writer::write_message) does.
    ///
    /// For streams whose messages do not lie in them as they lie in a rope, encrypted ones for example.
    ///
    /// # Panics
    ///
    /// If there is input that is not committed ([`is_mid_message`](Self::is_mid_message)).
    ///
    /// # Examples
    ///
    /// ```
    /// use zpipe::{Limits, ingest_pipe};
    ///
    /// let (mut ingest, mut reader) = ingest_pipe(Limits::default(), None, None);
    /// assert!(!ingest.push_message(&mut "decoded elsewhere".into()));
    /// assert_eq!(reader.next_frame().unwrap().body.as_slice(), b"decoded elsewhere");
    /// ```
    #[must_use = "`true` obliges the caller to wake the reader"]
    pub fn push_message(&mut self, message: &mut Message) -> bool {
        assert!(!self.is_mid_message(), "a message is being received");
        let rope = &mut self.rope;
        rope.append_message(message, SPLICE_MIN);
        rope.commit_at(rope.off, rope.splices, 1, rope.open_bytes);
        self.input.parsed = rope.off;
        rope.reader_was_idle()
    }

    /// Whether the next input belongs to a large body, so that [`fill_body`](Self::fill_body) has to
    /// be called, not [`fill_rope`](Self::fill_rope).
    #[inline]
    #[must_use]
    pub fn wants_body(&self) -> bool {
        (self.input.body.as_ref()).is_some_and(|body| body.missing() > 0)
    }

    /// Whether a message has begun and is not whole yet. Input that has not been scanned, because the
    /// pipe is full, counts as the beginning of one.
    #[must_use]
    pub fn is_mid_message(&self) -> bool {
        self.input.is_open() || self.rope.off > self.input.parsed
    }

    /// Lends free room in the rope to `read`, which says how many bytes it put there: at most `max`
    /// bytes, or what the frame that has begun still lacks if that is more. Scan afterwards.
    ///
    /// # Errors
    ///
    /// Whatever `read` returns; nothing has changed then.
    ///
    /// # Panics
    ///
    /// If `read` claims to have filled more than it was lent, if a large body is wanted, or if more
    /// than 8 MiB would lie in the rope unscanned.
    pub fn fill_rope<E>(
        &mut self,
        max: usize,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<Filled, E> {
        assert!(!self.wants_body(), "this input belongs to a large body");
        self.drop_commands();
        let missing = self
            .input
            .need
            .saturating_sub(self.rope.off - self.input.parsed);
        let least = missing.max(MIN_ROOM);
        if self.rope.limit - self.rope.off < least + SPLICE_ENTRY {
            self.roll_with_tail(least + SPLICE_ENTRY);
        }
        // One splice entry stays free, for a large body that may begin in this input.
        let len = (self.rope.limit - self.rope.off - SPLICE_ENTRY).min(max.max(missing).max(1));
        // SAFETY: the writer's room.
        let room = unsafe { self.rope.head.as_ref().bytes_mut(self.rope.off, len) };
        let bytes = read(room)?;
        assert!(bytes <= len, "filled more than there was room for");
        self.rope.off += bytes;
        if bytes == len && len < max {
            self.rope.grow();
        }
        Ok(Filled {
            bytes,
            was_full: bytes == len,
        })
    }

    /// Puts bytes that are already here into the rope: what was read along with a handshake, say. Scan
    /// afterwards.
    ///
    /// # Panics
    ///
    /// If more than 8 MiB would lie in the rope unscanned.
    pub fn fill_from(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.wants_body() {
                let body = self.input.body.as_mut().expect("checked");
                let take = bytes.len().min(body.missing());
                body.received.extend_from_slice(&bytes[..take]);
                bytes = &bytes[take..];
                continue;
            }
            let filled = self.fill_rope(bytes.len(), |room| {
                let len = room.len().min(bytes.len());
                room[..len].copy_from_slice(&bytes[..len]);
                Ok::<_, std::convert::Infallible>(len)
            });
            match filled {
                Ok(filled) => bytes = &bytes[filled.bytes..],
                Err(never) => match never {},
            }
        }
    }

    /// Lends the rest of a large body's buffer to `read`, which returns the part it has filled. The
    /// buffer grows with what arrives: the announced size alone makes it no larger than the largest body
    /// was that came whole before.
    ///
    /// # Errors
    ///
    /// Whatever `read` returns; nothing has changed then.
    ///
    /// # Panics
    ///
    /// If no body is wanted, or `read` returns a slice that is not the beginning of what it was
    /// lent.
    pub fn fill_body<E>(
        &mut self,
        read: impl FnOnce(&mut [MaybeUninit<u8>]) -> Result<&mut [u8], E>,
    ) -> Result<Filled, E> {
        let body = (self.input.body.as_mut())
            .filter(|body| body.missing() > 0)
            .expect("a large body is wanted");
        let missing = body.missing();
        let spare = body.received.capacity() - body.received.len();
        if spare < missing && spare < TRUST / 4 {
            let more = body.received.len().max(TRUST).min(missing);
            body.received.reserve_exact(more);
        }
        let room = body.received.spare_capacity_mut();
        let len = room.len().min(missing);
        let room = &mut room[..len];
        let start = room.as_ptr().cast::<u8>();
        let filled = read(room)?;
        assert!(
            filled.is_empty() || (std::ptr::eq(filled.as_ptr(), start) && filled.len() <= len),
            "not what was lent"
        );
        let bytes = filled.len();
        // SAFETY: `filled` is a slice of initialised bytes at the start of the spare capacity.
        unsafe { body.received.set_len(body.received.len() + bytes) };
        Ok(Filled {
            bytes,
            was_full: bytes == len,
        })
    }

    /// Ends the input of somebody who goes on reading without this pipe: takes back what is not
    /// committed, and returns how many bytes a body that has begun still lacks, and the input from the
    /// first frame on that has not been scanned.
    ///
    /// # Examples
    ///
    /// ```
    /// use zpipe::{FrameLimits, Limits, ingest_pipe};
    ///
    /// let (mut ingest, reader) = ingest_pipe(Limits::default(), None, None);
    /// ingest.fill_from(b"\x00\x05hello\x00\x05wo");
    /// let _ = ingest.scan(&FrameLimits::default());
    /// assert_eq!(ingest.take_rest(), (0, b"\x00\x05wo".to_vec()));
    /// # drop(reader);
    /// ```
    pub fn take_rest(&mut self) -> (usize, Vec<u8>) {
        let (missing, at) = match &self.input.body {
            Some(body) => (body.missing(), self.input.parsed + body.header_len),
            None => (0, self.input.parsed),
        };
        // SAFETY: the writer looks at its own bytes.
        let rest = unsafe { self.rope.head.as_ref().bytes(at, self.rope.off - at) }.to_vec();
        self.rollback();
        (missing, rest)
    }

    /// Takes commands out of the rope that nothing but commands separates from the last commit, so
    /// that a peer which sends no messages does not fill the memory.
    pub(crate) fn drop_commands(&mut self) {
        if self.input.tally.is_open() {
            return;
        }
        let floor = self.rope.committed_in_head();
        let (parsed, end) = (self.input.parsed, self.rope.off);
        // What follows the commands has to be moved, which is worth it only if it is little.
        if parsed == floor || end - parsed > parsed - floor {
            return;
        }
        // SAFETY: all of it lies above the mark, so it is the writer's alone.
        unsafe { self.rope.head.as_ref().bytes_mut(floor, end - floor) }
            .copy_within(parsed - floor.., 0);
        self.rope.open_bytes = 0;
        self.rope.off = floor + (end - parsed);
        self.input.parsed = floor;
    }

    /// Leaves the head chunk and takes the part of a frame at its end along.
    pub(crate) fn roll_with_tail(&mut self, least: usize) {
        let (old, tail_at) = (self.rope.head, self.input.parsed);
        let tail_len = self.rope.off - tail_at;
        // Before anything is changed.
        assert!(
            tail_len + least <= Mark::MAX_CAPACITY,
            "too much input lies here unscanned"
        );
        let only_commands = !self.input.tally.is_open();
        self.rope.off = if only_commands {
            self.rope.committed_in_head()
        } else {
            tail_at
        };
        // Input that nobody scans must not be moved for each bit of room that it gets.
        let ample = (2 * tail_len).min(Mark::MAX_CAPACITY);
        self.rope.roll(ample.max(tail_len + least));
        self.input.parsed = 0;
        if tail_len > 0 {
            // SAFETY: two different chunks; the old bytes are above its mark, so ours to read, and
            // the chunk stays until the reader has passed the mark set at a later commit.
            unsafe {
                let tail = old.as_ref().bytes(tail_at, tail_len);
                self.rope
                    .head
                    .as_ref()
                    .bytes_mut(0, tail_len)
                    .copy_from_slice(tail);
            }
        }
        self.rope.off = tail_len;
        if only_commands {
            // They are dropped, as in `drop_commands`.
            self.rope.open_bytes = 0;
            self.rope.drop_chunks_between();
        }
    }
}

/// What one `fill_*` call brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Bytes read. Zero is the end of the input if room was lent, which is always so.
    pub bytes: usize,
    /// Whether all the room was used, so that there is probably more.
    pub was_full: bool,
}

impl std::fmt::Debug for Ingest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest")
            .field("written", &self.written())
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}
