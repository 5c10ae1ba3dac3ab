//! I/O threads, engines and the tcp, ipc, inproc, pgm and epgm transports of zlayers.
//!
//! This crate moves messages between pipes ([`zpipe`]) and peers. It knows connections: how they are made,
//! made again, and ended; what the handshake says; where the limits are. It does not know messaging
//! patterns, nor sockets in the sense of ØMQ: those are in `zsocket`, which most users want.
//!
//! ```text
//!                        ┌──────────────────────── Reactor ─────────────────────────┐
//!   bind, connect ──────▶│ I/O thread: sessions, timers, listeners                  │
//!                        │     │ drives, unless the application does                │
//!   Link.writer ═════════╪═▶ engine ◀──────── tcp, ipc ────────▶ peer               │
//!   Link.reader ◀════════╪══   │                                                    │
//!   letters, events ◀────┼─────┘                                                    │
//!                        │ inproc: the pipes of two sockets, joined end to end      │
//!                        └──────────────────────────────────────────────────────────┘
//! ```
//!
//! A socket gives [`Reactor::bind`] and [`Reactor::connect`] an [`Options`] and a [`SocketHandle`], and gets a
//! [`Link`] for each peer: a writer, a reader, and a [`Driver`] with which the application's own thread
//! can do the work of the I/O thread when that is faster. What happens to connections arrives as
//! [`Letter`]s, [`Event`]s and [`Counters`].
//!
//! # Behaviour
//!
//! - Names are looked up on up to four threads of their own; an I/O thread waits for nothing but its poll. Of a
//!   name with several addresses all are tried in turn, also when what answers at one of them is no peer.
//! - Whatever a peer sends ends at most its own connection, with a [`CloseReason`].
//! - A connection that breaks in the middle of a message loses nothing that the kernel had not taken:
//!   the message is sent again, whole, on the next one.
//! - Accepting pauses when descriptors run out, and says so.
//! - Input is read to its end before a connection is given up, on every transport.
//!
//! # Platforms
//!
//! Linux, where the data path uses epoll and event descriptors directly, is what it is made and tested for. On macOS, BSD and
//! Windows the crate `polling` takes their place; `--cfg zlayers_portable` does so on Linux, and all tests pass with it. What
//! other systems lack is refused with an error, and not ignored:
//!
//! | | Linux | macOS, BSD | Windows |
//! |---|---|---|---|
//! | tcp, inproc | yes | yes | yes |
//! | ipc | yes | yes | no: [`EndpointErrorKind::IpcNotSupported`](endpoint::EndpointErrorKind) |
//! | abstract ipc names | yes | no: `AbstractNotSupported` | no |
//! | credentials of ipc peers | yes | no: filters by process, user or group admit nobody | |
//! | interfaces by name, zones | yes | numbers of zones only | numbers of zones only |
//! | scheduling of I/O threads | yes | no: [`SchedulingError`] | no: [`SchedulingError`] |
//! | MPTCP, device, priority, user time-out, busy poll | yes | no: [`OptionError`](net::OptionError) | no |
//! | a foreign event loop leads | yes | yes | no: [`Error::Io`] |
//! | blocked threads read their streams themselves | yes | yes | no: the I/O threads read |
//! | linger until the peer's system has everything | yes | macOS | no: until this system has it |
//!
//! # Examples
//!
//! Two sockets, by hand:
//!
//! ```
//! use std::sync::Arc;
//! use zmtp::{Message, SocketType};
//! use zpipe::ReadySet;
//! use ztransport::{Endpoint, Letter, Options, Reactor, SocketHandle};
//!
//! let reactor = Reactor::new(1)?;
//!
//! let mut ready = ReadySet::new();
//! let (letters, mut mailbox) = zpipe::mailbox(ready.notifier(0));
//! let pull = SocketHandle::new(letters, ready.notifier(0));
//! let options = Arc::new(Options::new(SocketType::Pull));
//! let bound = reactor.bind(&"tcp://127.0.0.1:*".parse()?, &options, &pull)?;
//!
//! let push_ready = ReadySet::new();
//! let (letters, _push_mailbox) = zpipe::mailbox(push_ready.notifier(0));
//! let push = SocketHandle::new(letters, push_ready.notifier(0));
//! let options = Arc::new(Options::new(SocketType::Push));
//! let (_, link) = reactor.connect(&bound.endpoint, &options, &push)?;
//! let mut to_peer = link.expect("a link at once, unless the options say `immediate`");
//! to_peer.writer.write_message(&mut Message::from("hello"));
//!
//! // The binding side gets its link once the handshake is complete.
//! ready.wait(None);
//! let Some(Letter::Attach(mut from_peer)) = mailbox.take().pop_front() else { panic!() };
//! from_peer.signal_to(&pull);
//! let mut message = Message::new();
//! while !from_peer.reader.read_message(&mut message) {
//!     if from_peer.reader.set_idle() {
//!         ready.drain(|_, _| ());
//!         ready.wait(None);
//!     }
//! }
//! assert_eq!(message[0], "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

#[cfg(not(any(
    windows,
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly"
)))]
compile_error!(
    "ztransport needs Linux, macOS, a BSD or Windows: it waits for streams with epoll, kqueue or IOCP"
);

mod admission;
mod authentication;
mod closing;
mod conflate;
mod connection;
mod cork;
mod departed;
mod desk;
pub mod endpoint;
mod engine;
mod error;
mod event;
mod ids;
mod inproc;
mod inputs;
mod io;
mod link;
mod losses;
mod monitor;
pub mod net;
mod options;
mod parts;
pub mod pgm;
mod poll;
mod prefixes;
mod race;
mod reactor;
mod scheduling;
pub mod shrink;
mod signals;
mod socks;
mod subscriptions;
mod sys;
mod trace;
mod trouble;

pub use self::sys::{NO_DESCRIPTOR, OwnedDescriptor, RawDescriptor};
pub use self::{
    closing::{Closing, Fate},
    cork::{has_corked, is_corked, uncork},
    departed::Left,
    endpoint::{Endpoint, EndpointError, IntoEndpoint},
    error::Error,
    event::{
        AdmissionLimit, CloseReason, ConnectionInfo, Counters, Event, EventKinds, Letter,
        MulticastCounters, Snapshot, SocketHandle, StandingPeer, StopReason, ZmqEvent,
    },
    inputs::{Arrived, InputJoiner, InputPoll},
    io::{Alarm, Dispatched, Ended, Holding, Leader, is_io_thread},
    link::{Driver, Incoming, Link},
    losses::{News, Standing},
    monitor::EventReceiver,
    options::{Notices, Options, ReconnectStop},
    prefixes::{PrefixMap, PrefixesOf},
    reactor::{Bound, Reactor},
    scheduling::{IoThreads, RealTime, SchedulingError},
    socks::{ProxyConfig, SocksError},
    subscriptions::{Follower, Subscriptions},
    trouble::{Trouble, What},
};
pub use authentication::{Authority, Question};
