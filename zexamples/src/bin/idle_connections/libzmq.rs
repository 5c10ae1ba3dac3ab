//! Connections through libzmq.

use std::time::{Duration, Instant};

use zexamples::Result;
use zinterop::sys::{event, opt, socket_type};
use zinterop::zmq::{Context, Monitor, Msg, Socket};

use crate::end::{BACKLOG, End, PATIENCE, SIZE};

struct Libzmq<'s> {
    pull: &'s Socket,
    accepting: Monitor<'s>,
    push: &'s Socket,
    connecting: Monitor<'s>,
    established: u64,
    closed: u64,
}

/// Calls `f` with sockets that live as long as it runs.
pub(crate) fn with_end(f: impl FnOnce(&mut dyn End) -> Result<()>) -> Result<()> {
    let context = Context::new();
    let pull = context.socket(socket_type::PULL)?;
    pull.set_int(opt::BACKLOG, i32::try_from(BACKLOG)?)?;
    let push = context.socket(socket_type::PUSH)?;
    let events = event::HANDSHAKE_SUCCEEDED | event::DISCONNECTED;
    let (accepting, connecting) = (pull.monitor(events)?, push.monitor(events)?);
    f(&mut Libzmq {
        pull: &pull,
        accepting,
        push: &push,
        connecting,
        established: 0,
        closed: 0,
    })
}

impl Libzmq<'_> {
    /// Takes in events until `done`; they must be read, or the I/O thread stands still.
    fn wait(&mut self, what: &str, done: impl Fn(&Self) -> Result<bool>) -> Result<()> {
        let server = !self.pull.last_endpoint()?.is_empty();
        while !done(self)? {
            let monitor = if server {
                &self.accepting
            } else {
                &self.connecting
            };
            let Some(event) = monitor.recv_timeout(PATIENCE)? else {
                return Err(format!("no more connections {what}").into());
            };
            match event.event {
                event::HANDSHAKE_SUCCEEDED => self.established += 1,
                _ => self.closed += 1,
            }
        }
        Ok(())
    }
}

impl End for Libzmq<'_> {
    fn bind(&mut self, endpoint: &str) -> Result<String> {
        Ok(self.pull.bind(endpoint)?)
    }

    fn connect(&mut self, endpoint: &str) -> Result<()> {
        Ok(self.push.connect(endpoint)?)
    }

    fn disconnect(&mut self, endpoint: &str) -> Result<()> {
        Ok(self.push.disconnect(endpoint)?)
    }

    fn wait_established(&mut self, total: u64) -> Result<()> {
        self.wait("established", |end| Ok(end.established >= total))
    }

    fn wait_closed(&mut self, total: u64, attended: bool) -> Result<()> {
        self.wait("closed", |end| {
            if attended {
                end.attend()?;
            }
            Ok(end.closed >= total)
        })
    }

    /// Reading this option makes it take the I/O thread's reports, without which a disconnected
    /// pipe, and its connection, stay.
    fn attend(&self) -> Result<()> {
        self.push.option_int(opt::EVENTS)?;
        self.pull.option_int(opt::EVENTS)?;
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        Ok(self.push.send(&["still there?"])?)
    }

    fn receive(&mut self) -> Result<()> {
        self.pull.recv_timeout(PATIENCE)?;
        Ok(())
    }
    fn send_many(&mut self, count: u64) -> Result<()> {
        let body = [0; SIZE];
        for _ in 0..count {
            self.push.send_msg(&mut Msg::copy_from(&body)?, 0)?;
        }
        Ok(())
    }

    fn receive_many(&mut self, count: u64) -> Result<Duration> {
        self.receive()?;
        let started = Instant::now();
        let mut msg = Msg::new();
        for _ in 1..count {
            self.pull.recv_msg(&mut msg, 0)?;
        }
        Ok(started.elapsed())
    }
}
