//! Sans-I/O wire codec for ZMTP, the ØMQ message transport protocol.
//!
//! ZMTP is what ØMQ sockets say to each other over a stream such as TCP: a [greeting] that settles
//! version and security mechanism, a handshake in which both ends introduce themselves, and then
//! traffic: [messages](Message) of one or more [frames](Frame), with [commands](Command) for
//! heartbeats and subscriptions in between. This crate turns those bytes into values and values
//! into bytes, and knows which of them may come when.
//!
//! It does **no I/O**, starts no threads and never looks at a clock: bytes and times come in as
//! arguments, bytes and events come out. It does not queue, route or reconnect, and it does not
//! know what a REQ socket does with a message: that is the business of the layers above, or yours.
//!
//! # Two levels
//!
//! ```text
//!                 ┌─────────────────────── Connection ────────────────────────┐
//!  bytes from     │  ┌───────────┐   ┌─────────┐                              │  events
//!  the peer ─────▶│─▶│ Handshake │──▶│ Decoder │──▶ messages, commands ───────│────────▶
//!                 │  │ greeting, │   │ Scanner │          │ PING              │
//!                 │  │ mechanism │   └─────────┘          ▼                   │
//!  bytes for      │  └─────┬─────┘   ┌─────────┐    ┌───────────┐  messages,  │  send
//!  the peer ◀─────│◀───────┴─────────┤ Encoder │◀───┤ Heartbeat │◀─ commands ─│◀────────
//!                 │                  └─────────┘    └───────────┘             │
//!                 └───────────────────────────────────────────────────────────┘
//!               question │  ▲ answer          ▲ the time      │ when to come again
//!                to ZAP  ▼  │                 │               ▼
//! ```
//!
//! [`Connection`] is one end of a connection, whole. It is the place to start. What owns the socket is
//! written once for it and for [`zws::Connection`], over [`SansIo`].
//!
//! The parts it is made of are there for programs that keep traffic in buffers of their own:
//! [`Handshake`] consumes exactly the bytes of the handshake, [`Scanner`] finds message boundaries
//! in place without copying, [`header`] and [`v1`] encode and decode single frame headers,
//! [`Encoder`] and [`Decoder`] turn messages into bytes and back as the peer's version and the
//! mechanism demand, [`Heartbeat`] keeps the timers. [`scan::Tally`] is the one rule by which all of
//! them, and engines of other crates, count and bound the frames of a message. For those who look on,
//! [`Command`], [`plain::Command`] and [`curve::Command`] show what the two ends say beside messages.
//!
//! # Example
//!
//! A message from a PUSH to a PULL. In a program there is a socket where the two loops are:
//!
//! ```
//! use std::time::Instant;
//! use zmtp::{Connection, Event, HandshakeConfig, Message, SocketType};
//!
//! let now = Instant::now();
//! let mut push = Connection::new(HandshakeConfig::new(SocketType::Push), now);
//! let mut pull = Connection::new(HandshakeConfig::new(SocketType::Pull), now);
//! push.send(["job", "42"])?;
//!
//! let mut received = Vec::new();
//! while received.is_empty() {
//!     while let Some(bytes) = push.poll_transmit() {
//!         pull.handle_input(&bytes, now)?;
//!     }
//!     while let Some(bytes) = pull.poll_transmit() {
//!         push.handle_input(&bytes, now)?;
//!     }
//!     while let Some(event) = pull.poll_event() {
//!         if let Event::Message(message) = event {
//!             received.push(message);
//!         }
//!     }
//! }
//! assert_eq!(received, [Message::from(["job", "42"])]);
//! # Ok::<(), zmtp::Error>(())
//! ```
//!
//! And a whole program, `examples/reply_server.rs`, on a blocking TCP socket:
//!
//! ```no_run
#![doc = include_str!("../examples/reply_server.rs")]
//! ```
//!
//! # What it speaks
//!
//! | | |
//! |---|---|
//! | versions | ZMTP 3.1 (RFC 37), 3.0 (RFC 23), 2.0 (RFC 15) and 1.0 (RFC 13) |
//! | mechanisms | NULL, PLAIN (RFC 24, [`plain`]) and CURVE (RFC 26, [`curve`]), as client and server |
//! | authentication | the questions and answers of ZAP (RFC 27, [`zap`]) |
//! | transports | any stream of bytes; WebSocket (RFC 45, [`zws`]) |
//! | socket types | all stable ones, and the drafts: [`SocketType`] |
//!
//! It announces 3.1 and falls back to what the peer speaks: framing, identity, subscriptions and
//! heartbeats follow the version, and nobody above has to know. Peers of 1.0 cannot be told from
//! clients of other protocols by their first bytes; [`HandshakeConfig::with_oldest_version`] keeps
//! both out.
//!
//! All of it is byte for byte what libzmq sends; recorded connections of libzmq are among the tests.
//! Where the RFCs and libzmq differ it sends what both accept, and accepts what libzmq sends. It
//! differs from libzmq where that is safer: a peer of 1.0 or 2.0 has to introduce itself within the
//! handshake timeout, identities that a ROUTER could not use are refused, properties that a peer
//! claims are kept apart from those that ZAP vouches for ([`Peer`]), and a peer of the wrong socket
//! type is told so.
//!
//! # Features
//!
//! All of them are on by default. Without any, the crate depends on `bytes` and `zeroize` alone.
//!
//! | feature | what it adds | what is compiled for it |
//! |---|---|---|
//! | `curve` | the mechanism CURVE ([`curve`]) | an elliptic curve, vector instructions, randomness |
//! | `plain` | the mechanism PLAIN ([`plain`]), and `zap` | |
//! | `ws` | WebSocket ([`zws`]) | SHA-1, base64, an HTTP parser, randomness |
//! | `zap` | questions to an authentication handler ([`zap`]) | randomness, comparisons in constant time |
//! | `std` | [`Connection`], [`Heartbeat`] and [`SansIo`]; `curve` and `ws` have it on | the standard library |
//!
//! Without `std` the crate needs `alloc` only. [`Instant`](std::time::Instant) is all that stands in the
//! way of the rest: connections and heartbeats are told the time. What has no clock is there: handshakes,
//! encoders, decoders, scanners, commands and messages. ZAP needs random ids, for which `getrandom` has
//! to know a source.
//!
//! # Peers are not trusted
//!
//! No input makes this crate panic, and memory grows with what has arrived, never with what was
//! announced. Everything whose size or number the peer decides has a bound in [`Limits`]. A
//! violation is an [`Error`] that names the cause, whose fault it was ([`Error::blame`]), and what
//! libzmq's monitor would call it ([`Error::protocol_event_code`]).

