//! The shapes through libzmq, call by call as its own tools do it.

use std::time::{Duration, Instant};

use zinterop::sys::{DONTWAIT, SNDMORE, ctx_opt, event, opt, socket_type};
use zinterop::zmq::{Context, Error, Msg, PollItem, Socket, poll};

use super::kit::{
    Answers, Asks, AwaitsSubscribers, BACKLOG, End, Kit, Publishes, Receives, Routes, Sends,
    Subscribes,
};
use crate::Result;
use crate::perf::{Mechanism, libzmq};

pub(super) struct Libzmq;

/// A socket of the type with this number.
pub(super) struct Typed<const TYPE: i32>(Socket);

impl Kit for Libzmq {
    type Context = Context;
    type Message = Msg;
    type Push = Typed<{ socket_type::PUSH }>;
    type Pull = Typed<{ socket_type::PULL }>;
    type Req = Typed<{ socket_type::REQ }>;
    type Rep = Typed<{ socket_type::REP }>;
    type Dealer = Typed<{ socket_type::DEALER }>;
    type Router = Typed<{ socket_type::ROUTER }>;
    type Pub = Typed<{ socket_type::PUB }>;
    type Sub = Typed<{ socket_type::SUB }>;
    type News = Typed<{ socket_type::XPUB }>;

    fn context() -> Context {
        Context::new()
    }

    /// Dropping it waits.
    fn end(context: Context) -> Result<()> {
        drop(context);
        Ok(())
    }

    fn context_for(sockets: u32) -> Result<Context> {
        let context = Context::new();
        context.set(ctx_opt::MAX_SOCKETS, i32::try_from(sockets)?)?;
        Ok(context)
    }

    fn poll_busy(
        push: &Self::Push,
        busy: &Self::Pull,
        idle: &[Self::Pull],
        body: &[u8],
        count: u64,
    ) -> Result<Duration> {
        let all = idle.iter().chain([busy]);
        let mut items: Vec<_> = all.map(|socket| PollItem::readable(&socket.0)).collect();
        let mut message = Msg::new();
        let start = Instant::now();
        for _ in 0..count {
            push.send(body)?;
            poll(&mut items, None)?;
            for (at, item) in items.iter().enumerate() {
                if item.is_ready() {
                    if at != idle.len() {
                        return Err("an idle socket is ready".into());
                    }
                    busy.receive(&mut message)?;
                }
            }
        }
        Ok(start.elapsed())
    }

    fn message(body: &[u8]) -> Result<Msg> {
        Ok(Msg::copy_from(body)?)
    }
}

/// A connection may take so long to be established.
const PATIENCE: Duration = Duration::from_secs(30);

impl<const TYPE: i32> End for Typed<TYPE> {
    type Context = Context;

    fn open(context: &Context, hwm: u32) -> Result<Self> {
        let socket = Self(context.socket(TYPE)?);
        socket.limit(hwm, hwm)?;
        let backlog = i32::try_from(BACKLOG)?;
        socket.0.set_int(opt::BACKLOG, backlog)?;
        Ok(socket)
    }

    fn limit(&self, send: u32, receive: u32) -> Result<()> {
        self.0.set_int(opt::SNDHWM, i32::try_from(send)?)?;
        Ok(self.0.set_int(opt::RCVHWM, i32::try_from(receive)?)?)
    }

    fn secure_server(&self, mechanism: Mechanism) -> Result<()> {
        libzmq::secure_server(&self.0, mechanism)
    }

    fn secure_client(&self, mechanism: Mechanism) -> Result<()> {
        libzmq::secure_client(&self.0, mechanism)
    }

    fn bind(&self, endpoint: &str) -> Result<String> {
        Ok(self.0.bind(endpoint)?)
    }

    fn connect(&self, endpoint: &str) -> Result<()> {
        Ok(self.0.connect(endpoint)?)
    }

    fn establish(&self, connections: u32, begin: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        let monitor = self.0.monitor(event::HANDSHAKE_SUCCEEDED)?;
        begin(self)?;
        for _ in 0..connections {
            monitor.wait_for_handshake(PATIENCE)?;
        }
        Ok(())
    }
}

