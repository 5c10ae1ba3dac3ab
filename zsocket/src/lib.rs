//! ØMQ sockets in pure Rust: context, typed sockets and messaging patterns.
//!
//! A [`Context`] owns I/O threads. It makes [`Socket`]s, whose type parameter is their messaging pattern:
//! [`Pair`], [`Pub`], [`Sub`], [`XPub`], [`XSub`], [`Push`], [`Pull`], [`Req`], [`Rep`], [`Dealer`], [`Router`],
//! [`Stream`], or [`Dynamic`], chosen at run time. Sockets [`bind`](Socket::bind) and
//! [`connect`](Socket::connect) to endpoints, any number of them, in any order, and exchange
//! [`Message`]s of one or more [`Frame`]s with every program that speaks ZMTP 3, such as those written with libzmq.
//!
//! ```text
//!   ┌────── your thread ──────┐            ┌── I/O thread ──┐
//!   │ Socket<Push>            │  pipes     │                │
//!   │   send ─▶ whose turn? ──┼──────────▶ │ engine ────────┼──▶ tcp://, ipc://
//!   │                         ├──────────▶ │ engine ────────┼──▶
//!   └─────────────────────────┤            └────────────────┘
//!                             └──────────────────────────────────▶ inproc:// another socket
//! ```
//!
//! # What it does not do
//!
//! There is no broker, no persistence and no acknowledgement: a message that the kernel has taken and the peer
//! has not received is lost with their connection, as everywhere in ØMQ. There is no async runtime: `send` and
//! `recv` block, [`try_send`](Socket::try_send) and [`try_recv`](Socket::try_recv) do not, and those of
//! an [`AsyncSocket`] are futures that run on any executor, whose event loop may [lead](Leader) that of the context. Other patterns
//! than those above, those of the draft API, are not there yet.
//!
//! # Examples
//!
//! ```
//! use zsocket::{Context, Pull, Push};
//!
//! let context = Context::new();
//! let pull = context.socket::<Pull>()?;
//! let endpoint = pull.bind("tcp://127.0.0.1:*")?;
//! let push = context.socket::<Push>()?;
//! push.connect(&endpoint)?;
//! push.send(["two", "frames"])?;
//! let message = pull.recv()?;
//! assert_eq!(message[1], "frames");
//! # Ok::<(), zsocket::Error>(())
//! ```
//!
//! # Requests
//!
//! REQ and REP take turns, and one of them that waits for a peer that has gone waits in vain. [`Requester`] and
//! [`Responder`] stand on the same wire protocol and cannot get stuck: many requests are in flight, each has a deadline, and
//! may be sent again; a server answers in any order and from any thread. They talk to REP and REQ as well.
//!
//! # Security
//!
//! By default everybody may connect, and everything can be read on the way. A socket gets passwords or keys by
//! [`Security`], which says who judges them: an [`Authenticator`] of the context, such as an [`AccessList`], or a ZAP handler.
//!
//! # High-water marks
//!
//! Each peer has a pipe in each direction, and each pipe has a mark, counted in whole messages and exact:
//!
//! - *sending*: at most [`send_hwm`](Socket::set_send_hwm) messages that `send` accepted and the kernel has not yet
//!   taken; *receiving*: at most [`recv_hwm`](Socket::set_recv_hwm) that were received and `recv` has not returned;
//!   what the kernel buffers comes on top.
//! - Over inproc the two are one pipe with the sum of both marks.
//! - A sender without room waits ([`send_timeout`](Socket::set_send_timeout)), and goes on when a pipe has
//!   drained to half.
//!
//! # Options
//!
//! Each option has a setter and a getter at [`Socket`] and a method at [`SocketBuilder`]; what all sockets have is there for all, the others
//! for the patterns that have them. [`Socket::set_option`] takes options by name, or by libzmq's name or number, with values that may be text, and
//! [`OptionId`] tells about each. Whether a peer that is silent is still there is found out by
//! [heartbeats](Socket::set_heartbeat_interval), which are off by default.
//!
//! # Nothing is lost silently
//!
//! A message that cannot be sent comes back in [`SendError`]. One that is dropped later, because its peer went
//! away or the time to linger was over, is counted by reason in [`SocketStats`]. What happens to connections is
//! counted there too, and reported to a [`Monitor`]. [`Context::term_timeout`] tells what keeps a context from
//! ending.
//!
#![doc = include_str!("queues.md")]
//!
//! # Signals and Ctrl-C
//!
//! Calls that wait go on when a signal handler has run: none fails with `EINTR`. A program that is to end cleanly calls
//! [`Context::shutdown`], from a thread that waits for the signal or, with the crate `ctrlc`, from its handler: then every call,
//! wherever it is blocked, returns [`Error::Terminated`], sockets are dropped, and what was sent still goes out. Where a handler sets
//! a flag, [`Socket::set_interruptible`] has the calls of a socket end with [`Error::Interrupted`], which is `EINTR` (Linux). A
//! handler that runs just before the thread falls asleep goes unnoticed, so give such a wait a
//! [time limit](Socket::set_recv_timeout). The example `ctrl_c` does both.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `tokio`: `Leader::on_tokio`, by which a tokio runtime leads,
//! - `async-io`: `Leader::on_async_io`, for smol and others,
//! - `tracing`: events for the crate of this name, with the target `zlayers`: what happens to connections, sockets that close and
//!   have dropped messages, and, after a second, what holds a context that is to end. The subscriber is called where it happens, also
//!   in the middle of a call: it must not use sockets of the same context.
//!
//! # Platforms
//!
//! Linux is what it is made and tested for. macOS, BSD and Windows compile, without having been tested there: the same code, on the
//! portable back end that passes all tests on Linux with `--cfg zlayers_portable`. What a system lacks is refused with an error:
//! on Windows ipc, foreign event loops that [lead](Leader), and descriptors of pollers; elsewhere than on Linux the scheduling of I/O
//! threads, names of interfaces, credentials of ipc peers, and abstract names. [`ztransport`] has the table.
//!
//! # Threads
//!
//! A socket can be sent to another thread, but not shared: each thread has its own. [`Context`] can be shared.
#![forbid(unsafe_code)]

