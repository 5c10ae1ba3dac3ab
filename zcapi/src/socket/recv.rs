//! Receiving frame by frame.

use std::{collections::HashMap, ffi::c_int, sync::Arc, time::Duration};

use zsocket::{Error, Frame, Interest, Message, PeerId};

use super::State;
use crate::{
    errno::Errno,
    message::{Meta, zmq_msg_t},
};

const DONTWAIT: c_int = 1;

/// A frame's buffer is kept for the next message up to this size.
const KEPT_BUFFER: usize = 64 << 10;

/// Peers of whom is remembered what they told; with more, all are forgotten and asked again.
const REMEMBERED: usize = 1024;

/// A message that is given to the program frame by frame.
#[derive(Default)]
pub(super) struct Received {
    /// Its buffers are used again.
    message: Message,
    /// Of its frames, those that the program has.
    taken: usize,
    /// How many it has; not that of `message` after a call that has failed.
    frames: usize,
    from: Option<PeerId>,
    /// The frame that the program has got last is not the last of its message.
    pub(super) more: bool,
    known: Known,
}

/// What is known about peers, so that it is not asked for with each message.
#[derive(Default)]
struct Known {
    /// When it was: see [`Socket::peer_changes`](zsocket::Socket::peer_changes).
    changes: u64,
    last: Option<(PeerId, Option<Arc<Meta>>)>,
    all: HashMap<PeerId, Option<Arc<Meta>>>,
}

impl Received {
    /// Whether there is a frame for the program.
    pub(super) fn has_part(&self) -> bool {
        self.taken < self.frames
    }
}

impl State {
    /// Receives one frame into a message of the program.
    pub(super) fn recv_message(
        &mut self,
        into: &mut zmq_msg_t,
        flags: c_int,
    ) -> Result<c_int, Errno> {
        if !self.received.has_part() && !self.lost_reply {
            let message = &mut self.received.message;
            let received = if flags & DONTWAIT == 0 {
                self.socket.recv_lent(message, zmq_msg_t::copy_of)
            } else {
                self.socket.try_recv_lent(message, zmq_msg_t::copy_of)
            };
            match received {
                // The usual message is one frame, and goes straight from the pipe into the program's message.
                Ok((from, Some(message))) => {
                    self.received.from = Some(from);
                    self.received.more = false;
                    let mut message = message?;
                    if let Some(meta) = self.meta() {
                        message.set_meta(meta);
                    }
                    let size = message.size();
                    into.replace(message);
                    return Ok(super::send::told(size));
                }
                Ok((from, None)) => self.note_received(from),
                Err(error) => {
                    if let Err(errno) = self.not_received(error, flags) {
                        into.clear();
                        return Err(errno);
                    }
                }
            }
        } else if let Err(errno) = self.go_on(flags) {
            into.clear();
            return Err(errno);
        }
        let meta = self.meta();
        let more = self.received.taken + 1 < self.received.frames;
        let frame = &mut self.received.message.frames_mut()[self.received.taken];
        let mut message = zmq_msg_t::take_frame(frame);
        message.set_more(more);
        if let Some(meta) = meta {
            message.set_meta(meta);
        }
        let size = message.size();
        self.received.taken += 1;
        self.received.more = more;
        // The old content goes last: its owner may call back.
        into.replace(message);
        Ok(super::send::told(size))
    }