impl<const TYPE: i32> Sends for Typed<TYPE> {
    #[inline]
    fn send(&self, body: &[u8]) -> Result<()> {
        self.0.send_msg(&mut Msg::copy_from(body)?, 0)?;
        Ok(())
    }

    fn offer(&self, body: &[u8]) -> Result<bool> {
        match self.0.send_msg(&mut Msg::copy_from(body)?, DONTWAIT) {
            Ok(()) => Ok(true),
            Err(Error::WouldBlock) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl<const TYPE: i32> Receives for Typed<TYPE> {
    type Message = Msg;

    #[inline]
    fn receive(&self, message: &mut Msg) -> Result<usize> {
        self.0.recv_msg(message, 0)?;
        size(message)
    }
}

impl Publishes for Typed<{ socket_type::PUB }> {
    fn drop_nothing(&self) -> Result<()> {
        Ok(self.0.set_int(opt::XPUB_NODROP, 1)?)
    }
}

impl Publishes for Typed<{ socket_type::XPUB }> {
    fn drop_nothing(&self) -> Result<()> {
        Ok(self.0.set_int(opt::XPUB_NODROP, 1)?)
    }
}

impl AwaitsSubscribers for Typed<{ socket_type::XPUB }> {
    /// Otherwise only the first subscriber of a topic is told of.
    fn hear_of_all(&self) -> Result<()> {
        Ok(self.0.set_int(opt::XPUB_VERBOSE, 1)?)
    }

    fn await_subscribers(&self, subscribers: u32) -> Result<()> {
        let mut message = Msg::new();
        for _ in 0..subscribers {
            self.0.recv_msg(&mut message, 0)?;
        }
        Ok(())
    }

    /// Until the last subscriber has left, since libzmq loses messages over ipc when a sender closes whose receiver
    /// cannot keep up.
    fn await_delivery(&self) -> Result<()> {
        let mut message = Msg::new();
        loop {
            self.0.recv_msg(&mut message, 0)?;
            if message.as_slice().first() == Some(&0) {
                return Ok(());
            }
        }
    }
}

impl Routes for Typed<{ socket_type::ROUTER }> {
    fn drop_nothing(&self) -> Result<()> {
        Ok(self.0.set_int(opt::ROUTER_MANDATORY, 1)?)
    }
}

impl Subscribes for Typed<{ socket_type::SUB }> {
    fn subscribe(&self, topic: &[u8]) -> Result<()> {
        Ok(self.0.set_bytes(opt::SUBSCRIBE, topic)?)
    }

    fn unsubscribe(&self, topic: &[u8]) -> Result<()> {
        Ok(self.0.set_bytes(opt::UNSUBSCRIBE, topic)?)
    }
}

impl Asks for Typed<{ socket_type::REQ }> {
    type Message = Msg;

    #[inline]
    fn ask(&self, message: &mut Msg) -> Result<usize> {
        self.0.send_msg(message, 0)?;
        self.0.recv_msg(message, 0)?;
        size(message)
    }
}

impl Answers for Typed<{ socket_type::REP }> {
    type Message = Msg;

    #[inline]
    fn answer(&self, message: &mut Msg) -> Result<usize> {
        self.0.recv_msg(message, 0)?;
        let size = size(message)?;
        self.0.send_msg(message, 0)?;
        Ok(size)
    }
}

impl Answers for Typed<{ socket_type::ROUTER }> {
    type Message = Msg;

    #[inline]
    fn answer(&self, message: &mut Msg) -> Result<usize> {
        let mut routing_id = Msg::new();
        self.0.recv_msg(&mut routing_id, 0)?;
        self.0.recv_msg(message, 0)?;
        let size = size(message)?;
        self.0.send_msg(&mut routing_id, SNDMORE)?;
        self.0.send_msg(message, 0)?;
        Ok(size)
    }
}

#[inline]
fn size(message: &Msg) -> Result<usize> {
    if message.more() {
        return Err("a message of more than one frame".into());
    }
    Ok(message.len())
}
