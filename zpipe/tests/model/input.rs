//! A pipe that is written straight from a peer's bytes.

use std::collections::VecDeque;

use zmtp::{Error, Message};
use zpipe::{Filled, FrameLimits, Ingest, Limits, Reader, Scan, ingest_pipe};

use super::oracle::{Flow, OracleFrame, READER, Step, Until, WRITER, body, limits, size};

struct InputModel {
    flow: Flow,
    writer: Option<Ingest>,
    reader: Option<Reader>,
    rules: FrameLimits,
    /// What the peer sends next, and how much of it has been put into the pipe.
    wire: Vec<u8>,
    fed: usize,
    /// Whole frames in `wire` not yet scanned, with the offset where each ends.
    frames: VecDeque<(usize, OracleFrame)>,
    /// A bad header at the end of `wire`: where it ends, and why it is bad.
    violation: Option<(usize, Error)>,
    /// Frames of the message that is open at the end of `wire`, and what their bodies add up to.
    sent_frames: u32,
    sent_size: u64,
    /// Where the first frame begins that has not been scanned.
    scanned: usize,
    /// Frames of the message that the writer has begun, commands not included.
    open: Vec<OracleFrame>,
    /// The same with commands, as the frame limit counts them.
    open_frames: u32,
    broken: bool,
    /// Committed and not read.
    queue: VecDeque<OracleFrame>,
    read: u64,
    counter: u32,
}

/// Runs the steps on a pipe that is filled from a stream of bytes.
///
/// Only the mark of messages is set: what commands add to the bytes in a pipe is not promised.
pub(crate) fn run(messages: u64, steps: &[Step]) {
    let first = Limits { messages, bytes: 0 };
    let flow = Flow::new(first);
    let (writer, reader) = ingest_pipe(
        first,
        Some(flow.set.notifier(WRITER)),
        Some(flow.set.notifier(READER)),
    );
    let mut model = InputModel {
        flow,
        writer: Some(writer),
        reader: Some(reader),
        rules: FrameLimits {
            topic_size: None,
            frame_size: 1 << 20,
            message_size: (1 << 20) + 100_000,
            command_size: 20_000,
            frames: 12,
        },
        wire: Vec::new(),
        fed: 0,
        frames: VecDeque::new(),
        violation: None,
        sent_frames: 0,
        sent_size: 0,
        scanned: 0,
        open: Vec::new(),
        open_frames: 0,
        broken: false,
        queue: VecDeque::new(),
        read: 0,
        counter: 0,
    };
    for &step in steps {
        model.step(step);
        model.flow.check_signals();
    }
    // What is left comes through too, once there is room.
    while model.writer.is_some() && model.reader.is_some() && !model.broken {
        if model.fed == model.wire.len() && model.frames.is_empty() && model.queue.is_empty() {
            break;
        }
        let before = (model.fed, model.frames.len(), model.queue.len());
        model.feed(u32::MAX, 2);
        model.scan();
        while !model.queue.is_empty() {
            model.read_frame();
        }
        let after = (model.fed, model.frames.len(), model.queue.len());
        assert!(before != after || model.broken, "no progress");
    }
    if steps.len().is_multiple_of(2) {
        drop(model.writer.take());
        model.check_left();
    }
    drop(model.reader.take());
    drop(model.writer.take());
    model.flow.check_handles();
}

impl InputModel {
    fn step(&mut self, (what, a, b): Step) {
        match what % 16 {
            0..=2 => self.peer_sends_frame(a, b),
            3 if b % 16 == 0 => self.peer_misbehaves(a),
            3..=6 => self.feed(a, b),
            7..=9 => self.scan(),
            10 | 11 => self.read_frame(),
            12 => {
                if let Some(reader) = &mut self.reader {
                    let idle = reader.set_idle();
                    self.flow.check_idle(idle, !self.queue.is_empty());
                }
            }
            13 if b % 16 == 0 => self.connection_is_lost(),
            13 => {
                if let Some(writer) = &mut self.writer {
                    let blocked = writer.block();
                    self.flow.check_block(blocked, Until::Half);
                }
            }
            14 if b % 4 == 0 => {
                if let Some(writer) = &mut self.writer {
                    let limits = limits(a, 0);
                    writer.set_limits(limits);
                    self.flow.set_limits(limits, false);
                }
            }
            14 if b % 4 == 1 => self.append(a),
            14 if b % 4 == 2 => {
                if let Some(writer) = &mut self.writer {
                    writer.trim();
                    self.flow.check_trim(self.open.is_empty());
                }
            }
            14 => self.read_frame(),
            _ if b % 64 == 0 => {
                if self.writer.take().is_some() {
                    self.flow.writer_left();
                }
            }
            _ if b % 64 == 1 => {
                if self.reader.take().is_some() {
                    self.flow.reader_left();
                }
            }
            _ => self.feed(a, b),
        }
    }

