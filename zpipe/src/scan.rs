//! Finding the messages in what a stream has brought.

use zmtp::{
    Command, Error,
    header::{self, Flags},
    scan::FrameRules,
};

use crate::{
    SPLICE_MIN,
    chunk::SPLICE_ENTRY,
    ingest::{Ingest, LargeBody, MIN_ROOM, TRUST},
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
    /// For a publisher: the longest topic of a SUBSCRIBE or CANCEL, in bytes. Such a command becomes, in its
    /// place, a message of the byte 01 or 00 and the topic, which is what it is in earlier versions of ZMTP. `None`
    /// for everybody else, to whom it is a command as others are.
    pub topic_size: Option<u64>,
}

impl Default for FrameLimits {
    /// Frames and messages of any size, commands up to 64 KiB, a million frames in a message, no subscriptions.
    fn default() -> Self {
        Self {
            frame_size: u64::MAX,
            message_size: u64::MAX,
            command_size: 64 * 1024,
            frames: 1 << 20,
            topic_size: None,
        }
    }
}

impl From<&zmtp::Limits> for FrameLimits {
    /// The limits of the wire layer, without subscriptions.
    fn from(limits: &zmtp::Limits) -> Self {
        let rules = FrameRules::from(limits);
        Self {
            frame_size: rules.frame_size,
            message_size: rules.message_size,
            command_size: rules.command_size,
            frames: rules.frames,
            topic_size: None,
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
    /// The rule that all of ØMQ's traffic is judged by, with these limits.
    #[inline(always)]
    fn rules(&self) -> FrameRules {
        FrameRules {
            frame_size: self.frame_size,
            message_size: self.message_size,
            command_size: self.command_size.min(MAX_COMMAND),
            frames: self.frames,
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

impl Ingest {
    /// Looks through the input: commits whole messages, as many as the high-water mark allows, and
    /// stops at the first thing that the caller has to deal with.
    ///
    /// It takes constant time per frame, whatever the frame's size. A command between messages is
    /// reported and either hopped over by the reader or dropped; it is not counted as a message.
    pub fn scan(&mut self, limits: &FrameLimits) -> Scanned<'_> {
        // Once per batch: the reader may have lowered the limits.
        self.rope.refresh_room();
        let rules = limits.rules();
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
            stop = match self.finish_body(&rules, &mut run) {
                Some(stop) => stop,
                // Its header is still at the front, and nothing can come after it.
                None if self.input.body.is_some() => Stop::NeedInput,
                None => self.scan_run(&rules, limits.topic_size, &mut run),
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
            Stop::Command { body, len, .. } => {
                // SAFETY: the writer looks at its own bytes.
                Scan::Command(unsafe { self.rope.head.as_ref().bytes(body, len) })
            }
        };
        Scanned {
            messages,
            reader_was_idle,
            stop,
        }
    }

    /// Scans up to what the caller has to deal with.
    fn scan_run(&mut self, rules: &FrameRules, topic_size: Option<u64>, run: &mut Run) -> Stop {
        loop {
            let stop = self.scan_frames(rules, run);
            let (Stop::Command { frame, body, len }, Some(most)) = (&stop, topic_size) else {
                return stop;
            };
            match self.subscribe(*frame, *body, *len, most) {
                Ok(false) => return stop,
                Ok(true) if run.end_of_message((body + len, self.rope.splices)) => {
                    return Stop::Full;
                }
                Ok(true) => {}
                Err(error) => return Stop::Invalid(error),
            }
        }
    }

    /// Makes a message of a command that is a subscription or the end of one; `false` if it is none. The frame of
    /// the message is shorter, so what is left of the command stays in front of it, as a command that means nothing.
    fn subscribe(
        &mut self,
        frame: usize,
        body: usize,
        len: usize,
        most: u64,
    ) -> Result<bool, Error> {
        // SAFETY: the writer looks at its own bytes.
        let command = unsafe { self.rope.head.as_ref().bytes(body, len) };
        let (flag, topic) = match Command::decode(command) {
            Ok(Command::Subscribe { topic }) => (1, topic.len()),
            Ok(Command::Cancel { topic }) => (0, topic.len()),
            Ok(_) | Err(_) => return Ok(false),
        };
        if topic as u64 > most {
            let (len, limit) = (topic as u64, most);
            return Err(Error::SubscriptionTooLong { len, limit });
        }
        if self.input.tally.is_open() {
            // RFC 37, "Traffic": nothing comes between the frames of a message.
            let name = if flag == 1 { "SUBSCRIBE" } else { "CANCEL" };
            return Err(Error::UnexpectedCommand { name: name.into() });
        }
        let mut header = [0; header::MAX_LEN];
        let header_len = header::encode(Flags::NONE, 1 + topic as u64, &mut header);
        let rest = body + len - topic - 1 - header_len - frame;
        // SAFETY: all of it lies above the mark, so it is the writer's alone.
        let bytes = unsafe { self.rope.head.as_ref().bytes_mut(frame, body + len - frame) };
        // At least the name of a command is left, and at most that and a long header.
        bytes[0] = Flags::COMMAND.bits();
        bytes[1] = (rest - 2) as u8;
        bytes[rest..rest + header_len].copy_from_slice(&header[..header_len]);
        bytes[rest + header_len] = flag;
        Ok(true)
    }

    fn scan_frames(&mut self, rules: &FrameRules, run: &mut Run) -> Stop {
        // SAFETY: the writer looks at its own bytes, which nobody changes meanwhile.
        let bytes = unsafe { self.rope.head.as_ref().bytes(0, self.rope.off) };
        let input = &mut self.input;
        input.need = 0;
        let mut at = input.parsed;
        let mut room = input.tally.room(rules);
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
                room.min(rules.command_size)
            } else {
                room
            };
            if header.size > most {
                break Stop::Invalid(input.tally.exceeded(header, rules));
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
                if input.tally.is_open()
                    && let Some(error) = input.tally.add(header.size, rules)
                {
                    return Stop::Invalid(error);
                }
                let len = header.size as usize;
                return Stop::Command {
                    frame: at - total,
                    body: at - len,
                    len,
                };
            }
            if header.flags.is_more() {
                if let Some(error) = input.tally.add(header.size, rules) {
                    break Stop::Invalid(error);
                }
                room = input.tally.room(rules);
                continue;
            }
            if input.tally.is_open() {
                input.tally.end();
                room = input.tally.room(rules);
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
    fn finish_body(&mut self, rules: &FrameRules, run: &mut Run) -> Option<Stop> {
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
            return self.input.tally.add(size, rules).map(Stop::Invalid);
        }
        self.input.tally.end();
        run.end_of_message((at, self.rope.splices))
            .then_some(Stop::Full)
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
    /// Where its frame and its body begin.
    Command {
        frame: usize,
        body: usize,
        len: usize,
    },
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{Limits, ingest_pipe};

    const MIB: usize = 1 << 20;

    fn publisher() -> FrameLimits {
        FrameLimits {
            topic_size: Some(1000),
            ..FrameLimits::default()
        }
    }

    /// All messages of one frame that lie in the pipe.
    fn bodies(reader: &mut crate::Reader) -> Vec<Vec<u8>> {
        let mut bodies = Vec::new();
        while let Some(frame) = reader.next_frame() {
            bodies.push(frame.body.as_slice().to_vec());
            reader.release();
        }
        bodies
    }

    #[test]
    fn subscriptions_become_messages_of_the_same_topic() {
        for topic_len in [0, 1, 10, 244, 245, 246, 247, 248, 249, 254, 255, 256, 1000] {
            let topic = vec![b't'; topic_len];
            let mut wire = Vec::new();
            Command::Subscribe { topic: &topic }.encode(&mut wire);
            Command::Ping {
                ttl: 0,
                context: b"x",
            }
            .encode(&mut wire);
            Command::Cancel { topic: &topic }.encode(&mut wire);
            // The same with a header that is longer than it has to be.
            let mut long = vec![6];
            long.extend((10 + topic_len as u64).to_be_bytes());
            long.extend(b"\x09SUBSCRIBE");
            long.extend(&topic);
            wire.extend(long);
            wire.extend(b"\x00\x04\x01old");
            let (mut ingest, mut reader) = ingest_pipe(Limits::default(), None, None);
            ingest.fill_from(&wire);
            let scanned = ingest.scan(&publisher());
            assert_eq!(scanned.messages, 1);
            assert_eq!(scanned.stop, Scan::Command(b"\x04PING\0\0x"));
            let scanned = ingest.scan(&publisher());
            assert_eq!((scanned.messages, scanned.stop), (3, Scan::NeedInput));
            assert_eq!(reader.pending(), 4);
            let (subscribe, cancel) = ([&[1], &topic[..]].concat(), [&[0], &topic[..]].concat());
            let expected = [subscribe.clone(), cancel, subscribe, b"\x01old".to_vec()];
            assert_eq!(bodies(&mut reader), expected, "{topic_len}");
            assert_eq!(reader.messages_read(), 4);
            assert_eq!(ingest.pending(), 0);
        }
    }

    #[test]
    fn subscriptions_fill_the_pipe_as_messages_do() {
        let limits = Limits {
            messages: 2,
            bytes: 0,
        };
        let (mut ingest, mut reader) = ingest_pipe(limits, None, None);
        for topic in [b"a", b"b", b"c"] {
            let mut wire = Vec::new();
            Command::Subscribe { topic }.encode(&mut wire);
            ingest.fill_from(&wire);
        }
        assert_eq!(ingest.scan(&publisher()).stop, Scan::Full);
        assert_eq!(bodies(&mut reader), [b"\x01a", b"\x01b"]);
        assert_eq!(ingest.scan(&publisher()).messages, 1);
        assert_eq!(bodies(&mut reader), [b"\x01c"]);
    }

    #[test]
    fn a_subscription_has_its_place_and_its_limit() {
        let scan = |wire: &[u8], limits: &FrameLimits| {
            let (mut ingest, reader) = ingest_pipe(Limits::default(), None, None);
            ingest.fill_from(wire);
            let scanned = ingest.scan(limits);
            drop(reader);
            match scanned.stop {
                Scan::Invalid(error) => Err(error),
                Scan::Command(_) => Ok(true),
                _ => Ok(false),
            }
        };
        let mut wire = Vec::new();
        Command::Cancel { topic: &[7; 1001] }.encode(&mut wire);
        let too_long = Error::SubscriptionTooLong {
            len: 1001,
            limit: 1000,
        };
        assert_eq!(scan(&wire, &publisher()), Err(too_long));
        // To others it is a command.
        assert_eq!(scan(&wire, &FrameLimits::default()), Ok(true));
        let name = "CANCEL".into();
        let between = Err(Error::UnexpectedCommand { name });
        assert_eq!(scan(b"\x01\x00\x04\x07\x06CANCEL", &publisher()), between);
    }

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
