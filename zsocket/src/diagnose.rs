//! The answer to "why does nothing come?".

use std::{fmt, time::Duration};

use bytes::Bytes;
use zmtp::SocketType;
use ztransport::{CloseReason, Endpoint, net::PeerAddress};

use crate::{Error, PeerId};

/// Something wrong with a socket, found by [`Socket::diagnose`](crate::Socket::diagnose), with the evidence. Its `Display`
/// says what was found and what helps; the latter alone is the [`remedy`](Self::remedy).
///
/// A finding says what is so now, except those that count: they stay for as long as the socket is open.
#[derive(Debug)]
#[non_exhaustive]
pub enum Finding {
    /// No call works any more, for this reason.
    Ended {
        /// What every call returns.
        error: Error,
    },
    /// The socket is neither bound nor connected, and has no peer.
    Unattached,
    /// There is no connection to an endpoint, and was never a handshake that failed since the last one that stood.
    NotConnected {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why the last attempt failed; `None` if none has failed yet.
        error: Option<String>,
        /// Attempts that failed.
        attempts: u64,
        /// Messages that wait for it.
        queued: u64,
    },
    /// Nobody in this context has bound the inproc name.
    InprocUnbound {
        /// The endpoint.
        endpoint: Endpoint,
        /// Messages that wait for it.
        queued: u64,
    },
    /// Somebody is there, but the handshake fails. At an endpoint that was bound, within the last minute.
    HandshakeFailed {
        /// The endpoint bound or connected to.
        endpoint: Endpoint,
        /// Whether this socket connected.
        outgoing: bool,
        /// The other end of the last one that failed.
        address: PeerAddress,
        /// Why it failed.
        reason: CloseReason,
        /// How many have failed.
        times: u64,
        /// How long ago the last one failed.
        age: Duration,
    },
    /// Nobody is connected to an endpoint that was bound.
    NobodyCame {
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// Of several endpoints among which messages are shared out, some have no peer: what is queued for these waits.
    FewerPeers {
        /// Endpoints with a peer.
        connected: usize,
        /// All endpoints that the socket has connected to.
        endpoints: usize,
        /// Messages that wait for the others.
        queued: u64,
    },
    /// A SUB or XSUB has not subscribed to anything, so nothing is received.
    NoSubscription,
    /// A publisher has published, and no peer has subscribed to anything.
    NobodySubscribed {
        /// Messages that went to nobody.
        messages: u64,
    },
    /// Peers have subscribed, but all messages since then were of other topics.
    NoTopicMatches {
        /// Messages that went to nobody.
        messages: u64,
        /// Topics that peers have subscribed to.
        topics: usize,
    },
    /// The first subscription came after publishing had begun.
    SubscribedLate {
        /// Messages that went to nobody before.
        messages: u64,
    },
    /// The last call was one that the pattern does not allow now, and no other has succeeded since.
    OutOfStep {
        /// The socket's type.
        socket_type: SocketType,
        /// Whether it was a `send`; otherwise a `recv`.
        sending: bool,
    },
    /// A ROUTER has dropped messages for routing ids that nobody has.
    Unroutable {
        /// Messages dropped because their peer is not there.
        messages: u64,
        /// The routing id of the last one, its first 255 bytes.
        last: Bytes,
    },
    /// As many messages as may be are queued for a peer: it takes them more slowly than they are sent.
    PeerFull {
        /// The peer.
        peer: PeerId,
        /// The endpoint bound or connected to.
        endpoint: Endpoint,
        /// Messages queued.
        queued: u64,
        /// The high-water mark.
        mark: u64,
        /// For how long senders have found it full; `None` if none has.
        muted: Option<Duration>,
    },
    /// Messages were dropped because a peer was full.
    DroppedForFull {
        /// How many.
        messages: u64,
        /// Of the peers that are there now, the one that lost most.
        worst: Option<(PeerId, Endpoint)>,
    },
    /// As many messages as may be wait to be received from a peer: the application does not receive, or too slowly.
    ReceiverSlow {
        /// The peer.
        peer: PeerId,
        /// The endpoint bound or connected to.
        endpoint: Endpoint,
        /// Messages that wait.
        queued: u64,
        /// The high-water mark.
        mark: u64,
    },
    /// Connections were ended for what the peer has sent: too large a message, too many frames, or nonsense.
    BadTraffic {
        /// The endpoint bound or connected to.
        endpoint: Endpoint,
        /// The other end of the last one.
        address: PeerAddress,
        /// Why it was ended.
        reason: CloseReason,
        /// How many were.
        times: u64,
        /// How long ago the last one was.
        age: Duration,
    },
    /// Messages came that are none of the pattern, and were dropped.
    NotOfThePattern {
        /// How many.
        messages: u64,
    },
    /// Messages were given up because the peer ended each connection on which they were sent.
    RefusedByPeer {
        /// How many.
        messages: u64,
    },
    /// Messages of peers that are gone were dropped, because there were too many of them.
    DepartedLimit {
        /// How many.
        messages: u64,
    },
    /// Messages were still queued when the time to linger was over.
    LostToLinger {
        /// How many.
        messages: u64,
    },
    /// Messages were queued for peers that have gone.
    LostWithPeer {
        /// How many.
        messages: u64,
    },
    /// Peers were sent away because the pattern has no use for them.
    PeersSentAway {
        /// How many.
        peers: u64,
    },
    /// Nobody could be accepted for a while, for lack of descriptors or memory.
    NoDescriptors {
        /// How often.
        times: u64,
    },
    /// A monitor that was not read has missed events.
    MonitorLagged {
        /// How many.
        events: u64,
    },
    /// Wakers of tasks, or the `Drop` of message bodies, have panicked.
    ForeignPanics {
        /// How often.
        panics: u64,
    },
}

impl Finding {
    /// What helps.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Ended { .. } => {
                "close the socket and make a new one, if need be in a new context"
            }
            Self::Unattached => "call bind or connect",
            Self::NotConnected { .. } => {
                "see that a peer has bound this endpoint and can be reached; the socket goes on trying"
            }
            Self::InprocUnbound { .. } => {
                "bind the name with another socket of the same context, and look for a misspelling"
            }
            Self::HandshakeFailed { reason, .. } => match reason {
                CloseReason::Protocol(error) if error.blame() == zmtp::Blame::Incompatible => {
                    "use socket types that go together and the same security at both ends"
                }
                CloseReason::HandshakeTimeout => "see that the peer speaks ZMTP and is not stuck",
                CloseReason::PeerClosed | CloseReason::Io(_) => {
                    "look at the peer, which has ended the handshake: at its type, its security and its limits"
                }
                _ => "see that the peer speaks ZMTP and that both ends use the same security",
            },
            Self::NobodyCame { .. } => {
                "see that a peer connects to this endpoint, and is not stopped by a firewall"
            }
            Self::FewerPeers { .. } => {
                "start the missing peers, or set immediate so that nothing is queued for those that are not there"
            }
            Self::NoSubscription => "call subscribe, with an empty topic for everything",
            Self::NobodySubscribed { .. } => {
                "have a peer subscribe, and wait for that with wait_subscribed"
            }
            Self::NoTopicMatches { .. } => {
                "compare the beginning of the first frame with the topics subscribed to, byte for byte"
            }
            Self::SubscribedLate { .. } => {
                "call wait_subscribed before publishing what nobody may miss"
            }
            Self::OutOfStep {
                sending: true,
                socket_type: SocketType::Rep,
            } => "receive a request before each reply",
            Self::OutOfStep { sending: true, .. } => {
                "receive the reply before the next request, set relaxed and correlate, or use a Requester"
            }
            Self::OutOfStep {
                socket_type: SocketType::Rep,
                ..
            } => "reply to the last request before receiving the next, or use a Responder",
            Self::OutOfStep { .. } => "send a request before receiving a reply",
            Self::Unroutable { .. } => {
                "send to ids that messages came with, while their peers are there; set_mandatory makes it an error"
            }
            Self::PeerFull { .. } => {
                "have the peer receive faster, add peers, or raise send_hwm for bursts"
            }
            Self::DroppedForFull { .. } => {
                "have the peer receive faster, raise send_hwm for bursts, or wait for it with set_no_drop or set_mandatory"
            }
            Self::ReceiverSlow { .. } => "receive faster, or raise recv_hwm for bursts",
            Self::BadTraffic { reason, .. } => match reason {
                CloseReason::Oversize { .. } | CloseReason::TooManyFrames { .. } => {
                    "raise max_frame_size, max_message_size or max_frames, or have the peer send less at a time"
                }
                CloseReason::MessageTimeout => "raise message_timeout, or look at the network",
                CloseReason::HeartbeatTimeout | CloseReason::TtlExpired => {
                    "look whether the peer and the network are there, or raise heartbeat_timeout"
                }
                CloseReason::Panicked => "report it, it is a defect of this library",
                _ => "look at the peer, which breaks the protocol",
            },
            Self::NotOfThePattern { .. } => {
                "look at who sends: a request or reply needs its envelope, and some types only send"
            }
            Self::RefusedByPeer { .. } => "send smaller messages, or raise the peer's limits",
            Self::DepartedLimit { .. } => {
                "receive faster, or raise departed_hwm and departed_bytes"
            }
            Self::LostToLinger { .. } => "raise linger, or close later",
            Self::LostWithPeer { .. } => {
                "have peers take what is theirs before they go, or send again what is not answered"
            }
            Self::PeersSentAway { .. } => {
                "give a PAIR one peer only, and each peer of a ROUTER a routing id of its own"
            }
            Self::NoDescriptors { .. } => {
                "raise the limit of descriptors of this process, or close connections"
            }
            Self::MonitorLagged { .. } => "read the monitor more often, or drop it",
            Self::ForeignPanics { .. } => "look for the panic's message on standard error",
        }
    }
}

