//! One face for the sockets of both libraries.

use std::fmt;
use std::time::Duration;

use crate::Frames;

/// How long the waiting calls of an [`AnySocket`] wait before they call the test failed.
///
/// Long enough for two busy cores, short enough for somebody who watches.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Whose implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// zsocket.
    Ours,
    /// The real libzmq.
    Libzmq,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "ours",
            Self::Libzmq => "libzmq",
        })
    }
}

/// The socket types that scenarios use.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Pattern {
    Pair,
    Pub,
    Sub,
    XPub,
    XSub,
    Push,
    Pull,
    Req,
    Rep,
    Dealer,
    Router,
    Stream,
}

/// Options to make a socket with. What is not set stays at the library's default.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use zinterop::Options;
///
/// let small = Options::new().send_hwm(5).recv_hwm(5).linger(Some(Duration::ZERO));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub(crate) send_hwm: Option<u32>,
    pub(crate) recv_hwm: Option<u32>,
    pub(crate) linger: Option<Option<Duration>>,
    pub(crate) max_frame_size: Option<u64>,
    pub(crate) reconnect_interval: Option<Option<Duration>>,
    pub(crate) routing_id: Option<Vec<u8>>,
    pub(crate) immediate: Option<bool>,
    pub(crate) socket_buffers: Option<usize>,
    pub(crate) flags: Vec<Flag>,
    pub(crate) welcome: Option<Vec<u8>>,
    pub(crate) hello: Option<Vec<u8>>,
    pub(crate) disconnect: Option<Vec<u8>>,
    pub(crate) hiccup: Option<Vec<u8>>,
    pub(crate) by_number: Vec<(i32, ByNumber)>,
}

/// The value of an option that is set by libzmq's number.
#[derive(Debug, Clone)]
pub(crate) enum ByNumber {
    Int(i32),
    Bytes(Vec<u8>),
}

/// Options that are on or off. Each of these is what it is not by default.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// A ROUTER refuses what is for nobody.
    Mandatory,
    /// A ROUTER lets the last to come have a name.
    Handover,
    /// A REQ may send again before a reply has come.
    Relaxed,
    /// A REQ numbers its requests.
    Correlate,
    /// An empty message goes before all others.
    ProbeRouter,
    /// An XPUB receives each subscription.
    Verbose,
    /// An XPUB receives each subscription and each cancellation.
    Verboser,
    /// An XPUB decides itself who gets what.
    Manual,
    /// Likewise, and the first message after a request goes to no one else.
    ManualLastValue,
    /// A publisher waits for subscribers that are full.
    NoDrop,
    /// Publishers and subscribers: what does not match is meant.
    InvertMatching,
    /// Only a message that begins with a subscription has any in it.
    OnlyFirstSubscribe,
    /// An XSUB passes each cancellation on.
    VerboseUnsubscribe,
    /// A STREAM does not tell of connections, which it does by default.
    NoStreamNotify,
    /// A ROUTER tells of connections that come and go.
    RouterNotify,
    /// A ROUTER talks to peers without ZMTP.
    RouterRaw,
    /// Only the latest message waits.
    Conflate,
}

impl Options {
    /// The library's defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many messages may wait to be sent, per peer; 0 is no limit.
    #[must_use]
    pub fn send_hwm(mut self, messages: u32) -> Self {
        self.send_hwm = Some(messages);
        self
    }

    /// How many received messages may wait for the application, per peer; 0 is no limit.
    #[must_use]
    pub fn recv_hwm(mut self, messages: u32) -> Self {
        self.recv_hwm = Some(messages);
        self
    }

    /// How long unsent messages outlive the socket; `None` is for ever.
    #[must_use]
    pub fn linger(mut self, period: Option<Duration>) -> Self {
        self.linger = Some(period);
        self
    }

    /// The longest frame in bytes that the socket accepts from a peer.
    #[must_use]
    pub fn max_frame_size(mut self, bytes: u64) -> Self {
        self.max_frame_size = Some(bytes);
        self
    }

    /// How long to wait before connecting again; `None` is never.
    #[must_use]
    pub fn reconnect_interval(mut self, interval: Option<Duration>) -> Self {
        self.reconnect_interval = Some(interval);
        self
    }

