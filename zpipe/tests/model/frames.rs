//! A pipe read frame by frame.

use std::collections::VecDeque;

use bytes::Bytes;
use zmtp::Message;
use zpipe::{Body, Limits, Reader, Writer, pipe};

use super::oracle::{Flow, OracleFrame, READER, Step, Until, WRITER, body, limits, size};

/// The writing side, which both reading ends share.
pub(crate) struct Writing {
    pub(crate) writer: Option<Writer>,
    /// Frames of the open message.
    open: Vec<OracleFrame>,
    counter: u32,
}

impl Writing {
    pub(crate) fn new(writer: Writer) -> Self {
        Self {
            writer: Some(writer),
            open: Vec::new(),
            counter: 0,
        }
    }

    fn frame(&mut self, more: bool, len: usize) -> OracleFrame {
        self.counter += 1;
        OracleFrame {
            more,
            command: false,
            body: body(len, self.counter),
        }
    }

    /// Does a step of the writer; `Some` is a message that was committed.
    pub(crate) fn step(&mut self, flow: &mut Flow, (what, a, b): Step) -> Option<Vec<OracleFrame>> {
        let mut writer = self.writer.take()?;
        let mut done = None;
        match what % 8 {
            0 => {
                let frame = self.frame(true, size(a));
                writer.append(frame.flags(), &frame.body);
                self.open.push(frame);
            }
            1 => self.splice(&mut writer, flow, true, size(a)),
            // One message, or the end of the open one, in different ways.
            way @ 2..=5 => {
                let has_room = writer.has_room();
                flow.check_room(has_room);
                if has_room {
                    match way {
                        2 | 3 => {
                            let frame = self.frame(false, size(a));
                            writer.append(frame.flags(), &frame.body);
                            self.open.push(frame);
                            writer.commit();
                        }
                        4 => {
                            self.splice(&mut writer, flow, false, size(a));
                            writer.commit();
                        }
                        _ => self.message(&mut writer, a, b),
                    }
                    let message = std::mem::take(&mut self.open);
                    let bytes = message.iter().map(OracleFrame::wire_len).sum::<usize>();
                    flow.committed(1, bytes as u64);
                    if flow.reader_gone {
                        flow.check_handles();
                    }
                    done = Some(message);
                }
            }
            6 if b % 4 == 0 => {
                writer.rollback();
                self.open.clear();
            }
            6 if b % 4 == 1 => {
                let limits = limits(a, b >> 2);
                writer.set_limits(limits);
                flow.set_limits(limits, false);
            }
            6 if b % 4 == 2 => {
                writer.trim();
                flow.check_trim(self.open.is_empty());
            }
            6 => {
                let has_room = writer.has_room();
                flow.check_room(has_room);
            }
            _ if b % 64 == 0 => {
                drop(writer);
                flow.writer_left();
                return None;
            }
            _ if b % 2 == 0 => {
                let blocked = writer.block_until_room();
                flow.check_block(blocked, Until::AnyRoom);
            }
            _ => {
                let blocked = writer.block();
                flow.check_block(blocked, Until::Half);
            }
        }
        assert_eq!(writer.written(), flow.written);
        assert_eq!(writer.written_bytes(), flow.written_bytes);
        assert_eq!(writer.pending(), flow.pending());
        assert_eq!(writer.is_closed(), flow.reader_gone);
        assert_eq!(writer.limits(), flow.limits);
        assert_eq!(writer.is_mid_message(), !self.open.is_empty());
        self.writer = Some(writer);
        done
    }

    fn splice(&mut self, writer: &mut Writer, flow: &mut Flow, more: bool, len: usize) {
        let frame = self.frame(more, len);
        // Shortened, so that a body without bytes has memory to lose all the same.
        let mut shared = Bytes::from([&frame.body[..], b"x"].concat());
        flow.handles.push(shared.clone());
        shared.truncate(len);
        writer.append_spliced(frame.flags(), shared);
        self.open.push(frame);
    }

