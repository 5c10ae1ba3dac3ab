//! Proxies between ØMQ sockets: brokers, bridges and forwarders.
//!
//! Peers that find each other by themselves need addresses of each other: each new worker has to be made known to each
//! client. With something in the middle that stays where it is, both sides only know that. This crate is what stands
//! there: a proxy moves messages from one socket to another, and back if their types allow it. What it is good for depends
//! on the two sockets:
//!
//! ```text
//!   clients ── REQ ─┐                                ┌─ REP ── workers
//!   clients ── REQ ─┼─▶ ROUTER ═══ proxy ═══ DEALER ─┼─ REP ── workers    a broker: requests and replies
//!   clients ── REQ ─┘  frontend     ║      backend   └─ REP ── workers
//!                                   ║
//!       PUB ──▶ XSUB ═══════════ proxy ═══ XPUB ──▶ SUB       a forwarder: updates; subscriptions go the other way
//!       PUSH ─▶ PULL ═══════════ proxy ═══ PUSH ──▶ PULL      a streamer: tasks, one way
//!       PAIR ── PAIR ═══════════ proxy ═══ PAIR ─── PAIR      a bridge between threads, transports, contexts
//!       TCP ─ STREAM ═══════════ proxy ═══ DEALER ─ …         for programs that do not speak ZMTP
//!                                   ║
//!                                   ▼
//!                                capture: a copy of each message
//! ```
//!
//! The two may be of different contexts and over different transports: then the proxy is a bridge between networks. If both
//! are the same socket it is an echo.
//!
//! [`proxy`] is the whole of it in one call, like `zmq_proxy`. [`Proxy`] can be steered, and can run on a thread of its own.
//!
//! # Behaviour
//!
//! - **Whole messages**, in order, with their frames and envelopes: see [`Socket::forward_to`](zsocket::Socket::forward_to).
//! - **Back-pressure** stalls its own direction only. A message that the other side has no room for waits on the side where it
//!   came in, so that its senders come to wait, and messages the other way go on. It is still there when the proxy ends, for
//!   whoever has the socket then.
//! - **Fairness**: each direction has a [budget](Proxy::budget), then it is the other's turn, and that of commands.
//! - **A capture never stops a proxy.** What it has no room for is dropped for it, and counted. (With libzmq the proxy waits.)
//! - **Always steerable**: a [`ProxyHandle`] works from every thread, and a [control socket](Proxy::control) obeys libzmq's
//!   commands, whatever has no room or nothing to do. A proxy that is paused takes in what
//!   comes up to the high-water marks. Then, and while it waits, it uses no processor.
//! - **A client that goes ends nothing**: what is for it is dropped and counted. The proxy ends by a command, or with a context,
//!   and says so: [`Ended`]; or with an [`Error`], which says which socket has failed.
//!
//! # What it does not do
//!
//! It keeps nothing and repeats nothing: a request whose worker is gone is not sent to another one. A REQ as backend says that
//! its worker is gone ([`zsocket::Error::PeerLost`]), and as it has nobody else to ask, this ends the proxy; a DEALER has no such
//! trouble. Where one message has to wait for one full peer of a ROUTER that is mandatory, or of a STREAM, those behind it wait
//! as well, so that none overtakes another.
//!
//! It does not look into messages, and needs no executor: it is a thread that waits. A program that filters, rewrites or
//! spreads load has a [`Poller`](zpoll::Poller) and calls [`forward_to`](zsocket::Socket::forward_to) itself, for what it leaves as it
//! is; the guide's `rrbroker` shows how.
//!
//! # Examples
//!
//! The smallest: a streamer.
//!
//! ```
//! use zproxy::Proxy;
//! use zsocket::{Context, Pull, Push};
//!
//! let context = Context::new();
//! let (frontend, backend) = (context.socket::<Pull>()?, context.socket::<Push>()?);
//! let (tasks, workers) = (frontend.bind("tcp://127.0.0.1:*")?, backend.bind("tcp://127.0.0.1:*")?);
//! let streamer = Proxy::new(frontend, backend).spawn()?;
//!
//! let (ventilator, worker) = (context.socket::<Push>()?, context.socket::<Pull>()?);
//! ventilator.connect(&tasks)?;
//! worker.connect(&workers)?;
//! ventilator.send("task")?;
//! assert_eq!(worker.recv()?[0], "task");
//!
//! streamer.handle().terminate();
//! streamer.join()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A bridge between two networks: what is published in the one can be subscribed to in the other.
//!
//! ```
//! use std::time::Duration;
//! use zproxy::Proxy;
//! use zsocket::{Context, Pub, Sub, XPub, XSub};
//!
//! let context = Context::new();
//! let inner = context.socket::<Pub>()?;
//! let published = inner.bind("tcp://127.0.0.1:*")?;
//!
//! let frontend = context.socket::<XSub>()?;
//! frontend.connect(&published)?;
//! let backend = context.socket::<XPub>()?;
//! let outside = backend.bind("tcp://127.0.0.1:*")?;
//! let bridge = Proxy::new(frontend, backend).spawn()?;
//!
//! let outer = context.socket::<Sub>()?;
//! outer.subscribe("weather")?;
//! outer.connect(&outside)?;
//! inner.wait_subscribed("weather", 1, Duration::from_secs(10))?;
//! inner.send("weather: fine")?;
//! assert_eq!(outer.recv()?[0], "weather: fine");
//! assert_eq!(bridge.handle().statistics().captured.messages, 0);
//!
//! bridge.handle().terminate();
//! bridge.join()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod control;
mod ended;
mod handle;
mod proxy;
mod run;
mod side;
mod statistics;

pub use self::{
    control::CanControl,
    ended::{Ended, Error, Role},
    handle::{ProxyHandle, ProxyThread},
    proxy::{Proxy, proxy},
    side::Side,
    statistics::{Direction, ProxyStatistics},
};

/// The examples of the README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
