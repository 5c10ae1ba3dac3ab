//! DEALER: to one peer in turn, from one peer in turn, without envelopes. RFC 28, "The DEALER Socket Type".

use bytes::Bytes;
use zmtp::{Frame, SocketType};

use super::{At, Notify, Route, Settings, Source, State};
use crate::error::Refusal;

/// A DEALER socket has no state beyond the turns of its links, and options.
#[derive(Debug, Default)]
pub struct Dealer {
    /// Whether a new peer is sent an empty message first.
    pub(crate) probe: bool,
    /// What peers are sent before everything else.
    pub(crate) hello: Option<Bytes>,
    /// What is received when a connection of the socket's own is lost.
    pub(crate) hiccup: Option<Bytes>,
    /// Whether the next message has nothing to wait for, as the only request in flight.
    pub(crate) alone: bool,
}

impl State for Dealer {
    fn socket_type(&self) -> SocketType {
        SocketType::Dealer
    }

    fn settings(&mut self) -> Settings<'_> {
        Settings::Dealer(self)
    }

    fn streams(&self) -> bool {
        !self.alone
    }

    /// As libzmq: a DEALER has one connection to each endpoint.
    fn connects_once(&self) -> bool {
        true
    }

    fn notify(&self) -> Notify {
        Notify {
            hiccup: self.hiccup.clone(),
            ..Notify::default()
        }
    }

    fn hello(&self) -> Option<Bytes> {
        self.hello.clone()
    }

    fn greeting(&self) -> Option<Bytes> {
        self.probe.then(Bytes::new)
    }

    #[inline]
    fn route(&self, _: Option<&Frame>) -> Result<Route, Refusal> {
        Ok(Route::Balanced)
    }

    fn takes_all(&self) -> bool {
        true
    }

    #[inline]
    fn source(&self) -> Result<Source, Refusal> {
        Ok(Source::Fair)
    }

    fn wants_rest(&self, _: At) -> bool {
        true
    }
}
