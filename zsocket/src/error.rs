//! What a call on a context or socket may fail with.

mod errno;
mod loss;
mod option;
mod refusal;
mod send;
mod state;

use std::{fmt, io};

use zmtp::SocketType;
use ztransport::{Endpoint, EndpointError, SchedulingError, net::BindError};

pub(crate) use self::refusal::Refusal;
pub use self::{
    loss::PeerLoss,
    option::InvalidOption,
    send::SendError,
    state::{Blocked, Turn, WrongState},
};

/// Why a call failed. Each variant names the errno that libzmq uses for it, which [`errno`](Self::errno) returns.
///
/// It takes two words: what is rare, and large, has a box.
#[non_exhaustive]
pub enum Error {
    /// Nothing can be sent or received now, or not within the timeout, and why. `EAGAIN`.
    WouldBlock(Blocked),
    /// A signal handler has run in the thread that waited, and the socket is
    /// [interruptible](crate::Socket::set_interruptible). Call again to wait on. `EINTR`.
    Interrupted,
    /// The pattern does not allow this call now: a REQ that waits for a reply cannot send, a REP
    /// without a request cannot. It says which call comes first. `EFSM`.
    WrongState(WrongState),
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
    PeerLost(Box<PeerLoss>),
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
    AddressInUse(Box<Endpoint>),
    /// The endpoint cannot be bound, for another reason that the source tells. `EADDRNOTAVAIL`,
    /// `ENODEV`, `EACCES`, `EMFILE`, …
    Bind(Box<BindError>),
    /// The text is no endpoint, or not one for this call. `EINVAL`, `EPROTONOSUPPORT`.
    InvalidEndpoint(EndpointError),
    /// The socket that is bound to the inproc name is of a type that cannot talk to this one, as a PULL and a REQ. `EINVAL`. Over
    /// other transports that is found in the handshake, with an [`Event::HandshakeFailed`](crate::Event::HandshakeFailed).
    /// Who connects to a name that nobody has bound yet is told by that event, too, and waits on.
    /// libzmq connects them over inproc, and nothing arrives.
    Incompatible {
        /// The type of this socket.
        ours: SocketType,
        /// The type of the one that is bound.
        peer: SocketType,
    },
    /// The socket is neither bound nor connected there. `ENOENT`.
    NoSuchEndpoint(Box<Endpoint>),
    /// An option is not there, or cannot be set or read so. `EINVAL`.
    Option(Box<InvalidOption>),
    /// The message is larger than all that can be sent again of what went to one of the socket's multicast endpoints, so nobody who
    /// loses a part of it could get it: raise [`multicast_rate`](crate::Socket::set_multicast_rate) or
    /// [`multicast_recovery`](crate::Socket::set_multicast_recovery) before the endpoint, or send less at a time. libzmq sends
    /// it. `EMSGSIZE`.
    MessageTooLarge,
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
        io_threads: u32,
    },
    /// The operating system does not run the context's I/O threads as it was asked to. libzmq says nothing, or aborts.
    Scheduling(Box<SchedulingError>),
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

impl Error {
    /// Whether the same call may succeed a little later: nothing was there, or no room, or no peer.
    #[must_use]
    pub fn is_would_block(&self) -> bool {
        matches!(self, Self::WouldBlock(_))
    }

    /// Whether no call of this kind will ever succeed on the socket again.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Terminated | Self::IoThreadLost | Self::Forked | Self::NotSupported
        )
    }

    /// What is wrong with an option, if it is about one.
    #[must_use]
    pub fn option(&self) -> Option<&InvalidOption> {
        match self {
            Self::Option(error) => Some(error),
            _ => None,
        }
    }

    /// The variant's.
    const fn name(&self) -> &'static str {
        match self {
            Self::WouldBlock(_) => "WouldBlock",
            Self::Interrupted => "Interrupted",
            Self::WrongState(_) => "WrongState",
            Self::Terminated => "Terminated",
            Self::NotSupported => "NotSupported",
            Self::HasPeer => "HasPeer",
            Self::PeerLost(_) => "PeerLost",
            Self::NoRoutingId => "NoRoutingId",
            Self::Unroutable => "Unroutable",
            Self::TopicTooLong { .. } => "TopicTooLong",
            Self::AddressInUse(_) => "AddressInUse",
            Self::Bind(_) => "Bind",
            Self::InvalidEndpoint(_) => "InvalidEndpoint",
            Self::Incompatible { .. } => "Incompatible",
            Self::NoSuchEndpoint(_) => "NoSuchEndpoint",
            Self::Option(_) => "Option",
            Self::MessageTooLarge => "MessageTooLarge",
            Self::TooManySockets { .. } => "TooManySockets",
            Self::NoIoThread => "NoIoThread",
            Self::NoSuchIoThread { .. } => "NoSuchIoThread",
            Self::Scheduling(_) => "Scheduling",
            Self::IoThreadLost => "IoThreadLost",
            Self::Forked => "Forked",
            Self::Watched => "Watched",
            Self::Led => "Led",
            Self::TooManyInFlight { .. } => "TooManyInFlight",
            Self::NoReply { .. } => "NoReply",
            Self::NotInFlight => "NotInFlight",
            Self::ResponderClosed => "ResponderClosed",
            Self::Io(_) => "Io",
        }
    }
}

