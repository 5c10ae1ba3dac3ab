//! The types of sockets, as type parameters.

use zmtp::SocketType;

use crate::pattern::{self, Any, State};

pub(crate) mod sealed {
    use super::{SocketType, State, pattern::Router};

    /// What only this crate can implement.
    pub trait Sealed {
        /// What the pattern decides by.
        type State: State;

        /// The state of a new socket, if there is a pattern for this type.
        fn state(socket_type: SocketType) -> Option<Self::State>;
    }

    /// Where the state of a ROUTER is.
    pub trait Routes: Sealed {
        /// None in a socket of another type.
        fn router(state: &mut Self::State) -> Option<&mut Router>;
    }
}

/// A messaging pattern: the type parameter of [`Socket`](crate::Socket).
pub trait Pattern: sealed::Sealed + 'static {}

/// A pattern that is known at compile time.
pub trait TypedPattern: Pattern {
    /// Its socket type.
    const TYPE: SocketType;
}

/// Patterns that send.
pub trait CanSend: Pattern {}

/// Patterns that receive.
pub trait CanReceive: Pattern {}

/// Patterns that send to the peer that a message names.
pub trait CanRoute: Pattern + sealed::Routes {}

macro_rules! patterns {
    ($($(#[$doc:meta])* $name:ident: $($ability:ident)*;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}
        impl sealed::Sealed for $name {
            type State = pattern::$name;

            fn state(socket_type: SocketType) -> Option<Self::State> {
                (socket_type == Self::TYPE).then(Self::State::default)
            }
        }
        impl Pattern for $name {}
        impl TypedPattern for $name {
            const TYPE: SocketType = SocketType::$name;
        }
        $(impl $ability for $name {})*
    )*};
}

patterns! {
    /// Exchanges messages with one peer; waits while there is none, and sends others away.
    Pair: CanSend CanReceive;
    /// Sends each message to one of its PULL peers in turn; waits while none has room.
    Push: CanSend;
    /// Receives from its PUSH peers, one message of each in turn.
    Pull: CanReceive;
    /// Sends a request to one of its REP or ROUTER peers in turn, then receives the reply.
    Req: CanSend CanReceive;
    /// Receives a request from one of its REQ or DEALER peers in turn, then sends the reply to it.
    Rep: CanSend CanReceive;
    /// Sends each message to one of its REP, DEALER or ROUTER peers in turn, and receives from each in turn, without
    /// envelopes and in any order: an asynchronous REQ, or half of a broker.
    Dealer: CanSend CanReceive;
    /// Sends each message to the REQ, DEALER or ROUTER peer whose routing id is its first frame, and receives from each in
    /// turn, with the routing id put before: a server that answers in any order, or the other half of a broker.
    Router: CanSend CanReceive;
}

/// A socket whose type is chosen at run time; sending or receiving where the type cannot is
/// [`Error::NotSupported`](crate::Error::NotSupported).
#[derive(Debug)]
pub enum Dynamic {}
impl sealed::Sealed for Dynamic {
    type State = Any;

    fn state(socket_type: SocketType) -> Option<Self::State> {
        Any::new(socket_type)
    }
}
impl Pattern for Dynamic {}
impl CanSend for Dynamic {}
impl CanReceive for Dynamic {}

impl sealed::Routes for Router {
    fn router(state: &mut Self::State) -> Option<&mut pattern::Router> {
        Some(state)
    }
}
impl CanRoute for Router {}
impl sealed::Routes for Dynamic {
    fn router(state: &mut Self::State) -> Option<&mut pattern::Router> {
        state.router()
    }
}
impl CanRoute for Dynamic {}
