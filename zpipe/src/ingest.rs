//! Writing straight from a reader: bytes of a connection land in the rope, where they are found to
//! be messages.
//!
//! ```text
//!   committed │ scanned: whole frames │ part of a frame │ free room
//!  ───────────┼───────────────────────┼─────────────────┼──────────
//!             base                    parsed            off        limit
//! ```
//!
//! [`Writer::fill_rope`] reads into the free room, [`Writer::scan`] hops from header to header and
//! commits what is whole. Once a chunk is full, only the part of a frame at its end is copied into
//! the next one, so every frame stays in one piece. A large body that has not arrived in full gets a
//! buffer of its own, [`Writer::fill_body`] reads straight into that, and it is spliced in.

use std::mem::MaybeUninit;

use zmtp::{
    Error,
    header::{self, Flags, FrameHeader},
};

use crate::{
    SPLICE_MIN,
    chunk::{Mark, SPLICE_ENTRY},
    writer::Writer,
};

/// What a peer may send; bounds that [`Writer::scan`] enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// Largest body of a frame, in bytes.
    pub frame_size: u64,
    /// Most bytes of all bodies of one message together. Commands that come between its frames count
    /// too, since they lie in memory until the message is whole.
    pub message_size: u64,
    /// Largest body of a command, in bytes. A command is received in one piece of memory that is
    /// allocated when its header has come; beyond 8 MiB it is refused whatever stands here.
    pub command_size: u64,
    /// Most frames of one message. Commands that come between them count too.
    pub frames: u32,
}

impl Default for FrameLimits {
    /// Frames and messages of any size, commands up to 64 KiB, a million frames in a message.
    fn default() -> Self {
        Self {
            frame_size: u64::MAX,
            message_size: u64::MAX,
            command_size: 64 * 1024,
            frames: 1 << 20,
        }
    }
}

/// What [`Writer::scan`] came upon.
#[derive(Debug, PartialEq, Eq)]
pub enum Scan<'a> {
    /// All input has been looked at and whole messages have been committed.
    NeedInput,
    /// The high-water mark is reached. There may be more input; scan again when there is room.
    Full,
    /// A command with this body. Scan again to go on.
    Command(&'a [u8]),
    /// A header that no peer may send, or one that exceeds a limit. Nothing after it can be
    /// understood.
    Invalid(Error),
}

impl FrameLimits {
    /// The largest body that the next frame of a message may have whose bodies so far are of `size`
    /// bytes together.
    #[inline(always)]
    fn room(&self, size: u64) -> u64 {
        self.frame_size
            .min(self.message_size.saturating_sub(size))
            .min(MAX_BODY)
    }

    /// Which of the limits a frame exceeds that does not fit.
    #[cold]
    fn exceeded(&self, header: FrameHeader, message_size: u64) -> Error {
        let size = header.size;
        let command_size = self.command_size.min(MAX_COMMAND);
        if size > self.frame_size {
            let limit = self.frame_size;
            Error::FrameTooLarge { size, limit }
        } else if header.flags.is_command() && size > command_size {
            let limit = command_size;
            Error::CommandTooLarge { size, limit }
        } else if size > MAX_BODY {
            Error::FrameSizeOutOfRange { size }
        } else {
            Error::MessageTooLarge {
                size: message_size.saturating_add(size),
                limit: self.message_size,
            }
        }
    }
}

/// The outcome of one [`Writer::scan`].
#[derive(Debug, PartialEq, Eq)]
pub struct Scanned<'a> {
    /// Messages committed by this call.
    pub messages: u64,
    /// Whether the reader was idle when they were committed. The caller must then call
    /// [`Writer::wake_reader`] or do the reader's work itself.
    pub reader_was_idle: bool,
    /// Why the scan ended.
    pub stop: Scan<'a>,
}

/// How much of a large body is allocated before a byte of it has come, in bytes, unless this
/// connection has already delivered a larger one.
const TRUST: usize = 64 * 1024;

/// The largest command, in bytes: it must lie in one chunk.
const MAX_COMMAND: u64 = 8 << 20;

/// The largest body that can be counted and held, in bytes.
const MAX_BODY: u64 = usize::MAX as u64 / 2;

/// Room that is lent to a reader is at least this large, in bytes.
const MIN_ROOM: usize = if cfg!(loom) { 16 } else { 256 };

#[derive(Default)]
pub(crate) struct Ingest {
    /// Everything below is whole frames. Above lies the beginning of a frame.
    parsed: usize,
    /// Bytes from `parsed` to the end of the frame that begins there, as far as known.
    need: usize,
    /// Frames of the open message, and what their bodies add up to.
    frames: u32,
    size: u64,
    /// A large body that is being received.
    body: Option<LargeBody>,
    /// The largest body this connection has delivered: what the next one may have at once.
    trust: usize,
}

