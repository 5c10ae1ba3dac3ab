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
//! | text, a fragment, an empty message, the wrong masking, reserved bits | CLOSE with a code, [`Violation`] |
//! | a frame beyond a limit | CLOSE with code 1009 |
//!
//! libzmq hangs in the last two cases instead of closing, and its client does not check the
//! response.
//!
//! # Browsers
//!
//! A browser opens a WebSocket for any page that asks for one, to any address that it can reach, the
//! user's own machine included. The page stands in the `Origin` field of the request, which is not
//! looked at: as on every other transport, a mechanism decides who may come in.
//!
//! Sections followed: RFC 45; RFC 6455, sections 4 to 7.

mod codec;
mod connection;
mod error;
mod frame;
mod head;
mod upgrade;

pub use codec::{COMMAND, Control, Decoder, Encoder, MORE, Role};
pub use connection::Connection;
pub use error::{UpgradeError, Violation};
pub use frame::{FrameHeader, MAX_CONTROL_LEN, MAX_HEADER_LEN, Opcode, apply_mask};
pub use upgrade::{Protocol, Request, Response, Target};
