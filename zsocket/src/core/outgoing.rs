//! A message on its way into a pipe.

use zmtp::{Frame, Message, header::Flags};
use zpipe::{
    SPLICE_MIN, Writer,
    deferred::{self, Deferral},
};

use crate::{error::Refusal, pattern::Frames};

/// See the module documentation.
pub(super) enum Outgoing<'a> {
    /// One frame, to be copied. `lent` if its buffer is the caller's and stays so.
    Body { body: &'a [u8], lent: bool },
    /// Any message. Large bodies are taken out of it when it is sent.
    Message(&'a mut Message),
}

impl Outgoing<'_> {
    /// A body that the pipe would rather have the buffer of has to come as a message. One that is only lent
    /// would be copied for that, into memory that one thread allocates and another frees: over inproc half
    /// as many messages of 4 KiB a second as by copying it into the pipe and out of it.
    #[inline]
    pub(super) fn check(&self, writer: &Writer) -> Result<(), Refusal> {
        let (len, most) = match self {
            Self::Body { body, lent: true } => (body.len(), SPLICE_MIN),
            Self::Body { body, lent: false } => (body.len(), writer.splice_min()),
            Self::Message(_) => return Ok(()),
        };
        if len >= most {
            return Err(Refusal::TooLargeToCopy);
        }
        Ok(())
    }

    /// The first frame, if others follow.
    #[inline]
    pub(super) fn head(&self) -> Option<&Frame> {
        match self {
            Self::Message(message) if message.len() > 1 => message.first(),
            Self::Body { .. } | Self::Message(_) => None,
        }
    }

    /// Whether there is anything in the frames behind the first.
    pub(super) fn has_tail(&self) -> bool {
        match self {
            Self::Message(message) => message.iter().skip(1).any(|frame| !frame.is_empty()),
            Self::Body { .. } => false,
        }
    }

    /// The first frame, and whether it is the only one.
    #[inline]
    pub(super) fn first(&self) -> (&[u8], bool) {
        match self {
            Self::Body { body, .. } => (body, true),
            Self::Message(message) => match message.frames() {
                [first, rest @ ..] => (first, rest.is_empty()),
                [] => (&[], true),
            },
        }
    }

    /// Bytes of all its frames.
    pub(super) fn byte_len(&self) -> usize {
        match self {
            Self::Body { body, .. } => body.len(),
            Self::Message(message) => message.byte_len(),
        }
    }

    /// Takes the first frame off, now that the message is going to be sent.
    pub(super) fn drop_head(&mut self, deferral: &mut Deferral) {
        if let Self::Message(message) = self
            && let Some(head) = message.pop_front()
            && head.is_shared()
        {
            deferral.begin();
            deferred::drop_body(head.into_bytes());
        }
    }

    /// Writes the frames, without committing them.
    #[inline(always)]
    pub(super) fn append_to(&mut self, writer: &mut Writer) {
        match self {
            Self::Body { body, .. } => writer.append(Flags::NONE, body),
            Self::Message(message) => writer.append_message(message),
        }
    }
}

impl Frames for Writer {
    fn append_part(&mut self, body: &[u8]) {
        self.append(Flags::MORE, body);
    }
}