/// Its header lies at `parsed`, and its splice will follow right after.
struct LargeBody {
    flags: Flags,
    header_len: usize,
    size: usize,
    received: Vec<u8>,
}

impl Ingest {
    /// Input ends here: the message that had begun is not wanted.
    pub(crate) fn reset(&mut self, off: usize) {
        *self = Self {
            parsed: off,
            ..Self::default()
        };
    }

    /// Whether a message has begun.
    pub(crate) fn is_open(&self) -> bool {
        self.frames > 0 || self.body.is_some()
    }

    /// Everything before `off` was appended, not received.
    #[inline(always)]
    pub(crate) fn appended(&mut self, off: usize) {
        self.parsed = off;
    }
}

impl Writer {
    /// Whether the next input belongs to a large body, so that [`fill_body`](Self::fill_body) has to
    /// be called, not [`fill_rope`](Self::fill_rope).
    #[inline]
    #[must_use]
    pub fn wants_body(&self) -> bool {
        self.ingest
            .body
            .as_ref()
            .is_some_and(|body| body.received.len() < body.size)
    }

    /// Whether a message has begun and is not whole yet. Input that has not been scanned, because the
    /// pipe is full, counts as the beginning of one.
    #[must_use]
    pub fn is_mid_message(&self) -> bool {
        self.ingest.is_open() || self.off > self.ingest.parsed
    }