#![forbid(unsafe_code)]
#![cfg_attr(not(any(feature = "std", test)), no_std)]

extern crate alloc;

pub mod command;
#[cfg(feature = "std")]
mod connection;
#[cfg(feature = "curve")]
pub mod curve;
#[cfg(not(feature = "curve"))]
#[path = "no_curve.rs"]
mod curve;
mod datagram;
mod decoder;
mod encoder;
mod error;
mod frame;
mod framing;
pub mod greeting;
mod handshake;
pub mod header;
#[cfg(feature = "std")]
mod heartbeat;
mod limits;
mod mechanism;
mod message;
pub mod metadata;
#[cfg(feature = "std")]
mod outbound;
mod peer;
#[cfg(feature = "_random")]
mod random;
#[cfg(not(feature = "_random"))]
#[path = "no_random.rs"]
mod random;
mod rules;
#[cfg(feature = "std")]
mod sans_io;
pub mod scan;
mod secret;
mod socket_type;
pub mod v1;
pub mod z85;
#[cfg(feature = "zap")]
pub mod zap;
pub mod zpl;
#[cfg(feature = "ws")]
pub mod zws;

pub use command::Command;
#[cfg(feature = "std")]
pub use connection::{Connection, ConnectionConfig, Event, SendError};
pub use datagram::Datagram;
pub use decoder::{Borrowed, Decoded, Decoder, Item};
pub use encoder::{Encoder, encode_frame, encode_message};
pub use error::{Blame, Error};
pub use frame::Frame;
pub use greeting::{Greeting, GreetingParser};
pub use handshake::{Established, Handshake, HandshakeConfig};
pub use header::{Flags, FrameHeader};
#[cfg(feature = "std")]
pub use heartbeat::{Heartbeat, HeartbeatConfig};
pub use limits::Limits;
pub use mechanism::MechanismConfig;
#[cfg(feature = "plain")]
pub use mechanism::plain;
pub use message::{IntoIter, Message};
pub use metadata::Metadata;
pub use peer::{Peer, Version};
#[cfg(feature = "_random")]
pub use random::Random;
#[cfg(not(feature = "_random"))]
use random::Random;
#[cfg(feature = "std")]
pub use sans_io::SansIo;
pub use scan::Scanner;
pub use socket_type::{SocketType, UnknownSocketType};

/// The examples of the README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
