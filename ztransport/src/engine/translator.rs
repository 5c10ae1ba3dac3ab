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

use std::{io::IoSlice, mem::MaybeUninit};

use bytes::Bytes;
use zmtp::{Command, Decoder, Encoder, Item, Limits, Message};
use zpipe::ByteReader;

use super::{
    BUDGET, Engine, MAX_CONTROL, Pipes, no_block,
    output::{FETCHED, Flushed, SUBSCRIPTIONS_SIZE, WRITE_SLICES, recycle},
};
use crate::{event::CloseReason, parts::Parts, poll::TELLS_END, signals::Caller};

/// Bytes of one `read`, which lie on the stack.
const READ_SIZE: usize = 32 * 1024;
/// Bytes of the rope that are translated in one go.
const BATCH: usize = 64 * 1024;
/// Bytes of a buffer that an idle connection keeps.
const IDLE_BUFFER: usize = 4 * 1024;

pub(super) struct Translator {
    encoder: Encoder,
    decoder: Decoder,
    /// Messages that were dropped because nobody wants them.
    passed: u64,
    /// A message that found the inbound pipe full.
    held: Option<Message>,
    /// What came after it.
    input: Bytes,
    /// Takes the rope apart. What lies there is our own, so nothing limits it.
    rope: Decoder,
    /// For the stream; the bytes before `sent` are gone.
    out: Vec<u8>,
    sent: usize,
    /// The time to live that a PING of the peer has given.
    ping: Option<u16>,
    /// Bytes of `out` that answer PING.
    answers: usize,
    /// Bytes of the rope that `out` stands for, and those of them that are released.
    staged: usize,
    released: usize,
    /// Where the messages among them end.
    ends: Vec<End>,
}

/// The end of a message, in bytes from the beginning.
struct End {
    out: usize,
    rope: usize,
}

impl Translator {
    /// Makes a translator, unless traffic travels as it lies in the ropes. `out` is sent first.
    pub(super) fn if_needed(
        encoder: Encoder,
        decoder: Decoder,
        out: &mut Vec<u8>,
    ) -> Option<Box<Self>> {
        if encoder.is_plain() && decoder.is_plain() {
            return None;
        }
        let unlimited = Limits::default()
            .with_max_frames(u32::MAX)
            .with_max_command_size(u64::MAX);
        Some(Box::new(Self {
            encoder,
            decoder,
            passed: 0,
            held: None,
            input: Bytes::new(),
            rope: Decoder::new(&unlimited),
            out: std::mem::take(out),
            sent: 0,
            ping: None,
            answers: 0,
            staged: 0,
            released: 0,
            ends: Vec::new(),
        }))
    }

    /// Decodes input, commits what is whole, and returns how much that was. When that is not all
    /// because the pipe is full, the engine hears from the pipe when it has drained.
    ///
    /// What is not `wanted` is dropped instead. `topic_size` is that of [`FrameLimits`](zpipe::FrameLimits).
    fn decode(
        &mut self,
        input: &[u8],
        pipes: &mut Pipes,
        wanted: bool,
        topic_size: Option<u64>,
    ) -> Result<usize, CloseReason> {
        let mut at = 0;
        let mut wake = false;
        let result = loop {
            if let Some(mut message) = self.held.take() {
                if !wanted || pipes.is_unread() {
                    self.passed += 1;
                } else if pipes.inbound.has_room() || pipes.makes_room() {
                    wake |= pipes.inbound.push_message(&mut message);
                } else {
                    self.held = Some(message);
                    if pipes.inbound.block() {
                        break Ok(at);
                    }
                }
                continue;
            }
            match self.decoder.decode(&input[at..]) {
                Err(error) => break Err(error.into()),
                Ok((used, item)) => {
                    at += used;
                    match item {
                        None => break Ok(at),
                        Some(Item::Message(message)) => self.held = Some(message),
                        Some(Item::Command(body)) => match self.on_command(&body, topic_size) {
                            Ok(subscription) => self.held = subscription,
                            Err(error) => break Err(error),
                        },
                    }
                }
            }
        };
        if wake {
            pipes.wake_socket();
        }
        result
    }

