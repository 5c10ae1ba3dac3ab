//! What peers are told about a socket.

use bytes::Bytes;
use zmtp::Metadata;

use super::macros::{common, given, zmq};
use super::{ALL_TYPES, SocketOptions, actions, is_routing_id};
use crate::Error;

common! {
    /// What peers are told.
    IDENTITY for Pattern ALL_TYPES {
        /// The routing id that a REQ, DEALER or ROUTER announces to ROUTER peers: up to 255 bytes, not beginning with
        /// a zero byte; empty, the default, for none. It is copied. For later endpoints. `ZMQ_ROUTING_ID`.
        ROUTING_ID = routing_id / set_routing_id / routing_id: Bytes,
        zmq "ZMQ_ROUTING_ID" 5,
        when LaterEndpoints,
        at |options| options.transport.routing_id,
        // A copy, since the caller's buffer may have an owner with a `Drop` of its own, and nobody can say where the
        // last handle of an option goes.
        store |id| Bytes::copy_from_slice(&id),
        check |value| is_routing_id(value) => "at most 255 bytes, the first of them not zero";
    }
}

/// The longest announced metadata of an application, in bytes as they travel: peers of this library take 16 KiB with
/// type and routing id.
const MAX_METADATA: usize = 15 << 10;
/// The most properties that an application announces: peers of this library take 128 with its own.
const MAX_PROPERTIES: usize = 120;

impl SocketOptions {
    /// Announces a property, maybe in the place of another one of its name.
    pub(super) fn set_metadata(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        let others = self.transport.properties.iter();
        let others = others.filter(|(other, _)| !other.eq_ignore_ascii_case(name.as_bytes()));
        let mut metadata = Metadata::new();
        let mut is_valid = name.starts_with("X-") && name.len() > 2 && !value.is_empty();
        for (name, value) in others.chain([(name.as_bytes(), value)]) {
            // A copy, as with the routing id.
            let value = Bytes::copy_from_slice(value);
            let name = std::str::from_utf8(name).unwrap_or_default();
            is_valid &= metadata.push(name, value).is_ok();
        }
        if !is_valid || metadata.len() > MAX_PROPERTIES || metadata.encoded_len() > MAX_METADATA {
            return Err(actions::METADATA.out_of_range());
        }
        self.transport.properties = metadata;
        Ok(())
    }
}

impl<P: crate::Pattern> crate::Socket<P> {
    /// Announces a property to peers, who find it in [`PeerInfo::properties`](crate::PeerInfo::properties). Its name
    /// begins with `X-`; a second value for a name, in whatever case, takes the place of the first. It is copied.
    /// Peers of ZMTP 1.0 and 2.0 are told nothing. For later endpoints. `ZMQ_METADATA`.
    ///
    /// # Errors
    ///
    /// [`InvalidOption::Value`](crate::InvalidOption::Value) if a name or value is not allowed or there are too many, and nothing has changed then.
    pub fn set_metadata(&self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let value = value.as_ref();
        self.with_core(|core| {
            core.set_option(&actions::METADATA, |to| {
                to.options.set_metadata(name, value)
            })
        })
    }
}

impl<P: crate::Pattern> crate::SocketBuilder<P> {
    /// Announces a property to peers: see [`Socket::set_metadata`](crate::Socket::set_metadata). May be called for any
    /// number of names.
    ///
    /// The value is checked by [`build`](Self::build).
    #[must_use]
    pub fn metadata(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.with_option(&actions::METADATA, |to| {
            to.options.set_metadata(name, value.as_ref())
        })
    }
}
