//! libzmq's part in scenarios.

use std::time::Duration;

use crate::peer::{ByNumber, Failure, Flag, Options, Pattern, Peer};
use crate::sys::{opt, socket_type};
use crate::{Frames, zmq};

/// Makes a socket for a scenario.
pub(crate) fn socket(
    context: &zmq::Context,
    pattern: Pattern,
    options: &Options,
) -> Result<zmq::Socket, Failure> {
    let socket = context.socket(match pattern {
        Pattern::Pair => socket_type::PAIR,
        Pattern::Pub => socket_type::PUB,
        Pattern::Sub => socket_type::SUB,
        Pattern::XPub => socket_type::XPUB,
        Pattern::XSub => socket_type::XSUB,
        Pattern::Push => socket_type::PUSH,
        Pattern::Pull => socket_type::PULL,
        Pattern::Req => socket_type::REQ,
        Pattern::Rep => socket_type::REP,
        Pattern::Dealer => socket_type::DEALER,
        Pattern::Router => socket_type::ROUTER,
        Pattern::Stream => socket_type::STREAM,
    })?;
    apply(&socket, options)?;
    Ok(socket)
}

fn apply(socket: &zmq::Socket, options: &Options) -> Result<(), zmq::Error> {
    // For a period: −1 is libzmq's word for "for ever" (linger) and for "never" (reconnecting).
    let period = |period: Option<Duration>| period.map_or(-1, zmq::millis);
    let int = |number: u64| i32::try_from(number).map_err(|_| zmq::Error::InvalidArgument);

    if let Some(messages) = options.send_hwm {
        socket.set_int(opt::SNDHWM, int(messages.into())?)?;
    }
    if let Some(messages) = options.recv_hwm {
        socket.set_int(opt::RCVHWM, int(messages.into())?)?;
    }
    if let Some(linger) = options.linger {
        socket.set_int(opt::LINGER, period(linger))?;
    }
    if let Some(bytes) = options.max_frame_size {
        let bytes = i64::try_from(bytes).map_err(|_| zmq::Error::InvalidArgument)?;
        socket.set_i64(opt::MAXMSGSIZE, bytes)?;
    }
    if let Some(interval) = options.reconnect_interval {
        socket.set_int(opt::RECONNECT_IVL, period(interval))?;
    }
    if let Some(id) = &options.routing_id {
        socket.set_bytes(opt::ROUTING_ID, id)?;
    }
    if let Some(on) = options.immediate {
        socket.set_int(opt::IMMEDIATE, on.into())?;
    }
    if let Some(bytes) = options.socket_buffers {
        socket.set_int(opt::SNDBUF, int(bytes as u64)?)?;
        socket.set_int(opt::RCVBUF, int(bytes as u64)?)?;
    }
    for flag in &options.flags {
        let option = match flag {
            Flag::Mandatory => opt::ROUTER_MANDATORY,
            Flag::Handover => opt::ROUTER_HANDOVER,
            Flag::Relaxed => opt::REQ_RELAXED,
            Flag::Correlate => opt::REQ_CORRELATE,
            Flag::ProbeRouter => opt::PROBE_ROUTER,
            Flag::Verbose => opt::XPUB_VERBOSE,
            Flag::Verboser => opt::XPUB_VERBOSER,
            Flag::Manual => opt::XPUB_MANUAL,
            Flag::ManualLastValue => opt::XPUB_MANUAL_LAST_VALUE,
            Flag::NoDrop => opt::XPUB_NODROP,
            Flag::InvertMatching => opt::INVERT_MATCHING,
            Flag::OnlyFirstSubscribe => opt::ONLY_FIRST_SUBSCRIBE,
            Flag::VerboseUnsubscribe => opt::XSUB_VERBOSE_UNSUBSCRIBE,
            Flag::NoStreamNotify => opt::STREAM_NOTIFY,
            Flag::RouterNotify => opt::ROUTER_NOTIFY,
            Flag::RouterRaw => opt::ROUTER_RAW,
            Flag::Conflate => opt::CONFLATE,
        };
        let value = match flag {
            Flag::NoStreamNotify => 0,
            // Connect and disconnect.
            Flag::RouterNotify => 1 | 2,
            _ => 1,
        };
        socket.set_int(option, value)?;
    }
    if let Some(body) = &options.welcome {
        socket.set_bytes(opt::XPUB_WELCOME_MSG, body)?;
    }
    if let Some(body) = &options.hello {
        socket.set_bytes(opt::HELLO_MSG, body)?;
    }
    if let Some(body) = &options.disconnect {
        socket.set_bytes(opt::DISCONNECT_MSG, body)?;
    }
    if let Some(body) = &options.hiccup {
        socket.set_bytes(opt::HICCUP_MSG, body)?;
    }
    for (number, value) in &options.by_number {
        match value {
            ByNumber::Int(value) => socket.set_int(*number, *value)?,
            ByNumber::Bytes(value) => socket.set_bytes(*number, value)?,
        }
    }
    Ok(())
}

impl Peer for zmq::Socket {
    fn bind(&self, endpoint: &str) -> Result<String, Failure> {
        Ok(self.bind(endpoint)?)
    }

    fn connect(&self, endpoint: &str) -> Result<(), Failure> {
        Ok(self.connect(endpoint)?)
    }

    fn unbind(&self, endpoint: &str) -> Result<(), Failure> {
        Ok(self.unbind(endpoint)?)
    }

    fn disconnect(&self, endpoint: &str) -> Result<(), Failure> {
        Ok(self.disconnect(endpoint)?)
    }

    fn send(&self, message: &Frames, timeout: Duration) -> Result<(), Failure> {
        Ok(self.send_timeout(&message.0, timeout)?)
    }

    fn recv(&self, timeout: Duration) -> Result<Frames, Failure> {
        Ok(Frames(self.recv_timeout(timeout)?))
    }

    fn subscribe(&self, on: bool, topic: &[u8]) -> Result<(), Failure> {
        let option = if on { opt::SUBSCRIBE } else { opt::UNSUBSCRIBE };
        Ok(self.set_bytes(option, topic)?)
    }
}

impl From<zmq::Error> for Failure {
    fn from(error: zmq::Error) -> Self {
        match error {
            zmq::Error::WouldBlock => Self::WouldBlock,
            zmq::Error::WrongState => Self::WrongState,
            zmq::Error::NotSupported => Self::NotSupported,
            zmq::Error::HostUnreachable => Self::Unroutable,
            zmq::Error::Terminated => Self::Terminated,
            zmq::Error::AddressInUse => Self::AddressInUse,
            zmq::Error::NoSuchEndpoint => Self::NoSuchEndpoint,
            error => Self::Other(error.to_string()),
        }
    }
}