    /// Does what a command asks for. To a publisher subscriptions are messages, of topics up to this size: see
    /// [`FrameLimits`](zpipe::FrameLimits).
    fn on_command(
        &mut self,
        body: &[u8],
        topic_size: Option<u64>,
    ) -> Result<Option<Message>, CloseReason> {
        let subscription = |flag, topic: &[u8]| {
            let Some(limit) = topic_size else {
                return Ok(None);
            };
            let len = topic.len() as u64;
            if len > limit {
                return Err(zmtp::Error::SubscriptionTooLong { len, limit }.into());
            }
            Ok(Some(Message::from([&[flag], topic].concat())))
        };
        match Command::decode(body) {
            Ok(Command::Subscribe { topic }) => subscription(1, topic),
            Ok(Command::Cancel { topic }) => subscription(0, topic),
            Ok(Command::Ping { context, ttl }) => {
                self.ping = self.ping.or_else(|| (ttl > 0).then_some(ttl));
                // A peer that asks faster than it takes answers gets no more of them.
                if self.answers < MAX_CONTROL {
                    let before = self.out.len();
                    self.encoder
                        .encode_command(Command::Pong { context }, &mut self.out);
                    self.answers += self.out.len() - before;
                }
                Ok(None)
            }
            // Unknown and misplaced commands are ignored after the handshake.
            Ok(_) => Ok(None),
            Err(error) if error.is_ignorable_command() => Ok(None),
            Err(error) => Err(CloseReason::Protocol(error)),
        }
    }

    /// Translates a piece of the rope.
    fn encode(&mut self, mut rope: &[u8]) -> Result<(), CloseReason> {
        loop {
            let (used, item) = self.rope.decode(rope).map_err(CloseReason::Protocol)?;
            rope = &rope[used..];
            self.staged += used;
            match item {
                None => return Ok(()),
                Some(Item::Message(message)) => {
                    self.encoder.encode_message(&message, &mut self.out);
                    self.ends.push(End {
                        out: self.out.len(),
                        rope: self.staged,
                    });
                }
                Some(Item::Command(body)) => {
                    let command = Command::decode(&body).map_err(CloseReason::Protocol)?;
                    self.encoder.encode_command(command, &mut self.out);
                }
            }
        }
    }

    /// Brings the socket this message before all that is decoded.
    pub(super) fn begin_with(&mut self, message: Message) {
        self.held = Some(message);
    }

    /// Sends this message before all that lies in the rope.
    pub(super) fn say(&mut self, message: &Message) {
        self.encoder.encode_message(message, &mut self.out);
    }

    /// Sends this command, unless there is something that the stream has not taken.
    pub(super) fn say_command(&mut self, command: Command<'_>) {
        if !self.has_output() {
            self.encoder.encode_command(command, &mut self.out);
        }
    }

    /// Whether a part of a message has gone out and the rest has not.
    pub(super) fn has_begun(&self) -> bool {
        let whole = self.ends.partition_point(|end| end.out <= self.sent);
        let begins = whole.checked_sub(1).map_or(0, |last| self.ends[last].out);
        self.sent > begins
    }

    /// Whether a message has begun to arrive.
    pub(super) fn is_mid_message(&self) -> bool {
        self.decoder.is_partial()
    }

    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    fn has_output(&self) -> bool {
        self.sent < self.out.len()
    }

    /// Releases what was sent: all that is staged, or the messages that went out in full.
    fn release(&mut self, outbound: &mut ByteReader) {
        let sent = if self.has_output() {
            let whole = self.ends.partition_point(|end| end.out <= self.sent);
            whole.checked_sub(1).map_or(0, |last| self.ends[last].rope)
        } else {
            self.staged
        };
        if sent > self.released {
            outbound.advance(sent - self.released);
            self.released = sent;
        }
    }

    /// Makes room for the next batch, once everything is released.
    fn clear(&mut self) {
        self.out.clear();
        self.out.shrink_to(BATCH);
        self.ends.clear();
        (self.sent, self.answers) = (0, 0);
        (self.staged, self.released) = (0, 0);
    }

    /// Gives back what a burst has left behind.
    fn trim(&mut self) {
        self.out.shrink_to(IDLE_BUFFER);
        self.ends.shrink_to(IDLE_BUFFER / size_of::<End>());
    }
}