    /// The name by which peers that route know the socket.
    #[must_use]
    pub fn routing_id(mut self, id: &[u8]) -> Self {
        self.routing_id = Some(id.to_vec());
        self
    }

    /// Switches an option on.
    #[must_use]
    pub fn with(mut self, flag: Flag) -> Self {
        self.flags.push(flag);
        self
    }

    /// What a publisher sends to whoever comes.
    #[must_use]
    pub fn welcome(mut self, body: &[u8]) -> Self {
        self.welcome = Some(body.to_vec());
        self
    }

    /// What peers are sent before everything else.
    #[must_use]
    pub fn hello(mut self, body: &[u8]) -> Self {
        self.hello = Some(body.to_vec());
        self
    }

    /// What is received when a connection that came is lost.
    #[must_use]
    pub fn disconnect(mut self, body: &[u8]) -> Self {
        self.disconnect = Some(body.to_vec());
        self
    }

    /// What is received when a connection that was made is lost.
    #[must_use]
    pub fn hiccup(mut self, body: &[u8]) -> Self {
        self.hiccup = Some(body.to_vec());
        self
    }

    /// An option of C type `int`, by its number in libzmq, which both libraries know: see [`sys::opt`](crate::sys::opt).
    #[must_use]
    pub fn int(mut self, number: i32, value: i32) -> Self {
        self.by_number.push((number, ByNumber::Int(value)));
        self
    }

    /// An option that is bytes or text, likewise.
    #[must_use]
    pub fn bytes(mut self, number: i32, value: impl AsRef<[u8]>) -> Self {
        let value = ByNumber::Bytes(value.as_ref().to_vec());
        self.by_number.push((number, value));
        self
    }

    /// Whether messages are queued for completed connections only.
    #[must_use]
    pub fn immediate(mut self, on: bool) -> Self {
        self.immediate = Some(on);
        self
    }

    /// The kernel's send and receive buffers of a tcp connection, in bytes. The system may
    /// round; small ones make back-pressure set in early.
    #[must_use]
    pub fn socket_buffers(mut self, bytes: usize) -> Self {
        self.socket_buffers = Some(bytes);
        self
    }
}

/// Why an operation failed, in terms that both libraries share.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It would have had to wait (longer).
    WouldBlock,
    /// The pattern does not allow it now.
    WrongState,
    /// The pattern never allows it.
    NotSupported,
    /// There is no such peer.
    Unroutable,
    /// The peer that owed a reply is gone. libzmq does not tell.
    PeerLost,
    /// The context is being terminated.
    Terminated,
    /// Somebody is bound there.
    AddressInUse,
    /// The socket is not bound or connected there.
    NoSuchEndpoint,
    /// Anything else, in the library's words.
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(text) => f.write_str(text),
            cause => write!(f, "{cause:?}"),
        }
    }
}

impl std::error::Error for Failure {}

/// What a library must be able to do to take part in scenarios. A timeout of zero is a
/// non-blocking call.
#[allow(clippy::missing_errors_doc)] // the failures are the point, and listed in `Failure`
pub trait Peer: Send + fmt::Debug {
    /// Binds and returns the resolved endpoint.
    fn bind(&self, endpoint: &str) -> Result<String, Failure>;
    /// Connects.
    fn connect(&self, endpoint: &str) -> Result<(), Failure>;
    /// Undoes a bind.
    fn unbind(&self, endpoint: &str) -> Result<(), Failure>;
    /// Undoes a connect.
    fn disconnect(&self, endpoint: &str) -> Result<(), Failure>;
    /// Sends a message.
    fn send(&self, message: &Frames, timeout: Duration) -> Result<(), Failure>;
    /// Receives a message.
    fn recv(&self, timeout: Duration) -> Result<Frames, Failure>;
    /// Subscribes to a topic, or takes that back: a subscriber for itself, a manual publisher for the peer that has asked
    /// last.
    fn subscribe(&self, on: bool, topic: &[u8]) -> Result<(), Failure>;
}

/// A socket of either library. Dropping it closes it.
///
/// The plain calls are for what must work: they wait for up to [`PATIENCE`] and panic otherwise,
/// so that a scenario reads as the story it tells. The `try_` and `_for` ones return failures.
#[derive(Debug)]
pub struct AnySocket {
    name: String,
    peer: Box<dyn Peer>,
}