    /// Lends free room in the rope to `read`, which says how many bytes it put there: at most `max`
    /// bytes, or what the frame that has begun still lacks if that is more. Scan afterwards.
    ///
    /// Input and [`append`](Self::append)ed frames may share a pipe only if neither begins while a
    /// message of the other is open.
    ///
    /// # Errors
    ///
    /// Whatever `read` returns; nothing has changed then.
    ///
    /// # Panics
    ///
    /// If `read` claims to have filled more than it was lent, or if a large body is wanted.
    pub fn fill_rope<E>(
        &mut self,
        max: usize,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<Filled, E> {
        assert!(!self.wants_body(), "this input belongs to a large body");
        self.drop_commands();
        let missing = self
            .ingest
            .need
            .saturating_sub(self.off - self.ingest.parsed);
        let least = missing.max(MIN_ROOM);
        if self.limit - self.off < least + SPLICE_ENTRY {
            self.roll_with_tail(least + SPLICE_ENTRY);
        }
        // One splice entry stays free, for a large body that may begin in this input.
        let len = (self.limit - self.off - SPLICE_ENTRY).min(max.max(missing).max(1));
        // SAFETY: the writer's room.
        let room = unsafe { self.head.as_ref().bytes_mut(self.off, len) };
        let bytes = read(room)?;
        assert!(bytes <= len, "filled more than there was room for");
        self.off += bytes;
        if bytes == len && len < max {
            self.grow();
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
                let body = self.ingest.body.as_mut().expect("checked");
                let take = bytes.len().min(body.size - body.received.len());
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
    /// buffer grows with what arrives: the announced size alone never makes it large.
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
        let body = self
            .ingest
            .body
            .as_mut()
            .expect("a large body is being received");
        let missing = body.size - body.received.len();
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
    /// use zpipe::{FrameLimits, Limits, pipe};
    ///
    /// let (mut writer, reader) = pipe(Limits::default(), None, None);
    /// writer.fill_from(b"\x00\x05hello\x00\x05wo");
    /// let _ = writer.scan(&FrameLimits::default());
    /// assert_eq!(writer.take_rest(), (0, b"\x00\x05wo".to_vec()));
    /// # drop(reader);
    /// ```
    pub fn take_rest(&mut self) -> (usize, Vec<u8>) {
        let (missing, at) = match self.ingest.body.take() {
            Some(body) => (
                body.size - body.received.len(),
                self.ingest.parsed + body.header_len,
            ),
            None => (0, self.ingest.parsed),
        };
        // SAFETY: the writer looks at its own bytes.
        let rest = unsafe { self.head.as_ref().bytes(at, self.off - at) }.to_vec();
        self.rollback();
        (missing, rest)
    }

    /// Looks through the input: commits whole messages, as many as the high-water mark allows, and
    /// stops at the first thing that the caller has to deal with.
    ///
    /// It takes constant time per frame, whatever the frame's size. A command between messages is
    /// reported and either hopped over by the reader or dropped; it is not counted as a message.
    ///
    /// # Examples
    ///
    /// ```
    /// use zpipe::{FrameLimits, Limits, Scan, pipe};
    ///
    /// let (mut writer, mut reader) = pipe(Limits::default(), None, None);
    /// // A whole message, a command, and the beginning of another message.
    /// let mut input: &[u8] = b"\x00\x05hello\x04\x05\x04PING\x00\x05wo";
    /// let filled = writer.fill_rope(4096, |room| std::io::Read::read(&mut input, room))?;
    /// assert_eq!(filled.bytes, 18);
    ///
    /// let rules = FrameLimits::default();
    /// let scanned = writer.scan(&rules);
    /// assert_eq!((scanned.messages, scanned.stop), (1, Scan::Command(b"\x04PING")));
    /// assert_eq!(writer.scan(&rules).stop, Scan::NeedInput);
    /// assert_eq!(reader.next_frame().unwrap().body.as_slice(), b"hello");
    /// assert!(reader.next_frame().is_none());
    ///
    /// writer.fill_from(b"rld");
    /// assert_eq!(writer.scan(&rules).messages, 1);
    /// assert_eq!(reader.next_frame().unwrap().body.as_slice(), b"world");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn scan(&mut self, limits: &FrameLimits) -> Scanned<'_> {
        // Once per batch: the reader may have lowered the limits.
        self.refresh_room();
        let mut messages = 0;
        let mut stop = Stop::Full;
        // What the reader releases meanwhile is room too, so this ends only with the pipe full.
        while matches!(stop, Stop::Full) && self.has_room() {
            let mut run = Run {
                room: self.room(),
                bytes: self.open_bytes,
                byte_room: self.byte_room(),
                messages: 0,
                whole: (0, self.splices),
                whole_bytes: 0,
            };
            stop = match self.finish_body(limits, &mut run) {
                Some(stop) => stop,
                // Its header is still at the front, and nothing can come after it.
                None if self.ingest.body.is_some() => Stop::NeedInput,
                None => self.scan_frames(limits, &mut run),
            };
            self.open_bytes = run.bytes;
            if run.messages > 0 {
                let (off, splices) = run.whole;
                self.commit_at(off, splices, run.messages, run.whole_bytes);
                messages += run.messages;
            }
        }
        self.make_room_for_splice();
        let reader_was_idle = messages > 0 && self.shared.reader_was_idle();
        let stop = match stop {
            Stop::NeedInput => Scan::NeedInput,
            Stop::Full => Scan::Full,
            Stop::Invalid(error) => Scan::Invalid(error),
            Stop::Command { at, len } => {
                // SAFETY: the writer looks at its own bytes.
                Scan::Command(unsafe { self.head.as_ref().bytes(at, len) })
            }
        };
        Scanned {
            messages,
            reader_was_idle,
            stop,
        }
    }

    fn scan_frames(&mut self, limits: &FrameLimits, run: &mut Run) -> Stop {
        // SAFETY: the writer looks at its own bytes, which nobody changes meanwhile.
        let input = unsafe { self.head.as_ref().bytes(0, self.off) };
        let ingest = &mut self.ingest;
        let mut at = ingest.parsed;
        let mut room = limits.room(ingest.size);
        let stop = loop {
            let (header, header_len) = match header::decode(&input[at..]) {
                Ok(Some(decoded)) => decoded,
                Ok(None) => {
                    ingest.need = header::MAX_LEN;
                    break Stop::NeedInput;
                }
                Err(error) => break Stop::Invalid(error),
            };
            let command = header.flags.is_command();
            let most = if command {
                room.min(limits.command_size).min(MAX_COMMAND)
            } else {
                room
            };
            if header.size > most {
                break Stop::Invalid(limits.exceeded(header, ingest.size));
            }
            let total = header_len + header.size as usize;
            if total > self.off - at {
                ingest.need = total;
                if header.size >= SPLICE_MIN as u64 && !command {
                    self.ingest.parsed = at;
                    self.begin_body(header.flags, header.size as usize, header_len);
                    return Stop::NeedInput;
                }
                break Stop::NeedInput;
            }
            at += total;
            run.bytes += total as u64;
            if command {
                ingest.parsed = at;
                if ingest.frames > 0
                    && let Some(error) = ingest.one_more_frame(header.size, limits)
                {
                    return Stop::Invalid(error);
                }
                return Stop::Command {
                    at: at - header.size as usize,
                    len: header.size as usize,
                };
            }
            if header.flags.is_more() {
                if let Some(error) = ingest.one_more_frame(header.size, limits) {
                    break Stop::Invalid(error);
                }
                room = limits.room(ingest.size);
                continue;
            }
            if ingest.frames > 0 {
                ingest.end_of_message();
                room = limits.room(0);
            }
            if run.end_of_message((at, self.splices)) {
                break Stop::Full;
            }
        };
        self.ingest.parsed = at;
        stop
    }

    /// Gives a body that is not here in full a buffer of its own, and moves what has come there.
    fn begin_body(&mut self, flags: Flags, size: usize, header_len: usize) {
        let at = self.ingest.parsed + header_len;
        let mut received = Vec::with_capacity(size.min(self.ingest.trust.max(TRUST)));
        // SAFETY: the writer looks at its own bytes.
        received.extend_from_slice(unsafe { self.head.as_ref().bytes(at, self.off - at) });
        self.off = at;
        self.ingest.body = Some(LargeBody {
            flags,
            header_len,
            size,
            received,
        });
    }

    /// Sees to it that the body that is being received can be spliced in behind its header. Only
    /// after the messages before it are committed: they lie in the present head chunk.
    fn make_room_for_splice(&mut self) {
        let Some(body) = &self.ingest.body else {
            return;
        };
        if self.limit - self.off < SPLICE_ENTRY || self.splices == Mark::MAX_SPLICES {
            let least = body.header_len + MIN_ROOM + 2 * SPLICE_ENTRY;
            self.roll_with_tail(least);
        }
    }

    /// Splices a body in that has arrived in full.
    fn finish_body(&mut self, limits: &FrameLimits, run: &mut Run) -> Option<Stop> {
        let body = self
            .ingest
            .body
            .take_if(|body| body.received.len() == body.size)?;
        self.ingest.trust = self.ingest.trust.max(body.size);
        run.bytes += (body.header_len + body.size) as u64;
        // More input may have come after it, so its place is not where the input ends.
        let at = self.ingest.parsed + body.header_len;
        self.put_splice(at, body.received.into());
        self.ingest.parsed = at;
        self.ingest.need = 0;
        if body.flags.is_more() {
            let size = body.size as u64;
            return self.ingest.one_more_frame(size, limits).map(Stop::Invalid);
        }
        self.ingest.end_of_message();
        run.end_of_message((at, self.splices)).then_some(Stop::Full)
    }

    /// Takes commands out of the rope that nothing but commands separates from the last commit, so
    /// that a peer which sends no messages does not fill the memory.
    pub(crate) fn drop_commands(&mut self) {
        if self.ingest.frames > 0 {
            return;
        }
        let floor = self.committed_in_head();
        let (parsed, end) = (self.ingest.parsed, self.off);
        // What follows the commands has to be moved, which is worth it only if it is little.
        if parsed == floor || end - parsed > parsed - floor {
            return;
        }
        // SAFETY: all of it lies above the mark, so it is the writer's alone.
        unsafe { self.head.as_ref().bytes_mut(floor, end - floor) }
            .copy_within(parsed - floor.., 0);
        self.open_bytes = 0;
        self.off = floor + (end - parsed);
        self.ingest.parsed = floor;
    }

    /// Leaves the head chunk and takes the part of a frame at its end along.
    fn roll_with_tail(&mut self, least: usize) {
        let (old, tail_at) = (self.head, self.ingest.parsed);
        let tail_len = self.off - tail_at;
        let only_commands = self.ingest.frames == 0;
        self.off = if only_commands {
            self.committed_in_head()
        } else {
            tail_at
        };
        // Input that nobody scans must not be moved for each bit of room that it gets.
        let ample = (2 * tail_len).min(Mark::MAX_CAPACITY);
        self.roll(ample.max(tail_len + least));
        if tail_len > 0 {
            // SAFETY: two different chunks; the old bytes are above its mark, so ours to read, and
            // the chunk stays until the reader has passed the mark set at a later commit.
            unsafe {
                let tail = old.as_ref().bytes(tail_at, tail_len);
                self.head
                    .as_ref()
                    .bytes_mut(0, tail_len)
                    .copy_from_slice(tail);
            }
        }
        self.off = tail_len;
        if only_commands {
            // They are dropped, as in `drop_commands`.
            self.open_bytes = 0;
            self.drop_chunks_between();
        }
    }
}

impl Ingest {
    /// Counts a frame that is not the last of its message; an error when there are too many of them.
    #[inline(always)]
    fn one_more_frame(&mut self, size: u64, limits: &FrameLimits) -> Option<Error> {
        self.frames = self.frames.saturating_add(1);
        self.size = self.size.saturating_add(size);
        let limit = limits.frames;
        (self.frames >= limit).then_some(Error::TooManyFrames { limit })
    }

    fn end_of_message(&mut self) {
        self.frames = 0;
        self.size = 0;
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

/// Counters of one scan.
struct Run {
    room: u64,
    messages: u64,
    /// Bytes since the last commit, and of them up to the last whole message.
    bytes: u64,
    whole_bytes: u64,
    byte_room: u64,
    /// Offset and splices after the last whole message.
    whole: (usize, u32),
}

impl Run {
    /// `true` when a high-water mark is reached.
    #[inline(always)]
    fn end_of_message(&mut self, whole: (usize, u32)) -> bool {
        self.messages += 1;
        self.whole = whole;
        self.whole_bytes = self.bytes;
        self.messages == self.room || self.bytes >= self.byte_room
    }
}

enum Stop {
    NeedInput,
    Full,
    Invalid(Error),
    Command { at: usize, len: usize },
}
