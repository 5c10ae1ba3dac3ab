//! Standard output.

use std::io::{self, Write};

use zexamples::Result;
use zsocket::Message;

use crate::format::Codec;

/// Bytes that are gathered while messages keep coming.
const ENOUGH: usize = 64 << 10;

/// Prints messages. What is printed is seen after a [`flush`](Self::flush).
pub(crate) struct Output {
    codec: Codec,
    buffer: Vec<u8>,
}

/// Whether somebody still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Here,
    Gone,
}

impl Output {
    pub(crate) fn new(codec: Codec) -> Self {
        Self {
            codec,
            buffer: Vec::new(),
        }
    }

    pub(crate) fn print(&mut self, message: &Message) -> Result<Reader> {
        self.codec.write(message, &mut self.buffer);
        self.buffer.push(b'\n');
        if self.buffer.len() < ENOUGH {
            return Ok(Reader::Here);
        }
        self.flush()
    }

    pub(crate) fn flush(&mut self) -> Result<Reader> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(&self.buffer).and_then(|()| stdout.flush());
        self.buffer.clear();
        match written {
            Ok(()) => Ok(Reader::Here),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
            Err(error) => Err(format!("standard output cannot be written: {error}").into()),
        }
    }
}
