//! Traffic that nobody wants.
//!
//! A socket that only sends may be sent messages by a peer that does not keep to the pattern, and one
//! that is closed and lingers is still spoken to. Their messages are not kept, not even in part. But
//! commands among them count: a peer whose PING nobody answers takes the connection for dead.

use std::mem::MaybeUninit;

use zmtp::{
    Limits,
    header::{self, FrameHeader},
    scan::{FrameKind, Scanner},
};

use super::{BUDGET, Engine, Pipes, no_block};
use crate::{event::CloseReason, parts::Parts};

/// Bytes for one `read`, which lie on the stack.
const READ_SIZE: usize = 8 * 1024;

/// Hops over messages, and picks commands out.
pub(super) struct Sink {
    scanner: Scanner,
    /// The beginning of a header.
    head: [u8; header::MAX_LEN],
    head_len: usize,
    /// The frame whose body is coming, and how much of that is missing.
    kind: Option<FrameKind>,
    missing: u64,
    /// The body of a command, as far as it is here.
    command: Vec<u8>,
    /// Messages passed.
    messages: u64,
}

/// What a [`Sink`] came upon.
#[derive(Debug, PartialEq, Eq)]
enum Passed {
    Message,
    Command(Vec<u8>),
}

impl Sink {
    /// Begins in a frame of a message whose body lacks this many bytes, or, with 0, between frames.
    fn new(limits: &Limits, missing: u64) -> Self {
        Self {
            scanner: Scanner::new(limits),
            head: [0; header::MAX_LEN],
            head_len: 0,
            kind: (missing > 0).then_some(FrameKind::More),
            missing,
            command: Vec::new(),
            messages: 0,
        }
    }

    /// Whether a message or a command has begun.
    pub(super) fn is_partial(&self) -> bool {
        self.head_len > 0 || self.kind.is_some() || self.scanner.in_message()
    }

    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Takes input up to the end of a message or a command; all of it for `None`.
    fn pass(&mut self, input: &mut &[u8]) -> Result<Option<Passed>, zmtp::Error> {
        loop {
            let kind = match self.kind {
                Some(kind) => kind,
                None => {
                    let Some(header) = self.next_header(input)? else {
                        return Ok(None);
                    };
                    self.missing = header.size;
                    *self.kind.insert(self.scanner.accept(header)?)
                }
            };
            let here = input
                .len()
                .min(usize::try_from(self.missing).unwrap_or(usize::MAX));
            let (body, rest) = input.split_at(here);
            if kind == FrameKind::Command {
                self.command.extend_from_slice(body);
            }
            *input = rest;
            self.missing -= here as u64;
            if self.missing > 0 {
                return Ok(None);
            }
            self.kind = None;
            match kind {
                FrameKind::More => {}
                FrameKind::Last => {
                    self.messages += 1;
                    return Ok(Some(Passed::Message));
                }
                FrameKind::Command => {
                    return Ok(Some(Passed::Command(std::mem::take(&mut self.command))));
                }
            }
        }
    }

