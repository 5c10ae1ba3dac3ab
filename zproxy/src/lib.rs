//! Proxies between ØMQ sockets: brokers, bridges and forwarders.
//!
//! A proxy moves messages from one socket to another, and back if their types allow it. What it is good for depends on the two
//! sockets:
//!
//! ```text
//!   clients ── REQ ─┐                              ┌─ REP ── workers
//!   clients ── REQ ─┼─▶ ROUTER ═══ proxy ═══ DEALER ┼─ REP ── workers      a broker: requests and replies
//!   clients ── REQ ─┘   frontend     ║     backend  └─ REP ── workers
//!                                    ║
//!   PUB ──▶ XSUB ═══ proxy ═══ XPUB ─╫▶ SUB          a forwarder: updates, and subscriptions the other way
//!   PUSH ─▶ PULL ═══ proxy ═══ PUSH ─╫▶ PULL         a streamer: tasks, one way
//!   PAIR ── PAIR ═══ proxy ═══ PAIR ─╫─ PAIR         a bridge between threads, transports, contexts
//!   TCP ─ STREAM ═══ proxy ═══ DEALER ╫ …            programs that do not speak ZMTP
//!                                    ▼
//!                                capture: a copy of each message
//! ```
//!
//! The two may be of different contexts and over different transports. That is the guide's bridge.
//!
//! # Behaviour
//!
//! - **Whole messages**, in order, with their frames and envelopes: see [`Socket::forward_to`](zsocket::Socket::forward_to).
//! - **Back-pressure** stalls its own direction only. A message that the other side has no room for stays where it is, so
//!   that its senders come to wait, and messages the other way go on.
//! - **Fairness**: each direction has a [budget](Proxy::budget), then it is the other's turn, and that of commands.
//! - **A capture never stops a proxy.** What it has no room for is dropped for it, and counted.
//! - **Always steerable**: a [`ProxyHandle`] works from every thread, and a [control socket](Proxy::control) obeys libzmq's
//!   commands, whatever has no room or nothing to do. A proxy that is paused uses no processor.
//! - **A client that goes ends nothing**: what is for it is dropped and counted. The proxy ends by a command, or with a context, and
//!   says so: [`Ended`]; or with an [`Error`], which says which socket has failed.
//!
//! # What it does not do
//!
//! It keeps nothing and repeats nothing: a request whose worker is gone is not sent to another one. It does not look
//! into messages. A program that does either has a [`Poller`](zpoll::Poller) and calls
//! [`forward_to`](zsocket::Socket::forward_to) itself.
//!
//! # Examples
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