    /// What a writer that is gone has left: at least the bodies, and nothing when all of them are read.
    fn check_left(&mut self) {
        let bodies: u64 = self.queue.iter().map(|frame| frame.body.len() as u64).sum();
        let Some(reader) = &self.reader else {
            return;
        };
        let left = reader.left_bytes().expect("the writer is gone");
        assert!(left >= bodies, "{left} bytes for bodies of {bodies}");
        while !self.queue.is_empty() {
            self.read_frame();
        }
        let left = self.reader.as_ref().and_then(Reader::left_bytes);
        assert_eq!(left, Some(0));
    }

    fn peer_sends_frame(&mut self, a: u32, b: u32) {
        if self.violation.is_some() {
            return;
        }
        self.counter += 1;
        let command = b.is_multiple_of(8);
        let limit = if command {
            self.rules.command_size
        } else {
            self.rules.frame_size
        };
        let limit = limit.min(self.rules.message_size - self.sent_size);
        let frame = OracleFrame {
            more: !command && b % 8 < 4,
            command,
            body: body(size(a).min(limit as usize), self.counter),
        };
        if frame.more || (frame.command && self.sent_frames > 0) {
            self.sent_frames += 1;
            self.sent_size += frame.body.len() as u64;
        } else if !frame.command {
            self.sent_frames = 0;
            self.sent_size = 0;
        }
        if b % 32 == 1 && frame.body.len() < 256 {
            // The long form of a header is allowed for every size.
            self.wire.push(frame.flags().bits() | 2);
            self.wire
                .extend_from_slice(&(frame.body.len() as u64).to_be_bytes());
            self.wire.extend_from_slice(&frame.body);
        } else {
            frame.encode(&mut self.wire);
        }
        self.frames.push_back((self.wire.len(), frame));
    }

    fn peer_misbehaves(&mut self, a: u32) {
        if self.violation.is_some() {
            return;
        }
        let limit = self.rules.frame_size;
        let (flags, size, violation) = match a % 5 {
            0 => (2, 1 << 62, None),
            1 => {
                let size = 1 << 63;
                (2, size, Some(Error::FrameSizeOutOfRange { size }))
            }
            2 => (3, limit + 1, None),
            3 => {
                let limit = self.rules.command_size;
                let size = limit + 1;
                (6, size, Some(Error::CommandTooLarge { size, limit }))
            }
            _ => {
                let limit = self.rules.message_size;
                let size = limit - self.sent_size + 1;
                let error = Error::MessageTooLarge {
                    size: limit + 1,
                    limit,
                };
                (2, size, (size <= self.rules.frame_size).then_some(error))
            }
        };
        let violation = violation.unwrap_or(Error::FrameTooLarge { size, limit });
        self.wire.push(flags);
        self.wire.extend_from_slice(&size.to_be_bytes());
        self.violation = Some((self.wire.len(), violation));
    }