mod asynchronous;
mod authenticator;
mod certificate;
mod close_report;
mod context;
mod core;
mod diagnose;
mod error;
mod forwarded;
mod interest;
mod into_message;
mod leader;
mod links;
mod monitor;
mod options;
mod pattern;
mod peer;
mod registry;
mod requester;
mod responder;
mod routing;
mod security;
mod socket;
mod stats;
mod tasks;
mod term_report;
mod trace;
mod types;

#[cfg(all(feature = "async-io", unix))]
pub use self::leader::AsyncIoDriver;
#[cfg(all(feature = "tokio", unix))]
pub use self::leader::TokioDriver;
pub use self::{
    asynchronous::{AsyncReceiver, AsyncSender, AsyncSocket, ReuniteError},
    authenticator::{AccessList, Authentication, Authenticator},
    certificate::{Certificate, CertificateError, CertificateProblem, CertificateStore},
    close_report::{CloseReport, ClosedEndpoint},
    context::{Context, ContextBuilder},
    diagnose::Finding,
    error::{Blocked, Error, InvalidOption, PeerLoss, SendError, Turn, WrongState},
    forwarded::{Budget, ForwardEnd, ForwardError, ForwardSide, Forwarded, Traffic},
    interest::Interest,
    into_message::{IntoFrame, IntoMessage},
    leader::Leader,
    monitor::{FrameVersion, Monitor, MonitorForwarder, MonitorSnapshot},
    options::{Access, Effect, IntoOptionId, Kind, OptionId, Value},
    peer::{PeerId, PeerInfo, PeerStats},
    requester::{Requester, RequesterBuilder, RequesterStats, Ticket},
    responder::{Request, Responder, ResponderBuilder, ResponderStats, Stopped},
    security::{Security, curve_keypair},
    socket::{Capture, Messages, Pollable, Socket, SocketBuilder},
    stats::{Connections, Dropped, Multicast, SocketStats},
    term_report::TermReport,
    types::{
        CanConflate, CanConflateByTopic, CanGreet, CanHiccup, CanInsist, CanMatch, CanName,
        CanPassSubscriptions, CanProbe, CanPublish, CanReceive, CanRequest, CanRoute, CanSend,
        CanSplit, CanStream, CanSubscribe, Dealer, Dynamic, Pair, Pattern, Pub, Pull, Push, Rep,
        Req, Router, Stream, Sub, TypedPattern, XPub, XSub,
    },
};
pub use bytes::Bytes;
pub use zmtp::{
    Frame, Message, Metadata, SocketType, Version,
    curve::{KeyPair, PublicKey, SecretKey},
    zap::{Credentials, Password},
};
pub use ztransport::{
    AdmissionLimit, CloseReason, ConnectionInfo, Dispatched, Endpoint, EndpointError, Event,
    EventKinds, Holding, IntoEndpoint, NO_DESCRIPTOR, OwnedDescriptor, RawDescriptor, RealTime,
    ReconnectStop, SchedulingError, StandingPeer, StopReason, ZmqEvent,
    net::{
        AcceptFilter, BindError, IpNetwork, IpNetworkError, OptionError, PeerAddress,
        ProcessCredentials,
    },
};

/// The examples of the README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
