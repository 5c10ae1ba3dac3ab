//! What a socket can do now, and the descriptor that tells when that may have changed: `ZMQ_EVENTS` and `ZMQ_FD`.
//!
//! The descriptor is readable from when something has happened to the socket until the program reads `ZMQ_EVENTS` or polls the
//! socket; it says "look", and not "there is a message". A program that reads `ZMQ_EVENTS` after it became readable, and after
//! each send and receive, misses nothing, as with libzmq.

use std::os::fd::{AsRawFd, RawFd};

use zpipe::{ReadySet, Spinner};
use zsocket::{Error, Interest, SocketType};

use super::State;
use crate::{errno::Errno, wait::Deadline};

/// Who is told when something happens to a socket.
pub(super) struct Waiting {
    ready: ReadySet,
    spinner: Spinner,
}

impl State {
    /// The descriptor.
    pub(crate) fn descriptor(&mut self) -> Result<RawFd, Errno> {
        if self.waiting.is_none() {
            let ready = ReadySet::new();
            ready.fd()?;
            self.socket.watch(ready.notifier(0))?;
            let spinner = Spinner::new();
            self.waiting = Some(Box::new(Waiting { ready, spinner }));
        }
        let waiting = self.waiting.as_ref().ok_or(Errno::IO)?;
        Ok(waiting.ready.fd()?.as_raw_fd())
    }

    /// What has happened will be looked at: the descriptor is for what comes after. With `is_readable` also if it says so for
    /// nothing.
    pub(crate) fn begin_look(&mut self, is_readable: bool) {
        if let Some(waiting) = &mut self.waiting
            && (is_readable || !waiting.ready.is_empty())
        {
            waiting.ready.drain(|_, _| {});
        }
    }

    /// Waits for a moment, as long as that has lately been worth it, for something to happen.
    pub(crate) fn spin(&mut self) -> bool {
        (self.waiting.as_mut()).is_some_and(|waiting| {
            let Waiting { ready, spinner } = &mut **waiting;
            spinner.until(|| !ready.is_empty())
        })
    }

    /// Lets another poller wait for the socket, as long as the returned descriptor is not asked for again.
    pub(crate) fn stop_waiting(&mut self) -> bool {
        let was_waiting = self.waiting.is_some();
        if was_waiting {
            self.socket.unwatch();
        }
        was_waiting
    }

    /// Goes on after [`stop_waiting`](Self::stop_waiting), with the same descriptor.
    pub(crate) fn go_on_waiting(&self) {
        if let Some(waiting) = &self.waiting {
            // Nobody else waits by now; in a forked child nobody will.
            let _ = self.socket.watch(waiting.ready.notifier(0));
        }
    }

    /// Waits until there is something to receive; `false` if the time is over before.
    pub(crate) fn wait_message(&mut self, deadline: Deadline) -> Result<bool, Errno> {
        loop {
            if self.received.has_part() {
                return self.events(Interest::RECV).map(Interest::can_recv);
            }
            if self.lost_reply {
                return match self.wait_for_lost(deadline.left()) {
                    Errno::AGAIN => Ok(false),
                    errno => Err(errno),
                };
            }
            match self.socket.wait_message(deadline.left()) {
                Ok(()) if self.kind != SocketType::Req || self.try_fetch() => return Ok(true),
                // It was found that the reply will not come.
                Ok(()) => {}
                Err(Error::WouldBlock(_)) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What the socket can do now, of what is asked for.
    pub(crate) fn events(&mut self, wanted: Interest) -> Result<Interest, Errno> {
        if self.context.is_terminated() {
            return Err(Errno::TERM);
        }
        let mut found = Interest::NONE;
        let mut asked = Interest::NONE;
        if wanted.can_recv() {
            if self.received.has_part() {
                found = found | Interest::RECV;
            } else if !self.lost_reply {
                asked = asked | Interest::RECV;
            }
        }
        if wanted.can_send() {
            if self.is_gathering() || self.lost_reply && self.is_relaxed() {
                found = found | Interest::SEND;
            } else if !self.lost_reply {
                asked = asked | Interest::SEND;
            }
        }
        if asked.is_none() {
            return Ok(found);
        }
        let mut ready = self.socket.readiness(asked);
        if self.kind == SocketType::Req && ready.can_recv() && !self.try_fetch() {
            // It was found that the reply will not come.
            ready = if ready.can_send() {
                Interest::SEND
            } else {
                Interest::NONE
            };
        }
        if self.context.is_terminated() {
            return Err(Errno::TERM);
        }
        Ok(found | ready)
    }
}
