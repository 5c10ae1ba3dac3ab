//! What a call on a context or socket may fail with.

use std::{fmt, io};

use zmtp::{Message, SocketType};
use ztransport::{CloseReason, Endpoint, EndpointError, SchedulingError, net::BindError};

use crate::options::{Access, Kind};

/// Why a call failed. Each variant names the errno that libzmq uses for it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Nothing can be sent or received now, or not within the timeout. `EAGAIN`.
    WouldBlock,
    /// A signal handler has run in the thread that waited, and the socket is
    /// [interruptible](crate::Socket::set_interruptible). Call again to wait on. `EINTR`.
    Interrupted,
    /// The pattern does not allow this call now: a REQ that waits for a reply cannot send, a REP
    /// without a request cannot. `EFSM`.
    WrongState,
    /// The context was shut down. Close the socket. `ETERM`.
    Terminated,
    /// This socket type does not send, does not receive, or does not go over this transport. `ENOTSUP`.
    NotSupported,
    /// This socket has its one peer: a PAIR is for two. Or it knows the peer under the routing id that was to be given
    /// to a new one. Disconnect it first. libzmq says nothing, and the new
    /// connection is of no use.
    HasPeer,
    /// The reply to the request will not come, for this reason; the socket may send again. libzmq
    /// waits for ever instead.
    PeerLost(PeerLoss),
    /// A message for a ROUTER or STREAM to send has to begin with a frame that is the routing id of the peer, and needs at least
    /// one more. libzmq drops it without a word.
    NoRoutingId,
    /// No peer with this routing id is there, and the socket is a STREAM, or a ROUTER that is `mandatory`; or the peer that a
    /// message was to be sent to is gone. `EHOSTUNREACH`.
    Unroutable,
    /// The topic is longer than publishers take, who would close the connection again and again.
    TopicTooLong {
        /// What they take, in bytes.
        limit: usize,
    },
    /// The endpoint is in use. `EADDRINUSE`.
    AddressInUse(Endpoint),
    /// The endpoint cannot be bound, for another reason that the source tells. `EADDRNOTAVAIL`,
    /// `ENODEV`, `EACCES`, `EMFILE`, …
    Bind(BindError),
    /// The text is no endpoint, or not one for this call. `EINVAL`, `EPROTONOSUPPORT`.
    InvalidEndpoint(EndpointError),
    /// The socket is neither bound nor connected there. `ENOENT`.
    NoSuchEndpoint(Endpoint),
    /// The value is not one that the option takes. `EINVAL`.
    InvalidOption {
        /// The option's name.
        option: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// The option takes another kind of value. `EINVAL`.
    OptionKind {
        /// The option's name.
        option: &'static str,
        /// What it takes.
        expected: Kind,
        /// Whether it takes [`Value::None`](crate::Value::None) as well.
        or_none: bool,
    },
    /// There is no option of this name, or with this number. `EINVAL`.
    UnknownOption {
        /// What was asked for.
        option: String,
        /// The name of one that may be meant.
        similar: Option<&'static str>,
        /// Why there is no such option, if libzmq has it.
        reason: Option<&'static str>,
    },
    /// Sockets of this type do not have the option. `EINVAL`.
    OptionNotOfType {
        /// The option's name.
        option: &'static str,
        /// The type of the socket.
        socket_type: SocketType,
        /// The types that have it.
        types: &'static [SocketType],
    },
    /// The option is settled since the socket was bound or connected for the first time: set it before. `EINVAL`.
    OptionTooLate {
        /// The option's name.
        option: &'static str,
    },
    /// The option can only be read, or only be set. `EINVAL`.
    OptionAccess {
        /// The option's name.
        option: &'static str,
        /// What can be done with it.
        access: Access,
    },
    /// The context has as many sockets as it may have. `EMFILE`.
    TooManySockets {
        /// How many that is.
        limit: usize,
    },
    /// The context has no I/O threads, so only inproc works. `EMTHREAD`.
    NoIoThread,
    /// The context has none of the I/O threads that may serve the socket: see
    /// [`set_affinity`](crate::Socket::set_affinity). `EMTHREAD`.
    NoSuchIoThread {
        /// Which may serve it.
        affinity: u64,
        /// How many there are.
        io_threads: usize,
    },
    /// The operating system does not run the context's I/O threads as it was asked to. libzmq says nothing, or aborts.
    Scheduling(SchedulingError),
    /// An I/O thread that served this socket has ended because of a defect of this library. Close the
    /// socket, make a new context, and report what the thread has printed. libzmq aborts the process.
    IoThreadLost,
    /// This process was forked from the one that made the socket or context. Only that one can use it;
    /// make a new context here. libzmq: undefined.
    Forked,
    /// A poller waits for this socket already. Take it out there first.
    Watched,
    /// Each I/O thread of the context is led by a foreign event loop already: see [`Context::lead`](crate::Context::lead).
    Led,
    /// A [`Requester`](crate::Requester) has as many requests in flight as it may have.
    TooManyInFlight {
        /// How many that is.
        limit: usize,
    },
    /// No reply has come to a request of a [`Requester`](crate::Requester) before its deadline.
    NoReply {
        /// How often the request was sent: 0 if there was never a server with room for it.
        attempts: u32,
    },
    /// The ticket is for no request in flight: its reply was taken already, it was forgotten, or another call waits
    /// for it. Or, where any reply would do, there is no request in flight whose reply could come.
    NotInFlight,
    /// The [`Responder`](crate::Responder) from which the request came is closed, so the answer goes nowhere.
    ResponderClosed,
    /// The operating system refused something that has nothing to do with an endpoint.
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => f.write_str("the operation would block, or its timeout is over"),
            Self::Interrupted => f.write_str("a signal handler has ended the wait: call again"),
            Self::WrongState => {
                f.write_str("the socket's pattern expects the other operation: send or receive")
            }
            Self::Terminated => f.write_str("the context was shut down: close the socket"),
            Self::NotSupported => f.write_str("this socket type does not support the operation"),
            Self::NoRoutingId => f.write_str(
                "a ROUTER or STREAM sends to the peer whose routing id is the first of at least two frames",
            ),
            Self::TopicTooLong { limit } => {
                write!(f, "a topic has at most {limit} bytes: subscribe to a shorter prefix")
            }
            Self::Unroutable => f.write_str("the peer that the message is for is not connected"),
            Self::HasPeer => f.write_str(
                "the socket has its peer, or one of this routing id: disconnect that first",
            ),
            Self::PeerLost(loss) => loss.fmt(f),
            Self::AddressInUse(at) => {
                let at = at.as_written();
                write!(f, "{at} is in use: choose another or close its user")
            }
            Self::Bind(error) => error.fmt(f),
            Self::InvalidEndpoint(error) => error.fmt(f),
            Self::NoSuchEndpoint(at) => {
                let at = at.as_written();
                write!(f, "the socket is neither bound nor connected to {at}")
            }
            Self::InvalidOption { option, expected } => {
                write!(f, "invalid value for {option}: expected {expected}")
            }
            Self::OptionKind {
                option,
                expected,
                or_none,
            } => {
                let or_none = if *or_none { ", or none" } else { "" };
                write!(f, "{option} takes {}{or_none}", expected.written())
            }
            Self::UnknownOption {
                option,
                similar,
                reason,
            } => {
                write!(f, "there is no option {option:?}")?;
                if let Some(reason) = reason {
                    write!(f, ": {reason}")?;
                }
                if let Some(similar) = similar {
                    write!(f, ": did you mean {similar}?")?;
                }
                Ok(())
            }
            Self::OptionNotOfType {
                option,
                socket_type,
                types,
            } => {
                let types: Vec<_> = types.iter().map(|socket_type| socket_type.name()).collect();
                let (name, types) = (socket_type.name(), types.join(", "));
                write!(f, "{option} is no option of {name}: it is one of {types}")
            }
            Self::OptionTooLate { option } => write!(
                f,
                "{option} cannot be changed any more: set it before the socket binds or connects"
            ),
            Self::OptionAccess { option, access } => match access {
                Access::ReadOnly => write!(f, "{option} can only be read"),
                _ => write!(f, "{option} can only be set"),
            },
            Self::TooManySockets { limit } => {
                write!(
                    f,
                    "the context has {limit} sockets already: close some or raise its limit"
                )
            }
            Self::NoIoThread => ztransport::Error::NoIoThread.fmt(f),
            Self::NoSuchIoThread {
                affinity,
                io_threads,
            } => {
                let (affinity, io_threads) = (*affinity, *io_threads);
                let error = ztransport::Error::NoSuchIoThread {
                    affinity,
                    io_threads,
                };
                error.fmt(f)
            }
            Self::Scheduling(error) => error.fmt(f),
            Self::Forked => f.write_str(
                "this process was forked from the one that made the context: make a new one here",
            ),
            Self::IoThreadLost => ztransport::Error::IoThreadLost.fmt(f),
            Self::Led => ztransport::Error::Led.fmt(f),
            Self::Watched => f.write_str(
                "a poller waits for this socket already: take it out there first",
            ),
            Self::TooManyInFlight { limit } => write!(
                f,
                "{limit} requests are in flight already: take replies, forget some, or raise the limit"
            ),
            Self::NoReply { attempts: 0 } => f.write_str(
                "no server was there, or had room for the request, before its deadline",
            ),
            Self::NoReply { attempts } => write!(
                f,
                "no reply has come before the deadline to a request that was sent {attempts} times"
            ),
            Self::NotInFlight => f.write_str(
                "no such request is in flight: its reply was taken, it was forgotten, or another call waits for it",
            ),
            Self::ResponderClosed => {
                f.write_str("the responder is closed: answer requests before closing it")
            }
            Self::Io(error) => error.fmt(f),
        }
    }
}

