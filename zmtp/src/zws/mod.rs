//! ZWS 2.0: ØMQ over WebSocket, for browsers and for networks that let nothing else pass.
//!
//! A client asks a web server, by HTTP, to turn the stream into a WebSocket that carries one of the
//! ZWS protocols. From then on each ZMTP frame is one binary WebSocket message:
//!
//! ```text
//!   client                                                     server
//!     │ GET / HTTP/1.1  Sec-WebSocket-Protocol: ZWS2.0/NULL,ZWS2.0 │
//!     ├───────────────────────────────────────────────────────────▶│
//!     │    101 Switching Protocols  Sec-WebSocket-Protocol: ZWS2.0/NULL
//!     │◀───────────────────────────────────────────────────────────┤
//!     │ ┌────────┬──────┬──────┬───────┐                           │
//!     │ │ header │ mask │ flags│ body  │   masked by the client    │
//!     ├─┴────────┴──────┴──────┴───────┴──────────────────────────▶│
//!     │                             ┌────────┬──────┬──────┐       │
//!     │        not by the server    │ header │ flags│ body │       │
//!     │◀────────────────────────────┴────────┴──────┴──────┴───────┤
//! ```
//!
//! There is no greeting: the upgrade settles the mechanism. The handshake of the mechanism and the
//! messages are those of a stream, without the sizes that WebSocket has already, and with a flags
//! byte of its own:
//!
//! | flags | frame |
//! |---|---|
//! | 00 | the last frame of a message |
//! | 01 | a frame of a message of which more follows |
//! | 02 | a command |
//!
//! With the protocol `ZWS2.0` there is no mechanism, and the first frame each way is the identity.
//!
//! [`Connection`] is one end, whole. Its parts are [`Request`] and [`Response`] for the upgrade,
//! [`Decoder`] and [`Encoder`], which turn WebSocket frames into those of ZMTP and back, and
//! [`FrameHeader`] and [`apply_mask`]. TLS, which makes `wss://` of `ws://`, is outside, like all
//! I/O.
//!
//! # Reactions
//!
//! | the peer sends | what happens |
//! |---|---|
//! | a request that does not fit | a server answers with an HTTP error: [`UpgradeError`] |
//! | a response that does not fit | a client closes |
//! | a ping | a pong with the same payload |
//! | CLOSE | CLOSE with the same payload, [`Error::ClosedByPeer`](crate::Error::ClosedByPeer) |
//! | a message in fragments, as browsers send large ones | it is put together, within the limit for frames |
//! | text, an empty message, the wrong masking, reserved bits, a false code in CLOSE | CLOSE with a code, [`Violation`] |
//! | a frame beyond a limit | CLOSE with code 1009 |
//!
//! libzmq hangs in the last two cases instead of closing, and its client does not check the
//! response.
//!
//! # Browsers
//!
//! A browser opens a WebSocket for any page that asks for one, to any address that it can reach, the
//! user's own machine included. The page stands in the `Origin` field of the request. A request with
//! an origin is refused unless the server's [`Gate`] allows it; the gate also shows the application
//! the request, with its path and fields, before anything is answered.
//!
//! RFC 45's names `ZWS2.0/NULL`, `ZWS2.0/PLAIN` and `ZWS2.0/CURVE` cannot be sent by a browser: the
//! name of a subprotocol is a token of HTTP, which has no slash, and `new WebSocket(url, name)`
//! throws. What can be sent is `ZWS2.0`: no mechanism, and the identity first. It is accepted where
//! NULL is, and where no ZAP handler has to be asked. For those who write a client with PLAIN or CURVE
//! for browsers a server takes `ZWS2.0.NULL`, `ZWS2.0.PLAIN` and `ZWS2.0.CURVE` as well, which are
//! tokens and otherwise the same. These names are this crate's own; its clients offer those of RFC 45.
//!
//! # Behind an HTTP server
//!
//! Where another library has done the upgrade, [`Connection::upgraded`] goes on behind it. With
//! hyper, the server checks the request and picks a protocol,
//!
//! ```
//! use zmtp::zws::{Protocol, accept_value};
//! use zmtp::{HandshakeConfig, SocketType};
//!
//! /// The protocol, and the value of `Sec-WebSocket-Accept`, for the fields of a request.
//! fn answer(config: &HandshakeConfig, protocols: &str, key: &str) -> Option<(Protocol, String)> {
//!     let accepted = Protocol::accepted_for(config.mechanism());
//!     let mut offered = protocols.split(',').filter_map(|name| Protocol::from_name(name.trim()));
//!     let protocol = offered.find(|protocol| accepted.contains(protocol))?;
//!     Some((protocol, accept_value(key)))
//! }
//! # let config = HandshakeConfig::new(SocketType::Pull);
//! # let (protocol, _) = answer(&config, "chat, ZWS2.0", "dGhlIHNhbXBsZSBub25jZQ==").unwrap();
//! # assert_eq!(protocol, Protocol::Bare);
//! ```
//!
//! answers with status 101, `Upgrade: websocket`, `Connection: Upgrade`, that value and
//! `Sec-WebSocket-Protocol`, and reads and writes what `hyper::upgrade::on` yields. Types for
//! WebSockets that have taken the frames apart already, such as axum's, are of no use here.
//!
//! Sections followed: RFC 45; RFC 6455, sections 4 to 7.

mod codec;
mod connection;
mod error;
mod frame;
mod gate;
mod head;
mod upgrade;

pub use codec::{COMMAND, Control, Decoder, Encoder, MORE, Role};
pub use connection::Connection;
pub use error::{Rejection, UpgradeError, Violation};
pub use frame::{FrameHeader, MAX_CONTROL_LEN, MAX_HEADER_LEN, Opcode, apply_mask};
pub use gate::Gate;
pub use upgrade::{Protocol, Request, Response, Target, accept_value};
