//! The options of sockets: each of them is one entry, in the file of its theme.
//!
//! ```text
//!   an entry ─▶ Socket::set_…, Socket::…          typed
//!            ├▶ SocketBuilder::…                  typed
//!            ├▶ Socket::set_option, ::option      by name, by libzmq's number, with a Value
//!            ├▶ OptionId: names, kind, range, default, types, effect, documentation
//!            └▶ docs/OPTIONS.md
//! ```
//!
//! - `queues`, `limits`, `admission`, `times`, `heartbeat`, `identity`, `security`, `tcp`, `multicast`, `proxy` and `filters` have the options
//!   of all sockets, which
//!   [`SocketOptions`] keeps,
//! - `pattern` and `publish` those of some types, which their patterns keep ([`Settings`](crate::pattern::Settings)),
//! - `actions` what by name is an option and in the program a call,
//! - `absent` the options of libzmq that there are not.
//!
//! Options are checked when they are set: an entry that is set is allowed.

mod absent;
mod actions;
mod admission;
mod filters;
mod heartbeat;
mod identity;
mod limits;
mod macros;
mod multicast;
#[cfg(test)]
mod page;
mod pattern;
mod proxy;
mod publish;
mod queues;
mod registry;
mod security;
mod tcp;
mod times;
mod value;

use std::time::Duration;

use bytes::Bytes;
use zmtp::SocketType;
use zpipe::Keep;
use ztransport::Options;

use crate::{Error, Security};

pub(crate) use self::registry::{Entry, Target, Then};
pub use self::{
    registry::{Access, Effect, IntoOptionId, OptionId},
    value::{Kind, Value},
};

/// The types of sockets that there are.
pub(crate) const ALL_TYPES: [SocketType; 12] = [
    SocketType::Pair,
    SocketType::Pub,
    SocketType::Sub,
    SocketType::XPub,
    SocketType::XSub,
    SocketType::Push,
    SocketType::Pull,
    SocketType::Req,
    SocketType::Rep,
    SocketType::Dealer,
    SocketType::Router,
    SocketType::Stream,
];

/// Those for which it may be enough that the latest message waits.
const CONFLATING: [SocketType; 5] = [
    SocketType::Push,
    SocketType::Pull,
    SocketType::Pub,
    SocketType::Sub,
    SocketType::Dealer,
];

/// Those that only receive.
const CONFLATING_BY_TOPIC: [SocketType; 2] = [SocketType::Pull, SocketType::Sub];

/// All options that are not kept by a pattern, with their present values.
#[derive(Clone, Debug)]
pub(crate) struct SocketOptions {
    /// What connections are made with. The pattern says the rest: see [`transport`](Self::transport).
    pub(crate) transport: Options,
    pub(crate) security: Security,
    pub(crate) departed_hwm: u32,
    pub(crate) proxy: proxy::Proxy,
    pub(crate) linger: Option<Duration>,
    pub(crate) send_timeout: Option<Duration>,
    pub(crate) recv_timeout: Option<Duration>,
    pub(crate) conflate: bool,
    /// How many topics wait at most.
    pub(crate) conflate_by_topic: Option<u32>,
}

impl SocketOptions {
    /// The defaults.
    pub(crate) fn new(socket_type: SocketType) -> Self {
        let transport = Options::new(socket_type);
        Self {
            departed_hwm: transport.departed.messages.try_into().unwrap_or(0),
            transport,
            security: Security::null(),
            proxy: proxy::Proxy::default(),
            linger: None,
            send_timeout: None,
            recv_timeout: None,
            conflate: false,
            conflate_by_topic: None,
        }
    }

    /// What connections are made with, as it stands.
    ///
    /// # Errors
    ///
    /// [`InvalidOption::Value`](crate::InvalidOption::Value) if something is missing that the security mechanism needs.
    pub(crate) fn transport(&self) -> Result<Options, Error> {
        Ok(Options {
            mechanism: self.security.mechanism()?,
            zap: self.security.policy()?,
            departed: self.departed(),
            proxy: self.proxy.config(),
            latest_out: self.latest_out(),
            latest_in: self.latest_in(),
            ..self.transport.clone()
        })
    }

    /// How much of what peers that are gone have left is kept.
    pub(crate) fn departed(&self) -> zpipe::Limits {
        zpipe::Limits {
            messages: u64::from(self.departed_hwm),
            bytes: self.transport.departed.bytes,
        }
    }

    /// What waits to be sent on a connection, if not every message. What subscribers say to publishers is not left out.
    fn latest_out(&self) -> Option<Keep> {
        let sends = matches!(
            self.transport.socket_type,
            SocketType::Push | SocketType::Pub | SocketType::Dealer
        );
        (self.conflate && sends).then_some(Keep::Last)
    }

    /// What waits to be received from a connection, likewise.
    fn latest_in(&self) -> Option<Keep> {
        match self.transport.socket_type {
            SocketType::Pull | SocketType::Sub | SocketType::Dealer => {
                let by_topic = self.conflate_by_topic.map(|topics| {
                    Keep::LastPerTopic(usize::try_from(topics).unwrap_or(usize::MAX))
                });
                by_topic.or_else(|| self.conflate.then_some(Keep::Last))
            }
            _ => None,
        }
    }
}

/// Whether a peer may call itself, or be called, so.
fn is_routing_id(id: &[u8]) -> bool {
    id.len() <= 255 && id.first() != Some(&0)
}

/// A copy, since a caller's buffer may have an owner with a `Drop` of its own, and nobody can say where the last
/// handle of an option goes.
fn copied(body: Option<&[u8]>) -> Option<Bytes> {
    body.map(Bytes::copy_from_slice)
}