#[allow(clippy::missing_errors_doc)] // as for `Peer`
#[allow(clippy::missing_panics_doc)] // said once, above
impl AnySocket {
    pub(crate) fn new(side: Side, pattern: Pattern, peer: Box<dyn Peer>) -> Self {
        Self {
            name: format!("{side} {pattern:?}"),
            peer,
        }
    }

    /// Binds and returns the resolved endpoint.
    pub fn bind(&self, endpoint: &str) -> String {
        self.must("bind", self.try_bind(endpoint))
    }

    /// Binds if it can.
    pub fn try_bind(&self, endpoint: &str) -> Result<String, Failure> {
        self.peer.bind(endpoint)
    }

    /// Binds as soon as the endpoint is free. Closing a bound socket frees it in the background,
    /// and nothing announces that.
    pub fn bind_when_free(&self, endpoint: &str) -> String {
        let mut bound = None;
        crate::eventually(&format!("{}: {endpoint} is free", self.name), || match self
            .try_bind(endpoint)
        {
            Err(Failure::AddressInUse) => false,
            result => {
                bound = Some(self.must("bind", result));
                true
            }
        });
        bound.expect("eventually returns when it is bound")
    }

    /// Connects.
    pub fn connect(&self, endpoint: &str) {
        self.must("connect", self.try_connect(endpoint));
    }

    /// Connects if the endpoint makes sense.
    pub fn try_connect(&self, endpoint: &str) -> Result<(), Failure> {
        self.peer.connect(endpoint)
    }

    /// Undoes a bind.
    pub fn unbind(&self, endpoint: &str) {
        self.must("unbind", self.peer.unbind(endpoint));
    }

    /// Undoes a bind if there is one.
    pub fn try_unbind(&self, endpoint: &str) -> Result<(), Failure> {
        self.peer.unbind(endpoint)
    }

    /// Undoes a connect.
    pub fn disconnect(&self, endpoint: &str) {
        self.must("disconnect", self.peer.disconnect(endpoint));
    }

    /// Undoes a connect if there is one.
    pub fn try_disconnect(&self, endpoint: &str) -> Result<(), Failure> {
        self.peer.disconnect(endpoint)
    }

    /// Sends a message.
    pub fn send(&self, message: impl Into<Frames>) {
        self.must("send", self.send_for(message, PATIENCE));
    }

    /// Sends a message if that is possible within `timeout`.
    pub fn send_for(&self, message: impl Into<Frames>, timeout: Duration) -> Result<(), Failure> {
        self.peer.send(&message.into(), timeout)
    }

    /// Sends a message if that is possible at once.
    pub fn try_send(&self, message: impl Into<Frames>) -> Result<(), Failure> {
        self.send_for(message, Duration::ZERO)
    }

    /// Receives a message.
    #[must_use]
    pub fn recv(&self) -> Frames {
        self.must("recv", self.recv_for(PATIENCE))
    }

    /// Receives a message if one comes within `timeout`.
    pub fn recv_for(&self, timeout: Duration) -> Result<Frames, Failure> {
        self.peer.recv(timeout)
    }

    /// Receives a message if there is one.
    pub fn try_recv(&self) -> Result<Frames, Failure> {
        self.recv_for(Duration::ZERO)
    }

    /// Subscribes to a topic.
    pub fn subscribe(&self, topic: &str) {
        self.must("subscribe", self.try_subscribe(true, topic));
    }

    /// Takes a subscription back.
    pub fn unsubscribe(&self, topic: &str) {
        self.must("unsubscribe", self.try_subscribe(false, topic));
    }

    /// Subscribes to a topic, or takes that back, if the socket can.
    pub fn try_subscribe(&self, on: bool, topic: &str) -> Result<(), Failure> {
        self.peer.subscribe(on, topic.as_bytes())
    }

    /// Closes the socket. What it still has to send lingers in its context.
    pub fn close(self) {
        drop(self);
    }

    fn must<T>(&self, operation: &str, result: Result<T, Failure>) -> T {
        match result {
            Ok(value) => value,
            Err(failure) => panic!("{}: {operation}: {failure}", self.name),
        }
    }
}