    fn next_header(&mut self, input: &mut &[u8]) -> Result<Option<FrameHeader>, zmtp::Error> {
        while let Some((byte, rest)) = input.split_first() {
            *input = rest;
            self.head[self.head_len] = *byte;
            self.head_len += 1;
            if let Some((header, _)) = header::decode(&self.head[..self.head_len])? {
                self.head_len = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }
}

impl Engine {
    /// Whether the socket does not take messages from this connection, or not any more.
    pub(super) fn is_unwanted(&self, connection: &Parts) -> bool {
        let pipes = self.pipes.as_ref();
        !connection.options.receives || pipes.is_none_or(Pipes::is_unread)
    }

    /// Reads and hops over messages, until there is nothing or the peer closes.
    pub(super) fn read_unwanted(&mut self, connection: &Parts) -> Result<(), CloseReason> {
        self.pass(connection, &[])?;
        self.read_away(connection, |engine, input| engine.pass(connection, input))
    }

    /// Reads until there is nothing or the peer closes, and has what comes looked at.
    pub(super) fn read_away(
        &mut self,
        connection: &Parts,
        mut look: impl FnMut(&mut Self, &[u8]) -> Result<(), CloseReason>,
    ) -> Result<(), CloseReason> {
        let mut buffer = [const { MaybeUninit::uninit() }; READ_SIZE];
        let mut budget = BUDGET;
        while budget > 0 {
            let Some(stream) = &self.stream else {
                return Ok(());
            };
            let Some(input) = no_block(stream.read_uninit(&mut buffer))? else {
                return self.on_input_empty();
            };
            let read = input.len();
            if read == 0 {
                return Err(CloseReason::PeerClosed);
            }
            self.heard = true;
            look(self, input)?;
            budget = budget.saturating_sub(read);
        }
        self.read_later(connection);
        Ok(())
    }

    /// Hops over input. The first time, what was begun for a socket that took messages comes before it.
    pub(super) fn pass(&mut self, connection: &Parts, mut input: &[u8]) -> Result<(), CloseReason> {
        let Some(mut sink) = self.sink.take() else {
            let pipes = self.pipes.as_mut();
            let (missing, rest) = pipes.map(|p| p.inbound.take_rest()).unwrap_or_default();
            self.paused = false;
            let sink = Sink::new(&connection.options.limits(), missing as u64);
            self.sink = Some(Box::new(sink));
            self.pass(connection, &rest)?;
            return self.pass(connection, input);
        };
        let result = loop {
            match sink.pass(&mut input) {
                Ok(Some(Passed::Message)) => {
                    if !connection.options.receives {
                        connection.handle.counters().unwanted.add(1);
                    }
                }
                Ok(Some(Passed::Command(body))) => {
                    if let Err(reason) = self.on_command(connection, &body) {
                        break Err(reason);
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.into()),
            }
        };
        self.sink = Some(sink);
        if !self.control.is_empty() && result.is_ok() {
            self.flush(connection)?;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message, a command, a message with a command in it, and one whose header is a long one.
    const WIRE: &[u8] = b"\x00\x05hello\x04\x05\x04PING\x01\x02ab\x04\x02\x01X\x00\x00\
                          \x02\0\0\0\0\0\0\0\x03abc";

    fn expected() -> Vec<Passed> {
        vec![
            Passed::Message,
            Passed::Command(b"\x04PING".to_vec()),
            Passed::Command(b"\x01X".to_vec()),
            Passed::Message,
            Passed::Message,
        ]
    }

    #[test]
    fn commands_are_picked_out_however_the_input_is_cut() {
        for size in 1..=WIRE.len() {
            let mut sink = Sink::new(&Limits::default(), 0);
            let mut seen = Vec::new();
            for mut piece in WIRE.chunks(size) {
                while let Some(passed) = sink.pass(&mut piece).unwrap() {
                    seen.push(passed);
                }
                assert!(piece.is_empty());
            }
            assert_eq!(seen, expected(), "{size} at a time");
            assert!(!sink.is_partial());
            assert_eq!(sink.messages(), 3);
        }
    }

    #[test]
    fn it_begins_in_the_middle_of_a_body_too() {
        let mut sink = Sink::new(&Limits::default(), 3);
        assert!(sink.is_partial());
        let mut input = &b"llo\x04\x05\x04PING"[..];
        let passed = sink.pass(&mut input).unwrap();
        assert_eq!(passed, Some(Passed::Command(b"\x04PING".to_vec())));
    }

    #[test]
    fn a_body_of_any_size_takes_no_memory() {
        let mut sink = Sink::new(&Limits::default(), 0);
        let mut header = &b"\x02\x40\0\0\0\0\0\0\0"[..];
        assert_eq!(sink.pass(&mut header).unwrap(), None);
        for _ in 0..1000 {
            assert_eq!(sink.pass(&mut &[0; 1000][..]).unwrap(), None);
        }
        assert_eq!(sink.command.capacity(), 0);
        assert!(sink.is_partial());
    }

    #[test]
    fn limits_hold() {
        let limits = Limits::default().with_max_frame_size(Some(3));
        let mut sink = Sink::new(&limits, 0);
        assert!(sink.pass(&mut &b"\x00\x04"[..]).is_err());
    }
}