/// Why the reply to a request will not come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerLoss {
    /// The connection to the peer that had the request ended, for this reason.
    Disconnected(CloseReason),
    /// The request was given up: the peer ended one connection after the other while it was being sent,
    /// the last one for this reason. It may be too large for the peer, or have too many frames. See
    /// [`set_max_refusals`](crate::Socket::set_max_refusals).
    Refused(CloseReason),
    /// The peer closed its socket, or this socket let go of it.
    #[default]
    Gone,
}

impl fmt::Display for PeerLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(reason) => write!(
                f,
                "the connection of the peer that had the request ended ({reason}): send the request again"
            ),
            Self::Refused(reason) => write!(
                f,
                "the peer refuses the request, it ended every connection while the request was being sent \
                 ({reason}): send a smaller one, or raise the peer's limits"
            ),
            Self::Gone => {
                f.write_str("the peer that had the request is gone: send the request again")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind(error) => Some(error),
            Self::InvalidEndpoint(error) => Some(error),
            Self::Scheduling(error) => Some(error),
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ztransport::Error> for Error {
    fn from(error: ztransport::Error) -> Self {
        match error {
            ztransport::Error::Endpoint(error) => Self::InvalidEndpoint(error),
            ztransport::Error::Bind(BindError::AddressInUse(at)) => Self::AddressInUse(at),
            ztransport::Error::Bind(BindError::InvalidEndpoint(error)) => {
                Self::InvalidEndpoint(error)
            }
            ztransport::Error::NoIoThread => Self::NoIoThread,
            ztransport::Error::NoSuchIoThread {
                affinity,
                io_threads,
            } => Self::NoSuchIoThread {
                affinity,
                io_threads,
            },
            ztransport::Error::Scheduling(error) => Self::Scheduling(error),
            ztransport::Error::IoThreadLost => Self::IoThreadLost,
            ztransport::Error::Bind(error) => Self::Bind(error),
            ztransport::Error::Led => Self::Led,
            ztransport::Error::Io(error) => Self::Io(error),
            other => Self::Io(io::Error::other(other)),
        }
    }
}

impl From<EndpointError> for Error {
    fn from(error: EndpointError) -> Self {
        Self::InvalidEndpoint(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The causes that the data path knows, in one byte: a `Result` with an [`Error`] in it is large, and
/// returning it costs more than a small message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing to receive, or no room to send.
    WouldBlock,
    /// Not this call in this state.
    WrongState,
    /// The context is shut down.
    Terminated,
    /// Not this call on this type.
    NotSupported,
    /// The peer is gone from which something was to come.
    PeerLost,
    /// The message names no peer.
    NoRoutingId,
    /// The peer that the message names is not there.
    Unroutable,
    /// No publisher would take a subscription to so long a topic.
    TopicTooLong,
    /// An I/O thread is gone.
    IoThreadLost,
    /// This is a forked child.
    Forked,
    /// Not a refusal to the caller: there is more to look at, but a look at the clock first.
    Again,
    /// Not a refusal to the caller: the body is too large to be copied, make a message of it.
    TooLargeToCopy,
}

impl From<Refusal> for Error {
    #[cold]
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::WouldBlock => Self::WouldBlock,
            Refusal::WrongState => Self::WrongState,
            Refusal::Terminated => Self::Terminated,
            Refusal::NotSupported => Self::NotSupported,
            // The core knows better, where it matters.
            Refusal::Forked => Self::Forked,
            Refusal::IoThreadLost => Self::IoThreadLost,
            Refusal::NoRoutingId => Self::NoRoutingId,
            Refusal::Unroutable => Self::Unroutable,
            Refusal::TopicTooLong => Self::TopicTooLong {
                limit: crate::pattern::MAX_TOPIC,
            },
            Refusal::PeerLost => Self::PeerLost(PeerLoss::Gone),
            // Handled where they arise; as an answer they would mean: try again.
            Refusal::Again | Refusal::TooLargeToCopy => Self::WouldBlock,
        }
    }
}

/// Why a message was not sent, together with the message, so that nothing is lost.
pub struct SendError {
    /// The cause.
    pub error: Error,
    /// The message, as it was given.
    pub message: Message,
}

impl fmt::Debug for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl From<SendError> for Error {
    /// Drops the message.
    fn from(error: SendError) -> Self {
        error.error
    }
}
