//! zsocket's part in scenarios.

use std::time::Duration;

use zsocket::{Context, Dynamic, Error, Frame, Message, Socket, SocketType};

use crate::Frames;
use crate::peer::{ByNumber, Failure, Flag, Options, Pattern, Peer};

/// Makes a socket for a scenario.
pub(crate) fn socket(
    context: &Context,
    pattern: Pattern,
    options: &Options,
) -> Result<Socket<Dynamic>, Failure> {
    let socket = context.dynamic(match pattern {
        Pattern::Pair => SocketType::Pair,
        Pattern::Pub => SocketType::Pub,
        Pattern::Sub => SocketType::Sub,
        Pattern::XPub => SocketType::XPub,
        Pattern::XSub => SocketType::XSub,
        Pattern::Push => SocketType::Push,
        Pattern::Pull => SocketType::Pull,
        Pattern::Req => SocketType::Req,
        Pattern::Rep => SocketType::Rep,
        Pattern::Dealer => SocketType::Dealer,
        Pattern::Router => SocketType::Router,
        Pattern::Stream => SocketType::Stream,
    })?;
    apply(&socket, options)?;
    Ok(socket)
}

fn apply(socket: &Socket<Dynamic>, options: &Options) -> Result<(), Error> {
    if let Some(messages) = options.send_hwm {
        socket.set_send_hwm(messages)?;
    }
    if let Some(messages) = options.recv_hwm {
        socket.set_recv_hwm(messages)?;
    }
    if let Some(linger) = options.linger {
        socket.set_linger(linger)?;
    }
    if let Some(bytes) = options.max_frame_size {
        socket.set_max_frame_size(Some(bytes))?;
    }
    if let Some(interval) = options.reconnect_interval {
        socket.set_reconnect_interval(interval)?;
    }
    if let Some(id) = &options.routing_id {
        socket.set_routing_id(id.clone().into())?;
    }
    if let Some(on) = options.immediate {
        socket.set_immediate(on)?;
    }
    if let Some(bytes) = options.socket_buffers {
        socket.set_send_buffer(Some(bytes))?;
        socket.set_recv_buffer(Some(bytes))?;
    }
    for flag in &options.flags {
        match flag {
            Flag::Mandatory => socket.set_mandatory(true),
            Flag::Handover => socket.set_handover(true),
            Flag::Relaxed => socket.set_relaxed(true),
            Flag::Correlate => socket.set_correlate(true),
            Flag::ProbeRouter => socket.set_probe_router(true),
            Flag::Verbose => socket.set_verbose(true),
            Flag::Verboser => socket.set_verboser(true),
            Flag::Manual => socket.set_manual(true),
            Flag::ManualLastValue => socket.set_manual_last_value(true),
            Flag::NoDrop => socket.set_no_drop(true),
            Flag::InvertMatching => socket.set_invert_matching(true),
            Flag::OnlyFirstSubscribe => socket.set_only_first_subscribe(true),
            Flag::VerboseUnsubscribe => socket.set_verbose_unsubscribe(true),
            Flag::NoStreamNotify => socket.set_stream_notify(false),
            Flag::RouterNotify => socket.set_router_notify(true, true),
            Flag::RouterRaw => socket.set_router_raw(true),
            Flag::Conflate => socket.set_conflate(true),
        }?;
    }
    if let Some(body) = &options.welcome {
        socket.set_welcome_message(Some(body.as_slice().into()))?;
    }
    if let Some(body) = &options.hello {
        socket.set_hello_message(Some(body.as_slice().into()))?;
    }
    if let Some(body) = &options.disconnect {
        socket.set_disconnect_message(Some(body.as_slice().into()))?;
    }
    if let Some(body) = &options.hiccup {
        socket.set_hiccup_message(Some(body.as_slice().into()))?;
    }
    for (number, value) in &options.by_number {
        match value {
            ByNumber::Int(value) => socket.set_option(*number, *value)?,
            ByNumber::Bytes(value) => socket.set_option(*number, value.as_slice())?,
        }
    }
    Ok(())
}

impl Peer for Socket<Dynamic> {
    fn bind(&self, endpoint: &str) -> Result<String, Failure> {
        Ok(self.bind(endpoint)?.to_string())
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
        let message: Message = message
            .0
            .iter()
            .map(|frame| Frame::from(frame.as_slice()))
            .collect();
        // Not only to save the clock: the two calls are different paths in the library.
        let result = if timeout.is_zero() {
            self.try_send(message)
        } else {
            self.send_timeout(message, timeout)
        };
        Ok(result.map_err(Error::from)?)
    }

    fn recv(&self, timeout: Duration) -> Result<Frames, Failure> {
        let message = if timeout.is_zero() {
            self.try_recv()
        } else {
            self.recv_timeout(timeout)
        }?;
        Ok(Frames(message.iter().map(|frame| frame.to_vec()).collect()))
    }

    fn subscribe(&self, on: bool, topic: &[u8]) -> Result<(), Failure> {
        let publishes = matches!(self.socket_type(), SocketType::Pub | SocketType::XPub);
        match (publishes, on) {
            (false, true) => self.subscribe(topic)?,
            (false, false) => self.unsubscribe(topic)?,
            // As in libzmq, nothing happens if the peer is gone.
            (true, true) => self.subscribe_last(topic).map(drop)?,
            (true, false) => self.unsubscribe_last(topic).map(drop)?,
        }
        Ok(())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::WouldBlock(_) => Self::WouldBlock,
            Error::WrongState(_) => Self::WrongState,
            Error::PeerLost(_) => Self::PeerLost,
            Error::NotSupported => Self::NotSupported,
            Error::Unroutable => Self::Unroutable,
            Error::Terminated => Self::Terminated,
            Error::AddressInUse(_) => Self::AddressInUse,
            Error::NoSuchEndpoint(_) => Self::NoSuchEndpoint,
            error => Self::Other(error.to_string()),
        }
    }
}
