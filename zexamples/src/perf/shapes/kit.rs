//! What the shapes need of a library.

use std::time::Duration;

use crate::Result;
use crate::perf::Mechanism;

/// Connections that may wait to be accepted; the system may cut it.
pub(super) const BACKLOG: u32 = 4096;

/// A library. Everything is resolved at compile time, so that the loops that are measured are those
/// that a user of the library would write.
pub(super) trait Kit {
    type Context;
    type Message;
    type Push: End<Context = Self::Context> + Sends;
    type Pull: End<Context = Self::Context> + Receives<Message = Self::Message> + Send;
    type Req: End<Context = Self::Context> + Asks<Message = Self::Message>;
    type Rep: End<Context = Self::Context> + Answers<Message = Self::Message>;
    type Dealer: End<Context = Self::Context> + Sends + Receives<Message = Self::Message>;
    type Router: End<Context = Self::Context> + Answers<Message = Self::Message> + Routes;
    type Pub: End<Context = Self::Context> + Sends + Publishes;
    type Sub: End<Context = Self::Context> + Receives<Message = Self::Message> + Subscribes;
    /// A publisher that hears of its subscribers.
    type News: End<Context = Self::Context> + Sends + Publishes + AwaitsSubscribers;

    fn context() -> Self::Context;
    /// Waits until all is sent that closed sockets have left.
    fn end(context: Self::Context) -> Result<()>;
    /// A context for so many sockets.
    fn context_for(sockets: u32) -> Result<Self::Context>;
    /// Sends a message to `busy` and receives it when a poller of this socket and all idle ones says so, again and again;
    /// the time that takes.
    fn poll_busy(
        push: &Self::Push,
        busy: &Self::Pull,
        idle: &[Self::Pull],
        body: &[u8],
        count: u64,
    ) -> Result<Duration>;
    /// A message with a copy of this body.
    fn message(body: &[u8]) -> Result<Self::Message>;
}

/// A socket.
pub(super) trait End: Sized {
    type Context;

    fn open(context: &Self::Context, hwm: u32) -> Result<Self>;
    /// Other high-water marks than those that it was opened with.
    fn limit(&self, send: u32, receive: u32) -> Result<()>;
    /// For a socket that binds.
    fn secure_server(&self, mechanism: Mechanism) -> Result<()>;
    /// For a socket that connects.
    fn secure_client(&self, mechanism: Mechanism) -> Result<()>;
    /// Returns the endpoint with its wildcard resolved.
    fn bind(&self, endpoint: &str) -> Result<String>;
    fn connect(&self, endpoint: &str) -> Result<()>;
    /// Calls `begin`, and waits until `connections` more than before have been established.
    fn establish(&self, connections: u32, begin: impl FnOnce(&Self) -> Result<()>) -> Result<()>;
}

pub(super) trait Sends {
    /// Sends a copy of `body`; waits for room.
    fn send(&self, body: &[u8]) -> Result<()>;
    /// Sends a copy of `body` if there is room now, and says whether there was.
    fn offer(&self, body: &[u8]) -> Result<bool>;
}

pub(super) trait Receives {
    type Message;
    /// Waits for a message and returns its size.
    fn receive(&self, message: &mut Self::Message) -> Result<usize>;
}

pub(super) trait Publishes {
    /// From now on a message waits until all who should get it have room.
    fn drop_nothing(&self) -> Result<()>;
}

pub(super) trait AwaitsSubscribers {
    /// To be called before [`await_subscribers`](Self::await_subscribers), and before there is an endpoint.
    fn hear_of_all(&self) -> Result<()>;
    /// Waits until so many have subscribed to everything.
    fn await_subscribers(&self, subscribers: u32) -> Result<()>;
    /// Waits until closing loses nothing.
    fn await_delivery(&self) -> Result<()>;
}

pub(super) trait Routes {
    /// From now on a message waits until its peer has room.
    fn drop_nothing(&self) -> Result<()>;
}

pub(super) trait Subscribes {
    fn subscribe(&self, topic: &[u8]) -> Result<()>;
    fn unsubscribe(&self, topic: &[u8]) -> Result<()>;
}

pub(super) trait Asks {
    type Message;
    /// Sends the message, waits for the reply, puts it into the place of the message and returns its size.
    fn ask(&self, message: &mut Self::Message) -> Result<usize>;
}

pub(super) trait Answers {
    type Message;
    /// Waits for a request, sends it back and returns its size.
    fn answer(&self, message: &mut Self::Message) -> Result<usize>;
}
