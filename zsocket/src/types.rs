//! The types of sockets, as type parameters.

use zmtp::SocketType;

use crate::pattern::{self, Any, State};

pub(crate) mod sealed {
    use super::{
        SocketType, State,
        pattern::{Publisher, Req, Router, Subscriber},
    };

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

    /// Where the state of a REQ is.
    pub trait Requests: Sealed {
        /// None in a socket of another type.
        fn req(state: &mut Self::State) -> Option<&mut Req>;
    }

    /// Where the state of a PUB or XPUB is.
    pub trait Publishes: Sealed {
        /// None in a socket of another type.
        fn publisher(state: &mut Self::State) -> Option<&mut dyn Publisher>;
    }

    /// Where the state of a SUB or XSUB is.
    pub trait Subscribes: Sealed {
        /// None in a socket of another type.
        fn subscriber(state: &mut Self::State) -> Option<&mut dyn Subscriber>;
    }

    /// Where it says whether new peers are sent an empty message.
    pub trait Probes: Sealed {
        /// None in a socket of another type.
        fn probe(state: &mut Self::State) -> Option<&mut bool>;
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

/// Patterns that send requests.
pub trait CanRequest: Pattern + sealed::Requests {}

/// Patterns that send each message to all who have subscribed to it.
pub trait CanPublish: Pattern + sealed::Publishes {}

/// Patterns that subscribe to messages.
pub trait CanSubscribe: Pattern + sealed::Subscribes {}

/// Patterns that can make themselves known to a ROUTER.
pub trait CanProbe: Pattern + sealed::Probes {}

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
    /// Exchanges messages with one peer; waits while there is none, and sends others away. The next peer is taken
    /// when the last one is gone and all that it has sent is received: who only sends has to look for messages
    /// now and then.
    Pair: CanSend CanReceive;
    /// Sends each message to all SUB and XSUB peers that have subscribed to it. It never waits: a peer whose pipe is full
    /// loses the message, which is counted.
    Pub: CanSend;
    /// Receives from its PUB and XPUB peers what it has subscribed to, one message of each in turn.
    Sub: CanReceive;
    /// Like PUB, and receives what its peers subscribe to and cancel: messages of the byte 01 or 00 and the topic. Half of
    /// a proxy.
    XPub: CanSend CanReceive;
    /// Like SUB, without filtering again what comes, and subscribes by sending messages of the byte 01 or 00 and the topic.
    /// Other messages go to all its peers. The other half of a proxy.
    XSub: CanSend CanReceive;
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

/// Says where in the state of each pattern something is that only some of them have.
macro_rules! parts {
    ($ability:ident $sealed:ident $part:ident: $type:ty; $($name:ident => |$state:ident| $found:expr;)*) => {$(
        impl sealed::$sealed for $name {
            fn $part($state: &mut Self::State) -> Option<&mut $type> {
                $found
            }
        }
        impl $ability for $name {}
    )*};
}

parts! {
    CanRoute Routes router: pattern::Router;
    Router => |state| Some(state);
    Dynamic => |state| state.router();
}

parts! {
    CanRequest Requests req: pattern::Req;
    Req => |state| Some(state);
    Dynamic => |state| state.req();
}

parts! {
    CanPublish Publishes publisher: dyn pattern::Publisher;
    Pub => |state| Some(state);
    XPub => |state| Some(state);
    Dynamic => |state| state.publisher();
}

parts! {
    CanSubscribe Subscribes subscriber: dyn pattern::Subscriber;
    Sub => |state| Some(state);
    XSub => |state| Some(state);
    Dynamic => |state| state.subscriber();
}

parts! {
    CanProbe Probes probe: bool;
    Req => |state| Some(&mut state.probe);
    Dealer => |state| Some(&mut state.probe);
    Router => |state| Some(&mut state.probe);
    Dynamic => |state| state.probe();
}