    /// Receives one frame, and lets `read` have its body.
    #[inline]
    pub(super) fn recv_part<R>(
        &mut self,
        flags: c_int,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, Errno> {
        let mut read = Some(read);
        if !self.received.has_part() && !self.lost_reply {
            let message = &mut self.received.message;
            let lent = |body: &[u8]| read.take().map(|read| read(body));
            let received = if flags & DONTWAIT == 0 {
                self.socket.recv_lent(message, lent)
            } else {
                self.socket.try_recv_lent(message, lent)
            };
            match received {
                // The usual message is one frame, and goes straight from the pipe into the program's buffer.
                Ok((_, Some(Some(result)))) => {
                    self.received.more = false;
                    return Ok(result);
                }
                Ok((from, _)) => self.note_received(from),
                Err(error) => self.not_received(error, flags)?,
            }
        } else {
            self.go_on(flags)?;
        }
        let read = read.take().ok_or(Errno::IO)?;
        let received = &mut self.received;
        let frame = &mut received.message.frames_mut()[received.taken];
        let result = read(frame);
        received.taken += 1;
        received.more = received.taken < received.frames;
        if frame.is_shared() || frame.len() > KEPT_BUFFER {
            // It may have an owner who waits for it.
            *frame = Frame::new();
        }
        Ok(result)
    }

    /// There is a frame, or the reply will not come.
    #[inline]
    fn go_on(&self, flags: c_int) -> Result<(), Errno> {
        if !self.received.has_part() {
            return self.wait_as_option_says(flags);
        }
        if self.context.is_terminated() {
            return Err(Errno::TERM);
        }
        Ok(())
    }

    #[inline]
    fn note_received(&mut self, from: PeerId) {
        let received = &mut self.received;
        received.message.ensure_frame();
        received.from = Some(from);
        received.frames = received.message.len();
        received.taken = 0;
    }

    #[cold]
    fn not_received(&mut self, error: Error, flags: c_int) -> Result<(), Errno> {
        (self.received.frames, self.received.taken) = (0, 0);
        match error {
            Error::PeerLost(_) => {
                self.lost_reply = true;
                self.wait_as_option_says(flags)
            }
            // With a descriptor in use, what is not there now has to be told there; and there may be more behind what was
            // none of this socket.
            Error::WouldBlock(_) if flags & DONTWAIT != 0 && self.waiting.is_some() => {
                if self.socket.readiness(Interest::RECV).can_recv()
                    && !self.context.is_terminated()
                    && self.try_fetch()
                {
                    return Ok(());
                }
                Err(Errno::AGAIN)
            }
            error => Err(error.into()),
        }
    }

    /// A message that is there is taken, so that it is one.
    pub(super) fn try_fetch(&mut self) -> bool {
        if self.received.has_part() {
            return true;
        }
        match self.socket.try_recv_from_into(&mut self.received.message) {
            Ok(from) => {
                self.note_received(from);
                true
            }
            Err(error) => {
                (self.received.frames, self.received.taken) = (0, 0);
                self.lost_reply |= matches!(error, Error::PeerLost(_));
                false
            }
        }
    }

    /// The reply will not come, and libzmq's REQ does not know.
    #[cold]
    fn wait_as_option_says(&self, flags: c_int) -> Result<(), Errno> {
        let timeout = if flags & DONTWAIT == 0 {
            self.socket.default_recv_timeout()
        } else {
            Some(Duration::ZERO)
        };
        Err(self.wait_for_lost(timeout))
    }

    /// Waits for what will not come: says what ends that.
    pub(super) fn wait_for_lost(&self, timeout: Option<Duration>) -> Errno {
        // More peers than there ever are: only the time, a signal, or the end of the context ends that.
        let waited = self
            .socket
            .wait_connected(usize::MAX, timeout.unwrap_or(Duration::MAX));
        waited.err().map_or(Errno::AGAIN, Errno::from)
    }

    /// What is known about the peer of the message that is being given to the program.
    fn meta(&mut self) -> Option<Arc<Meta>> {
        let from = self.received.from?;
        let known = &mut self.received.known;
        let changes = self.socket.peer_changes();
        if known.changes != changes {
            *known = Known {
                changes,
                ..Known::default()
            };
        }
        if let Some((peer, meta)) = &known.last
            && *peer == from
        {
            return meta.clone();
        }
        let meta = match known.all.get(&from) {
            Some(meta) => meta.clone(),
            None => {
                let info = self.socket.peer_info(from);
                let meta = info.as_ref().and_then(Meta::of).map(Arc::new);
                if known.all.len() >= REMEMBERED {
                    known.all.clear();
                }
                known.all.insert(from, meta.clone());
                meta
            }
        };
        known.last = Some((from, meta.clone()));
        meta
    }
}