/// For a person: a `main` that returns an error shows it so.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.name())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock(blocked) => {
                write!(f, "the operation would block, or its timeout is over: {blocked}")
            }
            Self::Interrupted => f.write_str("a signal handler has ended the wait: call again"),
            Self::WrongState(state) => state.fmt(f),
            Self::Terminated => f.write_str("the context was shut down: close the socket"),
            Self::NotSupported => f.write_str("this socket type does not support the operation"),
            Self::NoRoutingId => f.write_str(
                "a ROUTER or STREAM sends to the peer whose routing id is the first of at least two frames",
            ),
            Self::TopicTooLong { limit } => {
                write!(f, "a topic has at most {limit} bytes: subscribe to a shorter prefix")
            }
            Self::MessageTooLarge => f.write_str(
                "the message is larger than what a multicast endpoint can repair: raise multicast_rate or multicast_recovery",
            ),
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
            Self::Option(error) => error.fmt(f),
            Self::TooManySockets { limit } => {
                write!(
                    f,
                    "the context has {limit} sockets already: close some or raise its limit"
                )
            }
            Self::Incompatible { ours, peer } => {
                let (ours, peer) = (*ours, *peer);
                ztransport::Error::Incompatible { ours, peer }.fmt(f)
            }
            Self::NoIoThread => ztransport::Error::NoIoThread.fmt(f),
            Self::NoSuchIoThread {
                affinity,
                io_threads,
            } => {
                let error = ztransport::Error::NoSuchIoThread {
                    affinity: *affinity,
                    io_threads: *io_threads as usize,
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

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind(error) => Some(&**error),
            Self::InvalidEndpoint(error) => Some(error),
            Self::Scheduling(error) => Some(&**error),
            Self::Option(error) => Some(&**error),
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ztransport::Error> for Error {
    fn from(error: ztransport::Error) -> Self {
        match error {
            ztransport::Error::Endpoint(error) => Self::InvalidEndpoint(error),
            ztransport::Error::Bind(BindError::AddressInUse(at)) => {
                Self::AddressInUse(Box::new(at))
            }
            ztransport::Error::Bind(BindError::InvalidEndpoint(error)) => {
                Self::InvalidEndpoint(error)
            }
            ztransport::Error::Incompatible { ours, peer } => Self::Incompatible { ours, peer },
            ztransport::Error::NoIoThread => Self::NoIoThread,
            ztransport::Error::NoSuchIoThread {
                affinity,
                io_threads,
            } => Self::NoSuchIoThread {
                affinity,
                io_threads: u32::try_from(io_threads).unwrap_or(u32::MAX),
            },
            ztransport::Error::Scheduling(error) => Self::Scheduling(Box::new(error)),
            ztransport::Error::IoThreadLost => Self::IoThreadLost,
            ztransport::Error::Bind(error) => Self::Bind(Box::new(error)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_small() {
        assert!(size_of::<Error>() <= 16);
        assert!(size_of::<SendError>() <= 88);
    }

    #[test]
    fn an_error_that_ends_main_is_read_by_a_person() {
        let error = Error::WouldBlock(Blocked::NoPeer);
        let shown = format!("{error:?}");
        assert!(
            shown.starts_with("WouldBlock: the operation would block"),
            "{shown}"
        );
        assert!(shown.contains("no peer is connected yet"), "{shown}");
    }
}
