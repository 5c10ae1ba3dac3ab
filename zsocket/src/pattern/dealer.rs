//! DEALER: to one peer in turn, from one peer in turn, without envelopes. RFC 28, "The DEALER Socket Type".

use bytes::Bytes;
use zmtp::{Frame, SocketType};

use super::{At, Route, Source, State};
use crate::error::Refusal;

/// A DEALER socket has no state beyond the turns of its links, and an option.
#[derive(Debug, Default)]
pub struct Dealer {
    /// Whether a new peer is sent an empty message first.
    pub(crate) probe: bool,
    /// Whether the next message has nothing to wait for, as the only request in flight.
    pub(crate) alone: bool,
}

impl State for Dealer {
    fn socket_type(&self) -> SocketType {
        SocketType::Dealer
    }

    fn streams(&self) -> bool {
        !self.alone
    }

    /// As libzmq: a DEALER has one connection to each endpoint.
    fn connects_once(&self) -> bool {
        true
    }

    fn greeting(&self) -> Option<Bytes> {
        self.probe.then(Bytes::new)
    }

    #[inline]
    fn route(&self, _: Option<&Frame>) -> Result<Route, Refusal> {
        Ok(Route::Balanced)
    }

    #[inline]
    fn source(&self) -> Result<Source, Refusal> {
        Ok(Source::Fair)
    }

    fn wants_rest(&self, _: At) -> bool {
        true
    }
}
