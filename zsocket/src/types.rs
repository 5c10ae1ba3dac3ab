//! The types of sockets, as type parameters.

use zmtp::SocketType;

use crate::pattern::{self, Any, State};

pub(crate) mod sealed {
    use super::{SocketType, State};

    /// What only this crate can implement.
    pub trait Sealed {
        /// What the pattern decides by.
        type State: State;

        /// The state of a new socket, if there is a pattern for this type.
        fn state(socket_type: SocketType) -> Option<Self::State>;
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
pub trait CanRoute: Pattern {}

/// Patterns to which a message that reaches nobody may be an error.
pub trait CanInsist: Pattern {}

/// Patterns that send and receive bytes without frames.
pub trait CanStream: Pattern {}

/// Patterns whose peers have names, which the application can give.
pub trait CanName: Pattern {}

/// Patterns that can send each peer something before everything else.
pub trait CanGreet: Pattern {}

/// Patterns that can receive that a connection of their own was lost.
pub trait CanHiccup: Pattern {}

/// Patterns that send requests.
pub trait CanRequest: Pattern {}

/// Patterns that send each message to all who have subscribed to it.
pub trait CanPublish: Pattern {}

/// Patterns that subscribe to messages.
pub trait CanSubscribe: Pattern {}

/// Patterns that match messages with subscriptions.
pub trait CanMatch: Pattern {}

/// Patterns to which subscriptions are messages: of their peers, or of the application.
pub trait CanPassSubscriptions: Pattern {}

/// Patterns that can make themselves known to a ROUTER.
pub trait CanProbe: Pattern {}

/// Patterns for which it may be enough that the latest message waits.
pub trait CanConflate: Pattern {}

/// Patterns that only receive, for which it may be enough that the latest message of each topic waits.
pub trait CanConflateByTopic: Pattern {}

/// Patterns that send and receive independently of each other, so that two tasks can do it.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` socket cannot be split",
    label = "it does not send and receive independently",
    note = "REQ and REP take turns: keep the socket in one task, or see `Requester` and `Responder`",
    note = "a socket that only sends or only receives is such a half as it is"
)]
pub trait CanSplit: CanSend + CanReceive {}

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
    Pair: CanSend CanReceive CanSplit;
    /// Sends each message to all SUB and XSUB peers that have subscribed to it. It never waits: a peer whose pipe is full
    /// loses the message, which is counted.
    Pub: CanSend CanConflate CanPublish CanMatch CanPassSubscriptions;
    /// Receives from its PUB and XPUB peers what it has subscribed to, one message of each in turn.
    Sub: CanReceive CanConflate CanConflateByTopic CanSubscribe CanMatch;
    /// Like PUB, and receives what its peers subscribe to and cancel: messages of the byte 01 or 00 and the topic. Half of
    /// a proxy.
    XPub: CanSend CanReceive CanSplit CanPublish CanMatch CanPassSubscriptions;
    /// Like SUB, without filtering again what comes, and subscribes by sending messages of the byte 01 or 00 and the topic.
    /// Other messages go to all its peers. The other half of a proxy.
    XSub: CanSend CanReceive CanSplit CanSubscribe CanPassSubscriptions;
    /// Sends each message to one of its PULL peers in turn; waits while none has room.
    Push: CanSend CanConflate;
    /// Receives from its PUSH peers, one message of each in turn.
    Pull: CanReceive CanConflate CanConflateByTopic;
    /// Sends a request to one of its REP or ROUTER peers in turn, then receives the reply.
    Req: CanSend CanReceive CanRequest CanProbe;
    /// Receives a request from one of its REQ or DEALER peers in turn, then sends the reply to it.
    Rep: CanSend CanReceive CanInsist CanProbe;
    /// Sends each message to one of its REP, DEALER or ROUTER peers in turn, and receives from each in turn, without
    /// envelopes and in any order: an asynchronous REQ, or half of a broker.
    Dealer: CanSend CanReceive CanSplit CanConflate CanGreet CanHiccup CanProbe;
    /// Sends each message to the REQ, DEALER or ROUTER peer whose routing id is its first frame, and receives from each in
    /// turn, with the routing id put before: a server that answers in any order, or the other half of a broker.
    Router: CanSend CanReceive CanSplit CanRoute CanInsist CanName CanGreet CanProbe;
    /// Talks to programs that do not speak ZMTP, such as web browsers: bytes over tcp and ipc, as they are. Not over inproc
    /// ([`Error::NotSupported`](crate::Error::NotSupported)).
    ///
    /// *Receiving.* Each message is the peer's routing id and the bytes that one read has brought, at most 8 KiB: nothing
    /// says where the peer's own messages begin and end. An empty second frame says that a peer is there, or is gone;
    /// see [`set_stream_notify`](crate::Socket::set_stream_notify). Ids are made here, five bytes, the first of them
    /// zero; that of a peer connected to is [`connected_id`](crate::Socket::connected_id). It stays the same when the
    /// connection is lost and made again, and is told of each time.
    ///
    /// *Sending.* A message is the peer's routing id and bytes, which may be in several frames. A message without bytes,
    /// an empty frame behind the id, closes the connection for good when all before it is sent, for as long as
    /// [`linger`](crate::Socket::set_linger) says, and that id is known no more: no notice of the end comes, and what has
    /// come from there and was not received is dropped. What is for a peer that is not there is
    /// [`Error::Unroutable`](crate::Error::Unroutable).
    ///
    /// There is no handshake, so a monitor hears [`Accepted`](crate::Event::Accepted) or
    /// [`Connected`](crate::Event::Connected), and no [`HandshakeSucceeded`](crate::Event::HandshakeSucceeded).
    ///
    /// *Back-pressure.* Marks count messages, as everywhere. Sending waits while the peer's pipe is full; while what it has
    /// sent is not received, it is not read.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{io::{Read, Write}, net::TcpStream};
    /// use zsocket::{Context, Stream};
    ///
    /// let context = Context::new();
    /// let server = context.socket::<Stream>()?;
    /// let endpoint = server.bind("tcp://127.0.0.1:*")?;
    /// let mut client = TcpStream::connect(endpoint.to_string().trim_start_matches("tcp://"))?;
    /// client.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    ///
    /// let connected = server.recv()?;
    /// assert_eq!(connected[1], "");
    /// let request = server.recv()?;
    /// assert_eq!(request[0], connected[0]);
    /// assert!(request[1].starts_with(b"GET"));
    /// server.send([&request[0][..], b"HTTP/1.0 200 OK\r\n\r\nhello"])?;
    /// server.send([&request[0][..], b""])?;
    ///
    /// let mut page = String::new();
    /// client.read_to_string(&mut page)?;
    /// assert!(page.ends_with("hello"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Stream: CanSend CanReceive CanSplit CanStream CanName;
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
impl CanSplit for Dynamic {}
impl CanConflate for Dynamic {}
impl CanConflateByTopic for Dynamic {}
impl CanRoute for Dynamic {}
impl CanInsist for Dynamic {}
impl CanStream for Dynamic {}
impl CanName for Dynamic {}
impl CanGreet for Dynamic {}
impl CanHiccup for Dynamic {}
impl CanRequest for Dynamic {}
impl CanPublish for Dynamic {}
impl CanSubscribe for Dynamic {}
impl CanMatch for Dynamic {}
impl CanPassSubscriptions for Dynamic {}
impl CanProbe for Dynamic {}
