//! Sending frame by frame.
//!
//! Frames with `ZMQ_SNDMORE` are gathered, and the last one sends the message. A program expects to be told with the *first* frame
//! that there is no room, nobody with that routing id, or that it is not its turn: so that is asked with it
//! ([`Socket::check_send`](zsocket::Socket::check_send)). If the peer goes while the message is being gathered, the whole message
//! is refused with the last frame and forgotten, and the program begins again, as with libzmq.

use std::ffi::c_int;

use bytes::Bytes;
use zsocket::{Error, Frame, Message, SocketType};

use super::State;
use crate::{
    errno::Errno,
    message::{HANDED_OVER, zmq_msg_t},
};

const DONTWAIT: c_int = 1;
const SNDMORE: c_int = 2;

/// The body of a frame to be sent.
pub(super) enum Part<'a> {
    /// The program's, to be copied.
    Lent(&'a [u8]),
    /// A handle on it.
    Shared(Bytes),
}

impl Part<'_> {
    fn into_frame(self) -> Frame {
        match self {
            Self::Lent(body) => Frame::from(body),
            Self::Shared(body) => Frame::from(body),
        }
    }
}

impl State {
    /// Sends a message of the program, which is empty then; one that cannot be sent stays as it is.
    pub(super) fn send_message(
        &mut self,
        message: &mut zmq_msg_t,
        flags: c_int,
    ) -> Result<c_int, Errno> {
        let size = message.size();
        if size < HANDED_OVER {
            self.send_part(Part::Lent(message.body()), flags)?;
        } else {
            self.send_part(Part::Shared(message.to_bytes()), flags)?;
        }
        message.clear();
        Ok(told(size))
    }

    /// Sends one frame.
    #[inline]
    pub(super) fn send_part(&mut self, part: Part<'_>, flags: c_int) -> Result<(), Errno> {
        let is_plain = flags & SNDMORE == 0 && self.outgoing.is_empty();
        if !is_plain || self.lost_reply || self.kind == SocketType::Stream {
            return self.gather(part, flags);
        }
        let waits = flags & DONTWAIT == 0;
        let sent = match part {
            Part::Lent(body) if waits => self.socket.send(body),
            Part::Lent(body) => self.socket.try_send(body),
            Part::Shared(body) if waits => self.socket.send(body),
            Part::Shared(body) => self.socket.try_send(body),
        };
        match sent {
            Ok(()) => Ok(()),
            Err(refused) => forgive(refused.error),
        }
    }

    #[inline(never)]
    fn gather(&mut self, part: Part<'_>, flags: c_int) -> Result<(), Errno> {
        if self.context.is_terminated() {
            return Err(Errno::TERM);
        }
        if self.lost_reply {
            if !self.is_relaxed() {
                return Err(Errno::FSM);
            }
            self.lost_reply = false;
        }
        let is_stream = self.kind == SocketType::Stream;
        let has_more = flags & SNDMORE != 0;
        if std::mem::take(&mut self.swallows) {
            return Ok(());
        }
        let frame = part.into_frame();
        if self.outgoing.is_empty() {
            if !has_more && !is_stream {
                return self.send_whole(Message::single(frame), flags);
            }
            let checked = if flags & DONTWAIT == 0 {
                self.socket.wait_check_send(&frame)
            } else {
                self.socket.check_send(&frame)
            };
            checked.map_err(Errno::from)?;
            if !has_more {
                // An id, and no data to go with it.
                self.swallows = true;
                return Ok(());
            }
            self.outgoing.push_back(frame);
            return Ok(());
        }
        self.outgoing.push_back(frame);
        // What follows an id on a STREAM is data, and all of it.
        if has_more && !is_stream {
            return Ok(());
        }
        let message = std::mem::take(&mut self.outgoing);
        self.send_whole(message, flags)
    }

    fn send_whole(&self, message: Message, flags: c_int) -> Result<(), Errno> {
        let sent = if flags & DONTWAIT == 0 {
            self.socket.send(message)
        } else {
            self.socket.try_send(message)
        };
        match sent {
            Ok(()) => Ok(()),
            Err(refused) => forgive(refused.error),
        }
    }

    /// Whether the program is in the middle of a message.
    pub(super) fn is_gathering(&self) -> bool {
        !self.outgoing.is_empty() || self.swallows
    }
}

/// What libzmq drops without a word.
fn forgive(error: Error) -> Result<(), Errno> {
    match error {
        // A ROUTER was given an id alone.
        Error::NoRoutingId => Ok(()),
        error => Err(error.into()),
    }
}

/// A size as functions return it.
pub(super) fn told(size: usize) -> c_int {
    c_int::try_from(size).unwrap_or(c_int::MAX)
}
