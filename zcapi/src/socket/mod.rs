//! Sockets as a C program has them: frame by frame.
//!
//! The sockets of `zsocket` send and receive whole messages. What is different here lies in the files of this module:
//!
//! - [`slots`]: handles, and which call has the socket,
//! - `send` and `recv`: frames of a message one by one,
//! - `events`: `ZMQ_FD` and `ZMQ_EVENTS`,
//! - `endpoints`: binding and connecting as libzmq does,
//! - `calls`: the functions.

pub(crate) mod calls;
mod endpoints;
mod events;
mod iovec;
mod recv;
mod send;
pub(crate) mod slots;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use zsocket::{Dynamic, Message, Socket, SocketType};

use self::{events::Waiting, recv::Received};
use crate::{context::Context, monitor::Watcher, options::Said};

/// What there is of a socket beside that of `zsocket`.
pub(crate) struct State {
    pub(crate) socket: Socket<Dynamic>,
    pub(crate) kind: SocketType,
    pub(crate) context: Arc<Context>,
    /// Frames of a message whose last one is still to come.
    outgoing: Message,
    /// A STREAM was given an id alone: the next frame goes nowhere.
    swallows: bool,
    received: Received,
    /// A REQ whose reply will not come. libzmq's waits for it for ever.
    lost_reply: bool,
    waiting: Option<Box<Waiting>>,
    pub(crate) monitor: Option<Watcher>,
    /// Values of options that are not kept as they were given.
    pub(crate) said: Said,
    #[cfg(test)]
    pub(crate) count_for_test: usize,
}

impl State {
    fn new(socket: Socket<Dynamic>, kind: SocketType, context: Arc<Context>) -> Self {
        Self {
            socket,
            kind,
            context,
            outgoing: Message::new(),
            swallows: false,
            received: Received::default(),
            lost_reply: false,
            waiting: None,
            monitor: None,
            said: Said::default(),
            #[cfg(test)]
            count_for_test: 0,
        }
    }

    /// Whether the frame that the program has got last is not the last of its message.
    pub(crate) fn is_more(&self) -> bool {
        self.received.more
    }

    /// Whether a REQ may send although the reply to its last request has not come.
    fn is_relaxed(&self) -> bool {
        self.socket.relaxed().unwrap_or(false)
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A socket without a handle.
    pub(crate) fn state() -> Box<State> {
        let context = crate::context::testing::context();
        let socket = context.socket(SocketType::Pull).unwrap();
        Box::new(State::new(socket, SocketType::Pull, context))
    }
}
