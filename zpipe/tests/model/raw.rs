//! A pipe read as bytes.

use std::io::IoSlice;

use zpipe::{ByteReader, Limits, byte_pipe};

use super::{
    frames::Writing,
    oracle::{Flow, READER, Step, WRITER, limits},
};

struct ByteModel {
    flow: Flow,
    writing: Writing,
    reader: Option<ByteReader>,
    /// All that was committed, ever.
    wire: Vec<u8>,
    /// Where its messages end, ascending.
    ends: Vec<usize>,
    cursor: usize,
    /// The end of the last whole message before the cursor, and how many there are.
    boundary: usize,
    whole: usize,
}

/// Runs the steps on a pipe with a [`ByteReader`].
pub(crate) fn run(first: Limits, steps: &[Step]) {
    let flow = Flow::new(first);
    let (writer, reader) = byte_pipe(
        first,
        Some(flow.set.notifier(WRITER)),
        Some(flow.set.notifier(READER)),
    );
    let mut model = ByteModel {
        flow,
        writing: Writing::new(writer),
        reader: Some(reader),
        wire: Vec::new(),
        ends: Vec::new(),
        cursor: 0,
        boundary: 0,
        whole: 0,
    };
    for &(what, a, b) in steps {
        if what % 2 == 0 {
            if let Some(message) = model.writing.step(&mut model.flow, (what / 2, a, b)) {
                for frame in message {
                    frame.encode(&mut model.wire);
                }
                model.ends.push(model.wire.len());
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

impl ByteModel {
    fn read_step(&mut self, (what, a, b): Step) {
        let Some(mut reader) = self.reader.take() else {
            return;
        };
        match what % 8 {
            0..=3 => self.gather(&mut reader, a, b),
            4 => {
                // Without a gather before it.
                let left = self.wire.len() - self.cursor;
                self.advance(&mut reader, a as usize % (left + 1));
            }
            5 => {
                let idle = reader.set_idle();
                self.flow.check_idle(idle, self.cursor < self.wire.len());
            }
            6 if b % 4 == 0 => {
                reader.rewind();
                self.cursor = self.boundary;
            }
            6 if b % 4 == 1 => self.skip(&mut reader),
            6 => {
                // This end has no say about limits, so its step goes to the other one.
                if let Some(writer) = &mut self.writing.writer {
                    let limits = limits(a, b >> 2);
                    writer.set_limits(limits);
                    self.flow.set_limits(limits, false);
                }
            }
            _ if b % 64 == 0 => {
                drop(reader);
                self.flow.reader_left();
                return;
            }
            _ => self.advance(&mut reader, 0),
        }
        let readable = self.cursor < self.wire.len();
        assert_eq!(reader.is_readable(), readable);
        assert_eq!(reader.is_closed(), self.flow.writer_gone && !readable);
        assert_eq!(reader.is_mid_message(), self.cursor > self.boundary);
        assert_eq!(reader.messages_read(), self.flow.released);
        assert_eq!(reader.pending(), self.flow.pending());
        self.reader = Some(reader);
    }

    fn skip(&mut self, reader: &mut ByteReader) {
        let next = self.ends.get(self.whole).copied();
        let expected = next.filter(|_| self.cursor == self.boundary);
        let skipped = reader.skip_message();
        let expected = expected.map(|end| (end - self.boundary) as u64);
        assert_eq!(skipped, expected);
        if let Some(size) = expected {
            self.cursor += size as usize;
            self.whole += 1;
            self.boundary = self.cursor;
            self.flow.released(self.whole as u64, self.boundary as u64);
        }
    }

    fn gather(&mut self, reader: &mut ByteReader, a: u32, b: u32) {
        let max_slices = match a % 4 {
            0 => 1,
            1 => 3,
            _ => 64,
        };
        let max_bytes = match (a >> 2) % 4 {
            0 => 1 + (b as usize >> 4) % 40,
            1 => 1 + (b as usize >> 4) % 3000,
            2 => 64 * 1024,
            _ => usize::MAX,
        };
        let mut slices: Vec<IoSlice<'_>> = Vec::new();
        let total = reader.gather(&mut slices, max_slices, max_bytes);
        let expected = &self.wire[self.cursor..];
        assert!(slices.len() <= max_slices && total <= max_bytes && total <= expected.len());
        assert_eq!(total == 0, expected.is_empty());
        assert!(slices.iter().all(|slice| !slice.is_empty()));
        let gathered: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        assert_eq!(gathered.len(), total);
        assert!(gathered == expected[..total], "other bytes than written");
        if slices.len() < max_slices {
            assert_eq!(total, max_bytes.min(expected.len()), "stopped early");
        }
        let taken = match b % 4 {
            0 => (b as usize >> 4) % (total + 1),
            1 => total.saturating_sub(1),
            _ => total,
        };
        self.advance(reader, taken);
    }

    fn advance(&mut self, reader: &mut ByteReader, count: usize) {
        reader.advance(count);
        self.cursor += count;
        while let Some(&end) = self.ends.get(self.whole).filter(|end| **end <= self.cursor) {
            self.whole += 1;
            self.boundary = end;
        }
        self.flow.released(self.whole as u64, self.boundary as u64);
    }
}