impl Engine {
    pub(super) fn read_translated(
        &mut self,
        connection: &Parts,
        by: Caller,
    ) -> Result<(), CloseReason> {
        if self.paused {
            let rest = self
                .translator
                .as_mut()
                .map(|t| std::mem::take(&mut t.input));
            let rest = rest.unwrap_or_default();
            if let Some(used) = self.translate(connection, &rest)? {
                self.keep_for_later(rest.slice(used..));
                return Ok(());
            }
        }
        if self.is_left_to_application(connection, by) {
            return Ok(());
        }
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
            self.progress = true;
            self.heard = true;
            if let Some(used) = self.translate(connection, input)? {
                self.keep_for_later(Bytes::copy_from_slice(&input[used..]));
                return Ok(());
            }
            if read < READ_SIZE && !self.hung_up && TELLS_END {
                // A short read emptied the socket; the next arrival is a new edge.
                return Ok(());
            }
            budget = budget.saturating_sub(read);
        }
        self.read_later(connection);
        Ok(())
    }

    /// Brings input to the socket and answers commands. Tells how much of it was used if that was not
    /// all, because the inbound pipe is full.
    fn translate(
        &mut self,
        connection: &Parts,
        input: &[u8],
    ) -> Result<Option<usize>, CloseReason> {
        let (Some(translator), Some(pipes)) = (&mut self.translator, &mut self.pipes) else {
            return Ok(None);
        };
        let wanted = connection.options.receives;
        let before = translator.passed;
        let topic_size = self.limits.topic_size;
        let used = translator.decode(input, pipes, wanted, topic_size)?;
        if !wanted {
            let passed = translator.passed - before;
            connection.handle.counters().unwanted.add(passed);
        }
        self.paused = translator.held.is_some();
        if let Some(ttl) = translator.ping.take() {
            self.on_ping(connection, ttl);
        }
        let Some(translator) = &self.translator else {
            return Ok(None);
        };
        if translator.has_output() {
            self.flush(connection)?;
        }
        Ok(self.paused.then_some(used))
    }

    fn keep_for_later(&mut self, rest: Bytes) {
        if let Some(translator) = &mut self.translator {
            translator.input = rest;
        }
    }

    /// What [`Engine::flush`] does where what goes out is not what lies in the rope.
    pub(super) fn flush_translated(&mut self, connection: &Parts) -> Result<Flushed, CloseReason> {
        let (Some(translator), Some(pipes), Some(stream)) =
            (&mut self.translator, &mut self.pipes, &self.stream)
        else {
            return Ok(Flushed::Idle);
        };
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
                    translator.release(&mut pipes.outbound);
                    return Ok(Flushed::Blocked);
                }
                budget = budget.saturating_sub(written);
            }
            translator.release(&mut pipes.outbound);
            translator.clear();
            if translator.encoder.is_exhausted() {
                return Err(CloseReason::Protocol(zmtp::Error::NonceExhausted));
            }
            if budget == 0 {
                return Ok(self.flush_later(connection));
            }
            if let Some(follower) = &mut self.follower {
                follower.next(SUBSCRIPTIONS_SIZE, |subscribe, topic| {
                    translator
                        .encoder
                        .encode_subscription(subscribe, topic, &mut translator.out);
                });
                if translator.has_output() {
                    continue;
                }
            }
            let outbound = &mut pipes.outbound;
            let mut slices: Vec<IoSlice<'_>> = std::mem::take(&mut self.slices);
            let total = outbound.gather(&mut slices, WRITE_SLICES, BATCH);
            let translated = slices.iter().try_for_each(|slice| translator.encode(slice));
            self.slices = recycle(slices);
            translated?;
            if total == 0 {
                if pipes.fetch() {
                    budget = budget.saturating_sub(FETCHED);
                    continue;
                }
                if pipes.outbound.is_closed() {
                    return Ok(Flushed::Closed);
                }
                translator.trim();
                if self.attention.output || pipes.set_idle() {
                    return Ok(Flushed::Idle);
                }
            }
        }
    }

    /// Takes a new peer's way to talk.
    pub(super) fn begin_traffic(
        &mut self,
        connection: &Parts,
        input: &[u8],
    ) -> Result<(), CloseReason> {
        if self.translator.is_some() {
            if let Some(used) = self.translate(connection, input)? {
                self.keep_for_later(Bytes::copy_from_slice(&input[used..]));
            }
        } else if self.is_unwanted(connection) {
            self.pass(connection, input)?;
        } else {
            if let Some(pipes) = &mut self.pipes {
                pipes.inbound.fill_from(input);
            }
            self.scan(connection)?;
        }
        self.on_writable(connection)
    }
}

#[cfg(test)]
mod tests {
    use zmtp::Version;

    use super::*;

    #[test]
    fn an_idle_translator_keeps_small_buffers_only() {
        let (encoder, limits) = (Encoder::new(Version::V2_0), Limits::default());
        let decoder = Decoder::for_version(Version::V2_0, &limits);
        let mut translator =
            Translator::if_needed(encoder, decoder, &mut Vec::new()).expect("2.0 needs one");
        let (mut writer, mut outbound) = zpipe::byte_pipe(zpipe::Limits::default(), None, None);
        for _ in 0..30_000 {
            writer.append(zmtp::Flags::NONE, b"");
            writer.commit();
        }
        let mut slices = Vec::new();
        assert_eq!(outbound.gather(&mut slices, WRITE_SLICES, BATCH), 60_000);
        for slice in &slices {
            translator.encode(slice).unwrap();
        }
        drop(slices);
        // Half of it goes out, which releases as many messages, and then the rest.
        assert_eq!(translator.out.len(), 60_000);
        translator.sent = 30_001;
        translator.release(&mut outbound);
        assert_eq!(outbound.messages_read(), 15_000);
        translator.sent = 60_000;
        translator.release(&mut outbound);
        assert_eq!(outbound.messages_read(), 30_000);
        translator.clear();
        translator.trim();
        assert!(translator.out.capacity() <= IDLE_BUFFER);
        assert!(translator.ends.capacity() * size_of::<End>() <= IDLE_BUFFER);
    }
}
