//! Finding the messages in what a stream has brought.

use zmtp::{
    Error,
    header::{self, Flags, FrameHeader},
};

use crate::{
    SPLICE_MIN,
    chunk::SPLICE_ENTRY,
    ingest::{Ingest, Input, LargeBody, MIN_ROOM, TRUST},
};

/// What a peer may send; bounds that [`Ingest::scan`] enforces.
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

/// What [`Ingest::scan`] came upon.
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

/// The outcome of one [`Ingest::scan`].
#[derive(Debug, PartialEq, Eq)]
pub struct Scanned<'a> {
    /// Messages committed by this call.
    pub messages: u64,
    /// Whether the reader was idle when they were committed, or gone. The caller must then call
    /// [`Ingest::wake_reader`] or do the reader's work itself.
    pub reader_was_idle: bool,
    /// Why the scan ended.
    pub stop: Scan<'a>,
}

/// The largest command, in bytes: it must lie in one chunk.
const MAX_COMMAND: u64 = 8 << 20;

/// The largest body that can be counted and held, in bytes.
const MAX_BODY: u64 = usize::MAX as u64 / 2;

impl Ingest {
    /// Looks through the input: commits whole messages, as many as the high-water mark allows, and
    /// stops at the first thing that the caller has to deal with.
    ///
    /// It takes constant time per frame, whatever the frame's size. A command between messages is
    /// reported and either hopped over by the reader or dropped; it is not counted as a message.
    pub fn scan(&mut self, limits: &FrameLimits) -> Scanned<'_> {
        // Once per batch: the reader may have lowered the limits.
        self.rope.refresh_room();
        let mut messages = 0;
        let mut stop = Stop::Full;
        // What the reader releases meanwhile is room too, so this ends only with the pipe full.
        while matches!(stop, Stop::Full) && self.rope.has_room() {
            let mut run = Run {
                room: self.rope.room(),
                bytes: self.rope.open_bytes,
                byte_room: self.rope.byte_room(),
                messages: 0,
                whole: (0, self.rope.splices),
                whole_bytes: 0,
            };
            stop = match self.finish_body(limits, &mut run) {
                Some(stop) => stop,
                // Its header is still at the front, and nothing can come after it.
                None if self.input.body.is_some() => Stop::NeedInput,
                None => self.scan_frames(limits, &mut run),
            };
            self.rope.open_bytes = run.bytes;
            if run.messages > 0 {
                let (off, splices) = run.whole;
                self.rope
                    .commit_at(off, splices, run.messages, run.whole_bytes);
                messages += run.messages;
            }
        }
        self.make_room_for_splice();
        let reader_was_idle = messages > 0 && self.rope.reader_was_idle();
        let stop = match stop {
            Stop::NeedInput => Scan::NeedInput,
            Stop::Full => Scan::Full,
            Stop::Invalid(error) => Scan::Invalid(error),
            Stop::Command { at, len } => {
                // SAFETY: the writer looks at its own bytes.
                Scan::Command(unsafe { self.rope.head.as_ref().bytes(at, len) })
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
        let bytes = unsafe { self.rope.head.as_ref().bytes(0, self.rope.off) };
        let input = &mut self.input;
        input.need = 0;
        let mut at = input.parsed;
        let mut room = limits.room(input.size);
        let stop = loop {
            let (header, header_len) = match header::decode(&bytes[at..]) {
                Ok(Some(decoded)) => decoded,
                Ok(None) => {
                    input.need = header::MAX_LEN;
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
                break Stop::Invalid(limits.exceeded(header, input.size));
            }
            let total = header_len + header.size as usize;
            if total > self.rope.off - at {
                input.need = total;
                if header.size >= SPLICE_MIN as u64 && !command {
                    self.input.parsed = at;
                    self.begin_body(header.flags, header.size as usize, header_len);
                    return Stop::NeedInput;
                }
                break Stop::NeedInput;
            }
            at += total;
            run.bytes += total as u64;
            if command {
                input.parsed = at;
                if input.frames > 0
                    && let Some(error) = input.one_more_frame(header.size, limits)
                {
                    return Stop::Invalid(error);
                }
                return Stop::Command {
                    at: at - header.size as usize,
                    len: header.size as usize,
                };
            }
            if header.flags.is_more() {
                if let Some(error) = input.one_more_frame(header.size, limits) {
                    break Stop::Invalid(error);
                }
                room = limits.room(input.size);
                continue;
            }
            if input.frames > 0 {
                input.end_of_message();
                room = limits.room(0);
            }
            if run.end_of_message((at, self.rope.splices)) {
                break Stop::Full;
            }
        };
        self.input.parsed = at;
        stop
    }

    /// Gives a body that is not here in full a buffer of its own, and moves what has come there.
    fn begin_body(&mut self, flags: Flags, size: usize, header_len: usize) {
        let at = self.input.parsed + header_len;
        let mut received = Vec::with_capacity(size.min(self.input.trust.max(TRUST)));
        // SAFETY: the writer looks at its own bytes.
        received
            .extend_from_slice(unsafe { self.rope.head.as_ref().bytes(at, self.rope.off - at) });
        self.rope.off = at;
        // It is not the rope that has to have room for it.
        self.input.need = 0;
        self.input.body = Some(LargeBody {
            flags,
            header_len,
            size,
            received,
        });
    }

    /// Sees to it that the body that is being received can be spliced in behind its header. Only
    /// after the messages before it are committed: they lie in the present head chunk.
    fn make_room_for_splice(&mut self) {
        let Some(body) = &self.input.body else {
            return;
        };
        if !self.rope.has_splice_room(0) {
            let least = body.header_len + MIN_ROOM + 2 * SPLICE_ENTRY;
            self.roll_with_tail(least);
        }
    }

    /// Splices a body in that has arrived in full.
    fn finish_body(&mut self, limits: &FrameLimits, run: &mut Run) -> Option<Stop> {
        let body = self.input.body.take_if(|body| body.missing() == 0)?;
        self.input.trust = self.input.trust.max(body.size);
        run.bytes += (body.header_len + body.size) as u64;
        // More input may have come after it, so its place is not where the input ends.
        let at = self.input.parsed + body.header_len;
        self.rope.put_splice(at, body.received.into());
        self.input.parsed = at;
        self.input.need = 0;
        if body.flags.is_more() {
            let size = body.size as u64;
            return self.input.one_more_frame(size, limits).map(Stop::Invalid);
        }
        self.input.end_of_message();
        run.end_of_message((at, self.rope.splices))
            .then_some(Stop::Full)
    }
}

impl Input {
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{Limits, ingest_pipe};

    const MIB: usize = 1 << 20;

    /// A peer announces a body.
    fn announce(ingest: &mut Ingest, size: usize) {
        let mut header = vec![Flags::LONG.bits()];
        header.extend((size as u64).to_be_bytes());
        ingest.fill_from(&header);
        let scanned = ingest.scan(&FrameLimits::default());
        assert_eq!(scanned.stop, Scan::NeedInput);
    }

    /// That many bytes of the body arrive, as much at a time as there is room for. The most memory that this
    /// takes up at a time.
    fn arrive(ingest: &mut Ingest, mut bytes: usize) -> usize {
        let mut most = 0;
        while bytes > 0 {
            let filled = ingest.fill_body(|room| {
                let len = room.len().min(bytes);
                room[..len].fill(std::mem::MaybeUninit::new(7));
                // SAFETY: they have just been written.
                Ok::<_, ()>(unsafe { &mut *(&raw mut room[..len] as *mut [u8]) })
            });
            bytes -= filled.unwrap().bytes;
            most = most.max(memory(ingest));
        }
        most
    }

    fn memory(ingest: &Ingest) -> usize {
        ingest.input.body.as_ref().unwrap().received.capacity()
    }

    #[test]
    #[cfg_attr(miri, ignore = "too many bytes")]
    fn an_announcement_gets_no_more_memory_than_a_body_that_came_whole() {
        let (mut ingest, mut reader) = ingest_pipe(Limits::default(), None, None);
        // The second one is not the largest.
        for size in [MIB, MIB / 2] {
            announce(&mut ingest, size);
            assert_eq!(memory(&ingest), if size == MIB { TRUST } else { MIB / 2 });
            arrive(&mut ingest, size);
            assert_eq!(ingest.scan(&FrameLimits::default()).messages, 1);
        }
        announce(&mut ingest, 1024 * MIB);
        assert_eq!(memory(&ingest), MIB);
        // What comes next is another stream, and maybe another peer.
        ingest.rollback();
        announce(&mut ingest, 1024 * MIB);
        assert_eq!(memory(&ingest), TRUST);
        assert_eq!(reader.next_frame().unwrap().body.as_slice(), vec![7; MIB]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "too many bytes")]
    fn a_body_takes_at_most_twice_what_has_come_of_it() {
        let (mut ingest, _reader) = ingest_pipe(Limits::default(), None, None);
        announce(&mut ingest, 1024 * MIB);
        let mut come = 0;
        for bytes in (1..60).map(|n| n * 10_000) {
            let most = arrive(&mut ingest, bytes);
            come += bytes;
            assert!(most <= 2 * come.max(TRUST), "{most} for {come}");
        }
    }
}
