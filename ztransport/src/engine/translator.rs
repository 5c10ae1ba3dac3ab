//! Traffic that does not lie in the ropes as it travels: frames of ZMTP 1.0, and CURVE.
//!
//! The ropes always hold frames of ZMTP 3.x. For most connections these are the bytes on the wire,
//! and the engine moves them without looking inside. For the others every message is taken apart on
//! one side of the translator and put together on the other:
//!
//! ```text
//!             decoder                     append, commit
//!  stream ──▶ of the wire ──▶ message ──▶ rope of inbound ──▶ socket
//!
//!             encoder                     decoder of the rope
//!  stream ◀── of the wire ◀── message ◀── rope of outbound ◀── socket
//! ```
//!
//! A message leaves the outbound rope only when all of it was taken by the operating system, as
//! without a translator: so after a reconnection it is sent again from its beginning.

use std::{io::IoSlice, sync::Arc};

use zmtp::{Command, Decoder, Encoder, Item, Limits, Message, Version};
use zpipe::{Readiness, Writer};

use super::{
    BUDGET, Caller, Engine, MAX_CONTROL, no_block,
    output::{Flushed, WRITE_SLICES, recycle},
};
use crate::{connection::Connection, event::CloseReason};

/// Bytes of one `read`, which lie on the stack.
const READ_SIZE: usize = 32 * 1024;
/// Bytes of the rope that are translated in one go.
const BATCH: usize = 64 * 1024;

pub(super) struct Translator {
    encoder: Encoder,
    decoder: Decoder,
    /// A message that found the inbound pipe full.
    held: Option<Message>,
    /// What came after it.
    input: Vec<u8>,
    /// Takes the rope apart. What lies there is our own, so nothing limits it.
    rope: Decoder,
    /// For the stream; the bytes before `sent` are gone.
    out: Vec<u8>,
    sent: usize,
    /// Bytes of the rope that `out` stands for.
    staged: usize,
}

impl Translator {
    /// Makes a translator, unless traffic travels as it lies in the ropes. `out` is sent first.
    pub(super) fn if_needed(
        encoder: Encoder,
        decoder: Decoder,
        out: &mut Vec<u8>,
    ) -> Option<Box<Self>> {
        // Peers of 2.0 have the frames of 3.x, but no commands.
        if encoder.is_plain() && decoder.is_plain() && encoder.version() >= Version::V3_0 {
            return None;
        }
        let unlimited = Limits::default()
            .with_max_frames(u32::MAX)
            .with_max_command_size(u64::MAX);
        Some(Box::new(Self {
            encoder,
            decoder,
            held: None,
            input: Vec::new(),
            rope: Decoder::new(&unlimited),
            out: std::mem::take(out),
            sent: 0,
            staged: 0,
        }))
    }

    /// Decodes input and commits what is whole. `false` when the pipe is full: the rest of the input
    /// is kept, and the engine hears from the pipe when it has drained.
    fn decode(&mut self, mut input: &[u8], inbound: &mut Writer) -> Result<bool, CloseReason> {
        let mut wake = false;
        let result = loop {
            if let Some(mut message) = self.held.take() {
                if inbound.has_room() {
                    inbound.append_message(&mut message);
                    wake |= inbound.commit_quietly();
                } else if inbound.is_closed() {
                    // Without a reader it never gets room. What comes from now on is discarded.
                    break Ok(false);
                } else {
                    self.held = Some(message);
                    if inbound.block() {
                        self.input = input.to_vec();
                        break Ok(false);
                    }
                }
                continue;
            }
            match self.decoder.decode(input) {
                Err(error) => break Err(protocol(error)),
                Ok((used, item)) => {
                    input = &input[used..];
                    match item {
                        None => break Ok(true),
                        Some(Item::Message(message)) => self.held = Some(message),
                        Some(Item::Command(body)) => {
                            if let Err(error) = self.on_command(&body) {
                                break Err(error);
                            }
                        }
                    }
                }
            }
        };
        if wake {
            inbound.wake_reader();
        }
        result
    }

    fn on_command(&mut self, body: &[u8]) -> Result<(), CloseReason> {
        match Command::decode(body) {
            // A peer that asks faster than it takes answers gets no more of them.
            Ok(Command::Ping { context, .. }) if self.out.len() - self.sent < MAX_CONTROL => {
                self.encoder
                    .encode_command(Command::Pong { context }, &mut self.out);
                Ok(())
            }
            // Unknown and misplaced commands are ignored after the handshake.
            Ok(_) => Ok(()),
            Err(error) if error.is_ignorable_command() => Ok(()),
            Err(error) => Err(CloseReason::Protocol(error)),
        }
    }

    /// Translates a piece of the rope.
    fn encode(&mut self, mut rope: &[u8]) -> Result<(), CloseReason> {
        loop {
            let (used, item) = self.rope.decode(rope).map_err(CloseReason::Protocol)?;
            rope = &rope[used..];
            match item {
                None => return Ok(()),
                Some(Item::Message(message)) => {
                    self.encoder.encode_message(&message, &mut self.out);
                }
                Some(Item::Command(body)) => {
                    let command = Command::decode(&body).map_err(CloseReason::Protocol)?;
                    self.encoder.encode_command(command, &mut self.out);
                }
            }
        }
    }