    /// Puts some of what the peer has sent into the pipe.
    fn feed(&mut self, a: u32, b: u32) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        if self.broken {
            return;
        }
        let input = &self.wire[self.fed..];
        let part = &input[..input.len().min(a as usize % 100_003)];
        if b.is_multiple_of(4) {
            writer.fill_from(part);
            self.fed += part.len();
            return;
        }
        let limit = if b % 4 == 1 { 1 } else { usize::MAX };
        let filled = if writer.wants_body() {
            writer.fill_body(|room| {
                assert!(!room.is_empty());
                let len = room.len().min(part.len()).min(limit);
                let (room, _) = room.split_at_mut(len);
                for (to, from) in room.iter_mut().zip(part) {
                    to.write(*from);
                }
                // SAFETY: the loop above has written each of them.
                Ok::<_, ()>(unsafe { &mut *(std::ptr::from_mut(room) as *mut [u8]) })
            })
        } else {
            writer.fill_rope(1 + b as usize % 10_000, |room| {
                assert!(!room.is_empty());
                let len = room.len().min(part.len()).min(limit);
                room[..len].copy_from_slice(&part[..len]);
                if b % 64 == 3 { Err(()) } else { Ok(len) }
            })
        };
        if let Ok(Filled { bytes, .. }) = filled {
            self.fed += bytes;
        }
    }

    fn scan(&mut self) {
        let Some(mut writer) = self.writer.take() else {
            return;
        };
        if !self.broken {
            let before = self.flow.written;
            let scanned = writer.scan(&self.rules);
            let (messages, was_idle) = (scanned.messages, scanned.reader_was_idle);
            let (expected, violation) = self.expect_scan();
            match (&scanned.stop, &expected) {
                (Scan::Command(body), Some(command)) => assert!(*body == command.body),
                (Scan::Command(_), None) | (_, Some(_)) => panic!("{:?}", scanned.stop),
                (Scan::Invalid(error), None) => assert_eq!(violation.as_ref(), Some(error)),
                (Scan::Full, None) => assert!(self.flow.is_full() && violation.is_none()),
                (Scan::NeedInput, None) => assert!(!self.flow.is_full() && violation.is_none()),
            }
            self.broken = violation.is_some();
            assert_eq!(messages, self.flow.written - before);
            if was_idle {
                writer.wake_reader();
            }
        }
        assert_eq!(writer.written(), self.flow.written);
        assert_eq!(writer.pending(), self.flow.pending());
        self.writer = Some(writer);
    }

    /// Moves the oracle on as a scan should: what it commits, the command it stops at, and why it
    /// gives up.
    fn expect_scan(&mut self) -> (Option<OracleFrame>, Option<Error>) {
        loop {
            if self.flow.is_full() {
                return (None, None);
            }
            let Some((end, _)) = self.frames.front() else {
                let reached = self.violation.as_ref().filter(|(end, _)| *end <= self.fed);
                return (None, reached.map(|(_, violation)| violation.clone()));
            };
            if *end > self.fed {
                return (None, None);
            }
            let (end, frame) = self.frames.pop_front().expect("just seen");
            self.scanned = end;
            if frame.more || (frame.command && self.open_frames > 0) {
                self.open_frames += 1;
                if self.open_frames >= self.rules.frames {
                    let limit = self.rules.frames;
                    return (None, Some(Error::TooManyFrames { limit }));
                }
            }
            if frame.command {
                return (Some(frame), None);
            }
            let more = frame.more;
            self.open.push(frame);
            if !more {
                self.open_frames = 0;
                self.queue.extend(self.open.drain(..));
                self.flow.committed(1, 0);
            }
        }
    }

    fn read_frame(&mut self) {
        let Some(reader) = &mut self.reader else {
            return;
        };
        let frame = reader.next_frame();
        let expected = self.queue.pop_front();
        assert_eq!(frame.is_some(), expected.is_some());
        let (Some(frame), Some(expected)) = (frame, expected) else {
            return;
        };
        assert_eq!(frame.flags.is_more(), expected.more);
        assert!(frame.body.as_slice() == expected.body, "another body");
        if !expected.more {
            self.read += 1;
            reader.release();
            self.flow.released(self.read, 0);
        }
    }

    /// The writer puts a message of its own between those of the peer.
    fn append(&mut self, a: u32) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        if self.broken || writer.is_mid_message() {
            return;
        }
        let has_room = writer.has_room();
        self.flow.check_room(has_room);
        if has_room {
            self.counter += 1;
            let frame = OracleFrame {
                more: false,
                command: false,
                body: body(size(a), self.counter),
            };
            if writer.push_message(&mut Message::from(frame.body.clone())) {
                writer.wake_reader();
            }
            self.queue.push_back(frame);
            self.flow.committed(1, 0);
        }
    }

    /// What was not committed is gone, and another connection begins.
    fn connection_is_lost(&mut self) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        if self.broken || self.counter.is_multiple_of(2) {
            writer.rollback();
        } else {
            // Whoever goes on without the pipe does so at a frame, or inside a large body.
            let (missing, rest) = writer.take_rest();
            let next = self.frames.front().map(|(end, _)| *end);
            if missing > 0 {
                assert_eq!((next, &rest[..]), (Some(self.fed + missing), &[][..]));
            } else {
                let after = next.filter(|end| *end <= self.fed);
                let whole = &self.wire[self.scanned..self.fed];
                let body_is_whole = after.is_some_and(|end| rest == self.wire[end..self.fed]);
                assert!(rest == whole || body_is_whole, "not what is left");
            }
        }
        assert!(!writer.is_mid_message() && !writer.wants_body());
        self.wire.clear();
        self.fed = 0;
        self.frames.clear();
        self.violation = None;
        self.sent_frames = 0;
        self.sent_size = 0;
        self.scanned = 0;
        self.open.clear();
        self.open_frames = 0;
        self.broken = false;
    }
}