fn ago(age: Duration) -> impl fmt::Display {
    let seconds = age.as_secs();
    match seconds {
        0 => "just now".to_owned(),
        seconds => format!("{seconds} s ago"),
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended { error } => write!(f, "no call works any more ({error})"),
            Self::Unattached => f.write_str("the socket is neither bound nor connected"),
            Self::NotConnected {
                endpoint,
                error: Some(error),
                attempts,
                queued,
            } => write!(
                f,
                "nobody answers at {endpoint}: {attempts} attempts to connect failed ({error}), {queued} messages wait"
            ),
            Self::NotConnected {
                endpoint, queued, ..
            } => write!(f, "not connected to {endpoint} yet, {queued} messages wait"),
            Self::InprocUnbound { endpoint, queued } => write!(
                f,
                "nobody in this context has bound {endpoint}, {queued} messages wait"
            ),
            Self::HandshakeFailed {
                endpoint,
                outgoing,
                address,
                reason,
                times,
                age,
            } => {
                let whose = if *outgoing { "to" } else { "accepted at" };
                let ago = ago(*age);
                write!(
                    f,
                    "{times} handshakes of connections {whose} {endpoint} failed, the last one {ago} with {address} ({reason})"
                )
            }
            Self::NobodyCame { endpoint } => write!(f, "nobody is connected to {endpoint}"),
            Self::FewerPeers {
                connected,
                endpoints,
                queued,
            } => write!(
                f,
                "of {endpoints} endpoints {connected} have a peer, {queued} messages wait for the others"
            ),
            Self::NoSubscription => f.write_str("the socket has not subscribed to anything"),
            Self::NobodySubscribed { messages } => write!(
                f,
                "{messages} messages were published, and nobody has subscribed to anything"
            ),
            Self::NoTopicMatches { messages, topics } => write!(
                f,
                "none of {messages} messages published begins with one of the {topics} topics subscribed to"
            ),
            Self::SubscribedLate { messages } => write!(
                f,
                "{messages} messages were published before the first subscription came"
            ),
            Self::OutOfStep {
                socket_type,
                sending,
            } => {
                let call = if *sending { "send" } else { "recv" };
                let name = socket_type.name();
                write!(f, "a {name} was asked to {call} when it was not its turn")
            }
            Self::Unroutable { messages, last } => write!(
                f,
                "{messages} messages were dropped because nobody has their routing id, the last one for \"{}\"",
                last.escape_ascii()
            ),
            Self::PeerFull {
                peer,
                endpoint,
                queued,
                mark,
                muted,
            } => {
                write!(
                    f,
                    "{peer} of {endpoint} is full: {queued} messages wait at a mark of {mark}"
                )?;
                muted.map_or(Ok(()), |time| write!(f, ", for {time:.1?}"))
            }
            Self::DroppedForFull { messages, worst } => {
                write!(
                    f,
                    "{messages} messages were dropped because peers were full"
                )?;
                worst.as_ref().map_or(Ok(()), |(peer, endpoint)| {
                    write!(f, ", most of them of {peer} of {endpoint}")
                })
            }
            Self::ReceiverSlow {
                peer,
                endpoint,
                queued,
                mark,
            } => write!(
                f,
                "{queued} messages of {peer} of {endpoint} wait to be received, at a mark of {mark}"
            ),
            Self::BadTraffic {
                endpoint,
                address,
                reason,
                times,
                age,
            } => {
                let ago = ago(*age);
                write!(
                    f,
                    "{times} connections of {endpoint} were ended for what the peer sent, the last one {ago} with {address} \
                     ({reason})"
                )
            }
            Self::NotOfThePattern { messages } => {
                write!(f, "{messages} messages came that are none of the pattern")
            }
            Self::RefusedByPeer { messages } => {
                write!(
                    f,
                    "{messages} messages were given up because the peer refuses them"
                )
            }
            Self::DepartedLimit { messages } => {
                write!(
                    f,
                    "{messages} messages of peers that are gone were dropped, there were too many"
                )
            }
            Self::LostToLinger { messages } => {
                write!(
                    f,
                    "{messages} messages were still queued when the time to linger was over"
                )
            }
            Self::LostWithPeer { messages } => {
                write!(
                    f,
                    "{messages} messages were queued for peers that have gone"
                )
            }
            Self::PeersSentAway { peers } => {
                write!(f, "{peers} peers were sent away for which there is no use")
            }
            Self::NoDescriptors { times } => {
                write!(
                    f,
                    "nobody could be accepted {times} times for lack of descriptors"
                )
            }
            Self::MonitorLagged { events } => write!(f, "the monitor has missed {events} events"),
            Self::ForeignPanics { panics } => {
                write!(
                    f,
                    "wakers or the Drop of message bodies have panicked {panics} times"
                )
            }
        }?;
        write!(f, ": {}", self.remedy())
    }
}