    fn has_output(&self) -> bool {
        self.sent < self.out.len()
    }
}

impl Engine {
    pub(super) fn read_translated(
        &mut self,
        connection: &Connection,
        by: Caller,
    ) -> Result<(), CloseReason> {
        if self.paused {
            let rest = self
                .translator
                .as_mut()
                .map(|t| std::mem::take(&mut t.input));
            if !self.translate(connection, &rest.unwrap_or_default())? {
                return Ok(());
            }
        }
        if self.is_left_to_application(by) {
            return Ok(());
        }
        let mut buffer = [0; READ_SIZE];
        let mut budget = BUDGET;
        while budget > 0 {
            let Some(stream) = &self.stream else {
                return Ok(());
            };
            let Some(read) = no_block(stream.read(&mut buffer))? else {
                self.hung_up = false; // That was about an earlier stream.
                return Ok(());
            };
            if read == 0 {
                return Err(CloseReason::PeerClosed);
            }
            self.progress = true;
            if !self.translate(connection, &buffer[..read])? {
                return Ok(());
            }
            if read < buffer.len() && !self.hung_up {
                // A short read emptied the socket; the next arrival is a new edge.
                return Ok(());
            }
            budget = budget.saturating_sub(read);
        }
        // Others first; the I/O thread comes back to this one.
        connection.io.notify(Readiness::WRITABLE);
        Ok(())
    }

    /// Brings input to the socket and answers commands. `false` when the inbound pipe is full.
    pub(super) fn translate(
        &mut self,
        connection: &Connection,
        input: &[u8],
    ) -> Result<bool, CloseReason> {
        let (Some(translator), Some(pipes)) = (&mut self.translator, &mut self.pipes) else {
            return Ok(false);
        };
        let decoded = translator.decode(input, &mut pipes.inbound)?;
        self.paused = translator.held.is_some();
        if translator.has_output() {
            self.flush_translated(connection)?;
        }
        Ok(decoded)
    }

    /// Writes until the pipe is empty or the stream takes no more.
    pub(super) fn flush_translated(
        &mut self,
        connection: &Connection,
    ) -> Result<Flushed, CloseReason> {
        let (Some(translator), Some(pipes), Some(stream)) =
            (&mut self.translator, &mut self.pipes, &self.stream)
        else {
            return Ok(Flushed::Idle);
        };
        let outbound = &mut pipes.outbound;
        let mut budget = BUDGET;
        loop {
            if translator.has_output() {
                let rest = &translator.out[translator.sent..];
                let whole = rest.len();
                let Some(written) = no_block(stream.write(rest))? else {
                    return Ok(Flushed::Blocked);
                };
                translator.sent += written;
                if written < whole {
                    // The stream is full; when it has room again that is a new edge.
                    return Ok(Flushed::Blocked);
                }
                budget = budget.saturating_sub(written);
            }
            translator.out.clear();
            translator.out.shrink_to(BATCH);
            translator.sent = 0;
            outbound.advance(std::mem::take(&mut translator.staged));
            if translator.encoder.is_exhausted() {
                return Err(CloseReason::Protocol(zmtp::Error::NonceExhausted));
            }
            if budget == 0 {
                // Others first; the I/O thread comes back to this one.
                connection.io.notify(Readiness::READABLE);
                return Ok(Flushed::Blocked);
            }
            let mut slices: Vec<IoSlice<'_>> = std::mem::take(&mut self.slices);
            let total = outbound.gather(&mut slices, WRITE_SLICES, BATCH);
            let translated = slices.iter().try_for_each(|slice| translator.encode(slice));
            self.slices = recycle(slices);
            translated?;
            translator.staged = total;
            if total == 0 {
                if outbound.is_closed() {
                    return Ok(Flushed::Closed);
                }
                if self.attention.output || outbound.set_idle() {
                    return Ok(Flushed::Idle);
                }
            }
        }
    }

    /// Takes a new peer's way to talk.
    pub(super) fn begin_traffic(
        &mut self,
        connection: &Arc<Connection>,
        input: &[u8],
    ) -> Result<(), CloseReason> {
        if self.translator.is_some() {
            self.translate(connection, input)?;
        } else {
            if let Some(pipes) = &mut self.pipes {
                pipes.inbound.fill_from(input);
            }
            self.scan(connection)?;
        }
        self.on_writable(connection)
    }
}

/// Limits have a reason of their own, as without a translator.
fn protocol(error: zmtp::Error) -> CloseReason {
    match error {
        zmtp::Error::FrameTooLarge { size, .. }
        | zmtp::Error::MessageTooLarge { size, .. }
        | zmtp::Error::CommandTooLarge { size, .. } => CloseReason::Oversize { size },
        zmtp::Error::TooManyFrames { .. } => CloseReason::Oversize { size: 0 },
        error => CloseReason::Protocol(error),
    }
}