    fn message(&mut self, writer: &mut Writer, a: u32, b: u32) {
        let mut message = Message::new();
        let frames = b % 5;
        for index in 0..frames {
            let frame = self.frame(index + 1 < frames, size(a.rotate_left(index * 7)));
            message.push_back(frame.body.clone());
            self.open.push(frame);
        }
        if frames == 0 {
            let empty = self.frame(false, 0);
            self.open.push(empty);
        }
        writer.set_splice_min(1 + (b >> 4) as usize % 300);
        writer.write_message(&mut message);
        let spliced = (message.iter()).all(|frame| frame.len() < writer.splice_min());
        assert!(spliced, "large bodies are taken, not copied");
    }
}

struct FrameModel {
    flow: Flow,
    writing: Writing,
    reader: Option<Reader>,
    /// Committed and not read.
    queue: VecDeque<OracleFrame>,
    read: u64,
    read_bytes: u64,
    /// Frames read of a message whose last one has not been.
    open: u32,
}

/// Runs the steps on a pipe with a [`Reader`].
pub(crate) fn run(first: Limits, steps: &[Step]) {
    let flow = Flow::new(first);
    let (writer, reader) = pipe(
        first,
        Some(flow.set.notifier(WRITER)),
        Some(flow.set.notifier(READER)),
    );
    let mut model = FrameModel {
        flow,
        writing: Writing::new(writer),
        reader: Some(reader),
        queue: VecDeque::new(),
        read: 0,
        read_bytes: 0,
        open: 0,
    };
    for &(what, a, b) in steps {
        if what % 2 == 0 {
            if let Some(message) = model.writing.step(&mut model.flow, (what / 2, a, b)) {
                model.queue.extend(message);
            }
        } else {
            model.read_step((what / 2, a, b));
        }
        model.flow.check_signals();
    }
    drop(model.reader.take());
    drop(model.writing.writer.take());
    model.flow.check_handles();
}

impl FrameModel {
    fn read_step(&mut self, (what, a, b): Step) {
        let Some(mut reader) = self.reader.take() else {
            return;
        };
        match what % 8 {
            0..=2 => self.read_frame(&mut reader),
            3 if self.open == 0 => self.read_message(&mut reader),
            3 | 4 => {
                reader.release();
                self.flow.released(self.read, self.read_bytes);
            }
            5 if b.is_multiple_of(4) => {
                reader.set_busy();
                self.flow.set_busy();
            }
            5 => {
                let idle = reader.set_idle();
                self.flow.check_idle(idle, !self.queue.is_empty());
            }
            6 if b % 4 == 0 => {
                let limits = limits(a, b >> 2);
                reader.set_limits(limits);
                self.flow.set_limits(limits, true);
            }
            6 => assert_eq!(
                reader.is_closed(),
                self.flow.writer_gone && self.queue.is_empty()
            ),
            _ if b % 64 == 0 => {
                drop(reader);
                self.flow.reader_left();
                return;
            }
            _ => assert_eq!(reader.is_readable(), !self.queue.is_empty()),
        }
        assert_eq!(reader.messages_read(), self.read);
        assert_eq!(reader.limits(), self.flow.limits);
        self.reader = Some(reader);
    }

    fn read_frame(&mut self, reader: &mut Reader) {
        let frame = reader.next_frame();
        let expected = self.queue.pop_front();
        assert_eq!(frame.is_some(), expected.is_some());
        let (Some(frame), Some(expected)) = (frame, expected) else {
            return;
        };
        assert_eq!(frame.flags.is_more(), expected.more);
        assert!(frame.body.as_slice() == expected.body, "another body");
        if let Body::Inline(body) = frame.body {
            assert!(body.len() <= 1 << 20);
        }
        self.count(&expected);
    }

    fn read_message(&mut self, reader: &mut Reader) {
        let old = Message::from(["left", "over", "from", "before"]);
        let mut message = old.clone();
        let read = reader.read_message(&mut message);
        assert_eq!(read, !self.queue.is_empty());
        if !read {
            assert!(message.iter().eq(old.iter()), "untouched");
            return;
        }
        for (index, frame) in message.iter().enumerate() {
            let expected = self.queue.pop_front().expect("the oracle has it too");
            assert!(*frame == expected.body, "another body");
            assert_eq!(expected.more, index + 1 < message.len());
            self.count(&expected);
        }
        self.flow.released(self.read, self.read_bytes);
    }

    fn count(&mut self, frame: &OracleFrame) {
        self.read_bytes += frame.wire_len() as u64;
        self.open += 1;
        if !frame.more {
            self.read += 1;
            self.open = 0;
        }
    }
}
