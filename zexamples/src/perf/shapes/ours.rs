//! The shapes through zlayers.

use std::mem;
use std::thread;
use std::time::{Duration, Instant};

use zpoll::{Events, Interest, Poller};
use zsocket::{
    CanReceive, CanSend, Context, Dealer, Error, Message, Pattern, Pub, Pull, Push, Rep, Req,
    Router, Socket, Sub, TypedPattern,
};

use super::kit::{
    Answers, Asks, AwaitsSubscribers, BACKLOG, End, Kit, Publishes, Receives, Routes, Sends,
    Subscribes,
};
use crate::Result;
use crate::perf::{Mechanism, ours};

pub(super) struct Ours;

impl Kit for Ours {
    type Context = Context;
    type Message = Message;
    type Push = Socket<Push>;
    type Pull = Socket<Pull>;
    type Req = Socket<Req>;
    type Rep = Socket<Rep>;
    type Dealer = Socket<Dealer>;
    type Router = Socket<Router>;
    type Pub = Socket<Pub>;
    type Sub = Socket<Sub>;
    type News = Socket<Pub>;

    fn context() -> Context {
        Context::new()
    }

    fn end(context: Context) -> Result<()> {
        Ok(context.term()?)
    }

    fn context_for(sockets: u32) -> Result<Context> {
        Ok(Context::builder().max_sockets(sockets as usize).build()?)
    }

    fn poll_busy(
        push: &Socket<Push>,
        busy: &Socket<Pull>,
        idle: &[Socket<Pull>],
        body: &[u8],
        count: u64,
    ) -> Result<Duration> {
        let mut poller = Poller::new();
        for (key, socket) in idle.iter().enumerate() {
            poller.add(socket, key, Interest::RECV)?;
        }
        poller.add(busy, idle.len(), Interest::RECV)?;
        let mut events = Events::new();
        let mut message = Message::new();
        let start = Instant::now();
        for _ in 0..count {
            push.send(body)?;
            poller.wait(&mut events, None)?;
            for event in &events {
                if event.key != idle.len() {
                    return Err("an idle socket is ready".into());
                }
                busy.recv_into(&mut message)?;
            }
        }
        Ok(start.elapsed())
    }

    fn message(body: &[u8]) -> Result<Message> {
        Ok(Message::from(body))
    }
}

/// Connections may take so long to be established.
const PATIENCE: Duration = Duration::from_secs(30);

impl<P: Pattern + TypedPattern> End for Socket<P> {
    type Context = Context;

    fn open(context: &Context, hwm: u32) -> Result<Self> {
        let socket = context.socket::<P>()?;
        socket.limit(hwm, hwm)?;
        socket.set_backlog(BACKLOG)?;
        Ok(socket)
    }

    fn limit(&self, send: u32, receive: u32) -> Result<()> {
        self.set_send_hwm(send)?;
        Ok(self.set_recv_hwm(receive)?)
    }

    fn secure_server(&self, mechanism: Mechanism) -> Result<()> {
        ours::secure_server(self, mechanism)
    }

    fn secure_client(&self, mechanism: Mechanism) -> Result<()> {
        ours::secure_client(self, mechanism)
    }

    fn bind(&self, endpoint: &str) -> Result<String> {
        Ok(self.bind(endpoint)?.to_string())
    }

    fn connect(&self, endpoint: &str) -> Result<()> {
        Ok(self.connect(endpoint)?)
    }

    fn establish(&self, connections: u32, begin: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        let goal = self.stats().connections.established + u64::from(connections);
        begin(self)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let established = self.stats().connections.established;
            if established >= goal {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(format!("{established} of {goal} connections established").into());
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl<P: CanSend> Sends for Socket<P> {
    #[inline]
    fn send(&self, body: &[u8]) -> Result<()> {
        Ok(self.send(body)?)
    }

    fn offer(&self, body: &[u8]) -> Result<bool> {
        match self.try_send(body).map_err(Error::from) {
            Ok(()) => Ok(true),
            Err(Error::WouldBlock(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl<P: CanReceive> Receives for Socket<P> {
    type Message = Message;

    #[inline]
    fn receive(&self, message: &mut Message) -> Result<usize> {
        self.recv_into(message)?;
        size(message)
    }
}

impl Publishes for Socket<Pub> {
    fn drop_nothing(&self) -> Result<()> {
        Ok(self.set_no_drop(true)?)
    }
}

impl AwaitsSubscribers for Socket<Pub> {
    fn hear_of_all(&self) -> Result<()> {
        Ok(())
    }

    fn await_subscribers(&self, subscribers: u32) -> Result<()> {
        // Whoever started this is in no hurry to start the others.
        let patience = Duration::from_secs(3600);
        Ok(self.wait_subscribed("", subscribers as usize, patience)?)
    }

    /// The context does that when it ends.
    fn await_delivery(&self) -> Result<()> {
        Ok(())
    }
}

impl Routes for Socket<Router> {
    fn drop_nothing(&self) -> Result<()> {
        Ok(self.set_mandatory(true)?)
    }
}

impl Subscribes for Socket<Sub> {
    fn subscribe(&self, topic: &[u8]) -> Result<()> {
        Ok(self.subscribe(topic)?)
    }

    fn unsubscribe(&self, topic: &[u8]) -> Result<()> {
        Ok(self.unsubscribe(topic)?)
    }
}

impl Asks for Socket<Req> {
    type Message = Message;

    #[inline]
    fn ask(&self, message: &mut Message) -> Result<usize> {
        self.send(mem::take(message))?;
        *message = self.recv()?;
        size(message)
    }
}

impl Answers for Socket<Rep> {
    type Message = Message;

    #[inline]
    fn answer(&self, message: &mut Message) -> Result<usize> {
        self.recv_into(message)?;
        let size = size(message)?;
        self.send(mem::take(message))?;
        Ok(size)
    }
}

impl Answers for Socket<Router> {
    type Message = Message;

    #[inline]
    fn answer(&self, message: &mut Message) -> Result<usize> {
        self.recv_into(message)?;
        let size = message.last().map_or(0, |body| body.len());
        self.send(mem::take(message))?;
        Ok(size)
    }
}

#[inline]
fn size(message: &Message) -> Result<usize> {
    match message.len() {
        1 => Ok(message[0].len()),
        frames => Err(format!("a message of {frames} frames").into()),
    }
}
