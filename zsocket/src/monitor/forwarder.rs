//! Events as messages, for programs that were written for libzmq's monitors.

use std::{cell::RefCell, collections::VecDeque};

use zmtp::Message;
use ztransport::ZmqEvent;

use super::Monitor;
use crate::{CanSend, Error, Socket};

/// In which form libzmq has events in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FrameVersion {
    /// Two frames: a 16-bit number with a 32-bit value, and an address. `zmq_socket_monitor`.
    V1,
    /// Five frames or more: a 64-bit number, how many values there are, each of these, and the addresses of both ends.
    /// `zmq_socket_monitor_versioned`.
    V2,
}

/// Sends the events of a [`Monitor`] on as the messages that libzmq's monitor sends, over a socket that the application
/// gives: a PAIR, PUSH or PUB that is bound to an inproc endpoint, for a program that knows `zmq_socket_monitor`. Made by
/// [`Monitor::forward`].
///
/// There is no thread behind it: the application calls [`pump`](Self::pump) when there is something, which a poller tells of
/// the [`monitor`](Self::monitor). What the other socket cannot take waits here and in the monitor, which is bounded; nobody
/// else waits for it, as the I/O thread of libzmq would. What libzmq has no event for is left out.
///
/// # Examples
///
/// ```
/// use zsocket::{Context, FrameVersion, Pair, Pull};
///
/// let context = Context::new();
/// let pull = context.socket::<Pull>()?;
/// let forwarder = pull.monitor().forward(FrameVersion::V1);
/// let (to, from) = (context.socket::<Pair>()?, context.socket::<Pair>()?);
/// to.bind("inproc://monitor")?;
/// from.connect("inproc://monitor")?;
///
/// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
/// while forwarder.pump(&to)? == 0 {}
/// let event = from.recv()?;
/// assert_eq!(event[0][..2], 0x0008u16.to_ne_bytes()); // ZMQ_EVENT_LISTENING
/// assert_eq!(event[1], endpoint.to_string().as_str());
/// # Ok::<(), zsocket::Error>(())
/// ```
#[derive(Debug)]
pub struct MonitorForwarder {
    monitor: Monitor,
    version: FrameVersion,
    /// Which of libzmq's events, as the bits of their numbers.
    mask: u64,
    /// Two at most: one event of ours may be two of libzmq's.
    unsent: RefCell<VecDeque<Message>>,
}

/// Messages for one call, so that a socket whose connections come and go without end does not keep it.
const BUDGET: usize = 1024;

impl MonitorForwarder {
    pub(super) fn new(monitor: Monitor, version: FrameVersion) -> Self {
        Self {
            monitor,
            version,
            mask: u64::MAX,
            unsent: RefCell::default(),
        }
    }

    /// Only sends events whose numbers, which are the constants of [`ZmqEvent`], are in this mask: the `events` of
    /// `zmq_socket_monitor`.
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, FrameVersion, Pub, Pull, ZmqEvent};
    ///
    /// let context = Context::new();
    /// let (pull, to) = (context.socket::<Pull>()?, context.socket::<Pub>()?);
    /// let forwarder = pull.monitor().forward(FrameVersion::V1).only(ZmqEvent::CLOSED);
    /// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
    /// assert_eq!(forwarder.pump(&to)?, 0, "it is bound, which nobody wants to know");
    /// pull.unbind(&endpoint)?;
    /// while forwarder.pump(&to)? == 0 {}
    /// # Ok::<(), zsocket::Error>(())
    /// ```
    #[must_use]
    pub const fn only(mut self, mask: u64) -> Self {
        self.mask = mask;
        self
    }

    /// Whether the monitor has come to its end and everything was sent.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.unsent.borrow().is_empty() && self.monitor.is_ended()
    }

    /// Whether there is a message that the socket had no room for.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        !self.unsent.borrow().is_empty()
    }

    /// The monitor, to be given to a poller.
    #[must_use]
    pub const fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// Sends the events that there are, as many as the socket takes now and at most about a thousand, and says how many
    /// messages that were. Never waits.
    ///
    /// # Errors
    ///
    /// As for [`Socket::try_send`], except that a socket without room is no error. Nothing is lost by an error.
    pub fn pump<P: CanSend>(&self, to: &Socket<P>) -> Result<usize, Error> {
        let mut sent = 0;
        while sent < BUDGET {
            let Some(message) = self.next() else {
                break;
            };
            match to.try_send(message) {
                Ok(()) => sent += 1,
                Err(refused) => {
                    self.unsent.borrow_mut().push_front(refused.message);
                    match refused.error {
                        Error::WouldBlock(_) => break,
                        error => return Err(error),
                    }
                }
            }
        }
        Ok(sent)
    }

    fn next(&self) -> Option<Message> {
        loop {
            let unsent = self.unsent.borrow_mut().pop_front();
            if unsent.is_some() {
                return unsent;
            }
            let events = self.monitor.try_recv()?.to_zmq();
            let wanted = events.iter().filter(|event| event.number & self.mask != 0);
            let messages = wanted.filter_map(|event| self.encode(event));
            self.unsent.borrow_mut().extend(messages);
        }
    }

    fn encode(&self, event: &ZmqEvent) -> Option<Message> {
        match self.version {
            FrameVersion::V1 => event.to_v1(),
            FrameVersion::V2 => Some(event.to_v2()),
        }
    }
}
